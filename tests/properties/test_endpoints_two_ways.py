"""Two ways agree: the panel's evaluator, and a slow and obvious one that reads the nodes by itself."""

from __future__ import annotations

import numpy as np
import pytest
from endpoint_strategies import (
    WORLD,
    conditions,
    evaluator_of,
    kinds_of_conditions,
    leaf_conditions,
    patients,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive_endpoints import Naive, NaivePatient

from flarefree.endpoints.evaluate import Truth
from flarefree.endpoints.events import find_onsets
from flarefree.endpoints.kernels import NO_DAY
from flarefree.protocol.language.nodes import Node

many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
VERDICTS = {False: 0, True: 1, None: 2}


def naive_truths(patients: list[NaivePatient], node: Node) -> list[tuple[int, int]]:
    """(verdict, day) at every assessment, in the panel's code."""
    truths = []
    for patient in patients:
        naive = Naive(patient, WORLD)
        for a in range(len(patient.assessments)):
            verdict, day = naive.truth(node, a)
            truths.append((VERDICTS[verdict], int(NO_DAY) if day is None else day))
    return truths


def pairs(truth: Truth) -> list[tuple[int, int]]:
    return list(zip(truth.verdicts.tolist(), truth.days.tolist(), strict=True))


@many
@given(st.lists(patients(), min_size=1, max_size=3), conditions)
def test_verdicts_and_their_days(everyone: list[NaivePatient], node: Node) -> None:
    assert pairs(evaluator_of(everyone).condition(node)) == naive_truths(everyone, node)


KINDS = kinds_of_conditions(leaf_conditions)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_kind_of_node(kind: str, data: st.DataObject) -> None:
    """Three sentences of the kind on three patients: enough to meet its boundaries."""
    everyone = data.draw(st.lists(patients(max_size=9), min_size=3, max_size=3))
    for node in data.draw(st.lists(KINDS[kind], min_size=3, max_size=3)):
        assert pairs(evaluator_of(everyone).condition(node)) == naive_truths(everyone, node), node


@many
@given(st.lists(patients(), min_size=1, max_size=3), conditions)
def test_onsets_of_episodes(everyone: list[NaivePatient], node: Node) -> None:
    at, days = find_onsets(evaluator_of(everyone), node)
    offset, expected = 0, []
    for patient in everyone:
        expected += [(offset + a, day) for a, day in Naive(patient, WORLD).onsets(node)]
        offset += len(patient.assessments)
    assert list(zip(at.tolist(), days.tolist(), strict=True)) == expected


@given(conditions)
@settings(max_examples=50, deadline=None)
def test_a_panel_without_assessments(node: Node) -> None:
    empty = NaivePatient([], {"race": None}, {"flare": None})
    truth = evaluator_of([empty, empty]).condition(node)
    assert truth.verdicts.shape == truth.days.shape == (0,)
    assert truth.verdicts.dtype == np.int8
