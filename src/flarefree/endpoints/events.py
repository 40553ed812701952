"""Candidate events: every onset of every episode, from assessments and from records, with its rows.

An endpoint's sentence may rest on assessments (`upcr >= 2 * baseline(upcr)`), on records (`death`), or on
both joined by `or`.  An onset is dated by the latest of the values that made the sentence true; a record
by its own day.  Which candidate counts is decided later, in `adjudication` and `time_to_event`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.endpoints import kernels
from flarefree.endpoints.context import FIRST_DAY, LAST_DAY
from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.kernels import NO_DAY, TRUE, UNKNOWN
from flarefree.endpoints.record_sentences import TABLE_NAME, RecordReader
from flarefree.endpoints.support import confirmed_days, support_of
from flarefree.protocol.language.nodes import Holds, InWindow, Node, Or, Records, Reference
from flarefree.protocol.language.walking import walk
from flarefree.protocol.schema import EndpointSpec
from flarefree.records.tables import TABLES

__all__ = ["TABLE_CODES", "Candidates", "EventFinder", "find_onsets", "split_sentence"]

Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]

TABLE_CODES = {name: code for code, name in enumerate(TABLES)}
_OBSERVATIONS = TABLE_CODES["observations"]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidate events of one endpoint, by patient and day; arrays of shape (k,).

    Attributes
    ----------
    subjects : int32
        Index of the patient.
    days, confirmed_days : int32
        Onset, and what bore it out; `NO_DAY` where nothing asks for that.
    assessments : int64
        Index into the panel, -1 for events from records.
    row_starts : (k + 1,) int64
        Candidate i rests on the rows `row_starts[i]:row_starts[i + 1]` of the next two.
    row_tables : int8
        Index into `flarefree.records.tables.TABLES`.
    row_indices : int64
        Row of that table.
    """

    subjects: Ints32
    days: Ints32
    confirmed_days: Ints32
    assessments: Ints64
    row_starts: Ints64
    row_tables: npt.NDArray[np.int8]
    row_indices: Ints64

    def __len__(self) -> int:
        return int(self.subjects.size)

    @staticmethod
    def none() -> Candidates:
        """No candidate at all."""
        i32, i64 = np.empty(0, np.int32), np.empty(0, np.int64)
        return Candidates(i32, i32, i32, i64, np.zeros(1, np.int64), np.empty(0, np.int8), i64)

    def take(self, which: Ints64) -> Candidates:
        """Some of them, in the order of `which`."""
        lengths = (self.row_starts[1:] - self.row_starts[:-1])[which]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        step = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
        rows = np.repeat(self.row_starts[:-1][which], lengths) + step
        return Candidates(
            self.subjects[which],
            self.days[which],
            self.confirmed_days[which],
            self.assessments[which],
            starts,
            self.row_tables[rows],
            self.row_indices[rows],
        )

    def rows_of(self, which: int) -> list[tuple[int, int]]:
        """(table, row) of one candidate."""
        span = slice(int(self.row_starts[which]), int(self.row_starts[which + 1]))
        return list(zip(self.row_tables[span].tolist(), self.row_indices[span].tolist(), strict=True))

    def first_days(self, n_subjects: int) -> Ints32:
        """Each patient's first day, `NO_DAY` if none: (n_subjects,)."""
        first = np.full(n_subjects, LAST_DAY, dtype=np.int32)
        np.minimum.at(first, self.subjects, self.days)
        return np.where(first == LAST_DAY, NO_DAY, first).astype(np.int32)

    @staticmethod
    def together(parts: Sequence[Candidates]) -> Candidates:
        """Several lists as one, by patient and day; of one day, in the order of the lists."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return Candidates.none()
        joined = Candidates.one_after_another(parts)
        return joined.take(np.lexsort((np.arange(len(joined)), joined.days, joined.subjects)))

    @staticmethod
    def one_after_another(parts: Sequence[Candidates]) -> Candidates:
        """Several lists as one, in their order."""
        ends = np.cumsum([part.row_starts[-1] for part in parts])
        starts = [part.row_starts[1:] + before for part, before in zip(parts, [0, *ends[:-1]], strict=True)]
        return Candidates(
            np.concatenate([p.subjects for p in parts]),
            np.concatenate([p.days for p in parts]),
            np.concatenate([p.confirmed_days for p in parts]),
            np.concatenate([p.assessments for p in parts]),
            np.concatenate([np.zeros(1, np.int64), *starts]),
            np.concatenate([p.row_tables for p in parts]),
            np.concatenate([p.row_indices for p in parts]),
        )


def find_onsets(
    evaluator: Evaluator, node: Node, first_day: int = 2, last_day: int = LAST_DAY, *, unknown: str = "no"
) -> tuple[Ints64, Ints32]:
    """Where episodes of a condition begin: (assessments, days), by patient and time.

    Parameters
    ----------
    evaluator : Evaluator
    node : Node
        A condition about assessments.
    first_day, last_day : int
        Earliest and latest day of an onset.
    unknown : `no` or `yes`
        What an unknown verdict counts as.

    Notes
    -----
    This is all that a virtual trial needs: no records, no lineage.
    """
    panel, verdicts = evaluator.panel, evaluator.verdicts(node)
    if unknown == "yes":
        verdicts = np.where(verdicts == UNKNOWN, TRUE, verdicts)
    at = kernels.first_true(panel.offsets, verdicts, panel.days, first_day)
    days = _dated(evaluator, node, at)
    if ((days >= first_day) & (days <= last_day)).all() and not _looks_ahead(evaluator, node, first_day):
        return at, days
    # Some rest on values from before the first day, or after the last: the next assessment may not.
    true_at = np.flatnonzero(verdicts == TRUE)
    days = _dated(evaluator, node, true_at)
    which = kernels.onsets(panel.offsets, verdicts, days, first_day, last_day)
    return true_at[which], days[which]


def _looks_ahead(evaluator: Evaluator, node: Node, first_day: int) -> bool:
    """Whether an assessment before the first day may rest on a value after it: a whole epoch's extreme."""
    epochs, names = _named_in(node)
    states = evaluator.context.states
    return any(evaluator.context.epochs[epoch][1] >= first_day for epoch in epochs) or any(
        _looks_ahead(evaluator, states[name], first_day) for name in names if name in states
    )


@lru_cache(maxsize=1024)
def _named_in(node: Node) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Epochs that a sentence's references look within, and what it asks to hold."""
    epochs = [part.epoch for part in walk(node) if isinstance(part, Reference) and part.epoch]
    names = [part.name for part in walk(node) if isinstance(part, Holds)]
    return tuple(dict.fromkeys(epochs)), tuple(dict.fromkeys(names))


def _dated(evaluator: Evaluator, node: Node, at: Ints64) -> Ints32:
    """The day that a verdict rests on; the assessment's own where it has none."""
    days = evaluator.day_of(node, at)
    has_none = days == NO_DAY
    return np.where(has_none, evaluator.panel.days[at], days).astype(np.int32) if has_none.any() else days


class EventFinder:
    """Finds candidates of event endpoints, from one study.

    Parameters
    ----------
    evaluator : Evaluator
        On the study's panel; learns each event's first days as it is found (`add`).
    reader : RecordReader
    """

    def __init__(self, evaluator: Evaluator, reader: RecordReader) -> None:
        self._evaluator = evaluator
        self._reader = reader
        self._index = {subject: i for i, subject in enumerate(evaluator.panel.subjects.tolist())}
        self._known: dict[str, Callable[[], Candidates]] = {}

    def add(self, name: str, first_days: Ints32, candidates: Callable[[], Candidates]) -> None:
        """Events of an endpoint that stand, for the sentences that name it; laid out if one asks."""
        self._known[name] = candidates
        self._evaluator.begun[name] = first_days

    def find(self, spec: EndpointSpec, node: Node) -> Candidates:
        """The candidates of an event endpoint, within its first and last day."""
        from_records, from_panel = split_sentence(node, self._known)
        last = LAST_DAY if spec.last_day is None else spec.last_day
        parts = [_within(self._dated(part), spec.first_day or 1, last) for part in from_records]
        if from_panel is not None:
            self._learn_records(from_panel)
            first = 2 if spec.first_day is None else spec.first_day
            parts.append(self._onsets(from_panel, first, last, spec.unknown))
        return Candidates.together(parts)

    def _dated(self, node: Node) -> Candidates:
        """Events that have days of their own: records, other events, and both within a window."""
        match node:
            case Records():
                return self._of_records(node)
            case Holds(name=name):
                return self._known[name]()
            case InWindow(operand=operand):
                first, last = node.first_day or FIRST_DAY, node.last_day or LAST_DAY
                if node.epoch:
                    first, last = self._evaluator.context.epochs[node.epoch]
                return _within(self._dated(operand), first, last)
            case Or(operands=operands):
                return Candidates.together([self._dated(part) for part in operands])
        raise TypeError(f"has no days of its own: {node!r}")

    def _of_records(self, node: Records) -> Candidates:
        found = self._reader.find(node).filter(pl.col("onset_day").is_not_null())
        subjects = np.array(
            [self._index.get(s, -1) for s in found.get_column("subject").to_list()], dtype=np.int32
        )
        days = found.get_column("onset_day").to_numpy().astype(np.int32)
        rows = found.get_column("index").to_numpy().astype(np.int64)
        known = subjects >= 0
        subjects, days, rows = subjects[known], days[known], rows[known]
        order = np.lexsort((rows, days, subjects))
        k = order.size
        return Candidates(
            subjects[order],
            days[order],
            np.full(k, NO_DAY, np.int32),
            np.full(k, -1, np.int64),
            np.arange(k + 1, dtype=np.int64),
            np.full(k, TABLE_CODES[TABLE_NAME[node.table]], np.int8),
            rows[order],
        )

    def _learn_records(self, node: Node) -> None:
        """First days of the records that a sentence about assessments names."""
        learned = dict(self._evaluator.records)
        for part in walk(node):
            if isinstance(part, Records) and part not in learned:
                learned[part] = self._of_records(part).first_days(self._evaluator.panel.n_subjects)
        self._evaluator.records = learned

    def learn(self, node: Node) -> None:
        """Make a sentence that is not an event's (a state's) ready to be evaluated."""
        self._learn_records(node)

    def _onsets(self, node: Node, first: int, last: int, unknown: str) -> Candidates:
        at, days = find_onsets(self._evaluator, node, first, last, unknown=unknown)
        support = support_of(self._evaluator, node, at)
        points, rows = support.pairs()
        tables = np.full(points.size, _OBSERVATIONS, np.int8)
        points, tables, rows = self._with_events(support.events, at, points, tables, rows)
        return Candidates(
            self._evaluator.subject[at],
            days,
            confirmed_days(self._evaluator, node, at),
            at,
            np.concatenate([[0], np.cumsum(np.bincount(points, minlength=at.size))]).astype(np.int64),
            tables,
            rows,
        )

    def _with_events(
        self,
        events: Sequence[tuple[str | Records, Ints64]],
        at: Ints64,
        points: Ints64,
        tables: npt.NDArray[np.int8],
        rows: Ints64,
    ) -> tuple[Ints64, npt.NDArray[np.int8], Ints64]:
        """Adds the rows of the first event of those that a verdict rests on."""
        triples = [np.stack([points, tables.astype(np.int64), rows], axis=1)]
        for what, which in events:
            found = self._of_records(what) if isinstance(what, Records) else self._known[what]()
            first = _first_places(found, self._evaluator.panel.n_subjects)
            place = first[self._evaluator.subject[at[which]]]
            has = place >= 0
            taken = found.take(place[has])
            lengths = np.diff(taken.row_starts)
            owner = np.repeat(which[has], lengths)
            triples.append(np.stack([owner, taken.row_tables.astype(np.int64), taken.row_indices], axis=1))
        if len(triples) == 1:
            return points, tables, rows
        once = np.unique(np.concatenate(triples), axis=0)
        return once[:, 0], once[:, 1].astype(np.int8), once[:, 2]


def _first_places(candidates: Candidates, n_subjects: int) -> Ints64:
    """The place of each patient's first candidate, -1 if none."""
    first = np.full(n_subjects, -1, dtype=np.int64)
    first[candidates.subjects[::-1]] = np.arange(len(candidates) - 1, -1, -1)
    return first


def _within(candidates: Candidates, first: int, last: int) -> Candidates:
    inside = (candidates.days >= first) & (candidates.days <= last)
    return candidates if inside.all() else candidates.take(np.flatnonzero(inside))


def split_sentence(node: Node, events: Container[str]) -> tuple[list[Node], Node | None]:
    """The parts of a sentence joined by `or` that have days of their own, and what is left of it."""
    if _is_dated(node, events):
        return [node], None
    if not isinstance(node, Or):
        return [], node
    dated = [part for part in node.operands if _is_dated(part, events)]
    others = [part for part in node.operands if not _is_dated(part, events)]
    if not dated:
        return [], node
    return dated, others[0] if len(others) == 1 else Or(tuple(others))


def _is_dated(node: Node, events: Container[str]) -> bool:
    match node:
        case Records():
            return True
        case Holds(name=name):
            return name in events
        case InWindow(operand=operand):
            return _is_dated(operand, events)
        case Or(operands=operands):
            return all(_is_dated(part, events) for part in operands)
    return False
