"""eGFR of very many creatinine values at once.

Every equation of `flarefree.endpoints.equations` is, for one patient, a power of creatinine, or the lower of
two.  Which powers is found from the equation's own values, so that no constant is written down twice; the
results agree with it to some units in the last place.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numba as nb
import numpy as np

from flarefree.endpoints.equations import compute_egfr
from flarefree.simulation._random_kernels import exp, log

__all__ = ["egfr_of"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

AGE = 30.0  # years, at which the factors are taken
_LOW, _HIGH = (1e-4, 2e-4), (1e3, 2e3)  # mg/dL; far below and above every bend


def egfr_of(
    creatinine: Floats,
    age: Floats,
    is_female: Any,
    is_black: Any,
    equation: str,
    out: Floats | None = None,
) -> Floats:
    """eGFR, mL/min/1.73 m2, of creatinine in mg/dL: (n, v) of (n,) patients; into `out` where given."""
    creatinine = np.ascontiguousarray(creatinine)
    out = np.empty_like(creatinine) if out is None else out
    lines, of_age = _lines(equation)
    who = is_female.astype(np.int64) * 2 + is_black.astype(np.int64)
    _fill(creatinine, age, who, lines, *of_age, out)
    return out


@lru_cache(maxsize=8)
def _lines(equation: str) -> tuple[Floats, tuple[bool, float]]:
    """Log factor and power below and above the bend, by 2 female + black: (4, 4); and what age does.

    Age multiplies: by a power of it, or by a constant a year; which one, its value at 45 years tells.
    """
    lines = np.empty((4, 4))
    for who in range(4):
        for side, (one, two) in enumerate((_LOW, _HIGH)):
            a, b = np.log(compute_egfr(np.array([one, two]), AGE, who // 2, who % 2, equation))
            power = (b - a) / (np.log(two) - np.log(one))
            lines[who, 2 * side], lines[who, 2 * side + 1] = a - power * np.log(one), power
    young, middle, old = np.log(compute_egfr(1.0, np.array([AGE, 1.5 * AGE, 2.0 * AGE]), 0, 0, equation))
    is_power = abs((middle - young) - (old - young) * np.log(1.5) / np.log(2.0)) < 1e-9
    return lines, (bool(is_power), float((old - young) / (np.log(2.0) if is_power else AGE)))


@nb.njit(cache=True, error_model="numpy", nogil=True)
def _fill(creatinine: Any, age: Any, who: Any, lines: Any, is_power: Any, slope: Any, out: Any) -> Any:
    """In three passes: logarithms and exponentials of all values in a row are several at once."""
    n, v = creatinine.shape
    flat, of = out.reshape(-1), creatinine.reshape(-1)
    for k in range(flat.size):
        flat[k] = log(of[k])
    for i in range(n):
        by_age = slope * (log(age[i] / AGE) if is_power else age[i] - AGE)
        low, low_power = by_age + lines[who[i], 0], lines[who[i], 1]
        high, high_power = by_age + lines[who[i], 2], lines[who[i], 3]
        row = flat[i * v : (i + 1) * v]
        for j in range(v):
            row[j] = min(low + low_power * row[j], high + high_power * row[j])
    for k in range(flat.size):
        flat[k] = exp(flat[k])
