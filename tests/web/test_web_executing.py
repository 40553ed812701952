"""A command is done once, by whom the matrix allows, with its entry; or nothing is done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

import pytest

from flarefree.errors import ConductError

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def commands(record: None):
    from flarefree.conduct.visibility import Actor
    from flarefree.web.commands.base import Asked, Command, Plan, Write
    from flarefree.web.commands.executing import execute

    class NameSite(Command):
        name: ClassVar[str] = "name_site"
        verb: ClassVar[str] = "configure"
        site: str
        title: str

        def plan(self, asked: Asked) -> Plan:
            write = Write("site", self.site, "title", "sites.register", self.title)
            return Plan(f"site/{self.site}", writes=(write,), reason="renamed", result={"site": self.site})

    def ask(title: str, request: str, role: str = "administrator"):
        asked = Asked(Actor("ada", role), request, NOON)
        return execute(NameSite(site="017", title=title), asked)

    return ask


def test_a_command_is_done_once_and_answers_the_same(commands):
    from flarefree.web.record.reading import history_of, read_thing

    first, again = commands("Charité", "r1"), commands("Charité", "r1")
    assert (first.is_repeated, again.is_repeated) == (False, True)
    assert (first.receipt, dict(first.result)) == (again.receipt, dict(again.result))
    commands("Charité Mitte", "r2")
    assert read_thing("site", "017")["title"] == "Charité Mitte"
    assert [fact.value for fact in history_of("site", "017", "title")] == ["Charité", "Charité Mitte"]


def test_a_request_id_is_good_for_one_content(commands):
    commands("Charité", "r1")
    with pytest.raises(ConductError, match="used before"):
        commands("Other", "r1")


def test_who_may_not_is_told_nothing_and_nothing_changes(commands):
    from flarefree.web.record.reading import read_head, read_thing

    with pytest.raises(ConductError, match="there is nothing here for you"):
        commands("Charité", "r1", role="investigator")
    assert read_thing("site", "017") is None
    assert read_head().length == 0


def test_the_log_alone_rebuilds_what_stands(commands):
    import json

    from flarefree.conduct.audit.rebuilding import compare_states, rebuild_state
    from flarefree.web.record.models import Latest, LogRow

    for n, title in enumerate(("a", "b", "c")):
        commands(title, f"r{n}")
    rebuilt = rebuild_state(row.to_entry() for row in LogRow.objects.order_by("number"))
    kept: dict[str, dict[str, object]] = {}
    for row in Latest.objects.select_related("thing"):
        record = f"{row.thing.kind}/{row.thing.key}/{row.attribute}"
        kept.setdefault(record, {})[row.field] = json.loads(row.value)
    assert compare_states(rebuilt, kept) == ()
