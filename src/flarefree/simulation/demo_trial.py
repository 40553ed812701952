"""The demo's trial: one of ALMS, chosen by a rule and not by its result.

It is the trial of the usual seed whose number is the trial's own registration number (NCT00377637).  Its
files are recorded as real ones are: some values are missing, one center writes other units, and three rows
are odd (`oddities.py`).
"""

from __future__ import annotations

from pathlib import Path

from flarefree.protocol.loading import load_protocol
from flarefree.simulation.design import design_of
from flarefree.simulation.oddities import add_oddities
from flarefree.simulation.recording import Recording
from flarefree.simulation.simulating import DEFAULT_SEED
from flarefree.simulation.study_files import write_study_files
from flarefree.simulation.virtual_trial import VirtualTrial, draw_virtual_trial

__all__ = ["DEFAULT_PATIENTS", "DEFAULT_SEED", "draw_demo_trial", "write_demo_study"]

PROTOCOL = "alms-maintenance"
DEFAULT_PATIENTS = 227
_MISSING = 0.01
_SI_CENTER = "GBR01"


def write_demo_study(
    folder: Path | str, *, patients: int = DEFAULT_PATIENTS, seed: int = DEFAULT_SEED
) -> Path:
    """Write the demo's virtual trial as a study folder.

    Parameters
    ----------
    folder : path
        Made if it does not exist.
    patients : int
        At least 2; they are shared out between the arms as those of ALMS were.
    seed : int
        The same seed gives the same bytes.

    Returns
    -------
    path
        The folder.
    """
    return write_study_files(Path(folder), draw_demo_trial(patients=patients, seed=seed), add_oddities)


def draw_demo_trial(*, patients: int = DEFAULT_PATIENTS, seed: int = DEFAULT_SEED) -> VirtualTrial:
    """Draw the demo's trial."""
    protocol = load_protocol(PROTOCOL)
    usual = design_of(protocol)
    first = min(max(round(patients * usual.sizes[0] / usual.n), 1), patients - 1)
    sizes = dict(zip(usual.arms, (first, patients - first), strict=True))
    design = design_of(protocol, {f"n.{arm}": n for arm, n in sizes.items()})
    number = int(protocol.spec.registration.removeprefix("NCT"))
    return draw_virtual_trial(
        protocol, design=design, seed=seed, trial=number, recording=Recording(_MISSING, _SI_CENTER)
    )
