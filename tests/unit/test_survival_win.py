"""Wins counted pair by pair in plain Python, and their errors against the bootstrap."""

from __future__ import annotations

import math

import numpy as np
import pytest

from flarefree.stats.survival import Measurement, TimeToEvent, win_ratio


@pytest.fixture(scope="module")
def trial() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    n = 120
    arm = np.arange(n) % 2
    death, flare = rng.exponential(60, n), rng.exponential(25 * (1 + arm))
    end = rng.uniform(20, 60, n)
    protein = rng.lognormal(0.3 - 0.4 * arm, 0.8)
    protein[::17] = np.nan
    return {
        "arm": arm,
        "stratum": rng.integers(0, 3, n),
        "death_time": np.ceil(np.minimum(death, end)),
        "death": death <= end,
        "flare_time": np.ceil(np.minimum(np.minimum(flare, death), end)),
        "flare": flare <= np.minimum(death, end),
        "protein": protein,
    }


def outcomes(d, rows=slice(None)):
    return [
        TimeToEvent(d["death_time"][rows], d["death"][rows], name="death"),
        TimeToEvent(d["flare_time"][rows], d["flare"][rows], name="flare"),
        Measurement(d["protein"][rows], higher_is_better=False, margin=0.1, name="protein"),
    ]


def who_wins(d, i, j) -> tuple[int, int]:
    """1, -1 or 0 for patient i against j, and the outcome that decided."""
    for k, name in enumerate(("death", "flare")):
        ti, tj = d[f"{name}_time"][i], d[f"{name}_time"][j]
        if d[name][j] and (tj < ti or (tj == ti and not d[name][i])):
            return 1, k
        if d[name][i] and (ti < tj or (ti == tj and not d[name][j])):
            return -1, k
    difference = d["protein"][j] - d["protein"][i]
    if math.isnan(difference) or abs(difference) <= 0.1:
        return 0, 2
    return (1 if difference > 0 else -1), 2


def test_pair_by_pair(trial):
    found = win_ratio(trial["arm"], outcomes(trial))
    counts = np.zeros((3, 2))
    for i in np.flatnonzero(trial["arm"] == 1):
        for j in np.flatnonzero(trial["arm"] == 0):
            side, k = who_wins(trial, i, j)
            if side:
                counts[k, 0 if side > 0 else 1] += 1
    np.testing.assert_array_equal(found.decided, counts)
    assert found.wins == counts[:, 0].sum()
    assert found.ties == 3600 - counts.sum()
    assert found.by_outcome()["outcome"].to_list() == ["death", "flare", "protein"]


def test_swapping_arms_inverts_everything(trial):
    a, b = win_ratio(trial["arm"], outcomes(trial)), win_ratio(1 - trial["arm"], outcomes(trial))
    assert (a.wins, a.losses, a.ties) == (b.losses, b.wins, b.ties)
    assert a.win_ratio == pytest.approx(1 / b.win_ratio)
    assert a.win_odds == pytest.approx(1 / b.win_odds)
    assert a.net_benefit == pytest.approx(-b.net_benefit)
    assert a.log_win_ratio_error == pytest.approx(b.log_win_ratio_error)


def test_errors_are_those_of_the_bootstrap(trial):
    """Resampling patients within arms: standard errors within a tenth (400 resamples; their error is 4%)."""
    found = win_ratio(trial["arm"], outcomes(trial))
    rng = np.random.default_rng(11)
    zero, one = np.flatnonzero(trial["arm"] == 0), np.flatnonzero(trial["arm"] == 1)
    again = []
    for _ in range(400):
        rows = np.concatenate((rng.choice(zero, zero.size), rng.choice(one, one.size)))
        b = win_ratio(trial["arm"][rows], outcomes(trial, rows))
        again.append((math.log(b.win_ratio), math.log(b.win_odds), b.net_benefit))
    spread = np.std(again, axis=0, ddof=1)
    ours = [found.log_win_ratio_error, found.log_win_odds_error, found.net_benefit_error]
    np.testing.assert_allclose(ours, spread, rtol=0.12)


def test_strata_are_weighted_by_mantel_and_haenszel(trial):
    found = win_ratio(trial["arm"], outcomes(trial), strata=trial["stratum"])
    wins = losses = 0.0
    for s in range(3):
        rows = np.flatnonzero(trial["stratum"] == s)
        part = win_ratio(trial["arm"][rows], outcomes(trial, rows))
        wins += part.wins / rows.size
        losses += part.losses / rows.size
    assert found.win_ratio == pytest.approx(wins / losses)
    assert found.n_strata == 3


def test_a_time_to_something_good_is_won_by_the_first():
    later = win_ratio([0, 1], [TimeToEvent([5, 3], [1, 1])])
    sooner = win_ratio([0, 1], [TimeToEvent([5, 3], [1, 1], higher_is_better=False)])
    assert (later.losses, sooner.wins) == (1, 1)
