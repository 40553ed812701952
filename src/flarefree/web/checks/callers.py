"""People with accounts, roles, PINs and devices, and a telephone to call by: for checks of the lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flarefree.conduct.audit.entries import Value, time_text
from flarefree.web.checks.live_trial import STRATA, Arrange
from flarefree.web.commands.base import Asked
from flarefree.web.commands.executing import execute
from flarefree.web.config import WebConfig
from flarefree.web.people.models import Account
from flarefree.web.voice.calls import Began, Event, HungUp, Keyed
from flarefree.web.voice.doing import do
from flarefree.web.voice.line import VoiceLine
from flarefree.web.voice.opening import line_of_trial
from flarefree.web.voice.pins import issue_pin
from flarefree.web.voice.prompts import Prompt

__all__ = [
    "Clock",
    "Telephone",
    "device_code",
    "give_role",
    "keys_to_break",
    "keys_to_randomize",
    "share_secret_key",
    "voice_line",
]


@dataclass
class Clock:
    """The application's clock, which goes on when somebody presses a key."""

    at: datetime

    def __call__(self) -> datetime:
        """The time."""
        return self.at

    def go_on(self, **by: float) -> None:
        """Some time passes."""
        self.at += timedelta(**by)


def give_role(person: str, role: str, *sites: str, at: datetime) -> None:
    """An open account with one role, as `grant_role` would have left it."""
    account: dict[str, Value] = {"full_name": person.title(), "is_active": True}
    grant: dict[str, Value] = {
        "person": person,
        "role": role,
        "sites": " ".join(sites),
        "begin": time_text(at),
        "granted_by": "anna",
        "reason": "for a check",
    }
    values = [("account", person, name, "accounts.register", value) for name, value in account.items()]
    key = f"{person}-{role}"
    values += [("grant", key, name, "permissions.history", value) for name, value in grant.items()]
    request = Asked(None, f"arrange {person} {role}", at, "machine")
    execute(Arrange(about=f"account/{person}", values=tuple(values)), request)
    Account.objects.get_or_create(name=person, defaults={"full_name": person.title(), "made_at": at})


def share_secret_key(config: WebConfig) -> None:
    """Have servers of this installation sign sessions with the key of this process."""
    from django.conf import settings

    path = config.data / "secret-key"
    path.unlink(missing_ok=True)
    path.write_text(settings.SECRET_KEY)
    path.chmod(0o600)


def device_code(person: str) -> str:
    """The six digits that a person's authenticator shows now; it is set up if they have none."""
    from allauth.mfa.models import Authenticator
    from allauth.mfa.totp.internal import auth

    user = Account.objects.get(name=person)
    device = Authenticator.objects.filter(user=user, type="totp").first()
    if device is None:
        device = auth.TOTP.activate(user, auth.generate_totp_secret()).instance
    secret = auth.decrypt(device.data["secret"])
    return str(
        auth.format_hotp_value(auth.hotp_value(secret, next(iter(auth.yield_hotp_counters_from_time()))))
    )


def voice_line(*, patience: float = 1.0) -> VoiceLine:
    """The line of the trial that runs."""
    return VoiceLine(line_of_trial(), do, patience=patience)


def keys_to_randomize(
    person: str, subject: str, at: datetime, stratum: tuple[str, ...] = STRATA[0]
) -> tuple[str, ...]:
    """What a person keys in, prompt by prompt, to randomize a patient; the last key confirms."""
    issued, (site, number) = issue_pin(person, at), subject.split("-")
    levels = zip(line_of_trial().strata, stratum, strict=True)
    chosen = (str(question.levels.index(level) + 1) for question, level in levels)
    return (issued.account, issued.pin, "1", site, number, *chosen, "1")


def keys_to_break(person: str, subject: str, at: datetime) -> tuple[str, ...]:
    """What a person keys in to break a patient's code in an emergency."""
    issued, (site, number) = issue_pin(person, at), subject.split("-")
    return (issued.account, issued.pin, "3", device_code(person), site, number, "1", "2", "1")


@dataclass
class Telephone:
    """A caller, and the line as a provider meets it; hooks are sent one by one."""

    line: VoiceLine
    clock: Clock
    call: str = "CA1"
    turn: int = 0
    said: list[str] = field(default_factory=list)

    def begin(self) -> Prompt:
        """The call comes in."""
        return self._told(Began(self.clock.at))

    def key(self, keys: str, turn: int | None = None) -> Prompt:
        """Keys are pressed, five seconds later, at the prompt that stands or at another."""
        self.clock.go_on(seconds=5)
        return self._told(Keyed(self.turn if turn is None else turn, keys, self.clock.at))

    def keys(self, *all_keys: str) -> Prompt:
        """A call from its beginning."""
        prompt = self.begin()
        for keys in all_keys:
            prompt = self.key(keys)
        return prompt

    def hang_up(self) -> Prompt:
        """The caller is gone."""
        return self._told(HungUp(self.clock.at))

    def _told(self, event: Event) -> Prompt:
        prompt = self.line.hear(self.call, event)
        self.turn = prompt.turn
        self.said.extend(prompt.say)
        return prompt
