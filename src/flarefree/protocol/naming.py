"""Finding what one part of a protocol names in another, and the errors when it is not there."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from flarefree.errors import ProtocolError
from flarefree.protocol.language.messages import suggest
from flarefree.protocol.schema import Protocol
from flarefree.protocol.yaml_source import YamlSource

__all__ = ["Names"]


class Names:
    """A protocol's names, and where they stand."""

    def __init__(self, spec: Protocol, source: YamlSource) -> None:
        self.spec = spec
        self.source = source

    def error(
        self, what: str, path: str, *, found: str = "", expected: str = "", try_: str = ""
    ) -> ProtocolError:
        """An error at a path of the file."""
        return ProtocolError(what, where=self.source.place(path), found=found, expected=expected, try_=try_)

    def unknown(self, thing: str, name: str, known: Iterable[str], path: str) -> ProtocolError:
        """There is no such thing; the known ones are listed if they are few."""
        options = list(known)
        hint = suggest(name, options)
        is_short = 0 < len(options) <= 12 and not hint
        return self.error(
            f"there is no {thing} called {name}",
            path,
            found=name,
            expected="one of " + ", ".join(options) if is_short else "",
            try_=hint,
        )

    def require(self, thing: str, name: str, known: Collection[str], path: str) -> None:
        """`name` must be one of `known`."""
        if name not in known:
            raise self.unknown(thing, name, known, path)

    def require_event(self, name: str, path: str) -> None:
        """An endpoint that has a date: an event or a composite."""
        self.require("endpoint", name, self.spec.endpoints, path)
        kind = self.spec.endpoints[name].kind
        if kind not in ("event", "composite"):
            raise self.error(
                f"{name} is a {kind}, which has no date", path, found=name, expected="an event or a composite"
            )

    def require_visit(self, name: str, path: str) -> None:
        """A visit of the schedule, by its name."""
        self.require("visit", name, [visit.name for visit in self.spec.schedule.visits], path)

    def require_characteristic(self, name: str, path: str) -> None:
        """What a patient is at baseline: a covariate, or a measure's baseline value."""
        self.require("covariate", name, (*self.spec.covariates, *self.spec.measures), path)
