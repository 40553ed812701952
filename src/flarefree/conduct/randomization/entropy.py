"""Random numbers for lists: secret, reproducible from their seed, each by its address.

The seed comes once from the operating system's cryptographic source.  What is drawn from it is a keyed
hash of an address (trial, list, place), so a list can be replayed by whoever holds the seed and by nobody
else, and lists do not depend on the order in which they are drawn.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flarefree.errors import DesignError

__all__ = ["SEED_BYTES", "SecretStream", "new_seed", "require_seed"]

SEED_BYTES = 32
_BITS = 53  # of a double


def new_seed() -> bytes:
    """256 bits from the operating system."""
    return secrets.token_bytes(SEED_BYTES)


def require_seed(seed: bytes) -> bytes:
    """A seed of the right length; what it holds is not said in the error."""
    if not isinstance(seed, bytes) or len(seed) != SEED_BYTES:
        raise DesignError(
            "not a seed", where="seed", found=f"{len(seed)} bytes", expected=f"{SEED_BYTES} bytes"
        )
    return seed


@dataclass(frozen=True)
class SecretStream:
    """Uniform numbers by address: BLAKE2b, keyed by the seed, of the address.

    Parameters
    ----------
    seed : bytes
        32 bytes; not shown by `repr`.
    purpose : str
        What the numbers are for; other purposes give unrelated numbers from one seed.
    """

    seed: bytes = field(repr=False)
    purpose: str

    def __post_init__(self) -> None:
        require_seed(self.seed)

    def uniforms(self, address: str, count: int) -> npt.NDArray[np.float64]:
        """`count` uniform numbers of 53 random bits in [0, 1) for an address; a longer count begins alike."""
        out = np.empty(count)
        for i in range(count):
            message = f"{self.purpose}\x1f{address}\x1f{i}".encode()
            word = hashlib.blake2b(message, key=self.seed, digest_size=8).digest()
            out[i] = (int.from_bytes(word, "big") >> (64 - _BITS)) / 2.0**_BITS
        return out
