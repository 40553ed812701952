"""Fine and Gray's proportional hazards model for a subdistribution.

Decides the censoring weights, the sandwich variance that allows for their estimation, and predictions.
Formulas: docs/methods/survival_competing.md, "Fine and Gray".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from flarefree.errors import StatsError
from flarefree.stats.survival._cox_data import require_covariates
from flarefree.stats.survival._curve_kernels import count_curves
from flarefree.stats.survival._fine_gray_kernels import subdistribution_likelihood
from flarefree.stats.survival._inputs import encode_groups, require_times
from flarefree.stats.survival._newton import maximize
from flarefree.stats.survival._numbers import invert_information, require_level
from flarefree.stats.survival._order import sort_times
from flarefree.stats.survival.competing import encode_causes
from flarefree.stats.survival.cox_fit import chi_square
from flarefree.stats.survival.subdistribution_fit import FineGrayFit

__all__ = ["fine_gray"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class _Rows:
    order: Ints
    time: Floats
    status: Ints
    x: Floats
    center: Floats
    scale: Floats
    group: Ints
    own_censoring: Floats
    step_time: Floats
    step_censoring: Floats


def fine_gray(
    time: Any,
    cause: Any,
    x: Any = None,
    *,
    interest: Any = 1,
    censored: Any = 0,
    censoring_group: Any = None,
    names: Sequence[str] | None = None,
    level: float = 0.95,
) -> FineGrayFit:
    """Fit Fine and Gray's model, to arrays or by a formula.

    Parameters
    ----------
    time, cause : (n,) float, (n,) labels; or a formula and a frame
        `fine_gray(time, cause, x)`, or `fine_gray("Surv(time, cause) ~ arm + age", data)`.
    x : (n, p) float
        Covariates (not with a formula).
    interest : label
        The cause whose incidence is modeled; `censored` is no event; every other label competes.
    censored : label
        The cause that stands for censoring.
    censoring_group : (n,) labels or a column's name, optional
        Groups whose censoring distributions are estimated apart.
    names : (p,) str, optional
        Terms, for arrays.
    level : float
        Level of the limits.

    References
    ----------
    [fine1999]; agrees with `crr` of R's cmprsk (which, with several censoring groups, mixes them in one
    part of the variance: docs/methods/survival_competing.md).
    """
    level = require_level(level)
    if isinstance(time, str):
        return _by_formula(time, cause, interest, censored, censoring_group, level)
    times = require_times(time)
    covariates = require_covariates(x, times.size)
    terms = tuple(names) if names is not None else tuple(f"x{i + 1}" for i in range(covariates.shape[1]))
    if len(terms) != covariates.shape[1]:
        raise StatsError("not one name a covariate", where="names", found=f"{len(terms)}")
    return _fit(times, cause, covariates, terms, interest, censored, censoring_group, level)


def _by_formula(
    formula: str, data: Any, interest: Any, censored: Any, censoring_group: Any, level: float
) -> FineGrayFit:
    from flarefree.stats.formula import design_matrix

    extra = {} if censoring_group is None else {"censoring_group": censoring_group}
    design = design_matrix(formula, data, drop_intercept=True, extra=extra)
    if design.response_kind != "surv":
        raise StatsError(
            "a Fine-Gray model needs times and causes left of ~",
            where="formula",
            found=str(design.formula),
            expected="Surv(time, cause) ~ ...",
        )
    if design.strata is not None or design.frailty is not None or design.offset is not None:
        raise StatsError(
            "a Fine-Gray model has no strata, frailty or offset", where="formula", found=str(design.formula)
        )
    cause: Any = design.response["event"]
    if design.response_levels:
        cause = np.array(design.response_levels, dtype=object)[cause.astype(np.int64)]
    group = None
    if censoring_group is not None:
        column = design.extra["censoring_group"].categories()
        group = column.codes
    fit = _fit(
        require_times(design.response["time"]),
        cause,
        design.matrix,
        design.columns,
        interest,
        censored,
        group,
        level,
    )
    return replace(fit, formula=str(design.formula), omitted=design.n_dropped, design=design)


def _fit(
    time: Floats,
    cause: Any,
    x: Floats,
    terms: tuple[str, ...],
    interest: Any,
    censored: Any,
    group: Any,
    level: float,
) -> FineGrayFit:
    rows = _prepare(time, cause, x, interest, censored, group)
    n_events = int((rows.status == 1).sum())

    def passed(beta: Floats) -> Any:
        eta = rows.x @ beta
        eta -= (eta.min() + eta.max()) / 2.0
        return subdistribution_likelihood(
            rows.time,
            rows.status,
            eta,
            rows.x,
            rows.group,
            rows.own_censoring,
            rows.step_censoring,
            rows.step_time.size,
        )

    def evaluate(beta: Floats) -> tuple[float, Floats, Floats]:
        loglik, score, information, *_ = passed(beta)
        return float(loglik), score, information

    p = x.shape[1]
    if p == 0:
        raise StatsError("a model without covariates", where="x", expected="at least one covariate")
    found = maximize(evaluate, np.zeros(p), terms, spread=lambda: np.ptp(rows.x, axis=0), n_events=n_events)
    inverse = invert_information(found.information)
    if inverse is None:
        inverse = np.full((p, p), np.inf)
    _, _, _, deaths, s0, mean = passed(found.beta)
    residuals = _residuals(rows, found.beta, deaths, s0, mean)
    back = 1.0 / rows.scale
    covariance = (inverse @ (residuals.T @ residuals) @ inverse) * np.outer(back, back)
    coef = found.beta * back
    eta = rows.x @ found.beta
    at_zero = float(-(rows.center / rows.scale) @ found.beta) - (eta.min() + eta.max()) / 2.0
    finite = bool(np.isfinite(covariance).all())
    return FineGrayFit(
        terms=tuple(terms),
        coef=coef,
        covariance=covariance,
        naive_covariance=inverse * np.outer(back, back),
        loglik_null=evaluate(np.zeros(p))[0] if found.null is None else found.null[0],
        loglik=found.loglik,
        wald=chi_square(float(coef @ np.linalg.solve(covariance, coef)) if finite else np.nan, p),
        cause=interest,
        n=time.size,
        n_events=n_events,
        n_competing=int((rows.status == 2).sum()),
        n_censoring_groups=rows.step_censoring.shape[0],
        level=level,
        iterations=found.iterations,
        converged=not bool(found.diverging.any()),
        warnings=tuple(
            f"monotone likelihood: the coefficient of {term} runs to infinity"
            for term, away in zip(terms, found.diverging)
            if away
        ),
        time=rows.step_time,
        hazard=deaths / s0 * np.exp(at_zero),
    )


def _prepare(time: Floats, cause: Any, x: Floats, interest: Any, censored: Any, group: Any) -> _Rows:
    code, causes = encode_causes(cause, time.size, censored)
    if interest not in causes:
        raise StatsError(
            "nobody had the cause of interest",
            where="interest",
            found=repr(interest),
            expected=", ".join(map(repr, causes)),
        )
    wanted = causes.index(interest) + 1
    status = np.where(code == 0, 0, np.where(code == wanted, 1, 2)).astype(np.int64)
    groups, labels = (np.zeros(time.size, dtype=np.int64), (None,))
    if group is not None:
        groups, labels = encode_groups(group, time.size, "censoring_group")
    _, _, order, time, _ = sort_times(time, None, None, 1)
    status, groups, sorted_x = status[order], groups[order], x[order]
    step_time = np.unique(time[status == 1])
    own = np.empty(time.size)
    steps = np.empty((len(labels), step_time.size))
    for g in range(len(labels)):
        mine = groups == g
        own[mine] = _censoring_before(time[mine], status[mine], time[mine])
        steps[g] = _censoring_before(time[mine], status[mine], step_time)
    center = sorted_x.mean(axis=0)
    spread = sorted_x.std(axis=0)
    scale = np.where(spread > 1e-12 * np.abs(center), spread, 1.0)
    scaled = np.where(spread > 1e-12 * np.abs(center), (sorted_x - center) / scale, 0.0)
    return _Rows(
        order, time, status, np.ascontiguousarray(scaled), center, scale, groups, own, step_time, steps
    )


def _censoring_before(time: Floats, status: Ints, at: Floats) -> Floats:
    """The censoring curve just before given times; a failure at a censoring's time is still at risk of it.

    After the last row of the group it is zero, as in cmprsk.
    """
    ones = np.ones(time.size)
    whole = np.array([0, time.size], dtype=np.int64)
    _, counts = count_curves(time, status == 0, ones, whole, np.empty(0), np.empty(0))
    curve = np.concatenate(([1.0], counts[4]))
    before = curve[np.searchsorted(counts[0], at, side="left")]
    return np.where(at > time[-1], 0.0, before)


def _residuals(rows: _Rows, beta: Floats, deaths: Floats, s0: Floats, mean: Floats) -> Floats:
    """Each row's eta + psi (docs, eq. 9 and 10), in scaled covariates: (n, p)."""
    eta = rows.x @ beta
    risk = np.exp(eta - (eta.min() + eta.max()) / 2.0)
    jump = deaths / s0
    upto = np.searchsorted(rows.step_time, rows.time, side="right")
    total = _led(np.cumsum(jump))
    total_mean = _led(np.cumsum(jump[:, None] * mean, axis=0))
    found = -risk[:, None] * (rows.x * total[upto][:, None] - total_mean[upto])
    event = rows.status == 1
    found[event] += rows.x[event] - mean[upto[event] - 1]
    for g in range(rows.step_censoring.shape[0]):
        _add_competing(found, rows, g, risk, jump, mean, upto)
        _add_censoring(found, rows, g, risk, jump, mean)
    return found


def _tails(rows: _Rows, g: int, jump: Floats, mean: Floats) -> tuple[Floats, Floats]:
    """Sums over event times from each on, of G(t-) dH and G(t-) dH times the mean covariates."""
    weighted = rows.step_censoring[g] * jump
    tail = np.concatenate((np.cumsum(weighted[::-1])[::-1], [0.0]))
    by_mean = np.cumsum((weighted[:, None] * mean)[::-1], axis=0)[::-1]
    return tail, np.concatenate((by_mean, np.zeros((1, mean.shape[1]))))


def _add_competing(
    found: Floats, rows: _Rows, g: int, risk: Floats, jump: Floats, mean: Floats, upto: Ints
) -> None:
    """The part of those who stay at risk after another event."""
    tail, tail_mean = _tails(rows, g, jump, mean)
    stay = (rows.group == g) & (rows.status == 2)
    after = upto[stay]
    share = risk[stay] / rows.own_censoring[stay]
    found[stay] -= share[:, None] * (rows.x[stay] * tail[after][:, None] - tail_mean[after])


def _add_censoring(found: Floats, rows: _Rows, g: int, risk: Floats, jump: Floats, mean: Floats) -> None:
    """The part that comes from estimating the censoring curve of a group."""
    mine = np.flatnonzero(rows.group == g)
    time, status = rows.time[mine], rows.status[mine]
    stay = mine[status == 2]
    share = risk[stay] / rows.own_censoring[stay]
    gone = _led(np.cumsum(share))
    gone_x = _led(np.cumsum(share[:, None] * rows.x[stay], axis=0))
    tail, tail_mean = _tails(rows, g, jump, mean)
    censorings, counts = np.unique(time[status == 0], return_counts=True)
    if not censorings.size:
        return
    before = np.searchsorted(rows.time[stay], censorings, side="left")
    onward = np.searchsorted(rows.step_time, censorings, side="left")
    q = gone_x[before] * tail[onward][:, None] - gone[before][:, None] * tail_mean[onward]
    at_risk = time.size - np.searchsorted(time, censorings, side="left")
    drift = _led(np.cumsum(q * (counts / at_risk**2)[:, None], axis=0))
    found[mine] -= drift[np.searchsorted(censorings, time, side="right")]
    place = np.searchsorted(censorings, time[status == 0])
    found[mine[status == 0]] += q[place] / at_risk[place][:, None]


def _led(sums: Floats) -> Floats:
    """Running sums with a zero in front."""
    return np.concatenate((np.zeros((1, *sums.shape[1:])), sums))
