"""Visits: values with units, the impossible refused, the odd asked about, late corrections, signatures."""

from __future__ import annotations

import pytest

from flarefree.errors import ConductError


@pytest.fixture
def clinic(record: None):
    import web_clinic

    web_clinic.open_clinic()
    return web_clinic


def lab(subject: str, measure: str):
    from flarefree.web.record.reading import read_things

    return [item for item in read_things("lab", subject=subject) if item["measure"] == measure][-1]


def open_things(subject: str, kind: str):
    from flarefree.web.record.reading import read_things

    return [item for item in read_things(kind, subject=subject) if item["status"] != "closed"]


MICROMOLES = (("creatinine", "118", "µmol/L"),)


def test_a_visit_s_values_are_kept_as_written_in_their_fields(clinic):
    subject = clinic.randomized()
    values = (
        ("creatinine", "118", "µmol/L"),
        ("white_blood_cells", "4.2", "G/L"),
        ("dipstick_blood", "2+", ""),
    )
    scores = (("bilag_mucocutaneous", "B", ""), ("cellular_casts", "absent", ""))
    done = clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 1", "2026-02-04", *values, *scores), days=31)
    assert done.result["status"] == "entered" and done.result["questions"] == []
    creatinine = lab(subject, "creatinine")
    assert (creatinine["value"], creatinine["unit"], creatinine["test"]) == ("118", "umol/L", "CREAT")
    assert creatinine.facts["value"].field == "labs.efficacy"
    assert lab(subject, "white_blood_cells").facts["value"].field == "labs.safety"
    assert len(clinic_scores(subject)) == 1


def clinic_scores(subject: str):
    from flarefree.web.record.reading import read_things

    return [
        item for item in read_things("score", subject=subject) if item.facts["value"].field == "scores.record"
    ]


@pytest.mark.parametrize(
    ("values", "date", "words"),
    [
        ((("creatinine", "high", "mg/dL"),), "2026-02-04", "no number"),
        ((("creatinine", "1.2", "furlong"),), "2026-02-04", "unit is not known"),
        ((("creatinine", "1.2", "g/day"),), "2026-02-04", "not measured in this unit"),
        ((("creatinine", "-1", "mg/dL"),), "2026-02-04", "not below zero"),
        ((("creatinine", "inf", "mg/dL"),), "2026-02-04", "no number"),
        ((("egfr", "60", ""),), "2026-02-04", "nobody enters"),
        ((("cellular_casts", "perhaps", ""),), "2026-02-04", "neither yes nor no"),
        ((("creatinine", "1", "mg/dL"), ("creatinine", "2", "mg/dL")), "2026-02-04", "stands twice"),
        ((), "2026-02-06", "in the future"),
        ((), "1990-12-31", "before the patient was born"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_nothing_is_kept(clinic, values, date, words):
    from flarefree.web.record.reading import read_head

    subject = clinic.randomized()
    before = read_head()
    with pytest.raises(ConductError, match=words):
        clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 1", date, *values), days=31)
    assert read_head() == before


def test_a_tenfold_creatinine_is_kept_and_asked_about(clinic):
    from flarefree.web.commands.values import CorrectValue

    subject = clinic.randomized()
    clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 1", "2026-02-04", *MICROMOLES), days=31)
    odd = clinic.visit(subject, "Month 2", "2026-03-07", ("creatinine", "1240", "umol/L"))
    done = clinic.ask(clinic.NURSE, odd, days=62)
    question = (
        "Serum creatinine 1,240 umol/L: ten times the last value (118 umol/L on 2026-02-04). "
        "Is it a slip of the decimal point?"
    )
    assert done.result["questions"] == [question]
    (query,), (finding,) = open_things(subject, "query"), open_things(subject, "finding")
    assert (query["question"], query["raised_by"], finding["code"]) == (question, "system", "jump")
    assert query["about"] == lab(subject, "creatinine").name
    # Corrected, nothing is odd any more: finding and question close, the first value stays in the history.
    row = lab(subject, "creatinine")
    corrected = CorrectValue(key=row.key, value="124.0", reason="the report says 124.0")
    clinic.ask(clinic.NURSE, corrected, days=63)
    from flarefree.web.record.reading import history_of

    assert open_things(subject, "query") == [] and open_things(subject, "finding") == []
    assert [fact.value for fact in history_of("lab", row.key, "value")] == ["1240", "124.0"]


def test_a_unit_slip_is_named(clinic):
    subject = clinic.randomized()
    done = clinic.ask(
        clinic.NURSE, clinic.visit(subject, "Month 1", "2026-02-04", ("creatinine", "124", "mg/dL")), days=31
    )
    assert "beyond what the protocol calls plausible" in done.result["questions"][0]
    assert "Is it in umol/L" in done.result["questions"][0]


def test_a_value_in_another_unit_is_no_jump(clinic):
    """0.9 mg/dL is 79.6 umol/L: nobody is asked."""
    subject = clinic.randomized()
    done = clinic.ask(
        clinic.NURSE, clinic.visit(subject, "Month 1", "2026-02-04", ("creatinine", "84", "umol/L")), days=31
    )
    assert done.result["questions"] == []


def test_a_visit_entered_again_corrects_with_a_reason_and_asks_for_a_new_signature(clinic):
    from flarefree.web.commands.visits import SignVisit
    from flarefree.web.record.reading import read_thing, read_things

    subject = clinic.randomized()
    first = clinic.visit(subject, "Month 1", "2026-02-04", *MICROMOLES)
    clinic.ask(clinic.NURSE, first, days=31)
    with pytest.raises(ConductError, match="nothing here"):
        clinic.ask(clinic.NURSE, SignVisit(subject=subject, visit="Month 1"), days=31)
    clinic.ask(clinic.INVESTIGATOR, SignVisit(subject=subject, visit="Month 1"), days=31)
    other = (("creatinine", "121", "umol/L"), ("c3", "90", "mg/dL"))
    with pytest.raises(ConductError, match="reason"):
        clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 1", "2026-02-04", *other), days=32)
    again = clinic.visit(subject, "Month 1", "2026-02-03", *other, reason="read from the report")
    clinic.ask(clinic.NURSE, again, days=32)
    rows = [item for item in read_things("lab", subject=subject) if item["visit"] == "Month 1"]
    assert {(r["measure"], r["value"], r["date"]) for r in rows} == {
        ("creatinine", "121", "2026-02-03"), ("c3", "90", "2026-02-03"),
    }  # fmt: skip
    assert read_thing("visit", f"{subject}.month-1")["status"] == "entered"


def test_a_signature_waits_for_answers_and_the_monitor_for_the_signature(clinic):
    from flarefree.web.commands.queries_asked import AnswerQuery, CloseQuery, RaiseQuery
    from flarefree.web.commands.visits import SignVisit, VerifyVisit

    subject = clinic.randomized()
    clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 1", "2026-02-04", *MICROMOLES), days=31)
    about = lab(subject, "creatinine").name
    asked = RaiseQuery(subject=subject, about=about, question="Which laboratory?")
    query = clinic.ask(clinic.MONITOR, asked, days=32).result["query"]
    with pytest.raises(ConductError, match="nothing here"):
        clinic.ask(clinic.NURSE, asked, days=32)  # who enters does not ask
    sign, verify = (kind(subject=subject, visit="Month 1") for kind in (SignVisit, VerifyVisit))
    with pytest.raises(ConductError, match="not yet"):
        clinic.ask(clinic.INVESTIGATOR, sign, days=33)
    with pytest.raises(ConductError, match="only an answered query"):
        clinic.ask(clinic.MONITOR, CloseQuery(query=query, words="ok"), days=33)
    clinic.ask(clinic.NURSE, AnswerQuery(query=query, answer="The central one"), days=33)
    clinic.ask(clinic.INVESTIGATOR, sign, days=33)
    with pytest.raises(ConductError, match="nothing here"):
        clinic.ask(clinic.MANAGER, verify, days=34)
    clinic.ask(clinic.MONITOR, verify, days=34)
    clinic.ask(clinic.MONITOR, CloseQuery(query=query, words="thank you"), days=34)
    with pytest.raises(ConductError, match="closed"):
        clinic.ask(clinic.NURSE, AnswerQuery(query=query, answer="again"), days=35)


def test_only_what_was_due_is_missed_and_may_be_entered_late(clinic):
    from flarefree.web.commands.visits import MissVisit

    subject = clinic.randomized()
    miss = MissVisit(subject=subject, visit="Month 3", reason="on holiday")
    with pytest.raises(ConductError, match="does not lead out"):
        clinic.ask(clinic.NURSE, miss, days=75)  # the window opens on day 77
    assert clinic.ask(clinic.NURSE, miss, days=76).result["status"] == "missed"
    late = clinic.visit(subject, "Month 3", "2026-04-10", *MICROMOLES)
    with pytest.raises(ConductError, match="reason"):
        clinic.ask(clinic.NURSE, late, days=100)
    done = clinic.ask(clinic.NURSE, late.model_copy(update={"reason": "came after all"}), days=100)
    assert done.result["status"] == "entered"


def test_unscheduled_visits_are_told_apart_by_their_dates(clinic):
    from flarefree.web.commands.visits import SignVisit
    from flarefree.web.record.reading import read_things

    subject = clinic.randomized()
    for day, value in (("2026-02-10", "118"), ("2026-02-12", "119")):
        told = clinic.visit(subject, "Unscheduled", day, ("creatinine", value, "umol/L"))
        clinic.ask(clinic.NURSE, told, days=40)
    rows = [item for item in read_things("lab", subject=subject) if item["visit"] == "Unscheduled"]
    assert [(row["date"], row["value"]) for row in rows] == [("2026-02-10", "118"), ("2026-02-12", "119")]
    signed = SignVisit(subject=subject, visit="Unscheduled", date="2026-02-12")
    clinic.ask(clinic.INVESTIGATOR, signed, days=40)


def test_a_row_entered_in_error_stays_and_counts_no_more(clinic):
    from flarefree.web.commands.gates import gates_of
    from flarefree.web.commands.values import CorrectValue, MarkEnteredInError

    subject = clinic.eligible()
    row = lab(subject, "creatinine")
    clinic.ask(clinic.NURSE, MarkEnteredInError(kind="lab", key=row.key, reason="another patient's"))
    assert gates_of(subject, clinic.START).is_eligible is None
    with pytest.raises(ConductError, match="entered in error"):
        clinic.ask(clinic.NURSE, CorrectValue(key=row.key, value="1.0", unit="mg/dL", reason="x"))
    with pytest.raises(ConductError, match="nothing here"):
        clinic.ask(clinic.ELSEWHERE, MarkEnteredInError(kind="lab", key=row.key, reason="curious"))


def test_forms_are_made_from_the_protocol_s_measures():
    from flarefree.errors import NotFoundError
    from flarefree.protocol import load_protocol
    from flarefree.web.forms.forms import form_of

    for name in ("alms-maintenance", "multitarget-maintenance"):
        protocol = load_protocol(name)
        form = form_of(protocol, "Month 3")
        assert "egfr" not in {one.measure for one in form.fields}
        assert "tacrolimus_trough" not in {one.measure for one in form.fields}
    form = form_of(load_protocol("alms-maintenance"), "Month 3")
    creatinine = form.field("creatinine")
    assert creatinine.units[:2] == ("mg/dL", "umol/L")
    assert creatinine.range_in("umol/L") == pytest.approx((8.84, 2210))
    assert form.field("dipstick_blood").choices[-1] == "4+"
    with pytest.raises(NotFoundError):
        form_of(load_protocol("alms-maintenance"), "Month 4")
