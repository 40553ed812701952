"""Who gets which treatment: schemes of randomization, the lists drawn from them, and what they promise.

Takes a scheme, an allocation ratio and strata; gives lists drawn once from the operating system's
randomness, and figures of balance and predictability by simulation.  Begin reading at `schemes.py`
(what a scheme is), then `drawing.py` (how arms are drawn from it) and `simulating.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.conduct.randomization.minimization import PocockSimon
    from flarefree.conduct.randomization.schemes import (
        BigStick,
        BoundedBiasedCoin,
        Complete,
        Efron,
        MaximalProcedure,
        PermutedBlocks,
        Scheme,
    )

__all__ = [
    "BigStick",
    "BoundedBiasedCoin",
    "Complete",
    "Efron",
    "MaximalProcedure",
    "PermutedBlocks",
    "PocockSimon",
    "Scheme",
]

_HOME = dict.fromkeys(__all__, "schemes") | {"PocockSimon": "minimization"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.conduct.randomization.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
