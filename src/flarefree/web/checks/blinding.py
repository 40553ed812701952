"""B1, B2, B3: nothing that a blinded person can see depends on the arm; and the check that says so is sharp.

B1 acts one trial twice, with the arms exchanged in every slot of the sealed lists and all else the same, and
compares everything that blinded roles can fetch, byte by byte.  B2 plants leaks and sees that B1 finds each.
B3 trains a classifier on what the blinded see of many simulated trials.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.conduct.checks.result import Check, Evidence
from flarefree.errors import FlarefreeError
from flarefree.web.checks.capturing import (
    Known,
    as_bytes,
    blinded_roles,
    capture_database,
    capture_files,
    capture_pages,
    differences,
    known_of_record,
    log_captured,
    time_of_machine,
    unknown_parts,
)
from flarefree.web.checks.leaks import LEAKS, Arms, Leak
from flarefree.web.checks.scratch import fresh_databases, installed_here
from flarefree.web.rehearsal.acted import Acted, Play, acted, cast_of
from flarefree.web.rehearsal.people import Person
from flarefree.web.rehearsal.seeding import seeded_randomness

if TYPE_CHECKING:
    from flarefree.conduct.randomization.lists import ListSet
    from flarefree.web.rehearsal.script import Enrolled

__all__ = ["CHECKS", "Side", "captured", "one_of_each_role"]

Side = dict[str, bytes]
_SEED = "flarefree blinding 1"
_EXPORTED_AS = ("blinded_statistician", "data_manager")

QUICK = Play(patients=4, sites=2, days=110, accrual_days=20)
FULL = Play(patients=30, sites=4, days=400, accrual_days=120)
_QUICKLY = 2  # addresses of a pattern


def _non_interference(quick: bool) -> Iterator[Evidence]:
    play = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="flarefree-b1-") as folder:
        at_most = _QUICKLY if quick else 24
        side = Path(folder) / "side"
        one = captured(side, play, at_most=at_most)
        other = captured(side, replace(play, are_swapped=True), at_most=at_most)
    arms, exchanged = one.pop("arms"), other.pop("arms")
    yield Evidence(
        "arms of patients that differ between the sides", "all of them", *_exchanged(arms, exchanged)
    )
    for title, part in _parts(one).items():
        found = differences(part, _like(part, other))
        size = sum(len(data) for data in part.values())
        what = f"{title}: {len(part):,} captured, {size:,} bytes; differences with arms exchanged"
        yield Evidence(what, 0, "; ".join(map(str, found[:3])) or 0, not found and bool(part))
    yield Evidence("captured on both sides", len(one), len(other), list(one) == list(other))
    answered = sum(data.startswith(b"200") for name, data in one.items() if "/" in name)
    yield Evidence("pages and readings that were answered with content", "hundreds", answered, answered > 200)


def _exchanged(one: bytes, other: bytes) -> tuple[str, bool]:
    pairs = list(zip(one.split(), other.split(), strict=True))
    changed = sum(a != b for a, b in pairs)
    return f"{changed} of {len(pairs)}", changed == len(pairs) > 0


_TITLES = {
    "role": "pages and API of {n} blinded roles",
    "result": "answers to commands",
    "refusal": "refusals",
    "voice": "the voice line",
    "export": "exports, names and bytes of files",
    "log": "the server's log",
    "database": "the record's database, table by table",
    "file": "files of the installation, but the vault's",
}


def _parts(side: Mapping[str, bytes]) -> dict[str, Side]:
    found: dict[str, Side] = {}
    for name, data in side.items():
        first = name.split()[0]
        kind = first if first in _TITLES else "role"
        found.setdefault(kind, {})[name] = data
    roles = {name.split()[0] for name in found.get("role", ())}
    return {_TITLES[kind].format(n=len(roles)): found[kind] for kind in _TITLES if kind in found}


def _like(part: Mapping[str, bytes], other: Mapping[str, bytes]) -> Side:
    kinds = {name.split()[0] for name in part}
    return {name: data for name, data in other.items() if name.split()[0] in kinds}


@contextmanager
def hash_of_lists_without_arms() -> Iterator[None]:
    """The published hash of the sealed lists, the same on both sides.

    It is the one thing that must differ where arms do, being a commitment to them; it tells nothing, since
    nobody can try out lists that were drawn from 256 random bits.  Every entry of the log that follows is
    chained to it.  So that all else can be compared, it is taken here over the lists without their arms.
    """
    from flarefree.conduct.randomization import lists, sealing

    before = sealing.digest_of

    def digest_of(kind: str, body: Mapping[str, Any]) -> str:
        if kind == lists.LIST_KIND:
            bare = [{**one, "entries": []} for one in body["lists"]]
            return before(kind, {**body, "lists": bare})
        return before(kind, body)

    sealing.digest_of = lists.digest_of = digest_of  # type: ignore[attr-defined]
    try:
        yield
    finally:
        sealing.digest_of = lists.digest_of = before  # type: ignore[attr-defined]


# One side -----------------------------------------------------------------------------------------


def captured(
    folder: Path,
    play: Play,
    *,
    acting_leak: AbstractContextManager[None] | None = None,
    roles: tuple[str, ...] = (),
    only: Callable[[str], bool] = lambda address: True,
    at_most: int = 24,
) -> Side:
    """Act the trial, and capture everything that blinded roles can see of it.

    Parameters
    ----------
    folder : Path
        The same on both sides: names of files are seen too.
    play : Play
    acting_leak : context manager
        Planted while it is acted (B2).
    roles : tuple of str
        Whose pages are fetched; all blinded ones if empty.
    only : function of an address
        Which pages.
    at_most : int
        Addresses of one pattern.

    Returns
    -------
    dict of str to bytes
        `arms` too: the arms that the vault gave, for the check alone.
    """
    with _side(folder, play, acting_leak) as (trial, log):
        found: Side = {"arms": " ".join(_arms_given(trial)).encode()}
        found["unknown"] = " ".join(unknown_parts(known_of(trial))).encode()
        people = [p for p in one_of_each_role(trial) if not roles or p.role in roles]
        found |= {f"result {name}": as_bytes(told) for name, told in trial.director.results.items()}
        found |= _refusals(trial)
        found |= capture_pages(people, known_of(trial), only=only, at_most=at_most)
        found |= _exports(trial, folder.parent / "exports")
        found |= capture_database()
        found |= capture_files(folder, but=("vault", "record.sqlite3", "clock"))
        found["log server"] = log()
    return found


@contextmanager
def _side(
    folder: Path, play: Play, acting_leak: AbstractContextManager[None] | None = None
) -> Iterator[tuple[Acted, Callable[[], bytes]]]:
    """A trial acted in databases of its own, with randomness, clock and log in our hands."""
    shutil.rmtree(folder, ignore_errors=True)
    with (
        fresh_databases(folder) as config,
        installed_here(config),
        seeded_randomness(_SEED),
        log_captured() as log,
        hash_of_lists_without_arms(),
        acting_leak or nullcontext(),
        acted(folder, play) as trial,
        time_of_machine(trial.clock.read),
    ):
        yield trial, log


def _arms_given(trial: Acted) -> Iterator[str]:
    """By code, from the lists that the check itself put into the vault."""
    by_code = {
        code: str(arm) for one in trial.lists.lists for code, arm in zip(one.codes, one.entries, strict=True)
    }
    for one in trial.randomized:
        yield by_code[one.kit]


def one_of_each_role(trial: Acted) -> tuple[Person, ...]:
    """The first person of every blinded role."""
    found: dict[str, Person] = {}
    for person in trial.people.values():
        found.setdefault(person.role, person)
    return tuple(found[role] for role in blinded_roles() if role in found)


def _first_of_sites(trial: Acted) -> Iterator[Any]:
    seen = set()
    for one in trial.randomized:
        if one.candidate.site not in seen:
            seen.add(one.candidate.site)
            yield one


def _refusals(trial: Acted) -> Side:
    """What people are told who ask for what they may not have, or for what cannot be."""
    one, site = trial.randomized[0], trial.randomized[0].candidate.site.lower()
    doctor, pharmacy = trial.people[f"dr.{site}"], trial.people[f"pharmacy.{site}"]
    asked: list[tuple[str, Person, str, dict[str, Any]]] = [
        ("again", doctor, "randomize_subject", {"subject": one.subject}),
        ("nobody", doctor, "randomize_subject", {"subject": "XXX-999"}),
        ("not mine", trial.people["mona"], "randomize_subject", {"subject": one.subject}),
        ("other kit", pharmacy, "dispense_kit",
         {"subject": one.subject, "kit": "00000000", "dispensed_on": one.candidate.day_one.isoformat()}),
        ("dose", doctor, "set_dose_step",
         {"subject": one.subject, "on": one.candidate.day_one.isoformat(), "step": 9, "why": "OTHER"}),
        ("code", doctor, "order_code_break",
         {"subject": one.subject, "identification": "nobody", "reason": "EMERGENCY", "explanation": "none"}),
        ("vote", trial.people["vera"], "cast_vote", {"case": "00000", "answer": "refuted", "reason": "none"}),
    ]  # fmt: skip
    return {f"refusal {name}": _asked(trial, *rest) for name, *rest in asked}  # type: ignore[arg-type]


def _asked(trial: Acted, person: Person, command: str, content: dict[str, Any]) -> bytes:
    try:
        return as_bytes(trial.director.ask(person, command, content))
    except FlarefreeError as error:
        return f"{type(error).__name__}: {error}".encode()


def _exports(trial: Acted, folder: Path) -> Side:
    from flarefree.conduct.visibility import Actor
    from flarefree.web.exporting import export_study

    found: Side = {}
    number = trial.director.clock.tick().isoformat()  # a request id is good for one export
    for role in _EXPORTED_AS:
        person = trial.director.of_role(role)
        target = folder / role
        shutil.rmtree(target, ignore_errors=True)
        try:
            export_study(Actor(person.name, person.role), target, request=f"export-{role}-{number}")
            told = capture_files(target)
        except FlarefreeError as error:
            told = {"refused": f"{type(error).__name__}: {error}".encode()}
        found |= {f"export {role} {name}": data for name, data in told.items()}
    return found


def known_of(trial: Acted) -> Known:
    """Values of addresses."""
    return known_of_record(tuple(one.subject for one in _first_of_sites(trial)))


# B2 -----------------------------------------------------------------------------------------------

_MINI = Play(patients=2, sites=1, days=8, accrual_days=0)
_READ_BY = ("investigator", "data_manager")


def _planted_leaks(quick: bool) -> Iterator[Evidence]:
    play = _with_both_arms(_MINI if quick else replace(_MINI, patients=6, days=12))
    with tempfile.TemporaryDirectory(prefix="flarefree-b2-") as name:
        side = Path(name) / "side"
        sides = [_read_with_leaks(side, replace(play, are_swapped=swapped)) for swapped in (False, True)]
        clean = differences(sides[0]["nothing"], sides[1]["nothing"])
        yield Evidence("differences where nothing is planted", 0, len(clean), not clean)
        content = _with_content(sides[0]["nothing"])
        yield Evidence("pages and readings answered with content", "5 or more", content, content >= 5)
        caught = 0
        for leak in LEAKS:
            if leak.is_acted:
                one, other = (_acted_with(leak, side, replace(play, are_swapped=s)) for s in (False, True))
            else:
                one, other = sides[0][leak.name], sides[1][leak.name]
            # A plant that breaks a page would differ too, and would be no evidence.
            is_whole = _with_content(one) == _with_content(other) == content
            found = differences(one, other) if is_whole else []
            caught += bool(found)
            where = f"{len(found)}: {found[0].what}" if found else "nothing"
            yield Evidence(f"planted: {leak.name} ({leak.place})", "caught", where[:160], bool(found))
    yield Evidence("planted leaks that are caught", 25, caught, caught == len(LEAKS) == 25)


def _with_content(side: Side) -> int:
    """How many pages and readings were answered as they should be."""
    return sum(data.startswith(b"200") for name, data in side.items() if " /" in name)


def _with_both_arms(play: Play) -> Play:
    """With so many patients that both arms are given: an order by arm shows only then."""
    while True:
        enrolled, lists = cast_of(play)
        arm_of = _arms_of(enrolled, lists)
        if len({arm_of(one.subject) for one in enrolled}) == 2:
            return play
        play = replace(play, patients=play.patients + 1)


def _read_with_leaks(folder: Path, play: Play) -> dict[str, Side]:
    """One side, read again and again: with nothing planted, then with each leak that shows in reading."""
    with _side(folder, play) as (trial, log):
        arm_of = _arms_of(trial.enrolled, trial.lists)
        found = {"nothing": _looked_at(trial, log, folder)}
        for leak in LEAKS:
            if not leak.is_acted:
                with leak.planted(arm_of):
                    found[leak.name] = _looked_at(trial, log, folder)
    return found


def _acted_with(leak: Leak, folder: Path, play: Play) -> Side:
    """One side, with a leak in the place where the trial is acted."""
    enrolled, lists = cast_of(play)
    with _side(folder, play, leak.planted(_arms_of(enrolled, lists))) as (trial, log):
        found: Side = {f"result {name}": as_bytes(told) for name, told in trial.director.results.items()}
        return found | _looked_at(trial, log, folder) | capture_database()


def _looked_at(trial: Acted, log: Callable[[], bytes], folder: Path) -> Side:
    before = len(log())
    people = [person for person in one_of_each_role(trial) if person.role in _READ_BY]
    subject = trial.randomized[0].subject
    pages = (
        "/subjects/",
        f"/subjects/{subject}/",
        f"/subjects/{subject}/randomize/",
        f"/api/v1/things/subject/{subject}",
        "/api/v1/things/lab",
    )
    found = capture_pages(people, known_of(trial), only=lambda address: address in pages)
    found |= _refusals(trial) | _exports(trial, folder.parent / "exports")
    return found | {"log server": log()[before:]}


def _arms_of(enrolled: Sequence[Enrolled], lists: ListSet) -> Arms:
    by_code = {code: arm for one in lists.lists for code, arm in zip(one.codes, one.entries, strict=True)}
    arms = {one.subject: by_code[one.kit] for one in enrolled}
    return lambda subject: arms.get(subject, 0)


CHECKS = (
    Check("B2", "25 planted leaks, each caught by B1", _planted_leaks),
    Check(
        "B1",
        "Arms exchanged in the sealed lists: nothing that the blinded can fetch differs",
        _non_interference,
    ),
)
