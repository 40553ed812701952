"""Survival: from times and events to curves, tests and models.

Takes arrays (or a formula and a frame); gives frozen results with `.tidy()` and `.glance()`.
Knows no patients and no protocol.  Names are imported when first used, numba with them.
Read `product_limit.py` first, then `cox_array.py`; formulas are in docs/methods/survival_*.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.stats.survival.batch import BatchCox, BatchCurves, BatchLogrank, BatchTrials, batch_trials
    from flarefree.stats.survival.competing import CumulativeIncidence, GrayTest, cumulative_incidence, gray
    from flarefree.stats.survival.cox_array import fit_cox
    from flarefree.stats.survival.cox_concordance import Concordance
    from flarefree.stats.survival.cox_curves import CoxCurves
    from flarefree.stats.survival.cox_fit import CoxFit
    from flarefree.stats.survival.cox_formula import cox
    from flarefree.stats.survival.cox_zph import ProportionalHazardsTest
    from flarefree.stats.survival.curves import KaplanMeier
    from flarefree.stats.survival.frailty_term import FrailtyTerm
    from flarefree.stats.survival.landmarking import Landmark, landmark
    from flarefree.stats.survival.logrank_tests import LogrankTest, logrank, logrank_trend
    from flarefree.stats.survival.piecewise import PiecewiseExponential, piecewise_exponential
    from flarefree.stats.survival.product_limit import kaplan_meier
    from flarefree.stats.survival.rates import IncidenceRate, RateRatio, incidence_rate, rate_ratio
    from flarefree.stats.survival.recurrent import MeanCumulativeFunction, mean_cumulative_function
    from flarefree.stats.survival.restricted_mean import RestrictedMean, rmst
    from flarefree.stats.survival.subdistribution import fine_gray
    from flarefree.stats.survival.subdistribution_fit import FineGrayFit
    from flarefree.stats.survival.win import Measurement, TimeToEvent, WinStatistics, win_odds, win_ratio

__all__ = [
    "BatchCox",
    "BatchCurves",
    "BatchLogrank",
    "BatchTrials",
    "Concordance",
    "CoxCurves",
    "CoxFit",
    "CumulativeIncidence",
    "FineGrayFit",
    "FrailtyTerm",
    "GrayTest",
    "IncidenceRate",
    "KaplanMeier",
    "Landmark",
    "LogrankTest",
    "MeanCumulativeFunction",
    "Measurement",
    "PiecewiseExponential",
    "ProportionalHazardsTest",
    "RateRatio",
    "RestrictedMean",
    "TimeToEvent",
    "WinStatistics",
    "batch_trials",
    "cox",
    "cumulative_incidence",
    "fine_gray",
    "fit_cox",
    "gray",
    "incidence_rate",
    "kaplan_meier",
    "landmark",
    "logrank",
    "logrank_trend",
    "mean_cumulative_function",
    "piecewise_exponential",
    "rate_ratio",
    "rmst",
    "win_odds",
    "win_ratio",
]

_HOME = {
    "BatchCox": "batch",
    "BatchCurves": "batch",
    "BatchLogrank": "batch",
    "BatchTrials": "batch",
    "Concordance": "cox_concordance",
    "CoxCurves": "cox_curves",
    "CoxFit": "cox_fit",
    "CumulativeIncidence": "competing",
    "FineGrayFit": "subdistribution_fit",
    "FrailtyTerm": "frailty_term",
    "GrayTest": "competing",
    "IncidenceRate": "rates",
    "KaplanMeier": "curves",
    "Landmark": "landmarking",
    "LogrankTest": "logrank_tests",
    "MeanCumulativeFunction": "recurrent",
    "Measurement": "win",
    "PiecewiseExponential": "piecewise",
    "ProportionalHazardsTest": "cox_zph",
    "RateRatio": "rates",
    "RestrictedMean": "restricted_mean",
    "TimeToEvent": "win",
    "WinStatistics": "win",
    "batch_trials": "batch",
    "cox": "cox_formula",
    "cumulative_incidence": "competing",
    "fine_gray": "subdistribution",
    "fit_cox": "cox_array",
    "gray": "competing",
    "incidence_rate": "rates",
    "kaplan_meier": "product_limit",
    "landmark": "landmarking",
    "logrank": "logrank_tests",
    "logrank_trend": "logrank_tests",
    "mean_cumulative_function": "recurrent",
    "piecewise_exponential": "piecewise",
    "rate_ratio": "rates",
    "rmst": "restricted_mean",
    "win_odds": "win",
    "win_ratio": "win",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
