"""Moderators: columns of trials as a design matrix, by the formulas that all of flarefree's models use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError, FormulaError
from flarefree.evidence.pooling.trials import Trials

__all__ = ["ModeratorTerms", "read_moderators"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ModeratorTerms:
    """A design of moderators.

    Attributes
    ----------
    formula : str
    names : tuple of str
        Of the p columns, as R has them: `(Intercept)`, `ablat`, `allocrandom`.
    matrix : (k, p) float
    rows : (k,) int
        The trials kept; those without a moderator's value drop out.
    factors : mapping of str to tuple of str
    notes : tuple of str
    """

    formula: str
    names: tuple[str, ...]
    matrix: Floats
    rows: NDArray[np.int64]
    factors: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()

    @property
    def has_intercept(self) -> bool:
        """Whether there is a column of ones."""
        return "(Intercept)" in self.names

    @property
    def moderating(self) -> NDArray[np.bool_]:
        """(p,): the columns that are not the intercept."""
        return np.array([name != "(Intercept)" for name in self.names])

    def row_for(self, values: Mapping[str, Any]) -> Floats:
        """The design's row for a trial with these moderators."""
        from flarefree.stats.formula import design_matrix

        # Every level once, so that the coding is that of the fit; the asked-for row comes last.
        frame: dict[str, list[Any]] = {}
        longest = max([len(levels) for levels in self.factors.values()], default=0)
        for name, value in values.items():
            levels = next((levels for key, levels in self.factors.items() if _is_of(key, name)), None)
            if levels is not None and str(value) not in levels:
                raise EvidenceError(
                    "no trial has this level", where=name, found=repr(value), expected=", ".join(levels)
                )
            filling = [levels[i % len(levels)] for i in range(longest)] if levels else [value] * longest
            frame[name] = [*filling, str(value) if levels else value]
        try:
            row = design_matrix(f"~ {self.formula}", frame).matrix[-1]
            if len(row) != len(self.names):  # a text where the fit had a number
                raise FormulaError("the values are of another kind than the trials'")
            return row
        except FormulaError as error:
            raise EvidenceError(
                "a moderator's value is missing",
                where="predict",
                found=", ".join(f"{name}={value!r}" for name, value in values.items()) or "nothing",
                expected=f"values for {self.formula}, as the trials have them",
            ) from error


def _is_of(key: str, name: str) -> bool:
    return key == name or key in (f"factor({name})", f"C({name})")


def _names(moderators: Any) -> list[str]:
    names = list(moderators) if isinstance(moderators, Sequence) else [moderators]
    if not all(isinstance(name, str) for name in names):
        raise EvidenceError(
            "moderators are named",
            where="moderators",
            found=repr(moderators)[:80],
            expected="names of columns",
        )
    return names


def read_moderators(moderators: str | Sequence[str], trials: Trials) -> ModeratorTerms:
    """The design that names or a formula ask for."""
    from flarefree.stats.formula import design_matrix

    formula = moderators if isinstance(moderators, str) else " + ".join(_names(moderators))
    formula = formula.strip().removeprefix("~").strip()
    if not formula:
        raise EvidenceError("no moderator is named", where="moderators", found=repr(moderators))
    columns = {name: trials.extra[name] for name in trials.extra if name in formula}
    try:
        design = design_matrix(f"~ {formula}", columns)
    except FormulaError as error:
        raise EvidenceError(
            error.what,
            where="moderators",
            found=error.found or formula,
            expected="columns of the data: "
            + (", ".join(trials.extra) or "there is none besides the results"),
            try_=error.try_,
        ) from None
    lost = [name for i, name in enumerate(trials.names) if i not in set(design.rows.tolist())]
    notes = (f"left out, a moderator is missing: {', '.join(lost)}",) if lost else ()
    return ModeratorTerms(formula, tuple(design.columns), design.matrix, design.rows, design.factors, notes)
