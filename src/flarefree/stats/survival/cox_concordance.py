"""Harrell's concordance: how often the patient with the higher predicted risk has the event first.

Formulas: docs/methods/survival_cox.md, "Concordance".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import polars as pl

from flarefree.stats.survival._cox_data import CoxRows
from flarefree.stats.survival._numbers import normal_quantile
from flarefree.stats.survival.cox_fit import CoxFit

__all__ = ["Concordance", "concordance"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, repr=False)
class Concordance:
    """A concordance and the pairs it rests on.

    Pairs are comparable if one had the event while the other was still at risk; censored at the same
    time counts as still at risk, and two events at one time (`tied_time`) do not compare.
    """

    estimate: float
    std_error: float
    conf_low: float
    conf_high: float
    concordant: float
    discordant: float
    tied_risk: float
    tied_time: float
    level: float

    def tidy(self) -> pl.DataFrame:
        """One row: term, estimate, std_error, conf_low, conf_high."""
        return pl.DataFrame(
            {
                "term": ["concordance"],
                "estimate": [self.estimate],
                "std_error": [self.std_error],
                "conf_low": [self.conf_low],
                "conf_high": [self.conf_high],
            }
        )

    def glance(self) -> pl.DataFrame:
        """One row: the counts of pairs."""
        return pl.DataFrame(
            {
                "concordant": [self.concordant],
                "discordant": [self.discordant],
                "tied_risk": [self.tied_risk],
                "tied_time": [self.tied_time],
                "level": [self.level],
            }
        )

    def __repr__(self) -> str:
        return (
            f"Concordance {self.estimate:.4g} (se {self.std_error:.3g}, infinitesimal jackknife); pairs: "
            f"{self.concordant:g} concordant, {self.discordant:g} discordant, {self.tied_risk:g} tied in risk"
        )


def concordance(fit: CoxFit) -> Concordance:
    """Concordance of a Cox model's linear predictor with the times, within strata, weighted.

    Ties in the predictor count one half.  The variance is the infinitesimal jackknife, as in R.
    """
    rows = fit.rows
    rank, n_ranks = _ranks(rows.linear_predictor(fit.coef * rows.scale))
    counts, influence = _count(rows, rank, n_ranks)
    concordant, discordant, tied_risk, tied_time = (max(float(count), 0.0) for count in counts)
    pairs = concordant + discordant + tied_risk
    estimate, error = math.nan, math.nan
    if pairs > 0:
        estimate = (concordant + tied_risk / 2.0) / pairs
        change = (influence[:, 0] + influence[:, 2] / 2.0 - estimate * influence.sum(axis=1)) / pairs
        error = float(np.sqrt((change**2).sum()))
    half = normal_quantile(fit.level) * error
    return Concordance(
        estimate=estimate,
        std_error=error,
        conf_low=estimate - half,
        conf_high=estimate + half,
        concordant=concordant,
        discordant=discordant,
        tied_risk=tied_risk,
        tied_time=tied_time,
        level=fit.level,
    )


def _ranks(values: Floats) -> tuple[Any, int]:
    """Dense ranks, with values that differ by rounding only sharing one."""
    order = np.argsort(values)
    ascending = values[order]
    tolerance = 1e-12 * max(1.0, float(np.abs(ascending[[0, -1]]).max()))
    dense = np.concatenate(([0], np.cumsum(np.diff(ascending) > tolerance)))
    rank = np.empty(values.size, dtype=np.int64)
    rank[order] = dense
    return rank, int(dense[-1]) + 1


def _count(rows: CoxRows, rank: Any, n_ranks: int) -> tuple[Floats, Floats]:
    """Pairs (concordant, discordant, tied in risk, tied in time), and each row's share of the first three."""
    return _count_pairs(
        rows.time, rows.event, rows.weight, rank, n_ranks, rows.starts, rows.entry, rows.entry_order
    )


@nb.njit(cache=True, error_model="numpy")
def _tree_add(tree: Any, place: Any, value: Any) -> Any:
    i = place + 1
    while i < tree.size:
        tree[i] += value
        i += i & (-i)


@nb.njit(cache=True, error_model="numpy")
def _tree_sum(tree: Any, count: Any) -> Any:
    """Sum of the first `count` places."""
    total = 0.0
    i = count
    while i > 0:
        total += tree[i]
        i -= i & (-i)
    return total


@nb.njit(cache=True, error_model="numpy")
def _compare(tree: Any, n_ranks: Any, rank: Any) -> Any:
    """Weights in the tree below, above and at a rank."""
    below = _tree_sum(tree, rank)
    upto = _tree_sum(tree, rank + 1)
    return below, _tree_sum(tree, n_ranks) - upto, upto - below


@nb.njit(cache=True, error_model="numpy")
def _count_pairs(
    time: Any, event: Any, weight: Any, rank: Any, n_ranks: Any, starts: Any, entry: Any, entry_order: Any
) -> Any:
    n = time.size
    counts = np.zeros(4)
    influence = np.zeros((n, 3))
    truncated = entry.size > 0
    for s in range(starts.size - 1):
        # Backward: each event meets those still at risk.
        tree = np.zeros(n_ranks + 1)
        i = starts[s + 1] - 1
        leaving = i
        while i >= starts[s]:
            t = time[i]
            last = i
            while i >= starts[s] and time[i] == t:
                if not event[i]:
                    _tree_add(tree, rank[i], weight[i])
                i -= 1
            if truncated:
                while leaving >= starts[s] and entry[entry_order[leaving]] >= t:
                    j = entry_order[leaving]
                    _tree_add(tree, rank[j], -weight[j])
                    leaving -= 1
            tied = 0.0
            for j in range(i + 1, last + 1):
                if event[j]:
                    below, above, same = _compare(tree, n_ranks, rank[j])
                    w = weight[j]
                    counts[0] += w * below
                    counts[1] += w * above
                    counts[2] += w * same
                    counts[3] += w * tied
                    tied += w
                    influence[j, 0] += w * below
                    influence[j, 1] += w * above
                    influence[j, 2] += w * same
            for j in range(i + 1, last + 1):
                if event[j]:
                    _tree_add(tree, rank[j], weight[j])
        # Forward: each row meets the events that it outlived.
        tree = np.zeros(n_ranks + 1)
        i = starts[s]
        entered = starts[s]
        while i < starts[s + 1]:
            t = time[i]
            if truncated:  # events up to its entry are none of a row's business
                while entered < starts[s + 1] and entry[entry_order[entered]] < t:
                    j = entry_order[entered]
                    below, above, same = _compare(tree, n_ranks, rank[j])
                    influence[j, 0] -= weight[j] * above
                    influence[j, 1] -= weight[j] * below
                    influence[j, 2] -= weight[j] * same
                    entered += 1
            first = i
            while i < starts[s + 1] and time[i] == t:
                if event[i]:
                    below, above, same = _compare(tree, n_ranks, rank[i])
                    influence[i, 0] += weight[i] * above
                    influence[i, 1] += weight[i] * below
                    influence[i, 2] += weight[i] * same
                i += 1
            for j in range(first, i):
                if event[j]:
                    _tree_add(tree, rank[j], weight[j])
            for j in range(first, i):
                if not event[j]:
                    below, above, same = _compare(tree, n_ranks, rank[j])
                    influence[j, 0] += weight[j] * above
                    influence[j, 1] += weight[j] * below
                    influence[j, 2] += weight[j] * same
    return counts, influence
