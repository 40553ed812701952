"""A vault brought back from an older backup gives no slot twice: it must stand where it is known to have.

Two witnesses are asked at each allocation: a note on this host, made after each commit and in no backup, and
what the trial's record says of the last allocation.  A vault that is behind either of them, or differs, or
that this host has never seen, allocates nothing until it was reconciled (check R13).
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flarefree.errors import ConductError
from flarefree.web.crashing import step
from flarefree.web.vault.models import Allocation

__all__ = ["Known", "Unreconciled", "Witness", "note_on_host", "read_note", "require_reconciled"]


class Unreconciled(ConductError):  # noqa: N818 — said as it is met: the vault is unreconciled
    """The vault is not known to stand where it stood; nothing is allocated until it does."""


@dataclass(frozen=True, slots=True)
class Witness:
    """An allocation that somebody knows of: its number in the trial and its code."""

    sequence: int
    code: str = ""

    @classmethod
    def read(cls, text: str) -> Witness:
        """From `37:12345674`; nothing is no allocation."""
        number, _, code = text.partition(":")
        return cls(int(number), code) if number.isdigit() else cls(0)

    def __str__(self) -> str:
        return f"{self.sequence}:{self.code}"


@dataclass(frozen=True, slots=True)
class Known:
    """What the trial's record knows of the vault.

    Attributes
    ----------
    lists_sha256 : str
        As published when the lists were sealed; empty if the record does not say.
    last : Witness
        The last allocation that the record has.
    """

    lists_sha256: str = ""
    last: Witness = Witness(0)

    @classmethod
    def of(cls, trial: Mapping[str, object]) -> Known:
        """From what is recorded of the trial."""
        return cls(
            str(trial.get("lists_sha256") or ""), Witness.read(str(trial.get("last_allocation") or ""))
        )


def require_reconciled(chain: str, known: Known, last: Witness) -> None:
    """Refuse unless the vault has every allocation that is known of.

    Parameters
    ----------
    chain : str
        Of the vault's log.
    known : Known
    last : Witness
        The vault's last allocation, read under its lock.

    Raises
    ------
    Unreconciled
    """
    noted = read_note(chain)
    if noted is None:
        raise _unreconciled(
            f"{last.sequence} allocations, and this host has never seen this vault",
            "a vault that was made here, or was reconciled after it was brought here",
        )
    for who, witness in (("this host", noted), ("the trial's record", known.last)):
        if witness.sequence > last.sequence:
            raise _unreconciled(f"{last.sequence} allocations", f"{witness.sequence}, which {who} knows of")
        if witness.sequence and _code_of(witness.sequence, last) != witness.code:
            raise _unreconciled(
                f"another code for allocation {witness.sequence}", f"{witness.code}, which {who} knows of"
            )


def _code_of(sequence: int, last: Witness) -> str:
    if sequence == last.sequence:
        return last.code
    return str(Allocation.objects.values_list("code", flat=True).get(sequence=sequence))


def _unreconciled(found: str, expected: str) -> Unreconciled:
    return Unreconciled(
        "the allocation vault is not where it stood: randomization is halted",
        where="vault",
        found=found,
        expected=expected,
        try_="have it reconciled; until then use the emergency list.  Nothing was allocated",
    )


# The note on this host ---------------------------------------------------------------------------


def read_note(chain: str) -> Witness | None:
    """What this host noted of a vault; None if it never saw it."""
    try:
        text = _path(chain).read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    # A note torn by a power cut says less than it did, and never more.
    found = re.match(r"(\d+):(\d*)\n", text)
    return Witness(int(found[1]), found[2]) if found else Witness(0)


def note_on_host(chain: str, witness: Witness) -> None:
    """Note where a vault stands, unless more was noted before.

    Made after the commit and not waited for: it may lag behind the vault, and is never ahead of it.
    """
    path = _path(chain)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        before = re.match(rb"(\d+):", os.pread(handle, 100, 0))
        if before is None or int(before[1]) <= witness.sequence:
            os.pwrite(handle, f"{witness}\n".encode().ljust(40), 0)
    finally:
        os.close(handle)
    step("vault: noted on the host")


def _path(chain: str) -> Path:
    from flarefree.web.config import WebConfig

    name = re.sub(r"[^a-zA-Z0-9]+", "-", chain)
    return WebConfig.from_environment().vault_folder / "noted" / name
