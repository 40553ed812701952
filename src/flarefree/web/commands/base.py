"""What a command is: a question with its content, and a plan of what would be written if it is granted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from flarefree.conduct.audit.entries import Value, canonical
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.commands.wording import require_sound

__all__ = ["Asked", "Channel", "Command", "Need", "Outcome", "Plan", "RefusedThen", "Write"]

Channel = Literal["web", "api", "voice", "emergency", "machine"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, when, how.

    Attributes
    ----------
    actor : Actor or None
        None where no person acts: time passes, the detector runs.
    request : str
        Identifier of the request, made by who asks; asked again with it, the answer is the same.
    at : datetime
        UTC.
    channel : str
    """

    actor: Actor | None
    request: str
    at: datetime
    channel: Channel = "web"


@dataclass(frozen=True, slots=True)
class Write:
    """One value to be written.

    Attributes
    ----------
    kind, key, attribute : str
        Of what: `lab`, `7k3f`, `value`.
    field : str
        Of the role matrix.
    value : text, whole number, truth value or None
    is_consequence : bool
        Follows from a rule, and is not the asker's to decide: a status, a flag, a dose instruction.  The
        matrix is asked about what a person writes.
    """

    kind: str
    key: str
    attribute: str
    field: str
    value: Value
    is_consequence: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """A right that the asker must have beyond those to write: a verb on a field, of a site's row perhaps."""

    verb: str
    field: str
    site: str = ""
    assigned_to: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Plan:
    """What a command would do.

    Attributes
    ----------
    about : str
        `subject/017-004`: what the entry is mainly about.
    site : str
        Whose row it is; empty for what belongs to the trial.
    assigned_to : frozenset of str
        Of a case, its readers.
    writes : tuple of Write
        Values that already stand so are left out of the entry.
    needs : tuple of Need
    reason_code, reason : str
        Why; words are needed where an earlier value is replaced.
    result : mapping
        What the asker is told, in JSON's terms; the same when asked again.
    """

    about: str
    site: str = ""
    assigned_to: frozenset[str] = frozenset()
    writes: tuple[Write, ...] = ()
    needs: tuple[Need, ...] = ()
    reason_code: str = "as_planned"
    reason: str = ""
    result: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


class Command(BaseModel):
    """A change that may be asked for.  Subclasses say what it needs to know, and plan it."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    name: ClassVar[str]
    """`record_visit`: in the API's address, the log and the role matrix's tests."""
    verb: ClassVar[str]
    """Of the role matrix; where a standing value is replaced, `correct` is asked for instead of `record`."""
    is_machine: ClassVar[bool] = False
    """Asked for by the application itself, never by a person."""
    raw: ClassVar[frozenset[str]] = frozenset()
    """Fields that are whole files, whose own reader judges their text."""

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        """Hidden characters, formulas and impossible times come in nowhere, whoever asks."""
        require_sound(self, raw=self.raw)
        return self

    def plan(self, asked: Asked) -> Plan:
        """What would be written, read and decided under the record's lock.

        Raises
        ------
        ConductError
            A rule refuses it.
        """
        raise NotImplementedError

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the command with its content."""
        told = {"command": self.name, "content": self.model_dump(mode="json")}
        return hashlib.sha256(b"flarefree command 1\n" + canonical(told)).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of it.

    Attributes
    ----------
    request : str
    entry : int
        Number of its entry in the log.
    receipt : str
        `41:9f…`: what the asker may keep as a witness of the log.
    is_repeated : bool
        Asked before with this request id; nothing was done again.
    result : mapping
    """

    request: str
    entry: int
    receipt: str
    is_repeated: bool
    result: Mapping[str, Any]


class RefusedThen(ConductError):  # noqa: N818 — a refusal, then something
    """A refusal after which something must be done: `then` is a machine's command, with an entry of its own.

    The request that was refused changes nothing; `execute` does what follows, then raises the refusal.
    """

    def __init__(self, what: str, *, then: Command, **told: str) -> None:
        super().__init__(what, **told)
        self.then = then
