"""Processes that die while they randomize, each followed by one that starts anew and looks.

Every line read is one death: a patient, a request, and where or after how long.  The program is loaded once;
who dies and who looks afterwards are forked from it before any database is opened.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any


def main() -> None:
    """One line of JSON in, one line out, until there are no more."""
    import django

    from flarefree.web.checks.client import load

    django.setup()
    load()
    for line in sys.stdin:
        told = json.loads(line)
        died = _in_child(partial(_die, told), told["after_ms"])
        found = _looked(told) | {"died": died}
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


def _in_child(act: Callable[[], None], after_ms: float | None = None) -> bool:
    """Whether the child was killed; by us, after so long, if told."""
    child = os.fork()
    if not child:
        try:
            act()
        except BaseException as error:  # a child never returns into its caller
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    if after_ms is not None:
        time.sleep(after_ms / 1000)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status)


def _die(told: dict[str, Any]) -> None:
    from flarefree.web import crashing
    from flarefree.web.checks.live_trial import randomize

    if told["step"]:
        crashing.die_at(told["step"])
    randomize(told["subject"], told["request"])


def _looked(told: dict[str, Any]) -> dict[str, Any]:
    """What a process that starts after the death finds, repairs, and is answered."""
    place = Path(told["folder"]) / "looked.json"
    place.unlink(missing_ok=True)
    _in_child(partial(_write_look, told, place))
    return dict(json.loads(place.read_text())) if place.exists() else {"error": "the process after it died"}


def _write_look(told: dict[str, Any], place: Path) -> None:
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.clock import clock_set_to

    with clock_set_to(lambda: BEGIN + timedelta(hours=1)):
        place.write_text(json.dumps(_look(told)))


def _look(told: dict[str, Any]) -> dict[str, Any]:
    from flarefree.web.checks.live_trial import randomize
    from flarefree.web.checks.standing import look_at
    from flarefree.web.commands.allocated import repair_allocations

    begun = look_at()
    repaired = repair_allocations()
    after = look_at()
    answers = [str(randomize(told["subject"], told["request"]).result["kit"]) for _ in range(2)]
    return {
        "begun": begun,
        "repaired": list(repaired),
        "after": after,
        "answers": answers,
        "at_last": look_at(),
    }


if __name__ == "__main__":
    main()
