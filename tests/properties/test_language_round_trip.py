"""Whatever a sentence says, it prints, and what is printed says the same."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flarefree.protocol.language import nodes as n
from flarefree.protocol.language.parsing import parse_condition, parse_record_condition, parse_value
from flarefree.protocol.language.printing import layout, print_node
from flarefree.protocol.language.words import RESERVED

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in RESERVED and name != "death"
)
units = st.sampled_from(
    ["", "%", "g/day", "mg/24 h", "mg/mg", "/hpf", "mL/min/1.73 m2", "10^9/L", "days", "umol/L"]
)
numbers = st.floats(min_value=-1e9, max_value=1e9, allow_nan=False).map(lambda x: x + 0.0)
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=' "\\'), max_size=8
)
days = st.integers(1, 400)
any_day = st.integers(-400, 400).filter(bool)

quantities = st.builds(n.Quantity, numbers, units)
measures = st.builds(n.Measure, names)
epochs = st.one_of(st.just(""), names)


@st.composite
def references(draw: st.DrawFn) -> n.Reference:
    kind = draw(st.sampled_from(list(n.ReferenceKind)))
    if kind is n.ReferenceKind.AT_FIRST:
        return n.Reference(kind, draw(measures), condition=draw(conditions))
    epoch = draw(epochs) if kind in n.EPOCH_REFERENCES else ""
    return n.Reference(kind, draw(measures), epoch)


@st.composite
def windows(draw: st.DrawFn) -> n.InWindow:
    operand = draw(conditions)
    match draw(st.sampled_from(["epoch", "after", "before", "from"])):
        case "epoch":
            return n.InWindow(operand, epoch=draw(names))
        case "after":
            return n.InWindow(operand, first_day=draw(any_day))
        case "before":
            return n.InWindow(operand, last_day=draw(any_day))
    first, last = sorted((draw(any_day), draw(any_day)))
    return n.InWindow(operand, first_day=first, last_day=last)


@st.composite
def confirmations(draw: st.DrawFn) -> n.Confirmed:
    first, last = sorted((draw(days), draw(days)))
    return n.Confirmed(draw(conditions), first, last)


def pairs(operand: st.SearchStrategy[n.Node]) -> st.SearchStrategy[tuple[n.Node, ...]]:
    return st.lists(operand, min_size=2, max_size=3).map(tuple)


text_values = st.builds(n.Text, texts)
two_texts = st.lists(text_values, min_size=1, max_size=3).map(tuple)
field_tests = st.one_of(
    st.builds(n.FieldTest, names, st.just(n.FieldTestOperator.IS_TRUE)),
    st.builds(
        n.FieldTest,
        names,
        st.sampled_from(
            [n.FieldTestOperator.EQ, n.FieldTestOperator.NE, n.FieldTestOperator.GE, n.FieldTestOperator.LT]
        ),
        st.one_of(text_values, quantities).map(lambda value: (value,)),
    ),
    st.builds(
        n.FieldTest,
        names,
        st.sampled_from(
            [n.FieldTestOperator.IN, n.FieldTestOperator.CONTAINS, n.FieldTestOperator.STARTS_WITH]
        ),
        two_texts,
    ),
)
record_tests = st.recursive(
    field_tests,
    lambda inner: st.one_of(
        st.builds(n.Not, inner), st.builds(n.And, pairs(inner)), st.builds(n.Or, pairs(inner))
    ),
    max_leaves=5,
)
record_sentences = st.builds(
    n.Records, st.sampled_from(list(n.RecordTable)), st.one_of(st.none(), record_tests)
)
facts = st.one_of(
    st.sampled_from(["randomized", "dosed", "completed"]).map(n.SubjectFact),
    st.lists(names, min_size=1, max_size=3).map(
        lambda arguments: n.SubjectFact("assessed", tuple(arguments))
    ),
    texts.map(lambda visit: n.SubjectFact("attended", (visit,))),
)
operators = st.sampled_from(list(n.ComparisonOperator))

conditions: st.SearchStrategy[n.Node] = st.deferred(
    lambda: st.one_of(
        st.builds(n.Holds, names),
        st.builds(n.Comparison, operators, values, values),
        st.builds(n.IsKnown, st.one_of(measures, references())),
        record_sentences,
        facts,
        references(),
        st.builds(n.Not, conditions),
        st.builds(n.And, pairs(conditions)),
        st.builds(n.Or, pairs(conditions)),
        st.builds(n.Sustained, conditions, days),
        st.builds(n.Earlier, conditions, st.booleans(), epochs),
        confirmations(),
        windows(),
    )
)
values: st.SearchStrategy[n.Node] = st.deferred(
    lambda: st.one_of(
        quantities,
        text_values,
        measures,
        references(),
        st.builds(n.Arithmetic, st.sampled_from(list(n.ArithmeticOperator)), values, values),
        st.builds(n.Conditional, values, conditions, values),
        st.builds(n.CountOf, st.lists(conditions, min_size=1, max_size=3).map(tuple)),
        st.builds(n.DaysSince, conditions),
    )
)

patient = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@patient
@given(conditions)
def test_a_condition_reads_back_as_itself(node: n.Node) -> None:
    assert parse_condition(print_node(node)) == node


@patient
@given(values)
def test_a_value_reads_back_as_itself(node: n.Node) -> None:
    assert parse_value(print_node(node)) == node


@patient
@given(record_tests)
def test_a_test_of_records_reads_back_as_itself(node: n.Node) -> None:
    assert parse_record_condition(print_node(node)) == node


@patient
@given(conditions, st.integers(10, 80))
def test_a_sentence_on_many_lines_reads_back_as_itself(node: n.Node, width: int) -> None:
    assert parse_condition(layout(node, width)) == node


@patient
@given(conditions)
def test_printing_what_was_printed_changes_nothing(node: n.Node) -> None:
    once = print_node(node)
    assert print_node(parse_condition(once)) == once


@patient
@given(conditions)
def test_every_part_stands_where_its_span_says(node: n.Node) -> None:
    text = print_node(node)
    parsed = parse_condition(text)
    assert text[parsed.span.start : parsed.span.end].strip("()") != ""
    assert 0 <= parsed.span.start < parsed.span.end <= len(text)
