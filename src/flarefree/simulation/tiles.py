"""One tile of virtual trials: drawn, measured, asked, and followed; arrays in, outcomes out.

A tile is some trials of one design under one set of parameters.  Nothing of a tile is kept but what
`engine.py` summarizes, and nothing of it depends on which other trials are in it.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.endpoints.covariates import is_black
from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.kernels import TRUE
from flarefree.endpoints.panel import Panel, PanelColumn
from flarefree.endpoints.resting import Resting
from flarefree.errors import DesignError
from flarefree.protocol.language.messages import suggest
from flarefree.protocol.language.nodes import Node
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.schema import MeasureSpec
from flarefree.simulation._egfr_kernels import egfr_of
from flarefree.simulation.asking import Question
from flarefree.simulation.cohort import Cohort, draw_cohort
from flarefree.simulation.consequences import draw_consequences
from flarefree.simulation.design import Design
from flarefree.simulation.measuring import ACTIVITY, MEASURES, Report, measure
from flarefree.simulation.outcomes import Outcomes, derive_outcomes, find_all_onsets
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.recording import Recording, highest_possible
from flarefree.simulation.streams import Streams
from flarefree.units import convert

__all__ = ["Asker", "Tile", "require_measures"]

Ints32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tile:
    """Some trials, answered.

    Attributes
    ----------
    cohort : Cohort
        Trial by trial, arm by arm.
    panel : Panel
        All visits, as if nobody had left.
    outcomes : tuple of Outcomes
        One for each question.
    """

    cohort: Cohort
    panel: Panel
    outcomes: tuple[Outcomes, ...]


@dataclass(slots=True)
class Asker:
    """Puts questions to virtual trials of one design.

    Parameters
    ----------
    questions : sequence of Question
        All of protocols with the same arms and measures.
    design : Design
    seed : int
    also : tuple of str
        Measures to take though no sentence asks for them.
    reuses_room : bool
        A tile's measurements are written over by the next; fresh memory costs as much as measuring.
    recording : Recording, optional
        What files hold of the measurements; all of them without it.
    """

    questions: Sequence[Question]
    design: Design
    seed: int
    also: tuple[str, ...] = ()
    reuses_room: bool = False
    recording: Recording | None = None
    _room: dict[str, Floats] | None = None
    _restings: list[dict[Node, Resting]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._restings = [{} for _ in self.questions]
        self._room = {} if self.reuses_room else None
        require_measures(self.questions)

    @property
    def measures(self) -> tuple[str, ...]:
        """Measures that are taken at visits, in the protocol's order."""
        wanted = {name for question in self.questions for name in question.measures} | set(self.also)
        return tuple(name for name in self.protocol.spec.measures if name in wanted)

    @property
    def protocol(self) -> LoadedProtocol:
        """The first question's."""
        return self.questions[0].protocol

    def ask(self, trials: range, given: Parameters) -> Tile:
        """Draw some trials and put all questions to them."""
        design, streams = self.design, Streams(self.seed)
        parameters = design.parameters(given)
        cohort = draw_cohort(
            parameters,
            design.treatments,
            streams,
            trials=trials,
            sizes=design.sizes,
            population=design.population,
            horizon_day=design.horizon_day,
            shared_patients=design.shared_patients,
        )
        days, visits = _regular(cohort.patient.size, design.visit_days, design.visit_codes)
        grid = days.reshape(cohort.patient.size, -1)
        names = (*self.measures, ACTIVITY)
        values = measured(cohort, grid, names, self.protocol, self._room, self.recording)
        activity = values.pop(ACTIVITY).reshape(-1)
        panel = _panel(grid.shape, days, visits, values, self._covariates(cohort))
        outcomes = tuple(
            self._answer(k, question, cohort, panel, activity, parameters, streams)
            for k, question in enumerate(self.questions)
        )
        return Tile(cohort, panel, outcomes)

    def _answer(
        self,
        k: int,
        question: Question,
        cohort: Cohort,
        panel: Panel,
        activity: Floats,
        parameters: Parameters,
        streams: Streams,
    ) -> Outcomes:
        evaluator = self._evaluator(k, panel)
        if question.confirmations:
            panel, activity = self._with_reassessments(question, evaluator, cohort, panel, activity)
            evaluator = self._evaluator(k, panel)
        found = find_all_onsets(question, evaluator)
        consequences = draw_consequences(
            question,
            cohort,
            found,
            parameters,
            streams,
            horizon_day=self.design.horizon_day,
            strictness=self.design.strictness,
            activity=activity,
        )
        return derive_outcomes(question, evaluator, consequences)

    def _evaluator(self, k: int, panel: Panel) -> Evaluator:
        question = self.questions[k]
        return Evaluator(panel, question.context, restings=self._restings[k], expected=question.comparisons)

    def _covariates(self, cohort: Cohort) -> dict[str, Any]:
        wanted = dict.fromkeys(name for question in self.questions for name in question.covariates)
        return {name: in_words_of(self.protocol, name, cohort.covariates[name]) for name in wanted}

    def _with_reassessments(
        self, question: Question, evaluator: Evaluator, cohort: Cohort, panel: Panel, activity: Floats
    ) -> tuple[Panel, Floats]:
        """The panel, and activity, with an assessment some days after whatever awaits confirmation."""
        after: list[npt.NDArray[np.int64]] = []
        for node, first_day in question.confirmations:
            at = np.flatnonzero((evaluator.verdicts(node.operand) == TRUE) & (panel.days >= first_day))
            gap = node.first_day if self.design.confirmation_days is None else self.design.confirmation_days
            after.append(evaluator.subject[at].astype(np.int64) * 2**32 + panel.days[at] + gap)
        keys = np.unique(np.concatenate(after))
        scheduled = evaluator.subject.astype(np.int64) * 2**32 + panel.days
        keys = keys[~np.isin(keys, scheduled)]
        if not keys.size:
            return panel, activity
        who, days = (keys >> 32).astype(np.int64), (keys & (2**32 - 1)).astype(np.int32)
        names = (*self.measures, ACTIVITY)
        extra = measured(cohort.take(who), days[:, None], names, self.protocol, recording=self.recording)
        order = np.argsort(np.concatenate([scheduled, keys]), kind="stable")
        every_day = np.concatenate([panel.days, days])[order]
        counts = np.diff(panel.offsets) + np.bincount(who, minlength=panel.n_subjects)
        no_rows = np.full(every_day.size, -1, dtype=np.int64)
        columns = {
            name: PanelColumn(np.concatenate([column.values, extra[name].ravel()])[order], every_day, no_rows)
            for name, column in panel.columns.items()
        }
        merged = Panel(
            panel.subjects,
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            every_day,
            np.concatenate([panel.visits, np.full(days.size, -1, np.int32)])[order],
            columns,
            panel.covariates,
        )
        return merged, np.concatenate([activity, extra[ACTIVITY].ravel()])[order]


def in_words_of(protocol: LoadedProtocol, name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A characteristic as the protocol names its levels: text as objects, numbers as they are."""
    if values.dtype.kind not in "US":
        return values
    spec = protocol.spec.covariates.get(name)
    level_of = (
        {code.casefold(): level for level, codes in spec.levels.items() for code in codes} if spec else {}
    )
    words, which = np.unique(values, return_inverse=True)
    named = [level_of.get(word.casefold(), word) for word in words.tolist()]
    return np.array(named, dtype=object)[which]


def measured(
    cohort: Cohort,
    days: Ints32,
    names: Sequence[str],
    protocol: LoadedProtocol,
    room: MutableMapping[str, Floats] | None = None,
    recording: Recording | None = None,
) -> dict[str, Floats]:
    """Measures on some days, as the protocol's laboratory reports them, and latent activity: each (n, v).

    A reported value is in the protocol's unit and rounded to the protocol's digits; sentences see no other.
    """
    spec = protocol.spec.measures
    computed = [name for name in names if name != ACTIVITY and spec[name].equation]
    wanted = [name for name in names if name not in computed]
    if computed and "creatinine" not in wanted:
        wanted.append("creatinine")
    reported = {name: _reported(name, spec[name]) for name in wanted if name in spec}
    values = measure(cohort, days, tuple(wanted), into=room, compact=True, reported=reported)
    if recording is not None:
        recording.apply(cohort, days, values, spec)
    for name in computed:
        unit = spec["creatinine"].unit if "creatinine" in spec else MEASURES["creatinine"]
        factor = float(convert(1.0, unit, "mg/dL", "creatinine"))
        creatinine = values["creatinine"] if factor == 1.0 else values["creatinine"] * factor
        egfr = egfr_of(
            creatinine,
            cohort.covariates["age"],
            ~cohort.is_male,
            _is_black(cohort),
            spec[name].equation,
            _kept(name, days.shape, room),
        )
        if recording is not None:
            egfr[np.isnan(creatinine)] = np.nan  # the kernel's logarithm knows no missing values
        factor = convert(1.0, "mL/min/1.73 m2", spec[name].unit) if spec[name].unit else 1.0
        values[name] = egfr if factor == 1.0 else egfr * factor
    return {name: values[name] for name in names}


def _kept(name: str, shape: tuple[int, ...], room: MutableMapping[str, Floats] | None) -> Floats | None:
    """Where a computed measure stood in the tile before."""
    if room is not None and (name not in room or room[name].shape != shape):
        room[name] = np.empty(shape)
    return None if room is None else room[name]


_WHOLE = frozenset({"red_cells", "white_cells", "sledai"})
"""Counts, which are whole numbers already."""


def _reported(name: str, spec: MeasureSpec) -> Report:
    is_rounded = spec.type == "number" and spec.digits is not None and name not in _WHOLE
    scale = 10.0**spec.digits if is_rounded and spec.digits is not None else 0.0
    return Report(_to(name, spec.unit) if spec.unit else 1.0, scale, highest_possible(spec))


@lru_cache(maxsize=256)
def _to(name: str, unit: str) -> float:
    """What a value of the model is multiplied by to be in another unit."""
    return float(convert(1.0, MEASURES[name], unit, name)) if MEASURES[name] else 1.0


def _is_black(cohort: Cohort) -> npt.NDArray[np.int64]:
    """As the equations ask it: 1 for black patients."""
    of_cell = is_black(np.array([cell.race for cell in cohort.population.cells], dtype=object))
    return np.asarray(of_cell)[cohort.cell].astype(np.int64)


@lru_cache(maxsize=8)
def _regular(n: int, days: tuple[int, ...], codes: tuple[int, ...]) -> tuple[Ints32, Ints32]:
    """Days and visits of n patients who all have the same, flat."""
    every = np.tile(np.array(days, dtype=np.int32), n)
    visits = np.tile(np.array(codes, dtype=np.int32), n)
    every.flags.writeable = visits.flags.writeable = False
    return every, visits


@lru_cache(maxsize=8)
def _layout(n: int, v: int) -> tuple[Any, Any, Any]:
    return (
        np.arange(n).astype(object),
        np.arange(n + 1, dtype=np.int64) * v,
        np.full(n * v, -1, dtype=np.int64),
    )


def _panel(
    shape: tuple[int, ...],
    days: Ints32,
    visits: Ints32,
    values: Mapping[str, Floats],
    covariates: Mapping[str, Any],
) -> Panel:
    subjects, offsets, no_rows = _layout(shape[0], shape[1])
    columns = {name: PanelColumn(of.reshape(-1), days, no_rows) for name, of in values.items()}
    return Panel(subjects, offsets, days, visits, columns, covariates)


def require_measures(questions: Sequence[Question]) -> None:
    """Every measure that a sentence names must be one that virtual patients have."""
    for question in questions:
        spec = question.protocol.spec.measures
        for name in question.measures:
            if name not in MEASURES and not spec[name].equation:
                raise DesignError(
                    f"no virtual patient has {name}",
                    where=f"measures.{name}",
                    found=f"a sentence asks for {name}",
                    expected=", ".join(MEASURES),
                    try_=suggest(name, tuple(MEASURES)) or "ask for other endpoints: --endpoint NAME",
                )
