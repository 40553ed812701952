"""The rehearsal's server: the application as `flarefree serve` serves it, with the rehearsal's time.

Run as a process of its own: `python -m flarefree.web.rehearsal.serving CLOCK PORT`, told by the environment
which installation it serves.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from flarefree.errors import ConductError

__all__ = ["serve", "server_running"]

_THREADS = 4
_PATIENCE_SECONDS = 60.0


def serve(clock: Path, port: int) -> None:
    """Serve until the process is ended."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "flarefree.web.settings"
    import waitress

    from flarefree.web.clock import clock_set_to
    from flarefree.web.rehearsal.clocks import SharedClock

    with clock_set_to(SharedClock(clock).read):
        from flarefree.web.wsgi import application

        waitress.serve(application, host="127.0.0.1", port=port, threads=_THREADS, ident=None)


@contextmanager
def server_running(
    clock: Path, environment: dict[str, str], log: Path, *, module: str = "flarefree.web.rehearsal.serving"
) -> Iterator[tuple[str, int]]:
    """A server for the time of the block; `module` is run with the clock's file and the port.

    Yields
    ------
    host, port

    Raises
    ------
    ConductError
        It did not start; its log says why.
    """
    port = _free_port()
    command = [sys.executable, "-m", module, str(clock), str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
        try:
            _await(process, port, log)
            yield "127.0.0.1", port
        finally:
            process.terminate()
            process.wait(30)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    begin = time.monotonic()
    while time.monotonic() - begin < _PATIENCE_SECONDS and process.poll() is None:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("GET", "/healthz")
                connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
    said = log.read_text(errors="replace").strip().splitlines()
    raise ConductError(
        "the rehearsal's server did not start", where=str(log), found=said[-1] if said else "no word"
    )


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
