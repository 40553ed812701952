"""Drugs: the dictionary, what it finds in texts, and the built-in protocols' words in it."""

from __future__ import annotations

from datetime import date

import pytest

from flarefree.conduct.drugs import (
    DrugDictionary,
    FlagKind,
    Medication,
    builtin_dictionary,
    drug_rules,
    flags_of,
)
from flarefree.errors import ConductError, DesignError
from flarefree.protocol.loading import load_protocol

ONE = date(2026, 1, 31)


@pytest.fixture(scope="module")
def book() -> DrugDictionary:
    return builtin_dictionary()


def test_every_word_of_the_built_in_protocols_is_known(book):
    known = set(book.names) | {name for classes in book.classes.values() for name in classes}
    for name in ("alms-maintenance", "multitarget-maintenance"):
        rules = drug_rules(load_protocol(name).spec, "x")
        words = {*rules.prohibited, *rules.interacting, *rules.needs_approval, *rules.glucocorticoids}
        assert words - known <= {"other immunosuppressant"}


def test_names_are_found_as_words_and_the_longest_first(book):
    assert book.find("Mycophenolate mofetil 500 mg") == ("mycophenolate mofetil",)
    assert book.find("methylprednisolone") == ("methylprednisolone",)  # no prednisolone within it
    assert book.find("trimethoprim") == ()
    assert book.find("valsartan/amlodipine") == ("valsartan", "amlodipine")


def test_a_dictionary_with_one_name_for_two_drugs_is_refused():
    with pytest.raises(DesignError, match="two drugs"):
        DrugDictionary.of("1", {"a": {"names": ["x"]}, "b": {"names": ["X"]}})


def test_a_drug_that_ends_before_it_begins_is_refused():
    with pytest.raises(ConductError, match="before it begins"):
        Medication("1", "P", "ibuprofen", ONE, date(2026, 1, 1))
    with pytest.raises(ConductError, match="a name"):
        Medication("1", "P", "  ", ONE)


@pytest.mark.parametrize("end, flagged", [(date(2026, 1, 30), False), (ONE, True), (None, True)])
def test_treatment_begins_on_day_1(book, end, flagged):
    rules = drug_rules(load_protocol("multitarget-maintenance").spec, "x")
    entry = Medication("1", "P", "ibuprofen", date(2025, 12, 1), end)
    assert bool(flags_of(entry, book, rules, ONE)) is flagged


def test_flags_are_no_other_with_the_arms_exchanged(book):
    from flarefree.conduct.checks.blinded_trial import blinded_multitarget, swapped_arms

    one, other = (drug_rules(s, "x") for s in (blinded_multitarget(), swapped_arms(blinded_multitarget())))
    assert one == other


def test_a_flag_carries_both_versions(book):
    rules = drug_rules(load_protocol("multitarget-maintenance").spec, "digest")
    (flag,) = flags_of(Medication("1", "P", "rifampin", ONE), book, rules, ONE)
    assert (flag.kind, flag.drug, flag.dictionary, flag.protocol) == (
        FlagKind.INTERACTING,
        "rifampicin",
        book.version,
        "digest",
    )
