"""A raw table's columns as ours: named, typed, dates read, missing-value codes gone.

What a row means (its measure, its arm) is decided later, by `observations.py` and `subjects.py`.  A
column of the result has a name of `flarefree.records.tables` or one that only reading uses
(`standard_value`, `arm_code`); beside them stand `source` and `row`.
"""

from __future__ import annotations

from difflib import get_close_matches

import polars as pl

from flarefree.errors import StudyError
from flarefree.readers.dates import Dates, latest_days, read_dates
from flarefree.readers.maps import ColumnMap, outside_name, text_name, type_of
from flarefree.readers.raw import RawTable
from flarefree.readers.values import NO_WORDS, YES_WORDS, are_possible, read_numbers
from flarefree.records.findings import Collector, Severity
from flarefree.records.tables import TABLES

__all__ = ["LONG_TABLE", "as_text", "require_columns", "shape"]

LONG_TABLE = 1_000_000
"""Rows from which on text is not made for what the file holds as a number or a date."""

_MEASURED = ("original_value", "standard_text")  # results: text or numbers, read by `observations.py`


def require_columns(raw: RawTable, how: ColumnMap) -> None:
    """Raise unless the file has the columns that its map names, or that its dataset must have."""
    if how.dataset:
        for ours in how.required:
            if not any(raw.column(theirs) for theirs in how.columns[ours]):
                raise StudyError(
                    f"this {how.dataset} dataset lacks a variable that it cannot do without",
                    where=raw.source.path,
                    found=", ".join(raw.frame.columns[:12]) + (" ..." if raw.frame.width > 12 else ""),
                    expected=" or ".join(how.columns[ours]),
                )
        return
    named = [theirs for names in how.columns.values() for theirs in names]
    for theirs in (*named, *(wide.column for wide in how.wide.values())):
        if raw.column(theirs) is None:
            near = get_close_matches(theirs, raw.frame.columns, n=1)
            raise StudyError(
                f"study.yaml names a column that this file does not have: {theirs}",
                where=raw.source.path,
                found=", ".join(raw.frame.columns[:12]) + (" ..." if raw.frame.width > 12 else ""),
                expected=f"a column {theirs}",
                try_=f"{near[0]}?" if near else "",
            )
    missing = [ours for ours in how.required if ours not in how.columns and ours not in how.constants]
    if missing:
        lacked = outside_name(how.table, missing[0])
        raise StudyError(
            f"study.yaml does not say which column holds {lacked}",
            where=raw.source.path,
            expected=f"columns: {{{lacked}: one of {', '.join(raw.frame.columns[:12])}}}",
        )


def shape(
    raw: RawTable, how: ColumnMap, source: int, findings: Collector, *, rows: slice | None = None
) -> pl.DataFrame:
    """Our columns of a raw table, as far as it has them.

    Parameters
    ----------
    raw, how : RawTable, ColumnMap
        The file's table and how it is to be read.
    source : int
        Its number in the study's sources.
    findings : Collector
        Takes unreadable dates and numbers.
    rows : slice, optional
        Only these rows of the table.
    """
    frame = raw.frame if rows is None else raw.frame[rows]
    numbers = raw.row_numbers() if rows is None else raw.row_numbers()[rows]
    shaping = _Shaping(raw, how, frame, source, numbers, findings)
    for ours, theirs in how.columns.items():
        present = [name for name in (raw.column(their) for their in theirs) if name is not None]
        if present:
            shaping.add(ours, present)
    for ours, constant in how.constants.items():
        shaping.set_constant(ours, constant)
    return shaping.result()


def as_text(column: pl.Series) -> pl.Series:
    """A column as text; whole numbers without decimals (a subject 1015.0 of SAS is `1015`)."""
    if column.dtype == pl.String:
        return column
    if column.dtype.is_float():
        whole = column.cast(pl.Int64, strict=False)
        is_whole = (whole.cast(pl.Float64) == column).fill_null(True)
        if is_whole.all():
            return whole.cast(pl.String)
        return column.cast(pl.String).zip_with(~is_whole, whole.cast(pl.String))
    if column.dtype == pl.Datetime:
        return column.dt.to_string("iso:strict")
    return column.cast(pl.String)


class _Shaping:
    """One raw table on its way: the columns made so far."""

    def __init__(
        self,
        raw: RawTable,
        how: ColumnMap,
        frame: pl.DataFrame,
        source: int,
        numbers: pl.Series,
        findings: Collector,
    ) -> None:
        self._raw, self._how, self._frame, self._findings = raw, how, frame, findings
        self._made: dict[str, pl.Series | pl.Expr] = {}
        self._subject = ""
        self._origin: list[pl.Expr | pl.Series] = [
            pl.lit(source, pl.UInt16).alias("source"),
            numbers.cast(pl.UInt32).alias("row"),
        ]
        self._height = frame.height
        self._is_long = raw.frame.height >= LONG_TABLE

    def add(self, ours: str, theirs: list[str]) -> None:
        """Make one of our columns from the file's, the first that holds something in each row."""
        made: pl.Series | None = None
        for name in theirs:
            column = self._column(ours, self._cleaned(name, ours), name)
            made = column if made is None else _filled(made, column)
        if made is not None:
            self._made[ours] = made.alias(ours)

    def set_constant(self, ours: str, constant: str) -> None:
        """The same in every row where the file says nothing."""
        kind = type_of(self._how.table, ours)
        column = self._column(ours, pl.Series([constant]), "study.yaml")
        if ours in self._made:
            self._made[ours] = self._made[ours].fill_null(column[0])
        else:
            self._made[ours] = pl.lit(column[0], kind).alias(ours)

    def result(self) -> pl.DataFrame:
        """All columns made, with their origin."""
        if not self._height:
            kinds = {
                name: column.dtype for name, column in self._made.items() if isinstance(column, pl.Series)
            }
            return pl.DataFrame(schema={**kinds, "source": pl.UInt16, "row": pl.UInt32})
        return self._frame.select(*self._made.values(), *self._origin)

    def _cleaned(self, name: str, ours: str) -> pl.Series:
        """A column without missing-value codes, recoded as the map says."""
        column = self._frame[name]
        if column.dtype == pl.String:
            trimmed = column.str.strip_chars() if ours != "subject" else column
            if self._how.missing:
                trimmed = trimmed.set(trimmed.str.strip_chars().is_in(sorted(self._how.missing)), None)
            trimmed = trimmed.replace("", None) if (trimmed == "").any() else trimmed
            column = trimmed if not column.equals(trimmed) else column  # long columns are not kept twice
        elif self._how.missing and column.dtype.is_numeric():
            codes = [number for code in sorted(self._how.missing) if (number := _number(code)) is not None]
            if codes:
                column = column.set(column.cast(pl.Float64).is_in(codes), None)
        recoding = self._how.values.get(ours)
        if recoding:
            text = as_text(column).str.strip_chars()
            folded = {written.casefold(): meant for written, meant in recoding.items()}
            column = text.str.to_lowercase().replace_strict(folded, default=text, return_dtype=pl.String)
        return column

    def _column(self, ours: str, column: pl.Series, theirs: str) -> pl.Series:
        kind = type_of(self._how.table, ours)
        if ours in _MEASURED:
            return self._possible(column, theirs) if column.dtype.is_numeric() else as_text(column)
        if kind == pl.String:
            return as_text(column)
        if kind == pl.Date:
            return self._date(ours, column, theirs)
        if kind == pl.Boolean:
            return self._yes_no(column, theirs)
        return self._number(column, theirs).cast(kind, strict=False)

    def _date(self, ours: str, column: pl.Series, theirs: str) -> pl.Series:
        is_sas = self._raw.source.kind in ("xpt", "sas7bdat")
        dates = read_dates(column, self._how.date_format, counts_from_1960=is_sas)
        self._list(
            dates.is_unreadable,
            column,
            theirs,
            "unreadable-date",
            "this date cannot be read; not used",
            self._how.date_format or "YYYY-MM-DD, or part of it",
        )
        self._keep_latest(ours, dates)
        if not self._is_settled_later(ours):
            self._count(dates.is_partial, column, theirs, "partial-date", self._partial_message())
        written = text_name(ours)
        if written in TABLES[self._how.table]:
            text = dates.text
            if text is None and not self._is_long:
                text = dates.date.cast(pl.String)
            if text is not None:
                known = self._made.get(written)
                self._made[written] = (_filled(known, text) if isinstance(known, pl.Series) else text).alias(
                    written
                )
        return dates.date

    def _is_settled_later(self, ours: str) -> bool:
        """Whether `subject_dates.py` says what is made of a part that is not known."""
        return self._how.table == "subjects" and ours not in ("birth_date", "consent_date")

    def _partial_message(self) -> str:
        if self._how.table == "dispositions":
            return (
                "dates of which a part is not known: the day of the patient's end, death or randomization "
                "is taken where they allow it, else the earliest that each allows"
            )
        if self._how.table == "exposures":
            return (
                "dates of which a part is not known: the earliest day that each allows is taken, for an end "
                "none before the start"
            )
        return "dates of which a part is not known: the earliest day that each allows is taken"

    def _keep_latest(self, ours: str, dates: Dates) -> None:
        """Of a subject's dates, the latest day that each allows, for there is no column for the text."""
        if self._how.table != "subjects" or len(dates.date) != self._height:
            return
        latest = dates.date
        if dates.text is not None and dates.is_partial.any():
            partly = latest_days(dates.text).fill_null(dates.date)
            latest = partly.zip_with(dates.is_partial, dates.date)
        name = f"{ours}_latest"
        known = self._made.get(name)
        self._made[name] = (_filled(known, latest) if isinstance(known, pl.Series) else latest).alias(name)

    def _yes_no(self, column: pl.Series, theirs: str) -> pl.Series:
        if column.dtype == pl.Boolean:
            return column
        words = {**dict.fromkeys((*YES_WORDS, "1"), True), **dict.fromkeys((*NO_WORDS, "0"), False)}
        made = as_text(column).str.to_uppercase().replace_strict(words, default=None, return_dtype=pl.Boolean)
        odd = column.is_not_null() & made.is_null()
        self._list(odd, column, theirs, "unreadable-yes-no", "this is neither yes nor no; not used", "Y or N")
        return made

    def _number(self, column: pl.Series, theirs: str) -> pl.Series:
        if column.dtype != pl.String:
            return self._possible(column, theirs)
        read = read_numbers(column, decimal=self._how.decimal)
        odd = column.is_not_null() & read["number"].is_null()
        self._list(odd, column, theirs, "unreadable-number", "this is no number; not used", "a number")
        return read["number"]

    def _possible(self, column: pl.Series, theirs: str) -> pl.Series:
        """Numbers of a file that holds them as such; those that nobody could mean are not used."""
        if not column.dtype.is_float():
            return column
        odd = ~are_possible(column) & ~column.is_nan().fill_null(False)  # NaN is how some formats say missing
        if not odd.any():
            return column
        self._list(
            odd, column, theirs, "unreadable-number", "no number that can be meant; not used", "a number"
        )
        return column.zip_with(~odd, pl.Series([None], dtype=column.dtype))

    def _list(
        self, odd: pl.Series, column: pl.Series, theirs: str, code: str, message: str, expected: str
    ) -> None:
        if odd.any():
            self._findings.list_rows(
                self._rows(odd, column), code, Severity.ERROR, message, column=theirs, expected=expected
            )

    def _count(self, odd: pl.Series, column: pl.Series, theirs: str, code: str, message: str) -> None:
        if odd.any():
            self._findings.count_rows(self._rows(odd, column), code, Severity.NOTE, message, column=theirs)

    def _rows(self, odd: pl.Series, column: pl.Series) -> pl.DataFrame:
        if len(column) != self._height:  # a constant of study.yaml, the same for all rows
            return pl.DataFrame({"source": [], "row": []}, schema={"source": pl.UInt16, "row": pl.UInt32})
        subject = self._made.get("subject")
        rows = self._frame.select(*self._origin, as_text(column).alias("found"))
        if isinstance(subject, pl.Series):
            rows = rows.with_columns(subject.alias("subject"))
        return rows.filter(odd)


def _filled(first: pl.Series, second: pl.Series) -> pl.Series:
    """The first where it holds something, else the second."""
    if not first.null_count():
        return first
    if first.dtype != second.dtype:
        first, second = as_text(first), as_text(second)
    return first.zip_with(first.is_not_null(), second)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
