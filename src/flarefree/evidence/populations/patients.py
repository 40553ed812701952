"""The source's patients, checked once: outcome, exposure, arm, covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence.populations.effects import Effect
from flarefree.evidence.populations.population import Population, require_no_gaps

__all__ = ["Patients", "read_patients"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Patients:
    """Outcome and arm of every patient of the two arms compared.

    Attributes
    ----------
    outcome : (n,) float
        0/1, a count, or a measurement; for times, whether the event was seen.
    exposure : (n,) float
        Person-time, or the time of follow-up; 1 for a plain outcome.
    is_experimental : (n,) bool
    rows : (n,) int
        Their rows among all of the source.
    names : (experimental, reference)
        `reference` is empty where the source has one arm only.
    """

    outcome: Floats
    exposure: Floats
    is_experimental: NDArray[np.bool_]
    rows: NDArray[np.int64]
    names: tuple[str, str]

    def __len__(self) -> int:
        return len(self.outcome)

    def take(self, at: NDArray[np.int64]) -> Patients:
        """These patients, with repetitions: for the bootstrap."""
        return Patients(
            self.outcome[at], self.exposure[at], self.is_experimental[at], self.rows[at], self.names
        )


def read_patients(
    source: Population,
    outcome: Any,
    treatment: str,
    effect: Effect,
    *,
    experimental: str | None,
    reference: str | None,
    single_arm: bool,
) -> Patients:
    """Outcome and arms out of the source's columns.

    Raises
    ------
    EvidenceError
        Missing columns or values; outcomes that the effect cannot be of; one arm where two are needed.
    NotFoundError
        A treatment that nobody had.
    """
    columns = source.columns
    if columns is None:
        raise EvidenceError(
            "the source has margins only",
            where="source",
            expected="patients with outcome and treatment, or published rows for method='nmr'",
        )
    names = _outcome_columns(outcome, effect)
    for name in (*names, treatment):
        if name not in columns:
            raise EvidenceError(
                f"there is no column {name!r}",
                where=source.name,
                found=", ".join(columns),
                expected=repr(name),
            )
        require_no_gaps(np.asarray(columns[name]), name, source.name)
    arms = np.array([_arm_name(v) for v in columns[treatment]], dtype=object)
    pair = _choose_arms(arms, treatment, experimental, reference, single_arm)
    rows = np.flatnonzero(np.isin(arms, [name for name in pair if name]))
    values, exposure = _outcome_values(names, columns, effect, source.name)
    return Patients(values[rows], exposure[rows], arms[rows] == pair[0], rows, pair)


def _outcome_columns(outcome: Any, effect: Effect) -> tuple[str, ...]:
    names = tuple(outcome) if isinstance(outcome, tuple | list) else (outcome,) if outcome else ()
    needed = {"HR": ("time", "event"), "IRR": ("events", "person_time")}.get(effect, ("outcome",))
    if len(names) != len(needed):
        raise EvidenceError(
            f"effect {effect} needs {len(needed)} column{'s' if len(needed) > 1 else ''} of the outcome",
            where="outcome",
            found=repr(outcome),
            expected=f"({', '.join(needed)})" if len(needed) > 1 else "the name of a column",
        )
    return names


def _outcome_values(
    names: tuple[str, ...], columns: Any, effect: Effect, where: str
) -> tuple[Floats, Floats]:
    numbers = []
    for name in names:
        column = np.asarray(columns[name])
        if column.dtype == object:
            raise EvidenceError("no numbers", where=f"{where}, column {name}", found=repr(column[0]))
        numbers.append(column.astype(float))
    if effect == "HR":
        _require(numbers[0] > 0, names[0], numbers[0], "times above 0", where)
        _require(np.isin(numbers[1], (0, 1)), names[1], numbers[1], "0 or 1", where)
        return numbers[1], numbers[0]
    if effect == "IRR":
        _require(numbers[0] >= 0, names[0], numbers[0], "counts of 0 or more", where)
        _require(numbers[1] > 0, names[1], numbers[1], "person-time above 0", where)
        return numbers[0], numbers[1]
    if effect in ("RR", "OR", "RD"):
        _require(np.isin(numbers[0], (0, 1)), names[0], numbers[0], "0 or 1", where)
    return numbers[0], np.ones(len(numbers[0]))


def _require(fine: NDArray[np.bool_], name: str, values: Floats, expected: str, where: str) -> None:
    if not fine.all():
        row = int(np.flatnonzero(~fine)[0])
        raise EvidenceError(
            f"{name} holds what cannot be",
            where=f"{where}, column {name}, row {row + 1}",
            found=f"{values[row]:g}",
            expected=expected,
        )


def _arm_name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float | bool | np.bool_ | np.floating) else str(value)


def _choose_arms(
    arms: NDArray[np.object_], column: str, experimental: str | None, reference: str | None, single_arm: bool
) -> tuple[str, str]:
    """Experimental and reference arm: as named, else the first in order is the reference (0 of 0/1)."""
    present = sorted(set(arms.tolist()))
    for name in (experimental, reference):
        if name is not None and str(name) not in present:
            raise NotFoundError(
                "nobody had this treatment",
                where=f"column {column}",
                found=repr(name),
                expected=", ".join(present),
            )
    first = None if experimental is None else str(experimental)
    second = None if reference is None else str(reference)
    if single_arm and second is None and (len(present) == 1 or first is not None):
        return first or present[0], ""
    if len(present) == 1:
        raise EvidenceError(
            "all patients had one treatment",
            where=f"column {column}",
            found=present[0],
            expected="two treatments to compare",
            try_="comparison={'events': ..., 'n': ...} of the other treatment in the target (unanchored)",
        )
    left = [name for name in present if name not in (first, second)]
    if len(present) > 2 and (first is None or second is None):
        raise EvidenceError(
            f"{len(present)} treatments: which two?",
            where=f"column {column}",
            found=", ".join(present),
            try_="experimental=..., reference=...",
        )
    second = second or left.pop(0)
    first = first or left.pop(0)
    if first == second:
        raise EvidenceError("a treatment against itself", where=f"column {column}", found=first)
    return first, second
