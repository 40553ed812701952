"""Around the committee: texts that sites send it, word to safety, and the lock of adjudication."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from flarefree.conduct.adjudication.decisions import lock
from flarefree.conduct.adjudication.telling_words import TellingWords
from flarefree.conduct.audit.entries import Value
from flarefree.errors import ConductError
from flarefree.web.commands.adjudication import Words, require_unlocked
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.detecting import detect_all
from flarefree.web.commands.naming import new_key
from flarefree.web.committee_store import days_one, investigators_words, read_whole_queue
from flarefree.web.record.reading import facts_of, read_thing, read_things
from flarefree.web.trial import running_trial

__all__ = ["AcknowledgeReferral", "CorrectNote", "LockAdjudication", "SendNote"]

_FIELD = "free_text.site"
_NOTHING = "there is nothing here for you"
Key = Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{12}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class SendNote(Command):
    """A text of the site's for the committee: a biopsy report, a letter.

    A text with words that could tell the arm is held back; the site sends one without them.

    Attributes
    ----------
    subject, title : str
    on : date
        What day it is of.
    text : str
    """

    name: ClassVar[str] = "send_note"
    verb: ClassVar[str] = "record"
    subject: str
    title: Title
    on: date
    text: Text

    def plan(self, asked: Asked) -> Plan:
        """The text, and whether it passes."""
        subject = read_thing("subject", self.subject)
        if subject is None:
            raise ConductError(_NOTHING)
        key = new_key(asked.request)
        told: dict[str, Value] = {
            "subject": self.subject,
            "site": subject.site,
            "title": self.title,
            "date": self.on.isoformat(),
            "text": self.text,
        }
        return _note(key, subject.site, told, f"{self.title}\n{self.text}")


class CorrectNote(Command):
    """The same text without the words that held it back, or otherwise mended.

    Attributes
    ----------
    note : str
    text : str
    reason : str
    title : str, optional
        As it was, if not given.
    """

    name: ClassVar[str] = "correct_note"
    verb: ClassVar[str] = "record"
    note: Key
    text: Text
    reason: Words
    title: Title | None = None

    def plan(self, asked: Asked) -> Plan:
        """The new text, screened anew."""
        item = read_thing("note", self.note)
        if item is None:
            raise ConductError(_NOTHING)
        title = self.title or str(item["title"])
        return _note(
            self.note, item.site, {"title": title, "text": self.text}, f"{title}\n{self.text}", self.reason
        )


def _note(key: str, site: str, told: dict[str, Value], screened: str, reason: str = "") -> Plan:
    words = TellingWords.of(running_trial().protocol.spec).find(screened)
    found = ", ".join(dict.fromkeys(one.word for one in words))
    writes = [Write("note", key, name, _FIELD, value) for name, value in told.items()]
    writes.append(Write("note", key, "is_held", _FIELD, bool(found), is_consequence=True))
    # To the site alone: the words themselves tell, and the coordinator must not be told.
    writes.append(Write("note", key, "held_for", _FIELD, found, is_consequence=True))
    result = {"note": key, "is_held": bool(found), "held_for": found}
    return Plan(f"note/{key}", site, writes=tuple(writes), reason=reason, result=result)


class AcknowledgeReferral(Command):
    """Safety has read that a suspected event was judged to be none, and says what follows.

    Nothing of it flows back to the committee.

    Attributes
    ----------
    referral : str
    outcome : str
    """

    name: ClassVar[str] = "acknowledge_referral"
    verb: ClassVar[str] = "query"
    referral: Key
    outcome: Literal["reported as an adverse event", "asked the site", "no report needed"]

    def plan(self, asked: Asked) -> Plan:
        """Who, when, and what."""
        assert asked.actor is not None  # no machine answers for safety
        item = read_thing("referral", self.referral)
        if item is None:
            raise ConductError(_NOTHING)
        told: dict[str, Value] = {
            "acknowledged_by": asked.actor.person,
            "acknowledged_at": asked.at.isoformat(),
            "outcome": self.outcome,
        }
        writes = tuple(
            Write("referral", self.referral, name, "decisions.negative", value, is_consequence=True)
            for name, value in told.items()
        )
        need = Need("query", "adverse_events.record")
        return Plan(
            f"referral/{self.referral}", item.site, writes=writes, needs=(need,),
            reason=self.outcome, result={"referral": self.referral},
        )  # fmt: skip


class LockAdjudication(Command):
    """Close adjudication: no case is open nor behind the data, safety knows, no text is held.

    The lock does not outlive a change of the data that changes a case.
    """

    name: ClassVar[str] = "lock_adjudication"
    verb: ClassVar[str] = "lock"

    def plan(self, asked: Asked) -> Plan:
        """The lock, with the digest of the decisions."""
        assert asked.actor is not None  # no machine closes the data
        require_unlocked()
        acknowledged = facts_of("referral", "acknowledged_at")
        named = facts_of("referral", "case")
        held = [n for n in read_things("note", attributes=("is_held",)) if n["is_held"] is True]
        closed = lock(
            read_whole_queue().queue,
            detect_all(asked.at),
            days_one(),
            asked.at,
            asked.actor.person,
            words=investigators_words(),
            referred=[str(case) for key, case in named.items() if acknowledged.get(key)],
            held=len(held),
        )
        told: dict[str, Value] = {
            "at": closed.at.isoformat(),
            "who": closed.who,
            "cases": closed.cases,
            "digest": closed.digest,
            "is_in_force": True,
        }
        writes = tuple(
            Write("adjudication_lock", "this", name, "decisions.record", value, is_consequence=True)
            for name, value in told.items()
        )
        return Plan(
            "adjudication_lock/this",
            writes=writes,
            needs=(Need("lock", "configuration"),),
            reason="no case is open",
            result={"digest": closed.digest, "cases": closed.cases},
        )
