"""Many treatments, compared by all the studies that connect them.

Takes arm rows or contrast rows of studies; gives a frozen `Network`: effects of every pair, heterogeneity,
consistency, rankings, contributions.  Begin reading at `model.py` (the call), then `studies.py` (rows to
effects), `rows.py` (the algebra) and `result.py`; `docs/methods/network.md` has the equations.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.evidence.networks.model import additive_network, network
    from flarefree.evidence.networks.result import Network

__all__ = ["Network", "additive_network", "network"]

_HOME = {"Network": "result", "additive_network": "model", "network": "model"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.evidence.networks.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
