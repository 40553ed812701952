"""Sentences of thousands of parts: read at once, explained in a page, and not for hundreds of events."""

from __future__ import annotations

import time

import pytest

from flarefree.endpoints.derivation import Derivation
from flarefree.endpoints.derive import derive
from flarefree.endpoints.explain import explain, explainable, render_text
from flarefree.endpoints.explanation import Clause
from flarefree.protocol.language.checking import check_condition
from flarefree.protocol.language.parsing import parse_condition
from flarefree.protocol.language.printing import layout
from flarefree.protocol.language.vocabulary import Vocabulary
from flarefree.protocol.loading import builtin_path, load_protocol, parse_protocol
from patients_on_paper import Paper

SENTENCES = {
    "sum": "creatinine >= 0.1 mg/dL" + " + 0 * creatinine" * 100,
    "negated": "not " * 140 + "creatinine >= 0.1 mg/dL",
    "same": " and ".join(["creatinine >= 0.1 mg/dL"] * 3000),
    "different": " and ".join(f"creatinine >= {i / 10_000} mg/dL" for i in range(3000)),
    "never": " or ".join(f"creatinine >= {90 + i / 10_000} mg/dL" for i in range(3000)),
    "deep": "was(" * 60 + "creatinine >= 0.1 mg/dL" + ")" * 60,
    "counted": "count(" + ", ".join(f"creatinine >= {i / 10_000} mg/dL" for i in range(3000)) + ") >= 3000",
}


@pytest.fixture(scope="module")
def d() -> Derivation:
    long = "".join(
        f"  long_{name}: {{label: Long {name}, when: '{sentence}'}}\n" for name, sentence in SENTENCES.items()
    )
    text = builtin_path("alms-maintenance").read_text("utf-8")
    protocol = parse_protocol(text.replace("\nendpoints:\n", f"\nendpoints:\n{long}", 1))
    paper = Paper()
    paper.patient("Ada", end=400).at(1, 0, creatinine=0.8).at(92, 3, creatinine=1.0).at(
        184, 6, creatinine=1.1
    )
    return derive(paper.study(), protocol)


def clauses(clause: Clause) -> list[Clause]:
    return [clause, *(inner for part in clause.parts for inner in clauses(part))]


def tree(d: Derivation, name: str) -> list[Clause]:
    reading = explain(d, "Ada", f"long_{name}").reading
    assert reading is not None, name
    return clauses(reading.clause)


@pytest.mark.parametrize("word", ["and", "or"])
def test_a_thousand_terms_are_read_in_a_second(word: str) -> None:
    names = Vocabulary.of(load_protocol("alms-maintenance").spec)
    sentence = f" {word} ".join(f"creatinine >= {i / 1000} mg/dL" for i in range(1000))
    begun = time.perf_counter()
    node = check_condition(parse_condition(sentence), sentence, names)
    assert len(layout(node).splitlines()) == 1000
    assert time.perf_counter() - begun < 1


def test_a_term_that_occurs_a_hundred_times_is_shown_once(d: Derivation) -> None:
    texts = [clause.text for clause in tree(d, "sum")]
    assert len(texts) < 8
    assert texts.count("0 * creatinine") == 1


def test_what_is_negated_twice_is_affirmed(d: Derivation) -> None:
    assert len(tree(d, "negated")) < 5


def test_equal_conditions_are_shown_once(d: Derivation) -> None:
    whole, *parts = tree(d, "same")
    assert [part.text for part in parts] == ["creatinine >= 0.1 mg/dL", "creatinine"]
    assert whole.note == ""


@pytest.mark.parametrize("name", ["different", "counted"])
def test_thousands_of_conditions_show_the_first_and_count_the_rest(d: Derivation, name: str) -> None:
    shown = tree(d, name)
    assert 100 < len(shown) <= 305
    notes = [clause.note for clause in shown if clause.note]
    n_conditions = sum(clause.text.startswith("creatinine >= ") for clause in shown[1:])
    assert notes == [f"and {3000 - n_conditions:,} more"]


def test_a_count_counts_what_is_not_shown_too(d: Derivation) -> None:
    assert (
        next(c for c in tree(d, "counted") if c.text.startswith("count(") and c.verdict is None).value == 3000
    )


def test_reasons_why_not_are_a_page(d: Derivation) -> None:
    explanation = explain(d, "Ada", "long_never")
    assert [len(reading.why) for reading in explanation.readings] == [51, 51]
    assert explanation.readings[0].why[-1] == "and others"


@pytest.mark.parametrize("name", SENTENCES)
def test_every_explanation_is_a_few_pages(d: Derivation, name: str) -> None:
    assert len(render_text(explain(d, "Ada", f"long_{name}"))) < 100_000


def test_events_are_explained_as_far_as_the_parts_of_their_sentences_go(d: Derivation) -> None:
    pairs = [("Ada", "long_different")] * 400
    assert len(explainable(d, pairs)) == 1_000_000 // 9001
    assert explainable(d, pairs, most_parts=1) == pairs[:1]
    assert explainable(d, [("Ada", "esrd")] * 400) == [("Ada", "esrd")] * 400
    assert explainable(d, []) == []


def test_all_events_of_a_trial_are_explained(d: Derivation) -> None:
    assert len(explainable(d, [("Ada", "treatment_failure")] * 400)) == 400
