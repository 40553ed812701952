"""The plan: each kind of analysis of the protocol and the function that does it, in one table.

An analysis that the data do not allow (no events, an empty arm, a measure nobody has) gives a result
that says so; it never stops the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

from flarefree.analysis.implausible import implausible_warning
from flarefree.analysis.outcome import NotComputableError, not_computable, not_yet_computed
from flarefree.analysis.sentences import analysis_sentences, named_endpoints
from flarefree.analysis.trial import Trial
from flarefree.analysis.unmeasured import unmeasured_warning
from flarefree.errors import StatsError
from flarefree.results import AnalysisResult

__all__ = ["HOMES", "run_analysis"]

HOMES = {
    "participant_flow": "flow:analyze_flow",
    "populations": "populations:analyze_populations",
    "baseline_table": "baseline:analyze_baseline",
    "exposure": "exposure:analyze_exposure",
    "time_to_event": "time_to_event:analyze_time_to_event",
    "components": "components:analyze_components",
    "subgroups": "subgroups:analyze_subgroups",
    "withdrawals": "withdrawals:analyze_withdrawals",
    "adverse_events": "adverse_events:analyze_adverse_events",
    "course": "courses:analyze_course",
    "response_by_visit": "responses:analyze_responses",
    "change_from_baseline": "change_from_baseline:analyze_change",
    "dose_by_visit": "doses:analyze_doses",
    "laboratory_abnormalities": "laboratory:analyze_laboratory",
    "shifts": "shifts:analyze_shifts",
    "categories_by_visit": "categories:analyze_categories",
    "subjects_by_site": "sites:analyze_sites",
    "medications": "medications:analyze_medications",
    "agreement": "agreement:analyze_agreement",
    "mixed_model": "mixed_models:analyze_mixed_model",
    "logistic_mixed_model": "mixed_models:analyze_logistic_mixed_model",
}
"""Kinds of analysis of `flarefree.protocol.schema`, and the module and function of each."""

Run = Callable[[Trial, str, Any], AnalysisResult]


def run_analysis(trial: Trial, name: str) -> AnalysisResult:
    """Do the protocol's analysis `name`, with the sentences that asked for it."""
    spec = trial.spec.analyses[name]
    sentences = analysis_sentences(trial, name)
    if spec.kind not in HOMES:
        return not_yet_computed(name, spec, "This version cannot do this kind of analysis.", sentences)
    try:
        result = _function(spec.kind)(trial, name, spec)
        named = tuple(named_endpoints(spec))
        said = (*unmeasured_warning(trial, named), *implausible_warning(trial, named))
        return replace(result, sentences=sentences, warnings=(*said, *result.warnings))
    except NotComputableError as reason:
        return not_computable(name, spec, str(reason), sentences)
    except StatsError as trouble:
        return not_computable(
            name, spec, f"The statistic does not exist for these data: {trouble.what}.", sentences
        )


def _function(kind: str) -> Run:
    module, _, function = HOMES[kind].partition(":")
    found: Run = getattr(import_module(f"flarefree.analysis.{module}"), function)
    return found
