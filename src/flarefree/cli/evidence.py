"""`flarefree evidence`: the base of published trials listed, shown, checked, carried out and in.

Commands of other modules join by a line in `_MORE`: name -> (module, function).  Their modules import nothing
heavy before they are called.
"""

from __future__ import annotations

import json
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from flarefree.evidence.library import Evidence

__all__ = ["app"]

# Commands that live in modules of their own.
_MORE: dict[str, tuple[str, str]] = {
    "audit": ("flarefree.cli.evidence_audit", "audit_command"),
    "report": ("flarefree.cli.evidence_report", "report_command"),
}

app = typer.Typer(
    no_args_is_help=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Base = Annotated[
    Path | None,
    typer.Option(
        "--base", "-b", help="A base of your own: a YAML file, a folder of them, or an exported CSV."
    ),
]


class ExportFormat(StrEnum):
    """What the base is written as."""

    CSV = "csv"
    REVMAN = "revman"


@app.callback(invoke_without_command=True)
def evidence(context: typer.Context) -> None:
    """Read the evidence of published trials: studies, tables, rows that can be pooled; add your own.

    Example: flarefree evidence show dooley2011
    """
    if context.invoked_subcommand is None:
        list_studies(phase=None, base=None, as_json=False)


@app.command("studies")
def list_studies(
    phase: Annotated[str | None, typer.Option("--phase", help="induction or maintenance only.")] = None,
    base: Base = None,
    as_json: AsJson = False,
) -> None:
    """List the studies of the base, with their design, size, follow-up, and whose patients they share.

    Example: flarefree evidence studies --phase maintenance
    """
    from flarefree.evidence.selecting import require_phase

    loaded = _load(base)
    require_phase(phase)
    frame = loaded.studies()
    rows = [row for row in frame.iter_rows(named=True) if phase in (None, row["phase"])]
    if as_json:
        typer.echo(_dump(rows))
        return
    from flarefree.cli.evidence_page import print_studies

    print_studies(loaded, rows)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A study, a meta-analysis or a conflict.")],
    base: Base = None,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of a study: arms, design, risk of bias, every number with its place and status.

    Example: flarefree evidence show dooley2011
    """
    from flarefree.cli.evidence_page import found_part, print_part

    loaded = _load(base)
    part = found_part(loaded, name)
    if as_json:
        value = getattr(loaded.content, part)[name].model_dump(mode="json", exclude_defaults=True)
        typer.echo(_dump({"kind": part, "name": name, **value}))
        return
    print_part(loaded, part, name)


@app.command("rows")
def show_rows(
    outcome: Annotated[str, typer.Argument(metavar="OUTCOME", help="An outcome's name, renal_flare say.")],
    phase: Annotated[str | None, typer.Option("--phase", help="induction or maintenance only.")] = None,
    time: Annotated[str | None, typer.Option("--time", help="24 wk, 18 mo or 3 yr.")] = None,
    report: Annotated[
        str | None, typer.Option("--report", help="Of studies of the same patients, which to take.")
    ] = None,
    base: Base = None,
    as_json: AsJson = False,
) -> None:
    """Print the arm rows of one outcome that can be pooled, their sources, and what was left out and why.

    Example: flarefree evidence rows renal_flare --phase maintenance
    """
    loaded = _load(base)
    reports = (report,) if report else ()
    rows = loaded.rows(outcome, phase=phase, time=time, reports=reports).to_dicts()
    left_out = loaded.left_out(outcome, phase=phase, time=time, reports=reports).to_dicts()
    if as_json:
        typer.echo(_dump({"outcome": outcome, "rows": rows, "left_out": left_out}))
        return
    from flarefree.cli.evidence_page import print_rows

    print_rows(loaded, outcome, rows, left_out)


@app.command("conflicts")
def list_conflicts(base: Base = None, as_json: AsJson = False) -> None:
    """List numbers and words that cannot all be right: what each source says, why not both, what was done.

    Example: flarefree evidence conflicts
    """
    loaded = _load(base)
    if as_json:
        typer.echo(_dump(loaded.conflicts().to_dicts()))
        return
    from flarefree.cli.evidence_page import print_part

    for name in loaded.content.conflicts:
        print_part(loaded, "conflicts", name)


@app.command("table")
def show_table(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="1 or 2, of the review by Peleg and others.")],
    base: Base = None,
    as_json: AsJson = False,
) -> None:
    """Print a table of the review, made again from the base.

    Example: flarefree evidence table 1
    """
    from flarefree.evidence.review_tables import review_table

    made = review_table(_load(base), table)
    if as_json:
        typer.echo(_dump({"title": made.title, "source": made.source, "rows": made.tidy().to_dicts()}))
        return
    from flarefree.cli.evidence_page import print_table

    print_table(made)


@app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A CSV table, ours or RevMan-like; or a folder of ours.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The YAML file to write; not over a file that is there."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn a table into a base: YAML that can be read, changed and added; printed if no file is named.

    A table needs the columns study, outcome, treatment, and n with events, or n, mean and sd.

    Example: flarefree evidence import trials.csv --out trials.yaml
    """
    from flarefree.errors import OutputError
    from flarefree.evidence.exchange import read_csv, write_files
    from flarefree.evidence.writing import yaml_text

    if out is not None and out.exists():
        raise OutputError(
            "there is a file already", where=str(out), expected="a new file", try_="another name"
        )
    loaded = read_csv(file)
    text = yaml_text(loaded.content)
    if out is not None:
        write_files({out.name: text}, out.parent)
    if as_json:
        written = {"written": None if out is None else str(out)}
        typer.echo(_dump({**_counts(loaded), **written}))
    elif out is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(f"Written: {out} ({_count(loaded)}).")


@app.command("export")
def export(
    output: Annotated[
        ExportFormat, typer.Option("--format", help="csv has everything; revman, comparisons.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A folder; otherwise the outcomes or comparisons are printed."),
    ] = None,
    base: Base = None,
    as_json: AsJson = False,
) -> None:
    """Write the base as CSV tables, or its comparisons as a RevMan-like table; both can be imported again.

    Example: flarefree evidence export --format csv --out evidence-csv
    """
    from flarefree.evidence.exchange import csv_texts, revman_text, write_files

    loaded = _load(base)
    texts = csv_texts(loaded) if output is ExportFormat.CSV else {"revman.csv": revman_text(loaded)}
    if out is None:
        typer.echo(texts["outcomes.csv" if output is ExportFormat.CSV else "revman.csv"], nl=False)
        return
    write_files(texts, out)
    if as_json:
        typer.echo(_dump({**_counts(loaded), "written": [str(out / name) for name in texts]}))
        return
    for name in texts:
        typer.echo(f"Written: {out / name}")


@app.command("add")
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A YAML file of studies, or a CSV table.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="The folder of your base; made if it is not there.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all of it, and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add studies to a base of your own: checked against the whole base first, written all or not at all.

    Without --to the file is checked against the base that comes with flarefree, and nothing is written.

    Example: flarefree evidence add my-trial.yaml --to my-evidence --dry-run
    """
    from flarefree.evidence.writing import plan_addition

    addition = plan_addition(file, to)
    written = None if dry_run or addition.target is None else addition.write()
    if as_json:
        added = {part: list(keys) for part, keys in addition.added.items()}
        typer.echo(_dump({"ok": True, "added": added, "written": None if written is None else str(written)}))
        return
    names = ", ".join((*addition.added.get("studies", ()), *addition.added.get("meta_analyses", ())))
    typer.echo(f"{file.name}: fine. It adds {names or ', '.join(addition.added)}.")
    if written is not None:
        typer.echo(f"Written: {written}. Read it with: flarefree evidence studies --base {to}")
    elif addition.target is None:
        typer.echo("Nothing was written: --to FOLDER adds it to a base of your own.")
    else:
        typer.echo(f"Nothing was written; it would be {addition.target}.")


def _load(base: Path | None) -> Evidence:
    from flarefree.evidence.library import load_evidence

    return load_evidence(base)


def _counts(loaded: Evidence) -> dict[str, int]:
    return {"studies": len(loaded.content.studies), "outcomes": len(loaded.reported)}


def _count(loaded: Evidence) -> str:
    counts = _counts(loaded)
    return ", ".join(
        f"{n} {name if n != 1 else {'studies': 'study'}.get(name, name[:-1])}" for name, n in counts.items()
    )


def _dump(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


for _name, (_module, _function) in _MORE.items():
    app.command(_name)(getattr(import_module(_module), _function))
