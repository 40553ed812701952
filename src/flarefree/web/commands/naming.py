"""Names of new things: opaque, the same for the same request, and drawn from nothing that knows an arm."""

from __future__ import annotations

import hashlib

__all__ = ["new_key"]

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: none is taken for another


def new_key(request: str, ordinal: int = 0) -> str:
    """Twelve letters for the so-manyth new thing of a request: 60 bits of its SHA-256."""
    drawn = int.from_bytes(hashlib.sha256(f"flarefree key 1\n{ordinal}\n{request}".encode()).digest()[:8])
    return "".join(_LETTERS[(drawn >> (5 * n)) & 31] for n in range(12))
