"""Virtual patients: trials that look like real ones, and plain two-arm trials by the hundred thousand.

Takes a seed and a design; gives a study folder that `flarefree analyze` takes like any other, or operating
characteristics.  Begin reading at `virtual_trial.py` (one whole trial) or `two_arm.py` (very many plain
ones); `streams.py` is where the random numbers of the latter come from; `docs/methods/` has the equations.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.simulation.streams import Purpose, Streams
    from flarefree.simulation.two_arm import TwoArmDesign, TwoArmTrials, simulate_two_arm
    from flarefree.simulation.virtual_trial import write_virtual_trial

__all__ = [
    "Purpose",
    "Streams",
    "TwoArmDesign",
    "TwoArmTrials",
    "simulate_two_arm",
    "write_virtual_trial",
]

_HOME = {
    "Purpose": "streams",
    "Streams": "streams",
    "TwoArmDesign": "two_arm",
    "TwoArmTrials": "two_arm",
    "simulate_two_arm": "two_arm",
    "write_virtual_trial": "virtual_trial",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.simulation.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
