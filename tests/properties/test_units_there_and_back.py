"""Conversions that go there go back, and by any way round to the same place."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from flarefree.units import UNITS, conversion_factor, convert, is_convertible

units = st.sampled_from(sorted(UNITS))
analytes = st.sampled_from(["", "creatinine", "albumin", "SODIUM", "TSH", "upcr"])


@given(units, units, analytes)
def test_what_goes_there_goes_back(a: str, b: str, analyte: str) -> None:
    there, back = conversion_factor(a, b, analyte), conversion_factor(b, a, analyte)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert there.numerator * back.numerator == there.denominator * back.denominator


@given(units, units, units, analytes)
def test_a_way_round_leads_to_the_same_place(a: str, b: str, c: str, analyte: str) -> None:
    first, second, direct = (conversion_factor(*pair, analyte) for pair in ((a, b), (b, c), (a, c)))
    if first is not None and second is not None and direct is not None:
        assert (
            first.numerator * second.numerator * direct.denominator
            == first.denominator * second.denominator * direct.numerator
        )


@given(st.floats(1e-6, 1e6), units, units)
def test_more_stays_more(value: float, a: str, b: str) -> None:
    if is_convertible(a, b, "creatinine"):
        assert 0 < convert(value, a, b, "creatinine") < convert(2 * value, a, b, "creatinine")
        assert math.isclose(
            convert(convert(value, a, b, "creatinine"), b, a, "creatinine"), value, rel_tol=1e-12
        )
