"""A laboratory file looked at before it is taken: what it would bring, for those who may import."""

from __future__ import annotations

from datetime import datetime

from flarefree.conduct.visibility import Actor, Target, decide
from flarefree.errors import ConductError
from flarefree.web.clock import now
from flarefree.web.forms.imports import ImportReport, judge_import
from flarefree.web.trial import running_trial

__all__ = ["preview_import"]


def preview_import(actor: Actor, text: str, at: datetime | None = None) -> ImportReport:
    """Every row of a file judged against the record; nothing is written.

    Raises
    ------
    ConductError
        Not for the actor's role.
    ReadError
        The file as a whole cannot be read.
    """
    trial = running_trial()
    decision = decide(trial.matrix, actor, "import", "labs.efficacy", trial.phase, Target(""))
    if not decision.is_allowed:
        raise ConductError("there is nothing here for you")
    return judge_import(text, at or now())
