"""Checks of a study's tables: each takes rows and gives the odd ones, for a `Collector`.

Nothing here raises or changes a row.  Every check is a filter or a join on whole columns, so that ten
million rows are looked at in seconds.  Their codes are explained in `docs/reference/findings.md`.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from flarefree.records.checking_decisions import check_decisions
from flarefree.records.checking_observations import check_observations, in_pieces, says_something
from flarefree.records.findings import Collector, Severity

__all__ = ["check_events", "check_observations", "check_subjects", "check_visits"]

_EVENT_TABLES = ("exposures", "adverse_events", "medications", "procedures", "clinical_events")
_DOSED = ("exposures", "medications")
_DATED = {"observations": "date", "dispositions": "date", "visits": "date", "medical_history": "date"}
_ORIGIN = ("source", "row", "subject")


def check_subjects(subjects: pl.DataFrame, findings: Collector) -> None:
    """Dates of one patient that cannot follow each other so."""
    orders = (
        ("birth_date", "consent_date", "consent before birth"),
        ("consent_date", "randomization_date", "randomization before consent"),
        ("randomization_date", "first_dose_date", "the first dose before randomization"),
        ("first_dose_date", "last_dose_date", "the last dose before the first"),
    )
    for first, second, message in orders:
        odd = subjects.filter(pl.col(second) < pl.col(first))
        told = odd.select(
            *_ORIGIN,
            found=pl.col(second).cast(pl.String),
            expected=pl.format("{} or later", pl.col(first).cast(pl.String)),
        )
        findings.list_rows(told, "dates-out-of-order", Severity.WARNING, message, column=second)


def check_events(tables: Mapping[str, pl.DataFrame], findings: Collector) -> None:
    """Records twice, ends before starts, dates after death or before birth, events before the first dose.

    Doses below zero and decisions that cannot be used as they are, too.
    """
    subjects = tables["subjects"].select(
        "subject", "birth_date", "consent_date", "death_date", "first_dose_date"
    )
    for name, table in tables.items():
        if table.is_empty():
            continue
        if name not in ("subjects", "observations"):
            _check_same_records(table, findings)
        if name in _EVENT_TABLES:
            _check_ends(table, findings)
        if name in _DOSED:
            _check_doses(table, findings)
        start = "start_date" if name in _EVENT_TABLES else _DATED.get(name)
        if start is not None:
            _check_far(table, start, findings)
            _check_lifetime(name, table, start, subjects, findings)
    _check_before_treatment(tables["adverse_events"], subjects, findings)
    check_decisions(tables["decisions"], findings)


def check_visits(rows: pl.DataFrame, windows: pl.DataFrame, findings: Collector) -> None:
    """Visits outside their windows, and visits that the schedule does not have.

    Parameters
    ----------
    rows : DataFrame
        Rows with `visit`, `visit_number` and `day`: the visits' table, or observations.
    windows : DataFrame
        The schedule: `word` (a folded name), `number`, `name`, `first_day`, `last_day`; a visit has as many
        rows as it has names.
    findings : Collector
    """
    if rows.is_empty() or windows.is_empty():
        return
    pieces = [_oddly_placed(piece, windows) for piece in in_pieces(rows.select(*_ORIGIN, *_VISIT))]
    outside = pl.concat([outside for outside, _, _ in pieces])
    findings.list_rows(
        outside.unique(["subject", *_VISIT], keep="first", maintain_order=True),
        "visit-outside-window",
        Severity.WARNING,
        "this visit was made outside its window",
        column="visit",
        found=pl.format("{} on day {}", "name", "day"),
        expected=pl.format("day {} to {}", _day("first_day"), _day("last_day")),
    )
    strange = pl.concat([strange for _, strange, _ in pieces])
    if strange.height and not any(known for _, _, known in pieces):
        findings.count_rows(
            _first_words(strange),
            "no-visit-known",
            Severity.WARNING,
            "no visit bears a name or number of the schedule; rows are placed by their days",
            column="visit",
        )
        return
    findings.count_rows(
        _first_words(strange),
        "unscheduled-visit",
        Severity.NOTE,
        "visits that the schedule does not have",
        column="visit",
    )


_VISIT = ("visit", "visit_number", "day")


def _oddly_placed(rows: pl.DataFrame, windows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, bool]:
    """Rows outside their visit's window; names and places of visits that there are not; and whether
    any visit is one of the schedule's.
    """
    changes = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(name).shift(1)) for name in ("subject", *_VISIT)
    )
    rows = rows.filter(changes | (pl.int_range(pl.len()) == 0))  # rows of one visit mostly follow each other
    word = pl.col("visit").str.strip_chars().str.replace_all(r"\s+", " ").str.to_lowercase()
    by_word = windows.unique("word", keep="first", maintain_order=True).drop("number")
    by_number = (
        windows.drop_nulls("number")
        .unique("number", keep="first", maintain_order=True)
        .select("number", number_name="name", number_first="first_day", number_last="last_day")
    )
    found = rows.with_columns(word=word).join(by_word, on="word", how="left", maintain_order="left")
    found = found.join(
        by_number, left_on="visit_number", right_on="number", how="left", maintain_order="left"
    )
    has_word = pl.col("name").is_not_null()
    found = found.with_columns(
        name=pl.coalesce("name", "number_name"),
        first_day=pl.when(has_word).then("first_day").otherwise("number_first"),
        last_day=pl.when(has_word).then("last_day").otherwise("number_last"),
    )
    outside = (pl.col("day") < pl.col("first_day")) | (pl.col("day") > pl.col("last_day"))
    # A visit that calls itself unscheduled is known to be none of the schedule's.
    is_named = pl.coalesce("visit", pl.col("visit_number").cast(pl.String)).is_not_null()
    calls_itself_so = pl.col("word").str.starts_with("unsch").fill_null(False)
    strange = pl.col("name").is_null() & is_named & ~calls_itself_so
    called = pl.coalesce("visit", pl.col("visit_number").cast(pl.String))
    return (
        found.filter(outside).select(*_ORIGIN, *_VISIT, "name", "first_day", "last_day"),
        found.filter(strange).select("source", "row", found=called),
        # Visits at events (early withdrawal) have no window, and mean nothing for the others.
        not found.filter(pl.coalesce("first_day", "last_day").is_not_null()).is_empty(),
    )


def _day(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).fill_null("any")


def _first_words(told: pl.DataFrame, most: int = 6) -> pl.DataFrame:
    """The rows, each telling of all the different words of its file."""
    words = told.group_by("source", maintain_order=True).agg(pl.col("found").unique(maintain_order=True))
    listed = pl.col("found").list.head(most).list.join(", ")
    more = pl.col("found").list.len().cast(pl.Int64) - most
    words = words.with_columns(
        found=pl.when(more > 0).then(pl.format("{} and {} more", listed, more)).otherwise(listed)
    )
    return told.drop("found").join(words, on="source", how="left", maintain_order="left")


def _check_doses(table: pl.DataFrame, findings: Collector) -> None:
    findings.list_rows(
        table.filter(pl.col("dose") < 0),
        "negative-dose",
        Severity.WARNING,
        "this dose is below zero, and is used so",
        column="dose",
        found=pl.col("dose").cast(pl.String),
        expected="0 or more",
    )


# Dates -----------------------------------------------------------------------------------------------


def _check_same_records(table: pl.DataFrame, findings: Collector) -> None:
    """Records that are the same in everything but their sequence."""
    said = [
        name
        for name in table.columns
        if name not in ("source", "row", "sequence") and says_something(table, name)
    ]
    key = table.select(pl.struct(said).hash(seed=17)).to_series()
    again = key.is_duplicated() & ~key.is_first_distinct()
    if not again.any():
        return
    first = pl.DataFrame({"key": key, "row": table["row"], "source": table["source"]}).unique(
        "key", keep="first", maintain_order=True
    )
    odd = table.filter(again).select(*_ORIGIN).with_columns(key=key.filter(again))
    told = odd.join(first, on="key", how="left", suffix="_first", maintain_order="left")
    findings.list_rows(
        told.select(
            *_ORIGIN,
            expected=pl.format(
                "one; {} is the same", findings.place(pl.col("source_first"), pl.col("row_first"))
            ),
        ),
        "duplicate-row",
        Severity.WARNING,
        "this record stands in the data twice, but for its sequence",
    )


def _check_ends(table: pl.DataFrame, findings: Collector) -> None:
    odd = table.filter((pl.col("end_date") < pl.col("start_date")) & _is_whole("end_text"))
    told = odd.select(
        *_ORIGIN,
        found=pl.col("end_date").cast(pl.String),
        expected=pl.format("{} or later", pl.col("start_date").cast(pl.String)),
    )
    findings.list_rows(
        told, "end-before-start", Severity.WARNING, "this ends before it starts", column="end_date"
    )


def _is_whole(text: str) -> pl.Expr:
    """A date of which every part is known; the earliest day of a partial one may well lie before others."""
    return (pl.col(text).str.len_chars() >= 8).fill_null(True)


_FAR = 36525  # days; a hundred years from day 1 is a slip of the pen, 3014 for 2014


def _check_far(table: pl.DataFrame, start: str, findings: Collector) -> None:
    day = f"{start.removesuffix('date')}day"
    findings.list_rows(
        table.filter(pl.col(day).abs() > _FAR),
        "far-date",
        Severity.WARNING,
        "dated more than a hundred years from day 1",
        column=start,
        found=pl.col(start).cast(pl.String),
    )


def _check_lifetime(
    name: str, table: pl.DataFrame, start: str, subjects: pl.DataFrame, findings: Collector
) -> None:
    """Records after the patient's death, before birth, or before consent."""
    checks = {
        "after-death": (pl.col(start) > pl.col("death_date"), "death_date", "the death of the patient"),
        "before-birth": (pl.col(start) < pl.col("birth_date"), "birth_date", "the birth of the patient"),
        "before-consent": (pl.col(start) < pl.col("consent_date"), "consent_date", "consent"),
    }
    if name not in ("observations", "exposures", "visits"):  # histories and events may well be older
        del checks["before-consent"]
    known = [limit for _, limit, _ in checks.values() if subjects[limit].null_count() < subjects.height]
    if not known or table[start].null_count() == table.height:
        return
    limits = subjects.filter(pl.any_horizontal(pl.col(limit).is_not_null() for limit in known))
    text = "date_text" if start == "date" else "start_text"
    for piece in in_pieces(table):
        rows = piece.select(*_ORIGIN, start, text).join(limits, on="subject", maintain_order="left")
        for code, (is_odd, limit, what) in checks.items():
            when, side = code.split("-")[0], "or earlier" if code == "after-death" else "or later"
            findings.list_rows(
                rows.filter(is_odd & _is_whole(text)),
                code,
                Severity.WARNING,
                f"dated {when} {what}",
                column=start,
                found=pl.col(start).cast(pl.String),
                expected=pl.format("{} " + side, pl.col(limit).cast(pl.String)),
            )


def _check_before_treatment(events: pl.DataFrame, subjects: pl.DataFrame, findings: Collector) -> None:
    if events.is_empty():
        return
    rows = events.select(*_ORIGIN, "start_date", "start_text").join(
        subjects, on="subject", maintain_order="left"
    )
    odd = rows.filter((pl.col("start_date") < pl.col("first_dose_date")) & _is_whole("start_text"))
    told = odd.select(
        "source",
        "row",
        "subject",
        found=pl.col("start_date").cast(pl.String),
        expected=pl.format("first dose {}", pl.col("first_dose_date").cast(pl.String)),
    )
    findings.count_rows(
        told,
        "before-treatment",
        Severity.NOTE,
        "adverse events that began before the first dose",
        column="start_date",
    )
