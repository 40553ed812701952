"""The trial's own way: live, locked, unblinded; and whether anybody may be randomized.

Transitions and their gates are `flarefree.conduct.workflow`; here each gate is looked up, in the record or
from the vault's service, which names no arm.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import StringConstraints

from flarefree.conduct.roles.persons import require_other_person
from flarefree.conduct.visibility import Target
from flarefree.conduct.workflow import RANDOMIZATION, TRIAL, Machine, require_transition
from flarefree.errors import ConductError
from flarefree.web.commands.accounts import Reason
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.rights import require_right
from flarefree.web.commands.trial_protocol import Digest, write_of_trial
from flarefree.web.people.phase_gates import open_gates
from flarefree.web.trial import BEFORE_GO_LIVE, TRIAL_KEY, Standing, running_trial

__all__ = [
    "CloseRandomization",
    "GoLive",
    "GoOn",
    "HaltRandomization",
    "LockTrial",
    "PublishKeeperKey",
    "RecordAnalysisPlan",
    "UnblindTrial",
]

_ABOUT = f"trial/{TRIAL_KEY}"
_FIELD = "configuration"


class PublishKeeperKey(Command):
    """The public key of the keeper of anchors, who is outside and signs how long the log is."""

    name: ClassVar[str] = "publish_keeper_key"
    verb: ClassVar[str] = "configure"
    public_key: Digest
    reason: Reason = "before the first patient"

    def plan(self, asked: Asked) -> Plan:
        """Published once, before go-live: a key changed later could sign another history."""
        require_right(asked, "configure", _FIELD)
        if running_trial().phase != BEFORE_GO_LIVE:
            raise ConductError("the keeper's key stands from go-live on", where="publish_keeper_key")
        writes = (
            write_of_trial("keeper_key", self.public_key),
            write_of_trial("configured_by", _person(asked)),
        )
        return Plan(_ABOUT, writes=writes, reason=self.reason)


class RecordAnalysisPlan(Command):
    """The digest of the plan of analysis, which must stand before anybody knows an arm."""

    name: ClassVar[str] = "record_analysis_plan"
    verb: ClassVar[str] = "configure"
    digest: Digest
    version: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    reason: Reason = "final version"

    def plan(self, asked: Asked) -> Plan:
        """Digest and version."""
        writes = (
            write_of_trial("analysis_plan_digest", self.digest),
            write_of_trial("analysis_plan_version", self.version),
        )
        return Plan(_ABOUT, writes=writes, reason=self.reason)


class GoLive(Command):
    """The first patient may come: approved by another person than set the trial up, all gates open."""

    name: ClassVar[str] = "go_live"
    verb: ClassVar[str] = "approve"
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """Phase and randomization, with the hash of the scheme that was approved."""
        require_right(asked, "approve", _FIELD)
        standing = running_trial().standing(asked.at)
        _require_other(asked, standing)
        gates = open_gates(TRIAL, "go_live", asked, standing)
        phase = _next(TRIAL, "go_live", standing.phase, asked, standing, gates.open, self.reason)
        writes = (
            write_of_trial("phase", phase),
            write_of_trial("randomization", RANDOMIZATION.states[0]),
            Write("trial", TRIAL_KEY, "scheme_hash", "scheme.hash", gates.told["scheme_hash"]),
            write_of_trial("lists_sha256", gates.told["lists_sha256"]),
            write_of_trial("approved_by", _person(asked)),
        )
        return Plan(_ABOUT, writes=writes, reason=self.reason, result={"phase": phase})


class LockTrial(Command):
    """The data are complete and may not change; arms are still masked."""

    name: ClassVar[str] = "lock_trial"
    verb: ClassVar[str] = "lock"
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """The phase, if everybody was followed up, all queries and cases are closed, the log is anchored."""
        return _phase_plan("lock", asked, self.reason, verb="lock", field=_FIELD)


class UnblindTrial(Command):
    """The phase after the key was released by its two holders (`flarefree.web.commands.release`)."""

    name: ClassVar[str] = "unblind_trial"
    verb: ClassVar[str] = "release"
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """The phase; whoever took part in the ceremony may say that it is done."""
        return _phase_plan("unblind", asked, self.reason, verb="release", field="release.key_share")


class HaltRandomization(Command):
    """Nobody is randomized until persons have looked: a list at its end, a broken chain, an old backup."""

    name: ClassVar[str] = "halt_randomization"
    verb: ClassVar[str] = "configure"
    is_machine: ClassVar[bool] = True
    cause: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    """From a short list, readable by everybody; it names no list, no stratum and no arm."""
    words: Reason

    def plan(self, asked: Asked) -> Plan:
        """Halted, with its cause.  Halting what is halted adds the cause."""
        standing = running_trial().standing(asked.at)
        state = standing.randomization
        if state != "halted":
            state = _next(RANDOMIZATION, "halt", state, asked, standing, frozenset(), self.words)
        writes = (write_of_trial("randomization", state), write_of_trial("halted_because", self.cause))
        return Plan(_ABOUT, writes=writes, reason_code=self.cause, reason=self.words, result={"state": state})


class GoOn(Command):
    """Randomization goes on: somebody says that its cause is gone, and the vault agrees with the record."""

    name: ClassVar[str] = "go_on"
    verb: ClassVar[str] = "approve"
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """Open again."""
        require_right(asked, "approve", _FIELD)
        standing = running_trial().standing(asked.at)
        gates = open_gates(RANDOMIZATION, "go_on", asked, standing)
        state = _next(
            RANDOMIZATION, "go_on", standing.randomization, asked, standing, gates.open, self.reason
        )
        writes = (write_of_trial("randomization", state), write_of_trial("halted_because", None))
        return Plan(_ABOUT, writes=writes, reason=self.reason, result={"state": state})


class CloseRandomization(Command):
    """Enough patients: nobody more is randomized, ever."""

    name: ClassVar[str] = "close_randomization"
    verb: ClassVar[str] = "approve"
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """Closed; no transition leads out."""
        require_right(asked, "approve", _FIELD)
        standing = running_trial().standing(asked.at)
        state = _next(
            RANDOMIZATION, "close", standing.randomization, asked, standing, frozenset(), self.reason
        )
        writes = (write_of_trial("randomization", state),)
        return Plan(_ABOUT, writes=writes, reason=self.reason, result={"state": state})


# Parts of plans ------------------------------------------------------------------------------------


def _phase_plan(transition: str, asked: Asked, reason: str, *, verb: str, field: str) -> Plan:
    require_right(asked, verb, field)
    standing = running_trial().standing(asked.at)
    gates = open_gates(TRIAL, transition, asked, standing)
    phase = _next(TRIAL, transition, standing.phase, asked, standing, gates.open, reason)
    writes = (write_of_trial("phase", phase, is_consequence=True),)
    return Plan(_ABOUT, writes=writes, needs=(Need(verb, field),), reason=reason, result={"phase": phase})


def _next(
    machine: Machine,
    name: str,
    state: str,
    asked: Asked,
    standing: Standing,
    gates: frozenset[str],
    reason: str,
) -> str:
    return require_transition(
        running_trial().matrix,
        machine,
        name,
        state=state,
        phase=standing.phase,
        actor=asked.actor,
        target=Target(),
        open_gates=gates,
        reason=reason,
    )


def _require_other(asked: Asked, standing: Standing) -> None:
    author = standing.facts.get("configured_by")
    if author is not None:
        require_other_person(str(author), _person(asked), "go-live")


def _person(asked: Asked) -> str:
    return asked.actor.person if asked.actor else "system"
