"""The pilot study's laboratory, sites and CIBIC+ tables against its own analysis datasets, cell by cell.

The expected side is counted from ADLBC, ADLBH, ADLBHY, ADSL, ADCIBC, and from LB itself, by plain loops.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analysis_handmade import stat
from flarefree.analysis import Analysis, analyze
from flarefree.results import AnalysisResult

pytestmark = pytest.mark.shared

ARMS = {"Placebo": "placebo", "Xanomeline Low Dose": "low", "Xanomeline High Dose": "high"}
STATUS = {"L": "low", "N": "normal", "H": "high"}
WEEKS = [f"Week {week}" for week in (2, 4, 6, 8, 12, 16, 20, 24)]


@pytest.fixture(scope="module")
def pilot(shared: Path) -> Path:
    return shared / "data" / "cdiscpilot"


@pytest.fixture(scope="module")
def analysis(pilot: Path) -> Analysis:
    return analyze(pilot, protocol="cdisc-pilot")


@pytest.fixture(scope="module")
def names(analysis: Analysis) -> dict[str, str]:
    return {m.tests[0]: name for name, m in analysis.protocol.spec.measures.items() if m.tests}


@pytest.fixture(scope="module")
def adlb(pilot: Path, names: dict[str, str]) -> pl.DataFrame:
    columns = ["USUBJID", "TRTP", "PARAMCD", "AVISIT", "VISITNUM", "ANRIND", "BNRIND", "ANL01FL", "SAFFL"]
    parts = [
        pl.read_csv(pilot / "adam_csv" / f"{name}.csv.gz", infer_schema_length=None).select(columns)
        for name in ("adlbc", "adlbh")
    ]
    known = pl.concat(parts).filter(pl.col("PARAMCD").is_in(list(names)))
    # The public LB lacks the first differential counts of six patients, which ADLBH has.
    lb = pl.read_csv(pilot / "sdtm_csv" / "lb.csv.gz", infer_schema_length=None)
    screened = lb.filter(pl.col("VISITNUM") == 1).select("USUBJID", PARAMCD="LBTESTCD").unique()
    lacking = known.filter(pl.col("AVISIT") == "Baseline").join(
        screened, on=["USUBJID", "PARAMCD"], how="anti"
    )
    assert (lacking.height, lacking.get_column("USUBJID").n_unique()) == (24, 6)
    return known.join(lacking, on=["USUBJID", "PARAMCD"], how="anti")


def xport(path: Path) -> pl.DataFrame:
    import pyreadstat

    return pyreadstat.read_xport(str(path), output_format="polars")[0]


def patients(result: AnalysisResult) -> Counter[tuple[str, str, str, str]]:
    """Patients of a result by item, level, term and arm, those of rows with shares only."""
    counted: Counter[tuple[str, str, str, str]] = Counter()
    for row in result.tables[0].rows:
        for arm in ARMS.values():
            cell = row.cells.get(arm)
            if cell is not None and "percent" in cell.stats and cell.stats["n"]:
                counted[row.endpoint, row.level, row.term, arm] += int(str(cell.stats["n"]))
    return counted


def p_of_general_association(strata: dict[Any, Counter[tuple[str, str]]]) -> tuple[float, int] | None:
    """Cochran, Mantel and Haenszel's test from counts by (arm, level) in strata, cell by cell.

    Cells of all arms and levels but the last of each; covariances of the multivariate hypergeometric.
    """
    from scipy.stats import chi2

    arms = sorted({arm for cells in strata.values() for arm, _ in cells.elements()})
    levels = sorted({level for cells in strata.values() for _, level in cells.elements()})
    kept = [(arm, level) for arm in arms[:-1] for level in levels[:-1]]
    if not kept:
        return None
    excess, spread = np.zeros(len(kept)), np.zeros((len(kept), len(kept)))
    for cells in strata.values():
        n = sum(cells.values())
        if n < 2:
            continue
        row = {a: sum(cells[a, v] for v in levels) for a in arms}
        column = {v: sum(cells[a, v] for a in arms) for v in levels}
        for i, (a, v) in enumerate(kept):
            excess[i] += cells[a, v] - row[a] * column[v] / n
            for j, (b, w) in enumerate(kept):
                by_row = row[a] * ((a == b) * n - row[b])
                by_column = column[v] * ((v == w) * n - column[w])
                spread[i, j] += by_row * by_column / (n**2 * (n - 1))
    if not spread.any():
        return None
    df = int(np.linalg.matrix_rank(spread))
    return float(chi2.sf(excess @ np.linalg.pinv(spread) @ excess, df)), df


# Shifts --------------------------------------------------------------------------------------------


def _shifts(rows: pl.DataFrame, names: dict[str, str]) -> Iterator[tuple[str, str, str, str, str]]:
    known = rows.filter(pl.col("BNRIND").is_not_null() & pl.col("ANRIND").is_not_null())
    for test, visit, arm, start, later in known.select(
        "PARAMCD", "AVISIT", "TRTP", "BNRIND", "ANRIND"
    ).iter_rows():
        yield names[test], visit, STATUS[start], STATUS[later], ARMS[arm]


def test_shifts_by_visit_are_those_of_anrind_and_bnrind(
    analysis: Analysis, adlb: pl.DataFrame, names: dict[str, str]
) -> None:
    rows = adlb.filter(pl.col("AVISIT").is_in([*WEEKS, "Week 26"]))
    expected = Counter(
        (test, visit, f"{start}_to_{later}", arm) for test, visit, start, later, arm in _shifts(rows, names)
    )
    assert expected.total() > 40_000
    assert patients(analysis["laboratory_shifts_by_visit"]) == expected


def test_most_extreme_shifts_are_those_of_the_flagged_records(
    analysis: Analysis, adlb: pl.DataFrame, names: dict[str, str]
) -> None:
    flagged = adlb.filter((pl.col("ANL01FL") == "Y") & pl.col("AVISIT").is_in(WEEKS))
    assert not flagged.select("USUBJID", "PARAMCD").is_duplicated().any()
    found = list(_shifts(flagged, names))
    expected = Counter((test, "", f"{start}_to_{later}", arm) for test, _, start, later, arm in found)
    result = analysis["laboratory_shifts"]
    assert expected.total() > 7_000
    # One patient's only bilirubin after baseline is `<0.2`: without a value, and so a flag, there.
    expected["bilirubin", "", "normal_to_normal", "low"] += 1
    assert patients(result) == expected
    found.append(("bilirubin", "", "normal", "normal", "low"))
    strata: dict[str, dict[str, Counter[tuple[str, str]]]] = defaultdict(lambda: defaultdict(Counter))
    for test, _, start, later, arm in found:
        strata[test][start][arm, later] += 1
    tested = 0
    for row in result.tables[0].rows:
        if row.term != "assessed":
            continue
        theirs, ours = p_of_general_association(strata[row.endpoint]), row.cells["overall"].stats
        if theirs is None:
            assert ours["p_value"] is None, row.endpoint
        else:
            assert (ours["p_value"], ours["df"]) == (pytest.approx(theirs[0]), theirs[1]), row.endpoint
            tested += 1
    assert tested == 11


def test_hy_s_law_is_that_of_adlbhy(analysis: Analysis, pilot: Path) -> None:
    rows = pl.read_csv(pilot / "adam_csv" / "adlbhy.csv.gz", infer_schema_length=None).filter(
        pl.col("AVISIT").is_in(WEEKS) & (pl.col("SAFFL") == "Y") & pl.col("BASE").is_not_null()
    )
    expected: Counter[tuple[str, str, str, str]] = Counter()
    for code, item in (("TRANSHY", "raised_transaminase"), ("HYLAW", "hys_law")):
        ever = (
            rows.filter(pl.col("PARAMCD") == code)
            .group_by("USUBJID", "TRTP", "BASE")
            .agg(pl.col("AVAL").max())
        )
        for _, arm, start, most in ever.iter_rows():
            term = f"{'yes' if start else 'no'}_to_{'yes' if most else 'no'}"
            expected[item, "", term, ARMS[arm]] += 1
    assert patients(analysis["hys_law_shifts"]) == expected


# Changes since the previous visit ------------------------------------------------------------------


def test_large_changes_are_those_of_a_walk_through_lb(
    analysis: Analysis, pilot: Path, adlb: pl.DataFrame, names: dict[str, str]
) -> None:
    planned = {1.0, 4.0, 5.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0}
    arm_of = dict(adlb.filter(pl.col("SAFFL") == "Y").select("USUBJID", "TRTP").unique().iter_rows())
    courses: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    with gzip.open(pilot / "sdtm_csv" / "lb.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            is_ours = row["LBCAT"] in ("CHEMISTRY", "HEMATOLOGY") and row["LBTESTCD"] in names
            text = row["LBSTRESC"].lstrip("<>")
            if is_ours and row["USUBJID"] in arm_of and float(row["VISITNUM"]) in planned and text:
                width = (
                    float(row["LBSTNRHI"]) - float(row["LBSTNRLO"])
                    if row["LBSTNRHI"] and row["LBSTNRLO"]
                    else float("nan")
                )
                courses[row["USUBJID"], row["LBTESTCD"]].append((float(row["VISITNUM"]), float(text), width))
    expected: dict[str, Counter[tuple[str, str]]] = {k: Counter() for k in ("all", "low", "high", "abnormal")}
    for (subject, test), course in courses.items():
        course.sort()
        key = (names[test], ARMS[arm_of[subject]])
        judged = [
            (value - before) / (0.5 * width)
            for (_, before, _), (_, value, width) in pairwise(course)
            if width == width
        ]
        expected["all"][key] += bool(judged)
        expected["low"][key] += any(change < -1 - 1e-9 for change in judged)
        expected["high"][key] += any(change > 1 + 1e-9 for change in judged)
        expected["abnormal"][key] += any(abs(change) > 1 + 1e-9 for change in judged)
    ours: dict[str, Counter[tuple[str, str]]] = {k: Counter() for k in expected}
    for row in analysis["laboratory_changes"].tables[0].rows:
        kind = "all" if row.term == "assessed" else row.term
        for arm in ARMS.values():
            ours[kind][row.endpoint, arm] += int(str(row.cells[arm].stats["n"]))
    for kind, counts in expected.items():
        differing = {k for k in counts | ours[kind] if counts[k] != ours[kind][k]}
        assert differing == set(), (kind, {k: (counts[k], ours[kind][k]) for k in differing})


# Sites and CIBIC+ ----------------------------------------------------------------------------------


def test_subjects_by_site_are_those_of_adsl(analysis: Analysis, pilot: Path) -> None:
    adsl = xport(pilot / "adam_xpt" / "adsl.xpt")
    result = analysis["subjects_by_site"]
    flags = {"itt": "ITTFL", "efficacy": "EFFFL", "completed_24": "COMP24FL"}
    pooled = {p for (p,), part in adsl.group_by(["SITEGR1"]) if part.get_column("SITEID").n_unique() > 1}
    assert pooled == {"900"}
    checked = 0
    for population, flag in flags.items():
        members = adsl.filter(pl.col(flag) == "Y")
        for arm, key in ARMS.items():
            mine = members.filter(pl.col("TRT01P") == arm)
            assert stat(result, key, population, "900") == mine.filter(pl.col("SITEGR1") == "900").height
            for site, pool in adsl.select("SITEID", "SITEGR1").unique().iter_rows():
                level = f"{pool}/{site}" if pool in pooled else site
                assert stat(result, key, population, level) == mine.filter(pl.col("SITEID") == site).height
                checked += 1
        assert stat(result, "total", population, "900") == members.filter(pl.col("SITEGR1") == "900").height
    assert checked == 3 * 3 * 17


def test_categories_of_cibic_are_those_of_adcibc(analysis: Analysis, pilot: Path) -> None:
    result = analysis["cibic_categories"]
    labels = {v: label for label, v in analysis.protocol.spec.analyses["cibic_categories"].categories.items()}
    rows = xport(pilot / "adam_xpt" / "adcibc.xpt").filter(
        (pl.col("EFFFL") == "Y") & (pl.col("ANL01FL") == "Y") & pl.col("AVAL").is_not_null()
    )
    for visit in ("Week 8", "Week 16", "Week 24"):
        mine = rows.filter(pl.col("AVISIT") == visit)
        strata: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        for site, arm, value in mine.select("SITEGR1", "TRTP", "AVAL").iter_rows():
            strata[site][ARMS[arm], str(value)] += 1
        for value, label in labels.items():
            for arm in ARMS.values():
                expected = sum(cells[arm, str(value)] for cells in strata.values())
                assert stat(result, arm, label, visit) == expected, (visit, label, arm)
        p, df = p_of_general_association(strata) or (None, None)
        assert stat(result, "overall", "assessed", visit, "p_value") == pytest.approx(p)
        assert stat(result, "overall", "assessed", visit, "df") == df
