"""Tables as they come: frames, numbers, counts an arm, and numbers at risk, each checked once.

Gives columns of numbers or an error that names argument, arm and row.  `points.py` makes curves of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import EvidenceError
from flarefree.evidence.delimited import read_typed

__all__ = [
    "ONE_ARM",
    "CurveFinding",
    "numbers",
    "of_arm",
    "positive",
    "read_frame",
    "read_risk",
    "risk_frame",
]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

ONE_ARM = "all"
UNITS_APART = 2.0  # a table that runs on for twice the curve's length is in another unit of time


@dataclass(frozen=True, slots=True)
class CurveFinding:
    """Something odd about a digitized curve that was repaired, or that the reader should know."""

    arm: str
    what: str
    found: str
    done: str

    def __str__(self) -> str:
        return f"{self.arm}: {self.what} ({self.found}); {self.done}"


def read_frame(data: Any, *, where: str) -> pl.DataFrame:
    """A frame (polars, pandas), a mapping of columns, a list of rows, or a CSV's path, as a polars frame."""
    if isinstance(data, pl.DataFrame):
        return data
    try:
        if isinstance(data, str) or hasattr(data, "__fspath__"):
            return read_typed(Path(data))
        if isinstance(data, Mapping):
            return pl.DataFrame({str(k): pl.Series(list(v), strict=False) for k, v in data.items()})
        if isinstance(data, list | tuple):
            return pl.DataFrame(list(data), strict=False)
        import narwhals as nw

        return nw.from_native(data, eager_only=True).to_polars()
    except EvidenceError:
        raise
    except (TypeError, ValueError, OSError, pl.exceptions.PolarsError) as error:
        raise EvidenceError(
            "not a table",
            where=where,
            found=f"{type(data).__name__}: {error}",
            expected="a frame, a mapping of columns, a list of rows, or the path of a CSV file",
        ) from None


def risk_frame(at_risk: Any, arm: str, labels: list[str]) -> pl.DataFrame:
    """Columns arm, time, at_risk; arms are columns of their own in a wide table."""
    frame = read_frame(at_risk, where="at_risk")
    if "time" in frame.columns and "at_risk" not in frame.columns and set(labels) <= set(frame.columns):
        frame = frame.unpivot(on=labels, index="time", variable_name=arm, value_name="at_risk")
    if not {"time", "at_risk"} <= set(frame.columns):
        raise EvidenceError(
            "the risk table has not the columns of one",
            where="at_risk",
            found=", ".join(frame.columns),
            expected="time, at_risk (and arm); or time and a column for each arm: " + ", ".join(labels),
        )
    if arm in frame.columns:
        arms = frame[arm].cast(pl.String)
    elif labels == [ONE_ARM]:
        arms = pl.Series([ONE_ARM] * frame.height)
    else:
        raise EvidenceError(
            "the risk table does not say whose numbers it holds",
            where="at_risk",
            found=", ".join(frame.columns),
            expected=f"a column {arm!r} with {', '.join(labels)}",
        )
    unknown = sorted(set(arms.to_list()) - set(labels))
    if unknown or set(labels) - set(arms.to_list()):
        raise EvidenceError(
            "the risk table and the points are of other arms",
            where="at_risk",
            found=", ".join(map(str, arms.unique(maintain_order=True))),
            expected=", ".join(labels),
        )
    return frame.select("time", "at_risk").with_columns(arms.alias("arm"))


def numbers(frame: pl.DataFrame, name: str, where: str) -> Floats:
    column = frame[name].cast(pl.Float64, strict=False)
    bad = [i for i, v in enumerate(column) if v is None or not np.isfinite(v)]
    if bad:
        raise EvidenceError(
            "a missing or unreadable number",
            where=f"{where}, {name}, row {bad[0] + 1}",
            found=repr(frame[name][bad[0]]),
            expected="a finite number",
        )
    return column.to_numpy().astype(np.float64)


def read_risk(
    label: str, table: pl.DataFrame | None, n: int | None, end: float, findings: list[CurveFinding]
) -> tuple[Floats, Ints]:
    where = f"at_risk, arm {label!r}"
    if table is None or table.height == 0:
        if n is None:
            raise EvidenceError(
                "nobody says how many patients there were",
                where=where,
                found="neither at_risk nor n",
                expected="a risk table, or n",
            )
        findings.append(
            CurveFinding(
                label,
                "no risk table",
                f"n = {n}",
                "one draw has no censoring before the curve's end unless events ask for it; "
                "of several, each may have any",
            )
        )
        return np.array([0.0]), np.array([positive(n, f"n, arm {label!r}")], dtype=np.int64)
    time, risk = numbers(table, "time", where), numbers(table, "at_risk", where)
    if (np.diff(time) <= 0).any() or time[0] < 0:
        raise EvidenceError(
            "the risk table's times do not increase",
            where=where,
            found=", ".join(f"{t:g}" for t in time),
            expected="each time once, from 0",
        )
    for i, count in enumerate(risk):
        if count != int(count) or count < 0:
            raise EvidenceError(
                "not a number of patients",
                where=f"{where}, time {time[i]:g}",
                found=f"{count:g}",
                expected="a whole number, zero or more",
            )
    rising = np.flatnonzero(np.diff(risk) > 0)
    if rising.size:
        i = int(rising[0])
        raise EvidenceError(
            "the number at risk rises",
            where=f"{where}, time {time[i + 1]:g}",
            found=f"{risk[i]:g}, then {risk[i + 1]:g}",
            expected="numbers that fall or stay",
        )
    if time[-1] > UNITS_APART * end and risk[-1] > 0:
        raise EvidenceError(
            "the risk table runs far beyond the curve",
            where=where,
            found=f"{risk[-1]:g} at risk at {time[-1]:g}; the last point is at {end:g}",
            expected="both in one unit of time",
            try_="see whether one is in months and the other in years",
        )
    if time[0] > 0:
        if n is None or n < risk[0]:
            raise EvidenceError(
                "the number at the start is not known" if n is None else "fewer patients than were at risk",
                where=f"n, arm {label!r}",
                found=f"n = {n}; the table begins at {time[0]:g} with {risk[0]:g}",
                expected=f"n of at least {risk[0]:g}",
            )
        time, risk = np.append(0.0, time), np.append(float(n), risk)
    elif n is not None and n != risk[0]:
        raise EvidenceError(
            "fewer patients than were at risk" if n < risk[0] else "n is not the number at risk at time 0",
            where=f"n, arm {label!r}",
            found=f"n = {n}; at risk at time 0: {risk[0]:g}",
            expected="the same number",
        )
    positive(int(risk[0]), where)
    return time, risk.astype(np.int64)


def positive(n: int, where: str) -> int:
    if n < 1:
        raise EvidenceError("no patients", where=where, found=str(n), expected="at least one")
    return n


def of_arm(value: int | Mapping[str, int] | None, label: str, labels: list[str], name: str) -> int | None:
    if isinstance(value, Mapping):
        if set(map(str, value)) - set(labels):
            raise EvidenceError(
                "an unknown arm", where=name, found=", ".join(map(str, value)), expected=", ".join(labels)
            )
        value = {str(k): v for k, v in value.items()}.get(label)
    elif value is not None and len(labels) > 1:
        raise EvidenceError(
            "one number for several arms",
            where=name,
            found=repr(value),
            expected=f"a number for each arm: {{{', '.join(f'{a!r}: ...' for a in labels)}}}",
        )
    if value is None:
        return None
    if value != int(value) or value < 0:
        raise EvidenceError(
            "not a count", where=f"{name}, arm {label!r}", found=repr(value), expected="a whole number"
        )
    return int(value)
