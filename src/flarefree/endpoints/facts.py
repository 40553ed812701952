"""Sentences about patients as a whole: populations, subgroups, who completed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.follow_up import is_allocated
from flarefree.endpoints.kernels import TRUE
from flarefree.endpoints.panel import Panel
from flarefree.protocol.language.nodes import Node, SubjectFact
from flarefree.protocol.language.walking import walk
from flarefree.protocol.schema import Schedule

if TYPE_CHECKING:
    from flarefree.records.study import Study

__all__ = ["PatientSentences"]

Flags = npt.NDArray[np.bool_]


class PatientSentences:
    """Reads sentences about patients.

    Parameters
    ----------
    study : Study
    panel : Panel
        With every covariate of the protocol.
    follow_up : DataFrame
        As `derive_follow_up` gives it.
    schedule : Schedule
        Under which names a visit is known.
    """

    def __init__(self, study: Study, panel: Panel, follow_up: pl.DataFrame, schedule: Schedule) -> None:
        self._study = study
        self._schedule = schedule
        self._panel = panel
        self._follow_up = follow_up
        n = panel.n_subjects
        # One empty assessment a patient: sentences about patients ask for no values.
        self._patients = Panel(
            panel.subjects,
            np.arange(n + 1, dtype=np.int64),
            np.ones(n, dtype=np.int32),
            np.full(n, -1, dtype=np.int32),
            {},
            panel.covariates,
        )

    def holds(self, node: Node) -> Flags:
        """For which patients a sentence is true; unknown is not true.  Shape (n_subjects,)."""
        facts = {
            part: self.fact(part).astype(np.int8) for part in walk(node) if isinstance(part, SubjectFact)
        }
        return Evaluator(self._patients, facts=facts).verdicts(node) == TRUE

    def fact(self, fact: SubjectFact) -> Flags:
        """One fact, of every patient: (n_subjects,)."""
        match fact.name:
            case "randomized":
                return self._flags(is_allocated())
            case "dosed":
                return self._flags(pl.col("first_dose_day").is_not_null())
            case "completed":
                return self._flags(pl.col("status") == "completed")
            case "assessed":
                return self._assessed(fact.arguments)
            case "attended":
                return self._attended(fact.arguments[0])
        raise ValueError(f"no fact about patients: {fact.name}")

    def _flags(self, expression: pl.Expr) -> Flags:
        return self._follow_up.select(expression.fill_null(False)).to_series().to_numpy()

    def _assessed(self, measures: tuple[str, ...]) -> Flags:
        """At least one known value of any of these measures after day 1."""
        panel = self._panel
        found = np.zeros(panel.n_subjects, dtype=np.bool_)
        subject = np.repeat(np.arange(panel.n_subjects), np.diff(panel.offsets))
        for name in measures or panel.columns:
            column = panel.columns.get(name)
            if column is not None:
                found[subject[~np.isnan(column.values) & (column.days > 1)]] = True
        return found

    def _attended(self, visit: str) -> Flags:
        """A visit of this name was held: the visits' table has it, or a value was observed at it."""
        names, numbers = self._known_as(visit)
        seen: set[str] = set()
        for table in ("visits", "observations"):
            by_name = pl.col("visit").str.strip_chars().str.to_lowercase().is_in(names)
            held = self._study[table].filter(by_name | pl.col("visit_number").is_in(numbers))
            seen.update(held.get_column("subject").drop_nulls().unique().to_list())
        return np.array([subject in seen for subject in self._panel.subjects.tolist()], dtype=np.bool_)

    def _known_as(self, visit: str) -> tuple[list[str], list[float]]:
        wanted = visit.strip().casefold()
        for planned in self._schedule.visits:
            names = [name.strip().lower() for name in (planned.name, *planned.codes)]
            if wanted in names:
                return names, [planned.number]
        return [wanted], []
