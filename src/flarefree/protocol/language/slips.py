"""Slips that people make when they write sentences, and what they meant.

Asked only of a sentence that cannot be read, at the place where reading stopped: a table of what may
stand there, what is wrong with it and what to write instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Slip", "find_slip"]


@dataclass(frozen=True, slots=True)
class Slip:
    """A slip at some place of a sentence: what is wrong, and what to write instead."""

    start: int
    stop: int
    message: str
    try_: str


_NUMBER = r"\d+(?:\.\d+)?"

_SLIPS = (
    # (what stands there, what is wrong, what to write), the place being within or just behind the match
    (r"=\s*>|=\s+<", "this is no comparison", "write >= for at least, <= for at most"),
    (r"=<", "this is no comparison", "write <= for at most"),
    (r"!\s*(?!=)", "! has no meaning here", "write not, or != for unlike"),
    (r"&&?", "& has no meaning here", "write and"),
    (r"\|\|?", "| has no meaning here", "write or"),
    (r";", "; has no meaning here", "join conditions with and, or"),
    (
        rf"(?:for|within|to)\s+{_NUMBER}\s*\)",
        "a length of time needs its unit",
        "write days, weeks or months: for 28 days",
    ),
    (r"(\d+),(\d+)", "a decimal comma", "write a decimal point: 1.5 mg/dL"),
    (
        r"\bbetween\s+[\d.]+.*?\band\s+[\d.]+",
        "between is not a word of this language",
        "write both limits: x >= 1 g/day and x <= 2 g/day",
    ),
    (
        r"\b(?:greater|more|higher|above|over|exceeds)\b(?:\s+than)?",
        "a comparison is written as a sign",
        "write > for more than, >= for at least",
    ),
    (
        r"\b(?:less|lower|fewer|below|under)\b(?:\s+than)?",
        "a comparison is written as a sign",
        "write < for less than, <= for at most",
    ),
    (
        r"\bif\b.*?\bthen\b",
        "a condition is written without if and then",
        "write the condition itself: creatinine > 2 mg/dL; a choice is (1 g/day if x > 2 else 2 g/day)",
    ),
    (
        rf"({_NUMBER})\s*%\s*(?:of\s+)?\w+",
        "a percentage of a value is written as a product",
        "write 0.25 * baseline(creatinine) for 25% of it",
    ),
    (
        r"\b(?:for|within)\s+\d",
        "a comma is missing before for, within",
        "write sustained(x, for 28 days), confirmed(x, within 14 to 42 days)",
    ),
)


def find_slip(text: str, position: int) -> Slip | None:
    """The slip that begins at or before a place of the sentence and reaches it, if it is a known one.

    Parameters
    ----------
    text : str
        The sentence, which cannot be read.
    position : int
        Where reading stopped.
    """
    for pattern, message, try_ in _SLIPS:
        for match in re.finditer(pattern, _without_quotes(text), re.IGNORECASE):
            if match.start() <= position <= match.end():
                return Slip(match.start(), match.end(), message, try_)
    return None


def _without_quotes(text: str) -> str:
    """The sentence with quoted text blanked, each character in its place."""
    return re.sub(r'"[^"]*"?', lambda found: " " * len(found.group()), text)
