"""The end-point detector: a patient's rows in, suspected events out, each with the rows that it rests on.

It is the evaluator that the analysis uses, run on one patient's data as they arrive: what it calls `met`
is exactly what `flarefree.derive` will find.  Below that it looks lower, so that the committee misses
nothing: a sentence that lacks only its confirmation (`unconfirmed`), or that lacks a value while nothing
measured speaks against it (`possible`).  It decides nothing; `adjudication` does.  What is found is here,
how in `suspecting.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import polars as pl

from flarefree.endpoints.adjudication import SAME_EVENT_DAYS
from flarefree.endpoints.explanation import SourceRow
from flarefree.errors import ConductError
from flarefree.protocol.language.printing import print_node
from flarefree.protocol.language.walking import walk
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.records.study import Study
from flarefree.records.tables import empty_table

if TYPE_CHECKING:
    pass

__all__ = [
    "Candidate",
    "Detection",
    "Detector",
    "Level",
    "QuietPeriod",
    "RuleVersion",
    "one_patient",
    "require_zone",
]


class Level(StrEnum):
    """How much of an endpoint's sentence the data bear out."""

    MET = "met"
    UNCONFIRMED = "unconfirmed"
    POSSIBLE = "possible"


RANK: dict[Level, int] = {Level.POSSIBLE: 1, Level.UNCONFIRMED: 2, Level.MET: 3}


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """Which sentence of which protocol found a candidate.

    Attributes
    ----------
    protocol, digest : str
        Its name, and the SHA-256 of its file.
    endpoint, sentence, place : str
        The adjudicated endpoint, the sentence as it prints, and where it stands.
    """

    protocol: str
    digest: str
    endpoint: str
    sentence: str
    place: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A suspected event of one patient: one adjudicated endpoint, one day.

    Attributes
    ----------
    subject, site, endpoint : str
        The endpoint is the adjudicated one: a composite that is judged as a whole, or the event itself.
    day, date : int, date or None
        Onset, as `derive` dates it; the date is None where day 1 is not known.
    last_day : int
        The last day of which the patient's data tell.
    level : Level
    components : tuple of str
        Which sentences found it, in the protocol's order; of one day they are one event.
    confirmed_day : int or None
    visit : str
    cited : tuple of SourceRow
        The rows that its verdict rests on.
    read : tuple of SourceRow
        Every row that the endpoint's sentences read at that assessment, whatever they said.
    rule : RuleVersion
    found_at : datetime
        As the caller gave it.
    """

    subject: str
    site: str
    endpoint: str
    day: int
    last_day: int
    date: date | None
    level: Level
    components: tuple[str, ...]
    confirmed_day: int | None
    visit: str
    cited: tuple[SourceRow, ...]
    read: tuple[SourceRow, ...]
    rule: RuleVersion
    found_at: datetime

    @property
    def basis(self) -> str:
        """SHA-256 of what it rests on: the sentence, what it found, and the content of the rows.

        Rows count by what they say, not by where they stand: a file written anew changes nothing.
        """
        said = {
            "rule": self.rule.sentence,
            "level": str(self.level),
            "day": self.day,
            "confirmed_day": self.confirmed_day,
            "components": self.components,
            "cited": sorted(_content(row) for row in self.cited),
            "read": sorted(_content(row) for row in self.read),
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class QuietPeriod:
    """An assessment at which an endpoint's sentence was known and not met, nor met anywhere near.

    `last_day` is the last day of which the patient's data tell.
    """

    subject: str
    site: str
    endpoint: str
    day: int
    last_day: int
    visit: str


@dataclass(frozen=True, slots=True)
class Detection:
    """What the detector found in some data.

    Attributes
    ----------
    subjects : tuple of str
        Whose data were looked at: a patient without candidates is one of them.
    candidates : tuple of Candidate
        By patient, endpoint (in the protocol's order) and day.
    quiet : tuple of QuietPeriod
        From which negative controls are drawn.
    """

    subjects: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    quiet: tuple[QuietPeriod, ...] = field(repr=False, default=())


def one_patient(study: Study, subject: str) -> Study:
    """The study of one patient alone; rows keep their places in the files.

    Raises
    ------
    ConductError
        The study has no such patient.
    """
    tables = {name: frame.filter(pl.col("subject") == subject) for name, frame in study.tables.items()}
    if not tables["subjects"].height:
        raise ConductError(
            "there is no such patient", where=study.name, found=subject, expected="a patient of the study"
        )
    return replace(study, tables=tables, findings=())


class Detector:
    """Finds suspected events of a protocol's adjudicated endpoints.

    Parameters
    ----------
    protocol : LoadedProtocol

    Raises
    ------
    ConductError
        The protocol adjudicates nothing.
    """

    def __init__(self, protocol: LoadedProtocol) -> None:
        endpoints = protocol.spec.endpoints
        self.protocol = protocol
        self.endpoints = tuple(name for name, spec in endpoints.items() if spec.adjudicated)
        if not self.endpoints:
            raise ConductError(
                "the protocol adjudicates no endpoint",
                where=protocol.path,
                expected="at least one endpoint with `adjudicated: true`",
            )
        self._lowest = RANK[Level(protocol.spec.adjudication.opens_on)]
        self._leaves = {name: tuple(_leaves(protocol, name)) for name in self.endpoints}
        self._judged = _with_endpoints(protocol, self.endpoints)
        self._rules = {name: _rule(protocol, name) for name in self.endpoints}
        same = protocol.spec.parameters.get("same_event_days", SAME_EVENT_DAYS)
        self.same_event_days = int(same)

    def detect(self, study: Study, at: datetime, *, subject: str | None = None) -> Detection:
        """The suspected events in a study's data, decided or not.

        Parameters
        ----------
        study : Study
            Of one patient or of many; decisions in it are not looked at.
        at : datetime
            When this is done; with a time zone.
        subject : str, optional
            Only this patient's.

        Raises
        ------
        ConductError
            `at` has no time zone, or there is no such patient.
        """
        require_zone(at)
        if subject is not None:
            study = one_patient(study, subject)
        bare = replace(study, tables={**study.tables, "decisions": empty_table("decisions")})
        from flarefree.conduct.suspecting import Look
        from flarefree.endpoints.derive import derive_arrays

        return Look(self, derive_arrays(bare, self._judged), at).detection()

    def leaves(self, endpoint: str) -> tuple[str, ...]:
        """The events that an adjudicated endpoint is made of; itself, if it is no composite."""
        return self._leaves[endpoint]

    def rule(self, endpoint: str) -> RuleVersion:
        """The version of an adjudicated endpoint's sentence."""
        return self._rules[endpoint]

    @property
    def lowest(self) -> int:
        """The rank of the least level that opens a case."""
        return self._lowest


def require_zone(at: datetime) -> datetime:
    """A time with its zone: local times without one cannot be put in order."""
    if at.tzinfo is None or at.utcoffset() is None:
        raise ConductError(
            "a time without its zone", where="at", found=at.isoformat(), expected="a time in UTC"
        )
    return at


def _leaves(protocol: LoadedProtocol, endpoint: str) -> Iterator[str]:
    spec = protocol.spec.endpoints[endpoint]
    if spec.kind == "event":
        yield endpoint
    for component in spec.first_of:
        yield from _leaves(protocol, component)


def _with_endpoints(protocol: LoadedProtocol, endpoints: Iterable[str]) -> LoadedProtocol:
    """The protocol with these endpoints and all that they, and covariates, name.

    Somebody waits for the detector at each new value; remissions and withdrawals are for the analysis.
    """
    spec = protocol.spec
    wanted: dict[str, None] = {}
    found = [*endpoints, *_named(protocol, "covariates."), *_named(protocol, "withdrawals.")]
    while found:
        name = found.pop()
        if name not in wanted:
            wanted[name] = None
            found += [*spec.endpoints[name].first_of, *spec.endpoints[name].censor_at]
            found += _named(protocol, f"endpoints.{name}.")
    kept = {name: endpoint for name, endpoint in spec.endpoints.items() if name in wanted}
    return replace(
        protocol,
        spec=spec.model_copy(update={"endpoints": kept}),
        order=tuple(name for name in protocol.order if name in wanted),
    )


def _named(protocol: LoadedProtocol, prefix: str) -> list[str]:
    """The endpoints that sentences under a path name."""
    nodes = (n for path, node in protocol.sentences.items() if path.startswith(prefix) for n in walk(node))
    names = (getattr(node, "name", None) for node in nodes)
    return [name for name in names if isinstance(name, str) and name in protocol.spec.endpoints]


def _rule(protocol: LoadedProtocol, endpoint: str) -> RuleVersion:
    said = [
        f"{leaf}: {print_node(protocol.sentences[f'endpoints.{leaf}.when'])}"
        for leaf in _leaves(protocol, endpoint)
    ]
    place = protocol.place(f"endpoints.{endpoint}")
    return RuleVersion(protocol.spec.name, protocol.digest, endpoint, "\n".join(said), place)


def _content(row: SourceRow) -> tuple[str, ...]:
    said = (row.table, row.what, row.written, row.value, row.unit, row.day, row.date, row.superseded)
    return tuple("" if part is None else str(part) for part in said)
