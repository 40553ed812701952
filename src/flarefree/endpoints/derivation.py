"""What deriving a study's endpoints gives: frames with lineage, immutable.

Frames, one row each (types in the `*_SCHEMA` below):

```text
events         a candidate event of a patient: every onset of every episode, used or not
time_to_event  a patient and an event or composite endpoint: stop day, whether the event was seen, why not
states         a patient, a state endpoint and an assessment: true, false or unknown
values         a patient, a measure (or value endpoint) and an assessment: value, its day, its row
assessability  a patient and an endpoint: assessments at which its sentence was known, and unknown
agreement      a patient and an adjudicated component: derived, investigator, committee, final
```
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from flarefree.protocol.loaded import LoadedProtocol
from flarefree.records.findings import Finding
from flarefree.records.study import Study

if TYPE_CHECKING:
    from flarefree.endpoints.panel import Panel

__all__ = ["Derivation"]

EVENTS_SCHEMA: dict[str, Any] = {
    "subject": pl.String,
    "endpoint": pl.String,  # the component, never a composite
    "episode": pl.Int32,  # 1, 2 ...: true again after it was not
    "day": pl.Int32,  # onset: the latest of the values that made the sentence true
    "date": pl.Date,
    "confirmed_day": pl.Int32,  # where the sentence asks for confirmation
    "assessment": pl.Int32,  # index into the panel; null for events from records
    "visit": pl.String,
    "origin": pl.String,  # derived, investigator, committee
    "is_used": pl.Boolean,  # this is the event that time to event rests on
    "reason": pl.String,  # why not used: earlier event, after withdrawal, refuted by the committee ...
    "rows": pl.List(pl.Struct({"table": pl.String, "index": pl.UInt32})),
}
"""`rows` are indices into the study's tables, whose `source` and `row` lead to the file."""

TIME_TO_EVENT_SCHEMA: dict[str, Any] = {
    "subject": pl.String,
    "endpoint": pl.String,
    "start_day": pl.Int32,  # day of origin
    "stop_day": pl.Int32,  # of event or censoring
    "time": pl.Int32,  # days: stop - start + 1 (no day 0); day 1 is 1
    "is_event": pl.Boolean,
    "component": pl.String,  # the component that came first; the endpoint itself if no composite
    "censored_by": pl.String,  # end of follow-up, withdrawal ...; null for events
    "origin": pl.String,  # what decided: derived, investigator, committee
    "event_index": pl.UInt32,  # row of `events`; null if censored
}

STATES_SCHEMA: dict[str, Any] = {
    "subject": pl.String,
    "endpoint": pl.String,
    "assessment": pl.Int32,
    "day": pl.Int32,
    "visit": pl.String,
    "visit_number": pl.Float64,
    "holds": pl.Boolean,  # null: unknown
}

VALUES_SCHEMA: dict[str, Any] = {
    "subject": pl.String,
    "measure": pl.String,
    "assessment": pl.Int32,
    "day": pl.Int32,  # of the value itself
    "visit": pl.String,  # the schedule's visit that the assessment belongs to; null if unscheduled
    "visit_number": pl.Float64,
    "value": pl.Float64,
    "unit": pl.String,
    "is_baseline": pl.Boolean,
    "baseline": pl.Float64,
    "observation": pl.UInt32,  # row of `observations`; null for computed measures
    "method": pl.String,  # equation or score, where one was used
}

ASSESSABILITY_SCHEMA: dict[str, Any] = {
    "subject": pl.String,
    "endpoint": pl.String,
    "known": pl.Int32,
    "unknown": pl.Int32,
}

AGREEMENT_SCHEMA: dict[str, Any] = {
    "subject": pl.String,
    "endpoint": pl.String,
    "derived_day": pl.Int32,
    "investigator_day": pl.Int32,
    "committee_day": pl.Int32,
    "derived": pl.Boolean,
    "investigator": pl.Boolean,
    "committee": pl.Boolean,
    "final": pl.Boolean,
    "final_from": pl.String,  # derived, investigator, committee
}


@dataclass(frozen=True, slots=True)
class Derivation:
    """A study's endpoints, with the panel and the study that they were derived from."""

    study: Study
    protocol: LoadedProtocol
    panel: Panel
    subjects: pl.DataFrame
    """The study's subjects, with: `follow_up_end_day` (last day known to be followed), `status`
    (`completed`, `withdrawn`, `ongoing`), `reason` (of withdrawal, in the protocol's words),
    `withdrawal_day`, and one Boolean column per population, `in_NAME`, and every covariate."""
    events: pl.DataFrame
    time_to_event: pl.DataFrame
    states: pl.DataFrame
    values: pl.DataFrame
    assessability: pl.DataFrame
    agreement: pl.DataFrame
    findings: tuple[Finding, ...] = field(default=())
    """Found while deriving, beside the study's own."""

    def __repr__(self) -> str:
        used = self.events.filter(pl.col("is_used")).height
        return (
            f"<endpoints of {self.study.name} by {self.protocol.spec.name}: {self.subjects.height} patients, "
            f"{self.events.height} candidate events ({used} used), {self.values.height:,} values>"
        )
