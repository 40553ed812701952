"""A number as it was printed: its text, its decimals, and the values that it may stand for.

"25.6" stands for everything from 25.55 to 25.65, both ends included: a half may have been rounded up or to
the even digit, and the audit must not accuse one convention of breaking the other.  Ends are fractions, so
that no comparison hangs on binary dust.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

__all__ = ["NOT_SIGNIFICANT", "Printed", "is_blank", "plain_text", "read_printed"]

NOT_SIGNIFICANT = Fraction(5, 100)
MOST_DECIMALS = 9  # a figure with more is a computed one; beyond this only its binary dust would be judged
DUST = 1e-9
LONGEST = 40  # no table prints a number of more characters

_NUMBER = re.compile(r"^([<>=≤≥]{0,2})\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*%?$")
_DECIMAL_COMMA = re.compile(r"^\D*0+,")
_BLANKS = frozenset({"", "-", "–", "—", ".", "na", "n/a", "nan", "null", "none", "nr", "…", "..."})
_NS = frozenset({"ns", "n.s.", "n.s", "not significant", "nonsignificant", "non-significant"})
_SAME = {"−": "-", "–": "-", "·": ".", "‐": "-", "\u00a0": " ", "\u2009": " ", "\u202f": " "}
_MARKS = "*†‡§¶#|"


@dataclass(frozen=True, slots=True)
class Printed:
    """A printed number.

    Attributes
    ----------
    text : str
        As it stood.
    value : Fraction
        The number, or the bound that stands after `<` or `>`.
    decimals : int
        Digits after the point; negative where a number of thousands has none to show.
    relation : str
        `=`, `<` or `>`.
    """

    text: str
    value: Fraction
    decimals: int
    relation: str = "="

    @property
    def half_unit(self) -> Fraction:
        """Half of the last digit printed."""
        return Fraction(1, 2) * Fraction(10) ** -self.decimals

    @property
    def low(self) -> Fraction:
        """The least value that prints so (for `=`)."""
        return self.value - self.half_unit

    @property
    def high(self) -> Fraction:
        """The largest value that prints so (for `=`)."""
        return self.value + self.half_unit

    @property
    def is_exact(self) -> bool:
        """Whether it is a number, and no bound such as `<0.01`."""
        return self.relation == "="

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        return self.text

    def admits(self, value: float) -> bool:
        """Whether `value` would print so, by either rule for halves."""
        if math.isnan(value):
            return False
        dust = DUST * max(1.0, abs(value))
        if self.relation == "<":
            return value < float(self.value) + dust
        if self.relation == ">":
            return value > float(self.value) - dust
        return float(self.low) - dust <= value <= float(self.high) + dust

    def cut_off_admits(self, value: float) -> bool:
        """Whether `value` would print so if digits were cut off, not rounded."""
        unit = 2 * float(self.half_unit)
        return self.is_exact and float(self.value) <= value < float(self.value) + unit


def is_blank(value: Any) -> bool:
    """Whether a cell says nothing: empty, a dash, NaN, `NR`."""
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str) and plain_text(value).lower() in _BLANKS


def plain_text(value: Any) -> str:
    """The text of a cell, with the typographer's minus, middle dot and thin spaces made plain."""
    text = _written(value)
    for fancy, plain in _SAME.items():
        text = text.replace(fancy, plain)
    return text.strip().strip(_MARKS).strip().removesuffix("%").strip()


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        # A number that came as a float has lost its trailing zeros: judge it by the digits it still has.
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else format(value, ".12g")
    return str(value)


def read_printed(value: Any) -> Printed | None:
    """A number from a cell; None where the text is none.  Blank cells are the caller's to skip."""
    text = plain_text(value)
    if text.lower() in _NS:
        return Printed(text, NOT_SIGNIFICANT, 2, ">")
    text = re.sub(r"^[pP]\s*(?:=\s*|(?=[<>≤≥]))", "", text)
    # 1,250 has a thousand; 0,056 has a decimal comma, and is no 56
    bare = re.sub(r"(?<=\d),(?=\d{3}(?:\D|$))", "", text) if not _DECIMAL_COMMA.match(text) else text
    found = _NUMBER.match(bare)
    if found is None or len(bare) > LONGEST or not math.isfinite(float(found[2])):
        return None
    sign, digits = found.groups()
    relation = "<" if "<" in sign or "≤" in sign else ">" if ">" in sign or "≥" in sign else "="
    number = Fraction(digits)
    return Printed(text, number, min(_decimals(digits), MOST_DECIMALS), relation)


def _decimals(digits: str) -> int:
    mantissa, _, exponent = digits.lower().partition("e")
    places = len(mantissa.partition(".")[2])
    return places - int(exponent) if exponent else places
