"""The model, as NumPyro samples it.

Arms: a study's level a_i, coefficients d, and deviations e_ik of its arms,

    theta_ik = a_i + x_ik d + (tau / sqrt 2) e_ik,    e_ik standard normal,

so that differences between a study's arms have variance tau2 and covariance tau2 / 2.  Contrasts are the
same without levels, on independent rows.  The sampler moves in other coordinates (d = center + root u; a_i
and e_ik standardized by the normal distribution near their conditional posterior), which is why priors and
Jacobians are written out as factors.  All coordinates are one site: the sampler's own work grows with the
number of sites, and is most of the work here.  Everything here needs the extra `bayes`; the equations are in
methods/bayesian-network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from flarefree.evidence.bayes.likelihoods import log_likelihood
from flarefree.evidence.bayes.priors import HalfNormal, Heterogeneity, LogNormal, Uniform

__all__ = ["Shape", "coordinates", "heterogeneity", "make_model", "prior_numbers"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the form of the model, and so what is compiled; numbers come as arguments."""

    family: str
    is_random: bool
    has_level: bool
    heterogeneity: str
    has_baseline_slope: bool


def coordinates(*sizes: int) -> list[Any]:
    """Parts of one site without a prior of its own: the model writes their density out."""
    whole = numpyro.sample("u", dist.ImproperUniform(dist.constraints.real_vector, (), (sum(sizes),)))
    edges = [0]
    for size in sizes:
        edges.append(edges[-1] + size)
    return [whole[start:stop] for start, stop in pairwise(edges)]


def heterogeneity(kind: str, numbers: Any, v: Any) -> Any:
    """The between-study SD at the coordinate `v`, under the prior with these two numbers.

    The factor is the prior's density of tau and the logarithm of d tau / d v.
    """
    match kind:
        case "Uniform":
            tau = numbers[0] * jax.nn.sigmoid(v)
            numpyro.factor("prior_tau", jax.nn.log_sigmoid(v) + jax.nn.log_sigmoid(-v))
        case "HalfNormal":
            tau = jnp.exp(v)
            numpyro.factor("prior_tau", -0.5 * (tau / numbers[0]) ** 2 + v)
        case _:  # log(tau2) is normal: v is its standard normal
            tau = jnp.exp((numbers[0] + numbers[1] * v) / 2)
            numpyro.factor("prior_tau", -0.5 * v**2)
    return numpyro.deterministic("tau", tau)


def prior_numbers(prior: Heterogeneity) -> tuple[float, float]:
    """A prior's numbers, for `heterogeneity`."""
    match prior:
        case Uniform(high=high):
            return high, 0.0
        case HalfNormal(sd=sd):
            return sd, 0.0
        case LogNormal(mean=mean, sd=sd):
            return mean, sd


def make_model(shape: Shape) -> Any:
    """The model of that shape, a function of the arrays that `calling` makes."""

    def model(z: Any) -> None:
        n_units, n_columns = z["x"].shape
        u, v, slope_u, level_u, deviation_u = coordinates(
            n_columns,
            int(shape.is_random),
            int(shape.has_baseline_slope),
            z["member"].shape[1] if shape.has_level else 0,
            n_units if shape.is_random else 0,
        )
        d = numpyro.deterministic("d", z["start"] + z["root"] @ u)
        numpyro.factor("prior_d", _log_normal(d, z["prior_mean"], z["prior_sd"]).sum())
        h = 0.0
        if shape.is_random:
            h = heterogeneity(shape.heterogeneity, z["heterogeneity"], v[0]) ** 2 / 2
        xd, center = z["x"] @ d, z["center"]
        slope = 0.0
        if shape.has_baseline_slope:
            slope = numpyro.deterministic("slope", slope_u[0])
            numpyro.factor("prior_slope", _log_normal(slope, z["slope_prior"][0], z["slope_prior"][1]))
            near = slope * z["active"] * (z["base"] @ center - z["level_center"])
            center = center - near
        theta = xd
        if shape.has_level:
            theta = theta + z["member"] @ _levels(z, center - xd, h, level_u)
        if shape.is_random:
            theta = theta + _deviations(z, center - theta, h, deviation_u)
        if shape.has_baseline_slope:
            theta = theta + slope * z["active"] * (z["base"] @ theta - z["level_center"])
        numpyro.deterministic("theta", theta)
        numpyro.factor(
            "likelihood", log_likelihood(jnp, shape.family, theta, z["y"], z["size"], z["exposure"]).sum()
        )

    return model


def _levels(z: Any, residual: Any, h: Any, u: Any) -> Any:
    """(n_studies,) levels, by their conditional mean and SD given coefficients and tau."""
    mean, sd = z["level_prior"][0], z["level_prior"][1]
    weight = 1 / (z["variance"] + h)
    # Sums by a matrix of ones and zeros: XLA's scatter is a loop.
    precision = z["member"].T @ weight + sd**-2
    center = (z["member"].T @ (weight * residual) + mean * sd**-2) / precision
    level = center + u / jnp.sqrt(precision)
    numpyro.factor("level", _log_normal(level, mean, sd).sum() - 0.5 * jnp.log(precision).sum())
    return level


def _deviations(z: Any, residual: Any, h: Any, u: Any) -> Any:
    """(n_units,) deviations from the mean effects, by their conditional mean and SD."""
    s = jnp.sqrt(h)
    precision = 1 + h / z["variance"]
    e = (s / z["variance"]) * residual / precision + u / jnp.sqrt(precision)
    numpyro.factor("deviation", -0.5 * (e**2).sum() - 0.5 * jnp.log(precision).sum())
    return s * e


def _log_normal(x: Any, mean: Any, sd: Any) -> Any:
    """Without the constant that holds no parameter."""
    return -0.5 * ((x - mean) / sd) ** 2 - jnp.log(sd) - 0.5 * math.log(2 * math.pi)
