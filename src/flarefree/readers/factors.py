"""How units as written become the units of the protocol's measures."""

from __future__ import annotations

import polars as pl

from flarefree.readers.expectations import Expectations
from flarefree.units import conversion_factor, normalize_unit

__all__ = ["ASSUMED", "CERTAIN", "MISSING", "UNKNOWN", "factor_table"]

CERTAIN, ASSUMED, MISSING, UNKNOWN = 3, 2, 1, 0
"""A unit that is known; one that the protocol lets be assumed; none at all; one that is not understood."""


def factor_table(pairs: pl.DataFrame, expected: Expectations) -> pl.DataFrame:
    """Conversions for pairs of a measure's number and a unit as written.

    Columns `_measure`, `unit`, `times`, `over`, `certainty`: value = result * times / over.
    """
    made: list[tuple[int, str | None, float, float, int]] = []
    for measure, unit in sorted(pairs.iter_rows(), key=lambda pair: (pair[0], pair[1] or "")):
        times, over, certainty = _factor(measure, unit, expected)
        made.append((measure, unit, times, over, certainty))
    schema = {
        "_measure": pl.Int32,
        "unit": pl.String,
        "times": pl.Float64,
        "over": pl.Float64,
        "certainty": pl.Int8,
    }
    return pl.DataFrame(made, schema=schema, orient="row")


def _factor(measure: int, unit: str | None, expected: Expectations) -> tuple[float, float, int]:
    if measure == len(expected.names):
        return 1.0, 1.0, CERTAIN
    spec = expected.specs[measure]
    if spec.type != "number":
        return 1.0, 1.0, CERTAIN
    names = (expected.names[measure], *spec.tests)
    factor = conversion_factor(unit or "", spec.unit, names)
    if factor is not None:
        return float(factor.numerator), float(factor.denominator), CERTAIN
    if normalize_unit(spec.unit) == "" and normalize_unit(unit) is None:
        return 1.0, 1.0, CERTAIN  # a score in "points": there is nothing that it could be confused with
    if unit:
        return 1.0, 1.0, UNKNOWN
    if spec.unit_if_missing:
        factor = conversion_factor(spec.unit_if_missing, spec.unit, names)
        if factor is not None:
            return float(factor.numerator), float(factor.denominator), ASSUMED
    return 1.0, 1.0, MISSING
