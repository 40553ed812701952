"""R11, R12 and F-7: replay from the seed, wrong lists refused, the gate of simulation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from flarefree.conduct.checks._trial import (
    DIGEST,
    FACTORS,
    KEY,
    OTHER_KEY,
    OTHER_SEED,
    SEED,
    lists_of,
    plan_with,
    refusal,
    request,
    row,
    run,
)
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.randomization.allocating import Allocation
from flarefree.conduct.randomization.lists import LIST_KIND, ListSet, draw_lists, load_lists, seal_lists
from flarefree.conduct.randomization.minimization import PocockSimon
from flarefree.conduct.randomization.plan import canonical
from flarefree.conduct.randomization.replaying import replay
from flarefree.conduct.randomization.schemes import BigStick, PermutedBlocks
from flarefree.conduct.randomization.sealing import digest_of, public_key_of, seal
from flarefree.errors import ConductError

__all__ = ["CHECKS"]


def check_replay(quick: bool) -> Iterator[Evidence]:
    """R11: seed and inputs give list and assignments again; one changed input, and the row is named."""
    count = 60 if quick else 240
    for plan in (
        plan_with(60),
        plan_with(60, PermutedBlocks(sizes=(2, 4))),
        plan_with(count, PocockSimon((2, 4, 3), p=0.8)),
    ):
        lists = lists_of(plan)
        log = run(lists, [request(i) for i in range(count)]).allocations
        name = plan.scheme.name
        done = replay(SEED, lists, log)
        yield row(
            f"{name}: {done.slots:,} slots and {done.rows} rows again",
            done.is_identical and done.rows == count,
        )
        yield row(f"{name}: lists drawn twice", draw_lists(plan, protocol_digest=DIGEST, seed=SEED) == lists)
        for place in (1, 17, count):
            yield from _changes(name, lists, log, place)
        yield _named(f"{name}: rows 5 and 6 exchanged", lists, (*log[:4], log[5], log[4], *log[6:]), 5)
        yield _named(f"{name}: row 9 left out", lists, (*log[:8], *log[9:]), 9)
    lists = lists_of()
    other = replay(OTHER_SEED, lists).difference
    yield row("another seed", other is not None and "seed" in other.what, str(other))
    one = lists.lists[3]
    entries = (*one.entries[:4], 1 - one.entries[4], *one.entries[5:])
    changed = replace(lists, lists=(*lists.lists[:3], replace(one, entries=entries), *lists.lists[4:]))
    difference = replay(SEED, changed).difference
    where = f"routine list of {' / '.join(one.cell)}, slot 5"
    yield row(
        "a slot of a list changed", difference is not None and where in difference.what, str(difference)
    )


def _changes(name: str, lists: ListSet, log: tuple[Allocation, ...], place: int) -> Iterator[Evidence]:
    """One row of the log changed in three ways."""
    one = log[place - 1]
    race = "Black" if one.request.strata["race"] != "Black" else "White"
    other = replace(one.request, strata={**one.request.strata, "race": race})
    without = replace(one.request, has_consent=False)
    what = f"{name}: row {place}"
    yield _named(f"{what}, another arm", lists, _change(log, place, arm=1 - one.arm), place)
    yield _named(f"{what}, another stratum", lists, _change(log, place, request=other), place)
    yield _named(f"{what}, consent taken away", lists, _change(log, place, request=without), place)


def _change(log: tuple[Allocation, ...], row: int, **changes: Any) -> tuple[Allocation, ...]:
    return (*log[: row - 1], replace(log[row - 1], **changes), *log[row:])


def _named(what: str, lists: ListSet, log: tuple[Allocation, ...], row: int) -> Evidence:
    found = replay(SEED, lists, log).difference
    return Evidence(what, f"row {row}", str(found), found is not None and found.row == row)


Body = dict[str, Any]


def check_lists(quick: bool) -> Iterator[Evidence]:
    """R12: whatever is not exactly the sealed and published list of this trial is not loaded."""
    lists = lists_of()
    sealed = seal_lists(lists, KEY)
    good = sealed.to_bytes()
    yield row("the lists as sealed", _load(good, lists) == lists)
    for name, attack in ATTACKS.items():
        body = json.loads(json.dumps(dict(sealed.body)))
        attack(body)
        assert body != dict(sealed.body), name
        forged = canonical({**json.loads(good), "body": body}) + b"\n"
        yield refusal(f"{name}, in the file", _load, forged, lists)
        rehashed = {**json.loads(good), "body": body, "sha256": digest_of(LIST_KIND, body)}
        yield refusal(f"{name}, hash made right", _load, canonical(rehashed) + b"\n", lists)
        signed = seal(LIST_KIND, body, KEY).to_bytes()
        yield refusal(f"{name}, signed anew by the true key", _load, signed, lists)
        if name not in ("arms exchanged", "permuted"):  # which look like other true lists
            digest = digest_of(LIST_KIND, body)
            yield refusal(f"{name}, signed and published", _load, signed, lists, published=digest)
    yield refusal("signed by another key", lambda: _load(seal_lists(lists, OTHER_KEY).to_bytes(), lists))
    yield refusal("of another protocol", lambda: _load(good, lists, protocol_digest="cd" * 32))
    yield refusal("of another trial", lambda: _load(good, lists, trial="Other trial"))
    yield refusal("of another scheme", lambda: _load(good, lists, scheme_hash=plan_with(25).scheme_hash))
    yield refusal("empty", lambda: _load(b"", lists))
    yield refusal("half of it", lambda: _load(good[: len(good) // 2], lists))
    yield refusal(
        "a name said twice", lambda: _load(good.replace(b'{"body":', b'{"body":{},"body":', 1), lists)
    )
    places = range(0, len(good) - 1, 997 if quick else 97)
    passed = sum(_loads(good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :], lists) for i in places)
    yield Evidence(f"one bit changed, at {len(places)} places: loaded", 0, passed, passed == 0)


def _first(body: Body) -> Body:
    one: Body = body["lists"][0]
    return one


def _sort_entries(body: Body) -> None:
    for one in body["lists"]:
        one["entries"].sort()


def _swap_entries(body: Body) -> None:
    for one in body["lists"]:
        one["entries"] = [1 - entry for entry in one["entries"]]


def _rename(body: Body) -> None:
    body["trial"] = body["plan"]["trial"] = "Other trial"


ATTACKS: dict[str, Callable[[Body], None]] = {
    "permuted": lambda b: _first(b).update(entries=_permuted(_first(b)["entries"])),
    "sorted": _sort_entries,
    "truncated": lambda b: _first(b).update(entries=_first(b)["entries"][:-1], codes=_first(b)["codes"][:-1]),
    "a list left out": lambda b: b["lists"].pop(),
    "a list twice": lambda b: b["lists"].append(b["lists"][0]),
    "a slot twice": lambda b: _first(b)["codes"].__setitem__(1, _first(b)["codes"][0]),
    "lists in another order": lambda b: b["lists"].reverse(),
    "arms exchanged": _swap_entries,
    "a third arm": lambda b: _first(b)["entries"].__setitem__(0, 2),
    "an arm as a fraction": lambda b: _first(b)["entries"].__setitem__(0, 0.5),
    "of another trial": _rename,
}


def _permuted(entries: list[int]) -> list[int]:
    """Two neighbors that differ, exchanged."""
    i = next(i for i in range(len(entries) - 1) if entries[i] != entries[i + 1])
    return [*entries[:i], entries[i + 1], entries[i], *entries[i + 2 :]]


def _load(data: bytes, lists: ListSet, *, published: str | None = None, **changed: str) -> ListSet:
    told = {
        "trial": lists.plan.trial, "protocol_digest": DIGEST, "scheme_hash": lists.plan.scheme_hash,
    } | changed  # fmt: skip
    return load_lists(data, public_key=public_key_of(KEY), published_sha256=published or lists.sha256, **told)


def _loads(data: bytes, lists: ListSet) -> bool:
    try:
        _load(data, lists)
    except ConductError:
        return False
    return True


def check_gate_of_simulation(quick: bool) -> Iterator[Evidence]:
    """F-7: no going live without the signed simulation of exactly this scheme."""
    from flarefree.conduct.randomization.candidates import mix_of_shares
    from flarefree.conduct.randomization.reporting import (
        compare_schemes,
        require_signed_report,
        sign_report,
    )
    from flarefree.conduct.randomization.simulating import Setting

    mix = mix_of_shares({f.name: dict.fromkeys(f.levels, 1.0) for f in FACTORS})
    plan = plan_with(60)
    setting = Setting(mix, 60, replicates=1000)
    report = compare_schemes(plan, setting, protocol_digest=DIGEST, schemes=[PermutedBlocks()])
    signed = sign_report(report, KEY, signed_by="The statistician", time="2026-01-01T00:00Z")
    data = signed.to_bytes()

    def gate(
        hash_: str = plan.scheme_hash, report: bytes | None = data, key: bytes = KEY, **changed: Any
    ) -> Mapping[str, Any]:
        told = {"trial": plan.trial, "protocol_digest": DIGEST} | changed
        return require_signed_report(hash_, report, public_key=public_key_of(key), **told)

    own = gate()
    yield row(
        "the signed report of this scheme",
        own["scheme_hash"] == plan.scheme_hash,
        own["name"],
        plan.scheme.name,
    )
    yield refusal("no report", lambda: gate(report=None))
    for what, other in (
        ("the same scheme, lists one slot longer", plan_with(61)),
        ("another limit", plan_with(60, BigStick(limit=3))),
        ("arms in another order", replace(plan, arms=("B", "A"))),
        ("a factor less", replace(plan, factors=FACTORS[:2])),
    ):  # fmt: skip
        yield refusal(what, gate, other.scheme_hash)
    yield refusal("signed by another", lambda: gate(key=OTHER_KEY))
    yield refusal("of another protocol", lambda: gate(protocol_digest="cd" * 32))
    yield refusal("of another trial", lambda: gate(trial="Other trial"))
    forged = data.replace(b'"replicates":1000', b'"replicates":9000', 1)
    yield refusal("a number changed", lambda: gate(report=forged))
    yield refusal("too few trials", lambda: gate(least_replicates=2000))
    yield refusal("the sealed lists instead", lambda: gate(report=seal_lists(lists_of(), KEY).to_bytes()))


CHECKS = (
    Check("R11", "Replay from seed and inputs", check_replay),
    Check("R12", "Only the sealed and published list is loaded", check_lists),
    Check("F-7", "Going live needs the signed simulation of exactly this scheme", check_gate_of_simulation),
)
