"""Which rows belong to one assessment: the kernels behind `flarefree.endpoints.gathering`.

Rows come sorted by patient and day.  A row labeled with a visit goes to that visit's assessment; one
without a label joins a labeled row of the same day, else its window's visit, else its day.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from flarefree.endpoints.kernels import NO_DAY, elapsed

__all__ = [
    "UNSCHEDULED_SPAN_DAYS",
    "assign",
    "code_numbers",
    "is_sorted",
    "last_days",
    "measures_present",
    "order_of",
    "pick_rows",
]

Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

UNSCHEDULED_SPAN_DAYS = 7
"""Rows of an unscheduled visit's label further apart than this are two visits under one label."""


@njit(cache=True, nogil=True)
def is_sorted(subjects: Ints32, days: Ints32) -> bool:
    """Whether rows come by patient, and by day within a patient."""
    for j in range(1, subjects.size):
        if subjects[j] < subjects[j - 1] or (subjects[j] == subjects[j - 1] and days[j] < days[j - 1]):
            return False
    return True


@njit(cache=True, nogil=True)
def last_days(subjects: Ints32, days: Ints32, n_subjects: int) -> Ints32:
    """The latest day of each subject's rows, `NO_DAY` if it has none."""
    last = np.full(n_subjects, NO_DAY, np.int32)
    for j in range(subjects.size):
        if subjects[j] >= 0:
            last[subjects[j]] = max(last[subjects[j]], days[j])
    return last


@njit(cache=True, nogil=True)
def code_numbers(values: Floats, known: Floats) -> tuple[Ints32, int]:
    """Small codes for numbers of which there are few; `known` is filled with them, NaN is -1.

    Gives the codes and how many numbers there are; stops with -1 once `known` is full.
    """
    codes = np.empty(values.size, np.int32)
    n = 0
    last = 0
    for j in range(values.size):
        if np.isnan(values[j]):
            codes[j] = -1
            continue
        if last < n and known[last] == values[j]:
            codes[j] = last
            continue
        last = 0
        while last < n and known[last] != values[j]:
            last += 1
        if last == n:
            if n == known.size:
                return codes, -1
            known[n] = values[j]
            n += 1
        codes[j] = last
    return codes, n


def assign(
    subjects: Ints32,
    days: Ints32,
    measures: npt.NDArray[np.int16],
    labels: Ints32,
    n_subjects: int,
    n_measures: int,
    n_labels: int,
    targets: Ints32,
    window_of: npt.NDArray[np.int16],
    window_start: int,
) -> tuple[Ints32, Ints64, Ints32]:
    """Give every row its assessment.

    Parameters
    ----------
    subjects, days, measures, labels : (n_rows,)
        Sorted by subject, then day.  A subject or measure of -1 leaves the row out.  Labels below the
        number of scheduled visits are theirs, the others are unscheduled ones, -1 is none; `labels`
        of length 0 has none at all.
    targets : (n_visits,)
        The day for which each visit is planned.
    window_of : (n_days,)
        The visit in whose window each day from `window_start` on lies, -1 if none.

    Returns
    -------
    groups : (n_rows,) int32
        The assessment of each row, numbered by patient and by the latest day of its rows; -1 if
        left out.
    offsets : (n_subjects + 1,) int64
    visits : (n_assessments,) int32
        The scheduled visit of each assessment, -1 if none.
    """
    n = subjects.size
    groups, visits = np.full(n, -1, np.int32), np.empty(n, np.int32)
    counts = np.zeros(n_subjects + 1, np.int64)
    # Days of the patient at hand on which unlabeled rows are left: where their rows begin and end.
    of_days = np.empty((2, n), np.int32), np.empty(n, np.int16)
    scratch = np.empty((2, n), np.int32)
    total = _assign(
        subjects, days, measures, labels, n_measures, n_labels, targets, window_of, window_start,
        groups, visits, counts, *of_days, scratch,
    )  # fmt: skip
    return groups, np.cumsum(counts), visits[:total].copy()


@njit(cache=True, nogil=True)
def _assign(
    subjects: Ints32,
    days: Ints32,
    measures: npt.NDArray[np.int16],
    labels: Ints32,
    n_measures: int,
    n_labels: int,
    targets: Ints32,
    window_of: npt.NDArray[np.int16],
    window_start: int,
    groups: Ints32,
    visits: Ints32,
    counts: Ints64,
    day_span: Ints32,
    day_window: npt.NDArray[np.int16],
    scratch: Ints32,
) -> int:
    """Fills `groups`, `visits` and `counts`; how many assessments there are."""
    n = subjects.size
    n_visits = targets.size
    day_start, day_stop = day_span
    latest, place_of = scratch
    slot = np.full(n_labels, -1, np.int32)
    slot_owner = np.full(n_labels, -1, np.int32)
    slot_day = np.zeros(n_labels, np.int32)
    stamp = np.full(n_measures, -1, np.int32)
    total = 0
    low = 0
    while low < n:
        owner = subjects[low]
        high = low
        while high < n and subjects[high] == owner:
            high += 1
        if owner < 0:
            low = high
            continue
        begin = total
        if labels.size:
            for j in range(low, high):
                label = labels[j]
                if label < 0 or measures[j] < 0:
                    continue
                is_new = slot_owner[label] != owner
                if not is_new and label >= n_visits:
                    is_new = elapsed(slot_day[label], days[j]) > UNSCHEDULED_SPAN_DAYS
                if is_new:
                    slot_owner[label] = owner
                    slot[label] = total
                    slot_day[label] = days[j]
                    visits[total] = label if label < n_visits else -1
                    total += 1
                groups[j] = slot[label]
        n_days = 0
        j = low
        while j < high:
            day = days[j]
            stop = j + 1
            while stop < high and days[stop] == day:
                stop += 1
            joins = -1
            is_open = False
            for k in range(j, stop):
                if groups[k] >= 0:
                    joins = groups[k]
                elif measures[k] >= 0:
                    is_open = True
            if is_open and joins >= 0:
                for k in range(j, stop):
                    if groups[k] < 0 and measures[k] >= 0:
                        groups[k] = joins
            elif is_open:
                place = day - window_start
                day_start[n_days], day_stop[n_days] = j, stop
                day_window[n_days] = window_of[place] if 0 <= place < window_of.size else -1
                n_days += 1
            j = stop
        # Days in order make assessments in order; only visits gathered of several days may not.
        is_ordered = labels.size == 0
        i = 0
        while i < n_days:
            w = day_window[i]
            end = i + 1
            while end < n_days and w >= 0 and day_window[end] == w:
                end += 1
            if w >= 0 and (end - i > 1 or slot_owner[w] == owner):
                is_ordered = False
                visit = -1
                if slot_owner[w] == owner:
                    visit = slot[w]
                    for k in range(low, high):
                        if groups[k] == visit:
                            stamp[measures[k]] = visit
                else:
                    slot[w], slot_owner[w] = total, owner
                total = _claim(
                    day_start[i:end], day_stop[i:end], days, measures, groups, visits, stamp, targets[w], w,
                    visit, total,
                )  # fmt: skip
            for one in range(i, end):
                is_open = False
                for k in range(day_start[one], day_stop[one]):
                    if groups[k] < 0 and measures[k] >= 0:
                        groups[k] = total
                        is_open = True
                if is_open:
                    is_visit = w >= 0 and slot_owner[w] != owner
                    visits[total] = w if is_visit else -1
                    if is_visit:
                        slot[w], slot_owner[w] = total, owner
                    total += 1
            i = end
        counts[owner + 1] = total - begin
        if not is_ordered:
            _number_by_day(low, high, begin, total, days, groups, visits, latest, place_of)
        low = high
    return total


@njit(cache=True, nogil=True)
def _claim(
    starts: Ints32,
    stops: Ints32,
    days: Ints32,
    measures: npt.NDArray[np.int16],
    groups: Ints32,
    visits: Ints32,
    stamp: Ints32,
    target: int,
    w: int,
    visit: int,
    total: int,
) -> int:
    """Gather days of a window to its visit, nearest to the target first; of two as near, the later.

    A day that repeats a measure the visit already has is no correction of it but another occasion
    (a confirmation, say): it is left for an assessment of its own.
    """
    done = np.int64(-1)
    for _ in range(starts.size):
        best = -1
        best_distance = np.int64(2**62)
        for one in range(starts.size):
            day = days[starts[one]]
            distance = 2 * abs(elapsed(target, day)) - (1 if day > target else 0)
            if done < distance < best_distance:
                best, best_distance = one, distance
        done = best_distance
        clashes = False
        for k in range(starts[best], stops[best]):
            if groups[k] < 0 and measures[k] >= 0 and visit >= 0 and stamp[measures[k]] == visit:
                clashes = True
        if clashes:
            continue
        if visit < 0:
            visit = total
            visits[total] = w
            total += 1
        for k in range(starts[best], stops[best]):
            if groups[k] < 0 and measures[k] >= 0:
                groups[k] = visit
                stamp[measures[k]] = visit
    return total


@njit(cache=True, nogil=True)
def _number_by_day(
    low: int,
    high: int,
    begin: int,
    total: int,
    days: Ints32,
    groups: Ints32,
    visits: Ints32,
    latest: Ints32,
    place_of: Ints32,
) -> None:
    """Number one patient's assessments by their latest day; of one day, in order of creation."""
    n = total - begin
    latest[:n] = NO_DAY
    for j in range(low, high):
        if groups[j] >= 0:
            latest[groups[j] - begin] = max(latest[groups[j] - begin], days[j])
    is_ordered = True
    for a in range(1, n):
        is_ordered = is_ordered and latest[a] >= latest[a - 1]
    if is_ordered:
        return
    order = np.argsort(latest[:n], kind="mergesort")
    of_visit = visits[begin:total].copy()
    for place in range(n):
        place_of[order[place]] = place
        visits[begin + place] = of_visit[order[place]]
    for j in range(low, high):
        if groups[j] >= 0:
            groups[j] = begin + place_of[groups[j] - begin]


@njit(cache=True, nogil=True)
def measures_present(groups: Ints32, measures: npt.NDArray[np.int16], n_measures: int) -> Flags:
    """Which measures any used row is of: (n_measures,)."""
    present = np.zeros(n_measures, np.bool_)
    for j in range(groups.size):
        if groups[j] >= 0:
            present[measures[j]] = True
    return present


def pick_rows(
    groups: Ints32,
    measures: npt.NDArray[np.int16],
    columns: npt.NDArray[np.int16],
    priorities: npt.NDArray[np.uint16],
    order: Ints64,
    values: Floats,
    days: Ints32,
    n_columns: int,
    n_assessments: int,
) -> tuple[Ints64, Floats, Ints32, Ints32]:
    """The row that counts for each measure of each assessment, its value and its day.

    Rows come by day and then by place in the file: of equal priority, the latest wins.  `columns` says
    which column each measure has, for most protocols name more than a file holds.  `order` gives a
    row's number in the study's table, whose order `priorities`, `values` and `days` have; `order` or
    `priorities` may have length 0: rows are in the table's order, all priorities are the same.

    Returns
    -------
    picked, found, found_days : (n_columns, n_assessments)
        -1, NaN and `NO_DAY` where there is nothing.
    latest : (n_assessments,) int32
        The latest day of each assessment's values.
    """
    picked = np.full((n_columns, n_assessments), -1, np.int64)
    found = np.full((n_columns, n_assessments), np.nan)
    found_days = np.full((n_columns, n_assessments), NO_DAY, np.int32)
    latest = np.full(n_assessments, NO_DAY, np.int32)
    _pick_rows(groups, measures, columns, priorities, order, values, days, picked, found, found_days, latest)
    if priorities.size and n_columns:
        # A value that was picked first and lost to a more trusted one has left its day behind.
        latest = found_days.max(axis=0)
    return picked, found, found_days, latest


@njit(cache=True, nogil=True)
def _pick_rows(
    groups: Ints32,
    measures: npt.NDArray[np.int16],
    columns: npt.NDArray[np.int16],
    priorities: npt.NDArray[np.uint16],
    order: Ints64,
    values: Floats,
    days: Ints32,
    picked: Ints64,
    found: Floats,
    found_days: Ints32,
    latest: Ints32,
) -> None:
    for j in range(groups.size):
        group = groups[j]
        if group < 0:
            continue
        column = columns[measures[j]]
        row = order[j] if order.size else j
        if priorities.size:
            before = picked[column, group]
            if before >= 0 and priorities[row] < priorities[before]:
                continue
        picked[column, group] = row
        found[column, group] = values[row]
        found_days[column, group] = days[row]
        latest[group] = max(latest[group], days[row])


@njit(cache=True, nogil=True)
def order_of(offsets: Ints64, days: Ints32) -> Ints64:
    """The order of assessments by day within each patient; of one day, in order of creation.

    Length 0 if they are in order already.
    """
    is_ordered = True
    for i in range(offsets.size - 1):
        for j in range(offsets[i] + 1, offsets[i + 1]):
            if days[j] < days[j - 1]:
                is_ordered = False
    order = np.arange(0 if is_ordered else days.size)
    if is_ordered:
        return order
    for i in range(offsets.size - 1):
        for j in range(offsets[i] + 1, offsets[i + 1]):
            k = j
            while k > offsets[i] and days[order[k - 1]] > days[order[k]]:
                order[k - 1], order[k] = order[k], order[k - 1]
                k -= 1
    return order
