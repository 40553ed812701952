"""A table as the checks see it: its rows, and the comparisons that they make up."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from flarefree.evidence.auditing.names import is_time_to_event, outcome_key
from flarefree.evidence.auditing.printed import Printed
from flarefree.evidence.auditing.rows import PrintedRow

__all__ = ["Comparison", "Sheet", "arm_key", "grouped", "key_of"]

Key = TypeVar("Key", bound=Hashable)
ADJUSTED = ("adjusted", "model", "mixed", "regression", "stratified", "weighted", "glmm", "mmrm")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arms that one P value, or one estimate with limits, compares.

    `anchor` is the row on which these are printed; `follows` says that other comparisons of the table come
    with hazard ratios and this one without, so that it may be of times to events too.
    """

    arms: tuple[PrintedRow, ...]
    anchor: PrintedRow
    follows: bool = False

    @property
    def p(self) -> Printed | None:
        return self.anchor.p

    @property
    def measure(self) -> str:
        return self.anchor.measure.strip().upper()

    @property
    def is_time_to_event(self) -> bool:
        row = self.anchor
        return is_time_to_event(row.kind, row.test, row.outcome) or self.measure in ("HR", "SHR")

    @property
    def is_adjusted(self) -> bool:
        said = f"{self.anchor.kind} {self.anchor.test} {self.anchor.measure}".lower()
        return any(word in said for word in ADJUSTED) and "unadjusted" not in said

    @property
    def counts(self) -> tuple[tuple[int, int], ...] | None:
        """Events and n of each arm, where all are printed and possible."""
        pairs = tuple((arm.events, arm.n) for arm in self.arms)
        if all(e is not None and n is not None and 0 <= e <= n and n > 0 for e, n in pairs):
            return tuple((int(e or 0), int(n or 0)) for e, n in pairs)
        return None


class Sheet:
    """The rows of a table, in their order, with what the checks ask of them."""

    def __init__(self, rows: Iterable[PrintedRow]) -> None:
        self.rows = tuple(rows)

    @cached_property
    def cells(self) -> tuple[PrintedRow, ...]:
        """Rows that are no columns of risk tables."""
        return tuple(row for row in self.rows if not row.is_risk_table)

    @cached_property
    def outcomes(self) -> dict[Hashable, tuple[PrintedRow, ...]]:
        """Rows of one outcome in one place: the arms that stand side by side."""
        return grouped(self.cells, _side_by_side)

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        found = [comparison for rows in self.outcomes.values() for comparison in _compared(rows)]
        timed = {_table(c.anchor) for c in found if c.measure in ("HR", "SHR")}
        return tuple(
            Comparison(c.arms, c.anchor, follows=_table(c.anchor) in timed and c.anchor.estimate is None)
            for c in found
        )


def _table(row: PrintedRow) -> Hashable:
    return (row.study, row.source, row.table)


def _side_by_side(row: PrintedRow) -> Hashable:
    timed = str(row.time) if row.time is not None else ""
    return (*_table_parts(row), row.outcome, row.part_of, row.period, row.population, row.unit, timed)


def _table_parts(row: PrintedRow) -> tuple[str, str, str]:
    return row.study, row.source, row.table


def _compared(rows: tuple[PrintedRow, ...]) -> list[Comparison]:
    """The comparisons printed among the arms of one outcome.

    Two P values for the same two arms are two analyses; each is kept.  With three arms or more a P value
    without `versus` is of all of them together.
    """
    arms = tuple(
        row for row in rows if row.arm or len(rows) == 1 or row.events is not None or row.mean is not None
    )
    names = [row.arm for row in arms]
    if len(set(names)) < len(names):
        return []  # the same arm twice: which of them is compared cannot be told
    found: list[Comparison] = []
    told: set[tuple[str, ...]] = set()
    for row in rows:
        texts = tuple(str(getattr(row, name) or "") for name in ("p", "estimate", "lower", "upper"))
        said = (*texts, row.versus)
        if not any(texts) or said in told:
            continue
        told.add(said)
        other = [arm for arm in arms if row.versus and arm.arm == row.versus]
        against = (row, other[0]) if other and row.arm else arms
        found.append(Comparison(tuple(against), row))
    return found


def grouped(
    rows: Iterable[PrintedRow], key: Callable[[PrintedRow], Key]
) -> dict[Key, tuple[PrintedRow, ...]]:
    """Rows by a key, in the order in which the keys come."""
    groups: dict[Key, list[PrintedRow]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {k: tuple(here) for k, here in groups.items()}


def key_of(row: PrintedRow) -> str:
    """What the outcome is called in common."""
    return row.outcome_id.strip().lower() or outcome_key(row.outcome)


def arm_key(row: PrintedRow) -> tuple[str, str]:
    """Whose patients these are: the cohort, and the arm under one name."""
    return row.cohort or row.study, (row.patients or row.arm).strip().lower()
