"""What each role may read: views made through the role matrix; pages, API and exports read nothing else.

Takes an actor; gives views whose fields the matrix allows.  What is not allowed is not there, nor counted.
Begin reading at `seeing.py`.
"""
