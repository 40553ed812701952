"""Rows of the design whose fitted values are least-squares means.

As in R's emmeans and SAS's LSMEANS: a reference grid has every combination of the factors' levels with
numeric covariates at their means over the kept rows; the rows of the grid are averaged, with equal
weights, over the factors that are not asked for.  Covariates are set before transformations: with
`log(x)` in the formula, at the log of the mean of x, as emmeans does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.formula.columns import Column
from flarefree.stats.formula.design import Design
from flarefree.stats.formula.evaluate import FACTOR_FUNCTIONS
from flarefree.stats.formula.nodes import Call, Expr, Name, names_in

__all__ = ["LeastSquaresRows", "least_squares_rows", "population_rows"]

_MOST_ROWS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class LeastSquaresRows:
    """What to multiply the coefficients by.

    Attributes
    ----------
    by : tuple of str
        The factors asked for.
    levels : tuple of tuple of str
        For each of the k rows, the level of each of these factors; the last factor runs fastest.
    matrix : (k, p) float64
    covariates : mapping of str to float
        Numbers at which numeric covariates were set.
    averaged_over : tuple of str
        Factors averaged over, with their weights named in `weights`.
    """

    by: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    matrix: NDArray[np.float64]
    covariates: Mapping[str, float]
    averaged_over: tuple[str, ...]
    weights: str


def least_squares_rows(
    design: Design,
    by: str | Sequence[str],
    *,
    at: Mapping[str, float | str] | None = None,
    weights: Literal["equal", "proportional"] = "equal",
) -> LeastSquaresRows:
    """The rows whose fitted values are the least-squares means of some factors' levels.

    Parameters
    ----------
    design : Design
        Of the model, as fitted.
    by : str or sequence of str
        Columns of the data that are factors in the model, such as `"arm"` or `("arm", "visit")`.
    at : mapping, optional
        Values at which to set covariates, or a level at which to hold a factor.
    weights : str
        Of the factors averaged over: `equal`, or `proportional` to how often their combinations occur.
    """
    by = (by,) if isinstance(by, str) else tuple(by)
    factors, covariates = _sources(design)
    held = dict(at or {})
    _require_known(by, held, factors, covariates)
    covariates = {name: float(held.get(name, mean)) for name, mean in covariates.items()}
    for name in factors.keys() & held.keys():
        factors[name] = _held(name, factors[name], held[name])
    others = tuple(name for name in factors if name not in by)
    order = (*by, *others)
    matrix = design.matrix_for(_grid(order, factors, covariates))
    cells = int(np.prod([len(factors[name].levels) for name in by], dtype=np.int64))
    blocks = matrix.reshape(cells, -1, matrix.shape[1])
    mean = np.einsum("ijk,j->ik", blocks, _weights(design, others, factors, weights))
    return LeastSquaresRows(
        by=by,
        levels=tuple(product(*(factors[name].levels for name in by))),
        matrix=mean,
        covariates=covariates,
        averaged_over=others,
        weights=weights,
    )


def population_rows(
    design: Design, by: tuple[str, ...], rows: NDArray[np.int64]
) -> tuple[tuple[tuple[str, ...], ...], NDArray[np.float64]]:
    """Some kept rows, put at each combination of some factors' levels with their other values as they are.

    Parameters
    ----------
    design : Design
        Of the model, as fitted.
    by : tuple of str
        Columns of the data that are factors in the model.
    rows : (n,) int64
        Places among the kept rows, such as one row a subject.

    Returns
    -------
    levels : tuple of tuple of str
        Of each of the k combinations; the last factor runs fastest.
    matrix : (k, n, p) float64
    """
    factors, covariates = _sources(design)
    _require_known(by, {}, factors, covariates)
    levels = tuple(product(*(factors[name].levels for name in by)))
    own = {name: design.sources[name].take(design.rows[rows]) for name in (*factors, *covariates)}
    blocks = []
    for cell in levels:
        held = {
            name: _held(name, factors[name], level).take(np.zeros(rows.size, dtype=np.int64))
            for name, level in zip(by, cell, strict=True)
        }
        blocks.append(design.matrix_for(own | held))
    return levels, np.stack(blocks)


def _sources(design: Design) -> tuple[dict[str, Column], dict[str, float]]:
    """The factors with their levels, and the covariates' means, over the kept rows."""
    factors: dict[str, Column] = {}
    covariates: dict[str, float] = {}
    as_levels = {name.name for variable in design.formula.variables for name in _made_factors(variable)}
    for name in dict.fromkeys(n.name for v in design.formula.variables for n in names_in(v)):
        column = design.sources[name].take(design.rows)
        if column.is_categorical or name in as_levels:
            factors[name] = _with_levels(design, name, column)
        elif column.values is not None:
            covariates[name] = float(column.values.mean())
    return factors, covariates


def _made_factors(expr: Expr) -> list[Name]:
    """Columns that the formula turns into factors: x in C(x)."""
    if isinstance(expr, Call) and expr.function in FACTOR_FUNCTIONS:
        return list(names_in(expr))
    return []


def _with_levels(design: Design, name: str, column: Column) -> Column:
    """One row a level, in the order that the model's coding uses where it has one."""
    used = column.used()
    source = Column(values=np.unique(used.values)) if used.values is not None else None
    levels = source.categories().levels if source is not None else used.levels
    for variable in design.formula.variables:
        coded = design.factors.get(str(variable))
        if coded and set(coded) == set(levels) and any(n.name == name for n in names_in(variable)):
            levels = coded
            break
    if source is not None:
        return Column(values=np.array([float(level) for level in levels]), levels=levels)
    return Column(codes=np.arange(len(levels)), levels=levels, is_bool=column.is_bool)


def _require_known(
    by: tuple[str, ...],
    held: Mapping[str, float | str],
    factors: Mapping[str, Column],
    covariates: Mapping[str, float],
) -> None:
    for name in by:
        if name not in factors:
            raise StatsError(
                f"{name!r} is not a factor of the model",
                where="by",
                expected="one of " + (", ".join(factors) or "no factor at all"),
                try_=f"C({name}) in the formula" if name in covariates else "",
            )
    for name in held:
        if name not in factors and name not in covariates:
            raise StatsError(
                f"{name!r} is not in the model", where="at", expected=", ".join([*factors, *covariates])
            )


def _held(name: str, column: Column, value: float | str) -> Column:
    level = value if isinstance(value, str) else f"{value:.15g}"
    if level not in column.levels:
        raise StatsError(
            f"{name} has no level {level!r}", where="at", expected="one of " + ", ".join(column.levels)
        )
    place = np.array([column.levels.index(level)])
    return Column(
        values=None if column.values is None else column.values[place],
        codes=None if column.codes is None else np.zeros(1, dtype=np.int64),
        levels=(level,),
        is_bool=column.is_bool,
    )


def _grid(
    order: tuple[str, ...], factors: Mapping[str, Column], covariates: Mapping[str, float]
) -> dict[str, Column]:
    """Every combination of levels, the last factor of `order` running fastest."""
    sizes = [len(factors[name].levels) for name in order]
    n = int(np.prod(sizes, dtype=np.int64))
    if n > _MOST_ROWS:
        raise StatsError(
            "the reference grid is too large", found=f"{n} combinations", try_="hold a factor by `at`"
        )
    grid: dict[str, Column] = {}
    places = np.unravel_index(np.arange(n), sizes) if sizes else ()
    for name, place in zip(order, places, strict=True):
        column = factors[name]
        if column.values is not None:
            grid[name] = Column(values=column.values[place])
        else:
            grid[name] = Column(codes=place, levels=column.levels, is_bool=column.is_bool)
    return grid | {name: Column(values=np.full(n, value)) for name, value in covariates.items()}


def _weights(
    design: Design, others: tuple[str, ...], factors: Mapping[str, Column], weights: str
) -> NDArray[np.float64]:
    sizes = [len(factors[name].levels) for name in others]
    n = int(np.prod(sizes, dtype=np.int64))
    if weights == "equal":
        return np.full(n, 1 / n)
    if weights != "proportional":
        raise StatsError("unknown weights", where="weights", found=weights, expected="equal, proportional")
    combined = np.zeros(design.n, dtype=np.int64)
    known = np.ones(design.n, dtype=bool)
    for name in others:
        column = design.sources[name].take(design.rows).categories()
        place = np.array([_place(level, factors[name].levels) for level in column.levels])[column.place]
        known &= place >= 0
        combined = combined * len(factors[name].levels) + place
    counts = np.bincount(combined[known], minlength=n).astype(np.float64)
    return counts / counts.sum()


def _place(level: str, levels: tuple[str, ...]) -> int:
    return levels.index(level) if level in levels else -1
