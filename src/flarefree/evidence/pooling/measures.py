"""The measures of effect, and each trial's effect with its sampling variance from two arms' numbers.

Arm 1 is the treatment, arm 2 the reference; ratios are on the log scale.  What is done about cells of zero is
decided here and told; what to do with the effects is for others.  Formulas: docs/methods/pairwise.md,
section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["MEASURES", "Measure", "Tables", "ZeroCells", "compute_effects", "correct_zeros"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ZeroCells = Literal["only0", "if0all", "all", "treatment_arm", "none"]
"""Which trials get the continuity correction: those with an empty cell; all, if one has one; all always;
those with an empty cell, by each arm's share of the patients; none, so that such trials drop out."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of effect.

    Attributes
    ----------
    key, label : str
    is_ratio : bool
        Analyzed as its log.
    needs : tuple of str
        Columns of arm rows; empty where arms do not give it, as a hazard ratio.
    """

    key: str
    label: str
    is_ratio: bool
    needs: tuple[str, ...] = ()

    @property
    def null(self) -> float:
        """The value of no difference, as printed."""
        return 1.0 if self.is_ratio else 0.0


MEASURES = {
    measure.key: measure
    for measure in (
        Measure("RR", "risk ratio", True, ("events", "n")),
        Measure("OR", "odds ratio", True, ("events", "n")),
        Measure("PETO", "Peto odds ratio", True, ("events", "n")),
        Measure("RD", "risk difference", False, ("events", "n")),
        Measure("HR", "hazard ratio", True),
        Measure("IRR", "rate ratio", True, ("events", "person_time")),
        Measure("IRD", "rate difference", False, ("events", "person_time")),
        Measure("MD", "mean difference", False, ("mean", "sd", "n")),
        Measure("SMD", "standardized mean difference", False, ("mean", "sd", "n")),
        Measure("ROM", "ratio of means", True, ("mean", "sd", "n")),
        Measure("GEN", "effect", False),
    )
}


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Two arms a trial: (k, 2) arrays, the treatment first; NaN where not given."""

    n: Floats
    events: Floats
    mean: Floats
    sd: Floats
    person_time: Floats

    def take(self, keep: Flags) -> Tables:
        """Some of the trials."""
        return Tables(*(getattr(self, name)[keep] for name in self.__slots__))

    @property
    def without_events(self) -> Flags:
        """(k,): nobody had the event in either arm."""
        return np.asarray(self.events.sum(axis=1) == 0)

    @property
    def all_events(self) -> Flags:
        """(k,): everybody had it in both."""
        return np.asarray((self.events == self.n).all(axis=1))


def correct_zeros(
    tables: Tables, measure: str, zero_cells: ZeroCells, correction: float
) -> tuple[Tables, Flags]:
    """Tables with the continuity correction, and which trials it touched.

    `correction` is added to the events and to the others of both arms, so that an arm grows by twice
    of it; for rates, to events alone.  `treatment_arm` shares 2 x correction between the arms by their
    sizes (the reciprocal of the other's), which leaves no pull towards either side [sweeting2004].
    """
    events, others = tables.events, tables.n - tables.events
    is_rate = measure in ("IRR", "IRD")
    has_zero = (events == 0).any(axis=1) if is_rate else ((events == 0) | (others == 0)).any(axis=1)
    touched = has_zero
    if zero_cells == "none" or correction == 0.0:
        touched = np.zeros_like(has_zero)
    elif zero_cells == "all" or (zero_cells == "if0all" and has_zero.any()):
        touched = np.ones_like(has_zero)
    if not touched.any():
        return tables, touched
    added = np.where(touched, correction, 0.0)[:, None] * np.ones(2)
    if zero_cells == "treatment_arm":
        size = tables.person_time if is_rate else tables.n
        added = added * 2.0 * size / size.sum(axis=1, keepdims=True)
    n = tables.n if is_rate else tables.n + 2.0 * added
    return replace(tables, events=events + added, n=n), touched


def compute_effects(measure: str, tables: Tables) -> tuple[Floats, Floats]:
    """Effects of arm 1 relative to arm 2 and their variances; not finite where a trial gives none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _EFFECTS[measure](tables)


def _risk_ratio(t: Tables) -> tuple[Floats, Floats]:
    log_risk = np.log(t.events / t.n)
    return log_risk[:, 0] - log_risk[:, 1], (1.0 / t.events - 1.0 / t.n).sum(axis=1)


def _odds_ratio(t: Tables) -> tuple[Floats, Floats]:
    others = t.n - t.events
    log_odds = np.log(t.events / others)
    return log_odds[:, 0] - log_odds[:, 1], (1.0 / t.events + 1.0 / others).sum(axis=1)


def _peto(t: Tables) -> tuple[Floats, Floats]:
    """Observed less expected events over their hypergeometric variance [yusuf1985]."""
    n1, total, events = t.n[:, 0], t.n.sum(axis=1), t.events.sum(axis=1)
    excess = t.events[:, 0] - events * n1 / total
    variance = events * (total - events) / (total * total) * n1 * t.n[:, 1] / (total - 1.0)
    return excess / variance, 1.0 / variance


def _risk_difference(t: Tables) -> tuple[Floats, Floats]:
    risk = t.events / t.n
    return risk[:, 0] - risk[:, 1], (risk * (1.0 - risk) / t.n).sum(axis=1)


def _rate_ratio(t: Tables) -> tuple[Floats, Floats]:
    log_rate = np.log(t.events / t.person_time)
    return log_rate[:, 0] - log_rate[:, 1], (1.0 / t.events).sum(axis=1)


def _rate_difference(t: Tables) -> tuple[Floats, Floats]:
    rate = t.events / t.person_time
    return rate[:, 0] - rate[:, 1], (rate / t.person_time).sum(axis=1)


def _mean_difference(t: Tables) -> tuple[Floats, Floats]:
    return t.mean[:, 0] - t.mean[:, 1], (t.sd**2 / t.n).sum(axis=1)


def _standardized(t: Tables) -> tuple[Floats, Floats]:
    """Hedges' g: Cohen's d times the exact gamma correction [hedges1981]."""
    from scipy.special import gammaln

    n, df = t.n.sum(axis=1), t.n.sum(axis=1) - 2.0
    pooled = np.sqrt(((t.n - 1.0) * t.sd**2).sum(axis=1) / df)
    J = np.exp(gammaln(df / 2.0) - 0.5 * np.log(df / 2.0) - gammaln((df - 1.0) / 2.0))
    g = J * (t.mean[:, 0] - t.mean[:, 1]) / pooled
    return g, (1.0 / t.n).sum(axis=1) + g**2 / (2.0 * n)


def _ratio_of_means(t: Tables) -> tuple[Floats, Floats]:
    effect = np.log(t.mean[:, 0] / t.mean[:, 1])
    return effect, (t.sd**2 / (t.n * t.mean**2)).sum(axis=1)


_EFFECTS: dict[str, Callable[[Tables], tuple[Floats, Floats]]] = {
    "RR": _risk_ratio,
    "OR": _odds_ratio,
    "PETO": _peto,
    "RD": _risk_difference,
    "IRR": _rate_ratio,
    "IRD": _rate_difference,
    "MD": _mean_difference,
    "SMD": _standardized,
    "ROM": _ratio_of_means,
}
