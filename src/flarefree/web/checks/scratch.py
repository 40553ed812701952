"""Databases that checks may do anything with: made by the installed engine, thrown away afterwards.

Django is set up once in a process, so the databases change under it: each check gets copies of two that were
migrated once.  The trial's own databases are never opened: on PostgreSQL, databases of other names are made
beside them.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from flarefree.errors import ConductError
from flarefree.web.config import WebConfig

__all__ = [
    "Scratch",
    "environment_of",
    "fresh_databases",
    "installed_here",
    "on_server",
    "scratch_installation",
]

_ALIASES = ("default", "vault")
_number = count()
_current: list[Scratch] = []


@dataclass(frozen=True)
class Scratch:
    """An installation that may be spoiled.

    Attributes
    ----------
    config : WebConfig
        As the process was set up: its data folder is empty but for secrets.
    templates : mapping of str to str
        Names of the migrated databases, by alias; copied, never written to.
    """

    config: WebConfig
    templates: dict[str, str]

    @property
    def is_postgresql(self) -> bool:
        """Whether the databases are PostgreSQL's."""
        return bool(self.config.database)


@contextmanager
def scratch_installation(
    folder: Path, *, protocol: str = "alms-maintenance", database: str = "", is_demo: bool = False
) -> Iterator[Scratch]:
    """An installation in a folder of its own, migrated; the process belongs to it from now on.

    Parameters
    ----------
    folder : Path
        Empty; secrets, SQLite files and exports go there.
    protocol : str
    database : str
        Address of a PostgreSQL database on the server to be checked, under a user who may create databases;
        itself it is not opened.  SQLite if empty.

    Raises
    ------
    ConductError
        Django was set up before in this process, or the server cannot be used.
    """
    _require_unset()
    made: list[str] = []
    urls = {"database": "", "vault_database": ""}
    if database:
        for name in urls:
            fresh = f"flarefree_check_{os.getpid()}_{name.partition('_')[0]}"
            _statement(database, f'CREATE DATABASE "{fresh}"')
            made.append(fresh)
            urls[name] = urlunsplit(urlsplit(database)._replace(path=f"/{fresh}"))
    config = WebConfig(
        data=folder,
        protocol=protocol,
        hosts=("testserver", "localhost", "127.0.0.1"),
        is_demo=is_demo,
        database=urls["database"],
        vault_database=urls["vault_database"],
    )
    os.environ.update(config.to_environment())
    os.environ["DJANGO_SETTINGS_MODULE"] = "flarefree.web.settings"
    try:
        scratch = Scratch(config, _migrate(config))
        _current.append(scratch)
        yield scratch
    finally:
        _current.clear()
        _close()
        for name in made:
            _statement(database, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _require_unset() -> None:
    if "django" in sys.modules:
        from django.apps import apps

        if apps.ready:
            raise ConductError(
                "this process belongs to an installation already",
                where="validate",
                try_="run the checks in a process of their own: `flarefree validate`",
            )


def _migrate(config: WebConfig) -> dict[str, str]:
    import django
    from django.core.management import call_command
    from django.db import connections

    config.vault_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    django.setup()
    for alias in _ALIASES:
        call_command("migrate", database=alias, verbosity=0)
    names = {alias: str(connections[alias].settings_dict["NAME"]) for alias in _ALIASES}
    connections.close_all()
    return names


def _close() -> None:
    from django.apps import apps

    if apps.ready:
        from django.db import connections

        connections.close_all()


@contextmanager
def fresh_databases(folder: Path, *, templates: dict[str, str] | None = None) -> Iterator[WebConfig]:
    """A fresh, empty pair of databases, to which Django is connected within the block.

    Parameters
    ----------
    folder : Path
        Where SQLite's files are made.
    templates : dict, optional
        By alias; those of the scratch installation if not given.

    Yields
    ------
    WebConfig
        Of the pair, for other processes: `to_environment()` tells them.
    """
    from django.db import connections

    told = templates or (_current[-1].templates if _current else _connected())
    before = {alias: connections[alias].settings_dict["NAME"] for alias in _ALIASES}
    connections.close_all()
    folder.mkdir(parents=True, exist_ok=True)
    names = {alias: _copy(told[alias], alias, folder) for alias in _ALIASES}
    for alias in _ALIASES:
        connections[alias].settings_dict["NAME"] = names[alias]
    _forget()
    try:
        yield _config_of(folder, names)
    finally:
        connections.close_all()
        for alias in _ALIASES:
            connections[alias].settings_dict["NAME"] = before[alias]
        _forget()
        if _is_postgresql():
            for name in names.values():
                on_server(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _forget() -> None:
    """What this process remembers of other databases."""
    from flarefree.web.trial import running_trial

    running_trial.cache_clear()
    medications = sys.modules.get("flarefree.web.commands.medications")
    getattr(medications, "_reviewed", set()).clear()


def _connected() -> dict[str, str]:
    """Names of the databases of a process that was set up by somebody else: the tests."""
    from django.db import connections

    return {alias: str(connections[alias].settings_dict["NAME"]) for alias in _ALIASES}


def _is_postgresql() -> bool:
    from django.db import connections

    return "postgresql" in str(connections["default"].settings_dict["ENGINE"])


def _config_of(folder: Path, names: dict[str, str]) -> WebConfig:
    """For processes that are to use this pair; SQLite's files lie where it looks for them."""
    config = WebConfig.from_environment()
    if not _is_postgresql():
        return replace(config, data=folder)
    return replace(
        config,
        data=folder,
        database=_renamed(config.database, names["default"]),
        vault_database=_renamed(config.vault_database, names["vault"]),
    )


def _renamed(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _copy(name: str, alias: str, folder: Path) -> str:
    if not _is_postgresql():
        place = folder / "record.sqlite3" if alias == "default" else folder / "vault" / "vault.sqlite3"
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy(name, place)
        return str(place)
    fresh = f"flarefree_check_{os.getpid()}_{alias}_{next(_number)}"
    on_server(f'CREATE DATABASE "{fresh}" TEMPLATE "{name}"')
    return fresh


def on_server(statement: str) -> None:
    """On the server that Django is connected to, outside of any of its databases."""
    import psycopg
    from django.db import connections

    told = connections["default"].settings_dict
    with psycopg.connect(
        host=told["HOST"] or None, port=told["PORT"] or None, user=told["USER"] or None,
        password=told["PASSWORD"] or None, dbname="postgres", autocommit=True,
    ) as connection:  # fmt: skip
        connection.execute(statement)


def _statement(url: str, statement: str) -> None:
    import psycopg

    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)
    except psycopg.Error as error:
        raise ConductError(
            "scratch databases cannot be made on this server",
            where="--database",
            found=str(error).strip().splitlines()[0][:200],
            expected="a server that answers, and a user who may create databases",
        ) from None


@contextmanager
def installed_here(config: WebConfig) -> Iterator[None]:
    """Within the block this process is told that its installation is this one: its folder, its keys."""
    told = config.to_environment()
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    _forget()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        _forget()


def environment_of(config: WebConfig) -> dict[str, str]:
    """The environment of a process that serves or works on this installation."""
    return {**os.environ, **config.to_environment(), "DJANGO_SETTINGS_MODULE": "flarefree.web.settings"}
