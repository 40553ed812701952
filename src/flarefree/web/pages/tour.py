"""What a newcomer to the virtual trial can do in five minutes: a line for each role, with a task that waits.

Tasks are found by the queries of the pages, as the person would see them, when the page is shown.  Where none
waits, the line says what the role is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.errors import FlarefreeError
from flarefree.studytime import study_day
from flarefree.web import clock
from flarefree.web.commands.gates import date_at_site
from flarefree.web.commands.parts import slug_of
from flarefree.web.queries.board import board_now
from flarefree.web.queries.committee import board, desk
from flarefree.web.queries.overdue import coming_up
from flarefree.web.queries.people import PersonInRole
from flarefree.web.queries.seeing import see_things
from flarefree.web.trial import running_trial

__all__ = ["Stop", "stops_of"]


@dataclass(frozen=True, slots=True)
class Stop:
    """One line of the tour: who, what waits, and where it is done."""

    person: PersonInRole
    heading: str
    text: str
    url: str


_Found = tuple[str, str]
_Finder = Callable[[Actor], Iterator[_Found]]


def stops_of(people: Sequence[PersonInRole]) -> tuple[Stop, ...]:
    """The tour: each of its stops that somebody of the trial can make."""
    return tuple(stop for step in _STEPS for stop in islice(_made(people, *step), 1))


def _made(
    people: Sequence[PersonInRole], heading: str, role: str, finder: _Finder, otherwise: _Found
) -> Iterator[Stop]:
    named = [one for one in people if one.role == role]
    for one in named:
        try:
            for text, url in islice(finder(actor_of(one)), 1):
                yield Stop(one, heading, text, url)
        except FlarefreeError:
            continue  # nothing here for this one
    if named and otherwise[0]:
        yield Stop(named[0], heading, *otherwise)


def actor_of(one: PersonInRole) -> Actor:
    """Somebody in their role, as they would ask."""
    return Actor(one.person, one.role, frozenset(one.sites))


# Tasks --------------------------------------------------------------------------------------------


def _to_randomize(actor: Actor) -> Iterator[_Found]:
    for item in see_things(actor, "subject", attributes=("status",)):
        if item["status"] == "eligible":
            yield f"{item.key} is eligible and awaits randomization.", reverse("randomize", args=[item.key])


def _to_record(actor: Actor) -> Iterator[_Found]:
    for one in coming_up(actor, days=0):
        if one.due.kind == "visit":
            yield (
                f"{one.due.name} of {one.subject} is due. Try a creatinine ten times the last one.",
                reverse("visit", args=[one.subject, slug_of(one.due.name)]),
            )


def _to_hand_out(actor: Actor) -> Iterator[_Found]:
    given = {item.subject for item in see_things(actor, "dispensing")}
    for item in see_things(actor, "subject", attributes=("kit",)):
        if item["kit"] is not None and item.key not in given:
            yield f"The first kit of {item.key} is to be handed out.", reverse("dispense", args=[item.key])


def _interrupted(actor: Actor) -> Iterator[_Found]:
    latest = {item.subject: item for item in see_things(actor, "dose") if item["what"] is not None}
    board = board_now()
    for subject, item in latest.items():
        patient = board.patients.get(subject)
        if item["what"] == "Interrupt" and patient is not None and patient.day_one is not None:
            today = study_day(date_at_site(patient.site, clock.now()), patient.day_one)
            begun = item["day"]
            if isinstance(begun, int):
                yield (
                    f"{subject} is on day {today - begun + 1} of an interruption: may it go on?",
                    reverse("dose", args=[subject]),
                )


def _to_vote(actor: Actor) -> Iterator[_Found]:
    for one in desk(actor):
        if one.state == "to vote":
            yield f"Case {one.number} awaits your sealed vote.", reverse("case", args=[one.number])


def _to_decide(actor: Actor) -> Iterator[_Found]:
    for one in desk(actor):
        if one.state == "to decide":
            yield f"Two members differ on case {one.number}.", reverse("decide", args=[one.number])


def _to_release(actor: Actor) -> Iterator[_Found]:
    waiting = board(actor).waiting
    if waiting:
        cases = "case waits" if waiting == 1 else "cases wait"
        yield f"{waiting} {cases} for release to two readers.", reverse("release")


def _to_break(actor: Actor) -> Iterator[_Found]:
    broken = {item.subject for item in see_things(actor, "code_break")}
    for item in see_things(actor, "subject", attributes=("status", "kit")):
        if item["kit"] is not None and item.key not in broken and item["status"] == "on_treatment":
            yield (
                f"{item.key} is in an emergency: learn the treatment, and see who is told.",
                f"{reverse('break_code')}?subject={item.key}",
            )


def _to_assess(actor: Actor) -> Iterator[_Found]:
    for item in see_things(actor, "code_break"):
        if not item["assessment"] and item["ordered_by"] != actor.person:
            text = f"The code of {item.subject} was broken: what did it do to blinding?"
            yield text, reverse("assess_code_break", args=[item.key])


def _to_answer(actor: Actor) -> Iterator[_Found]:
    for item in see_things(actor, "query"):
        if str(item["status"] or "open") == "answered":
            yield f"A query about {item.subject} was answered.", reverse("close_query", args=[item.key])


def _to_verify(actor: Actor) -> Iterator[_Found]:
    for item in see_things(actor, "visit", attributes=("status", "visit", "subject")):
        if item["status"] == "signed":
            name = str(item["visit"])
            yield (
                f"{name} of {item.subject} is signed and waits for verification.",
                reverse("verify_visit", args=[item.subject, slug_of(name)]),
            )


def _recruits(actor: Actor) -> Iterator[_Found]:
    planned = running_trial().protocol.spec.design.planned_size
    given = sum(one.day_one is not None for one in board_now().patients.values())
    yield f"{given} of {planned} are randomized: when will the rest be?", reverse("recruitment")


def _never(actor: Actor) -> Iterator[_Found]:
    yield from ()


_STEPS: tuple[tuple[str, str, _Finder, _Found], ...] = (
    ("Randomize", "investigator", _to_randomize, ("Screen a patient, then randomize.", "/screen/")),
    ("Enter a visit", "site_staff", _to_record, ("See what is due.", "/")),
    ("Hand out a kit", "pharmacist", _to_hand_out, ("Randomize somebody: their kit then waits here.", "/")),
    ("Mind an interruption", "investigator", _interrupted, ("", "")),
    ("Vote", "committee_member", _to_vote, ("No case waits; see those that were judged.", "/desk/")),
    ("Decide", "committee_chair", _to_decide, ("No two members differ just now.", "/desk/")),
    ("Release cases", "committee_coordinator", _to_release, ("See who has which case.", "/board/")),
    ("Break a code", "investigator", _to_break, ("", "")),
    ("Assess a code break", "medical_monitor", _to_assess, ("See the register.", "/code-breaks/")),
    ("Verify", "monitor", _to_verify, ("See what is late at the sites.", "/")),
    ("Mind the data", "data_manager", _to_answer, ("See what is missing, late or asked.", "/completeness/")),
    ("Look as the sponsor", "sponsor", _recruits, ("See recruitment and its forecast.", "/recruitment/")),
    ("Export", "blinded_statistician", _never, ("Take the data out, with no arm in them.", "/export/")),
    ("Review the log", "audit_reviewer", _never, ("Read who did what, when and why.", "/log/")),
)  # fmt: skip
"""Headings in a newcomer's order, the role, how its task is found, and what is said where none waits."""
