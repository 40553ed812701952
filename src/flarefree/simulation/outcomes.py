"""One tile of virtual trials through the protocol's sentences: times to every endpoint asked.

First what the sentences about visits find; then what people do about it (`consequences.py`); then endpoints
in their order, from visits and from what records tell, by the same functions that time a study's events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flarefree.endpoints.context import FIRST_DAY, LAST_DAY
from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.events import find_onsets
from flarefree.endpoints.kernels import places
from flarefree.endpoints.panel import Panel
from flarefree.endpoints.support import confirmed_days
from flarefree.endpoints.time_to_event import (
    FollowUp,
    Standing,
    Times,
    compute_times,
    first_of,
    within,
)
from flarefree.protocol.language.nodes import Holds, InWindow, Node, Or, Records
from flarefree.simulation.asking import Plan, Question
from flarefree.simulation.consequences import Consequences, Happening, Onsets

__all__ = ["Outcomes", "derive_outcomes", "find_all_onsets"]

Ints32 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of every patient of a tile.

    Attributes
    ----------
    times : mapping of str to Times
        By endpoint asked; arrays of shape (n,).
    consequences : Consequences
    panel : Panel
        What the sentences were asked of: all visits, and reassessments where a sentence asks for them; what
        comes after the end of a patient's participation is in it, but seen by nobody.
    """

    times: Mapping[str, Times]
    consequences: Consequences
    panel: Panel


def find_all_onsets(question: Question, evaluator: Evaluator) -> dict[str, Onsets]:
    """Onsets of every event on visits that waits for nobody's action."""
    return {
        name: find_plan_onsets(plan, evaluator, name in question.waits_for_later)
        for name, plan in question.plans.items()
        if plan.on_visits is not None and not plan.is_second
    }


def find_plan_onsets(plan: Plan, evaluator: Evaluator, waits: bool) -> Onsets:
    """Onsets of one event on visits, each with the day on which it is known."""
    assert plan.on_visits is not None
    last = LAST_DAY if plan.spec.last_day is None else plan.spec.last_day
    at, days = find_onsets(evaluator, plan.on_visits, plan.first_day, last, unknown=plan.spec.unknown)
    known = days
    if waits:
        known = np.maximum(days, confirmed_days(evaluator, plan.on_visits, at))
    return Onsets(evaluator.subject[at], days, known, at)


def derive_outcomes(question: Question, evaluator: Evaluator, consequences: Consequences) -> Outcomes:
    """Times of every endpoint asked, from onsets and what people did about them."""
    return _Deriver(question, evaluator, consequences).run()


class _Deriver:
    def __init__(self, question: Question, evaluator: Evaluator, consequences: Consequences) -> None:
        self.question = question
        self.evaluator = evaluator
        self.done = consequences
        self.n = consequences.end_days.size
        self.events: dict[str, Standing] = {}
        self.follow_ups: dict[tuple[str, ...], FollowUp] = {}
        # Events are numbered, so that a composite's committee finds what it says of a component's.
        self.stands: list[npt.NDArray[np.bool_]] = []
        self.n_events = 0

    def run(self) -> Outcomes:
        self._tell_records()
        times: dict[str, Times] = {}
        for name, plan in self.question.plans.items():
            events = self._composite(plan) if plan.spec.first_of else self._event(plan)
            if plan.spec.adjudicated and events.ids.size:
                events = events.where(np.concatenate(self.stands)[events.ids])
            self.events[name] = events
            if name in self.question.named_later:
                self.evaluator.begun[name] = events.first_days(self.n)
            if name in self.question.asked:
                times[name] = compute_times(events, self._follow_up(plan.spec.censor_at))
        return Outcomes(times, self.done, self.evaluator.panel)

    def _tell_records(self) -> None:
        """First days of records, for sentences about visits that name them."""
        self.evaluator.records = {
            node: self._of_records(node).first_days(self.n) for node in self.question.records_named_later
        }

    # One endpoint ---------------------------------------------------------------------------------

    def _event(self, plan: Plan) -> Standing:
        parts = [self._number(*self._on_visits(plan))] if plan.on_visits is not None else []
        last = LAST_DAY if plan.spec.last_day is None else plan.spec.last_day
        first = plan.spec.first_day or 1
        parts += [within(self._dated(node), first, last) for node in plan.dated]
        return parts[0] if len(parts) == 1 else _merged(parts)

    def _on_visits(self, plan: Plan) -> tuple[Ints32, Ints32, npt.NDArray[np.bool_]]:
        if plan.is_second:
            onsets = find_plan_onsets(plan, self.evaluator, plan.name in self.question.waits_for_later)
            at = places(onsets.known_days <= self.done.end_days[onsets.subjects])
            return onsets.subjects[at], onsets.days[at], np.ones(at.size, dtype=np.bool_)
        onsets, at = self.done.onsets[plan.name], places(self.done.is_seen[plan.name])
        return onsets.subjects[at], onsets.days[at], self.done.stands[plan.name][at]

    def _composite(self, plan: Plan) -> Standing:
        parts = []
        for component in plan.spec.first_of:
            events = self.events[component]
            follow_up = self._follow_up(self.question.plans[component].spec.censor_at)
            parts.append(events.where(follow_up.counts(events)))
        events = first_of(parts)
        if plan.spec.first_day is None and plan.spec.last_day is None:
            return events
        return within(events, plan.spec.first_day, plan.spec.last_day)

    def _number(self, subjects: Ints32, days: Ints32, stands: npt.NDArray[np.bool_]) -> Standing:
        ids = np.arange(self.n_events, self.n_events + days.size, dtype=np.int64)
        self.n_events += days.size
        self.stands.append(stands)
        return Standing.of(subjects, days, ids)

    def _dated(self, node: Node) -> Standing:
        match node:
            case Records():
                return self._of_records(node)
            case Holds(name=name):
                return self.events[name]
            case InWindow(operand=operand):
                first, last = node.first_day or FIRST_DAY, node.last_day or LAST_DAY
                if node.epoch:
                    first, last = self.question.context.epochs[node.epoch]
                return within(self._dated(operand), first, last)
            case Or(operands=operands):
                return _merged([self._dated(part) for part in operands])
        raise TypeError(f"has no days of its own: {node!r}")

    def _of_records(self, node: Records) -> Standing:
        kinds = [self.done.happenings[kind] for kind in self.question.records[node]]
        happened = _in_order([kind for kind in kinds if kind.days.size])
        return self._number(happened.subjects, happened.days, np.ones(happened.days.size, dtype=np.bool_))

    def _follow_up(self, censor_at: tuple[str, ...]) -> FollowUp:
        if censor_at not in self.follow_ups:
            start = np.ones(self.n, dtype=np.int32)
            days = [self.events[name].first_days(self.n) for name in censor_at]
            self.follow_ups[censor_at] = FollowUp.of(start, self.done.assessed_days, days)
        return self.follow_ups[censor_at]


def _in_order(kinds: Sequence[Happening]) -> Happening:
    if len(kinds) == 1:
        return kinds[0]
    if not kinds:
        return Happening(np.empty(0, np.int32), np.empty(0, np.int32))
    subjects = np.concatenate([kind.subjects for kind in kinds])
    days = np.concatenate([kind.days for kind in kinds])
    order = np.argsort(subjects.astype(np.int64) * 2**32 + days, kind="stable")
    return Happening(subjects[order], days[order])


def _merged(parts: Sequence[Standing]) -> Standing:
    """Events of several sources as those of one endpoint."""
    merged = first_of(parts)
    return Standing(merged.subjects, merged.days, merged.ids, np.zeros(merged.ids.size, dtype=np.int32))
