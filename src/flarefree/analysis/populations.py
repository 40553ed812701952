"""How many patients each population has, by arm."""

from __future__ import annotations

from flarefree.analysis.cells import n_percent
from flarefree.analysis.outcome import finish
from flarefree.analysis.trial import TOTAL, Trial
from flarefree.protocol.schema import PopulationsTable
from flarefree.results import AnalysisResult, Row, Table

__all__ = ["analyze_populations"]


def analyze_populations(trial: Trial, name: str, spec: PopulationsTable) -> AnalysisResult:
    """Count each population of `spec.of`, and its share of the analysis's own population."""
    base = trial.require_cohort(spec.population)
    sizes = base.sizes
    rows, warnings = [], []
    for key in spec.of:
        cohort = trial.cohort(key)
        counted = cohort.sizes
        cells = {g.key: n_percent(counted[g.key], sizes[g.key]) for g in base.groups}
        cells[TOTAL] = n_percent(cohort.subjects.height, base.subjects.height)
        rows.append(Row(cohort.label, cells, term=key))
        warnings += unplaced_warning(cohort.label, cohort.unplaced)
    table = Table(
        name,
        spec.title,
        (*base.columns(), base.total_column()),
        tuple(rows),
        stub="Population",
        population=spec.population,
        method="Counts; percentages of the patients in the column",
    )
    return finish(name, spec, tables=[table], warnings=warnings)


def unplaced_warning(label: str, unplaced: int) -> list[str]:
    """What to say where a population has patients without an arm."""
    if not unplaced:
        return []
    noun = "patient has" if unplaced == 1 else "patients have"
    return [f"{unplaced} {noun} no arm and are not counted in “{label}”."]
