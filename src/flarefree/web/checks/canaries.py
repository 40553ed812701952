"""B4 and B5: tokens in place of arms are found nowhere but by breaking a code; time does not tell the arm."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.db import connections

from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.checks.live_trial import BEGIN, STRATA, LiveTrial, live_trial, randomize
from flarefree.web.commands.base import Asked
from flarefree.web.commands.code_breaks import NoteIdentification, OrderCodeBreak, hear_answer
from flarefree.web.commands.executing import execute
from flarefree.web.record.reading import read_thing
from flarefree.web.vault import service

__all__ = ["CHECKS", "dump_of"]

_TOKENS = {"MMF": "CANARYQ7X1", "AZA": "CANARYZ9K2"}


class _Heard(logging.Handler):
    """All that any logger says, at any level."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.words.append(self.format(record))


def check_canaries(quick: bool) -> Iterator[Evidence]:
    """B4: arms renamed to tokens; the record, the vault, files, logs and errors are searched for them."""
    heard = _Heard()
    root = logging.getLogger()
    level = root.level
    root.addHandler(heard)
    root.setLevel(logging.NOTSET)
    try:
        with (
            TemporaryDirectory() as folder,
            live_trial(Path(folder), subjects=30, list_length=24, arms=_TOKENS) as trial,
        ):
            for alias in ("default", "vault"):
                connections[alias].force_debug_cursor = True  # every statement is logged, with its values
            said = list(_a_day_of(trial))
            answer = _break_code(trial.subjects[0])
            found = any(token in answer for token in _TOKENS.values())
            yield Evidence(
                "the answer to a code break holds a token: the search can find one", True, found, found
            )
            places = {
                "the record's database, all rows": dump_of("default"),
                "the vault's database, all rows": dump_of("vault"),
                "what was answered, refused and printed": "\n".join(said),
                "everything logged, at any level": "\n".join(heard.words),
                "files of the installation": _files(trial.config.data),
            }
            kit = str(randomize(trial.subjects[0]).result["kit"])
            seen = kit in places["the record's database, all rows"]
            yield Evidence("the kit's code is found in the record: the dump is whole", True, seen, seen)
            for what, text in places.items():
                hits = sum(text.count(token) for token in _TOKENS.values())
                yield Evidence(f"{what} ({len(text):,} characters): tokens", 0, hits, hits == 0)
            limit = resource.getrlimit(resource.RLIMIT_CORE)[0]
            yield Evidence("size that a core dump of this process may have", 0, limit, limit == 0)
            lengths = _lengths()
            yield Evidence("different lengths of sealed arms", 1, len(lengths), len(lengths) == 1)
    finally:
        for alias in ("default", "vault"):
            connections[alias].force_debug_cursor = False
        root.removeHandler(heard)
        root.setLevel(level)


def _a_day_of(trial: LiveTrial) -> Iterator[str]:
    """Allocations, a list at its end, requests that are refused: all that they say, and print as objects."""
    for subject in trial.subjects:
        try:
            outcome = randomize(subject)
        except ConductError as error:
            yield f"{error} {error!r} {vars(error)}"
        else:
            yield f"{outcome!r} {service.receipt_of(subject)!r}"
    yield repr((service.alarms(), service.list_uses(), service.emergency_codes(), service.lists_status()))


def _break_code(subject: str) -> str:
    at = BEGIN + timedelta(hours=2)
    person, site = "ina", subject.partition("-")[0]
    actor = Actor(person, "investigator", frozenset({site}))
    noted = execute(
        NoteIdentification(person=person, factors=("password", "device")), Asked(None, "id", at, "machine")
    )
    order = OrderCodeBreak(
        subject=subject,
        identification=str(noted.result["identification"]),
        reason="EMERGENCY",
        explanation="a drill of the code break",
        impact="ASKER_ONLY",
    )
    done = execute(order, Asked(actor, "order", at))
    return hear_answer(str(done.result["code_break"]), Asked(actor, "hear", at)).text


def dump_of(alias: str) -> str:
    """Every value of every row, as text; bytes as the letters that they are."""
    connection = connections[alias]
    words: list[str] = []
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{table}"')
            words += [_plain(value) for row in cursor.fetchall() for value in row]
    return "\n".join(words)


def _plain(value: Any) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)


def _files(folder: Path) -> str:
    """Every file of the installation, journals included; the protocol, which names its arms, lies outside."""
    return "\n".join(
        path.read_bytes().decode("latin-1") for path in sorted(folder.rglob("*")) if path.is_file()
    )


def _lengths() -> set[int]:
    with connections["vault"].cursor() as cursor:
        cursor.execute("SELECT sealed FROM vault_allocation")
        return {len(bytes(row[0])) for row in cursor.fetchall()}


# B5 ----------------------------------------------------------------------------------------------


def check_time(quick: bool) -> Iterator[Evidence]:
    """B5: how long an allocation takes is distributed alike in both arms."""
    count, slower = (200, 0.5) if quick else (10_000, 0.1)
    found = [_p_of_time(count, slower)]
    if found[0][0] <= _LEAST:
        # One run in a hundred says so by chance alone; two in a row do not.
        found.append(_p_of_time(count, slower))
    p, p_slower = found[-1]
    what = f"n = {count:,}: two-sample Kolmogorov-Smirnov p (runs: {len(found)})"
    yield Evidence(what, "> 0.01", p, p > _LEAST)
    what = f"the same times, were one arm {slower:.0%} slower: p"
    yield Evidence(what, "<= 0.01", p_slower, p_slower <= _LEAST)


_LEAST = 0.01


def _p_of_time(count: int, slower: float) -> tuple[float, float]:
    """As it is, and with one arm slower by a share: a test that could not see that would say nothing."""
    from scipy.stats import ks_2samp

    with (
        TemporaryDirectory() as folder,
        live_trial(Path(folder), subjects=count, strata=STRATA[:2], list_length=count) as trial,
    ):
        times: dict[int, list[float]] = {0: [], 1: []}
        for subject in trial.subjects:
            begun = time.perf_counter()
            randomize(subject)
            seconds = time.perf_counter() - begun
            times[_arm(trial, subject)].append(seconds)
    late = [seconds * (1 + slower) for seconds in times[1]]
    return float(ks_2samp(times[0], times[1]).pvalue), float(ks_2samp(times[0], late).pvalue)


def _arm(trial: LiveTrial, subject: str) -> int:
    """By the list that the check itself drew: the vault is not asked."""
    thing = read_thing("subject", subject)
    assert thing is not None
    stratum = tuple(str(thing[f"stratum.{factor.name}"]) for factor in trial.lists.plan.factors)
    own = trial.lists.list_of(stratum)
    assert own is not None
    return own.entries[own.codes.index(str(thing["kit"]))]


_SERVER = (
    "backups, containers and browsers of a deployment are looked at by its own people; a page's time in the "
    "browser is not measured"
)
CHECKS = (
    Check("B4", "Tokens in place of arms are found nowhere", check_canaries, _SERVER),
    Check("B5", "Time does not tell the arm", check_time, _SERVER),
)
