"""Win ratio, win odds and net benefit of prioritized outcomes.

Every patient of one arm is compared with every patient of the other on the first outcome; pairs it
leaves undecided go on to the next.  Formulas: docs/methods/survival_win.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numba as nb
import numpy as np
import polars as pl

from flarefree.errors import StatsError
from flarefree.stats.survival._inputs import (
    encode_groups,
    require_events,
    require_finite,
    require_length,
    require_times,
)
from flarefree.stats.survival._numbers import normal_quantile, require_level, two_sided_p
from flarefree.stats.survival._order import sort_times
from flarefree.stats.survival.logrank_tests import encode_strata

__all__ = ["Measurement", "TimeToEvent", "WinStatistics", "win_odds", "win_ratio"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class TimeToEvent:
    """An outcome that is a time to an event: later is better, as far as both were followed.

    A pair is decided if the one with the earlier time had the event while the other was still followed;
    two events at one time are a tie.  With `higher_is_better=False` (time to remission) earlier is.
    """

    time: Any
    event: Any
    higher_is_better: bool = True
    name: str = "time to event"


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """An outcome that is a number; differences up to `margin` are ties, and so is a missing value."""

    values: Any
    higher_is_better: bool = True
    margin: float = 0.0
    name: str = "measurement"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WinStatistics:
    """Wins of the second arm over the first, and what is made of them.

    Attributes
    ----------
    wins, losses, ties : float
        Pairs, of all strata.
    win_ratio, win_odds, net_benefit : float
        wins / losses; (wins + ties / 2) / (losses + ties / 2); (wins - losses) / pairs.  With strata,
        of Mantel-Haenszel sums: each stratum's counts divided by its number of patients.
    log_win_ratio_error, log_win_odds_error, net_benefit_error : float
        Standard errors, from the asymptotic distribution of U statistics.
    decided : (outcomes, 2) float
        Wins and losses that each outcome decided.
    """

    wins: float
    losses: float
    ties: float
    win_ratio: float
    win_odds: float
    net_benefit: float
    log_win_ratio_error: float
    log_win_odds_error: float
    net_benefit_error: float
    decided: Floats = field(repr=False)
    outcomes: tuple[str, ...]
    groups: tuple[Any, ...]
    n: tuple[int, int]
    n_strata: int
    level: float

    def tidy(self) -> pl.DataFrame:
        """One row each for win ratio, win odds and net benefit: term, estimate, ..., conf_high.

        `std_error` and `statistic` of the ratios are of their logarithms.
        """
        rows = [
            self._ratio("win ratio", self.win_ratio, self.log_win_ratio_error),
            self._ratio("win odds", self.win_odds, self.log_win_odds_error),
            self._benefit(),
        ]
        names = ("term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")
        return pl.DataFrame(
            [
                pl.Series(name, [row[i] for row in rows], nan_to_null=True)
                if i
                else pl.Series(name, [r[0] for r in rows])
                for i, name in enumerate(names)
            ]
        )

    def _ratio(self, name: str, estimate: float, error: float) -> tuple[Any, ...]:
        if not (0 < estimate < math.inf):
            return (name, estimate, math.nan, math.nan, math.nan, math.nan, math.nan)
        factor = math.exp(normal_quantile(self.level) * error)
        z = math.log(estimate) / error if error > 0 else math.nan
        return (name, estimate, error, z, two_sided_p(z), estimate / factor, estimate * factor)

    def _benefit(self) -> tuple[Any, ...]:
        half = normal_quantile(self.level) * self.net_benefit_error
        z = self.net_benefit / self.net_benefit_error if self.net_benefit_error > 0 else math.nan
        low, high = self.net_benefit - half, self.net_benefit + half
        return ("net benefit", self.net_benefit, self.net_benefit_error, z, two_sided_p(z), low, high)

    def by_outcome(self) -> pl.DataFrame:
        """One row an outcome: outcome, wins, losses that it decided."""
        return pl.DataFrame(
            {"outcome": list(self.outcomes), "wins": self.decided[:, 0], "losses": self.decided[:, 1]}
        )

    def glance(self) -> pl.DataFrame:
        """One row: counts of pairs and patients, strata, level."""
        return pl.DataFrame(
            {
                "wins": [self.wins],
                "losses": [self.losses],
                "ties": [self.ties],
                "n_first": [self.n[0]],
                "n_second": [self.n[1]],
                "n_strata": [self.n_strata],
                "level": [self.level],
                "variance": ["U statistics"],
            }
        )

    def __repr__(self) -> str:
        pairs = self.wins + self.losses + self.ties
        lines = [
            f"{self.groups[1]} against {self.groups[0]}: {pairs:g} pairs, {self.wins:g} won, "
            f"{self.losses:g} lost, {self.ties:g} tied"
            + (f"; {self.n_strata} strata" if self.n_strata > 1 else "")
        ]
        for term, estimate, _, _, p, low, high in self.tidy().fill_null(math.nan).iter_rows():
            lines.append(f"{term:<11} {estimate:.4g} ({low:.4g} to {high:.4g}), p = {p:.4g}")
        return "\n".join(lines)


def win_ratio(
    group: Any, outcomes: Sequence[TimeToEvent | Measurement], *, strata: Any = None, level: float = 0.95
) -> WinStatistics:
    """Compare two arms on prioritized outcomes.

    Parameters
    ----------
    group : (n,) labels
        Two arms; wins are the second's (in sorted order).
    outcomes : sequence of TimeToEvent and Measurement
        The most important first.
    strata : (n,) or list of (n,), optional
        Pairs are made within strata.
    level : float
        Level of the limits.

    References
    ----------
    [pocock2012], [bebu2016], [dong2018], [brunner2021]
    """
    level = require_level(level)
    if not outcomes:
        raise StatsError("no outcomes", where="outcomes", expected="at least one")
    n = len(outcomes[0].time if isinstance(outcomes[0], TimeToEvent) else outcomes[0].values)
    code, labels = encode_groups(group, n)
    if len(labels) != 2:
        raise StatsError(
            "wins are between two arms",
            where="group",
            found=", ".join(map(repr, labels)),
            expected="two labels",
        )
    stratum, strata_labels = encode_strata(strata, n)
    stratum = np.zeros(n, dtype=np.int64) if stratum is None else stratum
    columns = [_columns(outcome, n) for outcome in outcomes]
    first, second, kinds, margins = (np.array(part) for part in zip(*columns))
    sums = _Sums(len(outcomes))
    for s in range(len(strata_labels)):
        mine = stratum == s
        rows0, rows1 = np.flatnonzero(mine & (code == 0)), np.flatnonzero(mine & (code == 1))
        if rows0.size and rows1.size:
            sums.add(_compare(first, second, kinds, margins, rows0, rows1), rows0.size, rows1.size)
    names = tuple(outcome.name for outcome in outcomes)
    sizes = (int((code == 0).sum()), int((code == 1).sum()))
    return sums.statistics(names, labels, sizes, len(strata_labels), level)


win_odds = win_ratio
"""The same comparison under its other name: the result holds win ratio, win odds and net benefit."""


def _columns(outcome: TimeToEvent | Measurement, n: int) -> tuple[Floats, Floats, int, float]:
    """Two numbers a patient, a kind (0 time, 1 number) signed by its direction, and a margin."""
    if isinstance(outcome, TimeToEvent):
        time = require_times(outcome.time)
        event = require_events(outcome.event)
        require_length(time, n, outcome.name)
        require_length(event, n, outcome.name)
        joined = sort_times(time, None, None, 1).time
        return joined, event.astype(np.float64), 1 if outcome.higher_is_better else -1, 0.0
    values = np.asarray(outcome.values, dtype=np.float64)
    require_length(values, n, outcome.name)
    require_finite(values[~np.isnan(values)], outcome.name)
    if outcome.margin < 0:
        raise StatsError("a negative margin", where=outcome.name, found=f"{outcome.margin:g}")
    return values, np.zeros(n), 2 if outcome.higher_is_better else -2, float(outcome.margin)


class _Sums:
    """Mantel-Haenszel sums over strata, with the covariance of wins and losses."""

    def __init__(self, n_outcomes: int) -> None:
        self.pairs = np.zeros(3)
        self.decided = np.zeros((n_outcomes, 2))
        self.shares = np.zeros(3)  # wins, losses, ties, weighted
        self.covariance = np.zeros((2, 2))

    def add(self, compared: tuple[Any, Any, Any], n0: int, n1: int) -> None:
        decided, by_second, by_first = compared
        wins, losses = decided.sum(axis=0)
        ties = n0 * n1 - wins - losses
        weight = 1.0 / (n0 + n1)
        self.pairs += (wins, losses, ties)
        self.decided += decided
        self.shares += weight * np.array([wins, losses, ties])
        # Sums over patients of squared deviations of their own wins and losses: the U statistic's variance.
        for own in (by_second, by_first):
            mean = own.mean(axis=0)
            deviation = own - mean
            size = own.shape[0]
            factor = size / (size - 1.0) if size > 1 else 1.0
            self.covariance += weight**2 * factor * (deviation.T @ deviation)

    def statistics(
        self, names: tuple[str, ...], groups: tuple[Any, ...], n: tuple[int, int], n_strata: int, level: float
    ) -> WinStatistics:
        wins, losses, ties = self.shares
        total = wins + losses + ties
        if total == 0:
            raise StatsError(
                "no pairs: no stratum holds both arms", where="strata", expected="both arms in one"
            )
        up, down = wins + ties / 2.0, losses + ties / 2.0
        with np.errstate(divide="ignore", invalid="ignore"):
            for_ratio = np.array([1.0 / wins, -1.0 / losses]) if wins and losses else np.full(2, np.nan)
        # d up = (d wins - d losses) / 2 = -d down, for the pairs are as many as they are
        slope = 0.5 * (1.0 / up + 1.0 / down) if up and down else math.nan
        for_odds = np.array([slope, -slope])
        for_benefit = np.array([1.0, -1.0]) / total
        return WinStatistics(
            wins=float(self.pairs[0]),
            losses=float(self.pairs[1]),
            ties=float(self.pairs[2]),
            win_ratio=float(wins / losses) if losses else (math.inf if wins else math.nan),
            win_odds=float(up / down) if down else math.inf,
            net_benefit=float((wins - losses) / total),
            log_win_ratio_error=self._error(for_ratio),
            log_win_odds_error=self._error(for_odds),
            net_benefit_error=self._error(for_benefit),
            decided=self.decided,
            outcomes=names,
            groups=groups,
            n=n,
            n_strata=n_strata,
            level=level,
        )

    def _error(self, slope: Floats) -> float:
        return float(np.sqrt(slope @ self.covariance @ slope))


@nb.njit(cache=True, error_model="numpy")
def _compare(first: Any, second: Any, kinds: Any, margins: Any, rows0: Any, rows1: Any) -> Any:
    """Pairs decided by each outcome (outcomes, 2); wins and losses of each second- and first-arm patient.

    All from the second arm's side: a first-arm patient's `wins` are those of its opponents.
    """
    n_outcomes = kinds.size
    decided = np.zeros((n_outcomes, 2))
    by_second = np.zeros((rows1.size, 2))
    by_first = np.zeros((rows0.size, 2))
    for a in range(rows1.size):
        i = rows1[a]
        for b in range(rows0.size):
            j = rows0[b]
            for k in range(n_outcomes):
                side = 0
                if abs(kinds[k]) == 1:
                    ti, tj = first[k, i], first[k, j]
                    if second[k, j] > 0 and (tj < ti or (tj == ti and second[k, i] == 0)):
                        side = 1
                    elif second[k, i] > 0 and (ti < tj or (ti == tj and second[k, j] == 0)):
                        side = -1
                else:
                    difference = first[k, i] - first[k, j]
                    if difference > margins[k]:
                        side = 1
                    elif difference < -margins[k]:
                        side = -1
                if kinds[k] < 0:
                    side = -side
                if side != 0:
                    column = 0 if side > 0 else 1
                    decided[k, column] += 1.0
                    by_second[a, column] += 1.0
                    by_first[b, column] += 1.0
                    break
    return decided, by_second, by_first
