"""What of Bayesian networks needs no extra: errors, priors, columns, convergence, leaving studies out.

R's posterior and loo give the expected diagnostics: `tests/reference/bayesian_network/convergence.R`.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import numpy as np
import polars as pl
import pytest
from bayes_runs import REFERENCE, SMALL
from scipy.special import gammaln, ndtri

from flarefree.errors import EvidenceError, MissingExtraError, NotFoundError
from flarefree.evidence.bayes import Normal, Priors, bayesian_network, turner_prior
from flarefree.evidence.bayes.convergence import compute_worth
from flarefree.evidence.bayes.data import NetworkData
from flarefree.evidence.bayes.designs import consistent, split, splittable, unrelated
from flarefree.evidence.bayes.leave_out import smooth_weights, study_log_likelihoods
from flarefree.evidence.bayes.reading import read_network
from flarefree.evidence.inputs import read_rows

R = json.loads((REFERENCE / "convergence.json").read_text())


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpyro", None)
    with pytest.raises(MissingExtraError) as caught:
        bayesian_network(SMALL)
    assert "pip install 'flarefree[bayes]'" in str(caught.value)
    assert caught.value.exit_code == 2


# Convergence and weights, against R ------------------------------------------------------------------


def uniforms(n: int, seed: int) -> np.ndarray:
    u = np.empty(n)
    for i in range(n):
        seed = (seed * 16807) % 2147483647
        u[i] = seed / 2147483647
    return u


def chain(n: int, seed: int, rho: float, shift: float, power: float) -> np.ndarray:
    z = ndtri(uniforms(n, seed))
    x = np.empty(n)
    x[0] = z[0]
    for i in range(1, n):
        x[i] = rho * x[i - 1] + math.sqrt(1 - rho**2) * z[i]
    return shift + np.sign(x) * np.abs(x) ** power


@pytest.mark.parametrize(
    ("name", "n", "rho", "shift", "power"),
    [("even", 501, 0.6, 0.0, 1.0), ("shifted", 500, 0.3, 0.4, 1.0), ("heavy", 500, -0.3, 0.0, 2.5)],
)
def test_convergence_is_that_of_r_posterior(
    name: str, n: int, rho: float, shift: float, power: float
) -> None:
    """R-hat to 1e-5 (ranks of folded draws tie or not by their last bit), the rest to 1e-9."""
    draws = np.array([chain(n, 100 * c + 7, rho, shift * (c == 2), power) for c in (1, 2, 3, 4)])
    worth = compute_worth(draws[:, :, None])
    assert worth.r_hat[0] == pytest.approx(R[name]["r_hat"], abs=1e-5)
    for what in ("ess_bulk", "ess_tail", "mc_error"):
        assert getattr(worth, what)[0] == pytest.approx(R[name][what], rel=1e-9)


def test_a_quantity_that_never_varies_has_no_diagnostics() -> None:
    worth = compute_worth(np.ones((4, 100, 1)))
    assert np.isnan(worth.r_hat[0]) and np.isnan(worth.ess_bulk[0])


@pytest.mark.parametrize(
    ("name", "seed", "factor", "power", "efficiency"),
    [
        ("mild", 11, 1.0, 1.0, 1.0),
        ("strong", 13, 1.5, 1.3, 0.5),
    ],
)
def test_weights_are_those_of_r_loo(
    name: str, seed: int, factor: float, power: float, efficiency: float
) -> None:
    log_weights, k = smooth_weights(factor * chain(2000, seed, 0.0, 0.0, power), efficiency)
    assert k == pytest.approx(R[name]["k"], rel=1e-9)
    assert log_weights.max() == pytest.approx(R[name]["largest"], rel=1e-9)
    assert np.exp(2 * log_weights).sum() == pytest.approx(R[name]["mean_square"], rel=1e-9)


# Leaving a study out: its likelihood by brute force ---------------------------------------------------


def data_of(
    rows: pl.DataFrame, likelihood: str = "binomial", link: str = "logit", **given: Any
) -> NetworkData:
    asked = {"measure": None, "follow_up": None, "reference": None, "order": None, "part": None} | given
    return read_network(read_rows(rows), likelihood, link=link, **asked)  # type: ignore[arg-type]


AWKWARD = pl.DataFrame(
    [("1", "A", 0, 20, 1.0), ("1", "B", 9, 20, 2.0), ("2", "A", 30, 90, 3.0), ("2", "B", 12, 80, 3.0)],
    schema=["study", "treatment", "events", "n", "years"],
    orient="row",
)


@pytest.mark.parametrize("link", ["logit", "cloglog"])
@pytest.mark.parametrize(("d", "tau"), [(0.5, 0.8), (-1.0, 0.1), (6.0, 2.0), (-8.0, 0.3), (1.0, 0.0)])
def test_a_study_likelihood_is_the_integral(link: str, d: float, tau: float) -> None:
    """Levels and deviations integrated out, for draws that fit a study and for draws that contradict it."""
    data = data_of(AWKWARD, link=link, reference="A", follow_up="years" if link == "cloglog" else None)
    x = consistent(data).of_units(data)
    found = study_log_likelihoods(
        data, x, np.array([[d]]), np.array([tau]) if tau else None, Normal(0.0, 100.0)
    )[0]
    a, e = np.linspace(-60, 40, 8001), np.linspace(-9, 9, 601)
    for s in (0, 1):
        total = -0.5 * (a / 100) ** 2 - math.log(100 * math.sqrt(2 * math.pi))
        for i in np.flatnonzero(data.unit_study == s):
            theta = a[:, None] + x[i, 0] * d + tau / math.sqrt(2) * e
            log_like = binomial(theta, data.y[i], data.size[i], data.exposure[i], link)
            weight = np.exp(-0.5 * e**2) / math.sqrt(2 * math.pi)
            total = total + np.log(np.trapezoid(np.exp(log_like) * weight, e, axis=1) + 1e-300)
        assert found[s] == pytest.approx(math.log(np.trapezoid(np.exp(total), a)), abs=2e-5)


def binomial(theta: np.ndarray, y: float, n: float, time: float, link: str) -> np.ndarray:
    """Log density, from the risk and its complement."""
    hazard = time * np.exp(np.minimum(theta, 30))
    log_rest = -hazard if link == "cloglog" else -np.logaddexp(0.0, theta)
    log_risk = np.log(-np.expm1(-hazard) + 1e-300) if link == "cloglog" else theta - np.logaddexp(0.0, theta)
    return gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1) + y * log_risk + (n - y) * log_rest


# Columns ---------------------------------------------------------------------------------------------

LOOP = pl.DataFrame(
    [
        ("1", "A", 5, 50), ("1", "B", 9, 51), ("2", "A", 4, 40), ("2", "C", 6, 42), ("3", "B", 5, 44),
        ("3", "C", 3, 45), ("4", "A", 5, 44), ("4", "B", 4, 44), ("4", "C", 3, 45), ("5", "C", 3, 30),
        ("5", "D", 4, 31),
    ],
    schema=["study", "treatment", "events", "n"],
    orient="row",
)  # fmt: skip


def test_a_split_halves_the_inconsistency_of_a_study_with_three_arms() -> None:
    """B against C in study 4: D apart, around the mean of what is consistent; arm A untouched."""
    data = data_of(LOOP, reference="A")
    design = split(data, 1, 2)
    x = design.x[data.arm_study == 3]
    # Columns: B, C, D against A, and C against B directly.
    assert x.tolist() == [[0, 0, 0, 0], [0.5, 0.5, 0, -0.5], [0.5, 0.5, 0, 0.5]]
    assert design.pairs[-1] == (2, 1)
    two = design.x[data.arm_study == 2]
    assert (two[1] - two[0]).tolist() == [0, 0, 0, 1]


def test_what_can_be_split() -> None:
    """D hangs on one study; a loop that only a study of three arms closes cannot be inconsistent."""
    assert splittable(data_of(LOOP, reference="A")) == [(0, 1), (0, 2), (1, 2)]
    assert splittable(data_of(LOOP.filter(pl.col("study").is_in(["4", "5"])), reference="A")) == []


def test_unrelated_means_have_a_column_a_comparison_with_the_first_arm() -> None:
    data = data_of(LOOP, reference="A")
    assert unrelated(data).pairs == ((1, 0), (2, 0), (2, 1), (3, 2))
    turned = data_of(LOOP, order=["C", "B", "A", "D"])
    assert [(turned.treatments[a], turned.treatments[b]) for a, b in unrelated(turned).pairs] == [
        ("B", "C"), ("A", "C"), ("D", "C"), ("A", "B"),
    ]  # fmt: skip


def test_a_treatment_without_events_rests_on_its_prior() -> None:
    rows = pl.DataFrame(
        [("1", "A", 4, 30), ("1", "B", 0, 30), ("2", "A", 3, 30), ("2", "B", 0, 31)],
        schema=["study", "treatment", "events", "n"],
        orient="row",
    )
    assert any("B has no arm with an event" in note for note in data_of(rows).notes)


# What cannot be --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"likelihood": "gamma"}, "binomial"),
        ({"link": "log"}, "logit, cloglog"),
        ({"model": "fixed"}, "random, common"),
        ({"effects": "inconsistent"}, "unrelated mean effects"),
        ({"level": 95}, "0 to 1"),
        ({"likelihood": "normal"}, "likelihood='binomial'"),
        ({"likelihood": "poisson"}, "likelihood='binomial'"),
        ({"likelihood": "hazard"}, "contrast rows"),
        ({"draws": 0}, "4 or more"),
        ({"chains": 1}, "2 or more"),
        ({"node_split": ("MMF", "MMF")}, "no study has both"),
        ({"node_split": "MMF"}, "two treatments"),
        ({"covariate": "age"}, "no column"),
        ({"follow_up": "years"}, "cloglog"),
        ({"node_split": "all", "effects": "unrelated mean effects"}, "consistent"),
    ],
)
def test_what_is_asked_must_exist(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(EvidenceError) as caught:
        bayesian_network(SMALL, **asked)
    assert words in str(caught.value)


def test_names_and_networks_that_are_not_there() -> None:
    with pytest.raises(NotFoundError) as caught:
        bayesian_network(SMALL, reference="aza ")
    assert "reference='AZA'" in str(caught.value)
    apart = pl.DataFrame({"study": ["Q", "Q"], "treatment": ["TAC", "LEF"], "events": [2, 3], "n": [20, 21]})
    with pytest.raises(EvidenceError, match="not connected"):
        bayesian_network(pl.concat([SMALL, apart]))
    chain = SMALL.filter(pl.col("study") != "Bao")
    with pytest.raises(EvidenceError) as caught2:
        bayesian_network(chain, node_split=("MMF", "AZA"))
    assert "a network with a loop" in str(caught2.value)
    with pytest.raises(EvidenceError, match="how the effects move"):
        bayesian_network(SMALL.with_columns(year=pl.lit(2005)), covariate="year")
    with pytest.raises(NotFoundError):
        turner_prior("happiness", "drug v drug")
    with pytest.raises(EvidenceError):
        Priors(heterogeneity="vague")
