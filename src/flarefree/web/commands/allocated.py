"""What the record keeps of an allocation, and how the record is brought up to the vault after a crash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flarefree.conduct.audit.entries import read_time
from flarefree.errors import ConductError
from flarefree.web.clock import now
from flarefree.web.commands.base import Asked, Command, Plan, Write
from flarefree.web.commands.gates import date_at_site
from flarefree.web.record.reading import Item, facts_of, read_thing, read_things
from flarefree.web.trial import TRIAL_KEY, Standing, running_trial
from flarefree.web.vault import service
from flarefree.web.vault.service import Request

__all__ = [
    "AcknowledgeAllocation",
    "allocated_writes",
    "given_before",
    "known_allocations",
    "known_of",
    "repair_allocations",
    "result_of",
]

_FIELD = "allocation.request"
_KIT = "allocation.kit"


def known_of(standing: Standing) -> service.Known:
    """What the record knows of the vault: whose lists, and the last allocation that it has."""
    return service.Known.of(standing.facts)


def result_of(subject: str, kit: str, time: str) -> dict[str, str]:
    """What the asker is told; no count, which would tell a site of the others."""
    return {"subject": subject, "kit": kit, "randomized_at": time}


def given_before(subject: Item) -> dict[str, str] | None:
    """The answer that this patient's allocation has, if the record holds one."""
    if subject["kit"] is None:
        return None
    return result_of(subject.key, str(subject["kit"]), str(subject["randomized_at"]))


def allocated_writes(
    subject: Item, given: service.Given, *, by: str, standing: Standing
) -> tuple[Write, ...]:
    """Values of an allocation.  The asker's own act is that they asked; the rest follows from it."""
    receipt = given.receipt
    factors = running_trial().protocol_of(standing.protocol_digest).spec.randomization
    names = factors.strata if factors is not None else ()

    def of_subject(attribute: str, field: str, value: Any, *, is_consequence: bool = True) -> Write:
        return Write("subject", subject.key, attribute, field, value, is_consequence)

    writes = [
        of_subject("randomized_by", _FIELD, by, is_consequence=False),
        of_subject("randomized_at", _FIELD, receipt.time),
        of_subject("day_one", _FIELD, date_at_site(subject.site, read_time(receipt.time)).isoformat()),
        of_subject("channel", _FIELD, receipt.channel),
        of_subject("allocation_request", _FIELD, receipt.request_id),
        of_subject("kit", _KIT, receipt.code),
        of_subject("status", "subject.status", "randomized"),
        *(
            of_subject(f"stratum.{name}", "strata.used", level)
            for name, level in zip(names, receipt.stratum_used, strict=True)
        ),
        # Named by the code, and so for nobody who may not see codes.
        Write("allocation", receipt.code, "number", _KIT, given.sequence, is_consequence=True),
    ]
    if given.sequence > known_of(standing).last.sequence:
        writes.append(
            Write("trial", TRIAL_KEY, "last_allocation", _KIT, str(given.witness), is_consequence=True)
        )
    return tuple(writes)


class AcknowledgeAllocation(Command):
    """Write down what the vault gave to a patient in a transaction that the record did not finish."""

    name: ClassVar[str] = "acknowledge_allocation"
    verb: ClassVar[str] = "randomize"
    is_machine: ClassVar[bool] = True
    subject: str

    def plan(self, asked: Asked) -> Plan:
        """The same values as the request itself would have written."""
        subject, given = read_thing("subject", self.subject), service.receipt_of(self.subject)
        if subject is None or given is None:
            raise ConductError("the vault and the record know different patients", where=self.subject)
        before = given_before(subject)
        if before is not None:
            return Plan(subject.name, subject.site, result=before)
        standing = running_trial().standing(asked.at)
        writes = allocated_writes(subject, given, by=given.asked_by, standing=standing)
        result = result_of(subject.key, given.receipt.code, given.receipt.time)
        reason = "found in the vault, which gave it before a crash"
        return Plan(
            subject.name, subject.site, writes=writes, reason_code="repaired", reason=reason, result=result
        )


def repair_allocations() -> tuple[str, ...]:
    """Bring the record up to the vault; done at each start.

    Returns
    -------
    tuple of str
        Patients whose allocation was written down.

    Raises
    ------
    ConductError
        The vault knows a patient whom the record does not: one of them was restored from a backup.
    """
    from flarefree.web.commands.executing import execute

    kits = facts_of("subject", "kit")
    if service.installed_lists() is None:
        if kits and running_trial().standing().facts.get("lists_sha256"):
            raise ConductError("the vault is empty, and the record has allocations of it")
        return ()
    lacking = [given for given in service.receipts_since() if given.receipt.subject not in kits]
    for given in lacking:
        command = AcknowledgeAllocation(subject=given.receipt.subject)
        execute(command, Asked(None, f"acknowledge/{given.sequence}", now(), "machine"))
    return tuple(given.receipt.subject for given in lacking)


def known_allocations() -> tuple[tuple[Request, service.Witness], ...]:
    """Every allocation that the record has, as the vault would have been asked for it, in its order.

    What a vault that was restored from an older backup lacks is decided again from these.
    """
    numbers: Mapping[str, Any] = facts_of("allocation", "number")
    found = [
        (_request_of(item), service.Witness(int(numbers[str(item["kit"])]), str(item["kit"])))
        for item in read_things("subject")
        if item["kit"] is not None
    ]
    return tuple(sorted(found, key=lambda pair: pair[1].sequence))


def _request_of(subject: Item) -> Request:
    strata = {
        name.removeprefix("stratum."): str(fact.value)
        for name, fact in subject.facts.items()
        if name.startswith("stratum.")
    }
    channel: Any = subject["channel"]
    is_emergency = channel == "emergency"
    return Request(
        id=str(subject["allocation_request"]),
        subject=subject.key,
        site=subject.site,
        strata=strata,
        has_consent=True,
        is_eligible=True,
        asked_by=str(subject["randomized_by"]),
        channel=channel,
        time=str(subject["randomized_at"]),
        code=str(subject["kit"]) if is_emergency else "",
        reason="brought back after a restore" if is_emergency else "",
    )
