"""Bayesian networks against Gibbs runs of TSD models and against the figures that the TSDs print.

Source of the runs: `tests/reference/bayesian_network/gibbs.R` (JAGS 4.3.1), another parametrization and
another sampler.  Means agree within four Monte Carlo errors of both.
Printed figures: NICE DSU Technical Support Documents 2 to 4 [dias2011; dias2013; dias2013b].
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("numpyro", reason="the extra `bayes` is not installed")

from bayes_runs import GIBBS, RUN, SHORT, SMALL, SMOKE, assert_agrees, assert_same, smoking_frame

from flarefree.evidence.bayes import BayesianNetwork, bayesian_network


@pytest.fixture(scope="module")
def smoking(shared: Path) -> BayesianNetwork:
    return bayesian_network(smoking_frame(shared), order=SMOKE, small_values="bad", node_split="all", **RUN)


@pytest.mark.shared
def test_smoking_agrees_with_gibbs(smoking: BayesianNetwork) -> None:
    assert_agrees(smoking, "smoking_random")


@pytest.mark.shared
def test_smoking_as_tsd_4_prints_it(smoking: BayesianNetwork) -> None:
    """TSD 4, consistency model of the smoking cessation network: means and SDs, tau, DIC."""
    printed = {
        ("self_help", "no_contact"): (0.49, 0.40, -0.29, 1.31),
        ("ind_counseling", "no_contact"): (0.84, 0.24, 0.39, 1.34),
        ("grp_counseling", "no_contact"): (1.10, 0.44, 0.26, 2.00),
        ("ind_counseling", "self_help"): (0.35, 0.41, -0.46, 1.18),
        ("grp_counseling", "self_help"): (0.61, 0.49, -0.34, 1.59),
        ("grp_counseling", "ind_counseling"): (0.26, 0.41, -0.55, 1.09),
    }
    for (first, second), (mean, sd, low, high) in printed.items():
        draws = smoking.effect(first, second)
        assert draws.mean() == pytest.approx(mean, abs=0.02)
        assert draws.std() == pytest.approx(sd, abs=0.02)
        assert np.quantile(draws, [0.025, 0.975]) == pytest.approx([low, high], abs=0.06)
    assert np.median(smoking.tau) == pytest.approx(0.82, abs=0.02)
    assert smoking.tau.std() == pytest.approx(0.19, abs=0.015)
    assert smoking.fit.total_deviance == pytest.approx(54.0, abs=0.6)
    assert smoking.fit.pd == pytest.approx(45.0, abs=0.6)
    assert smoking.dic == pytest.approx(99.0, abs=1.0)


@pytest.mark.shared
def test_node_splits_agree_with_gibbs(smoking: BayesianNetwork) -> None:
    """Individual v group counseling, which two studies of three arms have, and self-help v no contact."""
    splits = {(s.treatment_1, s.treatment_2): s for s in smoking.node_splits}
    assert len(splits) == 6
    for pair, name, (a, b) in (
        (("ind_counseling", "grp_counseling"), "smoking_split_ind_grp", (2, 3)),
        (("self_help", "no_contact"), "smoking_split_self_none", (None, 1)),
    ):
        split, expected = splits[pair], GIBBS[name]["parameters"]
        sign = -1.0 if a else 1.0  # the program's direct effect is of the later treatment against the earlier
        error = 0.02
        assert_same(sign * split.direct, error, expected["d[4]"], f"direct {pair}")
        indirect = expected[f"d[{b}]"]["mean"] - (expected[f"d[{a}]"]["mean"] if a else 0.0)
        assert (sign * split.indirect).mean() == pytest.approx(indirect, abs=4 * error)
        assert split.tau_median == pytest.approx(expected["tau"]["median"], abs=0.03)
        assert split.total_deviance == pytest.approx(expected["total"]["mean"], abs=0.6)
        shares = [(split.difference > 0).mean(), (split.difference < 0).mean()]
        assert split.p_value == pytest.approx(2 * min(shares))
    frame = smoking.node_split()
    assert frame.height == 6 and frame["converged"].all()


# Priors, seeds, words ------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_draws() -> None:
    first, second = (bayesian_network(SMALL, seed=7, **SHORT) for _ in range(2))
    other = bayesian_network(SMALL, seed=8, **SHORT)
    assert (first.draws.sites["d"] == second.draws.sites["d"]).all()
    assert (first.draws.sites["d"] != other.draws.sites["d"]).any()
    # The same network in another order of rows, and one that differs: no model is kept by mistake.
    shuffled = bayesian_network(SMALL.sample(fraction=1.0, shuffle=True, seed=3), seed=7, **SHORT)
    assert shuffled.coefficients.mean(axis=0) == pytest.approx(first.coefficients.mean(axis=0), abs=0.2)
    doubled = bayesian_network(SMALL.with_columns(events=pl.col("events") * 2), seed=7, **SHORT)
    assert doubled.fit.total_deviance != first.fit.total_deviance


def test_chains_that_did_not_converge_are_not_shown_as_results() -> None:
    """Twenty draws: the print opens with it, tables and figures carry it."""
    found = bayesian_network(SMALL, draws=20, warmup=20, reference="AZA")
    assert not found.converged
    assert repr(found).split("\n")[2].startswith("NOT CONVERGED")
    assert not found.tidy()["converged"].any()
    assert not found.ranking()["converged"].any()
    for kind in ("forest", "trace", "leverage", "rankogram", "network"):
        figure = found.plot(kind)
        assert figure.title.startswith("NOT CONVERGED")
        assert "NOT CONVERGED" in figure._repr_svg_()


def test_tables_and_figures() -> None:
    found = bayesian_network(SMALL, **SHORT, node_split=("MMF", "AZA"))
    frame = found.tidy(exponentiate=True)
    assert frame["treatment_2"].to_list() == ["AZA", "AZA", "MMF"]
    row = frame.filter(treatment_1="MMF", treatment_2="AZA").row(0, named=True)
    draws = found.effect("MMF", "AZA")
    assert row["median"] == pytest.approx(math.exp(np.median(draws)))
    assert row["p_better"] == pytest.approx((draws < 0).mean())
    assert row["predict_high"] > row["cred_high"] > row["cred_low"] > row["predict_low"]
    ranks = found.ranking()
    shares = ranks.select(pl.col("^p_rank_.*$")).to_numpy()
    assert shares.sum(axis=0) == pytest.approx(np.ones(3))
    assert ranks["sucra"].mean() == pytest.approx(0.5)
    best = (found.coefficients.argmin(axis=1) == found.treatments.index(ranks["treatment"][0])).mean()
    assert ranks["p_rank_1"][0] == pytest.approx(best)
    league = found.league()
    assert league.shape == (3, 4)
    assert set(league["treatment"]) == {"AZA", "CYC", "MMF"}
    for kind in ("network", "forest", "rankogram", "trace", "leverage"):
        assert found.plot(kind)._repr_svg_().startswith("<svg")
    assert "direct" in found.plot("forest", split=True).data["main"]["label"].to_list()


# What is said of the data ----------------------------------------------------------------------------


def test_studies_without_events_are_left_out_and_said() -> None:
    silent = pl.DataFrame({"study": ["Q", "Q"], "treatment": ["AZA", "CYC"], "events": [0, 0], "n": [20, 21]})
    found = bayesian_network(pl.concat([SMALL, silent]), **SHORT)
    assert found.n_studies == 4
    assert any("Q" in note for note in found.notes)


# Contrasts, exactly ----------------------------------------------------------------------------------

HAZARDS = pl.DataFrame(
    [
        ("Dooley", "AZA", "MMF", 0.82, 0.29), ("Houssiau", "AZA", "MMF", 0.32, 0.38),
        ("Made", "AZA", "MMF", 0.50, 0.40), ("Made", "CYC", "MMF", 0.90, 0.42),
        ("Made", "CYC", "AZA", 0.40, 0.45), ("Contreras", "CYC", "AZA", 0.20, 0.48),
    ],
    schema=["study", "treatment_1", "treatment_2", "estimate", "std_error"],
    orient="row",
)  # fmt: skip


def exact_moments() -> tuple[np.ndarray, np.ndarray, float]:
    """Posterior means and SDs of AZA and CYC against MMF, and the mean of tau, by quadrature over tau.

    Given tau all is normal.  The study of three arms enters by two contrasts against MMF, whose sampling
    covariance follows from the third's standard error, and whose heterogeneity has covariance tau2 / 2.
    """
    shared = (0.40**2 + 0.42**2 - 0.45**2) / 2
    y = np.array([0.82, 0.32, 0.20, 0.50, 0.90])
    x = np.array([[1, 0], [1, 0], [-1, 1], [1, 0], [0, 1]], float)
    sampling = np.diag([0.29**2, 0.38**2, 0.48**2, 0.40**2, 0.42**2])
    sampling[3, 4] = sampling[4, 3] = shared
    between = np.eye(5)
    between[3, 4] = between[4, 3] = 0.5
    grid = np.linspace(0.0005, 4.9995, 5000)  # uniform(0, 5)
    logs, means, seconds = [], [], []
    for tau in grid:
        v = sampling + tau**2 * between
        inverse = np.linalg.inv(v)
        precision = x.T @ inverse @ x + np.eye(2) / 100**2
        covariance = np.linalg.inv(precision)
        mean = covariance @ x.T @ inverse @ y
        quadratic = y @ inverse @ y - mean @ precision @ mean
        logs.append(-0.5 * (np.linalg.slogdet(v)[1] + np.linalg.slogdet(precision)[1] + quadratic))
        means.append(mean)
        seconds.append(np.diag(covariance) + mean**2)
    weight = np.exp(np.array(logs) - max(logs))
    weight /= weight.sum()
    mean = weight @ np.array(means)
    return mean, np.sqrt(weight @ np.array(seconds) - mean**2), float(weight @ grid)


def test_hazard_ratios_have_the_exact_posterior() -> None:
    """Contrasts of hazards, one study of three arms: quadrature gives the posterior without sampling."""
    found = bayesian_network(HAZARDS, likelihood="hazard", reference="MMF", **RUN)
    assert found.converged, found.diagnostics
    assert found.measure == "HR"
    mean, sd, tau = exact_moments()
    d, error = found.draws.flat("d"), found.diagnostics.worth.mc_error
    assert found.treatments == ("MMF", "AZA", "CYC")
    assert np.abs(d.mean(axis=0) - mean) == pytest.approx(np.zeros(2), abs=4 * error[:2].max())
    assert d.std(axis=0) == pytest.approx(sd, rel=0.08)
    assert found.tau.mean() == pytest.approx(tau, abs=4 * error[2])
    assert found.fit.n_units == 5
