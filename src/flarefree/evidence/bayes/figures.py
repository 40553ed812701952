"""A Bayesian network's figures as data: frames and words that `flarefree.reports.figures` draws.

Each carries a footnote where the chains did not converge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import EvidenceError
from flarefree.evidence.bayes.result import BayesianNetwork
from flarefree.evidence.bayes.tables import interval, pair_draws, shown_pairs
from flarefree.evidence.networks.studies import MEASURES
from flarefree.results import Figure

__all__ = ["figure_of", "trace_figure", "warn"]

TRACE_POINTS = 250  # a chain's line: more would be finer than print
RANK_BINS = 20


def figure_of(network: BayesianNetwork, kind: str, **options: Any) -> Figure:
    """The figure of that kind."""
    if kind not in _KINDS:
        raise EvidenceError(
            "no such figure of a Bayesian network",
            where="plot: kind",
            found=repr(kind),
            expected=", ".join(_KINDS),
        )
    complaints = [*network.diagnostics.complaints]
    complaints += [c for split in network.node_splits for c in split.diagnostics.complaints]
    return warn(_KINDS[kind](network, **options), complaints)


def warn(figure: Figure, complaints: Sequence[str]) -> Figure:
    """The figure, marked where it will be seen if the chains did not converge."""
    if not complaints:
        return figure
    warning = "NOT CONVERGED: " + "; ".join(complaints)
    return replace(
        figure,
        title=f"NOT CONVERGED: {figure.title}",
        x_label=f"NOT CONVERGED: {figure.x_label}",  # drawings show it, whatever page they stand on
        footnotes=(*figure.footnotes, warning),
        annotations=(*figure.annotations, warning),
    )


def forest(network: BayesianNetwork, *, split: bool = False) -> Figure:
    """Every treatment against the reference (or every comparison, unrelated); `split` the node splits."""
    change = np.exp if network.is_ratio else np.asarray
    if split:
        rows = _split_rows(network, change)
    else:
        flat = pair_draws(network).reshape(-1, len(shown_pairs(network)))
        rows = [
            _row(
                network.treatments[a]
                if network.effects == "consistent"
                else f"{network.treatments[a]} v {network.treatments[b]}",
                flat[:, k],
                network.level,
                change,
            )
            for k, (a, b) in enumerate(shown_pairs(network))
            if b == 0 or network.effects != "consistent"
        ]
    consistent = network.effects == "consistent" and not split
    return Figure(
        id="bayesian_forest",
        title="Direct and indirect evidence"
        if split
        else f"Effects against {network.reference}"
        if consistent
        else "Unrelated mean effects",
        kind="forest",
        data={"main": pl.DataFrame(rows, infer_schema_length=None)},
        x_label=f"{MEASURES[network.measure]} ({100 * network.level:g}% credible interval)",
        footnotes=(f"Posterior medians; {network.draws.settings}",),
        options={
            "null": 1.0 if network.is_ratio else 0.0,
            "stub": f"Treatment v {network.reference}" if consistent else "Comparison",
        },
    )


def _row(
    label: str, draws: Any, level: float, change: Any, indent: int = 0, is_header: bool = False
) -> dict[str, Any]:
    median, low, high = (float(change(v)) for v in interval(draws, level))
    return {
        "label": label,
        "estimate": median,
        "conf_low": low,
        "conf_high": high,
        "indent": indent,
        "is_header": is_header,
    }


def _split_rows(network: BayesianNetwork, change: Any) -> list[dict[str, Any]]:
    if not network.node_splits:
        raise EvidenceError(
            "no comparison was split", where="plot: split", try_="bayesian_network(..., node_split='all')"
        )
    rows = []
    for found in network.node_splits:
        pair = f"{found.treatment_1} v {found.treatment_2}"
        whole = network.effect(found.treatment_1, found.treatment_2)
        rows.append(_row(f"{pair}, P {found.p_value:.2f}", whole, network.level, change, is_header=True))
        for label, draws in (("direct", found.direct), ("indirect", found.indirect)):
            rows.append(_row(label, draws, network.level, change, indent=1))
    return rows


def rankogram(network: BayesianNetwork) -> Figure:
    """Posterior probability of each rank."""
    ranks = network.ranks()
    n = len(ranks.treatments)
    at = ranks.order()
    main = pl.DataFrame(
        {
            "treatment": [ranks.treatments[k] for k in at for _ in range(n)],
            "rank": list(range(1, n + 1)) * n,
            "probability": ranks.probability[at].ravel(),
            "cumulative": np.cumsum(ranks.probability[at], axis=1).ravel(),
        }
    )
    scores = pl.DataFrame(
        {
            "treatment": [ranks.treatments[k] for k in at],
            "sucra": ranks.sucra[at],
            "rank_low": ranks.rank_low[at],
            "rank_high": ranks.rank_high[at],
        }
    )
    return Figure(
        id="bayesian_rankogram",
        title="Posterior probability of each rank",
        kind="rankogram",
        data={"main": main, "scores": scores},
        x_label="Rank",
        y_label="Probability",
        footnotes=(f"{ranks.n_draws:,} draws of the posterior; rank 1 is best",),
        options={"conf_level": network.level},
    )


def trace(network: BayesianNetwork) -> Figure:
    """Every coefficient and tau: the chains' courses, and how their draws rank among all."""
    d = network.draws.sites["d"]
    named = {p: d[:, :, k] for k, p in enumerate(network.diagnostics.parameters[: d.shape[2]])}
    if "tau" in network.draws.sites:
        named["tau"] = network.draws.sites["tau"]
    if "slope" in network.draws.sites:
        named["slope: baseline"] = network.draws.sites["slope"]
    worth = dict(zip(network.diagnostics.parameters, network.diagnostics.worth.r_hat))
    return trace_figure(named, {p: float(worth[p]) for p in named}, str(network.draws.settings))


def trace_figure(named: dict[str, Any], r_hat: dict[str, float], settings: str) -> Figure:
    """Of (chains, draws) by parameter."""
    from scipy.stats import rankdata

    courses, ranks = [], []
    for parameter, draws in named.items():
        chains, n = draws.shape
        step = max(1, n // TRACE_POINTS)
        rank = rankdata(draws).reshape(draws.shape)
        edges = np.linspace(0.5, draws.size + 0.5, RANK_BINS + 1)
        for c in range(chains):
            kept = draws[c, ::step]
            courses.append(
                pl.DataFrame(
                    {
                        "parameter": [parameter] * len(kept),
                        "chain": [c + 1] * len(kept),
                        "draw": np.arange(1, n + 1)[::step],
                        "value": kept,
                    }
                )
            )
            count = np.histogram(rank[c], edges)[0]
            ranks.append(
                pl.DataFrame(
                    {
                        "parameter": [parameter] * RANK_BINS,
                        "chain": [c + 1] * RANK_BINS,
                        "bin": np.arange(1, RANK_BINS + 1),
                        "n": count.astype(np.int64),
                        "expected": [n / RANK_BINS] * RANK_BINS,
                    }
                )
            )
    labels = pl.DataFrame({"parameter": list(named), "r_hat": [r_hat[p] for p in named]})
    return Figure(
        id="trace",
        title="Chains, and ranks of their draws",
        kind="trace",
        data={"main": pl.concat(courses), "ranks": pl.concat(ranks), "labels": labels},
        x_label="Draw",
        y_label="Value",
        footnotes=(f"{settings}. Ranks of each chain's draws among all draws: level where chains agree.",),
    )


def leverage(network: BayesianNetwork) -> Figure:
    """Each arm's leverage against its root deviance; curves of equal parts in the DIC [dias2011]."""
    fit = network.fit
    main = pl.DataFrame(
        {
            "label": [f"{study}, {unit}" for study, unit in zip(fit.study, fit.unit)],
            "root_deviance": fit.sign * np.sqrt(np.maximum(fit.deviance, 0.0)),
            "leverage": fit.leverage,
            "dic": fit.deviance + fit.leverage,
        }
    )
    return Figure(
        id="leverage",
        title="Leverage and deviance of each " + ("arm" if network.data.is_arms else "contrast"),
        kind="leverage",
        data={"main": main},
        x_label="Root of the residual deviance, signed",
        y_label="Leverage",
        footnotes=(f"{fit!r}. Curves: parts of 1, 2 and 3 in the DIC; named: more than 3.",),
        options={"name_above": 3.0, "curves": (1.0, 2.0, 3.0)},
    )


def network_plot(network: BayesianNetwork) -> Figure:
    """Treatments on a circle, as large as they were studied."""
    n = len(network.treatments)
    schema = {"treatment_1": pl.String, "treatment_2": pl.String, "n_studies": pl.Int64}
    counts = {(i, j): int(network.data.studies_with(i, j).sum()) for i in range(n) for j in range(i + 1, n)}
    edges = [(network.treatments[i], network.treatments[j], k) for (i, j), k in counts.items() if k]
    nodes = pl.DataFrame(
        {
            "treatment": list(network.treatments),
            "n_studies": [int(network.data.studies_with(k).sum()) for k in range(n)],
            "n": [network.data.totals.get(name) for name in network.treatments],
        },
        schema={"treatment": pl.String, "n_studies": pl.Int64, "n": pl.Float64},
    )
    return Figure(
        id="network",
        title="Network of treatments",
        kind="network_plot",
        data={"main": pl.DataFrame(edges, schema=schema, orient="row"), "nodes": nodes},
        footnotes=(f"{network.n_studies} studies",),
        options={"reference": network.reference},
    )


_KINDS: dict[str, Callable[..., Figure]] = {
    "network": network_plot,
    "forest": forest,
    "rankogram": rankogram,
    "trace": trace,
    "leverage": leverage,
}
