"""Columns of a design from terms: dummy coding with the first level as reference, as R's `contr.treatment`.

In a term, a factor is coded by contrasts if what is left of the term without it (its margin) is part of
an earlier term, and by one column a level otherwise; without an intercept the first factor gets a column
for each level.  These are R's rules (`model.matrix`, after [chambers1992] p. 38), so that `a:b` without
main effects spans what it should.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.stats.formula.columns import Column
from flarefree.stats.formula.nodes import Expr
from flarefree.stats.formula.terms import Term

__all__ = ["CodedTerm", "code_terms", "fill_matrix"]

INTERCEPT = "(Intercept)"


@dataclass(frozen=True, slots=True)
class CodedTerm:
    """A term and its columns.

    Attributes
    ----------
    label : str
        As R labels it; `(Intercept)` for the intercept.
    variables : tuple of Expr
    is_full : tuple of bool
        For each variable, whether it has a column for every level (else contrasts with the first).
    levels : tuple of tuple of str
        For each variable, its levels; empty for a number.
    start, stop : int
        Its columns of the matrix.
    """

    label: str
    variables: tuple[Expr, ...]
    is_full: tuple[bool, ...]
    levels: tuple[tuple[str, ...], ...]
    start: int
    stop: int

    @property
    def slice(self) -> slice:
        return slice(self.start, self.stop)

    @property
    def is_numeric(self) -> bool:
        """Whether all of its variables are numbers."""
        return not any(self.levels)

    def names(self) -> list[str]:
        """The names of its columns: `armMMF`, `armMMF:visit12`; the first variable's level runs fastest."""
        found = [""]
        for variable, full, levels in zip(self.variables, self.is_full, self.levels, strict=True):
            parts = (
                [f"{variable}{level}" for level in (levels if full else levels[1:])]
                if levels
                else [str(variable)]
            )
            found = [f"{left}:{part}" if left else part for part in parts for left in found]
        return found if self.variables else [INTERCEPT]


def code_terms(
    terms: Sequence[Term], has_intercept: bool, columns: Mapping[Expr, Column]
) -> tuple[CodedTerm, ...]:
    """Decide the coding of each term; the intercept, if any, comes first."""
    coded: list[CodedTerm] = []
    start = 0
    if has_intercept:
        coded.append(CodedTerm(INTERCEPT, (), (), (), 0, 1))
        start = 1
    first = None if has_intercept else _first_factor(terms, columns)
    for place, term in enumerate(terms):
        levels = tuple(columns[variable].levels for variable in term.variables)
        is_full = tuple(
            bool(lv) and ((term, variable) == first or not _has_margin(term, variable, terms[:place]))
            for variable, lv in zip(term.variables, levels, strict=True)
        )
        width = 1
        for lv, full in zip(levels, is_full, strict=True):
            width *= (len(lv) - (not full)) if lv else 1
        coded.append(CodedTerm(term.label, term.variables, is_full, levels, start, start + width))
        start += width
    return tuple(coded)


def _has_margin(term: Term, variable: Expr, earlier: Sequence[Term]) -> bool:
    margin = frozenset(term.variables) - {variable}
    # The empty margin counts as present even without an intercept: only the first factor makes up for it.
    return not margin or any(margin <= frozenset(other.variables) for other in earlier)


def _first_factor(terms: Sequence[Term], columns: Mapping[Expr, Column]) -> tuple[Term, Expr] | None:
    for term in terms:
        for variable in term.variables:
            if columns[variable].is_categorical:
                return term, variable
    return None


def fill_matrix(
    coded: Sequence[CodedTerm], columns: Mapping[Expr, Column], n: int, *, drop_intercept: bool = False
) -> NDArray[np.float64]:
    """The matrix (n, p), in C order; without its first column where the intercept is dropped."""
    shift = 1 if drop_intercept else 0
    matrix = np.empty((n, (coded[-1].stop if coded else 0) - shift))
    for term in coded:
        if not term.variables:
            if not drop_intercept:
                matrix[:, 0] = 1.0
            continue
        if len(term.variables) == 1:
            _fill_one(matrix, term.start - shift, columns[term.variables[0]], term.is_full[0])
            continue
        for place, values in enumerate(_products(term, columns), term.start - shift):
            matrix[:, place] = values
    return matrix


def _fill_one(matrix: NDArray[np.float64], start: int, column: Column, full: bool) -> None:
    if column.values is not None:
        matrix[:, start] = column.values
        return
    for place, level in enumerate(range(0 if full else 1, len(column.levels)), start):
        np.equal(column.place, level, out=matrix[:, place])


def _products(term: CodedTerm, columns: Mapping[Expr, Column]) -> list[NDArray[np.float64]]:
    found: list[NDArray[np.float64]] = []
    for variable, full in zip(term.variables, term.is_full, strict=True):
        parts = _indicators(columns[variable], full)
        found = [left * part for part in parts for left in found] if found else parts
    return found


def _indicators(column: Column, full: bool) -> list[NDArray[np.float64]]:
    if column.values is not None:
        return [column.values]
    levels = range(0 if full else 1, len(column.levels))
    return [(column.place == level).astype(np.float64) for level in levels]
