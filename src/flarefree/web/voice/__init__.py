"""The voice line: randomize, hear an earlier answer, break a code by the keys of a telephone.

Takes a provider's web-hooks, signed; gives what to say next, as TwiML or as plain JSON.  A call is a state
machine without effects; what it asks for goes through the same commands as a page's button, once a call.
An arm is never kept here and never said, but in the one answer of a code break.
Begin reading at `flow.py`, then `line.py`.
"""
