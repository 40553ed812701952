"""Published numbers beside which virtual trials are set, and what each was used for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any

from flarefree.errors import DesignError

__all__ = ["Status", "Target", "TrialTargets", "load_targets", "targets_digest"]

FILE = "targets.yaml"


class Status(StrEnum):
    """What a number was used for."""

    FITTED = "fitted"
    """In the likelihood of the calibration."""
    INPUT = "input"
    """Given to the model outright: that it agrees shows only that it arrives."""
    COMPARED = "compared"
    """Never used."""
    HELD_OUT = "held out"
    """Of another trial or cohort, and never used."""


@dataclass(frozen=True, slots=True)
class Target:
    """One published number of one arm, or of a whole trial.

    Attributes
    ----------
    id, label : str
    trial : str
        Name of the protocol.
    arm : str
        Empty for a number of the whole trial.
    statistic : str
        What is computed of every virtual trial, as `moments.py` names it.
    value : float
        As printed.
    digits : int
        Decimals that were printed.
    place : str
        Where in the paper.
    status : Status
    reason : str
        Why it was not fitted.
    is_derived : bool
        It follows from other numbers of the trial, and is left out of the joint check.
    is_prototype : bool
        One of the 16 moments that the first fit of the model was judged by.
    """

    id: str
    label: str
    trial: str
    arm: str
    statistic: str
    value: float
    digits: int
    place: str
    status: Status
    reason: str
    is_derived: bool
    is_prototype: bool

    @property
    def key(self) -> tuple[str, str]:
        """Statistic and arm: where `moments.py` puts it."""
        return self.statistic, self.arm

    @property
    def is_count(self) -> bool:
        """Whether it is a number of patients."""
        return self.statistic.split()[0] in COUNTS

    @property
    def rounding(self) -> float:
        """Half a unit of the last digit printed; nothing for a count."""
        return 0.0 if self.is_count else 0.5 * 10.0**-self.digits


COUNTS = frozenset(
    {
        "events", "events_only", "completed", "not_completed", "dropout", "withdrawn", "covariate",
        "enrolled", "in_state", "baseline_within", "events_of_level", "adverse", "prednisone_low",
    }
)  # fmt: skip
"""Statistics that count patients."""


@dataclass(frozen=True, slots=True)
class TrialTargets:
    """The numbers of one trial.

    Attributes
    ----------
    trial, source : str
        Name of the protocol, and key of the paper.
    sizes : mapping of arm to int
    targets : tuple of Target
    not_produced : tuple of (numbers, reason)
        What the paper prints and virtual trials do not give.
    """

    trial: str
    source: str
    sizes: Mapping[str, int]
    targets: tuple[Target, ...]
    not_produced: tuple[tuple[str, str], ...]

    @property
    def fitted(self) -> tuple[Target, ...]:
        """Those in the likelihood."""
        return tuple(target for target in self.targets if target.status is Status.FITTED)


@lru_cache(maxsize=1)
def load_targets() -> Mapping[str, TrialTargets]:
    """The targets that come with this version, by protocol.

    Raises
    ------
    DesignError
        The file contradicts itself.
    """
    content = read_yaml_text(text_of(FILE))
    missing = content.pop("not_produced", [])
    return {
        trial: TrialTargets(
            trial,
            str(part["source"]),
            dict(part["sizes"]),
            tuple(one for entry in part["targets"] for one in _targets(trial, entry)),
            tuple((str(m["numbers"]), str(m["reason"])) for m in missing if m["trial"] == trial),
        )
        for trial, part in content.items()
    }


def targets_digest() -> str:
    """Digest of the numbers that are fitted: a posterior belongs to them."""
    import hashlib

    fitted = [
        (t.trial, t.arm, t.statistic, t.value, trial.sizes[t.arm])
        for trial in load_targets().values()
        for t in trial.fitted
    ]
    return hashlib.sha256(repr(fitted).encode("utf-8")).hexdigest()


def text_of(name: str) -> str:
    """A file of this package, as text."""
    return files("flarefree.simulation.calibration").joinpath(name).read_text("utf-8")


def read_yaml_text(text: str) -> Any:
    """YAML of our own files."""
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text)


def _targets(trial: str, entry: Mapping[str, Any]) -> list[Target]:
    values: Mapping[str, Any] = entry.get("values") or {"": entry["value"]}
    status = Status(entry["status"])
    if status in (Status.COMPARED, Status.INPUT) and not entry.get("reason"):
        raise DesignError("a target that is not fitted says why", where=f"{FILE} {trial}", found=entry["id"])
    digits = entry.get("digits", 0)
    return [
        Target(
            id=str(entry["id"]),
            label=str(entry["label"]),
            trial=trial,
            arm=str(arm),
            statistic=str(entry["statistic"]),
            value=float(value),
            digits=int(digits[arm] if isinstance(digits, dict) else digits),
            place=str(entry["place"]),
            status=status,
            reason=str(entry.get("reason", "")),
            is_derived=bool(entry.get("derived", False)),
            is_prototype=bool(entry.get("prototype", False)),
        )
        for arm, value in values.items()
    ]
