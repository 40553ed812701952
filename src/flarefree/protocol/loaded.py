"""A protocol as the rest of flarefree uses it: the checked schema, its parsed sentences, their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flarefree.protocol.language.nodes import Node
from flarefree.protocol.schema import Protocol

if TYPE_CHECKING:
    from flarefree.results import Sentence

__all__ = ["LoadedProtocol"]


@dataclass(frozen=True, slots=True)
class LoadedProtocol:
    """A protocol that has been read and found consistent.

    Attributes
    ----------
    spec : Protocol
        What the file says.
    path : str
        The file's name, as errors and reports print it (`alms-maintenance.yaml`).
    digest : str
        SHA-256 of the file's bytes.
    sentences : mapping of str to Node
        Every parsed sentence by its YAML path: `endpoints.renal_flare.when`,
        `populations.safety.when`, `analyses.adverse_events.where`,
        `analyses.adverse_events.groups.3.where`, `covariates.active_sediment.when` ...
        Units have been reconciled: both sides of a comparison are in the same unit.
    lines : mapping of str to int
        The 1-based line of every YAML path.
    order : tuple of str
        Endpoints so ordered that each comes after those that it names.
    folder : str
        Where the file lies, for the files that it names; empty if it was no file.
    """

    spec: Protocol
    path: str
    digest: str
    sentences: Mapping[str, Node]
    lines: Mapping[str, int]
    order: tuple[str, ...]
    folder: str = ""

    def __repr__(self) -> str:
        spec = self.spec
        return (
            f"<protocol {spec.name} ({self.path}): {len(spec.arms)} arms, {len(spec.measures)} measures, "
            f"{len(spec.endpoints)} endpoints, {len(spec.analyses)} analyses>"
        )

    def place(self, path: str) -> str:
        """`alms-maintenance.yaml:61 endpoints.renal_flare`."""
        line = self.lines.get(path)
        return f"{self.path}:{line} {path}" if line else f"{self.path} {path}"

    def sentence(self, path: str) -> Sentence:
        """The sentence at a YAML path, as it prints, with its place."""
        from flarefree.protocol.language.printing import print_node
        from flarefree.results import Sentence

        return Sentence(print_node(self.sentences[path]), self.place(path))

    @property
    def comparisons(self) -> tuple[tuple[str, str], ...]:
        """(arm, reference arm) for every arm but the reference."""
        reference = self.spec.reference_arm
        return tuple((arm, reference) for arm in self.spec.arms if arm != reference)
