"""A queue as plain data and back: for whoever keeps it in a database or a file.

What is plain here holds sealed votes and says which cases are controls: it is for the keeper's store alone.
Ballots are checked against their commitments as they are read back, so that a store that was tampered with
is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from flarefree.conduct.adjudication.cases import Case, CaseKind, CaseState, Entry, Round
from flarefree.conduct.adjudication.queue import Batch, Queue
from flarefree.conduct.adjudication.voting import Answer, Ballot, Verdict, VerdictBy
from flarefree.conduct.detecting import Level
from flarefree.protocol.schema import AdjudicationRules

__all__ = ["case_from_plain", "case_to_plain", "queue_from_plain", "queue_to_plain"]


def queue_to_plain(queue: Queue) -> dict[str, Any]:
    """A queue as what JSON can hold."""
    return {
        "rules": queue.rules.model_dump(mode="json"),
        "same_event_days": queue.same_event_days,
        "cases": [case_to_plain(case) for case in queue.cases],
        "batches": [_plain(asdict(batch)) for batch in queue.batches],
    }


def queue_from_plain(plain: Mapping[str, Any]) -> Queue:
    """The queue that `queue_to_plain` wrote.

    Raises
    ------
    ConductError
        A ballot does not fit its commitment.
    """
    return Queue(
        AdjudicationRules.model_validate(plain["rules"]),
        plain["same_event_days"],
        tuple(case_from_plain(case) for case in plain["cases"]),
        tuple(Batch(**{**batch, "at": _time(batch["at"])}) for batch in plain["batches"]),
    )


def case_to_plain(case: Case) -> dict[str, Any]:
    """A case as what JSON can hold."""
    return dict(_plain(asdict(case)))


def case_from_plain(plain: Mapping[str, Any]) -> Case:
    """The case that `case_to_plain` wrote."""
    return Case(
        **{
            **plain,
            "kind": CaseKind(plain["kind"]),
            "level": None if plain["level"] is None else Level(plain["level"]),
            "state": CaseState(plain["state"]),
            "rounds": tuple(_round(one) for one in plain["rounds"]),
            "history": tuple(Entry(**{**one, "at": _time(one["at"])}) for one in plain["history"]),
        }
    )


def _round(plain: Mapping[str, Any]) -> Round:
    return Round(
        **{
            **plain,
            "assigned": tuple(plain["assigned"]),
            "ballots": tuple(_ballot(one) for one in plain["ballots"]),
            "verdict": None if plain["verdict"] is None else _verdict(plain["verdict"]),
        }
    )


def _ballot(plain: Mapping[str, Any]) -> Ballot:
    return Ballot(**{**plain, "at": _time(plain["at"]), "answer": Answer(plain["answer"])})


def _verdict(plain: Mapping[str, Any]) -> Verdict:
    told = {"answer": Answer(plain["answer"]), "by": VerdictBy(plain["by"]), "at": _time(plain["at"])}
    return Verdict(**{**plain, **told, "members": tuple(plain["members"])})


def _time(written: str) -> datetime:
    return datetime.fromisoformat(written)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, str) else value  # an enumeration's member as its text
