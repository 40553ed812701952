"""Pages about patients: screening, visits, harms, drugs, doses, code breaks, queries."""

from __future__ import annotations

from flarefree.web.pages.routes import Route
from flarefree.web.pages.views import (
    code_breaks,
    dashboards,
    doses,
    follow_up,
    laboratory,
    papers,
    queries_asked,
    screening,
    subjects,
    visits,
)

__all__ = ["PATIENTS"]

_SEE = (("see", "subject.number"),)
_OF = "subjects/<str:subject>/"
_WORK = "Patients"


def _record(field: str) -> tuple[tuple[str, str], ...]:
    return (("record", field),)


PATIENTS: tuple[Route, ...] = (
    Route("subjects/", "subjects", subjects.subjects, _SEE, "Subjects", _WORK),
    Route("screen/", "screen", screening.screen, _record("subject.number")),
    Route(_OF, "subject", subjects.subject, _SEE),
    # Into the trial
    Route(
        f"{_OF}characteristics/",
        "characteristics",
        screening.characteristics,
        _record("subject.characteristics"),
    ),
    Route(f"{_OF}consent/", "consent", screening.consent, _record("consent.record")),
    Route(
        f"{_OF}consent/withdraw/", "withdraw_consent", screening.withdraw_consent, _record("consent.record")
    ),
    Route(f"{_OF}identity/", "identity", screening.identity, _record("identity.name")),
    Route(f"{_OF}eligibility/", "eligibility", screening.eligibility, _record("eligibility.record")),
    Route(f"{_OF}fail-screening/", "fail_screening", screening.fail_screening, _record("eligibility.record")),
    Route(f"{_OF}randomize/", "randomize", screening.randomize, (("randomize", "allocation.request"),)),
    Route(f"{_OF}kit/", "kit", screening.kit, (("see", "allocation.kit"),)),
    Route(f"{_OF}stratum/", "correct_stratum", screening.correct_stratum, (("correct", "strata.actual"),)),
    Route(f"{_OF}who/", "read_identity", papers.read_identity, (("see", "identity.name"),)),
    Route(f"{_OF}who/erase/", "erase_identity", papers.erase_identity, (("erase", "identity.name"),)),
    Route(f"{_OF}guess/", "site_guess", papers.site_guess, _record("site.guess")),
    Route(
        "endings/<str:key>/", "correct_ending", papers.correct_ending, (("correct", "withdrawals.record"),)
    ),
    Route(f"{_OF}in-error/", "flag_error", papers.flag_error, _record("eligibility.record")),
    Route("notes/<str:key>/", "correct_note", papers.correct_note, _record("free_text.site")),
    # Visits and values
    Route(f"{_OF}check/", "check_value", visits.check_value, _record("visits.record")),
    Route(f"{_OF}visits/<str:visit>/", "visit", visits.visit, _record("visits.record")),
    Route(f"{_OF}visits/<str:visit>/missed/", "miss_visit", visits.miss_visit, _record("visits.record")),
    Route(f"{_OF}visits/<str:visit>/sign/", "sign_visit", visits.sign_visit, (("sign", "visits.record"),)),
    Route(
        f"{_OF}visits/<str:visit>/verify/",
        "verify_visit",
        visits.verify_visit,
        (("verify", "visits.record"),),
    ),
    Route(
        "values/<str:kind>/<str:key>/", "correct_value", visits.correct_value, (("correct", "labs.efficacy"),)
    ),
    Route(
        "values/<str:kind>/<str:key>/error/", "mark_error", visits.mark_error, (("correct", "labs.efficacy"),)
    ),
    # Between visits
    Route(f"{_OF}contact/", "contact", follow_up.contact, _record("contacts.record")),
    Route(f"{_OF}contact/<str:contact>/", "planned_contact", follow_up.contact, _record("contacts.record")),
    Route(f"{_OF}vital-status/", "vital_status", follow_up.vital_status, _record("vital_status.record")),
    Route(f"{_OF}adverse-event/", "adverse_event", follow_up.adverse_event, _record("adverse_events.record")),
    Route(
        "adverse-events/<str:key>/",
        "correct_event",
        follow_up.correct_event,
        (("correct", "adverse_events.record"),),
    ),
    Route(f"{_OF}medication/", "medication", follow_up.medication, _record("medications.record")),
    Route(
        "medications/<str:key>/",
        "correct_medication",
        follow_up.correct_medication,
        (("correct", "medications.record"),),
    ),
    Route(
        "medications/<str:key>/approve/",
        "approve_medication",
        follow_up.approve_medication,
        (("approve", "medications.record"),),
    ),
    Route(f"{_OF}procedure/", "procedure", follow_up.procedure, _record("medications.record")),
    Route(f"{_OF}biopsy/", "biopsy", follow_up.biopsy, _record("biopsies.record")),
    Route(f"{_OF}verdict/", "verdict", follow_up.verdict, _record("investigator.verdict")),
    Route(f"{_OF}note/", "note", follow_up.note, _record("free_text.site")),
    Route(f"{_OF}stop-drug/", "stop_drug", follow_up.stop_drug, _record("withdrawals.record")),
    Route(f"{_OF}leave/", "leave_study", follow_up.leave_study, _record("withdrawals.record")),
    Route(f"{_OF}complete/", "complete", follow_up.complete, (("sign", "visits.record"),)),
    # Doses
    Route(f"{_OF}dose/", "dose", doses.dose, (("see", "doses.instruction"),)),
    Route(f"{_OF}dose/hand-out/", "dispense", doses.dispense, (("dispense", "dispensing.record"),)),
    Route(
        f"{_OF}dose/approve/", "approve_resumption", doses.approve_resumption, (("approve", "doses.request"),)
    ),
    Route(f"{_OF}dose/<str:change>/", "dose_change", doses.dose_change, _record("doses.request")),
    Route(
        "contacts/", "contacts", dashboards.contacts, _record("contacts.record"), "Contacts to make", _WORK
    ),
    Route(
        "import/",
        "import_laboratory",
        laboratory.import_laboratory,
        (("import", "labs.efficacy"),),
        "Import laboratory results",
        _WORK,
    ),
    Route(
        "troughs/receive/",
        "receive_trough",
        laboratory.receive_trough,
        (("import", "labs.trough_true"),),
        "Receive a trough sample",
        _WORK,
    ),
    Route(
        "troughs/result/",
        "import_trough",
        laboratory.import_trough,
        (("import", "labs.trough_true"),),
        "Enter a trough’s result",
        _WORK,
    ),
    # Queries
    Route("queries/", "queries", queries_asked.queries, (("see", "queries.record"),), "Queries", _WORK),
    Route("queries/<str:key>/answer/", "answer_query", queries_asked.answer, queries_asked.ANSWER),
    Route("queries/<str:key>/close/", "close_query", queries_asked.close, queries_asked.CLOSE),
    Route(f"{_OF}ask/<str:kind>/<str:key>/", "raise_query", queries_asked.raise_query, queries_asked.CLOSE),
    # Emergencies
    Route(
        "break-a-code/",
        "break_code",
        code_breaks.break_code,
        (("break_code", "code_breaks.answer"),),
        "Break a code",
        "Safety",
    ),
    Route(
        "code-breaks/",
        "code_breaks",
        code_breaks.register,
        (("see", "code_breaks.register"),),
        "Register of code breaks",
        "Safety",
    ),
    Route(
        "code-breaks/<str:key>/",
        "assess_code_break",
        code_breaks.assess,
        (("record", "code_breaks.register"),),
    ),
)
