"""A3, A5: what was logged cannot be changed by the application itself; what cannot be logged is not done.

Each way is tried for real, on the database that the tests run on.  On PostgreSQL the role that the
application runs as is tried too, with what only an owner may do.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flarefree.errors import ConductError

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
WORDS = "never changed or removed"


@pytest.fixture
def written(record):
    """A record with three entries."""
    from flarefree.conduct.visibility import Actor
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute
    from flarefree.web.commands.sites import AddSite

    def add(site: str):
        asked = Asked(Actor("ada", "administrator"), f"add-{site}", NOON)
        return execute(AddSite(site=site, title="x", country="DE", zone="UTC"), asked)

    for site in ("1", "2", "3"):
        add(site)
    return add


ATTEMPTS = {
    "edit an entry": "UPDATE record_logrow SET content = '{}' WHERE number = 1",
    "edit an entry's hash": "UPDATE record_logrow SET hash = 'x' WHERE number = 1",
    "remove an entry": "DELETE FROM record_logrow WHERE number = 1",
    "remove the last entry": "DELETE FROM record_logrow WHERE number = 2",
    "remove all": "DELETE FROM record_logrow",
    "edit the history": "UPDATE record_value SET value = '0'",
    "remove from the history": "DELETE FROM record_value",
    "set the head back": "UPDATE record_loghead SET length = 1",
    "set the head elsewhere": "UPDATE record_loghead SET length = length + 2",
    "rename the log": "UPDATE record_loghead SET chain = 'other', length = length + 1",
    "remove the head": "DELETE FROM record_loghead",
    "begin another log": "INSERT INTO record_loghead (chain, length, hash) VALUES ('other', 0, 'x')",
}
OF_SQLITE = {
    "replace an entry": (
        "INSERT OR REPLACE INTO record_logrow SELECT number, chain, previous, hash, '{}', items, request, "
        "about, fingerprint, answer FROM record_logrow WHERE number = 1"
    ),
    "replace a value": (
        "INSERT OR REPLACE INTO record_value (id, thing_id, attribute, field, value, entry) "
        "SELECT id, thing_id, attribute, field, '0', entry FROM record_value LIMIT 1"
    ),
    "upsert an entry": (
        "INSERT INTO record_logrow SELECT * FROM record_logrow WHERE number = 1 "
        "ON CONFLICT (number) DO UPDATE SET content = '{}'"
    ),
}
OF_POSTGRESQL = {
    "empty the log": "TRUNCATE record_logrow",
    "empty the history": "TRUNCATE record_value",
    "empty everything": "TRUNCATE record_loghead, record_logrow, record_value, record_latest, record_thing",
}


def attempt(statement: str) -> str:
    """Run it on the application's own connection; the database's words if it refuses."""
    from django.db import DatabaseError, connection, transaction

    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as error:
        return str(error)
    return ""


def state() -> list[object]:
    from flarefree.web.record.models import LogHead, LogRow, Value

    return [list(model.objects.order_by("pk").values_list()) for model in (LogHead, LogRow, Value)]


@pytest.mark.parametrize("name", ATTEMPTS)
def test_the_log_and_the_history_only_grow(written, name):
    before = state()
    said = attempt(ATTEMPTS[name])
    assert WORDS in said or (name == "begin another log" and "record_loghead_one" in said)
    assert state() == before
    written("4")


@pytest.mark.parametrize("name", [*OF_SQLITE, *OF_POSTGRESQL])
def test_ways_of_one_engine_are_closed_too(written, name):
    from django.db import connection

    statement = (OF_SQLITE if connection.vendor == "sqlite" else OF_POSTGRESQL).get(name)
    if statement is None:
        pytest.skip(f"not a way of {connection.vendor}")
    before = state()
    assert WORDS in attempt(statement)
    assert state() == before


def test_through_the_models_it_cannot_be_done_either(written):
    from django.db import DatabaseError, transaction

    from flarefree.web.record.models import LogRow

    row = LogRow.objects.get(number=1)
    row.content = "{}"
    for change in (row.save, row.delete, LogRow.objects.all().delete):
        with pytest.raises(DatabaseError, match=WORDS), transaction.atomic():
            change()


OWNERS_ONLY = {
    **ATTEMPTS,
    **OF_POSTGRESQL,
    "take the triggers away": "ALTER TABLE record_logrow DISABLE TRIGGER ALL",
    "drop a trigger": "DROP TRIGGER record_logrow_grows_only ON record_logrow",
    "drop the log": "DROP TABLE record_logrow",
    "alter the log": "ALTER TABLE record_logrow ADD COLUMN x integer",
    "replace the trigger's function": (
        "CREATE OR REPLACE FUNCTION record_logrow_grows_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN NULL; END $$"
    ),
    "replicate, where triggers sleep": "SET session_replication_role = replica",
    "make a table": "CREATE TABLE other (x integer)",
    "forget a migration": "DELETE FROM django_migrations",
}


def test_the_applications_role_may_do_its_work_and_nothing_else(written):
    """On PostgreSQL, as `flarefree_app`: every attempt refused, and a command is done all the same."""
    from django.db import connection, transaction

    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no roles")
    from flarefree.web.record.append_only import APP_ROLE, grants_of
    from flarefree.web.roles_sql import made_in

    tables, sequences = made_in("default")
    with connection.cursor() as cursor:
        cursor.execute(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{APP_ROLE}') THEN "
            f"CREATE ROLE {APP_ROLE}; END IF; END $$"
        )
        for statement in grants_of(APP_ROLE, tables, sequences):
            cursor.execute(statement)
        cursor.execute(f"SET ROLE {APP_ROLE}")
    try:
        before = state()
        for name, statement in OWNERS_ONLY.items():
            assert attempt(statement), name
        assert state() == before
        written("4")
        from flarefree.web.people.models import CacheRow

        with transaction.atomic():
            CacheRow.objects.create(cache_key="x", value="", expires=NOON)
            CacheRow.objects.all().delete()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")


# A5 ------------------------------------------------------------------------------------------------


def test_where_the_log_is_full_nothing_is_done(written):
    """SQLite: the database may not grow by a page; PostgreSQL: the log's table refuses new rows."""
    from django.db import connection

    from flarefree.web.record.reading import read_thing

    before = state()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            pages = cursor.execute("PRAGMA page_count").fetchone()[0]
            cursor.execute(f"PRAGMA max_page_count = {pages}")
        else:
            cursor.execute("ALTER TABLE record_logrow ADD CONSTRAINT full_now CHECK (number < 3) NOT VALID")
    with pytest.raises(ConductError, match="cannot be written, so nothing was changed"):
        for n in range(100):
            written(f"x{n}")
    left = [site for n in range(100) if (site := read_thing("site", f"x{n}")) is not None]
    assert len(left) == len(state()[1]) - len(before[1]), "each that was done has its entry"
    assert read_thing("site", "x99") is None


def test_where_the_log_cannot_be_reached_nothing_is_done(written):
    from django.db import connection

    from flarefree.web.record.reading import read_thing

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE record_logrow RENAME TO record_logrow_gone")
    with pytest.raises(ConductError, match="cannot be written, so nothing was changed"):
        written("4")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE record_logrow_gone RENAME TO record_logrow")
    assert read_thing("site", "4") is None
    written("4")


def test_a_clock_that_went_back_is_refused(written):
    from datetime import timedelta

    from flarefree.conduct.visibility import Actor
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute
    from flarefree.web.commands.sites import AddSite

    def add(site: str, at: datetime):
        asked = Asked(Actor("ada", "administrator"), f"clock-{site}", at)
        return execute(AddSite(site=site, title="x", country="DE", zone="UTC"), asked)

    with pytest.raises(ConductError, match="the clock went back"):
        add("a", NOON - timedelta(days=1))
    add("b", NOON - timedelta(seconds=5))  # waited for the lock while another was written


# What a start looks for ----------------------------------------------------------------------------


def test_a_record_that_was_not_tampered_with_is_sound(written):
    from flarefree.web.record.verifying import verify_record

    found = verify_record()
    assert (found.entries, found.differences) == (3, ())


TAMPERED = {
    "a value that stands": ("UPDATE record_latest SET value = '\"y\"' WHERE attribute = 'title'", "title"),
    "a value's field": ("UPDATE record_latest SET field = 'configuration' WHERE attribute = 'zone'", "zone"),
    "a value too many": (
        "INSERT INTO record_latest (thing_id, attribute, field, value, entry) "
        "SELECT id, 'planted', 'sites.register', '1', 0 FROM record_thing WHERE key = '1'",
        "site/1/planted",
    ),
    "a value taken away": ("DELETE FROM record_latest WHERE attribute = 'country'", "country"),
    "a thing's site": ("UPDATE record_thing SET site = '9' WHERE key = '1'", "site/1/site"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_table_that_differs_from_the_log_is_found_and_named(written, name):
    from flarefree.web.record.verifying import verify_record

    statement, place = TAMPERED[name]
    assert attempt(statement) == ""
    found = verify_record().differences
    assert found and any(place in line for line in found)
    assert not any('"y"' in line for line in found), "no value is told"


def test_what_an_owner_does_behind_the_triggers_is_found(written):
    from django.db import connection

    from flarefree.web.record.verifying import verify_record

    drop = (
        "DROP TRIGGER record_logrow_no_update"
        if connection.vendor == "sqlite"
        else "ALTER TABLE record_logrow DISABLE TRIGGER ALL"
    )
    for statement in (drop, "UPDATE record_logrow SET items = '[]' WHERE number = 1"):
        assert attempt(statement) == ""
    assert any("entry 1" in line for line in verify_record().differences)
