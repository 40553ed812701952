"""Labels of the protocol's own rules: what an adjudicated endpoint rests on, in the end.

Sources are the trough of a study drug (and whatever else is read from the same test), which gives the arm
away, and records of adverse events and of how participation ended, which the committee must not see.
Labels travel through references, states, components and covariates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flarefree.protocol.language.nodes import Holds, Measure, Node, Records, RecordTable
from flarefree.protocol.language.walking import walk
from flarefree.protocol.loaded import LoadedProtocol

__all__ = ["revealing_measures", "taints_of_endpoints"]

Taints = dict[str, tuple[str, ...]]
"""Label, and the way it came: source first."""

_RECORDS = {RecordTable.ADVERSE_EVENT: "safety", RecordTable.DISPOSITION: "safety"}


def revealing_measures(protocol: LoadedProtocol) -> frozenset[str]:
    """Measures that give the arm away: the trough, under each name that reads the same test."""
    trough = protocol.spec.dosing.trough_measure
    if not trough:
        return frozenset()
    tests = {test.casefold() for test in protocol.spec.measures[trough].tests}
    return frozenset(
        name
        for name, measure in protocol.spec.measures.items()
        if name == trough or tests & {test.casefold() for test in measure.tests}
    )


def taints_of_endpoints(protocol: LoadedProtocol) -> dict[str, Taints]:
    """Labels of every adjudicated endpoint that has any, in the order of the file."""
    rules = _Rules(protocol, revealing_measures(protocol))
    adjudicated = [name for name, endpoint in protocol.spec.endpoints.items() if endpoint.adjudicated]
    return {name: found for name in adjudicated if (found := rules.of(name))}


@dataclass(frozen=True, slots=True)
class _Rules:
    protocol: LoadedProtocol
    revealing: frozenset[str]
    known: dict[str, Taints] = field(default_factory=dict)

    def of(self, name: str) -> Taints:
        """Labels of what a name means: a measure, a covariate, an endpoint.  Names are in no circle."""
        if name not in self.known:
            found: Taints = {"arm_revealing": (name,)} if name in self.revealing else {}
            for label, way in self._inherited(name):
                found.setdefault(label, (*way, name))
            self.known[name] = found
        return self.known[name]

    def _inherited(self, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        spec, sentences = self.protocol.spec, self.protocol.sentences
        endpoint, covariate = spec.endpoints.get(name), spec.covariates.get(name)
        for part in ("when", "state", "value"):
            node = sentences.get(f"endpoints.{name}.{part}") if endpoint is not None else None
            yield from self._of_sentence(node)
        for component in endpoint.first_of if endpoint is not None else ():
            yield from self.of(component).items()
        if covariate is not None:
            yield from self._of_sentence(sentences.get(f"covariates.{name}.when"))
            for other in (covariate.of, covariate.from_measure):
                yield from self.of(other).items() if other and other != name else ()

    def _of_sentence(self, node: Node | None) -> Iterator[tuple[str, tuple[str, ...]]]:
        for part in walk(node) if node is not None else ():
            if isinstance(part, Measure | Holds):
                yield from self.of(part.name).items()
            elif isinstance(part, Records) and part.table in _RECORDS:
                yield _RECORDS[part.table], (f"{part.table.value} records",)
