"""Statistics of what only a study folder has: adverse events and doses, as the same rows that it would hold.

Slower than the rest by far, so they are computed of fewer virtual trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flarefree.errors import DesignError
from flarefree.simulation.adverse_events import adverse_events
from flarefree.simulation.calibration.views import View
from flarefree.simulation.dosing import doses, prednisone
from flarefree.simulation.specimens import WITHDRAWAL_REASONS

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ROW_STATISTICS", "Rows"]

Floats = npt.NDArray[np.float64]

_INFECTIONS = "Infections and infestations"
_MALIGNANT = "Neoplasms benign, malignant and unspecified"
_OVER = 10.0
_REACHED = 0.8


class Rows:
    """Adverse events and doses of a view's patients, made when first asked for."""

    def __init__(self, view: View) -> None:
        self.view = view

    @cached_property
    def harm(self) -> pl.DataFrame:
        """Adverse events, as `adverse_events` gives them."""
        done = self.view.outcomes.consequences
        stops = done.reasons == WITHDRAWAL_REASONS.index("ADVERSE EVENT")
        return adverse_events(self.view.tile.cohort, done.end_days, stops=stops, failed=done.has_failed)

    @cached_property
    def doses(self) -> tuple[Floats, Floats]:
        """Mean daily dose of each patient over the days on the arm's own drug, and its part of the target."""
        view, cohort = self.view, self.view.tile.cohort
        regimens = [arm.regimens for arm in self._arms()]
        frame = doses(cohort, view.days, regimens)
        import polars as pl

        own = frame.filter(~pl.col("is_placebo")).with_columns(days=pl.col("end") - pl.col("start") + 1)
        per = own.group_by("patient", maintain_order=True).agg(
            mean=(pl.col("dose") * pl.col("days")).sum() / pl.col("days").sum()
        )
        mean = np.full(len(cohort), np.nan)
        mean[per.get_column("patient").to_numpy()] = per.get_column("mean").to_numpy()
        return mean, mean / self._targets()

    def _arms(self) -> list[Any]:
        return list(self.view.question.protocol.spec.arms.values())

    def _targets(self) -> Floats:
        """Target dose of each patient's arm a day."""
        cohort = self.view.tile.cohort
        weight = cohort.covariates["weight"]
        targets = np.empty(len(cohort))
        for number, arm in enumerate(self._arms()):
            regimen = next(r for r in arm.regimens if not r.is_placebo)
            amount, unit = regimen.target.split(maxsplit=1)
            mine = cohort.arm == number
            targets[mine] = float(amount) * (weight[mine] if "kg" in unit.split("/") else 1.0)
        return targets


def _adverse(rows: Rows, which: str) -> Floats:
    """Patients with at least one adverse event of a kind."""
    import polars as pl

    frame = rows.harm
    match which.split(" ", 1):
        case ["any"]:
            kept = frame
        case ["serious"]:
            kept = frame.filter("serious")
        case ["infection"]:
            kept = frame.filter(pl.col("system") == _INFECTIONS)
        case ["malignant"]:
            kept = frame.filter(pl.col("system") == _MALIGNANT)
        case ["serious", "infection"]:
            kept = frame.filter(pl.col("serious") & (pl.col("system") == _INFECTIONS))
        case ["serious", term]:
            kept = frame.filter(pl.col("serious") & (pl.col("term") == term))
        case ["term", term]:
            kept = frame.filter(pl.col("term") == term)
        case _:
            raise DesignError("no such kind of adverse event", where="statistic adverse", found=which)
    has = np.zeros(rows.view.days.size, dtype=np.bool_)
    has[kept.get_column("patient").to_numpy()] = True
    return rows.view.count(has)


def _summary(rows: Rows, of: Callable[[Floats], Floats], keep: Any = None) -> Floats:
    mean = rows.doses[0]
    if keep is not None:
        mean = np.where(keep, mean, np.nan)
    return np.stack([of(arm) for arm in rows.view.by_arm(mean)], axis=1)


def _dose_mean(rows: Rows, _: str) -> Floats:
    return _summary(rows, lambda x: np.nanmean(x, axis=1))


def _dose_sd(rows: Rows, _: str) -> Floats:
    return _summary(rows, lambda x: np.nanstd(x, axis=1, ddof=1))


def _dose_mean_failures(rows: Rows, _: str) -> Floats:
    has_failed = rows.view.outcomes.times[rows.view.question.primary].is_event
    return _summary(rows, _mean_if_any, has_failed)


def _mean_if_any(x: Floats) -> Floats:
    known = np.isfinite(x)
    with np.errstate(invalid="ignore"):
        return np.where(known, x, 0.0).sum(axis=1) / known.sum(axis=1)


def _dose_reached(rows: Rows, _: str) -> Floats:
    reached = rows.view.count(rows.doses[1] >= _REACHED)
    return 100.0 * reached / rows.view.count(np.isfinite(rows.doses[1]))


def _prednisone_low(rows: Rows, _: str) -> Floats:
    """Patients who never took more than 10 mg a day."""
    import polars as pl

    frame = prednisone(rows.view.tile.cohort, rows.view.days)
    over = frame.filter((pl.col("dose") > _OVER) & (pl.col("start") <= pl.col("end")))
    low = np.ones(rows.view.days.size, dtype=np.bool_)
    low[over.get_column("patient").to_numpy()] = False
    return rows.view.count(low)


ROW_STATISTICS: Mapping[str, Callable[[Rows, str], Floats]] = {
    "adverse": _adverse,
    "dose_mean": _dose_mean,
    "dose_sd": _dose_sd,
    "dose_reached": _dose_reached,
    "dose_mean_failures": _dose_mean_failures,
    "prednisone_low": _prednisone_low,
}
