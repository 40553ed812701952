"""Virtual trials run through the evaluator that patients run through: regular panels, no records."""

from __future__ import annotations

import numpy as np

from flarefree.endpoints.context import Context
from flarefree.endpoints.evaluate import Evaluator, evaluate_condition
from flarefree.endpoints.events import find_onsets
from flarefree.endpoints.kernels import NO_DAY
from flarefree.endpoints.panel import regular_panel
from flarefree.endpoints.time_to_event import FollowUp, Standing, compute_times
from flarefree.protocol.loading import load_protocol

ALMS = load_protocol("alms-maintenance")
DAYS = [visit.day for visit in ALMS.spec.schedule.visits]


def panel(trials: int, patients: int = 10, seed: int = 3):
    """`trials` virtual trials, one after another; NaN where a visit was missed."""
    rng = np.random.default_rng(seed)
    shape = (trials * patients, len(DAYS))
    protein = np.exp(rng.normal(-0.8, 0.8, shape))
    protein[rng.random(shape) < 0.1] = np.nan
    return regular_panel(DAYS, {"upcr": protein, "proteinuria": protein, "creatinine": np.full(shape, 0.8)})


def first_days(trials: int, which: slice) -> list[int]:
    virtual = panel(trials)
    e = Evaluator(virtual, Context.of(ALMS))
    at, days = find_onsets(e, ALMS.sentences["endpoints.proteinuric_flare.when"])
    events = Standing.of(e.subject[at], days, np.arange(at.size))
    n = virtual.n_subjects
    start = np.ones(n, dtype=np.int32)
    times = compute_times(events, FollowUp.of(start, np.full(n, 1097, dtype=np.int32), []))
    return times.times[which].tolist()


def test_the_sentence_is_the_protocol_s_and_time_is_counted_as_for_patients() -> None:
    virtual = regular_panel(
        [1, 92, 184],
        {
            "upcr": np.array([[0.6, 1.2, 0.1], [0.6, 1.19, np.nan]]),
            "proteinuria": np.array([[0.5, 1.0, 0.1]] * 2),
        },
    )
    truth = evaluate_condition(ALMS.sentences["endpoints.proteinuric_flare.when"], virtual, Context.of(ALMS))
    assert truth.verdicts.tolist() == [0, 1, 0, 0, 0, 0]
    assert truth.days.tolist() == [1, 92, 184, 1, 92, 184]


def test_a_trial_is_the_same_alone_and_among_a_thousand() -> None:
    alone = panel(1)
    among = panel(1000)
    both = {
        name: np.concatenate([alone.columns[name].values, among.columns[name].values]).reshape(-1, len(DAYS))
        for name in alone.columns
    }
    node = ALMS.sentences["endpoints.proteinuric_flare.when"]
    n = alone.n_assessments
    together = evaluate_condition(node, regular_panel(DAYS, both), Context.of(ALMS))
    by_itself = evaluate_condition(node, alone, Context.of(ALMS))
    assert together.verdicts[:n].tolist() == by_itself.verdicts.tolist()
    assert together.days[:n].tolist() == by_itself.days.tolist()


def test_patients_without_an_event_are_followed_to_the_end() -> None:
    times = first_days(2, slice(None))
    assert max(times) == 1097 and min(times) < 1097
    assert NO_DAY not in times
