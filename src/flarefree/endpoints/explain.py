"""Why a patient had an endpoint, or had not: the sentence as a tree, with values, verdicts and source rows.

Whatever `derive` decided is decided here again by the same code, and read back step by step: nothing is
explained by a second set of rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

import polars as pl

from flarefree.endpoints.clauses import ClauseBuilder
from flarefree.endpoints.context import Context
from flarefree.endpoints.derivation import Derivation
from flarefree.endpoints.derive import events_again, record_reader
from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.event_history import EventHistory, RecordHistory
from flarefree.endpoints.events import split_sentence
from flarefree.endpoints.explain_text import render_text
from flarefree.endpoints.explanation import (
    Clause,
    EventLine,
    Explanation,
    Reading,
    RecordReading,
    SourceRow,
)
from flarefree.endpoints.kernels import NO_DAY
from flarefree.endpoints.source_rows import SourceRows
from flarefree.errors import ProtocolError, StudyError
from flarefree.protocol.language.messages import suggest
from flarefree.protocol.language.nodes import Holds, Measure, Node
from flarefree.protocol.language.printing import print_node
from flarefree.protocol.language.walking import walk

__all__ = ["Explainer", "Explanation", "explain", "explainable", "render_text"]

Row = dict[str, Any]


def explain(derivation: Derivation, subject: str, endpoint: str) -> Explanation:
    """Say why a patient had an endpoint, or had not.

    Parameters
    ----------
    derivation : Derivation
    subject : str
        The study-wide identifier.
    endpoint : str
        The protocol's name: an event, a composite, a state or a value.

    Returns
    -------
    Explanation

    Raises
    ------
    StudyError
        The study has no such patient.
    ProtocolError
        The protocol has no such endpoint.
    """
    return _explainer(derivation).explain(subject, endpoint)


def explainable(
    derivation: Derivation, pairs: Iterable[tuple[str, str]], most_parts: int = 1_000_000
) -> list[tuple[str, str]]:
    """The first patients and endpoints, as many as together read at most so many parts of sentences.

    A sentence of thousands of parts, explained for every event, would take longer than the whole analysis.
    At least one pair is left, so that a very long sentence is explained once.
    """
    given = list(pairs)
    reading = _Reading(derivation)
    costs = accumulate(reading.parts(endpoint) for _, endpoint in given)
    return [
        pair for i, (pair, cost) in enumerate(zip(given, costs, strict=True)) if cost <= most_parts or not i
    ]


class _Reading:
    """How many parts of sentences are read to explain an event."""

    def __init__(self, derivation: Derivation) -> None:
        self._protocol = derivation.protocol
        panel = derivation.panel
        self._assessments = max(1, panel.n_assessments // max(1, panel.subjects.size))
        self._known: dict[str, int] = {}

    def parts(self, endpoint: str) -> int:
        """Of its own sentence and the endpoints that it names; of components, at every assessment."""
        if endpoint not in self._known:
            spec = self._protocol.spec.endpoints[endpoint]
            own = sum(self._named(node) for node in self._sentences(endpoint) for node in walk(node))
            components = sum(map(self.parts, spec.first_of))
            self._known[endpoint] = own + components * self._assessments
        return self._known[endpoint]

    def _sentences(self, endpoint: str) -> list[Node]:
        paths = (f"endpoints.{endpoint}.{part}" for part in ("when", "state", "value"))
        return [self._protocol.sentences[path] for path in paths if path in self._protocol.sentences]

    def _named(self, node: Node) -> int:
        if isinstance(node, Holds | Measure) and node.name in self._protocol.spec.endpoints:
            return 1 + self.parts(node.name)
        return 1


def _explainer(derivation: Derivation) -> Explainer:
    """The explainer of the last derivation asked about: a report explains hundreds of events in a row."""
    if not _LAST or _LAST[0].derivation is not derivation:
        _LAST[:] = [Explainer(derivation)]
    return _LAST[0]


class Explainer:
    """Explains endpoints of one derivation; sentences are evaluated once, for all patients."""

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self._protocol = derivation.protocol
        self._spec = derivation.protocol.spec
        self._evaluator = Evaluator(derivation.panel, Context.of(derivation.protocol))
        self._rows = SourceRows(derivation.study, self._spec, derivation.panel)
        self._clauses = ClauseBuilder(self._evaluator, self._spec, self._rows)
        self._index = {subject: i for i, subject in enumerate(derivation.panel.subjects.tolist())}
        self._found = events_again(derivation, self._evaluator)
        self._history = EventHistory(derivation, self._found, self._rows)
        self._records = RecordHistory(record_reader(derivation), self._evaluator.context, self._rows)
        kinds = self._spec.endpoints.items()
        self._dated = frozenset(name for name, e in kinds if e.kind in ("event", "composite"))

    def explain(self, subject: str, endpoint: str) -> Explanation:
        """See `flarefree.endpoints.explain.explain`."""
        self._require(subject, endpoint)
        return self._explain(subject, endpoint)

    def _require(self, subject: str, endpoint: str) -> None:
        if subject not in self._index:
            raise StudyError(
                "there is no such patient in the study",
                where=self.derivation.study.name,
                found=subject,
                expected=f"one of {len(self._index)} patients",
                try_=suggest(subject, self._index),
            )
        if endpoint not in self._spec.endpoints:
            raise ProtocolError(
                "there is no such endpoint in the protocol",
                where=self._protocol.path,
                found=endpoint,
                expected=", ".join(self._spec.endpoints),
                try_=suggest(endpoint, self._spec.endpoints),
            )

    def _explain(self, subject: str, endpoint: str) -> Explanation:
        match self._spec.endpoints[endpoint].kind:
            case "event":
                return self._event(subject, endpoint)
            case "composite":
                return self._composite(subject, endpoint)
            case "state":
                return self._state(subject, endpoint)
        return self._value(subject, endpoint)

    # Kinds ----------------------------------------------------------------------------------------

    def _event(self, subject: str, endpoint: str) -> Explanation:
        node = self._protocol.sentences[f"endpoints.{endpoint}.when"]
        lines = self._history.lines(subject, self._index[subject], endpoint)
        time = self._time(subject, endpoint)
        dated, read = split_sentence(node, self._dated)
        event = None if time is None else time["event"]
        reading: Reading | None = None
        readings: tuple[Reading, ...] = ()
        if event is not None:
            at = event["assessment"]
            reading = self._reading(read, at) if read is not None and at is not None else None
        elif read is not None:
            readings = tuple(self._readings(subject, read, after_day_1=True))
        return self._explanation(
            subject, endpoint, "when", self._event_conclusion(endpoint, time, lines),
            day=None if event is None else event["day"], reading=reading, readings=readings,
            records=tuple(r for part in dated for r in self._records.read(subject, part)), events=lines,
        )  # fmt: skip

    def _composite(self, subject: str, endpoint: str) -> Explanation:
        spec = self._spec.endpoints[endpoint]
        time = self._time(subject, endpoint)
        lines = self._history.lines(subject, self._index[subject], endpoint)
        event = None if time is None else time["event"]
        return self._explanation(
            subject, endpoint, "first_of", self._event_conclusion(endpoint, time, lines),
            day=None if event is None else event["day"], events=lines,
            components=tuple(self._explain(subject, part) for part in spec.first_of),
        )  # fmt: skip

    def _state(self, subject: str, endpoint: str) -> Explanation:
        node = self._protocol.sentences[f"endpoints.{endpoint}.state"]
        readings = tuple(self._readings(subject, node, after_day_1=False))
        counts = {v: sum(r.verdict == v for r in readings) for v in ("true", "false", "unknown")}
        conclusion = f"Holds at {counts['true']} of {len(readings)} assessments"
        if counts["unknown"]:
            conclusion += f"; not assessable at {counts['unknown']}"
        return self._explanation(subject, endpoint, "state", conclusion + ".", readings=readings)

    def _value(self, subject: str, endpoint: str) -> Explanation:
        node = self._protocol.sentences[f"endpoints.{endpoint}.value"]
        readings = []
        for at in self._assessments(subject):
            clause = self._clauses.value(node, at)
            verdict = "unknown" if clause.value is None else "true"
            why = (clause.shown,) if clause.shown else ()
            readings.append(self._labeled(at, verdict, why, clause.rows, clause))
        known = sum(reading.verdict == "true" for reading in readings)
        conclusion = f"Known at {known} of {len(readings)} assessments."
        return self._explanation(subject, endpoint, "value", conclusion, readings=tuple(readings))

    def _explanation(
        self,
        subject: str,
        endpoint: str,
        part: str,
        conclusion: str,
        *,
        day: int | None = None,
        reading: Reading | None = None,
        readings: tuple[Reading, ...] = (),
        records: tuple[RecordReading, ...] = (),
        events: tuple[EventLine, ...] = (),
        components: tuple[Explanation, ...] = (),
    ) -> Explanation:
        spec = self._spec.endpoints[endpoint]
        path = f"endpoints.{endpoint}"
        node = self._protocol.sentences.get(f"{path}.{part}")
        sentence = print_node(node) if node is not None else "first of " + ", ".join(spec.first_of)
        return Explanation(
            subject, endpoint, spec.label, spec.kind, sentence, self._protocol.place(path), conclusion,
            " ".join(spec.note.split()), day, reading, readings, records, events,
            self._decisions(subject, endpoint), components,
        )  # fmt: skip

    def _decisions(self, subject: str, endpoint: str) -> tuple[SourceRow, ...]:
        """What investigator and committee said of this patient and endpoint."""
        said = self.derivation.study["decisions"].with_row_index("index")
        said = said.filter((pl.col("subject") == subject) & (pl.col("endpoint") == endpoint))
        return self._rows.of_rows(("decisions", index) for index in said.get_column("index").to_list())

    # Events ---------------------------------------------------------------------------------------

    def _time(self, subject: str, endpoint: str) -> Row | None:
        """The patient's line of time to event, with the event that it rests on; None if there is none."""
        outcome, i = self._found.outcomes[endpoint], self._index[subject]
        if outcome.follow_up.start_days[i] == NO_DAY:
            return None
        spec, times = self._spec.endpoints[endpoint], outcome.times
        is_event = bool(times.is_event[i])
        component, by = int(times.components[i]), int(outcome.follow_up.censored_by[i])
        return {
            "stop_day": int(times.stop_days[i]),
            "event": self._history.event(subject, int(times.events[i])) if is_event else None,
            "component": spec.first_of[component] if spec.first_of and component >= 0 else endpoint,
            "censored_by": spec.censor_at[by] if by >= 0 else "",
        }

    def _event_conclusion(self, endpoint: str, time: Row | None, lines: tuple[EventLine, ...]) -> str:
        if time is None:
            return "Not in the analysis: the patient has no day of origin."
        row = time["event"]
        if row is None:
            end = f"censored by {time['censored_by']}" if time["censored_by"] else "follow-up ended"
            but = "; candidates were found and not used" if lines else ""
            return f"No event: {end} on day {time['stop_day']}{but}."
        first = "" if time["component"] == endpoint else f", by {time['component']}"
        if row["endpoint"] not in (endpoint, time["component"]):
            first += f" ({row['endpoint']})"
        confirmed = "" if row["confirmed_day"] is None else f", borne out on day {row['confirmed_day']}"
        origin = {"derived": "as the rule finds it"}.get(row["origin"], f"as the {row['origin']} decided")
        return f"Event on day {row['day']} ({row['date']}){first}{confirmed}, {origin}."

    # Readings -------------------------------------------------------------------------------------

    def _assessments(self, subject: str) -> range:
        i = self._index[subject]
        return range(int(self.derivation.panel.offsets[i]), int(self.derivation.panel.offsets[i + 1]))

    def _readings(self, subject: str, node: Node, *, after_day_1: bool) -> Iterator[Reading]:
        for at in self._assessments(subject):
            if not after_day_1 or self.derivation.panel.days[at] > 1:
                yield self._reading(node, at)

    def _reading(self, node: Node, at: int) -> Reading:
        clause = self._clauses.condition(node, at)
        why, rows = ((), ()) if clause.verdict == "true" else self._clauses.why(node, at)
        return self._labeled(at, clause.verdict or "unknown", why, rows, clause)

    def _labeled(
        self, at: int, verdict: str, why: tuple[str, ...], rows: tuple[SourceRow, ...], clause: Clause
    ) -> Reading:
        panel = self.derivation.panel
        visit = int(panel.visits[at])
        name = self._spec.schedule.visits[visit].name if visit >= 0 else "unscheduled"
        return Reading(int(panel.days[at]), name, verdict, why, clause, rows)  # type: ignore[arg-type]


_LAST: list[Explainer] = []
