"""Tokens for programs: made by a logged-in person for one of their roles, shown once, good for a time.

A token says no more than who asks: the role must still be held, and the account open, at each request.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.http import HttpRequest

from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.clock import now
from flarefree.web.commands.base import Asked, Outcome
from flarefree.web.commands.executing import execute
from flarefree.web.commands.logins import DropToken, NoteLogin, NoteToken, RevokeToken
from flarefree.web.commands.naming import new_key
from flarefree.web.people.acting import digest_of_secret, person_of
from flarefree.web.people.models import ApiToken
from flarefree.web.record.reading import Item, read_things

__all__ = ["LONGEST", "MadeToken", "drop_token", "make_token", "revoke_token", "tokens_of"]

LONGEST = timedelta(days=366)
_PREFIX = "ff_"  # so that scanners for secrets find one that was published by mistake


@dataclass(frozen=True)
class MadeToken:
    """A token, to be shown once."""

    key: str
    secret: str = field(repr=False)


def make_token(actor: Actor, *, label: str, good_for: timedelta = timedelta(days=90)) -> MadeToken:
    """A token for somebody in the role that they act in.

    Raises
    ------
    ConductError
        It would be good for too long.
    """
    if not timedelta(0) < good_for <= LONGEST:
        raise ConductError("not a time that a token is good for", where="good_for", expected="up to 366 days")
    secret = _PREFIX + secrets.token_urlsafe(32)
    asked = NoteLogin.asked("token")
    key, expires = new_key(asked.request), asked.at + good_for
    with transaction.atomic():
        told = NoteToken(key=key, person=actor.person, role=actor.role, label=label, expires_at=expires)
        execute(told, asked)
        ApiToken.objects.create(
            digest=digest_of_secret(secret), key=key, person=actor.person, role=actor.role, expires_at=expires
        )
    return MadeToken(key, secret)


def revoke_token(asked: Asked, token: str, reason: str) -> Outcome:
    """Somebody's token is taken by who may grant."""
    with transaction.atomic():
        outcome = execute(RevokeToken(token=token, reason=reason), asked)
        ApiToken.objects.filter(key=token, revoked_at=None).update(revoked_at=now())
    return outcome


def drop_token(request: HttpRequest, token: str) -> Outcome:
    """Who is logged in gives up a token of their own."""
    with transaction.atomic():
        outcome = execute(DropToken(token=token, person=person_of(request)), NoteLogin.asked("token"))
        ApiToken.objects.filter(key=token, revoked_at=None).update(revoked_at=now())
    return outcome


def tokens_of(person: str) -> tuple[Item, ...]:
    """Somebody's tokens as the record has them: role, label, until when, ended when; never the token."""
    return tuple(item for item in read_things("token") if item["person"] == person)
