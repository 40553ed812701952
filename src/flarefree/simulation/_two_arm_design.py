"""What a two-arm trial is to be: settings, checked once, and the replay of any of its patients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flarefree.errors import StatsError
from flarefree.simulation._two_arm_draws import patient_times
from flarefree.simulation.streams import Purpose, Streams, require_whole

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ARMS", "TwoArmDesign", "checked_design"]

ARMS = ("control", "treatment")


@dataclass(frozen=True, slots=True)
class TwoArmDesign:
    """What is simulated; made by `simulate_two_arm`, where the names are explained."""

    n_per_arm: int
    control_failure: float
    treatment_failure: float
    horizon_months: float
    seed: int
    dropout: tuple[float, float] = (0.0, 0.0)
    accrual_months: float = 0.0
    study_months: float = 0.0
    level: float = 0.05

    @property
    def hazard_ratio(self) -> float:
        """Of treatment over control."""
        return math.log1p(-self.treatment_failure) / math.log1p(-self.control_failure)

    def means(self, by_horizon: tuple[float, float]) -> np.ndarray:
        """Mean times, months, of exponential times of which these parts are over by the horizon."""
        return np.array([-self.horizon_months / math.log1p(-p) if p > 0 else math.inf for p in by_horizon])

    @property
    def failure_means(self) -> np.ndarray:
        """Mean times to failure, months, by arm."""
        return self.means((self.control_failure, self.treatment_failure))

    @property
    def dropout_means(self) -> np.ndarray:
        """Mean times to drop-out, months, by arm; infinite without."""
        return self.means(self.dropout)

    def patients(self, trial: int, patient: int | None = None) -> pl.DataFrame:
        """Replay one trial, or one patient of it.

        Columns `patient`, `arm`, `entry_months` from the study's start, `time_months` from entry, `failed`.
        """
        import polars as pl

        require_whole(trial, "trial", 0, 2**32 - 1)
        if patient is not None:
            require_whole(patient, "patient", 0, 2 * self.n_per_arm - 1)
        who = np.arange(2 * self.n_per_arm) if patient is None else np.array([patient])
        words = Streams(self.seed).words(trial, who, 0, int(Purpose.TWO_ARM))
        out = np.empty((who.size, 3))
        means = (self.failure_means, self.dropout_means)
        patient_times(words, who, *means, self.accrual_months, self.study_months, out)
        return pl.DataFrame(
            {
                "patient": who,
                "arm": [ARMS[p & 1] for p in who],
                "entry_months": out[:, 0],
                "time_months": out[:, 1],
                "failed": out[:, 2] == 1.0,
            }
        )


def checked_design(
    n_per_arm: int, control: float, treatment: float, horizon: float, seed: int, dropout: Any, accrual: float,
    study: float | None, level: float,
) -> TwoArmDesign:  # fmt: skip
    require_whole(n_per_arm, "n_per_arm", 1, 2**24)
    _require(control, "control_failure", 0.0, 1.0)
    _require(treatment, "treatment_failure", 0.0, 1.0)
    _require(horizon, "horizon_months", 0.0, 12_000.0)
    _require(accrual, "accrual_months", 0.0, 12_000.0, or_least=True)
    _require(level, "level", 0.0, 1.0)
    drops = tuple(dropout) if isinstance(dropout, (tuple, list)) else (dropout, dropout)
    if len(drops) != 2:
        raise StatsError(
            "neither one number nor one an arm",
            where="dropout",
            found=repr(dropout),
            expected="a number, or one for control and one for treatment: 0.1, or (0.1, 0.2)",
        )
    for drop in drops:
        _require(drop, "dropout", 0.0, 1.0, or_least=True)
    require_whole(seed, "seed", 0, 2**64 - 1)
    close = accrual + horizon if study is None else study
    _require(close, "study_months", float(accrual), 36_000.0, try_="a study that closes after its accrual")
    return TwoArmDesign(
        int(n_per_arm), float(control), float(treatment), float(horizon), int(seed),
        (float(drops[0]), float(drops[1])), float(accrual), float(close), float(level),
    )  # fmt: skip


def _require(
    value: Any, name: str, least: float, most: float, *, or_least: bool = False, try_: str = ""
) -> None:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not (least < value < most or (or_least and value == least)):
        raise StatsError(
            "out of range",
            where=name,
            found=repr(value),
            expected=f"a number {'from' if or_least else 'above'} {least:g} and below {most:g}",
            try_=try_,
        )
