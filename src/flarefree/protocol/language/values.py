"""Values in sentences: their types, and their units brought to one.

`upcr >= 200 mg/g` becomes `upcr >= 0.2 mg/mg` where the protocol keeps `upcr` in mg/mg; adding
g/day to mg/mg is an error with a caret under the place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flarefree.protocol.language.messages import SentenceError, suggest
from flarefree.protocol.language.nodes import (
    Arithmetic,
    ArithmeticOperator,
    Comparison,
    ComparisonOperator,
    Conditional,
    CountOf,
    DaysSince,
    Measure,
    Node,
    Quantity,
    Reference,
    ReferenceKind,
    Text,
)
from flarefree.protocol.language.printing import print_node
from flarefree.protocol.language.vocabulary import Kind, Type, Vocabulary
from flarefree.units import conversion_factor, normalize_unit, unit_names

__all__ = ["ValueChecker"]

_EQUALITY = (ComparisonOperator.EQ, ComparisonOperator.NE)


class ValueChecker:
    """Checks the values of one sentence.

    Parameters
    ----------
    text : str
        The sentence, for carets.
    names : Vocabulary
    condition : function
        Checks a condition within a value (`1 g/day if ... else ...`).
    is_subject : bool
        The sentence is about patients as a whole: only covariates have values.
    """

    def __init__(
        self, text: str, names: Vocabulary, condition: Callable[[Node], Node], *, is_subject: bool = False
    ) -> None:
        self._text = text
        self._names = names
        self._condition = condition
        self._is_subject = is_subject

    # What checking.py asks for -----------------------------------------------------------------------

    def comparison(self, node: Comparison) -> Comparison:
        """Both sides of one type and in one unit."""
        left, left_kind = self._value(node.left)
        right, right_kind = self._value(node.right)
        for side, kind in ((node.left, left_kind), (node.right, right_kind)):
            if kind.type is Type.YES_NO:
                name = print_node(side)
                raise self._error(
                    f"{name} is yes or no, not a number", side, try_=f"{name} alone, or not {name}"
                )
        types = {left_kind.type, right_kind.type}
        if Type.GRADE in types:
            left, right = (
                self._graded(left, left_kind, right_kind),
                self._graded(right, right_kind, left_kind),
            )
        elif Type.TEXT in types:
            self._require_texts(node, left_kind, right_kind)
        else:
            left, right, _ = self._alike(left, left_kind, right, right_kind, node.right, "compared")
        return replace(node, left=left, right=right)

    def any_value(self, node: Node) -> Node:
        """A value of any type (`x is known`)."""
        return self._value(node)[0]

    def in_unit(self, node: Node, unit: str) -> Node:
        """A number, converted to the unit of its endpoint."""
        value, kind = self._value(node)
        if kind.type not in (Type.NUMBER, Type.GRADE):
            raise self._error(f"this is {kind.type.value}, not a number", node)
        if normalize_unit(unit) == normalize_unit(kind.unit):
            return value
        converted = self._converted(value, kind, unit, kind.names)
        if converted is None:
            raise self._error(f"this is {_in(kind.unit)}, not {_in(unit)}", node, try_=f"unit: {kind.unit}")
        return converted

    def require_epoch(self, epoch: str, node: Node) -> None:
        """An epoch that is named must be one of the protocol's."""
        if epoch and epoch not in self._names.epochs:
            raise self._error(
                f"there is no epoch called {epoch}",
                node,
                expected="one of " + ", ".join(self._names.epochs) if self._names.epochs else "no epoch",
                try_=suggest(epoch, self._names.epochs),
            )

    def reference(self, node: Reference) -> tuple[Node, Kind]:
        """A reference to another value of a measure, and its type."""
        name = node.measure.name
        kind = self._names.measures.get(name)
        if kind is None:
            raise self._not_a_measure(node.measure)
        if kind.type is Type.TEXT:
            raise self._error(f"{name} is text, and has no {node.kind.value}", node)
        is_limit = node.kind in (ReferenceKind.UPPER_LIMIT, ReferenceKind.LOWER_LIMIT)
        is_change = node.kind in (ReferenceKind.CHANGE, ReferenceKind.PERCENT_CHANGE)
        if (is_limit and kind.type is not Type.NUMBER) or (is_change and kind.type is Type.YES_NO):
            raise self._error(f"{name} is {kind.type.value}, and has no {node.kind.value}", node)
        self.require_epoch(node.epoch, node)
        if node.condition is not None:
            node = replace(node, condition=self._condition(node.condition))
        if node.kind is ReferenceKind.PERCENT_CHANGE:
            return node, Kind(Type.NUMBER, "%")
        return node, Kind(Type.NUMBER, kind.unit, kind.names) if is_change else kind

    # Types -------------------------------------------------------------------------------------------

    def _value(self, node: Node) -> tuple[Node, Kind]:
        if self._is_subject and isinstance(node, Reference | DaysSince | CountOf):
            raise self._error(
                "this is about assessments, and the sentence is about patients as a whole",
                node,
                expected="a covariate",
            )
        match node:
            case Quantity():
                return self._quantity(node), Kind(Type.NUMBER, node.unit, is_literal=True)
            case Text():
                return node, Kind(Type.TEXT, is_literal=True)
            case Measure():
                return node, self._measure(node)
            case Reference():
                return self.reference(node)
            case Arithmetic():
                return self._arithmetic(node)
            case Conditional():
                return self._conditional(node)
            case CountOf(operands=operands):
                return replace(node, operands=tuple(map(self._condition, operands))), Kind(Type.NUMBER)
            case DaysSince(operand=operand):
                return replace(node, operand=self._condition(operand)), Kind(Type.NUMBER, "day")
        raise self._error("this is a condition, not a value", node)

    def _quantity(self, node: Quantity) -> Quantity:
        if normalize_unit(node.unit) is None:
            raise self._error(
                f"{node.unit} is not a unit that is known here", node, try_=suggest(node.unit, unit_names())
            )
        return node

    def _measure(self, node: Measure) -> Kind:
        if node.name in self._names.measures and not self._is_subject:
            kind = self._names.measures[node.name]
            if kind.type is Type.TEXT:
                raise self._error(
                    f"{node.name} is text; sentences compare numbers, grades and covariates", node
                )
            return kind
        if node.name in self._names.covariates:
            return self._names.covariates[node.name]
        if node.name in self._names.values and not self._is_subject:
            return self._names.values[node.name]
        raise self._not_a_measure(node)

    def _not_a_measure(self, node: Measure) -> SentenceError:
        name = node.name
        if name in self._names.endpoints:
            return self._error(f"{name} is an endpoint, not a measure", node)
        if name in self._names.covariates:
            return self._error(f"{name} is a covariate, which has one value only", node, try_=f"{name} alone")
        if name in self._names.measures:
            return self._error(
                f"{name} is a measure, and the sentence is about patients as a whole",
                node,
                expected=f"assessed({name}), or a covariate",
            )
        thing = "covariate" if self._is_subject else "measure"
        known = tuple(self._names.covariates) if self._is_subject else self._names.names
        return self._error(
            f"there is no {thing} called {name}",
            node,
            expected=f"a {thing} of the protocol",
            try_=suggest(name, known),
        )

    def _arithmetic(self, node: Arithmetic) -> tuple[Node, Kind]:
        left, left_kind = self._number(node.left)
        right, right_kind = self._number(node.right)
        names = left_kind.names or right_kind.names
        is_literal = left_kind.is_literal and right_kind.is_literal
        match node.operator:
            case ArithmeticOperator.ADD | ArithmeticOperator.SUBTRACT:
                word = "added" if node.operator is ArithmeticOperator.ADD else "subtracted"
                left, right, unit = self._alike(left, left_kind, right, right_kind, node.right, word)
            case ArithmeticOperator.MULTIPLY:
                unit = self._product_unit(node, left_kind.unit, right_kind.unit)
            case _ if _constant(node.right) == 0:
                raise self._error(
                    "this divides by zero",
                    node.right,
                    expected="a divisor that is not 0",
                    try_="leave the division out",
                )
            case _ if not right_kind.unit:
                unit = left_kind.unit
            case _:
                left, right, _ = self._alike(left, left_kind, right, right_kind, node.right, "divided")
                unit, is_literal = "", False
        return replace(node, left=left, right=right), Kind(Type.NUMBER, unit, names, is_literal)

    def _product_unit(self, node: Arithmetic, left: str, right: str) -> str:
        if left and right:
            percent = next(
                (side for side, unit in ((node.left, left), (node.right, right)) if unit == "%"), None
            )
            try_ = "50% of x is 0.5 * x" if percent is not None else ""
            raise self._error(f"{left} times {right} is no unit of this protocol", node, try_=try_)
        return left or right

    def _number(self, node: Node) -> tuple[Node, Kind]:
        value, kind = self._value(node)
        if kind.type not in (Type.NUMBER, Type.GRADE):
            raise self._error(f"this is {kind.type.value}, not a number", node)
        return value, kind

    def _conditional(self, node: Conditional) -> tuple[Node, Kind]:
        then, then_kind = self._value(node.then)
        otherwise, other_kind = self._value(node.otherwise)
        condition = self._condition(node.condition)
        if then_kind.type is not other_kind.type:
            raise self._error(
                f"one branch is {then_kind.type.value}, this is {other_kind.type.value}", node.otherwise
            )
        then, otherwise, unit = self._alike(
            then, then_kind, otherwise, other_kind, node.otherwise, "used side by side"
        )
        names = then_kind.names or other_kind.names
        is_literal = then_kind.is_literal and other_kind.is_literal
        kind = replace(then_kind, unit=unit, names=names, is_literal=is_literal)
        return replace(node, then=then, condition=condition, otherwise=otherwise), kind

    # Text and grades ---------------------------------------------------------------------------------

    def _require_texts(self, node: Comparison, left: Kind, right: Kind) -> None:
        for side, kind in ((node.left, left), (node.right, right)):
            if kind.type is not Type.TEXT:
                raise self._error(
                    f"text is compared with {kind.type.value}", side, expected='text in quotes: "..."'
                )
        if node.operator not in _EQUALITY:
            raise self._error(f"text is not ordered by {node.operator}", node, expected="= or !=")
        levels = left.levels or right.levels
        for side in (node.left, node.right):
            if isinstance(side, Text) and levels and side.value not in levels:
                raise self._error(
                    f"{print_node(side)} is none of the levels",
                    side,
                    expected="one of " + ", ".join(f'"{level}"' for level in levels),
                    try_=suggest(side.value, levels),
                )

    def _graded(self, node: Node, kind: Kind, other: Kind) -> Node:
        """A grade's name as its number; the sentence keeps the name."""
        if isinstance(node, Text) and other.type is Type.GRADE:
            if node.value not in other.grades:
                raise self._error(
                    f"{print_node(node)} is no grade of it",
                    node,
                    expected="one of " + ", ".join(f'"{grade}"' for grade in other.grades),
                )
            return Quantity(other.grades[node.value], written=print_node(node), span=node.span)
        if kind.type is Type.TEXT or kind.unit:
            raise self._error("a grade is compared with a grade", node)
        return node

    # Units -------------------------------------------------------------------------------------------

    def _alike(
        self, left: Node, left_kind: Kind, right: Node, right_kind: Kind, place: Node, word: str
    ) -> tuple[Node, Node, str]:
        """Both in one unit: that of a measure, if either side has one."""
        if normalize_unit(left_kind.unit) == normalize_unit(right_kind.unit):
            return left, right, left_kind.unit if not left_kind.is_literal else right_kind.unit
        names = (*left_kind.names, *right_kind.names)
        keeps_left = not left_kind.is_literal or right_kind.is_literal
        if keeps_left:
            converted = self._converted(right, right_kind, left_kind.unit, names)
            if converted is not None:
                return left, converted, left_kind.unit
        else:
            converted = self._converted(left, left_kind, right_kind.unit, names)
            if converted is not None:
                return converted, right, right_kind.unit
        raise self._unlike(left_kind, right_kind, place, word)

    def _unlike(self, left: Kind, right: Kind, place: Node, word: str) -> SentenceError:
        if left.unit and right.unit:
            name = f" ({left.names[0]} is in {left.unit})" if left.names else ""
            return self._error(
                f"{left.unit} and {right.unit} cannot be {word}: they measure different things{name}",
                place,
                expected=f"a value in {left.unit}, or in a unit that becomes it",
            )
        unit = left.unit or right.unit
        bare = "the left side" if right.unit else "this"
        return self._error(
            f"{bare} has no unit, and the other side is in {unit}", place, try_=f"write the unit: {unit}"
        )

    def _converted(self, node: Node, kind: Kind, unit: str, names: tuple[str, ...]) -> Node | None:
        """The same value in another unit, pushed down to the numbers that the sentence writes."""
        if kind.unit == "" and kind.is_literal and unit == "day":
            return _relabeled(node, unit)
        factor = conversion_factor(kind.unit, unit, names)
        return None if factor is None else self._scaled(node, kind.unit, unit, names)

    def _scaled(self, node: Node, source: str, unit: str, names: tuple[str, ...]) -> Node:
        factor = conversion_factor(source, unit, names)
        assert factor is not None
        match node:
            case Quantity():
                return replace(node, value=factor.apply(node.value), unit=unit, written=print_node(node))
            case Conditional():
                then = self._scaled(node.then, source, unit, names)
                return replace(node, then=then, otherwise=self._scaled(node.otherwise, source, unit, names))
            case Arithmetic(operator=ArithmeticOperator.ADD | ArithmeticOperator.SUBTRACT):
                left = self._scaled(node.left, source, unit, names)
                return replace(node, left=left, right=self._scaled(node.right, source, unit, names))
        multiplier = Quantity(factor.value, span=node.span)
        return Arithmetic(ArithmeticOperator.MULTIPLY, multiplier, node, span=node.span)

    def _error(self, what: str, node: Node, *, expected: str = "", try_: str = "") -> SentenceError:
        return SentenceError(what, node.span, self._text, expected=expected, try_=try_)


def _constant(node: Node) -> float | None:
    """The value of numbers that the sentence itself writes; None if a measure is among them."""
    match node:
        case Quantity(value=value):
            return value
        case Arithmetic(operator=operator, left=left, right=right):
            a, b = _constant(left), _constant(right)
            if a is None or b is None:
                return 0.0 if operator is ArithmeticOperator.MULTIPLY and 0 in (a, b) else None
            match operator:
                case ArithmeticOperator.ADD:
                    return a + b
                case ArithmeticOperator.SUBTRACT:
                    return a - b
                case ArithmeticOperator.MULTIPLY:
                    return a * b
            return a / b if b else None
    return None


def _relabeled(node: Node, unit: str) -> Node:
    return replace(node, unit=unit, written=print_node(node)) if isinstance(node, Quantity) else node


def _in(unit: str) -> str:
    return f"in {unit}" if unit else "a number without a unit"
