"""What is said at each place of a call, and which keys are waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from flarefree.web.voice.calls import Call, Line, Place, Task
from flarefree.web.voice.flow import ACCOUNT_DIGITS, IMPACTS, PIN_DIGITS, REASONS, REQUEST_DIGITS
from flarefree.web.voice.texts import grouped, text_of

__all__ = ["Prompt", "prompt_of"]

FEW_SECONDS, MANY_SECONDS = 8, 20
"""How long the line waits for keys; long where something has to be looked up.  Choices of ours."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a provider is told to do.

    Attributes
    ----------
    turn : int
        To be sent back with the keys.
    say : tuple of str
        Sentences.  Not shown by `repr`: one of them may be the answer of a code break.
    most_keys : int
        How many keys end the entry; 0 where the pound key does.
    seconds : int
        To wait for keys.
    is_last : bool
        Hang up after it.
    """

    turn: int
    say: tuple[str, ...]
    most_keys: int = 1
    seconds: int = FEW_SECONDS
    is_last: bool = False

    def __repr__(self) -> str:
        return f"<prompt of turn {self.turn}{', the last' if self.is_last else ''}>"


def prompt_of(
    line: Line, call: Call, aside: Mapping[str, str] | None = None, language: str = "en-US"
) -> Prompt:
    """The prompt that stands.

    Parameters
    ----------
    line : Line
    call : Call
    aside : mapping of str to str, optional
        What is said once and kept nowhere (`calls.Step.aside`).
    language : str
    """

    def say(key: str, /, **values: str) -> str:
        return text_of(key, values, language)

    told = _spoken(call.values)
    opening = [say(call.notice, trial=line.trial, **told)] if call.notice else []
    words = (*opening, *_SAID[call.place](line, call, dict(aside or {}), say))
    most, seconds = _KEYS.get(call.place, (1, FEW_SECONDS))
    return Prompt(call.turn, words, most, seconds, call.is_over)


_KEYS: Mapping[Place, tuple[int, int]] = {
    Place.ACCOUNT: (ACCOUNT_DIGITS, MANY_SECONDS),
    Place.PIN: (PIN_DIGITS, MANY_SECONDS),
    Place.DEVICE: (0, MANY_SECONDS),
    Place.SITE: (0, MANY_SECONDS),
    Place.SUBJECT: (0, MANY_SECONDS),
    Place.REQUEST: (REQUEST_DIGITS, MANY_SECONDS),
    Place.READ_BACK: (1, MANY_SECONDS),
}

Say = Callable[..., str]


def _plain(key: str) -> Callable[[Line, Call, Mapping[str, str], Say], Iterator[str]]:
    def said(line: Line, call: Call, aside: Mapping[str, str], say: Say) -> Iterator[str]:
        yield say(key)

    return said


def _stratum(line: Line, call: Call, aside: Mapping[str, str], say: Say) -> Iterator[str]:
    question = line.strata[len(call.strata)]
    yield say("stratum", label=question.label)
    yield from _choices(question.levels, say)


def _reason(line: Line, call: Call, aside: Mapping[str, str], say: Say) -> Iterator[str]:
    yield say("reason")
    yield from _choices(tuple(say(name) for name in REASONS), say)


def _impact(line: Line, call: Call, aside: Mapping[str, str], say: Say) -> Iterator[str]:
    yield say("impact")
    yield from _choices(tuple(say(name) for name in IMPACTS), say)


def _choices(levels: tuple[str, ...], say: Say) -> Iterator[str]:
    for key, level in enumerate(levels, 1):
        yield say("choice", level=level, key=str(key))


def _read_back(line: Line, call: Call, aside: Mapping[str, str], say: Say) -> Iterator[str]:
    """All that was entered, as it would be committed."""
    yield say("read_back_site", site=grouped(call.site), subject=grouped(call.subject))
    if call.task is Task.RANDOMIZE:
        for question, level in zip(line.strata, call.strata, strict=True):
            yield say("read_back_stratum", label=question.label, level=level)
    else:
        yield say("read_back_reason", reason=say(call.reason))
        if call.impact:
            yield say("read_back_impact", impact=say(call.impact))
    yield say("request_number", request=grouped(call.request))
    yield say("confirm_randomize" if call.task is Task.RANDOMIZE else "confirm_break_code")


def _kit(line: Line, call: Call, aside: Mapping[str, str], say: Say) -> Iterator[str]:
    yield say("kit", subject=grouped(call.subject), kit=grouped(call.kit))
    yield say("again")


def _treatment(line: Line, call: Call, aside: Mapping[str, str], say: Say) -> Iterator[str]:
    yield say("treatment", subject=grouped(call.subject), treatment=aside["treatment"])
    yield say("again")


def _over(line: Line, call: Call, aside: Mapping[str, str], say: Say) -> Iterator[str]:
    if call.notice != "goodbye":
        yield say("goodbye")


_SAID: Mapping[Place, Callable[[Line, Call, Mapping[str, str], Say], Iterator[str]]] = {
    Place.ACCOUNT: _plain("account"),
    Place.PIN: _plain("pin"),
    Place.TASK: _plain("task"),
    Place.DEVICE: _plain("device"),
    Place.SITE: _plain("site"),
    Place.SUBJECT: _plain("subject"),
    Place.STRATUM: _stratum,
    Place.REASON: _reason,
    Place.IMPACT: _impact,
    Place.READ_BACK: _read_back,
    Place.KIT: _kit,
    Place.TREATMENT: _treatment,
    Place.REQUEST: _plain("request"),
    Place.RECALLED: _plain("again"),
    Place.OVER: _over,
}


def _spoken(values: Mapping[str, str]) -> dict[str, str]:
    """Codes are read character by character, other words as they are."""
    return {k: grouped(v) if k in {"kit", "request", "subject", "site"} else v for k, v in values.items()}
