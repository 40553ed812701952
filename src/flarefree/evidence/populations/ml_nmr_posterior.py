"""The likelihood of multilevel network meta-regression, as NumPyro samples it [phillippo2020b].

Individuals have their own terms; a published arm has the likelihood of its study's points together: the mean
risk for counts, and for each reconstructed patient the mean over points of the density of what was seen.
Everything here needs the extra `bayes`; equations: methods/bayesian-network, section 7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import logsumexp

from flarefree.evidence.bayes.posterior import coordinates, heterogeneity

__all__ = ["MixedModel", "MixedShape"]

SHAPE_SD = 1.0
"""Of the log of a Weibull shape, and of the log hazard of a step against the first: normal about 0."""


@dataclass(frozen=True, slots=True)
class MixedShape:
    """What decides the form of the model."""

    kind: str
    is_random: bool
    heterogeneity: str
    n_arms: int
    n_studies: int
    n_steps: int

    def sizes(self, n_coefficients: int) -> tuple[int, int, int, int]:
        """Coordinates of coefficients, tau, the arms' deviations, hazards in time."""
        a_study = {"weibull": 1, "piecewise": self.n_steps - 1}.get(self.kind, 0)
        return (
            n_coefficients,
            int(self.is_random),
            self.n_arms * self.is_random,
            self.n_studies * a_study,
        )


@dataclass(frozen=True, slots=True)
class MixedModel:
    """Makes the model of that shape; equal shapes are compiled once."""

    shape: MixedShape

    def __call__(self) -> Any:
        """The model, a function of the arrays."""
        shape = self.shape

        def model(z: Any) -> None:
            u, v, e, time_u = coordinates(*shape.sizes(z["start"].shape[0]))
            beta = numpyro.deterministic("beta", z["start"] + z["root"] @ u)
            numpyro.factor("prior", dist.Normal(z["prior_mean"], z["prior_sd"]).log_prob(beta).sum())
            deviation = jnp.zeros(shape.n_arms)
            if shape.is_random:
                tau = heterogeneity(shape.heterogeneity, z["heterogeneity"], v[0])
                numpyro.factor("prior_e", -0.5 * (e**2).sum())
                deviation = tau / math.sqrt(2) * e
            own = z["rows"] @ beta + deviation[z["arm"]]
            theirs = z["point_rows"] @ beta + deviation[z["published_arm"]][:, None]
            if shape.kind == "binomial":
                numpyro.factor("individuals", _bernoulli(own, z["outcome"]))
                numpyro.factor("published", _mean_binomial(theirs, z["y"], z["size"]))
                return
            level = _time_parameters(shape, time_u)
            own_base = _base(shape, level, z["study"], z["time"], z["exposures"], z["step"])
            numpyro.factor("individuals", _survival(own, z["outcome"], *own_base))
            base = _base(
                shape, level, z["p_study"], z["published_time"], z["published_exposures"], z["published_step"]
            )
            numpyro.factor("published", _mean_survival(theirs[z["of"]], z["y"], *base))

        return model


def _bernoulli(eta: Any, y: Any) -> Any:
    return (y * eta - jnp.logaddexp(0.0, eta)).sum()


def _mean_binomial(eta: Any, y: Any, size: Any) -> Any:
    """Of arms: events among size, with the mean risk of the points; by logs, so that nothing underflows."""
    n = math.log(eta.shape[1])
    risk = logsumexp(jax.nn.log_sigmoid(eta), axis=1) - n
    rest = logsumexp(jax.nn.log_sigmoid(-eta), axis=1) - n
    return (y * risk + (size - y) * rest).sum()


def _time_parameters(shape: MixedShape, u: Any) -> Any:
    """(n_studies, k): logs of Weibull shapes, or of each step's hazard against the first."""
    level = u.reshape(shape.n_studies, -1)
    if level.shape[1] == 0:
        return level
    numpyro.factor("prior_time", -0.5 * ((level / SHAPE_SD) ** 2).sum())
    return numpyro.deterministic("time", level)


def _base(shape: MixedShape, level: Any, study: Any, time: Any, exposures: Any, step: Any) -> tuple[Any, Any]:
    """Log baseline hazard at each time, and baseline hazard summed until then."""
    match shape.kind:
        case "exponential":
            return jnp.zeros_like(time), time
        case "weibull":
            log_shape = level[study, 0]
            return log_shape + jnp.expm1(log_shape) * jnp.log(time), time ** jnp.exp(log_shape)
        case _:
            steps = jnp.concatenate([jnp.zeros((shape.n_studies, 1)), level], axis=1)[study]
            at = jnp.take_along_axis(steps, step[:, None], axis=1)[:, 0]
            return at, (exposures * jnp.exp(steps)).sum(axis=1)


def _survival(eta: Any, event: Any, log_hazard: Any, cumulative: Any) -> Any:
    return (event * (eta + log_hazard) - cumulative * jnp.exp(eta)).sum()


def _mean_survival(eta: Any, event: Any, log_hazard: Any, cumulative: Any) -> Any:
    """Of reconstructed patients (rows) over their study's points (columns)."""
    seen = event[:, None] * (eta + log_hazard[:, None]) - cumulative[:, None] * jnp.exp(eta)
    return (logsumexp(seen, axis=1) - math.log(eta.shape[1])).sum()
