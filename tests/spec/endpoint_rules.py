"""Cases on paper, and how what was derived is put in the same words as what was worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from flarefree.endpoints.derivation import Derivation
from flarefree.endpoints.derive import derive
from patients_on_paper import Paper, Patient


@dataclass(frozen=True)
class Case:
    """One named patient: what happened, worked out by hand, and what must come of it.

    `expects` maps what is asked to the answer, both in words: an endpoint's name (time to event), a state
    and a day (`complete_remission on day 184`), `NAME assessed`, `NAME aside`.
    """

    patient: str
    story: str
    by_hand: str
    write: Callable[[Patient], object]
    expects: dict[str, str]
    options: dict[str, object] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """The rule that the case is about: the first that it asks."""
        return next(iter(self.expects)).split()[0]


def derive_cases(protocol: str, cases: list[Case], arms: tuple[str, ...]) -> Derivation:
    """One study of all the patients."""
    paper = Paper(protocol=protocol, arms=arms)
    for case in cases:
        case.write(paper.patient(case.patient, **case.options))
    return derive(paper.study())


def observed(d: Derivation, patient: str, asked: str) -> str:
    """What was derived, in the words of `Case.expects`."""
    words = asked.split()
    if words[1:2] == ["on"]:
        return _state(d, patient, words[0], int(words[-1]))
    if words[1:] == ["assessed"]:
        return _assessed(d, patient, words[0])
    if words[1:] == ["aside"]:
        return _aside(d, patient, words[0])
    return _time(d, patient, asked)


def _time(d: Derivation, patient: str, endpoint: str) -> str:
    row = d.time_to_event.filter((pl.col("subject") == patient) & (pl.col("endpoint") == endpoint)).row(
        0, named=True
    )
    if not row["is_event"]:
        return f"no event; {row['censored_by']}, day {row['stop_day']}"
    event = d.events.row(row["event_index"], named=True)
    assert event["is_used"] and event["day"] == row["stop_day"]
    by = "" if row["component"] == endpoint else f" by {row['component']}"
    confirmed = "" if event["confirmed_day"] is None else f", borne out on day {event['confirmed_day']}"
    origin = "" if row["origin"] == "derived" else f", as the {row['origin']} decided"
    return f"event on day {row['stop_day']}{by}{confirmed}{origin}"


def _state(d: Derivation, patient: str, endpoint: str, day: int) -> str:
    mine = (pl.col("subject") == patient) & (pl.col("endpoint") == endpoint) & (pl.col("day") == day)
    (holds,) = d.states.filter(mine).get_column("holds").to_list()
    return {True: "holds", False: "does not hold", None: "unknown"}[holds]


def _assessed(d: Derivation, patient: str, endpoint: str) -> str:
    mine = (pl.col("subject") == patient) & (pl.col("endpoint") == endpoint)
    row = d.assessability.filter(mine).row(0, named=True)
    return f"known at {row['known']}, unknown at {row['unknown']}"


def _aside(d: Derivation, patient: str, endpoint: str) -> str:
    mine = (pl.col("subject") == patient) & (pl.col("endpoint") == endpoint) & ~pl.col("is_used")
    rows = d.events.filter(mine).select("day", "reason").rows()
    return "; ".join(f"day {day}: {reason}" for day, reason in rows) or "nothing"
