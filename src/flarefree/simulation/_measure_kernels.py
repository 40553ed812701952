"""What is measured of virtual patients on any study day: the true course there, and that day's error.

The error of a measure on a day belongs to (seed, trial, patient, day, measure): it does not depend on what
else is measured, or when.  The wandering of log proteinuria is an AR(1) at the ends of months counted from
day 1, straight between them; month -8 is where it begins.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np

from flarefree.simulation._course_kernels import EVENTS, MONTH, STATE, log_creatinine
from flarefree.simulation._quantiles import normal32
from flarefree.simulation._random_kernels import exp, log, philox, uniform32

__all__ = [
    "Following",
    "measure_bilag",
    "measure_following",
    "measure_hematology",
    "measure_levels",
    "measure_sediment",
]

FIRST_MONTH = -8
LANES = 32
LN_MOST_PROTEIN = 2.8903717578961645  # ln 18 g/day: a kidney cannot lose more for long
INDUCTION_DAYS = 168.0


class Following(NamedTuple):
    """Numbers of what follows the course of the kidney disease."""

    k_per_day: float
    rho: float
    sigma_o: float
    decay: float
    lag_rate: float
    lag_days: float
    cni_proteinuria: float
    cni_creatinine: float
    cni_fade: float
    step_stays: float
    step_fade: float
    severe_days: float
    sigma_e: float
    sigma_upcr: float
    up_to_ratio: float
    ratio_sd: float
    sigma_creatinine: float
    albumin_top: float
    albumin_slope: float
    albumin_sd: float
    albumin_error: float
    c3_mean: float
    c3_person: float
    c3_activity: float
    c3_sd: float
    c3_aza: float
    c4_mean: float
    c4_person: float
    c4_activity: float
    c4_sd: float
    c4_aza: float
    dsdna_mean: float
    dsdna_person: float
    dsdna_activity: float
    dsdna_sd: float


@nb.njit(inline="always")
def _elapsed(day: Any) -> Any:
    """Days since day 1; there is no day 0."""
    return float(day - 1) if day > 0 else float(day)


@nb.njit
def _wander(
    i0: Any, m: Any, months: Any, trial: Any, patient: Any, p: Any, stream: Any, key: Any, grid: Any
) -> Any:
    """Wandering of patients `i0` to `i0 + m` at `months` month ends: `grid` (months, LANES)."""
    fresh = np.sqrt(1.0 - p.rho * p.rho) * p.sigma_o
    for block in range((months + 3) // 4):
        for lane in range(m):
            w0, w1, w2, w3 = philox(
                np.uint64(block), np.uint64(patient[i0 + lane]), np.uint64(trial[i0 + lane]),
                np.uint64(stream), key[0], key[1],
            )  # fmt: skip
            grid[4 * block, lane] = normal32(w0)
            grid[4 * block + 1, lane] = normal32(w1)
            grid[4 * block + 2, lane] = normal32(w2)
            grid[4 * block + 3, lane] = normal32(w3)
    for lane in range(m):
        grid[0, lane] *= p.sigma_o
    for g in range(1, months):
        for lane in range(m):
            grid[g, lane] = p.rho * grid[g - 1, lane] + fresh * grid[g, lane]


@nb.njit(inline="always")
def _between(grid: Any, months: Any, lane: Any, t: Any) -> Any:
    """The wandering at day `t`, straight between month ends."""
    place = max(t / MONTH - FIRST_MONTH, 0.0)
    low = min(int(place), months - 2)
    part = min(place - low, 1.0)
    return (1.0 - part) * grid[low, lane] + part * grid[low + 1, lane]


@nb.njit
def _drug(t: Any, before: Any, stop: Any, fade: Any) -> Any:
    """How much more of a calcineurin inhibitor's effect there is at `t` than on day 1: -1 to 1."""
    if t <= 0.0:
        return 0.0
    on = min(t, stop)
    level = 1.0 - (1.0 - before) * exp(-min(on / fade, 600.0))
    if t > stop:
        level *= exp(-min((t - stop) / fade, 600.0))
    return level - before


@nb.njit(cache=True, error_model="numpy", nogil=True)
def measure_following(
    days: Any, trial: Any, patient: Any, arm: Any, drugs: Any, state: Any, first: Any, events: Any, p: Any,
    streams: Any, key: Any, proteinuria: Any, upcr: Any, creatinine: Any, albumin: Any, c3: Any, c4: Any,
    dsdna: Any, activity: Any,
) -> Any:  # fmt: skip
    """What follows the kidney disease; outputs are (n, v), or (0, 0) where not asked.

    `drugs` (arms, 4): calcineurin inhibitor (0, 1), taken before (0, 1), stop (days), lowers complement (0, 1).
    """
    n, v = days.shape
    if n == 0 or v == 0:
        return
    latest = days[0, 0]
    for i in range(n):
        for j in range(v):
            latest = max(latest, days[i, j])
    months = max(int(_elapsed(latest) / MONTH) - FIRST_MONTH + 2, 2)
    grid = np.empty((4 * ((months + 3) // 4), LANES))
    kidney = proteinuria.size + upcr.size + creatinine.size + albumin.size > 0
    blood = c3.size + c4.size + dsdna.size > 0
    for i0 in range(0, n, LANES):
        m = min(LANES, n - i0)
        _wander(i0, m, months, trial, patient, p, streams[0], key, grid)
        for lane in range(m):
            i = i0 + lane
            a = arm[i]
            x0, xi = state[STATE.x0, i], state[STATE.xi, i]
            fell, fell_g = state[STATE.up_fell, i], state[STATE.creatinine_fell, i]
            for j in range(v):
                t = _elapsed(days[i, j])
                early = min(max(-t, 0.0), INDUCTION_DAYS) / INDUCTION_DAYS
                flaring, lagged = 0.0, 1.5 * early
                for e in range(first[i], first[i + 1]):
                    since = t - events[EVENTS.time, e]
                    if since >= 0.0:
                        rise = events[EVENTS.jump, e] * exp(-min(p.decay * since, 600.0))
                        flaring += rise
                        lagged += (p.lag_rate / (p.lag_rate - p.decay)) * (
                            rise - events[EVENTS.jump, e] * exp(-min(p.lag_rate * since, 600.0))
                        )
                o = _between(grid, months, lane, t)
                drug = 0.0
                if drugs[a, 0] > 0.0:
                    drug = _drug(t, drugs[a, 1], drugs[a, 2], p.cni_fade)
                if activity.size > 0:
                    activity[i, j] = flaring + o + 1.5 * early
                if kidney:
                    drift = (
                        x0 + fell * early if t < 0.0 else xi + (x0 - xi) * exp(-min(p.k_per_day * t, 600.0))
                    )
                    x = min(drift + o + flaring - p.cni_proteinuria * drug, LN_MOST_PROTEIN)
                    w0, w1, w2, w3 = philox(
                        np.uint64(days[i, j] & 0xFFFFFFFF), np.uint64(patient[i]), np.uint64(trial[i]),
                        np.uint64(streams[1]), key[0], key[1],
                    )  # fmt: skip
                    if proteinuria.size > 0:
                        proteinuria[i, j] = exp(x + p.sigma_e * normal32(w0))
                    if upcr.size > 0:
                        upcr[i, j] = exp(
                            x
                            + p.up_to_ratio
                            + p.ratio_sd * state[STATE.upcr, i]
                            + p.sigma_upcr * normal32(w1)
                        )
                    if creatinine.size > 0:
                        if t < 0.0:
                            g = state[STATE.creatinine, i] + fell_g * early
                        else:
                            g = log_creatinine(
                                t, i, first[i], first[i + 1], state, events, p.step_stays, p.step_fade,
                                p.severe_days,
                            )  # fmt: skip
                        creatinine[i, j] = exp(
                            min(g + p.cni_creatinine * drug + p.sigma_creatinine * normal32(w2), 3.4)
                        )
                    if albumin.size > 0:
                        level = p.albumin_top - p.albumin_slope * min(exp(x), 10.0)
                        level += p.albumin_sd * state[STATE.albumin, i] + p.albumin_error * normal32(w3)
                        albumin[i, j] = max(level, 0.8)
                if blood:
                    lagged += _between(grid, months, lane, t - p.lag_days)
                    late = drugs[a, 3] * min(max(t / 91.0, 0.0), 1.0)
                    w0, w1, w2, w3 = philox(
                        np.uint64(days[i, j] & 0xFFFFFFFF), np.uint64(patient[i]), np.uint64(trial[i]),
                        np.uint64(streams[2]), key[0], key[1],
                    )  # fmt: skip
                    if c3.size > 0:
                        c3[i, j] = exp(
                            p.c3_mean + p.c3_person * state[STATE.c3, i] + p.c3_activity * lagged
                            + p.c3_aza * late + p.c3_sd * normal32(w0)
                        )  # fmt: skip
                    if c4.size > 0:
                        c4[i, j] = exp(
                            p.c4_mean + p.c4_person * state[STATE.c4, i] + p.c4_activity * lagged
                            + p.c4_aza * late + p.c4_sd * normal32(w1)
                        )  # fmt: skip
                    if dsdna.size > 0:
                        dsdna[i, j] = exp(
                            p.dsdna_mean + p.dsdna_person * state[STATE.dsdna, i]
                            + p.dsdna_activity * lagged + p.dsdna_sd * normal32(w2)
                        )  # fmt: skip


@nb.njit
def is_sediment_active(t: Any, i: Any, first: Any, state: Any, events: Any) -> Any:
    """Whether the true sediment is active at day `t`."""
    if t < state[STATE.sediment_until, i]:
        return True
    for e in range(first[i], first[i + 1]):
        if events[EVENTS.time, e] <= t < events[EVENTS.sediment_until, e]:
            return True
    return False


@nb.njit(cache=True, error_model="numpy", nogil=True)
def measure_sediment(
    days: Any, trial: Any, patient: Any, state: Any, first: Any, events: Any, casts_red: Any,
    casts_white: Any, uti: Any, stream: Any, key: Any, red: Any, white: Any, dipstick: Any,
    red_casts: Any, white_casts: Any, any_casts: Any, infection: Any,
) -> Any:  # fmt: skip
    """Microscopy and dipstick; casts and infection are 1 or 0."""
    n, v = days.shape
    for i in range(n):
        for j in range(v):
            active = is_sediment_active(_elapsed(days[i, j]), i, first, state, events)
            w0, w1, w2, w3 = philox(
                np.uint64(days[i, j] & 0xFFFFFFFF), np.uint64(patient[i]), np.uint64(trial[i]),
                np.uint64(stream), key[0], key[1],
            )  # fmt: skip
            u = uniform32(w3)
            is_infected = u < uti
            u = u / uti if is_infected else (u - uti) / (1.0 - uti)
            log_red = 0.26 + 0.75 * normal32(w0)
            log_white = 0.41 + 0.75 * normal32(w1)
            has_red, has_white = False, False
            if active:
                log_red = 2.4 + 0.6 * state[STATE.red_level, i] + 0.65 * normal32(w0)
                log_white = 1.95 + 0.8 * normal32(w1)
                has_red = u < casts_red
                u = u / casts_red if has_red else (u - casts_red) / (1.0 - casts_red)
                has_white = u < casts_white
            if is_infected:
                log_white += 2.0
            if red.size > 0:
                red[i, j] = np.floor(exp(log_red))
            if white.size > 0:
                white[i, j] = np.floor(exp(log_white))
            if dipstick.size > 0:
                score = log_red + 0.4 * normal32(w2)
                grade = 0.0 if score < 1.0 else 0.5 if score < 1.8 else 1.0 if score < 2.4 else 2.0
                if score >= 3.2:
                    grade = 3.0 if score < 4.0 else 4.0
                dipstick[i, j] = grade
            if red_casts.size > 0:
                red_casts[i, j] = 1.0 if has_red else 0.0
            if white_casts.size > 0:
                white_casts[i, j] = 1.0 if has_white else 0.0
            if any_casts.size > 0:
                any_casts[i, j] = 1.0 if has_red or has_white else 0.0
            if infection.size > 0:
                infection[i, j] = 1.0 if is_infected else 0.0


@nb.njit(cache=True, error_model="numpy", nogil=True)
def draw_extrarenal(
    trial: Any,
    patient: Any,
    rate: Any,
    horizon: Any,
    stream: Any,
    key: Any,
    first: Any,
    times: Any,
    kinds: Any,
) -> Any:
    """Major flares outside the kidney up to `horizon` days: time, and system + 8 where three B's; -1 if full."""
    count = 0
    for i in range(trial.size):
        first[i] = count
        at = 0.0
        k = 0
        while True:
            w0, w1, w2, w3 = philox(
                np.uint64(k), np.uint64(patient[i]), np.uint64(trial[i]), np.uint64(stream), key[0], key[1]
            )
            at += -log(uniform32(w0)) / max(rate, 1e-12)
            if at > horizon:
                break
            if count >= times.size:
                return -1
            times[count] = at
            kinds[count] = np.int64(w1 & np.uint64(7)) + (8 if uniform32(w2) < 0.3 else 0)
            count += 1
            k += 1
    first[trial.size] = count
    return count


@nb.njit(cache=True, error_model="numpy", nogil=True)
def measure_bilag(
    days: Any, trial: Any, patient: Any, first: Any, times: Any, kinds: Any, lasts: Any, b: Any, c: Any,
    patient_stream: Any, stream: Any, key: Any, wanted: Any, out: Any,
) -> Any:  # fmt: skip
    """Grades 5 (A) to 1 (E) of the systems `wanted` (numbers): `out` (systems, n, v)."""
    n, v = days.shape
    for i in range(n):
        ever, _, _, _ = philox(
            np.uint64(12),
            np.uint64(patient[i]),
            np.uint64(trial[i]),
            np.uint64(patient_stream),
            key[0],
            key[1],
        )
        for j in range(v):
            w = philox(
                np.uint64(days[i, j] & 0xFFFFFFFF), np.uint64(patient[i]), np.uint64(trial[i]),
                np.uint64(stream), key[0], key[1],
            )  # fmt: skip
            low, high = w[0] | (w[1] << np.uint64(32)), w[2] | (w[3] << np.uint64(32))
            for q in range(wanted.size):
                s = wanted[q]
                half = ((low if s < 4 else high) >> np.uint64(16 * (s & 3))) & np.uint64(0xFFFF)
                u = (float(half) + 0.5) / 65536.0
                quiet = 2.0 if (ever >> np.uint64(s)) & np.uint64(1) else 1.0
                out[q, i, j] = 4.0 if u < b else 3.0 if u < b + c else quiet
            t = _elapsed(days[i, j])
            for e in range(first[i], first[i + 1]):
                if times[e] <= t < times[e] + lasts:
                    system = kinds[e] & 7
                    for q in range(wanted.size):
                        if kinds[e] < 8:
                            if wanted[q] == system:
                                out[q, i, j] = 5.0
                        elif (wanted[q] - system) % 8 < 3:
                            out[q, i, j] = max(out[q, i, j], 4.0)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def measure_hematology(
    days: Any, trial: Any, patient: Any, arm: Any, drugs: Any, state: Any, cut_days: Any,
    patient_stream: Any, stream: Any, key: Any, wbc: Any, platelets: Any, alt: Any, ast: Any,
) -> Any:  # fmt: skip
    """White cells and platelets (10^9/L), ALT and AST (U/L)."""
    n, v = days.shape
    for i in range(n):
        p0, p1, p2, p3 = philox(
            np.uint64(13),
            np.uint64(patient[i]),
            np.uint64(trial[i]),
            np.uint64(patient_stream),
            key[0],
            key[1],
        )
        z0, z1, z2, z3 = normal32(p0), normal32(p1), normal32(p2), normal32(p3)
        for j in range(v):
            t = _elapsed(days[i, j])
            w0, w1, w2, w3 = philox(
                np.uint64(days[i, j] & 0xFFFFFFFF), np.uint64(patient[i]), np.uint64(trial[i]),
                np.uint64(stream), key[0], key[1],
            )  # fmt: skip
            since = t - state[STATE.leukopenia, i]
            if wbc.size > 0:
                level = 1.92 + 0.20 * z0 - 0.08 * drugs[arm[i], 3] + 0.14 * normal32(w0)
                if 0.0 <= since < cut_days:
                    level = 1.16 + 0.12 * normal32(w0)
                wbc[i, j] = exp(level)
            if platelets.size > 0:
                platelets[i, j] = exp(5.52 + 0.20 * z1 + 0.10 * normal32(w1))
            since = t - state[STATE.liver, i]
            high = 1.4 if 0.0 <= since < 42.0 else 0.0
            if alt.size > 0:
                alt[i, j] = exp(2.89 + 0.28 * z2 + 0.28 * normal32(w2) + high)
            if ast.size > 0:
                ast[i, j] = exp(2.99 + 0.22 * z3 + 0.24 * normal32(w3) + 0.8 * high)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def measure_levels(
    days: Any, trial: Any, patient: Any, arm: Any, drugs: Any, weight_entry: Any, patient_stream: Any,
    level_stream: Any, weight_stream: Any, key: Any, trough: Any, nag: Any, rbp: Any, weight: Any,
) -> Any:  # fmt: skip
    """Tacrolimus trough (ng/mL; NaN off the drug), NAG (U/g), RBP (mg/L) and weight (kg)."""
    n, v = days.shape
    for i in range(n):
        p0, p1, p2, _ = philox(
            np.uint64(14),
            np.uint64(patient[i]),
            np.uint64(trial[i]),
            np.uint64(patient_stream),
            key[0],
            key[1],
        )
        a = arm[i]
        for j in range(v):
            t = _elapsed(days[i, j])
            day = np.uint64(days[i, j] & 0xFFFFFFFF)
            if trough.size + nag.size + rbp.size > 0:
                w0, w1, w2, _ = philox(
                    day, np.uint64(patient[i]), np.uint64(trial[i]), np.uint64(level_stream), key[0], key[1]
                )
                if trough.size > 0:
                    on = drugs[a, 0] > 0.0 and t <= drugs[a, 2] and (t > 0.0 or drugs[a, 1] > 0.0)
                    mean = 3.3 + 2.4 * exp(-min(max(t, 0.0) / 183.0, 600.0))
                    trough[i, j] = (
                        mean * exp(0.30 * normal32(p0) + 0.30 * normal32(w0) - 0.09) if on else np.nan
                    )
                if nag.size > 0:
                    nag[i, j] = exp(1.56 + 0.50 * normal32(p1) + 0.40 * normal32(w1))
                if rbp.size > 0:
                    rbp[i, j] = exp(-1.02 + 0.50 * normal32(p2) + 0.45 * normal32(w2))
            if weight.size > 0:
                _, _, _, w3 = philox(
                    day, np.uint64(patient[i]), np.uint64(trial[i]), np.uint64(weight_stream), key[0], key[1]
                )
                weight[i, j] = weight_entry[i] * exp(0.015 * normal32(w3))
