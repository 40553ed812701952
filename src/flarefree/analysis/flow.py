"""Participant flow as CONSORT draws it, counted from the data: from screening to analysis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from flarefree.analysis.cells import count
from flarefree.analysis.outcome import NotComputableError, finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.trial import TOTAL, Cohort, Trial
from flarefree.endpoints.follow_up import is_allocated
from flarefree.protocol.schema import ParticipantFlow
from flarefree.results import AnalysisResult, Figure, Row, Table

__all__ = ["NOT_RECORDED", "analyze_flow", "reasons_of"]

FLOW_SCHEMA = {
    "id": pl.String,
    "parent": pl.String,  # the box above; empty for the first
    "column": pl.String,  # arm key; empty for boxes above the split
    "label": pl.String,
    "n": pl.Int64,
    "lines": pl.String,  # one a line, such as `Adverse event (n=8)`
    "side": pl.Boolean,  # stands beside the way down: excluded, withdrawn
}


@dataclass(frozen=True, slots=True)
class _Box:
    id: str
    parent: str
    column: str
    label: str
    n: int
    lines: tuple[tuple[str, int], ...] = ()
    side: bool = False


def analyze_flow(trial: Trial, name: str, spec: ParticipantFlow) -> AnalysisResult:
    """Follow every subject of the data from screening to analysis."""
    subjects = trial.derivation.subjects
    if subjects.height == 0:
        raise NotComputableError("The study has no subjects.")
    cohort = trial.allocated()
    boxes = [*_boxes_above(trial, cohort), *_boxes_by_arm(trial, cohort, spec.population)]
    table = Table(
        name,
        spec.title,
        (*cohort.columns(), cohort.total_column()),
        tuple(_rows(trial, cohort, boxes)),
        stub="Stage",
        population=spec.population,
        method="Counts of subjects",
    )
    figure = Figure(
        name,
        spec.title,
        "flow",
        {"main": _frame(boxes)},
        population=spec.population,
        options={"columns": {g.key: g.label for g in cohort.groups}},
    )
    notes = [] if any(b.id == "excluded" and b.n for b in boxes) else [_NO_SCREENING]
    return finish(
        name,
        spec,
        tables=[table],
        figures=[figure],
        notes=notes,
        warnings=unplaced_warning(cohort.label, cohort.unplaced),
    )


_NO_SCREENING = (
    "The data hold nobody who was screened and not enrolled; who was screened is therefore not known."
)


def _boxes_above(trial: Trial, cohort: Cohort) -> Iterator[_Box]:
    everybody = trial.derivation.subjects
    enrolled = cohort.subjects.height + cohort.unplaced
    excluded = everybody.filter(~is_allocated())
    if excluded.height:
        yield _Box("screened", "", "", "Assessed for eligibility", everybody.height)
        yield _Box(
            "excluded", "screened", "", "Excluded", excluded.height, _exclusion_reasons(excluded), side=True
        )
    yield _Box("enrolled", "screened" if excluded.height else "", "", cohort.label, enrolled)


def _exclusion_reasons(excluded: pl.DataFrame) -> tuple[tuple[str, int], ...]:
    """Why subjects were excluded: screen failure, or whatever their disposition says."""
    failures = int(excluded.select(pl.col("is_screen_failure").fill_null(False).sum()).item())
    others = excluded.height - failures
    found = [("Screen failure", failures), ("Not enrolled for other reasons", others)]
    return tuple((reason, n) for reason, n in found if n)


def _boxes_by_arm(trial: Trial, cohort: Cohort, population: str) -> Iterator[_Box]:
    analyzed = {key: trial.cohort(key) for key in trial.spec.populations}
    reasons = reasons_of(trial, cohort.subjects)
    for group in cohort.groups:
        arm = group.key
        mine = cohort.subjects.filter(pl.col("group") == arm)
        dosed = _count(mine, pl.col("first_dose_day").is_not_null() | pl.col("first_dose_date").is_not_null())
        yield _Box(
            f"allocated_{arm}",
            "enrolled",
            arm,
            f"Allocated to {group.label}" if not trial.is_masked else "Allocated (arms masked)",
            mine.height,
            (("Received study drug", dosed), ("Did not receive study drug", mine.height - dosed)),
        )
        withdrawn = mine.filter(pl.col("status") == "withdrawn")
        lines = tuple((reason, _count(withdrawn, _is_reason(reason))) for reason in reasons)
        yield _Box(
            f"withdrawn_{arm}",
            f"allocated_{arm}",
            arm,
            "Did not complete",
            withdrawn.height,
            tuple((reason, n) for reason, n in lines if n),
            side=True,
        )
        finished = _count(mine, pl.col("status") == "completed")
        ongoing = _count(mine, pl.col("status") == "ongoing")
        still = (("Still in the trial", ongoing),) if ongoing else ()
        yield _Box(f"completed_{arm}", f"allocated_{arm}", arm, "Completed", finished, still)
        counts = tuple((c.label, c.size(arm)) for c in analyzed.values())
        primary = analyzed[population].size(arm)
        yield _Box(f"analyzed_{arm}", f"completed_{arm}", arm, "Analyzed", primary, counts)


NOT_RECORDED = "Reason not recorded"


def reasons_of(trial: Trial, subjects: pl.DataFrame) -> list[str]:
    """Reasons of withdrawal in print order: the protocol's, then others found, then the missing ones."""
    found = subjects.filter(pl.col("status") == "withdrawn").get_column("reason")
    listed = list(trial.spec.withdrawals.reasons)
    others = sorted(set(found.drop_nulls().to_list()) - set(listed))
    return [*listed, *others, *([NOT_RECORDED] if found.null_count() else [])]


def _is_reason(reason: str) -> pl.Expr:
    return pl.col("reason").is_null() if reason == NOT_RECORDED else pl.col("reason") == reason


def _count(frame: pl.DataFrame, condition: pl.Expr) -> int:
    return int(frame.select(condition.fill_null(False).sum()).item() or 0)


def _frame(boxes: list[_Box]) -> pl.DataFrame:
    rows = [
        (b.id, b.parent, b.column, b.label, b.n, "\n".join(f"{t} (n={n})" for t, n in b.lines), b.side)
        for b in boxes
    ]
    return pl.DataFrame(rows, schema=FLOW_SCHEMA, orient="row")


def _rows(trial: Trial, cohort: Cohort, boxes: list[_Box]) -> Iterator[Row]:
    above = {b.id: b for b in boxes if not b.column}
    if "screened" in above:
        yield Row("Assessed for eligibility", {TOTAL: count(above["screened"].n)}, term="screened")
        yield Row("Excluded", {TOTAL: count(above["excluded"].n)}, term="excluded")
        for reason, n in above["excluded"].lines:
            yield Row(reason, {TOTAL: count(n)}, term="excluded", level=reason, indent=1)
    by_arm = {b.id: b for b in boxes if b.column}
    arms = [group.key for group in cohort.groups]
    yield _row(above["enrolled"].label, "allocated", "", {a: by_arm[f"allocated_{a}"].n for a in arms})
    for term, label in (("received_drug", "Received study drug"), ("no_drug", "Did not receive study drug")):
        yield _row(label, term, "", {a: dict(by_arm[f"allocated_{a}"].lines)[label] for a in arms}, 1)
    yield _row("Did not complete", "withdrawn", "", {a: by_arm[f"withdrawn_{a}"].n for a in arms})
    for reason in reasons_of(trial, cohort.subjects):
        counts = {a: dict(by_arm[f"withdrawn_{a}"].lines).get(reason, 0) for a in arms}
        yield _row(reason, "withdrawn", reason, counts, 1)
    yield _row("Completed", "completed", "", {a: by_arm[f"completed_{a}"].n for a in arms})
    if any(by_arm[f"completed_{a}"].lines for a in arms):
        counts = {a: sum(n for _, n in by_arm[f"completed_{a}"].lines) for a in arms}
        yield _row("Still in the trial", "ongoing", "", counts)
    for key in trial.spec.populations:
        of = trial.cohort(key)
        yield _row(f"Analyzed: {of.label}", "analyzed", key, of.sizes)


def _row(label: str, term: str, level: str, counts: dict[str, int], indent: int = 0) -> Row:
    cells = {arm: count(n) for arm, n in counts.items()} | {TOTAL: count(sum(counts.values()))}
    return Row(label, cells, term=term, level=level, indent=indent)
