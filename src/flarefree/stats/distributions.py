"""Tails and quantiles of the usual distributions, from `scipy.special`.

`scipy.stats` takes more than a second to import and adds nothing that is needed here.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

from flarefree.errors import StatsError

__all__ = [
    "Alternative",
    "beta_quantile",
    "chi_square_tail",
    "f_tail",
    "normal_p",
    "normal_quantile",
    "require_alternative",
    "require_level",
    "t_p",
    "t_quantile",
]

Alternative = Literal["two-sided", "less", "greater"]

_NORMAL = NormalDist()
ALTERNATIVES = ("two-sided", "less", "greater")


def normal_p(z: float, alternative: str = "two-sided") -> float:
    """P-value of a standard normal statistic; `greater` means that large values speak against the null."""
    if math.isnan(z):
        return math.nan
    if alternative == "two-sided":
        return math.erfc(abs(z) / math.sqrt(2.0))
    return math.erfc((z if alternative == "greater" else -z) / math.sqrt(2.0)) / 2.0


@lru_cache(maxsize=256)
def normal_quantile(p: float) -> float:
    """The value below which a standard normal variable lies with probability p."""
    return _NORMAL.inv_cdf(p)


def chi_square_tail(statistic: float, df: float) -> float:
    """Upper tail of the chi-square distribution."""
    if math.isnan(statistic) or df <= 0:
        return math.nan
    from scipy.special import chdtrc

    return float(chdtrc(df, max(statistic, 0.0)))


def f_tail(statistic: float, df1: float, df2: float) -> float:
    """Upper tail of the F distribution."""
    if math.isnan(statistic) or df1 <= 0 or df2 <= 0:
        return math.nan
    from scipy.special import fdtrc

    return float(fdtrc(df1, df2, statistic)) if math.isfinite(statistic) else 0.0


def t_p(t: float, df: float, alternative: str = "two-sided") -> float:
    """P-value of a t statistic."""
    if math.isnan(t) or not df > 0:
        return math.nan
    from scipy.special import stdtr

    if alternative == "two-sided":
        return float(2.0 * stdtr(df, -abs(t)))
    return float(stdtr(df, -t if alternative == "greater" else t))


def t_quantile(p: float, df: float) -> float:
    """The value below which a t variable lies with probability p."""
    from scipy.special import stdtrit

    return float(stdtrit(df, p)) if df > 0 else math.nan


def beta_quantile(p: float, a: float, b: float) -> float:
    """The value below which a beta variable lies with probability p."""
    from scipy.special import betaincinv

    return float(betaincinv(a, b, p))


def require_level(level: float) -> float:
    """`level`, if it is a confidence level."""
    if not 0.0 < level < 1.0:
        raise StatsError(
            "a confidence level lies between 0 and 1",
            where="level",
            found=repr(level),
            expected="such as 0.95",
        )
    return float(level)


def require_alternative(alternative: str) -> str:
    """`alternative`, if it is one; a dot or underscore for the hyphen will do."""
    plain = alternative.replace("_", "-").replace(".", "-")
    if plain not in ALTERNATIVES:
        raise StatsError(
            "unknown alternative",
            where="alternative",
            found=repr(alternative),
            expected=", ".join(ALTERNATIVES),
        )
    return plain
