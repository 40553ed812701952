"""Linear models: analysis of covariance, least-squares means, contrasts, type I, II and III tests.

`linear_model("change ~ arm + baseline + C(site)", data)` fits; the fit's methods ask it questions.  A dose
given as a number is a slope (dose-response); given as `C(dose)` it is a factor.  Formulas:
docs/methods/linear_models.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import SingularDesignError, StatsError
from flarefree.stats.distributions import f_tail, require_level
from flarefree.stats.estimates import Estimates, t_estimates, text_table
from flarefree.stats.formula import Design, design_matrix, least_squares_rows
from flarefree.stats.formula.terms import Formula
from flarefree.stats.frames import number, one_row, p_text
from flarefree.stats.least_squares import Fit, estimable, fit_least_squares
from flarefree.stats.linear_tests import TermTests, term_tests

if TYPE_CHECKING:
    import polars as pl

__all__ = ["LinearModel", "linear_model"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class LinearModel:
    """A fitted linear model.

    Attributes
    ----------
    design : Design
    coefficients : (p,) float64
        NaN for a column that earlier columns determine (`aliased`).
    covariance : (p, p) float64
    residual_variance : float
    df_residual : int
    residuals : (n,) float64
        Of the kept rows.
    aliased : tuple of str
        Columns without a coefficient.
    r_squared : float
    level : float
        Of the limits in `.tidy()`.
    """

    design: Design
    coefficients: Floats
    covariance: Floats
    residual_variance: float
    df_residual: int
    residuals: Floats
    aliased: tuple[str, ...]
    r_squared: float
    level: float
    fit: Fit
    response: Floats

    @property
    def n(self) -> int:
        """Rows used."""
        return self.design.n

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the numbers should know."""
        notes = [self.design.dropped_note()]
        if self.aliased:
            notes.append("determined by earlier columns, without coefficient: " + ", ".join(self.aliased))
        return tuple(note for note in notes if note)

    def coefficient_table(self) -> Estimates:
        """The coefficients with t tests and limits."""
        return t_estimates(
            "Coefficients",
            {"term": self.design.columns},
            self.coefficients,
            np.sqrt(np.diag(self.covariance)),
            self.df_residual,
            self.level,
        )

    def tidy(self) -> pl.DataFrame:
        """One row a coefficient."""
        return self.coefficient_table().tidy()

    def glance(self) -> pl.DataFrame:
        """One row: fit, F against the intercept, likelihood."""
        rank = self.fit.kept.size
        model_df = rank - self.design.has_intercept
        n, squares = self._n_weighted(), self.fit.squares
        explained = self.r_squared
        f = (
            (explained / model_df) / ((1 - explained) / self.df_residual)
            if model_df and explained < 1
            else math.nan
        )
        weights = self.design.weights
        log_weights = 0.0 if weights is None else float(np.log(weights[weights > 0]).sum())
        log_lik = (
            0.5 * (log_weights - n * (math.log(2 * math.pi * squares / n) + 1)) if squares > 0 else math.nan
        )
        return one_row(
            {
                "method": "Linear model",
                "r_squared": explained,
                "adj_r_squared": 1 - (1 - explained) * (n - self.design.has_intercept) / self.df_residual,
                "sigma": math.sqrt(self.residual_variance),
                "statistic": f,
                "df": float(model_df),
                "df_residual": float(self.df_residual),
                "p_value": f_tail(f, model_df, self.df_residual),
                "log_lik": log_lik,
                "aic": -2 * log_lik + 2 * (rank + 1),
                "bic": -2 * log_lik + math.log(n) * (rank + 1),
                "n": self.n,
                "n_dropped": self.design.n_dropped,
            }
        )

    def _n_weighted(self) -> int:
        """Rows with a weight."""
        weights = self.design.weights
        return self.n if weights is None else int((weights > 0).sum())

    def tests(self, type: Literal[1, 2, 3] = 3) -> TermTests:
        """F tests of the terms.

        Type III as SAS and as R's `car::Anova` with sum-to-zero contrasts: each term given all others.
        Type II: each term given all that do not contain it.  Type I: each term given those before it.
        """
        return term_tests(
            self.design, self.response, self.fit, self.residual_variance, self.df_residual, type
        )

    def ls_means(
        self,
        by: str | Sequence[str],
        *,
        at: Mapping[str, float | str] | None = None,
        weights: Literal["equal", "proportional"] = "equal",
        level: float | None = None,
    ) -> Estimates:
        """Least-squares means of the levels of one factor, or of the combinations of several.

        Parameters
        ----------
        by : str or sequence of str
        at : mapping, optional
            Values for covariates instead of their means, or a level at which to hold a factor.
        weights : str
            Of the factors averaged over: `equal` (as SAS and emmeans), or `proportional` to their numbers.
        level : float, optional
            Of the limits; by default the fit's.
        """
        rows = least_squares_rows(self.design, by, at=at, weights=weights)
        labels = {name: tuple(level[i] for level in rows.levels) for i, name in enumerate(rows.by)}
        covariates = ", ".join(f"{name} = {number(value)}" for name, value in rows.covariates.items())
        conventions = []
        if rows.averaged_over:
            conventions.append(f"{weights} weights over the levels of {', '.join(rows.averaged_over)}")
        if covariates:
            conventions.append("at " + covariates)
        return self.combinations(
            rows.matrix,
            {"term": tuple(", ".join(cell) for cell in rows.levels), **labels},
            title="Least-squares means of " + ", ".join(rows.by),
            level=level,
            conventions=tuple(conventions),
        )

    def differences(
        self,
        of: str,
        *,
        reference: str | None = None,
        within: str | Sequence[str] = (),
        at: Mapping[str, float | str] | None = None,
        weights: Literal["equal", "proportional"] = "equal",
        adjust: str = "none",
        level: float | None = None,
    ) -> Estimates:
        """Differences of least-squares means.

        Parameters
        ----------
        of : str
            The factor whose levels are compared.
        reference : str, optional
            Compare every other level with this one; without it, every later level with every earlier one.
        within : str or sequence of str
            Factors within whose levels to compare, such as `"visit"`.
        adjust : str
            Multiplicity adjustment of the p-values: `none`, `bonferroni`, `holm`, `hochberg` or `hommel`.
            Limits are not adjusted.
        """
        within = (within,) if isinstance(within, str) else tuple(within)
        rows = least_squares_rows(self.design, (of, *within), at=at, weights=weights)
        levels = list(dict.fromkeys(cell[0] for cell in rows.levels))
        place = {cell: i for i, cell in enumerate(rows.levels)}
        cells = list(dict.fromkeys(cell[1:] for cell in rows.levels))
        pairs = _pairs(levels, reference, of)
        L = np.array([rows.matrix[place[a, *c]] - rows.matrix[place[b, *c]] for c in cells for a, b in pairs])
        labels = {
            "term": tuple(", ".join((f"{a} - {b}", *c)) for c in cells for a, b in pairs),
            **{name: tuple(c[i] for c in cells for _ in pairs) for i, name in enumerate(within)},
        }
        found = self.combinations(L, labels, title=f"Differences of least-squares means of {of}", level=level)
        return _adjusted(found, adjust)

    def combinations(
        self,
        L: Any,
        labels: Mapping[str, tuple[str, ...]] | None = None,
        *,
        title: str = "Linear combinations",
        level: float | None = None,
        conventions: tuple[str, ...] = (),
    ) -> Estimates:
        """Estimates of linear combinations of the coefficients, L (k, p) times b."""
        rows = np.atleast_2d(np.asarray(L, dtype=np.float64))
        if rows.shape[1] != len(self.design.columns):
            raise StatsError(
                "a combination has one number a coefficient",
                where="L",
                found=f"{rows.shape[1]} numbers",
                expected=f"{len(self.design.columns)}: {', '.join(self.design.columns)}",
            )
        kept = self.fit.kept
        used = rows[:, kept]
        estimate = used @ self.fit.coefficients
        se = np.sqrt(self.residual_variance * np.einsum("ij,jk,ik->i", used, self.fit.unscaled, used))
        known = estimable(rows, self.design.matrix, kept)
        estimate, se = np.where(known, estimate, np.nan), np.where(known, se, np.nan)
        warnings = () if known.all() else ("not estimable: the data have no patients in some combination",)
        return t_estimates(
            title,
            labels or {"term": tuple(str(i + 1) for i in range(len(rows)))},
            estimate,
            se,
            self.df_residual,
            self.level if level is None else require_level(level),
            conventions=conventions,
            warnings=warnings,
        )

    def predict(self, data: Any) -> Floats:
        """Fitted means of new data; NaN where the fit does not identify one."""
        X = self.design.matrix_for(data)
        known = estimable(X, self.design.matrix, self.fit.kept)
        return np.where(known, X[:, self.fit.kept] @ self.fit.coefficients, np.nan)

    def __repr__(self) -> str:
        table = self.coefficient_table().rows()
        header = ("", "estimate", "SE", "t", "p", f"{100 * self.level:g}% limits")
        body = [
            (
                row["term"],
                number(row["estimate"]),
                number(row["std_error"]),
                number(row["statistic"], 4),
                p_text(row["p_value"]),
                f"{number(row['conf_low'])} to {number(row['conf_high'])}",
            )
            for row in table
        ]
        lines = [f"Linear model: {self.design.formula}", *text_table(header, body)]
        lines.append(
            f"  residual SD {number(math.sqrt(self.residual_variance))} on {self.df_residual} df, "
            f"R-squared {number(self.r_squared, 4)}, n = {self.n}"
        )
        lines += [f"  reference level of {name}: {levels[0]}" for name, levels in self.design.factors.items()]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def linear_model(
    formula: str | Formula, data: Any, *, weights: Any = None, level: float = 0.95
) -> LinearModel:
    """Fit a linear model by least squares.

    Parameters
    ----------
    formula : str
        Such as `"change ~ arm + baseline + C(site)"`; see docs/methods/formulas.md.
    data : Polars, pandas or mapping of arrays
        Rows with a missing value are left out and counted.
    weights : str or (n,) float, optional
        Of the rows; one of zero counts as no row.
    level : float
        Of the limits.

    Raises
    ------
    FormulaError, StatsError
        The formula cannot be read, or a special term has no meaning here.
    SingularDesignError
        As many coefficients as rows: no spread is left.
    """
    design = design_matrix(formula, data, weights=weights)
    _require_plain(design)
    y = design.response["y"] if design.offset is None else design.response["y"] - design.offset
    w = design.weights
    if w is not None and ((w < 0).any() or not (w > 0).any()):
        raise StatsError("weights are positive", where="weights", found=f"{float(w.min()):g}")
    fit = fit_least_squares(design.matrix, y, w)
    n = design.n if w is None else int((w > 0).sum())
    df = n - fit.kept.size
    if df < 1:
        raise SingularDesignError(
            "no row is left to estimate the spread",
            where="formula",
            found=f"{fit.kept.size} coefficients and {n} rows",
            expected="more rows than coefficients",
        )
    p = len(design.columns)
    coefficients, covariance = np.full(p, np.nan), np.full((p, p), np.nan)
    coefficients[fit.kept] = fit.coefficients
    variance = fit.squares / df
    covariance[np.ix_(fit.kept, fit.kept)] = fit.unscaled * variance
    aliased = tuple(name for i, name in enumerate(design.columns) if i not in set(fit.kept.tolist()))
    return LinearModel(
        design=design,
        coefficients=coefficients,
        covariance=covariance,
        residual_variance=variance,
        df_residual=df,
        residuals=fit.residuals,
        aliased=aliased,
        r_squared=_r_squared(design, y, fit),
        level=require_level(level),
        fit=fit,
        response=y,
    )


def _require_plain(design: Design) -> None:
    if design.response_kind != "numeric":
        raise StatsError(
            "a linear model needs a numeric response",
            where="formula",
            found="none" if design.response_kind == "none" else str(design.formula.response),
        )
    for special in design.formula.specials:
        if special.kind != "offset":
            raise StatsError(
                f"{special} has no meaning in a linear model",
                where="formula",
                found=str(design.formula),
                try_="mmrm(...) for repeated measures, or the column itself as a covariate",
            )


def _r_squared(design: Design, y: Floats, fit: Fit) -> float:
    w = np.ones(y.size) if design.weights is None else design.weights
    center = float((w * y).sum() / w.sum()) if design.has_intercept else 0.0
    total = float((w * (y - center) ** 2).sum())
    return 1 - fit.squares / total if total > 0 else math.nan


def _pairs(levels: list[str], reference: str | None, of: str) -> list[tuple[str, str]]:
    if reference is None:
        return [(later, earlier) for j, later in enumerate(levels) for earlier in levels[:j]]
    if reference not in levels:
        raise StatsError(
            f"{of} has no level {reference!r}", where="reference", expected="one of " + ", ".join(levels)
        )
    return [(level, reference) for level in levels if level != reference]


def _adjusted(found: Estimates, adjust: str) -> Estimates:
    if adjust == "none":
        return found
    from dataclasses import replace

    from flarefree.stats.multiplicity import adjust_p_values

    return replace(
        found,
        p_value=adjust_p_values(found.p_value, adjust),
        conventions=(*found.conventions, f"p-values adjusted: {adjust}; limits not adjusted"),
    )
