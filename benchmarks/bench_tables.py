"""Tables, ranks and linear models side by side with R, in one run.

CPU seconds of whole calls on one core, medians; the floor is what the call cannot avoid (`design_matrix`
for a linear model, the sorting of all differences for Hodges and Lehmann's estimate).  Results are checked
against R's before times are shown.
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
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from flarefree import stats
from flarefree.stats.formula import design_matrix

R_PROGRAM = """
folder <- commandArgs(TRUE)[1]
read <- function(name) as.matrix(read.csv(file.path(folder, name), header = FALSE))
once <- function(f) { s <- proc.time(); f(); e <- proc.time() - s; e[["user.self"]] + e[["sys.self"]] }
show <- function(name, f, times, result) {
  f(); cpu <- median(replicate(5, once(function() for (i in seq_len(times)) f()))) / times
  cat(sprintf("%s\\t%.9g\\t%.15g\\n", name, cpu, result(f())))
}
many <- read("many.csv"); large <- read("large.csv"); two <- read("two.csv"); strata <- read("strata.csv")
trial <- read.csv(file.path(folder, "trial.csv"), stringsAsFactors = TRUE)
show("fisher 2x2, 300 tables", function() apply(many, 1, function(r)
  fisher.test(matrix(c(r[1], r[3], r[2] - r[1], r[4] - r[3]), 2), conf.int = FALSE)$p.value), 1, sum)
show("fisher 2x2 with limits", function() fisher.test(matrix(c(19, 36, 97, 75), 2)), 50,
  function(t) t$p.value)
show("fisher 4x4", function() fisher.test(large, workspace = 2e7), 1, function(t) t$p.value)
a <- array(t(strata), c(2, 2, nrow(strata)))
show("mantelhaen 60 strata", function() mantelhaen.test(a), 20, function(t) t$p.value)
show("mantelhaen exact", function() mantelhaen.test(a, exact = TRUE), 5, function(t) t$p.value)
show("wilcoxon 1000 v 1000 with limits", function() wilcox.test(two[, 1], two[, 2], conf.int = TRUE), 1,
  function(t) t$p.value)
show("t test 1000 v 1000", function() t.test(two[, 1], two[, 2]), 200, function(t) t$p.value)
show("lm 227 rows, summary", function() summary(lm(y ~ arm + site + base, trial)), 100,
  function(s) s$coefficients["armMMF", 4])
if (suppressWarnings(suppressMessages(require(emmeans, quietly = TRUE))))
  show("lm and LS means", function() summary(emmeans(lm(y ~ arm + site + base, trial), "arm")), 5,
    function(s) sum(s$emmean))
"""


def cpu(call: Callable[[], object], times: int) -> float:
    """CPU seconds of one call: median of five rounds."""
    call()
    rounds = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(times):
            call()
        rounds.append((time.process_time() - start) / times)
    return statistics.median(rounds)


def inputs(folder: Path) -> dict[str, object]:
    """The data of the run, in memory and as files for R."""
    rng = np.random.default_rng(1)
    k, n = 300, 227
    many = np.column_stack(
        [rng.binomial(115, 0.1, k), np.full(k, 115), rng.binomial(111, 0.14, k), np.full(k, 111)]
    )
    large = np.array([[1, 2, 1, 0], [3, 3, 6, 1], [10, 10, 14, 9], [6, 7, 12, 11]])
    strata = np.array([[rng.binomial(8, 0.3), 0, rng.binomial(7, 0.4), 0] for _ in range(60)])
    strata[:, 1], strata[:, 3] = 8 - strata[:, 0], 7 - strata[:, 2]
    two = np.column_stack([rng.normal(0.1, 1, 1000), rng.normal(0, 1, 1000)])
    trial = pl.DataFrame(
        {
            "y": rng.normal(size=n),
            "arm": rng.choice(["AZA", "MMF"], n),
            "site": rng.choice([f"s{i}" for i in range(12)], n),
            "base": rng.normal(3, 1, n),
        }
    )
    for name, array in (("many", many), ("large", large), ("two", two)):
        np.savetxt(folder / f"{name}.csv", array, delimiter=",", fmt="%.17g")
    # R fills arrays down the columns: a, c, b, d
    np.savetxt(folder / "strata.csv", strata[:, [0, 2, 1, 3]], delimiter=",", fmt="%d")
    trial.write_csv(folder / "trial.csv")
    return {"many": many, "large": large, "strata": strata.reshape(-1, 2, 2), "two": two, "trial": trial}


def ours(data: dict[str, object]) -> dict[str, tuple[float, float, float]]:
    """For each task our CPU seconds, the result to compare, and the floor (NaN where there is none)."""
    many, large, strata, two, trial = (data[k] for k in ("many", "large", "strata", "two", "trial"))
    x, y = two[:, 0].copy(), two[:, 1].copy()
    formula = "y ~ arm + site + base"
    tasks: dict[
        str, tuple[Callable[[], object], int, Callable[[object], float], Callable[[], object] | None]
    ] = {
        "fisher 2x2, 300 tables": (lambda: stats.fisher_exact_many(*many.T), 20, lambda p: p.sum(), None),
        "fisher 2x2 with limits": (
            lambda: stats.fisher_exact([[19, 97], [36, 75]]),
            200,
            lambda r: r.p_value,
            None,
        ),
        "fisher 4x4": (lambda: stats.fisher_exact(large), 5, lambda r: r.p_value, None),
        "mantelhaen 60 strata": (
            lambda: stats.cochran_mantel_haenszel(strata),
            50,
            lambda r: r.p_value,
            None,
        ),
        "mantelhaen exact": (
            lambda: stats.cochran_mantel_haenszel(strata, exact=True),
            20,
            lambda r: r.p_value,
            None,
        ),
        "wilcoxon 1000 v 1000 with limits": (
            lambda: stats.wilcoxon(x, y),
            3,
            lambda r: r.p_value,
            lambda: np.sort(np.subtract.outer(x, y), axis=None),
        ),
        "t test 1000 v 1000": (lambda: stats.t_test(x, y), 200, lambda r: r.p_value, None),
        "lm 227 rows, summary": (
            lambda: stats.linear_model(formula, trial).coefficient_table(),
            100,
            lambda t: t.p_value[1],
            lambda: design_matrix(formula, trial),
        ),
        "lm and LS means": (
            lambda: stats.linear_model(formula, trial).ls_means("arm"),
            50,
            lambda m: m.estimate.sum(),
            lambda: design_matrix(formula, trial),
        ),
    }
    return {
        name: (cpu(call, times), float(result(call())), cpu(floor, times) if floor else float("nan"))
        for name, (call, times, result, floor) in tasks.items()
    }


def in_r(folder: Path) -> dict[str, tuple[float, float]]:
    """R's CPU seconds and results; empty where R is not installed."""
    if shutil.which("Rscript") is None:
        return {}
    program = folder / "bench.R"
    program.write_text(R_PROGRAM)
    done = subprocess.run(["Rscript", str(program), str(folder)], capture_output=True, text=True, check=True)
    rows = (line.split("\t") for line in done.stdout.splitlines())
    return {name: (float(seconds), float(result)) for name, seconds, result in rows}


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = inputs(folder)
        theirs, found = in_r(folder), ours(data)
    print(f"{'CPU ms a call':<34}{'floor':>10}{'R':>10}{'flarefree':>11}{'R / ours':>10}")
    wrong = 0
    for task, (seconds, result, floor) in found.items():
        r_seconds, r_result = theirs.get(task, (float("nan"), result))
        agrees = abs(result - r_result) <= 1e-7 * max(abs(r_result), 1e-300)
        wrong += not agrees
        note = "" if agrees else f"  differs from R: {result:.12g}, {r_result:.12g}"
        ratio = r_seconds / seconds if seconds else float("nan")
        times = f"{1e3 * floor:>10.3f}{1e3 * r_seconds:>10.3f}{1e3 * seconds:>11.3f}"
        print(f"{task:<34}{times}{ratio:>10.1f}{note}")
    if not theirs:
        print("R is not installed: only our own times are shown")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
