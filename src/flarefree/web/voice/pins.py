"""A person's number and PIN on the telephone: issued once, kept as a hash, closed after wrong ones.

The PIN is drawn by the application for who is logged in with their second factor, shown to them once and
known to nobody else.  Wrong account, wrong PIN and closed account are answered alike, and take as long.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.db.models import F

from flarefree.errors import ConductError
from flarefree.web.people.grants import account_is_open
from flarefree.web.voice.flow import ACCOUNT_DIGITS, PIN_DIGITS
from flarefree.web.voice.models import VoicePin
from flarefree.web.voice.noting import note_call

__all__ = ["LOCKED_FOR", "MOST_FAILURES", "VOID_AFTER", "IssuedPin", "Tried", "issue_pin", "try_pin"]

MOST_FAILURES = 5
"""Wrong PINs in a row before the account is closed to the telephone for `LOCKED_FOR`."""
LOCKED_FOR = timedelta(minutes=30)
VOID_AFTER = 15
"""Wrong PINs in a row before the PIN is good no more; a thief has 15 tries of a million.  Choices of ours."""


@dataclass(frozen=True, slots=True)
class IssuedPin:
    """What is shown once to who asked for it."""

    account: str
    pin: str = field(repr=False)


def issue_pin(person: str, at: datetime) -> IssuedPin:
    """A new PIN for somebody who has just proven who they are; the earlier one is good no more.

    Raises
    ------
    ConductError
        There is no open account of this name.
    """
    if not account_is_open(person):
        raise ConductError("there is no open account of this name", where="person", found=person)
    pin = _draw(PIN_DIGITS)
    told = {"hash": make_password(pin), "issued_at": at, "failures": 0, "locked_until": None}
    with transaction.atomic():
        kept = VoicePin.objects.filter(person=person).first()
        account = kept.account if kept else _free_account()
        VoicePin.objects.update_or_create(person=person, defaults={**told, "account": account})
    note_call(person, "telephone_pin_set", at)
    return IssuedPin(account, pin)


@dataclass(frozen=True, slots=True)
class Tried:
    """Whose number was tried, empty if nobody's; and whether the PIN was right and the account open."""

    person: str
    is_admitted: bool


def try_pin(account: str, pin: str, at: datetime) -> Tried:
    """Whether account and PIN belong together; a wrong one is counted."""
    row = VoicePin.objects.filter(account=account).first()
    if row is None:
        make_password(pin)  # as long as a comparison takes
        return Tried("", False)
    is_right = check_password(pin, row.hash)
    if row.failures >= VOID_AFTER or (row.locked_until is not None and at < row.locked_until):
        return Tried(row.person, False)
    if not is_right or not account_is_open(row.person):
        _note_failure(row.pk, at)
        return Tried(row.person, False)
    VoicePin.objects.filter(pk=row.pk).update(failures=0, locked_until=None)
    return Tried(row.person, True)


def _note_failure(pk: int, at: datetime) -> None:
    """Counted in the database, so that tries at the same time are all counted."""
    VoicePin.objects.filter(pk=pk).update(failures=F("failures") + 1)
    failures = VoicePin.objects.values_list("failures", flat=True).get(pk=pk)
    if failures % MOST_FAILURES == 0:
        VoicePin.objects.filter(pk=pk).update(locked_until=at + LOCKED_FOR)


def _free_account() -> str:
    while True:
        account = _draw(ACCOUNT_DIGITS)
        if not VoicePin.objects.filter(account=account).exists():
            return account


def _draw(digits: int) -> str:
    return f"{secrets.randbelow(10**digits):0{digits}d}"
