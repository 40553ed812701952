"""What an import would do: every row judged against the record, all findings together, nothing written.

A result is the same as one in the record if its laboratory's number and test agree, or else patient, test
and time of collection.  A later result time corrects, an earlier one is left aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from flarefree.conduct.rule_taint import revealing_measures
from flarefree.errors import ConductError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.web.commands.gates import date_at_site, stands
from flarefree.web.forms.checking import Checked, check_result
from flarefree.web.forms.laboratory import LabRow, Unread, read_laboratory_file
from flarefree.web.forms.meanings import SCORES, field_of, measure_of_test
from flarefree.web.record.reading import Item, read_thing, read_things
from flarefree.web.trial import running_trial

__all__ = ["ARM_TYPICAL", "ImportFinding", "ImportReport", "Taken", "judge_import"]

ARM_TYPICAL: Mapping[str, tuple[str, ...]] = {
    "azathioprine": ("6TGN", "6-TGN", "6MMP", "6-MMP", "MCV", "TPMT"),
    "mycophenolate mofetil": ("MPA", "MPAG", "ACMPAG"),
    "tacrolimus": ("TACROL", "TAC", "FK506", "TACRO"),
    "ciclosporin": ("CYCLSPRN", "CSA"),
    "voclosporin": ("VOCLOSP", "VCS"),
}
"""Tests whose results tell who takes which drug: metabolites, levels, and the red-cell volume, which
azathioprine raises.  They are handed to the vault and never stand in the record."""


_LIMIT = re.compile(r"(?:-?[0-9]{1,9}(?:\.[0-9]{1,9})?)?")


@dataclass(frozen=True, slots=True)
class ImportFinding:
    """One oddity of a file, with its row; `error` rows are not taken."""

    row: int
    severity: Literal["error", "warning", "note"]
    code: str
    message: str
    subject: str = ""
    found: str = ""
    expected: str = ""

    def to_row(self) -> dict[str, Any]:
        """For answers in JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Taken:
    """A row that may be taken.

    Attributes
    ----------
    row : LabRow
    subject : Item
    result : Checked or None
        None for what goes to the vault.
    corrects : Item or None
        The row of the record that it replaces.
    """

    row: LabRow
    subject: Item
    result: Checked | None
    corrects: Item | None = None


@dataclass(frozen=True)
class ImportReport:
    """All that a file would bring.

    Attributes
    ----------
    rows : int
        In the file.
    taken, to_vault : tuple of Taken
    findings : tuple of ImportFinding
        By row.
    """

    rows: int
    taken: tuple[Taken, ...]
    to_vault: tuple[Taken, ...]
    findings: tuple[ImportFinding, ...] = field(repr=False)

    @property
    def errors(self) -> tuple[ImportFinding, ...]:
        """Findings whose rows are not taken."""
        return tuple(one for one in self.findings if one.severity == "error")

    @property
    def corrections(self) -> tuple[Taken, ...]:
        """Rows that replace an earlier result."""
        return tuple(one for one in self.taken if one.corrects is not None)


def judge_import(text: str, at: datetime, sites: frozenset[str] | None = None) -> ImportReport:
    """Judge a file against the record as it stands.

    Parameters
    ----------
    text : str
    at : datetime
        When it is asked, with its zone.
    sites : frozenset of str, optional
        Only patients of these sites exist for whoever asks; all if not given.

    Raises
    ------
    ReadError
        The file as a whole cannot be read.
    """
    trial = running_trial()
    # Times with an offset need a zone; it is the site's, which is known once the patient is.
    rows, unread = read_laboratory_file(text)
    zones = set(_zones(rows)) - {"UTC"}
    by_zone = {"UTC": rows, **{zone: read_laboratory_file(text, zone)[0] for zone in sorted(zones)}}
    judging = _Judging(trial.protocol, at, sites)
    for place, row in enumerate(rows):
        subject = judging.subject(row.subject)
        zone = trial.zone_of(subject.site) if subject is not None else "UTC"
        judging.judge(by_zone[zone][place], subject)
    findings = [*map(_unread, unread), *judging.findings]
    return ImportReport(
        len(rows) + len(unread),
        tuple(judging.taken),
        tuple(judging.to_vault),
        tuple(sorted(findings, key=lambda one: one.row)),
    )


def _zones(rows: Iterable[LabRow]) -> list[str]:
    trial = running_trial()
    sites = {item.site for name in {row.subject for row in rows} if (item := read_thing("subject", name))}
    return [trial.zone_of(site) for site in sorted(sites)]


def _unread(one: Unread) -> ImportFinding:
    return ImportFinding(one.row, "error", one.code, one.message, found=one.found)


class _Judging:
    def __init__(self, protocol: LoadedProtocol, at: datetime, sites: frozenset[str] | None) -> None:
        self.protocol, self.at, self.sites = protocol, at, sites
        self.findings: list[ImportFinding] = []
        self.taken: list[Taken] = []
        self.to_vault: list[Taken] = []
        self._subjects: dict[str, Item | None] = {}
        self._known: dict[str, dict[tuple[str, ...], Item]] = {}
        self._seen: dict[tuple[str, ...], LabRow] = {}
        self._revealing = revealing_measures(protocol)
        self._typical, self._drugs = _typical_tests(protocol), _names_of_drugs(protocol)

    def subject(self, name: str) -> Item | None:
        """The patient, if there is one for whoever asks."""
        if name not in self._subjects:
            item = read_thing("subject", name)
            is_seen = item is not None and (self.sites is None or item.site in self.sites)
            self._subjects[name] = item if is_seen else None
        return self._subjects[name]

    def judge(self, row: LabRow, subject: Item | None) -> None:
        """Where a row goes, or what is wrong with it."""
        problem = self._problem(row, subject)
        if problem is not None or subject is None:
            self.findings.append(problem or _error(row, "unknown-subject", "there is no such patient"))
            return
        if self._is_revealing(row.test):
            self._to_vault(row, subject)
            return
        self._take(row, subject)

    def _problem(self, row: LabRow, subject: Item | None) -> ImportFinding | None:
        if subject is None:
            return _error(row, "unknown-subject", "there is no such patient", found=row.subject)
        if row.status == "preliminary":
            return ImportFinding(
                row.row, "note", "preliminary", "a preliminary result is left aside", subject.key
            )
        if row.status == "cannot" or not row.value:
            return ImportFinding(row.row, "note", "no-result", "the laboratory has no result", subject.key)
        if not row.date:
            return _error(row, "no-date", "the row has no date of collection")
        return self._of_time(row, subject)

    def _of_time(self, row: LabRow, subject: Item) -> ImportFinding | None:
        today = date_at_site(subject.site, self.at)
        when = date.fromisoformat(row.date)
        if when > today:
            return _error(row, "future-date", "collected in the future", found=row.date)
        if subject["birth_year"] is not None and when.year < int(subject["birth_year"]):
            return _error(row, "before-birth", "collected before the patient was born", found=row.date)
        ended = self._consent_ended(subject.key)
        if ended and row.date >= ended:
            return _error(
                row,
                "after-consent",
                "collected after consent was withdrawn",
                found=row.date,
                expected=f"before {ended}",
            )
        return None

    def _consent_ended(self, subject: str) -> str:
        ended = [
            str(item["withdrawn_on"])
            for item in read_things("consent", subject=subject)
            if stands(item) and item["withdrawn_on"]
        ]
        return min(ended, default="")

    def _is_revealing(self, test: str) -> bool:
        measure = measure_of_test(self.protocol, test)
        if measure:
            return measure in self._revealing
        # However a laboratory spells a study drug's test, its name does not enter the record as unknown.
        plain = re.sub(r"[\W_]", "", test.casefold())
        return plain in self._typical or any(plain.startswith(name) for name in self._drugs)

    def _to_vault(self, row: LabRow, subject: Item) -> None:
        """Findings here name no value: they are answered, and answers stand in the record's database."""
        is_trough = measure_of_test(self.protocol, row.test) in self._revealing
        if is_trough and not (row.accession and "T" in row.resulted):
            self.findings.append(
                _error(row, "no-sample", "this test needs the sample's number and the time of its result")
            )
        elif not self._is_repeated_in_file(row, row.test.casefold()):
            self.to_vault.append(Taken(row, subject, None))

    def _take(self, row: LabRow, subject: Item) -> None:
        measure = measure_of_test(self.protocol, row.test)
        if not measure:
            self.findings.append(_error(row, "unknown-test", "the protocol has no such test", found=row.test))
            return
        if field_of(self.protocol, measure) == SCORES:
            self.findings.append(_error(row, "not-laboratory", "an examiner scores this", found=row.test))
            return
        if not all(map(_LIMIT.fullmatch, (row.low, row.high))):
            found = f"{row.low} to {row.high}"
            self.findings.append(
                _error(row, "unreadable-limits", "limits of normal are numbers", found=found)
            )
            return
        try:
            result = check_result(self.protocol, measure, row.value, row.unit)
        except ConductError as error:
            code = "unknown-unit" if error.where.endswith(".unit") else "unreadable-result"
            self.findings.append(_error(row, code, error.what, found=error.found, expected=error.expected))
            return
        if self._is_repeated_in_file(row, measure):
            return
        earlier = self._earlier(row, subject.key, measure)
        if earlier is None:
            self.taken.append(Taken(row, subject, result))
        else:
            self._again(row, subject, result, earlier)

    def _is_repeated_in_file(self, row: LabRow, measure: str) -> bool:
        """Twice in one file: the same result is a note; another one counts if its time is later."""
        key = _identity(row.accession, row.subject, measure, row.collected)
        other = self._seen.get(key)
        self._seen.setdefault(key, row)
        if other is None:
            return False
        if (other.value, other.unit) == (row.value, row.unit):
            message = f"says the same as row {other.row}"
            self.findings.append(ImportFinding(row.row, "note", "duplicate-row", message, row.subject))
            return True
        if row.resulted > other.resulted:
            self._drop(other)
            self._seen[key] = row
            message = f"corrects row {other.row} by its later result time"
            self.findings.append(ImportFinding(row.row, "note", "corrected-in-file", message, row.subject))
            return False
        if row.resulted < other.resulted:
            message = f"row {row.row} is older than row {other.row}, and left aside"
            self.findings.append(ImportFinding(row.row, "note", "older-result", message, row.subject))
            return True
        message = f"contradicts row {other.row}, and neither has the later result time"
        self.findings.append(_error(row, "contradictory-rows", message, found=""))
        self._drop(other)
        return True

    def _drop(self, row: LabRow) -> None:
        self.taken = [one for one in self.taken if one.row.row != row.row]
        self.to_vault = [one for one in self.to_vault if one.row.row != row.row]

    def _earlier(self, row: LabRow, subject: str, measure: str) -> Item | None:
        if subject not in self._known:
            self._known[subject] = {
                key: item
                for kind in ("lab", "score")
                for item in read_things(kind, subject=subject)
                if stands(item) and item["measure"] and item["source"]
                for key in _keys_of(item)
            }
        key = _identity(row.accession, subject, measure, row.collected)
        return self._known[subject].get(key)

    def _again(self, row: LabRow, subject: Item, result: Checked, earlier: Item) -> None:
        if (earlier["value"], str(earlier["unit"] or "")) == (result.value, result.unit):
            self.findings.append(
                ImportFinding(row.row, "note", "known", "this result is in the record already", subject.key)
            )
        elif row.resulted and row.resulted > str(earlier["resulted"] or ""):
            self.taken.append(Taken(row, subject, result, earlier))
            message = f"corrects {earlier['value']} {earlier['unit'] or ''}".rstrip()
            self.findings.append(
                ImportFinding(row.row, "warning", "corrects", message, subject.key, found=row.value)
            )
        elif row.resulted and row.resulted < str(earlier["resulted"] or ""):
            message = "the record has a later result of this sample"
            self.findings.append(ImportFinding(row.row, "note", "older-result", message, subject.key))
        else:
            self.findings.append(
                _error(
                    row,
                    "contradicts-record",
                    "the record has another result of this sample, and no result time says which is later",
                    found=row.value,
                    expected=str(earlier["value"]),
                )
            )


def _study_drugs(protocol: LoadedProtocol) -> frozenset[str]:
    regimens = (regimen for arm in protocol.spec.arms.values() for regimen in arm.regimens)
    return frozenset(regimen.drug.casefold() for regimen in regimens if not regimen.is_placebo)


def _typical_tests(protocol: LoadedProtocol) -> frozenset[str]:
    tests = (test for drug in _study_drugs(protocol) for test in ARM_TYPICAL.get(drug, ()))
    return frozenset(re.sub(r"[\W_]", "", test.casefold()) for test in tests)


def _names_of_drugs(protocol: LoadedProtocol) -> tuple[str, ...]:
    """The first word of each drug's name, as a test named after it begins: `Tacrolimus, whole blood`."""
    return tuple(sorted({drug.split()[0] for drug in _study_drugs(protocol)}))


def _identity(accession: str, subject: str, measure: str, collected: str) -> tuple[str, ...]:
    if accession:
        return ("accession", accession, subject, measure)
    return ("time", subject, measure, collected)


def _keys_of(item: Item) -> tuple[tuple[str, ...], ...]:
    measure, when = str(item["measure"]), str(item["collected"] or item["date"])
    return (_identity(str(item["accession"] or ""), item.subject, measure, when),)


def _error(row: LabRow, code: str, message: str, *, found: str = "", expected: str = "") -> ImportFinding:
    return ImportFinding(row.row, "error", code, message, row.subject[:40], found[:60], expected[:200])
