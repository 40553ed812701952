"""Identity that can be erased without touching the log: each person's under a key of their own.

Names, addresses and telephone numbers enter the log only as ciphertext.  Erasing a person destroys their
key; the entries stay as they are, so every hash still holds, and nobody can read them again.  The trial's
record is under a pseudonym and is kept, as the law on trials asks.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

from flarefree.errors import ConductError, MissingExtraError

__all__ = ["IdentityKeys", "conceal", "reveal"]

_PREFIX = "aes256gcm:"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_ROOM = 64  # every identity is padded to a multiple: the length of a name tells who it is


@dataclass(frozen=True, slots=True)
class IdentityKeys:
    """Keys of identity by subject, as the vault of identities holds them; kept apart from log and data.

    Attributes
    ----------
    keys : mapping of str to bytes
        Not shown by `repr`.
    erased : frozenset of str
        Subjects whose key was destroyed; none is ever made for them again.
    """

    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    erased: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", MappingProxyType(dict(self.keys)))

    def with_subject(
        self, subject: str, entropy: Callable[[int], bytes] = secrets.token_bytes
    ) -> IdentityKeys:
        """A key for a new subject."""
        if subject in self.erased or subject in self.keys:
            raise ConductError(
                "a subject has one key of identity, once",
                where=subject,
                found="erased" if subject in self.erased else "has its key",
            )
        return IdentityKeys({**self.keys, subject: entropy(_KEY_BYTES)}, self.erased)

    def without_subject(self, subject: str) -> IdentityKeys:
        """The subject's key destroyed.  Backups of the vault must lose it too: see the methods page."""
        self.key_of(subject)
        kept = {name: key for name, key in self.keys.items() if name != subject}
        return IdentityKeys(kept, self.erased | {subject})

    def key_of(self, subject: str) -> bytes:
        """The subject's key.

        Raises
        ------
        ConductError
            The identity was erased, or there is no such subject.
        """
        if subject in self.erased:
            raise ConductError(
                "the identity was erased", where=subject, found="its key was destroyed", expected="a key"
            )
        if subject not in self.keys:
            raise ConductError("no identity is kept", where=subject, found="no key")
        return self.keys[subject]


def conceal(
    text: str,
    *,
    subject: str,
    field_name: str,
    keys: IdentityKeys,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
) -> str:
    """An identifying value as it enters the log: AES-256-GCM, bound to its subject and field."""
    plain = text.encode() + b"\x80"  # padding of ISO/IEC 7816-4: the last 80, and zeros after it
    plain += b"\x00" * (-len(plain) % _ROOM)
    nonce = entropy(_NONCE_BYTES)
    sealed: bytes = _aesgcm()(keys.key_of(subject)).encrypt(nonce, plain, _place(subject, field_name))
    return _PREFIX + base64.b64encode(nonce + sealed).decode()


def reveal(token: str, *, subject: str, field_name: str, keys: IdentityKeys) -> str:
    """The value that was concealed.

    Raises
    ------
    ConductError
        The identity was erased, or the text is not what was concealed for this subject and field.
    """
    key, aesgcm = keys.key_of(subject), _aesgcm()
    invalid = import_module("cryptography.exceptions").InvalidTag
    try:
        if not token.startswith(_PREFIX):
            raise ValueError
        data = base64.b64decode(token[len(_PREFIX) :], validate=True)
        plain: bytes = aesgcm(key).decrypt(
            data[:_NONCE_BYTES], data[_NONCE_BYTES:], _place(subject, field_name)
        )
    except (invalid, ValueError):
        raise ConductError(
            "not what was concealed here",
            where=f"{subject}.{field_name}",
            found=f"{len(token)} characters",
            expected="the text that was logged for this subject and field",
        ) from None
    return plain.rstrip(b"\x00")[:-1].decode()


def _place(subject: str, field_name: str) -> bytes:
    return b"flarefree identity 1\n" + subject.encode() + b"\n" + field_name.encode()


def _aesgcm() -> Any:
    try:
        return import_module("cryptography.hazmat.primitives.ciphers.aead").AESGCM
    except ImportError:
        raise MissingExtraError(
            "identities are encrypted by the package cryptography",
            where="identity",
            try_="pip install 'flarefree[web]'",
        ) from None
