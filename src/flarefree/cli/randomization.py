"""`flarefree randomization`: schemes compared by simulation and lists installed, before the first patient."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flarefree.cli.progress import progress_bar
from flarefree.cli.randomization_install import install_command

if TYPE_CHECKING:
    from flarefree.conduct.randomization.reporting import SchemeReport

__all__ = ["app", "read_signing_key"]

app = typer.Typer(
    name="randomization",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _group() -> None:
    """Compare schemes of randomization, and install a trial's lists, before the first patient.

    Example: flarefree randomization simulate alms-maintenance
    """


@app.command("simulate")
def simulate_command(
    protocol: Annotated[
        str, typer.Argument(metavar="PROTOCOL", help="A built-in protocol's name, or a YAML file.")
    ],
    patients: Annotated[
        int | None, typer.Option(help="In each trial; the protocol's planned size if not given.")
    ] = None,
    replicates: Annotated[int, typer.Option("--replicates", "-r", help="Trials of each scheme.")] = 4000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same numbers.")] = 20261120,
    sites: Annotated[int, typer.Option(help="Equally large sites, for who knows one site's arms only.")] = 20,
    share: Annotated[
        list[str] | None,
        typer.Option(
            "--share",
            metavar="FACTOR:LEVEL=SHARE,...",
            help="How common a factor's levels are, where not as published. May be repeated.",
        ),
    ] = None,
    list_length: Annotated[
        int | None, typer.Option(help="Slots of each stratum's list; the protocol's if not given.")
    ] = None,
    selection: Annotated[
        float, typer.Option(help="Selection bias, as part of the difference that the trial can show.")
    ] = 0.25,
    trend: Annotated[float, typer.Option(help="Drift of the response over the trial, in SDs.")] = 1.0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write report.json, schemes.csv and schemes.svg here.")
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(metavar="KEYFILE", help="Sign the report with this key (64 hexadecimal digits)."),
    ] = None,
    signed_by: Annotated[str, typer.Option(help="Who signs.")] = "",
    signed_at: Annotated[str, typer.Option(help="When, in UTC, such as 2026-11-20T12:00:00Z.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")] = False,
) -> None:
    """Compare schemes for a protocol's trial: how balanced, how predictable, how safe.

    Strata and their prevalences are the protocol's own. The scheme that the
    protocol names is marked; its signed report is what going live asks for.

    Example: flarefree randomization simulate alms-maintenance --sites 40 --out schemes
    """
    _require_place_for_signature(sign, out)
    with progress_bar(quiet=as_json) as move:
        report = _compare(
            protocol, patients, replicates, seed, sites, share or [], list_length, selection, trend,
            lambda part: move("Simulating", round(part * 1000), 1000),
        )  # fmt: skip
    if out is not None:
        _write(report, out, sign, signed_by, signed_at)
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2))
        return
    typer.echo(str(report))
    if out is not None:
        typer.echo(
            f"Written to {out}: report.json, schemes.csv, schemes.svg" + (", report.signed" if sign else "")
        )


def _compare(
    protocol: str,
    patients: int | None,
    replicates: int,
    seed: int,
    sites: int,
    shares: list[str],
    list_length: int | None,
    selection: float,
    trend: float,
    progress: Any,
) -> SchemeReport:
    from dataclasses import replace

    from flarefree.conduct.randomization.candidates import mix_of
    from flarefree.conduct.randomization.plan import plan_of
    from flarefree.conduct.randomization.reporting import compare_schemes
    from flarefree.conduct.randomization.schemes import Complete
    from flarefree.conduct.randomization.simulating import Setting
    from flarefree.errors import DesignError
    from flarefree.protocol.loading import load_protocol

    loaded = load_protocol(protocol)
    spec = loaded.spec.randomization
    if spec is None:
        raise DesignError("the protocol does not randomize", where=loaded.path)
    mix = mix_of(loaded, _parse_shares(shares))
    is_named = spec.scheme is not None
    stand_in = None if is_named else Complete(ratio=tuple(spec.ratio.values()))
    plan = plan_of(loaded, stand_in, list_length=list_length)
    n = patients or loaded.spec.design.planned_size or plan.list_length
    setting = Setting(mix, n, replicates, seed, sites, None, selection, trend)
    report = compare_schemes(plan, setting, protocol_digest=loaded.digest, own=is_named, progress=progress)
    return replace(report, trial=loaded.spec.name)


def _require_place_for_signature(sign: Path | None, out: Path | None) -> None:
    """A signature that could not be made or kept is refused before the work, not after it."""
    from flarefree.errors import OutputError

    if sign is None:
        return
    if out is None:
        raise OutputError("a signed report needs a folder", where="--sign", try_="--out FOLDER")
    read_signing_key(sign)


def _parse_shares(words: list[str]) -> dict[str, dict[str, float]]:
    """`race:White=0.4,Black=0.6` as {"race": {"White": 0.4, "Black": 0.6}}."""
    from flarefree.errors import DesignError

    found: dict[str, dict[str, float]] = {}
    for word in words:
        name, _, rest = word.partition(":")
        levels = {}
        for part in rest.split(","):
            level, _, number = part.rpartition("=")
            try:
                levels[level.strip()] = float(number)
            except ValueError:
                levels = {}
                break
        if not levels or "" in levels or not name.strip():
            raise DesignError(
                "not shares of a factor",
                where="--share",
                found=word,
                expected="FACTOR:LEVEL=SHARE,LEVEL=SHARE",
                try_="--share 'race:White=0.4,Black=0.1,Asian=0.4,Other=0.1'",
            )
        found[name.strip()] = levels
    return found


def _write(report: SchemeReport, folder: Path, sign: Path | None, signed_by: str, signed_at: str) -> None:
    from flarefree.errors import OutputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")
        _frame(report).write_csv(folder / "schemes.csv")
        report.figure().save(folder / "schemes.svg")
        if sign is not None:
            from flarefree.conduct.randomization.reporting import sign_report

            sealed = sign_report(report, read_signing_key(sign), signed_by=signed_by, time=signed_at)
            (folder / "report.signed").write_bytes(sealed.to_bytes())
    except OSError as error:
        raise OutputError(
            "the folder cannot be written", where=str(folder), found=error.strerror or str(error)
        ) from None


def _frame(report: SchemeReport) -> Any:
    """One row a scheme and figure."""
    import polars as pl

    rows = [
        (one.name, one.scheme_hash, name, value, one.errors.get(name))
        for one in report.schemes
        for name, value in [*one.figures.items(), ("desirability", one.desirability)]
    ]
    names = {"scheme": pl.String, "scheme_hash": pl.String, "figure": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema={**names, "std_error": pl.Float64}, orient="row")


def read_signing_key(path: Path) -> bytes:
    """The key in a file of 64 hexadecimal digits."""
    from flarefree.errors import ReadError

    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != 32:
        raise ReadError("not a signing key", where=str(path), expected="a file of 64 hexadecimal digits")
    return key


app.command("install")(install_command)
