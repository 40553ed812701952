"""What one trial's counts say of its own effect: log likelihoods and their first two derivatives.

x is the trial's log odds (or rate) ratio and a its level.  Conditional likelihoods are free of a.  All
functions take arrays (k, J), J places a trial, and give `Slopes` of that shape.  docs/methods/pairwise.md,
section 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln, xlogy

from flarefree.evidence.pooling.measures import Tables
from flarefree.stats.conditional import of_table

__all__ = [
    "Likelihood",
    "Slopes",
    "approximate_conditional",
    "exact_conditional",
    "two_binomials",
    "two_poissons",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """A log likelihood and its derivatives; those by a are zero where there is no a."""

    value: Floats
    x: Floats
    xx: Floats
    a: Floats
    ax: Floats
    aa: Floats


Likelihood = Callable[[Floats, Floats], Slopes]
"""From x and a, both (k, J)."""


def exact_conditional(tables: Tables) -> Likelihood:
    """Noncentral hypergeometric: the first arm's events given both margins."""
    margins = np.rint(np.column_stack([tables.n, tables.events.sum(axis=1)])).astype(np.int64)
    events = np.rint(tables.events[:, 0]).astype(np.int64)
    families = [of_table(*(int(m) for m in row)) for row in margins]

    def slopes(x: Floats, a: Floats) -> Slopes:
        value, first, second = np.empty(x.shape), np.empty(x.shape), np.empty(x.shape)
        for i, family in enumerate(families):
            steps = np.arange(family.log_weight.size) - float(events[i] - family.low)
            # Relative to the observed count, so that what is summed is 1 there.
            log_term = (family.log_weight - family.log_weight[events[i] - family.low]) + np.outer(x[i], steps)
            top = log_term.max(axis=1, keepdims=True)
            term = np.exp(log_term - top)
            total = term.sum(axis=1)
            mean = term @ steps / total
            value[i] = -(top[:, 0] + np.log(total))
            first[i] = -mean
            second[i] = -(term @ steps**2 / total - mean**2)
        nothing = np.zeros_like(x)
        return Slopes(value, first, second, nothing, nothing, nothing)

    return slopes


def approximate_conditional(events: Floats, offset: Floats) -> Likelihood:
    """Binomial: the first arm's events of all events, with log odds x + offset.

    With the log of times of observation as offset it is exact for rates; with the log of sizes it
    approximates the odds ratio of rare events [stijnen2010].
    """
    one, total = events[:, :1], events.sum(axis=1, keepdims=True)
    constant = gammaln(total + 1) - gammaln(one + 1) - gammaln(total - one + 1)

    def slopes(x: Floats, a: Floats) -> Slopes:
        eta = x + offset[:, None]
        p = expit(eta)
        value = constant + one * eta - total * np.logaddexp(0.0, eta)
        nothing = np.zeros_like(x)
        return Slopes(value, one - total * p, -total * p * (1.0 - p), nothing, nothing, nothing)

    return slopes


def two_binomials(tables: Tables) -> Likelihood:
    """Both arms' events, with log odds a + x/2 and a - x/2."""
    events, n = tables.events, tables.n
    constant = (gammaln(n + 1) - gammaln(events + 1) - gammaln(n - events + 1)).sum(axis=1)[:, None]

    def slopes(x: Floats, a: Floats) -> Slopes:
        value, halves = constant, []
        for arm, sign in ((0, 0.5), (1, -0.5)):
            eta = a + sign * x
            e, m = events[:, arm : arm + 1], n[:, arm : arm + 1]
            p = expit(eta)
            value = value + e * eta - m * np.logaddexp(0.0, eta)
            halves.append((e - m * p, -m * p * (1.0 - p)))
        return _of_halves(value, *halves)

    return slopes


def two_poissons(tables: Tables) -> Likelihood:
    """Both arms' events, with log rates a + x/2 and a - x/2."""
    events, time = tables.events, tables.person_time
    constant = (xlogy(events, time) - gammaln(events + 1)).sum(axis=1)[:, None]

    def slopes(x: Floats, a: Floats) -> Slopes:
        value, halves = constant, []
        for arm, sign in ((0, 0.5), (1, -0.5)):
            eta = a + sign * x
            e, mean = events[:, arm : arm + 1], time[:, arm : arm + 1] * np.exp(np.minimum(eta, 700.0))
            value = value + e * eta - mean
            halves.append((e - mean, -mean))
        return _of_halves(value, *halves)

    return slopes


def _of_halves(value: Floats, one: tuple[Floats, Floats], two: tuple[Floats, Floats]) -> Slopes:
    (g1, h1), (g2, h2) = one, two
    return Slopes(value, 0.5 * (g1 - g2), 0.25 * (h1 + h2), g1 + g2, 0.5 * (h1 - h2), h1 + h2)
