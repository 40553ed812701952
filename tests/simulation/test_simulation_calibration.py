"""Calibration: what was published, what is computed of virtual trials, likelihood, moments, sampling."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from flarefree.errors import DesignError, FlarefreeError
from flarefree.simulation.calibration.calibrating import Effort, calibrate
from flarefree.simulation.calibration.emulating import fit_emulator, refine, walk
from flarefree.simulation.calibration.likelihood import Evaluated, Spread, problem_of
from flarefree.simulation.calibration.moments import moments, needs_rows
from flarefree.simulation.calibration.posterior import (
    DRAWS_FILE,
    PROVENANCE_FILE,
    load_posterior,
    write_posterior,
)
from flarefree.simulation.calibration.predicting import predict, recipe_for, views
from flarefree.simulation.calibration.priors import PRIORS, Prior, parameters_at
from flarefree.simulation.calibration.sampling import draw_from, explore
from flarefree.simulation.calibration.smm import find_nearest
from flarefree.simulation.calibration.targets import Status, load_targets
from flarefree.simulation.engine import run_recipe
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.recipes import compiled
from flarefree.stats.survival import fit_cox, kaplan_meier

TRIALS = tuple(load_targets())


# Published numbers ---------------------------------------------------------------------------------


def value(trial: str, target: str, arm: str = "") -> float:
    return next(t.value for t in load_targets()[trial].targets if (t.id, t.arm) == (target, arm))


@pytest.mark.shared
def test_counts_are_those_that_the_papers_print(shared) -> None:
    import json

    alms = json.loads((shared / "published/alms_maintenance.json").read_text())
    named = {
        "treatment_failure": "treatment_failure", "renal_flare": "renal_flare", "rescue_therapy": "rescue",
        "esrd": "esrd", "sustained_doubling_of_creatinine": "doubling",
        "broad_treatment_failure": "broad_failure", "documented_or_suspected_renal_flare": "suspected",
        "major_extrarenal_flare": "extrarenal", "complete_remission": "remission",
    }  # fmt: skip
    for theirs, ours in named.items():
        for arm, (events, _) in alms["efficacy"][theirs]["events"].items():
            assert value("alms-maintenance", ours, arm) == events, (ours, arm)
    ratios = {"treatment_failure": "hr_failure", "renal_flare": "hr_flare", "rescue_therapy": "hr_rescue"}
    for theirs, ours in ratios.items():
        assert value("alms-maintenance", ours) == alms["efficacy"][theirs]["hr"]
    for arm, (mean, sd) in alms["exposure"]["treatment_duration_days_mean_sd"].items():
        assert value("alms-maintenance", "duration", arm) == mean
        assert value("alms-maintenance", "duration_sd", arm) == sd
    zhang = json.loads((shared / "published/multitarget_maintenance.json").read_text())
    named = {
        "renal_relapse": "renal_relapse", "esrd": "esrd", "sustained_doubling": "doubling",
        "egfr_decline_30pct": "egfr_decline", "renal_endpoint_events": "renal_endpoint",
        "extrarenal_relapse": "extrarenal_relapse", "did_not_complete": "not_completed",
        "dropout": "dropout", "lost_to_follow_up": "lost", "withdrawal_adverse_event": "withdrawn_ae",
        "protocol_violation": "violation",
    }  # fmt: skip
    for theirs, ours in named.items():
        for arm in ("MT", "AZA"):
            assert value("multitarget-maintenance", ours, arm) == zhang["withdrawal"][theirs][arm][0]
    for arm in ("MT", "AZA"):
        assert (
            value("multitarget-maintenance", "leukopenia", arm)
            == (zhang["adverse_events"]["leukopenia"][arm][0])
        )


def test_every_number_says_what_it_was_used_for() -> None:
    for trial in load_targets().values():
        keys = [(t.id, t.arm) for t in trial.targets]
        assert len(set(keys)) == len(keys)
        for t in trial.targets:
            assert t.status is not Status.HELD_OUT
            assert t.reason or t.status is Status.FITTED, t.id
            assert t.place
    prototype = [t for t in load_targets()["alms-maintenance"].targets if t.is_prototype]
    assert len(prototype) == 16 and all(t.status is Status.FITTED for t in prototype)


# What is computed of virtual trials ----------------------------------------------------------------


@pytest.fixture(scope="module")
def alms():
    keys = [t.key for t in load_targets()["alms-maintenance"].targets]
    recipe = recipe_for("alms-maintenance", keys, seed=4)
    return recipe, next(iter(views(recipe, 8)))


@pytest.fixture(scope="module")
def zhang():
    keys = [t.key for t in load_targets()["multitarget-maintenance"].targets]
    recipe = recipe_for("multitarget-maintenance", keys, seed=4)
    return recipe, next(iter(views(recipe, 8)))


def test_every_statistic_that_a_target_names_can_be_computed(alms, zhang) -> None:
    for name, (_, view) in zip(TRIALS, (alms, zhang), strict=True):
        targets = load_targets()[name].targets
        found = moments(view, [t.key for t in targets])
        for t in targets:
            values = found[t.key]
            assert values.shape == (8,)
            known = values[np.isfinite(values)]
            assert known.size, t.id
            if t.is_count:
                size = load_targets()[name].sizes.get(t.arm, 227)
                assert (known == np.floor(known)).all() and (known >= 0).all() and (known <= size).all()


def test_counts_of_events_and_of_completers_are_those_of_the_engine(alms) -> None:
    recipe, _ = alms
    summaries = run_recipe(recipe, 8, workers=1)
    order = list(compiled(recipe.definitions)[0].asked)
    for endpoint in ("treatment_failure", "rescue", "broad_treatment_failure"):
        found = predict(recipe, [(f"events {endpoint}", "MMF"), (f"events {endpoint}", "AZA")], 8)
        for k, arm in enumerate(("MMF", "AZA")):
            own = summaries.events[:, order.index(endpoint), k]
            assert found[f"events {endpoint}", arm].tolist() == own.tolist()
    found = predict(recipe, [("completed", "AZA"), ("days_mean", "AZA")], 8)
    assert found["completed", "AZA"].tolist() == summaries.completed[:, 0, 1].tolist()
    assert found["days_mean", "AZA"] * 111 == pytest.approx(summaries.days[:, 0, 1])


def test_hazard_ratio_and_incidence_of_a_stratum_are_those_of_its_patients_alone(zhang) -> None:
    """Partial remission at entry: the same as a Cox model and a curve of only those."""
    _, view = zhang
    level = "remission_status PR"
    found = moments(
        view,
        [(f"hazard_ratio_of_level relapse {level}", ""), (f"incidence_of_level relapse 18 {level}", "AZA")],
    )
    times = view.outcomes.times["relapse"]
    partial = view.tile.cohort.covariates["remission_status"] == "PR"
    arms = view.design.arm_of_patients()
    n, looked_at = view.design.n, 0
    for trial in range(view.trials):
        keep = np.flatnonzero(partial[trial * n : (trial + 1) * n])
        time = times.times[trial * n + keep].astype(float)
        event, arm = times.is_event[trial * n + keep], arms[keep]
        if min(event[arm == 0].sum(), event[arm == 1].sum()) < 1:
            continue
        looked_at += 1
        fit = fit_cox(time, event, (arm == 0).astype(float)[:, None])
        own = found[f"hazard_ratio_of_level relapse {level}", ""][trial]
        assert math.log(own) == pytest.approx(float(np.ravel(fit.coef)[0]), abs=1e-6)
        curve = kaplan_meier(time[arm == 1], event[arm == 1]).at([549.0], extend=True)
        free = curve.get_column("estimate")[0]
        in_percent = found[f"incidence_of_level relapse 18 {level}", "AZA"][trial]
        assert in_percent == pytest.approx(100 * (1 - free))
    assert looked_at >= 2


def test_a_statistic_that_does_not_exist_is_named(alms) -> None:
    _, view = alms
    with pytest.raises(DesignError, match="no such statistic"):
        moments(view, [("evnts renal_flare", "MMF")])
    with pytest.raises(DesignError, match="no visit in this month"):
        moments(view, [("in_state_percent complete_remission 7", "MMF")])


def test_doses_and_adverse_events_need_rows_and_nothing_else_does() -> None:
    assert needs_rows("adverse any") and needs_rows("dose_mean")
    assert not needs_rows("events death") and not needs_rows("baseline_mean upcr")


# Priors and likelihood -----------------------------------------------------------------------------


@pytest.mark.parametrize("prior", PRIORS, ids=lambda p: p.name)
def test_a_place_and_its_value_lead_to_each_other(prior: Prior) -> None:
    assert prior.value(0.0) == pytest.approx(prior.middle)
    for z in (-2.0, 0.3, 1.7):
        assert prior.place(prior.value(z)) == pytest.approx(z)


def test_parameters_at_a_point_change_only_what_is_fitted() -> None:
    z = np.full(len(PRIORS), 0.5)
    found = parameters_at(z, Parameters())
    assert found.lam_mmf == pytest.approx(0.25 * math.exp(0.35))
    assert found.sigma_o == Parameters().sigma_o


@pytest.fixture(scope="module")
def problem():
    return problem_of(seed=3, trials=8).at_reference(np.zeros(len(PRIORS)), 64)


def test_the_likelihood_is_highest_where_virtual_trials_print_what_was_published(problem) -> None:
    at = problem.log_likelihood(problem.observed)
    for i in range(len(problem.targets)):
        away = problem.observed.copy()
        away[i] += 2.0 * max(problem.sds(problem.observed)[i], 1.0)
        assert problem.log_likelihood(away) < at, problem.targets[i]


def test_counts_of_few_patients_are_binomial(problem) -> None:
    """Three of 111 kidney failures against a mean of 1: the difference of log-likelihoods by hand."""
    i = next(
        i
        for i, t in enumerate(problem.targets)
        if (t.trial, t.id, t.arm) == ("alms-maintenance", "esrd", "AZA")
    )
    assert problem.is_few[i]
    one, three = problem.observed.copy(), problem.observed.copy()
    one[i], three[i] = 1.0, 3.0
    p, q = (8 * 1.0 + 0.5) / (8 * 111 + 1), (8 * 3.0 + 0.5) / (8 * 111 + 1)
    by_hand = 3 * math.log(q / p) + 108 * math.log((1 - q) / (1 - p))
    assert problem.log_likelihood(three) - problem.log_likelihood(one) == pytest.approx(by_hand)


def test_standard_deviations_of_counts_follow_their_means_and_those_of_days_do_not(problem) -> None:
    means = problem.spread.mean.copy()
    i = next(i for i, t in enumerate(problem.targets) if t.id == "treatment_failure" and t.arm == "AZA")
    j = next(i for i, t in enumerate(problem.targets) if t.id == "duration" and t.arm == "AZA")
    before = problem.sds(means)
    means[i], means[j] = 10.0, means[j] * 0.5
    after = problem.sds(means)
    shape = lambda m: m * (1 - m / 111)  # noqa: E731
    assert after[i] / before[i] == pytest.approx(math.sqrt(shape(10.0) / shape(problem.spread.mean[i])))
    assert after[j] == before[j]


def test_the_same_random_numbers_are_used_at_every_point(problem) -> None:
    z = np.zeros(len(PRIORS))
    first, again = problem.means(z), problem.means(z)
    assert (first == again).all()
    label = [p.name for p in PRIORS].index("ae_label_other_multitarget")
    moved = z.copy()
    moved[label] = 1.0
    changed = problem.means(moved) != first
    # Labels of the multitarget trial move its withdrawals for adverse events, and no other number at all.
    assert {problem.targets[i].id for i in np.flatnonzero(changed)} == {"withdrawn_ae"}
    assert all(problem.targets[i].trial == "multitarget-maintenance" for i in np.flatnonzero(changed))


# Moments and sampling, where the answer is known ----------------------------------------------------


@dataclass
class Straight:
    """Means that are straight in the parameters: the posterior is normal, and known."""

    slope: np.ndarray
    observed: np.ndarray
    priors: tuple
    spread: Spread
    is_few: np.ndarray
    targets: tuple
    trials: int = 10**9

    def at_reference(self, z, trials):
        return self

    def sds(self, means):
        return self.spread.sd

    def wholes(self):
        return np.full(5, 100.0), np.zeros(5, bool)

    def log_likelihood(self, means):
        return float(self.log_likelihoods(means[None])[0])

    def log_likelihoods(self, means):
        away = (self.observed - means) / self.spread.sd
        return -0.5 * (away * np.linalg.solve(self.spread.correlation, away.T).T).sum(axis=1)


def straight() -> Straight:
    rng = np.random.default_rng(1)
    slope = rng.normal(size=(5, 3))
    correlation = 0.3 * np.ones((5, 5)) + 0.7 * np.eye(5)
    sd = np.array([0.5, 1.0, 2.0, 0.7, 0.4])
    observed = np.array([1.0, -0.5, 2.0, 0.3, 0.9])
    return Straight(
        slope, observed, (None,) * 3, Spread(observed, sd, correlation), np.zeros(5, bool), (None,) * 5
    )


def look(problem, points):
    return [Evaluated(problem.slope @ z, problem.log_likelihood(problem.slope @ z)) for z in points]


def known(problem) -> tuple[np.ndarray, np.ndarray]:
    sigma = problem.spread.correlation * np.outer(problem.spread.sd, problem.spread.sd)
    precision = problem.slope.T @ np.linalg.solve(sigma, problem.slope) + np.eye(3)
    covariance = np.linalg.inv(precision)
    return covariance @ problem.slope.T @ np.linalg.solve(sigma, problem.observed), covariance


def test_simulated_moments_find_the_known_point() -> None:
    problem = straight()
    found = find_nearest(problem, look)
    middle, covariance = known(problem)
    assert found.z == pytest.approx(middle, abs=1e-6)
    assert found.covariance == pytest.approx(covariance, abs=1e-6)
    assert found.has_converged


def test_sampling_finds_the_known_posterior_from_a_poor_first_proposal() -> None:
    problem = straight()
    middle, covariance = known(problem)
    sampled = explore(
        problem, middle + 0.6, covariance * 2.5, look, rng=np.random.default_rng(2), particles=1500, rounds=4
    )
    assert sampled.weights.sum() == pytest.approx(1.0)
    assert sampled.effective > 0.7 * 6000 and sampled.refused == 0
    assert sampled.weights @ sampled.points == pytest.approx(middle, abs=0.03)
    away = sampled.points - middle
    assert (away * sampled.weights[:, None]).T @ away == pytest.approx(covariance, abs=0.03)
    kept = sampled.points[draw_from(sampled, 2000, np.random.default_rng(3))]
    assert kept.mean(axis=0) == pytest.approx(middle, abs=0.05)


def test_an_emulator_learns_straight_means_and_its_chains_the_known_posterior() -> None:
    """From points of a proposal that is off; the weights that check it are then even."""
    problem, rng = straight(), np.random.default_rng(4)
    middle, covariance = known(problem)
    explored = explore(problem, middle + 0.5, covariance * 2.0, look, rng=rng, particles=300, rounds=1)
    emulator = fit_emulator(problem, explored)
    assert emulator.errors.max() < 1e-3
    elsewhere = middle + 0.3 * rng.standard_normal((20, 3))
    assert emulator.means(elsewhere) == pytest.approx(elsewhere @ problem.slope.T, abs=1e-2)
    chains = walk(problem, emulator, 2000, rng, steps=1500)
    assert chains.r_hat < 1.1 and 0.15 < chains.accepted < 0.45
    assert chains.points.mean(axis=0) == pytest.approx(middle, abs=0.06)
    assert np.cov(chains.points.T) == pytest.approx(covariance, abs=0.06)
    checked = refine(problem, emulator, chains, look)
    assert checked.effective > 0.99 * 2000


def test_an_emulator_that_is_wrong_is_put_right_by_the_weights() -> None:
    """Its first number shifted by one SD: the weighted points still have the known middle."""
    problem, rng = straight(), np.random.default_rng(5)
    middle, covariance = known(problem)
    explored = explore(problem, middle, covariance * 1.5, look, rng=rng, particles=300, rounds=1)
    emulator = fit_emulator(problem, explored)
    coefficients = emulator.coefficients.copy()
    coefficients[0, 0] += 0.5
    wrong = replace(emulator, coefficients=coefficients)
    chains = walk(problem, wrong, 4000, rng, steps=2500)
    checked = refine(problem, wrong, chains, look)
    off = np.abs(chains.points.mean(axis=0) - middle).max()
    assert off > 0.1 and checked.effective < 0.97 * 4000
    assert np.abs(checked.weights @ checked.points - middle).max() < 0.6 * off


def test_points_that_the_model_refuses_get_no_weight() -> None:
    problem = straight()
    middle, covariance = known(problem)

    def partly(problem, points):
        return [
            one if z[0] < middle[0] else Evaluated(one.means, -1e300)
            for one, z in zip(look(problem, points), points, strict=True)
        ]

    sampled = explore(
        problem, middle, covariance, partly, rng=np.random.default_rng(2), particles=500, rounds=2
    )
    assert 300 < sampled.refused < 700
    assert (sampled.points[sampled.weights > 0][:, 0] < middle[0]).all()


# The whole way -------------------------------------------------------------------------------------

SMALL = Effort(trials=8, steps=1, reference_trials=40, particles=54, rounds=1, walk=60, draws=20)


def test_the_same_seed_gives_the_same_bytes_on_one_process_and_on_two(tmp_path) -> None:
    for folder, workers in (("one", 1), ("two", 2)):
        write_posterior(calibrate(seed=8, effort=SMALL, workers=workers).posterior, tmp_path / folder)
    for name in (DRAWS_FILE, PROVENANCE_FILE):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    again = load_posterior(tmp_path / "one")
    assert len(again) == 20 and again.names == tuple(p.name for p in PRIORS)
    assert again.provenance["seed"] == 8 and "--quick" in again.provenance["command"]


def test_a_folder_without_a_posterior_is_an_error_that_says_what_to_do(tmp_path) -> None:
    with pytest.raises(DesignError, match="simulate calibrate"):
        load_posterior(tmp_path)
    (tmp_path / DRAWS_FILE).write_text("lam_mmf,lam_aza\n0.2,0.3\n0.1\n")
    (tmp_path / PROVENANCE_FILE).write_text("seed: 1\n")
    with pytest.raises(DesignError, match="not a table of draws"):
        load_posterior(tmp_path)
    (tmp_path / DRAWS_FILE).write_text("lam_xyz\n0.2\n")
    with pytest.raises(DesignError, match="no such parameter"):
        load_posterior(tmp_path)


def test_too_few_particles_are_refused() -> None:
    with pytest.raises(FlarefreeError, match="particles"):
        calibrate(particles=10)


def test_a_posterior_knows_its_spread_and_correlations() -> None:
    sample = load_posterior()
    doubled = replace(sample, values=sample.values[:2].repeat(3, axis=0))
    assert set(sample.spread()) == set(sample.names)
    assert all(ratio >= 0 for ratio in doubled.spread().values())
    first, *rest = sample.strongest()
    assert abs(first[2]) >= max(abs(pair[2]) for pair in rest)
    draws = sample.draws()
    assert draws[3].lam_aza == sample.values[3, sample.names.index("lam_aza")]
    assert SimpleNamespace(**sample.medians()).lam_mmf == pytest.approx(
        np.median(sample.values[:, 0]), rel=0.01
    )
