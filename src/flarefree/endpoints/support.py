"""Which values a verdict rests on: lineage as row numbers, for many events at once.

Of a conjunction that is true all parts count, of a disjunction the true ones; of what is confirmed both
assessments, of what is sustained all of them up to the last.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.kernels import NO_DAY, TRUE, UNKNOWN
from flarefree.protocol.language.nodes import (
    And,
    Arithmetic,
    Comparison,
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

__all__ = ["Support", "confirmed_days", "support_of"]

Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]


@dataclass(slots=True)
class Support:
    """What each of n verdicts rests on.

    Attributes
    ----------
    points, rows : lists of (k,) int64
        Pairs: the verdict's index, and a row of the study's observations.
    events : list of (name or Records, (k,) int64)
        Other events that verdicts rest on, by the verdict's index.
    """

    points: list[Ints64] = field(default_factory=list)
    rows: list[Ints64] = field(default_factory=list)
    events: list[tuple[str | Records, Ints64]] = field(default_factory=list)

    def pairs(self) -> tuple[Ints64, Ints64]:
        """(verdict, row), each pair once, in order."""
        if not self.points:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        # Both fit in one number, and the lists come nearly sorted: this is what makes it quick.
        both = np.concatenate(self.points) << 32 | np.concatenate(self.rows)
        both.sort(kind="stable")
        is_new = np.ones(both.size, dtype=np.bool_)
        np.not_equal(both[1:], both[:-1], out=is_new[1:])
        once = both[is_new]
        return once >> 32, once & 0xFFFFFFFF


def support_of(evaluator: Evaluator, node: Node, at: Ints64) -> Support:
    """What a condition rests on at the assessments `at`, (n,)."""
    support = Support()
    _condition(evaluator, node, np.arange(at.size, dtype=np.int64), at, support)
    return support


def _condition(e: Evaluator, node: Node, points: Ints64, at: Ints64, support: Support) -> None:
    keep = at >= 0
    if not keep.all():
        points, at = points[keep], at[keep]
    if not at.size:
        return
    match node:
        case And(operands=operands) | Or(operands=operands) | CountOf(operands=operands):
            verdict = e.verdicts(node)[at] if not isinstance(node, CountOf) else None
            for operand in operands:
                mine = e.verdicts(operand)[at]
                counts = mine != UNKNOWN if verdict is None else mine == verdict
                _condition(e, operand, points[counts], at[counts], support)
        case Not(operand=operand) | InWindow(operand=operand):
            _condition(e, operand, points, at, support)
        case Confirmed(operand=operand):
            _condition(e, operand, points, at, support)
            _condition(e, operand, points, e.partner_at(node, at), support)
        case Sustained(operand=operand):
            _sustained(e, node, operand, points, at, support)
        case Earlier(operand=operand):
            _condition(e, operand, points, e.partner_at(node, at), support)
        case Holds(name=name):
            _holds(e, name, points, at, support)
        case Records():
            support.events.append((node, points))
        case Comparison(left=left, right=right):
            _value(e, left, points, at, support)
            _value(e, right, points, at, support)
        case IsKnown(operand=operand):
            _value(e, operand, points, at, support)
        case _:
            _value(e, node, points, at, support)


def _sustained(
    e: Evaluator, node: Sustained, operand: Node, points: Ints64, at: Ints64, support: Support
) -> None:
    until = np.where(e.partner_at(node, at) >= 0, e.partner_at(node, at), at)
    lengths = until - at + 1
    each = np.repeat(np.arange(at.size), lengths)
    step = np.arange(each.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    _condition(e, operand, points[each], at[each] + step, support)


def _holds(e: Evaluator, name: str, points: Ints64, at: Ints64, support: Support) -> None:
    if name in e.context.states:
        _condition(e, e.context.states[name], points, at, support)
    elif name in e.begun:
        support.events.append((name, points))
    else:
        _measure(e, name, points, at, support)


def _value(e: Evaluator, node: Node, points: Ints64, at: Ints64, support: Support) -> None:
    match node:
        case Measure(name=name) if name in e.context.values and name not in e.panel.columns:
            _value(e, e.context.values[name], points, at, support)
        case Measure(name=name):
            _measure(e, name, points, at, support)
        case Reference(kind=ReferenceKind.UPPER_LIMIT | ReferenceKind.LOWER_LIMIT, measure=measure):
            _measure(e, measure.name, points, at, support)
        case Reference(measure=measure):
            if node.kind in (ReferenceKind.CHANGE, ReferenceKind.PERCENT_CHANGE):
                _measure(e, measure.name, points, at, support)
            _measure(e, measure.name, points, e.source_at(node, at), support)
        case Arithmetic(left=left, right=right):
            _value(e, left, points, at, support)
            _value(e, right, points, at, support)
        case Conditional():
            _condition(e, node.condition, points, at, support)
            is_then = e.verdicts(node.condition)[at] == TRUE
            _value(e, node.then, points[is_then], at[is_then], support)
            _value(e, node.otherwise, points[~is_then], at[~is_then], support)
        case CountOf():
            _condition(e, node, points, at, support)
        case DaysSince(operand=operand):
            latest = _latest_true(e, operand)
            _condition(e, operand, points, latest[at], support)
        case _ if isinstance(
            node, And | Or | Not | Comparison | Holds | Confirmed | Sustained | Earlier | InWindow
        ):
            _condition(e, node, points, at, support)


def _latest_true(e: Evaluator, operand: Node) -> Ints64:
    from flarefree.endpoints.kernels import latest_true

    return latest_true(e.panel.offsets, e.verdicts(operand))


def _measure(e: Evaluator, name: str, points: Ints64, at: Ints64, support: Support) -> None:
    column = e.panel.columns.get(name)
    if column is None:
        return
    keep = at >= 0
    points, at = points[keep], at[keep]
    rows = column.rows[at]
    observed = rows >= 0
    support.points.append(points[observed])
    support.rows.append(rows[observed])
    computed = ~observed & ~np.isnan(column.values[at])
    if column.inputs and computed.any():
        for part in column.inputs:
            _measure(e, part, points[computed], at[computed], support)


# Confirmation -------------------------------------------------------------------------------------


def confirmed_days(evaluator: Evaluator, node: Node, at: Ints64) -> Ints32:
    """The day on which what is true at each of `at` was borne out; `NO_DAY` where nothing asks for that.

    Parts joined by `and` are all borne out on the latest of their days; of parts joined by `or` the one
    that dates the verdict counts.
    """
    nothing = np.full(at.size, NO_DAY, dtype=np.int32)
    match node:
        case Confirmed(operand=operand) | Sustained(operand=operand):
            other = evaluator.partner_at(node, at)
            day = nothing.copy()
            day[other >= 0] = evaluator.day_of(operand, other[other >= 0])
            return np.maximum(day, confirmed_days(evaluator, operand, at))
        case And(operands=operands):
            parts = [confirmed_days(evaluator, part, at) for part in operands]
            return np.maximum.reduce(parts)
        case Or(operands=operands):
            return _of_earliest(evaluator, operands, at)
        case InWindow(operand=operand):
            return confirmed_days(evaluator, operand, at)
        case Holds(name=name) if name in evaluator.context.states:
            return confirmed_days(evaluator, evaluator.context.states[name], at)
    return nothing


def _of_earliest(evaluator: Evaluator, operands: tuple[Node, ...], at: Ints64) -> Ints32:
    best = np.full(at.size, NO_DAY, dtype=np.int32)
    best_day = np.full(at.size, 2**31 - 1, dtype=np.int32)
    for operand in operands:
        days = evaluator.day_of(operand, at)
        is_better = (evaluator.verdicts(operand)[at] == TRUE) & (days < best_day)
        best = np.where(is_better, confirmed_days(evaluator, operand, at), best)
        best_day = np.where(is_better, days, best_day)
    return best.astype(np.int32)
