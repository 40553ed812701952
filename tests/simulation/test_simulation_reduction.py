"""Trials as counts by visit: the same trials as the full engine's, in law; the same test, exactly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import flarefree as ff
from flarefree.errors import DesignError
from flarefree.protocol.loading import load_protocol
from flarefree.simulation._counts_kernels import alias_tables
from flarefree.simulation.engine import run_recipe
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.reduction import Bank, bank_error, build_bank, draw_reduced, is_reducible
from flarefree.simulation.simulating import recipe_of
from flarefree.stats.survival import fit_cox, logrank

ALMS = load_protocol("alms-maintenance")


@pytest.fixture(scope="module")
def recipe():
    return recipe_of(ALMS, seed=4, analysis="grouped log-rank", settings={"n.MMF": 100, "n.AZA": 90})


@pytest.fixture(scope="module")
def bank(recipe):
    return build_bank(recipe, 90_000, workers=1)


def test_the_reduction_agrees_with_the_full_engine_within_monte_carlo_error(recipe, bank) -> None:
    reduced = draw_reduced(recipe, bank, 40_000)
    full = run_recipe(recipe, 1200, workers=1)
    place = 14  # treatment_failure among the endpoints
    of_log_hr, of_power = bank_error(bank, reduced, 1, 0.05)
    for mine, theirs, more in (
        (np.abs(reduced.z[:, 0]) > 1.96, np.abs(full.z[:, 0, 0]) > 1.96, of_power),
        (reduced.z[:, 0], full.z[:, 0, 0], of_log_hr / 0.28),
        (reduced.log_hr[:, 0], full.log_hr[:, 0, 0], of_log_hr),
        (reduced.events[:, 0, 0], full.events[:, place, 0], 0.1),
        (reduced.events[:, 0, 1], full.events[:, place, 1], 0.1),
        (reduced.survival[:, 0], full.survival[:, 0, 0], 0.002),
        (reduced.survival[:, 1], full.survival[:, 0, 1], 0.002),
    ):
        a, b = np.asarray(mine, float), np.asarray(theirs, float)
        error = math.sqrt(a.var() / a.size + b.var() / b.size + more**2)
        assert abs(a.mean() - b.mean()) < 4 * error
    assert reduced.z.std() == pytest.approx(full.z.std(), rel=0.08)


def test_counts_of_one_trial_give_the_test_of_its_patients_one_by_one(recipe, bank) -> None:
    """A bank of one patient in each cell, so that all cells occur; patients laid out again from counts."""
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 9, bank.counts.shape)
    even = Bank(counts.astype(np.int64), bank.components)
    small = replace(recipe, design=replace(recipe.design, sizes=(40, 30)))
    found = draw_reduced(small, even, 50)
    rows = _patients(small, even, 50)
    for k, (time_, event, arm) in enumerate(rows):
        assert found.events[k, 0].tolist() == [event[arm == 1].sum(), event[arm == 0].sum()]
        assert found.z[k, 0] == pytest.approx(logrank(time_, event, arm).z, rel=1e-9)
        fit = fit_cox(time_, event, arm[:, None], ties="breslow")
        assert found.log_hr[k, 0] == pytest.approx(float(fit.coef[0]), rel=1e-6, abs=1e-8)
        assert found.log_hr_error[k, 0] == pytest.approx(float(fit.std_error[0]), rel=1e-5)


def _patients(recipe, bank, trials: int):
    """The same words through the same alias tables, one patient at a time, in plain Python."""
    from flarefree.simulation.reduction import _padded
    from flarefree.simulation.streams import Purpose, Streams

    thresholds, aliases, bits = alias_tables(_padded(bank))
    kinds = bank.counts.shape[2]
    for trial in range(trials):
        time_, event, arm_of = [], [], []
        for arm, n in enumerate(recipe.design.sizes):
            blocks = np.arange(-(-n // 4))
            words = Streams(recipe.seed).words(trial, arm, blocks, int(Purpose.COUNTS)).ravel()[:n]
            for word in words.tolist():
                cell, rest = word >> (32 - bits), word & ((1 << (32 - bits)) - 1)
                cell = cell if rest < thresholds[arm, cell] else int(aliases[arm, cell])
                time_.append(float(cell // kinds))
                event.append(cell % kinds > 0)
                arm_of.append(1.0 if arm == 0 else 0.0)
        yield np.array(time_), np.array(event), np.array(arm_of)


def test_alias_tables_give_each_cell_its_share() -> None:
    shares = np.random.default_rng(2).random((2, 37)) ** 4
    shares[0, 5] = 0.0
    thresholds, aliases, bits = alias_tables(shares)
    fine = 1 << (32 - bits)
    for arm in range(2):
        got = np.zeros(1 << bits)
        for cell in range(1 << bits):
            got[cell] += float(thresholds[arm, cell])
            got[aliases[arm, cell]] += fine - float(thresholds[arm, cell])
        got /= got.sum()
        assert got[:37] == pytest.approx(shares[arm] / shares[arm].sum(), abs=1e-8)
        assert got[37:].sum() == 0.0


def test_drawn_alone_a_trial_is_the_same(recipe, bank) -> None:
    batch = draw_reduced(recipe, bank, 40)
    alone = draw_reduced(recipe, bank, 3, first_trial=20)
    assert np.array_equal(batch.z[20:23], alone.z)
    assert np.array_equal(batch.events[20:23], alone.events)


def test_a_bank_does_not_depend_on_workers(recipe) -> None:
    assert np.array_equal(
        build_bank(recipe, 9_000, workers=1).counts, build_bank(recipe, 9_000, workers=2).counts
    )


def test_the_bank_s_error_is_what_other_banks_differ_by(recipe) -> None:
    """Twelve banks of 2,000 patients an arm: the spread of their hazard ratios is the error that is told."""
    ratios, told = [], []
    for seed in range(12):
        own = replace(recipe, seed=seed)
        bank = build_bank(own, 2_000, workers=1)
        reduced = draw_reduced(own, bank, 2_000)
        ratios.append(float(np.median(reduced.log_hr)))
        told.append(bank_error(bank, reduced, 1, 0.05)[0])
    assert 0.5 < np.std(ratios, ddof=1) / np.mean(told) < 1.7


def test_only_what_needs_counts_is_reduced(recipe) -> None:
    assert is_reducible(recipe)
    assert not is_reducible(replace(recipe, analysis="log-rank"))
    assert not is_reducible(replace(recipe, draws=(Parameters(), Parameters())))
    with pytest.raises(DesignError, match="grouped log-rank"):
        ff.simulate("alms-maintenance", trials=10, reduce=True)


def test_simulate_reduces_of_itself_where_trials_are_many_and_says_so() -> None:
    asked = {"seed": 4, "analysis": "grouped log-rank", "sizes": 60, "workers": 1, "bank_patients": 6_000}
    many = ff.simulate("alms-maintenance", trials=2_000, null=True, **asked)
    assert str(many.how["engine"]).startswith("multinomial reduction")
    assert many.how["bank_error_of_power"] > 0
    assert many.main.power["MMF"].std_error > math.sqrt(many.power * (1 - many.power) / 2_000)
    assert abs(many.type_one_error - 0.05) < 0.025
    few = ff.simulate("alms-maintenance", trials=40, **asked)
    assert few.how["engine"] == "every trial simulated whole"
    assert set(many.main.events) == {
        "treatment_failure", "death (first)", "esrd (first)", "doubling (first)", "renal_flare (first)",
        "rescue (first)",
    }  # fmt: skip


def test_beyond_so_many_trials_only_rejections_are_kept(monkeypatch) -> None:
    """So many are a thousand here; power is of all trials, distributions of the first thousand."""
    asked = {"seed": 4, "analysis": "grouped log-rank", "sizes": 60, "workers": 1, "bank_patients": 600}
    whole = ff.simulate("alms-maintenance", trials=2_500, null=True, **asked)
    monkeypatch.setattr("flarefree.simulation.simulating.KEPT", 1_000)
    parts = ff.simulate("alms-maintenance", trials=2_500, null=True, **asked)
    assert parts.main.power["MMF"].rejected == whole.main.power["MMF"].rejected
    assert parts.main.power["MMF"].trials == 2_500
    assert parts.type_one_error == whole.type_one_error
    assert parts.main.events["treatment_failure"]["MMF"].n == 1_000
    assert "first 1,000" in str(parts.how["distributions"])
    few = {"seed": 4, "sizes": 20, "workers": 1}
    monkeypatch.setattr("flarefree.simulation.simulating.KEPT", 16)
    assert ff.simulate("alms-maintenance", trials=40, **few).power == pytest.approx(
        np.mean(np.abs(run_recipe(recipe_of(ALMS, seed=4, sizes=20), 40, workers=1).z) > 1.959964)
    )
