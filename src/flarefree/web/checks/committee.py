"""E3, E5, E6, E7 on the record: votes, controls, word to safety, copies and the lock, all by commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import resources
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from flarefree.conduct.adjudication.cases import Case, CaseKind, CaseState
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.checks.committee_trial import (
    CHAIR,
    KEEPER,
    MANAGER,
    MEMBERS,
    OFFICER,
    START,
    STATISTICIAN,
    ask,
    committee_trial,
    judge,
    member,
    plant,
    queue_now,
    release_cases,
    settle,
    vote,
)
from flarefree.web.commands.adjudication import CastVote, DecideTogether, DeclineCase, Said
from flarefree.web.commands.adjudication_closing import (
    AcknowledgeReferral,
    CorrectNote,
    LockAdjudication,
    SendNote,
)
from flarefree.web.commands.adjudication_keeping import AskThird, RecordLeave, ReopenCase
from flarefree.web.commands.base import Command
from flarefree.web.committee_store import decisions_of_record
from flarefree.web.queries.committee import agreement, board, desk, referrals
from flarefree.web.queries.dossiers import dossier_page
from flarefree.web.queries.seeing import see_things
from flarefree.web.record.reading import read_thing

__all__ = ["CHECKS", "check_controls", "check_copies_and_lock", "check_safety", "check_votes"]

_WHY = "as the rows show"


def _is(what: str, expected: str | int | bool, found: str | int | bool) -> Evidence:
    return Evidence(what, expected, found, found == expected)


def _refused(what: str, actor: Actor, command: Command, words: str = "", days: float = 1) -> Evidence:
    try:
        ask(actor, command, days=days)
    except ConductError as error:
        return Evidence(what, f"refused {words}".strip(), f"refused: {error.what}", words in error.what)
    return Evidence(what, "refused", "done", False)


def _slips(share: float, seed: int) -> Callable[[Case, int], Said]:
    """Members who see what is there, and now and then say the contrary."""
    chance = Random(seed)

    def said(case: Case, place: int) -> Said:
        lot = Random(f"{case.subject}{case.endpoint}{case.day}").random()
        is_event = lot < (0.85 if case.kind is not CaseKind.CONTROL else 0.1)
        return "confirmed" if is_event != (chance.random() < share) else "refuted"

    return said


# E3 -----------------------------------------------------------------------------------------------


def check_votes(quick: bool) -> Iterator[Evidence]:
    """E3: two sealed votes on each component; who may not vote cannot; what differs is settled."""
    with TemporaryDirectory() as folder, committee_trial(Path(folder), patients=9 if quick else 60):
        release_cases()
        yield from _assigned()
        yield from _sealed()
        yield from _declined()
        differing = settle("confirmed")
        decided = [c for c in queue_now().cases if c.verdict is not None and c.verdict.by == "consensus"]
        yield Evidence("cases that a quorum settled, of those that differed", differing, len(decided),
                       len(decided) == differing > 0)  # fmt: skip
    yield from _a_third()


def _assigned() -> Iterator[Evidence]:
    cases = [case for case in queue_now().cases if case.number]
    two = sum(len(set(case.round.assigned)) == 2 for case in cases)
    yield Evidence("cases shown, each to two members", len(cases), two, two == len(cases) > 0)
    components = {(case.subject, case.endpoint) for case in queue_now().suspected}
    patients = {subject for subject, _ in components}
    yield Evidence(
        "components of one patient are cases of their own", "more than patients",
        f"{len(components)} of {len(patients)} patients", len(components) > len(patients),
    )  # fmt: skip


def _sealed() -> Iterator[Evidence]:
    """On every case: what the second member sees before and after the second vote."""
    seen_early = seen_late = twice = opened = 0
    cases = [case for case in queue_now().cases if case.state is CaseState.VOTING]
    for n, case in enumerate(cases):
        one, other = case.round.assigned
        is_event = case.kind is CaseKind.SUSPECTED
        vote(case.number, one, "confirmed" if is_event else "refuted", case.day if is_event else None)
        early = next(d for d in desk(member(other)) if d.number == case.number)
        seen_early += bool(early.votes) or any(
            item.key.startswith(case.number) for item in see_things(member(other), "vote")
        )
        again = CastVote(case=case.number, answer="refuted", reason=_WHY)
        twice += not _refused("", member(one), again, "once").holds
        if n < 3:
            yield from _may_not(case)
        if n % 3 == 0 and n > 2:
            continue  # left for others to vote on
        vote(case.number, other, "refuted")
        late = next(d for d in desk(member(one)) if d.number == case.number)
        opened += 1
        seen_late += {v.member for v in late.votes} == {one, other}
    yield _is(f"first votes of {len(cases)} that the other member saw before voting", 0, seen_early)
    yield _is("second votes of one member that were taken", 0, twice)
    yield _is("both votes shown once both are in", opened, seen_late)


def _may_not(case: Case) -> Iterator[Evidence]:
    number, assigned = case.number, case.round.assigned
    stranger = next(name for name in MEMBERS if name not in assigned)
    refuse = CastVote(case=number, answer="refuted", reason=_WHY)
    nothing = "nothing here for you"
    yield _refused("a vote of who was not asked", member(stranger), refuse, nothing)
    yield _refused("a vote of the chair", CHAIR, refuse, "")
    yield _refused("a vote of the coordinator", KEEPER, refuse, nothing)
    alone = DecideTogether(case=number, answer="refuted", reason=_WHY, present=("ada",))
    yield _refused("a decision by a member", member(assigned[0]), alone, nothing)
    yield _refused("a decision before both have voted", CHAIR, alone, "")


def _declined() -> Iterator[Evidence]:
    case = next(c for c in queue_now().cases if c.state is CaseState.VOTING)
    leaving = case.round.outstanding[0]
    ask(member(leaving), DeclineCase(case=case.number, why="a cousin of mine"), days=1)
    after = queue_now().case(case.number)
    is_moved = leaving not in after.round.assigned and len(after.round.assigned) == 2
    yield _is("a case that was declined has another reader", True, is_moved)
    gone = case.number not in {d.number for d in desk(member(leaving))}
    yield _is("and is off the desk", True, gone)
    away = next(c for c in queue_now().cases if c.state is CaseState.VOTING).round.outstanding[0]
    ask(KEEPER, RecordLeave(member=away, first="2026-03-01", last="2026-03-04"), days=1)
    left = sum(away in c.round.outstanding for c in queue_now().cases)
    yield _is("votes that are still asked of a member on leave", 0, left)


def _a_third() -> Iterator[Evidence]:
    """Where the protocol wants a third vote: two of three decide, and the third saw neither."""
    with TemporaryDirectory() as folder:
        place = Path(folder) / "third.yaml"
        text = (resources.files("flarefree.protocol") / "library" / "alms-maintenance.yaml").read_text(
            "utf-8"
        )
        place.write_text(text.replace("on_disagreement: consensus", "on_disagreement: third"), "utf-8")
        with committee_trial(Path(folder), patients=4, protocol=str(place)):
            release_cases()
            judge(lambda case, n: "confirmed" if n else "refuted")
            differing = [c for c in queue_now().cases if c.state is CaseState.DISAGREED]
            unseen = 0
            for case in differing:
                ask(KEEPER, AskThird(case=case.number), days=1)
                third = queue_now().case(case.number).round.outstanding[0]
                shown = next(d for d in desk(member(third)) if d.number == case.number)
                unseen += shown.votes == () and third not in case.round.assigned
                vote(case.number, third, "confirmed", case.day)
            ends = [queue_now().case(case.number).verdict for case in differing]
            n = len(differing)
            yield Evidence(f"thirds of {n} who saw neither vote", n, unseen, unseen == n > 0)
            by = sum(end is not None and str(end.by) == "third vote" for end in ends)
            yield _is("decided by two of three", n, by)


# E5 -----------------------------------------------------------------------------------------------


def check_controls(quick: bool) -> Iterator[Evidence]:
    """E5: one in twenty is a control, nobody who judges can tell, and the miss rate has its limits."""
    with TemporaryDirectory() as folder, committee_trial(Path(folder), patients=12 if quick else 150):
        release_cases()
        cases = [case for case in queue_now().cases if case.number]
        controls = [case for case in cases if case.kind is CaseKind.CONTROL]
        share = len(controls) / len(cases)
        yield Evidence(f"share of controls among {len(cases)} cases", "at least 0.05", share, share >= 0.05)
        yield from _not_told(cases)
        judge(_slips(0.0, 5))
        settle()
        found = agreement(STATISTICIAN)
        missed = found.missed
        is_limited = missed.conf_low is not None and missed.conf_high is not None
        limits = f"{missed.conf_low or 0:.4f} to {missed.conf_high or 1:.4f}"
        what = f"miss rate {missed.confirmed} of {missed.decided} periods, exact limits {limits}"
        yield Evidence(what, "limits around it", missed.rate or 0.0, is_limited)
        yield _is("controls that were decided", len(controls), missed.decided)
        confirmed = sum(c.verdict is not None and c.verdict.answer == "confirmed" for c in queue_now().cases
                        if c.kind is CaseKind.CONTROL)  # fmt: skip
        yield _is("confirmed ones that it counts", confirmed, missed.confirmed)
        yield _is_denied("the agreement with its controls, to the coordinator", lambda: agreement(KEEPER))


def _not_told(cases: list[Case]) -> Iterator[Evidence]:
    """All that coordinator and members can ask for: words, order, time, and the form of a page."""
    members = [member(name) for name in MEMBERS]
    seen = [see_things(KEEPER), board(KEEPER).cases, *(see_things(one) for one in members)]
    seen += [desk(one) for one in members]
    pages = {c.number: dossier_page(member(c.round.assigned[0]), c.number) for c in cases}
    told = repr(seen) + "".join(repr(page) for page in pages.values())
    for word in ("control", "suspected'", "duplicate", "copy_of"):
        yield _is(f"'{word}' in what members and coordinator see", 0, told.count(word))
    shown = see_things(KEEPER, "case")
    yield _is(
        "cases come in the order of their numbers",
        True,
        [c.key for c in shown] == sorted(c.key for c in shown),
    )
    yield _is("entries of the log that first speak of them", 1, len({c.since for c in shown}))
    hidden = sum(len(see_things(KEEPER, kind)) for kind in ("case_file", "batch", "detection"))
    yield _is("files, batches and detections that the coordinator sees", 0, hidden)
    ways = {(case.endpoint, page.dossier.question, page.dossier.definition) for case in cases
            for page in (pages[case.number],)}  # fmt: skip
    yield _is("ways in which a component is asked about", len({c.endpoint for c in cases}), len(ways))
    dark = sum(
        not any(point.is_asked for s in pages[c.number].series for point in s.points)
        for c in cases
        if c.kind is CaseKind.CONTROL
    )
    yield _is("controls without a value on the day in question", 0, dark)


def _is_denied(what: str, act: Callable[[], object]) -> Evidence:
    try:
        act()
    except ConductError as error:
        return Evidence(what, "denied", f"denied: {error.what}", True)
    return Evidence(what, "denied", "given", False)


# E6 -----------------------------------------------------------------------------------------------


def check_safety(quick: bool) -> Iterator[Evidence]:
    """E6: each negative verdict goes to safety, no control does, and nothing comes back."""
    with TemporaryDirectory() as folder, committee_trial(Path(folder), patients=9 if quick else 60):
        release_cases()
        judge(_slips(0.2, 6))
        settle()
        queue = queue_now()
        refuted = {
            (c.subject, c.endpoint, c.day)
            for c in queue.suspected
            if c.verdict is not None and str(c.verdict.answer) != "confirmed"
        }
        told = referrals(OFFICER)
        sent = {(r.subject, r.endpoint, r.day) for r in told}
        yield Evidence("negative verdicts that safety is told of", len(refuted), len(sent & refuted),
                       sent == refuted and len(told) == len(refuted) > 0)  # fmt: skip
        others = sum(len(referrals(one)) for one in (KEEPER, CHAIR, *(member(name) for name in MEMBERS)))
        yield _is("of which the committee is told", 0, others)
        before = _all_seen()
        outcomes = ("reported as an adverse event", "asked the site", "no report needed")
        for n, referral in enumerate(told):
            ask(OFFICER, AcknowledgeReferral(referral=referral.key, outcome=outcomes[n % 3]), days=3)
        yield _is("what the committee sees is the same after safety has acted", True, _all_seen() == before)
        kept = sum(bool(one.outcome) for one in referrals(OFFICER))
        yield _is("outcomes that safety finds again", len(told), kept)
        table = agreement(STATISTICIAN).tables[1]
        yield Evidence("components of the table of investigator and committee", "some", len(table.rows),
                       len(table.rows) > 0)  # fmt: skip


def _all_seen() -> str:
    members = [member(name) for name in MEMBERS]
    pages = [dossier_page(one, case.number) for one in members for case in desk(one)]
    return repr(([desk(one) for one in (*members, CHAIR)], board(KEEPER), see_things(KEEPER), pages))


# E7 -----------------------------------------------------------------------------------------------


def check_copies_and_lock(quick: bool) -> Iterator[Evidence]:
    """E7: copies go to their first readers unseen; the lock asks for an empty, reconciled queue."""
    with TemporaryDirectory() as folder, committee_trial(Path(folder), patients=24 if quick else 150):
        release_cases()
        yield _refused("the lock while cases are open", MANAGER, LockAdjudication(), "still open")
        judge(_slips(0.05, 7))
        settle()
        yield from _copies()
        yield from _lock()


def _copies() -> Iterator[Evidence]:
    """Two months later a case is opened again, and with its release copies of decided ones are shown."""
    chosen = next(c for c in queue_now().suspected if c.verdict is not None)
    ask(KEEPER, ReopenCase(case=chosen.number, why="a biopsy came in late"), days=70)
    release_cases(days=71)
    by_id = {case.id: case for case in queue_now().cases}
    copies = [case for case in by_id.values() if case.kind is CaseKind.DUPLICATE]
    n = len(copies)
    yield Evidence("decided cases shown again, blind", "some", n, n > 0)
    first = sum(
        set(c.round.assigned) == {b.member for b in by_id[c.copy_of].rounds[0].ballots} for c in copies
    )
    yield _is("to those who voted before", n, first)
    yield _is("under the old number", 0, sum(c.number == by_id[c.copy_of].number for c in copies))
    judge(_slips(0.05, 8), days=72)
    settle(days=73)
    found = agreement(STATISTICIAN).within
    told = "not defined: all one answer" if found.kappa is None else found.kappa
    what = f"agreement within members: {found.n_agree} of {found.n} votes alike, kappa"
    yield Evidence(what, f"of {2 * n} votes", told, found.n == 2 * n > 0)
    both = agreement(STATISTICIAN)
    limits = f"{both.between.conf_low or 0:.2f} to {both.between.conf_high or 0:.2f}"
    kappa = both.between.kappa or 0.0
    yield Evidence(
        f"kappa of {both.between.n} pairs of votes, limits {limits}",
        "above 0.4 (5% slips)",
        kappa,
        kappa > 0.4,
    )
    components = {case.endpoint for case in by_id.values() if case.number}
    yield Evidence(
        "components with their own kappa", f"{len(components)} or more", len(both.tables[0].rows),
        len(both.tables[0].rows) >= len(components),
    )  # fmt: skip


def _lock() -> Iterator[Evidence]:
    lock = LockAdjudication()
    yield _refused("the lock while safety has not answered", MANAGER, lock, "safety has not acknowledged", 74)
    for one in referrals(OFFICER):
        ask(OFFICER, AcknowledgeReferral(referral=one.key, outcome="no report needed"), days=75)
    site = Actor("ines", "investigator", frozenset({"03"}))
    letter = SendNote(subject="P-0002", title="Letter", on="2024-05-01", text="on azathioprine since March")
    sent = str(ask(site, letter, days=76).result["note"])
    yield _refused("the lock while a text is held back", MANAGER, lock, "texts are held back", 76)
    ask(site, CorrectNote(note=sent, text="as before", reason="the drug is left out"), days=76)
    yield _refused("the lock by the coordinator", KEEPER, lock, "", 77)
    done = ask(MANAGER, lock, days=77)
    decided = [c for c in queue_now().cases if c.state is CaseState.DECIDED]
    yield _is("else it locks: cases decided", len(decided), int(done.result["cases"]))
    yield Evidence(
        "decisions in its digest", "some", decisions_of_record().height, bool(done.result["digest"])
    )
    late = CastVote(case=decided[0].number, answer="refuted", reason=_WHY)
    yield _refused("a vote once it is locked", member(decided[0].round.assigned[0]), late, "locked", 78)
    row = {"subject": "P-0004", "site": "01", "name": "SUSPECTED RENAL FLARE", "date": "2024-09-01"}
    plant(
        "P-0004",
        ("clinical_event", "x", "investigator.verdict", row),
        request="x",
        at=START + timedelta(days=79),
    )
    standing = read_thing("adjudication_lock", "this")
    is_broken = standing is not None and standing["is_in_force"] is False
    yield _is("late data that change a case break the lock", True, is_broken)


CHECKS = (
    Check("E3", "Sealed votes, by command, on every component", check_votes),
    Check("E5", "Controls in the record, and what anybody can learn of them", check_controls,
          left="that controls look like cases is tested by the rules' check"),
    Check("E6", "Word to safety and none back", check_safety),
    Check("E7", "Copies, agreement and the lock, by command", check_copies_and_lock),
)  # fmt: skip
