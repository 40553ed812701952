"""Doses: check B7, whether it sees faults, and how instructions read."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flarefree.conduct.checks import dosing as check
from flarefree.conduct.checks import run_check
from flarefree.conduct.checks.blinded_trial import alms_spec, blinded_multitarget
from flarefree.conduct.dosing import (
    DoseState,
    Interrupt,
    Resume,
    SetStep,
    Start,
    StepReason,
    Titrate,
    clock_of,
    dose_plan,
    instruct,
    next_state,
    plan,
)
from flarefree.conduct.dosing.plan import PlannedProduct
from flarefree.errors import ConductError, DesignError, ProtocolError
from flarefree.protocol.loading import load_protocol


def test_B7_doses():
    result = run_check(check.CHECKS[0])
    assert not result.failures, str(result)
    assert len(result.evidence) >= 50


def test_B7_sees_a_dose_below_the_minimum(monkeypatch):
    whole = PlannedProduct.units

    def units(self, stage, weight_kg, share, offset, lasts):
        return whole(self, stage, weight_kg, share, offset, False)

    monkeypatch.setattr(PlannedProduct, "units", units)
    failed = [row.what for row in run_check(check.CHECKS[0], quick=True).failures]
    assert any("below the minimum" in what for what in failed)


def test_B7_sees_a_plan_that_depends_on_the_order_of_arms(monkeypatch):
    monkeypatch.setattr(check, "dose_plan", _label_of_first_arm(dose_plan))
    failed = [row.what for row in run_check(check.CHECKS[0], quick=True).failures]
    assert any("differ with arms exchanged" in what for what in failed)


def _label_of_first_arm(right):
    from dataclasses import replace

    def leaky(spec):
        found = right(spec)
        if next(iter(spec.arms)) in ("MMF", "MT"):
            return found
        first = replace(found.products[0], label=found.products[0].label + " ")
        return replace(found, products=(first, *found.products[1:]))

    return leaky


def test_B7_sees_a_clock_that_is_a_day_late(monkeypatch):
    from dataclasses import replace

    from flarefree.conduct.dosing import states

    def late(p, s, day):
        clock = clock_of(p, s, day)
        return clock and replace(clock, is_exceeded=clock.days > 15)

    monkeypatch.setattr(check, "clock_of", late)
    assert states.clock_of is clock_of
    failed = [row.what for row in run_check(check.CHECKS[0], quick=True).failures]
    assert "day 15 of an interruption is one too many" in failed


def test_the_text_of_an_instruction():
    p = dose_plan(alms_spec())
    state = next_state(p, DoseState(), Start("a", 1, Fraction(62)))
    state = next_state(p, state, SetStep("b", 5, 1, StepReason.INTOLERANCE))
    assert instruct(p, state, 5, 30).text == (
        "Study days 5 to 30\n"
        "  Tablets M (mycophenolate mofetil 500 mg or placebo), morning: 2 tablets\n"
        "  Tablets M (mycophenolate mofetil 500 mg or placebo), evening: 1 tablet\n"
        "  Tablets A (azathioprine 25 mg or placebo), morning: 4 tablets"
    )
    needed = instruct(p, state, 5, 30).tablets_needed()
    assert sorted(needed.values()) == [3 * 26, 4 * 26]


def test_two_strengths_are_told_with_their_milligrams():
    p = dose_plan(blinded_multitarget())
    state = next_state(p, DoseState(), Start("a", 1, Fraction(60)))
    lines = instruct(p, state, 1, 10).text.splitlines()
    assert "  Capsules T, morning: 1 tablet of 1 mg and 1 tablet of 0.5 mg" in lines
    assert "  Tablets A, morning: 2 tablets of 50 mg and 1 tablet of 25 mg" in lines  # 120 mg: 4.8 of 25


def test_titration_stays_within_minimum_and_highest():
    p = dose_plan(blinded_multitarget())
    state = next_state(p, DoseState(), Start("a", 1, Fraction(60)))
    for i in range(6):  # 3 mg to 6 mg by half milligrams
        state = next_state(p, state, Titrate(f"up {i}", 10 + i, 1))
    with pytest.raises(ConductError, match="highest already"):
        next_state(p, state, Titrate("one more", 20, 1))


def test_a_trial_that_is_not_double_dummy_has_no_plan():
    with pytest.raises(DesignError, match="no products"):
        dose_plan(load_protocol("multitarget-maintenance").spec)


@settings(max_examples=150, deadline=None)
@given(st.integers(20_000, 150_000), st.integers(0, 2), st.integers(1, 1000))
def test_tablets_are_within_half_a_tablet_of_the_target(grams, step, day):
    p = dose_plan(alms_spec())
    state = next_state(p, DoseState(), Start("a", 1, Fraction(grams, 1000)))
    if step:
        state = next_state(p, state, SetStep("b", day, step, StepReason.OTHER))
    for product in p.products:
        mg = state.daily_units(p, product, day) * product.smallest_mg
        target = product.stages[0].target.mg_for(Fraction(grams, 1000)) * p.steps[step]
        limits = product.stages[0].minimum_mg, product.highest_mg
        assert limits[0] <= mg <= limits[1]
        if limits[0] <= target <= limits[1]:
            assert abs(mg - target) <= product.smallest_mg / 2


@pytest.mark.parametrize("days, is_allowed", [(13, True), (14, True), (15, False)])
def test_fourteen_days_without_study_drug(days, is_allowed):
    p = dose_plan(alms_spec())
    state = next_state(p, DoseState(), Start("a", 1, Fraction(60)))
    state = next_state(p, state, Interrupt("b", 50, 1, StepReason.LABORATORY))
    if is_allowed:
        assert next_state(p, state, Resume("c", 50 + days, 0)).interrupted_on is None
    else:
        with pytest.raises(ConductError, match="too long"):
            next_state(p, state, Resume("c", 50 + days, 0))


def test_a_state_is_not_changed_by_a_command():
    p = dose_plan(alms_spec())
    state = next_state(p, DoseState(), Start("a", 1, Fraction(60)))
    before = repr(state)
    next_state(p, state, SetStep("b", 5, 2, StepReason.OTHER))
    assert repr(state) == before


@pytest.mark.parametrize(
    "was, becomes, says",
    [
        ("tablets: [500 mg]", "tablets: [500 mg, 300 mg]", "multiple"),
        ("tablets: [500 mg]", "tablets: [half a gram]", "cannot be read"),
        ("drug: azathioprine, label", "drug: azathioprin, label", "no drug called"),
        ("steps: [1, 0.75, 0.5]", "steps: [0.75, 0.5]", "steps"),
        ("highest: 2 g/day", "highest: 2 g", "cannot be read"),
    ],
)
def test_doses_that_could_not_be_followed_are_refused_at_their_line(tmp_path, was, becomes, says):
    from importlib import resources

    text = resources.files("flarefree.protocol.library").joinpath("alms-maintenance.yaml").read_text("utf-8")
    assert was in text
    path = tmp_path / "trial.yaml"
    path.write_text(text.replace(was, becomes, 1).replace("published: published/alms-maintenance.yaml\n", ""))
    with pytest.raises(ProtocolError) as caught:
        load_protocol(path)
    assert says in str(caught.value) and "trial.yaml:" in str(caught.value)


def test_the_module_of_plans_is_not_shadowed():
    assert plan.dose_plan is dose_plan
