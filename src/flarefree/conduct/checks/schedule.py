"""V1 dates, V2 contacts, V3 withdrawals, V4 drugs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from flarefree.conduct.checks.blinded_trial import alms_spec, blinded_multitarget
from flarefree.conduct.checks.calendars import RULES, civil, days, local_day, month_later
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.checks.trying import that_is, that_refuses
from flarefree.conduct.drugs import (
    DrugDictionary,
    FlagKind,
    Medication,
    builtin_dictionary,
    drug_rules,
    flags_of,
    review,
)
from flarefree.conduct.schedule import (
    Due,
    Happened,
    SiteZones,
    add_months,
    date_of_day,
    dues_of,
    instants_of,
    overdue_of,
    safety_window,
)
from flarefree.conduct.withdrawals import (
    Attempt,
    Ending,
    EndingEntry,
    Participation,
    Standing,
    account_for,
    add_ending,
    participation_of,
    reasons_of,
)

__all__ = ["CHECKS"]

SEED = 20_261_121
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# V1 -----------------------------------------------------------------------------------------------


def v1(quick: bool) -> Iterator[Evidence]:
    """1,000 patients, each with all dates; then the awkward ones by name."""
    chance = random.Random(SEED)
    spec = alms_spec()
    n = 1000
    wrong = {"date of day 1": 0, "dates of visits and windows": 0, "dates of monthly contacts": 0}
    compared = 0
    for i in range(n):
        minute = _awkward_minute(chance, i)
        first, second = chance.sample(sorted(RULES), 2)
        moved = minute + chance.randrange(-500_000, 500_000)
        moves = ((_instant(moved), second),) if i % 2 else ()
        zones = SiteZones(first, moves)
        zone = second if i % 2 and minute >= moved else first
        day_one, number = zones.date_at(_instant(minute)), local_day(zone, minute)
        wrong["date of day 1"] += _civil(day_one) != civil(number)
        dues = dues_of(spec, day_one, Participation())
        visits = {due.name: due for due in dues if due.kind == "visit"}
        for visit in spec.schedule.visits:
            expected = [civil(number + day - (day > 0)) for day in (visit.day, *_window(visit))]
            due = visits[visit.name]
            wrong["dates of visits and windows"] += [*map(_civil, (due.due, due.first, due.last))] != expected
            compared += 3
        calls = [due.due for due in dues if due.name.startswith("Telephone")]
        expected_calls = [month_later(civil(number), k) for k in range(1, 37)]
        wrong["dates of monthly contacts"] += [*map(_civil, calls)] != expected_calls
        compared += 37
    for what, count in wrong.items():
        yield Evidence(f"{what}: patients of {n} with a difference", 0, count, count == 0)
    yield Evidence("dates compared", "more than 50,000", compared, compared > 50_000)
    yield from _by_name()


def _awkward_minute(chance: random.Random, i: int) -> int:
    """Within hours of the end of a month, of February, of a change of clocks; or any minute."""
    year = chance.randrange(2010, 2036)
    places = (
        days(year, chance.randrange(1, 13), 1),
        days(year, 3, 1),
        days(year, 3, 31),
        days(year, 3, 25) + chance.randrange(7),
        days(year, 10, 25) + chance.randrange(7),
        days(year, 11, 1) + chance.randrange(7),
        days(year, 1, 1) + chance.randrange(365),
    )
    return (places[i % len(places)] - days(1970, 1, 1)) * 1440 + chance.randrange(-1000, 1000)


def _window(visit: object) -> tuple[int, int]:
    first, last, day = (getattr(visit, name) for name in ("first_day", "last_day", "day"))
    return (day if first is None else first), (day if last is None else last)


def _instant(minute: int) -> datetime:
    return EPOCH + timedelta(minutes=minute)


def _civil(when: date) -> tuple[int, int, int]:
    return when.year, when.month, when.day


def _by_name() -> Iterator[Evidence]:
    for begin, months, expected in (
        ("2024-01-31", 1, "2024-02-29"),
        ("2023-01-31", 1, "2023-02-28"),
        ("2023-01-31", 2, "2023-03-31"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2026-11-30", 3, "2027-02-28"),
    ):
        yield that_is(
            f"{months} months from {begin}", expected, str(add_months(date.fromisoformat(begin), months))
        )
    yield that_is("day 1097 from 2024-02-29", "2027-03-01", str(date_of_day(date(2024, 2, 29), 1097)))
    yield that_is("day -1", "2024-02-28", str(date_of_day(date(2024, 2, 29), -1)))
    yield that_refuses("day 0", lambda: date_of_day(date(2024, 2, 29), 0))
    windows = {
        # spring and autumn; midnight that is not there; a date that is not there; half an hour; the extremes
        ("Europe/Paris", "2026-03-29"): ("2026-03-28T23:00", "2026-03-29T22:00"),
        ("Europe/Paris", "2026-10-25"): ("2026-10-24T22:00", "2026-10-25T23:00"),
        ("America/Sao_Paulo", "2018-11-04"): ("2018-11-04T03:00", "2018-11-05T02:00"),
        ("Pacific/Apia", "2011-12-30"): ("2011-12-30T10:00", "2011-12-30T10:00"),
        ("Australia/Lord_Howe", "2026-10-04"): ("2026-10-03T13:30", "2026-10-04T13:00"),
        ("Pacific/Kiritimati", "2026-05-01"): ("2026-04-30T10:00", "2026-05-01T10:00"),
        ("Etc/GMT+12", "2026-05-01"): ("2026-05-01T12:00", "2026-05-02T12:00"),
    }
    for (zone, day), instants in windows.items():
        found = instants_of(date.fromisoformat(day), date.fromisoformat(day), SiteZones(zone))
        told = tuple(f"{instant:%Y-%m-%dT%H:%M}" for instant in found)
        yield that_is(f"{day} in {zone}, in UTC", str(instants), str(told))
    moved = SiteZones("Etc/GMT+12", ((datetime(2026, 5, 1, tzinfo=UTC), "Pacific/Kiritimati"),))
    before, after = (moved.date_at(datetime(2026, 5, 1, tzinfo=UTC) + timedelta(minutes=m)) for m in (-1, 0))
    yield that_is("a site moves from -12 to +14 hours", "2026-04-30, 2026-05-01", f"{before}, {after}")
    yield that_refuses("an instant without a zone", lambda: moved.date_at(datetime(2026, 5, 1)))
    yield that_refuses("a zone that is not", lambda: SiteZones("Mars/Olympus").date_at(EPOCH))


# V2 -----------------------------------------------------------------------------------------------

ONE = date(2026, 1, 31)


def v2(quick: bool) -> Iterator[Evidence]:
    """Overdue on the day after the window, not before; what goes on after which end."""
    spec = alms_spec()
    dues = dues_of(spec, ONE, Participation())
    calls = [due for due in dues if due.kind == "contact"]
    yield that_is("contacts of somebody on study: monthly", 36, len(calls))
    first = calls[0]
    yield that_is("the first call, and its last date", "2026-02-28, 2026-03-07", f"{first.due}, {first.last}")
    for today, late in ((first.last, 0), (first.last + timedelta(days=1), 1)):
        yield that_is(f"overdue calls on {today}", late, len(_calls_late(dues, (), today)))
    called = (Happened("Telephone 1", date(2026, 3, 5)),)
    yield that_is("called: not overdue", 0, len(_calls_late(dues, called, date(2026, 3, 20))))
    soon = (Happened("Telephone 1", date(2026, 3, 20)),)
    yield that_is(
        "a call of a later date does not count yet", 1, len(_calls_late(dues, soon, date(2026, 3, 19)))
    )
    month_1 = next(due for due in dues if due.name == "Month 1")
    for today, late in ((month_1.last, False), (month_1.last + timedelta(days=1), True)):
        names = [o.due.name for o in overdue_of("P", "01", dues, (), today)]
        yield that_is(f"month 1 overdue on {today}", late, "Month 1" in names)
    window = safety_window(spec, date(2029, 1, 31))
    for onset, held in ((30, True), (31, False), (0, True), (-1, False)):
        day = date(2029, 1, 31) + timedelta(days=onset)
        yield that_is(f"an event {onset} days after the last visit is collected", held, window.holds(day))
    yield from _after_the_end()


def _calls_late(dues: tuple[Due, ...], happened: tuple[Happened, ...], today: date) -> list[str]:
    return [
        o.due.name
        for o in overdue_of("P", "01", dues, happened, today)
        if o.due.name.startswith("Telephone 1") and o.due.name == "Telephone 1"
    ]


def _after_the_end() -> Iterator[Evidence]:
    spec = alms_spec()

    def counts(**ended: date) -> str:
        dues = dues_of(spec, ONE, Participation(**ended))  # type: ignore[arg-type]
        kinds = ("Month", "Telephone", "Safety", "Vital")
        return ", ".join(str(sum(due.name.startswith(kind) for due in dues)) for kind in kinds)

    june = date(2026, 6, 15)
    done = date(2029, 1, 31)
    yield that_is("on study: visits, calls, safety, vital status", "15, 36, 0, 0", counts())
    yield that_is("drug stopped: visits go on, vital status too", "15, 36, 0, 3", counts(drug_ended=june))
    yield that_is("study left: vital status alone goes on", "4, 4, 0, 3", counts(study_ended=june))
    yield that_is(
        "study left, consent withdrawn later", "4, 4, 0, 1",
        counts(study_ended=june, consent_ended=date(2027, 6, 1)),
    )  # fmt: skip
    yield that_is("consent withdrawn: nothing more", "4, 4, 0, 0", counts(consent_ended=june))
    yield that_is("died: nothing more", "4, 4, 0, 0", counts(died=june))
    yield that_is("completed: safety 30 days on", "15, 36, 1, 0", counts(completed=done, last_visit=done))
    dues = dues_of(spec, ONE, Participation(completed=done, last_visit=done))
    safety = next(due for due in dues if due.name == "Safety follow-up")
    yield that_is("its date", "2029-03-02", str(safety.due))
    late = overdue_of("P", "01", dues_of(spec, ONE, Participation(consent_ended=june)), (), date(2027, 1, 1))
    yield that_is("overdue after withdrawal of consent", 0, len(late))
    late = overdue_of("P", "01", dues_of(spec, ONE, Participation(study_ended=june)), (), date(2027, 2, 10))
    yield that_is("overdue after leaving", "none yet", ", ".join(o.due.name for o in late) or "none yet")
    late = overdue_of("P", "01", dues_of(spec, ONE, Participation(study_ended=june)), (), date(2027, 3, 3))
    yield that_is("a year on, and its window", "Vital status 1", ", ".join(o.due.name for o in late))


# V3 -----------------------------------------------------------------------------------------------


def v3(quick: bool) -> Iterator[Evidence]:
    """Closed reasons; three ends apart; nobody lost silently."""
    spec = alms_spec()
    today = date(2027, 1, 1)
    of_drug, of_study = (reasons_of(spec, what) for what in (Ending.DRUG, Ending.STUDY))
    told = "Adverse event"
    yield that_is("lost to follow-up is no reason to stop a drug", False, "Lost to follow-up" in of_drug)
    yield that_is("consent is no reason to leave", False, any("onsent" in reason for reason in of_study))
    yield that_is("nor death", False, "Death" in of_study)
    yield that_is("reasons to leave", 6, len(of_study))

    def add(entry: EndingEntry, *before: EndingEntry) -> tuple[EndingEntry, ...]:
        return add_ending(spec, before, entry, ONE, today)

    drug = EndingEntry("1", Ending.DRUG, date(2026, 5, 1), told)
    study = EndingEntry("2", Ending.STUDY, date(2026, 7, 1), "Pregnancy")
    consent = EndingEntry("3", Ending.CONSENT, date(2026, 9, 1), "reason not given")
    entries: tuple[EndingEntry, ...] = ()
    for entry, standing in (
        (drug, Standing.OFF_TREATMENT),
        (study, Standing.WITHDRAWN),
        (consent, Standing.CONSENT_WITHDRAWN),
    ):
        entries = add_ending(spec, entries, entry, ONE, today)
        yield that_is(
            f"after the end of {entry.what.value}",
            str(standing),
            str(participation_of(spec, entries).standing),
        )
    p = participation_of(spec, entries)
    yield that_is(
        "each keeps its own date", "2026-05-01, 2026-07-01, 2026-09-01",
        f"{p.drug_ended}, {p.study_ended}, {p.consent_ended}",
    )  # fmt: skip
    yield that_is("entries are kept after consent was withdrawn", 3, len(entries))
    refused = {
        "a reason of somebody's own": replace(drug, reason="did not like it"),
        "no reason": replace(drug, reason=""),
        "consent as a reason to leave": replace(study, reason="Withdrawal of consent"),
        "death as a reason to leave": replace(study, reason="Death"),
        "lost without attempts": replace(study, reason="Lost to follow-up"),
        "before day 1": replace(drug, date=ONE - timedelta(days=1)),
        "in the future": replace(drug, date=today + timedelta(days=1)),
        "a correction without why": replace(drug, supersedes="9"),
        "a void that corrects nothing": replace(drug, is_void=True),
    }
    for what, entry in refused.items():
        yield that_refuses(what, lambda e=entry: add(e))  # type: ignore[misc]
    yield that_refuses("an end twice", lambda: add(replace(drug, id="4"), drug))
    yield that_refuses(
        "completed after leaving", lambda: add(EndingEntry("5", Ending.COMPLETED, today), study)
    )
    tries = tuple(Attempt(date(2026, 6, day), "nurse", "telephone") for day in (1, 8, 15))
    lost = replace(study, reason="Lost to follow-up", attempts=tries)
    yield that_is(
        "lost after three attempts", str(Standing.LOST), str(participation_of(spec, add(lost)).standing)
    )
    same_day = replace(lost, attempts=(tries[0],) * 3)
    yield that_refuses("three attempts on one day", lambda: add(same_day))
    found = EndingEntry(
        "6", Ending.STUDY, study.date, "Pregnancy", supersedes="2", why="was found", is_void=True
    )
    after = add(found, lost)
    yield that_is(
        "found again: on study, both entries kept",
        f"{Standing.ON_TREATMENT}, 2",
        f"{participation_of(spec, after).standing}, {len(after)}",
    )
    yield from _accounts()


def _accounts() -> Iterator[Evidence]:
    chance = random.Random(SEED)
    spec, today = alms_spec(), date(2028, 1, 1)
    randomized = {f"P-{i:03d}": ONE + timedelta(days=i) for i in range(227)}
    standings = {subject: _random_course(chance, day_one, today) for subject, day_one in randomized.items()}
    heard = {s: today - timedelta(days=chance.randrange(90)) for s in randomized if chance.random() < 0.95}
    account = account_for(randomized, standings, heard, today)
    yield that_is("227 patients at random ends: each in one place", 227, account.total)
    yield that_is("with all places in use", len(Standing), sum(map(bool, account.by_standing.values())))
    silent = {subject for subject, _ in account.unheard}
    following = {
        s for s, p in standings.items() if p.standing in (Standing.ON_TREATMENT, Standing.OFF_TREATMENT)
    }
    expected = {
        s for s in following if s not in heard and randomized[s] < today - timedelta(days=45)
    } | {s for s in following if s in heard and heard[s] < today - timedelta(days=45)}  # fmt: skip
    yield that_is(
        "not heard of for 45 days: pointed out, all of them", True, silent == expected and bool(silent)
    )
    fewer = {subject: p for subject, p in standings.items() if subject != "P-100"}
    yield that_refuses(
        "an allocated patient without data", lambda: account_for(randomized, fewer, heard, today)
    )
    more = {**standings, "P-999": Participation()}
    yield that_refuses("data of nobody allocated", lambda: account_for(randomized, more, heard, today))
    yield that_is("reasons in the protocol", True, bool(spec.withdrawals.reasons))


def _random_course(chance: random.Random, day_one: date, today: date) -> Participation:
    def perhaps(p: float) -> date | None:
        day = day_one + timedelta(days=chance.randrange(1, 400))
        return day if chance.random() < p and day <= today else None

    left = perhaps(0.2)
    return Participation(
        drug_ended=perhaps(0.3),
        study_ended=left,
        consent_ended=perhaps(0.1),
        completed=None if left else perhaps(0.2),
        died=perhaps(0.05),
        is_lost=left is not None and chance.random() < 0.4,
    )


# V4 -----------------------------------------------------------------------------------------------


def v4(quick: bool) -> Iterator[Evidence]:
    """Flags as entered; and again when the dictionary or the protocol has a new version."""
    spec, book = blinded_multitarget(), builtin_dictionary()
    rules = drug_rules(spec, "protocol 1")

    def flags(written: str, **told: object) -> str:
        entry = Medication("1", "P", written, date(2026, 3, 1), **told)  # type: ignore[arg-type]
        return ", ".join(f.kind.name for f in flags_of(entry, book, rules, ONE, date(2027, 1, 1)))

    prohibited, interacting = FlagKind.PROHIBITED.name, FlagKind.INTERACTING.name
    for written, expected in {
        "methotrexate": f"{prohibited}, {prohibited}",  # by its name, and as another immunosuppressant
        "Ibuprofen 400 mg": prohibited,
        "PLAQUENIL": prohibited,
        "Clarithromycin": interacting,
        "Rifampin": interacting,
        "fluconazole (oral)": interacting,
        "oestradiol": interacting,
        "Prograf": FlagKind.STUDY_DRUG.name,
        "enalapril": "",
        "paracetamol": "",
        "Herb of the mountain": FlagKind.NOT_CODED.name,
        "ibuprofen + clarithromycin": f"{prohibited}, {interacting}",
    }.items():
        yield that_is(f"{written!r}", expected, flags(written))
    yield that_is("what ended before day 1 is history", "", flags_before(book))
    yield that_is("prednisone 10 mg", "", flags("prednisone", prednisone_mg=10.0))
    over = FlagKind.ABOVE_CEILING.name
    yield that_is("prednisone 10.5 mg", over, flags("prednisone", prednisone_mg=10.5))
    alms = drug_rules(alms_spec(), "protocol A")
    for by, expected in (("", FlagKind.NEEDS_APPROVAL.name), ("medical monitor", "")):
        entry = Medication("1", "P", "Ramipril", date(2026, 3, 1), approved_by=by)
        found = ", ".join(f.kind.name for f in flags_of(entry, book, alms, ONE))
        yield that_is(f"ramipril in ALMS, approved by {by or 'nobody'}", expected, found)
    yield from _versions(book)


def flags_before(book: DrugDictionary) -> str:
    """What is said of a drug that ended on the day before day 1."""
    old = Medication("1", "P", "methotrexate", date(2025, 1, 1), ONE - timedelta(days=1))
    return ", ".join(f.kind.name for f in flags_of(old, book, drug_rules(blinded_multitarget(), "x"), ONE))


def _versions(book: DrugDictionary) -> Iterator[Evidence]:
    spec = blinded_multitarget()
    rules = drug_rules(spec, "protocol 1")
    entries = [
        Medication("1", "P", "roxithromycin", date(2026, 3, 1)),
        Medication("2", "P", "methotrexate", date(2026, 3, 1)),
        Medication("3", "Q", "enalapril", date(2026, 3, 1)),
    ]
    treated: dict[str, tuple[date, date | None]] = {"P": (ONE, None), "Q": (ONE, None)}
    first = review((), entries, book, rules, treated)
    yield that_is("at first: not coded, and two words for methotrexate", 3, len(first.raised))
    newer = DrugDictionary.of(
        "next",
        {name: {"classes": classes} for name, classes in book.classes.items()}
        | {"roxithromycin": {"classes": ["macrolide"]}},
    )
    second = review(first.open, entries, newer, rules, treated)
    told = [f.kind.name for f in second.raised]
    yield that_is("the dictionary learns roxithromycin: raised", "['INTERACTING']", str(told))
    yield that_is("and closed", "['NOT_CODED']", str([f.kind.name for f in second.closed]))
    yield that_is("the flag says which dictionary", "next", second.raised[0].dictionary)
    dosing = spec.dosing.model_copy(update={"prohibited": ("ACE inhibitor",)})
    amended = drug_rules(spec.model_copy(update={"dosing": dosing}), "protocol 2")
    third = review(second.open, entries, newer, amended, treated)
    raised = [(f.subject, f.word, f.protocol) for f in third.raised]
    yield that_is(
        "an amendment prohibits ACE inhibitors", "[('Q', 'ace inhibitor', 'protocol 2')]", str(raised)
    )
    yield that_is("and allows methotrexate: closed, and kept as closed", 2, len(third.closed))
    again = review(third.open, entries, newer, amended, treated)
    yield that_is("looked at again: nothing new", 0, len(again.raised) + len(again.closed))
    yield that_refuses(
        "a patient without dates", lambda: review((), entries, book, rules, {"P": (ONE, None)})
    )


CHECKS = (
    Check("V1", "Dates of visits and contacts equal a second calculation", v1),
    Check("V2", "Contacts fall due, are overdue, and end to the day", v2),
    Check("V3", "Stops of drug, study and consent are kept apart; nobody is lost silently", v3),
    Check("V4", "Prohibited and interacting drugs are flagged, and again under new versions", v4),
)
