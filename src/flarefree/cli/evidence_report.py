"""`flarefree evidence report`: a question answered from the evidence, as a page, as paper and as data."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from flarefree.evidence.questions.answering import Answer
    from flarefree.reports.write import WrittenReport

__all__ = ["report_command"]


def report_command(
    question: Annotated[
        str,
        typer.Option(
            "--question",
            "-q",
            metavar="QUESTION",
            help="maintenance, induction, or a YAML file of your own.",
        ),
    ] = "maintenance",
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The folder to write; only an earlier report of ours is replaced."),
    ] = Path("evidence-report"),
    since: Annotated[
        Path | None,
        typer.Option("--since", help="An earlier report's folder, or its run.json: say what changed."),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            "--base", "-b", help="A base of your own: a YAML file, a folder of them, or an exported CSV."
        ),
    ] = None,
    bayes: Annotated[
        bool, typer.Option("--bayes", help="The primary network by Bayesian methods too (extra bayes).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Answer a question from the evidence: HTML, PDF, figures, rows, numbers, and a record of the run.

    Every number leads to the studies it rests on, and those to their source.
    With --since the report begins with what changed, which number moved, and why.

    Example: flarefree evidence report --question maintenance --out maintenance-report
    """
    from flarefree.cli.progress import progress_bar
    from flarefree.evidence.questions import answer
    from flarefree.evidence.questions.recording import read_record
    from flarefree.reports.evidence import write_evidence_report

    earlier = None if since is None else read_record(since)  # before it is replaced
    with progress_bar(quiet=as_json) as move:
        move("Pooling", 0, 5)
        found = answer(question, base, bayes=bayes)
        changes = None if earlier is None else found.since(earlier)
        written = write_evidence_report(found, out, since=earlier, progress=move)
    if as_json:
        told = _told(found, written, changes)
        sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return
    sys.stdout.write(f"{found!r}\n\n")
    if changes is not None:
        sys.stdout.write(f"{_change_words(changes)}\n")
    sys.stdout.write(f"Written: {written.html}, and {len(written.files) - 1} more files.\n")


def _told(found: Answer, written: WrittenReport, changes: Any) -> dict[str, Any]:
    record = found.record()
    return {
        "question": found.spec.name,
        "out": str(written.folder),
        "files": list(written.files),
        "numbers": record["numbers"],
        "digests": record["digests"],
        "findings": len(found.findings),
        "changes": None if changes is None else {"same": changes.is_same, "moved": len(changes.moved)},
    }


def _change_words(changes: Any) -> str:
    if changes.is_same:
        return "Nothing that is pooled changed since then."
    studies = len(changes.inputs)
    return f"Since then: {studies} changes of studies, {len(changes.moved)} numbers moved."
