"""Two proportions: their difference, ratio and odds ratio, with limits.

Differences: Newcombe's hybrid score limits, Miettinen and Nurminen's score limits, Agresti-Caffo, Wald.
Ratios: Miettinen and Nurminen's score limits, Katz's log limits; Woolf's of the odds ratio.  Formulas:
docs/methods/tables.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

from flarefree.errors import StatsError
from flarefree.stats.distributions import normal_p, normal_quantile, require_level
from flarefree.stats.frames import TestResult
from flarefree.stats.proportions import require_share, wilson_limits
from flarefree.stats.roots import find_root

__all__ = [
    "DifferenceMethod",
    "RatioMethod",
    "agresti_caffo",
    "miettinen_nurminen",
    "newcombe",
    "odds_ratio",
    "proportion_difference",
    "risk_ratio",
]

DifferenceMethod = Literal[
    "newcombe", "newcombe-continuity", "miettinen-nurminen", "agresti-caffo", "wald", "wald-continuity"
]
RatioMethod = Literal["score", "log"]

_EDGE = 1e-12

_NAMED = {
    "newcombe": "Newcombe's hybrid of Wilson limits",
    "newcombe-continuity": "Newcombe's hybrid of Wilson limits with continuity correction",
    "miettinen-nurminen": "Miettinen-Nurminen score limits, variance times N / (N - 1)",
    "agresti-caffo": "Agresti-Caffo limits: one event and one non-event added to each group",
    "wald": "Wald limits",
    "wald-continuity": "Wald limits with Yates's correction, (1/n1 + 1/n2) / 2",
}


def proportion_difference(
    a: Any, n1: Any, b: Any, n2: Any, *, method: DifferenceMethod = "newcombe", level: float = 0.95
) -> TestResult:
    """The difference of two proportions, a/n1 - b/n2, with limits.

    Parameters
    ----------
    a, n1 : int
        Patients with the event, and patients, in the first group.
    b, n2 : int
        The same in the second.
    method : str
        Of the limits: `newcombe`, `newcombe-continuity`, `miettinen-nurminen`, `agresti-caffo`, `wald` or
        `wald-continuity`.

    Returns
    -------
    TestResult
        With `miettinen-nurminen`, also the score test of no difference (`statistic` z, `p_value`).
    """
    x, n = require_share(a, n1, where="a")
    y, m = require_share(b, n2, where="b")
    level = require_level(level)
    z = normal_quantile(1 - (1 - level) / 2)
    p, q = x / n, y / m
    se = math.sqrt(p * (1 - p) / n + q * (1 - q) / m)
    statistic = p_value = None
    match method:
        case "newcombe" | "newcombe-continuity":
            low, high = _newcombe(x, n, y, m, level, method == "newcombe-continuity")
        case "miettinen-nurminen":
            low, high = _score_limits(lambda d: _difference_score(x, n, y, m, d), p - q, -1.0, 1.0, z)
            statistic = _difference_score(x, n, y, m, 0.0)
            p_value = normal_p(statistic)
        case "agresti-caffo":
            p4, q4 = (x + 1) / (n + 2), (y + 1) / (m + 2)
            reach = z * math.sqrt(p4 * (1 - p4) / (n + 2) + q4 * (1 - q4) / (m + 2))
            low, high = max(-1.0, p4 - q4 - reach), min(1.0, p4 - q4 + reach)
        case "wald" | "wald-continuity":
            reach = z * se + ((1 / n + 1 / m) / 2 if method == "wald-continuity" else 0.0)
            low, high = max(-1.0, p - q - reach), min(1.0, p - q + reach)
        case _:
            raise StatsError(
                "unknown method",
                where="method",
                found=repr(method),
                expected=", ".join(get_args(DifferenceMethod)),
            )
    return TestResult(
        "Difference of proportions",
        "difference of proportions",
        estimate=p - q,
        std_error=se,
        statistic=statistic,
        p_value=p_value,
        conf_low=low,
        conf_high=high,
        statistic_name="z" if statistic is not None else "",
        alternative="two-sided" if statistic is not None else "",
        level=level,
        n=n + m,
        conventions=(_NAMED[method],),
        details={"proportion_1": p, "proportion_2": q},
    )


def newcombe(
    a: Any, n1: Any, b: Any, n2: Any, *, continuity: bool = False, level: float = 0.95
) -> TestResult:
    """The difference of two proportions with Newcombe's limits [newcombe1998b, methods 10 and 11]."""
    method: DifferenceMethod = "newcombe-continuity" if continuity else "newcombe"
    return proportion_difference(a, n1, b, n2, method=method, level=level)


def miettinen_nurminen(a: Any, n1: Any, b: Any, n2: Any, *, level: float = 0.95) -> TestResult:
    """The difference of two proportions with score limits and score test [miettinen1985]."""
    return proportion_difference(a, n1, b, n2, method="miettinen-nurminen", level=level)


def agresti_caffo(a: Any, n1: Any, b: Any, n2: Any, *, level: float = 0.95) -> TestResult:
    """The difference of two proportions with Agresti and Caffo's limits [agresti2000]."""
    return proportion_difference(a, n1, b, n2, method="agresti-caffo", level=level)


def _newcombe(x: int, n: int, y: int, m: int, level: float, continuity: bool) -> tuple[float, float]:
    p, q = x / n, y / m
    l1, u1 = wilson_limits(x, n, level, continuity=continuity)
    l2, u2 = wilson_limits(y, m, level, continuity=continuity)
    low = p - q - math.sqrt((p - l1) ** 2 + (u2 - q) ** 2)
    high = p - q + math.sqrt((u1 - p) ** 2 + (q - l2) ** 2)
    return max(-1.0, low), min(1.0, high)


# -- score limits ----------------------------------------------------------------------------------------


def _score_limits(
    score: Callable[[float], float], estimate: float, lowest: float, highest: float, z: float
) -> tuple[float, float]:
    """Where the score statistic, which falls as the parameter grows, crosses z and -z."""
    low, high = lowest, highest
    first, last = lowest + _EDGE, highest - _EDGE
    if estimate > first and score(first) > z:
        low = find_root(lambda d: score(d) - z, first, estimate)
    if estimate < last and score(last) < -z:
        high = find_root(lambda d: score(d) + z, estimate, last)
    return low, high


def _difference_score(x: int, n: int, y: int, m: int, difference: float) -> float:
    """The z of the observed difference against another, with the variance fitted under that one."""
    p = _fitted_difference(x, n, y, m, difference)
    q = p - difference
    variance = (p * (1 - p) / n + q * (1 - q) / m) * (n + m) / (n + m - 1)
    distance = x / n - y / m - difference
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def _fitted_difference(x: int, n: int, y: int, m: int, d: float) -> float:
    """The first proportion's maximum-likelihood value if it exceeds the second by d: root of a cubic.

    [miettinen1985] appendix I, in their letters; their S_0 and d are the second group's.
    """
    total = n + m
    L3, L2 = total, (n + 2 * m) * d - total - x - y
    L1, L0 = (m * d - total - 2 * y) * d + x + y, y * d * (1 - d)
    q = L2**3 / (3 * L3) ** 3 - L1 * L2 / (6 * L3**2) + L0 / (2 * L3)
    p = math.copysign(math.sqrt(max(0.0, L2**2 / (3 * L3) ** 2 - L1 / (3 * L3))), q)
    ratio = 1.0 if p == 0 else min(1.0, max(-1.0, q / p**3))
    a = (math.pi + math.acos(ratio)) / 3
    second = 2 * p * math.cos(a) - L2 / (3 * L3)
    return min(1.0, max(0.0, min(max(second, -d if d < 0 else 0.0), 1 - d if d > 0 else 1.0) + d))


def risk_ratio(
    a: Any, n1: Any, b: Any, n2: Any, *, method: RatioMethod = "score", level: float = 0.95
) -> TestResult:
    """The ratio of two proportions, (a/n1) / (b/n2), with limits.

    Parameters
    ----------
    method : str
        `score`: Miettinen and Nurminen's limits, with the variance times N / (N - 1); `log`: Katz's.
    """
    x, n = require_share(a, n1, where="a")
    y, m = require_share(b, n2, where="b")
    level = require_level(level)
    z = normal_quantile(1 - (1 - level) / 2)
    if x == 0 and y == 0:
        raise StatsError(
            "the ratio of two proportions of zero does not exist", where="a, b", found="no events"
        )
    estimate = math.inf if y == 0 else (x / n) / (y / m)
    log_se = math.sqrt(1 / x - 1 / n + 1 / y - 1 / m) if x and y else None
    match method:
        case "score":
            low, high = _ratio_limits(x, n, y, m, estimate, z)
            named = "Miettinen-Nurminen score limits, variance times N / (N - 1)"
        case "log":
            low = estimate * math.exp(-z * log_se) if log_se is not None else math.nan
            high = estimate * math.exp(z * log_se) if log_se is not None else math.nan
            named = "limits on the log scale (Katz); none where a group has no events"
        case _:
            raise StatsError(
                "unknown method",
                where="method",
                found=repr(method),
                expected=", ".join(get_args(RatioMethod)),
            )
    return TestResult(
        "Ratio of proportions",
        "risk ratio",
        estimate=estimate,
        std_error=log_se,
        conf_low=None if math.isnan(low) else low,
        conf_high=None if math.isnan(high) else high,
        level=level,
        n=n + m,
        conventions=(named, "standard error: of the log"),
        details={"proportion_1": x / n, "proportion_2": y / m},
    )


def _ratio_limits(x: int, n: int, y: int, m: int, estimate: float, z: float) -> tuple[float, float]:
    def score(log_ratio: float) -> float:
        return _ratio_score(x, n, y, m, math.exp(log_ratio))

    center = math.log(estimate) if 0 < estimate < math.inf else 0.0
    low, high = 0.0, math.inf
    if x > 0:
        low = math.exp(_crossing(score, center, z, -1.0))
    if y > 0:
        high = math.exp(_crossing(score, center, -z, 1.0))
    return low, high


def _crossing(score: Callable[[float], float], start: float, level: float, direction: float) -> float:
    """Where the falling score crosses a level, searched from `start` in one direction."""
    near, step = start, 1.0
    if (score(near) - level) * direction < 0:  # an estimate of zero or infinity: begin on the other side
        while (score(near) - level) * direction < 0:
            near -= direction * step
            step *= 2
        step = 1.0
    far = near + direction * step
    while (score(far) - level) * direction > 0:
        near, far, step = far, far + direction * 2 * step, 2 * step
    return find_root(lambda t: score(t) - level, min(near, far), max(near, far))


def _ratio_score(x: int, n: int, y: int, m: int, ratio: float) -> float:
    """The z of the observed p1 - ratio p2, its variance fitted under the ratio [miettinen1985, eq. 10]."""
    A, B, C = (n + m) * ratio, -(n * ratio + x + m + y * ratio), x + y
    root = math.sqrt(max(0.0, B**2 - 4 * A * C))
    q = 2 * C / (-B + root)  # the smaller root, without cancellation
    p = min(1.0, q * ratio)
    q = min(1.0, q)
    variance = (p * (1 - p) / n + ratio**2 * q * (1 - q) / m) * (n + m) / (n + m - 1)
    distance = x / n - ratio * y / m
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def odds_ratio(a: Any, n1: Any, b: Any, n2: Any, *, level: float = 0.95) -> TestResult:
    """The sample odds ratio with Woolf's limits, as a logistic regression on the group gives them.

    The conditional odds ratio with exact limits is that of `fisher_exact`.

    Returns
    -------
    TestResult
        `std_error` is of the log, 1/a + 1/(n1 - a) + 1/b + 1/(n2 - b) under the root; with an empty cell
        it and the limits do not exist.

    References
    ----------
    [woolf1955]
    """
    x, n = require_share(a, n1, where="a")
    y, m = require_share(b, n2, where="b")
    z = normal_quantile(1 - (1 - require_level(level)) / 2)
    cells = (x, n - x, y, m - y)
    above, below = x * (m - y), y * (n - x)
    estimate = above / below if below else math.inf if above else None
    if 0 in cells:
        warnings = ("a cell is empty: limits do not exist, use fisher_exact",)
        return TestResult(
            "Odds ratio", "odds ratio", estimate=estimate, level=level, n=n + m, warnings=warnings
        )
    assert estimate is not None
    log_se = math.sqrt(sum(1 / cell for cell in cells))
    statistic = math.log(estimate) / log_se
    return TestResult(
        "Odds ratio",
        "odds ratio",
        estimate=estimate,
        std_error=log_se,
        statistic=statistic,
        p_value=normal_p(statistic),
        conf_low=estimate * math.exp(-z * log_se),
        conf_high=estimate * math.exp(z * log_se),
        statistic_name="z",
        alternative="two-sided",
        level=level,
        n=n + m,
        conventions=("sample odds ratio; limits: Woolf, on the log scale", "standard error: of the log"),
    )
