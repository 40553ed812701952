"""What time alone brings, while a server runs: troughs are shown once a day, drugs are looked at anew.

Several servers of one trial may all make the rounds: each round's request has one id, so it is done once.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime

from flarefree.errors import FlarefreeError
from flarefree.web.clock import now

__all__ = ["begin_rounds", "make_round"]

_EVERY = 60.0  # seconds


def begin_rounds() -> threading.Event:
    """Make a round every minute beside the server, until the event that is given back is set."""
    stop = threading.Event()
    threading.Thread(target=_rounds, args=(stop,), name="rounds", daemon=True).start()
    return stop


def make_round(at: datetime) -> tuple[str, ...]:
    """Do what is due at a time.

    Returns
    -------
    tuple of str
        What was done: `troughs`, `drugs`.
    """
    from flarefree.web.commands.medications import review_when_due

    done = []
    if _show_troughs(at):
        done.append("troughs")
    if review_when_due(at):
        done.append("drugs")
    return tuple(done)


def _show_troughs(at: datetime) -> bool:
    """The daily release, at 06:00 UTC; in a trial without troughs nothing is written."""
    from flarefree.conduct.trough import released_at
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute
    from flarefree.web.commands.troughs import ShowTroughs
    from flarefree.web.record.reading import read_things
    from flarefree.web.trial import running_trial

    trial = running_trial()
    if not trial.protocol.spec.dosing.trough_measure or trial.phase != "live":
        return False
    if released_at(at).date() == at.date() or not read_things("trough"):
        return False
    return not execute(ShowTroughs(), Asked(None, f"daily-troughs/{at.date()}", at, "machine")).is_repeated


def _rounds(stop: threading.Event) -> None:
    from django.db import connections

    while not stop.wait(_EVERY):
        try:
            make_round(now())
        except FlarefreeError as error:
            # What could not be done now is due a minute later; patients' values do not go to the log.
            logging.getLogger(__name__).warning("a round was not finished: %s", error.what)
        finally:
            connections.close_all()
