"""`multilevel_network`: individuals of some trials, published arms of others, one model for both (ML-NMR).

Covariates act within studies, where individuals tell how; published studies add what their arms show,
averaged over their own patients; effects are then read off in any population [phillippo2020b; phillippo2024].
What was sampled and what can be asked of it is in `ml_nmr_result.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.bayes.priors import HalfNormal, Normal, Priors
from flarefree.evidence.bayes.sampling import Draws, Settings, require_extra, run_chains
from flarefree.evidence.populations.ml_nmr_data import Baseline, Interactions, MixedData
from flarefree.evidence.populations.ml_nmr_reading import read_mixed
from flarefree.evidence.populations.ml_nmr_result import MultilevelNetwork

__all__ = ["multilevel_network"]

Floats = NDArray[np.float64]
MOST_STEPS = 50
DEFAULT_PRIORS = Priors(
    effects=Normal(0.0, 10.0),
    baseline=Normal(0.0, 10.0),
    heterogeneity=HalfNormal(2.5),
    regression=Normal(0.0, 10.0),
)


def multilevel_network(
    individuals: Any,
    aggregates: Any,
    populations: Mapping[str, Any],
    *,
    outcome: str | tuple[str, str],
    covariates: Sequence[str],
    modifiers: Sequence[str] | None = None,
    interactions: Interactions = "common",
    model: Literal["common", "random"] = "common",
    hazard: Literal["exponential", "weibull", "piecewise"] = "piecewise",
    breaks: Sequence[float] = (),
    reference: str | None = None,
    priors: Priors | None = None,
    points: int = 64,
    level: float = 0.95,
    draws: int = 1000,
    warmup: int = 700,
    chains: int = 4,
    seed: int = 1,
    target_acceptance: float = 0.9,
) -> MultilevelNetwork:
    """Compare treatments across trials, some with individuals and some as published, in any population.

    Parameters
    ----------
    individuals : frame, mapping of columns, list of mappings
        A row a patient: `study`, `treatment`, the outcome and the covariates.
    aggregates : arm rows, or reconstructed patients
        For a 0/1 outcome `study, treatment, n, events`; for times `study, treatment, time, event`, a row a
        patient without covariates (`flarefree.evidence.reconstruct`).
    populations : mapping of study to Population, frame or margins
        Of each published study, as `Population.from_margins` takes it.  Correlations that it does not give
        are those of the individuals.
    outcome : str, or (time, event)
        A 0/1 column (log odds), or the columns of time and of whether the event was seen (log hazards).
    covariates : sequence of str
    modifiers : sequence of str, optional
        Covariates that act on effects of treatment; all unless given.
    interactions : "common" or "independent"
        One set of interactions for all treatments against the reference (the shared effect modifier
        assumption), or one each, which needs individuals under each treatment.
    model : "common" or "random"
        Whether studies have deviations of their own.
    hazard : "exponential", "weibull" or "piecewise"
        Times: the baseline hazard, of each study its own; "piecewise" has steps at `breaks`.
    breaks : sequence of float
    reference : str, optional
        The treatment that others are compared with; the one in most studies unless given.
    priors : Priors, optional
        By SD of the covariates among individuals for slopes; normal(0, 10) and half-normal(2.5) for tau
        unless given.  Logs of Weibull shapes and of steps are normal(0, 1).
    points : int
        Of each published study's population, a power of two; the result says what twice as many would change.
    level : float
        Of credible intervals.
    draws, warmup, chains, seed, target_acceptance
        Of the sampler.

    Returns
    -------
    MultilevelNetwork
        `.effects(target)` and `.marginal(target, baseline=...)` in any population; its print says so first if
        the chains did not converge.

    Raises
    ------
    MissingExtraError
        NumPyro is not installed.
    EvidenceError
        Missing columns or values, published studies without a population, a network that is not connected,
        coefficients that the studies do not tell.

    References
    ----------
    [phillippo2020b], [phillippo2024]; docs/methods/bayesian-network.md, section 7.
    """
    _require_known(model, interactions, hazard, breaks, level)
    settings = Settings(draws, warmup, chains, seed, target_acceptance)
    priors = priors or DEFAULT_PRIORS
    data = read_mixed(
        individuals,
        aggregates,
        populations,
        outcome=outcome,
        covariates=(covariates,) if isinstance(covariates, str) else tuple(covariates),
        modifiers=(modifiers,) if isinstance(modifiers, str) else modifiers,
        interactions=interactions,
        reference=reference,
        n_points=points,
        seed=seed,
    )
    baseline = None if isinstance(outcome, str) else Baseline(hazard, tuple(float(b) for b in breaks))
    require_extra("multilevel_network")
    sampled = _sample(data, baseline, priors, settings, model == "random")
    return MultilevelNetwork(
        treatments=data.coefficients.treatments,
        model=model,
        interactions=interactions,
        baseline=baseline,
        priors=priors,
        level=level,
        n_points=points,
        draws=sampled,
        data=data,
    )


def _require_known(model: str, interactions: str, hazard: str, breaks: Sequence[float], level: float) -> None:
    choices = (
        ("model", model, ("common", "random")),
        ("interactions", interactions, ("common", "independent")),
        ("hazard", hazard, ("exponential", "weibull", "piecewise")),
    )
    for name, value, allowed in choices:
        if value not in allowed:
            raise EvidenceError(
                f"no such {name}",
                where=f"multilevel_network: {name}",
                found=repr(value),
                expected=", ".join(allowed),
            )
    if not 0 < level < 1:
        raise EvidenceError(
            "no such level", where="multilevel_network: level", found=repr(level), expected="0 to 1"
        )
    edges = [0.0, *(float(b) for b in breaks)]
    if breaks and (hazard != "piecewise" or any(b <= a for a, b in pairwise(edges))):
        raise EvidenceError(
            "these are no steps of a hazard",
            where="multilevel_network: breaks",
            found=f"{list(breaks)!r}, hazard={hazard!r}",
            expected="rising times above 0, with hazard='piecewise'",
        )


def _sample(
    data: MixedData, baseline: Baseline | None, priors: Priors, settings: Settings, is_random: bool
) -> Draws:
    from flarefree.evidence.bayes.posterior import prior_numbers
    from flarefree.evidence.populations.ml_nmr_posterior import MixedModel, MixedShape

    mean, sd = _prior_of(data, priors)
    start, root = _near_normal(data, mean, sd, is_survival=baseline is not None)
    given: dict[str, Any] = {
        "start": start,
        "root": root,
        "prior_mean": mean,
        "prior_sd": sd,
        "rows": data.rows,
        "point_rows": data.point_rows,
        "arm": data.arm,
        "published_arm": data.published_arm,
        "outcome": data.outcome,
        "heterogeneity": np.array(prior_numbers(priors.heterogeneity)),
        **data.published,
    }
    if baseline is not None:
        given |= _times(data, baseline)
    shape = MixedShape(
        "binomial" if baseline is None else baseline.kind,
        is_random,
        type(priors.heterogeneity).__name__,
        data.n_arms,
        len(data.coefficients.studies),
        0 if baseline is None else len(baseline.breaks) + 1,
    )
    n = sum(shape.sizes(len(mean)))
    return run_chains(MixedModel(shape), given, n, ("beta", "tau", "time"), settings, dense=True)


def _times(data: MixedData, baseline: Baseline) -> dict[str, Any]:
    """Times of both kinds of patients under the names that the likelihood reads."""
    theirs = data.published["time"]
    return {
        "time": data.time,
        "study": data.study,
        "exposures": baseline.exposures(data.time),
        "step": baseline.step_of(data.time),
        "p_study": data.published_study[data.published["of"]],
        "published_time": theirs,
        "published_exposures": baseline.exposures(theirs),
        "published_step": baseline.step_of(theirs),
    }


def _prior_of(data: MixedData, priors: Priors) -> tuple[Floats, Floats]:
    names = data.coefficients
    mean, sd = np.zeros(len(names.names)), np.ones(len(names.names))
    parts = (
        ("level", priors.baseline),
        ("covariate", priors.regression),
        ("treatment", priors.effects),
        ("interaction", priors.regression),
    )
    for which, prior in parts:
        mean[names.part(which)], sd[names.part(which)] = prior.mean, prior.sd  # type: ignore[arg-type]
    return mean, sd


def _near_normal(data: MixedData, mean: Floats, sd: Floats, *, is_survival: bool) -> tuple[Floats, Floats]:
    """Mode and root of the covariance of a nearby regression: published arms at their mean covariates."""
    arms = data.point_rows.mean(axis=1)
    theirs = arms[data.published["of"]] if is_survival else arms
    design = np.vstack([data.rows, theirs])
    y = np.concatenate([data.outcome, data.published["y"]])
    size = np.concatenate([data.time, data.published["time" if is_survival else "size"]])
    beta = mean.copy()
    beta[data.coefficients.part("level")] = _crude_level(y, size, is_survival)
    precision = np.diag(sd**-2.0)
    for _ in range(MOST_STEPS):
        eta = np.clip(design @ beta, -30, 30)
        fitted = size * np.exp(eta) if is_survival else size / (1 + np.exp(-eta))
        weight = fitted if is_survival else fitted * (1 - fitted / size)
        information = (design * weight[:, None]).T @ design + precision
        step = np.linalg.solve(information, design.T @ (y - fitted) - precision @ (beta - mean))
        largest = float(np.abs(step).max())
        beta = beta + step * min(1.0, 2.0 / max(largest, 1e-12))  # a start needs no line search
        if largest < 1e-8:
            break
    covariance = np.linalg.inv(information)
    return beta, np.asarray(np.linalg.cholesky((covariance + covariance.T) / 2))


def _crude_level(y: Floats, size: Floats, is_survival: bool) -> float:
    share = (y.sum() + 0.5) / (size.sum() + 1)
    return float(np.log(share) if is_survival else np.log(share / (1 - share)))
