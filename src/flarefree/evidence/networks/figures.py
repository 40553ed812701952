"""A network's figures as data: frames and words that `flarefree.reports.figures` draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import EvidenceError
from flarefree.evidence.networks.result import Network
from flarefree.evidence.networks.studies import MEASURES
from flarefree.evidence.networks.tables import league_numbers, order_of
from flarefree.results import Figure

__all__ = ["figure_of"]


def figure_of(network: Network, kind: str, **options: Any) -> Figure:
    """The figure of that kind; each kind's options are those of its function here."""
    if kind not in _KINDS:
        raise EvidenceError(
            "no such figure of a network", where="plot: kind", found=repr(kind), expected=", ".join(_KINDS)
        )
    return _KINDS[kind](network, **options)


def network_plot(network: Network) -> Figure:
    """Treatments on a circle, as large as they were studied; lines as thick as they have studies."""
    n = len(network.treatments)
    count = np.zeros(n, np.int64)
    pairs: dict[tuple[int, int], int] = {}
    for study in network.studies:
        count[study.arms] += 1
        arms = study.arms.tolist()
        for a, i in enumerate(arms):
            for j in arms[a + 1 :]:
                pairs[i, j] = pairs.get((i, j), 0) + 1
    patients = [network.totals.get(name) for name in network.treatments]
    nodes = pl.DataFrame(
        {"treatment": list(network.treatments), "n_studies": count, "n": patients},
        schema={"treatment": pl.String, "n_studies": pl.Int64, "n": pl.Float64},
    )
    edges = [(network.treatments[i], network.treatments[j], k) for (i, j), k in sorted(pairs.items())]
    schema = {"treatment_1": pl.String, "treatment_2": pl.String, "n_studies": pl.Int64}
    return Figure(
        id="network",
        title="Network of treatments",
        kind="network_plot",
        data={"main": pl.DataFrame(edges, schema=schema, orient="row"), "nodes": nodes},
        footnotes=(f"{network.n_studies} studies",),
        options={"reference": network.reference},
    )


def forest(network: Network, *, model: Any = None, split: bool = False) -> Figure:
    """Every treatment against the reference, best first; `split` adds direct and indirect estimates."""
    effects, at = network.effects_under(model), network.reference_index
    change: Callable[[float], float] = math.exp if network.is_ratio else float
    rows: list[dict[str, Any]] = []
    splits = (
        {s.treatment_1: s for s in network.splits(model) if s.treatment_2 == network.reference}
        if split
        else {}
    )
    for i in order_of(network, None, model):
        if i == at:
            continue
        name = network.treatments[i]
        values = (effects.estimate[i, at], effects.conf_low[i, at], effects.conf_high[i, at])
        rows.append(_forest_row(name, values, change, 0, is_header=split))
        if split:
            rows += _split_rows(splits[name], network.conf_level, change)
    tau = f"τ² = {effects.tau2:.3g}" if (model or network.model) == "random" else "common effects"
    return Figure(
        id="network_forest",
        title=f"Effects against {network.reference}",
        kind="forest",
        data={"main": pl.DataFrame(rows, infer_schema_length=None)},
        x_label=f"{MEASURES[network.measure]} ({100 * network.conf_level:g}% CI)",
        footnotes=(f"Network estimates, {tau}" + ("; gray: what they are made of" if split else ""),),
        options={
            "null": 1.0 if network.is_ratio else 0.0,
            "stub": f"Treatment v {network.reference}",
            "favors": _favors(network),
        },
    )


def _forest_row(
    label: str, values: Sequence[float], change: Callable[[float], float], indent: int, *, is_header: bool
) -> dict[str, Any]:
    estimate, low, high = (None if math.isnan(v) else change(float(v)) for v in values)
    return {
        "label": label,
        "estimate": estimate,
        "conf_low": low,
        "conf_high": high,
        "indent": indent,
        "is_header": is_header,
        "is_part": indent > 0,  # direct and indirect evidence, of which the network's estimate is made
    }


def _split_rows(split: Any, conf_level: float, change: Callable[[float], float]) -> list[dict[str, Any]]:
    from scipy.special import ndtri

    width = float(ndtri(0.5 + conf_level / 2))
    rows = []
    for label, center, error in (
        (
            f"direct, {split.n_studies} {'study' if split.n_studies == 1 else 'studies'}",
            split.direct,
            split.direct_std_error,
        ),
        ("indirect", split.indirect, split.indirect_std_error),
    ):
        if not math.isnan(center):
            values = (center, center - width * error, center + width * error)
            rows.append(_forest_row(label, values, change, 1, is_header=False))
    return rows


def _favors(network: Network) -> tuple[str, str]:
    """Words on either side of no difference."""
    sides = ("treatment better", f"{network.reference} better")
    return sides if network.small_values == "good" else (sides[1], sides[0])


def rankogram(network: Network, *, n_draws: int = 20_000, seed: int = 1, model: Any = None) -> Figure:
    """Probability of each rank, a panel a treatment, best first."""
    ranks = network.ranks(n_draws=n_draws, seed=seed, model=model)
    n = len(ranks.treatments)
    at = ranks.order()
    main = pl.DataFrame(
        {
            "treatment": [ranks.treatments[i] for i in at for _ in range(n)],
            "rank": list(range(1, n + 1)) * n,
            "probability": ranks.probability[at].ravel(),
            "cumulative": np.cumsum(ranks.probability[at], axis=1).ravel(),
        }
    )
    scores = pl.DataFrame(
        {
            "treatment": [ranks.treatments[i] for i in at],
            "sucra": ranks.sucra[at],
            "p_score": ranks.p_score[at],
            "rank_low": ranks.rank_low[at],
            "rank_high": ranks.rank_high[at],
        }
    )
    return Figure(
        id="rankogram",
        title="Probability of each rank",
        kind="rankogram",
        data={"main": main, "scores": scores},
        x_label="Rank",
        y_label="Probability",
        footnotes=(f"{ranks.n_draws:,} draws, seed {ranks.seed}; rank 1 is best",),
        options={"conf_level": network.conf_level},
    )


def net_heat(network: Network, *, model: Any = "common") -> Figure:
    """The net heat matrix, clustered so that hot spots stand together."""
    found = network.net_heat(model)
    if len(found.labels) < 2:
        raise EvidenceError(
            "there is no net heat plot of this network",
            where="plot: net_heat",
            found=f"{len(found.labels)} contrasts of designs that take part in an inconsistency",
            expected="two or more, in closed loops of different designs",
        )
    order = _clustered(np.nan_to_num(found.heat))
    rows = [
        (found.labels[i], found.labels[j], _number(found.heat[i, j]), float(found.share[i, j]))
        for i in order
        for j in order
    ]
    schema = {"row": pl.String, "column": pl.String, "heat": pl.Float64, "share": pl.Float64}
    effects = "common effects" if found.tau2 == 0 else f"τ² = {found.tau2:.3g} within designs"
    return Figure(
        id="net_heat",
        title="Net heat",
        kind="net_heat",
        data={"main": pl.DataFrame(rows, schema=schema, orient="row")},
        footnotes=(f"Inconsistency between designs, {effects}",),
        options={"labels": [found.labels[i] for i in order]},
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _clustered(heat: np.ndarray[Any, np.dtype[np.float64]]) -> list[int]:
    """The order of a complete-linkage tree on city-block distances of rows and of columns."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import pdist

    if len(heat) < 3:
        return list(range(len(heat)))
    distance = pdist(heat, "cityblock") + pdist(heat.T, "cityblock")
    return [int(i) for i in leaves_list(linkage(distance, "complete"))]


def funnel(network: Network, *, order: Sequence[str] | None = None, model: Any = None) -> Figure:
    """The comparison-adjusted funnel."""
    found = network.funnel(order, model)
    main = pl.DataFrame(
        {
            "label": list(found.study),
            "group": [f"{a} v {b}" for a, b in zip(found.treatment_1, found.treatment_2)],
            "effect": found.adjusted,
            "std_error": found.std_error,
        }
    )
    from scipy.special import ndtri

    test = "" if math.isnan(found.p_value) else f"Egger's test: P = {found.p_value:.3f}"
    return Figure(
        id="network_funnel",
        title="Comparison-adjusted funnel",
        kind="funnel",
        data={"main": main},
        x_label=(
            "Log " + MEASURES[network.measure].lower() if network.is_ratio else MEASURES[network.measure]
        )
        + ", less that of its comparison",
        y_label="Standard error",
        annotations=(test,) if test else (),
        footnotes=(test,) if test else (),
        options={"center": 0.0, "reach": float(ndtri(0.5 + network.conf_level / 2))},
    )


def league(
    network: Network,
    *,
    lower: Any = None,
    upper: str = "direct",
    order: Sequence[str] | None = None,
    digits: int = 2,
) -> Figure:
    """The league table as a picture; numbers in `main`."""
    lower = lower or network.model
    places = order_of(network, order, lower)
    below, above = league_numbers(network, lower), league_numbers(network, upper)
    null = 1.0 if network.is_ratio else 0.0
    rows = []
    for r, row in enumerate(places):
        for c, column in enumerate(places):
            if r == c:
                continue
            numbers, (i, j) = (below, (column, row)) if r > c else (above, (row, column))
            estimate, low, high = (_number(matrix[i, j]) for matrix in numbers)
            is_clear = (
                estimate is not None and low is not None and high is not None and not low <= null <= high
            )
            rows.append((network.treatments[row], network.treatments[column], estimate, low, high, is_clear))
    schema = {
        "row": pl.String,
        "column": pl.String,
        "estimate": pl.Float64,
        "conf_low": pl.Float64,
        "conf_high": pl.Float64,
        "is_clear": pl.Boolean,
    }
    halves = {
        "direct": "head-to-head studies",
        "common": "network, common effects",
        "random": "network, random effects",
    }
    return Figure(
        id="league",
        title="League table",
        kind="league",
        data={"main": pl.DataFrame(rows, schema=schema, orient="row")},
        footnotes=(
            f"{MEASURES[network.measure]} ({100 * network.conf_level:g}% CI), the left or upper treatment"
            f" against the other. Below the diagonal: {halves[lower]}; above: {halves[upper]}."
            " Bold: no difference excluded.",
        ),
        options={"order": [network.treatments[i] for i in places], "digits": digits},
    )


_KINDS: dict[str, Callable[..., Figure]] = {
    "network": network_plot,
    "forest": forest,
    "rankogram": rankogram,
    "net_heat": net_heat,
    "funnel": funnel,
    "league": league,
}
