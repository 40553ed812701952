"""`flarefree randomization install`: a trial's lists drawn, sealed and put into the vault, with a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flarefree.cli.installation import config_of, require_installation

if TYPE_CHECKING:
    from flarefree.web.config import WebConfig

__all__ = ["install_command"]


def install_command(
    data: Annotated[Path, typer.Option(help="Folder of the installation, as for flarefree serve.")],
    person: Annotated[str, typer.Option("--as", help="The unblinded statistician's account.")],
    key: Annotated[Path, typer.Option(metavar="KEYFILE", help="Signs the lists: 64 hexadecimal digits.")],
    seed: Annotated[Path, typer.Option(metavar="SEEDFILE", help="Draws the lists: 64 hexadecimal digits.")],
    report: Annotated[
        Path, typer.Option(metavar="FILE", help="report.signed, of a simulation that was signed.")
    ],
    protocol: Annotated[str, typer.Option(help="As for flarefree serve.")] = "alms-maintenance",
    database: Annotated[str, typer.Option(help="As for flarefree serve.")] = "",
    vault_database: Annotated[str, typer.Option(help="As for flarefree serve.")] = "",
) -> None:
    """Draw, seal and install a trial's lists, and the signed simulation of their scheme.

    Done once, on the server, before the trial goes live: lists are never
    exchanged. Whoever has the seed can draw the lists again, so take it off
    the server afterwards and keep it in a safe. Nothing printed names an arm.

    Example: flarefree randomization install --data t --as ulla --key my.key --seed my.seed --report r.signed
    """
    from flarefree.cli.randomization import read_signing_key
    from flarefree.errors import ReadError
    from flarefree.web.starting import require_web_extra

    require_web_extra()
    require_installation(data)
    try:
        signed = report.read_bytes()
    except OSError as error:
        raise ReadError(
            "the signed report cannot be read", where=str(report), found=str(error.strerror)
        ) from None
    config = config_of(data, protocol=protocol, database=database, vault_database=vault_database)
    digest = _install(config, person, read_signing_key(key), read_signing_key(seed), signed)
    typer.echo("The lists are in the vault, and the report of their scheme with them.")
    typer.echo(f"Publish their SHA-256, which says later that these lists were used: {digest}")
    typer.echo(f"Take {seed} off this server; keep copies of it and of {key} in a safe.")


def _install(config: WebConfig, person: str, key: bytes, seed: bytes, report: bytes) -> str:
    """SHA-256 of the lists; the report is looked at before anything is drawn into the vault."""
    from flarefree.web.starting import set_up

    set_up(config)
    from flarefree.conduct.randomization.lists import draw_lists, seal_lists
    from flarefree.conduct.randomization.plan import plan_of
    from flarefree.conduct.randomization.reporting import require_signed_report
    from flarefree.conduct.randomization.sealing import public_key_of
    from flarefree.errors import ConductError
    from flarefree.web.clock import now
    from flarefree.web.people.grants import account_is_open, read_grants_of
    from flarefree.web.trial import BEFORE_GO_LIVE, running_trial
    from flarefree.web.vault import service

    trial = running_trial()
    if trial.phase != BEFORE_GO_LIVE:
        raise ConductError("lists are installed before the trial goes live", found=trial.phase)
    if not account_is_open(person):
        raise ConductError("there is no open account of this name", where="--as", found=person)
    statistician = read_grants_of(person).actor_at(person, "unblinded_statistician", now())
    protocol, plan = trial.protocol, plan_of(trial.protocol)
    require_signed_report(
        plan.scheme_hash,
        report,
        public_key=public_key_of(key),
        trial=plan.trial,
        protocol_digest=protocol.digest,
    )
    lists = draw_lists(plan, protocol_digest=protocol.digest, seed=seed)
    service.install_lists(
        seal_lists(lists, key).to_bytes(),
        protocol=protocol,
        public_key=public_key_of(key),
        published_sha256=lists.sha256,
        by=statistician,
        request=f"lists/{lists.sha256[:32]}",
        at=now(),
    )
    service.keep_report(report, by=statistician, request=lists.sha256[:32], at=now())
    return lists.sha256
