"""Schemes of restricted randomization: with which probability each arm comes next.

A scheme is its conditional probabilities given the allocations so far: one rule draws the trial's sealed
list, simulates a hundred thousand others and says how predictable it is.  Rules work on many lists side by
side; a list is one stratum's.  Equations and sources: `docs/methods/randomization.md`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.conduct.randomization.columns import total
from flarefree.errors import DesignError

__all__ = [
    "BigStick",
    "BoundedBiasedCoin",
    "BrickTunnel",
    "Complete",
    "Efron",
    "MaximalProcedure",
    "PermutedBlocks",
    "Progress",
    "Scheme",
]

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

EQUAL = (1, 1)


@dataclass(slots=True)
class Progress:
    """How far some lists have come.

    Attributes
    ----------
    counts : (n_lists, n_arms) int64
        Allocations so far.
    left : (n_lists, n_arms) int64
        Of permuted blocks: places of the open block not yet taken; all 0 when a new one must be opened.
    """

    counts: Counts
    left: Counts

    @staticmethod
    def begin(n_lists: int, n_arms: int) -> Progress:
        """Lists from which nobody was allocated."""
        return Progress(
            np.zeros((n_lists, n_arms), dtype=np.int64), np.zeros((n_lists, n_arms), dtype=np.int64)
        )


@dataclass(frozen=True)
class Scheme(ABC):
    """A rule of allocation within one stratum.

    Parameters
    ----------
    ratio : tuple of int
        Allocation ratio, one whole number an arm; it is reduced to lowest terms.

    Raises
    ------
    DesignError
        The ratio, or a number of the scheme, cannot be.
    """

    ratio: tuple[int, ...] = field(default=EQUAL, kw_only=True)

    def __post_init__(self) -> None:
        ratio = tuple(int(r) for r in self.ratio)
        if len(ratio) < 2 or min(ratio) < 1:
            raise DesignError(
                "not an allocation ratio",
                where="ratio",
                found=":".join(map(str, self.ratio)),
                expected="whole numbers from 1, one for each of at least two arms",
            )
        divisor = gcd(*ratio)
        object.__setattr__(self, "ratio", tuple(r // divisor for r in ratio))
        self._check()

    def _check(self) -> None:  # noqa: B027 - a scheme without numbers has none to refuse
        """Refuse numbers that make no scheme."""

    @property
    def n_arms(self) -> int:
        """How many arms."""
        return len(self.ratio)

    @cached_property
    def target(self) -> Floats:
        """The shares that the ratio asks for: (n_arms,)."""
        return np.array(self.ratio) / sum(self.ratio)

    @property
    @abstractmethod
    def name(self) -> str:
        """What the scheme is called, with its numbers."""

    def of_length(self, length: int) -> Scheme:
        """The same rule for lists of this length; only the maximal procedure asks for it."""
        return self

    def open(self, progress: Progress, uniforms: Floats) -> None:  # noqa: B027 - only blocks are opened
        """Make ready for the next allocation: permuted blocks open a block where the last is full."""

    @abstractmethod
    def probabilities(self, progress: Progress) -> Floats:
        """Probability of each arm for the next patient of each list: (n_lists, n_arms)."""

    def take(self, progress: Progress, arms: npt.NDArray[np.integer[Any]]) -> None:
        """Note the allocations just made, one a list."""
        progress.counts[np.arange(arms.size), arms] += 1

    def require_two_equal_arms(self) -> None:
        """Some rules are defined for two arms, one to one."""
        if self.ratio != EQUAL:
            raise DesignError(
                f"{self.name} is defined for two arms, one to one",
                where="ratio",
                found=":".join(map(str, self.ratio)),
                expected="1:1",
                try_="permuted blocks or complete randomization keep any ratio",
            )


@dataclass(frozen=True)
class Complete(Scheme):
    """Each patient by a coin of the ratio's own probabilities, whatever came before."""

    @property
    def name(self) -> str:
        return "Complete randomization"

    def probabilities(self, progress: Progress) -> Floats:
        return np.broadcast_to(self.target, progress.counts.shape)


@dataclass(frozen=True)
class PermutedBlocks(Scheme):
    """Blocks that hold the ratio exactly, in random order; of several sizes each is drawn with equal chance.

    Parameters
    ----------
    sizes : tuple of int
        Each a multiple of the ratio's sum.
    """

    sizes: tuple[int, ...] = (4,)

    def _check(self) -> None:
        whole = sum(self.ratio)
        wrong = [size for size in self.sizes if size < whole or size % whole]
        if wrong or not self.sizes:
            raise DesignError(
                "a block of this size cannot hold the allocation ratio",
                where="sizes",
                found=", ".join(map(str, self.sizes)) or "none",
                expected=f"multiples of {whole}, the sum of the ratio {':'.join(map(str, self.ratio))}",
            )
        object.__setattr__(self, "sizes", tuple(sorted(set(self.sizes))))

    @property
    def name(self) -> str:
        if len(self.sizes) == 1:
            return f"Permuted blocks of {self.sizes[0]}"
        return f"Permuted blocks of random size {', '.join(map(str, self.sizes[:-1]))} or {self.sizes[-1]}"

    def open(self, progress: Progress, uniforms: Floats) -> None:
        full = total(progress.left) == 0
        which = np.minimum((uniforms[full] * len(self.sizes)).astype(np.int64), len(self.sizes) - 1)
        each = np.array(self.sizes)[which] // sum(self.ratio)
        progress.left[full] = each[:, None] * np.array(self.ratio)

    def probabilities(self, progress: Progress) -> Floats:
        return np.asarray(progress.left / total(progress.left)[:, None])

    def take(self, progress: Progress, arms: npt.NDArray[np.integer[Any]]) -> None:
        super().take(progress, arms)
        progress.left[np.arange(arms.size), arms] -= 1


@dataclass(frozen=True)
class Efron(Scheme):
    """A coin that favors the smaller arm with probability p; fair when they are equal [efron1971]."""

    p: float = 2 / 3

    def _check(self) -> None:
        require_probability(self.p, at_least=0.5)
        self.require_two_equal_arms()

    @property
    def name(self) -> str:
        return f"Efron's biased coin, p = {self.p:.3g}"

    def probabilities(self, progress: Progress) -> Floats:
        return _favor_smaller(_difference(progress), self.p)


@dataclass(frozen=True)
class BigStick(Scheme):
    """A fair coin until the imbalance reaches its limit, where the smaller arm must come [soares1983].

    Parameters
    ----------
    limit : int
        Largest tolerated imbalance within the stratum.
    """

    limit: int = 3

    def _check(self) -> None:
        require_limit(self.limit)
        self.require_two_equal_arms()

    @property
    def name(self) -> str:
        return f"Big stick, limit {self.limit}"

    def probabilities(self, progress: Progress) -> Floats:
        difference = _difference(progress)
        at_limit = np.abs(difference) >= self.limit
        return np.where(at_limit[:, None], _favor_smaller(difference, 1.0), 0.5)


@dataclass(frozen=True)
class BoundedBiasedCoin(Scheme):
    """Efron's coin up to a limit of imbalance, where the smaller arm must come [chen1999]."""

    limit: int = 3
    p: float = 2 / 3

    def _check(self) -> None:
        require_limit(self.limit)
        require_probability(self.p, at_least=0.5)
        self.require_two_equal_arms()

    @property
    def name(self) -> str:
        return f"Biased coin with imbalance tolerance, p = {self.p:.3g}, limit {self.limit}"

    def probabilities(self, progress: Progress) -> Floats:
        difference = _difference(progress)
        at_limit = np.abs(difference) >= self.limit
        return np.where(
            at_limit[:, None], _favor_smaller(difference, 1.0), _favor_smaller(difference, self.p)
        )


@dataclass(frozen=True)
class MaximalProcedure(Scheme):
    """All sequences of one length that never pass the limit are equally likely [berger2003].

    Parameters
    ----------
    limit : int
        Largest tolerated imbalance.
    length : int
        Patients on the list; after the last there is no next.
    ends_balanced : bool
        Only sequences that end in balance, as first published; otherwise those that end anywhere.
    """

    limit: int = 3
    length: int = 100
    ends_balanced: bool = False

    def _check(self) -> None:
        require_limit(self.limit)
        self.require_two_equal_arms()
        if self.length < 1 or (self.ends_balanced and self.length % 2):
            raise DesignError(
                "a list of this length cannot be",
                where="length",
                found=str(self.length),
                expected="an even number from 2" if self.ends_balanced else "a number from 1",
            )

    @property
    def name(self) -> str:
        return f"Maximal procedure, limit {self.limit}, lists of {self.length}"

    def of_length(self, length: int) -> MaximalProcedure:
        return self if length == self.length else replace(self, length=length)

    @cached_property
    def _to_first_arm(self) -> Floats:
        """Probability of the first arm by patients left (1 ...) and imbalance (-limit ... limit).

        By the number of ways on: W(r, d) = W(r-1, d+1) + W(r-1, d-1), which is kept as a share of all,
        since the numbers themselves outgrow a double.
        """
        b = self.limit
        ways = np.zeros(2 * b + 3)  # imbalances -b-1 ... b+1; the outermost are out of bounds
        ways[1:-1] = 1.0
        if self.ends_balanced:
            ways[:] = 0.0
            ways[b + 1] = 1.0
        table = np.full((self.length + 1, 2 * b + 1), 0.5)
        for r in range(1, self.length + 1):
            up, down = ways[2:], ways[:-2]
            both = up + down
            table[r] = np.divide(up, both, out=np.full(2 * b + 1, 0.5), where=both > 0)
            ways[1:-1] = both / both.max()
        return table

    def probabilities(self, progress: Progress) -> Floats:
        left = self.length - total(progress.counts)
        if (left < 1).any():
            raise DesignError(
                "the list is at its end",
                where=self.name,
                found=f"{int(progress.counts.sum(axis=1).max())} patients allocated",
                expected=f"at most {self.length}",
                try_="draw longer lists before the trial begins",
            )
        first = self._to_first_arm[left, _difference(progress) + self.limit]
        return np.stack([first, 1.0 - first], axis=1)


@dataclass(frozen=True)
class BrickTunnel(Scheme):
    """Two arms of any ratio, never a whole patient away from it at any step [kuznetsova2011].

    After i patients the first arm has i * r1 / (r1 + r2), rounded down or up; the probabilities that keep
    the ratio at every step within that tunnel are unique.  At 1:1 it is permuted blocks of two.
    """

    def _check(self) -> None:
        if self.n_arms != 2:
            raise DesignError(
                "the brick tunnel is kept here for two arms",
                where="ratio",
                found=":".join(map(str, self.ratio)),
                expected="two whole numbers",
                try_="permuted blocks keep any ratio",
            )

    @property
    def name(self) -> str:
        return f"Brick tunnel, {':'.join(map(str, self.ratio))}"

    def probabilities(self, progress: Progress) -> Floats:
        first, whole = self.ratio[0], sum(self.ratio)
        step = total(progress.counts)
        floor, part = (step * first) // whole, (step * first) % whole  # part / whole is P(rounded up)
        rises = ((step + 1) * first) // whole > floor
        is_up = progress.counts[:, 0] > floor
        # In whole-th parts, so that an edge of the tunnel gives exactly 0 or 1.
        low = np.where(rises, 1.0, first / (whole - part))
        up = np.where(rises & (part > 0), (first - whole + part) / np.maximum(part, 1), 0.0)
        chance = np.where(is_up, up, low)
        return np.stack([chance, 1.0 - chance], axis=1)


def _difference(progress: Progress) -> Counts:
    """How many more patients the first arm has than the second."""
    return progress.counts[:, 0] - progress.counts[:, 1]


def _favor_smaller(difference: Counts, p: float) -> Floats:
    first = np.where(difference == 0, 0.5, np.where(difference < 0, p, 1.0 - p))
    return np.stack([first, 1.0 - first], axis=1)


def require_limit(limit: int) -> None:
    """A limit of imbalance is at least 1."""
    if isinstance(limit, bool) or int(limit) != limit or limit < 1:
        raise DesignError(
            "not a limit of imbalance", where="limit", found=repr(limit), expected="a whole number from 1"
        )


def require_probability(p: float, *, at_least: float) -> None:
    """A coin favors the arm that lags."""
    if not at_least <= p <= 1.0:
        raise DesignError("not a probability here", where="p", found=repr(p), expected=f"{at_least:g} to 1")
