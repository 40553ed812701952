"""What always holds of two-arm trials: replay, workers, tiles and extension change no bit; luck is shared."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flarefree.simulation import two_arm
from flarefree.simulation.two_arm import simulate_two_arm

FEW = settings(max_examples=25, deadline=None)
PART = st.floats(0.01, 0.99)


@st.composite
def designs(draw) -> dict:
    accrual = draw(st.sampled_from([0.0, 0.0, 7.5, 30.0]))
    design = {
        "n_per_arm": draw(st.integers(1, 60)),
        "control_failure": draw(PART),
        "treatment_failure": draw(PART),
        "horizon_months": draw(st.floats(0.5, 120.0)),
        "seed": draw(st.integers(0, 2**64 - 1)),
        "dropout": draw(st.sampled_from([0.0, 0.1, (0.0, 0.4), 0.9])),
        "accrual_months": accrual,
    }
    if accrual and draw(st.booleans()):
        design["study_months"] = accrual + draw(st.floats(0.1, 10.0))
    return design


def bits(result) -> bytes:
    """Everything a result knows, to the last bit."""
    tally = result.tally
    parts = [tally.extremes, tally.histograms, tally.events, tally.counts]
    kept = [] if result.kept is None else [result.kept.statistics, result.kept.failures]
    return b"".join(p.tobytes() for p in (*parts, *kept)) + repr(tally.sums.tolist()).encode()


@FEW
@given(designs(), st.integers(1, 300), st.integers(2, 5))
def test_workers_change_no_bit(design: dict, trials: int, workers: int) -> None:
    one = simulate_two_arm(**design, trials=trials, workers=1, keep=True)
    many = simulate_two_arm(**design, trials=trials, workers=workers, keep=True)
    assert (
        bits(one) == bits(many)
        and repr(one) == repr(many)
        and one.tidy().equals(many.tidy(), null_equal=True)
    )


@FEW
@given(designs(), st.integers(1, 200), st.integers(1, 3000), st.integers(1, 9))
def test_the_size_of_tiles_changes_no_bit(design: dict, trials: int, rows: int, part: int) -> None:
    usual = simulate_two_arm(**design, trials=trials, workers=1, keep=True)
    with mock.patch.object(two_arm, "TILE_ROWS", rows), mock.patch.object(two_arm, "PART", part):
        odd = simulate_two_arm(**design, trials=trials, workers=2, keep=True)
    assert bits(usual) == bits(odd)


@FEW
@given(designs(), st.integers(1, 60), st.integers(1, 60))
def test_more_trials_leave_the_earlier_ones_as_they_were(design: dict, first: int, more: int) -> None:
    all_of_them = simulate_two_arm(**design, trials=first + more, keep=True)
    early = simulate_two_arm(**design, trials=first, keep=True)
    late = simulate_two_arm(**design, trials=more, first_trial=first, keep=True)
    assert all_of_them.per_trial.head(first).equals(early.per_trial, null_equal=True)
    assert all_of_them.per_trial.tail(more).equals(late.per_trial, null_equal=True)
    early.tally.add(late.tally)  # tallies of parts make the tally of the whole
    assert bits(_bare(early)) == bits(_bare(all_of_them))


def _bare(result):
    return two_arm.TwoArmTrials(result.design, result.trials, result.first_trial, result.tally)


@FEW
@given(designs(), st.integers(0, 2**32 - 1), st.data())
def test_a_patient_replayed_alone_is_the_one_of_the_trial(design: dict, trial: int, data) -> None:
    replay = simulate_two_arm(**design, trials=1).design
    patient = data.draw(st.integers(0, 2 * design["n_per_arm"] - 1))
    assert replay.patients(trial, patient).equals(replay.patients(trial)[patient : patient + 1])


@FEW
@given(designs(), st.integers(0, 2**32 - 1))
def test_a_batch_counts_the_failures_of_its_replayed_trials(design: dict, trial: int) -> None:
    result = simulate_two_arm(**design, trials=1, first_trial=min(trial, 2**32 - 2), keep=True)
    row = result.per_trial.row(0, named=True)
    patients = result.design.patients(row["trial"])
    failures = patients.filter(patients["failed"])["arm"].to_list()
    assert row["control_events"] == failures.count("control")
    assert row["treatment_events"] == failures.count("treatment")


@FEW
@given(designs(), st.integers(1, 40))
def test_more_patients_leave_the_earlier_ones_as_they_were(design: dict, more: int) -> None:
    small = simulate_two_arm(**design, trials=1).design.patients(3)
    design["n_per_arm"] += more
    large = simulate_two_arm(**design, trials=1).design.patients(3)
    assert large.head(small.height).equals(small)


@FEW
@given(designs(), PART)
def test_drop_out_and_accrual_spare_the_luck_of_patients(design: dict, dropout: float) -> None:
    """Whoever fails in spite of drop-out fails at the same time as without it."""
    design |= {"accrual_months": 0.0, "dropout": 0.0}
    design.pop("study_months", None)
    without = simulate_two_arm(**design, trials=1).design.patients(0)
    design["dropout"] = dropout
    with_it = simulate_two_arm(**design, trials=1).design.patients(0)
    failed = with_it["failed"].to_numpy()
    assert without["failed"].to_numpy()[failed].all()
    assert (without["time_months"].to_numpy() == with_it["time_months"].to_numpy())[failed].all()
    assert (without["time_months"].to_numpy() >= with_it["time_months"].to_numpy()).all()


@FEW
@given(designs(), st.sampled_from([0.25, 2.0, 12.0]))
def test_the_unit_of_time_changes_no_test(design: dict, factor: float) -> None:
    a = simulate_two_arm(**design, trials=20, keep=True)
    for name in ("horizon_months", "accrual_months", "study_months"):
        if name in design:
            design[name] *= factor
    b = simulate_two_arm(**design, trials=20, keep=True)
    np.testing.assert_allclose(a.kept.statistics, b.kept.statistics, rtol=1e-9, atol=1e-9)
    assert (a.kept.failures == b.kept.failures).all()


@pytest.mark.parametrize("workers", [1, 2])
def test_memory_does_not_grow_with_the_number_of_trials(workers: int) -> None:
    """NumPy tells tracemalloc of its arrays; a million trials kept would take 32 MB."""
    import tracemalloc

    design = {
        "n_per_arm": 20,
        "control_failure": 0.4,
        "treatment_failure": 0.2,
        "horizon_months": 36.0,
        "seed": 1,
    }
    simulate_two_arm(**design, trials=10)
    tracemalloc.start()
    simulate_two_arm(**design, trials=300_000, workers=workers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6 * workers
