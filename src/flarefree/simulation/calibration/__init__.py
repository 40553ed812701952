"""Calibration: the virtual patients' parameters fitted to published trials, and how well they then agree.

Takes published numbers (`targets.yaml`) and priors (`priors.py`); gives a posterior sample, and published
numbers beside what virtual trials of their size would print.  Begin reading at `targets.py`, then
`calibrating.py` (moments, then the posterior) and `comparing.py`; docs/methods/calibration.md is the method.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.simulation.calibration.calibrating import Calibration, calibrate
    from flarefree.simulation.calibration.comparing import Comparison, compare
    from flarefree.simulation.calibration.hold_outs import load_hold_outs, predict_hold_outs
    from flarefree.simulation.calibration.posterior import Posterior, load_posterior
    from flarefree.simulation.calibration.targets import load_targets

__all__ = [
    "Calibration",
    "Comparison",
    "Posterior",
    "calibrate",
    "compare",
    "load_hold_outs",
    "load_posterior",
    "load_targets",
    "predict_hold_outs",
]

_HOME = {
    "Calibration": "calibrating",
    "Comparison": "comparing",
    "Posterior": "posterior",
    "calibrate": "calibrating",
    "compare": "comparing",
    "load_hold_outs": "hold_outs",
    "load_posterior": "posterior",
    "load_targets": "targets",
    "predict_hold_outs": "hold_outs",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.simulation.calibration.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
