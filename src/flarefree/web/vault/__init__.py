"""The allocation vault: lists, arms and who was given which, in a database of its own.

Only `service.py` is imported from outside, and what it gives names no arm but by a code break or a release.
"""
