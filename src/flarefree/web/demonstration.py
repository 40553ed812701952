"""Whether this installation plays with virtual patients, so that nobody has to prove who they are.

Said twice: by how it was started, and by the log itself, whose name begins with `demo/`.  A real trial that
is started as a demonstration by mistake keeps its doors shut, whatever its settings say (check B10).
"""

from __future__ import annotations

from flarefree.web.config import WebConfig
from flarefree.web.record.reading import read_head

__all__ = ["DEMO", "is_demonstration"]

DEMO = "demo"
"""What the log of a virtual trial is begun with: `begin_record(DEMO)`."""


def is_demonstration() -> bool:
    """Both say so."""
    if not WebConfig.from_environment().is_demo:
        return False
    head = read_head()
    return head is not None and head.chain.startswith(f"{DEMO}/")
