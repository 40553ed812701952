"""What a call asks for, done: who calls, which subject, the one commit.  The only module with effects.

A commit is the same command as a page's button, asked for with the call's request id over the channel
`voice`; `execute` does it once.  A refusal is said in the rule's words; where something broke, the caller is
told how to hear the truth, never a guess.
"""

from __future__ import annotations

import logging
from datetime import datetime

from flarefree.conduct.visibility import Actor, Target, decide
from flarefree.errors import ConductError
from flarefree.web.people.grants import account_is_open, read_grants_of
from flarefree.web.queries.requests import outcome_of
from flarefree.web.queries.seeing import see_things
from flarefree.web.record.reading import Item, read_thing, read_things
from flarefree.web.trial import running_trial
from flarefree.web.voice.breaking import break_code, prove
from flarefree.web.voice.calls import (
    Ask,
    BreakCode,
    CheckDevice,
    Event,
    FindSubject,
    Identify,
    Randomize,
    Recall,
    Reply,
    Task,
)
from flarefree.web.voice.committing import randomize, request_of
from flarefree.web.voice.noting import note_call
from flarefree.web.voice.pins import try_pin

__all__ = ["actor_for", "do"]

_log = logging.getLogger(__name__)

RIGHTS = {
    Task.RANDOMIZE: ("randomize", "allocation.request"),
    Task.BREAK_CODE: ("break_code", "code_breaks.answer"),
}


def do(ask: Ask, event: Event) -> Reply:
    """Do what a call asks for.

    Never raises: what breaks is logged by its kind, without what was keyed, and the caller is told how to
    ask again.
    """
    try:
        return _do(ask, event.at)
    except ConductError as error:
        return Reply(False, {"why": error.what}, "refused")
    except Exception as error:
        _log.error("voice line: %s failed: %s", type(ask).__name__, type(error).__name__)
        return Reply(False, {"request": getattr(ask, "request", "")}, "unknown_outcome")


def _do(ask: Ask, at: datetime) -> Reply:
    match ask:
        case Identify():
            tried = try_pin(ask.account, ask.pin, at)
            note_call(
                tried.person, "admitted_by_telephone" if tried.is_admitted else "refused_by_telephone", at
            )
            told = {"person": tried.person} if tried.is_admitted else {}
            return Reply(tried.is_admitted, told, "" if tried.is_admitted else "not_identified")
        case CheckDevice():
            return prove(ask.person, ask.code, at)
        case FindSubject():
            return _find_subject(ask, at)
        case Randomize():
            return randomize(ask, _actor_of(ask.person, Task.RANDOMIZE, ask.subject, at), at)
        case Recall():
            return _recall(ask)
        case BreakCode():
            return break_code(ask, _actor_of(ask.person, Task.BREAK_CODE, ask.subject, at), at)


def actor_for(person: str, task: Task, site: str, at: datetime) -> Actor | None:
    """A caller in the first of their roles that may do this at a site; None if none of them may."""
    verb, field = RIGHTS[task]
    trial, grants = running_trial(), read_grants_of(person)
    if not account_is_open(person):
        return None
    actors = (grants.actor_at(person, role, at) for role in grants.roles_at(person, at))
    phase, target = trial.phase, Target(site)
    return next((a for a in actors if decide(trial.matrix, a, verb, field, phase, target).is_allowed), None)


def _actor_of(person: str, task: Task, subject: str, at: datetime) -> Actor:
    """Asked for anew at the commit: a role taken a second ago is gone (M4)."""
    thing = read_thing("subject", subject)
    actor = None if thing is None else actor_for(person, task, thing.site, at)
    if actor is None:
        raise ConductError("there is nothing here for you")
    return actor


def _find_subject(ask: FindSubject, at: datetime) -> Reply:
    """One subject whose site and number are these digits, whom the caller may see and do this for.

    Sites of several countries may have the same digits; those where the caller may not do this do not count.
    """
    found = [
        item
        for code in _site_codes()
        if _digits(code) == ask.site and (actor := actor_for(ask.person, ask.task, code, at)) is not None
        for item in see_things(actor, "subject", site=code)
        if _has_number(item, ask.number)
    ]
    if len(found) != 1:
        return Reply(False, because="nothing_here")
    return Reply(True, {"site": found[0].site, "subject": found[0].key})


def _site_codes() -> list[str]:
    return [item.key for item in read_things("site", attributes=("zone",))]


def _has_number(item: Item, keyed: str) -> bool:
    """`004`, or `4`: the digits of the subject's number behind its site's code."""
    number = _digits(item.key.removeprefix(item.site))
    return bool(number) and int(number) == int(keyed)


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isdigit())


def _recall(ask: Recall) -> Reply:
    """What the log says of an earlier call's request, to its own caller."""
    outcome = outcome_of(ask.person, request_of(ask.request))
    if not outcome.is_done:
        return Reply(False, because="nothing_done")
    values = {"request": ask.request, "subject": outcome.about.partition("/")[2]}
    if outcome.action == "randomize":
        return Reply(True, {**values, "kit": str(outcome.result["kit"])}, "recalled_kit")
    return Reply(True, values, "recalled_code_break" if outcome.action == "break_code" else "recalled_done")
