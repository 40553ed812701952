"""The model, as NumPyro samples it.

Arms: a study's level a_i, coefficients d, and deviations e_ik of its arms,

    theta_ik = a_i + x_ik d + (tau / sqrt 2) e_ik,    e_ik standard normal,

so that differences between a study's arms have variance tau2 and covariance tau2 / 2.  Contrasts are the
same without levels, on independent rows.  The sampler moves in other coordinates (d = center + root u; a_i
and e_ik standardized by the normal distribution near their conditional posterior), which is why priors and
Jacobians are written out as factors.  Everything here needs the extra `bayes`; the equations are in
methods/bayesian-network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from flarefree.evidence.bayes.likelihoods import log_likelihood
from flarefree.evidence.bayes.priors import HalfNormal, Heterogeneity, LogNormal, Uniform

__all__ = ["Shape", "heterogeneity_site", "make_model"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the form of the model, and so what is compiled; numbers come as arguments."""

    family: str
    is_random: bool
    has_level: bool
    heterogeneity: str
    has_baseline_slope: bool


def heterogeneity_site(kind: str, numbers: Any) -> Any:
    """The site `tau` under its prior, whose two numbers are `numbers`."""
    match kind:
        case "Uniform":
            return numpyro.sample("tau", dist.Uniform(0.0, numbers[0]))
        case "HalfNormal":
            return numpyro.sample("tau", dist.HalfNormal(numbers[0]))
        case _:  # log-normal for tau2: log(tau) has half the mean and half the SD
            return numpyro.sample("tau", dist.LogNormal(numbers[0] / 2, numbers[1] / 2))


def prior_numbers(prior: Heterogeneity) -> tuple[float, float]:
    """A prior's numbers, for `heterogeneity_site`."""
    match prior:
        case Uniform(high=high):
            return high, 0.0
        case HalfNormal(sd=sd):
            return sd, 0.0
        case LogNormal(mean=mean, sd=sd):
            return mean, sd


def free(name: str, n: int) -> Any:
    """Coordinates without a prior of their own: the model writes their density out."""
    return numpyro.sample(name, dist.ImproperUniform(dist.constraints.real_vector, (), (n,)))


def make_model(shape: Shape) -> Any:
    """The model of that shape, a function of the arrays that `sampling.arguments` makes."""

    def model(z: Any) -> None:
        u = free("u", z["x"].shape[1])
        d = numpyro.deterministic("d", z["start"] + z["root"] @ u)
        numpyro.factor("prior_d", dist.Normal(z["prior_mean"], z["prior_sd"]).log_prob(d).sum())
        h = 0.0
        if shape.is_random:
            tau = heterogeneity_site(shape.heterogeneity, z["heterogeneity"])
            h = tau**2 / 2
        xd, center = z["x"] @ d, z["center"]
        slope = 0.0
        if shape.has_baseline_slope:
            slope = numpyro.sample("slope", dist.Normal(z["slope_prior"][0], z["slope_prior"][1]))
            near = slope * z["active"] * (center[z["base"]] - z["level_center"])
            center = center - near
        theta = xd
        if shape.has_level:
            theta = theta + _levels(z, center - xd, h)[z["study"]]
        if shape.is_random:
            theta = theta + _deviations(z, center - theta, h)
        if shape.has_baseline_slope:
            theta = theta + slope * z["active"] * (theta[z["base"]] - z["level_center"])
        numpyro.deterministic("theta", theta)
        numpyro.factor(
            "likelihood", log_likelihood(jnp, shape.family, theta, z["y"], z["size"], z["exposure"]).sum()
        )

    return model


def _levels(z: Any, residual: Any, h: Any) -> Any:
    """(n_studies,) levels, by their conditional mean and SD given coefficients and tau."""
    n = z["n_by_study"].shape[0]
    weight = 1 / (z["variance"] + h)
    precision = _by_study(weight, z["study"], n) + z["level_prior"][1] ** -2
    mean = (
        _by_study(weight * residual, z["study"], n) + z["level_prior"][0] * z["level_prior"][1] ** -2
    ) / precision
    level = mean + free("level_z", n) / jnp.sqrt(precision)
    density = dist.Normal(z["level_prior"][0], z["level_prior"][1]).log_prob(level)
    numpyro.factor("level", density.sum() - 0.5 * jnp.log(precision).sum())
    return level


def _deviations(z: Any, residual: Any, h: Any) -> Any:
    """(n_units,) deviations from the mean effects, by their conditional mean and SD."""
    s = jnp.sqrt(h)
    precision = 1 + h / z["variance"]
    e = (s / z["variance"]) * residual / precision + free("deviation_z", residual.shape[0]) / jnp.sqrt(
        precision
    )
    numpyro.factor("deviation", -0.5 * (e**2).sum() - 0.5 * jnp.log(precision).sum())
    return s * e


def _by_study(values: Any, study: Any, n: int) -> Any:
    return jax.ops.segment_sum(values, study, num_segments=n, indices_are_sorted=True)
