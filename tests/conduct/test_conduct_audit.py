"""A1, A2, A4, A5, A7, A8 at the level of rules, and that these checks fail where the code is broken."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flarefree.conduct import audit
from flarefree.conduct.audit import Change, Draft, append_entry, begin_log, verify_audit
from flarefree.conduct.audit.anchors import anchor_log, links_of, read_anchors
from flarefree.conduct.checks import audit as checks
from flarefree.conduct.checks.audit_attacks import KEEPER, Log, honest_log
from flarefree.conduct.checks.result import run_check
from flarefree.errors import ConductError

BY_NUMBER = {check.number: check for check in checks.CHECKS}
AT = datetime(2026, 3, 1, 8, tzinfo=UTC)


def draft(**other: object) -> Draft:
    told = {
        "who": "u-1",
        "role": "investigator",
        "at": AT,
        "zone": "Europe/Berlin",
        "action": "record",
        "about": "subject/017-004",
        "reason_code": "visit",
        "protocol": "a" * 64,
        "request": "r-1",
    }
    return Draft(**(told | other))


@pytest.mark.parametrize("number", BY_NUMBER)
def test_check_passes_at_its_reduced_count(number: str) -> None:
    result = run_check(BY_NUMBER[number], quick=True)
    assert result.passed, str(result)


@pytest.mark.slow
@pytest.mark.parametrize("number", BY_NUMBER)
def test_check_passes_at_its_full_count(number: str) -> None:
    result = run_check(BY_NUMBER[number])
    assert result.passed, str(result)


# The checks can fail -----------------------------------------------------------------------------


def test_A1_sees_a_writer_that_drops_entries(monkeypatch) -> None:
    monkeypatch.setattr(checks, "rebuild_state", lambda log: audit.rebuild_state(list(log)[:-1]))
    assert not run_check(BY_NUMBER["A1"], quick=True).passed


@pytest.mark.parametrize("broken", ["check_anchors", "check_receipts", "signature_holds", "sha256"])
def test_A2_sees_a_verifier_without_one_of_its_steps(monkeypatch, broken: str) -> None:
    """Each step is needed: without it some attack goes unseen, or an honest log is accused."""
    blind = {
        "check_anchors": lambda *_: None,
        "check_receipts": lambda *_: None,
        "signature_holds": lambda *_: True,
        "sha256": lambda *_: "0" * 64,
    }
    monkeypatch.setattr(verify_audit, broken, blind[broken])
    monkeypatch.setattr(checks, "edited_bytes", lambda *_: ())
    assert not run_check(BY_NUMBER["A2"], quick=True).passed


@pytest.mark.parametrize("broken", ["check_place", "check_layers"])
def test_A2_sees_a_verifier_that_skips_part_of_an_entry(monkeypatch, broken: str) -> None:
    monkeypatch.setattr(verify_audit.Walk, broken, lambda *_: None)
    assert not run_check(BY_NUMBER["A2"], quick=True).passed


def test_A5_sees_a_change_made_before_it_is_logged(monkeypatch) -> None:
    def hasty(head, draft, *, store, apply):
        entry = append_entry(head, draft)
        done = apply(entry)
        store(entry)
        return entry, done

    def refusing(*args, **kwargs):
        try:
            return hasty(*args, **kwargs)
        except (OSError, MemoryError) as error:
            raise ConductError("too late") from error

    monkeypatch.setattr(checks, "perform_audited", refusing)
    assert not run_check(BY_NUMBER["A5"], quick=True).passed


def test_A7_sees_a_name_logged_in_the_clear(monkeypatch) -> None:
    monkeypatch.setattr(checks, "conceal", lambda text, **_: text)
    monkeypatch.setattr(checks, "reveal", lambda text, **_: text)
    assert not run_check(BY_NUMBER["A7"], quick=True).passed


def test_A8_sees_a_hash_that_depends_on_the_arm(monkeypatch) -> None:
    def with_hash(log):
        return tuple(
            row | {"hash": entry.hash} for row, entry in zip(audit.tell_who_when_why(log), log, strict=True)
        )

    monkeypatch.setattr(checks, "tell_who_when_why", with_hash)
    assert not run_check(BY_NUMBER["A8"], quick=True).passed


# Entries -----------------------------------------------------------------------------------------


def test_A1_an_entry_tells_who_role_times_old_new_reason_protocol_request_and_what_it_follows() -> None:
    first = append_entry(begin_log("alms/1"), draft())
    change = Change("visit/017-004/month-9", "creatinine", "1.4", "1.6")
    entry = append_entry(
        first.head, draft(request="r-2", reason="misread", at=AT + timedelta(hours=1), changes=(change,))
    )
    assert entry.content["who"] == "u-1" and entry.content["role"] == "investigator"
    assert entry.content["at"] == "2026-03-01T09:00:00.000000Z" and entry.content["zone"] == "Europe/Berlin"
    assert entry.changes == (change,) and entry.reason == "misread"
    assert entry.content["protocol"] == "a" * 64 and entry.content["request"] == "r-2"
    assert entry.previous == first.hash and entry.number == 1
    assert entry.receipt == f"1:{entry.hash}"


@pytest.mark.parametrize(
    "make",
    [
        lambda: draft(at=AT.replace(tzinfo=None)),
        lambda: draft(at=AT.astimezone(timezone(timedelta(hours=1)))),
        lambda: draft(zone="Europe/Atlantis"),
        lambda: draft(zone="../../etc/passwd"),
        lambda: draft(protocol="sha256"),
        lambda: draft(who=" "),
        lambda: draft(about="subject\n017"),
        lambda: draft(changes=(Change("a", "b", "1", "2"),)),
        lambda: draft(reason="x", changes=(Change("a", "b", "1", "2"), Change("a", "b", None, "3"))),
        lambda: Change("a", "b", 1.5, "2"),
        lambda: Change("a", "b", None, 2**60),
        lambda: Change("a", "b", None, None),
        lambda: Change("a", "b", ("x",), None),
        lambda: begin_log(""),
    ],
    ids=[
        "time without zone", "time not in UTC", "unknown zone", "a path as zone", "no digest", "nobody",
        "two lines", "correction without reason", "field twice", "float", "too large", "no change", "a list",
        "log without name",
    ],
)  # fmt: skip
def test_what_cannot_be_logged_is_refused(make) -> None:
    with pytest.raises(ConductError):
        make()


def test_true_and_one_are_two_values() -> None:
    assert Change("a", "b", None, True) != Change("a", "b", None, "True")
    assert Change("a", "b", 1, True).is_correction


def test_an_entry_before_the_last_one_is_refused_and_at_the_same_time_is_not() -> None:
    head = append_entry(begin_log("alms/1"), draft()).head
    assert append_entry(head, draft(request="r-2")).number == 1
    with pytest.raises(ConductError, match="clock went back"):
        append_entry(head, draft(request="r-2", at=AT - timedelta(microseconds=1)))


def test_salts_make_equal_entries_of_two_logs_differ() -> None:
    change = (Change("subject/1", "allocation.arm", None, "A"),)
    one, other = (append_entry(begin_log("alms/1"), draft(changes=change)) for _ in range(2))
    assert one.content["items"] != other.content["items"] and one.hash != other.hash


@given(st.text(), st.one_of(st.none(), st.text(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1)))
@settings(max_examples=200, deadline=None)
def test_any_value_survives_export_and_verification(reason: str, value) -> None:
    """Quotation marks, line ends of every sort, lone surrogates, null characters."""
    change = () if value is None else (Change("subject/1", "note", None, value),)
    log = [append_entry(begin_log("alms/1"), draft(reason=reason, changes=change))]
    data = b"".join(audit.export_log(log))
    assert audit.read_export(data) == tuple(log)
    anchor = anchor_log("alms/1", None, links_of(log), at=AT, signing_key=KEEPER)
    key = audit.public_key_of(KEEPER)
    assert verify_audit.verify(data, audit.anchors_file([anchor], key), key).verdict == "intact"


def test_read_export_refuses_what_is_not_whole_or_not_true() -> None:
    log = honest_log("alms/1", 3, seed=1)
    withheld = b"".join(audit.export_log(log.entries, audit.Redaction(sees_content=lambda _: False)))
    for data in (b"", b"\n", b"[1]\n", withheld, log.export.replace(b"u-", b"v-"), log.export[:-9]):
        with pytest.raises(ConductError):
            audit.read_export(data)


# Anchors -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def log() -> Log:
    return honest_log("alms/1", 24, seed=4)


def test_the_keeper_signs_what_extends_the_last_anchor(log: Log) -> None:
    at = AT + timedelta(days=1)
    anchor = anchor_log("alms/1", log.anchors[1], links_of(log.entries[16:]), at=at, signing_key=KEEPER)
    assert (anchor.length, anchor.head, anchor.number) == (24, log.entries[-1].hash, 2)


def test_the_keeper_signs_again_where_nothing_was_added(log: Log) -> None:
    again = anchor_log("alms/1", log.anchors[-1], (), at=AT + timedelta(days=2), signing_key=KEEPER)
    key = audit.public_key_of(KEEPER)
    report = verify_audit.verify(log.export, audit.anchors_file([*log.anchors, again], key), key)
    assert report.verdict == "intact" and report.anchored_until == again.at


@pytest.mark.parametrize("what", ["gap", "fork", "false link", "another log", "clock"])
def test_the_keeper_does_not_sign(log: Log, what: str) -> None:
    last, links, at = log.anchors[1], list(links_of(log.entries[16:])), AT + timedelta(days=1)
    if what == "gap":
        links = links[1:]
    elif what == "fork":
        links = list(links_of(honest_log("alms/1", 24, seed=5).entries[16:]))
    elif what == "false link":
        links[3] = replace(links[3], content_sha256="f" * 64)
    elif what == "another log":
        last = replace(last, chain="alms/2")
    else:
        at = AT - timedelta(days=1)
    with pytest.raises(ConductError):
        anchor_log("alms/1", last, links, at=at, signing_key=KEEPER)


def test_a_file_of_anchors_reads_back(log: Log) -> None:
    assert read_anchors(log.anchors_file) == log.anchors
    with pytest.raises(ConductError):
        read_anchors(b"{}")


def test_an_entry_dated_after_the_anchor_that_holds_it_is_named(log: Log) -> None:
    """A writer whose clock is wrong by an hour cannot have it signed unseen."""
    early = [
        anchor_log("alms/1", None, links_of(log.entries), at=AT - timedelta(hours=1), signing_key=KEEPER)
    ]
    key = audit.public_key_of(KEEPER)
    report = verify_audit.verify(log.export, audit.anchors_file(early, key), key)
    assert report.verdict == "altered" and "dated" in report.problems[0]["what"]


# The verifier ------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_file_makes_the_verifier_fall_over(data) -> None:
    """Whatever the bytes, it gives a verdict or says that there is none; and never `intact`."""
    log = honest_log("alms/1", 9, seed=4)
    export, anchors = bytearray(log.export), bytearray(log.anchors_file)
    target = data.draw(st.sampled_from([export, anchors]))
    before = bytes(export), json.loads(anchors)
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(target)))
        target[begin : begin + data.draw(st.integers(0, 60))] = data.draw(st.binary(max_size=40))
    try:
        report = verify_audit.verify(bytes(export), bytes(anchors), audit.public_key_of(KEEPER))
    except verify_audit.UnverifiableError:
        return
    unchanged = bytes(export) == before[0] and json.loads(anchors) == before[1]
    assert (report.verdict == "intact") == unchanged
    verify_audit.in_words(report)


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"number":' + b"9" * 5000 + b"}",
        b'{"number":NaN}',
        b"\xff\xfe",
        b"{}",
        b"null",
    ],
    ids=["deep", "huge number", "NaN", "no UTF-8", "empty object", "null"],
)
def test_a_line_that_is_no_entry_is_located(line: bytes, log: Log) -> None:
    lines = log.export.splitlines(keepends=True)
    data = b"".join([*lines[:5], line + b"\n", *lines[6:]])
    report = verify_audit.verify(data, log.anchors_file, audit.public_key_of(KEEPER))
    assert [p["first"] for p in report.problems] == [5]


def test_a_name_said_twice_in_a_line_is_not_an_entry(log: Log) -> None:
    """Two readers could read two things."""
    data = log.export.replace(b'{"chain":"alms/1"', b'{"chain":"other","chain":"alms/1"', 1)
    report = verify_audit.verify(data, log.anchors_file, audit.public_key_of(KEEPER))
    assert report.problems[0]["first"] == 0


def test_a_number_far_away_costs_no_time(log: Log) -> None:
    """A forged number of 2^52 must not make the verifier count that far."""
    from flarefree.conduct.audit.entries import place_entry

    last = log.entries[-1]
    far = place_entry("alms/1", 2**52, last.hash, last.content, last.items)
    data = b"".join(audit.export_log([*log.entries, far]))
    report = verify_audit.verify(data, log.anchors_file, audit.public_key_of(KEEPER))
    assert report.problems[0]["first"] == 24 and report.problems[0]["last"] == 2**52 - 1


def test_signatures_of_rfc_8032() -> None:
    """[josefsson2017] section 7.1, tests 1 to 3."""
    for key, message, signature in (
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a",
        ),
    ):
        assert verify_audit.signature_holds(key, bytes.fromhex(message), signature)
        assert not verify_audit.signature_holds(key, bytes.fromhex(message) + b"x", signature)


def test_a_signature_shifted_by_the_group_order_is_refused() -> None:
    """The same signature in other bytes [josefsson2017, section 5.1.7]: S must be below the order."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(KEEPER)
    signature = private.sign(b"m")
    shifted = int.from_bytes(signature[32:], "little") + verify_audit.ORDER
    forged = (signature[:32] + shifted.to_bytes(32, "little")).hex()
    assert not verify_audit.signature_holds(audit.public_key_of(KEEPER), b"m", forged)


def test_the_public_names_are_those_exported() -> None:
    assert list(audit.__all__) == sorted(audit.__all__, key=lambda name: (name.islower(), name))
    assert all(getattr(audit, name) is not None for name in audit.__all__)
