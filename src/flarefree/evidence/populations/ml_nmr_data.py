"""What a multilevel network is made of: coefficients and their places, both kinds of studies as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.populations.integration import IntegrationPoints
from flarefree.evidence.populations.population import Population
from flarefree.evidence.populations.terms import Term, columns_for

__all__ = ["Baseline", "Coefficients", "Interactions", "MixedData", "as_population"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Interactions = Literal["common", "independent"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """How hazards run in time within a study: `exponential`, `weibull`, or steps at `breaks`."""

    kind: Literal["exponential", "weibull", "piecewise"]
    breaks: tuple[float, ...] = ()

    def exposures(self, time: Floats) -> Floats:
        """(n, n_steps) time spent in each step."""
        edges = np.array([0.0, *self.breaks, np.inf])
        return np.clip(np.minimum(time[:, None], edges[1:]) - edges[:-1], 0.0, None)

    def step_of(self, time: Floats) -> Ints:
        """(n,) the step in which each time lies; intervals are (start, stop]."""
        return np.searchsorted(np.array(self.breaks), time, side="left")


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """Where each coefficient stands: study levels, covariates, treatments, interactions."""

    studies: tuple[str, ...]
    treatments: tuple[str, ...]
    labels: tuple[str, ...]
    modifiers: tuple[int, ...]
    interactions: Interactions

    @property
    def names(self) -> tuple[str, ...]:
        """All, in their order."""
        others = self.treatments[1:]
        moved = [self.labels[j] for j in self.modifiers]
        slopes = (
            [f"{label} by treatment" for label in moved]
            if self.interactions == "common"
            else [f"{label} by {t}" for t in others for label in moved]
        )
        return (
            *(f"level of {s}" for s in self.studies),
            *self.labels,
            *(f"{t} v {self.treatments[0]}" for t in others),
            *slopes,
        )

    def part(self, which: Literal["level", "covariate", "treatment", "interaction"]) -> slice:
        """The places of a kind of coefficient."""
        sizes = [len(self.studies), len(self.labels), len(self.treatments) - 1]
        edges = [0, *np.cumsum(sizes).tolist(), len(self.names)]
        k = ("level", "covariate", "treatment", "interaction").index(which)
        return slice(edges[k], edges[k + 1])

    def rows(self, study: Ints, treatment: Ints, x: Floats) -> Floats:
        """(n, n_coefficients) design of patients or points with scaled covariates `x` (n, n_terms)."""
        levels = (study[:, None] == np.arange(len(self.studies))).astype(float)
        given = (treatment[:, None] == np.arange(1, len(self.treatments))).astype(float)
        moved = x[:, list(self.modifiers)]
        if self.interactions == "common":
            slopes = moved * (treatment > 0)[:, None]
        else:
            slopes = (given[:, :, None] * moved[:, None, :]).reshape(len(x), -1)
        return np.column_stack([levels, x, given, slopes])


@dataclass(frozen=True, slots=True, eq=False)
class MixedData:
    """All that the sampler takes.

    Attributes
    ----------
    coefficients : Coefficients
    terms : tuple of Term
    center, scale : (n_terms,) float
        Mean and SD of the individuals: the sampler's covariates are (x - center) / scale.
    x : (n_individuals, n_terms) float
        Scaled.
    rows : (n_individuals, n_coefficients) float
    outcome, time : (n_individuals,) float
        0/1, and the time of follow-up (1 for a binomial likelihood).
    arm, study : (n_individuals,) int
    points : (n_arms_published, n_points, n_terms) float
        Scaled covariates of each published arm's study.
    point_rows : (n_arms_published, n_points, n_coefficients) float
    published_arm, published_study : (n_arms_published,) int
    published : (n_published,) arrays: `y`, `size` (binomial: an arm each), or `y`, `time`, `of` (survival: a
        reconstructed patient each, `of` the arm among the published).
    n_arms : int
    individuals : mapping of str to (n_individuals,) array
        Their covariates as given.
    populations : mapping of str to Population
        Of the published studies.
    """

    coefficients: Coefficients
    terms: tuple[Term, ...]
    center: Floats
    scale: Floats
    x: Floats
    rows: Floats
    outcome: Floats
    time: Floats
    arm: Ints
    study: Ints
    points: Floats
    point_rows: Floats
    published_arm: Ints
    published_study: Ints
    published: Mapping[str, Any]
    n_arms: int
    individuals: Mapping[str, NDArray[Any]]
    populations: Mapping[str, Population]
    assumptions: tuple[str, ...]

    def scaled(self, points: IntegrationPoints, where: str) -> Floats:
        """Points' covariates in the sampler's scale."""
        return (columns_for(self.terms, points.columns, where=where) - self.center) / self.scale


def as_population(given: Any, name: str) -> Population:
    """A population, patients as a frame, or margins by covariate."""
    if isinstance(given, Population):
        return given
    if isinstance(given, Mapping) and not any(
        isinstance(v, np.ndarray) or hasattr(v, "to_list") or (isinstance(v, list) and len(v) != 2)
        for v in given.values()
    ):
        return Population.from_margins(given, name=name)
    return Population.from_patients(given, name=name)
