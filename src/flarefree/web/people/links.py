"""One-time links: how an account gets its first password, or another one.  A link is shown once, never kept.

What the log has is that a link was made, by whom, for whom, and whether it lets the second factor be set up
anew; what the database has is its digest.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction

from flarefree.errors import ConductError
from flarefree.web.clock import now
from flarefree.web.commands.accounts import InviteAccount, InviteFirstAdministrator
from flarefree.web.commands.base import Asked, Command, Outcome
from flarefree.web.commands.executing import execute
from flarefree.web.commands.logins import NoteLogin
from flarefree.web.people.acting import digest_of_secret
from flarefree.web.people.grants import account_is_open
from flarefree.web.people.models import Account, Link
from flarefree.web.record.reading import read_thing

__all__ = ["BEGIN_PATH", "GOOD_FOR", "Invitation", "find_link", "invite", "invite_first", "use_link"]

GOOD_FOR = timedelta(hours=72)
BEGIN_PATH = "/accounts/begin/"


@dataclass(frozen=True)
class Invitation:
    """A link, to be shown once.

    Attributes
    ----------
    outcome : Outcome
        Of the command that is in the log.
    path : str
        `/accounts/begin/...`; empty where the same request was asked before: it was shown then.
    """

    outcome: Outcome
    path: str = field(repr=False)


def invite(asked: Asked, person: str, *, resets_second_factor: bool = False, reason: str = "") -> Invitation:
    """A link for an account that is open.  Earlier links of it are good no more.

    Raises
    ------
    ConductError
        Who asks may not, or there is no such account.
    """
    told = {"reason": reason} if reason else {}
    command = InviteAccount(person=person, resets_second_factor=resets_second_factor, **told)
    return _link(command, asked, person, resets_second_factor=resets_second_factor)


def invite_first(person: str) -> Invitation:
    """The link that is printed at the first start, and at later ones until it was used."""
    asked = NoteLogin.asked("first")
    return _link(InviteFirstAdministrator(person=person), asked, person, resets_second_factor=False)


def _link(command: Command, asked: Asked, person: str, *, resets_second_factor: bool) -> Invitation:
    with transaction.atomic():
        outcome = execute(command, asked)
        if outcome.is_repeated:
            return Invitation(outcome, "")
        secret = secrets.token_urlsafe(32)
        account = _login_of(person)
        Link.objects.filter(account=account, used_at=None).update(used_at=now())
        Link.objects.create(
            digest=digest_of_secret(secret),
            account=account,
            made_at=now(),
            expires_at=now() + GOOD_FOR,
            resets_second_factor=resets_second_factor,
        )
    return Invitation(outcome, f"{BEGIN_PATH}{secret}/")


def find_link(secret: str) -> Link | None:
    """The link, if it is good: not used, not expired, of an account that is open."""
    link = Link.objects.select_related("account").filter(digest=digest_of_secret(secret)).first()
    if link is None or link.used_at is not None or link.expires_at <= now():
        return None
    return link if account_is_open(link.account.name) else None


def use_link(secret: str, password: str) -> Account:
    """Set the password, end the account's sessions, and the second factor's too if the link says so.

    Raises
    ------
    ConductError
        The link is not good, any more perhaps; nothing was changed.
    """
    with transaction.atomic():
        link = find_link(secret)
        used = 0 if link is None else Link.objects.filter(pk=link.pk, used_at=None).update(used_at=now())
        if link is None or not used:
            raise ConductError("this link is good no more", try_="ask the administrator for another")
        account = link.account
        account.set_password(password)
        account.session_key = ""
        account.save(update_fields=["password", "session_key"])
        if link.resets_second_factor:
            _forget_second_factor(account)
        execute(NoteLogin.password_set(account.name), NoteLogin.asked("link"))
    return account


def _login_of(person: str) -> Account:
    """The row by which somebody logs in; what it repeats of the record is brought up to date."""
    told = read_thing("account", person)
    full_name = str(told["full_name"]) if told is not None else person
    account, _ = Account.objects.get_or_create(
        name=person, defaults={"full_name": full_name, "made_at": now(), "password": "!"}
    )
    if account.full_name != full_name:
        account.full_name = full_name
        account.save(update_fields=["full_name"])
    return account


def _forget_second_factor(account: Account) -> None:
    from allauth.mfa.models import Authenticator

    Authenticator.objects.filter(user_id=account.pk).delete()
