"""What of a laboratory's values a study's files hold: some are missing, one center writes other units.

A trial of the engine is recorded whole.  The demo's is recorded as real trials are, so that its report
shows what that does; people act on what is recorded, and so the committee's decisions fit it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.protocol.schema import MeasureSpec
from flarefree.simulation.cohort import Cohort
from flarefree.simulation.enrollment import centers_of
from flarefree.simulation.measuring import MEASURES
from flarefree.simulation.streams import Purpose
from flarefree.units import conversion_factor, convert

__all__ = ["SI_UNIT", "Recording", "highest_possible"]

Floats = npt.NDArray[np.float64]

SI_UNIT = "umol/L"
_BLOCKS = 16
"""Blocks of four words a day: one word a measure."""

assert len(MEASURES) <= 4 * _BLOCKS


@dataclass(frozen=True, slots=True)
class Recording:
    """How a virtual trial's values are recorded.

    Attributes
    ----------
    missing : float
        Share of values that were not taken, of any measure on any day after day 1.
    si_center : str
        Name of the center that reports creatinine in whole umol/L; empty for none.
    """

    missing: float = 0.0
    si_center: str = ""

    def apply(
        self,
        cohort: Cohort,
        days: npt.NDArray[np.int32],
        values: MutableMapping[str, Floats],
        measures: Mapping[str, MeasureSpec],
    ) -> None:
        """Change reported values, each (n, v) and in the protocol's unit, to what was recorded of them."""
        if self.si_center and "creatinine" in values and "creatinine" in measures:
            rows = self.in_si_units(cohort)
            unit = measures["creatinine"].unit
            values["creatinine"] = values["creatinine"].copy()
            values["creatinine"][rows] = convert(
                in_whole_si_units(values["creatinine"][rows], unit), SI_UNIT, unit, "creatinine"
            )
        if self.missing <= 0.0:
            return
        for name in [name for name in values if name in MEASURES]:
            is_lost = self._is_lost(cohort, days, name)
            values[name] = np.where(is_lost, np.nan, values[name])

    def in_si_units(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        """Whose creatinine is in umol/L: (n,)."""
        here = [k for k, center in enumerate(centers_of(cohort.population)) if center.name == self.si_center]
        return np.isin(cohort.site, here) if self.si_center else np.zeros(len(cohort), dtype=bool)

    def _is_lost(self, cohort: Cohort, days: npt.NDArray[np.int32], name: str) -> npt.NDArray[np.bool_]:
        number = tuple(MEASURES).index(name)
        block = np.maximum(days, 0).astype(np.int64) * _BLOCKS + number // 4
        words = cohort.streams.words(
            cohort.trial[:, None], cohort.patient[:, None], block, int(Purpose.RECORDING)
        )
        luck: Any = (words[..., number % 4].astype(np.float64) + 0.5) / 2.0**32
        return np.asarray((luck < self.missing) & (days > 1))


@lru_cache(maxsize=1024)
def _highest(top: float, digits: int | None) -> float:
    """The highest possible value that can be written in so many digits."""
    return top if digits is None else math.floor(top * 10.0**digits) / 10.0**digits


def highest_possible(spec: MeasureSpec) -> float:
    """The highest value that a laboratory reports, in the protocol's unit; infinite where nothing limits it.

    The model's logarithms have no end, and a kidney that has failed would show creatinine that nobody has:
    no laboratory reports a value that the protocol calls impossible without measuring again.
    """
    if spec.type != "number" or spec.equation or spec.plausible[1] is None:
        return math.inf
    return _highest(float(spec.plausible[1]), spec.digits)


def in_whole_si_units(values: Floats, unit: str) -> Floats:
    """Creatinine in whole umol/L, from a protocol's unit."""
    factor = conversion_factor(unit, SI_UNIT, "creatinine")
    return np.rint(factor.apply(values)) if factor is not None else values
