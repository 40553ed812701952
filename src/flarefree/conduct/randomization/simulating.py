"""Candidate schemes by simulation, with the trial's own strata: how balanced, how predictable, how safe.

The same patients and the same luck go through every scheme.  Trials go side by side, patient after patient,
through the very rules that draw the sealed lists.  A patient whose stratum's list is at its end is not
randomized, as in the trial itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.conduct.randomization.candidates import Mix
from flarefree.conduct.randomization.columns import highest, lowest, total
from flarefree.conduct.randomization.criteria import (
    compute_rejection,
    detectable_difference,
    imbalance,
)
from flarefree.conduct.randomization.drawing import choose
from flarefree.conduct.randomization.minimization import PocockSimon
from flarefree.conduct.randomization.schemes import PermutedBlocks, Progress, Scheme
from flarefree.errors import DesignError

__all__ = ["Setting", "simulate_schemes"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Figures = dict[str, float | None]
TILE = 4000  # trials side by side; part of what a seed gives


@dataclass(frozen=True, slots=True)
class Setting:
    """What is simulated.

    Parameters
    ----------
    mix : Mix
        Strata and how common they are.
    patients : int
        In each trial.
    replicates : int
        Trials of each scheme.
    seed : int
        From 0; the same numbers for the same seed.
    sites : int
        Equally large; a guesser may know one site's allocations only.
    list_length : int, optional
        Slots of each stratum's list; as many as patients if not given.
    selection : float
        Selection bias: what an investigator adds to a patient's expected response when the experimental
        arm is guessed, and takes away when the other is, as part of the difference that the trial can show.
    trend : float
        Drift of the expected response from the first patient to the last, in SDs.

    Raises
    ------
    DesignError
    """

    mix: Mix
    patients: int
    replicates: int = 4000
    seed: int = 20261120
    sites: int = 1
    list_length: int | None = None
    selection: float = 0.25
    trend: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (("patients", 4), ("replicates", 2), ("seed", 0), ("sites", 1)):
            if isinstance(getattr(self, name), bool) or getattr(self, name) < least:
                raise DesignError(
                    "not a number to simulate with",
                    where=name,
                    found=repr(getattr(self, name)),
                    expected=f"a whole number from {least}",
                )
        for name in ("selection", "trend"):
            if not math.isfinite(getattr(self, name)):
                raise DesignError(
                    "not a number to simulate with", where=name, found=repr(getattr(self, name))
                )

    @property
    def slots(self) -> int:
        """Slots of each stratum's list."""
        return self.list_length or self.patients

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels of each factor; one factor of one level where there are no strata."""
        return tuple(len(f.levels) for f in self.mix.factors) or (1,)

    @property
    def cells(self) -> int:
        """How many strata."""
        return math.prod(self.levels)

    @property
    def selection_shift(self) -> float:
        """The selection bias in SDs."""
        return self.selection * detectable_difference(self.patients)


@dataclass(frozen=True, slots=True)
class Patients:
    """Who comes, in each of some trials.

    Attributes
    ----------
    levels : (n_trials, n, n_factors) int8
    cell, site : (n_trials, n) int64
    """

    levels: npt.NDArray[np.int8]
    cell: Ints
    site: Ints


@dataclass(slots=True)
class Course:
    """What a scheme did with some trials.

    Attributes
    ----------
    arms : (n_trials, n) int8
        -1 where the list was at its end.
    guessed : (n_trials, n) int8
        Of two arms, +1 where the first lags in its stratum, -1 where the second, 0 where neither.
    right, right_at_site, best, sure : (n_trials,) float
        Sums over patients: chance that the guess is right, guessing from all of the stratum or from one
        site's part of it; chance of the likeliest arm; arms that were determined.
    """

    arms: npt.NDArray[np.int8]
    guessed: npt.NDArray[np.int8]
    right: Floats
    right_at_site: Floats
    best: Floats
    sure: Floats


def simulate_schemes(
    schemes: Sequence[Scheme | PocockSimon],
    setting: Setting,
    *,
    progress: Callable[[float], None] | None = None,
) -> tuple[tuple[Figures, Figures], ...]:
    """Figures of each scheme, and their Monte Carlo errors.

    Parameters
    ----------
    schemes : sequence of Scheme or PocockSimon
    setting : Setting
    progress : function of a part done, optional

    Returns
    -------
    tuple of (figures, standard errors)
        By name; None where a figure does not exist (three arms have no t test).
    """
    for scheme in schemes:
        _require_fits(scheme, setting)
    tiles = list(_tiles(setting))
    gathered: list[list[dict[str, Floats]]] = [[] for _ in schemes]
    for t, (number, trials) in enumerate(tiles):
        patients = _draw_patients(setting, number, trials)
        for s, scheme in enumerate(schemes):
            luck = np.random.Generator(np.random.PCG64([setting.seed, number, 1]))
            course = _run(scheme, setting, patients, luck)
            gathered[s].append(_measure(scheme, setting, patients, course))
            if progress is not None:
                progress((t * len(schemes) + s + 1) / (len(tiles) * len(schemes)))
    return tuple(_summarize(parts) for parts in gathered)


def _tiles(setting: Setting) -> Iterator[tuple[int, int]]:
    for number, start in enumerate(range(0, setting.replicates, TILE)):
        yield number, min(TILE, setting.replicates - start)


def _require_fits(scheme: Scheme | PocockSimon, setting: Setting) -> None:
    if isinstance(scheme, PocockSimon) and scheme.levels != setting.levels:
        raise DesignError(
            "minimization is over the trial's factors",
            where="levels",
            found=str(scheme.levels),
            expected=str(setting.levels),
        )


def _draw_patients(setting: Setting, number: int, trials: int) -> Patients:
    rng = np.random.Generator(np.random.PCG64([setting.seed, number, 0]))
    shape = (trials, setting.patients)
    shares = setting.mix.shares or ((1.0,),)
    levels = np.empty((*shape, len(shares)), dtype=np.int8)
    for f, of in enumerate(shares):
        edges = np.cumsum(of)
        levels[:, :, f] = np.searchsorted(edges / edges[-1], rng.random(shape), side="right")
    cell: Any = np.ravel_multi_index(tuple(np.moveaxis(levels, 2, 0)), setting.levels)
    return Patients(levels, cell.astype(np.int64), rng.integers(0, setting.sites, shape))


# One scheme --------------------------------------------------------------------------------------


def _run(
    scheme: Scheme | PocockSimon, setting: Setting, patients: Patients, luck: np.random.Generator
) -> Course:
    trials, n = patients.cell.shape
    k = scheme.n_arms
    course = Course(
        np.full((trials, n), -1, dtype=np.int8),
        np.zeros((trials, n), dtype=np.int8),
        *(np.zeros(trials) for _ in range(4)),
    )
    step: Any = (
        _Minimized(scheme, setting, trials)
        if isinstance(scheme, PocockSimon)
        else _Listed(scheme.of_length(setting.slots), setting, trials)
    )
    at_site = np.zeros((trials * setting.sites * setting.cells, k), dtype=np.int16)
    parts = _parts(scheme.ratio)
    for i in range(n):
        u = luck.random((trials, 2))
        chance, believed, own = step.look(patients, i, u)
        at: Any = slice(None) if own.size == trials else own  # a slice is quicker than all numbers
        arms = choose(chance, u[at, 0])
        rows = (patients.site[at, i] + setting.sites * own) * setting.cells + patients.cell[at, i]
        known = at_site.take(rows, axis=0) * parts
        known = known == lowest(known)[:, None]
        course.right[at] += _chance_of(chance, believed)
        course.right_at_site[at] += _chance_of(chance, known)
        likeliest = highest(chance)
        course.best[at] += likeliest
        course.sure[at] += likeliest >= 1.0 - 1e-12
        course.arms[at, i] = arms
        if k == 2:
            course.guessed[at, i] = believed[:, 0].astype(np.int8) - believed[:, 1]
        at_site[rows, arms] += 1
        step.take(arms)
    return course


def _parts(ratio: tuple[int, ...]) -> Ints:
    """Whole numbers by which counts are multiplied instead of being divided by the ratio."""
    return np.array([math.lcm(*ratio) // part for part in ratio])


def _chance_of(chance: Floats, believed: npt.NDArray[np.bool_]) -> Floats:
    """Chance that a guess among the arms believed in, each alike, is right."""
    return np.asarray(total(chance * believed) / total(believed.astype(np.int8)))


class _Listed:
    """A list for each stratum, drawn as it is used."""

    def __init__(self, scheme: Scheme, setting: Setting, trials: int) -> None:
        self.scheme, self.slots, self.cells = scheme, setting.slots, setting.cells
        self.all = Progress.begin(trials * setting.cells, scheme.n_arms)
        self.trials = np.arange(trials)
        self.has_blocks = isinstance(scheme, PermutedBlocks)  # only they open anything
        self.parts = _parts(scheme.ratio)

    def look(self, patients: Patients, i: int, u: Floats) -> tuple[Floats, Any, Ints]:
        """Chances of the next patient's arms, the arms that lag, and the trials that still have slots."""
        rows = self.trials * self.cells + patients.cell[:, i]
        own = self.trials
        counts = self.all.counts.take(rows, axis=0)
        if self.slots <= i:  # a list may be at its end
            own = self.trials[total(counts) < self.slots]
            rows, counts = rows[own], counts[own]
        self.rows = rows
        self.here = Progress(counts, self.all.left.take(rows, axis=0) if self.has_blocks else counts)
        if self.has_blocks:
            self.scheme.open(self.here, u[own, 1])
        scaled = counts * self.parts
        lags = scaled == lowest(scaled)[:, None]
        return self.scheme.probabilities(self.here), lags, own

    def take(self, arms: Any) -> None:
        self.scheme.take(self.here, arms)
        self.all.counts[self.rows] = self.here.counts
        if self.has_blocks:
            self.all.left[self.rows] = self.here.left


class _Minimized:
    """Minimization: margins instead of lists; its guesser knows them and takes the preferred arm."""

    def __init__(self, scheme: PocockSimon, setting: Setting, trials: int) -> None:
        self.scheme = scheme
        self.margins = scheme.begin(trials)
        self.trials = np.arange(trials)

    def look(self, patients: Patients, i: int, u: Floats) -> tuple[Floats, Any, Ints]:
        self.places = self.scheme.places(patients.levels[:, i])
        preferred = self.scheme.preferred(self.margins, self.places)
        return self.scheme.given(preferred), preferred, self.trials

    def take(self, arms: Any) -> None:
        self.scheme.take(self.margins, self.places, arms)


# Figures -----------------------------------------------------------------------------------------


def _measure(
    scheme: Scheme | PocockSimon, setting: Setting, patients: Patients, course: Course
) -> dict[str, Floats]:
    """Every figure of every trial, by name."""
    given = course.arms >= 0
    n = np.maximum(given.sum(axis=1), 1)
    out = {
        "guess_rate": course.right / n,
        "site_guess_rate": course.right_at_site / n,
        "best_guess_rate": course.best / n,
        "determined": course.sure / n,
        "refused": (~given).sum(axis=1).astype(float),
        "fullest": _counts_by(patients.cell, None, setting.cells).max(axis=1).astype(float),
    }
    k, ratio = scheme.n_arms, scheme.ratio
    whole = np.zeros_like(patients.cell)
    out["overall"] = imbalance(_counts_by(whole, course.arms, 1, k)[:, 0], ratio)
    out["stratum"] = imbalance(_counts_by(patients.cell, course.arms, setting.cells, k), ratio).max(axis=1)
    margins = [
        imbalance(_counts_by(patients.levels[:, :, f].astype(np.int64), course.arms, size, k), ratio).max(
            axis=1
        )
        for f, size in enumerate(setting.levels)
    ]
    out["margin"] = np.max(margins, axis=0)
    if k == 2:
        out |= _errors(setting, course)
    return out


def _errors(setting: Setting, course: Course) -> dict[str, Floats]:
    n = setting.patients
    moment: Floats = (np.arange(n, dtype=np.float64) + 0.5) / n - 0.5
    biases: dict[str, Any] = {
        "selection_error": setting.selection_shift * course.guessed,
        "trend_error": setting.trend * moment,
        "step_error": setting.trend * (moment > 0),
    }
    out = {name: compute_rejection(course.arms, shift) for name, shift in biases.items()}
    out["power"] = compute_rejection(course.arms, np.zeros(n), difference=detectable_difference(n))
    return out


def _counts_by(group: Ints, arms: Any, size: int, k: int = 1) -> Any:
    """Patients by trial, group and arm (by trial and group without arms)."""
    trials = group.shape[0]
    index = np.arange(trials)[:, None] * size + group
    if arms is None:
        return np.bincount(index.ravel(), minlength=trials * size).reshape(trials, size)
    flat = index * k + arms
    given = arms >= 0
    flat = flat.ravel() if given.all() else flat[given]
    return np.bincount(flat, minlength=trials * size * k).reshape(trials, size, k)


_MEANS = (
    "guess_rate",
    "site_guess_rate",
    "best_guess_rate",
    "determined",
    "refused",
    "selection_error",
    "trend_error",
    "step_error",
    "power",
)


def _summarize(parts: list[dict[str, Floats]]) -> tuple[Figures, Figures]:
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    figures: Figures = {}
    errors: Figures = {}
    for name in _MEANS:
        figures[name], errors[name] = _mean(values.get(name))
    for name in ("overall", "stratum", "margin", "fullest"):
        figures[f"{name}_mean"], errors[f"{name}_mean"] = _mean(values[name])
        figures[f"{name}_p95"] = float(np.quantile(values[name], 0.95, method="inverted_cdf"))
    figures["fullest_p99"] = float(np.quantile(values["fullest"], 0.99, method="inverted_cdf"))
    figures["exhausted"], errors["exhausted"] = _mean((values["refused"] > 0).astype(float))
    for name in ("selection_error", "trend_error"):
        if name in values:
            figures[f"{name}_p95"] = float(np.nanquantile(values[name], 0.95, method="inverted_cdf"))
    return figures, errors


def _mean(values: Floats | None) -> tuple[float | None, float | None]:
    if values is None or not np.isfinite(values).any():
        return None, None
    x = values[np.isfinite(values)]
    return float(x.mean()), float(x.std(ddof=1) / math.sqrt(x.size)) if x.size > 1 else None
