"""Every part of a sentence, from the whole down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from flarefree.protocol.language.nodes import Node

__all__ = ["parts_of", "walk"]


def parts_of(node: Node) -> tuple[Node, ...]:
    """The nodes directly within a node, in order."""
    parts: list[Node] = []
    for field in fields(node):
        value = getattr(node, field.name)
        parts += [
            part for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, Node)
        ]
    return tuple(parts)


def walk(node: Node) -> Iterator[Node]:
    """A node and every node within it."""
    yield node
    for part in parts_of(node):
        yield from walk(part)
