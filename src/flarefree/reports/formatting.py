"""How a number is printed: every `Display` of `flarefree.results`, in one journal's manner.

Decides rounding, digits and signs; computes nothing.  The rules, and why, are in
`docs/reference/report.md` ("How numbers are printed").  Rounding is half away from zero, on the
decimal digits of the number's shortest `repr`: 2.675 is printed as 2.68, as a person would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext

from flarefree.results import Cell, Stat

__all__ = [
    "ABSENT",
    "NOT_ESTIMABLE",
    "NumberStyle",
    "format_cell",
    "format_count",
    "format_number",
    "format_p_value",
    "format_percent",
    "format_stat",
]

ABSENT = "—"
"""A statistic that does not exist."""

NOT_ESTIMABLE = "NE"
"""A confidence limit that does not exist, where the estimate does."""

MINUS = "−"
THIN = "\u2009"
NO_BREAK = "\u00a0"

COMMAS_FROM = 10_000  # 1000 without, 10,000 with a comma: the habit of medical journals
WHOLE_FROM = 1_000  # from here on decimals of an estimate say nothing


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """What the protocol says about print.

    Attributes
    ----------
    percent_digits : int
        Decimals of percentages.
    significance : float
        The level that rounding of a P value may not blur.
    """

    percent_digits: int = 1
    significance: float = 0.05


def round_half_away(value: float, digits: int) -> Decimal:
    """`value` to `digits` decimals, halves away from zero, on the digits of its `repr`."""
    with localcontext() as context:
        context.prec = 400  # any finite double has fewer digits before the point
        return Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def format_number(value: float | int | None, digits: int = 1) -> str:
    """`−12.30`, `1000`, `10,000`; `∞` where there is no bound; `—` for None."""
    if value is None:
        return ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else MINUS + "∞"
    rounded = round_half_away(value, max(digits, 0))
    if rounded == 0:
        rounded = abs(rounded)  # no minus before a zero
    commas = "," if abs(rounded) >= COMMAS_FROM else ""
    return f"{rounded:{commas}f}".replace("-", MINUS)


def format_count(value: float | int | None) -> str:
    """A whole number."""
    return format_number(value, 0)


def format_percent(value: float | None, digits: int = 1) -> str:
    """A percentage, without its sign, never rounded onto 0 or 100 that it is not."""
    if value is None:
        return ABSENT
    if value in (0.0, 100.0):
        return format_number(value, 0)
    step = Decimal(1).scaleb(-digits)
    rounded = round_half_away(value, digits)
    if rounded == 0 and value > 0:
        return f"<{step}"
    if rounded == 100 and value < 100:
        return f">{100 - step}"
    return format_number(value, digits)


def format_p_value(p: float | None, *, digits: int | None = None, significance: float = 0.05) -> str:
    """A P value as medical journals print it.

    Two decimals from 0.01, three below, `<0.001` below that; three where two would hide on which
    side of `significance` it lies; `>0.99` for what is not 1 but would round to it.  `digits`
    asks for a fixed number of decimals.
    """
    if p is None:
        return ABSENT
    if digits is not None:
        return _p_value_of_digits(p, digits)
    if p < 0.001:
        return "<0.001"
    if p < 0.01 and round_half_away(p, 3) < Decimal("0.010"):
        return format_number(p, 3)
    if round_half_away(p, 2) == 1:
        return "1.00" if p > 1 - 1e-9 else ">0.99"  # sums of probabilities reach 1 but for rounding
    if round_half_away(p, 2) == Decimal(repr(significance)) and p != significance:
        return _beside_significance(p, significance)
    return format_number(p, 2)


def _p_value_of_digits(p: float, digits: int) -> str:
    smallest = Decimal(1).scaleb(-digits)
    if Decimal(repr(p)) < smallest:
        return f"<{smallest}"
    if round_half_away(p, digits) == 1 and p <= 1 - 1e-9:
        return f">{1 - smallest}"
    return format_number(p, digits)


def _beside_significance(p: float, significance: float) -> str:
    """With as many decimals, three or four, as show on which side of the level it lies."""
    level = Decimal(repr(significance))
    for digits in (3, 4):
        if round_half_away(p, digits) != level:
            return format_number(p, digits)
    return f"{'<' if p < significance else '>'}{level}"


# Cells -------------------------------------------------------------------------------------------

DIGITS = {
    "number": 1,
    "mean_sd": 1,
    "mean_se": 1,
    "geometric_mean_sd": 1,
    "median_iqr": 1,
    "median_range": 1,
    "estimate_ci": 2,
    "rate": 1,
}
"""Decimals where the cell does not ask for others."""


def format_cell(cell: Cell, style: NumberStyle, *, column_n: int | None = None) -> str:
    """A cell as printed, in Unicode text.

    `column_n` is the N over its column: where a cell's own denominator differs, it is printed too,
    as `17/110 (15.5)`.
    """
    stats = cell.stats
    match cell.display:
        case "blank":
            return ""
        case "text":
            text = stats.get("text")
            return "" if text is None else str(text)
        case "count":
            return format_count(_number(stats, "n"))
        case "n_percent":
            return _n_percent(cell, style, column_n)
        case "n_percent_events":
            events = format_count(_number(stats, "events"))
            return f"{_n_percent(cell, style, column_n)}{NO_BREAK}[{events}]"
        case "n_of_total":
            return f"{format_count(_number(stats, 'n'))}/{format_count(_number(stats, 'total'))}"
        case "number":
            return format_number(_number(stats, "value"), _digits(cell))
        case "mean_sd" | "geometric_mean_sd":
            main = "mean" if cell.display == "mean_sd" else "geometric_mean"
            return _plus_minus(cell, main, "sd")
        case "mean_se":
            return _plus_minus(cell, "mean", "std_error")
        case "median_iqr":
            return _with_range(cell, "median", "q1", "q3")
        case "median_range":
            return _with_range(cell, "median", "min", "max")
        case "estimate_ci":
            return _estimate(cell)
        case "percent_ci":
            return _percent_limits(cell, style)
        case "rate":
            return _small(_number(stats, "rate"), _digits(cell))
        case "p_value":
            p = _number(stats, "p_value")
            return format_p_value(p, digits=cell.digits, significance=style.significance)


def format_stat(name: str, value: Stat, cell: Cell, style: NumberStyle) -> str:
    """One statistic of a cell by itself, as results' standards want it beside the raw value."""
    if value is None:
        return ABSENT
    if isinstance(value, str):
        return value
    if name == "p_value":
        return format_p_value(float(value), digits=cell.digits, significance=style.significance)
    if name == "percent":
        return format_percent(float(value), _percent_digits(cell, style))
    if isinstance(value, int) or name in {"n", "total", "events"}:
        return format_count(value)
    return format_number(value, _digits(cell))


def _number(stats: object, name: str) -> float | int | None:
    value = stats.get(name)  # type: ignore[attr-defined]
    return None if isinstance(value, str) else value


def _digits(cell: Cell) -> int:
    return DIGITS.get(cell.display, 2) if cell.digits is None else cell.digits


def _percent_digits(cell: Cell, style: NumberStyle) -> int:
    return style.percent_digits if cell.digits is None else cell.digits


def _n_percent(cell: Cell, style: NumberStyle, column_n: int | None) -> str:
    n, total, percent = (_number(cell.stats, key) for key in ("n", "total", "percent"))
    if n is None or total == 0:
        return ABSENT
    other_total = total is not None and column_n is not None and total != column_n
    count = format_count(n) + (f"/{format_count(total)}" if other_total else "")
    if n == 0 or percent is None:
        return count  # journals print 0 without its 0%
    return f"{count}{NO_BREAK}({format_percent(percent, _percent_digits(cell, style))})"


def _plus_minus(cell: Cell, main: str, spread: str) -> str:
    center, around = _number(cell.stats, main), _number(cell.stats, spread)
    if center is None:
        return ABSENT
    text = format_number(center, _digits(cell))
    return text if around is None else f"{text}{THIN}±{THIN}{format_number(around, _digits(cell))}"


def _with_range(cell: Cell, main: str, low: str, high: str) -> str:
    center = _number(cell.stats, main)
    if center is None:
        return ABSENT
    text = format_number(center, _digits(cell))
    ends = [_number(cell.stats, low), _number(cell.stats, high)]
    if all(end is None for end in ends):
        return text
    dash = f"{NO_BREAK}to{NO_BREAK}" if any(end is not None and end < 0 for end in ends) else "–"
    return f"{text}{NO_BREAK}({dash.join(format_number(end, _digits(cell)) for end in ends)})"


def _estimate(cell: Cell) -> str:
    center = _number(cell.stats, "estimate")
    if center is None:
        return ABSENT
    digits = _digits(cell)
    limits = [_number(cell.stats, "conf_low"), _number(cell.stats, "conf_high")]
    return _small(center, digits) + _limits([None if v is None else _small(v, digits) for v in limits])


def _percent_limits(cell: Cell, style: NumberStyle) -> str:
    center = _number(cell.stats, "percent")
    digits = _percent_digits(cell, style)
    limits = [_number(cell.stats, "conf_low"), _number(cell.stats, "conf_high")]
    if center is None:
        return ABSENT
    return format_percent(center, digits) + _limits(
        [None if v is None else format_percent(v, digits) for v in limits]
    )


def _limits(ends: list[str | None]) -> str:
    if all(end is None for end in ends):
        return ""
    low, high = (NOT_ESTIMABLE if end is None else end for end in ends)
    return f"{NO_BREAK}({low}{NO_BREAK}to{NO_BREAK}{high})"


def _small(value: float | int | None, digits: int) -> str:
    """A ratio or rate: what is above 0 is not printed as 0.00; thousands lose their decimals."""
    if value is None or math.isinf(value):
        return format_number(value, digits)
    if value > 0 and digits > 0 and round_half_away(value, digits) == 0:
        return f"<{Decimal(1).scaleb(-digits)}"
    return format_number(value, 0 if abs(value) >= WHOLE_FROM else digits)
