"""Order statistics of all differences x - y, or of all Walsh averages; not listed where they are many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sums", "pairwise_differences", "walsh_averages"]

Floats = NDArray[np.float64]

_LISTED = 5_000_000
_HALVINGS = 200


class Sums(Protocol):
    """Many numbers of which the k-th smallest can be asked for."""

    @property
    def size(self) -> int: ...

    def smallest(self, k: int) -> float: ...

    def median(self) -> float: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Listed:
    values: Floats
    """Sorted."""

    @property
    def size(self) -> int:
        return self.values.size

    def smallest(self, k: int) -> float:
        return float(self.values[k - 1])

    def median(self) -> float:
        return float(self.values[(self.size - 1) // 2] + self.values[self.size // 2]) / 2


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """x + z for all pairs, or for i <= j only; the k-th smallest by halving and counting."""

    x: Floats
    z: Floats
    upper_only: bool
    scale: float

    @property
    def size(self) -> int:
        return self.x.size * (self.x.size + 1) // 2 if self.upper_only else self.x.size * self.z.size

    def smallest(self, k: int) -> float:
        low, high = float(self.x[0] + self.z[0]), float(self.x[-1] + self.z[-1])
        for _ in range(_HALVINGS):
            middle = low + (high - low) / 2
            if middle in (low, high):
                break
            if self._at_most(middle) >= k:
                high = middle
            else:
                low = middle
        return self.scale * (low if self._at_most(low) >= k else high)

    def median(self) -> float:
        return (self.smallest((self.size + 1) // 2) + self.smallest(self.size // 2 + 1)) / 2

    def _at_most(self, value: float) -> int:
        reach = np.searchsorted(self.z, value - self.x, side="right")
        if not self.upper_only:
            return int(reach.sum())
        # Pairs i <= j: all pairs, and the diagonal once more, halved.
        return int(reach.sum() + (self.x + self.z <= value).sum()) // 2


def pairwise_differences(x: Floats, y: Floats) -> Sums:
    """All x_i - y_j."""
    if x.size * y.size <= _LISTED:
        return _Listed(np.sort(np.subtract.outer(x, y), axis=None))
    return _Counted(np.sort(x), np.sort(-y), False, 1.0)


def walsh_averages(x: Floats) -> Sums:
    """All (x_i + x_j) / 2 with i <= j."""
    if x.size**2 <= 2 * _LISTED:
        upper = np.triu_indices(x.size)
        return _Listed(np.sort(np.add.outer(x, x)[upper]) / 2)
    ordered = np.sort(x)
    return _Counted(ordered, ordered, True, 0.5)
