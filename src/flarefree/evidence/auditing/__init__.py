"""The audit: recompute what printed numbers imply, and say which of them cannot stand together.

Takes a table of printed cells (a frame, a CSV, rows) or the evidence base; gives a frozen `Audit` whose
findings each say what, why, how sure, where, and what would reconcile it.  Begin reading at `auditor.py`
(the order of the checks), then `rows.py` (the shape of a table); `docs/methods/audit.md` has the formulas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.evidence.auditing.auditor import audit
    from flarefree.evidence.auditing.findings import Audit, Finding
    from flarefree.evidence.auditing.printed import Printed
    from flarefree.evidence.auditing.rows import PrintedRow, read_printed_rows

__all__ = ["Audit", "Finding", "Printed", "PrintedRow", "audit", "read_printed_rows"]

_HOME = {
    "Audit": "findings",
    "Finding": "findings",
    "Printed": "printed",
    "PrintedRow": "rows",
    "audit": "auditor",
    "read_printed_rows": "rows",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.evidence.auditing.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
