"""Anchors: the keeper outside gets the log's links, signs where it stands; the signature is brought back."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from flarefree.conduct.audit import Anchor
from flarefree.conduct.audit.entries import Value
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.rights import require_right
from flarefree.web.commands.trial_protocol import Digest
from flarefree.web.people.anchors import ANCHOR, require_anchor
from flarefree.web.trial import running_trial

__all__ = ["AnchorLog"]


class AnchorLog(Command):
    """An anchor is brought back by whoever takes the log's links to its keeper: the reviewer of the log."""

    name: ClassVar[str] = "anchor_log"
    verb: ClassVar[str] = "export"
    chain: Annotated[str, StringConstraints(max_length=120)]
    length: Annotated[int, Field(ge=1)]
    head: Digest
    at: Annotated[str, StringConstraints(max_length=40)]
    number: Annotated[int, Field(ge=0)]
    previous: Digest
    signature: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]

    def plan(self, asked: Asked) -> Plan:
        """The keeper's words, once their signature was seen to be theirs."""
        require_right(asked, "export", "audit.trail")
        key = running_trial().standing(asked.at).facts.get("keeper_key")
        if not key:
            raise ConductError(
                "no key of a keeper was published", where="anchor_log", try_="publish_keeper_key"
            )
        anchor = Anchor(
            self.chain, self.length, self.head, self.at, self.number, self.previous, self.signature
        )
        require_anchor(anchor, str(key))
        told: dict[str, Value] = {n: v for n, v in anchor.to_dict().items() if n != "number"}
        writes = tuple(
            Write(ANCHOR, str(anchor.number), name, "configuration", value, is_consequence=True)
            for name, value in told.items()
        )
        return Plan(
            f"{ANCHOR}/{anchor.number}",
            writes=writes,
            needs=(Need("export", "audit.trail"),),
            result={"number": anchor.number, "length": anchor.length},
        )
