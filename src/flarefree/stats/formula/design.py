"""What a formula and data become: a frozen `Design` of arrays.  `building` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.formula.coding import INTERCEPT, CodedTerm, fill_matrix
from flarefree.stats.formula.columns import Column, row_count
from flarefree.stats.formula.evaluate import Learned, Scope, require_same_length
from flarefree.stats.formula.nodes import Expr
from flarefree.stats.formula.terms import Formula

__all__ = ["CovarianceTerm", "Design", "Grouping", "RandomTerm", "ResponseKind"]

ResponseKind = Literal["none", "numeric", "category", "counts", "surv", "counting"]


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """Rows put into groups: strata, centers, clusters, subjects.

    Attributes
    ----------
    name : str
        The variables, as written.
    codes : (n,) int64
        The group of each row, a place in `labels`.
    labels : tuple of str
        Sorted; of several variables, joined by a comma.
    """

    name: str
    codes: NDArray[np.int64]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CovarianceTerm:
    """`us(visit | group / subject)`: the structure, and for each row its visit, subject and group."""

    structure: str
    visit: Grouping
    subject: Grouping
    group: Grouping | None
    written: str


@dataclass(frozen=True, slots=True, eq=False)
class RandomTerm:
    """`(1 + time | subject)`: the columns of the random effects (n, q) and the subject of each row."""

    matrix: NDArray[np.float64]
    columns: tuple[str, ...]
    subject: Grouping
    written: str


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """The arrays of a model; made by `design_matrix`.

    Attributes
    ----------
    formula : Formula
    matrix : (n, p) float64, C order
    columns : tuple of str
        Names of the p columns, as R's: `(Intercept)`, `armMMF`, `armMMF:visit12`.
    terms : tuple of CodedTerm
        Each with its `start` and `stop` columns.  With a dropped intercept, they count without it.
    factors : mapping of str to tuple of str
        Levels of each factor of the terms; the first is the reference.
    response : mapping of str to (n,) float64
        `y`; or `time`, `event`; or `start`, `stop`, `event`; or `successes`, `failures`.
    response_kind : str
    response_levels : tuple of str
        Of a categorical response (or event), whose values are places in these levels.
    offset, weights : (n,) float64 or None
    strata, cluster, frailty : Grouping or None
        The options of `frailty()` are in `formula.find("frailty")[0].options`.
    covariance : CovarianceTerm or None
    random : tuple of RandomTerm
    extra : mapping of str to Column
        What was asked for in `extra`, kept rows only.
    rows : (n,) int64
        The kept rows, as places in the data.
    n_read : int
        Rows of the data.
    dropped : mapping of str to int
        For each variable with missing values, in how many rows it is missing.
    """

    formula: Formula
    matrix: NDArray[np.float64]
    columns: tuple[str, ...]
    terms: tuple[CodedTerm, ...]
    factors: Mapping[str, tuple[str, ...]]
    response: Mapping[str, NDArray[np.float64]]
    response_kind: ResponseKind
    response_levels: tuple[str, ...]
    offset: NDArray[np.float64] | None
    weights: NDArray[np.float64] | None
    strata: Grouping | None
    cluster: Grouping | None
    frailty: Grouping | None
    covariance: CovarianceTerm | None
    random: tuple[RandomTerm, ...]
    extra: Mapping[str, Column]
    rows: NDArray[np.int64]
    n_read: int
    dropped: Mapping[str, int]
    variables: Mapping[Expr, Column] = field(repr=False, default_factory=dict)
    learned: Learned = field(repr=False, default_factory=dict)
    sources: Mapping[str, Column] = field(repr=False, default_factory=dict)
    intercept_dropped: bool = False

    @property
    def n(self) -> int:
        """Rows kept."""
        return int(self.rows.size)

    @property
    def n_dropped(self) -> int:
        """Rows left out for a missing value."""
        return self.n_read - self.n

    @property
    def has_intercept(self) -> bool:
        """Whether the matrix has a column of ones."""
        return bool(self.columns) and self.columns[0] == INTERCEPT

    def dropped_note(self) -> str:
        """What was left out, in a sentence; empty if nothing was."""
        if not self.n_dropped:
            return ""
        by = ", ".join(f"{name} {count}" for name, count in self.dropped.items())
        return f"{self.n_dropped} of {self.n_read} rows left out for missing values ({by})"

    def matrix_for(self, data: Any) -> NDArray[np.float64]:
        """The matrix of new data, coded as the fit's: for predictions and least-squares means.

        Raises FormulaError for a level that the fit has not seen; a missing value is an error.
        """
        scope = Scope(data, self.formula.text, self.learned)
        columns = {variable: scope.column(variable) for variable in self.formula.variables}
        for variable, column in columns.items():
            if column.missing() is not None:
                raise StatsError(f"{variable} is missing in the new data", expected="a value in each row")
        n = require_same_length({str(k): v for k, v in columns.items()}) if columns else row_count(data)
        coded = self._coded()
        return fill_matrix(coded, columns, n, drop_intercept=self.intercept_dropped)

    def _coded(self) -> tuple[CodedTerm, ...]:
        """The terms with the intercept that `fill_matrix` is to leave out."""
        if not self.intercept_dropped:
            return self.terms
        moved = tuple(
            CodedTerm(t.label, t.variables, t.is_full, t.levels, t.start + 1, t.stop + 1) for t in self.terms
        )
        return (CodedTerm(INTERCEPT, (), (), (), 0, 1), *moved)
