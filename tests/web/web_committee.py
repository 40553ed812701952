"""A committee in the record, and what its members and coordinator ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from web_planting import plant

from flarefree.conduct.visibility import Actor
from flarefree.web.commands.base import Asked, Command
from flarefree.web.commands.executing import execute

START = datetime(2026, 3, 2, 13, tzinfo=UTC)
MEMBERS = {"ben": "01", "cleo": "02", "dan": "", "eva": "", "finn": ""}
KEEPER = Actor("kim", "committee_coordinator")
CHAIR = Actor("ada", "committee_chair")
MANAGER = Actor("mia", "data_manager")
_number = count()


def member(name: str) -> Actor:
    return Actor(name, "committee_member", frozenset(MEMBERS[name].split()))


def ask(actor: Actor, command: Command, *, days: float = 0, request: str = "") -> Any:
    """Ask for something, so many days after the start."""
    at = START + timedelta(days=days)
    return execute(command, Asked(actor, request or f"request {next(_number)}", at))


def appoint() -> None:
    """The chair and five members, two of whom work at a site."""
    roles = {"ada": "committee_chair", **dict.fromkeys(MEMBERS, "committee_member")}
    for name, role in roles.items():
        values = {
            "person": name, "role": role, "sites": MEMBERS.get(name, ""),
            "begin": "2026-01-01T00:00:00.000000Z", "granted_by": "root", "reason": "appointed",
        }  # fmt: skip
        plant(name, ("grant", f"{name}.1", "permissions.history", values), request=f"grant {name}")


def go_live() -> None:
    """The trial goes live."""
    plant("trial", ("trial", "this", "configuration", {"phase": "live"}), request="go live")
