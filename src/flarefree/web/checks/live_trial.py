"""A trial that is live, with patients who pass every gate: where checks of allocation begin.

Lists are drawn and sealed as in a real trial, and put into the vault through its one door; the record is
written by a command that only checks have.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

import yaml

from flarefree.conduct.randomization.lists import ListSet, draw_lists, seal_lists
from flarefree.conduct.randomization.plan import plan_of
from flarefree.conduct.randomization.sealing import public_key_of
from flarefree.conduct.visibility import Actor
from flarefree.web.checks.scratch import fresh_databases
from flarefree.web.clock import clock_set_to
from flarefree.web.commands.base import Asked, Command, Outcome, Plan, Write
from flarefree.web.commands.executing import execute
from flarefree.web.commands.randomizing import RandomizeSubject
from flarefree.web.config import WebConfig
from flarefree.web.record.keeping import begin_record
from flarefree.web.trial import TRIAL_KEY, running_trial
from flarefree.web.vault import service

__all__ = ["BEGIN", "SITES", "STRATA", "Arrange", "LiveTrial", "live_trial", "randomize"]

BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC)
SITES = tuple(f"{n:03d}" for n in range(1, 6))
STRATA = tuple(
    (drug, race, biopsy)
    for drug in ("Intravenous cyclophosphamide", "Mycophenolate mofetil")
    for race in ("White", "Black", "Asian", "Other")
    for biopsy in ("III or III+V", "IV or IV+V", "V only")
)
SEED, KEY = bytes(range(32)), bytes([7]) * 32
_AT_ONCE = 20
_Value = tuple[str, str, str, str, str | int | bool | None]


class Arrange(Command):
    """Values as they are told, written by the machine: only checks have this command."""

    name: ClassVar[str] = "arrange"
    verb: ClassVar[str] = "record"
    is_machine: ClassVar[bool] = True
    about: str
    values: tuple[tuple[str, str, str, str, str | int | bool | None], ...]

    def plan(self, asked: Asked) -> Plan:
        """Kind, key, attribute, field and value of each."""
        writes = tuple(Write(*value, is_consequence=True) for value in self.values)
        return Plan(self.about, writes=writes, reason="arranged for a check")


@dataclass(frozen=True)
class LiveTrial:
    """A trial under way.

    Attributes
    ----------
    config : WebConfig
        For other processes.
    lists : ListSet
        As the vault holds them.
    subjects : tuple of str
        Patients who may be randomized, in the order of their numbers.
    """

    config: WebConfig
    lists: ListSet
    subjects: tuple[str, ...]


@contextmanager
def live_trial(
    folder: Path,
    *,
    subjects: int,
    strata: tuple[tuple[str, ...], ...] = STRATA[:1],
    list_length: int = 228,
    lists: ListSet | None = None,
    seed: bytes = SEED,
    arms: Mapping[str, str] | None = None,
    edit: Callable[[dict[str, Any]], None] | None = None,
) -> Iterator[LiveTrial]:
    """A live trial in fresh databases.

    Parameters
    ----------
    folder : Path
        For its files.
    subjects : int
        How many patients wait; by turns of these strata, and of the sites.
    strata : tuple of tuple of str
    list_length : int
        Slots of each list.
    lists : ListSet, optional
        Instead of those drawn from `seed`; arms exchanged, say.
    arms : mapping of str to str, optional
        Other names of the protocol's arms, keys and labels.
    edit : callable, optional
        Changes what the protocol says, in place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    protocol = _protocol_with(folder, list_length, arms or {}, edit)
    with fresh_databases(folder / "installation") as fresh:
        config = replace(fresh, protocol=str(protocol))
        with _environment(config), clock_set_to(lambda: BEGIN):
            drawn = _install(lists, seed)
            begin_record(running_trial().configured.spec.name)
            _go_live(drawn)
            names = tuple(_patients(subjects, strata))
            yield LiveTrial(config, drawn, names)


@contextmanager
def _environment(config: WebConfig) -> Iterator[None]:
    told = config.to_environment()
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    running_trial.cache_clear()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        running_trial.cache_clear()


def _protocol_with(
    folder: Path,
    list_length: int,
    arms: Mapping[str, str],
    edit: Callable[[dict[str, Any]], None] | None,
) -> Path:
    """The built-in protocol with lists of another length: a protocol of its own digest, as it must be."""
    text = (resources.files("flarefree.protocol") / "library" / "alms-maintenance.yaml").read_text("utf-8")
    place = folder / f"protocol-{list_length}.yaml"
    changed = text.replace("list_length: 228", f"list_length: {list_length}")
    assert list_length == 228 or changed != text
    if edit is not None:
        told = yaml.safe_load(changed)
        edit(told)
        changed = yaml.safe_dump(told, sort_keys=False, allow_unicode=True)
    place.write_text(_renamed(changed, arms) if arms else changed, "utf-8")
    return place


def _renamed(text: str, arms: Mapping[str, str]) -> str:
    """The protocol with other names of its arms."""
    told = yaml.safe_load(text)
    for key, name in arms.items():
        told["arms"][key]["label"] = name
    return yaml.safe_dump(_with_names(told, arms), sort_keys=False, allow_unicode=True)


def _with_names(value: Any, arms: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {arms.get(k, k) if isinstance(k, str) else k: _with_names(v, arms) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_names(one, arms) for one in value]
    return arms.get(value, value) if isinstance(value, str) else value


def _install(lists: ListSet | None, seed: bytes) -> ListSet:
    protocol = running_trial().configured
    drawn = lists or draw_lists(plan_of(protocol), protocol_digest=protocol.digest, seed=seed)
    service.install_lists(
        seal_lists(drawn, KEY).to_bytes(),
        protocol=protocol,
        public_key=public_key_of(KEY),
        published_sha256=drawn.sha256,
        by=Actor("ulla", "unblinded_statistician"),
        request="lists",
        at=BEGIN,
    )
    return drawn


def _go_live(lists: ListSet) -> None:
    trial = running_trial()
    told = {
        "phase": "live",
        "randomization": "open",
        "protocol_digest": trial.configured.digest,
        "matrix_digest": trial.matrix.digest,
        "lists_sha256": lists.sha256,
    }
    values: list[_Value] = [
        ("trial", TRIAL_KEY, name, "configuration", value) for name, value in told.items()
    ]
    for site in SITES:
        values += [("site", site, "zone", "sites.register", "UTC")]
    _arrange("trial/this", values, "live")


def _patients(count: int, strata: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    names = [f"{SITES[i % len(SITES)]}-{i // len(SITES) + 1:04d}" for i in range(count)]
    for start in range(0, count, _AT_ONCE):
        part = range(start, min(start + _AT_ONCE, count))
        values = [value for i in part for value in _patient(names[i], strata[i % len(strata)])]
        _arrange(f"subject/{names[start]}", values, f"patients {start}")
    yield from names


def _patient(name: str, stratum: tuple[str, ...]) -> list[_Value]:
    site = name.partition("-")[0]
    day = BEGIN.date().isoformat()
    of = {"subject": name, "site": site}
    told: list[tuple[str, str, str, Mapping[str, str | int | bool | None]]] = [
        ("subject", name, "subject.characteristics", of | {
            "age": "32", "sex": "F", "induction_drug": stratum[0],
            "race": stratum[1], "biopsy_class": stratum[2],
        }),
        ("subject", name, "subject.status", {"status": "eligible"}),
        ("consent", f"{name}.1", "consent.record", of | {"given_on": day}),
        ("eligibility", f"{name}.1", "eligibility.record", of | {"confirmed.response": "yes"}),
        ("lab", f"{name}.1", "labs.efficacy",
         of | {"measure": "creatinine", "date": day, "value": "0.9", "unit": "mg/dL"}),
        ("lab", f"{name}.2", "labs.efficacy",
         of | {"measure": "upcr", "date": day, "value": "1.5", "unit": "mg/mg"}),
    ]  # fmt: skip
    return [(kind, key, a, field, value) for kind, key, field, facts in told for a, value in facts.items()]


def _arrange(about: str, values: list[_Value], request: str) -> None:
    execute(Arrange(about=about, values=tuple(values)), Asked(None, f"arrange {request}", BEGIN, "machine"))


def randomize(
    subject: str, request: str = "", *, at: datetime | None = None, channel: str = "web"
) -> Outcome:
    """Ask for a patient's allocation as the investigator of their site would."""
    site = subject.partition("-")[0]
    actor = Actor(f"investigator-{site}", "investigator", frozenset({site}))
    asked = Asked(actor, request or f"randomize {subject}", at or BEGIN + timedelta(hours=1), channel)  # type: ignore[arg-type]
    return execute(RandomizeSubject(subject=subject), asked)
