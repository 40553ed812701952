"""Writing an evidence report: page, paper, figures with their data, the run's record, the manifest.

As every report: all files into a folder beside the target, moved into place when all are there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flarefree.evidence.questions.answering import Answer
from flarefree.evidence.questions.changing import Changes
from flarefree.evidence.questions.recording import RECORD, base_digest, record_of, render_record
from flarefree.reports.evidence.building import build_evidence_document
from flarefree.reports.evidence.page import render_evidence_html
from flarefree.reports.evidence.paper import render_evidence_pdf
from flarefree.reports.figures import Palette, figure_data
from flarefree.reports.manifest import MANIFEST, describe_outputs, output_line
from flarefree.reports.write import WrittenReport, files_below, write_into

__all__ = ["write_evidence_report"]

Progress = Callable[[str, int, int], None]

STEPS = ("Numbers", "Figures", "Report (HTML)", "Report (PDF)", "Manifest")
FORMAT = 1


def write_evidence_report(
    answer: Answer,
    out: Path,
    *,
    since: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> WrittenReport:
    """Write an answer as a report into the folder `out`.

    Parameters
    ----------
    answer : Answer
    out : Path
        The folder; made if it is not there, replaced if an earlier run wrote it.
    since : mapping, optional
        The record of an earlier run (`read_record`): the report then begins with what changed.
    progress : callable, optional
        Told of each step as it begins.

    Returns
    -------
    WrittenReport
        `report.html`, `report.pdf`, `run.json` and the rest.

    Raises
    ------
    OutputError
        `out` is a file, holds files that are not ours, or cannot be written.
    EvidenceError
        `since` is of another question.
    """
    changes = None if since is None else answer.since(since)
    told = progress or (lambda step, done, total: None)

    def fill(folder: Path) -> None:
        _write_all(answer, changes, folder, told)

    written = write_into(Path(out), fill)
    told("Done", len(STEPS), len(STEPS))
    return written


def _write_all(answer: Answer, changes: Changes | None, folder: Path, told: Progress) -> None:
    total = len(STEPS)
    told(STEPS[0], 0, total)
    _write_numbers(answer, changes, folder)

    told(STEPS[1], 1, total)
    built = build_evidence_document(answer, changes)
    if built.figures:
        (folder / "figures").mkdir()
    for printed, figure in built.figures:
        _write_text(folder / printed.file, printed.svg)
        figure_data(figure).write_csv(folder / printed.data_file)

    told(STEPS[2], 2, total)
    document = replace(built.document, outputs=describe_outputs(folder, files_below(folder)))
    _write_text(folder / "report.html", render_evidence_html(document, Palette()))

    told(STEPS[3], 3, total)
    (folder / "report.pdf").write_bytes(render_evidence_pdf(document))

    told(STEPS[4], 4, total)
    _write_text(folder / MANIFEST, _manifest(answer, folder, files_below(folder)))


def _write_numbers(answer: Answer, changes: Changes | None, folder: Path) -> None:
    """Everything as data: rows, numbers, worksheets, the audit, the record for the next run."""
    answer.tidy().write_csv(folder / "numbers.csv")
    answer.rows().write_csv(folder / "rows.csv")
    answer.worksheets().write_csv(folder / "worksheet.csv")
    answer.audit.tidy().write_csv(folder / "audit.csv")
    _write_text(folder / RECORD, render_record(record_of(answer)))
    if changes is not None:
        _write_text(folder / "changes.json", _json(changes.to_dict()))


def _manifest(answer: Answer, folder: Path, names: Sequence[str]) -> str:
    from flarefree._version import __version__

    question = answer.question
    return _json(
        {
            "manifest": FORMAT,
            "program": {"name": "flarefree", "version": __version__},
            "question": {"name": question.name, "file": question.source.name, "sha256": question.digest},
            "base": {
                "studies": len(answer.evidence.content.studies),
                "sha256": base_digest(answer.evidence),
            },
            "outputs": [output_line(folder, name) for name in sorted(names)],
        }
    )


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
