"""Survival: from times and events to curves, tests and models.

Takes arrays (or a formula and a frame); gives frozen results with `.tidy()` and `.glance()`.
Knows no patients and no protocol.  Names are imported when first used, numba with them.
Read `kaplan_meier.py` first, then `cox.py`; formulas are in docs/methods/survival_*.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.stats.survival.competing import CumulativeIncidence, GrayTest, cumulative_incidence, gray
    from flarefree.stats.survival.concordance import Concordance
    from flarefree.stats.survival.cox import cox
    from flarefree.stats.survival.cox_array import fit_cox
    from flarefree.stats.survival.cox_curves import CoxCurves
    from flarefree.stats.survival.cox_fit import CoxFit
    from flarefree.stats.survival.cox_zph import ProportionalHazardsTest
    from flarefree.stats.survival.curves import KaplanMeier
    from flarefree.stats.survival.fine_gray import FineGrayFit, fine_gray
    from flarefree.stats.survival.frailty import FrailtyTerm
    from flarefree.stats.survival.kaplan_meier import kaplan_meier
    from flarefree.stats.survival.logrank import LogrankTest, logrank, logrank_trend
    from flarefree.stats.survival.rates import IncidenceRate, RateRatio, incidence_rate, rate_ratio

__all__ = [
    "Concordance",
    "CoxCurves",
    "CoxFit",
    "CumulativeIncidence",
    "FineGrayFit",
    "FrailtyTerm",
    "GrayTest",
    "IncidenceRate",
    "KaplanMeier",
    "LogrankTest",
    "ProportionalHazardsTest",
    "RateRatio",
    "cox",
    "cumulative_incidence",
    "fine_gray",
    "fit_cox",
    "gray",
    "incidence_rate",
    "kaplan_meier",
    "logrank",
    "logrank_trend",
    "rate_ratio",
]

_HOME = {
    "Concordance": "concordance",
    "CoxCurves": "cox_curves",
    "CoxFit": "cox_fit",
    "CumulativeIncidence": "competing",
    "FineGrayFit": "fine_gray",
    "FrailtyTerm": "frailty",
    "GrayTest": "competing",
    "IncidenceRate": "rates",
    "KaplanMeier": "curves",
    "LogrankTest": "logrank",
    "ProportionalHazardsTest": "cox_zph",
    "RateRatio": "rates",
    "cox": "cox",
    "cumulative_incidence": "competing",
    "fine_gray": "fine_gray",
    "fit_cox": "cox_array",
    "gray": "competing",
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
