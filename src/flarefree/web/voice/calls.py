"""What a call is: where it stands, what happened in it, what it asks of the rest of the application.

Frozen values only.  A call as it is kept holds no PIN, no arm and no treatment: the answer of a code break
is asked for again where it has to be said again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

__all__ = [
    "Ask",
    "Began",
    "BreakCode",
    "Call",
    "CheckDevice",
    "Event",
    "FindSubject",
    "HungUp",
    "Identify",
    "Keyed",
    "Line",
    "Place",
    "Question",
    "Randomize",
    "Recall",
    "Reply",
    "Silent",
    "Step",
    "Task",
]

NOTHING: Mapping[str, str] = MappingProxyType({})


class Place(StrEnum):
    """Where a call stands: what was asked of the caller last."""

    ACCOUNT = "account"
    PIN = "pin"
    TASK = "task"
    DEVICE = "device"
    SITE = "site"
    SUBJECT = "subject"
    STRATUM = "stratum"
    REASON = "reason"
    IMPACT = "impact"
    READ_BACK = "read_back"
    KIT = "kit"
    TREATMENT = "treatment"
    REQUEST = "request"
    RECALLED = "recalled"
    OVER = "over"


class Task(StrEnum):
    """What a caller may do; one of them in a call."""

    RANDOMIZE = "randomize"
    RECALL = "recall"
    BREAK_CODE = "break_code"


@dataclass(frozen=True, slots=True)
class Question:
    """A choice by one key: `1` is the first of `levels`.

    Attributes
    ----------
    name : str
        Of the stratification factor.
    label : str
        As it is spoken.
    levels : tuple of str
        At most nine.
    """

    name: str
    label: str
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """What is the same for every call of a trial.

    Attributes
    ----------
    trial : str
        As it is spoken in the greeting.
    strata : tuple of Question
        The protocol's factors, in its order.
    most_misses : int
        Wrong or missing keys at one prompt, before the call goes to a person.
    longest : timedelta
        After which a call that was identified must identify again.
    freshest : timedelta
        How old the second factor may be when a code break is confirmed.
    """

    trial: str
    strata: tuple[Question, ...] = ()
    most_misses: int = 3
    longest: timedelta = timedelta(minutes=15)
    freshest: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Call:
    """A call, as it is kept between two hooks.

    Attributes
    ----------
    id : str
        The provider's.
    request : str
        Nine digits: the one request that this call may commit, spoken to the caller.
    turn : int
        How many prompts were answered; each prompt expects the next one.
    place : Place
    misses : int
        At this prompt.
    account, person : str
        As keyed; and whose it is, once identified.
    identified_at, device_at : datetime, optional
        When PIN, and second factor, were found right.
    identification : str
        Key of the note in the log that they were.
    task : Task, optional
    site, subject : str
    strata : tuple of str
        Levels chosen so far.
    reason, impact : str
        Of a code break, by name.
    kit : str
        The kit's code, or what was recalled; it tells no arm.
    notice : str
        Key of the words said before the prompt.
    values : mapping of str to str
        What those words need.
    """

    id: str
    request: str
    turn: int = 0
    place: Place = Place.ACCOUNT
    misses: int = 0
    account: str = ""
    person: str = ""
    identified_at: datetime | None = None
    device_at: datetime | None = None
    identification: str = ""
    task: Task | None = None
    site: str = ""
    subject: str = ""
    strata: tuple[str, ...] = ()
    reason: str = ""
    impact: str = ""
    kit: str = ""
    notice: str = ""
    values: Mapping[str, str] = field(default_factory=lambda: NOTHING)

    @property
    def is_over(self) -> bool:
        """Whether nothing more can happen in it."""
        return self.place is Place.OVER


# What happens ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Began:
    """The call came in, or its first hook was sent again."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Keyed:
    """Keys were pressed at the prompt of a turn."""

    turn: int
    keys: str = field(repr=False)  # may be a PIN
    at: datetime


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing was pressed at the prompt of a turn."""

    turn: int
    at: datetime


@dataclass(frozen=True, slots=True)
class HungUp:
    """The caller is gone."""

    at: datetime


Event = Began | Keyed | Silent | HungUp


# What a call asks for ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Identify:
    """Whose account and PIN are these?"""

    account: str
    pin: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CheckDevice:
    """Is this the code that the person's own device shows?"""

    person: str
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FindSubject:
    """Which subject do these digits name, of those whom this person may do this for?"""

    person: str
    task: Task
    site: str
    number: str


@dataclass(frozen=True, slots=True)
class Randomize:
    """The one commit of a call: allocate."""

    person: str
    request: str
    subject: str
    strata: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Recall:
    """What became of an earlier request of this person?"""

    person: str
    request: str


@dataclass(frozen=True, slots=True)
class BreakCode:
    """The one commit of a call: break a subject's code.  Asked again, it answers the same.

    `turn` tells one hearing of the answer from another.
    """

    person: str
    request: str
    subject: str
    reason: str
    impact: str
    identification: str
    turn: int


Ask = Identify | CheckDevice | FindSubject | Randomize | Recall | BreakCode


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an `Ask`.

    Attributes
    ----------
    is_good : bool
    values : mapping of str to str
        `person`; `site` and `subject`; `kit`; `treatment`; by what was asked.  Not shown by `repr`.
    because : str
        Key of the words that say why not.
    """

    is_good: bool
    values: Mapping[str, str] = field(default_factory=lambda: NOTHING, repr=False)
    because: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Where an event leads.

    Attributes
    ----------
    call : Call
        To be kept, unless something is asked for first.
    ask : Ask, optional
        To be done; its reply leads on (`flow.resume`).
    aside : mapping of str to str
        Said once and kept nowhere: the answer of a code break.
    """

    call: Call
    ask: Ask | None = None
    aside: Mapping[str, str] = field(default_factory=lambda: NOTHING, repr=False)
