"""`flarefree serve`: the application that conducts a trial, on this computer."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flarefree.cli.installation import config_of

if TYPE_CHECKING:
    from flarefree.web.config import WebConfig
    from flarefree.web.starting import Prepared

__all__ = ["serve"]

_LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    data: Annotated[
        Path | None, typer.Option(help="Folder of the installation; made on the first start.")
    ] = None,
    database: Annotated[
        str, typer.Option(help="postgresql://user:password@host/name of the record; SQLite if not given.")
    ] = "",
    vault_database: Annotated[
        str, typer.Option(help="The same of the allocation vault: another database, another user.")
    ] = "",
    protocol: Annotated[
        str, typer.Option(help="A built-in protocol's name, or a YAML file.")
    ] = "alms-maintenance",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    host_name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Name under which people reach it. May be repeated."),
    ] = None,
    tls_proxy: Annotated[
        bool, typer.Option("--tls-proxy", help="People reach it through a proxy that ends TLS.")
    ] = False,
    proxy: Annotated[str, typer.Option(metavar="ADDRESS", help="Where that proxy asks from.")] = "127.0.0.1",
    threads: Annotated[int, typer.Option(min=1, max=256, help="Requests answered at once.")] = 16,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Open a virtual trial half-way through, with accounts for every role."),
    ] = False,
    print_roles: Annotated[
        bool, typer.Option("--print-roles", help="Print the SQL that gives PostgreSQL's roles their rights.")
    ] = False,
) -> None:
    """Conduct a trial: randomize, dose, record, adjudicate, in the browser.

    The first start makes the data folder and both databases, and prints a link
    by which the first administrator sets a password; the link is good once.
    Addresses of databases may come from the environment, where no list of
    processes shows their passwords: FLAREFREE_DATABASE, FLAREFREE_VAULT_DATABASE.

    Example: flarefree serve --data my-trial --protocol my-trial.yaml
    """
    from flarefree.web.rounds import begin_rounds
    from flarefree.web.starting import prepare, require_web_extra

    require_web_extra()
    _require_private(host, has_tls=tls_proxy, is_demo=demo)
    # What is made from here on, databases and keys among it, is its owner's alone.
    os.umask(0o077)
    config = config_of(
        data or Path("flarefree-demo-trial" if demo else "flarefree-trial"),
        protocol=protocol,
        database=database,
        vault_database=vault_database,
        hosts=_hosts(host, host_name or []),
        is_demo=demo,
        has_tls=tls_proxy,
    )
    listening = _listen(host, port)
    with listening:
        prepared = _prepare_demo(config) if demo else prepare(config)
        if print_roles:
            _print_roles()
            return
        server = _server(config, listening, threads, proxy)
        for line in _told(config, prepared, _address(config, listening, host_name or [])):
            typer.echo(line)
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, _stop)
        begin_rounds()
        server.run()


def _told(config: WebConfig, prepared: Prepared, address: str) -> Iterator[str]:
    """What whoever starts it reads."""
    yield from prepared.notes
    if prepared.invitation and not config.is_demo:
        yield "The first administrator sets a password here, once, within 72 hours:"
        yield f"  {address}{prepared.invitation}"
    yield f"{prepared.trial}, {prepared.phase.replace('_', ' ')}: {address}"
    yield f"Data in {config.data}.  Stop with Ctrl+C."


def _require_private(host: str, *, has_tls: bool, is_demo: bool) -> None:
    """Passwords and patients' data do not travel in the clear."""
    from flarefree.errors import ConductError

    if host not in _LOCAL and not has_tls and not is_demo:
        raise ConductError(
            "people would send passwords and patients' data in the clear",
            where="--host",
            found=host,
            expected="127.0.0.1, or a proxy that ends TLS",
            try_="put a proxy before it and add --tls-proxy; see docs/how-to/deploy.md",
        )


def _hosts(host: str, names: list[str]) -> tuple[str, ...]:
    from flarefree.web.config import WebConfig

    own = [] if host in {"0.0.0.0", "::", ""} else [f"[{host}]" if ":" in host else host]
    return tuple(dict.fromkeys([*WebConfig.hosts, *own, *names]))


def _listen(host: str, port: int) -> socket.socket:
    """The port, taken before anything is made: two servers do not share one."""
    from flarefree.errors import ConductError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise ConductError(
            "the port cannot be listened on",
            where=f"--port {port}",
            found=str(error.strerror or error),
            expected=f"a free port of {host}",
            try_="stop what uses it, or --port 0 for a free one",
        ) from None
    return made


def _prepare_demo(config: WebConfig) -> Prepared:
    """The virtual trial, made on the first start."""
    from flarefree.cli.progress import progress_bar
    from flarefree.web.demo import prepare

    with progress_bar() as move:
        return prepare(config, progress=move)


def _print_roles() -> None:
    from flarefree.web.roles_sql import roles_sql

    typer.echo(roles_sql())


def _address(config: WebConfig, listening: socket.socket, names: list[str]) -> str:
    if config.has_tls:
        return f"https://{names[0]}" if names else "https://localhost"
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{names[0] if names else shown}:{port}"


def _server(config: WebConfig, listening: socket.socket, threads: int, proxy: str) -> Any:
    """The server, listening; it answers once it runs."""
    import waitress

    from flarefree.web.wsgi import application

    told: dict[str, Any] = {}
    if config.has_tls:
        told = {"trusted_proxy": proxy, "trusted_proxy_headers": "x-forwarded-for x-forwarded-proto"}
    return waitress.create_server(
        application,
        sockets=[listening],
        threads=threads,
        ident=None,  # no answer says what serves it
        max_request_body_size=16 * 1024 * 1024,
        clear_untrusted_proxy_headers=True,
        **told,
    )


def _stop(*_: object) -> None:
    """Requests that are being answered are answered; then the server ends as after Ctrl+C."""
    raise SystemExit(0)
