"""Designs and settings: what may be set, in which units, and what is refused with what words."""

from __future__ import annotations

import pytest

from flarefree.errors import DesignError
from flarefree.protocol.loading import load_protocol
from flarefree.simulation.design import design_of
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.settings import SETTINGS, parse_settings, settings_table

ALMS = load_protocol("alms-maintenance")
MULTITARGET = load_protocol("multitarget-maintenance")


def design(**settings):
    return design_of(ALMS, settings)


def test_without_settings_a_design_is_the_protocol_s_and_as_large_as_the_trial_was() -> None:
    own = design()
    assert own.sizes == (116, 111)
    assert own.visit_days == tuple(visit.day for visit in ALMS.spec.schedule.visits)
    assert own.visit_codes == tuple(range(15))
    assert own.arms[own.reference] == "AZA"
    assert design_of(MULTITARGET).sizes == (116, 90)
    assert design_of(MULTITARGET).population == "multitarget"


def test_sizes_of_all_arms_and_of_one() -> None:
    assert design(n=50).sizes == (50, 50)
    assert design(**{"n": 50, "n.MMF": 60}).sizes == (60, 50)


def test_visits_in_months() -> None:
    assert design(visits=(1, 6, 12)).visit_days == (1, 31, 184, 366)
    assert design(visit_spacing=6).visit_days == (1, 184, 366, 549, 731, 914, 1097)
    assert design(horizon_months=12).visit_days[-1] == 366
    assert design(horizon_months=13).visit_days[-2:] == (366, 397)
    assert design(visits=(1, 5)).visit_codes == (0, 1, -1)


def test_effects_rates_and_adherence_reach_treatments() -> None:
    p = Parameters()
    halved = design(hazard_ratio=0.5)
    assert halved.treatments[0].flare_rate(p) == pytest.approx(0.5 * p.lam_aza)
    given = design(**{"hazard.AZA": 0.3, "dropout.MMF": 0.2, "adherence": 0.9})
    assert given.treatments[1].flare_rate(p) == 0.3
    assert given.treatments[0].withdrawal_rate(p) == 0.2
    assert [t.adherence for t in given.treatments] == [0.9, 0.9]


def test_parameters_and_noise_are_laid_over_whatever_draw_is_used() -> None:
    draw = Parameters().changed(sigma_e=0.2, omega=1.1)
    own = design(noise=2.0, frailty=0.4, xi_mean=-1.0)
    used = own.parameters(draw)
    assert (used.sigma_e, used.omega, used.xi_mean) == (0.4, 0.4, -1.0)
    assert design().parameters(draw) is draw


def test_under_the_null_all_arms_are_treated_as_the_reference() -> None:
    null = design(hazard_ratio=0.3).as_null()
    assert null.treatments[0] == null.treatments[1] == design().treatments[1]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"hazard.MMF": -0.1}, "0 to 50"),
        ({"hazard.MFM": 0.1}, "no arm MFM"),
        ({"hazard": 0.1}, "of one arm"),
        ({"n": 0}, "1 to 100000"),
        ({"n": 10.5}, "whole number"),
        ({"dropout": 2.0}, "0 to 1"),
        ({"visits": ()}, "no visits"),
        ({"visits": (0,)}, "no visits"),
        ({"visits": (3, 3)}, "twice"),
        ({"visits": (3,), "visit_spacing": 3}, "two ways"),
        ({"visit_spacing": 100}, "no visits"),
        ({"hazard_ratio": "strong"}, "not a number"),
        ({"hazard_ratio": float("nan")}, "not a number"),
        ({"hazard.MMF": 0.1, "hazard_ratio": 0.5}, "two ways"),
        ({"hazard_ratio.AZA": 0.5}, "reference arm"),
        ({"visits.MMF": 3}, "not of arms"),
        ({"dropuot": 0.1}, "dropout"),
        ({"lam_mfm": 0.1}, "lam_mmf"),
        ({"q_c": 1.5}, "0 to 1"),
    ],
)
def test_nonsense_is_refused(settings, says) -> None:
    with pytest.raises(DesignError, match=says):
        design_of(ALMS, settings)


def test_drugs_that_virtual_patients_do_not_know_ask_for_a_hazard() -> None:
    pilot = load_protocol("cdisc-pilot")
    with pytest.raises(DesignError, match=r"hazard\.placebo"):
        design_of(pilot)


def test_words_of_the_command_line() -> None:
    assert parse_settings(["n=114", "dropout=15%", "visits=1,2, 3"]) == {
        "n": 114.0, "dropout": 0.15, "visits": [1.0, 2.0, 3.0],
    }  # fmt: skip
    for words in (["n"], ["=3"], ["n="], ["n=1", "n=2"], ["n=many"]):
        with pytest.raises(DesignError):
            parse_settings(words)


def test_every_setting_has_its_line() -> None:
    rows = settings_table()
    told = " ".join(row["setting"] for row in rows)
    assert all(name in told for name in SETTINGS)
    assert all(row["meaning"] for row in rows)
    assert "lam_mmf" in told
    (said,) = (row["meaning"] for row in rows if row["setting"] == "beta_age")
    assert said.startswith("Log hazard ratio of flares a decade of age above 31") and "; 0 by default" in said
    assert not [row["setting"] for row in rows if row["meaning"].startswith("Parameter of")]
