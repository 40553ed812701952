"""Comparisons and hold-outs as plain text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flarefree.simulation.calibration.comparing import Comparison, Row
    from flarefree.simulation.calibration.hold_outs import Prediction

__all__ = ["interval_text", "number_text", "tell_comparison", "tell_hold_outs"]

_LABEL = 52


def number_text(value: float, digits: int) -> str:
    """A number with so many decimals, as the published one has them."""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return f"{value:.{digits}f}"


def interval_text(row: Row, *, at_point: bool = False) -> str:
    """`14 to 30`."""
    low, high = (row.point_low, row.point_high) if at_point else (row.low, row.high)
    digits = row.target.digits
    return f"{number_text(low, digits)} to {number_text(high, digits)}"


def tell_comparison(found: Comparison) -> str:
    """The comparison as text."""
    lines = [
        f"{found.trial}: published numbers beside {found.trials:,} virtual trials of the same size",
        f"Virtual patients, over {found.draws} draws of the posterior; seed {found.seed}.",
        "Interval: 95% of virtual trials. PIT: part of them below what was published. ! marks one outside.",
        "",
        f"  {'':<{_LABEL}}{'published':>10}{'mean':>10}  {'interval':<20}{'at the point':<20}"
        f"{'PIT':>5}  used",
    ]
    lines += [_line(row) for row in found.rows]
    lines += ["", "Inside their intervals", *(_coverage(found))]
    lines += ["", "All together"]
    lines += [
        f"  {j.of}: distance {j.distance:.1f} in {j.rank} directions; "
        f"{j.p_value:.3f} of virtual trials lie farther out"
        for j in found.joint
    ]
    lines += ["", "What always holds"]
    lines += [
        f"  {i.says}: {'holds' if not i.broken else f'BROKEN for {i.broken}'} ({i.patients:,} patients)"
        for i in found.invariants
    ]
    if found.power:
        lines += ["", "Power"]
        lines += [
            f"  {p.label:<62}{p.power:>6.3f} ± {p.std_error:.4f}  {p.note}".rstrip() for p in found.power
        ]
    lines += ["", *_weak(found)]
    if found.not_produced:
        lines += ["", "Published, and not produced"]
        lines += [f"  {numbers}: {reason}" for numbers, reason in found.not_produced]
    return "\n".join(lines)


def _line(row: Row) -> str:
    t = row.target
    label = f"{t.label}{f', {t.arm}' if t.arm else ''}"
    digits = t.digits + (1 if t.is_count else 0)
    return (
        f"{' ' if row.is_inside else '!'} {label:<{_LABEL}}{number_text(t.value, t.digits):>10}"
        f"{number_text(row.mean, digits):>10}  {interval_text(row):<20}"
        f"{interval_text(row, at_point=True):<20}"
        f"{row.pit:>5.2f}  {t.status}"
    )


def _coverage(found: Comparison) -> list[str]:
    return [
        f"  {c.of}: {c.inside} of {c.count}; by chance {c.low} to {c.high} "
        f"({c.binomial_low} to {c.binomial_high} were they independent)"
        for c in found.coverage
    ]


def _weak(found: Comparison) -> list[str]:
    lines = ["How far the published numbers tell of the parameters (posterior SD against prior SD)"]
    ordered = sorted(found.spread.items(), key=lambda item: item[1])
    lines += [
        "  " + "; ".join(f"{name} {ratio:.2f}" for name, ratio in ordered[i : i + 5])
        for i in range(0, len(ordered), 5)
    ]
    lines.append("Strongest correlations of parameters")
    lines += [
        "  " + "; ".join(f"{a} with {b} {r:+.2f}" for a, b, r in found.strongest[i : i + 3])
        for i in range(0, len(found.strongest), 3)
    ]
    return lines


def tell_hold_outs(found: Sequence[Prediction]) -> str:
    """Predictions of what nothing was fitted to, as text."""
    lines = [
        "Trials that nothing was fitted to, predicted; intervals hold 95% of virtual trials of their size.",
        "As ALMS: flares as frequent as there.  Elsewhere: with a factor of the trial's own.  !: outside.",
        "",
        f"  {'':<58}{'published':>10}  {'as ALMS':<16}{'elsewhere':<16}{'PIT':>5}  factor asked for",
    ]
    trial = ""
    for p in found:
        if p.trial != trial:
            lines += [f"  {p.trial} [{p.source}]: {p.note}", f"    Left out: {p.misses}"]
            trial = p.trial
        label = f"{p.label}{f', {p.arm}' if p.arm else ''}"
        near = f"{number_text(p.low, p.digits)} to {number_text(p.high, p.digits)}"
        far = f"{number_text(p.elsewhere_low, p.digits)} to {number_text(p.elsewhere_high, p.digits)}"
        asked = "" if math.isnan(p.factor) else f"{p.factor:.2f} ({p.factor_low:.2f} to {p.factor_high:.2f})"
        mark = " " if p.is_inside else "!"
        lines.append(
            f"{mark} {label:<58}{number_text(p.published, p.digits):>10}  {near:<16}{far:<16}"
            f"{p.pit:>5.2f}  {asked}".rstrip()
        )
    return "\n".join(lines)
