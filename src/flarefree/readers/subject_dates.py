"""Day 1, first and last dose, end and death of each patient, from all that the data say of them.

What each date is taken from, best first:

```text
day 1          RANDDT, a disposition record RANDOMIZED, RFSTDTC (a note says so), start of treatment
first dose     RFXSTDTC, TRTSDT, earliest exposure
last dose      RFXENDTC, TRTEDT, latest exposure
end            EOSDT, RFENDT, the disposition event, RFENDTC, RFPENDTC
death          DTHDTC, DTHDT, a disposition event DEATH
```

A date of which a part is not known spans days.  Where a date that comes later in its line is whole and
lies in the span, it is taken (for day 1: even outside it).  Else the earliest day of the span is, but,
as far as the span reaches, none before day 1, nor before the last day with a known dose (for the last
dose), with a dose, a visit or a result (for the end), or with any record (for death).
`date-completed` and `partial-day-one` say what was taken.

A birth after day 1, and an end or a death before it, cannot be: they are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from flarefree.readers.dates import latest_days
from flarefree.readers.expectations import folded
from flarefree.records.findings import Collector, Severity
from flarefree.records.tables import SUBJECTS

__all__ = ["settled_dispositions", "settled_ends", "with_dates"]

_FIRST_DOSES = ("first_dose_date", "_first_exposure")
_LAST_DOSES = ("last_dose_date", "_last_exposure")
_ENDS = ("end_date", "study_end_date", "_disposition", "reference_end_date", "participation_end_date")
_DEATHS = ("death_date", "_death")
_OWN_DAY_ONE = ("randomization_date", "_randomized")
_STAND_INS = ("reference_start_date", "first_dose_date", "_first_exposure")
_CALLED = {
    "randomization_date": "the date of randomization",
    "_randomized": "the disposition record RANDOMIZED",
    "reference_start_date": "the reference start date",
    "first_dose_date": "the first dose",
    "_first_exposure": "the first exposure",
}
_RANDOMIZED = ("randomized", "randomised")
_DIED = ("death", "died")


def with_dates(
    rows: pl.DataFrame,
    exposures: pl.DataFrame,
    dispositions: pl.DataFrame,
    last_seen: Callable[[], pl.DataFrame],
    findings: Collector,
) -> pl.DataFrame:
    """The subjects with `randomization_date`, `first_dose_date`, `last_dose_date`, `end_date`, `death_date`.

    Parameters
    ----------
    rows : DataFrame
        One row a subject, with each date X and `X_latest`, the latest day that a partial one allows.
    exposures, dispositions : DataFrame
        Rows of these tables, without days.
    last_seen : callable
        Gives `subject`, `last_seen`, the last day with a dose, visit or result, and `last_alive`, that with
        any record; called only where a partial date asks for it.
    findings : Collector
    """
    rows = rows.join(_doses(exposures), on="subject", how="left", maintain_order="left")
    rows = rows.join(_milestones(dispositions), on="subject", how="left", maintain_order="left")
    rows = _with_day_one(rows, findings)
    rows = _without_early_deaths(rows, findings)
    rows = _with_last_days(rows, last_seen)
    day_one = pl.col("randomization_date")
    rows = _settled(rows, "first_dose_date", _FIRST_DOSES, day_one, "day 1", findings)
    dosed = pl.max_horizontal("first_dose_date", "_last_exposure")
    rows = _settled(rows, "last_dose_date", _LAST_DOSES, dosed, "the last day with a known dose", findings)
    alive, known = pl.max_horizontal(day_one, "last_alive"), "the last day that the patient is known alive"
    rows = _settled(rows, "death_date", _DEATHS, alive, known, findings)
    seen, known = pl.max_horizontal(day_one, "last_seen"), "the last day with a dose, a visit or a result"
    rows = _settled(rows, "end_date", _ENDS, seen, known, findings)
    rows = _without(
        rows, "end_date", pl.col("end_date") < day_one, "participation ends before day 1; not used", findings
    )
    return _without(
        rows, "birth_date", pl.col("birth_date") > day_one, "birth after day 1; not used", findings
    )


def _with_last_days(rows: pl.DataFrame, last_seen: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    if not _is_partial(rows, (*_ENDS, *_DEATHS)):
        return rows.with_columns(pl.lit(None, pl.Date).alias(name) for name in ("last_seen", "last_alive"))
    return rows.join(last_seen(), on="subject", how="left", maintain_order="left")


def _doses(exposures: pl.DataFrame) -> pl.DataFrame:
    """First and last exposure; a partial date counts for the first only where no whole one is there."""
    rows = settled_ends(exposures)
    rows = rows.with_columns(
        _start_latest=_latest(rows, "start_date", "start_text"),
        date=pl.max_horizontal("start_date", "end_date"),
        latest=pl.max_horizontal("start_date", _latest(rows, "end_date", "end_text")),
    )
    whole = pl.col("start_date") == pl.col("_start_latest")
    first = pl.col("start_date").filter(whole).min()
    return rows.group_by("subject").agg(
        first.fill_null(pl.col("start_date").min()).alias("_first_exposure"),
        first.fill_null(pl.col("_start_latest").min()).alias("_first_exposure_latest"),
        *_extreme(pl.col("date").is_not_null(), "_last_exposure", last=True),
    )


def _milestones(dispositions: pl.DataFrame) -> pl.DataFrame:
    is_event = folded("category") == "disposition event"
    is_screening = folded("epoch").is_in(["screening"]).fill_null(False)
    rows = dispositions.with_columns(latest=_latest(dispositions, "date", "date_text"))
    ended, died = is_event & ~is_screening, folded("status").is_in(_DIED)
    randomized = folded("status").is_in(_RANDOMIZED)
    return rows.group_by("subject").agg(
        *_extreme(ended, "_disposition", last=True),
        *_extreme(died, "_death", last=False),
        *_extreme(randomized, "_randomized", last=False),
    )


def _extreme(which: pl.Expr, name: str, *, last: bool) -> tuple[pl.Expr, pl.Expr]:
    """The first or last date of some rows, and the latest day of the same row."""
    dates, latest = pl.col("date").filter(which), pl.col("latest").filter(which)
    place = dates.arg_max() if last else dates.arg_min()
    return dates.get(place, null_on_oob=True).alias(name), latest.get(place, null_on_oob=True).alias(
        f"{name}_latest"
    )


def _latest(rows: pl.DataFrame, name: str, text: str) -> pl.Series:
    """The latest day that each date allows: the date itself, but for partial ones."""
    if text not in rows.columns:
        return rows[name]
    short = (rows[text].str.len_chars() < 8).fill_null(False) & rows[name].is_not_null()
    if not short.any():
        return rows[name]
    return latest_days(rows[text]).fill_null(rows[name]).zip_with(short, rows[name])


# Day 1 -----------------------------------------------------------------------------------------------


def _whole(name: str) -> pl.Expr:
    return pl.when(pl.col(name) == pl.col(f"{name}_latest")).then(name)


def _written(name: str, latest: str) -> pl.Expr:
    """A partial date as it was written: `2006` or `2006-03`."""
    in_month = pl.col(latest) - pl.col(name) < pl.duration(days=31)
    return pl.when(in_month).then(pl.col(name).dt.strftime("%Y-%m")).otherwise(pl.col(name).dt.strftime("%Y"))


def _with_day_one(rows: pl.DataFrame, findings: Collector) -> pl.DataFrame:
    """Randomization; its date is that of the reference start where the data have no other.

    Of several dates, the best that is whole is taken; a partial one only where none is.
    """
    is_in = pl.col("arm").is_not_null() | ~pl.col("is_screen_failure")
    usable = [(name, pl.lit(True)) for name in _OWN_DAY_ONE] + [(name, is_in) for name in _STAND_INS]
    best, exact = (
        pl.coalesce(pl.when(may).then(of(name)) for name, may in usable) for of in (pl.col, _whole)
    )
    latest = pl.coalesce(pl.when(may).then(pl.col(f"{name}_latest")) for name, may in usable)
    source = pl.coalesce(
        pl.when(may & _whole(name).is_not_null()).then(pl.lit(_CALLED[name])) for name, may in usable
    )
    own = pl.coalesce(*_OWN_DAY_ONE)
    made = rows.with_columns(
        randomization_date=pl.coalesce(exact, best),
        _stands_in=own.is_null() & is_in & best.is_not_null(),
        _best=best,
        _best_latest=latest,
        _source=source,
    )
    _note_day_one(made, findings)
    return made.drop("_stands_in", "_best", "_best_latest", "_source")


def _note_day_one(made: pl.DataFrame, findings: Collector) -> None:
    odd = made.filter("_stands_in").select("source", "row", "subject", found="randomization_date")
    findings.count_rows(
        odd,
        "day-one",
        Severity.NOTE,
        "no date of randomization: the reference start date is day 1",
        column="randomization_date",
        expected="RANDDT, or a disposition record RANDOMIZED",
    )
    partial = made.filter(pl.col("_best") < pl.col("_best_latest"))
    taken = pl.col("randomization_date").cast(pl.String)
    findings.list_rows(
        partial,
        "partial-day-one",
        Severity.WARNING,
        "a part of the date of day 1 is not known",
        column="randomization_date",
        found=_written("_best", "_best_latest"),
        expected=pl.when(pl.col("_source").is_not_null())
        .then(pl.format("a whole date; {} is taken, {}", taken, "_source"))
        .otherwise(pl.format("a whole date; {} is taken, the earliest that it allows", taken)),
    )
    days = [name for name in SUBJECTS if name.endswith("_day")]
    has_days = pl.any_horizontal(pl.col(name).is_not_null() for name in days)
    lost = made.filter(pl.col("arm").is_not_null() & pl.col("randomization_date").is_null() & ~has_days)
    findings.list_rows(
        lost.select("source", "row", "subject"),
        "no-day-one",
        Severity.WARNING,
        "this subject has an arm and no day 1: dates cannot be counted from it",
        column="randomization_date",
    )


# Other dates -----------------------------------------------------------------------------------------


def _is_partial(rows: pl.DataFrame, names: Sequence[str]) -> bool:
    return any((rows[name] < rows[f"{name}_latest"]).any() for name in names)


def _settled(
    rows: pl.DataFrame, target: str, names: Sequence[str], floor: pl.Expr, known: str, findings: Collector
) -> pl.DataFrame:
    """The best of some dates; a partial one completed (see the module's rule), with a finding."""
    best = pl.coalesce(*names)
    if not _is_partial(rows, names):
        return rows.with_columns(best.alias(target))
    latest = pl.coalesce(*(f"{name}_latest" for name in names))
    made = rows.with_columns(_best=best, _best_latest=latest, _floor=floor)
    span = (pl.col("_best"), pl.col("_best_latest"))
    exact = pl.coalesce(pl.when(_whole(name).is_between(*span)).then(name) for name in names)
    not_before = pl.max_horizontal("_best", "_floor")
    completed = pl.when(pl.col("_best").is_not_null()).then(pl.min_horizontal(not_before, "_best_latest"))
    made = made.with_columns(_exact=exact, _taken=pl.coalesce(exact, completed))
    why = (
        pl.when(pl.col("_exact").is_not_null())
        .then(pl.lit("as other dates of the patient say"))
        .when(pl.col("_floor") > pl.col("_best_latest"))
        .then(pl.lit("the latest that it allows, though the patient is known alive later"))
        .when(pl.col("_floor") > pl.col("_best"))
        .then(
            pl.when(pl.col("_floor") == pl.col("randomization_date"))
            .then(pl.lit("day 1"))
            .otherwise(pl.lit(known))
        )
        .otherwise(pl.lit("the earliest that it allows"))
    )
    findings.list_rows(
        made.filter(pl.col("_best") < pl.col("_best_latest")),
        "date-completed",
        Severity.WARNING,
        "a part of this date is not known",
        column=target,
        found=_written("_best", "_best_latest"),
        expected=pl.format("a whole date; {} is taken, {}", pl.col("_taken").cast(pl.String), why),
    )
    made = made.with_columns(pl.col("_taken").alias(target), pl.col("_taken").alias(f"{target}_latest"))
    return made.drop("_best", "_best_latest", "_floor", "_exact", "_taken")


def _without_early_deaths(rows: pl.DataFrame, findings: Collector) -> pl.DataFrame:
    """A death that cannot be after day 1 is not used; a disposition record DEATH may stand in."""
    day_one = pl.col("randomization_date")
    why = "death before day 1; not used"
    rows = rows.with_columns(
        _death=pl.when(~(pl.col("_death_latest") < day_one).fill_null(False)).then("_death")
    )
    rows = rows.with_columns(_death_latest=pl.when(pl.col("_death").is_not_null()).then("_death_latest"))
    return _without(rows, "death_date", pl.col("death_date_latest") < day_one, why, findings)


def _without(rows: pl.DataFrame, name: str, is_odd: pl.Expr, why: str, findings: Collector) -> pl.DataFrame:
    odd = rows.filter(is_odd)
    if odd.is_empty():
        return rows
    findings.list_rows(
        odd,
        "impossible-date",
        Severity.ERROR,
        why,
        column=name,
        found=pl.col(name).cast(pl.String),
        expected=pl.format("day 1 is {}", pl.col("randomization_date").cast(pl.String)),
    )
    day = f"{name.removesuffix('date')}day"
    beside = [column for column in (name, f"{name}_latest", day) if column in rows.columns]
    return rows.with_columns(
        pl.when(~is_odd.fill_null(False)).then(column).alias(column) for column in beside
    )


# Rows of tables --------------------------------------------------------------------------------------


def settled_ends(exposures: pl.DataFrame) -> pl.DataFrame:
    """Exposures; one whose end is known in part ends on no day before it started."""
    if not {"start_date", "end_date", "end_text"} <= set(exposures.columns):
        return exposures
    rows = exposures.with_columns(_end_latest=_latest(exposures, "end_date", "end_text"))
    if not (rows["end_date"] < rows["_end_latest"]).any():
        return exposures
    not_before = pl.min_horizontal(pl.max_horizontal("end_date", "start_date"), "_end_latest")
    is_partial = pl.col("end_date") < pl.col("_end_latest")
    return rows.with_columns(end_date=pl.when(is_partial).then(not_before).otherwise("end_date")).drop(
        "_end_latest"
    )


def settled_dispositions(dispositions: pl.DataFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    """Dispositions; a partial date is the patient's day 1, death or end where it allows that day."""
    if not {"date", "date_text"} <= set(dispositions.columns):
        return dispositions
    latest = _latest(dispositions, "date", "date_text")
    if not (dispositions["date"] < latest).any():
        return dispositions
    known = subjects.select("subject", "randomization_date", "death_date", "end_date")
    rows = dispositions.with_columns(_latest=latest)
    rows = rows.join(known, on="subject", how="left", maintain_order="left")
    meant = (
        pl.when(folded("status").is_in(_RANDOMIZED))
        .then("randomization_date")
        .when(folded("status").is_in(_DIED))
        .then(pl.coalesce("death_date", "end_date"))
        .otherwise("end_date")
    )
    fits = (pl.col("date") < pl.col("_latest")) & meant.is_between(pl.col("date"), pl.col("_latest"))
    made = rows.with_columns(date=pl.when(fits.fill_null(False)).then(meant).otherwise("date"))
    return made.select(dispositions.columns)
