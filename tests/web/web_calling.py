"""People who call, for tests of the voice line and the API: accounts with roles, a PIN, a telephone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


def give_role(person: str, role: str, *sites: str, at: datetime) -> None:
    """An open account with one role, as `grant_role` would have left it."""
    from flarefree.conduct.audit.entries import time_text
    from flarefree.web.checks.live_trial import Arrange
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute
    from flarefree.web.people.models import Account

    account = {"full_name": person.title(), "is_active": True}
    grant = {"person": person, "role": role, "sites": " ".join(sites), "begin": time_text(at),
             "granted_by": "anna", "reason": "for a test"}  # fmt: skip
    values: list[Any] = [("account", person, k, "accounts.register", v) for k, v in account.items()]
    values += [("grant", f"{person}-{role}", k, "permissions.history", v) for k, v in grant.items()]
    request = Asked(None, f"arrange {person} {role}", at, "machine")
    execute(Arrange(about=f"account/{person}", values=tuple(values)), request)
    Account.objects.get_or_create(name=person, defaults={"full_name": person.title(), "made_at": at})


@dataclass
class Clock:
    """The application's clock, which goes on when somebody presses a key."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at

    def go_on(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Telephone:
    """A caller, and the line as a provider meets it; hooks are sent one by one."""

    line: Any
    clock: Clock
    call: str = "CA1"
    turn: int = 0
    said: list[str] = field(default_factory=list)

    def begin(self) -> Any:
        from flarefree.web.voice.calls import Began

        return self._told(self.line.hear(self.call, Began(self.clock.at)))

    def key(self, keys: str, turn: int | None = None) -> Any:
        from flarefree.web.voice.calls import Keyed

        self.clock.go_on(seconds=5)
        return self._told(
            self.line.hear(self.call, Keyed(self.turn if turn is None else turn, keys, self.clock.at))
        )

    def keys(self, *all_keys: str) -> Any:
        prompt = self.begin()
        for keys in all_keys:
            prompt = self.key(keys)
        return prompt

    def hang_up(self) -> Any:
        from flarefree.web.voice.calls import HungUp

        return self._told(self.line.hear(self.call, HungUp(self.clock.at)))

    def _told(self, prompt: Any) -> Any:
        self.turn = prompt.turn
        self.said.extend(prompt.say)
        return prompt
