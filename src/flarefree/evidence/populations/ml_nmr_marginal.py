"""What each treatment would show in a whole population: mean risks of its patients, and their contrasts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence.populations.population import Population

if TYPE_CHECKING:
    import polars as pl

    from flarefree.evidence.populations.ml_nmr_result import MultilevelNetwork

__all__ = ["marginal_frame"]

Floats = NDArray[np.float64]
MOST_DRAWS = 2000
STEPS = 60


def marginal_frame(
    network: MultilevelNetwork, target: Population, baseline: str | float, horizon: float | None
) -> pl.DataFrame:
    """A row a treatment: risk, and its difference, ratio and odds ratio against the reference."""
    import polars as pl

    risks = _risks(network, target, baseline, horizon)
    rows = []
    for k, name in enumerate(network.treatments):
        ours, theirs = risks[:, k], risks[:, 0]
        row: dict[str, object] = {"population": target.name, "treatment": name}
        kinds = {
            "risk": ours,
            "rd": ours - theirs,
            "rr": ours / theirs,
            "or": (ours / (1 - ours)) / (theirs / (1 - theirs)),
        }
        for label, values in kinds.items():
            low, median, high = network._interval(values)
            row |= {label: median, f"{label}_low": low, f"{label}_high": high}
        rows.append(row | {"converged": network.converged})
    return pl.DataFrame(rows)


def _risks(
    network: MultilevelNetwork, target: Population, baseline: str | float, horizon: float | None
) -> Floats:
    """(n_draws, n_treatments) mean risk over the target's points."""
    names = network.data.coefficients
    beta = network.draws.flat("beta")
    step = max(1, len(beta) // MOST_DRAWS)
    beta = beta[::step]
    x = network._target_covariates(target)
    study = _study_of(network, baseline)
    zero = np.zeros(len(x), np.int64)
    predictors = []
    for k in range(len(network.treatments)):
        rows = names.rows(zero, zero + k, x)
        rows[:, names.part("level")] = 0.0
        predictors.append(beta @ rows.T)
    if network.baseline is None:
        level = beta[:, study] if study is not None else _level_for(predictors[0], _risk_of(baseline))
        return np.column_stack(
            [(1 / (1 + np.exp(-(level[:, None] + eta)))).mean(axis=1) for eta in predictors]
        )
    if study is None or horizon is None or not horizon > 0:
        raise EvidenceError(
            "risks need a study's hazard and a horizon",
            where="marginal",
            found=f"baseline={baseline!r}, horizon={horizon!r}",
            expected=f"baseline: one of {', '.join(names.studies)}; horizon: a time above 0",
        )
    cumulative = _cumulative(network, study, float(horizon))[::step] * np.exp(beta[:, study])
    return np.column_stack([-np.expm1(-cumulative[:, None] * np.exp(eta)).mean(axis=1) for eta in predictors])


def _study_of(network: MultilevelNetwork, baseline: str | float) -> int | None:
    if not isinstance(baseline, str):
        return None
    studies = network.data.coefficients.studies
    if baseline not in studies:
        raise NotFoundError(
            "no such study", where="marginal: baseline", found=repr(baseline), expected=", ".join(studies)
        )
    return studies.index(baseline)


def _risk_of(baseline: str | float) -> float:
    risk = float(baseline)
    if not 0 < risk < 1:
        raise EvidenceError(
            "no risk", where="marginal: baseline", found=repr(baseline), expected="between 0 and 1"
        )
    return risk


def _level_for(eta: Floats, risk: float) -> Floats:
    """(n_draws,) the level at which the mean risk over points is `risk`, by bisection."""
    center = math.log(risk / (1 - risk))
    low, high = center - eta.max(axis=1), center - eta.min(axis=1)
    for _ in range(STEPS):
        middle = (low + high) / 2
        is_below = (1 / (1 + np.exp(-(middle[:, None] + eta)))).mean(axis=1) < risk
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return np.asarray((low + high) / 2)


def _cumulative(network: MultilevelNetwork, study: int, horizon: float) -> Floats:
    """(n_draws,) baseline hazard summed to the horizon, without the study's level."""
    baseline = network.baseline
    assert baseline is not None
    n = network.draws.settings.chains * network.draws.settings.draws
    if baseline.kind == "exponential" or (baseline.kind == "piecewise" and not baseline.breaks):
        return np.full(n, horizon)
    parameters = network.draws.flat("time")[:, study]
    if baseline.kind == "weibull":
        return np.asarray(horizon ** np.exp(parameters[:, 0]))
    steps = np.column_stack([np.zeros(n), parameters])
    return np.asarray(np.exp(steps) @ baseline.exposures(np.array([horizon]))[0])
