"""Two populations side by side: a column a number that can be matched.

Decides what is matched of a covariate: the mean of a measurement (its square too, where asked), the
proportion of a yes, the proportion of each level of a category but the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.populations.population import Population, require_no_gaps
from flarefree.stats.margins import Bernoulli, Categorical, Margin

__all__ = ["Term", "choose_covariates", "columns_for", "possible_in_target", "shared_terms"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Term:
    """One number that two populations are compared by.

    Attributes
    ----------
    covariate : str
        Its name in both populations.
    level : str
        Of a category; empty otherwise.
    power : int
        2 for the square of a measurement, which matches its SD.
    mean, sd : float
        In the target.
    is_share : bool
        Whether the mean is a proportion.
    is_reference : bool
        The first level of a category: shown, never matched, as the others determine it.
    """

    covariate: str
    mean: float
    sd: float
    level: str = ""
    power: int = 1
    is_share: bool = False
    is_reference: bool = False

    @property
    def label(self) -> str:
        """`age`, `age squared`, `race: Black`."""
        if self.level:
            return f"{self.covariate}: {self.level}"
        return self.covariate + (" squared" if self.power == 2 else "")


def choose_covariates(source: Population, target: Population, asked: Sequence[str]) -> tuple[str, ...]:
    """The covariates asked for, or all that both populations know.

    Raises
    ------
    EvidenceError
        One that a population does not know; none that both know.
    """
    if isinstance(asked, str):
        asked = (asked,)
    for covariate in asked:
        for population in (source, target):
            known = set(population.margins) | set(population.columns or ())
            if covariate not in known:
                raise EvidenceError(
                    f"{population.name} knows no covariate {covariate!r}",
                    where="covariates",
                    found=repr(covariate),
                    expected=f"one of {', '.join(sorted(population.margins))}",
                )
    chosen = tuple(asked) or tuple(c for c in target.margins if c in source.margins)
    if not chosen:
        raise EvidenceError(
            "the two populations have no covariate in common",
            where="covariates",
            found=f"{source.name}: {', '.join(source.margins)}; {target.name}: {', '.join(target.margins)}",
            expected="at least one in both",
        )
    return chosen


def shared_terms(
    source: Population, target: Population, covariates: Sequence[str], *, moments: int = 1
) -> tuple[Term, ...]:
    """The terms of these covariates, with their means in the target."""
    terms: list[Term] = []
    for covariate in covariates:
        ours, theirs = _margin(source, covariate), _margin(target, covariate)
        if isinstance(ours, Categorical) != isinstance(theirs, Categorical):
            raise EvidenceError(
                f"{covariate} is a category in one population and a number in the other",
                where=f"covariates, {covariate}",
                found=f"{type(ours).__name__} in {source.name}, {type(theirs).__name__} in {target.name}",
                expected="the same kind in both",
            )
        if isinstance(ours, Categorical) and isinstance(theirs, Categorical):
            terms += _level_terms(covariate, ours, theirs)
            continue
        is_share = isinstance(ours, Bernoulli) and _is_share(theirs)
        terms.append(Term(covariate, theirs.mean, theirs.sd, is_share=is_share))
        if moments == 2 and not is_share:
            terms.append(Term(covariate, theirs.mean**2 + theirs.sd**2, 0.0, power=2))
    return tuple(terms)


def columns_for(terms: Sequence[Term], columns: Any, *, where: str) -> Floats:
    """(n, n_terms) float: each patient's number for each term."""
    return np.column_stack([_column(term, columns, where) for term in terms])


def possible_in_target(x: Floats, terms: Sequence[Term]) -> NDArray[np.bool_]:
    """(n,) bool: patients of whom the target may have some.

    Where nobody in the target is White, or everybody is Asian, the other patients of the source have weight
    0: no weighting by exponentials gives that, and it is no lack of overlap.
    """
    possible = np.ones(len(x), dtype=bool)
    for j, term in enumerate(terms):
        if term.is_share and term.mean in (0.0, 1.0) and (x[:, j] == term.mean).any():
            possible &= x[:, j] == term.mean
    return possible


def _column(term: Term, columns: Any, where: str) -> Floats:
    values = np.asarray(columns[term.covariate])
    require_no_gaps(values, term.covariate, where)
    if term.level:
        return np.array([str(v) == term.level for v in values], dtype=float)
    return values.astype(float) ** term.power


def _level_terms(covariate: str, ours: Categorical, theirs: Categorical) -> list[Term]:
    shares = dict(zip(theirs.levels, theirs.probabilities))
    levels = list(dict.fromkeys([*ours.levels, *theirs.levels]))
    return [
        Term(
            covariate,
            shares.get(level, 0.0),
            (shares.get(level, 0.0) * (1 - shares.get(level, 0.0))) ** 0.5,
            level=level,
            is_share=True,
            is_reference=k == 0,
        )
        for k, level in enumerate(levels)
    ]


def _margin(population: Population, covariate: str) -> Margin:
    if covariate not in population.margins and population.columns is not None:
        return Population.from_patients(
            {covariate: population.columns[covariate]}, name=population.name
        ).margins[covariate]
    return population.margins[covariate]


def _is_share(margin: Margin) -> bool:
    return isinstance(margin, Bernoulli) or (margin.sd == 0 and 0 <= margin.mean <= 1)
