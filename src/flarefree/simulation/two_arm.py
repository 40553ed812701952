"""Plain two-arm trials by the hundred thousand: exponential failures, log-rank test and hazard ratio of each.

The yardstick for sample sizes and for speed.  It knows no visits, no protocol and no committee: trials
through a protocol are simulated elsewhere.  Trials are made a tile at a time and only tallied, so memory
does not grow with their number; any of them can be replayed, patient by patient.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import NormalDist
from typing import Any

import numpy as np

from flarefree.simulation._two_arm_design import TwoArmDesign, checked_design
from flarefree.simulation._two_arm_draws import LANES, draw_all, draw_failures
from flarefree.simulation._two_arm_fits import fit_tile
from flarefree.simulation._two_arm_results import Kept, Tally, TwoArmTrials
from flarefree.simulation.streams import Purpose, Streams, require_whole

__all__ = ["TwoArmDesign", "TwoArmTrials", "simulate_two_arm"]

TILE_ROWS = 1 << 17  # a megabyte of rows: what a core's own cache holds
PART = 16  # tiles that are tallied together


def simulate_two_arm(
    *,
    n_per_arm: int,
    control_failure: float,
    treatment_failure: float,
    horizon_months: float,
    trials: int,
    seed: int,
    dropout: float | tuple[float, float] = 0.0,
    accrual_months: float = 0.0,
    study_months: float | None = None,
    level: float = 0.05,
    first_trial: int = 0,
    workers: int | None = None,
    keep: bool = False,
) -> TwoArmTrials:
    """Simulate two-arm trials with exponential failure times; log-rank test and Cox hazard ratio of each.

    Parameters
    ----------
    n_per_arm : int
        Patients of each arm.
    control_failure, treatment_failure : float, between 0 and 1
        Part of each arm that fails by `horizon_months` if nobody drops out.
    horizon_months : float, months
        When those parts are reached; also how long each patient is followed if accrual is immediate.
    trials : int
    seed : int
        From 0 to 2^64 - 1.  The same seed gives patients the same luck under any design.
    dropout : float, or (control, treatment), from 0 and below 1
        Part that would drop out by `horizon_months` if nobody failed; exponential, independent of failure.
    accrual_months : float, months
        Patients enter evenly over this time (uniform, independent); everyone is followed until the study
        closes.
    study_months : float, months, optional
        When the study closes, counted from when the first patient could enter.  Without it,
        `accrual_months + horizon_months`: the last to enter is followed for `horizon_months`.
    level : float
        Of the two-sided log-rank test.
    first_trial : int
        Number of the first trial; trials 1000 to 1999 are the same ones whether simulated alone or with
        those before them.
    workers : int, optional
        Threads; all cores without it.  The numbers do not depend on it.
    keep : bool
        Also keep each trial's statistics (32 bytes a trial), as `.per_trial`.

    Returns
    -------
    TwoArmTrials

    Raises
    ------
    StatsError
        A setting makes no sense.

    Notes
    -----
    Method, and what is exact: docs/methods/two-arm-trials.md.

    Examples
    --------
    >>> plan = simulate_two_arm(n_per_arm=114, control_failure=0.375, treatment_failure=0.2,
    ...                         horizon_months=36, trials=20_000, seed=1)
    >>> round(plan.power, 2)
    0.84
    """
    design = checked_design(
        n_per_arm, control_failure, treatment_failure, horizon_months, seed, dropout, accrual_months,
        study_months, level,
    )  # fmt: skip
    require_whole(trials, "trials", 1, 2**32)
    require_whole(first_trial, "first_trial", 0, 2**32 - trials)
    threads = _cores() if workers is None else require_whole(workers, "workers", 1, 4096)
    kept = Kept.empty(trials) if keep else None
    tally = _run(design, first_trial, trials, threads, kept)
    return TwoArmTrials(design, trials, first_trial, tally, kept)


def _run(design: TwoArmDesign, first: int, trials: int, threads: int, kept: Kept | None) -> Tally:
    """Tally trials by threads, each taking many tiles at once; whole numbers add up alike in any order."""
    tile = max(1, TILE_ROWS // (2 * design.n_per_arm + LANES))
    parts = _parts(trials, min(tile * PART * 8, -(-trials // threads)))

    def work(part: tuple[int, int]) -> Tally:
        return _simulate(design, first, part, tile, kept)

    tally = Tally.empty(design.n_per_arm)
    if threads == 1:
        for part in parts:
            tally.add(work(part))
        return tally
    with ThreadPoolExecutor(threads) as pool:
        for done in _in_turn(pool, work, parts, 2 * threads):
            tally.add(done)
    return tally


def _parts(trials: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, trials, size):
        yield start, min(start + size, trials)


def _in_turn(pool: ThreadPoolExecutor, work: Any, parts: Iterator[Any], ahead: int) -> Iterator[Tally]:
    """Results in order, with only a few parts under way or waiting: memory stays level."""
    waiting: deque[Any] = deque()
    for part in parts:
        waiting.append(pool.submit(work, part))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _simulate(design: TwoArmDesign, first: int, part: tuple[int, int], tile: int, kept: Kept | None) -> Tally:
    """Trials `part` (from the first), tile by tile: draw, sort, analyze, tally."""
    n = design.n_per_arm
    size = min(tile, part[1] - part[0])
    rows, count = np.empty((size, 2 * n + LANES), np.int64), np.empty(size, np.int64)
    many = min(PART * tile, part[1] - part[0])
    out, failures = np.empty((many, 3)), np.empty((many, 2), np.int32)
    tally, critical = Tally.empty(n), NormalDist().inv_cdf(1.0 - design.level / 2.0)
    draw = _drawer(design)
    for block in range(part[0], part[1], many):
        done = 0
        for start in range(block, min(block + many, part[1]), tile):
            take = min(tile, block + many - start, part[1] - start)
            own, here = slice(0, take), slice(done, done + take)
            widest = draw(first + start, rows[own], count[own])
            rows[own, :widest].sort(axis=1)
            fit_tile(rows[own], count[own], n, out[here], failures[here])
            done += take
        tally.count(out[:done], failures[:done], critical)
        if kept is not None:
            kept.statistics[block : block + done] = out[:done]
            kept.failures[block : block + done] = failures[:done]
    return tally


def _drawer(design: TwoArmDesign) -> Any:
    """A function that draws a tile of trials: the short way where nobody drops out or enters late."""
    n, close = design.n_per_arm, design.study_months
    means, drop_means = design.failure_means, design.dropout_means
    # A little above the draws that fail by the close, so that only the comparison of times decides.
    parts = -np.expm1(-close / means)
    limits = np.minimum(parts * 2.0**52 + 4096, 2.0**52).astype(np.int64)
    drop_limits = np.minimum(-np.expm1(-close / drop_means) * 2.0**32 + 2, 2.0**32).astype(np.int64)
    address = (n, np.uint64(Purpose.TWO_ARM), *Streams(design.seed).key)
    if design.dropout == (0.0, 0.0) and not design.accrual_months:
        return lambda first, rows, count: draw_failures(first, *address, limits, means, close, rows, count)
    drop_limits[drop_means == math.inf] = 0
    rest = (limits, means, drop_limits, drop_means, design.accrual_months, close)
    return lambda first, rows, count: draw_all(first, *address, *rest, rows, count)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
