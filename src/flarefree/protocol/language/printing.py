"""From nodes back to the sentence: canonical spacing, and only the parentheses that are needed.

What is printed is read again as the same nodes: `parse(print_node(x)) == x`.
"""

from __future__ import annotations

from flarefree.protocol.language.nodes import (
    And,
    Arithmetic,
    ArithmeticOperator,
    Comparison,
    Conditional,
    Confirmed,
    CountOf,
    DaysSince,
    Earlier,
    FieldTest,
    FieldTestOperator,
    Holds,
    InWindow,
    IsKnown,
    Measure,
    Node,
    Not,
    Or,
    Quantity,
    Records,
    Reference,
    ReferenceKind,
    SubjectFact,
    Sustained,
    Text,
)

__all__ = ["layout", "print_node", "print_number"]

# How tightly a node holds together; a part that holds less than its place asks gets parentheses.
_WHERE, _OR, _AND, _NOT, _WINDOW, _COMPARISON, _SUM, _PRODUCT, _ATOM = range(9)


def print_node(node: Node) -> str:
    """The sentence that a node says.

    Parameters
    ----------
    node : Node
        A whole sentence, or any part of one.

    Returns
    -------
    str
        On one line.  A quantity that loading has converted prints as it was written.
    """
    return _text(node, _WHERE)


def layout(node: Node, width: int = 88) -> str:
    """The sentence on as many lines as it needs, broken at `and` and `or`; reads back as the same nodes."""
    return "\n".join(_lines(node, _WHERE, width))


def _lines(node: Node, holds: int, width: int) -> list[str]:
    whole = _text(node, holds)
    if len(whole) <= width:
        return [whole]
    inner, before, after = _opened(node)
    if inner is not None:
        *lines, last = (f"  {line}" for line in _lines(inner, _WHERE, width - 2))
        return [before, *lines, f"{last},", after]
    if not isinstance(node, And | Or):
        return [whole]
    word = "and" if isinstance(node, And) else "or"
    if _phrase(node)[1] < holds:
        return _in_parentheses(_lines(node, _WHERE, width - 1))
    joined: list[str] = []
    for part in node.operands:
        first, *rest = _lines(part, _NOT, width - 4)
        joined += [f"{word} {first}" if joined else first, *(f"    {line}" for line in rest)]
    return joined


def _in_parentheses(lines: list[str]) -> list[str]:
    inner = [f"({lines[0]}", *(f" {line}" for line in lines[1:])]
    return [*inner[:-1], f"{inner[-1]})"]


def _opened(node: Node) -> tuple[Node | None, str, str]:
    """What stands within the parentheses of a function, and what stands around it."""
    match node:
        case Confirmed(operand=operand) | Sustained(operand=operand):
            whole, within = print_node(node), print_node(operand)
            start = whole.index("(") + 1
            return operand, whole[:start], whole[start + len(within) :].removeprefix(",").strip()
    return None, "", ""


def print_number(value: float) -> str:
    """The shortest spelling that reads back as the same number: `2`, `0.5`, `1.73`."""
    written = repr(float(value))
    return written.removesuffix(".0")


def _text(node: Node, holds: int) -> str:
    sentence, binding = _phrase(node)
    return sentence if binding >= holds else f"({sentence})"


def _phrase(node: Node) -> tuple[str, int]:
    """A node's words, and how tightly they hold together."""
    match node:
        case Quantity() | Text() | Measure() | Reference() | CountOf() | DaysSince():
            return _print_value(node), _ATOM
        case Arithmetic(operator=operator, left=left, right=right):
            is_product = operator in (ArithmeticOperator.MULTIPLY, ArithmeticOperator.DIVIDE)
            own = _PRODUCT if is_product else _SUM
            return f"{_text(left, own)} {operator} {_text(right, own + 1)}", own
        case Conditional(then=then, condition=condition, otherwise=otherwise):
            return f"({_text(then, _OR)} if {_text(condition, _OR)} else {_text(otherwise, _OR)})", _ATOM
        case Comparison(operator=operator, left=left, right=right):
            return f"{_text(left, _SUM)} {operator} {_text(right, _SUM)}", _COMPARISON
        case IsKnown(operand=operand):
            return f"{_text(operand, _SUM)} is known", _COMPARISON
        case Not(operand=IsKnown(operand=operand)):
            return f"{_text(operand, _SUM)} is not known", _COMPARISON
        case Not(operand=FieldTest(operator=FieldTestOperator.IN) as test):
            return f"{test.field} not in ({_list(test)})", _COMPARISON
        case Not(operand=operand):
            return f"not {_negated(operand)}", _NOT
        case And(operands=operands):
            return " and ".join(_text(part, _NOT) for part in operands), _AND
        case Or(operands=operands):
            # `a and b or c` has one meaning to a parser and two to a reader.
            return " or ".join(_text(part, _NOT) for part in operands), _OR
        case InWindow():
            return f"{_text(node.operand, _WINDOW)} {_window(node)}", _WINDOW
        case FieldTest():
            return _field_test(node), _COMPARISON if node.values else _ATOM
        case Records(table=table, where=None):
            return table.value, _ATOM
        case Records(table=table, where=Node() as where):
            return f"{table.value} where {_text(where, _OR)}", _WHERE
    return _print_call(node), _ATOM


def _print_value(node: Node) -> str:
    match node:
        case Quantity(written=written) if written:
            return written
        case Quantity(value=value, unit=unit):
            gap = "" if unit in ("", "%") else " "
            return f"{print_number(value)}{gap}{unit}"
        case Text(value=value):
            return _quoted(value)
        case Measure(name=name):
            return name
        case Reference():
            return f"{node.kind.value}({', '.join([node.measure.name, *_reference_time(node)])})"
        case CountOf(operands=operands):
            return f"count({', '.join(_text(part, _WHERE) for part in operands)})"
        case DaysSince(operand=operand):
            return f"days_since({_text(operand, _WHERE)})"
    raise TypeError(f"no value: {node!r}")


def _reference_time(node: Reference) -> list[str]:
    if node.condition is not None:
        return [_text(node.condition, _WHERE)]
    if node.epoch:
        return [f"during {node.epoch}"]
    return ["so far"] if node.kind in (ReferenceKind.LOWEST, ReferenceKind.HIGHEST) else []


def _print_call(node: Node) -> str:
    match node:
        case Holds(name=name):
            return name
        case Confirmed(operand=operand, first_day=first, last_day=last):
            return f"confirmed({_text(operand, _WHERE)}, within {first} to {last} days)"
        case Sustained(operand=operand, days=days):
            return f"sustained({_text(operand, _WHERE)}, for {days} {'day' if days == 1 else 'days'})"
        case Earlier(operand=operand, only_previous=only_previous, epoch=epoch):
            time = f", during {epoch}" if epoch else ""
            return f"{'previously' if only_previous else 'was'}({_text(operand, _WHERE)}{time})"
        case SubjectFact(name="attended", arguments=arguments):
            return f"attended({', '.join(_quoted(visit) for visit in arguments)})"
        case SubjectFact(name=name, arguments=arguments):
            return f"{name}({', '.join(arguments)})" if arguments else name
    raise TypeError(f"no part of a sentence: {node!r}")


def _negated(operand: Node) -> str:
    # `not x during maintenance` reads both ways; the parentheses say which is meant.
    return f"({_text(operand, _WHERE)})" if isinstance(operand, InWindow) else _text(operand, _NOT)


def _window(node: InWindow) -> str:
    match node.first_day, node.last_day:
        case None, None:
            return f"during {node.epoch}"
        case int(first), None:
            return f"after day {-1 if first == 1 else first - 1}"
        case None, int(last):
            return f"before day {1 if last == -1 else last + 1}"
    return f"from day {node.first_day} to day {node.last_day}"


def _field_test(node: FieldTest) -> str:
    match node.operator:
        case FieldTestOperator.IS_TRUE:
            return node.field
        case FieldTestOperator.IN:
            return f"{node.field} in ({_list(node)})"
        case FieldTestOperator.CONTAINS | FieldTestOperator.STARTS_WITH:
            only_one = len(node.values) == 1
            return f"{node.field} {node.operator} " + (_list(node) if only_one else f"any of ({_list(node)})")
    return f"{node.field} {node.operator} {_list(node)}"


def _list(node: FieldTest) -> str:
    return ", ".join(_print_value(value) for value in node.values)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
