"""The end-points committee: a member's desk and vote, the coordinator's board, the chair's disagreements."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.web.commands.adjudication import (
    AskAboutDossier,
    CastVote,
    DecideAsChair,
    DecideTogether,
    DeclineCase,
)
from flarefree.web.commands.adjudication_keeping import (
    AnswerAboutDossier,
    AskThird,
    RecordConflict,
    RecordLeave,
    ReleaseCases,
    ReopenCase,
    ReplaceReader,
    RestaffCases,
)
from flarefree.web.pages.asking import ask_page, show
from flarefree.web.pages.dossiers import dossier_told
from flarefree.web.pages.forms import AskForm, Input, form_of
from flarefree.web.pages.tables import Cell, Table, table_of
from flarefree.web.queries.committee import BoardCase, board, desk
from flarefree.web.queries.dossiers import dossier_page, prepared_dossier
from flarefree.web.trial import running_trial

__all__ = [
    "answer_question",
    "ask_about",
    "ask_third",
    "board_page",
    "case",
    "conflict",
    "decide",
    "decline",
    "desk_page",
    "leave",
    "prepared",
    "release",
    "reopen",
    "replace_reader",
    "restaff",
]  # fmt: skip

_ANSWERS = (
    ("confirmed", "Yes: the event happened"),
    ("refuted", "No: it did not"),
    ("undecidable", "It cannot be said from this dossier"),
)
_REASON = Input(
    "reason", "What your answer rests on", "long", hint="Values, days, records. Name no treatment."
)
_WHY = Input("why", "Why", "long")


def endpoint_label(name: str) -> str:
    """As the protocol says it."""
    endpoint = running_trial().protocol.spec.endpoints.get(name)
    return endpoint.label if endpoint is not None else name.replace("_", " ")


# Members ------------------------------------------------------------------------------------------


def desk_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The cases that await somebody's vote, and those that had it."""
    rows = [
        (
            Cell(f"Case {one.number}", reverse("case", args=[one.number])),
            endpoint_label(one.endpoint),
            Cell(f"Day {one.day}"),
            Cell(state=one.state),
            one.verdict,
        )
        for one in desk(actor)
    ]
    head = ("Case", "Question", "Day in question", "State", "Verdict")
    open_rows = [row for row in rows if row[3].state in {"to vote", "to decide"}]
    told = {
        "open": table_of("To do", head, open_rows, empty="Nothing awaits you."),
        "done": table_of("Done", head, [r for r in rows if r not in open_rows], empty="Nothing yet."),
    }
    return show(request, "desk", told)


def case(request: HttpRequest, actor: Actor, number: str) -> HttpResponseBase:
    """One dossier, and the vote, sealed until all are in."""
    page = dossier_page(actor, number)
    assert page.case is not None
    form = form_of(
        CastVote,
        Input("answer", page.dossier.question, "radio", choices=_ANSWERS),
        Input(
            "event_day",
            "On which study day?",
            "number",
            is_short=True,
            is_required=False,
            value=str(page.dossier.day),
            hint="The first day on which the event was there; leave it for “no”.",
        ),
        _REASON,
        fixed={"case": number},
    )
    told = {
        **dossier_told(page, page.case.endpoint),
        "crumbs": (("Desk", reverse("desk")),),
        "can_vote": page.case.state == "to vote",
    }
    return ask_page(
        request,
        actor,
        form,
        title=f"Case {number}",
        template="case",
        button="Seal the vote",
        then=reverse("desk"),
        said="Your vote is sealed.",
        told=told,
        typed=_dated(request),
    )


def _dated(request: HttpRequest) -> dict[str, str]:
    """What was typed; only an event that happened has a day."""
    typed = {name: str(value) for name, value in request.POST.items()}
    return typed if typed.get("answer") == "confirmed" else {**typed, "event_day": ""}


def decline(request: HttpRequest, actor: Actor, number: str) -> HttpResponseBase:
    """A member knows the patient, or has another reason not to judge."""
    extent = Input(
        "extent", "What you should not see", "radio", value="patient",
        choices=(("patient", "This patient"), ("site", "This site's patients"), ("everything", "Any case")),
    )  # fmt: skip
    dossier_page(actor, number)
    form = form_of(DeclineCase, _WHY, extent, fixed={"case": number})
    return ask_page(
        request,
        actor,
        form,
        title=f"Decline case {number}",
        button="Decline",
        then=reverse("desk"),
        lead="Somebody else reads it. It leaves your desk.",
        crumbs=_case_crumbs(number),
        said="The case was declined.",
    )


def ask_about(request: HttpRequest, actor: Actor, number: str) -> HttpResponseBase:
    """What is missing in a dossier is asked of the coordinator."""
    dossier_page(actor, number)
    form = form_of(
        AskAboutDossier, Input("text", "What do you need to know?", "long"), fixed={"case": number}
    )
    return ask_page(
        request,
        actor,
        form,
        title=f"Ask about case {number}",
        button="Ask",
        then=reverse("case", args=[number]),
        said="The coordinator was asked.",
        crumbs=_case_crumbs(number),
    )


def decide(request: HttpRequest, actor: Actor, number: str) -> HttpResponseBase:
    """Votes differ: the chair settles it, alone or with the members who met."""
    page = dossier_page(actor, number)
    assert page.case is not None
    answer = Input("answer", page.dossier.question, "radio", choices=_ANSWERS)
    day = Input(
        "event_day",
        "On which study day?",
        "number",
        is_short=True,
        is_required=False,
        value=str(page.dossier.day),
    )
    if running_trial().protocol.spec.adjudication.on_disagreement == "consensus":
        present = Input("present", "Who met", hint="Accounts, with spaces between them")
        form: AskForm = form_of(DecideTogether, answer, day, present, _REASON, fixed={"case": number})
    else:
        form = form_of(DecideAsChair, answer, day, _REASON, fixed={"case": number})
    told = {
        **dossier_told(page, page.case.endpoint),
        "crumbs": _case_crumbs(number),
        "can_vote": True,
        "is_decision": True,
    }
    return ask_page(
        request, actor, form, title=f"Decide case {number}", template="case", button="Record the decision",
        then=reverse("desk"), said="The decision is recorded.", told=told, typed=_dated(request),
    )  # fmt: skip


def _case_crumbs(number: str) -> tuple[tuple[str, str], ...]:
    return (("Desk", reverse("desk")), (f"Case {number}", reverse("case", args=[number])))


# The coordinator ----------------------------------------------------------------------------------


def board_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Who has which case, whose vote is missing, what must be asked of sites."""
    shown = board(actor)
    open_ = tuple(one for one in shown.cases if one.needs or one.outstanding or one.state != "decided")
    ordered = tuple(sorted(open_, key=lambda one: (not one.needs, one.number)))
    decided = tuple(one for one in shown.cases if one not in open_)
    told = {"board": shown, "table": _board_table(ordered), "decided": _board_table(decided)}
    return show(request, "board", told)


def _board_table(cases: tuple[BoardCase, ...]) -> Table:
    rows = [
        (
            Cell(f"Case {one.number}", reverse("prepared", args=[one.number])),
            endpoint_label(one.endpoint),
            Cell(state=one.state),
            Cell(
                ", ".join(one.readers),
                note=f"votes missing: {', '.join(one.outstanding)}" if one.outstanding else "",
            ),
            Cell(state=f"needs {one.needs}" if one.needs else ""),
        )
        for one in cases
    ]
    head = ("Case", "Question", "State", "Readers", "Disagreement")
    return table_of("Cases", head, rows, empty="No case waits on a desk.")


def prepared(request: HttpRequest, actor: Actor, number: str) -> HttpResponseBase:
    """A dossier as its readers get it, with what the coordinator can do about it."""
    page = prepared_dossier(actor, number)
    mine = next((one for one in board(actor).cases if one.number == number), None)
    endpoint = mine.endpoint if mine is not None else _endpoint_asked(page.dossier.question)
    return show(request, "prepared", {**dossier_told(page, endpoint), "one": mine, "number": number})


def _endpoint_asked(question: str) -> str:
    """By its label, where a case is on no desk any more."""
    for name, endpoint in running_trial().protocol.spec.endpoints.items():
        if endpoint.label == question:
            return name
    raise Http404


def release(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The next batch goes to its readers, with its controls."""
    return ask_page(
        request,
        actor,
        form_of(ReleaseCases),
        title="Release the waiting cases",
        button="Release",
        lead="Readers are drawn, never of the patient's site; controls are mixed in, and nobody sees which.",
        then=reverse("board"),
        said="The batch was released.",
        crumbs=(("Board", reverse("board")),),
    )


def ask_third(request: HttpRequest, actor: Actor, number: str) -> HttpResponseBase:
    """Votes differ: a third member is asked."""
    return _of_case(
        request, actor, form_of(AskThird, fixed={"case": number}), number, "Ask a third reader", "Ask"
    )


def replace_reader(request: HttpRequest, actor: Actor, number: str) -> HttpResponseBase:
    """A reader who cannot vote is replaced."""
    one = next((c for c in board(actor).cases if c.number == number), None)
    readers = tuple((name, name) for name in (one.readers if one else ()))
    form = form_of(
        ReplaceReader,
        Input("member", "Who is replaced", "choice", choices=readers),
        _WHY,
        fixed={"case": number},
    )
    return _of_case(request, actor, form, number, "Replace a reader", "Replace")


def reopen(request: HttpRequest, actor: Actor, number: str) -> HttpResponseBase:
    """A decided case comes again; its verdict stays in its history."""
    form = form_of(ReopenCase, _WHY, fixed={"case": number})
    return _of_case(request, actor, form, number, "Reopen the case", "Reopen")


def _of_case(
    request: HttpRequest, actor: Actor, form: AskForm, number: str, title: str, button: str
) -> HttpResponseBase:
    crumbs = (("Board", reverse("board")), (f"Case {number}", reverse("prepared", args=[number])))
    return ask_page(
        request, actor, form, title=f"{title}: case {number}", button=button, crumbs=crumbs,
        then=reverse("prepared", args=[number]),
    )  # fmt: skip


def conflict(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """A member must not see some patients."""
    form = form_of(
        RecordConflict,
        Input("member", "Member"),
        _WHY,
        Input("site", "Of which site", is_required=False, is_short=True),
        Input("subject", "Or of which subject", is_required=False, is_short=True),
        fixed={"endpoint": ""},
    )
    return ask_page(request, actor, form, title="A conflict of interest", then=reverse("board"))


def leave(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """A member is away."""
    form = form_of(
        RecordLeave,
        Input("member", "Member"),
        Input("first", "First day away", "date", is_short=True),
        Input("last", "Last day away", "date", is_short=True),
    )
    return ask_page(request, actor, form, title="A member is away", then=reverse("board"))


def restaff(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Cases of readers who are away, or have left, go to others."""
    return ask_page(
        request, actor, form_of(RestaffCases), title="Give cases to other readers", button="Give them",
        lead="Where a reader’s leave has begun, or who has left the committee: others are drawn by lot.",
        then=reverse("board"), said="Cases of absent readers went to others.",
        crumbs=(("Board", reverse("board")),),
    )  # fmt: skip


def answer_question(request: HttpRequest, actor: Actor, key: str) -> HttpResponseBase:
    """An answer to a member's question about a dossier."""
    form = form_of(AnswerAboutDossier, Input("text", "Answer", "long"), fixed={"query": key})
    return ask_page(
        request, actor, form, title="Answer a member's question", then=reverse("board"), button="Answer"
    )
