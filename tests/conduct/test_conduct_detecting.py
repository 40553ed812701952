"""The detector of end points: what it finds below the rule, what its basis rests on, what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from flarefree.conduct.checks.planted import Planted
from flarefree.conduct.checks.trying import FLARE, alms, one_patient_with
from flarefree.conduct.detecting import Candidate, Detector, Level, one_patient
from flarefree.conduct.suspecting import without_confirmation
from flarefree.errors import ConductError
from flarefree.protocol.language.printing import print_node
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.loading import builtin_path, load_protocol, parse_protocol
from flarefree.records.study import Study

AT = datetime(2026, 3, 1, tzinfo=UTC)


def with_rule(opens_on: str) -> LoadedProtocol:
    text = builtin_path("alms-maintenance").read_text("utf-8")
    return parse_protocol(text.replace("opens_on: possible", f"opens_on: {opens_on}"), "alms.yaml")


def only(study: Study, protocol: LoadedProtocol | None = None) -> Candidate:
    (candidate,) = Detector(protocol or alms()).detect(study, AT).candidates
    return candidate


def test_a_candidate_says_which_rows_of_which_file_and_which_sentence() -> None:
    found = only(one_patient_with((92, FLARE)))
    assert (found.endpoint, found.day, found.level) == ("renal_flare", 92, Level.MET)
    assert found.components == ("proteinuric_flare",)
    cited = {(row.what, row.day, row.written) for row in found.cited}
    assert cited == {
        ("UPCR", 1, "0.4 mg/mg"),
        ("PROT24H", 1, "0.4 g/day"),
        ("UPCR", 92, "0.9 mg/mg"),
        ("PROT24H", 92, "1.2 g/day"),
    }
    assert all(row.file == "lb" and row.row > 0 for row in found.cited)
    assert found.rule.protocol == "alms-maintenance"
    assert found.rule.place.endswith("endpoints.renal_flare")
    assert found.found_at == AT


def test_decisions_in_the_data_are_not_looked_at() -> None:
    import polars as pl

    from flarefree.records.tables import whole_table

    study = one_patient_with((92, FLARE))
    said = {"subject": "Q-1", "endpoint": "renal_flare", "reader": "committee", "is_confirmed": False}
    decided = Study(
        study.name,
        study.protocol,
        {**study.tables, "decisions": whole_table("decisions", pl.DataFrame([said]))},
        study.sources,
    )
    assert Detector(alms()).detect(decided, AT) == Detector(alms()).detect(study, AT)


@pytest.mark.parametrize(("opens_on", "levels"), [("met", []), ("unconfirmed", ["unconfirmed"])])
def test_the_protocol_says_how_low_the_detector_looks(opens_on: str, levels: list[str]) -> None:
    study = one_patient_with((92, {**FLARE, "upcr": 0.3, "proteinuria": 0.3, "creatinine": 2.0}))
    found = Detector(with_rule(opens_on)).detect(study, AT).candidates
    assert [str(c.level) for c in found if c.endpoint == "doubling"] == levels


def test_possible_is_looked_for_only_where_asked() -> None:
    study = one_patient_with((92, {"upcr": 0.9}))
    assert only(study, with_rule("possible")).level is Level.POSSIBLE
    assert Detector(with_rule("unconfirmed")).detect(study, AT).candidates == ()


def test_a_baseline_that_fits_is_no_suspicion() -> None:
    """At a visit for weight alone, only clauses about month 0 are true: nothing is suspected."""
    protocol = load_protocol("multitarget-maintenance")
    planted = Planted(protocol)
    patient = planted.patient("Li").is_("remission_status", "CR")
    patient.at(1, platelets=200, c3=100, c4=20, sledai=0, proteinuria=0.2, creatinine=0.8)
    patient.at(92, weight=55)
    assert Detector(protocol).detect(planted.study(), AT).candidates == ()


def test_what_was_possible_and_is_met_later_is_two_suspicions() -> None:
    """At month 3 protein was not measured; at month 6 it was: the flare may have begun at either."""
    found = Detector(alms()).detect(one_patient_with((92, {"upcr": 0.9}), (184, FLARE)), AT).candidates
    assert [(c.day, str(c.level)) for c in found] == [(92, "possible"), (184, "met")]


def test_the_basis_is_of_what_rows_say_and_not_of_where_they_stand() -> None:
    here = only(one_patient_with((92, FLARE)))
    moved = only(one_patient_with((31, {"weight": 60.0}), (92, FLARE)))
    assert {row.row for row in here.cited} != {row.row for row in moved.cited}
    assert here.basis == moved.basis
    assert only(one_patient_with((92, {**FLARE, "upcr": 0.91}))).basis != here.basis


def test_the_basis_follows_the_sentence() -> None:
    text = builtin_path("alms-maintenance").read_text("utf-8")
    amended = parse_protocol(text.replace("upcr >= 2 * baseline(upcr)\n      and", "upcr >= 2.1 * baseline(upcr)\n      and", 1), "a.yaml")  # noqa: E501  # fmt: skip
    study = one_patient_with((92, FLARE))
    assert only(study, amended).basis != only(study).basis


def test_one_patient_gives_what_all_together_give() -> None:
    planted = Planted(alms())
    for name, ratio in (("Ana", 0.9), ("Bea", 0.3), ("Cho", 1.5)):
        planted.patient(name).at(1, upcr=0.4, proteinuria=0.4, creatinine=1.0).at(
            92, upcr=ratio, proteinuria=1.3, creatinine=1.0, red_cells=1, dipstick_blood=0, cellular_casts=0
        )
    study, detector = planted.study(), Detector(alms())
    together = detector.detect(study, AT)
    apart = [detector.detect(study, AT, subject=name) for name in ("Ana", "Bea", "Cho")]
    assert together.candidates == tuple(c for one in apart for c in one.candidates)
    assert together.quiet and set(together.quiet) == {q for one in apart for q in one.quiet}
    assert [one.subjects for one in apart] == [("Ana",), ("Bea",), ("Cho",)]


def test_quiet_is_what_was_known_and_far_from_any_suspicion() -> None:
    calm = {"upcr": 0.3, "proteinuria": 0.3, "creatinine": 1.0, "red_cells": 1.0, "dipstick_blood": 0.0, "cellular_casts": 0.0}  # noqa: E501  # fmt: skip
    study = one_patient_with((62, calm), (92, FLARE), (184, calm), (275, {"weight": 60.0}))
    quiet = {q.day for q in Detector(alms()).detect(study, AT).quiet if q.endpoint == "renal_flare"}
    assert quiet == {184}  # 62 is 30 days from the flare, and at 275 nothing was known


def test_patients_who_failed_screening_are_not_looked_at() -> None:
    planted = Planted(alms())
    planted.patient("Dee", is_screen_failure=True).at(1, upcr=0.4, proteinuria=0.4, creatinine=1).at(
        92, upcr=2, proteinuria=3, creatinine=1
    )
    detection = Detector(alms()).detect(planted.study(), AT)
    assert (detection.subjects, detection.candidates, detection.quiet) == ((), (), ())


def test_confirmation_is_taken_out_wherever_it_stands() -> None:
    node = load_protocol("multitarget-maintenance").sentences["endpoints.relapse_of_creatinine.when"]
    eased = print_node(without_confirmation(node))
    assert "confirmed" in print_node(node) and "confirmed" not in eased
    plain = alms().sentences["endpoints.proteinuric_flare.when"]
    assert without_confirmation(plain) is plain


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ConductError, match="without its zone"):
        Detector(alms()).detect(one_patient_with((92, FLARE)), datetime(2026, 3, 1))
    later = AT.astimezone(timezone(timedelta(hours=9)))
    assert Detector(alms()).detect(one_patient_with((92, FLARE)), later).candidates


def test_an_unknown_patient_is_refused() -> None:
    with pytest.raises(ConductError, match="no such patient"):
        one_patient(one_patient_with((92, FLARE)), "Zoe")


def test_a_protocol_that_adjudicates_nothing_is_refused() -> None:
    text = builtin_path("alms-maintenance").read_text("utf-8").replace("    adjudicated: true\n", "")
    text = (
        text[: text.index("  agreement:\n    kind: agreement")]
        + text[text.index("  adverse_events_summary:") :]
    )
    with pytest.raises(ConductError, match="adjudicates no endpoint"):
        Detector(parse_protocol(text, "none.yaml"))
