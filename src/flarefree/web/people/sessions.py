"""Sessions: one for each account, with a second factor, not idle for long; whatever ends one says why.

The session holds a random mark whose digest stands with the account.  Another log-in replaces it, so an older
session, or a copied cookie of one, is refused at its next request: a shared account shows itself (M4).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from flarefree.web.clock import now
from flarefree.web.demonstration import is_demonstration
from flarefree.web.people.acting import digest_of_secret
from flarefree.web.people.grants import account_is_open
from flarefree.web.people.models import Account

__all__ = ["IDLE_FOR", "SessionGuard", "begin_session"]

IDLE_FOR = timedelta(minutes=30)
"""Without a request; 21 CFR 11.300 and the like leave the length to the system's owner.  Our choice."""
LONGEST = timedelta(hours=12)
"""From log-in, however busy.  Our choice: one working day."""
_TOUCHED_EVERY = timedelta(minutes=1)
_MARK, _SEEN, _BEGAN = "mark", "seen", "began"

ENDED = {
    "other": "Somebody logged in with this account elsewhere, so this session has ended.  If it was not you, "
    "tell the trial's administrator at once.",
    "closed": "This account is closed.",
    "idle": "This session was idle for too long and has ended.",
    "long": "This session has lasted long enough; please log in again.",
}


def begin_session(request: HttpRequest, account: Account) -> bool:
    """Make the session that was just logged in the account's only one; whether it ended another."""
    mark = secrets.token_urlsafe(32)
    at = now().isoformat()
    request.session.update({_MARK: mark, _SEEN: at, _BEGAN: at})
    seen = account.session_seen_at
    ended_another = bool(account.session_key) and seen is not None and now() - seen < IDLE_FOR
    account.session_key, account.session_seen_at = digest_of_secret(mark)[:40], now()
    account.save(update_fields=["session_key", "session_seen_at"])
    return ended_another


class SessionGuard:
    """Middleware: a session that is not good is ended; one without a second factor can only set it up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Refused, sent to the second factor, or answered."""
        user = request.user if request.user.is_authenticated else None
        if isinstance(user, Account):
            refused = _why_ended(request, user)
            if refused:
                logout(request)
                messages.warning(request, ENDED[refused])
                return HttpResponseRedirect(settings.LOGIN_URL)
            if not _has_second_factor(user) and not _is_on_the_way(request.path):
                return HttpResponseRedirect(reverse("mfa_activate_totp"))
            _touch(request, user)
        return self.get_response(request)


def _why_ended(request: HttpRequest, account: Account) -> str:
    if not account_is_open(account.name):
        return "closed"
    mark = request.session.get(_MARK)
    if not mark or not secrets.compare_digest(digest_of_secret(mark)[:40], account.session_key):
        return "other"
    at = now()
    if at - _time(request, _SEEN) > IDLE_FOR:
        return "idle"
    return "long" if at - _time(request, _BEGAN) > LONGEST else ""


def _time(request: HttpRequest, name: str) -> datetime:
    return datetime.fromisoformat(request.session[name])


def _touch(request: HttpRequest, account: Account) -> None:
    if now() - _time(request, _SEEN) >= _TOUCHED_EVERY:
        request.session[_SEEN] = now().isoformat()
        Account.objects.filter(pk=account.pk).update(session_seen_at=now())


def _has_second_factor(account: Account) -> bool:
    """Whether a code was asked for at log-in; people of a virtual trial need none."""
    from allauth.mfa.models import Authenticator

    if is_demonstration():
        return True
    return Authenticator.objects.filter(user_id=account.pk, type=Authenticator.Type.TOTP).exists()


def _is_on_the_way(path: str) -> bool:
    """Where somebody may go who has no second factor yet."""
    ways = (reverse("mfa_activate_totp"), reverse("account_logout"), reverse("account_reauthenticate"))
    return path in ways or path.startswith(str(settings.STATIC_URL))
