"""Every change that somebody may ask for, as a frozen command; pages, API and voice line only ask.

Takes a command, who asks and the request's id; gives an outcome, or an error in words, and changes all or
nothing.  Begin reading at `executing.py`; each other module holds the commands of one part of a trial.
"""
