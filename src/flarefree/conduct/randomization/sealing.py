"""Sealed documents: a body that cannot be changed unseen, signed, and encrypted where it rests.

The digest and the signature cover the canonical bytes of the body under the document's kind, so that no
document passes for another.  The verifying key comes from whoever trusts it, never from the document.
Ed25519 and AES-256-GCM are those of the `cryptography` package (extra `web`).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from flarefree.conduct.randomization.plan import canonical
from flarefree.errors import ConductError, MissingExtraError

__all__ = [
    "KEY_BYTES",
    "Sealed",
    "decrypt",
    "digest_of",
    "encrypt",
    "new_key",
    "new_signing_key",
    "open_sealed",
    "public_key_of",
    "seal",
]

KEY_BYTES = 32
_NONCE_BYTES = 12
_MAGIC = b"flarefree vault 1\n"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A document as it is kept and sent.

    Attributes
    ----------
    kind : str
    body : mapping
        JSON values only; not shown by `repr`.
    sha256 : str
        Of kind and canonical body; this is what is published.
    signature : str
        Ed25519 over kind and canonical body, in hexadecimal.
    """

    kind: str
    body: Mapping[str, Any]
    sha256: str
    signature: str

    def __repr__(self) -> str:
        return f"<sealed {self.kind}, SHA-256 {self.sha256}>"

    def to_bytes(self) -> bytes:
        """The file: canonical JSON and a newline."""
        told = {
            "body": dict(self.body),
            "kind": self.kind,
            "sha256": self.sha256,
            "signature": self.signature,
        }
        return canonical(told) + b"\n"


def _message(kind: str, body: Mapping[str, Any]) -> bytes:
    return b"flarefree sealed\n" + kind.encode() + b"\n" + canonical(dict(body))


def digest_of(kind: str, body: Mapping[str, Any]) -> str:
    """The digest that is published, in hexadecimal."""
    return hashlib.sha256(_message(kind, body)).hexdigest()


def seal(kind: str, body: Mapping[str, Any], signing_key: bytes) -> Sealed:
    """Sign a body (Ed25519, deterministic: the same body and key give the same bytes)."""
    keys = _ed25519()
    signature = keys.Ed25519PrivateKey.from_private_bytes(_key(signing_key)).sign(_message(kind, body))
    return Sealed(kind, MappingProxyType(dict(body)), digest_of(kind, body), signature.hex())


def open_sealed(
    data: bytes, *, kind: str, public_key: bytes, published_sha256: str | None = None
) -> Mapping[str, Any]:
    """The body of a sealed document, once everything about it has been found right.

    Parameters
    ----------
    data : bytes
        The file.
    kind : str
        What it must be.
    public_key : bytes
        Of the one whose signature is trusted (32 bytes).
    published_sha256 : str, optional
        What was published when it was sealed.

    Raises
    ------
    ConductError
        It cannot be read, is of another kind, was changed, was signed by another, or is not the published
        one.
    """
    told = _read(data, kind)
    if told["kind"] != kind:
        raise ConductError("this is another kind of document", where=kind, found=str(told["kind"])[:80])
    digest = digest_of(kind, told["body"])
    if digest != told["sha256"]:
        raise ConductError(
            "the document was changed after it was sealed",
            where=kind,
            found=f"SHA-256 {digest}",
            expected=str(told["sha256"])[:64],
        )
    if published_sha256 is not None and digest != published_sha256:
        raise ConductError(
            "this is not the document whose hash was published",
            where=kind,
            found=f"SHA-256 {digest}",
            expected=published_sha256,
        )
    _require_signature(kind, told, public_key)
    return MappingProxyType(told["body"])


def _read(data: bytes, kind: str) -> dict[str, Any]:
    try:
        told = json.loads(data)
        if set(told) == {"body", "kind", "sha256", "signature"} and isinstance(told["body"], dict):
            if canonical(told) + b"\n" != data:  # a name said twice, say: two readers could read two things
                raise ValueError
            return dict(told)
    except (ValueError, TypeError, UnicodeDecodeError):
        pass
    raise ConductError(
        "not a sealed document", where=kind, found=f"{len(data)} bytes", expected="a file as it was sealed"
    )


def _require_signature(kind: str, told: Mapping[str, Any], public_key: bytes) -> None:
    from importlib import import_module

    keys = _ed25519()
    invalid = import_module("cryptography.exceptions").InvalidSignature
    try:
        signature = bytes.fromhex(str(told["signature"]))
        keys.Ed25519PublicKey.from_public_bytes(_key(public_key)).verify(
            signature, _message(kind, told["body"])
        )
    except (invalid, ValueError):
        raise ConductError(
            "the signature is not that of the trusted key",
            where=kind,
            found=f"signature {str(told['signature'])[:16]}…",
            expected=f"one by the key {public_key.hex()[:16]}…",
        ) from None


# Keys and encryption -----------------------------------------------------------------------------


def new_signing_key() -> bytes:
    """A signing key (32 bytes) from the operating system."""
    return secrets.token_bytes(KEY_BYTES)


def public_key_of(signing_key: bytes) -> bytes:
    """The key that verifies what this one signs."""
    found = _ed25519().Ed25519PrivateKey.from_private_bytes(_key(signing_key)).public_key()
    return bytes(found.public_bytes_raw())


def new_key() -> bytes:
    """A key of the vault (32 bytes) from the operating system."""
    return secrets.token_bytes(KEY_BYTES)


def encrypt(plain: bytes, key: bytes, *, trial: str, nonce: bytes | None = None) -> bytes:
    """AES-256-GCM for one trial's vault; a nonce is drawn anew each time unless one is given (tests)."""
    nonce = secrets.token_bytes(_NONCE_BYTES) if nonce is None else nonce
    text: bytes = _aesgcm()(_key(key)).encrypt(nonce, plain, _MAGIC + trial.encode())
    return _MAGIC + nonce + text


def decrypt(data: bytes, key: bytes, *, trial: str) -> bytes:
    """What was encrypted for this trial with this key.

    Raises
    ------
    ConductError
        Another key, another trial, or a changed byte; which of them cannot be told.
    """
    from importlib import import_module

    wrong = import_module("cryptography.exceptions").InvalidTag
    head = len(_MAGIC) + _NONCE_BYTES
    try:
        if not data.startswith(_MAGIC) or len(data) < head:
            raise ValueError
        plain: bytes = _aesgcm()(_key(key)).decrypt(
            data[len(_MAGIC) : head], data[head:], _MAGIC + trial.encode()
        )
    except (wrong, ValueError):
        raise ConductError(
            "the vault's file does not open",
            where=trial,
            found=f"{len(data)} bytes",
            expected="a file encrypted for this trial with this key, unchanged",
        ) from None
    return plain


def _key(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise ConductError("not a key", where="key", found=f"{len(key)} bytes", expected=f"{KEY_BYTES} bytes")
    return key


def _ed25519() -> Any:
    return _cryptography("cryptography.hazmat.primitives.asymmetric.ed25519")


def _aesgcm() -> Any:
    return _cryptography("cryptography.hazmat.primitives.ciphers.aead").AESGCM


def _cryptography(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        raise MissingExtraError(
            "signatures and encryption need the package cryptography",
            where="sealing",
            try_="pip install 'flarefree[web]'",
        ) from None
