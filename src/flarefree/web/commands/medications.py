"""Drugs that patients take beside the trial's: flagged in the same transaction, approved, looked at again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, ClassVar

from pydantic import Field

from flarefree.conduct.audit.entries import Value
from flarefree.conduct.drugs import (
    DrugDictionary,
    DrugFlag,
    DrugRules,
    FlagKind,
    Medication,
    builtin_dictionary,
    drug_rules,
    flags_of,
    review,
)
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.endings import participation_from, require_participating
from flarefree.web.commands.gates import date_at_site, stands
from flarefree.web.commands.naming import new_key
from flarefree.web.commands.parts import (
    NOTHING_HERE,
    Key,
    Line,
    Number,
    PartialDate,
    Reason,
    SubjectKey,
    day_one_of,
    earliest_of,
    require_day,
    require_scope,
    row_for,
    subject_for,
    writes_of,
)
from flarefree.web.record.reading import Item, read_thing, read_things
from flarefree.web.trial import running_trial

__all__ = [
    "ApproveMedication",
    "CorrectMedication",
    "RecordMedication",
    "ReviewMedications",
    "dictionary",
    "review_when_due",
]

_FIELD, _FINDINGS = "medications.record", "findings.record"
_MOST_MG = 5000.0


@lru_cache(maxsize=1)
def dictionary() -> DrugDictionary:
    """The drug dictionary of this installation."""
    return builtin_dictionary()


def rules_now() -> DrugRules:
    """What the protocol in force says of drugs."""
    protocol = running_trial().protocol
    return drug_rules(protocol.spec, protocol.digest)


class RecordMedication(Command):
    """A drug that the patient takes or took.

    Attributes
    ----------
    drug : str
        As it was said; found in the dictionary by any of its names.
    start, end : partial dates
        No end: it is still taken.
    dose, unit, route, indication : str
    prednisone_mg : number, optional
        Of a glucocorticoid, what it is a day as prednisone.
    """

    name: ClassVar[str] = "record_medication"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    drug: Line
    start: PartialDate
    end: PartialDate | None = None
    dose: Number | None = None
    unit: Annotated[str, Field(max_length=40)] = ""
    route: Annotated[str, Field(max_length=60)] = ""
    frequency: Annotated[str, Field(max_length=60)] = ""
    indication: Annotated[str, Field(max_length=200)] = ""
    prednisone_mg: Number | None = None

    def plan(self, asked: Asked) -> Plan:
        """The entry, with its flags (V4)."""
        subject = subject_for(asked, self.subject, "record", _FIELD)
        require_day(asked, subject, earliest_of(self.start), "start")
        require_participating(read_things(subject=subject.key), earliest_of(self.start))
        if self.prednisone_mg is not None and float(self.prednisone_mg) > _MOST_MG:
            raise ConductError("nobody takes so much", where="prednisone_mg", found=self.prednisone_mg)
        key = new_key(asked.request)
        generic = dictionary().find(self.drug)
        told: dict[str, Value] = {
            "drug": self.drug,
            "generic": ", ".join(generic) or None,
            "drug_class": ", ".join(_classes(generic)) or None,
            "start": self.start,
            "end": self.end,
            "dose": self.dose,
            "unit": self.unit or None,
            "route": self.route or None,
            "frequency": self.frequency or None,
            "indication": self.indication or None,
            "prednisone_mg": self.prednisone_mg,
        }
        flags = _flags(_medication(key, subject.key, told), subject, asked)
        writes = (
            *writes_of("medication", key, _FIELD, told, subject=subject),
            *_flag_writes(flags, (), {subject.key: subject}),
        )
        return Plan(
            f"medication/{key}",
            site=subject.site,
            writes=writes,
            result={"medication": key, "flags": [_said(flag) for flag in flags]},
        )


def _classes(generic: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for drug in generic for name in dictionary().classes.get(drug, ())))


class CorrectMedication(Command):
    """An entry is replaced or completed: its end, its dose, its name.  Its flags follow."""

    name: ClassVar[str] = "correct_medication"
    verb: ClassVar[str] = "correct"
    key: Key
    drug: Line | None = None
    start: PartialDate | None = None
    end: PartialDate | None = None
    dose: Number | None = None
    unit: Annotated[str, Field(max_length=40)] | None = None
    route: Annotated[str, Field(max_length=60)] | None = None
    frequency: Annotated[str, Field(max_length=60)] | None = None
    indication: Annotated[str, Field(max_length=200)] | None = None
    prednisone_mg: Number | None = None
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """What is not given stays."""
        row, subject = _row(asked, self.key, "correct")
        told: dict[str, Value] = self.model_dump(exclude_none=True, exclude={"key", "reason"})
        if self.drug is not None:
            generic = dictionary().find(self.drug)
            told |= {
                "generic": ", ".join(generic) or "not coded",
                "drug_class": ", ".join(_classes(generic)) or "none",
            }
        whole = {name: row[name] for name in row.facts} | told
        for name in ("start", "end"):
            if whole.get(name) and name in told:
                require_day(asked, subject, earliest_of(str(whole[name])), name)
        flags = _flags(_medication(row.key, subject.key, whole), subject, asked)
        writes = (
            *writes_of("medication", row.key, _FIELD, told),
            *_flag_writes(flags, _open_flags(row), {subject.key: subject}),
        )
        return Plan(
            row.name,
            site=row.site,
            writes=writes,
            reason=self.reason,
            result={"medication": row.key, "flags": [_said(flag) for flag in flags]},
        )


class ApproveMedication(Command):
    """The medical monitor approves a drug that needs it, or a change of its dose."""

    name: ClassVar[str] = "approve_medication"
    verb: ClassVar[str] = "approve"
    key: Key
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """The flag that asked for approval closes."""
        row, subject = _row(asked, self.key, "approve")
        if row["approved_by"]:
            raise ConductError("this was approved before", where="key", found=self.key)
        told: dict[str, Value] = {
            "approved_by": asked.actor.person if asked.actor else "",
            "approved_because": self.reason,
        }
        whole = {name: row[name] for name in row.facts} | told
        flags = _flags(_medication(row.key, subject.key, whole), subject, asked)
        writes = (
            *writes_of("medication", row.key, _FIELD, told),
            *_flag_writes(flags, _open_flags(row), {subject.key: subject}),
        )
        return Plan(
            row.name,
            site=row.site,
            writes=writes,
            needs=(Need("approve", _FIELD),),
            reason=self.reason,
            result={"medication": row.key},
        )


def _row(asked: Asked, key: str, verb: str) -> tuple[Item, Item]:
    if verb == "approve":
        row = read_thing("medication", key)
        if row is None:
            raise ConductError(NOTHING_HERE)
        require_scope(asked, row.site, verb, _FIELD)
    else:
        row = row_for(asked, "medication", key, verb)
    subject = read_thing("subject", row.subject)
    if subject is None or not stands(row):
        raise ConductError("this row was entered in error", where="key", found=key)
    return row, subject


class ReviewMedications(Command):
    """Every entry of every patient is looked at again: the dictionary or the protocol has a new version."""

    name: ClassVar[str] = "review_medications"
    verb: ClassVar[str] = "record"
    is_machine: ClassVar[bool] = True

    def plan(self, asked: Asked) -> Plan:
        """New flags are raised, those that no longer hold closed; both are kept."""
        subjects = {item.key: item for item in read_things("subject")}
        medications = [
            _medication(item.key, item.subject, {name: item[name] for name in item.facts})
            for item in read_things("medication")
            if stands(item)
        ]
        flags = {item.key: item for item in read_things("drug_flag") if item["status"] == "open"}
        endings: dict[str, list[Item]] = {}
        for item in (*read_things("withdrawal"), *read_things("consent")):
            endings.setdefault(item.subject, []).append(item)
        taking = {medication.subject for medication in medications}
        treated = {key: _treated(subjects[key], asked, endings.get(key, ())) for key in sorted(taking)}
        rules = rules_now()
        found = review(map(_flag_of, flags.values()), medications, dictionary(), rules, treated)
        done: dict[str, Value] = {"dictionary": dictionary().version, "protocol": rules.protocol}
        return Plan(
            "trial/this",
            writes=(
                *_flag_writes(found.open, tuple(flags.values()), subjects),
                *writes_of("drug_review", _LAST, "configuration", done, is_consequence=True),
            ),
            reason="drugs were reviewed",
            result={"raised": len(found.raised), "closed": len(found.closed), "kept": len(found.kept)},
        )


_LAST = "last"
_reviewed: set[tuple[str, str, str]] = set()


def review_when_due(at: datetime) -> bool:
    """Review all entries if the dictionary or the protocol in force is not the one of the last review.

    Asked at each start and after each change of a patient's data: an amendment comes into force by time
    alone.  What this process knows to be reviewed it does not ask again.

    Returns
    -------
    bool
        Whether a review was made.
    """
    from flarefree.web.commands.executing import execute
    from flarefree.web.record.reading import read_head

    head = read_head()
    if head is None:
        return False
    now = (head.chain, dictionary().version, running_trial().standing(at).protocol_digest)
    if now in _reviewed:
        return False
    last = read_thing("drug_review", _LAST)
    is_due = last is None or (last["dictionary"], last["protocol"]) != now[1:]
    if is_due:
        number = 1 + max((fact.entry for fact in last.facts.values()), default=0) if last else 0
        request = f"drug-review/{number}/{now[1]}/{now[2][:16]}"
        execute(ReviewMedications(), Asked(None, request, at, "machine"))
    _reviewed.add(now)
    return is_due


# Flags --------------------------------------------------------------------------------------------


def _medication(key: str, subject: str, told: Mapping[str, Value]) -> Medication:
    end = told.get("end")
    return Medication(
        id=key,
        subject=subject,
        written=str(told["drug"]),
        start=earliest_of(str(told["start"])),
        end=_latest_of(str(end)) if end else None,
        prednisone_mg=float(str(told["prednisone_mg"])) if told.get("prednisone_mg") else None,
        approved_by=str(told.get("approved_by") or ""),
    )


def _latest_of(text: str) -> date:
    """The latest day that a partial date allows: a drug that may still have been taken is looked at."""
    parts = [int(part) for part in text.split("-")]
    if len(parts) == 3:
        return date(*parts)
    year, month = (parts[0], parts[1] + 1) if len(parts) == 2 else (parts[0] + 1, 1)
    return date(year + (month > 12), (month - 1) % 12 + 1, 1) - timedelta(days=1)


def _treated(subject: Item, asked: Asked, endings: Iterable[Item]) -> tuple[date, date | None]:
    """From day 1 to the last day of the drug; of somebody not yet randomized, from today on."""
    day_one = day_one_of(subject)
    if day_one is None:
        return date_at_site(subject.site, asked.at), None
    stops = participation_from(endings).drug_stops
    return day_one, None if stops is None else max(day_one, stops - timedelta(days=1))


def _flags(medication: Medication, subject: Item, asked: Asked) -> tuple[DrugFlag, ...]:
    kinds = ("withdrawal", "consent")
    endings = [item for kind in kinds for item in read_things(kind, subject=subject.key)]
    begin, end = _treated(subject, asked, endings)
    return flags_of(medication, dictionary(), rules_now(), begin, end)


def _said(flag: DrugFlag) -> str:
    return f"{flag.drug}: {flag.kind.value}" + (f" ({flag.word})" if flag.word not in {"", flag.drug} else "")


def _flag_key(flag: DrugFlag) -> str:
    drawn = hashlib.sha256("\n".join(("flarefree drug flag 1", *flag.key)).encode()).hexdigest()
    return f"{flag.medication}.{drawn[:12]}"


def _flag_of(item: Item) -> DrugFlag:
    return DrugFlag(
        medication=str(item["medication"]),
        subject=item.subject,
        kind=FlagKind(str(item["why"])),
        drug=str(item["drug"]),
        word=str(item["word"] or ""),
        dictionary=str(item["dictionary"]),
        protocol=str(item["protocol"]),
    )


def _open_flags(row: Item) -> tuple[Item, ...]:
    return tuple(
        item
        for item in read_things("drug_flag", subject=row.subject)
        if item["medication"] == row.key and item["status"] == "open"
    )


def _flag_writes(
    now: Iterable[DrugFlag], before: Iterable[Item], subjects: Mapping[str, Item]
) -> tuple[Write, ...]:
    return tuple(_flag_changes({_flag_key(flag): flag for flag in now}, before, subjects))


def _flag_changes(
    now: Mapping[str, DrugFlag], before: Iterable[Item], subjects: Mapping[str, Item]
) -> Iterator[Write]:
    for key, flag in now.items():
        told: dict[str, Value] = {
            "medication": flag.medication,
            "why": flag.kind.value,
            "drug": flag.drug,
            "word": flag.word or None,
            "dictionary": flag.dictionary,
            "protocol": flag.protocol,
            "message": _said(flag),
            "status": "open",
        }
        yield from writes_of(
            "drug_flag", key, _FINDINGS, told, subject=subjects[flag.subject], is_consequence=True
        )
    for item in before:
        if item.key not in now:
            yield Write("drug_flag", item.key, "status", _FINDINGS, "closed", is_consequence=True)
