"""A pooled result in words, for a terminal or a notebook."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flarefree.stats.distributions import chi_square_tail
from flarefree.stats.estimates import text_table
from flarefree.stats.frames import number, p_text, significant

if TYPE_CHECKING:
    from flarefree.evidence.pooling.results import Pairwise

__all__ = ["describe_pairwise"]


def describe_pairwise(result: Pairwise) -> str:
    measure = result.measure
    label = measure.label[0].upper() + measure.label[1:]
    trials = f"{result.k} trial{'' if result.k == 1 else 's'}"
    lines = [f"{label}, {result.treatment} v {result.reference}: {trials}, {result.question.label}"]
    lines += _estimate_lines(result) if result.terms is None else _regression_lines(result)
    lines += _heterogeneity_lines(result)
    if result.trials.left_out:
        gone = "; ".join(f"{study} ({why})" for study, why in result.trials.left_out)
        lines.append(f"  no effect from: {gone}")
    lines += [f"  {note}" for note in result.notes]
    return "\n".join(lines)


def _estimate_lines(r: Pairwise) -> list[str]:
    percent = f"{100 * r.conf_level:g}%"
    test = "exact" if r.exact else f"z = {number(r.statistic, 4)}" if math.isinf(r.df) else _t_text(r)
    lines = [
        f"  {r.measure.key} {significant(r.estimate, 4)} ({percent} CI {significant(r.conf_low, 4)} to "
        f"{significant(r.conf_high, 4)}), {test}, p = {p_text(r.p_value)}"
    ]
    if r.question.is_random:
        kind = "normal" if math.isinf(r.prediction_df) else f"t, {r.prediction_df:g} df"
        if math.isnan(r.prediction_low):
            lines.append("  no prediction interval: too few trials")
        else:
            lines.append(
                f"  {percent} prediction interval {significant(r.prediction_low, 4)} to "
                f"{significant(r.prediction_high, 4)} ({kind})"
            )
    return lines


def _t_text(r: Pairwise) -> str:
    return f"t = {number(r.statistic, 4)} on {r.df:g} df"


def _regression_lines(r: Pairwise) -> list[str]:
    scale = f"log {r.measure.label}" if r.measure.is_ratio else r.measure.label
    rows = r.coefficients
    body = [
        (
            row["term"],
            number(row["estimate"]),
            number(row["std_error"]),
            number(row["statistic"], 4),
            p_text(row["p_value"]),
            f"{number(row['conf_low'])} to {number(row['conf_high'])}",
        )
        for row in rows
    ]
    statistic, m, below, p = r.moderator_test
    test = (
        f"QM = {number(statistic)} on {m} df"
        if math.isinf(below)
        else f"F = {number(statistic)} on {m}, {below:g} df"
    )
    explained = "" if math.isnan(r.r2) else f"; {r.r2:.1f}% of tau2 explained"
    header = (
        scale,
        "coefficient",
        "SE",
        "z" if math.isinf(r.df) else "t",
        "p",
        f"{100 * r.conf_level:g}% limits",
    )
    return [*text_table(header, body), f"  Moderators: {test}, p = {p_text(p)}{explained}"]


def _heterogeneity_lines(r: Pairwise) -> list[str]:
    if r.q_df < 1:
        return ["  heterogeneity cannot be judged from these trials"]
    parts = []
    if not math.isnan(r.q):
        parts.append(f"Q = {number(r.q)} on {r.q_df} df, p = {p_text(chi_square_tail(r.q, r.q_df))}")
    if r.question.is_random:
        (low, high), (i_low, i_high) = r.tau2_limits, r.i2_limits
        known = not math.isnan(low)
        parts.append(f"tau2 = {number(r.tau2)}" + (f" ({number(low)} to {number(high)})" if known else ""))
        parts.append(f"I2 = {r.i2:.1f}%" + (f" ({i_low:.1f} to {i_high:.1f})" if known else ""))
    else:
        if not math.isnan(r.i2):
            parts.append(f"I2 = {r.i2:.1f}%")
    if not parts:
        return []
    return ["  Heterogeneity: " + "; ".join(parts)]
