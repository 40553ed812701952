"""From a parse tree to nodes: each place of a sentence asks for a condition, a value or a record's test.

The grammar is one for all three; here is decided which of them a tree must be, and a tree that is
none gets an error with a caret.  Names are not looked up here: `checking.py` knows the protocol.
"""

from __future__ import annotations

from lark import Token, Tree

from flarefree.protocol.durations import LONGEST_DAYS, parse_days
from flarefree.protocol.language.messages import SentenceError, suggest
from flarefree.protocol.language.nodes import (
    EPOCH_REFERENCES,
    And,
    Arithmetic,
    ArithmeticOperator,
    Comparison,
    ComparisonOperator,
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
    Span,
    SubjectFact,
    Sustained,
    Text,
)
from flarefree.protocol.language.words import FACTS, FUNCTIONS, REFERENCES, TABLES

__all__ = ["Builder"]

Part = Tree[Token] | Token

_VALUE_FUNCTIONS = (*REFERENCES, "count", "days_since")
_SPELLINGS = {"==": "=", "≥": ">=", "≤": "<=", "≠": "!="}


class Builder:
    """Makes nodes of the trees of one sentence."""

    def __init__(self, text: str) -> None:
        self._text = text

    # Conditions ----------------------------------------------------------------------------------

    def condition(self, tree: Part) -> Node:
        """What is true, false or unknown."""
        tree = self._ungrouped(tree)
        span = _span(tree)
        match _rule(tree), _children(tree):
            case "any_of", parts:
                return Or(tuple(self.condition(part) for part in parts), span=span)
            case "all_of", parts:
                return And(tuple(self.condition(part) for part in parts), span=span)
            case "negated", [operand]:
                return Not(self.condition(operand), span=span)
            case "compared", [left, operator, right]:
                return self._comparison(left, str(operator), right, span)
            case "known", [operand]:
                return IsKnown(self._known_operand(operand), span=span)
            case "not_known", [operand]:
                return Not(IsKnown(self._known_operand(operand), span=span), span=span)
            case "during" | "after_day" | "before_day" | "from_day", _:
                return self._window(tree)
            case "records", [name, where]:
                return self._records(str(name), where, span)
            case "name", [name]:
                return self._bare_name(str(name), span)
            case "call", [name, *arguments]:
                return self._condition_call(str(name), arguments, tree)
            case "one_of" | "none_of" | "contains" | "starts_with", _:
                raise self._error(
                    "a test of a record's field stands after `where`",
                    tree,
                    try_='write medication where ... , or several `race = "black"` joined by `or`',
                )
        raise self._error(
            f"this is {_kind(tree)}, not a condition", tree, expected="a condition, such as a comparison"
        )

    def _comparison(self, left: Part, operator: str, right: Part, span: Span) -> Node:
        sign = ComparisonOperator(_SPELLINGS.get(operator, operator))
        return Comparison(sign, self.value(left), self.value(right), span=span)

    def _known_operand(self, tree: Part) -> Node:
        return self.value(tree) if _is_value(self._ungrouped(tree)) else self.condition(tree)

    def _window(self, tree: Part) -> Node:
        operand, *rest = _children(tree)
        inner = self.condition(operand)
        match _rule(tree):
            case "during":
                return InWindow(inner, epoch=str(rest[0]), span=_span(tree))
            case "after_day":
                return InWindow(inner, first_day=_next_day(self._day(rest[0])), span=_span(tree))
            case "before_day":
                return InWindow(inner, last_day=_day_before(self._day(rest[0])), span=_span(tree))
        first, last = self._day(rest[0]), self._day(rest[1])
        if first > last:
            raise self._error(
                "the first day comes after the last", tree, expected="from the earlier day to the later"
            )
        return InWindow(inner, first_day=first, last_day=last, span=_span(tree))

    def _day(self, tree: Part) -> int:
        *sign, number = (str(token) for token in _tokens(tree))
        if not number.isdigit() or not 0 < int(number) <= LONGEST_DAYS:
            rule = "there is no day 0" if int(float(number)) == 0 else f"at most {LONGEST_DAYS:,}"
            raise self._error("this is no study day", tree, expected=f"a whole number; {rule}")
        return -int(number) if sign and sign[0] == "-" else int(number)

    def _bare_name(self, name: str, span: Span) -> Node:
        if name in TABLES:
            return Records(TABLES[name], span=span)
        if name in FACTS:
            return self._fact(name, [], span)
        return Holds(name, span=span)

    def _condition_call(self, name: str, arguments: list[Part], tree: Part) -> Node:
        span = _span(tree)
        if name in REFERENCES:
            return self._reference(name, arguments, tree)
        match name:
            case "confirmed":
                operand, window = self._two(name, arguments, tree, "within", "within 14 to 42 days")
                first, last = self._days(window)
                if not 0 < first <= last:
                    raise self._error(
                        "this window has no days in it", window, expected="the earlier day first, from 1"
                    )
                return Confirmed(self.condition(operand), first, last, span=span)
            case "sustained":
                operand, lasting = self._two(name, arguments, tree, "lasting", "for 28 days")
                (days,) = self._days(lasting)
                if days < 1:
                    raise self._error("nothing lasts this long", lasting, expected="at least one day")
                return Sustained(self.condition(operand), days, span=span)
            case "was" | "previously":
                operand, epoch = self._with_epoch(name, arguments, tree)
                return Earlier(self.condition(operand), name == "previously", epoch, span=span)
            case "assessed" | "attended":
                return self._fact(name, arguments, span)
            case "count" | "days_since":
                raise self._error(
                    f"{name}(...) is a number, not a condition", tree, try_=f"compare it: {name}(...) >= 2"
                )
        raise self._unknown_function(name, tree)

    def _fact(self, name: str, arguments: list[Part], span: Span) -> SubjectFact:
        if name == "attended" and [_rule(part) for part in arguments] == ["text"]:
            return SubjectFact(name, (self._text_of(arguments[0]).value,), span=span)
        if name == "assessed" and arguments and all(_rule(part) == "name" for part in arguments):
            return SubjectFact(name, tuple(str(_children(part)[0]) for part in arguments), span=span)
        if name in FACTS - {"assessed", "attended"} and not arguments:
            return SubjectFact(name, span=span)
        usage = {"attended": 'attended("WEEK 24")', "assessed": "assessed(creatinine, proteinuria)"}
        raise SentenceError(
            f"{name} is not written like this", span, self._text, expected=usage.get(name, name)
        )

    # Values --------------------------------------------------------------------------------------

    def value(self, tree: Part) -> Node:
        """What has a unit, or is a word."""
        tree = self._ungrouped(tree)
        span = _span(tree)
        match _rule(tree), _children(tree):
            case "quantity" | "signed_quantity", _:
                return self._quantity(tree)
            case "text", _:
                return self._text_of(tree)
            case "name", [name] if str(name) not in TABLES and str(name) not in FACTS:
                return Measure(str(name), span=span)
            case "arithmetic", [left, sign, right]:
                operator = ArithmeticOperator(str(sign))
                return Arithmetic(operator, self.value(left), self.value(right), span=span)
            case "conditional", [then, condition, otherwise]:
                parts = self.value(then), self.condition(condition), self.value(otherwise)
                return Conditional(*parts, span=span)
            case "call", [name, *arguments] if str(name) in _VALUE_FUNCTIONS:
                return self._value_call(str(name), arguments, tree)
            case "call", [name, *_] if str(name) not in FUNCTIONS:
                raise self._unknown_function(str(name), tree)
        raise self._error(
            f"this is {_kind(tree)}, not a value", tree, expected="a measure, a number with its unit, or text"
        )

    def _quantity(self, tree: Part) -> Quantity:
        sign, number, unit = 1.0, "", ""
        for token in _tokens(tree):
            match token.type:
                case "SUM_SIGN":
                    sign = -1.0 if token == "-" else 1.0
                case "NUMBER":
                    number = str(token)
                case _:
                    unit = " ".join(str(token).split())
        magnitude = float(number)
        if magnitude == float("inf"):
            raise self._error("this number is too large", tree)
        return Quantity(sign * magnitude if magnitude else 0.0, unit, span=_span(tree))

    def _text_of(self, tree: Part) -> Text:
        return Text(_unquoted(_tokens(tree)[0]), span=_span(tree))

    def _value_call(self, name: str, arguments: list[Part], tree: Part) -> Node:
        if name in REFERENCES:
            return self._reference(name, arguments, tree)
        if name == "count":
            return CountOf(tuple(self.condition(part) for part in arguments), span=_span(tree))
        if len(arguments) != 1:
            raise self._error("days_since takes one condition", tree)
        return DaysSince(self.condition(arguments[0]), span=_span(tree))

    def _reference(self, name: str, arguments: list[Part], tree: Part) -> Reference:
        kind = REFERENCES[name]
        measure = self._measure(name, arguments[0])
        span = _span(tree)
        if kind is ReferenceKind.AT_FIRST:
            if len(arguments) != 2:
                raise self._error(
                    f"{name} takes a measure and a condition", tree, try_=f"{name}({measure.name}, remission)"
                )
            return Reference(kind, measure, condition=self.condition(arguments[1]), span=span)
        return Reference(kind, measure, self._epoch_of(name, kind, arguments, tree), span=span)

    def _measure(self, name: str, tree: Part) -> Measure:
        tree = self._ungrouped(tree)
        if _rule(tree) != "name":
            raise self._error(
                f"{name} is of a measure, by its name", tree, expected=f"such as {name}(creatinine)"
            )
        return Measure(str(_children(tree)[0]), span=_span(tree))

    def _epoch_of(self, name: str, kind: ReferenceKind, arguments: list[Part], tree: Part) -> str:
        rules = [_rule(part) for part in arguments[1:]]
        is_extreme = kind in (ReferenceKind.LOWEST, ReferenceKind.HIGHEST)
        if rules == ["in_epoch"] and kind in EPOCH_REFERENCES:
            return str(_children(arguments[1])[0])
        if (rules == ["so_far"] and is_extreme) or (not rules and not is_extreme):
            return ""
        if is_extreme:
            raise self._error(
                f"{name} of which time?", tree, try_=f"{name}(x, so far) or {name}(x, during induction)"
            )
        raise self._error(f"{name} takes a measure and nothing more", tree)

    # Records -------------------------------------------------------------------------------------

    def _records(self, name: str, where: Part, span: Span) -> Records:
        if name not in TABLES:
            hint = suggest(name, TABLES)
            here = Span(span.start, span.start + len(name))
            expected = "one of " + ", ".join(TABLES)
            raise SentenceError(
                f"there are no records called {name}", here, self._text, expected=expected, try_=hint
            )
        return Records(TABLES[name], self.record_condition(where), span=span)

    def record_condition(self, tree: Part) -> Node:
        """What a record is tested for, after `where`."""
        tree = self._ungrouped(tree)
        span = _span(tree)
        match _rule(tree), _children(tree):
            case "any_of", parts:
                return Or(tuple(self.record_condition(part) for part in parts), span=span)
            case "all_of", parts:
                return And(tuple(self.record_condition(part) for part in parts), span=span)
            case "negated", [operand]:
                return Not(self.record_condition(operand), span=span)
            case "name", [name]:
                return FieldTest(str(name), FieldTestOperator.IS_TRUE, span=span)
            case "compared", [field, operator, value]:
                sign = FieldTestOperator(_SPELLINGS.get(str(operator), str(operator)))
                return FieldTest(self._field(field), sign, (self._field_value(value),), span=span)
            case "one_of", [field, texts]:
                return FieldTest(self._field(field), FieldTestOperator.IN, self._texts(texts), span=span)
            case "none_of", [field, texts]:
                test = FieldTest(self._field(field), FieldTestOperator.IN, self._texts(texts), span=span)
                return Not(test, span=span)
            case "contains", [field, texts]:
                return FieldTest(
                    self._field(field), FieldTestOperator.CONTAINS, self._texts(texts), span=span
                )
            case "starts_with", [field, texts]:
                return FieldTest(
                    self._field(field), FieldTestOperator.STARTS_WITH, self._texts(texts), span=span
                )
        raise self._error(
            f"this is {_kind(tree)}, not a test of a record's field", tree, expected='such as drug = "MMF"'
        )

    def _field(self, tree: Part) -> str:
        if _rule(tree) != "name":
            raise self._error("a record's field stands on the left, by its name", tree)
        return str(_children(tree)[0])

    def _field_value(self, tree: Part) -> Text | Quantity:
        match _rule(tree):
            case "text":
                return self._text_of(tree)
            case "quantity" | "signed_quantity":
                return self._quantity(tree)
        raise self._error(
            "a record's field is compared with text or a number", tree, try_='put the text in quotes: "..."'
        )

    def _texts(self, part: Part) -> tuple[Text, ...]:
        return tuple(
            Text(_unquoted(token), span=_token_span(token))
            for token in _tokens(part)
            if token.type == "STRING"
        )

    # Arguments -----------------------------------------------------------------------------------

    def _two(
        self, name: str, arguments: list[Part], tree: Part, rule: str, example: str
    ) -> tuple[Part, Part]:
        if [_rule(part) for part in arguments[1:]] != [rule]:
            raise self._error(f"{name} needs its time", tree, expected=f"{name}(x, {example})")
        return arguments[0], arguments[1]

    def _with_epoch(self, name: str, arguments: list[Part], tree: Part) -> tuple[Part, str]:
        rules = [_rule(part) for part in arguments[1:]]
        if rules not in ([], ["in_epoch"]):
            raise self._error(
                f"{name} takes a condition, and an epoch if need be",
                tree,
                try_=f"{name}(x, during induction)",
            )
        return arguments[0], str(_children(arguments[1])[0]) if rules else ""

    def _days(self, tree: Part) -> list[int]:
        *numbers, unit = (str(token) for token in _tokens(tree))
        try:
            return [parse_days(f"{number} {unit}") for number in numbers]
        except ValueError:
            raise self._error(
                "this is no duration",
                tree,
                expected="days, weeks, months or years, at most 100 years: 14 to 42 days",
            ) from None

    # Errors --------------------------------------------------------------------------------------

    def _ungrouped(self, tree: Part) -> Part:
        while _rule(tree) == "group":
            (tree,) = _children(tree)
        return tree

    def _unknown_function(self, name: str, tree: Part) -> SentenceError:
        span = Span(_span(tree).start, _span(tree).start + len(name))
        known = sorted(FUNCTIONS)
        hint = suggest(name, known)
        return SentenceError(
            f"there is no {name}(...)", span, self._text, expected="" if hint else ", ".join(known), try_=hint
        )

    def _error(self, what: str, tree: Part, *, expected: str = "", try_: str = "") -> SentenceError:
        return SentenceError(what, _span(tree), self._text, expected=expected, try_=try_)


_KINDS: dict[str, str] = {
    "quantity": "a number",
    "signed_quantity": "a number",
    "text": "text",
    "arithmetic": "a number",
    "conditional": "a value",
    "records": "a condition on records",
    "call": "a condition",
    "compared": "a comparison",
    "in_epoch": "a time",
    "so_far": "a time",
    "within": "a time",
    "lasting": "a time",
    "name": "a condition",
}


def _kind(tree: Part) -> str:
    return _KINDS.get(_rule(tree), "a condition")


def _is_value(tree: Part) -> bool:
    match _rule(tree), _children(tree):
        case "name", [name]:
            return str(name) not in TABLES and str(name) not in FACTS
        case "call", [name, *_]:
            return str(name) in _VALUE_FUNCTIONS
        case rule, _:
            return rule in ("quantity", "signed_quantity", "text", "arithmetic", "conditional")
    return False


def _rule(tree: Part) -> str:
    return str(tree.data) if isinstance(tree, Tree) else "token"


def _children(tree: Part) -> list[Part]:
    return list(tree.children) if isinstance(tree, Tree) else [tree]


def _tokens(tree: Part) -> list[Token]:
    return [part for part in _children(tree) if isinstance(part, Token)]


def _span(tree: Part) -> Span:
    if isinstance(tree, Token):
        return _token_span(tree)
    return Span(int(tree.meta.start_pos), int(tree.meta.end_pos))


def _token_span(token: Token) -> Span:
    return Span(int(token.start_pos or 0), int(token.end_pos or 0))


def _unquoted(token: Token) -> str:
    body = str(token)[1:-1]
    return body.replace('\\"', '"').replace("\\\\", "\\") if "\\" in body else body


def _next_day(day: int) -> int:
    return 1 if day == -1 else day + 1


def _day_before(day: int) -> int:
    return -1 if day == 1 else day - 1
