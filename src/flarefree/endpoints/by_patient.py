"""Values that are the same at all of a patient's assessments: `2 * baseline(upcr)`, a covariate, a limit.

Computed once a patient instead of once an assessment; what they mean is said in `evaluate.py`, and both ways
give the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flarefree.endpoints import references
from flarefree.endpoints.elementwise import compare
from flarefree.endpoints.kernels import TRUE, UNKNOWN, take
from flarefree.protocol.language.nodes import (
    Arithmetic,
    ArithmeticOperator,
    Comparison,
    Conditional,
    CountOf,
    Measure,
    Node,
    Quantity,
    Reference,
    ReferenceKind,
)

if TYPE_CHECKING:
    from flarefree.endpoints.evaluate import Evaluator

__all__ = ["value_by_patient"]

Floats = npt.NDArray[np.float64]

_CHANGES = (ReferenceKind.CHANGE, ReferenceKind.PERCENT_CHANGE)


def value_by_patient(e: Evaluator, node: Node) -> Floats | None:
    """A value by patient, (n_subjects,), or (1,) for a constant; None where assessments may differ."""
    match node:
        case Quantity(value=value):
            return np.array([value])
        case Measure(name=name):
            return _covariate(e, name)
        case Reference():
            return _reference(e, node)
        case Arithmetic() | Conditional():
            if node not in e.of_patients:
                e.of_patients[node] = (
                    _arithmetic(e, node) if isinstance(node, Arithmetic) else _conditional(e, node)
                )
            return e.of_patients[node]
    return None


def _covariate(e: Evaluator, name: str) -> Floats | None:
    if name in e.panel.columns or name in e.context.values:
        return None
    covariate = e.panel.covariates.get(name)
    return None if covariate is None or covariate.dtype == object else covariate.astype(np.float64)


def _reference(e: Evaluator, node: Reference) -> Floats | None:
    name = node.measure.name
    if name not in e.panel.columns or node.kind in _CHANGES or name in e.context.values:
        return None
    if node not in e.of_patients:
        source = references.source_of_subject(e, node)
        if source is None or not e.panel.n_assessments:
            return None
        e.of_patients[node] = take(source, e.panel.columns[name].values)
    return e.of_patients[node]


def _arithmetic(e: Evaluator, node: Arithmetic) -> Floats | None:
    left = value_by_patient(e, node.left)
    right = None if left is None else value_by_patient(e, node.right)
    if left is None or right is None:
        return None
    match node.operator:
        case ArithmeticOperator.ADD:
            return left + right
        case ArithmeticOperator.SUBTRACT:
            return left - right
        case ArithmeticOperator.MULTIPLY:
            return left * right
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(right == 0, np.nan, left / right)


def _conditional(e: Evaluator, node: Conditional) -> Floats | None:
    condition = node.condition
    if not isinstance(condition, Comparison) or isinstance(condition.left, CountOf):
        return None
    parts = [
        value_by_patient(e, part) for part in (condition.left, condition.right, node.then, node.otherwise)
    ]
    left, right, then, otherwise = parts
    if left is None or right is None or then is None or otherwise is None:
        return None
    verdicts = compare(condition.operator, left, right, max(left.size, right.size))
    chosen = np.where(verdicts == TRUE, then, otherwise)
    return np.where(verdicts == UNKNOWN, np.nan, chosen)
