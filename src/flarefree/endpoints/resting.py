"""Which verdicts rest on the very assessment at which they stand, so that their day need not be looked up.

Where all of an assessment's values were taken on one day (virtual visits), a comparison with a value of that
assessment rests on that day, and so does what is made of such comparisons.  What looks elsewhere is given up
here and dated part by part in `flarefree.endpoints.dating`, which says what a day means.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from flarefree.endpoints.context import FIRST_DAY
from flarefree.protocol.language.nodes import (
    And,
    Arithmetic,
    Comparison,
    ComparisonOperator,
    Conditional,
    CountOf,
    Holds,
    IsKnown,
    Measure,
    Node,
    Not,
    Or,
    Quantity,
    Reference,
    ReferenceKind,
)

if TYPE_CHECKING:
    from flarefree.endpoints.evaluate import Evaluator

__all__ = ["Resting", "Where", "resting_of"]


class Where(IntEnum):
    """Where the day of a known verdict lies."""

    ELSEWHERE = 0
    """Possibly after the assessment, or not known without looking."""
    BEFORE = 1
    """On the assessment's day or before it, or nowhere."""
    HERE = 2
    """On the assessment's day."""


@dataclass(frozen=True, slots=True)
class Resting:
    """Where a verdict's day lies, at assessments of day `since` or later."""

    where: Where
    since: int = FIRST_DAY


_ELSEWHERE, _BEFORE, _HERE = Resting(Where.ELSEWHERE), Resting(Where.BEFORE), Resting(Where.HERE)

_SO_FAR = (ReferenceKind.LOWEST, ReferenceKind.HIGHEST, ReferenceKind.PREVIOUS, ReferenceKind.LAST)
_OF_BASELINE = (ReferenceKind.BASELINE, ReferenceKind.CHANGE, ReferenceKind.PERCENT_CHANGE)
_LIMITS = (ReferenceKind.UPPER_LIMIT, ReferenceKind.LOWER_LIMIT)


def resting_of(e: Evaluator, node: Node, truth: bool) -> Resting:
    """Where a condition's day lies wherever its verdict is true (or false)."""
    match node:
        case And(operands=operands):
            parts = [resting_of(e, part, truth) for part in operands]
            return _latest(parts) if truth else _any_of(parts)
        case Or(operands=operands):
            parts = [resting_of(e, part, truth) for part in operands]
            return _any_of(parts) if truth else _latest(parts)
        case Not(operand=operand):
            return resting_of(e, operand, not truth)
        case Comparison(left=CountOf() as count, right=Quantity(value=bound)):
            return _of_count(e, node.operator, count, bound)
        case Comparison(left=left, right=right):
            return _latest([_of_value(e, left), _of_value(e, right)])
        case IsKnown(operand=Measure(name=name)) if name in e.panel.columns:
            return _HERE if truth else _BEFORE
        case Holds(name=name) if name in e.context.states:
            return resting_of(e, e.context.states[name], truth)
        case Holds(name=name) if name not in e.begun:
            return _of_value(e, Measure(name))
        case Measure() | Reference():
            return _of_value(e, node)
    return _ELSEWHERE


def _latest(parts: list[Resting]) -> Resting:
    """The latest of some days: here if one is and none may be later."""
    return Resting(_worst(parts) and max(part.where for part in parts), max(part.since for part in parts))


def _any_of(parts: list[Resting]) -> Resting:
    """One of some days, whichever."""
    return Resting(_worst(parts), max(part.since for part in parts))


def _worst(parts: list[Resting]) -> Where:
    return min(part.where for part in parts)


def _of_count(e: Evaluator, operator: ComparisonOperator, count: CountOf, bound: float) -> Resting:
    """`count(...) >= k` rests on parts that are true; it must need one, and one must be able to fail it."""
    at_least = operator is ComparisonOperator.GE and 0 < bound <= len(count.operands)
    more_than = operator is ComparisonOperator.GT and 0 <= bound < len(count.operands)
    if not (at_least or more_than):
        return _ELSEWHERE
    return _any_of([resting_of(e, part, truth) for part in count.operands for truth in (True, False)])


def _of_value(e: Evaluator, node: Node) -> Resting:
    match node:
        case Quantity():
            return _BEFORE
        case Measure(name=name):
            if name in e.context.values:
                return _ELSEWHERE
            return _HERE if name in e.panel.columns else _BEFORE
        case Reference():
            return _of_reference(e, node)
        case Arithmetic(left=left, right=right):
            return _latest([_of_value(e, left), _of_value(e, right)])
        case Conditional(then=then, condition=condition, otherwise=otherwise):
            chosen = [resting_of(e, condition, truth) for truth in (True, False)]
            return _latest([_any_of(chosen), _any_of([_of_value(e, then), _of_value(e, otherwise)])])
    return _ELSEWHERE


def _of_reference(e: Evaluator, node: Reference) -> Resting:
    if node.measure.name in e.context.values:
        return _ELSEWHERE
    if node.kind in _LIMITS:
        return _BEFORE
    if node.kind in _OF_BASELINE:
        where = Where.BEFORE if node.kind is ReferenceKind.BASELINE else Where.HERE
        return Resting(where, e.context.baseline.last_day)
    if node.epoch:
        return Resting(Where.BEFORE, e.epoch(node.epoch)[1])
    return _BEFORE if node.kind in _SO_FAR else _ELSEWHERE
