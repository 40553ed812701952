"""Rows of a table find their patients and their study days."""

from __future__ import annotations

import polars as pl

from flarefree.readers.maps import day_name, text_name
from flarefree.records.findings import Collector, Severity
from flarefree.records.tables import TABLES

__all__ = ["attach_subjects", "with_days"]


def attach_subjects(rows: pl.DataFrame, subjects: pl.DataFrame, findings: Collector) -> pl.DataFrame:
    """Rows of known subjects, spelled as the subjects' table spells them; the others are left out."""
    known = subjects["subject"]
    is_known = rows["subject"].is_in(known.implode()).fill_null(False)
    if is_known.all():
        return rows
    spelled = subjects.select("subject", _key=_key("subject")).unique("_key", keep="none")
    odd = rows.filter(~is_known).select("source", "row", "subject", _key=_key("subject"))
    odd = odd.join(spelled, on="_key", how="left", suffix="_known", maintain_order="left")
    meant, unknown = (
        odd.filter(pl.col("subject_known").is_not_null()),
        odd.filter(pl.col("subject_known").is_null()),
    )
    findings.count_rows(
        meant.select(
            "source",
            "row",
            subject="subject_known",
            found=pl.format("'{}'", "subject"),
            expected=pl.format("'{}'", "subject_known"),
        ),
        "subject-spelling",
        Severity.WARNING,
        "a subject is written with other blanks or letters; read as the same",
        by=("found",),
        column="subject",
    )
    findings.count_rows(
        unknown.select("source", "row", subject="subject", found=pl.col("subject").fill_null("(none)")),
        "unknown-subject",
        Severity.ERROR,
        "the subjects' table does not know this subject; its rows are left out",
        by=("found",),
        column="subject",
    )
    right = pl.Series("subject", [None], dtype=pl.String).new_from_index(0, rows.height)
    right = right.scatter((~is_known).arg_true(), odd["subject_known"])
    return rows.with_columns(rows["subject"].zip_with(is_known, right)).filter(
        pl.col("subject").is_not_null()
    )


def _key(column: str) -> pl.Expr:
    return pl.col(column).str.replace_all(r"\s+", "").str.to_uppercase()


def with_days(rows: pl.DataFrame, table: str, subjects: pl.DataFrame, findings: Collector) -> pl.DataFrame:
    """Study days of all dates: 1 on the day of randomization, -1 the day before it.

    Where a date, or day 1, is not known, the day that the file gives is taken; where both are and
    differ, ours is, with a finding.
    """
    dates = [
        name for name, kind in TABLES[table].items() if kind == pl.Date and day_name(name) in TABLES[table]
    ]
    present = [name for name in dates if name in rows.columns and rows[name].null_count() < rows.height]
    if not present:
        return rows
    origins = _origins(rows, table, subjects)
    for name in present:
        rows = _with_day(rows, name, origins, findings)
    return rows


def _origins(rows: pl.DataFrame, table: str, subjects: pl.DataFrame) -> pl.DataFrame:
    """Day 1 of each row's subject, and the first dose, which analysis datasets often count from."""
    if table == "subjects":
        return rows.select(day_one="randomization_date", first_dose="first_dose_date")
    known = subjects.select("subject", day_one="randomization_date", first_dose="first_dose_date")
    return rows.select("subject").join(known, on="subject", how="left", maintain_order="left").drop("subject")


def _study_day(date: pl.Series, day_one: pl.Series) -> pl.Series:
    since = (date - day_one).dt.total_days().cast(pl.Int32)
    return since + (since >= 0).cast(pl.Int32)


def _with_day(rows: pl.DataFrame, name: str, origins: pl.DataFrame, findings: Collector) -> pl.DataFrame:
    day = day_name(name)
    ours = _study_day(rows[name], origins["day_one"])
    if day not in rows.columns:
        return rows.with_columns(ours.alias(day))
    theirs = rows[day]
    differs = (ours != theirs).fill_null(False)
    text = text_name(name)
    if text in rows.columns:
        # Of a partial date, whoever wrote the day may have known more.
        differs &= (rows[text].str.len_chars() >= 8).fill_null(True)
    if differs.any():
        from_dose = (_study_day(rows[name], origins["first_dose"]) == theirs).fill_null(False)
        told = rows.select("source", "row", "subject").with_columns(found=theirs, expected=ours)
        findings.count_rows(
            told.filter(differs & from_dose),
            "day-from-first-dose",
            Severity.NOTE,
            "the file counts study days from the first dose; here they count from randomization",
            column=day,
        )
        findings.count_rows(
            told.filter(differs & ~from_dose),
            "day-differs",
            Severity.WARNING,
            "the file's study day is not that of its date; the date's is taken",
            column=day,
        )
    return rows.with_columns(ours.fill_null(theirs).alias(day))
