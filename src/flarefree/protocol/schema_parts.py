"""What every part of a protocol is, and the numbers and words that it is made of.

Parts are frozen, without unknown keys, with room for a note.  Numbers have their limits in their types, so
that the JSON Schema has them too; what is said of one beyond them is in `schema_errors.py`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from flarefree.protocol.durations import LONGEST_DAYS, parse_days

__all__ = [
    "BLANK", "Color", "Count", "Days", "Digits", "Limits", "Months", "Name", "Number", "Part", "Positive",
    "Share", "SomeDays", "StudyDay", "Words",
]  # fmt: skip

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Days = Annotated[int, BeforeValidator(parse_days)]
"""A number of days, written `14 days`, `2 weeks` or `18 months`."""
SomeDays = Annotated[Days, Field(gt=0)]
"""The same, at least one day."""

BLANK = r"\S"
Words = Annotated[str, Field(pattern=BLANK)]
"""Text that is there: a label without words cannot be read, and a code without them fits every gap."""
Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


def _require_number(written: Any) -> Any:
    if isinstance(written, bool):
        raise ValueError("this is no number; expected digits, not true or false")
    if isinstance(written, str) and not written.isascii():
        raise ValueError("this number is not written in figures that are read; expected the digits 0 to 9")
    return written


_is_number = BeforeValidator(_require_number)


def _require_day(day: int) -> int:
    if day == 0:
        raise ValueError("there is no day 0; expected day 1 or later, or day -1 or earlier")
    return day


def _require_order(limits: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    low, high = limits
    if low is not None and high is not None and low > high:
        raise ValueError("the lower limit is above the upper; expected the lower limit first")
    return limits


Number = Annotated[float, _is_number, Field(allow_inf_nan=False)]
Positive = Annotated[float, _is_number, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, _is_number, Field(gt=0, lt=1, allow_inf_nan=False)]
"""Between 0 and 1, neither of them: alpha, power, the share expected to fail."""
Months = Annotated[float, _is_number, Field(gt=0, le=1200, allow_inf_nan=False)]
Count = Annotated[int, _is_number, Field(ge=1)]
Digits = Annotated[int, _is_number, Field(ge=0, le=10)]
"""Digits after the decimal point."""
StudyDay = Annotated[int, _is_number, Field(ge=-LONGEST_DAYS, le=LONGEST_DAYS), AfterValidator(_require_day)]
"""Day 1 is the day of randomization, the day before is day -1."""
Limits = Annotated[tuple[Number | None, Number | None], AfterValidator(_require_order)]
"""A lower and an upper limit; an open side is null."""


class Part(BaseModel):
    """A part of a protocol: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    note: str = Field("", description="What the source leaves open, and what was chosen.")
