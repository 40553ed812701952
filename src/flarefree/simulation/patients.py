"""Who the virtual patients are: characteristics drawn from Table 1 of ALMS.

Margins are those of [dooley2011], Table 1, both arms together; what depends on what (region on race,
weight on sex) is our assumption, stated in `docs/methods/virtual-alms-trial.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["ARMS", "Patients", "draw_patients"]

Texts = npt.NDArray[np.str_]
Numbers = npt.NDArray[np.float64]

ARMS = ("MMF", "AZA")

# Region by race: Asian patients mostly in Asia, and so on; totals near 72, 60, 47, 40, 5, 3 of 227.
_RACES = ("WHITE", "BLACK OR AFRICAN AMERICAN", "ASIAN", "OTHER")
_RACE_SHARES = (99 / 227, 23 / 227, 76 / 227, 29 / 227)
_REGIONS = ("Asia", "Latin America", "North America", "Europe", "South Africa", "Australia")
_REGION_GIVEN_RACE = {
    "WHITE": (0.01, 0.36, 0.26, 0.34, 0.01, 0.02),
    "BLACK OR AFRICAN AMERICAN": (0.00, 0.22, 0.60, 0.10, 0.08, 0.00),
    "ASIAN": (0.88, 0.00, 0.06, 0.04, 0.01, 0.01),
    "OTHER": (0.10, 0.62, 0.18, 0.06, 0.04, 0.00),
}
_COUNTRIES = {
    "Asia": ("CHN", "MYS"),
    "Latin America": ("ARG", "BRA", "MEX"),
    "North America": ("USA", "CAN"),
    "Europe": ("GBR", "DEU", "FRA"),
    "South Africa": ("ZAF",),
    "Australia": ("AUS",),
}
_CLASSES = ("III or III+V", "IV or IV+V", "V")
_CLASS_SHARES = (29 / 227, 163 / 227, 35 / 227)
_BLOCK = 4


@dataclass(frozen=True, slots=True)
class Patients:
    """Characteristics of n patients; every array has shape (n,).

    Proteinuria is in g/day, creatinine in mg/dL, as at the end of induction (day 1), true values
    without measurement error.
    """

    subject: Texts
    site: Texts
    country: Texts
    region: Texts
    sex: Texts
    age_years: Numbers
    race: Texts
    ethnicity: Texts
    weight_kg: Numbers
    biopsy_class: Texts
    induction_drug: Texts
    nephritis_years: Numbers
    lupus_years: Numbers
    arm: Texts
    proteinuria: Numbers
    creatinine: Numbers
    frailty: Numbers
    """Log hazard of a flare, mean 0 before exponentiation: exp(frailty) has mean 1."""

    def __len__(self) -> int:
        return len(self.subject)


def draw_patients(n: int, *, frailty_sd: float, rng: np.random.Generator) -> Patients:
    """Draw n patients and randomize them, stratified by induction drug, race and biopsy class."""
    race = rng.choice(_RACES, size=n, p=_RACE_SHARES)
    region = np.array([rng.choice(_REGIONS, p=_normalized(_REGION_GIVEN_RACE[r])) for r in race])
    country = np.array([rng.choice(_COUNTRIES[r]) for r in region])
    site = np.array([f"{c}{rng.integers(1, 4):02d}" for c in country])
    female = rng.random(n) < 195 / 227
    hispanic = rng.random(n) < np.where(
        region == "Latin America", 0.93, np.where(region == "Asia", 0.0, 0.25)
    )
    biopsy_class = rng.choice(_CLASSES, size=n, p=_CLASS_SHARES)
    induction_drug = rng.choice(("MMF", "IVC"), size=n, p=(0.51, 0.49))
    age = np.clip(np.exp(rng.normal(np.log(29.8), 0.34, n)), 12, 75)
    weight = np.where(female, rng.normal(62.5, 15.0, n), rng.normal(74.0, 15.5, n))
    arm = _randomize(induction_drug, race, biopsy_class, rng)
    # Medians .64 g/day and log SD .75 give means of .85 and SDs near .8 (906 ± 820, 820 ± 754 mg).
    proteinuria = np.exp(rng.normal(np.log(0.64), 0.75, n))
    creatinine = np.exp(rng.normal(np.where(female, np.log(0.78), np.log(1.0)), 0.30, n))
    numbers = [f"{s}-{i:03d}" for s, i in zip(site, _count_within(site), strict=True)]
    return Patients(
        subject=np.array(numbers),
        site=site,
        country=country,
        region=region,
        sex=np.where(female, "F", "M"),
        age_years=np.floor(age),
        race=race,
        ethnicity=np.where(hispanic, "HISPANIC OR LATINO", "NOT HISPANIC OR LATINO"),
        weight_kg=np.round(np.clip(weight, 36, 140), 1),
        biopsy_class=biopsy_class,
        induction_drug=induction_drug,
        nephritis_years=np.round(rng.gamma(0.5, 6.0, n), 1),
        lupus_years=np.round(rng.gamma(0.8, 6.7, n), 1),
        arm=arm,
        proteinuria=proteinuria,
        creatinine=creatinine,
        frailty=rng.normal(-(frailty_sd**2) / 2, frailty_sd, n),
    )


def _normalized(shares: tuple[float, ...]) -> Numbers:
    return np.asarray(shares) / sum(shares)


def _count_within(labels: Texts) -> list[int]:
    """1, 2, 3 ... within each label, in order of appearance."""
    seen: dict[str, int] = {}
    counts = []
    for label in labels.tolist():
        seen[label] = seen.get(label, 0) + 1
        counts.append(seen[label])
    return counts


def _randomize(induction: Texts, race: Texts, biopsy: Texts, rng: np.random.Generator) -> Texts:
    """Permuted blocks of four within each stratum, 1:1."""
    waiting: dict[tuple[str, str, str], list[str]] = {}
    arms = []
    for stratum in zip(induction.tolist(), race.tolist(), biopsy.tolist(), strict=True):
        block = waiting.setdefault(stratum, [])
        if not block:
            block.extend(rng.permutation(ARMS * (_BLOCK // 2)).tolist())
        arms.append(block.pop())
    return np.array(arms)
