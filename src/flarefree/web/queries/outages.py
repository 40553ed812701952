"""An outage on paper: the list for its keeper, and what does not agree between paper and record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flarefree.conduct.visibility import Actor, Target, decide
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked
from flarefree.web.commands.executing import execute
from flarefree.web.commands.outages import PrintEmergencyList
from flarefree.web.trial import running_trial
from flarefree.web.vault import service

__all__ = ["Difference", "EmergencySheet", "EmergencyStratum", "differences", "emergency_sheet"]


@dataclass(frozen=True, slots=True)
class EmergencyStratum:
    """One stratum of the list: level of each factor by its label, and codes in the order to give them."""

    levels: tuple[tuple[str, str], ...]
    codes: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class EmergencySheet:
    """The list as it is printed: codes, which tell no arm, and room for what is given.

    Attributes
    ----------
    trial, protocol_digest, printed_at : str
    strata : tuple of EmergencyStratum
    """

    trial: str
    protocol_digest: str
    printed_at: str
    strata: tuple[EmergencyStratum, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree: what kind, under which code, in words."""

    kind: str
    code: str
    detail: str


def emergency_sheet(asked: Asked) -> EmergencySheet:
    """The list for its keeper; that it was printed is logged first.

    Raises
    ------
    ConductError
        Not for who asks, not in this phase, or there is none.
    """
    outcome = execute(PrintEmergencyList(), asked)
    standing = running_trial().standing()
    spec = running_trial().protocol.spec
    names = spec.randomization.strata if spec.randomization else ()
    labels = [spec.covariates[name].label for name in names]
    strata = tuple(
        EmergencyStratum(tuple(zip(labels, cell, strict=True)), codes)
        for cell, codes in service.emergency_codes()
    )
    return EmergencySheet(spec.title, standing.protocol_digest, str(outcome.result["printed_at"]), strata)


def differences(actor: Actor, slips: Sequence[tuple[str, str, str, str]]) -> tuple[Difference, ...]:
    """What does not agree between the slips of an outage and what was entered of them.

    Parameters
    ----------
    actor : Actor
        Who sees kits and requests; receipts of patients whom they do not see are left out.
    slips : sequence of (code, subject, site, time)
        As written on paper; times in UTC, ISO 8601.

    Raises
    ------
    ConductError
        Not for them.
    """
    trial = running_trial()
    phase = trial.phase

    def sees(site: str) -> bool:
        fields = ("allocation.kit", "allocation.request")
        return all(decide(trial.matrix, actor, "see", f, phase, Target(site)).is_allowed for f in fields)

    if not all(sees(site) for _, _, site, _ in slips) or not any(
        trial.matrix.allows(actor.role, "see", f, phase) for f in ("allocation.kit",)
    ):
        raise ConductError("there is nothing here for you")
    found = service.reconcile_paper(
        [service.PaperSlip(*slip) for slip in slips], is_seen=lambda receipt: sees(receipt.site)
    )
    return tuple(Difference(one.kind, one.code, one.detail) for one in found)
