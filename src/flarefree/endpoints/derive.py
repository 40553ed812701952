"""From a study and its protocol to every endpoint of every patient, with lineage: `derive`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.endpoints import frames
from flarefree.endpoints.context import Context
from flarefree.endpoints.covariates import default_findings, derive_covariates
from flarefree.endpoints.derivation import Derivation
from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.facts import PatientSentences
from flarefree.endpoints.follow_up import derive_follow_up, is_allocated
from flarefree.endpoints.gathering import last_days, panel_of_rows
from flarefree.endpoints.long_rows import read_rows
from flarefree.endpoints.panel import Panel
from flarefree.endpoints.record_sentences import RecordReader
from flarefree.endpoints.standing import EndpointEvents, derive_events
from flarefree.errors import StudyError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.records.findings import Finding, Severity

if TYPE_CHECKING:
    from flarefree.records.study import Study

__all__ = ["DerivedArrays", "derive", "derive_arrays", "evaluator_of", "events_again", "record_reader"]


def derive(study: Study, protocol: LoadedProtocol | str | None = None) -> Derivation:
    """Derive the endpoints of a study's patients as its protocol defines them.

    Parameters
    ----------
    study : Study
    protocol : LoadedProtocol or str, optional
        The protocol, its name, or its file; the study's own if not given.

    Returns
    -------
    Derivation

    Raises
    ------
    StudyError
        No protocol is named, or the study has no patients.
    ProtocolError
        The protocol cannot be used.
    """
    return derive_arrays(study, _loaded(study, protocol)).to_frames()


@dataclass(frozen=True, slots=True)
class DerivedArrays:
    """A study's endpoints as arrays, before anything is laid out as frames.

    Attributes
    ----------
    follow_up : DataFrame
        The subjects' table, with doses, last visits, ends of follow-up and `is_in_trial`.
    evaluator : Evaluator
        On the study's panel, every sentence evaluated.
    found : EndpointEvents
    findings : tuple of Finding
    """

    study: Study
    protocol: LoadedProtocol
    follow_up: pl.DataFrame
    evaluator: Evaluator
    found: EndpointEvents
    findings: tuple[Finding, ...]

    def events(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The frames of events and of time to event."""
        labels = self._labels()
        events, row_of = frames.events_frame(self.found, self.protocol, self.evaluator.panel, labels)
        return events, frames.time_to_event_frame(self.found, self.protocol, labels, row_of)

    def to_frames(self) -> Derivation:
        """Everything, as frames."""
        loaded, evaluator, labels = self.protocol, self.evaluator, self._labels()
        here = self.follow_up.get_column("is_in_trial").to_numpy()
        events, time_to_event = self.events()
        return Derivation(
            study=self.study,
            protocol=loaded,
            panel=evaluator.panel,
            subjects=_subjects_frame(self.study, loaded, evaluator.panel, self.follow_up).drop("is_in_trial"),
            events=events,
            time_to_event=time_to_event,
            states=frames.states_frame(self.found, loaded, evaluator, here, labels),
            values=frames.values_frame(loaded, evaluator, here, labels),
            assessability=frames.assessability_frame(loaded, evaluator, here, labels),
            agreement=frames.agreement_frame(self.found, loaded, evaluator.panel, here, labels),
            findings=(
                *self.findings,
                *(_in_its_file(finding, self.study) for finding in self.found.findings),
                *_odd_decisions(self.study, loaded),
            ),
        )

    def _labels(self) -> frames.Labels:
        day_one = self.follow_up.get_column("randomization_date")
        return frames.Labels(self.evaluator.panel, self.protocol.spec.schedule, day_one)


def derive_arrays(study: Study, protocol: LoadedProtocol) -> DerivedArrays:
    """Derive the endpoints of a study's patients, as arrays; see `derive`."""
    _require_patients(study)
    spec = protocol.spec
    context = Context.of(protocol)
    subjects = study["subjects"]
    rows = read_rows(study["observations"], spec, subjects.get_column("subject"))
    follow_up = derive_follow_up(study, spec, last_days(rows, subjects.height))
    panel = panel_of_rows(rows, subjects, spec)
    del rows
    covariates, findings = derive_covariates(panel, protocol, context)
    panel = panel.with_covariates(covariates)
    follow_up = _with_completion(study, protocol, panel, follow_up)
    follow_up = follow_up.with_columns(is_in_trial=is_allocated().fill_null(False))
    evaluator = Evaluator(panel, context)
    reader = RecordReader(study, follow_up, spec.adverse_events)
    found = derive_events(protocol, evaluator, reader, follow_up, study["decisions"])
    findings = (*default_findings(subjects, spec), *findings)
    return DerivedArrays(study, protocol, follow_up, evaluator, found, findings)


def evaluator_of(derivation: Derivation) -> Evaluator:
    """An evaluator on a derivation's panel, which knows its events.

    For sentences beside the endpoints' own: a designer's question, an explanation.
    """
    evaluator = Evaluator(derivation.panel, Context.of(derivation.protocol))
    events_again(derivation, evaluator)
    return evaluator


def events_again(derivation: Derivation, evaluator: Evaluator) -> EndpointEvents:
    """The events of a derivation as arrays, found again on an evaluator of its panel."""
    in_trial = derivation.subjects.with_columns(is_in_trial=is_allocated().fill_null(False))
    decisions = derivation.study["decisions"]
    return derive_events(derivation.protocol, evaluator, record_reader(derivation), in_trial, decisions)


def record_reader(derivation: Derivation) -> RecordReader:
    """Reads record sentences (`emergent and serious`) of a derivation's study."""
    return RecordReader(derivation.study, derivation.subjects, derivation.protocol.spec.adverse_events)


def _loaded(study: Study, protocol: LoadedProtocol | str | None) -> LoadedProtocol:
    if isinstance(protocol, LoadedProtocol):
        return protocol
    named = protocol if protocol is not None else study.protocol
    if not named:
        raise StudyError(
            "no protocol is named",
            where=study.name,
            expected="`protocol:` in study.yaml, or a protocol given with the study",
            try_='derive(study, "alms-maintenance"), or --protocol alms-maintenance',
        )
    from flarefree.protocol.loading import load_protocol

    return load_protocol(named)


def _in_its_file(finding: Finding, study: Study) -> Finding:
    """A finding about a decision, placed where the decision stands: adjudication knows its row alone."""
    decisions = study["decisions"]
    if finding.file or not 0 < finding.row <= decisions.height:
        return finding
    source, row = decisions.select("source", "row").row(finding.row - 1)
    if source is None or source >= len(study.sources):
        return finding
    return replace(finding, file=study.sources[source].path, row=row)


def _require_patients(study: Study) -> None:
    subjects = study["subjects"].get_column("subject")
    if not subjects.len():
        raise StudyError(
            "the study has no patients",
            where=study.name,
            found="an empty subjects' table",
            expected="one row a patient: DM, ADSL, or the file that study.yaml maps to `subjects`",
        )
    # Patients that only other rows name have no arm and no day 1: a report of nobody.
    if any(finding.code == "no-subjects" for finding in study.findings):
        raise StudyError(
            "no file tells who the patients are, their arms and their first days",
            where=study.name,
            found="no subjects' table, or one without rows",
            expected="one row a patient: DM, ADSL, or the file that study.yaml maps to `subjects`",
        )
    twice = subjects.filter(subjects.is_duplicated()).unique(maintain_order=True)
    if twice.len():
        raise StudyError(
            "a patient stands twice in the subjects' table, and would be counted twice",
            where=study.name,
            found=", ".join(str(subject) for subject in twice.head(5)),
            expected="one row a patient",
        )


def _with_completion(
    study: Study, protocol: LoadedProtocol, panel: Panel, follow_up: pl.DataFrame
) -> pl.DataFrame:
    """Who completed, where the protocol says it by a sentence instead of a disposition."""
    if "withdrawals.completed_when" not in protocol.sentences:
        return follow_up
    patients = PatientSentences(study, panel, follow_up, protocol.spec.schedule)
    completed = pl.Series(patients.holds(protocol.sentences["withdrawals.completed_when"]))
    return follow_up.with_columns(
        status=pl.when(pl.col("status").is_null())
        .then(None)
        .when(completed)
        .then(pl.lit("completed"))
        .when(pl.col("status") == "completed")
        .then(pl.lit("withdrawn"))
        .otherwise("status")
    ).with_columns(
        reason=pl.when(pl.col("status") == "withdrawn").then("reason"),
        withdrawal_day=pl.when(pl.col("status") == "withdrawn").then(
            pl.coalesce("withdrawal_day", "end_day", "follow_up_end_day")
        ),
    )


def _subjects_frame(
    study: Study, protocol: LoadedProtocol, panel: Panel, follow_up: pl.DataFrame
) -> pl.DataFrame:
    """The subjects' table with covariates and populations."""
    covariates = [_column(name, panel.covariates[name]) for name in protocol.spec.covariates]
    patients = PatientSentences(study, panel, follow_up, protocol.spec.schedule)
    populations = [
        pl.Series(f"in_{name}", patients.holds(protocol.sentences[f"populations.{name}.when"]))
        for name in protocol.spec.populations
    ]
    return follow_up.with_columns(covariates + populations)


def _column(name: str, values: npt.NDArray[np.float64] | npt.NDArray[np.object_]) -> pl.Series:
    if values.dtype == object:
        return pl.Series(name, values.tolist(), dtype=pl.String)
    return pl.Series(name, values, dtype=pl.Float64, nan_to_null=True)


def _odd_decisions(study: Study, protocol: LoadedProtocol) -> tuple[Finding, ...]:
    """Decisions on what the protocol does not adjudicate: they change nothing, and are said."""
    adjudicated = [name for name, spec in protocol.spec.endpoints.items() if spec.adjudicated]
    odd = study["decisions"].filter(~pl.col("endpoint").is_in(adjudicated) | pl.col("endpoint").is_null())
    return tuple(
        Finding(
            "unused-decision",
            Severity.WARNING,
            "a decision on an endpoint that the protocol does not adjudicate",
            file=study.sources[source].path if source is not None and source < len(study.sources) else "",
            row=row or 0,
            column="endpoint",
            subject=subject or "",
            found=endpoint or "",
            expected=", ".join(adjudicated) or "no adjudicated endpoints",
        )
        for subject, endpoint, source, row in odd.select("subject", "endpoint", "source", "row").iter_rows()
    )
