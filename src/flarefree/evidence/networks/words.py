"""A network in words: its `repr`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from flarefree.evidence.networks.studies import MEASURES

if TYPE_CHECKING:
    from flarefree.evidence.networks.result import Network

__all__ = ["describe"]

METHODS = {
    "DL": "moment estimator (DerSimonian-Laird)",
    "REML": "restricted maximum likelihood",
    "ML": "maximum likelihood",
    "PM": "Paule-Mandel",
    "MH": "Mantel-Haenszel",
    "NCH": "exact conditional likelihood",
    "GLMM": "likelihood of the counts, a baseline a study",
}


def describe(network: Network) -> str:
    """Several lines: what was pooled, every treatment against the reference, heterogeneity, consistency."""
    lines = [_head(network), "", *_effect_lines(network), *_heterogeneity_lines(network)]
    return "\n".join([*lines, *(f"note: {note}" for note in network.notes)])


def _head(network: Network) -> str:
    patients = sum(network.totals.values())
    who = f", {patients:,.0f} patients" if patients else ""
    studies = f"{network.n_studies} {'study' if network.n_studies == 1 else 'studies'}"
    return (
        f"Network meta-analysis: {studies}{who}, {len(network.treatments)} treatments\n"
        f"{MEASURES[network.measure]}, {network.model} effects, {METHODS[network.method]}"
    )


def _effect_lines(network: Network) -> list[str]:
    effects, at = network.effects_under(), network.reference_index
    level = f"{100 * network.conf_level:g}% limits"
    change = np.exp if network.is_ratio else np.asarray
    width = max(len(name) for name in network.treatments)
    lines = [f"{'v ' + network.reference:<{max(width, 12)}}  {network.measure:>8}  {level:>18}  {'P':>8}"]
    for i, name in enumerate(network.treatments):
        if i == at:
            continue
        value, low, high = (
            float(change(m[i, at])) for m in (effects.estimate, effects.conf_low, effects.conf_high)
        )
        p = float(effects.p_value[i, at])
        shown = "<0.0001" if p < 0.0001 else f"{p:.4f}"
        lines.append(f"{name:<{max(width, 12)}}  {value:8.3f}  {f'{low:.3f} to {high:.3f}':>18}  {shown:>8}")
    return lines


def _heterogeneity_lines(network: Network) -> list[str]:
    found = network.heterogeneity
    if found is None:
        fitted = network.likelihood
        assert fitted is not None
        if network.method == "MH":
            return ["", f"between designs: Q = {fitted.q:.2f}, df = {fitted.df}, P = {_p(fitted.p_value)}"]
        tau = f"; tau2 = {fitted.tau2:.4f}" if network.model == "random" else ""
        return ["", f"log likelihood {fitted.log_likelihood:.2f}, AIC {fitted.aic:.2f}{tau}"]
    if not found.df:
        return ["", "heterogeneity cannot be estimated: no two studies tell the same thing"]
    parts = network.consistency
    return [
        "",
        f"tau2 = {found.tau2:.4f} (tau {found.tau:.4f}), I2 = {100 * found.i2:.1f}%"
        f" ({100 * found.i2_low:.1f} to {100 * found.i2_high:.1f})",
        f"Q total   {found.q:9.2f}  df {found.df:3d}  P {_p(found.p_value)}",
        f"  within  {parts.q_within:9.2f}  df {parts.df_within:3d}  P {_p(parts.p_within)}",
        f"  between {parts.q_between:9.2f}  df {parts.df_between:3d}  P {_p(parts.p_between)}"
        " (designs: inconsistency)",
    ]


def _p(value: float) -> str:
    return "--" if math.isnan(value) else "<0.0001" if value < 0.0001 else f"{value:.4f}"
