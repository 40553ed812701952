"""The trial's record: a log of entries, every value that ever stood, and the values that stand now.

Takes entries with their changes; gives what stands.  The log alone rebuilds the other tables.
Begin reading at `models.py`; `keeping.py` is the one place that writes, `reading.py` the one that reads.
"""
