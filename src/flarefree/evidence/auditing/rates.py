"""Rates against events and person-time (docs/methods/audit.md, section Rates)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from flarefree.evidence.auditing.findings import Checked, Finding, finding_at
from flarefree.evidence.auditing.printed import Printed
from flarefree.evidence.auditing.rows import PrintedRow
from flarefree.evidence.auditing.sheet import Sheet, grouped

__all__ = ["check_person_time_of_follow_up", "check_rates", "check_shared_person_time"]

RATE, SHARED, FOLLOW_UP = (
    "rate of events and person-time",
    "one person-time an arm",
    "person-time of follow-up",
)
MANY_ROWS = 5
CLEAR = Fraction(5, 100)

Interval = tuple[Fraction, Fraction]


def _between(printed: Printed) -> Interval:
    return max(printed.low, Fraction(0)), printed.high


def check_rates(sheet: Sheet) -> Checked:
    """A rate is events over person-time, times 100 (or what the rate is per)."""
    cells = [r for r in sheet.cells if r.rate is not None and r.rate.is_exact and r.events is not None]
    able = [r for r in cells if r.person_time is not None or r.events == 0]
    findings = [_wrong_rate(row) for row in able if not _rate_fits(row)]
    return Checked(RATE, len(cells), len(able), tuple(findings))


def _rate_fits(row: PrintedRow) -> bool:
    rate, events = row.rate, row.events
    assert rate is not None and events is not None  # only such rows come here
    if events == 0:
        return rate.value == 0
    low, high = _between(row.person_time)  # type: ignore[arg-type]
    per = Fraction(row.rate_per)
    slack = Fraction(1, 10**9)
    return rate.low * low <= per * events + slack and (per * events <= rate.high * high + slack)


def _wrong_rate(row: PrintedRow) -> Finding:
    rate, events, time = row.rate, row.events, row.person_time
    assert rate is not None and events is not None  # only such rows come here
    if not events or time is None:
        why, ways = f"no events, and a rate of {rate}", "a count lost in print"
    else:
        expected = row.rate_per * events / float(time) if time.value else float("inf")
        why = f"{row.rate_per:g} x {events} / {time} = {expected:.4g}"
        implied = row.rate_per * events / float(rate) if rate.value else float("inf")
        ways = f"{implied:.1f} of person-time, or {float(rate) * float(time) / row.rate_per:.2f} events"
        if time.value and rate.value:
            ratio = expected / float(rate)
            units = {
                12: "months for years",
                1 / 12: "years for months",
                10: "another `per`",
                0.1: "another `per`",
            }
            ways += "".join(f"; {word}" for k, word in units.items() if abs(ratio / k - 1) < 0.02)
    return finding_at(
        row,
        "rate",
        RATE,
        f"a rate of {rate} does not follow from {events} events"
        + (f" in {time}" if time is not None else ""),
        why=why,
        certainty="certain",
        because="a division, rounding allowed for",
        reconcile=ways,
    )


def check_shared_person_time(sheet: Sheet) -> Checked:
    """Rates of several outcomes in one arm: is there one person-time that all of them can come from?"""
    cells = [
        r for r in sheet.cells if r.events and r.rate is not None and r.rate.is_exact and r.rate.value > 0
    ]
    arms = grouped(cells, lambda r: (r.study, r.source, r.arm, r.period, r.population, r.rate_per))
    findings, examined = [], 0
    for rows in arms.values():
        if len(rows) < 2:
            continue
        examined += len(rows)
        if _common(rows) is None:
            findings.append(_no_common(rows))
    return Checked(SHARED, examined, examined, tuple(findings))


def _implied(row: PrintedRow) -> Interval:
    """Person-time that a rate and its events imply."""
    rate, per = row.rate, Fraction(row.rate_per) * (row.events or 0)
    assert rate is not None  # only such rows come here
    return per / rate.high, per / rate.low if rate.low > 0 else Fraction(10**12)


def _common(rows: Sequence[PrintedRow]) -> Interval | None:
    low = max(_implied(row)[0] for row in rows)
    high = min(_implied(row)[1] for row in rows)
    return (low, high) if low <= high else None


def _no_common(rows: Sequence[PrintedRow]) -> Finding:
    """The row without which the others agree, if there is one; else the two that are furthest apart."""
    odd, rest = rows[-1], None
    for i, row in enumerate(rows):
        others = [*rows[:i], *rows[i + 1 :]]
        if len(others) > 1 and (common := _common(others)) is not None:
            odd, rest = row, common
            break
    low, high = _implied(odd)
    ends = [_implied(row) for row in rows if row is not odd]
    others_low, others_high = rest or (max(e[0] for e in ends), min(e[1] for e in ends))
    distance = max(low - max(others_low, others_high), min(others_low, others_high) - high, Fraction(0))
    clear = rest is not None and len(rows) > MANY_ROWS and distance > CLEAR * low
    implied = float(others_low + others_high) / 2
    return finding_at(
        odd,
        "rate",
        SHARED,
        f"{odd.events} events at a rate of {odd.rate} ask for another person-time than the arm's other rates",
        why=f"this rate implies {float(low):.1f} to {float(high):.1f}, the others {implied:.1f}",
        certainty="likely" if clear else "possible",
        because="time at risk may end at the first event, and so differ from outcome to outcome",
        reconcile=f"a rate of {odd.rate_per * (odd.events or 0) / implied:.2f}, "
        f"or {float(odd.rate or 0) * implied / odd.rate_per:.1f} events",
        others=[row for row in rows if row is not odd],
    )


def check_person_time_of_follow_up(sheet: Sheet) -> Checked:
    """Person-time is the number of patients times their mean follow-up (in the same unit)."""
    cells = [r for r in sheet.cells if r.person_time is not None and r.follow_up is not None and r.n]
    findings = [_wrong_time(row) for row in cells if not _time_fits(row)]
    return Checked(FOLLOW_UP, len(cells), len(cells), tuple(findings))


def _time_fits(row: PrintedRow) -> bool:
    low, high = _between(row.follow_up)  # type: ignore[arg-type]
    least, most = _between(row.person_time)  # type: ignore[arg-type]
    n = row.n or 0
    return any(n * low <= most * k and least * k <= n * high for k in (1, 12))


def _wrong_time(row: PrintedRow) -> Finding:
    expected = (row.n or 0) * float(row.follow_up or 0)
    return finding_at(
        row,
        "person_time",
        FOLLOW_UP,
        f"{row.n} patients followed for {row.follow_up} on average make {expected:.4g}, "
        f"printed {row.person_time}",
        why=f"{row.n} x {row.follow_up} = {expected:.4g}; neither years nor months make it {row.person_time}",
        certainty="possible",
        because="`follow_up` may be a median, or person-time may end at the first event",
        reconcile=f"a mean follow-up of {float(row.person_time or 0) / (row.n or 1):.3g}",
    )
