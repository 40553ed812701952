"""A number as a paper prints it: `19/116 (16.4%)`, `31.8 ± 10.59`, `0.44 (0.25 to 0.77)`.

Decides how a printed cell is read, and keeps its digits: `25.0%` says more than 25%.  What the numbers
are of is said by the outcome around them (`schema.py`).

```text
19/116 (16.4%)              events, n, percentage: all printed
19/116                      events and n
~83/181 (45.9%)             a count that was worked out from the percentage, and not printed
16.4%                       a percentage only
6/116 (5.2%; 3.66 per 100)  with the rate per 100 patient-years
10.6 per 100                a rate only; `2 per 100 mo` is per 100 patient-months
31.8 ± 10.59                mean and standard deviation
12 [6 to 12]                median and quartiles
```

A mapping says the same with more to it: `{events: 14, n: 181, n_printed: 81}`.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = ["Cell", "Interval", "Part", "Printed", "Status"]

Status = Literal["given", "derived", "summed", "percent_only", "rate_only"]
"""`given`: printed.  `derived`: a count worked out from a percentage.  `summed`: from printed parts."""


def _as_decimal(written: Any) -> Any:
    if isinstance(written, bool):
        raise ValueError("this is no number; expected digits, as printed")
    try:
        number = Decimal(str(written))
    except InvalidOperation:
        raise ValueError("this is no number; expected digits, as printed") from None
    if not number.is_finite():
        raise ValueError("this is no finite number; expected digits, as printed")
    return number


Printed = Annotated[Decimal, BeforeValidator(_as_decimal)]
"""A number with the digits it was printed with."""
NotNegative = Annotated[Printed, Field(ge=0)]


def _as_count(written: Any) -> Any:
    number = _as_decimal(written)
    if number < 0 or number != number.to_integral_value():
        raise ValueError("this is no count; expected a whole number, 0 or more")
    return int(number)


Count = Annotated[int, BeforeValidator(_as_count), Field(ge=0)]


class Part(BaseModel):
    """A part of the base: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Cell(Part):
    """What a paper says of one arm: counts, a percentage, a rate, or a mean.

    Attributes
    ----------
    events, n : int, optional
        Patients with the event, of how many.  Where `n` is not printed the arm's size stands for it.
    n_printed : int, optional
        The denominator as printed, where it cannot be right: `n` is then what it must be.
    percent : Decimal, optional
        As printed.
    percent_kind : str
        `crude`, or an estimate that need not be a whole number of patients.
    rate, person_years : Decimal, optional
        Events per 100 patient-years (or what `rate_per` says), and the patient-years, where printed.
    mean, sd, median, q1, q3, geometric_mean, lower, upper : Decimal, optional
    status : str
        How the count came about; worked out from what is there unless said.
    use : bool
        False: kept as printed, and never pooled; `note` says why.
    """

    events: Count | None = None
    n: Annotated[Count, Field(ge=1)] | None = None
    n_printed: Count | None = None
    percent: NotNegative | None = None
    percent_kind: Literal["crude", "kaplan_meier", "model"] = "crude"
    rate: NotNegative | None = None
    rate_per: Literal["100 patient-years", "100 patient-months"] = "100 patient-years"
    person_years: Annotated[Printed, Field(gt=0)] | None = None
    mean: Printed | None = None
    sd: NotNegative | None = None
    median: Printed | None = None
    q1: Printed | None = None
    q3: Printed | None = None
    geometric_mean: Annotated[Printed, Field(gt=0)] | None = None
    lower: Printed | None = None
    upper: Printed | None = None
    status: Status | None = None
    use: bool = True
    place: str = ""
    note: str = ""

    @model_validator(mode="before")
    @classmethod
    def _read_printed(cls, written: Any) -> Any:
        return _read_cell(written) if isinstance(written, str) else written

    @property
    def how(self) -> Status | None:
        """The status; None where the cell is no count."""
        if self.status is not None:
            return self.status
        if self.events is not None:
            return "given"
        if self.percent is not None:
            return "percent_only"
        return "rate_only" if self.rate is not None else None

    @property
    def printed_n(self) -> int | None:
        """The denominator that the paper shows."""
        return self.n if self.n_printed is None else self.n_printed

    @property
    def years(self) -> float | None:
        """Patient-years: printed, or what events and their rate per 100 imply."""
        if self.person_years is not None:
            return float(self.person_years)
        if self.events and self.rate:
            return (
                self.events / float(self.rate) * (100 if self.rate_per == "100 patient-years" else 100 / 12)
            )
        return None


_COUNT = re.compile(
    r"(?P<derived>~?)\s*(?P<events>[\d,.\-]+)\s*/\s*(?P<n>[\d,.\-]+)\s*(?:\((?P<inside>[^()]*)\))?"
)
_MEAN = re.compile(r"(?P<mean>-?[\d.]+)\s*(?:±|\+/-)\s*(?P<sd>[\d.]+)")
_MEDIAN = re.compile(r"(?P<median>-?[\d.]+)\s*\[\s*(?P<q1>-?[\d.]+)\s+to\s+(?P<q3>-?[\d.]+)\s*\]")
_PERCENT = re.compile(r"(?P<percent>-?[\d.]+)\s*%")
_RATE = re.compile(r"(?P<rate>-?[\d.]+)\s+per\s+100(?P<months>\s+mo)?")
_PLAIN = re.compile(r"(?P<mean>-?[\d.]+)")


def _read_cell(text: str) -> dict[str, Any]:
    """The parts of a printed cell by the names of `Cell`."""
    text = text.strip()
    if found := _COUNT.fullmatch(text):
        cell: dict[str, Any] = {"events": found["events"].replace(",", ""), "n": found["n"].replace(",", "")}
        if found["derived"]:
            cell["status"] = "derived"
        for piece in filter(None, (p.strip() for p in (found["inside"] or "").split(";"))):
            cell |= _named(piece, (_PERCENT, _RATE), text)
        return cell
    return _named(text, (_MEAN, _MEDIAN, _PERCENT, _RATE, _PLAIN), text)


def _named(piece: str, patterns: tuple[re.Pattern[str], ...], text: str) -> dict[str, Any]:
    for pattern in patterns:
        if found := pattern.fullmatch(piece):
            cell = {name: value for name, value in found.groupdict().items() if value is not None}
            return {**cell, "rate_per": "100 patient-months"} if cell.pop("months", None) else cell
    raise ValueError(f'"{text}" is not a cell; expected 19/116 (16.4%), 16.4%, 31.8 ± 10.59 or the like')


class Interval(Part):
    """An estimate and its limits, as printed: `0.44 (0.25 to 0.77)`."""

    value: Printed
    lower: Printed | None = None
    upper: Printed | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_printed(cls, written: Any) -> Any:
        if not isinstance(written, str):
            return written
        found = _INTERVAL.fullmatch(written.strip())
        if found is None:
            raise ValueError(f'"{written}" is no estimate; expected 0.44 (0.25 to 0.77), or 0.44 alone')
        return {name: value for name, value in found.groupdict().items() if value is not None}

    @model_validator(mode="after")
    def _limits_hold_the_value(self) -> Interval:
        if (self.lower is None) != (self.upper is None):
            raise ValueError("an estimate has one limit; expected both, or none")
        if self.lower is not None and self.upper is not None and not self.lower <= self.value <= self.upper:
            raise ValueError("the limits do not hold the estimate; expected lower, estimate, upper in order")
        return self

    def __str__(self) -> str:
        return f"{self.value}" if self.lower is None else f"{self.value} ({self.lower} to {self.upper})"


_INTERVAL = re.compile(r"(?P<value>-?[\d.]+)\s*(?:\(\s*(?P<lower>-?[\d.]+)\s+to\s+(?P<upper>-?[\d.]+)\s*\))?")
