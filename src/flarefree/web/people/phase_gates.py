"""Gates of the trial's own transitions, each looked up where the truth of it stands.

A gate that nobody can look up is closed.  What the vault says of lists, report and ceremony comes through
its service and names no arm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flarefree.conduct.workflow import Machine
from flarefree.web.commands.base import Asked
from flarefree.web.people.anchors import is_anchored
from flarefree.web.record.reading import facts_of, read_thing
from flarefree.web.trial import PROTOCOL, Standing, running_trial

__all__ = ["Gates", "open_gates"]

_ENDED = frozenset({"screen_failed", "completed", "consent_withdrawn", "died", "withdrawn", "lost"})
"""Statuses of patients of whom nothing more is awaited at the lock."""


@dataclass(frozen=True)
class Gates:
    """Gates that were found open, and what was learned on the way.

    Attributes
    ----------
    open : frozenset of str
    told : mapping of str to str
        Hashes that the vault published: `scheme_hash`, `lists_sha256`.
    """

    open: frozenset[str]
    told: Mapping[str, str]


def open_gates(machine: Machine, transition: str, asked: Asked, standing: Standing) -> Gates:
    """Which gates of a transition are open now."""
    told: dict[str, str] = {"scheme_hash": "", "lists_sha256": ""}
    wanted = machine.transition(transition).gates
    found = frozenset(gate for gate in wanted if _GATES[gate](asked, standing, told))
    return Gates(found, MappingProxyType(told))


Told = dict[str, str]


def _protocol_recorded(asked: Asked, standing: Standing, told: Told) -> bool:
    recorded = standing.facts.get("protocol_digest")
    return recorded is not None and recorded in facts_of(PROTOCOL, "in_force_from")


def _rules_leak_nothing(asked: Asked, standing: Standing, told: Told) -> bool:
    from flarefree.conduct.rule_taint import taints_of_endpoints

    return not taints_of_endpoints(running_trial().protocol_of(standing.protocol_digest))


def _matrix_recorded(asked: Asked, standing: Standing, told: Told) -> bool:
    return standing.facts.get("matrix_digest") == running_trial().matrix.digest


def _lists_sealed(asked: Asked, standing: Standing, told: Told) -> bool:
    from flarefree.web.vault import service

    lists = service.lists_status()
    told["scheme_hash"], told["lists_sha256"] = lists.scheme_hash, lists.sha256
    return lists.is_sealed and lists.protocol_digest == standing.protocol_digest


def _report_signed(asked: Asked, standing: Standing, told: Told) -> bool:
    from flarefree.web.vault import service

    return service.lists_status().has_signed_report


def _keeper_key_published(asked: Asked, standing: Standing, told: Told) -> bool:
    return bool(standing.facts.get("keeper_key"))


def _everybody_followed_up(asked: Asked, standing: Standing, told: Told) -> bool:
    return all(status in _ENDED for status in facts_of("subject", "status").values())


def _queries_closed(asked: Asked, standing: Standing, told: Told) -> bool:
    return all(status == "closed" for status in facts_of("query", "status").values())


def _cases_closed(asked: Asked, standing: Standing, told: Told) -> bool:
    """Adjudication was locked, which asks for an empty queue that is not behind the data (E7)."""
    lock = read_thing("adjudication_lock", "this")
    return (lock is not None and lock["is_in_force"] is True) or not facts_of("case_file", "state")


def _log_anchored(asked: Asked, standing: Standing, told: Told) -> bool:
    return is_anchored(standing)


def _cause_removed(asked: Asked, standing: Standing, told: Told) -> bool:
    """What a machine can see for itself: the log and the tables agree, and the lists are there."""
    from flarefree.web.record.verifying import verify_record

    return verify_record().is_sound


def _allocations_reconciled(asked: Asked, standing: Standing, told: Told) -> bool:
    """Patient by patient, the vault's codes and the record's are the same; and it is no older vault."""
    from flarefree.web.vault import service

    if not service.is_reconciled():
        return False
    given = {one.receipt.subject: one.receipt.code for one in service.receipts_since()}
    return given == {subject: kit for subject, kit in facts_of("subject", "kit").items() if kit is not None}


def _two_key_holders(asked: Asked, standing: Standing, told: Told) -> bool:
    from flarefree.web.vault import service

    return service.is_released()


def _analysis_plan_recorded(asked: Asked, standing: Standing, told: Told) -> bool:
    return bool(standing.facts.get("analysis_plan_digest"))


_GATES: Mapping[str, Callable[[Asked, Standing, Told], bool]] = MappingProxyType(
    {
        "protocol_recorded": _protocol_recorded,
        "rules_leak_nothing": _rules_leak_nothing,
        "matrix_recorded": _matrix_recorded,
        "lists_sealed": _lists_sealed,
        "simulation_report_signed": _report_signed,
        "keeper_key_published": _keeper_key_published,
        "everybody_followed_up": _everybody_followed_up,
        "queries_closed": _queries_closed,
        "cases_closed_and_reconciled": _cases_closed,
        "log_anchored": _log_anchored,
        "cause_removed": _cause_removed,
        "allocations_reconciled": _allocations_reconciled,
        "two_key_holders": _two_key_holders,
        "analysis_plan_recorded": _analysis_plan_recorded,
    }
)
