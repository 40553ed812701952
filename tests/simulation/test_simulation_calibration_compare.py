"""Published numbers beside virtual trials, by the posterior that comes with this version."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from flarefree.cli.app import run
from flarefree.errors import NotFoundError
from flarefree.reports.calibration import render_comparison_page, render_hold_out_page
from flarefree.reports.figures import describe_figure
from flarefree.reports.figures.palette import Palette
from flarefree.simulation import simulate
from flarefree.simulation.calibration.calibrating import FULL, provenance_digests
from flarefree.simulation.calibration.comparing import compare
from flarefree.simulation.calibration.hold_outs import (
    load_hold_outs,
    predict_hold_outs,
    recipe_of_hold_out,
)
from flarefree.simulation.calibration.posterior import Posterior, load_posterior
from flarefree.simulation.calibration.priors import PRIORS
from flarefree.simulation.calibration.showing import comparison_figures
from flarefree.simulation.calibration.targets import load_targets
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.recipes import compiled


def called(capsys, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        run(["simulate", *words])
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, out.err


# The posterior that is shipped ---------------------------------------------------------------------


def test_the_posterior_belongs_to_the_targets_priors_and_fixed_parameters_of_this_version() -> None:
    how = load_posterior().provenance
    assert {name: how[name] for name in provenance_digests()} == provenance_digests()
    assert how["command"] == f"flarefree simulate calibrate --seed {how['seed']} --particles {FULL.particles}"
    assert "quick" not in how["command"] and "date" not in how


def test_the_posterior_had_converged() -> None:
    how = load_posterior().provenance
    assert how["simulated_moments"]["converged"]
    assert how["posterior"]["effective_points"] > 200
    assert how["posterior"]["largest_weight"] < 0.05
    assert how["posterior"]["distinct_draws"] > 150
    assert how["emulator"]["r_hat"] < 1.1 and how["emulator"]["median_error"] < 0.3


def test_the_defaults_stand_at_the_medians_of_the_posterior() -> None:
    usual = Parameters()
    for name, median in load_posterior().medians().items():
        assert getattr(usual, name) == pytest.approx(median, rel=1e-9), name


def test_simulate_runs_over_the_posterior() -> None:
    over = simulate("alms-maintenance", trials=16, seed=3, workers=1, parameters="posterior")
    assert over.how["parameters"].startswith(f"{len(load_posterior())} draws")
    first = simulate("alms-maintenance", trials=8, seed=3, workers=1, parameters=load_posterior().draws()[0])
    same = simulate("alms-maintenance", trials=8, seed=3, workers=1, parameters="posterior")
    assert (first.per_trial.events == same.per_trial.events).all()


# Comparisons ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alms():
    return compare("alms-maintenance", trials=160, with_power=False)


@pytest.fixture(scope="module")
def zhang():
    return compare("multitarget-maintenance", trials=160, with_power=False)


def test_every_number_fitted_lies_within_its_interval_but_for_chance(alms, zhang) -> None:
    for found in (alms, zhang):
        groups = {c.of: c for c in found.coverage}
        fitted = groups["numbers fitted"]
        assert fitted.inside >= fitted.low
        assert groups["all numbers"].inside >= min(
            groups["all numbers"].low, groups["all numbers"].binomial_low
        )
    moments = next(c for c in alms.coverage if "16" in c.of)
    assert moments.count == 16 and moments.inside >= 15
    assert all(row.is_inside for row in alms.rows if row.target.id in ("treatment_failure", "hr_failure"))


def test_what_always_holds_holds_for_every_patient(alms, zhang) -> None:
    for found, size in ((alms, 227), (zhang, 206)):
        assert len(found.invariants) >= 5
        for one in found.invariants:
            assert one.broken == 0 and one.patients == 160 * size, one


def test_parameters_that_are_wrong_are_seen_to_be_wrong(alms) -> None:
    """A third of the flares under azathioprine: its failures, flares and the joint distance say so."""
    sample = load_posterior()
    values = sample.values.copy()
    values[:, sample.names.index("lam_aza")] /= 3.0
    found = compare(
        "alms-maintenance", trials=160, posterior=Posterior(sample.names, values, {}), with_power=False
    )
    assert not found.row("treatment_failure", "AZA").is_inside
    assert found.row("treatment_failure", "AZA").pit > 0.99
    assert found.row("treatment_failure", "MMF").is_inside
    fitted = next(c for c in found.coverage if c.of == "numbers fitted")
    assert fitted.inside < fitted.low
    assert found.joint[0].p_value < alms.joint[0].p_value


def test_intervals_are_values_that_were_seen_and_pits_count_halves(alms) -> None:
    row = alms.row("esrd", "MMF")
    assert row.target.value == 0 and row.low == 0 and row.high == int(row.high)
    assert 0 < row.pit <= 0.5  # nobody can have fewer than none; half of those with none lie below
    for r in alms.rows:
        assert r.low <= r.mean <= r.high or np.isinf(r.high) or r.low == r.high


def test_an_unknown_trial_is_named_with_those_that_there_are() -> None:
    with pytest.raises(NotFoundError, match="multitarget-maintenance"):
        compare("alms")


def test_the_page_and_the_figure_show_every_number(alms) -> None:
    page = render_comparison_page(alms, Palette())
    assert "<script" not in page and "Virtual patients" in page
    for row in alms.rows:
        assert row.target.label.split(" (")[0].split("&")[0] in page.replace("&gt;", ">").replace(
            "&#39;", "'"
        )
    first = comparison_figures(alms)[0]
    outside = [r for r in alms.missed if r.target.status != "input"]
    words = describe_figure(first)
    assert words.startswith(f"{first.data['main'].height - len(outside)} of {first.data['main'].height} ")
    for r in outside:
        assert r.target.label in words


# Trials that nothing was fitted to -----------------------------------------------------------------


def test_what_is_held_out_is_in_no_target() -> None:
    sources = {held.source for held in load_hold_outs().values()}
    assert {"houssiau2010", "moroni2006", "mok2016", "aurora2024", "hanly2016"} <= sources
    assert not sources & {trial.source for trial in load_targets().values()}


@pytest.mark.parametrize("name", list(load_hold_outs()))
def test_each_is_a_design_with_its_own_definition_sizes_and_horizon(name: str) -> None:
    held = load_hold_outs()[name]
    recipe = recipe_of_hold_out(held, (Parameters(),), 1)
    question = compiled(recipe.definitions)[0]
    assert question.primary == question.ends_at == "flare"
    assert recipe.design.sizes == tuple(int(own["n"]) for own in held.arms.values())
    assert recipe.design.horizon_day == 1 + round(int(held.spec["months"]) * 30.4375)
    assert question.plans["flare"].spec.adjudicated == held.spec["adjudicated"]


def test_predictions_are_wider_elsewhere_and_stopping_tacrolimus_brings_flares() -> None:
    found = predict_hold_outs(["maintain", "mok"], trials=400)
    by_arm = {(p.trial, p.arm): p for p in found}
    assert by_arm["mok", "TAC"].mean > by_arm["mok", "MMF"].mean
    assert by_arm["maintain", "AZA"].mean > by_arm["maintain", "MMF"].mean
    wider = [
        (p.elsewhere_high - p.elsewhere_low) / max(p.elsewhere_high, 1) - (p.high - p.low) / max(p.high, 1)
        for p in found
    ]
    assert np.mean(wider) > 0
    assert "houssiau2010" in render_hold_out_page(found, Palette())
    with pytest.raises(NotFoundError, match="moroni"):
        predict_hold_outs(["maroni"])


# The command ---------------------------------------------------------------------------------------


def test_the_command_writes_a_page_numbers_and_figures(capsys, tmp_path) -> None:
    out = tmp_path / "held"
    code, told, _ = called(capsys, "compare", "hold-outs", "--trials", "40", "--out", str(out))
    assert code == 0 and "MAINTAIN" not in told.splitlines()[0] and "maintain" in told
    assert {p.name for p in out.iterdir()} == {
        "comparison.html", "comparison.json", "numbers.csv", "held-out.svg"
    }  # fmt: skip
    assert len(json.loads((out / "comparison.json").read_text())["hold_outs"]) >= 12


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("compare", "alms"), "alms-maintenance"),
        (("compare", "alms-maintenance", "--trials", "3"), "trials"),
        (("compare", "alms-maintenance", "--posterior", "nowhere"), "no posterior sample there"),
        (("calibrate", "--particles", "4"), "particles"),
        (("calibrate", "--workers", "0"), "workers"),
        (("calibrate", "--seed", "-1"), "seed"),
    ],
)
def test_nonsense_is_a_clear_error(capsys, words, says) -> None:
    code, _, err = called(capsys, *words)
    assert code == 2 and says in err and "Traceback" not in err


@pytest.mark.slow
def test_a_thousand_trials_hold_every_fitted_number_of_both_papers() -> None:
    """Type I error within Monte Carlo error of .05; power of the plan near .80 with a fifth lost."""
    for name in load_targets():
        found = compare(name, trials=1000)
        fitted = next(c for c in found.coverage if c.of == "numbers fitted")
        assert fitted.inside >= fitted.low
        assert all(one.p_value > 0.01 for one in found.joint[:1])
        if found.power:
            by_label = {p.label: p for p in found.power}
            error = by_label["Type I error, arms alike"]
            assert abs(error.power - 0.05) < 3 * max(error.std_error, 0.005)
            assert by_label["Power of the plan as a formula takes it, 20% drop out"].power == pytest.approx(
                0.80, abs=0.01
            )


def test_every_prior_is_a_parameter_and_says_where_it_is_from() -> None:
    for prior in PRIORS:
        assert hasattr(Parameters(), prior.name) and prior.source and prior.sd > 0
    assert replace(PRIORS[0], sd=1.0).value(1.0) > PRIORS[0].middle
