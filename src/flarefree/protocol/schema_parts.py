"""What every part of a protocol is: frozen, without unknown keys, with room for a note."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from flarefree.protocol.durations import parse_days

__all__ = ["Days", "Name", "Part"]

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Days = Annotated[int, BeforeValidator(parse_days)]
"""A number of days, written `14 days`, `2 weeks` or `18 months`."""


class Part(BaseModel):
    """A part of a protocol: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    note: str = Field("", description="What the source leaves open, and what was chosen.")
