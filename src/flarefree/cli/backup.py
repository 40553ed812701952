"""`flarefree backup` and `flarefree restore`: an installation into a folder, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flarefree.cli.installation import config_of, require_installation

__all__ = ["backup", "restore"]

_DATABASE = "As for flarefree serve; FLAREFREE_DATABASE if not given."
_VAULT = "As for flarefree serve; FLAREFREE_VAULT_DATABASE if not given."


def backup(
    data: Annotated[Path, typer.Option(help="Folder of the installation, as for flarefree serve.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder for the backup.")],
    database: Annotated[str, typer.Option(help=_DATABASE)] = "",
    vault_database: Annotated[str, typer.Option(help=_VAULT)] = "",
) -> None:
    """Back up a running trial: both databases, keys of sessions and identities.

    The vault's key is left out: keep it apart, and nobody who has a backup has
    an arm. The trial goes on while the backup is made.

    Example: flarefree backup --data my-trial --out backups/2026-01-05
    """
    from datetime import UTC, datetime

    from flarefree.web.backing_up import back_up

    require_installation(data)
    made = back_up(
        config_of(data, database=database, vault_database=vault_database),
        out.absolute(),
        at=datetime.now(UTC),
    )
    typer.echo(f"{len(made.digests)} files in {made.folder}, each with its digest in manifest.json.")
    typer.echo("Not in it: the vault's key. It must lie somewhere else, or no arm can ever be told again.")


def restore(
    backup: Annotated[Path, typer.Argument(help="Folder that flarefree backup made.")],
    data: Annotated[Path, typer.Option(help="A new folder for the installation.")],
    vault_key: Annotated[Path, typer.Option(help="File of the vault's key, kept apart from the backup.")],
    database: Annotated[str, typer.Option(help=f"An empty database. {_DATABASE}")] = "",
    vault_database: Annotated[str, typer.Option(help=f"An empty database. {_VAULT}")] = "",
) -> None:
    """Bring a backup into a new data folder.

    Randomization stays halted until the vault was reconciled with what the
    record and the sites know: a backup may be older than the last patient.

    Example: flarefree restore backups/2026-01-05 --data my-trial --vault-key safe/key
    """
    from flarefree.web import backing_up

    config = config_of(data, database=database, vault_database=vault_database)
    made = backing_up.restore(backup.absolute(), config, vault_key=vault_key)
    typer.echo(f"{len(made.digests)} files brought into {config.data}; all of them are as they were written.")
    typer.echo(f"Try: flarefree serve --data {data}; then have the sponsor reconcile the vault.")
