"""Plain two-arm trials: each agrees with the statistics of its replayed patients; settings are checked."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flarefree as ff
from flarefree.errors import StatsError
from flarefree.simulation.streams import Purpose, Streams
from flarefree.simulation.two_arm import simulate_two_arm
from flarefree.stats.survival import fit_cox, logrank

PLAN = {
    "n_per_arm": 114, "control_failure": 0.375, "treatment_failure": 0.2, "horizon_months": 36.0, "seed": 4,
}  # fmt: skip
SETTINGS = {
    "plain": {},
    "drop-out": {"dropout": 0.2},
    "drop-out of one arm": {"dropout": (0.0, 0.3)},
    "accrual": {"accrual_months": 14.0},
    "accrual inside the study": {"accrual_months": 14.0, "study_months": 36.0, "dropout": 0.1},
    "five patients an arm": {"n_per_arm": 5, "dropout": 0.3},
    "strong effect": {"control_failure": 0.99, "treatment_failure": 0.02, "n_per_arm": 40},
    "nearly everybody": {"control_failure": 0.999999, "treatment_failure": 0.9999, "n_per_arm": 30},
    "harm, all followed alike": {"control_failure": 0.05, "treatment_failure": 0.7},
    "harm, drop-out": {"control_failure": 0.05, "treatment_failure": 0.7, "dropout": (0.6, 0.02)},
    "harm": {"control_failure": 0.05, "treatment_failure": 0.7, "accrual_months": 3.0, "n_per_arm": 33},
}


def simulated(trials: int, **changes: object):
    return simulate_two_arm(**{**PLAN, **changes}, trials=trials, keep=True)


@pytest.mark.parametrize("name", SETTINGS)
def test_each_trial_has_the_log_rank_test_and_cox_fit_of_its_replayed_patients(name: str) -> None:
    result = simulated(60, **SETTINGS[name])
    for row in result.per_trial.iter_rows(named=True):
        patients = result.design.patients(row["trial"])
        time, failed = patients["time_months"].to_numpy(), patients["failed"].to_numpy()
        arm = (patients["arm"] == "treatment").to_numpy().astype(float)
        assert row["control_events"] == failed[arm == 0].sum()
        assert row["treatment_events"] == failed[arm == 1].sum()
        if np.isnan(row["z"]):
            assert failed.sum() == 0 or _one_arm_only(time, failed, arm)
            continue
        assert row["z"] == pytest.approx(logrank(time, failed, arm).z, rel=1e-10, abs=1e-10)
        if math.isinf(row["log_hazard_ratio"]):
            assert not _both_arms_fail_in_company(time, failed, arm)
            continue
        fit = fit_cox(time, failed, arm[:, None])
        assert row["log_hazard_ratio"] == pytest.approx(float(fit.coef[0]), rel=1e-10, abs=1e-10)
        beta, error = _in_plain_python(time, failed, arm)
        assert row["log_hazard_ratio"] == pytest.approx(beta, rel=1e-10, abs=1e-10)
        assert row["std_error"] == pytest.approx(error, rel=1e-10)


def _risk_counts(time: np.ndarray, failed: np.ndarray, arm: np.ndarray) -> list[tuple[int, int, int]]:
    """At each failure: at risk in control, in treatment, and whose it is; by plain comparison."""
    return [
        (int(((time >= t) & (arm == 0)).sum()), int(((time >= t) & (arm == 1)).sum()), int(own))
        for t, own in zip(time[failed], arm[failed])
    ]


def _one_arm_only(time, failed, arm) -> bool:
    return all(c == 0 or t == 0 for c, t, _ in _risk_counts(time, failed, arm))


def _both_arms_fail_in_company(time, failed, arm) -> bool:
    return len({own for c, t, own in _risk_counts(time, failed, arm) if c and t}) == 2


def _in_plain_python(time, failed, arm) -> tuple[float, float]:
    """Newton's method by the book, halved back into a bracket where it leaves it."""
    sets = _risk_counts(time, failed, arm)
    beta, low, high, information = 0.0, -50.0, 50.0, math.nan
    for _ in range(100):
        shares = [t * math.exp(beta) / (c + t * math.exp(beta)) for c, t, _ in sets]
        information = math.fsum(s * (1 - s) for s in shares)
        score = math.fsum(own - s for (_, _, own), s in zip(sets, shares))
        low, high = (beta, high) if score > 0 else (low, beta)
        beta += score / information
        if not low <= beta <= high:
            beta = (low + high) / 2
    return beta, 1 / math.sqrt(information)


def test_a_patient_is_what_her_words_say() -> None:
    """A second way: failure from words 0 and 1, drop-out from word 2, entry from word 3, in plain Python."""
    settings = {"dropout": (0.15, 0.4), "accrual_months": 20.0, "study_months": 40.0}
    design = simulated(1, **settings).design
    patients = design.patients(12)
    for row in patients.iter_rows(named=True):
        w = [int(v) for v in Streams(4).words(12, row["patient"], 0, Purpose.TWO_ARM)]
        late = row["arm"] == "treatment"
        fail = math.log1p(-(2 * ((w[0] << 20) | (w[1] >> 12)) + 1) / 2**53) / math.log1p(
            -(0.2 if late else 0.375)
        )
        drop = math.log1p(-(w[2] + 0.5) / 2**32) / math.log1p(-(0.4 if late else 0.15))
        entry = 20.0 * (w[3] + 0.5) / 2**32
        assert row["entry_months"] == pytest.approx(entry, rel=1e-14)
        assert row["time_months"] == pytest.approx(min(36 * fail, 36 * drop, 40.0 - entry), rel=1e-13)
        assert row["failed"] == (36 * fail <= min(36 * drop, 40.0 - entry))
        assert late == bool(row["patient"] % 2)


def test_everybody_is_followed_for_the_horizon_where_accrual_is_immediate() -> None:
    patients = simulated(1).design.patients(0)
    assert patients.filter(~patients["failed"])["time_months"].unique().to_list() == [36.0]
    assert patients["entry_months"].unique().to_list() == [0.0]


def test_accrual_lengthens_follow_up_and_entries_fill_it_evenly() -> None:
    design = simulated(1, n_per_arm=5000, accrual_months=12.0).design
    assert design.study_months == 48.0
    patients = design.patients(0)
    censored = patients.filter(~patients["failed"])
    total = (censored["entry_months"] + censored["time_months"]).to_numpy()
    np.testing.assert_allclose(total, 48.0, rtol=1e-14)
    assert censored["time_months"].min() >= 36.0
    entries = patients["entry_months"].to_numpy()
    assert abs(entries.mean() - 6.0) < 5 * 12 / math.sqrt(12 * entries.size)


def test_the_tally_says_what_the_kept_trials_say() -> None:
    result = simulated(5000, dropout=0.1)
    frame = result.per_trial
    z, beta = frame["z"].to_numpy(), frame["log_hazard_ratio"].to_numpy()
    events = (frame["control_events"] + frame["treatment_events"]).to_numpy()
    assert result.rejected == (np.abs(z) >= 1.959963984540054).sum()
    assert result.power_in_favor == (z <= -1.959963984540054).mean()
    for found, values, width in (
        (result.z, z, 2.0**-7),
        (result.log_hazard_ratio, beta, 2.0**-10),
        (result.events, events, 0.0),
    ):
        assert found.n == 5000
        assert found.mean == pytest.approx(values.mean(), abs=1e-9)
        assert found.sd == pytest.approx(values.std(ddof=1), rel=1e-7)
        assert (found.minimum, found.maximum) == (values.min(), values.max())
        assert found.std_error == pytest.approx(values.std(ddof=1) / math.sqrt(5000), rel=1e-7)
        for p in (0.0, 0.025, 0.5, 0.9, 1.0):
            nearest = np.quantile(values, p, method="inverted_cdf")
            assert abs(found.quantile(p) - nearest) <= width


def test_trials_without_a_test_or_with_failures_in_one_arm_are_counted() -> None:
    result = simulated(2000, n_per_arm=2, control_failure=0.3, treatment_failure=0.1)
    frame = result.per_trial
    assert result.without_test == int(frame["z"].is_nan().sum()) > 0
    assert result.infinite_hazard_ratios == int(frame["log_hazard_ratio"].is_infinite().sum()) > 0
    assert result.log_hazard_ratio.n == 2000 - result.without_test - result.infinite_hazard_ratios
    text = repr(result)
    assert f"no test exists in {result.without_test:,} trials" in text
    assert f"infinite hazard ratio in {result.infinite_hazard_ratios:,} trials" in text
    assert (np.abs(frame["z"].to_numpy()) >= 1.96).sum() == result.rejected


def test_one_patient_an_arm_never_has_both_arms_in_two_failures() -> None:
    result = simulated(300, n_per_arm=1, control_failure=0.9, treatment_failure=0.9)
    assert result.log_hazard_ratio.n == 0 and math.isnan(result.log_hazard_ratio.quantile(0.5))
    assert result.infinite_hazard_ratios + result.without_test == 300
    assert set(result.per_trial["z"].abs().round(12).drop_nans()) == {1.0}
    assert "hazard ratio  " not in repr(result).split("two-sided")[1]


def test_wilsons_interval_by_hand() -> None:
    """8 of 10 at 95%: 0.4902 to 0.9433."""
    result = next(r for s in range(200) if (r := simulated(10, seed=s)).rejected == 8)
    assert result.power_interval() == pytest.approx((0.4902, 0.9433), abs=5e-5)
    assert result.power_std_error == pytest.approx(math.sqrt(0.016))


def test_repr_tidy_and_glance() -> None:
    result = simulated(1000, dropout=(0.1, 0.2), accrual_months=6.0)
    text = repr(result)
    assert text.startswith("1,000 simulated two-arm trials, 114 + 114 patients (seed 4)")
    assert "drop-out by then     10% and 20%" in text and "study closed at 42" in text
    assert f"power of log-rank    {result.power:.4f}" in text and "Philox" in text
    assert "type I error" in repr(simulated(100, treatment_failure=0.375))
    tidy = result.tidy()
    assert tidy["statistic"].to_list() == [
        "log_hazard_ratio", "z", "events", "control_events", "treatment_events",
    ]  # fmt: skip
    glance = result.glance()
    assert glance.height == 1 and glance["power"][0] == result.power and "Cox" in glance["method"][0]
    assert glance["hazard_ratio"][0] == pytest.approx(math.log(0.8) / math.log(0.625))


def test_trials_that_were_not_kept_are_an_error() -> None:
    with pytest.raises(StatsError, match=r"keep=True"):
        _ = simulate_two_arm(**PLAN, trials=5).per_trial


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_per_arm", 0), ("n_per_arm", 2.5), ("trials", 0), ("trials", 2**33), ("seed", -1), ("seed", 0.5),
        ("control_failure", 0.0), ("control_failure", 1.0), ("treatment_failure", -0.1),
        ("treatment_failure", math.nan), ("treatment_failure", 37.5), ("horizon_months", 0),
        ("horizon_months", math.inf), ("horizon_months", "36"), ("dropout", 1.0), ("dropout", -0.1),
        ("dropout", (0.1,)), ("dropout", (0.1, 2)), ("accrual_months", -1), ("accrual_months", None),
        ("level", 0), ("level", 1), ("workers", 0), ("first_trial", -1), ("first_trial", 2**32),
    ],
)  # fmt: skip
def test_a_setting_that_makes_no_sense_is_named(name: str, value: object) -> None:
    with pytest.raises(StatsError) as caught:
        simulate_two_arm(**{**PLAN, "trials": 10, name: value})
    assert caught.value.where == name and caught.value.expected
    assert caught.value.found in (repr(value), "2")


def test_a_study_that_closes_during_accrual_is_an_error() -> None:
    with pytest.raises(StatsError, match="closes after its accrual"):
        simulated(1, accrual_months=12.0, study_months=12.0)


@pytest.mark.parametrize(("trial", "patient"), [(-1, None), (0, 228), (0, -1)])
def test_a_patient_that_is_not_there_is_an_error(trial: int, patient: int | None) -> None:
    with pytest.raises(StatsError, match="not a whole number in range"):
        simulated(1).design.patients(trial, patient)


def test_it_is_reached_from_the_public_face() -> None:
    assert ff.simulation.simulate_two_arm is simulate_two_arm
    for name in ff.simulation.__all__:
        assert getattr(ff.simulation, name).__doc__
    with pytest.raises(AttributeError):
        _ = ff.simulation.nothing
