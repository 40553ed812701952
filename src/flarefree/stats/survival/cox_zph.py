"""Test of proportional hazards by the score of a time-varying coefficient, as R's `cox.zph`.

Formulas: docs/methods/survival_cox.md, "Proportional hazards".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import polars as pl

from flarefree.errors import StatsError
from flarefree.stats.survival._cox_kernels import tied_sums
from flarefree.stats.survival._curve_kernels import count_curves
from flarefree.stats.survival._numbers import chi_square_p
from flarefree.stats.survival.cox_fit import CoxFit

__all__ = ["ProportionalHazardsTest", "proportional_hazards"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
TRANSFORMS = ("km", "rank", "identity", "log")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ProportionalHazardsTest:
    """A test of proportional hazards for each term and for all together.

    `statistic`, `df` and `p_value` have one entry a term, then one for `GLOBAL`.
    """

    terms: tuple[str, ...]
    statistic: tuple[float, ...]
    df: tuple[int, ...]
    p_value: tuple[float, ...]
    transform: str

    def tidy(self) -> pl.DataFrame:
        """One row a term, then GLOBAL: term, statistic, df, p_value."""
        return pl.DataFrame(
            {
                "term": list(self.terms),
                "statistic": list(self.statistic),
                "df": list(self.df),
                "p_value": list(self.p_value),
            }
        )

    def glance(self) -> pl.DataFrame:
        """One row: the global test and the time scale."""
        return pl.DataFrame(
            {
                "statistic": [self.statistic[-1]],
                "df": [self.df[-1]],
                "p_value": [self.p_value[-1]],
                "transform": [self.transform],
            }
        )

    def __repr__(self) -> str:
        width = max(len(term) for term in self.terms)
        rows = [
            f"{term:<{width}} {s:>9.4g} {df:>4} {p:>9.4g}"
            for term, s, df, p in zip(self.terms, self.statistic, self.df, self.p_value)
        ]
        head = f"Score test of proportional hazards, time scale {self.transform}"
        return "\n".join([head, f"{'':<{width}} {'chisq':>9} {'df':>4} {'p':>9}", *rows])


def proportional_hazards(
    fit: CoxFit, transform: str | Callable[[Floats], Floats] = "km"
) -> ProportionalHazardsTest:
    """Test whether coefficients change with time.

    Parameters
    ----------
    fit : CoxFit
        A fitted model.
    transform : {"km", "rank", "identity", "log"} or function of times
        The scale g(t) on which a coefficient would change linearly; `km` is one less the pooled
        Kaplan-Meier curve just before t.

    References
    ----------
    [grambsch1994]; the score form of R's `cox.zph` since survival 3.0.
    """
    if fit.ties == "exact":
        raise StatsError("the test is defined for Efron's and Breslow's ties", where="ties", found="exact")
    if not fit.terms:
        raise StatsError("a model without covariates has no hazards to be proportional", where="fit")
    rows = fit.rows
    scale = _time_scale(fit, transform)
    centered = scale - scale[rows.event].mean()
    beta = fit.coef * rows.scale
    eta = rows.linear_predictor(beta)
    risk = rows.weight * np.exp(eta - (eta.min() + eta.max()) / 2.0)
    score, information = _slope_score(
        rows.time,
        rows.event,
        rows.weight,
        risk,
        rows.x,
        rows.starts,
        rows.entry,
        rows.entry_order,
        centered,
        fit.ties == "efron",
    )
    p = beta.size
    groups = [(label, list(range(start, stop))) for label, start, stop in fit.assign]
    groups.append(("GLOBAL", list(range(p))))
    found = [_test(score, information, p, columns) for _, columns in groups]
    return ProportionalHazardsTest(
        tuple(label for label, _ in groups),
        tuple(value for value, _ in found),
        tuple(df for _, df in found),
        tuple(chi_square_p(value, df) for value, df in found),
        transform if isinstance(transform, str) else "user",
    )


def _test(score: Floats, information: Floats, p: int, columns: list[int]) -> tuple[float, int]:
    """The score test of slopes `columns`, the coefficients themselves being at their maximum."""
    kept = [*range(p), *(p + column for column in columns)]
    u = np.concatenate((np.zeros(p), score[columns]))
    return float(u @ np.linalg.solve(information[np.ix_(kept, kept)], u)), len(columns)


def _time_scale(fit: CoxFit, transform: str | Callable[[Floats], Floats]) -> Floats:
    """The scale at each sorted row's time; ranks and the pooled curve are those of all rows."""
    time = fit.rows.time
    if callable(transform):
        return np.asarray(transform(time), dtype=np.float64)
    match transform:
        case "identity":
            return time
        case "log":
            return np.log(time)
        case "rank":
            return _mid_ranks(fit.rows.all_time, time)
        case "km":
            return _km_scale(fit)
        case _:
            raise StatsError(
                "no such time scale", where="transform", found=repr(transform), expected=", ".join(TRANSFORMS)
            )


def _mid_ranks(values: Floats, at: Floats) -> Floats:
    ordered = np.sort(values)
    return (np.searchsorted(ordered, at, "left") + np.searchsorted(ordered, at, "right") + 1) / 2.0


def _km_scale(fit: CoxFit) -> Floats:
    """One less the pooled, unweighted Kaplan-Meier curve just before each row's time."""
    rows = fit.rows
    order = np.argsort(rows.all_time, kind="stable")
    ones = np.ones(order.size)
    whole = np.array([0, order.size], dtype=np.int64)
    entry = np.sort(rows.all_entry)
    _, counts = count_curves(
        rows.all_time[order], rows.all_event[order], ones, whole, entry, ones[: entry.size]
    )
    before = np.searchsorted(counts[0], rows.time, side="left")
    return 1.0 - np.concatenate(([1.0], counts[4]))[before]


@nb.njit(cache=True, error_model="numpy")
def _slope_score(
    time: Any,
    event: Any,
    weight: Any,
    risk: Any,
    x: Any,
    starts: Any,
    entry: Any,
    entry_order: Any,
    g: Any,
    efron: Any,
) -> Any:
    """Score (2p,) and information (2p, 2p) for coefficients and their slopes on the scale g."""
    p = x.shape[1]
    score = np.zeros(2 * p)
    information = np.zeros((2 * p, 2 * p))
    sums = np.zeros(1 + p + p * p)
    dying = np.zeros(1 + p + p * p)
    truncated = entry.size > 0
    for stratum in range(starts.size - 1):
        first = starts[stratum]
        sums[:] = 0.0
        i = starts[stratum + 1] - 1
        leaving = i
        while i >= first:
            t = time[i]
            deaths = 0
            wd = 0.0
            dying[:] = 0.0
            here = g[i]
            while i >= first and time[i] == t:
                _add(sums, risk[i], x[i])
                if event[i]:
                    deaths += 1
                    wd += weight[i]
                    _add(dying, risk[i], x[i])
                    for a in range(p):
                        score[a] += weight[i] * x[i, a]
                        score[p + a] += here * weight[i] * x[i, a]
                i -= 1
            if deaths == 0:
                continue
            while truncated and leaving >= first and entry[entry_order[leaving]] >= t:
                _add(sums, -risk[entry_order[leaving]], x[entry_order[leaving]])
                leaving -= 1
            _, q0, q1, q00, q01, q11 = tied_sums(sums[0], dying[0], deaths, efron)
            w = wd / deaths
            for a in range(p):
                mean = w * (sums[1 + a] * q0 - dying[1 + a] * q1)
                score[a] -= mean
                score[p + a] -= here * mean
                for b in range(p):
                    place = 1 + p + a * p + b
                    v = w * (
                        sums[place] * q0
                        - dying[place] * q1
                        - sums[1 + a] * sums[1 + b] * q00
                        + (sums[1 + a] * dying[1 + b] + dying[1 + a] * sums[1 + b]) * q01
                        - dying[1 + a] * dying[1 + b] * q11
                    )
                    information[a, b] += v
                    information[a, p + b] += here * v
                    information[p + a, b] += here * v
                    information[p + a, p + b] += here * here * v
    return score[p:], information


@nb.njit(cache=True, error_model="numpy")
def _add(sums: Any, r: Any, row: Any) -> Any:
    p = row.size
    sums[0] += r
    for a in range(p):
        sums[1 + a] += r * row[a]
        for b in range(p):
            sums[1 + p + a * p + b] += r * row[a] * row[b]
