"""Evaluates sentences of the endpoint language on a panel: one answer for each assessment.

A condition gives a `Truth`: verdicts (false, true, unknown) and the day each rests on, which is the
latest of the values that made it so.  A value gives `Numbers`: values, NaN where unknown, and their
days.  What the nodes mean is said in `flarefree.protocol.language.nodes`; this module knows neither
records nor files, so virtual panels run through the same code as patients do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.endpoints import kernels
from flarefree.endpoints.context import FIRST_DAY, LAST_DAY, Context, Limits
from flarefree.endpoints.elementwise import compare, compare_count, join_all, join_any, negate
from flarefree.endpoints.kernels import FALSE, NO_DAY, TRUE, UNKNOWN
from flarefree.endpoints.panel import Panel, PanelColumn
from flarefree.errors import ProtocolError
from flarefree.protocol.language.nodes import (
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

__all__ = ["Evaluator", "Numbers", "Truth", "evaluate_condition", "evaluate_value"]

Ints8 = npt.NDArray[np.int8]
Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MEMORY = 250e6
"""Bytes of verdicts that an evaluator keeps from one endpoint to the next."""

_BYTES_OF_A_VERDICT = 5

_NO_DAYS = np.array([NO_DAY], dtype=np.int32)
_NOTHING = np.array([np.nan])


@dataclass(frozen=True, slots=True)
class Truth:
    """A condition at every assessment: verdicts and days, shape (n_assessments,).

    `days` is `NO_DAY` where the verdict is unknown, or rests on nothing that has a day.
    """

    verdicts: Ints8
    days: Ints32


@dataclass(frozen=True, slots=True)
class Numbers:
    """A value at every assessment; shape (n_assessments,), or (1,) for a constant."""

    values: Floats
    days: Ints32


@dataclass(frozen=True, slots=True)
class Words:
    """A word at every assessment: indices into `words`, -1 where unknown."""

    codes: Ints32
    words: tuple[str, ...]
    days: Ints32


def evaluate_condition(node: Node, panel: Panel, context: Context | None = None) -> Truth:
    """Whether a condition holds, at every assessment of a panel.

    Parameters
    ----------
    node : Node
        A condition of the endpoint language.
    panel : Panel
    context : Context, optional
        What names refer to; without it, baseline is the last value at or before day 1.

    Returns
    -------
    Truth

    Raises
    ------
    ProtocolError
        The sentence names an epoch, or an event, that is not there.
    """
    return Evaluator(panel, context or Context()).condition(node)


def evaluate_value(node: Node, panel: Panel, context: Context | None = None) -> Numbers:
    """A value at every assessment of a panel; see `evaluate_condition`."""
    numbers = Evaluator(panel, context or Context()).value(node)
    n = panel.n_assessments
    return Numbers(
        np.ascontiguousarray(np.broadcast_to(numbers.values, n)),
        np.ascontiguousarray(np.broadcast_to(numbers.days, n)),
    )


@dataclass(slots=True)
class Evaluator:
    """Evaluates sentences on one panel, each part once.

    What is no panel's business is given to it: first days of events by name (`begun`), of records,
    and facts about patients, each with shape (n_subjects,) and `NO_DAY` where there is none.
    """

    panel: Panel
    context: Context = field(default_factory=Context)
    begun: dict[str, Ints32] = field(default_factory=dict)
    records: Mapping[Records, Ints32] = field(default_factory=dict)
    facts: Mapping[SubjectFact, Ints8] = field(default_factory=dict)
    _truths: dict[Node, Truth] = field(default_factory=dict)
    _sources: dict[Reference, Ints64] = field(default_factory=dict)
    _partners: dict[Node, Ints64] = field(default_factory=dict)
    _measured: dict[str, Numbers] = field(default_factory=dict)
    _constants: dict[tuple[int, int], Truth] = field(default_factory=dict)
    _subject: Ints32 | None = None

    # Public ---------------------------------------------------------------------------------------

    def condition(self, node: Node) -> Truth:
        """A condition at every assessment; computed once for equal nodes."""
        found = self._truths.get(node)
        if found is None:
            found = self._truths[node] = self._condition(node)
        return found

    def value(self, node: Node) -> Numbers:
        """A value at every assessment."""
        return self._value(node)

    def source(self, node: Reference) -> Ints64:
        """At which assessment the referred value stands, -1 where there is none: (n_assessments,)."""
        found = self._sources.get(node)
        if found is None:
            found = self._sources[node] = self._find_source(node)
        return found

    def partner(self, node: Node) -> Ints64:
        """The other assessment that a condition over time rests on: confirming, last or earlier one."""
        if node not in self._partners:
            self._truths[node] = self._condition(node)
        return self._partners[node]

    def forget(self, beyond: float = MEMORY) -> None:
        """Let go of what was computed, but for states, once it takes more than so many bytes.

        All sentences of a registry do not fit in memory together; those of a trial do.
        """
        if len(self._truths) * self.panel.n_assessments * _BYTES_OF_A_VERDICT <= beyond:
            return
        states = self.context.states.values()
        self._truths = {node: self._truths[node] for node in states if node in self._truths}
        self._sources.clear()
        self._partners.clear()

    def column(self, name: str) -> PanelColumn:
        """A measure's column; one of which nothing is known where the panel has none."""
        return self.panel.columns.get(name) or _empty_column(self.panel.n_assessments)

    @property
    def subject(self) -> Ints32:
        """The patient of each assessment, by index: (n_assessments,)."""
        if self._subject is None:
            counts = np.diff(self.panel.offsets)
            self._subject = np.repeat(np.arange(counts.size, dtype=np.int32), counts)
        return self._subject

    # Conditions -----------------------------------------------------------------------------------

    def _condition(self, node: Node) -> Truth:
        match node:
            case Comparison():
                return self._comparison(node)
            case And(operands=operands) | Or(operands=operands):
                return self._joined(node, operands)
            case Not(operand=operand):
                inner = self.condition(operand)
                return Truth(negate(inner.verdicts), inner.days)
            case Holds(name=name):
                return self._holds(name)
            case Measure(name=name):
                return self._holds(name)
            case Reference():
                return _as_truth(self._value(node), self.panel.n_assessments)
            case IsKnown(operand=operand):
                return self._is_known(operand)
            case Confirmed() | Sustained() | Earlier():
                return self._over_time(node)
            case InWindow():
                return self._in_window(node)
            case Records():
                return self._begun_by(self._looked_up(self.records, node, "records"))
            case SubjectFact():
                return self._fact(self._looked_up(self.facts, node, "a fact about patients"))
        raise TypeError(f"not a condition: {node!r}")

    def _comparison(self, node: Comparison) -> Truth:
        left, right = self._words(node.left), self._words(node.right)
        if left is not None and right is not None:
            return _compare_words(node.operator, left, right, self.panel.n_assessments)
        if isinstance(node.left, CountOf):
            return self._compare_count(node.operator, node.left, node.right)
        if isinstance(node.right, CountOf):
            return self._compare_count(_MIRRORED[node.operator], node.right, node.left)
        a, b = self._value(node.left), self._value(node.right)
        n = self.panel.n_assessments
        if a.values.size == b.values.size == a.days.size == b.days.size == 1 < n:
            return self._constant(*compare(node.operator, a.values, b.values, a.days, b.days, 1))
        return Truth(*compare(node.operator, a.values, b.values, a.days, b.days, n))

    def _constant(self, verdicts: Ints8, days: Ints32) -> Truth:
        """One verdict at every assessment; a measure that was never taken makes many, so they are shared."""
        key = int(verdicts[0]), int(days[0])
        if key not in self._constants:
            n = self.panel.n_assessments
            self._constants[key] = Truth(np.repeat(verdicts, n), np.repeat(days, n))
        return self._constants[key]

    def _compare_count(self, operator: ComparisonOperator, count: CountOf, other: Node) -> Truth:
        """`count(a, b, c) >= 2`: known as soon as the unknown ones cannot change it."""
        truths = [self.condition(part) for part in count.operands]
        bound = self._value(other)
        if bound.values.size == 1 and all(self._is_constant(truth) for truth in truths):
            truths = [Truth(truth.verdicts[:1], truth.days[:1]) for truth in truths]
            verdicts, days = (
                np.stack(part) for part in zip(*((t.verdicts, t.days) for t in truths), strict=True)
            )
            return self._constant(*compare_count(operator, verdicts, days, bound.values, bound.days))
        return Truth(
            *compare_count(
                operator,
                np.stack([truth.verdicts for truth in truths]),
                np.stack([truth.days for truth in truths]),
                bound.values,
                bound.days,
            )
        )

    def _joined(self, node: And | Or, operands: tuple[Node, ...]) -> Truth:
        join = join_all if isinstance(node, And) else join_any
        # Measures that were never taken all give the same truth, which joined with itself is itself.
        truths = {id(truth): truth for truth in map(self.condition, operands)}
        first, *others = truths.values()
        if not others:
            return first
        verdicts, days = first.verdicts.copy(), first.days.copy()
        for other in others:
            join(verdicts, days, other.verdicts, other.days)
        return Truth(verdicts, days)

    def _is_constant(self, truth: Truth) -> bool:
        return any(truth is constant for constant in self._constants.values())

    def _holds(self, name: str) -> Truth:
        if name in self.context.states:
            return self.condition(self.context.states[name])
        if name in self.begun:
            return self._begun_by(self.begun[name])
        words = self._words(Measure(name))
        if words is not None:
            return _yes_no_words(words)
        return _as_truth(self._value(Measure(name)), self.panel.n_assessments)

    def _is_known(self, operand: Node) -> Truth:
        if _is_condition(operand):
            inner = self.condition(operand)
            known = inner.verdicts != UNKNOWN
            days = inner.days
        else:
            words = self._words(operand)
            numbers = self._value(operand) if words is None else None
            known = ~np.isnan(numbers.values) if numbers is not None else words.codes >= 0  # type: ignore[union-attr]
            days = numbers.days if numbers is not None else words.days  # type: ignore[union-attr]
        n = self.panel.n_assessments
        verdicts = np.broadcast_to(known, n).astype(np.int8)
        return Truth(verdicts, np.where(verdicts == TRUE, days, NO_DAY).astype(np.int32))

    def _over_time(self, node: Confirmed | Sustained | Earlier) -> Truth:
        inner = self.condition(node.operand)
        offsets = self.panel.offsets
        known_on = np.where(inner.days == NO_DAY, self.panel.days, inner.days)
        match node:
            case Confirmed():
                verdicts, which = kernels.confirm(
                    offsets, inner.verdicts, known_on, node.first_day, node.last_day
                )
                days = np.where(verdicts == UNKNOWN, NO_DAY, inner.days)
            case Sustained():
                verdicts, which = kernels.sustain(offsets, inner.verdicts, known_on, node.days)
                days = np.where(verdicts == UNKNOWN, NO_DAY, inner.days)
            case Earlier():
                scan = kernels.previous_verdict if node.only_previous else kernels.was_true
                verdicts, which = scan(offsets, inner.verdicts, self._in_time(node.epoch))
                there = inner.days[which] if which.size else inner.days
                days = np.where((which >= 0) & (verdicts != UNKNOWN), there, NO_DAY)
        self._partners[node] = which
        return Truth(verdicts, days.astype(np.int32))

    def _in_window(self, node: InWindow) -> Truth:
        inner = self.condition(node.operand)
        inside = self._in_time(node.epoch, node.first_day, node.last_day)
        verdicts = np.where(inside, inner.verdicts, FALSE)
        return Truth(verdicts, np.where(inside, inner.days, NO_DAY).astype(np.int32))

    def _in_time(
        self, epoch: str, first: int | None = None, last: int | None = None
    ) -> npt.NDArray[np.bool_]:
        """Which assessments are of an epoch, or of some days."""
        start, stop = self._epoch(epoch) if epoch else (first or FIRST_DAY, last or LAST_DAY)
        return (self.panel.days >= start) & (self.panel.days <= stop)

    def _epoch(self, name: str) -> tuple[int, int]:
        if name not in self.context.epochs:
            known = ", ".join(self.context.epochs) or "no epochs"
            raise ProtocolError(f"there is no epoch {name}", found=name, expected=known)
        return self.context.epochs[name]

    def _begun_by(self, first_days: Ints32) -> Truth:
        """Whether something dated has begun by each assessment."""
        day = first_days[self.subject]
        has_begun = (day != NO_DAY) & (day <= self.panel.days)
        return Truth(has_begun.astype(np.int8), np.where(has_begun, day, NO_DAY).astype(np.int32))

    def _fact(self, verdicts: Ints8) -> Truth:
        return Truth(verdicts[self.subject], np.full(self.panel.n_assessments, NO_DAY, dtype=np.int32))

    def _looked_up(self, where: Mapping[Any, Any], node: Node, what: str) -> Any:
        if node not in where:
            raise ProtocolError(f"this sentence asks for {what}, which are not known here", found=repr(node))
        return where[node]

    # Values ---------------------------------------------------------------------------------------

    def _value(self, node: Node) -> Numbers:
        match node:
            case Quantity(value=value):
                return Numbers(np.array([value]), _NO_DAYS)
            case Measure(name=name):
                return self._measure(name)
            case Reference():
                return self._reference(node)
            case Arithmetic():
                return self._arithmetic(node)
            case Conditional():
                return self._conditional(node)
            case CountOf(operands=operands):
                return self._count(operands)
            case DaysSince(operand=operand):
                return self._days_since(operand)
        raise TypeError(f"not a value: {node!r}")

    def _measure(self, name: str) -> Numbers:
        if name in self.panel.columns:
            column = self.panel.columns[name]
            return Numbers(
                column.values, np.where(np.isnan(column.values), NO_DAY, column.days).astype(np.int32)
            )
        if name in self.context.values:
            return self._value(self.context.values[name])
        covariate = self.panel.covariates.get(name)
        if covariate is not None and covariate.dtype != object:
            return Numbers(covariate.astype(np.float64)[self.subject], _NO_DAYS)
        return Numbers(_NOTHING, _NO_DAYS)

    def _reference(self, node: Reference) -> Numbers:
        match node.kind:
            case ReferenceKind.UPPER_LIMIT | ReferenceKind.LOWER_LIMIT:
                return Numbers(self._limits(node), _NO_DAYS)
            case ReferenceKind.CHANGE | ReferenceKind.PERCENT_CHANGE:
                return self._change(node)
        return self._taken(node.measure.name, self.source(node))

    def _taken(self, name: str, source: Ints64) -> Numbers:
        """The values that stand at `source`."""
        column = self.column(name)
        return Numbers(*kernels.take(source, column.values, column.days))

    def _change(self, node: Reference) -> Numbers:
        now = self._measure(node.measure.name)
        baseline = self._reference(Reference(ReferenceKind.BASELINE, node.measure))
        values = now.values - baseline.values
        if node.kind is ReferenceKind.PERCENT_CHANGE:
            values = _divided(100.0 * values, baseline.values)
        return Numbers(values, np.maximum(now.days, baseline.days))

    def _find_source(self, node: Reference) -> Ints64:
        panel, column = self.panel, self.column(node.measure.name)
        match node.kind:
            case ReferenceKind.BASELINE | ReferenceKind.CHANGE | ReferenceKind.PERCENT_CHANGE:
                return kernels.spread(panel.offsets, self.baseline_of(node.measure.name))
            case ReferenceKind.LOWEST | ReferenceKind.HIGHEST:
                sign = 1.0 if node.kind is ReferenceKind.LOWEST else -1.0
                if not node.epoch:
                    return kernels.extreme_so_far(panel.offsets, column.values, sign)
                first, last = self._epoch(node.epoch)
                found = kernels.extreme_within(panel.offsets, column.values, column.days, first, last, sign)
                return kernels.spread(panel.offsets, found)
            case ReferenceKind.PREVIOUS:
                return kernels.last_known(panel.offsets, column.values, False)
            case ReferenceKind.LAST:
                return kernels.last_known(panel.offsets, column.values, True)
            case ReferenceKind.FIRST:
                first, last = self._epoch(node.epoch) if node.epoch else (2, LAST_DAY)
                return kernels.first_known(panel.offsets, column.values, column.days, first, last)
            case ReferenceKind.AT_FIRST:
                assert node.condition is not None
                return kernels.first_so_far(panel.offsets, self.condition(node.condition).verdicts)
        return np.full(panel.n_assessments, -1, dtype=np.int64)

    def baseline_of(self, measure: str) -> Ints64:
        """At which assessment each patient's baseline of a measure stands: (n_subjects,), -1 if none."""
        column, rule = self.column(measure), self.context.baseline
        nobody = np.zeros(self.panel.n_assessments, dtype=np.bool_)
        allowed = ~nobody
        if self.context.baseline_visits:
            allowed = np.isin(self.panel.visits, self.context.baseline_visits)
        flagged = column.flagged if rule.prefer_flagged and column.flagged is not None else nobody
        first = FIRST_DAY if rule.first_day is None else rule.first_day
        return kernels.last_within(
            self.panel.offsets, column.values, column.days, allowed, flagged, first, rule.last_day
        )

    def _limits(self, node: Reference) -> Floats:
        """The laboratory's limit of normal where it gives one, else the protocol's, by sex."""
        is_upper = node.kind is ReferenceKind.UPPER_LIMIT
        column = self.column(node.measure.name)
        own = column.upper_limits if is_upper else column.lower_limits
        planned = self._planned_limits(node.measure.name, int(is_upper))[self.subject]
        return planned if own is None else np.where(np.isnan(own), planned, own)

    def _planned_limits(self, measure: str, side: int) -> Floats:
        normal = self.context.normal.get(measure)
        limits = np.full(self.panel.n_subjects, np.nan)
        if normal is None:
            return limits
        limits[:] = _limit(normal.everyone, side)
        sexes = self.panel.covariates.get("sex")
        if sexes is not None:
            letters = np.array([str(sex).strip()[:1].upper() for sex in sexes.tolist()])
            for sex, by_sex in normal.by_sex.items():
                limits[letters == sex] = _limit(by_sex, side)
        return limits

    def _arithmetic(self, node: Arithmetic) -> Numbers:
        left, right = self._value(node.left), self._value(node.right)
        days = np.maximum(left.days, right.days)
        match node.operator:
            case ArithmeticOperator.ADD:
                return Numbers(left.values + right.values, days)
            case ArithmeticOperator.SUBTRACT:
                return Numbers(left.values - right.values, days)
            case ArithmeticOperator.MULTIPLY:
                return Numbers(left.values * right.values, days)
        return Numbers(_divided(left.values, right.values), days)

    def _conditional(self, node: Conditional) -> Numbers:
        condition = self.condition(node.condition)
        then, otherwise = self._value(node.then), self._value(node.otherwise)
        is_true = condition.verdicts == TRUE
        values = np.where(is_true, then.values, otherwise.values)
        days = np.maximum(np.where(is_true, then.days, otherwise.days), condition.days)
        unknown = condition.verdicts == UNKNOWN
        return Numbers(np.where(unknown, np.nan, values), np.where(unknown, NO_DAY, days).astype(np.int32))

    def _count(self, operands: tuple[Node, ...]) -> Numbers:
        count = np.zeros(self.panel.n_assessments)
        days = np.full(self.panel.n_assessments, NO_DAY, dtype=np.int32)
        for operand in operands:
            truth = self.condition(operand)
            count += np.where(truth.verdicts == UNKNOWN, np.nan, truth.verdicts == TRUE)
            days = np.maximum(days, truth.days)
        return Numbers(count, days)

    def _days_since(self, operand: Node) -> Numbers:
        latest = kernels.latest_true(self.panel.offsets, self.condition(operand).verdicts)
        days = self.panel.days.astype(np.int64)
        ordinal = np.where(days > 0, days - 1, days)
        since = np.where(latest >= 0, ordinal - ordinal[latest], np.nan) if latest.size else np.empty(0)
        return Numbers(since, self.panel.days)

    def _words(self, node: Node) -> Words | None:
        """The node as words, if that is what it is."""
        if isinstance(node, Text):
            return Words(np.array([0], dtype=np.int32), (node.value,), _NO_DAYS)
        if not isinstance(node, Measure):
            return None
        column = self.panel.columns.get(node.name)
        if column is not None:
            if not column.texts:
                return None
            known = ~np.isnan(column.values)
            codes = np.where(known, column.values, -1).astype(np.int32)
            return Words(codes, column.texts, np.where(known, column.days, NO_DAY).astype(np.int32))
        covariate = self.panel.covariates.get(node.name)
        if covariate is None or covariate.dtype != object:
            return None
        words = tuple(dict.fromkeys(word for word in covariate.tolist() if word is not None))
        index = {word: code for code, word in enumerate(words)}
        by_subject = np.array([index.get(word, -1) for word in covariate.tolist()], dtype=np.int32)
        return Words(by_subject[self.subject], words, _NO_DAYS)


_MIRRORED = {
    ComparisonOperator.GE: ComparisonOperator.LE,
    ComparisonOperator.GT: ComparisonOperator.LT,
    ComparisonOperator.LE: ComparisonOperator.GE,
    ComparisonOperator.LT: ComparisonOperator.GT,
    ComparisonOperator.EQ: ComparisonOperator.EQ,
    ComparisonOperator.NE: ComparisonOperator.NE,
}

_CONDITIONS = (
    And, Comparison, Confirmed, Earlier, Holds, InWindow, IsKnown, Not, Or, Records, SubjectFact, Sustained,
)  # fmt: skip


def _is_condition(node: Node) -> bool:
    return isinstance(node, _CONDITIONS)


def _as_truth(numbers: Numbers, n: int) -> Truth:
    """A yes/no value as a condition."""
    values = np.broadcast_to(numbers.values, n)
    verdicts = np.where(np.isnan(values), UNKNOWN, (values != 0).astype(np.int8)).astype(np.int8)
    return Truth(verdicts, np.where(verdicts == UNKNOWN, NO_DAY, numbers.days).astype(np.int32))


def _yes_no_words(words: Words) -> Truth:
    meaning = {"yes": TRUE, "y": TRUE, "no": FALSE, "n": FALSE}
    table = np.array(
        [*(meaning.get(word.casefold(), UNKNOWN) for word in words.words), UNKNOWN], dtype=np.int8
    )
    verdicts = table[words.codes]
    return Truth(verdicts, np.where(verdicts == UNKNOWN, NO_DAY, words.days).astype(np.int32))


def _compare_words(operator: ComparisonOperator, left: Words, right: Words, n: int) -> Truth:
    """Whether two words are the same, without regard to case."""
    if operator not in (ComparisonOperator.EQ, ComparisonOperator.NE):
        raise ProtocolError("words are equal or they are not", found=str(operator), expected="= or !=")
    folded: dict[str, int] = {}
    a, b = (_folded_codes(words, folded) for words in (left, right))
    same = (a == b) == (operator is ComparisonOperator.EQ)
    verdicts = np.broadcast_to(np.where((a < 0) | (b < 0), UNKNOWN, same.astype(np.int8)), n).astype(np.int8)
    days = np.where(verdicts == UNKNOWN, NO_DAY, np.maximum(left.days, right.days))
    return Truth(verdicts, days.astype(np.int32))


def _folded_codes(words: Words, folded: dict[str, int]) -> Ints32:
    codes = [folded.setdefault(word.casefold(), len(folded)) for word in words.words]
    return np.array([*codes, -1], dtype=np.int32)[words.codes]


def _divided(left: Floats, right: Floats) -> Floats:
    """A quotient; unknown where the divisor is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(right == 0, np.nan, left / right)


def _limit(limits: Limits, side: int) -> float:
    found = limits[side]
    return np.nan if found is None else found


def _empty_column(n: int) -> PanelColumn:
    return PanelColumn(np.full(n, np.nan), np.zeros(n, dtype=np.int32), np.full(n, -1, dtype=np.int64))
