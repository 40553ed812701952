"""One virtual trial as a study: what is derived from its files is what the engine found."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import flarefree as ff
from flarefree.endpoints.derive import derive_arrays
from flarefree.errors import FlarefreeError
from flarefree.protocol.loading import builtin_path, load_protocol
from flarefree.simulation.design import design_of
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.recording import Recording
from flarefree.simulation.study_files import study_tables, write_study_files
from flarefree.simulation.virtual_trial import VirtualTrial, draw_virtual_trial, write_virtual_study

ALMS, MULTITARGET = "alms-maintenance", "multitarget-maintenance"

# Busy patients: every road through committee, rescue, dialysis, death and reassessment is taken.
BUSY = Parameters().changed(
    lam_mmf=0.9, lam_aza=1.4, q_nephritic=0.5, q_severe=0.9, severe_slope_median=1.5, death=0.05,
    extrarenal=0.4, q_c=0.5, h_multitarget=1.0,
)  # fmt: skip
AS_IN_THE_DEMO = Recording(missing=0.05, si_center="GBR01")


def differences(drawn: VirtualTrial, folder: Path) -> dict[str, list[Any]]:
    """Patients of whom `derive` finds anything else in the files than the engine, by endpoint."""
    study = ff.read_study(write_study_files(folder, drawn))
    found = derive_arrays(study, drawn.protocol).found.outcomes
    row_of = {subject: i for i, subject in enumerate(drawn.enrolled.subjects.tolist())}
    rows = [row_of[subject] for subject in study["subjects"].get_column("subject")]
    differ: dict[str, list[Any]] = {}
    for endpoint, engine in drawn.outcomes.times.items():
        derived = found[endpoint].times
        for k, i in enumerate(rows):
            ours = (int(engine.times[i]), bool(engine.is_event[i]), int(engine.components[i]))
            theirs = (int(derived.times[k]), bool(derived.is_event[k]), int(derived.components[k]))
            if ours != theirs:
                differ.setdefault(endpoint, []).append((drawn.enrolled.subjects[i], ours, theirs))
    assert len(rows) == drawn.design.n and drawn.outcomes.times
    return differ


@pytest.mark.parametrize("protocol", [ALMS, MULTITARGET])
@pytest.mark.parametrize("parameters", [None, BUSY], ids=["as calibrated", "busy"])
@pytest.mark.parametrize(("seed", "trial"), [(1, 0), (2, 14), (20110401, 377637)])
def test_derive_finds_in_the_files_what_the_engine_found(
    tmp_path: Path, protocol: str, parameters: Parameters | None, seed: int, trial: int
) -> None:
    drawn = draw_virtual_trial(protocol, seed=seed, trial=trial, parameters=parameters)
    assert differences(drawn, tmp_path / "s") == {}


def test_missing_values_and_other_units_are_what_the_engine_saw(tmp_path: Path) -> None:
    drawn = draw_virtual_trial(ALMS, seed=3, parameters=BUSY, recording=AS_IN_THE_DEMO)
    assert differences(drawn, tmp_path / "s") == {}
    labs = pl.read_csv(tmp_path / "s" / "lb.csv", infer_schema=False)
    si = labs.filter(pl.col("LBORRESU") == "umol/L")
    assert si.height > 20 and set(si["LBTESTCD"]) == {"CREAT"}
    assert set(si["USUBJID"].str.slice(0, 5)) == {"GBR01"}
    # One value in twenty is missing: of 20,000 expected, within four standard errors.
    whole = draw_virtual_trial(ALMS, seed=3, parameters=BUSY, recording=Recording(0.0, "GBR01"))
    counts = [study_tables(t)["lb"].filter(pl.col("VISIT") != "MONTH 0").height for t in (drawn, whole)]
    assert 1 - counts[0] / counts[1] == pytest.approx(0.05, abs=0.01)


SETTINGS = {
    "n": 40, "visit_spacing": 2.5, "horizon_months": 24.0, "dropout": 0.2, "committee_strictness": 1.0,
    "accrual_months": 3.0,
}  # fmt: skip


@pytest.mark.parametrize("protocol", [ALMS, MULTITARGET])
def test_other_designs_are_written_as_they_were_run(tmp_path: Path, protocol: str) -> None:
    loaded = load_protocol(protocol)
    drawn = draw_virtual_trial(loaded, design=design_of(loaded, SETTINGS), seed=8, parameters=BUSY)
    assert differences(drawn, tmp_path / "s") == {}
    first_days = pl.read_csv(tmp_path / "s" / "dm.csv", infer_schema=False)["RFSTDTC"].str.to_date()
    assert (first_days.max() - first_days.min()).days < 92


def test_a_protocol_of_ones_own_travels_with_the_study(tmp_path: Path) -> None:
    """A copy of ALMS in which a flare must be confirmed: reassessments are made, and the file goes along."""
    mine = tmp_path / "mine.yaml"
    text = builtin_path(ALMS).read_text("utf-8").replace("published: published/alms-maintenance.yaml\n", "")
    sentence = text[
        text.index("      upcr >= 2 * baseline(upcr)") : text.index("    note: >-\n      Baseline is")
    ]
    confirmed = f"      confirmed({' '.join(sentence.split())}, within 14 to 42 days)\n"
    mine.write_text(text.replace(sentence, confirmed), "utf-8")
    loaded = load_protocol(mine)
    drawn = draw_virtual_trial(loaded, seed=4, parameters=BUSY)
    assert differences(drawn, tmp_path / "s") == {}
    mine.unlink()
    study = ff.read_study(tmp_path / "s")
    assert study.protocol.endswith("mine.yaml")
    assert study["visits"].filter(pl.col("visit") == "REASSESSMENT").height > 20
    assert ff.derive(study).protocol.digest == loaded.digest


def test_an_endpoint_of_adverse_events_is_left_to_the_analysis(tmp_path: Path) -> None:
    """The engine has no adverse events; the written study has, and its analysis finds them."""
    mine = tmp_path / "mine.yaml"
    text = builtin_path(ALMS).read_text("utf-8").replace("published: published/alms-maintenance.yaml\n", "")
    added = '  pneumonia:\n    label: Pneumonia\n    when: adverse_event where term contains "pneumonia"\n'
    mine.write_text(
        text.replace("  death:\n    label: Death\n", f"{added}  death:\n    label: Death\n"), "utf-8"
    )
    drawn = draw_virtual_trial(mine_loaded := load_protocol(mine), seed=4)
    assert "pneumonia" not in drawn.outcomes.times and "treatment_failure" in drawn.outcomes.times
    derived = ff.derive(ff.read_study(write_virtual_study(tmp_path / "s", mine_loaded, seed=4)))
    events = derived.time_to_event.filter((pl.col("endpoint") == "pneumonia") & pl.col("is_event"))
    terms = pl.read_csv(tmp_path / "s" / "ae.csv", infer_schema=False).filter(
        pl.col("AEDECOD") == "Pneumonia"
    )
    assert events.height and events.height <= terms["USUBJID"].n_unique()


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
