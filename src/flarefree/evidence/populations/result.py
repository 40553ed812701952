"""What carrying a result gives: the effect in the target, how it came about, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.populations.balancing import effective_sample_size
from flarefree.evidence.populations.between import PopulationFactor
from flarefree.evidence.populations.comparing import EXTRAPOLATED_WHEN, Overlap
from flarefree.evidence.populations.effects import EFFECTS, IS_RATIO, Effect
from flarefree.stats.distributions import normal_p, normal_quantile

if TYPE_CHECKING:
    import polars as pl

    from flarefree.results import Figure

__all__ = ["METHODS", "Carried", "Transport"]

METHODS = {
    "maic": "matching-adjusted indirect comparison (method of moments)",
    "stc": "simulated treatment comparison by g-computation",
    "iow": "inverse odds of membership",
    "nmr": "network meta-regression on study means",
}


@dataclass(frozen=True, slots=True)
class Carried:
    """An effect on its own scale (log for ratios): estimate and standard error."""

    estimate: float
    std_error: float

    def limits(self, level: float) -> tuple[float, float]:
        """Normal limits on that scale."""
        z = normal_quantile(0.5 + level / 2)
        return self.estimate - z * self.std_error, self.estimate + z * self.std_error


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transport:
    """A result carried to another population.

    Attributes
    ----------
    effect : str
        RR, OR, RD, HR, IRR or MD, of `treatment` against `reference`.
    method : str
        maic, stc, iow or nmr.
    unadjusted : Carried, optional
        In the source, as it is.
    adjusted : Carried
        In the target, as far as the covariates carry it; sampling error of the source only.
    with_factor : Carried
        The same with the residual factor between populations: the one to quote.
    population_factor : PopulationFactor
    overlap : Overlap
    weights : (n,) float, optional
        Of the source's patients, mean 1, where the method weights.
    means : (float, float), optional
        Risk, rate or mean under treatment and reference in the target.
    conditional : float, optional
        Of an outcome model: the effect in a patient at the target's means, on the scale of the model.
    error_from : str
        Where the standard error comes from.
    seed : int
    notes, assumptions : tuple of str
    """

    effect: Effect
    method: str
    treatment: str
    reference: str
    adjusted: Carried
    with_factor: Carried
    population_factor: PopulationFactor
    overlap: Overlap
    unadjusted: Carried | None = None
    weights: NDArray[np.float64] | None = None
    means: tuple[float, float] | None = None
    conditional: float | None = None
    error_from: str = ""
    level: float = 0.95
    seed: int = 1
    notes: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", MappingProxyType(dict(self.details)))

    @property
    def is_extrapolated(self) -> bool:
        """Whether the target lies where the source has few patients or none (`EXTRAPOLATED_WHEN`)."""
        return self.overlap.is_extrapolated

    @property
    def ess(self) -> float:
        """Effective sample size of the weights in use; without any, of those that match the means."""
        return self.overlap.ess if self.weights is None else effective_sample_size(self.weights)

    @property
    def estimate(self) -> float:
        """In the target, as it is read: a ratio, or a difference."""
        return self._read(self.adjusted.estimate)

    @property
    def std_error(self) -> float:
        """Of the estimate (of its logarithm, for ratios), with the factor between populations."""
        return self.with_factor.std_error

    @property
    def conf_low(self) -> float:
        """With the factor between populations."""
        return self._read(self.with_factor.limits(self.level)[0])

    @property
    def conf_high(self) -> float:
        """With the factor between populations."""
        return self._read(self.with_factor.limits(self.level)[1])

    def tidy(self) -> pl.DataFrame:
        """Rows `source`, `target`, `target with population factor`.

        Estimates and limits as they are read (ratios, not logs); `std_error` of the logarithm for ratios.
        """
        import polars as pl

        return pl.DataFrame(
            [
                {
                    "term": term,
                    "effect": self.effect,
                    "treatment": self.treatment,
                    "reference": self.reference,
                    "method": self.method,
                    "estimate": self._read(carried.estimate),
                    "std_error": carried.std_error,
                    "conf_low": self._read(carried.limits(self.level)[0]),
                    "conf_high": self._read(carried.limits(self.level)[1]),
                    "p_value": normal_p(carried.estimate / carried.std_error) if carried.std_error else None,
                    "ess": self.ess if math.isfinite(self.ess) and term != "source" else None,
                    "extrapolated": self.is_extrapolated and term != "source",
                }
                for term, carried in self._rows()
            ]
        )

    def plot(self, kind: str = "overlap") -> Figure:
        """A figure's data: `overlap` (love plot and margins), `weights` (their spread), `effect` (forest)."""
        from flarefree.evidence.populations.figures import FIGURES

        if kind not in FIGURES:
            raise EvidenceError(
                "no such figure", where="kind", found=repr(kind), expected=", ".join(sorted(FIGURES))
            )
        return FIGURES[kind](self)

    def __repr__(self) -> str:
        head = f"{EFFECTS[self.effect].capitalize()}, {self.treatment} against {self.reference}: carried"
        lines = [f"{head} from {self.overlap.source} to {self.overlap.target}"]
        if self.is_extrapolated:
            lines.append("  EXTRAPOLATED: " + "\n                ".join(self.overlap.reasons))
        names = {"source": f"in {self.overlap.source}, as it is", "target": f"in {self.overlap.target}"}
        names["target with population factor"] = "  with the population factor"
        for term, carried in self._rows():
            low, high = (self._read(v) for v in carried.limits(self.level))
            lines.append(f"  {names[term]:<44} {self._read(carried.estimate):.3g} ({low:.3g} to {high:.3g})")
        if self.means is not None:
            first, second = (f"{m:.3g}" for m in self.means)
            lines.append(f"  in the target: {first} under {self.treatment}, {second} under {self.reference}")
        lines.append(f"  method: {METHODS[self.method]}; standard error: {self.error_from}")
        factor = self.population_factor
        lines.append(f"  population factor: log-normal, SD {factor.sd:g}, {factor.reason}")
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"  assumed: {text}" for text in self.assumptions]
        lines += self.overlap.lines()
        if self.weights is not None and abs(self.ess - self.overlap.ess) > 0.05:
            largest = float(self.weights.max())
            lines.append(f"  weights in use: effective sample size {self.ess:.1f}, largest {largest:.1f}")
        if self.is_extrapolated:
            lines.append(f"  rule: extrapolated means {EXTRAPOLATED_WHEN}")
        return "\n".join(lines)

    def _rows(self) -> list[tuple[str, Carried]]:
        rows = [("target", self.adjusted), ("target with population factor", self.with_factor)]
        return [("source", self.unadjusted), *rows] if self.unadjusted is not None else rows

    def _read(self, value: float) -> float:
        if not IS_RATIO[self.effect]:
            return value
        return math.exp(value) if value < 700 else math.inf
