"""Least-squares means and their contrasts: combinations of coefficients, with names.

The rows of the design come from `flarefree.stats.formula.least_squares_rows`; how a combination is
estimated is the fit's affair.  A `Means` may be turned into contrasts, which are `Means` again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.mixed.algebra import exponential, probability
from flarefree.stats.mixed.printing import format_frame, format_p, format_significant

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Contrasts", "Means", "Scale", "compute_limits", "means_of", "tidy_columns"]

Floats = NDArray[np.float64]
Estimator = Callable[[Floats], tuple[Floats, Floats, Floats]]
"""Combinations (c, q) to estimates, standard errors and degrees of freedom (infinite for normal)."""

Contrasts = Literal["reference", "pairwise", "consecutive"]

Scale = Literal["linear", "probability", "exponential"]
"""How combinations are shown: as they are, or through the inverse logit or the exponential.

Tests are made and limits computed before; a standard error is carried over by the delta method.
"""


def compute_limits(
    estimate: Floats, std_error: Floats, df: Floats, level: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Statistic, two-sided p, lower and upper limit; t with `df`, normal where `df` is infinite."""
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / std_error
    is_normal = np.isinf(df)
    finite = np.where(is_normal, 1.0, df)
    tail = np.where(is_normal, ndtr(-np.abs(statistic)), stdtr(finite, -np.abs(statistic)))
    upper_share = 1.0 - (1.0 - level) / 2.0
    factor = np.where(is_normal, ndtri(upper_share), stdtrit(finite, upper_share))
    return statistic, 2.0 * tail, estimate - factor * std_error, estimate + factor * std_error


def tidy_columns(estimate: Floats, std_error: Floats, df: Floats, level: float) -> dict[str, Floats]:
    """The numeric columns of `.tidy()`, in their order."""
    statistic, p_value, low, high = compute_limits(estimate, std_error, df, level)
    return {
        "estimate": estimate,
        "std_error": std_error,
        "statistic": statistic,
        "df": df,
        "p_value": p_value,
        "conf_low": low,
        "conf_high": high,
    }


@dataclass(frozen=True, eq=False, repr=False)
class Means:
    """Combinations of coefficients, each named by levels of factors.

    Attributes
    ----------
    names : tuple of str
        The factors that name the rows, such as `("arm", "visit")`; `contrast` for contrasts.
    levels : tuple of tuple of str
        The level of each of them, a tuple a row.
    matrix : (c, q) float
        What the coefficients are multiplied by.
    title : str
        What the rows are, for printing.
    conventions : mapping of str to str
        How they were computed.
    """

    names: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    matrix: Floats
    estimator: Estimator
    level: float
    title: str
    conventions: Mapping[str, str] = field(default_factory=dict)
    scale: Scale = "linear"

    def tidy(self) -> pl.DataFrame:
        """One row a mean: its factors, then estimate, std_error, statistic, df, p_value, limits.

        `term` joins the levels, so that each row has one name.
        """
        import polars as pl

        columns = tidy_columns(*self.estimator(self.matrix), self.level)
        shown, slope = _shown(columns["estimate"], self.scale)
        columns |= {"estimate": shown, "std_error": columns["std_error"] * slope}
        for limit in ("conf_low", "conf_high"):
            columns[limit] = _shown(columns[limit], self.scale)[0]
        labels = {"term": [", ".join(levels) for levels in self.levels]}
        labels |= {name: [levels[i] for levels in self.levels] for i, name in enumerate(self.names)}
        return pl.DataFrame({**labels, **columns})

    def contrasts(
        self, of: str | None = None, *, method: Contrasts = "reference", reference: str | None = None
    ) -> Means:
        """Differences between levels of one factor, at each combination of the others.

        Parameters
        ----------
        of : str, optional
            The factor whose levels are compared; by default the first.
        method : str
            `reference`: every other level minus the reference; `pairwise`: every later level minus
            every earlier one; `consecutive`: each level minus the one before.
        reference : str, optional
            By default the first level.

        Notes
        -----
        p values and limits are not adjusted for the number of contrasts.  Of probabilities shown
        through the logit, contrasts are odds ratios.
        """
        of = self.names[0] if of is None else of
        if of not in self.names:
            raise StatsError(
                "there is no such factor among these means",
                where="of",
                found=repr(of),
                expected=", ".join(self.names),
            )
        place = self.names.index(of)
        others = tuple(name for name in self.names if name != of)
        levels = list(dict.fromkeys(row[place] for row in self.levels))
        pairs = _pairs(levels, method, reference)
        rows = {
            (row[place], tuple(level for i, level in enumerate(row) if i != place)): self.matrix[r]
            for r, row in enumerate(self.levels)
        }
        sign = "-" if self.scale == "linear" else "/"
        strata = list(dict.fromkeys(stratum for _, stratum in rows))
        found = [
            ((f"{high} {sign} {low}", *stratum), rows[high, stratum] - rows[low, stratum])
            for stratum in strata
            for high, low in pairs
            if (high, stratum) in rows and (low, stratum) in rows
        ]
        return Means(
            ("contrast", *others),
            tuple(name for name, _ in found),
            np.array([row for _, row in found]).reshape(len(found), -1),
            self.estimator,
            self.level,
            f"{'Differences' if self.scale == 'linear' else 'Ratios'} of {of}"
            + (f" by {', '.join(others)}" if others else ""),
            {**self.conventions, "contrasts": f"{method}; not adjusted for multiplicity"},
            "linear" if self.scale == "linear" else "exponential",
        )

    def __repr__(self) -> str:
        frame = self.tidy()
        columns: list[tuple[str, Sequence[str], bool]] = [
            (name, frame[name].to_list(), False) for name in self.names
        ]
        for name in ("estimate", "std_error", "df", "statistic"):
            columns.append((name, format_significant(frame[name].to_list()), True))
        columns.append(("p", [format_p(p) for p in frame["p_value"]], True))
        low, high = (format_significant(frame[name].to_list()) for name in ("conf_low", "conf_high"))
        columns.append((f"{100 * self.level:g}% limits", [f"{a} to {b}" for a, b in zip(low, high)], True))
        notes = [f"{name}: {text}" for name, text in self.conventions.items()]
        return "\n".join([self.title, *format_frame(columns), *notes])


def _shown(values: Floats, scale: Scale) -> tuple[Floats, Floats]:
    """The values as shown, and the slope of what shows them."""
    match scale:
        case "linear":
            return values, np.ones_like(values)
        case "exponential":
            shown = exponential(values)
            return shown, shown
        case "probability":
            shown = probability(values)
            return shown, shown * (1.0 - shown)


def _pairs(levels: list[str], method: Contrasts, reference: str | None) -> list[tuple[str, str]]:
    match method:
        case "reference":
            base = levels[0] if reference is None else reference
            if base not in levels:
                raise StatsError(
                    "the reference is not a level",
                    where="reference",
                    found=repr(base),
                    expected=", ".join(levels),
                )
            return [(level, base) for level in levels if level != base]
        case "pairwise":
            return [(high, low) for low, high in combinations(levels, 2)]
        case "consecutive":
            return list(zip(levels[1:], levels[:-1]))
    raise StatsError(
        "there is no such kind of contrasts",
        where="method",
        found=repr(method),
        expected="reference, pairwise, consecutive",
    )


def means_of(
    design: Any,
    estimator: Estimator,
    by: str | Sequence[str],
    *,
    at: Mapping[str, float | str] | None,
    weights: Literal["equal", "proportional"],
    level: float,
    title: str = "Least-squares means",
    scale: Scale = "linear",
) -> Means:
    """The least-squares means of a fit that estimates combinations of its coefficients."""
    from flarefree.stats.formula import least_squares_rows

    rows = least_squares_rows(design, by, at=at, weights=weights)
    conventions = {"averaged over": f"{', '.join(rows.averaged_over)} ({rows.weights} weights)"}
    if not rows.averaged_over:
        conventions = {}
    if rows.covariates:
        set_at = [f"{name} = {format_significant([value])[0]}" for name, value in rows.covariates.items()]
        conventions["covariates at"] = ", ".join(set_at)
    return Means(
        tuple(rows.by),
        tuple(rows.levels),
        rows.matrix,
        estimator,
        level,
        f"{title} of {', '.join(rows.by)}",
        conventions,
        scale,
    )
