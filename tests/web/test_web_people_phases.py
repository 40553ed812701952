"""A trial's way by commands only: set up, live, amended, halted, anchored, locked, unblinded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from flarefree.errors import ConductError

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
KEEPER, SEALER = bytes([5]) * 32, bytes([6]) * 32
_number = count()


@pytest.fixture
def stage(record):
    """Ask as somebody in a role, at a time: `stage("sam", "sponsor", GoLive(...), days=1)`."""
    from flarefree.conduct.visibility import Actor
    from flarefree.web.clock import clock_set_to
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute

    class Now:
        at = NOON

    def ask(who, role, command, *, days: float = 0):
        Now.at = max(Now.at, NOON + timedelta(days=days))
        actor = None if who is None else Actor(who, role, frozenset({"017"}))
        return execute(command, Asked(actor, f"stage {next(_number)}", Now.at))

    with clock_set_to(lambda: Now.at):
        yield ask


def protocol_text(more: str = "") -> str:
    from flarefree.protocol.loading import builtin_path

    return builtin_path("alms-maintenance").read_text("utf-8") + more


def set_up(stage, *, without: str = "") -> None:
    """All that going live asks for, but for one thing."""
    from flarefree.conduct.audit import public_key_of
    from flarefree.web.commands.trial_phases import PublishKeeperKey, RecordAnalysisPlan
    from flarefree.web.commands.trial_protocol import RecordProtocol

    if without != "protocol_recorded":
        stage("ada", "administrator", RecordProtocol(text=protocol_text()))
    if without != "keeper_key_published":
        stage("ada", "administrator", PublishKeeperKey(public_key=public_key_of(KEEPER)))
    stage("ada", "administrator", RecordAnalysisPlan(digest="ab" * 32, version="1.0"))
    if without != "lists_sealed":
        seal(with_report=without != "simulation_report_signed")


def seal(*, with_report: bool) -> None:
    from flarefree.conduct.randomization.candidates import mix_of
    from flarefree.conduct.randomization.lists import draw_lists, seal_lists
    from flarefree.conduct.randomization.plan import plan_of
    from flarefree.conduct.randomization.reporting import compare_schemes, sign_report
    from flarefree.conduct.randomization.sealing import public_key_of
    from flarefree.conduct.randomization.simulating import Setting
    from flarefree.conduct.visibility import Actor
    from flarefree.web.trial import running_trial
    from flarefree.web.vault import service

    protocol, who = running_trial().configured, Actor("ulla", "unblinded_statistician")
    plan = plan_of(protocol)
    lists = draw_lists(plan, protocol_digest=protocol.digest, seed=bytes(range(32)))
    service.install_lists(
        seal_lists(lists, SEALER).to_bytes(),
        protocol=protocol,
        public_key=public_key_of(SEALER),
        published_sha256=lists.sha256,
        by=who,
        request="lists",
        at=NOON,
    )
    if with_report:
        setting = Setting(mix_of(protocol, {}), 60, 1000, 1, 20)
        report = compare_schemes(plan, setting, protocol_digest=protocol.digest, schemes=())
        signed = sign_report(
            replace(report, trial=plan.trial), SEALER, signed_by="Ulla", time="2026-01-05T12:00:00Z"
        )
        service.keep_report(signed.to_bytes(), by=who, request="report", at=NOON)


def go_live(stage):
    from flarefree.web.commands.trial_phases import GoLive

    return stage("sam", "sponsor", GoLive(reason="all is in place"))


@pytest.mark.parametrize(
    "gate", ["protocol_recorded", "keeper_key_published", "lists_sealed", "simulation_report_signed"]
)
def test_going_live_is_refused_while_a_gate_is_closed(stage, gate):
    from flarefree.web.trial import running_trial

    set_up(stage, without=gate)
    with pytest.raises(ConductError) as refused:
        go_live(stage)
    assert gate in refused.value.found
    assert running_trial().phase == "before_go_live"


def test_a_trial_goes_live_with_the_hash_of_exactly_its_scheme(stage):
    from flarefree.web.commands.trial_protocol import RecordProtocol
    from flarefree.web.trial import running_trial
    from flarefree.web.vault import service

    set_up(stage)
    assert go_live(stage).result["phase"] == "live"
    standing = running_trial().standing()
    installed = service.installed_lists()
    assert (standing.phase, standing.randomization) == ("live", "open")
    assert standing.facts["scheme_hash"] == installed.scheme_hash
    assert standing.facts["lists_sha256"] == installed.sha256
    assert standing.facts["matrix_digest"] == running_trial().matrix.digest
    with pytest.raises(ConductError, match="amended"):
        stage("ada", "administrator", RecordProtocol(text=protocol_text("# other\n")))


def test_an_amendment_applies_from_its_date_and_old_entries_keep_their_digest(stage):
    from flarefree.web.commands.sites import AddSite
    from flarefree.web.commands.trial_protocol import AmendProtocol, ApproveAmendment
    from flarefree.web.record.models import LogRow
    from flarefree.web.trial import running_trial

    def add(code: str, days: float) -> str:
        told = AddSite(site=code, title="x", country="DE", zone="UTC")
        entry = stage("ada", "administrator", told, days=days).entry
        return LogRow.objects.get(number=entry).to_entry().content["protocol"]

    set_up(stage)
    go_live(stage)
    first = running_trial().protocol_digest
    amended = AmendProtocol(text=protocol_text("# amended\n"), proposed_from="2026-03-01", reason="safety")
    digest = stage("ada", "administrator", amended, days=1).result["digest"]
    with pytest.raises(ConductError, match="approved by somebody else"):
        stage("ada", "sponsor", ApproveAmendment(digest=digest, reason="agreed"), days=1)
    stage("sam", "sponsor", ApproveAmendment(digest=digest, reason="agreed"), days=1)
    assert [add("1", 2), add("2", 54.4)] == [first, first]
    assert add("3", 54.5) == digest, "midnight of 1 March, UTC"
    trial = running_trial()
    assert trial.protocol.digest == digest
    assert trial.protocol_at(NOON + timedelta(days=3)).digest == first
    assert trial.protocol_at(NOON + timedelta(days=60)).digest == digest
    kept = [row.to_entry().content["protocol"] for row in LogRow.objects.order_by("number")]
    assert set(kept) == {first, digest} and kept == sorted(kept, key=[first, digest].index)
    again = AmendProtocol(text=protocol_text("# more\n"), proposed_from="2026-03-05", reason="again")
    third = stage("ada", "administrator", again, days=55).result["digest"]
    stage("sam", "sponsor", ApproveAmendment(digest=third, reason="agreed"), days=55)
    assert (add("4", 56), add("5", 70)) == (digest, third)


def test_an_amendment_is_not_approved_for_the_past_nor_changes_the_strata(stage):
    from flarefree.web.commands.trial_protocol import AmendProtocol, ApproveAmendment

    set_up(stage)
    go_live(stage)
    told = AmendProtocol(text=protocol_text("# amended\n"), proposed_from="2026-01-05", reason="late")
    digest = stage("ada", "administrator", told, days=1).result["digest"]
    with pytest.raises(ConductError, match="does not apply to what was done before it"):
        stage("sam", "sponsor", ApproveAmendment(digest=digest, reason="agreed"), days=2)
    text = protocol_text().replace("list_length: 228", "list_length: 300")
    with pytest.raises(ConductError, match="does not change this"):
        stage("ada", "administrator", AmendProtocol(text=text, proposed_from="2026-03-01", reason="more"))


def test_randomization_is_halted_by_the_machine_and_goes_on_by_the_sponsor(stage):
    from flarefree.web.commands.trial_phases import CloseRandomization, GoOn, HaltRandomization
    from flarefree.web.trial import running_trial

    set_up(stage)
    go_live(stage)
    halt = HaltRandomization(cause="record_differs", words="found at a start")
    stage(None, None, halt)
    stage(None, None, halt)
    assert running_trial().standing().randomization == "halted"
    with pytest.raises(ConductError, match="there is nothing here for you"):
        stage("ada", "administrator", GoOn(reason="looked"))
    stage("sam", "sponsor", GoOn(reason="looked: a disk was exchanged"))
    assert running_trial().standing().randomization == "open"
    stage("sam", "sponsor", CloseRandomization(reason="enough patients"))
    with pytest.raises(ConductError, match="does not lead out of here"):
        stage("sam", "sponsor", GoOn(reason="some more"))


def test_randomization_does_not_go_on_while_the_tables_differ_from_the_log(stage):
    from flarefree.web.checks.append_only import attempt_sql
    from flarefree.web.commands.trial_phases import GoOn, HaltRandomization

    set_up(stage)
    go_live(stage)
    stage(None, None, HaltRandomization(cause="record_differs", words="found at a start"))
    assert attempt_sql("UPDATE record_latest SET value = '\"x\"' WHERE attribute = 'configured_by'") == ""
    with pytest.raises(ConductError) as refused:
        stage("sam", "sponsor", GoOn(reason="looked"))
    assert refused.value.found == "closed: cause_removed"


def anchor(stage, *, key: bytes = KEEPER, **changed):
    """The reviewer takes the links to the keeper and brings the signature back."""
    from flarefree.conduct.audit import Anchor, anchor_log
    from flarefree.conduct.audit.anchors import Link
    from flarefree.conduct.visibility import Actor
    from flarefree.web.clock import now
    from flarefree.web.commands.anchoring import AnchorLog
    from flarefree.web.queries.anchoring import links_for_keeper

    with pytest.raises(ConductError, match="there is nothing here for you"):
        links_for_keeper(Actor("sam", "sponsor"))
    told = links_for_keeper(Actor("rob", "audit_reviewer"))
    links = tuple(Link(**link) for link in told["links"])
    before = Anchor(**told["last"]) if told["last"] else None
    signed = anchor_log(told["chain"], before, links, at=now(), signing_key=key)
    stage("rob", "audit_reviewer", AnchorLog(**{**signed.to_dict(), **changed}))
    return signed


def test_an_anchor_is_kept_if_the_keeper_signed_it_for_this_log(stage):
    set_up(stage)
    go_live(stage)
    for key, changed, words in (
        (SEALER, {}, "not signed by the keeper"),
        (KEEPER, {"signature": "00" * 64}, "not signed by the keeper"),
        (KEEPER, {"length": 2}, "another log"),
        (KEEPER, {"head": "ab" * 32}, "another log"),
        (KEEPER, {"number": 1}, "does not follow"),
    ):
        with pytest.raises(ConductError, match=words):
            anchor(stage, key=key, **changed)
    first, second = anchor(stage), anchor(stage)
    assert (first.number, second.number, second.previous) == (0, 1, first.hash)
    with pytest.raises(ConductError, match="does not follow"):
        anchor(stage, number=1)


def test_the_data_are_locked_once_anchored_and_unblinded_once_released(stage, monkeypatch):
    from flarefree.web.checks.live_trial import Arrange
    from flarefree.web.commands.trial_phases import LockTrial, UnblindTrial
    from flarefree.web.trial import running_trial
    from flarefree.web.vault import service

    set_up(stage)
    go_live(stage)
    told = {"subject": "017-0001", "site": "017", "status": "on_treatment"}
    values = [("subject", "017-0001", name, "subject.status", value) for name, value in told.items()]
    stage(None, None, Arrange(about="subject/017-0001", values=values))
    lock = LockTrial(reason="complete")
    with pytest.raises(ConductError) as refused:
        stage("mia", "data_manager", lock)
    assert "everybody_followed_up" in refused.value.found and "log_anchored" in refused.value.found
    died = (("subject", "017-0001", "status", "subject.status", "died"),)
    stage(None, None, Arrange(about="subject/017-0001", values=died))
    anchor(stage)
    stage("mia", "data_manager", lock)
    assert running_trial().phase == "locked"
    unblind = UnblindTrial(reason="both shares were presented")
    with pytest.raises(ConductError) as refused:
        stage("kay", "key_holder", unblind)
    assert "two_key_holders" in refused.value.found and "log_anchored" not in refused.value.found
    monkeypatch.setattr(service, "is_released", lambda: True)
    anchor(stage)
    stage("kay", "key_holder", unblind)
    assert running_trial().phase == "unblinded"
