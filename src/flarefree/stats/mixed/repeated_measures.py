"""`mmrm`: a mixed model for repeated measures from a formula and a frame."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.mixed.fitting import MarginalFit, Trial, fit_marginal
from flarefree.stats.mixed.inference import DF_METHODS, DfMethod, FTest, Inference
from flarefree.stats.mixed.means import Means, means_of, tidy_columns
from flarefree.stats.mixed.panel import lay_out, require_full_rank
from flarefree.stats.mixed.printing import format_frame, format_p, format_significant
from flarefree.stats.mixed.structures import STRUCTURES

if TYPE_CHECKING:
    import polars as pl

    from flarefree.stats.formula import Design

__all__ = ["MMRM", "mmrm"]

Floats = NDArray[np.float64]

_ORDERED = frozenset({"toep", "toeph", "ar1", "ar1h"})  # structures in which neighbors matter
_PARTS = re.compile(r"(\d*)(\D*)")

_DF_WORDS = {
    "kenward-roger": "Kenward-Roger (1997), second derivatives included; theta as in R's mmrm",
    "kenward-roger-linear": "Kenward-Roger (1997), first derivatives only",
    "satterthwaite": "Satterthwaite",
}


def mmrm(
    formula: str,
    data: Any,
    *,
    df: DfMethod = "kenward-roger",
    reml: bool = True,
    fallback: Sequence[str] = (),
    weights: Any = None,
    level: float = 0.95,
) -> MMRM:
    """Fit a mixed model for repeated measures: a marginal normal model with correlated visits.

    Parameters
    ----------
    formula : str
        Response, terms and one covariance structure:
        `"change ~ baseline*visit + arm*visit + us(visit | subject)"`.  Structures: `us`, `toeph`,
        `toep`, `ar1h`, `ar1`, `csh`, `cs`; `us(visit | arm / subject)` has one matrix an arm.
    data : frame or mapping of arrays
        One row a subject and visit.  Rows with a missing value are left out and counted.
    df : {"kenward-roger", "kenward-roger-linear", "satterthwaite"}
        Degrees of freedom, and with Kenward-Roger the adjusted covariance of the coefficients.
    reml : bool
        Restricted likelihood (the default) or maximum likelihood.  Kenward and Roger's methods are for
        the restricted one; with `reml=False` Satterthwaite's is used, and `warnings` says so.
    fallback : sequence of str
        Structures to try, in this order, if the formula's cannot be fitted: `("toeph", "ar1h", "cs")`.
    weights : str or (n,) array, optional
        The residual variance of a row is divided by its weight.
    level : float
        Of confidence limits.

    Returns
    -------
    MMRM

    Raises
    ------
    StatsError
        A visit stands twice in one subject.
    SingularDesignError
        Columns of the design are combinations of others; they are named.
    ConvergenceError
        Neither the structure nor any of `fallback` could be fitted; each attempt is listed.

    Notes
    -----
    Defaults are those of R's mmrm with `method = "Kenward-Roger"`.  Visits stand in the order of their
    levels: sorted, or as a Polars Enum or pandas Categorical orders them.
    Derivation: docs/methods/mmrm.md.

    References
    ----------
    [kenward1997], [mallinckrodt2008]

    Examples
    --------
    >>> rows = {
    ...     "subject": ["Ada", "Ada", "Ben", "Ben", "Cleo", "Cleo", "Dan", "Dan", "Eve", "Finn"],
    ...     "visit": ["week 4", "week 8"] * 4 + ["week 4", "week 4"],
    ...     "arm": ["MMF"] * 4 + ["AZA"] * 4 + ["MMF", "AZA"],
    ...     "change": [-1.2, -2.0, -0.4, -1.1, 0.3, -0.2, -0.1, 0.4, -0.9, 0.2],
    ... }
    >>> fit = mmrm("change ~ arm*visit + cs(visit | subject)", rows)
    >>> fit.structure, fit.n_subjects
    ('cs', 6)
    """
    from flarefree.stats.formula import design_matrix

    _require_choice("df", df, DF_METHODS)
    _require_level(level)
    design = design_matrix(formula, data, weights=weights)
    term = design.covariance
    if term is None:
        raise StatsError(
            "the formula has no covariance structure",
            where="formula",
            found=formula,
            expected=f"one of {', '.join(STRUCTURES)}, such as us(visit | subject)",
        )
    structures = tuple(dict.fromkeys([term.structure, *fallback]))
    for name in structures:
        _require_choice("covariance structure", name, tuple(STRUCTURES))
    _require_plain(design)
    require_full_rank(design.matrix, design.columns)
    panel = lay_out(
        design.response["y"] - (0.0 if design.offset is None else design.offset),
        design.matrix,
        term.visit.codes,
        term.subject.codes,
        n_visits=len(term.visit.labels),
        group=None if term.group is None else term.group.codes,
        n_groups=1 if term.group is None else len(term.group.labels),
        weights=design.weights,
        visit_labels=term.visit.labels,
        subject_labels=term.subject.labels,
    )
    fit = fit_marginal(panel, structures, reml=reml)
    warnings = []
    if not reml and df != "satterthwaite":
        df = "satterthwaite"
        warnings.append("Kenward-Roger needs the restricted likelihood: Satterthwaite's method was used")
    used = fit.likelihood.structure.name
    if used != term.structure:
        warnings.append(f"{term.structure} could not be fitted; {used} was used")
    if used in _ORDERED:
        warnings += _order_warning(term.visit.labels)
    return MMRM(design, Inference(fit, df), level, tuple(warnings))


def _order_warning(visits: Sequence[str]) -> list[str]:
    """Texts sort week 16 before week 8; where neighbors matter, that is hardly meant."""
    natural = sorted(visits, key=lambda v: [(int(n) if n else 0, t) for n, t in _PARTS.findall(v)])
    if list(visits) != sorted(visits) or list(visits) == natural:
        return []
    return [f"visits stand in the order {', '.join(visits)}; an Enum or Categorical column can say another"]


def _require_choice(where: str, found: str, choices: Sequence[str]) -> None:
    if found not in choices:
        raise StatsError(
            "there is no such choice", where=where, found=repr(found), expected=", ".join(choices)
        )


def _require_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise StatsError(
            "a confidence level lies between 0 and 1", where="level", found=repr(level), try_="0.95"
        )


def _require_plain(design: Design) -> None:
    """Refuse what a marginal normal model cannot have."""
    if design.response_kind != "numeric":
        raise StatsError(
            "the response must be a number",
            where="formula",
            found=f"a response of kind {design.response_kind}",
            try_="logistic_mixed for a response of 0 and 1",
        )
    foreign = [str(s) for s in design.formula.specials if s.kind not in ("covariance", "offset")]
    if foreign:
        raise StatsError(
            "the formula has a term that this model does not know",
            where="formula",
            found=", ".join(foreign),
            expected="one covariance structure and ordinary terms",
            try_="cs(visit | subject) has the correlation of a random intercept",
        )


@dataclass(frozen=True, eq=False, repr=False)
class MMRM:
    """A fitted mixed model for repeated measures.

    Attributes
    ----------
    design : Design
        Matrix, columns, factors, and which rows were left out.
    inference : Inference
        The fit and the method of its degrees of freedom.
    level : float
        Of confidence limits.
    warnings : tuple of str
        What a reader of the numbers must know.
    """

    design: Design
    inference: Inference
    level: float
    warnings: tuple[str, ...] = field(default=())

    @property
    def fit(self) -> MarginalFit:
        return self.inference.fit

    @property
    def structure(self) -> str:
        """The covariance structure that was used, as formulas write it."""
        return self.fit.likelihood.structure.name

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every attempt at a structure, the successful one last."""
        return self.fit.trials

    @property
    def df_method(self) -> DfMethod:
        return self.inference.df_method

    @property
    def reml(self) -> bool:
        return self.fit.likelihood.reml

    @property
    def n_subjects(self) -> int:
        return self.fit.likelihood.panel.n_subjects

    @property
    def n_observations(self) -> int:
        return self.fit.likelihood.panel.n_observations

    @property
    def visits(self) -> tuple[str, ...]:
        return self._term.visit.labels

    @property
    def log_likelihood(self) -> float:
        """The maximum of the (restricted) log-likelihood."""
        return -self.fit.deviance / 2.0

    @property
    def aic(self) -> float:
        """Deviance plus twice the number of covariance parameters, as R's mmrm."""
        return self.fit.deviance + 2.0 * self.fit.likelihood.n_parameters

    @property
    def bic(self) -> float:
        """Deviance plus log(subjects) times the number of covariance parameters, as R's mmrm."""
        return self.fit.deviance + float(np.log(self.n_subjects)) * self.fit.likelihood.n_parameters

    @cached_property
    def coefficients(self) -> dict[str, float]:
        """Estimates by the names of the columns."""
        return dict(zip(self.design.columns, self.fit.beta.tolist()))

    @property
    def covariance(self) -> Floats:
        """Covariance of the coefficients, (q, q), adjusted where the method asks for it."""
        return self.inference.covariance

    @property
    def visit_covariances(self) -> dict[str, Floats]:
        """The covariance matrix of the visits, (m, m), of each group; under `""` if there are none."""
        labels = ("",) if self._term.group is None else self._term.group.labels
        return dict(zip(labels, self.fit.state.sigma))

    @property
    def _term(self) -> Any:
        return self.design.covariance

    @property
    def conventions(self) -> dict[str, str]:
        """How the numbers were made, each convention by its name."""
        structure = self.fit.likelihood.structure
        found = {
            "covariance": f"{structure.label} ({structure.name}) of {len(self.visits)} visits"
            + (f", one for each {self._term.group.name}" if self._term.group is not None else ""),
            "likelihood": "restricted (REML)" if self.reml else "full (ML)",
            "degrees of freedom": _DF_WORDS[self.df_method],
            "covariance of covariance parameters": "inverse observed information",
        }
        if len(self.trials) > 1:
            found["tried before"] = "; ".join(map(str, self.trials[:-1]))
        dropped = self.design.dropped_note()
        return found | ({"rows": dropped} if dropped else {})

    def tidy(self) -> pl.DataFrame:
        """One row a coefficient: term, estimate, std_error, statistic, df, p_value, conf_low, conf_high."""
        import polars as pl

        estimates = self.inference.estimates(np.eye(len(self.design.columns)))
        return pl.DataFrame({"term": list(self.design.columns), **tidy_columns(*estimates, self.level)})

    def glance(self) -> pl.DataFrame:
        """One row with the fit's figures."""
        import polars as pl

        return pl.DataFrame(
            {
                "n_subjects": [self.n_subjects],
                "n_observations": [self.n_observations],
                "n_left_out": [self.design.n_dropped],
                "n_visits": [len(self.visits)],
                "structure": [self.structure],
                "n_covariance_parameters": [self.fit.likelihood.n_parameters],
                "reml": [self.reml],
                "df_method": [self.df_method],
                "log_likelihood": [self.log_likelihood],
                "deviance": [self.fit.deviance],
                "aic": [self.aic],
                "bic": [self.bic],
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
        """Least-squares means at the levels of some factors: `fit.ls_means(("arm", "visit"))`.

        Parameters
        ----------
        by : str or sequence of str
            Factors of the model, the columns of the means.
        at : mapping, optional
            Values for covariates (else their means over the rows used) or a level for a factor.
        weights : {"equal", "proportional"}
            Of the levels of factors averaged over.
        """
        return means_of(
            self.design,
            self.inference.estimates,
            by,
            at=at,
            weights=weights,
            level=self.level if level is None else level,
        )

    def contrasts(
        self,
        of: str,
        by: str | Sequence[str] = (),
        *,
        reference: str | None = None,
        method: Literal["reference", "pairwise", "consecutive"] = "reference",
        at: Mapping[str, float | str] | None = None,
        weights: Literal["equal", "proportional"] = "equal",
        level: float | None = None,
    ) -> Means:
        """Differences of least-squares means: `fit.contrasts("arm", by="visit", reference="AZA")`."""
        by = (by,) if isinstance(by, str) else tuple(by)
        means = self.ls_means((of, *by), at=at, weights=weights, level=level)
        return means.contrasts(of, method=method, reference=reference)

    def combine(self, rows: Any, names: Sequence[str] | None = None) -> Means:
        """Any combinations of the coefficients, (c, q), with their tests."""
        matrix = np.atleast_2d(np.asarray(rows, dtype=float))
        if matrix.shape[1] != len(self.design.columns):
            raise StatsError(
                "a combination needs one number a coefficient",
                where="rows",
                found=f"{matrix.shape[1]} numbers",
                expected=f"{len(self.design.columns)}: {', '.join(self.design.columns)}",
            )
        labels = tuple((name,) for name in names or [str(i + 1) for i in range(len(matrix))])
        return Means(("combination",), labels, matrix, self.inference.estimates, self.level, "Combinations")

    def f_test(self, rows: Any) -> FTest:
        """Whether several combinations of the coefficients, (c, q), are zero together."""
        return self.inference.f_test(np.atleast_2d(np.asarray(rows, dtype=float)))

    def term_tests(self) -> pl.DataFrame:
        """An F test of each term: term, num_df, den_df, statistic, p_value.

        With interactions in the model, the test of a main effect is about the reference levels of the
        factors it interacts with.
        """
        import polars as pl

        eye = np.eye(len(self.design.columns))
        rows = []
        for term in self.design.terms:
            if term.label != "(Intercept)":
                test = self.f_test(eye[term.start : term.stop])
                rows.append((term.label, test.num_df, test.den_df, test.statistic, test.p_value))
        names = {"term": pl.String, "num_df": pl.Int64, "den_df": pl.Float64}
        names |= {"statistic": pl.Float64, "p_value": pl.Float64}
        return pl.DataFrame(rows, schema=cast("Any", names), orient="row")

    def __repr__(self) -> str:
        frame = self.tidy()
        columns: list[tuple[str, Sequence[str], bool]] = [("", frame["term"].to_list(), False)]
        for name in ("estimate", "std_error", "df", "statistic"):
            columns.append((name, format_significant(frame[name].to_list()), True))
        columns.append(("p", [format_p(p) for p in frame["p_value"]], True))
        head = (
            f"Mixed model for repeated measures: {self.n_observations} observations of "
            f"{self.n_subjects} subjects at {len(self.visits)} visits"
        )
        figures = f"log-likelihood {self.log_likelihood:.4f}, AIC {self.aic:.2f}, BIC {self.bic:.2f}"
        notes = [f"{name}: {text}" for name, text in self.conventions.items()]
        notes += [f"warning: {text}" for text in self.warnings]
        return "\n".join([head, str(self.design.formula), "", *format_frame(columns), "", figures, *notes])
