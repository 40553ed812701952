"""V1 to V4 on the database: schedule, contacts, endings apart, drugs flagged in the same transaction."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from flarefree.errors import ConductError


@pytest.fixture
def clinic(record: None):
    import web_clinic

    web_clinic.open_clinic()
    return web_clinic


def thing(kind: str, key: str):
    from flarefree.web.record.reading import read_thing

    return read_thing(kind, key)


def late(actor, at: datetime) -> list[tuple[str, str, int]]:
    from flarefree.web.queries.overdue import overdue

    return [(one.subject, one.due.name, one.days_late) for one in overdue(actor, at)]


# V1 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin"])
@pytest.mark.parametrize("month_end", ["2027-08-31T11:00", "2028-02-29T11:00", "2026-03-29T00:30"])
def test_visits_fall_due_by_the_site_s_dates(record, zone, month_end):
    """Day 1 is the date there; 92 days from month 0 is month 3; a month's call falls on its last day."""
    import web_clinic

    from flarefree.conduct.schedule import dues_of
    from flarefree.conduct.withdrawals import Participation
    from flarefree.web.commands.parts import day_one_of
    from flarefree.web.trial import running_trial

    web_clinic.open_clinic(zone)
    at = datetime.fromisoformat(month_end).replace(tzinfo=UTC)
    patient = planted(web_clinic, at)
    day_one = day_one_of(thing("subject", patient))
    hours = {"Pacific/Kiritimati": 14, "Pacific/Pago_Pago": -11, "Europe/Berlin": 1}[zone]
    if zone == "Europe/Berlin" and (at.month == 8):
        hours = 2
    assert day_one == (at + timedelta(hours=hours)).date()
    dues = {due.name: due.due for due in dues_of(running_trial().protocol.spec, day_one, Participation())}
    assert dues["Month 3"] == day_one + timedelta(days=91)
    call = dues["Telephone 1"]
    assert (call.year * 12 + call.month) - (day_one.year * 12 + day_one.month) == 1
    assert call.day == day_one.day or (call + timedelta(days=1)).day == 1


def planted(clinic, at: datetime) -> str:
    """A patient who was only screened and randomized: for dates alone."""
    from web_planting import plant

    subject = clinic.screened(at)
    values = {"status": "on_treatment", "randomized_at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    plant(subject, ("subject", subject, "allocation.request", values), request=f"r {subject}", at=at)
    return subject


def test_day_one_stays_when_the_site_moves_to_another_zone(clinic):
    from flarefree.web.commands.parts import day_one_of
    from flarefree.web.commands.sites import ChangeSite

    at = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)  # January 6 in Berlin
    subject = planted(clinic, at)
    moved = ChangeSite(site="017", zone="America/Toronto", reason="the clinic moved")
    clinic.ask(clinic.ADMINISTRATOR, moved, at, days=30)
    assert day_one_of(thing("subject", subject)) == date(2026, 1, 6)
    later = planted(clinic, at + timedelta(days=60))  # 18:30 of the day before, in Toronto
    assert day_one_of(thing("subject", later)) == (at + timedelta(days=60)).date()


# V2 -----------------------------------------------------------------------------------------------


def test_calls_and_visits_are_overdue_from_the_day_after_their_window(clinic):
    from flarefree.web.commands.follow_up import RecordContact

    subject = clinic.randomized()  # January 5: telephone 1 on February 5, window 7 days
    clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 1", "2026-02-04"), days=31)
    assert late(clinic.NURSE, datetime(2026, 2, 12, 12, tzinfo=UTC)) == []
    assert late(clinic.NURSE, datetime(2026, 2, 13, 12, tzinfo=UTC)) == [(subject, "Telephone 1", 1)]
    assert late(clinic.ELSEWHERE, datetime(2026, 2, 13, 12, tzinfo=UTC)) == []
    in_vain = RecordContact(subject=subject, contact="Telephone 1", date="2026-02-13", reached=False)
    clinic.ask(clinic.NURSE, in_vain, days=39)
    assert late(clinic.MONITOR, datetime(2026, 2, 13, 13, tzinfo=UTC)) == [(subject, "Telephone 1", 1)]
    clinic.ask(clinic.NURSE, in_vain.model_copy(update={"reached": True}), days=39)
    assert late(clinic.MANAGER, datetime(2026, 2, 13, 13, tzinfo=UTC)) == []
    with pytest.raises(ConductError, match="no such contact"):
        clinic.ask(clinic.NURSE, in_vain.model_copy(update={"contact": "Telephone 99"}), days=39)


def test_vital_status_is_asked_yearly_after_leaving_and_closes_to_the_day(clinic):
    from flarefree.web.commands.follow_up import LeaveStudy, RecordVitalStatus

    subject = clinic.randomized()
    left = LeaveStudy(subject=subject, date="2026-02-10", reason="Adverse event")
    assert clinic.ask(clinic.INVESTIGATOR, left, days=36).result["status"] == "withdrawn"
    # Due on January 5, 2027; the window of 30 days ends on February 4.
    assert late(clinic.NURSE, datetime(2027, 2, 4, 12, tzinfo=UTC)) == []
    assert late(clinic.NURSE, datetime(2027, 2, 5, 12, tzinfo=UTC)) == [(subject, "Vital status 1", 1)]
    told = RecordVitalStatus(
        subject=subject, date="2027-02-06", status="alive", source="family doctor", contact="Vital status 1"
    )
    clinic.ask(clinic.NURSE, told, days=397)
    assert late(clinic.NURSE, datetime(2027, 2, 6, 12, tzinfo=UTC)) == []


def test_the_safety_window_closes_to_the_day(clinic):
    """Thirty days after the last visit an event is collected, on the next day a serious one only."""
    from flarefree.web.commands.events import RecordAdverseEvent
    from flarefree.web.commands.follow_up import LeaveStudy

    subject = clinic.randomized()
    clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 1", "2026-02-04"), days=31)
    clinic.ask(
        clinic.NURSE, LeaveStudy(subject=subject, date="2026-02-05", reason="Protocol violation"), days=31
    )

    def event(start: str, *criteria: str) -> RecordAdverseEvent:
        return RecordAdverseEvent(
            subject=subject, verbatim="headache", start=start, severity="mild", serious_because=criteria
        )

    clinic.ask(clinic.NURSE, event("2026-03-06"), days=70)
    with pytest.raises(ConductError, match="after adverse events are collected"):
        clinic.ask(clinic.NURSE, event("2026-03-07"), days=70)
    clinic.ask(clinic.NURSE, event("2026-03-07", "hospitalization"), days=70)


def test_withdrawn_consent_stops_contacts_and_keeps_the_data(clinic):
    from flarefree.web.commands.consents import WithdrawConsent
    from flarefree.web.commands.follow_up import RecordContact
    from flarefree.web.record.reading import read_things

    subject = clinic.randomized()
    before = len(read_things(subject=subject))
    withdrawn = WithdrawConsent(subject=subject, withdrawn_on="2026-02-10")
    clinic.ask(clinic.NURSE, withdrawn, days=36)
    assert thing("subject", subject)["status"] == "consent_withdrawn"
    assert len(read_things(subject=subject)) == before
    assert late(clinic.NURSE, datetime(2026, 12, 1, tzinfo=UTC)) == []
    with pytest.raises(ConductError, match="nobody calls"):
        told = RecordContact(subject=subject, date="2026-02-10", reached=False)
        clinic.ask(clinic.NURSE, told, days=36)
    # What took place before may still be entered, and nothing from after.
    clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 1", "2026-02-04"), days=37)
    with pytest.raises(ConductError, match="after consent was withdrawn"):
        clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 2", "2026-03-07"), days=70)
    with pytest.raises(ConductError, match="no consent to withdraw"):
        clinic.ask(clinic.NURSE, withdrawn, days=70)


# V3 -----------------------------------------------------------------------------------------------


def test_drug_study_and_consent_end_apart(clinic):
    from flarefree.web.commands.endings import participation_from
    from flarefree.web.commands.follow_up import LeaveStudy, StopDrug
    from flarefree.web.record.reading import read_things

    subject = clinic.randomized()
    stopped = StopDrug(subject=subject, date="2026-02-01", reason="Adverse event")
    assert clinic.ask(clinic.NURSE, stopped, days=36).result["status"] == "off_treatment"
    # Visits go on.
    clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 1", "2026-02-04"), days=36)
    for reason, words in (
        ("bored", "no reason of the list"),
        ("Withdrawal of consent", "no reason of the list"),
    ):
        with pytest.raises(ConductError, match=words):
            clinic.ask(clinic.NURSE, LeaveStudy(subject=subject, date="2026-02-10", reason=reason), days=36)
    with pytest.raises(ConductError, match="there is an entry for this already"):
        clinic.ask(clinic.NURSE, stopped.model_copy(update={"date": date(2026, 2, 2)}), days=36)
    clinic.ask(clinic.NURSE, LeaveStudy(subject=subject, date="2026-02-10", reason="Pregnancy"), days=36)
    standing = participation_from(read_things(subject=subject))
    assert (standing.drug_ended, standing.study_ended) == (date(2026, 2, 1), date(2026, 2, 10))
    assert standing.consent_ended is None


def test_nobody_is_lost_without_attempts_on_three_days(clinic):
    from flarefree.web.commands.follow_up import LeaveStudy, RecordContact

    subject = clinic.randomized()
    lost = LeaveStudy(subject=subject, date="2026-03-20", reason="Lost to follow-up")

    def call(day: str, reached: bool = False) -> None:
        told = RecordContact(subject=subject, date=day, reached=reached)
        clinic.ask(clinic.NURSE, told, days=74)

    for day in ("2026-03-01", "2026-03-01", "2026-03-02"):
        call(day)
    with pytest.raises(ConductError, match="only after attempts"):
        clinic.ask(clinic.NURSE, lost, days=74)
    call("2026-03-03")
    assert clinic.ask(clinic.NURSE, lost, days=74).result["status"] == "lost"
    call("2026-03-20", reached=True)
    assert thing("subject", subject)["status"] == "off_treatment"


def test_an_ending_is_corrected_by_another_and_stays(clinic):
    from flarefree.web.commands.endings import endings_of, participation_from
    from flarefree.web.commands.follow_up import CorrectEnding, StopDrug
    from flarefree.web.record.reading import read_things

    subject = clinic.randomized()
    stopped = StopDrug(subject=subject, date="2026-02-01", reason="Adverse event")
    key = clinic.ask(clinic.NURSE, stopped, days=36).result["ending"]
    again = CorrectEnding(subject=subject, supersedes=key, date="2026-01-31", why="read from the chart")
    clinic.ask(clinic.NURSE, again, days=36)
    assert participation_from(read_things(subject=subject)).drug_ended == date(2026, 1, 31)
    assert len(endings_of(subject)) == 2
    with pytest.raises(ConductError, match="no such entry"):
        clinic.ask(clinic.NURSE, again, days=37)


def test_a_death_is_dated_when_it_took_place_and_ends_everything(clinic):
    from flarefree.web.commands.follow_up import RecordVitalStatus

    subject = clinic.randomized()
    with pytest.raises(ConductError, match="a death has its date"):
        clinic.ask(
            clinic.NURSE, RecordVitalStatus(subject=subject, date="2026-03-01", status="dead"), days=60
        )
    told = RecordVitalStatus(
        subject=subject, date="2026-03-01", status="dead", death_date="2026-02-20", cause="accident"
    )
    clinic.ask(clinic.NURSE, told, days=60)
    assert thing("subject", subject)["status"] == "died"
    assert late(clinic.NURSE, datetime(2027, 12, 1, tzinfo=UTC)) == []


def test_completion_needs_the_last_visit(clinic):
    from flarefree.web.commands.follow_up import CompleteStudy

    subject = clinic.randomized()
    with pytest.raises(ConductError, match="last visit was not entered"):
        clinic.ask(clinic.INVESTIGATOR, CompleteStudy(subject=subject), days=1100)
    clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 36", "2029-01-05"), days=1100)
    with pytest.raises(ConductError, match="nothing here"):
        clinic.ask(clinic.NURSE, CompleteStudy(subject=subject), days=1100)
    clinic.ask(clinic.INVESTIGATOR, CompleteStudy(subject=subject), days=1100)
    assert thing("subject", subject)["status"] == "completed"
    # Safety follow-up 30 days after the last visit, window 7: February 4 to 11.
    followed_up = (subject, "Safety follow-up", 1)
    assert followed_up not in late(clinic.NURSE, datetime(2029, 2, 11, 12, tzinfo=UTC))
    assert followed_up in late(clinic.NURSE, datetime(2029, 2, 12, 12, tzinfo=UTC))


# V4 -----------------------------------------------------------------------------------------------


def flags(subject: str) -> dict[str, str]:
    from flarefree.web.record.reading import read_things

    return {str(item["message"]): str(item["status"]) for item in read_things("drug_flag", subject=subject)}


def test_a_drug_is_flagged_in_the_entry_that_records_it(clinic):
    from flarefree.web.commands.medications import ApproveMedication, CorrectMedication, RecordMedication
    from flarefree.web.record.models import LogRow

    subject = clinic.randomized()
    before = LogRow.objects.count()
    told = RecordMedication(subject=subject, drug="Ramipril 5 mg", start="2026-01-10")
    done = clinic.ask(clinic.NURSE, told, days=10)
    assert LogRow.objects.count() == before + 1
    (message,) = done.result["flags"]
    assert "approval" in message and flags(subject) == {message: "open"}
    key = done.result["medication"]
    with pytest.raises(ConductError, match="nothing here"):
        clinic.ask(clinic.INVESTIGATOR, ApproveMedication(key=key, reason="mine"), days=11)
    clinic.ask(clinic.PHYSICIAN, ApproveMedication(key=key, reason="blood pressure"), days=11)
    assert flags(subject) == {message: "closed"}
    other = CorrectMedication(key=key, drug="Azathioprine", reason="misread")
    assert "a study drug outside" in clinic.ask(clinic.NURSE, other, days=12).result["flags"][0]


def test_glucocorticoids_above_the_ceiling_and_unknown_names(clinic):
    from flarefree.web.commands.medications import RecordMedication

    subject = clinic.randomized()
    for drug, mg, words in (
        ("Prednisone", "10", None),
        ("Prednisone", "10.5", "above the highest"),
        ("Xyzzol", None, "not in"),
    ):
        told = RecordMedication(subject=subject, drug=drug, start="2026-01", prednisone_mg=mg)
        found = clinic.ask(clinic.NURSE, told, days=30).result["flags"]
        assert (words is None and found == []) or words in found[0]


def test_what_ended_before_day_one_is_history(clinic):
    from flarefree.web.commands.medications import RecordMedication

    subject = clinic.randomized()
    for end, count in (("2026-01-04", 0), ("2026-01", 1), ("2025", 0)):
        told = RecordMedication(subject=subject, drug="Ibuprofen", start="2025-06", end=end)
        assert len(clinic.ask(clinic.NURSE, told, days=30).result["flags"]) == count


def test_a_new_dictionary_raises_what_the_old_one_missed(clinic, monkeypatch):
    from flarefree.conduct.drugs import DrugDictionary
    from flarefree.web.commands import medications
    from flarefree.web.commands.medications import RecordMedication, ReviewMedications

    subject = clinic.randomized()
    told = RecordMedication(subject=subject, drug="Newprilat", start="2026-01-10")
    (old,) = clinic.ask(clinic.NURSE, told, days=10).result["flags"]
    newer = DrugDictionary.of("2", {"newprilat": {"classes": ["ACE inhibitor"]}})
    monkeypatch.setattr(medications, "dictionary", lambda: newer)
    with pytest.raises(ConductError, match="nothing here"):
        clinic.ask(clinic.MANAGER, ReviewMedications(), days=20)
    found = clinic.ask(None, ReviewMedications(), days=20).result
    assert (found["raised"], found["closed"]) == (1, 1)
    assert flags(subject)[old] == "closed" and sorted(flags(subject).values()) == ["closed", "open"]
    again = clinic.ask(None, ReviewMedications(), days=21).result
    assert (again["raised"], again["closed"], again["kept"]) == (0, 0, 1)


def test_an_amendment_flags_what_is_taken_already_once_it_is_in_force(clinic, monkeypatch):
    """V4: nobody asks for the review; the next change of any patient's data, or a start, brings it."""
    from dataclasses import replace

    from flarefree.web.commands import medications
    from flarefree.web.commands.medications import RecordMedication, review_when_due
    from flarefree.web.record.models import LogRow

    subject = clinic.randomized()
    told = RecordMedication(subject=subject, drug="Fluconazole", start="2026-01-10")
    assert clinic.ask(clinic.NURSE, told, days=10).result["flags"] == []
    now = medications.rules_now()
    monkeypatch.setattr(medications, "rules_now", lambda: replace(now, prohibited=("fluconazole",)))
    monkeypatch.setattr(medications, "_reviewed", set())
    at = clinic.START + timedelta(days=20)
    assert not review_when_due(at)  # the protocol's digest is the same: it is not looked at twice
    monkeypatch.setattr(medications, "_reviewed", set())
    newer = replace(medications.dictionary(), version="another")
    monkeypatch.setattr(medications, "dictionary", lambda: newer)
    other = clinic.screened(at)
    clinic.ask(clinic.NURSE, clinic.visit(other, "Month 0", "2026-01-25", *clinic.AT_BASELINE), at)
    assert flags(subject) == {"fluconazole: prohibited": "open"}
    count = LogRow.objects.count()
    assert not review_when_due(at) and LogRow.objects.count() == count


# Adverse events -----------------------------------------------------------------------------------


def test_an_adverse_event_must_agree_with_itself(clinic):
    from flarefree.web.commands.events import CorrectAdverseEvent, RecordAdverseEvent

    subject = clinic.randomized()
    told = RecordAdverseEvent(subject=subject, verbatim="pneumonia", start="2026-02", severity="severe")
    key = clinic.ask(clinic.NURSE, told, days=60).result["adverse_event"]
    for change, words in (
        ({"end": "2026-01-31"}, "ends before"),
        ({"outcome": "fatal"}, "fatal or not"),
        ({"start": "2027-01-01"}, "in the future"),
    ):
        with pytest.raises(ConductError, match=words):
            clinic.ask(clinic.NURSE, CorrectAdverseEvent(key=key, reason="x", **change), days=60)
    fatal = {"outcome": "fatal", "severity": "fatal", "serious_because": ("death", "hospitalization")}
    clinic.ask(clinic.NURSE, CorrectAdverseEvent(key=key, reason="the patient died", **fatal), days=61)
    item = thing("adverse_event", key)
    assert (item["is_serious"], item["outcome"]) == (True, "fatal")
    with pytest.raises(ConductError, match="nothing here"):
        clinic.ask(clinic.ELSEWHERE, CorrectAdverseEvent(key=key, reason="x", end="2026-02"), days=61)


def test_a_suspicion_is_a_clinical_event_that_the_protocol_reads(clinic):
    from flarefree.web.commands.events import RecordBiopsy, RecordProcedure, RecordVerdict
    from flarefree.web.record.reading import read_things

    subject = clinic.randomized()
    for endpoint in ("suspected_renal_flare", "renal_flare"):
        told = RecordVerdict(subject=subject, endpoint=endpoint, date="2026-02-20")
        clinic.ask(clinic.INVESTIGATOR, told, days=60)
    events = [item["name"] for item in read_things("clinical_event", subject=subject)]
    assert events == ["Suspected renal flare"]
    with pytest.raises(ConductError, match="judges no such"):
        told = RecordVerdict(subject=subject, endpoint="complete_remission", date="2026-02-20")
        clinic.ask(clinic.INVESTIGATOR, told, days=60)
    clinic.ask(
        clinic.NURSE, RecordProcedure(subject=subject, procedure="dialysis", start="2026-02-21"), days=60
    )
    readings = {"class": "IV", "activity": "9"}
    clinic.ask(clinic.NURSE, RecordBiopsy(subject=subject, date="2026-02-21", findings=readings), days=60)
    assert {item["test"]: item["value"] for item in read_things("biopsy", subject=subject)} == {
        "CLASS": "IV", "ACTIVITY": "9",
    }  # fmt: skip
