"""The trial that this installation runs: its protocol, its role matrix, its phase, its sites' time zones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from flarefree.web.record.reading import facts_of, read_thing

if TYPE_CHECKING:
    from flarefree.conduct.roles.matrix import Matrix
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = ["TRIAL_KEY", "RunningTrial", "running_trial"]

TRIAL_KEY = "this"
"""Key of the one thing of kind `trial`."""


@dataclass(frozen=True)
class RunningTrial:
    """What all parts ask about.

    Attributes
    ----------
    protocol : LoadedProtocol
        In force now.
    protocol_digest : str
        SHA-256, in hexadecimal; on every entry.
    matrix : Matrix
    """

    protocol: LoadedProtocol
    protocol_digest: str
    matrix: Matrix

    @property
    def phase(self) -> str:
        """Where the trial stands: `before_go_live`, `live`, `locked` or `unblinded`."""
        trial = read_thing("trial", TRIAL_KEY)
        return str(trial["phase"]) if trial is not None and trial["phase"] else "before_go_live"

    def zone_of(self, site: str) -> str:
        """A site's time zone; UTC of the trial itself."""
        return str(facts_of("site", "zone").get(site) or "UTC") if site else "UTC"


@lru_cache(maxsize=1)
def running_trial() -> RunningTrial:
    """The installation's trial, loaded once in a process.

    Raises
    ------
    ProtocolError
        The protocol cannot be read.
    """
    from flarefree.conduct.roles import load_matrix
    from flarefree.protocol import load_protocol
    from flarefree.web.config import WebConfig

    protocol = load_protocol(WebConfig.from_environment().protocol)
    return RunningTrial(protocol, protocol.digest, load_matrix())
