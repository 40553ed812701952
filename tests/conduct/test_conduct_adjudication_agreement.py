"""Kappa against R (tests/reference/adjudication/kappa.R: delta method by numerical gradients), and tables."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flarefree.conduct.adjudication.agreement import (
    InvestigatorWord,
    agreement_table,
    compute_kappa,
    investigator_table,
    miss_rate,
)
from flarefree.conduct.adjudication.queue import Queue
from flarefree.conduct.checks.trying import alms

REFERENCE = json.loads((Path(__file__).parents[1] / "reference/adjudication/kappa.json").read_text("utf-8"))
TABLES = [name for name, value in REFERENCE.items() if isinstance(value, dict)]


def pairs_of(table: list[list[int]]) -> list[tuple[int, int]]:
    return [(i, j) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(("which", "exchangeable"), [("cohen", False), ("scott", True)])
def test_kappa_is_that_of_R(name: str, which: str, exchangeable: bool) -> None:
    known: dict[str, Any] = REFERENCE[name]
    kappa = compute_kappa(pairs_of(known["table"]), exchangeable=exchangeable)
    assert kappa.kappa == pytest.approx(known[which], abs=1e-11)
    assert kappa.std_error == pytest.approx(known[f"{which}_se"], abs=1e-7)


def test_the_example_of_fleiss_is_as_printed() -> None:
    """[fleiss2003] section 18.1: 100 patients, two diagnosticians, kappa 0.68."""
    kappa = compute_kappa(pairs_of(REFERENCE["fleiss"]["table"]), exchangeable=False)
    assert kappa.kappa is not None
    assert round(kappa.kappa, 2) == 0.68


def test_limits_lie_within_one_and_minus_one() -> None:
    kappa = compute_kappa([("a", "a")] * 40 + [("b", "b")] * 2 + [("a", "b")], exchangeable=True)
    assert kappa.conf_high is not None and kappa.conf_high <= 1


def test_where_all_agree_there_are_no_limits() -> None:
    kappa = compute_kappa([("a", "a"), ("b", "b")], exchangeable=True)
    assert (kappa.kappa, kappa.std_error, kappa.conf_low) == (1, None, None)


def test_where_all_say_one_thing_there_is_no_kappa() -> None:
    assert compute_kappa([("a", "a")] * 9, exchangeable=True).kappa is None
    assert compute_kappa([], exchangeable=False).n == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40))
def test_who_voted_first_does_not_matter_where_raters_are_exchangeable(pairs: list[tuple[str, str]]) -> None:
    turned = [(b, a) if i % 2 else (a, b) for i, (a, b) in enumerate(pairs)]
    one, other = compute_kappa(pairs, exchangeable=True), compute_kappa(turned, exchangeable=True)
    assert one.n_agree == other.n_agree
    if one.kappa is not None and other.kappa is not None:
        assert math.isclose(one.kappa, other.kappa, abs_tol=1e-12)


def test_an_empty_queue_gives_empty_tables_and_no_miss_rate() -> None:
    queue = Queue.of(alms())
    assert miss_rate(queue).rate is None
    table = agreement_table(queue, {"renal_flare": "Renal flare"})
    assert table.rows[0].cells["inter"].stats["estimate"] is None
    words = [InvestigatorWord("Ana", "renal_flare", 92, True)]
    assert (
        investigator_table(queue, words, {"renal_flare": "Renal flare"}).rows[0].cells["silent"].stats["n"]
        == 0
    )
