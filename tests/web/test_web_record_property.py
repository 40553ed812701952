"""A1: whatever is asked in whatever order, the log alone rebuilds the record; a refusal changes nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flarefree.errors import ConductError

_number = count()

DAYS = st.integers(0, 120).map(lambda n: (2026, n))
RESULTS = st.lists(
    st.tuples(
        st.sampled_from(["creatinine", "upcr", "white_blood_cells", "dipstick_blood", "egfr", "nothing"]),
        st.sampled_from(["1.1", "118", "1240", "<0.1", "2+", "high", "-3", "0"]),
        st.sampled_from(["mg/dL", "umol/L", "mg/mg", "", "furlong", "10^9/L"]),
    ),
    max_size=3,
)
STEPS = st.one_of(
    st.tuples(st.just("visit"), st.sampled_from(["Month 0", "Month 1", "Month 3", "Unscheduled"]), RESULTS),
    st.tuples(
        st.just("characteristic"), st.sampled_from(["age", "race", "kit"]), st.sampled_from(["34", "White"])
    ),
    st.tuples(st.just("consent"), st.sampled_from(["1.0", "2.0"]), st.just(None)),
    st.tuples(st.just("withdraw"), st.just(None), st.just(None)),
    st.tuples(st.just("eligibility"), st.sampled_from([True, False, None]), st.just(None)),
    st.tuples(
        st.just("drug"),
        st.sampled_from(["Ramipril", "Azathioprine", "?"]),
        st.sampled_from(["2026-01", "2027"]),
    ),
    st.tuples(st.just("stop"), st.sampled_from(["Adverse event", "bored"]), st.just(None)),
    st.tuples(st.just("leave"), st.sampled_from(["Pregnancy", "Lost to follow-up"]), st.just(None)),
    st.tuples(st.just("call"), st.booleans(), st.just(None)),
    st.tuples(st.just("correct"), st.sampled_from(["1.2", "word"]), st.just(None)),
    st.tuples(st.just("void"), st.just(None), st.just(None)),
    st.tuples(st.just("death"), st.just(None), st.just(None)),
)


@pytest.fixture
def clinic(record: None):
    import web_clinic

    web_clinic.open_clinic()
    return web_clinic


def command_of(clinic: Any, subject: str, step: tuple[Any, Any, Any], today: str) -> Any:
    """The command that a step means."""
    from flarefree.web.commands.consents import RecordConsent, WithdrawConsent
    from flarefree.web.commands.follow_up import LeaveStudy, RecordContact, RecordVitalStatus, StopDrug
    from flarefree.web.commands.medications import RecordMedication
    from flarefree.web.commands.subjects import RecordEligibility, SetCharacteristics
    from flarefree.web.commands.values import CorrectValue, MarkEnteredInError
    from flarefree.web.record.reading import read_things

    what, one, other = step
    rows = [item.key for item in read_things("lab", subject=subject)] or ["none"]
    match what:
        case "visit":
            return clinic.visit(subject, one, today, *other, reason="again")
        case "characteristic":
            return SetCharacteristics(subject=subject, characteristics={one: other}, reason="again")
        case "consent":
            return RecordConsent(subject=subject, version=one, given_on=today)
        case "withdraw":
            return WithdrawConsent(subject=subject, withdrawn_on=today)
        case "eligibility":
            return RecordEligibility(subject=subject, confirmed={"response": one}, reason="looked again")
        case "drug":
            return RecordMedication(subject=subject, drug=one, start=other)
        case "stop":
            return StopDrug(subject=subject, date=today, reason=one)
        case "leave":
            return LeaveStudy(subject=subject, date=today, reason=one)
        case "call":
            return RecordContact(subject=subject, date=today, reached=one)
        case "correct":
            return CorrectValue(key=rows[-1], value=one, reason="misread")
        case "void":
            return MarkEnteredInError(kind="lab", key=rows[-1], reason="another patient's")
    return RecordVitalStatus(subject=subject, date=today, status="dead", death_date=today)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(steps=st.lists(STEPS, min_size=3, max_size=14), is_randomized=st.booleans())
def test_the_log_rebuilds_the_record_after_any_course(clinic, steps, is_randomized):
    from flarefree.web.record.reading import read_head

    at = clinic.START + timedelta(days=next(_number) * 200)
    subject = clinic.randomized(at) if is_randomized else clinic.screened(at)
    for n, step in enumerate(steps, 1):
        when = at + timedelta(days=7 * n)
        command = command_of(clinic, subject, step, when.date().isoformat())
        before = read_head()
        try:
            done = clinic.ask(clinic.INVESTIGATOR, command, when)
        except ConductError:
            assert read_head() == before  # a refusal leaves no trace
        else:
            assert done.entry == before.length and read_head().length >= before.length + 1
    assert_log_says_all()


def assert_log_says_all() -> None:
    """Each value that stands, with its field, is what the log alone gives; each history too."""
    from flarefree.conduct.audit.rebuilding import compare_states, rebuild_state
    from flarefree.web.record.models import Latest, LogRow, Value

    rebuilt = rebuild_state(row.to_entry() for row in LogRow.objects.order_by("number"))
    kept: dict[str, dict[str, object]] = {}
    for latest in Latest.objects.select_related("thing"):
        record = f"{latest.thing.kind}/{latest.thing.key}/{latest.attribute}"
        kept.setdefault(record, {})[latest.field] = json.loads(latest.value)
    assert compare_states(rebuilt, kept) == ()
    changes = sum(len(row.to_entry().changes) for row in LogRow.objects.all())
    assert Value.objects.count() == changes
