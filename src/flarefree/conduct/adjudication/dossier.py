"""What a member sees of a case: made from a list of what may be seen, so that the rest is absent.

Measures are those that the adjudicated sentences read, and those that the protocol adds; records are the
kinds that the case's own sentence asks about, field by field.  Exposures, adverse events, dispositions,
drug levels, what investigators think, and everything of the arm cannot be listed.  Days are study days, no
calendar dates, and the patient has no name: a copy shown again is not recognized by them.  A dossier of a
control has the same parts as any other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from flarefree.conduct.adjudication.cases import Case
from flarefree.conduct.adjudication.telling_words import TellingWords
from flarefree.errors import ConductError
from flarefree.protocol.language.nodes import Holds, Measure, Node, Records, RecordTable
from flarefree.protocol.language.walking import walk
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.records.study import Study

__all__ = ["AllowList", "Dossier", "HeldText", "Note", "RecordLine", "ValueLine", "build_dossier"]

RECORD_FIELDS: Mapping[str, tuple[str, ...]] = {
    "subjects": ("death_day",),
    "medications": (
        "drug",
        "drug_class",
        "indication",
        "dose",
        "unit",
        "route",
        "start_day",
        "end_day",
    ),
    "procedures": ("name", "indication", "start_day", "end_day"),
    "clinical_events": ("name", "start_day", "end_day"),
}
"""What of a record may be seen, by table; a table that is not here may not be seen at all."""

NEVER_COVARIATES = frozenset(
    {"arm", "actual_arm", "arm_written", "subject", "site", "country", "birth_date", "source", "row"}
)
_TABLE_OF = {
    RecordTable.MEDICATION: "medications",
    RecordTable.PROCEDURE: "procedures",
    RecordTable.CLINICAL_EVENT: "clinical_events",
    RecordTable.DEATH: "subjects",
}
WITHHELD = "[withheld]"


@dataclass(frozen=True, slots=True)
class AllowList:
    """What the committee may see of one endpoint's cases.

    Attributes
    ----------
    measures, covariates : tuple of str
        By name, in the protocol's order.
    records : tuple of (Records, table)
        Sentences about records, each with the table that its records are in: only those that fit are shown.
    """

    measures: tuple[str, ...]
    covariates: tuple[str, ...]
    records: tuple[tuple[Records, str], ...] = ()

    @staticmethod
    def of(protocol: LoadedProtocol, endpoint: str) -> AllowList:
        """What a protocol allows of an endpoint.

        Raises
        ------
        ConductError
            The sentence asks about what a committee may not see, such as adverse events.
        """
        spec = protocol.spec
        read: set[str] = set()
        records: list[tuple[Records, str]] = []
        for node in _every_node(protocol, endpoint):
            match node:
                case Measure(name=name) | Holds(name=name) if name in spec.measures:
                    read.add(name)
                case Records(table=table):
                    records.append((node, _table(table, endpoint)))
        wanted = _with_inputs(protocol, read | set(spec.adjudication.dossier.measures))
        trough = spec.dosing.trough_measure
        measures = tuple(m for m in spec.measures if m in wanted and m != trough)
        covariates = tuple(c for c in spec.adjudication.dossier.covariates)
        for name in covariates:
            column = spec.covariates[name].column or name
            if name in NEVER_COVARIATES or column in NEVER_COVARIATES:
                raise ConductError("this tells who the patient is, or the arm", where="dossier", found=name)
        return AllowList(measures, covariates, tuple(records))


@dataclass(frozen=True, slots=True)
class ValueLine:
    """One value of one measure.  `is_asked` says that the sentence reads it at the day in question."""

    measure: str
    day: int
    value: float | None
    shown: str
    unit: str
    is_asked: bool = False


@dataclass(frozen=True, slots=True)
class RecordLine:
    """One record: what kind, and its allowed fields."""

    kind: str
    said: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A text that a site sent for the committee (a biopsy report, a letter), and the day it is of."""

    title: str
    day: int
    text: str


@dataclass(frozen=True, slots=True)
class HeldText:
    """A text held back, for the keeper: which, and the words that could tell the arm."""

    case: str
    title: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dossier:
    """What is shown of one case.

    Attributes
    ----------
    number : str
    question, definition : str
        What is asked, and the protocol's sentence.
    day, last_day : int
        The day in question, and the last of which the dossier tells.
    patient : tuple of (label, value)
    values : tuple of ValueLine
        By measure and day.
    records : tuple of RecordLine
    notes : tuple of Note
        A text that was held back has `[withheld]` in its place.
    """

    number: str
    question: str
    definition: str
    day: int
    last_day: int
    patient: tuple[tuple[str, str], ...]
    values: tuple[ValueLine, ...]
    records: tuple[RecordLine, ...]
    notes: tuple[Note, ...]
    held: tuple[HeldText, ...] = field(default=(), repr=False)
    """For the keeper alone: `to_dict` leaves it out."""

    def to_dict(self) -> dict[str, Any]:
        """What the member is shown, as plain data."""
        shown = asdict(self)
        del shown["held"]
        return shown

    @property
    def digest(self) -> str:
        """SHA-256 of what is shown."""
        text = json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def build_dossier(
    case: Case,
    study: Study,
    protocol: LoadedProtocol,
    notes: Iterable[Note] = (),
    *,
    words: TellingWords | None = None,
) -> Dossier:
    """What members see of a case, from its patient's data up to `case.last_day`.

    Parameters
    ----------
    case : Case
        With its number.
    study : Study
        The patient's data, alone or among others'.
    protocol : LoadedProtocol
    notes : iterable of Note
        Texts for this patient; those that could tell the arm are held back.
    words : TellingWords, optional
        Those of the protocol if not given.

    Raises
    ------
    ConductError
        The case is not before the committee, or the study has no such patient.
    """
    if not case.number:
        raise ConductError("the case is not before the committee", where=case.id, try_="release it first")
    return _Building(case, study, protocol, words or TellingWords.of(protocol.spec)).dossier(notes)


class _Building:
    def __init__(self, case: Case, study: Study, protocol: LoadedProtocol, words: TellingWords) -> None:
        self.case, self.study, self.spec, self.words = case, study, protocol.spec, words
        self.protocol = protocol
        self.study_drugs = TellingWords.of_study_drugs(protocol.spec)
        self.allowed = AllowList.of(protocol, case.endpoint)
        self.held: list[HeldText] = []
        patient = study["subjects"].filter(pl.col("subject") == case.subject)
        if patient.height != 1:
            raise ConductError("there is no such patient", where=f"case {case.number}", found=case.subject)
        self.patient = patient.row(0, named=True)

    def dossier(self, notes: Iterable[Note]) -> Dossier:
        endpoint = self.spec.endpoints[self.case.endpoint]
        shown = tuple(self._note(note) for note in notes if note.day <= self.case.last_day)
        return Dossier(
            self.case.number,
            endpoint.label,
            _definition(self.protocol, self.case.endpoint),
            self.case.day,
            self.case.last_day,
            tuple(self._characteristics()),
            tuple(self._values()),
            tuple(self._records()),
            shown,
            tuple(self.held),
        )

    def _characteristics(self) -> Iterator[tuple[str, str]]:
        for name in self.allowed.covariates:
            value = self.patient.get(self.spec.covariates[name].column or name)
            value = self.patient.get(name) if value is None else value
            shown = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
            yield self.spec.covariates[name].label, self._screened(shown, name)

    # Values ----------------------------------------------------------------------------------------

    def _values(self) -> Iterator[ValueLine]:
        mine = self.study["observations"].filter(
            (pl.col("subject") == self.case.subject)
            & pl.col("measure").is_in(list(self.allowed.measures))
            & (pl.col("day") <= self.case.last_day)
            & pl.col("derivation").is_null()
        )
        place = {name: i for i, name in enumerate(self.allowed.measures)}
        lines = [self._value(row) for row in mine.iter_rows(named=True)]
        asked = self._asked(lines)
        lines.sort(key=lambda line: (place[line.measure], line.day))
        for line in lines:
            is_asked = (line.measure, line.day) in asked
            yield ValueLine(line.measure, line.day, line.value, line.shown, line.unit, is_asked)

    def _value(self, row: Mapping[str, Any]) -> ValueLine:
        spec = self.spec.measures[row["measure"]]
        value = row["value"]
        if spec.type == "number" or value is not None:
            shown = _shown(value, spec.type, spec.digits, spec.grades)
        else:
            shown = self._screened(str(row["text"] or ""), row["measure"])
        return ValueLine(row["measure"], row["day"], value, shown, spec.unit)

    def _asked(self, lines: Iterable[ValueLine]) -> set[tuple[str, int]]:
        """The values of the assessment in question: each measure's nearest within the same visit."""
        nearest: dict[str, int] = {}
        for line in lines:
            apart = abs(line.day - self.case.day)
            known = nearest.get(line.measure)
            if apart <= _SAME_VISIT and (known is None or apart < abs(known - self.case.day)):
                nearest[line.measure] = line.day
        return set(nearest.items())

    # Records ---------------------------------------------------------------------------------------

    def _records(self) -> Iterator[RecordLine]:
        for table in dict.fromkeys(table for _, table in self.allowed.records):
            frame = self.study[table].filter(pl.col("subject") == self.case.subject)
            day = "death_day" if table == "subjects" else "start_day"
            frame = frame.filter(pl.col(day) <= self.case.last_day).sort(day, maintain_order=True)
            for row in frame.iter_rows(named=True):
                said = tuple(self._field(table, name, row[name]) for name in RECORD_FIELDS[table])
                yield RecordLine("death" if table == "subjects" else table, _without_dose(said))

    def _field(self, table: str, name: str, value: Any) -> tuple[str, str]:
        shown = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
        if name.endswith("_day") and value is not None and value > self.case.last_day:
            return name, ""  # an end that was not known then
        words = self.words if name == "indication" else self.study_drugs
        return name, self._screened(shown, f"{table}.{name}", words)

    # Texts -----------------------------------------------------------------------------------------

    def _note(self, note: Note) -> Note:
        title = self._screened(note.title, "title of a note")
        return Note(title, note.day, self._screened(note.text, note.title))

    def _screened(self, text: str, title: str, words: TellingWords | None = None) -> str:
        """The text, or `[withheld]` where it could tell the arm; the keeper is told why."""
        found = (words or self.words).find(text)
        if not found:
            return text
        told = tuple(dict.fromkeys(one.word for one in found))
        self.held.append(HeldText(self.case.number, title, told))
        return WITHHELD


def _without_dose(said: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """A record without its dose where the drug is withheld: 2 g of it is one drug, 100 mg another."""
    if dict(said).get("drug") != WITHHELD:
        return said
    return tuple((name, WITHHELD if name in ("dose", "unit") else value) for name, value in said)


_SAME_VISIT = 14  # days: values of one visit are taken together


def _shown(value: float | None, kind: str, digits: int | None, grades: Mapping[str, float]) -> str:
    if value is None:
        return ""
    if kind == "yes_no":
        return "yes" if value else "no"
    if kind == "grade":
        return next((text for text, grade in grades.items() if grade == value), f"{value:g}")
    return f"{value:g}" if digits is None else f"{value:.{digits}f}"


def _every_node(protocol: LoadedProtocol, endpoint: str) -> Iterator[Node]:
    """Every part of an endpoint's sentence, of its components', and of the states that they name."""
    spec = protocol.spec.endpoints[endpoint]
    for component in spec.first_of:
        yield from _every_node(protocol, component)
    for part in ("when", "state", "value"):
        sentence = protocol.sentences.get(f"endpoints.{endpoint}.{part}")
        for node in walk(sentence) if sentence is not None else ():
            yield node
            if isinstance(node, Holds | Measure) and node.name in protocol.spec.endpoints:
                yield from _every_node(protocol, node.name)


def _table(table: RecordTable, endpoint: str) -> str:
    if table not in _TABLE_OF:
        raise ConductError(
            "the sentence asks about records that the committee may not see",
            where=f"endpoints.{endpoint}",
            found=str(table),
            expected=", ".join(sorted(str(one) for one in _TABLE_OF)),
            try_="judge this endpoint by the rule alone (adjudicated: false)",
        )
    return _TABLE_OF[table]


def _with_inputs(protocol: LoadedProtocol, names: set[str]) -> set[str]:
    """With what computed measures are computed from: eGFR is not recorded, creatinine is."""
    computed = {n for n in names if n in protocol.spec.measures and protocol.spec.measures[n].equation}
    return names | {"creatinine"} if computed else names


def _definition(protocol: LoadedProtocol, endpoint: str) -> str:
    from flarefree.protocol.language.printing import print_node

    spec = protocol.spec.endpoints[endpoint]
    if spec.first_of:
        return "\n".join(_definition(protocol, component) for component in spec.first_of)
    sentence = protocol.sentences[f"endpoints.{endpoint}.when"]
    return f"{spec.label}: {print_node(sentence)}"
