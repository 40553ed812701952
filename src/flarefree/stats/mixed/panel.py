"""Rows of repeated measures laid out as subjects by visits.

Subjects with the same visits (and, where covariances differ by group, of the same group) share one
covariance matrix: a *pattern*.  Subjects are sorted by pattern, so sums over a pattern are sums over
neighbors.  What is missing is zero and counted nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import SingularDesignError, StatsError

__all__ = ["Panel", "lay_out", "require_each_visit_once", "require_full_rank"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Panel:
    """Responses and design as arrays over subjects and visits.

    Attributes
    ----------
    X : (n_subjects, n_visits, n_coefficients) float
        The design; zero where the visit is missing.
    y : (n_subjects, n_visits) float
        The response; zero where the visit is missing.
    pattern : (n_subjects,) int
        Which pattern a subject follows, ascending.
    observed : (n_patterns, n_visits) float
        One where the pattern's visit is there, else zero.
    group : (n_patterns,) int
        The covariance group of a pattern.
    count : (n_patterns,) float
        How many subjects follow it.
    order : (n_subjects,) int
        The subjects' own numbers, in the order of the arrays.
    row : (n_subjects, n_visits) int
        The row of the data behind each place; -1 where the visit is missing.
    log_weight : float
        Sum of the logarithms of the weights, a constant of the likelihood.
    """

    X: Floats
    y: Floats
    pattern: Ints
    observed: Floats
    group: Ints
    count: Floats
    order: Ints
    row: Ints
    n_groups: int
    log_weight: float = 0.0

    @property
    def n_subjects(self) -> int:
        return self.X.shape[0]

    @property
    def n_visits(self) -> int:
        return self.X.shape[1]

    @property
    def n_coefficients(self) -> int:
        return self.X.shape[2]

    @property
    def n_observations(self) -> int:
        return int(self.observed.sum(axis=1) @ self.count)

    def take(self, subjects: Ints) -> Panel:
        """A panel of these of its subjects (places in its arrays), any of them more than once."""
        subjects = np.sort(subjects)
        kept, pattern = np.unique(self.pattern[subjects], return_inverse=True)
        return replace(
            self,
            X=self.X[subjects],
            y=self.y[subjects],
            pattern=pattern.reshape(-1),
            observed=self.observed[kept],
            group=self.group[kept],
            count=np.bincount(pattern).astype(float),
            order=self.order[subjects],
            row=self.row[subjects],
        )


def lay_out(
    y: Any,
    X: Any,
    visit: Any,
    subject: Any,
    *,
    n_visits: int,
    group: Any = None,
    n_groups: int = 1,
    weights: Any = None,
    visit_labels: Sequence[object] | None = None,
    subject_labels: Sequence[object] | None = None,
) -> Panel:
    """Lay rows out as subjects by visits.

    Parameters
    ----------
    y : (n,) float
        The response.
    X : (n, q) float
        The design.
    visit : (n,) int, in 0 .. n_visits - 1
        The visit of each row, in the order that covariance structures take.
    subject : (n,) int, in 0 .. n_subjects - 1
        The subject of each row.
    group : (n,) int, optional
        The covariance group of each row's subject.
    weights : (n,) float, optional
        Variances are divided by them.
    visit_labels, subject_labels : sequences, optional
        What the numbers stand for, for messages.

    Raises
    ------
    StatsError
        A visit stands twice in one subject, a subject is in two groups, or a weight is not positive.
    """
    y, X = np.asarray(y, dtype=float), np.asarray(X, dtype=float)
    visit, subject = np.asarray(visit, dtype=np.intp), np.asarray(subject, dtype=np.intp)
    n_subjects = int(subject.max()) + 1 if len(subject) else 0
    require_each_visit_once(visit, subject, n_visits, visit_labels, subject_labels)
    row = np.full((n_subjects, n_visits), -1, dtype=np.intp)
    row[subject, visit] = np.arange(len(y))
    member = np.zeros(n_subjects, dtype=np.intp)
    if group is not None:
        group = np.asarray(group, dtype=np.intp)
        member[subject] = group
        _require_one_group(member, group, subject, subject_labels)
    order, pattern, observed, of_group = _patterns(row >= 0, member)
    row = row[order]
    there = row >= 0
    scaled_y, scaled_X, log_weight = y, X, 0.0
    if weights is not None:
        root = np.sqrt(_require_positive_weights(weights))
        scaled_y, scaled_X, log_weight = root * y, root[:, None] * X, 2.0 * float(np.log(root).sum())
    return Panel(
        X=np.ascontiguousarray(np.where(there[:, :, None], scaled_X[row], 0.0)),
        y=np.where(there, scaled_y[row], 0.0),
        pattern=pattern,
        observed=observed,
        group=of_group,
        count=np.bincount(pattern, minlength=len(of_group)).astype(float),
        order=order,
        row=row,
        n_groups=n_groups,
        log_weight=log_weight,
    )


def _patterns(there: NDArray[np.bool_], member: Ints) -> tuple[Ints, Ints, Floats, Ints]:
    """Subjects sorted by group and visits; the distinct patterns and the group of each."""
    keys = np.column_stack([member, there.astype(np.intp)])
    distinct, pattern = np.unique(keys, axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    order = np.argsort(pattern, kind="stable")
    return order, pattern[order], distinct[:, 1:].astype(float), distinct[:, 0]


def _label(labels: Sequence[object] | None, index: int) -> str:
    return str(index if labels is None else labels[index])


def require_each_visit_once(
    visit: Ints,
    subject: Ints,
    n_visits: int,
    visit_labels: Sequence[object] | None,
    subject_labels: Sequence[object] | None,
) -> None:
    """Refuse two rows of one subject and visit; the message names both."""
    place = subject * n_visits + visit
    counts = np.bincount(place) if len(place) else np.zeros(0, dtype=np.intp)
    twice = np.flatnonzero(counts > 1)
    if not len(twice):
        return
    who, when = divmod(int(twice[0]), n_visits)
    others = "" if len(twice) == 1 else f", and {len(twice) - 1} more such places"
    raise StatsError(
        "a visit stands twice in one subject",
        where="data",
        found=f"subject {_label(subject_labels, who)}, visit {_label(visit_labels, when)}: "
        f"{counts[twice[0]]} rows{others}",
        expected="at most one row a subject and visit",
        try_="keep one row of the visit (the last, their mean), or give unscheduled visits their own label",
    )


def _require_one_group(member: Ints, group: Ints, subject: Ints, labels: Sequence[object] | None) -> None:
    odd = np.flatnonzero(member[subject] != group)
    if len(odd):
        raise StatsError(
            "a subject is in two covariance groups",
            where="data",
            found=f"subject {_label(labels, int(subject[odd[0]]))}",
            expected="one group a subject",
            try_="group by something that does not change in time, such as the arm",
        )


def _require_positive_weights(weights: Any) -> Floats:
    values = np.asarray(weights, dtype=float)
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise StatsError(
            "weights must be positive",
            where="weights",
            found=f"smallest {values.min()}",
            expected="finite numbers above 0",
        )
    return values


def require_full_rank(X: Any, names: Sequence[str], *, tolerance: float = 1e-7) -> None:
    """Refuse a design in which some columns are combinations of others.

    The columns named are those that a pivoted decomposition, in the order of the terms, finds to add
    nothing (as R's `qr` does, with its tolerance).
    """
    X = np.asarray(X, dtype=float)
    aliased = _aliased(X, tolerance)
    if not aliased:
        return
    raise SingularDesignError(
        "the design does not identify all coefficients",
        where="formula",
        found=f"{X.shape[1]} columns of rank {X.shape[1] - len(aliased)}; "
        f"combinations of others: {', '.join(names[j] for j in aliased)}",
        expected="columns that are not combinations of each other",
        try_="leave out a term, or merge levels (visits, arms) that never occur together",
    )


def _aliased(X: Floats, tolerance: float) -> list[int]:
    """Columns that lie in the span of those before them."""
    length = np.sqrt(np.einsum("ij,ij->j", X, X))
    unit = X / np.where(length > 0, length, 1.0)
    r = np.linalg.qr(unit, mode="r")
    if X.shape[0] >= X.shape[1] and np.abs(np.diag(r)).min(initial=1.0) > tolerance:
        return []
    basis: list[Floats] = []
    aliased = []
    for j in range(X.shape[1]):
        left = unit[:, j].copy()
        for _ in range(2):  # twice is enough for orthogonality
            for q in basis:
                left -= (q @ left) * q
        size = np.linalg.norm(left)
        if size > tolerance and length[j] > 0:
            basis.append(left / size)
        else:
            aliased.append(j)
    return aliased
