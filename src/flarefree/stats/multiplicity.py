"""Several hypotheses: adjusted p-values that keep the family-wise error, and gatekeeping orders.

Bonferroni, Holm, Hochberg and Hommel on a list of p-values; fixed sequence; and the graphical procedures of
Bretz and others, of which the former are special cases.  Formulas: docs/methods/multiplicity.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.estimates import text_table
from flarefree.stats.frames import number, one_row, p_text, tidy_frame

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "MultipleTests",
    "adjust_p_values",
    "bonferroni",
    "fixed_sequence",
    "graphical",
    "hochberg",
    "holm",
    "hommel",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class MultipleTests:
    """The verdict on each of several hypotheses.

    Attributes
    ----------
    method : str
    names : tuple of str
    p_value, adjusted : (k,) float64
        A hypothesis is rejected at level alpha if its adjusted p-value is at most alpha.
    is_rejected : (k,) bool
    alpha : float
        Family-wise error.
    conventions : tuple of str
    """

    method: str
    names: tuple[str, ...]
    p_value: Floats
    adjusted: Floats
    is_rejected: NDArray[np.bool_]
    alpha: float
    conventions: tuple[str, ...] = ()

    def tidy(self) -> pl.DataFrame:
        """term, p_value, adjusted_p_value, is_rejected."""
        return tidy_frame(
            [
                {
                    "term": name,
                    "p_value": float(self.p_value[i]),
                    "adjusted_p_value": float(self.adjusted[i]),
                    "is_rejected": bool(self.is_rejected[i]),
                }
                for i, name in enumerate(self.names)
            ]
        )

    def glance(self) -> pl.DataFrame:
        """One row: method, alpha, hypotheses and how many are rejected."""
        return one_row(
            {
                "method": self.method,
                "alpha": self.alpha,
                "hypotheses": float(len(self.names)),
                "rejected": float(self.is_rejected.sum()),
            }
        )

    def __repr__(self) -> str:
        body = [
            (
                name,
                p_text(float(self.p_value[i])),
                p_text(float(self.adjusted[i])),
                "rejected" if self.is_rejected[i] else "not rejected",
            )
            for i, name in enumerate(self.names)
        ]
        lines = [f"{self.method}, family-wise error {self.alpha:g}"]
        lines += text_table(("", "p", "adjusted p", ""), body)
        return "\n".join([*lines, *(f"  {convention}" for convention in self.conventions)])


def bonferroni(p: Any, *, alpha: float = 0.05, names: Sequence[str] | None = None) -> MultipleTests:
    """Bonferroni's adjustment: each p-value times their number."""
    return _adjusted("bonferroni", "Bonferroni's procedure", p, alpha, names)


def holm(p: Any, *, alpha: float = 0.05, names: Sequence[str] | None = None) -> MultipleTests:
    """Holm's step-down procedure: valid under any dependence, never worse than Bonferroni's [holm1979]."""
    return _adjusted("holm", "Holm's procedure", p, alpha, names)


def hochberg(p: Any, *, alpha: float = 0.05, names: Sequence[str] | None = None) -> MultipleTests:
    """Hochberg's step-up procedure: for independent or positively dependent tests [hochberg1988]."""
    return _adjusted("hochberg", "Hochberg's procedure", p, alpha, names)


def hommel(p: Any, *, alpha: float = 0.05, names: Sequence[str] | None = None) -> MultipleTests:
    """Hommel's procedure: the closed test with Simes's tests, never worse than Hochberg's [hommel1988]."""
    return _adjusted("hommel", "Hommel's procedure", p, alpha, names)


def fixed_sequence(p: Any, *, alpha: float = 0.05, names: Sequence[str] | None = None) -> MultipleTests:
    """Test in the given order, each at the full level, until the first that fails."""
    values = _require_p(p)
    return _verdict(
        "Fixed sequence", values, np.maximum.accumulate(values), alpha, names, ("in the order given",)
    )


def adjust_p_values(p: Any, method: str) -> Floats:
    """Adjusted p-values, as R's `p.adjust`.

    Parameters
    ----------
    p : (k,) float
        NaN is left out of the count and stays NaN.
    method : str
        `bonferroni`, `holm`, `hochberg` or `hommel`.
    """
    values = np.atleast_1d(np.asarray(p, dtype=np.float64))
    if method not in _METHODS:
        raise StatsError(
            "unknown adjustment", where="method", found=repr(method), expected=", ".join(_METHODS)
        )
    known = ~np.isnan(values)
    adjusted = np.full(values.shape, np.nan)
    adjusted[known] = _METHODS[method](_require_p(values[known])) if known.any() else values[known]
    return adjusted


def _adjusted(method: str, title: str, p: Any, alpha: float, names: Sequence[str] | None) -> MultipleTests:
    values = _require_p(p)
    return _verdict(title, values, adjust_p_values(values, method), alpha, names, ())


def _verdict(
    title: str,
    values: Floats,
    adjusted: Floats,
    alpha: float,
    names: Sequence[str] | None,
    conventions: tuple[str, ...],
) -> MultipleTests:
    if not 0 < alpha < 1:
        raise StatsError("a level lies between 0 and 1", where="alpha", found=repr(alpha))
    labels = tuple(names) if names is not None else tuple(f"H{i + 1}" for i in range(values.size))
    if len(labels) != values.size:
        raise StatsError(
            "names and p-values differ in number", where="names", found=f"{len(labels)} and {values.size}"
        )
    # Adjusted values are products and quotients: one that equals alpha but for rounding is at alpha.
    rejected = adjusted <= alpha * (1 + 1e-12)
    return MultipleTests(title, labels, values, adjusted, rejected, alpha, conventions)


def _require_p(p: Any) -> Floats:
    values = np.atleast_1d(np.asarray(p, dtype=np.float64))
    if values.ndim != 1 or values.size == 0 or not ((values >= 0) & (values <= 1)).all():
        bad = values[~((values >= 0) & (values <= 1))]
        raise StatsError(
            "p-values lie between 0 and 1",
            where="p",
            found=f"{bad[0]:g}" if bad.size else f"shape {values.shape}",
        )
    return values


def _bonferroni(p: Floats) -> Floats:
    return np.minimum(1.0, p * p.size)


def _holm(p: Floats) -> Floats:
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((p.size - np.arange(p.size)) * p[order])
    return _unsorted(np.minimum(1.0, stepped), order)


def _hochberg(p: Floats) -> Floats:
    order = np.argsort(p, kind="stable")[::-1]
    stepped = np.minimum.accumulate(np.arange(1, p.size + 1) * p[order])
    return _unsorted(np.minimum(1.0, stepped), order)


def _hommel(p: Floats) -> Floats:
    """Wright's form of Hommel's adjustment [wright1992]: over subsets of size m, from all down to two."""
    n = p.size
    order = np.argsort(p, kind="stable")
    ordered = p[order]
    ranks = np.arange(1, n + 1)
    q = np.full(n, (n * ordered / ranks).min())
    adjusted = q.copy()
    for m in range(n - 1, 1, -1):
        smallest = (m * ordered[n - m + 1 :] / np.arange(2, m + 1)).min()
        q[: n - m + 1] = np.minimum(m * ordered[: n - m + 1], smallest)
        q[n - m + 1 :] = q[n - m]
        adjusted = np.maximum(adjusted, q)
    return _unsorted(np.minimum(1.0, np.maximum(adjusted, ordered)), order)


def _unsorted(values: Floats, order: NDArray[np.intp]) -> Floats:
    back = np.empty_like(values)
    back[order] = values
    return back


_METHODS = {"bonferroni": _bonferroni, "holm": _holm, "hochberg": _hochberg, "hommel": _hommel}


# -- graphs ----------------------------------------------------------------------------------------------


def graphical(
    p: Any,
    weights: Any,
    transitions: Any,
    *,
    alpha: float = 0.05,
    names: Sequence[str] | None = None,
) -> MultipleTests:
    """A sequentially rejective graphical procedure with Bonferroni tests [bretz2009].

    Parameters
    ----------
    p : (k,) float
    weights : (k,) float
        Share of alpha that each hypothesis begins with; their sum is at most 1.
    transitions : (k, k) float
        Row i: to whom the share of hypothesis i goes when it is rejected; each row's sum is at most 1 and
        its diagonal 0.

    Notes
    -----
    The hypothesis with the smallest p / weight is rejected next; its share moves along the edges, and the
    edges are joined around it (their algorithm 1).  Adjusted p-values are their algorithm 2.
    """
    values = _require_p(p)
    w, G = np.asarray(weights, dtype=np.float64).copy(), np.asarray(transitions, dtype=np.float64).copy()
    _require_graph(values.size, w, G)
    adjusted = np.ones(values.size)
    left = list(range(values.size))
    highest = 0.0
    while left:
        ratio = [_share(values[i], w[i]) for i in left]
        place = int(np.argmin(ratio))
        chosen = left.pop(place)
        highest = max(highest, min(1.0, ratio[place]))
        adjusted[chosen] = highest
        w, G = _without(chosen, left, w, G)
    return _verdict(
        "Graphical procedure",
        values,
        adjusted,
        alpha,
        names,
        ("weighted Bonferroni tests; shares pass on at rejection",),
    )


def _share(p: float, weight: float) -> float:
    return p / weight if weight > 0 else math.inf


def _without(gone: int, left: list[int], w: Floats, G: Floats) -> tuple[Floats, Floats]:
    """The graph after a rejection: shares passed on, edges joined around the hypothesis that is gone."""
    weights, edges = w.copy(), np.zeros_like(G)
    for i in left:
        weights[i] = w[i] + w[gone] * G[gone, i]
        loop = G[i, gone] * G[gone, i]
        if loop < 1:
            for j in left:
                if j != i:
                    edges[i, j] = (G[i, j] + G[i, gone] * G[gone, j]) / (1 - loop)
    weights[gone] = 0.0
    return weights, edges


def _require_graph(k: int, w: Floats, G: Floats) -> None:
    slack = 1e-9
    if w.shape != (k,) or G.shape != (k, k):
        raise StatsError(
            "the graph does not fit the hypotheses",
            where="weights, transitions",
            found=f"shapes {w.shape} and {G.shape}",
            expected=f"({k},) and ({k}, {k})",
        )
    if (w < 0).any() or w.sum() > 1 + slack:
        raise StatsError(
            "weights are not negative and sum to 1 at most",
            where="weights",
            found=f"sum {number(float(w.sum()))}",
        )
    if (G < 0).any() or (G.sum(axis=1) > 1 + slack).any() or np.diag(G).any():
        raise StatsError(
            "transitions are not negative, each row sums to 1 at most, and none leads to itself",
            where="transitions",
            found=f"row sums {', '.join(number(float(s)) for s in G.sum(axis=1))}",
        )
