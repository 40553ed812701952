"""Drugs that a protocol prohibits, avoids, or lets begin only with approval: flags as they are entered.

A drug is found by its name in a dictionary, and flagged by what the protocol names: the drug, or a class of
it.  Flags are the same in every arm, also for a drug that matters in one arm only.  A drug that is not in the
dictionary is flagged as such, for nobody looked.  When the dictionary or the protocol has a new version, all
entries are looked at again: what is new is raised, what no longer holds is closed, and both are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from importlib import resources
from typing import Any

from flarefree.errors import ConductError, DesignError
from flarefree.protocol.amounts import parse_daily_dose
from flarefree.protocol.schema import Protocol

__all__ = [
    "DrugDictionary",
    "DrugFlag",
    "DrugRules",
    "FlagKind",
    "Medication",
    "Review",
    "builtin_dictionary",
    "drug_rules",
    "flags_of",
    "review",
]


class FlagKind(StrEnum):
    """Why a drug is flagged, the gravest first."""

    STUDY_DRUG = "a study drug outside the blinded supply"
    PROHIBITED = "prohibited"
    INTERACTING = "avoided: it changes the level of a study drug"
    NEEDS_APPROVAL = "needs the medical monitor's approval"
    ABOVE_CEILING = "above the highest dose allowed"
    NOT_CODED = "not in the dictionary: nobody knows whether it is allowed"


@dataclass(frozen=True, slots=True)
class DrugDictionary:
    """Generic names with their classes, and other names that mean them; all in small letters.

    Attributes
    ----------
    version : str
    classes : mapping
        Generic name to classes.
    names : mapping
        Any name to the generic one.
    """

    version: str
    classes: Mapping[str, tuple[str, ...]]
    names: Mapping[str, str]

    @classmethod
    def of(cls, version: str, drugs: Mapping[str, Mapping[str, Any]]) -> DrugDictionary:
        """From generic names, each with `classes` and other `names`.

        Raises
        ------
        DesignError
            A name means two drugs.
        """
        classes: dict[str, tuple[str, ...]] = {}
        names: dict[str, str] = {}
        for generic, told in drugs.items():
            key = _plain(generic)
            classes[key] = tuple(_plain(name) for name in told.get("classes", ()))
            for name in (generic, *told.get("names", ())):
                if names.setdefault(_plain(name), key) != key:
                    raise DesignError(
                        "a name means two drugs",
                        where="dictionary",
                        found=f"{name}: {names[_plain(name)]} and {generic}",
                    )
        return cls(version, classes, names)

    def find(self, written: str) -> tuple[str, ...]:
        """Generic names in a text, in its order: `Co-diovan (valsartan)` has one, a combination more."""
        text = _plain(written)
        if text in self.names:
            return (self.names[text],)
        found = (self.names[match] for match in self._pattern().findall(text))
        return tuple(dict.fromkeys(found))

    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self.names, key=lambda name: (-len(name), name))
        return re.compile(
            r"\b(" + "|".join(map(re.escape, longest_first)) + r")\b" if longest_first else r"(?!)"
        )


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())


def builtin_dictionary() -> DrugDictionary:
    """The dictionary that comes with flarefree: drugs of the built-in protocols, and their like."""
    from ruamel.yaml import YAML

    text = resources.files("flarefree.conduct").joinpath("drugs.yaml").read_text("utf-8")
    values = YAML(typ="safe", pure=True).load(text)
    return DrugDictionary.of(values["version"], values["drugs"])


@dataclass(frozen=True, slots=True)
class DrugRules:
    """What a protocol says of drugs, and its digest; names and classes in small letters, in one number."""

    protocol: str
    study_drugs: tuple[str, ...]
    prohibited: tuple[str, ...]
    interacting: tuple[str, ...]
    needs_approval: tuple[str, ...]
    glucocorticoids: tuple[str, ...]
    ceiling_mg: float | None


OTHER_IMMUNOSUPPRESSANT = "other immunosuppressant"


def drug_rules(spec: Protocol, digest: str) -> DrugRules:
    """The rules of a protocol; `digest` is its version's."""
    rules = spec.dosing
    study = {
        _plain(name)
        for arm in spec.arms.values()
        for regimen in arm.regimens
        if not regimen.is_placebo
        for name in (regimen.drug, *regimen.codes)
    }
    ceiling = rules.prednisone_ceiling
    return DrugRules(
        protocol=digest,
        study_drugs=tuple(sorted(study)),
        prohibited=tuple(map(_plain, rules.prohibited)),
        interacting=tuple(map(_plain, rules.interacting)),
        needs_approval=tuple(map(_plain, rules.needs_approval)),
        glucocorticoids=tuple(map(_plain, rules.glucocorticoids)),
        ceiling_mg=float(parse_daily_dose(ceiling).mg) if ceiling else None,
    )


@dataclass(frozen=True, slots=True)
class Medication:
    """One entry of a patient's drugs.

    Attributes
    ----------
    id, subject, written : str
        The name as it was entered.
    start : date
    end : date or None
    prednisone_mg : float or None
        A day, in its equivalent of prednisone, where it is a glucocorticoid.
    approved_by : str
        The medical monitor's approval, where one is needed.
    """

    id: str
    subject: str
    written: str
    start: date
    end: date | None = None
    prednisone_mg: float | None = None
    approved_by: str = ""

    def __post_init__(self) -> None:
        if not self.written.strip():
            raise ConductError("a drug has a name", where="written", found="nothing")
        if self.end is not None and self.end < self.start:
            raise ConductError(
                "a drug ends before it begins", where="end", found=f"{self.start} to {self.end}"
            )


@dataclass(frozen=True, slots=True)
class DrugFlag:
    """A flag, with all that it rests on: entry, drug, the protocol's word, both versions."""

    medication: str
    subject: str
    kind: FlagKind
    drug: str
    word: str
    dictionary: str
    protocol: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it the same flag under another version."""
        return self.medication, self.kind.value, self.drug, self.word


def flags_of(
    medication: Medication, dictionary: DrugDictionary, rules: DrugRules, begin: date, end: date | None = None
) -> tuple[DrugFlag, ...]:
    """Flags of one entry, the gravest first; none if the drug was not taken between two dates.

    Parameters
    ----------
    medication : Medication
    dictionary : DrugDictionary
    rules : DrugRules
    begin, end : date
        Study treatment: day 1, and its last date; both count.  What ended before day 1 is history.
    """
    if (medication.end is not None and medication.end < begin) or (
        end is not None and medication.start > end
    ):
        return ()
    drugs = dictionary.find(medication.written)
    found = [
        (kind, drug, word) for drug in drugs for kind, word in _kinds(drug, medication, dictionary, rules)
    ]
    if not drugs:
        # A protocol may name what the dictionary lacks: its own words are looked for all the same.
        text = _plain(medication.written)
        found = [(kind, text, word) for kind, word in _by_words({text}, medication, rules)]
        found.append((FlagKind.NOT_CODED, text, ""))
    order = list(FlagKind)
    return tuple(
        DrugFlag(medication.id, medication.subject, kind, drug, word, dictionary.version, rules.protocol)
        for kind, drug, word in sorted(found, key=lambda row: (order.index(row[0]), row[1:]))
    )


def _kinds(
    drug: str, medication: Medication, dictionary: DrugDictionary, rules: DrugRules
) -> Iterator[tuple[FlagKind, str]]:
    classes = set(dictionary.classes.get(drug, ()))
    names = {name for name, generic in dictionary.names.items() if generic == drug}
    yield from _by_words(names | classes, medication, rules)
    is_other = "immunosuppressant" in classes and not names & set(rules.study_drugs)
    if is_other and OTHER_IMMUNOSUPPRESSANT in rules.prohibited:
        yield FlagKind.PROHIBITED, OTHER_IMMUNOSUPPRESSANT


def _by_words(words: set[str], medication: Medication, rules: DrugRules) -> Iterator[tuple[FlagKind, str]]:
    """Which of the protocol's words fit a drug's names and classes."""
    steroid = words & set(rules.glucocorticoids)
    if not steroid:  # background steroid may be a regimen of the arms, and is open all the same
        yield from ((FlagKind.STUDY_DRUG, word) for word in _longest(words & set(rules.study_drugs)))
    yield from ((FlagKind.PROHIBITED, word) for word in rules.prohibited if word in words)
    yield from ((FlagKind.INTERACTING, word) for word in rules.interacting if word in words)
    if not medication.approved_by.strip():
        yield from ((FlagKind.NEEDS_APPROVAL, word) for word in rules.needs_approval if word in words)
    dose = medication.prednisone_mg
    if steroid and rules.ceiling_mg is not None and dose is not None and dose > rules.ceiling_mg:
        yield FlagKind.ABOVE_CEILING, f"{rules.ceiling_mg:g} mg/day of prednisone"


def _longest(words: set[str]) -> list[str]:
    """The most telling of several names of one drug, if there is any."""
    return sorted(words, key=lambda word: (-len(word), word))[:1]


@dataclass(frozen=True, slots=True)
class Review:
    """All entries looked at again under new versions.

    Attributes
    ----------
    raised, closed, kept : tuple of DrugFlag
        New under the new versions; no longer holding (as they were raised); holding still (as they now are).
    """

    raised: tuple[DrugFlag, ...]
    closed: tuple[DrugFlag, ...]
    kept: tuple[DrugFlag, ...]

    @property
    def open(self) -> tuple[DrugFlag, ...]:
        """What holds now."""
        return (*self.raised, *self.kept)


def review(
    open_flags: Iterable[DrugFlag],
    medications: Iterable[Medication],
    dictionary: DrugDictionary,
    rules: DrugRules,
    treated: Mapping[str, tuple[date, date | None]],
) -> Review:
    """Look at every entry again, because dictionary, protocol, entries or dates have changed.

    Parameters
    ----------
    open_flags : iterable of DrugFlag
    medications : iterable of Medication
        All entries of all patients in force.
    dictionary : DrugDictionary
    rules : DrugRules
    treated : mapping
        Subject to the first and last date of study treatment.

    Raises
    ------
    ConductError
        A patient with entries has no dates of treatment: the entries would be passed over silently.
    """
    before = {flag.key: flag for flag in open_flags}
    now: dict[tuple[str, str, str, str], DrugFlag] = {}
    for medication in medications:
        if medication.subject not in treated:
            raise ConductError(
                "this patient has no dates of treatment", where="treated", found=medication.subject
            )
        begin, end = treated[medication.subject]
        now.update((flag.key, flag) for flag in flags_of(medication, dictionary, rules, begin, end))
    return Review(
        raised=tuple(flag for key, flag in now.items() if key not in before),
        closed=tuple(flag for key, flag in before.items() if key not in now),
        kept=tuple(flag for key, flag in now.items() if key in before),
    )
