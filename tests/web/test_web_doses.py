"""Doses of the double dummy and code breaks, as a site asks for them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flarefree.errors import ConductError


@pytest.fixture
def trial(databases: None, tmp_path):
    from flarefree.web.checks.live_trial import live_trial, randomize

    with live_trial(tmp_path / "trial", subjects=6) as told:
        for subject in told.subjects[:2]:
            randomize(subject)
        yield told


def ask(command, role: str = "investigator", *, person: str = "", days: int = 0, request: str = "", at=None):
    from flarefree.conduct.visibility import Actor
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute

    site = command.subject.partition("-")[0] if hasattr(command, "subject") else "001"
    actor = Actor(person or role, role, frozenset({site}))
    at = at or BEGIN + timedelta(hours=2, days=days)
    return execute(command, Asked(actor, request or f"{command.name} {days} {person}", at))


def test_doses_begin_are_cut_interrupted_and_resumed(trial):
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.commands.doses import (
        ApproveResumption,
        InterruptDoses,
        ResumeDoses,
        SetDoseStep,
        StartDoses,
    )
    from flarefree.web.record.reading import read_things

    who, day = trial.subjects[0], BEGIN.date()
    first = ask(StartDoses(subject=who, on=day, weight_kg="61.5"))
    text = str(first.result["instruction"])
    assert "Tablets M" in text and "Tablets A" in text and text.startswith("Study days 1 to 91")
    cut = ask(SetDoseStep(subject=who, on=day + timedelta(10), step=1, why="ADVERSE_EVENT"), days=10)
    assert cut.result["instruction"] != first.result["instruction"]
    ask(InterruptDoses(subject=who, on=day + timedelta(20), temporary=1, why="LABORATORY"), days=20)
    late = ResumeDoses(subject=who, on=day + timedelta(40), step=1)
    with pytest.raises(ConductError, match="interruption was too long"):
        ask(late, days=40)
    ask(ApproveResumption(subject=who, reason="marrow has recovered"), "medical_monitor", days=40)
    ask(late, days=40, request="again")
    assert [item["what"] for item in read_things("dose", subject=who)] == [
        "Start", "SetStep", "Interrupt", "Resume",
    ]  # fmt: skip
    fields = {f.field for i in read_things("instruction", subject=who) for f in i.facts.values()}
    assert fields == {"doses.instruction"}


def test_only_the_patients_own_kit_is_handed_out(trial):
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.commands.doses import DispenseKit
    from flarefree.web.record.reading import read_thing

    who, other = trial.subjects[:2]
    own, others = (str(read_thing("subject", s)["kit"]) for s in (who, other))
    with pytest.raises(ConductError, match="not this patient's"):
        ask(DispenseKit(subject=who, kit=others, dispensed_on=BEGIN.date()), "pharmacist")
    ask(
        DispenseKit(subject=who, kit=own, dispensed_on=BEGIN.date(), tablets=(360, 180)),
        "pharmacist",
        request="2",
    )
    assert read_thing("subject", who)["status"] == "on_treatment"


def test_a_code_break_is_answered_to_who_ordered_it_and_nobody_else(trial):
    from flarefree.conduct.visibility import Actor
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.code_breaks import (
        AssessCodeBreak,
        NoteIdentification,
        OrderCodeBreak,
        hear_answer,
    )
    from flarefree.web.commands.executing import execute
    from flarefree.web.record.models import LogRow, Value
    from flarefree.web.record.reading import read_thing, read_things

    who, at = trial.subjects[0], BEGIN + timedelta(hours=2)
    noted = execute(
        NoteIdentification(person="investigator", factors=("password", "device")),
        Asked(None, "identified", at, "machine"),
    )
    told = {
        "subject": who,
        "identification": str(noted.result["identification"]),
        "reason": "EMERGENCY",
        "explanation": "pancytopenia, marrow failing",
    }
    with pytest.raises(ConductError, match="says what it does to blinding"):
        ask(OrderCodeBreak(**told), at=at, request="0")
    with pytest.raises(ConductError, match="not proven"):
        ask(OrderCodeBreak(**told, impact="ASKER_ONLY"), at=at, person="another", request="1")
    done = ask(OrderCodeBreak(**told, impact="TREATING_TEAM"), at=at, request="2")
    key = str(done.result["code_break"])
    answers = [
        hear_answer(key, Asked(Actor("investigator", "investigator", frozenset({"001"})), f"hear{n}", at))
        for n in range(2)
    ]
    own = trial.lists.list_of(("Intravenous cyclophosphamide", "White", "III or III+V"))
    arm = ("Mycophenolate mofetil", "Azathioprine")[own.entries[0]]
    assert [answer.treatment for answer in answers] == [arm, arm]
    with pytest.raises(ConductError, match="nothing here"):
        hear_answer(key, Asked(Actor("other", "investigator", frozenset({"001"})), "hear3", at))
    assert len(read_things("notice")) == 3
    assert read_thing("code_break", key)["answered_at"] is not None
    kept = [v.value for v in Value.objects.filter(thing__kind__in=("code_break", "notice"))]
    kept += [row.items + row.content + row.answer for row in LogRow.objects.filter(about__contains=who)]
    assert not [text for text in kept if "zathioprin" in text]
    with pytest.raises(ConductError, match="assessed by the medical monitor"):
        ask(
            AssessCodeBreak(code_break=key, assessment="no harm done"),
            "medical_monitor",
            person="investigator",
        )
    ask(AssessCodeBreak(code_break=key, assessment="none who assesses heard it"), "medical_monitor")
    assert read_thing("code_break", key)["assessment"]
