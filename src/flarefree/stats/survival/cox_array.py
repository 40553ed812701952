"""Cox's model on arrays: `fit_cox`.

Decides the order of the work: rows prepared, likelihood climbed, variance made robust, tests made.
Formulas: docs/methods/survival_cox.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from flarefree.errors import StatsError
from flarefree.stats.survival._cox_data import CoxRows, prepare_rows
from flarefree.stats.survival._cox_kernels import null_loglik, partial_likelihood
from flarefree.stats.survival._inputs import encode_groups
from flarefree.stats.survival._newton import Evaluate, Maximum, maximize
from flarefree.stats.survival._numbers import invert_information, require_level
from flarefree.stats.survival.cox_fit import ChiSquareTest, CoxFit, chi_square

__all__ = ["choose_clusters", "fit_cox", "fit_rows", "likelihood", "require_ties", "risks"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
TIES = ("efron", "breslow", "exact")
WORTHWHILE_ROWS, MAX_COVARIATES = 20_000, 8  # for a kernel compiled for its number of covariates
SAMPLE_EVERY = 16  # rows, for the first guess of a fit of very many
WIDEST = 1300.0  # of the linear predictor: beyond it exp() under- or overflows around its middle


def fit_cox(
    time: Any,
    event: Any,
    x: Any,
    *,
    entry: Any = None,
    strata: Any = None,
    weights: Any = None,
    offset: Any = None,
    ties: str = "efron",
    cluster: Any = None,
    names: Sequence[str] | None = None,
    robust: bool | None = None,
    firth: bool = False,
    level: float = 0.95,
) -> CoxFit:
    """Fit a proportional hazards model to arrays.

    Parameters
    ----------
    time : (n,) float
        When the event or the censoring happened.
    event : (n,) bool or 0/1
        Whether the event was seen at `time`.
    x : (n, p) or (n,) float
        Covariates; no intercept.
    entry : (n,) float, optional
        Left truncation or counting-process rows: at risk in (entry, time].
    strata : (n,) labels or list of them, optional
        Each stratum has its own baseline hazard.
    weights : (n,) float, optional
        Case weights.
    offset : (n,) float, optional
        Added to the linear predictor.
    ties : {"efron", "breslow", "exact"}
        `exact` is the conditional (discrete) likelihood, as in R's coxph.
    cluster : (n,) labels, optional
        Rows that belong together: the variance becomes Lin and Wei's robust one.
    names : (p,) str, optional
        Terms; `x1`, `x2`, ... unless given.
    robust : bool, optional
        Whether the variance is the robust one, of clusters or else of rows.  Unless said, it is with
        clusters, and with weights that are not whole numbers, as in R's coxph.
    firth : bool
        Penalize by Jeffreys' prior, which keeps estimates finite where the likelihood is monotone.
    level : float
        Level of the limits.

    Returns
    -------
    CoxFit

    Raises
    ------
    NoEventsError, SingularDesignError, ConvergenceError, StatsError

    References
    ----------
    [cox1972], [efron1977], [breslow1974], [gail1981], [lin1989], [heinze2001]; agrees with R's `coxph`.
    """
    level = require_level(level)
    require_ties(ties)
    rows = prepare_rows(time, event, x, entry=entry, strata=strata, weights=weights, offset=offset)
    terms = _terms(names, rows.x.shape[1])
    clusters = choose_clusters(
        rows, None if cluster is None else encode_groups(cluster, rows.n, "cluster"), robust
    )
    return fit_rows(rows, terms, ties=ties, clusters=clusters, firth=firth, level=level)


def choose_clusters(rows: CoxRows, clusters: Any, robust: bool | None) -> Any:
    """The clusters of a robust variance: those given, each row its own, or None for no such variance."""
    if robust is None:
        robust = clusters is not None or (
            rows.is_weighted and bool((rows.weight != np.floor(rows.weight)).any())
        )
    if not robust:
        return None
    if clusters is None:
        return np.arange(rows.n), range(rows.n)
    return clusters


def fit_rows(
    rows: CoxRows,
    terms: tuple[str, ...],
    *,
    ties: str,
    clusters: tuple[Any, tuple[Any, ...]] | None,
    firth: bool,
    level: float,
    formula: str = "",
    omitted: int = 0,
    design: Any = None,
) -> CoxFit:
    """Fit rows that are prepared already."""
    if clusters is not None and ties == "exact":
        raise StatsError(
            "no robust variance with exact ties", where="cluster", try_="ties='efron' or ties='breslow'"
        )
    evaluate = likelihood(rows, ties, firth)
    p = rows.x.shape[1]
    if p == 0:
        loglik = at_zero = evaluate(np.zeros(0))[0]
        found = Maximum(
            np.zeros(0),
            loglik,
            np.zeros((0, 0)),
            (loglik, np.zeros(0), np.zeros((0, 0))),
            0,
            np.zeros(0, bool),
        )
    else:
        guess = _first_guess(rows, terms, ties, firth)
        at_zero = _null_loglik(rows, ties) if guess.any() else -math.inf
        found = maximize(
            evaluate,
            guess,
            terms,
            spread=lambda: np.ptp(rows.x, axis=0),
            n_events=rows.n_events,
            at_zero=at_zero,
        )
    null = at_zero if found.null is None else found.null[0]
    naive = _inverse(found.information, rows.scale)
    coef = found.beta / rows.scale
    covariance, robust_score = naive, None
    if clusters is not None:
        covariance, robust_score = _robust(rows, found, naive, clusters, ties)
    return CoxFit(
        terms=terms,
        coef=coef,
        covariance=covariance,
        naive_covariance=naive,
        loglik_null=null,
        loglik=found.loglik,
        likelihood_ratio=chi_square(2.0 * (found.loglik - null), p),
        wald=_wald(coef, covariance),
        score_at_zero=None if found.null is None else found.null[1:],
        robust_score=robust_score,
        n=rows.n,
        n_events=rows.n_events,
        n_clusters=None if clusters is None else len(clusters[1]),
        ties=ties,
        firth=firth,
        level=level,
        iterations=found.iterations,
        converged=not bool(found.diverging.any()),
        warnings=_warnings(found, terms),
        rows=rows,
        formula=formula,
        omitted=omitted,
        design=design,
        assign=_assign(terms, design),
    )


def _first_guess(rows: CoxRows, terms: tuple[str, ...], ties: str, firth: bool) -> Floats:
    """Zeros; or, with very many rows, the fit of every sixteenth: it saves a step over all of them."""
    nothing = np.zeros(len(terms))
    if rows.time.size < 16 * WORTHWHILE_ROWS or rows.entry.size or ties == "exact" or firth:
        return nothing
    every = slice(None, None, SAMPLE_EVERY)
    sample = replace(
        rows,
        time=rows.time[every].copy(),
        event=rows.event[every].copy(),
        weight=rows.weight[every].copy(),
        x=rows.x[every].copy(),
        offset=None if rows.offset is None else rows.offset[every].copy(),
        starts=-(-rows.starts // SAMPLE_EVERY),
    )
    try:
        found = maximize(
            likelihood(sample, ties),
            nothing,
            terms,
            spread=lambda: np.ptp(sample.x, axis=0),
            n_events=sample.n_events,
        )
    except StatsError:  # too few events, or a covariate that is rare: begin at zero
        return nothing
    return nothing if found.diverging.any() else found.beta


def _assign(terms: tuple[str, ...], design: Any) -> tuple[tuple[str, int, int], ...]:
    if design is None:
        return tuple((term, i, i + 1) for i, term in enumerate(terms))
    return tuple((term.label, term.start, term.stop) for term in design.terms)


def likelihood(rows: CoxRows, ties: str, firth: bool = False) -> Evaluate:
    """The function of scaled coefficients that is climbed."""
    if firth:
        return _penalized_likelihood(rows, ties)
    if ties == "exact":
        return _exact_likelihood(rows)
    efron = ties == "efron"
    if rows.time.size >= WORTHWHILE_ROWS and not rows.entry.size and 1 <= rows.x.shape[1] <= MAX_COVARIATES:
        return _wide_likelihood(rows, efron)

    def evaluate(beta: Floats) -> tuple[float, Floats, Floats]:
        eta, risk = risks(rows, beta)
        if risk is None:
            return _nowhere(beta.size)
        loglik, score, information = partial_likelihood(
            rows.time,
            rows.event,
            rows.weight,
            eta,
            risk,
            rows.x,
            rows.starts,
            rows.entry,
            rows.entry_order,
            efron,
        )
        return float(loglik), score, information

    return evaluate


def _wide_likelihood(rows: CoxRows, efron: bool) -> Evaluate:
    from flarefree.stats.survival._cox_wide_kernels import wide_likelihood

    kernel = wide_likelihood(rows.x.shape[1])

    def evaluate(beta: Floats) -> tuple[float, Floats, Floats]:
        eta, risk = risks(rows, beta)
        if risk is None:
            return _nowhere(beta.size)
        loglik, score, lower = kernel(
            rows.time, rows.event, rows.weight, eta, risk, rows.x, rows.starts, efron
        )
        return float(loglik), score, lower + np.tril(lower, -1).T

    return evaluate


def _exact_likelihood(rows: CoxRows) -> Evaluate:
    from flarefree.stats.survival._cox_rare_kernels import exact_likelihood

    if rows.is_weighted:
        raise StatsError(
            "the exact likelihood of ties has no weights", where="weights", try_="ties='efron', or no weights"
        )

    def evaluate(beta: Floats) -> tuple[float, Floats, Floats]:
        eta, risk = risks(rows, beta)
        if risk is None:
            return _nowhere(beta.size)
        loglik, score, information = exact_likelihood(
            rows.time, rows.event, eta, risk, rows.x, rows.starts, rows.entry
        )
        return float(loglik), score, information

    return evaluate


def _penalized_likelihood(rows: CoxRows, ties: str) -> Evaluate:
    """The log likelihood plus half the log determinant of its information [heinze2001]."""
    from flarefree.stats.survival._cox_rare_kernels import information_slopes

    if ties == "exact":
        raise StatsError("Firth's penalty needs Efron's or Breslow's ties", where="ties", found="exact")

    def evaluate(beta: Floats) -> tuple[float, Floats, Floats]:
        eta, risk = risks(rows, beta)
        if risk is None:
            return _nowhere(beta.size)
        loglik, score, information, slopes = information_slopes(
            rows.time, rows.event, rows.weight, eta, risk, rows.x, rows.starts, rows.entry, ties == "efron"
        )
        inverse = invert_information(information)
        if inverse is None:
            return -math.inf, score, information
        _, log_det = np.linalg.slogdet(information)
        penalized = score + np.einsum("ab,bac->c", inverse, slopes) / 2.0
        in_given_units = log_det / 2.0 + float(np.log(rows.scale).sum())
        return float(loglik + in_given_units), penalized, information

    return evaluate


def _nowhere(p: int) -> tuple[float, Floats, Floats]:
    """A point so far out that its likelihood cannot be computed: never climbed to."""
    return -math.inf, np.zeros(p), np.zeros((p, p))


def risks(rows: CoxRows, beta: Floats) -> tuple[Floats, Floats | None]:
    """The linear predictor around its middle, and weight times its exponential (None if too wide)."""
    if not beta.any() and rows.offset is None:
        return np.zeros(rows.time.size), rows.weight
    eta = rows.linear_predictor(beta)
    low, high = (float(eta.min()), float(eta.max())) if eta.size else (0.0, 0.0)
    if not high - low <= WIDEST:
        return eta, None
    if high - low > 100.0:  # otherwise zero, the covariates' mean, is middle enough
        eta -= (low + high) / 2.0
    risk = np.exp(eta)
    if rows.is_weighted:
        risk *= rows.weight
    return eta, risk


def _inverse(information: Floats, scale: Floats) -> Floats:
    """Covariance of the coefficients in their own units; infinite where there is no information left."""
    inverse = invert_information(information)
    if inverse is None:
        return np.diag(np.full(scale.size, np.inf))
    return inverse / scale[:, None] / scale[None, :]


def _wald(coef: Floats, covariance: Floats) -> ChiSquareTest:
    if not coef.size:
        return chi_square(0.0, 0)
    if not np.isfinite(covariance).all():
        return ChiSquareTest(math.nan, coef.size, math.nan)
    return chi_square(float(coef @ np.linalg.solve(covariance, coef)), coef.size)


def _null_loglik(rows: CoxRows, ties: str) -> float:
    if rows.offset is not None:
        return likelihood(rows, ties)(np.zeros(rows.x.shape[1]))[0]
    return float(null_loglik(rows.time, rows.event, rows.weight, rows.starts, ties == "efron"))


def _robust(
    rows: CoxRows, found: Maximum, naive: Floats, clusters: tuple[Any, tuple[Any, ...]], ties: str
) -> tuple[Floats, ChiSquareTest]:
    """Lin and Wei's sandwich from sums of score residuals by cluster, and the robust score test."""
    from flarefree.stats.survival._cox_steps import score_residuals

    code = clusters[0][rows.order]
    n_clusters = len(clusters[1])
    at_zero = _sum_by(score_residuals(rows, np.zeros_like(found.beta), ties), code, n_clusters)
    total = at_zero.sum(axis=0)
    middle = at_zero.T @ at_zero
    robust_score = ChiSquareTest(math.nan, total.size, math.nan)
    if np.linalg.matrix_rank(middle) == total.size:
        robust_score = chi_square(float(total @ np.linalg.solve(middle, total)), total.size)
    residuals = _sum_by(score_residuals(rows, found.beta, ties), code, n_clusters)
    influence = (residuals * rows.scale) @ naive
    return influence.T @ influence, robust_score


def _sum_by(values: Floats, code: Any, n_groups: int) -> Floats:
    return np.stack([np.bincount(code, weights=column, minlength=n_groups) for column in values.T], axis=1)


def _warnings(found: Maximum, terms: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"monotone likelihood: the coefficient of {term} runs to {'+' if value > 0 else '-'}infinity; "
        "its standard error and Wald test mean nothing, the likelihood-ratio and score tests hold; "
        "firth=True gives a finite estimate"
        for term, value, diverging in zip(terms, found.beta, found.diverging)
        if diverging
    )


def require_ties(ties: str) -> None:
    if ties not in TIES:
        raise StatsError("no such rule for ties", where="ties", found=repr(ties), expected=", ".join(TIES))


def _terms(names: Sequence[str] | None, p: int) -> tuple[str, ...]:
    if names is None:
        return tuple(f"x{i + 1}" for i in range(p))
    if len(names) != p:
        raise StatsError(
            "not one name a covariate", where="names", found=f"{len(names)} names", expected=f"{p} names"
        )
    return tuple(str(name) for name in names)
