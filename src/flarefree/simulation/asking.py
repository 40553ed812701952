"""What a protocol asks of virtual patients, compiled once: sentences, records, measures, who must be told.

A sentence about visits is evaluated on panels by the one `Evaluator`; a sentence about records is put to
specimens of every happening (`specimens.py`).  Which events are a flare that somebody suspects, which are
loss of function, is read from the measures that a sentence names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from flarefree.endpoints.context import Context
from flarefree.endpoints.events import split_sentence
from flarefree.errors import DesignError, NotFoundError
from flarefree.protocol.language.messages import suggest
from flarefree.protocol.language.nodes import (
    Comparison,
    Confirmed,
    Holds,
    Measure,
    Node,
    Records,
    Reference,
    SubjectFact,
    Sustained,
)
from flarefree.protocol.language.walking import walk
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.schema import EndpointSpec
from flarefree.simulation.specimens import kinds_meant

__all__ = ["Nature", "Plan", "Question", "ask", "primary_endpoint"]


class Nature(StrEnum):
    """What an event says about the patient, by the measures that its sentence names."""

    ACTIVITY = "activity"
    """Renal activity: a flare, if a committee agrees."""
    FUNCTION = "function"
    """Loss of kidney function: creatinine and eGFR alone."""
    EXTRARENAL = "extrarenal"
    """Activity outside the kidney."""
    RECORDS = "records"
    """Told by a record."""


_FUNCTION = frozenset({"creatinine", "egfr"})
_URINE = frozenset(
    {
        "proteinuria", "upcr", "red_cells", "white_cells", "dipstick_blood", "red_cell_casts",
        "white_cell_casts", "cellular_casts",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """One event or composite endpoint.

    Attributes
    ----------
    dated : tuple of Node
        Parts of its sentence that have days of their own: records, other events.
    on_visits : Node or None
        The rest of it, which assessments decide.
    nature : Nature
    is_second : bool
        Its visits' sentence names events or records, so it waits until it is known what people did.
    """

    name: str
    spec: EndpointSpec
    dated: tuple[Node, ...]
    on_visits: Node | None
    nature: Nature
    is_second: bool

    @property
    def first_day(self) -> int:
        """Earliest day of an onset on visits."""
        return 2 if self.spec.first_day is None else self.spec.first_day


@dataclass(frozen=True)
class Question:
    """A protocol as virtual patients are asked it.

    Attributes
    ----------
    name : str
        What the definition is called in results; empty for the protocol's own.
    primary : str
        The endpoint that is tested.
    ends_at : str
        The endpoint at which treatment and follow-up of a patient end.
    plans : mapping of str to Plan
        Event and composite endpoints in order of dependence, all that are needed and no others.
    asked : tuple of str
        Those that are reported.
    records : mapping of Records to tuple of str
        Kinds of happening that each record sentence means.
    """

    name: str
    protocol: LoadedProtocol
    primary: str
    ends_at: str
    plans: Mapping[str, Plan]
    asked: tuple[str, ...]
    records: Mapping[Records, tuple[str, ...]]
    context: Context = field(repr=False)

    @cached_property
    def measures(self) -> tuple[str, ...]:
        """Measures that the sentences name, in the protocol's order."""
        named = {part.name for node in self._all_nodes() for part in walk(node) if isinstance(part, Measure)}
        named |= {part.name for node in self._all_nodes() for part in walk(node) if isinstance(part, Holds)}
        named -= set(self.context.states) | set(self.context.values)
        return tuple(name for name in self.protocol.spec.measures if name in named)

    @cached_property
    def comparisons(self) -> Mapping[str, tuple[Comparison, ...]]:
        """Comparisons of the sentences about visits, by the measures that stand on their sides."""
        found: dict[str, dict[Comparison, None]] = {}
        for node in self._all_nodes():
            for part in walk(node):
                if isinstance(part, Comparison):
                    for side in (part.left, part.right):
                        if isinstance(side, Measure):
                            found.setdefault(side.name, {})[part] = None
        return {name: tuple(parts) for name, parts in found.items() if len(parts) > 1}

    @cached_property
    def covariates(self) -> tuple[str, ...]:
        """Characteristics of patients that the sentences name, and those behind limits of normal."""
        named = {part.name for node in self._all_nodes() for part in walk(node) if isinstance(part, Measure)}
        wanted = [name for name in self.protocol.spec.covariates if name in named]
        return tuple(dict.fromkeys([*wanted, *(["sex"] if self._asks_for_limits else [])]))

    @cached_property
    def confirmations(self) -> tuple[tuple[Confirmed, int], ...]:
        """Conditions that a reassessment must confirm, and the first day on which they may begin."""
        found: dict[Confirmed, int] = {}
        for plan in self.plans.values():
            for node in self._closure([plan.on_visits] if plan.on_visits is not None else []):
                for part in walk(node):
                    if isinstance(part, Confirmed):
                        found.setdefault(part, plan.first_day)
        return tuple(found.items())

    @cached_property
    def ending_parts(self) -> frozenset[str]:
        """The endpoint that ends participation, and all of its components."""
        return frozenset(self.parts_of(self.ends_at))

    @cached_property
    def read_by_committee(self) -> frozenset[str]:
        """Event endpoints on visits that somebody judges: adjudicated, or part of what is."""
        judged = [name for name, plan in self.plans.items() if plan.spec.adjudicated]
        parts = {part for name in judged for part in self.parts_of(name)}
        return frozenset(name for name in parts if self.plans[name].on_visits is not None)

    @cached_property
    def ways_to_fail(self) -> Mapping[str, bool]:
        """Endpoints on visits that end participation, and whether a committee stands between."""
        found: dict[str, bool] = {}

        def visit(name: str, is_judged: bool) -> None:
            plan = self.plans[name]
            is_judged = is_judged or plan.spec.adjudicated
            if plan.on_visits is not None and not plan.is_second:
                found[name] = found.get(name, True) and is_judged
            for part in plan.spec.first_of:
                visit(part, is_judged)

        visit(self.ends_at, False)
        return found

    @cached_property
    def ending_kinds(self) -> frozenset[str]:
        """Kinds of happening that end participation by themselves."""
        return frozenset(
            kind
            for name in self.ending_parts
            for node in self.plans[name].dated
            for part in walk(node)
            if isinstance(part, Records)
            for kind in self.records[part]
        )

    @cached_property
    def named_later(self) -> frozenset[str]:
        """Events that sentences about visits name."""
        return frozenset(part.name for part in self._parts_of_second() if isinstance(part, Holds))

    @cached_property
    def records_named_later(self) -> tuple[Records, ...]:
        """Record sentences within sentences about visits."""
        return tuple(dict.fromkeys(part for part in self._parts_of_second() if isinstance(part, Records)))

    def _parts_of_second(self) -> list[Node]:
        second = [plan.on_visits for plan in self.plans.values() if plan.is_second]
        return [part for node in self._closure([n for n in second if n is not None]) for part in walk(node)]

    @cached_property
    def waits_for_later(self) -> frozenset[str]:
        """Events on visits that only a later assessment makes known."""
        return frozenset(
            name
            for name, plan in self.plans.items()
            if plan.on_visits is not None
            and any(
                isinstance(part, Confirmed | Sustained)
                for node in self._closure([plan.on_visits])
                for part in walk(node)
            )
        )

    def parts_of(self, name: str) -> list[str]:
        """An endpoint and its components, and theirs."""
        return [name, *(part for own in self.plans[name].spec.first_of for part in self.parts_of(own))]

    @property
    def _asks_for_limits(self) -> bool:
        return any(
            isinstance(part, Reference) and part.kind.endswith("limit")
            for node in self._all_nodes()
            for part in walk(node)
        )

    def _all_nodes(self) -> list[Node]:
        on_visits = [plan.on_visits for plan in self.plans.values() if plan.on_visits is not None]
        return self._closure(on_visits)

    def _closure(self, nodes: list[Node]) -> list[Node]:
        """Some sentences, and those of the states and values that they name."""
        named = {**self.context.states, **self.context.values}
        found: dict[Node, None] = {}
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node in found:
                continue
            found[node] = None
            for part in walk(node):
                if isinstance(part, Holds | Measure) and part.name in named:
                    waiting.append(named[part.name])
        return list(found)


def primary_endpoint(protocol: LoadedProtocol) -> str:
    """The endpoint of the primary time-to-event analysis.

    Raises
    ------
    DesignError
        No analysis of a time to event is the primary one.
    """
    for analysis in protocol.spec.analyses.values():
        if analysis.kind == "time_to_event" and analysis.purpose == "primary":
            return str(analysis.endpoint)
    raise DesignError(
        "this protocol has no primary time to event",
        where=protocol.path,
        expected="an analysis of kind time_to_event with `purpose: primary`",
        try_="name an endpoint: --endpoint NAME",
    )


def ask(
    protocol: LoadedProtocol,
    *,
    endpoint: str | None = None,
    ends_at: str | None = None,
    asked: Iterable[str] | None = None,
    name: str = "",
) -> Question:
    """Compile what a protocol asks.

    Parameters
    ----------
    protocol : LoadedProtocol
    endpoint : str, optional
        What is tested; the protocol's primary endpoint if not given.
    ends_at : str, optional
        At which endpoint a patient leaves; the protocol's primary endpoint if not given.
    asked : iterable of str, optional
        Endpoints to report; every event and composite of the protocol if not given.
    name : str
        Of the definition.

    Raises
    ------
    NotFoundError
        An endpoint does not exist.
    DesignError
        It is no event, or asks for records that virtual patients do not have.
    """
    primary = primary_endpoint(protocol) if endpoint is None else require_event(protocol, endpoint)
    leaving = _leaving(protocol, primary) if ends_at is None else require_event(protocol, ends_at)
    everything = [n for n in protocol.order if protocol.spec.endpoints[n].kind in ("event", "composite")]
    wanted = everything if asked is None else [require_event(protocol, n) for n in asked]
    wanted = list(dict.fromkeys([primary, leaving, *wanted]))
    needed = _needed(protocol, wanted)
    context = Context.of(protocol)
    plans = {n: _plan(protocol, n, context) for n in protocol.order if n in needed}
    nodes = [node for plan in plans.values() for node in (*plan.dated, plan.on_visits) if node is not None]
    shown = tuple(n for n in protocol.order if n in wanted)
    return Question(
        name, protocol, primary, leaving, plans, shown, kinds_meant(protocol, tuple(nodes)), context
    )


def _leaving(protocol: LoadedProtocol, primary: str) -> str:
    try:
        return primary_endpoint(protocol)
    except DesignError:
        return primary


def require_event(protocol: LoadedProtocol, name: str) -> str:
    """An endpoint's name, if it is an event or composite."""
    endpoints = protocol.spec.endpoints
    events = [n for n, spec in endpoints.items() if spec.kind in ("event", "composite")]
    if name not in endpoints:
        raise NotFoundError(
            f"the protocol has no endpoint {name}",
            where="endpoint",
            found=name,
            expected=", ".join(events),
            try_=suggest(name, events),
        )
    if name not in events:
        raise DesignError(
            "this endpoint has no day, and so no time to it",
            where="endpoint",
            found=f"{name}, a {endpoints[name].kind}",
            expected=", ".join(events),
            try_=suggest(name, events),
        )
    return name


def _needed(protocol: LoadedProtocol, wanted: list[str]) -> set[str]:
    """Endpoints that have days, wanted or named by those that are."""
    endpoints, needed = protocol.spec.endpoints, set[str]()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        spec = endpoints[name]
        waiting += [*spec.first_of, *spec.censor_at]
        if spec.kind in ("event", "state", "value"):
            node = protocol.sentences[f"endpoints.{name}.{'when' if spec.kind == 'event' else spec.kind}"]
            waiting += [p.name for p in walk(node) if isinstance(p, Holds | Measure) and p.name in endpoints]
    return {name for name in needed if endpoints[name].kind in ("event", "composite")}


def _plan(protocol: LoadedProtocol, name: str, context: Context) -> Plan:
    spec = protocol.spec.endpoints[name]
    if spec.kind == "composite":
        return Plan(name, spec, (), None, Nature.RECORDS, False)
    events = {n for n, e in protocol.spec.endpoints.items() if e.kind in ("event", "composite")}
    dated, on_visits = split_sentence(protocol.sentences[f"endpoints.{name}.when"], events)
    nature, waits = Nature.RECORDS, False
    if on_visits is not None:
        parts = _parts(on_visits, context)
        for part in parts:
            if isinstance(part, SubjectFact):
                raise DesignError(
                    "an endpoint's sentence asks for a fact about whole patients",
                    where=protocol.place(f"endpoints.{name}.when"),
                    found=part.name,
                )
        nature = _nature({p.name for p in parts if isinstance(p, Measure | Holds)})
        waits = any(isinstance(p, Records) or (isinstance(p, Holds) and p.name in events) for p in parts)
    return Plan(name, spec, tuple(dated), on_visits, nature, waits)


def _parts(node: Node, context: Context) -> list[Node]:
    """A sentence's parts, and those of the states and values that it names."""
    named = {**context.states, **context.values}
    parts: list[Node] = []
    waiting, seen = [node], set[Node]()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        for part in walk(one):
            parts.append(part)
            if isinstance(part, Holds | Measure) and part.name in named:
                waiting.append(named[part.name])
    return parts


def _nature(names: set[str]) -> Nature:
    if names & _URINE:
        return Nature.ACTIVITY
    return Nature.FUNCTION if names & _FUNCTION else Nature.EXTRARENAL
