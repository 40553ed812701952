"""The endpoint language: sentences about patients that a nephrologist can read aloud.

Takes a sentence (`upcr >= 2 * baseline(upcr)`); gives frozen nodes that print back as it.  Parsing
knows the grammar only, checking knows the protocol: its names, types and units.  What a node means for
a patient is said in `nodes.py`, and done by `flarefree.endpoints`.
Read `nodes.py` first, then `grammar.lark`, then `building.py`; `checking.py` and `values.py` last.
"""

from __future__ import annotations
