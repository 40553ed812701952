"""Component network meta-analysis: a combination's effect is the sum of its components' effects.

`A + B` against `A` tells the effect of B.  The model also joins parts of a network that no study connects,
as long as they share components [ruecker2020].  Begin reading at `fit_components`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.networks.connection import find_parts
from flarefree.evidence.networks.effects import Effects, effects_of
from flarefree.evidence.networks.heterogeneity import TauMethod, estimate_tau2
from flarefree.evidence.networks.rows import Rows, fit
from flarefree.evidence.networks.studies import Study

__all__ = ["ComponentModel", "component_matrix", "fit_components"]

Floats = NDArray[np.float64]
CLEAN = 1e-8  # less than this of what is not told is rounding


@dataclass(frozen=True, slots=True, eq=False)
class ComponentModel:
    """Effects of components, and of the treatments that they add up to.

    Attributes
    ----------
    components : tuple of str
        In order; without the inactive one.
    inactive : str or None
    matrix : (n_treatments, n_components) float
        1 where the treatment holds the component.
    estimate, std_error, conf_low, conf_high, p_value : (n_components,) float
        Incremental effect of adding the component; on the log scale for ratios.  NaN where the studies tell
        it only together with others (a placebo that is not called inactive, say).
    effects : Effects
        Of every treatment against every other, as sums; NaN where they are not told.
    tau2 : float
        0 for the common-effect model.
    q, df, p_q : float
        Fit of the additive model, without tau2.
    q_difference, df_difference, p_difference : float
        Additivity: against the network without it; NaN where the network is not connected.
    """

    components: tuple[str, ...]
    inactive: str | None
    matrix: Floats
    estimate: Floats
    std_error: Floats
    conf_low: Floats
    conf_high: Floats
    p_value: Floats
    effects: Effects
    tau2: float
    q: float
    df: int
    p_q: float
    q_difference: float
    df_difference: int
    p_difference: float


def component_matrix(
    treatments: Sequence[str], separator: str = "+", inactive: str | None = None
) -> tuple[tuple[str, ...], Floats]:
    """Components in the order of their names, and which treatment holds which."""
    if not isinstance(separator, str) or not separator.strip():
        raise EvidenceError(
            "components need a separator", where="separator", found=repr(separator), expected='"+", say'
        )
    held = [[part.strip() for part in name.split(separator)] for name in treatments]
    for name, parts in zip(treatments, held):
        if "" in parts:
            raise EvidenceError(
                "a component has no name",
                where=f"treatment {name!r}",
                found=" | ".join(parts),
                expected="a name",
            )
    names = sorted({part for parts in held for part in parts}, key=lambda name: (name.casefold(), name))
    if inactive is not None:
        if inactive not in names:
            raise EvidenceError(
                "the inactive component is none of the network's",
                where="inactive",
                found=repr(inactive),
                expected=", ".join(names),
            )
        names.remove(inactive)
    matrix = np.array([[float(name in parts) for name in names] for parts in held])
    return tuple(names), matrix


def fit_components(
    rows: Rows,
    studies: Sequence[Study],
    treatments: tuple[str, ...],
    *,
    separator: str,
    inactive: str | None,
    is_random: bool,
    method: TauMethod,
    tau2: float | None,
    conf_level: float,
) -> ComponentModel:
    """Additive model on the network's rows; `rows.x` has a column for every treatment."""
    from scipy.special import chdtrc

    names, matrix = component_matrix(treatments, separator, inactive)
    told, untold = _told(rows.x @ matrix, names)
    columns = rows.of(matrix @ told)
    common = fit(columns)
    used = 0.0
    if is_random:
        found = estimate_tau2(columns, method) if tau2 is None else tau2
        used = 0.0 if math.isnan(found) else found
    result = fit(columns, used)
    coefficient, covariance = told @ result.coefficient, told @ result.covariance @ told.T
    is_known = np.abs(untold).max(axis=1, initial=0.0) < CLEAN
    estimate = np.where(is_known, coefficient, np.nan)
    spread = np.where(is_known, np.sqrt(np.maximum(np.diag(covariance), 0.0)), np.nan)
    width = _normal_width(conf_level)
    q_difference, df_difference = _against_network(rows, studies, len(treatments), common.q, common.df)
    effects = effects_of(
        treatments, matrix @ coefficient, matrix @ covariance @ matrix.T, conf_level=conf_level, tau2=used
    )
    return ComponentModel(
        names,
        inactive,
        matrix,
        estimate,
        spread,
        estimate - width * spread,
        estimate + width * spread,
        _two_sided(estimate / spread),
        _without_unknown(effects, matrix @ untold),
        used,
        common.q,
        common.df,
        float(chdtrc(common.df, common.q)) if common.df else math.nan,
        q_difference,
        df_difference,
        float(chdtrc(df_difference, max(q_difference, 0.0))) if df_difference else math.nan,
    )


def _told(x: Floats, names: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Orthonormal combinations of components that the studies tell, and those that they do not."""
    _, values, vectors = np.linalg.svd(x, full_matrices=True)
    if not names or not len(values) or values[0] < CLEAN:
        raise EvidenceError(
            "the studies tell the effect of no component",
            where="components",
            found=", ".join(names) or "no component that does something",
            expected="a study whose arms differ in their components",
        )
    rank = int((values > 1e-9 * values[0]).sum())
    return vectors[:rank].T, vectors[rank:].T


def _without_unknown(effects: Effects, untold: Floats) -> Effects:
    """NaN where a pair's difference holds something that the studies do not tell."""
    gap = np.abs(untold[:, None, :] - untold[None, :, :]).max(axis=2, initial=0.0)
    hidden: dict[str, Any] = {
        name: np.where(gap < CLEAN, getattr(effects, name), np.nan)
        for name in ("estimate", "std_error", "conf_low", "conf_high", "statistic", "p_value")
    }
    return replace(effects, **hidden)


def _normal_width(conf_level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + conf_level / 2))


def _two_sided(z: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(2 * ndtr(-np.abs(z)))


def _against_network(
    rows: Rows, studies: Sequence[Study], n_treatments: int, q: float, df: int
) -> tuple[float, int]:
    """Q and degrees of freedom of additivity; parts of a network that is not connected are fitted each."""
    parts = find_parts(studies, n_treatments)
    kept = [i for part in parts for i in part[1:]]
    if len(rows) == len(kept):
        return q, df
    network = fit(rows.of(np.eye(n_treatments)[:, kept]))
    return q - network.q, df - network.df
