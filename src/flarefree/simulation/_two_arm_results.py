"""What simulated two-arm trials gave: whole-number tallies, and the figures read from them.

Tallies of parts add up to the tally of the whole, exactly and in any order; that is why workers, tiles and
machines cannot change a bit of a result.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from flarefree.simulation._two_arm_design import TwoArmDesign
from flarefree.simulation._two_arm_fits import FIXED_POINT, tally_tile

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Distribution", "Kept", "Tally", "TwoArmTrials"]

BINS = 1 << 14
LOG_HR_HALF = 8.0
QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)
METHOD = (
    "exponential failures and drop-outs by inversion of Philox 4x32-10 numbers, a block a patient; "
    "two-sided log-rank test, hypergeometric variance; Cox's partial likelihood maximized; "
    "every trial simulated whole"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Each trial's statistics, where asked for."""

    statistics: np.ndarray
    """z, log hazard ratio, its error: (trials, 3)."""
    failures: np.ndarray
    """Of control and treatment: (trials, 2)."""

    @classmethod
    def empty(cls, trials: int) -> Kept:
        return cls(np.empty((trials, 3)), np.empty((trials, 2), np.int32))


def z_half(n_per_arm: int) -> float:
    """Half the range of z's histogram: a power of two with room for the largest effects."""
    return float(2 ** math.ceil(math.log2(8.0 + 2.0 * math.sqrt(2.0 * n_per_arm))))


@dataclass(slots=True)
class Tally:
    """Whole numbers that trials add to; `tally_tile` says what each holds."""

    halves: np.ndarray
    sums: np.ndarray  # totals, squares of z and log hazard ratio: Python's integers, which never overflow
    extremes: np.ndarray
    histograms: np.ndarray
    events: np.ndarray
    counts: np.ndarray

    @classmethod
    def empty(cls, n_per_arm: int) -> Tally:
        return cls(
            np.array([z_half(n_per_arm), LOG_HR_HALF]),
            np.array([[0, 0], [0, 0]], dtype=object),
            np.array([[np.inf, -np.inf], [np.inf, -np.inf]]),
            np.zeros((2, BINS), np.int64),
            np.zeros((3, 2 * n_per_arm + 1), np.int64),
            np.zeros(4, np.int64),
        )

    def count(self, statistics: np.ndarray, failures: np.ndarray, critical: float) -> None:
        """Add some thousands of trials (sums of more might not fit 64 bits)."""
        sums = np.zeros((2, 2), np.int64)
        tally_tile(
            statistics, failures, critical, self.halves, sums[0], sums[1], self.extremes, self.histograms,
            self.events, self.counts,
        )  # fmt: skip
        self.sums = self.sums + sums.astype(object)

    def add(self, other: Tally) -> None:
        """Add another part's trials."""
        self.sums = self.sums + other.sums
        self.extremes[:, 0] = np.minimum(self.extremes[:, 0], other.extremes[:, 0])
        self.extremes[:, 1] = np.maximum(self.extremes[:, 1], other.extremes[:, 1])
        self.histograms += other.histograms
        self.events += other.events
        self.counts += other.counts

    def continuous(self, k: int) -> Distribution:
        """Of z (0) or of the log hazard ratio (1)."""
        counts = self.histograms[k]
        edges = np.linspace(-self.halves[k], self.halves[k], BINS + 1)
        scale = int(FIXED_POINT)
        return _distribution(
            counts, edges, int(self.sums[0, k]), int(self.sums[1, k]), scale, self.extremes[k]
        )

    def whole(self, k: int) -> Distribution:
        """Of events: control (0), treatment (1), both (2)."""
        counts = self.events[k]
        values = [int(i) for i in np.flatnonzero(counts)]
        total = sum(i * int(counts[i]) for i in values)
        squares = sum(i * i * int(counts[i]) for i in values)
        ends = np.array([values[0], values[-1]], dtype=np.float64)
        return _distribution(counts, None, total, squares, 1, ends)


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """How a statistic is spread over the trials that have it.

    Attributes
    ----------
    n : int
        Trials that have a finite one.
    mean, sd, minimum, maximum : float
        NaN where no trial has one (`sd` also where only one has).
    """

    n: int
    mean: float
    sd: float
    minimum: float
    maximum: float
    _counts: np.ndarray = field(repr=False)
    _edges: np.ndarray | None = field(repr=False)

    @property
    def std_error(self) -> float:
        """Monte Carlo error of the mean."""
        return self.sd / math.sqrt(self.n) if self.n else math.nan

    def quantile(self, p: float) -> float:
        """The value below which a part p of the trials lies; between 0 and 1.

        Whole numbers exactly; others to a bin's width (2^-10 of a log hazard ratio), evenly within it.
        """
        if not self.n:
            return math.nan
        reached = np.cumsum(self._counts)
        place = int(np.searchsorted(reached, max(p * self.n, 0.5)))
        if self._edges is None:
            return float(place)
        before = float(reached[place] - self._counts[place])
        inside = (p * self.n - before) / float(self._counts[place])
        value = float(self._edges[place] + inside * (self._edges[place + 1] - self._edges[place]))
        return min(max(value, self.minimum), self.maximum)


def _distribution(
    counts: np.ndarray, edges: np.ndarray | None, total: int, squares: int, scale: int, ends: np.ndarray
) -> Distribution:
    """Mean and spread from exact sums: nothing is rounded before the last division."""
    n = int(counts.sum())
    if not n:
        return Distribution(0, math.nan, math.nan, math.nan, math.nan, counts, edges)
    # n * sum(x^2) - (sum x)^2, in units of scale^2
    spread = max(n * squares * scale - total * total, 0)
    sd = math.sqrt(spread / (n * (n - 1))) / scale if n > 1 else math.nan
    return Distribution(n, total / (n * scale), sd, float(ends[0]), float(ends[1]), counts, edges)


@dataclass(frozen=True, repr=False, eq=False)
class TwoArmTrials:
    """Simulated two-arm trials: how often the log-rank test rejected, and how its figures were spread.

    Attributes
    ----------
    design : TwoArmDesign
        The settings; `design.patients(trial)` replays a trial.
    trials, first_trial : int
    """

    design: TwoArmDesign
    trials: int
    first_trial: int
    tally: Tally = field(repr=False)
    kept: Kept | None = field(default=None, repr=False)

    @property
    def rejected(self) -> int:
        """Trials whose two-sided log-rank test rejected; those in which it does not exist did not."""
        return int(self.tally.counts[0])

    @property
    def power(self) -> float:
        """Part of the trials that rejected, in either direction; the type I error where arms are alike."""
        return self.rejected / self.trials

    @property
    def power_std_error(self) -> float:
        """Monte Carlo error of `power`."""
        return math.sqrt(self.power * (1.0 - self.power) / self.trials)

    def power_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Wilson's interval for the power that infinitely many trials would show [wilson1927]."""
        z = NormalDist().inv_cdf(0.5 + level / 2.0)
        n, p = self.trials, self.power
        center = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(center - half, 0.0), min(center + half, 1.0)

    @property
    def power_in_favor(self) -> float:
        """Part of the trials that rejected in favor of treatment."""
        return int(self.tally.counts[1]) / self.trials

    @property
    def without_test(self) -> int:
        """Trials in which no failure found both arms at risk, so that no test exists."""
        return int(self.tally.counts[2])

    @property
    def infinite_hazard_ratios(self) -> int:
        """Trials whose failures were all in one arm: the log hazard ratio is infinite, and in no mean."""
        return int(self.tally.counts[3])

    @cached_property
    def z(self) -> Distribution:
        """Log-rank statistics; negative in favor of treatment."""
        return self.tally.continuous(0)

    @cached_property
    def log_hazard_ratio(self) -> Distribution:
        """Cox's estimates, treatment over control, where finite."""
        return self.tally.continuous(1)

    @cached_property
    def events(self) -> Distribution:
        """Failures seen in a trial."""
        return self.tally.whole(2)

    @cached_property
    def control_events(self) -> Distribution:
        return self.tally.whole(0)

    @cached_property
    def treatment_events(self) -> Distribution:
        return self.tally.whole(1)

    @property
    def per_trial(self) -> pl.DataFrame:
        """Each trial's statistics, where `keep=True` asked for them."""
        import polars as pl

        from flarefree.errors import StatsError

        if self.kept is None:
            raise StatsError(
                "each trial's statistics were not kept",
                where="per_trial",
                try_="simulate_two_arm(..., keep=True)",
            )
        columns = dict(zip(("z", "log_hazard_ratio", "std_error"), self.kept.statistics.T))
        events = {"control_events": self.kept.failures[:, 0], "treatment_events": self.kept.failures[:, 1]}
        trial = {"trial": np.arange(self.first_trial, self.first_trial + self.trials)}
        return pl.DataFrame(trial | columns | events)

    def tidy(self) -> pl.DataFrame:
        """One row a statistic: trials that have it, mean with its Monte Carlo error, spread, quantiles."""
        import polars as pl

        rows = []
        for name in ("log_hazard_ratio", "z", "events", "control_events", "treatment_events"):
            d: Distribution = getattr(self, name)
            row: dict[str, Any] = {"statistic": name, "trials": d.n, "mean": d.mean, "std_error": d.std_error}
            row |= {"sd": d.sd, "minimum": d.minimum}
            row |= {f"q{100 * p:g}": d.quantile(p) for p in QUANTILES}
            rows.append(row | {"maximum": d.maximum})
        return pl.DataFrame(rows)

    def glance(self) -> pl.DataFrame:
        """One row: settings, power, its error and limits, and how it was computed."""
        import polars as pl

        d = self.design
        low, high = self.power_interval()
        return pl.DataFrame(
            {
                "power": [self.power],
                "std_error": [self.power_std_error],
                "conf_low": [low],
                "conf_high": [high],
                "power_in_favor": [self.power_in_favor],
                "trials": [self.trials],
                "first_trial": [self.first_trial],
                "seed": pl.Series([d.seed], dtype=pl.UInt64),
                "n_per_arm": [d.n_per_arm],
                "control_failure": [d.control_failure],
                "treatment_failure": [d.treatment_failure],
                "horizon_months": [d.horizon_months],
                "control_dropout": [d.dropout[0]],
                "treatment_dropout": [d.dropout[1]],
                "accrual_months": [d.accrual_months],
                "study_months": [d.study_months],
                "level": [d.level],
                "hazard_ratio": [d.hazard_ratio],
                "without_test": [self.without_test],
                "infinite_hazard_ratios": [self.infinite_hazard_ratios],
                "method": [METHOD],
            }
        )

    def __repr__(self) -> str:
        return "\n".join(_told(self))


def _told(result: TwoArmTrials) -> list[str]:
    d = result.design
    low, high = result.power_interval()
    hr, events = result.log_hazard_ratio, result.events
    what = "type I error" if d.control_failure == d.treatment_failure else "power"
    drop = "none" if not any(d.dropout) else " and ".join(f"{100 * p:g}%" for p in sorted(set(d.dropout)))
    follow = (
        f"each patient for {d.study_months:g} months"
        if not d.accrual_months
        else f"entry over {d.accrual_months:g} months, study closed at {d.study_months:g}"
    )
    lines = [
        f"{result.trials:,} simulated two-arm trials, {d.n_per_arm} + {d.n_per_arm} patients (seed {d.seed})",
        f"  failing by {d.horizon_months:g} months  {100 * d.control_failure:g}% of control, "
        f"{100 * d.treatment_failure:g}% of treatment: hazard ratio {d.hazard_ratio:.4g}",
        f"  drop-out by then     {drop}",
        f"  follow-up            {follow}",
        f"  {what + ' of log-rank':<20} {result.power:.4f} (Monte Carlo error {result.power_std_error:.4f}, "
        f"95% {low:.4f} to {high:.4f}), two-sided {d.level:g}",
    ]
    if hr.n:
        lines.append(
            f"  hazard ratio         median {math.exp(hr.quantile(0.5)):.3f}, 95% of trials "
            f"{math.exp(hr.quantile(0.025)):.3f} to {math.exp(hr.quantile(0.975)):.3f}"
        )
    lines.append(
        f"  failures seen        mean {events.mean:.1f}, 95% of trials {events.quantile(0.025):g} to "
        f"{events.quantile(0.975):g}"
    )
    if result.infinite_hazard_ratios:
        lines.append(
            f"  infinite hazard ratio in {result.infinite_hazard_ratios:,} trials, left out of its spread"
        )
    if result.without_test:
        lines.append(f"  no test exists in {result.without_test:,} trials, counted as not rejecting")
    indent = " " * 23
    told = textwrap.fill(METHOD, 104, initial_indent=indent, subsequent_indent=indent)
    return [*lines, "  computed by          " + told.lstrip()]
