"""The trial that this installation runs: its protocol, its role matrix, its phase, its sites' time zones.

Before a protocol is recorded the one of the configuration is shown; from then on the record says which is in
force, and from when an amendment is.  Every version stays readable: an entry names the one that it was made
under (F-5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from flarefree.conduct.audit.entries import Value, read_time
from flarefree.errors import ConductError
from flarefree.web.clock import now
from flarefree.web.record.reading import facts_of, read_thing

if TYPE_CHECKING:
    from flarefree.conduct.roles.matrix import Matrix
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = ["BEFORE_GO_LIVE", "PROTOCOL", "TRIAL_KEY", "RunningTrial", "Standing", "running_trial"]

TRIAL_KEY = "this"
"""Key of the one thing of kind `trial`."""
PROTOCOL = "protocol"
"""Kind of the things that versions of the protocol are; their key is their digest."""
BEFORE_GO_LIVE = "before_go_live"


@dataclass(frozen=True)
class Standing:
    """Where the trial stands at a time, read at once.

    Attributes
    ----------
    phase : str
    protocol_digest : str
        Of the version in force.
    randomization : str
        `open`, `halted`, `closed`; empty before the trial goes live.
    facts : mapping of str to value
        All that is recorded of the trial.
    """

    phase: str
    protocol_digest: str
    randomization: str
    facts: Mapping[str, Value]


@dataclass(frozen=True)
class RunningTrial:
    """What all parts ask about.

    Attributes
    ----------
    configured : LoadedProtocol
        That the installation was started with.
    matrix : Matrix
    """

    configured: LoadedProtocol
    matrix: Matrix

    def standing(self, at: datetime | None = None) -> Standing:
        """Where it stands at a time, now unless told: one question to the database."""
        trial = read_thing("trial", TRIAL_KEY)
        facts = {} if trial is None else {name: fact.value for name, fact in trial.facts.items()}
        return Standing(
            phase=str(facts.get("phase") or BEFORE_GO_LIVE),
            protocol_digest=self._digest_at(facts, at),
            randomization=str(facts.get("randomization") or ""),
            facts=facts,
        )

    def _digest_at(self, facts: Mapping[str, Value], at: datetime | None) -> str:
        """Of the version in force: the last whose time has come; entries of the trial say which follow."""
        coming = facts.get("next_protocol_from")
        if coming is not None and read_time(str(coming)) <= (at or now()):
            return str(facts["next_protocol_digest"])
        return str(facts.get("protocol_digest") or self.configured.digest)

    @property
    def phase(self) -> str:
        """Where the trial stands: `before_go_live`, `live`, `locked` or `unblinded`."""
        return self.standing().phase

    @property
    def protocol_digest(self) -> str:
        """SHA-256 of the version in force now, in hexadecimal; on every entry."""
        return self.standing().protocol_digest

    @property
    def protocol(self) -> LoadedProtocol:
        """The version in force now."""
        return self.protocol_of(self.protocol_digest)

    def protocol_at(self, at: datetime) -> LoadedProtocol:
        """The version that was, or will be, in force at a time.

        Raises
        ------
        ConductError
            None was recorded then.
        """
        found = [
            (str(item), digest)
            for digest, item in facts_of(PROTOCOL, "in_force_from").items()
            if item is not None and read_time(str(item)) <= at
        ]
        return self.protocol_of(max(found)[1]) if found else self.protocol

    def protocol_of(self, digest: str) -> LoadedProtocol:
        """A version by its digest.

        Raises
        ------
        ConductError
            It was never recorded, or its text is not what its digest says.
        """
        return self.configured if digest == self.configured.digest else _recorded(digest)

    def zone_of(self, site: str) -> str:
        """A site's time zone; UTC of the trial itself."""
        thing = read_thing("site", site) if site else None
        return str(thing["zone"] or "UTC") if thing is not None else "UTC"


@lru_cache(maxsize=1)
def running_trial() -> RunningTrial:
    """The installation's trial; what never changes of it is loaded once in a process.

    Raises
    ------
    ProtocolError
        The protocol cannot be read.
    """
    from flarefree.conduct.roles import load_matrix
    from flarefree.protocol import load_protocol
    from flarefree.web.config import WebConfig

    return RunningTrial(load_protocol(WebConfig.from_environment().protocol), load_matrix())


@lru_cache(maxsize=16)
def _recorded(digest: str) -> LoadedProtocol:
    from flarefree.protocol.loading import parse_protocol

    item = read_thing(PROTOCOL, digest)
    if item is None or item["text"] is None:
        raise ConductError("no such version of the protocol was recorded", where="protocol", found=digest)
    loaded = parse_protocol(str(item["text"]), f"{item['name']}.yaml")
    if loaded.digest != digest:
        raise ConductError(
            "a protocol's text is not what its digest says",
            where="protocol",
            found=loaded.digest,
            expected=digest,
        )
    return loaded
