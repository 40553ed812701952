"""Which other value a reference means: baseline, lowest, previous, first, a limit of normal.

What is found is an assessment's index, so that value, day and source row are read from one answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flarefree.endpoints import kernels
from flarefree.endpoints.context import FIRST_DAY, LAST_DAY, Limits
from flarefree.protocol.language.nodes import Reference, ReferenceKind

if TYPE_CHECKING:
    from flarefree.endpoints.evaluate import Evaluator

__all__ = ["baseline_of", "limits_of", "source_of", "source_of_subject"]

Ints64 = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def source_of(e: Evaluator, node: Reference) -> Ints64:
    """At which assessment the referred value stands, for every assessment: (n_assessments,), -1 if none."""
    of_subject = source_of_subject(e, node)
    if of_subject is not None:
        return kernels.spread(e.panel.offsets, of_subject)
    offsets, column = e.panel.offsets, e.column(node.measure.name)
    match node.kind:
        case ReferenceKind.LOWEST | ReferenceKind.HIGHEST:
            return kernels.extreme_so_far(offsets, column.values, _sign(node))
        case ReferenceKind.PREVIOUS:
            return kernels.last_known(offsets, column.values, False)
        case ReferenceKind.LAST:
            return kernels.last_known(offsets, column.values, True)
        case ReferenceKind.FIRST:
            first, last = e.epoch(node.epoch) if node.epoch else (2, LAST_DAY)
            return kernels.first_known(offsets, column.values, column.days, first, last)
        case ReferenceKind.AT_FIRST:
            assert node.condition is not None
            return kernels.first_so_far(offsets, e.verdicts(node.condition))
    return np.full(e.panel.n_assessments, -1, dtype=np.int64)


def source_of_subject(e: Evaluator, node: Reference) -> Ints64 | None:
    """Where the referred value stands, if that is the same at all of a patient's assessments."""
    match node.kind:
        case ReferenceKind.BASELINE | ReferenceKind.CHANGE | ReferenceKind.PERCENT_CHANGE:
            return e.baseline_of(node.measure.name)
        case ReferenceKind.LOWEST | ReferenceKind.HIGHEST if node.epoch:
            column = e.column(node.measure.name)
            first, last = e.epoch(node.epoch)
            return kernels.extreme_within(
                e.panel.offsets, column.values, column.days, first, last, _sign(node), e.has_one_day_each
            )
    return None


def _sign(node: Reference) -> float:
    return 1.0 if node.kind is ReferenceKind.LOWEST else -1.0


def baseline_of(e: Evaluator, measure: str) -> Ints64:
    """At which assessment each patient's baseline of a measure stands: (n_subjects,), -1 if none."""
    column, rule = e.panel.columns.get(measure) or e.column(measure), e.context.baseline
    allowed = flagged = np.empty(0, dtype=np.bool_)
    if e.context.baseline_visits:
        allowed = np.isin(e.panel.visits, e.context.baseline_visits)
    if rule.prefer_flagged and column.flagged is not None:
        flagged = column.flagged
    first = FIRST_DAY if rule.first_day is None else rule.first_day
    if e.has_one_day_each and not allowed.size and not flagged.size:
        latest = e.latest(first, rule.last_day)  # the same one for all measures that are known there
        if kernels.are_known(latest, column.values):
            return latest
    values, days = e.column(measure).values, column.days
    return kernels.last_within(
        e.panel.offsets, values, days, allowed, flagged, first, rule.last_day, e.has_one_day_each
    )


def limits_of(e: Evaluator, node: Reference) -> Floats:
    """The laboratory's limit of normal where it gives one, else the protocol's, by sex: (n_assessments,)."""
    is_upper = node.kind is ReferenceKind.UPPER_LIMIT
    column = e.column(node.measure.name)
    own = column.upper_limits if is_upper else column.lower_limits
    planned = _planned(e, node.measure.name, int(is_upper))[e.subject]
    return planned if own is None else np.where(np.isnan(own), planned, own)


def _planned(e: Evaluator, measure: str, side: int) -> Floats:
    normal = e.context.normal.get(measure)
    limits = np.full(e.panel.n_subjects, np.nan)
    if normal is None:
        return limits
    limits[:] = _limit(normal.everyone, side)
    sexes = e.panel.covariates.get("sex")
    if sexes is not None and normal.by_sex:
        letters = np.array([str(sex).strip()[:1].upper() for sex in sexes.tolist()])
        for sex, by_sex in normal.by_sex.items():
            limits[letters == sex] = _limit(by_sex, side)
    return limits


def _limit(limits: Limits, side: int) -> float:
    found = limits[side]
    return np.nan if found is None else found
