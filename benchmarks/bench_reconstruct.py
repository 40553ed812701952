"""Reconstructions of a Kaplan-Meier figure: 1,000 of a 200-patient curve, by both methods; and ranges.

CPU seconds on one core, kernels warm.  The R program of tests/reference/curve_reconstruction does one
reconstruction at a time and is timed on the same curve where R is installed.
"""

# ruff: noqa: E402 - the number of threads must be set before NumPy is imported
from __future__ import annotations

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ[name] = "1"

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

import flarefree as ff

REFERENCE = Path(__file__).resolve().parent.parent / "tests" / "reference" / "curve_reconstruction"
DRAWS = 1000
REACH = 1.0  # seconds for 1,000 reconstructions

R_PROGRAM = """
source_lines <- readLines("guyot.R")
eval(parse(text = source_lines[seq_len(grep("^points <- read.csv", source_lines) - 1)]))
p <- subset(read.csv("points.csv"), case == "plain"); r <- subset(read.csv("risk.csv"), case == "plain")
once <- function() reconstruct(p$time, p$survival, r$time, r$at_risk, NA)
invisible(once()); s <- proc.time(); for (i in 1:200) once(); e <- proc.time() - s
cat((e[["user.self"]] + e[["sys.self"]]) / 200)
"""

TABLE = {
    "A": {"at_risk": [100, 70, 45, 25, 12], "events": [0, 18, 15, 9, 5]},
    "B": {"at_risk": [100, 80, 60, 38, 20], "events": [0, 10, 12, 10, 6]},
}


def cpu(function: Callable[[], object], repeats: int = 5) -> float:
    """Median CPU seconds of a call, after one that warms up."""
    function()
    found = []
    for _ in range(repeats):
        begin = time.process_time()
        function()
        found.append(time.process_time() - begin)
    return statistics.median(found)


def r_seconds() -> float | None:
    """R's CPU seconds for one reconstruction; None where R is not installed."""
    if shutil.which("Rscript") is None:
        return None
    done = subprocess.run(
        ["Rscript", "-e", R_PROGRAM], cwd=REFERENCE, capture_output=True, text=True, check=False
    )
    return float(done.stdout) if done.returncode == 0 else None


def main() -> int:
    points = pl.read_csv(REFERENCE / "points.csv").filter(case="plain").select("time", "survival")
    risk = pl.read_csv(REFERENCE / "risk.csv").filter(case="plain").select("time", "at_risk")
    print(f"{'1,000 reconstructions, 200 patients':<44}{'CPU s':>10}{'reach':>8}")
    for method in ("guyot", "closest"):
        for sd in (0.0, 0.005):
            seconds = cpu(
                lambda method=method, sd=sd: ff.evidence.reconstruct(
                    points, at_risk=risk, draws=DRAWS, digitization_sd=sd, method=method
                )
            )
            label = f"{method}, digitization sd {sd:g}"
            print(f"{label:<44}{seconds:>10.4f}{REACH:>8.1f}{'' if seconds < REACH else '  short'}")
    one = r_seconds()
    if one is not None:
        print(f"{'R, the same algorithm and survfit, 1,000 times':<44}{1000 * one:>10.4f}")
    for ties in ("none", "column", "any"):
        seconds = cpu(lambda ties=ties: ff.evidence.log_rank_range(TABLE, ties=ties, draws=0), repeats=2)
        print(f"{'log-rank range of 200 patients, ties ' + ties:<44}{seconds:>10.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
