"""Which event counts, and what ended follow-up: against a slow and obvious way, and at the ties."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flarefree.endpoints.kernels import NO_DAY
from flarefree.endpoints.time_to_event import FollowUp, Standing, compute_times, first_of

days = st.one_of(st.integers(-5, -1), st.integers(1, 12))
components = st.lists(st.lists(st.tuples(st.integers(0, 2), days), max_size=6), min_size=1, max_size=3)
maybe_days = st.lists(st.one_of(st.none(), days), min_size=3, max_size=3)


def array(values: list[int | None]) -> np.ndarray:
    return np.array([NO_DAY if v is None else v for v in values], dtype=np.int32)


def standing(events: list[tuple[int, int]], first_id: int) -> Standing:
    subjects, when = (np.array([e[i] for e in events], dtype=np.int32) for i in (0, 1))
    return Standing.of(subjects, when, np.arange(first_id, first_id + len(events)))


def ordinal(day: int) -> int:
    return day - 1 if day > 0 else day


@settings(max_examples=400, deadline=None)
@given(components, maybe_days, maybe_days, st.lists(maybe_days, max_size=2))
def test_two_ways(parts, starts, ends, censors) -> None:
    first_ids = np.cumsum([0, *(len(p) for p in parts)])
    events = first_of([standing(p, int(i)) for p, i in zip(parts, first_ids, strict=False)])
    follow_up = FollowUp.of(array(starts), array(ends), [array(c) for c in censors])
    times = compute_times(events, follow_up)
    for patient in range(3):
        start = starts[patient]
        if start is None:
            assert times.times[patient] == 0 and not times.is_event[patient]
            continue
        stop, by = max(ends[patient] if ends[patient] is not None else start, start), -1
        for place, censor in enumerate(censors):
            day = censor[patient]
            if day is not None and (max(day, start) < stop or (max(day, start) == stop and by == -1)):
                stop, by = max(day, start), place
        mine = [
            (day, place, int(first_ids[place]) + i)
            for place, part in enumerate(parts)
            for i, (who, day) in enumerate(part)
            if who == patient and start <= day <= stop
        ]
        day, place, event = min(mine, default=(stop, -1, -1))
        assert times.stop_days[patient] == day
        assert times.times[patient] == ordinal(day) - ordinal(start) + 1
        assert (times.is_event[patient], times.events[patient], times.components[patient]) == (
            bool(mine),
            event,
            place,
        )
        assert follow_up.censored_by[patient] == by


def one(event: list[int], end: int, censor: int | None, start: int = 1) -> tuple[int, bool]:
    follow_up = FollowUp.of(array([start]), array([end]), [array([censor])])
    times = compute_times(standing([(0, day) for day in event], 0), follow_up)
    return int(times.times[0]), bool(times.is_event[0])


def test_an_event_on_the_day_of_withdrawal_counts() -> None:
    assert one([184], 184, 184) == (184, True)


def test_an_event_the_day_after_does_not() -> None:
    assert one([184], 400, 183) == (183, False)


def test_death_on_day_1_has_time_1() -> None:
    assert one([1], 1, None) == (1, True)


def test_time_from_before_day_1_minds_that_there_is_no_day_0() -> None:
    assert one([1], 10, None, start=-1) == (2, True)


def test_withdrawal_before_the_origin_leaves_one_day() -> None:
    assert one([50], 100, 3, start=5) == (1, False)
