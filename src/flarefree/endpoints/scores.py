"""Disease activity scores: SLEDAI-2K from its descriptors, BILAG grades as the assessor gave them.

A score with a missing descriptor is unknown, never the sum of what happens to be there.  The rules
that lead from examination to a descriptor or a grade belong to the assessor's form, not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

__all__ = [
    "BILAG_GRADES",
    "BILAG_NUMERIC",
    "SLEDAI_2K",
    "SLEDAI_2K_RENAL",
    "Score",
    "compute_score",
    "descriptor_measures",
]

Floats = npt.NDArray[np.float64]

SLEDAI_2K: Mapping[str, int] = MappingProxyType(
    {
        "seizure": 8,
        "psychosis": 8,
        "organic_brain_syndrome": 8,
        "visual_disturbance": 8,
        "cranial_nerve_disorder": 8,
        "lupus_headache": 8,
        "cerebrovascular_accident": 8,
        "vasculitis": 8,
        "arthritis": 4,
        "myositis": 4,
        "urinary_casts": 4,
        "hematuria": 4,
        "proteinuria": 4,
        "pyuria": 4,
        "rash": 2,
        "alopecia": 2,
        "mucosal_ulcers": 2,
        "pleurisy": 2,
        "pericarditis": 2,
        "low_complement": 2,
        "increased_dna_binding": 2,
        "fever": 1,
        "thrombocytopenia": 1,
        "leukopenia": 1,
    }
)
"""Descriptors and weights [gladman2002]; together 105."""

SLEDAI_2K_RENAL = frozenset({"urinary_casts", "hematuria", "proteinuria", "pyuria"})
"""Descriptors of the kidney, 16 points; the extrarenal score leaves them out."""

BILAG_GRADES: Mapping[str, float] = MappingProxyType({"A": 4.0, "B": 3.0, "C": 2.0, "D": 1.0, "E": 0.0})
"""BILAG-2004 grades as ordered numbers: A (severe) 4, B 3, C 2, D (inactive, once involved) 1, E (never) 0.

A protocol's measure of type `grade` may map its texts otherwise; these are the numbers to use where
nothing else is asked, so that `bilag_renal >= 4` says "grade A".
"""

BILAG_NUMERIC: Mapping[str, int] = MappingProxyType({"A": 12, "B": 8, "C": 1, "D": 0, "E": 0})
"""Weights of the numerical BILAG-2004 score [yee2010]."""

PREFIX = "sledai_"
"""Descriptors are yes/no measures under this prefix, for `proteinuria` is a laboratory value too."""


class Score(StrEnum):
    """Scores that are computed from descriptors, by the names that protocols use."""

    SLEDAI_2K = "sledai-2k"
    SLEDAI_2K_EXTRARENAL = "sledai-2k-extrarenal"

    @property
    def label(self) -> str:
        """As tables print it."""
        return "SLEDAI-2K" if self is Score.SLEDAI_2K else "SLEDAI-2K, extrarenal"

    @property
    def weights(self) -> Mapping[str, int]:
        """Descriptors that enter, with their weights."""
        if self is Score.SLEDAI_2K:
            return SLEDAI_2K
        return {name: weight for name, weight in SLEDAI_2K.items() if name not in SLEDAI_2K_RENAL}


def descriptor_measures(score: Score | str) -> tuple[str, ...]:
    """Names of the yes/no measures that a score is computed from, such as `sledai_seizure`."""
    return tuple(PREFIX + name for name in Score(score).weights)


def compute_score(score: Score | str, descriptors: Mapping[str, npt.ArrayLike]) -> Floats:
    """Sum a score's weights over the descriptors that are present.

    Parameters
    ----------
    score : Score or str
        `sledai-2k` or `sledai-2k-extrarenal`.
    descriptors : mapping of str to (n,) float
        By name without prefix: 1 present, 0 absent, NaN not assessed.

    Returns
    -------
    (n,) float64
        NaN where any descriptor is missing.

    References
    ----------
    [gladman2002] Table 1
    """
    weights = Score(score).weights
    missing = [name for name in weights if name not in descriptors]
    if missing:
        raise ValueError(f"{Score(score).label} needs {', '.join(missing)}")
    total: Floats = np.zeros(())
    for name, weight in weights.items():
        present = np.asarray(descriptors[name], dtype=np.float64)
        total = total + np.where(np.isnan(present), np.nan, np.where(present != 0, float(weight), 0.0))
    return total
