"""What every table of log-ratio coefficients has: errors, limits, z, p-values, and their frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import StatsError
from flarefree.stats.survival._numbers import normal_quantile, two_sided_p

__all__ = ["Coefficients"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


class Coefficients:
    """Mixed into fits that have `terms`, `coef`, `covariance` and `level`."""

    __slots__ = ()

    terms: tuple[str, ...]
    coef: Floats
    covariance: Floats
    level: float

    @property
    def std_error(self) -> Floats:
        return np.sqrt(np.diag(self.covariance))

    @property
    def z(self) -> Floats:
        return self.coef / self.std_error

    @property
    def p_value(self) -> Floats:
        return np.array([two_sided_p(float(z)) for z in self.z])

    @property
    def conf_low(self) -> Floats:
        """Lower limits of the coefficients (logarithms of ratios)."""
        return self.coef - normal_quantile(self.level) * self.std_error

    @property
    def conf_high(self) -> Floats:
        """Upper limits of the coefficients (logarithms of ratios)."""
        return self.coef + normal_quantile(self.level) * self.std_error

    @property
    def ratio(self) -> Floats:
        """The coefficients' exponentials, (p,)."""
        return np.exp(self.coef)

    @property
    def ratio_low(self) -> Floats:
        with np.errstate(over="ignore"):
            return np.exp(self.conf_low)

    @property
    def ratio_high(self) -> Floats:
        with np.errstate(over="ignore"):
            return np.exp(self.conf_high)

    def term(self, name: str) -> int:
        """Place of a term among the coefficients."""
        if name not in self.terms:
            raise StatsError(
                "no such term", where="term", found=repr(name), expected=", ".join(self.terms) or "none"
            )
        return self.terms.index(name)

    def _tidy(self, ratio: str, prefix: str) -> pl.DataFrame:
        columns = {
            "estimate": self.coef,
            "std_error": self.std_error,
            "statistic": self.z,
            "p_value": self.p_value,
            "conf_low": self.conf_low,
            "conf_high": self.conf_high,
            ratio: self.ratio,
            f"{prefix}_conf_low": self.ratio_low,
            f"{prefix}_conf_high": self.ratio_high,
        }
        return pl.DataFrame(
            [
                pl.Series("term", list(self.terms), dtype=pl.String),
                *(pl.Series(name, values, nan_to_null=True) for name, values in columns.items()),
            ]
        )

    def _table(self, ratio: str) -> list[str]:
        """The rows that a repr prints."""
        width = max(4, *(len(term) for term in self.terms)) if self.terms else 4
        limits = f"{100 * self.level:g}% limits"
        lines = [f"{'':<{width}} {'coef':>9} {'se':>8} {ratio:>8}  {limits:<18} {'z':>7} {'p':>9}"]
        columns = (
            self.coef,
            self.std_error,
            self.ratio,
            self.ratio_low,
            self.ratio_high,
            self.z,
            self.p_value,
        )
        for term, b, se, r, low, high, z, p in zip(self.terms, *columns):
            span = f"{low:.4g} to {high:.4g}"
            lines.append(f"{term:<{width}} {b:>9.4f} {se:>8.4f} {r:>8.4g}  {span:<18} {z:>7.3f} {p:>9.4g}")
        return lines
