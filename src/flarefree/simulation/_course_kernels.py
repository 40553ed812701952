"""Who a virtual patient is and when things happen to it: flares, withdrawal, death, harm, kidney failure.

Patient by patient, from the patient's own blocks of random words; times are days since day 1 began
(`docs/methods/virtual-patients.md`, with the same letters).  What is measured of it: `_measure_kernels.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np

from flarefree.simulation._quantiles import fill_blocks, normal32
from flarefree.simulation._random_kernels import exp, log, philox, uniform32

__all__ = ["ARM", "EVENTS", "STATE", "Course", "draw_flares", "draw_patients"]

MONTH = 30.4375
YEAR = 365.25
NEVER = 1e9
ROW = 512
LN_HALF = -0.6931471805599453
CLASS_COORDINATE = 7  # of the copula (`baseline.CORRELATED`)


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
    high_dose: float
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
    return -log(uniform32(np.uint64(word)))


@nb.njit(error_model="numpy")
def _after(target: Any, base: Any, more: Any, first: Any, second: Any, length: Any) -> Any:
    """When a hazard has run up to `target`: `base`, and `more` within `length` after each of two times."""
    if target <= base * min(first, second):
        return target / base
    at, left = 0.0, target
    for begin in (min(first, second), max(first, second)):
        start = max(begin, at)
        if start >= NEVER or left <= base * (start - at):
            break
        left -= base * (start - at)
        high = base + more
        if left <= high * length:
            return start + left / high
        left -= high * length
        at = start + length
    return at + left / base if base > 0.0 else NEVER


@nb.njit(error_model="numpy")
def _normals(count: Any, mean: Any, sd: Any, least: Any, word: Any, out: Any) -> Any:
    for e in range(count):
        out[e] = max(mean + sd * normal32(word[e]), least)


@nb.njit(error_model="numpy")
def _waits(count: Any, word: Any, out: Any) -> Any:
    for e in range(count):
        out[e] = _exponential(word[e])


@nb.njit(error_model="numpy")
def _sediment_until(count: Any, arm: Any, arms: Any, slower: Any, word: Any, out: Any) -> Any:
    """When the sediment of entry clears: after it where active then, some day of induction where not."""
    for e in range(count):
        u, share = uniform32(np.uint64(word[e])), arms[arm[e], ARM.sediment]
        until = -168.0 * (u - share) / max(1.0 - share, 1e-12)
        if u < share:
            until = -log(u / share) * slower
        out[e] = until


@nb.njit(cache=True, error_model="numpy", nogil=True)
def draw_patients(
    trial: Any, patient: Any, arm: Any, arms: Any, z: Any, creatinine: Any, is_black: Any, age: Any,
    class_v: Any, p: Any, stream: Any, key: Any, out: Any,
) -> Any:  # fmt: skip
    """Latent state of each patient; `z` (11, n) are the copula's normals, UP, ratio, C3, C4, dsDNA first.

    Blocks 8 to 11 of the patient's words.
    """
    n = trial.size
    block, words, wait = np.empty(ROW, np.uint32), np.empty((4, ROW), np.uint32), np.empty(ROW)
    log_hazard, tendency = np.empty(ROW), np.empty(ROW)
    least = -1e300
    for i0 in range(0, n, ROW):
        m = min(ROW, n - i0)
        stop = i0 + m
        who, where, group = patient[i0:stop], trial[i0:stop], arm[i0:stop]
        for k in range(4):
            out[STATE.upcr + k, i0:stop] = z[1 + k, i0:stop]
        out[STATE.creatinine, i0:stop] = creatinine[i0:stop]

        block[:] = 8  # frailty, where proteinuria goes, slope of creatinine, dose
        fill_blocks(m, block, who, where, stream, key, words)
        x0, xi = out[STATE.x0, i0:stop], out[STATE.xi, i0:stop]
        _normals(m, p.xi_mean, p.xi_sd, least, words[1], xi)
        for e in range(m):
            x0[e] = p.up_mean + arms[group[e], ARM.up_shift] + p.up_sd * z[0, i0 + e]
        for e in range(m):
            xi[e] += p.xi_on_entry * (x0[e] - p.up_mean)
        _normals(m, -0.5 * p.omega * p.omega, p.omega, least, words[0], log_hazard)
        _normals(m, p.slope_mean / YEAR, p.slope_sd / YEAR, least, words[2], out[STATE.slope, i0:stop])
        dose = out[STATE.dose, i0:stop]
        for e in range(m):
            u = uniform32(np.uint64(words[3, e]))
            part = 1.0 if u >= p.low_dose else 0.4 + 0.4 * u / p.low_dose
            if u > 1.0 - p.high_dose:
                part = 1.2 + 0.5 * (1.0 - u) / p.high_dose
            dose[e] = part * arms[group[e], ARM.adherence]

        block[:] = 9  # sediment, death, withdrawal, albumin
        fill_blocks(m, block, who, where, stream, key, words)
        until = out[STATE.sediment_until, i0:stop]
        _sediment_until(m, group, arms, MONTH / max(p.h_sediment, 1e-9), words[0], until)
        _waits(m, words[1], wait)
        death = out[STATE.death, i0:stop]
        for e in range(m):
            death[e] = min(wait[e] * (YEAR / max(p.death, 1e-9)), NEVER)
        _normals(m, 0.0, 1.0, least, words[3], out[STATE.albumin, i0:stop])
        _waits(m, words[2], wait)  # kept for the withdrawals below

        block[:] = 10  # courses before entry, red cells, tendency to harm
        fill_blocks(m, block, who, where, stream, key, words)
        _normals(m, 1.8, 0.6, 0.3, words[0], out[STATE.up_fell, i0:stop])
        _normals(m, 0.12, 0.22, least, words[1], out[STATE.creatinine_fell, i0:stop])
        _normals(m, 0.0, 1.0, least, words[2], out[STATE.red_level, i0:stop])
        _normals(m, -0.5 * p.ae_frailty * p.ae_frailty, p.ae_frailty, least, words[3], tendency)
        for e in range(m):
            tendency[e] = exp(tendency[e])
        out[STATE.ae_tendency, i0:stop] = tendency[:m]

        block[:] = 11  # leukopenia, liver
        fill_blocks(m, block, who, where, stream, key, words)
        leukopenia, liver = out[STATE.leukopenia, i0:stop], out[STATE.liver, i0:stop]
        _waits(m, words[0], leukopenia)
        _waits(m, words[1], liver)
        for e in range(m):
            a = group[e]
            leukopenia[e] = min(
                leukopenia[e] * YEAR / max(arms[a, ARM.leukopenia] * tendency[e], 1e-9), NEVER
            )
            liver[e] = min(liver[e] * YEAR / max(arms[a, ARM.liver] * tendency[e], 1e-9), NEVER)
        leave = out[STATE.withdrawal, i0:stop]
        for e in range(m):
            rate = arms[group[e], ARM.withdrawal] / YEAR
            leave[e] = min(_after(wait[e], rate, p.gamma_ae / YEAR, leukopenia[e], liver[e], 60.0), NEVER)

        complete, frailty = out[STATE.complete, i0:stop], out[STATE.frailty, i0:stop]
        for e in range(m):
            complete[e] = 1.0 if x0[e] < LN_HALF and until[e] <= 0.0 else 0.0
        for e in range(m):
            log_hazard[e] += p.beta_cr * complete[e] + p.beta_dose * (1.0 - dose[e])
        if p.beta_black != 0.0 or p.beta_class_v != 0.0 or p.beta_age != 0.0:
            for e in range(m):
                i = i0 + e
                log_hazard[e] += p.beta_age * (age[i] - 31.0) / 10.0
                log_hazard[e] += p.beta_black if is_black[i] else 0.0
                log_hazard[e] += p.beta_class_v if z[CLASS_COORDINATE, i] > class_v else 0.0
        for e in range(m):
            frailty[e] = exp(min(max(log_hazard[e], -30.0), 30.0))


@nb.njit(cache=True, error_model="numpy", nogil=True)
def draw_flares(
    trial: Any, patient: Any, arm: Any, arms: Any, state: Any, limit: Any, horizon: Any, p: Any,
    stream: Any, key: Any, first: Any, events: Any,
) -> Any:  # fmt: skip
    """Flares of each patient up to `horizon` days, and kidney failure; -1 where `events` is too small."""
    capacity, n, count = events.shape[1], trial.size, 0
    block, words, wait = np.zeros(ROW, np.uint32), np.empty((4, ROW), np.uint32), np.empty(ROW)
    second, second_wait = np.empty((4, ROW), np.uint32), np.empty(ROW)
    bases, cuts = np.empty(ROW), np.empty(ROW)
    months = _month_ends(horizon)
    level = np.empty(months.size)
    highest = exp(max(p.beta_dose * (1.0 - p.cut_to), 0.0) * 2.0)  # no dose is above twice the target
    for i in range(n):
        if i % ROW == 0:  # the first two flares' words, of many patients at once
            size = min(ROW, n - i)
            block[:] = 0
            fill_blocks(size, block, patient[i : i + size], trial[i : i + size], stream, key, words)
            block[:] = 2
            fill_blocks(size, block, patient[i : i + size], trial[i : i + size], stream, key, second)
            _waits(size, words[0], wait)
            _waits(size, second[0], second_wait)
            _hazards(i, size, arm, arms, state, p, bases, cuts)
        row = i % ROW
        first[i] = count
        state[STATE.esrd, i] = NEVER
        base, cut = bases[row], cuts[row]
        if wait[row] > base * highest * horizon:
            continue
        total = 0.0
        for k in range(MOST_FLARES):
            if k > 1:
                w0, w1, w2, w3 = _block(2 * k, patient[i], trial[i], stream, key)
                total += _exponential(w0)
            elif k == 1:
                w1, w2, w3 = np.uint64(second[1, row]), np.uint64(second[2, row]), np.uint64(second[3, row])
                total += second_wait[row]
            else:
                w1, w2, w3 = np.uint64(words[1, row]), np.uint64(words[2, row]), np.uint64(words[3, row])
                total = wait[row]
            if total > (base + max(cut, 0.0)) * (horizon + 1.0) or base <= 0.0:
                break
            at = _after(total, base, cut, state[STATE.leukopenia, i], NEVER, p.cut_days)
            if at > horizon:
                break
            if count >= capacity:
                return -1
            events[EVENTS.time, count] = at
            events[EVENTS.jump, count] = max(p.jump_least, p.jump_mean + p.jump_sd * normal32(w1))
            nephritic = uniform32(w2)
            events[EVENTS.step, count] = 0.0
            events[EVENTS.slope, count] = 0.0
            if nephritic < p.q_nephritic:
                s0, s1, _, _ = _block(2 * k + 1, patient[i], trial[i], stream, key)
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
        state[STATE.esrd, i] = _kidney_failure(
            i, first[i], count, state, events, limit[i], horizon, p, months, level
        )
    first[n] = count
    return count


@nb.njit(error_model="numpy")
def _hazards(i0: Any, m: Any, arm: Any, arms: Any, state: Any, p: Any, bases: Any, cuts: Any) -> Any:
    """Flares a day of patients from `i0`, and what a cut of the dose adds."""
    for e in range(m):
        bases[e] = arms[arm[i0 + e], ARM.flare_rate] / YEAR * state[STATE.frailty, i0 + e]
    for e in range(m):
        cuts[e] = bases[e] * (exp(p.beta_dose * state[STATE.dose, i0 + e] * (1.0 - p.cut_to)) - 1.0)


@nb.njit(error_model="numpy")
def _kidney_failure(
    i: Any, begin: Any, end: Any, state: Any, events: Any, limit: Any, horizon: Any, p: Any, months: Any,
    level: Any,
) -> Any:  # fmt: skip
    """When log creatinine passes `limit`: the first month after which it has, then by halves."""
    most, raised = state[STATE.creatinine, i] + max(state[STATE.slope, i], 0.0) * (horizon + MONTH), False
    for k in range(begin, end):
        raised = raised or events[EVENTS.step, k] > 0.0
        most += events[EVENTS.step, k] + events[EVENTS.slope, k] * p.severe_days
    if not raised or most < limit:
        return NEVER
    for j in range(months.size):
        level[j] = state[STATE.creatinine, i] + state[STATE.slope, i] * months[j]
    for k in range(begin, end):  # all months of a flare at once, as in `log_creatinine`
        if events[EVENTS.step, k] > 0.0:
            for j in range(months.size):
                since = months[j] - events[EVENTS.time, k]
                part = p.step_stays + (1.0 - p.step_stays) * exp(-max(since, 0.0) / p.step_fade)
                more = events[EVENTS.step, k] * part + events[EVENTS.slope, k] * min(since, p.severe_days)
                level[j] += more if since >= 0.0 else 0.0
    for j in range(months.size):
        if level[j] >= limit:
            low, high = months[j - 1] if j > 0 else 0.0, months[j]
            for _ in range(12):
                middle = 0.5 * (low + high)
                if log_creatinine(middle, i, begin, end, state, events, p) >= limit:
                    high = middle
                else:
                    low = middle
            return high if high <= horizon else NEVER
    return NEVER


@nb.njit(error_model="numpy")
def _month_ends(horizon: Any) -> Any:
    """Ends of months up to the first that is not before the horizon."""
    ends, at = np.empty(int(horizon / MONTH) + 3), 0.0
    count = 0
    while at < horizon:
        at += MONTH
        ends[count] = at
        count += 1
    return ends[:count]


@nb.njit(error_model="numpy")
def log_creatinine(t: Any, i: Any, begin: Any, end: Any, state: Any, events: Any, p: Any) -> Any:
    """True log creatinine at day `t` of maintenance (t >= 0), without calcineurin inhibitors."""
    g = state[STATE.creatinine, i] + state[STATE.slope, i] * t
    for k in range(begin, end):
        since = t - events[EVENTS.time, k]
        if since >= 0.0 and events[EVENTS.step, k] > 0.0:
            part = p.step_stays + (1.0 - p.step_stays) * exp(-since / p.step_fade)
            g += events[EVENTS.step, k] * part + events[EVENTS.slope, k] * min(since, p.severe_days)
    return g
