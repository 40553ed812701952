"""`flarefree analyze` and `flarefree demo`: from a study folder to its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flarefree.cli.progress import Progress, progress_bar

if TYPE_CHECKING:
    from flarefree.analysis.run import Analysis
    from flarefree.records.study import Study
    from flarefree.reports.content import ReportContent
    from flarefree.reports.write import WrittenReport

__all__ = ["analyze", "demo"]

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the report; made if it does not exist.")]
Json = Annotated[bool, typer.Option("--json", help="Say what was written as JSON, for a program.")]

_EXPLAINED_EVENTS = 400
"""Events explained within the report; a registry's thousands are left to `flarefree explain`."""


def analyze(
    study: Annotated[Path, typer.Argument(help="A study folder, its study.yaml, or one data file.")],
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", "-p", help="A protocol's name or file; else what study.yaml names."),
    ] = None,
    out: Out = Path("flarefree-report"),
    masked: Annotated[
        bool, typer.Option("--masked", help="Hide the arms, for a blinded review of the data.")
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option("--key", help="The key file of a blinded trial, as its two key holders released it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Analyze a study and write its report.

    Reads the study, derives its endpoints, runs every analysis of the
    protocol, and writes report.html, report.pdf, results, figures, datasets
    and a manifest into one folder. What the data do not allow keeps its place
    in the report, with the reason. An earlier report in the folder is replaced
    as a whole.

    Example: flarefree analyze my-study --protocol alms-maintenance --out report
    """
    with progress_bar(quiet=as_json) as move:
        written, analysis = _analyze(study, protocol, out, True if masked else None, move, key)
    _say(written, analysis, as_json)


def demo(
    out: Out = Path("flarefree-demo"),
    study: Annotated[
        Path | None, typer.Option(help="Keep the virtual study's files in this folder, to look into them.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed gives another virtual trial.")] = None,
    patients: Annotated[int, typer.Option(min=2, max=100_000, help="How many virtual patients.")] = 227,
    as_json: Json = False,
) -> None:
    """Run the whole job on one virtual ALMS-sized trial.

    Virtual patients are drawn, written as a study folder, read, judged by the
    protocol's sentences, analyzed and reported, exactly as a real trial would
    be. Every page says that they are virtual.

    Example: flarefree demo --out demo --study trial
    """
    from flarefree.cli.demo_folder import virtual_study

    with progress_bar(quiet=as_json) as move:
        move("Drawing virtual patients", 0, 1)
        with virtual_study(study, patients, seed) as folder:
            written, analysis = _analyze(folder, None, out, None, move)
    _say(written, analysis, as_json)
    if study is not None and not as_json:
        typer.echo(f"Its data:  {study}  (try: flarefree check {study})")


def _analyze(
    study: Path,
    protocol: str | None,
    out: Path,
    masked: bool | None,
    move: Progress,
    key: Path | None = None,
) -> tuple[WrittenReport, Analysis]:
    from flarefree.analysis.run import analyze as run_analyses
    from flarefree.endpoints.derive import derive
    from flarefree.readers.study_folder import read_study
    from flarefree.reports.write import require_replaceable, write_report

    require_replaceable(out)
    move(f"Reading {study.name}", 0, 1)
    records = read_study(study, protocol=protocol)
    if key is not None:
        records = _released(records, study, protocol, key)
    move("Deriving endpoints", 0, 1)
    derivation = derive(records, protocol)
    analysis = run_analyses(derivation, masked=masked, progress=move)
    move("Explaining events", 0, 1)
    return write_report(_content(analysis), out, progress=move), analysis


def _released(records: Study, study: Path, protocol: str | None, key: Path) -> Study:
    """The study with the arms that the key file tells."""
    from flarefree.protocol import load_protocol
    from flarefree.readers.release_key import read_release_key, with_arms
    from flarefree.readers.study_folder import release_keys_of

    loaded = load_protocol(protocol or records.protocol)
    return with_arms(records, read_release_key(key, release_keys_of(study)), loaded)


def _content(analysis: Analysis) -> ReportContent:
    from flarefree.reports.content import Dataset, ReportContent

    d = analysis.derivation
    return ReportContent.of(
        d.study,
        d.protocol,
        analysis.results,
        events=d.events,
        time_to_event=d.time_to_event,
        subjects=d.subjects,
        findings=d.findings,
        datasets={name: Dataset(s.frame, s.labels, s.title) for name, s in analysis.datasets.items()},
        explanations=_explanations(analysis),
        notes=("Arms are masked: all patients stand in one column.",) if analysis.is_masked else (),
        masked=analysis.is_masked,
    )


def _explanations(analysis: Analysis) -> dict[tuple[str, str], str]:
    """Why each event that a time to event rests on was found, as `flarefree explain` prints it."""
    import polars as pl

    from flarefree.endpoints.explain import explain, explainable, render_text

    d = analysis.derivation
    used = d.events.filter(pl.col("is_used")).select("subject", "endpoint").unique(maintain_order=True)
    pairs = explainable(d, used.head(_EXPLAINED_EVENTS).rows())
    return {(subject, endpoint): render_text(explain(d, subject, endpoint)) for subject, endpoint in pairs}


def _say(written: WrittenReport, analysis: Analysis, as_json: bool) -> None:
    undone = [result.id for result in analysis.results if result.status != "computed"]
    findings = _counted_findings(analysis)
    if as_json:
        said = {
            "folder": str(written.folder),
            "files": written.files,
            "not_computed": undone,
            "findings": findings,
        }
        typer.echo(json.dumps(said | {"masked": analysis.is_masked}, indent=2))
        return
    typer.echo(f"The report: {written.html}")
    typer.echo(f"On paper:   {written.pdf}")
    typer.echo(f"{len(written.files)} files in {written.folder}: results, figures, datasets, manifest.")
    if analysis.is_masked:
        typer.echo("Arms are masked: all patients stand in one column.")
    if undone:
        typer.echo(f"Could not be computed (the report says why): {', '.join(undone)}.")
    if findings["error"] or findings["warning"]:
        kinds = [
            _counted(findings[severity], severity) for severity in ("error", "warning") if findings[severity]
        ]
        typer.echo(f"Findings in the data: {' and '.join(kinds)}; see the report, or run flarefree check.")


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _counted_findings(analysis: Analysis) -> dict[str, int]:
    """Findings of the data and of the derivation, by severity."""
    d = analysis.derivation
    found = [str(finding.severity) for finding in (*d.study.findings, *d.findings)]
    return {severity: found.count(severity) for severity in ("error", "warning", "note")}
