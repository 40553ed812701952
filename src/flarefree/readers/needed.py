"""Which measures a protocol's endpoints, covariates, populations and analyses need, and no row gives.

Without them every endpoint that rests on them stays unknown, and nothing else in the data would say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from flarefree.readers.expectations import texts
from flarefree.readers.merging import Item
from flarefree.records.findings import Collector, Finding, Severity

if TYPE_CHECKING:
    from flarefree.protocol.schema import Protocol

__all__ = ["check_files_without_rows", "check_needed_measures", "measures_needed"]

_SENTENCES = ("when", "state", "value")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAY_LACK = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s+is\s+known")
_NEVER_EMPTY = ("subjects", "observations", "exposures", "dispositions", "visits")
"""Tables of which every study has rows; nobody may have had an event, a procedure, or a history."""


def measures_needed(protocol: Protocol) -> dict[str, tuple[str, ...]]:
    """Measures that are read from rows, each with what uses it; an equation needs creatinine."""
    users: dict[str, dict[str, None]] = {}
    for user, name in _uses(protocol):
        for read in _read_for(name, protocol):
            users.setdefault(read, {})[user] = None
    return {name: tuple(users[name]) for name in protocol.measures if name in users}


def _uses(protocol: Protocol) -> Iterator[tuple[str, str]]:
    for section in ("endpoints", "covariates", "populations"):
        for user, spec in getattr(protocol, section).items():
            for key in _SENTENCES:
                yield from (
                    (user, word) for word in _named(getattr(spec, key, "")) if word in protocol.measures
                )
    for user, covariate in protocol.covariates.items():
        if covariate.from_measure in protocol.measures:
            yield user, covariate.from_measure
    for user, analysis in protocol.analyses.items():
        yield from ((user, text) for text in _texts(analysis.model_dump()) if text in protocol.measures)


def _named(sentence: str) -> list[str]:
    """The words of a sentence, but those that it can do without: `x is known and x`."""
    optional = set(_MAY_LACK.findall(sentence))
    return [word for word in _WORD.findall(sentence) if word not in optional]


def _texts(value: Any) -> Iterator[str]:
    """All texts of an analysis but its label and notes, which are for readers."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in ("label", "note", "title"):
                yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)


def _read_for(name: str, protocol: Protocol) -> tuple[str, ...]:
    if not protocol.measures[name].equation:
        return (name,)
    return ("creatinine",) if "creatinine" in protocol.measures else ()


def check_needed_measures(observations: pl.DataFrame, protocol: Protocol, findings: Collector) -> None:
    """A finding for each measure that the protocol uses and no row gives.

    A score that no row gives may be computed from its descriptors, if rows give all of these.
    """
    has_result = pl.col("value").is_not_null() | pl.col("text").is_not_null()
    given = set(observations.filter(has_result)["measure"].drop_nulls().unique())
    for name, users in measures_needed(protocol).items():
        spec = protocol.measures[name]
        if name in given or (spec.score and given.issuperset(_descriptors(spec.score, protocol))):
            continue
        findings.add(
            Finding(
                "missing-measure",
                Severity.WARNING,
                "no row gives this measure, which the protocol uses; what rests on it stays unknown",
                found=f"no {name}",
                expected=f"{texts(spec.tests or (name,))}, for {texts(users)}",
            )
        )


def _descriptors(score: str, protocol: Protocol) -> tuple[str, ...]:
    """The measures `sledai_...` that a score is computed from; the score itself where there are none."""
    prefix = f"{score.split('-')[0]}_"
    return tuple(m for m in protocol.measures if m.startswith(prefix)) or (score,)


def check_files_without_rows(items: Mapping[str, list[Item]], findings: Collector) -> None:
    """A finding for each file that has a header and no rows, of a table that cannot be empty."""
    for table in _NEVER_EMPTY:
        for item in items[table]:
            if not item.raw.frame.height:
                findings.add(
                    Finding(
                        "empty-file",
                        Severity.WARNING,
                        "this file has a header and no rows",
                        item.raw.source.path,
                        expected=f"rows of {table.replace('_', ' ')}",
                    )
                )
