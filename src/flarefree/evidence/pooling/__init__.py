"""Two treatments in several trials: effects, their pooled estimate, its heterogeneity and what bends it.

Takes checked arm or contrast rows; gives a frozen `Pairwise` with `.tidy()`, `.plot()` and what can be asked
of it further (leave one out, cumulative, small-study tests, a sequential boundary).  Begin reading at
`call.py` (how a question is answered), then `effects.py`, `heterogeneity.py`, `inverse_variance.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.evidence.pooling.call import pairwise
    from flarefree.evidence.pooling.results import Pairwise

__all__ = ["Pairwise", "pairwise"]

_HOME = {"Pairwise": "results", "pairwise": "call"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.evidence.pooling.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
