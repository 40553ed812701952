"""The range of a log-rank statistic that a risk table allows: by trying every order, and for a real table."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import product

import numpy as np
import pytest

from flarefree.errors import EvidenceError
from flarefree.evidence.curves import log_rank_range
from flarefree.stats.survival import logrank

SMALL = {
    "balanced": {
        "A": {"at_risk": [5, 3, 1], "events": [0, 1, 2]},
        "B": {"at_risk": [4, 2, 1], "events": [0, 1, 1]},
    },
    "one sided": {
        "A": {"at_risk": [6, 3, 0], "events": [0, 3, 2]},
        "B": {"at_risk": [6, 4, 3], "events": [0, 0, 1]},
    },
    "without censoring": {
        "A": {"at_risk": [4, 2], "events": [0, 2]},
        "B": {"at_risk": [5, 2], "events": [0, 3]},
    },
}


def every_statistic(table: dict, ties: str, at_risk_means: str) -> set[float]:
    """All statistics, by walking through every order of every interval: slow and plain."""
    (a, b) = table.values()
    risk = list(zip(a["at_risk"], b["at_risk"]))
    events = list(zip(a["events"], b["events"]))

    def gain(n1: int, n2: int, x1: int, x2: int) -> tuple[float, float]:
        n, d = n1 + n2, x1 + x2
        v = d * (n1 / n) * (n2 / n) * (n - d) / (n - 1) if n > 1 else 0.0
        return x1 - d * n1 / n, v

    @lru_cache(None)
    def walk(k: int, n1: int, n2: int, left1: int, left2: int) -> frozenset[tuple[float, float]]:
        """Pairs from here on: in interval k, n at risk, events of the column still to come."""
        found: set[tuple[float, float]] = set()

        def add(own: tuple[float, float], rest: frozenset[tuple[float, float]]) -> None:
            found.update((round(own[0] + u, 9), round(own[1] + v, 9)) for u, v in rest)

        if (n1, n2) == risk[k] and (at_risk_means == "before" or left1 == left2 == 0):
            own = gain(n1, n2, left1, left2) if left1 + left2 else (0.0, 0.0)
            if k + 1 == len(risk):
                if left1 <= n1 and left2 <= n2:
                    add(own, frozenset({(0.0, 0.0)}))
            elif n1 - left1 >= risk[k + 1][0] and n2 - left2 >= risk[k + 1][1]:
                add(own, walk(k + 1, n1 - left1, n2 - left2, *events[k + 1]))
        if n1 > risk[k][0]:
            add((0.0, 0.0), walk(k, n1 - 1, n2, left1, left2))
        if n2 > risk[k][1]:
            add((0.0, 0.0), walk(k, n1, n2 - 1, left1, left2))
        most1, most2 = min(left1, n1 - risk[k][0]), min(left2, n2 - risk[k][1])
        for x1, x2 in product(range(most1 + 1), range(most2 + 1)):
            if x1 + x2 == 0 or (ties == "none" and x1 + x2 > 1):
                continue
            if ties == "column" and (x1, x2) != (left1, left2):
                continue
            add(gain(n1, n2, x1, x2), walk(k, n1 - x1, n2 - x2, left1 - x1, left2 - x2))
        return frozenset(found)

    return {u * u / v for u, v in walk(1, *risk[0], *events[1]) if v > 0}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(
    ("ties", "means"),
    [("any", "after"), ("none", "after"), ("column", "after"), ("any", "before"), ("none", "before")],
)
def test_no_order_of_happenings_gives_less_or_more(name, ties, means):
    every = every_statistic(SMALL[name], ties, means)
    assert len(every) > 2 or ties == "column"
    found = log_rank_range(SMALL[name], ties=ties, at_risk_means=means, draws=0)
    assert found.highest == pytest.approx(max(every), abs=1e-6)
    assert found.highest_bound == pytest.approx(max(every), abs=1e-5)
    # The bound under the least is that of mixtures; the least itself is one of the orders.
    assert found.lowest_bound - 1e-6 <= min(every)
    assert found.lowest >= min(every) - 1e-6
    assert min(abs(found.lowest - value) for value in every) < 1e-6


@pytest.mark.parametrize("name", SMALL)
def test_the_least_that_is_found_is_the_least_there_is(name):
    """Where few patients make the pairs sparse, the descent could miss it; for these tables it does not."""
    every = every_statistic(SMALL[name], "any", "after")
    assert log_rank_range(SMALL[name], draws=0).lowest == pytest.approx(min(every), abs=1e-6)


@pytest.mark.parametrize("which", ["lowest", "highest"])
@pytest.mark.parametrize("means", ["after", "before"])
def test_a_placement_has_the_tables_numbers_and_its_statistic(which, means):
    table = SMALL["balanced"]
    found = log_rank_range(table, at_risk_means=means)
    rows = found.placement(which)
    test = logrank(*(rows[name].to_numpy() for name in ("time", "event", "arm")))
    assert test.statistic == pytest.approx(getattr(found, which), abs=1e-9)
    for label, own in table.items():
        time, event = (rows.filter(arm=label)[name].to_numpy() for name in ("time", "event"))
        for k in range(1, 3):
            at_risk = (time > k).sum() if means == "after" else (time >= k).sum()
            assert at_risk == own["at_risk"][k]
            assert (event & (time > k - 1) & (time <= k)).sum() == own["events"][k]


def test_random_placements_lie_within_and_depend_on_the_seed_alone():
    found = log_rank_range(SMALL["balanced"], draws=500, seed=4)
    assert found.lowest - 1e-9 <= found.sample.min() and found.sample.max() <= found.highest + 1e-9
    assert np.unique(found.sample).size > 5
    np.testing.assert_array_equal(found.sample, log_rank_range(SMALL["balanced"], draws=500, seed=4).sample)


def test_the_order_of_arms_and_the_columns_times_change_nothing():
    table = SMALL["one sided"]
    there = log_rank_range(table, draws=0)
    back = log_rank_range(dict(reversed(table.items())), draws=0)
    timed = log_rank_range({k: v | {"time": [0, 3, 60]} for k, v in table.items()}, draws=0)
    assert back.highest == pytest.approx(there.highest) and back.lowest == pytest.approx(there.lowest)
    assert timed.highest == there.highest and timed.lowest == there.lowest


# The multitarget trial's table -------------------------------------------------------------------


@pytest.fixture(scope="module")
def multitarget(shared) -> tuple[dict, float]:
    text = (shared / "published" / "multitarget_maintenance.json").read_text(encoding="utf-8")
    table = json.loads(text)["complete_remission_risk_table"]
    return {arm: table[arm] for arm in ("MT", "IVCY_AZA")}, table["log_rank"]


@pytest.mark.shared
def test_the_multitarget_table_contradicts_itself_in_two_columns(multitarget):
    table, printed = multitarget
    with pytest.raises(EvidenceError) as caught:
        log_rank_range(table, printed=printed)
    assert "MT, column 7" in str(caught.value) and "6 events, but 21 less 17" in str(caught.value)
    assert "IVCY_AZA, column 8" in str(caught.value) and "5 events, but 13 less 11" in str(caught.value)
    assert str(caught.value).count("column ") >= 2 and "repair" in caught.value.try_


@pytest.mark.shared
@pytest.mark.parametrize(
    ("choices", "low", "high"),
    [
        ({"repair": "at_risk", "ties": "none"}, 0.4512, 22.11),
        ({"repair": "at_risk", "ties": "column"}, 2.225, 15.33),
        ({"at_risk_means": "before", "ties": "none"}, 0.5394, 22.20),
    ],
)
def test_the_printed_statistic_of_the_multitarget_trial_is_one_of_many(multitarget, choices, low, high):
    """docs/discrepancies/multitarget-log-rank-from-risk-table.md has these numbers."""
    table, printed = multitarget
    found = log_rank_range(table, printed=printed, draws=200, **choices)
    assert found.lowest == pytest.approx(low, rel=1e-3) and found.highest == pytest.approx(high, rel=1e-3)
    assert found.lowest - found.lowest_bound < 1e-3 and found.highest_bound - found.highest < 1e-3
    assert found.includes_printed
    for which in ("lowest", "highest"):
        rows = found.placement(which)
        test = logrank(*(rows[name].to_numpy() for name in ("time", "event", "arm")))
        assert test.statistic == pytest.approx(getattr(found, which), abs=1e-9)


@pytest.mark.shared
def test_repairs_say_what_they_changed(multitarget):
    table, _ = multitarget
    kept = log_rank_range(table, repair="events", ties="column", draws=0)
    assert kept.changes == (
        "MT, column 7: 6 events taken as 4",
        "IVCY_AZA, column 8: 5 events taken as 2",
    )
    assert kept.events == (112, 85)
    lowered = log_rank_range(table, repair="at_risk", ties="column", draws=0)
    assert lowered.changes == (
        "MT, column 7: 17 at risk taken as 15",
        "IVCY_AZA, column 8: 11 at risk taken as 8",
    )
    assert lowered.events == (114, 88)


# What is refused ---------------------------------------------------------------------------------

GOOD = SMALL["balanced"]


@pytest.mark.parametrize(
    ("table", "choices", "words"),
    [
        ({"A": GOOD["A"]}, {}, "two arms"),
        (GOOD | {"B": {"at_risk": [4, 5, 1], "events": [0, 1, 1]}}, {}, "rises"),
        (GOOD | {"B": {"at_risk": [4, 2, 1], "events": [1, 1, 1]}}, {}, "before the first interval"),
        (GOOD | {"B": {"at_risk": [4, 2, 1], "events": [0, 1.5, 1]}}, {}, "not a count"),
        (GOOD | {"B": {"at_risk": [4, 2], "events": [0, 1]}}, {}, "same increasing times"),
        (GOOD | {"B": {"at_risk": [4, 2, 1], "events": [0, 1]}}, {}, "equal length"),
        (GOOD, {"ties": "some"}, "no such choice"),
        (GOOD, {"printed": -1.0}, "not a chi-square"),
        (GOOD, {"at_risk_means": "before", "repair": "events"}, "nothing to repair"),
        (GOOD, {"at_risk_means": "before", "ties": "column"}, "two instants"),
        ({"time": [0, 1], "arm": ["A", "A"]}, {}, "has not the columns"),
        ({k: {"at_risk": [3, 1], "events": [0, 0]} for k in "AB"}, {}, "nobody had the event"),
        ({k: {"at_risk": [n, 0], "events": [0, n]} for k, n in (("A", 2), ("B", 0))}, {}, "variance of zero"),
        (
            GOOD | {"B": {"at_risk": [9, 8, 8], "events": [0, 5, 0]}},
            {"at_risk_means": "before"},
            "in every reading",
        ),
    ],
)
def test_tables_that_cannot_be_are_refused_in_words(table, choices, words):
    with pytest.raises(EvidenceError) as caught:
        log_rank_range(table, **choices)
    assert words in str(caught.value) and caught.value.where


def test_it_prints_and_tidies_what_it_holds():
    found = log_rank_range(GOOD, printed=0.25, draws=100)
    row = found.tidy().row(0, named=True)
    assert row["lowest"] == found.lowest and row["highest"] == found.highest and row["printed"] == 0.25
    assert "printed 0.25: possible" in repr(found)
    impossible = log_rank_range(GOOD, printed=found.highest + 1, draws=0)
    assert impossible.includes_printed is False and "not possible" in repr(impossible)
    assert log_rank_range(GOOD, draws=0).includes_printed is None
