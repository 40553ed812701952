"""A case's dossier as its page shows it: values over time, and the numbers that the sentence compares to.

The sentence is given in its clauses, each with the values that it reads on the day in question.  Whether a
clause holds is not printed: the committee judges, and a page that said "not met" would name the controls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from flarefree.conduct.adjudication.cases import Case
from flarefree.conduct.adjudication.desk import DeskCase
from flarefree.conduct.adjudication.dossier import Dossier, Note, build_dossier
from flarefree.conduct.visibility import Actor, Target, require_allowed
from flarefree.errors import ConductError
from flarefree.protocol.language.nodes import Comparison, Measure, Node, Quantity, Text
from flarefree.protocol.language.walking import walk
from flarefree.web.clock import now
from flarefree.web.committee_store import days_one, read_queue
from flarefree.web.queries.committee import DossierQuestion, desk_of_case, questions
from flarefree.web.record.reading import read_thing, read_things
from flarefree.web.study import study_of_record
from flarefree.web.trial import running_trial

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.records.study import Study

__all__ = ["ClauseLine", "DossierPage", "Point", "Series", "dossier_page", "prepared_dossier"]


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a course; `is_asked` where the sentence reads it on the day in question."""

    day: int
    value: float | None
    shown: str
    is_asked: bool


@dataclass(frozen=True, slots=True)
class Series:
    """One measure's course.

    Attributes
    ----------
    measure, label, unit : str
    points : tuple of Point
    thresholds : tuple of (words, value)
        Numbers that the sentence compares it to, in its unit: `2 * baseline(upcr)`, 0.84.
    """

    measure: str
    label: str
    unit: str
    points: tuple[Point, ...]
    thresholds: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class ClauseLine:
    """One comparison of the sentence: its words, and what stands on both sides on that day."""

    text: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class DossierPage:
    """What a member sees of a case.

    Attributes
    ----------
    case : DeskCase or None
        Own vote, and others' once all are in; None for the coordinator.
    dossier : Dossier
    series : tuple of Series
    clauses : tuple of ClauseLine
    questions : tuple of DossierQuestion
    """

    case: DeskCase | None
    dossier: Dossier
    series: tuple[Series, ...]
    clauses: tuple[ClauseLine, ...]
    questions: tuple[DossierQuestion, ...]


def dossier_page(actor: Actor, number: str, *, at: datetime | None = None) -> DossierPage:
    """A member's page of one case.

    Raises
    ------
    ConductError
        It is not on the asker's desk, in the words for what does not exist.
    """
    desk, case = desk_of_case(actor, number, at=at or now())
    return _page(actor, case, desk)


def prepared_dossier(actor: Actor, number: str) -> DossierPage:
    """The same page for the coordinator, without votes.

    Raises
    ------
    ConductError
        The asker is not the coordinator, or there is no such case on desks.
    """
    trial = running_trial()
    require_allowed(trial.matrix, actor, "prepare", "cases.dossier", trial.phase, Target())
    item = read_thing("case", number)
    found = [] if item is None else [c for c in read_queue([item.subject]).queue.cases if c.number == number]
    if not found:
        raise ConductError("there is nothing here for you")
    return _page(actor, found[0], None)


def _page(actor: Actor, case: Case, desk: DeskCase | None) -> DossierPage:
    protocol = running_trial().protocol
    study = study_of_record([case.subject], is_for_detection=True)
    dossier = build_dossier(case, study, protocol, _notes(case.subject))
    clauses = tuple(_clauses(case, study, protocol))
    lines = tuple(ClauseLine(text, left, right) for text, _, left, right, _, _ in clauses)
    series = tuple(_series(dossier, protocol, clauses))
    return DossierPage(desk, dossier, series, lines, questions(actor, case.number))


def _notes(subject: str) -> Iterator[Note]:
    """Texts of the site that passed; `build_dossier` screens them once more."""
    from datetime import date

    day_one = days_one().get(subject)
    for item in read_things("note", subject=subject):
        if item["is_held"] is False and item["void"] is not True and day_one is not None:
            apart = (date.fromisoformat(str(item["date"])) - day_one).days
            yield Note(str(item["title"]), apart + 1 if apart >= 0 else apart, str(item["text"]))


# The sentence -------------------------------------------------------------------------------------

_Clause = tuple[str, str, str, str, str, float | None]
"""Words, measure on the left, left value, right value, right words, right number."""


def _clauses(case: Case, study: Study, protocol: LoadedProtocol) -> Iterator[_Clause]:
    """The comparisons of the sentence at the assessment in question, on data up to the dossier's last day."""
    from flarefree.endpoints.clauses import ClauseBuilder
    from flarefree.endpoints.derive import derive_arrays
    from flarefree.endpoints.source_rows import SourceRows

    derived = derive_arrays(_until(study, case.last_day), protocol)
    panel = derived.evaluator.panel
    days = panel.days.tolist()
    if not days:
        return
    at = min(range(len(days)), key=lambda i: (abs(days[i] - case.day), i))
    builder = ClauseBuilder(derived.evaluator, protocol.spec, SourceRows(derived.study, protocol.spec, panel))
    seen: set[str] = set()
    for node in _comparisons(protocol, case.endpoint):
        clause = builder.condition(node, at)
        if clause.text in seen:
            continue
        seen.add(clause.text)
        sides = [builder.value(side, at) for side in (node.left, node.right)]
        number = sides[1].value if isinstance(sides[1].value, float | int) else None
        if number is None and isinstance(node.right, Quantity):
            number = node.right.value
        measure = node.left.name if isinstance(node.left, Measure) else ""
        yield (
            clause.text, measure, sides[0].shown or sides[0].note, sides[1].shown or sides[1].note,
            sides[1].text, number,
        )  # fmt: skip


def _until(study: Study, last_day: int) -> Study:
    observations = study["observations"].filter(pl.col("day") <= last_day)
    return replace(study, tables={**study.tables, "observations": observations})


def _comparisons(protocol: LoadedProtocol, endpoint: str) -> Iterator[Comparison]:
    spec = protocol.spec.endpoints[endpoint]
    for component in spec.first_of:
        yield from _comparisons(protocol, component)
    for part in ("when", "state"):
        sentence = protocol.sentences.get(f"endpoints.{endpoint}.{part}")
        for node in walk(sentence) if sentence is not None else ():
            if isinstance(node, Comparison) and _reads_a_measure(node.left):
                yield node


def _reads_a_measure(node: Node) -> bool:
    return isinstance(node, Measure) and not isinstance(node, Quantity | Text)


def _series(dossier: Dossier, protocol: LoadedProtocol, clauses: Iterable[_Clause]) -> Iterator[Series]:
    thresholds: dict[str, dict[str, float]] = {}
    for _, measure, _, _, words, number in clauses:
        if measure and number is not None:
            thresholds.setdefault(measure, {})[words] = number
    for measure in dict.fromkeys(line.measure for line in dossier.values):
        lines = [line for line in dossier.values if line.measure == measure]
        spec = protocol.spec.measures[measure]
        yield Series(
            measure,
            spec.label,
            spec.unit,
            tuple(Point(line.day, line.value, line.shown, line.is_asked) for line in lines),
            tuple(thresholds.get(measure, {}).items()),
        )
