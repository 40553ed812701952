"""Measures as pages order them: those that judged end points rest on, and all of them in groups.

Takes the protocol in force; gives names in its order.  What is read by whom is the conduct package's to say.
"""

from __future__ import annotations

from collections.abc import Callable

from flarefree.conduct.adjudication.dossier import AllowList
from flarefree.errors import ConductError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.web.forms.meanings import SCORES, field_of

__all__ = ["GROUPS", "group_of", "is_number", "key_measures", "once_a_protocol"]

GROUPS = ("Urine", "Blood", "Vital signs", "Clinical scores")
"""In the order in which a visit goes."""

_VITAL = ("weight", "height", "pressure", "pulse", "temperature", "body mass", "heart rate")
_URINE = ("urin", "dipstick", "casts", "proteinuria")


_Found = tuple[str, ...]


def once_a_protocol(made: Callable[[LoadedProtocol], _Found]) -> Callable[[LoadedProtocol], _Found]:
    """A protocol is not hashable, its digest is; an installation knows few."""
    known: dict[str, _Found] = {}

    def find(protocol: LoadedProtocol) -> _Found:
        if protocol.digest not in known:
            known[protocol.digest] = made(protocol)
        return known[protocol.digest]

    find.__doc__ = made.__doc__
    return find


def is_number(protocol: LoadedProtocol, measure: str) -> bool:
    """Whether a measure has a course that can be drawn: yes or no, and grades, have none."""
    return protocol.spec.measures[measure].type == "number"


def group_of(protocol: LoadedProtocol, measure: str) -> str:
    """The group that a measure belongs to; the protocol does not say it, its words do."""
    spec = protocol.spec.measures[measure]
    if not spec.equation and (spec.score or field_of(protocol, measure) == SCORES):
        return "Clinical scores"
    said = f"{measure.replace('_', ' ')} {spec.label}".lower()
    if any(word in said for word in _VITAL):
        return "Vital signs"
    return "Urine" if spec.unit == "/hpf" or any(word in said for word in _URINE) else "Blood"


@once_a_protocol
def key_measures(protocol: LoadedProtocol) -> tuple[str, ...]:
    """Numbers that the committee would look at, in the protocol's order: their courses come first."""
    spec = protocol.spec
    found: set[str] = set()
    for name, endpoint in spec.endpoints.items():
        if endpoint.adjudicated:
            try:
                found.update(AllowList.of(protocol, name).measures)
            except ConductError:  # its cases cannot be shown, so nobody reads its courses
                continue
    return tuple(
        name
        for name in spec.measures
        if name in found and is_number(protocol, name) and group_of(protocol, name) != "Vital signs"
    )
