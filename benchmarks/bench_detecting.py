"""Detection of end points on one patient's new data: 1,000 ALMS patients, one after another, one core.

`derive alone` is the floor: the evaluator of the analysis on the same patient's rows, without lineage in
words, without looking below the rule, without quiet periods.
"""

# ruff: noqa: E402 - the number of threads must be set before Polars and NumPy are imported
from __future__ import annotations

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ[name] = "1"

import time
from collections.abc import Callable
from statistics import median, quantiles

from flarefree.conduct.checks.cohort import START, plant_cohort
from flarefree.conduct.detecting import Detector, one_patient
from flarefree.endpoints.derive import derive_arrays
from flarefree.protocol.loading import load_protocol

PATIENTS, ASKED, REACH_SECONDS = 1000, 300, 0.050


def seconds_each(names: list[str], run: Callable[[str], object]) -> list[float]:
    """Seconds of each call, once everything is loaded and compiled."""
    run(names[0])
    found = []
    for name in names:
        begin = time.perf_counter()
        run(name)
        found.append(time.perf_counter() - begin)
    return found


def main() -> None:
    protocol = load_protocol("alms-maintenance")
    study = plant_cohort(protocol, PATIENTS, seed=1).planted.study()
    detector = Detector(protocol)
    names = study["subjects"].get_column("subject").to_list()[:ASKED]
    floor = seconds_each(names, lambda name: derive_arrays(one_patient(study, name), protocol))
    found = seconds_each(names, lambda name: detector.detect(study, START, subject=name))
    begin = time.perf_counter()
    detection = detector.detect(study, START)
    whole = time.perf_counter() - begin
    print(f"{PATIENTS} patients, {study['observations'].height:,} rows; {ASKED} of them, one at a time")
    for label, each in (("derive alone", floor), ("detection", found)):
        most = quantiles(each, n=100)[98]
        print(f"{label:14} {median(each) * 1000:6.1f} ms a patient, 99 % under {most * 1000:.1f} ms")
    print(f"{'ratio':14} {median(found) / median(floor):6.2f}")
    print(
        f"all at once    {whole * 1000 / PATIENTS:6.2f} ms a patient, {len(detection.candidates)} candidates"
    )
    reached = median(found) <= REACH_SECONDS
    print(f"reach          {REACH_SECONDS * 1000:6.0f} ms: {'reached' if reached else 'NOT reached'}")
    raise SystemExit(not reached)


if __name__ == "__main__":
    main()
