"""M1, M4, A1, A3, A5, A6 on the installed engine: who may, until when; what is logged, and stays so."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import connection

from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.roles.matrix import PHASES
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError, FlarefreeError
from flarefree.web.checks.append_only import as_app_role, attempt_sql, state_of_log
from flarefree.web.checks.log_statements import ATTEMPTS, OF_ENGINE, OWNERS_ONLY
from flarefree.web.checks.samples import sample_of
from flarefree.web.checks.scratch import fresh_databases
from flarefree.web.checks.trying_roles import NOTHING, Attempts, try_in_phase
from flarefree.web.commands.accounts import (
    BeginAdministration,
    CloseAccount,
    GrantRole,
    InviteFirstAdministrator,
    OpenAccount,
    RevokeRole,
)
from flarefree.web.commands.base import Asked, Command
from flarefree.web.commands.executing import execute
from flarefree.web.commands.logins import NoteLogin
from flarefree.web.commands.registry import all_commands
from flarefree.web.commands.sites import AddSite, ChangeSite
from flarefree.web.commands.trial_phases import PublishKeeperKey
from flarefree.web.people.grants import read_grants_of
from flarefree.web.record.keeping import begin_record
from flarefree.web.record.reading import read_head, read_thing, read_things
from flarefree.web.record.verifying import verify_record
from flarefree.web.trial import running_trial

__all__ = ["CHECKS", "every_command_by_every_role", "random_record"]

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ADA = Actor("ada", "administrator")


@contextmanager
def _record() -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="flarefree-check-") as folder, fresh_databases(Path(folder)):
        begin_record("check")
        yield


def _ask(actor: Actor | None, command: Command, request: str, at: datetime = NOON) -> bool:
    """Whether it was done."""
    try:
        execute(command, Asked(actor, request, at))
    except FlarefreeError:
        return False
    return True


# M1 ------------------------------------------------------------------------------------------------


def every_command_by_every_role() -> Attempts:
    """Each command of a person, with content of its form, by each role in each phase, on a begun record."""
    attempts, matrix = Attempts(), running_trial().matrix
    for name, command in all_commands().items():
        if command.is_machine:
            continue
        content = sample_of(command)
        verbs = {command.verb, "correct"} if command.verb == "record" else {command.verb}
        for role in matrix.roles:
            for phase in PHASES:
                has_verb = any((c.role, c.phase) == (role, phase) and c.verb in verbs for c in matrix.listed)
                said = try_in_phase(content, Actor("mallory", role, frozenset({"017"})), phase)
                attempts.rows[name, role, phase] = _end(said, has_verb=has_verb)
    return attempts


def _end(said: str, *, has_verb: bool) -> str:
    if said == NOTHING:
        return "denied"
    if said == "DONE":
        return "allowed" if has_verb else "DONE"
    return "refused" if has_verb else f"TOLD: {said}"


def _m1(quick: bool) -> Iterator[Evidence]:
    with _record():
        before = state_of_log()
        attempts = every_command_by_every_role()
        count = Counter(end.partition(":")[0] for end in attempts.rows.values())
        commands = len({command for command, _, _ in attempts.rows})
        tried = f"{len(attempts.rows)} attempts: {commands} commands, every role, every phase"
        wrongs = attempts.wrongs
        yield Evidence(f"{tried}; done, or told why, without a right to it", 0, len(wrongs), not wrongs)
        yield from (Evidence(wrong, "denied", "not", False) for wrong in wrongs[:10])
        yield Evidence("denied in the one text of every denial", "most", count["denied"], count["denied"] > 0)
        is_same = state_of_log() == before
        yield Evidence("the log afterwards", "the same", "the same" if is_same else "longer", is_same)


# M4 ------------------------------------------------------------------------------------------------


def _m4(quick: bool) -> Iterator[Evidence]:
    with _record():
        _ask(None, BeginAdministration(person="ada", full_name="Ada"), "begin")
        _ask(ADA, OpenAccount(person="ben", full_name="Ben"), "open")
        _ask(ADA, GrantRole(person="ben", role="sponsor", reason="leads"), "grant")
        held = read_grants_of("ben").roles_at("ben", NOON)
        is_held = held == ("sponsor",)
        yield Evidence("a role that was granted, at the next request", "sponsor", " ".join(held), is_held)
        later = NOON + timedelta(microseconds=1)
        _ask(ADA, RevokeRole(person="ben", role="sponsor", reason="left"), "revoke", later)
        held = read_grants_of("ben").roles_at("ben", later)
        told = " ".join(held) or "none"
        yield Evidence("the same role, at the microsecond of its revocation", "none", told, not held)
        grant = next(item for item in read_things("grant") if item["person"] == "ben")
        told = f"{grant['granted_by']}, {grant['revoked_by']}"
        yield Evidence("who gave and who took it, kept", "ada, ada", told, told == "ada, ada")


# A1 ------------------------------------------------------------------------------------------------


def random_record(seed: int, length: int) -> int:
    """A record made by so many commands drawn at random, refused ones among them; how many were done."""
    rng = random.Random(seed)
    at, done = NOON, 0
    people, sites = ("ada", "ben", "cleo"), ("001", "002", "003")
    roles = ("sponsor", "monitor", "data_manager", "administrator", "unblinded_statistician", "support")
    _ask(None, BeginAdministration(person="ada", full_name="Ada"), "begin")
    for n in range(length):
        at += timedelta(seconds=rng.choice((0, 1, 60)))
        site, person, words = rng.choice(sites), rng.choice(people), f"word {rng.randrange(4)}"
        drawn: list[tuple[Actor | None, Command]] = [
            (ADA, AddSite(site=site, title=words, country="DE", zone="UTC")),
            (ADA, ChangeSite(site=site, planned=rng.randrange(3), is_open=rng.random() < 0.5, reason=words)),
            (ADA, OpenAccount(person=person, full_name=words)),
            (ADA, CloseAccount(person=person, reason=words)),
            (ADA, GrantRole(person=person, role=rng.choice(roles), sites=(site,), reason=words)),
            (ADA, RevokeRole(person=person, role=rng.choice(roles), reason=words)),
            (ADA, PublishKeeperKey(public_key=f"{rng.randrange(3):064x}")),
            (None, NoteLogin(person=person, end=rng.choice(("admitted", "refused")))),
            (None, InviteFirstAdministrator(person=person)),
            (Actor("eve", "investigator", frozenset({site})), ChangeSite(site=site, title="x", reason=words)),
        ]
        actor, command = rng.choice(drawn)
        request = f"r{rng.randrange(n + 1)}" if rng.random() < 0.1 else f"r{n}"
        done += _ask(actor, command, request, at)
    return done


def _a1(quick: bool) -> Iterator[Evidence]:
    for seed in range(2 if quick else 10):
        with _record():
            done = random_record(seed, 60 if quick else 300)
            found, head = verify_record(), read_head()
            entries = 0 if head is None else head.length
            what = f"seed {seed}: {done} commands done of {60 if quick else 300}; log against tables"
            told = "; ".join(found.differences) or "no difference"
            yield Evidence(what, "no difference", told, found.is_sound)
            is_whole = found.entries == entries > 0
            yield Evidence(f"seed {seed}: entries looked through", entries, found.entries, is_whole)


# A3 ------------------------------------------------------------------------------------------------


def _a3(quick: bool) -> Iterator[Evidence]:
    engine = connection.vendor
    with _record():
        _three_sites()
        before = state_of_log()
        ways = {**ATTEMPTS, **OF_ENGINE[engine]}
        yield from _refused(ways, "as the tables' owner")
        if engine == "postgresql":
            with as_app_role():
                yield from _refused({**ways, **OWNERS_ONLY}, "as the application's role")
        is_same = state_of_log() == before
        yield Evidence(
            "log and history afterwards", "the same", "the same" if is_same else "changed", is_same
        )
        if engine == "postgresql":
            with as_app_role():
                done = _ask(ADA, AddSite(site="4", title="x", country="DE", zone="UTC"), "as role")
            yield Evidence("a command, as the application's role", True, done, done)


def _refused(ways: Mapping[str, str], who: str) -> Iterator[Evidence]:
    for name, statement in ways.items():
        said = attempt_sql(statement)
        yield Evidence(f"{name}, {who}", "refused", said.splitlines()[0][:80] if said else "done", bool(said))


def _three_sites() -> None:
    for site in ("1", "2", "3"):
        _ask(ADA, AddSite(site=site, title="x", country="DE", zone="UTC"), f"site {site}")


# A5, A6 --------------------------------------------------------------------------------------------


def _a5(quick: bool) -> Iterator[Evidence]:
    with _record():
        _three_sites()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE record_logrow RENAME TO record_logrow_gone")
        said = ""
        try:
            execute(AddSite(site="4", title="x", country="DE", zone="UTC"), Asked(ADA, "unlogged", NOON))
        except ConductError as error:
            said = error.what
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE record_logrow_gone RENAME TO record_logrow")
        yield Evidence(
            "a command while the log is away", "refused in words", said, "nothing was changed" in said
        )
        is_absent = read_thing("site", "4") is None
        yield Evidence(
            "what it would have changed", "unchanged", "unchanged" if is_absent else "changed", is_absent
        )
        done = _ask(ADA, AddSite(site="4", title="x", country="DE", zone="UTC"), "unlogged", NOON)
        yield Evidence("the same request once the log is back", True, done, done)


def _a6(quick: bool) -> Iterator[Evidence]:
    with _record():
        steps: dict[str, tuple[Actor | None, Command]] = {
            "an account is opened": (None, BeginAdministration(person="ada", full_name="Ada")),
            "another account": (ADA, OpenAccount(person="ben", full_name="Ben")),
            "a role is given": (ADA, GrantRole(person="ben", role="support", reason="helps")),
            "a role is taken": (ADA, RevokeRole(person="ben", role="support", reason="helped")),
            "a setting is changed": (ADA, PublishKeeperKey(public_key="ab" * 32)),
            "somebody logs in": (None, NoteLogin(person="ben", end="admitted")),
            "somebody is refused": (None, NoteLogin(person="", end="refused")),
        }
        for n, (what, (actor, command)) in enumerate(steps.items()):
            _ask(actor, command, f"step {n}", NOON + timedelta(seconds=n))
            head = read_head()
            length = 0 if head is None else head.length
            yield Evidence(f"entries after: {what}", n + 1, length, length == n + 1)


CHECKS = (
    Check("M1", "Every command is tried by every role in every phase", _m1),
    Check("M4", "A revoked role ends at the next request", _m4,
          left="sessions and tokens are tried by the tests of the log-in"),
    Check("A1", "The log alone rebuilds the tables, after commands drawn at random", _a1),
    Check("A3", "The application's connection cannot change what was logged", _a3,
          left="whoever owns the tables, or the file, can: that is found by the chain and its anchors (A2)"),
    Check("A5", "Nothing is done that cannot be logged", _a5, left="a full disk is tried under R5"),
    Check("A6", "Accounts, roles, settings and log-ins have their entries", _a6,
          left="reads of identities and arms are tried with their own commands"),
)  # fmt: skip
