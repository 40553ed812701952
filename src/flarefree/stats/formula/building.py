"""A formula and data become arrays: `design_matrix` gives a frozen `Design`.

Rows with a missing value in any variable of the formula are left out, counted and reported; nothing
else is.  Factors lose levels that no kept row has.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.formula.coding import CodedTerm, code_terms, fill_matrix
from flarefree.stats.formula.columns import Column, as_column, read_column, row_count
from flarefree.stats.formula.design import CovarianceTerm, Design, Grouping, RandomTerm, ResponseKind
from flarefree.stats.formula.evaluate import Scope, require_same_length
from flarefree.stats.formula.nodes import Binary, Call, Expr, Name, Unary
from flarefree.stats.formula.terms import Formula, Special, parse_formula

__all__ = ["design_matrix", "model_frame"]


def design_matrix(
    formula: str | Formula,
    data: Any,
    *,
    drop_intercept: bool = False,
    weights: Any = None,
    cluster: Any = None,
    extra: Mapping[str, Any] | None = None,
) -> Design:
    """The arrays of a model.

    Parameters
    ----------
    formula : str
        In R's grammar; see `docs/methods/formulas.md`.
    data : mapping of arrays, Polars frame (lazy too), pandas or any frame that narwhals reads
        One row an observation.
    drop_intercept : bool
        Code factors as beside an intercept and leave its column out, as Cox models do.
    weights, cluster : str or (n,) array, optional
        A column's name or values of the data's length; rows where they are missing are left out too.
    extra : mapping of str to str or (n,) array, optional
        Further variables to keep in step with the kept rows.

    Raises
    ------
    FormulaError
        The formula cannot be read, or names a column that the data do not have.
    StatsError
        Columns of different lengths, or no row without missing values.
    """
    return _Builder(parse_formula(formula), data).build(drop_intercept, weights, cluster, extra or {})


def model_frame(formula: str | Formula, data: Any) -> Mapping[str, Column]:
    """The formula's variables by their text, for the rows without missing values."""
    builder = _Builder(parse_formula(formula), data)
    builder.gather(None, None, {})
    builder.keep_complete()
    return MappingProxyType({key.removeprefix("="): column for key, column in builder.gathered.items()})


class _Builder:
    """Gathers variables, drops rows with missing values, and lays out the arrays."""

    def __init__(self, formula: Formula, data: Any) -> None:
        self.formula = formula
        self.data = _collected(data, formula)
        self.scope = Scope(self.data, formula.text)
        self.gathered: dict[str, Column] = {}
        self.dropped: dict[str, int] = {}
        self.n_read = 0
        self.rows: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def build(self, drop_intercept: bool, weights: Any, cluster: Any, extra: Mapping[str, Any]) -> Design:
        formula = self.formula
        self.gather(weights, cluster, extra)
        self.keep_complete()
        variables = {variable: self.kept(variable) for variable in formula.variables}
        coded = code_terms(formula.terms, formula.has_intercept or drop_intercept, variables)
        matrix = fill_matrix(coded, variables, self.rows.size, drop_intercept=drop_intercept)
        if drop_intercept:
            coded = tuple(
                CodedTerm(t.label, t.variables, t.is_full, t.levels, t.start - 1, t.stop - 1)
                for t in coded[1:]
            )
        factors = {str(v): column.levels for v, column in variables.items() if column.is_categorical}
        self.scope.learned.update(factors)
        kind, response, levels = self.response()
        return Design(
            formula=formula,
            matrix=matrix,
            columns=tuple(name for term in coded for name in term.names()),
            terms=coded,
            factors=factors,
            response=response,
            response_kind=kind,
            response_levels=levels,
            offset=self.offset(),
            weights=self.gathered["=weights"].values if weights is not None else None,
            strata=self.grouping("strata"),
            cluster=self.given_cluster(cluster),
            frailty=self.grouping("frailty"),
            covariance=self.covariance(),
            random=tuple(self.random(special) for special in formula.find("random")),
            extra={name: self.gathered["=" + name] for name in extra},
            rows=self.rows,
            n_read=self.n_read,
            dropped=self.dropped,
            variables=variables,
            learned=self.scope.learned,
            sources=self.scope.sources(),
            intercept_dropped=drop_intercept,
        )

    # -- gathering ---------------------------------------------------------------------------------------

    def gather(self, weights: Any, cluster: Any, extra: Mapping[str, Any]) -> None:
        """Compute all variables; those given as arguments have keys that begin with `=`."""
        formula = self.formula
        if formula.response is not None:
            for expr in _response_parts(formula, formula.response):
                self._add(expr)
        for expr in formula.variables:
            self._add(expr)
        for special in formula.specials:
            self._add_special(special)
        if weights is not None:
            column = self._given("weights", weights)
            if column.numbers() is None:
                raise StatsError("weights must be numbers", found=str(column.levels[:3]))
            self.gathered["=weights"] = Column(values=column.numbers())
        if cluster is not None:
            self.gathered["=cluster"] = self._given("cluster", cluster)
        for name, values in extra.items():
            self.gathered["=" + name] = self._given(name, values)
        self.n_read = require_same_length(self.gathered) if self.gathered else row_count(self.data)

    def _add(self, expr: Expr) -> None:
        key = expr.name if type(expr) is Name else str(expr)
        if key not in self.gathered:
            self.gathered[key] = self.scope.column(expr)

    def _add_special(self, special: Special) -> None:
        for expr in (*special.variables, *(v for term in special.terms for v in term.variables)):
            self._add(expr)
        for side in (special.subject, special.group):
            if side is not None:
                self._add(side)

    def _given(self, name: str, values: Any) -> Column:
        if not isinstance(values, str):
            return as_column(values, name)
        try:
            return read_column(self.data, values)
        except KeyError:
            raise StatsError(f"the data have no column {values!r}", where=name) from None

    def keep_complete(self) -> None:
        """Leave out rows with a missing value; count them by variable."""
        gone: NDArray[np.bool_] | None = None
        for key, column in self.gathered.items():
            if column.is_complete():
                continue
            _refuse_infinite(key.removeprefix("="), column)
            missing = column.missing()
            if missing is not None:
                self.dropped[key.removeprefix("=")] = int(missing.sum())
                gone = missing if gone is None else gone | missing
        if gone is None:
            self.rows = np.arange(self.n_read)
            self.gathered = {key: column.used() for key, column in self.gathered.items()}
        else:
            self.rows = np.flatnonzero(~gone)
            self.gathered = {key: column.take(self.rows).used() for key, column in self.gathered.items()}
        if not self.rows.size:
            raise StatsError(
                "no row has a value for every variable of the formula",
                where="data",
                found=f"{self.n_read} rows; missing: "
                + (", ".join(f"{k} in {v}" for k, v in self.dropped.items()) or "none"),
                expected="at least one complete row",
            )

    def kept(self, expr: Expr) -> Column:
        """A gathered variable, for the kept rows."""
        return self.gathered[expr.name if type(expr) is Name else str(expr)]

    # -- laying out --------------------------------------------------------------------------------------

    def response(self) -> tuple[ResponseKind, dict[str, NDArray[np.float64]], tuple[str, ...]]:
        expr = self.formula.response
        if expr is None:
            return "none", {}, ()
        parts = [self.kept(part) for part in _response_parts(self.formula, expr)]
        if isinstance(expr, Call) and expr.function == "Surv":
            return self._survival(expr, parts)
        if isinstance(expr, Call) and expr.function == "cbind":
            counts = {name: self._number(expr, part) for name, part in zip(("successes", "failures"), parts)}
            return "counts", counts, ()
        numbers = parts[0].numbers()
        if numbers is not None:
            return "numeric", {"y": numbers}, ()
        return "category", {"y": parts[0].place.astype(np.float64)}, parts[0].levels

    def _survival(
        self, expr: Call, parts: list[Column]
    ) -> tuple[ResponseKind, dict[str, NDArray[np.float64]], tuple[str, ...]]:
        times = [self._number(expr, part) for part in parts[: max(1, len(parts) - 1)]]
        event = np.ones(self.rows.size)
        levels: tuple[str, ...] = ()
        if len(parts) > 1:
            numbers = parts[-1].numbers()
            if numbers is None:
                event, levels = parts[-1].place.astype(np.float64), parts[-1].levels
            else:
                event = numbers
        if len(times) == 2:
            return "counting", {"start": times[0], "stop": times[1], "event": event}, levels
        return "surv", {"time": times[0], "event": event}, levels

    def _number(self, expr: Call, column: Column) -> NDArray[np.float64]:
        values = column.numbers()
        if values is None:
            raise self.scope.error(
                f"{expr.function}() needs numbers",
                expr.at,
                expected="numeric columns" + (" for times" if expr.function == "Surv" else ""),
            )
        return values

    def offset(self) -> NDArray[np.float64] | None:
        total: NDArray[np.float64] | None = None
        for special in self.formula.find("offset"):
            values = self.kept(special.variables[0]).numbers()
            if values is None:
                raise self.scope.error(f"{special} needs numbers", special.at)
            total = values if total is None else total + values
        return total

    def grouping(self, kind: Literal["strata", "frailty", "cluster"]) -> Grouping | None:
        specials = self.formula.find(kind)
        if not specials:
            return None
        if len(specials) > 1 and kind != "strata":
            raise self.scope.error(f"there can be only one {kind}() term", specials[1].at)
        return self.grouped([expr for special in specials for expr in special.variables])

    def grouped(self, exprs: list[Expr]) -> Grouping:
        """Rows by the combinations of some variables that occur."""
        columns = [self.kept(expr).categories() for expr in exprs]
        name = ", ".join(map(str, exprs))
        if len(columns) == 1:
            return _grouping(name, columns[0])
        codes = np.zeros(self.rows.size, dtype=np.int64)
        for column in columns:
            codes = codes * len(column.levels) + column.place
        labels = [""]
        for column in columns:
            labels = [f"{left}, {level}" if left else level for left in labels for level in column.levels]
        return _grouping(name, Column(codes=codes, levels=tuple(labels)).used())

    def given_cluster(self, cluster: Any) -> Grouping | None:
        within = self.grouping("cluster")
        if cluster is None:
            return within
        if within is not None:
            raise StatsError(
                "clusters are named twice", where="cluster", try_="cluster() or the argument, not both"
            )
        return _grouping(
            cluster if isinstance(cluster, str) else "cluster", self.gathered["=cluster"].categories()
        )

    def covariance(self) -> CovarianceTerm | None:
        specials = self.formula.find("covariance")
        if not specials:
            return None
        if len(specials) > 1:
            raise self.scope.error("there can be only one covariance structure", specials[1].at)
        special = specials[0]
        assert special.subject is not None
        group = None if special.group is None else self.grouped([special.group])
        return CovarianceTerm(
            special.name,
            self.grouped([special.variables[0]]),
            self.grouped([special.subject]),
            group,
            special.written,
        )

    def random(self, special: Special) -> RandomTerm:
        assert special.subject is not None
        has_intercept = any(not term.variables for term in special.terms)
        terms = tuple(term for term in special.terms if term.variables)
        columns = {variable: self.kept(variable) for term in terms for variable in term.variables}
        coded = code_terms(terms, has_intercept, columns)
        matrix = fill_matrix(coded, columns, self.rows.size)
        names = tuple(name for term in coded for name in term.names())
        return RandomTerm(matrix, names, self.grouped([special.subject]), special.written)


def _refuse_infinite(name: str, column: Column) -> None:
    if column.infinite():
        raise StatsError(
            f"{name} is infinite in {column.infinite()} rows",
            where="data",
            expected="finite numbers; a missing value is null or NaN",
        )


def _grouping(name: str, column: Column) -> Grouping:
    column = column.categories()
    return Grouping(name, column.place, column.levels)


def _collected(data: Any, formula: Formula) -> Any:
    """A lazy Polars frame's needed columns; any other data as they are."""
    if type(data).__module__.startswith("polars") and type(data).__name__ == "LazyFrame":
        names = data.collect_schema().names()
        return data.select([name for name in names if name in formula.columns]).collect()
    return data


def _response_parts(formula: Formula, expr: Expr) -> list[Expr]:
    """The columns of a response: those of Surv(...) or cbind(...), else itself."""
    if isinstance(expr, Call) and expr.function == "Surv":
        given = {"time": 0, "time2": 1, "event": 2}
        named = [(given.get(name, -1), value) for name, value in expr.options]
        if any(place < 0 for place, _ in named) or not 1 <= len(expr.args) + len(named) <= 3:
            raise formula.error(
                "Surv() takes a time and an event",
                expr.at,
                expected="Surv(time, event) or Surv(start, stop, event)",
            )
        return [*expr.args, *(value for _, value in sorted(named, key=lambda pair: pair[0]))]
    if isinstance(expr, Call) and expr.function == "cbind":
        if len(expr.args) != 2:
            raise formula.error("cbind() takes successes and failures", expr.at)
        return list(expr.args)
    if isinstance(expr, (Name, Call, Binary, Unary)):
        return [expr]
    raise formula.error("the response must be a column", expr.at)
