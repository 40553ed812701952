"""A patient's values by measure, in the protocol's units, for plots and tables; eGFR beside creatinine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date

from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.schema import MeasureSpec
from flarefree.studytime import study_day
from flarefree.web.commands.asking import is_open
from flarefree.web.commands.gates import characteristics_of, stands
from flarefree.web.forms.meanings import Written, in_unit_of, kind_of, numbers_of, values_of
from flarefree.web.record.reading import Item

__all__ = ["Point", "Series", "series_of"]


@dataclass(frozen=True, slots=True)
class Point:
    """One value.

    Attributes
    ----------
    date : date
    day : int or None
        Study day.
    value : float
        In the series' unit.
    written : str
        As it stands in the record, with its unit.
    visit, key : str
        The key is that of its row; empty for what was computed.
    low, high : float or None
        Of normal, of that laboratory, in the series' unit.
    is_beyond : bool
        Beyond what the protocol calls plausible.
    is_asked_about : bool
        A query about it is open.
    """

    date: date
    day: int | None
    value: float
    written: str
    visit: str
    key: str
    low: float | None = None
    high: float | None = None
    is_beyond: bool = False
    is_asked_about: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """A measure's course.

    Attributes
    ----------
    measure, label, unit, section : str
    points : tuple of Point
        By date.
    upper, lower : float or None
        Limits of normal: the last laboratory's, else the protocol's.
    is_computed : bool
    log_scale : bool
    """

    measure: str
    label: str
    unit: str
    section: str
    points: tuple[Point, ...]
    upper: float | None
    lower: float | None
    digits: int | None = None
    is_computed: bool = False
    log_scale: bool = False


def series_of(
    protocol: LoadedProtocol, subject: Item, items: Iterable[Item], day_one: date | None
) -> tuple[Series, ...]:
    """Courses of all measures that have values, in the protocol's order."""
    kept = tuple(items)
    rows = [i for i in kept if i.kind in {"lab", "score"} and stands(i) and i["measure"] and i["date"]]
    asked = {str(item["about"]) for item in kept if item.kind == "query" and is_open(item)}
    numbers = values_of(
        protocol, (Written(str(r["measure"]), str(r["value"] or ""), str(r["unit"] or "")) for r in rows)
    )
    found: dict[str, list[Point]] = {}
    for row, number in zip(rows, numbers, strict=True):
        if number is not None:
            point = _point(protocol, row, number, day_one, row.name in asked)
            found.setdefault(str(row["measure"]), []).append(point)
    return tuple(_series(protocol, subject, found))


def _point(protocol: LoadedProtocol, row: Item, number: float, day_one: date | None, is_asked: bool) -> Point:
    measure = str(row["measure"])
    spec = protocol.spec.measures[measure]
    when = date.fromisoformat(str(row["date"]))
    low, high = (_limit(protocol, measure, spec, row, name) for name in ("low", "high"))
    least, most = spec.plausible
    return Point(
        date=when,
        day=None if day_one is None else study_day(when, day_one),
        value=number,
        written=f"{row['value']} {row['unit'] or ''}".strip(),
        visit=str(row["visit"] or ""),
        key=row.key,
        low=low,
        high=high,
        is_beyond=(least is not None and number < least) or (most is not None and number > most),
        is_asked_about=is_asked,
    )


def _limit(protocol: LoadedProtocol, measure: str, spec: MeasureSpec, row: Item, name: str) -> float | None:
    if not row[name]:
        return None
    return in_unit_of(protocol, measure, numbers_of(spec, (str(row[name]),))[0], str(row["unit"] or ""))


def _series(protocol: LoadedProtocol, subject: Item, found: dict[str, list[Point]]) -> Iterator[Series]:
    for measure, spec in protocol.spec.measures.items():
        if measure in found:
            points = tuple(sorted(found[measure], key=lambda point: point.date))
            yield _one(protocol, measure, spec, points, subject)
        elif spec.equation and "creatinine" in found:
            computed = tuple(_egfr(protocol, subject, spec, found["creatinine"]))
            if computed:
                one = _one(protocol, measure, spec, computed, subject)
                yield replace(one, is_computed=True)


def _one(
    protocol: LoadedProtocol, measure: str, spec: MeasureSpec, points: tuple[Point, ...], subject: Item
) -> Series:
    of_sex = spec.normal_by_sex.get("F" if subject["sex"] == "F" else "M", spec.normal)
    last = points[-1]
    return Series(
        measure=measure,
        label=spec.label,
        unit=spec.unit,
        section=kind_of(protocol, measure),
        points=points,
        upper=last.high if last.high is not None else of_sex[1],
        lower=last.low if last.low is not None else of_sex[0],
        digits=spec.digits,
        log_scale=spec.log_scale,
    )


def _egfr(
    protocol: LoadedProtocol, subject: Item, spec: MeasureSpec, creatinine: list[Point]
) -> Iterator[Point]:
    """By the protocol's equation; nothing where age, sex or race is not known."""
    import numpy as np

    from flarefree.endpoints.covariates import is_black
    from flarefree.endpoints.equations import EGFR_UNIT, compute_egfr
    from flarefree.units import convert

    told = characteristics_of(protocol, subject)
    age, sex, race = told.get("age", told.get("age_years")), told.get("sex"), told.get("race")
    points = sorted(creatinine, key=lambda point: point.date)
    if age is None or sex is None or race is None:
        return
    unit = protocol.spec.measures["creatinine"].unit
    values = convert(np.array([point.value for point in points]), unit, "mg/dL", "creatinine")
    ones = np.ones(len(points))
    black = float(is_black(np.array([str(race)], dtype=object))[0])
    female = float(str(sex).upper().startswith("F"))
    found = compute_egfr(values, float(age) * ones, female * ones, black * ones, spec.equation)
    for point, number in zip(points, convert(found, EGFR_UNIT, spec.unit or EGFR_UNIT), strict=True):
        if np.isfinite(number):
            yield Point(point.date, point.day, float(number), f"{number:.1f}", point.visit, "")
