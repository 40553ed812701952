"""How much trials differ beyond chance: estimators of tau2, their standard errors, Q-profile limits.

Every estimator may give less than zero before it is cut off at zero; a boundary at zero is an answer, not
a failure.  Formulas: docs/methods/pairwise.md, section 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import ConvergenceError
from flarefree.evidence.pooling.weighing import Constant, Design
from flarefree.stats.roots import find_root

__all__ = [
    "ESTIMATORS",
    "compute_q_profile",
    "compute_typical_variance",
    "estimate_tau2",
    "log_likelihood",
    "tau2_std_error",
]

Floats = NDArray[np.float64]

ESTIMATORS = ("DL", "DL2", "PM", "REML", "ML", "EB", "HE", "HS", "HSk", "SJ")
MOST_STEPS = 100
CLOSE = 1e-12  # of tau2 beside the sampling variances
LEAST_OBSERVED = 1e-3  # of the expected information, to step by the observed one
STEPS_OF_NEWTON = 40
PLACES_A_DECADE = 4.0  # searched for a higher maximum
UNEVEN = 4.0  # ratio of sampling variances from which on the likelihood is searched for a second maximum


def estimate_tau2(y: Floats, v: Floats, design: Design, method: str) -> float:
    """The variance between trials by one of `ESTIMATORS`; never below zero.

    Parameters
    ----------
    y, v : (k,) float
        Effects and their sampling variances.
    design : Design
        With p columns; k - p must be positive.
    method : str
        DerSimonian-Laird, its second step, Paule-Mandel, restricted and plain maximum likelihood,
        empirical Bayes, Hedges, Hunter-Schmidt (k-corrected too), Sidik-Jonkman.
    """
    # Everything is done on the scale of the typical variance, so that effects in millions and effects in
    # millionths run the same way.
    unit = float(np.median(v))
    y, v = y / math.sqrt(unit), v / unit
    return max(0.0, _ON_SCALE[method](y, v, design)) * unit


def tau2_std_error(tau2: float, y: Floats, v: Floats, design: Design, method: str) -> float:
    """Standard error of an estimate of tau2, as each estimator's variance has it under normality."""
    k, p = len(y), design.n_columns
    unit = float(np.median(v))
    t, v = tau2 / unit, v / unit
    match method:
        case "ML":
            w = 1.0 / (v + t)
            variance = 2.0 / float(w @ w)
        case "REML":
            variance = 2.0 / design.traces(1.0 / (v + t))[1]
        case "HE":
            pv, _, pvpv = design.weighted_traces(np.ones(k), v)
            variance = (2.0 * pvpv + 4.0 * t * pv + 2.0 * t * t * (k - p)) / (k - p) ** 2
        case "DL" | "HS" | "HSk":
            w = 1.0 / v
            one, two = design.traces(w)
            form = 2.0 * (k - p) + 4.0 * t * one + 2.0 * t * t * two
            below = {"DL": one, "HS": float(w.sum()), "HSk": float(w.sum()) * (k - p) / k}[method]
            variance = form / below**2
        case "SJ":
            start = _crude_variance(y) / unit
            w = 1.0 / (v + start)
            variance = _form_variance(design, w, v, t) * (start / (k - p)) ** 2
        case _:  # PM and EB, which are one; DL2 has no other
            w = 1.0 / (v + t)
            variance = _form_variance(design, w, v, t) * (k / (k - p) / float(w.sum())) ** 2
    return math.sqrt(variance) * unit


def _form_variance(design: Design, w: Floats, v: Floats, t: float) -> float:
    """Variance of Y'PY when tau2 is t."""
    _, pvp, pvpv = design.weighted_traces(w, v)
    return 2.0 * pvpv + 4.0 * t * pvp + 2.0 * t * t * design.traces(w)[1]


def compute_typical_variance(v: Floats, design: Design) -> float:
    """The sampling variance of a typical trial, by which I2 and H2 measure tau2 [higgins2002]."""
    w = 1.0 / v
    return (len(v) - design.n_columns) / design.traces(w)[0]


def compute_q_profile(y: Floats, v: Floats, design: Design, level: float) -> tuple[float, float]:
    """Limits of tau2 by inverting the generalized Q statistic [viechtbauer2007].

    Returns
    -------
    tuple of float
        Both 0 where even tau2 = 0 leaves Q below the range of its distribution; NaN for k = p.
    """
    from scipy.special import chdtri

    df = len(y) - design.n_columns
    if df < 1:
        return math.nan, math.nan
    out = (1.0 - level) / 2.0
    unit = float(np.median(v))
    y, v = y / math.sqrt(unit), v / unit
    low, high = (_solve_q(y, v, design, float(chdtri(df, tail))) * unit for tail in (out, 1.0 - out))
    return low, high


# Estimators, each on the scale of the typical variance ------------------------------------------------


def _dersimonian_laird(y: Floats, v: Floats, design: Design) -> float:
    w = 1.0 / v
    return (design.projected(y, w) - (len(y) - design.n_columns)) / design.traces(w)[0]


def _two_step(y: Floats, v: Floats, design: Design) -> float:
    """DerSimonian-Laird once more, with the weights that its first answer gives [dersimonian2007]."""
    w = 1.0 / (v + max(0.0, _dersimonian_laird(y, v, design)))
    return (design.projected(y, w) - design.weighted_traces(w, v)[0]) / design.traces(w)[0]


def _hedges(y: Floats, v: Floats, design: Design) -> float:
    ones = np.ones_like(y)
    return (design.projected(y, ones) - design.weighted_traces(ones, v)[0]) / (len(y) - design.n_columns)


def _hunter_schmidt(y: Floats, v: Floats, design: Design) -> float:
    w = 1.0 / v
    return (design.projected(y, w) - len(y)) / float(w.sum())


def _hunter_schmidt_corrected(y: Floats, v: Floats, design: Design) -> float:
    w, k = 1.0 / v, len(y)
    return (design.projected(y, w) * k / (k - design.n_columns) - k) / float(w.sum())


def _sidik_jonkman(y: Floats, v: Floats, design: Design) -> float:
    start = _crude_variance(y)
    if start == 0.0:
        return 0.0
    return start * design.projected(y, 1.0 / (v + start)) / (len(y) - design.n_columns)


def _crude_variance(y: Floats) -> float:
    return float(np.var(y))


def _paule_mandel(y: Floats, v: Floats, design: Design) -> float:
    """Where the generalized Q equals its degrees of freedom; the empirical Bayes estimate too."""
    return _solve_q(y, v, design, float(len(y) - design.n_columns))


def _solve_q(y: Floats, v: Floats, design: Design, target: float) -> float:
    """The tau2 at which Q(tau2) = target; 0 where Q(0) is below it.

    Q is a sum of a_i / (l_i + tau2) with a_i >= 0, so that 1/Q rises and bends downwards: Newton's steps
    on 1/Q from the left never overshoot, and one step is enough where all variances are equal.
    """
    t, close = 0.0, CLOSE * float(v.min())
    for _ in range(MOST_STEPS):
        w = 1.0 / (v + t)
        r = design.residual(y, w)
        wr = w * r
        q, slope = float(wr @ r), float(wr @ wr)
        step = (q - target) / slope * (q / target) if slope > 0.0 else 0.0
        if step <= CLOSE * t + close:
            return t + max(step, 0.0)
        t += step
    return _solve_q_slowly(y, v, design, target)


def _solve_q_slowly(y: Floats, v: Floats, design: Design, target: float) -> float:
    def excess(t: float) -> float:
        return design.projected(y, 1.0 / (v + t)) - target

    high = max(float(v.max()), 1.0)
    while excess(high) > 0.0:
        high *= 4.0
    return find_root(excess, 0.0, high)


def _restricted_likelihood(y: Floats, v: Floats, design: Design) -> float:
    return _maximize(y, v, design, restricted=True)


def _likelihood(y: Floats, v: Floats, design: Design) -> float:
    return _maximize(y, v, design, restricted=False)


def _maximize(y: Floats, v: Floats, design: Design, *, restricted: bool) -> float:
    """Where the likelihood in tau2 is highest; 0 where it falls from there on.

    Newton's steps by the observed information where that is positive enough, else Fisher's scoring
    [harville1977]; both kept between a point of positive and one of negative slope.  Very unequal variances
    can give two maxima, and steps from the wrong side stop at the lower one: many places are then looked at
    first, and the steps begin between the neighbors of the highest.
    """
    start = max(0.0, _hedges(y, v, design))
    if float(v.max()) <= UNEVEN * float(v.min()):
        return _climb(y, v, design, start, restricted)
    low, high = 1e-3 * float(v.min()), 10.0 * (float(v.max()) + float(np.var(y)))
    count = max(16, round(PLACES_A_DECADE * math.log10(high / low)))
    places = np.concatenate([[0.0], np.geomspace(low, high, count)])
    heights = _log_likelihoods(y, v, design, places, restricted)
    best = int(np.argmax(heights))
    if best == 0 and _slope_and_information(y, v, design, 0.0, restricted)[0] <= 0.0:
        return 0.0
    below, above = float(places[max(best - 1, 0)]), float(places[min(best + 1, count)])
    return _climb(y, v, design, float(places[best]), restricted, below, above)


def _climb(
    y: Floats,
    v: Floats,
    design: Design,
    t: float,
    restricted: bool,
    low: float = -1.0,
    high: float = math.inf,
) -> float:
    """The maximum uphill of t, within (`low`, `high`) where given; `low` is -1 until a rise is known."""
    smallest = CLOSE * float(v.min())
    for step in range(MOST_STEPS):
        slope, fisher, observed = _slope_and_information(y, v, design, t, restricted)
        if t == 0.0 and slope <= 0.0:
            return 0.0
        if slope > 0.0:
            low = t
        else:
            high = t
        after = t + slope / (observed if observed > LEAST_OBSERVED * fisher else fisher)
        if abs(after - t) <= CLOSE * t + smallest:
            return max(after, 0.0)
        if low >= 0.0 and high < math.inf and high - low <= CLOSE * high + smallest:
            return low
        if after <= max(low, 0.0) or after >= high or step > STEPS_OF_NEWTON:
            # Below the bracket, or slow: zero is tried once, then the bracket is halved.
            after = 0.0 if low < 0.0 else 0.5 * (low + high) if high < math.inf else 2.0 * after
        t = after
    raise ConvergenceError(
        "tau2 did not settle",
        where="method",
        found=f"between {low:.6g} and {high:.6g} of the typical variance after {MOST_STEPS} steps",
        try_='method="PM" or "DL"',
    )


def _slope_and_information(
    y: Floats, v: Floats, design: Design, t: float, restricted: bool
) -> tuple[float, float, float]:
    w = 1.0 / (v + t)
    u = w * design.residual(y, w)  # Py
    one, two = design.traces(w) if restricted else (float(w.sum()), float(w @ w))
    return 0.5 * (float(u @ u) - one), 0.5 * two, design.projected(u, w) - 0.5 * two


def log_likelihood(y: Floats, v: Floats, design: Design, tau2: float, *, restricted: bool) -> float:
    """The log likelihood at tau2, its constant left out."""
    w = 1.0 / (v + tau2)
    value = 0.5 * (float(np.log(w).sum()) - design.projected(y, w))
    return value - 0.5 * design.log_determinant(w) if restricted else value


def _log_likelihoods(y: Floats, v: Floats, design: Design, places: Floats, restricted: bool) -> Floats:
    """`log_likelihood` at many places; without moderators at once."""
    if not isinstance(design, Constant):
        return np.array([log_likelihood(y, v, design, float(t), restricted=restricted) for t in places])
    w, y = 1.0 / (v + places[:, None]), y - y.mean()  # the mean goes, so that squares keep their digits
    total, wy = w.sum(axis=1), w @ y
    value = 0.5 * (np.log(w).sum(axis=1) - w @ (y * y) + wy * wy / total)
    return np.asarray(value - 0.5 * np.log(total) if restricted else value)


_Estimator = Callable[[Floats, Floats, Design], float]
_ON_SCALE: dict[str, _Estimator] = {
    "DL": _dersimonian_laird,
    "DL2": _two_step,
    "PM": _paule_mandel,
    "EB": _paule_mandel,
    "REML": _restricted_likelihood,
    "ML": _likelihood,
    "HE": _hedges,
    "HS": _hunter_schmidt,
    "HSk": _hunter_schmidt_corrected,
    "SJ": _sidik_jonkman,
}
