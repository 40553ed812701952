"""What a statistical test or estimate gives: frozen numbers, a tidy frame, a text a statistician can read.

One class serves the small methods (tables, ranks, means, proportions); models have their own results and
use `tidy_frame` for theirs, so that columns have the same names and order everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TIDY_COLUMNS", "TestResult", "number", "p_text", "significant", "tidy_frame"]

TIDY_COLUMNS = ("term", "estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high")


@dataclass(frozen=True, slots=True, repr=False)
class TestResult:
    """A test or an estimate.

    Attributes
    ----------
    method : str
        Its full name, such as `Fisher's exact test`.
    term : str
        What is compared or estimated, such as `odds ratio`; names the estimate if there is one.
    estimate, std_error, conf_low, conf_high : float or None
        None where the method gives none.
    statistic, df, p_value : float or None
    df_denominator : float or None
        Second degrees of freedom, of an F statistic.
    statistic_name : str
        Such as `chi-square`, `t`, `W`.
    alternative : str
        `two-sided`, `less` or `greater`; empty where the test has no sides.
    level : float
        Of the limits.
    n : int
        Observations used.
    conventions : tuple of str
        Each choice that another program might have made otherwise.
    warnings : tuple of str
        Facts about the data that a reader of the number should know.
    details : mapping of str to number or array
        Further figures of the method: `expected`, `observed`, ...
    """

    __test__: ClassVar[bool] = False  # not a test of pytest's

    method: str
    term: str
    estimate: float | None = None
    std_error: float | None = None
    statistic: float | None = None
    df: float | None = None
    p_value: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    df_denominator: float | None = None
    statistic_name: str = ""
    alternative: str = ""
    level: float = 0.95
    n: int = 0
    conventions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", MappingProxyType(dict(self.details)))

    def tidy(self) -> pl.DataFrame:
        """One row: term, estimate, std_error, statistic, df, p_value, conf_low, conf_high, as they apply."""
        return tidy_frame([{name: getattr(self, name) for name in TIDY_COLUMNS}])

    def glance(self) -> pl.DataFrame:
        """One row with the method and what it rests on."""
        scalars = {k: v for k, v in self.details.items() if isinstance(v, (int, float, str))}
        row = {
            "method": self.method,
            "n": self.n,
            "statistic": self.statistic,
            "df": self.df,
            "df_denominator": self.df_denominator,
            "p_value": self.p_value,
            "alternative": self.alternative or None,
            "level": self.level if self.conf_low is not None else None,
        }
        return one_row(row | scalars)

    def __repr__(self) -> str:
        lines = [self.method]
        if self.estimate is not None:
            lines.append(f"  {self.term}  {number(self.estimate)}{self._limits()}")
        tested = self._tested()
        if tested:
            lines.append("  " + ", ".join(tested))
        if self.n:
            lines.append(f"  n = {self.n}")
        lines += [f"  {convention}" for convention in self.conventions]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def _limits(self) -> str:
        if self.conf_low is None or self.conf_high is None:
            return ""
        return f" ({100 * self.level:g}% limits {number(self.conf_low)} to {number(self.conf_high)})"

    def _tested(self) -> list[str]:
        parts = []
        if self.statistic is not None:
            parts.append(f"{self.statistic_name or 'statistic'} = {number(self.statistic)}")
        if self.df is not None:
            second = "" if self.df_denominator is None else f" and {number(self.df_denominator)}"
            parts.append(f"df = {number(self.df)}{second}")
        if self.p_value is not None:
            parts.append(
                f"p = {p_text(self.p_value)}" + (f" ({self.alternative})" if self.alternative else "")
            )
        return parts


def number(value: float | None, digits: int = 5) -> str:
    """A number for reading: five significant digits; a dash where there is none."""
    if value is None or math.isnan(value):
        return "—"
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    return f"{value:.{digits}g}"


def significant(value: float | None, digits: int = 3) -> str:
    """A number with exactly so many significant digits, zeros at the end too: `1.10` beside `1.37`.

    For estimates and limits that are read beside one another; `number` drops such zeros.
    """
    if value is None or not math.isfinite(value):
        return number(value)
    return f"{value:#.{digits}g}".removesuffix(".")


def p_text(p: float) -> str:
    """A p-value for reading."""
    return "—" if math.isnan(p) else f"{p:.4f}" if p >= 0.0001 else f"{p:.2g}"


def tidy_frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """A frame with the usual columns first, in their order; a column that no row fills is left out.

    A figure that does not exist (None or NaN) is null.
    """
    import polars as pl

    names = [name for name in TIDY_COLUMNS if any(name in row for row in rows)]
    names += [name for row in rows for name in row if name not in TIDY_COLUMNS]
    names = list(dict.fromkeys(names))
    columns = {name: [_plain(row.get(name)) for row in rows] for name in names}
    filled = {n: v for n, v in columns.items() if any(x is not None for x in v) or n == "term"}
    return pl.DataFrame([_series(name, values) for name, values in filled.items()])


def one_row(row: Mapping[str, Any]) -> pl.DataFrame:
    """A frame of one row; figures that do not exist are left out."""
    import polars as pl

    plain = {name: _plain(value) for name, value in row.items()}
    return pl.DataFrame([_series(name, [value]) for name, value in plain.items() if value is not None])


def _series(name: str, values: Iterable[Any]) -> pl.Series:
    import polars as pl

    rows = list(values)
    known = [value for value in rows if value is not None]
    if known and all(isinstance(value, bool) for value in known):
        return pl.Series(name, rows, dtype=pl.Boolean)
    if known and all(isinstance(value, int) for value in known) and name in _COUNTS:
        return pl.Series(name, rows, dtype=pl.Int64)
    if known and all(isinstance(value, (int, float)) for value in known):
        return pl.Series(name, [None if v is None else float(v) for v in rows], dtype=pl.Float64)
    return pl.Series(name, [None if v is None else str(v) for v in rows], dtype=pl.String)


_COUNTS = frozenset({"n", "n_read", "n_dropped", "n_strata", "n_events", "rank"})


def _plain(value: Any) -> Any:
    plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    return None if isinstance(plain, float) and math.isnan(plain) else plain
