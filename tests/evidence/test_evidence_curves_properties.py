"""What holds of every reconstruction, however odd the figure: patients are neither made nor lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flarefree as ff

METHODS = ("guyot", "closest")


@st.composite
def figures(draw):
    """A falling curve of any heights, a risk table that falls, perhaps events; they need not fit."""
    n = draw(st.integers(1, 60))
    clicks = draw(st.integers(1, 25))
    clicked = draw(st.lists(st.floats(0, 40), min_size=clicks, max_size=clicks))
    time = np.unique(np.round([*clicked, draw(st.floats(1, 40))], 1))
    drops = draw(st.lists(st.floats(0, 1), min_size=time.size, max_size=time.size))
    survival = np.cumprod(1 - np.array(drops) * draw(st.floats(0, 1)))
    columns = draw(st.integers(0, 5))
    table = None
    if columns:
        grid = np.linspace(0, float(time[-1]), columns)
        counts = sorted(draw(st.lists(st.integers(0, n), min_size=columns - 1, max_size=columns - 1)))[::-1]
        table = {"time": grid, "at_risk": [n, *counts]}
    events = draw(st.one_of(st.none(), st.integers(0, n)))
    return {"time": time, "survival": survival}, table, n, events


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=100, deadline=None)
@given(figure=figures(), seed=st.integers(0, 1000), sd=st.sampled_from([0.0, 0.02]))
def test_patients_are_neither_made_nor_lost_and_their_curve_is_theirs(method, figure, seed, sd):
    points, table, n, events = figure
    found = ff.evidence.reconstruct(
        points, at_risk=table, n=n, events=events, draws=3, seed=seed, digitization_sd=sd, method=method
    )
    own, arm = found.pseudo[0], found.arms[0]
    for time, event, curve, at_risk in (
        (own.central_time, own.central_event, own.central_curve, own.central_at_risk),
        *((own.time[b], own.event[b], own.curve[b], own.at_risk[b]) for b in range(3)),
    ):
        assert time.size == n and (time >= 0).all() and (time <= arm.time[-1] + 1e-9).all()
        assert (np.diff(curve) <= 1e-12).all() and curve[0] == 1.0
        product = np.ones(arm.time.size)
        for t in np.unique(time[event]):
            product[arm.time >= t] *= 1 - (event & (time == t)).sum() / (time >= t).sum()
        np.testing.assert_allclose(curve, product, atol=1e-12)
        np.testing.assert_array_equal(at_risk, [(time >= t).sum() for t in arm.risk_time])
    if method == "closest":
        assert found.errors()["max_at_risk_residual"][0] == 0


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 3), st.integers(0, 2)),
        min_size=1,
        max_size=3,
    ),
    seed=st.integers(0, 100),
)
def test_no_random_placement_lies_outside_the_range(rows, seed):
    """Tables made of events and censorings by interval; three are still followed at the end."""
    table = {}
    for label, e, c in (("A", 0, 1), ("B", 2, 3)):
        leaving = [row[e] + row[c] for row in rows]
        n = 3 + sum(leaving)
        table[label] = {
            "at_risk": [n, *(n - np.cumsum(leaving)).tolist()],
            "events": [0, *(row[e] for row in rows)],
        }
    if sum(sum(own["events"]) for own in table.values()) == 0:
        return
    found = ff.evidence.log_rank_range(table, draws=200, seed=seed)
    assert np.isfinite(found.sample).all()
    assert found.lowest_bound <= found.lowest <= found.highest <= found.highest_bound
    # The search for the least ends near zero, where nothing smaller matters: 1.6e-5 was once left.
    assert found.lowest - 5e-5 <= found.sample.min() and found.sample.max() <= found.highest + 1e-9
    wider = ff.evidence.log_rank_range(table, at_risk_means="before", draws=0)
    assert wider.lowest_bound <= found.lowest + 1e-6 and wider.highest >= found.highest - 1e-6
