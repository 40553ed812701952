"""Sites, accounts, roles and the trial's phases: who may, what it needs, what is left of it in the record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from flarefree.errors import ConductError

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NOTHING = "there is nothing here for you"
_numbers = count()


@pytest.fixture
def ask(record: None):
    """Ask for a command by name: `ask("add_site", "ada", "administrator", site="017", ...)`."""
    from flarefree.conduct.visibility import Actor
    from flarefree.web.commands import accounts, anchoring, sites, trial_phases, trial_protocol
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute

    modules = (accounts, anchoring, sites, trial_phases, trial_protocol)
    known = {
        value.name: value
        for module in modules
        for value in vars(module).values()
        if hasattr(value, "plan") and hasattr(value, "verb")
    }

    def asking(name, who=None, acting_as=None, /, *, at=NOON, request=None, at_sites=(), **content):
        actor = None if who is None else Actor(who, acting_as, frozenset(at_sites))
        asked = Asked(actor, request or f"request-{next(_numbers)}", at)
        return execute(known[name](**content), asked)

    return asking


@pytest.fixture
def admin(ask):
    """`ada` is the administrator."""
    ask("begin_administration", person="ada", full_name="Ada Lovelace")
    return lambda name, **content: ask(name, "ada", "administrator", **content)


def test_a_site_is_added_once_and_changed_with_a_reason(admin):
    from flarefree.web.record.reading import history_of, read_thing

    site = {"site": "017", "title": "Charité", "country": "Germany", "zone": "Europe/Berlin", "planned": 12}
    admin("add_site", **site)
    with pytest.raises(ConductError, match="there is a site of this code"):
        admin("add_site", **site)
    admin("change_site", site="017", planned=20, reason="recruits well")
    assert read_thing("site", "017")["planned"] == 20
    assert [f.value for f in history_of("site", "017", "planned")] == [12, 20]
    with pytest.raises(ConductError, match="not a time zone"):
        admin("change_site", site="017", zone="Berlin", reason="moved")


def test_who_is_not_an_administrator_learns_nothing_of_what_there_is(ask, admin):
    admin("open_account", person="ben", full_name="Ben")
    for name in ("ben", "nobody-of-this-name"):
        with pytest.raises(ConductError, match=NOTHING):
            ask("open_account", "eve", "investigator", person=name, full_name="x", at_sites=("017",))


def test_roles_that_must_stay_apart_are_not_given_to_one_person(admin):
    admin("open_account", person="cy", full_name="Cy")
    admin("grant_role", person="cy", role="unblinded_statistician", reason="draws the lists")
    with pytest.raises(ConductError, match="blinded and not blinded"):
        admin("grant_role", person="cy", role="data_manager", reason="help")
    with pytest.raises(ConductError, match="nobody gives a role to themselves"):
        admin("grant_role", person="ada", role="support", reason="why not")


def test_a_revocation_holds_at_the_next_request_and_history_is_complete(admin):
    from flarefree.web.people.grants import read_grants, read_grants_of

    admin("open_account", person="ben", full_name="Ben")
    admin("grant_role", person="ben", role="sponsor", reason="leads", at=NOON)
    assert read_grants_of("ben").roles_at("ben", NOON) == ("sponsor",)
    later = NOON + timedelta(hours=1)
    admin("revoke_role", person="ben", role="sponsor", reason="left", at=later)
    assert read_grants_of("ben").roles_at("ben", later) == ()
    assert [(g.person, g.role, g.revoked_by) for g in read_grants().history] == [
        ("ada", "administrator", ""),
        ("ben", "sponsor", "ada"),
    ]


def test_closing_an_account_ends_its_roles_and_the_last_administrator_stays(ask, admin):
    from flarefree.web.people.grants import account_is_open, read_grants_of

    admin("open_account", person="ben", full_name="Ben")
    admin("grant_role", person="ben", role="administrator", reason="second one")
    with pytest.raises(ConductError, match="nobody closes their own"):
        admin("close_account", person="ada", reason="bye")
    ask("close_account", "ben", "administrator", person="ada", reason="retired", at=NOON + timedelta(days=1))
    assert not account_is_open("ada")
    assert read_grants_of("ada").roles_at("ada", NOON + timedelta(days=1)) == ()
    with pytest.raises(ConductError, match="the last administrator stays"):
        admin("revoke_role", person="ben", role="administrator", reason="?", at=NOON + timedelta(days=2))


def test_the_protocol_is_kept_to_the_last_byte_and_its_digest_is_on_entries(admin):
    from flarefree.protocol.loading import builtin_path
    from flarefree.web.record.models import LogRow
    from flarefree.web.record.reading import read_thing
    from flarefree.web.trial import running_trial

    text = builtin_path("alms-maintenance").read_text("utf-8")
    changed = text + "\n# one line more\n"
    digest = admin("record_protocol", text=changed).result["digest"]
    assert read_thing("protocol", digest)["text"] == changed
    assert running_trial().protocol_digest == digest == running_trial().protocol.digest
    admin("add_site", site="1", title="a", country="DE", zone="UTC")
    assert LogRow.objects.order_by("-number").first().to_entry().content["protocol"] == digest


def test_going_live_waits_for_every_gate_and_another_person(ask, admin):
    from flarefree.protocol.loading import builtin_path

    admin("record_protocol", text=builtin_path("alms-maintenance").read_text("utf-8"))
    with pytest.raises(ConductError) as error:
        ask("go_live", "sam", "sponsor", reason="ready")
    assert error.value.found == "closed: lists_sealed, simulation_report_signed, keeper_key_published"
    with pytest.raises(ConductError, match=NOTHING):
        admin("go_live", reason="ready")
    with pytest.raises(ConductError, match="approved by somebody else"):
        ask("go_live", "ada", "sponsor", reason="ready")
