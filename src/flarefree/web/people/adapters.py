"""What allauth asks us: nobody signs up by themselves; secrets of second factors are kept encrypted."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.http import HttpRequest

from flarefree.web.people.grants import account_is_open

__all__ = ["AccountAdapter", "SecondFactorAdapter"]


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are opened by an administrator, and closed by one."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def pre_login(self, request: HttpRequest, user: Any, **told: Any) -> Any:
        """Whether an account is open is asked of the record; the row only repeats it."""
        user.is_active = account_is_open(user.name)
        return super().pre_login(request, user, **told)

    def is_reauthentication_required(self, *, app: str, **told: Any) -> bool:
        """Who has no second factor yet sets it up without giving again the password that let them in."""
        from allauth.core import context
        from allauth.mfa.utils import is_mfa_enabled

        if app == "allauth.mfa" and not is_mfa_enabled(context.request.user):
            return False
        return bool(super().is_reauthentication_required(app=app, **told))

    def send_notification_mail(self, *args: Any, **told: Any) -> None:
        """There are no addresses to write to; the log has what happened."""


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets under a key that is derived from the installation's own, which is not in the database."""

    def encrypt(self, text: str) -> str:
        """As it is stored."""
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """As the authenticator counts with it."""
        return _cipher().decrypt(encrypted_text.encode()).decode()

    def build_totp_svg(self, url: str) -> str:
        """The picture that a telephone scans."""
        import segno

        return str(segno.make(url, error="m").svg_inline(scale=4, border=4))


def _cipher() -> Any:
    from cryptography.fernet import Fernet

    # The installation's key has 256 random bits: it needs no stretching.
    key = hashlib.sha256(b"flarefree second factor 1\n" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
