"""Numbers and names of the record as people say them."""

from __future__ import annotations

import math

__all__ = ["calm", "in_words"]


def in_words(value: str, unit: str) -> str:
    """A duration as people say it: 0.606 years is 7 months, 2.3619 years is 2.4 years.

    What is no number, or no duration, stays as it was written, with its unit.
    """
    try:
        number = float(value)
    except ValueError:
        return value
    if unit != "years" or not math.isfinite(number):
        return f"{value} {unit}".strip()
    if abs(number) >= 2:
        return f"{number:.1f}".removesuffix(".0") + " years"
    months = round(number * 12)
    return f"{months} month{'s' * (months != 1)}"


def calm(text: str) -> str:
    """A word that was shouted, as laboratories and dictionaries do, in ordinary letters; codes stay."""
    is_shouted = text.isupper() and len(text) > 4 and not any(letter.isdigit() for letter in text)
    return text.capitalize() if is_shouted else text
