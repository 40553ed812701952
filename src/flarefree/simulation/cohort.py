"""Virtual patients: who they are, and when things happen to them, before anybody looks.

A patient is a function of its address (seed, trial, patient): adding patients, trials or months changes
nobody.  The course behind it is in continuous time and knows no visits; `measuring.py` looks at it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.errors import DesignError
from flarefree.simulation._conduct_kernels import draw_conduct, study_days
from flarefree.simulation._course_kernels import (
    ARM,
    ARM_COLUMNS,
    EVENTS,
    NEVER,
    STATE,
    Course,
    draw_flares,
    draw_patients,
)
from flarefree.simulation._finding_kernels import draw_extrarenal
from flarefree.simulation.baseline import (
    POPULATIONS,
    Population,
    assumed_factor,
    draw_baseline,
    thresholds,
)
from flarefree.simulation.covariates import Covariates
from flarefree.simulation.parameters import Parameters, Treatment
from flarefree.simulation.streams import Purpose, Streams
from flarefree.studytime import DAYS_PER_MONTH

__all__ = ["NO_DAY", "REASONS", "Cohort", "draw_cohort"]

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]

NO_DAY = 2**31 - 1
"""The day of what never happens."""

REASONS = (
    "ADVERSE EVENT",
    "WITHDRAWAL BY SUBJECT",
    "LOST TO FOLLOW-UP",
    "PROTOCOL DEVIATION",
    "PHYSICIAN DECISION",
)
"""Reasons of withdrawal, as a disposition says them; `Cohort.dropout_reason` are indices into these."""

ARM_SHIFT = 24


@dataclass(frozen=True, slots=True)
class Cohort:
    """Virtual patients of some trials, row by row; arrays have shape (n,) unless said otherwise.

    Attributes
    ----------
    trial, patient : uint32
        Address: number of the trial, and of the patient (arm << 24 | index, or the index alone where the
        same people are under every treatment).
    arm : int16
        Index into `treatments`.
    index : int32
        Number within trial and arm.
    state : (22, n) float64
        Latent values by `flarefree.simulation._course_kernels.STATE`.
    first_flare : (n + 1,) int64
        Flares of row i are columns `first_flare[i]` to `first_flare[i + 1]` of `flares`, (5, m).
    first_extrarenal : (n + 1,) int64
        The same of major flares outside the kidney: `extrarenal_time` (days), `extrarenal_kind`.
    z : (11, n) float64
        Normals under the margins, by `flarefree.simulation.baseline.CORRELATED`.
    """

    streams: Streams
    parameters: Parameters
    treatments: tuple[Treatment, ...]
    population: Population
    horizon_day: int
    trial: npt.NDArray[np.uint32]
    patient: npt.NDArray[np.uint32]
    arm: npt.NDArray[np.int16]
    index: npt.NDArray[np.int32]
    state: Floats
    first_flare: npt.NDArray[np.int64]
    flares: Floats
    first_extrarenal: npt.NDArray[np.int64]
    extrarenal_time: Floats
    extrarenal_kind: npt.NDArray[np.int64]
    z: Floats
    cell: npt.NDArray[np.int16]
    is_male: npt.NDArray[np.bool_]
    age: Floats
    _kept: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.trial)

    @property
    def death_day(self) -> Days:
        """Study day of death of any cause; `NO_DAY` where none."""
        return self._keep("death", lambda: _days(self.state[STATE.death]))

    @property
    def dropout_day(self) -> Days:
        """Study day of a withdrawal that is no treatment failure, if nothing else comes first."""
        return self._keep("dropout", lambda: _days(self.state[STATE.withdrawal]))

    @property
    def esrd_day(self) -> Days:
        """Study day on which dialysis begins; `NO_DAY` where none by the horizon."""
        return self._keep("esrd", lambda: _days(self.state[STATE.esrd]))

    @property
    def leukopenia_day(self) -> Days:
        """Study day of the first leukopenia, which cuts the dose for a while."""
        return _days(self.state[STATE.leukopenia])

    @property
    def liver_day(self) -> Days:
        """Study day of the first liver dysfunction."""
        return _days(self.state[STATE.liver])

    @property
    def dropout_reason(self) -> npt.NDArray[np.int8]:
        """Index into `REASONS` of the reason given at `dropout_day`."""
        return self._keep("dropout_reason", self._reasons)

    @property
    def failure_is_adverse_event(self) -> npt.NDArray[np.bool_]:
        """Whether a withdrawal at treatment failure is labeled an adverse event."""
        return self._keep("failure", lambda: self._uniforms(5)[:, 1] < self._number("ae_label_failure"))

    @property
    def entry_day(self) -> Days:
        """Calendar day of enrollment, from 0 for the first day on which the trial enrolls."""
        return self._keep("entry", self._entries)

    @property
    def site(self) -> npt.NDArray[np.int16]:
        """Number of the center, from 0."""
        return self._keep("site", self._sites)

    @property
    def covariates(self) -> Mapping[str, npt.NDArray[Any]]:
        """What is recorded at entry, by name, each made when first asked for."""
        return Covariates(self)

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> Cohort:
        """The cohort of some rows only."""
        first, flares = _take_ragged(self.first_flare, self.flares, rows)
        x_first, x = _take_ragged(
            self.first_extrarenal, np.stack([self.extrarenal_time, self.extrarenal_kind.astype(float)]), rows
        )
        return dataclasses.replace(
            self,
            trial=self.trial[rows],
            patient=self.patient[rows],
            arm=self.arm[rows],
            index=self.index[rows],
            state=np.ascontiguousarray(self.state[:, rows]),
            first_flare=first,
            flares=flares,
            first_extrarenal=x_first,
            extrarenal_time=x[0],
            extrarenal_kind=x[1].astype(np.int64),
            z=np.ascontiguousarray(self.z[:, rows]),
            cell=self.cell[rows],
            is_male=self.is_male[rows],
            age=self.age[rows],
            _kept={},
        )

    def _keep(self, name: str, make: Any) -> Any:
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def _uniforms(self, block: int) -> Floats:
        """Four uniform numbers of each patient's block, shape (n, 4)."""
        words = self.streams.words(self.trial, self.patient, block, int(Purpose.PATIENT))
        return (words.astype(np.float64) + 0.5) / 2.0**32

    def reasons_of(
        self, rows: npt.NDArray[np.integer[Any]]
    ) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
        """`dropout_reason` and `failure_is_adverse_event` of some rows only."""
        u, block = np.empty((rows.size, 4)), np.full(rows.size, 5, dtype=np.int32)
        draw_conduct(
            self.trial[rows], self.patient[rows], block, np.uint64(Purpose.PATIENT), *self.streams.key, u
        )
        return self._reason(u[:, 0]), u[:, 1] < self._number("ae_label_failure")

    def _reasons(self) -> npt.NDArray[np.int8]:
        return self._reason(self._uniforms(5)[:, 0])

    def _reason(self, u: Floats) -> npt.NDArray[np.int8]:
        share = self._number("ae_label_other")
        other = (u - share) / max(1.0 - share, 1e-12)
        ends = np.cumsum(self.population.other_reasons)[:-1]
        return np.where(u < share, 0, 1 + np.searchsorted(ends, other, side="right")).astype(np.int8)

    def _number(self, name: str) -> float:
        return float(getattr(self.parameters, self.population.field_of(name)))

    def _entries(self) -> Days:
        opens = np.array([self.population.openings[c.region][0] for c in self.population.cells])[self.cell]
        part = opens + (1.0 - opens) * self._uniforms(4)[:, 0]
        return np.floor(part * self.population.accrual_days).astype(np.int32)

    def _sites(self) -> npt.NDArray[np.int16]:
        """Centers of a region, numbered one after another; the first enroll most."""
        people = self.population
        centers = {region: count for region, (_, count) in people.openings.items()}
        start = dict(zip(centers, np.cumsum([0, *centers.values()]).tolist(), strict=False))
        first = np.array([start[c.region] for c in people.cells])[self.cell]
        count = np.array([centers[c.region] for c in people.cells])[self.cell]
        u = self._uniforms(4)[:, 1]
        return (first + np.floor(count * u * np.sqrt(u))).astype(np.int16)


def draw_cohort(
    parameters: Parameters,
    treatments: tuple[Treatment, ...],
    streams: Streams,
    *,
    trials: range,
    sizes: tuple[int, ...],
    population: str | Population = "ALMS",
    horizon_day: int,
    shared_patients: bool = False,
) -> Cohort:
    """Draw the patients of some trials, and what happens to them up to a day.

    Parameters
    ----------
    parameters : Parameters
    treatments : tuple of Treatment
        One for each arm.
    streams : Streams
        Random numbers by address.
    trials : range
        Numbers of the trials.
    sizes : tuple of int
        Patients of each arm.
    population : str or Population
        "ALMS", "multitarget", or one of your own.
    horizon_day : int
        Study day up to which flares are drawn; a later one adds flares and changes none.
    shared_patients : bool
        The same people under every treatment: patient k of each arm is one person.

    Returns
    -------
    Cohort
        Rows by trial, then arm, then patient.

    Raises
    ------
    DesignError
        Sizes, trials or the horizon make no sense.
    """
    _require_design(treatments, trials, sizes, horizon_day)
    people = _population(population)
    trial, arm, index = _addresses(trials, sizes)
    word = index.astype(np.uint32)
    if not shared_patients:
        word |= arm.astype(np.uint32) << np.uint32(ARM_SHIFT)
    n, key = len(trial), np.array(streams.key, dtype=np.uint64)
    z, cell, is_male = np.empty((11, n)), np.empty(n, np.int16), np.empty(n, np.bool_)
    age, creatinine, limit = np.empty(n), np.empty(n), np.empty(n)
    cells = people.cells
    ends = np.cumsum([c.count for c in cells]) / sum(c.count for c in cells)
    is_black = np.array(["BLACK" in c.race for c in cells])
    class_v = float(thresholds(people.classes)[-1])
    draw_baseline(
        trial, word, assumed_factor(), ends, is_black, people.male,
        np.array(people.age_log), np.array(people.age_limits), np.array(people.creatinine),
        int(Purpose.PATIENT), key, z, cell, is_male, age, creatinine, limit,
        parameters.esrd_egfr, parameters.esrd_rise,
    )  # fmt: skip
    course, arms = _course(parameters, people), _arms(parameters, treatments, people)
    state = np.empty((len(STATE), n))
    draw_patients(
        trial, word, arm, arms, z, creatinine, is_black[cell], age, class_v, course,
        int(Purpose.PATIENT), key, state,
    )  # fmt: skip
    horizon = float(horizon_day)
    first, flares = _grown(
        n, 5,
        lambda first, events: draw_flares(
            trial, word, arm, arms, state, limit, horizon, course, int(Purpose.FLARE), key, first, events
        ),
    )  # fmt: skip
    rate = float(getattr(parameters, people.field_of("extrarenal"))) / 365.25
    x_first, x = _grown(
        n, 2,
        lambda first, x: draw_extrarenal(
            trial, word, rate, horizon, int(Purpose.EXTRARENAL), key, first, x[0], x[1]
        ),
    )  # fmt: skip
    return Cohort(
        streams, parameters, tuple(treatments), people, horizon_day, trial, word, arm, index, state, first,
        flares, x_first, x[0], x[1].astype(np.int64), z, cell, is_male, age,
    )  # fmt: skip


def _grown(n: int, rows: int, draw: Any) -> tuple[npt.NDArray[np.int64], Floats]:
    """Ragged events: drawn again into twice the room where they did not fit."""
    first, room = np.empty(n + 1, dtype=np.int64), max(64, 2 * n)
    while True:
        events = np.empty((rows, room))
        count = draw(first, events)
        if count >= 0:
            return first, np.ascontiguousarray(events[:, :count])
        room *= 2


def _take_ragged(
    first: npt.NDArray[np.int64], values: Floats, rows: npt.NDArray[np.integer[Any]]
) -> tuple[npt.NDArray[np.int64], Floats]:
    counts = np.diff(first)[rows]
    start = np.concatenate([[0], np.cumsum(counts)])
    at = np.repeat(first[:-1][rows] - start[:-1], counts) + np.arange(start[-1])
    return start, np.ascontiguousarray(values[:, at])


def _require_design(
    treatments: tuple[Treatment, ...], trials: range, sizes: tuple[int, ...], horizon_day: int
) -> None:
    if len(sizes) != len(treatments) or not sizes:
        raise DesignError(
            "arms and sizes do not go together",
            where="sizes",
            found=f"{len(sizes)} sizes for {len(treatments)} treatments",
            expected="one size for each treatment",
        )
    if min(sizes) < 0 or max(sizes) >= 1 << ARM_SHIFT or len(sizes) > 255 or sum(sizes) == 0:
        raise DesignError(
            "not a number of patients",
            where="sizes",
            found=str(sizes),
            expected="0 to 16,777,215 an arm, some",
        )
    if len(trials) == 0 or trials.step != 1 or trials.start < 0 or trials.stop > 2**32:
        raise DesignError(
            "not a range of trials", where="trials", found=str(trials), expected="range(first, last + 1)"
        )
    if not 1 <= horizon_day <= 200_000:
        raise DesignError(
            "not a horizon", where="horizon_day", found=str(horizon_day), expected="a study day from 1"
        )


def _population(asked: str | Population) -> Population:
    if isinstance(asked, Population):
        return asked
    if asked in POPULATIONS:
        return POPULATIONS[asked]
    raise DesignError(
        "no such population of virtual patients",
        where="population",
        found=asked,
        expected=" or ".join(POPULATIONS),
    )


def _addresses(
    trials: range, sizes: tuple[int, ...]
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int16], npt.NDArray[np.int32]]:
    numbers: npt.NDArray[np.uint32] = np.arange(trials.start, trials.stop, dtype=np.int64).astype(np.uint32)
    return (np.repeat(numbers, sum(sizes)), *_in_trials(len(trials), sizes))


@lru_cache(maxsize=8)
def _in_trials(trials: int, sizes: tuple[int, ...]) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int32]]:
    """Arm, and number within it, of all patients of some trials."""
    arm = np.repeat(np.arange(len(sizes), dtype=np.int16), sizes)
    index = np.concatenate([np.arange(s, dtype=np.int32) for s in sizes])
    every = np.tile(arm, trials), np.tile(index, trials)
    for one in every:
        one.flags.writeable = False
    return every


def _course(p: Parameters, people: Population) -> Course:
    mean, sd = people.up_log
    own = sd**2 - p.sigma_o**2 - p.sigma_e**2
    if own <= 0:
        raise DesignError(
            "proteinuria wanders or errs more than it varies between patients at entry",
            where="sigma_o, sigma_e",
            found=f"{p.sigma_o:g}, {p.sigma_e:g}",
            expected=f"together a variance below {sd**2:.3g}",
        )
    xi_mean = float(getattr(p, people.field_of("xi_mean")))
    return Course(
        omega=p.omega, beta_cr=p.beta_cr, beta_dose=p.beta_dose, beta_black=p.beta_black,
        beta_age=p.beta_age, beta_class_v=p.beta_class_v, up_mean=mean, up_sd=math.sqrt(own),
        xi_mean=xi_mean, xi_sd=p.xi_sd, xi_on_entry=p.xi_on_entry, slope_mean=p.slope_mean_per_year,
        slope_sd=p.slope_sd_per_year, h_sediment=p.h_sediment_per_month, low_dose=max(p.low_dose, 1e-12),
        high_dose=max(float(getattr(p, people.field_of("high_dose"))), 1e-12),
        ae_frailty=p.ae_frailty, cut_days=p.cut_days, cut_to=p.cut_to, gamma_ae=p.gamma_ae, death=p.death,
        jump_mean=p.jump_mean, jump_sd=p.jump_sd, jump_least=p.jump_least, q_nephritic=p.q_nephritic,
        q_sediment=max(p.q_sediment, 1e-12), step_median=p.step_median, step_spread=p.step_spread,
        q_severe=p.q_severe, severe_median=p.severe_slope_median, severe_spread=p.severe_slope_spread,
        severe_days=p.severe_months * DAYS_PER_MONTH, step_stays=p.step_stays,
        step_fade=p.step_fade_months * DAYS_PER_MONTH,
    )  # fmt: skip


def _arms(p: Parameters, treatments: tuple[Treatment, ...], people: Population) -> Floats:
    table = np.zeros((len(treatments), ARM_COLUMNS))
    factor = p.trial_factor * (float(getattr(p, people.factor_of)) if people.factor_of else 1.0)
    for row, t in zip(table, treatments, strict=True):
        shift, sediment = people.complete_by_arm.get(t.name, (0.0, people.sediment))
        row[ARM.flare_rate] = t.flare_rate(p) * factor
        row[ARM.withdrawal] = t.withdrawal_rate(p, people.field_of(t.withdrawals))
        row[ARM.leukopenia] = getattr(p, people.field_of(t.leukopenia))
        row[ARM.liver] = getattr(p, people.field_of(t.liver))
        row[ARM.adherence], row[ARM.up_shift], row[ARM.sediment] = t.adherence, shift, sediment
    return table


def _days(elapsed: Floats) -> Days:
    """Study days of times: what happens during day 1 is on day 1; `NO_DAY` where never."""
    days = np.empty(elapsed.size, dtype=np.int32)
    study_days(elapsed, NEVER, np.int32(NO_DAY), days)
    return days


assert len(EVENTS) == 5
