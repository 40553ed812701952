"""The rehearsal's time: set by its director, read by every process of the rehearsal, and by nothing else.

Years pass in minutes, and events come in the order of their dates.  The clock lies in a file of eight bytes,
which the processes share; an installation that is no rehearsal has none.
"""

from __future__ import annotations

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["SharedClock"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class SharedClock:
    """A time that several processes read and one sets.

    Parameters
    ----------
    path : Path
        Made, at the epoch, if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 8)

    def read(self) -> datetime:
        """The time, in UTC."""
        (microseconds,) = struct.unpack("<q", self._memory[:8])
        return _EPOCH + microseconds * _MICROSECOND

    def set_to(self, at: datetime) -> None:
        """From now on it is this time; it never goes back."""
        if at > self.read():
            self._memory[:8] = struct.pack("<q", (at - _EPOCH) // _MICROSECOND)

    def tick(self, by: timedelta = timedelta(seconds=1)) -> datetime:
        """A moment passes."""
        self.set_to(self.read() + by)
        return self.read()
