"""Small questions about the parts of a sentence, which `clauses.py` asks while it builds a tree."""

from __future__ import annotations

from collections.abc import Iterator

from flarefree.endpoints.explanation import Clause, SourceRow
from flarefree.endpoints.kernels import NO_DAY
from flarefree.protocol.language.nodes import (
    Arithmetic,
    ArithmeticOperator,
    Conditional,
    DaysSince,
    Measure,
    Node,
    Not,
    Quantity,
    Reference,
    ReferenceKind,
    Text,
)  # fmt: skip

__all__ = ["affirmed", "against", "known_day", "measure_within", "rows_within", "terms", "unit_of"]

_SUMS = (ArithmeticOperator.ADD, ArithmeticOperator.SUBTRACT)


def terms(node: Arithmetic) -> list[Node]:
    """What a chain of sums, or of products, is made of: `a + b - c` is of a, b and c."""
    is_sum = node.operator in _SUMS
    terms = [node.right]
    left = node.left
    while isinstance(left, Arithmetic) and (left.operator in _SUMS) is is_sum:
        terms.append(left.right)
        left = left.left
    return [left, *reversed(terms)]


def affirmed(node: Node) -> Node:
    """`not not x` is x."""
    while isinstance(node, Not) and isinstance(node.operand, Not):
        node = node.operand.operand
    return node


def against(left: Clause, right: Clause, node: Node) -> str:
    """The two sides of a comparison; a number that the sentence itself writes is not said again."""
    if isinstance(node, Quantity | Text):
        return left.shown or "not known"
    return f"{left.shown or 'not known'} against {right.shown or 'not known'}"


def rows_within(clause: Clause) -> Iterator[SourceRow]:
    """The rows of a clause and of all its parts."""
    yield from clause.rows
    for part in clause.parts:
        yield from rows_within(part)


def known_day(day: int) -> int | None:
    """A day, or None for `NO_DAY`."""
    return None if day == NO_DAY else day


def unit_of(node: Node) -> str | None:
    """The unit of a value that is none of its measure's."""
    if isinstance(node, DaysSince):
        return "days"
    if isinstance(node, Reference) and node.kind is ReferenceKind.PERCENT_CHANGE:
        return "%"
    return None


def measure_within(node: Node) -> str:
    """The measure whose unit a computed value has: the first that it names; a quotient has none."""
    match node:
        case Measure(name=name):
            return name
        case Reference(measure=measure):
            return measure.name
        case Arithmetic(operator=operator) if operator == "/" and not isinstance(node.right, Quantity):
            return ""
        case Arithmetic(left=left, right=right):
            return measure_within(left) or measure_within(right)
        case Conditional(then=then, otherwise=otherwise):
            return measure_within(then) or measure_within(otherwise)
    return ""
