"""`flarefree check`: everything that is odd in a study's data, for the people who can mend it."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flarefree.records.findings import Finding
    from flarefree.records.study import Study

__all__ = ["check_command"]

_SHOWN = 5  # findings of one kind that are printed; the files have all
_HEADINGS = {
    "error": "Errors: values and rows that could not be used",
    "warning": "Warnings: used, but doubtful",
    "note": "Notes: used as they are; the reader should know",
}


class OutputFormat(StrEnum):
    """How findings are given."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


def check_command(
    study: Annotated[Path, typer.Argument(help="A study folder, its study.yaml, or one data file.")],
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", "-p", help="A protocol's name or file; else what study.yaml names."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder for findings.csv and findings.html.")
    ] = None,
    output: Annotated[OutputFormat, typer.Option("--format", help="What to print.")] = OutputFormat.TEXT,
) -> None:
    """Report everything that is odd in a study's data: file, row, column, found, expected.

    Ends with 0 if there is nothing to mend (notes only), 1 if there are
    findings, 2 if the study cannot be read.

    Example: flarefree check my-study --protocol alms-maintenance --out findings
    """
    from flarefree.readers.study_folder import read_study

    checked = read_study(study, protocol=protocol)
    if out is not None:
        _write_files(checked, out)
    sys.stdout.write(_rendered(checked, output))
    if any(finding.severity != "note" for finding in checked.findings):
        raise typer.Exit(1)


def _rendered(study: Study, output: OutputFormat) -> str:
    match output:
        case OutputFormat.JSON:
            return _as_json(study)
        case OutputFormat.CSV:
            return _as_csv(study)
        case OutputFormat.HTML:
            return render_findings_page(study)
    return render_findings_text(study)


# Text ------------------------------------------------------------------------------------------------


def render_findings_text(study: Study) -> str:
    """Findings in words: by what they mean, kind and file, the first few of each with their rows."""
    lines = [*_what_was_read(study), ""]
    groups = group_findings(study.findings)
    for severity, heading in _HEADINGS.items():
        here = [group for group in groups if group[0].severity == severity]
        if here:
            lines += [heading, ""]
        for group in here:
            lines += [*_group_lines(group), ""]
    return "\n".join([*lines, _verdict(study.findings), ""])


def _what_was_read(study: Study) -> list[str]:
    label = " (virtual patients)" if study.is_virtual else ""
    rows = [
        f"{name.replace('_', ' ')} {frame.height:,}" for name, frame in study.tables.items() if frame.height
    ]
    protocol = f", protocol {Path(study.protocol).name}" if study.protocol else ", no protocol"
    return [f"{study.name}{label}{protocol}", f"{len(study.sources)} files: {', '.join(rows)}"]


def group_findings(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings of one kind in one column of one file together, in the order in which they first occur."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        kind = (finding.severity, finding.code, finding.file, finding.column, _family(finding))
        groups.setdefault(kind, []).append(finding)
    return list(groups.values())


def _family(finding: Finding) -> str:
    """The message, but for those that only count the rest."""
    return "" if finding.row else finding.message if not finding.message.startswith("and ") else ""


def _group_lines(group: list[Finding]) -> list[str]:
    first = group[0]
    count = sum(finding.count for finding in group)
    place = " in ".join(part for part in (first.column, first.file) if part)
    extent = f"{place}, {_rows(count)}" if place else "the study as a whole"
    lines = [f"  {first.code}: {first.message}", f"    {extent}"]
    told = [line for finding in group[:_SHOWN] if (line := _finding_line(finding, is_alone=len(group) == 1))]
    lines += [f"      {line}" for line in told]
    if len(group) > _SHOWN:
        lines.append(f"      and {count - sum(finding.count for finding in group[:_SHOWN]):,} more")
    return lines


def _finding_line(finding: Finding, *, is_alone: bool) -> str:
    """`row 12, 017-004: found 8000; expected 0 to 25 mg/dL`."""
    where = f"row {finding.row}" if finding.row else ""
    if finding.count > 1 and finding.row:
        where = f"first in {where}" if is_alone else f"first of {finding.count:,} in {where}"
    who = ", ".join(part for part in (where, finding.subject) if part)
    said = f"found {finding.found}" if finding.found else ""
    if finding.expected:
        said = f"{said}; expected {finding.expected}" if said else f"expected {finding.expected}"
    return f"{who}: {said}" if who and said else who or said


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _verdict(findings: Sequence[Finding]) -> str:
    """How many rows have errors and warnings, and of how many kinds the notes are."""
    counts = {s: sum(f.count for f in findings if f.severity == s) for s in ("error", "warning")}
    notes = len({(f.code, f.file, f.column) for f in findings if f.severity == "note"})
    words = [f"{n:,} {word}{'' if n == 1 else 's'}" for word, n in {**counts, "note": notes}.items() if n]
    if any(counts.values()):
        return f"Found: {', '.join(words)}."
    return f"Nothing to mend; {words[0]}." if words else "Nothing to mend."


# Data ------------------------------------------------------------------------------------------------


def _as_json(study: Study) -> str:
    from flarefree.records.findings import findings_frame

    counts = {s: sum(f.count for f in study.findings if f.severity == s) for s in _HEADINGS}
    content = {
        "study": study.name,
        "protocol": Path(study.protocol).name,
        "is_virtual": study.is_virtual,
        "rows": {name: frame.height for name, frame in study.tables.items()},
        "sources": [
            {"path": s.path, "kind": s.kind, "rows": s.rows, "sha256": s.digest} for s in study.sources
        ],
        "counts": counts,
        "findings": findings_frame(study.findings).to_dicts(),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _as_csv(study: Study) -> str:
    from flarefree.records.findings import findings_frame

    return findings_frame(study.findings).write_csv()


def _write_files(study: Study, folder: Path) -> None:
    from flarefree.errors import OutputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "findings.csv").write_text(_as_csv(study), encoding="utf-8")
        (folder / "findings.html").write_text(render_findings_page(study), encoding="utf-8")
    except OSError as error:
        raise OutputError("this folder cannot be written", where=str(folder), found=str(error)) from None


# Page ------------------------------------------------------------------------------------------------


def render_findings_page(study: Study) -> str:
    """Findings as one self-contained page."""
    from importlib.resources import files

    from jinja2 import Environment, StrictUndefined

    page = files("flarefree.cli").joinpath("findings.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    groups = group_findings(study.findings)
    sections = [
        (heading, [_page_group(group) for group in groups if group[0].severity == severity])
        for severity, heading in _HEADINGS.items()
    ]
    return environment.from_string(page).render(
        study=study,
        protocol=Path(study.protocol).name,
        verdict=_verdict(study.findings),
        sections=[(heading, here) for heading, here in sections if here],
    )


def _page_group(group: list[Finding]) -> dict[str, object]:
    rows = [finding for finding in group if finding.row or finding.found or finding.expected]
    return {"first": group[0], "rows_affected": _rows(sum(finding.count for finding in group)), "rows": rows}
