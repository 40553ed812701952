"""Check B9 at the level of rules: code breaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flarefree.conduct.audit import Entry, append_entry, begin_log
from flarefree.conduct.checks.asking import is_refused, refusal
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.codebreak import (
    ANSWER_WITHIN,
    BreakReason,
    BreakRequest,
    Channel,
    CodeBreak,
    Identified,
    Impact,
    answer_code_break,
    assess_impact,
    draft_of,
    may_still_judge,
    notices_of,
    order_code_break,
)
from flarefree.conduct.roles.matrix import PHASES, Matrix, load_matrix
from flarefree.conduct.visibility import Actor

__all__ = ["CHECKS"]

AT = datetime(2026, 3, 1, 3, 14, tzinfo=UTC)
CANARY = "CANARY-5b1f-mycophenolate"


# B9 ----------------------------------------------------------------------------------------------


def b9_code_break(quick: bool) -> Iterator[Evidence]:
    """One subject's code, to who proves who they are and says why; nobody else hears the arm."""
    matrix = load_matrix()
    yield from _who_may(matrix)
    yield from _what_is_needed(matrix)
    yield from _what_others_hear(matrix)
    yield from _order_of_things(matrix)


def _request(role: str = "investigator", **other: Any) -> BreakRequest:
    person = other.pop("person", "u-1")
    told: dict[str, Any] = {
        "request": "r-1",
        "actor": Actor(person, role, frozenset({"017"})),
        "identified": Identified(person, frozenset({"password", "device"}), AT - timedelta(seconds=20)),
        "subject": "017-004",
        "reason": BreakReason.EMERGENCY,
        "explanation": "pancytopenia, bone marrow failing",
        "impact": Impact.TREATING_TEAM,
        "channel": Channel.WEB,
        "at": AT,
    }
    return BreakRequest(**(told | other))


def _order(
    matrix: Matrix, request: BreakRequest, site: str | None = "017", phase: str = "live", **more: Any
) -> CodeBreak:
    return order_code_break(matrix, request, site=site, phase=phase, **more)


def _who_may(matrix: Matrix) -> Iterator[Evidence]:
    may = {"investigator", "medical_monitor", "safety_officer"}
    wrong = [
        f"{role} {phase}"
        for role in matrix.roles
        for phase in PHASES
        for channel in Channel
        if (not is_refused(_order, matrix, _request(role, channel=channel), phase=phase))
        != (role in may and phase in {"live", "locked"})
    ]
    count = len(matrix.roles) * len(PHASES) * len(Channel)
    yield Evidence(f"{count} roles, phases, channels: wrong verdicts", 0, len(wrong), not wrong)
    texts = {
        refusal(_order, matrix, _request(), site="018"),
        refusal(_order, matrix, _request(), site=None),
        refusal(_order, matrix, _request("monitor")),
    }
    yield Evidence(
        "texts for another site, for no such subject, for a wrong role", 1, len(texts), len(texts) == 1
    )


def _what_is_needed(matrix: Matrix) -> Iterator[Evidence]:
    proof = _request().identified
    wrong: dict[str, dict[str, Any]] = {
        "one factor": {"identified": replace(proof, factors=frozenset({"password"}))},
        "another's proof": {"identified": replace(proof, person="u-2")},
        "an old proof": {"identified": replace(proof, at=AT - timedelta(minutes=6))},
        "a proof of tomorrow": {"identified": replace(proof, at=AT + timedelta(minutes=1))},
        "no explanation": {"explanation": " "},
        "no impact of an unplanned one": {"impact": None},
    }
    refused = [name for name, change in wrong.items() if is_refused(_order, matrix, _request(**change))]
    missing = sorted(set(wrong) - set(refused))
    yield Evidence("requests that lack something, refused", len(wrong), len(refused), not missing)
    planned = _order(matrix, _request("safety_officer", reason=BreakReason.SAFETY_REPORT, impact=None))
    yield Evidence(
        "a planned one without impact", "closed", "open" if planned.is_open else "closed", not planned.is_open
    )
    unplanned = _order(matrix, _request())
    late = unplanned.is_open and unplanned.is_overdue(AT + timedelta(days=8))
    yield Evidence(
        "an unplanned one until it is assessed", "open, overdue after 7 days", "open" if late else "", late
    )
    judge = Actor("u-9", "medical_monitor")
    closed = assess_impact(matrix, unplanned, judge, "No assessor learned it.", phase="live")
    yield Evidence("once assessed by somebody else", False, closed.is_open, not closed.is_open)
    own = is_refused(assess_impact, matrix, unplanned, replace(judge, person="u-1"), "None.", phase="live")
    yield Evidence("assessed by who broke it", "refused", "refused" if own else "taken", own)


def _what_others_hear(matrix: Matrix) -> Iterator[Evidence]:
    """The same break under either arm: everything but the answer is the same, byte by byte."""
    told = [_all_but_answer(matrix, arm) for arm in (CANARY, "CANARY-77aa-azathioprine-and-longer")]
    differ = sum(a != b for a, b in zip(told[0], told[1], strict=True))
    yield Evidence(
        "texts that differ by arm: notices, register, entry, repr, refusals", 0, differ, not differ
    )
    named = sum("CANARY" in text for text in told[0])
    yield Evidence("texts that name the arm", 0, named, not named)
    heard = {n.role for n in notices_of(_order(matrix, _request()))}
    yield Evidence(
        "roles that hear of it", "sponsor among them", ", ".join(sorted(heard)), "sponsor" in heard
    )
    blind = heard <= set(matrix.blinded_roles)
    yield Evidence("of them blinded", True, blind, blind)


def _all_but_answer(matrix: Matrix, arm: str) -> list[str]:
    broken = _order(matrix, _request())
    entry = _entry(broken)
    answer, done = answer_code_break(broken, entry, ask_vault=lambda _: arm, at=AT + timedelta(seconds=70))
    again = refusal(_order, matrix, _request(subject="017-005"), register=[done])
    texts = [repr(answer), repr(done), repr(entry.content), repr(entry.items), again]
    return texts + [notice.text for notice in notices_of(done)]


def _entry(broken: CodeBreak) -> Entry:
    draft = draft_of(broken, zone="Europe/Berlin", protocol="c" * 64)
    return append_entry(begin_log("alms/b9"), draft, entropy=bytes)


def _order_of_things(matrix: Matrix) -> Iterator[Evidence]:
    asked: list[str] = []
    broken = _order(matrix, _request())
    other = _entry(_order(matrix, _request(request="r-2", subject="017-009")))

    def vault(subject: str) -> str:
        asked.append(subject)
        return CANARY

    refused = is_refused(answer_code_break, broken, other, ask_vault=vault, at=AT)
    yield Evidence("asked of the vault with another request's entry", 0, len(asked), refused and not asked)
    answer, done = answer_code_break(broken, _entry(broken), ask_vault=vault, at=AT + ANSWER_WITHIN)
    yield Evidence("subjects asked of the vault", "017-004", ", ".join(asked), asked == ["017-004"])
    yield Evidence(
        "the answer", f"Subject 017-004: {CANARY}", answer.text, answer.text == f"Subject 017-004: {CANARY}"
    )
    _, slow = answer_code_break(
        broken, _entry(broken), ask_vault=vault, at=AT + ANSWER_WITHIN + timedelta(seconds=1)
    )
    yield Evidence(
        "answered at 2 min 0 s, at 2 min 1 s: late",
        "no, yes",
        f"{done.is_late}, {slow.is_late}",
        not done.is_late and slow.is_late,
    )
    same = _order(matrix, _request(), register=[done])
    yield Evidence(
        "the same request again",
        "the same break",
        "the same break" if same == done else "another",
        same == done,
    )
    judges = [may_still_judge([done], person, "017-004") for person in ("u-1", "u-2")]
    yield Evidence(
        "may still judge the subject: who asked, somebody else",
        "False, True",
        f"{judges[0]}, {judges[1]}",
        judges == [False, True],
    )


CHECKS = (
    Check(
        "B9",
        "Code break: who, why, one subject; nobody else hears the arm",
        b9_code_break,
        "two minutes by web and by voice; the drill",
    ),
)
