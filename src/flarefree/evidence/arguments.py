"""Arguments of public functions: a flag is True or False, a share lies between 0 and 1, a name is a text.

Python takes `hartung_knapp="no"` as true; a statistician who writes that must hear of it.
"""

from __future__ import annotations

import math
from typing import Any, SupportsFloat

from flarefree.errors import EvidenceError

__all__ = ["as_number", "require_flag", "require_level", "require_no_less_than_zero", "require_whole"]


def require_flag(argument: str, value: Any) -> None:
    """True or False, NumPy's too."""
    if not (isinstance(value, bool) or type(value).__name__ == "bool_" or type(value).__name__ == "bool"):
        raise EvidenceError(
            "this is neither yes nor no", where=argument, found=repr(value), expected="True or False"
        )


def require_level(value: Any, argument: str = "conf_level") -> None:
    """A confidence level between 0 and 1."""
    if not 0.0 < as_number(value) < 1.0 or 0.5 + float(value) / 2 >= 1.0:
        raise EvidenceError(
            "a confidence level lies between 0 and 1",
            where=argument,
            found=repr(value),
            expected="0 to 1: 0.95, say",
        )


def require_no_less_than_zero(argument: str, value: Any, what: str) -> None:
    """A finite number, 0 or more."""
    number = as_number(value)
    if not (number >= 0.0 and math.isfinite(number)):
        raise EvidenceError(
            f"{what} is no less than 0", where=argument, found=repr(value), expected="a number, 0 or more"
        )


def require_whole(argument: str, value: Any, least: int, most: int) -> None:
    """A whole number from `least` to `most`."""
    number = as_number(value)
    if not (least <= number <= most and number == int(number)) or isinstance(value, float):
        raise EvidenceError(
            "this is no whole number in the range",
            where=argument,
            found=repr(value),
            expected=f"{least} to {most}",
        )


def as_number(value: Any) -> float:
    """The value as a number; NaN, which no comparison lets pass, where it is none."""
    if isinstance(value, bool | str | bytes) or not isinstance(value, SupportsFloat):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
