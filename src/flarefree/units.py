"""Quantities of nephrology: how units are spelled, and how one becomes another.

A unit has one canonical, plain-ASCII spelling (`umol/L`, `g/day`, `/hpf`); `normalize_unit` finds it
for the many ways in which laboratories write it.  Within a dimension a conversion is a ratio of
powers of ten.  Between mass and amount it depends on the analyte, so it takes the measure's name.
A `Factor` is an exact fraction, so that 500 mg/24 h is 0.5 g/day to the last bit, and it says where
it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, TypeVar, cast

from flarefree.errors import UnitError
from flarefree.studytime import DAYS_PER_MONTH, DAYS_PER_YEAR

__all__ = [
    "CREATININE_UMOL_PER_L_PER_MG_PER_DL",
    "MG_PER_G_PER_MG_PER_MMOL",
    "UNITS",
    "Factor",
    "analyte_of",
    "conversion_factor",
    "convert",
    "is_convertible",
    "normalize_unit",
    "unit_names",
]

CREATININE_UMOL_PER_L_PER_MG_PER_DL = 88.4
"""Creatinine, 113.12 g/mol, rounded as journals print it (Dooley 2011, footnote to Table 1)."""

MG_PER_G_PER_MG_PER_MMOL = 8.84
"""Urine ratios: mg of protein to g of creatinine, from mg to mmol of creatinine (113.12 g/mol)."""

_Values = TypeVar("_Values")


@dataclass(frozen=True, slots=True)
class Factor:
    """A conversion, exact: multiply by `numerator`, divide by `denominator`.

    Attributes
    ----------
    numerator, denominator : int
    origin : str
        Why it is so, in words that a finding or a footnote can print.
    """

    numerator: int
    denominator: int
    origin: str

    @property
    def value(self) -> float:
        """The factor as one number."""
        return self.numerator / self.denominator

    @property
    def is_identity(self) -> bool:
        """Nothing changes."""
        return self.numerator == self.denominator

    def apply(self, values: _Values) -> _Values:
        """Convert a number, an array, or a Polars series or expression."""
        if self.is_identity:
            return values
        numbers: Any = values
        return cast(_Values, numbers * float(self.numerator) / float(self.denominator))


def normalize_unit(written: str | None) -> str | None:
    """The canonical spelling of a unit, or None if it is not known.

    Parameters
    ----------
    written : str or None
        As a file has it: `mg/24H`, `µmol/l`, `G/L`, `10**9/L`; an absent unit is that of a bare number.

    Returns
    -------
    str or None
        `mg/day`, `umol/L`, `g/L`, `10^9/L`; `""` where there is no unit.

    Examples
    --------
    >>> normalize_unit("µmol/l"), normalize_unit("mg/24 hours"), normalize_unit("furlong")
    ('umol/L', 'mg/day', None)
    """
    return _normalized("" if written is None else written)


def conversion_factor(from_unit: str, to_unit: str, analyte: str | Iterable[str] = "") -> Factor | None:
    """How values in one unit become values in another, or None if they cannot.

    Parameters
    ----------
    from_unit, to_unit : str
        In any spelling.
    analyte : str or several
        The measure's name or test code (`creatinine`, `CREAT`): mass becomes amount through it.
    """
    names = (analyte,) if isinstance(analyte, str) else tuple(analyte)
    return _factor(from_unit, to_unit, names)


def convert(values: _Values, from_unit: str, to_unit: str, analyte: str | Iterable[str] = "") -> _Values:
    """Values in another unit; arrays, series and plain numbers alike.

    Raises
    ------
    UnitError
        One of the units is unknown, or the two measure different things.
    """
    factor = conversion_factor(from_unit, to_unit, analyte)
    if factor is None:
        unknown = [unit for unit in (from_unit, to_unit) if normalize_unit(unit) is None]
        raise UnitError(
            "this unit is not known" if unknown else "one unit does not become the other",
            found=unknown[0]
            if unknown
            else f"{from_unit} to {to_unit}" + (f" of {analyte}" if analyte else ""),
            expected="" if unknown else "two units of one kind, or an analyte whose molar mass is known",
        )
    return factor.apply(values)


def is_convertible(from_unit: str, to_unit: str, analyte: str | Iterable[str] = "") -> bool:
    """Whether the two units measure the same thing of this analyte."""
    return conversion_factor(from_unit, to_unit, analyte) is not None


def unit_names() -> tuple[str, ...]:
    """Every canonical unit, for suggestions."""
    return tuple(UNITS)


def analyte_of(names: Iterable[str]) -> str:
    """The first of these names that has a known molar mass; empty if none has."""
    return next((_ANALYTE_NAMES[key] for name in names if (key := _analyte_key(name)) in _ANALYTE_NAMES), "")


# The table of units -------------------------------------------------------------------------------

_DIMENSIONS: dict[str, dict[str, str]] = {
    # dimension: {canonical unit: size in the dimension's base unit}
    "bare number": {"": "1"},
    "fraction": {"1": "1", "%": "1/100"},
    "mass per day": {"g/day": "1", "mg/day": "1/1000", "ug/day": "1/1000000", "mg/h": "24/1000"},
    "mass per weight and day": {"mg/kg/day": "1", "ug/kg/day": "1/1000", "g/kg/day": "1000"},
    "mass per area and day": {"mg/m2/day": "1", "g/m2/day": "1000"},
    "mass ratio": {"mg/mg": "1", "g/g": "1", "mg/g": "1/1000", "ug/mg": "1/1000", "ug/g": "1/1000000"},
    "mass per amount": {"mg/mmol": "1", "g/mol": "1", "g/mmol": "1000", "mg/mol": "1/1000"},
    "mass concentration": {
        "g/L": "1", "g/dL": "10", "mg/mL": "1", "g/mL": "1000", "mg/dL": "1/100", "mg/L": "1/1000",
        "ug/mL": "1/1000", "ug/dL": "1/100000", "ug/L": "1/1000000", "ng/mL": "1/1000000",
        "ng/dL": "1/100000000", "ng/L": "1/1000000000", "pg/mL": "1/1000000000",
    },
    "amount concentration": {
        "mol/L": "1", "mmol/L": "1/1000", "umol/L": "1/1000000", "nmol/L": "1/1000000000",
        "pmol/L": "1/1000000000000",
    },
    "charge concentration": {"mEq/L": "1"},
    "international units": {
        "IU/mL": "1000", "IU/L": "1", "kIU/L": "1000", "mIU/mL": "1", "mIU/L": "1/1000", "uIU/mL": "1/1000",
    },
    "activity": {
        "U/L": "1", "U/mL": "1000", "kU/L": "1000", "mU/L": "1/1000", "mU/mL": "1", "uU/mL": "1/1000",
    },
    "activity ratio": {"U/g": "1", "U/mg": "1000"},
    "activity per amount": {"U/mmol": "1"},
    "cells": {
        "/L": "1", "/mL": "1000", "/uL": "1000000", "/mm3": "1000000", "10^3/uL": "1000000000",
        "10^6/uL": "1000000000000", "10^9/L": "1000000000", "10^12/L": "1000000000000", "10^6/L": "1000000",
        "GI/L": "1000000000", "TI/L": "1000000000000",
    },
    "cells per high-power field": {"/hpf": "1"},
    "casts per low-power field": {"/lpf": "1"},
    "filtration by body surface": {"mL/min/1.73 m2": "1", "mL/s/1.73 m2": "60"},
    "filtration": {"mL/min": "1", "mL/s": "60"},
    "volume per day": {"mL/day": "1", "L/day": "1000"},
    "volume": {"mL": "1", "L": "1000", "uL": "1/1000"},
    "cell volume": {"fL": "1"},
    "cell amount": {"fmol(Fe)": "1", "fmol": "1"},
    "mass": {
        "kg": "1000", "g": "1", "mg": "1/1000", "ug": "1/1000000", "ng": "1/1000000000",
        "pg": "1/1000000000000", "lb": "45359237/100000",
    },
    "length": {"m": "100", "cm": "1", "mm": "1/10", "in": "254/100"},
    "area": {"m2": "10000", "cm2": "1"},
    "body mass index": {"kg/m2": "1"},
    "pressure": {"mmHg": "1", "kPa": "750062/100000"},
    "frequency": {"beats/min": "1", "breaths/min": "1", "/min": "1"},
    "degrees Celsius": {"C": "1"},
    "degrees Fahrenheit": {"F": "1"},
    "osmolality": {"mOsm/kg": "1"},
    "time": {
        "day": "1", "week": "7", "month": f"{DAYS_PER_MONTH}", "year": f"{DAYS_PER_YEAR}", "h": "1/24",
        "min": "1/1440", "s": "1/86400",
    },
}  # fmt: skip

UNITS: dict[str, str] = {unit: dimension for dimension, units in _DIMENSIONS.items() for unit in units}
"""Every canonical unit, and what it measures."""

_SIZES = {unit: Fraction(size) for units in _DIMENSIONS.values() for unit, size in units.items()}

_SPELLINGS: dict[str, tuple[str, ...]] = {
    # canonical: further spellings, as `_key` leaves them
    "": ("nounits", "nounit", "none", "score", "na", "n/a", "ratio", "unitless"),
    "1": ("fraction", "proportion"),
    "%": ("percent", "pct"),
    "mL/min/1.73 m2": ("ml/min/1.73m2", "ml/min/1.73sqm", "ml/min/1.73", "ml/min/bsa", "ml/minute/1.73m2"),
    "mL/s/1.73 m2": ("ml/s/1.73m2", "ml/sec/1.73m2"),
    "/hpf": ("hpf", "cells/hpf", "rbc/hpf", "wbc/hpf", "cell/hpf", "perhpf", "/highpowerfield", "/hpfield"),
    "/lpf": ("lpf", "casts/lpf", "/lowpowerfield"),
    "10^9/L": ("109/l", "10e9/l", "e9/l", "g/litre", "bil/l", "billion/l", "1000000000/l"),
    "10^12/L": ("1012/l", "10e12/l", "e12/l", "tril/l"),
    "10^6/L": ("106/l", "10e6/l"),
    "10^3/uL": (
        "103/ul",
        "10e3/ul",
        "k/ul",
        "thou/ul",
        "1000/ul",
        "thousand/ul",
        "103/mm3",
        "k/mm3",
        "thou/mm3",
    ),
    "10^6/uL": ("106/ul", "10e6/ul", "mill/ul", "million/ul", "106/mm3", "mill/mm3"),
    "/mm3": ("cells/mm3", "cumm", "/cumm", "permm3"),
    "/uL": ("cells/ul", "perul", "cell/ul"),
    "/mL": ("cells/ml",),
    "/L": ("cells/l",),
    "U/L": ("units/l", "unit/l"),
    "U/mL": ("units/ml", "au/ml"),
    "IU/mL": ("iu/milliliter",),
    "mEq/L": ("meq/l", "mval/l"),
    "lb": ("lbs", "pound", "pounds"),
    "in": ("inch", "inches"),
    "kg": ("kilogram", "kilograms", "kgs"),
    "cm": ("centimeter", "centimeters", "cms"),
    "m": ("meter", "meters"),
    "mmHg": ("millimetersofmercury",),
    "beats/min": ("bpm", "beats/minute"),
    "breaths/min": ("breaths/minute",),
    "C": ("degc", "celsius", "degreec"),
    "F": ("degf", "fahrenheit", "degreef"),
    "mOsm/kg": ("mosmol/kg", "mosm/kgh2o"),
    "day": ("d", "days"),
    "week": ("weeks", "wk", "wks"),
    "month": ("months", "mo"),
    "year": ("years", "yr", "yrs", "y"),
    "h": ("hour", "hours", "hr", "hrs"),
    "min": ("minute", "minutes"),
    "s": ("sec", "second", "seconds"),
    "mg/day": ("mgdaily", "mgqd"),
    "kg/m2": ("kg/sqm",),
}


@cache
def _spellings() -> dict[str, str]:
    known = {_key(unit): unit for unit in UNITS}
    for unit, others in _SPELLINGS.items():
        known.update(dict.fromkeys(others, unit))
    return known


@cache
def _normalized(written: str) -> str | None:
    text = " ".join(written.split())
    if text in UNITS:
        return text
    return _spellings().get(_key(text))


_CREATININE_WORD = r"(?<=g|l)(?:ofcreatinine|creatinine|creat|crea|cre|cr)$"
_PER_DAY = r"/(?:24(?:h|hr|hrs|hour|hours)|d|days?|diem)(?![a-z])"


def _key(text: str) -> str:
    """A unit's spelling without what laboratories vary: case, spaces, micro signs, carets."""
    key = text.strip().replace("µ", "u").replace("μ", "u").lower()
    key = key.replace("²", "2").replace("³", "3").replace("×", "x").replace("⁹", "9").replace("¹²", "12")
    key = re.sub(r"[\s_^*]", "", key).replace("per24h", "/24h")
    key = re.sub(r"(?<=[a-z])per(?=[a-z0-9])", "/", key)
    key = re.sub(r"\bmc(?=g|mol|l\b|iu)", "u", key).replace("liter", "l").replace("litre", "l")
    key = re.sub(r"^x(?=10)", "", key)
    key = re.sub(_PER_DAY, "/day", key)
    return re.sub(_CREATININE_WORD, "", key)


# Analytes -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Analyte:
    """A substance with its molar mass in g/mol, where that comes from, and what it is called."""

    molar_mass: Fraction
    origin: str
    names: tuple[str, ...]


_CREATININE_MOLAR_MASS = Fraction(1, 100) / (Fraction("88.4") / 10**6)

_ANALYTES: dict[str, _Analyte] = {
    "creatinine": _Analyte(
        _CREATININE_MOLAR_MASS,
        "creatinine: 1 mg/dL is 88.4 umol/L (113.12 g/mol)",
        ("creat", "scr", "serum_creatinine", "crea"),
    ),
    "urea_nitrogen": _Analyte(Fraction("28.014"), "urea nitrogen: 28.014 g/mol", ("bun",)),
    "urea": _Analyte(Fraction("60.056"), "urea: 60.056 g/mol", ()),
    "glucose": _Analyte(Fraction("180.156"), "glucose: 180.156 g/mol", ("gluc",)),
    "cholesterol": _Analyte(Fraction("386.65"), "cholesterol: 386.65 g/mol", ("chol", "hdl", "ldl")),
    "triglycerides": _Analyte(Fraction("885.4"), "triglycerides as triolein: 885.4 g/mol", ("trig",)),
    "bilirubin": _Analyte(Fraction("584.66"), "bilirubin: 584.66 g/mol", ("bili",)),
    "urate": _Analyte(Fraction("168.11"), "uric acid: 168.11 g/mol", ("uric_acid",)),
    "calcium": _Analyte(Fraction("40.078"), "calcium: 40.078 g/mol", ("ca",)),
    "phosphate": _Analyte(Fraction("30.974"), "phosphate as phosphorus: 30.974 g/mol", ("phos",)),
    "hemoglobin": _Analyte(Fraction("16114.5"), "hemoglobin (Fe), one chain: 16114.5 g/mol", ("hgb", "mchc")),
    "albumin": _Analyte(Fraction(66500), "albumin: 66.5 kg/mol", ("alb", "serum_albumin")),
    "vitamin_b12": _Analyte(Fraction("1355.37"), "cobalamin: 1355.37 g/mol", ("vitb12",)),
    "tacrolimus": _Analyte(Fraction("804.02"), "tacrolimus: 804.02 g/mol", ("tacrolimus_trough", "tac")),
    "mycophenolic_acid": _Analyte(Fraction("320.34"), "mycophenolic acid: 320.34 g/mol", ("mpa",)),
}  # fmt: skip

_ANALYTE_NAMES = {
    name: analyte for analyte, substance in _ANALYTES.items() for name in (analyte, *substance.names)
}

_MONOVALENT = frozenset({"sodium", "k", "potassium", "cl", "chloride", "bicarb", "bicarbonate"})
_ENZYMES = frozenset({"alt", "ast", "alp", "ggt", "ck", "ldh", "tsh", "amylase", "lipase"})


def _analyte_key(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


_CELLS_IN_CAPITALS = {"G/L": "10^9/L", "T/L": "10^12/L"}
"""Giga and tera of cells; the same letters are grams and no unit at all of anything else."""


# Factors --------------------------------------------------------------------------------------------


@cache
def _factor(from_unit: str, to_unit: str, analyte: tuple[str, ...]) -> Factor | None:
    source, target = normalize_unit(from_unit), normalize_unit(to_unit)
    if target is not None and UNITS[target] == "cells":
        source = _CELLS_IN_CAPITALS.get(from_unit.strip(), source)
    if source is None or target is None:
        return None
    if source == target:
        return Factor(1, 1, "same unit")
    size = _SIZES[source] / _SIZES[target]
    origin = f"1 {source} is {_plain(size)} {target}"
    if UNITS[source] != UNITS[target]:
        bridge = _bridge(UNITS[source], UNITS[target], analyte)
        if bridge is None:
            return None
        size, origin = size * bridge[0], bridge[1]
    return Factor(size.numerator, size.denominator, origin)


def _bridge(source: str, target: str, names: tuple[str, ...]) -> tuple[Fraction, str] | None:
    """From the base unit of one dimension to that of another, through the analyte."""
    keys = {_analyte_key(name) for name in names}
    match source, target:
        case "mass concentration", "amount concentration":
            analyte = _ANALYTES.get(analyte_of(names))
            return None if analyte is None else (1 / analyte.molar_mass, analyte.origin)
        case "mass per amount", "mass ratio":
            # mg per mmol of creatinine; a millimole of it weighs its molar mass in mg.
            return 1 / _CREATININE_MOLAR_MASS, "1 mg/mmol of creatinine is 8.84 mg/g (113.12 g/mol)"
        case "activity per amount", "activity ratio":
            return 1000 / _CREATININE_MOLAR_MASS, "1 U/mmol of creatinine is 8.84 U/g (113.12 g/mol)"
        case "charge concentration", "amount concentration" if keys & _MONOVALENT:
            return Fraction(1, 1000), "one charge an ion: 1 mEq/L is 1 mmol/L"
        case "international units", "activity" if keys & _ENZYMES:
            return Fraction(1), "of this analyte an international unit is a unit"
        case (
            ("amount concentration", "mass concentration" | "charge concentration")
            | ("mass ratio", "mass per amount")
            | ("activity ratio", "activity per amount")
            | ("activity", "international units")
        ):
            back = _bridge(target, source, names)
            return None if back is None else (1 / back[0], back[1])
    return None


def _plain(size: Fraction) -> str:
    return str(size) if size.denominator == 1 else f"{float(size):g}"
