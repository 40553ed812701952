"""The day that a verdict rests on: the latest of the values that made the sentence true.

A comparison rests on the latest of its own values.  What `and` joins, where true, rests on the latest of
its parts; what `or` joins on the earliest of the true ones; where they are false it is the other way
round.  What is confirmed, or sustained, rests on its beginning.  A constant, a patient's characteristic,
and what did not happen have no day (`NO_DAY`), and an unknown verdict has none either.

Days are found only at the assessments that are asked about: an event's onset, not every visit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flarefree.endpoints.elementwise import compare_numbers
from flarefree.endpoints.kernels import FALSE, NO_DAY, TRUE, UNKNOWN
from flarefree.endpoints.resting import Where
from flarefree.protocol.language.nodes import (
    And,
    Arithmetic,
    Comparison,
    ComparisonOperator,
    Conditional,
    Confirmed,
    CountOf,
    DaysSince,
    Earlier,
    Holds,
    InWindow,
    IsKnown,
    Measure,
    Node,
    Not,
    Or,
    Records,
    Reference,
    ReferenceKind,
    Sustained,
)

if TYPE_CHECKING:
    from flarefree.endpoints.evaluate import Evaluator

__all__ = ["day_of", "day_of_value"]

Ints8 = npt.NDArray[np.int8]
Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]

_NEVER = np.int32(2**31 - 1)


def day_of(e: Evaluator, node: Node, at: Ints64) -> Ints32:
    """The day that a condition's verdict rests on, at the assessments `at`: (n,)."""
    verdicts = e.verdicts(node)[at]
    here = _days_here(e, node, at, verdicts)
    if here is not None:
        return here
    days = _day_of(e, node, at, verdicts)
    return np.where(verdicts == UNKNOWN, NO_DAY, days).astype(np.int32)


def _days_here(e: Evaluator, node: Node, at: Ints64, verdicts: Ints8) -> Ints32 | None:
    """The assessments' own days, if each of these verdicts is true and rests on its assessment; else None."""
    if not e.has_one_day_each or not (verdicts == TRUE).all():
        return None
    resting = e.resting(node)
    days = e.panel.days[at]
    if resting.where is not Where.HERE or (days.size and int(days.min()) < resting.since):
        return None
    return days


def _day_of(e: Evaluator, node: Node, at: Ints64, verdicts: Ints8) -> Ints32:
    match node:
        case Comparison(left=CountOf() as count, right=other):
            return _day_of_count(e, node.operator, count, other, at, verdicts)
        case Comparison(left=other, right=CountOf() as count):
            return _day_of_count(e, MIRRORED[node.operator], count, other, at, verdicts)
        case Comparison(left=left, right=right):
            return np.maximum(day_of_value(e, left, at), day_of_value(e, right, at))
        case And(operands=operands):
            return _joined(e, operands, at, verdicts, TRUE)
        case Or(operands=operands):
            return _joined(e, operands, at, verdicts, FALSE)
        case Not(operand=operand) | Confirmed(operand=operand) | Sustained(operand=operand):
            return day_of(e, operand, at)
        case InWindow(operand=operand):
            return np.where(e.is_in_window(node)[at], day_of(e, operand, at), NO_DAY).astype(np.int32)
        case Earlier(operand=operand):
            return _elsewhere(e, operand, e.partner_at(node, at))
        case Holds(name=name) if name in e.context.states:
            return day_of(e, e.context.states[name], at)
        case Holds(name=name) if name in e.begun:
            return _begun(e.begun[name][e.subject[at]], verdicts)
        case Records():
            return _begun(e.records[node][e.subject[at]], verdicts)
        case Holds(name=name):
            return day_of_value(e, Measure(name), at)
        case Measure() | Reference():
            return day_of_value(e, node, at)
        case IsKnown(operand=operand):
            inner = day_of_value(e, operand, at) if e.is_value(operand) else day_of(e, operand, at)
            return np.where(verdicts == TRUE, inner, NO_DAY).astype(np.int32)
    return _no_days(at)


def _no_days(at: Ints64) -> Ints32:
    return np.full(at.size, NO_DAY, dtype=np.int32)


def _begun(days: Ints32, verdicts: Ints8) -> Ints32:
    return np.where(verdicts == TRUE, days, NO_DAY).astype(np.int32)


def _elsewhere(e: Evaluator, operand: Node, other: Ints64) -> Ints32:
    """A condition's day at other assessments; `NO_DAY` where there is none (-1)."""
    days = _no_days(other)
    there = other >= 0
    days[there] = day_of(e, operand, other[there])
    return days


def _joined(
    e: Evaluator, operands: tuple[Node, ...], at: Ints64, verdicts: Ints8, needs_all: np.int8
) -> Ints32:
    """Where the verdict needed all parts the latest of them, else the earliest of those that agree."""
    latest, earliest = _no_days(at), np.full(at.size, _NEVER, dtype=np.int32)
    for operand in operands:
        days = day_of(e, operand, at)
        latest = np.maximum(latest, days)
        agrees = e.verdicts(operand)[at] == verdicts
        earliest = np.where(agrees, np.minimum(earliest, days), earliest)
    return np.where(verdicts == needs_all, latest, earliest).astype(np.int32)


def _day_of_count(
    e: Evaluator, operator: ComparisonOperator, count: CountOf, other: Node, at: Ints64, verdicts: Ints8
) -> Ints32:
    """`count(...) >= k`, where true, rests on the earliest day by which k were true; else on the latest."""
    days = np.stack([day_of(e, part, at) for part in count.operands])
    is_true = np.stack([e.verdicts(part)[at] == TRUE for part in count.operands])
    resting = days.max(axis=0)
    if operator in (ComparisonOperator.GE, ComparisonOperator.GT):
        bound = np.broadcast_to(e.values(other), e.panel.n_assessments)[at]
        needed = np.array([_needed(operator, b, len(count.operands)) for b in bound.tolist()], dtype=np.int64)
        ordered = np.sort(np.where(is_true, days, _NEVER), axis=0)
        reached = np.take_along_axis(ordered, np.maximum(needed - 1, 0)[None, :], axis=0)[0]
        resting = np.where(verdicts == TRUE, np.where(needed == 0, NO_DAY, reached), resting)
    return np.maximum(resting, day_of_value(e, other, at)).astype(np.int32)


def _needed(operator: ComparisonOperator, bound: float, most: int) -> int:
    """The smallest count that is enough; `most` where none is."""
    return next((k for k in range(most) if compare_numbers(operator, float(k), bound)), most)


MIRRORED = {
    ComparisonOperator.GE: ComparisonOperator.LE,
    ComparisonOperator.GT: ComparisonOperator.LT,
    ComparisonOperator.LE: ComparisonOperator.GE,
    ComparisonOperator.LT: ComparisonOperator.GT,
    ComparisonOperator.EQ: ComparisonOperator.EQ,
    ComparisonOperator.NE: ComparisonOperator.NE,
}
"""The operator that says the same with its sides exchanged."""


# Values -------------------------------------------------------------------------------------------


def day_of_value(e: Evaluator, node: Node, at: Ints64) -> Ints32:
    """The latest day of the values that a value is made of, at the assessments `at`: (n,)."""
    match node:
        case Measure(name=name) if name in e.context.values and name not in e.panel.columns:
            return day_of_value(e, e.context.values[name], at)
        case Measure(name=name):
            return _day_of_measure(e, name, at)
        case Reference(kind=ReferenceKind.UPPER_LIMIT | ReferenceKind.LOWER_LIMIT):
            return _no_days(at)
        case Reference(kind=ReferenceKind.CHANGE | ReferenceKind.PERCENT_CHANGE, measure=measure):
            source = e.source_at(node, at)
            return np.maximum(_day_of_measure(e, measure.name, at), _day_of_measure(e, measure.name, source))
        case Reference(measure=measure):
            return _day_of_measure(e, measure.name, e.source_at(node, at))
        case Arithmetic(left=left, right=right):
            return np.maximum(day_of_value(e, left, at), day_of_value(e, right, at))
        case Conditional(then=then, condition=condition, otherwise=otherwise):
            is_then = e.verdicts(condition)[at] == TRUE
            branch = np.where(is_then, day_of_value(e, then, at), day_of_value(e, otherwise, at))
            return np.maximum(day_of(e, condition, at), branch).astype(np.int32)
        case CountOf(operands=operands):
            return np.maximum.reduce([day_of(e, part, at) for part in operands])
        case DaysSince():
            return e.panel.days[at]
    return _no_days(at)


def _day_of_measure(e: Evaluator, name: str, at: Ints64) -> Ints32:
    column = e.panel.columns.get(name)
    if column is None:
        return _no_days(at)
    known = (at >= 0) & ~np.isnan(column.values[at])
    return np.where(known, column.days[at], NO_DAY).astype(np.int32)
