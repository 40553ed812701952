"""Who a patient is, for those who may know; each look is an entry of the log."""

from __future__ import annotations

from dataclasses import dataclass, field

from flarefree.conduct.visibility import Actor
from flarefree.web.clock import now
from flarefree.web.commands.base import Asked, Channel
from flarefree.web.commands.executing import execute
from flarefree.web.commands.identities import ReadIdentity
from flarefree.web.identity import revealed
from flarefree.web.queries.seeing import see_thing

__all__ = ["Identity", "identity_of"]


@dataclass(frozen=True, slots=True)
class Identity:
    """A person; not shown by `repr`."""

    subject: str
    name: str = field(repr=False)
    contact: str = field(repr=False, default="")


def identity_of(actor: Actor, subject: str, request: str, channel: Channel = "web") -> Identity:
    """A patient's name and how to reach them; that they were read is logged first.

    Raises
    ------
    ConductError
        Not for the actor, nothing is kept, or it was erased.
    """
    execute(ReadIdentity(subject=subject), Asked(actor, request, now(), channel))
    item = see_thing(actor, "identity", subject)
    told = {
        name: revealed(subject, f"identity.{name}", str(item[name]))
        for name in ("name", "contact")
        if item is not None and item[name]
    }
    return Identity(subject, told.get("name", ""), told.get("contact", ""))
