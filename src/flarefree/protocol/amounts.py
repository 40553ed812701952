"""Amounts of drugs as a protocol writes them: `2 g/day`, `2 mg/kg/day`, `500 mg`, `4 to 8 ng/mL`; exact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from flarefree.units import conversion_factor, normalize_unit

__all__ = ["DailyDose", "Window", "parse_daily_dose", "parse_strength", "parse_window"]

_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(\S+)\s*")
_WINDOW = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*to\s*([0-9]+(?:\.[0-9]+)?)\s*(\S.*?)\s*")


@dataclass(frozen=True, slots=True)
class DailyDose:
    """A dose a day, in mg, or in mg for each kg of weight."""

    mg: Fraction
    is_per_kg: bool

    def mg_for(self, weight_kg: Fraction) -> Fraction:
        """Milligrams a day of somebody of this weight."""
        return self.mg * weight_kg if self.is_per_kg else self.mg


@dataclass(frozen=True, slots=True)
class Window:
    """A range of values, both ends counted, in one unit."""

    low: float
    high: float
    unit: str


def parse_daily_dose(written: str) -> DailyDose:
    """A daily dose; ValueError, with what was expected, where it is none."""
    number, unit = _parts(written, 'expected a daily dose such as "2 g/day" or "2 mg/kg/day"')
    for target, per_kg in (("mg/day", False), ("mg/kg/day", True)):
        factor = conversion_factor(unit, target)
        if factor is not None:
            return DailyDose(number * Fraction(factor.numerator, factor.denominator), per_kg)
    raise ValueError(f'expected a daily dose such as "2 g/day" or "2 mg/kg/day", found {written!r}')


_MG = {"g": Fraction(1000), "mg": Fraction(1), "ug": Fraction(1, 1000)}


def parse_strength(written: str) -> Fraction:
    """Milligrams of one tablet; ValueError where it is none."""
    number, unit = _parts(written, 'expected a strength such as "500 mg"')
    if unit not in _MG or not number:
        raise ValueError(f'expected a strength such as "500 mg", found {written!r}')
    return number * _MG[unit]


def parse_window(written: str) -> Window:
    """A range of values with their unit; ValueError where it is none."""
    match = _WINDOW.fullmatch(written)
    unit = normalize_unit(match[3]) if match else None
    if match is None or unit is None or float(match[1]) > float(match[2]):
        raise ValueError(f'expected a window such as "4 to 8 ng/mL", found {written!r}')
    return Window(float(match[1]), float(match[2]), unit)


def _parts(written: str, expected: str) -> tuple[Fraction, str]:
    match = _AMOUNT.fullmatch(written)
    if match is None:
        raise ValueError(f"{expected}, found {written!r}")
    return Fraction(match[1]), match[2]
