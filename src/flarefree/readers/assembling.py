"""From raw tables with their maps to a `Study`: read, attached to patients, merged, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from flarefree.errors import StudyError
from flarefree.lineage import Source
from flarefree.readers.attaching import attach_subjects, with_days
from flarefree.readers.covariates import Provider, covariate_names, with_covariates
from flarefree.readers.dates import without_imputed_parts
from flarefree.readers.doses import with_daily_doses
from flarefree.readers.expectations import Expectations
from flarefree.readers.maps import ColumnMap
from flarefree.readers.merging import Item, Part, chosen_items, concat_parts, without_repeats
from flarefree.readers.needed import check_files_without_rows, check_needed_measures
from flarefree.readers.observations import derive_observations
from flarefree.readers.possible_dates import Horizon, horizon_of, without_impossible_dates
from flarefree.readers.raw import RawTable
from flarefree.readers.recognizing import Recognized
from flarefree.readers.shaping import LONG_TABLE, require_columns, shape
from flarefree.readers.subject_dates import settled_dispositions, settled_ends
from flarefree.readers.subjects import Person, assemble_subjects
from flarefree.records.checking import check_events, check_observations, check_subjects, check_visits
from flarefree.records.findings import Collector, Finding, Severity
from flarefree.records.study import Study
from flarefree.records.tables import TABLES, whole_table

__all__ = ["Reading", "assemble"]

_CHUNK = 2_500_000  # rows of one file that are worked on at a time
_DATED = (
    ("exposures", "start_date"),
    ("exposures", "end_date"),
    ("dispositions", "date"),
    ("visits", "date"),
    ("observations", "date"),
)
_NOT_OF_STUDY = ("birth_date", "birth_date_latest")
_SEEN = (("exposures", "start_date"), ("visits", "date"), ("observations", "date"))
_ALIVE = (("dispositions", "date"), ("adverse_events", "start_date"), ("medications", "start_date"))


@dataclass(frozen=True, slots=True)
class Reading:
    """A raw table, and what is to be done with it."""

    raw: RawTable
    what: Recognized


def assemble(
    readings: Sequence[Reading],
    expected: Expectations,
    *,
    name: str,
    protocol: str = "",
    is_virtual: bool = False,
    notes: Sequence[Finding] = (),
    is_checked: bool = True,
) -> Study:
    """The study of some raw tables.

    Parameters
    ----------
    readings : sequence of Reading
        In the order of their files.
    expected : Expectations
        What the protocol expects; nothing, without one.
    name, protocol, is_virtual
        As in `Study`.
    notes : sequence of Finding
        What was found before.
    is_checked : bool
        Whether odd values are looked for that are used all the same; who needs the tables alone (the
        detector, at each new value) saves a quarter of the time.

    Raises
    ------
    StudyError
        No table can be read, or one lacks a column that it cannot do without.
    """
    return _Assembly(readings, expected, notes, is_checked).study(name, protocol, is_virtual)


class _Assembly:
    """A study on its way: its sources and findings grow while its tables are read."""

    def __init__(
        self, readings: Sequence[Reading], expected: Expectations, notes: Sequence[Finding], is_checked: bool
    ) -> None:
        self._expected, self._is_checked = expected, is_checked
        self._readings = readings
        self._files = [reading.raw.source.path for reading in readings]
        self._findings = Collector(self._files)
        self._findings.add(*notes)
        self._horizon = Horizon(None, lambda: pl.DataFrame(schema={"subject": pl.String, "date": pl.Date}))
        self._items: dict[str, list[Item]] = {table: [] for table in TABLES}
        for number, reading in enumerate(readings):
            self._findings.add(*reading.raw.findings)
            self._note_same_columns(reading.raw)
            if reading.what.how is not None:
                require_columns(reading.raw, reading.what.how)
                self._items[reading.what.how.table].append(Item(reading.raw, reading.what.how, number))
        if not any(self._items.values()):
            raise _nothing_to_read(readings)

    def study(self, name: str, protocol: str, is_virtual: bool) -> Study:
        """Everything, in its order: patients first, for every other row needs them."""
        self._note_unread()
        people = [shape(item.raw, item.how, item.source, self._findings) for item in self._items["subjects"]]
        self._horizon = horizon_of(people, lambda: self._dates_of_study(people))
        shaped = {table: self._shaped(table) for table in ("exposures", "dispositions")}
        subjects = self._subjects(people, shaped)
        tables = {"subjects": subjects}
        for table in TABLES:
            if table != "subjects":
                tables[table] = self._table(table, subjects, shaped.get(table))
        if self._is_checked:
            self._note_shifted_dates(subjects, set(tables["observations"]["source"].unique()))
            self._check(tables)
        return Study(name, protocol, tables, self._sources(), self._findings.findings(), is_virtual)

    # Patients ------------------------------------------------------------------------------------------

    def _subjects(self, shaped_people: list[pl.DataFrame], shaped: dict[str, list[Part]]) -> pl.DataFrame:
        people = [
            Person(self._possible(rows, "subjects"), item.how.is_adam)
            for item, rows in zip(self._items["subjects"], shaped_people, strict=True)
        ]
        exposures, dispositions = (
            whole_table(table, concat_parts(table, shaped[table])) for table in ("exposures", "dispositions")
        )
        subjects = assemble_subjects(
            people, exposures, dispositions, self._expected, self._findings, self._last_seen
        )
        if subjects.is_empty():
            subjects = self._bare_subjects()
        subjects = with_days(subjects, "subjects", subjects, self._findings)
        return with_covariates(subjects, self._providers(), self._expected, self._findings)

    def _possible(self, rows: pl.DataFrame, table: str) -> pl.DataFrame:
        return without_impossible_dates(rows, table, self._horizon, self._findings)

    def _dates_of_study(self, people: list[pl.DataFrame]) -> pl.DataFrame:
        """`subject` and `date` of all that the study itself dates, as written, with nothing noted."""
        pieces = [self._keyed_dates(table, name) for table, name in _DATED]
        for rows in people:
            names = [n for n, kind in rows.schema.items() if kind == pl.Date and n not in _NOT_OF_STUDY]
            if names and "subject" in rows.columns:
                subject = pl.col("subject").str.strip_chars()
                pieces += [rows.select(subject, pl.col(name).alias("date")) for name in names]
        return pl.concat(pieces)

    def _keyed_dates(self, table: str, name: str) -> pl.DataFrame:
        made = [pl.DataFrame(schema={"subject": pl.String, "date": pl.Date})]
        for item in self._items[table]:
            if name in item.how.columns:
                keys = item.keys("subject", name)
                made.append(keys.select("subject", pl.col(name).cast(pl.Date).alias("date")))
        return pl.concat(made)

    def _last_seen(self) -> pl.DataFrame:
        """Of each subject, the last day with a dose, a visit or a result, and that with any record."""
        seen, alive = (
            pl.concat([self._possible_silently(self._keyed_dates(*pair), pair[0]) for pair in pairs])
            for pairs in (_SEEN, _ALIVE)
        )
        last_seen = seen.group_by("subject").agg(last_seen=pl.col("date").max())
        last_alive = pl.concat([seen, alive]).group_by("subject").agg(last_alive=pl.col("date").max())
        return last_alive.join(last_seen, on="subject", how="left")

    def _possible_silently(self, dates: pl.DataFrame, table: str) -> pl.DataFrame:
        rows = dates.with_columns(source=pl.lit(0, pl.UInt16), row=pl.lit(0, pl.UInt32))
        known = without_impossible_dates(rows, table, self._horizon, Collector([""]))
        return known.select("subject", "date")

    def _bare_subjects(self) -> pl.DataFrame:
        """Without a table of subjects, the subjects are those that any row names."""
        self._findings.add(
            Finding(
                "no-subjects",
                Severity.ERROR,
                "no file tells who the subjects are and their arms",
                expected="DM, ADSL, or a plain table of subjects",
            )
        )
        named = [item.keys("subject") for items in self._items.values() for item in items]
        rows = pl.concat([frame.select("subject", "source", "row") for frame in named])
        rows = rows.filter(pl.col("subject") != "").unique("subject", keep="first", maintain_order=True)
        return whole_table("subjects", rows)

    def _providers(self) -> list[Provider]:
        """Files that may hold covariates: plain tables, then DM, its supplement, SC, ADSL."""
        order = ("", "DM", "SUPPDM", "SC", "ADSL")
        made: list[tuple[int, Provider]] = []
        for number, reading in enumerate(self._readings):
            how, dataset = reading.what.how, reading.what.dataset
            is_plain = how is not None and how.table == "subjects" and not how.dataset
            if is_plain and how is not None:
                made.append((0, _plain_provider(reading.raw, how, number, self._expected)))
            elif reading.what.is_for_covariates:
                made.append((order.index(dataset), _cdisc_provider(reading.raw, dataset, number)))
        return [provider for _, provider in sorted(made, key=lambda pair: pair[0])]

    # Other tables --------------------------------------------------------------------------------------

    def _table(self, table: str, subjects: pl.DataFrame, shaped: list[Part] | None) -> pl.DataFrame:
        """A table's rows, of known subjects and with their study days."""
        if shaped is None:
            parts = self._shaped(table, subjects)
        else:
            parts = [replace(part, rows=self._attached(part.rows, table, subjects)) for part in shaped]
        frame = concat_parts(table, parts)
        return frame.select(column for column in TABLES[table] if column in frame.columns)

    def _shaped(self, table: str, subjects: pl.DataFrame | None = None) -> list[Part]:
        items = chosen_items(table, self._items[table], self._expected, self._findings)
        parts = [Part(item.how, self._rows_of(item, subjects), item.raw.source.path) for item in items]
        return without_repeats(parts, table, self._findings)

    def _rows_of(self, item: Item, subjects: pl.DataFrame | None) -> pl.DataFrame:
        """The rows of one file, some hundred thousands at a time; of a wide table, one a test and row."""
        made = []
        height = item.raw.frame.height
        for how in item.how.unfolded():
            for start in range(0, max(height, 1), _CHUNK):
                rows = slice(start, start + _CHUNK) if height > _CHUNK else None
                chunk = self._chunk(item, how, rows)
                if subjects is not None:
                    chunk = self._attached(chunk, how.table, subjects)
                made.append(_without_empty_columns(chunk))
        if len(made) == 1:
            return made[0]
        frame = pl.concat(made, how="diagonal", rechunk=False)
        return frame.sort("row", maintain_order=True) if item.how.wide else frame

    def _chunk(self, item: Item, how: ColumnMap, rows: slice | None) -> pl.DataFrame:
        shaped = self._possible(shape(item.raw, how, item.source, self._findings, rows=rows), how.table)
        if how.table == "observations":
            if item.how.wide:
                shaped = shaped.filter(pl.col("original_value").is_not_null())
            is_long = item.raw.frame.height >= LONG_TABLE
            return derive_observations(shaped, how, self._expected, self._findings, is_long=is_long)
        if how.table == "exposures":
            return with_daily_doses(settled_ends(shaped), self._findings)
        return _with_table_rules(shaped, how.table)

    def _attached(self, rows: pl.DataFrame, table: str, subjects: pl.DataFrame) -> pl.DataFrame:
        if rows.is_empty():
            return rows
        known = attach_subjects(rows, subjects, self._findings)
        if table == "dispositions":
            known = settled_dispositions(known, subjects)
        return with_days(known, table, subjects, self._findings)

    # Findings and sources --------------------------------------------------------------------------------

    def _check(self, tables: dict[str, pl.DataFrame]) -> None:
        whole = {table: whole_table(table, frame) for table, frame in tables.items()}
        protocol = self._expected.protocol
        plausible = {name: spec.plausible for name, spec in protocol.measures.items()} if protocol else {}
        check_subjects(whole["subjects"], self._findings)
        check_observations(whole["observations"], plausible, self._findings)
        check_events(whole, self._findings)
        check_files_without_rows(self._items, self._findings)
        if protocol is not None:
            check_needed_measures(whole["observations"], protocol, self._findings)
        visits = whole["visits"] if not whole["visits"].is_empty() else whole["observations"]
        check_visits(visits, self._expected.visit_windows(), self._findings)

    def _note_same_columns(self, raw: RawTable) -> None:
        """Columns whose names differ in case alone: the first one in the file is read."""
        by_name: dict[str, list[str]] = {}
        for column in raw.frame.columns:
            by_name.setdefault(column.casefold(), []).append(column)
        for first, *others in by_name.values():
            if others:
                self._findings.add(
                    Finding(
                        "same-column",
                        Severity.WARNING,
                        "columns whose names differ in case alone: one of them is read",
                        raw.source.path,
                        column=first,
                        found=", ".join([first, *others]),
                        expected="a name for each column, in whatever case",
                    )
                )

    def _note_unread(self) -> None:
        unread: dict[str, list[Source]] = {}
        for reading in self._readings:
            if reading.what.how is None and reading.what.why_not:
                unread.setdefault(reading.what.why_not, []).append(reading.raw.source)
        for why, sources in unread.items():
            files = ", ".join(source.path for source in sources)
            self._findings.add(
                Finding(
                    "file-not-read",
                    Severity.NOTE,
                    f"not read: {why}",
                    found=files,
                    count=sum(source.rows for source in sources),
                )
            )

    def _note_shifted_dates(self, subjects: pl.DataFrame, used: set[int]) -> None:
        """An analysis dataset whose dates were moved by its maker, which its own first doses show."""
        for item in self._items["observations"]:
            if not item.how.is_adam or item.raw.column("TRTSDT") is None:
                continue
            how = replace(item.how, columns={"subject": ("USUBJID",), "first_dose_date": ("TRTSDT",)})
            rows = shape(item.raw, how, item.source, Collector([""] * (item.source + 1)))
            known = subjects.select("subject", _known="first_dose_date")
            odd = rows.join(known, on="subject", maintain_order="left").filter(
                (pl.col("first_dose_date") - pl.col("_known")).dt.total_days().abs() > 1
            )
            told = odd.select("source", "row", "subject", found="first_dose_date", expected="_known")
            severity = Severity.WARNING if item.source in used else Severity.NOTE
            self._findings.count_rows(
                told,
                "shifted-dates",
                severity,
                "first doses of this file are not those of the subjects: its dates were moved",
                column="TRTSDT",
            )

    def _sources(self) -> tuple[Source, ...]:
        return tuple(replace(reading.raw.source, table=_table_of(reading.what)) for reading in self._readings)


def _without_empty_columns(rows: pl.DataFrame) -> pl.DataFrame:
    """Columns that hold something, in one piece each; the others are made again at the end, and cost nothing.

    Polars would align columns in unequal pieces, at the price of a copy, at every later step.
    """
    return rows.select(name for name in rows.columns if rows[name].null_count() < rows.height).rechunk()


def _table_of(what: Recognized) -> str:
    return what.dataset or (what.how.table if what.how is not None else "")


def _with_table_rules(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """What follows from other columns: partial dates behind imputed ones, whether the drug was stopped."""
    rows = without_imputed_parts(without_imputed_parts(rows, "start"), "end")
    if table == "adverse_events" and "action" in rows.columns and "caused_withdrawal" not in rows.columns:
        stopped = pl.col("action").str.to_uppercase().str.contains(r"(?:WITHDRAWN|DISCONTINUED|STOPPED)")
        return rows.with_columns(caused_withdrawal=stopped)
    return rows


def _plain_provider(raw: RawTable, how: ColumnMap, number: int, expected: Expectations) -> Provider:
    """A plain table, its columns for covariates under the covariates' names."""
    named = {
        theirs[0]: ours for ours, theirs in how.columns.items() if ours in covariate_names(expected)
    }  # fmt: skip
    columns = {column: named[column] for column in raw.frame.columns if column in named}
    spec = expected.protocol.covariates if expected.protocol else {}
    columns = {column: spec[ours].column or ours for column, ours in columns.items()}
    frame = raw.frame.rename({column: new for column, new in columns.items() if new not in raw.frame.columns})
    return Provider(replace(raw, frame=frame), number, raw.column(how.columns["subject"][0]) or "")


def _cdisc_provider(raw: RawTable, dataset: str, number: int) -> Provider:
    subject = raw.column("USUBJID") or raw.frame.columns[0]
    if dataset == "SUPPDM":
        return Provider(raw, number, subject, raw.column("QNAM") or "", raw.column("QVAL") or "")
    if dataset == "SC":
        return Provider(
            raw,
            number,
            subject,
            raw.column("SCTESTCD") or "",
            raw.column("SCSTRESC") or raw.column("SCORRES") or "",
        )
    return Provider(raw, number, subject)


def _nothing_to_read(readings: Sequence[Reading]) -> StudyError:
    files = [reading.raw.source.path for reading in readings]
    listed = ", ".join(files[:8]) + (f" and {len(files) - 8} more" if len(files) > 8 else "")
    return StudyError(
        "no file holds data that flarefree knows",
        found=listed or "no data files",
        expected="datasets of SDTM or ADaM, or plain tables that study.yaml maps",
        try_="write a study.yaml beside the files: see docs/how-to/read-your-data.md",
    )
