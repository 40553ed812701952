"""The record only grows: triggers that refuse whatever would change or remove what was logged.

They hold on the application's own connection, whatever code runs there, and for whoever types SQL by its
role.  Who owns a table can take its triggers away: on PostgreSQL the application runs as another role
(`grants_of`), and the chain with its anchors shows what an owner did.
"""

from __future__ import annotations

from typing import Any

__all__ = ["APP_ROLE", "grants_of", "guard_record", "unguard_record"]

APP_ROLE = "flarefree_app"
"""The role that the application runs as on PostgreSQL, unless another is named."""

# Table -> what an `INSERT OR REPLACE` of SQLite would remove on its way, without a trigger's notice.
_GROWING = {
    "record_logrow": "number = NEW.number OR request = NEW.request",
    "record_value": "id = NEW.id",
}
_HEAD = "record_loghead"
_STANDING = ("record_thing", "record_latest")
"""What stands now: written over, and made again from the log where it differs."""


def guard_record(apps: Any, schema_editor: Any) -> None:
    """A migration's step: log and history grow only, the log's head goes forward by one."""
    vendor = schema_editor.connection.vendor
    statements = _sqlite() if vendor == "sqlite" else _postgresql()
    for statement in statements:
        schema_editor.execute(statement)


def unguard_record(apps: Any, schema_editor: Any) -> None:
    """There is no way back: taking the triggers away is not a migration's work."""
    raise RuntimeError("the record's triggers are not taken away")


def _words(table: str) -> str:
    return f"rows of {table} are never changed or removed"


def _sqlite() -> list[str]:
    found = []
    for table, conflict in _GROWING.items():
        raised = f"BEGIN SELECT RAISE(ABORT, '{_words(table)}'); END"
        found += [
            f'CREATE TRIGGER "{table}_no_{verb.lower()}" BEFORE {verb} ON "{table}" {raised}'
            for verb in ("UPDATE", "DELETE")
        ]
        found.append(
            f'CREATE TRIGGER "{table}_no_replace" BEFORE INSERT ON "{table}" '
            f'WHEN EXISTS (SELECT 1 FROM "{table}" WHERE {conflict}) {raised}'
        )
    raised = f"BEGIN SELECT RAISE(ABORT, '{_words(_HEAD)}, but to the next entry'); END"
    return [
        *found,
        f'CREATE TRIGGER "{_HEAD}_forward" BEFORE UPDATE ON "{_HEAD}" '
        f"WHEN NEW.chain <> OLD.chain OR NEW.id <> OLD.id OR NEW.length <> OLD.length + 1 {raised}",
        f'CREATE TRIGGER "{_HEAD}_no_delete" BEFORE DELETE ON "{_HEAD}" {raised}',
        f'CREATE TRIGGER "{_HEAD}_one" BEFORE INSERT ON "{_HEAD}" '
        f'WHEN EXISTS (SELECT 1 FROM "{_HEAD}") {raised}',
    ]


def _postgresql() -> list[str]:
    found = []
    for table in _GROWING:
        function = f"{table}_grows_only"
        found += [
            _raising(function, _words(table)),
            f'CREATE TRIGGER "{function}" BEFORE UPDATE OR DELETE OR TRUNCATE ON "{table}" '
            f'FOR EACH STATEMENT EXECUTE FUNCTION "{function}"()',
        ]
    head = f"{_HEAD}_goes_forward"
    return [
        *found,
        _raising(head, f"{_words(_HEAD)}, but to the next entry"),
        f'CREATE TRIGGER "{head}" BEFORE UPDATE ON "{_HEAD}" FOR EACH ROW '
        "WHEN (NEW.chain <> OLD.chain OR NEW.id <> OLD.id OR NEW.length <> OLD.length + 1) "
        f'EXECUTE FUNCTION "{head}"()',
        f'CREATE TRIGGER "{head}_kept" BEFORE DELETE OR TRUNCATE ON "{_HEAD}" '
        f'FOR EACH STATEMENT EXECUTE FUNCTION "{head}"()',
        f'CREATE UNIQUE INDEX "{_HEAD}_one" ON "{_HEAD}" ((TRUE))',
    ]


def _raising(function: str, words: str) -> str:
    return (
        f'CREATE FUNCTION "{function}"() RETURNS trigger LANGUAGE plpgsql AS '
        f"$$ BEGIN RAISE EXCEPTION '{words}'; END $$"
    )


def grants_of(role: str, tables: tuple[str, ...], sequences: tuple[str, ...]) -> tuple[str, ...]:
    """What the application's role on PostgreSQL may do in the record's database.

    Parameters
    ----------
    role : str
    tables, sequences : tuple of str
        All that Django made there.

    Returns
    -------
    tuple of str
        Statements for the owner: the log and the history may be read and added to; the head may be moved;
        migrations may be read; the rest is the application's own.  No table may be truncated, dropped or
        altered, and no trigger disabled, since none is owned.
    """
    quoted = _quoted(role)
    every = "SELECT, INSERT, UPDATE, DELETE"
    rights = dict.fromkeys(sorted(tables), every)
    rights |= dict.fromkeys(_GROWING, "SELECT, INSERT")
    rights |= {_HEAD: "SELECT, INSERT, UPDATE", "django_migrations": "SELECT"}
    rights |= dict.fromkeys(_STANDING, "SELECT, INSERT, UPDATE")
    return (
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {quoted}",
        f"REVOKE CREATE ON SCHEMA public FROM PUBLIC, {quoted}",
        f"GRANT USAGE ON SCHEMA public TO {quoted}",
        *(f"GRANT {rights[table]} ON {_quoted(table)} TO {quoted}" for table in sorted(rights)),
        *(f"GRANT USAGE ON SEQUENCE {_quoted(name)} TO {quoted}" for name in sorted(sequences)),
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
