"""Reports: results shown, none computed.

Takes a `ReportContent` (results of `flarefree.analysis`, findings, datasets, events with their rows);
gives a folder: `report.html`, `report.pdf`, figures, datasets, results as data, a manifest with digests.
The same content gives the same bytes.  Read `write.py`, then `building.py` and `document.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.reports.content import Dataset, ReportContent
    from flarefree.reports.write import WrittenReport, write_report

__all__ = ["Dataset", "ReportContent", "WrittenReport", "write_report"]

_HOME = {
    "Dataset": "flarefree.reports.content",
    "ReportContent": "flarefree.reports.content",
    "WrittenReport": "flarefree.reports.write",
    "write_report": "flarefree.reports.write",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'flarefree.reports' has no attribute {name!r}")
