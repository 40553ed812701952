"""A population of patients, as rows or as the margins that a paper prints.

Decides what is known of a population and says what was assumed where a paper is silent (correlations).
Nothing is compared here: `terms.py` lays two populations side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.stats.margins import (
    Bernoulli,
    Categorical,
    Fixed,
    LogNormal,
    Margin,
    Normal,
    TruncatedNormal,
)

__all__ = ["Population", "columns_of"]

Columns = Mapping[str, NDArray[Any]]
KINDS = (Normal, TruncatedNormal, LogNormal, Bernoulli, Categorical, Fixed)
HOW_TO_GIVE_A_MARGIN = "(mean, sd), a proportion, {level: proportion}, or a margin of flarefree.stats.copula"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Population:
    """Patients, or what is published of them.  Make one by `from_patients` or `from_margins`.

    Attributes
    ----------
    name : str
        As it is printed.
    margins : mapping of str to Margin
        How each covariate is distributed; of patients, by their own moments.
    correlation : (d, d) array, mapping of pairs, or None
        Observed (Pearson's) correlation of the margins, `None` for none.
    n : int, optional
        Patients that it describes.
    columns : mapping of str to (n,) array, optional
        The patients, with outcome and treatment; None where only margins are known.
    assumptions : tuple of str
        What no source said, and was assumed.
    """

    name: str
    margins: Mapping[str, Margin]
    correlation: Any = None
    n: int | None = None
    columns: Columns | None = None
    assumptions: tuple[str, ...] = ()
    kind: Literal["observed", "latent"] = "observed"
    source: str = field(default="")

    @classmethod
    def from_patients(
        cls, data: Any, covariates: Sequence[str] | None = None, *, name: str = "patients"
    ) -> Population:
        """The population of which these rows are the patients.

        Parameters
        ----------
        data : frame (Polars, pandas, ...), mapping of columns, or list of mappings
            One row a patient; other columns (outcome, treatment) are kept.
        covariates : sequence of str, optional
            All columns unless given.  Booleans and 0/1 are proportions, texts are levels.

        Raises
        ------
        EvidenceError
            An unknown covariate, a missing value (with its row), no rows.
        """
        columns = columns_of(data, where=name)
        names = list(columns) if covariates is None else list(covariates)
        margins = {c: _margin_of_values(_require_column(columns, c, name), c, name) for c in names}
        return cls(
            name=name,
            margins=MappingProxyType(margins),
            n=len(next(iter(columns.values()))),
            columns=MappingProxyType(columns),
        )

    @classmethod
    def from_margins(
        cls,
        margins: Mapping[str, Any],
        *,
        correlation: Any = None,
        kind: Literal["observed", "latent"] = "observed",
        n: int | None = None,
        name: str = "target",
        source: str = "",
    ) -> Population:
        """The population that a table of baseline characteristics describes.

        Parameters
        ----------
        margins : mapping
            Of each covariate `(mean, sd)`, a proportion, `{level: proportion}`, or a margin of
            `flarefree.stats.copula` (`LogNormal.from_moments(906, 820)`).
        correlation : (d, d) array or mapping of pairs, optional
            Tables do not print it: what is given is an assumption and is stated as one, and so is none.
        kind : "observed" or "latent"
            Pearson's correlation of the values, or that of the normals underneath.
        source : str
            Where the margins are printed.

        Raises
        ------
        EvidenceError
            A margin that cannot be.
        """
        if not margins:
            raise EvidenceError("a population needs at least one covariate", where="margins")
        kinds = {str(c): _read_margin(given, f"margins[{c!r}]") for c, given in margins.items()}
        told = (
            "correlations between covariates: none (assumed)"
            if correlation is None
            else "correlations between covariates: as given (an assumption unless measured)"
        )
        several = len(kinds) > 1
        return cls(
            name=name,
            margins=MappingProxyType(kinds),
            correlation=correlation,
            n=n,
            assumptions=(told,) if several else (),
            kind=kind,
            source=source,
        )

    @property
    def has_patients(self) -> bool:
        """Whether the patients themselves are at hand."""
        return self.columns is not None

    def covariates(self) -> tuple[str, ...]:
        """Names of what is known of it."""
        return tuple(self.margins)

    def __repr__(self) -> str:
        size = "" if self.n is None else f", n = {self.n}"
        head = f"Population {self.name!r} ({'patients' if self.has_patients else 'margins'}{size})"
        lines = [f"  {name:<24} {_margin_text(margin)}" for name, margin in self.margins.items()]
        return "\n".join([head, *lines, *(f"  assumed: {a}" for a in self.assumptions)])


def columns_of(data: Any, *, where: str) -> dict[str, NDArray[Any]]:
    """Columns by name, of whatever frame was given.

    Raises
    ------
    EvidenceError
        No frame, no rows, or columns of different lengths.
    """
    columns = _raw_columns(data, where)
    lengths = {len(values) for values in columns.values()}
    if not columns or lengths == {0}:
        raise EvidenceError("there are no patients", where=where, found="0 rows", expected="a row a patient")
    if len(lengths) > 1:
        raise EvidenceError(
            "columns have different lengths", where=where, found=", ".join(map(str, sorted(lengths)))
        )
    return columns


def _raw_columns(data: Any, where: str) -> dict[str, NDArray[Any]]:
    if isinstance(data, Mapping):
        return {str(name): _array(values) for name, values in data.items()}
    if isinstance(data, Sequence) and data and all(isinstance(row, Mapping) for row in data):
        return {str(name): _array([row.get(name) for row in data]) for name in data[0]}
    import narwhals as nw

    try:
        known = nw.from_native(data)
    except TypeError:
        raise EvidenceError(
            "these patients cannot be read",
            where=where,
            found=type(data).__name__,
            expected="a frame, a mapping of columns, or a list of mappings",
        ) from None
    eager = known.collect() if isinstance(known, nw.LazyFrame) else known
    return {str(column.name): _column_array(column) for column in eager.iter_columns()}


def _column_array(column: Any) -> NDArray[Any]:
    """A frame's column; numbers without going through Python's."""
    if column.dtype.is_numeric():
        values = column.to_numpy()
        if values.dtype.kind in "fiu":
            return np.asarray(values)
    return _array(column.to_list())


def _array(values: Any) -> NDArray[Any]:
    """Floats where all are numbers (NaN for nothing), texts otherwise (None for nothing)."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        return values
    listed = list(values)
    present = [v for v in listed if v is not None]
    if present and all(isinstance(v, bool | np.bool_) for v in present) and len(present) == len(listed):
        return np.array(listed, dtype=bool)
    if all(isinstance(v, int | float | np.number | bool) for v in present):
        return np.array([np.nan if v is None else float(v) for v in listed])
    out = np.empty(len(listed), dtype=object)
    out[:] = [None if v is None or (isinstance(v, float) and np.isnan(v)) else str(v) for v in listed]
    return out


def _require_column(columns: Columns, covariate: str, where: str) -> NDArray[Any]:
    if covariate not in columns:
        raise EvidenceError(
            f"there is no covariate {covariate!r}",
            where=where,
            found=", ".join(columns),
            expected="a column of the patients",
        )
    return columns[covariate]


def require_no_gaps(values: NDArray[Any], name: str, where: str) -> None:
    """Raise if a value is missing: which rows, and how many."""
    gaps = np.array([v is None for v in values]) if values.dtype == object else ~np.isfinite(values)
    if gaps.any():
        rows = np.flatnonzero(gaps) + 1
        shown = ", ".join(map(str, rows[:8])) + (" ..." if len(rows) > 8 else "")
        raise EvidenceError(
            f"{name} has missing values",
            where=f"{where}, column {name}",
            found=f"{len(rows)} of {len(values)} rows without a value: row {shown}",
            expected="a value for every patient",
            try_="impute first (and repeat over the imputations), or leave the covariate out and say so",
        )


def _margin_of_values(values: NDArray[Any], covariate: str, where: str) -> Margin:
    require_no_gaps(values, covariate, where)
    if values.dtype == object:
        levels, counts = np.unique(values.astype(str), return_counts=True)
        return Categorical(tuple(map(str, levels)), tuple(counts / counts.sum()))
    if np.isin(values, (0, 1)).all():
        return Bernoulli(float(values.mean()))
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Normal(float(values.mean()), sd) if sd > 0 else Fixed(float(values[0]))


def _read_margin(given: Any, where: str) -> Margin:
    if isinstance(given, KINDS):
        return given
    if isinstance(given, Mapping):
        if {str(k) for k in given} == {"mean", "sd"}:
            return Normal(float(given["mean"]), float(given["sd"]))
        return Categorical(tuple(map(str, given)), tuple(float(p) for p in given.values()))
    if isinstance(given, Real) and 0 <= float(given) <= 1:
        return Bernoulli(float(given))
    if isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 2:
        return Normal(float(given[0]), float(given[1]))
    raise EvidenceError("no margin", where=where, found=repr(given), expected=HOW_TO_GIVE_A_MARGIN)


def _margin_text(margin: Margin) -> str:
    if isinstance(margin, Bernoulli):
        return f"{100 * margin.probability:.1f}%"
    if isinstance(margin, Categorical):
        return ", ".join(f"{k} {100 * p:.1f}%" for k, p in zip(margin.levels, margin.probabilities))
    return f"mean {margin.mean:.4g}" + (f", SD {margin.sd:.4g}" if margin.sd else " (all the same)")
