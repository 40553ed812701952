"""What was checked, on what: program, protocol, database, platform, packages, time."""

from __future__ import annotations

import hashlib
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from flarefree import _version as program
from flarefree._version import __version__
from flarefree.web.checks.report import Circumstances
from flarefree.web.trial import running_trial

__all__ = ["circumstances_of", "digest_of_program", "engine_of"]

_PACKAGES = ("django", "django-allauth", "django-ninja", "waitress", "whitenoise", "psycopg", "cryptography",
             "argon2-cffi", "numpy", "polars", "numba", "scipy", "pydantic", "lark")  # fmt: skip
_READ = {".py", ".yaml", ".html", ".css", ".js", ".json", ".lark", ".sql"}


def circumstances_of(*, begun: str, is_quick: bool) -> Circumstances:
    """Of the installation that this process belongs to."""
    protocol = running_trial().configured
    return Circumstances(
        program=f"flarefree {__version__}",
        source_digest=digest_of_program(),
        protocol=protocol.spec.name,
        protocol_digest=protocol.digest,
        platform=f"{platform.system()} {platform.release()}, {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        engine=engine_of(),
        packages={name: found for name in _PACKAGES if (found := _version(name))},
        begun=begun,
        # The true time: a report is dated by the machine, whatever clock a check was given.
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        is_quick=is_quick,
    )


def engine_of() -> str:
    """The database and its version, as it says itself."""
    from django.db import connections

    connection = connections["default"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SHOW server_version")
        else:
            cursor.execute("SELECT sqlite_version()")
        (said,) = cursor.fetchone()
    return f"{connection.display_name} {str(said).split()[0]}"


def digest_of_program() -> str:
    """SHA-256 over names and contents of the installed copy's files, in the order of their names."""
    root = Path(program.__file__).parent
    files = sorted(
        (path.relative_to(root).as_posix(), path)
        for path in root.rglob("*")
        if path.is_file() and path.suffix in _READ and "__pycache__" not in path.parts
    )
    digest = hashlib.sha256(b"flarefree program 1\n")
    for name, path in files:
        digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
