"""Sitting down at the trial in a browser, as somebody."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
# Without these, Chromium's own background requests fail one after another on a machine without a network.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PASSWORD = "a long enough sentence"


@dataclass
class Trial:
    """A served trial: where it is, and its patients by what is particular about them."""

    url: str
    patients: dict[str, str]
    secrets: dict[str, str] = field(default_factory=dict)

    def cookie(self, person: str) -> str:
        """A session of somebody, as after a log-in with both factors; the browser's cookie."""
        from allauth.mfa.models import Authenticator
        from django.test import Client

        account = self.account(person)
        if not Authenticator.objects.filter(user_id=account.pk).exists():
            self.give_device(person)
        client = Client()
        client.force_login(account, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client.cookies["sessionid"].value

    def account(self, person: str) -> Any:
        """The row behind a name; made with the account's first link."""
        from flarefree.conduct.visibility import Actor
        from flarefree.web import clock
        from flarefree.web.commands.base import Asked
        from flarefree.web.people.links import invite, use_link
        from flarefree.web.people.models import Account

        found = Account.objects.filter(name=person).first()
        if found is None and person == "administrator":
            # Their first link is printed by `flarefree serve`.
            found = Account(name=person, full_name="First administrator", made_at=clock.now())
            found.set_unusable_password()
            found.save()
        if found is None:
            asked = Asked(Actor("administrator", "administrator"), f"link for {person}", clock.now())
            use_link(invite(asked, person).path.rstrip("/").split("/")[-1], PASSWORD)
            found = Account.objects.get(name=person)
        return found

    def give_device(self, person: str) -> None:
        """An authenticator, whose secret the test keeps."""
        from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

        self.secrets[person] = generate_totp_secret()
        TOTP.activate(self.account(person), self.secrets[person])

    def code(self, person: str) -> str:
        """What the authenticator shows now; waits where the half minute is about to end."""
        from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

        if time.time() % 30 > 26:
            time.sleep(30 - time.time() % 30)
        return format_hotp_value(hotp_value(self.secrets[person], int(time.time()) // 30))


class Desk:
    """Opens pages as somebody, and remembers what the browser complained about."""

    def __init__(self, browser: Browser, trial: Trial) -> None:
        self._browser, self._trial = browser, trial
        self._open: list[Any] = []
        self.complaints: list[str] = []

    def sit(self, person: str = "", *, width: int = 1280, height: int = 800, dark: bool = False) -> Page:
        """A tab of somebody who is logged in; of nobody, if nobody is named."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            base_url=self._trial.url,
            has_touch=width < 600,
        )
        self._open.append(context)
        if person:
            told = {"name": "sessionid", "value": apart(self._trial.cookie, person), "url": self._trial.url}
            context.add_cookies([told])  # type: ignore[list-item]
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda told: self._note(told.type, told.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _note(self, sort: str, text: str) -> None:
        # A refusal (404, 422) is an answer; what is left are scripts and the security policy.
        if sort == "error" and "Failed to load resource" not in text:
            self.complaints.append(text)

    def close(self) -> None:
        for context in self._open:
            context.close()


def apart(function: Any, *told: Any) -> Any:
    """In another thread: in this one Playwright keeps an event loop, and there Django asks no database."""
    found: list[Any] = []

    def run() -> None:
        from django.db import connections

        try:
            found.append(function(*told))
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found, f"{function.__name__}{told} failed"
    return found[0]
