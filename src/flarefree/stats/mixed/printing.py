"""Plain tables for a result's repr."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["format_frame", "format_p", "format_significant"]


def format_significant(values: Sequence[float | None], digits: int = 4) -> list[str]:
    """Numbers with as many decimals as show the smallest to `digits` significant ones, at most 6."""
    sizes = [abs(v) for v in values if v is not None and math.isfinite(v) and v != 0]
    if not sizes:
        decimals = 1
    else:
        decimals = min(max(digits - 1 - math.floor(math.log10(sorted(sizes)[len(sizes) // 2])), 0), 6)
    return [_format(v, decimals) for v in values]


def _format(value: float | None, decimals: int) -> str:
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return f"{value:.{decimals}f}"


def format_p(p: float | None) -> str:
    """A p value to four decimals, and `<0.0001` below."""
    if p is None or math.isnan(p):
        return "-"
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def format_frame(columns: Sequence[tuple[str, Sequence[str], bool]]) -> list[str]:
    """Lines of a table; a column is its heading, its cells, and whether it is set to the right."""
    widths = [max([len(head), *map(len, cells)]) for head, cells, _ in columns]
    lines = ["  ".join(_pad(head, w, right) for (head, _, right), w in zip(columns, widths))]
    for row in range(len(columns[0][1])):
        cells = [_pad(cells[row], w, right) for (_, cells, right), w in zip(columns, widths)]
        lines.append("  ".join(cells))
    return [line.rstrip() for line in lines]


def _pad(text: str, width: int, to_right: bool) -> str:
    return text.rjust(width) if to_right else text.ljust(width)
