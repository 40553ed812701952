"""What always holds of virtual trials, whatever the parameters: checked of every patient simulated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flarefree.simulation.calibration.views import View

__all__ = ["Invariant", "check_invariants"]

Flags = npt.NDArray[np.bool_]

_WITHIN = {
    "alms-maintenance": (
        ("treatment_failure", "renal_flare"),
        ("treatment_failure", "esrd"),
        ("broad_treatment_failure", "treatment_failure"),
        ("broad_treatment_failure", "major_extrarenal_flare"),
        ("documented_or_suspected_renal_flare", "renal_flare"),
    ),
    "multitarget-maintenance": (
        ("relapse", "renal_relapse"),
        ("relapse", "extrarenal_relapse"),
        ("renal_endpoint", "esrd"),
    ),
}
"""By protocol: pairs of which the first contains the second."""


@dataclass(frozen=True)
class Invariant:
    """A statement, of how many patients it was asked, and of how many it does not hold."""

    says: str
    patients: int
    broken: int


def check_invariants(view: View, before: tuple[Invariant, ...] = ()) -> tuple[Invariant, ...]:
    """Check a view's patients, and add them to what was checked before."""
    times, name = view.outcomes.times, view.question.protocol.spec.name
    pairs = [(a, b) for a, b in _WITHIN.get(name, ()) if a in times and b in times]
    found = []
    for whole, part in pairs:
        had, first = times[part].is_event.copy(), times[whole]
        had &= times[part].stop_days <= view.days  # later ones come after a failure, and count for nothing
        broken = had & ~(first.is_event & (first.stop_days <= times[part].stop_days))
        found.append((f"every {_words(part)} is a {_words(whole)}, no later", broken))
    done = view.outcomes.consequences
    found.append(("nobody is seen after leaving, but for a confirmation", _seen_late(view)))
    found.append(("whoever failed has not completed", done.has_failed & (done.reasons < 0)))
    counted = {one.says: one for one in before}
    return tuple(
        Invariant(
            says,
            flags.size + (counted[says].patients if says in counted else 0),
            int(flags.sum()) + (counted[says].broken if says in counted else 0),
        )
        for says, flags in found
    )


def _seen_late(view: View) -> Flags:
    """Whose event is after the last assessment."""
    last = view.outcomes.consequences.assessed_days
    late = np.zeros(last.size, dtype=np.bool_)
    for times in view.outcomes.times.values():
        late |= times.is_event & (times.stop_days > last)
    return late


def _words(endpoint: str) -> str:
    return endpoint.replace("_", " ")
