"""`flarefree protocols`: list the built-in protocols, show one as a page, check a file, print the schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from flarefree.errors import FlarefreeError
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.callback(invoke_without_command=True)
def protocols(context: typer.Context) -> None:
    """List, show and check protocols.

    Example: flarefree protocols show alms-maintenance
    """
    if context.invoked_subcommand is None:
        list_protocols(as_json=False)


@app.command("list")
def list_protocols(as_json: AsJson = False) -> None:
    """List the protocols that come with flarefree.

    Example: flarefree protocols list
    """
    from flarefree.protocol.loading import builtin_protocols, load_protocol

    loaded = [load_protocol(name) for name in builtin_protocols()]
    if as_json:
        typer.echo(_dump([_summary(protocol) for protocol in loaded]))
        return
    from flarefree.cli.protocol_page import print_list

    print_list(loaded)


@app.command("show")
def show_protocol(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A built-in protocol, or a YAML file.")],
    as_json: AsJson = False,
) -> None:
    """Show a protocol as a page: schedule, arms, doses, endpoints as sentences, analyses, notes.

    Example: flarefree protocols show alms-maintenance
    """
    from flarefree.protocol.loading import load_protocol

    protocol = load_protocol(name)
    if as_json:
        typer.echo(_dump(_whole(protocol)))
        return
    from flarefree.cli.protocol_page import print_page

    print_page(protocol)


@app.command("copy")
def copy_protocol(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A built-in protocol.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to write it; not over a file that is there.")
    ],
) -> None:
    """Copy a built-in protocol, to change it: its YAML, and the published results that it names.

    Example: flarefree protocols copy alms-maintenance my-trial.yaml
    """
    from flarefree.protocol.loading import builtin_path, load_protocol

    protocol = load_protocol(name)
    files = {file: builtin_path(protocol.spec.name)}
    if protocol.spec.published:
        published = file.parent / protocol.spec.published
        source = Path(protocol.folder) / protocol.spec.published
        if not _is_copy(published, source):
            files[published] = source
    _copy(files)
    for written in files:
        typer.echo(f"Written: {written}")
    typer.echo(f"Analyze with it: flarefree analyze STUDY --protocol {file}")


def _is_copy(target: Path, source: Path) -> bool:
    """Whether an earlier copy left the same file there."""
    return target.is_file() and target.read_bytes() == source.read_bytes()


def _copy(files: dict[Path, Path]) -> None:
    from flarefree.errors import OutputError

    for target in files:
        if target.exists():
            raise OutputError(
                "there is a file already",
                where=str(target),
                expected="a new file",
                try_="another name or folder",
            )
    try:
        for target, source in files.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    except OSError as error:
        raise OutputError(
            "this file cannot be written", where=str(error.filename), found=str(error.strerror)
        ) from error


@app.command("check")
def check_protocol(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A YAML file, or a built-in protocol.")],
    as_json: AsJson = False,
) -> None:
    """Check a protocol from end to end; exit 0 if it can be used, 2 with the first error if not.

    Example: flarefree protocols check my-trial.yaml
    """
    from flarefree.errors import ProtocolError
    from flarefree.protocol.loading import load_protocol
    from flarefree.protocol.published import load_published

    try:
        protocol = load_protocol(file)
        load_published(protocol)
    except ProtocolError as error:
        if not as_json:
            raise
        typer.echo(_dump({"ok": False, "error": _error(error)}))
        raise typer.Exit(error.exit_code) from None
    if as_json:
        typer.echo(_dump({"ok": True, **_summary(protocol)}))
        return
    spec = protocol.spec
    typer.echo(
        f"{protocol.path}: fine. {_count(len(spec.arms), 'arm')}, "
        f"{_count(len(spec.schedule.visits), 'visit')}, {_count(len(spec.measures), 'measure')}, "
        f"{_count(len(spec.endpoints), 'endpoint')}, {_count(len(spec.analyses), 'analysis', 'analyses')}; "
        f"{_count(len(protocol.sentences), 'sentence')} read."
    )


@app.command("schema")
def print_schema(
    as_page: Annotated[bool, typer.Option("--page", help="Print the reference page instead.")] = False,
) -> None:
    """Print the JSON Schema of protocol files, for editors.

    Example: flarefree protocols schema > protocol.schema.json
    """
    from flarefree.protocol.json_schema import reference_page, schema_text

    typer.echo(reference_page() if as_page else schema_text(), nl=False)


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"


def _summary(protocol: LoadedProtocol) -> dict[str, Any]:
    spec = protocol.spec
    return {
        "name": spec.name,
        "title": spec.title,
        "registration": spec.registration,
        "file": protocol.path,
        "digest": protocol.digest,
        "arms": list(spec.arms),
        "endpoints": list(spec.endpoints),
        "analyses": list(spec.analyses),
    }


def _whole(protocol: LoadedProtocol) -> dict[str, Any]:
    from flarefree.protocol.language.printing import print_node

    return {
        **_summary(protocol),
        "order": list(protocol.order),
        "sentences": {
            path: {"sentence": print_node(node), "line": protocol.lines.get(path)}
            for path, node in protocol.sentences.items()
        },
        "protocol": protocol.spec.model_dump(mode="json"),
    }


def _error(error: FlarefreeError) -> dict[str, str]:
    parts = {
        "what": error.what,
        "where": error.where,
        "found": error.found,
        "expected": error.expected,
        "try": error.try_,
    }
    return {"kind": type(error).__name__, **{key: text for key, text in parts.items() if text}}


def _dump(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
