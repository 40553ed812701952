"""The pages' views, one module for each part of a trial: each asks a query or a command and shows the answer.

Takes a request and who acts; gives a page.  No rule is decided here and no table is read.
Begin reading at `subjects.py`; which view answers which address stands in `flarefree.web.pages.urls`.
"""
