"""A committee in the record, and what its members and coordinator ask for: that of the checks."""

from __future__ import annotations

from flarefree.web.checks.committee_trial import (
    CHAIR,
    KEEPER,
    MANAGER,
    MEMBERS,
    OFFICER,
    START,
    appoint,
    ask,
    judge,
    member,
    plant,
    queue_now,
    release_cases,
    vote,
)

__all__ = [
    "CHAIR",
    "KEEPER",
    "MANAGER",
    "MEMBERS",
    "OFFICER",
    "START",
    "appoint",
    "ask",
    "go_live",
    "judge",
    "member",
    "queue_now",
    "release_cases",
    "vote",
]


def go_live() -> None:
    """The trial goes live."""
    plant("trial", ("trial", "this", "configuration", {"phase": "live"}), request="go live")
