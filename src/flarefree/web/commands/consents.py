"""Consent: versions that were approved, consent given, consent withdrawn."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from flarefree.conduct.audit.entries import Value
from flarefree.conduct.withdrawals import ConsentReason
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.gates import consent_of, date_at_site, stands
from flarefree.web.commands.parts import (
    Line,
    Reason,
    SubjectKey,
    moved_to,
    require_day,
    status_of,
    subject_for,
    writes_of,
)
from flarefree.web.record.reading import Item, read_thing, read_things

__all__ = ["ApproveConsentVersion", "EndConsentVersion", "RecordConsent", "WithdrawConsent"]

_FIELD = "consent.record"
_Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.\-]{0,39}$")]


class ApproveConsentVersion(Command):
    """A version of the consent form was approved, and patients may sign it from a date on."""

    name: ClassVar[str] = "approve_consent_version"
    verb: ClassVar[str] = "approve"
    version: _Version
    approved_on: date
    title: Line

    def plan(self, asked: Asked) -> Plan:
        """Sites read of it as of the protocol; only who approves the configuration may say so."""
        if read_thing("consent_version", self.version) is not None:
            raise ConductError("this version was approved before", where="version", found=self.version)
        if self.approved_on > date_at_site("", asked.at):
            raise ConductError(
                "this date is in the future", where="approved_on", found=self.approved_on.isoformat()
            )
        told: dict[str, Value] = {
            "version": self.version,
            "title": self.title,
            "approved_on": self.approved_on.isoformat(),
        }
        return Plan(
            f"consent_version/{self.version}",
            writes=_of_version(self.version, told),
            needs=(Need("approve", "configuration"),),
            result={"version": self.version},
        )


class EndConsentVersion(Command):
    """Nobody signs this version any more, from a date on; consents given to it stay good."""

    name: ClassVar[str] = "end_consent_version"
    verb: ClassVar[str] = "approve"
    version: _Version
    ended_on: date
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """A later consent needs another version."""
        item = read_thing("consent_version", self.version)
        if item is None:
            raise ConductError("no such version was approved", where="version", found=self.version)
        if self.ended_on < date.fromisoformat(str(item["approved_on"])):
            raise ConductError("this is before its approval", where="ended_on", found=str(self.ended_on))
        return Plan(
            f"consent_version/{self.version}",
            writes=_of_version(self.version, {"ended_on": self.ended_on.isoformat()}),
            needs=(Need("approve", "configuration"),),
            reason=self.reason,
            result={"version": self.version},
        )


def _of_version(version: str, told: dict[str, Value]) -> tuple[Write, ...]:
    return writes_of("consent_version", version, "protocol.file", told, is_consequence=True)


class RecordConsent(Command):
    """A patient, or who may speak for them, signed an approved version."""

    name: ClassVar[str] = "record_consent"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    version: _Version
    given_on: date
    given_by: Literal["patient", "legal representative", "patient and legal representative"] = "patient"

    def plan(self, asked: Asked) -> Plan:
        """The first consent opens the way to eligibility; one to a later version changes no status."""
        subject = subject_for(asked, self.subject, "record", _FIELD)
        require_day(asked, subject, self.given_on, "given_on")
        _require_version(self.version, self.given_on)
        given = [item for item in read_things("consent", subject=subject.key) if stands(item)]
        if any(item["withdrawn_on"] for item in given):
            raise ConductError(
                "consent was withdrawn, and is not given again", where="subject", found=subject.key
            )
        key = f"{subject.key}.{1 + len(read_things('consent', subject=subject.key))}"
        told: dict[str, Value] = {
            "version": self.version,
            "given_on": self.given_on.isoformat(),
            "given_by": self.given_by,
        }
        moved: tuple[Write, ...] = ()
        if status_of(subject) == "screening":
            moved = moved_to(asked, subject, "consent", open_gates={"consent_version_approved"})
        return Plan(
            f"subject/{subject.key}",
            site=subject.site,
            writes=(*writes_of("consent", key, _FIELD, told, subject=subject), *moved),
            reason="consent was given",
            result={"subject": subject.key, "consent": key, "version": self.version},
        )


def _require_version(version: str, given_on: date) -> None:
    item = read_thing("consent_version", version)
    if item is None:
        known = sorted(str(other["version"]) for other in read_things("consent_version"))
        raise ConductError(
            "this version of the consent form was not approved",
            where="version",
            found=version,
            expected=", ".join(known) or "one that the sponsor approved (approve_consent_version)",
        )
    first, last = str(item["approved_on"]), str(item["ended_on"] or "9999-12-31")
    if not first <= given_on.isoformat() < last:
        raise ConductError(
            "this version of the consent form was not in force on this date",
            where="given_on",
            found=given_on.isoformat(),
            expected=f"from {first}" + (f", before {last}" if item["ended_on"] else ""),
        )


class WithdrawConsent(Command):
    """A patient withdraws consent: every contact stops, and all data recorded before are kept.

    Nobody need say why.
    """

    name: ClassVar[str] = "withdraw_consent"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    withdrawn_on: date
    extent: ConsentReason = ConsentReason.NOT_SAID
    words: Annotated[str, Field(max_length=1000)] = ""

    def plan(self, asked: Asked) -> Plan:
        """Of a randomized patient an ending like the others, under the same rules."""
        subject = subject_for(asked, self.subject, "record", _FIELD)
        require_day(asked, subject, self.withdrawn_on, "withdrawn_on")
        consent = consent_of(subject.key)
        if consent is None:
            raise ConductError("there is no consent to withdraw", where="subject", found=subject.key)
        if self.withdrawn_on.isoformat() < str(consent["given_on"]):
            raise ConductError(
                "this is before consent was given",
                where="withdrawn_on",
                found=self.withdrawn_on.isoformat(),
                expected=f"{consent['given_on']} or later",
            )
        told: dict[str, Value] = {
            "withdrawn_on": self.withdrawn_on.isoformat(),
            "extent": self.extent.value,
            "words": self.words or None,
        }
        self._require_ending(subject, asked)
        return Plan(
            f"subject/{subject.key}",
            site=subject.site,
            writes=(
                *writes_of("consent", consent.key, _FIELD, told),
                *moved_to(asked, subject, "withdraw_consent", is_optional=True),
            ),
            reason="consent was withdrawn",
            result={"subject": subject.key, "withdrawn_on": self.withdrawn_on.isoformat()},
        )

    def _require_ending(self, subject: Item, asked: Asked) -> None:
        """The rules of endings refuse what cannot be: a date before day 1, or after death."""
        from flarefree.conduct.withdrawals import Ending, EndingEntry, add_ending
        from flarefree.web.commands.endings import endings_of
        from flarefree.web.commands.parts import day_one_of, today_at
        from flarefree.web.trial import running_trial

        day_one = day_one_of(subject)
        if day_one is None:
            return
        entry = EndingEntry("new", Ending.CONSENT, self.withdrawn_on, self.extent.value)
        spec = running_trial().protocol.spec
        add_ending(spec, endings_of(subject.key), entry, day_one, today_at(subject.site, asked))
