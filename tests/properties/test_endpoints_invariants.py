"""What always holds of endpoint sentences: patients are independent, the past stays, units do not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from endpoint_strategies import (
    CONTEXT,
    conditions,
    evaluator_of,
    measures,
    operators,
    panel_of,
    patients,
    windows,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive_endpoints import Assessment, NaivePatient, Value

from flarefree.endpoints.context import NormalRange
from flarefree.endpoints.evaluate import Evaluator, Truth
from flarefree.endpoints.kernels import FALSE, TRUE, UNKNOWN
from flarefree.protocol.language.nodes import (
    And,
    Arithmetic,
    ArithmeticOperator,
    Comparison,
    Conditional,
    Confirmed,
    Node,
    Or,
    Quantity,
    Reference,
    ReferenceKind,
    Sustained,
)
from flarefree.protocol.language.walking import walk

some = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def same(a: Truth, b: Truth) -> bool:
    return np.array_equal(a.verdicts, b.verdicts) and np.array_equal(a.days, b.days)


@some
@given(st.lists(patients(), min_size=2, max_size=4), conditions, st.randoms(use_true_random=False))
def test_permuting_patients_permutes_verdicts(everyone: list[NaivePatient], node: Node, random) -> None:
    order = list(range(len(everyone)))
    random.shuffle(order)
    before = evaluator_of(everyone).condition(node)
    after = evaluator_of([everyone[i] for i in order]).condition(node)
    starts = np.concatenate([[0], np.cumsum([len(p.assessments) for p in everyone])])
    index = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in order]).astype(int)
    assert same(Truth(before.verdicts[index], before.days[index]), after)


def looks_ahead(node: Node) -> bool:
    """Whether a later assessment may change an earlier verdict: confirmation, duration, or a whole epoch."""
    whole_epochs = (ReferenceKind.LOWEST, ReferenceKind.HIGHEST)
    return any(
        isinstance(part, Confirmed | Sustained)
        or (isinstance(part, Reference) and bool(part.epoch) and part.kind in whole_epochs)
        for part in walk(node)
    )


def continued(patient: NaivePatient, later: NaivePatient) -> NaivePatient:
    return replace(patient, assessments=[*patient.assessments, *later.assessments])


early = patients(first=-60, last=60, max_size=5)
late = patients(first=70, last=120, max_size=3)


@some
@given(early, late, conditions.filter(lambda node: not looks_ahead(node)))
def test_later_assessments_change_no_earlier_verdict(
    patient: NaivePatient, later: NaivePatient, node: Node
) -> None:
    n = len(patient.assessments)
    now = evaluator_of([patient]).condition(node)
    then = evaluator_of([continued(patient, later)]).condition(node)
    assert same(now, Truth(then.verdicts[:n], then.days[:n]))


plain = conditions.filter(lambda node: not looks_ahead(node))


@some
@given(early, late, plain, windows)
def test_what_was_confirmed_stays_confirmed(
    patient: NaivePatient, later: NaivePatient, node: Node, window
) -> None:
    """More follow-up makes an unknown or refuted confirmation known or true, never the other way round."""
    n = len(patient.assessments)
    now = evaluator_of([patient]).condition(Confirmed(node, *window)).verdicts
    then = evaluator_of([continued(patient, later)]).condition(Confirmed(node, *window)).verdicts[:n]
    inner = evaluator_of([patient]).condition(node).verdicts
    assert (then[now == TRUE] == TRUE).all()
    assert (then[inner != TRUE] == now[inner != TRUE]).all()
    assert not ((now == FALSE) & (then == UNKNOWN)).any()


@some
@given(early, late, plain, st.integers(1, 60))
def test_what_is_known_to_last_or_not_stays_so(
    patient: NaivePatient, later: NaivePatient, node: Node, days: int
) -> None:
    n = len(patient.assessments)
    now = evaluator_of([patient]).condition(Sustained(node, days)).verdicts
    then = evaluator_of([continued(patient, later)]).condition(Sustained(node, days)).verdicts[:n]
    known = now != UNKNOWN
    assert (then[known] == now[known]).all()


# Units --------------------------------------------------------------------------------------------

amounts = st.sampled_from((0.5, 1.0, 1.5, 2.0, 4.0)).map(lambda v: Quantity(v, "mg/dL"))
linear = [k for k in ReferenceKind if k not in (ReferenceKind.AT_FIRST, ReferenceKind.PERCENT_CHANGE)]
references = st.builds(Reference, st.sampled_from(linear), measures)
atoms = st.one_of(measures, amounts, references)
factors = st.sampled_from((0.5, 0.7, 1.25, 2.0, 3.0)).map(Quantity)
scaled_values = st.one_of(
    atoms,
    st.builds(lambda k, v: Arithmetic(ArithmeticOperator.MULTIPLY, k, v), factors, atoms),
    st.builds(Conditional, amounts, st.builds(Comparison, operators, atoms, atoms), amounts),
)
homogeneous = st.recursive(
    st.builds(Comparison, operators, scaled_values, scaled_values),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(And),
        st.tuples(inner, inner).map(Or),
        inner.map(lambda c: Confirmed(c, 7, 42)),
    ),
    max_leaves=4,
)

FACTOR = 88.4


def in_other_unit(node: Node) -> Node:
    """Every quantity that has a unit, in the other unit; plain multipliers stay."""
    if isinstance(node, Quantity):
        return replace(node, value=node.value * FACTOR) if node.unit else node
    changed = {}
    for name in ("left", "right", "then", "condition", "otherwise", "operand"):
        part = getattr(node, name, None)
        if isinstance(part, Node):
            changed[name] = in_other_unit(part)
    if isinstance(node, And | Or):
        changed["operands"] = tuple(in_other_unit(part) for part in node.operands)
    return replace(node, **changed)


def scaled(patient: NaivePatient) -> NaivePatient:
    def convert(v: Value) -> Value:
        limits = {k: None if getattr(v, k) is None else getattr(v, k) * FACTOR for k in ("upper", "lower")}
        return replace(v, value=v.value * FACTOR, **limits)

    return replace(
        patient,
        assessments=[
            Assessment(a.day, {k: convert(v) for k, v in a.values.items()}) for a in patient.assessments
        ],
    )


@some
@given(st.lists(patients(), min_size=1, max_size=2), homogeneous)
def test_changing_units_changes_no_verdict(everyone: list[NaivePatient], node: Node) -> None:
    """Ties included: exactly twofold stays exactly twofold in umol/L."""
    before = Evaluator(panel_of(everyone), CONTEXT).condition(node)
    other = replace(CONTEXT, normal={"creatinine": NormalRange((None, FACTOR))})
    after = Evaluator(panel_of([scaled(p) for p in everyone]), other).condition(in_other_unit(node))
    assert same(before, after)
