"""What roles hear of the vault: notices of code breaks, overdue assessments, alarms, lists that run low.

Notices name no arm.  Alarms and the use of lists are for who may see the lists; neither tells one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flarefree.conduct.audit.entries import read_time
from flarefree.conduct.visibility import Actor, Target, decide
from flarefree.web.commands.code_breaks import register_of
from flarefree.web.queries.seeing import see_things
from flarefree.web.trial import running_trial
from flarefree.web.vault import service

__all__ = ["BreakNotice", "OverdueAssessment", "alarms_for", "list_uses_for", "notices_for", "overdue_for"]


@dataclass(frozen=True, slots=True)
class BreakNotice:
    """A notice as its role gets it."""

    subject: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OverdueAssessment:
    """A code break whose impact nobody has assessed in time."""

    subject: str
    ordered_by: str
    at: datetime


def notices_for(actor: Actor) -> tuple[BreakNotice, ...]:
    """Notices of code breaks to this role, the earliest first; others have none."""
    found = (item for item in see_things(actor, "notice") if item["to_role"] == actor.role)
    return tuple(BreakNotice(item.subject, str(item["text"]), read_time(str(item["at"]))) for item in found)


def overdue_for(actor: Actor, now: datetime) -> tuple[OverdueAssessment, ...]:
    """Code breaks that this person could assess, and that should have been."""
    trial = running_trial()
    phase = trial.phase
    return tuple(
        OverdueAssessment(b.request.subject, b.request.actor.person, b.request.at)
        for b in register_of()
        if b.is_overdue(now)
        and b.request.actor.person != actor.person
        and decide(trial.matrix, actor, "record", "code_breaks.register", phase, Target(b.site)).is_allowed
    )


def alarms_for(actor: Actor) -> tuple[service.Alarm, ...]:
    """Alarms, for who may see the lists; nothing for all others."""
    return service.alarms() if _sees_lists(actor) else ()


def list_uses_for(actor: Actor) -> tuple[service.ListUse, ...]:
    """How far each list is used, for who may see the lists."""
    return service.list_uses() if _sees_lists(actor) else ()


def _sees_lists(actor: Actor) -> bool:
    trial = running_trial()
    return decide(trial.matrix, actor, "see", "allocation.list", trial.phase, Target()).is_allowed
