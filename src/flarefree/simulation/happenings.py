"""What happens to virtual patients beside their kidneys: adverse events, doses, leaving the trial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.simulation.patients import Patients
from flarefree.studytime import DAYS_PER_YEAR

__all__ = ["Endings", "adverse_events", "exposures", "independent_endings", "prednisone"]

Numbers = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]

_LAST_DAY = 1096
_LEAVES_PER_YEAR = {"MMF": 0.091, "AZA": 0.095}
# Labels of withdrawals that are no treatment failure: adverse event 45% in both arms, which with the
# failures' own label gives the 29 and 44 withdrawals for adverse events of [dooley2011].
_OTHER_REASONS = (
    ("ADVERSE EVENT", 0.45),
    ("WITHDRAWAL BY SUBJECT", 0.25),
    ("LOST TO FOLLOW-UP", 0.15),
    ("PROTOCOL DEVIATION", 0.08),
    ("PHYSICIAN DECISION", 0.07),
)

# Preferred term, body system, events per year under MMF and AZA, share serious.
_TERMS: tuple[tuple[str, str, float, float, float], ...] = (
    ("Upper respiratory tract infection", "Infections and infestations", 0.28, 0.27, 0.00),
    ("Urinary tract infection", "Infections and infestations", 0.16, 0.15, 0.02),
    ("Nasopharyngitis", "Infections and infestations", 0.14, 0.14, 0.00),
    ("Herpes zoster", "Infections and infestations", 0.05, 0.06, 0.03),
    ("Pneumonia", "Infections and infestations", 0.012, 0.012, 0.50),
    ("Gastroenteritis", "Infections and infestations", 0.09, 0.06, 0.03),
    ("Appendicitis", "Infections and infestations", 0.001, 0.006, 0.95),
    ("Diarrhoea", "Gastrointestinal disorders", 0.22, 0.10, 0.01),
    ("Nausea", "Gastrointestinal disorders", 0.12, 0.15, 0.00),
    ("Abdominal pain", "Gastrointestinal disorders", 0.10, 0.08, 0.02),
    ("Vomiting", "Gastrointestinal disorders", 0.08, 0.07, 0.01),
    ("Leukopenia", "Blood and lymphatic system disorders", 0.03, 0.11, 0.08),
    ("Anaemia", "Blood and lymphatic system disorders", 0.05, 0.06, 0.03),
    ("Headache", "Nervous system disorders", 0.16, 0.17, 0.00),
    ("Arthralgia", "Musculoskeletal and connective tissue disorders", 0.13, 0.14, 0.00),
    ("Systemic lupus erythematosus", "Musculoskeletal and connective tissue disorders", 0.02, 0.02, 0.40),
    ("Back pain", "Musculoskeletal and connective tissue disorders", 0.06, 0.06, 0.00),
    ("Rash", "Skin and subcutaneous tissue disorders", 0.09, 0.09, 0.00),
    ("Alopecia", "Skin and subcutaneous tissue disorders", 0.05, 0.08, 0.00),
    ("Hypertension", "Vascular disorders", 0.08, 0.07, 0.01),
    ("Cough", "Respiratory, thoracic and mediastinal disorders", 0.10, 0.09, 0.00),
    ("Hepatic enzyme increased", "Investigations", 0.02, 0.06, 0.03),
    ("Lupus nephritis", "Renal and urinary disorders", 0.01, 0.03, 0.55),
)
_TENDENCY_SD = 0.45


@dataclass(frozen=True, slots=True)
class Endings:
    """When and why patients leave; arrays of shape (n,).  Completers leave on their last visit."""

    day: Days
    status: npt.NDArray[np.str_]

    def keep_until(self, frame: pl.DataFrame, column: str, *, days_after: int = 0) -> pl.DataFrame:
        """The rows of `frame` whose `column` is no later than their patient's end."""
        last = self.day[frame.get_column("patient").to_numpy()] + days_after
        return frame.filter(pl.Series(frame.get_column(column).to_numpy() <= last, dtype=pl.Boolean))


def independent_endings(
    patients: Patients, last_visit: Days, death_day: Numbers, rng: np.random.Generator
) -> Endings:
    """Leaving for reasons that are no treatment failure, or death, or completion, whichever is first."""
    rate = np.array([_LEAVES_PER_YEAR[a] for a in patients.arm.tolist()])
    leaves = np.ceil(rng.exponential(DAYS_PER_YEAR / rate)).clip(5)
    reasons = rng.choice([r for r, _ in _OTHER_REASONS], len(patients), p=[p for _, p in _OTHER_REASONS])
    status = np.where(leaves < last_visit, reasons, "COMPLETED").astype(object)
    day = np.minimum(leaves, last_visit)
    died = death_day <= day
    status[died] = "DEATH"
    return Endings(np.where(died, death_day, day).astype(np.int32), status.astype(str))


def adverse_events(patients: Patients, endings: Endings, rng: np.random.Generator) -> pl.DataFrame:
    """Adverse events up to 14 days past each patient's end, in day order within patient."""
    n = len(patients)
    tendency = np.exp(rng.normal(-(_TENDENCY_SD**2) / 2, _TENDENCY_SD, n))
    rows = []
    for term, system, mmf, aza, serious_share in _TERMS:
        rate = np.where(patients.arm == "MMF", mmf, aza) * tendency
        counts = rng.poisson(rate * _LAST_DAY / DAYS_PER_YEAR)
        for i in np.flatnonzero(counts).tolist():
            for start in np.sort(rng.integers(2, _LAST_DAY, counts[i])).tolist():
                serious = bool(rng.random() < serious_share)
                length = int(np.ceil(rng.exponential(12)))
                severity = str(
                    rng.choice(
                        ("MILD", "MODERATE", "SEVERE"), p=(0.1, 0.4, 0.5) if serious else (0.65, 0.31, 0.04)
                    )
                )
                rows.append((i, start, start + length, term, system, serious, severity))
    names = ("patient", "start", "end", "term", "system", "serious", "severity")
    frame = pl.DataFrame(rows, schema=names, orient="row").sort("patient", "start", "term")
    return endings.keep_until(frame, "start", days_after=14)


def exposures(patients: Patients, endings: Endings, rng: np.random.Generator) -> pl.DataFrame:
    """Doses of each patient's own drug, changed now and then: mostly at target, some reduced."""
    rows = []
    for i, arm in enumerate(patients.arm.tolist()):
        target = 2.0 if arm == "MMF" else float(np.round(2 * patients.weight_kg[i] / 25) * 25)
        floor = 1.0 if arm == "MMF" else 50.0
        tolerated = 1.0 if rng.random() < 0.80 else float(rng.choice((0.5, 0.75)))
        day, last = 1, int(endings.day[i])
        while day <= last:
            share = tolerated * (0.5 if rng.random() < 0.06 else 1.0)
            dose = max(floor, target * share)
            until = min(last, day + int(rng.integers(80, 260)))
            rows.append((i, arm, _halved(dose, arm), day, until))
            day = until + 1 + (int(rng.integers(1, 12)) if rng.random() < 0.05 else 0)
    return pl.DataFrame(rows, schema=("patient", "arm", "dose", "start", "end"), orient="row")


def _halved(daily: float, arm: str) -> float:
    """Mycophenolate is taken twice a day, in steps of 250 mg; azathioprine once, in steps of 25 mg."""
    return round(daily / 2 * 4) / 4 if arm == "MMF" else round(daily / 25) * 25.0


def prednisone(patients: Patients, endings: Endings, rng: np.random.Generator) -> pl.DataFrame:
    """Prednisone through the trial, tapered; about one patient in nine exceeds 10 mg a day."""
    rows = []
    for i in range(len(patients)):
        last = int(endings.day[i])
        first_dose = float(rng.choice((10.0, 7.5, 5.0), p=(0.5, 0.2, 0.3)))
        change = int(rng.integers(120, 400))
        rows.append((i, first_dose, -20, min(change, last)))
        if change < last:
            rows.append((i, max(2.5, first_dose - 2.5), change + 1, last))
        if rng.random() < 0.115 and last > 60:
            start = int(rng.integers(30, last - 20))
            rows.append((i, 15.0, start, min(last, start + 14)))
    return pl.DataFrame(rows, schema=("patient", "dose", "start", "end"), orient="row").sort(
        "patient", "start"
    )
