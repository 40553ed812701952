"""Grants of roles as the record has them: who holds which role now, asked about at each request."""

from __future__ import annotations

from datetime import datetime

from flarefree.conduct.audit.entries import read_time
from flarefree.conduct.roles.persons import Grant, Grants
from flarefree.web.record.models import Latest
from flarefree.web.record.reading import Item, read_thing, read_things

__all__ = ["GRANT", "account_is_open", "grant_of", "grants_in_force", "read_grants", "read_grants_of"]

GRANT = "grant"
"""Kind of the things that grants are."""


def read_grants() -> Grants:
    """The whole history, rebuilt from the record; the rules of who may hold what are asked of it."""
    return Grants(tuple(grant_of(item) for item in read_things(GRANT)))


def read_grants_of(person: str) -> Grants:
    """One person's history: all that a request needs to know who asks."""
    keys = Latest.objects.filter(thing__kind=GRANT, attribute="person", value=f'"{person}"')
    told = (read_thing(GRANT, key) for key in keys.order_by("thing_id").values_list("thing__key", flat=True))
    return Grants(tuple(grant_of(item) for item in told if item is not None))


def grants_in_force(person: str, at: datetime) -> tuple[Item, ...]:
    """Somebody's grants that hold at a time, as things of the record."""
    found = (item for item in read_things(GRANT) if item["person"] == person)
    return tuple(item for item in found if grant_of(item).is_in_force(at))


def grant_of(item: Item) -> Grant:
    """A grant from its values."""
    end = item["end"]
    return Grant(
        person=str(item["person"]),
        role=str(item["role"]),
        begin=read_time(str(item["begin"])),
        granted_by=str(item["granted_by"]),
        reason=str(item["reason"] or ""),
        sites=frozenset(str(item["sites"] or "").split()),
        end=None if end is None else read_time(str(end)),
        revoked_by=str(item["revoked_by"] or ""),
    )


def account_is_open(name: str) -> bool:
    """Whether an account may be used, as the record has it: closing one holds at the next request."""
    account = read_thing("account", name)
    return account is not None and account["is_active"] is True
