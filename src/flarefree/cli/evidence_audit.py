"""`flarefree evidence audit`: recompute what printed numbers imply, and say which cannot stand together."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flarefree.evidence.auditing import Audit

__all__ = ["audit_command"]

FILES = ("audit.txt", "findings.csv", "p_values.csv", "audit.json")


def audit_command(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A table of printed cells (CSV, TSV, JSON, Parquet), or a base (YAML file or folder); "
            "without it, the evidence that comes with flarefree.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A folder for audit.txt, findings.csv, p_values.csv, audit.json."),
    ] = None,
) -> None:
    """Check the arithmetic of published numbers: percentages, P values, limits, rates, counts.

    Each finding says what, why, how sure, and what would make it fit. Ends with 0
    if there are none, 1 if there are findings, 2 if the table cannot be read.

    Example: flarefree evidence audit my-table.csv --out audit
    """
    from flarefree.evidence import audit, load_evidence

    done = audit(load_evidence() if file is None else file)
    if out is not None:
        _write(done, out)
    sys.stdout.write(_as_json(done) if as_json else f"{done!r}\n")
    if out is not None and not as_json:
        sys.stdout.write(f"\nWritten to {out}: {', '.join(FILES)}\n")
    if done.findings:
        raise typer.Exit(1)


def _as_json(done: Audit) -> str:
    return json.dumps(done.to_dict(), indent=2, ensure_ascii=False) + "\n"


def _write(done: Audit, folder: Path) -> None:
    from flarefree.evidence.exchange import write_files

    texts = (f"{done!r}\n", done.tidy().write_csv(), done.p_value_table().write_csv(), _as_json(done))
    write_files(dict(zip(FILES, texts, strict=True)), folder)
