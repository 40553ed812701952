"""The CDISC pilot study, read in place: our analyses against its own analysis datasets.

The expected side is counted from ADSL, ADAE, ADTTE, ADADAS and ADLBC with other means than ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analysis_handmade import stat
from flarefree.analysis import Analysis, analyze, open_trial
from flarefree.analysis.dosing import active_regimens, patient_doses, records_of

pytestmark = pytest.mark.shared

ARMS = {"Placebo": "placebo", "Xanomeline Low Dose": "low", "Xanomeline High Dose": "high"}


@pytest.fixture(scope="module")
def pilot(shared: Path) -> Path:
    return shared / "data" / "cdiscpilot"


@pytest.fixture(scope="module")
def analysis(pilot: Path) -> Analysis:
    return analyze(pilot, protocol="cdisc-pilot")


def xport(path: Path) -> pl.DataFrame:
    import pyreadstat

    return pyreadstat.read_xport(str(path), output_format="polars")[0]


@pytest.fixture(scope="module")
def adsl(pilot: Path) -> pl.DataFrame:
    frame = xport(pilot / "adam_xpt" / "adsl.xpt")
    return frame.with_columns(group=pl.col("TRT01P").replace_strict(ARMS))


def test_every_analysis_of_the_plan_is_computed(analysis: Analysis) -> None:
    assert [r.id for r in analysis.results if r.status != "computed"] == []
    assert [r.id for r in analysis.results] == list(analysis.protocol.spec.analyses)


def test_no_statistic_of_the_tidy_results_is_there_twice(analysis: Analysis) -> None:
    keys = ["analysis", "endpoint", "population", "group", "level", "term", "stat"]
    assert analysis.tidy().select(keys).is_duplicated().sum() == 0


# Time to event -------------------------------------------------------------------------------------


def test_dermatologic_events_by_arm(analysis: Analysis) -> None:
    result = analysis["time_to_dermatologic_event"]
    assert [stat(result, arm, "events") for arm in ("placebo", "low", "high")] == [29, 62, 61]


def test_adtte_is_the_study_s_own_row_by_row(analysis: Analysis, pilot: Path) -> None:
    theirs = xport(pilot / "adam_xpt" / "adtte.xpt").select("USUBJID", "AVAL", "CNSR").sort("USUBJID")
    ours = analysis.datasets["ADTTE"].frame.filter(pl.col("PARAM") == "Time to First dermatologic event")
    ours = ours.select("USUBJID", pl.col("AVAL").cast(pl.Float64), pl.col("CNSR").cast(pl.Float64))
    assert ours.sort("USUBJID").rows() == theirs.rows()


def test_kaplan_meier_counts_are_those_of_the_study_s_own_times(analysis: Analysis, pilot: Path) -> None:
    theirs = xport(pilot / "adam_xpt" / "adtte.xpt").with_columns(group=pl.col("TRTP").replace_strict(ARMS))
    main = analysis["time_to_dermatologic_event"].figures[0].data["main"]
    for arm in ARMS.values():
        mine = theirs.filter(group=arm)
        survival = 1.0
        drawn = {row["time"]: row["estimate"] for row in main.filter(group=arm).iter_rows(named=True)}
        for day in sorted(mine.get_column("AVAL").unique()):
            at_risk = mine.filter(pl.col("AVAL") >= day).height
            survival *= 1 - mine.filter((pl.col("AVAL") == day) & (pl.col("CNSR") == 0)).height / at_risk
            assert drawn[day] == pytest.approx(survival)


# Adverse events ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def emergent(pilot: Path) -> pl.DataFrame:
    frame = xport(pilot / "adam_xpt" / "adae.xpt").filter(pl.col("TRTEMFL") == "Y")
    return frame.with_columns(group=pl.col("TRTA").replace_strict(ARMS, default=None))


def test_treatment_emergent_events_of_all_patients(analysis: Analysis) -> None:
    result = analysis["adverse_events"]
    arms = ("placebo", "low", "high")
    assert [stat(result, arm, "any") for arm in arms] == [65, 77, 76]
    assert [stat(result, arm, "any", stat="events") for arm in arms] == [281, 412, 433]
    assert len(result.tables[0].rows) == 1 + 23 + 230


def _expected_rows(emergent: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    yield "any", "", emergent
    for (system,), part in emergent.group_by(["AEBODSYS"]):
        yield "any", str(system), part
        for (term,), of_term in part.group_by(["AEDECOD"]):
            yield str(term), str(system), of_term


def test_all_254_rows_of_the_adverse_event_table(
    analysis: Analysis, emergent: pl.DataFrame, adsl: pl.DataFrame
) -> None:
    from scipy.stats import fisher_exact

    planned = dict(adsl.select("USUBJID", "group").iter_rows())
    sizes = {"placebo": 86, "low": 84, "high": 84}
    emergent = emergent.with_columns(group=pl.col("USUBJID").replace_strict(planned))
    result = analysis["adverse_events"]
    checked = 0
    for term, system, part in _expected_rows(emergent):
        counts = {arm: part.filter(group=arm).get_column("USUBJID").n_unique() for arm in sizes}
        for arm, n in counts.items():
            assert stat(result, arm, term, system) == n, (term, system, arm)
            assert stat(result, arm, term, system, "events") == part.filter(group=arm).height
        for arm in ("low", "high"):
            table = [[counts[a], sizes[a] - counts[a]] for a in (arm, "placebo")]
            p = stat(result, f"{arm}_vs_placebo", term, system, "p_value")
            assert p == pytest.approx(fisher_exact(table).pvalue, rel=1e-9), (term, system, arm)
        checked += 1
    assert checked == 254


# Patients ------------------------------------------------------------------------------------------


def test_populations_are_the_flags_of_adsl(analysis: Analysis, adsl: pl.DataFrame) -> None:
    subjects = analysis.derivation.subjects
    flags = {"itt": "ITTFL", "safety": "SAFFL", "efficacy": "EFFFL", "completers_24": "COMP24FL"}
    for population, flag in flags.items():
        ours = set(subjects.filter(pl.col(f"in_{population}")).get_column("subject"))
        theirs = set(adsl.filter(pl.col(flag) == "Y").get_column("USUBJID"))
        if population == "completers_24":  # two completed week 24 without both assessments
            theirs &= set(adsl.filter(pl.col("EFFFL") == "Y").get_column("USUBJID"))
        assert ours == theirs, population


def test_disposition_at_week_24(analysis: Analysis, adsl: pl.DataFrame) -> None:
    result = analysis["disposition"]
    arms = ("placebo", "low", "high")
    assert [stat(result, arm, "completed") for arm in arms] == [60, 28, 30]
    populations = analysis["populations"]
    assert [stat(populations, arm, "complete_study") for arm in arms] == [58, 25, 27]
    early = adsl.filter(pl.col("COMP24FL") != "Y")
    for reason, code in (
        ("Adverse event", "Adverse Event"),
        ("Lack of efficacy", "Lack of Efficacy"),
        ("Death", "Death"),
    ):
        counts = [early.filter((pl.col("group") == arm) & (pl.col("DCSREAS") == code)).height for arm in arms]
        assert [stat(result, arm, "withdrawn", reason) for arm in arms] == counts, reason


def test_demographics_are_those_of_adsl(analysis: Analysis, adsl: pl.DataFrame) -> None:
    result = analysis["demographics"]
    columns = {"age": "AGE", "mmse": "MMSETOT", "baseline_bmi": "BMIBL", "education_years": "EDUCLVL"}
    for term, column in columns.items():
        for arm in ARMS.values():
            values = adsl.filter(group=arm).get_column(column).drop_nulls().to_numpy()
            assert stat(result, arm, term, stat="mean") == pytest.approx(values.mean())
            assert stat(result, arm, term, stat="sd") == pytest.approx(values.std(ddof=1))
    for level in ("F", "M"):
        assert (
            stat(result, "high", "sex", level)
            == adsl.filter((pl.col("group") == "high") & (pl.col("SEX") == level)).height
        )


def test_doses_are_those_of_adsl(analysis: Analysis, adsl: pl.DataFrame) -> None:
    trial = open_trial(analysis.derivation)
    cohort = trial.cohort("safety")
    for arm in ("low", "high"):
        (regimens,) = active_regimens(trial, arm).values()
        ours = patient_doses(records_of(trial, cohort, arm, regimens, "mg/day"))
        joined = ours.join(adsl, left_on="subject", right_on="USUBJID")
        assert joined.height == 84
        assert joined.filter((pl.col("total") - pl.col("CUMDOSE")).abs() > 1e-9).height == 0
        assert joined.filter((pl.col("mean") - pl.col("AVGDD")).abs() > 0.05 + 1e-9).height == 0


# Efficacy and laboratory ---------------------------------------------------------------------------


def _design(rows: pl.DataFrame, treatment: list[Any]) -> Any:
    sites = sorted(rows.get_column("SITEGR1").unique())[1:]
    indicators = [(rows.get_column("SITEGR1") == site).cast(pl.Float64).to_numpy() for site in sites]
    return np.column_stack(
        [np.ones(rows.height), *treatment, rows.get_column("BASE").to_numpy(), *indicators]
    )


def _fitted(x: Any, y: Any) -> tuple[Any, Any]:
    coefficients = np.linalg.solve(x.T @ x, x.T @ y)
    residuals = y - x @ coefficients
    variance = residuals @ residuals / (len(y) - x.shape[1])
    return coefficients, np.sqrt(variance * np.diag(np.linalg.inv(x.T @ x)))


@pytest.mark.parametrize(
    ("name", "visit"), [("adas_week_8", "Week 8"), ("adas_week_16", "Week 16"), ("adas_week_24", "Week 24")]
)
def test_analysis_of_covariance_with_our_carrying_forward_is_that_of_the_study_s_rows(
    analysis: Analysis, pilot: Path, name: str, visit: str
) -> None:
    rows = pl.read_csv(pilot / "adam_csv" / "adadas.csv.gz", infer_schema_length=None).filter(
        (pl.col("PARAMCD") == "ACTOT")
        & (pl.col("AVISIT") == visit)
        & (pl.col("ANL01FL") == "Y")
        & (pl.col("EFFFL") == "Y")
    )
    change = rows.get_column("CHG").cast(pl.Float64).to_numpy()
    arm = rows.get_column("TRTP").replace_strict(ARMS)
    low, high = ((arm == key).cast(pl.Float64).to_numpy() for key in ("low", "high"))
    by_arm, errors = _fitted(_design(rows, [low, high]), change)
    slope, slope_error = _fitted(_design(rows, [54.0 * low + 81.0 * high]), change)
    result = analysis[name]
    for key, i in (("low_vs_placebo", 1), ("high_vs_placebo", 2)):
        assert stat(result, key, "ls_mean_difference", visit, "estimate") == pytest.approx(by_arm[i])
        assert stat(result, key, "ls_mean_difference", visit, "std_error") == pytest.approx(errors[i])
    apart = by_arm[2] - by_arm[1]
    assert stat(result, "high_vs_low", "ls_mean_difference", visit, "estimate") == pytest.approx(apart)
    assert stat(result, "dose_response", "dose_response", visit, "estimate") == pytest.approx(slope[1])
    assert stat(result, "dose_response", "dose_response", visit, "std_error") == pytest.approx(slope_error[1])
    for key in ARMS.values():
        mine = change[(arm == key).to_numpy()]
        assert stat(result, key, "change", visit, "n") == mine.size
        assert stat(result, key, "change", visit, "mean") == pytest.approx(mine.mean())


def test_laboratory_means_by_visit_are_those_of_adlbc(analysis: Analysis, pilot: Path) -> None:
    tests = {m.tests[0]: name for name, m in analysis.protocol.spec.measures.items() if m.tests}
    rows = pl.read_csv(pilot / "adam_csv" / "adlbc.csv.gz", infer_schema_length=None).filter(
        pl.col("AVISIT").str.contains(r"^Week \d+$")
    )
    ours = analysis.tidy().filter((pl.col("analysis") == "chemistry") & (pl.col("term") == "value"))
    found = {
        (e, g, lv, s): float(v)
        for e, g, lv, s, v in ours.select("endpoint", "group", "level", "stat", "value").iter_rows()
        if v
    }
    checked = 0
    for (code, arm, visit), part in rows.group_by(["PARAMCD", "TRTP", "AVISIT"]):
        key = (tests[str(code)], ARMS[str(arm)], str(visit))
        if part.get_column("AVAL").null_count():  # `<0.2`: theirs is missing, ours the limit itself
            continue
        assert found[*key, "n"] == part.height, key
        assert found[*key, "mean"] == pytest.approx(part.get_column("AVAL").mean(), rel=1e-6), key
        checked += 1
    assert checked > 0.9 * 18 * 3 * 9


# Datasets ------------------------------------------------------------------------------------------


def test_adsl_has_the_patients_and_arms_of_the_study_s_own(analysis: Analysis, adsl: pl.DataFrame) -> None:
    ours = analysis.datasets["ADSL"].frame
    assert ours.get_column("USUBJID").to_list() == sorted(adsl.get_column("USUBJID"))
    both = ours.join(adsl, on="USUBJID", suffix="_theirs")
    for column in ("TRT01P", "SEX", "AGE", "ITTFL", "SAFFL", "EFFFL", "TRTSDT", "TRTEDT"):
        differing = both.filter(pl.col(column).ne_missing(pl.col(f"{column}_theirs")))
        # The last dose record of four patients has no end; theirs then ends with the trial.
        assert differing.height == (4 if column == "TRTEDT" else 0), column


def test_adae_flags_the_emergent_events_of_the_study_s_own(
    analysis: Analysis, emergent: pl.DataFrame
) -> None:
    ours = analysis.datasets["ADAE"].frame
    assert ours.height == 1191
    assert (ours.get_column("TRTEMFL") == "Y").sum() == emergent.height
    assert (ours.get_column("AOCCFL") == "Y").sum() == emergent.get_column("USUBJID").n_unique()
    terms = emergent.select("USUBJID", "AEBODSYS", "AEDECOD").unique().height
    assert (ours.get_column("AOCCPFL") == "Y").sum() == terms


def test_values_carried_forward_begin_after_the_first_value_after_baseline(analysis: Analysis) -> None:
    adlb = analysis.datasets["ADLB"].frame
    carried = adlb.filter(pl.col("DTYPE") == "LOCF")
    assert carried.height > 0
    assert carried.filter(pl.col("ADY") <= 1).height == 0
    assert carried.filter(pl.col("AVAL").is_null()).height == 0
    observed = adlb.filter(pl.col("DTYPE").is_null() & (pl.col("ANL01FL") == "Y") & (pl.col("ADY") > 1))
    keys = ["USUBJID", "PARAMCD", "AVISIT"]
    assert carried.join(observed, on=keys, how="semi").height == 0
    assert carried.select(keys).is_duplicated().sum() == 0
