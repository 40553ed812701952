"""R5: power lost at any moment, a full disk, a read-only one, a clock that jumps.

A preloaded shim notes what the database writes and when it asks for the disk.  A cut is played back from the
note: synced bytes stand, others are kept or lost by lot, and torn at a sector.
"""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import resources
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.db import connections

from flarefree.conduct.checks.result import Check, Evidence
from flarefree.errors import ConductError
from flarefree.web.checks.crowd import ask_at_once
from flarefree.web.checks.live_trial import BEGIN, LiveTrial, live_trial, randomize
from flarefree.web.checks.standing import look_at
from flarefree.web.clock import clock_set_to
from flarefree.web.commands.allocated import repair_allocations
from flarefree.web.trial import running_trial

__all__ = ["CHECKS"]

_HEAD = struct.Struct("<cHqI")
_SECTOR = 512
_number = count()
_ACKS = "acknowledged"


@dataclass(frozen=True, slots=True)
class _Step:
    """One thing that was done to a file."""

    what: str
    path: str
    at: int
    data: bytes


@dataclass(slots=True)
class _File:
    """A file as the disk has it, and what the disk was not yet asked for."""

    synced: bytearray
    pending: list[_Step] = field(default_factory=list)


def check_power(quick: bool) -> Iterator[Evidence]:
    """R5: every acknowledged allocation survives; what cannot be written is refused, in words."""
    if connections["default"].vendor == "sqlite":
        yield from _cuts(quick)
    else:
        yield from _settings()
    yield from _refusals()


# Power loss --------------------------------------------------------------------------------------


def _cuts(quick: bool) -> Iterator[Evidence]:
    patients, cuts = (24, 25) if quick else (200, 400)
    with TemporaryDirectory() as place, live_trial(Path(place) / "trial", subjects=patients) as trial:
        shim = _compiled(Path(place))
        if shim is None:
            yield Evidence("a compiler for the shim of power loss", "found", "none on this machine", False)
            return
        folder, base = trial.config.data, Path(place) / "base"
        connections.close_all()
        shutil.copytree(folder, base)
        log = Path(place) / "log"
        told = {"LD_PRELOAD": str(shim), "UNSYNCED_LOG": str(log), "UNSYNCED_UNDER": str(folder)}
        batch = [(subject, f"r {subject}") for subject in trial.subjects]
        ask_at_once(trial.config, [batch], threads=4, environment=told, acknowledge=folder / _ACKS)
        steps = list(_read(log, folder))
        syncs = sum(step.what == "s" for step in steps)
        what, least = f"syncs noted for {patients} allocations in two databases", 2 * patients
        yield Evidence(what, f"{least} or more", syncs, syncs >= least)
        yield from _played(trial, steps, base, cuts)


def _compiled(folder: Path) -> Path | None:
    source, shim = folder / "unsynced.c", folder / "unsynced.so"
    source.write_bytes((resources.files("flarefree.web.checks") / "unsynced.c").read_bytes())
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl", "-lpthread"], check=True)
    return shim


def _read(log: Path, folder: Path) -> Iterator[_Step]:
    data, at = log.read_bytes(), 0
    while at < len(data):
        what, length, offset, count = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        path = data[at : at + length].decode()
        at += length
        yield _Step(what.decode(), str(Path(path).relative_to(folder)), offset, data[at : at + count])
        at += count


def _played(trial: LiveTrial, steps: Sequence[_Step], base: Path, cuts: int) -> Iterator[Evidence]:
    chance = random.Random(5)
    moments = sorted(chance.sample(range(len(steps)), min(cuts, len(steps))))
    found = [_after(trial, steps[:moment], base, chance, is_synced=True) for moment in moments]
    acknowledged = sum(one["acknowledged"] for one in found)
    yield Evidence(
        f"{len(found)} cuts: allocations acknowledged before them", "some", acknowledged, acknowledged > 0
    )
    for name, what in {
        "lost": "acknowledged, and gone from vault or record",
        "unpaired": "in the vault without an entry of its log, or the other way",
        "gaps": "cuts after which numbers or slots have a gap",
        "unrepaired": "cuts after which the record lacks what the vault has",
    }.items():
        amiss = sum(one[name] for one in found)
        yield Evidence(f"{len(found)} cuts: {what}", 0, amiss, amiss == 0)
    # The control: were nothing ever synced, the same cuts would lose what was acknowledged.
    control = [_after(trial, steps[:m], base, chance, is_synced=False) for m in moments[-5:]]
    lost = sum(one["lost"] for one in control)
    yield Evidence("control, a disk that ignores syncs: acknowledged and lost", "some", lost, lost > 0)


def _after(
    trial: LiveTrial, steps: Sequence[_Step], base: Path, chance: random.Random, *, is_synced: bool
) -> dict[str, int]:
    """What a start after the cut finds."""
    acks = b"".join(step.data for step in steps if step.path == _ACKS).decode().split("\n")
    told = dict(line.split(" ") for line in acks if line.count(" ") == 1)
    _lay_out(trial, steps, base, chance, is_synced)
    try:
        begun = look_at()
        with clock_set_to(lambda: BEGIN + timedelta(hours=1)):
            repair_allocations()
        after = look_at()
    except Exception:  # a database that does not even open has lost everything
        return {"acknowledged": len(told), "lost": len(told), "unpaired": 1, "gaps": 1, "unrepaired": 1}
    lost = sum(begun["given"].get(s) != kit or after["recorded"].get(s) != kit for s, kit in told.items())
    return {
        "acknowledged": len(told),
        "lost": lost,
        "unpaired": int(sorted(begun["given"]) != begun["logged"]),
        "gaps": int(not (begun["is_whole"] and after["is_whole"])),
        "unrepaired": int(after["given"] != after["recorded"]),
    }


def _lay_out(
    trial: LiveTrial, steps: Sequence[_Step], base: Path, chance: random.Random, is_synced: bool
) -> None:
    """The installation's files as the disk has them after the cut."""
    connections.close_all()
    running_trial.cache_clear()
    folder = trial.config.data
    shutil.rmtree(folder)
    shutil.copytree(base, folder)
    files: dict[str, _File] = {}
    for step in steps:
        place = folder / step.path
        if step.path == _ACKS or step.path.endswith("-shm") or place.is_dir():
            continue
        if step.path not in files:
            files[step.path] = _File(bytearray(place.read_bytes() if place.exists() else b""))
        file = files[step.path]
        if step.what != "s":
            file.pending.append(step)
        elif is_synced:
            for one in file.pending:
                _apply(file.synced, one)
            file.pending.clear()
    for path, file in files.items():
        for step in file.pending if is_synced else ():
            if chance.random() < 0.5:
                _apply(file.synced, _torn(step, chance))
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(file.synced)
    for name in ("record.sqlite3-shm", "vault/vault.sqlite3-shm"):
        (folder / name).unlink(missing_ok=True)


def _torn(step: _Step, chance: random.Random) -> _Step:
    """Now and then only the first sectors of a write reached the disk."""
    if step.what == "t" or chance.random() < 0.7 or len(step.data) <= _SECTOR:
        return step
    sectors = chance.randrange(len(step.data) // _SECTOR)
    return _Step(step.what, step.path, step.at, step.data[: sectors * _SECTOR])


def _apply(content: bytearray, step: _Step) -> None:
    if step.what == "t":
        del content[step.at :]
        content.extend(bytes(step.at - len(content)))
        return
    end = step.at + len(step.data)
    content.extend(bytes(max(0, end - len(content))))
    content[step.at : end] = step.data


def _settings() -> Iterator[Evidence]:
    """On PostgreSQL the server owns its disk: that it is set to wait for it."""
    wanted = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": ("on", "remote_apply")}
    for alias in ("default", "vault"):
        for name, right in wanted.items():
            with connections[alias].cursor() as cursor:
                cursor.execute(f"SHOW {name}")
                value = str(cursor.fetchone()[0])
            yield Evidence(f"{alias}: {name}", " or ".join(right), value, value in right)


# What cannot be written --------------------------------------------------------------------------


def _refusals() -> Iterator[Evidence]:
    with TemporaryDirectory() as place, live_trial(Path(place) / "trial", subjects=60) as trial:
        left = iter(trial.subjects)
        randomize(next(left))
        spoils: dict[str, Callable[[str, bool], None]] = {"read-only": _make_read_only}
        if connections["default"].vendor == "sqlite":
            spoils["full"] = _make_full
        for what, spoil in spoils.items():
            for alias in ("vault", "default"):
                spoil(alias, True)
                # A full database has room in its last pages for some more.
                for subject in islice(left, 20):
                    words = _words(subject)
                    if words != "accepted":
                        break
                spoil(alias, False)
                yield _closed(f"the disk of {alias} is {what}", words, "cannot be written")
                yield _goes_on("it is writable again, and the same patient asks again", subject)
        yield from _jumps(left)
        whole = look_at()
        paired = sorted(whole["given"]) == whole["logged"] and whole["given"] == whole["recorded"]
        is_whole = paired and whole["is_whole"]
        yield Evidence("afterwards vault and record agree, without a gap", True, is_whole, is_whole)


def _jumps(left: Iterator[str]) -> Iterator[Evidence]:
    subject = next(left)
    for back, why in ((timedelta(days=1), ""), (timedelta(minutes=5), "the clock went back")):
        yield _closed(f"the clock jumped back by {back}", _words(subject, at=_HOUR_ONE - back), why)
    yield _goes_on("the clock is right again", subject)
    randomize(next(left), at=_HOUR_ONE + timedelta(days=1))
    words = _words(next(left))
    yield _closed("the clock jumped a day ahead, and came back", words, "the clock went back")


_HOUR_ONE = BEGIN + timedelta(hours=1)


def _words(subject: str, **told: Any) -> str:
    try:
        randomize(subject, f"again {next(_number)}", **told)
    except ConductError as error:
        return error.what
    return "accepted"


def _closed(what: str, words: str, why: str) -> Evidence:
    """Refused, and for the reason that it is."""
    return Evidence(what, why or "refused, in words", words[:80], words != "accepted" and why in words)


def _goes_on(what: str, subject: str) -> Evidence:
    words = _words(subject)
    return Evidence(what, "accepted", words[:80], words == "accepted")


def _make_read_only(alias: str, is_so: bool) -> None:
    is_sqlite = connections[alias].vendor == "sqlite"
    with connections[alias].cursor() as cursor:
        if is_sqlite:
            cursor.execute(f"PRAGMA query_only = {int(is_so)}")
        else:
            cursor.execute(f"SET default_transaction_read_only = {'on' if is_so else 'off'}")


def _make_full(alias: str, is_so: bool) -> None:
    """No page more than the database has; then as many as it may have."""
    with connections[alias].cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        pages = int(cursor.fetchone()[0])
        cursor.execute(f"PRAGMA max_page_count = {pages if is_so else 2**31}")


_LEFT = (
    "power is cut in a played-back note of writes, not on hardware: a disk that lies about syncs, a lost "
    "entry of a folder and PostgreSQL's own files (its settings are read instead) are left to a drill"
)
CHECKS = (Check("R5", "Power loss, full and read-only disk, a clock that jumps", check_power, _LEFT),)
