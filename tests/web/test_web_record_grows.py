"""A3, A5: what was logged cannot be changed by the application itself; what cannot be logged is not done.

Each way is tried for real, on the database that the tests run on.  On PostgreSQL the role that the
application runs as is tried too, with what only an owner may do.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flarefree.errors import ConductError
from flarefree.web.checks.log_statements import ATTEMPTS, OF_ENGINE, OWNERS_ONLY

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


def attempt(statement: str) -> str:
    from flarefree.web.checks.append_only import attempt_sql

    return attempt_sql(statement)


def state() -> list[object]:
    from flarefree.web.checks.append_only import state_of_log

    return state_of_log()


@pytest.mark.parametrize("name", ATTEMPTS)
def test_the_log_and_the_history_only_grow(written, name):
    before = state()
    said = attempt(ATTEMPTS[name])
    assert WORDS in said or (name == "begin another log" and "record_loghead_one" in said)
    assert state() == before
    written("4")


@pytest.mark.parametrize(("engine", "name"), [(e, name) for e, ways in OF_ENGINE.items() for name in ways])
def test_ways_of_one_engine_are_closed_too(written, engine, name):
    from django.db import connection

    if connection.vendor != engine:
        pytest.skip(f"a way of {engine}")
    before = state()
    assert WORDS in attempt(OF_ENGINE[engine][name])
    assert state() == before


def test_through_the_models_it_cannot_be_done_either(written):
    from django.db import DatabaseError, transaction

    from flarefree.web.record.models import LogRow

    row = LogRow.objects.get(number=1)
    row.content = "{}"
    for change in (row.save, row.delete, LogRow.objects.all().delete):
        with pytest.raises(DatabaseError, match=WORDS), transaction.atomic():
            change()


def test_the_applications_role_may_do_its_work_and_nothing_else(written):
    """On PostgreSQL, as `flarefree_app`: every attempt refused, and its own work is done all the same."""
    from django.db import connection, transaction

    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no roles")
    from flarefree.web.checks.append_only import as_app_role
    from flarefree.web.people.models import CacheRow

    before = state()
    with as_app_role():
        for name, statement in {**ATTEMPTS, **OF_ENGINE["postgresql"], **OWNERS_ONLY}.items():
            assert attempt(statement), name
        assert state() == before
        written("4")
        with transaction.atomic():
            CacheRow.objects.create(cache_key="x", value="", expires=NOON)
            CacheRow.objects.all().delete()


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
