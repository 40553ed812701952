"""Each study predicted from the others, by Pareto-smoothed importance sampling from one posterior.

A study's level and the deviations of its arms are integrated out by quadrature: with them in, a study of two
arms is fitted by its own parameters and no importance weights could take it away.  What is left out is a
whole study, as a new one would come [vehtari2017].  Nothing here needs the extra.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.bayes.data import NetworkData
from flarefree.evidence.bayes.likelihoods import log_likelihood, scores
from flarefree.evidence.bayes.priors import Normal

if TYPE_CHECKING:
    import polars as pl

__all__ = ["LeaveOneOut", "leave_studies_out", "smooth_weights", "study_log_likelihoods"]

Floats = NDArray[np.float64]
MOST_DRAWS = 2000
LEVEL_NODES, DEVIATION_NODES = 21, 15
LARGEST_K = 0.7
MODE_STEPS = 60
LEAST_INFORMATION = 0.02  # of a patient, or of a unit of person-time
LONGEST_STEP = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class LeaveOneOut:
    """Expected log predictive density of each study, left out.

    Attributes
    ----------
    study : tuple of str
    elpd : (n_studies,) float
        It holds the vague prior of the study's level: only differences between models of the same data mean
        anything.
    p_loo : (n_studies,) float
        What the study's own data added to its fit.
    k : (n_studies,) float
        Shape of the weights' tail; above 0.7 the study cannot be taken away by weights, and `elpd` is not to
        be believed.
    """

    study: tuple[str, ...]
    elpd: Floats
    p_loo: Floats
    k: Floats

    @property
    def total(self) -> float:
        """The sum over studies; more is better."""
        return float(self.elpd.sum())

    @property
    def std_error(self) -> float:
        """Of the total, from the spread among studies."""
        return _sum_error(self.elpd)

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Studies with k above 0.7."""
        return tuple(s for s, k in zip(self.study, self.k) if not k <= LARGEST_K)

    def compare(self, other: LeaveOneOut) -> tuple[float, float]:
        """The total less that of another model of the same studies, and its standard error."""
        if self.study != other.study:
            raise EvidenceError(
                "these are models of other studies",
                where="compare",
                found=f"{len(other.study)} studies",
                expected=f"the same {len(self.study)}, in the same order",
            )
        gain = self.elpd - other.elpd
        return float(gain.sum()), _sum_error(gain)

    def tidy(self) -> pl.DataFrame:
        """A row a study."""
        import polars as pl

        return pl.DataFrame({"study": list(self.study), "elpd": self.elpd, "p_loo": self.p_loo, "k": self.k})

    def __repr__(self) -> str:
        told = (
            f"leave-one-study-out: elpd {self.total:.1f} (SE {self.std_error:.1f}),"
            f" p_loo {self.p_loo.sum():.1f}"
        )
        if self.doubtful:
            told += f"\nnot to be believed for k above {LARGEST_K}: {', '.join(self.doubtful)}"
        return told


def leave_studies_out(
    data: NetworkData, x: Floats, d: Floats, tau: Floats | None, level: Normal, relative_efficiency: float
) -> LeaveOneOut:
    """From draws of the coefficients (n_draws, p) and of tau (n_draws,)."""
    step = max(1, len(d) // MOST_DRAWS)
    log_like = study_log_likelihoods(data, x, d[::step], None if tau is None else tau[::step], level)
    n = len(log_like)
    smoothed = [smooth_weights(-column, min(relative_efficiency * step, 1.0)) for column in log_like.T]
    elpd = np.array([_log_sum(column + weights) for column, (weights, _) in zip(log_like.T, smoothed)])
    whole = np.array([_log_sum(column) for column in log_like.T]) - math.log(n)
    return LeaveOneOut(data.studies, elpd, whole - elpd, np.array([k for _, k in smoothed]))


def study_log_likelihoods(
    data: NetworkData, x: Floats, d: Floats, tau: Floats | None, level: Normal
) -> Floats:
    """(n_draws, n_studies): log likelihood of each study given coefficients and heterogeneity."""
    h = np.zeros(len(d)) if tau is None else tau**2 / 2
    constant = np.bincount(data.unit_study, _constants(data), len(data.studies))
    out = np.zeros((len(d), len(data.studies)))
    for s in range(len(data.studies)):
        at = np.flatnonzero(data.unit_study == s)
        fixed = d @ x[at].T
        if data.family == "normal":
            out[:, s] = _normal_study(data, at, fixed, h, level)
        else:
            out[:, s] = _counted_study(data, at, fixed, h, level)
    return np.asarray(out + constant)


def _constants(data: NetworkData) -> Floats:
    """What `log_likelihood` leaves out, as no parameter is in it."""
    from scipy.special import gammaln

    y, size = data.y, data.size
    match data.family:
        case "logit" | "cloglog":
            return np.asarray(gammaln(size + 1) - gammaln(y + 1) - gammaln(size - y + 1))
        case "poisson":
            return np.asarray(y * np.log(size) - gammaln(y + 1))
        case _:
            return -0.5 * np.log(2 * math.pi * size)


def _normal_study(
    data: NetworkData, at: NDArray[np.int64], fixed: Floats, h: Floats, level: Normal
) -> Floats:
    """Exact: normal units, with a common normal level for arms."""
    variance = data.size[at] + h[:, None]
    residual = data.y[at] - fixed - (level.mean if data.is_arms else 0.0)
    # Against the likelihood's own constant, sum log v / 2, which `log_likelihood` leaves out.
    constant = 0.5 * (np.log(data.size[at]) - np.log(variance)).sum(axis=1)
    quadratic = (residual**2 / variance).sum(axis=1)
    if data.is_arms:
        precision = level.sd**-2 + (1 / variance).sum(axis=1)
        quadratic = quadratic - (residual / variance).sum(axis=1) ** 2 / precision
        constant = constant - 0.5 * np.log(precision * level.sd**2)
    return constant - 0.5 * quadratic


def _counted_study(
    data: NetworkData, at: NDArray[np.int64], fixed: Floats, h: Floats, level: Normal
) -> Floats:
    """By quadrature over the level, and over each arm's deviation given the level."""
    nodes, log_weights = _hermite(LEVEL_NODES)
    center, variance = _near_mode(data, at, fixed, h, level)
    mean, precision = _level_given(center, variance, fixed, h, level)
    a = mean[:, None] + nodes / np.sqrt(precision)[:, None]  # (draws, nodes)
    total = _log_normal(a, level.mean, level.sd) - 0.5 * np.log(precision)[:, None]
    total = total + log_weights + 0.5 * nodes**2 + 0.5 * math.log(2 * math.pi)
    for k, i in enumerate(at):
        total = total + _arm(data, int(i), a + fixed[:, k, None], h, center[:, k], variance[:, k])
    return _log_sum(total)


def _near_mode(
    data: NetworkData, at: NDArray[np.int64], fixed: Floats, h: Floats, level: Normal
) -> tuple[Floats, Floats]:
    """(draws, arms) center and variance of the normal likelihood that touches each arm's at the joint mode.

    Scoring steps from the normal near the likelihood; where a draw contradicts the study, that alone would
    put the nodes far from where the integrand is.
    """
    numbers = (data.y[at], data.size[at], data.exposure[at])
    center = np.broadcast_to(data.center[at], fixed.shape)
    variance = np.broadcast_to(data.variance[at], fixed.shape)
    theta = _predictors(center, variance, fixed, h, level)
    for _ in range(MODE_STEPS):
        slope, information = scores(data.family, theta, *numbers)
        # A floor keeps steps finite where a likelihood is flat; the mode is where it is all the same.
        weight = np.maximum(information, LEAST_INFORMATION * numbers[1])
        step = _predictors(theta + slope / weight, 1 / weight, fixed, h, level) - theta
        theta = theta + np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        if np.abs(step).max() < 1e-6:
            break
    slope, information = scores(data.family, theta, *numbers)
    weight = np.maximum(information, 1e-8)
    return theta + slope / weight, 1 / weight


def _level_given(
    center: Floats, variance: Floats, fixed: Floats, h: Floats, level: Normal
) -> tuple[Floats, Floats]:
    """(draws,) mean and precision of the level, were the likelihoods normal."""
    weight = 1 / (variance + h[:, None])
    precision = weight.sum(axis=1) + level.sd**-2
    return ((weight * (center - fixed)).sum(axis=1) + level.mean * level.sd**-2) / precision, precision


def _predictors(center: Floats, variance: Floats, fixed: Floats, h: Floats, level: Normal) -> Floats:
    """(draws, arms) conditional means of the linear predictors, were the likelihoods normal."""
    mean, _ = _level_given(center, variance, fixed, h, level)
    expected = mean[:, None] + fixed
    return np.asarray(expected + h[:, None] / (variance + h[:, None]) * (center - expected))


def _arm(data: NetworkData, i: int, expected: Floats, h: Floats, center: Floats, variance: Floats) -> Floats:
    """(draws, nodes): log likelihood of one arm whose predictor has mean `expected` and variance h."""
    numbers = (data.y[i], data.size[i], data.exposure[i])
    if not h.any():
        return np.asarray(log_likelihood(np, data.family, expected, *numbers))
    nodes, log_weights = _hermite(DEVIATION_NODES)
    s, v = np.sqrt(h)[:, None], variance[:, None]
    precision = 1 + s**2 / v
    mean = (s / v) * (center[:, None] - expected) / precision
    e = mean[:, :, None] + nodes / np.sqrt(precision)[:, :, None]
    inner = log_likelihood(np, data.family, expected[:, :, None] + s[:, :, None] * e, *numbers)
    inner = inner - 0.5 * e**2 + 0.5 * nodes**2 + log_weights
    return np.asarray(_log_sum(inner) - 0.5 * np.log(precision))


def _hermite(n: int) -> tuple[Floats, Floats]:
    """Nodes and log weights for means under a standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    return nodes, np.log(weights / math.sqrt(2 * math.pi))


def _log_normal(x: Floats, mean: float, sd: float) -> Floats:
    return -0.5 * ((x - mean) / sd) ** 2 - math.log(sd) - 0.5 * math.log(2 * math.pi)


def _log_sum(values: Floats) -> Floats:
    top = values.max(axis=-1)
    return np.asarray(top + np.log(np.exp(values - top[..., None]).sum(axis=-1)))


def _sum_error(values: Floats) -> float:
    return float(math.sqrt(len(values) * values.var(ddof=1))) if len(values) > 1 else math.nan


# Pareto smoothing ----------------------------------------------------------------------------------


def smooth_weights(log_ratios: Floats, relative_efficiency: float = 1.0) -> tuple[Floats, float]:
    """Log weights that sum to 1, the largest replaced by those of a generalized Pareto, and its shape k.

    [vehtari2024]; the shape by [zhang2009] with a weak prior at 0.5, as in R's loo.
    """
    n = len(log_ratios)
    log_weights = log_ratios - log_ratios.max()
    tail = math.ceil(min(0.2 * n, 3 * math.sqrt(n / relative_efficiency)))
    k = math.inf
    if tail >= 5:
        order = np.argsort(log_weights, kind="stable")
        cut = log_weights[order[n - tail - 1]]
        largest = log_weights[order[n - tail :]]
        if largest[-1] - largest[0] < np.finfo(float).tiny * 100:
            k = -math.inf  # weights all alike need no smoothing
        else:
            excess = np.exp(largest) - math.exp(cut)
            if excess[0] > 0:  # else weights so unequal that they underflow: k stays infinite
                k, scale = _fit_pareto(excess)
                p = (np.arange(1, tail + 1) - 0.5) / tail
                quantiles = scale * np.expm1(-k * np.log1p(-p)) / k if k else -scale * np.log1p(-p)
                log_weights = log_weights.copy()
                log_weights[order[n - tail :]] = np.log(quantiles + math.exp(cut))
    log_weights = np.minimum(log_weights, 0.0)
    return log_weights - _log_sum(log_weights), k


def _fit_pareto(x: Floats) -> tuple[float, float]:
    """Shape and scale of ascending excesses, by [zhang2009]'s posterior mean over a grid."""
    n = len(x)
    m = 30 + int(math.sqrt(n))
    quartile = x[int(n / 4 + 0.5) - 1]
    b = 1 / x[-1] + (1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / (3 * quartile)
    k = np.log1p(-b[:, None] * x).mean(axis=1)
    likelihood = n * (np.log(-b / k) - k - 1)
    with np.errstate(over="ignore"):
        weight = 1 / np.exp(likelihood - likelihood[:, None]).sum(axis=1)
    mean = float(b @ weight)
    shape = float(np.log1p(-mean * x).mean())
    scale = -shape / mean
    return (shape * n + 10 * 0.5) / (n + 10), scale
