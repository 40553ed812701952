"""Who the patients are: one row each, their arms, day 1, and the covariates that the protocol names.

Demographics come from SDTM's DM or a plain table; ADSL fills what they leave empty.  What each date is
taken from is told in `subject_dates.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from flarefree.readers.expectations import Expectations, folded, texts
from flarefree.readers.subject_dates import with_dates
from flarefree.records.findings import Collector, Finding, Severity
from flarefree.records.tables import SUBJECTS

__all__ = ["Person", "assemble_subjects"]

_SCREEN_FAILURE = ("screen failure", "scrnfail", "screenfail")
_NOT_ASSIGNED = (
    *_SCREEN_FAILURE,
    "not assigned",
    "notassgn",
    "not treated",
    "nottrt",
    "unplanned treatment",
    "unplan",
)
_SEXES = {"f": "F", "female": "F", "w": "F", "woman": "F", "m": "M", "male": "M", "man": "M"}
_YEARS = {"YEARS": 1.0, "MONTHS": 12.0, "WEEKS": 52.1775, "DAYS": 365.25}


@dataclass(frozen=True, slots=True)
class Person:
    """A shaped table of subjects, and whether it is an analysis dataset."""

    rows: pl.DataFrame
    is_adam: bool


def assemble_subjects(
    people: Sequence[Person],
    exposures: pl.DataFrame,
    dispositions: pl.DataFrame,
    expected: Expectations,
    findings: Collector,
    last_seen: Callable[[], pl.DataFrame],
) -> pl.DataFrame:
    """The subjects' table without covariates; empty if no file tells of subjects.

    Parameters
    ----------
    people : sequence of Person
        Shaped tables of subjects.
    exposures, dispositions : DataFrame
        Rows of these tables (without days), for dates that the subjects' own tables lack.
    expected : Expectations
        The protocol's arms and words for screen failures.
    findings : Collector
        Takes subjects twice, without arm, without day 1.
    last_seen : callable
        As in `with_dates`.
    """
    merged = _merged(people, findings)
    if merged.is_empty():
        return pl.DataFrame(schema=SUBJECTS)
    merged = _with_all_columns(merged)
    merged = _with_demographics(merged)
    merged = _with_screen_failures(merged, dispositions, expected)
    merged = _with_arms(merged, expected, findings)
    merged = with_dates(merged, exposures, dispositions, last_seen, findings)
    return _with_age(merged, findings).select(list(SUBJECTS))


# One row each ----------------------------------------------------------------------------------------


def _merged(people: Sequence[Person], findings: Collector) -> pl.DataFrame:
    """One row a subject: tabulations and plain tables first, analysis datasets for what is left empty."""
    first = [person.rows for person in people if not person.is_adam] or [p.rows for p in people[:1]]
    rest = [person.rows for person in people if person.is_adam and all(person.rows is not f for f in first)]
    merged = pl.DataFrame(schema={"subject": pl.String, "source": pl.UInt16, "row": pl.UInt32})
    for frame in first:
        merged = _coalesced(merged, _once(frame, findings), findings, is_adam=False)
    for frame in rest:
        merged = _coalesced(merged, _once(frame, findings), findings, is_adam=True)
    return merged.sort("source", "row")


def _once(rows: pl.DataFrame, findings: Collector) -> pl.DataFrame:
    """Rows with a subject, the last one of each: a later row corrects an earlier one."""
    rows = rows.with_columns(pl.col("subject").str.strip_chars())
    nameless = rows.filter(pl.col("subject").is_null() | (pl.col("subject") == ""))
    findings.list_rows(
        nameless.select("source", "row"),
        "no-subject",
        Severity.ERROR,
        "this row names no subject; left out",
        column="subject",
    )
    rows = rows.filter(pl.col("subject") != "")
    again = rows.filter(pl.col("subject").is_duplicated())
    if not again.is_empty():
        earlier = again.filter(~pl.col("subject").is_last_distinct())
        findings.list_rows(
            earlier.select("source", "row", "subject", found="subject"),
            "duplicate-subject",
            Severity.WARNING,
            "this subject has a later row, which is taken instead",
            column="subject",
            expected="one row a subject",
        )
    return rows.unique("subject", keep="last", maintain_order=True)


def _coalesced(
    known: pl.DataFrame, more: pl.DataFrame, findings: Collector, *, is_adam: bool
) -> pl.DataFrame:
    """`known`, its empty cells and columns filled from `more`, and the subjects that only `more` has."""
    if known.is_empty():
        return more
    beyond = more.join(known.select("subject"), on="subject", how="anti")
    if is_adam and not beyond.is_empty():
        findings.count_rows(
            beyond.select("source", "row", "subject"),
            "unknown-subject",
            Severity.WARNING,
            "subjects that the tabulations do not know; taken from here",
            column="USUBJID",
        )
    joined = known.join(more, on="subject", how="left", suffix="_more", maintain_order="left")
    filled = []
    for name in more.columns:
        if name in ("subject", "source", "row"):
            continue
        if name in known.columns:
            filled.append(pl.coalesce(name, f"{name}_more").alias(name))
    extra = [name for name in more.columns if name not in known.columns]
    joined = joined.with_columns(filled).select(*known.columns, *extra)
    return pl.concat([joined, beyond], how="diagonal")


def _with_all_columns(rows: pl.DataFrame) -> pl.DataFrame:
    inside = {
        "age_unit": pl.String,
        "arm_code": pl.String,
        "actual_arm_written": pl.String,
        "actual_arm_code": pl.String,
        "arm_absent_because": pl.String,
        "reference_start_date": pl.Date,
        "reference_end_date": pl.Date,
        "participation_end_date": pl.Date,
        "study_end_date": pl.Date,
        **SUBJECTS,
    }
    rows = rows.with_columns(
        pl.lit(None, kind).alias(name) for name, kind in inside.items() if name not in rows.columns
    )
    dates = [name for name, kind in inside.items() if kind == pl.Date]
    return rows.with_columns(
        pl.col(name).alias(f"{name}_latest") for name in dates if f"{name}_latest" not in rows.columns
    )


def _with_demographics(rows: pl.DataFrame) -> pl.DataFrame:
    per_year = (
        pl.col("age_unit").str.to_uppercase().replace_strict(_YEARS, default=1.0, return_dtype=pl.Float64)
    )
    sex = pl.col("sex").str.to_lowercase().replace_strict(_SEXES, default=None, return_dtype=pl.String)
    return rows.with_columns(age_years=pl.col("age_years") / per_year.fill_null(1.0), sex=sex)


# Arms ------------------------------------------------------------------------------------------------


def _with_screen_failures(
    rows: pl.DataFrame, dispositions: pl.DataFrame, expected: Expectations
) -> pl.DataFrame:
    codes = expected.protocol.withdrawals.screen_failure if expected.protocol else ("SCREEN FAILURE",)
    failed = dispositions.filter(folded("status").is_in([code.casefold() for code in codes]))
    says_so = pl.any_horizontal(
        folded(name).is_in(_SCREEN_FAILURE).fill_null(False)
        for name in ("arm_written", "arm_code", "arm_absent_because")
    )
    disposed = pl.col("subject").is_in(failed["subject"].unique().to_list())
    return rows.with_columns(is_screen_failure=pl.col("is_screen_failure").fill_null(says_so | disposed))


def _with_arms(rows: pl.DataFrame, expected: Expectations, findings: Collector) -> pl.DataFrame:
    if expected.protocol is None:
        return rows.with_columns(
            arm=pl.col("arm").fill_null(pl.col("arm_written")),
            actual_arm=pl.col("actual_arm").fill_null(pl.col("actual_arm_written")),
        )
    rows = rows.with_columns(
        arm=_arm("arm_written", "arm_code", expected),
        actual_arm=_arm("actual_arm_written", "actual_arm_code", expected),
        arm_written=pl.coalesce("arm_written", "arm_code"),
    )
    _note_arms(rows, expected, findings)
    return rows


def _arm(written: str, code: str, expected: Expectations) -> pl.Expr:
    def known(name: str) -> pl.Expr:
        return folded(name).replace_strict(expected.arms, default=None, return_dtype=pl.String)

    return pl.coalesce(known(written), known(code))


def _note_arms(rows: pl.DataFrame, expected: Expectations, findings: Collector) -> None:
    arms = expected.protocol.arms if expected.protocol else {}
    told = rows.select("source", "row", "subject", "arm", "is_screen_failure", found="arm_written")
    is_a_word = pl.col("found").is_not_null() & ~folded("found").is_in(_NOT_ASSIGNED)
    odd = told.filter(pl.col("arm").is_null() & is_a_word)
    findings.count_rows(
        odd.drop("arm", "is_screen_failure"),
        "unknown-arm",
        Severity.ERROR,
        "the protocol has no arm of this name; these subjects are in none",
        by=("found",),
        column="arm",
        expected=texts(f"{key} ({arm.label})" for key, arm in arms.items()),
    )
    armless = told.filter(pl.col("arm").is_null() & pl.col("found").is_null() & ~pl.col("is_screen_failure"))
    findings.list_rows(
        armless.select("source", "row", "subject"),
        "no-arm",
        Severity.WARNING,
        "this subject has no arm, and is no screen failure",
        column="arm",
    )
    present = set(rows["arm"].drop_nulls())
    for key in arms:
        if key not in present:
            findings.add(
                Finding(
                    "empty-arm",
                    Severity.WARNING,
                    f"no subject is in the arm {key}",
                    column="arm",
                    expected=f"subjects in {arms[key].label}",
                )
            )


# Age -------------------------------------------------------------------------------------------------


_OLDEST = 120.0  # years


def _with_age(rows: pl.DataFrame, findings: Collector) -> pl.DataFrame:
    """The age that is written, if a person can have it; else that of the birth date on day 1."""
    possible = pl.col("age_years").is_between(0.0, _OLDEST)
    findings.list_rows(
        rows.filter(~possible).select("source", "row", "subject", found="age_years"),
        "impossible-age",
        Severity.ERROR,
        "nobody is of this age; not used",
        column="age_years",
        expected=f"0 to {_OLDEST:g} years",
    )
    days = (pl.col("randomization_date") - pl.col("birth_date")).dt.total_days()
    from_birth = (days / 365.25).floor()
    written = pl.when(possible).then("age_years")
    return rows.with_columns(
        age_years=written.fill_null(pl.when(from_birth.is_between(0.0, _OLDEST)).then(from_birth))
    )
