"""The call as a state machine: an event leads to another call, or to something asked for first.

Pure: no clock, no database, no provider.  Each prompt belongs to a *turn*; an event for another turn than
the one that stands (sent twice, late, out of order) changes nothing and is answered by the prompt that
stands.  Keys never commit anything but at the read-back, where `1` asks for the call's one request; asked
for again it is the same request, so that it is done once however often a hook is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from flarefree.conduct.codebreak import BreakReason, Impact
from flarefree.web.voice.calls import (
    Ask,
    Began,
    BreakCode,
    Call,
    CheckDevice,
    Event,
    FindSubject,
    HungUp,
    Identify,
    Keyed,
    Line,
    Place,
    Randomize,
    Recall,
    Reply,
    Step,
    Task,
)

__all__ = ["ACCOUNT_DIGITS", "IMPACTS", "PIN_DIGITS", "REASONS", "REQUEST_DIGITS", "begin", "resume", "take"]

ACCOUNT_DIGITS = 6
PIN_DIGITS = 6
REQUEST_DIGITS = 9
_TASKS = {"1": Task.RANDOMIZE, "2": Task.RECALL, "3": Task.BREAK_CODE}
REASONS = tuple(reason.name.lower() for reason in BreakReason)
IMPACTS = tuple(impact.name.lower() for impact in Impact)
_AGAIN = "*"
"""Key that leads back to the choice of a task, before anything is committed."""


def begin(call_id: str, request: str) -> Call:
    """A call that just came in; `request` are the nine digits of its one request."""
    return Call(call_id, request, notice="greeting")


def take(line: Line, call: Call, event: Event) -> Step:
    """Where an event leads.

    Parameters
    ----------
    line : Line
    call : Call
        As it was kept.
    event : Event

    Returns
    -------
    Step
        With `ask`, the call is as it was: what is asked for is done first, and its reply `resume`d.
    """
    if isinstance(event, HungUp):
        return Step(replace(call, place=Place.OVER, notice="", values={}, turn=call.turn + 1))
    if call.is_over or isinstance(event, Began) or event.turn != call.turn:
        return _say_again(call)
    if _is_stale(line, call, event.at):
        return _end(call, "too_long")
    if not isinstance(event, Keyed) or not event.keys:
        return _silent(line, call)
    if event.keys.startswith(_AGAIN) and call.place in _MAY_GO_BACK:
        return Step(_on(_cleared(call), Place.TASK))
    return _KEYED[call.place](line, call, event.keys, event.at)


def resume(line: Line, call: Call, ask: Ask, reply: Reply, at: datetime) -> Step:
    """Where the reply to what was asked for leads."""
    match ask:
        case Identify():
            return _identified(line, call, reply, at)
        case CheckDevice():
            if not reply.is_good:
                return _missed(line, call, reply.because)
            proof = reply.values["identification"]
            return Step(replace(_on(call, Place.SITE), device_at=at, identification=proof))
        case FindSubject():
            return _found(line, call, reply)
        case Randomize():
            if not reply.is_good:
                return _end(call, reply.because, reply.values)
            return Step(replace(_on(call, Place.KIT), kit=reply.values["kit"]))
        case Recall():
            if not reply.is_good:
                return _missed(line, call, reply.because)
            return Step(_on(call, Place.RECALLED, reply.because, reply.values))
        case BreakCode():
            if not reply.is_good:
                return _end(call, reply.because, reply.values)
            moved = call if call.place is Place.TREATMENT else _on(call, Place.TREATMENT)
            return Step(moved, aside={"treatment": reply.values["treatment"]})


# What keys mean where ----------------------------------------------------------------------------


def _account(line: Line, call: Call, keys: str, at: datetime) -> Step:
    if len(keys) != ACCOUNT_DIGITS or not _is_digits(keys):
        return _missed(line, call, "wrong")
    return Step(replace(_on(call, Place.PIN), account=keys))


def _pin(line: Line, call: Call, keys: str, at: datetime) -> Step:
    return Step(call, Identify(call.account, keys))


def _task(line: Line, call: Call, keys: str, at: datetime) -> Step:
    task = _TASKS.get(keys)
    if task is None:
        return _missed(line, call, "wrong")
    first = {Task.RANDOMIZE: Place.SITE, Task.RECALL: Place.REQUEST, Task.BREAK_CODE: Place.DEVICE}
    return Step(replace(_on(call, first[task]), task=task))


def _device(line: Line, call: Call, keys: str, at: datetime) -> Step:
    return Step(call, CheckDevice(call.person, keys))


def _site(line: Line, call: Call, keys: str, at: datetime) -> Step:
    if not _is_digits(keys):
        return _missed(line, call, "wrong")
    return Step(replace(_on(call, Place.SUBJECT), site=keys))


def _subject(line: Line, call: Call, keys: str, at: datetime) -> Step:
    if call.task is None or not _is_digits(keys):
        return _missed(line, call, "wrong")
    return Step(call, FindSubject(call.person, call.task, call.site, keys))


def _stratum(line: Line, call: Call, keys: str, at: datetime) -> Step:
    level = _chosen(line.strata[len(call.strata)].levels, keys)
    if level is None:
        return _missed(line, call, "wrong")
    strata = (*call.strata, level)
    place = Place.STRATUM if len(strata) < len(line.strata) else Place.READ_BACK
    return Step(replace(_on(call, place), strata=strata))


def _reason(line: Line, call: Call, keys: str, at: datetime) -> Step:
    reason = _chosen(REASONS, keys)
    if reason is None:
        return _missed(line, call, "wrong")
    is_planned = BreakReason[reason.upper()].is_planned
    return Step(replace(_on(call, Place.READ_BACK if is_planned else Place.IMPACT), reason=reason))


def _impact(line: Line, call: Call, keys: str, at: datetime) -> Step:
    impact = _chosen(IMPACTS, keys)
    if impact is None:
        return _missed(line, call, "wrong")
    return Step(replace(_on(call, Place.READ_BACK), impact=impact))


def _read_back(line: Line, call: Call, keys: str, at: datetime) -> Step:
    """The one place from which something is committed."""
    if keys == "2":
        return Step(replace(_on(call, Place.SITE), site="", subject="", strata=(), reason="", impact=""))
    if keys != "1":
        return _missed(line, call, "wrong")
    if call.task is Task.RANDOMIZE:
        strata = tuple((q.name, level) for q, level in zip(line.strata, call.strata, strict=True))
        return Step(call, Randomize(call.person, call.request, call.subject, strata))
    if call.device_at is None or at - call.device_at > line.freshest:
        return Step(_on(_cleared(call, Task.BREAK_CODE), Place.DEVICE, "prove_again"))
    return Step(call, _code_break(call))


def _after_answer(line: Line, call: Call, keys: str, at: datetime) -> Step:
    """`1` says it again; anything else ends the call."""
    if keys != "1":
        return _end(call, "goodbye")
    moved = replace(call, turn=call.turn + 1, misses=0)
    return _say_again(moved)


def _request(line: Line, call: Call, keys: str, at: datetime) -> Step:
    if len(keys) != REQUEST_DIGITS or not _is_digits(keys):
        return _missed(line, call, "wrong")
    return Step(call, Recall(call.person, keys))


_KEYED: Mapping[Place, Callable[[Line, Call, str, datetime], Step]] = {
    Place.ACCOUNT: _account,
    Place.PIN: _pin,
    Place.TASK: _task,
    Place.DEVICE: _device,
    Place.SITE: _site,
    Place.SUBJECT: _subject,
    Place.STRATUM: _stratum,
    Place.REASON: _reason,
    Place.IMPACT: _impact,
    Place.READ_BACK: _read_back,
    Place.KIT: _after_answer,
    Place.TREATMENT: _after_answer,
    Place.REQUEST: _request,
    Place.RECALLED: _after_answer,
}
_MAY_GO_BACK = frozenset(
    {Place.DEVICE, Place.SITE, Place.SUBJECT, Place.STRATUM, Place.REASON, Place.IMPACT, Place.READ_BACK,
     Place.REQUEST}
)  # fmt: skip


# Replies -----------------------------------------------------------------------------------------


def _identified(line: Line, call: Call, reply: Reply, at: datetime) -> Step:
    if reply.is_good:
        told = replace(call, person=reply.values["person"], identified_at=at)
        return Step(_on(told, Place.TASK))
    # The same words for an account that does not exist, and both are asked for again.
    step = _missed(line, call, "not_identified")
    return step if step.call.is_over else Step(replace(step.call, place=Place.ACCOUNT, account=""))


def _found(line: Line, call: Call, reply: Reply) -> Step:
    if not reply.is_good:
        step = _missed(line, call, reply.because)
        return step if step.call.is_over else Step(replace(step.call, place=Place.SITE, site=""))
    told = replace(call, site=reply.values["site"], subject=reply.values["subject"])
    if call.task is Task.BREAK_CODE:
        return Step(_on(told, Place.REASON))
    return Step(_on(told, Place.STRATUM if line.strata else Place.READ_BACK))


# Small steps -------------------------------------------------------------------------------------


def _code_break(call: Call) -> BreakCode:
    return BreakCode(
        call.person, call.request, call.subject, call.reason, call.impact, call.identification, call.turn
    )


def _say_again(call: Call) -> Step:
    """The prompt that stands; a treatment is not kept, so it is asked for again."""
    return Step(call, _code_break(call) if call.place is Place.TREATMENT else None)


def _on(call: Call, place: Place, notice: str = "", values: Mapping[str, str] | None = None) -> Call:
    """To the next prompt.  Misses are forgiven but by going back to where they were made."""
    misses = call.misses if place in {Place.PIN, Place.SUBJECT} else 0
    return replace(
        call, place=place, turn=call.turn + 1, misses=misses, notice=notice, values=dict(values or {})
    )


def _cleared(call: Call, task: Task | None = None) -> Call:
    return replace(
        call,
        task=task,
        site="",
        subject="",
        strata=(),
        reason="",
        impact="",
        device_at=None,
        identification="",
    )


def _missed(line: Line, call: Call, why: str) -> Step:
    if call.misses + 1 >= line.most_misses:
        return _end(call, "operator")
    return Step(replace(call, turn=call.turn + 1, misses=call.misses + 1, notice=why, values={}))


def _silent(line: Line, call: Call) -> Step:
    if call.place in {Place.KIT, Place.RECALLED, Place.TREATMENT}:
        return _end(call, "goodbye")
    return _missed(line, call, "no_keys")


def _end(call: Call, why: str, values: Mapping[str, str] | None = None) -> Step:
    return Step(
        replace(call, place=Place.OVER, turn=call.turn + 1, notice=why, values=dict(values or {}), account="")
    )


def _is_stale(line: Line, call: Call, at: datetime) -> bool:
    since = call.identified_at
    return since is not None and not timedelta(0) <= at - since <= line.longest


def _chosen(levels: tuple[str, ...], keys: str) -> str | None:
    is_one = len(keys) == 1 and _is_digits(keys) and 1 <= int(keys) <= len(levels)
    return levels[int(keys) - 1] if is_one else None


def _is_digits(keys: str) -> bool:
    return keys.isascii() and keys.isdigit()
