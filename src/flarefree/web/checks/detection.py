"""E1 and E2 on the record: each true event becomes a case that cites its rows, and cases follow the data.

What is true is known from elsewhere: planted courses and a second, naive way to read them; limits that were
worked out by hand (`conduct.checks.cohort`, `boundaries`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from flarefree.conduct.adjudication.cases import Case, CaseKind, CaseState
from flarefree.conduct.checks import boundaries
from flarefree.conduct.checks.cohort import Cohort
from flarefree.conduct.checks.planted import DAY_ONE, Planted
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.visibility import Actor
from flarefree.web.checks.committee_trial import (
    MANAGER,
    START,
    committee_trial,
    judge,
    member,
    plant,
    plant_patients,
    queue_now,
    release_cases,
    settle,
)
from flarefree.web.checks.live_trial import BEGIN, live_trial, randomize
from flarefree.web.commands import detecting
from flarefree.web.commands.base import Asked, Command
from flarefree.web.commands.executing import execute
from flarefree.web.commands.values import CorrectValue
from flarefree.web.commands.visits import RecordVisit, ResultIn
from flarefree.web.queries.lost_looks import lost_looks
from flarefree.web.record.models import LogRow
from flarefree.web.record.reading import Item, history_of, read_thing, read_things
from flarefree.web.trial import running_trial

__all__ = ["CHECKS", "check_cases_follow", "check_recall"]

Event = tuple[str, str, int]


def check_recall(quick: bool) -> Iterator[Evidence]:
    """E1: recall n of n over the record; rows, rule and time with each case; the limits of the sentences."""
    with (
        TemporaryDirectory() as folder,
        committee_trial(Path(folder), patients=12 if quick else 400) as cohort,
    ):
        cases = {(c.subject, c.endpoint, c.day): c for c in queue_now().suspected}
        n, found = len(cohort.true), len(cohort.true & set(cases))
        yield Evidence(f"true events of {n} that are cases in the record", n, found, found == n > 0)
        met = {event for event, case in cases.items() if str(case.level) == "met"}
        yield _is("cases the rule calls met that the naive way does not know", 0, len(met - cohort.true))
        yield from _cited(cases)
    yield from _limits("alms-maintenance", boundaries.alms_limits(), boundaries.alms_baseline)
    yield from _limits(
        "multitarget-maintenance", boundaries.multitarget_limits(), boundaries.multitarget_baseline
    )
    yield from _entered_at_the_site()


def _cited(cases: Mapping[Event, Case]) -> Iterator[Evidence]:
    """Each case names the log's entries that it rests on, and these are of its own patient."""
    told = {(i.subject, str(i["endpoint"]), int(i["day"] or 0)): i for i in read_things("detection")}
    digest = running_trial().protocol.digest
    traced = sum(
        bool(item["sentence"]) and item["protocol"] == digest and bool(item["found_at"])
        for event, item in told.items()
        if event in cases
    )
    yield _is("cases with sentence, version of the protocol and time", len(cases), traced)
    places = [(event[0], place) for event, item in told.items() for place in json.loads(str(item["cited"]))]
    entries = {(subject, _entry(place)) for subject, place in places}
    about = dict(LogRow.objects.filter(number__in={n for _, n in entries}).values_list("number", "about"))
    own = sum(about.get(number) == f"subject/{subject}" for subject, number in entries)
    yield Evidence(
        "entries of the log that cases cite, of their own patient", len(entries), own, own == len(entries) > 0
    )
    without = sum(not json.loads(str(item["cited"])) for item in told.values())
    yield _is("cases that cite nothing", 0, without)


def _entry(place: str) -> int:
    found = re.search(r"entry (\d+)", place)
    return int(found[1]) if found else 0


def _limits(protocol: str, limits: list[boundaries.Limit], baseline: boundaries.Plant) -> Iterator[Evidence]:
    """At each limit and just short of it, through the record."""
    with TemporaryDirectory() as folder, committee_trial(Path(folder), protocol=protocol):
        planted = Planted(running_trial().protocol)
        of = boundaries.plant(planted, limits, baseline=baseline)
        plant_patients(planted)
        cases = [case for case in queue_now().cases if case.state is not CaseState.VOID]
        for name, limit in of.items():
            found = {(c.endpoint, c.day, str(c.level)) for c in cases if c.subject == name}
            told = _words(set(limit.expected))
            yield Evidence(
                f"{protocol}, entered: {limit.what}", told, _words(found), found == set(limit.expected)
            )


def _words(events: set[tuple[str, int, str]]) -> str:
    return "; ".join(f"{e} day {d} {level}" for e, d, level in sorted(events)) or "nothing"


# By the site's own commands -------------------------------------------------------------------------

_CALM = {"upcr": "0.4", "proteinuria": "0.4", "creatinine": "1.0", "red_cells": "1", "cellular_casts": "N"}
_UNITS = {"upcr": "mg/mg", "proteinuria": "g/day", "creatinine": "mg/dL", "red_cells": "/hpf"}


def _entered_at_the_site() -> Iterator[Evidence]:
    """A flare at its limits by a visit's form; corrected, it is withdrawn; corrected back, it stands."""
    with TemporaryDirectory() as folder, live_trial(Path(folder), subjects=2) as trial:
        for name in trial.subjects:
            randomize(name)
        for name in trial.subjects:
            _visit(name, "Month 0", 0, {})
        flaring, calm = trial.subjects
        _visit(calm, "Month 3", 91, {"upcr": "0.79", "proteinuria": "1.0"})
        yield _is("by a visit's form, just short of the limit", "nothing", _states(calm))
        _visit(flaring, "Month 3", 91, {"upcr": "0.8", "proteinuria": "1.0"})
        yield _is("by a visit's form, exactly at the limit", "renal_flare waiting", _states(flaring))
        row = next(i for i in read_things("lab", subject=flaring) if i["value"] == "0.8")
        for value, state in (("0.79", "void"), ("0.8", "waiting")):
            command = CorrectValue(key=row.key, value=value, reason="as the laboratory wrote it")
            _ask_site(flaring, command, f"corrected to {value}")
            yield _is(f"corrected to {value} at the site", f"renal_flare {state}", _states(flaring))


def _visit(subject: str, name: str, days: int, values: Mapping[str, str]) -> None:
    told = tuple(
        ResultIn(measure=measure, value=value, unit=_UNITS.get(measure, ""))
        for measure, value in {**_CALM, **values}.items()
    )
    on = BEGIN.date() + timedelta(days=days)
    _ask_site(subject, RecordVisit(subject=subject, visit=name, date=on, values=told), name, days)


def _ask_site(subject: str, command: Command, request: str, days: int = 100) -> None:
    """The site's investigator asks, so many days after the trial began."""
    site = subject.partition("-")[0]
    actor = Actor(f"investigator-{site}", "investigator", frozenset({site}))
    at = BEGIN + timedelta(days=days, hours=2)
    execute(command, Asked(actor, f"{subject} {request}", at))


def _states(subject: str) -> str:
    return (
        "; ".join(f"{c.endpoint} {c.state}" for c in queue_now().cases if c.subject == subject) or "nothing"
    )


# E2 -------------------------------------------------------------------------------------------------


def check_cases_follow(quick: bool) -> Iterator[Evidence]:
    """E2: changed rows open decided cases again; verdicts stay as they were; lost looks are made up for."""
    with TemporaryDirectory() as folder, committee_trial(Path(folder), patients=9 if quick else 60) as cohort:
        known = queue_now()
        subject = next(iter(cohort.day_one))
        execute(detecting.LookForEvents(subject=subject), Asked(None, "look twice", START, "machine"))
        yield _is("a look at the same data changes no case", True, queue_now() == known)
        yield from _withdrawn(cohort)
        release_cases()
        judge(lambda case, place: "refuted" if _is_refuted(case) else "confirmed")
        settle()
        yield from _opened_again(cohort)
        yield from _lost(cohort)


def _is_refuted(case: Case) -> bool:
    return case.kind is not CaseKind.SUSPECTED or int(case.subject[-1]) % 3 == 0


def _withdrawn(cohort: Cohort) -> Iterator[Evidence]:
    """Before anybody judged it: the row is corrected away, and back."""
    case = next(c for c in queue_now().suspected if c.endpoint == "renal_flare" and _is_alone(cohort, c))
    for is_void, state in ((True, CaseState.VOID), (False, CaseState.WAITING)):
        rows = [("lab", key, "labs.efficacy", {"void": is_void}) for key, _ in _labs(cohort, case)]
        plant(case.subject, *rows, request=f"rows {is_void}", at=START)
        found = next(c for c in queue_now().cases if c.id == case.id)
        what = "whose rows were entered in error" if is_void else "and were not, after all"
        yield _is(f"a {case.endpoint} {what}", str(state), str(found.state))


def _labs(cohort: Cohort, case: Case) -> list[tuple[str, Mapping[str, Any]]]:
    """Laboratory rows of the case's day, with their keys in the record."""
    rows = [row for row in cohort.planted.rows["lb"] if row["USUBJID"] == case.subject]
    return [(f"{case.subject}.{n}", row) for n, row in enumerate(rows) if _day(row) == case.day]


def _is_alone(cohort: Cohort, case: Case) -> bool:
    """Whether nothing else was measured near it, by which the same event would be found."""
    rows = (row for row in cohort.planted.rows["lb"] if row["USUBJID"] == case.subject)
    near = {_day(row) for row in rows if abs(_day(row) - case.day) <= 46}
    return near == {case.day}


def _day(row: Mapping[str, Any]) -> int:
    apart = (date.fromisoformat(row["LBDTC"]) - DAY_ONE).days
    return apart + 1 if apart >= 0 else apart


def _opened_again(cohort: Cohort) -> Iterator[Evidence]:
    """Every decided flare of which a value was corrected by little: asked about anew."""
    decided = [
        c for c in queue_now().suspected if c.verdict is not None and c.endpoint == "renal_flare" and c.basis
    ]
    numbers = {case.id: (case.number, case.verdict) for case in decided}
    said = {number: _stood(number) for number, _ in numbers.values()}
    for case in decided:
        key, row = next(
            (k, r) for k, r in _labs(cohort, case) if r["LBTESTCD"] in ("CREAT", "UPCR", "PROT24H")
        )
        told = {"value": f"{float(row['LBORRES']) + 0.01:.2f}"}
        plant(case.subject, ("lab", key, "labs.efficacy", told), request=f"late {case.id}", at=START + _LATER)
    again = {case.id: case for case in queue_now().cases}
    n = len(decided)
    opened = sum(again[one].verdict is None for one in numbers)
    yield Evidence(f"decided cases of {n} opened by a corrected value", n, opened, opened == n > 0)
    kept = sum(again[one].verdicts[0] == verdict for one, (_, verdict) in numbers.items())
    yield _is("verdicts that stand in the history as they were", n, kept)
    same = sum(_stood(number) == before for number, before in said.items())
    yield _is("decisions in the record of which nothing was written over", n, same)
    out = sum(_decision(number)["is_in_force"] is False for number in said)
    yield _is("decisions that say that they count no more", n, out)
    release_cases(days=40)
    fresh = sum(c.number not in ("", numbers[c.id][0]) for c in queue_now().cases if c.id in numbers)
    yield _is("shown again under another number", n, fresh)


_LATER, _MUCH_LATER = timedelta(days=30), timedelta(days=60)


def _decision(number: str) -> Item:
    item = read_thing("decision", number)
    assert item is not None  # every number asked about was decided
    return item


def _stood(number: str) -> list[tuple[str, ...]]:
    """All that a decision ever said, but for whether it counts."""
    names = ("answer", "event_day", "by", "at", "reason")
    return [tuple(str(f.value) for f in history_of("decision", number, name)) for name in names]


def _lost(cohort: Cohort) -> Iterator[Evidence]:
    """The process ends before the look; and a look breaks off."""
    subject, site = "P-0002", "03"
    of = {"subject": subject, "site": site, "name": "SUSPECTED RENAL FLARE"}
    known = {case.id for case in queue_now().cases}
    with patch.object(detecting, "after_change", lambda subject, asked: False):
        late = of | {"date": "2024-07-01"}
        plant(
            subject,
            ("clinical_event", "late", "investigator.verdict", late),
            request="late",
            at=START + _MUCH_LATER,
        )
    yield _is("cases of a look that was never made", 0, len({c.id for c in queue_now().cases} - known))
    yield _is("made up for at the next start", subject, " ".join(detecting.repair_cases(START + _MUCH_LATER)))
    yield _is("and at the start after it", "", " ".join(detecting.repair_cases(START + _MUCH_LATER)))
    yield from _broken_off(of)


def _broken_off(of: Mapping[str, str]) -> Iterator[Evidence]:
    subject = of["subject"]

    def breaks(*_: object) -> None:
        raise ValueError("tacrolimus 6.66")  # an error may quote anything

    with patch.object(detecting, "detect_in", breaks), patch.object(detecting, "_log"):
        row = dict(of) | {"date": "2024-10-01"}
        done = plant(
            subject, ("clinical_event", "x", "investigator.verdict", row), request="x", at=START + _MUCH_LATER
        )
    yield _is("what was entered stands, though the look broke off", True, done.entry > 0)
    told = lost_looks(MANAGER)
    yield _is("the data manager is told whose", subject, " ".join(one.subject for one in told))
    yield _is("and what sort of error, without its words", "ValueError", " ".join(one.error for one in told))
    site = Actor("ines", "investigator", frozenset({of["site"]}))
    others = sum(len(lost_looks(actor)) for actor in (site, member("eva"), Actor("sam", "sponsor")))
    yield _is("sites, members and the sponsor are told", 0, others)
    known = {case.id for case in queue_now().cases}
    row = {"subject": subject, "site": of["site"], "test": "CREAT", "value": "0.9", "unit": "mg/dL"}
    plant(
        subject,
        ("lab", "y", "labs.efficacy", row | {"date": "2025-01-01"}),
        request="y",
        at=START + _MUCH_LATER,
    )
    fresh = [c.endpoint for c in queue_now().cases if c.id not in known]
    yield _is("the patient's next change makes up for it", "suspected_renal_flare", " ".join(fresh))
    yield _is("looks that are still lost", 0, len(lost_looks(MANAGER)))


def _is(what: str, expected: str | int | bool, found: str | int | bool) -> Evidence:
    return Evidence(what, expected, found, found == expected)


CHECKS = (
    Check("E1", "Planted events and the sentences' limits, entered into the record", check_recall),
    Check("E2", "Cases follow what is entered late or corrected", check_cases_follow),
)
