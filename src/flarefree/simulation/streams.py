"""Random numbers by address: (seed, trial, patient, visit, stream) in, four words out, always the same.

Nothing is drawn in an order, so nothing depends on one: a patient is replayed alone, workers and blocks do
not matter, and later trials, patients and visits never change earlier ones.  `docs/methods/two-arm-trials.md`
says which bits become which numbers.  What the numbers mean is left to those who draw them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from flarefree.errors import StatsError
from flarefree.simulation._random_kernels import (
    fill_exponentials,
    fill_normals,
    fill_uniforms,
    fill_words,
)

__all__ = ["Purpose", "Streams"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Words = np.ndarray[Any, np.dtype[np.uint32]]
LARGEST = 2**32 - 1


class Purpose(IntEnum):
    """Stream numbers by what is drawn from them.

    A number is part of every result drawn from it: it is never changed, and never given to another purpose.
    """

    TWO_ARM = 1
    """Failure (words 0 and 1), drop-out (word 2) and entry (word 3) of `simulate_two_arm`, at visit 0."""

    # Virtual patients; what each word becomes is in docs/methods/virtual-patients.md.
    PATIENT = 10
    """Who a virtual patient is; `visit` numbers the block."""
    FLARE = 11
    """Latent flares of a virtual patient; `visit` numbers the flare."""
    WANDER = 12
    """The wandering of log proteinuria; `visit` numbers blocks of four months."""
    EXTRARENAL = 13
    """Major flares outside the kidney; `visit` numbers the flare."""
    LABORATORY = 20
    """Errors of proteinuria, the spot ratio, creatinine and albumin; from here on `visit` is the day."""
    IMMUNOLOGY = 21
    """Errors of C3, C4 and anti-dsDNA, and the weight's."""
    SEDIMENT = 22
    """Red and white cells, dipstick; casts and infection."""
    BILAG = 23
    """Eight grades, sixteen bits each."""
    HEMATOLOGY = 24
    """White cells, platelets, ALT and AST."""
    DRUG_LEVELS = 25
    """Tacrolimus trough, NAG and RBP; manifestations outside the kidney."""
    ADVERSE_EVENTS = 30
    """Adverse events as rows; `visit` numbers class and event."""
    DOSES = 31
    """Doses, prednisone and rescue as rows; `visit` numbers the block."""
    RECORDING = 32
    """Which values a study's files lack; `visit` numbers the day's blocks, sixteen a day."""

    # What people do about virtual patients.
    CONDUCT = 40
    """What a committee and a clinic make of an event; `visit` is its day."""
    COUNTS = 41
    """Outcomes of exchangeable patients; `patient` is the arm and `visit` numbers blocks of four."""


@dataclass(frozen=True, slots=True)
class Streams:
    """All random numbers of one seed: Philox 4x32-10 [salmon2011] with the address as its counter.

    Parameters
    ----------
    seed : int
        From 0 to 2^64 - 1; the key.

    Notes
    -----
    The counter's words are visit, patient, trial and stream, each from 0 to 2^32 - 1; arguments broadcast
    as NumPy's do.  A block is four 32-bit words, or two doubles of 52 random bits each.
    """

    seed: int

    def __post_init__(self) -> None:
        require_whole(self.seed, "seed", 0, 2**64 - 1)

    @property
    def key(self) -> tuple[np.uint64, np.uint64]:
        """The lower and the upper half of the seed."""
        return np.uint64(self.seed & LARGEST), np.uint64(self.seed >> 32)

    def words(self, trial: Any, patient: Any, visit: Any = 0, stream: Any = 0) -> Words:
        """Blocks of four 32-bit words, shape (..., 4)."""
        named = (("visit", visit), ("patient", patient), ("trial", trial), ("stream", stream))
        # Copies: NumPy warns where a kernel asks whether a broadcast view may be written to.
        counter = [np.array(a) for a in np.broadcast_arrays(*(_word(value, name) for name, value in named))]
        out = np.empty((counter[0].size, 4), dtype=np.uint32)
        c0, c1, c2, c3 = (part.ravel() for part in counter)
        fill_words(c0, c1, c2, c3, *self.key, out)
        return out.reshape(*counter[0].shape, 4)

    def uniforms(self, trial: Any, patient: Any, visit: Any = 0, stream: Any = 0) -> Floats:
        """Two uniform numbers a block, shape (..., 2): (k + 1/2) / 2^52, never 0 or 1."""
        words = self.words(trial, patient, visit, stream)
        out = np.empty((words.size // 4, 2))
        fill_uniforms(words.reshape(-1, 4), out)
        return out.reshape(*words.shape[:-1], 2)

    def normals(self, trial: Any, patient: Any, visit: Any = 0, stream: Any = 0) -> Floats:
        """Two standard normal numbers a block, shape (..., 2): quantiles of its uniforms [wichura1988]."""
        return _through(fill_normals, self.uniforms(trial, patient, visit, stream))

    def exponentials(self, trial: Any, patient: Any, visit: Any = 0, stream: Any = 0) -> Floats:
        """Two exponential numbers of mean 1 a block, shape (..., 2): the quantiles of its uniforms."""
        return _through(fill_exponentials, self.uniforms(trial, patient, visit, stream))


def _through(fill: Any, uniforms: Floats) -> Floats:
    out = np.empty(uniforms.size)
    fill(uniforms.ravel(), out)
    return out.reshape(uniforms.shape)


def _word(value: Any, name: str) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """One coordinate of addresses, as whole numbers of 32 bits."""
    numbers = np.asarray(value)
    if numbers.dtype.kind not in "iu" or (numbers.size and (numbers.min() < 0 or numbers.max() > LARGEST)):
        raise StatsError(
            "not an address of random numbers",
            where=name,
            found=str(value)[:60],
            expected=f"whole numbers from 0 to {LARGEST}",
        )
    return numbers.astype(np.uint64)


def require_whole(value: Any, name: str, least: int, most: int) -> int:
    """A whole number within limits, or an error that names it."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise StatsError(
            "not a whole number in range",
            where=name,
            found=repr(value),
            expected=f"a whole number from {least} to {most}",
        )
    return int(value)
