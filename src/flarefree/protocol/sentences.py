"""All sentences of a protocol: parsed, checked, and its endpoints put in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flarefree.errors import LanguageError, ProtocolError
from flarefree.protocol.language.checking import Scope, check_condition, check_records, check_value
from flarefree.protocol.language.messages import SentenceError
from flarefree.protocol.language.nodes import Holds, Measure, Node, Records, RecordTable, SubjectFact
from flarefree.protocol.language.parsing import parse_condition, parse_record_condition, parse_value
from flarefree.protocol.language.vocabulary import Vocabulary
from flarefree.protocol.language.walking import walk
from flarefree.protocol.schema import Protocol
from flarefree.protocol.yaml_source import YamlSource

__all__ = ["ordered_endpoints", "read_sentences"]


@dataclass(frozen=True, slots=True)
class _Written:
    """A sentence as the file has it, its path, and how it is read."""

    path: str
    text: str
    read: Callable[[str, Vocabulary], Node]


def read_sentences(spec: Protocol, source: YamlSource) -> dict[str, Node]:
    """Every sentence by its path, with names found and units reconciled.

    Raises
    ------
    LanguageError
        The first sentence that cannot be read or makes no sense, with its line and a caret.
    """
    names = Vocabulary.of(spec)
    return {written.path: _read(written, names, source) for written in _all_sentences(spec)}


def _read(written: _Written, names: Vocabulary, source: YamlSource) -> Node:
    try:
        return written.read(written.text, names)
    except SentenceError as error:
        line = source.line_within(written.path, written.text, error.span.start)
        raise LanguageError(
            error.what,
            where=source.place(written.path, line),
            found=error.found,
            expected=error.expected,
            try_=error.try_,
        ) from None


def _all_sentences(spec: Protocol) -> Iterator[_Written]:
    for name, covariate in spec.covariates.items():
        if covariate.when:
            yield _Written(f"covariates.{name}.when", covariate.when, _assessed)
    for name, endpoint in spec.endpoints.items():
        path = f"endpoints.{name}"
        if endpoint.when:
            yield _Written(f"{path}.when", endpoint.when, _assessed)
        if endpoint.state:
            yield _Written(f"{path}.state", endpoint.state, _assessed)
        if endpoint.value:
            yield _Written(f"{path}.value", endpoint.value, _value_in(endpoint.unit))
    for name, criterion in spec.eligibility.items():
        if criterion.when:
            yield _Written(f"eligibility.{name}.when", criterion.when, _screened)
    for name, population in spec.populations.items():
        yield _Written(f"populations.{name}.when", population.when, _of_subjects)
    if spec.withdrawals.completed_when:
        yield _Written("withdrawals.completed_when", spec.withdrawals.completed_when, _of_subjects)
    for name, analysis in spec.analyses.items():
        path = f"analyses.{name}"
        if analysis.kind == "adverse_events":
            yield _Written(f"{path}.where", analysis.where, _of_adverse_events)
            for i, group in enumerate(analysis.groups):
                if group.where:
                    yield _Written(f"{path}.groups.{i}.where", group.where, _of_adverse_events)
        if analysis.kind == "medications" and analysis.where:
            yield _Written(f"{path}.where", analysis.where, _of_medications)
        if analysis.kind == "change_from_baseline" and analysis.only:
            yield _Written(f"{path}.only", analysis.only, _of_subjects)


def _assessed(text: str, names: Vocabulary) -> Node:
    return check_condition(parse_condition(text), text, names)


def _screened(text: str, names: Vocabulary) -> Node:
    """At screening there are values and what the patient is, and nothing that begins after day 1."""
    node = _assessed(text, names)
    events = {name for name, kind in names.endpoints.items() if kind in ("event", "composite")}
    for part in walk(node):
        if isinstance(part, Records | SubjectFact) or (isinstance(part, Holds) and part.name in events):
            raise SentenceError(
                "this is not known at screening",
                part.span,
                text,
                expected="measures, characteristics of the patient, states",
            )
    return node


def _of_subjects(text: str, names: Vocabulary) -> Node:
    return check_condition(parse_condition(text), text, names, Scope.SUBJECT)


def _of_adverse_events(text: str, names: Vocabulary) -> Node:
    return check_records(parse_record_condition(text), text, RecordTable.ADVERSE_EVENT)


def _of_medications(text: str, names: Vocabulary) -> Node:
    return check_records(parse_record_condition(text), text, RecordTable.MEDICATION)


def _value_in(unit: str) -> Callable[[str, Vocabulary], Node]:
    return lambda text, names: check_value(parse_value(text), text, names, unit)


# Order ----------------------------------------------------------------------------------------------


def ordered_endpoints(spec: Protocol, sentences: dict[str, Node], source: YamlSource) -> tuple[str, ...]:
    """Endpoints so ordered that each comes after those that it names.

    Raises
    ------
    ProtocolError
        Endpoints that name one another in a circle; the whole circle is named.
    """
    needs = {name: _named_by(name, spec, sentences) for name in spec.endpoints}
    ordered: list[str] = []
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            raise _circle((*trail[trail.index(name) :], name), source)
        if name in done:
            return
        for needed in needs[name]:
            visit(needed, (*trail, name))
        done.add(name)
        ordered.append(name)

    for name in spec.endpoints:
        visit(name, ())
    return tuple(ordered)


def _named_by(name: str, spec: Protocol, sentences: dict[str, Node]) -> tuple[str, ...]:
    endpoint = spec.endpoints[name]
    named = list(endpoint.first_of) + list(endpoint.censor_at)
    for part in ("when", "state", "value"):
        node = sentences.get(f"endpoints.{name}.{part}")
        if node is not None:
            named += [inner.name for inner in walk(node) if isinstance(inner, Holds | Measure)]
    return tuple(dict.fromkeys(other for other in named if other in spec.endpoints))


def _circle(circle: tuple[str, ...], source: YamlSource) -> ProtocolError:
    return ProtocolError(
        "these endpoints are defined by one another"
        if len(circle) > 2
        else f"{circle[0]} is defined by itself",
        where=source.place(f"endpoints.{circle[0]}"),
        found=" -> ".join(circle),
        expected="endpoints that rest on measures and records in the end",
        try_="was(...) of a measure's condition instead of the endpoint's own name"
        if len(circle) == 2
        else "",
    )
