"""Where a process may be killed: the checks R4 and R5 name a step, and it dies there as from `kill -9`.

Nothing is switched by it but the process's own end; outside of a check no step does anything.
"""

from __future__ import annotations

import os
import signal

__all__ = ["STEPS", "step"]

STEPS = (
    "record: locked",
    "vault: locked",
    "vault: before allocation",
    "vault: after allocation",
    "vault: before entry",
    "vault: after entry",
    "vault: before commit",
    "vault: committed",
    "vault: noted on the host",
    "record: before entry",
    "record: after entry",
    "record: before commit",
    "record: committed",
)
"""In the order in which a randomization comes by."""

_DIES_AT = os.environ.get("FLAREFREE_CHECK_DIES_AT", "")


def step(name: str) -> None:
    """Come by a step."""
    if _DIES_AT and name == _DIES_AT:
        os.kill(os.getpid(), signal.SIGKILL)


def die_at(name: str) -> None:
    """From now on this process dies at a step; for checks, in a process of their own."""
    global _DIES_AT
    _DIES_AT = name
