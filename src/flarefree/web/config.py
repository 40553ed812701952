"""What an installation is told when it starts: where its data are, which protocol, who may reach it.

No setting here, in the environment or anywhere else can switch blinding off.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from flarefree.errors import ConductError

__all__ = ["WebConfig", "database_of"]

_PREFIX = "FLAREFREE_WEB_"
_SECRET = re.compile(rb"[0-9a-f]{64}")
_SQLITE = {
    # The write lock is taken before the first read, and a commit waits for the disk: what was
    # acknowledged survives a power cut.
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
}


@dataclass(frozen=True)
class WebConfig:
    """One installation.

    Attributes
    ----------
    data : Path
        Folder of the installation: databases (unless elsewhere), keys, uploads, exports.
    protocol : str
        A built-in protocol's name, or a YAML file.
    database, vault_database : str
        `postgresql://user:password@host/name`; empty for SQLite files in the data folder.
    hosts : tuple of str
        Names under which it may be reached.
    is_demo : bool
        A virtual trial, whose accounts are listed on the first page.
    has_tls : bool
        Whether people reach it through TLS (a proxy ends it); cookies are then sent through TLS only.
    """

    data: Path
    protocol: str = "alms-maintenance"
    database: str = ""
    vault_database: str = ""
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    is_demo: bool = False
    has_tls: bool = False

    def to_environment(self) -> dict[str, str]:
        """As environment variables, which is how the server's processes are told."""
        return {_PREFIX + f.name.upper(): _spell(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> WebConfig:
        """As told in the environment.

        Raises
        ------
        ConductError
            The data folder is not named.
        """
        told = {
            f.name: environment[_PREFIX + f.name.upper()]
            for f in fields(cls)
            if _PREFIX + f.name.upper() in environment
        }
        if not told.get("data"):
            raise ConductError(
                "the application does not know where its data are",
                where=_PREFIX + "DATA",
                try_="start it by `flarefree serve`, or name the data folder in this variable",
            )
        return cls(
            data=Path(told["data"]),
            protocol=told.get("protocol") or cls.protocol,
            database=told.get("database", ""),
            vault_database=told.get("vault_database", ""),
            hosts=tuple(told["hosts"].split(",")) if told.get("hosts") else cls.hosts,
            is_demo=told.get("is_demo") == "yes",
            has_tls=told.get("has_tls") == "yes",
        )

    @property
    def vault_folder(self) -> Path:
        """Of the vault's own files: its SQLite database and its key."""
        return self.data / "vault"

    def secret_key(self) -> str:
        """The key of sessions and links; made on the first start, readable by its owner only."""
        return read_or_make_secret(self.data / "secret-key")

    def databases(self) -> dict[str, dict[str, Any]]:
        """Django's setting of the two databases."""
        return {
            "default": database_of(self.database, self.data / "record.sqlite3"),
            "vault": database_of(self.vault_database, self.vault_folder / "vault.sqlite3"),
        }


def read_or_make_secret(path: Path) -> str:
    """A secret of 256 bits in a file that only its owner may read.

    Of two processes that both begin, one makes it and the other reads it: whole, since the file has its name
    only once it is written.

    Raises
    ------
    ConductError
        The file holds something else: it was cut short, or written by hand.
    """
    if path.exists():
        return _secret_in(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink()
    return _secret_in(path)


def _secret_in(path: Path) -> str:
    told = path.read_bytes().strip()
    if not _SECRET.fullmatch(told):
        raise ConductError(
            "this file is not the secret that was made here",
            where=path.name,
            found=f"{len(told)} characters",
            expected="64 hexadecimal digits",
            try_="bring it back from a backup",
        )
    return told.decode("ascii")


def database_of(url: str, sqlite: Path) -> dict[str, Any]:
    """One database as Django wants it told.

    Raises
    ------
    ConductError
        Not the address of a PostgreSQL database.
    """
    if not url:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(sqlite), "OPTIONS": dict(_SQLITE)}
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
        raise ConductError(
            "not the address of a database",
            where="--database",
            found=f"{parts.scheme}://…" if parts.scheme else url[:40],
            expected="postgresql://user:password@host:5432/name",
            try_="leave it away to use SQLite files in the data folder",
        )
    query = parse_qs(parts.query)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.get("host", [parts.hostname or ""])[0],
        "PORT": str(parts.port or query.get("port", [""])[0]),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            # Statements that come again are planned once: half as many allocations again in a second.
            "server_side_binding": True,
            "prepare_threshold": 3,
            **{key: values[0] for key, values in query.items() if key not in {"host", "port"}},
        },
    }


def _spell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(value) if isinstance(value, tuple) else str(value)
