"""How many patients of each population each site has, by arm; pooled sites with the sites they hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from flarefree.analysis.baseline import characteristic
from flarefree.analysis.cells import count
from flarefree.analysis.outcome import finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.trial import TOTAL, Cohort, Trial
from flarefree.protocol.schema import SubjectsBySite
from flarefree.results import AnalysisResult, Row, Table

__all__ = ["analyze_sites"]

UNKNOWN = "Not recorded"


@dataclass(frozen=True, slots=True)
class _Place:
    """A site, or several pooled ones: its rows in print, and its patients."""

    label: str
    level: str
    patients: pl.Expr
    indent: int = 0


def analyze_sites(trial: Trial, name: str, spec: SubjectsBySite) -> AnalysisResult:
    """A block of rows a site, one row a population."""
    base = trial.require_cohort(spec.population)
    populations = [trial.cohort(key) for key in spec.of]
    placed = [(cohort, _located(trial, cohort, spec)) for cohort in populations]
    warnings = [w for cohort in populations for w in unplaced_warning(cohort.label, cohort.unplaced)]
    everybody = pl.concat([frame for _, frame in placed]).select("pool", "site").unique().sort("pool", "site")
    rows = [row for place in _places(everybody) for row in _rows(base, placed, place)]
    table = Table(
        name,
        spec.title,
        (*base.columns(), base.total_column()),
        tuple(rows),
        stub="Site — no. of patients",
        population=spec.population,
        method="Counts",
    )
    return finish(name, spec, tables=[table], warnings=warnings)


def _located(trial: Trial, cohort: Cohort, spec: SubjectsBySite) -> pl.DataFrame:
    """Each patient's site and pool (the site itself where none are pooled): group, pool, site."""
    site = characteristic(trial, cohort, spec.site).values.cast(pl.String).fill_null(UNKNOWN)
    pool = characteristic(trial, cohort, spec.pooled).values.cast(pl.String) if spec.pooled else site
    return pl.DataFrame(
        {"group": cohort.subjects.get_column("group"), "pool": pool.fill_null(UNKNOWN), "site": site}
    )


def _places(everybody: pl.DataFrame) -> Iterator[_Place]:
    """Sites in order; where several are pooled, all of them together come first."""
    for (pool,), part in everybody.group_by(["pool"], maintain_order=True):
        sites = part.get_column("site").to_list()
        together = pl.col("pool") == pool
        if len(sites) > 1:
            yield _Place(f"{pool} (pooled: {', '.join(sites)})", str(pool), together)
        for site in sites:
            level = f"{pool}/{site}" if len(sites) > 1 else str(site)
            yield _Place(str(site), level, together & (pl.col("site") == site), int(len(sites) > 1))


def _rows(base: Cohort, placed: list[tuple[Cohort, pl.DataFrame]], place: _Place) -> Iterator[Row]:
    yield Row(place.label, {}, level=place.level, indent=place.indent, is_header=True)
    for cohort, frame in placed:
        here = dict(frame.filter(place.patients).group_by("group").len().iter_rows())
        cells = {g.key: count(here.get(g.key, 0)) for g in base.groups}
        cells[TOTAL] = count(sum(here.values()))
        yield Row(cohort.label, cells, cohort.key, place.level, place.indent + 1)
