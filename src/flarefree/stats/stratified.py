"""Tables in strata: Cochran-Mantel-Haenszel tests, common estimates, homogeneity.

For 2 x 2 tables: the test, the Mantel-Haenszel odds ratio with Robins, Breslow and Greenland's limits (or
all of it exact, given the margins), the risk ratio and risk difference, and Breslow and Day's test with
Tarone's correction.  For larger tables: the three statistics that SAS's FREQ prints.  Formulas:
docs/methods/tables.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import SingularDesignError, StatsError
from flarefree.stats.conditional import of_strata
from flarefree.stats.counts import require_strata
from flarefree.stats.distributions import (
    chi_square_tail,
    normal_p,
    require_alternative,
    require_level,
)
from flarefree.stats.frames import TestResult, number, one_row, p_text, tidy_frame
from flarefree.stats.mantel_haenszel import (
    breslow_day,
    odds_ratio,
    ratio_limits,
    risk_difference,
    risk_ratio,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["StratifiedTables", "cochran_mantel_haenszel"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False)
class StratifiedTables:
    """A Cochran-Mantel-Haenszel analysis.

    Attributes
    ----------
    method : str
    statistic, df, p_value : float
        Of the main test; `statistic` and `df` are None where it is exact.
    estimate, std_error, conf_low, conf_high : float or None
        The common odds ratio, 2 x 2 strata only; `std_error` is of its log.
    others : mapping of str to TestResult
        For 2 x 2: `risk ratio`, `risk difference`, `homogeneity`.  For larger tables: `general
        association`, `row mean scores`, `correlation`.
    n, n_strata : int
    """

    method: str
    statistic: float | None
    df: float | None
    p_value: float
    estimate: float | None
    std_error: float | None
    conf_low: float | None
    conf_high: float | None
    level: float
    alternative: str
    n: int
    n_strata: int
    conventions: tuple[str, ...]
    warnings: tuple[str, ...]
    others: Mapping[str, TestResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "others", MappingProxyType(dict(self.others)))

    def tidy(self) -> pl.DataFrame:
        """The common odds ratio (or the association) first, then the other figures, one a row."""
        first = {
            "term": "association" if self.estimate is None else "common odds ratio",
            "estimate": self.estimate,
            "std_error": self.std_error,
            "statistic": self.statistic,
            "df": self.df,
            "p_value": self.p_value,
            "conf_low": self.conf_low,
            "conf_high": self.conf_high,
        }
        return tidy_frame([first, *(_row(name, other) for name, other in self.others.items())])

    def glance(self) -> pl.DataFrame:
        """One row: the test, and what it rests on."""
        return one_row(
            {
                "method": self.method,
                "n": self.n,
                "n_strata": self.n_strata,
                "statistic": self.statistic,
                "df": self.df,
                "p_value": self.p_value,
                "alternative": self.alternative,
                "level": self.level,
            }
        )

    def __repr__(self) -> str:
        lines = [self.method]
        if self.estimate is not None:
            limits = f"{100 * self.level:g}% limits {number(self.conf_low)} to {number(self.conf_high)}"
            lines.append(f"  common odds ratio  {number(self.estimate)} ({limits})")
        tested = (
            "" if self.statistic is None else f"chi-square = {number(self.statistic)}, df = {self.df:g}, "
        )
        lines.append(f"  {tested}p = {p_text(self.p_value)} ({self.alternative})")
        lines.append(f"  n = {self.n} in {self.n_strata} strata")
        for name, other in self.others.items():
            shown = "" if other.estimate is None else f"  {number(other.estimate)}{other._limits()}"
            lines.append(f"  {name}{shown}  " + ", ".join(other._tested()))
        lines += [f"  {convention}" for convention in self.conventions]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def _row(name: str, other: TestResult) -> dict[str, Any]:
    return {
        "term": name,
        "estimate": other.estimate,
        "std_error": other.std_error,
        "statistic": other.statistic,
        "df": other.df,
        "p_value": other.p_value,
        "conf_low": other.conf_low,
        "conf_high": other.conf_high,
    }


def cochran_mantel_haenszel(
    tables: Any,
    *,
    correct: bool = True,
    exact: bool = False,
    alternative: str = "two-sided",
    level: float = 0.95,
) -> StratifiedTables:
    """Test association given strata, and estimate the common odds ratio.

    Parameters
    ----------
    tables : (k, r, c) int
        One table a stratum.
    correct : bool
        Continuity correction of half a count, for 2 x 2 strata, as R's `mantelhaen.test`; SAS has none.
    exact : bool
        For 2 x 2 strata: p-value, odds ratio and limits from the distribution given all margins.
    alternative : str
        `two-sided`; for 2 x 2 strata also `less` or `greater`.
    level : float
        Of all limits.

    Returns
    -------
    StratifiedTables
        Test, common odds ratio, and in `others` what else the strata say.

    Raises
    ------
    StatsError
        No stratum tells anything: in each, a row or a column is empty.
    """
    counts = require_strata(tables)
    level, alternative = require_level(level), require_alternative(alternative)
    kept = counts[counts.sum(axis=(1, 2)) > 1]
    left_out = len(counts) - len(kept)
    warnings = (f"{left_out} strata with fewer than two patients were left out",) if left_out else ()
    if not len(kept):
        raise StatsError("every stratum has fewer than two patients", where="tables")
    if kept.shape[1:] == (2, 2):
        if exact:
            return _exact(kept, alternative, level, warnings)
        return _two_by_two(kept, correct, alternative, level, warnings)
    if exact or alternative != "two-sided":
        raise StatsError(
            "exact and one-sided tests are for 2 x 2 strata", where="tables", found=f"strata {kept.shape[1:]}"
        )
    return _larger(kept, level, warnings)


# -- 2 x 2 strata ----------------------------------------------------------------------------------------


def _two_by_two(
    counts: NDArray[np.int64], correct: bool, alternative: str, level: float, warnings: tuple[str, ...]
) -> StratifiedTables:
    table = counts.astype(np.float64)
    n = table.sum(axis=(1, 2))
    rows, columns = table.sum(axis=2), table.sum(axis=1)
    delta = float((table[:, 0, 0] - rows[:, 0] * columns[:, 0] / n).sum())
    variance = float((rows.prod(axis=1) * columns.prod(axis=1) / (n**2 * (n - 1))).sum())
    if variance == 0:
        raise _says_nothing()
    yates = 0.5 if correct and abs(delta) >= 0.5 else 0.0
    statistic = (abs(delta) - yates) ** 2 / variance
    z = math.copysign(math.sqrt(statistic), delta)
    p = chi_square_tail(statistic, 1) if alternative == "two-sided" else normal_p(z, alternative)
    ratio, log_se = odds_ratio(table, n)
    low, high = ratio_limits(ratio, log_se, level, alternative)
    return StratifiedTables(
        method="Mantel-Haenszel chi-square test" + (" with continuity correction" if yates else ""),
        statistic=statistic,
        df=1.0,
        p_value=p,
        estimate=_or_none(ratio),
        std_error=_or_none(log_se),
        conf_low=_or_none(low),
        conf_high=_or_none(high),
        level=level,
        alternative=alternative,
        n=int(n.sum()),
        n_strata=len(counts),
        conventions=(
            "hypergeometric variance with n - 1; "
            + ("continuity correction 0.5" if yates else "no continuity correction"),
            "odds ratio: Mantel-Haenszel; limits: Robins-Breslow-Greenland, on the log scale",
        ),
        warnings=warnings,
        others={
            "risk ratio": risk_ratio(table, n, level),
            "risk difference": risk_difference(table, n, level),
            "homogeneity": breslow_day(counts),
        },
    )


def _says_nothing() -> StatsError:
    return StatsError(
        "no stratum says anything about the association",
        where="tables",
        found="an empty row or column in every stratum",
        expected="one stratum at least with both rows and both columns",
    )


def _exact(
    counts: NDArray[np.int64], alternative: str, level: float, warnings: tuple[str, ...]
) -> StratifiedTables:
    x = int(counts[:, 0, 0].sum())
    family = of_strata(
        np.column_stack([counts[:, 0].sum(axis=1), counts[:, 1].sum(axis=1), counts[:, :, 0].sum(axis=1)]), x
    )
    if family.low == family.high:
        raise _says_nothing()
    low, high = family.limits(x, level, alternative)
    return StratifiedTables(
        method="Exact conditional test of 2 x 2 tables in strata",
        statistic=None,
        df=None,
        p_value=family.p_value(x, alternative),
        estimate=math.exp(family.log_odds(x)),
        std_error=None,
        conf_low=math.exp(low),
        conf_high=math.exp(high),
        level=level,
        alternative=alternative,
        n=int(counts.sum()),
        n_strata=len(counts),
        conventions=(
            "two-sided p sums the probabilities of all sums of first cells no more probable than seen",
            "odds ratio: conditional maximum likelihood; limits: exact, tails of equal size",
        ),
        warnings=warnings,
        others={"homogeneity": breslow_day(counts)},
    )


# -- larger strata ---------------------------------------------------------------------------------------


def _larger(counts: NDArray[np.int64], level: float, warnings: tuple[str, ...]) -> StratifiedTables:
    used_rows, used_columns = counts.sum(axis=(0, 2)) > 0, counts.sum(axis=(0, 1)) > 0
    table = counts[:, used_rows][:, :, used_columns].astype(np.float64)
    r, c = table.shape[1:]
    if r < 2 or c < 2:
        raise _says_nothing()
    G, V = _excess(table)
    scores = (np.arange(1.0, r + 1), np.arange(1.0, c + 1))
    choices = {
        "general association": np.kron(np.eye(r)[:-1], np.eye(c)[:-1]),
        "row mean scores": np.kron(np.eye(r)[:-1], scores[1][None]),
        "correlation": np.kron(scores[0][None], scores[1][None]),
    }
    n = int(table.sum())
    others = {name: _quadratic_form(name, np.asarray(A), G, V, n) for name, A in choices.items()}
    main = others["general association"]
    assert main.p_value is not None
    return StratifiedTables(
        method="Cochran-Mantel-Haenszel test of general association",
        statistic=main.statistic,
        df=main.df,
        p_value=main.p_value,
        estimate=None,
        std_error=None,
        conf_low=None,
        conf_high=None,
        level=level,
        alternative="two-sided",
        n=n,
        n_strata=len(table),
        conventions=("scores of rows and columns: 1, 2, 3, ... (table scores)",),
        warnings=warnings,
        others=others,
    )


def _excess(table: Floats) -> tuple[Floats, Floats]:
    """Observed less expected cells, summed over strata, and their covariance given the margins."""
    r, c = table.shape[1:]
    G, V = np.zeros(r * c), np.zeros((r * c, r * c))
    for stratum in table:
        n = stratum.sum()
        rows, columns = stratum.sum(axis=1) / n, stratum.sum(axis=0) / n
        G += (stratum - n * np.outer(rows, columns)).ravel()
        spread = np.kron(np.diag(rows) - np.outer(rows, rows), np.diag(columns) - np.outer(columns, columns))
        V += n**2 / (n - 1) * spread
    return G, V


def _quadratic_form(name: str, A: Floats, G: Floats, V: Floats, n: int) -> TestResult:
    excess, spread = A @ G, A @ V @ A.T
    if np.linalg.matrix_rank(spread) < len(excess):
        raise SingularDesignError(
            f"the strata do not identify the statistic of {name}",
            where="tables",
            expected="rows and columns that meet in some stratum",
            try_="leave out the levels that never vary within a stratum",
        )
    statistic = float(excess @ np.linalg.solve(spread, excess))
    df = float(len(excess))
    return TestResult(
        f"Cochran-Mantel-Haenszel: {name}",
        name,
        statistic=statistic,
        df=df,
        p_value=chi_square_tail(statistic, df),
        statistic_name="chi-square",
        n=n,
    )


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
