"""The base as CSV and back: one table for each part, numbers with the digits that were printed.

Decides what a table of a base looks like.  `outcomes.csv` alone is a base too: a stranger's table of
`study, outcome, treatment` and numbers; `rows_in.py` turns rows into a base, `revman.py` knows RevMan's
columns.  Texts that are no numbers (definitions, facts, conflicts) stay in the YAML.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.errors import EvidenceError, OutputError
from flarefree.evidence.cells import Cell
from flarefree.evidence.delimited import read_delimited
from flarefree.evidence.reported import Reported
from flarefree.evidence.revman import revman_rows

if TYPE_CHECKING:
    from flarefree.evidence.library import Evidence

__all__ = ["CELL_NUMBERS", "TABLES", "csv_text", "csv_texts", "read_csv", "read_table", "write_files"]

CELL_NUMBERS = (
    "events", "n", "n_printed", "percent", "rate", "person_years", "mean", "sd", "median", "q1", "q3",
    "geometric_mean", "lower", "upper",
)  # fmt: skip
_CELL = (*CELL_NUMBERS, "n_how", "percent_kind", "rate_per", "status")

TABLES: dict[str, tuple[str, ...]] = {
    "studies": (
        "study", "label", "year", "phase", "design", "randomized", "rerandomized", "masking", "centers",
        "countries", "registration", "follow_up", "n_randomized", "n_analyzed", "population", "overlaps",
    ),
    "arms": ("study", "arm", "treatment", "label", "regimen", "n", "n_how", "n_safety", "place", "note"),
    "outcomes": (
        "study", "study_label", "year", "design", "randomized", "index", "outcome", "label", "domain", "good",
        "phase", "time", "subgroup", "population", "arm", "treatment", *_CELL, "p", "p_test", "use", "main",
        "document", "place", "confidence", "conflicts", "note", "cell_use", "cell_place", "cell_note",
    ),
    "effects": (
        "study", "index", "outcome", "label", "phase", "time", "subgroup", "population", "arm_1", "arm_2",
        "measure", "estimate", "lower", "upper", "p", "model", "adjusted", "effect_note", "use", "main",
        "document", "place", "confidence", "conflicts", "note",
    ),
    "curves": (
        "study", "index", "outcome", "label", "phase", "time", "subgroup", "population", "arm", "column",
        "columns", "months", "at_risk", "events", "logrank_chi2", "p_logrank", "use", "main", "document",
        "place", "confidence", "conflicts", "note",
    ),
    "baseline": (
        "study", "arm", "characteristic", *_CELL, "document", "place", "note", "cell_use", "cell_place",
        "cell_note",
    ),
    "pooled": (
        "meta_analysis", "label", "year", "kind", "studies", "participants", "treatment", "against",
        "outcome", "outcome_label", "measure", "estimate", "lower", "upper", "document", "place",
        "conflicts", "note",
    ),
    "documents": ("document", "citation", "kind", "year", "doi", "address", "read"),
    "risk_of_bias": ("study", "domain", "judgement", "by", "because"),
    "conflicts": ("conflict", "about", "kind", "studies", "document", "place", "says", "why", "handling"),
}  # fmt: skip


def csv_texts(evidence: Evidence) -> dict[str, str]:
    """Every table of a base as the text of a CSV file, by its name."""
    return {f"{name}.csv": csv_text(TABLES[name], make(evidence)) for name, make in _WRITERS.items()}


def csv_text(columns: tuple[str, ...], rows: Iterator[Mapping[str, Any]]) -> str:
    """Rows as CSV; a number keeps its digits, and what is absent is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(_written(row.get(column)) for column in columns)
    return out.getvalue()


def write_files(texts: Mapping[str, str], folder: Path) -> None:
    """Write files into a folder, none of them half.

    Raises
    ------
    OutputError
        The folder or a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            half = folder / f".{name}.part"
            half.write_text(text, "utf-8")
            half.replace(folder / name)
    except OSError as error:
        raise OutputError(
            "this file cannot be written", where=str(error.filename), found=str(error.strerror)
        ) from None


def _written(value: Any) -> str:
    if value is None:
        return ""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _cell(cell: Cell) -> dict[str, Any]:
    numbers = {name: getattr(cell, name) for name in CELL_NUMBERS}
    kinds = {
        "percent_kind": cell.percent_kind if cell.percent is not None else "",
        "rate_per": cell.rate_per if cell.rate is not None else "",
    }
    own = {"cell_use": cell.use, "cell_place": cell.place, "cell_note": cell.note}
    return {**numbers, **kinds, **own, "status": cell.how or ""}


def _studies(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for key, study in evidence.content.studies.items():
        overlaps = "; ".join(f"{overlap.how} {overlap.study}" for overlap in study.overlaps)
        design = study.design.model_dump(exclude={"kind", "note", "countries"})
        yield {
            **study.model_dump(include={*TABLES["studies"]}),
            **design,
            "study": key,
            "design": study.design.kind,
            "countries": "; ".join(study.design.countries),
            "overlaps": overlaps,
        }


def _arms(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for key, study in evidence.content.studies.items():
        for name, arm in study.arms.items():
            yield {**arm.model_dump(), "study": key, "arm": name}


def _outcomes(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for reported in evidence.reported:
        study = evidence.content.studies[reported.study]
        word = evidence.content.outcomes[reported.outcome]
        for arm, cell in reported.cells.items():
            yield {
                **_words(reported),
                **_cell(cell),
                "study_label": study.label,
                "year": study.year,
                "design": study.design.kind,
                "randomized": study.design.randomized,
                "domain": word.domain,
                "good": word.good,
                "arm": arm,
                "treatment": study.arms[arm].treatment,
                "n": reported.n_of(arm, study),
                "n_how": reported.how_n(arm, study),
                "use": reported.use,
            }


def _words(reported: Reported) -> dict[str, Any]:
    names = (
        "study", "index", "outcome", "label", "phase", "time", "subgroup", "population", "p", "p_test",
        "use", "main", "document", "place", "confidence", "note",
    )  # fmt: skip
    return {**{name: getattr(reported, name) for name in names}, "conflicts": "; ".join(reported.conflicts)}


def _effects(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for reported in evidence.reported:
        for effect in reported.effects:
            yield {
                **_words(reported),
                **effect.model_dump(include={"measure", "p", "model", "adjusted"}),
                "effect_note": effect.note,
                "arm_1": effect.arms[0],
                "arm_2": effect.arms[1],
                "estimate": effect.estimate.value,
                "lower": effect.estimate.lower,
                "upper": effect.estimate.upper,
            }


def _curves(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for reported in evidence.reported:
        curve = reported.curve
        if curve is None:
            continue
        for arm in dict.fromkeys((*curve.at_risk, *curve.events)):
            at_risk, events = curve.at_risk.get(arm, ()), curve.events.get(arm, ())
            for i in range(max(len(at_risk), len(events))):
                yield {
                    **_words(reported),
                    "arm": arm,
                    "column": i,
                    "columns": curve.columns,
                    "months": curve.months[i] if curve.months else None,
                    "at_risk": at_risk[i] if at_risk else None,
                    "events": events[i] if events else None,
                    "logrank_chi2": curve.logrank_chi2,
                    "p_logrank": curve.p,
                }


def _baseline(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for key, study in evidence.content.studies.items():
        for baseline in study.baseline:
            for arm, margins in baseline.arms.items():
                for name, cell in margins.items():
                    yield {
                        **_cell(cell),
                        "study": key,
                        "arm": arm,
                        "characteristic": name,
                        "n_how": "",
                        "document": baseline.document,
                        "place": baseline.place,
                        "note": baseline.note,
                    }


def _pooled(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for key, analysis in evidence.content.meta_analyses.items():
        for result in analysis.results:
            yield {
                **analysis.model_dump(include={"year", "kind", "studies", "participants"}),
                **result.model_dump(include={"treatment", "against", "outcome", "measure", "note"}),
                "meta_analysis": key,
                "label": analysis.label,
                "outcome_label": result.label,
                "estimate": result.estimate.value,
                "lower": result.estimate.lower,
                "upper": result.estimate.upper,
                "document": result.document or analysis.document,
                "place": result.place or analysis.place,
                "conflicts": "; ".join(result.conflicts),
            }


def _documents(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for key, document in evidence.content.documents.items():
        yield {"document": key, **document.model_dump()}


def _risk_of_bias(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for key, study in evidence.content.studies.items():
        for domain, judgement in study.risk_of_bias.items():
            yield {"study": key, "domain": domain, **judgement.model_dump()}


def _conflicts(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for key, conflict in evidence.content.conflicts.items():
        for value in conflict.values:
            words = conflict.model_dump(include={"about", "kind", "why", "handling"})
            yield {"conflict": key, **words, "studies": "; ".join(conflict.studies), **value.model_dump()}


_WRITERS: dict[str, Callable[[Evidence], Iterator[dict[str, Any]]]] = {
    "studies": _studies,
    "arms": _arms,
    "outcomes": _outcomes,
    "effects": _effects,
    "curves": _curves,
    "baseline": _baseline,
    "pooled": _pooled,
    "documents": _documents,
    "risk_of_bias": _risk_of_bias,
    "conflicts": _conflicts,
}


# Back in -------------------------------------------------------------------------------------------


def read_csv(path: Path) -> Evidence:
    """A base from CSV: a folder that `csv_texts` filled, its `outcomes.csv` alone, or a RevMan-like table.

    Raises
    ------
    EvidenceError
        The file cannot be read, lacks a column, or holds what cannot be: file, line, study and cell.
    """
    from flarefree.evidence.library import evidence_of
    from flarefree.evidence.revman import REVMAN_COLUMNS, rows_from_revman
    from flarefree.evidence.rows_in import base_from_tables

    if path.is_dir():
        tables = {
            name: read_table(path / f"{name}.csv") for name in TABLES if (path / f"{name}.csv").is_file()
        }
        if "outcomes" not in tables:
            raise EvidenceError(
                "there is no outcomes.csv in this folder", where=str(path), expected="outcomes.csv"
            )
        return evidence_of(base_from_tables(tables, path.name), str(path))
    rows = read_table(path)
    if rows and {"Study", "Experimental", "Control"} <= set(rows[0][1]):
        return evidence_of(base_from_tables(rows_from_revman(rows, path.name), path.name), str(path))
    if rows and {"Study", "Experimental N"} <= set(rows[0][1]):
        raise EvidenceError(
            "the table does not say what the arms were given",
            where=path.name,
            found=", ".join(rows[0][1]),
            expected="columns Experimental and Control with the treatments, among "
            + ", ".join(REVMAN_COLUMNS),
        )
    return evidence_of(base_from_tables({"outcomes": rows}, path.name), str(path))


Rows = list[tuple[int, dict[str, str]]]


def read_table(path: Path) -> Rows:
    """The rows of a CSV file, each with its line.

    Raises
    ------
    EvidenceError
        It is not there, no text, empty, or has rows that do not fit its header.
    """
    read = read_delimited(path)
    return [
        (line, dict(zip(read.header, values, strict=True)))
        for line, values in zip(read.lines, read.rows, strict=True)
    ]


def revman_text(evidence: Evidence) -> str:
    """The comparisons of a base as a RevMan-like table."""
    from flarefree.evidence.revman import REVMAN_COLUMNS

    return csv_text(REVMAN_COLUMNS, revman_rows(evidence))
