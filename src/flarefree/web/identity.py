"""Keys of identity: one file a patient, apart from the record and its log, so that it can be destroyed.

Names and addresses stand in the log as ciphertext only.  Erasing destroys the key; what the log holds stays
as it is, every hash with it, and nobody can read it again.  Backups must lose the file too.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from flarefree.conduct.audit.identity import IdentityKeys, conceal, reveal
from flarefree.errors import ConductError
from flarefree.web.config import WebConfig

__all__ = [
    "concealed",
    "destroy_key",
    "destroy_keys_of_the_erased",
    "fingerprint_of_identity",
    "make_key",
    "revealed",
]


def concealed(subject: str, field: str, text: str) -> str:
    """An identifying value as it enters the log."""
    return conceal(text, subject=subject, field_name=field, keys=_keys(subject))


def revealed(subject: str, field: str, token: str) -> str:
    """The value that was concealed.

    Raises
    ------
    ConductError
        The identity was erased.
    """
    return reveal(token, subject=subject, field_name=field, keys=_keys(subject))


def fingerprint_of_identity(subject: str, content: bytes) -> str:
    """A digest that says nothing once the key is gone: a plain hash of a name can be guessed."""
    return hmac.new(_keys(subject).key_of(subject), content, hashlib.sha256).hexdigest()


def make_key(subject: str) -> None:
    """A key for a patient who has none; of two processes that begin, one makes it."""
    path = _path(subject)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = IdentityKeys().with_subject(subject).key_of(subject)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())


def destroy_key(subject: str) -> None:
    """The patient's key overwritten and removed; done again, it does nothing."""
    path = _path(subject)
    if not path.exists():
        return
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def destroy_keys_of_the_erased() -> tuple[str, ...]:
    """At start-up: keys that a crash left behind after their erasure was logged."""
    from flarefree.web.record.reading import read_things

    left = tuple(
        item.key
        for item in read_things("identity", attributes=("erased_at",))
        if item["erased_at"] and _path(item.key).exists()
    )
    for subject in left:
        destroy_key(subject)
    return left


def _path(subject: str) -> Path:
    if not subject.replace("-", "").isalnum():
        raise ConductError("no identity is kept", where="subject", found=subject[:40])
    return WebConfig.from_environment().data / "identity-keys" / f"{subject}.key"


def _keys(subject: str) -> IdentityKeys:
    path = _path(subject)
    if not path.exists():
        return IdentityKeys(erased=frozenset({subject}))
    return IdentityKeys({subject: path.read_bytes()})
