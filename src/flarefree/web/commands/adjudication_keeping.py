"""What the committee's coordinator does: release cases, find readers for them, open them again, answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field

from flarefree.conduct.adjudication.queue import reconcile
from flarefree.conduct.adjudication.releasing import release
from flarefree.conduct.adjudication.telling_words import TellingWords
from flarefree.errors import ConductError
from flarefree.web.chance import lots
from flarefree.web.commands.adjudication import (
    Number,
    Words,
    case_of,
    require_unlocked,
    restaffed,
    with_conflict,
)
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.detecting import detect_all, lost_looks, made_up_for
from flarefree.web.commands.naming import new_key
from flarefree.web.committee_people import read_committee, voters_of
from flarefree.web.committee_store import read_whole_queue
from flarefree.web.committee_writes import writes_of
from flarefree.web.record.reading import read_thing
from flarefree.web.trial import running_trial

__all__ = [
    "AnswerAboutDossier",
    "AskThird",
    "RecordConflict",
    "RecordLeave",
    "ReleaseCases",
    "ReopenCase",
    "ReplaceReader",
    "RestaffCases",
]

_NEED = (Need("prepare", "cases.dossier"),)


class ReleaseCases(Command):
    """Put all waiting cases before members, with negative controls and blind copies among them."""

    name: ClassVar[str] = "release_cases"
    verb: ClassVar[str] = "prepare"

    def plan(self, asked: Asked) -> Plan:
        """A batch, on the data as they are now."""
        require_unlocked()
        committee, who = read_committee(asked.at), _who(asked)
        stored, detection = read_whole_queue(), detect_all(asked.at)
        current = reconcile(stored.queue, detection, asked.at)
        after = release(current, detection.quiet, voters_of(committee), lots(), asked.at, who)
        writes = writes_of(stored, after, committee, asked.request, asked.at, detection.candidates)
        writes += made_up_for(lost_looks(), asked.at)
        shown = sum(
            b.suspected + b.controls + b.duplicates for b in after.batches[len(stored.queue.batches) :]
        )
        return Plan(
            "cases/all", writes=writes, needs=_NEED, reason="put before members", result={"shown": shown}
        )


class AskThird(Command):
    """Ask a third member where two votes differ, and the protocol wants a third."""

    name: ClassVar[str] = "ask_third"
    verb: ClassVar[str] = "prepare"
    case: Number

    def plan(self, asked: Asked) -> Plan:
        """The third, by lot; neither vote is shown to them."""
        require_unlocked()
        stored, committee = read_whole_queue(), read_committee(asked.at)
        case = stored.queue.case(self.case)
        after = stored.queue.third(self.case, voters_of(committee), lots(), asked.at, _who(asked))
        writes = writes_of(stored, after, committee, asked.request, asked.at)
        return Plan(
            f"case/{self.case}", case.site, writes=writes, needs=_NEED, reason="votes differ",
            result={"case": self.case},
        )  # fmt: skip


class ReplaceReader(Command):
    """Another member votes in place of one who has not voted.

    Attributes
    ----------
    case : str
    member : str
        Who gives the vote up.
    why : str
    """

    name: ClassVar[str] = "replace_reader"
    verb: ClassVar[str] = "prepare"
    case: Number
    member: str
    why: Words

    def plan(self, asked: Asked) -> Plan:
        """The other, by lot."""
        require_unlocked()
        stored, committee = read_whole_queue(), read_committee(asked.at)
        case = stored.queue.case(self.case)
        coming = voters_of(committee).assign(
            1, case.subject, case.site, case.endpoint, asked.at.date(), lots(),
            load=stored.queue.load, but=case.round.assigned,
        )  # fmt: skip
        moved = case.replaced(self.member, coming[0], self.why, asked.at, _who(asked))
        writes = writes_of(stored, stored.queue.with_case(moved), committee, asked.request, asked.at)
        told = {"case": self.case, "reader": coming[0]}
        return Plan(f"case/{self.case}", case.site, writes=writes, needs=_NEED, reason=self.why, result=told)


class ReopenCase(Command):
    """Open a decided case again; its verdict stays, and it is shown under another number.

    Attributes
    ----------
    case : str
    why : str
    """

    name: ClassVar[str] = "reopen_case"
    verb: ClassVar[str] = "prepare"
    case: Number
    why: Words

    def plan(self, asked: Asked) -> Plan:
        """A new round, which waits for its release."""
        require_unlocked()
        stored, case = case_of(self.case)
        after = stored.queue.reopen(case.id, self.why, asked.at, _who(asked))
        writes = writes_of(stored, after, None, asked.request, asked.at)
        return Plan(
            f"case/{self.case}", case.site, writes=writes, needs=_NEED, reason=self.why,
            result={"case": self.case},
        )  # fmt: skip


class RecordConflict(Command):
    """A conflict of interest that a member has declared.

    Attributes
    ----------
    member, why : str
    site, subject, endpoint : str
        What it is with; empty ones mean any.
    """

    name: ClassVar[str] = "record_conflict"
    verb: ClassVar[str] = "prepare"
    member: str
    why: Words
    site: str = ""
    subject: str = ""
    endpoint: str = ""

    def plan(self, asked: Asked) -> Plan:
        """The conflict, and the cases that change hands."""
        told = {
            "member": self.member,
            "why": self.why,
            "about_site": self.site,
            "about_subject": self.subject,
            "about_endpoint": self.endpoint,
        }
        committee = with_conflict(read_committee(asked.at), self.member, told)
        writes = (*_things("conflict", asked, told), *restaffed(committee, asked))
        return Plan(f"conflict/{new_key(asked.request)}", writes=writes, needs=_NEED, reason=self.why)


class RecordLeave(Command):
    """A member's leave: cases go to others meanwhile.

    Attributes
    ----------
    member : str
    first, last : date
        Both counted.
    """

    name: ClassVar[str] = "record_leave"
    verb: ClassVar[str] = "prepare"
    member: str
    first: date
    last: date

    def plan(self, asked: Asked) -> Plan:
        """The leave, and the cases that change hands if it has begun."""
        if self.last < self.first:
            raise ConductError(
                "a leave ends before it begins",
                where="last",
                found=self.last.isoformat(),
                expected=f"{self.first.isoformat()} or later",
            )
        committee = read_committee(asked.at)
        member = committee.member(self.member)
        with_leave = replace(member, leave=(*member.leave, (self.first, self.last)))
        told = {"member": self.member, "first": self.first.isoformat(), "last": self.last.isoformat()}
        writes = _things("leave", asked, told)
        writes = (*writes, *restaffed(committee.with_member(with_leave), asked))
        return Plan(f"leave/{new_key(asked.request)}", writes=writes, needs=_NEED, reason="leave")


class RestaffCases(Command):
    """Others vote for members whose leave has begun, or who have left the committee."""

    name: ClassVar[str] = "restaff_cases"
    verb: ClassVar[str] = "prepare"

    def plan(self, asked: Asked) -> Plan:
        """The cases that change hands."""
        writes = restaffed(read_committee(asked.at), asked)
        return Plan("cases/all", writes=writes, needs=_NEED, reason="readers are away or have left")


class AnswerAboutDossier(Command):
    """The coordinator's answer to a member's question.

    Attributes
    ----------
    query : str
    text : str
        Refused if it could tell the arm.
    """

    name: ClassVar[str] = "answer_about_dossier"
    verb: ClassVar[str] = "prepare"
    query: Annotated[str, Field(pattern=r"^[0-9a-z]{12}$")]
    text: Words

    def plan(self, asked: Asked) -> Plan:
        """The answer, screened."""
        item = read_thing("dossier_query", self.query)
        if item is None:
            raise ConductError("there is nothing here for you")
        if item["answer"] is not None:
            raise ConductError("this question was answered", where="query", found=self.query)
        found = TellingWords.of(running_trial().protocol.spec).find(self.text)
        if found:
            raise ConductError(
                "the answer has words that could tell the arm",
                where="text",
                found=", ".join(dict.fromkeys(one.word for one in found)),
                try_="say it without them",
            )
        told = {"answer": self.text, "answered_at": asked.at.isoformat(), "answered_by": _who(asked)}
        writes = tuple(Write("dossier_query", self.query, n, "cases.dossier", v) for n, v in told.items())
        return Plan(f"dossier_query/{self.query}", writes=writes, result={"query": self.query})


def _things(kind: str, asked: Asked, told: Mapping[str, str]) -> tuple[Write, ...]:
    key = new_key(asked.request)
    return tuple(Write(kind, key, name, "cases.queue", value, True) for name, value in told.items())


def _who(asked: Asked) -> str:
    return asked.actor.person if asked.actor else "system"
