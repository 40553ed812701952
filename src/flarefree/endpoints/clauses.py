"""A sentence at one assessment as a tree of clauses: the builder behind `explain`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flarefree.endpoints.clause_parts import (
    affirmed,
    against,
    known_day,
    measure_within,
    rows_within,
    terms,
    unit_of,
)
from flarefree.endpoints.dating import day_of_value
from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.explanation import Clause, SourceRow, Verdict
from flarefree.endpoints.kernels import NO_DAY, TRUE, UNKNOWN, elapsed, latest_true
from flarefree.endpoints.source_rows import SourceRows
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
    Records,
    Reference,
    ReferenceKind,
    SubjectFact,
    Sustained,
    Text,
)
from flarefree.protocol.language.printing import print_node
from flarefree.protocol.schema import Protocol

__all__ = ["ClauseBuilder"]

_VERDICTS: tuple[Verdict, ...] = ("false", "true", "unknown")

# A tree is read by a person: a sentence of thousands of parts shows its first ones, and says how many more.
_MOST_CLAUSES = 300
_DEEPEST = 25
_MOST_REASONS = 50


@dataclass(slots=True)
class ClauseBuilder:
    """Builds clauses of sentences at assessments of a panel."""

    evaluator: Evaluator
    spec: Protocol
    rows: SourceRows
    _values: dict[Node, npt.NDArray[np.float64]] = field(default_factory=dict)
    _texts: dict[int, tuple[Node, str]] = field(default_factory=dict)
    _room: int = _MOST_CLAUSES
    _depth: int = 0

    def condition(self, node: Node, at: int) -> Clause:
        """A condition at assessment `at`, down to its values; of a very long sentence, the first of them."""
        self._room, self._depth = _MOST_CLAUSES, 0
        return self._condition(node, at)

    def value(self, node: Node, at: int) -> Clause:
        """A value at assessment `at`, down to the rows it was read from."""
        self._room, self._depth = _MOST_CLAUSES, 0
        return self._value(node, at)

    def _condition(self, node: Node, at: int) -> Clause:
        verdict = _VERDICTS[self._verdict(node, at)]
        day = known_day(self._day(node, at))
        self._room -= 1
        self._depth += 1
        parts, note, rows = self._parts(node, at) if self._depth <= _DEEPEST else ((), "and so on", ())
        self._depth -= 1
        return Clause(self._text(node), verdict, None, "", day, note, rows, parts)

    def _text(self, node: Node) -> str:
        """The node's words, printed once: by identity, as hashing it takes as long as printing it."""
        if id(node) not in self._texts:
            self._texts[id(node)] = node, print_node(node)  # the node too, so that none other has its id
        return self._texts[id(node)][1]

    def _each(
        self, nodes: Iterable[Node], at: int, build: Callable[[Node, int], Clause]
    ) -> tuple[tuple[Clause, ...], str]:
        """The clauses of parts, each different one once, while there is room; and how many there are more."""
        different = list(dict.fromkeys(nodes))
        shown: list[Clause] = []
        for node in different:
            if self._room <= 0:
                break
            shown.append(build(node, at))
        more = len(different) - len(shown)
        return tuple(shown), f"and {more:,} more" if more else ""

    def _verdict(self, node: Node, at: int) -> int:
        return int(self.evaluator.verdicts(node)[at])

    def _day(self, node: Node, at: int) -> int:
        return int(self.evaluator.day_of(node, np.array([at]))[0])

    def why(self, node: Node, at: int) -> tuple[tuple[str, ...], tuple[SourceRow, ...]]:
        """The clauses that made a condition false or unknown at `at`, with their values and rows."""
        texts: dict[str, None] = {}
        rows: dict[SourceRow, None] = {}
        for text, read in self._blamed(node, at):
            if len(texts) == _MOST_REASONS and text not in texts:
                return (*texts, "and others"), tuple(rows)
            texts[text] = None
            rows |= dict.fromkeys(read)
        return tuple(texts), tuple(rows)

    def _blamed(self, node: Node, at: int) -> Iterator[tuple[str, tuple[SourceRow, ...]]]:
        verdict = self._verdict(node, at)
        match node:
            case And(operands=operands) | Or(operands=operands):
                for operand in dict.fromkeys(operands):
                    if self._verdict(operand, at) == verdict:
                        yield from self._blamed(operand, at)
            case Holds(name=name) if name in self.evaluator.context.states:
                for text, rows in self._blamed(self.evaluator.context.states[name], at):
                    yield f"{name}: {text}", rows
            case Comparison(left=left, right=right) if not isinstance(left, CountOf):
                sides = (self.value(left, at), self.value(right, at))
                rows = tuple(row for side in sides for row in rows_within(side))
                yield f"{self._text(node)} ({against(*sides, right)})", rows
            case Confirmed(operand=operand) | Sustained(operand=operand) if (
                self._verdict(operand, at) == verdict
            ):
                yield from self._blamed(operand, at)
            case _:
                clause = self.condition(node, at)
                note = f" ({clause.note})" if clause.note else ""
                yield f"{clause.text}{note}", tuple(rows_within(clause))

    # Conditions -----------------------------------------------------------------------------------

    def _parts(self, node: Node, at: int) -> tuple[tuple[Clause, ...], str, tuple[SourceRow, ...]]:
        match node:
            case And(operands=operands) | Or(operands=operands):
                return *self._each(operands, at, self._condition), ()
            case Not(operand=operand) | InWindow(operand=operand):
                inner = affirmed(operand) if isinstance(node, Not) else operand
                return (self._condition(inner, at),), self._window_note(node, at), ()
            case Comparison(left=left, right=right):
                sides = (side for side in (left, right) if not isinstance(side, Quantity | Text))
                return tuple(self._value(side, at) for side in sides), "", ()
            case IsKnown(operand=operand):
                return (self._any(operand, at),), "", ()
            case Holds(name=name) if name in self.evaluator.context.states:
                return (self._condition(self.evaluator.context.states[name], at),), "", ()
            case Holds(name=name) if name in self.evaluator.begun:
                return (), self._begun_note(name, at), ()
            case Holds(name=name):
                seen = self._value(Measure(name), at)
                return (), seen.note, seen.rows
            case Reference():
                seen = self._value(node, at)
                return (), seen.note, seen.rows
            case Confirmed(operand=operand) | Sustained(operand=operand):
                return self._over_time(node, operand, at), self._time_note(node, at), ()
            case Earlier(operand=operand):
                other = int(self.evaluator.partner(node)[at])
                there = (self._condition(operand, other),) if other >= 0 else ()
                return there, self._earlier_note(node, at, other), ()
            case Records():
                return (), "records begun by then", ()
            case SubjectFact():
                return (), "", ()
        return (), "", ()

    def _any(self, node: Node, at: int) -> Clause:
        is_value = isinstance(node, Measure | Reference | Arithmetic | Conditional | CountOf | DaysSince)
        return self._value(node, at) if is_value else self._condition(node, at)

    def _over_time(self, node: Confirmed | Sustained, operand: Node, at: int) -> tuple[Clause, ...]:
        here = self._condition(operand, at)
        other = int(self.evaluator.partner(node)[at])
        if other < 0:
            return (here,)
        return (here, self._condition(operand, other))

    def _window_note(self, node: Node, at: int) -> str:
        if not isinstance(node, InWindow):
            return ""
        return f"day {int(self.evaluator.panel.days[at])}"

    def _begun_note(self, name: str, at: int) -> str:
        day = int(self.evaluator.begun[name][self.evaluator.subject[at]])
        return "no such event" if day == NO_DAY else f"event on day {day}"

    def _earlier_note(self, node: Earlier, at: int, other: int) -> str:
        if other >= 0:
            return f"at day {int(self.evaluator.panel.days[other])}"
        start = int(self.evaluator.panel.offsets[self.evaluator.subject[at]])
        return f"at none of the {at - start} assessments before"

    def _time_note(self, node: Confirmed | Sustained, at: int) -> str:
        """What became of what was true here: when it was borne out, or what stood in the way."""
        other = int(self.evaluator.partner(node)[at])
        if self._verdict(node.operand, at) != TRUE:
            return ""
        if other >= 0:
            verb = "confirmed" if isinstance(node, Confirmed) else "still so"
            return f"{verb} on day {self._known_on(node.operand, other)}"
        later = self._later(node, at)
        if self._verdict(node, at) == UNKNOWN:
            unknown = [day for day, verdict in later if verdict == "unknown"]
            if unknown:
                return f"not known on day {', '.join(map(str, unknown))}"
            return "no assessment in the window" if isinstance(node, Confirmed) else "follow-up ends before"
        false = [day for day, verdict in later if verdict == "false"]
        return f"not so on day {', '.join(map(str, false))}"

    def _later(self, node: Confirmed | Sustained, at: int) -> list[tuple[int, Verdict]]:
        """Days and verdicts of the assessments that a confirmation or a duration looks at."""
        panel = self.evaluator.panel
        stop = int(panel.offsets[self.evaluator.subject[at] + 1])
        here = self._known_on(node.operand, at)
        found: list[tuple[int, Verdict]] = []
        for j in range(at + 1, stop):
            day = self._known_on(node.operand, j)
            after = int(elapsed(here, day))
            if isinstance(node, Confirmed) and not node.first_day <= after <= node.last_day:
                continue
            found.append((day, _VERDICTS[self._verdict(node.operand, j)]))
            if isinstance(node, Sustained) and (after >= node.days or found[-1][1] == "false"):
                break
        return found

    def _known_on(self, operand: Node, at: int) -> int:
        day = self._day(operand, at)
        return int(self.evaluator.panel.days[at]) if day == NO_DAY else day

    # Values ---------------------------------------------------------------------------------------

    def _value(self, node: Node, at: int) -> Clause:
        self._room -= 1
        self._depth += 1
        clause = self._whole_value(node, at) if self._depth <= _DEEPEST else Clause(self._text(node))
        self._depth -= 1
        return clause

    def _whole_value(self, node: Node, at: int) -> Clause:
        text = self._text(node)
        match node:
            case Quantity() | Text():
                return Clause(text, value=node.value, shown=text)
            case Measure(name=name):
                return self._measure(text, name, at)
            case Reference():
                return self._reference(text, node, at)
            case Arithmetic():
                named = (term for term in terms(node) if not isinstance(term, Quantity))
                parts, note = self._each(named, at, self._value)
                return self._number(node, text, at, parts=parts, note=note)
            case Conditional():
                return self._conditional(text, node, at)
            case CountOf(operands=operands):
                verdicts = [self._verdict(part, at) for part in operands]
                n_true, n_unknown = verdicts.count(int(TRUE)), verdicts.count(int(UNKNOWN))
                shown = f"{n_true}" if not n_unknown else f"{n_true} to {n_true + n_unknown}"
                parts, note = self._each(operands, at, self._condition)
                return Clause(text, value=float(n_true), shown=shown, note=note, parts=parts)
            case DaysSince(operand=operand):
                latest = int(latest_true(self.evaluator.panel.offsets, self.evaluator.verdicts(operand))[at])
                parts = (self._condition(operand, latest),) if latest >= 0 else ()
                return self._number(node, text, at, parts=parts, note="" if parts else "it never held")
        return Clause(text)

    def _measure(self, text: str, name: str, at: int) -> Clause:
        column = self.evaluator.panel.columns.get(name)
        if column is None:
            return self._covariate(text, name, at)
        value = float(column.values[at])
        if np.isnan(value):
            return Clause(text, note="not recorded")
        rows = self.rows.of_value(name, at)
        note = column.method if column.method and column.rows[at] < 0 else ""
        return Clause(
            text, value=value, shown=self._shown(name, value), day=int(column.days[at]), note=note, rows=rows
        )

    def _covariate(self, text: str, name: str, at: int) -> Clause:
        covariate = self.evaluator.panel.covariates.get(name)
        if covariate is None:
            return Clause(text, note="not recorded")
        value = covariate[int(self.evaluator.subject[at])]
        if value is None or (not isinstance(value, str) and np.isnan(value)):
            return Clause(text, note="not recorded")
        return Clause(text, value=value, shown=str(value) if isinstance(value, str) else f"{value:.6g}")

    def _reference(self, text: str, node: Reference, at: int) -> Clause:
        name = node.measure.name
        if node.kind in (ReferenceKind.UPPER_LIMIT, ReferenceKind.LOWER_LIMIT):
            column = self.evaluator.column(name)
            own = column.upper_limits if node.kind is ReferenceKind.UPPER_LIMIT else column.lower_limits
            is_own = own is not None and not np.isnan(own[at])
            note = "of the laboratory" if is_own else "of the protocol"
            return self._number(
                node, text, at, note=note, rows=self.rows.of_value(name, at) if is_own else ()
            )
        if node.kind in (ReferenceKind.CHANGE, ReferenceKind.PERCENT_CHANGE):
            baseline = Reference(ReferenceKind.BASELINE, node.measure)
            return self._number(
                node, text, at, parts=(self._value(node.measure, at), self._value(baseline, at))
            )
        source = int(self.evaluator.source_at(node, np.array([at]))[0])
        if source < 0 or np.isnan(self.evaluator.column(name).values[source]):
            return Clause(text, note="there is none")
        there = self._measure(text, name, source)
        return Clause(
            text, value=there.value, shown=there.shown, day=there.day, note=there.note, rows=there.rows
        )

    def _conditional(self, text: str, node: Conditional, at: int) -> Clause:
        condition = self._condition(node.condition, at)
        if condition.verdict == "unknown":
            return Clause(text, note="which branch is not known", parts=(condition,))
        chosen = self._value(node.then if condition.verdict == "true" else node.otherwise, at)
        return Clause(text, value=chosen.value, shown=chosen.shown, day=chosen.day, parts=(condition, chosen))

    def _number(
        self,
        node: Node,
        text: str,
        at: int,
        *,
        note: str = "",
        rows: tuple[SourceRow, ...] = (),
        parts: tuple[Clause, ...] = (),
    ) -> Clause:
        if node not in self._values:
            self._values[node] = self.evaluator.values(node)
        values = self._values[node]
        value = float(values[at if values.size > 1 else 0])
        day = known_day(int(day_of_value(self.evaluator, node, np.array([at]))[0]))
        if np.isnan(value):
            return Clause(text, note=note or "not known", parts=parts)
        shown = self._shown(measure_within(node), value, unit_of(node))
        return Clause(text, value=value, shown=shown, day=day, note=note, rows=rows, parts=parts)

    def _shown(self, measure: str, value: float, unit: str | None = None) -> str:
        spec = self.spec.measures.get(measure)
        if spec is None:
            return f"{value:.6g}" + (f" {unit}" if unit else "")
        if spec.type == "yes_no":
            return "yes" if value else "no"
        if spec.type == "grade":
            names = [name for name, grade in spec.grades.items() if grade == value]
            if names:
                return f'"{names[0]}"'
        written_unit = spec.unit if unit is None else unit
        return f"{value:.6g}" + (f" {written_unit}" if written_unit else "")
