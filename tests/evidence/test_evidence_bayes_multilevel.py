"""Individuals and published arms in one posterior: against an independent sampler, and the truth simulated.

The expected side is a Metropolis sampler written here, with its own likelihood (a plain mean of risks over
points, no logs of sums, no whitening), and the coefficients that patients were drawn with.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence.populations import integration_points
from flarefree.evidence.populations.ml_nmr import multilevel_network
from flarefree.evidence.populations.ml_nmr_data import Baseline, as_population

TRUE = {"age": 0.03, "black": 0.4, "age by treatment": 0.04, "black by treatment": -0.5}
EFFECT = {"A": 0.0, "B": -0.8, "C": -0.5}  # at age 40, not black
STUDIES = {"Chan": ("A", "B", 35, 9, 0.3), "Ming": ("A", "C", 45, 8, 0.6), "Bao": ("B", "C", 40, 12, 0.15)}
LEVEL = {"Chan": -0.5, "Ming": -0.2, "Bao": -0.8}
TARGET = {"age": (40.0, 10.0), "black": 0.5}
RUN = {"draws": 1000, "warmup": 400, "seed": 4}


def patients(seed: int, n: int, shape: float = 0.0) -> pl.DataFrame:
    """Patients of three trials; times with a Weibull shape where one is given."""
    rng = np.random.default_rng(seed)
    parts = []
    for study, (first, second, mean, sd, share) in STUDIES.items():
        for arm in (first, second):
            age, black = mean + sd * rng.standard_normal(n), (rng.random(n) < share).astype(float)
            eta = LEVEL[study] + TRUE["age"] * (age - 40) + TRUE["black"] * black + EFFECT[arm]
            if arm != "A":
                eta += TRUE["age by treatment"] * (age - 40) + TRUE["black by treatment"] * black
            columns: dict[str, Any] = {
                "study": [study] * n, "treatment": [arm] * n, "age": age, "black": black
            }  # fmt: skip
            if shape:
                time = (rng.exponential(size=n) / np.exp(eta - 0.5)) ** (1 / shape)
                end = rng.uniform(0.5, 3.0, n)
                columns |= {"time": np.minimum(time, end), "event": (time <= end).astype(float)}
            else:
                columns["flare"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
            parts.append(pl.DataFrame(columns))
    return pl.concat(parts)


def as_published(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Chan's individuals, the other trials as their papers would print them, and their populations."""
    rest = frame.filter(pl.col("study") != "Chan")
    margins = {
        study: {"age": (float(g["age"].mean()), float(g["age"].std())), "black": float(g["black"].mean())}
        for (study,), g in rest.group_by("study", maintain_order=True)
    }
    own = frame.filter(pl.col("study") == "Chan")
    if "time" in frame.columns:
        return own, rest.select("study", "treatment", "time", "event"), margins
    arms = rest.group_by("study", "treatment", maintain_order=True)
    return own, arms.agg(n=pl.len(), events=pl.col("flare").sum().cast(pl.Int64)), margins


@pytest.fixture(scope="module")
def given() -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    return as_published(patients(3, 250))


@pytest.fixture(scope="module")
def fitted(given: Any) -> Any:
    pytest.importorskip("numpyro", reason="the extra `bayes` is not installed")
    return multilevel_network(*given, outcome="flare", covariates=["age", "black"], reference="A", **RUN)


def metropolis(given: Any, n_steps: int = 6000, n_chains: int = 60) -> np.ndarray:
    """(draws, 9): levels of the studies, slopes of age (by decade from 40) and black, B, C, interactions."""
    own, arms, margins = given
    x = np.column_stack([(own["age"].to_numpy() - 40) / 10, own["black"].to_numpy()])
    y, is_b = own["flare"].to_numpy(), (own["treatment"] == "B").to_numpy().astype(float)
    rows = np.column_stack([np.ones(len(x)), np.zeros((len(x), 2)), x, is_b, 0 * is_b, is_b[:, None] * x])
    source = as_population(own.select("age", "black"), "own").columns
    rho = float(np.corrcoef(source["age"], source["black"])[0, 1])
    designs, counts = [], []
    for row in arms.iter_rows(named=True):
        people = replace(
            as_population(margins[row["study"]], row["study"]), correlation={("age", "black"): rho}
        )
        points = integration_points(people, 64, covariates=["age", "black"], seed=4).columns
        q = np.column_stack([(points["age"] - 40) / 10, points["black"]])
        level = [float(row["study"] == s) for s in STUDIES]
        treated = [float(row["treatment"] == t) for t in ("B", "C")]
        fixed = np.tile([*level], (64, 1))
        designs.append(np.column_stack([fixed, q, np.tile(treated, (64, 1)), q * (row["treatment"] != "A")]))
        counts.append((row["events"], row["n"]))
    scale = np.array([own["age"].to_numpy().std() / 10, own["black"].to_numpy().std()])
    sd = np.concatenate([[10] * 3, 10 / scale, [10] * 2, 10 / scale])

    def log_density(beta: np.ndarray) -> np.ndarray:
        eta = beta @ rows.T
        value = eta @ y - np.logaddexp(0, eta).sum(axis=1) - 0.5 * ((beta / sd) ** 2).sum(axis=1)
        for design, (events, n) in zip(designs, counts):
            risk = (1 / (1 + np.exp(-beta @ design.T))).mean(axis=1)
            value += events * np.log(risk) + (n - events) * np.log(1 - risk)
        return value

    rng = np.random.default_rng(1)
    beta = np.zeros((n_chains, 9)) + 0.1 * rng.standard_normal((n_chains, 9))
    density, spread, kept = log_density(beta), np.diag(np.full(9, 0.02)), []
    for step in range(n_steps):
        if step and step % 500 == 0 and step <= 2000:
            recent = np.concatenate(kept[-250:])
            spread = np.cov(recent.T) * 2.4**2 / 9
        proposed = beta + rng.multivariate_normal(np.zeros(9), spread, n_chains)
        tried = log_density(proposed)
        taken = np.log(rng.random(n_chains)) < tried - density
        beta, density = np.where(taken[:, None], proposed, beta), np.where(taken, tried, density)
        kept.append(beta)
    return np.concatenate(kept[2500:])


def test_the_posterior_is_that_of_metropolis(given: Any, fitted: Any) -> None:
    """Slopes, interactions, and effects in the target, whose population no study had."""
    assert fitted.converged, fitted.diagnostics
    draws = metropolis(given)
    frame = {row["coefficient"]: row for row in fitted.coefficients().iter_rows(named=True)}
    expected = {
        "age": draws[:, 3] / 10, "black": draws[:, 4],
        "age by treatment": draws[:, 7] / 10, "black by treatment": draws[:, 8],
    }  # fmt: skip
    for name, theirs in expected.items():
        assert frame[name]["mean"] == pytest.approx(theirs.mean(), abs=0.12 * theirs.std()), name
        assert frame[name]["sd"] == pytest.approx(theirs.std(), rel=0.12), name
    ours = fitted.effect_draws(TARGET)
    for k, column in ((1, 5), (2, 6)):
        # Conditional effects at the target's means: age 40 and half of the patients black.
        theirs = draws[:, column] + 0.5 * draws[:, 8]
        assert ours[:, k].mean() == pytest.approx(theirs.mean(), abs=0.12 * theirs.std())
        assert ours[:, k].std() == pytest.approx(theirs.std(), rel=0.12)


def test_the_truth_is_within_the_posterior(fitted: Any) -> None:
    for row in fitted.coefficients().iter_rows(named=True):
        if row["coefficient"] in TRUE:
            assert abs(row["mean"] - TRUE[row["coefficient"]]) < 3.5 * row["sd"], row
    effects = fitted.effects(TARGET)
    for row in effects.filter(pl.col("treatment_2") == "A").iter_rows(named=True):
        truth = EFFECT[row["treatment_1"]] + TRUE["black by treatment"] * 0.5
        assert abs(row["mean"] - truth) < 3.5 * row["sd"], row
        assert row["factor_low"] < row["cred_low"] < row["cred_high"] < row["factor_high"]


def test_marginal_risks(fitted: Any) -> None:
    """The reference's risk is what was asked; marginal odds ratios lie nearer to 1 than conditional ones."""
    found = fitted.marginal(TARGET, baseline=0.3)
    risks = dict(zip(found["treatment"], found["risk"]))
    assert risks["A"] == pytest.approx(0.3, abs=1e-9)
    conditional = fitted.effects(TARGET, exponentiate=True)
    odds = dict(zip(found["treatment"], found["or"]))
    for name in ("B", "C"):
        alone = conditional.filter((pl.col("treatment_1") == name) & (pl.col("treatment_2") == "A"))[
            "median"
        ][0]
        assert alone < odds[name] < 1
    in_ming = fitted.marginal("Ming", baseline="Ming")
    seen = dict(zip(in_ming["treatment"], in_ming["risk"]))
    arms = {("A"): 0.55, ("C"): 0.40}  # about what Ming's arms had
    for name, share in arms.items():
        assert seen[name] == pytest.approx(share, abs=0.12)
    with pytest.raises(EvidenceError, match="no risk"):
        fitted.marginal(TARGET, baseline=30.0)
    with pytest.raises(NotFoundError):
        fitted.marginal(TARGET, baseline="Nobody")


def test_words_overlap_and_points(fitted: Any) -> None:
    text = repr(fitted)
    assert "1 studies of 500 individuals, 2 published" in text
    assert "correlations between covariates are those of the individuals" in text
    assert "normal(0, SD 10)" in text
    assert fitted.integration_error < 0.005
    far = fitted.effects({"age": (80.0, 5.0), "black": 0.5})
    assert far["extrapolated"].all()
    assert not fitted.effects(TARGET)["extrapolated"].any()
    assert set(fitted.tidy()["population"]) == {"the individuals", "Ming", "Bao"}
    assert fitted.plot()._repr_svg_().startswith("<svg")
    with pytest.raises(NotFoundError):
        fitted.effects("Nowhere")
    with pytest.raises(EvidenceError, match="age"):
        fitted.effects({"black": 0.5})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hazard", "breaks", "shape"),
    [("exponential", (), 1.0), ("weibull", (), 1.4), ("piecewise", (0.4, 1.0), 1.4)],
)
def test_times_recover_the_truth(hazard: str, breaks: tuple[float, ...], shape: float) -> None:
    pytest.importorskip("numpyro", reason="the extra `bayes` is not installed")
    own, rest, margins = as_published(patients(8, 300, shape))
    found = multilevel_network(
        own, rest, margins, outcome=("time", "event"), covariates=["age", "black"],
        hazard=hazard, breaks=breaks, reference="A", points=32, draws=600, warmup=400,
    )  # fmt: skip
    assert not any("R-hat" in c for c in found.diagnostics.complaints), found.diagnostics
    assert found.measure == "HR"
    for row in found.coefficients().iter_rows(named=True):
        if row["coefficient"] in TRUE:
            assert abs(row["mean"] - TRUE[row["coefficient"]]) < 3.5 * row["sd"], row
    for row in found.effects(TARGET).filter(pl.col("treatment_2") == "A").iter_rows(named=True):
        truth = EFFECT[row["treatment_1"]] + TRUE["black by treatment"] * 0.5
        assert abs(row["mean"] - truth) < 3.5 * row["sd"], row
    if hazard == "weibull":
        logs = found.draws.flat("time")[:, :, 0]
        assert (np.abs(logs.mean(axis=0) - math.log(shape)) < 4 * logs.std(axis=0)).all()
    risks = found.marginal("Ming", baseline="Ming", horizon=1.0)
    assert (risks["risk_low"] > 0).all() and (risks["risk_high"] < 1).all()


@pytest.mark.slow
def test_intervals_cover_the_truth() -> None:
    """Forty sets of three trials: 95% intervals hold the effect in 33 or more (fewer: P 0.001)."""
    pytest.importorskip("numpyro", reason="the extra `bayes` is not installed")
    held = {"B": 0, "C": 0}
    for seed in range(40):
        given = as_published(patients(1000 + seed, 250))
        found = multilevel_network(
            *given, outcome="flare", covariates=["age", "black"], reference="A", draws=400, warmup=300
        )
        for row in found.effects(TARGET).filter(pl.col("treatment_2") == "A").iter_rows(named=True):
            truth = EFFECT[row["treatment_1"]] + TRUE["black by treatment"] * 0.5
            held[row["treatment_1"]] += row["cred_low"] < truth < row["cred_high"]
    assert min(held.values()) >= 33, held


# Without the extra -----------------------------------------------------------------------------------


def test_steps_of_a_hazard() -> None:
    """Intervals are (start, stop]: a time on a break belongs to the step that ends there."""
    steps = Baseline("piecewise", (1.0, 2.0))
    time = np.array([0.5, 1.0, 1.5, 3.0])
    assert steps.step_of(time).tolist() == [0, 0, 1, 2]
    assert steps.exposures(time).tolist() == [[0.5, 0, 0], [1, 0, 0], [1, 0.5, 0], [1, 1, 1]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outcome": "remission"}, "no column 'remission'"),
        ({"covariates": ["weight"]}, "no column 'weight'"),
        ({"covariates": []}, "no covariates"),
        ({"modifiers": ["sex"]}, "a modifier is one of the covariates"),
        ({"interactions": "independent"}, "interactions='common'"),
        ({"model": "fixed"}, "common, random"),
        ({"breaks": (2.0, 1.0)}, "rising times"),
        ({"hazard": "cox"}, "weibull"),
        ({"reference": "D"}, "A, B, C"),
        ({"points": 50}, "power of two"),
        ({"level": 95}, "0 to 1"),
    ],
)
def test_what_is_asked_must_exist(given: Any, change: dict[str, Any], words: str) -> None:
    asked = {"outcome": "flare", "covariates": ["age", "black"], "reference": "A"} | change
    with pytest.raises((EvidenceError, NotFoundError)) as caught:
        multilevel_network(*given, **asked)
    assert words in str(caught.value)


def test_studies_that_cannot_be(given: Any) -> None:
    own, arms, margins = given
    asked = {"outcome": "flare", "covariates": ["age", "black"]}
    with pytest.raises(EvidenceError, match="without a population"):
        multilevel_network(own, arms, {"Ming": margins["Ming"]}, **asked)
    twice = arms.with_columns(study=pl.col("study").replace("Ming", "Chan"))
    with pytest.raises(EvidenceError, match="given twice"):
        multilevel_network(own, twice, margins | {"Chan": margins["Ming"]}, **asked)
    less = {**margins, "Ming": {"age": (45.0, 8.0)}}
    with pytest.raises(EvidenceError, match="nothing is known of 'black' in Ming"):
        multilevel_network(own, arms, less, **asked)
    apart = arms.with_columns(treatment=pl.col("treatment").replace({"A": "D", "B": "E"}))
    with pytest.raises(EvidenceError, match="not connected"):
        multilevel_network(own, apart, margins, **asked)
    with pytest.raises(EvidenceError, match="does not vary"):
        multilevel_network(own.with_columns(black=pl.lit(0.0)), arms, margins, **asked)
    gap = own.with_columns(age=pl.when(pl.int_range(pl.len()) == 4).then(None).otherwise(pl.col("age")))
    with pytest.raises(EvidenceError, match="row 5"):
        multilevel_network(gap, arms, margins, **asked)
