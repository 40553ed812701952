"""Troughs: checks B6 and V5 by their numbers."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from flarefree.conduct.checks import run_check
from flarefree.conduct.checks import troughs as check
from flarefree.conduct.checks.blinded_trial import alms_spec, blinded_multitarget
from flarefree.conduct.trough import Band, judge_trough, released_at, sham_trough, trough_rules
from flarefree.errors import DesignError

OWN = {c.number: c for c in check.CHECKS}


def test_B6_shams():
    result = run_check(OWN["B6"], quick=True)
    assert not result.failures, str(result)
    assert len(result.evidence) >= 25


@pytest.mark.slow
def test_B6_full_count():
    result = run_check(OWN["B6"])
    assert not result.failures, str(result)


def test_V5_which_samples_dose():
    result = run_check(OWN["V5"])
    assert not result.failures, str(result)
    assert len(result.evidence) >= 40


def test_V5_sees_a_window_without_its_ends(monkeypatch):
    from flarefree.conduct import trough

    def open_window(window, value):
        return Band.BELOW if value <= window.low else Band.ABOVE if value >= window.high else Band.WITHIN

    monkeypatch.setattr(trough, "_band", open_window)
    failed = [row.what for row in run_check(OWN["V5"]).failures]
    assert "4 ng/mL" in failed and "8.0 ng/mL" in failed


def test_a_sham_stays_on_the_side_of_its_donor():
    rules = trough_rules(blinded_multitarget())
    chance = random.Random(1)
    pool = check._stock(chance)
    donors = {donor.id: donor for donor in pool.donors}
    for _ in range(200):
        shown, after = sham_trough(rules, check.sample_on(31), None, pool, chance)
        donor = donors[after.used[-1]]
        bands = [judge_trough(rules, check.replace(shown, text=t)).band for t in (shown.text, donor.text)]
        assert bands[0] is bands[1]
        assert len(shown.text.partition(".")[2]) == len(donor.text.partition(".")[2])


def test_results_are_released_at_six():
    at = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
    assert released_at(at) == at
    assert released_at(at.replace(second=1)) == at.replace(day=2)


def test_alms_doses_by_no_trough():
    with pytest.raises(DesignError, match="no trough"):
        trough_rules(alms_spec())
