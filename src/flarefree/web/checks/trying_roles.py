"""M1 at the commands: whatever somebody does, everybody whom the matrix does not list tries it first.

While it is on, each command that a person asks for is tried by every other role, in every phase of the trial,
by the same person at the same sites, with the same content; and by the same role of another site (M3).  What
the matrix lists is worked out here from its cells alone.  Attempts are undone; the asker's own follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction

from flarefree.conduct.roles.matrix import PHASES
from flarefree.conduct.visibility import Actor
from flarefree.errors import FlarefreeError
from flarefree.web.clock import now
from flarefree.web.commands import executing
from flarefree.web.commands.base import Asked, Command, Need, Outcome, Plan
from flarefree.web.trial import RunningTrial, Standing, running_trial

__all__ = ["NOTHING", "Attempts", "try_in_phase", "trying_roles"]

NOTHING = "there is nothing here for you"
OTHER_SITE = "another site"
_phase: ContextVar[str] = ContextVar("phase", default="")
_is_trying: ContextVar[bool] = ContextVar("is_trying", default=False)


@dataclass
class Attempts:
    """What was tried, and how it ended.

    Attributes
    ----------
    rows : mapping of (command, role, phase) to str
        `allowed`: listed, and so not tried; `denied`: in the one text of every denial; `refused`: by another
        rule first, in a phase that the trial was not in; `DONE`, `TOLD`: what must not be.
    without_needs : list of str
        Commands that asked the matrix about nothing.
    """

    rows: dict[tuple[str, str, str], str] = field(default_factory=dict)
    without_needs: list[str] = field(default_factory=list)
    tried: dict[str, int] = field(default_factory=dict)

    @property
    def wrongs(self) -> tuple[str, ...]:
        """Each cell where somebody could do what they may not, or was told why they may not."""
        return tuple(
            f"{command} as {role} ({phase}): {end}"
            for (command, role, phase), end in sorted(self.rows.items())
            if end.isupper() or end.startswith("TOLD")
        )

    def to_lines(self) -> list[str]:
        """The table, as tab-separated lines."""
        return ["\t".join((*key, end)) for key, end in sorted(self.rows.items())]


class _Undo(Exception):  # noqa: N818 - it is no error
    """Ends an attempt's transaction without keeping it."""


@contextmanager
def trying_roles(attempts: Attempts, *, each: int = 2) -> Iterator[None]:
    """Within the block, every command is tried by everybody first; each command so many times."""
    own, rights, standing = executing._execute, executing._require_rights, RunningTrial.standing
    found: list[tuple[Plan, frozenset[Need], str]] = []

    def execute(command: Command, asked: Asked) -> Outcome:
        count = attempts.tried.get(command.name, 0)
        if asked.actor is None or _is_trying.get() or count >= each:
            return own(command, asked)
        found.clear()
        _attempt(own, command, replace(asked, request=f"{asked.request}/needs"[:120]))
        if found:
            attempts.tried[command.name] = count + 1
            _try_all(own, command, asked, found[-1], attempts)
        return own(command, asked)

    def require_rights(command: Command, asked: Asked, plan: Plan, changes: Any, phase: str) -> None:
        if not _phase.get():
            needs = frozenset(
                Need(executing._verb(command, change), write.field)
                for write, change in changes
                if not write.is_consequence
            )
            found.append((plan, needs | frozenset(plan.needs), phase))
        rights(command, asked, plan, changes, phase)

    def standing_as_tried(self: RunningTrial, *told: Any) -> Standing:
        true = standing(self, *told)
        return replace(true, phase=_phase.get() or true.phase)

    executing._execute, executing._require_rights = execute, require_rights
    RunningTrial.standing = standing_as_tried  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        executing._execute, executing._require_rights = own, rights
        RunningTrial.standing = standing  # type: ignore[method-assign]


def try_in_phase(command: Command, who: Actor, phase: str) -> str:
    """Ask once as if the trial were in a phase, and undo it; the refusal's words, or `DONE`."""
    standing = RunningTrial.standing

    def standing_as_tried(self: RunningTrial, *told: Any) -> Standing:
        return replace(standing(self, *told), phase=phase)

    RunningTrial.standing = standing_as_tried  # type: ignore[assignment, method-assign]
    try:
        return _attempt(executing.execute, command, Asked(who, f"try/{who.role}/{phase}", now()))
    finally:
        RunningTrial.standing = standing  # type: ignore[method-assign]


Own = Callable[[Command, Asked], Outcome]


def _attempt(own: Own, command: Command, asked: Asked) -> str:
    """Ask, and undo; the refusal's words, or `DONE`."""
    token = _is_trying.set(True)
    try:
        with transaction.atomic():
            own(command, asked)
            raise _Undo
    except _Undo:
        return "DONE"
    except FlarefreeError as error:
        return error.what
    finally:
        _is_trying.reset(token)


def _try_all(
    own: Own, command: Command, asked: Asked, found: tuple[Plan, frozenset[Need], str], attempts: Attempts
) -> None:
    plan, needs, now = found
    actor = asked.actor
    assert actor is not None
    if not needs:
        attempts.without_needs.append(command.name)
    sites = actor.sites or frozenset({plan.site} if plan.site else ())
    for role in running_trial().matrix.roles:
        for phase in PHASES:
            who = Actor(actor.person, role, sites)
            _try(own, command, asked, who, phase, (plan, needs, now), attempts, role)
    elsewhere = Actor(actor.person, actor.role, frozenset({"elsewhere"}))
    if not _may(elsewhere, plan, needs, now):
        _try(own, command, asked, elsewhere, now, (plan, needs, now), attempts, f"{actor.role}, {OTHER_SITE}")


def _try(
    own: Own,
    command: Command,
    asked: Asked,
    who: Actor,
    phase: str,
    found: tuple[Plan, frozenset[Need], str],
    attempts: Attempts,
    name: str,
) -> None:
    plan, needs, now = found
    key = (command.name, name, phase)
    if _may(who, plan, needs, phase):
        attempts.rows.setdefault(key, "allowed")
        return
    token = _phase.set(phase)
    try:
        request = f"{asked.request}/{name}/{phase}"[:120]
        said = _attempt(own, command, replace(asked, actor=who, request=request))
    finally:
        _phase.reset(token)
    end = "denied" if said == NOTHING else said if said == "DONE" else "refused"
    if end == "refused" and phase == now:
        end = f"TOLD: {said}"
    if attempts.rows.get(key, "denied") in {"allowed", "denied", "refused"}:
        attempts.rows[key] = end


def _may(who: Actor, plan: Plan, needs: frozenset[Need], phase: str) -> bool:
    """By the matrix's cells and the row's site and readers, worked out apart from `visibility.decide`."""
    matrix = running_trial().matrix
    cells = {
        (cell.verb, cell.field) for cell in matrix.listed if (cell.role, cell.phase) == (who.role, phase)
    }
    scope = matrix.roles[who.role].scope
    for need in needs:
        if (need.verb, need.field) not in cells:
            return False
        about, site = matrix.fields[need.field].about, need.site or plan.site
        assigned = need.assigned_to or plan.assigned_to
        if about == "case" and site in who.sites:
            return False
        if about != "trial" and scope == "own_site" and site not in who.sites:
            return False
        if (
            about != "trial"
            and scope == "assigned_cases"
            and not (about == "case" and who.person in assigned)
        ):
            return False
    return bool(needs)
