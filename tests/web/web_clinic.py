"""A live trial with sites and people, asked through commands only; randomization is planted, without arms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from web_planting import plant

from flarefree.conduct.visibility import Actor
from flarefree.web.commands.base import Asked, Command, Outcome
from flarefree.web.commands.consents import ApproveConsentVersion, RecordConsent
from flarefree.web.commands.executing import execute
from flarefree.web.commands.sites import AddSite
from flarefree.web.commands.subjects import RecordEligibility, ScreenSubject, SetCharacteristics
from flarefree.web.commands.visits import RecordVisit, ResultIn

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
INVESTIGATOR = Actor("ines", "investigator", frozenset({"017"}))
NURSE = Actor("nora", "site_staff", frozenset({"017"}))
ELSEWHERE = Actor("otto", "investigator", frozenset({"018"}))
MONITOR = Actor("mona", "monitor", frozenset({"017"}))
MANAGER = Actor("mia", "data_manager")
PHYSICIAN = Actor("max", "medical_monitor")
LABORATORY = Actor("lars", "laboratory")
SPONSOR = Actor("sam", "sponsor")
ADMINISTRATOR = Actor("root", "administrator")
OFFICER = Actor("ida", "identity_officer")

_number = count()


def ask(
    actor: Actor | None, command: Command, at: datetime = START, *, days: float = 0, request: str = ""
) -> Outcome:
    """Ask for something, so many days after a time."""
    return execute(command, Asked(actor, request or f"clinic {next(_number)}", at + timedelta(days=days)))


def open_clinic(zone: str = "Europe/Berlin") -> None:
    """Two sites, an approved form of consent, a live trial."""
    for site in ("017", "018"):
        told = AddSite(site=site, title=f"Clinic {site}", country="Germany", zone=zone, planned=10)
        ask(ADMINISTRATOR, told, START, days=-30)
    plant("trial", ("trial", "this", "configuration", {"phase": "live"}), request="live", at=START)
    form = ApproveConsentVersion(version="1.0", approved_on="2025-11-01", title="Consent form 1.0")
    ask(SPONSOR, form)


FACTS = {"age": "34", "induction_drug": "MMF", "race": "Black", "biopsy_class": "IV"}
AT_BASELINE = (("creatinine", "0.9", "mg/dL"), ("upcr", "0.8", "mg/mg"), ("proteinuria", "0.9", "g/day"))


def visit(subject: str, name: str, date: str, *values: tuple[str, str, str], **more: Any) -> RecordVisit:
    """A visit's form."""
    told = tuple(ResultIn(measure=measure, value=value, unit=unit) for measure, value, unit in values)
    return RecordVisit(subject=subject, visit=name, date=date, values=told, **more)


def screened(at: datetime = START) -> str:
    """A patient of site 017 who was screened."""
    told = ScreenSubject(site="017", sex="F", birth_year=1991)
    return str(ask(NURSE, told, at).result["subject"])


def eligible(at: datetime = START) -> str:
    """A patient who passes every gate."""
    subject = screened(at)
    today = at.date().isoformat()
    ask(NURSE, RecordConsent(subject=subject, version="1.0", given_on=today), at)
    ask(NURSE, SetCharacteristics(subject=subject, characteristics=FACTS), at)
    ask(NURSE, visit(subject, "Month 0", today, *AT_BASELINE), at)
    found = ask(INVESTIGATOR, RecordEligibility(subject=subject, confirmed={"response": True}), at)
    assert found.result["status"] == "eligible", found.result
    return subject


def randomized(at: datetime = START, status: str = "on_treatment") -> str:
    """A patient who was randomized at this time."""
    subject = eligible(at)
    asked = {"randomized_at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "randomized_by": "ines"}
    plant(
        subject,
        ("subject", subject, "allocation.request", asked),
        ("subject", subject, "subject.status", {"status": status}),
        ("subject", subject, "allocation.kit", {"kit": f"{next(_number):08d}"}),
        request=f"r {subject}",
        at=at,
    )
    return subject
