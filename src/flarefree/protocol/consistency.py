"""Whether the parts of a protocol fit together: every name that one part gives another is found.

Stops at the first that is not, with its line and what may have been meant.
"""

from __future__ import annotations

from collections import Counter

from flarefree.protocol.analysis_checks import check_analysis
from flarefree.protocol.dosing_checks import check_dosing
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
    check_dosing(spec, names)
    _check_adjudication(spec, names)
    _check_schedule(spec, names)
    for name, measure in spec.measures.items():
        _check_measure(name, measure, names)
    _check_tests(spec, names)
    _check_labels(spec, names)
    _check_sample_size(spec, names)
    for name, covariate in spec.covariates.items():
        _check_covariate(name, covariate, names)
    for name, endpoint in spec.endpoints.items():
        _check_endpoint(name, endpoint, names)
    for name, analysis in spec.analyses.items():
        check_analysis(f"analyses.{name}", analysis, names)
    _check_eligibility(spec, names)
    _check_report(spec, names)


def _check_eligibility(spec: Protocol, names: Names) -> None:
    for name, criterion in spec.eligibility.items():
        if criterion.is_judged and criterion.within is not None:
            raise names.error(
                "the investigator judges this rule, and no value is read for it",
                f"eligibility.{name}.within",
                expected="a sentence (`when`), or no `within`",
            )


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
        _check_scheme(spec, names)
    if spec.dosing.trough_measure:
        names.require("measure", spec.dosing.trough_measure, spec.measures, "dosing.trough_measure")


def _check_adjudication(spec: Protocol, names: Names) -> None:
    """The committee's allow-list names what there is, and no trough: it tells the arm."""
    dossier = spec.adjudication.dossier
    for i, measure in enumerate(dossier.measures):
        path = f"adjudication.dossier.measures.{i}"
        names.require("measure", measure, spec.measures, path)
        if measure == spec.dosing.trough_measure:
            raise names.error("the drug's level tells the arm", path, found=measure)
    for i, covariate in enumerate(dossier.covariates):
        names.require("covariate", covariate, spec.covariates, f"adjudication.dossier.covariates.{i}")


_NUMBERS_OF_SCHEMES = {
    "permuted_blocks": ("sizes",),
    "efron": ("p",),
    "big_stick": ("limit",),
    "biased_coin": ("limit", "p"),
    "maximal": ("limit", "ends_balanced"),
    "minimization": ("p",),
}


def _check_scheme(spec: Protocol, names: Names) -> None:
    """A number that its scheme does not use would be read by nobody: it is refused."""
    if spec.randomization is None or spec.randomization.scheme is None:
        return
    scheme, path = spec.randomization.scheme, "randomization.scheme"
    own = _NUMBERS_OF_SCHEMES.get(scheme.kind, ())
    for key in ("sizes", "limit", "p", "ends_balanced"):
        if getattr(scheme, key) not in (None, ()) and key not in own:
            raise names.error(
                f"{scheme.kind} has no {key}", f"{path}.{key}", expected=", ".join(own) or "no numbers"
            )
    whole = sum(spec.randomization.ratio.values())
    for i, size in enumerate(scheme.sizes):
        if size % whole:
            raise names.error(
                "a block of this size cannot hold the allocation ratio",
                f"{path}.sizes.{i}",
                found=str(size),
                expected=f"a multiple of {whole}",
            )


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
        _require_days("an epoch", epoch.first_day, epoch.last_day, f"epochs.{key}", names)
    _require_days("the baseline", spec.baseline.first_day, spec.baseline.last_day, "baseline", names)
    _check_codes_of_visits(spec, names)


def _require_days(what: str, first: int | None, last: int | None, path: str, names: Names) -> None:
    if first is not None and last is not None and first > last:
        found = f"first_day: {first}, last_day: {last}"
        raise names.error(
            f"{what} ends before it begins",
            path,
            found=found,
            expected="the earlier day first",
            try_=f"first_day: {last}, last_day: {first}",
        )


def _check_codes_of_visits(spec: Protocol, names: Names) -> None:
    """A row's visit is found by name or code: one that two visits have finds none of them."""
    seen: dict[str, str] = {}
    schedule = spec.schedule
    paths = {f"schedule.visits.{i}": visit for i, visit in enumerate(schedule.visits)} | {
        f"schedule.at_events.{i}": visit for i, visit in enumerate(schedule.at_events)
    }
    for path, visit in paths.items():
        for code in {name.casefold(): name for name in (visit.name, *visit.codes)}.values():
            if code.casefold() in seen:
                raise names.error(
                    "two visits have this name or code",
                    path,
                    found=f"{code}, which {seen[code.casefold()]} has too",
                    expected="each name and code for one visit",
                )
            seen[code.casefold()] = visit.name


def _check_measure(name: str, measure: MeasureSpec, names: Names) -> None:
    path = f"measures.{name}"
    _require_unit(measure.unit, f"{path}.unit", names)
    _require_unit(measure.unit_if_missing, f"{path}.unit_if_missing", names)
    if measure.type == "grade" and not measure.grades:
        raise names.error("a grade needs its grades", path, expected="grades: {A: 5, B: 4 ...}")
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


def _check_labels(spec: Protocol, names: Names) -> None:
    """Tables and figures show labels alone: of two that are alike a reader sees which is meant nowhere."""
    for section in ("measures", "endpoints"):
        seen: dict[str, str] = {}
        for name, part in getattr(spec, section).items():
            label = " ".join(part.label.split()).casefold()
            if label in seen:
                raise names.error(
                    f"{seen[label]} has this label already",
                    f"{section}.{name}.label",
                    found=part.label,
                    expected=f"{section} with labels of their own",
                )
            seen[label] = name


def _check_sample_size(spec: Protocol, names: Names) -> None:
    """What is assumed of an arm is a share of its patients; other keys are the calculation's own."""
    for key, value in (spec.sample_size.assumed if spec.sample_size else {}).items():
        if key in spec.arms and not 0 < value < 1:
            raise names.error(
                "what is assumed of an arm is the share of its patients who have the event",
                f"sample_size.assumed.{key}",
                found=f"{value:g}",
                expected="a number between 0 and 1",
                try_=f"{key}: {value / 100:g}" if 1 < value < 100 else f"{key}: 0.3",
            )


def _require_unit(unit: str, path: str, names: Names) -> None:
    if normalize_unit(unit) is None:
        hint = suggest(unit, unit_names())
        raise names.error("this unit is not known", path, found=unit, try_=hint)


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
    if covariate.cut_labels and not covariate.cut:
        raise names.error("labels of what?", f"{path}.cut_labels", expected="cut: the points between them")
    _check_levels(covariate, path, names)
    if covariate.cut:
        if not covariate.of and not covariate.from_measure and not covariate.column:
            raise names.error("cut what?", f"{path}.cut", expected="of: a covariate that is a number")
        if len(covariate.cut_labels) != len(covariate.cut) + 1:
            found = f"{len(covariate.cut)} cut points, {len(covariate.cut_labels)} labels"
            raise names.error(
                "cut points and labels do not fit", path, found=found, expected="one label more"
            )
        if list(covariate.cut) != sorted(set(covariate.cut)):
            raise names.error(
                "cut points are not in order",
                f"{path}.cut",
                found=", ".join(f"{point:g}" for point in covariate.cut),
                expected="each above the one before",
                try_=f"cut: [{', '.join(f'{point:g}' for point in sorted(set(covariate.cut)))}]",
            )
    _require_unit(covariate.unit, f"{path}.unit", names)
    if covariate.default:
        _check_default(covariate, path, names)


def _check_levels(covariate: Covariate, path: str, names: Names) -> None:
    """A text of the data means one level."""
    seen: dict[str, str] = {}
    for level, texts in covariate.levels.items():
        for text in {text.casefold(): text for text in (level, *texts)}.values():
            if text.casefold() in seen:
                raise names.error(
                    "two levels have this text",
                    f"{path}.levels.{level}",
                    found=f"{text}, which {seen[text.casefold()]} has too",
                    expected="each text for one level",
                )
            seen[text.casefold()] = level


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
    _require_days(f"the time of {name}", endpoint.first_day, endpoint.last_day, path, names)
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
