"""The evidence report: a question's answer as a page, as paper, and as data.

Takes an `Answer` (`flarefree.evidence.answer`); gives a folder: `report.html`, `report.pdf`, figures with
their data, rows, numbers, the run's record, a manifest.  Computes nothing.  Read `writing.py`, then
`building.py`, then a section (`front.py`, `outcomes.py`, `beside.py`, `back.py`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.reports.evidence.writing import write_evidence_report

__all__ = ["write_evidence_report"]


def __getattr__(name: str) -> Any:
    if name == "write_evidence_report":
        return import_module("flarefree.reports.evidence.writing").write_evidence_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
