"""What the API answers: the shapes of it, and a response that nobody keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any

from django.http import HttpResponse
from pydantic import BaseModel, ConfigDict, Field

from flarefree.web.record.reading import Item
from flarefree.web.trial import running_trial

__all__ = [
    "Differences",
    "Done",
    "Facts",
    "Me",
    "Outcome",
    "Page",
    "Thing",
    "View",
    "answer",
    "plain",
    "thing_of",
]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Done(_Shape):
    """A command was done, now or before."""

    request_id: str
    receipt: str = Field(description="Witness of the entry in the log: `number:hash`. Keep it.")
    is_repeated: bool = Field(description="Whether this request was done before; nothing was done again.")
    result: dict[str, Any] = Field(description="What the command tells; the same when asked again.")


class Outcome(_Shape):
    """What became of a request."""

    request_id: str
    is_done: bool = Field(description="If false, nothing was changed by it, and it may be sent again.")
    receipt: str = ""
    done_at: datetime | None = None
    action: str = ""
    about: str = ""
    result: dict[str, Any] = Field(default_factory=dict)


class Facts(_Shape):
    """A value that stands."""

    value: str | int | bool | None
    field: str = Field(description="Of the role matrix.")


class Thing(_Shape):
    """What values are about, with those that you may see."""

    kind: str
    key: str
    subject: str
    site: str
    facts: dict[str, Facts]


class Page(_Shape):
    """Some of the things that you may see."""

    items: list[Thing]
    next: str | None = Field(description="Key to give as `after` for those that follow; null at the end.")


class Difference(_Shape):
    """One thing that does not agree between paper and record."""

    kind: str
    code: str
    detail: str


class Differences(_Shape):
    """After an outage: what does not agree; empty if all does."""

    differences: list[Difference]


class View(_Shape):
    """What a query of the application's pages found for you."""

    view: Any


class Me(_Shape):
    """Who you are to the application."""

    person: str
    role: str
    sites: list[str]
    phase: str = Field(description="Of the trial.")
    protocol_digest: str


def answer(told: Any, status: int = 200) -> HttpResponse:
    """JSON that no cache may keep and that has no tag to compare by."""
    response = HttpResponse(json.dumps(plain(told)), status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response


def thing_of(item: Item) -> dict[str, Any]:
    """A thing without values whose reading is logged, and without numbers of entries, which count others."""
    matrix = running_trial().matrix
    facts = {
        name: {"value": fact.value, "field": fact.field}
        for name, fact in sorted(item.facts.items())
        if not matrix.taints[fact.field] & matrix.logged_reads
    }
    return {"kind": item.kind, "key": item.key, "subject": item.subject, "site": item.site, "facts": facts}


def plain(value: Any) -> Any:
    """Frozen values as JSON's; sets are sorted, so that their order tells nothing."""
    match value:
        case None | bool() | int() | float() | str():
            return value.value if isinstance(value, Enum) else value
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Enum():
            return plain(value.value)
        case Mapping():
            return {str(plain(key)): plain(one) for key, one in value.items()}
        case set() | frozenset():
            return sorted((plain(one) for one in value), key=str)
        case list() | tuple():
            return [plain(one) for one in value]
    if isinstance(value, Item):
        return thing_of(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.repr}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"no JSON for {type(value).__name__}")
