"""Everything that a tile of virtual trials is made from, as plain values: what travels to other processes.

A recipe holds protocols as text and settings as numbers; whoever receives it compiles it once.  Two equal
recipes give the same bits on every machine.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from flarefree.errors import DesignError, NotFoundError, ProtocolError
from flarefree.protocol.language.messages import suggest
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.loading import parse_protocol
from flarefree.simulation.asking import Question, ask
from flarefree.simulation.design import Design
from flarefree.simulation.parameters import Parameters

__all__ = ["Definition", "Recipe", "compiled", "draw_number", "text_of", "with_definition"]

TRIALS_PER_DRAW = 8
"""Trials in a row that share a draw of the parameters, where there are several draws."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One way of asking: a protocol's text, which endpoint is tested, and what the result calls it."""

    name: str
    text: str
    file: str
    folder: str
    endpoint: str | None
    ends_at: str | None
    asked: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What virtual trials are made from.

    Attributes
    ----------
    definitions : tuple of Definition
        Put to the same patients.
    design : Design
    seed : int
    draws : tuple of Parameters
        Trial t uses number (t // 8) modulo their count.
    analysis : str
        `log-rank`, `cox` or `grouped log-rank`.
    also : tuple of str
        Measures to take though no sentence asks for them.
    fractions : tuple of float
        Of the planned events, at which there are looks; the last is 1.  Empty for no interim look.
    planned_events : int
        Events of the primary endpoint that all information is counted from.
    """

    definitions: tuple[Definition, ...]
    design: Design
    seed: int
    draws: tuple[Parameters, ...]
    analysis: str = "log-rank"
    also: tuple[str, ...] = ()
    fractions: tuple[float, ...] = ()
    planned_events: int = 0

    def draw_of(self, trial: int) -> int:
        """Which parameters a trial uses."""
        return draw_number(trial, len(self.draws))


def draw_number(trial: int, draws: int) -> int:
    """Which of some draws of the parameters a trial uses."""
    return (trial // TRIALS_PER_DRAW) % draws


def compiled(definitions: tuple[Definition, ...]) -> tuple[Question, ...]:
    """The questions of some definitions; each is compiled once in a process."""
    return tuple(_question(definition) for definition in definitions)


@lru_cache(maxsize=64)
def _question(definition: Definition) -> Question:
    protocol = parse_protocol(definition.text, definition.file, definition.folder)
    return ask(
        protocol,
        endpoint=definition.endpoint,
        ends_at=definition.ends_at,
        asked=definition.asked,
        name=definition.name,
    )


def text_of(protocol: LoadedProtocol) -> str:
    """The YAML that a protocol was read from.

    Raises
    ------
    DesignError
        It was read from no file that is still there, or the file has changed.
    """
    import hashlib

    path = Path(protocol.folder or ".") / protocol.path
    try:
        text = path.read_text("utf-8-sig").replace("\r\n", "\n")
    except OSError:
        text = ""
    if hashlib.sha256(text.encode("utf-8")).hexdigest() != protocol.digest:
        raise DesignError(
            "the protocol's file is not there, or has changed since it was read",
            where=protocol.path,
            try_="ff.load_protocol(file) again",
        )
    return text


def with_definition(text: str, name: str, sentence: str) -> str:
    """A protocol's text with another sentence for an endpoint.

    An event or state gets the sentence in the place of its own; a name that the protocol does not have
    becomes a new event, as does a composite's, which then stands in the composite's place.
    """
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    values: Any = yaml.load(text)
    endpoints: Any = values.setdefault("endpoints", {})
    spec = endpoints.get(name)
    if spec is None:
        near = suggest(name, tuple(endpoints))
        if not name.isidentifier() or name != name.lower():
            raise NotFoundError(
                "not a name of an endpoint", where="--define", found=name, try_=near or "small letters and _"
            )
        endpoints[name] = {"label": name.replace("_", " ").capitalize(), "when": sentence}
    elif "state" in spec:
        spec["state"] = sentence
    elif "value" in spec:
        raise DesignError("this endpoint is a value, not an event", where=f"--define {name}", found=name)
    else:
        spec.pop("first_of", None)
        spec["when"] = sentence
    out = io.StringIO()
    yaml.dump(values, out)
    return out.getvalue()


def definition_of(
    protocol: LoadedProtocol,
    name: str,
    changes: Mapping[str, str],
    endpoint: str | None,
    asked: tuple[str, ...] | None,
) -> Definition:
    """A protocol with some sentences changed, as a definition."""
    text = text_of(protocol)
    for changed, sentence in changes.items():
        text = with_definition(text, changed, sentence)
    definition = Definition(name, text, protocol.path, protocol.folder, endpoint, None, asked)
    if changes:
        _require_sentences(definition, changes)
    return definition


def _require_sentences(definition: Definition, changes: Mapping[str, str]) -> None:
    """Compile now, so that an error names what was asked and not a line of a file that nobody wrote."""
    try:
        _question(definition)
    except ProtocolError as error:
        error.where = " ".join(filter(None, ("--define", ", ".join(changes), error.where.partition(" ")[2])))
        raise
