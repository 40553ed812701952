"""Minimization: the next patient goes, with high probability, where the margins of factors stay balanced.

The imbalance that each arm would leave is summed over the patient's own levels [pocock1975]; the arm that
leaves least is preferred.  Unequal ratios use probabilities by preferred arm that keep the ratio over all
patients [han2009].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import gcd
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from flarefree.conduct.randomization.columns import highest, lowest, total
from flarefree.conduct.randomization.schemes import require_probability
from flarefree.errors import DesignError

__all__ = ["Margins", "PocockSimon"]

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Levels = npt.NDArray[np.integer[Any]]

Distance = Literal["range", "variance", "standard deviation"]


@dataclass(slots=True)
class Margins:
    """Allocations so far, by trial, level and arm.

    Attributes
    ----------
    counts : (n_trials, n_levels, n_arms) int64
        The levels of all factors, one factor after another.
    """

    counts: Counts


@dataclass(frozen=True)
class PocockSimon:
    """Minimization over factors.

    Parameters
    ----------
    levels : tuple of int
        How many levels each factor has.
    p : float
        Probability of the preferred arm; 1 is deterministic, which guidelines discourage.
    ratio : tuple of int
    weights : tuple of float, optional
        Of the factors; equal if not given.
    distance : "range", "variance" or "standard deviation"
        Of the arms' counts, each over its part of the ratio, at one level.

    Raises
    ------
    DesignError
    """

    levels: tuple[int, ...]
    p: float = 0.8
    ratio: tuple[int, ...] = field(default=(1, 1))
    weights: tuple[float, ...] | None = None
    distance: Distance = "range"

    def __post_init__(self) -> None:
        if len(self.ratio) < 2 or min(self.ratio) < 1:
            raise DesignError(
                "not an allocation ratio", where="ratio", found=repr(self.ratio), expected="whole numbers"
            )
        divisor = gcd(*self.ratio)
        object.__setattr__(self, "ratio", tuple(r // divisor for r in self.ratio))
        require_probability(self.p, at_least=max(self.ratio) / sum(self.ratio))
        if not self.levels or min(self.levels) < 1:
            raise DesignError(
                "minimization needs factors",
                where="levels",
                found=repr(self.levels),
                expected="the number of levels of each factor",
            )
        if self.weights is not None and (
            len(self.weights) != len(self.levels) or min(self.weights) < 0 or sum(self.weights) == 0
        ):
            raise DesignError(
                "not weights of factors",
                where="weights",
                found=repr(self.weights),
                expected=f"{len(self.levels)} numbers from 0, not all 0",
            )

    @property
    def name(self) -> str:
        """What the scheme is called, with its numbers."""
        return f"Minimization, p = {self.p:.3g}"

    @property
    def n_arms(self) -> int:
        """How many arms."""
        return len(self.ratio)

    def begin(self, n_trials: int) -> Margins:
        """Trials in which nobody was allocated."""
        return Margins(np.zeros((n_trials, sum(self.levels), self.n_arms), dtype=np.int64))

    def places(self, patients: Levels) -> Counts:
        """Where patients' levels, counted from 0, stand among all: (n_patients, n_factors)."""
        if (patients < 0).any() or (patients >= np.array(self.levels)).any():
            raise DesignError(
                "a level that no factor has",
                where="levels of a patient",
                found=str(patients.tolist())[:80],
                expected=f"from 0 to below {self.levels}",
            )
        return np.asarray(patients + np.concatenate([[0], np.cumsum(self.levels)[:-1]]), dtype=np.int64)

    def imbalance(self, margins: Margins, places: Counts) -> Floats:
        """The weighted sum of distances that each arm would leave: (n_trials, n_arms)."""
        own = margins.counts[np.arange(places.shape[0])[:, None], places]  # trials, factors, arms
        k = self.n_arms
        would = own[:, :, None, :] + np.eye(k, dtype=np.int64)  # the arm given, then the arms counted
        scaled = would / np.array(self.ratio)
        weights = np.ones(len(self.levels)) if self.weights is None else np.array(self.weights)
        match self.distance:
            case "range":
                distances = highest(scaled) - lowest(scaled)
            case "variance":
                distances = scaled.var(axis=3, ddof=1)
            case _:
                distances = scaled.std(axis=3, ddof=1)
        return np.asarray(np.einsum("f,tfa->ta", weights, distances))

    def probabilities(self, margins: Margins, places: Counts) -> Floats:
        """Probability of each arm for the next patient of each trial: (n_trials, n_arms).

        Of arms that leave equally little, each is preferred with a chance in proportion to its part of the
        ratio: then, where all arms are tied, the probabilities are the ratio's own.
        """
        return self.given(self.preferred(margins, places))

    def given(self, preferred: npt.NDArray[np.bool_]) -> Floats:
        """Probability of each arm where these arms are preferred: (n_trials, n_arms)."""
        shares = preferred * np.array(self.ratio, dtype=float)
        return np.asarray((shares / total(shares)[:, None]) @ self.given_preferred)

    def preferred(self, margins: Margins, places: Counts) -> npt.NDArray[np.bool_]:
        """Which arms leave least imbalance: (n_trials, n_arms), more than one where they are tied."""
        imbalance = self.imbalance(margins, places)
        return np.asarray(imbalance <= lowest(imbalance)[:, None] + 1e-9)

    @cached_property
    def given_preferred(self) -> Floats:
        """Probability of each arm (columns) when an arm (rows) is preferred.

        Equal ratio: p, and the rest shared.  Unequal: arm 1 has the smallest part r1 of the ratio and is
        preferred with p; arm j with 1 - (1 - p)(R - rj)/(R - r1); the rest shared by the ratio [han2009],
        which keeps the ratio where preferences come in proportion to it.
        """
        r = np.array(self.ratio, dtype=float)
        whole, smallest = r.sum(), r.min()
        high = 1.0 - (1.0 - self.p) * (whole - r) / (whole - smallest)
        table = np.empty((r.size, r.size))
        for j in range(r.size):
            table[j] = (1.0 - high[j]) * r / (whole - r[j])
            table[j, j] = high[j]
        return table

    def take(self, margins: Margins, places: Counts, arms: Levels) -> None:
        """Note the allocations just made, one a trial."""
        trials = np.arange(places.shape[0])
        for f in range(places.shape[1]):
            margins.counts[trials, places[:, f], arms] += 1
