"""Cells of tables, made from counts and values: each holds unrounded statistics under fixed names.

Quantiles are R's default (type 7, linear between order statistics).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.results import Cell, Display

__all__ = [
    "count",
    "estimate",
    "n_of_total",
    "n_percent",
    "number",
    "p_value",
    "percent_ci",
    "rate",
    "summary",
]

Floats = npt.NDArray[np.float64]


def count(n: int) -> Cell:
    """A bare count."""
    return Cell("count", {"n": n})


def percent_of(n: int, total: int) -> float | None:
    """100 n / total; nothing where there is nobody to count."""
    return 100.0 * n / total if total else None


def n_percent(n: int, total: int, events: int | None = None, *, link: str = "") -> Cell:
    """Patients, and their percentage of `total`; with `events`, how many events they had."""
    stats: dict[str, Any] = {"n": n, "percent": percent_of(n, total), "total": total}
    if events is None:
        return Cell("n_percent", stats, link=link)
    return Cell("n_percent_events", stats | {"events": events}, link=link)


def n_of_total(n: int, total: int, **more: float | None) -> Cell:
    """`19/116`."""
    return Cell("n_of_total", {"n": n, "total": total, **more})


def rate(events: int, person_years: float, per: float = 100.0, **more: float | None) -> Cell:
    """Events for each `per` person-years."""
    value = per * events / person_years if person_years > 0 else None
    return Cell("rate", {"rate": value, "person_years": person_years, **more})


def p_value(value: float | None, **more: float | int | str | None) -> Cell:
    """A P value, with what it was computed from; empty where the test does not exist."""
    return Cell("p_value", {"p_value": value, **more})


def number(value: float | None, digits: int | None = None) -> Cell:
    """A number by itself."""
    return Cell("number", {"value": value}, digits)


def estimate(fit: Mapping[str, float | None], digits: int | None = None, note: str = "") -> Cell:
    """An estimate with its limits."""
    return Cell("estimate_ci", dict(fit), digits, note=note)


def percent_ci(percent: float | None, low: float | None, high: float | None, **more: int | None) -> Cell:
    """A percentage with its limits."""
    return Cell("percent_ci", {"percent": percent, "conf_low": low, "conf_high": high, **more})


def summary(values: Floats, show: str, digits: int | None = None, *, with_n: bool = True) -> Cell:
    """A summary of known values: `show` is `n` or one of the displays for numbers.

    Statistics that do not exist (the SD of one patient, the geometric mean with a zero) are empty.
    """
    known = values[~np.isnan(values)]
    n = {"n": int(known.size)}
    if show == "n":
        return Cell("count", n)
    stats = _SUMMARIES[show](known)
    return Cell(_display(show), {**(n if with_n else {}), **stats}, digits)


def _display(show: str) -> Display:
    return show  # type: ignore[return-value]  # the keys of _SUMMARIES are displays


def mean(values: Floats) -> float | None:
    """The arithmetic mean."""
    return float(values.mean()) if values.size else None


def sd(values: Floats) -> float | None:
    """The standard deviation of a sample (n - 1)."""
    return float(values.std(ddof=1)) if values.size > 1 else None


def std_error(values: Floats) -> float | None:
    """The standard error of a mean."""
    return float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else None


def _quantiles(values: Floats, *at: float) -> list[float | None]:
    return [float(q) for q in np.quantile(values, at)] if values.size else [None] * len(at)


def _mean_sd(values: Floats) -> dict[str, float | None]:
    return {"mean": mean(values), "sd": sd(values)}


def _mean_se(values: Floats) -> dict[str, float | None]:
    return {"mean": mean(values), "std_error": std_error(values)}


def _median_iqr(values: Floats) -> dict[str, float | None]:
    return dict(zip(("median", "q1", "q3"), _quantiles(values, 0.5, 0.25, 0.75), strict=True))


def _median_range(values: Floats) -> dict[str, float | None]:
    return dict(zip(("median", "min", "max"), _quantiles(values, 0.5, 0.0, 1.0), strict=True))


def _geometric_mean_sd(values: Floats) -> dict[str, float | None]:
    """The geometric mean, beside the SD of the values themselves, as the ALMS paper prints them."""
    return {"geometric_mean": geometric_mean_of(values), "sd": sd(values)}


def geometric_mean_of(values: Floats) -> float | None:
    """The geometric mean; it does not exist if a value is zero or less."""
    if not values.size or values.min() <= 0:
        return None
    return float(np.exp(np.log(values).mean()))


_SUMMARIES = {
    "mean_sd": _mean_sd,
    "mean_se": _mean_se,
    "median_iqr": _median_iqr,
    "median_range": _median_range,
    "geometric_mean_sd": _geometric_mean_sd,
}
