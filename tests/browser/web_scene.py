"""A small trial under way, made through commands: people in every role, patients at every stage, one flare.

Only the lists' sealing and the trial's phase are arranged as checks arrange them; everything else is asked
for by whom it would be asked for.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from flarefree.conduct.visibility import Actor

START = datetime(2026, 1, 5, 11, tzinfo=UTC)
NOW = datetime(2026, 6, 15, 10, tzinfo=UTC)

PEOPLE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "ines": ("Ines Albrecht", "investigator", ("017",)),
    "nora": ("Nora Lindt", "site_staff", ("017",)),
    "phil": ("Phil Anders", "pharmacist", ("017",)),
    "otto": ("Otto Bauer", "investigator", ("018",)),
    "mona": ("Mona Keller", "monitor", ("017", "018")),
    "dana": ("Dana Moreau", "data_manager", ()),
    "max": ("Max Oyelaran", "medical_monitor", ()),
    "sofia": ("Sofia Marin", "safety_officer", ()),
    "lars": ("Lars Holm", "laboratory", ()),
    "kim": ("Kim Tanaka", "committee_coordinator", ()),
    "ada": ("Ada Novak", "committee_chair", ()),
    "ben": ("Ben Osei", "committee_member", ()),
    "cleo": ("Cleo Varga", "committee_member", ()),
    "eva": ("Eva Lund", "committee_member", ()),
    "stan": ("Stan Petrov", "blinded_statistician", ()),
    "ulla": ("Ulla Berg", "unblinded_statistician", ()),
    "sam": ("Sam Ortiz", "sponsor", ()),
    "rita": ("Rita Cole", "audit_reviewer", ()),
    "ida": ("Ida Frank", "identity_officer", ()),
    "theo": ("Theo Lang", "support", ()),
    "kate": ("Kate Imai", "key_holder", ()),
    "karl": ("Karl Reyes", "key_holder", ()),
    "dora": ("Dora Quist", "safety_board", ()),
}
"""Everybody but the administrator: name, role, sites."""

FACTS = {"age": "34", "induction_drug": "MMF", "race": "Black", "biopsy_class": "IV"}
BASELINE = (
    ("creatinine", "0.9", "mg/dL"), ("upcr", "0.5", "mg/mg"), ("proteinuria", "0.5", "g/day"),
    ("albumin", "38", "g/L"), ("c3", "0.9", "g/L"),
)  # fmt: skip

_number = count()


def actor(name: str) -> Actor:
    """Somebody in their role."""
    _, role, sites = PEOPLE[name]
    return Actor(name, role, frozenset(sites))


def ask(who: str, command: Any, at: datetime) -> Any:
    """Ask for something; the administrator is `administrator`, nobody is the machine."""
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute

    by = None if not who else Actor(who, "administrator") if who == "administrator" else actor(who)
    return execute(command, Asked(by, f"scene {next(_number)}", at))


def make_people() -> None:
    """Sites, and everybody in their role: a trial that is being set up."""
    from flarefree.web.commands.accounts import BeginAdministration, GrantRole, OpenAccount
    from flarefree.web.commands.sites import AddSite

    ask("", BeginAdministration(), START)
    for code, title, country, zone in (
        ("017", "Charité, Berlin", "Germany", "Europe/Berlin"),
        ("018", "Klinikum, Munich", "Germany", "Europe/Berlin"),
        ("104", "Johns Hopkins, Baltimore", "United States", "America/New_York"),
    ):
        ask("administrator", AddSite(site=code, title=title, country=country, zone=zone, planned=12), START)
    for name, (full_name, role, sites) in PEOPLE.items():
        ask("administrator", OpenAccount(person=name, full_name=full_name), START)
        ask("administrator", GrantRole(person=name, role=role, sites=sites, reason="joins the trial"), START)


def make_trial() -> None:
    """Sites, people, sealed lists, a live trial, an approved form of consent."""
    from flarefree.web.checks.live_trial import _go_live, _install
    from flarefree.web.commands.consents import ApproveConsentVersion

    make_people()
    _go_live(_install(None, bytes(range(32))))
    form = ApproveConsentVersion(version="1.0", approved_on="2025-11-01", title="Information and consent")
    ask("sam", form, START + timedelta(hours=2))


def screened(at: datetime, by: str = "nora", site: str = "017", **facts: str) -> str:
    """Somebody with a number and what they are."""
    from flarefree.web.commands.subjects import ScreenSubject

    told = ScreenSubject(site=site, sex="F", birth_year=1991, characteristics={**FACTS, **facts})
    return str(ask(by, told, at).result["subject"])


def visit(subject: str, name: str, on: datetime, *values: tuple[str, str, str], by: str = "nora") -> Any:
    """A visit's form, entered the same day."""
    from flarefree.web.commands.visits import RecordVisit, ResultIn

    told = tuple(ResultIn(measure=measure, value=value, unit=unit) for measure, value, unit in values)
    return ask(by, RecordVisit(subject=subject, visit=name, date=on.date(), values=told), on)


def eligible(at: datetime, site: str = "017", nurse: str = "nora", doctor: str = "ines", **facts: str) -> str:
    """Somebody who passes every gate."""
    from flarefree.web.commands.consents import RecordConsent
    from flarefree.web.commands.subjects import RecordEligibility

    subject = screened(at, nurse, site, **facts)
    ask(nurse, RecordConsent(subject=subject, version="1.0", given_on=at.date()), at)
    visit(subject, "Month 0", at, *BASELINE, by=nurse)
    ask(doctor, RecordEligibility(subject=subject, confirmed={"response": True}), at)
    return subject


def randomized(
    at: datetime, site: str = "017", nurse: str = "nora", doctor: str = "ines", **facts: str
) -> str:
    """Somebody with a code, on treatment."""
    from flarefree.web.commands.doses import DispenseKit, StartDoses
    from flarefree.web.commands.randomizing import RandomizeSubject

    subject = eligible(at, site, nurse, doctor, **facts)
    later = at + timedelta(hours=1)
    kit = ask(doctor, RandomizeSubject(subject=subject), later).result["kit"]
    ask(doctor, StartDoses(subject=subject, on=later.date(), weight_kg="62"), later)
    if site == "017":
        ask(
            "phil",
            DispenseKit(subject=subject, kit=kit, dispensed_on=later.date(), tablets=(360, 540)),
            later,
        )
    return subject


def make_patients(*, is_flaring: bool = False) -> dict[str, str]:
    """Patients by what is particular about them; the log wants them in the order of time."""
    from flarefree.web.commands.events import RecordAdverseEvent
    from flarefree.web.commands.follow_up import RecordContact
    from flarefree.web.commands.medications import RecordMedication

    flaring = randomized(START + timedelta(days=1))
    quiet = randomized(START + timedelta(days=20), race="White")
    elsewhere = randomized(START + timedelta(days=30), "018", "otto", "otto", race="White")
    course = ((1, "0.9", "0.5", "0.5"), (2, "0.92", "0.6", "0.6"), (3, "1.0", "0.9", "0.8"))
    for months, creatinine, upcr, protein in course:
        when = START + timedelta(days=1 + 31 * months)
        values = (
            ("creatinine", creatinine, "mg/dL"),
            ("upcr", upcr, "mg/mg"),
            ("proteinuria", protein, "g/day"),
        )
        visit(flaring, f"Month {months}", when, *values)
    later = START + timedelta(days=100)
    event = RecordAdverseEvent(
        subject=flaring, verbatim="Herpes zoster, left chest", start="2026-03-20", severity="moderate",
        relation="possible", outcome="recovering",
    )  # fmt: skip
    ask("nora", event, later)
    drug = RecordMedication(subject=flaring, drug="Rifampicin", start="2026-04-01", dose="600", unit="mg/day")
    ask("nora", drug, later)
    ask("nora", RecordContact(subject=flaring, date=later.date(), reached=True), later)
    if is_flaring:
        flare(flaring)
    ready = eligible(NOW - timedelta(days=2), race="Asian")
    new = screened(NOW - timedelta(days=1))
    return {"flaring": flaring, "quiet": quiet, "ready": ready, "new": new, "elsewhere": elsewhere}


def flare(subject: str, by: str = "nora", at: datetime = NOW - timedelta(days=3)) -> None:
    """A visit at which proteinuria and the ratio are four times what they were."""
    values = (("creatinine", "1.3", "mg/dL"), ("upcr", "3.1", "mg/mg"), ("proteinuria", "3.4", "g/day"))
    visit(subject, "Month 6", at, *values, by=by)
