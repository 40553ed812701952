"""Endpoint sentences read the slow and obvious way: one patient, one assessment, one node at a time.

Written from the docstrings of `flarefree.protocol.language.nodes` and the documentation alone: plain
Python, no arrays, no code of `flarefree.endpoints`.  A truth is (verdict, day): verdict True, False or None
for unknown; day None where there is none.  A number is (value, day), value None where unknown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

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
    Quantity,
    Reference,
    ReferenceKind,
    Sustained,
    Text,
)

Truth = tuple[bool | None, int | None]
Number = tuple[float | None, int | None]


@dataclass
class Value:
    """A measure's value at an assessment, with its own day and its laboratory's limits."""

    value: float
    day: int
    upper: float | None = None
    lower: float | None = None
    flagged: bool = False


@dataclass
class Assessment:
    """A patient's values of one visit."""

    day: int
    values: dict[str, Value]


@dataclass
class NaivePatient:
    """One patient: assessments in time order, characteristics, first days of events."""

    assessments: list[Assessment]
    covariates: dict[str, str | None] = field(default_factory=dict)
    events: dict[str, int | None] = field(default_factory=dict)


@dataclass
class World:
    """What names mean."""

    epochs: dict[str, tuple[int, int]]
    states: dict[str, Node]
    normal_upper: dict[str, float]
    baseline_last_day: int = 1


def days_between(first: int, last: int) -> int:
    """Calendar days; there is no day 0."""
    crosses = first < 0 < last
    return last - first - (1 if crosses else 0) if first <= last else -days_between(last, first)


def near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=0.0)


class Naive:
    """Reads sentences of one patient."""

    def __init__(self, patient: NaivePatient, world: World) -> None:
        self.p = patient
        self.w = world

    # Conditions -----------------------------------------------------------------------------------

    def truth(self, node: Node, a: int) -> Truth:
        if isinstance(node, Comparison):
            return self.comparison(node, a)
        if isinstance(node, And):
            return self.all_of([self.truth(part, a) for part in node.operands])
        if isinstance(node, Or):
            # De Morgan: whatever holds of `and` holds of `or` with true and false exchanged.
            verdict, day = self.all_of([_opposite(self.truth(part, a)) for part in node.operands])
            return _opposite((verdict, day))
        if isinstance(node, Not):
            return _opposite(self.truth(node.operand, a))
        if isinstance(node, Holds):
            return self.holds(node.name, a)
        if isinstance(node, Reference):
            return _yes_no(self.number(node, a))
        if isinstance(node, IsKnown):
            return self.is_known(node.operand, a)
        if isinstance(node, Confirmed):
            return self.confirmed(node, a)
        if isinstance(node, Sustained):
            return self.sustained(node, a)
        if isinstance(node, Earlier):
            return self.earlier(node, a)
        if isinstance(node, InWindow):
            return self.in_window(node, a)
        raise TypeError(node)

    def all_of(self, truths: list[Truth]) -> Truth:
        false = [day for verdict, day in truths if verdict is False]
        if false:
            return False, (None if None in false else min(day for day in false if day is not None))
        if any(verdict is None for verdict, _ in truths):
            return None, None
        known = [day for _, day in truths if day is not None]
        return True, max(known, default=None)

    def comparison(self, node: Comparison, a: int) -> Truth:
        if isinstance(node.left, CountOf):
            return self.count_comparison(str(node.operator), node.left, node.right, a)
        if isinstance(node.right, CountOf):
            return self.count_comparison(_MIRROR[str(node.operator)], node.right, node.left, a)
        if isinstance(node.left, Text) or isinstance(node.right, Text):
            return self.word_comparison(node)
        (x, x_day), (y, y_day) = self.number(node.left, a), self.number(node.right, a)
        if x is None or y is None:
            return None, None
        return _compare(str(node.operator), x, y), _latest(x_day, y_day)

    def word_comparison(self, node: Comparison) -> Truth:
        words = []
        for side in (node.left, node.right):
            words.append(side.value if isinstance(side, Text) else self.p.covariates.get(side.name))
        if None in words:
            return None, None
        same = words[0].lower() == words[1].lower()
        return (same if str(node.operator) == "=" else not same), None

    def count_comparison(self, operator: str, count: CountOf, other: Node, a: int) -> Truth:
        truths = [self.truth(part, a) for part in count.operands]
        bound, bound_day = self.number(other, a)
        if bound is None:
            return None, None
        n_true = sum(verdict is True for verdict, _ in truths)
        n_unknown = sum(verdict is None for verdict, _ in truths)
        answers = {_compare(operator, float(n), bound) for n in range(n_true, n_true + n_unknown + 1)}
        if len(answers) == 2:
            return None, None
        (answer,) = answers
        if answer and operator in (">=", ">"):
            return True, _latest(self.reached(operator, truths, bound), bound_day)
        day = None
        for verdict, known_on in truths:
            if verdict is not None:
                day = _latest(day, known_on)
        return answer, _latest(day, bound_day)

    def reached(self, operator: str, truths: list[Truth], bound: float) -> int | None:
        """The earliest day by which enough conditions were true; what has no day was always true."""
        needed = next(n for n in range(len(truths) + 1) if _compare(operator, float(n), bound))
        if needed == 0:
            return None
        days = sorted((day is not None, day or 0) for verdict, day in truths if verdict is True)
        has_day, day = days[needed - 1]
        return day if has_day else None

    def holds(self, name: str, a: int) -> Truth:
        if name in self.w.states:
            return self.truth(self.w.states[name], a)
        if name in self.p.events:
            day = self.p.events[name]
            begun = day is not None and day <= self.p.assessments[a].day
            return begun, (day if begun else None)
        return _yes_no(self.number(Measure(name), a))

    def is_known(self, operand: Node, a: int) -> Truth:
        if isinstance(operand, Measure | Reference | Arithmetic | Conditional):
            value, day = self.number(operand, a)
        else:
            value, day = self.truth(operand, a)
        return (True, day) if value is not None else (False, None)

    def known_on(self, node: Node, a: int) -> int:
        """The day on which a condition was known at an assessment; else the assessment's."""
        day = self.truth(node, a)[1]
        return self.p.assessments[a].day if day is None else day

    def confirmed(self, node: Confirmed, a: int) -> Truth:
        verdict, day = self.truth(node.operand, a)
        if verdict is not True:
            return verdict, day
        here = self.known_on(node.operand, a)
        in_window = []
        for b in range(a + 1, len(self.p.assessments)):
            after = days_between(here, self.known_on(node.operand, b))
            if node.first_day <= after <= node.last_day:
                in_window.append(self.truth(node.operand, b)[0])
        if True in in_window:
            return True, day
        return (False, day) if False in in_window else (None, None)

    def sustained(self, node: Sustained, a: int) -> Truth:
        verdict, day = self.truth(node.operand, a)
        if verdict is not True:
            return verdict, day
        here = self.known_on(node.operand, a)
        seen = []
        was_reached = False
        for b in range(a + 1, len(self.p.assessments)):
            seen.append(self.truth(node.operand, b)[0])
            if days_between(here, self.known_on(node.operand, b)) >= node.days:
                was_reached = True
                break
        if False in seen:
            return False, day
        if None in seen or not was_reached:
            return None, None
        return True, day

    def earlier(self, node: Earlier, a: int) -> Truth:
        before = [b for b in range(a) if not node.epoch or self.is_of_epoch(node.epoch, b)]
        if node.only_previous:
            if not before:
                return False, None
            verdict, day = self.truth(node.operand, before[-1])
            return (verdict, day) if verdict is not None else (None, None)
        verdicts = [self.truth(node.operand, b) for b in before]
        for verdict, day in verdicts:
            if verdict is True:
                return True, day
        if any(verdict is None for verdict, _ in verdicts):
            return None, None
        return False, None

    def is_of_epoch(self, epoch: str, a: int) -> bool:
        first, last = self.w.epochs[epoch]
        return first <= self.p.assessments[a].day <= last

    def in_window(self, node: InWindow, a: int) -> Truth:
        day = self.p.assessments[a].day
        if node.epoch:
            inside = self.is_of_epoch(node.epoch, a)
        else:
            inside = (node.first_day is None or day >= node.first_day) and (
                node.last_day is None or day <= node.last_day
            )
        return self.truth(node.operand, a) if inside else (False, None)

    # Values ---------------------------------------------------------------------------------------

    def number(self, node: Node, a: int) -> Number:
        if isinstance(node, Quantity):
            return node.value, None
        if isinstance(node, Measure):
            return self.measure(node.name, a)
        if isinstance(node, Reference):
            return self.reference(node, a)
        if isinstance(node, Arithmetic):
            return self.arithmetic(node, a)
        if isinstance(node, Conditional):
            verdict, day = self.truth(node.condition, a)
            if verdict is None:
                return None, None
            value, value_day = self.number(node.then if verdict else node.otherwise, a)
            return (None, None) if value is None else (value, _latest(day, value_day))
        if isinstance(node, DaysSince):
            held = [b for b in range(a + 1) if self.truth(node.operand, b)[0] is True]
            today = self.p.assessments[a].day
            if not held:
                return None, None
            return float(days_between(self.p.assessments[held[-1]].day, today)), today
        raise TypeError(node)

    def measure(self, name: str, a: int) -> Number:
        found = self.p.assessments[a].values.get(name)
        return (None, None) if found is None else (found.value, found.day)

    def arithmetic(self, node: Arithmetic, a: int) -> Number:
        (x, x_day), (y, y_day) = self.number(node.left, a), self.number(node.right, a)
        if x is None or y is None or (str(node.operator) == "/" and y == 0):
            return None, None
        value = {"+": x + y, "-": x - y, "*": x * y}.get(str(node.operator))
        return (x / y if value is None else value), _latest(x_day, y_day)

    def known(self, name: str, assessments: list[Assessment]) -> list[Value]:
        return [assessment.values[name] for assessment in assessments if name in assessment.values]

    def reference(self, node: Reference, a: int) -> Number:
        name, every = node.measure.name, self.p.assessments
        before, so_far = every[:a], every[: a + 1]
        match node.kind:
            case ReferenceKind.BASELINE:
                return self.baseline(name)
            case ReferenceKind.LOWEST | ReferenceKind.HIGHEST:
                values = self.known(name, before)
                if node.epoch:
                    first, last = self.w.epochs[node.epoch]
                    values = [v for v in self.known(name, every) if first <= v.day <= last]
                best = min if node.kind is ReferenceKind.LOWEST else max
                extreme = best((v.value for v in values), default=None)
                return next(((v.value, v.day) for v in values if v.value == extreme), (None, None))
            case ReferenceKind.PREVIOUS:
                values = self.known(name, before)
                return (values[-1].value, values[-1].day) if values else (None, None)
            case ReferenceKind.LAST:
                values = self.known(name, so_far)
                return (values[-1].value, values[-1].day) if values else (None, None)
            case ReferenceKind.FIRST:
                first, last = self.w.epochs[node.epoch] if node.epoch else (2, 10**6)
                values = [v for v in self.known(name, so_far) if first <= v.day <= last]
                return (values[0].value, values[0].day) if values else (None, None)
            case ReferenceKind.AT_FIRST:
                for b in range(a + 1):
                    if self.truth(node.condition, b)[0] is True:
                        return self.measure(name, b)
                return None, None
            case ReferenceKind.UPPER_LIMIT:
                here = every[a].values.get(name)
                own = here.upper if here is not None else None
                return (own if own is not None else self.w.normal_upper.get(name)), None
            case ReferenceKind.LOWER_LIMIT:
                here = every[a].values.get(name)
                return (here.lower if here is not None else None), None
        return self.change(node, name, a)

    def baseline(self, name: str) -> Number:
        able = [v for v in self.known(name, self.p.assessments) if v.day <= self.w.baseline_last_day]
        able = [v for v in able if v.flagged] or able
        latest = max((v.day for v in able), default=None)
        of_that_day = [v for v in able if v.day == latest]
        return (of_that_day[-1].value, of_that_day[-1].day) if of_that_day else (None, None)

    def change(self, node: Reference, name: str, a: int) -> Number:
        (now, day), (base, base_day) = self.measure(name, a), self.baseline(name)
        if now is None or base is None:
            return None, None
        if node.kind is ReferenceKind.CHANGE:
            return now - base, _latest(day, base_day)
        return (None, None) if base == 0 else (100 * (now - base) / base, _latest(day, base_day))

    # Events ---------------------------------------------------------------------------------------

    def onsets(self, node: Node, first_day: int = 2) -> list[tuple[int, int]]:
        """(assessment, day) of every episode: it begins where the sentence is true and was not before."""
        found, is_on = [], False
        for a in range(len(self.p.assessments)):
            verdict = self.truth(node, a)[0]
            if verdict is False:
                is_on = False
            if verdict is True and not is_on and self.known_on(node, a) >= first_day:
                found.append((a, self.known_on(node, a)))
                is_on = True
        return found


_MIRROR = {">=": "<=", ">": "<", "<=": ">=", "<": ">", "=": "=", "!=": "!="}


def _opposite(truth: Truth) -> Truth:
    verdict, day = truth
    return (None if verdict is None else not verdict), day


def _yes_no(number: Number) -> Truth:
    value, day = number
    return (None, None) if value is None else (value != 0, day)


def _latest(a: int | None, b: int | None) -> int | None:
    if a is None or b is None:
        return b if a is None else a
    return max(a, b)


def _compare(operator: str, x: float, y: float) -> bool:
    same = near(x, y)
    match operator:
        case ">=":
            return same or x > y
        case ">":
            return x > y and not same
        case "<=":
            return same or x < y
        case "<":
            return x < y and not same
        case "=":
            return same
    return not same
