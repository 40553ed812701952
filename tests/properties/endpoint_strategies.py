"""Sentences and patients that Hypothesis makes up: every kind of node, ragged visits, missing values."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from naive_endpoints import Assessment, NaivePatient, Value, World

from flarefree.endpoints.context import Context, NormalRange
from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.kernels import NO_DAY
from flarefree.endpoints.panel import Panel, PanelColumn
from flarefree.protocol.language.nodes import (
    EPOCH_REFERENCES,
    And,
    Arithmetic,
    ArithmeticOperator,
    Comparison,
    ComparisonOperator,
    Conditional,
    Confirmed,
    CountOf,
    DaysSince,
    Earlier,
    Holds,
    InWindow,
    IsKnown,
    Measure,
    Node,
    Not,
    Or,
    Quantity,
    Reference,
    ReferenceKind,
    Sustained,
    Text,
)

NUMBERS = ("creatinine", "upcr")
EPOCHS = {"induction": (-200, 1), "early": (2, 60)}
# Few and round, so that exact ties, doublings and halves are common.
AMOUNTS = (0.0, 0.5, 1.0, 1.5, 2.0, 4.0)

WORLD = World(
    epochs=EPOCHS,
    states={"quiet": Comparison(ComparisonOperator.LE, Measure("upcr"), Quantity(1.0))},
    normal_upper={"creatinine": 1.0},
)
CONTEXT = Context(epochs=EPOCHS, states=WORLD.states, normal={"creatinine": NormalRange((None, 1.0))})


# Sentences ----------------------------------------------------------------------------------------

measures = st.sampled_from(NUMBERS).map(Measure)
quantities = st.sampled_from(AMOUNTS).map(Quantity)
operators = st.sampled_from(ComparisonOperator)
epochs = st.sampled_from(("", *EPOCHS))

plain_references = st.builds(
    Reference,
    st.sampled_from([k for k in ReferenceKind if k is not ReferenceKind.AT_FIRST]),
    measures,
)
epoch_references = st.builds(
    Reference,
    st.sampled_from([ReferenceKind.LOWEST, ReferenceKind.HIGHEST, ReferenceKind.FIRST]),
    measures,
    st.sampled_from(tuple(EPOCHS)),
)
leaf_values = st.one_of(measures, quantities, plain_references, epoch_references)
# Weeks, mostly: visits a week or two apart fall on the very ends of windows.
durations = st.one_of(st.sampled_from((7, 14, 21, 28)), st.integers(1, 40))
windows = st.tuples(durations, st.sampled_from((0, 7, 14, 28))).map(lambda w: (w[0], w[0] + w[1]))
study_days = st.one_of(
    st.sampled_from([1 + 7 * week for week in range(17)]), st.integers(-60, -1), st.integers(1, 120)
)

leaf_conditions: st.SearchStrategy[Node] = st.one_of(
    st.builds(Comparison, operators, leaf_values, leaf_values),
    st.sampled_from(("casts", "quiet", "flare")).map(Holds),
    st.builds(
        Comparison,
        st.sampled_from([ComparisonOperator.EQ, ComparisonOperator.NE]),
        st.just(Measure("race")),
        st.sampled_from([Text("asian"), Text("BLACK")]),
    ),
    st.builds(Reference, st.just(ReferenceKind.BASELINE), st.just(Measure("casts"))),
    leaf_values.filter(lambda v: not isinstance(v, Quantity)).map(IsKnown),
)


def _kinds_of_values(conditions: st.SearchStrategy[Node]) -> dict[str, st.SearchStrategy[Node]]:
    """Values that are more than a leaf, by kind."""
    return {
        "arithmetic": st.builds(Arithmetic, st.sampled_from(ArithmeticOperator), leaf_values, leaf_values),
        "conditional": st.builds(Conditional, leaf_values, conditions, leaf_values),
        "days_since": st.builds(DaysSince, conditions),
        "at_first": st.builds(Reference, st.just(ReferenceKind.AT_FIRST), measures, st.just(""), conditions),
    }


def kinds_of_conditions(conditions: st.SearchStrategy[Node]) -> dict[str, st.SearchStrategy[Node]]:
    """Conditions that are more than a leaf, by kind."""
    several = st.lists(conditions, min_size=2, max_size=3).map(tuple)
    counts = st.lists(conditions, min_size=1, max_size=4).map(tuple).map(CountOf)
    small = st.sampled_from((0.0, 1.0, 2.0, 2.5)).map(Quantity)
    values = _kinds_of_values(conditions)
    return {
        "and": several.map(And),
        "or": several.map(Or),
        "not": conditions.map(Not),
        "count": st.builds(Comparison, operators, counts, small),
        "counted": st.builds(Comparison, operators, small, counts),
        "known": conditions.map(IsKnown),
        "confirmed": st.tuples(conditions, windows).map(lambda c: Confirmed(c[0], *c[1])),
        "sustained": st.builds(Sustained, conditions, durations),
        "was": st.builds(Earlier, conditions, st.just(False), epochs),
        "previously": st.builds(Earlier, conditions, st.just(True), epochs),
        "during": st.builds(InWindow, conditions, st.sampled_from(tuple(EPOCHS))),
        "after": st.builds(lambda c, d: InWindow(c, first_day=d), conditions, study_days),
        "before": st.builds(lambda c, d: InWindow(c, last_day=d), conditions, study_days),
        **{kind: st.builds(Comparison, operators, value, leaf_values) for kind, value in values.items()},
        **{
            f"{kind.value}{'' if not epoch else ' in an epoch'}": st.builds(
                Comparison,
                operators,
                leaf_values,
                measures.map(lambda m, k=kind, e=epoch: Reference(k, m, e)),
            )
            for kind in ReferenceKind
            if kind is not ReferenceKind.AT_FIRST
            for epoch in (("", "induction", "early") if kind in EPOCH_REFERENCES else ("",))
        },
    }


conditions = st.recursive(
    leaf_conditions, lambda inner: st.one_of(*kinds_of_conditions(inner).values()), max_leaves=8
)


# Patients -----------------------------------------------------------------------------------------

_limits = st.one_of(st.none(), st.sampled_from(AMOUNTS))


@st.composite
def patients(draw: st.DrawFn, first: int = -60, last: int = 120, max_size: int = 7) -> NaivePatient:
    """A patient with some assessments between two days; any value may be missing or of an earlier day."""
    days = draw(st.lists(study_days.filter(lambda d: first <= d <= last), max_size=max_size).map(sorted))
    assessments = []
    for day in days:
        values = {}
        for name in (*NUMBERS, "casts"):
            if draw(st.integers(0, 3)) == 0:
                continue
            amount = draw(st.sampled_from((0.0, 1.0) if name == "casts" else AMOUNTS))
            before = draw(st.sampled_from((0, 0, 0, 1, 3)))
            own = day - before if day - before != 0 else -1
            upper = draw(_limits) if name != "casts" else None
            values[name] = Value(amount, own, upper, draw(_limits), draw(st.booleans()))
        if values:
            assessments.append(Assessment(max(v.day for v in values.values()), values))
    assessments.sort(key=lambda a: a.day)
    race = draw(st.sampled_from(("ASIAN", "Black", None)))
    event = draw(st.one_of(st.none(), study_days))
    return NaivePatient(assessments, {"race": race}, {"flare": event})


def panel_of(patients: list[NaivePatient]) -> Panel:
    """The same patients as arrays."""
    flat = [a for p in patients for a in p.assessments]
    columns = {}
    for name in (*NUMBERS, "casts"):
        values = [a.values.get(name) for a in flat]
        columns[name] = PanelColumn(
            np.array([np.nan if v is None else v.value for v in values], dtype=np.float64),
            np.array([0 if v is None else v.day for v in values], dtype=np.int32),
            np.full(len(flat), -1, dtype=np.int64),
            np.array([np.nan if v is None or v.upper is None else v.upper for v in values], dtype=np.float64),
            np.array([np.nan if v is None or v.lower is None else v.lower for v in values], dtype=np.float64),
            np.array([v is not None and v.flagged for v in values], dtype=np.bool_),
        )
    counts = [len(p.assessments) for p in patients]
    return Panel(
        np.arange(len(patients)).astype(object),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array([a.day for a in flat], dtype=np.int32),
        np.full(len(flat), -1, dtype=np.int32),
        columns,
        {"race": np.array([p.covariates["race"] for p in patients], dtype=object)},
    )


def evaluator_of(patients: list[NaivePatient]) -> Evaluator:
    """An evaluator on these patients, with their events."""
    begun = [p.events["flare"] for p in patients]
    days = np.array([NO_DAY if day is None else day for day in begun], dtype=np.int32)
    return Evaluator(panel_of(patients), CONTEXT, begun={"flare": days})
