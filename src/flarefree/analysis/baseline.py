"""The baseline table: characteristics by arm as counts, means, medians or geometric means.

A characteristic is a covariate of the protocol, a column of the subjects' table, or the baseline
value of a measure; which one a name means is decided in `characteristic`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from flarefree.analysis.cells import n_percent, p_value, summary
from flarefree.analysis.comparing import compare_categories, compare_numbers
from flarefree.analysis.outcome import NotComputableError, finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.trial import TOTAL, Cohort, Trial
from flarefree.protocol.schema import BaselineTable, BaselineVariable
from flarefree.results import AnalysisResult, Cell, Column, Row, Table

__all__ = ["Characteristic", "analyze_baseline", "characteristic", "stratum"]

_SEX = {"F": "Female", "M": "Male"}
_YES_NO = {"yes", "no"}

SHOWN_AS = {
    "n": "No. known",
    "mean_sd": "Mean ± SD",
    "median_iqr": "Median (IQR)",
    "median_range": "Median (range)",
    "geometric_mean_sd": "Geometric mean ± SD",
}


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One characteristic of every patient of a cohort.

    Attributes
    ----------
    name, label, unit : str
        As the protocol has them.
    values : Series
        In the order of `cohort.subjects`: numbers, or text; null where not known.
    levels : mapping of str to str
        The levels of a category and their labels, in print order; empty for numbers.
    digits : int or None
        Decimals of the measure.
    """

    name: str
    label: str
    unit: str
    values: pl.Series
    levels: dict[str, str]
    digits: int | None = None

    @property
    def is_category(self) -> bool:
        """Whether it has levels rather than a size."""
        return self.values.dtype == pl.String

    @property
    def is_yes_no(self) -> bool:
        """Whether its levels are yes and no."""
        return self.is_category and set(self.levels) <= _YES_NO


def characteristic(trial: Trial, cohort: Cohort, name: str) -> Characteristic:
    """What `name` is of every patient of `cohort`.

    Raises
    ------
    NotComputableError
        The data know nothing under that name.
    """
    covariate = trial.spec.covariates.get(name)
    if covariate is not None and name in cohort.subjects.columns:
        written = [*covariate.levels, *covariate.cut_labels, *(["yes", "no"] if covariate.when else [])]
        return _of_column(name, covariate.label, covariate.unit, cohort.subjects.get_column(name), written)
    if name in trial.spec.measures:
        return _of_measure(trial, cohort, name)
    if name in cohort.subjects.columns:
        return _of_column(name, name.replace("_", " ").capitalize(), "", cohort.subjects.get_column(name), [])
    raise NotComputableError(f"The data hold no “{covariate.label if covariate else name}”.")


def stratum(trial: Trial, cohort: Cohort, name: str) -> pl.Series:
    """The stratum of every patient of `cohort` by one covariate, as text; null where not known.

    A factor of the randomization is what the protocol's `analyze_strata` says: the level that was used to
    allocate, or the one that it was corrected to.  Data that do not tell the two apart have the one.

    Raises
    ------
    NotComputableError
        The data know nothing under that name.
    """
    randomization = trial.spec.randomization
    told = None
    if randomization is not None and name in randomization.strata:
        told = f"stratum.{name}" if randomization.analyze_strata == "used" else f"stratum_actual.{name}"
    if told is None or told not in cohort.subjects.columns:
        return characteristic(trial, cohort, name).values.cast(pl.String)
    values = cohort.subjects.get_column(told).cast(pl.String)
    if values.null_count():
        values = values.zip_with(
            values.is_not_null(), characteristic(trial, cohort, name).values.cast(pl.String)
        )
    return values.alias(name)


def _of_column(name: str, label: str, unit: str, values: pl.Series, written: list[str]) -> Characteristic:
    if values.dtype == pl.Boolean:
        words = pl.Series(
            name, ["yes" if v else "no" if v is not None else None for v in values], dtype=pl.String
        )
        return Characteristic(name, label, unit, words, {"yes": "Yes", "no": "No"})
    if values.dtype.is_numeric():
        return Characteristic(name, label, unit, values.cast(pl.Float64).fill_nan(None), {})
    texts = values.cast(pl.String)
    found = sorted(set(texts.drop_nulls().to_list()) - set(written))
    return Characteristic(
        name, label, unit, texts, {lv: _SEX.get(lv, lv) if name == "sex" else lv for lv in (*written, *found)}
    )


def _of_measure(trial: Trial, cohort: Cohort, name: str) -> Characteristic:
    measure = trial.spec.measures[name]
    values = baseline_values(trial, cohort, name)
    if measure.type == "yes_no":
        words = [None if v is None else "yes" if v else "no" for v in values]
        series = pl.Series(name, words, dtype=pl.String)
        return Characteristic(name, measure.label, "", series, {"yes": "Yes", "no": "No"})
    return Characteristic(name, measure.label, measure.unit, values, {}, measure.digits)


def baseline_values(trial: Trial, cohort: Cohort, measure: str) -> pl.Series:
    """The baseline of a measure for every patient of a cohort, in its order; null where there is none."""
    known = (
        trial.derivation.values.filter((pl.col("measure") == measure) & pl.col("baseline").is_not_null())
        .group_by("subject")
        .agg(pl.col("baseline").first())
    )
    joined = cohort.subjects.select("subject").join(known, on="subject", how="left", maintain_order="left")
    return joined.get_column("baseline").alias(measure)


def analyze_baseline(trial: Trial, name: str, spec: BaselineTable) -> AnalysisResult:
    """Table 1."""
    cohort = trial.require_cohort(spec.population)
    rows: list[Row] = []
    warnings = unplaced_warning(cohort.label, cohort.unplaced)
    for variable in spec.variables:
        try:
            known = characteristic(trial, cohort, variable.variable)
        except NotComputableError as missing:
            warnings.append(f"{missing} Its row is left out.")
            continue
        rows += _rows(trial, cohort, known, variable, spec.show_total)
    tested = any(variable.test for variable in spec.variables)
    table = Table(
        name,
        spec.title,
        (*cohort.columns(), *_total(cohort, spec), *(trial.overall_column() if tested else ())),
        tuple(rows),
        stub="Characteristic",
        population=spec.population,
        method="Percentages are of all patients in the column; quantiles are R's type 7",
    )
    return finish(name, spec, tables=[table], warnings=warnings)


def _total(cohort: Cohort, spec: BaselineTable) -> tuple[Column, ...]:
    return (cohort.total_column(),) if spec.show_total else ()


def _rows(
    trial: Trial, cohort: Cohort, known: Characteristic, variable: BaselineVariable, total: bool
) -> Iterator[Row]:
    parts = _parts(cohort, known, total)
    tested, method = _test(trial, cohort, known, variable.test)
    if not known.is_category:
        yield from _number_rows(known, variable, parts, tested, method)
    elif known.is_yes_no:
        cells = _level_cells(parts, "yes")
        yield Row(f"{known.label} — no. (%)", {**cells, **tested}, known.name, "yes", method=method)
        yield from _missing_row(known, parts)
    else:
        yield Row(f"{known.label} — no. (%)", tested, known.name, is_header=True, method=method)
        for level, label in known.levels.items():
            yield Row(label, _level_cells(parts, level), known.name, level, indent=1)
        yield from _missing_row(known, parts)


def _parts(cohort: Cohort, known: Characteristic, total: bool) -> dict[str, pl.Series]:
    """The characteristic's values by column."""
    group = cohort.subjects.get_column("group")
    parts = {g.key: known.values.filter(group == g.key) for g in cohort.groups}
    return parts | ({TOTAL: known.values} if total else {})


def _number_rows(
    known: Characteristic,
    variable: BaselineVariable,
    parts: dict[str, pl.Series],
    tested: dict[str, Cell],
    method: str,
) -> Iterator[Row]:
    shows = [s for s in variable.show if s in SHOWN_AS] or ["mean_sd"]
    digits = known.digits if variable.digits is None else variable.digits
    heading = f"{known.label} — {known.unit}" if known.unit else known.label
    single = len(shows) == 1
    if not single:
        yield Row(heading, tested, known.name, is_header=True, unit=known.unit, method=method)
    for i, show in enumerate(shows):
        cells = {
            column: summary(values.to_numpy(), show, digits, with_n=i == 0)
            for column, values in ((c, v.fill_null(np.nan)) for c, v in parts.items())
        }
        yield Row(
            heading if single else SHOWN_AS[show],
            {**cells, **tested} if single else cells,
            known.name,
            indent=0 if single else 1,
            unit=known.unit,
            method=method if single else "",
        )


def _level_cells(parts: dict[str, pl.Series], level: str) -> dict[str, Cell]:
    return {c: n_percent(int((v == level).sum()), v.len()) for c, v in parts.items()}


def _missing_row(known: Characteristic, parts: dict[str, pl.Series]) -> Iterator[Row]:
    if known.values.null_count():
        cells = {c: n_percent(v.null_count(), v.len()) for c, v in parts.items()}
        yield Row("Not recorded", cells, known.name, "not recorded", indent=1)


def _test(trial: Trial, cohort: Cohort, known: Characteristic, test: str) -> tuple[dict[str, Cell], str]:
    """The P value's cell, and the method's name; nothing where no test is asked or nothing compared."""
    key = trial.overall_key
    if not test or not key:
        return {}, ""
    parts = [v.drop_nulls() for v in _parts(cohort, known, total=False).values()]
    if known.is_category:
        counts = [[int((v == level).sum()) for v in parts] for level in known.levels]
        compared = compare_categories(test, counts)
    else:
        compared = compare_numbers(test, [v.to_numpy() for v in parts])
    return {key: p_value(compared.p_value, statistic=compared.statistic)}, compared.method
