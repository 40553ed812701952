"""How a command is done: asked before? may they? what would it do?  Then log and change, or neither."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import IntegrityError, transaction

from flarefree.conduct.audit import Change, Draft, Entry
from flarefree.conduct.visibility import Target, require_allowed
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Command, Need, Outcome, Plan, Write
from flarefree.web.record import models
from flarefree.web.record.keeping import keep_entry
from flarefree.web.record.reading import read_head, read_standing
from flarefree.web.trial import running_trial

__all__ = ["execute"]


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
    before = _answered(command, asked)
    if before is not None:
        return before
    try:
        with transaction.atomic():
            return _execute(command, asked)
    except IntegrityError:
        # Another process answered the same request between our look and our lock.
        again = _answered(command, asked)
        if again is None:
            raise
        return again


def _execute(command: Command, asked: Asked) -> Outcome:
    head = read_head(for_update=True)
    before = _answered(command, asked)
    if before is not None:
        return before
    plan = command.plan(asked)
    changes = tuple(_changes(plan.writes))
    _require_rights(command, asked, plan, changes)
    trial = running_trial()
    draft = Draft(
        who=asked.actor.person if asked.actor else "system",
        role=asked.actor.role if asked.actor else "system",
        at=asked.at,
        zone=trial.zone_of(plan.site),
        action=command.verb,
        about=plan.about,
        reason_code=plan.reason_code,
        reason=plan.reason,
        protocol=trial.protocol_digest,
        request=asked.request,
        changes=tuple(change for _, change in changes),
    )
    result = dict(plan.result)
    entry = keep_entry(draft, fingerprint=command.fingerprint, answer=lambda _: result, head=head)
    return _outcome(asked, entry, result, is_repeated=False)


def _outcome(asked: Asked, entry: Entry, result: Mapping[str, Any], *, is_repeated: bool) -> Outcome:
    return Outcome(asked.request, entry.number, entry.receipt, is_repeated, result)


def _require_asker(command: Command, asked: Asked) -> None:
    if command.is_machine == (asked.actor is not None):
        raise ConductError("there is nothing here for you")


def _answered(command: Command, asked: Asked) -> Outcome | None:
    row = models.LogRow.objects.filter(request=asked.request).first()
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
    command: Command, asked: Asked, plan: Plan, changes: tuple[tuple[Write, Change], ...]
) -> None:
    """The matrix is asked about each field that a person would write, and about what the command needs."""
    if asked.actor is None:
        return
    trial = running_trial()
    target = Target(plan.site, plan.assigned_to)
    asked_for = {
        Need(_verb(command, change), write.field) for write, change in changes if not write.is_consequence
    }
    for need in sorted(asked_for, key=lambda need: (need.verb, need.field)):
        require_allowed(trial.matrix, asked.actor, need.verb, need.field, trial.phase, target)
    for need in plan.needs:
        of_need = Target(need.site or plan.site, need.assigned_to or plan.assigned_to)
        require_allowed(trial.matrix, asked.actor, need.verb, need.field, trial.phase, of_need)
    if not asked_for and not plan.needs:
        raise ConductError("there is nothing here for you")


def _verb(command: Command, change: Change) -> str:
    return "correct" if command.verb == "record" and change.is_correction else command.verb
