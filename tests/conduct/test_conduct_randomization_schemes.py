"""Schemes of randomization against definitions, exact reckoning, and what R computed."""

from __future__ import annotations

import csv
import itertools
import math
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flarefree.conduct.randomization import (
    BigStick,
    BoundedBiasedCoin,
    BrickTunnel,
    Complete,
    Efron,
    MaximalProcedure,
    PermutedBlocks,
    PocockSimon,
    new_seed,
)
from flarefree.conduct.randomization.drawing import choose, draw_arms, draw_steps
from flarefree.conduct.randomization.entropy import SecretStream
from flarefree.conduct.randomization.possible import first_impossible
from flarefree.conduct.randomization.schemes import Progress
from flarefree.errors import DesignError

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "randomization"
SCHEMES = [
    Complete(),
    Complete(ratio=(3, 2, 1)),
    PermutedBlocks(),
    PermutedBlocks(sizes=(4, 6)),
    PermutedBlocks(ratio=(2, 1), sizes=(3, 6)),
    PermutedBlocks(ratio=(1, 1, 1), sizes=(6,)),
    Efron(),
    BigStick(limit=2),
    BoundedBiasedCoin(limit=2, p=0.75),
    MaximalProcedure(limit=2, length=24),
    MaximalProcedure(limit=2, length=24, ends_balanced=True),
    BrickTunnel(ratio=(2, 1)),
    BrickTunnel(ratio=(3, 4)),
]


def chance_of(scheme, arms: tuple[int, ...]) -> float:
    """Probability of a whole list under the scheme's own rules (no random block sizes)."""
    progress = Progress.begin(1, scheme.n_arms)
    chance = 1.0
    for arm in arms:
        scheme.open(progress, np.zeros(1))
        chance *= scheme.probabilities(progress)[0, arm]
        scheme.take(progress, np.array([arm]))
        if chance == 0.0:
            break
    return chance


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: f"{s.name} {s.ratio}")
def test_probabilities_of_all_arms_sum_to_one_at_every_step(scheme):
    rng = np.random.default_rng(1)
    progress = Progress.begin(200, scheme.n_arms)
    for _ in range(24):
        scheme.open(progress, rng.random(200))
        p = scheme.probabilities(progress)
        assert np.allclose(p.sum(axis=1), 1.0) and (p >= 0).all()
        arms = choose(p, rng.random(200))
        assert (p[np.arange(200), arms] > 0).all()
        scheme.take(progress, arms)
    assert (progress.counts.sum(axis=1) == 24).all()


def test_maximal_procedure_makes_all_sequences_within_the_limit_equally_likely():
    """Eight patients, limit 2: all 256 sequences, one by one."""
    for balanced in (False, True):
        scheme = MaximalProcedure(limit=2, length=8, ends_balanced=balanced)
        allowed = []
        for arms in itertools.product((0, 1), repeat=8):
            walk = np.cumsum([1 if arm == 0 else -1 for arm in arms])
            if np.abs(walk).max() <= 2 and (not balanced or walk[-1] == 0):
                allowed.append(arms)
            else:
                assert chance_of(scheme, arms) == 0.0
        for arms in allowed:
            assert chance_of(scheme, arms) == pytest.approx(1 / len(allowed), rel=1e-12)


def test_permuted_blocks_make_all_arrangements_equally_likely():
    scheme = PermutedBlocks(ratio=(2, 1), sizes=(6,))
    chances = [chance_of(scheme, arms) for arms in itertools.product((0, 1), repeat=6)]
    assert sorted(set(np.round(chances, 12))) == [0.0, round(1 / math.comb(6, 2), 12)]


def test_big_stick_of_limit_one_and_tunnel_of_one_to_one_are_blocks_of_two():
    for arms in itertools.product((0, 1), repeat=6):
        expected = chance_of(PermutedBlocks(sizes=(2,)), arms)
        assert chance_of(BigStick(limit=1), arms) == expected
        assert chance_of(BrickTunnel(), arms) == expected


@pytest.mark.parametrize("ratio", [(1, 1), (2, 1), (1, 2), (3, 2), (1, 4), (5, 7)])
def test_the_brick_tunnel_keeps_the_ratio_exactly_at_every_step(ratio):
    """Probability of the first arm at each step, over all paths, in fractions; never a whole patient off."""
    p = Fraction(ratio[0], sum(ratio))
    at = {0: 1.0}
    for step in range(3 * sum(ratio)):
        after: dict[int, float] = {}
        first = 0.0
        for count, q in at.items():
            progress = Progress(np.array([[count, step - count]]), np.zeros((1, 2), dtype=np.int64))
            chance = BrickTunnel(ratio=ratio).probabilities(progress)[0]
            assert (chance >= 0).all() and chance.sum() == 1.0
            first += q * chance[0]
            for arm in (0, 1):
                if chance[arm] > 0:
                    after[count + (arm == 0)] = after.get(count + (arm == 0), 0.0) + q * chance[arm]
        assert first == pytest.approx(float(p), abs=1e-12)
        assert all(abs(count - (step + 1) * p) < 1 for count in after)
        at = after


def test_han_2009_keeps_the_ratio_where_arms_are_preferred_in_proportion_to_it():
    scheme = PocockSimon((2,), p=0.8, ratio=(1, 2, 3))
    table = scheme.given_preferred
    assert np.allclose(table.sum(axis=1), 1.0)
    shares = np.array([1, 2, 3]) / 6
    assert np.allclose(shares @ table, shares)
    assert table[0, 0] == 0.8 and table[1, 1] == pytest.approx(1 - 0.2 * 4 / 5)
    assert table[2, 2] == pytest.approx(1 - 0.2 * 3 / 5)


def test_pocock_and_simon_by_hand():
    """Two factors; the new patient is at level 0 of the first (arms 3, 1) and level 1 of the second (2, 2).

    With arm A: |4 - 1| + |3 - 2| = 4; with arm B: |3 - 2| + |2 - 3| = 2: B is preferred.
    """
    scheme = PocockSimon((2, 2), p=0.8)
    margins = scheme.begin(1)
    margins.counts[0] = [[3, 1], [0, 1], [1, 0], [2, 2]]
    places = scheme.places(np.array([[0, 1]]))
    assert scheme.imbalance(margins, places).tolist() == [[4.0, 2.0]]
    assert scheme.probabilities(margins, places)[0] == pytest.approx([0.2, 0.8])
    weighted = PocockSimon((2, 2), p=0.8, weights=(0.0, 1.0))
    assert weighted.probabilities(margins, places)[0] == pytest.approx([0.5, 0.5])
    variance = PocockSimon((2, 2), p=0.8, distance="variance")
    assert variance.imbalance(margins, places).tolist() == [[5.0, 1.0]]
    assert PocockSimon((2, 2), distance="standard deviation").imbalance(margins, places)[0] == pytest.approx(
        [4 / math.sqrt(2), math.sqrt(2)]
    )


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: f"{s.name} {s.ratio}")
def test_what_is_drawn_is_possible_and_its_sorted_order_mostly_is_not(scheme):
    arms = draw_arms(scheme, np.random.default_rng(2).random((20, 24, 2)))
    assert all(first_impossible(scheme, one) is None for one in arms)
    if not isinstance(scheme, (Complete, Efron)):
        assert all(first_impossible(scheme, np.sort(one)) is not None for one in arms)


def test_the_first_arm_out_of_its_block_is_named():
    blocks = PermutedBlocks(sizes=(4,))
    assert first_impossible(blocks, np.array([0, 1, 0, 1, 0, 0, 0])) == 6
    assert first_impossible(PermutedBlocks(sizes=(2, 4)), np.array([0, 0, 1, 1, 0, 1, 0])) is None
    assert first_impossible(BigStick(limit=2), np.array([0, 0, 0])) == 2


@given(st.lists(st.integers(0, 5), min_size=2, max_size=5).filter(any), st.floats(0, 1, exclude_max=True))
def test_an_arm_of_probability_zero_is_never_chosen(parts, u):
    p = np.array([parts], dtype=float) / sum(parts)
    assert parts[int(choose(p, np.array([u]))[0])] > 0


def test_arms_are_chosen_by_their_probabilities():
    u = (np.arange(1000) + 0.5) / 1000
    arms = choose(np.tile([0.2, 0.5, 0.3], (1000, 1)), u)
    assert Counter(arms.tolist()) == {0: 200, 1: 500, 2: 300}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Complete(ratio=(1,)),
        lambda: Complete(ratio=(1, 0)),
        lambda: PermutedBlocks(sizes=(3,)),
        lambda: PermutedBlocks(sizes=()),
        lambda: PermutedBlocks(sizes=(0,)),
        lambda: PermutedBlocks(ratio=(2, 1), sizes=(4,)),
        lambda: Efron(p=0.4),
        lambda: Efron(p=float("nan")),
        lambda: Efron(ratio=(2, 1)),
        lambda: BigStick(limit=0),
        lambda: BigStick(limit=1.5),
        lambda: BigStick(ratio=(2, 1)),
        lambda: BoundedBiasedCoin(limit=True),
        lambda: MaximalProcedure(length=0),
        lambda: MaximalProcedure(length=5, ends_balanced=True),
        lambda: BrickTunnel(ratio=(1, 1, 1)),
        lambda: PocockSimon(()),
        lambda: PocockSimon((2, 0)),
        lambda: PocockSimon((2,), p=0.4),
        lambda: PocockSimon((2,), p=0.5, ratio=(2, 1)),
        lambda: PocockSimon((2,), weights=(0.0,)),
        lambda: PocockSimon((2,), ratio=(1,)),
    ],
)
def test_what_makes_no_scheme_is_refused(make):
    with pytest.raises(DesignError):
        make()


def test_a_maximal_list_has_an_end():
    progress = Progress(np.array([[2, 2]]), np.zeros((1, 2), dtype=np.int64))
    with pytest.raises(DesignError, match="at its end"):
        MaximalProcedure(limit=2, length=4).probabilities(progress)


def test_draw_steps_tells_the_probability_that_each_arm_had():
    arms, given_ = draw_steps(BigStick(limit=1), np.random.default_rng(3).random((50, 10, 2)))
    assert (given_[:, 0::2] == 0.5).all() and (given_[:, 1::2] == 1.0).all()
    assert (arms[:, 0::2] != arms[:, 1::2]).all()


def test_ratios_are_reduced():
    assert PermutedBlocks(ratio=(2, 2), sizes=(2,)).ratio == (1, 1)
    assert PocockSimon((2,), ratio=(2, 4)).ratio == (1, 2)
    assert BigStick(ratio=(3, 3), limit=2) == BigStick(limit=2)


def test_secret_numbers_have_addresses():
    seed = new_seed()
    stream = SecretStream(seed, "lists")
    assert new_seed() != seed and repr(seed) not in repr(stream)
    ten = stream.uniforms("a", 10)
    assert (stream.uniforms("a", 4) == ten[:4]).all() and (ten >= 0).all() and (ten < 1).all()
    assert not (stream.uniforms("b", 10) == ten).any()
    assert not (SecretStream(seed, "codes").uniforms("a", 10) == ten).any()
    with pytest.raises(DesignError, match="not a seed"):
        SecretStream(b"short", "lists")


def test_secret_numbers_are_uniform():
    """Mean, variance and lag-one correlation of 40,000 of them, within four standard errors."""
    x = SecretStream(bytes(32), "uniformity").uniforms("a", 40_000)
    n = x.size
    assert abs(x.mean() - 0.5) < 4 * math.sqrt(1 / 12 / n)
    assert abs(x.var() - 1 / 12) < 4 * math.sqrt(1 / 180 / n)
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 4 / math.sqrt(n)
    counts = np.bincount((x * 100).astype(int), minlength=100)
    assert ((counts - n / 100) ** 2 / (n / 100)).sum() < 149  # chi-square on 99, 99.9%


# R -----------------------------------------------------------------------------------------------


def rows_of(name: str) -> list[dict[str, str]]:
    with (REFERENCE / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


OF_R = {
    "complete": lambda r: Complete(),
    "efron": lambda r: Efron(p=float(r["p"])),
    "big_stick": lambda r: BigStick(limit=int(r["limit"])),
    "biased_coin": lambda r: BoundedBiasedCoin(limit=int(r["limit"]), p=float(r["p"])),
    "blocks": lambda r: PermutedBlocks(sizes=(int(r["limit"]),)),
    "maximal": lambda r: MaximalProcedure(limit=int(r["limit"]), length=12),
    "maximal_balanced": lambda r: MaximalProcedure(limit=int(r["limit"]), length=12, ends_balanced=True),
}


def test_probability_of_every_sequence_of_twelve_agrees_with_R():
    """tests/reference/randomization/sequences.R, R 4.2: all sequences listed there; 12 digits."""
    rows = rows_of("sequences.csv")
    assert len(rows) > 500
    for row in rows:
        arms = tuple(int(c) for c in row["sequence"])
        assert chance_of(OF_R[row["scheme"]](row), arms) == pytest.approx(
            float(row["probability"]), abs=1e-12
        )


def test_expected_guesses_and_imbalance_agree_with_R():
    """tests/reference/randomization/sequences.R: exact expectations over all 4,096 sequences of twelve."""
    for row in rows_of("expectations.csv"):
        scheme = OF_R[row["scheme"]](row)
        guesses = imbalance = total = 0.0
        for arms in itertools.product((0, 1), repeat=12):
            chance = chance_of(scheme, arms)
            if not chance:
                continue
            d, right = 0, 0.0
            for arm in arms:
                right += 0.5 if d == 0 else float((d < 0) == (arm == 0))
                d += 1 if arm == 0 else -1
            total, guesses, imbalance = total + chance, guesses + chance * right, imbalance + chance * abs(d)
        assert total == pytest.approx(1.0, abs=1e-12)
        assert guesses / 12 == pytest.approx(float(row["guess_rate"]), abs=1e-10), row
        assert imbalance == pytest.approx(float(row["imbalance"]), abs=1e-10), row


def test_minimization_agrees_with_R_patient_by_patient():
    """tests/reference/randomization/minimization.R: probabilities for 200 patients of three arms, 2:1:1."""
    rows = rows_of("minimization.csv")
    for name, ratio in (("equal", (1, 1)), ("unequal", (2, 1, 1))):
        of = [row for row in rows if row["case"] == name]
        scheme = PocockSimon((2, 3, 4), p=0.8, ratio=ratio)
        margins = scheme.begin(1)
        assert len(of) == 200
        for row in of:
            places = scheme.places(np.array([[int(row[f]) for f in ("f1", "f2", "f3")]]))
            expected = [float(row[f"p{k}"]) for k in range(1, len(ratio) + 1)]
            assert scheme.probabilities(margins, places)[0] == pytest.approx(expected, abs=1e-12)
            scheme.take(margins, places, np.array([int(row["arm"])]))
