"""`flarefree validate`: the acceptance checks, run on this installed copy, with a signed report."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flarefree.cli.progress import progress_bar

if TYPE_CHECKING:
    from flarefree.web.checks.report import Validation
    from flarefree.web.checks.running import CheckedNumber

__all__ = ["validate"]


def validate(
    quick: Annotated[bool, typer.Option("--quick", help="Reduced counts: minutes, not hours.")] = False,
    only: Annotated[
        str, typer.Option(metavar="NUMBERS", help="Some of them: R1,B1, or a letter for all of its group.")
    ] = "",
    protocol: Annotated[
        str, typer.Option("--protocol", "-p", help="The protocol to check with: a name, or a YAML file.")
    ] = "alms-maintenance",
    data: Annotated[
        Path | None,
        typer.Option(help="The installation's data folder: scratch files are made on the same disk."),
    ] = None,
    database: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Check on this PostgreSQL server, in scratch databases; SQLite if not given.",
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write report.html and report.json here.")
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(metavar="KEYFILE", help="Sign the report with this key (64 hexadecimal digits)."),
    ] = None,
    signed_by: Annotated[str, typer.Option(help="Who signs.")] = "",
    verify: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read a signed report instead; needs --public-key.")
    ] = None,
    public_key: Annotated[
        str, typer.Option(metavar="HEX", help="The key that the signed report must be by.")
    ] = "",
    all_rows: Annotated[bool, typer.Option("--all", help="Print every row of evidence.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")] = False,
) -> None:
    """Run the acceptance checks on this installed copy: R1 to F-8, each by its number.

    Checks run on scratch databases of the installed engine, never on the
    trial's own data. Each is printed with its figures and with what it cannot
    show here. Ends with 0 if all hold, 1 if one does not, 2 if it cannot run.

    Example: flarefree validate --quick --out validation
    """
    if verify is not None:
        _verify(verify, public_key)
        return
    from flarefree.cli.randomization import read_signing_key
    from flarefree.errors import OutputError
    from flarefree.web.checks.catalog import NUMBERS, parse_numbers

    _require_web()
    numbers = parse_numbers(only) if only else tuple(NUMBERS)
    if sign is not None:
        read_signing_key(sign)
        if out is None or not signed_by.strip():
            raise OutputError(
                "a signed report needs a folder and a name",
                where="--sign",
                try_="--out FOLDER --signed-by 'NAME, FUNCTION'",
            )

    def told(one: CheckedNumber) -> None:
        if not as_json:
            from flarefree.web.checks.report import text_of

            typer.echo(text_of(one, all_rows=all_rows))

    with (
        tempfile.TemporaryDirectory(prefix="flarefree-validation-", dir=data) as folder,
        progress_bar(quiet=as_json) as move,
    ):
        found = _run(numbers, Path(folder), protocol, database, quick, move, told)
    _tell(found, out, sign, signed_by, as_json)
    if not found.passed:
        raise typer.Exit(1)


def _require_web() -> None:
    from importlib.util import find_spec

    from flarefree.errors import MissingExtraError

    if find_spec("django") is None:
        raise MissingExtraError(
            "the checks need the application", where="validate", try_="pip install 'flarefree[web]'"
        )


def _run(
    numbers: tuple[str, ...],
    folder: Path,
    protocol: str,
    database: str,
    quick: bool,
    progress: Callable[[str, int, int], None],
    told: Callable[[CheckedNumber], None],
) -> Validation:
    from datetime import UTC, datetime

    from flarefree.web.checks.report import Validation
    from flarefree.web.checks.running import run_numbers
    from flarefree.web.checks.scratch import scratch_installation

    begun = datetime.now(UTC).isoformat(timespec="seconds")
    with scratch_installation(folder / "installed", protocol=protocol, database=database):
        found = run_numbers(numbers, quick=quick, progress=progress, told=told)
        # Its modules have the application's models, which exist once the installation does.
        from flarefree.web.checks.circumstances import circumstances_of

        return Validation(circumstances_of(begun=begun, is_quick=quick), found)


def _tell(found: Validation, out: Path | None, sign: Path | None, signed_by: str, as_json: bool) -> None:
    from flarefree.cli.randomization import read_signing_key
    from flarefree.conduct.randomization.sealing import public_key_of
    from flarefree.web.checks.report import json_of, sign_validation, write_validation

    sealed = None
    if sign is not None:
        sealed = sign_validation(found, read_signing_key(sign), signed_by=signed_by)
    files = write_validation(found, out, sealed) if out is not None else ()
    if as_json:
        typer.echo(json_of(found))
        return
    counts, told = found.counts, found.circumstances
    verdict = "Passed" if found.passed else "NOT PASSED"
    typer.echo(
        f"\n{verdict}: {counts['passed']} of {len(found.found)} checks hold, "
        f"{counts['failed']} failed, {counts['not_run']} not run; {counts['rows']:,} rows of evidence."
    )
    typer.echo(f"{told.program} on {told.engine}, {told.python}, {told.platform}")
    typer.echo(f"protocol {told.protocol}, SHA-256 {told.protocol_digest}")
    if files:
        typer.echo(f"Written to {out}: {', '.join(files)}")
    if sealed is not None and sign is not None:
        typer.echo(f"Signed by {signed_by}; report SHA-256 {sealed.sha256}")
        typer.echo(f"verify with --public-key {public_key_of(read_signing_key(sign)).hex()}")


def _verify(file: Path, public_key: str) -> None:
    from flarefree.errors import ReadError
    from flarefree.web.checks.report import open_validation

    try:
        key = bytes.fromhex(public_key)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ReadError(
            "not a public key", where="--public-key", found=public_key[:80], expected="64 hexadecimal digits"
        )
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ReadError("the report cannot be read", where=str(file), found=error.strerror or "") from None
    body = open_validation(data, key)
    counts = body["counts"]
    typer.echo(
        f"Unchanged since {body['signed_by']} signed it: {body['program']} on {body['engine']}, "
        f"{body['begun']} to {body['ended']}; {counts['passed']} checks hold, {counts['failed']} failed, "
        f"{counts['not_run']} not run."
    )
