"""Survival side by side with R's survival, in one run: Cox, Kaplan-Meier, log-rank, frailty, batches.

All times are CPU seconds on one core.  R runs before and after our part of each data set and its smaller
median counts, so that another program on the machine does not favor us.  `kernel` is `fit_cox` on arrays
against bare `coxph.fit` (both check little, both sort); `whole` is formula and frame to fit.
"""

# ruff: noqa: E402 - the number of threads must be set before NumPy is imported
from __future__ import annotations

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ[name] = "1"

import json
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

from flarefree.stats.survival import batch_trials, cox, fit_cox, kaplan_meier, logrank

REACH = {
    "cox 1e6 x 1 kernel": 2,
    "cox 1e6 x 1 whole": 10,
    "cox 1e6 x 5 kernel": 2,
    "cox 1e6 x 5 whole": 10,
    "kaplan-meier 1e6": 10,
    "log-rank 1e6": 10,
    "cox 227 whole": 3,
    "gamma frailty 2000 rows, 20 centers": 3,
}
STATED = dict(zip(REACH, (0.118, 2.2, 0.189, 4.0, 1.6, 1.3, 0.0009, 0.012)))
"""R's CPU seconds on the development machine, idle: shown where R is not installed."""

R_PROGRAM = """
suppressMessages(library(survival))
folder <- commandArgs(TRUE)[1]
read <- function(name) {
  meta <- scan(file.path(folder, paste0(name, ".names")), "", quiet = TRUE)
  values <- readBin(file.path(folder, paste0(name, ".bin")), "double", 1e8)
  m <- matrix(values, ncol = length(meta), byrow = TRUE)
  d <- as.data.frame(m); names(d) <- meta; d
}
once <- function(f, k) {
  s <- proc.time(); for (i in seq_len(k)) f(); e <- proc.time() - s
  (e[["user.self"]] + e[["sys.self"]]) / k
}
cpu <- function(f, n, k = 1) { f(); median(replicate(n, once(f, k))) }
big <- read("big"); small <- read("small"); centers <- read("centers")
y <- Surv(big$time, big$event); ctl <- coxph.control()
bare <- function(x) coxph.fit(x, y, NULL, NULL, NULL, ctl, NULL, "efron", NULL)
x1 <- as.matrix(big[, "x1", drop = FALSE]); x5 <- as.matrix(big[, paste0("x", 1:5)])
out <- list(
  "cox 1e6 x 1 kernel" = cpu(function() bare(x1), 3),
  "cox 1e6 x 1 whole" = cpu(function() coxph(Surv(time, event) ~ x1, big), 1),
  "cox 1e6 x 5 kernel" = cpu(function() bare(x5), 3),
  "cox 1e6 x 5 whole" = cpu(function() coxph(Surv(time, event) ~ x1 + x2 + x3 + x4 + x5, big), 1),
  "kaplan-meier 1e6" = cpu(function() survfit(Surv(time, event) ~ arm, big), 1),
  "log-rank 1e6" = cpu(function() survdiff(Surv(time, event) ~ arm, big), 1),
  "cox 227 whole" = cpu(function() coxph(Surv(time, event) ~ arm, small), 5, 200),
  "gamma frailty 2000 rows, 20 centers" =
    cpu(function() coxph(Surv(time, event) ~ arm + frailty(center), centers), 5, 5))
cat(paste0('{', paste0('"', names(out), '":', format(unlist(out), digits = 8), collapse = ","), '}'))
"""


def trial(n: int, covariates: int, seed: int, centers: int = 0) -> pl.DataFrame:
    """Exponential times with uniform censoring; some 60 percent events."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 2, n).astype(np.float64)
    x = rng.standard_normal((n, covariates))
    log_hazard = -0.4 * arm + 0.3 * x[:, :1].sum(axis=1)
    columns = {"arm": arm}
    if centers:
        center = rng.integers(0, centers, n)
        log_hazard += np.log(rng.gamma(2.0, 0.5, centers))[center]
        columns["center"] = center.astype(np.float64)
    failure = rng.exponential(np.exp(-log_hazard)) * 30.0
    censoring = rng.uniform(0, 90, n)
    columns |= {"time": np.minimum(failure, censoring), "event": (failure <= censoring).astype(np.float64)}
    return pl.DataFrame(columns | {f"x{i + 1}": x[:, i] for i in range(covariates)})


def cpu(function: Callable[[], object], repeats: int, loops: int = 1) -> float:
    """Median CPU seconds of a call, after one that warms up."""
    function()
    found = []
    for _ in range(repeats):
        begin = time.process_time()
        for _ in range(loops):
            function()
        found.append((time.process_time() - begin) / loops)
    return statistics.median(found)


def ours(big: pl.DataFrame, small: pl.DataFrame, centers: pl.DataFrame) -> dict[str, float]:
    t, e, arm = big["time"].to_numpy(), big["event"].to_numpy(), big["arm"].to_numpy()
    x5 = big.select(f"x{i}" for i in range(1, 6)).to_numpy(order="c")
    x1 = x5[:, :1].copy()
    formula5 = "Surv(time, event) ~ x1 + x2 + x3 + x4 + x5"
    frailty = "Surv(time, event) ~ arm + frailty(center)"
    return {
        "cox 1e6 x 1 kernel": cpu(lambda: fit_cox(t, e, x1), 5),
        "cox 1e6 x 1 whole": cpu(lambda: cox("Surv(time, event) ~ x1", big), 5),
        "cox 1e6 x 5 kernel": cpu(lambda: fit_cox(t, e, x5), 5),
        "cox 1e6 x 5 whole": cpu(lambda: cox(formula5, big), 5),
        "kaplan-meier 1e6": cpu(lambda: kaplan_meier(t, e, arm), 5),
        "log-rank 1e6": cpu(lambda: logrank(t, e, arm), 5),
        "cox 227 whole": cpu(lambda: cox("Surv(time, event) ~ arm", small), 5, 200),
        "gamma frailty 2000 rows, 20 centers": cpu(lambda: cox(frailty, centers), 5, 5),
    }


def r_times(folder: Path) -> dict[str, float] | None:
    """R's CPU seconds; None where R or its survival is not installed."""
    if shutil.which("Rscript") is None:
        return None
    program = folder / "survival.R"
    program.write_text(R_PROGRAM)
    done = subprocess.run(["Rscript", str(program), str(folder)], capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def batches() -> None:
    """Trials a second of the batched forms: 228 patients, two arms, with and without ties and strata."""
    rng = np.random.default_rng(3)
    trials, n = 20_000, 228
    arm = np.arange(n) % 2
    strata = np.arange(n) % 6
    failure, censoring = (
        rng.exponential(60.0, (trials, n)) * (1 + 0.65 * arm),
        rng.uniform(12, 36, (trials, n)),
    )
    t, event = np.minimum(failure, censoring), failure <= censoring
    head = "batched, 228 patients (trials a second)"
    print(f"\n{head:<44}{'log-rank + Cox':>16}{'log-rank':>12}{'KM at 3':>12}")
    for label, times, groups in (
        ("continuous", t, None),
        ("continuous, 6 strata", t, strata),
        ("tied by day", np.ceil(t * 30.4375), None),
        ("tied by month", np.ceil(t), None),
    ):
        both = cpu(
            lambda times=times, groups=groups: batch_trials(times, event, arm, strata=groups).compare(), 3
        )
        one = cpu(
            lambda times=times, groups=groups: batch_trials(times, event, arm, strata=groups).logrank(), 3
        )
        km = cpu(lambda times=times: batch_trials(times, event, arm).kaplan_meier((12, 24, 36)), 3)
        print(f"{label:<44}{trials / both:>16,.0f}{trials / one:>12,.0f}{trials / km:>12,.0f}")


def main() -> int:
    big, small, centers = trial(1_000_000, 5, 1), trial(227, 1, 2), trial(2000, 1, 4, centers=20)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, frame in (("big", big), ("small", small), ("centers", centers)):
            (folder / f"{label}.bin").write_bytes(np.ascontiguousarray(frame.to_numpy()).tobytes())
            (folder / f"{label}.names").write_text("\n".join(frame.columns))
        first = r_times(folder)
        mine = ours(big, small, centers)
        second = r_times(folder) if first is not None else None
    theirs = STATED if first is None or second is None else {k: min(first[k], second[k]) for k in first}
    source = "stated, not measured" if first is None else "this run"
    print(f"{'CPU seconds':<40}{'R (' + source + ')':>24}{'flarefree':>12}{'times':>8}{'reach':>8}")
    for key, reach in REACH.items():
        ratio = theirs[key] / mine[key]
        short = "" if ratio >= reach else "  short"
        print(f"{key:<40}{theirs[key]:>24.5f}{mine[key]:>12.5f}{ratio:>8.1f}{reach:>8}{short}")
    batches()
    return 0


if __name__ == "__main__":
    sys.exit(main())
