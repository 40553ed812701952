"""Published numbers beside what virtual trials of their size would print, and how often chance would miss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.errors import NotFoundError
from flarefree.protocol.language.messages import suggest
from flarefree.simulation.calibration.invariants import Invariant, check_invariants
from flarefree.simulation.calibration.moments import Key, moments, needs_rows
from flarefree.simulation.calibration.posterior import Posterior, load_posterior
from flarefree.simulation.calibration.power import PowerOf, powers_of
from flarefree.simulation.calibration.predicting import recipe_for, views
from flarefree.simulation.calibration.targets import Status, Target, load_targets
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.streams import require_whole

__all__ = ["Comparison", "Coverage", "Joint", "Row", "compare"]

Floats = npt.NDArray[np.float64]
Report = Callable[[str, int, int], None]

COMPARE_SEED = 20170808
"""Another one than the calibration's: numbers are predicted with patients that fitted nothing."""
_ROW_TRIALS = 400
_TINY = 1e-9


@dataclass(frozen=True)
class Row:
    """One published number beside its predictions.

    Attributes
    ----------
    target : Target
    mean : float
        Over the posterior.
    low, high : float
        95% predictive interval of a trial of the published size, over the posterior.
    point_low, point_high : float
        The same at the point where the parameters' defaults stand.
    pit : float
        Part of the virtual trials below the published number, half of those that equal it as printed.
    trials : int
    """

    target: Target
    mean: float
    low: float
    high: float
    point_low: float
    point_high: float
    pit: float
    trials: int

    @property
    def is_inside(self) -> bool:
        """The published number, as printed, is within the interval."""
        return _within(self.target, self.low, self.high)

    @property
    def is_inside_point(self) -> bool:
        """It is within the interval at the point."""
        return _within(self.target, self.point_low, self.point_high)


def _within(target: Target, low: float, high: float) -> bool:
    edge = target.rounding + _TINY
    return low - edge <= target.value <= high + edge


@dataclass(frozen=True)
class Coverage:
    """How many of some numbers lie within their intervals, and how many would by chance.

    Attributes
    ----------
    of : str
    inside, count : int
    low, high : int
        95% of virtual trials, each taken for the published one, have so many inside; the numbers of one
        trial depend on each other, so this band is wider than a binomial's.
    binomial_low, binomial_high : int
        Were they independent.
    """

    of: str
    inside: int
    count: int
    low: int
    high: int
    binomial_low: int
    binomial_high: int


@dataclass(frozen=True)
class Joint:
    """Distance of all numbers together, by their simulated covariance.

    Attributes
    ----------
    of : str
    distance : float
    rank : int
        Directions in which the numbers vary.
    p_value : float
        Part of virtual trials that lie farther out.
    """

    of: str
    distance: float
    rank: int
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """A trial, compared.

    Attributes
    ----------
    trial : str
    trials, seed : int
    draws : int
        Of the posterior.
    rows : tuple of Row
    coverage : tuple of Coverage
    joint : tuple of Joint
    invariants : tuple of Invariant
    power : tuple of PowerOf
    spread : mapping of str to float
        Posterior against prior SD of each parameter.
    strongest : tuple of (str, str, float)
        Correlations of parameters.
    not_produced : tuple of (numbers, reason)
    """

    trial: str
    trials: int
    seed: int
    draws: int
    rows: tuple[Row, ...]
    coverage: tuple[Coverage, ...]
    joint: tuple[Joint, ...]
    invariants: tuple[Invariant, ...]
    power: tuple[PowerOf, ...]
    spread: Mapping[str, float]
    strongest: tuple[tuple[str, str, float], ...]
    not_produced: tuple[tuple[str, str], ...]

    @property
    def missed(self) -> tuple[Row, ...]:
        """Numbers outside their intervals."""
        return tuple(row for row in self.rows if not row.is_inside)

    def row(self, target: str, arm: str = "") -> Row:
        """The row of a target."""
        return next(r for r in self.rows if r.target.id == target and r.target.arm == arm)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "trial": self.trial,
            "patients": "virtual",
            "trials": self.trials,
            "seed": self.seed,
            "posterior_draws": self.draws,
            "numbers": [_row_dict(row) for row in self.rows],
            "coverage": [asdict(one) for one in self.coverage],
            "joint": [asdict(one) for one in self.joint],
            "invariants": [asdict(one) for one in self.invariants],
            "power": [one.to_dict() for one in self.power],
            "posterior_sd_over_prior_sd": dict(self.spread),
            "strongest_correlations": [list(pair) for pair in self.strongest],
            "not_produced": [{"numbers": n, "reason": r} for n, r in self.not_produced],
        }

    def __str__(self) -> str:
        from flarefree.simulation.calibration.telling import tell_comparison

        return tell_comparison(self)


def _row_dict(row: Row) -> dict[str, Any]:
    t = row.target
    return {
        "id": t.id, "label": t.label, "arm": t.arm, "published": t.value, "status": str(t.status),
        "reason": t.reason, "place": t.place, "mean": row.mean, "low": row.low, "high": row.high,
        "point_low": row.point_low, "point_high": row.point_high, "pit": row.pit,
        "inside": row.is_inside, "inside_at_point": row.is_inside_point, "trials": row.trials,
    }  # fmt: skip


def compare(
    trial: str,
    *,
    trials: int = 1000,
    seed: int = COMPARE_SEED,
    posterior: Posterior | None = None,
    point: Parameters | None = None,
    with_power: bool = True,
    progress: Report | None = None,
) -> Comparison:
    """Set a published trial's numbers beside what virtual trials of its size give.

    Parameters
    ----------
    trial : str
        `alms-maintenance` or `multitarget-maintenance`.
    trials : int
        Virtual trials, over the posterior and again at the point; at least 40.
    seed : int
    posterior : Posterior, optional
        The one that comes with this version if not given.
    point : Parameters, optional
        The defaults if not given.
    with_power : bool
        Also power and type I error, where the trial had a plan.
    progress : callable, optional

    Raises
    ------
    NotFoundError
        No such trial has targets.
    """
    known = load_targets()
    if trial not in known:
        raise NotFoundError(
            "no published numbers of this trial come with flarefree", where="trial", found=trial,
            expected=", ".join(known), try_=suggest(trial, tuple(known)),
        )  # fmt: skip
    require_whole(trials, "trials", 40, 10**7)
    own = known[trial]
    sample = posterior or load_posterior()
    report = progress or (lambda title, done, total: None)
    over, held = _predicted(trial, own.targets, sample.draws(), trials, seed, "Over the posterior", report)
    at, _ = _predicted(trial, own.targets, (point or Parameters(),), trials, seed + 1, "At the point", report)
    rows = tuple(_row(target, over[target.key], at[target.key]) for target in own.targets)
    power = powers_of(trial, sample, trials, seed, report) if with_power else ()
    return Comparison(
        trial=trial,
        trials=trials,
        seed=seed,
        draws=len(sample),
        rows=rows,
        coverage=tuple(_coverages(rows, over)),
        joint=tuple(_joints(rows, over)),
        invariants=held,
        power=power,
        spread=sample.spread(),
        strongest=tuple(sample.strongest()),
        not_produced=own.not_produced,
    )


def _predicted(
    trial: str,
    targets: Sequence[Target],
    draws: tuple[Parameters, ...],
    trials: int,
    seed: int,
    title: str,
    report: Report,
) -> tuple[dict[Key, Floats], tuple[Invariant, ...]]:
    """Statistics of virtual trials, and what always holds; rows of studies of the first trials only."""
    keys = [target.key for target in targets]
    quick = [key for key in keys if not needs_rows(key[0])]
    slow = [key for key in keys if needs_rows(key[0])]
    recipe = recipe_for(trial, quick, seed=seed, parameters=draws)
    parts: list[dict[Key, Floats]] = []
    slow_parts: list[dict[Key, Floats]] = []
    held: tuple[Invariant, ...] = ()
    done = 0
    for view in views(recipe, trials):
        parts.append(moments(view, quick))
        if slow and done < _ROW_TRIALS:
            slow_parts.append(moments(view, slow))
        held = check_invariants(view, held)
        done += view.trials
        report(title, done, trials)
    found = {key: np.concatenate([part[key] for part in parts]) for key in quick}
    found |= {key: np.concatenate([part[key] for part in slow_parts]) for key in slow}
    return found, held


def _row(target: Target, over: Floats, at: Floats) -> Row:
    low, high = _interval(over)
    point_low, point_high = _interval(at)
    known = _known(over)
    return Row(
        target=target,
        mean=float(known[np.isfinite(known)].mean()),
        low=low,
        high=high,
        point_low=point_low,
        point_high=point_high,
        pit=_pit(target, known),
        trials=known.size,
    )


def _known(values: Floats) -> Floats:
    """Those that exist; an infinite ratio does."""
    return values[~np.isnan(values)]


def _interval(values: Floats) -> tuple[float, float]:
    """2.5 and 97.5 %, each a value that was seen."""
    low, high = np.quantile(_known(values), [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def _pit(target: Target, values: Floats) -> float:
    edge = target.rounding + _TINY
    below = (values < target.value - edge).mean()
    equal = (np.abs(values - target.value) <= edge).mean()
    return float(below + 0.5 * equal)


def _groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Sets of numbers that are judged together."""
    prototype = [r for r in rows if r.target.is_prototype]
    groups = {
        "the 16 moments of the first fit": prototype,
        "numbers fitted": [r for r in rows if r.target.status is Status.FITTED],
        "numbers compared only": [r for r in rows if r.target.status is Status.COMPARED],
        "numbers put in": [r for r in rows if r.target.status is Status.INPUT],
        "all numbers": list(rows),
    }
    return {name: group for name, group in groups.items() if group}


def _coverages(rows: Sequence[Row], found: Mapping[Key, Floats]) -> list[Coverage]:
    out = []
    for name, group in _groups(rows).items():
        size = min(found[r.target.key].size for r in group)
        inside = np.zeros(size)
        for r in group:
            values = found[r.target.key][:size]
            with np.errstate(invalid="ignore"):
                # A ratio that does not exist (no events) cannot be outside.
                inside += ~((values < r.low) | (values > r.high))
        low, high = np.quantile(inside, [0.025, 0.975], method="inverted_cdf")
        first, last = _binomial_band(len(group))
        out.append(
            Coverage(name, sum(r.is_inside for r in group), len(group), int(low), int(high), first, last)
        )
    return out


def _binomial_band(count: int) -> tuple[int, int]:
    from scipy.special import bdtr

    ends = np.array([float(bdtr(k, count, 0.95)) for k in range(count + 1)])
    return int(np.searchsorted(ends, 0.025)), int(np.searchsorted(ends, 0.975))


def _joints(rows: Sequence[Row], found: Mapping[Key, Floats]) -> list[Joint]:
    """Of the fitted numbers, and of all that do not follow from others."""
    independent = [r for r in rows if not r.target.is_derived and not needs_rows(r.target.statistic)]
    fitted = [r for r in independent if r.target.status is Status.FITTED]
    return [
        _joint("numbers fitted", fitted, found),
        _joint("numbers that do not follow from others", independent, found),
    ]


def _joint(name: str, rows: Sequence[Row], found: Mapping[Key, Floats]) -> Joint:
    values = np.stack([found[r.target.key] for r in rows])
    values = np.where(np.isfinite(values), values, np.nan)
    middle = np.nanmean(values, axis=1)
    away = np.nan_to_num(values - middle[:, None])
    # The covariance is of every other trial, and the rest are measured by it, as the published one is.
    first, second = away[:, ::2], away[:, 1::2]
    sd = first.std(axis=1)
    keep = sd > 0
    scaled = second[keep] / sd[keep, None]
    weights, directions = np.linalg.eigh(np.cov(first[keep] / sd[keep, None]))
    real = weights > 1e-3
    turn = (directions[:, real] / np.sqrt(weights[real])).T
    published = (np.array([r.target.value for r in rows]) - middle)[keep] / sd[keep]
    distance = float(((turn @ published) ** 2).sum())
    others = ((turn @ scaled) ** 2).sum(axis=0)
    return Joint(name, distance, int(real.sum()), float((others >= distance).mean()))
