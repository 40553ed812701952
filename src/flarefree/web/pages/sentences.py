"""A protocol's sentence as a committee reads it: what must be so, part by part, in the protocol's labels.

Takes the parsed sentence; gives words in lists.  The sentence itself stands below, as the protocol has it:
these words explain it and decide nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from flarefree.protocol.language.nodes import (
    And,
    Comparison,
    ComparisonOperator,
    CountOf,
    FieldTest,
    FieldTestOperator,
    Holds,
    Node,
    Not,
    Or,
    Quantity,
    Records,
    RecordTable,
    Sustained,
    Text,
)
from flarefree.protocol.language.printing import layout, print_node
from flarefree.protocol.loaded import LoadedProtocol

__all__ = ["Said", "in_labels", "sentence_in_words", "sentence_lines"]


@dataclass(frozen=True, slots=True)
class Said:
    """Words, and parts of which any or all must be so.

    Attributes
    ----------
    text : str
    joined : str
        `all of`, `any of`, `at least 3 of`; empty where there are no parts.
    parts : tuple of Said
    """

    text: str
    joined: str = ""
    parts: tuple[Said, ...] = ()


_RECORDS = {
    RecordTable.ADVERSE_EVENT: "An adverse event",
    RecordTable.MEDICATION: "A drug",
    RecordTable.PROCEDURE: "A procedure",
    RecordTable.CLINICAL_EVENT: "A clinical event",
    RecordTable.DISPOSITION: "An end of treatment or follow-up",
    RecordTable.MEDICAL_HISTORY: "A disease of the past",
    RecordTable.DEATH: "The patient's death",
}


def sentence_in_words(protocol: LoadedProtocol, endpoint: str) -> Said:
    """What an end point asks, in the protocol's labels."""
    spec = protocol.spec.endpoints[endpoint]
    if spec.first_of:
        parts = tuple(sentence_in_words(protocol, one) for one in spec.first_of)
        return Said(spec.label, "any of", parts)
    sentence = _sentence(protocol, endpoint)
    if sentence is None:
        return Said(spec.label)
    found = _said(protocol, sentence)
    if found.parts and not found.text:
        return Said(spec.label, found.joined, found.parts)
    return Said(spec.label, "when", (found,))


def sentence_lines(protocol: LoadedProtocol, endpoint: str) -> str:
    """The sentence as the protocol has it, broken at `and` and `or`."""
    spec = protocol.spec.endpoints[endpoint]
    if spec.first_of:
        return "\n\n".join(sentence_lines(protocol, one) for one in spec.first_of)
    sentence = _sentence(protocol, endpoint)
    return f"{endpoint}:" + "".join(f"\n  {line}" for line in _lines(sentence))


def _lines(sentence: Node | None) -> list[str]:
    return [] if sentence is None else layout(sentence, 76).splitlines()


def _sentence(protocol: LoadedProtocol, endpoint: str) -> Node | None:
    for part in ("when", "state"):
        found = protocol.sentences.get(f"endpoints.{endpoint}.{part}")
        if found is not None:
            return found
    return None


def _said(protocol: LoadedProtocol, node: Node) -> Said:
    match node:
        case And(operands=operands):
            return _all_of(tuple(_said(protocol, one) for one in operands))
        case Or(operands=operands):
            return Said("", "any of", tuple(_said(protocol, one) for one in operands))
        case Comparison(ComparisonOperator.GE, CountOf(operands=operands), Quantity(value=number)):
            return Said("", f"at least {number:g} of", tuple(_said(protocol, one) for one in operands))
        case Holds(name=name) if name in protocol.spec.endpoints and name not in protocol.spec.measures:
            return sentence_in_words(protocol, name)
        case Holds(name=name):
            return Said(f"{_label(protocol, name)}: yes")
        case Not(operand=Holds(name=name)) if name in protocol.spec.measures:
            return Said(f"{_label(protocol, name)}: no")
        case Not(operand=operand):
            inner = _said(protocol, operand)
            return (
                Said("Not so", inner.joined, inner.parts) if inner.parts else Said(f"Not: {_low(inner.text)}")
            )
        case Sustained(operand=operand, days=days):
            inner = _said(protocol, operand)
            words = f"for {days} days or more, at every assessment"
            return (
                Said(f"{inner.text}, {words}") if not inner.parts else Said(words, inner.joined, inner.parts)
            )
        case Records(table=table, where=where):
            return _of_records(table, where)
        case _:
            return Said(in_labels(protocol, print_node(node)))


def _all_of(parts: tuple[Said, ...]) -> Said:
    """Two comparisons are read in one line."""
    if len(parts) == 2 and not any(part.parts for part in parts):
        return Said(f"{parts[0].text}, and {_low(parts[1].text)}")
    return Said("", "all of", parts)


def _low(text: str) -> str:
    """Within a line; abbreviations stay."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _of_records(table: RecordTable, where: Node | None) -> Said:
    text = f"{_RECORDS[table]} is recorded"
    if where is None:
        return Said(text)
    tests = where.operands if isinstance(where, And) else (where,)
    said = tuple(Said(_test(one)) for one in tests)
    if len(said) == 1:
        return Said(f"{text} whose {said[0].text}")
    return Said(f"{text} of which", "all of", said)


def _test(node: Node) -> str:
    """A test on a record's fields, in words; `or` stays within its line."""
    match node:
        case Or(operands=operands):
            return ", or ".join(map(_test, operands))
        case And(operands=operands):
            return " and ".join(map(_test, operands))
        case FieldTest(field=field, operator=FieldTestOperator.IS_TRUE):
            return field.replace("_", " ")
        case FieldTest(field=field, operator=operator, values=values):
            said = " or ".join(_listed(values))
            verb = _TESTS.get(operator, operator.value)
            return f"{field.replace('_', ' ')} {verb} {said}"
        case _:
            return _quoted(print_node(node))


_TESTS = {
    FieldTestOperator.EQ: "is",
    FieldTestOperator.NE: "is not",
    FieldTestOperator.IN: "is",
    FieldTestOperator.STARTS_WITH: "starts with",
    FieldTestOperator.GE: "is at least",
    FieldTestOperator.GT: "is above",
    FieldTestOperator.LE: "is at most",
    FieldTestOperator.LT: "is below",
}


def _listed(values: tuple[Text | Quantity, ...]) -> Iterator[str]:
    for value in values:
        yield f"“{value.value}”" if isinstance(value, Text) else print_node(value)


# Words for names ----------------------------------------------------------------------------------

_SIGNS = ((">=", "≥"), ("<=", "≤"), ("!=", "≠"), (" * ", " × "), (" - ", " − "))
_CALL = re.compile(
    r"\b(baseline|lowest|highest|previous|last|first|change)\((\w+)(?:, (so far|during \w+))?\)"
)
_NAME = re.compile(r"\b[a-z][a-z0-9_]*\b")


def in_labels(protocol: LoadedProtocol, text: str) -> str:
    """A comparison with the protocol's labels for its names: `upcr >= 2 * baseline(upcr)`."""
    for sign, better in _SIGNS:
        text = text.replace(sign, better)
    left = text.partition(" ")[0]
    text = _CALL.sub(lambda found: _reference(found, left), text)
    text = _NAME.sub(lambda found: _in_line(protocol, found.group()), text)
    return _quoted(text[:1].upper() + text[1:])


def _reference(found: re.Match[str], left: str) -> str:
    """A measure that is held against itself is not named twice."""
    kind, measure, epoch = found.groups()
    named = f"its {kind}" if measure == left else f"{kind} {measure}"
    return named + (f" {epoch}" if epoch else "")


def _in_line(protocol: LoadedProtocol, name: str) -> str:
    return _low(_label(protocol, name))


def _label(protocol: LoadedProtocol, name: str) -> str:
    spec = protocol.spec
    if name in spec.measures:
        return spec.measures[name].label
    return spec.endpoints[name].label if name in spec.endpoints else name


@cache
def _quoted(text: str) -> str:
    return re.sub(r'"([^"]*)"', r"“\1”", text)
