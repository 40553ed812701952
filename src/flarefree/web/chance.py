"""Where lots are drawn from: the operating system.  Tests put another source in its place, nobody else."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["lots", "lots_drawn_from", "secret"]

_source: random.Random = random.SystemRandom()


def lots() -> random.Random:
    """A source of lots that nobody foresees."""
    return _source


def secret() -> str:
    """128 bits that nobody knows, as 32 letters."""
    return (
        secrets.token_hex(16)
        if isinstance(_source, random.SystemRandom)
        else f"{_source.getrandbits(128):032x}"
    )


@contextmanager
def lots_drawn_from(source: random.Random) -> Iterator[None]:
    """Within the block lots come from `source`, so that a run can be repeated."""
    global _source
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before
