"""How far two populations overlap: each covariate's difference, and four numbers for all together.

Decides when a result in the target is called extrapolated; the rule is `EXTRAPOLATED_WHEN`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.populations.balancing import (
    balance,
    effective_sample_size,
    outside_range,
)
from flarefree.evidence.populations.population import Population
from flarefree.evidence.populations.terms import (
    Term,
    choose_covariates,
    columns_for,
    possible_in_target,
    shared_terms,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["EXTRAPOLATED_WHEN", "Overlap", "compare_populations", "measure_overlap"]

Floats = NDArray[np.float64]
LOW_SHARE = 0.20
"""Effective sample size below a fifth of the patients: few carry the result ([phillippo2016] sec. 4.1)."""
EXTRAPOLATED_WHEN = (
    "a target mean on or outside the range of the source (a level that no patient has, too), target means "
    "outside the patients' hull, or an effective sample size below 20% of the patients"
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Overlap:
    """Two populations compared.

    Attributes
    ----------
    terms : tuple of Term
        With the target's means and SDs.
    source_mean, source_sd, low, high, weighted_mean : (n_terms,) float
        Of the source; `low` and `high` are its range, NaN where only margins are known.
    smd, weighted_smd : (n_terms,) float
        Standardized differences, source less target, over the root mean square of the two SDs.
    n, ess : float
        Patients of the source, and what they are worth once weighted to the target's means; NaN without
        patients, 0 where no weights exist.
    largest_weight : float
        With mean 1.
    distance : float
        Mahalanobis's, between the means in the source's covariance (infinite along what does not vary).
    coefficient : float
        Overlapping area of two normals that far apart: 2 Phi(-distance / 2).
    reasons : tuple of str
        Why a result would be extrapolated; empty if it would not.
    dropped : tuple of str
        Labels that no weights can match.
    """

    source: str
    target: str
    terms: tuple[Term, ...]
    source_mean: Floats
    source_sd: Floats
    low: Floats
    high: Floats
    weighted_mean: Floats
    n: int
    ess: float
    largest_weight: float
    distance: float
    reasons: tuple[str, ...]
    dropped: tuple[str, ...] = ()

    @property
    def smd(self) -> Floats:
        """Before weighting."""
        return _standardized(self.source_mean, self.source_sd, self.terms)

    @property
    def weighted_smd(self) -> Floats:
        """After weighting."""
        return _standardized(self.weighted_mean, self.source_sd, self.terms)

    @property
    def ess_share(self) -> float:
        """Effective sample size as a share of the patients."""
        return self.ess / self.n if self.n else math.nan

    @property
    def coefficient(self) -> float:
        """2 Phi(-D / 2): 1 for the same means, 0 for none in common."""
        return math.erfc(self.distance / (2 * math.sqrt(2)))

    @property
    def is_extrapolated(self) -> bool:
        """Whether the rule `EXTRAPOLATED_WHEN` holds."""
        return bool(self.reasons)

    def tidy(self) -> pl.DataFrame:
        """One row a term: means, SDs, range of the source, standardized differences."""
        import polars as pl

        return pl.DataFrame(
            {
                "term": [t.label for t in self.terms],
                "source_mean": self.source_mean,
                "source_sd": self.source_sd,
                "source_low": self.low,
                "source_high": self.high,
                "target_mean": [t.mean for t in self.terms],
                "target_sd": [t.sd if t.power == 1 else math.nan for t in self.terms],
                "weighted_mean": self.weighted_mean,
                "smd": self.smd,
                "weighted_smd": self.weighted_smd,
            },
            nan_to_null=True,
        )

    def lines(self) -> list[str]:
        """The comparison in words."""
        told = [f"  {'':<28}{'source':>10}{'target':>10}{'SMD':>9}{'weighted':>10}{'SMD':>9}"]
        for j, term in enumerate(self.terms):
            numbers = (self.source_mean[j], term.mean)
            weighted = self.weighted_mean[j]
            told.append(
                f"  {term.label[:27]:<28}"
                + "".join(f"{_shown(v, term):>10}" for v in numbers)
                + f"{_signed(self.smd[j]):>9}{_shown(weighted, term):>10}{_signed(self.weighted_smd[j]):>9}"
            )
        if math.isfinite(self.ess):
            share = f"{self.ess:.1f} of {self.n} patients ({100 * self.ess_share:.0f}%)"
            told.append(f"  effective sample size {share}, largest weight {self.largest_weight:.1f}")
        told.append(
            f"  overlap coefficient {self.coefficient:.2f} (distance between the means {self.distance:.2f})"
        )
        return told

    def __repr__(self) -> str:
        head = f"Overlap of {self.source} (source) with {self.target} (target)"
        reasons = [f"  EXTRAPOLATED: {reason}" for reason in self.reasons]
        return "\n".join([head, *self.lines(), *reasons])


def compare_populations(
    source: Population, target: Population, covariates: Sequence[str] = (), *, moments: int = 1
) -> Overlap:
    """Are these study patients like our patients?

    Parameters
    ----------
    source, target : Population
        The source's patients, or its margins (then without effective sample size).
    covariates : sequence of str, optional
        All that both know, unless given.
    moments : 1 or 2
        Whether SDs are to be matched as well.

    Raises
    ------
    EvidenceError
        Unknown covariates, missing values, none in common.
    """
    chosen = choose_covariates(source, target, covariates)
    terms = shared_terms(source, target, chosen, moments=moments)
    if source.columns is None:
        return _of_margins(source, target, terms)
    x = columns_for(terms, source.columns, where=source.name)
    return measure_overlap(x, terms, source=source.name, target=target.name)


def measure_overlap(x: Floats, terms: tuple[Term, ...], *, source: str, target: str) -> Overlap:
    """The overlap of patients with covariates `x` (n, n_terms) and a target."""
    means = np.array([t.mean for t in terms])
    inner = x[possible_in_target(x, terms)]
    beyond = outside_range(inner, means) if len(inner) else np.ones(len(terms), dtype=bool)
    reasons = [
        _outside_words(t, inner[:, j] if len(inner) else x[:, j])
        for j, t in enumerate(terms)
        if beyond[j] and not _is_told_by_another(t, terms, beyond)
    ]
    dropped = [t.label for j, t in enumerate(terms) if beyond[j]]
    kept = [j for j, t in enumerate(terms) if not beyond[j] and not t.is_reference]
    ess, largest, weighted = 0.0, math.nan, np.full(len(terms), math.nan)
    try:
        weights = _weights_of(inner[:, kept], means[kept], [terms[j].label for j in kept])
    except EvidenceError:
        reasons.append("the target's means lie outside the hull of the patients: no weights exist")
    else:
        ess, largest = effective_sample_size(weights), float(weights.max()) * len(x) / len(inner)
        weighted = weights @ inner / weights.sum()
        reasons += few_patients(ess, len(x))
    return Overlap(
        source=source,
        target=target,
        terms=terms,
        source_mean=x.mean(axis=0),
        source_sd=x.std(axis=0),
        low=x.min(axis=0),
        high=x.max(axis=0),
        weighted_mean=weighted,
        n=len(x),
        ess=ess,
        largest_weight=largest,
        distance=_distance(x, terms),
        reasons=tuple(reasons),
        dropped=tuple(dropped),
    )


def _weights_of(x: Floats, means: Floats, labels: Sequence[str]) -> Floats:
    if not len(x):
        raise EvidenceError("the target has none like any of the patients", where="covariates")
    return balance(x, means, labels).weights


def few_patients(ess: float, n: int) -> list[str]:
    """Why so small an effective sample size makes a result extrapolated; empty if it is large enough."""
    if ess >= LOW_SHARE * n:
        return []
    share = f"{100 * ess / n:.0f}%, below {100 * LOW_SHARE:.0f}%"
    return [f"effective sample size {ess:.1f} of {n} patients ({share})"]


def _of_margins(source: Population, target: Population, terms: tuple[Term, ...]) -> Overlap:
    ours = {t.label: t for t in shared_terms(target, source, list(dict.fromkeys(t.covariate for t in terms)))}
    mean, sd = (np.array([getattr(ours[t.label], name) for t in terms]) for name in ("mean", "sd"))
    nobody = math.nan
    gaps = [
        (t.mean - m) / s if s else (0.0 if t.mean == m else math.inf)
        for t, m, s in zip(terms, mean, sd)
        if not t.is_reference
    ]
    reasons = [
        f"{t.label}: {_shown(t.mean, t)} in {target.name}, {_shown(m, t)} throughout in {source.name}"
        for t, m, s in zip(terms, mean, sd)
        if s == 0 and t.mean != m
    ]
    unknown = np.full(len(terms), nobody)
    return Overlap(
        source=source.name,
        target=target.name,
        terms=terms,
        source_mean=mean,
        source_sd=sd,
        low=unknown,
        high=unknown,
        weighted_mean=unknown,
        n=source.n or 0,
        ess=nobody,
        largest_weight=nobody,
        distance=math.sqrt(sum(g * g for g in gaps)),
        reasons=tuple(reasons),
    )


def _outside_words(term: Term, values: Floats) -> str:
    low, high = float(values.min()), float(values.max())
    if low == high:
        if term.is_share:
            some = "none" if low == 0 else "all"
            return f"{term.label}: {some} of the {len(values)} patients, {100 * term.mean:.3g}% of the target"
        return f"{term.label}: {low:.4g} in all patients, mean {term.mean:.4g} in the target"
    if term.is_share:
        return (
            f"{term.label}: {100 * term.mean:.3g}% of the target, {100 * values.mean():.3g}% of the patients"
        )
    return f"{term.label}: mean {term.mean:.4g} in the target, patients from {low:.4g} to {high:.4g}"


def _is_told_by_another(term: Term, terms: Sequence[Term], beyond: NDArray[np.bool_]) -> bool:
    """A category's reference level repeats what its other levels say."""
    others = [j for j, t in enumerate(terms) if t.covariate == term.covariate and not t.is_reference]
    return term.is_reference and any(beyond[j] for j in others)


def _distance(x: Floats, terms: Sequence[Term]) -> float:
    kept = [j for j, t in enumerate(terms) if not t.is_reference and t.power == 1]
    gap = np.array([terms[j].mean for j in kept]) - x[:, kept].mean(axis=0)
    varies = x[:, kept].std(axis=0) > 0
    if (np.abs(gap[~varies]) > 1e-12).any():
        return math.inf
    if not varies.any():
        return 0.0
    covariance = np.atleast_2d(np.cov(x[:, kept][:, varies], rowvar=False))
    return math.sqrt(max(float(gap[varies] @ np.linalg.pinv(covariance) @ gap[varies]), 0.0))


def _standardized(mean: Floats, sd: Floats, terms: Sequence[Term]) -> Floats:
    target_mean = np.array([t.mean for t in terms])
    target_sd = np.array([s if t.power == 2 else t.sd for t, s in zip(terms, sd)])
    spread = np.sqrt((sd**2 + target_sd**2) / 2)
    gap = mean - target_mean
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(gap) < 1e-9, 0.0, gap / spread)


def _shown(value: float, term: Term) -> str:
    if math.isnan(value):
        return "-"
    return f"{100 * value:.1f}%" if term.is_share else f"{value:.4g}"


def _signed(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.2f}"
