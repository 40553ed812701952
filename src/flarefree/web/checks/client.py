"""Processes of `crowd`: all say that they are ready, wait for one moment, ask, and tell what they heard.

The program is loaded once and each client is forked from it, before any database is opened or any thread
begun: sixty-four interpreters that each load it would measure loading.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def main() -> None:
    """Read one line of JSON; answer `ready`, then one line of JSON."""
    told = json.loads(sys.stdin.readline())
    import django

    django.setup()
    load()
    folder = Path(told["folder"])
    children = [_fork(told, i, folder) for i in range(len(told["batches"]))]
    _wait_for(folder, "ready", children)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    failed = [child for child in children if os.waitpid(child, 0)[1]]
    answers = [one for i in range(len(children)) for one in _read(folder / f"answers-{i}")]
    sys.stdout.write(json.dumps({"answers": answers, "failed": len(failed)}) + "\n")


def load() -> None:
    """Load all that a randomization needs, without opening a database or beginning a thread."""
    import flarefree.endpoints.computed
    import flarefree.endpoints.evaluate
    import flarefree.readers.values
    import flarefree.web.checks.live_trial
    import flarefree.web.vault.service
    from flarefree.web.trial import running_trial

    assert flarefree.web.checks.live_trial
    running_trial()  # the protocol is parsed; no database is asked


def _wait_for(folder: Path, name: str, children: list[int]) -> None:
    """Until each has said so; one that dies before is an error, and not waited for."""
    while sum(1 for _ in folder.glob(f"{name}-*")) < len(children):
        if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            raise RuntimeError("a client died before it was ready")
        time.sleep(0.01)


def _read(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text())) if path.exists() else []


def _fork(told: dict[str, Any], number: int, folder: Path) -> int:
    child = os.fork()
    if child:
        return child
    try:
        _client(told, number, folder)
    except BaseException as error:  # told to the parent; a forked client never returns into its caller
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _client(told: dict[str, Any], number: int, folder: Path) -> None:
    channels, threads, batch = told["channels"], told["threads"], told["batches"][number]
    ask_once = _prepared(channels[number % len(channels)], told["acknowledge"])
    (folder / f"ready-{number}").touch()
    while not (folder / "go").exists():
        time.sleep(0.002)
    answers = _asked(ask_once, batch, threads, told["workers"])
    (folder / f"answers-{number}").write_text(json.dumps(answers))


def _asked(ask_once: Any, batch: list[list[str]], clients: int, workers: int) -> list[dict[str, Any]]:
    """Clients that each wait for their answer, before workers that each have their own connections.

    As before a server: time runs from when a client asks, waiting for a worker included.
    """
    parts = [batch[i::clients] for i in range(clients)]
    with ThreadPoolExecutor(workers) as server, ThreadPoolExecutor(clients) as crowd:

        def wait_for_each(part: list[list[str]]) -> list[dict[str, Any]]:
            return [server.submit(ask_once, who, what, time.monotonic()).result() for who, what in part]

        return [one for found in crowd.map(wait_for_each, parts) for one in found]


def _prepared(channel: str, acknowledge: str) -> Any:
    """Everything that a first request would load is loaded: a server is warm when patients come."""
    from flarefree.errors import ConductError
    from flarefree.web.checks.live_trial import SITES, randomize
    from flarefree.web.clock import now
    from flarefree.web.commands.gates import gates_of
    from flarefree.web.trial import running_trial
    from flarefree.web.vault import service

    gates_of(f"{SITES[0]}-0001", now())
    service.list_uses()
    running_trial().standing()

    def ask_once(subject: str, request: str, begun: float) -> dict[str, Any]:
        kit, refusal = "", ""
        try:
            kit = str(randomize(subject, request, channel=channel).result["kit"])
        except ConductError as error:
            refusal = error.what
        if acknowledge and kit:
            _acknowledge(acknowledge, f"{subject} {kit}\n")
        return {
            "subject": subject,
            "request": request,
            "kit": kit,
            "refusal": refusal,
            "begun": begun,
            "seconds": time.monotonic() - begun,
        }

    return ask_once


def _acknowledge(place: str, words: str) -> None:
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(handle, words.encode())
    os.close(handle)


if __name__ == "__main__":
    main()
