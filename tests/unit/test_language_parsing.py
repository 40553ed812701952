"""What sentences mean: the nodes they are read as, and what is said of those that cannot be read."""

from __future__ import annotations

import pytest

from flarefree.errors import LanguageError
from flarefree.protocol.language.nodes import (
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
    FieldTest,
    FieldTestOperator,
    Holds,
    InWindow,
    IsKnown,
    Measure,
    Not,
    Or,
    Quantity,
    Records,
    RecordTable,
    Reference,
    ReferenceKind,
    SubjectFact,
    Sustained,
    Text,
)
from flarefree.protocol.language.parsing import parse_condition, parse_record_condition, parse_value
from flarefree.protocol.language.printing import print_node

CREATININE, UPCR = Measure("creatinine"), Measure("upcr")
GE = ComparisonOperator.GE
MULTIPLY = ArithmeticOperator.MULTIPLY


def baseline(name: str) -> Reference:
    return Reference(ReferenceKind.BASELINE, Measure(name))


def test_a_doubling_is_a_comparison_with_twice_the_baseline() -> None:
    twice = Arithmetic(MULTIPLY, Quantity(2), baseline("upcr"))
    assert parse_condition("upcr >= 2 * baseline(upcr)") == Comparison(GE, UPCR, twice)


def test_a_threshold_may_depend_on_the_patient() -> None:
    low = Comparison(ComparisonOperator.LE, baseline("proteinuria"), Quantity(0.5, "g/day"))
    assert parse_value("(1 g/day if baseline(proteinuria) <= 0.5 g/day else 2 g/day)") == Conditional(
        Quantity(1, "g/day"), low, Quantity(2, "g/day")
    )


@pytest.mark.parametrize(
    ("sentence", "node"),
    [
        ("lowest(creatinine, during induction)", Reference(ReferenceKind.LOWEST, CREATININE, "induction")),
        ("lowest(creatinine, so far)", Reference(ReferenceKind.LOWEST, CREATININE)),
        ("highest(upcr, so far)", Reference(ReferenceKind.HIGHEST, UPCR)),
        ("first(upcr)", Reference(ReferenceKind.FIRST, UPCR)),
        ("first(upcr, during maintenance)", Reference(ReferenceKind.FIRST, UPCR, "maintenance")),
        ("previous(upcr)", Reference(ReferenceKind.PREVIOUS, UPCR)),
        ("upper_limit(creatinine)", Reference(ReferenceKind.UPPER_LIMIT, CREATININE)),
        ("percent_change(upcr)", Reference(ReferenceKind.PERCENT_CHANGE, UPCR)),
        (
            "at_first(upcr, remission)",
            Reference(ReferenceKind.AT_FIRST, UPCR, condition=Holds("remission")),
        ),
        (
            "count(a, b) + 1",
            Arithmetic(ArithmeticOperator.ADD, CountOf((Holds("a"), Holds("b"))), Quantity(1)),
        ),
        ("days_since(flare)", DaysSince(Holds("flare"))),
        ("-50%", Quantity(-50, "%")),
        ("60 mL/min/1.73 m2", Quantity(60, "mL/min/1.73 m2")),
        ("0.5 g/24 h", Quantity(0.5, "g/24 h")),
        ("5 /hpf", Quantity(5, "/hpf")),
        ("4 10^9/L", Quantity(4, "10^9/L")),
        ("x / 2", Arithmetic(ArithmeticOperator.DIVIDE, Measure("x"), Quantity(2))),
        ("2 / x", Arithmetic(ArithmeticOperator.DIVIDE, Quantity(2), Measure("x"))),
    ],
)
def test_values(sentence: str, node: object) -> None:
    assert parse_value(sentence) == node


@pytest.mark.parametrize(
    ("sentence", "node"),
    [
        (
            "cellular_casts and not baseline(cellular_casts)",
            And((Holds("cellular_casts"), Not(baseline("cellular_casts")))),
        ),
        ("confirmed(x, within 14 to 42 days)", Confirmed(Holds("x"), 14, 42)),
        ("confirmed(x, within 2 to 6 weeks)", Confirmed(Holds("x"), 14, 42)),
        ("sustained(x, for 28 days)", Sustained(Holds("x"), 28)),
        ("was(x)", Earlier(Holds("x"))),
        ("was(x, during induction)", Earlier(Holds("x"), epoch="induction")),
        ("previously(x)", Earlier(Holds("x"), only_previous=True)),
        ("x after day 14", InWindow(Holds("x"), first_day=15)),
        ("x after day -1", InWindow(Holds("x"), first_day=1)),
        ("x before day 1", InWindow(Holds("x"), last_day=-1)),
        ("x during maintenance", InWindow(Holds("x"), epoch="maintenance")),
        ("not x during maintenance", Not(InWindow(Holds("x"), epoch="maintenance"))),
        ("red_cells is known", IsKnown(Measure("red_cells"))),
        ("red_cells is not known", Not(IsKnown(Measure("red_cells")))),
        ('race = "Black"', Comparison(ComparisonOperator.EQ, Measure("race"), Text("Black"))),
        ("a or b and c", Or((Holds("a"), And((Holds("b"), Holds("c")))))),
        ("(a or b) and c", And((Or((Holds("a"), Holds("b"))), Holds("c")))),
        ("upcr ≥ 2", Comparison(GE, UPCR, Quantity(2))),
        ("upcr == 2", Comparison(ComparisonOperator.EQ, UPCR, Quantity(2))),
        ("death", Records(RecordTable.DEATH)),
        ("randomized and dosed", And((SubjectFact("randomized"), SubjectFact("dosed")))),
        ("assessed(upcr, creatinine)", SubjectFact("assessed", ("upcr", "creatinine"))),
        ('attended("WEEK 24")', SubjectFact("attended", ("WEEK 24",))),
    ],
)
def test_conditions(sentence: str, node: object) -> None:
    assert parse_condition(sentence) == node


def test_records_are_tested_to_the_end_of_the_sentence() -> None:
    serious = FieldTest("serious", FieldTestOperator.IS_TRUE)
    skin = FieldTest("body_system", FieldTestOperator.EQ, (Text("SKIN"),))
    itch = FieldTest("term", FieldTestOperator.CONTAINS, (Text("ITCH"), Text("RASH")))
    sentence = (
        'adverse_event where serious and (body_system = "SKIN" or term contains any of ("ITCH", "RASH"))'
    )
    assert parse_condition(sentence) == Records(RecordTable.ADVERSE_EVENT, And((serious, Or((skin, itch)))))


def test_a_list_of_what_is_not_meant() -> None:
    node = parse_record_condition('status not in ("COMPLETED", "SCREEN FAILURE")')
    assert node == Not(FieldTest("status", FieldTestOperator.IN, (Text("COMPLETED"), Text("SCREEN FAILURE"))))
    assert print_node(node) == 'status not in ("COMPLETED", "SCREEN FAILURE")'


def test_a_node_knows_where_it_stands() -> None:
    sentence = "upcr >= 2 * baseline(upcr)\n  and proteinuria >= 1 g/day"
    node = parse_condition(sentence)
    assert isinstance(node, And)
    second = node.operands[1]
    assert sentence[second.span.start : second.span.end] == "proteinuria >= 1 g/day"


def test_spacing_and_needless_parentheses_are_not_kept() -> None:
    assert print_node(parse_condition("( (upcr>=2*baseline( upcr )) )")) == "upcr >= 2 * baseline(upcr)"


def test_and_within_or_keeps_parentheses_for_the_reader() -> None:
    assert print_node(parse_condition("a and b or c")) == "(a and b) or c"


def complaint(sentence: str) -> str:
    with pytest.raises(LanguageError) as caught:
        parse_condition(sentence)
    return str(caught.value)


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        (
            "confirmed(proteinuria + 1 g/day, within 14 to 42 days)",
            "this is a number, not a condition\n"
            "  found     confirmed(proteinuria + 1 g/day, within 14 to 42 days)\n"
            "                      ^^^^^^^^^^^^^^^^^^^^^\n"
            "  expected  a condition, such as a comparison",
        ),
        (
            "baselin(upcr) > 2",
            "there is no baselin(...)\n"
            "  found     baselin(upcr) > 2\n"
            "            ^^^^^^^\n"
            "  try       did you mean baseline?",
        ),
        (
            "lowest(creatinine) > 2",
            "lowest of which time?\n"
            "  found     lowest(creatinine) > 2\n"
            "            ^^^^^^^^^^^^^^^^^^\n"
            "  try       lowest(x, so far) or lowest(x, during induction)",
        ),
        (
            "(upcr >= 2 or a",
            "the sentence ends too early\n"
            "  found     (upcr >= 2 or a\n"
            "                           ^\n"
            "  expected  a closing parenthesis )",
        ),
        (
            "0.5 < upcr < 2",
            "two comparisons in a row\n"
            "  found     0.5 < upcr < 2\n"
            "                       ^\n"
            "  try       join them with and: 1 <= x and x < 2",
        ),
        (
            'a and medication where drug = "MMF"',
            "a test of records needs parentheses around it when it is a part of a sentence\n"
            '  found     a and medication where drug = "MMF"\n'
            "                             ^^^^^\n"
            "  try       ( ... medication where ... )",
        ),
        (
            "a and and b",
            "and does not fit here\n"
            "  found     a and and b\n"
            "                  ^^^\n"
            "  expected  a name, a number or text in quotes",
        ),
        (
            "upcr >= 1.2 an a",
            "an does not fit here\n"
            "  found     upcr >= 1.2 an a\n"
            "                        ^^\n"
            "  try       did you mean any or and?",
        ),
        (
            "x after day 0",
            "this is no study day\n"
            "  found     x after day 0\n"
            "                        ^\n"
            "  expected  a whole number; there is no day 0",
        ),
        (
            "race = 'black'",
            "this text does not end\n"
            "  found     race = 'black'\n"
            "                   ^\n"
            '  try       put text in double quotes: "MMF"',
        ),
    ],
)
def test_what_cannot_be_read_is_shown_with_a_caret(sentence: str, message: str) -> None:
    assert complaint(sentence) == message


def test_a_long_sentence_is_cut_around_the_place() -> None:
    sentence = " and ".join(f"measure_{i} >= {i}" for i in range(30)) + " and baselin(x) > 1"
    line, carets = complaint(sentence).splitlines()[1:3]
    assert "baselin(x) > 1" in line
    assert line[carets.index("^") : carets.index("^") + 7] == "baselin"


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "   ",
        "and",
        "not",
        "(",
        "a b",
        "1 2",
        "x >",
        "x in 3",
        "sustained(x)",
        "confirmed(x, within 42 to 14 days)",
        "sustained(x, for 0 days)",
        "count()",
        "days_since(a, b) > 2",
        "x # y",
        '"a',
        "x is",
        "from day 2 to day 1",
        "medications where a",
        "previous(x, during e) > 1",
        "1e999 > x",
        "where x",
        "x during",
        "at_first(x) > 1",
        "baseline(2) > 1",
        "baseline() > 1",
        "attended(x)",
        "assessed()",
        "upcr + 1",
    ],
)
def test_nothing_else_gets_through(sentence: str) -> None:
    with pytest.raises(LanguageError):
        parse_condition(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "not " * 10_000 + "death",
        "(" * 10_000 + "death" + ")" * 10_000,
        "creatinine > creatinine" + " + creatinine" * 3_000,
    ],
    ids=["not not ...", "(( ...", "a + a + ..."],
)
def test_a_sentence_nested_without_end_is_refused(sentence: str) -> None:
    with pytest.raises(LanguageError, match="nested more than 150 levels deep"):
        parse_condition(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        " and ".join(["death"] * 10_000),
        "creatinine > creatinine" + " + creatinine" * 140,
        "not " * 140 + "death",
        "(" * 140 + "death" + ")" * 140,
    ],
    ids=["a and a ...", "a + a + ...", "not not ...", "(( ..."],
)
def test_a_long_sentence_is_read_and_prints_back(sentence: str) -> None:
    node = parse_condition(sentence)
    assert parse_condition(print_node(node)) == node


@pytest.mark.parametrize(
    ("sentence", "message", "try_"),
    [
        ("sustained(x >= 2, for 28)", "a length of time needs its unit", "for 28 days"),
        ("confirmed(x >= 2, within 14 to 42)", "a length of time needs its unit", "28 days"),
        (
            "sustained(x >= 2 for 28 days)",
            "a comma is missing before for, within",
            "sustained(x, for 28 days)",
        ),
        ("x => 2", "this is no comparison", ">= for at least"),
        ("x =< 2", "this is no comparison", "<= for at most"),
        ("x = > 2", "this is no comparison", ">= for at least"),
        ("x > 2 && y > 3", "& has no meaning here", "write and"),
        ("x > 2 || y > 3", "| has no meaning here", "write or"),
        ("x > 1,5", "a decimal comma", "1.5"),
        ("x between 1 and 2", "between is not a word of this language", "both limits"),
        ("x greater than 2", "a comparison is written as a sign", "> for more than"),
        ("x less than 2", "a comparison is written as a sign", "< for less than"),
        ("if x > 2 then y", "a condition is written without if and then", "the condition itself"),
        ("x >= 25% baseline(x)", "a percentage of a value is written as a product", "0.25 * baseline"),
    ],
)
def test_a_common_slip_is_named_and_mended(sentence: str, message: str, try_: str) -> None:
    with pytest.raises(LanguageError) as caught:
        parse_condition(sentence)
    assert message in str(caught.value)
    assert try_ in str(caught.value)


def test_a_slip_within_quotes_is_none() -> None:
    with pytest.raises(LanguageError, match="death does not fit here"):
        parse_record_condition('drug contains "a && b" death')
