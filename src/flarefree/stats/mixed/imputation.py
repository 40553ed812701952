"""`reference_based_imputation`: missing visits under stated assumptions, analyzed and pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import ConvergenceError, StatsError
from flarefree.stats.mixed.completed import CompletedTrial, complete_trial
from flarefree.stats.mixed.fitting import MarginalFit, fit_marginal
from flarefree.stats.mixed.means import tidy_columns
from flarefree.stats.mixed.printing import format_frame, format_p, format_significant
from flarefree.stats.mixed.reference_based import STRATEGIES, Strategy, draw_missing, strategy_moments
from flarefree.stats.mixed.repeated_measures import MMRM, mmrm
from flarefree.stats.mixed.rubin import Pooled, pool

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ImputedComparison", "reference_based_imputation"]

Floats = NDArray[np.float64]
Draws = Literal["bootstrap", "normal"]


def reference_based_imputation(
    formula: str,
    data: Any,
    *,
    arm: str,
    reference: str,
    strategy: Strategy = "jump-to-reference",
    imputations: int = 100,
    seed: int,
    analysis: str | None = None,
    deviation: str | None = None,
    delta: float | Mapping[str, float] = 0.0,
    draws: Draws = "bootstrap",
    level: float = 0.95,
) -> ImputedComparison:
    """Impute missing visits under a reference-based assumption, compare arms at each visit, and pool.

    Parameters
    ----------
    formula : str
        The imputation model, as of `mmrm`: `"change ~ baseline*visit + arm*visit + us(visit | subject)"`.
    data : frame or mapping of arrays
        One row a subject and visit; missing responses are missing values or missing rows.  Columns of
        the formula other than the visit and the response must not change within a subject.
    arm, reference : str
        The column of the arm, and the arm that others may fall back to.
    strategy : {"mar", "jump-to-reference", "copy-increments", "copy-reference"}
        What rules the visits from a subject's deviation on.  The reference arm itself is always drawn as
        missing at random, and so are visits missing before the deviation.
    imputations : int
        Completed data sets.
    seed : int
        Of the random draws; the same seed gives the same numbers.
    analysis : str, optional
        Linear model of one visit, such as `"change ~ arm + baseline"`; by default the response on the
        arm and every variable of `formula` but the visit.
    deviation : str, optional
        A column with each subject's first visit after its deviation (missing if there was none).
        Responses observed from there on are set aside unless the strategy is `mar`.  By default the
        deviation is the first visit after the last one observed.
    delta : float or mapping of arm to float
        Added to imputed responses from the deviation on, of arms other than the reference (or of the
        arms named).
    draws : {"bootstrap", "normal"}
        How the imputation model's parameters vary between data sets: refitted to subjects resampled
        within arms, or drawn from the normal approximation of their joint distribution.

    Raises
    ------
    StatsError, SingularDesignError, ConvergenceError
        As of `mmrm`; or a covariate changes within a subject.

    Notes
    -----
    Pooled by Rubin's rules with Barnard and Rubin's degrees of freedom; for the reference-based
    strategies the pooled standard error is the information-anchored one, larger than the long-run
    standard deviation.  Derivation: docs/methods/reference_based_imputation.md.

    References
    ----------
    [carpenter2013], [cro2019], [barnard1999]
    """
    _require_choices(strategy, imputations, draws)
    trial = complete_trial(
        formula, data, arm=arm, reference=reference, analysis=analysis, deviation=deviation
    )
    if strategy != "mar":
        trial = trial.with_deviations_set_aside()
    fit = mmrm(formula, trial.observed_rows(), df="satterthwaite", level=level)
    trial = trial.with_model(fit)
    rng = np.random.default_rng(seed)
    completed = np.stack([_complete_once(trial, fit, strategy, draws, rng) for _ in range(imputations)])
    result = ImputedComparison(trial, fit, strategy, draws, seed, level, completed, {})
    return result.with_delta(delta)


def _require_choices(strategy: str, imputations: int, draws: str) -> None:
    if strategy not in STRATEGIES:
        raise StatsError(
            "there is no such strategy",
            where="strategy",
            found=repr(strategy),
            expected=", ".join(STRATEGIES),
        )
    if draws not in ("bootstrap", "normal"):
        raise StatsError(
            "there is no such kind of draws", where="draws", found=repr(draws), expected="bootstrap, normal"
        )
    if imputations < 2:
        raise StatsError(
            "pooling needs two imputations or more", where="imputations", found=str(imputations), try_="100"
        )


def _complete_once(
    trial: CompletedTrial, fit: MMRM, strategy: Strategy, draws: Draws, rng: np.random.Generator
) -> Floats:
    """The responses (n_subjects, m) with every missing one drawn."""
    beta, sigma = _draw_parameters(trial, fit.fit, draws, rng)
    own, reference = trial.X_own @ beta, trial.X_reference @ beta
    y = trial.y.copy()
    for i in np.flatnonzero(np.isnan(y).any(axis=1)):
        mean, covariance = strategy_moments(
            strategy,
            own[i],
            reference[i],
            sigma[trial.group_own[i]],
            sigma[trial.group_reference[i]],
            int(trial.deviation[i]),
        )
        is_missing = np.isnan(y[i])
        y[i, is_missing] = draw_missing(mean, covariance, y[i], is_missing, rng)
    return y


def _draw_parameters(
    trial: CompletedTrial, fit: MarginalFit, draws: Draws, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Coefficients and covariance matrices as they might also have come out."""
    likelihood = fit.likelihood
    for _ in range(50):
        if draws == "normal":
            theta = rng.multivariate_normal(fit.state.theta, fit.W, method="cholesky")
            state = likelihood.at(theta)
            if state is None:
                continue
            beta = rng.multivariate_normal(state.beta, state.phi, method="cholesky")
            return beta / fit.scale, state.sigma
        chosen = _resampled(trial.panel_arm, rng)
        try:
            refit = fit_marginal(
                likelihood.panel.take(chosen),
                [likelihood.structure.name],
                reml=likelihood.reml,
                start=fit.state.theta,
            )
        except ConvergenceError:
            continue
        return refit.beta / fit.scale, refit.state.sigma
    raise ConvergenceError(
        "the imputation model could not be drawn from",
        where="reference_based_imputation",
        found=f"50 draws in a row failed ({draws})",
        try_="draws='normal', or a simpler covariance structure",
    )


def _resampled(arm: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """As many subjects of each arm as there are, drawn with replacement."""
    parts = [np.flatnonzero(arm == a) for a in np.unique(arm)]
    return np.concatenate([part[rng.integers(0, len(part), len(part))] for part in parts])


@dataclass(frozen=True, eq=False, repr=False)
class ImputedComparison:
    """Arms compared at each visit of completed data sets, pooled.

    Attributes
    ----------
    trial : CompletedTrial
        Subjects by visits: what was observed, deviations, designs.
    fit : MMRM
        The imputation model, fitted once to what was observed.
    strategy : str
    completed : (n_imputations, n_subjects, m) float
        The completed responses, before any delta.
    delta : mapping of arm to float
    """

    trial: CompletedTrial
    fit: MMRM
    strategy: Strategy
    draws: Draws
    seed: int
    level: float
    completed: Floats
    delta: Mapping[str, float]

    def with_delta(self, delta: float | Mapping[str, float]) -> ImputedComparison:
        """The same draws with another number added to imputed responses after the deviation."""
        if not isinstance(delta, Mapping):
            others = [name for name in self.trial.arms if name != self.trial.reference]
            delta = {name: float(delta) for name in others}
        unknown = [name for name in delta if name not in self.trial.arms]
        if unknown:
            raise StatsError(
                "there is no such arm", where="delta", found=unknown[0], expected=", ".join(self.trial.arms)
            )
        return replace(self, delta={name: float(value) for name, value in delta.items()})

    def _pooled(self, visit: int) -> Pooled:
        """Differences from the reference at one visit, pooled."""
        X, contrasts = self.trial.X_analysis, self.trial.contrasts
        shift = np.array([self.delta.get(name, 0.0) for name in self.trial.arms])[self.trial.arm]
        ruled = np.isnan(self.trial.y[:, visit]) & (visit >= self.trial.deviation)
        y = self.completed[:, :, visit] + np.where(ruled, shift, 0.0)
        inverse = np.linalg.inv(X.T @ X)
        beta = y @ X @ inverse
        residual = y - beta @ X.T
        df = len(X) - X.shape[1]
        variance = (residual**2).sum(axis=1) / df
        spread = np.einsum("cq,qr,cr->c", contrasts, inverse, contrasts)
        return pool(beta @ contrasts.T, variance[:, None] * spread, complete_df=float(df))

    @property
    def conventions(self) -> dict[str, str]:
        """How the numbers were made, each convention by its name."""
        trial = self.trial
        shifted = ", ".join(f"{name} {value:+g}" for name, value in self.delta.items() if value)
        found = {
            "imputation": f"{self.strategy}, reference {trial.reference}, "
            f"{len(self.completed)} data sets, seed {self.seed}",
            "imputation model": f"{self.fit.design.formula}",
            "parameters": "refitted to subjects resampled within arms"
            if self.draws == "bootstrap"
            else "normal approximation around the fit",
            "analysis of each visit": trial.analysis,
            "pooling": "Rubin's rules, Barnard-Rubin degrees of freedom",
            "missing": f"{int(np.isnan(trial.y).sum())} of {trial.y.size} responses",
        }
        if trial.n_set_aside:
            found["set aside"] = f"{trial.n_set_aside} responses observed after a deviation"
        return found | ({"delta": shifted} if shifted else {})

    def tidy(self) -> pl.DataFrame:
        """One row a visit and comparison: visit, term, estimate, std_error, statistic, df, p_value, limits.

        `missing_information` is the share of information that the missing responses would have added.
        """
        import polars as pl

        frames = []
        names = [
            f"{name} - {self.trial.reference}" for name in self.trial.arms if name != self.trial.reference
        ]
        for place, visit in enumerate(self.trial.visits):
            pooled = self._pooled(place)
            columns = tidy_columns(pooled.estimate, pooled.std_error, pooled.df, self.level)
            frames.append(
                pl.DataFrame(
                    {
                        "term": names,
                        "visit": [visit] * len(names),
                        **columns,
                        "missing_information": pooled.missing_information,
                    }
                )
            )
        return pl.concat(frames)

    def glance(self) -> pl.DataFrame:
        """One row with the analysis's figures."""
        import polars as pl

        return pl.DataFrame(
            {
                "strategy": [self.strategy],
                "reference": [self.trial.reference],
                "n_imputations": [len(self.completed)],
                "n_subjects": [len(self.trial.y)],
                "n_missing": [int(np.isnan(self.trial.y).sum())],
                "n_set_aside": [self.trial.n_set_aside],
                "draws": [self.draws],
                "seed": [self.seed],
            }
        )

    def tipping_point(
        self,
        deltas: Sequence[float],
        *,
        arm: str | None = None,
        visit: str | None = None,
        alpha: float = 0.05,
    ) -> pl.DataFrame:
        """How the comparison changes as a delta is added to an arm's imputed responses.

        Parameters
        ----------
        deltas : sequence of float
            The numbers to add, the draws staying the same.
        arm : str, optional
            By default the first arm that is not the reference.
        visit : str, optional
            By default the last.
        alpha : float
            `is_tipped` says whether p is no longer below it.

        Returns
        -------
        frame
            delta, estimate, std_error, statistic, df, p_value, conf_low, conf_high, is_tipped.
        """
        import polars as pl

        rows = [{"delta": float(delta), **self._compared(arm, visit, float(delta))} for delta in deltas]
        return pl.DataFrame([{**row, "is_tipped": row["p_value"] >= alpha} for row in rows])

    def tipping_delta(
        self, towards: float, *, arm: str | None = None, visit: str | None = None, alpha: float = 0.05
    ) -> float | None:
        """The delta nearest to zero, between zero and `towards`, at which p reaches `alpha`.

        None if it does not; zero if the comparison is not significant as it stands.  p is followed in
        200 steps, so a rise and fall within one step may be missed.
        """
        from scipy.optimize import brentq

        def above(delta: float) -> float:
            return self._compared(arm, visit, delta)["p_value"] - alpha

        path = np.linspace(0.0, towards, 201)
        if above(0.0) >= 0.0:
            return 0.0
        for before, after in pairwise(path):
            if above(float(after)) >= 0.0:
                return float(brentq(above, before, after, xtol=1e-10))
        return None

    def _compared(self, arm: str | None, visit: str | None, delta: float) -> dict[str, float]:
        """One comparison with one delta, the draws staying the same."""
        others = [name for name in self.trial.arms if name != self.trial.reference]
        chosen = others[0] if arm is None else arm
        at = self.trial.visits[-1] if visit is None else visit
        if chosen not in others or at not in self.trial.visits:
            raise StatsError(
                "there is no such comparison",
                where="tipping_point",
                found=f"arm {chosen!r}, visit {at!r}",
                expected=f"an arm of {', '.join(others)}; a visit of {', '.join(self.trial.visits)}",
            )
        pooled = self.with_delta({**self.delta, chosen: delta})._pooled(self.trial.visits.index(at))
        columns = tidy_columns(pooled.estimate, pooled.std_error, pooled.df, self.level)
        return {name: float(values[others.index(chosen)]) for name, values in columns.items()}

    def __repr__(self) -> str:
        frame = self.tidy()
        columns: list[tuple[str, Sequence[str], bool]] = [
            ("", frame["term"].to_list(), False),
            ("visit", frame["visit"].to_list(), False),
        ]
        for name in ("estimate", "std_error", "df"):
            columns.append((name, format_significant(frame[name].to_list()), True))
        columns.append(("p", [format_p(p) for p in frame["p_value"]], True))
        head = f"Comparison after reference-based imputation of {len(self.trial.y)} subjects"
        notes = [f"{name}: {text}" for name, text in self.conventions.items()]
        return "\n".join([head, "", *format_frame(columns), "", *notes])
