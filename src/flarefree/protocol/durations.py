"""Durations as a protocol writes them: `14 days`, `2 weeks`, `18 months`, `3 years`."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from flarefree.studytime import DAYS_PER_MONTH, DAYS_PER_YEAR

__all__ = ["LONGEST_DAYS", "parse_days"]

_DAYS = {"day": 1.0, "week": 7.0, "month": DAYS_PER_MONTH, "year": DAYS_PER_YEAR}
_N = TypeVar("_N", int, float)
LONGEST_DAYS = 36_525  # days; a slip of the pen beyond, and no day number of 32 bits at last


def parse_days(written: Any) -> int:
    """Whole days of a duration, at most a hundred years; months and years are rounded to the nearest day."""
    if isinstance(written, int) and not isinstance(written, bool):
        return _possible(written, written)
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(day|week|month|year)s?\s*", str(written))
    if match is None:
        raise ValueError(f'expected a duration such as "14 days" or "18 months", found {written!r}')
    return round(_possible(float(match[1]) * _DAYS[match[2]], written))


def _possible(days: _N, written: Any) -> _N:
    if days < 0:
        raise ValueError(f"expected a number of days, not fewer than none, found {str(written)[:40]!r}")
    if days > LONGEST_DAYS:
        raise ValueError(f"expected at most a hundred years, found {str(written)[:40]!r}")
    return days
