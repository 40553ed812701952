"""Two databases: the trial's record, and the vault of allocations, which nothing else reads or joins."""

from __future__ import annotations

from typing import Any

__all__ = ["VaultRouter"]

_VAULT = "vault"


class VaultRouter:
    """Sends the vault's models to the vault's database and all others to the record's."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """The database that a model is read from."""
        return _VAULT if model._meta.app_label == _VAULT else "default"

    db_for_write = db_for_read

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        """Rows are related within one database only."""
        return (one._meta.app_label == _VAULT) == (other._meta.app_label == _VAULT)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Each table is made where it is read."""
        return (db == _VAULT) == (app_label == _VAULT)
