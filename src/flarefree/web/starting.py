"""What happens before the first page is served: folder, databases, record, repair, first administrator.

Each step either leaves the installation fit for the next one or stops with words; starting twice, or two at
once, changes nothing.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.errors import ConductError, FlarefreeError, MissingExtraError, OutputError
from flarefree.web.config import WebConfig

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["Prepared", "prepare", "require_web_extra", "set_up"]

_NEEDED = ("django", "allauth", "ninja", "waitress", "whitenoise", "argon2", "cryptography", "segno")
_ALIASES = ("default", "vault")
_START_LOCK = 0x666C6172  # "flar": the name of PostgreSQL's advisory lock of a start


@dataclass(frozen=True)
class Prepared:
    """An installation that can be served.

    Attributes
    ----------
    trial : str
        As its protocol names it.
    phase : str
    invitation : str
        `/accounts/begin/...` of the first administrator, to be printed once; empty if nobody waits for one.
    notes : tuple of str
        What whoever starts it should know, in words.
    """

    trial: str
    phase: str
    invitation: str = field(repr=False)
    notes: tuple[str, ...]


def prepare(config: WebConfig) -> Prepared:
    """Make an installation ready to be served, and this process a part of it.

    Raises
    ------
    MissingExtraError
        The extra `web` is not installed.
    OutputError
        The data folder cannot be used.
    ConductError
        A database cannot be reached or was made by a newer version; the folder is another protocol's.
    """
    require_web_extra()
    _make_folder(config.data)
    _make_folder(config.vault_folder)
    with _alone(config):
        secret = config.data / "secret-key"
        had_secret = secret.exists()
        set_up(config)
        with _kept_only_if_right(secret, had_secret):
            for alias in _ALIASES:
                _require_reachable(alias)
        with _alone_in_database():
            with _kept_only_if_right(secret, had_secret):
                for alias in _ALIASES:
                    _migrate(alias)
                _require_secret_of_record(secret, had_secret)
            return _begin()


def require_web_extra() -> None:
    """Refuse where the packages of the extra `web` are missing.

    Raises
    ------
    MissingExtraError
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            "the application is an extra that is not installed",
            where="flarefree serve",
            found=f"without {', '.join(missing)}",
            try_="pip install 'flarefree[web]'",
        )


def set_up(config: WebConfig) -> None:
    """Make this process one of the installation's: environment, Django's settings."""
    os.environ.update(config.to_environment())
    os.environ["DJANGO_SETTINGS_MODULE"] = "flarefree.web.settings"
    import django

    django.setup()


# Folder and databases ------------------------------------------------------------------------------


def _make_folder(path: Path) -> None:
    """A folder that only its owner may look into."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
        is_writable = os.access(path, os.W_OK | os.X_OK)
    except OSError as error:
        raise OutputError(
            "the data folder cannot be used", where=str(path), found=str(error.strerror)
        ) from None
    if not is_writable:
        raise OutputError("the data folder cannot be written", where=str(path))


@contextmanager
def _alone(config: WebConfig) -> Iterator[None]:
    """Of two starts in one folder, one waits for the other."""
    with (config.data / "start.lock").open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _alone_in_database() -> Iterator[None]:
    """Of two starts on one PostgreSQL database, from two hosts perhaps, one waits for the other."""
    from django.db import connection

    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_START_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_START_LOCK])


def _require_reachable(alias: str) -> None:
    from django.db import DatabaseError, connections

    connection = connections[alias]
    option = "--database" if alias == "default" else "--vault-database"
    told = connection.settings_dict
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        raise ConductError(
            "the database cannot be reached",
            where=option,
            found=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
            expected=f"{told['NAME']} on {told['HOST'] or 'this host'}"
            if told.get("HOST")
            else f"an SQLite file that may be written: {told['NAME']}",
            try_="see that it runs, that name and password are right, and that this host may connect",
        ) from None


def _migrate(alias: str) -> None:
    """Bring a database's tables up to this version; a database of a newer one is not touched."""
    from django.core.management import call_command
    from django.db import DatabaseError, connections
    from django.db.migrations.executor import MigrationExecutor

    connection = connections[alias]
    executor = MigrationExecutor(connection)
    _require_known(alias, executor)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return
    try:
        call_command("migrate", database=alias, verbosity=0, interactive=False)
    except DatabaseError as error:
        raise ConductError(
            "the database's tables could not be brought up to this version",
            where=alias,
            found=str(error).strip().splitlines()[0],
            try_="on PostgreSQL, start once with the address of the tables' owner (see the page on serving)",
        ) from None


def _require_known(alias: str, executor: Any) -> None:
    ours = set(executor.loader.graph.nodes)
    apps = {app for app, _ in ours}
    newer = sorted(
        f"{app} {name}"
        for app, name in executor.loader.applied_migrations
        if app in apps and (app, name) not in ours and (app, name) not in executor.loader.replacements
    )
    if newer:
        raise ConductError(
            "the database was made by a newer version of flarefree",
            where=alias,
            found=", ".join(newer[:3]),
            expected="tables that this version knows",
            try_="install that version again, or bring back the backup that was made before the upgrade",
        )


@contextmanager
def _kept_only_if_right(secret: Path, had_secret: bool) -> Iterator[None]:
    """A new secret is not left by a start that fails: the next could not tell it from the right one."""
    try:
        yield
    except FlarefreeError:
        if not had_secret:
            secret.unlink(missing_ok=True)
        raise


def _require_secret_of_record(secret: Path, had_secret: bool) -> None:
    """Refuse a record that was begun under a secret that is gone: no second factor could be read any more."""
    from flarefree.web.record.reading import read_head

    if had_secret or read_head() is None:
        return
    raise ConductError(
        "the secret under which these data were made is not here",
        where=str(secret),
        expected="the file that was made at the first start",
        try_="bring it back from a backup; without it no second factor can be read",
    )


# Record --------------------------------------------------------------------------------------------


def _begin() -> Prepared:
    from django.core.management import call_command

    from flarefree.web.demonstration import DEMO
    from flarefree.web.queries.board import warm_up
    from flarefree.web.record.keeping import begin_record
    from flarefree.web.trial import running_trial

    trial = running_trial()
    name = trial.configured.spec.name
    # A virtual trial's log says so in its own name: no setting makes a real trial one (B10).
    log = DEMO if WebConfig.from_environment().is_demo else name
    _require_record_of_vault()
    _require_same_trial(log, begin_record(log).chain)
    notes = [*_verify(), *_matrix_notes(), *_repair(), *_protocol_notes()]
    call_command("clearsessions", verbosity=0)
    warm_up()
    return Prepared(name, trial.phase, _first_invitation(), tuple(notes))


def _require_record_of_vault() -> None:
    """Refuse to begin a record beside a vault that holds lists: that trial has a record somewhere."""
    from flarefree.web.record.reading import read_head
    from flarefree.web.vault import service

    if read_head() is None and service.lists_status().is_sealed:
        raise ConductError(
            "the vault holds the lists of a trial whose record is not here",
            where="--database",
            found="an empty record",
            expected="the record that belongs to this vault",
            try_="bring the record back from its backup, or begin a new trial in a new data folder",
        )


def _require_same_trial(name: str, chain: str) -> None:
    theirs = chain.rpartition("/record/")[0]
    if theirs != name:
        raise ConductError(
            "these data are another trial's",
            where="--data",
            found=theirs,
            expected=name,
            try_="name another data folder, or the protocol that these data were begun with",
        )


def _verify() -> Iterator[str]:
    """The chain is looked through; where it does not agree with the tables, nobody is randomized."""
    from flarefree.web.record.verifying import verify_record

    found = verify_record()
    if found.is_sound:
        return
    yield f"THE RECORD IS NOT AS ITS LOG SAYS ({len(found.differences)} differences; the first follow):"
    yield from (f"  {line}" for line in found.differences[:5])
    yield from _halt("record_differs", "the record is not as its log says")


def _halt(cause: str, words: str) -> Iterator[str]:
    from flarefree.web.commands.executing import execute
    from flarefree.web.commands.logins import NoteLogin
    from flarefree.web.commands.trial_phases import HaltRandomization
    from flarefree.web.trial import running_trial

    if running_trial().standing().randomization != "open":
        return
    try:
        execute(HaltRandomization(cause=cause, words=words), NoteLogin.asked("halt"))
    except FlarefreeError as error:
        raise ConductError(
            "the record is not as its log says, and randomization could not be halted",
            where="record",
            found=error.what,
            try_="do not serve it; bring back the last backup that verifies",
        ) from None
    yield "Randomization is halted until the sponsor lets it go on."


def _matrix_notes() -> Iterator[str]:
    """After an upgrade the role matrix may be another; while arms are masked it shows no more of them."""
    from flarefree.web.commands.executing import execute
    from flarefree.web.commands.logins import NoteLogin
    from flarefree.web.commands.matrices import AdoptMatrix
    from flarefree.web.trial import BEFORE_GO_LIVE, running_trial

    trial = running_trial()
    standing = trial.standing()
    recorded = standing.facts.get("matrix_digest")
    if recorded is None or standing.phase == BEFORE_GO_LIVE or recorded == trial.matrix.digest:
        return
    execute(AdoptMatrix(), NoteLogin.asked("matrix"))
    yield f"This version's role matrix ({trial.matrix.digest[:12]}…) is in force; it shows no more of arms."


def _repair() -> Iterator[str]:
    """What a crash left between the vault's commit and the record's, or between a change and its detector."""
    from flarefree.web.clock import now
    from flarefree.web.commands.allocated import repair_allocations
    from flarefree.web.commands.detecting import repair_cases
    from flarefree.web.commands.medications import review_when_due
    from flarefree.web.identity import destroy_keys_of_the_erased
    from flarefree.web.record.reading import read_things

    try:
        repaired = repair_allocations()
    except FlarefreeError as error:
        yield f"The vault and the record do not agree: {error.what}."
        yield from _halt("vault_differs", "the vault and the record do not agree")
        repaired = ()
    if repaired:
        yield f"Written down after a crash: {len(repaired)} allocations that the vault had given."
    behind = repair_cases(now())
    if behind:
        yield f"Looked at again for end points: {len(behind)} patients."
    destroy_keys_of_the_erased()
    if review_when_due(now()) and read_things("medication"):
        yield "Drugs of all patients were looked at again: the dictionary or the protocol is new."


def _protocol_notes() -> Iterator[str]:
    from flarefree.web.trial import running_trial

    trial = running_trial()
    standing = trial.standing()
    is_recorded = standing.facts.get("protocol_digest") is not None
    if is_recorded and standing.protocol_digest != trial.configured.digest:
        yield (
            f"The recorded version of the protocol ({standing.protocol_digest[:12]}…) is in force, not "
            f"the file that was named ({trial.configured.digest[:12]}…); a change is made by an amendment."
        )


def _first_invitation() -> str:
    """The link of the first administrator: on the first start, and again until it was used.

    People of a virtual trial need none: who makes it lets them in.
    """
    from flarefree.web.commands.accounts import BeginAdministration, is_waiting_for
    from flarefree.web.commands.executing import execute
    from flarefree.web.commands.logins import NoteLogin
    from flarefree.web.people.links import invite_first
    from flarefree.web.record.reading import read_things

    if WebConfig.from_environment().is_demo:
        return ""
    first = BeginAdministration()
    if not read_things("account", attributes=("is_active",)):
        execute(first, NoteLogin.asked("begin"))
    return invite_first(first.person).path if is_waiting_for(first.person) else ""


def connection_words(connection: BaseDatabaseWrapper) -> str:
    """A database in a few words, without its password."""
    told = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"SQLite, {told['NAME']}"
    return f"PostgreSQL, {told['NAME']} on {told['HOST'] or 'this host'}"
