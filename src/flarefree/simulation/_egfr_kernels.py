"""eGFR of very many creatinine values at once.

Every equation of `flarefree.endpoints.equations` is, for one patient, a power of creatinine, or the lower of
two.  Which powers is found from the equation's own values, so that no constant is written down twice; the
results agree with it to some units in the last place.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from flarefree.endpoints.equations import compute_egfr
from flarefree.simulation._random_kernels import exp, log

__all__ = ["egfr_of"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

_LOW, _HIGH = (1e-4, 2e-4), (1e3, 2e3)  # mg/dL; far below and above every bend


def egfr_of(creatinine: Floats, age: Floats, is_female: Floats, is_black: Floats, equation: str) -> Floats:
    """eGFR, mL/min/1.73 m2, of creatinine in mg/dL: (n, v) of (n,) patients."""
    out = np.empty_like(creatinine)
    lines = np.empty((2, 2, 2, 2))  # female, black, below or above the bend, (log factor, power)
    for female in (0, 1):
        for black in (0, 1):
            for side, (one, two) in enumerate((_LOW, _HIGH)):
                a, b = np.log(compute_egfr(np.array([one, two]), 30.0, female, black, equation))
                power = (b - a) / (np.log(two) - np.log(one))
                lines[female, black, side] = a - power * np.log(one), power
    by_age = np.log(compute_egfr(1.0, age, 0.0, 0.0, equation) / compute_egfr(1.0, 30.0, 0.0, 0.0, equation))
    _fill(creatinine, by_age, is_female.astype(np.int64), is_black.astype(np.int64), lines, out)
    return out


@nb.njit(cache=True, error_model="numpy", nogil=True)
def _fill(creatinine: Any, by_age: Any, female: Any, black: Any, lines: Any, out: Any) -> Any:
    n, v = creatinine.shape
    for i in range(n):
        low, low_power = lines[female[i], black[i], 0, 0], lines[female[i], black[i], 0, 1]
        high, high_power = lines[female[i], black[i], 1, 0], lines[female[i], black[i], 1, 1]
        for j in range(v):
            x = log(creatinine[i, j])
            out[i, j] = exp(by_age[i] + min(low + low_power * x, high + high_power * x))
