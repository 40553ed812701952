"""A Bayesian network in words: its `repr`, which says first if it is not to be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from flarefree.evidence.networks.studies import MEASURES

if TYPE_CHECKING:
    from flarefree.evidence.bayes.result import BayesianNetwork

__all__ = ["banner", "describe", "warning_lines"]


def describe(network: BayesianNetwork) -> str:
    """Several lines: convergence, effects, heterogeneity, fit, splits, priors, sampling."""
    lines = [_head(network), *banner(network), "", *_effect_lines(network), ""]
    lines += [*_other_lines(network), *_split_lines(network), *_prior_lines(network)]
    lines += [f"sampling: {network.draws.settings}", repr(network.diagnostics).split("\n", 1)[0]]
    return "\n".join([*lines, *(f"note: {note}" for note in network.notes)])


def banner(network: BayesianNetwork) -> list[str]:
    """What stands above results of chains that did not converge; nothing otherwise."""
    told = list(network.diagnostics.complaints)
    for split in network.node_splits:
        pair = f"split {split.treatment_1} v {split.treatment_2}"
        told += [f"{pair}: {reason}" for reason in split.diagnostics.complaints]
    return warning_lines(told)


def warning_lines(complaints: Sequence[str]) -> list[str]:
    """The banner with its reasons; nothing where there are none."""
    if not complaints:
        return []
    return [
        "NOT CONVERGED: these numbers are not the posterior's and must not be used",
        *(f"  {reason}" for reason in complaints),
        "  try: more draws and warmup, target_acceptance=0.99, or priors that say more",
    ]


def _head(network: BayesianNetwork) -> str:
    patients = sum(network.data.totals.values())
    who = f", {patients:,.0f} patients" if patients else ""
    return (
        f"Bayesian network meta-analysis: {network.n_studies} studies{who},"
        f" {len(network.treatments)} treatments\n"
        f"{MEASURES[network.measure]}, {network.likelihood} likelihood ({network.link}),"
        f" {network.model} effects, {network.effects}"
    )


def _effect_lines(network: BayesianNetwork) -> list[str]:
    frame = network.tidy(exponentiate=True)
    if network.effects == "consistent":
        frame = frame.filter(frame["treatment_2"] == network.reference)
        label = [row["treatment_1"] for row in frame.iter_rows(named=True)]
        head = f"v {network.reference}"
    else:
        label = [f"{row['treatment_1']} v {row['treatment_2']}" for row in frame.iter_rows(named=True)]
        head = "comparison"
    width = max(12, len(head), *(len(text) for text in label))
    level = f"{100 * network.level:g}% credible"
    lines = [f"{head:<{width}}  {network.measure:>8}  {level:>18}  {'P(better)':>9}"]
    for text, row in zip(label, frame.iter_rows(named=True)):
        limits = f"{row['cred_low']:.3f} to {row['cred_high']:.3f}"
        lines.append(f"{text:<{width}}  {row['median']:8.3f}  {limits:>18}  {row['p_better']:9.3f}")
    return lines


def _other_lines(network: BayesianNetwork) -> list[str]:
    lines = []
    if network.model == "random":
        tail = (1 - network.level) / 2
        low, median, high = np.quantile(network.tau, [tail, 0.5, 1 - tail])
        lines.append(f"between-study SD tau: {median:.3f} ({low:.3f} to {high:.3f})")
    for row in network.slopes().iter_rows(named=True):
        lines.append(
            f"slope of {row['slope']}: {row['median']:.3f} ({row['cred_low']:.3f} to {row['cred_high']:.3f}),"
            f" effects at {network.covariate} = {network.covariate_at:.4g}"
        )
    lines.append(repr(network.fit))
    return lines


def _split_lines(network: BayesianNetwork) -> list[str]:
    if not network.node_splits:
        return []
    lines = ["node splits: median direct, indirect; P of no difference"]
    change = np.exp if network.is_ratio else np.asarray
    for split in network.node_splits:
        direct, indirect = (float(change(np.median(v))) for v in (split.direct, split.indirect))
        pair = f"{split.treatment_1} v {split.treatment_2}"
        lines.append(f"  {pair}: {direct:.3f}, {indirect:.3f}; P {split.p_value:.3f}")
    return lines


def _prior_lines(network: BayesianNetwork) -> list[str]:
    told = network.priors.lines(
        has_baseline=network.data.is_arms,
        is_random=network.model == "random",
        has_regression=bool(network.covariate),
    )
    return ["priors: " + "; ".join(told)]
