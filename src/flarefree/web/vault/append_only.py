"""Tables that only grow: triggers that refuse whatever would change or remove a row.

They hold for the application's own connection, whatever code runs on it, and for somebody who types SQL.  Who
owns a table can drop its triggers: on PostgreSQL the application runs as another role (`grants_of`), and the
chain of the log shows what an owner did.
"""

from __future__ import annotations

from typing import Any

__all__ = ["TABLES", "grants_of", "guard_tables", "triggers_of"]

_WORDS = "rows of {table} are never changed or removed"


def triggers_of(table: str, vendor: str) -> tuple[str, ...]:
    """The statements that make a table grow only."""
    words = _WORDS.format(table=table)
    if vendor == "sqlite":
        changes = tuple(
            f'CREATE TRIGGER "{table}_no_{verb.lower()}" BEFORE {verb} ON "{table}" '
            f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
            for verb in ("UPDATE", "DELETE")
        )
        # `INSERT OR REPLACE` would remove the row that stands in its way, without a trigger's notice.
        replaces = (
            f'CREATE TRIGGER "{table}_no_replace" BEFORE INSERT ON "{table}" '
            f'WHEN EXISTS (SELECT 1 FROM "{table}" WHERE {_CONFLICTS[table]}) '
            f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
        )
        return (*changes, replaces)
    function = f"{table}_grows_only"
    return (
        f'CREATE FUNCTION "{function}"() RETURNS trigger LANGUAGE plpgsql AS '
        f"$$ BEGIN RAISE EXCEPTION '{words}'; END $$",
        f'CREATE TRIGGER "{function}" BEFORE UPDATE OR DELETE OR TRUNCATE ON "{table}" '
        f'FOR EACH STATEMENT EXECUTE FUNCTION "{function}"()',
    )


_CONFLICTS = {
    "vault_vaultlogrow": "number = NEW.number OR request = NEW.request",
    "vault_lists": "number = NEW.number",
    "vault_allocation": (
        "sequence = NEW.sequence OR request = NEW.request OR subject = NEW.subject OR code = NEW.code "
        "OR (list_number = NEW.list_number AND slot = NEW.slot)"
    ),
    "vault_kept": "id = NEW.id OR (kind = NEW.kind AND key = NEW.key)",
    "vault_alarm": "id = NEW.id OR key = NEW.key",
}

TABLES = tuple(_CONFLICTS)


def guard_tables(apps: Any, schema_editor: Any) -> None:
    """A migration's step: every table of the vault grows only."""
    for table in TABLES:
        for statement in triggers_of(table, schema_editor.connection.vendor):
            schema_editor.execute(statement)


def grants_of(role: str) -> tuple[str, ...]:
    """What the vault's role on PostgreSQL may do: read and add; nothing else, on no other table."""
    quoted = '"' + role.replace('"', '""') + '"'
    return (
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {quoted}",
        f"GRANT USAGE ON SCHEMA public TO {quoted}",
        *(f'GRANT SELECT, INSERT ON "{table}" TO {quoted}' for table in TABLES),
        f'GRANT USAGE ON SEQUENCE "vault_kept_id_seq", "vault_alarm_id_seq" TO {quoted}',
        f"GRANT SELECT ON django_migrations TO {quoted}",
    )
