"""Checks of the application by their numbers, R1 ... F-8, on scratch databases of the installed engine.

Takes how thorough to be and where scratch databases may be made; gives a `CheckResult` a check, like
`flarefree.conduct.checks`, whose rules these run through the application's databases and processes.
Each module beside `scratch.py` has its `CHECKS`, a tuple of `flarefree.conduct.checks.Check`.
Begin reading at `scratch.py`: `scratch_installation()` sets up, `fresh_databases()` gives each check its own.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flarefree.conduct.checks import Check

__all__ = ["all_web_checks"]


def all_web_checks() -> tuple[Check, ...]:
    """Every check of the modules beside this one, by their names: each module's `CHECKS`, in its order.

    Called once the application is set up: the modules import its models.
    """
    names = sorted(module.name for module in iter_modules(__path__))
    modules = (import_module(f"{__name__}.{name}") for name in names)
    return tuple(check for module in modules for check in getattr(module, "CHECKS", ()))
