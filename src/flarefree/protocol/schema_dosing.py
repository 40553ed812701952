"""How doses are given and changed: look-alike products, steps, interruptions, troughs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from flarefree.protocol.schema_parts import Count, Days, Number, Part, Positive, SomeDays, Words

__all__ = ["Contact", "DoseRules", "Product"]

_StepShare = Annotated[Number, Field(gt=0, le=1)]
_TemporaryShare = Annotated[Number, Field(ge=0, lt=1)]


class Product(Part):
    """One of the products that every patient takes: a study drug, or the placebo that looks like it."""

    drug: Words
    label: Words
    tablets: tuple[Words, ...] = Field(min_length=1)
    times_per_day: Annotated[Count, Field(le=4)] = 1
    highest: str = ""


class DoseRules(Part):
    """Dose changes that the protocol allows; conduct acts on them, analysis reports departures."""

    low_weight_kg: Positive | None = None
    longest_interruption: Days | None = None
    changes: str = ""
    products: tuple[Product, ...] = ()
    steps: tuple[_StepShare, ...] = (1.0,)
    temporary_steps: tuple[_TemporaryShare, ...] = (0.0,)
    escalate_after: Days | None = None
    prednisone_ceiling: str = Field("", description="Highest allowed dose, such as `10 mg/day`.")
    glucocorticoids: tuple[str, ...] = ()
    prohibited: tuple[str, ...] = ()
    interacting: tuple[str, ...] = ()
    needs_approval: tuple[str, ...] = ()
    trough_window: str = Field("", description="Such as `4 to 8 ng/mL`, of `trough_measure`.")
    trough_measure: str = ""
    trough_drug: str = ""
    trough_hours: tuple[Positive, Positive] = (10.0, 14.0)
    trough_steady_after: Days = 3
    trough_until: Days | None = None

    @model_validator(mode="after")
    def _goes_down(self) -> DoseRules:
        for name, shares in (("steps", self.steps), ("temporary_steps", self.temporary_steps)):
            if list(shares) != sorted(set(shares), reverse=True):
                raise ValueError(f"{name} are shares of the target, each below the one before")
        if not self.steps or self.steps[0] != 1:
            raise ValueError("the first of the steps is the target itself; expected steps: [1, ...]")
        if self.trough_hours[0] > self.trough_hours[1]:
            raise ValueError("trough_hours: expected the lower limit first")
        return self


class Contact(Part):
    """A contact that is no visit: telephone, safety follow-up, vital status."""

    name: Words
    every: SomeDays | None = None
    every_months: Annotated[Count, Field(le=120)] | None = None
    until: Days | None = None
    after_last_visit: Days | None = None
    window: Days = 7
    of: Literal["on_study", "completed", "stopped", "everybody"] = "on_study"
    met_by_visit: bool = False
    purpose: str = ""

    @model_validator(mode="after")
    def _has_one_rhythm(self) -> Contact:
        given = [k for k in ("every", "every_months", "after_last_visit") if getattr(self, k) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of every, every_months, after_last_visit (found {given})")
        return self
