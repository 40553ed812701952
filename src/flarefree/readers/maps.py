"""How one file's columns become ours: from CDISC's names, or from what `study.yaml` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from flarefree.records.cdisc import DatasetMap
from flarefree.records.tables import TABLES

__all__ = [
    "ColumnMap",
    "WideColumn",
    "day_name",
    "inside_name",
    "known_names",
    "outside_name",
    "text_name",
    "type_of",
]

_NOT_NAMED = {
    # columns that follow from others, and so are named in no map
    "subjects": ("arm_written",),
    "observations": ("measure", "domain", "text", "original_value", "original_unit"),
    "exposures": (),
}

_AS_COLLECTED = {
    # A plain table's results are results as collected: there is no second, standard form of them.
    "value": "original_value",
    "unit": "original_unit",
    "lower_limit": "original_lower",
    "upper_limit": "original_upper",
}

_AS_WRITTEN = {"arm": "arm_written", "actual_arm": "actual_arm_written"}


@dataclass(frozen=True, slots=True)
class WideColumn:
    """A column that holds one test's results, a row a visit."""

    column: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """How a raw table is to be read.

    Attributes
    ----------
    table : str
        Ours, of `flarefree.records.tables.TABLES`.
    columns : mapping of str to tuple of str
        Our name to theirs, best first.
    dataset : str
        `LB`, `ADSL`, `BDS` ... for CDISC's; empty for a plain table.
    required : tuple of str
        Our names without which the table means nothing.
    wide : mapping of str to WideColumn
        Test to its column, where a row holds the results of several tests.
    values : mapping of str to mapping of str to str
        Our column (or a test of `wide`) to the recoding of its texts.
    constants : mapping of str to str
        Our columns that hold the same in every row.
    units : mapping of str to str
        Unit of each test whose rows name none.
    missing : frozenset of str
        Texts that mean that there is no value.
    date_format : str, optional
        How dates are written; ISO 8601 if None.
    decimal : str
        The decimal sign.
    """

    table: str
    columns: Mapping[str, tuple[str, ...]]
    dataset: str = ""
    required: tuple[str, ...] = ("subject",)
    wide: Mapping[str, WideColumn] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    date_format: str | None = None
    decimal: str = "."

    @classmethod
    def of_dataset(cls, dataset: DatasetMap, **options: object) -> ColumnMap:
        """The map of a CDISC dataset, which needs none from a user."""
        return cls(dataset.table, dataset.columns, dataset.dataset, dataset.required, **options)  # type: ignore[arg-type]

    @property
    def is_adam(self) -> bool:
        """Whether the file is an analysis dataset, which tabulations go before."""
        return self.dataset == "BDS" or self.dataset.startswith("AD")

    @property
    def is_sdtm(self) -> bool:
        """Whether the file is a tabulation."""
        return bool(self.dataset) and not self.is_adam

    def unfolded(self) -> tuple[ColumnMap, ...]:
        """One map for each test of `wide`, or the map itself."""
        if not self.wide:
            return (self,)
        return tuple(self._of_test(test, wide) for test, wide in self.wide.items())

    def _of_test(self, test: str, wide: WideColumn) -> ColumnMap:
        values = {name: recoding for name, recoding in self.values.items() if name not in self.wide}
        if test in self.values:
            values["original_value"] = self.values[test]
        unit = {"original_unit": wide.unit} if wide.unit else {}
        return replace(
            self,
            columns={**self.columns, "original_value": (wide.column,)},
            constants={**self.constants, "test": test, **unit},
            values=values,
            wide={},
        )

    def needs(self, name: str) -> bool:
        """Whether a column of the file is read, by its name in any case."""
        wanted = {theirs.casefold() for names in self.columns.values() for theirs in names}
        wanted |= {wide.column.casefold() for wide in self.wide.values()}
        return name.casefold() in wanted


def known_names(table: str) -> tuple[str, ...]:
    """Every name of ours that a plain table's map may use."""
    skipped = {"source", "row", *_NOT_NAMED.get(table, ())}
    return tuple(c for c in TABLES[table] if c not in skipped and not c.endswith("_text"))


def inside_name(table: str, ours: str) -> str:
    """What reading calls a plain table's column: results as collected, arms as written."""
    inside = {"observations": _AS_COLLECTED, "subjects": _AS_WRITTEN}.get(table, {})
    return inside.get(ours, ours)


def outside_name(table: str, inside: str) -> str:
    """The name that a map uses for what reading calls `inside`."""
    return next((ours for ours in known_names(table) if inside_name(table, ours) == inside), inside)


def text_name(date_name: str) -> str:
    """The column that keeps a date as written: `start_text` for `start_date`."""
    return f"{date_name.removesuffix('date')}text" if date_name != "date" else "date_text"


def day_name(date_name: str) -> str:
    """The column of a date's study day: `start_day` for `start_date`."""
    return f"{date_name.removesuffix('date')}day"


def type_of(table: str, name: str) -> Any:
    """The type of one of our columns, or of a name that only reading uses."""
    if name in TABLES[table]:
        return TABLES[table][name]
    if name.endswith("_date"):
        return pl.Date
    if name.endswith("_day"):
        return pl.Int32
    return pl.Float64 if name in ("standard_value", *_LIMITS) else pl.String


_LIMITS = ("standard_lower", "standard_upper", "original_lower", "original_upper")
