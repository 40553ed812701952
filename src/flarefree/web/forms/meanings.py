"""What results mean: the measure of a test, its field in the role matrix, the number that was written.

Numbers are read by the rules by which files are read, so what the record holds and what an analysis reads
of its export are one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from flarefree.conduct.rule_taint import revealing_measures
from flarefree.protocol.language.nodes import Holds, Measure, Reference
from flarefree.protocol.language.walking import walk
from flarefree.units import convert, is_convertible, normalize_unit

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.protocol.schema import MeasureSpec, Protocol

__all__ = [
    "EFFICACY",
    "SAFETY",
    "SCORES",
    "Written",
    "entered_measures",
    "field_of",
    "in_unit_of",
    "kind_of",
    "measure_of_test",
    "numbers_of",
    "values_of",
]

EFFICACY, SAFETY, SCORES = "labs.efficacy", "labs.safety", "scores.record"
"""Fields of the role matrix: what end points rest on, what only safety does, examinations that are scored."""


_T = TypeVar("_T")


def _once_a_protocol(made: Callable[[LoadedProtocol], _T]) -> Callable[[LoadedProtocol], _T]:
    """A protocol is not hashable, its digest is; an installation knows few."""
    known: dict[str, _T] = {}

    @wraps(made)
    def find(protocol: LoadedProtocol) -> _T:
        if protocol.digest not in known:
            known[protocol.digest] = made(protocol)
        return known[protocol.digest]

    return find


@_once_a_protocol
def _tests(protocol: LoadedProtocol) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, measure in protocol.spec.measures.items():
        for test in (name, *measure.tests):
            found.setdefault(_plain(test), name)
    return MappingProxyType(found)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def measure_of_test(protocol: LoadedProtocol, test: str) -> str:
    """The measure that a test's code, or the measure's own name, means; empty if the protocol has none."""
    return _tests(protocol).get(_plain(test), "")


@_once_a_protocol
def entered_measures(protocol: LoadedProtocol) -> tuple[str, ...]:
    """Measures that somebody enters: not those that are computed, nor those that give the arm away."""
    revealing = revealing_measures(protocol)
    return tuple(
        name
        for name, measure in protocol.spec.measures.items()
        if not (measure.equation or measure.score) and name not in revealing
    )


def kind_of(protocol: LoadedProtocol, measure: str) -> str:
    """`score` for what is graded by an examiner, `lab` for all else."""
    return "score" if field_of(protocol, measure) == SCORES else "lab"


def field_of(protocol: LoadedProtocol, measure: str) -> str:
    """The field of the role matrix that a measure's values belong to."""
    spec = protocol.spec.measures[measure]
    if _is_score(spec):
        return SCORES
    return EFFICACY if measure in _efficacy(protocol) else SAFETY


def _is_score(spec: MeasureSpec) -> bool:
    """Grades in letters, as BILAG's, and numbers without a unit, as SLEDAI's."""
    if spec.type == "grade":
        return all(text.isalpha() and len(text) == 1 for text in spec.grades)
    return spec.type == "number" and not spec.unit


@_once_a_protocol
def _efficacy(protocol: LoadedProtocol) -> frozenset[str]:
    """Measures that an end point rests on, that the committee sees, or whose course is shown as efficacy."""
    spec = protocol.spec
    found = set(spec.adjudication.dossier.measures)
    for name in _efficacy_endpoints(spec):
        found |= set(_read_by(protocol, f"endpoints.{name}"))
    for name in spec.covariates:
        found |= set(_read_by(protocol, f"covariates.{name}"))
    for analysis in spec.analyses.values():
        if analysis.purpose != "safety":
            found |= set(getattr(analysis, "measures", ()))
    if any(spec.measures[name].equation for name in found if name in spec.measures):
        found.add("creatinine")
    return frozenset(found)


def _efficacy_endpoints(spec: Protocol) -> Iterator[str]:
    for name, endpoint in spec.endpoints.items():
        if endpoint.adjudicated:
            yield name
    for analysis in spec.analyses.values():
        if analysis.purpose != "safety":
            named = getattr(analysis, "endpoint", "") or ""
            yield from (name for name in (named, *getattr(analysis, "endpoints", ())) if name)


def _read_by(protocol: LoadedProtocol, path: str) -> Iterator[str]:
    """Measures that an endpoint or a covariate reads, through all that it names."""
    section, _, own = path.partition(".")
    endpoint = protocol.spec.endpoints.get(own) if section == "endpoints" else None
    for component in endpoint.first_of if endpoint is not None else ():
        yield from _read_by(protocol, f"endpoints.{component}")
    for part in ("when", "state", "value"):
        node = protocol.sentences.get(f"{path}.{part}")
        for inner in walk(node) if node is not None else ():
            name = inner.measure.name if isinstance(inner, Reference) else getattr(inner, "name", "")
            if name in protocol.spec.measures:
                yield name
            elif isinstance(inner, Holds | Measure) and name != own and name in protocol.spec.endpoints:
                yield from _read_by(protocol, f"endpoints.{name}")


_PLAIN_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


# Numbers ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """A result as it was written."""

    measure: str
    value: str
    unit: str = ""


def numbers_of(spec: MeasureSpec, texts: Iterable[str]) -> tuple[float | None, ...]:
    """What results of a measure mean, before any change of unit; None where they mean nothing."""
    texts = tuple(texts)
    if spec.type == "number" and all(map(_PLAIN_NUMBER.fullmatch, texts)):
        return tuple(map(float, texts))  # most results; a table's reader is slow for one
    import polars as pl

    from flarefree.readers.values import NO_WORDS, YES_WORDS, beyond_limits, code_texts, read_numbers

    column = pl.Series("written", list(texts), dtype=pl.String)
    if not len(column):
        return ()
    if spec.type == "number":
        read = read_numbers(column)
        return tuple(beyond_limits(read["number"], read["form"]).to_list())
    meanings: dict[str, Any] = dict(spec.grades)
    if spec.type == "yes_no":
        meanings = dict.fromkeys((*NO_WORDS, *spec.no), 0.0) | dict.fromkeys((*YES_WORDS, *spec.yes), 1.0)
    if spec.type == "text":
        return (None,) * len(column)
    return tuple(code_texts(column, meanings).to_list())


def in_unit_of(protocol: LoadedProtocol, measure: str, number: float | None, unit: str) -> float | None:
    """A number in the unit of its measure; None where the unit does not become it."""
    spec = protocol.spec.measures[measure]
    if number is None or spec.type != "number":
        return number
    written = unit or spec.unit
    names = (measure, *spec.tests)
    if normalize_unit(written) is None or not is_convertible(written, spec.unit, names):
        return number if _plain(written) == _plain(spec.unit) else None
    return float(convert(number, written, spec.unit, names))


def values_of(protocol: LoadedProtocol, results: Iterable[Written]) -> tuple[float | None, ...]:
    """Many results in the protocol's units, in their order; each measure is read at once."""
    told = tuple(results)
    places: dict[str, list[int]] = {}
    for i, result in enumerate(told):
        places.setdefault(result.measure, []).append(i)
    found: list[float | None] = [None] * len(told)
    for measure, at in places.items():
        spec = protocol.spec.measures.get(measure)
        if spec is None:
            continue
        for i, number in zip(at, numbers_of(spec, (told[i].value for i in at)), strict=True):
            found[i] = in_unit_of(protocol, measure, number, told[i].unit)
    return tuple(found)
