"""A Bayesian network as a frozen result: posterior draws, and what can be asked of them.

Whatever is printed or tabulated carries whether the chains converged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.bayes.convergence import Diagnostics, diagnose
from flarefree.evidence.bayes.data import NetworkData
from flarefree.evidence.bayes.designs import Design
from flarefree.evidence.bayes.fit import ModelFit, measure_fit
from flarefree.evidence.bayes.leave_out import LeaveOneOut, leave_studies_out
from flarefree.evidence.bayes.likelihoods import inverse_link
from flarefree.evidence.bayes.priors import Priors
from flarefree.evidence.bayes.sampling import Draws
from flarefree.evidence.bayes.splitting import NodeSplit
from flarefree.evidence.networks.ranking import Ranking, SmallValues
from flarefree.evidence.networks.studies import RATIOS

if TYPE_CHECKING:
    import polars as pl

    from flarefree.results import Figure

__all__ = ["BayesianNetwork"]

Floats = NDArray[np.float64]
PlotKind = Literal["network", "forest", "rankogram", "trace", "leverage"]


@dataclass(frozen=True, eq=False, repr=False)
class BayesianNetwork:
    """The posterior of a network of studies.

    Attributes
    ----------
    treatments : tuple of str
        The reference first.
    measure : str
        OR, HR, IRR, MD, ...: what effects are (logs of, for ratios).
    likelihood, link : str
    model : "random" or "common"
    effects : "consistent" or "unrelated mean effects"
    priors : Priors
    small_values : "good" or "bad"
    level : float
        Of credible intervals.
    draws : Draws
        `d` (chains, draws, coefficients), `tau` (chains, draws), `theta` (chains, draws, units).
    node_splits : tuple of NodeSplit
    covariate, covariate_at : str, float
        What the effects are adjusted for, and the value that they stand for; empty and NaN without.
    notes : tuple of str
        Studies left out; what only the prior tells.
    """

    treatments: tuple[str, ...]
    measure: str
    likelihood: str
    link: str
    model: Literal["random", "common"]
    effects: Literal["consistent", "unrelated mean effects"]
    priors: Priors
    small_values: SmallValues
    level: float
    draws: Draws = field(repr=False)
    data: NetworkData = field(repr=False)
    design: Design = field(repr=False)
    node_splits: tuple[NodeSplit, ...] = ()
    covariate: str = ""
    covariate_at: float = float("nan")
    notes: tuple[str, ...] = ()

    # What was sampled --------------------------------------------------------------------------------

    @property
    def reference(self) -> str:
        """What others are compared with."""
        return self.treatments[0]

    @property
    def n_studies(self) -> int:
        """Studies that enter."""
        return len(self.data.studies)

    @property
    def is_ratio(self) -> bool:
        """Whether effects are logs of ratios."""
        return self.measure in RATIOS

    @property
    def coefficients(self) -> Floats:
        """(n_draws, n_treatments): effects against the reference, whose column is 0.

        Raises
        ------
        EvidenceError
            Unrelated mean effects have none for treatments that no study compares with the reference.
        """
        self._require_consistent("coefficients")
        d = self.draws.flat("d")[:, : len(self.treatments) - 1]
        return np.column_stack([np.zeros(len(d)), d])

    @property
    def tau(self) -> Floats:
        """(n_draws,) between-study SD; zeros for common effects."""
        if "tau" not in self.draws.sites:
            return np.zeros(self.draws.settings.chains * self.draws.settings.draws)
        return self.draws.flat("tau")

    def effect(self, treatment_1: str, treatment_2: str) -> Floats:
        """(n_draws,) effect of the first relative to the second; log scale for ratios."""
        from flarefree.evidence.networks.connection import place_of

        i, j = (
            place_of(name, self.treatments, argument, "effect")
            for name, argument in ((treatment_1, "treatment_1"), (treatment_2, "treatment_2"))
        )
        if self.effects != "consistent":
            for k, pair in enumerate(self.design.pairs):
                if pair in ((i, j), (j, i)):
                    return self.draws.flat("d")[:, k] * (1.0 if pair == (i, j) else -1.0)
            raise EvidenceError(
                "no study compares these two with one of them as its base",
                where="effect",
                found=f"{treatment_1} v {treatment_2}, unrelated mean effects",
                expected=", ".join(
                    f"{self.treatments[a]} v {self.treatments[b]}" for a, b in self.design.pairs
                ),
            )
        d = self.coefficients
        return d[:, i] - d[:, j]

    def _require_consistent(self, asked: str) -> None:
        if self.effects != "consistent":
            raise EvidenceError(
                f"{asked}: unrelated mean effects do not tell every comparison",
                where="bayesian_network: effects",
                found=repr(self.effects),
                try_="effects='consistent'",
            )

    # How it went -------------------------------------------------------------------------------------

    @cached_property
    def diagnostics(self) -> Diagnostics:
        """R-hat, effective sample sizes, divergences; `complaints` says why results are not to be used."""
        d = self.draws.sites["d"]
        named = {label: d[:, :, k] for k, label in enumerate(self._labels())}
        if "tau" in self.draws.sites:
            named["tau"] = self.draws.sites["tau"]
        if "slope" in self.draws.sites:
            named["slope: baseline"] = self.draws.sites["slope"]
        return diagnose(
            named,
            self.draws.n_divergent,
            self.draws.n_deepest,
            {"linear predictors": self.draws.sites["theta"]},
        )

    @property
    def converged(self) -> bool:
        """Whether nothing speaks against using the results, node splits among them."""
        return self.diagnostics.converged and all(s.diagnostics.converged for s in self.node_splits)

    def _labels(self) -> list[str]:
        pairs = [f"{self.treatments[a]} v {self.treatments[b]}" for a, b in self.design.pairs]
        return [*pairs, *(f"slope: {label}" for label in self.design.slope_labels)]

    # How it fits -------------------------------------------------------------------------------------

    @cached_property
    def fit(self) -> ModelFit:
        """Residual deviance, pD and DIC, with each arm's part."""
        return measure_fit(self.data, self.draws.flat("theta"))

    @property
    def dic(self) -> float:
        """Deviance information criterion."""
        return self.fit.dic

    def loo(self) -> LeaveOneOut:
        """Each study predicted from the others, and whether that can be told from one posterior.

        Raises
        ------
        EvidenceError
            With a regression on the baseline, which is a study's own.
        """
        if "slope" in self.draws.sites:
            raise EvidenceError(
                "a new study has no baseline to regress on",
                where="loo",
                found="covariate='baseline'",
                try_="fit, for this model",
            )
        bulk = self.diagnostics.worth.ess_bulk
        efficiency = float(np.nanmin(bulk)) / self.diagnostics.n_draws
        tau = self.tau if self.model == "random" else None
        return leave_studies_out(
            self.data,
            self.design.of_units(self.data),
            self.draws.flat("d"),
            tau,
            self.priors.baseline,
            efficiency,
        )

    # Ranking -----------------------------------------------------------------------------------------

    def ranks(self) -> Ranking:
        """SUCRA, rank probabilities and credible ranks, from the posterior draws."""
        from flarefree.evidence.bayes.tables import rank_draws

        self._require_consistent("ranks")
        return rank_draws(self)

    def ranking(self) -> pl.DataFrame:
        """A row a treatment, best first: SUCRA, mean and median rank, probability of each rank."""
        from flarefree.evidence.bayes.tables import ranking_frame

        return ranking_frame(self)

    # Tables and figures ------------------------------------------------------------------------------

    def tidy(self, *, exponentiate: bool = False) -> pl.DataFrame:
        """A row a pair of treatments: posterior mean, SD, median, limits, prediction, convergence.

        `exponentiate` gives ratios instead of their logs, of median and limits; mean and SD stay.
        """
        from flarefree.evidence.bayes.tables import effects_frame

        return effects_frame(self, exponentiate)

    def slopes(self) -> pl.DataFrame:
        """A row a slope of the covariate: posterior mean, SD, median, limits."""
        from flarefree.evidence.bayes.tables import slopes_frame

        return slopes_frame(self)

    def league(self, *, order: Sequence[str] | None = None, digits: int = 2) -> pl.DataFrame:
        """Medians and credible limits as text, best first; column against row below the diagonal."""
        from flarefree.evidence.bayes.tables import league_frame

        self._require_consistent("league")
        return league_frame(self, order, digits)

    def node_split(self) -> pl.DataFrame:
        """A row a comparison split: direct, indirect, their difference, Bayesian P, tau, DIC."""
        from flarefree.evidence.bayes.tables import split_frame

        return split_frame(self)

    def absolute(
        self, mean: float, sd: float = 0.0, *, follow_up: float = 1.0, seed: int = 1
    ) -> pl.DataFrame:
        """Risk, rate or mean under each treatment, where the reference's is known.

        Parameters
        ----------
        mean, sd : float
            Of the reference's level on the scale of the linear predictor (log odds, log hazard, log rate,
            mean): a normal distribution [dias2011, section 5].
        follow_up : float
            For a complementary log-log link, in the unit of the data.
        seed : int
            Of that distribution's draws.
        """
        from flarefree.evidence.bayes.tables import absolute_frame

        if not self.data.is_arms:
            raise EvidenceError(
                "contrasts know no levels", where="absolute", found=f"measure {self.measure}, contrast rows"
            )
        d = self.coefficients
        level = mean + sd * np.random.default_rng(seed).standard_normal(len(d))
        return absolute_frame(self, inverse_link(self.data.family, level[:, None] + d, follow_up))

    def plot(self, kind: PlotKind = "forest", **options: Any) -> Figure:
        """A figure's data; it shows itself in notebooks and saves itself with `.save(path)`."""
        from flarefree.evidence.bayes.figures import figure_of

        return figure_of(self, kind, **options)

    def __repr__(self) -> str:
        from flarefree.evidence.bayes.words import describe

        return describe(self)
