"""The parts of a base as Polars frames.  Numbers are floats here; the digits printed stay in `Cell`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_args

import polars as pl

from flarefree.errors import NotFoundError
from flarefree.evidence.cells import Cell
from flarefree.evidence.problems import suggest
from flarefree.evidence.reported import Reported
from flarefree.evidence.schema import Domain, Effect, Study, months_of
from flarefree.evidence.selecting import require_one_of_each_cohort

if TYPE_CHECKING:
    from flarefree.evidence.library import Evidence
    from flarefree.evidence.selecting import Selection

__all__ = [
    "arms_frame", "baseline_frame", "conflicts_frame", "contrasts_frame", "documents_frame", "effects_frame",
    "left_out_frame", "outcomes_frame", "pooled_frame", "risk_of_bias_frame", "rows_frame", "studies_frame",
]  # fmt: skip

Z_95 = 1.959963984540054  # of the standard normal: published limits are of 95%
RATIOS = ("HR", "OR", "RR", "IRR")

_TEXT, _WHOLE, _NUMBER, _YES = pl.String, pl.Int64, pl.Float64, pl.Boolean
_CELL = {
    "events": _WHOLE, "n": _WHOLE, "n_printed": _WHOLE, "n_how": _TEXT, "percent": _NUMBER,
    "percent_printed": _TEXT, "percent_kind": _TEXT, "rate": _NUMBER, "rate_per": _TEXT,
    "person_years": _NUMBER, "mean": _NUMBER, "sd": _NUMBER, "median": _NUMBER, "q1": _NUMBER,
    "q3": _NUMBER, "geometric_mean": _NUMBER, "lower": _NUMBER, "upper": _NUMBER, "status": _TEXT,
}  # fmt: skip


def _frame(rows: Iterable[Mapping[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(
        [tuple(row[name] for name in schema) for row in rows], schema=dict(schema), orient="row"
    )


def _float(number: Any) -> float | None:
    return None if number is None else float(number)


def _cell(cell: Cell) -> dict[str, Any]:
    """A cell by the columns that all frames of cells share, but for the denominator."""
    numbers = ("percent", "rate", "mean", "sd", "median", "q1", "q3", "geometric_mean", "lower", "upper")
    return {
        **{name: _float(getattr(cell, name)) for name in numbers},
        "events": cell.events,
        "n_printed": cell.n_printed,
        "percent_printed": "" if cell.percent is None else str(cell.percent),
        "percent_kind": "" if cell.percent is None else cell.percent_kind,
        "rate_per": "" if cell.rate is None else cell.rate_per,
        "person_years": cell.years,
        "status": cell.how or "",
    }


def studies_frame(evidence: Evidence) -> pl.DataFrame:
    schema = {
        "study": _TEXT, "label": _TEXT, "year": _WHOLE, "phase": _TEXT, "design": _TEXT, "randomized": _YES,
        "rerandomized": _YES, "masking": _TEXT, "centers": _WHOLE, "countries": _TEXT,
        "registration": _TEXT, "follow_up": _TEXT, "months": _NUMBER, "n_randomized": _WHOLE,
        "n_analyzed": _WHOLE, "population": _TEXT, "arms": _WHOLE, "outcomes": _WHOLE, "cohort": _TEXT,
        "overlaps": _TEXT, "second_hand": _YES,
    }  # fmt: skip
    counts: dict[str, int] = {}
    own: set[str] = set()
    for reported in evidence.reported:
        counts[reported.study] = counts.get(reported.study, 0) + 1
        own |= set() if reported.is_second_hand else {reported.study}
    rows = [
        {
            "study": key,
            "label": study.label,
            "year": study.year,
            "phase": study.phase,
            "design": study.design.kind,
            "randomized": study.design.randomized,
            "rerandomized": study.design.rerandomized,
            "masking": study.design.masking,
            "centers": study.design.centers,
            "countries": ", ".join(study.design.countries),
            "registration": study.registration,
            "follow_up": study.follow_up,
            "months": months_of(study.follow_up),
            "n_randomized": study.n_randomized,
            "n_analyzed": study.n_analyzed,
            "population": study.population,
            "arms": len(study.arms),
            "outcomes": counts.get(key, 0),
            "cohort": evidence.cohort[key],
            "overlaps": ", ".join(f"{overlap.how} {overlap.study}" for overlap in study.overlaps),
            "second_hand": key not in own,
        }
        for key, study in evidence.content.studies.items()
    ]
    return _frame(rows, schema)


def arms_frame(evidence: Evidence) -> pl.DataFrame:
    schema = {
        "study": _TEXT, "arm": _TEXT, "treatment": _TEXT, "label": _TEXT, "regimen": _TEXT, "n": _WHOLE,
        "n_how": _TEXT, "n_safety": _WHOLE, "place": _TEXT, "note": _TEXT,
    }  # fmt: skip
    rows = [
        {"study": key, "arm": name, **arm.model_dump(), "n_how": arm.n_how if arm.n is not None else ""}
        for key, study in evidence.content.studies.items()
        for name, arm in study.arms.items()
    ]
    return _frame(rows, schema)


def outcomes_frame(evidence: Evidence) -> pl.DataFrame:
    schema = {
        "study": _TEXT, "index": _WHOLE, "outcome": _TEXT, "label": _TEXT, "domain": _TEXT, "phase": _TEXT,
        "time": _TEXT, "months": _NUMBER, "subgroup": _TEXT, "population": _TEXT, "arm": _TEXT,
        "treatment": _TEXT, **_CELL, "p": _TEXT, "p_test": _TEXT, "use": _YES, "main": _YES,
        "document": _TEXT, "place": _TEXT, "second_hand": _YES, "confidence": _TEXT, "conflicts": _TEXT,
        "definition": _TEXT, "note": _TEXT,
    }  # fmt: skip
    return _frame(
        (row for reported in evidence.reported for row in _outcome_rows(evidence, reported)), schema
    )


def _outcome_rows(evidence: Evidence, reported: Reported) -> Iterable[dict[str, Any]]:
    study = evidence.content.studies[reported.study]
    for arm, cell in reported.cells.items():
        yield {
            **_words(reported),
            **_cell(cell),
            "arm": arm,
            "treatment": study.arms[arm].treatment,
            "n": reported.n_of(arm, study),
            "n_how": reported.how_n(arm, study),
            "use": reported.use and cell.use,
            "place": cell.place or reported.place,
            "note": "; ".join(filter(None, (cell.note, reported.note))),
        }


def _words(reported: Reported) -> dict[str, Any]:
    names = (
        "study", "index", "outcome", "label", "domain", "phase", "time", "months", "subgroup", "population",
        "p", "p_test", "main", "document", "confidence", "definition",
    )  # fmt: skip
    words = {name: getattr(reported, name) for name in names}
    return {**words, "second_hand": reported.is_second_hand, "conflicts": ", ".join(reported.conflicts)}


def effects_frame(evidence: Evidence) -> pl.DataFrame:
    schema = {
        "study": _TEXT, "index": _WHOLE, "outcome": _TEXT, "label": _TEXT, "phase": _TEXT, "time": _TEXT,
        "subgroup": _TEXT, "arm_1": _TEXT, "arm_2": _TEXT, "treatment_1": _TEXT, "treatment_2": _TEXT,
        "measure": _TEXT, "estimate": _NUMBER, "lower": _NUMBER, "upper": _NUMBER, "printed": _TEXT,
        "p": _TEXT, "model": _TEXT, "adjusted": _YES, "events_1": _WHOLE, "events_2": _WHOLE,
        "document": _TEXT, "place": _TEXT, "second_hand": _YES, "confidence": _TEXT, "note": _TEXT,
    }  # fmt: skip
    rows = []
    for reported in evidence.reported:
        study = evidence.content.studies[reported.study]
        for effect in reported.effects:
            one, other = effect.arms
            cells = reported.cells
            rows.append(
                {
                    **_words(reported),
                    "place": reported.place,
                    "arm_1": one,
                    "arm_2": other,
                    "treatment_1": study.arms[one].treatment,
                    "treatment_2": study.arms[other].treatment,
                    "measure": effect.measure,
                    "estimate": float(effect.estimate.value),
                    "lower": _float(effect.estimate.lower),
                    "upper": _float(effect.estimate.upper),
                    "printed": str(effect.estimate),
                    "p": effect.p or "",
                    "model": effect.model,
                    "adjusted": effect.adjusted,
                    "events_1": cells[one].events if one in cells else None,
                    "events_2": cells[other].events if other in cells else None,
                    "note": effect.note,
                }
            )
    return _frame(rows, schema)


def baseline_frame(evidence: Evidence) -> pl.DataFrame:
    schema = {
        "study": _TEXT, "arm": _TEXT, "treatment": _TEXT, "characteristic": _TEXT, **_CELL, "document": _TEXT,
        "place": _TEXT, "note": _TEXT,
    }  # fmt: skip
    rows = []
    for key, study in evidence.content.studies.items():
        for baseline in study.baseline:
            for arm, margins in baseline.arms.items():
                for name, cell in margins.items():
                    rows.append(
                        {
                            **_cell(cell),
                            "study": key,
                            "arm": arm,
                            "treatment": study.arms[arm].treatment,
                            "characteristic": name,
                            "n": cell.n if cell.n is not None else study.arms[arm].n,
                            "n_how": "given" if cell.n is not None else "arm's size",
                            "document": baseline.document,
                            "place": cell.place or baseline.place,
                            "note": "; ".join(filter(None, (cell.note, baseline.note))),
                        }
                    )
    return _frame(rows, schema)


def risk_of_bias_frame(evidence: Evidence) -> pl.DataFrame:
    schema = {"study": _TEXT, "domain": _TEXT, "judgement": _TEXT, "by": _TEXT, "because": _TEXT}
    rows = []
    for key, study in evidence.content.studies.items():
        for domain in get_args(Domain):
            judged = study.risk_of_bias.get(domain)
            said = judged.model_dump() if judged else {"judgement": "not judged", "by": "", "because": ""}
            rows.append({"study": key, "domain": domain, **said})
    return _frame(rows, schema)


def pooled_frame(evidence: Evidence) -> pl.DataFrame:
    schema = {
        "meta_analysis": _TEXT, "label": _TEXT, "kind": _TEXT, "studies": _WHOLE, "treatment": _TEXT,
        "against": _TEXT, "outcome": _TEXT, "outcome_label": _TEXT, "measure": _TEXT, "estimate": _NUMBER,
        "lower": _NUMBER, "upper": _NUMBER, "printed": _TEXT, "document": _TEXT, "place": _TEXT,
        "conflicts": _TEXT, "note": _TEXT,
    }  # fmt: skip
    rows = []
    for key, analysis in evidence.content.meta_analyses.items():
        for result in analysis.results:
            word = evidence.content.outcomes[result.outcome].label
            rows.append(
                {
                    "meta_analysis": key,
                    "label": analysis.label,
                    "kind": analysis.kind,
                    "studies": analysis.studies,
                    "treatment": result.treatment,
                    "against": result.against,
                    "outcome": result.outcome,
                    "outcome_label": result.label or word,
                    "measure": result.measure,
                    "estimate": float(result.estimate.value),
                    "lower": _float(result.estimate.lower),
                    "upper": _float(result.estimate.upper),
                    "printed": str(result.estimate),
                    "document": result.document or analysis.document,
                    "place": result.place or analysis.place,
                    "conflicts": ", ".join(result.conflicts),
                    "note": result.note,
                }
            )
    return _frame(rows, schema)


def conflicts_frame(evidence: Evidence) -> pl.DataFrame:
    schema = {
        "conflict": _TEXT, "about": _TEXT, "kind": _TEXT, "studies": _TEXT, "document": _TEXT, "place": _TEXT,
        "says": _TEXT, "why": _TEXT, "handling": _TEXT,
    }  # fmt: skip
    rows = [
        {
            "conflict": key,
            "about": conflict.about,
            "kind": conflict.kind,
            "studies": ", ".join(conflict.studies),
            **value.model_dump(),
            "why": conflict.why,
            "handling": conflict.handling,
        }
        for key, conflict in evidence.content.conflicts.items()
        for value in conflict.values
    ]
    return _frame(rows, schema)


def documents_frame(evidence: Evidence) -> pl.DataFrame:
    names = ("citation", "kind", "year", "doi", "address", "read")
    schema = {"document": _TEXT, **{name: _WHOLE if name == "year" else _TEXT for name in names}}
    rows = [{"document": key, **each.model_dump()} for key, each in evidence.content.documents.items()]
    return _frame(rows, schema)


# Rows that can be pooled ---------------------------------------------------------------------------


def rows_frame(evidence: Evidence, selection: Selection) -> pl.DataFrame:
    schema = {
        "study": _TEXT, "treatment": _TEXT, "n": _WHOLE, "events": _WHOLE, "mean": _NUMBER, "sd": _NUMBER,
        "person_time": _NUMBER, "study_id": _TEXT, "arm": _TEXT, "phase": _TEXT, "time": _TEXT,
        "status": _TEXT, "n_how": _TEXT, "randomized": _YES, "confidence": _TEXT, "source": _TEXT,
        "note": _TEXT,
    }  # fmt: skip
    rows = []
    for reported, arms, taken in selection.taken:
        study = evidence.content.studies[reported.study]
        years = _person_years(reported, arms)
        for arm in arms:
            cell = reported.cells[arm]
            rows.append(
                {
                    **_words(reported),
                    **_cell(cell),
                    "study": study.label,
                    "study_id": reported.study,
                    "arm": arm,
                    "treatment": study.arms[arm].treatment,
                    "n": reported.n_of(arm, study),
                    "n_how": reported.how_n(arm, study),
                    "person_time": years[arm],
                    "randomized": study.design.randomized,
                    "source": reported.source,
                    "note": "; ".join(filter(None, (taken, cell.note, reported.note))),
                }
            )
    return _frame(rows, schema)


def _person_years(reported: Reported, arms: Iterable[str]) -> dict[str, float | None]:
    """Patient-years of every arm, or of none: half a comparison of rates is none."""
    years = {arm: reported.cells[arm].years for arm in arms}
    return years if all(years.values()) else dict.fromkeys(years)


def left_out_frame(evidence: Evidence, selection: Selection) -> pl.DataFrame:
    schema = {"study": _TEXT, "study_id": _TEXT, "arm": _TEXT, "source": _TEXT, "reason": _TEXT}
    rows = [
        {
            "study": evidence.content.studies[key].label,
            "study_id": key,
            "arm": arm,
            "source": source,
            "reason": reason,
        }
        for key, arm, source, reason in selection.left_out
    ]
    return _frame(rows, schema)


def contrasts_frame(
    evidence: Evidence, outcome: str, measure: str, phase: str | None, adjusted: bool
) -> pl.DataFrame:
    known = get_args(Effect.model_fields["measure"].annotation)
    if measure not in known:
        raise NotFoundError(
            f"there is no measure {measure}",
            expected="one of " + ", ".join(known),
            try_=suggest(measure, known),
        )
    schema = {
        "study": _TEXT, "treatment_1": _TEXT, "treatment_2": _TEXT, "estimate": _NUMBER, "std_error": _NUMBER,
        "study_id": _TEXT, "subgroup": _TEXT, "printed": _TEXT, "source": _TEXT, "note": _TEXT,
    }  # fmt: skip
    rows = []
    for reported in evidence.reported:
        if reported.outcome != outcome or not reported.use or (phase and reported.phase != phase):
            continue
        study = evidence.content.studies[reported.study]
        for effect in reported.effects:
            if (
                effect.measure == measure
                and effect.adjusted == adjusted
                and effect.estimate.lower is not None
            ):
                rows.append(_contrast(reported, study, effect))
    require_one_of_each_cohort(evidence, list(dict.fromkeys(row["study_id"] for row in rows)), "contrasts")
    return _frame(rows, schema)


def _contrast(reported: Reported, study: Study, effect: Effect) -> dict[str, Any]:
    printed = effect.estimate
    assert printed.lower is not None and printed.upper is not None
    value, lower, upper = float(printed.value), float(printed.lower), float(printed.upper)
    if effect.measure in RATIOS:
        value, lower, upper = math.log(value), math.log(lower), math.log(upper)
    return {
        "study": study.label,
        "treatment_1": study.arms[effect.arms[0]].treatment,
        "treatment_2": study.arms[effect.arms[1]].treatment,
        "estimate": value,
        "std_error": (upper - lower) / (2 * Z_95),
        "study_id": reported.study,
        "subgroup": reported.subgroup,
        "printed": str(effect.estimate),
        "source": reported.source,
        "note": effect.note,
    }
