"""Check E3: components are judged apart, by sealed votes, by members who may."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from flarefree.conduct.adjudication.cases import CaseState
from flarefree.conduct.adjudication.desk import desk_case
from flarefree.conduct.adjudication.queue import Queue, reconcile
from flarefree.conduct.adjudication.releasing import release
from flarefree.conduct.adjudication.voting import Answer, Ballot, seal
from flarefree.conduct.checks.cohort import COMMITTEE, START
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.checks.trying import FLARE, alms, one_patient_with, that_is, that_refuses
from flarefree.conduct.detecting import Detection, Detector

__all__ = ["CHECKS"]

SEED = 20_260_303


# E3 -----------------------------------------------------------------------------------------------


def _waiting(site: str = "04", **rules: object) -> Queue:
    protocol = alms()
    study = one_patient_with((92, FLARE), site=site)
    detection = Detector(protocol).detect(study, START)
    queue = Queue.of(protocol)
    queue = replace(queue, rules=queue.rules.model_copy(update=rules))
    return release(reconcile(queue, detection, START), (), COMMITTEE, random.Random(5), START)


def _vote(queue: Queue, who: int, answer: Answer, day: int | None = None) -> Queue:
    case = queue.suspected[0]
    member = case.round.assigned[who]
    return queue.cast(seal(case.number, case.round.number, member, START, answer, day, f"secret-{member}"))


def _e3(quick: bool) -> Iterator[Evidence]:
    yes, no = Answer.CONFIRMED, Answer.REFUTED
    first = _vote(_waiting(), 0, yes, 92)
    case = first.suspected[0]
    second = case.round.assigned[1]
    shown = repr(desk_case(first, case.number, second, COMMITTEE, START)) + repr(case) + repr(first)
    yield that_is(
        "the first vote is not in what the second member sees, nor in any repr", False, "secret-" in shown
    )
    said = [entry.said for entry in case.history if entry.what == "voted"]
    yield that_is("history has the commitment alone", True, said == [case.round.ballots[0].commitment])
    agreed = _vote(first, 1, yes, 92).suspected[0]
    yield that_is(
        "two alike decide",
        "confirmed on day 92",
        f"{agreed.verdict.answer} on day {agreed.verdict.event_day}" if agreed.verdict else "",
    )
    opened = [entry for entry in agreed.history if entry.what == "opened vote"]
    yield that_is("both votes are then said, with their secrets", 2, len(opened))
    yield that_refuses(
        "a vote changed after it was sealed", lambda: replace(case.round.ballots[0], event_day=93)
    )
    yield that_refuses("a second vote of one member", lambda: _vote(first, 0, no))
    yield that_refuses("a vote of who was not asked", lambda: first.cast(_of_outsider(first)))
    yield that_refuses("a date that is another event's", lambda: _vote(_waiting(), 0, yes, 92 + 46))
    dates = _vote(_vote(_waiting(), 0, yes, 92), 1, yes, 93).suspected[0]
    yield that_is("two dates are a disagreement", "disagreed", str(dates.state))
    yield from _e3_ways(yes, no)
    yield from _e3_people(yes, no)
    components = {case.endpoint for case in _components().cases}
    yield that_is(
        "components of one patient are cases of their own",
        "doubling, renal_flare",
        ", ".join(sorted(components)),
    )


def _of_outsider(queue: Queue) -> Ballot:
    case = queue.suspected[0]
    outsider = next(m.id for m in COMMITTEE.members if m.id not in case.round.assigned)
    return seal(case.number, 1, outsider, START, Answer.REFUTED)


def _components() -> Queue:
    sick = {**FLARE, "creatinine": 2.1}
    study = one_patient_with((92, sick), (121, sick))
    protocol = alms()
    return reconcile(Queue.of(protocol), Detector(protocol).detect(study, START), START)


def _e3_ways(yes: Answer, no: Answer) -> Iterator[Evidence]:
    split = {
        way: _vote(_vote(_waiting(on_disagreement=way), 0, yes, 92), 1, no)
        for way in ("third", "consensus", "chair")
    }
    number = split["third"].suspected[0].number
    asked = split["third"].third(number, COMMITTEE, random.Random(1), START, "keeper")
    third = asked.suspected[0].round.assigned[2]
    seen = desk_case(asked, number, third, COMMITTEE, START)
    yield that_is("a third member sees neither vote", 0, len(seen.votes))
    verdict = _vote(asked, 2, yes, 92).suspected[0].verdict
    yield that_is(
        "two of three decide",
        "confirmed by third vote",
        f"{verdict.answer} by {verdict.by}" if verdict else "",
    )
    undecided = _vote(asked, 2, Answer.UNDECIDABLE).suspected[0]
    yield that_is("three that differ go to the chair", "chair", undecided.needs(split["third"].rules))

    meeting = split["consensus"]
    number = meeting.suspected[0].number
    together = meeting.decide_together(number, ("ada", "eva", "ben"), COMMITTEE, no, None, "infection", START)
    yield that_is(
        "consensus with a quorum decides",
        "refuted",
        str(together.suspected[0].verdict.answer) if together.suspected[0].verdict else "",
    )
    yield that_refuses(
        "consensus without a quorum",
        lambda: meeting.decide_together(number, ("ada", "eva"), COMMITTEE, no, None, "x", START),
    )
    yield that_refuses(
        "consensus without the chair",
        lambda: meeting.decide_together(number, ("ben", "eva", "dan"), COMMITTEE, no, None, "x", START),
    )
    yield that_refuses(
        "consensus without a reason",
        lambda: meeting.decide_together(number, ("ada", "eva", "ben"), COMMITTEE, no, None, " ", START),
    )

    one = split["chair"]
    number = one.suspected[0].number
    chaired = one.decide_by_chair(number, "ada", COMMITTEE, yes, 92, "as the rows show", START)
    yield that_is(
        "the chair decides",
        "chair",
        str(chaired.suspected[0].verdict.by) if chaired.suspected[0].verdict else "",
    )
    yield that_refuses(
        "another member in the chair's place",
        lambda: one.decide_by_chair(number, "eva", COMMITTEE, yes, 92, "x", START),
    )
    yield that_refuses(
        "the chair where votes agree",
        lambda: _vote(_vote(_waiting(on_disagreement="chair"), 0, no), 1, no).decide_by_chair(
            number, "ada", COMMITTEE, yes, 92, "x", START
        ),
    )


def _e3_people(yes: Answer, no: Answer) -> Iterator[Evidence]:
    bars = {"01": "ben", "02": "cleo", "03": "dan"}
    for site, barred in bars.items():
        asked = {m for s in range(40) for m in _assigned(site, s)}
        yield that_is(f"{barred} is never asked about site {site} (40 lots)", False, barred in asked)
        queue = _waiting(site)
        case = queue.suspected[0]
        forced = case.replaced(case.round.assigned[0], barred, "forced", START, "keeper")
        by_hand = partial(desk_case, queue.with_case(forced), forced.number, barred, COMMITTEE, START)
        yield that_refuses(f"nor shown it if put there by hand ({site})", by_hand)
    yield that_is(
        "who is on leave is not asked", False, "finn" in {m for s in range(40) for m in _assigned("04", s)}
    )
    queue = _waiting()
    leaving = queue.suspected[0].round.assigned[0]
    member = COMMITTEE.member(leaving)
    away = COMMITTEE.with_member(replace(member, leave=((START.date(), START.date()),)))
    moved = queue.restaffed(away, random.Random(1), START, "keeper").suspected[0]
    yield that_is("who goes on leave is replaced", False, leaving in moved.round.assigned)
    voted = _vote(queue, 0, yes, 92)
    conflicted = COMMITTEE.with_member(replace(member, sites=("04",)))
    spoilt = voted.restaffed(conflicted, random.Random(1), START, "keeper").suspected[0]
    yield that_is("a vote of who then declares a conflict is spoilt", True, spoilt.rounds[0].is_spoilt)
    few = replace(COMMITTEE, members=COMMITTEE.members[:1])
    waiting = replace(queue, cases=tuple(replace(c, state=CaseState.WAITING) for c in queue.cases))
    yield that_refuses(
        "a case for which too few are left", lambda: release(waiting, (), few, random.Random(1), START)
    )


def _assigned(site: str, seed: int) -> tuple[str, ...]:
    protocol = alms()
    queue = reconcile(Queue.of(protocol), _found(site), START)
    return release(queue, (), COMMITTEE, random.Random(seed), START).suspected[0].round.assigned


_FOUND: dict[str, Detection] = {}


def _found(site: str) -> Detection:
    if site not in _FOUND:
        _FOUND[site] = Detector(alms()).detect(one_patient_with((92, FLARE), site=site), START)
    return _FOUND[site]


CHECKS = (
    Check("E3", "Components are judged apart, by two sealed votes; people who may not judge do not", _e3),
)
