"""F tests of a linear model's terms: types I, II and III."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.distributions import f_tail
from flarefree.stats.estimates import text_table
from flarefree.stats.formula import CodedTerm, Design
from flarefree.stats.formula.columns import Column
from flarefree.stats.frames import number, one_row, p_text, tidy_frame
from flarefree.stats.least_squares import Fit, fit_least_squares, residual_squares, wald_f

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TermTests", "sum_coded_matrix", "term_tests"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class TermTests:
    """F tests, one a term: `type` is 1, 2 or 3."""

    type: int
    terms: tuple[str, ...]
    df: Floats
    df_residual: float
    squares: Floats
    statistic: Floats
    p_value: Floats
    warnings: tuple[str, ...] = ()

    def __getitem__(self, term: str) -> dict[str, float]:
        if term not in self.terms:
            raise StatsError("no such term", where="term", found=repr(term), expected=", ".join(self.terms))
        i = self.terms.index(term)
        return {
            "df": float(self.df[i]),
            "sum_of_squares": float(self.squares[i]),
            "statistic": float(self.statistic[i]),
            "p_value": float(self.p_value[i]),
        }

    def tidy(self) -> pl.DataFrame:
        """term, statistic (F), df, p_value, df_denominator, sum_of_squares."""
        rows: list[dict[str, Any]] = [
            {
                "term": term,
                "statistic": float(self.statistic[i]),
                "df": float(self.df[i]),
                "p_value": float(self.p_value[i]),
                "df_denominator": float(self.df_residual),
                "sum_of_squares": float(self.squares[i]),
            }
            for i, term in enumerate(self.terms)
        ]
        return tidy_frame(rows)

    def glance(self) -> pl.DataFrame:
        """One row: the type and the residual degrees of freedom."""
        return one_row({"method": f"Type {'I' * self.type} tests", "df_residual": float(self.df_residual)})

    def __repr__(self) -> str:
        body = [
            (
                term,
                number(self.squares[i]),
                number(self.df[i]),
                number(self.statistic[i]),
                p_text(float(self.p_value[i])),
            )
            for i, term in enumerate(self.terms)
        ]
        lines = [f"Type {'I' * self.type} tests ({self.df_residual:g} residual df)"]
        lines += text_table(("", "sum of squares", "df", "F", "p"), body)
        return "\n".join([*lines, *(f"  warning: {warning}" for warning in self.warnings)])


def term_tests(
    design: Design, y: Floats, fit: Fit, variance: float, df_residual: int, type_: int
) -> TermTests:
    """F tests of all terms but the intercept, against the residual variance of the whole model."""
    terms = [term for term in design.terms if term.variables]
    match type_:
        case 1:
            squares, df = _sequential(design, y, terms)
        case 2:
            squares, df = _given_unrelated(design, y, terms)
        case 3:
            return _given_all(design, y, terms, variance, df_residual)
        case _:
            raise StatsError("tests are of type 1, 2 or 3", where="type", found=repr(type_))
    return _tests(type_, terms, squares, df, variance, df_residual, ())


def _tests(
    type_: int,
    terms: Sequence[CodedTerm],
    squares: Floats,
    df: Floats,
    variance: float,
    df_residual: int,
    warnings: tuple[str, ...],
) -> TermTests:
    with np.errstate(divide="ignore", invalid="ignore"):
        f = squares / df / variance
    p = np.array([f_tail(v, d, df_residual) for v, d in zip(f.tolist(), df.tolist(), strict=True)])
    return TermTests(type_, tuple(term.label for term in terms), df, df_residual, squares, f, p, warnings)


def _residual(design: Design, y: Floats, terms: Sequence[CodedTerm]) -> tuple[float, int]:
    columns = [i for term in terms for i in range(term.start, term.stop)]
    return residual_squares(design.matrix[:, columns], y, design.weights)


def _sequential(design: Design, y: Floats, terms: Sequence[CodedTerm]) -> tuple[Floats, Floats]:
    base = [term for term in design.terms if not term.variables]
    steps = [_residual(design, y, [*base, *terms[:i]]) for i in range(len(terms) + 1)]
    squares = np.array([before[0] - after[0] for before, after in pairwise(steps)])
    return squares, np.array([float(after[1] - before[1]) for before, after in pairwise(steps)])


def _given_unrelated(design: Design, y: Floats, terms: Sequence[CodedTerm]) -> tuple[Floats, Floats]:
    base = [term for term in design.terms if not term.variables]
    squares, df = [], []
    for term in terms:
        own = set(term.variables)
        others = [other for other in terms if not own <= set(other.variables)]
        without = _residual(design, y, [*base, *others])
        with_it = _residual(design, y, [*base, *others, term])
        squares.append(without[0] - with_it[0])
        df.append(float(with_it[1] - without[1]))
    return np.array(squares), np.array(df)


def _given_all(
    design: Design, y: Floats, terms: Sequence[CodedTerm], variance: float, df_residual: int
) -> TermTests:
    """Wald tests of the columns of each term, where factors are coded to sum to zero."""
    matrix = sum_coded_matrix(design)
    fit = fit_least_squares(matrix, y, design.weights)
    squares, df = [], []
    for term in terms:
        place = np.flatnonzero((fit.kept >= term.start) & (fit.kept < term.stop))
        df.append(float(place.size))
        if not place.size:
            squares.append(np.nan)
            continue
        f = wald_f(fit.coefficients[place], fit.unscaled[np.ix_(place, place)], variance)
        squares.append(f * variance * place.size)
    warnings: tuple[str, ...] = ()
    if fit.kept.size < matrix.shape[1]:
        warnings = ("some combinations of levels have no patients: type III tests depend on the coding",)
    return _tests(3, terms, np.array(squares), np.array(df), variance, df_residual, warnings)


def sum_coded_matrix(design: Design) -> Floats:
    """The design with contrasts that sum to zero over a factor's levels, for type III tests."""
    matrix = np.ones((design.n, len(design.columns)))
    for term in design.terms:
        if not term.variables:
            continue
        found: list[Floats] = []
        for variable, full in zip(term.variables, term.is_full, strict=True):
            parts = _sum_coded(design.variables[variable], full)
            found = [left * part for part in parts for left in found] if found else parts
        matrix[:, term.slice] = np.column_stack(found)
    return matrix


def _sum_coded(column: Column, full: bool) -> list[Floats]:
    if column.values is not None:
        return [column.values]
    codes, k = column.place, len(column.levels)
    if full:
        return [(codes == level).astype(np.float64) for level in range(k)]
    last = codes == k - 1
    return [(codes == level).astype(np.float64) - last for level in range(k - 1)]
