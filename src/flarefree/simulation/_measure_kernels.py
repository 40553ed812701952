"""What is measured of virtual patients on any study day: the true course there, and that day's error.

The error of a measure on a day belongs to (seed, trial, patient, day, measure): it does not depend on what
else is measured, or when.  The wandering of log proteinuria is an AR(1) at the ends of months counted from
day 1, straight between them; it runs forward from month 0, and backward to month -8 where that is asked.

Patients are taken a few at a time, all their days in one row of scratch memory, and each step is one plain
loop along that row, which a compiler turns into vectors: that is what the speed rests on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np

from flarefree.simulation._course_kernels import EVENTS, MONTH, STATE
from flarefree.simulation._quantiles import exp9, fill_blocks, normal32
from flarefree.simulation._random_kernels import exp
from flarefree.simulation._row_kernels import (
    address,
    as_reported,
    elapsed,
    log_normal,
    patients_at_once,
    spread,
)

__all__ = ["Following", "measure_following", "wander"]

BACK_BLOCKS = 2  # of four months before entry; earlier days wander no more
BACKWARD = 1 << 31  # blocks of words from here on are for months before entry
LN_MOST_PROTEIN = 2.8903717578961645  # ln 18 g/day: a kidney cannot lose more for long
LN_MOST_RATIO = 2.995732273553991  # ln 20 mg/mg: what the ratio then is, at most, before its error
LN_MOST_CREATININE = 2.4849066497880004  # ln 12 mg/dL: dialysis keeps it there
INDUCTION_DAYS = 168.0
EARLY_ACTIVITY = 1.5  # log units above entry when induction began
MOST = 600.0  # exp(-600) is as good as nothing


class Following(NamedTuple):
    """Numbers of what follows the course of the kidney disease."""

    k_per_day: float
    tau_months: float
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


@nb.njit(error_model="numpy")
def limit(count: Any, most: Any, x: Any) -> Any:
    """Nothing above `most`."""
    for e in range(count):
        x[e] = min(x[e], most)


@nb.njit(error_model="numpy")
def wander(
    i0: Any, m: Any, blocks: Any, back: Any, trial: Any, patient: Any, rho: Any, sigma: Any, stream: Any,
    key: Any, grid: Any, block: Any, who: Any, where: Any, words: Any, z: Any,
) -> Any:  # fmt: skip
    """Wandering of patients `i0` to `i0 + m` at month ends: `grid` (4 (back + blocks) + 1, lanes).

    Row 4 back is month 0; it is stationary, and the same backward in time as forward.
    """
    fresh = np.sqrt(1.0 - rho * rho) * sigma
    start, count = 4 * back, (1 + blocks + back) * m
    for b in range(1 + blocks + back):
        number = np.uint32(b if b <= blocks else BACKWARD + b - 1 - blocks)
        for lane in range(m):
            block[b * m + lane] = number
            who[b * m + lane] = patient[i0 + lane]
            where[b * m + lane] = trial[i0 + lane]
    fill_blocks(count, block, who, where, stream, key, words)
    for k in range(4):
        word, row = words[k], z[k]
        for e in range(count):
            row[e] = normal32(word[e])
    month, own, now = grid[start], z[0], z[1]
    for lane in range(m):  # block 0: one word, for month 0
        month[lane] = sigma * own[lane]
    for b in range(1, 1 + blocks + back):
        for k in range(4):
            step = 4 * b - 3 + k if b <= blocks else 4 * blocks - 4 * b + 3 - k
            if step == 1 or step == -1:
                now[:m] = month[:m]
            own, after = z[k, b * m : b * m + m], grid[start + step]
            for lane in range(m):
                now[lane] = rho * now[lane] + fresh * own[lane]
            for lane in range(m):
                after[lane] = now[lane]


@nb.njit(error_model="numpy")
def place_months(
    m: Any, v: Any, rows: Any, back: Any, each: Any, t: Any, lag: Any, at: Any, part: Any
) -> Any:
    """Where the month's end before `lag` days before each time stands in `grid`, and the part since then."""
    for lane in range(m):
        for e in range(lane * v, lane * v + v):
            month = max((t[e] - lag) * (1.0 / MONTH), -4.0 * BACK_BLOCKS)
            whole = np.floor(month)
            part[e] = month - whole  # before rows are counted: `back` must not change its last bit
            at[e] = np.uint32(min(int(whole) + 4 * back, rows - 2) * each + lane)


@nb.njit(error_model="numpy")
def between(count: Any, each: Any, at: Any, part: Any, flat: Any, out: Any) -> Any:
    """The wandering straight between month ends, of which `flat` has `each` in a row."""
    for e in range(count):
        low, high = flat[at[e]], flat[at[e] + each]
        out[e] = (1.0 - part[e]) * low + part[e] * high


@nb.njit(error_model="numpy")
def flares_so_far(
    i0: Any, m: Any, v: Any, t: Any, first: Any, events: Any, which: Any, at: Any, since: Any
) -> Any:
    """Every flare on every day after it began: its number, the day's place, and the time between."""
    found = 0
    for lane in range(m):
        for k in range(first[i0 + lane], first[i0 + lane + 1]):
            time = events[EVENTS.time, k]
            for e in range(lane * v, lane * v + v):
                which[found] = np.uint32(k)
                at[found] = np.uint32(e)
                since[found] = t[e] - time
                found += 1 if t[e] >= time else 0
    return found


@nb.njit(error_model="numpy")
def add_jumps(
    found: Any,
    which: Any,
    at: Any,
    since: Any,
    events: Any,
    p: Any,
    now: Any,
    late: Any,
    risen: Any,
    lagged: Any,
) -> Any:
    """What flares add to log proteinuria, and to activity with a lag."""
    slower = p.lag_rate / (p.lag_rate - p.decay)
    for f in range(found):
        now[f] = exp9(-min(p.decay * since[f], MOST))
    for f in range(found):
        late[f] = slower * (now[f] - exp9(-min(p.lag_rate * since[f], MOST)))
    for f in range(found):
        jump = events[EVENTS.jump, which[f]]
        risen[at[f]] += jump * now[f]
        lagged[at[f]] += jump * late[f]


@nb.njit(error_model="numpy")
def add_steps(i0: Any, m: Any, v: Any, t: Any, first: Any, events: Any, p: Any, kidney: Any) -> Any:
    """What nephritic flares add to log creatinine; most flares add nothing."""
    for lane in range(m):
        for k in range(first[i0 + lane], first[i0 + lane + 1]):
            step = events[EVENTS.step, k]
            if step <= 0.0:
                continue
            for e in range(lane * v, lane * v + v):
                since = t[e] - events[EVENTS.time, k]
                if since >= 0.0:
                    part = p.step_stays + (1.0 - p.step_stays) * exp9(-min(since / p.step_fade, MOST))
                    kidney[e] += step * part + events[EVENTS.slope, k] * min(since, p.severe_days)


@nb.njit(error_model="numpy")
def on_drug(i0: Any, m: Any, v: Any, t: Any, arm: Any, drugs: Any, fade: Any, out: Any) -> Any:
    """How much more of a calcineurin inhibitor's effect there is than on day 1: -1 to 1."""
    for lane in range(m):
        a = arm[i0 + lane]
        before, stop = drugs[a, 1], drugs[a, 2]
        for e in range(lane * v, lane * v + v):
            out[e] = 0.0
            if drugs[a, 0] > 0.0 and t[e] > 0.0:
                level = 1.0 - (1.0 - before) * exp9(-min(min(t[e], stop) / fade, MOST))
                if t[e] > stop:
                    level *= exp9(-min((t[e] - stop) / fade, MOST))
                out[e] = level - before


@nb.njit(error_model="numpy")
def since_entry(count: Any, t: Any, k_per_day: Any, early: Any, kept: Any) -> Any:
    """What days alone decide: the part of induction still to come, and what is kept of the entry."""
    for e in range(count):
        early[e] = min(max(-t[e], 0.0), INDUCTION_DAYS)
        kept[e] = exp9(-min(k_per_day * max(t[e], 0.0), MOST))


@nb.njit(error_model="numpy")
def true_proteinuria(
    count: Any, early: Any, kept: Any, x0: Any, xi: Any, fell: Any, o: Any, risen: Any, drug: Any, p: Any,
    out: Any,
) -> Any:  # fmt: skip
    """True log proteinuria (g/day)."""
    for e in range(count):
        drift = xi[e] + (x0[e] - xi[e]) * kept[e] + fell[e] * (early[e] * (1.0 / INDUCTION_DAYS))
        out[e] = min(drift + o[e] + risen[e] - p.cni_proteinuria * drug[e], LN_MOST_PROTEIN)


@nb.njit(error_model="numpy")
def add_scaled(count: Any, level: Any, scale: Any, other: Any, shift: Any) -> Any:
    """Add scale * other + shift, in place."""
    for e in range(count):
        level[e] += scale * other[e] + shift


@nb.njit(error_model="numpy")
def albumin_values(count: Any, x: Any, own: Any, p: Any, word: Any, out: Any) -> Any:
    """Serum albumin, g/dL: what is lost in the urine is missing."""
    for e in range(count):
        out[e] = p.albumin_error * normal32(word[e])
    for e in range(count):
        level = p.albumin_top - p.albumin_slope * min(exp9(x[e]), 10.0)
        out[e] = max(level + p.albumin_sd * own[e] + out[e], 0.8)


@nb.njit(error_model="numpy")
def creatinine_levels(
    count: Any, t: Any, early: Any, slope: Any, fell: Any, kidney: Any, drug: Any, rise: Any, out: Any
) -> Any:
    """Adds to `out`, the logarithm at entry, what has become of it since, or was before."""
    for e in range(count):
        before = fell[e] * (early[e] * (1.0 / INDUCTION_DAYS))
        level = out[e] + slope[e] * max(t[e], 0.0) + before + kidney[e] + rise * drug[e]
        out[e] = min(level, LN_MOST_CREATININE)


@nb.njit(error_model="numpy")
def late_drug(i0: Any, m: Any, v: Any, t: Any, arm: Any, drugs: Any, out: Any) -> Any:
    """How far complement has come down with a drug that lowers it: all of it from month 3 on."""
    for lane in range(m):
        size = drugs[arm[i0 + lane], 3] / 91.0
        for e in range(lane * v, lane * v + v):
            out[e] = size
    for e in range(m * v):
        out[e] *= min(max(t[e], 0.0), 91.0)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def measure_following(
    days: Any, trial: Any, patient: Any, arm: Any, drugs: Any, state: Any, first: Any, events: Any, p: Any,
    streams: Any, key: Any, report: Any, proteinuria: Any, upcr: Any, creatinine: Any, albumin: Any, c3: Any,
    c4: Any, dsdna: Any, activity: Any,
) -> Any:  # fmt: skip
    """What follows the kidney disease; outputs are flat, (n * v,), or (0,) where not asked.

    `report` (7, 3): how each but the last is reported (`measuring.Report`).
    `drugs` (arms, 4): calcineurin inhibitor (0, 1), taken before (0, 1), stop (days), lowers complement.
    """
    n, v = days.shape
    if n == 0 or v == 0:
        return
    latest, earliest = days[0, 0], days[0, 0]
    every_day = days.reshape(-1)
    for e in range(every_day.size):
        latest = max(latest, every_day[e])
        earliest = min(earliest, every_day[e])
    of_blood = c3.size + c4.size + dsdna.size > 0
    blocks = max(int(elapsed(latest) / (4.0 * MONTH)) + 1, 1)
    before = (p.lag_days if of_blood else 0.0) - elapsed(earliest)
    back = min(max(int(np.ceil(before / (4.0 * MONTH))), 0), BACK_BLOCKS)
    rows = 4 * (blocks + back) + 1
    each = patients_at_once(v)
    room = each * v
    grid = np.empty((rows, each))
    flat = grid.reshape(-1)
    grown = (1 + blocks + back) * each
    words = np.empty((4, max(room, grown)), np.uint32)
    z = np.empty((4, grown))
    block, whose, which_trial = (
        np.empty(grown, np.uint32),
        np.empty(grown, np.uint32),
        np.empty(grown, np.uint32),
    )
    day, who, where = np.empty(room, np.uint32), np.empty(room, np.uint32), np.empty(room, np.uint32)
    t, o, risen, lagged, kidney = (
        np.empty(room), np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    )  # fmt: skip
    a, b, c, x, drug = np.empty(room), np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    early, kept, part, late_part = np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    month, late_month = np.empty(room, np.uint32), np.empty(room, np.uint32)
    which, place = np.empty(2 * room, np.uint32), np.empty(2 * room, np.uint32)
    since, now, late = np.empty(2 * room), np.empty(2 * room), np.empty(2 * room)
    drug[:] = 0.0
    t[0] = np.nan
    rho = exp(-1.0 / p.tau_months)
    any_cni, any_late = drugs[:, 0].max() > 0.0, drugs[:, 3].max() > 0.0
    of_urine = proteinuria.size + upcr.size + albumin.size > 0
    for i0 in range(0, n, each):
        m = min(each, n - i0)
        count, at = m * v, i0 * v
        if not address(i0, m, days, trial, patient, t, day, who, where):
            since_entry(count, t, p.k_per_day, early, kept)
            place_months(m, v, rows, back, each, t, 0.0, month, part)
            place_months(m, v, rows, back, each, t, p.lag_days, late_month, late_part)
        for e in range(count):
            risen[e] = 0.0
            kidney[e] = 0.0
            lagged[e] = early[e] * (EARLY_ACTIVITY / INDUCTION_DAYS)
        needed = (first[i0 + m] - first[i0]) * v + 1
        if needed > which.size:
            which, place = np.empty(needed, np.uint32), np.empty(needed, np.uint32)
            since, now, late = np.empty(needed), np.empty(needed), np.empty(needed)
        if of_urine or of_blood or activity.size > 0:
            found = flares_so_far(i0, m, v, t, first, events, which, place, since)
            add_jumps(found, which, place, since, events, p, now, late, risen, lagged)
        if creatinine.size > 0:
            add_steps(i0, m, v, t, first, events, p, kidney)
        if of_urine or of_blood or activity.size > 0:
            wander(i0, m, blocks, back, trial, patient, rho, p.sigma_o, streams[0], key, grid, block, whose,
                   which_trial, words, z)  # fmt: skip
            between(count, each, month, part, flat, o)
        if any_cni:
            on_drug(i0, m, v, t, arm, drugs, p.cni_fade, drug)
        if activity.size > 0:
            for e in range(count):
                activity[at + e] = risen[e] + o[e] + early[e] * (EARLY_ACTIVITY / INDUCTION_DAYS)
        if of_urine or creatinine.size > 0:
            fill_blocks(count, day, who, where, streams[1], key, words)
        if of_urine:
            spread(i0, m, v, state[STATE.x0], a)
            spread(i0, m, v, state[STATE.xi], b)
            spread(i0, m, v, state[STATE.up_fell], c)
            true_proteinuria(count, early, kept, a, b, c, o, risen, drug, p, x)
            if proteinuria.size > 0:
                log_normal(count, x, p.sigma_e, words[0], proteinuria[at:])
                as_reported(count, report[0], proteinuria[at:])
            if albumin.size > 0:
                spread(i0, m, v, state[STATE.albumin], a)
                albumin_values(count, x, a, p, words[3], albumin[at:])
                as_reported(count, report[3], albumin[at:])
            if upcr.size > 0:
                spread(i0, m, v, state[STATE.upcr], a)
                add_scaled(count, x, p.ratio_sd, a, p.up_to_ratio)
                limit(count, LN_MOST_RATIO, x)
                log_normal(count, x, p.sigma_upcr, words[1], upcr[at:])
                as_reported(count, report[1], upcr[at:])
        if creatinine.size > 0:
            spread(i0, m, v, state[STATE.slope], a)
            spread(i0, m, v, state[STATE.creatinine_fell], b)
            spread(i0, m, v, state[STATE.creatinine], c)
            creatinine_levels(count, t, early, a, b, kidney, drug, p.cni_creatinine, c)
            log_normal(count, c, p.sigma_creatinine, words[2], creatinine[at:])
            as_reported(count, report[2], creatinine[at:])
        if of_blood:
            between(count, each, late_month, late_part, flat, o)
            add_scaled(count, lagged, 1.0, o, 0.0)
            fill_blocks(count, day, who, where, streams[2], key, words)
            b[:count] = 0.0
            if any_late:
                late_drug(i0, m, v, t, arm, drugs, b)
            if c3.size > 0:
                _marker(i0, m, v, state[STATE.c3], p.c3_mean, p.c3_person, p.c3_activity, p.c3_aza, p.c3_sd,
                        lagged, b, words[0], a, report[4], c3[at:])  # fmt: skip
            if c4.size > 0:
                _marker(i0, m, v, state[STATE.c4], p.c4_mean, p.c4_person, p.c4_activity, p.c4_aza, p.c4_sd,
                        lagged, b, words[1], a, report[5], c4[at:])  # fmt: skip
            if dsdna.size > 0:
                _marker(i0, m, v, state[STATE.dsdna], p.dsdna_mean, p.dsdna_person, p.dsdna_activity, 0.0,
                        p.dsdna_sd, lagged, b, words[2], a, report[6], dsdna[at:])  # fmt: skip


@nb.njit(error_model="numpy")
def _marker(
    i0: Any, m: Any, v: Any, own: Any, mean: Any, person: Any, slope: Any, late: Any, sd: Any, lagged: Any,
    drug: Any, word: Any, level: Any, report: Any, out: Any,
) -> Any:  # fmt: skip
    """Complement or antibodies: a patient's own level, activity a while ago, the drug, and an error."""
    spread(i0, m, v, own, level)
    for e in range(m * v):
        level[e] = mean + person * level[e] + slope * lagged[e] + late * drug[e]
    log_normal(m * v, level, sd, word, out)
    as_reported(m * v, report, out)
