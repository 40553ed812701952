"""Pooling of awkward trials: right answers or clear errors, never a traceback and never a silent guess."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from flarefree.errors import EvidenceError, StatsError
from flarefree.evidence.pooling import pairwise
from flarefree.evidence.pooling.boundaries import compute_boundaries, spend_alpha
from flarefree.evidence.pooling.heterogeneity import ESTIMATORS, estimate_tau2, log_likelihood
from flarefree.evidence.pooling.weighing import Constant, Moderated

RANDOM = list(ESTIMATORS)


def contrasts(y, se, **extra) -> dict:
    k = len(y)
    return {
        "study": [f"trial {i + 1}" for i in range(k)],
        "treatment_1": ["MMF"] * k,
        "treatment_2": ["AZA"] * k,
        "estimate": list(y),
        "std_error": list(se),
    } | extra


def arms(*tables: tuple[int, int, int, int]) -> list[dict]:
    """Trials as (events, n, events, n): MMF first."""
    return [
        {"study": f"trial {i + 1}", "treatment": arm, "events": t[2 * j], "n": t[2 * j + 1]}
        for i, t in enumerate(tables)
        for j, arm in enumerate(("MMF", "AZA"))
    ]


@pytest.mark.parametrize("method", [*RANDOM, "common"])
@pytest.mark.parametrize("hartung_knapp", [False, True])
def test_one_trial_is_itself(method, hartung_knapp) -> None:
    r = pairwise(contrasts([-0.5], [0.25]), measure="HR", method=method, hartung_knapp=hartung_knapp)
    assert (r.log_estimate, r.std_error, r.tau2, r.q) == (-0.5, 0.25, 0.0, 0.0)
    assert r.log_limits == pytest.approx((-0.5 - 1.959964 * 0.25, -0.5 + 1.959964 * 0.25), abs=1e-6)
    assert math.isnan(r.i2) and math.isnan(r.prediction_low) and math.isnan(r.tau2_limits[0])
    assert ("Hartung-Knapp limits do not exist" in repr(r)) == hartung_knapp
    assert r.tidy().height == 2


@pytest.mark.parametrize("method", RANDOM)
def test_two_trials_have_no_interval_of_riley_and_say_so(method) -> None:
    r = pairwise(contrasts([-0.5, 0.3], [0.25, 0.3]), measure="HR", method=method)
    assert math.isnan(r.prediction_low)
    assert "no prediction interval" in repr(r)
    assert math.isfinite(pairwise(contrasts([-0.5, 0.3], [0.25, 0.3]), prediction="k-1").prediction_low)


@pytest.mark.parametrize("method", RANDOM)
def test_identical_trials_have_no_heterogeneity(method) -> None:
    r = pairwise(contrasts([0.4] * 6, [0.2] * 6), measure="MD", method=method)
    assert r.tau2 == pytest.approx(0.0, abs=1e-15)
    assert r.i2 == pytest.approx(0.0, abs=1e-10)
    assert r.estimate == pytest.approx(0.4, abs=1e-15)
    assert r.std_error == pytest.approx(0.2 / math.sqrt(6), rel=1e-12)
    assert r.tau2_limits == pytest.approx((0.0, 0.0), abs=1e-12)


def test_hartung_knapp_of_trials_that_agree_too_well_is_told_and_floored() -> None:
    rows = contrasts([0.40, 0.41, 0.39, 0.40], [0.2] * 4)
    plain = pairwise(rows, measure="MD", method="REML")
    narrow = pairwise(rows, measure="MD", hartung_knapp=True)
    floored = pairwise(rows, measure="MD", hartung_knapp=True, ad_hoc_floor=True)
    assert narrow.std_error < plain.std_error / 10
    assert "narrower" in repr(narrow)
    assert floored.std_error == pytest.approx(plain.std_error)
    assert floored.conf_high > plain.conf_high  # by t, not by the normal
    assert "narrower" not in repr(floored)


@pytest.mark.parametrize("method", [*RANDOM, "common"])
@pytest.mark.parametrize("scale", [1e-6, 1e6, 1e12])
def test_another_unit_changes_nothing_but_the_unit(method, scale) -> None:
    y, se = np.array([0.2, -0.3, 0.9, 0.1, 0.45]), np.array([0.2, 0.15, 0.4, 0.1, 0.3])
    one = pairwise(contrasts(y, se), measure="MD", method=method, hartung_knapp=True)
    other = pairwise(contrasts(y * scale, se * scale), measure="MD", method=method, hartung_knapp=True)
    assert other.tau2 == pytest.approx(one.tau2 * scale**2, rel=1e-9)
    assert other.tau2_limits == pytest.approx([x * scale**2 for x in one.tau2_limits], rel=1e-9)
    assert other.estimate == pytest.approx(one.estimate * scale, rel=1e-9)
    assert other.conf_low == pytest.approx(one.conf_low * scale, rel=1e-9)
    assert (other.p_value, other.i2) == pytest.approx((one.p_value, one.i2), rel=1e-9)


def test_effects_far_from_zero_lose_no_digits() -> None:
    y, se = np.array([0.2, -0.3, 0.9, 0.1]), np.array([0.2, 0.15, 0.4, 0.1])
    near, far = (pairwise(contrasts(y + shift, se), measure="MD") for shift in (0.0, 1e6))
    assert far.tau2 == pytest.approx(near.tau2, rel=1e-7)
    assert far.estimate - 1e6 == pytest.approx(near.estimate, abs=1e-8)


@pytest.mark.parametrize("restricted", [True, False])
def test_the_likelihood_is_never_higher_elsewhere(restricted) -> None:
    rng = np.random.default_rng(11)
    for _ in range(150):
        k = int(rng.integers(2, 30))
        v = np.exp(rng.normal(0, rng.uniform(0, 1.5), k))
        y = rng.normal(0, np.sqrt(v + rng.choice([0, 0.1, 1, 30])))
        regressed = k > 6 and rng.random() < 0.4
        design = Moderated(np.column_stack([np.ones(k), rng.normal(2000, 9, k)])) if regressed else Constant()
        tau2 = estimate_tau2(y, v, design, "REML" if restricted else "ML")
        here = log_likelihood(y, v, design, tau2, restricted=restricted)
        found = minimize_scalar(
            lambda t: -log_likelihood(y, v, design, t, restricted=restricted),  # noqa: B023
            bounds=(0.0, 100 * float(v.max() + y.var())),
            method="bounded",
        )
        for place in (0.0, found.x, tau2 * 1.01, tau2 * 0.99):
            assert log_likelihood(y, v, design, place, restricted=restricted) <= here + 1e-9


def test_a_likelihood_with_two_maxima_gives_the_higher_one() -> None:
    """Five precise trials that agree and a few vague ones far apart: one maximum at 0, one far out."""
    y = np.array([0.0, 0.01, -0.01, 0.02, 40.0, -60.0, 55.0, -35.0])
    v = np.array([1e-4, 1e-4, 1e-4, 1e-4, 1.0, 1.0, 1.0, 1.0])
    tau2 = estimate_tau2(y, v, Constant(), "ML")
    places = np.geomspace(1e-8, 1e5, 4000)
    best = max(log_likelihood(y, v, Constant(), t, restricted=False) for t in places)
    assert log_likelihood(y, v, Constant(), tau2, restricted=False) >= best - 1e-9


def test_huge_heterogeneity_and_tiny_variances() -> None:
    r = pairwise(contrasts([-1000.0, 0.0, 1000.0], [1e-6] * 3), measure="MD")
    assert r.tau2 == pytest.approx(1e6, rel=1e-9)  # the sample variance, when sampling error is nothing
    assert r.i2 == pytest.approx(100.0)


# Zeros ------------------------------------------


def test_nobody_with_an_event_has_no_ratio_but_a_difference() -> None:
    rows = arms((0, 40, 0, 42), (0, 60, 0, 55))
    for measure in ("RR", "OR"):
        with pytest.raises(EvidenceError, match="nobody had the event"):
            pairwise(rows, measure=measure)
    with pytest.raises(EvidenceError):
        pairwise(rows, measure="OR", method="PETO")
    r = pairwise(rows, measure="RD")
    assert r.conf_low < 0 < r.conf_high


def test_trials_without_events_are_kept_or_left_out_and_told() -> None:
    rows = arms((3, 40, 8, 42), (0, 60, 0, 55), (0, 30, 4, 31))
    kept, left = pairwise(rows), pairwise(rows, both_zero="exclude")
    assert (kept.k, left.k) == (3, 2)
    assert "1 trial without events in either arm kept" in repr(kept)
    assert left.trials.left_out == (("trial 2", "no events in either arm"),)
    assert kept.trials.corrected.tolist() == [False, True, True]
    with_none = pairwise(rows, zero_cells="none")
    assert with_none.trials.names == ("trial 1",)
    assert "no correction asked for" in repr(with_none)


def test_mantel_haenszel_does_not_move_with_trials_without_events() -> None:
    some = arms((3, 40, 8, 42), (0, 30, 4, 31))
    more = arms((3, 40, 8, 42), (0, 30, 4, 31), (0, 60, 0, 55))
    for measure in ("OR", "RR"):
        a, b = (pairwise(rows, measure=measure, method="MH") for rows in (some, more))
        assert (a.estimate, a.std_error) == pytest.approx((b.estimate, b.std_error), rel=1e-14)
    a, b = (pairwise(rows, measure="RD", method="MH") for rows in (some, more))
    assert abs(b.estimate) < abs(a.estimate)  # a difference does hear of them


def test_the_treatment_arm_correction_leaves_no_pull_by_allocation() -> None:
    """0 of 100 against 0 of 10: by a constant a ratio of 0.1, by the other arm's share none."""
    rows = arms((5, 50, 9, 50), (0, 100, 0, 10))
    constant, shared = (pairwise(rows, zero_cells=z).trials.y[1] for z in ("only0", "treatment_arm"))
    assert math.exp(constant) == pytest.approx(0.5 / 101 / (0.5 / 11))
    assert math.exp(shared) == pytest.approx(1.0, rel=1e-12)


def test_all_events_in_one_arm_have_exact_limits_and_no_finite_mixed_estimate() -> None:
    rows = arms((0, 20, 5, 20), (0, 31, 3, 30))
    exact = pairwise(rows, measure="OR", method="EXACT")
    assert (exact.estimate, exact.conf_low) == (0.0, 0.0)
    assert 0 < exact.conf_high < 1
    assert exact.p_value < 0.05
    for method in ("UM.FS", "UM.RS", "CM.EL", "CM.AL", "BB"):
        with pytest.raises(EvidenceError, match="not finite"):
            pairwise(rows, measure="OR", method=method)
    with pytest.raises(EvidenceError, match="Mantel-Haenszel"):
        pairwise(rows, measure="OR", method="MH")


def test_exact_rates_are_those_of_one_binomial() -> None:
    """One trial: events of the first arm given all events are binomial."""
    from scipy.stats import binomtest

    rows = [
        {"study": "Chan", "treatment": t, "events": e, "person_time": time}
        for t, e, time in (("MMF", 4, 120.0), ("AZA", 11, 100.0))
    ]
    r = pairwise(rows, measure="IRR", method="EXACT")
    low, high = binomtest(4, 15).proportion_ci(method="exact")
    odds = [p / (1 - p) * 100 / 120 for p in (4 / 15, low, high)]
    assert (r.estimate, r.conf_low, r.conf_high) == pytest.approx(odds, rel=1e-9)
    assert r.p_value == pytest.approx(binomtest(4, 15, 120 / 220).pvalue, rel=1e-9)


# Mixed models against a plain second way ------------------------------------------


def test_the_random_level_model_by_double_integration() -> None:
    """The likelihood at its maximum equals a plain double integral there, and falls to every side."""
    from scipy.integrate import dblquad
    from scipy.stats import binom, norm

    from flarefree.evidence.pooling.mixed_counts import _derivatives, _model
    from flarefree.evidence.pooling.question import ask

    tables = ((3, 40, 8, 42), (11, 60, 19, 55), (0, 30, 4, 31), (9, 80, 5, 83))
    r = pairwise(arms(*tables), measure="OR", method="UM.RS")
    question = ask("OR", "UM.RS", hartung_knapp=False, ad_hoc_floor=False, conf_level=0.95, prediction="k-2",
                   zero_cells="only0", correction=0.5, both_zero=None)  # fmt: skip
    model = _model(r.trials.all_tables, question)
    place = np.array([-0.6, 0.5, -1.7, 0.4])

    def plain(place) -> float:
        theta, tau, alpha, sigma = place
        total = 0.0
        for e1, n1, e2, n2 in tables:

            def f(z, b, e1=e1, n1=n1, e2=e2, n2=n2):
                x, a = theta + tau * z, alpha + sigma * b
                p1, p2 = (1 / (1 + math.exp(-(a + s * x))) for s in (0.5, -0.5))
                return binom._pmf(e1, n1, p1) * binom._pmf(e2, n2, p2) * norm._pdf(z) * norm._pdf(b)

            total += math.log(dblquad(f, -7, 7, -7, 7, epsabs=1e-13, epsrel=1e-9)[0])
        return total

    value, gradient, _ = _derivatives(model, place)
    assert value == pytest.approx(plain(place), abs=1e-7)
    h = 1e-5
    for i in range(4):
        step = np.eye(4)[i] * h
        numeric = (_derivatives(model, place + step)[0] - _derivatives(model, place - step)[0]) / (2 * h)
        assert gradient[i] == pytest.approx(numeric, abs=1e-6)


@pytest.mark.parametrize("method", ["UM.FS", "UM.RS", "CM.EL", "CM.AL"])
def test_swapping_the_arms_turns_a_mixed_estimate_over(method) -> None:
    rows = arms((3, 40, 8, 42), (11, 60, 19, 55), (2, 30, 9, 31), (9, 80, 5, 83))
    one = pairwise(rows, measure="OR", method=method, reference="AZA")
    other = pairwise(rows, measure="OR", method=method, reference="MMF")
    assert one.log_estimate == pytest.approx(-other.log_estimate, abs=1e-7)
    assert one.tau2 == pytest.approx(other.tau2, abs=1e-7)


# What is asked ------------------------------------------


def test_the_reference_is_given_or_told() -> None:
    rows = arms((3, 40, 8, 42), (11, 60, 19, 55))
    guessed = pairwise(rows)
    assert (guessed.treatment, guessed.reference) == ("MMF", "AZA")
    assert "AZA is the reference" in repr(guessed)
    turned = pairwise(rows, reference="MMF")
    assert turned.log_estimate == pytest.approx(-guessed.log_estimate)
    placebo = [r | {"treatment": "Placebo" if r["treatment"] == "MMF" else "AZA"} for r in rows]
    assert pairwise(placebo).reference == "Placebo"  # though it stands first
    with pytest.raises(EvidenceError, match="reference='AZA'"):
        pairwise(rows, reference="AZT")


def test_contrasts_written_the_other_way_round_are_turned() -> None:
    rows = contrasts([-0.5, 0.3, -0.2], [0.2, 0.3, 0.25])
    rows["treatment_1"][1], rows["treatment_2"][1] = "AZA", "MMF"
    r = pairwise(rows, measure="HR", reference="AZA")
    assert r.trials.y.tolist() == [-0.5, -0.3, -0.2]


def test_three_treatments_are_a_network() -> None:
    rows = [*arms((3, 40, 8, 42)), {"study": "trial 2", "treatment": "CYC", "events": 1, "n": 20},
            {"study": "trial 2", "treatment": "AZA", "events": 2, "n": 21}]  # fmt: skip
    with pytest.raises(EvidenceError, match="network"):
        pairwise(rows)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"measure": "ORR"}, "measure='RR'"),
        ({"method": "RELM"}, "REML"),
        ({"measure": "RD", "method": "PETO"}, "measure OR"),
        ({"measure": "HR"}, "contrast rows"),
        ({"measure": "MD"}, 'measure="RR"'),
        ({"measure": "OR", "method": "MH", "hartung_knapp": True}, "inverse variance"),
        ({"conf_level": 95}, "0.95"),
        ({"zero_cells": "some"}, "only0"),
        ({"prediction": "k"}, "k-2"),
        ({"moderators": "dose"}, "columns of the data"),
        ({"measure": "OR", "method": "MH", "moderators": "dose"}, "inverse variance"),
        ({"correction": -1}, "no less than 0"),
    ],
)
def test_an_unusable_question_says_what_would_do(options, expected) -> None:
    with pytest.raises(EvidenceError) as told:
        pairwise(arms((3, 40, 8, 42), (11, 60, 19, 55)), **options)
    assert expected in str(told.value)


def test_moderators_must_be_of_trials_and_not_too_many() -> None:
    rows = arms((3, 40, 8, 42), (11, 60, 19, 55), (2, 30, 9, 31), (9, 80, 5, 83))
    by_arm = [r | {"dose": i} for i, r in enumerate(rows)]
    with pytest.raises(EvidenceError, match=r"study trial 1, column dose"):
        pairwise(by_arm, moderators="dose")
    by_trial = [
        r | {"dose": i // 2, "again": 2 * (i // 2) + 1, "site": f"s{i // 2}"} for i, r in enumerate(rows)
    ]
    with pytest.raises(StatsError):
        pairwise(by_trial, moderators="dose + again")
    with pytest.raises(EvidenceError, match="too few trials"):
        pairwise(by_trial, moderators="site")
    gap = [r | {"dose": None if r["study"] == "trial 4" else r["dose"]} for r in by_trial]
    r = pairwise(gap, moderators="dose")
    assert r.k == 3
    assert "a moderator is missing: trial 4" in repr(r)


def test_a_regression_with_equal_moderators_as_factor_and_number_agree() -> None:
    rng = np.random.default_rng(2)
    y, se, x = rng.normal(size=12), rng.uniform(0.2, 0.6, 12), [0, 1] * 6
    number = pairwise(contrasts(y, se, x=x), measure="MD", moderators="x")
    factor = pairwise(
        contrasts(y, se, x=["low" if i == 0 else "treated" for i in x]), measure="MD", moderators="x"
    )
    assert number.coefficients[1]["estimate"] == pytest.approx(factor.coefficients[1]["estimate"], rel=1e-10)
    assert factor.coefficients[1]["term"] == "xtreated"
    assert number.predict(x=1).estimate == pytest.approx(factor.predict(x="treated").estimate, rel=1e-10)


# Runs and small-study tests ---


def test_runs_need_trials() -> None:
    with pytest.raises(EvidenceError, match="only trial"):
        pairwise(contrasts([0.1], [0.2])).leave_one_out()
    with pytest.raises(EvidenceError, match="too few"):
        pairwise(contrasts([0.1, 0.2], [0.2, 0.3])).egger()
    with pytest.raises(EvidenceError, match="same standard error"):
        pairwise(contrasts([0.1, 0.2, 0.4], [0.2, 0.2, 0.2])).egger()
    with pytest.raises(EvidenceError, match="no such column"):
        pairwise(contrasts([0.1, 0.2], [0.2, 0.3])).cumulative("year")


def test_leaving_out_a_trial_of_counts_leaves_it_out_of_the_counts() -> None:
    tables = ((3, 40, 8, 42), (11, 60, 19, 55), (0, 30, 0, 31), (9, 80, 5, 83))
    for method in ("MH", "PETO", "EXACT", "UM.FS"):
        runs = pairwise(arms(*tables), measure="OR", method=method).leave_one_out()
        alone = pairwise(arms(*tables[1:]), measure="OR", method=method)
        assert runs.results[0].log_estimate == pytest.approx(alone.log_estimate, abs=1e-9)


# Sequential boundaries ------------------------------------------


def test_boundaries_at_five_equal_looks_are_the_published_ones() -> None:
    """Reboussin, DeMets, Kim, Lan (Control Clin Trials 2000; 21:190): O'Brien-Fleming-type, alpha 0.05."""
    published = [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]
    assert compute_boundaries([0.2, 0.4, 0.6, 0.8, 1.0], 0.05).tolist() == pytest.approx(published, abs=2e-4)


def test_boundaries_spend_what_they_say_under_simulation() -> None:
    fractions = [0.3, 0.5, 0.55, 0.9, 1.0]
    boundary = compute_boundaries(fractions, 0.05)
    rng = np.random.default_rng(4)
    steps = np.sqrt(np.diff([0.0, *fractions]))
    z = np.cumsum(rng.normal(size=(400_000, 5)) * steps, axis=1) / np.sqrt(fractions)
    crossed = np.cumsum((np.abs(z) >= boundary), axis=1) > 0
    spent = np.array([spend_alpha(t, 0.05) for t in fractions])
    # four standard errors of a simulated proportion
    assert np.abs(crossed.mean(axis=0) - spent).max() < 4 * math.sqrt(0.05 / 400_000)
    assert spend_alpha(1.0, 0.05) == pytest.approx(0.05)


def test_a_sequence_of_trials_crosses_when_its_z_is_beyond() -> None:
    y, se = [-0.1, -0.5, -0.4, -0.35, -0.4], [0.5, 0.3, 0.2, 0.12, 0.1]
    r = pairwise(contrasts(y, se, year=[2001, 2003, 2005, 2010, 2015]), measure="HR", method="common")
    s = r.sequential(effect=0.7, order="year")
    # with a common effect the required information is that of one trial
    assert s.required == pytest.approx((1.959964 + 0.841621) ** 2 / math.log(0.7) ** 2, rel=1e-6)
    assert s.diversity == 0.0
    assert s.information.tolist() == pytest.approx(np.cumsum(1 / np.square(se)))
    assert s.z[-1] == pytest.approx(r.statistic)
    assert s.crossed.tolist() == [abs(z) >= b for z, b in zip(s.z, s.boundary)]
    assert s.is_conclusive and "trial 4" in s.conclusion
    early = pairwise(contrasts(y[:3], se[:3]), measure="HR", method="common").sequential(effect=0.8)
    assert "evidence is open" in early.conclusion
    with pytest.raises(EvidenceError, match="no effect"):
        r.sequential(effect=1.0)
    with pytest.raises(EvidenceError):
        r.sequential(effect=-0.2)


def test_runs_without_an_estimate_are_told_and_stop_nothing() -> None:
    """The first trial has events in one arm alone: Mantel-Haenszel's ratio begins with the second."""
    counts = {"a": (3, 0), "b": (4, 9), "c": (6, 8), "d": (2, 5)}
    rows = [
        {"study": study, "treatment": arm, "n": 60, "events": events, "year": year}
        for year, (study, pair) in enumerate(counts.items(), 2001)
        for arm, events in zip(("new", "control"), pair)
    ]
    pooled = pairwise(rows, measure="OR", method="MH")
    run = pooled.cumulative("year")
    assert run.names == ("b", "c", "d")
    assert run.results[-1].log_estimate == pooled.log_estimate
    assert [name for name, _ in run.left_out] == ["a"]
    assert "+ a: no estimate" in repr(run)
    looks = pooled.sequential(effect=0.5, order="year")
    whole = pairwise(rows, measure="OR", method="DL").sequential(effect=0.5, order="year")
    assert looks.names == ("b", "c", "d")
    assert looks.information == pytest.approx(whole.information[1:])


def test_an_order_of_mixed_kinds_is_none() -> None:
    rows = [
        {"study": f"s{i}", "treatment": arm, "n": 50, "events": 5 + i, "year": 2000 if i else "2000"}
        for i in range(3)
        for arm in ("new", "control")
    ]
    with pytest.raises(EvidenceError, match="no order"):
        pairwise(rows).cumulative("year")
