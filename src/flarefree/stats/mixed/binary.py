"""Responses of yes and no: how they may be written, and what they must allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.mixed.algebra import Floats
from flarefree.stats.mixed.quadrature import Clusters

if TYPE_CHECKING:
    from flarefree.stats.formula import Design

__all__ = ["binary_rows", "require_repeats"]


def binary_rows(design: Design) -> tuple[Floats, Floats, Floats | None, NDArray[np.intp]]:
    """Design, outcome (0 or 1), weights if there are counts, and the row that each comes from."""
    every = np.arange(design.n)
    if design.response_kind == "counts":
        counts = np.concatenate([design.response["successes"], design.response["failures"]])
        if (counts < 0).any():
            raise StatsError("counts cannot be negative", where="cbind", found=f"{counts.min():g}")
        yes = np.repeat([1.0, 0.0], design.n)
        kept = counts > 0
        index = np.concatenate([every, every])[kept]
        return design.matrix[index], yes[kept], counts[kept], index
    if design.response_kind == "category" and len(design.response_levels) != 2:
        raise StatsError(
            "the response must have two levels",
            where="formula",
            found=", ".join(design.response_levels[:6]),
            expected="0 and 1, a boolean, or two texts",
        )
    yes = design.response.get("y", np.empty(0))
    odd = yes[(yes != 0) & (yes != 1)]
    if design.response_kind not in ("numeric", "category") or len(odd):
        raise StatsError(
            "the response must be 0 or 1",
            where="formula",
            found=f"{odd[0]:g} in {len(odd)} rows"
            if len(odd)
            else f"a response of kind {design.response_kind}",
            expected="0 and 1, a boolean, or two texts",
        )
    return design.matrix, yes, None, every


def require_repeats(clusters: Clusters) -> None:
    """Refuse data from which the spread of intercepts cannot be told."""
    weight = np.ones(len(clusters.sign)) if clusters.weight is None else clusters.weight
    if (clusters.total(weight) < 2).all():
        raise StatsError(
            "every subject has one row, so its intercept cannot be told from chance",
            where="data",
            found=f"{clusters.n_subjects} rows of {clusters.n_subjects} subjects",
            expected="some subjects with two visits or more",
            try_="an ordinary logistic model",
        )
    seen_yes = clusters.total(np.where(clusters.sign > 0, weight, 0.0)) > 0
    seen_no = clusters.total(np.where(clusters.sign < 0, weight, 0.0)) > 0
    if not (seen_yes & seen_no).any():
        raise StatsError(
            "no subject's outcome ever differs between visits: the spread of intercepts is without limit",
            where="data",
            found=f"{int(seen_yes.sum())} subjects with yes throughout, {int(seen_no.sum())} with no",
            expected="some subjects with both outcomes",
            try_="a model of one outcome a subject",
        )
