"""Forms made from the protocol's measures, and how what is written on them is read.

Takes a protocol, and a visit's name or a result as written; gives fields with units and ranges, values in
the protocol's unit, and what is odd about them.  Begin reading at `forms.py`.
"""
