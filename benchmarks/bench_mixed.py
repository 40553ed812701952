"""Repeated measures side by side with R, in one run: MMRM of 200 x 8, logistic mixed model of 200 x 4.

R's mmrm is used where it is installed; else its figures on the development machine stand in (CPU seconds,
mmrm 0.3: Satterthwaite 0.152, Kenward-Roger 0.806), and glmmTMB, which fits the same model without
degrees of freedom, is measured here.  All times are CPU seconds of a whole call, formula and frame to
tidy result, on one core; medians.
"""

# ruff: noqa: E402 - the number of threads must be set before NumPy is imported
from __future__ import annotations

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from flarefree.stats.mixed import logistic_mixed, mmrm

STATED = {"mmrm Satterthwaite": 0.152, "mmrm Kenward-Roger": 0.806, "glmer 25 points": 0.255}
REACH = 5.0

R_PROGRAM = """
suppressMessages(library(jsonlite))
args <- commandArgs(TRUE)
d <- read.csv(args[1], stringsAsFactors = TRUE); d$subject <- factor(d$subject)
b <- read.csv(args[2], stringsAsFactors = TRUE); b$subject <- factor(b$subject)
once <- function(f) { s <- proc.time(); f(); e <- proc.time() - s; e[["user.self"]] + e[["sys.self"]] }
cpu <- function(f, n) { f(); median(replicate(n, once(f))) }
has <- function(p) suppressWarnings(suppressMessages(require(p, character.only = TRUE, quietly = TRUE)))
out <- list()
if (has("mmrm")) {
  f <- change ~ base + arm * visit + us(visit | subject)
  out[["mmrm Satterthwaite"]] <- cpu(function() summary(mmrm(f, d)), 5)
  out[["mmrm Kenward-Roger"]] <- cpu(function() summary(mmrm(f, d, method = "Kenward-Roger")), 3)
}
if (has("glmmTMB")) {
  g <- change ~ base + arm * visit + us(0 + visit | subject)
  out[["glmmTMB us"]] <- cpu(function() summary(glmmTMB(g, d, dispformula = ~0, REML = TRUE)), 3)
}
if (has("lme4")) for (k in c(1, 10, 25)) {
  fit <- function() glmer(y ~ arm * visit + (1 | subject), b, family = binomial, nAGQ = k)
  out[[paste("glmer", k, "points")]] <- cpu(function() suppressMessages(summary(fit())), 5)
}
cat(toJSON(out, auto_unbox = TRUE, digits = NA))
"""


def repeated(n: int = 200, m: int = 8, seed: int = 1) -> pl.DataFrame:
    """A trial of `n` subjects at `m` visits, an eighth of the visits missing."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(m, m))
    values = rng.multivariate_normal(np.zeros(m), factor @ factor.T / m + np.eye(m), size=n)
    subject, visit = np.nonzero(rng.uniform(size=(n, m)) > 0.126)
    return pl.DataFrame(
        {
            "subject": [f"S{s:04d}" for s in subject],
            "visit": [f"V{v}" for v in visit],
            "arm": [("AZA", "MMF")[s % 2] for s in subject],
            "base": rng.normal(size=n)[subject],
            "change": values[subject, visit],
        }
    )


def binary(n: int = 200, m: int = 4, seed: int = 2) -> pl.DataFrame:
    """Yes and no of `n` subjects at `m` visits."""
    rng = np.random.default_rng(seed)
    subject, visit = np.repeat(np.arange(n), m), np.tile(np.arange(m), n)
    arm = subject % 2
    eta = -1 + 0.4 * visit + 0.3 * arm * visit + 1.5 * rng.normal(size=n)[subject]
    return pl.DataFrame(
        {
            "subject": [f"S{s:04d}" for s in subject],
            "visit": [f"V{v}" for v in visit],
            "arm": [("AZA", "MMF")[a] for a in arm],
            "y": (rng.uniform(size=n * m) < 1 / (1 + np.exp(-eta))).astype(int),
        }
    )


def cpu_seconds(call, repeats: int = 15) -> float:
    """Median CPU time of a call, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def ours(d: pl.DataFrame, b: pl.DataFrame) -> dict[str, float]:
    formula = "change ~ base + arm*visit + us(visit | subject)"
    logistic = "y ~ arm*visit + (1 | subject)"
    fit = mmrm(formula, d, df="satterthwaite").fit

    def evaluations():
        for _ in range(fit.trials[-1].steps + 1):
            fit.likelihood.derivatives(fit.likelihood.at(fit.state.theta))

    found = {"floor: likelihood and derivatives only": cpu_seconds(evaluations)}
    found["mmrm Satterthwaite"] = cpu_seconds(lambda: mmrm(formula, d, df="satterthwaite").tidy())
    found["mmrm Kenward-Roger"] = cpu_seconds(lambda: mmrm(formula, d).tidy())
    for k in (1, 10, 25):
        found[f"glmer {k} points"] = cpu_seconds(
            lambda k=k: logistic_mixed(logistic, b, quadrature_points=k).tidy()
        )
    return found


def theirs(d: pl.DataFrame, b: pl.DataFrame) -> dict[str, float]:
    if shutil.which("Rscript") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("d.csv", "b.csv", "program.R")]
        d.write_csv(paths[0])
        b.write_csv(paths[1])
        paths[2].write_text(R_PROGRAM)
        command = ["Rscript", str(paths[2]), str(paths[0]), str(paths[1])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return {}
    return json.loads(done.stdout or "{}")


def main() -> int:
    d, b = repeated(), binary()
    mine, peers = ours(d, b), theirs(d, b)
    print(f"{'':<40} {'flarefree':>10} {'R':>10}  ratio   CPU s, one core, whole call")
    missed = 0
    for name, seconds in mine.items():
        peer = peers.get(name)
        note = ""
        if peer is None and name in STATED:
            peer, note = STATED[name], "  (R stated, not measured here)"
        if peer is None:
            print(f"{name:<40} {seconds:>10.4f}")
            continue
        reached = peer / seconds
        missed += reached < REACH
        print(f"{name:<40} {seconds:>10.4f} {peer:>10.4f} {reached:>6.1f}{note}")
    for name in peers.keys() - mine.keys():
        print(f"{name:<40} {'':>10} {peers[name]:>10.4f}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
