"""Urinary sediment, grades outside the kidney, blood counts and drug levels of virtual patients.

As in `_measure_kernels.py`: plain loops along a row of scratch memory, errors by address.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from flarefree.simulation._course_kernels import EVENTS, STATE
from flarefree.simulation._quantiles import exp9, fill_blocks, normal32
from flarefree.simulation._random_kernels import exp, log, philox, uniform32
from flarefree.simulation._row_kernels import ROW, address, as_reported, patients_at_once, spread

__all__ = ["draw_extrarenal", "measure_bilag", "measure_hematology", "measure_levels", "measure_sediment"]


@nb.njit(error_model="numpy")
def active_sediment(i0: Any, m: Any, v: Any, t: Any, first: Any, state: Any, events: Any, out: Any) -> Any:
    """1 where the true sediment is active: since entry, or since a flare."""
    spread(i0, m, v, state[STATE.sediment_until], out)
    for e in range(m * v):
        out[e] = 1.0 if t[e] < out[e] else 0.0
    for lane in range(m):
        i = i0 + lane
        start, stop = lane * v, lane * v + v
        for k in range(first[i], first[i + 1]):
            begin, end = events[EVENTS.time, k], events[EVENTS.sediment_until, k]
            if end > begin:
                for e in range(start, stop):
                    if begin <= t[e] < end:
                        out[e] = 1.0


@nb.njit(error_model="numpy")
def infections(count: Any, uti: Any, word: Any, infected: Any, rest: Any) -> Any:
    """1 where there is a urinary infection, and a fresh uniform number from what is left of the word."""
    for e in range(count):
        u = uniform32(np.uint64(word[e]))
        infected[e] = 1.0 if u < uti else 0.0
        rest[e] = u / uti if u < uti else (u - uti) / (1.0 - uti)


@nb.njit(error_model="numpy")
def log_cells(
    count: Any,
    quiet: Any,
    active: Any,
    spread_quiet: Any,
    spread_active: Any,
    own: Any,
    is_on: Any,
    more: Any,
    infected: Any,
    word: Any,
    out: Any,
) -> Any:
    """Log of cells per high-power field before they are counted."""
    for e in range(count):
        level = quiet + is_on[e] * (active - quiet + own[e]) + more * infected[e]
        out[e] = level + (spread_quiet + is_on[e] * (spread_active - spread_quiet)) * normal32(word[e])


@nb.njit(error_model="numpy")
def counted(count: Any, log_level: Any, out: Any) -> Any:
    """Whole cells."""
    for e in range(count):
        out[e] = np.floor(exp9(log_level[e]))


@nb.njit(error_model="numpy")
def dipstick_grades(count: Any, log_red: Any, word: Any, out: Any) -> Any:
    """0, trace (0.5), 1 to 4, by red cells and the reader's error."""
    for e in range(count):
        out[e] = normal32(word[e])
    for e in range(count):
        score = log_red[e] + 0.4 * out[e]
        grade = (0.5 if score >= 1.0 else 0.0) + (0.5 if score >= 1.8 else 0.0)
        grade += (1.0 if score >= 2.4 else 0.0) + (1.0 if score >= 3.2 else 0.0)
        out[e] = grade + (1.0 if score >= 4.0 else 0.0)


@nb.njit(error_model="numpy")
def cast_findings(count: Any, is_on: Any, u: Any, red: Any, white: Any, which: Any, out: Any) -> Any:
    """Casts of one uniform number, independent of each other: red (0), white (1), either (2)."""
    for e in range(count):
        has_red = u[e] < red
        rest = u[e] / red if has_red else (u[e] - red) / (1.0 - red)
        has_white = rest < white
        has = has_red if which == 0 else has_white if which == 1 else (has_red or has_white)
        out[e] = is_on[e] if has else 0.0


@nb.njit(cache=True, error_model="numpy", nogil=True)
def measure_sediment(
    days: Any, trial: Any, patient: Any, state: Any, first: Any, events: Any, casts_red: Any,
    casts_white: Any, uti: Any, stream: Any, key: Any, report: Any, red: Any, white: Any, dipstick: Any,
    red_casts: Any, white_casts: Any, any_casts: Any, infection: Any,
) -> Any:  # fmt: skip
    """Microscopy and dipstick, flat (n * v,) or (0,) where not asked; casts and infection are 1 or 0.

    `report` (2, 3): how red and white cells are reported (`measuring.Report`).
    """
    n, v = days.shape
    each = patients_at_once(v)
    room = each * v
    words = np.empty((4, room), np.uint32)
    day, who, where = np.empty(room, np.uint32), np.empty(room, np.uint32), np.empty(room, np.uint32)
    t, is_on, ill, u, own, level = (
        np.empty(room), np.empty(room), np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    )  # fmt: skip
    t[0] = np.nan
    for i0 in range(0, n, each):
        m = min(each, n - i0)
        count, at = m * v, i0 * v
        address(i0, m, days, trial, patient, t, day, who, where)
        active_sediment(i0, m, v, t, first, state, events, is_on)
        fill_blocks(count, day, who, where, stream, key, words)
        if white.size + red_casts.size + white_casts.size + any_casts.size + infection.size > 0:
            infections(count, uti, words[3], ill, u)
        if red.size + dipstick.size > 0:
            spread(i0, m, v, state[STATE.red_level], own)
            for e in range(count):
                own[e] *= 0.6
            log_cells(count, 0.26, 2.4, 0.75, 0.65, own, is_on, 0.0, own, words[0], level)
            if red.size > 0:
                counted(count, level, red[at:])
                as_reported(count, report[0], red[at:])
            if dipstick.size > 0:
                dipstick_grades(count, level, words[2], dipstick[at:])
        if white.size > 0:
            own[:count] = 0.0
            log_cells(count, 0.41, 1.95, 0.75, 0.8, own, is_on, 2.0, ill, words[1], level)
            counted(count, level, white[at:])
            as_reported(count, report[1], white[at:])
        if red_casts.size > 0:
            cast_findings(count, is_on, u, casts_red, casts_white, 0, red_casts[at:])
        if white_casts.size > 0:
            cast_findings(count, is_on, u, casts_red, casts_white, 1, white_casts[at:])
        if any_casts.size > 0:
            cast_findings(count, is_on, u, casts_red, casts_white, 2, any_casts[at:])
        if infection.size > 0:
            for e in range(count):
                infection[at + e] = ill[e]


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
    """Major flares outside the kidney up to `horizon`: time, and system (+ 8: three B's); -1 if full."""
    count, n = 0, trial.size
    block, words = np.zeros(ROW, np.uint32), np.empty((4, ROW), np.uint32)
    none = exp(-min(rate * horizon, 600.0)) * 4294967296.0 - 1.0  # words below: the first is past the horizon
    for i in range(n):
        if i % ROW == 0:
            size = min(ROW, n - i)
            fill_blocks(size, block, patient[i : i + size], trial[i : i + size], stream, key, words)
        first[i] = count
        if float(words[0, i % ROW]) < none:
            continue
        at, k = 0.0, 0
        while True:
            w0, w1, w2, _ = philox(
                np.uint64(k), np.uint64(patient[i]), np.uint64(trial[i]), np.uint64(stream), key[0], key[1]
            )
            at += -log(uniform32(w0)) / max(rate, 1e-12)
            if at > horizon:
                break
            if count >= times.size:
                return -1
            times[count] = at
            kinds[count] = float(w1 & np.uint64(7)) + (8.0 if uniform32(w2) < 0.3 else 0.0)
            count += 1
            k += 1
    first[n] = count
    return count


@nb.njit(error_model="numpy")
def quiet_grades(count: Any, ever: Any, word: Any, shift: Any, s: Any, b: Any, c: Any, out: Any) -> Any:
    """Grades of system `s` without a major flare: B below `b`, C below `c` (of 65,536), D or E."""
    for e in range(count):
        half = (word[e] >> np.uint32(shift)) & np.uint32(0xFFFF)
        quiet = 1.0 + float((ever[e] >> np.uint32(s)) & np.uint32(1))
        out[e] = 4.0 if half < b else 3.0 if half < c else quiet


@nb.njit(cache=True, error_model="numpy", nogil=True)
def measure_bilag(
    days: Any, trial: Any, patient: Any, first: Any, times: Any, kinds: Any, lasts: Any, b: Any, c: Any,
    patient_stream: Any, stream: Any, key: Any, wanted: Any, out: Any,
) -> Any:  # fmt: skip
    """Grades 5 (A) to 1 (E) of the systems `wanted` (numbers): `out`, flat, of all eight."""
    n, v = days.shape
    each = patients_at_once(v)
    room = each * v
    words, own = np.empty((4, room), np.uint32), np.empty((4, each), np.uint32)
    day, who, where = np.empty(room, np.uint32), np.empty(room, np.uint32), np.empty(room, np.uint32)
    block = np.full(each, 12, np.uint32)
    t, ever = np.empty(room), np.empty(room, np.uint32)
    below_b, below_c = np.uint32(b * 65536.0), np.uint32((b + c) * 65536.0)
    t[0] = np.nan
    for i0 in range(0, n, each):
        m = min(each, n - i0)
        count, at = m * v, i0 * v
        address(i0, m, days, trial, patient, t, day, who, where)
        fill_blocks(m, block, patient[i0 : i0 + m], trial[i0 : i0 + m], patient_stream, key, own)
        fill_blocks(count, day, who, where, stream, key, words)
        spread(0, m, v, own[0], ever)
        for q in range(wanted.size):
            s = wanted[q]
            quiet_grades(count, ever, words[s // 2], 16 * (s % 2), s, below_b, below_c, out[s][at:])
        for lane in range(m):
            for k in range(first[i0 + lane], first[i0 + lane + 1]):
                for e in range(lane * v, lane * v + v):
                    if times[k] <= t[e] < times[k] + lasts:
                        _raise_grades(np.int64(kinds[k]), wanted, at + e, out)


@nb.njit(error_model="numpy")
def _raise_grades(kind: Any, wanted: Any, e: Any, out: Any) -> Any:
    """A major flare: an A in its system, or a B there and in the next two."""
    for q in range(wanted.size):
        if kind < 8 and wanted[q] == kind:
            out[wanted[q]][e] = 5.0
        if kind >= 8 and (wanted[q] - kind) % 8 < 3:
            out[wanted[q]][e] = max(out[wanted[q]][e], 4.0)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def measure_hematology(
    days: Any, trial: Any, patient: Any, arm: Any, drugs: Any, state: Any, cut_days: Any,
    patient_stream: Any, stream: Any, key: Any, wbc: Any, platelets: Any, alt: Any, ast: Any,
) -> Any:  # fmt: skip
    """White cells and platelets (10^9/L), ALT and AST (U/L); flat, or (0,) where not asked."""
    n, v = days.shape
    each = patients_at_once(v)
    room = each * v
    words, own = np.empty((4, room), np.uint32), np.empty((4, each), np.uint32)
    day, who, where = np.empty(room, np.uint32), np.empty(room, np.uint32), np.empty(room, np.uint32)
    block = np.full(each, 13, np.uint32)
    t, low, high, level, z = np.empty(room), np.empty(room), np.empty(room), np.empty(room), np.empty(each)
    t[0] = np.nan
    for i0 in range(0, n, each):
        m = min(each, n - i0)
        count, at = m * v, i0 * v
        address(i0, m, days, trial, patient, t, day, who, where)
        fill_blocks(m, block, patient[i0 : i0 + m], trial[i0 : i0 + m], patient_stream, key, own)
        fill_blocks(count, day, who, where, stream, key, words)
        _episodes(i0, m, v, t, state[STATE.leukopenia], cut_days, low)
        _episodes(i0, m, v, t, state[STATE.liver], 42.0, high)
        if wbc.size > 0:
            for lane in range(m):
                z[lane] = 1.92 + 0.17 * normal32(own[0, lane])
            spread(0, m, v, z, level)
            for lane in range(m):
                lowers = 0.08 * drugs[arm[i0 + lane], 3]  # azathioprine, once it is taken
                for e in range(lane * v, lane * v + v):
                    level[e] -= lowers if t[e] > 0.0 else 0.0
            for e in range(count):
                noise = normal32(words[0, e])
                quiet = level[e] + 0.11 * noise
                wbc[at + e] = exp9(quiet + low[e] * (1.16 + 0.12 * noise - quiet))
        if platelets.size > 0:
            _own(m, v, 5.52, 0.20, own[1], z, level)
            log_normal_with(count, level, 0.0, low, 0.10, words[1], platelets[at:])
        if alt.size > 0:
            _own(m, v, 2.89, 0.22, own[2], z, level)
            log_normal_with(count, level, 1.4, high, 0.18, words[2], alt[at:])
        if ast.size > 0:
            _own(m, v, 2.99, 0.18, own[3], z, level)
            log_normal_with(count, level, 1.1, high, 0.16, words[3], ast[at:])


@nb.njit(error_model="numpy")
def _own(m: Any, v: Any, mean: Any, sd: Any, word: Any, z: Any, level: Any) -> Any:
    for lane in range(m):
        z[lane] = mean + sd * normal32(word[lane])
    spread(0, m, v, z, level)


@nb.njit(error_model="numpy")
def _episodes(i0: Any, m: Any, v: Any, t: Any, begins: Any, lasts: Any, out: Any) -> Any:
    for lane in range(m):
        begin = begins[i0 + lane]
        for e in range(lane * v, lane * v + v):
            out[e] = 1.0 if begin <= t[e] < begin + lasts else 0.0


@nb.njit(error_model="numpy")
def log_normal_with(count: Any, level: Any, more: Any, where: Any, sd: Any, word: Any, out: Any) -> Any:
    """A measurement whose logarithm is raised by `more` in episodes."""
    for e in range(count):
        out[e] = exp9(level[e] + more * where[e] + sd * normal32(word[e]))


@nb.njit(cache=True, error_model="numpy", nogil=True)
def measure_levels(
    days: Any, trial: Any, patient: Any, arm: Any, drugs: Any, weight_entry: Any, patient_stream: Any,
    level_stream: Any, weight_stream: Any, key: Any, trough: Any, nag: Any, rbp: Any, weight: Any,
) -> Any:  # fmt: skip
    """Tacrolimus trough (ng/mL; NaN off the drug), NAG (U/g), RBP (mg/L), weight (kg); flat or (0,)."""
    n, v = days.shape
    each = patients_at_once(v)
    room = each * v
    words, own = np.empty((4, room), np.uint32), np.empty((4, each), np.uint32)
    day, who, where = np.empty(room, np.uint32), np.empty(room, np.uint32), np.empty(room, np.uint32)
    block = np.full(each, 14, np.uint32)
    t, level, z = np.empty(room), np.empty(room), np.empty(each)
    t[0] = np.nan
    for i0 in range(0, n, each):
        m = min(each, n - i0)
        count, at = m * v, i0 * v
        address(i0, m, days, trial, patient, t, day, who, where)
        if trough.size + nag.size + rbp.size > 0:
            fill_blocks(m, block, patient[i0 : i0 + m], trial[i0 : i0 + m], patient_stream, key, own)
            fill_blocks(count, day, who, where, level_stream, key, words)
        if trough.size > 0:
            # Mean 5.7 at entry to 3.4 at month 18, as doses came down [zhang2017] Supplemental Table 3.
            _own(m, v, -0.09, 0.30, own[0], z, level)
            for e in range(count):
                mean = 3.3 + 2.4 * exp9(-min(max(t[e], 0.0) / 183.0, 600.0))
                trough[at + e] = mean * exp9(level[e] + 0.30 * normal32(words[0, e]))
            for e in range(count):
                a = arm[i0 + e // v]
                if drugs[a, 0] == 0.0 or t[e] > drugs[a, 2] or (t[e] <= 0.0 and drugs[a, 1] == 0.0):
                    trough[at + e] = np.nan
        if nag.size > 0:
            _own(m, v, 1.56, 0.50, own[1], z, level)
            log_normal_with(count, level, 0.0, level, 0.40, words[1], nag[at:])
        if rbp.size > 0:
            _own(m, v, -1.02, 0.50, own[2], z, level)
            log_normal_with(count, level, 0.0, level, 0.45, words[2], rbp[at:])
        if weight.size > 0:
            fill_blocks(count, day, who, where, weight_stream, key, words)
            spread(i0, m, v, weight_entry, level)
            for e in range(count):
                weight[at + e] = level[e] * exp9(0.015 * normal32(words[3, e]))
