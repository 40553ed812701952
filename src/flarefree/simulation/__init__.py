"""Virtual patients and their trials: one as a study folder, or very many for operating characteristics.

Takes a protocol, a design and a seed; gives what the protocol would do before a patient is enrolled.  Begin
reading at `simulating.py` (the one call), then `tiles.py` (trials drawn, measured, asked, followed) and
`cohort.py` (who virtual patients are); `two_arm.py` has plain exponential trials; `docs/methods/` equations.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.simulation.calibration import calibrate, compare, load_posterior, predict_hold_outs
    from flarefree.simulation.characteristics import OperatingCharacteristics
    from flarefree.simulation.cohort import Cohort, draw_cohort
    from flarefree.simulation.design import Design, design_of
    from flarefree.simulation.looks import Looks
    from flarefree.simulation.measuring import MEASURES, measure
    from flarefree.simulation.parameters import TREATMENTS, Parameters, Treatment, treatments_of
    from flarefree.simulation.simulating import simulate
    from flarefree.simulation.streams import Purpose, Streams
    from flarefree.simulation.two_arm import TwoArmDesign, TwoArmTrials, simulate_two_arm
    from flarefree.simulation.virtual_trial import write_virtual_study

__all__ = [
    "MEASURES",
    "TREATMENTS",
    "Cohort",
    "Design",
    "Looks",
    "OperatingCharacteristics",
    "Parameters",
    "Purpose",
    "Streams",
    "Treatment",
    "TwoArmDesign",
    "TwoArmTrials",
    "calibrate",
    "compare",
    "design_of",
    "draw_cohort",
    "load_posterior",
    "measure",
    "predict_hold_outs",
    "simulate",
    "simulate_two_arm",
    "treatments_of",
    "write_virtual_study",
]

_HOME = {
    "calibrate": "calibration",
    "compare": "calibration",
    "load_posterior": "calibration",
    "predict_hold_outs": "calibration",
    "MEASURES": "measuring",
    "TREATMENTS": "parameters",
    "Cohort": "cohort",
    "Design": "design",
    "Looks": "looks",
    "OperatingCharacteristics": "characteristics",
    "Parameters": "parameters",
    "Purpose": "streams",
    "Streams": "streams",
    "Treatment": "parameters",
    "TwoArmDesign": "two_arm",
    "TwoArmTrials": "two_arm",
    "design_of": "design",
    "draw_cohort": "cohort",
    "measure": "measuring",
    "simulate": "simulating",
    "treatments_of": "parameters",
    "simulate_two_arm": "two_arm",
    "write_virtual_study": "virtual_trial",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.simulation.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
