"""Rows of SDTM from the record's things: text as it was written, each with the log's entry that wrote it.

The entry is the row's number: who follows a number of a table back finds there who wrote it, when and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from flarefree.conduct.audit.entries import Value
from flarefree.conduct.withdrawals import Ending, EndingEntry, current_endings, reasons_of
from flarefree.web.commands.endings import endings_from
from flarefree.web.record.reading import Fact, Item
from flarefree.web.study_doses import DoseSpan, dose_spans
from flarefree.web.study_map import DATASETS, NOT_COVARIATES, DatasetOf

if TYPE_CHECKING:
    from flarefree.protocol.schema import Protocol

__all__ = ["Row", "Rows", "date_in", "rows_of"]

Row = dict[str, str | None]

_NEVER = frozenset(
    {"labs.trough_shown", "labs.trough_true", "labs.arm_typical", "site.guess", "allocation.arm"}
)
"""Shown troughs are shams in one arm: no analysis may take them for values."""

_STRATUM = "stratum."
_NOTHING = (None, "")
_NOT_CODED = (*_NOTHING, "not coded", "none")
"""Words that a corrected medication has where its drug is no longer in the dictionary."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one dataset, in the order in which they were last written.

    Attributes
    ----------
    domain, kind : str
        `LB`, and the kind of thing that its rows are.
    rows : tuple of Row
        Every variable that any row has, in every row.
    entries : tuple of int
        Number of the log's entry that wrote each row as it stands.
    keys : tuple of str
        Key of each row's thing.
    """

    domain: str
    kind: str
    rows: tuple[Row, ...]
    entries: tuple[int, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    row: Row
    entry: int
    key: str
    since: int


def rows_of(
    items: Iterable[Item], spec: Protocol, zones: Mapping[str, str], countries: Mapping[str, str]
) -> tuple[Rows, ...]:
    """All datasets of some things, DM first; those without rows are left out.

    Parameters
    ----------
    items : iterable of Item
        Of one subject or of all.
    spec : Protocol
    zones : mapping of str to str
        Time zone of each site: day 1 is a day there.
    countries : mapping of str to str
        Of each site.
    """
    by_kind: dict[str, list[Item]] = {}
    for item in items:
        if item["void"] is not True:
            by_kind.setdefault(item.kind, []).append(item)
    spans = [span for mine in _by_subject(by_kind.pop("dose", ())) for span in dose_spans(mine)]
    dosed = {span.item.subject for span in spans}
    handed = [item for item in by_kind.get("dispensing", ()) if item.subject not in dosed]
    people = _People(by_kind, spec, zones, countries, tuple(spans))
    found = [_whole("DM", "subject", people.demographics()), _whole("SUPPDM", "subject", people.others())]
    for how in DATASETS:
        items_of = handed if how.kind == "dispensing" else by_kind.get(how.kind, ())
        doses = map(_dosed, spans) if how.kind == "dispensing" else ()
        found.append(_whole(how.domain, how.kind, (*_made(how, items_of, spec), *doses)))
    found.append(_whole("DS", "withdrawal", people.dispositions()))
    return tuple(one for one in found if one.rows or one.domain == "DM")


def _by_subject(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Commands of each patient's dose, in the order in which they were given."""
    found: dict[str, list[Item]] = {}
    for item in items:
        if item["what"] is not None:
            found.setdefault(item.subject, []).append(item)
    yield from found.values()


def _dosed(span: DoseSpan) -> _Made:
    return _Made(span.to_row(), span.entry, span.item.key, span.item.since)


def _whole(domain: str, kind: str, made: Iterable[_Made]) -> Rows:
    rows = sorted(made, key=lambda one: (one.entry, one.since, one.key))
    # Variables that nobody filled are left out: each costs a reader's time at every new value.
    variables = list(
        dict.fromkeys(name for one in rows for name, told in one.row.items() if told is not None)
    )
    told = tuple({name: one.row.get(name) for name in variables} for one in rows)
    return Rows(domain, kind, told, tuple(one.entry for one in rows), tuple(one.key for one in rows))


# One thing, one row -------------------------------------------------------------------------------


def _made(how: DatasetOf, items: Iterable[Item], spec: Protocol) -> Iterator[_Made]:
    numbers = {visit.name: visit.number for visit in spec.schedule.visits}
    nothing = _NOT_CODED if how.domain == "CM" else _NOTHING
    for item in items:
        if any(fact.field in _NEVER for fact in item.facts.values()):
            continue
        row: Row = {}
        entries = [item.since]
        for variable, attributes in how.columns.items():
            row[variable] = None
            for attribute in attributes:
                fact = item.facts.get(attribute)
                if fact is not None and fact.value not in nothing:
                    row[variable] = _text(fact.value)
                    entries.append(fact.entry)
                    break
        if any(row[name] is None for name in how.required):
            continue
        row |= how.constants
        row["USUBJID"] = row["USUBJID"] or item.subject
        if how.domain == "SV" and row["VISIT"] in numbers:
            row["VISITNUM"] = f"{numbers[str(row['VISIT'])]:g}"
        yield _Made(row, max(entries), item.key, item.since)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "Y" if value else "N"
    return str(value)


# Several things, one row --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _People:
    """Datasets about the subjects themselves."""

    by_kind: Mapping[str, list[Item]]
    spec: Protocol
    zones: Mapping[str, str]
    countries: Mapping[str, str]
    doses: tuple[DoseSpan, ...] = ()

    def demographics(self) -> Iterator[_Made]:
        consents = self._dates("consent", "date", "given_on", "signed_on", latest=False)
        deaths = {**self._endings(Ending.DEATH), **self._deaths()}
        drug_ends = self._endings(Ending.DRUG)
        last = self._endings(Ending.STUDY, Ending.CONSENT, Ending.COMPLETED)
        first_doses = self._dates(
            "dispensing", "first_dose_on", "start", "date", "dispensed_on", latest=False
        )
        for span in reversed(self.doses):  # the first one stands at last
            first_doses[span.item.subject] = (span.first.isoformat(), span.entry)
        for item in self._subjects():
            day_one = self._day_one(item)
            named = {fact.entry for fact in item.facts.values()}
            facts = {
                "RFICDTC": consents.get(item.key),
                "RFXSTDTC": first_doses.get(item.key),
                "RFXENDTC": drug_ends.get(item.key),
                "RFPENDTC": last.get(item.key),
                "DTHDTC": deaths.get(item.key),
            }
            row: Row = {
                "STUDYID": self.spec.name,
                "USUBJID": item.key,
                "SITEID": _said(item, "site"),
                "COUNTRY": self.countries.get(item.site),
                "SEX": _said(item, "sex"),
                "RACE": _said(item, "race"),
                "ETHNIC": _said(item, "ethnicity"),
                "BRTHDTC": _said(item, "birth_date") or _said(item, "birth_year"),
                "AGE": _said(item, "age_years") or _said(item, "age") or self._age(item, day_one, consents),
                "AGEU": "YEARS",
                "RANDDT": None if day_one is None else day_one.isoformat(),
                **{name: None if told is None else told[0] for name, told in facts.items()},
            }
            entries = [*named, *(told[1] for told in facts.values() if told is not None)]
            yield _Made(row, max(entries), item.key, item.since)

    def others(self) -> Iterator[_Made]:
        """Further characteristics; strata as used (`stratum.`) and as they are (`stratum_actual.`)."""
        for item in self._subjects():
            for attribute, fact in item.facts.items():
                if attribute in NOT_COVARIATES or fact.value in (None, "") or fact.field in _NEVER:
                    continue
                if attribute.startswith(_STRATUM) and attribute.removeprefix(_STRATUM) not in item.facts:
                    yield self._other(item, attribute.removeprefix(_STRATUM), fact)
                yield self._other(item, attribute, fact)

    def _other(self, item: Item, name: str, fact: Fact) -> _Made:
        row: Row = {"USUBJID": item.key, "RDOMAIN": "DM", "QNAM": name, "QVAL": _text(fact.value)}
        return _Made(row, fact.entry, f"{item.key}/{name}", item.since)

    def dispositions(self) -> Iterator[_Made]:
        """Ends of participation; that the drug was stopped is no end, and is told in DM."""
        for item in self._of("screen_failure"):
            on = _said(item, "date")
            yield self._disposition(item, "SCREEN FAILURE", _said(item, "reason") or "", on)
        for item, entry in self.endings():
            if entry.what is not Ending.DRUG:
                coded = self._coded(entry)
                yield self._disposition(item, coded, entry.reason or coded, entry.date.isoformat())

    def _disposition(self, item: Item, coded: str, reason: str, on: str | None) -> _Made:
        row: Row = {
            "USUBJID": item.subject,
            "DSCAT": "DISPOSITION EVENT",
            "DSDECOD": coded,
            "DSTERM": reason or coded,
            "DSSTDTC": on,
        }
        return _Made(row, max(fact.entry for fact in item.facts.values()), item.key, item.since)

    def _coded(self, entry: EndingEntry) -> str:
        """The coded term, as the protocol's own lists have it."""
        if entry.what is Ending.COMPLETED:
            return next(iter(self.spec.withdrawals.completed), "COMPLETED")
        if entry.what is Ending.DEATH:
            return "DEATH"
        terms = reasons_of(self.spec, entry.what).get(entry.reason, ())
        return terms[0] if terms else entry.reason.upper()

    def endings(self) -> Iterator[tuple[Item, EndingEntry]]:
        """Endings in force, each with the thing that tells it."""
        by_subject: dict[str, list[Item]] = {}
        for kind in ("withdrawal", "consent"):
            for item in self._of(kind):
                by_subject.setdefault(item.subject, []).append(item)
        for items in by_subject.values():
            by_key = {item.key: item for item in items}
            for entry in current_endings(endings_from(items)):
                yield by_key[entry.id], entry

    # Dates ---------------------------------------------------------------------------------------

    def _of(self, kind: str) -> list[Item]:
        return self.by_kind.get(kind, [])

    def _subjects(self) -> list[Item]:
        return self._of("subject")

    def _day_one(self, item: Item) -> date | None:
        told = _said(item, "day_one")
        return date_in(self.zones.get(item.site, "UTC"), told or _said(item, "randomized_at") or "")

    def _age(self, item: Item, day_one: date | None, consents: Mapping[str, tuple[str, int]]) -> str | None:
        """In whole years: the year of consent (or of day 1) less that of birth."""
        year = _said(item, "birth_year")
        consent = consents.get(item.key)
        on = consent[0] if consent else "" if day_one is None else day_one.isoformat()
        on = on or _said(item, "screened_on") or ""
        if year is None or not year.isdigit() or not on[:4].isdigit():
            return None
        return str(int(on[:4]) - int(year))

    def _dates(self, kind: str, *attributes: str, latest: bool) -> dict[str, tuple[str, int]]:
        found: dict[str, tuple[str, int]] = {}
        for item in self._of(kind):
            for attribute in attributes:
                fact = item.facts.get(attribute)
                if fact is not None and isinstance(fact.value, str) and fact.value:
                    told = (fact.value[:10], fact.entry)
                    known = found.setdefault(item.subject, told)
                    found[item.subject] = max(known, told) if latest else min(known, told)
                    break
        return found

    def _endings(self, *what: Ending) -> dict[str, tuple[str, int]]:
        found: dict[str, tuple[str, int]] = {}
        for item, entry in self.endings():
            if entry.what in what:
                told = (entry.date.isoformat(), max(fact.entry for fact in item.facts.values()))
                found[item.subject] = min(found.get(item.subject, told), told)
        return found

    def _deaths(self) -> dict[str, tuple[str, int]]:
        found: dict[str, tuple[str, int]] = {}
        for item in self._of("vital_status"):
            is_dead = item["is_alive"] is False or str(item["status"] or "") in ("dead", "died", "death")
            fact = item.facts.get("death_date") or (item.facts.get("date") if is_dead else None)
            if fact is not None and isinstance(fact.value, str) and fact.value:
                found[item.subject] = (fact.value, fact.entry)
        return found


def _said(item: Item, attribute: str) -> str | None:
    value = item[attribute]
    return None if value in (None, "") else _text(value)


def date_in(zone: str, written: str) -> date | None:
    """The calendar day of a time in a zone; of a date, itself."""
    if not written:
        return None
    if len(written) == 10:
        return date.fromisoformat(written)
    at = datetime.fromisoformat(written)
    return (at if at.tzinfo is None else at.astimezone(ZoneInfo(zone))).date()
