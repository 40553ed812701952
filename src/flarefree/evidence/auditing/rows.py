"""Rows of printed cells: the shape of a table that can be audited, and how a stranger's table gets there.

One row is one printed group of cells: an outcome of a study in one arm.  Every column but `study` is
optional; what is not there is not checked.  `columns.py` knows other people's names of columns and other
shapes; here a row's cells become numbers with their decimals, or an error that names row and cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from flarefree.errors import EvidenceError
from flarefree.evidence.auditing.columns import long_rows
from flarefree.evidence.auditing.printed import Printed, is_blank, plain_text, read_printed

__all__ = ["COLUMNS", "PrintedRow", "read_printed_rows", "read_table"]

MOST_FAULTS_TOLD = 12


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """One row: what a table prints for one outcome in one arm.

    Attributes
    ----------
    row : int
        Row of the input, from 1.
    study, source, table, outcome, arm, versus : str
        `source` is the document, `table` the place in it.  `versus` names the arm that a P value or a ratio
        compares with, where a table has more than two.
    outcome_id, patients, cohort : str
        One name for what other rows call otherwise: the outcome, the patients of an arm (the same people
        under two treatments in turn), the cohort that several reports share.
    period : str
        Phase that the figure covers; a whole of several is written `induction + maintenance`.
    kind : str
        How a percentage or P value was made where not by counting: `kaplan-meier`, `model`, `time to event`,
        `adjusted`.
    test : str
        The test that the print names for its P value.
    measure : str
        Of `estimate`: HR, RR, OR, RD, MD, SMD, rate ratio, percent.
    part_of, parts : str
        The outcome that this row is a part of; `exclusive` parts add up to no more than it, `complete` ones
        to all of it, `components` may share patients and together make it up.
    recorded : str
        Conflicts that an evidence base has recorded about the row.
    unit : str
        `events` where events, not patients, are counted.
    n, events, randomized, at_risk : int or None
    percent, mean, sd, estimate, lower, upper, p, person_time, rate, follow_up, time : Printed or None
        Percent in percent; `follow_up` is the mean a patient, in the unit of `person_time`.
    rate_per, level : float
        A rate is for so much person-time (100); limits have this level (0.95).
    whole : bool
        Whether the data behind mean and SD are whole numbers.
    n_elsewhere : bool
        Whether n is the arm's size from elsewhere in the document, not printed with this figure.
    minimum, maximum : float or None
        The least and largest value that a patient can have.
    """

    row: int
    study: str
    source: str = ""
    table: str = ""
    outcome: str = ""
    arm: str = ""
    versus: str = ""
    outcome_id: str = ""
    patients: str = ""
    cohort: str = ""
    period: str = ""
    population: str = ""
    kind: str = ""
    test: str = ""
    measure: str = ""
    part_of: str = ""
    parts: str = ""
    unit: str = ""
    recorded: str = ""
    n: int | None = None
    events: int | None = None
    randomized: int | None = None
    at_risk: int | None = None
    percent: Printed | None = None
    mean: Printed | None = None
    sd: Printed | None = None
    estimate: Printed | None = None
    lower: Printed | None = None
    upper: Printed | None = None
    p: Printed | None = None
    person_time: Printed | None = None
    rate: Printed | None = None
    follow_up: Printed | None = None
    time: Printed | None = None
    rate_per: float = 100.0
    level: float = 0.95
    minimum: float | None = None
    maximum: float | None = None
    whole: bool = False
    n_elsewhere: bool = False

    @property
    def place(self) -> str:
        """Document and table, in words."""
        return ", ".join(part for part in (self.source, self.table) if part)

    @property
    def counts_patients(self) -> bool:
        return self.unit != "events"

    @property
    def is_risk_table(self) -> bool:
        """Whether it is one column of a Kaplan-Meier curve's risk table."""
        return self.time is not None and self.at_risk is not None


TEXTS = ("study", *(f.name for f in fields(PrintedRow) if f.default == ""))
COUNTS = ("n", "events", "randomized", "at_risk")
NUMBERS = tuple(f.name for f in fields(PrintedRow) if str(f.type) == "Printed | None")
SETTINGS = ("rate_per", "level", "minimum", "maximum")
FLAGS = ("whole", "n_elsewhere")
COLUMNS = (*TEXTS, *COUNTS, *NUMBERS, *SETTINGS, *FLAGS)
LOOSE = frozenset({"time", "follow_up", "n"})  # "24 wk", "N = 116": the number is what counts
NEVER_NEGATIVE = frozenset({"percent", "sd", "p", "person_time", "rate", "follow_up"})

_FRACTION = re.compile(r"^(\d+)\s*/\s*(\d+)\s*(?:[\[(]\s*([<\d.]+)\s*%?\s*[\])])?$")
_WITH_PERCENT = re.compile(r"^(\d+)\s*[\[(]\s*([<\d.]+)\s*%?\s*[\])]$")
_MEAN_SD = re.compile(r"^(-?[\d.,]+)\s*(?:±|\+/-|\(SD)\s*([\d.,]+)\s*\)?$")
_MEAN_SD_BRACKET = re.compile(r"^(-?[\d.]+)\s*\(\s*([\d.]+)\s*\)$")
_WITH_LIMITS = re.compile(
    r"^(-?[\d.]+)\s*[\[(,;]\s*(?:\d+\s*%\s*(?:CI|CrI)?[:,]?\s*)?(-?[\d.]+)\s*(?:to|-|,|;)\s*(-?[\d.]+)\s*[\])]?$"
)
_PERSON_TIME = re.compile(
    r"^(\d+(?:\.\d+)?)\s*(?:patient|person)?[-\s]*(years?|months?|weeks?|days?)$", re.IGNORECASE
)
PER_YEAR = {"y": 1.0, "m": 12.0, "w": 365.25 / 7, "d": 365.25}
_LEADING = re.compile(r"^(?:[nN]\s*=\s*)?(-?\d+(?:\.\d+)?)\s*(?:[a-zA-Z]+\.?)?$")
_YES = frozenset({"yes", "true", "1", "y", "integer", "whole"})
_NO = frozenset({"no", "false", "0", "n", ""})


def read_printed_rows(data: Any, *, where: str = "data") -> tuple[PrintedRow, ...]:
    """Rows of a table of printed cells.

    Parameters
    ----------
    data : frame, list of dicts, mapping of columns, or path
        A polars or pandas frame, rows, columns, or a CSV, TSV, JSON or Parquet file.  Text keeps the decimals
        that were printed (`"16.0"`); a float has lost its trailing zeros and is judged more mildly.
    where : str
        What to call the data in errors.

    Raises
    ------
    EvidenceError
        A cell cannot be read, with its row and column; all such cells together.
    """
    return read_table(data, where=where)[0]


def read_table(data: Any, *, where: str) -> tuple[tuple[PrintedRow, ...], tuple[str, ...]]:
    """The rows of `read_printed_rows`, and the columns that are none of ours."""
    rows, where, unread = long_rows(data, where)
    faults: list[str] = []
    read = [_read_row(number, cells, faults) for number, cells in rows]
    if faults:
        told = faults[:MOST_FAULTS_TOLD]
        more = [f"and {len(faults) - len(told)} more"] if len(faults) > len(told) else []
        raise EvidenceError(
            "cells of this table cannot be read"
            if len(faults) > 1
            else "a cell of this table cannot be read",
            where=where,
            found="\n".join([*told, *more]),
            expected="numbers as printed (25.6, <0.01); counts whole, not negative; else a blank cell",
            try_="a text such as 19/116 (16.4%) may stand in `events`, 31.8 ± 10.6 in `mean`",
        )
    return tuple(read), unread


def _read_row(number: int, cells: Mapping[str, Any], faults: list[str]) -> PrintedRow:
    """One row; what is wrong with its cells goes to `faults`."""
    who = ", ".join(str(cells[c]) for c in ("study", "outcome", "arm") if not is_blank(cells.get(c)))
    place = f"row {number} ({who})" if who else f"row {number}"

    def fault(column: str, found: Any, expected: str) -> None:
        faults.append(f"{place}, {column}: {str(found)!r} is not {expected}")

    opened = dict(_opened(cells))
    values: dict[str, Any] = {n: str(opened[n]).strip() for n in TEXTS if not is_blank(opened.get(n))}
    for name in (c for c in (*COUNTS, *NUMBERS, *SETTINGS) if not is_blank(opened.get(c))):
        text = opened[name]
        if name == "randomized" and plain_text(text).lower() in ("yes", "no", "true", "false"):
            continue  # whether it was, not how many were
        printed = read_printed(_LEADING.sub(r"\1", plain_text(text)) if name in LOOSE else text)
        if name == "rate_per" and (time := _PERSON_TIME.match(plain_text(text))):
            values[name] = float(time[1]) / PER_YEAR[time[2][0].lower()]
            continue
        if printed is None and name == "time":
            continue  # "end of treatment" is a time too, but not one to compute with
        if printed is None:
            fault(name, opened[name], "a number")
        elif name in COUNTS and (not printed.is_exact or printed.value.denominator != 1 or printed.value < 0):
            fault(name, opened[name], "a whole number from 0 up")
        elif name in NEVER_NEGATIVE and printed.value < 0:
            fault(name, opened[name], "0 or more")
        elif name == "p" and printed.value > 1:
            fault(name, opened[name], "a probability from 0 to 1")
        else:
            values[name] = _as_kept(name, printed)
    if not 0.5 < values.get("level", 0.95) < 1:
        fault("level", opened["level"], "a confidence level such as 0.95 or 95")
    if values.get("rate_per", 100.0) <= 0:
        fault("rate_per", opened["rate_per"], "an amount of person-time above 0")
    for name in FLAGS:
        said = plain_text(opened.get(name) or "").lower()
        if said not in _YES | _NO:
            fault(name, opened[name], "yes or no")
        values[name] = said in _YES
    return PrintedRow(row=number, **({"study": ""} | values))


def _as_kept(name: str, printed: Printed) -> Any:
    if name in COUNTS:
        return int(printed.value)
    if name == "level":
        return float(printed) / 100 if printed.value > 1 else float(printed)
    return float(printed) if name in SETTINGS else printed


def _opened(cells: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The cells, with those that hold several numbers (`19/116 (16.4%)`) taken apart.

    What a cell of its own says is not overruled by what is taken out of another.
    """
    yield from _taken_apart(cells)
    yield from ((name, value) for name, value in cells.items() if not is_blank(value) and name not in _OPENED)
    apart = dict(_taken_apart(cells))
    for name in _OPENED:
        if name in cells and name not in apart:
            yield name, cells[name]


_OPENED = ("events", "mean", "estimate")


def _taken_apart(cells: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    texts = {name: plain_text(cells[name]) for name in _OPENED if isinstance(cells.get(name), str)}
    if found := _FRACTION.match(texts.get("events", "")):
        yield from _named(("events", "n", "percent"), found)
    elif found := _WITH_PERCENT.match(texts.get("events", "")):
        yield from _named(("events", "percent"), found)
    mean = texts.get("mean", "")
    if found := _MEAN_SD.match(mean) or _MEAN_SD_BRACKET.match(mean):
        yield from _named(("mean", "sd"), found)
    if found := _WITH_LIMITS.match(texts.get("estimate", "")):
        yield from _named(("estimate", "lower", "upper"), found)


def _named(names: Sequence[str], found: re.Match[str]) -> Iterator[tuple[str, str]]:
    yield from ((name, text) for name, text in zip(names, found.groups(), strict=True) if text is not None)
