"""Study days, months and windows.

Day 1 is the day of randomization and the day before it is day -1: there is no day 0.  A month is
30.4375 days.  Intervals of time are (start, stop].
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["DAYS_PER_MONTH", "DAYS_PER_YEAR", "elapsed_days", "month_day", "study_day"]

DAYS_PER_MONTH = 30.4375
DAYS_PER_YEAR = 365.25


def study_day(when: date, day_one: date) -> int:
    """The study day of a date: 1 on `day_one`, -1 on the day before it."""
    difference = (when - day_one).days
    return difference + 1 if difference >= 0 else difference


def elapsed_days(first: npt.NDArray[np.int32], last: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Calendar days from study day `first` to study day `last`, minding the missing day 0.

    Both have shape (n,).  Day -1 to day 1 is one day.
    """
    return (_ordinal(last) - _ordinal(first)).astype("int32")


def _ordinal(day: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    import numpy as np  # protocols read durations through this module, and need no arrays

    return np.where(day > 0, day - 1, day).astype(np.int32)


def month_day(month: float) -> int:
    """The study day on which a month's visit is planned: month 0 is day 1, month 3 is day 92."""
    return 1 + round(month * DAYS_PER_MONTH)
