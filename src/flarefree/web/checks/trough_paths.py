"""B6 over the application: a trough is seen by nobody but as it is shown, and shown alike in each arm."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flarefree.conduct.checks._trial import swap_arms
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.randomization.lists import ListSet
from flarefree.conduct.trough import Donor, TroughMatch
from flarefree.conduct.visibility import Actor
from flarefree.web.chance import lots_drawn_from
from flarefree.web.checks.canaries import dump_of
from flarefree.web.checks.live_trial import BEGIN, LiveTrial, live_trial, randomize
from flarefree.web.commands.base import Asked, Command
from flarefree.web.commands.executing import execute
from flarefree.web.commands.troughs import ImportTrough, ReceiveTroughSample, ShowTroughs
from flarefree.web.record.models import LogRow
from flarefree.web.record.reading import read_things
from flarefree.web.vault import service

__all__ = ["CHECKS"]

_PATIENTS = 12
_UNDETECTABLE = "<2.00137"
"""What the laboratory finds in who does not take the drug: a token, searched for everywhere."""


def check_troughs(quick: bool) -> Iterator[Evidence]:
    """B6: true results stay in the vault; every patient is shown one a sample, released alike."""
    told: list[list[tuple[Any, ...]]] = []
    lists: ListSet | None = None
    for arms in ("as drawn", "exchanged"):
        with (
            TemporaryDirectory() as folder,
            live_trial(Path(folder), subjects=_PATIENTS, lists=lists, edit=_with_troughs) as trial,
        ):
            lists = swap_arms(trial.lists)
            with lots_drawn_from(random.Random(6)):
                yield from _a_month(trial, arms)
            told.append(_shown_but_values())
    same = told[0] == told[1]
    what = "what is shown of troughs, but for the numbers, where arms are exchanged: the same"
    yield Evidence(what, True, same, same)


def _with_troughs(protocol: dict[str, Any]) -> None:
    """As if the first drug were titrated by its trough."""
    protocol["dosing"] |= {
        "trough_window": "4 to 8 ng/mL",
        "trough_measure": "drug_trough",
        "trough_drug": "mycophenolate mofetil",
        "trough_hours": [10, 14],
    }
    protocol["measures"]["drug_trough"] = {
        "label": "Trough of the drug", "tests": ["TROUGH"], "unit": "ng/mL", "plausible": [0.1, 60],
    }  # fmt: skip


def _a_month(trial: LiveTrial, arms: str) -> Iterator[Evidence]:
    for subject in trial.subjects:
        randomize(subject)
    service.install_donors(tuple(_stock()), by="ulla", request="stock", at=_at(2))
    takes = {s: trial.lists.lists[0].entries[i] == 0 for i, s in enumerate(trial.subjects)}
    true = {s: f"{5 + 0.13 * i:.2f}" if takes[s] else _UNDETECTABLE for i, s in enumerate(trial.subjects)}
    for number, subject in enumerate(trial.subjects):
        _ask(_sample(subject), _at(30 * 24 + number / 10))
    for number, subject in enumerate(trial.subjects):
        told = {"result": true[subject], "unit": "ng/mL", "reported_at": _at(31 * 24)}
        _ask(ImportTrough(subject=subject, sample=f"T-{subject}", **told), _at(31 * 24 + number / 10))
    early = len(service.shown_troughs(_at(30 * 24 + 2)))
    yield Evidence(f"arms {arms}: shown before a first daily release", 0, early, early == 0)
    times = {f"{one.reported_at:%H:%M:%S.%f}" for one in service.shown_troughs(_at(40 * 24))}
    daily = times == {"06:00:00.000000"}
    yield Evidence(f"arms {arms}: times of the day at which results come out", "06:00", str(times), daily)
    execute(ShowTroughs(), Asked(None, "release", _at(40 * 24), "machine"))
    shown = {item.subject: str(item["value"]) for item in read_things("trough") if item["value"] is not None}
    yield Evidence(
        f"arms {arms}: patients who are shown a result", _PATIENTS, len(shown), len(shown) == _PATIENTS
    )
    live = sum(shown[s] == true[s] for s in trial.subjects if takes[s])
    count = sum(takes.values())
    yield Evidence(f"arms {arms}: of who takes the drug, the laboratory's own", count, live, live == count)
    doses = sum(float(value) > 0 for value in shown.values())
    yield Evidence(f"arms {arms}: shown as numbers of the same digits", _PATIENTS, doses, doses == _PATIENTS)
    text = dump_of("default") + "".join(row.items for row in LogRow.objects.all())
    hits = text.count("2.00137") + dump_of("vault").count("2.00137")
    yield Evidence(f"arms {arms}: true results of the other arm in either database", 0, hits, hits == 0)


def _at(hours: float) -> datetime:
    return BEGIN + timedelta(hours=hours)


def _ask(command: Command, at: datetime) -> None:
    name = getattr(command, "subject", "")
    execute(command, Asked(Actor("lea", "laboratory"), f"{command.name} {name}", at))


def _sample(subject: str) -> ReceiveTroughSample:
    drawn = _at(29 * 24)
    return ReceiveTroughSample(
        subject=subject,
        sample=f"T-{subject}",
        collected_at=drawn,
        last_dose_at=drawn - timedelta(hours=12),
        visit="month 1",
    )


def _stock() -> Iterator[Donor]:
    for n in range(30):
        match = TroughMatch("month 1", 0, None)
        yield Donor(f"D{n}", "900", match, f"{4.1 + 0.11 * n:.2f}", "ng/mL", timedelta(hours=30 + n % 20))


def _shown_but_values() -> list[tuple[Any, ...]]:
    """All that the record has of troughs but their numbers, which are the patient's own or a donor's."""
    found = []
    for item in read_things("trough"):
        facts = {
            n: f.value for n, f in item.facts.items() if n not in {"value", "reported_at", "band", "tablets"}
        }
        found.append((item.key, sorted((n, str(v)) for n, v in facts.items())))
    return found


CHECKS = (Check("B6", "True troughs stay in the vault; shown ones are alike", check_troughs),)
