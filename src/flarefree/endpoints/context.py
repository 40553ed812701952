"""What the names in a sentence refer to, beyond the panel: epochs, baseline, normal ranges, states.

Made of a protocol once (`Context.of`), or by hand for virtual trials and tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flarefree.protocol.language.nodes import Node
from flarefree.protocol.schema import BaselineRule

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = ["FIRST_DAY", "LAST_DAY", "Context", "NormalRange"]

FIRST_DAY = -(2**31) + 1
LAST_DAY = 2**31 - 1

Limits = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class NormalRange:
    """A protocol's limits of normal for one measure, where the laboratory gives none."""

    everyone: Limits = (None, None)
    by_sex: Mapping[str, Limits] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """Meanings of names.

    Attributes
    ----------
    epochs : mapping of str to (int, int)
        First and last day, both counted.
    baseline : BaselineRule
    baseline_visits : tuple of int
        Panel visits that a baseline may come from; any if empty.
    normal : mapping of str to NormalRange
        By measure.
    states, values : mapping of str to Node
        Sentences of the state and value endpoints that other sentences may name.
    """

    epochs: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    baseline: BaselineRule = field(default_factory=BaselineRule)
    baseline_visits: tuple[int, ...] = ()
    normal: Mapping[str, NormalRange] = field(default_factory=dict)
    states: Mapping[str, Node] = field(default_factory=dict)
    values: Mapping[str, Node] = field(default_factory=dict)

    @staticmethod
    def of(protocol: LoadedProtocol) -> Context:
        """The context that a protocol gives its sentences."""
        spec = protocol.spec
        epochs = {
            name: (
                FIRST_DAY if epoch.first_day is None else epoch.first_day,
                LAST_DAY if epoch.last_day is None else epoch.last_day,
            )
            for name, epoch in spec.epochs.items()
        }
        wanted = {name.casefold() for name in spec.baseline.visits}
        visits = tuple(
            i
            for i, visit in enumerate(spec.schedule.visits)
            if wanted & {name.casefold() for name in (visit.name, *visit.codes)}
        )
        normal = {
            name: NormalRange(measure.normal, {str(k): v for k, v in measure.normal_by_sex.items()})
            for name, measure in spec.measures.items()
            if measure.normal != (None, None) or measure.normal_by_sex
        }
        return Context(
            epochs,
            spec.baseline,
            visits,
            normal,
            _sentences(protocol, "state"),
            _sentences(protocol, "value"),
        )


def _sentences(protocol: LoadedProtocol, kind: str) -> dict[str, Node]:
    return {
        name: protocol.sentences[f"endpoints.{name}.{kind}"]
        for name, endpoint in protocol.spec.endpoints.items()
        if endpoint.kind == kind
    }
