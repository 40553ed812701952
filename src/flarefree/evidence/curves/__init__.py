"""From published curves back to patients: times and events that a figure and its risk table allow.

Takes digitized Kaplan-Meier points and numbers at risk, or a risk table with events alone; gives as many
pseudo data sets as the unknown censoring asks for, or the range of a test.  Begin reading at
`reconstructing.py`, then `log_rank_bounds.py`; `docs/methods/curve-reconstruction.md` has the equations.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.evidence.curves.log_rank_bounds import LogRankRange, log_rank_range
    from flarefree.evidence.curves.pooling_draws import PooledEstimate, PooledHazardRatio
    from flarefree.evidence.curves.reconstructing import reconstruct
    from flarefree.evidence.curves.reconstruction import Reconstruction

__all__ = [
    "LogRankRange",
    "PooledEstimate",
    "PooledHazardRatio",
    "Reconstruction",
    "log_rank_range",
    "reconstruct",
]

_HOME = {
    "LogRankRange": "log_rank_bounds",
    "PooledEstimate": "pooling_draws",
    "PooledHazardRatio": "pooling_draws",
    "Reconstruction": "reconstruction",
    "log_rank_range": "log_rank_bounds",
    "reconstruct": "reconstructing",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.evidence.curves.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
