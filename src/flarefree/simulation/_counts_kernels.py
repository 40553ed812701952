"""Trials as counts: how many patients of each arm end in each cell, and the grouped log-rank test of them.

A cell is a visit and what happened at it (component of the endpoint, or the end of follow-up).  Every
patient's cell comes from one 32-bit word by an alias table [walker1977], so that a trial is its patients'
multinomial and any trial can be drawn alone.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from flarefree.simulation._random_kernels import exp, philox

__all__ = ["alias_tables", "trials_of_counts"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
STEPS = 40


def alias_tables(shares: Floats) -> tuple[Any, Any, int]:
    """Thresholds and aliases of each arm's cells, (arms, 2^bits), and bits; `shares` is (arms, cells)."""
    arms, cells = shares.shape
    bits = max(1, int(cells - 1).bit_length())
    size, fine = 1 << bits, 1 << (32 - bits)
    thresholds = np.zeros((arms, size), dtype=np.uint64)
    aliases = np.zeros((arms, size), dtype=np.int64)
    for a in range(arms):
        left = np.zeros(size)
        left[:cells] = shares[a] / shares[a].sum() * size
        aliases[a] = np.arange(size)
        thresholds[a] = fine
        small = [i for i in range(size) if left[i] < 1.0]
        large = [i for i in range(size) if left[i] >= 1.0]
        while small and large:
            i, j = small.pop(), large[-1]
            thresholds[a, i], aliases[a, i] = round(left[i] * fine), j
            left[j] -= 1.0 - left[i]
            if left[j] < 1.0:
                small.append(large.pop())
    return thresholds, aliases, bits


@nb.njit(cache=True, error_model="numpy", nogil=True)
def _count(
    n: Any, trial: Any, arm: Any, stream: Any, k0: Any, k1: Any, threshold: Any, alias: Any, bits: Any,
    words: Any, counts: Any,
) -> Any:  # fmt: skip
    """Patients of one arm by cell, into `counts`."""
    for b in range((n + 3) // 4):
        w0, w1, w2, w3 = philox(np.uint64(b), arm, trial, stream, k0, k1)
        words[4 * b] = w0
        words[4 * b + 1] = w1
        words[4 * b + 2] = w2
        words[4 * b + 3] = w3
    counts[:] = 0
    shift, mask = np.uint64(32) - bits, (np.uint64(1) << (np.uint64(32) - bits)) - np.uint64(1)
    for i in range(n):
        cell = np.int64(words[i] >> shift)
        kept = (words[i] & mask) < threshold[cell]
        counts[cell if kept else alias[cell]] += 1


@nb.njit(cache=True, error_model="numpy", nogil=True)
def _compare(events: Any, at_risk: Any, out: Any) -> Any:
    """Log-rank z and Breslow's log hazard ratio with its error, from events and numbers at risk (2, visits).

    Row 1 is the arm compared.
    """
    observed, expected, variance = 0.0, 0.0, 0.0
    d_all, d_arm = 0, 0
    visits = events.shape[1]
    for k in range(visits):
        d = events[0, k] + events[1, k]
        if d == 0:
            continue
        n = at_risk[0, k] + at_risk[1, k]
        share = at_risk[1, k] / n
        observed += events[1, k]
        expected += d * share
        if n > 1:
            variance += d * share * (1.0 - share) * (n - d) / (n - 1)
        d_all += d
        d_arm += events[1, k]
    out[0] = (observed - expected) / np.sqrt(variance) if variance > 0.0 else np.nan
    if d_all == 0 or variance <= 0.0:
        out[1] = np.nan
        out[2] = np.nan
        return
    if d_arm == 0 or d_arm == d_all:
        out[1] = -np.inf if d_arm == 0 else np.inf
        out[2] = np.inf
        return
    beta = (observed - expected) / variance
    information = 1.0
    for _ in range(STEPS):
        score, information = 0.0, 0.0
        ratio = exp(min(max(beta, -30.0), 30.0))
        for k in range(visits):
            d = events[0, k] + events[1, k]
            if d > 0:
                weighted = at_risk[1, k] * ratio
                share = weighted / (weighted + at_risk[0, k])
                score += events[1, k] - d * share
                information += d * share * (1.0 - share)
        step = score / information
        beta += min(max(step, -2.0), 2.0)
        if abs(step) < 1e-9:
            break
    out[1] = beta
    out[2] = 1.0 / np.sqrt(information)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def trials_of_counts(
    first: Any, sizes: Any, reference: Any, kinds: Any, thresholds: Any, aliases: Any, bits: Any,
    stream: Any, k0: Any, k1: Any, tests: Any, events: Any, survival: Any,
) -> Any:  # fmt: skip
    """Trials from number `first` on.

    `kinds` cells a visit: the end of follow-up, then the endpoint's components.  Fills `tests` (trials,
    arms - 1, 3): z, log hazard ratio, its error; `events` (trials, kinds, arms): all, then by component;
    `survival` (trials, arms) after the last visit.
    """
    arms, size = thresholds.shape
    visits = size // kinds
    counts = np.empty((arms, size), np.int64)
    words = np.empty((sizes.max() + 3) // 4 * 4, np.uint64)
    ends = np.empty((arms, visits), np.int64)
    at_risk = np.empty((arms, visits), np.int64)
    pair_events = np.empty((2, visits), np.int64)
    pair_risk = np.empty((2, visits), np.int64)
    for t in range(tests.shape[0]):
        for a in range(arms):
            _count(
                sizes[a], np.uint64(first + t), np.uint64(a), stream, k0, k1, thresholds[a], aliases[a], bits,
                words, counts[a],
            )  # fmt: skip
            left = sizes[a]
            free = 1.0
            events[t, :, a] = 0
            for k in range(visits):
                d = 0
                for kind in range(1, kinds):
                    here = counts[a, k * kinds + kind]
                    events[t, kind, a] += here
                    d += here
                events[t, 0, a] += d
                ends[a, k] = d
                at_risk[a, k] = left
                if d > 0:
                    free *= 1.0 - d / left
                left -= d + counts[a, k * kinds]
            survival[t, a] = free
        c = 0
        for a in range(arms):
            if a == reference:
                continue
            pair_events[0], pair_events[1] = ends[reference], ends[a]
            pair_risk[0], pair_risk[1] = at_risk[reference], at_risk[a]
            _compare(pair_events, pair_risk, tests[t, c])
            c += 1
