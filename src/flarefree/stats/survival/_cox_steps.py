"""What happened at each event time under a fitted Cox model: hazards and means of the risk set.

Residuals, baseline hazards, predicted curves and the test of proportional hazards are all sums of these
steps.  Letters: docs/methods/survival_cox.md, "Steps".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np

from flarefree.errors import StatsError
from flarefree.stats.survival._cox_data import CoxRows
from flarefree.stats.survival._cox_kernels import tied_sums

__all__ = ["Steps", "compute_steps", "martingale_residuals", "schoenfeld_residuals", "score_residuals"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Per distinct event time, by stratum and ascending time (K of them).

    Attributes
    ----------
    starts : (strata + 1,)
        Where each stratum's steps start.
    time, n_event, weight : (K,)
        Event time, number of events, sum of their weights.
    hazard, hazard_dying : (K,)
        Rise of the cumulative hazard for those who go on, and for those who die at this time (Efron's
        rule counts their risk in part only), relative to `risk` (K,).
    hazard_variance : (K,)
        Sum of w / D^2.
    mean, moved, moved_dying : (K, p)
        Mean covariates of the risk set (averaged over the tied deaths), and their sums weighted by the
        hazard, for those who go on and those who die.
    upto, before : (m,)
        For each row, its place in `cumulate(...)` at its time and at its entry.
    risk : (m,)
        weight * exp(eta), with eta taken from the middle of its range.
    shift : float
        That middle.
    """

    starts: Ints
    time: Floats
    n_event: Floats
    weight: Floats
    n_risk: Floats
    hazard: Floats
    hazard_dying: Floats
    hazard_variance: Floats
    mean: Floats
    moved: Floats
    moved_dying: Floats
    upto: Ints
    before: Ints
    risk: Floats
    shift: float


@nb.njit(cache=True, error_model="numpy")
def _walk(
    time: Any,
    event: Any,
    weight: Any,
    risk: Any,
    x: Any,
    starts: Any,
    entry: Any,
    entry_order: Any,
    efron: Any,
) -> Any:
    """The steps of all strata: scalars (K, 7) and vectors (K, 3, p); times descend within a stratum."""
    p = x.shape[1]
    n_steps = 0
    for stratum in range(starts.size - 1):
        last_time = -1.0
        for i in range(starts[stratum], starts[stratum + 1]):
            if event[i] and time[i] != last_time:
                n_steps += 1
                last_time = time[i]
    scalars = np.zeros((n_steps, 7))
    vectors = np.zeros((n_steps, 3, p))
    step_starts = np.zeros(starts.size, dtype=np.int64)
    s1 = np.zeros(p)
    s1d = np.zeros(p)
    truncated = entry.size > 0
    k = 0
    for stratum in range(starts.size - 1):
        first = starts[stratum]
        s0 = 0.0
        n_risk = 0.0
        s1[:] = 0.0
        peak = 0.0
        i = starts[stratum + 1] - 1
        leaving = i
        while i >= first:
            t = time[i]
            deaths = 0
            wd = 0.0
            s0d = 0.0
            s1d[:] = 0.0
            while i >= first and time[i] == t:
                s0 += risk[i]
                n_risk += weight[i]
                for a in range(p):
                    s1[a] += risk[i] * x[i, a]
                if event[i]:
                    deaths += 1
                    wd += weight[i]
                    s0d += risk[i]
                    for a in range(p):
                        s1d[a] += risk[i] * x[i, a]
                i -= 1
            if deaths == 0:
                continue
            if truncated:
                peak = max(peak, s0)
                while leaving >= first and entry[entry_order[leaving]] >= t:
                    j = entry_order[leaving]
                    s0 -= risk[j]
                    n_risk -= weight[j]
                    for a in range(p):
                        s1[a] -= risk[j] * x[j, a]
                    leaving -= 1
                if s0 < 1e-7 * peak:
                    s0 = 0.0
                    n_risk = 0.0
                    s1[:] = 0.0
                    for j in range(i + 1, starts[stratum + 1]):
                        if entry[j] < t:
                            s0 += risk[j]
                            n_risk += weight[j]
                            for a in range(p):
                                s1[a] += risk[j] * x[j, a]
                    peak = s0
            _, q0, q1, q00, q01, q11 = tied_sums(s0, s0d, deaths, efron)
            w = wd / deaths
            scalars[k, 0] = t
            scalars[k, 1] = deaths
            scalars[k, 2] = wd
            scalars[k, 3] = w * q0
            scalars[k, 4] = w * (q0 - q1)
            scalars[k, 5] = w * q00
            scalars[k, 6] = n_risk
            for a in range(p):
                vectors[k, 0, a] = (s1[a] * q0 - s1d[a] * q1) / deaths
                vectors[k, 1, a] = w * (s1[a] * q00 - s1d[a] * q01)
                vectors[k, 2, a] = w * (s1[a] * q00 - s1d[a] * q01 - s1[a] * q01 + s1d[a] * q11)
            k += 1
        step_starts[stratum + 1] = k
    return step_starts, scalars, vectors


@nb.njit(cache=True, error_model="numpy")
def _locate(time: Any, entry: Any, starts: Any, step_time: Any, step_starts: Any) -> Any:
    """Places of each row's time and entry in arrays that have a leading zero for every stratum."""
    upto = np.zeros(time.size, dtype=np.int64)
    before = np.zeros(time.size, dtype=np.int64)
    for s in range(starts.size - 1):
        steps = step_time[step_starts[s] : step_starts[s + 1]]
        base = step_starts[s] + s
        done = 0
        for i in range(starts[s], starts[s + 1]):
            while done < steps.size and steps[done] <= time[i]:
                done += 1
            upto[i] = base + done
            before[i] = base
            if entry.size > 0:
                before[i] = base + np.searchsorted(steps, entry[i], side="right")
    return upto, before


def compute_steps(rows: CoxRows, beta: Floats, ties: str) -> Steps:
    """The steps at scaled coefficients `beta`; the exact rule has none, and Efron's stands in for it."""
    eta = rows.linear_predictor(beta)
    shift = (float(eta.min()) + float(eta.max())) / 2.0
    risk = rows.weight * np.exp(eta - shift)
    if not np.isfinite(risk).all():
        raise StatsError(
            "hazards too far apart to be computed",
            where="Cox model",
            found=f"linear predictors from {eta.min():.3g} to {eta.max():.3g}",
            expected="a model whose coefficients are finite",
            try_="firth=True",
        )
    step_starts, scalars, vectors = _walk(
        rows.time,
        rows.event,
        rows.weight,
        risk,
        rows.x,
        rows.starts,
        rows.entry,
        rows.entry_order,
        ties != "breslow",
    )
    upward = np.concatenate(
        [np.arange(step_starts[s + 1] - 1, step_starts[s] - 1, -1) for s in range(step_starts.size - 1)]
        or [np.empty(0, dtype=np.int64)]
    )
    scalars, vectors = scalars[upward], vectors[upward]
    upto, before = _locate(rows.time, rows.entry, rows.starts, scalars[:, 0].copy(), step_starts)
    return Steps(
        starts=step_starts,
        time=scalars[:, 0],
        n_event=scalars[:, 1],
        weight=scalars[:, 2],
        n_risk=scalars[:, 6],
        hazard=scalars[:, 3],
        hazard_dying=scalars[:, 4],
        hazard_variance=scalars[:, 5],
        mean=vectors[:, 0],
        moved=vectors[:, 1],
        moved_dying=vectors[:, 2],
        upto=upto,
        before=before,
        risk=risk,
        shift=shift,
    )


def cumulate(values: Floats, starts: Ints) -> Floats:
    """Running sums within each stratum, each led by a zero: shape (K + strata, ...)."""
    parts = []
    for s in range(starts.size - 1):
        part = values[starts[s] : starts[s + 1]]
        parts.append(np.concatenate((np.zeros((1, *values.shape[1:])), np.cumsum(part, axis=0))))
    return np.concatenate(parts)


def step_of_event(rows: CoxRows, steps: Steps) -> Ints:
    """For each sorted row with an event, the step it belongs to."""
    stratum = np.repeat(np.arange(rows.starts.size - 1), np.diff(rows.starts))
    return (steps.upto - stratum)[rows.event] - 1


def martingale_residuals(rows: CoxRows, beta: Floats, ties: str) -> Floats:
    """Event minus expected events of each sorted row, weighted."""
    steps = compute_steps(rows, beta, ties)
    total = cumulate(steps.hazard, steps.starts)
    expected = total[steps.upto] - total[steps.before]
    own = step_of_event(rows, steps)
    expected[rows.event] -= (steps.hazard - steps.hazard_dying)[own]
    return np.where(rows.event, rows.weight, 0.0) - steps.risk * expected


def score_residuals(rows: CoxRows, beta: Floats, ties: str) -> Floats:
    """What each sorted row adds to the score, weighted and in scaled covariates: (m, p)."""
    steps = compute_steps(rows, beta, ties)
    hazard = cumulate(steps.hazard, steps.starts)
    moved = cumulate(steps.moved, steps.starts)
    expected = hazard[steps.upto] - hazard[steps.before]
    expected_x = moved[steps.upto] - moved[steps.before]
    own = step_of_event(rows, steps)
    dead = rows.event
    expected[dead] -= (steps.hazard - steps.hazard_dying)[own]
    expected_x[dead] -= (steps.moved - steps.moved_dying)[own]
    residuals = -steps.risk[:, None] * (rows.x * expected[:, None] - expected_x)
    residuals[dead] += rows.weight[dead, None] * (rows.x[dead] - steps.mean[own])
    return residuals


def schoenfeld_residuals(rows: CoxRows, beta: Floats, ties: str) -> tuple[Floats, Floats]:
    """Covariates of each event minus the mean of its risk set (scaled), and its time; by stratum and time."""
    steps = compute_steps(rows, beta, ties)
    own = step_of_event(rows, steps)
    return rows.x[rows.event] - steps.mean[own], rows.time[rows.event]
