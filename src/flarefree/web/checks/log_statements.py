"""A3: ways to change what was logged, as SQL statements."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ATTEMPTS", "OF_ENGINE", "OWNERS_ONLY"]

ATTEMPTS: Mapping[str, str] = MappingProxyType(
    {
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
)
OF_ENGINE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "sqlite": {
            "replace an entry": (
                "INSERT OR REPLACE INTO record_logrow SELECT number, chain, previous, hash, '{}', items, "
                "request, about, fingerprint, answer FROM record_logrow WHERE number = 1"
            ),
            "replace a value": (
                "INSERT OR REPLACE INTO record_value (id, thing_id, attribute, field, value, entry) "
                "SELECT id, thing_id, attribute, field, '0', entry FROM record_value LIMIT 1"
            ),
            "upsert an entry": (
                "INSERT INTO record_logrow SELECT * FROM record_logrow WHERE number = 1 "
                "ON CONFLICT (number) DO UPDATE SET content = '{}'"
            ),
        },
        "postgresql": {
            "empty the log": "TRUNCATE record_logrow",
            "empty the history": "TRUNCATE record_value",
            "empty everything": (
                "TRUNCATE record_loghead, record_logrow, record_value, record_latest, record_thing"
            ),
        },
    }
)
OWNERS_ONLY: Mapping[str, str] = MappingProxyType(
    {
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
)
"""Tried as the application's role on PostgreSQL, with all of the above; SQLite has no roles."""
