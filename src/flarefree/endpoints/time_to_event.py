"""Time to event: which event counts, and what ended the follow-up of those who had none.

Time runs from the origin's day, which is 1, to the day of the event or of censoring.  Follow-up ends at its
own end, or at the first of the endpoint's `censor_at` events.  An event on that very day counts: who
flares on the day of withdrawal has flared.  Of a composite's components on one day the one listed first
is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flarefree.endpoints import kernels
from flarefree.endpoints.context import LAST_DAY
from flarefree.endpoints.kernels import NO_DAY

__all__ = ["END_OF_FOLLOW_UP", "FollowUp", "Standing", "Times", "compute_times", "first_of"]

Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

END_OF_FOLLOW_UP = -1
assert kernels.NOT_CENSORED == END_OF_FOLLOW_UP


@dataclass(frozen=True, slots=True)
class Standing:
    """Events that stand for an endpoint, by patient and day; arrays of shape (k,).

    Attributes
    ----------
    subjects, days : int32
    ids : int64
        Which event of the study each is.
    components : int32
        For a composite, the place of the component in `first_of`; 0 otherwise.
    """

    subjects: Ints32
    days: Ints32
    ids: Ints64
    components: Ints32

    @staticmethod
    def of(subjects: Ints32, days: Ints32, ids: Ints64, components: Ints32 | None = None) -> Standing:
        """Events in any order; of one patient and day, the earlier component first, then the lower id."""
        which = np.zeros(ids.size, dtype=np.int32) if components is None else components
        if kernels.are_in_order(subjects, days, which, ids):  # most come so
            return Standing(subjects, days, ids, which)
        order = np.lexsort((ids, which, days, subjects))
        return Standing(subjects[order], days[order], ids[order], which[order])

    def where(self, keep: Flags) -> Standing:
        """Some of them."""
        if keep.all():
            return self
        return Standing(self.subjects[keep], self.days[keep], self.ids[keep], self.components[keep])

    def first_days(self, n_subjects: int) -> Ints32:
        """Each patient's first day, `NO_DAY` if none: (n_subjects,)."""
        first = np.empty(n_subjects, dtype=np.int32)
        kernels.first_days(self.subjects, self.days, first)
        return first


def first_of(components: Sequence[Standing]) -> Standing:
    """The events of a composite: all of its components', each named by its place."""
    starts = np.array([0, *(part.ids.size for part in components)]).cumsum()
    subjects, days, ids = (
        np.concatenate([getattr(part, name) for part in components]) for name in ("subjects", "days", "ids")
    )
    merged, when, numbers = np.empty_like(subjects), np.empty_like(days), np.empty_like(ids)
    which = np.empty(ids.size, dtype=np.int32)
    kernels.merge_events(subjects, days, ids, starts, merged, when, numbers, which)
    return Standing.of(merged, when, numbers, which)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """From when to when each patient's events count; arrays of shape (n_subjects,).

    Attributes
    ----------
    start_days, stop_days : int32
        Origin, and end of follow-up or censoring; `NO_DAY` for patients who are not in the analysis.
    censored_by : int32
        Which `censor_at` endpoint ended it, by place; -1 for the end of follow-up.
    """

    start_days: Ints32
    stop_days: Ints32
    censored_by: Ints32

    @staticmethod
    def of(start_days: Ints32, end_days: Ints32, censor_days: Sequence[Ints32]) -> FollowUp:
        """Follow-up that ends at its end, or before it at the first of some events.

        Parameters
        ----------
        start_days, end_days : (n_subjects,) int32
            A patient without a known end is followed on the first day only.
        censor_days : sequence of (n_subjects,) int32
            First days of the `censor_at` events; at one day with the end of follow-up they are named.
        """
        stop = np.where(end_days == NO_DAY, start_days, np.maximum(end_days, start_days)).astype(np.int32)
        by = np.full(start_days.size, END_OF_FOLLOW_UP, dtype=np.int32)
        for place, days in enumerate(censor_days):
            kernels.censor(start_days, days, place, stop, by)
        stop[start_days == NO_DAY] = NO_DAY
        return FollowUp(start_days, stop, by)

    def counts(self, events: Standing) -> Flags:
        """Which events fall within follow-up, both ends counted: (k,)."""
        is_within = np.empty(events.ids.size, dtype=np.bool_)
        kernels.are_within(events.subjects, events.days, self.start_days, self.stop_days, is_within)
        return is_within


@dataclass(frozen=True, slots=True)
class Times:
    """Time to event of every patient; arrays of shape (n_subjects,).

    `times` are days, 1 on the day of origin; 0 for patients who are not in the analysis.  `events` and
    `components` are -1 where there was no event.
    """

    stop_days: Ints32
    times: Ints32
    is_event: Flags
    events: Ints64
    components: Ints32


def compute_times(events: Standing, follow_up: FollowUp) -> Times:
    """The first event within follow-up, or its end.

    Parameters
    ----------
    events : Standing
    follow_up : FollowUp

    Returns
    -------
    Times
    """
    n = follow_up.start_days.size
    stops, times, components = (np.empty(n, dtype=np.int32) for _ in range(3))
    ids, is_event = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.bool_)
    kernels.first_events(
        events.subjects, events.days, events.ids, events.components, follow_up.start_days,
        follow_up.stop_days, stops, times, is_event, ids, components,
    )  # fmt: skip
    return Times(stops, times, is_event, ids, components)


def within(events: Standing, first_day: int | None, last_day: int | None) -> Standing:
    """Events of some days only."""
    last = LAST_DAY if last_day is None else last_day
    keep = events.days <= last
    if first_day is not None:
        keep &= events.days >= first_day
    return events.where(keep)
