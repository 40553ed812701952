"""Queries: somebody asks about a row, the site answers, who may ask closes."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import StringConstraints

from flarefree.conduct.audit.entries import Value, time_text
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Command, Need, Plan
from flarefree.web.commands.naming import new_key
from flarefree.web.commands.parts import (
    NOTHING_HERE,
    Key,
    Reason,
    SubjectKey,
    require_scope,
    subject_for,
    today_at,
    writes_of,
)
from flarefree.web.record.reading import Item, read_thing

__all__ = ["AnswerQuery", "CloseQuery", "RaiseQuery"]

_FIELD = "queries.record"
_About = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}/[A-Za-z0-9.\-]{1,80}$")]
_Attribute = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_.]{0,60}$")]


class RaiseQuery(Command):
    """A question about a row, or one value of it.

    Attributes
    ----------
    about : str
        `lab/7k3f`, `visit/017-004.month-3`.
    attribute : str
        Which value of it; `value` of results if not given.
    """

    name: ClassVar[str] = "raise_query"
    verb: ClassVar[str] = "query"
    subject: SubjectKey
    about: _About
    attribute: _Attribute = "value"
    question: Reason

    def plan(self, asked: Asked) -> Plan:
        """Only about what the asker may query, and of this patient."""
        kind, _, key = self.about.partition("/")
        row = read_thing(kind, key)
        if row is None or row.subject != self.subject:
            raise ConductError(NOTHING_HERE)
        field = _field(row, self.attribute)
        subject = subject_for(asked, self.subject, "query", field)
        query = new_key(asked.request)
        told: dict[str, Value] = {
            "about": self.about,
            "attribute": self.attribute,
            "visit": row["visit"],
            "question": self.question,
            "status": "open",
            "raised_by": asked.actor.person if asked.actor else "",
            "raised_on": today_at(subject.site, asked).isoformat(),
        }
        return Plan(
            f"query/{query}",
            site=subject.site,
            writes=writes_of("query", query, _FIELD, told, subject=subject, is_consequence=True),
            needs=(Need("query", field),),
            result={"query": query},
        )


def _field(row: Item, attribute: str) -> str:
    """Of the value that is asked about; of a row without it, of the row's own."""
    fact = row.facts.get(attribute)
    if fact is not None:
        return fact.field
    return next(fact.field for name, fact in row.facts.items() if name not in {"subject", "site"})


class AnswerQuery(Command):
    """The site answers."""

    name: ClassVar[str] = "answer_query"
    verb: ClassVar[str] = "answer"
    query: Key
    answer: Reason

    def plan(self, asked: Asked) -> Plan:
        """An open query, or one that was answered and not closed."""
        item = _query(self.query)
        require_scope(asked, item.site, "answer", _FIELD)
        if item["status"] == "closed":
            raise ConductError("this query is closed", where="query", found=self.query)
        told: dict[str, Value] = {
            "status": "answered",
            "answer": self.answer,
            "answered_by": asked.actor.person if asked.actor else "",
            "answered_at": time_text(asked.at),
        }
        return Plan(
            item.name,
            site=item.site,
            writes=writes_of("query", item.key, _FIELD, told),
            reason="the query was answered",
            result={"query": item.key, "status": "answered"},
        )


class CloseQuery(Command):
    """Who may ask is satisfied with the answer."""

    name: ClassVar[str] = "close_query"
    verb: ClassVar[str] = "query"
    query: Key
    words: Reason

    def plan(self, asked: Asked) -> Plan:
        """An answered query is closed, and the finding that it asked about."""
        item = _query(self.query)
        kind, _, key = str(item["about"]).partition("/")
        row = read_thing(kind, key)
        if row is None:
            raise ConductError(NOTHING_HERE)
        field = _field(row, str(item["attribute"] or "value"))
        require_scope(asked, item.site, "query", field)
        if item["status"] != "answered":
            raise ConductError("only an answered query is closed", where="query", found=str(item["status"]))
        today = today_at(item.site, asked).isoformat()
        told: dict[str, Value] = {
            "status": "closed",
            "closed_by": asked.actor.person if asked.actor else "",
            "closed_on": today,
            "closing_words": self.words,
        }
        finding = str(item["finding"] or "")
        of_finding: dict[str, Value] = {"status": "closed", "closed_on": today}
        return Plan(
            item.name,
            site=item.site,
            writes=(
                *writes_of("query", item.key, _FIELD, told, is_consequence=True),
                *(
                    writes_of("finding", finding, "findings.record", of_finding, is_consequence=True)
                    if finding
                    else ()
                ),
            ),
            needs=(Need("query", field),),
            reason=self.words,
            result={"query": item.key, "status": "closed"},
        )


def _query(key: str) -> Item:
    item = read_thing("query", key)
    if item is None:
        raise ConductError(NOTHING_HERE)
    return item
