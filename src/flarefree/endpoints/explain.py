"""Why a patient had an endpoint, or had not: the sentence as a tree, with values, verdicts and source rows.

Whatever `derive` decided is decided here again by the same code, and read back step by step: nothing is
explained by a second set of rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from flarefree.endpoints.clauses import ClauseBuilder
from flarefree.endpoints.context import Context
from flarefree.endpoints.derivation import Derivation
from flarefree.endpoints.derive import events_again
from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.events import split_sentence
from flarefree.endpoints.explain_text import render_text
from flarefree.endpoints.explanation import Clause, EventLine, Explanation, Reading, SourceRow
from flarefree.endpoints.source_rows import SourceRows
from flarefree.errors import ProtocolError, StudyError
from flarefree.protocol.language.messages import suggest
from flarefree.protocol.language.nodes import Node
from flarefree.protocol.language.printing import print_node

__all__ = ["Explainer", "Explanation", "explain", "render_text"]

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
        self._events = _by_subject(derivation.events)
        self._times = _by_subject(derivation.time_to_event)
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
        lines = self._lines(subject, (endpoint,))
        time = self._time(subject, endpoint)
        read = split_sentence(node, self._dated)[1]
        reading: Reading | None = None
        readings: tuple[Reading, ...] = ()
        if time is not None and time["is_event"]:
            at = self._event_row(time)["assessment"]
            reading = self._reading(read, at) if read is not None and at is not None else None
        elif read is not None:
            readings = tuple(self._readings(subject, read, after_day_1=True))
        return self._explanation(
            subject, endpoint, "when", self._event_conclusion(subject, endpoint, time),
            day=time["stop_day"] if time is not None and time["is_event"] else None,
            reading=reading, readings=readings, events=lines,
        )  # fmt: skip

    def _composite(self, subject: str, endpoint: str) -> Explanation:
        spec = self._spec.endpoints[endpoint]
        time = self._time(subject, endpoint)
        leaves = tuple(self._leaves(endpoint))
        lines = self._pre_empted(subject, endpoint, self._lines(subject, leaves), time)
        return self._explanation(
            subject, endpoint, "first_of", self._event_conclusion(subject, endpoint, time),
            day=time["stop_day"] if time is not None and time["is_event"] else None,
            events=lines, components=tuple(self._explain(subject, part) for part in spec.first_of),
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
            readings.append(self._labeled(at, verdict, (clause.shown,) if clause.shown else (), clause))
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
        events: tuple[EventLine, ...] = (),
        components: tuple[Explanation, ...] = (),
    ) -> Explanation:
        spec = self._spec.endpoints[endpoint]
        path = f"endpoints.{endpoint}"
        node = self._protocol.sentences.get(f"{path}.{part}")
        sentence = print_node(node) if node is not None else "first of " + ", ".join(spec.first_of)
        return Explanation(
            subject, endpoint, spec.label, spec.kind, sentence, self._protocol.place(path), conclusion,
            " ".join(spec.note.split()), day, reading, readings, events,
            self._decisions(subject, endpoint), components,
        )  # fmt: skip

    def _decisions(self, subject: str, endpoint: str) -> tuple[SourceRow, ...]:
        """What investigator and committee said of this patient and endpoint."""
        said = self.derivation.study["decisions"].with_row_index("index")
        said = said.filter((pl.col("subject") == subject) & (pl.col("endpoint") == endpoint))
        return self._rows.of_rows(("decisions", index) for index in said.get_column("index").to_list())

    # Events ---------------------------------------------------------------------------------------

    def _time(self, subject: str, endpoint: str) -> Row | None:
        rows = (row for row in self._times.get(subject, ()) if row["endpoint"] == endpoint)
        return next(rows, None)

    def _event_row(self, time: Row) -> Row:
        return self.derivation.events.row(time["event_index"], named=True)

    def _event_conclusion(self, subject: str, endpoint: str, time: Row | None) -> str:
        if time is None:
            return "Not in the analysis: the patient has no day of origin."
        if not time["is_event"]:
            by = time["censored_by"]
            end = "follow-up ended" if by == "end of follow-up" else f"censored by {by}"
            aside = [line for line in self._lines(subject, tuple(self._leaves(endpoint))) if line.reason]
            but = "; candidates were found and not used" if aside else ""
            return f"No event: {end} on day {time['stop_day']}{but}."
        row = self._event_row(time)
        first = "" if time["component"] == endpoint else f", by {time['component']}"
        if row["endpoint"] not in (endpoint, time["component"]):
            first += f" ({row['endpoint']})"
        confirmed = "" if row["confirmed_day"] is None else f", borne out on day {row['confirmed_day']}"
        origin = {"derived": "as the rule finds it"}.get(row["origin"], f"as the {row['origin']} decided")
        return f"Event on day {row['day']} ({row['date']}){first}{confirmed}, {origin}."

    def _lines(self, subject: str, endpoints: tuple[str, ...]) -> tuple[EventLine, ...]:
        rows = [row for row in self._events.get(subject, ()) if row["endpoint"] in endpoints]
        rows.sort(key=lambda row: (row["day"], endpoints.index(row["endpoint"])))
        return tuple(
            EventLine(
                row["endpoint"], row["day"], str(row["date"] or ""), row["origin"], row["is_used"],
                row["reason"] or "", row["confirmed_day"],
                self._rows.of_rows((r["table"], r["index"]) for r in row["rows"]),
            )
            for row in rows
        )  # fmt: skip

    def _leaves(self, endpoint: str) -> Iterator[str]:
        """An endpoint and the components, of components too, that its events may come from."""
        yield endpoint
        for component in self._spec.endpoints[endpoint].first_of:
            yield from self._leaves(component)

    def _pre_empted(
        self, subject: str, endpoint: str, lines: tuple[EventLine, ...], time: Row | None
    ) -> tuple[EventLine, ...]:
        """Candidates as this composite sees them: the one it rests on, and why not the others."""
        if time is None:
            return lines
        outcome = self._found.outcomes[endpoint]
        i = self._index[subject]
        standing = {int(e) for e in outcome.events.ids[outcome.events.subjects == i]}
        row = self._event_row(time) if time["is_event"] else None
        seen = []
        for line in lines:
            is_it = row is not None and (row["endpoint"], row["day"], row["origin"]) == (
                line.endpoint, line.day, line.origin,
            )  # fmt: skip
            reason = "" if is_it else self._why_not(line, time, standing, i)
            seen.append(
                EventLine(
                    line.endpoint,
                    line.day,
                    line.date,
                    line.origin,
                    is_it,
                    reason,
                    line.confirmed_day,
                    line.rows,
                )
            )
        return tuple(seen)

    def _why_not(self, line: EventLine, time: Row, standing: set[int], subject: int) -> str:
        if line.reason and line.reason != "later than the first":
            return line.reason
        stop = time["stop_day"]
        if time["is_event"] and line.day >= stop:
            return f"pre-empted by {time['component']} on day {stop}"
        if line.day > stop:
            return f"after {time['censored_by']}"
        if not self._stands(line, standing, subject):
            return "refuted, or dated otherwise, by adjudication"
        return "later than the first" if line.reason else "not used here"

    def _stands(self, line: EventLine, standing: set[int], subject: int) -> bool:
        for event in standing:
            block, at = self._found.find(event)
            if block.endpoint == line.endpoint and int(block.candidates.days[at]) == line.day:
                return True
        return False

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
        why = () if clause.verdict == "true" else self._clauses.why(node, at)
        return self._labeled(at, clause.verdict or "unknown", why, clause)

    def _labeled(self, at: int, verdict: str, why: tuple[str, ...], clause: Clause) -> Reading:
        panel = self.derivation.panel
        visit = int(panel.visits[at])
        name = self._spec.schedule.visits[visit].name if visit >= 0 else "unscheduled"
        return Reading(int(panel.days[at]), name, verdict, why, clause)  # type: ignore[arg-type]


def _by_subject(frame: pl.DataFrame) -> dict[str, tuple[Row, ...]]:
    rows: dict[str, list[Row]] = {}
    for row in frame.iter_rows(named=True):
        rows.setdefault(row["subject"], []).append(row)
    return {subject: tuple(mine) for subject, mine in rows.items()}


_LAST: list[Explainer] = []
