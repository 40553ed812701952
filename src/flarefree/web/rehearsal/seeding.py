"""Randomness that can be repeated: for checks that run a trial twice and compare every byte.

Within the block everything that asks the operating system for random bytes gets a stream made from a seed:
keys, salts, nonces, session ids, masks of forms, lots.  Only checks and the rehearsal's own processes do so.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["begin_draw", "seeded_randomness"]


class _Stream:
    """SHA-256 of seed, of what is done, and of a count: the same bytes in the same order."""

    def __init__(self, seed: str) -> None:
        self._root = seed
        self.begin("")

    def begin(self, what: str) -> None:
        """What comes now has bytes of its own: whatever was drawn before changes none of them."""
        self._seed, self._count = f"{self._root}/{what}".encode(), 0

    def __call__(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            self._count += 1
            found += hashlib.sha256(b"%s %d" % (self._seed, self._count)).digest()
        return found[:size]


_streams: list[_Stream] = []


def begin_draw(what: str) -> None:
    """From now on bytes are drawn for this; nothing happens where randomness is the system's."""
    if _streams:
        from flarefree.web import chance

        _streams[-1].begin(what)
        chance.lots().seed(f"{what}")


@contextmanager
def seeded_randomness(seed: str) -> Iterator[None]:
    """Within the block, the operating system's randomness is this stream."""
    from flarefree.web.chance import lots_drawn_from

    places = ((os, "urandom"), (random, "_urandom"))  # `secrets` asks the second
    before = [(place, name, getattr(place, name)) for place, name in places]
    _streams.append(_Stream(seed))
    for place, name in places:
        setattr(place, name, _drawn)
    try:
        with lots_drawn_from(random.Random(seed)):
            yield
    finally:
        _streams.pop()
        for place, name, was in before:
            setattr(place, name, was)


_system = os.urandom


def _drawn(size: int) -> bytes:
    """From the stream in force: a module that keeps this function by name gets no old one."""
    return _streams[-1](size) if _streams else _system(size)
