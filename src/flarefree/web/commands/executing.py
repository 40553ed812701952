"""How a command is done: asked before? may they? what would it do?  Then log and change, or neither."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, IntegrityError, transaction

from flarefree.conduct.audit import Change, Draft, Entry, Head
from flarefree.conduct.visibility import Target, require_allowed
from flarefree.errors import ConductError
from flarefree.web.after import after_commit
from flarefree.web.commands.base import Asked, Command, Need, Outcome, Plan, RefusedThen, Write
from flarefree.web.crashing import step
from flarefree.web.record import models
from flarefree.web.record.keeping import keep_entry
from flarefree.web.record.reading import read_head, read_standing, reading_once
from flarefree.web.trial import running_trial

__all__ = ["execute"]

_LONGEST_WAIT = timedelta(seconds=60)
"""Twice what a request waits for the lock."""


def execute(command: Command, asked: Asked) -> Outcome:
    """Do what is asked, once.

    Parameters
    ----------
    command : Command
    asked : Asked

    Returns
    -------
    Outcome
        Of a request asked before, the answer that it was given then.

    Raises
    ------
    ConductError
        The role may not (in words that tell nothing), a rule refuses, the request id was used for something
        else, or the log cannot be written.  Nothing was changed.
    """
    _require_asker(command, asked)
    try:
        return _once(command, asked)
    except DatabaseError as error:
        # Disk full, read-only, out of reach: what cannot be logged is not done, and is said (A5).
        raise ConductError(
            "the record cannot be written, so nothing was changed",
            where="record",
            found=type(error).__name__,
            try_="bring its storage back, then ask again with the same request",
        ) from error


def _once(command: Command, asked: Asked) -> Outcome:
    before = _answered(command, asked)
    if before is not None:
        return before
    try:
        with transaction.atomic():
            outcome = _execute(command, asked)
            step("record: before commit")
    except RefusedThen as refusal:
        _do_after(refusal, asked)
        raise
    except IntegrityError:
        # Another process answered the same request between our look and our lock.
        again = _answered(command, asked)
        if again is None:
            raise
        return again
    step("record: committed")
    return outcome


def _do_after(refusal: RefusedThen, asked: Asked) -> None:
    """What follows from a refusal: asked for by the application, in a transaction of its own."""
    request = f"after/{hashlib.sha256(asked.request.encode()).hexdigest()[:32]}"
    execute(refusal.then, Asked(None, request, asked.at, "machine"))


def _execute(command: Command, asked: Asked) -> Outcome:
    head = read_head(for_update=True)
    step("record: locked")
    before = _answered(command, asked)
    if before is not None:
        return before
    asked = _in_order(asked, head)
    trial = running_trial()
    with reading_once():
        standing = trial.standing(asked.at)
        _require_verb(command, asked, standing.phase)
        plan = command.plan(asked)
        changes = tuple(_changes(plan.writes))
        _require_rights(command, asked, plan, changes, standing.phase)
        zone = trial.zone_of(plan.site)
    draft = Draft(
        who=asked.actor.person if asked.actor else "system",
        role=asked.actor.role if asked.actor else "system",
        at=asked.at,
        zone=zone,
        action=command.verb,
        about=plan.about,
        reason_code=plan.reason_code,
        reason=plan.reason,
        protocol=standing.protocol_digest,
        request=asked.request,
        changes=tuple(change for _, change in changes),
    )
    result = dict(plan.result)
    step("record: before entry")
    entry = keep_entry(draft, fingerprint=command.fingerprint, answer=lambda _: result, head=head)
    step("record: after entry")
    written = tuple(write for write, _ in changes)
    transaction.on_commit(lambda: after_commit(written, asked))
    return _outcome(asked, entry, result, is_repeated=False)


def _outcome(asked: Asked, entry: Entry, result: Mapping[str, Any], *, is_repeated: bool) -> Outcome:
    return Outcome(asked.request, entry.number, entry.receipt, is_repeated, result)


def _in_order(asked: Asked, head: Head | None) -> Asked:
    """Of requests that waited for the lock together, the later one is not dated before the earlier.

    A clock that went back further than anybody waits is refused by the log itself.
    """
    if head is None or head.at is None or not head.at - _LONGEST_WAIT <= asked.at < head.at:
        return asked
    return replace(asked, at=head.at)


def _require_asker(command: Command, asked: Asked) -> None:
    if command.is_machine == (asked.actor is not None):
        raise ConductError("there is nothing here for you")


def _require_verb(command: Command, asked: Asked, phase: str) -> None:
    """Before a plan could tell anything: does the role do such a thing at all in this phase?"""
    if asked.actor is None:
        return
    verbs = {command.verb, "correct"} if command.verb == "record" else {command.verb}
    role = asked.actor.role
    if not any((c.role, c.phase) == (role, phase) and c.verb in verbs for c in running_trial().matrix.listed):
        raise ConductError("there is nothing here for you")


_OF_REQUEST = "SELECT * FROM record_logrow WHERE request = %s"


def _answered(command: Command, asked: Asked) -> Outcome | None:
    row = next(iter(models.LogRow.objects.raw(_OF_REQUEST, [asked.request])), None)
    if row is None:
        return None
    who = asked.actor.person if asked.actor else "system"
    entry = row.to_entry()
    if row.fingerprint != command.fingerprint or entry.content["who"] != who:
        raise ConductError(
            "this request id was used before, for something else",
            where=f"request {asked.request}",
            expected="a new id for a new request",
            try_="ask again with a new request id; nothing was changed",
        )
    return _outcome(asked, entry, json.loads(row.answer), is_repeated=True)


def _changes(writes: tuple[Write, ...]) -> Iterator[tuple[Write, Change]]:
    """What would change; a value that already stands is left out."""
    standing = read_standing((w.kind, w.key) for w in writes)
    for write in writes:
        old = standing.get((write.kind, write.key, write.attribute))
        if type(old) is not type(write.value) or old != write.value:
            record = f"{write.kind}/{write.key}/{write.attribute}"
            yield write, Change(record, write.field, old, write.value)


def _require_rights(
    command: Command, asked: Asked, plan: Plan, changes: tuple[tuple[Write, Change], ...], phase: str
) -> None:
    """The matrix is asked about each field that a person would write, and about what the command needs."""
    if asked.actor is None:
        return
    matrix = running_trial().matrix
    target = Target(plan.site, plan.assigned_to)
    asked_for = {
        Need(_verb(command, change), write.field) for write, change in changes if not write.is_consequence
    }
    for need in sorted(asked_for, key=lambda need: (need.verb, need.field)):
        require_allowed(matrix, asked.actor, need.verb, need.field, phase, target)
    for need in plan.needs:
        of_need = Target(need.site or plan.site, need.assigned_to or plan.assigned_to)
        require_allowed(matrix, asked.actor, need.verb, need.field, phase, of_need)
    if not asked_for and not plan.needs:
        raise ConductError("there is nothing here for you")


def _verb(command: Command, change: Change) -> str:
    return "correct" if command.verb == "record" and change.is_correction else command.verb
