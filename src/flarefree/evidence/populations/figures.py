"""Data of a transport's figures: `flarefree.reports.figures` draws them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from flarefree.errors import EvidenceError
from flarefree.evidence.populations.effects import EFFECTS, IS_RATIO
from flarefree.results import Figure
from flarefree.stats.distributions import normal_quantile
from flarefree.stats.margins import LogNormal, Margin

if TYPE_CHECKING:
    from flarefree.evidence.populations.result import Transport

__all__ = ["FIGURES"]

BINS = 24
TAIL = 0.005  # of a margin, left out of its drawing


def overlap_figure(carried: Transport) -> Figure:
    """A love plot and, of each measurement, the two distributions overlaid."""
    overlap = carried.overlap
    main = overlap.tidy().with_columns(is_share=pl.Series([t.is_share for t in overlap.terms]))
    share = f"{overlap.ess:.1f} of {overlap.n} ({100 * overlap.ess_share:.0f}%)"
    notes = [f"Overlap coefficient {overlap.coefficient:.2f}"]
    if math.isfinite(overlap.ess):
        notes.append(f"Effective sample size {share}")
    return Figure(
        id="overlap",
        title=f"{overlap.source} and {overlap.target}",
        kind="overlap",
        data={"main": main, "margins": _densities(carried)},
        x_label="Standardized mean difference (source less target)",
        annotations=tuple(notes),
        footnotes=tuple(f"Extrapolated: {reason}" for reason in overlap.reasons),
        options={"source": overlap.source, "target": overlap.target, "threshold": 0.1},
    )


def weights_figure(carried: Transport) -> Figure:
    """How the weights are spread."""
    if carried.weights is None:
        raise EvidenceError(
            f"method {carried.method} has no weights", where="kind", found="'weights'", try_='kind="overlap"'
        )
    counts, edges = np.histogram(carried.weights, bins=BINS, range=(0.0, float(carried.weights.max())))
    overlap = carried.overlap
    main = pl.DataFrame({"low": edges[:-1], "high": edges[1:], "n": counts.astype(np.int64)})
    return Figure(
        id="weights",
        title=f"Weights of {overlap.source} for {overlap.target}",
        kind="weights",
        data={"main": main},
        x_label="Weight (mean 1)",
        y_label="Patients",
        annotations=(
            f"Effective sample size {carried.ess:.1f} of {overlap.n} ({100 * carried.ess / overlap.n:.0f}%)",
            f"Largest weight {carried.weights.max():.1f}",
        ),
        footnotes=tuple(f"Extrapolated: {reason}" for reason in overlap.reasons),
    )


def effect_figure(carried: Transport) -> Figure:
    """The effect in the source, in the target, and with the factor between populations."""
    labels = {
        "source": f"{carried.overlap.source}, as it is",
        "target": carried.overlap.target,
        "target with population factor": "with population factor",
    }
    main = carried.tidy().with_columns(
        label=pl.col("term").replace_strict(labels)
        + pl.when("extrapolated").then(pl.lit(" (extrapolated)")).otherwise(pl.lit(""))
    )
    return Figure(
        id="transported-effect",
        title=f"{EFFECTS[carried.effect].capitalize()}, {carried.treatment} against {carried.reference}",
        kind="forest",
        data={"main": main.select("label", "term", "estimate", "conf_low", "conf_high")},
        x_label=f"{EFFECTS[carried.effect].capitalize()} ({100 * carried.level:g}% CI)",
        footnotes=tuple(f"Extrapolated: {reason}" for reason in carried.overlap.reasons),
        options={
            "null": 1.0 if IS_RATIO[carried.effect] else 0.0,
            "stub": "Population",
        },
    )


FIGURES: dict[str, Callable[[Transport], Figure]] = {
    "effect": effect_figure,
    "overlap": overlap_figure,
    "weights": weights_figure,
}


def _densities(carried: Transport) -> pl.DataFrame:
    """Of each measurement: the share of source, weighted source and target in bins of equal width."""
    columns, target = carried.details.get("columns", {}), carried.details["target"]
    parts = []
    measured = [t for t in carried.overlap.terms if not t.is_share and not t.level and t.power == 1]
    for term in measured:
        if term.covariate not in columns:
            continue
        values = np.asarray(columns[term.covariate], dtype=float)
        theirs = None if target.columns is None else np.asarray(target.columns[term.covariate], dtype=float)
        margin = target.margins[term.covariate]
        low, high = _range(margin) if theirs is None else (float(theirs.min()), float(theirs.max()))
        edges = np.linspace(min(low, float(values.min())), max(high, float(values.max())), BINS + 1)
        shares = {"source": np.histogram(values, edges)[0] / len(values)}
        if carried.weights is not None:
            counted = np.histogram(values, edges, weights=carried.weights)[0]
            shares["weighted"] = counted / carried.weights.sum()
        shares["target"] = (
            _shares(margin, edges) if theirs is None else np.histogram(theirs, edges)[0] / len(theirs)
        )
        for group, share in shares.items():
            parts.append(
                pl.DataFrame(
                    {
                        "term": [term.label] * BINS,
                        "group": [group] * BINS,
                        "low": edges[:-1],
                        "high": edges[1:],
                        "share": share,
                    }
                )
            )
    empty = {
        "term": pl.String,
        "group": pl.String,
        "low": pl.Float64,
        "high": pl.Float64,
        "share": pl.Float64,
    }
    return pl.concat(parts) if parts else pl.DataFrame(schema=empty)


def _range(margin: Margin) -> tuple[float, float]:
    ends = margin.values(np.array([normal_quantile(TAIL), normal_quantile(1 - TAIL)]))
    if isinstance(margin, LogNormal):
        ends[0] = 0.0
    return float(ends[0]), float(ends[1])


def _shares(margin: Margin, edges: np.ndarray) -> np.ndarray:
    """A margin's probability in each bin, by its quantiles at many equally likely places."""
    from scipy.special import ndtri

    z = ndtri((np.arange(20_000) + 0.5) / 20_000)
    return np.histogram(np.asarray(margin.values(z), dtype=float), edges)[0] / len(z)
