"""One hook of a call: the event is taken, what it asks for is done, the prompt that then stands is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from flarefree.web.voice.calls import Ask, Began, Call, Event, HungUp, Keyed, Line, Place, Reply, Step
from flarefree.web.voice.flow import resume, take
from flarefree.web.voice.keeping import claim_turn, find_call, keep_call, read_call
from flarefree.web.voice.prompts import Prompt, prompt_of

__all__ = ["VoiceLine"]


@dataclass(frozen=True)
class VoiceLine:
    """The line of a trial.

    Parameters
    ----------
    line : Line
    do : callable
        What a call asks for, to its reply (`doing.do`).
    language : str
    patience : float, seconds
        How long a hook that was sent twice waits for the first one; less than a provider's 15 s.
    """

    line: Line
    do: Callable[[Ask, Event], Reply]
    language: str = "en-US"
    patience: float = 10.0

    def hear(self, call_id: str, event: Event) -> Prompt:
        """Take an event of a call and say what stands after it.

        Raises
        ------
        ConductError
            `call_id` is none.
        """
        call = find_call(call_id, event.at)
        step = take(self.line, call, event)
        if step.ask is not None and isinstance(event, Keyed) and call.place is not Place.TREATMENT:
            if not self._may_act(call):
                return self._standing(call_id, event)
            call = read_call(call_id)
            step = take(self.line, call, event)
        step = self._led_on(step, event)
        if step.call != call and not keep_call(call, step.call, event.at):
            if isinstance(event, HungUp):
                return self.hear(call_id, event)  # whatever the call has come to, the caller is gone
            return self._standing(call_id, event)
        return prompt_of(self.line, step.call, step.aside, self.language)

    def _led_on(self, step: Step, event: Event) -> Step:
        while step.ask is not None:
            step = resume(self.line, step.call, step.ask, self.do(step.ask, event), event.at)
        return step

    def _may_act(self, call: Call) -> bool:
        """Whether these keys are ours to act on.

        A hook sent again while the first is worked on waits for it.  If the first died, we act in its place:
        whatever it committed is found again by the request's id.
        """
        if claim_turn(call):
            return True
        rounds = max(1, int(self.patience / 0.2))
        for _ in range(rounds):
            time.sleep(self.patience / rounds)
            if read_call(call.id).turn != call.turn:
                return False
        return True

    def _standing(self, call_id: str, event: Event) -> Prompt:
        """The prompt that stands, whoever made it stand."""
        call = read_call(call_id)
        step = self._led_on(take(self.line, call, Began(event.at)), event)
        if step.call != call:  # the answer of a code break is refused now
            keep_call(call, step.call, event.at)
        return prompt_of(self.line, step.call, step.aside, self.language)
