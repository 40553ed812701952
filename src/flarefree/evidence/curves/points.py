"""Digitized points and risk tables, read, checked and made ready: one `CurveArm` an arm.

Decides what is repaired and told (`CurveFinding`) and what is refused (`EvidenceError`).  What digitizing
does to a curve is repaired: points out of order, small rises, values a hair beyond 0 and 1.  What no
digitizing does is refused: percentages called proportions, a risk table that rises, n below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import EvidenceError
from flarefree.evidence.curves.input_tables import (
    ONE_ARM,
    CurveFinding,
    numbers,
    of_arm,
    read_frame,
    read_risk,
    risk_frame,
)

__all__ = ["CurveArm", "CurveFinding", "read_arms"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class CurveArm:
    """One arm's curve, ready to be reconstructed.

    Attributes
    ----------
    label : str
    time, survival : (points,) float
        Increasing times from 0, with a point at each time of the risk table; survival never rises.
    is_given : (points,) bool
        False where a point was added (time 0, times of the risk table).
    given_survival : (points,) float
        Survival as digitized, before it was made monotone; NaN where a point was added.
    risk_time : (intervals,) float
    at_risk : (intervals,) int
        Followed just before each time; the first is n at time 0.
    lower : (intervals,) int
        The place in `time` of each of the table's times.
    events : int or None
        Events in all, if the publication says.
    """

    label: str
    time: Floats
    survival: Floats
    is_given: np.ndarray[Any, np.dtype[np.bool_]]
    given_survival: Floats
    risk_time: Floats
    at_risk: Ints
    lower: Ints
    events: int | None
    findings: tuple[CurveFinding, ...]

    @property
    def n(self) -> int:
        return int(self.at_risk[0])


def read_arms(
    points: Any,
    *,
    at_risk: Any,
    n: int | Mapping[str, int] | None,
    events: int | Mapping[str, int] | None,
    arm: str,
    unit: str,
    rise_tolerance: float,
) -> tuple[CurveArm, ...]:
    """One `CurveArm` for each arm of `points`, in their order; arguments are those of `reconstruct`."""
    frame = read_frame(points, where="points")
    value = _value_column(frame)
    if arm != "arm" and arm not in frame.columns:
        raise EvidenceError(
            "there is no such column", where="arm", found=repr(arm), expected=", ".join(frame.columns)
        )
    labels = _labels(frame, arm)
    table = None if at_risk is None else risk_frame(at_risk, arm, labels)
    found = []
    for label in labels:
        rows = frame if arm not in frame.columns else frame.filter(pl.col(arm).cast(pl.String) == label)
        own = None if table is None else table.filter(pl.col("arm") == label)
        found.append(
            _read_arm(
                label,
                numbers(rows, "time", f"points, arm {label!r}"),
                numbers(rows, value, f"points, arm {label!r}"),
                own,
                of_arm(n, label, labels, "n"),
                of_arm(events, label, labels, "events"),
                is_incidence=value != "survival",
                unit=unit,
                tolerance=rise_tolerance,
            )
        )
    if at_risk is not None and "events" in read_frame(at_risk, where="at_risk").columns:
        unused = "the risk table has events by interval"
        done = "not used: reconstruct takes events in all; log_rank_range takes them by interval"
        found = [
            replace(own, findings=(*own.findings, CurveFinding(own.label, unused, "a column events", done)))
            for own in found
        ]
    return tuple(found)


# Reading -----------------------------------------------------------------------------------------


def _value_column(frame: pl.DataFrame) -> str:
    named = [name for name in ("survival", "incidence") if name in frame.columns]
    if "time" not in frame.columns or len(named) != 1:
        raise EvidenceError(
            "the points have not the columns of a curve",
            where="points",
            found=", ".join(frame.columns) or "no columns",
            expected="time and one of survival, incidence (cumulative); arm if there are several",
        )
    if frame.height == 0:
        raise EvidenceError("there are no points", where="points", found="0 rows", expected="a curve")
    return named[0]


def _labels(frame: pl.DataFrame, arm: str) -> list[str]:
    if arm not in frame.columns:
        return [ONE_ARM]
    return [str(label) for label in frame[arm].cast(pl.String).unique(maintain_order=True)]


# Making ready ------------------------------------------------------------------------------------


def _read_arm(
    label: str,
    time: Floats,
    value: Floats,
    table: pl.DataFrame | None,
    n: int | None,
    events: int | None,
    *,
    is_incidence: bool,
    unit: str,
    tolerance: float,
) -> CurveArm:
    findings: list[CurveFinding] = []
    survival = _as_survival(label, value, is_incidence, unit, tolerance, findings)
    if (time < 0).any():
        raise EvidenceError(
            "a time before randomization",
            where=f"points, arm {label!r}, row {int(np.flatnonzero(time < 0)[0]) + 1}",
            found=f"{time[time < 0][0]:g}",
            expected="times from 0",
        )
    time, survival = _in_order(label, time, survival, findings)
    _check_rises(label, time, survival, tolerance, findings)
    risk_time, risk = read_risk(label, table, n, float(time[-1]), findings)
    if events is not None and events > risk[0]:
        raise EvidenceError(
            "more events than patients",
            where=f"events, arm {label!r}",
            found=f"{events} of {risk[0]}",
            expected="at most n",
        )
    return _with_grid(label, time, survival, risk_time, risk, events, tuple(findings))


def _as_survival(
    label: str,
    value: Floats,
    is_incidence: bool,
    unit: str,
    tolerance: float,
    findings: list[CurveFinding],
) -> Floats:
    where = f"points, arm {label!r}"
    if unit not in ("proportion", "percent"):
        raise EvidenceError("no such unit", where="unit", found=repr(unit), expected="proportion, percent")
    if unit == "percent":
        if value.size > 1 and value.max() <= 1.0 and value.min() < 1.0:
            raise EvidenceError(
                "percentages that are proportions",
                where=where,
                found=f"no value above {value.max():g}",
                expected="percentages from 0 to 100",
                try_="unit='proportion'",
            )
        value = value / 100.0
    if value.max() > 1.0 + tolerance or value.min() < -tolerance:
        row = int(np.argmax(np.maximum(value - 1.0, -value)))
        looks_percent = unit == "proportion" and value.min() >= 0 and 1.5 < value.max() <= 105
        raise EvidenceError(
            "a survival beyond 0 to 1",
            where=f"{where}, row {row + 1}",
            found=f"{value[row]:g}",
            expected=f"a proportion from 0 to 1, within {tolerance:g}",
            try_="unit='percent'" if looks_percent else "",
        )
    beyond = int(((value > 1.0) | (value < 0.0)).sum())
    if beyond:
        worst = float(np.maximum(value - 1.0, -value).max())
        findings.append(
            CurveFinding(
                label,
                "values beyond 0 to 1",
                f"{beyond}, by at most {worst:.3g}",
                f"set to 0 or 1 (tolerance {tolerance:g})",
            )
        )
    value = np.clip(value, 0.0, 1.0)
    return 1.0 - value if is_incidence else value


def _in_order(
    label: str, time: Floats, survival: Floats, findings: list[CurveFinding]
) -> tuple[Floats, Floats]:
    """Sorted by time; of points at one time (top and foot of a step) the lowest is kept."""
    backward = int((np.diff(time) < 0).sum())
    if backward:
        findings.append(
            CurveFinding(label, "points out of order", f"{backward} steps back in time", "sorted")
        )
    order = np.lexsort((-survival, time))
    time, survival = time[order], survival[order]
    keep = np.append(np.diff(time) > 0, True)
    return time[keep], survival[keep]


def _check_rises(
    label: str, time: Floats, survival: Floats, tolerance: float, findings: list[CurveFinding]
) -> None:
    rise = survival - np.minimum.accumulate(survival)
    worst = int(np.argmax(rise))
    if rise[worst] > tolerance:
        raise EvidenceError(
            "survival rises by more than digitizing explains",
            where=f"points, arm {label!r}, time {time[worst]:g}",
            found=f"{survival[worst]:.4g}, {rise[worst]:.3g} above an earlier point",
            expected=f"a curve that falls, within {tolerance:g}",
            try_="name the column incidence if it is one; see whether two curves are mixed; rise_tolerance=",
        )
    count = int((np.diff(survival) > 0).sum())
    if count:
        findings.append(
            CurveFinding(
                label,
                "survival rises",
                f"{count} points, by at most {rise[worst]:.3g}",
                f"made monotone by least squares (tolerance {tolerance:g})",
            )
        )


def _with_grid(
    label: str,
    time: Floats,
    survival: Floats,
    risk_time: Floats,
    risk: Ints,
    events: int | None,
    findings: tuple[CurveFinding, ...],
) -> CurveArm:
    """Add points at time 0 and at each time of the table; the curve is level up to its next point."""
    from flarefree.evidence.curves._guyot_kernels import pool_violators

    told = list(findings)
    end = float(time[-1])
    if risk_time[-1] > end and risk[risk_time > end].max() > 0:
        told.append(
            CurveFinding(
                label,
                "the risk table runs beyond the curve",
                f"last point at {end:g}, table to {risk_time[-1]:g}",
                "the curve is taken as level there",
            )
        )
    fitted = np.concatenate([[1.0], survival])
    pool_violators(fitted)
    fitted = fitted[1:]
    grid = np.union1d(time, np.append(0.0, risk_time))
    place = np.searchsorted(time, grid, side="right") - 1
    is_given = np.isin(grid, time)
    level = np.where(place >= 0, fitted[np.maximum(place, 0)], 1.0)
    level[grid == 0.0] = 1.0
    given = np.full(grid.size, np.nan)
    given[is_given] = survival
    return CurveArm(
        label,
        grid,
        np.ascontiguousarray(level),
        is_given,
        given,
        risk_time,
        risk,
        np.searchsorted(grid, risk_time).astype(np.int64),
        events,
        tuple(told),
    )
