"""`flarefree export`: the study folder of a trial that `flarefree serve` conducts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from flarefree.cli.installation import config_of, require_installation

__all__ = ["export"]


def export(
    data: Annotated[Path, typer.Option(help="Folder of the installation, as for flarefree serve.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to be made for the study.")],
    person: Annotated[str, typer.Option("--as", help="Whose right it is: the name of an account.")],
    role: Annotated[str, typer.Option(help="The role that they act in.")] = "data_manager",
    parquet: Annotated[bool, typer.Option("--parquet", help="Parquet in place of CSV.")] = False,
    protocol: Annotated[str, typer.Option(help="As for flarefree serve.")] = "alms-maintenance",
    database: Annotated[str, typer.Option(help="As for flarefree serve.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Say what was written as JSON.")] = False,
) -> None:
    """Take the study out of a running trial, for flarefree analyze.

    The folder has SDTM's tables, the committee's decisions and an extract of
    the log, and no arms: those come from the key file of the release. The
    export is an entry of the trial's log. What stands in the folder already is
    never written over.

    Example: flarefree export --data my-trial --out study --as mia --role data_manager
    """
    from flarefree.errors import ConductError
    from flarefree.web.starting import require_web_extra, set_up

    require_web_extra()
    require_installation(data)
    set_up(config_of(data, protocol=protocol, database=database))
    from flarefree.web.clock import now
    from flarefree.web.exporting import export_study
    from flarefree.web.people.grants import account_is_open, read_grants_of

    if not account_is_open(person):
        raise ConductError("this account is not open", where="--as", found=person)
    actor = read_grants_of(person).actor_at(person, role, now())
    done = export_study(actor, out, format="parquet" if parquet else "csv")
    if as_json:
        told = {"folder": str(done.folder), "patients": done.patients, "files": done.files}
        typer.echo(json.dumps(told | {"digest": done.digest, "receipt": done.receipt}, indent=2))
        return
    typer.echo(f"{done.patients} patients in {done.folder}: {len(done.files)} files, arms masked.")
    typer.echo(f"Try: flarefree analyze {done.folder}")
