"""The network without each study in turn: effects, tau2, and treatments that the study alone connects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.networks.connection import find_parts
from flarefree.evidence.networks.heterogeneity import TauMethod, estimate_tau2
from flarefree.evidence.networks.rows import Rows, fit
from flarefree.evidence.networks.studies import Study

__all__ = ["LeaveOneOut", "leave_one_out"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LeaveOneOut:
    """Effects against the reference without each study.

    Attributes
    ----------
    studies : tuple of str
        The one left out.
    estimate, std_error : (n_studies, n_treatments) float
        Against the reference; NaN for treatments that only the study left out connects to it.
    tau2, q : (n_studies,) float
    df : (n_studies,) int
    """

    studies: tuple[str, ...]
    treatments: tuple[str, ...]
    estimate: Floats
    std_error: Floats
    tau2: Floats
    q: Floats
    df: NDArray[np.int64]


def leave_one_out(
    rows: Rows,
    studies: Sequence[Study],
    treatments: tuple[str, ...],
    reference: int,
    *,
    method: TauMethod | None,
    tau2: float | None,
) -> LeaveOneOut:
    """Fit again without each study; `method` None keeps to common effects, `tau2` fixes the variance."""
    n, k = len(treatments), len(studies)
    estimate, error = np.full((k, n), np.nan), np.full((k, n), np.nan)
    taus, qs, dfs = np.zeros(k), np.zeros(k), np.zeros(k, np.int64)
    for s in range(k):
        others = [study for i, study in enumerate(studies) if i != s]
        part = next(p for p in find_parts(others, n) if reference in p)
        here = rows.where((rows.study != s) & (np.abs(rows.x[:, part]).sum(axis=1) > 0))
        columns = [i for i in part if i != reference]
        estimate[s, reference] = error[s, reference] = 0.0
        if not columns:
            taus[s] = qs[s] = math.nan
            continue
        here = Rows(here.y, here.x[:, columns], here.v, here.study)
        common = fit(here)
        qs[s], dfs[s] = common.q, common.df
        taus[s] = _tau2(here, method, tau2)
        result = fit(here, taus[s]) if taus[s] > 0 else common
        estimate[s, columns] = result.coefficient
        error[s, columns] = np.sqrt(np.diag(result.covariance))
    return LeaveOneOut(tuple(study.name for study in studies), treatments, estimate, error, taus, qs, dfs)


def _tau2(rows: Rows, method: TauMethod | None, tau2: float | None) -> float:
    if method is None:
        return 0.0
    found = estimate_tau2(rows, method) if tau2 is None else tau2
    return 0.0 if math.isnan(found) else found
