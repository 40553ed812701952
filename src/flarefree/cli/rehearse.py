"""`flarefree rehearse`: a whole virtual trial through the application, over HTTP, to the analysis."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from flarefree.cli.progress import progress_bar

__all__ = ["rehearse"]


def rehearse(
    protocol: Annotated[
        str, typer.Argument(metavar="PROTOCOL", help="A built-in protocol's name, or a YAML file.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="A new folder for the trial and all that follows.")
    ],
    patients: Annotated[int, typer.Option(min=2, help="Who are randomized.")] = 227,
    sites: Annotated[int, typer.Option(min=1, help="At how many sites.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same patients and lists.")] = 1,
    database: Annotated[str, typer.Option(help="PostgreSQL of the record, as for flarefree serve.")] = "",
    vault_database: Annotated[str, typer.Option(help="PostgreSQL of the vault.")] = "",
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Leave the reports of both analyses out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")] = False,
) -> None:
    """Rehearse a whole trial with virtual patients, through the web API.

    Sites, people of every role, sealed lists, go-live; patients are screened,
    randomized, dosed, visited and called, flare, are adjudicated, leave; then
    lock, key ceremony, export, analysis. The same patients are also analyzed
    directly, and every event, date, state and estimate must be equal.
    Ends with 0 if all are, 1 if not.

    Example: flarefree rehearse alms-maintenance --patients 30 --sites 4 --out rehearsal
    """
    from flarefree.web.rehearsal.whole import Rehearsal
    from flarefree.web.rehearsal.whole import rehearse as run

    _require_web()
    asked = Rehearsal(
        out.absolute(),
        protocol,
        patients,
        min(sites, patients),
        seed,
        database,
        vault_database,
        not no_report,
    )
    os.umask(0o077)
    with progress_bar(quiet=as_json) as move:
        found = run(asked, move)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        from flarefree.web.rehearsal.comparing import table_of

        typer.echo(table_of(found.compared))
        rate = found.requests / found.seconds
        typer.echo(
            f"\n{found.patients} patients at {found.sites} sites: {found.requests:,} requests in "
            f"{found.seconds:,.0f} s, {rate:.1f} a second; {found.entries:,} entries of the log."
        )
        typer.echo(f"Written to {out}: trial, study, key.json, direct, rehearsal.json")
    if not found.is_equal:
        raise typer.Exit(1)


def _require_web() -> None:
    from flarefree.web.starting import require_web_extra

    require_web_extra()
