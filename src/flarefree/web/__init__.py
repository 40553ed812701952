"""The application that conducts a trial: accounts, record, committee, vault; pages, API and voice line.

Takes a protocol and a database; gives what `flarefree serve` shows and the study folder for the analysis.
Every change goes through `commands`, every reading through `queries`; only `vault` can name an arm.
The rules themselves are `flarefree.conduct`: this package stores, shows and asks.
Begin reading at `commands/executing.py`; the map is docs/explanation/architecture-of-conduct.md.
"""

from __future__ import annotations

__all__: list[str] = []
