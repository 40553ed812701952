"""The events of every endpoint of a study: found, adjudicated, put in time; arrays and lineage, no frames.

Endpoints are taken in the protocol's order of dependence, so that a sentence finds the events and states
that it names.  An event gets a number (`id`) when it is found and keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.endpoints.adjudication import (
    SAME_EVENT_DAYS,
    Case,
    Origin,
    agreement_row,
    overlay,
    read_decisions,
)
from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.events import TABLE_CODES, Candidates, EventFinder
from flarefree.endpoints.kernels import NO_DAY
from flarefree.endpoints.record_sentences import RecordReader
from flarefree.endpoints.time_to_event import (
    END_OF_FOLLOW_UP,
    FollowUp,
    Standing,
    Times,
    compute_times,
    first_of,
    within,
)
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.schema import EndpointSpec
from flarefree.records.findings import Finding

__all__ = ["Block", "EndpointEvents", "Outcome", "derive_events"]

Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]

_ORIGINS = tuple(Origin)
_DECISIONS = TABLE_CODES["decisions"]


@dataclass(frozen=True, slots=True)
class Block:
    """Candidates of one endpoint and one origin, numbered from `first_id` on."""

    endpoint: str
    origin: Origin
    candidates: Candidates
    first_id: int

    @property
    def ids(self) -> Ints64:
        """Their numbers."""
        return np.arange(self.first_id, self.first_id + len(self.candidates), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An event or composite endpoint's times, and what they rest on.

    Attributes
    ----------
    events : Standing
        Events that stand for the endpoint, within follow-up or not.
    follow_up : FollowUp
    times : Times
    """

    events: Standing
    follow_up: FollowUp
    times: Times


@dataclass(slots=True)
class EndpointEvents:
    """All events of a study.

    Attributes
    ----------
    blocks : list of Block
        Every candidate.
    reasons : dict of int to str
        Why adjudication of its own endpoint put an event aside, by number.
    put_aside : dict of (str, int) to str
        The same by endpoint and number: a composite may put aside what stands for its component.
    outcomes : dict of str to Outcome
        By endpoint, in order of dependence.
    states : dict of str to (n_assessments,) int8
        Verdicts.
    derived_days : dict of str to (n_subjects,) int32
        Of every adjudicated endpoint: the first day that the rule found, before decisions.
    agreement : list of dict
        Rows of the agreement frame, of the patients about whom something was decided.
    findings : list of Finding
    """

    blocks: list[Block] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    put_aside: dict[tuple[str, int], str] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    states: dict[str, npt.NDArray[np.int8]] = field(default_factory=dict)
    derived_days: dict[str, Ints32] = field(default_factory=dict)
    agreement: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    n_events: int = 0

    def add(self, endpoint: str, origin: Origin, candidates: Candidates) -> Block:
        """Number some candidates."""
        block = Block(endpoint, origin, candidates, self.n_events)
        self.blocks.append(block)
        self.n_events += len(candidates)
        return block

    def find(self, event: int) -> tuple[Block, int]:
        """The block of an event, and its place there."""
        for block in self.blocks:
            if block.first_id <= event < block.first_id + len(block.candidates):
                return block, event - block.first_id
        raise KeyError(event)


def derive_events(
    protocol: LoadedProtocol,
    evaluator: Evaluator,
    reader: RecordReader,
    follow_up: pl.DataFrame,
    decisions: pl.DataFrame,
) -> EndpointEvents:
    """Find, adjudicate and time the events of every endpoint.

    Parameters
    ----------
    protocol : LoadedProtocol
    evaluator : Evaluator
        On the study's panel, with the protocol's context.
    reader : RecordReader
    follow_up : DataFrame
        One row a patient of the panel, in its order: `is_in_trial`, `first_dose_day`,
        `follow_up_end_day`.
    decisions : DataFrame
        The study's table.

    Returns
    -------
    EndpointEvents
    """
    return _Deriver(protocol, evaluator, reader, follow_up, decisions).run()


class _Deriver:
    def __init__(
        self,
        protocol: LoadedProtocol,
        evaluator: Evaluator,
        reader: RecordReader,
        follow_up: pl.DataFrame,
        decisions: pl.DataFrame,
    ) -> None:
        self.protocol = protocol
        self.evaluator = evaluator
        self.finder = EventFinder(evaluator, reader)
        self.decisions = decisions
        self.found = EndpointEvents()
        self.in_trial = follow_up.get_column("is_in_trial").to_numpy()
        self.first_dose = _days(follow_up, "first_dose_day")
        self.end = _days(follow_up, "follow_up_end_day")
        self.subjects = evaluator.panel.subjects.tolist()
        self.index = {subject: i for i, subject in enumerate(self.subjects)}
        self.same_event_days = int(protocol.spec.parameters.get("same_event_days", SAME_EVENT_DAYS))

    def run(self) -> EndpointEvents:
        for name in self.protocol.order:
            spec = self.protocol.spec.endpoints[name]
            match spec.kind:
                case "event":
                    self._event(name, spec)
                case "composite":
                    self._composite(name, spec)
                case "state":
                    node = self.protocol.sentences[f"endpoints.{name}.state"]
                    self.finder.learn(node)
                    self.found.states[name] = self.evaluator.verdicts(node)
            self.evaluator.forget()
        return self.found

    # One endpoint ---------------------------------------------------------------------------------

    def _event(self, name: str, spec: EndpointSpec) -> None:
        candidates = self.finder.find(spec, self.protocol.sentences[f"endpoints.{name}.when"])
        is_here = self.in_trial[candidates.subjects]
        if not is_here.all():
            candidates = candidates.take(np.flatnonzero(is_here))
        block = self.found.add(name, Origin.DERIVED, candidates)
        events = Standing.of(candidates.subjects, candidates.days, block.ids)
        self._finish(name, spec, events)

    def _composite(self, name: str, spec: EndpointSpec) -> None:
        parts = []
        for component in spec.first_of:
            outcome = self.found.outcomes[component]
            parts.append(outcome.events.where(outcome.follow_up.counts(outcome.events)))
        self._finish(name, spec, within(first_of(parts), spec.first_day, spec.last_day))

    def _finish(self, name: str, spec: EndpointSpec, events: Standing) -> None:
        if spec.adjudicated:
            events = self._adjudicated(name, events)
        follow_up = self._follow_up(spec)
        self.found.outcomes[name] = Outcome(events, follow_up, compute_times(events, follow_up))
        first_days = events.first_days(self.in_trial.size)
        self.finder.add(name, first_days, lambda: self._as_candidates(events))

    def _follow_up(self, spec: EndpointSpec) -> FollowUp:
        start = np.ones(self.in_trial.size, dtype=np.int32) if spec.origin == "day_1" else self.first_dose
        start = np.where(self.in_trial, start, NO_DAY).astype(np.int32)
        censoring = []
        for other in spec.censor_at:
            outcome = self.found.outcomes[other]
            censoring.append(outcome.events.first_days(self.in_trial.size))
        return FollowUp.of(start, self.end, censoring)

    def _as_candidates(self, events: Standing) -> Candidates:
        """Standing events with their rows, for sentences that name the endpoint."""
        parts, order = [], []
        for block in self.found.blocks:
            mine = (events.ids >= block.first_id) & (events.ids < block.first_id + len(block.candidates))
            if mine.any():
                parts.append(block.candidates.take(events.ids[mine] - block.first_id))
                order.append(np.flatnonzero(mine))
        return Candidates.together(parts)

    # Adjudication ---------------------------------------------------------------------------------

    def _adjudicated(self, name: str, events: Standing) -> Standing:
        """The events that stand once decisions are laid over them."""
        self.found.derived_days[name] = events.first_days(self.in_trial.size)
        decided = read_decisions(self.decisions, name)
        keep = np.ones(events.ids.size, dtype=np.bool_)
        added: dict[Origin, list[tuple[int, Case, int]]] = {}
        for subject, said in decided.items():
            i = self.index.get(subject, -1)
            if i < 0 or not self.in_trial[i]:
                continue
            span = range(*np.searchsorted(events.subjects, [i, i + 1]).tolist())
            cases, findings = overlay([(int(events.days[k]), k) for k in span], said, self.same_event_days)
            self.found.findings += findings
            self.found.agreement.append(agreement_row(subject, name, cases, said))
            for case in cases:
                if case.origin is Origin.DERIVED and not case.stands:
                    keep[case.place] = False
                    self._put_aside(name, int(events.ids[case.place]), case.reason)
                elif case.origin is not Origin.DERIVED:
                    added.setdefault(case.origin, []).append((i, case, case.place))
        parts = [events.where(keep)]
        for origin in _ORIGINS:
            if origin in added:
                parts.append(self._add_decided(name, origin, added[origin], events))
        return Standing.of(
            *(
                np.concatenate([getattr(p, part) for p in parts])
                for part in ("subjects", "days", "ids", "components")
            )
        )

    def _put_aside(self, endpoint: str, event: int, reason: str) -> None:
        """Note why an event does not stand; a component of an adjudicated composite stands for itself."""
        self.found.put_aside[endpoint, event] = reason
        block, _ = self.found.find(event)
        if block.endpoint == endpoint:
            self.found.reasons[event] = reason

    def _add_decided(
        self, name: str, origin: Origin, decided: Sequence[tuple[int, Case, int]], events: Standing
    ) -> Standing:
        """Events as a reader dated them, with the rows of what they take the place of."""
        decided = sorted(decided, key=lambda one: (one[0], one[1].day))
        rows, assessments, confirmed = [], [], []
        for _, case, place in decided:
            lineage, assessment, confirmed_day = [], -1, int(NO_DAY)
            if place >= 0:
                block, at = self.found.find(int(events.ids[place]))
                lineage = block.candidates.rows_of(at)
                assessment = int(block.candidates.assessments[at])
                confirmed_day = int(block.candidates.confirmed_days[at])
            rows.append([*((_DECISIONS, index) for index in case.decisions), *lineage])
            assessments.append(assessment)
            confirmed.append(confirmed_day)
        flat = [row for each in rows for row in each]
        candidates = Candidates(
            np.array([i for i, _, _ in decided], dtype=np.int32),
            np.array([case.day for _, case, _ in decided], dtype=np.int32),
            np.array(confirmed, dtype=np.int32),
            np.array(assessments, dtype=np.int64),
            np.concatenate([[0], np.cumsum([len(each) for each in rows])]).astype(np.int64),
            np.array([table for table, _ in flat], dtype=np.int8),
            np.array([row for _, row in flat], dtype=np.int64),
        )
        block = self.found.add(name, origin, candidates)
        for event, (_, case, _) in zip(block.ids.tolist(), decided, strict=True):
            if case.reason:
                self.found.reasons[event] = case.reason
        stands = np.array([case.stands for _, case, _ in decided], dtype=np.bool_)
        components = [int(events.components[place]) if place >= 0 else -1 for _, _, place in decided]
        return Standing(
            candidates.subjects, candidates.days, block.ids, np.array(components, dtype=np.int32)
        ).where(stands)


def _days(follow_up: pl.DataFrame, column: str) -> Ints32:
    return follow_up.get_column(column).fill_null(int(NO_DAY)).to_numpy(writable=True).astype(np.int32)


def reasons_not_used(
    found: EndpointEvents, protocol: LoadedProtocol
) -> Iterator[tuple[Block, npt.NDArray[np.bool_], npt.NDArray[np.object_]]]:
    """Each block with which of its events are used, and why the others are not (None for those used).

    An event is used if its endpoint's time, or that of a composite, rests on it.
    """
    used = np.zeros(found.n_events, dtype=np.bool_)
    for outcome in found.outcomes.values():
        used[outcome.times.events[outcome.times.events >= 0]] = True
    for block in found.blocks:
        is_used = used[block.ids]
        reasons = _reasons(block, found.outcomes[block.endpoint], protocol)
        for event, reason in found.reasons.items():
            if block.first_id <= event < block.first_id + len(block.candidates):
                reasons[event - block.first_id] = reason
        reasons[is_used] = None
        yield block, is_used, reasons


def _reasons(block: Block, outcome: Outcome, protocol: LoadedProtocol) -> npt.NDArray[np.object_]:
    follow_up = outcome.follow_up
    subjects, days = block.candidates.subjects, block.candidates.days
    start, stop = follow_up.start_days[subjects], follow_up.stop_days[subjects]
    by = follow_up.censored_by[subjects]
    names = [*protocol.spec.endpoints[block.endpoint].censor_at, "the end of follow-up"]
    after = np.array([f"after {name}" for name in names], dtype=object)
    reasons = np.full(days.size, "later than the first", dtype=object)
    late = days > stop
    reasons[late] = after[by[late]]
    reasons[days < start] = "before the origin"
    reasons[start == NO_DAY] = "no day of origin"
    assert END_OF_FOLLOW_UP == -1  # `after[-1]` is the end of follow-up
    return reasons
