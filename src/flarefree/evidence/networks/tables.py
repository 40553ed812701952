"""A network's frames: all effects, the league table, the ranking."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.arguments import require_whole
from flarefree.evidence.networks.connection import place_of
from flarefree.evidence.networks.ranking import Ranking, p_scores
from flarefree.evidence.networks.result import Model, Network

__all__ = ["best_first", "effects_frame", "interval_text", "league_frame", "ranking_frame"]

Floats = NDArray[np.float64]
Triple = tuple[Floats, Floats, Floats]


def effects_frame(network: Network, model: str, exponentiate: bool) -> pl.DataFrame:
    """A row a model and pair, the reference second wherever it takes part."""
    models = ["common", "random"] if model == "both" else [model]
    kept = [m for m in models if model != "both" or getattr(network, m) is not None]
    return pl.concat([_one_model(network, m, exponentiate) for m in kept])  # type: ignore[arg-type]


def _one_model(network: Network, model: Model, exponentiate: bool) -> pl.DataFrame:
    effects = network.effects_under(model)
    i, j = _pairs(network)
    counts = _study_counts(network)[i, j]
    frame: dict[str, Any] = {
        "model": [model] * len(i),
        "treatment_1": [network.treatments[k] for k in i],
        "treatment_2": [network.treatments[k] for k in j],
        "n_studies": counts,
        "estimate": effects.estimate[i, j],
        "std_error": effects.std_error[i, j],
        "conf_low": effects.conf_low[i, j],
        "conf_high": effects.conf_high[i, j],
        "statistic": effects.statistic[i, j],
        "p_value": effects.p_value[i, j],
    }
    low = high = np.full(len(i), np.nan)
    if model == "random":
        lows, highs = network.prediction()
        low, high = lows[i, j], highs[i, j]
    frame |= {"predict_low": low, "predict_high": high}
    if network.rows is not None:
        direct = network.direct_evidence(model)
        share = (effects.std_error / direct.std_error)[i, j] ** 2
        frame |= {
            "direct": direct.estimate[i, j],
            "direct_std_error": direct.std_error[i, j],
            "direct_share": np.minimum(np.nan_to_num(share), 1.0),
        }
    if exponentiate and network.is_ratio:
        for name in ("estimate", "conf_low", "conf_high", "predict_low", "predict_high", "direct"):
            if name in frame:
                frame[name] = np.exp(frame[name])
    return pl.DataFrame(frame).with_columns(pl.col(pl.Float64).fill_nan(None))


def _pairs(network: Network) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    i, j = np.triu_indices(len(network.treatments), 1)
    swap = i == network.reference_index
    return np.where(swap, j, i), np.where(swap, i, j)


def _study_counts(network: Network) -> NDArray[np.int64]:
    n = len(network.treatments)
    counts = np.zeros((n, n), np.int64)
    for study in network.studies:
        counts[np.ix_(study.arms, study.arms)] += 1
    np.fill_diagonal(counts, 0)
    return counts


# League ----------------------------------------------------------------------------------------------


def best_first(network: Network, model: Model | None = None) -> list[int]:
    """Places of the treatments by P-score."""
    score = p_scores(network.effects_under(model), network.small_values)
    return sorted(range(len(score)), key=lambda k: (-score[k], k))


def order_of(network: Network, order: Sequence[str] | None, model: Model | None) -> list[int]:
    """Places in the order asked for; best first unless given."""
    if order is None:
        return best_first(network, model)
    places = [place_of(name, network.treatments, "order") for name in order]
    if len(set(places)) < len(places):
        raise EvidenceError("a treatment stands twice in the order", where="order", found=", ".join(order))
    return places


def league_numbers(network: Network, which: str) -> Triple:
    """Estimate and limits of `which`: a model, or direct evidence; ratios as ratios."""
    if which == "direct":
        from scipy.special import ndtri

        found = network.direct_evidence()
        width = float(ndtri(0.5 + network.conf_level / 2))
        numbers = (
            found.estimate,
            found.estimate - width * found.std_error,
            found.estimate + width * found.std_error,
        )
    else:
        effects = network.effects_under(which)  # type: ignore[arg-type]
        numbers = effects.estimate, effects.conf_low, effects.conf_high
    if network.is_ratio:
        return np.exp(numbers[0]), np.exp(numbers[1]), np.exp(numbers[2])
    return numbers


def league_frame(
    network: Network, lower: Model, upper: str, order: Sequence[str] | None, digits: int
) -> pl.DataFrame:
    """Text; the diagonal names the treatments."""
    if upper not in ("direct", "common", "random"):
        raise EvidenceError(
            "no such half of a league table",
            where="league: upper",
            found=repr(upper),
            expected="direct, common, random",
        )
    require_whole("league: digits", digits, 0, 15)
    places = order_of(network, order, lower)
    below = league_numbers(network, lower)
    has_upper = not (upper == "direct" and network.rows is None)
    above = league_numbers(network, upper) if has_upper else below
    columns: dict[str, list[str]] = {"treatment": [network.treatments[i] for i in places]}
    for c, column in enumerate(places):
        cells = []
        for r, row in enumerate(places):
            if r == c:
                cells.append(network.treatments[row])
            elif r > c:
                cells.append(interval_text(below, column, row, digits))
            else:
                cells.append(interval_text(above, row, column, digits) if has_upper else "")
        columns[network.treatments[column]] = cells
    return pl.DataFrame(columns)


def interval_text(numbers: Triple, i: int, j: int, digits: int) -> str:
    """`0.80 (0.60 to 1.07)`; empty where there is no estimate."""
    estimate, low, high = (float(matrix[i, j]) for matrix in numbers)
    if math.isnan(estimate):
        return ""
    return f"{estimate:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ranking_frame(ranking: Ranking) -> pl.DataFrame:
    """Best first; a last column for each rank's probability is left to `Network.ranks`."""
    at = ranking.order()
    return pl.DataFrame(
        {
            "treatment": [ranking.treatments[i] for i in at],
            **{
                name: getattr(ranking, name)[at]
                for name in (
                    "p_score",
                    "sucra",
                    "sucra_error",
                    "sucra_low",
                    "sucra_high",
                    "mean_rank",
                    "median_rank",
                    "rank_low",
                    "rank_high",
                )
            },
            "best": ranking.probability[at, 0],
        }
    )
