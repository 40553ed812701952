"""Every part of a sentence, from the whole down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from flarefree.protocol.language.nodes import Node

__all__ = ["parts_of", "walk"]


_FIELDS: dict[type[Node], tuple[str, ...]] = {}


def _fields_of(kind: type[Node]) -> tuple[str, ...]:
    """The fields in which a kind of node may hold others, looked up once."""
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(field.name for field in fields(kind) if field.name != "span")
    return _FIELDS[kind]


def parts_of(node: Node) -> tuple[Node, ...]:
    """The nodes directly within a node, in order."""
    parts: list[Node] = []
    for name in _fields_of(type(node)):
        value = getattr(node, name)
        if isinstance(value, Node):
            parts.append(value)
        elif isinstance(value, tuple):
            parts += [part for part in value if isinstance(part, Node)]
    return tuple(parts)


def walk(node: Node) -> Iterator[Node]:
    """A node and every node within it."""
    yield node
    for part in parts_of(node):
        yield from walk(part)
