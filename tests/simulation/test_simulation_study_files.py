"""The files of a virtual study: blind to arms, the same bytes again, nothing twice, nothing after death."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import flarefree as ff
from flarefree.errors import FlarefreeError
from flarefree.protocol.loading import load_protocol
from flarefree.simulation.design import design_of
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.study_files import study_tables
from flarefree.simulation.virtual_trial import draw_virtual_trial, write_virtual_study

ALMS, MULTITARGET = "alms-maintenance", "multitarget-maintenance"

BUSY = Parameters().changed(
    lam_mmf=0.9, lam_aza=1.4, q_nephritic=0.5, q_severe=0.9, severe_slope_median=1.5, death=0.05,
    extrarenal=0.4, q_c=0.5, h_multitarget=1.0,
)  # fmt: skip

# Blinding --------------------------------------------------------------------------------------------


def swapped(seed: int) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    """The same people in the same trial, and with every treatment given to the other arm."""
    loaded = load_protocol(ALMS)
    design = design_of(loaded, {"n": 60})
    other = replace(design, treatments=design.treatments[::-1], arms=design.arms[::-1])
    return tuple(  # type: ignore[return-value]
        study_tables(draw_virtual_trial(loaded, design=d, seed=seed)) for d in (design, other)
    )


def csv(frame: pl.DataFrame) -> str:
    return frame.write_csv()


def test_nothing_but_the_arm_and_what_treatment_did_depends_on_the_arm() -> None:
    """Subject numbers, sites, dates, order and month 0 are the same bytes when treatments are exchanged."""
    first, second = swapped(21)
    arm = ["ARMCD", "ARM", "ACTARMCD", "ACTARM"]
    ends = ["RFENDTC", "RFXENDTC", "RFPENDTC", "DTHDTC", "DTHFL"]
    assert first.keys() == second.keys()
    assert csv(first["dm"].drop(arm + ends)) == csv(second["dm"].drop(arm + ends))
    assert (first["dm"]["ARMCD"] != second["dm"]["ARMCD"]).all()
    for table in ("suppdm", "mh"):
        assert csv(first[table]) == csv(second[table]), table
    for table in ("lb", "vs", "qs"):
        month_0 = [t[table].filter(pl.col("VISIT") == "MONTH 0") for t in (first, second)]
        sequence = f"{table.upper()}SEQ"
        assert csv(month_0[0].drop(sequence)) == csv(month_0[1].drop(sequence)), table
        assert first[table].columns == second[table].columns
    # Treatment did something, or there would be nothing to hide.
    assert csv(first["ds"]) != csv(second["ds"]) and csv(first["lb"]) != csv(second["lb"])


def test_arms_follow_no_pattern_in_the_order_of_subjects() -> None:
    """Runs of one arm down the file are as long as chance makes them: 113 switches of 226, SD 7.5."""
    arms = study_tables(draw_virtual_trial(ALMS, seed=5))["dm"]["ARMCD"]
    switches = int((arms.head(226) != arms.tail(226)).sum())
    assert abs(switches - 113) < 30


def test_subjects_are_numbered_in_order_of_entry_at_their_center() -> None:
    dm = study_tables(draw_virtual_trial(ALMS, seed=5))["dm"]
    assert dm["USUBJID"].is_sorted() and dm["USUBJID"].n_unique() == 227
    for (site,), own in dm.group_by("SITEID", maintain_order=True):
        assert own["RFSTDTC"].is_sorted(), site
        assert own["USUBJID"].to_list() == [f"{site}-{k + 1:03d}" for k in range(own.height)]
    assert dm["RFSTDTC"].min() >= "2006-01-25" and dm["RFSTDTC"].max() <= "2007-03-19"


# Files -----------------------------------------------------------------------------------------------


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_the_same_address_gives_the_same_bytes_and_another_others(tmp_path: Path) -> None:
    first = digests(write_virtual_study(tmp_path / "a", MULTITARGET, seed=5, trial=2))
    assert digests(write_virtual_study(tmp_path / "b", MULTITARGET, seed=5, trial=2)) == first
    for name, other in (("c", {"seed": 6, "trial": 2}), ("d", {"seed": 5, "trial": 3})):
        changed = digests(write_virtual_study(tmp_path / name, MULTITARGET, **other))
        assert not {k for k in ("dm.csv", "lb.csv", "ae.csv") if changed[k] == first[k]}


def test_a_study_replaces_an_earlier_one_whole(tmp_path: Path) -> None:
    loaded = load_protocol(ALMS)
    write_virtual_study(tmp_path / "s", loaded, seed=1)
    write_virtual_study(tmp_path / "s", MULTITARGET, seed=1)
    fresh = write_virtual_study(tmp_path / "t", MULTITARGET, seed=1)
    assert digests(tmp_path / "s") == digests(fresh)


@pytest.fixture(scope="module", params=[ALMS, MULTITARGET])
def tables(request: pytest.FixtureRequest) -> dict[str, pl.DataFrame]:
    return study_tables(draw_virtual_trial(request.param, seed=9, parameters=BUSY))


def test_nothing_that_was_measured_or_decided_is_of_others_or_twice(tables: dict[str, pl.DataFrame]) -> None:
    subjects = set(tables["dm"]["USUBJID"])
    for name, table in tables.items():
        assert set(table["subject" if name == "decisions" else "USUBJID"]) <= subjects, name
    for code in ("lb", "vs", "qs"):
        key = ["USUBJID", f"{code.upper()}TESTCD", f"{code.upper()}DTC"]
        if code in tables:
            assert not tables[code].select(key).is_duplicated().any()
    assert not tables["decisions"].select("subject", "endpoint", "event_date").is_duplicated().any()


def test_nothing_befalls_a_patient_after_death(tables: dict[str, pl.DataFrame]) -> None:
    dead = tables["dm"].filter(pl.col("DTHDTC") != "").select("USUBJID", "DTHDTC")
    assert dead.height > 3
    for name, date in (("ae", "AESTDTC"), ("ex", "EXENDTC"), ("lb", "LBDTC"), ("ce", "CESTDTC")):
        assert not tables[name].join(dead, on="USUBJID").filter(pl.col(date) > pl.col("DTHDTC")).height, name


def test_after_the_end_of_treatment_only_creatinine_is_measured(tables: dict[str, pl.DataFrame]) -> None:
    ends = tables["dm"].select("USUBJID", "RFENDTC", "RFPENDTC")
    for name in ("lb", "vs", "qs"):
        if name in tables:
            date, test = f"{name.upper()}DTC", f"{name.upper()}TESTCD"
            rows = tables[name].join(ends, on="USUBJID")
            assert not rows.filter(pl.col(date) > pl.col("RFPENDTC")).height
            late = rows.filter(pl.col(date) > pl.col("RFENDTC"))
            assert set(late[test]) <= {"CREAT"}, name


def test_a_study_written_from_files_has_no_odd_rows(tmp_path: Path) -> None:
    for name in (ALMS, MULTITARGET):
        study = ff.read_study(write_virtual_study(tmp_path / name, name, seed=4))
        assert study.is_virtual
        assert not [f for f in study.findings if f.severity != "note"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"seed": -1}, "seed"),
        ({"trial": -1}, "trial"),
        ({"trial": 2**31}, "trial"),
        ({"endpoint": "treatment_failur"}, "treatment_failure"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, words: dict[str, Any], says: str) -> None:
    with pytest.raises(FlarefreeError, match=says):
        write_virtual_study(tmp_path / "s", ALMS, **words)
    assert not (tmp_path / "s").exists()
