"""`Reconstruction`: pseudo patients, how well they keep to what was printed, and what is read off them.

Holds every draw; fits nothing itself but asks `flarefree.stats.survival`.  Pooling over draws is in
`pooling_draws.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence.curves.points import CurveArm, CurveFinding
from flarefree.evidence.curves.pooling_draws import (
    PooledEstimate,
    PooledHazardRatio,
    draws_that_suffice,
    pool_by_rubin,
)
from flarefree.results import Figure

__all__ = ["Pseudo", "Reconstruction"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True, eq=False)
class Pseudo:
    """Pseudo patients of one arm.

    The central data set spreads censorings evenly over their intervals; the draws place them at random.

    Attributes
    ----------
    central_time, central_event : (n,)
    central_curve : (points,) float
        The curve of these patients at the arm's points.
    central_at_risk : (intervals,) int
    time, event : (draws, n)
    curve : (draws, points) float
    at_risk : (draws, intervals) int
    """

    central_time: Floats
    central_event: Bools
    central_curve: Floats
    central_at_risk: Ints
    time: Floats
    event: Bools
    curve: Floats
    at_risk: Ints


@dataclass(frozen=True, eq=False, repr=False)
class Reconstruction:
    """Pseudo patients of a published figure, in one draw or many.

    Attributes
    ----------
    arms : tuple of CurveArm
        What was read and made ready.
    pseudo : tuple of Pseudo
        The patients, arm by arm.
    method : str
    draws, seed : int
    digitization_sd : float
    """

    arms: tuple[CurveArm, ...]
    pseudo: tuple[Pseudo, ...]
    method: str
    draws: int
    seed: int
    digitization_sd: float

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(own.label for own in self.arms)

    @property
    def findings(self) -> tuple[CurveFinding, ...]:
        """What was odd: about the points and tables, and where the patients cannot keep to both."""
        told = [finding for own in self.arms for finding in own.findings]
        for row in self.errors().iter_rows(named=True):
            if row["max_at_risk_residual"]:
                told.append(
                    CurveFinding(
                        row["arm"],
                        "curve and risk table disagree",
                        f"numbers at risk differ by up to {row['max_at_risk_residual']}",
                        "the curve was kept",
                    )
                )
            if row["events_residual"]:
                told.append(
                    CurveFinding(
                        row["arm"],
                        "curve and number of events disagree",
                        f"{row['events_residual']:+d} events against those printed",
                        "the curve was kept",
                    )
                )
        return tuple(told)

    # Patients ------------------------------------------------------------------------------------

    def patients(self, draw: int | None = None) -> pl.DataFrame:
        """One row a pseudo patient: arm, time, event.

        Parameters
        ----------
        draw : int, optional
            From 0.  Without it, the data set whose censorings are spread evenly.
        """
        if draw is not None and not 0 <= draw < self.draws:
            raise NotFoundError(
                "no such draw", where="draw", found=str(draw), expected=f"0 to {self.draws - 1}"
            )
        frames = []
        for own, p in zip(self.arms, self.pseudo):
            time, event = (p.central_time, p.central_event) if draw is None else (p.time[draw], p.event[draw])
            frames.append(pl.DataFrame({"arm": [own.label] * own.n, "time": time, "event": event}))
        return pl.concat(frames)

    def all_patients(self) -> pl.DataFrame:
        """One row a pseudo patient of every draw: draw, arm, time, event."""
        frames = []
        for own, p in zip(self.arms, self.pseudo):
            draw = np.repeat(np.arange(self.draws), own.n)
            label = pl.Series([own.label]).gather(np.zeros(draw.size, dtype=np.int64))
            frames.append(
                pl.DataFrame({"draw": draw, "arm": label, "time": p.time.ravel(), "event": p.event.ravel()})
            )
        return pl.concat(frames).sort("draw", maintain_order=True)

    def _pair(self, treatment: str | None, reference: str | None) -> tuple[str, str]:
        if len(self.arms) < 2:
            raise EvidenceError(
                "one arm has no comparison", where="points", found=self.labels[0], expected="two arms"
            )
        reference = self.labels[0] if reference is None else reference
        if treatment is None:
            others = [label for label in self.labels if label != reference]
            treatment = others[0]
            if len(others) > 1:
                raise EvidenceError(
                    "several arms to compare",
                    where="treatment",
                    found="None",
                    expected="one of " + ", ".join(others),
                )
        for name, label in (("treatment", treatment), ("reference", reference)):
            if label not in self.labels:
                raise NotFoundError(
                    "no such arm", where=name, found=repr(label), expected=", ".join(self.labels)
                )
        if treatment == reference:
            raise EvidenceError(
                "an arm against itself", where="treatment", found=treatment, expected="another arm"
            )
        return treatment, reference

    def _stacked(self, treatment: str, reference: str) -> tuple[Floats, Bools, Ints]:
        """Times, events (draws, n) and groups (n,) of two arms; the reference is group 0."""
        two = [self.pseudo[self.labels.index(label)] for label in (reference, treatment)]
        group = np.repeat([0, 1], [p.time.shape[1] for p in two])
        return np.hstack([p.time for p in two]), np.hstack([p.event for p in two]), group

    # Fits ----------------------------------------------------------------------------------------

    def kaplan_meier(self, draw: int | None = None) -> Any:
        """`flarefree.stats.survival.kaplan_meier` of the pseudo patients, arm by arm."""
        from flarefree.stats.survival import kaplan_meier

        rows = self.patients(draw)
        return kaplan_meier(rows["time"].to_numpy(), rows["event"].to_numpy(), rows["arm"].to_numpy())

    def cox(self, draw: int | None = None, *, reference: str | None = None) -> Any:
        """`flarefree.stats.survival.cox` of the pseudo patients on arm; the first arm is the reference."""
        from flarefree.stats.survival import cox

        reference = self.labels[0] if reference is None else reference
        others = [label for label in self.labels if label != reference]
        order = pl.Enum([reference, *others])
        return cox("Surv(time, event) ~ arm", self.patients(draw).with_columns(pl.col("arm").cast(order)))

    def logrank(self, draw: int | None = None) -> Any:
        """`flarefree.stats.survival.logrank` of the pseudo patients by arm."""
        from flarefree.stats.survival import logrank

        rows = self.patients(draw)
        return logrank(rows["time"].to_numpy(), rows["event"].to_numpy(), rows["arm"].to_numpy())

    def logrank_statistics(self, treatment: str | None = None, reference: str | None = None) -> Floats:
        """The log-rank chi-square of two arms in each draw, (draws,)."""
        from flarefree.stats.survival import batch_trials

        time, event, group = self._stacked(*self._pair(treatment, reference))
        return np.square(batch_trials(time, event, group).logrank().z)

    # Pooling -------------------------------------------------------------------------------------

    def pooled_hazard_ratio(
        self, treatment: str | None = None, reference: str | None = None, *, level: float = 0.95
    ) -> PooledHazardRatio:
        """The hazard ratio of `treatment` to `reference` over all draws, by Rubin's rules.

        `reference` is the first arm unless given; `treatment` the other one where there are two.
        """
        from flarefree.stats.survival import batch_trials

        treatment, reference = self._pair(treatment, reference)
        fits = batch_trials(*self._stacked(treatment, reference)).cox()
        usable = np.isfinite(fits.std_error)
        if not usable.all():
            raise EvidenceError(
                "the hazard ratio does not exist",
                where=f"{treatment} against {reference}",
                found=f"no finite estimate in {int((~usable).sum())} of {self.draws} draws",
                expected="events in both arms, in every draw",
            )
        pooled = pool_by_rubin(fits.coef, np.square(fits.std_error), level=level)
        return PooledHazardRatio(treatment, reference, pooled)

    def pool(
        self, estimate: Callable[[Floats, Bools, Any], tuple[float, float]], *, level: float = 0.95
    ) -> PooledEstimate:
        """Anything else over all draws: `estimate(time, event, arm)` gives an estimate and its variance."""
        arm = np.repeat(np.array(self.labels, dtype=object), [own.n for own in self.arms])
        found = [
            estimate(
                np.concatenate([p.time[b] for p in self.pseudo]),
                np.concatenate([p.event[b] for p in self.pseudo]),
                arm,
            )
            for b in range(self.draws)
        ]
        values = np.array(found, dtype=np.float64)
        return pool_by_rubin(values[:, 0], values[:, 1], level=level)

    def contrast_rows(self, study: str) -> pl.DataFrame:
        """Pooled log hazard ratios of all pairs of arms, as contrast rows for `pairwise` and `network`."""
        rows = []
        for i, reference in enumerate(self.labels):
            for treatment in self.labels[i + 1 :]:
                pooled = self.pooled_hazard_ratio(treatment, reference).log
                rows.append((study, treatment, reference, pooled.estimate, pooled.std_error))
        names = ["study", "treatment_1", "treatment_2", "estimate", "std_error"]
        return pl.DataFrame(rows, schema=names, orient="row")

    def draws_needed(self, relative_error: float = 0.05) -> int:
        """Draws after which the standard error is reproducible to this share (its coefficient of variation).

        Of the log hazard ratio of each arm to the first (one arm: of the log rate), the most of them.
        From few draws the fraction of missing information is itself uncertain: its upper limit counts.
        """
        if self.draws == 1:
            raise EvidenceError(
                "one draw says nothing of the spread between draws",
                where="draws",
                found="1",
                expected="at least 2",
                try_="draws='auto'",
            )
        return max(draws_that_suffice(pooled, relative_error) for pooled in self._monitored())

    def _monitored(self) -> list[PooledEstimate]:
        try:
            return [self.pooled_hazard_ratio(label, self.labels[0]).log for label in self.labels[1:]] or [
                self._log_rate()
            ]
        except EvidenceError:  # an arm without events: there is no ratio to watch
            return [self._log_rate()]

    def _log_rate(self) -> PooledEstimate:
        events = np.maximum(sum(p.event.sum(axis=1) for p in self.pseudo), 0.5)
        exposure = sum(p.time.sum(axis=1) for p in self.pseudo)
        return pool_by_rubin(np.log(events / exposure), 1.0 / events, level=0.95)

    # How well it keeps to what was printed -------------------------------------------------------

    def errors(self) -> pl.DataFrame:
        """One row an arm: how far its patients are from points, risk table and events.

        Columns: arm, n, events, events_printed, events_residual, max_distance, rms_distance (central
        data set to the digitized points), mean_rms_distance (over draws), max_at_risk_residual,
        events_low, events_high (over draws).
        """
        return pl.DataFrame(
            [_errors_of(own, p) for own, p in zip(self.arms, self.pseudo)],
            schema_overrides={"events_printed": pl.Int64, "events_residual": pl.Int64},
        )

    def at_risk_residuals(self) -> pl.DataFrame:
        """One row a number of the table: arm, time, at_risk, reconstructed, residual."""
        frames = [
            pl.DataFrame(
                {
                    "arm": [own.label] * own.risk_time.size,
                    "time": own.risk_time,
                    "at_risk": own.at_risk,
                    "reconstructed": p.central_at_risk,
                    "residual": p.central_at_risk - own.at_risk,
                }
            )
            for own, p in zip(self.arms, self.pseudo)
        ]
        return pl.concat(frames)

    def tidy(self) -> pl.DataFrame:
        """One row an arm: the reconstruction's size and error (see `errors`)."""
        return self.errors()

    def curves(self, level: float = 0.95) -> pl.DataFrame:
        """One row a point: arm, time, given, central, low, high (share `level` of the draws)."""
        tail = 50.0 * (1.0 - level)
        frames = []
        for own, p in zip(self.arms, self.pseudo):
            low, high = np.percentile(p.curve, [tail, 100.0 - tail], axis=0)
            columns = {
                "arm": [own.label] * own.time.size,
                "time": own.time,
                "given": own.given_survival,
                "central": p.central_curve,
                "low": np.minimum(low, p.central_curve),
                "high": np.maximum(high, p.central_curve),
            }
            frames.append(pl.DataFrame(columns).with_columns(pl.col("given").fill_nan(None)))
        return pl.concat(frames)

    def plot(self, kind: str = "reconstruction") -> Figure:
        """Reconstructed curves, their spread over draws, and the digitized points under them."""
        if kind != "reconstruction":
            raise EvidenceError(
                "no such kind of figure", where="kind", found=repr(kind), expected="'reconstruction'"
            )
        main = self.curves().rename({"arm": "group", "central": "estimate"})
        risk = self.at_risk_residuals().select(
            pl.col("arm").alias("group"), pl.col("arm").alias("label"), "time", pl.col("at_risk").alias("n")
        )
        notes = tuple(
            f"{row['arm']}: distance to the points at most {row['max_distance']:.4f}, "
            f"root mean square {row['rms_distance']:.4f}."
            for row in self.errors().iter_rows(named=True)
        )
        return Figure(
            "reconstruction",
            "Reconstructed curves over digitized points",
            "reconstruction",
            {"main": main, "at_risk": risk},
            x_label="Time",
            y_label="Survival",
            footnotes=notes,
        )

    def _summary(self) -> str:
        lines = [f"{'arm':<14}{'n':>6}{'events':>8}{'max distance':>14}{'rms':>8}{'at risk off by':>16}"]
        for row in self.errors().iter_rows(named=True):
            lines.append(
                f"{row['arm'][:13]:<14}{row['n']:>6}{row['events']:>8}{row['max_distance']:>14.4f}"
                f"{row['rms_distance']:>8.4f}{row['max_at_risk_residual']:>16}"
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        number = f"{self.draws} draws" if self.draws > 1 else "1 draw"
        head = f"Reconstruction ({self.method}), {number}, seed {self.seed}"
        if self.digitization_sd:
            head += f", digitization sd {self.digitization_sd:g}"
        notes = [f"note: {finding}" for finding in self.findings]
        return "\n".join([head, self._summary(), *notes])


def _errors_of(own: CurveArm, p: Pseudo) -> dict[str, Any]:
    given = own.given_survival[own.is_given]
    central = p.central_curve[own.is_given] - given
    drawn = p.curve[:, own.is_given] - given
    counts = p.event.sum(axis=1)
    events = int(p.central_event.sum())
    return {
        "arm": own.label,
        "n": own.n,
        "events": events,
        "events_printed": own.events,
        "events_residual": None if own.events is None else events - own.events,
        "max_distance": float(np.abs(central).max()),
        "rms_distance": float(np.sqrt(np.mean(np.square(central)))),
        "mean_rms_distance": float(np.sqrt(np.mean(np.square(drawn), axis=1)).mean()),
        "max_at_risk_residual": int(np.abs(p.central_at_risk - own.at_risk).max()),
        "events_low": int(counts.min()),
        "events_high": int(counts.max()),
    }
