"""Adverse events of virtual patients as rows: marked Poisson processes by term and treatment, with a frailty.

What only a study folder needs, drawn from streams of its own and independent of what is measured, but for
leukopenia and liver dysfunction, which blood counts, doses and withdrawals follow (`cohort.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flarefree.simulation._course_kernels import STATE
from flarefree.simulation.cohort import NO_DAY, Cohort
from flarefree.simulation.streams import Purpose
from flarefree.studytime import DAYS_PER_YEAR

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TERMS", "Term", "adverse_events"]

Days = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

_INFECTION = "Infections and infestations"
_GUT = "Gastrointestinal disorders"
_BLOOD = "Blood and lymphatic system disorders"
_MUSCLE = "Musculoskeletal and connective tissue disorders"
_KIDNEY = "Renal and urinary disorders"
_LAB = "Investigations"
_EVENTS_OF_A_TERM = 1 << 12  # words of one term's events: visit = term * this + number
_STOPPING = 200  # a place beyond the terms, for words of the events that end participation
_STOPPING_SERIOUS = 0.05


@dataclass(frozen=True, slots=True)
class Term:
    """One preferred term.

    Attributes
    ----------
    rates : mapping of treatment name to events a year
        Before the patient's own tendency, whose mean is 1; "" for any other treatment.
    serious : mapping of treatment name to the share that is serious
    latent : int or None
        Row of the cohort's state with the day of the first one; `rates` are not used then.
    """

    name: str
    system: str
    rates: Mapping[str, float]
    serious: Mapping[str, float]
    latent: int | None = None


def _term(
    name: str,
    system: str,
    mmf: float,
    aza: float,
    serious: float | tuple[float, float] = 0.0,
    latent: int | None = None,
) -> Term:
    first, second = serious if isinstance(serious, tuple) else (serious, serious)
    return Term(name, system, {"": mmf, "AZA": aza}, {"": first, "AZA": second}, latent)


# ALMS: terms and serious counts of [dooley2011] Table 2 and text (98.3 and 97.3 % with any, infections 79.1
# and 78.4 %, serious ones 9.6 and 11.7 %); how the rest is shared out among terms is assumed.
_ALMS_TERMS = (
    _term("Upper respiratory tract infection", _INFECTION, 0.36, 0.43, 0.005),
    _term("Urinary tract infection", _INFECTION, 0.20, 0.24, (0.05, 0.05)),
    _term("Nasopharyngitis", _INFECTION, 0.17, 0.22),
    _term("Herpes zoster", _INFECTION, 0.06, 0.08, (0.10, 0.12)),
    _term("Pneumonia", _INFECTION, 0.014, 0.012, 0.55),
    _term("Gastroenteritis", _INFECTION, 0.11, 0.08, (0.10, 0.12)),
    _term("Cellulitis", _INFECTION, 0.02, 0.03, (0.30, 0.35)),
    _term("Appendicitis", _INFECTION, 0.001, 0.007, 1.0),
    _term("Diarrhoea", _GUT, 0.26, 0.12, 0.01),
    _term("Nausea", _GUT, 0.14, 0.18),
    _term("Abdominal pain", _GUT, 0.12, 0.10, 0.02),
    _term("Vomiting", _GUT, 0.10, 0.09, 0.01),
    _term("Leukopenia", _BLOOD, 0.0, 0.0, (0.0, 0.15), STATE.leukopenia),
    _term("Anaemia", _BLOOD, 0.06, 0.08, (0.02, 0.05)),
    _term("Headache", "Nervous system disorders", 0.19, 0.20),
    _term("Arthralgia", _MUSCLE, 0.16, 0.17),
    _term("Systemic lupus erythematosus", _MUSCLE, 0.025, 0.025, (0.45, 0.40)),
    _term("Back pain", _MUSCLE, 0.08, 0.08),
    _term("Rash", "Skin and subcutaneous tissue disorders", 0.11, 0.11),
    _term("Alopecia", "Skin and subcutaneous tissue disorders", 0.06, 0.10),
    _term("Hypertension", "Vascular disorders", 0.10, 0.09, 0.02),
    _term("Cough", "Respiratory, thoracic and mediastinal disorders", 0.12, 0.11),
    _term("Hepatic enzyme increased", _LAB, 0.0, 0.0, (0.02, 0.04), STATE.liver),
    _term("Lupus nephritis", _KIDNEY, 0.010, 0.030, (0.25, 0.45)),
    _term("Uterine carcinoma in situ", "Neoplasms benign, malignant and unspecified", 0.0005, 0.004, 1.0),
    _term("Deep vein thrombosis", "Vascular disorders", 0.012, 0.020, 0.80),
    _term("Surgery", "Surgical and medical procedures", 0.024, 0.052, 0.90),
)

# Multitarget trial: rates per 100 patient-years of [zhang2017] Table 2; 0.3 where none was seen.
_MULTITARGET_TERMS = (
    _term("Herpes zoster", _INFECTION, 0.0122, 0.0178),
    _term("Pneumonia", _INFECTION, 0.0122, 0.003, 0.95),
    _term("Upper respiratory tract infection", _INFECTION, 0.0427, 0.0534),
    _term("Herpes simplex", _INFECTION, 0.0061, 0.003),
    _term("Urinary tract infection", _INFECTION, 0.003, 0.0089),
    _term("Liver dysfunction", "Hepatobiliary disorders", 0.0, 0.0, (0.0, 0.17), STATE.liver),
    _term("Leukopenia", _BLOOD, 0.0, 0.0, (0.0, 0.09), STATE.leukopenia),
    _term("Osteonecrosis", _MUSCLE, 0.0061, 0.0089),
    _term("Upper gastrointestinal symptoms", _GUT, 0.0061, 0.0445),
    _term("Menstrual disorder", "Reproductive system and breast disorders", 0.003, 0.0178),
)

TERMS: Mapping[str, tuple[Term, ...]] = {"ALMS": _ALMS_TERMS, "multitarget": _MULTITARGET_TERMS}
"""Terms by population; a population of your own has those of ALMS."""

_SEVERITIES = ("MILD", "MODERATE", "SEVERE")
_LATEST = {"nonserious": 14, "serious": 30}  # days after the end of participation


def adverse_events(cohort: Cohort, end_day: Days, *, stops: Flags, failed: Flags) -> pl.DataFrame:
    """Adverse events up to some days past each patient's end.

    Parameters
    ----------
    cohort : Cohort
    end_day : (n,) int32
        Last study day of participation.
    stops : (n,) bool
        Whether the withdrawal is labeled an adverse event; it then has one that says so.
    failed : (n,) bool
        Whether that withdrawal was at a treatment failure: the event is lupus nephritis.

    Returns
    -------
    polars.DataFrame
        `patient` (row of the cohort), `start`, `end` (study days), `term`, `system`, `severity`, `serious`,
        `fatal`, `action`; by patient, day and term.
    """
    import polars as pl

    rows = [*_usual(cohort, end_day), *_stopping(cohort, end_day, stops, failed), *_fatal(cohort, end_day)]
    schema = {
        "patient": pl.Int32, "start": pl.Int32, "end": pl.Int32, "term": pl.String, "system": pl.String,
        "severity": pl.String, "serious": pl.Boolean, "fatal": pl.Boolean, "action": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row").sort(
        "patient", "start", "term", "action", "end", "severity", "serious"
    )


def _usual(cohort: Cohort, end_day: Days) -> Iterator[tuple[Any, ...]]:
    names = [t.name for t in cohort.treatments]
    last = end_day.astype(np.int64) + _LATEST["serious"]
    for number, term in enumerate(TERMS.get(cohort.population.name, _ALMS_TERMS)):
        rate = np.array([term.rates.get(n, term.rates[""]) for n in names])[cohort.arm]
        share = np.array([term.serious.get(n, term.serious[""]) for n in names])[cohort.arm]
        for patient, start, u in _starts(cohort, term, number, rate * cohort.state[STATE.ae_tendency], last):
            serious = bool(u[1] < share[patient])
            if start > end_day[patient] + _LATEST["serious" if serious else "nonserious"]:
                continue
            length = 1 + int(-12.0 * (2.0 if serious else 1.0) * math.log(u[2]))
            action = "DOSE REDUCED" if term.latent == STATE.leukopenia else "DOSE NOT CHANGED"
            severity = _severity(serious, float(u[3]))
            yield patient, start, start + length, term.name, term.system, severity, serious, False, action


def _starts(
    cohort: Cohort, term: Term, number: int, rate: npt.NDArray[np.float64], last: npt.NDArray[np.int64]
) -> Iterator[tuple[int, int, npt.NDArray[np.float64]]]:
    """Events of one term: row, study day, and the four uniform numbers of its block."""
    if term.latent is not None:
        u = _block(cohort, np.arange(len(cohort)), number * _EVENTS_OF_A_TERM)
        day = np.minimum(cohort.state[term.latent], NO_DAY - 2).astype(np.int64) + 1
        for row in np.flatnonzero(day <= last).tolist():
            yield row, int(day[row]), u[row]
        return
    at = np.zeros(len(cohort))
    rows = np.flatnonzero(rate > 0)
    for k in range(_EVENTS_OF_A_TERM):
        if not len(rows):
            return
        u = _block(cohort, rows, number * _EVENTS_OF_A_TERM + k)
        at[rows] -= np.log(u[:, 0]) * DAYS_PER_YEAR / rate[rows]
        seen = np.floor(at[rows]) + 1 <= last[rows]
        for row, own in zip(rows[seen].tolist(), u[seen], strict=True):
            yield row, int(at[row]) + 1, own
        rows = rows[seen]


def _stopping(cohort: Cohort, end_day: Days, stops: Flags, failed: Flags) -> Iterator[tuple[Any, ...]]:
    """The event for which a patient left: lupus nephritis at a failure, else one of the usual terms."""
    rows = np.flatnonzero(stops)
    u = _block(cohort, rows, _STOPPING * _EVENTS_OF_A_TERM)
    usual = TERMS.get(cohort.population.name, _ALMS_TERMS)
    terms = [t for t in usual if t.latent is not None or max(t.rates.values()) >= 0.04]
    terms = [t for t in terms if t.name != "Lupus nephritis"]
    for row, own in zip(rows.tolist(), u, strict=True):
        name, system = "Lupus nephritis", _KIDNEY
        if not failed[row]:
            chosen = terms[int(own[0] * len(terms))]
            name, system = chosen.name, chosen.system
        end = int(end_day[row])
        start = max(end - 1 - int(own[1] * 14.0), 2)
        serious = bool(own[2] < _STOPPING_SERIOUS)
        severity = "SEVERE" if serious else "MODERATE"
        yield row, start, max(end, start), name, system, severity, serious, False, "DRUG WITHDRAWN"


def _fatal(cohort: Cohort, end_day: Days) -> Iterator[tuple[Any, ...]]:
    """The one death of [dooley2011] was a traffic accident; so are these."""
    for row in np.flatnonzero(cohort.death_day <= end_day).tolist():
        day = int(cohort.death_day[row])
        system = "Injury, poisoning and procedural complications"
        yield row, day, day, "Road traffic accident", system, "SEVERE", True, True, "NOT APPLICABLE"


def _block(cohort: Cohort, rows: npt.NDArray[np.int64], visit: int) -> npt.NDArray[np.float64]:
    words = cohort.streams.words(cohort.trial[rows], cohort.patient[rows], visit, int(Purpose.ADVERSE_EVENTS))
    return (words.astype(np.float64) + 0.5) / 2.0**32


def _severity(serious: bool, u: float) -> str:
    cuts = (0.10, 0.50) if serious else (0.65, 0.96)
    return _SEVERITIES[int(u >= cuts[0]) + int(u >= cuts[1])]
