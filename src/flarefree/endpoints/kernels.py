"""Segment-wise scans over flat arrays: the loops that endpoint sentences come down to.

Every kernel takes `offsets`, shape (n_subjects + 1,), and arrays over assessments in which patient i
has `offsets[i]:offsets[i + 1]`, in time order.  What is found is given as an index into those arrays,
-1 where there is nothing, so that value, day and source row can all be read from one answer.
Verdicts are int8: FALSE, TRUE, UNKNOWN.  Each kernel has one signature and is compiled once, on disk.

Long results are allocated by NumPy and filled by the kernels: NumPy asks the system for large pages, which
numba's own arrays do not, and small pages cost several times as much as filling them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = [
    "FALSE",
    "NO_DAY",
    "TRUE",
    "UNKNOWN",
    "are_in_order",
    "are_known",
    "are_within",
    "censor",
    "confirm",
    "elapsed",
    "extreme_so_far",
    "extreme_within",
    "fill_spread",
    "first_days",
    "first_events",
    "first_known",
    "first_so_far",
    "first_true",
    "last_day_within",
    "last_known",
    "last_within",
    "latest_true",
    "merge_events",
    "onsets",
    "places",
    "previous_verdict",
    "repeated",
    "spread",
    "spread_values",
    "sustain",
    "take",
    "was_true",
]

Ints8 = npt.NDArray[np.int8]
Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FALSE, TRUE, UNKNOWN = np.int8(0), np.int8(1), np.int8(2)

NO_DAY = np.int32(-(2**31))
"""The day of what has none: a constant, a patient's characteristic, something that did not happen."""


@njit(cache=True, nogil=True, inline="always")
def elapsed(first: Any, last: Any) -> Any:
    """Calendar days from one study day to another, minding that there is no day 0."""
    return (last - 1 if last > 0 else last) - (first - 1 if first > 0 else first)


# References: which earlier value -----------------------------------------------------------------


@njit(cache=True, nogil=True)
def last_within(
    offsets: Ints64,
    values: Floats,
    days: Ints32,
    allowed: Flags,
    flagged: Flags,
    first: int,
    last: int,
    in_order: bool,
) -> Ints64:
    """The last known value of days `first` to `last`, flagged ones before others: (n_subjects,).

    Last is by the value's own day, then by its place.  `allowed` and `flagged` of length 0 allow all
    and prefer none.  Where each patient's days are `in_order`, what comes after `last` is not looked at.
    """
    found = np.full(offsets.size - 1, -1, np.int64)
    for i in range(offsets.size - 1):
        best = -1
        for j in range(offsets[i], offsets[i + 1]):
            if days[j] < first or days[j] > last or np.isnan(values[j]):
                if in_order and days[j] > last:
                    break
                continue
            if allowed.size and not allowed[j]:
                continue
            is_flagged = flagged.size and flagged[j]
            was_flagged = best >= 0 and flagged.size and flagged[best]
            is_later = best < 0 or (is_flagged == was_flagged and days[j] >= days[best])
            if is_later or (is_flagged and not was_flagged):
                best = j
        found[i] = best
    return found


@njit(cache=True, nogil=True)
def extreme_within(
    offsets: Ints64, values: Floats, days: Ints32, first: int, last: int, sign: float, in_order: bool
) -> Ints64:
    """The lowest (`sign` 1) or highest (-1) value of some days: (n_subjects,); the earliest of ties."""
    found = np.full(offsets.size - 1, -1, np.int64)
    for i in range(offsets.size - 1):
        best = -1
        for j in range(offsets[i], offsets[i + 1]):
            if days[j] < first or days[j] > last or np.isnan(values[j]):
                if in_order and days[j] > last:
                    break
                continue
            if best < 0 or sign * values[j] < sign * values[best]:
                best = j
        found[i] = best
    return found


@njit(cache=True, nogil=True)
def last_day_within(offsets: Ints64, days: Ints32, first: int, last: int) -> Ints64:
    """The last assessment of days `first` to `last`, -1 if none, where days are in order: (n_subjects,)."""
    found = np.full(offsets.size - 1, -1, np.int64)
    for i in range(offsets.size - 1):
        for j in range(offsets[i], offsets[i + 1]):
            if days[j] > last:
                break
            if days[j] >= first:
                found[i] = j
    return found


@njit(cache=True, nogil=True)
def are_known(places: Ints64, values: Any) -> bool:
    """Whether there is a known value at each of some places."""
    unknown = 0
    for i in range(places.size):
        unknown += 1 if places[i] < 0 or np.isnan(values[places[i]]) else 0
    return unknown == 0


def extreme_so_far(offsets: Ints64, values: Floats, sign: float) -> Ints64:
    """The lowest (`sign` 1) or highest (-1) value strictly before each assessment; the earliest of ties."""
    found = np.empty(values.size, np.int64)
    _extreme_so_far(offsets, values, sign, found)
    return found


@njit(cache=True, nogil=True)
def _extreme_so_far(offsets: Ints64, values: Floats, sign: float, found: Ints64) -> None:
    for i in range(offsets.size - 1):
        best = -1
        for j in range(offsets[i], offsets[i + 1]):
            found[j] = best
            if not np.isnan(values[j]) and (best < 0 or sign * values[j] < sign * values[best]):
                best = j


def last_known(offsets: Ints64, values: Floats, with_this: bool) -> Ints64:
    """The last known value before each assessment, or at or before it (`with_this`)."""
    found = np.empty(values.size, np.int64)
    _last_known(offsets, values, with_this, found)
    return found


@njit(cache=True, nogil=True)
def _last_known(offsets: Ints64, values: Floats, with_this: bool, found: Ints64) -> None:
    for i in range(offsets.size - 1):
        latest = -1
        for j in range(offsets[i], offsets[i + 1]):
            if with_this and not np.isnan(values[j]):
                latest = j
            found[j] = latest
            if not np.isnan(values[j]):
                latest = j


def first_known(offsets: Ints64, values: Floats, days: Ints32, first: int, last: int) -> Ints64:
    """The first known value of days `first` to `last`, once it is there: at or before each assessment."""
    found = np.empty(values.size, np.int64)
    _first_known(offsets, values, days, first, last, found)
    return found


@njit(cache=True, nogil=True)
def _first_known(offsets: Ints64, values: Floats, days: Ints32, first: int, last: int, found: Ints64) -> None:
    for i in range(offsets.size - 1):
        earliest = -1
        for j in range(offsets[i], offsets[i + 1]):
            if earliest < 0 and not np.isnan(values[j]) and first <= days[j] <= last:
                earliest = j
            found[j] = earliest


def first_so_far(offsets: Ints64, verdicts: Ints8) -> Ints64:
    """The first assessment at which a condition was true, at or before each one."""
    found = np.empty(verdicts.size, np.int64)
    _true_so_far(offsets, verdicts, False, found)
    return found


def latest_true(offsets: Ints64, verdicts: Ints8) -> Ints64:
    """The latest assessment at which a condition was true, at or before each one."""
    found = np.empty(verdicts.size, np.int64)
    _true_so_far(offsets, verdicts, True, found)
    return found


@njit(cache=True, nogil=True)
def _true_so_far(offsets: Ints64, verdicts: Ints8, is_latest: bool, found: Ints64) -> None:
    for i in range(offsets.size - 1):
        which = -1
        for j in range(offsets[i], offsets[i + 1]):
            if verdicts[j] == TRUE and (which < 0 or is_latest):
                which = j
            found[j] = which


def take(source: Ints64, values: Any) -> Floats:
    """Values at `source`; NaN where that is -1."""
    taken = np.empty(source.size)
    _take(source, values, taken)
    return taken


@njit(cache=True, nogil=True)
def _take(source: Ints64, values: Any, taken: Floats) -> None:
    for j in range(source.size):
        taken[j] = np.nan if source[j] < 0 else values[source[j]]


def spread(offsets: Ints64, of_subject: Ints64) -> Ints64:
    """What each patient has, at every assessment of theirs."""
    found = np.empty(offsets[-1], np.int64)
    fill_spread(offsets, of_subject, found)
    return found


@njit(cache=True, nogil=True)
def fill_spread(offsets: Ints64, of_subject: Any, found: Any) -> None:
    """Puts what each patient has at every assessment of theirs."""
    for i in range(offsets.size - 1):
        found[offsets[i] : offsets[i + 1]] = of_subject[i]


def spread_values(offsets: Ints64, source: Ints64, values: Floats) -> Floats:
    """The value at each patient's `source`, at every assessment of theirs; NaN where that is -1."""
    found = np.empty(offsets[-1])
    _spread_values(offsets, source, values, found)
    return found


@njit(cache=True, nogil=True)
def _spread_values(offsets: Ints64, source: Ints64, values: Floats, found: Floats) -> None:
    for i in range(offsets.size - 1):
        found[offsets[i] : offsets[i + 1]] = np.nan if source[i] < 0 else values[source[i]]


def repeated(codes: Ints32, lengths: Ints64) -> Ints32:
    """Each code as often as its length says; `np.repeat`, several times as fast for long runs."""
    found = np.empty(int(lengths.sum()), np.int32)
    _repeat(codes, lengths, found)
    return found


@njit(cache=True, nogil=True)
def _repeat(codes: Ints32, lengths: Ints64, found: Ints32) -> None:
    place = 0
    for i in range(codes.size):
        found[place : place + lengths[i]] = codes[i]
        place += lengths[i]


# Conditions over time ----------------------------------------------------------------------------


def confirm(offsets: Ints64, verdicts: Ints8, days: Ints32, first: int, last: int) -> tuple[Ints8, Ints64]:
    """True here and again `first` to `last` days later: verdicts, and the confirming assessments.

    `days` are those on which the condition was known (the assessment's own where it was not).
    """
    confirmed, by = np.empty(verdicts.size, np.int8), np.empty(verdicts.size, np.int64)
    _confirm(offsets, verdicts, days, first, last, confirmed, by)
    return confirmed, by


@njit(cache=True, nogil=True)
def _confirm(
    offsets: Ints64, verdicts: Ints8, days: Ints32, first: int, last: int, confirmed: Ints8, by: Ints64
) -> None:
    for i in range(offsets.size - 1):
        for j in range(offsets[i], offsets[i + 1]):
            confirmed[j] = verdicts[j]
            by[j] = -1
            if verdicts[j] != TRUE:
                continue
            confirmed[j] = UNKNOWN
            for k in range(j + 1, offsets[i + 1]):
                later = elapsed(days[j], days[k])
                if later < first or later > last or verdicts[k] == UNKNOWN:
                    continue
                if verdicts[k] == TRUE:
                    confirmed[j] = TRUE
                    by[j] = k
                    break
                confirmed[j] = FALSE


def sustain(offsets: Ints64, verdicts: Ints8, days: Ints32, lasting: int) -> tuple[Ints8, Ints32]:
    """True here and at every assessment up to the first one at least `lasting` days later.

    Gives verdicts, and that first one where it was reached and all were true.  A single false makes
    it false; short of that, an unknown or the end of follow-up makes it unknown.
    """
    sustained, until = verdicts.copy(), np.full(verdicts.size, -1, np.int32)
    _sustain(offsets, verdicts, days, lasting, np.flatnonzero(verdicts == TRUE), sustained, until)
    return sustained, until


@njit(cache=True, nogil=True)
def _sustain(
    offsets: Ints64,
    verdicts: Ints8,
    days: Ints32,
    lasting: int,
    true_at: Ints64,
    sustained: Ints8,
    until: Ints32,
) -> None:
    i = 0
    for place in range(true_at.size):
        j = true_at[place]
        while j >= offsets[i + 1]:
            i += 1
        sustained[j] = UNKNOWN
        has_unknown = False
        for k in range(j + 1, offsets[i + 1]):
            if verdicts[k] == FALSE:
                sustained[j] = FALSE
                break
            has_unknown = has_unknown or verdicts[k] == UNKNOWN
            if elapsed(days[j], days[k]) >= lasting:
                if not has_unknown:
                    sustained[j] = TRUE
                    until[j] = k
                break


def was_true(offsets: Ints64, verdicts: Ints8, counted: Flags) -> tuple[Ints8, Ints64]:
    """True at some counted assessment strictly before this one: verdicts, and the first such one."""
    was, first = np.empty(verdicts.size, np.int8), np.empty(verdicts.size, np.int64)
    _was_true(offsets, verdicts, counted, was, first)
    return was, first


@njit(cache=True, nogil=True)
def _was_true(offsets: Ints64, verdicts: Ints8, counted: Flags, was: Ints8, first: Ints64) -> None:
    for i in range(offsets.size - 1):
        verdict = FALSE
        earliest = -1
        for j in range(offsets[i], offsets[i + 1]):
            was[j] = verdict
            first[j] = earliest
            if counted[j] and verdict != TRUE and verdicts[j] != FALSE:
                verdict = verdicts[j]
                if verdict == TRUE:
                    earliest = j


def previous_verdict(offsets: Ints64, verdicts: Ints8, counted: Flags) -> tuple[Ints8, Ints64]:
    """The verdict at the counted assessment just before this one, and which that is; false if none."""
    previous, which = np.empty(verdicts.size, np.int8), np.empty(verdicts.size, np.int64)
    _previous_verdict(offsets, verdicts, counted, previous, which)
    return previous, which


@njit(cache=True, nogil=True)
def _previous_verdict(
    offsets: Ints64, verdicts: Ints8, counted: Flags, previous: Ints8, which: Ints64
) -> None:
    for i in range(offsets.size - 1):
        latest = -1
        for j in range(offsets[i], offsets[i + 1]):
            previous[j] = FALSE if latest < 0 else verdicts[latest]
            which[j] = latest
            if counted[j]:
                latest = j


# Events ------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def first_events(
    subjects: Ints32,
    days: Ints32,
    ids: Ints64,
    components: Ints32,
    start: Ints32,
    stop: Ints32,
    stops: Ints32,
    times: Ints32,
    is_event: Flags,
    first: Ints64,
    which: Ints32,
) -> None:
    """Each patient's first event from `start` to `stop`, both counted, of events by patient and day.

    Fills the rest: its day, or `stop`, into `stops`; days from `start`, which is 1, into `times` (0 where
    `start` is `NO_DAY`); its number into `first` and its component into `which`, -1 where there is none.
    """
    stops[:] = stop  # one by one: a compiler makes long steps of few arrays only
    is_event[:] = False
    first[:] = -1
    which[:] = -1
    for k in range(subjects.size):
        i = subjects[k]
        if not is_event[i] and start[i] != NO_DAY and start[i] <= days[k] <= stop[i]:
            is_event[i] = True
            first[i] = ids[k]
            which[i] = components[k]
            stops[i] = days[k]
    for i in range(start.size):
        took = elapsed(start[i], stops[i]) + 1
        times[i] = 0 if start[i] == NO_DAY else took


@njit(cache=True, nogil=True)
def are_in_order(subjects: Ints32, days: Ints32, components: Ints32, ids: Ints64) -> bool:
    """Whether events stand by patient and day; of one patient and day, by component, then number."""
    for k in range(1, subjects.size):
        if subjects[k] != subjects[k - 1]:
            if subjects[k] < subjects[k - 1]:
                return False
        elif days[k] != days[k - 1]:
            if days[k] < days[k - 1]:
                return False
        elif components[k] != components[k - 1]:
            if components[k] < components[k - 1]:
                return False
        elif ids[k] <= ids[k - 1]:
            return False
    return True


@njit(cache=True, nogil=True)
def merge_events(
    subjects: Ints32,
    days: Ints32,
    ids: Ints64,
    starts: Ints64,
    out_subjects: Ints32,
    out_days: Ints32,
    out_ids: Ints64,
    which: Ints32,
) -> None:
    """Lists of events, each by patient and day, as one; of one patient and day the earlier list's first.

    List p is `starts[p]` to `starts[p + 1]`; `which` tells the list of each of the merged ones.
    """
    lists = starts.size - 1
    place = starts[:-1].copy()
    for n in range(subjects.size):
        best = -1
        for p in range(lists):
            k = place[p]
            if k == starts[p + 1]:
                continue
            if best < 0:
                best = p
                continue
            b = place[best]
            if subjects[k] < subjects[b] or (subjects[k] == subjects[b] and days[k] < days[b]):
                best = p
        k = place[best]
        out_subjects[n], out_days[n], out_ids[n], which[n] = subjects[k], days[k], ids[k], best
        place[best] += 1


@njit(cache=True, nogil=True)
def first_days(subjects: Ints32, days: Ints32, first: Ints32) -> None:
    """Each patient's first day of events by patient and day, `NO_DAY` if none."""
    first[:] = NO_DAY
    for k in range(subjects.size - 1, -1, -1):
        first[subjects[k]] = days[k]


NOT_CENSORED = -1


@njit(cache=True, nogil=True)
def censor(start: Ints32, days: Ints32, place: int, stop: Ints32, by: Ints32) -> None:
    """Ends follow-up on `days` where that is before `stop`, or on it and nothing censored; in place."""
    for i in range(start.size):
        day = max(days[i], start[i])
        is_first = (day < stop[i]) | ((day == stop[i]) & (by[i] == NOT_CENSORED))
        if is_first & (days[i] != NO_DAY):
            stop[i] = day
            by[i] = place


@njit(cache=True, nogil=True)
def are_within(subjects: Ints32, days: Ints32, start: Ints32, stop: Ints32, is_within: Flags) -> None:
    """Which events are of days `start` to `stop` of their patients; `NO_DAY` has none."""
    for k in range(subjects.size):
        i = subjects[k]
        is_within[k] = (start[i] != NO_DAY) & (days[k] >= start[i]) & (days[k] <= stop[i])


def first_true(offsets: Ints64, verdicts: Ints8, days: Ints32, first: int) -> Ints64:
    """Assessments of day `first` or later that are true and not so before, since something was false."""
    begins = np.empty(verdicts.size, np.bool_)
    n = _true_after_another(offsets, verdicts, days, first, begins)
    words = begins[: begins.size - begins.size % 8].view(np.uint64)
    at = np.empty(n + 1, np.int64)
    at = at[: _places(begins, words, at)]
    return at[: _first_true(offsets, verdicts, days, first, at)]


@njit(cache=True, nogil=True)
def _true_after_another(offsets: Ints64, verdicts: Ints8, days: Ints32, first: int, begins: Flags) -> int:
    """Counted and true, and the patient's assessment before was not; tells how often.

    Each patient's assessments are in time order, so those that are not counted come first.
    """
    for j in range(1, verdicts.size):
        begins[j] = (verdicts[j] == TRUE) & (verdicts[j - 1] != TRUE)
    for i in range(offsets.size - 1):
        j, stop = offsets[i], offsets[i + 1]
        while j < stop and days[j] < first:
            begins[j] = False
            j += 1
        if j < stop:
            begins[j] = verdicts[j] == TRUE
    n = 0
    for j in range(begins.size):
        n += begins[j]
    return n


def places(flags: Flags) -> Ints64:
    """Where flags are set: `np.flatnonzero`, without its branches that a processor guesses wrong."""
    words = flags[: flags.size - flags.size % 8].view(np.uint64)
    found = np.empty(int(np.count_nonzero(flags)) + 1, np.int64)
    return found[: _places(flags, words, found)]


@njit(cache=True, nogil=True)
def _places(flags: Flags, words: Any, found: Ints64) -> int:
    n = 0
    for w in range(words.size):
        if words[w] != 0:
            for j in range(8 * w, 8 * w + 8):
                found[n] = j
                n += 1 if flags[j] else 0
    for j in range(8 * words.size, flags.size):
        found[n] = j
        n += 1 if flags[j] else 0
    return n


@njit(cache=True, nogil=True)
def _first_true(offsets: Ints64, verdicts: Ints8, days: Ints32, first: int, at: Ints64) -> int:
    """Keeps in `at` what does not follow a true one with only unknown ones between; tells how many."""
    n = 0
    for place in range(at.size):
        j = at[place]
        at[n] = j
        if j == 0 or verdicts[j - 1] != UNKNOWN:
            n += 1
            continue
        start = offsets[np.searchsorted(offsets, j, side="right") - 1]
        k = j - 1
        while k >= start and verdicts[k] == UNKNOWN:
            k -= 1
        n += 1 if k < start or verdicts[k] == FALSE or days[k] < first else 0
    return n


@njit(cache=True, nogil=True)
def onsets(offsets: Ints64, verdicts: Ints8, days: Ints32, first: int, last: int) -> Ints64:
    """Where an episode begins: true, of days `first` to `last`, and not true before.

    `days` are those of the true assessments, one after another, and so is what is found: places among
    them.  An unknown neither begins an episode nor ends one: true, unknown, true is one episode.
    """
    found = np.empty(days.size, np.int64)
    n = 0
    place = 0
    for i in range(offsets.size - 1):
        is_on = False
        for j in range(offsets[i], offsets[i + 1]):
            if verdicts[j] == FALSE:
                is_on = False
            elif verdicts[j] == TRUE:
                if not is_on and first <= days[place] <= last:
                    found[n] = place
                    n += 1
                    is_on = True
                place += 1
    return found[:n].copy()
