"""Who virtual patients are and what happens to them: by address, as the formulas say, as Table 1 says."""

from __future__ import annotations

import math
from dataclasses import fields

import numba as nb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flarefree.errors import DesignError
from flarefree.simulation._quantiles import exp9, normal32
from flarefree.simulation.baseline import CORRELATED, POPULATIONS, assumed_factor, correlations
from flarefree.simulation.cohort import ARM_SHIFT, NO_DAY, REASONS, Cohort, draw_cohort
from flarefree.simulation.measuring import measure
from flarefree.simulation.parameters import TREATMENTS, Parameters
from flarefree.simulation.replay import draw_one, replay
from flarefree.simulation.streams import Streams

MMF, AZA = TREATMENTS["MMF"], TREATMENTS["AZA"]
YEARS = 3.0
HORIZON = 1 + round(365.25 * YEARS)
PER_PATIENT = ("trial", "patient", "arm", "index", "cell", "is_male", "age")
RAGGED = (("first_flare", "flares"), ("first_extrarenal", "extrarenal_time"))


def draw(
    n: int = 2000,
    parameters: Parameters | None = None,
    *,
    arms: tuple = (MMF, AZA),
    seed: int = 5,
    **more: object,
) -> Cohort:
    """Trial 0, n patients in each arm."""
    settled = {"trials": range(1), "sizes": (n,) * len(arms), "horizon_day": HORIZON} | more
    return draw_cohort(parameters or Parameters(), arms, Streams(seed), **settled)  # type: ignore[arg-type]


def person(cohort: Cohort, row: int) -> list[bytes]:
    """All that is drawn of one row, as bytes."""
    one = cohort.take(np.array([row]))
    numbers = [getattr(one, name) for name in PER_PATIENT] + [one.state, one.z]
    numbers += [getattr(one, values) for _, values in RAGGED]
    numbers += [one.entry_day, one.site, one.dropout_reason, one.failure_is_adverse_event]
    return [np.ascontiguousarray(x).tobytes() for x in numbers]


@nb.njit(error_model="numpy")
def _normals(words: np.ndarray, out: np.ndarray) -> None:
    for i in range(words.size):
        out[i] = normal32(np.uint64(words[i]))


@nb.njit(error_model="numpy")
def _exponentials(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(x.size):
        out[i] = exp9(x[i])


def test_normals_of_words_are_quantiles() -> None:
    """Against SciPy's quantile of (word + 1/2) / 2^32, ends included; odd to the last bit."""
    from scipy.special import ndtri

    ends = np.arange(70_000)
    words = np.concatenate([ends, 2**32 - 1 - ends, np.arange(0, 2**32, 65_521), 2**31 + ends - 35_000])
    words = words.astype(np.uint32)
    out, mirrored = np.empty(words.size), np.empty(words.size)
    _normals(words, out)
    _normals(~words, mirrored)
    assert np.abs(out - ndtri((words + 0.5) / 2.0**32)).max() < 2e-7
    assert np.array_equal(out, -mirrored)
    assert out.max() == pytest.approx(6.338, abs=1e-3)


def test_short_exponential_has_nine_digits() -> None:
    x = np.linspace(-600.0, 600.0, 100_003)
    out = np.empty(x.size)
    _exponentials(x, out)
    assert np.abs(out / np.exp(x) - 1.0).max() < 1e-9


# Addresses -------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**64 - 1),
    trial=st.integers(0, 2**32 - 40),
    n=st.integers(1, 70),
    row=st.integers(0, 69),
)
def test_a_patient_alone_is_the_patient_in_the_crowd(seed: int, trial: int, n: int, row: int) -> None:
    row %= n
    crowd = draw(seed=seed, trials=range(trial, trial + 3), sizes=(n, 2), horizon_day=900)
    alone = draw_one(seed, trial + 1, row, arm=0, horizon_day=900)
    assert person(crowd, (n + 2) + row) == person(alone, 0)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), more=st.integers(1, 700), trials=st.integers(1, 4))
def test_more_patients_and_trials_change_nobody(seed: int, more: int, trials: int) -> None:
    few = draw(seed=seed, sizes=(3, 4))
    many = draw(seed=seed, sizes=(3 + more, 4 + more // 2), trials=range(trials))
    own = np.flatnonzero(many.trial == 0)
    place = {(int(many.arm[r]), int(many.index[r])): int(r) for r in own}
    for row in range(7):
        assert person(few, row) == person(many, place[int(few.arm[row]), int(few.index[row])])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), horizon=st.integers(1, 1500), more=st.integers(1, 3000))
def test_a_longer_horizon_only_adds(seed: int, horizon: int, more: int) -> None:
    """Flares, kidney failure and everything else up to the first horizon are as they were."""
    short = draw(60, seed=seed, horizon_day=horizon)
    long = draw(60, seed=seed, horizon_day=horizon + more)
    for first, values in RAGGED:
        for row in range(len(short)):
            a = getattr(short, values)[..., getattr(short, first)[row] : getattr(short, first)[row + 1]]
            b = getattr(long, values)[..., getattr(long, first)[row] : getattr(long, first)[row + 1]]
            assert a.tobytes() == np.ascontiguousarray(b[..., : a.shape[-1]]).tobytes()
            later = b[..., a.shape[-1] :]
            assert (np.atleast_2d(later)[0] > horizon).all()
    was, now = short.esrd_day, long.esrd_day
    known = was <= horizon
    assert np.array_equal(was[known], now[known])
    assert (now[~known] > horizon).all()


def test_arms_and_indices_make_the_address() -> None:
    cohort = draw(sizes=(2, 3), trials=range(7, 9))
    assert cohort.trial.tolist() == [7] * 5 + [8] * 5
    assert cohort.arm.tolist() == [0, 0, 1, 1, 1] * 2
    assert cohort.patient[:5].tolist() == [0, 1, 1 << ARM_SHIFT, 1 + (1 << ARM_SHIFT), 2 + (1 << ARM_SHIFT)]


def test_shared_patients_are_the_same_people_under_both_treatments() -> None:
    """Who they are is equal; under one treatment in both arms everything is."""
    cohort = draw(200, shared_patients=True)
    assert np.array_equal(cohort.z[:, :200], cohort.z[:, 200:])
    assert np.array_equal(cohort.age[:200], cohort.age[200:])
    null = draw(200, arms=(AZA, AZA), shared_patients=True)
    assert np.array_equal(null.state[:, :200], null.state[:, 200:])
    assert np.array_equal(np.diff(null.first_flare)[:200], np.diff(null.first_flare)[200:])


def test_arms_under_one_treatment_are_exchangeable() -> None:
    """40,000 patients an arm: means of what happens differ by chance alone (four standard errors)."""
    cohort = draw(40_000, arms=(AZA, AZA))
    flares = np.diff(cohort.first_flare).astype(float)
    kinds = [flares, cohort.state[0], (cohort.dropout_day < HORIZON).astype(float), cohort.age]
    for value in [*kinds, (cohort.esrd_day != NO_DAY).astype(float)]:
        a, b = value[:40_000], value[40_000:]
        assert abs(a.mean() - b.mean()) < 4 * math.sqrt((a.var() + b.var()) / 40_000)


def test_an_arm_that_is_treated_better_flares_less_often_in_the_same_people() -> None:
    cohort = draw(5000, shared_patients=True, parameters=Parameters().changed(beta_dose=0.0))
    flares = np.diff(cohort.first_flare)
    assert (flares[:5000] <= flares[5000:]).all()
    assert flares[:5000].sum() < flares[5000:].sum()


# What happens, against formulas ------------------------------------------------------------------

PLAIN = Parameters().changed(beta_dose=0.0, beta_cr=0.0, gamma_ae=0.0, lam_mmf=0.3)


def test_counts_of_flares_have_the_moments_of_a_mixed_poisson() -> None:
    """Mean lambda t; variance lambda t + (lambda t)^2 (exp(omega^2) - 1), frailty log-normal of mean 1."""
    n, expected = 200_000, 0.3 * (HORIZON / 365.25)
    flares = np.diff(draw(n, PLAIN, arms=(MMF,)).first_flare).astype(float)
    variance = expected + expected**2 * math.expm1(PLAIN.omega**2)
    assert abs(flares.mean() - expected) < 4 * math.sqrt(variance / n)
    assert flares.var() == pytest.approx(variance, rel=0.06)


def test_first_flares_come_as_the_frailty_says() -> None:
    """P(none by t) = E exp(-lambda t U), by Gauss-Hermite quadrature over the log-normal U."""
    n = 100_000
    cohort = draw(n, PLAIN, arms=(MMF,))
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    frailty = np.exp(PLAIN.omega * node - PLAIN.omega**2 / 2)
    first = np.full(n, np.inf)
    has = np.diff(cohort.first_flare) > 0
    first[has] = cohort.flares[0, cohort.first_flare[:-1][has]]
    for years in (0.25, 1.0, 2.0, 3.0):
        none = float(weight @ np.exp(-0.3 * years * frailty) / math.sqrt(2 * math.pi))
        seen = (first > years * 365.25).mean()
        assert abs(seen - none) < 4 * math.sqrt(none * (1 - none) / n)


def test_withdrawals_and_deaths_are_exponential_without_harm() -> None:
    n = 100_000
    cohort = draw(n, PLAIN.changed(death=0.05), arms=(MMF,))
    for days, rate in ((cohort.dropout_day, PLAIN.d_mmf), (cohort.death_day, 0.05)):
        for years in (0.5, 3.0):
            gone = 1 - math.exp(-rate * years)
            seen = (days <= round(years * 365.25)).mean()
            assert abs(seen - gone) < 4 * math.sqrt(gone / n) + 0.0005


def test_harm_makes_patients_withdraw_in_the_two_months_after_it() -> None:
    """The hazard is d + gamma for 60 days after leukopenia or liver dysfunction, and d elsewhere."""
    n, gamma = 200_000, 2.0
    p = PLAIN.changed(gamma_ae=gamma, leukopenia_aza=1.0, liver_aza=0.0)
    cohort = draw(n, p, arms=(AZA,))
    begin, leave = cohort.state[18], cohort.state[17]
    at_risk = (leave > begin) & (begin < 900)
    gone = 1 - math.exp(-(p.d_aza + gamma) * 60 / 365.25)
    seen = (leave[at_risk] <= begin[at_risk] + 60).mean()
    assert abs(seen - gone) < 4 * math.sqrt(gone * (1 - gone) / at_risk.sum())
    later = at_risk & (leave > begin + 60)
    gone = 1 - math.exp(-p.d_aza * 100 / 365.25)
    seen = (leave[later] <= begin[later] + 160).mean()
    assert abs(seen - gone) < 4 * math.sqrt(gone / later.sum())


def test_a_cut_dose_brings_flares_while_it_lasts() -> None:
    """Twice the hazard with ln 2 for a dose of nothing: counts within the cut are double those before."""
    p = PLAIN.changed(omega=0.0, lam_mmf=1.0, leukopenia_mmf=2.0, ae_frailty=0.0, cut_to=0.0, cut_days=90.0)
    p = p.changed(beta_dose=math.log(2.0), low_dose=0.0, high_dose=0.0)
    cohort = draw(60_000, p, arms=(MMF,))
    begin = np.repeat(cohort.state[18], np.diff(cohort.first_flare))
    since = cohort.flares[0] - begin
    known = begin < HORIZON - 100
    during, after = ((since > 0) & (since < 90) & known).sum(), ((since > 90) & (since < 180) & known).sum()
    at_risk = (cohort.state[18] < HORIZON - 100).sum()
    rate = during / (at_risk * 90 / 365.25)
    assert rate == pytest.approx(2.0, abs=4 * math.sqrt(2.0 / (at_risk * 90 / 365.25)))
    assert during > 1.7 * after * 0.9


def test_covariates_move_the_hazard_as_their_coefficients_say() -> None:
    p = PLAIN.changed(omega=0.0, beta_black=math.log(2.0))
    cohort = draw(100_000, p, arms=(MMF,))
    flares = np.diff(cohort.first_flare)
    black = cohort.covariates["race"] == "BLACK OR AFRICAN AMERICAN"
    assert flares[black].mean() / flares[~black].mean() == pytest.approx(2.0, rel=0.05)


def test_kidney_failure_is_where_true_creatinine_passes_the_limit() -> None:
    """Measured without error on the day of failure, eGFR stands at 15 or creatinine at six times entry."""
    p = PLAIN.changed(
        slope_sd_per_year=0.0,
        sigma_creatinine=0.0,
        q_nephritic=1.0,
        q_severe=1.0,
        severe_slope_median=2.0,
        lam_mmf=1.0,
        step_stays=1.0,
    )
    cohort = draw(3000, p, arms=(MMF,))
    failed = np.flatnonzero(cohort.esrd_day <= HORIZON)
    assert len(failed) > 300
    some = cohort.take(failed)
    day = some.esrd_day[:, None]
    creatinine = measure(some, np.hstack([day - 2, day + 1]), ["creatinine"])["creatinine"]
    entry = measure(some, np.array([1]), ["creatinine"])["creatinine"][:, 0]
    scale = 186 * some.age**-0.203 * np.where(some.is_male, 1.0, 0.742)
    scale *= np.where(some.covariates["race"] == "BLACK OR AFRICAN AMERICAN", 1.212, 1.0)
    egfr = scale[:, None] * creatinine**-1.154
    late = day[:, 0] > 3
    reached = (egfr[:, 1] <= 15.01) | (creatinine[:, 1] >= 5.99 * entry)
    before = (egfr[:, 0] > 14.99) & (creatinine[:, 0] < 6.01 * entry)
    assert reached.mean() > 0.995  # a rise that fades may pass the limit between months, and is not seen
    assert before[late].mean() > 0.995


# Who they are ----------------------------------------------------------------------------------


def test_normals_under_the_margins_have_the_assumed_correlations() -> None:
    z = draw(100_000, arms=(MMF,)).z
    assert np.abs(np.corrcoef(z) - correlations()).max() < 0.015
    assert np.allclose(assumed_factor() @ assumed_factor().T, correlations(), atol=1e-14)
    assert np.abs(z.mean(axis=1)).max() < 0.015


def test_margins_agree_with_the_copula_of_the_statistics() -> None:
    """The kernel's age and years of disease are those of `stats.copula` on the same normals."""
    from flarefree.stats.copula import GaussianCopula, LogNormal

    cohort = draw(500, arms=(MMF,))
    people = POPULATIONS["ALMS"]
    margins = {
        "age": LogNormal(math.exp(people.age_log[0]), math.exp(people.age_log[1])),
        "nephritis_years": LogNormal(math.exp(people.nephritis_log[0]), math.exp(people.nephritis_log[1])),
    }
    z = np.column_stack([cohort.z[CORRELATED.index(name)] for name in margins])
    theirs = GaussianCopula(margins).transform(z)  # z are correlated already
    assert np.allclose(np.clip(theirs["age"], 12, 75), cohort.age, rtol=1e-12)
    assert np.allclose(theirs["nephritis_years"], cohort.covariates["nephritis_years"], rtol=1e-12)


def test_table_1_of_alms_is_reproduced() -> None:
    """Dooley 2011, Table 1, both arms pooled by size; 200,000 patients, so Monte Carlo error is 0.3 %."""
    cohort = draw(200_000, arms=(MMF,))
    c, n = cohort.covariates, len(cohort)
    counts = {
        "sex": {"M": 32, "F": 195},
        "race": {"WHITE": 99, "BLACK OR AFRICAN AMERICAN": 23, "ASIAN": 76, "OTHER": 29},
        "ethnicity": {"HISPANIC OR LATINO": 77, "NOT HISPANIC OR LATINO": 150},
        "biopsy_class": {"III or III+V": 29, "IV or IV+V": 163, "V": 35},
        "region": {
            "Asia": 72, "Latin America": 60, "North America": 47, "Europe": 40, "South Africa": 5,
            "Australia": 3,
        },
    }  # fmt: skip
    for name, expected in counts.items():
        assert sum(expected.values()) == 227
        for level, count in expected.items():
            share = count / 227
            assert abs((c[name] == level).mean() - share) < 4 * math.sqrt(share / n)
    for name, mean, sd in (
        ("age", 31.41, 10.69),
        ("weight", 64.36, 16.39),
        ("nephritis_years", 3.00, 4.43),
        ("lupus_years", 5.36, 6.05),
    ):
        assert c[name].mean() == pytest.approx(mean, rel=0.015)
        assert c[name].std() == pytest.approx(sd, rel=0.05)
    assert (c["lupus_years"] > c["nephritis_years"]).all()


def test_the_multitarget_trial_starts_with_its_remissions() -> None:
    """Zhang 2017: 59.5 % and 44.4 % in complete remission, by the measured values of month 0."""
    arms = (TREATMENTS["MT"], AZA)
    cohort = draw(60_000, arms=arms, population="multitarget")
    complete = cohort.covariates["remission_status"] == "CR"
    assert complete[cohort.arm == 0].mean() == pytest.approx(0.595, abs=0.01)
    assert complete[cohort.arm == 1].mean() == pytest.approx(0.444, abs=0.01)
    assert set(cohort.covariates["induction_drug"][cohort.arm == 0]) == {"MT"}
    assert set(cohort.covariates["race"]) == {"ASIAN"}


def test_entry_runs_from_when_a_region_opens_to_the_end_of_accrual() -> None:
    cohort = draw(30_000, arms=(MMF,))
    people = POPULATIONS["ALMS"]
    for region, (opens, centers) in people.openings.items():
        here = cohort.covariates["region"] == region
        assert cohort.entry_day[here].min() >= math.floor(opens * people.accrual_days)
        assert cohort.entry_day[here].max() < people.accrual_days
        assert len(np.unique(cohort.site[here])) == centers
    assert len(np.unique(cohort.site)) == sum(c for _, c in people.openings.values())


def test_reasons_have_their_shares() -> None:
    cohort = draw(100_000, arms=(MMF,))
    usual = Parameters()
    is_harm = cohort.dropout_reason == REASONS.index("ADVERSE EVENT")
    assert is_harm.mean() == pytest.approx(usual.ae_label_other, abs=0.006)
    assert cohort.failure_is_adverse_event.mean() == pytest.approx(usual.ae_label_failure, abs=0.003)
    assert set(np.unique(cohort.dropout_reason)) == set(range(len(REASONS)))


def test_days_of_what_never_happens() -> None:
    cohort = draw(50, PLAIN.changed(death=0.0, d_mmf=0.0, lam_mmf=0.0, extrarenal=0.0), arms=(MMF,))
    for days in (cohort.death_day, cohort.dropout_day, cohort.esrd_day):
        assert (days == NO_DAY).all()
    assert cohort.flares.shape == (5, 0)
    assert cohort.extrarenal_time.shape == (0,)


def test_rows_taken_are_the_rows() -> None:
    cohort = draw(300)
    rows = np.array([599, 3, 3, 120])
    some = cohort.take(rows)
    for k, row in enumerate(rows.tolist()):
        assert person(some, k) == person(cohort, row)
    day = np.array([1, 200, 700])
    whole = measure(cohort, day, ["proteinuria", "c3"])
    part = measure(some, day, ["proteinuria", "c3"])
    assert all(np.array_equal(part[name], whole[name][rows]) for name in part)


def test_replay_is_one_patient_of_the_trial() -> None:
    cohort = draw(20, trials=range(3, 4), horizon_day=1142)
    days = [-60, 1, 31, 500]
    course = replay(5, 3, 11, arm=1, days=days, names=["proteinuria", "bilag_ophthalmic", "alt"])
    for name in ("proteinuria", "bilag_ophthalmic", "alt"):
        assert course[name].to_list() == measure(cohort, np.array(days), [name])[name][20 + 11].tolist()
    with pytest.raises(DesignError, match="no such arm"):
        replay(5, 3, 11, arm=2)
    with pytest.raises(DesignError, match="treatment"):
        replay(5, 3, 11, ("MMF", "AZX"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"sizes": (3,)},
        {"sizes": (0, 0)},
        {"sizes": (-1, 4)},
        {"sizes": (1 << 24, 4)},
        {"trials": range(0)},
        {"trials": range(0, 4, 2)},
        {"horizon_day": 0},
        {"population": "Mars"},
    ],
)
def test_cohorts_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DesignError):
        draw(3, **wrong)


def test_the_shape_of_a_cohort_is_documented() -> None:
    """A new attribute needs a line in the docstring, or a place among those that explain themselves."""
    plain = {
        "streams",
        "parameters",
        "treatments",
        "population",
        "horizon_day",
        "cell",
        "is_male",
        "age",
        "_kept",
    }
    for f in fields(Cohort):
        assert f.name in plain or f.name in (Cohort.__doc__ or "")
