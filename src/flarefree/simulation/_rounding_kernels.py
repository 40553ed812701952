"""Values as a laboratory reports them: rounded to the digits that it prints.

What is printed and read again is the same double, because k / 10^d is the double nearest to the decimal.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

__all__ = ["round_in_place"]


@nb.njit(cache=True, error_model="numpy", nogil=True)
def round_in_place(values: Any, factor: Any, scale: Any) -> Any:
    """Flat `values` times `factor`, to the nearest 1 / `scale`; NaN stays NaN."""
    for k in range(values.size):
        values[k] = np.rint(values[k] * factor * scale) / scale
