"""What happens around a log-in: the session becomes the account's only one, and the log has its entry.

What cannot be logged is not done (A5): an error here refuses the log-in.
"""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth import signals
from django.dispatch import receiver
from django.http import HttpRequest

from flarefree.web.commands.executing import execute
from flarefree.web.commands.logins import End, NoteLogin
from flarefree.web.people.models import Account
from flarefree.web.people.sessions import begin_session

__all__: list[str] = []


@receiver(signals.user_logged_in)
def _admitted(sender: object, request: HttpRequest, user: Account, **_: Any) -> None:
    ended_another = begin_session(request, user)
    _note(user.name, "admitted", ended_another=ended_another)
    if ended_another and hasattr(request, "_messages"):
        messages.warning(request, "Another session of this account was open and has been ended.")


@receiver(signals.user_logged_out)
def _logged_out(sender: object, request: HttpRequest, user: Account | None, **_: Any) -> None:
    """Also where a session was ended by the guard: then the account's mark is another's, and stays."""
    if user is None:
        return
    mark_of_this = request.session.get("mark") if hasattr(request, "session") else None
    if mark_of_this and _is_current(user, mark_of_this):
        Account.objects.filter(pk=user.pk).update(session_key="")
    _note(user.name, "logged_out")


@receiver(signals.user_login_failed)
def _refused(sender: object, credentials: dict[str, Any], **_: Any) -> None:
    typed = str(credentials.get("username") or "")
    account = Account.objects.filter(name__iexact=typed).first() if typed else None
    _note(account.name if account else "", "refused")


@receiver(mfa.authentication_failed)
def _second_factor_refused(sender: object, user: Account, **_: Any) -> None:
    _note(user.name, "second_factor_refused")


@receiver(mfa.authenticator_added)
@receiver(mfa.authenticator_reset)
def _second_factor_set(
    sender: object, user: Account, authenticator: Authenticator, request: HttpRequest | None = None, **_: Any
) -> None:
    is_totp = authenticator.type == Authenticator.Type.TOTP
    if is_totp:
        _use_up(authenticator, request)
    _note(user.name, "second_factor_set" if is_totp else "recovery_codes_made")


def _use_up(authenticator: Authenticator, request: HttpRequest | None) -> None:
    """The code by which a second factor was set up is not good for a log-in in the same half minute."""
    if request is not None and request.POST.get("code"):
        authenticator.wrap().validate_code(request.POST["code"])


@receiver(mfa.authenticator_removed)
def _second_factor_removed(sender: object, user: Account, **_: Any) -> None:
    _note(user.name, "second_factor_removed")


@receiver(account.password_changed)
def _password_changed(sender: object, user: Account, **_: Any) -> None:
    _note(user.name, "password_set")


def _is_current(user: Account, mark: str) -> bool:
    from flarefree.web.people.acting import digest_of_secret

    return digest_of_secret(mark)[:40] == user.session_key


def _note(person: str, end: End, *, ended_another: bool = False) -> None:
    execute(NoteLogin(person=person, end=end, ended_another=ended_another), NoteLogin.asked("login"))
