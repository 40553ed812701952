"""R13: an older backup of the vault, of the record, of both, on this host and on another."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import connections

from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.checks.live_trial import BEGIN, Arrange, live_trial, randomize
from flarefree.web.checks.scratch import on_server
from flarefree.web.clock import clock_set_to
from flarefree.web.commands.allocated import repair_allocations
from flarefree.web.commands.base import Asked
from flarefree.web.commands.executing import execute
from flarefree.web.commands.randomizing import ReconcileVault
from flarefree.web.config import WebConfig
from flarefree.web.trial import running_trial
from flarefree.web.vault import service

__all__ = ["CHECKS", "Backup", "back_up", "restore"]

_number = count()


class Backup(str):
    """Where a database was copied to: a file, or a database beside it."""


def back_up(alias: str, folder: Path) -> Backup:
    """A copy of a database as it stands."""
    told = connections[alias].settings_dict
    connections.close_all()
    if connections[alias].vendor == "sqlite":
        place = folder / f"{alias}-{next(_number)}.backup"
        source, target = sqlite3.connect(str(told["NAME"])), sqlite3.connect(place)
        source.backup(target)
        source.close()
        target.close()
        return Backup(place)
    name = f"{told['NAME']}_backup_{next(_number)}"
    on_server(f'CREATE DATABASE "{name}" TEMPLATE "{told["NAME"]}"')
    return Backup(name)


def restore(alias: str, backup: Backup) -> None:
    """The database as it was then; what came since is gone."""
    told = connections[alias].settings_dict
    connections.close_all()
    if connections[alias].vendor == "sqlite":
        place = Path(str(told["NAME"]))
        for end in ("-wal", "-shm"):
            place.with_name(place.name + end).unlink(missing_ok=True)
        shutil.copy(backup, place)
        return
    on_server(f'DROP DATABASE "{told["NAME"]}" WITH (FORCE)')
    on_server(f'CREATE DATABASE "{told["NAME"]}" TEMPLATE "{backup}"')


def check_restore(quick: bool) -> Iterator[Evidence]:
    """R13: nothing is allocated from an older vault until it was reconciled; then at the right slot."""
    with TemporaryDirectory() as place, live_trial(Path(place) / "trial", subjects=30) as trial:
        folder, left = Path(place), iter(trial.subjects)
        for _ in range(5):
            randomize(next(left))
        vault, record = back_up("vault", folder), back_up("default", folder)
        same = randomize(next(left))
        for _ in range(3):
            randomize(next(left))
        codes = [one.receipt.code for one in service.receipts_since()]
        full = back_up("vault", folder), back_up("default", folder)

        restore("vault", vault)
        yield _refused("the vault is four allocations behind the record and this host", next(left))
        yield _halted()
        yield from _reconciled(codes, next(left), "the vault's older backup")

        restore("vault", full[0])
        restore("default", full[1])
        restore("vault", vault)
        _forget_host()
        restore("default", record)
        yield _refused("both are older, on a host that never saw this vault", next(left))
        missing = _reconcile(9, codes[8])
        yield Evidence(
            "reconciled without the four that only sites know of", "refused", missing, missing != "done"
        )

        restore("vault", full[0])
        restore("default", record)
        with clock_set_to(lambda: BEGIN + timedelta(hours=1)):
            repaired = repair_allocations()
        yield Evidence(
            "an older record gets from the vault what it lacks", 4, len(repaired), len(repaired) == 4
        )
        assert same.result["kit"] == codes[5]


def _refused(what: str, subject: str) -> Evidence:
    try:
        randomize(subject)
    except ConductError as error:
        return Evidence(what, "refused", error.what[:70], "not where it stood" in error.what)
    return Evidence(what, "refused", "accepted", False)


def _halted() -> Evidence:
    state = running_trial().standing().randomization
    return Evidence("randomization", "halted", state, state == "halted")


def _reconciled(codes: list[str], subject: str, what: str) -> Iterator[Evidence]:
    wrong = _reconcile(len(codes), "00000000")
    yield Evidence(f"{what}: reconciled to another code", "refused", wrong, wrong != "done")
    done = _reconcile(len(codes), codes[-1])
    yield Evidence(f"{what}: reconciled from the record", "done", done, done == "done")
    back = [one.receipt.code for one in service.receipts_since()]
    yield Evidence(f"{what}: the same codes in the same order", True, back == codes, back == codes)
    _open_again()
    kit = str(randomize(subject).result["kit"])
    number = len(service.receipts_since())
    fresh = kit not in codes and number == len(codes) + 1
    yield Evidence(f"{what}: the next patient gets the next slot", len(codes) + 1, number, fresh)


def _reconcile(number: int, code: str) -> str:
    command = ReconcileVault(last_number=number, last_code=code, reason="restored from a backup")
    asked = Asked(Actor("sam", "sponsor"), f"reconcile {next(_number)}", BEGIN + timedelta(hours=1))
    try:
        execute(command, asked)
    except ConductError as error:
        return error.what
    return "done"


def _open_again() -> None:
    values = (("trial", "this", "randomization", "configuration", "open"),)
    at = BEGIN + timedelta(hours=1)
    execute(Arrange(about="trial/this", values=values), Asked(None, f"open {next(_number)}", at, "machine"))


def _forget_host() -> None:
    """As on another host, which has no note of where the vault stood."""
    shutil.rmtree(WebConfig.from_environment().vault_folder / "noted")


CHECKS = (Check("R13", "After a restore nothing is allocated twice", check_restore),)
