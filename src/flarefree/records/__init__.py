"""What was observed: the tables of a study, immutable, and what is odd in them.

Takes nothing from files itself (`flarefree.readers` does that); gives `Study`, whose tables have our names
and types, and findings with file, row, column, found and expected.
CDISC's names are in `cdisc.py` and nowhere else; every kind of finding is explained in `codes.py`.
Begin at `tables.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.records.findings import Finding, Severity, findings_frame
    from flarefree.records.study import Study

__all__ = ["Finding", "Severity", "Study", "findings_frame"]

_HOME = {"Finding": "findings", "Severity": "findings", "Study": "study", "findings_frame": "findings"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.records.{_HOME[name]}"), name)
    raise AttributeError(f"module 'flarefree.records' has no attribute {name!r}")
