"""Several estimates of one kind, such as least-squares means or contrasts: frozen, tidy, printable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flarefree.stats.frames import number, one_row, p_text, tidy_frame

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Estimates", "t_estimates", "text_table"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Estimates:
    """Estimates with their limits and tests, one a row.

    Attributes
    ----------
    title : str
    labels : mapping of str to tuple of str
        What each row is about, by factor: `{"arm": ("AZA", "MMF")}`; with `term`, the row's name.
    estimate, std_error, df, statistic, p_value, conf_low, conf_high : (k,) float64
        NaN where the design does not identify an estimate.
    level : float
    conventions, warnings : tuple of str
    """

    title: str
    labels: Mapping[str, tuple[str, ...]]
    estimate: Floats
    std_error: Floats
    df: Floats
    statistic: Floats
    p_value: Floats
    conf_low: Floats
    conf_high: Floats
    level: float
    conventions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.estimate.size

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a row, with the names of `.tidy()`."""
        names = ("estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high")
        return [
            {"term": self.labels["term"][i]}
            | {name: float(getattr(self, name)[i]) for name in names}
            | {factor: labels[i] for factor, labels in self.labels.items() if factor != "term"}
            for i in range(len(self))
        ]

    def tidy(self) -> pl.DataFrame:
        """term, estimate, std_error, statistic, df, p_value, conf_low, conf_high, and the factors' levels."""
        return tidy_frame(self.rows())

    def glance(self) -> pl.DataFrame:
        """One row: what this is, how many, at which level."""
        return one_row({"method": self.title, "estimates": float(len(self)), "level": self.level})

    def __repr__(self) -> str:
        percent = f"{100 * self.level:g}% limits"
        header = ("", "estimate", "SE", "df", percent, "t", "p")
        body = [
            (
                self.labels["term"][i],
                number(self.estimate[i]),
                number(self.std_error[i]),
                number(self.df[i]),
                f"{number(self.conf_low[i])} to {number(self.conf_high[i])}",
                number(self.statistic[i], 4),
                p_text(float(self.p_value[i])),
            )
            for i in range(len(self))
        ]
        lines = [self.title, *text_table(header, body)]
        lines += [f"  {convention}" for convention in self.conventions]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def t_estimates(
    title: str,
    labels: Mapping[str, tuple[str, ...]],
    estimate: Floats,
    std_error: Floats,
    df: Floats | float,
    level: float,
    *,
    null: float = 0.0,
    conventions: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
) -> Estimates:
    """Estimates with t tests and t limits; infinite degrees of freedom are normal ones."""
    from scipy.special import stdtr, stdtrit

    degrees = np.broadcast_to(np.asarray(df, dtype=np.float64), estimate.shape).copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (estimate - null) / std_error
        p = 2 * stdtr(degrees, -np.abs(t))
        reach = stdtrit(degrees, 1 - (1 - level) / 2) * std_error
    return Estimates(
        title=title,
        labels=labels,
        estimate=estimate,
        std_error=std_error,
        df=degrees,
        statistic=t,
        p_value=p,
        conf_low=estimate - reach,
        conf_high=estimate + reach,
        level=level,
        conventions=conventions,
        warnings=warnings,
    )


def text_table(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table in plain text: the first column to the left, the others to the right."""
    rows = [tuple(header), *(tuple(row) for row in body)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    return [
        "  "
        + "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
