"""Repeated measures: models of several visits a subject, of a number or of yes and no.

Takes a formula such as `change ~ arm*visit + us(visit | subject)` and a frame; gives frozen results with
`.tidy()`, `.glance()`, `.ls_means()`.  Knows no patients and no protocol.  Names are imported when first
used.  Read `repeated_measures.py` first (`mmrm`), then `likelihood.py`; formulas are in docs/methods/.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.stats.mixed.estimating_equations import GEE, gee
    from flarefree.stats.mixed.imputation import ImputedComparison, reference_based_imputation
    from flarefree.stats.mixed.logistic import LogisticMixed, logistic_mixed
    from flarefree.stats.mixed.means import Means
    from flarefree.stats.mixed.repeated_measures import MMRM, mmrm
    from flarefree.stats.mixed.rubin import Pooled, pool

__all__ = [
    "GEE",
    "MMRM",
    "ImputedComparison",
    "LogisticMixed",
    "Means",
    "Pooled",
    "gee",
    "logistic_mixed",
    "mmrm",
    "pool",
    "reference_based_imputation",
]

_HOME = {
    "GEE": "estimating_equations",
    "ImputedComparison": "imputation",
    "LogisticMixed": "logistic",
    "MMRM": "repeated_measures",
    "Means": "means",
    "Pooled": "rubin",
    "gee": "estimating_equations",
    "logistic_mixed": "logistic",
    "mmrm": "repeated_measures",
    "pool": "rubin",
    "reference_based_imputation": "imputation",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value  # a submodule of the same name must not hide the function
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
