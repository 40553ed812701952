"""Backup and restore of an installation: both databases in the right order, files, digests, a manifest.

The record is copied first and the vault after it, so that the vault of a backup knows at least as much as
its record: what the record lacks is written down at the next start, while a record that knew more would halt
randomization.  The vault's key is left out: who has a backup has no arm.  Erased identities stay erased:
their keys are removed at the first start after a restore.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flarefree.errors import ConductError, OutputError
from flarefree.web.config import WebConfig, database_of

__all__ = ["BackupMade", "back_up", "restore"]

_MANIFEST = "manifest.json"
_PROGRAMS = "FLAREFREE_PG_BIN"
"""Environment variable: the folder of `pg_dump` and `pg_restore`, where PATH has another version of them."""
_DATABASES = ("record", "vault")
_FILES = ("secret-key", "protocols", "identity-keys", "uploads", "voice", "anchors")
"""Of the data folder, where they are there.  Not `vault/key`, and not what the host noted of its vault: a
copy of that note would swear to a vault that it never saw."""


@dataclass(frozen=True)
class BackupMade:
    """A backup that was made, or one that was found sound.

    Attributes
    ----------
    folder : Path
    digests : mapping of str to str
        SHA-256 of each file.
    vault_key : str
        Digest that tells whether a key is the one that this vault was sealed under.
    """

    folder: Path
    digests: dict[str, str]
    vault_key: str


def back_up(config: WebConfig, folder: Path, *, at: datetime) -> BackupMade:
    """Copy an installation, which may be in use, into a new folder.

    Raises
    ------
    OutputError
        The folder is there already, or cannot be written.
    ConductError
        A database cannot be copied.
    """
    _make_new(folder)
    for name in _DATABASES:  # the record first
        _copy_database(_settings(config, name), folder / name)
    for name in _FILES:
        _copy(config.data / name, folder / name)
    digests = {str(path.relative_to(folder)): _digest(path) for path in _files(folder)}
    made = BackupMade(folder, digests, _key_digest(_key_path(config)))
    told = {
        "flarefree_backup": 1,
        "made_at": at.isoformat(),
        "protocol": Path(config.protocol).name,
        "vault_key": made.vault_key,
        "files": digests,
    }
    (folder / _MANIFEST).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", "utf-8")
    _sync(folder)
    return made


def restore(folder: Path, config: WebConfig, *, vault_key: Path) -> BackupMade:
    """Bring a backup into an empty data folder, and empty databases where they are PostgreSQL's.

    Raises
    ------
    ConductError
        The backup is not whole, is another version's, or the key is not its vault's.
    OutputError
        The data folder has something in it.
    """
    made = _require_whole(folder)
    if _key_digest(vault_key) != made.vault_key:
        raise ConductError(
            "this is not the key that the backup's vault was sealed under",
            where=str(vault_key),
            try_="find the key that was kept apart from the backups",
        )
    _make_new(config.data)
    for name in _FILES:
        _copy(folder / name, config.data / name)
    config.vault_folder.mkdir(mode=0o700, exist_ok=True)
    shutil.copyfile(vault_key, config.vault_folder / "key")
    (config.vault_folder / "key").chmod(0o600)
    for name in _DATABASES:
        _bring_database(folder / name, _settings(config, name))
    _sync(config.data)
    return made


# Databases ---------------------------------------------------------------------------------------


def _settings(config: WebConfig, name: str) -> dict[str, Any]:
    if name == "record":
        return database_of(config.database, config.data / "record.sqlite3")
    return database_of(config.vault_database, config.vault_folder / "vault.sqlite3")


def _copy_database(settings: dict[str, Any], place: Path) -> None:
    """One moment of it, while others write."""
    if "sqlite3" in settings["ENGINE"]:
        address = f"file:{settings['NAME']}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(place)) as target:
            source.backup(target)
        place.chmod(0o600)
        return
    _run(["pg_dump", "--format=custom", "--no-owner", "--file", str(place)], settings)
    place.chmod(0o600)


def _bring_database(place: Path, settings: dict[str, Any]) -> None:
    if "sqlite3" in settings["ENGINE"]:
        _copy(place, Path(settings["NAME"]))
        return
    _run(["pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", str(place)], settings)


def _run(command: list[str], settings: dict[str, Any]) -> None:
    """A program of PostgreSQL's; the password goes by its environment: no list of processes has it."""
    told = {
        "PGHOST": "HOST",
        "PGPORT": "PORT",
        "PGUSER": "USER",
        "PGPASSWORD": "PASSWORD",
        "PGDATABASE": "NAME",
    }
    environment = {
        **os.environ,
        **{name: str(settings[key]) for name, key in told.items() if settings.get(key)},
    }
    if os.environ.get(_PROGRAMS):
        command = [str(Path(os.environ[_PROGRAMS]) / command[0]), *command[1:]]
    if command[0].endswith("pg_restore"):
        command = [*command[:-1], "--dbname", str(settings["NAME"]), command[-1]]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ConductError(
            f"{Path(command[0]).name} is not here",
            where=f"PATH, or the folder that {_PROGRAMS} names",
            try_="install PostgreSQL's client programs, of the server's version",
        ) from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise ConductError("the database cannot be copied", where=Path(command[0]).name, found=said[:200])


# Files -------------------------------------------------------------------------------------------


def _require_whole(folder: Path) -> BackupMade:
    try:
        told = json.loads((folder / _MANIFEST).read_text("utf-8"))
        digests, key, version = dict(told["files"]), str(told["vault_key"]), told["flarefree_backup"]
    except (OSError, ValueError, KeyError):
        raise ConductError("not a backup of an installation", where=str(folder)) from None
    if version != 1:
        raise ConductError("a backup of another version", where=str(folder), found=str(version), expected="1")
    found = {
        str(path.relative_to(folder)): _digest(path) for path in _files(folder) if path.name != _MANIFEST
    }
    if found != digests:
        names = sorted(name for name in {*found, *digests} if found.get(name) != digests.get(name))
        raise ConductError("the backup is not whole", where=str(folder), found=", ".join(names)[:200])
    return BackupMade(folder, digests, key)


def _make_new(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise OutputError("the folder cannot be used", where=str(folder), found=str(error.strerror)) from None
    if not is_empty:
        raise OutputError("the folder has something in it", where=str(folder), try_="name a new folder")


def _copy(source: Path, target: Path) -> None:
    """With its mode; nothing where there is nothing."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy2(source, target)


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _key_path(config: WebConfig) -> Path:
    return Path(os.environ.get("FLAREFREE_WEB_VAULT_KEY") or config.vault_folder / "key")


def _key_digest(path: Path) -> str:
    """Of 256 random bits: it tells nothing of them."""
    try:
        return hashlib.sha256(b"flarefree vault key 1\n" + path.read_bytes().strip()).hexdigest()
    except OSError as error:
        raise ConductError(
            "the vault's key cannot be read", where=str(path), found=str(error.strerror)
        ) from None


def _sync(folder: Path) -> None:
    """On the disk before it is called made."""
    for path in (*_files(folder), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
