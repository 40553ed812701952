"""An installation as every command beside the pages is told of it: its folder, protocol and databases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.web.config import WebConfig

__all__ = ["config_of", "require_installation"]


def config_of(
    data: Path, *, protocol: str = "", database: str = "", vault_database: str | None = None, **more: Any
) -> WebConfig:
    """The configuration, addresses that are not told taken from the environment.

    Parameters
    ----------
    protocol : str
        A built-in name, or a file, whose path then holds wherever the server's processes are started.
    vault_database : str, optional
        None where the command does not ask the vault.
    more
        Other fields of `WebConfig`.
    """
    from flarefree.web.config import WebConfig

    if protocol:
        path = Path(protocol)
        more["protocol"] = str(path.absolute()) if path.suffix and path.exists() else protocol
    if vault_database is not None:
        more["vault_database"] = vault_database or os.environ.get("FLAREFREE_VAULT_DATABASE", "")
    database = database or os.environ.get("FLAREFREE_DATABASE", "")
    return WebConfig(data=data.absolute(), database=database, **more)


def require_installation(data: Path) -> None:
    """Refuse a folder that is not there.

    Raises
    ------
    ConductError
    """
    from flarefree.errors import ConductError

    if not data.is_dir():
        raise ConductError("there is no installation here", where="--data", found=str(data))
