"""`transport` of published rows: covariates are studies' means, the target's means the place to predict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.inputs import ArmRows, ContrastRows, read_rows
from flarefree.evidence.populations.between import PopulationFactor
from flarefree.evidence.populations.comparing import Overlap
from flarefree.evidence.populations.contrasts import Contrasts, contrasts_of
from flarefree.evidence.populations.effects import Effect
from flarefree.evidence.populations.meta_regression import Interactions, MetaRegression, fit_meta_regression
from flarefree.evidence.populations.population import Population
from flarefree.evidence.populations.result import Carried, Transport
from flarefree.evidence.populations.terms import Term
from flarefree.stats.margins import Bernoulli, Categorical

__all__ = ["transport_rows"]

Floats = NDArray[np.float64]


def transport_rows(
    source: Any,
    target: Population,
    *,
    effect: Effect,
    pair: tuple[str | None, str | None],
    covariates: Sequence[str],
    factor: PopulationFactor,
    interactions: Interactions,
    against: str,
    outside: str,
    level: float,
) -> Transport:
    """The effect of one treatment against another at the target's means (see `transport`)."""
    if interactions not in ("common", "exchangeable"):
        raise EvidenceError(
            "no such interactions",
            where="interactions",
            found=repr(interactions),
            expected="common, exchangeable",
        )
    rows = read_rows(source, where="source")
    contrasts = contrasts_of(rows, effect)
    names = _choose_pair(contrasts, pair)
    chosen = _choose_covariates(rows, target, covariates)
    x = np.column_stack([_study_means(rows, c)[contrasts.row] for c in chosen])
    terms = tuple(_term(target, c) for c in chosen)
    means = np.array([t.mean for t in terms])
    overlap = _overlap(x, terms, contrasts, target)
    if overlap.reasons and outside == "refuse":
        raise EvidenceError(
            "the target lies outside the studies",
            where=f"covariates, {overlap.dropped[0]}",
            found="; ".join(overlap.reasons),
            expected="target means between those of the studies",
            try_='outside="extrapolate", which says so in the result',
        )
    varies = x.std(axis=0) > 0
    fit = fit_meta_regression(
        contrasts,
        x[:, varies],
        means[varies],
        names,
        labels=[c for c, v in zip(chosen, varies) if v],
        interactions=interactions,
        against=against,
    )
    plain = fit_meta_regression(contrasts, x[:, :0], means[:0], names, labels=[])
    widened = math.sqrt(fit.std_error**2 + factor.variance_of(effect))
    return Transport(
        effect=effect,
        method="nmr",
        treatment=names[0],
        reference=names[1],
        adjusted=Carried(fit.estimate, fit.std_error),
        with_factor=Carried(fit.estimate, widened),
        population_factor=factor,
        overlap=overlap,
        unadjusted=Carried(plain.estimate, plain.std_error),
        error_from="generalized least squares, variances by REML",
        level=level,
        notes=_notes(fit, contrasts, [c for c, v in zip(chosen, varies) if v], chosen, varies, interactions),
        details={"fit": fit, "columns": {}, "target": target},
    )


def _choose_pair(contrasts: Contrasts, pair: tuple[str | None, str | None]) -> tuple[str, str]:
    treatments = sorted({*contrasts.treatment_1.tolist(), *contrasts.treatment_2.tolist()})
    first, second = pair
    if first is not None and second is not None:
        return first, second
    if len(treatments) > 2:
        raise EvidenceError(
            f"{len(treatments)} treatments: which two?",
            where="treatment",
            found=", ".join(treatments),
            try_="experimental=..., reference=...",
        )
    second = second or next(t for t in treatments if t != first)
    return first or next(t for t in treatments if t != second), second


def _choose_covariates(
    rows: ArmRows | ContrastRows, target: Population, asked: Sequence[str]
) -> tuple[str, ...]:
    names = (asked,) if isinstance(asked, str) else tuple(asked)
    for name in names:
        if name not in rows.extra or name not in target.margins:
            where = "the rows" if name not in rows.extra else target.name
            raise EvidenceError(
                f"{where} know no covariate {name!r}",
                where="covariates",
                found=repr(name),
                expected=f"one of {', '.join(rows.extra if name not in rows.extra else target.margins)}",
            )
    chosen = names or tuple(c for c in target.margins if c in rows.extra)
    if not chosen:
        raise EvidenceError(
            "the rows and the target have no covariate in common",
            where="covariates",
            found=f"rows: {', '.join(rows.extra) or 'none'}; target: {', '.join(target.margins)}",
            expected="a column with each study's mean",
        )
    return chosen


def _study_means(rows: ArmRows | ContrastRows, covariate: str) -> Floats:
    """Of each row the mean of its study, patients of its arms together."""
    try:
        values = np.array(rows.extra[covariate], dtype=float)
    except (TypeError, ValueError):
        raise EvidenceError(
            "a study's mean is a number", where=f"source, column {covariate}", expected="numbers"
        ) from None
    if np.isnan(values).any():
        i = int(np.flatnonzero(np.isnan(values))[0])
        raise EvidenceError(
            f"{covariate} is missing",
            where=rows.place(i, covariate),
            found="nothing",
            expected="the study's mean",
            try_="leave out the study or the covariate",
        )
    sizes = rows.n if isinstance(rows, ArmRows) else np.ones(len(rows))
    sizes = np.where(np.isnan(sizes), 1.0, sizes)
    means = np.empty(len(values))
    for study in dict.fromkeys(rows.study.tolist()):
        members = rows.study == study
        means[members] = np.average(values[members], weights=sizes[members])
    return means


def _term(target: Population, covariate: str) -> Term:
    margin = target.margins[covariate]
    if isinstance(margin, Categorical):
        raise EvidenceError(
            "a study's mean is of a number",
            where=f"covariates, {covariate}",
            found="a category",
            try_="a column for each level, its proportion",
        )
    return Term(covariate, margin.mean, margin.sd, is_share=isinstance(margin, Bernoulli))


def _overlap(x: Floats, terms: tuple[Term, ...], contrasts: Contrasts, target: Population) -> Overlap:
    """The target among the studies' means, each study once."""
    first = [list(contrasts.study).index(s) for s in dict.fromkeys(contrasts.study.tolist())]
    means, spread = x[first].mean(axis=0), x[first].std(axis=0)
    low, high = x[first].min(axis=0), x[first].max(axis=0)
    goal = np.array([t.mean for t in terms])
    beyond = (goal < low) | (goal > high)
    reasons = tuple(
        f"{t.label}: {t.mean:.4g} in {target.name}, the studies' means from {low[j]:.4g} to {high[j]:.4g}"
        for j, t in enumerate(terms)
        if beyond[j]
    )
    gap = np.abs(goal - means)
    scaled = np.where(
        gap < 1e-12, 0.0, np.divide(gap, spread, out=np.full(len(gap), np.inf), where=spread > 0)
    )
    return Overlap(
        source=f"{len(first)} studies",
        target=target.name,
        terms=terms,
        source_mean=means,
        source_sd=spread,
        low=low,
        high=high,
        weighted_mean=np.full(len(terms), math.nan),
        n=len(first),
        ess=math.nan,
        largest_weight=math.nan,
        distance=float(np.sqrt((scaled**2).sum())),
        reasons=reasons,
        dropped=tuple(t.label for j, t in enumerate(terms) if beyond[j]),
    )


def _notes(
    fit: MetaRegression,
    contrasts: Contrasts,
    used: list[str],
    chosen: Sequence[str],
    varies: NDArray[np.bool_],
    interactions: str,
) -> tuple[str, ...]:
    slopes = "; ".join(
        f"{name} {slope:+.3g} (SE {error:.2g})"
        for name, slope, error in zip(used, fit.slopes, fit.slope_errors)
    )
    same = [c for c, v in zip(chosen, varies) if not v]
    return (
        f"{interactions} interactions, change of the effect by one unit: {slopes or 'none'}",
        f"variance between studies {fit.tau2:.3g}"
        + (
            f", of slopes between treatments {fit.slope_variance:.3g}"
            if interactions == "exchangeable"
            else ""
        ),
        "an association between studies' means need not hold between patients",
        *((f"not adjusted for {', '.join(same)}: the same in all studies",) if same else ()),
        *contrasts.notes,
    )
