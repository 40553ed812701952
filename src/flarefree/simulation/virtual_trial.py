"""One virtual trial as a study folder: the patients of a batched trial, as rows that are read like anybody's.

The trial is drawn, asked and followed by the batched engine (`tiles.py`); here it becomes the tables of a
study.  So `derive` finds of every written patient what the engine found, and a trial that stands out among
ten thousand can be looked at row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flarefree.errors import DesignError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.simulation.asking import Question, ask
from flarefree.simulation.consequences import Consequences
from flarefree.simulation.design import Design, design_of
from flarefree.simulation.enrollment import Enrollment, enroll
from flarefree.simulation.measuring import MEASURES
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.recipes import draw_number
from flarefree.simulation.recording import Recording
from flarefree.simulation.simulating import DEFAULT_SEED, draws_of
from flarefree.simulation.specimens import WITHDRAWAL_REASONS
from flarefree.simulation.streams import require_whole
from flarefree.simulation.tiles import Asker, Tile
from flarefree.units import is_convertible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flarefree.simulation.cohort import Cohort
    from flarefree.simulation.outcomes import Outcomes

__all__ = ["VirtualTrial", "draw_virtual_trial", "write_virtual_study"]

Ints32 = npt.NDArray[np.int32]

_LAST_TRIAL = 2**31 - 1
_COMPLETED = "COMPLETED"


@dataclass(frozen=True)
class VirtualTrial:
    """One virtual trial, drawn and followed to its end.

    Attributes
    ----------
    protocol : LoadedProtocol
    design : Design
    question : Question
        What was asked of it.
    tile : Tile
        Its patients, arm by arm, and what became of them.
    enrolled : Enrollment
        Their names and dates.
    recording : Recording
    seed, trial : int
    """

    protocol: LoadedProtocol
    design: Design
    question: Question
    tile: Tile
    enrolled: Enrollment
    recording: Recording
    seed: int
    trial: int

    @property
    def cohort(self) -> Cohort:
        """The patients."""
        return self.tile.cohort

    @property
    def outcomes(self) -> Outcomes:
        """What the engine found."""
        return self.tile.outcomes[0]

    @property
    def done(self) -> Consequences:
        """What people did."""
        return self.outcomes.consequences

    @property
    def end_days(self) -> Ints32:
        """Last study day of participation: (n,)."""
        return self.done.end_days

    @cached_property
    def reasons(self) -> npt.NDArray[np.str_]:
        """How participation ended, as a disposition says it: (n,)."""
        return np.array([*WITHDRAWAL_REASONS, _COMPLETED])[self.done.reasons]  # completed is -1, the last

    @cached_property
    def death_days(self) -> Ints32:
        """Study day of death where participation ended so, else 0: (n,)."""
        return np.where(self.reasons == "DEATH", self.end_days, 0).astype(np.int32)


def write_virtual_study(
    folder: Path | str,
    protocol: LoadedProtocol | str,
    *,
    design: Design | None = None,
    seed: int = DEFAULT_SEED,
    trial: int = 0,
    parameters: Parameters | Sequence[Parameters] | str | None = None,
    endpoint: str | None = None,
    recording: Recording | None = None,
) -> Path:
    """Write one virtual trial as a study folder that `flarefree analyze` takes.

    Parameters
    ----------
    folder : path
        Made if it does not exist; an earlier study's tables in it are replaced.
    protocol : LoadedProtocol or str
        A protocol, its name, or its file.  One that is not built in is copied into the folder.
    design : Design
        As `flarefree.simulation.design_of` gives it; the protocol's own without it.
    seed : int
        From 0 to 2^64 - 1; the same seed gives the same bytes.
    trial : int
        Which of the seed's trials: the same patients as trial `trial` of `simulate`.
    parameters : Parameters, sequence of Parameters, or "posterior", optional
        As for `simulate`.
    endpoint : str, optional
        As for `simulate`; patients leave at it where the protocol has no primary endpoint.
    recording : Recording, optional
        What files lack or write otherwise; nothing without it.

    Returns
    -------
    path
        The folder.

    Raises
    ------
    DesignError, NotFoundError
        A design, seed, trial or endpoint that makes no sense, or an arm whose drugs nobody knows.
    OutputError
        The folder cannot be written.

    Notes
    -----
    What each table holds: docs/methods/virtual-study.md.
    """
    from flarefree.simulation.study_files import write_study_files

    drawn = draw_virtual_trial(
        protocol, design=design, seed=seed, trial=trial, parameters=parameters, endpoint=endpoint,
        recording=recording,
    )  # fmt: skip
    return write_study_files(Path(folder), drawn)


def draw_virtual_trial(
    protocol: LoadedProtocol | str,
    *,
    design: Design | None = None,
    seed: int = DEFAULT_SEED,
    trial: int = 0,
    parameters: Parameters | Sequence[Parameters] | str | None = None,
    endpoint: str | None = None,
    recording: Recording | None = None,
) -> VirtualTrial:
    """Draw and follow one virtual trial; see `write_virtual_study`."""
    from flarefree.protocol.loading import load_protocol

    require_whole(seed, "seed", 0, 2**64 - 1)
    require_whole(trial, "trial", 0, _LAST_TRIAL)
    loaded = protocol if isinstance(protocol, LoadedProtocol) else load_protocol(protocol)
    draws = draws_of(parameters)
    asked = design if design is not None else design_of(loaded, parameters=draws[0])
    question = question_of(loaded, endpoint)
    recorded = recording or Recording()
    asker = Asker((question,), asked, seed, also=_measures(loaded), recording=recorded)
    tile = asker.ask(range(trial, trial + 1), draws[draw_number(trial, len(draws))])
    enrolled = enroll(tile.cohort, asked.accrual_months)
    return VirtualTrial(loaded, asked, question, tile, enrolled, recorded, seed, trial)


def question_of(protocol: LoadedProtocol, endpoint: str | None = None) -> Question:
    """All that virtual patients can be asked of a protocol.

    An endpoint that needs records which only the written study has (adverse events, history) is left to
    whoever analyzes the study, unless patients leave at it.
    """
    try:
        return ask(protocol, endpoint=endpoint)
    except DesignError:
        able = [name for name in protocol.order if _can_be_asked(protocol, name)]
        return ask(protocol, endpoint=endpoint, asked=able)


def _can_be_asked(protocol: LoadedProtocol, name: str) -> bool:
    if protocol.spec.endpoints[name].kind not in ("event", "composite"):
        return False
    try:
        ask(protocol, endpoint=name, ends_at=name, asked=[name])
    except DesignError:
        return False
    return True


def _measures(protocol: LoadedProtocol) -> tuple[str, ...]:
    """Measures of a protocol that virtual patients have and a file can hold."""
    found = []
    for name, spec in protocol.spec.measures.items():
        if name not in MEASURES or spec.equation or spec.score or spec.type == "text":
            continue
        if not MEASURES[name] or not spec.unit or is_convertible(MEASURES[name], spec.unit, name):
            found.append(name)
    return tuple(found)
