"""A whole virtual trial in one call: set up, conducted over HTTP, closed, exported, analyzed, compared."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.errors import OutputError
from flarefree.web.config import WebConfig

if TYPE_CHECKING:
    from flarefree.web.rehearsal.comparing import Compared

__all__ = ["Rehearsal", "Rehearsed", "rehearse"]

Progress = Callable[[str, int, int], None]
_SET_UP_BEFORE = timedelta(days=40)


@dataclass(frozen=True)
class Rehearsal:
    """What is to be rehearsed.

    Attributes
    ----------
    out : Path
        Everything goes there; must not hold anything yet.
    protocol : str
    patients, sites, seed : int
    database, vault_database : str
        As for `flarefree serve`.
    is_reported : bool
        Whether `flarefree analyze` writes its reports too.
    """

    out: Path
    protocol: str = "alms-maintenance"
    patients: int = 227
    sites: int = 20
    seed: int = 1
    database: str = ""
    vault_database: str = ""
    is_reported: bool = True

    @property
    def config(self) -> WebConfig:
        """Of the installation."""
        return WebConfig(
            data=self.out / "trial",
            protocol=self.protocol,
            database=self.database,
            vault_database=self.vault_database,
            is_demo=True,
        )


@dataclass(frozen=True)
class Rehearsed:
    """What came of it.

    Attributes
    ----------
    patients, sites, steps, requests : int
    seconds : float
        Of the conduct, from the first patient to the released key.
    commands : mapping of str to int
    entries : int
        Of the log.
    compared : tuple of Compared
    """

    patients: int
    sites: int
    steps: int
    requests: int
    seconds: float
    commands: dict[str, int]
    entries: int
    compared: tuple[Compared, ...]

    @property
    def is_equal(self) -> bool:
        """Whether the conducted trial and the direct analysis agree in everything compared."""
        return bool(self.compared) and all(one.is_equal for one in self.compared)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        told = dict(vars(self))
        told["requests_per_second"] = self.requests / self.seconds
        told["compared"] = [{**vars(one), "is_equal": one.is_equal} for one in self.compared]
        return told | {"is_equal": self.is_equal}


def rehearse(asked: Rehearsal, progress: Progress = lambda title, done, total: None) -> Rehearsed:
    """Conduct a whole virtual trial through the web API, and compare it with a direct analysis.

    Called in a process of its own: it belongs to the rehearsal's installation from then on.

    Raises
    ------
    OutputError
        The folder holds something, or cannot be written.
    RehearsalError
        Something that the script says was refused.
    """
    _require_free(asked.out)
    progress("Drawing virtual patients", 0, 1)
    from flarefree.protocol.loading import load_protocol
    from flarefree.web.rehearsal.patients import Pool, candidates_of
    from flarefree.web.rehearsal.setting_up import CONSENT, draw_rehearsal_lists, keys_of

    protocol = load_protocol(asked.protocol)
    candidates = candidates_of(protocol, asked.seed, asked.patients, asked.sites)
    keys = keys_of(asked.seed)
    lists = draw_rehearsal_lists(protocol, keys)
    from flarefree.web.rehearsal.script import SCREENED_BEFORE, enroll_all, script_of

    enrolled, failed = enroll_all(candidates, Pool(protocol, asked.seed), lists)
    steps = script_of(protocol, enrolled, failed, consent=CONSENT)
    begin = datetime.combine(
        candidates[0].day_one - SCREENED_BEFORE - _SET_UP_BEFORE, datetime.min.time(), UTC
    )
    with _installed(asked, begin) as (door, clock):
        from flarefree.web.record.reading import read_head
        from flarefree.web.rehearsal.closing import (
            close_trial,
            compare_directly,
            export_and_key,
            write_direct,
        )
        from flarefree.web.rehearsal.rehearsing import Director
        from flarefree.web.rehearsal.setting_up import set_up

        progress("Setting the trial up", 0, 1)
        people = set_up(door, protocol, candidates, lists, keys, begin, clock.tick)
        director = Director(door, clock, people, enrolled, asked.seed, progress)
        started, before = time.perf_counter(), door.requests
        director.run(steps)
        progress("Locking, releasing the key", 0, 1)
        close_trial(director, keys)
        seconds, requests = time.perf_counter() - started, door.requests - before
        study, key = asked.out / "study", asked.out / "key.json"
        export_and_key(director, study, key)
        head = read_head()
        progress("Analyzing the conducted trial and the same patients directly", 0, 1)
        direct = write_direct(asked.out / "direct", protocol, enrolled, failed)
        compared = compare_directly(study, key, direct, protocol)
    if asked.is_reported:
        progress("Writing both reports", 0, 1)
        _report(study, asked.out / "report", "--key", str(key))
        _report(direct, asked.out / "direct-report")
    found = Rehearsed(
        len(enrolled),
        len({one.site for one in candidates}),
        len(steps),
        requests,
        seconds,
        dict(sorted(director.counts.items())),
        head.length if head else 0,
        compared,
    )
    (asked.out / "rehearsal.json").write_text(json.dumps(found.to_dict(), indent=2) + "\n", encoding="utf-8")
    return found


def _require_free(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = next(folder.iterdir(), None)
    except OSError as error:
        raise OutputError(
            "the folder cannot be used", where=str(folder), found=error.strerror or ""
        ) from None
    if held is not None:
        raise OutputError(
            "there is something here already", where=str(folder), found=held.name, try_="another folder"
        )


@contextmanager
def _installed(asked: Rehearsal, begin: datetime) -> Iterator[tuple[Any, Any]]:
    """An installation with the rehearsal's time, served to a door."""
    import os

    from flarefree.web.clock import clock_set_to
    from flarefree.web.rehearsal.clocks import SharedClock
    from flarefree.web.rehearsal.doors import HttpDoor
    from flarefree.web.rehearsal.serving import server_running
    from flarefree.web.starting import prepare

    config = asked.config
    clock = SharedClock(asked.out / "clock")
    clock.set_to(begin)
    with clock_set_to(clock.read):
        prepare(config)
        environment = {**os.environ, **config.to_environment()}
        with server_running(clock.path, environment, asked.out / "server.log") as (host, port):
            yield HttpDoor(host, port, clock.read), clock


def _report(study: Path, out: Path, *more: str) -> None:
    command = [sys.executable, "-m", "flarefree", "analyze", str(study), "--out", str(out), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OutputError(
            "flarefree analyze could not report on the study",
            where=str(study),
            found=done.stderr.strip()[:500],
        )
