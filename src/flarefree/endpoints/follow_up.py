"""Until when a patient was followed, and how participation ended.

Follow-up ends with death; otherwise with the later of the end of participation and the last visit, so that
what was seen at a visit after withdrawal from the drug is not lost.  A protocol may end it with the end
of participation instead, where the data give one (`follow_up: {ends: end_of_participation}`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from flarefree.protocol.schema import Withdrawals

if TYPE_CHECKING:
    from flarefree.protocol.schema import Protocol
    from flarefree.records.study import Study

__all__ = ["derive_follow_up", "is_allocated"]


def is_allocated() -> pl.Expr:
    """Patients of the trial proper: they have an arm, or a day 1, and did not fail screening."""
    in_trial = pl.col("arm").is_not_null() | pl.col("randomization_date").is_not_null()
    return in_trial & ~pl.col("is_screen_failure").fill_null(False)


def derive_follow_up(study: Study, spec: Protocol, last_observed: pl.Series) -> pl.DataFrame:
    """When each patient's doses, visits and follow-up ended, and how.

    Parameters
    ----------
    study : Study
    spec : Protocol
    last_observed : (n_subjects,) Series of int
        The last day on which anything was observed of each patient, in the subjects' order.

    Returns
    -------
    DataFrame
        One row a patient of the subjects' table, in its order: the table's columns, with
        `first_dose_day` and `last_dose_day` filled from exposures, and `last_visit_day`,
        `follow_up_end_day`, `status` (`completed`, `withdrawn`, `ongoing`), `reason` and
        `withdrawal_day`.

    Notes
    -----
    A disposition that neither completes nor fails screening is a withdrawal.  Where several records
    of the protocol's categories stand, the last one counts.
    """
    subjects = _with_doses(study)
    ended = _dispositions(study["dispositions"], spec.withdrawals)
    subjects = _with_last_seen(subjects, study["visits"], last_observed).join(
        ended, on="subject", how="left", maintain_order="left"
    )
    last_contact = pl.coalesce(
        "death_day", pl.max_horizontal("end_day", "disposition_day", "last_visit_day", "last_seen_day")
    )
    ends_with_participation = spec.follow_up.ends == "end_of_participation"
    subjects = subjects.with_columns(
        follow_up_end_day=pl.coalesce("end_day", last_contact) if ends_with_participation else last_contact,
        status=_status(),
    )
    is_withdrawn = pl.col("status") == "withdrawn"
    subjects = subjects.with_columns(
        reason=pl.when(is_withdrawn).then(
            pl.coalesce(
                "disposition_reason", pl.when(pl.col("death_day").is_not_null()).then(pl.lit("Death"))
            )
        ),
        withdrawal_day=pl.when(is_withdrawn).then(pl.coalesce("disposition_day", "death_day", "end_day")),
    )
    return subjects.drop("disposition_day", "disposition_reason", "disposition_kind", "last_seen_day")


def _status() -> pl.Expr:
    """How participation ended; who died without a disposition record withdrew by dying."""
    kind = pl.col("disposition_kind")
    return (
        pl.when(~is_allocated())
        .then(None)
        .when(kind == "completed")
        .then(pl.lit("completed"))
        .when((kind == "withdrawn") | (kind.is_null() & pl.col("death_day").is_not_null()))
        .then(pl.lit("withdrawn"))
        .otherwise(pl.lit("ongoing"))
    )


def _with_doses(study: Study) -> pl.DataFrame:
    doses = study["exposures"].filter(pl.col("dose").fill_null(1.0) > 0)
    taken = doses.group_by("subject").agg(
        pl.col("start_day").min().alias("first_exposure"),
        pl.max_horizontal("start_day", "end_day").max().alias("last_exposure"),
    )
    joined = study["subjects"].join(taken, on="subject", how="left", maintain_order="left")
    return joined.with_columns(
        first_dose_day=pl.coalesce("first_dose_day", "first_exposure"),
        last_dose_day=pl.coalesce("last_dose_day", "last_exposure"),
    ).drop("first_exposure", "last_exposure")


def _with_last_seen(subjects: pl.DataFrame, visits: pl.DataFrame, last_observed: pl.Series) -> pl.DataFrame:
    """The last visit, by the visits' table, else by the last observation; and the last day of either."""
    held = visits.group_by("subject").agg(pl.col("day").max().alias("held"))
    both = subjects.with_columns(observed=last_observed.cast(pl.Int32)).join(
        held, on="subject", how="left", maintain_order="left"
    )
    return both.with_columns(
        last_visit_day=pl.coalesce("held", "observed"),
        last_seen_day=pl.max_horizontal("held", "observed"),
    ).drop("held", "observed")


def _dispositions(dispositions: pl.DataFrame, rules: Withdrawals) -> pl.DataFrame:
    """The record that says how each patient ended: its day, what it means, and its reason."""
    if rules.categories:
        wanted = [category.casefold() for category in rules.categories]
        dispositions = dispositions.filter(pl.col("category").str.to_lowercase().is_in(wanted))
    rows = []
    by_subject: dict[str, tuple[int | None, str, str | None]] = {}
    for subject, status, reason, day in dispositions.select("subject", "status", "reason", "day").iter_rows():
        kind = _kind(status, reason, rules)
        if kind == "screen failure":
            continue
        before = by_subject.get(subject)
        if before is None or day is None or before[0] is None or day >= before[0]:
            by_subject[subject] = (day, kind, _reason(status, reason, rules))
    for subject, (day, kind, reason) in by_subject.items():
        rows.append((subject, day, kind, reason if kind == "withdrawn" else None))
    schema = {
        "subject": pl.String,
        "disposition_day": pl.Int32,
        "disposition_kind": pl.String,
        "disposition_reason": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _kind(status: str | None, reason: str | None, rules: Withdrawals) -> str:
    said = {text.strip().casefold() for text in (status, reason) if text}
    if said & {text.casefold() for text in rules.completed}:
        return "completed"
    if said & {text.casefold() for text in rules.screen_failure}:
        return "screen failure"
    return "withdrawn"


def _reason(status: str | None, reason: str | None, rules: Withdrawals) -> str | None:
    """The protocol's words for why a patient left; the record's own where it has none."""
    said = [text.strip().casefold() for text in (status, reason) if text]
    for label, codes in rules.reasons.items():
        meant = {label.casefold(), *(code.casefold() for code in codes)}
        if any(text in meant for text in said):
            return label
    return status or reason
