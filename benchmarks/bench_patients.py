"""Virtual patients of ALMS: drawing them and measuring 21 things on 15 visits, beside the draws alone.

`draws alone` makes the same blocks of words, turns those into normals that become normals, and does nothing
with them: what no program that keeps these random numbers can do without.  Rounds of all alternate and the
best of each counts, so that another program on the machine favors none.  One core.
"""

# ruff: noqa: E402 - the number of threads must be set before NumPy is imported
from __future__ import annotations

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import time
from typing import Any

import numba as nb
import numpy as np

from flarefree.simulation._quantiles import fill_blocks, normal32
from flarefree.simulation.cohort import draw_cohort
from flarefree.simulation.measuring import MEASURES, measure
from flarefree.simulation.parameters import TREATMENTS, Parameters
from flarefree.simulation.streams import Streams
from flarefree.studytime import month_day

TRIALS, SIZES, HORIZON = 8, (116, 111), 1142
ROUNDS = 60
REACH_NS = 900.0
VISITS = np.array([month_day(m) for m in (0, 1, 2, *range(3, 37, 3))], dtype=np.int32)
NAMES = (
    "proteinuria", "upcr", "creatinine", "albumin", "c3", "c4", "anti_dsdna", "red_cells", "white_cells",
    "dipstick_blood", "red_cell_casts", "cellular_casts", "urinary_infection",
    *(m for m in MEASURES if m.startswith("bilag")),
)  # fmt: skip

# Blocks and normals of one patient, as docs/methods/virtual-patients.md lists them: of the patient itself
# (4 + 4 blocks, 23 normals), first flare and extrarenal flare (2), wandering (11 blocks, 41 normals), BILAG
# history (1), and four blocks a visit with 4 + 3 + 3 normals.
OWN_BLOCKS, OWN_NORMALS = 8 + 2 + 11 + 1, 23 + 41
VISIT_BLOCKS, VISIT_NORMALS = 4, 10
ROW = 512


@nb.njit(error_model="numpy")
def _draws(patients: Any, visits: Any, key: Any, words: Any, out: Any) -> Any:
    visit = np.arange(ROW).astype(np.uint32)
    who, where = np.full(ROW, 7, np.uint32), np.full(ROW, 3, np.uint32)
    blocks = patients * (OWN_BLOCKS + VISIT_BLOCKS * visits)
    normals = patients * (OWN_NORMALS + VISIT_NORMALS * visits)
    total, made = 0.0, 0
    for done in range(0, blocks, ROW):
        fill_blocks(ROW, visit, who, where, done, key, words)
        want = min(4 * ROW, int(normals * (done + ROW) / blocks) - made)
        for k in range(4):
            count = min(max(want - k * ROW, 0), ROW)
            row = words[k]
            for e in range(count):
                out[e] = normal32(row[e])
            made += count
        total += out[0] + words[3, 1]
    return total


def best(rounds: int, *works: Any) -> list[float]:
    """Best seconds of each, their rounds alternating."""
    least = [float("inf")] * len(works)
    for _ in range(rounds):
        for k, work in enumerate(works):
            start = time.perf_counter()
            work()
            least[k] = min(least[k], time.perf_counter() - start)
    return least


def main() -> None:
    """Report times a patient and a visit, and how far they are from the draws alone."""
    parameters, arms, streams = Parameters(), (TREATMENTS["MMF"], TREATMENTS["AZA"]), Streams(1)
    n, v = TRIALS * sum(SIZES), len(VISITS)
    room: dict[str, Any] = {}
    words, out = np.empty((4, ROW), np.uint32), np.empty(ROW)
    key = np.array(streams.key, dtype=np.uint64)

    def people() -> Any:
        return draw_cohort(parameters, arms, streams, trials=range(TRIALS), sizes=SIZES, horizon_day=HORIZON)

    cohort = people()
    works = (
        lambda: _draws(n, v, key, words, out),
        people,
        lambda: measure(cohort, VISITS, NAMES, into=room),
    )
    for work in works:
        work()
    floor, drawing, measuring = (1e9 * s / n for s in best(ROUNDS, *works))
    total = drawing + measuring
    what = f"{n} patients ({TRIALS} ALMS trials), {len(NAMES)} measures on {v} visits"
    print(f"{what}; one core, best of {ROUNDS} rounds")
    for label, ns in (
        ("floor: draws alone", floor),
        ("patients and courses", drawing),
        ("measuring", measuring),
        ("both", total),
    ):
        ratio = ns / floor
        print(f"  {label:22s} {ns:7.0f} ns a patient {ns / v:7.1f} ns a visit {ratio:6.2f} of the floor")
    trials = 1e9 / (total * sum(SIZES))
    print(f"  {trials:,.0f} ALMS trials/s of patients alone; {total / REACH_NS:.2f} of the time to reach")


if __name__ == "__main__":
    main()
