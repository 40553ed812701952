"""Whether the parts of a protocol fit together: every name that one part gives another is found.

Stops at the first that is not, with its line and what may have been meant.
"""

from __future__ import annotations

from collections import Counter

from flarefree.protocol.analysis_checks import check_analysis
from flarefree.protocol.language.messages import suggest
from flarefree.protocol.language.words import RESERVED
from flarefree.protocol.naming import Names
from flarefree.protocol.schema import Covariate, EndpointSpec, MeasureSpec, Protocol
from flarefree.protocol.yaml_source import YamlSource
from flarefree.units import normalize_unit, unit_names

__all__ = ["check_consistency"]

STUDY_TABLES = (
    "subjects", "observations", "exposures", "adverse_events", "medications", "procedures", "clinical_events",
    "dispositions", "visits", "medical_history", "decisions",
)  # fmt: skip
"""Names of `flarefree.records.tables`; a test holds the two together."""

_MOST_DIGITS = 10


def check_consistency(spec: Protocol, source: YamlSource) -> None:
    """Find every name that a part of the protocol gives another, and what else must fit.

    Raises
    ------
    ProtocolError
        Something is named that is not there, or two things have one name.
    """
    names = Names(spec, source)
    _check_names(spec, names)
    _check_arms(spec, names)
    _check_schedule(spec, names)
    for name, measure in spec.measures.items():
        _check_measure(name, measure, names)
    _check_tests(spec, names)
    for name, covariate in spec.covariates.items():
        _check_covariate(name, covariate, names)
    for name, endpoint in spec.endpoints.items():
        _check_endpoint(name, endpoint, names)
    for name, analysis in spec.analyses.items():
        check_analysis(f"analyses.{name}", analysis, names)
    _check_report(spec, names)


def _check_names(spec: Protocol, names: Names) -> None:
    """Measures, covariates, endpoints share one set of names: a sentence must know which is meant."""
    seen: dict[str, str] = {}
    for section in ("measures", "covariates", "endpoints"):
        for name in getattr(spec, section):
            path = f"{section}.{name}"
            if name in RESERVED:
                raise names.error("this name is a word of the endpoint language", path, found=name)
            if name == "death" and not (
                section == "endpoints" and spec.endpoints[name].when.strip() == "death"
            ):
                raise names.error(
                    "death is a word of the endpoint language", path, expected="death: {when: death}"
                )
            if name in seen:
                raise names.error(
                    f"{name} is a name of {seen[name]} already",
                    path,
                    expected="measures, covariates and endpoints with names of their own",
                    try_=f"baseline_{name}" if section == "covariates" else "",
                )
            seen[name] = section


def _check_arms(spec: Protocol, names: Names) -> None:
    if spec.reference_arm not in spec.arms:
        raise names.unknown("arm", spec.reference_arm, spec.arms, "reference_arm")
    known = {
        key: {code.casefold() for code in (key, arm.label, *arm.codes)} for key, arm in spec.arms.items()
    }
    times = Counter(code for codes in known.values() for code in codes)
    for key, codes in known.items():
        for code in sorted(codes):
            if times[code] > 1:
                raise names.error("two arms have this name", f"arms.{key}", found=code)
    if spec.randomization is not None:
        path = "randomization"
        for arm_key in spec.randomization.ratio:
            names.require("arm", arm_key, spec.arms, f"{path}.ratio.{arm_key}")
        for i, stratum in enumerate(spec.randomization.strata):
            names.require("covariate", stratum, spec.covariates, f"{path}.strata.{i}")
    if spec.dosing.trough_measure:
        names.require("measure", spec.dosing.trough_measure, spec.measures, "dosing.trough_measure")


def _check_schedule(spec: Protocol, names: Names) -> None:
    visits = spec.schedule.visits
    if not visits:
        raise names.error("the schedule has no visits", "schedule.visits", expected="at least one visit")
    for attribute in ("name", "number"):
        times = Counter(getattr(visit, attribute) for visit in visits)
        for i, visit in enumerate(visits):
            if times[getattr(visit, attribute)] > 1:
                found = str(getattr(visit, attribute))
                raise names.error(f"two visits have this {attribute}", f"schedule.visits.{i}", found=found)
    for i, visit in enumerate(visits):
        first = visit.day if visit.first_day is None else visit.first_day
        last = visit.day if visit.last_day is None else visit.last_day
        if not first <= visit.day <= last:
            found = f"day {visit.day}, window {first} to {last}"
            raise names.error("a visit's day is outside its window", f"schedule.visits.{i}", found=found)
        if visit.last_day is not None:
            for later in visits[i + 1 :]:
                if later.day > visit.day and later.first_day is not None and later.first_day <= last:
                    raise names.error(
                        "the windows of two visits overlap",
                        f"schedule.visits.{i}",
                        found=f"{visit.name} to day {last}, {later.name} from day {later.first_day}",
                        expected="every day in one visit's window at most",
                    )
    for i, name in enumerate(spec.baseline.visits):
        names.require_visit(name, f"baseline.visits.{i}")
    for key, epoch in spec.epochs.items():
        if None not in (epoch.first_day, epoch.last_day) and (epoch.first_day or 0) > (epoch.last_day or 0):
            raise names.error("an epoch ends before it begins", f"epochs.{key}")


def _check_measure(name: str, measure: MeasureSpec, names: Names) -> None:
    path = f"measures.{name}"
    _require_unit(measure.unit, f"{path}.unit", names)
    _require_unit(measure.unit_if_missing, f"{path}.unit_if_missing", names)
    for key in ("plausible", "normal"):
        _require_order(getattr(measure, key), f"{path}.{key}", names)
    for sex, limits in measure.normal_by_sex.items():
        _require_order(limits, f"{path}.normal_by_sex.{sex}", names)
    if measure.type == "grade" and not measure.grades:
        raise names.error("a grade needs its grades", path, expected="grades: {A: 5, B: 4 ...}")
    if measure.digits is not None and not 0 <= measure.digits <= _MOST_DIGITS:
        raise names.error(
            "digits are those after the decimal point",
            f"{path}.digits",
            found=str(measure.digits),
            expected=f"0 to {_MOST_DIGITS}",
        )
    sources = [key for key in ("tests", "equation", "score") if getattr(measure, key)]
    if len(sources) != 1:
        found = " and ".join(sources) or "none of them"
        raise names.error(
            "a measure comes from one source", path, found=found, expected="tests, equation or score"
        )
    if measure.equation and "creatinine" not in names.spec.measures:
        expected = "a measure called creatinine"
        raise names.error("the equation needs creatinine", f"{path}.equation", expected=expected)


def _check_tests(spec: Protocol, names: Names) -> None:
    """One test, one measure; of two measures that share a test, each says which category it takes."""
    readers: dict[str, list[str]] = {}
    for name, measure in spec.measures.items():
        for i, test in enumerate(measure.tests):
            for other in readers.get(test.casefold(), ()):
                if other == name or spec.measures[other].category == measure.category:
                    raise names.error(
                        f"{other} is read from this test already",
                        f"measures.{name}.tests.{i}",
                        found=test,
                        expected="each test once, or measures of different categories",
                    )
            readers.setdefault(test.casefold(), []).append(name)


def _require_unit(unit: str, path: str, names: Names) -> None:
    if normalize_unit(unit) is None:
        hint = suggest(unit, unit_names())
        raise names.error("this unit is not known", path, found=unit, try_=hint)


def _require_order(limits: tuple[float | None, float | None], path: str, names: Names) -> None:
    low, high = limits
    if low is not None and high is not None and low > high:
        raise names.error("the lower limit is above the upper", path, found=f"{low} to {high}")


def _check_covariate(name: str, covariate: Covariate, names: Names) -> None:
    path = f"covariates.{name}"
    spec = names.spec
    if covariate.from_measure:
        names.require("measure", covariate.from_measure, spec.measures, f"{path}.from_measure")
    if covariate.of:
        names.require("covariate", covariate.of, spec.covariates, f"{path}.of")
        if spec.covariates[covariate.of].of:
            found = f"{name} of {covariate.of} of {spec.covariates[covariate.of].of}"
            raise names.error("a covariate is made of one that is made of another", f"{path}.of", found=found)
    sources = [key for key in ("from_measure", "column", "of", "when") if getattr(covariate, key)]
    if len(sources) > 1:
        raise names.error("a covariate comes from one source", path, found=" and ".join(sources))
    if covariate.cut:
        if not covariate.of and not covariate.from_measure and not covariate.column:
            raise names.error("cut what?", f"{path}.cut", expected="of: a covariate that is a number")
        if len(covariate.cut_labels) != len(covariate.cut) + 1:
            found = f"{len(covariate.cut)} cut points, {len(covariate.cut_labels)} labels"
            raise names.error(
                "cut points and labels do not fit", path, found=found, expected="one label more"
            )
        if list(covariate.cut) != sorted(set(covariate.cut)):
            raise names.error("cut points are not in order", f"{path}.cut")
    _require_unit(covariate.unit, f"{path}.unit", names)
    if covariate.default:
        _check_default(covariate, path, names)


def _check_default(covariate: Covariate, path: str, names: Names) -> None:
    """A default is for what is read from the subjects' file, and is one of the covariate's own values."""
    found = covariate.default
    if covariate.from_measure or covariate.of or covariate.when:
        raise names.error("only a covariate that is read from a column has a default", f"{path}.default")
    if covariate.type == "number" or covariate.cut:
        try:
            float(found)
        except ValueError:
            raise names.error(
                "the covariate is a number", f"{path}.default", found=found, expected="a number"
            ) from None
    elif covariate.levels:
        names.require("level", found, covariate.levels, f"{path}.default")


def _check_endpoint(name: str, endpoint: EndpointSpec, names: Names) -> None:
    path = f"endpoints.{name}"
    for i, component in enumerate(endpoint.first_of):
        names.require_event(component, f"{path}.first_of.{i}")
    for i, other in enumerate(endpoint.censor_at):
        names.require_event(other, f"{path}.censor_at.{i}")
    _require_unit(endpoint.unit, f"{path}.unit", names)
    if endpoint.unit and endpoint.kind != "value":
        raise names.error("only a value has a unit", f"{path}.unit")
    if endpoint.adjudicated and endpoint.kind not in ("event", "composite"):
        raise names.error(f"a {endpoint.kind} is not adjudicated", f"{path}.adjudicated", expected="an event")


def _check_report(spec: Protocol, names: Names) -> None:
    sections = spec.report.sections
    for name, analysis in spec.analyses.items():
        if sections and analysis.section not in sections:
            raise names.unknown("section", analysis.section, sections, f"analyses.{name}.section")
    for arm in spec.report.colors:
        names.require("arm", arm, spec.arms, f"report.colors.{arm}")
    for i, preference in enumerate(spec.sources):
        names.require("table", preference.table, STUDY_TABLES, f"sources.{i}.table")
