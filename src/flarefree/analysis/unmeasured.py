"""Measures that an analysis rests on and nobody has a value of.

A sentence that needs such a measure can be unknown everywhere, or false but never true: a count of 0
would then be no finding but a hole in the data, and is not shown as a result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from flarefree.analysis.outcome import NotComputableError
from flarefree.analysis.trial import Trial
from flarefree.protocol.language.nodes import Holds, IsKnown, Measure
from flarefree.protocol.language.walking import walk

__all__ = ["require_decidable", "unmeasured", "unmeasured_warning"]


def unmeasured(trial: Trial, endpoints: Iterable[str]) -> tuple[str, ...]:
    """Labels of the measures in these endpoints' sentences, and in those they name, without a value."""
    found = dict.fromkeys(_measures(trial, list(endpoints), set()))
    return tuple(trial.spec.measures[name].label for name in found if not _has_values(trial, name))


def unmeasured_warning(trial: Trial, endpoints: Iterable[str]) -> tuple[str, ...]:
    """What to say where a measure was taken in nobody; nothing where all were."""
    missing = unmeasured(trial, endpoints)
    if not missing:
        return ()
    return (f"Nobody has a value of {_listed(missing)}: what depends on it is unknown, not normal.",)


def require_decidable(trial: Trial, endpoint: str) -> None:
    """Refuse a count of 0 that only says that a needed measure was taken in nobody.

    Raises
    ------
    NotComputableError
        The endpoint was true of nobody at any assessment, unknown at some, and rests on a measure
        without a single value.
    """
    spec = trial.spec.endpoints[endpoint]
    missing = unmeasured(trial, [endpoint])
    if not missing or spec.first_of or _ever_true(trial, endpoint):
        return
    unknown = (
        trial.derivation.assessability.filter(pl.col("endpoint") == endpoint).get_column("unknown").sum()
    )
    if unknown:
        known = f"“{spec.label}” was true of nobody, and could not be known"
        raise NotComputableError(f"{known}: nobody has a value of {_listed(missing)}.")


def _ever_true(trial: Trial, endpoint: str) -> bool:
    d = trial.derivation
    held = d.states.filter((pl.col("endpoint") == endpoint) & pl.col("holds").fill_null(False)).height
    seen = d.time_to_event.filter(
        (pl.col("endpoint") == endpoint) & pl.col("is_event").fill_null(False)
    ).height
    return bool(held or seen)


def _measures(trial: Trial, endpoints: list[str], seen: set[str]) -> Iterator[str]:
    spec, sentences = trial.spec, trial.protocol.sentences
    for endpoint in endpoints:
        if endpoint in seen or endpoint not in spec.endpoints:
            continue
        seen.add(endpoint)
        yield from _measures(trial, list(spec.endpoints[endpoint].first_of), seen)
        for key in ("when", "state", "value"):
            node = sentences.get(f"endpoints.{endpoint}.{key}")
            if node is None:
                continue
            # A sentence that asks whether a measure is known can do without it.
            asked = {
                inner.name
                for p in walk(node)
                if isinstance(p, IsKnown)
                for inner in walk(p)
                if isinstance(inner, Measure | Holds)
            }
            for part in walk(node):
                if isinstance(part, Measure | Holds) and part.name not in asked:
                    if part.name in spec.measures:
                        yield part.name
                    else:
                        yield from _measures(trial, [part.name], seen)


def _has_values(trial: Trial, measure: str) -> bool:
    column = trial.derivation.panel.columns.get(measure)
    return column is not None and not bool(np.isnan(column.values).all())


def _listed(labels: tuple[str, ...]) -> str:
    lowered = [label[:1].lower() + label[1:] if label[1:2].islower() else label for label in labels]
    return lowered[0] if len(lowered) == 1 else ", ".join(lowered[:-1]) + " and " + lowered[-1]
