"""Dates a second way, for check V1: day numbers and changes of clocks from their printed rules alone.

Nothing here uses `datetime`'s calendar or a database of zones, so that a fault in either shows.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["RULES", "civil", "days", "local_day", "month_later"]

Civil = tuple[int, int, int]


def days(year: int, month: int, day: int) -> int:
    """Days since March 1 of the year 0, by counting years of 365 days and their leap days."""
    months = (month + 9) % 12  # from March
    y = year - (month <= 2)
    return 365 * y + y // 4 - y // 100 + y // 400 + (306 * months + 5) // 10 + day - 1


def civil(number: int) -> Civil:
    """The date of a day number, found by trying years and months."""
    year = number * 400 // 146_097
    while days(year + 1, 1, 1) <= number:
        year += 1
    while days(year, 1, 1) > number:
        year -= 1
    month = max(m for m in range(1, 13) if days(year, m, 1) <= number)
    return year, month, number - days(year, month, 1) + 1


EPOCH = days(1970, 1, 1)


def month_later(date: Civil, months: int) -> Civil:
    """The same day some months later, or the last before the month after that."""
    year, month, day = date
    for _ in range(months):
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    after = (year + 1, 1, 1) if month == 12 else (year, month + 1, 1)
    length = days(*after) - days(year, month, 1)
    return year, month, day if day <= length else length


def _sunday(year: int, month: int, nth: int) -> int:
    """The day number of the nth Sunday of a month; -1 is the last.  Day number 0 was a Wednesday."""
    first = days(year, month, 1)
    after = (year + 1, 1, 1) if month == 12 else (year, month + 1, 1)
    sundays = [n for n in range(first, days(*after)) if (n + 3) % 7 == 0]
    return sundays[nth if nth < 0 else nth - 1]


def _minute(day: int, minutes: int) -> int:
    """Minutes since 1970 of a day number and minutes of UTC."""
    return (day - EPOCH) * 1440 + minutes


def _fixed(offset: int) -> Callable[[int], int]:
    return lambda minute: offset


def _european(standard: int) -> Callable[[int], int]:
    """Summer from the last Sunday of March to that of October, at one o'clock UTC."""

    def offset(minute: int) -> int:
        year = civil(minute // 1440 + EPOCH)[0]
        begin, end = (_minute(_sunday(year, month, -1), 60) for month in (3, 10))
        return standard + 60 * (begin <= minute < end)

    return offset


def _american(standard: int) -> Callable[[int], int]:
    """From the second Sunday of March to the first of November, at two by the clock of the place."""

    def offset(minute: int) -> int:
        year = civil((minute + standard) // 1440 + EPOCH)[0]
        begin = _minute(_sunday(year, 3, 2), 120 - standard)
        end = _minute(_sunday(year, 11, 1), 60 - standard)  # two o'clock of summer time
        return standard + 60 * (begin <= minute < end)

    return offset


def _southern(standard: int, saving: int, at: tuple[int, int]) -> Callable[[int], int]:
    """Standard time from the first Sunday of April to that of October; `at`: UTC minutes of those days."""

    def offset(minute: int) -> int:
        year = civil((minute + standard) // 1440 + EPOCH)[0]
        winter, summer = _minute(_sunday(year, 4, 1), at[0]), _minute(_sunday(year, 10, 1), at[1])
        return standard if winter <= minute < summer else standard + saving

    return offset


RULES: dict[str, Callable[[int], int]] = {
    "Etc/UTC": _fixed(0),
    "Pacific/Kiritimati": _fixed(14 * 60),
    "Etc/GMT-14": _fixed(14 * 60),
    "Etc/GMT+12": _fixed(-12 * 60),
    "Pacific/Pago_Pago": _fixed(-11 * 60),
    "Asia/Kolkata": _fixed(330),
    "Asia/Kathmandu": _fixed(345),
    "Asia/Shanghai": _fixed(480),
    "Europe/Paris": _european(60),
    "Europe/London": _european(0),
    "America/Toronto": _american(-300),
    "America/Los_Angeles": _american(-480),
    "America/St_Johns": _american(-210),
    # at three of summer time, at two of standard time: 16:00 of the day before, in UTC
    "Australia/Sydney": _southern(600, 60, (-480, -480)),
    # half an hour: at two of summer time (+11:00), at two of standard time (+10:30)
    "Australia/Lord_Howe": _southern(630, 30, (-540, -510)),
}
"""Offset from UTC in minutes, at a minute since 1970; rules as in force from 2008 on."""


def local_day(zone: str, minute: int) -> int:
    """The day number at a place."""
    return (minute + RULES[zone](minute)) // 1440 + EPOCH
