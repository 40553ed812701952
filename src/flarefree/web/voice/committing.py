"""The one commit of a call that allocates."""

from __future__ import annotations

from datetime import datetime

from flarefree.conduct.visibility import Actor
from flarefree.web.commands.base import Asked
from flarefree.web.commands.executing import execute
from flarefree.web.commands.reading_back import RandomizeAsReadBack, StrataDifferError
from flarefree.web.trial import running_trial
from flarefree.web.voice.calls import Randomize, Reply

__all__ = ["randomize", "request_of"]


def request_of(digits: str) -> str:
    """The request id under which a call commits: `voice-123456789`."""
    return f"voice-{digits}"


def randomize(ask: Randomize, actor: Actor, at: datetime) -> Reply:
    """Allocate what was read back and confirmed; asked again, the same kit.

    Raises
    ------
    ConductError
        A rule refuses it; nothing was allocated.
    """
    asked = Asked(actor, request_of(ask.request), at, "voice")
    try:
        outcome = execute(RandomizeAsReadBack(subject=ask.subject, strata=dict(ask.strata)), asked)
    except StrataDifferError as error:
        label = running_trial().protocol.spec.covariates[error.where].label
        return Reply(False, {"label": label}, "strata_differ")
    return Reply(True, {"kit": str(outcome.result["kit"])})
