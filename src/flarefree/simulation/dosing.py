"""Doses, prednisone and other drugs of virtual patients as rows, by the regimens of their protocol.

What only a study folder needs.  A patient's usual part of the target dose and the cut for leukopenia are the
cohort's own, since flares follow them; steps of tablets, short interruptions and prednisone are drawn here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flarefree.errors import DesignError
from flarefree.simulation._course_kernels import STATE
from flarefree.simulation.cohort import Cohort
from flarefree.simulation.streams import Purpose

if TYPE_CHECKING:
    import polars as pl

    from flarefree.protocol.schema import Regimen

__all__ = ["concomitant_drugs", "doses", "prednisone"]

Days = npt.NDArray[np.int32]

_STEPS = {"g": 0.25, "mg": 25.0}
_SMALL_STEPS = {"tacrolimus": 0.5, "prednisone": 2.5, "voclosporin": 7.9}
_TWICE = ("mycophenol", "tacrolimus", "ciclosporin", "cyclosporin", "voclosporin")
_INTERRUPTS = 0.12  # share of patients who stop for some days once (assumed)
_GLUCOCORTICOIDS = ("predniso", "dexamethasone", "deflazacort", "hydrocortisone")


def doses(cohort: Cohort, end_day: Days, regimens: Sequence[Sequence[Regimen]]) -> pl.DataFrame:
    """What each patient took of the drugs of its arm, and of its placebos, to the same schedule.

    Parameters
    ----------
    cohort : Cohort
    end_day : (n,) int32
        Last study day of treatment.
    regimens : sequence of sequences of Regimen
        Of each arm, as in the protocol; glucocorticoids are left to `prednisone`.

    Returns
    -------
    polars.DataFrame
        `patient`, `drug`, `is_placebo`, `dose` (a day), `unit`, `frequency`, `start`, `end`.

    Raises
    ------
    DesignError
        A target dose that cannot be read.
    """
    import polars as pl

    rows: list[tuple[Any, ...]] = []
    u = _uniforms(cohort, 0)
    weight = cohort.covariates["weight"]
    for i in range(len(cohort)):
        pieces = tuple(_pieces(cohort, i, int(end_day[i]), u[i]))
        own = regimens[cohort.arm[i]]
        for regimen in own:
            if regimen.drug.lower().startswith(_GLUCOCORTICOIDS):
                continue
            begins = [r.from_day for r in own if r.drug == regimen.drug and r.from_day > regimen.from_day]
            rows += _taken(i, regimen, min(begins, default=10**6) - 1, pieces, float(weight[i]))
    schema = {
        "patient": pl.Int32, "drug": pl.String, "is_placebo": pl.Boolean, "dose": pl.Float64,
        "unit": pl.String, "frequency": pl.String, "start": pl.Int32, "end": pl.Int32,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row").sort("patient", "drug", "start")


def _pieces(cohort: Cohort, i: int, end: int, u: npt.NDArray[np.float64]) -> Iterator[tuple[int, int, float]]:
    """Stretches of days with one part of the target: usual, cut for leukopenia, and short stops."""
    p, usual = cohort.parameters, float(cohort.state[STATE.dose, i])
    changes: list[tuple[int, int, float]] = []
    cut = float(cohort.state[STATE.leukopenia, i])
    if cut < end:
        changes.append((int(cut) + 1, int(cut + p.cut_days), usual * p.cut_to))
    if u[0] < _INTERRUPTS and end > 60:
        start = 20 + int(u[1] * (end - 40))
        changes.append((start, start + 2 + int(u[2] * 12), 0.0))
    stops = cohort.treatments[cohort.arm[i]].stop_day
    last = min(end, stops) if stops else end
    at = 1
    for start, stop, part in sorted(changes):
        if start > last or start < at:
            continue
        if start > at:
            yield at, start - 1, usual
        yield start, min(stop, last), part
        at = min(stop, last) + 1
    if at <= last:
        yield at, last, usual


def _taken(
    i: int, regimen: Regimen, before_next: int, pieces: tuple[tuple[int, int, float], ...], weight: float
) -> Iterator[tuple[Any, ...]]:
    target, unit = _daily(regimen, weight)
    least = _daily(regimen, weight, minimum=True)[0] if regimen.minimum else 0.0
    step = next((s for d, s in _SMALL_STEPS.items() if d in regimen.drug.lower()), _STEPS.get(unit, 1.0))
    until = regimen.until
    last = before_next if until is None else min(1 + round(float(until)), before_next)
    frequency = "BID" if any(d in regimen.drug.lower() for d in _TWICE) else "QD"
    for start, stop, part in pieces:
        begin, end = max(start, regimen.from_day), min(stop, last)
        if begin > end or part == 0.0:
            continue
        dose = 0.0 if regimen.is_placebo and not target else max(round(target * part / step) * step, least)
        yield i, regimen.drug, regimen.is_placebo, dose, unit, frequency, begin, end


def _daily(regimen: Regimen, weight: float, *, minimum: bool = False) -> tuple[float, str]:
    """A dose a day and its unit, of texts like `2 g/day` and `2 mg/kg/day`; a placebo may have none."""
    text = regimen.minimum if minimum else regimen.target
    if not text and regimen.is_placebo:
        return 0.0, ""
    try:
        amount, unit = text.split(maxsplit=1)
        parts = unit.split("/")
        number = float(amount) * (weight if "kg" in parts[1:] else 1.0)
    except (ValueError, IndexError):
        parts, number = [], float("nan")
    if not parts or parts[-1] != "day" or not number >= 0.0:
        raise DesignError(
            "not a daily dose",
            where=f"regimen of {regimen.drug}",
            found=text or "nothing",
            expected="a dose such as 2 g/day or 2 mg/kg/day",
        )
    return number, parts[0]


def prednisone(cohort: Cohort, end_day: Days) -> pl.DataFrame:
    """Prednisone through the trial, up to 10 mg a day and tapered; one patient in nine exceeds it once.

    Returns
    -------
    polars.DataFrame
        `patient`, `dose` (mg a day), `start`, `end`.  In ALMS 90.4 and 86.5 % never took more than 10 mg
        [dooley2011]; that it depends on nothing is assumed.
    """
    import polars as pl

    u = _uniforms(cohort, 1)
    rows: list[tuple[int, float, int, int]] = []
    for i in range(len(cohort)):
        last = int(end_day[i])
        first = 10.0 if u[i, 0] < 0.5 else 7.5 if u[i, 0] < 0.7 else 5.0
        change = 120 + int(280 * u[i, 1])
        rows.append((i, first, -20, min(change, last)))
        if change < last:
            rows.append((i, max(2.5, first - 2.5), change + 1, last))
        if u[i, 2] < 0.13 and last > 60:
            start = 30 + int(u[i, 3] * (last - 50))
            rows.append((i, 15.0, start, min(last, start + 14)))
    schema = {"patient": pl.Int32, "dose": pl.Float64, "start": pl.Int32, "end": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("patient", "start", "dose")


_OTHERS = (
    ("Hydroxychloroquine", "Antimalarials", "Systemic lupus erythematosus", 0.55, 200.0, "QD"),
    ("Enalapril", "ACE inhibitors", "Proteinuria", 0.40, 10.0, "QD"),
    ("Losartan", "Angiotensin-receptor blockers", "Hypertension", 0.22, 50.0, "QD"),
    ("Atorvastatin", "Lipid modifying agents", "Hyperlipidemia", 0.20, 20.0, "QD"),
    ("Calcium carbonate with vitamin D", "Minerals", "Osteoporosis prophylaxis", 0.60, 1000.0, "QD"),
)


def concomitant_drugs(cohort: Cohort, end_day: Days, prohibited: Sequence[str] = ()) -> pl.DataFrame:
    """Drugs taken all along beside the trial's; shares are assumed.

    Parameters
    ----------
    prohibited : sequence of str
        Words of drugs or classes that the protocol forbids (compared without case or plural).

    Returns
    -------
    polars.DataFrame
        `patient`, `drug`, `drug_class`, `indication`, `dose` (mg a day), `frequency`, `start`, `end`.
    """
    import polars as pl

    forbidden = {word.lower().rstrip("s") for word in prohibited}
    rows: list[tuple[Any, ...]] = []
    for k, (drug, group, indication, share, dose, frequency) in enumerate(_OTHERS):
        if {drug.lower().rstrip("s"), group.lower().rstrip("s")} & forbidden:
            continue
        u = _uniforms(cohort, 16 + k)
        for i in np.flatnonzero(u[:, 0] < share).tolist():
            start = -int(30 + 300 * u[i, 1])
            rows.append((i, drug, group, indication, dose, frequency, start, int(end_day[i])))
    schema = {
        "patient": pl.Int32, "drug": pl.String, "drug_class": pl.String, "indication": pl.String,
        "dose": pl.Float64, "frequency": pl.String, "start": pl.Int32, "end": pl.Int32,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row").sort("patient", "drug")


def _uniforms(cohort: Cohort, block: int) -> npt.NDArray[np.float64]:
    words = cohort.streams.words(cohort.trial, cohort.patient, block, int(Purpose.DOSES))
    return (words.astype(np.float64) + 0.5) / 2.0**32
