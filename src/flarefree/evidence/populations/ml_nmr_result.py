"""A multilevel network meta-regression as a frozen result: coefficients, and effects in any population."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence.bayes.convergence import Diagnostics, diagnose
from flarefree.evidence.bayes.priors import Priors
from flarefree.evidence.bayes.sampling import Draws
from flarefree.evidence.populations.between import read_population_factor
from flarefree.evidence.populations.comparing import Overlap, measure_overlap
from flarefree.evidence.populations.integration import integration_points
from flarefree.evidence.populations.ml_nmr_data import Baseline, MixedData, as_population
from flarefree.evidence.populations.population import Population
from flarefree.evidence.populations.terms import columns_for, shared_terms

if TYPE_CHECKING:
    import polars as pl

    from flarefree.results import Figure

__all__ = ["MultilevelNetwork"]

Floats = NDArray[np.float64]
MARGINAL_POINTS = 256


@dataclass(frozen=True, eq=False, repr=False)
class MultilevelNetwork:
    """The posterior of individuals and published arms together.

    Attributes
    ----------
    treatments : tuple of str
        The reference first.
    model : "common" or "random"
    interactions : "common" or "independent"
    baseline : Baseline or None
        Of hazards; None for a 0/1 outcome, whose effects are log odds ratios.
    priors : Priors
    level : float
    n_points : int
    draws : Draws
        `beta` (chains, draws, coefficients), in the sampler's scale of covariates; `tau`, `time`.
    """

    treatments: tuple[str, ...]
    model: Literal["common", "random"]
    interactions: str
    baseline: Baseline | None
    priors: Priors
    level: float
    n_points: int
    draws: Draws = field(repr=False)
    data: MixedData = field(repr=False)

    @property
    def measure(self) -> str:
        """OR or HR."""
        return "OR" if self.baseline is None else "HR"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What no source said."""
        told = [a for p in self.data.populations.values() for a in p.assumptions if "correlation" not in a]
        if self.interactions == "common":
            told.append(f"covariates move all effects against {self.treatments[0]} alike")
        return (*self.data.assumptions, *told)

    @cached_property
    def diagnostics(self) -> Diagnostics:
        """R-hat, effective sample sizes, divergences."""
        beta = self.draws.sites["beta"]
        named = {name: beta[:, :, k] for k, name in enumerate(self.data.coefficients.names)}
        if "tau" in self.draws.sites:
            named["tau"] = self.draws.sites["tau"]
        others = {}
        if "time" in self.draws.sites:
            time = self.draws.sites["time"]
            others["hazard in time"] = time.reshape(*time.shape[:2], -1)
        return diagnose(named, self.draws.n_divergent, self.draws.n_deepest, others)

    @property
    def converged(self) -> bool:
        """Whether nothing speaks against using the results."""
        return self.diagnostics.converged

    @cached_property
    def integration_error(self) -> float:
        """What twice the points would change of any published arm's mean risk or hazard, at most, relatively.

        At the posterior mean; more than 0.005 asks for more points.
        """
        beta = self.draws.flat("beta").mean(axis=0)
        names, worst = self.data.coefficients, 0.0
        for a, s in enumerate(self.data.published_study):
            study = names.studies[s]
            population = self.data.populations[study]
            if population.columns is not None:
                continue
            rows = self.data.point_rows[a]
            finer = integration_points(
                population, 2 * self.n_points, covariates=self._covariates, seed=self.draws.settings.seed
            )
            x = self.data.scaled(finer, study)
            treated = rows[0, names.part("treatment")]
            treatment = 0 if not treated.any() else int(np.argmax(treated)) + 1
            at = names.rows(np.full(len(x), s), np.full(len(x), treatment), x)
            coarse, fine = (self._mean_of(r @ beta) for r in (rows, at))
            worst = max(worst, abs(coarse / fine - 1))
        return worst

    @property
    def _covariates(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(t.covariate for t in self.data.terms))

    def _mean_of(self, eta: Floats) -> float:
        return float(np.mean(np.exp(eta) if self.baseline is not None else 1 / (1 + np.exp(-eta))))

    # Effects -----------------------------------------------------------------------------------------

    def effect_draws(self, target: Any) -> Floats:
        """(n_draws, n_treatments): mean effect against the reference, log scale, in the target."""
        x = self._target_covariates(as_population(target, "target")).mean(axis=0)
        names, beta = self.data.coefficients, self.draws.flat("beta")
        moved = x[list(names.modifiers)]
        d, slopes = beta[:, names.part("treatment")], beta[:, names.part("interaction")]
        if self.interactions == "common":
            shift = np.repeat((slopes @ moved)[:, None], d.shape[1], axis=1)
        else:
            shift = slopes.reshape(len(beta), d.shape[1], -1) @ moved
        return np.column_stack([np.zeros(len(beta)), d + shift])

    def effects(
        self, target: Any, *, population_factor_sd: float | None = None, exponentiate: bool = False
    ) -> pl.DataFrame:
        """Conditional effects (log odds or hazard ratios), averaged over the target.

        Parameters
        ----------
        target : Population, frame of patients, mapping of margins, or the name of a study
        population_factor_sd : float, optional
            SD of the residual factor between populations (`between.py`), which widens `factor_low` and
            `factor_high`: the limits to quote where the target is none of the studies.
        exponentiate : bool
            Ratios instead of logs, of median and limits.
        """
        import polars as pl

        people = self._population(target)
        draws = self.effect_draws(people)
        factor = read_population_factor(population_factor_sd, self.measure)
        overlap = self.overlap(people)
        rng = np.random.default_rng(self.draws.settings.seed)
        change: Callable[[float], float] = math.exp if exponentiate else float
        rows = []
        for i, j in combinations(range(len(self.treatments)), 2):
            a, b = (j, i) if i == 0 else (i, j)
            values = draws[:, a] - draws[:, b]
            widened = values + rng.standard_normal(len(values)) * math.sqrt(factor.variance_of(self.measure))
            low, median, high = self._interval(values)
            factor_low, _, factor_high = self._interval(widened)
            rows.append(
                {
                    "population": people.name,
                    "treatment_1": self.treatments[a],
                    "treatment_2": self.treatments[b],
                    "mean": float(values.mean()),
                    "sd": float(values.std(ddof=1)),
                    "median": change(median),
                    "cred_low": change(low),
                    "cred_high": change(high),
                    "factor_low": change(factor_low),
                    "factor_high": change(factor_high),
                    "extrapolated": overlap.is_extrapolated,
                    "converged": self.converged,
                }
            )
        return pl.DataFrame(rows)

    def overlap(self, target: Any) -> Overlap:
        """The target among the individuals: whether anybody like it was seen with an outcome of his own."""
        people = self._population(target)
        source = self._own_population()
        terms = shared_terms(source, people, self._covariates)
        x = columns_for(terms, source.columns, where=source.name)
        return measure_overlap(x, terms, source=source.name, target=people.name)

    def tidy(self) -> pl.DataFrame:
        """`effects` in the population of the individuals and of each published study."""
        import polars as pl

        populations = (self._own_population(), *self.data.populations.values())
        return pl.concat([self.effects(p) for p in populations])

    def coefficients(self) -> pl.DataFrame:
        """A row a coefficient, by one unit of its covariate; levels and effects at individuals' means."""
        import polars as pl

        names, beta = self.data.coefficients, self.draws.flat("beta")
        scale = np.ones(len(names.names))
        scale[names.part("covariate")] = self.data.scale
        moved = self.data.scale[list(names.modifiers)]
        n_slopes = len(names.names) - names.part("interaction").start
        scale[names.part("interaction")] = np.tile(moved, n_slopes // max(len(moved), 1))
        values = beta / scale
        limits = np.array([self._interval(column) for column in values.T])
        return pl.DataFrame(
            {
                "coefficient": list(names.names),
                "mean": values.mean(axis=0),
                "sd": values.std(axis=0, ddof=1),
                "median": limits[:, 1],
                "cred_low": limits[:, 0],
                "cred_high": limits[:, 2],
                "r_hat": self.diagnostics.worth.r_hat[: len(names.names)],
                "ess_bulk": self.diagnostics.worth.ess_bulk[: len(names.names)],
            }
        )

    def marginal(self, target: Any, *, baseline: str | float, horizon: float | None = None) -> pl.DataFrame:
        """What each treatment would show in the target as a whole: risks, their differences and ratios.

        Parameters
        ----------
        target : Population, frame of patients, mapping of margins, or the name of a study
        baseline : str or float
            A study whose level the target has; or, for a 0/1 outcome, the risk under the reference.
        horizon : float
            For times: the risk until then.
        """
        from flarefree.evidence.populations.ml_nmr_marginal import marginal_frame

        return marginal_frame(self, self._population(target), baseline, horizon)

    def plot(self, kind: str = "trace") -> Figure:
        """`trace`: the chains of effects and interactions."""
        from flarefree.evidence.bayes.figures import trace_figure, warn

        if kind != "trace":
            raise EvidenceError("no such figure", where="plot: kind", found=repr(kind), expected="trace")
        names, beta = self.data.coefficients, self.draws.sites["beta"]
        first = names.part("treatment").start
        named = {name: beta[:, :, k] for k, name in enumerate(names.names) if k >= first}
        if "tau" in self.draws.sites:
            named["tau"] = self.draws.sites["tau"]
        r_hat = dict(zip(self.diagnostics.parameters, self.diagnostics.worth.r_hat.tolist()))
        figure = trace_figure(named, {p: r_hat[p] for p in named}, str(self.draws.settings))
        return warn(figure, self.diagnostics.complaints)

    def __repr__(self) -> str:
        from flarefree.evidence.populations.ml_nmr_words import describe

        return describe(self)

    # -------------------------------------------------------------------------------------------------

    def _own_population(self) -> Population:
        return Population.from_patients(dict(self.data.individuals), self._covariates, name="the individuals")

    def _population(self, target: Any) -> Population:
        """A population as asked for; a study's by its name."""
        if isinstance(target, str):
            if target in self.data.populations:
                return self.data.populations[target]
            raise NotFoundError(
                "no such published study",
                where="target",
                found=repr(target),
                expected=", ".join(self.data.populations),
            )
        return as_population(target, "target")

    def _target_covariates(self, target: Population, n: int = MARGINAL_POINTS) -> Floats:
        for covariate in self._covariates:
            if covariate not in target.margins and covariate not in (target.columns or {}):
                raise EvidenceError(
                    f"nothing is known of {covariate!r} in {target.name}",
                    where="target",
                    found=", ".join(target.margins),
                    expected=", ".join(self._covariates),
                )
        found = integration_points(target, n, covariates=self._covariates, seed=self.draws.settings.seed)
        return self.data.scaled(found, target.name)

    def _interval(self, values: Floats) -> tuple[float, float, float]:
        tail = (1 - self.level) / 2
        low, median, high = np.quantile(values, [tail, 0.5, 1 - tail])
        return float(low), float(median), float(high)
