"""A multilevel network in words: its `repr`, which says first if it is not to be used."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from flarefree.evidence.bayes.words import warning_lines
from flarefree.evidence.populations.effects import EFFECTS

if TYPE_CHECKING:
    from flarefree.evidence.populations.ml_nmr_result import MultilevelNetwork

__all__ = ["describe"]


def describe(network: MultilevelNetwork) -> str:
    """Several lines."""
    data = network.data
    n_own = len(np.unique(data.study))
    lines = [
        f"Multilevel network meta-regression: {n_own} studies of {len(data.rows)} individuals,"
        f" {len(data.coefficients.studies) - n_own} published; {len(network.treatments)} treatments",
        f"{EFFECTS[network.measure].capitalize()}, {_likelihood(network)}, {network.model} effects,"
        f" {network.interactions} interactions",
        *warning_lines(network.diagnostics.complaints),
        "",
        *_effect_lines(network),
        "",
        *_coefficient_lines(network),
    ]
    if "tau" in network.draws.sites:
        low, median, high = network._interval(network.draws.flat("tau"))
        lines.append(f"between-study SD tau: {median:.3f} ({low:.3f} to {high:.3f})")
    told = network.priors.lines(has_baseline=True, is_random=network.model == "random", has_regression=True)
    lines.append("priors: " + "; ".join(told) + " by SD of the covariate" + _time_prior(network))
    error = network.integration_error
    lines.append(
        f"{network.n_points} points a published study; twice as many would change its arms by"
        f" {100 * error:.2g}% at most" + (": TOO FEW POINTS" if error > 0.005 else "")
    )
    lines.append(f"sampling: {network.draws.settings}")
    lines.append(repr(network.diagnostics).split("\n", 1)[0])
    return "\n".join([*lines, *(f"assumed: {a}" for a in network.assumptions)])


def _likelihood(network: MultilevelNetwork) -> str:
    if network.baseline is None:
        return "binomial likelihood (logit)"
    steps = f" with steps at {', '.join(f'{b:g}' for b in network.baseline.breaks)}"
    return f"{network.baseline.kind} hazards" + (steps if network.baseline.breaks else "")


def _time_prior(network: MultilevelNetwork) -> str:
    if "time" not in network.draws.sites:
        return ""
    kind = network.baseline.kind if network.baseline is not None else ""
    return "; log shapes normal(0, SD 1)" if kind == "weibull" else "; log steps normal(0, SD 1)"


def _effect_lines(network: MultilevelNetwork) -> list[str]:
    frame = network.tidy().filter(network.tidy()["treatment_2"] == network.treatments[0])
    head = f"v {network.treatments[0]}, in the population of"
    width = max(
        len(head),
        *(len(row["population"]) + len(row["treatment_1"]) + 4 for row in frame.iter_rows(named=True)),
    )
    lines = [f"{head:<{width}}  {network.measure:>7}  {f'{100 * network.level:g}% credible':>18}"]
    for row in frame.iter_rows(named=True):
        median, low, high = (math.exp(row[c]) for c in ("median", "cred_low", "cred_high"))
        label = f"{row['treatment_1']}, {row['population']}"
        lines.append(f"{label:<{width}}  {median:7.3f}  {f'{low:.3f} to {high:.3f}':>18}")
    return lines


def _coefficient_lines(network: MultilevelNetwork) -> list[str]:
    names = network.data.coefficients
    frame = network.coefficients()
    places = [
        *range(len(names.names))[names.part("covariate")],
        *range(len(names.names))[names.part("interaction")],
    ]
    lines = ["by one unit of the covariate:"]
    for k in places:
        row = frame.row(k, named=True)
        limits = f"({row['cred_low']:+.4f} to {row['cred_high']:+.4f})"
        lines.append(f"  {row['coefficient']:<28} {row['median']:+.4f} {limits}")
    return lines
