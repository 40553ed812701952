"""Virtual patients: a trial that looks like a real one, labelled virtual wherever it is shown.

Takes a seed and a size; gives a study folder that `flarefree analyze` takes like any other.
Begin reading at `virtual_trial.py` (the steps), then `patients.py` (who they are) and `courses.py`
(what becomes of them); `docs/methods/virtual-alms-trial.md` has the equations and their sources.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.simulation.virtual_trial import write_virtual_trial

__all__ = ["write_virtual_trial"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("flarefree.simulation.virtual_trial"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
