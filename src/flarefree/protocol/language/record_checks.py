"""Whether the tests of a record make sense: its table's fields, their types, and durations in days."""

from __future__ import annotations

from dataclasses import replace

from flarefree.protocol.language.messages import SentenceError, suggest
from flarefree.protocol.language.nodes import (
    And,
    FieldTest,
    FieldTestOperator,
    Node,
    Not,
    Or,
    Quantity,
    RecordTable,
    Text,
)
from flarefree.protocol.language.printing import print_node
from flarefree.protocol.language.words import FACTS, RECORD_FIELDS, TABLES
from flarefree.units import conversion_factor

__all__ = ["check_record_condition"]

_TEXT_TESTS = frozenset(
    {
        FieldTestOperator.EQ,
        FieldTestOperator.NE,
        FieldTestOperator.IN,
        FieldTestOperator.CONTAINS,
        FieldTestOperator.STARTS_WITH,
    }
)


def check_record_condition(node: Node, text: str, table: RecordTable) -> Node:
    """The test of a table's records, with its durations in days.

    Raises
    ------
    LanguageError
        The table has no such field, or the field is not of that type.
    """
    match node:
        case And(operands=operands) | Or(operands=operands):
            return replace(
                node, operands=tuple(check_record_condition(part, text, table) for part in operands)
            )
        case Not(operand=operand):
            return replace(node, operand=check_record_condition(operand, text, table))
        case FieldTest():
            return _field_test(node, text, table)
    raise SentenceError("this is not a test of a record's field", node.span, text)


def _field_test(node: FieldTest, text: str, table: RecordTable) -> FieldTest:
    fields = RECORD_FIELDS[table]
    kind = fields.get(node.field)
    if kind is None:
        raise _unknown_field(node, text, table)
    match kind:
        case "yes_no" if node.operator is not FieldTestOperator.IS_TRUE:
            raise _wrong(node, text, f"{node.field} is yes or no", f"{node.field}, or not {node.field}")
        case "text" if node.operator not in _TEXT_TESTS or not _are_texts(node):
            raise _wrong(node, text, f"{node.field} is text", f'such as {node.field} = "..."')
        case "number" if not _is_number(node, {""}):
            raise _wrong(node, text, f"{node.field} is a bare number", f"such as {node.field} >= 2")
        case "days":
            return _in_days(node, text)
    return node


def _unknown_field(node: FieldTest, text: str, table: RecordTable) -> SentenceError:
    is_other_word = node.field in TABLES or node.field in FACTS
    return SentenceError(
        f"{table.value} records have no {node.field}",
        node.span,
        text,
        expected="one of " + ", ".join(RECORD_FIELDS[table]) if RECORD_FIELDS[table] else "no where at all",
        try_=f"put parentheses around ({table.value} where ...)"
        if is_other_word
        else suggest(node.field, RECORD_FIELDS[table]),
    )


def _are_texts(node: FieldTest) -> bool:
    return all(isinstance(value, Text) for value in node.values)


def _is_number(node: FieldTest, units: set[str]) -> bool:
    return (
        node.operator not in (_TEXT_TESTS - {FieldTestOperator.EQ, FieldTestOperator.NE})
        and node.operator is not FieldTestOperator.IS_TRUE
        and all(isinstance(value, Quantity) and value.unit in units for value in node.values)
    )


def _in_days(node: FieldTest, text: str) -> FieldTest:
    example = f"{node.field} >= 28{' days' if node.field == 'duration' else ''}"
    units = {value.unit for value in node.values if isinstance(value, Quantity)}
    if not _is_number(node, units):
        raise _wrong(node, text, f"{node.field} is a number of days", f"such as {example}")
    converted = []
    for value in node.values:
        assert isinstance(value, Quantity)
        factor = conversion_factor(value.unit or "day", "day")
        if factor is None:
            raise _wrong(node, text, f"{node.field} is in days, not in {value.unit}", f"such as {example}")
        days = factor.apply(value.value)
        converted.append(replace(value, value=days, unit="day", written=print_node(value)))
    return replace(node, values=tuple(converted))


def _wrong(node: FieldTest, text: str, what: str, expected: str) -> SentenceError:
    return SentenceError(what, node.span, text, expected=expected)
