"""Schemes of randomization by simulation: 4,000 trials of 227 patients in 18 strata, each scheme, one core.

`own floor` is the luck alone: the same patients and uniform numbers drawn, and nothing done with them.
`one at a time` is the plain way, a scheme's rule asked for one patient of one trial after another in
Python, on 20 trials and scaled up.  Also: drawing, sealing and loading the lists of the built-in protocol,
and one decision of the rule of allocation.
"""

# ruff: noqa: E402 - the number of threads must be set before NumPy is imported
from __future__ import annotations

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from flarefree.conduct.checks._trial import DIGEST, KEY, SEED, plan_with, request
from flarefree.conduct.randomization.allocating import State, decide
from flarefree.conduct.randomization.candidates import candidate_schemes, mix_of_shares
from flarefree.conduct.randomization.lists import draw_lists, load_lists, seal_lists
from flarefree.conduct.randomization.sealing import public_key_of
from flarefree.conduct.randomization.simulating import Setting, _draw_patients, simulate_schemes

MIX = mix_of_shares(
    {"a": {"1": 0.5, "2": 0.5}, "b": {"1": 0.45, "2": 0.35, "3": 0.2}, "c": {"1": 0.55, "2": 0.3, "3": 0.15}}
)
TRIALS, PATIENTS, REACH_SECONDS = 4000, 227, 5.0


def best_of(run: Callable[[], Any], rounds: int = 3) -> float:
    """Least seconds of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - begin)
    return best


def own_floor(setting: Setting, schemes: int) -> Callable[[], None]:
    def run() -> None:
        _draw_patients(setting, 0, TRIALS)
        for _ in range(schemes):
            rng = np.random.Generator(np.random.PCG64([setting.seed, 0, 1]))
            for _ in range(PATIENTS):
                rng.random((TRIALS, 2))

    return run


def one_at_a_time(trials: int = 20) -> float:
    """Seconds of a big stick with limit 2, patient after patient, for as many trials as the others."""

    def run() -> None:
        rng = random.Random(1)
        for _ in range(trials):
            counts: dict[int, int] = {}
            for _ in range(PATIENTS):
                cell = rng.randrange(18)
                d = counts.get(cell, 0)
                first = d <= -2 or (d < 2 and rng.random() < 0.5)
                counts[cell] = d + (1 if first else -1)

    return best_of(run) * TRIALS / trials


def main() -> None:
    setting = Setting(MIX, PATIENTS, TRIALS)
    schemes = candidate_schemes((1, 1), MIX.factors, PATIENTS)
    whole = best_of(lambda: simulate_schemes(schemes, setting))
    floor = best_of(own_floor(setting, len(schemes)))
    allocations = len(schemes) * TRIALS * PATIENTS
    print(f"{'':<52}{'seconds':>10}{'allocations/s':>16}")
    mark = "" if whole <= REACH_SECONDS else "  short"
    print(f"{f'{len(schemes)} schemes, {TRIALS:,} trials of {PATIENTS}, all figures':<52}{whole:>10.2f}"
          f"{allocations / whole:>16,.0f}   reach {REACH_SECONDS:g} s{mark}")  # fmt: skip
    print(f"{'own floor: patients and luck alone':<52}{floor:>10.2f}{allocations / floor:>16,.0f}")
    plain = one_at_a_time()
    speed = TRIALS * PATIENTS / plain
    print(f"{'plain loop in Python, one scheme, arms only':<52}{plain:>10.2f}{speed:>16,.0f}")
    plan = plan_with(228)
    lists = draw_lists(plan, protocol_digest=DIGEST, seed=SEED)
    sealed = seal_lists(lists, KEY).to_bytes()
    told: dict[str, Any] = {
        "trial": plan.trial, "protocol_digest": DIGEST, "scheme_hash": plan.scheme_hash,
        "public_key": public_key_of(KEY), "published_sha256": lists.sha256,
    }  # fmt: skip
    drawing = best_of(lambda: draw_lists(plan, protocol_digest=DIGEST, seed=SEED))
    loading = best_of(lambda: load_lists(sealed, **told))
    print(f"{f'draw {len(lists.lists)} lists, {24 * 232:,} slots':<52}{drawing:>10.3f}")
    print(f"{'load and verify them':<52}{loading:>10.3f}")
    asked = request(0)
    view = State(lists).view(asked)
    one = best_of(lambda: [decide(lists, asked, view) for _ in range(10_000)]) / 10_000
    print(f"{'one decision, microseconds':<52}{1e6 * one:>10.1f}")


if __name__ == "__main__":
    main()
