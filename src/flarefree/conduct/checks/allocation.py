"""R2, R6 to R9 and B1 at the level of rules: allocation without a database.

The application's own checks run the same over its tables, processes and pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from importlib import import_module
from typing import Any

from flarefree.conduct.checks._trial import (
    FACTORS,
    lists_of,
    plan_with,
    refusal,
    request,
    row,
    run,
    swap_arms,
)
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.randomization.allocating import (
    Allocated,
    Reason,
    Refused,
    Repeated,
    State,
)
from flarefree.conduct.randomization.reconciling import Slip, reconcile
from flarefree.conduct.randomization.strata_records import (
    correct_stratum,
    flag_randomized_in_error,
    record_of,
)

__all__ = ["CHECKS"]


def check_repeats(quick: bool) -> Iterator[Evidence]:
    """R2: the same request, the same answer; the same id with other inputs is refused."""
    state, first = State(lists_of()).ask(request(0))
    assert isinstance(first, Allocated)
    same = [state.ask(request(0, id=f"click {i}"))[1] for i in range(99)]
    alike = sum(isinstance(d, Repeated) and d.allocation == first.allocation for d in same)
    yield Evidence("99 more requests for one patient: the same slot", 99, alike, alike == 99)
    for i in range(1, 200):
        state, _ = state.ask(request(i))
    late = state.ask(request(0, time="2026-02-01T00:00Z"))[1]
    yield row("the request replayed 30 days and 199 patients later", late == Repeated(first.allocation))
    changes: list[dict[str, Any]] = [
        {"subject": "another"}, {"site": "99"}, {"has_consent": False}, {"channel": "emergency"},
        {"strata": {**request(0).strata, "race": "Black"}},
    ]  # fmt: skip
    for change in changes:
        after, decision = state.ask(request(0, **change))
        refused = isinstance(decision, Refused) and decision.reason is Reason.REQUEST_REUSED
        yield row(f"its id with another {next(iter(change))}", refused and after is state, str(decision))
    other = request(0, id="new", strata={**request(0).strata, "race": "Black"})
    decision = state.ask(other)[1]
    refused = isinstance(decision, Refused) and decision.reason is Reason.SUBJECT_KNOWN
    yield row("another id, the same patient in another stratum", refused, str(decision))


def check_exhaustion(quick: bool) -> Iterator[Evidence]:
    """R6: at the end of a list a clear refusal and an alarm; no wrap, no borrowing; nothing of arms."""
    lists = lists_of(plan_with(6))
    strata = request(0).strata
    state, seen = State(lists), []
    for i in range(6):
        state, decision = state.ask(request(i, strata=strata))
        seen.append(decision)
    given = [d.allocation.slot for d in seen if isinstance(d, Allocated)]
    yield Evidence("slots of a list of six", "1 to 6 in order", str(given), given == [1, 2, 3, 4, 5, 6])
    for i in range(6, 40):
        after, decision = state.ask(request(i, strata=strata))
        if not (isinstance(decision, Refused) and after is state):
            break
        refused = decision
    yield row("34 more patients of that stratum: refused, nothing consumed", after is state)
    yield row("with an alarm", refused.raises_alarm and refused.reason is Reason.LIST_EXHAUSTED, str(refused))
    other = state.ask(request(101))[1]
    yield row("another stratum goes on", isinstance(other, Allocated))
    emergency = state.ask(request(99, strata=strata, channel="emergency"))[1]
    codes = {code for one in lists.lists if one.use == "routine" for code in one.codes}
    apart = isinstance(emergency, Allocated) and emergency.allocation.slot == 1
    apart = apart and isinstance(emergency, Allocated) and emergency.allocation.code not in codes
    yield row("the emergency list has slots of its own", apart)
    swapped = run(swap_arms(lists), [request(i, strata=strata) for i in range(6)])
    same = swapped.ask(request(7, strata=strata))[1]
    yield row(
        "the refusal is the same where arms are exchanged", str(same) == str(refused) and same == refused
    )


def check_gates(quick: bool) -> Iterator[Evidence]:
    """R7: consent, eligibility and every stratum, present and in range; no value mapped to another."""
    state = State(lists_of())
    strata = dict(request(0).strata)
    cases: list[tuple[str, dict[str, Any], Reason]] = [
        ("no consent", {"has_consent": False}, Reason.NO_CONSENT),
        ("consent not known", {"has_consent": None}, Reason.NO_CONSENT),
        ("consent as the text 'True'", {"has_consent": "True"}, Reason.NO_CONSENT),
        ("not eligible", {"is_eligible": False}, Reason.NOT_ELIGIBLE),
        ("eligibility not known", {"is_eligible": None}, Reason.NOT_ELIGIBLE),
    ]
    for factor in FACTORS:
        rest = {k: v for k, v in strata.items() if k != factor.name}
        level = strata[factor.name]
        missing, unknown = Reason.STRATUM_MISSING, Reason.STRATUM_UNKNOWN
        cases += [
            (f"{factor.name} left out", {"strata": rest}, missing),
            (f"{factor.name} None", {"strata": strata | {factor.name: None}}, missing),
            (f"{factor.name} empty", {"strata": strata | {factor.name: ""}}, missing),
            (f"{factor.name} unknown", {"strata": strata | {factor.name: "Unknown"}}, unknown),
            (
                f"{factor.name} in lower case",
                {"strata": strata | {factor.name: str(level).swapcase()}},
                unknown,
            ),
            (f"{factor.name} with a space", {"strata": strata | {factor.name: f"{level} "}}, unknown),
        ]
    cases.append(("a factor that the plan lacks", {"strata": strata | {"sex": "F"}}, Reason.STRATUM_UNKNOWN))
    for what, change, reason in cases:
        after, decision = state.ask(request(0, **change))
        holds = isinstance(decision, Refused) and decision.reason is reason and after is state
        yield row(what, holds, str(decision), reason.value)
    closed = replace(state, is_open=False).ask(request(0))[1]
    yield row("before the trial is open", isinstance(closed, Refused), str(closed))
    yield row("with all in order", isinstance(state.ask(request(0))[1], Allocated))


def check_wrong_stratum(quick: bool) -> Iterator[Evidence]:
    """R8: a correction writes the actual stratum; slot, code and stratum used stay."""
    state, decision = State(lists_of()).ask(request(0))
    assert isinstance(decision, Allocated)
    before = decision.allocation
    record = record_of(before.receipt)
    actual = {**dict(request(0).strata), "race": "Asian"}
    told: dict[str, Any] = {"by": "data manager", "time": "2026-01-02T00:00Z", "reason": "source document"}
    fixed = correct_stratum(record, state.lists.plan, actual, **told)  # type: ignore[arg-type]
    yield row("stratum actual is the new one", fixed.stratum_actual == tuple(actual.values()))
    yield row("stratum used is the old one", fixed.stratum_used == before.stratum_used)
    yield row("the receipt, code included, is unchanged", fixed.receipt == before.receipt)
    yield row("the allocation is unchanged", state.allocations == (before,))
    yield row("the first record is unchanged", record.corrections == () and not record.is_misstratified)
    history = [(c.before, c.after, c.reason) for c in fixed.corrections]
    yield row(
        "the correction is kept with its reason", history[0][2] == "source document" and len(history) == 1
    )
    yield row("analysis reads either", fixed.stratum("used") != fixed.stratum("actual"))
    next_one = state.ask(request(99, strata=request(0).strata))[1]
    yield row("the next slot is the next", isinstance(next_one, Allocated) and next_one.allocation.slot == 2)
    cases = {
        "an unknown level": ({**actual, "race": "?"}, "x"),
        "no reason": (actual, " "),
        "nothing new": (dict(request(0).strata), "x"),
    }
    for what, (change, reason) in cases.items():
        yield refusal(what, correct_stratum, record, state.lists.plan, change, **{**told, "reason": reason})


VERBS = (
    "undo", "unassign", "edit", "swap", "exchange", "free", "release", "delete", "remove", "reset", "rewind",
    "update", "reassign", "reallocate", "unrandomize", "cancel", "revoke", "set_arm", "skip",
)  # fmt: skip


def check_no_way_back(quick: bool) -> Iterator[Evidence]:
    """R9: no name in the package takes an allocation back; its values cannot be changed."""
    package = import_module("flarefree.conduct.randomization")
    names = sorted({*package.__all__, *(n for m in _modules() for n in getattr(m, "__all__", ()))})
    members = [f"{n}.{m}" for n in names if isinstance(_value(n), type) for m in vars(_value(n))]
    found = [n for n in (*names, *members) if any(v in n.lower().split(".")[-1].split("_") for v in VERBS)]
    yield Evidence(
        f"{len(names)} names and {len(members)} members: verbs that take back", "none", str(found), not found
    )
    state, decision = State(lists_of()).ask(request(0))
    assert isinstance(decision, Allocated)
    fields = ("arm", "slot", "code", "stratum_used", "use", "sequence", "request")
    locked = sum(_is_frozen(decision.allocation, name) for name in fields)
    yield Evidence("fields of an allocation that cannot be set", len(fields), locked, locked == len(fields))
    yield row("nor the strata of its request", _is_frozen_mapping(decision.allocation.request.strata))
    flagged = flag_randomized_in_error(record_of(decision.allocation.receipt), "not eligible after all")
    yield row("randomized in error only flags", flagged.receipt == decision.allocation.receipt)
    again = state.ask(request(0))[1]
    yield row("and the slot stays given", again == Repeated(decision.allocation))


def _modules() -> list[Any]:
    names = ("allocating", "lists", "replaying", "strata_records", "sealing", "plan", "reporting")
    return [import_module(f"flarefree.conduct.randomization.{name}") for name in names]


def _value(name: str) -> Any:
    package = import_module("flarefree.conduct.randomization")
    return next(getattr(m, name) for m in (package, *_modules()) if hasattr(m, name))


def _is_frozen(value: object, name: str) -> bool:
    try:
        setattr(value, name, getattr(value, name))
    except FrozenInstanceError:
        return True
    return False


def _is_frozen_mapping(value: Any) -> bool:
    try:
        value["race"] = "Black"
    except TypeError:
        return True
    return False


def check_no_interference(quick: bool) -> Iterator[Evidence]:
    """B1: two runs, arms exchanged: what leaves the vault is the same to the byte."""
    count = 200 if quick else 1000
    lists = lists_of(plan_with(12))
    requests = [request(i) for i in range(count)]
    told = []
    for these in (lists, swap_arms(lists)):
        state, words = State(these), []
        for one in requests:
            state, decision = state.ask(one)
            words.append(
                repr(decision) if isinstance(decision, Refused) else repr(decision.allocation.receipt)
            )
            words.append(repr(decision))
        told.append((words, [a.arm for a in state.allocations]))
    differing = sum(a != b for a, b in zip(told[0][0], told[1][0], strict=True))
    opposite = all(a == 1 - b for a, b in zip(told[0][1], told[1][1], strict=True))
    yield row(f"{len(told[0][1])} assignments are all exchanged", opposite and bool(told[0][1]))
    yield Evidence(
        f"{2 * count:,} receipts, refusals and printed decisions that differ", 0, differing, differing == 0
    )


# F-3 ---------------------------------------------------------------------------------------------


def check_outage(quick: bool) -> Iterator[Evidence]:
    """F-3: the emergency list apart, back-entry with code and reason, reconciliation names what is amiss."""
    lists = lists_of()
    state = run(lists, [request(i) for i in range(20)])
    own = lists.list_of(tuple(str(level) for level in request(0).strata.values()), "emergency")
    assert own is not None
    told: dict[str, Any] = {"channel": "emergency", "strata": request(0).strata}
    slips = [Slip(own.codes[k], f"subject {100 + k}", "01", f"2026-02-01T0{k}:00Z") for k in range(3)]
    entries = [
        request(100 + k, subject=s.subject, site=s.site, time=s.time, code=s.code, **told)
        for k, s in enumerate(slips)
    ]
    without = state.ask(replace(entries[0], reason=" "))[1]
    yield row("back-entry without a reason", isinstance(without, Refused), str(without))
    early = state.ask(entries[1])[1]
    yield row("back-entry out of order", isinstance(early, Refused) and not early.raises_alarm, str(early))
    made_up = state.ask(replace(entries[0], code="00000000"))[1]
    yield row("a code that is not the next slot's", isinstance(made_up, Refused), str(made_up))
    after = state
    for entry in entries:
        after, _ = after.ask(entry)
    receipts = [a.receipt for a in after.allocations]
    given = [one.code for one in receipts if one.channel == "emergency"]
    yield row("three slips entered, each under its own code", given == [s.code for s in slips])
    yield row("routine lists are where they were", after.allocations[:20] == state.allocations)
    yield row("reconciled", reconcile(slips, receipts) == ())
    amiss: dict[str, tuple[list[Slip], list[Any]]] = {
        "not entered": (slips, receipts[:-1]),
        "not on paper": (slips[:2], receipts),
        "entered otherwise": ([*slips[:2], replace(slips[2], subject="another")], receipts),
        "code twice on paper": ([*slips, slips[0]], receipts),
        "patient twice on paper": ([*slips, replace(slips[0], code="99999999")], receipts),
    }
    for kind, (paper, entered) in amiss.items():
        found = [one.kind for one in reconcile(paper, entered)]
        yield row(f"a fault planted: {kind}", kind in found, str(found), kind)


_RULES = "rule level: the application's check runs it over its database and processes"
CHECKS = (
    Check("R2", "Same patient, many clicks: one allocation", check_repeats, _RULES),
    Check("R6", "The end of a list is an error", check_exhaustion, _RULES),
    Check("R7", "Gates of randomization", check_gates, _RULES),
    Check("R8", "A wrong stratum is corrected beside the allocation", check_wrong_stratum, _RULES),
    Check("R9", "No verb takes an allocation back", check_no_way_back, _RULES),
    Check("F-3", "An outage is entered afterwards and reconciled", check_outage, _RULES),
    Check("B1", "Receipts and refusals do not depend on arms", check_no_interference, _RULES),
)
