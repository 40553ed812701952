"""Network meta-regression: effects that move with the studies' mean covariates, read off at the target's.

Decides the interactions: `common` (all treatments against the reference share one slope, so slopes cancel
between two of them) or `exchangeable` (each its own, drawn around a common one with a variance that REML
estimates).  Both see studies' means only: an association between studies need not hold within them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence.populations.contrasts import Contrasts

__all__ = ["Interactions", "MetaRegression", "fit_meta_regression"]

Floats = NDArray[np.float64]
Interactions = Literal["common", "exchangeable"]
LARGEST_TAU2 = 25.0  # an SD of 5 on a log scale: beyond any treatment


@dataclass(frozen=True, slots=True, eq=False)
class MetaRegression:
    """A fit.

    Attributes
    ----------
    estimate, std_error : float
        Experimental against reference treatment, at the target.
    slopes, slope_errors : (n_covariates,) float
        Change of the effect against the reference by each covariate, common to the treatments.
    tau2 : float
        Variance of the effect between studies.
    slope_variance : float
        Of the treatments' slopes about the common one (per SD of the covariate), where exchangeable.
    n_studies : int
    """

    estimate: float
    std_error: float
    slopes: Floats
    slope_errors: Floats
    tau2: float
    slope_variance: float
    n_studies: int


def fit_meta_regression(
    contrasts: Contrasts,
    covariates: Floats,
    target: Floats,
    pair: tuple[str, str],
    *,
    labels: Sequence[str],
    interactions: Interactions = "common",
    against: str = "",
    random: bool = True,
) -> MetaRegression:
    """Generalized least squares, variances by REML.

    Parameters
    ----------
    contrasts : Contrasts
    covariates : (n_contrasts, p) float
        Each contrast's study means.
    target : (p,) float
    pair : (experimental, reference)
    against : str
        The reference of the interactions; that of the pair unless given.

    Raises
    ------
    NotFoundError
        A treatment that no study has.
    EvidenceError
        Treatments that no path connects; slopes that the studies do not identify.

    References
    ----------
    [dias2013]; docs/methods/transport.md, eq. 8 to 10.
    """
    treatments = sorted({*contrasts.treatment_1.tolist(), *contrasts.treatment_2.tolist()})
    base = against or pair[1]
    for name in (*pair, base):
        if name not in treatments:
            raise NotFoundError(
                "no study has this treatment",
                where="treatment",
                found=repr(name),
                expected=", ".join(treatments),
            )
    members = _connected(contrasts, (pair[0], pair[1]))
    if base not in members:
        _connected(contrasts, (pair[0], base))
    others = [t for t in treatments if t != base and t in members]
    kept = np.array([t in members for t in contrasts.treatment_1])
    y, S = contrasts.estimate[kept], contrasts.covariance[np.ix_(kept, kept)]
    first, second = contrasts.treatment_1[kept], contrasts.treatment_2[kept]
    spread = covariates[kept].std(axis=0)
    z = (covariates[kept] - target) / np.where(spread > 0, spread, 1.0)
    signs = np.array([[(a == t) * 1.0 - (b == t) for t in others] for a, b in zip(first, second)])
    active = signs.sum(axis=1)  # 1 where against the reference, 0 between two others
    X = np.column_stack([signs, active[:, None] * z])
    _require_identified(X, len(others), z, labels)
    same = contrasts.study[kept][:, None] == contrasts.study[kept][None, :]
    between = np.where(same, 0.5, 0.0) + np.eye(len(y)) * 0.5
    slopes = sum(((signs * z[:, [j]]) @ (signs * z[:, [j]]).T for j in range(z.shape[1])), np.zeros_like(S))
    tau2, slope_variance = _reml(y, X, S, between, slopes, random, interactions == "exchangeable")
    V = S + tau2 * between + slope_variance * slopes
    Vi = np.linalg.inv(V)
    covariance = np.linalg.inv(X.T @ Vi @ X)
    beta = covariance @ X.T @ Vi @ y
    chosen = np.zeros(X.shape[1])
    for name, sign in zip(pair, (1.0, -1.0)):
        if name != base:
            chosen[others.index(name)] = sign
    scale = np.where(spread > 0, spread, 1.0)
    common = slice(len(others), None)
    return MetaRegression(
        estimate=float(chosen @ beta),
        std_error=math.sqrt(float(chosen @ covariance @ chosen)),
        slopes=beta[common] / scale,
        slope_errors=np.sqrt(np.diag(covariance)[common]) / scale,
        tau2=tau2,
        slope_variance=slope_variance,
        n_studies=len(set(contrasts.study[kept].tolist())),
    )


def _connected(contrasts: Contrasts, pair: tuple[str, str]) -> set[str]:
    """The treatments that a path of studies leads to from the experimental one."""
    reached, grew = {pair[0]}, True
    while grew:
        grew = False
        for a, b in zip(contrasts.treatment_1, contrasts.treatment_2):
            if (a in reached) != (b in reached):
                reached |= {a, b}
                grew = True
    if pair[1] not in reached:
        raise EvidenceError(
            f"no path of studies leads from {pair[0]} to {pair[1]}",
            where="treatment",
            found=f"{pair[0]} is connected with {', '.join(sorted(reached - {pair[0]})) or 'nothing'}",
            expected="a connected network",
        )
    return reached


def _require_identified(X: Floats, n_treatments: int, z: Floats, labels: Sequence[str]) -> None:
    rank = np.linalg.matrix_rank(X)
    if rank == X.shape[1]:
        return
    blamed = [
        labels[j]
        for j in range(z.shape[1])
        if np.linalg.matrix_rank(np.delete(X, n_treatments + j, axis=1)) == rank
    ]
    raise EvidenceError(
        "the studies do not identify how the effect moves with the covariates",
        where=f"covariates, {', '.join(blamed)}",
        found=f"{len(X)} contrasts for {X.shape[1]} coefficients",
        expected="studies that differ in the covariate, more of them than coefficients",
        try_="fewer covariates",
    )


def _reml(
    y: Floats, X: Floats, S: Floats, between: Floats, slopes: Floats, random: bool, exchangeable: bool
) -> tuple[float, float]:
    """Variance between studies, and of slopes between treatments, each where it is in the model."""
    free = len(y) - X.shape[1]
    parts = [P for P, wanted in ((between, random), (slopes, exchangeable)) if wanted]
    if not parts or free <= 0:
        return 0.0, 0.0

    def deviance(sds: Floats) -> float:
        V = S + sum((sd * sd * P for sd, P in zip(sds, parts)), np.zeros_like(S))
        L = np.linalg.cholesky(V)
        Xs, ys = np.linalg.solve(L, X), np.linalg.solve(L, y)
        information = Xs.T @ Xs
        residual = ys - Xs @ np.linalg.solve(information, Xs.T @ ys)
        return float(2 * np.log(np.diag(L)).sum() + np.linalg.slogdet(information)[1] + residual @ residual)

    best = _smallest(deviance, len(parts)) ** 2
    given = iter(float(v) for v in best)
    return (next(given) if random else 0.0), (next(given) if exchangeable else 0.0)


def _smallest(deviance: Callable[[Floats], float], n_parts: int) -> Floats:
    """The SDs of least deviance within bounds; zero where nothing else is better."""
    from scipy.optimize import minimize, minimize_scalar

    top = math.sqrt(LARGEST_TAU2)
    if n_parts == 1:
        # Coarsely first: the deviance of few studies may have two valleys.
        grid = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.0, top])
        levels = [deviance(np.array([sd])) for sd in grid]
        k = int(np.argmin(levels))
        low, high = grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)]
        found = minimize_scalar(
            lambda sd: deviance(np.array([sd])), bounds=(low, high), method="bounded", options={"xatol": 1e-9}
        )
        return np.array([found.x if found.fun < levels[k] else grid[k]])
    tries = [
        minimize(
            deviance,
            start,
            bounds=[(0.0, top)] * n_parts,
            method="L-BFGS-B",
            options={"ftol": 1e-15, "gtol": 1e-9},
        )
        for start in ([0.1, 0.1], [0.5, 0.1], [0.1, 0.5], [0.0, 0.0])
    ]
    return np.asarray(min(tries, key=lambda found: float(found.fun)).x)
