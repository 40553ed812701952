"""Networks side by side with metafor, in one run.

CPU milliseconds of whole calls on one core, medians.  The floor is the algebra alone, on rows already
rotated; metafor's `rma.mv` (REML, known covariance) stands for R: netmeta is not among Debian's packages, and
its authors' call takes 1.6 s on the smoking network.  Results are compared before times are shown.
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

from flarefree.evidence.networks import network
from flarefree.evidence.networks.heterogeneity import estimate_tau2
from flarefree.evidence.networks.rows import fit

R_PROGRAM = """
suppressPackageStartupMessages(library(metafor))
folder <- commandArgs(TRUE)[1]
for (name in c("four", "eight")) {
  y <- read.csv(file.path(folder, paste0(name, "_y.csv")), header = FALSE)
  X <- as.matrix(read.csv(file.path(folder, paste0(name, "_x.csv")), header = FALSE))
  V <- as.matrix(read.csv(file.path(folder, paste0(name, "_v.csv")), header = FALSE))
  d <- data.frame(study = y[[2]], row = y[[3]])
  call <- function() rma.mv(y[[1]], V, mods = X, intercept = FALSE, random = ~ row | study, struct = "CS",
                            rho = 0.5, data = d)
  fit <- call()
  once <- function() { s <- proc.time(); call(); e <- proc.time() - s; e[["user.self"]] + e[["sys.self"]] }
  cpu <- median(replicate(9, once()))
  cat(sprintf("%s\\t%.9g\\t%.12g\\n", name, cpu, fit$tau2))
}
"""

LIMITS = {"smoking-sized network": 20.0, "leave one out, 60 x 8": 1000.0}  # milliseconds, from the issue


def simulated(studies: int, treatments: int, seed: int) -> pl.DataFrame:
    """Arm rows of a connected network; every fifth study has three arms."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(0, 0.4, treatments)
    rows = []
    for s in range(studies):
        m = 3 if s % 5 == 0 else 2
        arms = [
            s % treatments,
            *rng.choice([t for t in range(treatments) if t != s % treatments], m - 1, False),
        ]
        base, n = rng.normal(-1.5, 0.4), int(rng.integers(60, 300))
        for t in arms:
            p = 1 / (1 + math.exp(-(base + effect[t] + rng.normal(0, 0.25))))
            rows.append((f"study {s}", f"treatment {t}", int(rng.binomial(n, p)), n))
    return pl.DataFrame(rows, schema=["study", "treatment", "events", "n"], orient="row")


def cpu(call: Callable[[], object], times: int) -> float:
    """CPU milliseconds of one call: median of five rounds."""
    call()
    rounds = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(times):
            call()
        rounds.append((time.process_time() - start) / times)
    return 1e3 * statistics.median(rounds)


def write_for_r(folder: Path, name: str, data: pl.DataFrame) -> None:
    """Contrasts against each study's first arm, with their covariance, as R's rma.mv takes them."""
    found = network(data)
    y, x, blocks = [], [], []
    for k, study in enumerate(found.studies):
        m = len(study.arms)
        v = study.variance
        blocks.append([[(v[0, a] + v[0, b] - v[a, b]) / 2 for b in range(1, m)] for a in range(1, m)])
        for j in range(1, m):
            y.append((study.effect[j] - study.effect[0], k, j))
            row = np.zeros(len(found.treatments))
            row[study.arms[j]], row[study.arms[0]] = 1, -1
            x.append(row)
    whole, at = np.zeros((len(y), len(y))), 0
    for block in blocks:
        size = len(block)
        whole[at : at + size, at : at + size] = block
        at += size
    for part, array in (("y", np.array(y)), ("x", np.array(x)[:, 1:]), ("v", whole)):
        np.savetxt(folder / f"{name}_{part}.csv", array, delimiter=",", fmt="%.17g")


def in_r(folder: Path) -> dict[str, tuple[float, float]]:
    """metafor's CPU milliseconds and tau2; empty where R or metafor is not installed."""
    if shutil.which("Rscript") is None:
        return {}
    program = folder / "bench.R"
    program.write_text(R_PROGRAM)
    done = subprocess.run(["Rscript", str(program), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1])
        return {}
    rows = (line.split("\t") for line in done.stdout.splitlines())
    return {name: (1e3 * float(seconds), float(value)) for name, seconds, value in rows}


def main() -> int:
    four, eight = simulated(24, 4, 1), simulated(60, 8, 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_for_r(folder, "four", four)
        write_for_r(folder, "eight", eight)
        theirs = in_r(folder)
    wrong = 0
    print(f"{'CPU ms a call':<40}{'floor':>9}{'metafor':>10}{'flarefree':>11}{'R / ours':>10}")
    for key, data in (("four", four), ("eight", eight)):
        found = network(data, method="REML")
        columns = found.rows.of(np.delete(np.eye(len(found.treatments)), found.reference_index, axis=1))
        floor = cpu(lambda c=columns: fit(c, estimate_tau2(c, "REML")), 20)
        ours = cpu(lambda d=data: network(d, method="REML"), 10)
        r_time, r_tau2 = theirs.get(key, (float("nan"), found.tau2))
        wrong += abs(r_tau2 - found.tau2) > 1e-5
        words = f"REML, {found.n_studies} studies, {len(found.treatments)} treatments"
        print(f"{words:<40}{floor:>9.2f}{r_time:>10.1f}{ours:>11.2f}{r_time / ours:>10.1f}")
        if abs(r_tau2 - found.tau2) > 1e-5:
            print(f"  differs from metafor: tau2 {found.tau2:.8g}, {r_tau2:.8g}")
    found = network(eight)
    for words, call, times in (
        ("smoking-sized network", lambda: network(four), 20),
        ("smoking-sized network with consistency", lambda: network(four).consistency, 20),
        ("leave one out, 60 x 8", found.leave_one_out, 3),
        ("leave one out, 60 x 8, REML", network(eight, method="REML").leave_one_out, 1),
        ("contributions, 8 treatments", found.contributions, 10),
        ("node splits", found.splits, 10),
        ("ranks, 20,000 draws", found.ranks, 3),
        ("GLMM, common, 60 x 8", lambda: network(eight, method="GLMM", model="common"), 3),
        ("GLMM, random, 60 x 8", lambda: network(eight, method="GLMM"), 1),
    ):
        limit = f"   (limit {LIMITS[words]:g})" if words in LIMITS else ""
        print(f"{words:<40}{'':>19}{cpu(call, times):>11.2f}{limit}")
    if not theirs:
        print("R with metafor is not installed: only our own times are shown")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
