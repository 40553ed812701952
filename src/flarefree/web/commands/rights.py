"""Rights asked about before anything is read or decided, so that a refusal tells nothing of what there is.

`execute` asks about every value that would be written, but only after the plan is made; a plan that refuses
first, in words about a site or a patient, would tell somebody of another site that they exist (M3).
"""

from __future__ import annotations

from flarefree.conduct.visibility import Target, require_allowed
from flarefree.web.commands.base import Asked
from flarefree.web.trial import running_trial

__all__ = ["require_right"]


def require_right(
    asked: Asked, verb: str, field: str, *, site: str = "", assigned_to: frozenset[str] = frozenset()
) -> None:
    """Go on only if who asks may do this with a field of a row; a machine may.

    Raises
    ------
    ConductError
        In the one text of every denial.
    """
    if asked.actor is None:
        return
    trial = running_trial()
    require_allowed(trial.matrix, asked.actor, verb, field, trial.phase, Target(site, assigned_to))
