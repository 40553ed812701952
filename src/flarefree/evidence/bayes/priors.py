"""Priors, said in words: of effects, of study means, of heterogeneity, of regression slopes.

Decides the defaults (those of the NICE Decision Support Unit's Technical Support Document 2 [dias2011]) and
holds Turner's distributions of heterogeneity.  Sampling is elsewhere; nothing here needs the extra.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from flarefree.errors import EvidenceError, NotFoundError

__all__ = ["HalfNormal", "Heterogeneity", "LogNormal", "Normal", "Priors", "Uniform", "turner_prior"]


# Above its users, as the defaults of `Priors` are made while this module is read.


def _require_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise EvidenceError(
            "no such prior", where=f"prior: {name}", found=repr(value), expected="a number above 0"
        )


def _require_finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise EvidenceError("no such prior", where=f"prior: {name}", found=repr(value), expected="a number")


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal by mean and SD."""

    mean: float = 0.0
    sd: float = 100.0

    def __post_init__(self) -> None:
        _require_finite("mean", self.mean)
        _require_positive("sd", self.sd)

    def __str__(self) -> str:
        return f"normal({self.mean:g}, SD {self.sd:g})"


@dataclass(frozen=True, slots=True)
class Uniform:
    """Of the between-study SD: uniform from 0."""

    high: float = 5.0

    def __post_init__(self) -> None:
        _require_positive("high", self.high)

    def __str__(self) -> str:
        return f"tau uniform(0, {self.high:g})"


@dataclass(frozen=True, slots=True)
class HalfNormal:
    """Of the between-study SD: half-normal; `sd` is that of the whole normal."""

    sd: float = 1.0

    def __post_init__(self) -> None:
        _require_positive("sd", self.sd)

    def __str__(self) -> str:
        return f"tau half-normal(SD {self.sd:g})"


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Of the between-study variance tau2: log-normal, by mean and SD of log(tau2)."""

    mean: float
    sd: float
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        _require_finite("mean", self.mean)
        _require_positive("sd", self.sd)

    def __str__(self) -> str:
        return f"tau2 log-normal({self.mean:g}, SD {self.sd:g})" + (
            f" [{self.source}]" if self.source else ""
        )


Heterogeneity = Uniform | HalfNormal | LogNormal


@dataclass(frozen=True, slots=True)
class Priors:
    """What is believed before the studies.

    Attributes
    ----------
    effects : Normal
        Of each treatment against the reference (of each comparison, for unrelated mean effects), log scale
        for ratios.
    baseline : Normal
        Of each study's level, on the scale of the linear predictor.
    heterogeneity : Uniform, HalfNormal or LogNormal
        Of the between-study SD tau (`Uniform`, `HalfNormal`) or variance (`LogNormal`).
    regression : Normal
        Of slopes, by one unit of the covariate.
    """

    effects: Normal = Normal()
    baseline: Normal = Normal()
    heterogeneity: Heterogeneity = Uniform()
    regression: Normal = Normal()

    def __post_init__(self) -> None:
        kinds = (
            ("effects", Normal),
            ("baseline", Normal),
            ("heterogeneity", Heterogeneity),
            ("regression", Normal),
        )
        for name, kind in kinds:
            given = getattr(self, name)
            if not isinstance(given, kind):
                raise EvidenceError(
                    "no such prior",
                    where=f"Priors: {name}",
                    found=repr(given),
                    expected="Uniform, HalfNormal or LogNormal" if name == "heterogeneity" else "Normal",
                )

    def lines(self, *, has_baseline: bool, is_random: bool, has_regression: bool) -> list[str]:
        """Those that the model uses, each as a sentence."""
        told = [f"effects {self.effects}"]
        if has_baseline:
            told.append(f"study levels {self.baseline}")
        if is_random:
            told.append(str(self.heterogeneity))
        if has_regression:
            told.append(f"slopes {self.regression}")
        return told


def turner_prior(outcome: str, comparison: str) -> LogNormal:
    """The predictive distribution of tau2 of log odds ratios in a new meta-analysis [turner2015, table IV].

    Parameters
    ----------
    outcome : str
        One of `OUTCOMES`: "all-cause mortality", "adverse events", "infection or new disease", ...
    comparison : str
        One of `COMPARISONS`: "drug v placebo or control", "drug v drug", ...

    Raises
    ------
    NotFoundError
        Neither the outcome nor the comparison is another than those of the table.
    """
    for name, value, known in (
        ("outcome", outcome, tuple(_TURNER)),
        ("comparison", comparison, COMPARISONS),
    ):
        if value not in known:
            raise NotFoundError(
                f"no such {name}", where=f"turner_prior: {name}", found=repr(value), expected="; ".join(known)
            )
    mean, sd = _TURNER[outcome][COMPARISONS.index(comparison)]
    return LogNormal(mean, sd, source=f"turner2015: {outcome}, {comparison}")


COMPARISONS = (
    "drug v placebo or control",
    "drug v drug",
    "non-drug v placebo or control",
    "non-drug v drug",
    "non-drug v non-drug",
)

# Mean and SD of log(tau2), in the order of COMPARISONS: [turner2015], table IV.
_TURNER: dict[str, tuple[tuple[float, float], ...]] = {
    "all-cause mortality": ((-3.95, 1.34), (-4.18, 1.41), (-4.17, 1.55), (-2.92, 1.02), (-3.50, 1.26)),
    "obstetric": ((-3.52, 1.74), (-3.75, 1.79), (-3.74, 1.91), (-2.49, 1.50), (-3.08, 1.68)),
    "cause-specific mortality, major morbidity or composite": (
        (-3.71, 1.74), (-3.95, 1.79), (-3.93, 1.91), (-2.68, 1.51), (-3.27, 1.68),
    ),
    "resource use or hospital stay": (
        (-2.34, 1.74), (-2.58, 1.79), (-2.56, 1.91), (-1.31, 1.50), (-1.90, 1.68),
    ),
    "surgical or device success": ((-2.14, 1.74), (-2.37, 1.79), (-2.36, 1.91), (-1.11, 1.50), (-1.69, 1.68)),
    "withdrawals": ((-2.99, 1.74), (-3.23, 1.79), (-3.21, 1.91), (-1.96, 1.51), (-2.55, 1.68)),
    "internal or structural": ((-2.71, 1.74), (-2.94, 1.79), (-2.93, 1.92), (-1.67, 1.51), (-2.26, 1.68)),
    "general physical health": ((-2.29, 1.53), (-2.53, 1.58), (-2.51, 1.72), (-1.26, 1.25), (-1.85, 1.46)),
    "adverse events": ((-1.87, 1.52), (-2.10, 1.58), (-2.10, 1.71), (-0.84, 1.24), (-1.43, 1.45)),
    "infection or new disease": ((-2.49, 1.52), (-2.73, 1.58), (-2.71, 1.71), (-1.46, 1.24), (-2.05, 1.45)),
    "signs or symptoms of continuation or end": (
        (-2.06, 1.51), (-2.29, 1.58), (-2.28, 1.71), (-1.03, 1.24), (-1.61, 1.45),
    ),
    "pain": ((-1.83, 1.52), (-2.06, 1.58), (-2.05, 1.71), (-0.80, 1.25), (-1.38, 1.45)),
    "quality of life or functioning": (
        (-2.54, 1.54), (-2.78, 1.60), (-2.77, 1.73), (-1.51, 1.27), (-2.10, 1.47),
    ),
    "mental health": ((-2.12, 1.53), (-2.35, 1.60), (-2.34, 1.72), (-1.09, 1.27), (-1.67, 1.47)),
    "biological marker": ((-1.77, 1.52), (-2.00, 1.58), (-1.99, 1.71), (-0.74, 1.24), (-1.33, 1.45)),
    "various subjective": ((-2.70, 1.52), (-2.93, 1.58), (-2.92, 1.71), (-1.67, 1.25), (-2.26, 1.45)),
}  # fmt: skip
OUTCOMES = tuple(_TURNER)
