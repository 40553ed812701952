"""Whether an analysis asks for what the protocol has: populations, endpoints, measures, visits, drugs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from flarefree.protocol.naming import Names
from flarefree.protocol.schema import (
    Agreement,
    Analysis,
    BaselineTable,
    CategoriesByVisit,
    ChangeFromBaseline,
    Components,
    Course,
    DoseByVisit,
    Exposure,
    LaboratoryAbnormalities,
    LogisticMixedModel,
    MixedModel,
    Model,
    PopulationsTable,
    ResponseByVisit,
    Shifts,
    Subgroups,
    SubjectsBySite,
    TimeToEvent,
    WithdrawalsTable,
)

__all__ = ["FORMULA_WORDS", "check_analysis"]

FORMULA_WORDS = frozenset({"arm", "baseline", "change", "response", "subject", "value", "visit"})
"""What a model's formula may name beside the protocol's covariates; `subject` is the patient."""


def check_analysis(path: str, analysis: Analysis, names: Names) -> None:
    """Find everything that an analysis names.

    Raises
    ------
    ProtocolError
        It names something that the protocol does not have.
    """
    spec = names.spec
    names.require("population", analysis.population, spec.populations, f"{path}.population")
    _check_visits(path, analysis, names)
    match analysis:
        case PopulationsTable(of=populations):
            _each("population", populations, spec.populations, f"{path}.of", names)
        case BaselineTable(variables=variables):
            for i, variable in enumerate(variables):
                names.require_characteristic(variable.variable, f"{path}.variables.{i}.variable")
        case Exposure(among_events_of=endpoint) if endpoint:
            names.require_event(endpoint, f"{path}.among_events_of")
        case TimeToEvent() | Subgroups():
            _check_time_to_event(path, analysis, names)
        case Components(endpoints=endpoints):
            for i, name in enumerate(endpoints):
                _require_not_value(name, f"{path}.endpoints.{i}", names)
        case WithdrawalsTable():
            for i, name in enumerate(analysis.events):
                names.require_event(name, f"{path}.events.{i}")
            reasons = [*spec.withdrawals.reasons, "Completed"]
            _each("reason", analysis.test_reasons, reasons, f"{path}.test_reasons", names)
        case Course(measures=measures) | LaboratoryAbnormalities(measures=measures):
            _each("measure", measures, _measurable(names), f"{path}.measures", names)
        case Shifts():
            _check_shifts(path, analysis, names)
        case CategoriesByVisit():
            _check_categories(path, analysis, names)
        case SubjectsBySite(of=populations, site=site, pooled=pooled):
            _each("population", populations, spec.populations, f"{path}.of", names)
            names.require_characteristic(site, f"{path}.site")
            if pooled:
                names.require_characteristic(pooled, f"{path}.pooled")
        case MixedModel(measures=measures, formula=formula):
            _each("measure", measures, _measurable(names), f"{path}.measures", names)
            _check_formula(formula, f"{path}.formula", names)
        case ResponseByVisit(endpoint=endpoint):
            _require_state(endpoint, f"{path}.endpoint", names)
        case LogisticMixedModel(endpoint=endpoint, formula=formula):
            _require_state(endpoint, f"{path}.endpoint", names)
            _check_formula(formula, f"{path}.formula", names)
        case ChangeFromBaseline():
            _check_change(path, analysis, names)
        case DoseByVisit():
            _check_doses(path, analysis, names)
        case Agreement(endpoints=endpoints):
            for i, name in enumerate(endpoints):
                names.require_event(name, f"{path}.endpoints.{i}")


def _check_time_to_event(path: str, analysis: TimeToEvent | Subgroups, names: Names) -> None:
    names.require_event(analysis.endpoint, f"{path}.endpoint")
    by: Iterable[str] = analysis.by if isinstance(analysis, Subgroups) else analysis.strata
    key = "by" if isinstance(analysis, Subgroups) else "strata"
    for i, name in enumerate(by):
        names.require_characteristic(name, f"{path}.{key}.{i}")
    for i, model in enumerate(analysis.models):
        _check_model(f"{path}.models.{i}", model, names)


def _check_model(path: str, model: Model, names: Names) -> None:
    for i, name in enumerate(model.covariates):
        names.require_characteristic(name, f"{path}.covariates.{i}")
    for i, name in enumerate(model.strata):
        names.require_characteristic(name, f"{path}.strata.{i}")
    if model.cluster:
        names.require_characteristic(model.cluster, f"{path}.cluster")
    if model.type == "frailty" and not model.cluster:
        raise names.error("a frailty is shared within what?", path, expected="cluster: site, say")
    if model.type == "cox_stratified" and not model.strata:
        raise names.error("a stratified model needs its strata", path, expected="strata: [...]")


def _check_shifts(path: str, analysis: Shifts, names: Names) -> None:
    if not analysis.measures and not analysis.endpoints:
        raise names.error("shifts of what?", path, expected="measures: [...] or endpoints: [...]")
    _each("measure", analysis.measures, names.spec.measures, f"{path}.measures", names)
    for i, endpoint in enumerate(analysis.endpoints):
        _require_state(endpoint, f"{path}.endpoints.{i}", names)


def _check_categories(path: str, analysis: CategoriesByVisit, names: Names) -> None:
    names.require("measure", analysis.measure, names.spec.measures, f"{path}.measure")
    for i, stratum in enumerate(analysis.strata):
        names.require_characteristic(stratum, f"{path}.strata.{i}")
    if len(set(analysis.categories.values())) < len(analysis.categories):
        raise names.error("two categories mean the same value", f"{path}.categories")


def _check_change(path: str, analysis: ChangeFromBaseline, names: Names) -> None:
    names.require("measure", analysis.measure, _measurable(names), f"{path}.measure")
    names.require_visit(analysis.visit, f"{path}.visit")
    names.require_visit(analysis.baseline_visit, f"{path}.baseline_visit")
    for i, factor in enumerate(analysis.factors):
        names.require_characteristic(factor, f"{path}.factors.{i}")
    if analysis.dose and set(analysis.dose) != set(names.spec.arms):
        raise names.error(
            "the dose of each arm is needed for the test of dose response",
            f"{path}.dose",
            found=", ".join(analysis.dose),
            expected=", ".join(names.spec.arms),
        )


def _check_doses(path: str, analysis: DoseByVisit, names: Names) -> None:
    drugs = sorted({regimen.drug for arm in names.spec.arms.values() for regimen in arm.regimens})
    names.require("drug", analysis.drug, drugs, f"{path}.drug")
    if analysis.trough:
        names.require("measure", analysis.trough, names.spec.measures, f"{path}.trough")
    if analysis.arm:
        names.require("arm", analysis.arm, names.spec.arms, f"{path}.arm")


def _check_visits(path: str, analysis: Any, names: Names) -> None:
    for i, visit in enumerate(getattr(analysis, "visits", ())):
        names.require_visit(visit, f"{path}.visits.{i}")


def _check_formula(formula: str, path: str, names: Names) -> None:
    """Names in a formula; functions such as `us(visit | subject)` belong to the model."""
    known = FORMULA_WORDS | set(names.spec.covariates) | {"site", "region", "country"}
    for match in re.finditer(r"[A-Za-z_]\w*(?!\w)(?!\s*\()", formula):
        if match[0] not in known:
            raise names.unknown("column", match[0], sorted(known), path)
    if "~" not in formula:
        raise names.error("this is no formula", path, found=formula, expected="response ~ terms")


def _measurable(names: Names) -> list[str]:
    """Measures, and endpoints that are values."""
    values = [name for name, endpoint in names.spec.endpoints.items() if endpoint.kind == "value"]
    return [*names.spec.measures, *values]


def _require_state(name: str, path: str, names: Names) -> None:
    names.require("endpoint", name, names.spec.endpoints, path)
    kind = names.spec.endpoints[name].kind
    if kind != "state":
        article = "an" if kind == "event" else "a"
        raise names.error(
            f"{name} is {article} {kind}, not a state", path, found=name, expected="an endpoint with state:"
        )


def _require_not_value(name: str, path: str, names: Names) -> None:
    names.require("endpoint", name, names.spec.endpoints, path)
    if names.spec.endpoints[name].kind == "value":
        raise names.error(f"{name} is a value, which has no events", path, found=name)


def _each(thing: str, given: Iterable[str], known: Iterable[str], path: str, names: Names) -> None:
    options = list(known)
    for i, name in enumerate(given):
        names.require(thing, name, options, f"{path}.{i}")
