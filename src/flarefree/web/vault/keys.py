"""The vault's key, and what is sealed under it.

The key is a file of its own, readable by its owner only, apart from both databases and their backups.  It is
in no setting, no log and no error.
"""

from __future__ import annotations

import json
import os
import resource
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any

from flarefree.conduct.randomization.sealing import decrypt, encrypt
from flarefree.errors import ConductError

__all__ = ["KEY_FILE", "make_key", "open_bytes", "open_value", "seal_bytes", "seal_value"]

KEY_FILE = "FLAREFREE_WEB_VAULT_KEY"
"""Environment variable that names the key's file; without it `vault/key` in the data folder."""

_BLOCK = 512
_LENGTH_BYTES = 4


def seal_value(value: Any, *, purpose: str, block: int = _BLOCK) -> bytes:
    """A JSON value, encrypted; its length is that of so many whole blocks.

    Parameters
    ----------
    purpose : str
        What it is and of whom: what was sealed for one purpose does not open for another, so that two sealed
        values cannot be exchanged.
    block : int
        Bytes of a block: more than values of one kind differ by.
    """
    plain = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return seal_bytes(plain, purpose=purpose, block=block)


def open_value(sealed: bytes, *, purpose: str) -> Any:
    """What `seal_value` sealed.

    Raises
    ------
    ConductError
        Another key or purpose, or a changed byte.
    """
    return json.loads(open_bytes(sealed, purpose=purpose))


def seal_bytes(plain: bytes, *, purpose: str, block: int = _BLOCK) -> bytes:
    """Bytes, padded with random ones to whole blocks, encrypted (AES-256-GCM, a nonce of its own)."""
    framed = len(plain).to_bytes(_LENGTH_BYTES) + plain
    padded = framed + secrets.token_bytes(-len(framed) % block)
    return encrypt(padded, _key(), trial=purpose)


def open_bytes(sealed: bytes, *, purpose: str) -> bytes:
    """What `seal_bytes` sealed."""
    padded = decrypt(bytes(sealed), _key(), trial=purpose)
    length = int.from_bytes(padded[:_LENGTH_BYTES])
    return padded[_LENGTH_BYTES : _LENGTH_BYTES + length]


def make_key() -> None:
    """Make the key of a new vault; one that stands is left as it is.

    Only where lists are installed: were a lost key made anew at any other time, what is sealed would be lost
    with a key in its place.
    """
    from flarefree.web.config import read_or_make_secret

    read_or_make_secret(_path())


def _key() -> bytes:
    return _read_key(_path())


def _path() -> Path:
    from flarefree.web.config import WebConfig

    told = os.environ.get(KEY_FILE)
    return Path(told) if told else WebConfig.from_environment().vault_folder / "key"


@lru_cache(maxsize=4)
def _read_key(path: Path) -> bytes:
    # No picture of this process's memory is written when it dies: it would hold key and lists.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        text, mode = path.read_text(encoding="ascii").strip(), path.stat().st_mode
        key = bytes.fromhex(text)
    except (OSError, ValueError):
        raise ConductError(
            "the vault's key is not there",
            where=path.name,
            expected="the file that was made when the lists were installed",
            try_=f"put it back from its own backup, or name it in {KEY_FILE}",
        ) from None
    if mode & 0o077:
        raise ConductError(
            "the vault's key can be read by others",
            where=path.name,
            expected="a file that only its owner may read",
            try_=f"chmod 600 {path.name}",
        )
    return key
