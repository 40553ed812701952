"""Patients enter: screened, described, found eligible by data or not; strata corrected beside the slot."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from flarefree.conduct.audit.entries import Value
from flarefree.conduct.randomization.plan import levels_of
from flarefree.errors import ConductError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.gates import Gates, confirmed_of, gates_of
from flarefree.web.commands.parts import (
    NOTHING_HERE,
    Line,
    Reason,
    SubjectKey,
    moved_to,
    require_scope,
    status_of,
    subject_for,
    today_at,
    writes_of,
)
from flarefree.web.commands.sites import SiteCode
from flarefree.web.record.reading import Item, read_thing, read_things
from flarefree.web.trial import running_trial

__all__ = ["CorrectStratum", "FailScreening", "RecordEligibility", "ScreenSubject", "SetCharacteristics"]

_NUMBER, _WHAT = "subject.number", "subject.characteristics"
_WHOLE_AND_PARTS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?\Z")
_OLDEST = 120
_NEVER_SET = frozenset({"site", "subject", "number", "status", "screened_on", "void", "kit", "channel"})


class ScreenSubject(Command):
    """A patient is considered for the trial, and gets the site's next number.

    Attributes
    ----------
    site : str
    sex : "F" or "M", optional
    birth_year : int, optional
    characteristics : mapping
        What is known already, as `set_characteristics` takes it.
    """

    name: ClassVar[str] = "screen_subject"
    verb: ClassVar[str] = "record"
    site: SiteCode
    sex: Literal["F", "M"] | None = None
    birth_year: Annotated[int, Field(ge=1880, le=2200)] | None = None
    characteristics: dict[str, str] = Field(default_factory=dict, max_length=60)

    def plan(self, asked: Asked) -> Plan:
        """The next number of the site, under the record's lock."""
        require_scope(asked, self.site, "record", _NUMBER)
        site = read_thing("site", self.site)
        if site is None:
            raise ConductError(NOTHING_HERE)
        if site["is_open"] is False:
            raise ConductError("this site takes no new patients", where="site", found=self.site)
        number = 1 + _last_number(self.site)
        key = f"{self.site}-{number:03d}"
        today = today_at(self.site, asked)
        described = characteristics_told(self.characteristics)
        for born in (self.birth_year, described.get("birth_year")):
            _require_lifetime(born, today.year)
        writes = (
            *writes_of("subject", key, _NUMBER, {"subject": key, "site": self.site, "number": number}),
            Write("subject", key, "status", "subject.status", "screening", is_consequence=True),
            *writes_of("subject", key, _NUMBER, {"screened_on": today.isoformat()}),
            *writes_of("subject", key, _WHAT, {"sex": self.sex, "birth_year": self.birth_year, **described}),
        )
        return Plan(f"subject/{key}", site=self.site, writes=writes, result={"subject": key})


def _require_lifetime(born: Value, year: int) -> None:
    """A year of birth that somebody who is alive can have."""
    if born is not None and not 0 <= year - int(born) <= _OLDEST:
        raise ConductError(
            "not a year of birth",
            where="birth_year",
            found=str(born),
            expected=f"from {year - _OLDEST} to {year}",
        )


def _last_number(site: str) -> int:
    items = read_things("subject", site=site, attributes=("number",))
    return max((int(item["number"] or 0) for item in items), default=0)


class SetCharacteristics(Command):
    """What a patient is: the protocol's covariates, sex and year of birth, each with its value.

    A stratification factor of somebody who was randomized is not set here: see `correct_stratum`.

    Attributes
    ----------
    subject : str
    characteristics : mapping
        By covariate: a level, in any of the texts that mean it, or a number.
    reason : str
        Where an earlier value is replaced.
    """

    name: ClassVar[str] = "set_characteristics"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    characteristics: Annotated[dict[str, str], Field(min_length=1, max_length=60)]
    reason: Annotated[str, Field(max_length=1000)] = ""

    def plan(self, asked: Asked) -> Plan:
        """Each value as its covariate's level, or its number."""
        subject = subject_for(asked, self.subject, "record", _WHAT)
        told = characteristics_told(self.characteristics)
        _require_lifetime(told.get("birth_year"), today_at(subject.site, asked).year)
        factors = set(_factors(running_trial().protocol))
        if subject["randomized_at"] and factors & set(told):
            raise ConductError(
                "this patient was randomized by this factor",
                where=", ".join(sorted(factors & set(told))),
                try_="correct_stratum keeps the stratum that was used, and notes the actual one",
            )
        writes = writes_of("subject", subject.key, _WHAT, told)
        return Plan(
            f"subject/{subject.key}",
            site=subject.site,
            writes=writes,
            reason=self.reason,
            result={"subject": subject.key, **told},
        )


def characteristics_told(told: dict[str, str]) -> dict[str, Value]:
    """Characteristics as the record keeps them: levels by the protocol's names, numbers as written.

    Raises
    ------
    ConductError
        One is not the protocol's, has no such level, is no number, or cannot be.
    """
    return {name: _told(name, value.strip()) for name, value in told.items()}


def _told(name: str, text: str) -> Value:
    protocol = running_trial().protocol
    if name == "birth_year":
        return _birth_year(text)
    covariate = protocol.spec.covariates.get(name)
    derived = covariate is not None and (covariate.from_measure or covariate.of or covariate.when)
    if name in _NEVER_SET or derived or (covariate is None and name not in {"sex", "race", "ethnicity"}):
        raise ConductError(
            "this is no characteristic that is entered",
            where="characteristics",
            found=name,
            expected=", ".join(_entered(protocol)),
        )
    if covariate is not None and covariate.type == "number":
        return _number(name, text)
    if covariate is None or not covariate.levels:
        if not text or len(text) > 100:
            raise ConductError("this needs a word or two", where=name, found=text[:60] or "nothing")
        return text
    return _level(name, text, protocol)


def _entered(protocol: LoadedProtocol) -> list[str]:
    return [
        name
        for name, c in protocol.spec.covariates.items()
        if not (c.from_measure or c.of or c.when) and name not in _NEVER_SET
    ]


def _birth_year(text: str) -> int:
    if not re.fullmatch(r"(18[89]|19[0-9]|2[01][0-9])[0-9]", text):
        raise ConductError("not a year of birth", where="birth_year", found=text[:20], expected="four digits")
    return int(text)


def _number(name: str, text: str) -> str:
    if not _WHOLE_AND_PARTS.match(text):
        raise ConductError(
            "this is no number", where=name, found=text[:60] or "nothing", expected="digits, such as 34"
        )
    if name in {"age", "age_years"} and float(text) > _OLDEST:
        raise ConductError("nobody is so old", where=name, found=text, expected=f"at most {_OLDEST}")
    return text


def _level(name: str, text: str, protocol: LoadedProtocol) -> str:
    levels = protocol.spec.covariates[name].levels
    plain = " ".join(text.casefold().split())
    for level, texts in levels.items():
        if plain in {" ".join(word.casefold().split()) for word in (level, *texts)}:
            return level
    raise ConductError(
        "the protocol knows no such level", where=name, found=text[:60], expected="; ".join(levels)
    )


class RecordEligibility(Command):
    """Eligibility is evaluated from the data; the investigator confirms what data cannot say.

    Three-valued: what is not known is not met.  The patient becomes eligible, or is eligible no longer, or
    stays where they are, as the rules say.

    Attributes
    ----------
    subject : str
    confirmed : mapping
        By rule that has no sentence: whether what it says is so; None takes a confirmation back.
    reason : str
        Where an earlier confirmation is replaced.
    """

    name: ClassVar[str] = "record_eligibility"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    confirmed: dict[str, bool | None] = Field(default_factory=dict, max_length=60)
    reason: Annotated[str, Field(max_length=1000)] = ""

    def plan(self, asked: Asked) -> Plan:
        """The confirmations, every rule's verdict, and the status that follows."""
        field = "eligibility.record"
        subject = subject_for(asked, self.subject, "record", field)
        _require_rules(self.confirmed)
        if status_of(subject) not in {"screening", "consented", "eligible"}:
            raise ConductError(
                "eligibility is judged before randomization", where="subject", found=status_of(subject)
            )
        gates = _with_confirmed(self.subject, asked, self.confirmed)
        key = f"{subject.key}.{1 + len(read_things('eligibility', subject=subject.key))}"
        today = today_at(subject.site, asked).isoformat()
        told: dict[str, Value] = {f"confirmed.{name}": _word(said) for name, said in self.confirmed.items()}
        found: dict[str, Value] = {"is_eligible": _word(gates.is_eligible)}
        found |= {f"found.{rule.name}": _word(rule.is_met) for rule in gates.eligibility.rules}
        moved = _moved(asked, subject, gates, self.reason)
        writes = (
            *writes_of("eligibility", key, field, {"date": today, **told}, subject=subject),
            *writes_of("eligibility", key, field, found, is_consequence=True),
            *moved,
        )
        return Plan(
            f"subject/{subject.key}",
            site=subject.site,
            writes=writes,
            reason=self.reason or "eligibility was evaluated",
            result={
                "subject": subject.key,
                "is_eligible": gates.is_eligible,
                "status": str(moved[0].value) if moved else status_of(subject),
                "rules": [
                    {
                        "rule": rule.name,
                        "label": rule.label,
                        "is_met": rule.is_met,
                        "missing": list(rule.missing),
                    }
                    for rule in gates.eligibility.rules
                ],
            },
        )


def _require_rules(confirmed: dict[str, bool | None]) -> None:
    from flarefree.conduct.eligibility import criteria_of

    judged = [name for name, rule in criteria_of(running_trial().protocol).items() if rule.is_judged]
    for name in confirmed:
        if name not in judged:
            raise ConductError(
                "this is no rule that an investigator confirms: data say it, or the protocol has none such",
                where="confirmed",
                found=name[:60],
                expected=", ".join(judged) or "none",
            )


def _with_confirmed(subject: str, asked: Asked, confirmed: dict[str, bool | None]) -> Gates:
    return gates_of(subject, asked.at, confirmed={**confirmed_of(subject), **confirmed})


def _word(met: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[met]


def _moved(asked: Asked, subject: Item, gates: Gates, reason: str) -> tuple[Write, ...]:
    status = status_of(subject)
    if status == "consented" and gates.is_eligible:
        return moved_to(asked, subject, "find_eligible", open_gates=gates.open_gates)
    if status == "eligible" and not gates.is_eligible:
        why = reason or "the data no longer say that every rule is met"
        return moved_to(asked, subject, "find_no_longer_eligible", reason=why)
    return ()


class FailScreening(Command):
    """A patient will not enter; their record stays."""

    name: ClassVar[str] = "fail_screening"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """The patient's way ends here."""
        field = "eligibility.record"
        subject = subject_for(asked, self.subject, "record", field)
        today = today_at(subject.site, asked).isoformat()
        key = f"{subject.key}.failed"
        writes = (
            *writes_of("screen_failure", key, field, {"date": today, "reason": self.reason}, subject=subject),
            *moved_to(asked, subject, "fail_screening", reason=self.reason),
        )
        return Plan(
            f"subject/{subject.key}",
            site=subject.site,
            writes=writes,
            reason=self.reason,
            result={"subject": subject.key, "status": "screen_failed"},
        )


class CorrectStratum(Command):
    """The stratum that a randomized patient is really in (R8); the one used, the slot and the code stay."""

    name: ClassVar[str] = "correct_stratum"
    verb: ClassVar[str] = "correct"
    subject: SubjectKey
    actual: Annotated[dict[str, Line], Field(min_length=1, max_length=20)]
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """Beside the allocation, never in it."""
        subject = subject_for(asked, self.subject, "correct", "strata.actual")
        protocol = running_trial().protocol
        if not subject["randomized_at"]:
            raise ConductError(
                "this patient has no stratum yet",
                where="subject",
                found=subject.key,
                try_="set_characteristics",
            )
        factors = _factors(protocol)
        unknown = sorted(set(self.actual) - set(factors))
        if unknown:
            raise ConductError(
                "no factor of the randomization",
                where="actual",
                found=unknown[0],
                expected=", ".join(factors),
            )
        told: dict[str, Value] = {}
        for factor, text in self.actual.items():
            told[factor] = _known_level(protocol, factor, text)
        actual = {f"stratum_actual.{name}": level for name, level in told.items()}
        if all(subject[name] == level for name, level in actual.items()):
            raise ConductError("there is nothing to correct", where="actual", found=str(dict(self.actual)))
        entered = {name: level for name, level in told.items() if name in _entered(protocol)}
        writes = (
            *writes_of("subject", subject.key, "strata.actual", actual),
            *writes_of("subject", subject.key, _WHAT, entered, is_consequence=True),
        )
        return Plan(
            f"subject/{subject.key}",
            site=subject.site,
            writes=writes,
            needs=(Need("correct", "strata.actual"),),
            reason=self.reason,
            result={"subject": subject.key, **actual},
        )


def _factors(protocol: LoadedProtocol) -> tuple[str, ...]:
    return protocol.spec.randomization.strata if protocol.spec.randomization is not None else ()


def _known_level(protocol: LoadedProtocol, factor: str, text: str) -> str:
    if protocol.spec.covariates[factor].levels:
        return _level(factor, text, protocol)
    if text not in levels_of(protocol, factor):
        raise ConductError(
            "the factor has no such level",
            where=factor,
            found=text[:60],
            expected="; ".join(levels_of(protocol, factor)),
        )
    return text
