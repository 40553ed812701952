"""The key ceremony: two holders, named before the trial goes live, release the arms of a locked trial.

A holder makes their own share (`flarefree.conduct.randomization.sealing.new_signing_key`) and gives out its
public key; the share is shown to the vault once, after the lock, and is written nowhere.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from flarefree.conduct.audit.entries import time_text
from flarefree.conduct.visibility import Target, decide
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.parts import NOTHING_HERE, Reason
from flarefree.web.commands.rights import require_right
from flarefree.web.commands.trial_protocol import write_of_trial
from flarefree.web.trial import BEFORE_GO_LIVE, TRIAL_KEY, running_trial
from flarefree.web.vault import service

__all__ = ["PresentShare", "RegisterReleaseKeys", "fetch_key_file"]

Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]

_SHARE, _CONFIGURATION = "release.key_share", "configuration"
_HOLDERS = (1, 2)


class RegisterReleaseKeys(Command):
    """Who may release the arms: two persons, each with the public key of a share that only they have."""

    name: ClassVar[str] = "register_release_keys"
    verb: ClassVar[str] = "configure"
    holder_1: Name
    key_1: Hex32
    holder_2: Name
    key_2: Hex32
    reason: Reason = "before the first patient"

    def plan(self, asked: Asked) -> Plan:
        """Registered before go-live, which somebody else approves."""
        require_right(asked, "configure", _CONFIGURATION)
        if running_trial().phase != BEFORE_GO_LIVE:
            raise ConductError("key holders are named before the trial goes live", where=self.name)
        if self.holder_1 == self.holder_2 or self.key_1 == self.key_2:
            raise ConductError("two holders are two persons with a share each", where=self.name)
        told = {
            "release_holder_1": self.holder_1,
            "release_key_1": self.key_1,
            "release_holder_2": self.holder_2,
            "release_key_2": self.key_2,
        }
        writes = tuple(write_of_trial(name, value) for name, value in told.items())
        return Plan(f"trial/{TRIAL_KEY}", writes=writes, reason=self.reason)


class PresentShare(Command):
    """One holder's part of the ceremony, once the data are locked.

    Attributes
    ----------
    share : str
        64 hexadecimal digits; in no log, no answer and no database.
    """

    name: ClassVar[str] = "present_share"
    verb: ClassVar[str] = "release"
    share: Annotated[Hex32, Field(repr=False)]
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """That a holder was there; with the second one the key is released."""
        require_right(asked, "release", _SHARE)
        assert asked.actor is not None
        standing = running_trial().standing(asked.at)
        person = asked.actor.person
        own = next((n for n in _HOLDERS if standing.facts.get(f"release_holder_{n}") == person), None)
        if own is None:
            raise ConductError(
                "who asks was not registered as a key holder",
                where=person,
                expected="one of the two who were named before the trial went live",
            )
        if not standing.facts.get("analysis_plan_digest"):
            raise ConductError("the analysis plan is recorded before anybody knows an arm", where=self.name)
        service.present_share(
            bytes.fromhex(self.share),
            public_key=str(standing.facts[f"release_key_{own}"]),
            person=person,
            request=asked.request,
            at=asked.at,
            protocol=standing.protocol_digest,
        )
        write = Write("trial", TRIAL_KEY, f"share_presented_{own}", _SHARE, time_text(asked.at))
        result = {"is_released": service.is_released()}
        need = Need("release", _SHARE)
        return Plan(f"trial/{TRIAL_KEY}", writes=(write,), needs=(need,), reason=self.reason, result=result)


def fetch_key_file(asked: Asked) -> bytes:
    """The released key, for the statistician who analyzes; only in the phase `unblinded`.

    Not a command: what commands answer is kept with their entry.  The fetch is logged by the vault.

    Raises
    ------
    ConductError
        Not theirs to have, or not released.
    """
    trial = running_trial()
    standing = trial.standing(asked.at)
    if asked.actor is None:
        raise ConductError(NOTHING_HERE)
    # The whole trial's arms: for who may export them of every site.
    decision = decide(trial.matrix, asked.actor, "export", "allocation.arm", standing.phase, Target())
    if not decision.is_allowed:
        raise ConductError(NOTHING_HERE)
    return service.key_file(
        who=asked.actor.person,
        role=asked.actor.role,
        request=asked.request,
        at=asked.at,
        protocol=standing.protocol_digest,
    )
