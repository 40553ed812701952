"""How laboratories spell units, and what one is in another."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from flarefree.errors import UnitError
from flarefree.units import (
    CREATININE_UMOL_PER_L_PER_MG_PER_DL,
    MG_PER_G_PER_MG_PER_MMOL,
    UNITS,
    analyte_of,
    conversion_factor,
    convert,
    is_convertible,
    normalize_unit,
    unit_names,
)


@pytest.mark.parametrize(
    ("canonical", "spellings"),
    [
        ("umol/L", ["µmol/l", "μmol/L", "UMOL/L", "umol/l", "mcmol/L"]),
        (
            "mg/day",
            ["mg/24 h", "mg/24H", "mg/24 hours", "mg/24hr", "mg per day", "mg per 24h", "MG/DAY", "mg/d"],
        ),
        ("g/day", ["g/24 h", "G/24 HR", "g/d", "g per day"]),
        ("mg/mg", ["mg/mg Cr", "mg/mg creatinine", "MG/MG"]),
        ("mg/g", ["mg/g Cr", "mg/gCr", "mg/g creat"]),
        ("mg/mmol", ["mg/mmol creatinine", "MG/MMOL"]),
        ("10^9/L", ["10*9/L", "10**9/L", "x10^9/L", "10⁹/L", "x 10 9/L", "10E9/L"]),
        ("10^3/uL", ["THOU/uL", "10^3/µL", "K/uL", "10*3/mm3"]),
        ("10^6/uL", ["MILL/uL"]),
        ("/mm3", ["cells/mm3", "/mm^3", "/cumm"]),
        ("/hpf", ["/HPF", "cells/hpf", "RBC/HPF", "per HPF", "HPF"]),
        ("mL/min/1.73 m2", ["mL/min/1.73m2", "mL/min/1.73m^2", "ML/MIN/1.73 M2", "mL/min/1.73 m²"]),
        ("mg/kg/day", ["mg/kg/d", "mg/kg per day"]),
        ("ug/mL", ["µg/mL", "mcg/mL", "UG/ML"]),
        ("beats/min", ["BEATS/MIN", "bpm"]),
        ("", ["", "NO UNITS", " "]),
        ("1", ["FRACTION"]),
        ("U/g", ["U/gCr"]),
        ("week", ["weeks", "wk"]),
        ("kg", ["KG", "kg"]),
        ("in", ["IN"]),
        ("lb", ["LB", "lbs"]),
    ],
)
def test_spellings(canonical: str, spellings: list[str]) -> None:
    assert {spelling: normalize_unit(spelling) for spelling in spellings} == dict.fromkeys(
        spellings, canonical
    )


def test_no_unit_is_that_of_a_bare_number() -> None:
    assert normalize_unit(None) == ""


@pytest.mark.parametrize("unknown", ["furlong", "g/dy", "mg/dl/x", "?", "mgg"])
def test_unknown_units(unknown: str) -> None:
    assert normalize_unit(unknown) is None


def test_canonical_units_are_their_own_spelling() -> None:
    assert {unit: normalize_unit(unit) for unit in UNITS} == {unit: unit for unit in UNITS}
    assert unit_names() == tuple(UNITS)


# What the CDISC pilot's laboratory and vital signs are in (its LB and VS domains).
PILOT = [
    "g/L",
    "U/L",
    "umol/L",
    "mmol/L",
    "GI/L",
    "FRACTION",
    "1",
    "fmol(Fe)",
    "fL",
    "TI/L",
    "mU/L",
    "pmol/L",
    "g/dL",
    "mg/dL",
    "mEq/L",
    "THOU/uL",
    "MILL/uL",
    "%",
    "pg",
    "uIU/mL",
    "pg/mL",
    "NO UNITS",
    "mmHg",
    "BEATS/MIN",
    "C",
    "F",
    "cm",
    "IN",
    "kg",
    "LB",
]


@pytest.mark.parametrize("unit", PILOT)
def test_units_of_the_cdisc_pilot_are_known(unit: str) -> None:
    assert normalize_unit(unit) is not None


@pytest.mark.parametrize(
    ("source", "target", "analyte", "factor"),
    [
        ("mg/dL", "umol/L", "creatinine", 88.4),  # Dooley 2011, footnote of Table 1
        ("umol/L", "mg/dL", "CREAT", 1 / 88.4),
        ("mg/mmol", "mg/g", "", 8.84),  # creatinine 113.12 g/mol
        ("mg/mmol", "mg/mg", "upcr", 0.00884),
        ("g/mol", "mg/g", "", 8.84),
        ("g/g", "mg/mg", "", 1),
        ("g/dL", "g/L", "albumin", 10),
        ("mg/dL", "g/L", "c3", 0.01),
        ("kIU/L", "IU/mL", "anti_dsdna", 1),
        ("GI/L", "/uL", "", 1000),
        ("/mm3", "/uL", "", 1),
        ("THOU/uL", "GI/L", "", 1),
        ("G/L", "10^9/L", "platelets", 1),  # giga, of cells
        ("ug/mL", "ng/mL", "", 1000),
        ("mEq/L", "mmol/L", "SODIUM", 1),
        ("uIU/mL", "mU/L", "TSH", 1),
        ("IN", "cm", "", 2.54),
        ("LB", "kg", "", 0.45359237),
        ("%", "1", "", 0.01),
        ("week", "day", "", 7),
    ],
)
def test_factors(source: str, target: str, analyte: str, factor: float) -> None:
    found = conversion_factor(source, target, analyte)
    assert found is not None
    assert found.value == pytest.approx(factor, rel=1e-12)
    assert found.origin


# Pairs of one laboratory's own: original and standard results of the CDISC pilot (LBORRES, LBSTRESN).
@pytest.mark.parametrize(
    ("analyte", "source", "original", "target", "standard"),
    [
        ("BUN", "mg/dL", 15, "mmol/L", 5.355),
        ("GLUC", "mg/dL", 100, "mmol/L", 5.551),
        ("CHOL", "mg/dL", 200, "mmol/L", 5.172),
        ("CA", "mg/dL", 9.2, "mmol/L", 2.2954),
        ("BILI", "mg/dL", 0.5, "umol/L", 8.55),
        ("URATE", "mg/dL", 5, "umol/L", 297.4),
        ("PHOS", "mg/dL", 3.5, "mmol/L", 1.13),
        ("HGB", "g/dL", 14, "mmol/L", 8.69),
        ("CREAT", "mg/dL", 1.1, "umol/L", 97.24),
    ],
)
def test_molar_conversions_agree_with_a_laboratory(
    analyte: str, source: str, original: float, target: str, standard: float
) -> None:
    assert convert(original, source, target, analyte) == pytest.approx(standard, rel=5e-3)


@pytest.mark.parametrize(
    ("source", "target", "analyte"),
    [
        ("g/day", "mg/mg", ""),
        ("mg/dL", "umol/L", "c3"),
        ("/hpf", "/uL", ""),
        ("U/mL", "IU/mL", "anti_dsdna"),
        ("furlong", "cm", ""),
        ("", "mg/dL", ""),
        ("C", "F", ""),
    ],
)
def test_what_does_not_become_the_other(source: str, target: str, analyte: str) -> None:
    assert conversion_factor(source, target, analyte) is None
    assert not is_convertible(source, target, analyte)
    with pytest.raises(UnitError):
        convert(1.0, source, target, analyte)


@pytest.mark.parametrize("milligrams", [100, 300, 400, 500, 600, 700, 1000, 1100, 2000, 3500])
def test_a_threshold_is_met_exactly_whatever_the_unit(milligrams: int) -> None:
    """0.7 g/day is 700 mg/24 h to the last bit, or a patient on the limit would be judged by rounding."""
    assert convert(float(milligrams), "mg/24 h", "g/day") == milligrams / 1000


def test_whole_columns_are_converted_at_once() -> None:
    values = [1.0, 0.5, 2.0]
    expected = [88.4, 44.2, 176.8]
    assert convert(np.array(values), "mg/dL", "umol/L", "creatinine").tolist() == expected
    assert convert(pl.Series(values), "mg/dL", "umol/L", "creatinine").to_list() == expected
    frame = pl.DataFrame({"x": values}).select(convert(pl.col("x"), "mg/dL", "umol/L", "creatinine"))
    assert frame["x"].to_list() == expected


def test_the_analyte_may_be_any_of_a_measures_names() -> None:
    assert analyte_of(["serum", "CREAT"]) == "creatinine"
    assert analyte_of(["c3"]) == ""
    assert conversion_factor("mg/dL", "umol/L", ("kidney_function", "SCR")) is not None


def test_constants_agree_with_one_another() -> None:
    assert pytest.approx(CREATININE_UMOL_PER_L_PER_MG_PER_DL) == MG_PER_G_PER_MG_PER_MMOL * 10
    ratio = conversion_factor("mg/mmol", "mg/g")
    assert ratio is not None
    assert ratio.value == pytest.approx(MG_PER_G_PER_MG_PER_MMOL)


def test_the_same_unit_changes_nothing() -> None:
    factor = conversion_factor("mg/24 h", "mg/day")
    assert factor is not None
    assert factor.is_identity
    values = np.array([0.1, np.nan])
    assert factor.apply(values) is values
