"""Kaplan-Meier and Nelson-Aalen curves by group, with limits, medians and numbers at risk.

Decides how rows become curves; what the curves can be asked for is in `curves`.
Formulas: docs/methods/survival_curves.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flarefree.stats.survival._curve_kernels import count_curves, robust_variances
from flarefree.stats.survival._inputs import (
    encode_groups,
    require_entry,
    require_events,
    require_length,
    require_times,
    require_weights,
)
from flarefree.stats.survival._limits import compute_survival_limits, require_conf_type
from flarefree.stats.survival._numbers import require_level
from flarefree.stats.survival._order import sort_entries, sort_times
from flarefree.stats.survival.curves import KaplanMeier, KaplanMeierCurve

__all__ = ["kaplan_meier"]


def kaplan_meier(
    time: Any,
    event: Any,
    group: Any = None,
    *,
    entry: Any = None,
    weights: Any = None,
    conf_type: str = "log-log",
    level: float = 0.95,
) -> KaplanMeier:
    """Estimate the survival curve of each group by Kaplan and Meier's product.

    Parameters
    ----------
    time : (n,) float
        When the event or the censoring happened; zero or more, any unit.
    event : (n,) bool or 0/1
        Whether the event was seen at `time`.
    group : (n,), optional
        A label for each row; a curve for each label, in sorted order.
    entry : (n,) float, optional
        Left truncation: a row is at risk in (entry, time].
    weights : (n,) float, optional
        Case weights.  Whole numbers are counts; otherwise the variance is the infinitesimal jackknife,
        as in R's `survfit`.
    conf_type : {"log-log", "log", "plain", "arcsin", "logit"}
        Scale on which the pointwise limits are symmetric.
    level : float
        Level of the limits.

    Returns
    -------
    KaplanMeier

    Raises
    ------
    StatsError
        A negative time, an event other than 0 or 1, a missing value, arrays of unequal length.

    Notes
    -----
    At tied times events come before censorings; times that differ by rounding only are tied.
    Variance is Greenwood's.  Limits do not exist where the estimate is 1 (log-log) or 0.

    References
    ----------
    [kaplan1958], [greenwood1926]; agrees with R's survival 3.5-3 (tests/agreement).
    """
    level = require_level(level)
    conf_type = require_conf_type(conf_type)
    times = require_times(time)
    events = require_events(event)
    require_length(events, times.size, "event")
    entries = None if entry is None else require_entry(entry, times)
    weight = None if weights is None else require_weights(weights, times.size)
    robust = weight is not None and bool((weight != np.floor(weight)).any())
    code, labels = (None, (None,)) if group is None else encode_groups(group, times.size)

    _, entries, order, sorted_time, starts = sort_times(times, entries, code, len(labels))
    sorted_weight = np.ones(times.size) if weight is None else weight[order]
    entry_rows, entry_order = sort_entries(entries, order, starts)
    sorted_event = events[order]
    curve_starts, counts = count_curves(
        sorted_time,
        sorted_event,
        sorted_weight,
        starts,
        entry_rows[entry_order],
        sorted_weight[entry_order],
    )
    log_se, hazard_se = np.sqrt(counts[5]), np.sqrt(counts[7])
    if robust:
        log_variance, hazard_variance = robust_variances(
            sorted_time,
            sorted_event,
            sorted_weight,
            starts,
            entry_order,
            entry_rows,
            curve_starts,
            counts[1],
            counts[2],
        )
        log_se, hazard_se = np.sqrt(log_variance), np.sqrt(hazard_variance)
    with np.errstate(invalid="ignore"):
        std_error = counts[4] * log_se  # zero times infinity: not estimable once nobody is left
    low, high = compute_survival_limits(counts[4], log_se, conf_type, level)
    columns = (
        counts[0],
        counts[1],
        counts[2],
        counts[3],
        counts[4],
        std_error,
        low,
        high,
        counts[6],
        hazard_se,
    )
    n_rows = np.diff(starts)
    curves = tuple(
        KaplanMeierCurve(
            labels[g], int(n_rows[g]), *(c[curve_starts[g] : curve_starts[g + 1]] for c in columns)
        )
        for g in range(len(labels))
    )
    return KaplanMeier(
        curves,
        conf_type=conf_type,
        level=level,
        variance="infinitesimal jackknife" if robust else "Greenwood",
        is_grouped=group is not None,
    )
