"""Patients' characteristics drawn together: margins of several kinds, tied by a Gaussian copula.

Decides how standard normals, which the caller owns, become correlated ages, proteinurias, sexes and
classes; no random number is made here.  A correlation is either *latent* (of the normals underneath) or
*observed* (Pearson's, of the values): dichotomizing or taking exponentials weakens it, and
`latent_correlation` finds the latent one that gives the observed.  The kinds of margins are in `margins.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.margins import (
    Bernoulli,
    Categorical,
    Fixed,
    LogNormal,
    Margin,
    Normal,
    TruncatedNormal,
)
from flarefree.stats.roots import find_root

__all__ = [
    "Bernoulli",
    "Categorical",
    "Fixed",
    "GaussianCopula",
    "LogNormal",
    "Margin",
    "Normal",
    "TruncatedNormal",
    "latent_correlation",
    "nearest_correlation",
    "observed_correlation",
]

Floats = NDArray[np.float64]
Pairs = Mapping[tuple[str, str], float]

SMALLEST_EIGENVALUE = 1e-10  # below it, Cholesky's factor is noise
OUTERMOST = 9.0  # beyond nine SDs a normal has less mass than a double can hold beside 1
NODES = 48  # Gauss-Legendre nodes a piece; pieces end at thresholds, so the integrand is smooth within
STRONGEST = 1.0 - 1e-7  # a latent correlation of exactly 1 leaves nothing to integrate over


@dataclass(frozen=True, slots=True, eq=False)
class GaussianCopula:
    """Margins by name, and the correlation of the normals underneath them.

    Parameters
    ----------
    margins : mapping of str to Margin
        In the order of the normals' columns.
    correlation : (d, d) array, or mapping of pairs of names to a correlation, optional
        Pairs that are not named are uncorrelated; None means that all are.
    kind : "latent" or "observed"
        Whether `correlation` is of the underlying normals or Pearson's of the values (`Categorical`
        by its codes); an observed one is translated pair by pair (`latent_correlation`).
    repair : bool
        Take the nearest correlation matrix where the asked one is none; refused unless asked for,
        since a matrix that is no correlation matrix is usually a slip of the pen.

    Raises
    ------
    StatsError
        Unknown names, correlations beyond what the margins allow, a matrix that is not positive definite.

    Notes
    -----
    `latent` is the matrix in use, `repaired_by` the largest change that `repair` made (0 if none).

    References
    ----------
    [nelsen2006] sec. 2.4; [cario1997] for observed correlations (NORTA).
    """

    margins: Mapping[str, Margin]
    correlation: Any = None
    kind: Literal["latent", "observed"] = "latent"
    repair: bool = False
    latent: Floats = field(init=False, repr=False)
    repaired_by: float = field(init=False)
    _factor: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.margins:
            raise StatsError("a copula needs at least one margin", where="margins")
        if self.kind not in ("latent", "observed"):
            raise StatsError(
                "unknown kind of correlation",
                where="kind",
                found=repr(self.kind),
                expected='"latent" or "observed"',
            )
        object.__setattr__(self, "margins", MappingProxyType(dict(self.margins)))
        asked = _square(self.correlation, tuple(self.margins))
        if self.kind == "observed":
            asked = _latent_matrix(asked, self.margins)
        latent = _require_positive_definite(asked, tuple(self.margins), self.repair)
        latent.setflags(write=False)
        object.__setattr__(self, "latent", latent)
        object.__setattr__(self, "repaired_by", float(np.abs(latent - asked).max()))
        object.__setattr__(self, "_factor", np.linalg.cholesky(latent))

    @property
    def names(self) -> tuple[str, ...]:
        """The margins' names, in the order of the normals' columns."""
        return tuple(self.margins)

    def transform(self, normals: Floats) -> dict[str, NDArray[Any]]:
        """Values of independent standard normals.

        Parameters
        ----------
        normals : (n, d) float
            Independent standard normals, a column a margin (those of `Fixed` margins are not used).

        Returns
        -------
        dict of str to (n,) array
            Floats; bool of a `Bernoulli`, int codes of a `Categorical`.  The same normals give the same
            values, whatever else is drawn.
        """
        normals = np.asarray(normals, dtype=float)
        if normals.ndim != 2 or normals.shape[1] != len(self.margins):
            raise StatsError(
                "one column of standard normals is needed for each margin",
                where="normals",
                found=f"shape {normals.shape}",
                expected=f"(n, {len(self.margins)})",
            )
        correlated = normals @ self._factor.T
        return {
            name: margin.values(np.ascontiguousarray(correlated[:, j]))
            for j, (name, margin) in enumerate(self.margins.items())
        }

    def observed(self) -> Floats:
        """Pearson's correlation of the values that this copula gives, (d, d); 0 beside a `Fixed`."""
        kinds = list(self.margins.values())
        matrix = np.eye(len(kinds))
        for i in range(len(kinds)):
            for j in range(i):
                matrix[i, j] = matrix[j, i] = observed_correlation(kinds[i], kinds[j], self.latent[i, j])
        return matrix

    def standardized(self, name: str, values: NDArray[Any]) -> Floats:
        """Values in standard deviations from their margin's mean: what outcome models like to take."""
        margin = self.margins[name]
        return (np.asarray(values, dtype=float) - margin.mean) / (margin.sd or 1.0)


def observed_correlation(first: Margin, second: Margin, latent: float) -> float:
    """Pearson's correlation of two margins' values, given that of the normals underneath.

    Integrates by Gauss-Legendre between thresholds; a discrete margin's conditional mean is exact.
    Zero where a margin does not vary.
    """
    if first.sd == 0 or second.sd == 0 or latent == 0:
        return 0.0
    if first.steps is not None and second.steps is None:
        first, second = second, first  # the inner mean is in closed form when the second is discrete
    rho = float(np.clip(latent, -STRONGEST, STRONGEST))
    z, weight = _normal_nodes(_breaks(first, second, rho))
    product = float(weight @ (_plain(first.values(z)) * _conditional_mean(second, z, rho)))
    return (product - first.mean * second.mean) / (first.sd * second.sd)


def latent_correlation(first: Margin, second: Margin, observed: float, *, where: str = "observed") -> float:
    """The correlation of the normals underneath that gives an observed Pearson correlation.

    Raises
    ------
    StatsError
        The margins cannot be so correlated; the error states the range that they allow.
    """
    if observed == 0 or first.sd == 0 or second.sd == 0:
        return 0.0
    low, high = (observed_correlation(first, second, end) for end in (-1.0, 1.0))
    if not low <= observed <= high:
        raise StatsError(
            "these two margins cannot be so correlated",
            where=where,
            found=f"{observed:g}",
            expected=f"between {low:.3f} and {high:.3f}",
            try_="a weaker correlation, or kind='latent'",
        )
    return find_root(lambda r: observed_correlation(first, second, r) - observed, -1.0, 1.0, tolerance=1e-11)


def nearest_correlation(matrix: Floats, *, steps: int = 500, tolerance: float = 1e-12) -> Floats:
    """The nearest positive definite correlation matrix in Frobenius norm ([higham2002], alg. 3.3)."""
    x, correction = np.array(matrix, dtype=float), np.zeros_like(matrix, dtype=float)
    for _ in range(steps):
        before = x
        target = x - correction
        values, vectors = np.linalg.eigh(target)
        inside = (vectors * np.maximum(values, 1e-8)) @ vectors.T
        correction = inside - target
        x = inside.copy()
        np.fill_diagonal(x, 1.0)
        if np.abs(x - before).max() < tolerance:
            break
    return (x + x.T) / 2


# The matrix --------------------------------------------------------------------------------------


def _square(correlation: Any, names: tuple[str, ...]) -> Floats:
    if correlation is None:
        return np.eye(len(names))
    matrix = (
        _from_pairs(correlation, names)
        if isinstance(correlation, Mapping)
        else np.array(correlation, dtype=float)
    )
    if matrix.shape != (len(names), len(names)):
        raise StatsError(
            "the correlation matrix has another size than the margins",
            where="correlation",
            found=f"shape {matrix.shape}",
            expected=f"({len(names)}, {len(names)})",
        )
    wrong = ~(np.abs(matrix) <= 1.0) | (np.abs(matrix - matrix.T) > 1e-9)
    wrong |= np.eye(len(names), dtype=bool) & (np.abs(matrix - 1.0) > 1e-9)
    if wrong.any():
        i, j = (int(k) for k in np.argwhere(wrong)[0])
        raise StatsError(
            "not a correlation",
            where=f"correlation[{names[i]}, {names[j]}]",
            found=f"{matrix[i, j]:g}",
            expected="symmetric, 1 on the diagonal, between -1 and 1 elsewhere",
        )
    return matrix


def _from_pairs(pairs: Pairs, names: tuple[str, ...]) -> Floats:
    matrix, place = np.eye(len(names)), {name: k for k, name in enumerate(names)}
    for pair, value in pairs.items():
        unknown = [name for name in pair if name not in place]
        if unknown or len(set(pair)) != 2:
            raise StatsError(
                "a correlation is of two different margins",
                where=f"correlation[{pair!r}]",
                found=repr(unknown[0] if unknown else pair[0]),
                expected=f"two of {', '.join(names)}",
            )
        i, j = place[pair[0]], place[pair[1]]
        matrix[i, j] = matrix[j, i] = value
    return matrix


def _latent_matrix(observed: Floats, margins: Mapping[str, Margin]) -> Floats:
    kinds, names, latent = list(margins.values()), list(margins), observed.copy()
    for i in range(len(kinds)):
        for j in range(i):
            where = f"correlation[{names[j]}, {names[i]}]"
            latent[i, j] = latent[j, i] = latent_correlation(kinds[i], kinds[j], observed[i, j], where=where)
    return latent


def _require_positive_definite(matrix: Floats, names: tuple[str, ...], repair: bool) -> Floats:
    values, vectors = np.linalg.eigh(matrix)
    if values[0] > SMALLEST_EIGENVALUE:
        return matrix.copy()
    if repair:
        return nearest_correlation(matrix)
    worst = [names[k] for k in np.argsort(-np.abs(vectors[:, 0]), kind="stable")[:3]]
    raise StatsError(
        "these correlations contradict each other: the matrix is not positive definite",
        where="correlation",
        found=f"smallest eigenvalue {values[0]:.3g}, mostly of {', '.join(worst)}",
        expected="a positive definite matrix",
        try_="weaker correlations, or repair=True for the nearest correlation matrix",
    )


# Quadrature --------------------------------------------------------------------------------------


def _breaks(first: Margin, second: Margin, rho: float) -> Floats:
    """Where the integrand jumps (the first's thresholds) or turns sharply (the second's, seen from z1)."""
    places = [np.arange(-OUTERMOST, OUTERMOST + 1, 3.0)]
    if first.steps is not None:
        places.append(first.steps.thresholds)
    if second.steps is not None:
        width = np.sqrt(1 - rho * rho)
        for shift in (-8.0, -2.0, 2.0, 8.0):
            places.append((second.steps.thresholds + shift * width) / rho)
    inside = np.concatenate(places)
    return np.unique(np.clip(inside[np.isfinite(inside)], -OUTERMOST, OUTERMOST))


def _normal_nodes(breaks: Floats) -> tuple[Floats, Floats]:
    """Nodes, and weights that carry the normal density, piece by piece."""
    node, weight = np.polynomial.legendre.leggauss(NODES)
    half, middle = np.diff(breaks)[:, None] / 2, (breaks[1:] + breaks[:-1])[:, None] / 2
    z = (middle + half * node).ravel()
    return z, (half * weight).ravel() * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def _conditional_mean(margin: Margin, z: Floats, rho: float) -> Floats:
    """Mean of a margin's value given the other normal z, under correlation rho."""
    from scipy.special import ndtr

    spread = np.sqrt(1 - rho * rho)
    if margin.steps is not None:
        above = ndtr((rho * z[:, None] - margin.steps.thresholds) / spread)
        return margin.steps.values[0] + above @ np.diff(margin.steps.values)
    node, weight = np.polynomial.hermite_e.hermegauss(64)
    inner = _plain(margin.values((rho * z[:, None] + spread * node).ravel())).reshape(len(z), -1)
    return inner @ weight / np.sqrt(2 * np.pi)


def _plain(values: NDArray[Any]) -> Floats:
    return values.astype(float)
