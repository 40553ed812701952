"""The tables of a study, in our names: one Polars frame each, one row a record.

Every table has `subject` (text, the study-wide identifier), `source` (index into `Study.sources`)
and `row` (1-based data row of that file).  Dates come as a pair: `X_date` (a date; the earliest that
a partial date allows) and `X_day` (study day, no day 0); where a date may be partial, `X_text` keeps
what was written.  A value that was not recorded is null; it never means zero.

`flarefree.readers` fills these from files, and `flarefree.records.findings` says what is odd in them.
CDISC's names for the same things are in `flarefree.records.cdisc`, nowhere else.
"""

from __future__ import annotations

from typing import Any

import polars as pl

__all__ = ["TABLES", "empty_table", "whole_table"]

_ORIGIN: dict[str, Any] = {"source": pl.UInt16, "row": pl.UInt32}

SUBJECTS: dict[str, Any] = {
    "subject": pl.String,
    "site": pl.String,
    "country": pl.String,
    "region": pl.String,
    "age_years": pl.Float64,
    "sex": pl.String,  # F, M
    "race": pl.String,
    "ethnicity": pl.String,
    "arm": pl.String,  # the protocol's arm key (planned arm); null if not randomized
    "arm_written": pl.String,  # as the file has it
    "actual_arm": pl.String,  # the protocol's arm key of what was taken
    "is_screen_failure": pl.Boolean,
    "birth_date": pl.Date,
    "consent_date": pl.Date,
    "randomization_date": pl.Date,  # study day 1
    "first_dose_date": pl.Date,
    "last_dose_date": pl.Date,
    "end_date": pl.Date,  # last day of participation
    "death_date": pl.Date,
    "first_dose_day": pl.Int32,
    "last_dose_day": pl.Int32,
    "end_day": pl.Int32,
    "death_day": pl.Int32,
    **_ORIGIN,
}
"""One row a subject, screen failures too.  Further columns, named by the protocol's `covariates`
(induction drug, biopsy class, weight ...), follow these: Float64 for numbers, String for categories."""

OBSERVATIONS: dict[str, Any] = {
    "subject": pl.String,
    "measure": pl.String,  # the protocol's name for it; null if the protocol does not know the test
    "test": pl.String,  # the code as written
    "domain": pl.String,  # LB, VS, QS ...
    "category": pl.String,
    "specimen": pl.String,  # serum, urine ...
    "value": pl.Float64,  # in `unit`; yes/no measures are 1 and 0
    "text": pl.String,  # a result that is no number
    "unit": pl.String,  # the measure's unit in the protocol
    "lower_limit": pl.Float64,  # of normal, in `unit`
    "upper_limit": pl.Float64,
    "original_value": pl.String,  # as written; null in tables of a million rows that hold numbers
    "original_unit": pl.String,
    "date": pl.Date,
    "day": pl.Int32,
    "date_text": pl.String,
    "visit": pl.String,
    "visit_number": pl.Float64,
    "timepoint": pl.String,  # within the visit: after lying down for 5 minutes ...
    "is_baseline": pl.Boolean,  # where the file flags it
    "analysis_visit": pl.String,  # where the file is an analysis dataset (AVISIT)
    "is_analysis_record": pl.Boolean,  # there: the one to use of its analysis visit (ANL01FL)
    "derivation": pl.String,  # DTYPE: LOCF ... ; null for what was observed
    "sequence": pl.Int32,
    **_ORIGIN,
}
"""Laboratory values, vital signs, questionnaires, scores: everything that has a value at a visit."""

EXPOSURES: dict[str, Any] = {
    "subject": pl.String,
    "drug": pl.String,
    "dose": pl.Float64,
    "unit": pl.String,
    "frequency": pl.String,
    "doses_per_day": pl.Float64,
    "daily_dose": pl.Float64,  # dose x doses_per_day, in `unit` a day
    "start_date": pl.Date,
    "start_day": pl.Int32,
    "start_text": pl.String,
    "end_date": pl.Date,
    "end_day": pl.Int32,
    "end_text": pl.String,
    "visit": pl.String,
    "visit_number": pl.Float64,
    **_ORIGIN,
}

ADVERSE_EVENTS: dict[str, Any] = {
    "subject": pl.String,
    "sequence": pl.Int32,
    "term": pl.String,  # preferred term; the verbatim one where nothing was coded
    "verbatim": pl.String,
    "body_system": pl.String,
    "severity": pl.String,
    "is_serious": pl.Boolean,
    "relation": pl.String,
    "action": pl.String,
    "outcome": pl.String,
    "caused_withdrawal": pl.Boolean,
    "start_date": pl.Date,
    "start_day": pl.Int32,
    "start_text": pl.String,
    "end_date": pl.Date,
    "end_day": pl.Int32,
    "end_text": pl.String,
    **_ORIGIN,
}

MEDICATIONS: dict[str, Any] = {
    "subject": pl.String,
    "drug": pl.String,
    "drug_class": pl.String,
    "indication": pl.String,
    "dose": pl.Float64,
    "unit": pl.String,
    "route": pl.String,
    "start_date": pl.Date,
    "start_day": pl.Int32,
    "start_text": pl.String,
    "end_date": pl.Date,
    "end_day": pl.Int32,
    "end_text": pl.String,
    **_ORIGIN,
}

PROCEDURES: dict[str, Any] = {
    "subject": pl.String,
    "name": pl.String,  # dialysis, kidney transplant, plasmapheresis ...
    "category": pl.String,
    "indication": pl.String,
    "start_date": pl.Date,
    "start_day": pl.Int32,
    "start_text": pl.String,
    "end_date": pl.Date,
    "end_day": pl.Int32,
    "end_text": pl.String,
    **_ORIGIN,
}

CLINICAL_EVENTS: dict[str, Any] = {
    "subject": pl.String,
    "name": pl.String,
    "category": pl.String,
    "start_date": pl.Date,
    "start_day": pl.Int32,
    "start_text": pl.String,
    "end_date": pl.Date,
    "end_day": pl.Int32,
    "end_text": pl.String,
    **_ORIGIN,
}

DISPOSITIONS: dict[str, Any] = {
    "subject": pl.String,
    "category": pl.String,  # of the record: disposition event, protocol milestone, other event
    "status": pl.String,  # the coded term: COMPLETED, ADVERSE EVENT, LOST TO FOLLOW-UP ...
    "reason": pl.String,  # as written
    "epoch": pl.String,
    "date": pl.Date,
    "day": pl.Int32,
    "date_text": pl.String,
    "visit": pl.String,
    "visit_number": pl.Float64,
    **_ORIGIN,
}

VISITS: dict[str, Any] = {
    "subject": pl.String,
    "visit": pl.String,
    "visit_number": pl.Float64,
    "date": pl.Date,
    "day": pl.Int32,
    "date_text": pl.String,
    **_ORIGIN,
}

MEDICAL_HISTORY: dict[str, Any] = {
    "subject": pl.String,
    "term": pl.String,
    "category": pl.String,
    "body_system": pl.String,
    "date": pl.Date,
    "day": pl.Int32,
    "date_text": pl.String,
    **_ORIGIN,
}

DECISIONS: dict[str, Any] = {
    "subject": pl.String,
    "endpoint": pl.String,  # the protocol's name of a component
    "reader": pl.String,  # `investigator` or `committee`
    "is_confirmed": pl.Boolean,  # null: could not be decided
    "event_date": pl.Date,  # of the event as decided
    "event_day": pl.Int32,
    "decided_date": pl.Date,
    "comment": pl.String,
    **_ORIGIN,
}

TABLES: dict[str, dict[str, Any]] = {
    "subjects": SUBJECTS,
    "observations": OBSERVATIONS,
    "exposures": EXPOSURES,
    "adverse_events": ADVERSE_EVENTS,
    "medications": MEDICATIONS,
    "procedures": PROCEDURES,
    "clinical_events": CLINICAL_EVENTS,
    "dispositions": DISPOSITIONS,
    "visits": VISITS,
    "medical_history": MEDICAL_HISTORY,
    "decisions": DECISIONS,
}
"""Every table and its columns' types, in order."""


def empty_table(name: str) -> pl.DataFrame:
    """A table without rows."""
    return pl.DataFrame(schema=TABLES[name])


def whole_table(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """A table with all of its columns in their order: those that `frame` lacks are null, others follow."""
    schema = TABLES[name]
    ours = [
        pl.col(column).cast(kind) if column in frame.columns else pl.lit(None, kind).alias(column)
        for column, kind in schema.items()
    ]
    return frame.select(*ours, *(column for column in frame.columns if column not in schema))
