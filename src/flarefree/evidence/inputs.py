"""Arm rows and contrast rows: the two shapes in which trials' results arrive, checked once, then trusted.

Decides what a usable cell is and names the study and cell of those that are not; all bad cells are told
together.  What the numbers imply (attainable percentages, limits against counts) is for `auditing`.
Begin reading at `read_rows`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.given_columns import columns_of, name_text, numbers_of, texts_of

__all__ = ["ArmRows", "ContrastRows", "group_codes", "name_text", "read_rows"]

Floats = NDArray[np.float64]
Texts = NDArray[np.object_]

ARM_NUMBERS = ("n", "events", "mean", "sd", "person_time")
CONTRAST_COLUMNS = ("study", "treatment_1", "treatment_2", "estimate", "std_error")
SHAPES = (
    "arm rows: study, treatment, and n with events (person_time with events for rates; mean, sd with n)\n"
    "or contrast rows: study, treatment_1, treatment_2, estimate, std_error"
)
MOST_FAULTS_TOLD = 12
FEW_DISTINCT = 1e-9  # a count read from a file may carry the dust of a decimal
MOST_PATIENTS = 1e10  # more than there are people


@dataclass(frozen=True, slots=True, eq=False)
class ArmRows:
    """One row an arm of a study.

    Attributes
    ----------
    study, treatment : (n_rows,) str
    n, events, mean, sd, person_time : (n_rows,) float
        NaN where not given.  Every row holds events with n, events with person_time, or mean, sd and n.
    row : (n_rows,) int
        Row of the input, from 1, for the words of errors.
    extra : mapping of str to (n_rows,) array or list
        Every other column as it came: moderators, subgroups, years.
    where : str
        What the caller called the data: an argument's or a file's name.
    """

    study: Texts
    treatment: Texts
    n: Floats
    events: Floats
    mean: Floats
    sd: Floats
    person_time: Floats
    row: NDArray[np.int64]
    extra: Mapping[str, Any] = field(default_factory=dict)
    where: str = "data"

    def __len__(self) -> int:
        return len(self.study)

    def place(self, i: int, column: str = "") -> str:
        """Where row `i` stands: `data: study Chan 2005, treatment MMF (row 3), column events`."""
        return _place(self.where, self.study[i], f"treatment {self.treatment[i]}", int(self.row[i]), column)


@dataclass(frozen=True, slots=True, eq=False)
class ContrastRows:
    """One row a comparison of a study: the effect of `treatment_1` relative to `treatment_2`.

    Attributes
    ----------
    study, treatment_1, treatment_2 : (n_rows,) str
    estimate, std_error : (n_rows,) float
        On the log scale for ratios.
    row, extra, where
        As in `ArmRows`.
    """

    study: Texts
    treatment_1: Texts
    treatment_2: Texts
    estimate: Floats
    std_error: Floats
    row: NDArray[np.int64]
    extra: Mapping[str, Any] = field(default_factory=dict)
    where: str = "data"

    def __len__(self) -> int:
        return len(self.study)

    def place(self, i: int, column: str = "") -> str:
        """Where row `i` stands: `data: study Dall'Era, MMF v AZA (row 3), column std_error`."""
        pair = f"{self.treatment_1[i]} v {self.treatment_2[i]}"
        return _place(self.where, self.study[i], pair, int(self.row[i]), column)


def read_rows(data: Any, *, where: str = "data") -> ArmRows | ContrastRows:
    """Arm rows or contrast rows from what the caller has.

    Parameters
    ----------
    data : frame, list of mappings, mapping of columns, path of a CSV file, ArmRows or ContrastRows
        A Polars, pandas or other frame that narwhals knows.  `treatment_1` among the columns makes it
        contrast rows.  Rows already read are given back as they are.
    where : str
        What errors call the data; the file's name for a path.

    Raises
    ------
    EvidenceError
        Columns are missing, or cells cannot be used: every such cell with its study and arm.
    """
    if isinstance(data, ArmRows | ContrastRows):
        return data
    if isinstance(data, str | Path):
        where = Path(data).name if where == "data" else where
    columns = columns_of(data, where)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise EvidenceError(
            "columns have different lengths",
            where=where,
            found=", ".join(f"{name} {length}" for name, length in lengths.items()),
            expected="one length",
        )
    if "treatment_1" in columns or "treatment_2" in columns:
        return _contrast_rows(columns, where)
    return _arm_rows(columns, where)


def group_codes(values: Iterable[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """The distinct values in the order of their first row, and each row's place among them."""
    known: dict[Any, int] = {}
    codes = [known.setdefault(value, len(known)) for value in values]
    return list(known), np.array(codes, np.int64)


# Two shapes ----------------------------------------------------------------------------------------


def _arm_rows(columns: Mapping[str, Any], where: str) -> ArmRows:
    _require_columns(columns, ("study", "treatment"), where)
    has = columns.keys()
    complete = {"n", "events"} <= has or {"person_time", "events"} <= has or {"n", "mean", "sd"} <= has
    if not complete:
        _refuse_columns(columns, [], where)
    study, treatment = (texts_of(columns[name], name, where) for name in ("study", "treatment"))
    _require_rows(study, where)
    numbers = {
        name: numbers_of(columns[name], name, study, where)
        if name in columns
        else np.full(len(study), math.nan)
        for name in ARM_NUMBERS
    }
    rows = ArmRows(
        study,
        treatment,
        **numbers,
        row=np.arange(1, len(study) + 1),
        extra=_extra(columns, ("study", "treatment", *ARM_NUMBERS)),
        where=where,
    )
    _require_distinct(rows, treatment)
    _raise_faults([*_cell_faults(rows), *_arm_faults(rows)])
    return rows


def _contrast_rows(columns: Mapping[str, Any], where: str) -> ContrastRows:
    _require_columns(columns, CONTRAST_COLUMNS, where)
    study, first, second = (texts_of(columns[name], name, where) for name in CONTRAST_COLUMNS[:3])
    _require_rows(study, where)
    estimate, std_error = (numbers_of(columns[name], name, study, where) for name in CONTRAST_COLUMNS[3:])
    rows = ContrastRows(
        study,
        first,
        second,
        estimate,
        std_error,
        row=np.arange(1, len(study) + 1),
        extra=_extra(columns, CONTRAST_COLUMNS),
        where=where,
    )
    _require_distinct(rows, first, second)
    _raise_faults(_contrast_faults(rows))
    return rows


def _extra(columns: Mapping[str, Any], known: Sequence[str]) -> Mapping[str, Any]:
    return MappingProxyType({name: values for name, values in columns.items() if name not in known})


def _require_rows(study: Texts, where: str) -> None:
    if not len(study):
        raise EvidenceError("there are no rows", where=where, found="0 rows", expected=SHAPES)


def _require_columns(columns: Mapping[str, Any], needed: Sequence[str], where: str) -> None:
    missing = [name for name in needed if name not in columns]
    if missing:
        _refuse_columns(columns, missing, where)


def _refuse_columns(columns: Mapping[str, Any], missing: list[str], where: str) -> None:
    words = f"no column {', '.join(missing)}" if missing else "no outcome that can be pooled"
    near = {"".join(name.casefold().split()): name for name in columns}
    slips = [
        f"{near[name]!r} as {name!r}"
        for name in missing or ARM_NUMBERS
        if name in near and name not in columns
    ]
    raise EvidenceError(
        words,
        where=where,
        found=", ".join(map(str, columns)) or "no columns",
        expected=SHAPES,
        try_="name " + ", ".join(slips) if slips else "",
    )


def _require_distinct(rows: ArmRows | ContrastRows, *treatments: Texts) -> None:
    """No two treatments that differ in capitals alone: one of them is a slip, and parts the network."""
    folded: dict[str, str] = {}
    for name in dict.fromkeys(name for column in treatments for name in column.tolist()):
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            at = min(
                int(np.flatnonzero(column == name)[0]) for column in treatments if name in column.tolist()
            )
            raise EvidenceError(
                "two treatments differ in capitals alone",
                where=rows.place(at),
                found=f"{name!r} and {other!r}",
                expected="one way to write a treatment",
            )


# What is wrong with cells -----------------------------------------------------------------------------

Fault = tuple[str, str, str]
"""Where, found, expected."""


def _cell_faults(rows: ArmRows) -> list[Fault]:
    """Cells that no arm can have."""
    n, events, sd, time = rows.n, rows.events, rows.sd, rows.person_time
    checks: list[tuple[str, NDArray[np.bool_], str]] = [
        ("n", n < 1, "at least one patient"),
        ("n", n > MOST_PATIENTS, "a number of patients"),
        ("n", _is_fractional(n), "a whole number"),
        ("events", events < 0, "0 or more"),
        ("events", _is_fractional(events), "a whole number"),
        ("sd", sd <= 0, "more than 0"),
        ("person_time", time <= 0, "more than 0"),
    ]
    # Events of a rate are not patients: where person-time is given, one patient may have several.
    checks.append(("events", (events > n) & np.isnan(time), "events no more than n"))
    for name in ARM_NUMBERS[1:]:
        checks.append((name, np.isinf(getattr(rows, name)), "a finite number"))
    faults = []
    for column, bad, expected in checks:
        if bad.any():
            faults += [_arm_fault(rows, int(i), column, expected) for i in np.flatnonzero(bad)]
    incomplete = ~_is_complete(rows)
    if incomplete.any():
        faults += [_incomplete(rows, int(i)) for i in np.flatnonzero(incomplete)]
    return faults


def _is_fractional(values: Floats) -> NDArray[np.bool_]:
    # NaN compares as false, which is wanted: what is absent is not fractional
    with np.errstate(invalid="ignore"):  # infinities are told of by another check
        return np.abs(values - np.rint(values)) > FEW_DISTINCT


def _is_complete(rows: ArmRows) -> NDArray[np.bool_]:
    has_n, has_events = ~np.isnan(rows.n), ~np.isnan(rows.events)
    counted = has_events & (has_n | ~np.isnan(rows.person_time))
    half = np.isnan(rows.mean) != np.isnan(rows.sd)
    measured = has_n & ~np.isnan(rows.mean) & ~np.isnan(rows.sd)
    return cast("NDArray[np.bool_]", (counted | measured) & ~half)


def _incomplete(rows: ArmRows, i: int) -> Fault:
    given = {name: getattr(rows, name)[i] for name in ARM_NUMBERS}
    absent = [name for name, value in given.items() if math.isnan(value)]
    wanted: tuple[str, ...] = (
        ("mean", "sd", "n") if not (math.isnan(rows.mean[i]) and math.isnan(rows.sd[i])) else ()
    )
    wanted = wanted or (("events",) if math.isnan(rows.events[i]) else ("n",))
    column = next((name for name in wanted if name in absent), absent[0])
    return rows.place(i, column), "nothing", "events with n, events with person_time, or mean, sd and n"


def _arm_fault(rows: ArmRows, i: int, column: str, expected: str) -> Fault:
    found = f"{getattr(rows, column)[i]:.10g}"
    if expected == "events no more than n":
        found, expected = f"{found} events", f"no more than n = {rows.n[i]:.10g}"
    return rows.place(i, column), found, expected


def _arm_faults(rows: ArmRows) -> list[Fault]:
    """Studies with one arm, arms that stand twice."""
    pairs = list(zip(rows.study.tolist(), rows.treatment.tolist()))
    counts: dict[str, int] = {}
    for study in rows.study.tolist():
        counts[study] = counts.get(study, 0) + 1
    faults: list[Fault] = []
    if len(set(pairs)) < len(pairs):
        first: dict[tuple[str, str], int] = {}
        for i, pair in enumerate(pairs):
            if pair in first:
                where = rows.place(i)
                faults.append((where, f"this arm, also in row {first[pair]}", "each arm of a study once"))
            first.setdefault(pair, i + 1)
    if min(counts.values()) < 2:
        for i, (study, treatment) in enumerate(pairs):
            if counts[study] == 1:
                told = f"one arm ({treatment}){_written_otherwise(study, counts)}"
                faults.append((rows.place(i), told, "two arms or more in a study"))
    return faults


def _written_otherwise(study: str, counts: Mapping[str, int]) -> str:
    others = [name for name in counts if name != study and name.casefold() == study.casefold()]
    return f"; there is a study {others[0]!r} too" if others else ""


def _contrast_faults(rows: ContrastRows) -> list[Fault]:
    error, estimate = rows.std_error, rows.estimate
    faults: list[Fault] = []
    checks: list[tuple[str, NDArray[np.bool_], str]] = [
        ("estimate", ~np.isfinite(estimate), "a finite number (log scale for ratios)"),
        ("std_error", ~np.isfinite(error), "a standard error (log scale for ratios)"),
        ("std_error", error <= 0, "more than 0"),
    ]
    for column, bad, expected in checks:
        for j in np.flatnonzero(bad):
            value = getattr(rows, column)[j]
            found = "nothing" if math.isnan(value) else f"{value:.10g}"
            faults.append((rows.place(int(j), column), found, expected))
    first: dict[tuple[str, frozenset[str]], int] = {}
    triples = zip(rows.study.tolist(), rows.treatment_1.tolist(), rows.treatment_2.tolist())
    for i, (study, one, two) in enumerate(triples):
        if one == two:
            faults.append((rows.place(i), f"{one} against itself", "two treatments"))
        key = (study, frozenset((one, two)))
        if key in first:
            faults.append((rows.place(i), f"this comparison, also in row {first[key]}", "each once a study"))
        first.setdefault(key, i + 1)
    return faults


def _raise_faults(faults: list[Fault]) -> None:
    if not faults:
        return
    if len(faults) == 1:
        where, found, expected = faults[0]
        raise EvidenceError("this cannot be pooled", where=where, found=found, expected=expected)
    told = [f"{where}: {found}; expected {expected}" for where, found, expected in faults[:MOST_FAULTS_TOLD]]
    if len(faults) > len(told):
        told.append(f"and {len(faults) - len(told)} more")
    raise EvidenceError(
        f"{len(faults)} cells or arms cannot be pooled", where=faults[0][0], found="\n".join(told)
    )


def _place(where: str, study: str, arm: str, row: int, column: str) -> str:
    place = f"{where}: study {study}, {arm} (row {row})"
    return f"{place}, column {column}" if column else place
