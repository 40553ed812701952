"""A Bayesian network's frames: effects, slopes, league table, ranking, splits, absolute effects."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.bayes.convergence import compute_worth
from flarefree.evidence.bayes.result import BayesianNetwork
from flarefree.evidence.networks.connection import place_of
from flarefree.evidence.networks.ranking import Ranking

__all__ = [
    "absolute_frame",
    "effects_frame",
    "league_frame",
    "rank_draws",
    "ranking_frame",
    "slopes_frame",
    "split_frame",
]

Floats = NDArray[np.float64]


def shown_pairs(network: BayesianNetwork) -> list[tuple[int, int]]:
    """Every pair, the reference second; of unrelated mean effects those that were sampled."""
    if network.effects != "consistent":
        return list(network.design.pairs)
    n = len(network.treatments)
    return [(j, i) if i == 0 else (i, j) for i, j in combinations(range(n), 2)]


def pair_draws(network: BayesianNetwork) -> Floats:
    """(chains, draws, n_pairs) effects of `shown_pairs`."""
    d = network.draws.sites["d"]
    if network.effects != "consistent":
        return d[:, :, : len(network.design.pairs)]
    n = len(network.treatments)
    whole = np.concatenate([np.zeros((*d.shape[:2], 1)), d[:, :, : n - 1]], axis=2)
    pairs = np.array(shown_pairs(network))
    return np.asarray(whole[:, :, pairs[:, 0]] - whole[:, :, pairs[:, 1]])


def interval(draws: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """Median and equal-tailed limits over the first axis."""
    tail = (1 - level) / 2
    low, median, high = np.quantile(draws, [tail, 0.5, 1 - tail], axis=0)
    return median, low, high


def effects_frame(network: BayesianNetwork, exponentiate: bool) -> pl.DataFrame:
    """A row a pair."""
    draws = pair_draws(network)
    flat = draws.reshape(-1, draws.shape[2])
    worth = compute_worth(draws)
    median, low, high = interval(flat, network.level)
    predicted = flat + _new_study_deviations(network, flat.shape)
    _, predict_low, predict_high = interval(predicted, network.level)
    change = np.exp if exponentiate and network.is_ratio else np.asarray
    better = (flat < 0) if network.small_values == "good" else (flat > 0)
    pairs = shown_pairs(network)
    return pl.DataFrame(
        {
            "treatment_1": [network.treatments[a] for a, _ in pairs],
            "treatment_2": [network.treatments[b] for _, b in pairs],
            "n_studies": [int(network.data.studies_with(a, b).sum()) for a, b in pairs],
            "mean": flat.mean(axis=0),
            "sd": flat.std(axis=0, ddof=1),
            "median": change(median),
            "cred_low": change(low),
            "cred_high": change(high),
            "predict_low": change(predict_low),
            "predict_high": change(predict_high),
            "p_better": better.mean(axis=0),
            "mc_error": worth.mc_error,
            "r_hat": worth.r_hat,
            "ess_bulk": worth.ess_bulk,
            "ess_tail": worth.ess_tail,
            "converged": [network.converged] * len(pairs),
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))


def _new_study_deviations(network: BayesianNetwork, shape: tuple[int, ...]) -> Floats:
    """What a new study would add to each effect: normal with SD tau, by the sampler's own seed."""
    rng = np.random.default_rng(network.draws.settings.seed)
    return np.asarray(rng.standard_normal(shape) * network.tau[:, None])


def slopes_frame(network: BayesianNetwork) -> pl.DataFrame:
    """A row a slope; none without a covariate."""
    labels = list(network.design.slope_labels)
    draws = network.draws.flat("d")[:, len(network.design.pairs) :]
    if "slope" in network.draws.sites:
        labels, draws = ["baseline"], network.draws.flat("slope")[:, None]
    median, low, high = interval(draws, network.level) if labels else (np.zeros(0),) * 3
    return pl.DataFrame(
        {
            "slope": labels,
            "mean": draws.mean(axis=0),
            "sd": draws.std(axis=0, ddof=1),
            "median": median,
            "cred_low": low,
            "cred_high": high,
            "p_above_0": (draws > 0).mean(axis=0),
        },
        schema_overrides={"slope": pl.String},
    )


# Ranking -------------------------------------------------------------------------------------------


def rank_draws(network: BayesianNetwork) -> Ranking:
    """Ranks of every draw, rank 1 best; SUCRA of draws is the P-score."""
    d = network.coefficients
    n_draws, n = d.shape
    sign = 1.0 if network.small_values == "good" else -1.0
    rank = np.argsort(np.argsort(sign * d, axis=1, kind="stable"), axis=1, kind="stable") + 1
    probability = np.array([np.bincount(rank[:, k], minlength=n + 1)[1:] for k in range(n)]) / n_draws
    tail = (1 - network.level) / 2
    low, median, high = np.quantile(rank, [tail, 0.5, 1 - tail], axis=0, method="inverted_cdf")
    mean = rank.mean(axis=0)
    settings = network.draws.settings
    worth = compute_worth(rank.reshape(settings.chains, settings.draws, n).astype(float))
    sucra = (n - mean) / (n - 1)
    return Ranking(
        network.treatments,
        sucra,
        sucra,
        np.nan_to_num(worth.mc_error) / (n - 1),
        (n - high) / (n - 1),
        (n - low) / (n - 1),
        mean,
        median.astype(float),
        low.astype(float),
        high.astype(float),
        probability,
        n_draws,
        settings.seed,
        network.small_values,
    )


def ranking_frame(network: BayesianNetwork) -> pl.DataFrame:
    """Best first, a column for each rank's probability."""
    ranks = network.ranks()
    at = ranks.order()
    names = ["sucra", "sucra_error", "sucra_low", "sucra_high"]
    names += ["mean_rank", "median_rank", "rank_low", "rank_high"]
    return pl.DataFrame(
        {
            "treatment": [ranks.treatments[k] for k in at],
            **{name: getattr(ranks, name)[at] for name in names},
            **{f"p_rank_{r + 1}": ranks.probability[at, r] for r in range(len(at))},
            "converged": [network.converged] * len(at),
        }
    )


# League --------------------------------------------------------------------------------------------


def league_frame(network: BayesianNetwork, order: Sequence[str] | None, digits: int) -> pl.DataFrame:
    """Text; the diagonal names the treatments; above the diagonal nothing, as it would be the same."""
    places = (
        network.ranks().order()
        if order is None
        else [place_of(name, network.treatments, "order", "league") for name in order]
    )
    if len(set(places)) < len(places):
        raise EvidenceError(
            "a treatment stands twice in the order", where="order", found=", ".join(order or ())
        )
    d = network.coefficients
    change = np.exp if network.is_ratio else np.asarray
    columns: dict[str, list[str]] = {"treatment": [network.treatments[k] for k in places]}
    for c, column in enumerate(places):
        cells = []
        for r, row in enumerate(places):
            if r <= c:
                cells.append(network.treatments[row] if r == c else "")
                continue
            median, low, high = (float(change(v)) for v in interval(d[:, column] - d[:, row], network.level))
            cells.append(f"{median:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})")
        columns[network.treatments[column]] = cells
    return pl.DataFrame(columns)


# Splits and absolute effects -----------------------------------------------------------------------


def split_frame(network: BayesianNetwork) -> pl.DataFrame:
    """A row a split; the network's own estimate stands beside direct and indirect."""
    rows = []
    for found in network.node_splits:
        row: dict[str, Any] = {
            "treatment_1": found.treatment_1,
            "treatment_2": found.treatment_2,
            "n_studies": found.n_studies,
        }
        parts = {
            "direct": found.direct,
            "indirect": found.indirect,
            "network": network.effect(found.treatment_1, found.treatment_2),
            "difference": found.difference,
        }
        for name, draws in parts.items():
            median, low, high = (float(v) for v in interval(draws, network.level))
            row |= {
                f"{name}_mean": float(draws.mean()),
                f"{name}_sd": float(draws.std(ddof=1)),
                f"{name}_median": median,
                f"{name}_low": low,
                f"{name}_high": high,
            }
        row |= {
            "p_value": found.p_value,
            "tau_median": found.tau_median,
            "deviance": found.total_deviance,
            "dic": found.dic,
            "converged": found.diagnostics.converged,
        }
        rows.append(row)
    return pl.DataFrame(rows)


def absolute_frame(network: BayesianNetwork, draws: Floats) -> pl.DataFrame:
    """A row a treatment."""
    median, low, high = interval(draws, network.level)
    return pl.DataFrame(
        {
            "treatment": list(network.treatments),
            "mean": draws.mean(axis=0),
            "sd": draws.std(axis=0, ddof=1),
            "median": median,
            "cred_low": low,
            "cred_high": high,
            "converged": [network.converged] * len(network.treatments),
        }
    )
