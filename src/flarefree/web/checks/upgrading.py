"""F-5 over the installed databases: a protocol amended and a program upgraded while the trial runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.checks.live_trial import BEGIN, live_trial, randomize
from flarefree.web.checks.scratch import fresh_databases
from flarefree.web.commands.base import Asked, Command, Outcome
from flarefree.web.commands.executing import execute
from flarefree.web.commands.trial_protocol import AmendProtocol, ApproveAmendment
from flarefree.web.record.models import LogRow
from flarefree.web.record.reading import read_things
from flarefree.web.record.verifying import verify_record
from flarefree.web.trial import running_trial
from flarefree.web.vault import service

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["CHECKS"]

_Rows = dict[str, tuple[list[str], list[tuple[Any, ...]]]]
_APPS = {"default": "record", "vault": "vault"}
_ASKED_AT = BEGIN + timedelta(hours=2)
_AMENDED_FROM = BEGIN.date() + timedelta(days=10)
_ADMINISTRATOR = Actor("ada", "administrator")
_SPONSOR = Actor("sam", "sponsor")


@dataclass(frozen=True)
class _Records:
    """All that stands: entries by their hashes, things with their values, receipts of the vault."""

    hashes: tuple[str, ...]
    things: tuple[tuple[str, object], ...]
    receipts: tuple[object, ...]

    @staticmethod
    def now() -> _Records:
        return _Records(
            tuple(row.to_entry().hash for row in LogRow.objects.order_by("number")),
            tuple((i.name, (i.subject, i.site, sorted(i.facts.items()))) for i in read_things()),
            tuple(service.receipts_since(0)),
        )


def check_upgrade(quick: bool) -> Iterator[Evidence]:
    """F-5: what stood is read as it was; an amendment holds from its date; no way back loses anything."""
    patients = 6 if quick else 40
    with TemporaryDirectory() as folder, live_trial(Path(folder), subjects=patients) as trial:
        half = patients // 2
        for subject in trial.subjects[:half]:
            randomize(subject)
        yield from _amended(trial.subjects[half])
        yield from _upgraded(Path(folder), trial.subjects[half + 1], half + 1)
        yield from _rolled_back()


# An amendment ------------------------------------------------------------------------------------


def _amended(subject: str) -> Iterator[Evidence]:
    before, first = _Records.now(), running_trial().protocol_at(BEGIN).digest
    text = Path(running_trial().configured.folder, running_trial().configured.path).read_text("utf-8")
    amended = AmendProtocol(
        text=text + "\n# Amendment 1\n", proposed_from=_AMENDED_FROM, reason="a clearer note"
    )
    second = str(_ask(_ADMINISTRATOR, amended, "amend", _ASKED_AT).result["digest"])
    approval = ApproveAmendment(digest=second, reason="agreed by the steering committee")
    yield _row("approved by who wrote it", "refused", _tried(Actor("ada", "sponsor"), approval))
    _ask(_SPONSOR, approval, "approve", _ASKED_AT)
    yield _row("entries and values of before are the same", True, _is_begun_by(before))
    noon = datetime(_AMENDED_FROM.year, _AMENDED_FROM.month, _AMENDED_FROM.day, 12, tzinfo=BEGIN.tzinfo)
    yield _row("version in force the day before its date", first, _in_force(noon - timedelta(days=1)))
    yield _row("version in force on its date", second, _in_force(noon))
    randomize(subject, at=noon)
    yield _row("an entry made before names", first, _protocol_of(0))
    yield _row("an entry made after names", second, _protocol_of(-1))
    yield _row(
        "both versions can be read", True, all(running_trial().protocol_of(d) for d in (first, second))
    )
    late = AmendProtocol(text=text + "\n# Amendment 2\n", proposed_from=_AMENDED_FROM, reason="too late")
    digest = str(_ask(_ADMINISTRATOR, late, "late", noon).result["digest"])
    yield _row(
        "an amendment for a date that has passed",
        "refused",
        _tried(_SPONSOR, ApproveAmendment(digest=digest, reason="agreed"), noon),
    )


def _in_force(at: datetime) -> str:
    return running_trial().standing(at).protocol_digest


def _protocol_of(place: int) -> str:
    rows = list(LogRow.objects.order_by("number"))
    return str(rows[place].to_entry().content["protocol"])


def _is_begun_by(before: _Records) -> bool:
    after = _Records.now()
    kept = after.hashes[: len(before.hashes)] == before.hashes and after.receipts == before.receipts
    unchanged = [thing for thing in before.things if thing not in after.things]
    return kept and all(name.startswith("trial/") for name, _ in unchanged)


# An upgrade --------------------------------------------------------------------------------------


def _upgraded(folder: Path, subject: str, allocated: int) -> Iterator[Evidence]:
    """The tables of the first version, holding a running trial, brought up to this one."""
    from flarefree.web.starting import _migrate

    before, rows = _Records.now(), {alias: _rows(alias) for alias in _APPS}
    with _tables_of_first_version(folder):
        for alias in _APPS:
            _write(alias, rows[alias])
            _migrate(alias)
        after = _Records.now()
        yield _row("entries that read otherwise after an upgrade", 0, _differing(before.hashes, after.hashes))
        yield _row("things that read otherwise", 0, _differing(before.things, after.things))
        yield _row(
            "receipts of the vault that read otherwise", 0, _differing(before.receipts, after.receipts)
        )
        yield _row("the record is what its log says", (), verify_record().differences)
        randomize(subject, at=BEGIN + timedelta(days=11))
        yield _row("the next allocation is the next slot", allocated + 1, len(service.receipts_since(0)))


@contextmanager
def _tables_of_first_version(folder: Path) -> Iterator[None]:
    from django.core.management import call_command
    from django.db import connections

    nothing = folder / "nothing.sqlite3"
    nothing.touch()
    is_postgresql = connections["default"].vendor == "postgresql"
    empty = "template1" if is_postgresql else str(nothing)
    with fresh_databases(folder / "older", templates=dict.fromkeys(_APPS, empty)):
        for alias, app in _APPS.items():
            call_command("migrate", app, "0001", database=alias, verbosity=0, interactive=False)
        yield


def _rows(alias: str) -> _Rows:
    """Every row of the record's or the vault's own tables, as the database keeps it."""
    from django.db import connections

    found: _Rows = {}
    with connections[alias].cursor() as cursor:
        for table in _tables(alias):
            cursor.execute(f'SELECT * FROM "{table}"')
            found[table] = ([column[0] for column in cursor.description], cursor.fetchall())
    return found


def _write(alias: str, rows: _Rows) -> None:
    from django.core.management.color import no_style
    from django.db import connections, transaction

    connection = connections[alias]
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        for table in (t for t in _tables(alias) if rows[t][1]):
            columns, values = rows[table]
            names = ", ".join(f'"{column}"' for column in columns)
            places = ", ".join(["%s"] * len(columns))
            cursor.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({places})', values)
        for statement in connection.ops.sequence_reset_sql(no_style(), list(_models(alias))):
            cursor.execute(statement)


def _tables(alias: str) -> list[str]:
    return [model._meta.db_table for model in _models(alias)]


def _models(alias: str) -> tuple[type[Model], ...]:
    from django.apps import apps

    return tuple(apps.get_app_config(_APPS[alias]).get_models())


def _rolled_back() -> Iterator[Evidence]:
    """An older program meets tables that it does not know, and leaves them alone."""
    from django.db import connections
    from django.db.migrations.recorder import MigrationRecorder

    from flarefree.web.starting import _migrate

    before = _Records.now()
    for alias, app in _APPS.items():
        recorder = MigrationRecorder(connections[alias])
        recorder.record_applied(app, "9999_of_a_newer_version")
        try:
            _migrate(alias)
            found = "started"
        except ConductError as error:
            found = error.what
        finally:
            recorder.record_unapplied(app, "9999_of_a_newer_version")
        yield _row(
            f"an older program on newer tables ({app})",
            "the database was made by a newer version of flarefree",
            found,
        )
    yield _row("nothing was changed by it", True, _Records.now() == before)


def _differing(one: tuple[object, ...], other: tuple[object, ...]) -> int:
    return abs(len(one) - len(other)) + sum(a != b for a, b in zip(one, other, strict=False))


def _ask(actor: Actor, command: Command, request: str, at: datetime) -> Outcome:
    return execute(command, Asked(actor, request, at))


def _tried(actor: Actor, command: Command, at: datetime = _ASKED_AT) -> str:
    try:
        _ask(actor, command, f"try {actor.person} {at.isoformat()}", at)
    except ConductError:
        return "refused"
    return "done"


def _row(what: str, expected: object, found: object) -> Evidence:
    return Evidence(what, str(expected), str(found), expected == found)


CHECKS = (Check("F-5", "An amendment and an upgrade in mid-trial", check_upgrade),)
