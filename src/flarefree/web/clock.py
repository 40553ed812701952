"""The one clock of the application: UTC.  Tests and the demonstration set another; nobody else reads time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

__all__ = ["clock_set_to", "now"]

_read: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731


def now() -> datetime:
    """The time, in UTC."""
    return _read()


@contextmanager
def clock_set_to(read: Callable[[], datetime]) -> Iterator[None]:
    """Within the block, time is what `read` says."""
    global _read
    before, _read = _read, read
    try:
        yield
    finally:
        _read = before
