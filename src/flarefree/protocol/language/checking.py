"""Whether a sentence makes sense: its names, its types, its units.

Checking gives the sentence back with its units reconciled: both sides of a comparison are in the
unit of the measure, and a quantity that was converted keeps its spelling.  What does not make sense
is a `LanguageError` with a caret under the place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from flarefree.protocol.language.messages import SentenceError, suggest
from flarefree.protocol.language.nodes import (
    And,
    Comparison,
    Confirmed,
    Earlier,
    Holds,
    InWindow,
    IsKnown,
    Measure,
    Node,
    Not,
    Or,
    Records,
    RecordTable,
    Reference,
    SubjectFact,
    Sustained,
)
from flarefree.protocol.language.record_checks import check_record_condition
from flarefree.protocol.language.values import ValueChecker
from flarefree.protocol.language.vocabulary import Type, Vocabulary

__all__ = ["Scope", "check_condition", "check_records", "check_value"]


class Scope(StrEnum):
    """What a sentence is read at."""

    ASSESSMENT = "assessment"  # endpoints, and covariates at the baseline assessment
    SUBJECT = "subject"  # populations and subgroups: patients as a whole


def check_condition(node: Node, text: str, names: Vocabulary, scope: Scope = Scope.ASSESSMENT) -> Node:
    """A condition, with its names found and its units reconciled.

    Parameters
    ----------
    node : Node
        As `parse_condition` gave it.
    text : str
        The sentence, for carets.
    names : Vocabulary
        What the protocol's names mean.
    scope : Scope
        Whether it is read at an assessment or of a patient as a whole.

    Raises
    ------
    LanguageError
        A name is unknown, a type or a unit does not fit.
    """
    return _Checker(text, names, scope).condition(node)


def check_value(node: Node, text: str, names: Vocabulary, unit: str = "") -> Node:
    """A value, converted to its endpoint's `unit`; see `check_condition`."""
    checker = _Checker(text, names, Scope.ASSESSMENT)
    return checker.values.in_unit(node, unit)


def check_records(node: Node, text: str, table: RecordTable) -> Node:
    """What a table's records are tested for; see `check_condition`."""
    return check_record_condition(node, text, table)


class _Checker:
    def __init__(self, text: str, names: Vocabulary, scope: Scope) -> None:
        self.text = text
        self.names = names
        self.scope = scope
        self.values = ValueChecker(text, names, self.condition, is_subject=scope is Scope.SUBJECT)

    def condition(self, node: Node) -> Node:
        match node:
            case And(operands=operands) | Or(operands=operands):
                return replace(node, operands=tuple(self.condition(part) for part in operands))
            case Not(operand=operand):
                return replace(node, operand=self.condition(operand))
            case Comparison():
                return self.values.comparison(node)
            case IsKnown(operand=operand):
                return replace(node, operand=self._known(operand))
            case SubjectFact():
                return self._fact(node)
        if self.scope is Scope.SUBJECT:
            raise self._error(
                "this is about assessments, and the sentence is about patients as a whole",
                node,
                expected='randomized, dosed, completed, assessed(x), attended("..."), or a covariate',
            )
        return self._at_assessment(node)

    def _at_assessment(self, node: Node) -> Node:
        match node:
            case Holds(name=name):
                self._require_holds(name, node)
                return node
            case Reference():
                return self._reference(node)
            case Confirmed(operand=operand) | Sustained(operand=operand):
                return replace(node, operand=self.condition(operand))
            case Earlier(operand=operand, epoch=epoch) | InWindow(operand=operand, epoch=epoch):
                self.values.require_epoch(epoch, node)
                return replace(node, operand=self.condition(operand))
            case Records(table=table, where=where):
                return node if where is None else replace(node, where=check_records(where, self.text, table))
        raise self._error("this is no condition", node)

    def _reference(self, node: Reference) -> Node:
        checked, kind = self.values.reference(node)
        if kind.type is not Type.YES_NO:
            raise self._error(
                f"this is {kind.type.value}, not a condition",
                node,
                expected="a comparison, such as x >= 2 * baseline(x)",
            )
        return checked

    def _known(self, operand: Node) -> Node:
        if isinstance(operand, Measure):
            is_condition = self.names.endpoints.get(operand.name, "value") != "value"
            if is_condition and self.scope is Scope.ASSESSMENT:
                return self._at_assessment(Holds(operand.name, span=operand.span))
            return self.values.any_value(operand)
        if isinstance(operand, Reference):
            return self.values.reference(operand)[0]
        return self.condition(operand) if _is_condition(operand) else self.values.any_value(operand)

    def _require_holds(self, name: str, node: Node) -> None:
        if name in self.names.measures:
            kind = self.names.measures[name]
            if kind.type is not Type.YES_NO:
                unit = f" in {kind.unit}" if kind.unit else ""
                example = f"{name} >= 1 {kind.unit}".rstrip() if kind.type is Type.NUMBER else f'{name} = "A"'
                raise self._error(
                    f"{name} is {kind.type.value}{unit}, not a condition", node, try_=f"compare it: {example}"
                )
            return
        if name in self.names.endpoints:
            if self.names.endpoints[name] == "value":
                raise self._error(f"the endpoint {name} is a value, not a condition", node)
            return
        if name in self.names.covariates:
            levels = self.names.covariates[name].levels
            example = f'{name} = "{levels[0] if levels else "..."}"'
            raise self._error(f"{name} is a covariate, not a condition", node, try_=f"compare it: {example}")
        raise self._error(
            f"nothing here is called {name}",
            node,
            expected="a yes/no measure or an endpoint",
            try_=suggest(name, self.names.names),
        )

    def _fact(self, node: SubjectFact) -> Node:
        if self.scope is Scope.ASSESSMENT:
            raise self._error(
                f"{node.name} is about a patient as a whole, and the sentence is read at each assessment",
                node,
                expected="facts about patients stand in populations only",
            )
        known: Iterable[str] = self.names.measures if node.name == "assessed" else self.names.visits
        thing = "measure" if node.name == "assessed" else "visit"
        for argument in node.arguments:
            if argument not in known:
                hint = suggest(argument, known)
                raise self._error(f"there is no {thing} called {argument}", node, try_=hint)
        return node

    def _error(self, what: str, node: Node, *, expected: str = "", try_: str = "") -> SentenceError:
        return SentenceError(what, node.span, self.text, expected=expected, try_=try_)


# fmt: off
_CONDITIONS = (
    And, Comparison, Confirmed, Earlier, Holds, InWindow, IsKnown, Not, Or, Records, SubjectFact, Sustained,
)
# fmt: on


def _is_condition(node: Node) -> bool:
    return isinstance(node, _CONDITIONS)
