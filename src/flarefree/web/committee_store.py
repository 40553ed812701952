"""The committee's queue as things of the record: what is kept, in which field, and how it is read back.

```text
case_file/<opaque>      the keeper's whole case; rounds, history     cases.is_control, votes.all
case/<number>           what lies on desks, once for each showing    cases.dossier, cases.queue
vote/<number>.<member>  a sealed vote, the member's own              votes.own
decision/<number>       what a showing came to                       decisions.record
detection/<opaque>.<n>  the rows and the sentence that a round rests on   cases.is_control
referral/<opaque>       word to safety of a negative verdict         decisions.negative
batch/<n>               how many were shown together, by why         cases.is_control
```

A member's case has another thing, with another number, each time it is shown, and all things of one batch
come in the order of their numbers: neither a key nor an order tells a control, a copy or a case that comes
again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from flarefree.conduct.adjudication.agreement import InvestigatorWord
from flarefree.conduct.adjudication.cases import Case
from flarefree.conduct.adjudication.decisions import decisions_frame
from flarefree.conduct.adjudication.queue import Batch, Queue
from flarefree.conduct.adjudication.storing import case_from_plain, case_to_plain
from flarefree.web.record.reading import Item, facts_of, read_thing, read_things
from flarefree.web.study_rows import date_in
from flarefree.web.trial import running_trial

if TYPE_CHECKING:
    from flarefree.conduct.audit.entries import Value

__all__ = [
    "KEEPER",
    "Stored",
    "days_one",
    "decisions_of_record",
    "investigators_words",
    "read_queue",
    "read_whole_queue",
]

KEEPER, VOTES = "cases.is_control", "votes.all"
_PLAIN = (
    "id", "subject", "site", "endpoint", "day", "last_day", "basis", "kind", "level", "number", "state",
    "copy_of",
)  # fmt: skip
_SAYS = {"suspected": True, "no event": False}
_OF_VOTES = frozenset({"voted", "opened vote"})


@dataclass(frozen=True)
class Stored:
    """Cases as the record has them, and the keys of their files.

    Attributes
    ----------
    queue : Queue
        Of some patients, or of all.
    keys : mapping of str to str
        A case's id to the key of its file.
    """

    queue: Queue
    keys: Mapping[str, str] = field(default_factory=dict)


# Reading ------------------------------------------------------------------------------------------


def read_queue(subjects: Iterable[str]) -> Stored:
    """The cases of some patients: enough for an act on one of them."""
    files = [
        item for subject in dict.fromkeys(subjects) for item in read_things("case_file", subject=subject)
    ]
    return _stored(files, _votes_named(files), ())


def read_whole_queue() -> Stored:
    """All cases of the trial, with its batches."""
    votes = {item.key: _ballot(item) for item in read_things("vote")}
    batches = [_batch(item) for item in read_things("batch")]
    return _stored(read_things("case_file"), votes, batches)


def _stored(
    files: Sequence[Item], votes: Mapping[str, Mapping[str, Any]], batches: Sequence[Batch]
) -> Stored:
    cases = tuple(_case(item, votes) for item in files)
    empty = Queue.of(running_trial().protocol)
    return Stored(
        replace(empty, cases=cases, batches=tuple(batches)),
        {case.id: item.key for case, item in zip(cases, files, strict=True)},
    )


def _votes_named(files: Iterable[Item]) -> dict[str, Mapping[str, Any]]:
    named = [key for item in files for one in _numbered(item, "round.") for key in one["votes"]]
    found = ((key, read_thing("vote", key)) for key in named)
    return {key: _ballot(item) for key, item in found if item is not None}


def _numbered(item: Item, prefix: str) -> list[dict[str, Any]]:
    """Attributes `round.1`, `round.2` ..., read as JSON, in order."""
    named = sorted((n for n in item.facts if n.startswith(prefix)), key=lambda n: int(n[len(prefix) :]))
    return [json.loads(str(item[name])) for name in named]


def _case(item: Item, votes: Mapping[str, Mapping[str, Any]]) -> Case:
    plain: dict[str, Any] = {name: item[name] for name in _PLAIN}
    for name in ("basis", "number", "copy_of", "site"):
        plain[name] = plain[name] or ""
    plain["rounds"] = [
        {name: value for name, value in one.items() if name != "votes"}
        | {"ballots": [votes[key] for key in one["votes"]]}
        for one in _numbered(item, "round.")
    ]
    plain["history"] = _numbered(item, "history.")
    return case_from_plain(plain)


def _ballot(item: Item) -> dict[str, Any]:
    names = ("case", "round", "member", "at", "commitment", "answer", "event_day", "reason", "nonce")
    return {name: item[name] if item[name] is not None or name == "event_day" else "" for name in names}


def _batch(item: Item) -> Batch:
    from datetime import datetime

    numbers = {n: int(item[n] or 0) for n in ("suspected", "controls", "duplicates", "missing_controls")}
    return Batch(datetime.fromisoformat(str(item["at"])), **numbers)


# As plain values ----------------------------------------------------------------------------------


def file_values(case: Case) -> Iterator[tuple[str, str, Value]]:
    """Attribute, field and value of all that a case's file holds."""
    plain = case_to_plain(case)
    for name in _PLAIN:
        yield name, KEEPER, plain[name]
    for one in plain["rounds"]:
        ballots = one.pop("ballots")
        one["votes"] = [vote_key(ballot) for ballot in ballots]
        yield f"round.{one['number']}", KEEPER, _json(one)
    for n, line in enumerate(plain["history"], start=1):
        yield f"history.{n}", VOTES if line["what"] in _OF_VOTES else KEEPER, _json(line)


def vote_key(ballot: Mapping[str, Any]) -> str:
    """Of a vote's thing: the number that the member knew the case by, and the member."""
    return f"{ballot['case']}.{ballot['member']}"


def vote_values(ballot: Mapping[str, Any]) -> Iterator[tuple[str, str, Value]]:
    """Attribute, field and value of a vote.  Which round it is would tell a case that comes again."""
    for name in ("case", "member", "at", "answer", "event_day", "reason", "commitment"):
        yield name, "votes.own", ballot[name]
    yield "assigned_to", "votes.own", ballot["member"]
    yield "round", KEEPER, ballot["round"]
    yield "nonce", VOTES, ballot["nonce"]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


# Decisions ----------------------------------------------------------------------------------------


def days_one() -> dict[str, date]:
    """Each randomized patient's day 1, at their site."""
    zones = facts_of("site", "zone")
    sites = facts_of("subject", "site")
    found: dict[str, date] = {}
    for subject, at in facts_of("subject", "randomized_at").items():
        day = date_in(str(zones.get(str(sites.get(subject))) or "UTC"), str(at or ""))
        if day is not None:
            found[subject] = day
    return found


def investigators_words() -> tuple[InvestigatorWord, ...]:
    """What investigators said of suspected events, where it is on a patient with a day 1."""
    ones = days_one()
    words = []
    for item in read_things("verdict"):
        on, endpoint = str(item["date"] or "")[:10], str(item["endpoint"] or "")
        if item["void"] is True or not on or not endpoint or item.subject not in ones:
            continue
        apart = (date.fromisoformat(on) - ones[item.subject]).days
        day = apart + 1 if apart >= 0 else apart
        words.append(InvestigatorWord(item.subject, endpoint, day, _SAYS.get(str(item["says"]))))
    return tuple(words)


def decisions_of_record() -> pl.DataFrame:
    """The committee's decisions that count now, with investigators' words beside them."""
    return decisions_frame(read_whole_queue().queue, days_one(), investigators_words())
