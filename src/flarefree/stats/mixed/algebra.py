"""Linear algebra whose results keep their type."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "invert", "solve"]

Floats = NDArray[np.float64]


def invert(matrix: Floats) -> Floats:
    """The inverse of a matrix, or of each of a stack."""
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def solve(matrix: Floats, right: Floats) -> Floats:
    """matrix^-1 @ right."""
    return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
