"""A3: the statements of `log_statements.py`, tried on the application's own connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection, transaction

from flarefree.web.record.models import LogHead, LogRow, Value

__all__ = ["as_app_role", "attempt_sql", "state_of_log"]


def attempt_sql(statement: str) -> str:
    """Run it on the application's own connection; the database's words if it refuses."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as error:
        return str(error).strip() or type(error).__name__
    return ""


def state_of_log() -> list[object]:
    """Everything that may only grow, to be compared."""
    return [list(model._default_manager.order_by("pk").values_list()) for model in (LogHead, LogRow, Value)]


@contextmanager
def as_app_role() -> Iterator[None]:
    """PostgreSQL: for a while the application's role, made if need be, with the rights that it is given."""
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
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
