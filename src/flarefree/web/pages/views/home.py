"""The first page: what is due today, for the role that its reader acts in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.schedule import Overdue
from flarefree.conduct.visibility import Actor
from flarefree.web import clock
from flarefree.web.pages.asking import may, show
from flarefree.web.pages.templatetags.pages import day
from flarefree.web.pages.views.committee import endpoint_label
from flarefree.web.queries.committee import board, desk, referrals
from flarefree.web.queries.dashboards import open_queries
from flarefree.web.queries.lost_looks import lost_looks
from flarefree.web.queries.on_board import see_on_board
from flarefree.web.queries.overdue import coming_up, overdue
from flarefree.web.queries.seeing import see_things
from flarefree.web.trial import running_trial

__all__ = ["home"]

_MOST = 12


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do: its words, where it is done (an address, or a page and its subject), how urgent."""

    text: str
    to: str | tuple[str, str]
    note: str = ""
    state: str = ""

    @property
    def url(self) -> str:
        """Made for what is shown: of a thousand tasks that is a dozen."""
        return self.to if isinstance(self.to, str) else reverse(self.to[0], args=[self.to[1]])


@dataclass(frozen=True, slots=True)
class Tasks:
    """Things of one sort, with how many more there are."""

    title: str
    tasks: tuple[Task, ...]
    more: int = 0
    url: str = ""


def home(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """What is due, sort by sort; a sort that the role does not have is not there."""
    gathered = (
        _gather(title, url, found(actor)) for title, url, rights, found in _SORTS if may(actor, rights)
    )
    sorts = tuple(sort for sort in gathered if sort.tasks)
    standing = running_trial().standing()
    told = {
        "sorts": sorts,
        "today": clock.now(),
        "is_halted": standing.randomization == "halted",
        "can_screen": may(actor, (("record", "subject.number"),)),
        "can_break": may(actor, (("break_code", "code_breaks.answer"),)),
    }
    return show(request, "home", told)


def _gather(title: str, url: str, tasks: Iterator[Task]) -> Tasks:
    found = tuple(tasks)
    return Tasks(title, found[:_MOST], max(0, len(found) - _MOST), reverse(url) if url else "")


def _overdue(actor: Actor) -> Iterator[Task]:
    """Visits one by one; the calls of a patient, of which many may be late, in one line."""
    calls: dict[str, list[Overdue]] = {}
    for one in overdue(actor):
        if one.due.kind == "visit":
            yield _late(one, one.due.name)
        else:
            calls.setdefault(one.subject, []).append(one)
    for of_one in calls.values():
        first = of_one[0]
        yield _late(first, first.due.name if len(of_one) == 1 else f"{len(of_one)} contacts, none made")


def _late(one: Overdue, what: str) -> Task:
    days = f"{one.days_late} day{'s' * (one.days_late != 1)} late"
    return Task(f"{one.subject}: {what}", ("subject", one.subject), days, "overdue")


def _coming(actor: Actor) -> Iterator[Task]:
    for one in coming_up(actor, days=7):
        note = f"until {day(one.due.last)}"
        yield Task(f"{one.subject}: {one.due.name}", ("subject", one.subject), note, "due")


def _screening(actor: Actor) -> Iterator[Task]:
    steps = {
        "screening": ("record consent, enter the screening values", "subject"),
        "consented": ("look at eligibility", "eligibility"),
        "eligible": ("may be randomized", "randomize"),
    }
    for item in see_on_board(actor, "subject", "subject.status"):
        if item["status"] in steps:
            text, name = steps[str(item["status"])]
            name = name if may(actor, (("record", "eligibility.record"),)) else "subject"
            if name == "randomize" and not may(actor, (("randomize", "allocation.request"),)):
                name = "subject"
            yield Task(f"{item.key}: {text}", reverse(name, args=[item.key]), "", str(item["status"]))


def _queries(actor: Actor) -> Iterator[Task]:
    wanted = "open" if may(actor, (("answer", "queries.record"),)) else "answered"
    name = "answer_query" if wanted == "open" else "close_query"
    for one in open_queries(actor):
        if (one.status or "open") == wanted:
            yield Task(f"{one.subject}: {one.question}", (name, one.key), day(one.raised_on))


def _to_dispense(actor: Actor) -> Iterator[Task]:
    given = {item.subject for item in see_things(actor, "dispensing")}
    for item in see_on_board(actor, "subject", "allocation.kit"):
        if item["kit"] is not None and item.key not in given:
            yield Task(f"{item.key}: hand out the first kit", reverse("dispense", args=[item.key]), "", "due")


def _to_vote(actor: Actor) -> Iterator[Task]:
    for one in desk(actor):
        if one.state in {"to vote", "to decide"}:
            name = (
                "decide"
                if one.state == "to decide" and may(actor, (("decide", "decisions.record"),))
                else "case"
            )
            yield Task(
                f"Case {one.number}: {endpoint_label(one.endpoint)}",
                reverse(name, args=[one.number]),
                "",
                one.state,
            )


def _to_release(actor: Actor) -> Iterator[Task]:
    shown = board(actor)
    if shown.waiting:
        yield Task(f"{shown.waiting} case{'s' * (shown.waiting != 1)} wait for release", reverse("release"))
    for question in shown.questions:
        if not question.answer:
            yield Task(
                f"Case {question.case}: {question.text}", reverse("answer_question", args=[question.key])
            )
    for case in shown.cases:
        if case.needs:
            yield Task(
                f"Case {case.number}: votes differ, needs {case.needs}",
                reverse("prepared", args=[case.number]),
            )


def _notices(actor: Actor) -> Iterator[Task]:
    """What the role was told of, the latest first; none of it names an arm."""
    mine = [item for item in see_things(actor, "notice") if item["to_role"] == actor.role]
    for item in sorted(mine, key=lambda item: str(item["at"]), reverse=True):
        yield Task(str(item["text"]), reverse("code_breaks"), str(item["at"])[:10])


def _lost_looks(actor: Actor) -> Iterator[Task]:
    """Where cases may be behind the data, and nobody else would know."""
    for one in lost_looks(actor):
        text = (
            f"{one.subject}: the detector could not look for end points ({one.error}); see the system's log"
        )
        yield Task(text, reverse("subject", args=[one.subject]), one.since[:10], "overdue")


def _to_assess(actor: Actor) -> Iterator[Task]:
    for item in see_things(actor, "code_break"):
        if (
            not item["assessment"]
            and item["reason"] != "SAFETY_REPORT"
            and item["ordered_by"] != actor.person
        ):
            text = f"{item.subject}: what did the code break do to blinding?"
            yield Task(
                text, reverse("assess_code_break", args=[item.key]), str(item["ordered_at"])[:10], "due"
            )


def _to_refer(actor: Actor) -> Iterator[Task]:
    for one in referrals(actor):
        if not one.outcome:
            text = f"{one.subject}: {endpoint_label(one.endpoint)} was judged to be none"
            yield Task(text, reverse("acknowledge_referral", args=[one.key]), one.decided_at[:10])


def _to_approve(actor: Actor) -> Iterator[Task]:
    if running_trial().phase == "before_go_live":
        yield Task("The trial is not live yet: see what it waits for", reverse("trial"))
    if running_trial().standing().randomization == "halted":
        yield Task("Randomization is halted", reverse("trial"), "", "halted")


_Found = Callable[[Actor], Iterator[Task]]
_SORTS: tuple[tuple[str, str, tuple[tuple[str, str], ...], _Found], ...] = (
    ("On the way into the trial", "subjects", (("record", "eligibility.record"),), _screening),
    ("Overdue", "", (("see", "visits.record"), ("see", "contacts.record")), _overdue),
    ("May be done now", "", (("record", "visits.record"), ("record", "contacts.record")), _coming),
    ("Queries", "queries", (("answer", "queries.record"), ("query", "visits.record")), _queries),
    ("Kits to hand out", "subjects", (("dispense", "dispensing.record"),), _to_dispense),
    ("Cases", "desk", (("vote", "votes.own"), ("decide", "decisions.record")), _to_vote),
    ("The committee", "board", (("prepare", "cases.dossier"),), _to_release),
    ("Notices", "code_breaks", (("see", "code_breaks.register"),), _notices),
    ("Code breaks to assess", "code_breaks", (("record", "code_breaks.register"),), _to_assess),
    ("Judged to be no event", "referrals", (("query", "adverse_events.record"),), _to_refer),
    ("Not looked at for end points", "", (("lock", "configuration"),), _lost_looks),
    ("The trial", "trial", (("approve", "configuration"), ("configure", "configuration")), _to_approve),
)
