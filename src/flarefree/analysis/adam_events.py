"""ADTTE, ADAE and ADEVENT: times to events, adverse events, and every candidate event with its rows."""

from __future__ import annotations

import polars as pl

from flarefree.analysis.adam import Dataset, make_dataset, yes
from flarefree.analysis.adam_subjects import CORE, core, parameter_names
from flarefree.analysis.records_where import emergent_events
from flarefree.analysis.sources import lineage_texts, place_of
from flarefree.analysis.trial import Trial

__all__ = ["build_adae", "build_adevent", "build_adtte"]

TEXT_LENGTH = 200
"""What a text of a SAS transport file holds; longer lineages go on in the next column."""

_START_VARIABLE = {
    "AE": "AESTDTC",
    "CM": "CMSTDTC",
    "PR": "PRSTDTC",
    "CE": "CESTDTC",
    "DS": "DSSTDTC",
    "MH": "MHSTDTC",
    "EX": "EXSTDTC",
    "DM": "DTHDTC",
}


def _date_of(day: str, day_one: str = "randomization_date") -> pl.Expr:
    """The date of a study day."""
    ordinal = pl.when(pl.col(day) > 0).then(pl.col(day) - 1).otherwise(pl.col(day))
    return pl.col(day_one) + pl.duration(days=ordinal)


# ADTTE ---------------------------------------------------------------------------------------------

_TTE = {
    **CORE,
    "PARAM": "Parameter",
    "PARAMCD": "Parameter Code",
    "AVAL": "Analysis Value",
    "AVALU": "Analysis Value Unit",
    "STARTDT": "Time to Event Origin Date for Subject",
    "ADT": "Analysis Date",
    "ADY": "Analysis Relative Day",
    "CNSR": "Censor",
    "EVNTDESC": "Event or Censoring Description",
    "CNSDTDSC": "Censor Date Description",
    "EVNTORIG": "Who Decided on the Event",
    "SRCDOM": "Source Domain",
    "SRCVAR": "Source Variable",
    "SRCSEQ": "Source Sequence Number",
    "SRCROWS": "Source Files and Rows",
}


def build_adtte(trial: Trial) -> Dataset:
    """One row a patient and endpoint: days to the event (CNSR 0) or to the end of follow-up (CNSR 1)."""
    times = trial.derivation.time_to_event.join(
        _event_sources(trial), on="event_index", how="left", maintain_order="left"
    )
    labels = {key: e.label for key, e in trial.spec.endpoints.items()}
    event = pl.col("is_event").fill_null(False)
    component = pl.col("component").replace_strict(
        labels, default=pl.col("component"), return_dtype=pl.String
    )
    frame = core(trial, times).with_columns(
        PARAM=pl.format("Time to {}", pl.col("endpoint").replace_strict(labels, return_dtype=pl.String)),
        PARAMCD=pl.col("endpoint").replace_strict(parameter_names(trial), return_dtype=pl.String),
        AVAL=pl.col("time"),
        AVALU=pl.lit("DAYS"),
        STARTDT=_date_of("start_day"),
        ADT=_date_of("stop_day"),
        ADY=pl.col("stop_day"),
        CNSR=pl.when(event).then(0).otherwise(1),
        EVNTDESC=pl.when(event).then(component).otherwise("censored_by"),
        CNSDTDSC=pl.when(~event).then("censored_by"),
        EVNTORIG=pl.col("origin"),
        SRCDOM=pl.col("domain"),
        SRCVAR=_variable(),
        SRCSEQ=pl.col("sequence"),
        SRCROWS=pl.col("text").str.head(TEXT_LENGTH),
    )
    return make_dataset("ADTTE", "Time to Event Analysis Dataset", _TTE, frame, ("PARAMCD", "USUBJID"))


def _event_sources(trial: Trial) -> pl.DataFrame:
    """Of every candidate event, by its row: the places of its records."""
    rows = trial.derivation.events.with_row_index("key").select("key", "rows")
    return lineage_texts(trial.study, rows).rename({"key": "event_index"})


def _variable() -> pl.Expr:
    """The variable that dates a record of the source domain."""
    domain = pl.col("domain")
    usual = pl.when(domain.is_not_null()).then(pl.format("{}DTC", domain.fill_null("")))
    return domain.replace_strict(_START_VARIABLE, default=usual, return_dtype=pl.String)


# ADAE ----------------------------------------------------------------------------------------------

_AE = {
    **CORE,
    "AESEQ": "Sequence Number",
    "AETERM": "Reported Term for the Adverse Event",
    "AEDECOD": "Dictionary-Derived Term",
    "AEBODSYS": "Body System or Organ Class",
    "AESEV": "Severity/Intensity",
    "AESER": "Serious Event",
    "AEREL": "Causality",
    "AEACN": "Action Taken with Study Treatment",
    "AEOUT": "Outcome of Adverse Event",
    "ASTDT": "Analysis Start Date",
    "ASTDY": "Analysis Start Relative Day",
    "AENDT": "Analysis End Date",
    "AENDY": "Analysis End Relative Day",
    "TRTEMFL": "Treatment Emergent Analysis Flag",
    "AEWDFL": "Led to Withdrawal",
    "AOCCFL": "1st Occurrence within Subject Flag",
    "AOCCSFL": "1st Occurrence of SOC Flag",
    "AOCCPFL": "1st Occurrence of Preferred Term Flag",
    "SRCROW": "Source File and Row",
}


def build_adae(trial: Trial) -> Dataset:
    """One row an adverse event; the occurrence flags are among treatment-emergent ones."""
    emergent = emergent_events(trial).get_column("index")
    events = trial.study["adverse_events"].with_row_index("index").with_columns(place=place_of(trial.study))
    flagged = (
        core(trial, events)
        .with_columns(
            is_emergent=pl.col("index").is_in(emergent.implode()),
            term_=pl.coalesce("term", "verbatim"),
        )
        .sort("subject", "start_day", "sequence", "index", nulls_last=True)
    )
    frame = flagged.with_columns(
        AESEQ=pl.col("sequence"),
        AETERM=pl.col("verbatim"),
        AEDECOD=pl.col("term"),
        AEBODSYS=pl.col("body_system"),
        AESEV=pl.col("severity"),
        AESER=pl.when("is_serious").then(pl.lit("Y")).when(~pl.col("is_serious")).then(pl.lit("N")),
        AEREL=pl.col("relation"),
        AEACN=pl.col("action"),
        AEOUT=pl.col("outcome"),
        ASTDT=pl.col("start_date"),
        ASTDY=pl.col("start_day"),
        AENDT=pl.col("end_date"),
        AENDY=pl.col("end_day"),
        TRTEMFL=yes(pl.col("is_emergent")),
        AEWDFL=yes(pl.col("caused_withdrawal")),
        AOCCFL=_first("subject"),
        AOCCSFL=_first("subject", "body_system"),
        AOCCPFL=_first("subject", "body_system", "term_"),
        SRCROW=pl.col("place"),
    )
    return make_dataset(
        "ADAE", "Adverse Events Analysis Dataset", _AE, frame, ("USUBJID", "ASTDY", "AESEQ", "SRCROW")
    )


def _first(*keys: str) -> pl.Expr:
    """A flag on the first emergent event of each combination of keys, in the order of the rows."""
    emergent = pl.col("is_emergent")
    return yes(emergent & (emergent.cast(pl.Int32).cum_sum().over(keys) == 1))


# ADEVENT -------------------------------------------------------------------------------------------

_EVENT = {
    **CORE,
    "PARAM": "Event",
    "PARAMCD": "Event Code",
    "EPISODE": "Episode Number",
    "ADT": "Onset Date",
    "ADY": "Onset Relative Day",
    "CONFDY": "Confirmation Relative Day",
    "AVISIT": "Analysis Visit",
    "EVNTORIG": "Who Found the Event",
    "USEDFL": "Used in Time to Event",
    "REASON": "Why It Was Not Used",
    "SRCDOM": "Source Domain",
    "SRCSEQ": "Source Sequence Number",
}


def build_adevent(trial: Trial) -> Dataset:
    """Every candidate event, used or not, with the rows it rests on: `lb.csv row 1203; lb.csv row 1204`."""
    labels = {key: e.label for key, e in trial.spec.endpoints.items()}
    events = (
        trial.derivation.events.with_row_index("event_index")
        .drop("rows")
        .join(_event_sources(trial), on="event_index", how="left", maintain_order="left")
    )
    pieces, continued = _in_pieces(events.get_column("text"))
    frame = core(trial, events.with_columns(pieces)).with_columns(
        PARAM=pl.col("endpoint").replace_strict(labels, default=pl.col("endpoint"), return_dtype=pl.String),
        PARAMCD=pl.col("endpoint").replace_strict(
            parameter_names(trial), default=None, return_dtype=pl.String
        ),
        EPISODE=pl.col("episode"),
        ADT=pl.coalesce("date", _date_of("day")),
        ADY=pl.col("day"),
        CONFDY=pl.col("confirmed_day"),
        AVISIT=pl.col("visit"),
        EVNTORIG=pl.col("origin"),
        USEDFL=pl.when(pl.col("is_used").fill_null(False)).then(pl.lit("Y")).otherwise(pl.lit("N")),
        REASON=pl.col("reason"),
        SRCDOM=pl.col("domain"),
        SRCSEQ=pl.col("sequence"),
    )
    keys = ("USUBJID", "PARAMCD", "ADY", "EPISODE", "EVNTORIG")
    return make_dataset("ADEVENT", "Candidate Events with Lineage", _EVENT | continued, frame, keys)


def _in_pieces(texts: pl.Series) -> tuple[list[pl.Series], dict[str, str]]:
    """Long lineages over as many columns as they need, cut between places; and the columns' labels."""
    cut = [_pieces(text) for text in texts.to_list()]
    width = max((len(parts) for parts in cut), default=1) or 1
    names = ["SRCROWS", *(f"SRCROW{i}" for i in range(2, width + 1))]
    columns = [
        pl.Series(name, [parts[i] if i < len(parts) else None for parts in cut], dtype=pl.String)
        for i, name in enumerate(names)
    ]
    labels = {
        name: "Source Files and Rows" + (f", continued ({i + 1})" if i else "")
        for i, name in enumerate(names)
    }
    return columns, labels


def _pieces(text: str | None) -> list[str]:
    parts: list[str] = []
    for place in (text or "").split("; "):
        if parts and len(parts[-1].encode()) + len(place.encode()) + 2 <= TEXT_LENGTH:
            parts[-1] += f"; {place}"
        elif place:
            parts.append(place)
    return parts
