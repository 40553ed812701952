"""Many processes that ask at once: what each was answered, and how long it took.

Every client is a process with its own connections, as the server's workers are; all wait for one moment.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from flarefree.web.checks.scratch import environment_of
from flarefree.web.config import WebConfig

__all__ = ["Answered", "ask_at_once"]

_PATIENCE = 600
_ONE_THREAD = {"POLARS_MAX_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Answered:
    """One request's fate.

    Attributes
    ----------
    subject, request : str
    kit : str
        Empty where it was refused.
    refusal : str
    begun, seconds : float
        When it was asked (monotonic clock of the machine), and how long until it was answered.
    """

    subject: str
    request: str
    kit: str
    refusal: str
    begun: float
    seconds: float


def ask_at_once(
    config: WebConfig,
    batches: Sequence[Sequence[tuple[str, str]]],
    *,
    threads: int = 1,
    workers: int | None = None,
    channels: Sequence[str] = ("web",),
    environment: Mapping[str, str] | None = None,
    acknowledge: Path | None = None,
) -> tuple[Answered, ...]:
    """Randomize in as many processes as there are batches, all at once.

    Parameters
    ----------
    config : WebConfig
    batches : sequence of batches of (subject, request)
        One process each; its requests are divided among its threads.
    threads : int
        Clients of each process.
    workers : int, optional
        How many of each process's requests are answered at once, each over its own connections; as many as
        there are clients unless told.
    channels : sequence of str
        By turns of the processes.
    environment : mapping of str to str, optional
        More of it, for the clients.
    acknowledge : Path, optional
        A file to which each answer is added as it is given.
    """
    with TemporaryDirectory() as place:
        folder = Path(place)
        host = _host(config, environment or {})
        assert host.stdin is not None and host.stdout is not None
        told = {
            "batches": [list(b) for b in batches],
            "threads": threads,
            "workers": workers or threads,
            "channels": list(channels),
            "acknowledge": str(acknowledge or ""),
        }
        host.stdin.write(json.dumps(told | {"folder": str(folder)}) + "\n")
        host.stdin.flush()
        host.stdout.readline()  # all are ready
        (folder / "go").touch()
        out, error = host.communicate(timeout=_PATIENCE)
    if host.returncode or not out.strip() or json.loads(out)["failed"]:
        raise RuntimeError(f"a client died: {error[-2000:]}")
    return tuple(Answered(**one) for one in json.loads(out)["answers"])


def _host(config: WebConfig, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flarefree.web.checks.client"],
        env=environment_of(config)
        | {"POLARS_MAX_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        | dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
