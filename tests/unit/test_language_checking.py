"""Names, types and units of sentences: what is accepted, and how both sides get one unit."""

from __future__ import annotations

import pytest

from flarefree.errors import LanguageError
from flarefree.protocol.language.checking import Scope, check_condition, check_records, check_value
from flarefree.protocol.language.nodes import (
    Arithmetic,
    Comparison,
    Conditional,
    FieldTest,
    Holds,
    IsKnown,
    Node,
    Quantity,
    RecordTable,
)
from flarefree.protocol.language.parsing import parse_condition, parse_record_condition, parse_value
from flarefree.protocol.language.printing import print_node
from flarefree.protocol.language.vocabulary import Kind, Type, Vocabulary

NAMES = Vocabulary(
    measures={
        "proteinuria": Kind(Type.NUMBER, "g/day", ("proteinuria",)),
        "collected": Kind(Type.NUMBER, "mg/24 h", ("collected",)),
        "upcr": Kind(Type.NUMBER, "mg/mg", ("upcr",)),
        "creatinine": Kind(Type.NUMBER, "mg/dL", ("creatinine", "CREAT")),
        "creatinine_si": Kind(Type.NUMBER, "umol/L", ("creatinine_si", "CREAT")),
        "white_blood_cells": Kind(Type.NUMBER, "10^9/L", ("white_blood_cells",)),
        "sledai": Kind(Type.NUMBER, "", ("sledai",)),
        "cellular_casts": Kind(Type.YES_NO),
        "bilag_skin": Kind(Type.GRADE, grades={"A": 5, "B": 4, "C": 3}),
        "comment": Kind(Type.TEXT),
    },
    covariates={
        "age": Kind(Type.NUMBER, "years"),
        "race": Kind(Type.TEXT, levels=("Asian", "Black", "White")),
        "site": Kind(Type.TEXT),
    },
    endpoints={"remission": "state", "flare": "event", "failure": "composite", "ratio": "value"},
    values={"ratio": Kind(Type.NUMBER, "", ("ratio",))},
    epochs=("induction", "maintenance"),
    visits=("Month 0", "MONTH 6"),
)


def checked(sentence: str) -> Node:
    return check_condition(parse_condition(sentence), sentence, NAMES)


def complaint(sentence: str, scope: Scope = Scope.ASSESSMENT) -> LanguageError:
    with pytest.raises(LanguageError) as caught:
        check_condition(parse_condition(sentence), sentence, NAMES, scope)
    return caught.value


def under_the_caret(error: LanguageError) -> str:
    line, carets = error.found.splitlines()
    return line[carets.index("^") : carets.rindex("^") + 1]


@pytest.mark.parametrize(
    ("sentence", "value", "unit"),
    [
        ("proteinuria >= 500 mg/24 h", 0.5, "g/day"),
        ("proteinuria >= 0.5 g/24h", 0.5, "g/24h"),  # the same unit, spelled otherwise
        ("collected >= 1 g/day", 1000.0, "mg/24 h"),
        ("upcr >= 500 mg/g", 0.5, "mg/mg"),
        ("upcr >= 100 mg/mmol", 0.884, "mg/mg"),
        ("creatinine >= 88.4 umol/L", 1.0, "mg/dL"),
        ("white_blood_cells < 4000 /uL", 4.0, "10^9/L"),
        ("white_blood_cells < 3000 /mm3", 3.0, "10^9/L"),
    ],
)
def test_a_quantity_is_brought_to_the_unit_of_its_measure(sentence: str, value: float, unit: str) -> None:
    node = checked(sentence)
    assert isinstance(node, Comparison)
    assert isinstance(node.right, Quantity)
    assert node.right.value == pytest.approx(value, rel=1e-15)
    assert node.right.unit == unit


@pytest.mark.parametrize(
    "sentence",
    [
        "proteinuria >= 500 mg/24 h",
        "proteinuria >= (1000 mg/day if baseline(proteinuria) <= 500 mg/day else 2 g/day)",
        'bilag_skin >= "B"',
        "days_since(flare) <= 4 weeks",
    ],
)
def test_a_reconciled_sentence_prints_as_it_was_written(sentence: str) -> None:
    assert print_node(checked(sentence)) == sentence


def test_a_quantity_on_the_left_is_brought_to_the_measure_on_the_right() -> None:
    node = checked("500 mg/day <= proteinuria")
    assert isinstance(node, Comparison)
    assert node.left == Quantity(0.5, "g/day")


def test_both_branches_of_a_threshold_are_converted() -> None:
    node = checked("proteinuria >= (1000 mg/day if baseline(proteinuria) <= 500 mg/day else 2 g/day)")
    assert isinstance(node, Comparison)
    assert isinstance(node.right, Conditional)
    assert (node.right.then, node.right.otherwise) == (Quantity(1, "g/day"), Quantity(2, "g/day"))


def test_one_measure_is_converted_to_the_unit_of_another() -> None:
    node = checked("creatinine_si >= 2 * creatinine")
    assert isinstance(node, Comparison)
    assert isinstance(node.right, Arithmetic)
    assert node.right.left == Quantity(88.4)


def test_a_sum_takes_the_unit_of_its_measure() -> None:
    node = checked("proteinuria >= baseline(proteinuria) + 2000 mg/day")
    assert isinstance(node, Comparison)
    assert isinstance(node.right, Arithmetic)
    assert node.right.right == Quantity(2, "g/day")


def test_grades_become_numbers_and_keep_their_names() -> None:
    node = checked('bilag_skin = "A"')
    assert isinstance(node, Comparison)
    assert node.right == Quantity(5)
    assert print_node(node) == 'bilag_skin = "A"'


def test_a_state_that_is_known_is_a_condition() -> None:
    node = checked("remission is known")
    assert isinstance(node, IsKnown)
    assert node.operand == Holds("remission")


def test_durations_of_records_are_in_days() -> None:
    sentence = 'name = "dialysis" and duration >= 4 weeks'
    node = check_records(parse_record_condition(sentence), sentence, RecordTable.PROCEDURE)
    test = node.operands[1]  # type: ignore[attr-defined]
    assert isinstance(test, FieldTest)
    assert test.values == (Quantity(28, "day"),)
    assert print_node(node) == sentence


def test_a_value_is_converted_to_the_unit_of_its_endpoint() -> None:
    node = check_value(parse_value("2 * proteinuria"), "2 * proteinuria", NAMES, "mg/day")
    assert isinstance(node, Arithmetic)
    assert node.left == Quantity(1000)


@pytest.mark.parametrize(
    ("sentence", "what", "place"),
    [
        ("proteinuria >= 2 mg/mg", "g/day and mg/mg cannot be compared", "2 mg/mg"),
        ("proteinuria + upcr >= 2 g/day", "g/day and mg/mg cannot be added", "upcr"),
        ("upcr / proteinuria > 1", "mg/mg and g/day cannot be divided", "proteinuria"),
        ("proteinuria >= 2", "this has no unit, and the other side is in g/day", "2"),
        ("2 <= proteinuria", "the left side has no unit", "proteinuria"),
        ("proteinuria >= 2 g/dy", "g/dy is not a unit", "2 g/dy"),
        ("proteinuria * upcr >= 2 g/day", "g/day times mg/mg", "proteinuria * upcr"),
        ("upcr >= 50% * baseline(upcr)", "% times mg/mg", "50% * baseline(upcr)"),
        ("percent_change(upcr) <= -50", "this has no unit, and the other side is in %", "-50"),
        ("creatinin >= 2 mg/dL", "there is no measure called creatinin", "creatinin"),
        ("proteinuria", "proteinuria is a number in g/day, not a condition", "proteinuria"),
        ("remision", "nothing here is called remision", "remision"),
        ("race", "race is a covariate, not a condition", "race"),
        ("ratio", "the endpoint ratio is a value", "ratio"),
        ("cellular_casts >= 1", "cellular_casts is yes or no, not a number", "cellular_casts"),
        ("confirmed(proteinuria, within 1 to 2 days)", "proteinuria is a number in g/day", "proteinuria"),
        ("baseline(upcr)", "this is a number, not a condition", "baseline(upcr)"),
        ('baseline(race) = "Black"', "race is a covariate, which has one value only", "race"),
        ("baseline(remission)", "remission is an endpoint, not a measure", "remission"),
        ("upper_limit(cellular_casts) > 1", "yes or no, and has no", "upper_limit(cellular_casts)"),
        ('race = "black"', '"black" is none of the levels', '"black"'),
        ('race >= "Black"', "text is not ordered by >=", 'race >= "Black"'),
        ("race = 2", "text is compared with a number", "2"),
        ('upcr = "high"', "text is compared with a number", "upcr"),
        ('bilag_skin = "F"', '"F" is no grade of it', '"F"'),
        ('comment = "x"', "comment is text", "comment"),
        ("lowest(upcr, during x) > 1 mg/mg", "there is no epoch called x", "lowest(upcr, during x)"),
        ("remission during washout", "there is no epoch called washout", "remission during washout"),
        ("randomized", "randomized is about a patient as a whole", "randomized"),
        ("death and age", "age is a covariate, not a condition", "age"),
        ('(medication where dosage = "x")', "medication records have no dosage", 'dosage = "x"'),
        ("(medication where drug)", "drug is text", "drug"),
        ('(adverse_event where serious = "Y")', "serious is yes or no", 'serious = "Y"'),
        ("(procedure where duration >= 2 g/day)", "duration is in days, not in g/day", "duration >= 2 g/day"),
        ('(medication where drug = "x" or death)', "medication records have no death", "death"),
        ("(1 g/day if remission else 2 mg/mg) < proteinuria", "cannot be used side by side", "2 mg/mg"),
    ],
)
def test_what_makes_no_sense_is_shown_with_a_caret(sentence: str, what: str, place: str) -> None:
    error = complaint(sentence)
    assert what in error.what
    assert under_the_caret(error) == place


@pytest.mark.parametrize(
    ("sentence", "meant"),
    [
        ("creatinin >= 2 mg/dL", "creatinine"),
        ("remision", "remission"),
        ("proteinuria >= 2 g/dy", "g/day"),
        ("lowest(upcr, during inducton) > 1 mg/mg", "induction"),
        ('race = "black"', "Black"),
        ('(medication where drugs = "x")', "drug"),
    ],
)
def test_what_may_have_been_meant(sentence: str, meant: str) -> None:
    assert complaint(sentence).try_.startswith("did you mean")
    assert meant in complaint(sentence).try_


@pytest.mark.parametrize(
    "sentence",
    [
        'randomized and race = "Black"',
        "dosed and assessed(upcr, creatinine)",
        'attended("MONTH 6")',
        "age >= 18 years",
        "race is known and not completed",
    ],
)
def test_populations_are_about_patients(sentence: str) -> None:
    check_condition(parse_condition(sentence), sentence, NAMES, Scope.SUBJECT)


@pytest.mark.parametrize(
    ("sentence", "what"),
    [
        ("remission", "about assessments"),
        ("upcr >= 1 mg/mg", "upcr is a measure"),
        ("baseline(upcr) >= 1 mg/mg", "about assessments"),
        ("assessed(upcx)", "there is no measure called upcx"),
        ('attended("MONTH 7")', "there is no visit called MONTH 7"),
        ("death", "about assessments"),
    ],
)
def test_populations_know_no_assessment(sentence: str, what: str) -> None:
    assert what in complaint(sentence, Scope.SUBJECT).what


def test_a_value_in_another_unit_than_its_endpoint_says() -> None:
    with pytest.raises(LanguageError, match="this is in g/day, not in mg/mg"):
        check_value(parse_value("proteinuria"), "proteinuria", NAMES, "mg/mg")
    with pytest.raises(LanguageError, match="not a number without a unit"):
        check_value(parse_value("proteinuria"), "proteinuria", NAMES, "")
