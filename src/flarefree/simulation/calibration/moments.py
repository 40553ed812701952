"""What is computed of every virtual trial to be set beside a published number: one function a statistic.

A statistic is a name and its arguments, as in `events renal_flare`; it gives (trials, arms), or (trials,)
for a number of whole trials.  Those that need rows of a study (adverse events, doses) are in
`row_moments.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.errors import DesignError
from flarefree.simulation.calibration.views import View
from flarefree.simulation.specimens import WITHDRAWAL_REASONS
from flarefree.studytime import DAYS_PER_MONTH, DAYS_PER_YEAR

__all__ = ["Key", "endpoints_of", "measures_of", "moments", "needs_rows"]

Floats = npt.NDArray[np.float64]
Key = tuple[str, str]
"""A statistic and its arm; the arm is empty for a number of whole trials."""
Statistic = Callable[[View, str], Floats]

_OF_ENDPOINTS = frozenset({"events", "hazard_ratio", "hr_low", "hr_high", "p_value", "incidence"})
_Z = 1.959963984540054


def moments(view: View, wanted: Iterable[Key]) -> dict[Key, Floats]:
    """Statistics of every trial of a view, each (trials,).

    Raises
    ------
    DesignError
        No such statistic.
    """
    found: dict[Key, Floats] = {}
    made: dict[str, Floats] = {}
    rows: Any = None
    for statistic, arm in wanted:
        if statistic not in made:
            name, _, rest = statistic.partition(" ")
            if needs_rows(statistic):
                from flarefree.simulation.calibration.row_moments import ROW_STATISTICS, Rows

                rows = Rows(view) if rows is None else rows
                made[statistic] = ROW_STATISTICS[name](rows, rest)
            else:
                made[statistic] = _statistic(name)(view, rest)
        value = made[statistic]
        found[statistic, arm] = value[:, view.design.arms.index(arm)] if arm else value
    return found


def needs_rows(statistic: str) -> bool:
    """Whether a statistic is computed of adverse events or doses as rows."""
    return statistic.split()[0] in (
        "adverse", "dose_mean", "dose_sd", "dose_reached", "dose_mean_failures", "prednisone_low"
    )  # fmt: skip


def endpoints_of(statistics: Iterable[str]) -> tuple[str, ...]:
    """Endpoints that some statistics ask for."""
    named = []
    for statistic in statistics:
        name, _, rest = statistic.partition(" ")
        if name == "events_only":
            named += rest.split()
        elif name in _OF_ENDPOINTS or name.endswith("_of_level"):
            named.append(rest.split()[0])
    return tuple(dict.fromkeys(named))


def measures_of(statistics: Iterable[str]) -> tuple[str, ...]:
    """Measures that must be taken for some statistics, though no endpoint may ask for them."""
    named = [s.split()[1] for s in statistics if s.startswith(("baseline_", "measured_"))]
    return tuple(dict.fromkeys(named))


def states_of(statistics: Iterable[str]) -> tuple[str, ...]:
    """States of the protocol that some statistics ask for."""
    return tuple(dict.fromkeys(s.split()[1] for s in statistics if s.startswith("in_state")))


def _statistic(name: str) -> Statistic:
    if name not in _STATISTICS:
        raise DesignError(
            "no such statistic of virtual trials", where="statistic", found=name,
            expected=", ".join(sorted(_STATISTICS)),
        )  # fmt: skip
    return _STATISTICS[name]


# Events and effects -------------------------------------------------------------------------------


def _events(view: View, endpoint: str) -> Floats:
    return view.count(view.outcomes.times[endpoint].is_event)


def _events_only(view: View, rest: str) -> Floats:
    """Patients with the first endpoint and none of the others."""
    first, *others = rest.split()
    times = view.outcomes.times
    had = times[first].is_event.copy()
    for other in others:
        had &= ~times[other].is_event
    return view.count(had)


def _hazard_ratio(view: View, endpoint: str) -> Floats:
    return np.exp(view.compared(endpoint)[1])


def _hr_low(view: View, endpoint: str) -> Floats:
    _, log_hr, error = view.compared(endpoint)
    return _exp(log_hr - _Z * error)


def _hr_high(view: View, endpoint: str) -> Floats:
    _, log_hr, error = view.compared(endpoint)
    return _exp(log_hr + _Z * error)


def _exp(x: Floats) -> Floats:
    """Infinite limits stay infinite; those that do not exist are NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.exp(x)


def _p_value(view: View, endpoint: str) -> Floats:
    return view.compared(endpoint)[0]


def _incidence(view: View, rest: str) -> Floats:
    endpoint, month = rest.split()
    return view.incidence(endpoint, float(month))


def _of_level(view: View, rest: str) -> tuple[str, npt.NDArray[np.bool_]]:
    """`ENDPOINT ... COVARIATE LEVEL`: what comes before the covariate, and who is of the level."""
    *first, covariate, level = rest.split()
    return " ".join(first), view.tile.cohort.covariates[covariate] == level


def _events_of_level(view: View, rest: str) -> Floats:
    endpoint, keep = _of_level(view, rest)
    return view.count(view.outcomes.times[endpoint].is_event & keep)


def _incidence_of_level(view: View, rest: str) -> Floats:
    first, keep = _of_level(view, rest)
    endpoint, month = first.split()
    return view.incidence(endpoint, float(month), keep)


def _hazard_ratio_of_level(view: View, rest: str) -> Floats:
    endpoint, keep = _of_level(view, rest)
    return _exp(view.compared(endpoint, keep)[1])


# Participation ------------------------------------------------------------------------------------


def _completed(view: View, _: str) -> Floats:
    return view.count(view.outcomes.consequences.reasons < 0)


def _not_completed(view: View, _: str) -> Floats:
    return view.count(view.outcomes.consequences.reasons >= 0)


def _dropout(view: View, _: str) -> Floats:
    done = view.outcomes.consequences
    return view.count((done.reasons >= 0) & ~done.has_failed)


def _withdrawn(view: View, reason: str) -> Floats:
    return view.count(view.outcomes.consequences.reasons == WITHDRAWAL_REASONS.index(reason))


def _days_mean(view: View, _: str) -> Floats:
    return view.total(view.days) / np.array(view.design.sizes)


def _days_sd(view: View, _: str) -> Floats:
    return np.stack([arm.std(axis=1, ddof=1) for arm in view.by_arm(view.days)], axis=1)


def _person_years(view: View, _: str) -> Floats:
    return view.total(view.days) / DAYS_PER_YEAR


def _left_months(view: View, percent: str) -> Floats:
    """A percentile of the months after which those left who did not complete."""
    left = view.outcomes.consequences.reasons >= 0
    months = np.where(left, view.days / DAYS_PER_MONTH, np.nan)
    return _rowwise(view.by_arm(months), lambda rows: _nan_percentile(rows, float(percent)))


def _nan_percentile(rows: Floats, percent: float) -> Floats:
    has_any = np.isfinite(rows).any(axis=1)
    out = np.full(len(rows), np.nan)
    if has_any.any():
        out[has_any] = np.nanpercentile(rows[has_any], percent, axis=1)
    return out


# Values and states --------------------------------------------------------------------------------


def _in_state(view: View, rest: str) -> Floats:
    state, month = rest.split()
    visit = view.visit(float(month))
    return view.count(view.in_state(state, visit) & view.attends(visit))


def _in_state_percent(view: View, rest: str) -> Floats:
    """Of those who are still in the trial at the visit."""
    _, month = rest.split()
    there = view.count(view.attends(view.visit(float(month))))
    return 100.0 * _in_state(view, rest) / np.maximum(there, 1.0)


def _baseline_mean(view: View, measure: str) -> Floats:
    return _rowwise(view.by_arm(view.measured(measure, 0)), lambda x: x.mean(axis=1))


def _baseline_sd(view: View, measure: str) -> Floats:
    return _rowwise(view.by_arm(view.measured(measure, 0)), lambda x: x.std(axis=1, ddof=1))


def _baseline_geomean(view: View, measure: str) -> Floats:
    return _rowwise(view.by_arm(np.log(view.measured(measure, 0))), lambda x: np.exp(x.mean(axis=1)))


def _baseline_within(view: View, rest: str) -> Floats:
    measure, low, high = rest.split()
    value = view.measured(measure, 0)
    return view.count((value >= float(low)) & (value < float(high)))


def _measured_mean(view: View, rest: str) -> Floats:
    """Mean of a measure at a visit, over so many patients of each arm as are named, the first still there."""
    measure, month, *counts = rest.split()
    visit = view.visit(float(month))
    value = np.where(view.attends(visit), view.measured(measure, visit), np.nan)
    wanted = [int(n) for n in counts] + [10**9] * (len(view.design.arms) - len(counts))
    return np.stack([_mean_of_first(x, n) for x, n in zip(view.by_arm(value), wanted, strict=True)], axis=1)


def _mean_of_first(rows: Floats, n: int) -> Floats:
    here = np.isfinite(rows)
    keep = here & (np.cumsum(here, axis=1) <= n)
    return np.where(keep, rows, 0.0).sum(axis=1) / np.maximum(keep.sum(axis=1), 1)


def _covariate(view: View, rest: str) -> Floats:
    name, level = rest.split(" ", 1)
    return view.count(view.tile.cohort.covariates[name] == level)


def _enrolled(view: View, rest: str) -> Floats:
    return _covariate(view, rest).sum(axis=1)


def _covariate_mean(view: View, name: str) -> Floats:
    return _rowwise(view.by_arm(view.tile.cohort.covariates[name]), lambda x: x.mean(axis=1))


def _covariate_sd(view: View, name: str) -> Floats:
    return _rowwise(view.by_arm(view.tile.cohort.covariates[name]), lambda x: x.std(axis=1, ddof=1))


def _rowwise(arms: Sequence[Floats], summary: Callable[[Floats], Floats]) -> Floats:
    return np.stack([summary(np.asarray(arm, dtype=np.float64)) for arm in arms], axis=1)


_STATISTICS: Mapping[str, Statistic] = {
    "events": _events,
    "events_only": _events_only,
    "hazard_ratio": _hazard_ratio,
    "hr_low": _hr_low,
    "hr_high": _hr_high,
    "p_value": _p_value,
    "incidence": _incidence,
    "events_of_level": _events_of_level,
    "incidence_of_level": _incidence_of_level,
    "hazard_ratio_of_level": _hazard_ratio_of_level,
    "completed": _completed,
    "not_completed": _not_completed,
    "dropout": _dropout,
    "withdrawn": _withdrawn,
    "days_mean": _days_mean,
    "days_sd": _days_sd,
    "person_years": _person_years,
    "left_months": _left_months,
    "in_state": _in_state,
    "in_state_percent": _in_state_percent,
    "baseline_mean": _baseline_mean,
    "baseline_sd": _baseline_sd,
    "baseline_geomean": _baseline_geomean,
    "baseline_within": _baseline_within,
    "measured_mean": _measured_mean,
    "covariate": _covariate,
    "enrolled": _enrolled,
    "covariate_mean": _covariate_mean,
    "covariate_sd": _covariate_sd,
}
