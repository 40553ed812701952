"""A trial's own steps in a real browser: the list before the first patient, the lock, the key ceremony."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from web_browsing import Desk, Trial

pytestmark = pytest.mark.browser

KEEPER, SEALER = bytes([5]) * 32, bytes([6]) * 32
SHARES = {"kate": bytes([21]) * 32, "karl": bytes([22]) * 32}


def begin_trial() -> dict[str, str]:
    """People and sites, nothing else: the trial is not live."""
    import web_scene

    from flarefree.web.record.keeping import begin_record

    begin_record("phases")
    web_scene.make_people()
    return {}


def seal_lists_and_report() -> bool:
    """What the statistician apart from the trial brings from outside, by the vault's own door."""
    from flarefree.conduct.randomization.candidates import mix_of
    from flarefree.conduct.randomization.lists import draw_lists, seal_lists
    from flarefree.conduct.randomization.plan import plan_of
    from flarefree.conduct.randomization.reporting import compare_schemes, sign_report
    from flarefree.conduct.randomization.sealing import public_key_of
    from flarefree.conduct.randomization.simulating import Setting
    from flarefree.conduct.visibility import Actor
    from flarefree.web.clock import now
    from flarefree.web.trial import running_trial
    from flarefree.web.vault import service

    protocol, who = running_trial().configured, Actor("ulla", "unblinded_statistician")
    plan = plan_of(protocol)
    lists = draw_lists(plan, protocol_digest=protocol.digest, seed=bytes(range(32)))
    told = {"by": who, "at": now()}
    service.install_lists(
        seal_lists(lists, SEALER).to_bytes(), protocol=protocol, public_key=public_key_of(SEALER),
        published_sha256=lists.sha256, request="lists", **told,
    )  # fmt: skip
    setting = Setting(mix_of(protocol, {}), 60, 1000, 1, 20)
    report = compare_schemes(plan, setting, protocol_digest=protocol.digest, schemes=())
    signed = sign_report(
        replace(report, trial=plan.trial), SEALER, signed_by="Ulla", time="2026-06-01T12:00:00Z"
    )
    service.keep_report(signed.to_bytes(), request="report", **told)
    return True


def signed_anchor() -> dict[str, str]:
    """The reviewer takes the log's links to the keeper, who signs them."""
    from flarefree.conduct.audit import Anchor, anchor_log
    from flarefree.conduct.audit.anchors import Link
    from flarefree.conduct.visibility import Actor
    from flarefree.web.clock import now
    from flarefree.web.queries.anchoring import links_for_keeper

    told = links_for_keeper(Actor("rita", "audit_reviewer"))
    links = tuple(Link(**link) for link in told["links"])
    before = Anchor(**told["last"]) if told["last"] else None
    signed = anchor_log(told["chain"], before, links, at=now(), signing_key=KEEPER)
    return {name: str(value) for name, value in signed.to_dict().items()}


def said(page: Page) -> str:
    return page.locator("#told").inner_text()


def ask(page: Page, address: str, button: str, **typed: str) -> None:
    """Open a form, fill it in, send it."""
    page.goto(address)
    for name, value in typed.items():
        page.locator(f'[name="{name}"]').fill(value)
    with page.expect_navigation():
        page.locator("main").get_by_role("button", name=button, exact=True).click()


def gates(page: Page) -> dict[str, bool]:
    """What a step waits for, as the page tells it: met, or not yet."""
    found = page.locator("ul.due > li:has(strong)")
    rows = [found.nth(n).inner_text() for n in range(found.count())]
    return {row.splitlines()[0]: "not yet" not in row for row in rows}


def bring_anchor(page: Page) -> None:
    from web_browsing import apart

    ask(page, "/log/anchor/", "Save", **apart(signed_anchor))
    assert "Entry" in said(page)


def test_from_the_set_up_to_the_released_key(desk: Desk, trial: Trial):
    """Each gate opens by whose it is; no step is taken before its gates are open."""
    from web_browsing import apart

    from flarefree.conduct.audit import public_key_of
    from flarefree.conduct.randomization.sealing import public_key_of as share_key_of
    from flarefree.protocol.loading import builtin_path

    # A log-in is an entry: everybody is there before the log is anchored.
    root, sponsor, manager, reviewer, stan = map(desk.sit, ("administrator", "sam", "dana", "rita", "stan"))
    holders = {name: desk.sit(name) for name in SHARES}

    sponsor.goto("/trial/")
    before = gates(sponsor)
    assert before and not all(before.values())
    ask(sponsor, "/trial/go-live/", "Go live", reason="too early")
    assert "Nothing was saved" in sponsor.locator(".summary").inner_text()

    text = builtin_path("alms-maintenance").read_text("utf-8")
    ask(root, "/protocol/record/", "Record it", text=text, reason="the first version")
    assert "recorded" in said(root)
    ask(root, "/trial/keeper-key/", "Publish", public_key=public_key_of(KEEPER), reason="before the first")
    assert "published" in said(root)
    ask(root, "/trial/analysis-plan/", "Save", version="1.0", digest="ab" * 32, reason="before the first")
    keys = {name: share_key_of(share).hex() for name, share in SHARES.items()}
    ask(
        root, "/ceremony/holders/", "Save", holder_1="kate", key_1=keys["kate"], holder_2="karl",
        key_2=keys["karl"], reason="two who do not analyze",
    )  # fmt: skip
    apart(seal_lists_and_report)
    sponsor.goto("/trial/")
    assert all(gates(sponsor).values()), gates(sponsor)
    ask(sponsor, "/trial/go-live/", "Go live", reason="all is in place")
    assert "The trial is live." in said(sponsor)

    manager.goto("/trial/")
    assert not gates(manager)["The log is anchored"]
    ask(manager, "/trial/lock/", "Lock the data", reason="too early")
    assert "Nothing was saved" in manager.locator(".summary").inner_text()
    ask(manager, "/trial/close-adjudication/", "Close it")
    bring_anchor(reviewer)
    ask(manager, "/trial/lock/", "Lock the data", reason="complete")
    assert "The data are locked." in said(manager)
    manager.goto("/screen/")
    assert manager.locator("h1").inner_text() == "There is nothing here for you"

    ask(holders["kate"], "/ceremony/share/", "Present it", share=SHARES["karl"].hex(), reason="a mistake")
    summary = holders["kate"].locator(".summary").inner_text()
    assert "not the share" in summary and SHARES["karl"].hex() not in holders["kate"].content()
    for name, page in holders.items():
        ask(page, "/ceremony/share/", "Present it", share=SHARES[name].hex(), reason="the ceremony")
        assert "Your share was presented." in said(page)
    stan.goto("/ceremony/key/")
    assert stan.locator("h1").inner_text() == "There is nothing here for you"
    bring_anchor(reviewer)
    ask(holders["karl"], "/ceremony/unblind/", "Unblind the trial", reason="both were there")
    holders["karl"].goto("/ceremony/")
    assert "not yet" not in holders["karl"].locator("main").inner_text()

    fetcher = desk.sit("ulla")
    fetcher.goto("/ceremony/")
    link = fetcher.get_by_role("link", name="Fetch the key file")
    page = fetcher if link.count() else stan
    page.goto("/ceremony/key/")
    with page.expect_download() as download:
        page.locator("main").get_by_role("button").click()
    told = json.loads(download.value.path().read_text("utf-8"))
    assert told["body"]["allocations"] == {}
