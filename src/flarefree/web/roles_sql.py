"""The rights of PostgreSQL's roles, as statements for the databases' owner, made from what is there."""

from __future__ import annotations

from collections.abc import Iterator

from flarefree.errors import ConductError

__all__ = ["roles_sql"]


def roles_sql() -> str:
    """Statements for `psql`, for the record's database and for the vault's.

    Raises
    ------
    ConductError
        The installation is not on PostgreSQL: SQLite has no roles.
    """
    from django.db import connection

    if connection.vendor != "postgresql":
        raise ConductError(
            "SQLite has no roles",
            where="--print-roles",
            try_="keep the data folder to its owner; for real use see --database",
        )
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    from django.db import connections

    from flarefree.web.record.append_only import APP_ROLE, grants_of
    from flarefree.web.vault import service

    tables, sequences = made_in("default")
    yield f"-- In the record's database ({connections['default'].settings_dict['NAME']}), as its owner."
    yield f"-- First: CREATE ROLE {APP_ROLE} LOGIN PASSWORD '...';"
    yield from (f"{statement};" for statement in grants_of(APP_ROLE, tables, sequences))
    vault_role = f"{APP_ROLE}_vault"
    yield f"-- In the vault's database ({connections['vault'].settings_dict['NAME']}), as its owner."
    yield f"-- First: CREATE ROLE {vault_role} LOGIN PASSWORD '...';"
    yield from (f"{statement};" for statement in service.grants_of(vault_role))


def made_in(alias: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tables and sequences of a database's public schema."""
    from django.db import connections

    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = tuple(row[0] for row in cursor.fetchall())
        cursor.execute("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'")
        sequences = tuple(row[0] for row in cursor.fetchall())
    return tables, sequences
