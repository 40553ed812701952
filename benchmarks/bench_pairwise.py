"""Pooling two treatments beside R's metafor, in one run: whole calls on one core, CPU milliseconds, medians.

k = 50 trials.  The floor is the reading and checking of the rows alone.  Results are checked against
metafor's before times are shown.
"""

# ruff: noqa: E402 - the number of threads must be set before NumPy is imported
from __future__ import annotations

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ[name] = "1"

import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from flarefree.evidence.inputs import read_rows
from flarefree.evidence.pooling import pairwise

K = 50
R_PROGRAM = """
suppressMessages(library(metafor))
d <- read.csv(commandArgs(TRUE)[1])
once <- function(f) { s <- proc.time(); f(); e <- proc.time() - s; e[["user.self"]] + e[["sys.self"]] }
show <- function(name, f, times, result) {
  f(); cpu <- median(replicate(5, once(function() for (i in seq_len(times)) f()))) / times
  cat(sprintf("%s\\t%.9g\\t%.15g\\n", name, cpu, result(f())))
}
se <- function(f) f$se[1]
show("RR, REML, Hartung-Knapp", function() rma(measure = "RR", ai = ai, n1i = n1i, ci = ci, n2i = n2i,
  data = d, test = "knha", control = list(threshold = 1e-10)), 40, se)
e <- escalc("RR", ai = ai, n1i = n1i, ci = ci, n2i = n2i, data = d)
show("effects, REML, Hartung-Knapp", function() rma(yi, vi, data = e, test = "knha",
  control = list(threshold = 1e-10)), 60, se)
show("regression on a moderator", function() rma(yi, vi, mods = ~x, data = e,
  control = list(threshold = 1e-10)), 40, function(f) f$se[2])
show("Mantel-Haenszel OR", function() rma.mh(measure = "OR", ai = ai, n1i = n1i, ci = ci, n2i = n2i,
  data = d), 60, function(f) f$se)
f <- rma(yi, vi, data = e, control = list(threshold = 1e-10))
show("leave one out", function() leave1out(f), 2, function(l) sum(l$estimate))
"""

Task = tuple[Callable[[], object], int, Callable[[object], float], Callable[[], object] | None]


def cpu(call: Callable[[], object], times: int) -> float:
    """CPU seconds of one call: median of seven rounds."""
    call()
    rounds = []
    for _ in range(7):
        start = time.process_time()
        for _ in range(times):
            call()
        rounds.append((time.process_time() - start) / times)
    return statistics.median(rounds)


def trials(rng: np.random.Generator) -> pl.DataFrame:
    """Trials that differ: log risk ratios with tau 0.3."""
    n1, n2 = rng.integers(40, 400, K), rng.integers(40, 400, K)
    base = rng.uniform(0.1, 0.4, K)
    x = rng.normal(size=K)
    risk = np.minimum(base * np.exp(rng.normal(-0.2, 0.3, K) + 0.1 * x), 0.95)
    return pl.DataFrame(
        {"ai": rng.binomial(n1, risk), "n1i": n1, "ci": rng.binomial(n2, base), "n2i": n2, "x": x}
    )


def arm_rows(d: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "study": [f"trial {i + 1}" for i in range(K) for _ in range(2)],
            "treatment": ["new", "control"] * K,
            "n": np.column_stack([d["n1i"], d["n2i"]]).ravel(),
            "events": np.column_stack([d["ai"], d["ci"]]).ravel(),
            "x": np.repeat(d["x"].to_numpy(), 2),
        }
    )


def tasks(d: pl.DataFrame) -> dict[str, Task]:
    rows = arm_rows(d)
    first = pairwise(rows)
    effects = pl.DataFrame(
        {
            "study": first.trials.names,
            "treatment_1": ["new"] * K,
            "treatment_2": ["control"] * K,
            "estimate": first.trials.y,
            "std_error": np.sqrt(first.trials.v),
            "x": d["x"],
        }
    )
    return {
        "RR, REML, Hartung-Knapp": (
            lambda: pairwise(rows, hartung_knapp=True),
            300,
            lambda r: r.std_error,
            lambda: read_rows(rows),
        ),
        "effects, REML, Hartung-Knapp": (
            lambda: pairwise(effects, hartung_knapp=True),
            300,
            lambda r: r.std_error,
            lambda: read_rows(effects),
        ),
        "regression on a moderator": (
            lambda: pairwise(effects, moderators="x"),
            100,
            lambda r: r.coefficients[1]["std_error"],
            lambda: read_rows(effects),
        ),
        "Mantel-Haenszel OR": (
            lambda: pairwise(rows, measure="OR", method="MH"),
            300,
            lambda r: r.std_error,
            lambda: read_rows(rows),
        ),
        "leave one out": (
            first.leave_one_out,
            10,
            lambda runs: sum(r.log_estimate for r in runs.results),
            None,
        ),
    }


def in_r(d: pl.DataFrame) -> dict[str, tuple[float, float]]:
    """metafor's CPU seconds and results; empty where R or metafor is not installed."""
    if shutil.which("Rscript") is None:
        return {}
    with tempfile.TemporaryDirectory() as name:
        program, data = Path(name) / "bench.R", Path(name) / "trials.csv"
        program.write_text(R_PROGRAM)
        d.write_csv(data)
        done = subprocess.run(
            ["Rscript", str(program), str(data)], capture_output=True, text=True, check=False
        )
    rows = (line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == 2)
    return {name: (float(seconds), float(result)) for name, seconds, result in rows}


def main() -> int:
    d = trials(np.random.default_rng(5))
    theirs = in_r(d)
    print(f"{'CPU ms a call, k = 50':<34}{'floor':>10}{'metafor':>10}{'flarefree':>11}{'metafor / ours':>16}")
    wrong = 0
    for name, (call, times, result, floor) in tasks(d).items():
        ours = float(result(call()))
        seconds, r_result = theirs.get(name, (math.nan, ours))
        agrees = abs(ours - r_result) <= 1e-7 * max(abs(r_result), 1e-300)
        wrong += not agrees
        mine, least = cpu(call, times), cpu(floor, times) if floor else math.nan
        note = "" if agrees else f"  differs from metafor: {ours:.12g}, {r_result:.12g}"
        print(
            f"{name:<34}{1e3 * least:>10.3f}{1e3 * seconds:>10.3f}{1e3 * mine:>11.3f}"
            f"{seconds / mine:>16.1f}{note}"
        )
    if not theirs:
        print("R's metafor is not installed: only our own times are shown")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
