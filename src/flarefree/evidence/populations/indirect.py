"""A result that the target already has, set against the carried one: anchored by a shared arm, or not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flarefree.errors import EvidenceError, NoEventsError
from flarefree.evidence.populations.effects import Effect, Estimated
from flarefree.evidence.populations.result import Carried

if TYPE_CHECKING:
    from flarefree.evidence.populations.estimators import Task

__all__ = ["Comparison", "link", "read_comparison", "with_comparison"]

ANCHORED = "treatment, reference (ours), estimate, std_error (logs for ratios)"
UNANCHORED = "treatment, events, n (or mean, sd, n; or events, person_time)"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The target's own result of `treatment`: against `reference`, or alone."""

    treatment: str
    reference: str
    estimate: float
    std_error: float

    @property
    def is_unanchored(self) -> bool:
        """Whether there is no shared arm."""
        return self.reference == ""


def read_comparison(given: Mapping[str, Any] | None, effect: Effect) -> Comparison | None:
    """A comparison as the user wrote it, on the effect's scale."""
    if given is None:
        return None
    name = str(given.get("treatment", ""))
    if {"estimate", "std_error", "reference"} <= set(given) and name:
        error = float(given["std_error"])
        if not error > 0:
            raise EvidenceError("no standard error", where="comparison.std_error", found=f"{error:g}")
        return Comparison(name, str(given["reference"]), float(given["estimate"]), error)
    if name and effect != "HR":
        mean, variance = _arm(given, effect)
        value, slope = link(mean, effect, name)
        return Comparison(name, "", value, abs(slope) * math.sqrt(variance))
    raise EvidenceError(
        "no comparison",
        where="comparison",
        found=", ".join(map(str, given)),
        expected=f"{ANCHORED}\nor {UNANCHORED}",
    )


def _arm(given: Mapping[str, Any], effect: Effect) -> tuple[float, float]:
    """Mean outcome of a published arm, and its variance."""
    try:
        if effect == "MD":
            n = float(given["n"])
            return float(given["mean"]), float(given["sd"]) ** 2 / n
        events = float(given["events"])
        if effect == "IRR":
            time = float(given["person_time"])
            return events / time, events / time**2
        n = float(given["n"])
    except KeyError as absent:
        raise EvidenceError(
            "no comparison", where="comparison", found=f"no {absent}", expected=f"{ANCHORED}\nor {UNANCHORED}"
        ) from None
    if not 0 <= events <= n:
        raise EvidenceError("events above n", where="comparison", found=f"{events:g} of {n:g}")
    p = events / n
    return p, p * (1 - p) / n


def link(mean: float, effect: Effect, name: str) -> tuple[float, float]:
    """A mean on the scale on which effects are differences, and the slope there."""
    if effect in ("RD", "MD"):
        return mean, 1.0
    if mean <= 0 or (effect == "OR" and mean >= 1):
        raise NoEventsError(
            f"nobody (or everybody) had the event in arm {name}", where="outcome", found=f"{100 * mean:g}%"
        )
    if effect == "OR":
        return math.log(mean / (1 - mean)), 1 / (mean * (1 - mean))
    return math.log(mean), 1 / mean


def with_comparison(
    carried: Carried, found: Estimated, against: Comparison, effect: Effect, weights: Any, task: Task
) -> Carried:
    """Ours less theirs; variances add, as the trials are independent."""
    if not against.is_unanchored and against.reference != task.patients.names[1]:
        raise EvidenceError(
            "the comparison has another reference than the source",
            where="comparison.reference",
            found=repr(against.reference),
            expected=repr(task.patients.names[1]),
        )
    if against.is_unanchored and not task.is_single_arm:
        raise EvidenceError(
            "the source has two arms: the comparison can be anchored",
            where="comparison",
            expected=ANCHORED,
            try_="experimental=... alone with reference left out, to set one arm against the other trial's",
        )
    error = math.hypot(carried.std_error, against.std_error)
    return Carried(carried.estimate - against.estimate, error)
