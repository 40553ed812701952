"""R10: drawn allocations are what theory says of each scheme.

The expected side is stated here anew, from each scheme's definition or a closed formula, and never asks the
scheme.  Random numbers are seeded, so that a check that passes once passes always until the program
changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.randomization.drawing import choose, draw_arms
from flarefree.conduct.randomization.minimization import PocockSimon
from flarefree.conduct.randomization.possible import first_impossible
from flarefree.conduct.randomization.schemes import (
    BigStick,
    BoundedBiasedCoin,
    BrickTunnel,
    Complete,
    Efron,
    MaximalProcedure,
    PermutedBlocks,
    Scheme,
)

__all__ = ["CHECKS", "check_statistics", "limits_of"]

Arms = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]
SEED = 20261120
LIMITS = 0.999
FULL, QUICK = 120_000, 24_000  # allocations a scheme
POINTS, QUICK_POINTS = 0.5, 1.5  # how far a guess rate may be from theory, in percentage points


def check_statistics(quick: bool) -> Iterator[Evidence]:
    """Shares, blocks, limits, transitions, guesses of every scheme; minimization; unequal ratios."""
    count = QUICK if quick else FULL
    points = QUICK_POINTS if quick else POINTS
    yield from _complete(count, points)
    for sizes in ((2,), (4,), (6,), (8,), (4, 6), (2, 4, 6)):
        yield from _blocks(PermutedBlocks(sizes=sizes), count, points)
    yield from _efron(count, points)
    for b in (2, 3):
        yield from _big_stick(b, count, points)
    yield from _bounded_coin(count)
    for b in (2, 3, 4):
        yield from _maximal(b, True, count, points)
        yield from _maximal(b, False, count, points)
    for p in (1.0, 0.9, 0.8, 0.7):
        yield from _minimization(PocockSimon((2, 3, 3), p=p), count)
    yield from _unequal(count)


# Drawing and counting ----------------------------------------------------------------------------


def _draw(scheme: Scheme, count: int, length: int) -> Arms:
    lists = -(-count // length)
    rng = np.random.Generator(np.random.PCG64(SEED))
    return draw_arms(scheme, rng.random((lists, length, 2)))


def _differences(arms: Arms) -> npt.NDArray[np.int64]:
    """First arm less second before each patient: (n_lists, length)."""
    steps = np.where(arms == 0, 1, -1)
    return np.cumsum(steps, axis=1) - steps


def limits_of(k: int, n: int, level: float = LIMITS) -> tuple[float, float]:
    """Exact limits of a probability of which k of n were seen [clopper1934]."""
    from scipy.special import betaincinv

    tail = (1.0 - level) / 2.0
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1.0 - tail))
    return low, high


def _within(what: str, p: float, k: int, n: int) -> Evidence:
    low, high = limits_of(k, n)
    if p in (0.0, 1.0):  # what cannot be must not be, once
        return Evidence(f"{what} ({n:,})", p, k / n, k == p * n)
    return Evidence(f"{what} ({n:,}; 99.9% {low:.4f} to {high:.4f})", p, k / n, low <= p <= high)


def _share(name: str, arms: Arms, arm: int, target: float) -> Evidence:
    """An arm's share over all; its error from the lists' own spread, since arms within one are not free."""
    of = (arms == arm).mean(axis=1)
    error = 3.2905 * of.std(ddof=1) / math.sqrt(of.size)
    found = float(of.mean())
    what = f"{name}: share of arm {arm + 1} ({arms.size:,} allocations, 99.9% within {error:.4f})"
    return Evidence(what, target, found, abs(found - target) <= error + 1e-12)


def _guess(name: str, arms: Arms, theory: float, points: float) -> Evidence:
    """Right guesses, in percent, of who takes the arm that lags; ties count one half."""
    d = _differences(arms)
    right = np.where(d == 0, 0.5, (arms == 0) == (d < 0))
    found = 100.0 * float(right.mean())
    what = f"{name}: right guesses, % ({arms.size:,}, within {points:g})"
    return Evidence(what, theory, found, abs(found - theory) <= points)


def _steps(name: str, arms: Arms, theory: Callable[[int], float]) -> Iterator[Evidence]:
    """Frequency of the first arm at every imbalance met often enough to tell."""
    d = _differences(arms)
    for value in np.unique(d).tolist():
        n = int((d == value).sum())
        if n >= 200:
            k = int((arms[d == value] == 0).sum())
            yield _within(f"{name}: first arm at imbalance {value:+d}", theory(value), k, n)


def _bound(name: str, arms: Arms, limit: int) -> Evidence:
    steps = np.cumsum(np.where(arms == 0, 1, -1), axis=1)
    worst = int(np.abs(steps).max())
    return Evidence(
        f"{name}: largest imbalance met ({arms.size:,})", f"{limit}, never more", worst, worst == limit
    )


# Schemes -----------------------------------------------------------------------------------------


def _complete(count: int, points: float) -> Iterator[Evidence]:
    arms = _draw(Complete(), count, 200)
    yield _share("complete", arms, 0, 0.5)
    yield from (
        row for row in _steps("complete", arms, lambda d: 0.5) if "+0" in row.what or "+5" in row.what
    )
    yield _guess("complete", arms, 50.0, points)
    repeats = int((arms[:, 1:] == arms[:, :-1]).sum())
    yield _within("complete: same arm as the one before", 0.5, repeats, arms[:, 1:].size)


def blackwell_hodges(size: int) -> float:
    """Right guesses in a block of two arms, % [blackwell1957]: m - 1/2 + 2^(2m-1) / C(2m, m) are expected."""
    m = size // 2
    return 100.0 * (m - 0.5 + 2 ** (2 * m - 1) / math.comb(2 * m, m)) / size


def _blocks(scheme: PermutedBlocks, count: int, points: float) -> Iterator[Evidence]:
    name = "blocks " + "/".join(map(str, scheme.sizes))
    length = 240  # a multiple of every single size
    arms = _draw(scheme, count, length)
    yield _share(name, arms, 0, 0.5)
    if len(scheme.sizes) > 1:
        broken = sum(first_impossible(scheme, one) is not None for one in arms)
        yield Evidence(f"{name}: lists that no blocks make up ({len(arms)})", 0, broken, broken == 0)
        mean = sum(size * blackwell_hodges(size) for size in scheme.sizes) / sum(scheme.sizes)
        low, high = (min(blackwell_hodges(s) for s in scheme.sizes), max(map(blackwell_hodges, scheme.sizes)))
        yield Evidence(
            f"{name}: theory between its blocks", f"{low:.1f} to {high:.1f}", mean, low < mean < high
        )
        yield _guess(name, arms, mean, points)
        return
    size = scheme.sizes[0]
    blocks = arms.reshape(-1, size)
    unbalanced = int(((blocks == 0).sum(axis=1) != size // 2).sum())
    yield Evidence(f"{name}: blocks out of balance ({len(blocks):,})", 0, unbalanced, unbalanced == 0)
    yield _guess(name, arms, blackwell_hodges(size), points)
    yield _equally_likely(name, blocks)
    determined = (_differences(blocks) + np.arange(size) >= size) | (
        np.arange(size) - _differences(blocks) >= size
    )
    theory = 100.0 * 2 / (size + 2)  # 50, 33.3, 25, 20%
    found = 100.0 * float(determined.mean())
    yield Evidence(f"{name}: determined, % (within {points:g})", theory, found, abs(found - theory) <= points)


def _equally_likely(name: str, blocks: Arms) -> Evidence:
    """Chi-square of the arrangements of a block, all of which are equally likely."""
    from scipy.special import chdtri

    size = blocks.shape[1]
    numbers = (blocks * 2 ** np.arange(size)).sum(axis=1)
    kinds, seen = np.unique(numbers, return_counts=True)
    due = math.comb(size, size // 2)
    expected = len(blocks) / due
    x2 = float(((seen - expected) ** 2).sum() / expected) + expected * (due - kinds.size)
    most = float(chdtri(due - 1, 1.0 - LIMITS))
    what = f"{name}: chi-square of its {due} arrangements ({len(blocks):,} blocks)"
    return Evidence(what, f"at most {most:.1f}", x2, x2 <= most and kinds.size == due)


def _efron(count: int, points: float) -> Iterator[Evidence]:
    arms = _draw(Efron(p=2 / 3), count, 400)
    yield _share("Efron 2/3", arms, 0, 0.5)
    yield from _steps("Efron 2/3", arms, lambda d: 0.5 if d == 0 else 2 / 3 if d < 0 else 1 / 3)
    yield _guess("Efron 2/3", arms, 62.5, points)


def _big_stick(b: int, count: int, points: float) -> Iterator[Evidence]:
    name = f"big stick {b}"
    arms = _draw(BigStick(limit=b), count, 400)
    yield _share(name, arms, 0, 0.5)
    yield _bound(name, arms, b)
    yield from _steps(name, arms, lambda d: 0.0 if d == b else 1.0 if d == -b else 0.5)
    yield _guess(name, arms, 100.0 * (0.5 + 1.0 / (4 * b)), points)
    found, theory = 100.0 * float((np.abs(_differences(arms)) == b).mean()), 100.0 / (2 * b)
    yield Evidence(f"{name}: determined, % (within {points:g})", theory, found, abs(found - theory) <= points)


def _bounded_coin(count: int) -> Iterator[Evidence]:
    arms = _draw(BoundedBiasedCoin(limit=3, p=2 / 3), count, 400)
    yield _share("bounded coin", arms, 0, 0.5)
    yield _bound("bounded coin", arms, 3)
    chances = {-3: 1.0, -2: 2 / 3, -1: 2 / 3, 0: 0.5, 1: 1 / 3, 2: 1 / 3, 3: 0.0}
    yield from _steps("bounded coin", arms, chances.__getitem__)


MAXIMAL_LENGTH = 228


def ways_on(limit: int, length: int, is_balanced: bool) -> list[dict[int, int]]:
    """How many ways lead on, within the limit, by patients left and imbalance: whole numbers, exactly."""
    ways = [{d: int(d == 0 or not is_balanced) for d in range(-limit, limit + 1)}]
    for _ in range(length):
        last = ways[-1]
        ways.append({d: last.get(d + 1, 0) + last.get(d - 1, 0) for d in range(-limit, limit + 1)})
    return ways


def maximal_theory(ways: list[dict[int, int]]) -> tuple[float, float]:
    """Right guesses and determined allocations, %, exactly, over the whole list.

    Of lists of 228 that end in balance: 66.7 and 17.0 (limit 2), 62.7 and 7.8 (3), 60.2 and 4.4 (4).
    """
    n, chance, right, sure = len(ways) - 1, {0: 1.0}, 0.0, 0.0
    for left in range(n, 0, -1):
        after: dict[int, float] = {}
        for d, q in chance.items():
            p = float(Fraction(ways[left - 1].get(d + 1, 0), ways[left][d]))
            right += q * (0.5 if d == 0 else p if d < 0 else 1.0 - p)
            sure += q * (p in (0.0, 1.0))
            after[d + 1] = after.get(d + 1, 0.0) + q * p
            after[d - 1] = after.get(d - 1, 0.0) + q * (1.0 - p)
        chance = {d: q for d, q in after.items() if q > 0.0}
    return 100.0 * right / n, 100.0 * sure / n


def _maximal(b: int, is_balanced: bool, count: int, points: float) -> Iterator[Evidence]:
    name, n = f"maximal {b}{', balanced' if is_balanced else ''}", MAXIMAL_LENGTH
    arms = _draw(MaximalProcedure(limit=b, length=n, ends_balanced=is_balanced), count, n)
    ways = ways_on(b, n, is_balanced)
    guess, determined = maximal_theory(ways)
    yield _share(name, arms, 0, 0.5)
    yield _bound(name, arms, b)
    yield _guess(name, arms, guess, points)
    d = _differences(arms)
    left = n - np.arange(n)
    is_sure = (np.abs(d) == b) | (is_balanced & (np.abs(d) == left))
    sure = 100.0 * float(is_sure.mean())
    what = f"{name}: determined, % (within {points:g})"
    yield Evidence(what, determined, sure, abs(sure - determined) <= points)
    for place in (0, 1, 50, n - 2, n - 1):
        ahead, now = ways[n - place - 1], ways[n - place]
        for value in range(-b, b + 1):
            at = d[:, place] == value
            if at.sum() >= 50:
                p = float(Fraction(ahead.get(value + 1, 0), now[value]))
                k = int((arms[at, place] == 0).sum())
                yield _within(
                    f"{name}: first arm, place {place + 1}, imbalance {value:+d}", p, k, int(at.sum())
                )


# Minimization and unequal ratios -----------------------------------------------------------------


def _minimize(scheme: PocockSimon, count: int) -> tuple[Arms, npt.NDArray[np.bool_], Any]:
    """Arms, which arms left least imbalance (reckoned here anew, patient by patient), levels."""
    n = 200
    trials = -(-count // n)
    rng = np.random.Generator(np.random.PCG64(SEED))
    levels = np.stack([rng.integers(0, k, (trials, n)) for k in scheme.levels], axis=2)
    u = rng.random((trials, n))
    margins = scheme.begin(trials)
    arms = np.empty((trials, n), dtype=np.int8)
    least = np.empty((trials, n, scheme.n_arms), dtype=bool)
    k, ratio = scheme.n_arms, np.array(scheme.ratio)
    own = [np.zeros((trials, size, k)) for size in scheme.levels]
    rows = np.arange(trials)
    for i in range(n):
        sums = np.zeros((trials, k))
        for arm in range(k):
            for f, table in enumerate(own):
                would = table[rows, levels[:, i, f]].copy()
                would[:, arm] += 1
                sums[:, arm] += np.ptp(would / ratio, axis=1)
        least[:, i] = np.isclose(sums, sums.min(axis=1, keepdims=True))
        places = scheme.places(levels[:, i])
        arms[:, i] = choose(scheme.probabilities(margins, places), u[:, i])
        scheme.take(margins, places, arms[:, i])
        for f, table in enumerate(own):
            table[rows, levels[:, i, f], arms[:, i]] += 1
    return arms, least, levels


def _minimization(scheme: PocockSimon, count: int) -> Iterator[Evidence]:
    name = f"minimization {scheme.p:g}"
    arms, least, _ = _minimize(scheme, count)
    one = least.sum(axis=2) == 1
    taken = np.take_along_axis(least, arms[:, :, None].astype(np.int64), axis=2)[:, :, 0]
    yield _within(f"{name}: the preferred arm was taken", scheme.p, int((taken & one).sum()), int(one.sum()))
    tied = arms[~one]
    yield _within(f"{name}: first arm where neither is preferred", 0.5, int((tied == 0).sum()), tied.size)
    yield _share(name, arms, 0, 0.5)


def _unequal(count: int) -> Iterator[Evidence]:
    arms = _draw(Complete(ratio=(2, 1)), count, 200)
    yield _within("complete 2:1: first arm", 2 / 3, int((arms == 0).sum()), arms.size)
    for ratio, sizes in (((2, 1), (6,)), ((1, 1, 1), (6,)), ((3, 2), (5, 10)), ((2, 1, 1), (8,))):
        scheme = PermutedBlocks(ratio=ratio, sizes=sizes)
        name = f"blocks {':'.join(map(str, ratio))}"
        arms = _draw(scheme, count, 240)
        for arm, part in enumerate(ratio[:-1]):
            yield _share(name, arms, arm, part / sum(ratio))
        broken = sum(first_impossible(scheme, one) is not None for one in arms[:200])
        yield Evidence(f"{name}: lists that no blocks make up (200)", 0, broken, broken == 0)
        yield _at_every_step(name, arms, ratio)
    for two in ((2, 1), (3, 2), (1, 4)):
        yield from _tunnel(two, count)
    arms, least, _ = _minimize(PocockSimon((2, 3, 3), p=0.85, ratio=(2, 1)), count)
    one = least.sum(axis=2) == 1
    for arm, p in ((1, 0.85), (0, 1 - 0.15 * 1 / 2)):  # 1 - (1 - p)(R - r) / (R - smallest r) [han2009]
        at = one & least[:, :, arm]
        k = int((arms[at] == arm).sum())
        yield _within(f"minimization 2:1: arm {arm + 1} where it is preferred", p, k, int(at.sum()))
    found = float((arms == 0).mean())
    what = f"minimization 2:1: share of arm 1 ({arms.size:,} allocations, within 0.01)"
    yield Evidence(what, 2 / 3, found, abs(found - 2 / 3) <= 0.01)


def _at_every_step(name: str, arms: Arms, ratio: tuple[int, ...]) -> Evidence:
    """The ratio at each place of the list: the worst place's distance, in standard errors."""
    p = ratio[0] / sum(ratio)
    z = ((arms == 0).mean(axis=0) - p) / math.sqrt(p * (1 - p) / len(arms))
    worst, most = float(np.abs(z).max()), 4.6  # 99.9% for the largest of 240 normal numbers
    return Evidence(
        f"{name}: ratio at every step, largest z of {z.size}", f"at most {most}", worst, worst <= most
    )


def _tunnel(ratio: tuple[int, int], count: int) -> Iterator[Evidence]:
    name = f"brick tunnel {ratio[0]}:{ratio[1]}"
    arms = _draw(BrickTunnel(ratio=ratio), count, 60)
    first = np.cumsum(arms == 0, axis=1)
    steps = np.arange(1, 61) * ratio[0]
    whole = sum(ratio)
    outside = int(((first < steps // whole) | (first > -(-steps // whole))).sum())
    yield Evidence(f"{name}: a whole patient from the ratio ({arms.size:,})", 0, outside, outside == 0)
    yield _at_every_step(name, arms, ratio)


CHECKS = (
    Check(
        "R10",
        "Drawn allocations are what theory says of each scheme",
        check_statistics,
        left="randomizeR and Minirand are not in Debian; an R program of our own stands for them in tests",
    ),
)
