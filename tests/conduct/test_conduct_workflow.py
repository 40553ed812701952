"""Workflow: the table is what the rules allow, has no way back, and leaves nobody stuck."""

from __future__ import annotations

from itertools import product

import pytest

from flarefree.conduct.adjudication.cases import TRANSITIONS, CaseState
from flarefree.conduct.roles.matrix import PHASES, load_matrix
from flarefree.conduct.visibility import Actor, Target
from flarefree.conduct.workflow import (
    CASE,
    MACHINES,
    SUBJECT,
    TRIAL,
    VISIT,
    Machine,
    draw_machine,
    possible_transitions,
    require_transition,
)
from flarefree.errors import ConductError

MATRIX = load_matrix()
MACHINE = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)


def ask(machine: Machine, name: str, state: str, phase: str, role: str | None, **other: object) -> str:
    """With every gate open and every reason given, unless said otherwise."""
    row = machine.transition(name)
    is_reader = role is not None and MATRIX.roles[role].scope == "assigned_cases"
    sites = frozenset({"099"} if is_reader or machine is CASE else {"017"})
    told = {
        "open_gates": row.gates,
        "reason": "as the charter says",
        "to": row.targets[0],
        "target": Target("017", frozenset({"p"})),
    }
    actor = None if role is None else Actor("p", role, sites)
    return require_transition(MATRIX, machine, name, state=state, phase=phase, actor=actor, **(told | other))


def is_allowed(*args, **other) -> bool:
    try:
        ask(*args, **other)
    except ConductError:
        return False
    return True


@MACHINE
def test_every_state_transition_phase_and_role_is_as_table_and_matrix_say(machine: Machine) -> None:
    """All combinations, and the system's own."""
    for row, state, phase in product(machine.transitions, machine.states, PHASES):
        fits = state in row.sources and phase in row.phases
        for role in (None, *MATRIX.roles):
            if role is None:
                expected = fits and row.is_by_system
            else:
                expected = fits and not row.is_by_system and MATRIX.allows(role, row.verb, row.field, phase)
            assert is_allowed(machine, row.name, state, phase, role) == expected, (
                row.name,
                state,
                phase,
                role,
            )


@MACHINE
def test_every_transition_can_be_made_by_somebody_in_each_of_its_phases(machine: Machine) -> None:
    for row in machine.transitions:
        for phase in row.phases:
            actors = [None] if row.is_by_system else list(MATRIX.roles)
            assert any(is_allowed(machine, row.name, row.sources[0], phase, role) for role in actors), (
                row.name
            )


@MACHINE
def test_every_state_is_reached_and_only_final_ones_have_no_way_on(machine: Machine) -> None:
    reached = {machine.states[0]}
    for _ in machine.states:
        reached |= {t for row in machine.transitions for t in row.targets if reached & set(row.sources)}
    assert reached == set(machine.states)
    leaving = {s for row in machine.transitions for s in row.sources}
    assert set(machine.states) - leaving == set(machine.final)


@MACHINE
def test_the_table_names_only_its_own_states_and_each_row_once(machine: Machine) -> None:
    named = {s for row in machine.transitions for s in (*row.sources, *row.targets)}
    assert named | set(machine.final) <= set(machine.states)
    names = [row.name for row in machine.transitions]
    assert len(names) == len(set(names))
    for row in machine.transitions:
        assert bool(row.verb) == bool(row.field)
        assert row.is_by_system or (row.verb in MATRIX.verbs and row.field in MATRIX.fields)


def test_R9_nothing_leads_back_to_before_randomization() -> None:
    """No transition undoes, edits, swaps or frees an allocation, by any path."""
    before = {"screening", "consented", "eligible", "screen_failed"}
    after = {"randomized"}
    for _ in SUBJECT.states:
        after |= {t for row in SUBJECT.transitions for t in row.targets if after & set(row.sources)}
    assert not after & before
    into = [row.name for row in SUBJECT.transitions if "randomized" in row.targets]
    assert into == ["randomize"] and SUBJECT.transition("randomize").sources == ("eligible",)
    verbs = {row.verb for machine in MACHINES for row in machine.transitions}
    assert not verbs & {"undo", "delete", "edit", "swap", "free"} and not set(MATRIX.verbs) & {
        "undo",
        "delete",
    }


@pytest.mark.parametrize("gate", SUBJECT.transition("randomize").gates)
def test_R7_each_gate_alone_stops_randomization(gate: str) -> None:
    others = tuple(g for g in SUBJECT.transition("randomize").gates if g != gate)
    with pytest.raises(ConductError, match=gate):
        ask(SUBJECT, "randomize", "eligible", "live", "investigator", open_gates=others)


@pytest.mark.parametrize("gate", TRIAL.transition("go_live").gates)
def test_F7_each_gate_alone_stops_going_live(gate: str) -> None:
    others = tuple(g for g in TRIAL.transition("go_live").gates if g != gate)
    with pytest.raises(ConductError, match=gate):
        ask(TRIAL, "go_live", "before_go_live", "before_go_live", "sponsor", open_gates=others)


def test_drug_study_and_consent_are_stopped_apart() -> None:
    """V3: who stops the drug is followed up; who withdraws from the study is asked for vital status still."""
    assert ask(SUBJECT, "stop_drug", "on_treatment", "live", "investigator") == "off_treatment"
    assert "complete" in {row.name for row in possible_transitions(SUBJECT, "off_treatment", "live")}
    assert {row.name for row in possible_transitions(SUBJECT, "withdrawn", "live")} == {
        "withdraw_consent",
        "die",
    }
    assert possible_transitions(SUBJECT, "consent_withdrawn", "live") == ()


def test_a_reason_is_asked_for_where_the_table_says() -> None:
    with pytest.raises(ConductError, match="a reason"):
        ask(SUBJECT, "stop_drug", "on_treatment", "live", "investigator", reason=" ")
    assert ask(SUBJECT, "die", "lost", "live", "site_staff", reason="") == "died"


def test_another_sites_subject_cannot_be_moved() -> None:
    with pytest.raises(ConductError, match="nothing here for you"):
        ask(SUBJECT, "stop_drug", "on_treatment", "live", "investigator", target=Target("018"))


def test_a_target_must_be_named_where_there_are_several() -> None:
    with pytest.raises(ConductError, match="does not lead there"):
        ask(CASE, "cast", "voting", "live", "committee_member", to="")
    with pytest.raises(ConductError, match="does not lead there"):
        ask(CASE, "cast", "voting", "live", "committee_member", to="void")
    with pytest.raises(ConductError, match="no such transition"):
        ask(CASE, "undo", "voting", "live", "committee_member")


def test_a_corrected_visit_is_signed_and_verified_anew() -> None:
    assert ask(VISIT, "correct", "verified", "live", "investigator") == "entered"
    assert not is_allowed(VISIT, "verify", "entered", "live", "monitor")


def test_the_table_of_cases_is_that_of_the_committee() -> None:
    """One table in two forms: which state, by which act, to which; `adjudication.cases` acts on it."""
    ours: dict[tuple[str, str], set[str]] = {}
    for row in CASE.transitions:
        for state in row.sources:
            ours.setdefault((state, row.name), set()).update(row.targets)
    theirs = {(str(state), act): {str(t) for t in targets} for (state, act), targets in TRANSITIONS.items()}
    assert set(CASE.states) == {str(state) for state in CaseState}
    assert set(ours) == set(theirs)
    for key, targets in theirs.items():
        assert targets <= ours[key], key


def test_the_diagram_has_every_row() -> None:
    drawn = draw_machine(SUBJECT)
    for row in SUBJECT.transitions:
        for state in row.sources:
            assert f"    {state} --> {row.targets[0]}: {row.name}" in drawn
