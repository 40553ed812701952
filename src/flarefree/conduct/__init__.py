"""The rules by which a trial is run: allocation, doses, visits, adjudication; no database and no page.

Takes a protocol and what happened so far; gives what may, must or must not happen next.  `flarefree.web`
keeps the records and shows the pages.  Nothing here knows an arm but `randomization`, whose lists are
sealed.  Begin reading at `randomization/schemes.py`.
"""

__all__: list[str] = []
