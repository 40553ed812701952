"""Checks of a study's tables: each takes rows and gives the odd ones, for a `Collector`.

Nothing here raises or changes a row.  Every check is a filter or a join on whole columns, so that ten
million rows are looked at in seconds.  Their codes are explained in `docs/reference/findings.md`.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from flarefree.records.findings import Collector, Severity

__all__ = ["check_events", "check_observations", "check_subjects", "check_visits"]

_EVENT_TABLES = ("exposures", "adverse_events", "medications", "procedures", "clinical_events")
_DATED = {"observations": "date", "dispositions": "date", "visits": "date", "medical_history": "date"}
_ORIGIN = ("source", "row", "subject")


def check_observations(
    observations: pl.DataFrame,
    plausible: Mapping[str, tuple[float | None, float | None]],
    findings: Collector,
) -> None:
    """Results twice, results that contradict each other, results beyond what is plausible, without a time.

    Parameters
    ----------
    observations : DataFrame
        The table.
    plausible : mapping of str to (low, high)
        Of each measure, in its unit; None where there is no such limit.
    findings : Collector
    """
    if observations.is_empty():
        return
    _check_repeats(observations, findings)
    _check_plausible(observations, plausible, findings)
    _check_times(observations, findings)


def check_subjects(subjects: pl.DataFrame, findings: Collector) -> None:
    """Dates of one patient that cannot follow each other so."""
    orders = (
        ("birth_date", "consent_date", "consent before birth"),
        ("consent_date", "randomization_date", "randomization before consent"),
        ("randomization_date", "first_dose_date", "the first dose before randomization"),
        ("first_dose_date", "last_dose_date", "the last dose before the first"),
        ("randomization_date", "end_date", "the end of participation before randomization"),
        ("randomization_date", "death_date", "death before randomization"),
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
    """Records twice, ends before starts, dates after death or before birth, events before the first dose."""
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
        start = "start_date" if name in _EVENT_TABLES else _DATED.get(name)
        if start is not None:
            _check_lifetime(name, table, start, subjects, findings)
    _check_before_treatment(tables["adverse_events"], subjects, findings)


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
    once = rows.select(*_ORIGIN, "visit", "visit_number", "day").unique(
        ["subject", "visit", "visit_number", "day"], keep="first", maintain_order=True
    )
    word = pl.col("visit").str.strip_chars().str.replace_all(r"\s+", " ").str.to_lowercase()
    by_word = once.with_columns(word=word).join(windows, on="word", how="left", maintain_order="left")
    numbers = windows.unique("number", keep="first", maintain_order=True).select(
        "number", number_name="name", number_first="first_day", number_last="last_day"
    )
    found = by_word.join(
        numbers, left_on="visit_number", right_on="number", how="left", maintain_order="left"
    )
    found = found.with_columns(
        name=pl.coalesce("name", "number_name"),
        first_day=pl.when(pl.col("name").is_not_null()).then("first_day").otherwise("number_first"),
        last_day=pl.when(pl.col("name").is_not_null()).then("last_day").otherwise("number_last"),
    )
    outside = (pl.col("day") < pl.col("first_day")) | (pl.col("day") > pl.col("last_day"))
    window = pl.format(
        "day {} to {}",
        pl.col("first_day").cast(pl.String).fill_null("any"),
        pl.col("last_day").cast(pl.String).fill_null("any"),
    )
    odd = found.filter(outside).select(
        *_ORIGIN, found=pl.format("{} on day {}", "name", "day"), expected=window
    )
    findings.list_rows(
        odd,
        "visit-outside-window",
        Severity.WARNING,
        "this visit was made outside its window",
        column="visit",
    )
    # A visit that calls itself unscheduled is known to be none of the schedule's.
    is_named = pl.coalesce("visit", pl.col("visit_number").cast(pl.String)).is_not_null()
    calls_itself_so = pl.col("word").str.starts_with("unsch").fill_null(False)
    strange = found.filter(pl.col("name").is_null() & is_named & ~calls_itself_so)
    told = strange.select("source", "row", found=pl.coalesce("visit", pl.col("visit_number").cast(pl.String)))
    findings.count_rows(
        _first_words(told),
        "unscheduled-visit",
        Severity.NOTE,
        "visits that the schedule does not have",
        column="visit",
    )


def _first_words(told: pl.DataFrame, most: int = 6) -> pl.DataFrame:
    """The rows, each telling of all the different words of its file."""
    words = told.group_by("source", maintain_order=True).agg(pl.col("found").unique(maintain_order=True))
    listed = pl.col("found").list.head(most).list.join(", ")
    more = pl.col("found").list.len() - most
    words = words.with_columns(
        found=pl.when(more > 0).then(pl.format("{} and {} more", listed, more)).otherwise(listed)
    )
    return told.drop("found").join(words, on="source", how="left", maintain_order="left")


# Observations ----------------------------------------------------------------------------------------

_IDENTITY = (
    "subject", "measure", "test", "category", "date", "date_text", "day", "visit", "visit_number",
    "timepoint", "analysis_visit", "derivation",
)  # fmt: skip


def _check_repeats(observations: pl.DataFrame, findings: Collector) -> None:
    """Several results of one test at one time: the same again, or contradicting each other."""
    identity = [name for name in _IDENTITY if _tells(observations, name)]
    if "day" in identity and "date_text" in identity:
        identity.remove("day")
    key = observations.select(pl.struct(identity).hash(seed=17).alias("key")).to_series()
    repeated = key.is_duplicated() & (
        observations["value"].is_not_null() | observations["text"].is_not_null()
    )
    if not repeated.any():
        return
    rows = observations.filter(repeated).with_columns(key=key.filter(repeated))
    result = pl.coalesce(pl.col("value").cast(pl.String), "text", "original_value")
    rows = rows.with_columns(_result=result, _unit=pl.col("unit").fill_null(""))
    rows = rows.sort("key", "source", "row")
    rows = rows.with_columns(
        _before=pl.col("_result").shift(1).over("key"),
        _before_source=pl.col("source").shift(1).over("key"),
        _before_row=pl.col("row").shift(1).over("key"),
    ).filter(pl.col("_before_row").is_not_null())
    told = rows.select(
        *_ORIGIN,
        "_before",
        _where=findings.place(pl.col("_before_source"), pl.col("_before_row")),
        found=pl.format("{} {} {}", pl.coalesce("measure", "test"), "_result", "_unit").str.strip_chars(),
        is_same=pl.col("_result") == pl.col("_before"),
    )
    same = told.filter("is_same").with_columns(expected=pl.format("one; {} is the same", "_where"))
    findings.list_rows(
        same.drop("_before", "_where", "is_same"),
        "duplicate-row",
        Severity.WARNING,
        "this result stands in the file twice",
    )
    apart = told.filter(~pl.col("is_same")).with_columns(
        expected=pl.format("{}, as in {}", "_before", "_where")
    )
    findings.list_rows(
        apart.drop("_before", "_where", "is_same"),
        "contradictory-rows",
        Severity.WARNING,
        "another result of the same test at the same time; the later row counts",
        column="value",
    )


def _tells(observations: pl.DataFrame, name: str) -> bool:
    """Whether a column says anything of any row."""
    return name in observations.columns and observations[name].null_count() < observations.height


def _check_plausible(
    observations: pl.DataFrame,
    plausible: Mapping[str, tuple[float | None, float | None]],
    findings: Collector,
) -> None:
    for measure, (low, high) in plausible.items():
        if low is None and high is None:
            continue
        beyond = pl.lit(False)
        if low is not None:
            beyond = beyond | (pl.col("value") < low)
        if high is not None:
            beyond = beyond | (pl.col("value") > high)
        odd = observations.filter((pl.col("measure") == measure) & beyond)
        if odd.is_empty():
            continue
        unit = odd["unit"][0] or ""
        told = odd.select(*_ORIGIN, found=_written(unit))
        findings.list_rows(
            told,
            "out-of-range",
            Severity.WARNING,
            f"{measure} is hardly possible so",
            column="value",
            expected=f"{_plain(low)} to {_plain(high)} {unit}".strip(),
        )


def _written(unit: str) -> pl.Expr:
    value = pl.format(f"{{}} {unit}", pl.col("value").cast(pl.String))
    as_written = pl.format(" (written {} {})", "original_value", pl.col("original_unit").fill_null(""))
    return pl.concat_str(
        value.str.strip_chars(), as_written.str.replace(" )", ")", literal=True), ignore_nulls=True
    )


def _plain(limit: float | None) -> str:
    return "any" if limit is None else f"{limit:g}"


def _check_times(observations: pl.DataFrame, findings: Collector) -> None:
    """A result that has neither day nor visit cannot be placed in time."""
    lost = pl.col("day").is_null() & pl.col("visit").is_null() & pl.col("visit_number").is_null()
    measured = pl.col("value").is_not_null() & pl.col("measure").is_not_null()
    odd = observations.filter(lost & measured & pl.col("analysis_visit").is_null())
    findings.list_rows(
        odd.select(*_ORIGIN, found="test"),
        "no-date",
        Severity.ERROR,
        "this result has no date and no visit; not used",
        column="date",
    )


# Dates -----------------------------------------------------------------------------------------------


def _check_same_records(table: pl.DataFrame, findings: Collector) -> None:
    """Records that are the same in everything but their sequence."""
    said = [
        name for name in table.columns if name not in ("source", "row", "sequence") and _tells(table, name)
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


def _check_lifetime(
    name: str, table: pl.DataFrame, start: str, subjects: pl.DataFrame, findings: Collector
) -> None:
    limits = subjects.filter(
        pl.any_horizontal(pl.col(c).is_not_null() for c in ("birth_date", "consent_date", "death_date"))
    )
    if limits.is_empty() or table[start].null_count() == table.height:
        return
    text = "date_text" if start == "date" else "start_text"
    rows = table.select(*_ORIGIN, start, text).join(limits, on="subject", maintain_order="left")
    checks = [
        (
            "after-death",
            pl.col(start) > pl.col("death_date"),
            "dated after the death of the patient",
            "death_date",
        ),
        (
            "before-birth",
            pl.col(start) < pl.col("birth_date"),
            "dated before the birth of the patient",
            "birth_date",
        ),
    ]
    if name in ("observations", "exposures", "visits"):
        checks.append(
            ("before-consent", pl.col(start) < pl.col("consent_date"), "dated before consent", "consent_date")
        )
    for code, is_odd, message, limit in checks:
        odd = rows.filter(is_odd & _is_whole(text))
        side = "or earlier" if code == "after-death" else "or later"
        told = odd.select(
            *_ORIGIN,
            found=pl.col(start).cast(pl.String),
            expected=pl.format("{} " + side, pl.col(limit).cast(pl.String)),
        )
        findings.list_rows(told, code, Severity.WARNING, message, column=start)


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
