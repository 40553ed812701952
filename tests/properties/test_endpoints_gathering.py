"""Rows become assessments: the kernels against a slow and obvious gathering, and in any order of patients."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_endpoints import days_between

from flarefree.endpoints.gathering import gather_rows
from flarefree.endpoints.long_rows import LongRows
from flarefree.endpoints.panel import Panel
from flarefree.protocol.schema import Schedule, Visit

NAMES = ("creatinine", "upcr", "albumin")
VISITS = (
    Visit(name="Month 0", number=0, day=1, first_day=-14, last_day=1),
    Visit(name="Month 1", number=1, day=31, first_day=2, last_day=46),
    Visit(name="Month 2", number=2, day=62, first_day=47, last_day=76),
    Visit(name="Phone", number=3, day=80),
)
SCHEDULE = Schedule(visits=VISITS)
UNSCHEDULED_SPAN = 7


@dataclass(frozen=True)
class Row:
    """A row of the file: `label` is a scheduled visit's index, beyond them an unscheduled visit, -1 none."""

    subject: int
    measure: int
    day: int
    label: int
    priority: int
    place: int = 0


rows = st.builds(
    Row,
    st.integers(0, 2),
    st.integers(0, 2),
    st.one_of(st.integers(-20, -1), st.integers(1, 90)),
    st.sampled_from((-1, -1, -1, 0, 1, 2, 3, 4, 5)),
    st.sampled_from((0, 0, 0, 1)),
)
files = st.lists(rows, max_size=25).map(
    lambda found: [Row(r.subject, r.measure, r.day, r.label, r.priority, i) for i, r in enumerate(found)]
)


def gathered(file: list[Row], *, by_visit: bool = True) -> Panel:
    """The program's way; a value is its row's place in the file."""
    return gather_rows(
        LongRows(
            np.array([r.subject for r in file], dtype=np.int32),
            np.array([r.measure for r in file], dtype=np.int16),
            np.array([r.day for r in file], dtype=np.int32),
            np.array([float(r.place) for r in file]),
            NAMES,
            np.array([r.label for r in file], dtype=np.int32) if by_visit else None,
            np.array([r.priority for r in file], dtype=np.uint16),
        ),
        np.array(["a", "b", "c"], dtype=object),
        SCHEDULE,
    )


def assessments(panel: Panel, subject: int) -> list[tuple[int, int, tuple[tuple[str, int], ...]]]:
    """(day, visit, values) of a patient, sorted."""
    found = []
    for a in range(int(panel.offsets[subject]), int(panel.offsets[subject + 1])):
        values = {n: int(c.values[a]) for n, c in panel.columns.items() if not np.isnan(c.values[a])}
        found.append((int(panel.days[a]), int(panel.visits[a]), tuple(sorted(values.items()))))
    return sorted(found)


def naive(file: list[Row], subject: int) -> list[tuple[int, int, tuple[tuple[str, int], ...]]]:
    """The documented way, one patient and one rule after another."""
    if not any(0 <= r.label < len(VISITS) for r in file):  # names that the schedule does not know at all
        file = [replace(r, label=-1) for r in file]
    mine = sorted((r for r in file if r.subject == subject), key=lambda r: (r.day, r.place))
    groups: list[tuple[int, list[Row]]] = []  # (visit, rows)

    # Labeled rows go to their visit; an unscheduled label that comes again much later is another visit.
    open_groups: dict[int, tuple[int, list[Row]]] = {}
    for row in mine:
        if row.label < 0:
            continue
        group = open_groups.get(row.label)
        is_scheduled = row.label < len(VISITS)
        if group is None or (not is_scheduled and days_between(group[1][0].day, row.day) > UNSCHEDULED_SPAN):
            group = (row.label if is_scheduled else -1, [])
            open_groups[row.label] = group
            groups.append(group)
        group[1].append(row)

    # Rows without a label join a labeled row of their day.
    left: dict[int, list[Row]] = {}
    for row in mine:
        if row.label >= 0:
            continue
        same_day = [other for other in mine if other.label >= 0 and other.day == row.day]
        if same_day:
            next(rows for _, rows in groups if same_day[-1] in rows).append(row)
        else:
            left.setdefault(row.day, []).append(row)

    # What is left goes to its window's visit, nearest to the target first, unless a measure repeats.
    for v, visit in enumerate(VISITS):
        if visit.first_day is None:
            continue
        days = [day for day in left if visit.first_day <= day <= visit.last_day]
        days.sort(key=lambda day: (abs(days_between(visit.day, day)), day < visit.day))
        group = next((group for group in groups if group[0] == v), None)
        for day in days:
            if group is not None and {r.measure for r in group[1]} & {r.measure for r in left[day]}:
                continue
            if group is None:
                group = (v, [])
                groups.append(group)
            group[1].extend(left.pop(day))
    groups += [(-1, rows) for rows in left.values()]

    found = []
    for v, rows in groups:
        best: dict[int, Row] = {}
        for row in rows:
            before = best.get(row.measure)
            if before is None or (row.priority, row.day, row.place) > (
                before.priority,
                before.day,
                before.place,
            ):
                best[row.measure] = row
        values = tuple(sorted((NAMES[m], r.place) for m, r in best.items()))
        found.append((max(r.day for r in best.values()), v, values))
    return sorted(found)


@settings(max_examples=400, deadline=None)
@given(files)
def test_gathering_two_ways(file: list[Row]) -> None:
    panel = gathered(file)
    for subject in range(3):
        assert assessments(panel, subject) == naive(file, subject)


@settings(max_examples=100, deadline=None)
@given(files)
def test_assessments_come_in_time_order_and_keep_every_day(file: list[Row]) -> None:
    panel = gathered(file)
    for i in range(3):
        days = panel.days[panel.offsets[i] : panel.offsets[i + 1]]
        assert (np.diff(days) >= 0).all()
    for column in panel.columns.values():
        for a in np.flatnonzero(column.rows >= 0):
            row = file[int(column.rows[a])]
            assert row.day == column.days[a] <= panel.days[a]
            assert row.place == column.values[a]


@settings(max_examples=100, deadline=None)
@given(files, st.randoms(use_true_random=False))
def test_the_order_of_patients_in_the_file_does_not_matter(file: list[Row], random) -> None:
    """Rows of one patient keep their order, for it breaks ties; patients may come in any."""
    keys = {s: random.random() for s in range(3)}
    shuffled = sorted(file, key=lambda r: keys[r.subject])
    again = [Row(r.subject, r.measure, r.day, r.label, r.priority, i) for i, r in enumerate(shuffled)]
    old_place = {i: r.place for i, r in enumerate(shuffled)}
    for subject in range(3):
        moved = [
            (day, visit, tuple(sorted((name, old_place[place]) for name, place in values)))
            for day, visit, values in assessments(gathered(again), subject)
        ]
        assert sorted(moved) == assessments(gathered(file), subject)
