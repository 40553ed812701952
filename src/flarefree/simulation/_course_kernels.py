"""Who a virtual patient is and when things happen to it: flares, withdrawal, death, harm, kidney failure.

Patient by patient, from the patient's own blocks of random words; times are days since day 1 began
(`docs/methods/virtual-patients.md`, with the same letters).  What is measured of it: `_measure_kernels.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np

from flarefree.simulation._quantiles import normal32
from flarefree.simulation._random_kernels import exp, log, philox, uniform32

__all__ = ["ARM", "EVENTS", "STATE", "Course", "draw_flares", "draw_patients"]

MONTH = 30.4375
YEAR = 365.25
NEVER = 1e9


class Course(NamedTuple):
    """Numbers of `Parameters` and of the population that the kernels below need, in their units."""

    omega: float
    beta_cr: float
    beta_dose: float
    beta_black: float
    beta_age: float
    beta_class_v: float
    up_mean: float
    up_sd: float
    xi_mean: float
    xi_sd: float
    xi_on_entry: float
    slope_mean: float
    slope_sd: float
    h_sediment: float
    low_dose: float
    ae_frailty: float
    cut_days: float
    cut_to: float
    gamma_ae: float
    death: float
    jump_mean: float
    jump_sd: float
    jump_least: float
    q_nephritic: float
    q_sediment: float
    step_median: float
    step_spread: float
    q_severe: float
    severe_median: float
    severe_spread: float
    severe_days: float
    step_stays: float
    step_fade: float
    esrd_egfr: float
    esrd_log_rise: float


class Names(NamedTuple):
    """Columns of a table, by name."""

    flare_rate: int = 0
    withdrawal: int = 1
    leukopenia: int = 2
    liver: int = 3
    adherence: int = 4
    up_shift: int = 5
    sediment: int = 6


ARM = Names()
ARM_COLUMNS = len(ARM)


class State(NamedTuple):
    """Rows of the table of who patients are (one column a patient)."""

    x0: int = 0
    xi: int = 1
    frailty: int = 2
    dose: int = 3
    ae_tendency: int = 4
    creatinine: int = 5
    slope: int = 6
    upcr: int = 7
    c3: int = 8
    c4: int = 9
    dsdna: int = 10
    albumin: int = 11
    up_fell: int = 12
    creatinine_fell: int = 13
    sediment_until: int = 14
    red_level: int = 15
    death: int = 16
    withdrawal: int = 17
    leukopenia: int = 18
    liver: int = 19
    esrd: int = 20
    complete: int = 21


STATE = State()


class Events(NamedTuple):
    """Rows of the table of flares (one column a flare)."""

    time: int = 0
    jump: int = 1
    step: int = 2
    slope: int = 3
    sediment_until: int = 4


EVENTS = Events()
MOST_FLARES = 64


@nb.njit(cache=True, error_model="numpy", nogil=True)
def patient_words(
    first: Any, n: Any, block: Any, stream: Any, trial: Any, patient: Any, key: Any, out: Any
) -> Any:
    """Block `block` of patients `first` to `first + n`: four words each, `out` (4, n) uint32."""
    for i in range(n):
        a, b, c, d = philox(
            np.uint64(block), np.uint64(patient[first + i]), np.uint64(trial[first + i]), np.uint64(stream),
            key[0], key[1],
        )  # fmt: skip
        out[0, i] = np.uint32(a)
        out[1, i] = np.uint32(b)
        out[2, i] = np.uint32(c)
        out[3, i] = np.uint32(d)


@nb.njit(inline="always")
def _block(block: Any, patient: Any, trial: Any, stream: Any, key: Any) -> Any:
    return philox(np.uint64(block), np.uint64(patient), np.uint64(trial), np.uint64(stream), key[0], key[1])


@nb.njit(inline="always")
def _exponential(word: Any) -> Any:
    return -log(uniform32(word))


@nb.njit
def _after(target: Any, base: Any, more: Any, first: Any, second: Any, length: Any) -> Any:
    """When a hazard has run up to `target`: `base`, times `more` (added) within `length` of two times."""
    start, stop = min(first, second), max(first, second)
    at, left = 0.0, target
    for begin in (start, stop):
        begin = max(begin, at)
        if begin >= NEVER or left <= base * (begin - at):
            break
        left -= base * (begin - at)
        at = begin
        high = base + more
        if left <= high * length:
            return at + left / high
        left -= high * length
        at += length
    return at + left / base if base > 0.0 else NEVER


@nb.njit(cache=True, error_model="numpy", nogil=True)
def draw_patients(
    trial: Any, patient: Any, arm: Any, arms: Any, z: Any, creatinine: Any, is_black: Any, age: Any,
    is_class_v: Any, p: Any, stream: Any, key: Any, out: Any,
) -> Any:  # fmt: skip
    """Latent state of each patient; `z` (5, n) are the copula's normals of UP, ratio, C3, C4, dsDNA."""
    for i in range(trial.size):
        a = arm[i]
        w0, w1, w2, w3 = _block(8, patient[i], trial[i], stream, key)
        z_frailty, z_xi, z_slope, u_dose = normal32(w0), normal32(w1), normal32(w2), uniform32(w3)
        w4, w5, w6, w7 = _block(9, patient[i], trial[i], stream, key)
        v0, v1, v2, v3 = _block(10, patient[i], trial[i], stream, key)
        y0, y1, y2, y3 = _block(11, patient[i], trial[i], stream, key)

        x0 = p.up_mean + arms[a, ARM.up_shift] + p.up_sd * z[0, i]
        out[STATE.x0, i] = x0
        out[STATE.xi, i] = p.xi_mean + p.xi_on_entry * (x0 - p.up_mean) + p.xi_sd * z_xi
        out[STATE.upcr, i] = z[1, i]
        out[STATE.c3, i] = z[2, i]
        out[STATE.c4, i] = z[3, i]
        out[STATE.dsdna, i] = z[4, i]
        out[STATE.creatinine, i] = creatinine[i]
        out[STATE.slope, i] = (p.slope_mean + p.slope_sd * z_slope) / YEAR
        out[STATE.albumin, i] = normal32(w7)
        out[STATE.up_fell, i] = max(0.3, 1.8 + 0.6 * normal32(v0))
        out[STATE.creatinine_fell, i] = 0.12 + 0.22 * normal32(v1)
        out[STATE.red_level, i] = normal32(v2)

        u = uniform32(w4)
        share = arms[a, ARM.sediment]
        if u < share:
            until = -log(u / share) * MONTH / max(p.h_sediment, 1e-9)
        else:
            until = -168.0 * (u - share) / (1.0 - share)
        out[STATE.sediment_until, i] = until
        complete = x0 < -0.6931471805599453 and until <= 0.0
        out[STATE.complete, i] = 1.0 if complete else 0.0

        tendency = exp(p.ae_frailty * normal32(v3) - 0.5 * p.ae_frailty * p.ae_frailty)
        out[STATE.ae_tendency, i] = tendency
        leukopenia = _exponential(y0) * YEAR / max(arms[a, ARM.leukopenia] * tendency, 1e-9)
        liver = _exponential(y1) * YEAR / max(arms[a, ARM.liver] * tendency, 1e-9)
        out[STATE.leukopenia, i] = min(leukopenia, NEVER)
        out[STATE.liver, i] = min(liver, NEVER)

        dose = 1.0 if u_dose >= p.low_dose else 0.4 + 0.4 * u_dose / p.low_dose
        dose *= arms[a, ARM.adherence]
        out[STATE.dose, i] = dose
        log_hazard = (
            p.omega * z_frailty - 0.5 * p.omega * p.omega
            + (p.beta_cr if complete else 0.0)
            + p.beta_dose * (1.0 - dose)
            + (p.beta_black if is_black[i] else 0.0)
            + (p.beta_class_v if is_class_v[i] else 0.0)
            + p.beta_age * (age[i] - 31.0) / 10.0
        )  # fmt: skip
        out[STATE.frailty, i] = exp(min(max(log_hazard, -30.0), 30.0))
        death = _exponential(w5) * YEAR / max(p.death, 1e-9)
        out[STATE.death, i] = min(death, NEVER)
        leave = _after(
            _exponential(w6), arms[a, ARM.withdrawal] / YEAR, p.gamma_ae / YEAR, leukopenia, liver, 60.0
        )
        out[STATE.withdrawal, i] = min(leave, NEVER)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def draw_flares(
    trial: Any, patient: Any, arm: Any, arms: Any, state: Any, limit: Any, horizon: Any, p: Any,
    stream: Any, key: Any, first: Any, events: Any,
) -> Any:  # fmt: skip
    """Flares of each patient up to `horizon` days, and kidney failure; -1 where `events` is too small."""
    capacity = events.shape[1]
    count = 0
    for i in range(trial.size):
        first[i] = count
        base = arms[arm[i], ARM.flare_rate] / YEAR * state[STATE.frailty, i]
        cut = base * (exp(p.beta_dose * state[STATE.dose, i] * (1.0 - p.cut_to)) - 1.0)
        total = 0.0
        for k in range(MOST_FLARES):
            w0, w1, w2, w3 = _block(2 * k, patient[i], trial[i], stream, key)
            total += _exponential(w0)
            if total > (base + max(cut, 0.0)) * (horizon + 1.0) or base <= 0.0:
                break
            at = _after(total, base, cut, state[STATE.leukopenia, i], NEVER, p.cut_days)
            if at > horizon:
                break
            if count >= capacity:
                return -1
            s0, s1, s2, s3 = _block(2 * k + 1, patient[i], trial[i], stream, key)
            events[EVENTS.time, count] = at
            events[EVENTS.jump, count] = max(p.jump_least, p.jump_mean + p.jump_sd * normal32(w1))
            nephritic = uniform32(w2)
            events[EVENTS.step, count] = 0.0
            events[EVENTS.slope, count] = 0.0
            if nephritic < p.q_nephritic:
                events[EVENTS.step, count] = p.step_median * exp(p.step_spread * normal32(s0))
                if nephritic < p.q_nephritic * p.q_severe:
                    events[EVENTS.slope, count] = p.severe_median * exp(p.severe_spread * normal32(s1)) / YEAR
            sediment = uniform32(w3)
            events[EVENTS.sediment_until, count] = -NEVER
            if sediment < p.q_sediment:
                events[EVENTS.sediment_until, count] = at + min(
                    -log(sediment / p.q_sediment) * MONTH / max(p.h_sediment, 1e-9), NEVER
                )
            count += 1
        state[STATE.esrd, i] = _kidney_failure(i, first[i], count, state, events, limit[i], horizon, p)
    first[trial.size] = count
    return count


@nb.njit
def _kidney_failure(
    i: Any, begin: Any, end: Any, state: Any, events: Any, limit: Any, horizon: Any, p: Any
) -> Any:
    """When log creatinine first passes `limit`, looked for month by month after a flare that raised it."""
    raised = False
    for k in range(begin, end):
        raised = raised or events[EVENTS.step, k] > 0.0
    if not raised:
        return NEVER
    before, at = state[STATE.creatinine, i], 0.0
    while at < horizon:
        at += MONTH
        now = log_creatinine(at, i, begin, end, state, events, p.step_stays, p.step_fade, p.severe_days)
        if now >= limit:
            part = (limit - before) / (now - before) if now > before else 1.0
            failed = at - MONTH * (1.0 - max(part, 0.0))
            return failed if failed <= horizon else NEVER
        before = now
    return NEVER


@nb.njit
def log_creatinine(
    t: Any, i: Any, begin: Any, end: Any, state: Any, events: Any, stays: Any, fade: Any, lasts: Any
) -> Any:
    """True log creatinine at day `t` of maintenance (t >= 0), without calcineurin inhibitors."""
    g = state[STATE.creatinine, i] + state[STATE.slope, i] * t
    for k in range(begin, end):
        since = t - events[EVENTS.time, k]
        if since >= 0.0 and events[EVENTS.step, k] > 0.0:
            g += events[EVENTS.step, k] * (stays + (1.0 - stays) * exp(-since / fade))
            g += events[EVENTS.slope, k] * min(since, lasts)
    return g
