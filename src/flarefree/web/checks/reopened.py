"""A server on an installation that was brought back: prepared as at every start, then served.

`python -m flarefree.web.checks.reopened CLOCK PORT`, told by the environment which installation it serves.
"""

from __future__ import annotations

import sys
from pathlib import Path

from flarefree.web.clock import clock_set_to
from flarefree.web.config import WebConfig
from flarefree.web.rehearsal.clocks import SharedClock
from flarefree.web.rehearsal.serving import serve
from flarefree.web.starting import prepare


def main(clock: Path, port: int) -> None:
    """Verify, repair, serve."""
    with clock_set_to(SharedClock(clock).read):
        prepared = prepare(WebConfig.from_environment())
    sys.stdout.write("".join(f"{note}\n" for note in prepared.notes))
    sys.stdout.flush()
    serve(clock, port)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
