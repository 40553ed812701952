"""One look at one study for the detector: met, unconfirmed, possible, and what is quiet.

See `detecting.py` for what is found; this is how.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flarefree.conduct.detecting import RANK, Candidate, Detection, Detector, Level, QuietPeriod
from flarefree.endpoints.clauses import ClauseBuilder
from flarefree.endpoints.derive import DerivedArrays
from flarefree.endpoints.events import split_sentence
from flarefree.endpoints.explanation import Clause, SourceRow
from flarefree.endpoints.kernels import FALSE, NO_DAY, TRUE, UNKNOWN
from flarefree.endpoints.source_rows import SourceRows
from flarefree.protocol.language.nodes import (
    And,
    Comparison,
    Confirmed,
    CountOf,
    Earlier,
    Holds,
    Measure,
    Node,
    Or,
    Reference,
    Sustained,
)
from flarefree.protocol.language.walking import parts_of
from flarefree.records.tables import TABLES

if TYPE_CHECKING:
    from flarefree.endpoints.evaluate import Evaluator

__all__ = ["Look", "without_confirmation"]

Ints8 = npt.NDArray[np.int8]
_TABLE_NAMES = tuple(TABLES)


@dataclass(slots=True)
class _Found:
    """A candidate on its way: what is known before its rows are read."""

    subject: int
    day: int
    level: Level
    component: str
    confirmed_day: int | None
    assessment: int
    rows: list[tuple[str, int]]


class Look:
    """One look at one study."""

    def __init__(self, detector: Detector, derived: DerivedArrays, at: datetime) -> None:
        self.detector, self.derived, self.at = detector, derived, at
        self.protocol = detector.protocol
        self.evaluator: Evaluator = derived.evaluator
        self.panel = self.evaluator.panel
        self.names: list[str] = [str(name) for name in self.panel.subjects.tolist()]
        self.rows = SourceRows(derived.study, self.protocol.spec, self.panel)
        self.clauses = ClauseBuilder(self.evaluator, self.protocol.spec, self.rows)
        self.in_trial = derived.follow_up.get_column("is_in_trial").to_numpy()
        kinds = self.protocol.spec.endpoints.items()
        self.dated = frozenset(name for name, e in kinds if e.kind in ("event", "composite"))
        self.day_one = derived.follow_up.get_column("randomization_date").to_list()
        self.sites = [site or "" for site in derived.follow_up.get_column("site").to_list()]
        self.last_days = derived.follow_up.get_column("follow_up_end_day").fill_null(1).to_list()

    def detection(self) -> Detection:
        candidates: list[Candidate] = []
        quiet: list[QuietPeriod] = []
        for endpoint in self.detector.endpoints:
            found = [*self._met(endpoint), *self._suspected(endpoint)]
            candidates += self._as_candidates(endpoint, found)
            quiet += self._quiet(endpoint, found)
        place = {name: i for i, name in enumerate(self.names)}
        candidates.sort(key=lambda c: (place[c.subject], self.detector.endpoints.index(c.endpoint), c.day))
        looked_at = tuple(name for i, name in enumerate(self.names) if self.in_trial[i])
        return Detection(looked_at, tuple(candidates), tuple(quiet))

    # What the rule finds ---------------------------------------------------------------------------

    def _met(self, endpoint: str) -> Iterator[_Found]:
        events = self.derived.found.outcomes[endpoint].events
        for subject, day, event in zip(
            events.subjects.tolist(), events.days.tolist(), events.ids.tolist(), strict=True
        ):
            block, place = self.derived.found.find(event)
            confirmed = int(block.candidates.confirmed_days[place])
            yield _Found(
                subject,
                day,
                Level.MET,
                block.endpoint,
                None if confirmed == NO_DAY else confirmed,
                int(block.candidates.assessments[place]),
                [(_TABLE_NAMES[table], row) for table, row in block.candidates.rows_of(place)],
            )

    # What lacks something --------------------------------------------------------------------------

    def _suspected(self, endpoint: str) -> Iterator[_Found]:
        for leaf in self.detector.leaves(endpoint):
            node = self._about_assessments(leaf)
            if node is None or self.detector.lowest == RANK[Level.MET]:
                continue
            spec = self.protocol.spec.endpoints[leaf]
            first, last = spec.first_day or 2, spec.last_day or 2**31 - 1
            eased, ranks = without_confirmation(node), self._ranks(node)
            days = self._days(eased)
            for at, rank in _rises(self.panel.offsets, ranks):
                subject, day = int(self.evaluator.subject[at]), int(days[at])
                is_wanted = self.detector.lowest <= rank < RANK[Level.MET]
                if is_wanted and self.in_trial[subject] and first <= day <= last:
                    level = Level.UNCONFIRMED if rank == RANK[Level.UNCONFIRMED] else Level.POSSIBLE
                    yield _Found(subject, day, level, leaf, None, at, [])

    def _about_assessments(self, leaf: str) -> Node | None:
        return split_sentence(self.protocol.sentences[f"endpoints.{leaf}.when"], self.dated)[1]

    def _ranks(self, node: Node) -> Ints8:
        """At each assessment: 3 met, 2 unconfirmed, 1 possible, 0 not met, -1 says nothing."""
        strict = self.evaluator.verdicts(node)
        eased_node = without_confirmation(node)
        eased = self.evaluator.verdicts(eased_node)
        ranks = np.where(eased == FALSE, 0, -1).astype(np.int8)
        ranks[(eased == TRUE) & (strict == FALSE)] = 0  # the repeat was made, and did not confirm
        here = (eased == UNKNOWN) & self._something_true(eased_node)
        ranks[here] = RANK[Level.POSSIBLE]
        ranks[(eased == TRUE) & (strict == UNKNOWN)] = RANK[Level.UNCONFIRMED]
        ranks[strict == TRUE] = RANK[Level.MET]
        return ranks

    def _something_true(self, node: Node) -> npt.NDArray[np.bool_]:
        """Where a clause that reads a value of the assessment itself is true."""
        found = np.zeros(self.panel.n_assessments, dtype=np.bool_)
        match node:
            case And(operands=operands) | Or(operands=operands) | CountOf(operands=operands):
                for operand in operands:
                    found |= self._something_true(operand)
            case Holds(name=name) if name in self.evaluator.context.states:
                found |= self._something_true(self.evaluator.context.states[name])
            case Holds(name=name) if name in self.panel.columns:
                found |= self.evaluator.verdicts(node) == TRUE
            case Comparison():
                if any(name in self.panel.columns for name in _read_here(node)):
                    found |= self.evaluator.verdicts(node) == TRUE
        return found

    def _days(self, node: Node) -> npt.NDArray[np.int32]:
        every = np.arange(self.panel.n_assessments, dtype=np.int64)
        days = self.evaluator.day_of(node, every)
        return np.where(days == NO_DAY, self.panel.days, days).astype(np.int32)

    # With their rows -------------------------------------------------------------------------------

    def _as_candidates(self, endpoint: str, found: Iterable[_Found]) -> Iterator[Candidate]:
        """Those of one patient and day are one event; what lacks something adds nothing to what is met."""
        together: dict[tuple[int, int], list[_Found]] = {}
        for one in found:
            together.setdefault((one.subject, one.day), []).append(one)
        leaves = self.detector.leaves(endpoint)
        for (subject, day), all_of_day in sorted(together.items()):
            highest = max(RANK[one.level] for one in all_of_day)
            parts = [one for one in all_of_day if RANK[one.level] == highest]
            parts.sort(key=lambda one: leaves.index(one.component) if one.component in leaves else -1)
            read = self._read(endpoint, parts)
            cited = _once(row for one in parts for row in self.rows.of_rows(one.rows))
            confirmed = [one.confirmed_day for one in parts if one.confirmed_day is not None]
            yield Candidate(
                self.names[subject],
                self.sites[subject],
                endpoint,
                day,
                self.last_days[subject],
                _date(self.day_one[subject], day),
                parts[0].level,
                tuple(dict.fromkeys(one.component for one in parts)),
                min(confirmed, default=None),
                self._visit(parts[0].assessment),
                cited or read,
                read or cited,
                self.detector.rule(endpoint),
                self.at,
            )

    def _read(self, endpoint: str, parts: Sequence[_Found]) -> tuple[SourceRow, ...]:
        """All that the endpoint's sentences read at the assessment, and the records that were found."""
        asked = [self._about_assessments(leaf) for leaf in self.detector.leaves(endpoint)]
        nodes = [node for node in asked if node is not None]
        at = dict.fromkeys(one.assessment for one in parts if one.assessment >= 0)
        read = [row for a in at for node in nodes for row in _rows_of(self.clauses.condition(node, a))]
        records = [row for one in parts if one.assessment < 0 for row in self.rows.of_rows(one.rows)]
        return _once([*read, *records])

    def _visit(self, at: int) -> str:
        visit = int(self.panel.visits[at]) if at >= 0 else -1
        return self.protocol.spec.schedule.visits[visit].name if visit >= 0 else ""

    # What is quiet ---------------------------------------------------------------------------------

    def _quiet(self, endpoint: str, found: Sequence[_Found]) -> Iterator[QuietPeriod]:
        nodes = [self._about_assessments(leaf) for leaf in self.detector.leaves(endpoint)]
        asked = [without_confirmation(node) for node in nodes if node is not None]
        if not asked:
            return  # known from records alone: there is no assessment at which one was looked for
        is_quiet = np.all([self.evaluator.verdicts(node) == FALSE for node in asked], axis=0)
        busy: dict[int, list[int]] = {}
        for one in found:
            busy.setdefault(one.subject, []).append(one.day)
        for at in np.flatnonzero(is_quiet & (self.panel.days > 1)).tolist():
            subject, day = int(self.evaluator.subject[at]), int(self.panel.days[at])
            near = any(abs(day - other) <= self.detector.same_event_days for other in busy.get(subject, ()))
            if self.in_trial[subject] and not near:
                who, site, last = self.names[subject], self.sites[subject], self.last_days[subject]
                yield QuietPeriod(who, site, endpoint, day, last, self._visit(at))


# Pieces -------------------------------------------------------------------------------------------


def without_confirmation(node: Node) -> Node:
    """The same sentence as it reads on the day itself: `confirmed(x, ...)` and `sustained(x, ...)` are x."""
    if isinstance(node, Confirmed | Sustained):
        return without_confirmation(node.operand)
    changed: dict[str, Any] = {}
    for part in fields(node):
        value = getattr(node, part.name)
        if isinstance(value, Node):
            eased: Any = without_confirmation(value)
        elif isinstance(value, tuple) and any(isinstance(v, Node) for v in value):
            eased = tuple(without_confirmation(v) if isinstance(v, Node) else v for v in value)
            if all(a is b for a, b in zip(eased, value, strict=True)):
                eased = value
        else:
            continue
        if eased is not value:
            changed[part.name] = eased
    return replace(node, **changed) if changed else node


def _read_here(node: Node) -> Iterator[str]:
    """Measures of which a sentence reads the value of the assessment itself, not a baseline or an extreme."""
    if isinstance(node, Measure):
        yield node.name
    elif not isinstance(node, Reference | Earlier):
        for part in parts_of(node):
            yield from _read_here(part)


def _rises(offsets: npt.NDArray[np.int64], ranks: Ints8) -> Iterator[tuple[int, int]]:
    """Assessments at which a patient's suspicion begins or grows, until it is plainly not so again.

    An assessment that says nothing (a visit for weight alone) neither begins nor ends it.
    """
    for i in range(offsets.size - 1):
        highest = 0
        for at in range(int(offsets[i]), int(offsets[i + 1])):
            rank = int(ranks[at])
            if rank == 0:
                highest = 0
            elif rank > highest:
                highest = rank
                yield at, rank


def _rows_of(clause: Clause) -> tuple[SourceRow, ...]:
    return (*clause.rows, *(row for part in clause.parts for row in _rows_of(part)))


def _once(rows: Iterable[SourceRow]) -> tuple[SourceRow, ...]:
    return tuple(dict.fromkeys(rows))


def _date(day_one: date | None, day: int) -> date | None:
    return None if day_one is None else day_one + timedelta(days=day - 1 if day > 0 else day)
