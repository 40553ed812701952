"""Troughs from the laboratory to the vault, and what may be shown of them from there to the record.

No true result, and nothing that tells whether one is live or sham, is written to the record.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field, StringConstraints

from flarefree.conduct.audit.entries import time_text
from flarefree.conduct.trough import TroughSample, judge_trough, trough_rules
from flarefree.errors import ConductError
from flarefree.studytime import study_day
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.doses_standing import doses_of, plan_in_force, state_of
from flarefree.web.commands.gates import date_at_site
from flarefree.web.commands.parts import (
    NOTHING_HERE,
    Key,
    Line,
    SubjectKey,
    day_one_of,
    subject_for,
    writes_of,
)
from flarefree.web.record.reading import read_thing
from flarefree.web.trial import running_trial
from flarefree.web.vault import service

__all__ = ["ImportTrough", "ReceiveTroughSample", "RecordSiteGuess", "ShowTroughs"]

_TRUE, _SHOWN, _GUESS = "labs.trough_true", "labs.trough_shown", "site.guess"


class ReceiveTroughSample(Command):
    """A sample reached the central laboratory: drawn in each arm alike.

    Attributes
    ----------
    subject, sample : str
    collected_at, last_dose_at : datetime
    visit : str
        The planned visit that it belongs to, if any.
    is_hemolyzed, is_clotted : bool
    """

    name: ClassVar[str] = "receive_trough_sample"
    verb: ClassVar[str] = "import"
    subject: SubjectKey
    sample: Key
    collected_at: AwareDatetime
    last_dose_at: AwareDatetime | None = None
    visit: Annotated[str, StringConstraints(max_length=80)] = ""
    is_hemolyzed: bool = False
    is_clotted: bool = False

    def plan(self, asked: Asked) -> Plan:
        """The vault is told; the record keeps that a sample was drawn, which tells nothing."""
        subject = subject_for(asked, self.subject, "import", _TRUE)
        assert asked.actor is not None
        day_one = day_one_of(subject)
        if day_one is None or self.collected_at > asked.at:
            raise ConductError("a trough is drawn after randomization, before it is received", where="sample")
        day = study_day(date_at_site(subject.site, self.collected_at), day_one)
        units, changed_on = _dose_on(self.subject, day, asked.at)
        sample = TroughSample(
            self.sample, self.subject, subject.site, day, self.collected_at, self.visit, self.last_dose_at,
            changed_on, units, self.is_hemolyzed, self.is_clotted,
        )  # fmt: skip
        service.receive_sample(sample, by=asked.actor.person, request=asked.request, at=asked.at)
        told = {"collected_at": time_text(self.collected_at), "visit": self.visit or None, "day": day}
        writes = writes_of("trough", self.sample, _SHOWN, told, subject=subject, is_consequence=True)
        need = Need("import", _TRUE, subject.site)
        return Plan(f"trough/{self.sample}", subject.site, writes=writes, needs=(need,), reason="received")


def _dose_on(subject: str, day: int, at: datetime) -> tuple[int, int | None]:
    """Smallest tablets a day of the titrated product, and when that was last changed."""
    if not running_trial().protocol.spec.dosing.products or not doses_of(subject):
        return 0, None
    engine, state = plan_in_force(at), state_of(subject)
    product = next((p for p in engine.products if p.drug == engine.titrated), None)
    units = 0 if product is None else state.daily_units(engine, product, day)
    return units, state.log[-1].day if len(state.log) > 1 else None


class ImportTrough(Command):
    """The laboratory's result, as it was written.  It goes to the vault and nowhere else."""

    name: ClassVar[str] = "import_trough"
    verb: ClassVar[str] = "import"
    subject: SubjectKey
    sample: Key
    result: Annotated[Line, Field(repr=False)]
    unit: Line
    reported_at: AwareDatetime

    @property
    def fingerprint(self) -> str:
        """Without the result: a hash of a few digits would be as good as the digits."""
        return ImportTrough.model_construct(**{**self.model_dump(), "result": "-"})._fingerprint()

    def _fingerprint(self) -> str:
        return super().fingerprint

    def plan(self, asked: Asked) -> Plan:
        """Kept; the answer is the same whatever was found."""
        subject = subject_for(asked, self.subject, "import", _TRUE)
        assert asked.actor is not None
        thing = read_thing("trough", self.sample)
        if thing is None or thing.subject != self.subject:
            raise ConductError(
                "no such sample of this patient was received", where="sample", found=self.sample
            )
        service.keep_trough(
            self.sample,
            self.result,
            self.unit,
            self.reported_at,
            by=asked.actor.person,
            request=asked.request,
            at=asked.at,
        )
        need = Need("import", _TRUE, subject.site)
        return Plan(thing.name, subject.site, needs=(need,), reason="result received")


class ShowTroughs(Command):
    """The daily release: what may be shown by now is written down, with what it means for the dose."""

    name: ClassVar[str] = "show_troughs"
    verb: ClassVar[str] = "record"
    is_machine: ClassVar[bool] = True

    def plan(self, asked: Asked) -> Plan:
        """All that the record has not; nobody can tell a live one from a sham."""
        rules = trough_rules(running_trial().protocol.spec)
        writes: list[Write] = []
        for shown in service.shown_troughs(asked.at):
            thing = read_thing("trough", shown.sample.id)
            if thing is None or thing["value"] is not None:
                continue
            verdict = judge_trough(rules, shown)
            told = {
                "value": shown.text,
                "unit": shown.unit,
                "reported_at": time_text(shown.reported_at),
                "band": verdict.band.value if verdict.band is not None else None,
                "flaws": "; ".join(flaw.value for flaw in verdict.flaws) or None,
                "tablets": verdict.tablets,
            }
            writes += writes_of("trough", shown.sample.id, _SHOWN, told, is_consequence=True)
        return Plan("trial/this", writes=tuple(writes), reason_code="daily_release", reason="daily release")


class RecordSiteGuess(Command):
    """Which treatment the site believes that a patient takes: kept in the vault, to measure blinding."""

    name: ClassVar[str] = "record_site_guess"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    guess: Annotated[Line, Field(repr=False)]
    certainty: Annotated[int, Field(ge=1, le=5)]

    @property
    def fingerprint(self) -> str:
        """Without the guess, which is not to be found out from a hash."""
        blank = RecordSiteGuess.model_construct(subject=self.subject, guess="-", certainty=1)
        return blank._fingerprint()

    def _fingerprint(self) -> str:
        return super().fingerprint

    def plan(self, asked: Asked) -> Plan:
        """An arm of the protocol, or "unknown"."""
        subject = subject_for(asked, self.subject, "record", _GUESS)
        if asked.actor is None or subject["kit"] is None:
            raise ConductError(NOTHING_HERE)
        known = {*running_trial().protocol.spec.arms, "unknown"}
        if self.guess not in known:
            raise ConductError("not an arm of the trial", where="guess", expected=", ".join(sorted(known)))
        service.keep(
            "site_guess",
            asked.request,
            subject.key,
            {"guess": self.guess, "certainty": self.certainty},
            field=_GUESS,
            by=asked.actor.person,
            request=asked.request,
            at=asked.at,
        )
        return Plan(subject.name, subject.site, needs=(Need("record", _GUESS, subject.site),), reason="guess")
