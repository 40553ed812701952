"""Checks of the rules by which a trial is run: R10, A2, E1 ... by the numbers of the acceptance list.

Takes nothing but how thorough to be; gives a `CheckResult` a check, with what was expected and what was
found.  They run from an installed copy: `flarefree validate` and the tests call the same bodies.  Begin
reading at `result.py`; each module beside it has its `CHECKS`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.conduct.checks.result import Check, CheckResult, Evidence, all_checks, run_check

__all__ = ["Check", "CheckResult", "Evidence", "all_checks", "run_check"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("flarefree.conduct.checks.result"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
