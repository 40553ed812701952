"""Small arithmetic that models share: linear algebra that keeps its type, exponentials that stay finite."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "exponential", "invert", "probability", "solve"]

Floats = NDArray[np.float64]


def invert(matrix: Floats) -> Floats:
    """The inverse of a matrix, or of each of a stack."""
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def solve(matrix: Floats, right: Floats) -> Floats:
    """matrix^-1 @ right."""
    return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)


def exponential(x: Floats) -> Floats:
    """exp(x), infinite beyond 709 without a complaint."""
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(x), dtype=np.float64)


def probability(log_odds: Floats) -> Floats:
    """1 / (1 + exp(-x)), zero and one far out."""
    return 1.0 / (1.0 + exponential(-log_odds))
