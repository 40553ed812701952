"""From arm rows to a fitted model of counts: which studies speak, the reference, and which model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.networks.connection import most_studied, place_of, require_connected, take_part
from flarefree.evidence.networks.counts.arms import CountStudy, as_studies, count_studies
from flarefree.evidence.networks.effects import Effects, effects_of
from flarefree.evidence.networks.studies import Studies, Study, without_silent

__all__ = ["CountFit", "Likelihood", "fit_counts"]

Floats = NDArray[np.float64]
GLMM_MEASURES = {"OR": False, "IRR": True}  # measure -> is it a rate


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How well a model of counts fits.

    `q` and its degrees of freedom test the designs' agreement (Mantel-Haenszel only); NaN otherwise.
    """

    log_likelihood: float
    n_parameters: int
    tau2: float
    q: float = math.nan
    df: int = 0

    @property
    def aic(self) -> float:
        """Akaike's criterion."""
        return 2 * self.n_parameters - 2 * self.log_likelihood

    @property
    def p_value(self) -> float:
        """P of `q`."""
        from scipy.special import chdtrc

        return float(chdtrc(self.df, self.q)) if self.df else math.nan


@dataclass(frozen=True, slots=True, eq=False)
class CountFit:
    """A fitted model of counts."""

    treatments: tuple[str, ...]
    reference: str
    effects: Effects
    studies: tuple[Study, ...]
    likelihood: Likelihood
    notes: tuple[str, ...]


def fit_counts(
    rows: object,
    measure: str,
    model: str,
    reference: str | None,
    method: str,
    part: str | None,
    *,
    conf_level: float,
    quadrature_points: int,
) -> CountFit:
    """Fit `MH`, `NCH` or `GLMM`."""
    _require_fitting(measure, model, method)
    treatments, counts, notes = count_studies(rows, measure == "IRR", method)
    where = getattr(rows, "where", "data")
    found = as_studies(treatments, counts, notes)
    found, counts = _one_part(found, counts, part, where)
    if method == "MH":
        return _by_mantel_haenszel(found, counts, reference, where, conf_level)
    require_connected(found, where)
    at = _reference(found, reference, where)
    others = [i for i in range(len(found.treatments)) if i != at]
    if method == "NCH":
        from flarefree.evidence.networks.counts.conditional import fit_conditional

        coefficient, covariance, value = fit_conditional(counts, len(found.treatments), others)
        likelihood = Likelihood(value, len(others), 0.0)
    else:
        from flarefree.evidence.networks.counts.mixed import fit_mixed

        fitted = fit_mixed(
            counts,
            len(found.treatments),
            others,
            is_rate=GLMM_MEASURES[measure],
            is_random=model == "random",
            points=quadrature_points,
        )
        coefficient, covariance = fitted.coefficient, fitted.covariance
        likelihood = Likelihood(fitted.log_likelihood, fitted.n_parameters, fitted.tau2)
    return _result(found, at, others, coefficient, covariance, likelihood, conf_level)


def _require_fitting(measure: str, model: str, method: str) -> None:
    if method in ("MH", "NCH"):
        if measure != "OR":
            raise EvidenceError(
                f"method {method} estimates odds ratios",
                where="network: measure",
                found=repr(measure),
                expected="measure='OR'",
            )
        if model != "common":
            raise EvidenceError(
                f"method {method} has common effects only",
                where="network: model",
                found=repr(model),
                expected="model='common'",
                try_="model='common', or method='GLMM' for random effects",
            )
    elif measure not in GLMM_MEASURES:
        raise EvidenceError(
            "method GLMM models odds or rates",
            where="network: measure",
            found=repr(measure),
            expected="measure='OR' or measure='IRR'",
        )


def _one_part(
    found: Studies, counts: Sequence[CountStudy], part: str | None, where: str
) -> tuple[Studies, list[CountStudy]]:
    """The part asked for, or everything, and its counts with treatments renumbered."""
    if part is not None:
        found = take_part(found, part, where)
    by_name = {study.name: study for study in counts}
    return found, [
        CountStudy(study.name, study.arms, by_name[study.name].events, by_name[study.name].size)
        for study in found.studies
    ]


def _reference(found: Studies, reference: str | None, where: str) -> int:
    if reference is None:
        return most_studied(found.studies, len(found.treatments))
    return place_of(reference, found.treatments, "reference", where)


def _by_mantel_haenszel(
    found: Studies,
    counts: list[CountStudy],
    reference: str | None,
    where: str,
    conf_level: float,
) -> CountFit:
    from flarefree.evidence.networks.counts.mantel_haenszel import design_odds, rows_of_designs
    from flarefree.evidence.networks.rows import Rows, fit

    designs, dropped = design_odds(counts, found.treatments)
    if not designs:
        raise EvidenceError(
            "no design has odds ratios",
            where=where,
            found="\n".join(dropped),
            expected="two arms or more with events and with patients who had none",
        )
    joined = without_silent(found.treatments, [d.as_study(found.treatments) for d in designs], dropped)
    require_connected(joined, where)
    at = _reference(joined, reference, where)
    n = len(joined.treatments)
    others = [i for i in range(n) if i != at]
    rows = rows_of_designs(
        [replace(d, arms=tuple(s.arms.tolist())) for d, s in zip(designs, joined.studies)], n
    )
    result = fit(Rows(rows.y, rows.x[:, others], rows.v, rows.study))
    likelihood = Likelihood(math.nan, len(others), 0.0, result.q if result.df else 0.0, result.df)
    kept = _studies_among(found, joined.treatments)
    whole = Studies(joined.treatments, kept, (*found.notes, *joined.notes))
    return _result(whole, at, others, result.coefficient, result.covariance, likelihood, conf_level)


def _studies_among(found: Studies, treatments: tuple[str, ...]) -> tuple[Study, ...]:
    """Studies with two or more arms of these treatments, and those arms alone."""
    place = {name: i for i, name in enumerate(treatments)}
    kept = []
    for study in found.studies:
        names = [found.treatments[i] for i in study.arms.tolist()]
        arms = np.array([place[name] for name in names if name in place], np.int64)
        if len(arms) > 1:
            k = len(arms)
            kept.append(Study(study.name, arms, np.full(k, np.nan), np.full((k, k), np.nan)))
    return tuple(kept)


def _result(
    found: Studies,
    at: int,
    others: list[int],
    coefficient: Floats,
    covariance: Floats,
    likelihood: Likelihood,
    conf_level: float,
) -> CountFit:
    n = len(found.treatments)
    whole, spread = np.zeros(n), np.zeros((n, n))
    whole[others] = coefficient
    spread[np.ix_(others, others)] = covariance
    effects = effects_of(found.treatments, whole, spread, conf_level=conf_level, tau2=likelihood.tau2)
    return CountFit(found.treatments, found.treatments[at], effects, found.studies, likelihood, found.notes)
