"""`logistic_mixed`: yes and no at several visits, with a random intercept for each subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from flarefree.errors import StatsError
from flarefree.stats.mixed.algebra import Floats, probability
from flarefree.stats.mixed.binary import binary_rows, require_repeats
from flarefree.stats.mixed.logistic_fitting import LogisticFit, fit_intercepts
from flarefree.stats.mixed.means import Means, Scale, means_of
from flarefree.stats.mixed.panel import require_full_rank
from flarefree.stats.mixed.printing import format_frame, format_p, format_significant
from flarefree.stats.mixed.quadrature import Clusters, Integral, hermite_points
from flarefree.stats.mixed.separation import fit_logistic, require_overlap

if TYPE_CHECKING:
    import polars as pl

    from flarefree.stats.formula import Design

__all__ = ["LogisticMixed", "logistic_mixed"]


POINTS_FOR_MARGINS = 61  # of Gauss-Hermite quadrature over the whole population, not adaptive


def logistic_mixed(
    formula: str,
    data: Any,
    *,
    quadrature_points: int = 15,
    level: float = 0.95,
) -> LogisticMixed:
    """Fit a logistic model with a normal random intercept by adaptive Gauss-Hermite quadrature.

    Parameters
    ----------
    formula : str
        `"remission ~ arm*visit + (1 | subject)"`.  The response is 0 and 1, a boolean, a column of two
        texts (the second in sorted order counts as yes), or `cbind(yes, no)` with counts.
    data : frame or mapping of arrays
        One row a subject and visit.  Rows with a missing value are left out and counted.
    quadrature_points : int
        Points a subject, 1 to 101; 1 is Laplace's approximation.
    level : float
        Of confidence limits.

    Raises
    ------
    StatsError
        The outcomes are separated; the columns that separate them are named.
    SingularDesignError
        Columns of the design are combinations of others; they are named.
    ConvergenceError
        The spread of the intercepts is not identified, or grows without limit.

    Notes
    -----
    Conventions are those of R's lme4 (`glmer` with `nAGQ`): tests and limits are normal, standard errors
    from the observed information of coefficients and spread together.
    Derivation: docs/methods/logistic_mixed.md.

    References
    ----------
    [pinheiro1995], [bates2015]
    """
    from flarefree.stats.formula import design_matrix

    if not (isinstance(quadrature_points, int) and 1 <= quadrature_points <= 101):
        raise StatsError(
            "the number of quadrature points is out of range",
            where="quadrature_points",
            found=repr(quadrature_points),
            expected="a whole number from 1 (Laplace) to 101",
            try_="15",
        )
    design = design_matrix(formula, data)
    subject = _only_intercept(design)
    X, yes, weight, index = binary_rows(design)
    offset = None if design.offset is None else design.offset[index]
    require_full_rank(X, design.columns)
    scale = np.sqrt(np.mean(X**2, axis=0))
    beta = fit_logistic(X / scale, yes, weight, offset)
    require_overlap(X / scale, yes, design.columns, beta)
    clusters = Clusters.sorted_from(X / scale, yes, np.asarray(subject)[index], weight, offset)
    require_repeats(clusters)
    fit = fit_intercepts(clusters, beta, quadrature_points)
    units = np.append(scale, 1.0)
    own = LogisticFit(
        fit.beta / scale,
        fit.sd,
        fit.covariance / np.outer(units, units),
        fit.log_likelihood,
        fit.steps,
        fit.gradient_size,
    )
    alone = Integral.at(clusters, _without_intercepts(clusters, beta), 0.0, 1).log_likelihood
    warnings: tuple[str, ...] = ()
    if fit.is_boundary:
        warnings = ("the subjects' intercepts have no spread: this is the ordinary logistic model",)
    return LogisticMixed(design, own, quadrature_points, level, alone, warnings)


def _without_intercepts(clusters: Clusters, beta: Floats) -> Floats:
    for _ in range(20):
        here = Integral.at(clusters, beta, 0.0, 1)
        step = np.linalg.solve(here.curvature[:-1, :-1], here.gradient[:-1])
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    return beta


def _only_intercept(design: Design) -> Any:
    """The subject of each row, if the formula has one random intercept and nothing else special."""
    foreign = [str(s) for s in design.formula.specials if s.kind not in ("random", "offset")]
    terms = design.random
    if foreign or len(terms) != 1 or terms[0].columns != ("(Intercept)",):
        raise StatsError(
            "the formula needs one random intercept",
            where="formula",
            found=", ".join([*foreign, *(term.written for term in terms)]) or "none",
            expected="(1 | subject)",
        )
    return terms[0].subject.codes


@dataclass(frozen=True, eq=False, repr=False)
class LogisticMixed:
    """A fitted logistic model with a random intercept.

    Attributes
    ----------
    design : Design
    fit : LogisticFit
        Coefficients (log odds given the intercept), spread of the intercepts, their covariance.
    quadrature_points : int
    level : float
        Of confidence limits.
    log_likelihood_alone : float
        Of the same model without intercepts.
    warnings : tuple of str
    """

    design: Design
    fit: LogisticFit
    quadrature_points: int
    level: float
    log_likelihood_alone: float
    warnings: tuple[str, ...] = field(default=())

    @property
    def coefficients(self) -> dict[str, float]:
        """Estimates by the names of the columns."""
        return dict(zip(self.design.columns, self.fit.beta.tolist()))

    @property
    def subject_sd(self) -> float:
        """Standard deviation of the subjects' intercepts, in log odds."""
        return self.fit.sd

    @property
    def covariance(self) -> Floats:
        """Covariance of the coefficients, (q, q)."""
        return self.fit.covariance[:-1, :-1]

    @property
    def log_likelihood(self) -> float:
        return self.fit.log_likelihood

    @property
    def n_subjects(self) -> int:
        return len(self.design.random[0].subject.labels)

    @property
    def n_observations(self) -> int:
        return self.design.n

    @property
    def n_parameters(self) -> int:
        return len(self.fit.beta) + 1

    @property
    def aic(self) -> float:
        return -2.0 * self.log_likelihood + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """With the number of rows, as R's lme4."""
        return -2.0 * self.log_likelihood + float(np.log(self.n_observations)) * self.n_parameters

    @property
    def conventions(self) -> dict[str, str]:
        """How the numbers were made, each convention by its name."""
        points = self.quadrature_points
        found = {
            "likelihood": "Laplace's approximation"
            if points == 1
            else f"adaptive Gauss-Hermite quadrature, {points} points",
            "random effects": f"normal intercept of each {self.design.random[0].subject.name}",
            "tests and limits": "normal (Wald), observed information",
        }
        if self.design.response_kind == "category":
            found["yes"] = self.design.response_levels[1]
        dropped = self.design.dropped_note()
        return found | ({"rows": dropped} if dropped else {})

    def _estimates(self, L: Floats) -> tuple[Floats, Floats, Floats]:
        variance = np.einsum("cq,qr,cr->c", L, self.covariance, L)
        return L @ self.fit.beta, np.sqrt(variance), np.full(len(L), np.inf)

    def tidy(self, *, odds_ratios: bool = False) -> pl.DataFrame:
        """One row a coefficient: term, estimate, std_error, statistic, df, p_value, conf_low, conf_high.

        Log odds given the intercept; with `odds_ratios`, estimate and limits are their exponentials and
        the standard error is carried over by the delta method.
        """
        labels = tuple((name,) for name in self.design.columns)
        scale: Literal["linear", "exponential"] = "exponential" if odds_ratios else "linear"
        eye = np.eye(len(labels))
        return Means(("name",), labels, eye, self._estimates, self.level, "", scale=scale).tidy().drop("name")

    def glance(self) -> pl.DataFrame:
        """One row with the fit's figures."""
        import polars as pl

        sd_error = float(np.sqrt(self.fit.covariance[-1, -1]))
        return pl.DataFrame(
            {
                "n_subjects": [self.n_subjects],
                "n_observations": [self.n_observations],
                "n_left_out": [self.design.n_dropped],
                "quadrature_points": [self.quadrature_points],
                "subject_sd": [self.subject_sd],
                "subject_sd_std_error": [None if np.isnan(sd_error) else sd_error],
                "log_likelihood": [self.log_likelihood],
                "deviance": [-2.0 * self.log_likelihood],
                "aic": [self.aic],
                "bic": [self.bic],
                "converged": [True],
            }
        )

    def spread_test(self) -> tuple[float, float]:
        """Likelihood ratio against no spread at all, and its p value.

        Half of the chi-square with 1 degree of freedom: the spread cannot be negative [self1987].
        """
        from scipy.special import chdtrc

        statistic = max(2.0 * (self.log_likelihood - self.log_likelihood_alone), 0.0)
        return statistic, 1.0 if statistic == 0.0 else float(chdtrc(1.0, statistic)) / 2.0

    def ls_means(
        self,
        by: str | Sequence[str],
        *,
        kind: Literal["conditional", "marginal"] = "conditional",
        scale: Literal["probability", "log-odds"] = "probability",
        at: Mapping[str, float | str] | None = None,
        weights: Literal["equal", "proportional"] = "equal",
        level: float | None = None,
    ) -> Means:
        """Means at the levels of some factors: `fit.ls_means(("arm", "visit"), kind="marginal")`.

        Parameters
        ----------
        by : str or sequence of str
            Factors of the model.
        kind : {"conditional", "marginal"}
            `conditional`: of a subject whose intercept is zero, the middle one.  `marginal`: over
            subjects of every intercept, integrated out at each mean's linear predictor; closer to one
            half.  Other factors and covariates are averaged before, on the scale of log odds: for the
            share of a population that is mixed in them see `population_shares`.
        scale : {"probability", "log-odds"}
            Limits are made on the scale of log odds in either case.  Contrasts of probabilities are
            odds ratios; `risk_differences` gives differences.
        at, weights
            As of `MMRM.ls_means`.
        """
        shown: Scale = "probability" if scale == "probability" else "linear"
        means = means_of(
            self.design,
            self._estimates,
            by,
            at=at,
            weights=weights,
            level=self.level if level is None else level,
            title=f"{kind.capitalize()} means",
            scale=shown,
        )
        if kind == "conditional":
            return means
        if kind != "marginal":
            raise StatsError(
                "there is no such kind", where="kind", found=repr(kind), expected="conditional, marginal"
            )
        return self._over_cells(means, *self._marginal(means.matrix), in_log_odds=True)

    def population_shares(self, by: str | Sequence[str], *, level: float | None = None) -> Means:
        """The share of the population in the outcome, if all were at each level of some factors.

        Every subject is put at each combination of levels in turn, other factors and covariates as in
        their own first row; the intercept is integrated out, and the probabilities are averaged over the
        subjects (standardization).  Limits are made on the scale of log odds; subjects are taken as given.

        Parameters
        ----------
        by : str or sequence of str
            Factors of the model.
        level : float, optional
        """
        from flarefree.stats.formula import population_rows

        by = (by,) if isinstance(by, str) else tuple(by)
        first = np.unique(self.design.random[0].subject.codes, return_index=True)[1]
        levels, matrix = population_rows(self.design, by, first)
        each = [self._marginal(rows) for rows in matrix]
        means = Means(
            by,
            levels,
            matrix.mean(axis=1),
            self._estimates,
            self.level if level is None else level,
            f"Shares of the population by {', '.join(by)}",
            {"averaged over": f"the {first.size} subjects, each with their own other values"},
            scale="probability",
        )
        shares = np.array([p.mean() for p, _ in each])
        slopes = np.array([slope.mean(axis=0) for _, slope in each])
        return self._over_cells(means, shares, slopes, in_log_odds=True)

    def risk_differences(
        self,
        of: str,
        by: str | Sequence[str] = (),
        *,
        reference: str | None = None,
        at: Mapping[str, float | str] | None = None,
        weights: Literal["equal", "proportional"] = "equal",
        level: float | None = None,
    ) -> Means:
        """Differences of marginal probabilities, with limits on their own scale."""
        by = (by,) if isinstance(by, str) else tuple(by)
        means = self.ls_means((of, *by), at=at, weights=weights, level=level)
        found = self._over_cells(means, *self._marginal(means.matrix), in_log_odds=False)
        return found.contrasts(of, reference=reference)

    def _over_cells(self, means: Means, marginal: Floats, slope: Floats, *, in_log_odds: bool) -> Means:
        """Marginal probabilities (or their log odds) as quantities of their own, by the delta method."""
        values, change = marginal, slope
        if in_log_odds:
            values = np.log(marginal / (1.0 - marginal))
            change = slope / (marginal * (1.0 - marginal))[:, None]
        known = ~np.isnan(np.diag(self.fit.covariance))  # no spread at the boundary, and no error of it
        covariance = change[:, known] @ self.fit.covariance[np.ix_(known, known)] @ change[:, known].T

        def of_cells(L: Floats) -> tuple[Floats, Floats, Floats]:
            variance = np.einsum("cq,qr,cr->c", L, covariance, L)
            return L @ values, np.sqrt(variance), np.full(len(L), np.inf)

        return Means(
            means.names,
            means.levels,
            np.eye(len(values)),
            of_cells,
            means.level,
            means.title if in_log_odds else means.title.replace("Conditional", "Marginal"),
            {**means.conventions, "intercepts": f"integrated out, normal with sd {self.subject_sd:.4g}"},
            means.scale if in_log_odds else "linear",
        )

    def _marginal(self, L: Floats) -> tuple[Floats, Floats]:
        """Probabilities with the intercept integrated out, and their slopes in beta and sd."""
        z, log_weight = hermite_points(POINTS_FOR_MARGINS)
        weight = np.exp(log_weight - z**2) / np.sqrt(np.pi)
        intercept = np.sqrt(2.0) * z
        p = probability((L @ self.fit.beta)[:, None] + self.fit.sd * intercept)
        steep = p * (1.0 - p)
        return p @ weight, np.column_stack([(steep @ weight)[:, None] * L, steep @ (weight * intercept)])

    def __repr__(self) -> str:
        frame = self.tidy()
        columns: list[tuple[str, Sequence[str], bool]] = [("", frame["term"].to_list(), False)]
        for name in ("estimate", "std_error", "statistic"):
            columns.append((name, format_significant(frame[name].to_list()), True))
        columns.append(("p", [format_p(p) for p in frame["p_value"]], True))
        statistic, p = self.spread_test()
        lines = [
            f"Logistic mixed model: {self.n_observations} observations of {self.n_subjects} subjects",
            str(self.design.formula),
            "",
            *format_frame(columns),
            "",
            f"sd of the intercepts {self.subject_sd:.4f}; none at all: likelihood ratio {statistic:.2f}, "
            f"p {format_p(p)}",
            f"log-likelihood {self.log_likelihood:.4f}, AIC {self.aic:.2f}, BIC {self.bic:.2f}",
            *(f"{name}: {text}" for name, text in self.conventions.items()),
            *(f"warning: {text}" for text in self.warnings),
        ]
        return "\n".join(lines)
