"""Lists drawn, sealed, encrypted; plans and their hash; the rule of one allocation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flarefree.conduct.checks._trial import DIGEST, FACTORS, KEY, SEED, lists_of, plan_with, request, run
from flarefree.conduct.randomization import (
    Allocated,
    BigStick,
    Complete,
    Factor,
    MaximalProcedure,
    PermutedBlocks,
    PocockSimon,
    RandomizationPlan,
    Refused,
    Repeated,
    State,
    decrypt,
    draw_lists,
    encrypt,
    load_lists,
    new_seed,
    new_signing_key,
    plan_of,
    public_key_of,
    replay,
    seal_lists,
)
from flarefree.conduct.randomization.lists import check_digit
from flarefree.conduct.randomization.plan import KINDS, scheme_from, scheme_to_dict
from flarefree.conduct.randomization.sealing import new_key, open_sealed, seal
from flarefree.errors import ConductError, DesignError
from flarefree.protocol import load_protocol
from flarefree.protocol.loading import parse_protocol

pytest.importorskip("cryptography")

SCHEMES = [
    Complete(), PermutedBlocks(sizes=(2, 4)), BigStick(limit=3), MaximalProcedure(limit=2, length=24),
    PocockSimon((2, 4, 3), p=0.9),
]  # fmt: skip


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.name)
def test_every_stratum_has_its_lists_whether_or_not_anyone_comes(scheme):
    lists = lists_of(plan_with(24, scheme))
    cells = [one.cell for one in lists.lists if one.use == "routine"]
    assert cells == (list(lists.plan.cells) if lists.plan.has_lists else [()])
    assert {len(one.entries) for one in lists.lists if one.use == "routine"} == {24}
    assert {len(one.entries) for one in lists.lists if one.use == "emergency"} == {4}
    codes = [code for one in lists.lists for code in one.codes]
    assert len(set(codes)) == len(codes) and {len(code) for code in codes} == {8}


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.name)
def test_sealed_encrypted_and_loaded_again(scheme):
    plan = plan_with(24, scheme)
    key, vault = new_signing_key(), new_key()
    lists = draw_lists(plan, protocol_digest=DIGEST, seed=new_seed())
    stored = encrypt(seal_lists(lists, key).to_bytes(), vault, trial=plan.trial)
    again = load_lists(
        decrypt(stored, vault, trial=plan.trial), trial=plan.trial, protocol_digest=DIGEST,
        scheme_hash=plan.scheme_hash, public_key=public_key_of(key), published_sha256=lists.sha256,
    )  # fmt: skip
    assert again == lists and again.plan == plan


def test_nothing_of_the_lists_shows_in_print_or_in_the_encrypted_file():
    lists = lists_of()
    shown = repr(lists) + repr(lists.lists) + repr(seal_lists(lists, KEY))
    assert all(code not in shown for one in lists.lists for code in one.codes) and "entries" not in shown
    _, decision = State(lists).ask(request(0))
    assert "arm" not in repr(decision) and "arm" not in repr(decision.allocation.receipt)
    stored = encrypt(seal_lists(lists, KEY).to_bytes(), KEY, trial="Check trial")
    assert lists.lists[0].codes[0].encode() not in stored and b"entries" not in stored
    assert encrypt(b"x", KEY, trial="t") != encrypt(b"x", KEY, trial="t")


def test_the_vault_opens_only_with_its_key_for_its_trial_and_unchanged():
    stored = encrypt(b"lists", KEY, trial="one")
    assert decrypt(stored, KEY, trial="one") == b"lists"
    changed = stored[:-1] + bytes([stored[-1] ^ 1])
    for data, key, trial in (
        (stored, bytes(32), "one"), (stored, KEY, "two"), (changed, KEY, "one"), (b"", KEY, "one"),
        (stored[:20], KEY, "one"), (stored, b"short", "one"),
    ):  # fmt: skip
        with pytest.raises(ConductError):
            decrypt(data, key, trial=trial)


def test_a_document_of_one_kind_does_not_pass_for_another():
    sealed = seal("kind one", {"a": 1}, KEY).to_bytes()
    assert open_sealed(sealed, kind="kind one", public_key=public_key_of(KEY)) == {"a": 1}
    renamed = sealed.replace(b"kind one", b"kind two")
    for data in (sealed, renamed):
        with pytest.raises(ConductError):
            open_sealed(data, kind="kind two", public_key=public_key_of(KEY))


def test_the_same_seed_gives_the_same_lists_and_another_trial_others():
    lists = lists_of()
    assert lists_of() == lists
    renamed = draw_lists(replace(lists.plan, trial="Other"), protocol_digest=DIGEST, seed=SEED)
    assert [one.entries for one in renamed.lists] != [one.entries for one in lists.lists]
    assert renamed.lists[0].codes != lists.lists[0].codes
    other = draw_lists(lists.plan, protocol_digest="cd" * 32, seed=SEED)
    assert [one.entries for one in other.lists] != [one.entries for one in lists.lists]


def test_lists_of_different_strata_are_unrelated():
    """Pairs of lists agree slot by slot about half of the time."""
    lists = lists_of(plan_with(200, Complete()))
    arms = np.array([one.entries for one in lists.lists if one.use == "routine"])
    agree = [(arms[i] == arms[j]).mean() for i in range(24) for j in range(i)]
    assert 0.49 < np.mean(agree) < 0.51 and max(agree) < 0.66 and min(agree) > 0.34


def test_codes_tell_nothing_of_arms():
    """The first digit and the parity of codes, by arm: chi-square at 99.9%."""
    lists = lists_of(plan_with(200))
    pairs = [(code, arm) for one in lists.lists for code, arm in zip(one.codes, one.entries, strict=True)]
    for told in (lambda code: code[0], lambda code: int(code) % 2, lambda code: int(code) % 7):
        counts = Counter((told(code), arm) for code, arm in pairs)
        kinds = {kind for kind, _ in counts}
        x2 = sum(
            (counts[kind, arm] - half) ** 2 / half
            for kind in kinds
            for half in [(counts[kind, 0] + counts[kind, 1]) / 2]
            for arm in (0, 1)
        )
        assert x2 < 33  # 10 degrees of freedom at most: 29.6


@given(st.text("0123456789", min_size=7, max_size=7), st.integers(0, 7), st.integers(1, 9))
@settings(max_examples=300)
def test_a_code_shows_any_wrong_digit_and_any_two_neighbors_exchanged(digits, place, more):
    code = digits + check_digit(digits)
    wrong = code[:place] + str((int(code[place]) + more) % 10) + code[place + 1 :]
    assert check_digit(wrong[:-1]) != wrong[-1]
    if place < 7 and code[place] != code[place + 1]:
        swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
        assert check_digit(swapped[:-1]) != swapped[-1]


def test_check_digit_of_the_published_example():
    """572 has the check digit 4 in Damm's example."""
    assert check_digit("572") == "4"


# Plans -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_scheme_is_told_and_made_again(kind):
    told = {"kind": kind} | ({"levels": [2, 3]} if kind == "minimization" else {})
    scheme = scheme_from(told)
    assert scheme_from(scheme_to_dict(scheme)) == scheme and scheme_to_dict(scheme)["kind"] == kind


def test_the_hash_covers_everything_and_nothing_else():
    plan = plan_with()
    others = [
        replace(plan, trial="x"), replace(plan, arms=("B", "A")), replace(plan, list_length=25),
        replace(plan, emergency_length=5), replace(plan, scheme=BigStick(limit=3)),
        replace(plan, factors=FACTORS[::-1]),
        replace(plan, factors=(Factor("induction_drug", ("MMF", "IVC")), *FACTORS[1:])),
    ]  # fmt: skip
    assert len({one.scheme_hash for one in (plan, *others)}) == 8
    assert RandomizationPlan.from_dict(plan.to_dict()).scheme_hash == plan.scheme_hash


def test_the_protocol_s_own_plan():
    plan = plan_of(load_protocol("alms-maintenance"))
    assert plan.arms == ("MMF", "AZA") and len(plan.cells) == 24 and plan.scheme == BigStick(limit=2)
    assert (plan.list_length, plan.emergency_length) == (228, 20)
    with pytest.raises(DesignError, match="names no scheme"):
        plan_of(load_protocol("cdisc-pilot"))
    other = plan_of(load_protocol("cdisc-pilot"), PermutedBlocks(ratio=(1, 1, 1), sizes=(6,)))
    assert other.cells == ((),) and other.arms == ("placebo", "low", "high")
    with pytest.raises(DesignError, match="does not randomize"):
        plan_of(load_protocol("multitarget-maintenance"))


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        ("{kind: big_stick, sizes: [4]}", "big_stick has no sizes"),
        ("{kind: complete, p: 0.8}", "complete has no p"),
        ("{kind: permuted_blocks, sizes: [3]}", "cannot hold the allocation ratio"),
        ("{kind: coin}", "coin"),
        ("{kind: big_stick, limit: 0}", "limit"),
        ("{kind: efron, p: 0.3}", "p"),
    ],
)
def test_a_scheme_that_cannot_be_is_refused_with_its_line(scheme, said):
    loaded = load_protocol("alms-maintenance")
    from pathlib import Path

    text = (Path(loaded.folder) / loaded.path).read_text("utf-8")
    start = text.index("  scheme:\n")
    stop = text.index("  note: Block size")
    with pytest.raises(Exception, match=said) as caught:
        parse_protocol(text[:start] + f"  scheme: {scheme}\n" + text[stop:], "changed.yaml")
    line = text[:start].count("\n") + 1
    assert f"changed.yaml:{line}" in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"trial": " "}, {"arms": ("A",)}, {"arms": ("A", "A")}, {"list_length": 0}, {"emergency_length": -1},
        {"factors": (FACTORS[0], FACTORS[0])}, {"scheme": MaximalProcedure(limit=2, length=25)},
        {"scheme": PocockSimon((2, 3))},
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_is_refused(change):
    with pytest.raises(DesignError):
        replace(plan_with(), **change)


def test_a_scheme_or_number_that_does_not_exist_is_refused():
    for told in ({"kind": "coin"}, {}, {"kind": "big_stick", "sizes": [4]}):
        with pytest.raises(DesignError):
            scheme_from(told)
    with pytest.raises(DesignError):
        Factor("race", ())


# Allocating --------------------------------------------------------------------------------------


def test_each_stratum_goes_through_its_own_list_in_order():
    lists = lists_of(plan_with(60))
    state = run(lists, [request(i) for i in range(240)])
    assert len(state.allocations) == 240
    for one in lists.lists[:24]:
        own = [a for a in state.allocations if a.stratum_used == one.cell]
        assert [a.slot for a in own] == list(range(1, len(own) + 1))
        assert [a.arm for a in own] == list(one.entries[: len(own)])
        assert [a.code for a in own] == list(one.codes[: len(own)])
    assert [a.sequence for a in state.allocations] == list(range(1, 241))


def test_minimization_uses_margins_of_all_allocated_before():
    lists = lists_of(plan_with(300, PocockSimon((2, 4, 3), p=1.0)))
    rng = np.random.default_rng(5)
    picks = [{f.name: str(rng.choice(f.levels)) for f in FACTORS} for _ in range(300)]
    state = run(lists, [request(i, strata=picks[i]) for i in range(300)])
    margins = np.array(state.margins())
    assert margins.sum() == 900 and np.abs(margins[:, 0] - margins[:, 1]).max() <= 4
    assert replay(SEED, lists, state.allocations).is_identical
    end = state.ask(request(300))[1]
    assert isinstance(end, Refused) and end.raises_alarm


def test_emergency_slots_are_back_entered_under_their_own_channel():
    lists = lists_of(plan_with(8))
    state, first = State(lists).ask(request(0))
    state, second = state.ask(request(48, channel="emergency"))  # the same stratum
    assert first.allocation.stratum_used == second.allocation.stratum_used
    assert (second.allocation.use, second.allocation.slot) == ("emergency", 1)
    state, third = state.ask(request(96))
    assert (third.allocation.use, third.allocation.slot) == ("routine", 2)
    assert second.allocation.receipt.channel == "emergency"
    without = draw_lists(replace(lists.plan, emergency_length=0), protocol_digest=DIGEST, seed=SEED)
    refused = State(without).ask(request(0, channel="emergency"))[1]
    assert isinstance(refused, Refused) and refused.raises_alarm


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 3)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_whatever_is_asked_no_slot_is_given_twice_or_skipped_and_no_patient_has_two(asked):
    """Ids, patients and strata in any combination, repeated and contradictory."""
    lists = lists_of(plan_with(4))
    state = State(lists)
    for identity, subject, stratum in asked:
        before = state
        state, decision = state.ask(request(stratum, id=f"r{identity}", subject=f"s{subject}", site="01"))
        if isinstance(decision, Allocated):
            assert state.allocations[:-1] == before.allocations
        else:
            assert state is before
        if isinstance(decision, Repeated):
            assert decision.allocation in state.allocations
    subjects = [a.request.subject for a in state.allocations]
    assert len(set(subjects)) == len(subjects)
    slots: dict[tuple[str, ...], list[int]] = {}
    for a in state.allocations:
        slots.setdefault(a.stratum_used, []).append(a.slot)
    assert all(found == list(range(1, len(found) + 1)) for found in slots.values())
    assert replay(SEED, lists, state.allocations).is_identical


@pytest.mark.parametrize("name", ["id", "subject", "site"])
def test_a_request_without_a_name_is_refused(name):
    with pytest.raises(ConductError, match=name):
        request(0, **{name: " "})


def test_codes_are_drawn_by_the_slot_alone():
    """Other arms in the same slots, and the codes are the same: none rests on an arm."""
    stick, coin = lists_of(plan_with(24)), lists_of(plan_with(24, Complete()))
    assert [one.codes for one in stick.lists] == [one.codes for one in coin.lists]
    assert [one.entries for one in stick.lists] != [one.entries for one in coin.lists]
