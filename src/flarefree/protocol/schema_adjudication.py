"""How the end-points committee works: votes, quorum, what happens on disagreement, and what it may see."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from flarefree.protocol.schema_parts import Count, Days, Name, Part, SomeDays

__all__ = ["AdjudicationRules", "DossierRules"]

_ControlShare = Annotated[float, Field(ge=0.05, lt=0.5, allow_inf_nan=False)]
_DuplicateShare = Annotated[float, Field(ge=0, lt=0.5, allow_inf_nan=False)]


class DossierRules(Part):
    """What the committee sees of a case: an allow-list, beside what the adjudicated sentences read."""

    measures: tuple[Name, ...] = ()
    covariates: tuple[Name, ...] = ()


class AdjudicationRules(Part):
    """How each suspected event is judged, component by component.

    `opens_on` is the least that opens a case: `met`, the sentence is true; `unconfirmed`, it is true but
    for a confirmation that nobody made; `possible`, a value is missing and nothing measured speaks against
    it.
    """

    votes: Annotated[Count, Field(ge=2)] = 2
    quorum: Annotated[Count, Field(ge=2)] = 3
    on_disagreement: Literal["third", "consensus", "chair"] = "consensus"
    dates_within: Annotated[Days, Field(ge=0)] = 0
    opens_on: Literal["met", "unconfirmed", "possible"] = "possible"
    control_share: _ControlShare = 0.05
    duplicate_share: _DuplicateShare = 0.05
    duplicate_after: SomeDays = 60
    dossier: DossierRules = DossierRules()

    @model_validator(mode="after")
    def _has_a_majority(self) -> AdjudicationRules:
        if self.on_disagreement == "third" and self.votes != 2:
            raise ValueError("a third vote breaks the tie of two; expected votes: 2")
        return self
