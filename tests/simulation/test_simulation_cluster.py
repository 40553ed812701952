"""A real Dask cluster on this machine: a scheduler and two workers, one of which is killed in mid-run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import fields

import numpy as np
import pytest

from flarefree.errors import DesignError
from flarefree.protocol.loading import load_protocol
from flarefree.simulation.engine import run_recipe
from flarefree.simulation.reduction import build_bank
from flarefree.simulation.simulating import recipe_of

distributed = pytest.importorskip("distributed", reason="Dask distributed is an extra: flarefree[cluster]")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ALMS = load_protocol("alms-maintenance")
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Cluster:
    """Processes as an administrator would start them."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
        self.scheduler = subprocess.Popen(
            [*command, "--host", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.address = self._address()
        threading.Thread(target=lambda: list(self.scheduler.stderr), daemon=True).start()
        self.workers = [self.start_worker() for _ in range(2)]

    def _address(self) -> str:
        for line in self.scheduler.stderr:
            if found := re.search(r"tcp://127\.0\.0\.1:\d+", line):
                return found[0]
        raise RuntimeError("no scheduler")

    def start_worker(self) -> subprocess.Popen:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--nthreads", "1"]
        return subprocess.Popen([*command, "--no-nanny", "--no-dashboard"], **QUIET)

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.terminate()
        for process in (*self.workers, self.scheduler):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:  # a worker in the midst of a task does not always listen
                process.kill()
                process.wait()
        self.scheduler.stderr.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.close()


@pytest.fixture(scope="module")
def recipe():
    return recipe_of(ALMS, seed=9, settings={"n": 40})


def same(a, b) -> bool:
    return all(
        np.array_equal(getattr(a, f.name), getattr(b, f.name), equal_nan=getattr(a, f.name).dtype.kind == "f")
        for f in fields(a)
    )


def test_a_cluster_gives_the_bits_of_a_local_run(cluster, recipe) -> None:
    assert same(run_recipe(recipe, 64, scheduler=cluster.address, tile=1), run_recipe(recipe, 64, workers=1))


def test_a_bank_is_built_on_a_cluster_too(cluster) -> None:
    own = recipe_of(ALMS, seed=9, settings={"n": 40}, analysis="grouped log-rank")
    there = build_bank(own, 4_000, scheduler=cluster.address)
    assert np.array_equal(there.counts, build_bank(own, 4_000, workers=1).counts)


def test_a_worker_killed_in_mid_run_changes_nothing(cluster, recipe) -> None:
    done: list[int] = []

    def report(finished: int, total: int) -> None:
        done.append(finished)
        if len(done) == 3:  # in mid-run: some parts are back, most are not
            os.kill(cluster.workers[0].pid, signal.SIGKILL)
            cluster.workers[0].wait()

    found = run_recipe(recipe, 480, scheduler=cluster.address, tile=2, report=report)
    assert cluster.workers[0].returncode == -signal.SIGKILL
    assert len(done) == 30
    assert same(found, run_recipe(recipe, 480, workers=1))


def test_an_address_without_a_scheduler_is_told(recipe, monkeypatch) -> None:
    monkeypatch.setattr("flarefree.simulation.cluster._WAIT", "1s")
    began = time.monotonic()
    with pytest.raises(DesignError, match="no scheduler answers"):
        run_recipe(recipe, 8, scheduler="tcp://127.0.0.1:1")
    assert time.monotonic() - began < 15
