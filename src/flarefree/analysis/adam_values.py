"""ADLB: every value of every measure with its baseline and change, and the visits carried forward.

Observed rows keep their source; a row carried forward (DTYPE LOCF) has the date and the source of the
value it carries.  ANL01FL marks the value that analyses by visit use: the one nearest the target day.
"""

from __future__ import annotations

import polars as pl

from flarefree.analysis.adam import Dataset, make_dataset, yes
from flarefree.analysis.adam_subjects import CORE, core, parameter_names
from flarefree.analysis.sources import domain_of, place_of
from flarefree.analysis.trial import Trial
from flarefree.analysis.visits import at_visits, chosen_visits

__all__ = ["build_adlb"]

_COLUMNS = {
    **CORE,
    "PARAM": "Parameter",
    "PARAMCD": "Parameter Code",
    "PARAMTYP": "Parameter Type",
    "AVISIT": "Analysis Visit",
    "AVISITN": "Analysis Visit (N)",
    "ADT": "Analysis Date",
    "ADY": "Analysis Relative Day",
    "AVAL": "Analysis Value",
    "AVALU": "Analysis Value Unit",
    "BASE": "Baseline Value",
    "CHG": "Change from Baseline",
    "PCHG": "Percent Change from Baseline",
    "ABLFL": "Baseline Record Flag",
    "ANL01FL": "Analysis Flag 01",
    "DTYPE": "Derivation Type",
    "A1LO": "Analysis Range 1 Lower Limit",
    "A1HI": "Analysis Range 1 Upper Limit",
    "ANRIND": "Analysis Reference Range Indicator",
    "METHOD": "Method of Computation",
    "SRCDOM": "Source Domain",
    "SRCSEQ": "Source Sequence Number",
    "SRCROW": "Source File and Row",
}


def build_adlb(trial: Trial) -> Dataset:
    """One row a patient, measure and assessment, and a row for each visit carried forward."""
    observed = _observed(trial)
    rows = pl.concat([observed, _carried(trial, observed)], how="diagonal_relaxed")
    frame = core(trial, _sourced(trial, rows)).with_columns(**_facts(trial))
    keys = ("USUBJID", "PARAMCD", "ADY", "AVISITN", "DTYPE")
    return make_dataset("ADLB", "Values by Visit, Change from Baseline", _COLUMNS, frame, keys)


def _observed(trial: Trial) -> pl.DataFrame:
    """Known values, with a flag on those that analyses by visit use."""
    values = trial.derivation.values.filter(pl.col("value").is_not_null()).with_row_index("place")
    chosen = at_visits(values.filter(pl.col("visit").is_not_null()), chosen_visits(trial))
    is_chosen = pl.col("place").is_in(chosen.get_column("place").implode())
    return values.with_columns(is_chosen=is_chosen | pl.col("is_baseline").fill_null(False)).drop("place")


def _carried(trial: Trial, observed: pl.DataFrame) -> pl.DataFrame:
    """A row for each visit after baseline that has no value, as last observed; none before the first."""
    visits = [v for v in chosen_visits(trial) if v.day > 1]
    planned = pl.DataFrame(
        {
            "visit": [v.name for v in visits],
            "visit_number": [v.number for v in visits],
            "place": list(range(len(visits))),
        },
        schema={"visit": pl.String, "visit_number": pl.Float64, "place": pl.Int32},
    )
    after = observed.filter(pl.col("is_chosen") & (pl.col("day") > 1)).join(
        planned.select("visit", "place"), on="visit", how="inner"
    )
    grid = after.select("subject", "measure").unique(maintain_order=True).join(planned, how="cross")
    kept = [
        c for c in observed.columns if c not in ("subject", "measure", "visit", "visit_number", "is_baseline")
    ]
    filled = (
        grid.join(
            after.select("subject", "measure", "place", *kept, is_observed=pl.lit(True)),
            on=["subject", "measure", "place"],
            how="left",
        )
        .sort("subject", "measure", "place")
        .with_columns(pl.col(kept).forward_fill().over("subject", "measure"))
    )
    return (
        filled.filter(pl.col("is_observed").is_null() & pl.col("value").is_not_null())
        .with_columns(derivation=pl.lit("LOCF"), is_baseline=pl.lit(False))
        .drop("place", "is_observed")
    )


def _sourced(trial: Trial, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the date, limits and place of the observation each came from."""
    places = (
        trial.study["observations"]
        .with_row_index("observation")
        .select(
            "observation",
            "date",
            "lower_limit",
            "upper_limit",
            "sequence",
            domain=domain_of(trial.study, "observations"),
            place=place_of(trial.study),
        )
    )
    return rows.join(places, on="observation", how="left", maintain_order="left")


def _facts(trial: Trial) -> dict[str, pl.Expr]:
    names = parameter_names(trial)
    labels = {key: m.label for key, m in trial.spec.measures.items()}
    labels |= {key: e.label for key, e in trial.spec.endpoints.items()}
    day_one = pl.col("randomization_date")
    from_day = day_one + pl.duration(
        days=pl.when(pl.col("day") > 0).then(pl.col("day") - 1).otherwise(pl.col("day"))
    )
    label = pl.col("measure").replace_strict(labels, default=pl.col("measure"), return_dtype=pl.String)
    unit = pl.col("unit").fill_null("")
    value, base = pl.col("value"), pl.col("baseline")
    after = pl.col("day") > 1
    return {
        "PARAM": pl.when(unit == "").then(label).otherwise(pl.format("{} ({})", label, unit)),
        "PARAMCD": pl.col("measure").replace_strict(names, default=None, return_dtype=pl.String),
        "PARAMTYP": pl.when(pl.col("observation").is_null()).then(pl.lit("DERIVED")),
        "AVISIT": pl.col("visit"),
        "AVISITN": pl.col("visit_number"),
        "ADT": pl.coalesce("date", from_day),
        "ADY": pl.col("day"),
        "AVAL": value,
        "AVALU": pl.when(unit != "").then(unit),
        "BASE": base,
        "CHG": pl.when(after).then(value - base),
        "PCHG": pl.when(after & (base != 0)).then(100.0 * (value - base) / base),
        "ABLFL": yes(pl.col("is_baseline")),
        "ANL01FL": yes(pl.col("is_chosen")),
        "DTYPE": pl.col("derivation"),
        "A1LO": pl.col("lower_limit"),
        "A1HI": pl.col("upper_limit"),
        "ANRIND": pl.when(value < pl.col("lower_limit"))
        .then(pl.lit("LOW"))
        .when(value > pl.col("upper_limit"))
        .then(pl.lit("HIGH"))
        .when(pl.col("lower_limit").is_not_null() | pl.col("upper_limit").is_not_null())
        .then(pl.lit("NORMAL")),
        "METHOD": pl.col("method"),
        "SRCDOM": pl.col("domain"),
        "SRCSEQ": pl.col("sequence"),
        "SRCROW": pl.col("place"),
    }
