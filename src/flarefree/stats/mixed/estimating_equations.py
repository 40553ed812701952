"""`gee`: generalized estimating equations, a marginal check on mixed models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from flarefree.errors import ConvergenceError, StatsError
from flarefree.stats.mixed.algebra import Floats, exponential, invert, probability, solve
from flarefree.stats.mixed.means import Means, Scale, means_of, tidy_columns
from flarefree.stats.mixed.panel import Panel, lay_out, require_full_rank
from flarefree.stats.mixed.printing import format_frame, format_p, format_significant
from flarefree.stats.mixed.separation import fit_logistic, require_overlap
from flarefree.stats.mixed.working_correlation import CorrelationName, correlate, invert_correlation

if TYPE_CHECKING:
    import polars as pl

    from flarefree.stats.formula import Design

__all__ = ["GEE", "gee"]

FamilyName = Literal["binomial", "gaussian", "poisson"]

_SPELLED: dict[str, CorrelationName] = {"cs": "exchangeable", "ar1": "ar1", "us": "unstructured"}
MAX_STEPS = 100
FARTHEST = 30.0  # of a linear predictor in log odds or logs: nothing real is that far


@dataclass(frozen=True)
class _Family:
    """A mean and its variance, by their canonical link."""

    link: str
    mean: Callable[[Floats], Floats]
    variance: Callable[[Floats], Floats]
    shown: Scale


_FAMILIES: dict[FamilyName, _Family] = {
    "binomial": _Family("logit", probability, lambda mu: mu * (1.0 - mu), "probability"),
    "gaussian": _Family("identity", lambda eta: eta, np.ones_like, "linear"),
    "poisson": _Family("log", exponential, lambda mu: mu, "exponential"),
}


def gee(
    formula: str,
    data: Any,
    *,
    family: FamilyName = "binomial",
    correlation: CorrelationName | None = None,
    subject: str | None = None,
    visit: str | None = None,
    level: float = 0.95,
) -> GEE:
    """Fit a marginal model by generalized estimating equations, with robust standard errors.

    Parameters
    ----------
    formula : str
        `"remission ~ arm*visit + cs(visit | subject)"`, with `us`, `ar1` or `cs` for the working
        correlation; or `"remission ~ arm*visit + (1 | subject)"`, as of `logistic_mixed`, which means
        an exchangeable one; or no such term, and `subject` named below.
    family : {"binomial", "gaussian", "poisson"}
        With the canonical link: logit, identity, log.
    correlation : {"independence", "exchangeable", "ar1", "unstructured"}, optional
        Working correlation; by default what the formula says, else exchangeable.
    subject, visit : str, optional
        Columns, where the formula names none.  Without a visit, a subject's rows count in their order.

    Notes
    -----
    Conventions are those of R's geepack: dispersion is the mean squared Pearson residual (divided by
    rows, not by rows less coefficients), correlation parameters solve their own estimating equations,
    the covariance is Liang and Zeger's sandwich without correction for few subjects, tests are normal.
    Derivation: docs/methods/gee.md.

    References
    ----------
    [liang1986], [hojsgaard2006]
    """
    from flarefree.stats.formula import design_matrix

    if family not in _FAMILIES:
        raise StatsError(
            "there is no such family", where="family", found=repr(family), expected=", ".join(_FAMILIES)
        )
    extra = {name: column for name, column in (("subject", subject), ("visit", visit)) if column is not None}
    design = design_matrix(formula, data, extra=extra)
    structure, who, when, labels = _clusters(design, correlation)
    require_full_rank(design.matrix, design.columns)
    y = _response(design, family)
    panel = lay_out(
        y,
        design.matrix,
        when,
        who,
        n_visits=int(when.max()) + 1,
        visit_labels=labels[1],
        subject_labels=labels[0],
    )
    offset = np.zeros(design.n) if design.offset is None else design.offset
    start = _start(design, y, offset, family)
    return _solve(design, panel, offset, family, structure, start, level)


def _clusters(
    design: Design, correlation: CorrelationName | None
) -> tuple[CorrelationName, Any, Any, tuple[Sequence[object] | None, Sequence[object] | None]]:
    """The working correlation, and the subject and visit of each row, with their labels."""
    choices = ("independence", "exchangeable", "ar1", "unstructured")
    if correlation is not None and correlation not in choices:
        raise StatsError(
            "there is no such working correlation",
            where="correlation",
            found=repr(correlation),
            expected=", ".join(choices),
        )
    if design.covariance is not None:
        term = design.covariance
        if term.structure not in _SPELLED or term.group is not None:
            raise StatsError(
                "there is no such working correlation",
                where="formula",
                found=term.written,
                expected="us, ar1, cs, without groups",
            )
        labels = (term.subject.labels, term.visit.labels)
        return correlation or _SPELLED[term.structure], term.subject.codes, term.visit.codes, labels
    grouping = design.random[0].subject if design.random else design.cluster
    if grouping is not None:
        who, names = grouping.codes, grouping.labels
    elif "subject" in design.extra:
        column = design.extra["subject"].categories()
        who, names = column.place, column.levels
    else:
        raise StatsError(
            "who the rows belong to is not said",
            where="formula",
            found=design.formula.text,
            expected="a term such as cs(visit | subject), or subject='column'",
        )
    if "visit" in design.extra:
        column = design.extra["visit"].categories()
        return correlation or "exchangeable", who, column.place, (names, column.levels)
    return correlation or "exchangeable", who, _order_within(who), (names, None)


def _order_within(who: Any) -> Any:
    """0, 1, 2, ... along each subject's rows as they stand."""
    order = np.argsort(who, kind="stable")
    sorted_who = who[order]
    first = np.flatnonzero(np.concatenate([[True], np.diff(sorted_who) != 0]))
    count = np.arange(len(who)) - np.repeat(first, np.diff(np.append(first, len(who))))
    found = np.empty(len(who), dtype=np.intp)
    found[order] = count
    return found


def _response(design: Design, family: FamilyName) -> Floats:
    if family == "binomial":
        from flarefree.stats.mixed.binary import binary_rows

        if design.response_kind == "counts":
            raise StatsError(
                "counts of yes and no are not for estimating equations",
                where="formula",
                try_="one row an outcome",
            )
        return binary_rows(design)[1]
    if design.response_kind != "numeric":
        raise StatsError(
            "the response must be a number",
            where="formula",
            found=f"a response of kind {design.response_kind}",
        )
    y = design.response["y"]
    if family == "poisson" and (y < 0).any():
        raise StatsError("counts cannot be negative", where="formula", found=f"{y.min():g}")
    return y


def _start(design: Design, y: Floats, offset: Floats, family: FamilyName) -> Floats:
    """Coefficients as if all rows were independent."""
    X = design.matrix
    if family == "binomial":
        scale = np.sqrt(np.mean(X**2, axis=0))
        beta = fit_logistic(X / scale, y, None, offset)
        require_overlap(X / scale, y, design.columns, beta)
        return beta / scale
    if family == "gaussian":
        return np.asarray(np.linalg.lstsq(X, y - offset, rcond=None)[0], dtype=np.float64)
    beta = np.asarray(np.linalg.lstsq(X, np.log(y + 0.5) - offset, rcond=None)[0], dtype=np.float64)
    for _ in range(50):
        mu = exponential(offset + X @ beta)
        step = np.linalg.lstsq(np.sqrt(mu)[:, None] * X, (y - mu) / np.sqrt(mu), rcond=None)[0]
        beta = beta + step
        if np.abs(X @ step).max() < 1e-10:
            break
    return beta


def _solve(
    design: Design,
    panel: Panel,
    offset: Floats,
    family: FamilyName,
    structure: CorrelationName,
    beta: Floats,
    level: float,
) -> GEE:
    """Alternate between coefficients and correlation until neither moves."""
    rule = _FAMILIES[family]
    there = panel.row >= 0
    base = np.where(there, offset[panel.row], 0.0)
    for _ in range(MAX_STEPS):
        D, e = _standardized(panel, base, rule, beta)
        phi = float((e**2).sum() / panel.n_observations)
        alpha, R = correlate(e, there, phi, structure)
        inverse = invert_correlation(R, panel.observed)[panel.pattern]
        half = inverse @ D
        bread = invert(np.einsum("iaq,iar->qr", D, half, optimize=True))
        step = bread @ np.einsum("iaq,ia->q", half, e)
        beta = beta + step
        if np.sqrt(float(step @ solve(bread, step)) / phi) < 1e-12:
            break
        if rule.link != "identity" and np.abs(base + panel.X @ beta).max() > FARTHEST:
            raise _unsettled(structure, "a linear predictor runs away")
    else:
        raise _unsettled(structure, f"not settled after {MAX_STEPS} steps, the last {np.abs(step).max():.2g}")
    scores = np.einsum("iaq,ia->iq", half, e)
    robust = bread @ (scores.T @ scores) @ bread
    return GEE(design, family, structure, beta, robust, phi * bread, alpha, phi, panel.n_subjects, level)


def _unsettled(structure: CorrelationName, what: str) -> ConvergenceError:
    others = [name for name in ("exchangeable", "independence") if name != structure]
    return ConvergenceError(
        "the estimating equations did not settle",
        where="gee",
        found=f"{what} (Fisher scoring from independence, {structure} correlation)",
        try_=" or ".join(f"correlation={name!r}" for name in others),
    )


def _standardized(panel: Panel, base: Floats, rule: _Family, beta: Floats) -> tuple[Floats, Floats]:
    """Slopes of the mean, and residuals, both divided by the standard deviation of a row."""
    mu = rule.mean(base + panel.X @ beta)
    variance = rule.variance(mu)
    there = panel.row >= 0
    root = np.sqrt(np.where(there, variance, 1.0))
    residual = np.where(there, panel.y - mu, 0.0) / root
    return panel.X * root[:, :, None], residual  # canonical link: the slope is the variance


@dataclass(frozen=True, eq=False, repr=False)
class GEE:
    """A marginal model fitted by estimating equations.

    Attributes
    ----------
    beta : (q,) float
    robust_covariance, model_covariance : (q, q) float
        Sandwich, and the one that trusts the working correlation.
    alpha : (k,) float
        Correlation parameters; of `unstructured`, the rows above the diagonal.
    phi : float
        Dispersion.
    """

    design: Design
    family: FamilyName
    correlation: CorrelationName
    beta: Floats
    robust_covariance: Floats
    model_covariance: Floats
    alpha: Floats
    phi: float
    n_subjects: int
    level: float

    @property
    def covariance(self) -> Floats:
        return self.robust_covariance

    @property
    def coefficients(self) -> dict[str, float]:
        """Estimates by the names of the columns."""
        return dict(zip(self.design.columns, self.beta.tolist()))

    @property
    def conventions(self) -> dict[str, str]:
        """How the numbers were made, each convention by its name."""
        found = {
            "family": f"{self.family}, {_FAMILIES[self.family].link} link",
            "working correlation": self.correlation,
            "standard errors": "robust (sandwich), not corrected for few subjects",
            "tests and limits": "normal (Wald)",
        }
        dropped = self.design.dropped_note()
        return found | ({"rows": dropped} if dropped else {})

    def _estimates(self, L: Floats) -> tuple[Floats, Floats, Floats]:
        variance = np.einsum("cq,qr,cr->c", L, self.robust_covariance, L)
        return L @ self.beta, np.sqrt(variance), np.full(len(L), np.inf)

    def tidy(self) -> pl.DataFrame:
        """One row a coefficient: term, estimate, std_error, statistic, df, p_value, conf_low, conf_high."""
        import polars as pl

        estimates = self._estimates(np.eye(len(self.beta)))
        return pl.DataFrame({"term": list(self.design.columns), **tidy_columns(*estimates, self.level)})

    def glance(self) -> pl.DataFrame:
        """One row with the fit's figures."""
        import polars as pl

        return pl.DataFrame(
            {
                "n_subjects": [self.n_subjects],
                "n_observations": [self.design.n],
                "n_left_out": [self.design.n_dropped],
                "family": [self.family],
                "correlation": [self.correlation],
                "alpha": [float(self.alpha[0]) if len(self.alpha) == 1 else None],
                "dispersion": [self.phi],
                "converged": [True],
            }
        )

    def ls_means(
        self,
        by: str | Sequence[str],
        *,
        at: Mapping[str, float | str] | None = None,
        weights: Literal["equal", "proportional"] = "equal",
        level: float | None = None,
    ) -> Means:
        """Means at the levels of some factors, on the scale of the response; see `MMRM.ls_means`."""
        return means_of(
            self.design,
            self._estimates,
            by,
            at=at,
            weights=weights,
            level=self.level if level is None else level,
            title="Marginal means",
            scale=_FAMILIES[self.family].shown,
        )

    def __repr__(self) -> str:
        frame = self.tidy()
        columns: list[tuple[str, Sequence[str], bool]] = [("", frame["term"].to_list(), False)]
        for name in ("estimate", "std_error", "statistic"):
            columns.append((name, format_significant(frame[name].to_list()), True))
        columns.append(("p", [format_p(p) for p in frame["p_value"]], True))
        lines = [
            f"Generalized estimating equations: {self.design.n} observations of {self.n_subjects} subjects",
            str(self.design.formula),
            "",
            *format_frame(columns),
            "",
            *(f"{name}: {text}" for name, text in self.conventions.items()),
        ]
        return "\n".join(lines)
