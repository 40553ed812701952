"""Screening, consent, eligibility by data, strata: what comes before randomization (R7, R8)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flarefree.errors import ConductError


@pytest.fixture
def clinic(record: None):
    import web_clinic

    web_clinic.open_clinic()
    return web_clinic


def gates(subject: str):
    from web_clinic import START

    from flarefree.web.commands.gates import gates_of

    return gates_of(subject, START)


def test_numbers_follow_one_another_within_a_site(clinic):
    from flarefree.web.commands.subjects import ScreenSubject

    first, second = clinic.screened(), clinic.screened()
    other = clinic.ask(clinic.ELSEWHERE, ScreenSubject(site="018")).result["subject"]
    assert (first, second, other) == ("017-001", "017-002", "018-001")


def test_another_site_s_patient_does_not_exist(clinic):
    """M3: the words are the same for one who is not there, and they come before any rule's."""
    from flarefree.web.commands.consents import RecordConsent

    subject = clinic.screened()
    said = []
    for name in (subject, "017-999"):
        told = RecordConsent(subject=name, version="none", given_on="2300-01-01")
        with pytest.raises(ConductError) as error:
            clinic.ask(clinic.ELSEWHERE, told)
        said.append(str(error.value))
    assert said == ["there is nothing here for you"] * 2


def test_consent_needs_an_approved_version_in_force(clinic):
    from flarefree.web.commands.consents import EndConsentVersion, RecordConsent

    subject = clinic.screened()
    for version, given_on, words in (
        ("2.0", "2026-01-05", "was not approved"),
        ("1.0", "2025-10-31", "not in force on this date"),
        ("1.0", "2026-01-06", "in the future"),
        ("1.0", "1985-01-05", "before the patient was born"),
    ):
        with pytest.raises(ConductError, match=words):
            clinic.ask(clinic.NURSE, RecordConsent(subject=subject, version=version, given_on=given_on))
    assert not gates(subject).has_consent
    ended = EndConsentVersion(version="1.0", ended_on="2026-01-05", reason="version 2.0 follows")
    clinic.ask(clinic.SPONSOR, ended)
    with pytest.raises(ConductError, match="not in force"):
        clinic.ask(clinic.NURSE, RecordConsent(subject=subject, version="1.0", given_on="2026-01-05"))
    clinic.ask(clinic.NURSE, RecordConsent(subject=subject, version="1.0", given_on="2026-01-04"))
    assert gates(subject).has_consent


def test_the_site_does_not_approve_its_own_consent_form(clinic):
    from flarefree.web.commands.consents import ApproveConsentVersion

    form = ApproveConsentVersion(version="9", approved_on="2026-01-01", title="mine")
    with pytest.raises(ConductError, match="nothing here for you"):
        clinic.ask(clinic.INVESTIGATOR, form)


def test_unknown_is_not_eligible_and_each_missing_thing_is_named(clinic):
    from flarefree.web.commands.subjects import RecordEligibility

    subject = clinic.screened()
    found = clinic.ask(clinic.NURSE, RecordEligibility(subject=subject)).result
    assert found["is_eligible"] is None and found["status"] == "screening"
    missing = {rule["rule"]: rule["missing"] for rule in found["rules"]}
    assert missing["age"] == ["Age"] and "Serum creatinine" in missing["baseline_values"]


def test_eligible_by_data_and_no_longer_when_the_data_change(clinic):
    from flarefree.web.commands.subjects import RecordEligibility, SetCharacteristics
    from flarefree.web.record.reading import read_thing

    subject = clinic.eligible()
    assert gates(subject).open_gates == {"consent_valid", "eligible_by_data", "strata_complete"}
    older = SetCharacteristics(
        subject=subject, characteristics={"age": "76"}, reason="read from the passport"
    )
    clinic.ask(clinic.NURSE, older)
    assert gates(subject).is_eligible is False  # nobody needs to look for the gate to close
    with pytest.raises(ConductError, match="nothing here"):
        clinic.ask(clinic.MONITOR, RecordEligibility(subject=subject))
    clinic.ask(clinic.INVESTIGATOR, RecordEligibility(subject=subject))
    assert read_thing("subject", subject)["status"] == "consented"


@pytest.mark.parametrize(
    ("age", "is_eligible"), [("11.9", False), ("12", True), ("75", True), ("75.1", False)]
)
def test_the_age_limits_count(clinic, age, is_eligible):
    from flarefree.web.commands.subjects import SetCharacteristics

    subject = clinic.eligible()
    clinic.ask(clinic.NURSE, SetCharacteristics(subject=subject, characteristics={"age": age}, reason="born"))
    assert gates(subject).is_eligible is is_eligible


def test_values_older_than_the_rule_allows_are_unknown(clinic):
    from datetime import timedelta

    from flarefree.web.commands.gates import gates_of

    subject = clinic.eligible()
    assert gates_of(subject, clinic.START + timedelta(days=28)).is_eligible is True
    assert gates_of(subject, clinic.START + timedelta(days=29)).is_eligible is None


def test_the_investigator_s_no_and_its_withdrawal(clinic):
    from flarefree.web.commands.subjects import RecordEligibility

    subject = clinic.eligible()
    clinic.ask(clinic.INVESTIGATOR, RecordEligibility(subject=subject, confirmed={"response": False}))
    assert gates(subject).is_eligible is False
    clinic.ask(clinic.INVESTIGATOR, RecordEligibility(subject=subject, confirmed={"response": None}))
    assert gates(subject).is_eligible is None
    with pytest.raises(ConductError, match="data say it"):
        clinic.ask(clinic.INVESTIGATOR, RecordEligibility(subject=subject, confirmed={"age": True}))


def test_an_unknown_level_is_refused_and_never_mapped(clinic):
    """R7: no default category."""
    from flarefree.web.commands.subjects import SetCharacteristics

    subject = clinic.screened()
    for name, value, words in (
        ("biopsy_class", "II", "no such level"),
        ("age", "thirty", "no number"),
        ("age", "121", "so old"),
        ("egfr_category", "<15", "no characteristic"),
        ("kit", "1", "no characteristic"),
        ("baseline_creatinine", "1", "no characteristic"),
    ):
        with pytest.raises(ConductError, match=words):
            clinic.ask(clinic.NURSE, SetCharacteristics(subject=subject, characteristics={name: value}))
    assert gates(subject).strata == {"induction_drug": None, "race": None, "biopsy_class": None}
    told = {"biopsy_class": " iv + v ", "race": "white"}
    clinic.ask(clinic.NURSE, SetCharacteristics(subject=subject, characteristics=told))
    found = gates(subject).strata
    assert found == {"induction_drug": None, "race": "White", "biopsy_class": "IV or IV+V"}


def test_strata_of_a_randomized_patient_are_corrected_beside_the_allocation(clinic):
    """R8: the stratum used stays; the actual one is another value."""
    from flarefree.web.commands.subjects import CorrectStratum, SetCharacteristics
    from flarefree.web.record.reading import read_thing

    subject = clinic.randomized()
    with pytest.raises(ConductError, match="randomized by this factor"):
        told = SetCharacteristics(subject=subject, characteristics={"race": "White"}, reason="typed wrong")
        clinic.ask(clinic.NURSE, told)
    correction = CorrectStratum(subject=subject, actual={"race": "White"}, reason="typed wrong")
    with pytest.raises(ConductError, match="nothing here"):
        clinic.ask(clinic.NURSE, correction)  # the matrix lets investigators only
    clinic.ask(clinic.INVESTIGATOR, correction)
    item = read_thing("subject", subject)
    assert (item["stratum_actual.race"], item["race"], item["kit"] is None) == ("White", "White", False)
    with pytest.raises(ConductError, match="nothing to correct"):
        clinic.ask(clinic.INVESTIGATOR, correction)


def test_failed_screening_ends_the_way(clinic):
    from flarefree.web.commands.consents import RecordConsent
    from flarefree.web.commands.subjects import FailScreening, RecordEligibility

    subject = clinic.screened()
    clinic.ask(clinic.NURSE, FailScreening(subject=subject, reason="pregnant"))
    with pytest.raises(ConductError, match="before randomization"):
        clinic.ask(clinic.NURSE, RecordEligibility(subject=subject))
    with pytest.raises(ConductError, match="did not enter"):
        clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 0", "2026-01-05"))
    clinic.ask(clinic.NURSE, RecordConsent(subject=subject, version="1.0", given_on="2026-01-05"))


def test_an_identity_is_concealed_read_with_an_entry_and_erased(clinic, tmp_path, monkeypatch):
    """A7: after erasure nobody reads it, the log verifies as before, the trial's record stands."""
    from flarefree.web.clock import clock_set_to
    from flarefree.web.commands.identities import EraseIdentity, RecordIdentity
    from flarefree.web.queries.identities import identity_of
    from flarefree.web.record.models import LogRow, Value
    from flarefree.web.record.reading import read_thing

    monkeypatch.setenv("FLAREFREE_WEB_DATA", str(tmp_path))
    subject = clinic.screened()
    told = RecordIdentity(subject=subject, full_name="Erika Mustermann", contact="+49 30 1234")
    clinic.ask(clinic.NURSE, told, request="identity")
    assert clinic.ask(clinic.NURSE, told, request="identity").is_repeated
    assert "Mustermann" not in str(list(LogRow.objects.values())) + str(list(Value.objects.values()))
    before = LogRow.objects.count()
    with clock_set_to(lambda: clinic.START):
        assert identity_of(clinic.NURSE, subject, "read").name == "Erika Mustermann"
    assert LogRow.objects.count() == before + 1
    with clock_set_to(lambda: clinic.START), pytest.raises(ConductError, match="nothing here"):
        identity_of(clinic.MONITOR, subject, "read 2")
    clinic.ask(clinic.OFFICER, EraseIdentity(subject=subject, reason="asked by the person"))
    with clock_set_to(lambda: clinic.START), pytest.raises(ConductError, match="erased"):
        identity_of(clinic.NURSE, subject, "read 3")
    with pytest.raises(ConductError, match="erased"):
        clinic.ask(clinic.NURSE, told, request="identity again")
    assert read_thing("subject", subject)["number"] == 1


def test_the_date_of_consent_is_the_site_s(record):
    """Noon in Berlin is tomorrow in Kiritimati, and yesterday's midnight in Pago Pago."""
    import web_clinic

    from flarefree.web.commands.consents import RecordConsent

    web_clinic.open_clinic("Pacific/Kiritimati")
    subject = web_clinic.screened()
    late = datetime(2026, 1, 5, 12, tzinfo=UTC)
    web_clinic.ask(
        web_clinic.NURSE, RecordConsent(subject=subject, version="1.0", given_on="2026-01-06"), late
    )
