"""What always holds of virtual trials, whatever the design, andthat they are the same wherever run."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flarefree as ff
from flarefree.errors import DesignError, LanguageError, NotFoundError
from flarefree.protocol.loading import load_protocol
from flarefree.simulation.asking import ask
from flarefree.simulation.design import design_of
from flarefree.simulation.engine import run_recipe, summarize_trials
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.simulating import recipe_of
from flarefree.simulation.summaries import grouped_times
from flarefree.simulation.tiles import Asker
from flarefree.stats.survival import fit_cox, kaplan_meier, logrank

ALMS = load_protocol("alms-maintenance")
QUESTION = ask(ALMS)
BUSY = Parameters().changed(
    lam_mmf=0.9, lam_aza=1.4, q_nephritic=0.5, q_severe=0.9, death=0.05, extrarenal=0.4
)

HALF_A_GRAM = "upcr >= 2 * baseline(upcr) and upcr >= 0.5 mg/mg"
SEARCH = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
SEEDS = st.integers(0, 2**64 - 1)
DESIGNS = st.fixed_dictionaries(
    {"n": st.integers(3, 20)},
    optional={
        "dropout": st.floats(0, 0.9),
        "noise": st.floats(0, 3),
        "committee_strictness": st.floats(-3, 3),
        "hazard_ratio": st.floats(0.05, 3),
        "visit_spacing": st.sampled_from([1.0, 2.5, 6.0]),
    },
)


def tile(design, seed: int, trials: range = range(3), parameters: Parameters = BUSY):
    return Asker((QUESTION,), design, seed).ask(trials, parameters)


def same(a, b) -> bool:
    return all(
        np.array_equal(getattr(a, f.name), getattr(b, f.name), equal_nan=getattr(a, f.name).dtype.kind == "f")
        for f in fields(a)
    )


# Endpoints -------------------------------------------------------------------------------------------


@SEARCH
@given(DESIGNS, SEEDS)
def test_failure_is_the_first_of_its_components_and_wider_definitions_contain_narrower(given_, seed) -> None:
    times = tile(design_of(ALMS, given_), seed).outcomes[0].times
    parts = [times[name] for name in ALMS.spec.endpoints["treatment_failure"].first_of]
    first = np.min([np.where(t.is_event, t.stop_days, 2**30) for t in parts], axis=0)
    failure = times["treatment_failure"]
    assert (np.where(failure.is_event, failure.stop_days, 2**30) == first).all()
    for wide, narrow in (
        ("broad_treatment_failure", "treatment_failure"),
        ("documented_or_suspected_renal_flare", "renal_flare"),
        ("documented_or_suspected_renal_flare", "suspected_renal_flare"),
        ("remission_reached", "combined_remission_reached"),
    ):
        assert (times[wide].is_event >= times[narrow].is_event).all(), (wide, narrow)
        assert (times[wide].stop_days <= times[narrow].stop_days).all(), (wide, narrow)


@SEARCH
@given(SEEDS, st.sampled_from([12.0, 18.0, 24.0]))
def test_a_longer_trial_never_alters_the_past_of_a_shorter_one(seed, months) -> None:
    short = design_of(ALMS, {"n": 12, "horizon_months": months})
    long = design_of(ALMS, {"n": 12})
    a, b = tile(short, seed), tile(long, seed)
    for name, one in a.outcomes[0].times.items():
        two = b.outcomes[0].times[name]
        assert (~one.is_event | (two.is_event & (two.stop_days == one.stop_days))).all(), name
    assert (a.outcomes[0].consequences.end_days <= b.outcomes[0].consequences.end_days).all()
    shared = short.visit_days.index(184) + 1
    for name, column in a.panel.columns.items():
        later = b.panel.columns[name].values.reshape(72, -1)
        assert (column.values.reshape(72, -1)[:, :shared] == later[:, :shared]).all(), name


@SEARCH
@given(SEEDS)
def test_patients_and_trials_that_are_added_change_nobody(seed) -> None:
    few, many = design_of(ALMS, {"n": 5}), design_of(ALMS, {"n.MMF": 9, "n.AZA": 7})
    a, b = tile(few, seed), tile(many, seed, range(5))
    where = [t * 16 + k for t in range(3) for k in (*range(5), *range(9, 14))]
    for name, times in a.outcomes[0].times.items():
        other = b.outcomes[0].times[name]
        assert (times.times == other.times[where]).all(), name
        assert (times.is_event == other.is_event[where]).all(), name


@SEARCH
@given(SEEDS, st.integers(0, 40))
def test_a_trial_replayed_alone_is_the_trial_of_the_batch(seed, trial) -> None:
    design = design_of(ALMS, {"n": 6})
    batch = tile(design, seed, range(trial, trial + 4))
    alone = tile(design, seed, range(trial + 2, trial + 3))
    for name, times in alone.outcomes[0].times.items():
        assert (batch.outcomes[0].times[name].times[24:36] == times.times).all(), name


def test_arms_of_one_treatment_with_the_same_people_have_the_same_outcomes() -> None:
    design = design_of(ALMS, {"n": 40, "shared_patients": 1}).as_null()
    times = tile(design, 3).outcomes[0].times["treatment_failure"]
    mmf, aza = times.times.reshape(3, 2, 40)[:, 0], times.times.reshape(3, 2, 40)[:, 1]
    assert (mmf == aza).all()


def test_null_arms_are_exchangeable() -> None:
    recipe = recipe_of(ALMS, seed=8, sizes=100)
    null = run_recipe(replace(recipe, design=recipe.design.as_null()), 400, workers=1)
    z = null.z[:, 0, 0]
    assert abs(z.mean()) < 4 / np.sqrt(400)
    assert 0.02 < (np.abs(z) > 1.96).mean() < 0.09
    # The other way round, every z changes its sign: arms differ by their random numbers alone.
    assert np.array_equal(null.events.sum(axis=(1, 2)) > 0, np.ones(400, dtype=bool))


def test_stricter_committees_confirm_less_and_noise_makes_more_candidates() -> None:
    def events(**changes) -> np.ndarray:
        return run_recipe(recipe_of(ALMS, seed=2, settings={"n": 100, **changes}), 40, workers=1).events.mean(
            axis=(0, 2)
        )

    flare = QUESTION.asked.index("renal_flare")
    suspected = QUESTION.asked.index("suspected_renal_flare")
    usual, strict, noisy = events(), events(committee_strictness=2.0), events(noise=2.0)
    assert strict[flare] < 0.7 * usual[flare]
    assert noisy[suspected] > 1.1 * usual[suspected]


# Statistics of a trial -------------------------------------------------------------------------------


def test_every_trial_has_the_statistics_of_its_patients() -> None:
    recipe = recipe_of(ALMS, seed=5)
    found = summarize_trials(recipe, 0, 4)
    done = Asker((QUESTION,), recipe.design, 5).ask(range(4), Parameters())
    times = done.outcomes[0].times["treatment_failure"]
    mmf = (done.cohort.arm == 0).astype(float)
    for k in range(4):
        own = slice(k * 227, (k + 1) * 227)
        time_, event, arm = times.times[own].astype(float), times.is_event[own], mmf[own]
        assert found.z[k, 0, 0] == pytest.approx(logrank(time_, event, arm).z, rel=1e-9)
        fit = fit_cox(time_, event, arm[:, None])
        assert found.log_hr[k, 0, 0] == pytest.approx(float(fit.coef[0]), rel=1e-6)
        curve = kaplan_meier(time_[arm == 1], event[arm == 1])
        assert found.survival[k, 0, 0] == pytest.approx(curve.at([1097.0])["estimate"].item(), rel=1e-6)
        assert found.events[k, QUESTION.asked.index("treatment_failure"), 0] == event[arm == 1].sum()
        ends = done.outcomes[0].consequences.end_days[own]
        assert found.days[k, 0, 0] == ends[arm == 1].sum()


def test_times_by_visit() -> None:
    visits = (1, 31, 62)
    time_, event = np.array([1, 2, 31, 32, 62, 1, 30, 31, 61, 62]), np.array([True] * 5 + [False] * 5)
    assert grouped_times(time_, event, visits).tolist() == [0, 1, 1, 2, 2, 0, 0, 1, 1, 2]


# Where and how trials are run ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recipe():
    return recipe_of(ALMS, seed=6, settings={"n": 30})


@pytest.fixture(scope="module")
def here(recipe):
    return run_recipe(recipe, 96, workers=1)


@pytest.mark.parametrize("size", [1, 7, 40])
def test_the_size_of_tiles_does_not_change_a_bit(recipe, here, size) -> None:
    assert same(run_recipe(recipe, 96, workers=1, tile=size), here)


def test_nor_does_the_number_of_workers(recipe, here) -> None:
    assert same(run_recipe(recipe, 96, workers=2, tile=4), here)


def test_trials_begun_later_are_the_same_trials(recipe, here) -> None:
    late = run_recipe(recipe, 50, first_trial=46, workers=1)
    assert np.array_equal(late.z, here.z[46:])


def test_draws_of_parameters_serve_eight_trials_each_whatever_the_tile(recipe) -> None:
    draws = tuple(Parameters().changed(lam_aza=rate) for rate in (0.2, 0.5, 2.0))
    several = replace(recipe, draws=draws)
    found = run_recipe(several, 48, workers=1)
    assert same(run_recipe(several, 48, workers=1, tile=5), found)
    alone = run_recipe(replace(recipe, draws=draws[2:]), 24, workers=1)
    assert np.array_equal(found.events[16:24], alone.events[16:24])
    assert not np.array_equal(found.events[8:16], alone.events[8:16])


def test_a_worker_that_dies_is_replaced_and_its_trials_done_again(recipe, here) -> None:
    """Every worker is killed once, some seconds into the run."""
    killed = []

    def kill() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and len(killed) < 2:
            for child in _children(os.getpid()):
                if child not in killed and len(killed) < 2:
                    os.kill(child, signal.SIGKILL)
                    killed.append(child)
            time.sleep(0.05)

    threading.Thread(target=kill, daemon=True).start()
    assert same(run_recipe(recipe, 96, workers=2, tile=2), here)
    assert len(killed) == 2


def _children(parent: int) -> list[int]:
    """Our workers, by their command line; children of this very process alone."""
    out = subprocess.run(
        ["ps", "--ppid", str(parent), "-o", "pid=,args="], capture_output=True, text=True
    ).stdout
    return [int(line.split()[0]) for line in out.splitlines() if "flarefree.simulation.workers" in line]


def test_errors_of_workers_reach_the_caller() -> None:
    recipe = recipe_of(ALMS, seed=1, settings={"n": 3})
    bad = replace(recipe, design=replace(recipe.design, population="Mars"))
    with pytest.raises(DesignError, match="Mars"):
        run_recipe(bad, 64, workers=2, tile=2)


def test_no_workers_are_refused(recipe) -> None:
    with pytest.raises(DesignError, match="no workers"):
        run_recipe(recipe, 8, workers=0)


# The call --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def characteristics():
    return ff.simulate(
        "alms-maintenance", trials=60, seed=3, sizes={"MMF": 60, "AZA": 50}, null=True, looks=[0.5],
        endpoints=["renal_flare"], workers=1,
        definitions={"half a gram": {"proteinuric_flare": HALF_A_GRAM}},
    )  # fmt: skip


def test_operating_characteristics_hold_together(characteristics) -> None:
    c = characteristics
    assert c.sizes == (60, 50)
    assert [d.name for d in c.definitions] == ["", "renal_flare", "half a gram"]
    assert c.type_one_error is not None
    low, high = c.main.power["MMF"].interval()
    assert low < c.main.power["MMF"].rate < high
    assert c.looks is not None and sum(c.looks.stops) == pytest.approx(1.0)
    assert (
        c.looks.expected_events
        <= c.main.events["treatment_failure"]["MMF"].mean
        + c.main.events["treatment_failure"]["AZA"].mean
        + 1e-9
    )
    assert c.agreement[0][0] == c.main.power["MMF"].rate
    assert c.agreement[0][2] <= min(c.agreement[0][0], c.agreement[2][2])


def test_a_wider_definition_finds_more_events_in_the_same_patients(characteristics) -> None:
    own, wide = characteristics.definitions[0], characteristics.definitions[2]
    for arm in ("MMF", "AZA"):
        assert wide.events["proteinuric_flare"][arm].mean > own.events["proteinuric_flare"][arm].mean


def test_results_print_as_a_table_and_travel_as_json_and_frame(characteristics) -> None:
    import json

    text = str(characteristics)
    assert "Virtual patients: nobody here exists." in text
    assert "half a gram" in text and "Type I error" in text and "obrien-fleming" in text
    told = json.loads(json.dumps(characteristics.to_dict(), allow_nan=True))
    assert told["how"]["engine"] == "every trial simulated whole"
    assert {"power", "type_one_error", "definitions", "looks", "how"} <= set(told)
    frame = characteristics.tidy()
    assert set(frame["statistic"]) >= {"power", "type_one_error", "hazard_ratio", "events", "completed"}


def test_a_sentence_that_cannot_be_read_is_refused_with_its_place() -> None:
    with pytest.raises(LanguageError, match="upc"):
        ff.simulate("alms-maintenance", trials=2, define={"proteinuric_flare": "upc >= 2 mg/mg"})


def test_an_analysis_that_is_not_there_and_an_endpoint_too() -> None:
    with pytest.raises(DesignError, match="log-rank"):
        ff.simulate("alms-maintenance", trials=2, analysis="logrnk")
    with pytest.raises(NotFoundError):
        ff.simulate("alms-maintenance", trials=2, endpoints=["nothing"])


def test_the_plan_of_alms_needs_102_a_group() -> None:
    """The log-rank test of the paper's plan reaches 80 % at 102 a group, give or take: a knife's edge.

    With 100,000 trials the Monte Carlo error is 0.0013; 101 and 103 lie 0.0027 below and above.
    """
    plan = {"control_failure": 0.375, "treatment_failure": 0.2, "horizon_months": 36, "seed": 1}
    power = {
        n: ff.simulation.simulate_two_arm(n_per_arm=n, trials=100_000, **plan).power for n in (98, 102, 106)
    }
    assert power[98] < 0.795 < power[102] + 0.004
    assert abs(power[102] - 0.80) < 0.004
    assert power[106] > 0.805
