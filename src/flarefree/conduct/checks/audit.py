"""Checks of the audit trail: A1, A2, A4, A5, A7, A8, as far as rules without a database can show them.

Logs are made here by the writer's code and judged by `verify_audit.py`, which shares no line with it.
"""

from __future__ import annotations

import ast
import hashlib
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from flarefree.conduct.audit import (
    Change,
    Draft,
    Entry,
    Head,
    IdentityKeys,
    Redaction,
    anchor_log,
    anchors_file,
    append_entry,
    begin_log,
    conceal,
    export_log,
    perform_audited,
    public_key_of,
    read_export,
    rebuild_state,
    reveal,
    tell_who_when_why,
    verify_audit,
)
from flarefree.conduct.audit.anchors import links_of
from flarefree.conduct.audit.entries import Value, canonical
from flarefree.conduct.audit.rebuilding import compare_states
from flarefree.conduct.checks.audit_attacks import (
    BEGIN,
    KEEPER,
    PROTOCOL,
    Attack,
    attacks,
    edited_bytes,
    honest_log,
)
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.errors import ConductError

__all__ = ["CHECKS"]

KEY = public_key_of(KEEPER)
UNANCHORED = "entries after the last anchor are held by receipts alone: anchor often"
DATABASE = "the same against a real database: with the web application"


# A1 ----------------------------------------------------------------------------------------------


def a1_state_from_log(quick: bool) -> Iterator[Evidence]:
    """Random histories: what is replayed from the log is what a naive database holds."""
    rounds, steps = (20, 60) if quick else (300, 200)
    equal = entries = refused = left_alone = 0
    for seed in range(rounds):
        log, database, turned_down, unchanged = _history(seed, steps)
        equal += rebuild_state(log) == {record: fields for record, fields in database.items() if fields}
        entries += len(log)
        refused += turned_down
        left_alone += unchanged
    done = rounds * steps - refused
    yield Evidence(f"{rounds} random histories rebuilt from their logs alone", rounds, equal, equal == rounds)
    yield Evidence("entries written for changes made", done, entries, entries == done)
    holds = refused == left_alone and refused > 0
    yield Evidence("refused actions that left log and state alone", refused, left_alone, holds)
    log, database, _, _ = _history(1, steps)
    content = log[-1].content
    names = ("who", "role", "at", "zone", "reason_code", "protocol", "request")
    told = sum(bool(content[name]) for name in names) + bool(log[-1].previous)
    yield Evidence("what an entry must tell beside old and new values", len(names) + 1, told, told == 8)
    record = next(iter(database))
    name = next(iter(database[record]))
    database[record][name] = "changed behind the log"
    found = compare_states(rebuild_state(log), database)
    yield Evidence("places where a database changed behind its log differs", 1, len(found), len(found) == 1)
    yield Evidence(
        "the place", f"{record}.{name}", found[0].split(":")[0], found[0].startswith(f"{record}.{name}:")
    )
    yield from _false_histories(log)


def _history(seed: int, steps: int) -> tuple[list[Entry], dict[str, dict[str, Value]], int, int]:
    """A log and, kept beside it without it, a database; some of what is asked must be refused."""
    rng = random.Random(seed)
    log: list[Entry] = []
    database: dict[str, dict[str, Value]] = {}
    head, refused, unchanged = begin_log(f"history/{seed}"), 0, 0
    for step in range(steps):
        record, name = f"subject/{rng.randrange(4)}", f"field_{rng.randrange(6)}"
        old = database.get(record, {}).get(name)
        new = rng.choice([None, True, False, 0, 1, "", "1", "132.4", rng.randrange(10**6)])
        reason = rng.choice(["", "typed wrong"])
        must_refuse = (type(new) is type(old) and new == old) or (old is not None and not reason)
        before = (head, {r: dict(f) for r, f in database.items()})
        try:
            change = Change(record, name, old, new)
            entry = append_entry(head, _draft(step, (change,), reason), entropy=rng.randbytes)
        except ConductError:
            refused += 1
            unchanged += must_refuse and before == (head, database)
            continue
        head = entry.head
        log.append(entry)
        fields = database.setdefault(record, {})
        fields.pop(name, None)
        if new is not None:
            fields[name] = new
    return log, database, refused, unchanged


def _draft(step: int, changes: tuple[Change, ...], reason: str = "", **other: Any) -> Draft:
    told: dict[str, Any] = {
        "who": "u-1",
        "role": "investigator",
        "at": BEGIN + timedelta(minutes=step),
        "zone": "America/Chicago",
        "action": "record",
        "about": changes[0].record if changes else "subject/0",
        "reason_code": "visit",
        "protocol": PROTOCOL,
        "request": f"request-{step}",
        "reason": reason,
        "changes": changes,
    }
    return Draft(**(told | other))


def _false_histories(log: list[Entry]) -> Iterator[Evidence]:
    middle = len(log) // 2
    wrong = {
        "an entry left out": [*log[:middle], *log[middle + 1 :]],
        "two entries exchanged": [*log[:middle], log[middle + 1], log[middle], *log[middle + 2 :]],
        "an entry twice": [*log[: middle + 1], log[middle], *log[middle + 1 :]],
    }
    refused = [name for name, entries in wrong.items() if _is_refused(entries)]
    yield Evidence("false logs that are not replayed", len(wrong), len(refused), len(refused) == len(wrong))


def _is_refused(entries: list[Entry]) -> bool:
    try:
        rebuild_state(entries)
    except ConductError:
        return True
    return False


# A2 ----------------------------------------------------------------------------------------------


def a2_attacks(quick: bool) -> Iterator[Evidence]:
    """The attack set: each detected, and located to the entry or to the stretch between two anchors."""
    log, other = honest_log("alms/7f3a", 43, seed=1), honest_log("alms/c09e", 43, seed=2)
    places = (8, 29) if quick else range(1, 39)
    yield _honest("the honest log", log.export, log.anchors_file)
    found: dict[str, list[int]] = {}
    for n in places:
        for attack in attacks(log, other, n):
            tried, seen = found.setdefault(attack.name, [0, 0])
            found[attack.name] = [tried + 1, seen + _is_located(attack)]
    for name, (tried, seen) in found.items():
        yield Evidence(f"{name}: detected and located, of {tried}", tried, seen, seen == tried)
    unnamed = next(
        a for a in attacks(log, other, 8) if a.name == "forge all anchors and name the forger's key"
    )
    verdict = verify_audit.verify(unnamed.export, unnamed.anchors).verdict
    what = "forged anchors with the forger's key, verified without the keeper's: verdict"
    yield Evidence(what, "key not compared", verdict, verdict == "key not compared")
    short = honest_log("alms/7f3a", 9, seed=1)
    bytes_edited = list(edited_bytes(short, 29 if quick else 1))
    located = sum(_is_located(attack) for attack in bytes_edited)
    yield Evidence(
        "edit byte: detected and located", len(bytes_edited), located, located == len(bytes_edited)
    )


def _honest(what: str, export: bytes, anchors: bytes) -> Evidence:
    report = verify_audit.verify(export, anchors, KEY, whole=True)
    return Evidence(what, "intact", report.verdict, report.verdict == "intact")


def _is_located(attack: Attack) -> bool:
    report = verify_audit.verify(
        attack.export, attack.anchors, KEY, attack.receipts, attack.whole, attack.since
    )
    if report.verdict != "altered":
        return False
    entry = attack.first is None or any(_names_entry(p, attack) for p in report.problems)
    anchor = attack.anchor is None or any(p["anchor"] == attack.anchor for p in report.problems)
    return entry and anchor


def _names_entry(problem: dict[str, Any], attack: Attack) -> bool:
    first, last = problem["first"], problem["last"]
    if first is None or attack.first is None or attack.last is None:
        return False
    return first <= attack.last and last >= attack.first and last - first < attack.widest


# A4 ----------------------------------------------------------------------------------------------


def a4_verifier_stands_alone(quick: bool) -> Iterator[Evidence]:
    """One file, the standard library, no secret; loud where there is nothing to verify."""
    source = Path(verify_audit.__file__).read_text("utf-8")
    foreign = sorted(_imports(source) - set(sys.stdlib_module_names))
    yield Evidence("imports from outside the standard library", 0, len(foreign), not foreign)
    log = honest_log("alms/7f3a", 20, seed=3)
    with tempfile.TemporaryDirectory() as folder:
        yield from _alone(Path(folder), source, log.export, log.anchors_file)
    yield from _signatures(quick)


def _imports(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0] if not node.level else ".")
    return names


def _alone(folder: Path, source: str, export: bytes, anchors: bytes) -> Iterator[Evidence]:
    """Run by an interpreter without site packages, in an empty folder, with an empty environment."""
    (folder / "verify_audit.py").write_text(source, "utf-8")
    files = {
        "export.jsonl": export,
        "anchors.json": anchors,
        "empty": b"",
        "blank": b"\n \n",
        "none.json": b'{"anchors":[],"public_key":"%s"}' % KEY.encode(),
        "cut.json": anchors[:40],
        "cut.jsonl": export[:-30],
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    key = ("--key", KEY)
    for what, arguments, code, words in (
        ("whole and anchored", ("export.jsonl", "anchors.json", *key), 0, "INTACT"),
        ("without the keeper's key", ("export.jsonl", "anchors.json"), 3, "KEY NOT COMPARED"),
        ("cut", ("cut.jsonl", "anchors.json", *key), 1, "ALTERED"),
        ("empty export", ("empty", "anchors.json", *key), 2, "NOT VERIFIED: the export is empty"),
        ("blank export", ("blank", "anchors.json", *key), 1, "ALTERED"),
        ("empty anchors", ("export.jsonl", "empty", *key), 2, "NOT VERIFIED"),
        ("no anchor", ("export.jsonl", "none.json", *key), 2, "NOT VERIFIED"),
        ("broken anchors", ("export.jsonl", "cut.json", *key), 2, "NOT VERIFIED"),
        ("missing file", ("nowhere", "anchors.json", *key), 2, "NOT VERIFIED"),
        ("one file", ("export.jsonl",), 2, "NOT VERIFIED"),
        ("an old anchor", ("export.jsonl", "anchors.json", *key, "--since", "2027-01-01"), 1, "older than"),
        ("no time", ("export.jsonl", "anchors.json", *key, "--since", "today"), 2, "NOT VERIFIED"),
        ("an empty key", ("export.jsonl", "anchors.json", "--key", ""), 2, "NOT VERIFIED"),
    ):
        command = [sys.executable, "-I", "-S", "verify_audit.py", *arguments]
        done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)
        text = done.stdout + done.stderr
        holds = done.returncode == code and words in text and "Traceback" not in text
        yield Evidence(f"exit code: {what}", code, done.returncode, holds)


def _signatures(quick: bool) -> Iterator[Evidence]:
    """The verifier's own Ed25519 against the library's, on true and on false signatures."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    rng = random.Random(5)
    count = 20 if quick else 300
    agree = 0
    for _ in range(count):
        private, message = (
            Ed25519PrivateKey.from_private_bytes(rng.randbytes(32)),
            rng.randbytes(rng.randrange(200)),
        )
        signature = private.sign(message)
        key = private.public_key().public_bytes_raw().hex()
        bit = rng.randrange(512)
        wrong = bytearray(signature)
        wrong[bit // 8] ^= 1 << bit % 8
        agree += verify_audit.signature_holds(key, message, signature.hex())
        agree += not verify_audit.signature_holds(key, message, bytes(wrong).hex())
        agree += not verify_audit.signature_holds(key, message + b"\x00", signature.hex())
    yield Evidence(
        "signatures true and false, judged as by the library", 3 * count, agree, agree == 3 * count
    )


# A5 ----------------------------------------------------------------------------------------------


def a5_no_change_without_entry(quick: bool) -> Iterator[Evidence]:
    """Where the log cannot be written, nothing is done."""
    for what, error in (
        ("disk full", OSError(28, "No space left on device")),
        ("read-only", PermissionError(30, "Read-only file system")),
        ("database away", ConnectionError("lost")),
        ("out of memory", MemoryError()),
    ):
        stored: list[Entry] = []
        done: list[str] = []

        def store(_: Entry, error: Exception = error) -> None:
            raise error

        refused = _tries(begin_log("a5"), store, done)
        yield Evidence(
            f"{what}: changes made without an entry", 0, len(done) + len(stored), refused and not done
        )
    head = append_entry(begin_log("a5"), _draft(9, ())).head
    done = []
    refused = _tries(head, lambda _: None, done)  # dated before the last entry
    yield Evidence("clock set back: changes made", 0, len(done), refused and not done)
    done = []
    refused = _tries(begin_log("a5"), lambda _: None, done)
    yield Evidence("log that can be written: changes made", 1, len(done), not refused and len(done) == 1)


def _tries(head: Head, store: Any, done: list[str]) -> bool:
    draft = _draft(1, (Change("subject/1", "weight", None, "61"),))
    try:
        perform_audited(head, draft, store=store, apply=lambda entry: done.append(entry.hash))
    except ConductError:
        return True
    return False


# A7 ----------------------------------------------------------------------------------------------


def a7_erasure(quick: bool) -> Iterator[Evidence]:
    """A person erased by destroying their key: the chain holds, the trial's record is whole."""
    rng = random.Random(7)
    name, subject = "Ines Fernández", "subject/017-004"
    keys = IdentityKeys().with_subject(subject, rng.randbytes).with_subject("subject/017-005", rng.randbytes)
    token = conceal(name, subject=subject, field_name="name", keys=keys, entropy=rng.randbytes)
    log = _log_with(
        (Change(subject, "name", None, token),),
        (Change(subject, "creatinine", None, "88.4"),),
    )
    export = b"".join(export_log(log))
    anchors = _anchored(log)
    yield _honest("log with a concealed name", export, anchors)
    shown = reveal(token, subject=subject, field_name="name", keys=keys)
    yield Evidence("name read with its key", name, shown, shown == name)
    yield Evidence("name in the export", 0, _count(export, name), _count(export, name) == 0)
    erased = keys.without_subject(subject)
    after = [*log, append_entry(log[-1].head, _draft(3, (), action="erase", about=subject))]
    export = b"".join(export_log(after))
    yield _honest("the same log once the key is destroyed", export, anchors)
    before_state, after_state = rebuild_state(log), rebuild_state(read_export(export))
    yield Evidence("trial record unchanged", True, before_state == after_state, before_state == after_state)
    for what, keys_then, words in (
        ("reading the erased name", erased, "erased"),
        ("reading it with another's key", _borrowed(keys, subject), "not what was concealed"),
    ):
        said = _refusal(lambda held=keys_then: reveal(token, subject=subject, field_name="name", keys=held))
        yield Evidence(what, f"refused: {words}", said, words in said)
    said = _refusal(lambda: erased.with_subject(subject))
    yield Evidence("a new key for an erased person", "refused", said, bool(said))
    lengths = {len(conceal(n, subject=subject, field_name="name", keys=keys)) for n in ("Li", name, "A" * 60)}
    yield Evidence("lengths of concealed names of 2 to 60 letters", 1, len(lengths), len(lengths) == 1)


def _borrowed(keys: IdentityKeys, subject: str) -> IdentityKeys:
    return IdentityKeys({subject: keys.keys["subject/017-005"]})


def _refusal(ask: Any) -> str:
    try:
        ask()
    except ConductError as error:
        return f"refused: {error.what}"
    return ""


def _count(data: bytes, text: str) -> int:
    return data.count(text.encode()) + data.count(json.dumps(text)[1:-1].encode())


def _log_with(*changes: tuple[Change, ...], chain: str = "alms/a7", seed: int = 1) -> list[Entry]:
    rng = random.Random(seed)
    head, log = begin_log(chain), []
    for step, change in enumerate(changes):
        log.append(append_entry(head, _draft(step, change, "as said"), entropy=rng.randbytes))
        head = log[-1].head
    return log


def _anchored(log: list[Entry]) -> bytes:
    at = BEGIN + timedelta(minutes=len(log))
    return anchors_file([anchor_log(log[0].chain, None, links_of(log), at=at, signing_key=KEEPER)], KEY)


# A8 ----------------------------------------------------------------------------------------------


def a8_blinded_reviewer(quick: bool) -> Iterator[Evidence]:
    """A vault's log, arms swapped: its blinded reviewer sees the same bytes, and who, when and why."""
    arms = ("CANARY-MMF-51c2", "CANARY-AZA-90de")
    one, other = (_vault_log(arms if not swapped else arms[::-1]) for swapped in (False, True))
    first, second = (canonical(list(tell_who_when_why(log))) for log in (one, other))
    yield Evidence(
        "logs whose arms differ", True, one[0].items != other[0].items, one[0].items != other[0].items
    )
    differ = sum(a != b for a, b in zip(first, second)) + abs(len(first) - len(second))
    yield Evidence("bytes that differ for the blinded reviewer", 0, differ, differ == 0)
    rows = tell_who_when_why(one)
    told = sum({"who", "role", "at", "about", "reason_code"} <= set(row) for row in rows)
    yield Evidence("entries with who, when and why", len(one), told, told == len(one))
    withheld = b"".join(export_log(one, Redaction(sees_item=lambda _e, item: item["kind"] != "change")))
    named = sum(_count(withheld + first, arm) for arm in arms)
    yield Evidence("arms named in what a blinded person gets", 0, named, named == 0)
    report = verify_audit.verify(withheld, _anchored(one), KEY)
    yield Evidence(
        "verdict on the export with values withheld", "intact", report.verdict, report.verdict == "intact"
    )
    yield Evidence("entries with something withheld", len(one), report.withheld, report.withheld == len(one))
    hit = _guessed(one, arms)
    yield Evidence("arms found by hashing every guess without the salt", 0, hit, hit == 0)


def _vault_log(arms: tuple[str, str]) -> list[Entry]:
    changes = [(Change(f"subject/{i:03d}", "allocation.arm", None, arms[i % 2]),) for i in range(24)]
    return _log_with(*changes, chain="alms/vault", seed=11)


def _guessed(log: list[Entry], arms: tuple[str, str]) -> int:
    """Somebody who knows everything but the salt tries both arms."""
    hits = 0
    for entry in log:
        for arm in arms:
            item = {name: value for name, value in entry.items[0].items() if name != "salt"} | {"new": arm}
            tries = (item, item | {"salt": ""}, item | {"salt": entry.content["salt"]})
            hits += sum(
                hashlib.sha256(b"flarefree audit item 1\n" + canonical(guess)).hexdigest()
                in entry.content["items"]
                for guess in tries
            )
    return hits


CHECKS = (
    Check(
        "A1",
        "Each state change has one entry; the state is rebuilt from the log alone",
        a1_state_from_log,
        DATABASE,
    ),
    Check("A2", "Attacks on the log are detected and located", a2_attacks, UNANCHORED),
    Check("A4", "The verifier stands alone and fails loudly", a4_verifier_stands_alone),
    Check("A5", "Nothing is done that cannot be logged", a5_no_change_without_entry, DATABASE),
    Check("A7", "Identity is erased by destroying its key; the chain holds", a7_erasure),
    Check("A8", "A blinded reviewer of the log sees who, when and why, never the arm", a8_blinded_reviewer),
)
