"""Evaluates sentences of the endpoint language on a panel: one answer for each assessment.

A condition gives verdicts (false, true, unknown), a value gives numbers, NaN where unknown; on which day
an answer rests is found by `flarefree.endpoints.dating`, where it is asked.  What the nodes mean is said in
`flarefree.protocol.language.nodes`.  This module knows neither records nor files, so virtual panels run
through the same code as patients do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.endpoints import kernels, references
from flarefree.endpoints.by_patient import value_by_patient
from flarefree.endpoints.context import FIRST_DAY, LAST_DAY, Context
from flarefree.endpoints.dating import MIRRORED, day_of, day_of_value
from flarefree.endpoints.elementwise import (
    Bound,
    as_verdicts,
    compare,
    compare_count,
    compare_together,
    compare_whole,
    join_all,
    join_any,
    negate,
)
from flarefree.endpoints.kernels import FALSE, NO_DAY, TRUE, UNKNOWN
from flarefree.endpoints.panel import Panel, PanelColumn
from flarefree.endpoints.resting import Resting, Where, resting_of
from flarefree.endpoints.wording import Words, compare_words, words_of, yes_no
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
)

__all__ = ["Evaluator", "Numbers", "Truth", "evaluate_condition", "evaluate_value"]

Ints8 = npt.NDArray[np.int8]
Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_NOTHING = np.array([np.nan])

MEMORY = 250e6
"""Bytes of verdicts that an evaluator keeps from one endpoint to the next."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A condition at every assessment: verdicts and days, shape (n_assessments,).

    `days` is `NO_DAY` where the verdict is unknown, or rests on nothing that has a day.
    """

    verdicts: Ints8
    days: Ints32


@dataclass(frozen=True, slots=True)
class Numbers:
    """A value at every assessment, NaN where unknown, and its day; shape (n_assessments,)."""

    values: Floats
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
    return Evaluator(panel, context or Context()).value(node)


@dataclass(slots=True)
class Evaluator:
    """Evaluates sentences on one panel, each part once.

    What is no panel's business is given to it: first days of events by name (`begun`), of records,
    and facts about patients, each with shape (n_subjects,) and `NO_DAY` where there is none.  Panels
    that have the same columns may share `restings` (see `flarefree.endpoints.resting`).  `expected` are
    comparisons that will be asked, by the measure on one of their sides: they are made together.
    """

    panel: Panel
    context: Context = field(default_factory=Context)
    begun: dict[str, Ints32] = field(default_factory=dict)
    records: Mapping[Records, Ints32] = field(default_factory=dict)
    facts: Mapping[SubjectFact, Ints8] = field(default_factory=dict)
    restings: dict[Node, Resting] = field(default_factory=dict)
    of_patients: dict[Node, Floats | None] = field(default_factory=dict)
    expected: Mapping[str, tuple[Comparison, ...]] = field(default_factory=dict)
    _verdicts: dict[Node, Ints8] = field(default_factory=dict)
    _columns: dict[str, PanelColumn] = field(default_factory=dict)
    _sources: dict[Reference, Ints64] = field(default_factory=dict)
    _partners: dict[Node, Ints64 | Ints32] = field(default_factory=dict)
    _baselines: dict[str, Ints64] = field(default_factory=dict)
    _latest: dict[tuple[int, int], Ints64] = field(default_factory=dict)
    _constants: dict[int, Ints8] = field(default_factory=dict)
    _subject: Ints32 | None = None
    _one_day_each: bool | None = None

    # Public ---------------------------------------------------------------------------------------

    def condition(self, node: Node) -> Truth:
        """A condition at every assessment, with the days it rests on."""
        return Truth(self.verdicts(node), self.day_of(node, self._everywhere))

    def value(self, node: Node) -> Numbers:
        """A value at every assessment, with its days."""
        values = np.broadcast_to(self.values(node), self.panel.n_assessments)
        return Numbers(np.ascontiguousarray(values), day_of_value(self, node, self._everywhere))

    def verdicts(self, node: Node) -> Ints8:
        """A condition at every assessment: (n_assessments,).  Computed once for equal nodes: read it only."""
        found = self._verdicts.get(node)
        if found is None:
            found = self._verdicts[node] = self._condition(node)
        return found

    def values(self, node: Node) -> Floats:
        """A value at every assessment: (n_assessments,), or (1,) for a constant."""
        return self._value(node)

    def day_of(self, node: Node, at: Ints64) -> Ints32:
        """The day that a condition rests on, at some assessments; see `flarefree.endpoints.dating`."""
        return day_of(self, node, at)

    def resting(self, node: Node) -> Resting:
        """Where the day of a condition lies wherever it is true."""
        found = self.restings.get(node)
        if found is None:
            found = self.restings[node] = resting_of(self, node, True)
        return found

    @property
    def has_one_day_each(self) -> bool:
        """Whether all values of an assessment were taken on its day, as on virtual visits."""
        if self._one_day_each is None:
            columns = self.panel.columns.values()
            self._one_day_each = all(column.days is self.panel.days for column in columns)
        return self._one_day_each

    def source(self, node: Reference) -> Ints64:
        """At which assessment the referred value stands, -1 where there is none: (n_assessments,)."""
        found = self._sources.get(node)
        if found is None:
            found = self._sources[node] = references.source_of(self, node)
        return found

    def source_at(self, node: Reference, at: Ints64) -> Ints64:
        """As `source`, at some assessments only."""
        of_subject = references.source_of_subject(self, node)
        return self.source(node)[at] if of_subject is None else of_subject[self.subject[at]]

    def partner_at(self, node: Node, at: Ints64) -> Ints64:
        """The partners of some assessments."""
        return self.partner(node)[at].astype(np.int64, copy=False)

    def partner(self, node: Node) -> Ints64 | Ints32:
        """The other assessment that a condition over time rests on: confirming, last or earlier one."""
        if node not in self._partners:
            self._verdicts[node] = self._condition(node)
        return self._partners[node]

    def column(self, name: str) -> PanelColumn:
        """A measure's column; one of which nothing is known where the panel has none."""
        column = self.panel.columns.get(name)
        if column is None:
            return _empty_column(self.panel.n_assessments)
        if column.values.dtype != np.float64:
            if name not in self._columns:
                self._columns[name] = replace(column, values=column.values.astype(np.float64))
            return self._columns[name]
        return column

    def is_value(self, node: Node) -> bool:
        """Whether a node has a value, rather than a verdict."""
        return isinstance(
            node, Measure | Reference | Arithmetic | Conditional | CountOf | DaysSince | Quantity
        )

    def forget(self, beyond: float = MEMORY) -> None:
        """Let go of what was computed, but for states, once it takes more than so many bytes.

        All sentences of a registry do not fit in memory together; those of a trial do.
        """
        if len(self._verdicts) * self.panel.n_assessments <= beyond:
            return
        states = self.context.states.values()
        self._verdicts = {node: self._verdicts[node] for node in states if node in self._verdicts}
        self._sources.clear()
        self._partners.clear()

    @property
    def subject(self) -> Ints32:
        """The patient of each assessment, by index: (n_assessments,)."""
        if self._subject is None:
            counts = np.diff(self.panel.offsets)
            self._subject = kernels.repeated(np.arange(counts.size, dtype=np.int32), counts)
        return self._subject

    @property
    def _everywhere(self) -> Ints64:
        return np.arange(self.panel.n_assessments)

    # Conditions -----------------------------------------------------------------------------------

    def _condition(self, node: Node) -> Ints8:
        match node:
            case Comparison():
                return self._comparison(node)
            case And(operands=operands) | Or(operands=operands):
                return self._joined(node, operands)
            case Not(operand=operand):
                return negate(self.verdicts(operand))
            case Holds(name=name) | Measure(name=name):
                return self._holds(name)
            case Reference():
                return self._reference_holds(node)
            case IsKnown(operand=operand):
                return self._is_known(operand)
            case Confirmed() | Sustained() | Earlier():
                return self._over_time(node)
            case InWindow(operand=operand):
                return np.where(self.is_in_window(node), self.verdicts(operand), FALSE)
            case Records():
                return self._begun_by(self._looked_up(self.records, node, "records"))
            case SubjectFact():
                return self._looked_up(self.facts, node, "a fact about patients")[self.subject]
        raise TypeError(f"not a condition: {node!r}")

    def _comparison(self, node: Comparison) -> Ints8:
        n = self.panel.n_assessments
        left, right = self._words(node.left), self._words(node.right)
        if left is not None and right is not None:
            return compare_words(node.operator, left, right, n)
        if isinstance(node.left, CountOf):
            return self._compare_count(node.operator, node.left, node.right)
        if isinstance(node.right, CountOf):
            return self._compare_count(MIRRORED[node.operator], node.right, node.left)
        found = self._compare_whole(node) if n > 1 else None
        if found is None:
            found = self._compare_by_patient(node)
        if found is not None:
            return found
        a, b = self._value(node.left), self._value(node.right)
        if a.size == b.size == 1 < n:
            return self._constant(compare(node.operator, a, b, 1))
        return compare(node.operator, a, b, n)

    def _compare_whole(self, node: Comparison) -> Ints8 | None:
        """A grade or finding that is held as small whole numbers, with a number."""
        for operator, measure, other in (
            (node.operator, node.left, node.right),
            (MIRRORED[node.operator], node.right, node.left),
        ):
            if isinstance(measure, Measure) and isinstance(other, Quantity):
                column = self.panel.columns.get(measure.name)
                if column is not None and column.values.dtype == np.int8 and np.isfinite(other.value):
                    return compare_whole(operator, column.values, other.value)
        return None

    def _compare_by_patient(self, node: Comparison) -> Ints8 | None:
        """A measure against what is the same at all of a patient's assessments, without spreading that."""
        for name, bound in self._bounds(node):
            if bound.values.size == self.panel.n_subjects > 1:
                return self._compare_expected(name, node, bound)
            if bound.values.size == 1 < self.panel.n_subjects and name in self.expected:
                return self._compare_expected(name, node, bound)
        return None

    def _compare_expected(self, name: str, node: Comparison, bound: Bound) -> Ints8:
        """One comparison, and those of the same measure that will be asked."""
        together = {node: bound}
        for other in self.expected.get(name, ()):
            for measure, one in self._bounds(other):
                is_usable = one.values.size == self.panel.n_subjects or np.isfinite(one.values[0])
                if measure == name and is_usable and other not in self._verdicts:
                    together[other] = one
        found = compare_together(self.column(name).values, tuple(together.values()), self.panel.offsets)
        self._verdicts.update(zip(together, found, strict=True))
        return self._verdicts[node]

    def _bounds(self, node: Comparison) -> Iterator[tuple[str, Bound]]:
        """The measure that a comparison holds against something, and what that is."""
        for operator, measure, other in (
            (node.operator, node.left, node.right),
            (MIRRORED[node.operator], node.right, node.left),
        ):
            if isinstance(measure, Measure) and measure.name in self.panel.columns:
                values = None if self.column(measure.name).texts else value_by_patient(self, other)
                if values is not None:
                    yield measure.name, Bound(operator, values)

    def _constant(self, verdict: Ints8) -> Ints8:
        """One verdict at every assessment; a measure that was never taken makes many, so they are shared."""
        key = int(verdict[0])
        if key not in self._constants:
            self._constants[key] = np.repeat(verdict, self.panel.n_assessments)
        return self._constants[key]

    def _is_constant(self, verdicts: Ints8) -> bool:
        return any(verdicts is constant for constant in self._constants.values())

    def _compare_count(self, operator: ComparisonOperator, count: CountOf, other: Node) -> Ints8:
        """`count(a, b, c) >= 2`: known as soon as the unknown ones cannot change it."""
        parts = [self.verdicts(part) for part in count.operands]
        bound = self._value(other)
        if bound.size == 1 and all(self._is_constant(part) for part in parts):
            return self._constant(compare_count(operator, [part[:1] for part in parts], bound))
        return compare_count(operator, parts, bound)

    def _joined(self, node: And | Or, operands: tuple[Node, ...]) -> Ints8:
        join = join_all if isinstance(node, And) else join_any
        # Measures that were never taken all give the same verdicts, which joined with themselves stay so.
        parts = {id(verdicts): verdicts for verdicts in map(self.verdicts, operands)}
        first, *others = parts.values()
        if not others:
            return first
        joined = first.copy()
        for other in others:
            join(joined, other)
        return joined

    def _holds(self, name: str) -> Ints8:
        if name in self.context.states:
            return self.verdicts(self.context.states[name])
        if name in self.begun:
            return self._begun_by(self.begun[name])
        words = self._words(Measure(name))
        if words is not None:
            return yes_no(words)
        column = self.panel.columns.get(name)
        return self._as_verdicts(self._value(Measure(name)) if column is None else column.values)

    def _reference_holds(self, node: Reference) -> Ints8:
        of_patients = value_by_patient(self, node)
        if of_patients is None or of_patients.size != self.panel.n_subjects:
            return self._as_verdicts(self._value(node))
        verdicts = np.empty(self.panel.n_assessments, np.int8)
        kernels.fill_spread(self.panel.offsets, as_verdicts(of_patients), verdicts)
        return verdicts

    def _as_verdicts(self, values: Floats) -> Ints8:
        """A yes/no value as a condition."""
        verdicts = as_verdicts(values)
        return verdicts if verdicts.size == self.panel.n_assessments else self._constant(verdicts)

    def _is_known(self, operand: Node) -> Ints8:
        if not self.is_value(operand):
            return (self.verdicts(operand) != UNKNOWN).astype(np.int8)
        words = self._words(operand)
        known = ~np.isnan(self._value(operand)) if words is None else words.codes >= 0
        return np.broadcast_to(known, self.panel.n_assessments).astype(np.int8)

    def _over_time(self, node: Confirmed | Sustained | Earlier) -> Ints8:
        inner, offsets = self.verdicts(node.operand), self.panel.offsets
        which: Ints64 | Ints32
        match node:
            case Confirmed(first_day=first, last_day=last):
                verdicts, which = kernels.confirm(offsets, inner, self.known_on(node.operand), first, last)
            case Sustained(days=days):
                verdicts, which = kernels.sustain(offsets, inner, self.known_on(node.operand), days)
            case Earlier():
                scan = kernels.previous_verdict if node.only_previous else kernels.was_true
                verdicts, which = scan(offsets, inner, self._in_time(node.epoch))
        self._partners[node] = which
        return verdicts

    def known_on(self, node: Node) -> Ints32:
        """The day on which a condition was known, of patients of whom it was ever true.

        Of the others, and where it has no day, the assessment's own.
        """
        if self._rests_here_always(node):
            return self.panel.days
        is_true = self.verdicts(node) == TRUE
        is_ever = np.zeros(self.panel.n_subjects, dtype=np.bool_)
        is_ever[self.subject[is_true]] = True
        at = np.flatnonzero(is_ever[self.subject])
        days = self.panel.days.copy()
        own = self.day_of(node, at)
        days[at] = np.where(own == NO_DAY, days[at], own)
        return days

    def _rests_here_always(self, node: Node) -> bool:
        """Whether a condition rests on its own assessment wherever it is known."""
        if not self.has_one_day_each or not self.panel.n_assessments:
            return False
        both = self.resting(node), resting_of(self, node, False)
        since = max(part.since for part in both)
        return all(part.where is Where.HERE for part in both) and int(self.panel.days.min()) >= since

    def is_in_window(self, node: InWindow) -> Flags:
        """Which assessments are of a window: (n_assessments,)."""
        return self._in_time(node.epoch, node.first_day, node.last_day)

    def _in_time(self, epoch: str, first: int | None = None, last: int | None = None) -> Flags:
        start, stop = self.epoch(epoch) if epoch else (first or FIRST_DAY, last or LAST_DAY)
        return (self.panel.days >= start) & (self.panel.days <= stop)

    def epoch(self, name: str) -> tuple[int, int]:
        """First and last day of an epoch."""
        if name not in self.context.epochs:
            known = ", ".join(self.context.epochs) or "no epochs"
            raise ProtocolError(f"there is no epoch {name}", found=name, expected=known)
        return self.context.epochs[name]

    def _begun_by(self, first_days: Ints32) -> Ints8:
        """Whether something dated has begun by each assessment."""
        day = first_days[self.subject]
        return ((day != NO_DAY) & (day <= self.panel.days)).astype(np.int8)

    def _looked_up(self, where: Mapping[Any, Any], node: Node, what: str) -> Any:
        if node not in where:
            raise ProtocolError(f"this sentence asks for {what}, which are not known here", found=repr(node))
        return where[node]

    # Values ---------------------------------------------------------------------------------------

    def _value(self, node: Node) -> Floats:
        match node:
            case Quantity(value=value):
                return np.array([value])
            case Measure(name=name):
                return self._measure(name)
            case Reference():
                return self._reference(node)
            case Arithmetic():
                return self._arithmetic(node)
            case Conditional():
                verdicts = self.verdicts(node.condition)
                chosen = np.where(verdicts == TRUE, self._value(node.then), self._value(node.otherwise))
                return np.where(verdicts == UNKNOWN, np.nan, chosen)
            case CountOf(operands=operands):
                parts = [self.verdicts(part) for part in operands]
                return np.sum([np.where(p == UNKNOWN, np.nan, p == TRUE) for p in parts], axis=0)
            case DaysSince(operand=operand):
                return self._days_since(operand)
        raise TypeError(f"not a value: {node!r}")

    def _measure(self, name: str) -> Floats:
        if name in self.panel.columns:
            return self.column(name).values
        if name in self.context.values:
            return self._value(self.context.values[name])
        covariate = self.panel.covariates.get(name)
        if covariate is not None and covariate.dtype != object:
            return covariate.astype(np.float64)[self.subject]
        return _NOTHING

    def _reference(self, node: Reference) -> Floats:
        name = node.measure.name
        match node.kind:
            case ReferenceKind.UPPER_LIMIT | ReferenceKind.LOWER_LIMIT:
                return references.limits_of(self, node)
            case ReferenceKind.CHANGE:
                return self._measure(name) - self._taken(node)
            case ReferenceKind.PERCENT_CHANGE:
                baseline = self._taken(node)
                return _divided(100.0 * (self._measure(name) - baseline), baseline)
        return self._taken(node)

    def _taken(self, node: Reference) -> Floats:
        """The values that a reference points to."""
        if node.measure.name not in self.panel.columns:
            return _NOTHING
        column = self.column(node.measure.name)
        of_subject = references.source_of_subject(self, node)
        if of_subject is not None:
            return kernels.spread_values(self.panel.offsets, of_subject, column.values)
        return kernels.take(self.source(node), column.values)

    def baseline_of(self, measure: str) -> Ints64:
        """At which assessment each patient's baseline of a measure stands: (n_subjects,), -1 if none."""
        if measure not in self._baselines:
            self._baselines[measure] = references.baseline_of(self, measure)
        return self._baselines[measure]

    def latest(self, first: int, last: int) -> Ints64:
        """Each patient's last assessment of some days, -1 if none: (n_subjects,)."""
        if (first, last) not in self._latest:
            self._latest[first, last] = kernels.last_day_within(
                self.panel.offsets, self.panel.days, first, last
            )
        return self._latest[first, last]

    def _arithmetic(self, node: Arithmetic) -> Floats:
        left, right = self._value(node.left), self._value(node.right)
        match node.operator:
            case ArithmeticOperator.ADD:
                return left + right
            case ArithmeticOperator.SUBTRACT:
                return left - right
            case ArithmeticOperator.MULTIPLY:
                return left * right
        return _divided(left, right)

    def _days_since(self, operand: Node) -> Floats:
        latest = kernels.latest_true(self.panel.offsets, self.verdicts(operand))
        days = self.panel.days.astype(np.int64)
        ordinal = np.where(days > 0, days - 1, days)
        return np.where(latest >= 0, ordinal - ordinal[latest], np.nan) if latest.size else np.empty(0)

    def _words(self, node: Node) -> Words | None:
        return words_of(node, self.panel, self.subject)


def _divided(left: Floats, right: Floats) -> Floats:
    """A quotient; unknown where the divisor is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(right == 0, np.nan, left / right)


def _empty_column(n: int) -> PanelColumn:
    return PanelColumn(np.full(n, np.nan), np.zeros(n, dtype=np.int32), np.full(n, -1, dtype=np.int64))
