"""Contrast rows whose arms are strongly correlated: reduced weights are negative, and shares still add up."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
import pytest

from flarefree.evidence.networks import network
from flarefree.evidence.networks.contributions import edge_weights


def test_contributions_add_up_where_arms_are_strongly_correlated() -> None:
    """Reduced weights are negative then: current runs uphill, and in loops that carry nothing."""
    rng = np.random.default_rng(13)
    rows = []
    for study in range(14):
        arms = [study % 4, study % 4 + 1] if study < 4 else sorted(rng.choice(5, 3, replace=False).tolist())
        root = 0.2 * rng.normal(size=(len(arms), len(arms))) + 0.15 * np.eye(len(arms))
        spread, effect = root @ root.T, rng.normal(0, 0.4, len(arms))
        for i, j in combinations(range(len(arms)), 2):
            variance = spread[i, i] + spread[j, j] - 2 * spread[i, j]
            rows.append((f"s{study}", f"t{arms[i]}", f"t{arms[j]}", effect[i] - effect[j], variance**0.5))
    names = ["study", "treatment_1", "treatment_2", "estimate", "std_error"]
    found = network([dict(zip(names, row)) for row in rows], measure="HR")
    weights = edge_weights(found.studies, found.treatments, 0.0)
    assert min(sum(own.values()) for own in weights.values()) < 0  # else this shows nothing
    for streams in ("random_walk", "shortest_path"):
        share = found.contributions("common", streams).share
        assert share.sum(axis=1) == pytest.approx(np.ones(len(share)), abs=1e-12)
        assert share.min() >= 0
    shares = (
        found.study_contributions("common").group_by("treatment_1", "treatment_2").agg(pl.col("share").sum())
    )
    assert shares["share"].to_numpy() == pytest.approx(np.ones(len(shares)), abs=1e-12)
    assert found.study_contributions("common")["share"].min() >= 0
