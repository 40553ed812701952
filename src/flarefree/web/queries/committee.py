"""The committee's pages as data: a member's desk, a case's dossier, the coordinator's board, safety's list.

What a member gets is made by `conduct.adjudication.desk` and `dossier`, through their lists of what may be
shown; whether it is theirs at all, the role matrix says.  Nothing here tells a control, a copy, a case that
comes again, or a vote before all are in.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from flarefree.conduct.adjudication.agreement import (
    agreement_table,
    inter_rater,
    intra_rater,
    investigator_table,
    miss_rate,
)
from flarefree.conduct.adjudication.cases import Case, CaseState
from flarefree.conduct.adjudication.desk import DeskCase, desk_case, desk_list
from flarefree.conduct.visibility import Actor, Target, decide, require_allowed
from flarefree.errors import ConductError
from flarefree.web.clock import now
from flarefree.web.committee_people import read_committee
from flarefree.web.committee_store import investigators_words, read_queue, read_whole_queue
from flarefree.web.queries.seeing import see_thing, see_things
from flarefree.web.record.reading import Item, facts_of, read_thing, read_things
from flarefree.web.trial import running_trial

if TYPE_CHECKING:
    from flarefree.conduct.adjudication.agreement import Kappa, MissRate
    from flarefree.results import Table

__all__ = [
    "Agreement",
    "Board",
    "BoardCase",
    "DossierQuestion",
    "Referral",
    "agreement",
    "board",
    "desk",
    "desk_of_case",
    "referrals",
]

_NOTHING = "there is nothing here for you"


# Members ------------------------------------------------------------------------------------------


def desk(actor: Actor, *, at: datetime | None = None) -> tuple[DeskCase, ...]:
    """The cases on somebody's desk, by number; none for who is no member."""
    at = at or now()
    mine = _on_desk(actor)
    if not mine:
        return ()
    stored = read_queue(sorted({item.subject for item in mine}))
    numbers = {item.key for item in mine}
    listed = desk_list(stored.queue, actor.person, read_committee(at), at)
    return tuple(case for case in listed if case.number in numbers)


def desk_of_case(actor: Actor, number: str, *, at: datetime | None = None) -> tuple[DeskCase, Case]:
    """One case as it lies on somebody's desk, and the case itself, which only queries may hold.

    Raises
    ------
    ConductError
        It does not lie there, or does not exist.
    """
    at = at or now()
    item = read_thing("case", number)
    if item is None or not _may_see(actor, item):
        raise ConductError(_NOTHING)
    queue = read_queue([item.subject]).queue
    try:
        return desk_case(queue, number, actor.person, read_committee(at), at), queue.case(number)
    except ConductError:
        raise ConductError(_NOTHING) from None


def _on_desk(actor: Actor) -> list[Item]:
    numbers = [n for n, people in facts_of("case", "assigned_to").items() if _is_named(actor, people)]
    items = (read_thing("case", number) for number in sorted(numbers))
    return [item for item in items if item is not None and _may_see(actor, item)]


def _is_named(actor: Actor, people: object) -> bool:
    return actor.person in str(people or "").split()


def _may_see(actor: Actor, item: Item) -> bool:
    trial = running_trial()
    target = Target(item.site, frozenset(str(item["assigned_to"] or "").split()))
    return _is_named(actor, item["assigned_to"]) and bool(
        decide(trial.matrix, actor, "see", "cases.dossier", trial.phase, target).is_allowed
    )


@dataclass(frozen=True, slots=True)
class DossierQuestion:
    """A member's question about a dossier, with its answer once there is one."""

    key: str
    case: str
    member: str
    text: str
    answer: str = ""


def questions(actor: Actor, case: str = "") -> tuple[DossierQuestion, ...]:
    """Questions about dossiers: a member's own, or all of them for the coordinator."""
    return tuple(
        DossierQuestion(
            item.key, str(item["case"]), str(item["member"]), str(item["text"]), str(item["answer"] or "")
        )
        for item in see_things(actor, "dossier_query")
        if case in ("", item["case"])
    )


# The coordinator ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BoardCase:
    """One showing as the coordinator sees it.

    Attributes
    ----------
    number, subject, site, endpoint, state : str
    day : int
    readers, outstanding : tuple of str
        Who has it, and who still has to vote.
    needs : str
        Where votes differ: `third`, `consensus` or `chair`.
    """

    number: str
    subject: str
    site: str
    endpoint: str
    day: int
    state: str
    readers: tuple[str, ...]
    outstanding: tuple[str, ...]
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """What the coordinator has to see to.

    Attributes
    ----------
    waiting : int
        Cases that wait for their release.
    cases : tuple of BoardCase
        All that are on desks, by number; cases of the past too.
    held : tuple of (title, date)
        Texts that sites must send without the words that could tell the arm.
    questions : tuple of DossierQuestion
    is_locked : bool
    """

    waiting: int
    cases: tuple[BoardCase, ...]
    held: tuple[tuple[str, date], ...]
    questions: tuple[DossierQuestion, ...]
    is_locked: bool


def board(actor: Actor) -> Board:
    """The coordinator's board.

    Raises
    ------
    ConductError
        The asker is not the coordinator.

    Notes
    -----
    How many cases wait is told, and not which: who knew them would know the controls, which nobody had
    seen waiting.
    """
    trial = running_trial()
    require_allowed(trial.matrix, actor, "see", "cases.queue", trial.phase, Target())
    files = facts_of("case_file", "state")
    needs = {case.number: case.needs(trial.protocol.spec.adjudication) for case in _disagreed()}
    lock = read_thing("adjudication_lock", "this")
    held = (n for n in read_things("note", attributes=("is_held", "date")) if n["is_held"] is True)
    return Board(
        sum(state == "waiting" for state in files.values()),
        tuple(_board_case(item, needs) for item in sorted(see_things(actor, "case"), key=lambda i: i.key)),
        tuple(("a text of the site", date.fromisoformat(str(n["date"]))) for n in held),
        questions(actor),
        lock is not None and lock["is_in_force"] is True,
    )


def _disagreed() -> tuple[Case, ...]:
    subjects = [i.subject for i in read_things("case") if i["state"] == str(CaseState.DISAGREED)]
    cases = read_queue(subjects).queue.cases
    return tuple(case for case in cases if case.state is CaseState.DISAGREED)


def _board_case(item: Item, needs: dict[str, str]) -> BoardCase:
    return BoardCase(
        item.key,
        item.subject,
        item.site,
        str(item["endpoint"]),
        int(item["day"] or 0),
        str(item["state"]),
        tuple(str(item["assigned_to"] or "").split()),
        tuple(str(item["outstanding"] or "").split()),
        needs.get(item.key, ""),
    )


# Safety, and what is learnt of the committee -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Referral:
    """Word to safety of a suspected event that was judged to be none."""

    key: str
    subject: str
    site: str
    endpoint: str
    day: int
    answer: str
    decided_at: str
    outcome: str = ""


def referrals(actor: Actor) -> tuple[Referral, ...]:
    """Negative verdicts, the latest last; none for who may not know of them."""
    found = (
        Referral(
            item.key, item.subject, item.site, str(item["endpoint"]), int(item["day"] or 0),
            str(item["answer"]), str(item["decided_at"]), str(item["outcome"] or ""),
        )
        for item in see_things(actor, "referral")
    )  # fmt: skip
    return tuple(sorted(found, key=lambda one: (one.decided_at, one.subject, one.endpoint)))


@dataclass(frozen=True)
class Agreement:
    """How the committee agrees, with itself and with investigators, and how much the rule misses.

    Attributes
    ----------
    between, within : Kappa
    missed : MissRate
    tables : tuple of Table
        By component: kappa; investigators beside the committee.
    shown : mapping of str to int
        Cases shown, by why.
    """

    between: Kappa
    within: Kappa
    missed: MissRate
    tables: tuple[Table, ...]
    shown: dict[str, int]


def agreement(actor: Actor) -> Agreement:
    """Of the whole queue, for who may know which cases are controls.

    Raises
    ------
    ConductError
        The asker may not.
    """
    trial = running_trial()
    for field in ("cases.is_control", "decisions.record"):
        require_allowed(trial.matrix, actor, "see", field, trial.phase, Target())
    queue = read_whole_queue().queue
    spec = trial.protocol.spec
    labels = {name: e.label for name, e in spec.endpoints.items() if e.adjudicated}
    tables = (agreement_table(queue, labels), investigator_table(queue, investigators_words(), labels))
    shown = Counter(str(case.kind) for case in queue.cases if case.number)
    return Agreement(
        inter_rater(queue), intra_rater(queue), miss_rate(queue), tables, dict(sorted(shown.items()))
    )


def decision_of(actor: Actor, number: str) -> Item | None:
    """What a showing came to, for who may know it."""
    return see_thing(actor, "decision", number)
