"""`bayesian_network`: from rows to the posterior of a network.

Decides the model from what is asked, checks it, and hands draws to a frozen `BayesianNetwork` (`result.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.bayes.convergence import diagnose
from flarefree.evidence.bayes.data import NetworkData
from flarefree.evidence.bayes.designs import (
    Design,
    consistent,
    split,
    splittable,
    unrelated,
)
from flarefree.evidence.bayes.fit import measure_fit
from flarefree.evidence.bayes.priors import Priors
from flarefree.evidence.bayes.reading import LINKS, Likelihood, Link, read_network
from flarefree.evidence.bayes.regression import BaselineSlope, regression_of
from flarefree.evidence.bayes.result import BayesianNetwork
from flarefree.evidence.bayes.sampling import Draws, Settings, require_extra, run_chains
from flarefree.evidence.bayes.splitting import NodeSplit, bayesian_p
from flarefree.evidence.bayes.starting import start_near
from flarefree.evidence.inputs import read_rows
from flarefree.evidence.networks.connection import place_of
from flarefree.evidence.networks.ranking import SmallValues
from flarefree.evidence.networks.studies import MEASURES

__all__ = ["bayesian_network"]

Floats = NDArray[np.float64]
EffectsModel = Literal["consistent", "unrelated mean effects"]
EFFECTS = ("consistent", "unrelated mean effects")


def bayesian_network(
    data: Any,
    *,
    likelihood: Likelihood = "binomial",
    link: Link | None = None,
    model: Literal["random", "common"] = "random",
    effects: EffectsModel = "consistent",
    node_split: tuple[str, str] | Sequence[tuple[str, str]] | Literal["all"] | None = None,
    reference: str | None = None,
    order: Sequence[str] | None = None,
    covariate: str | None = None,
    covariate_at: float | None = None,
    interactions: Literal["common", "independent"] = "common",
    priors: Priors | None = None,
    measure: str | None = None,
    follow_up: str | None = None,
    small_values: SmallValues = "good",
    level: float = 0.95,
    part: str | None = None,
    draws: int = 2000,
    warmup: int = 500,
    chains: int = 4,
    seed: int = 1,
    target_acceptance: float = 0.9,
) -> BayesianNetwork:
    """Compare many treatments by all the studies that connect them, by Bayes.

    Parameters
    ----------
    data : frame, list of mappings, mapping of columns, path of a CSV file
        Arm rows (`study, treatment` with `n, events`; `person_time, events`; or `n, mean, sd`) or contrast
        rows (`study, treatment_1, treatment_2, estimate, std_error`; logs for ratios; every pair of a
        study's treatments).
    likelihood : "binomial", "poisson", "normal" or "hazard"
        Of events among n (odds ratio), events in person-time (rate ratio), means (mean difference; or
        contrasts of any measure), log hazard ratios.
    link : "logit" or "cloglog", optional
        Of a binomial likelihood; the complementary log-log gives hazard ratios, with `follow_up` the column
        of follow-up where studies differ in it.
    model : "random" or "common"
    effects : "consistent" or "unrelated mean effects"
        The latter gives every comparison of a study's first arm an effect of its own: the model without
        consistency, to be compared by DIC.
    node_split : pair of str, list of pairs, or "all", optional
        Comparisons to split into direct and indirect evidence, each by a model of its own; "all": those with
        both, outside of studies with several arms.
    reference : str, optional
        The treatment that others are compared with; the one in most studies unless given.
    order : sequence of str, optional
        All treatments; decides each study's first arm, which matters for unrelated mean effects in studies of
        several arms, and for a regression on the baseline.  The reference, then alphabetically, unless given.
    covariate : str, optional
        A column with each study's value, or "baseline", the study's own level under its first arm (arms of
        counts): how effects against the reference move with it.
    covariate_at : float, optional
        The value that effects stand for; the mean over studies unless given.
    interactions : "common" or "independent"
        One slope for all treatments against the reference, or one each.
    priors : Priors, optional
    measure : str, optional
        What normal contrasts are of: MD unless given.
    follow_up : str, optional
    small_values : "good" or "bad"
        Whether a smaller effect is better: the direction of rankings.
    level : float
        Of credible intervals.
    part : str, optional
        Of a network that is not connected, take the part that holds this treatment.
    draws, warmup, chains, seed, target_acceptance
        Of the sampler, draws and warmup for each chain.  The same seed gives the same draws.

    Returns
    -------
    BayesianNetwork
        `converged` and `diagnostics` say whether it may be used; its print says so first if not.

    Raises
    ------
    MissingExtraError
        NumPyro is not installed: `pip install 'flarefree[bayes]'`.
    EvidenceError
        Cells that cannot be used, a network that is not connected, slopes that no studies tell.
    NotFoundError
        A treatment that is not in the network; the nearest name is given.

    References
    ----------
    [dias2011], [dias2013], [dias2010], [vanvalkenhoef2016], [vehtari2021]; docs/methods/bayesian-network.md.
    """
    link = _require_known(likelihood, link, model, effects, interactions, small_values, level, measure)
    settings = Settings(draws, warmup, chains, seed, target_acceptance)
    priors = priors or Priors()
    rows = read_rows(data)
    found = read_network(
        rows,
        likelihood,
        link=link,
        measure=measure,
        follow_up=_follow_up_of(link, follow_up),
        reference=reference,
        order=order,
        part=part,
    )
    base = unrelated(found) if effects == "unrelated mean effects" else consistent(found)
    pairs = _pairs_to_split(found, node_split, effects, covariate)
    regression = regression_of(rows, found, base, covariate, covariate_at, interactions)
    require_extra()
    task = _Task(found, priors, settings, model == "random", regression.baseline)
    sampled = task.sample(regression.design)
    splits = tuple(_split_node(task, a, b) for a, b in pairs)
    return BayesianNetwork(
        treatments=found.treatments,
        measure=found.measure,
        likelihood=likelihood,
        link=link,
        model=model,
        effects=effects,
        priors=priors,
        small_values=small_values,
        level=level,
        draws=sampled,
        data=found,
        design=regression.design,
        node_splits=splits,
        covariate=covariate or "",
        covariate_at=regression.at,
        notes=(*found.notes, *regression.notes),
    )


# Sampling ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _ModelOf:
    """What makes a model; equal shapes are one model, and are compiled once."""

    shape: Any

    def __call__(self) -> Any:
        from flarefree.evidence.bayes.posterior import make_model

        return make_model(self.shape)


@dataclass(frozen=True, slots=True)
class _Task:
    """Everything but the columns."""

    data: NetworkData
    priors: Priors
    settings: Settings
    is_random: bool
    baseline: BaselineSlope | None

    def sample(self, design: Design) -> Draws:
        from flarefree.evidence.bayes.posterior import Shape

        shape = Shape(
            self.data.family,
            self.is_random,
            self.data.is_arms,
            type(self.priors.heterogeneity).__name__,
            self.baseline is not None,
        )
        n = design.x.shape[1] + self.is_random + (self.baseline is not None)
        n += len(self.data.studies) * self.data.is_arms + len(self.data.y) * self.is_random
        return run_chains(
            _ModelOf(shape), self._arguments(design), n, ("d", "tau", "slope", "theta"), self.settings
        )

    def _arguments(self, design: Design) -> dict[str, Any]:
        from flarefree.evidence.bayes.posterior import prior_numbers

        data, priors = self.data, self.priors
        n_pairs, n_slopes = len(design.pairs), design.n_slopes
        mean = np.repeat([priors.effects.mean, priors.regression.mean], [n_pairs, n_slopes])
        sd = np.repeat([priors.effects.sd, priors.regression.sd], [n_pairs, n_slopes])
        x = design.of_units(data)
        start = start_near(x, data, priors, sd, is_random=self.is_random)
        given = {
            "x": x,
            "start": start.center,
            "root": start.root,
            "prior_mean": mean,
            "prior_sd": sd,
            "y": data.y,
            "size": data.size,
            "exposure": data.exposure,
            "center": data.center,
            "variance": data.variance,
            "member": (data.unit_study[:, None] == np.arange(len(data.studies))).astype(float),
            "heterogeneity": np.array(prior_numbers(priors.heterogeneity)),
            "level_prior": np.array([priors.baseline.mean, priors.baseline.sd]),
        }
        if self.baseline is not None:
            given |= {
                "active": self.baseline.active,
                "level_center": np.array(self.baseline.center),
                "base": np.eye(len(data.y))[data.base_arm[data.arm_study]],
                "slope_prior": np.array([priors.regression.mean, priors.regression.sd]),
            }
        return given


def _split_node(task: _Task, a: int, b: int) -> NodeSplit:
    """The model with a direct effect of `b` against `a` of its own."""
    design = split(task.data, a, b)
    sampled = task.sample(design)
    d = sampled.sites["d"]
    direct = d[:, :, -1]
    indirect = d[:, :, b - 1] - (d[:, :, a - 1] if a else 0.0)
    # Against the reference where it takes part, as everywhere else.
    first, second = (b, a) if a == 0 else (a, b)
    sign = 1.0 if a == 0 else -1.0
    named = {"direct": direct, "indirect": indirect}
    if "tau" in sampled.sites:
        named["tau"] = sampled.sites["tau"]
    fit = measure_fit(task.data, sampled.flat("theta"))
    return NodeSplit(
        task.data.treatments[first],
        task.data.treatments[second],
        int(task.data.studies_with(a, b).sum()),
        sign * direct.ravel(),
        sign * indirect.ravel(),
        bayesian_p((direct - indirect).ravel()),
        float(np.median(sampled.sites["tau"])) if "tau" in sampled.sites else 0.0,
        fit.total_deviance,
        fit.dic,
        diagnose(named, sampled.n_divergent, sampled.n_deepest),
    )


# What was asked ------------------------------------------------------------------------------------


def _require_known(
    likelihood: str,
    link: str | None,
    model: str,
    effects: str,
    interactions: str,
    small_values: str,
    level: float,
    measure: str | None,
) -> Link:
    choices: list[tuple[str, str | None, tuple[str, ...]]] = [
        ("likelihood", likelihood, tuple(LINKS)),
        ("model", model, ("random", "common")),
        ("effects", effects, EFFECTS),
        ("interactions", interactions, ("common", "independent")),
        ("small_values", small_values, ("good", "bad")),
    ]
    if link is not None and likelihood in LINKS:
        choices.append(("link", link, LINKS[likelihood]))
    if measure is not None:
        choices.append(("measure", measure, tuple(MEASURES)))
    for argument, value, allowed in choices:
        if value not in allowed:
            raise EvidenceError(
                f"no such {argument.replace('_', ' ')}",
                where=f"bayesian_network: {argument}",
                found=repr(value),
                expected=", ".join(allowed),
            )
    if not 0 < level < 1:
        raise EvidenceError(
            "no such level", where="bayesian_network: level", found=repr(level), expected="0 to 1"
        )
    return cast("Link", link or LINKS[likelihood][0])


def _follow_up_of(link: Link, column: str | None) -> str | None:
    if column is not None and link != "cloglog":
        raise EvidenceError(
            "only a complementary log-log link takes follow-up",
            where="bayesian_network: follow_up",
            found=f"link={link!r}",
            try_="link='cloglog', or likelihood='poisson' with person_time",
        )
    return column


def _pairs_to_split(
    data: NetworkData, asked: Any, effects: str, covariate: str | None
) -> list[tuple[int, int]]:
    if asked is None:
        return []
    if effects != "consistent" or covariate is not None:
        raise EvidenceError(
            "a node is split in a consistent network without covariates",
            where="bayesian_network: node_split",
            found=f"effects={effects!r}" if effects != "consistent" else f"covariate={covariate!r}",
        )
    possible = splittable(data)
    if isinstance(asked, str) and asked == "all":
        return possible
    given = [asked] if len(asked) == 2 and all(isinstance(name, str) for name in asked) else list(asked)
    pairs = []
    for pair in given:
        if isinstance(pair, str) or len(pair) != 2:
            raise EvidenceError(
                "no such comparison",
                where="bayesian_network: node_split",
                found=repr(pair),
                expected="two treatments, a list of such pairs, or 'all'",
            )
        a, b = sorted(place_of(name, data.treatments, "node_split", "bayesian_network") for name in pair)
        if (a, b) not in possible:
            has = a != b and data.studies_with(a, b).any()
            raise EvidenceError(
                "this comparison cannot be split",
                where="bayesian_network: node_split",
                found=f"{pair[0]} v {pair[1]}: "
                + ("no evidence apart from studies of both" if has else "no study has both"),
                expected=", ".join(f"{data.treatments[i]} v {data.treatments[j]}" for i, j in possible)
                or "a network with a loop",
            )
        pairs.append((a, b))
    return pairs
