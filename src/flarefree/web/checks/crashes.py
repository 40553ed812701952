"""R4: killed at every step, and at any moment; what was given stands, and nothing stands half."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flarefree.conduct.checks.result import Check, Evidence
from flarefree.web.checks.live_trial import LiveTrial, live_trial
from flarefree.web.checks.scratch import environment_of
from flarefree.web.crashing import STEPS

__all__ = ["CHECKS"]

_SLOWEST_MS = 120.0


def check_crashes(quick: bool) -> Iterator[Evidence]:
    """R4: allocation and entry both or neither; the same answer afterwards; no slot twice or skipped."""
    at_steps, at_random = (2, 34) if quick else (20, 760)
    count = at_steps * len(STEPS) + at_random
    with (
        TemporaryDirectory() as folder,
        live_trial(Path(folder), subjects=count, list_length=max(count, 30)) as trial,
    ):
        deaths = list(_deaths(trial, at_steps, folder))
        found = list(_die(trial, deaths))
        yield from _judged(deaths, found, at_random)


def _deaths(trial: LiveTrial, at_steps: int, folder: str) -> Iterator[dict[str, Any]]:
    chance = random.Random(4)
    subjects = iter(trial.subjects)
    for name in STEPS * at_steps:
        subject = next(subjects)
        yield {
            "subject": subject,
            "request": f"r {subject}",
            "step": name,
            "after_ms": None,
            "folder": folder,
        }
    for subject in subjects:
        after = chance.uniform(0.0, _SLOWEST_MS)
        yield {"subject": subject, "request": f"r {subject}", "step": "", "after_ms": after, "folder": folder}


def _die(trial: LiveTrial, deaths: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    host = subprocess.Popen(
        [sys.executable, "-m", "flarefree.web.checks.mortal"],
        env=environment_of(trial.config) | {"POLARS_MAX_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert host.stdin is not None and host.stdout is not None
    for death in deaths:
        host.stdin.write(json.dumps(death) + "\n")
        host.stdin.flush()
        yield json.loads(host.stdout.readline())
    host.stdin.close()
    host.stdout.close()
    host.wait(timeout=60)


def _judged(deaths: list[dict[str, Any]], found: list[dict[str, Any]], at_random: int) -> Iterator[Evidence]:
    by_step = deaths[: len(deaths) - at_random]
    killed = sum(one["died"] for one in found[: len(by_step)])
    yield Evidence(f"killed at {len(STEPS)} steps", len(by_step), killed, killed == len(by_step))
    killed = sum(one["died"] for one in found[len(by_step) :])
    yield Evidence(f"of {at_random} killed at a random moment: while alive", "most", killed, killed > 0)
    rows = {
        "allocation and its entry in the vault, both or neither": _is_paired,
        "after the start, the record has what the vault has": _is_repaired,
        "numbers and slots without a gap": _is_whole,
        "nothing that stood before is gone": _is_kept,
        "asked again with the same id, twice: one answer, the vault's": _is_answered,
        "one entry a patient in the record": _is_entered_once,
    }
    before: list[dict[str, Any]] = [{}, *(one.get("at_last", {}).get("given", {}) for one in found)]
    for what, holds in rows.items():
        right = sum(
            "error" not in one and holds(one, death, stood)
            for one, death, stood in zip(found, deaths, before, strict=False)
        )
        yield Evidence(f"{len(found):,} deaths: {what}", len(found), right, right == len(found))
    lost = sum(bool(one.get("repaired")) for one in found)
    yield Evidence("of them between the two commits, and repaired", "some", lost, lost > 0)


_Told = dict[str, Any]


def _is_paired(one: _Told, death: _Told, stood: _Told) -> bool:
    return sorted(one["begun"]["given"]) == one["begun"]["logged"]


def _is_repaired(one: _Told, death: _Told, stood: _Told) -> bool:
    return bool(one["after"]["given"] == one["after"]["recorded"])


def _is_whole(one: _Told, death: _Told, stood: _Told) -> bool:
    return all(one[when]["is_whole"] for when in ("begun", "after", "at_last"))


def _is_kept(one: _Told, death: _Told, stood: _Told) -> bool:
    return all(one["begun"]["given"].get(subject) == code for subject, code in stood.items())


def _is_answered(one: _Told, death: _Told, stood: _Told) -> bool:
    given = one["at_last"]["given"].get(death["subject"])
    before = one["begun"]["given"].get(death["subject"], given)
    return one["answers"] == [given, given] and before == given


def _is_entered_once(one: _Told, death: _Told, stood: _Told) -> bool:
    entries = one["at_last"]["entries"]
    return len(set(entries)) == len(entries)


CHECKS = (Check("R4", "Killed at every step, and at any moment", check_crashes),)
