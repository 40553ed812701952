"""From a study's observations to a panel: rows become assessments, measures become columns.

An assessment gathers a patient's rows of one visit.  Of several values of one measure the one that the
file flags as baseline counts first, then the test that the protocol trusts most, then the latest day,
then the latest row; the others stay in the study's table, and `explain` shows them.  Each value keeps
its own day.  Computed measures (eGFR, scores) follow, from values of the same assessment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.endpoints import assigning
from flarefree.endpoints.computed import compute_measures
from flarefree.endpoints.covariates import subject_covariates
from flarefree.endpoints.kernels import NO_DAY
from flarefree.endpoints.long_rows import LongRows, read_rows
from flarefree.endpoints.panel import Panel, PanelColumn
from flarefree.protocol.schema import Protocol, Schedule

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.records.study import Study

__all__ = [
    "assessments_of",
    "gather_panel",
    "gather_rows",
    "last_days",
    "panel_of_rows",
]

Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_ALL_SAME = np.empty(0, dtype=np.uint16)
_IN_ORDER = np.empty(0, dtype=np.int64)
_NO_LABELS = np.empty(0, dtype=np.int32)


def gather_panel(study: Study, protocol: LoadedProtocol) -> Panel:
    """Gather a study's observations into assessments, and add the computed measures.

    Parameters
    ----------
    study : Study
    protocol : LoadedProtocol

    Returns
    -------
    Panel
        Every patient of the subjects' table, in its order, those without observations too.
    """
    subjects = study["subjects"]
    rows = read_rows(study["observations"], protocol.spec, subjects.get_column("subject"))
    return panel_of_rows(rows, subjects, protocol.spec)


def panel_of_rows(rows: LongRows, subjects: pl.DataFrame, spec: Protocol) -> Panel:
    """The panel of some rows, with the covariates of the subjects' table and the computed measures."""
    panel = gather_rows(rows, subjects.get_column("subject").to_numpy(), spec.schedule)
    return compute_measures(panel.with_covariates(subject_covariates(subjects, spec)), spec)


def last_days(rows: LongRows, n_subjects: int) -> pl.Series:
    """The last day on which anything was observed of each patient, null if nothing was: (n_subjects,)."""
    last = assigning.last_days(rows.subjects, rows.days, n_subjects)
    return pl.Series(last).replace(int(NO_DAY), None)


def gather_rows(rows: LongRows, subjects: npt.NDArray[Any], schedule: Schedule) -> Panel:
    """Lay long rows out as a panel."""
    grouped = _Grouped.of(rows, len(subjects), schedule)
    present = np.flatnonzero(assigning.measures_present(grouped.groups, grouped.measures, len(rows.names)))
    column_of = np.full(len(rows.names), -1, dtype=np.int16)
    column_of[present] = np.arange(present.size)
    picked, values, days, latest = assigning.pick_rows(
        grouped.groups,
        grouped.measures,
        column_of,
        _ALL_SAME if rows.priorities is None else rows.priorities,
        grouped.order,
        rows.values,
        rows.days,
        present.size,
        grouped.visits.size,
    )
    order = assigning.order_of(grouped.offsets, latest)
    visits = grouped.visits
    if order.size:
        picked = np.ascontiguousarray(picked[:, order])
        values = np.ascontiguousarray(values[:, order])
        days = np.ascontiguousarray(days[:, order])
        latest, visits = latest[order], visits[order]
    texts = dict(rows.texts)
    names = [rows.names[code] for code in present.tolist()]
    columns = {
        name: _column(rows, picked[c], values[c], days[c], texts.get(name, ()))
        for c, name in enumerate(names)
    }
    return Panel(np.asarray(subjects, dtype=object), grouped.offsets, latest, visits, columns)


def _column(
    rows: LongRows, picked: Ints64, values: Floats, days: Ints32, texts: tuple[str, ...]
) -> PanelColumn:
    return PanelColumn(
        values,
        days,
        picked,
        _limits(picked, rows.upper_limits),
        _limits(picked, rows.lower_limits),
        None if rows.flagged is None else (picked >= 0) & rows.flagged[picked],
        texts=texts,
    )


def assessments_of(rows: LongRows, n_subjects: int, schedule: Schedule) -> tuple[Ints64, Ints32]:
    """Rows of the table that belong together: (row numbers, the assessment of each, by creation)."""
    grouped = _Grouped.of(rows, n_subjects, schedule)
    return grouped.order if grouped.order.size else np.arange(grouped.groups.size), grouped.groups


@dataclass(frozen=True, slots=True)
class _Grouped:
    """Rows sorted by patient and day, with the assessment of each; `order` is empty if they were so."""

    groups: Ints32
    measures: npt.NDArray[np.int16]
    order: Ints64
    offsets: Ints64
    visits: Ints32

    @staticmethod
    def of(rows: LongRows, n_subjects: int, schedule: Schedule) -> _Grouped:
        subjects, days, measures = rows.subjects, rows.days, rows.measures
        labels = _NO_LABELS if rows.labels is None or "visit" not in schedule.gather_by else rows.labels
        if labels.size and not _any_scheduled(labels, len(schedule.visits)):
            labels = _NO_LABELS  # names that the schedule does not know at all say less than the days
        order = _IN_ORDER
        if not assigning.is_sorted(subjects, days):
            order = _sorting(subjects, days)
            subjects, days, measures = subjects[order], days[order], measures[order]
            labels = labels[order] if labels.size else labels
        window_of, window_start = _windows(schedule)
        n_labels = max(int(labels.max(initial=-1)) + 1, len(schedule.visits))
        targets = np.array([visit.day for visit in schedule.visits], dtype=np.int32)
        groups, offsets, visits = assigning.assign(
            subjects,
            days,
            measures,
            labels,
            n_subjects,
            len(rows.names),
            n_labels,
            targets,
            window_of,
            window_start,
        )
        return _Grouped(groups, measures, order, offsets, visits)


def _any_scheduled(labels: Ints32, n_visits: int) -> bool:
    return bool(((labels >= 0) & (labels < n_visits)).any())


def _sorting(subjects: Ints32, days: Ints32) -> Ints64:
    """Row numbers by patient, day and place in the file."""
    frame = pl.DataFrame({"subject": subjects, "day": days})
    order = frame.select(pl.arg_sort_by("subject", "day", maintain_order=True)).to_series()
    return order.to_numpy().astype(np.int64)


def _windows(schedule: Schedule) -> tuple[npt.NDArray[np.int16], int]:
    """The visit in whose window each day lies, and the day that the table begins with.

    Where windows overlap, a day belongs to the visit whose target is nearest, the later of two as near.
    An open end reaches as far as the schedule's own days, and a year beyond.
    """
    windows = [
        (v.first_day, v.last_day, v.day, i)
        for i, v in enumerate(schedule.visits)
        if v.first_day is not None or v.last_day is not None
    ]
    if not windows or "window" not in schedule.gather_by:
        return np.empty(0, dtype=np.int16), 0
    known = [day for first, last, target, _ in windows for day in (first, last, target) if day is not None]
    start, stop = min(known) - 366, max(known) + 366
    window_of = np.full(stop - start + 1, -1, dtype=np.int16)
    distance = np.full(window_of.size, np.inf)
    days = np.arange(start, stop + 1)
    for first, last, target, i in windows:
        inside = (days >= (start if first is None else first)) & (days <= (stop if last is None else last))
        nearer = inside & (np.abs(days - target) <= distance)
        window_of[nearer] = i
        distance[nearer] = np.abs(days - target)[nearer]
    return window_of, start


def _limits(picked: Ints64, limits: Floats | None) -> Floats | None:
    if limits is None:
        return None
    taken = np.where(picked >= 0, limits[picked], np.nan)
    return None if np.isnan(taken).all() else taken
