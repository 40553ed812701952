"""One virtual trial as a study: what is derived from its files is what the engine found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import flarefree as ff
from flarefree.endpoints.derive import derive_arrays
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


def test_a_trial_is_the_one_that_simulate_counted() -> None:
    """Trials 6 to 9 of one seed, the first two under one draw of the parameters, the others under another."""
    draws = (Parameters(), BUSY)
    found = ff.simulate(ALMS, trials=4, first_trial=6, seed=7, parameters=draws)
    for k in range(4):
        drawn = draw_virtual_trial(ALMS, seed=7, trial=6 + k, parameters=draws)
        for place, name in enumerate(drawn.question.asked):
            event = drawn.outcomes.times[name].is_event
            counts = [int(event[drawn.cohort.arm == arm].sum()) for arm in (0, 1)]
            assert found.per_trial.events[k, place].tolist() == counts, (k, name)


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
