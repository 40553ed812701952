"""Versions of the protocol: recorded, amended from a date on, approved by another person than wrote them.

Entries keep the digest of the version that they were made under; an amendment applies from its date and
changes nothing before it (F-5).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, ClassVar

from pydantic import StringConstraints

from flarefree.conduct.audit.entries import Value, read_time, time_text
from flarefree.conduct.roles.persons import require_other_person
from flarefree.errors import ConductError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.web.commands.accounts import Reason
from flarefree.web.commands.base import Asked, Command, Plan, Write
from flarefree.web.commands.rights import require_right
from flarefree.web.record.reading import Item, read_thing
from flarefree.web.trial import BEFORE_GO_LIVE, PROTOCOL, TRIAL_KEY, Standing, running_trial

__all__ = ["AmendProtocol", "ApproveAmendment", "RecordProtocol", "write_of_matrix", "write_of_trial"]

ProtocolText = Annotated[str, StringConstraints(strip_whitespace=False, min_length=1, max_length=1_000_000)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

_FIELD = "configuration"


class RecordProtocol(Command):
    """The protocol that the trial will go live with, and the role matrix that it will run by.

    Attributes
    ----------
    text : str
        The file, unchanged.
    """

    name: ClassVar[str] = "record_protocol"
    verb: ClassVar[str] = "configure"
    text: ProtocolText
    reason: Reason = "first version"

    def plan(self, asked: Asked) -> Plan:
        """Both digests, and the text itself, so that the record alone can be read."""
        require_right(asked, "configure", _FIELD)
        trial = running_trial()
        if trial.phase != BEFORE_GO_LIVE:
            raise ConductError(
                "the trial runs: its protocol is amended, from a date on",
                where="record_protocol",
                try_="amend_protocol",
            )
        loaded = _loaded(self.text)
        told: dict[str, Value] = {"protocol": loaded.spec.name, "protocol_digest": loaded.digest}
        told["matrix_digest"] = trial.matrix.digest
        told["configured_by"] = _person(asked)
        writes = (
            *(write_of_trial(name, value) for name, value in told.items()),
            *_version(loaded, self.text, asked, in_force_from=asked.at),
            write_of_matrix(trial.matrix.digest),
        )
        result = {"protocol": loaded.spec.name, "digest": loaded.digest}
        return Plan(f"trial/{TRIAL_KEY}", writes=writes, reason=self.reason, result=result)


class AmendProtocol(Command):
    """A new version is proposed, to be in force from a date on once somebody else approves it."""

    name: ClassVar[str] = "amend_protocol"
    verb: ClassVar[str] = "configure"
    text: ProtocolText
    proposed_from: date
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """The text, with the date asked for."""
        require_right(asked, "configure", _FIELD)
        loaded = _loaded(self.text)
        trial = running_trial()
        if trial.phase == BEFORE_GO_LIVE:
            raise ConductError(
                "before go-live a protocol is recorded, not amended",
                where="amend_protocol",
                try_="record_protocol",
            )
        if loaded.digest == trial.protocol_digest or _is_in_force(loaded.digest):
            raise ConductError(
                "this version was in force already", where="text", found=f"SHA-256 {loaded.digest}"
            )
        _require_same_trial(loaded, trial.protocol)
        writes = (
            *_version(loaded, self.text, asked, in_force_from=None),
            Write(PROTOCOL, loaded.digest, "proposed_from", _FIELD, self.proposed_from.isoformat()),
        )
        return Plan(
            f"{PROTOCOL}/{loaded.digest}", writes=writes, reason=self.reason, result={"digest": loaded.digest}
        )


class ApproveAmendment(Command):
    """A proposed version comes into force at its date: midnight, in UTC.

    It is refused once that date has passed: what was done since was done under the version before.
    """

    name: ClassVar[str] = "approve_amendment"
    verb: ClassVar[str] = "approve"
    digest: Digest
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """The version that follows the one in force."""
        require_right(asked, "approve", _FIELD)
        item = read_thing(PROTOCOL, self.digest)
        if item is None or item["proposed_from"] is None or item["in_force_from"] is not None:
            raise ConductError("no such amendment is proposed", where="digest", found=self.digest)
        require_other_person(str(item["recorded_by"]), _person(asked), f"{PROTOCOL}/{self.digest}")
        begin = datetime.combine(date.fromisoformat(str(item["proposed_from"])), datetime.min.time(), UTC)
        standing = running_trial().standing(asked.at)
        _require_in_order(begin, asked.at, standing)
        _require_no_leaks(running_trial().protocol_of(self.digest))
        writes = (
            *_moved_on(standing, asked.at),
            write_of_trial("next_protocol_digest", self.digest),
            write_of_trial("next_protocol_from", time_text(begin)),
            Write(PROTOCOL, self.digest, "in_force_from", _FIELD, time_text(begin)),
            Write(PROTOCOL, self.digest, "approved_by", _FIELD, _person(asked)),
        )
        result = {"digest": self.digest, "in_force_from": time_text(begin)}
        return Plan(f"{PROTOCOL}/{self.digest}", writes=writes, reason=self.reason, result=result)


def write_of_trial(name: str, value: Value, *, is_consequence: bool = False) -> Write:
    """A value of the trial itself."""
    return Write("trial", TRIAL_KEY, name, _FIELD, value, is_consequence)


def write_of_matrix(digest: str) -> Write:
    """The role matrix itself, so that a later one can be compared with it."""
    from flarefree.conduct.roles.matrix import built_in_text

    return Write("matrix", digest, "text", _FIELD, built_in_text())


def _version(
    loaded: LoadedProtocol, text: str, asked: Asked, *, in_force_from: datetime | None
) -> tuple[Write, ...]:
    told: dict[str, Value] = {"name": loaded.spec.name, "text": text, "recorded_by": _person(asked)}
    if in_force_from is not None:
        told["in_force_from"] = time_text(in_force_from)
    return tuple(Write(PROTOCOL, loaded.digest, name, _FIELD, value) for name, value in told.items())


def _moved_on(standing: Standing, at: datetime) -> tuple[Write, ...]:
    """What was next and is in force now is written as such, before another one is next."""
    first = standing.facts.get("protocol_digest")
    is_past = first is not None and standing.protocol_digest != first
    return (write_of_trial("protocol_digest", standing.protocol_digest),) if is_past else ()


def _loaded(text: str) -> LoadedProtocol:
    from flarefree.protocol.loading import parse_protocol

    return parse_protocol(text, "protocol.yaml")


def _is_in_force(digest: str) -> bool:
    item: Item | None = read_thing(PROTOCOL, digest)
    return item is not None and item["in_force_from"] is not None


def _require_same_trial(new: LoadedProtocol, old: LoadedProtocol) -> None:
    """An amendment has the trial's name, arms and strata: allocations rest on them."""
    for what in ("name", "arms", "randomization"):
        ours, theirs = getattr(old.spec, what), getattr(new.spec, what)
        if what == "arms":
            ours, theirs = tuple(ours), tuple(theirs)
        if ours != theirs:
            raise ConductError(
                "an amendment does not change this in a trial that runs",
                where=f"protocol.yaml, {what}",
                expected="as in the version in force",
            )


def _require_in_order(begin: datetime, at: datetime, standing: Standing) -> None:
    coming = standing.facts.get("next_protocol_from")
    if begin <= at:
        raise ConductError(
            "an amendment does not apply to what was done before it",
            where="proposed_from",
            found=begin.date().isoformat(),
            expected="a date to come",
            try_="propose it again, from a later date",
        )
    if coming is not None and read_time(str(coming)) > at:
        raise ConductError(
            "another amendment waits for its date",
            where="next_protocol_from",
            found=str(coming),
            try_="approve this one once that one is in force",
        )


def _require_no_leaks(loaded: LoadedProtocol) -> None:
    from flarefree.conduct.rule_taint import taints_of_endpoints

    found = taints_of_endpoints(loaded)
    if found:
        name, labels = next(iter(found.items()))
        raise ConductError(
            "an adjudicated end point rests on what its committee must not know",
            where=name,
            found="; ".join(f"{label}: {' → '.join(way)}" for label, way in labels.items()),
        )


def _person(asked: Asked) -> str:
    return asked.actor.person if asked.actor else "system"
