"""Survival: from times and events to curves, tests and models.

Takes arrays (or a formula and a frame); gives frozen results with `.tidy()` and `.glance()`.
Knows no patients and no protocol.  Names are imported when first used, numba with them.
Read `kaplan_meier.py` first, then `cox.py`; formulas are in docs/methods/survival_*.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.stats.survival.cox import cox
    from flarefree.stats.survival.cox_array import fit_cox
    from flarefree.stats.survival.cox_fit import CoxFit
    from flarefree.stats.survival.curves import KaplanMeier
    from flarefree.stats.survival.kaplan_meier import kaplan_meier
    from flarefree.stats.survival.logrank import LogrankTest, logrank, logrank_trend
    from flarefree.stats.survival.rates import IncidenceRate, RateRatio, incidence_rate, rate_ratio

__all__ = [
    "CoxFit",
    "IncidenceRate",
    "KaplanMeier",
    "LogrankTest",
    "RateRatio",
    "cox",
    "fit_cox",
    "incidence_rate",
    "kaplan_meier",
    "logrank",
    "logrank_trend",
    "rate_ratio",
]

_HOME = {
    "CoxFit": "cox_fit",
    "IncidenceRate": "rates",
    "KaplanMeier": "curves",
    "LogrankTest": "logrank",
    "RateRatio": "rates",
    "cox": "cox",
    "fit_cox": "cox_array",
    "incidence_rate": "rates",
    "kaplan_meier": "kaplan_meier",
    "logrank": "logrank",
    "logrank_trend": "logrank",
    "rate_ratio": "rates",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value  # a submodule of the same name must not hide the function
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
