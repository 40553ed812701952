"""What tests of Bayesian networks share: the Gibbs runs, small data, and when two samplers agree."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from flarefree.evidence.bayes import BayesianNetwork

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "bayesian_network"
GIBBS: dict[str, Any] = json.loads((REFERENCE / "gibbs.json").read_text())
SMOKE = ["no_contact", "self_help", "ind_counseling", "grp_counseling"]
RUN = {"draws": 2000, "warmup": 400, "seed": 11}


SMALL = pl.DataFrame(
    [
        ("Chan", "MMF", 5, 50), ("Chan", "AZA", 9, 51), ("Ming", "AZA", 4, 40), ("Ming", "CYC", 6, 42),
        ("Bao", "MMF", 7, 60), ("Bao", "CYC", 12, 61), ("Liu", "MMF", 3, 33), ("Liu", "AZA", 5, 31),
    ],
    schema=["study", "treatment", "events", "n"],
    orient="row",
)  # fmt: skip
SHORT = {"draws": 600, "warmup": 300, "reference": "AZA"}


def smoking_frame(shared: Path) -> pl.DataFrame:
    frame = pl.read_csv(shared / "data" / "meta_analysis" / "dat.hasselblad1998.csv")
    return frame.select("study", treatment="trt", events="xi", n="ni")


def assert_same(draws: np.ndarray, mc_error: float, expected: dict[str, float], what: str) -> None:
    """The same posterior, as far as two samplers can tell."""
    theirs = expected["sd"] / math.sqrt(expected["ess"])
    assert abs(draws.mean() - expected["mean"]) < 4 * math.hypot(mc_error, theirs) + 1e-9, what
    for q, name in ((0.025, "low"), (0.5, "median"), (0.975, "high")):
        width = (0.16 if name != "median" else 0.08) * expected["sd"]
        assert abs(np.quantile(draws, q) - expected[name]) < width, f"{what}, {name}"
    # With few studies tails are heavy, and an SD of 8,000 draws is known to some 5%.
    assert draws.std() == pytest.approx(expected["sd"], rel=0.12), what


def assert_agrees(found: BayesianNetwork, name: str, columns: int | None = None) -> None:
    """Coefficients, tau and deviance of a run against the Gibbs run of that name."""
    assert found.converged, found.diagnostics
    expected = GIBBS[name]["parameters"]
    d, error = found.draws.flat("d"), found.diagnostics.worth.mc_error
    n = columns or d.shape[1]
    for k in range(n):
        assert_same(
            d[:, k], error[k], expected["d" if n == 1 and "d" in expected else f"d[{k + 1}]"], f"d {k}"
        )
    if "tau" in expected:
        assert_same(found.tau, error[list(found.diagnostics.parameters).index("tau")], expected["tau"], "tau")
    assert found.fit.total_deviance == pytest.approx(expected["total"]["mean"], abs=0.5)
    assert found.fit.pd == pytest.approx(GIBBS[name]["pd"], abs=0.6)
