"""Compute a formula's expressions on columns.

A `Scope` reads each column and computes each expression once.  Transformations that learn from the
data (`center`, `scale`, the levels of `C`) keep what they learned, so that new data are coded alike.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import FormulaError, StatsError
from flarefree.stats.formula.columns import Column, columns_available, read_column
from flarefree.stats.formula.nodes import Binary, Call, Constant, Expr, Name, Unary
from flarefree.stats.formula.parser import formula_error

__all__ = ["FACTOR_FUNCTIONS", "Learned", "Scope"]

Learned = dict[str, tuple[float, float] | tuple[str, ...]]
"""What a transformation learned, by its text: shift and scale, or levels with the reference first."""

_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "abs": np.abs,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
}
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_LEARNING = ("center", "scale")
FACTOR_FUNCTIONS = ("C", "factor", "as.factor")
KNOWN_FUNCTIONS = (*_FUNCTIONS, *_LEARNING, *FACTOR_FUNCTIONS, "I", "relevel", "as.numeric")


class Scope:
    """The columns of one data set under one formula.

    Parameters
    ----------
    data : mapping of arrays, Polars or pandas frame
    text : str
        The formula, for messages.
    learned : dict, optional
        What transformations learned from the data of the fit, by their text.
    """

    def __init__(self, data: Any, text: str, learned: Learned | None = None) -> None:
        self.data = data
        self.text = text
        self.is_learning = learned is None
        self.learned: Learned = {} if learned is None else learned
        self._columns: dict[str, Column] = {}

    def column(self, expr: Expr) -> Column:
        """The values of an expression."""
        key = expr.name if type(expr) is Name else str(expr)
        found = self._columns.get(key)
        if found is None:
            found = self._columns[key] = self._compute(expr)
        return found

    def _compute(self, expr: Expr) -> Column:
        match expr:
            case Name():
                return self._read(expr)
            case Call():
                return self._call(expr)
            case Unary():
                values = self.numbers(expr.operand)
                return Column(values=-values if expr.op == "-" else values)
            case Binary() if expr.op in _ARITHMETIC:
                return self._arithmetic(expr)
            case Binary() if expr.op in _COMPARISONS:
                return self._comparison(expr)
            case Binary(op="&" | "|"):
                return self._logic(expr)
        raise self.error("this cannot be computed row by row", expr.at)

    def sources(self) -> dict[str, Column]:
        """What was read so far, by its text; columns of the data are under their names."""
        return self._columns

    def error(self, what: str, at: int, **parts: str) -> FormulaError:
        return formula_error(what, self.text, at, **parts)

    def _read(self, expr: Name) -> Column:
        try:
            column = read_column(self.data, expr.name)
        except KeyError:
            names = columns_available(self.data)
            near = difflib.get_close_matches(expr.name, names, 1)
            shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            raise self.error(
                f"the data have no column {expr.name!r}",
                expr.at,
                expected=f"one of {shown}" if shown else "data with columns",
                try_=near[0] if near else "",
            ) from None
        key = expr.name
        if self.is_learning or key not in self.learned:
            return column
        return self._recoded(column, self.learned[key], expr)

    def _recoded(self, column: Column, levels: Any, expr: Expr) -> Column:
        """New data's categories under the levels of the fit."""
        column = column.categories()
        place = {level: i for i, level in enumerate(levels)}
        present = {column.levels[code] for code in np.unique(column.place) if code >= 0}
        unknown = sorted(present - place.keys())
        if unknown:
            raise self.error(
                f"{expr} has a level that the fit has not seen", expr.at, expected=", ".join(levels),
                try_=f"drop the rows with {unknown[0]!r}",
            )  # fmt: skip
        lookup = np.array([*(place.get(level, -1) for level in column.levels), -1], dtype=np.int64)
        return replace(column, codes=lookup[column.codes], levels=tuple(levels))

    def numbers(self, expr: Expr) -> NDArray[np.float64]:
        """The values of an expression that must be numeric."""
        if isinstance(expr, Constant):
            if isinstance(expr.value, str) or expr.value is None:
                raise self.error("a number is needed here", expr.at)
            return np.float64(expr.value)  # type: ignore[return-value]
        values = self.column(expr).numbers()
        if values is None:
            raise self.error(
                f"{expr} is text, and a number is needed here",
                expr.at,
                expected="a numeric column",
                try_=f'{expr} == "..." for one of its levels, or convert the column',
            )
        return values

    def _call(self, call: Call) -> Column:
        if call.function in FACTOR_FUNCTIONS or call.function == "relevel":
            return self._factor(call)
        if call.function not in KNOWN_FUNCTIONS:
            near = difflib.get_close_matches(call.function, KNOWN_FUNCTIONS, 1)
            raise self.error(
                f"there is no function {call.function}() in a formula",
                call.at,
                expected=", ".join(KNOWN_FUNCTIONS),
                try_=near[0] + "()" if near else "compute the column before",
            )
        if len(call.args) != 1:
            raise self.error(f"{call.function}() takes one argument", call.at)
        if call.function == "I" and isinstance(call.args[0], (Binary, Name, Call)):
            return self.column(call.args[0])
        values = self.numbers(call.args[0])
        if call.function in _LEARNING:
            return Column(values=self._centered(call, values))
        return Column(values=self._transformed(call, values))

    def _transformed(self, call: Call, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if call.function in ("I", "as.numeric"):
            return values
        with np.errstate(all="ignore"):
            result = np.asarray(_FUNCTIONS[call.function](values), dtype=np.float64)
        return self._existing(call, result, values)

    def _existing(self, expr: Expr, result: NDArray[np.float64], *sources: Any) -> NDArray[np.float64]:
        """The result, if it exists wherever its sources do: log(-1) is an error, never a missing value."""
        if np.isfinite(result).all():
            return result
        sound = np.ones(result.shape, dtype=bool)
        for source in sources:
            sound &= np.isfinite(source)
        undefined = int(np.sum(~np.isfinite(result) & sound))
        if undefined:
            row = int(np.flatnonzero(~np.isfinite(result) & sound)[0])
            raise self.error(
                f"{expr} does not exist for {undefined} of {result.size} rows, the first being row {row}",
                expr.at,
            )
        return result

    def _centered(self, call: Call, values: NDArray[np.float64]) -> NDArray[np.float64]:
        key = str(call)
        if key not in self.learned:
            spread = float(np.nanstd(values, ddof=1)) if call.function == "scale" else 1.0
            self.learned[key] = (float(np.nanmean(values)), spread)
        shift, scale = self.learned[key]
        if scale == 0:
            raise self.error(f"{call.args[0]} is the same in all rows and cannot be scaled", call.at)
        return (values - float(shift)) / float(scale)

    def _factor(self, call: Call) -> Column:
        if len(call.args) != 1:
            raise self.error(f"{call.function}() takes one column", call.at, try_='C(arm, ref="AZA")')
        column = self.column(call.args[0]).categories()
        key = str(call)
        if not self.is_learning and key in self.learned:
            return self._recoded(column, self.learned[key], call)
        reference = call.option("ref")
        if reference is not None:
            column = self._with_reference(call, column, reference)
        return column

    def _with_reference(self, call: Call, column: Column, reference: Expr) -> Column:
        value = reference.value if isinstance(reference, Constant) else str(reference)
        level = str(Constant(value)) if not isinstance(value, str) else value
        if level not in column.levels:
            raise self.error(
                f"{call.args[0]} has no level {level!r}",
                reference.at,
                expected="one of " + ", ".join(map(repr, column.levels)),
            )
        first = column.levels.index(level)
        order = [first, *(i for i in range(len(column.levels)) if i != first)]
        place = np.empty(len(order) + 1, dtype=np.int64)
        place[order] = np.arange(len(order))
        place[-1] = -1
        return replace(
            column, codes=place[column.place], levels=tuple(column.levels[i] for i in order), is_bool=False
        )

    def _arithmetic(self, expr: Binary) -> Column:
        left, right = self.numbers(expr.left), self.numbers(expr.right)
        with np.errstate(all="ignore"):
            result = np.asarray(_ARITHMETIC[expr.op](left, right), dtype=np.float64)
        if result.ndim == 0:
            raise self.error("this is a number, not a column", expr.at)
        return Column(values=self._existing(expr, result, left, right))

    def _comparison(self, expr: Binary) -> Column:
        if isinstance(expr.right, Constant) and isinstance(expr.right.value, str):
            return self._is_level(expr, expr.right.value)
        left, right = self.numbers(expr.left), self.numbers(expr.right)
        truth = np.asarray(_COMPARISONS[expr.op](left, right), dtype=np.int64)
        return _truth(truth, np.isnan(left) | np.isnan(right))

    def _is_level(self, expr: Binary, level: str) -> Column:
        column = self.column(expr.left)
        if column.codes is None or expr.op not in ("==", "!="):
            raise self.error(f"{expr.left} cannot be compared with a text this way", expr.at, try_="== or !=")
        if level not in column.levels:
            raise self.error(
                f"{expr.left} has no level {level!r}",
                expr.right.at,
                expected="one of " + ", ".join(map(repr, column.levels)),
            )
        equal = column.codes == column.levels.index(level)
        return _truth((equal if expr.op == "==" else ~equal).astype(np.int64), column.codes < 0)

    def _logic(self, expr: Binary) -> Column:
        left, right = self.numbers(expr.left), self.numbers(expr.right)
        truth = (left != 0) & (right != 0) if expr.op == "&" else (left != 0) | (right != 0)
        return _truth(truth.astype(np.int64), np.isnan(left) | np.isnan(right))


def _truth(codes: NDArray[np.int64], missing: NDArray[np.bool_]) -> Column:
    return Column(codes=np.where(missing, -1, codes), levels=("FALSE", "TRUE"), is_bool=True)


def require_same_length(columns: dict[str, Column]) -> int:
    """The number of rows that all columns have."""
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise StatsError(
            "columns differ in length",
            found=", ".join(f"{name} {len(column)}" for name, column in columns.items()),
            expected="one value a row in each",
        )
    return lengths.pop() if lengths else 0
