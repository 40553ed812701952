"""Detection of end points on a patient's new data, from the database to the queue: one patient after another.

All that happens once a value was committed and no case follows: the patient's things are read from SQLite,
become a study, the detector looks, the queue is compared.  `reading` is the part of the database alone.
"""

# ruff: noqa: E402 - the number of threads must be set before Polars and NumPy are imported
from __future__ import annotations

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ[name] = "1"

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

from flarefree.web.checks.scratch import fresh_databases, scratch_installation

PATIENTS, REACH_SECONDS = 120, 0.050


def seconds_each(names: list[str], run: Callable[[str], object]) -> list[float]:
    """Seconds of each call, once everything is loaded and compiled."""
    for name in names[:3]:
        run(name)
    found = []
    for name in names:
        begin = time.perf_counter()
        run(name)
        found.append(time.perf_counter() - begin)
    return found


def measure() -> bool:
    """Write the patients, then look at each again; whether the median reaches its aim."""
    from flarefree.conduct.checks.cohort import START, plant_cohort
    from flarefree.web.checks.live_trial import Arrange
    from flarefree.web.checks.planting import things_of
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.detecting import after_change
    from flarefree.web.commands.executing import execute
    from flarefree.web.record.keeping import begin_record
    from flarefree.web.study import rows_of_record
    from flarefree.web.trial import running_trial

    begin_record("benchmark")
    planted = plant_cohort(running_trial().protocol, PATIENTS, seed=1).planted
    names = []
    for row in planted.rows["subjects"]:
        values = tuple(
            (kind, key, name, field, value)
            for kind, key, field, told in things_of(planted, row)
            for name, value in told.items()
        )
        names.append(row["subject"])
        about = f"subject/{row['subject']}"
        execute(Arrange(about=about, values=values), Asked(None, about, START, "machine"))
    reading = seconds_each(names, lambda name: rows_of_record([name]))
    found = seconds_each(names, lambda name: after_change(name, Asked(None, name, START, "machine")))
    print(f"{PATIENTS} patients of ALMS with {len(planted.rows['lb']):,} results, on SQLite")
    for label, each in (("reading", reading), ("detection", found)):
        most = quantiles(each, n=100)[98]
        print(f"{label:10} {median(each) * 1000:6.1f} ms a patient, 99 % under {most * 1000:.1f} ms")
    is_reached = median(found) <= REACH_SECONDS
    print(f"reach      {REACH_SECONDS * 1000:6.0f} ms: {'reached' if is_reached else 'NOT reached'}")
    return is_reached


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        scratch_installation(Path(folder)),
        fresh_databases(Path(folder) / "fresh"),
    ):
        is_reached = measure()
    raise SystemExit(not is_reached)


if __name__ == "__main__":
    main()
