"""Randomization: gates from the record, the slot from the vault, what may be known of it back in the record.

The vault decides first, in a transaction of its own, within the record's: if the record then fails, the slot
stands, and the next request for this patient, or the next start, writes it down.  There is no command that
takes an allocation back.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, Field, StringConstraints

from flarefree.conduct.audit.entries import time_text
from flarefree.conduct.visibility import Target
from flarefree.conduct.workflow import SUBJECT, require_transition
from flarefree.errors import ConductError
from flarefree.web.commands.allocated import (
    allocated_writes,
    given_before,
    known_allocations,
    known_of,
    result_of,
)
from flarefree.web.commands.base import Asked, Command, Need, Plan, RefusedThen, Write
from flarefree.web.commands.gates import Gates, gates_of
from flarefree.web.commands.parts import SubjectKey, subject_for
from flarefree.web.commands.rights import require_right
from flarefree.web.commands.trial_phases import HaltRandomization
from flarefree.web.record.reading import Item, read_ahead
from flarefree.web.trial import TRIAL_KEY, Standing, running_trial
from flarefree.web.vault import service

__all__ = ["EnterEmergencyAllocation", "FlagRandomizedInError", "RandomizeSubject", "ReconcileVault"]

Words = Annotated[str, StringConstraints(min_length=3, max_length=2000)]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{8}$")]

_VERB, _FIELD = "randomize", "allocation.request"
_ELIGIBILITY = "eligibility.record"
_APPROVE, _CONFIGURATION = "approve", "configuration"


class RandomizeSubject(Command):
    """Randomize a patient whose consent, eligibility and strata are all known.

    Asked again, by whatever channel and under whatever request, the answer is the same.
    """

    name: ClassVar[str] = "randomize_subject"
    verb: ClassVar[str] = _VERB
    subject: SubjectKey

    def plan(self, asked: Asked) -> Plan:
        """The receipt of the one allocation that this patient has."""
        return _plan(self.subject, asked, channel=asked.channel)


class EnterEmergencyAllocation(Command):
    """Enter what was given from the emergency list on paper while the system could not be reached.

    Attributes
    ----------
    code : str
        As it stands on paper; it must be that of the list's next slot.
    given_at : datetime
        When it was given, as written on paper.
    reason : str
        Why the system could not be asked.
    """

    name: ClassVar[str] = "enter_emergency_allocation"
    verb: ClassVar[str] = _VERB
    subject: SubjectKey
    code: Code
    given_at: AwareDatetime
    reason: Words

    def plan(self, asked: Asked) -> Plan:
        """The receipt, under the code on paper."""
        if self.given_at > asked.at:
            raise ConductError("an allocation is entered after it was given", where="given_at")
        told = {"code": self.code, "reason": self.reason, "time": time_text(self.given_at)}
        return _plan(self.subject, asked, channel="emergency", **told)


def _plan(key: str, asked: Asked, *, channel: str, **told: str) -> Plan:
    assert asked.actor is not None  # no machine randomizes
    read_ahead(key)
    subject = subject_for(asked, key, _VERB, _FIELD)
    need = Need(_VERB, _FIELD, subject.site)
    before = given_before(subject)
    if before is not None:
        if told and told["code"] != before["kit"]:
            raise ConductError("this patient was randomized, under another code", where=key)
        return Plan(subject.name, subject.site, needs=(need,), result=before)
    standing = running_trial().standing(asked.at)
    gates = gates_of(key, asked.at)
    given = _allocate(subject, asked, standing, gates, channel, **told)
    writes = allocated_writes(subject, given, by=asked.actor.person, standing=standing)
    reason = told.get("reason") or "randomized"
    result = result_of(key, given.receipt.code, given.receipt.time)
    return Plan(subject.name, subject.site, writes=writes, needs=(need,), reason=reason, result=result)


def _allocate(
    subject: Item, asked: Asked, standing: Standing, gates: Gates, channel: str, **told: str
) -> service.Given:
    try:
        _require_open(subject, asked, standing, gates)
        request = _request(subject, asked, gates, channel, **told)
        answer = service.allocate(
            request,
            is_open=standing.phase == "live" and standing.randomization == "open",
            known=known_of(standing),
            at=asked.at,
            protocol=standing.protocol_digest,
        )
    except service.Unreconciled as error:
        raise _halt("not_reconciled", str(error.what), asked, standing, "standing") from error
    except ConductError:
        # The vault may have given a slot in a transaction that the record never finished; then it stands,
        # whatever became of the gates since.
        given = _given_unrecorded(subject.key)
        if given is None:
            raise
        return given
    if isinstance(answer, service.Refused):
        return _refused(answer, subject, asked, standing)
    return answer


def _refused(refused: service.Refused, subject: Item, asked: Asked, standing: Standing) -> service.Given:
    given = _given_unrecorded(subject.key)
    if given is not None:
        return given
    if refused.raises_alarm:
        raise _halt("list_at_its_end", str(refused), asked, standing, refused.detail)
    raise ConductError(
        refused.reason.value, where=refused.detail or subject.key, try_="nothing was allocated"
    )


def _given_unrecorded(key: str) -> service.Given | None:
    return service.receipt_of(key) if service.installed_lists() is not None else None


def _require_open(subject: Item, asked: Asked, standing: Standing, gates: Gates) -> None:
    """The workflow's row, with the gates as they stand now."""
    is_open = {"randomization_open"} if standing.randomization == "open" else set()
    require_transition(
        running_trial().matrix,
        SUBJECT,
        "randomize",
        state=str(subject["status"] or ""),
        phase=standing.phase,
        actor=asked.actor,
        target=Target(subject.site),
        open_gates=gates.open_gates | is_open,
    )


def _request(subject: Item, asked: Asked, gates: Gates, channel: Any, **told: str) -> service.Request:
    assert asked.actor is not None
    return service.Request(
        id=asked.request,
        subject=subject.key,
        site=subject.site,
        strata=gates.strata,
        has_consent=gates.has_consent,
        is_eligible=gates.is_eligible,
        asked_by=asked.actor.person,
        channel=channel,
        time=told.get("time") or time_text(asked.at),
        code=told.get("code", ""),
        reason=told.get("reason", ""),
    )


def _halt(cause: str, words: str, asked: Asked, standing: Standing, what: str) -> ConductError:
    """The refusal; with it, once for each trouble, an alarm to the unblinded role and a halt."""
    is_new = service.ring(cause, words, key=f"{cause}/{what}", at=asked.at, protocol=standing.protocol_digest)
    told: dict[str, Any] = {
        "where": what,
        "try_": "nothing was allocated; the unblinded statistician was told",
    }
    if is_new and standing.randomization == "open":
        halt = HaltRandomization(cause=cause, words=f"{_HALTS[cause]}")
        return RefusedThen(words, then=halt, **told)
    return ConductError(words, **told)


_HALTS = {
    "list_at_its_end": "a list is at its end",
    "not_reconciled": "the allocation vault is not where it is known to have stood",
}


class FlagRandomizedInError(Command):
    """Note that a patient should not have been randomized.  The allocation stands; nothing else changes."""

    name: ClassVar[str] = "flag_randomized_in_error"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    reason: Words

    def plan(self, asked: Asked) -> Plan:
        """A flag beside the allocation, once."""
        subject = subject_for(asked, self.subject, "record", _ELIGIBILITY)
        if subject["kit"] is None:
            raise ConductError("this patient was not randomized", where=subject.key)
        if subject["randomized_in_error"] is not None:
            raise ConductError("this is flagged already", where=subject.key)
        write = Write("subject", subject.key, "randomized_in_error", _ELIGIBILITY, self.reason)
        return Plan(subject.name, subject.site, writes=(write,), reason=self.reason)


class ReconcileVault(Command):
    """After a restore: the vault is brought to where the record, or a site's paper, says that it stood.

    What the vault lacks is decided again from the record, in its order; the lists must give the same codes.

    Attributes
    ----------
    last_number, last_code : int, str
        Of the last allocation that anybody knows of, from the record, an anchor or a site.
    reason : str
        What was restored, from when.
    """

    name: ClassVar[str] = "reconcile_vault"
    verb: ClassVar[str] = "approve"
    last_number: Annotated[int, Field(ge=0)]
    last_code: Annotated[str, StringConstraints(pattern=r"^([0-9]{8})?$")] = ""
    reason: Words

    def plan(self, asked: Asked) -> Plan:
        """How many allocations were brought back; who says so is logged in both logs."""
        assert asked.actor is not None
        require_right(asked, _APPROVE, _CONFIGURATION)
        standing = running_trial().standing(asked.at)
        last = service.Witness(self.last_number, self.last_code)
        back = service.store_known(
            known_allocations(),
            last=last,
            by=asked.actor.person,
            at=asked.at,
            protocol=standing.protocol_digest,
        )
        write = Write("trial", TRIAL_KEY, "reconciled_at", _CONFIGURATION, time_text(asked.at))
        return Plan(f"trial/{TRIAL_KEY}", writes=(write,), reason=self.reason, result={"brought_back": back})
