"""R6 to R9 over the application: where allocation ends, what it asks first, that nothing takes it back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.db import DatabaseError, connections, transaction

from flarefree.conduct.checks._trial import swap_arms
from flarefree.conduct.checks.allocation import VERBS
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.checks.live_trial import BEGIN, STRATA, Arrange, live_trial, randomize
from flarefree.web.commands.base import Asked
from flarefree.web.commands.executing import execute
from flarefree.web.commands.registry import all_commands
from flarefree.web.commands.subjects import CorrectStratum
from flarefree.web.record.reading import read_thing
from flarefree.web.trial import running_trial
from flarefree.web.vault import service
from flarefree.web.vault.append_only import TABLES, grants_of

__all__ = ["CHECKS"]


_LATER = BEGIN + timedelta(hours=2)


def _refusal(subject: str, request: str = "") -> str:
    try:
        randomize(subject, request)
    except ConductError as error:
        return str(error)
    return "accepted"


def check_exhaustion(quick: bool) -> Iterator[Evidence]:
    """R6: a list at its end refuses, alarms once, halts once; it wraps and borrows nowhere."""
    told = []
    lists = None
    for arms in ("as drawn", "exchanged"):
        with (
            TemporaryDirectory() as folder,
            live_trial(Path(folder), subjects=20, strata=STRATA[:2], list_length=6, lists=lists) as trial,
        ):
            lists = swap_arms(trial.lists)
            for subject in trial.subjects[:12]:
                randomize(subject)
            words = [_refusal(trial.subjects[12])]
            halted = running_trial().standing().randomization
            words.append(_refusal(trial.subjects[13]))
            words += [f"{alarm.kind}: {alarm.text}" for alarm in service.alarms()]
            given = service.receipts_since()
            yield Evidence(f"arms {arms}: allocations of two lists of six", 12, len(given), len(given) == 12)
            ended = "at its end" in words[0]
            yield Evidence(f"arms {arms}: the next patient", "refused", words[0][:60], ended)
            yield Evidence(f"arms {arms}: randomization", "halted", halted, halted == "halted")
            rung = len(service.alarms())
            yield Evidence(f"arms {arms}: alarms to the unblinded role", 1, rung, rung == 1)
            _open_again()
            again = _refusal(trial.subjects[14])
            yield Evidence(
                f"arms {arms}: after persons went on, the list is still at its end and does not halt again",
                "open", running_trial().standing().randomization,
                "at its end" in again and running_trial().standing().randomization == "open",
            )  # fmt: skip
            told.append(words)
    yield Evidence(
        "words that differ where arms are exchanged", 0, int(told[0] != told[1]), told[0] == told[1]
    )


def _open_again() -> None:
    _write("open again", ("trial", "this", "randomization", "configuration", "open"))


def _write(request: str, *values: tuple[str, str, str, str, Any]) -> None:
    asked = Asked(None, request, BEGIN + timedelta(hours=1), "machine")
    execute(Arrange(about="trial/this", values=values), asked)


def check_gates(quick: bool) -> Iterator[Evidence]:
    """R7: without consent, eligibility by data, every stratum: refused, and nothing is consumed."""
    with TemporaryDirectory() as folder, live_trial(Path(folder), subjects=20) as trial:
        cases: dict[str, Callable[[str], tuple[str, str, str, str, Any]]] = {
            "no consent": lambda s: ("consent", f"{s}.1", "given_on", "consent.record", None),
            "consent withdrawn": lambda s: (
                "consent", f"{s}.1", "withdrawn_on", "consent.record", "2026-01-05"),
            "not confirmed by the investigator": lambda s: (
                "eligibility", f"{s}.1", "confirmed.response", "eligibility.record", "no"),
            "confirmation not known": lambda s: (
                "eligibility", f"{s}.1", "confirmed.response", "eligibility.record", None),
            "too young": lambda s: ("subject", s, "age", "subject.characteristics", "11"),
            "age not known": lambda s: ("subject", s, "age", "subject.characteristics", None),
            "no creatinine": lambda s: ("lab", f"{s}.1", "void", "labs.efficacy", True),
            "stratum missing": lambda s: ("subject", s, "race", "subject.characteristics", None),
            "stratum unknown": lambda s: ("subject", s, "race", "subject.characteristics", "Unknown"),
            "stratum with a letter more": lambda s: (
                "subject", s, "race", "subject.characteristics", "Whites"),
            "status not eligible": lambda s: ("subject", s, "status", "subject.status", "consented"),
        }  # fmt: skip
        for n, (what, change) in enumerate(cases.items()):
            subject = trial.subjects[n]
            _write(f"spoil {subject}", change(subject))
            words = _refusal(subject)
            yield Evidence(what, "refused", words.splitlines()[0][:80], words != "accepted")
        given = len(service.receipts_since())
        yield Evidence("slots consumed by all of these", 0, given, given == 0)
        first = str(randomize(trial.subjects[-1]).result["kit"])
        own = trial.lists.lists[0].codes[0]
        yield Evidence("who passes all gates gets the first slot", own, first, own == first)


def check_wrong_stratum(quick: bool) -> Iterator[Evidence]:
    """R8: a correction writes the actual stratum; the one used, slot and code stay."""
    with TemporaryDirectory() as folder, live_trial(Path(folder), subjects=3) as trial:
        who = trial.subjects[0]
        kit = str(randomize(who).result["kit"])
        before = service.receipts_since()
        site = who.partition("-")[0]
        actor = Actor("ina", "investigator", frozenset({site}))
        strata = {"induction_drug": STRATA[0][0], "race": "Asian", "biopsy_class": STRATA[0][2]}
        command = CorrectStratum(subject=who, actual=strata, reason="source document")
        execute(command, Asked(actor, "correct", BEGIN + timedelta(hours=2)))
        subject = read_thing("subject", who)
        assert subject is not None
        used, actual = subject["stratum.race"], subject["stratum_actual.race"]
        yield Evidence("stratum used", "White", str(used), used == "White")
        yield Evidence("stratum actual", "Asian", str(actual), actual == "Asian")
        yield Evidence("code", kit, str(subject["kit"]), subject["kit"] == kit)
        same = before == service.receipts_since()
        yield Evidence("the vault's receipts are unchanged", True, same, same)


def check_no_way_back(quick: bool) -> Iterator[Evidence]:
    """R9: no command, no function of the vault's door and no statement takes an allocation back."""
    names = [*all_commands(), *service.__all__]
    found = [name for name in names if _takes_back(name)]
    yield Evidence(
        f"{len(names)} commands and names of the vault's service: verbs that take back",
        "none",
        str(found),
        not found,
    )
    with TemporaryDirectory() as folder, live_trial(Path(folder), subjects=3) as trial:
        for subject in trial.subjects[:2]:
            randomize(subject)
        told: dict[str, Any] = {"field": "site.guess", "by": "ina", "request": "kept", "at": _LATER}
        service.keep("site_guess", "kept", trial.subjects[0], "unknown", **told)
        service.ring("code_breaks", "a check", key="check", at=_LATER, protocol=trial.lists.protocol_digest)
        before = service.receipts_since()
        for table in TABLES:
            for what, statement in _attacks(table):
                refused = _is_refused(statement)
                yield Evidence(f"{what} on {table}", "refused", "refused" if refused else "done", refused)
        if connections["vault"].vendor == "postgresql":
            yield from _as_granted()
        same = before == service.receipts_since()
        yield Evidence("allocations afterwards are those before", True, same, same)


def _takes_back(name: str) -> bool:
    """A verb of taking back beside a noun of allocation; `release` is of the key otherwise, not of a slot."""
    words = name.lower().split("_")
    about = {"allocation", "allocations", "slot", "randomization", "randomize", "kit", "arm", "lists", "list"}
    return bool(set(words) & set(VERBS)) and bool(set(words) & about)


def _attacks(table: str) -> list[tuple[str, str]]:
    column = {"vault_lists": "number", "vault_vaultlogrow": "number", "vault_allocation": "sequence"}.get(
        table, "id"
    )
    attacks = [
        ("update", f'UPDATE "{table}" SET {column} = {column}'),
        ("delete", f'DELETE FROM "{table}"'),
    ]
    if connections["vault"].vendor == "sqlite":
        rows = f'SELECT * FROM "{table}"'
        return [*attacks, ("replace", f'INSERT OR REPLACE INTO "{table}" {rows}')]
    return [*attacks, ("truncate", f'TRUNCATE "{table}"')]


def _is_refused(statement: str, role: str = "") -> bool:
    """Whether the database refuses; what it did not refuse is rolled back."""
    try:
        with transaction.atomic(using="vault"), connections["vault"].cursor() as cursor:
            if role:
                cursor.execute(f'SET LOCAL ROLE "{role}"')
            cursor.execute(statement)
            transaction.set_rollback(True, using="vault")
    except DatabaseError:
        return True
    return False


def _as_granted() -> Iterator[Evidence]:
    """The same, and worse, as the role under which the application runs; and what it can still do."""
    role = f"flarefree_check_{os.getpid()}"
    with connections["vault"].cursor() as cursor:
        cursor.execute(f'CREATE ROLE "{role}"')
        for statement in grants_of(role):
            cursor.execute(statement)
    try:
        for table in TABLES:
            trigger = f"{table}_grows_only"
            attacks = [
                *_attacks(table),
                ("drop trigger", f'DROP TRIGGER "{trigger}" ON "{table}"'),
                ("disable trigger", f'ALTER TABLE "{table}" DISABLE TRIGGER ALL'),
                ("drop table", f'DROP TABLE "{table}"'),
            ]
            for what, statement in attacks:
                refused = _is_refused(statement, role)
                yield Evidence(
                    f"{what} on {table}, as granted", "refused", "refused" if refused else "done", refused
                )
        can_add = not _is_refused("SELECT count(*) FROM vault_allocation", role) and not _is_refused(
            "INSERT INTO vault_alarm (key, at, kind, text) VALUES ('granted', now(), 'check', 'check')", role
        )
        yield Evidence("reading and adding, as granted", True, can_add, can_add)
    finally:
        with connections["vault"].cursor() as cursor:
            cursor.execute(f'DROP OWNED BY "{role}"')
            cursor.execute(f'DROP ROLE "{role}"')


CHECKS = (
    Check("R6", "The end of a list is an error", check_exhaustion),
    Check("R7", "Gates, from the record's own data", check_gates),
    Check("R8", "A wrong stratum is corrected beside the allocation", check_wrong_stratum),
    Check("R9", "Nothing takes an allocation back, in SQL either", check_no_way_back),
)
