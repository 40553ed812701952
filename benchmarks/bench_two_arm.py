"""Two-arm exponential trials: 228 patients, log-rank and Cox, beside their floors, in one run on one core.

`own floor` is our own draws, turned into times and sorted, and nothing done with them.  `generic floor` is
NumPy's fastest generator and sort for all patients (SFC64, float32 exponentials, one sort a trial).  Rounds
of all of them alternate and the best of each counts, so that another program on the machine favors none.
lrstat's figure is stated, not measured: 32,000 trials/s with the log-rank test only.
"""

# ruff: noqa: E402 - the number of threads must be set before NumPy is imported
from __future__ import annotations

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from flarefree.simulation._two_arm_design import TwoArmDesign
from flarefree.simulation._two_arm_draws import LANES
from flarefree.simulation._two_arm_fits import fit_tile
from flarefree.simulation.two_arm import TILE_ROWS, _drawer, simulate_two_arm

PLAN: dict[str, Any] = {
    "n_per_arm": 114, "control_failure": 0.375, "treatment_failure": 0.2, "horizon_months": 36.0, "seed": 1,
}  # fmt: skip
TRIALS = 50_000
ROUNDS = 15
LRSTAT = 32_000
REACH_FLOOR, REACH_LRSTAT = 0.7, 10
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "drop-out 10%": {"dropout": 0.1},
    "accrual 12 months": {"accrual_months": 12.0},
}


def own_floor(trials: int, **extra: Any) -> Callable[[], None]:
    """The same draws, times and sorts as `simulate_two_arm`, in the same tiles."""
    drop = extra.pop("dropout", 0.0)
    close = PLAN["horizon_months"] + extra.get("accrual_months", 0.0)
    design = TwoArmDesign(**PLAN, dropout=(drop, drop), study_months=close, **extra)
    n = design.n_per_arm
    size = TILE_ROWS // (2 * n + LANES)
    rows, count = np.empty((size, 2 * n + LANES), np.int64), np.empty(size, np.int64)
    draw = _drawer(design)

    def run() -> None:
        for start in range(0, trials, size):
            own = slice(0, min(size, trials - start))
            widest = draw(start, rows[own], count[own])
            rows[own, :widest].sort(axis=1)

    return run


def generic_floor(trials: int) -> Callable[[], None]:
    generator = np.random.Generator(np.random.SFC64(1))
    buffer = np.empty((512, 2 * PLAN["n_per_arm"]), np.float32)

    def run() -> None:
        for _ in range(0, trials, 512):
            generator.standard_exponential(dtype=np.float32, out=buffer)
            buffer.sort(axis=1)

    return run


def analysis_only(trials: int) -> Callable[[], None]:
    design = TwoArmDesign(**PLAN, study_months=PLAN["horizon_months"])
    n = design.n_per_arm
    rows, count = np.empty((500, 2 * n + LANES), np.int64), np.empty(500, np.int64)
    rows[:, : _drawer(design)(0, rows, count)].sort(axis=1)
    out, failures = np.empty((500, 3)), np.empty((500, 2), np.int32)

    def run() -> None:
        for _ in range(0, trials, 500):
            fit_tile(rows, count, n, out, failures)

    return run


def alternate(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Best seconds of each, rounds taken in turn."""
    best = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run()
    for _ in range(ROUNDS):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - begin)
    return best


def main() -> None:
    runs: dict[str, Callable[[], object]] = {}
    for name, extra in CASES.items():
        runs[name] = lambda extra=extra: simulate_two_arm(**PLAN, **extra, trials=TRIALS, workers=1)
        runs[f"{name}, own floor"] = own_floor(TRIALS, **dict(extra))
    runs["generic floor"] = generic_floor(TRIALS)
    runs["analysis only"] = analysis_only(TRIALS)
    speed = {name: TRIALS / seconds for name, seconds in alternate(runs).items()}
    print(
        f"{'228 patients, one core, trials a second':<42}{'flarefree':>12}{'own floor':>12}{'of floor':>10}"
    )
    for name in CASES:
        part = speed[name] / speed[f"{name}, own floor"]
        mark = ""
        if name == "plain":
            mark = f"   reach {REACH_FLOOR}{'  short' if part < REACH_FLOOR else ''}"
        print(f"{name:<42}{speed[name]:>12,.0f}{speed[f'{name}, own floor']:>12,.0f}{part:>10.2f}{mark}")
    plain = speed["plain"]
    print(f"{'generic floor (SFC64 float32, sort of 228)':<42}{'':>12}{speed['generic floor']:>12,.0f}"
          f"{plain / speed['generic floor']:>10.2f}")  # fmt: skip
    print(f"{'analysis only':<42}{speed['analysis only']:>12,.0f}")
    print(
        f"{'lrstat, log-rank only (stated)':<42}{LRSTAT:>12,}{'':>12}{plain / LRSTAT:>9.1f}x"
        f"   reach {REACH_LRSTAT}x"
    )
    begin = time.perf_counter()
    simulate_two_arm(**PLAN, trials=1_000_000)
    print(f"a million trials, all cores: {time.perf_counter() - begin:.2f} s; largest memory of this process "
          f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
