"""The engine finds of a virtual trial what `derive` finds in the same trial's rows, endpoint by endpoint."""

from __future__ import annotations

import numpy as np
import pytest
from virtual_rows import derived_times

from flarefree.protocol.loading import load_protocol
from flarefree.simulation.asking import Nature, ask
from flarefree.simulation.design import design_of
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.tiles import Asker

# Busy patients: every road through committee, rescue, dialysis, death and reassessment is taken.
BUSY = Parameters().changed(
    lam_mmf=0.9, lam_aza=1.4, q_nephritic=0.5, q_severe=0.9, severe_slope_median=1.5, death=0.05,
    extrarenal=0.4, q_c=0.5, h_multitarget=1.0,
)  # fmt: skip


@pytest.mark.parametrize("name", ["alms-maintenance", "multitarget-maintenance"])
@pytest.mark.parametrize("parameters", [Parameters(), BUSY], ids=["as calibrated", "busy"])
def test_the_engine_finds_what_derive_finds_in_the_rows(name: str, parameters: Parameters) -> None:
    protocol = load_protocol(name)
    question, design = ask(protocol), design_of(protocol)
    tile = Asker((question,), design, seed=11).ask(range(2), parameters)
    rows = range(design.n * 2)
    derived = derived_times(protocol, question, tile, rows)
    for endpoint, times in tile.outcomes[0].times.items():
        found = (times.times.tolist(), times.is_event.tolist(), times.components.tolist())
        differ = [i for i in rows if any(a[i] != b[i] for a, b in zip(found, derived[endpoint], strict=True))]
        assert not differ, (
            endpoint,
            differ[:5],
            [[a[i] for a in (*found, *derived[endpoint])] for i in differ[:3]],
        )


def test_the_busy_patients_take_every_road() -> None:
    protocol = load_protocol("alms-maintenance")
    question = ask(protocol)
    done = Asker((question,), design_of(protocol), seed=11).ask(range(2), BUSY).outcomes[0].consequences
    for kind in (
        "death",
        "rescue",
        "suspected renal flare",
        "suspected extrarenal flare",
        "dialysis",
        "completed",
    ):
        assert done.happenings[kind].days.size > 3, kind
    refuted = sum(int((~done.stands[n] & done.is_seen[n]).sum()) for n in done.stands)
    assert refuted > 20
    for name, onsets in done.onsets.items():
        loss = question.plans[name].nature is Nature.FUNCTION
        until = (done.assessed_days if loss else done.end_days)[onsets.subjects]
        assert (done.is_seen[name] == (onsets.known_days <= until)).all()


def test_loss_of_function_at_a_failure_is_confirmed_afterwards_and_nothing_else_is_seen() -> None:
    """Who fails with doubled creatinine has it measured once more, within 100 days; nobody else has."""
    protocol = load_protocol("alms-maintenance")
    question, design = ask(protocol), design_of(protocol)
    done = Asker((question,), design, seed=11).ask(range(4), BUSY).outcomes[0].consequences
    later = done.assessed_days - done.end_days
    assert (later[~done.has_failed] == 0).all() and later.min() == 0 and later.max() <= 100
    assert (later > 0).sum() > 20
    doubling = done.onsets["doubling"]
    who = doubling.subjects[doubling.known_days > done.end_days[doubling.subjects]]
    assert later[who].any()
    never = Asker((question,), design, seed=11).ask(range(4), BUSY.changed(confirmed_days=0.0))
    assert (never.outcomes[0].consequences.assessed_days == done.end_days).all()


def test_a_reassessment_is_made_where_a_relapse_awaits_confirmation_and_nowhere_else() -> None:
    protocol = load_protocol("multitarget-maintenance")
    question, design = ask(protocol), design_of(protocol)
    tile = Asker((question,), design, seed=2).ask(range(4), BUSY)
    panel = tile.outcomes[0].panel
    extra = panel.visits == -1
    assert 0.005 < extra.mean() < 0.4
    scheduled = set(design.visit_days)
    days = panel.days[extra]
    assert not scheduled & set(days.tolist())
    assert {int(day) - 14 for day in days} <= scheduled


def test_confirmation_days_move_reassessments_and_too_early_ones_confirm_nothing() -> None:
    protocol = load_protocol("multitarget-maintenance")
    question = ask(protocol)

    def relapses(days: int) -> int:
        asker = Asker((question,), design_of(protocol, {"confirmation_days": days}), seed=2)
        return int(asker.ask(range(8), BUSY).outcomes[0].times["relapse_of_proteinuria"].is_event.sum())

    # The sentence asks for 14 to 42 days, and no two visits after month 1 are so near to one another.
    assert relapses(14) > 200
    assert relapses(3) == 0


def test_whoever_dies_or_withdraws_is_seen_no_more() -> None:
    protocol = load_protocol("alms-maintenance")
    question = ask(protocol)
    tile = Asker((question,), design_of(protocol, {"dropout": 0.9}), seed=5).ask(range(4), BUSY)
    done, cohort = tile.outcomes[0].consequences, tile.cohort
    assert (done.end_days <= np.minimum(cohort.dropout_day, cohort.death_day)).all()
    for times in tile.outcomes[0].times.values():
        assert (times.stop_days <= done.assessed_days).all()
    assert (done.assessed_days[~done.has_failed] == done.end_days[~done.has_failed]).all()
