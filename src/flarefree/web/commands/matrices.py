"""The role matrix of another version of flarefree: taken over in mid-trial if it shows no more of arms."""

from __future__ import annotations

from typing import ClassVar

from flarefree.conduct.visibility import require_no_widening
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Command, Plan
from flarefree.web.commands.trial_protocol import write_of_matrix, write_of_trial
from flarefree.web.record.reading import read_thing
from flarefree.web.trial import TRIAL_KEY, running_trial

__all__ = ["AdoptMatrix"]


class AdoptMatrix(Command):
    """The installed matrix takes the place of the recorded one, at the first start after an upgrade (B10)."""

    name: ClassVar[str] = "adopt_matrix"
    verb: ClassVar[str] = "configure"
    is_machine: ClassVar[bool] = True

    def plan(self, asked: Asked) -> Plan:
        """Digest and text of the new one, if it widens nothing while arms are masked."""
        from flarefree.conduct.roles import load_matrix

        trial = running_trial()
        standing = trial.standing(asked.at)
        recorded = str(standing.facts.get("matrix_digest") or "")
        old = read_thing("matrix", recorded)
        if old is None:
            raise ConductError("no role matrix was recorded", where="matrix", found=recorded[:16])
        require_no_widening(load_matrix(str(old["text"])), trial.matrix, standing.phase)
        writes = (
            write_of_trial("matrix_digest", trial.matrix.digest),
            write_of_matrix(trial.matrix.digest),
        )
        return Plan(
            f"trial/{TRIAL_KEY}",
            writes=writes,
            reason_code="upgrade",
            reason="the role matrix of another version of flarefree, which shows no more of the arms",
        )
