"""Confidence limits: their order, their symmetry, and what they imply of events and P values.

docs/methods/audit.md, section Limits.  Every comparison allows for the rounding of all three numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from flarefree.evidence.auditing.findings import Certainty, Checked, Finding, finding_at
from flarefree.evidence.auditing.printed import Printed
from flarefree.evidence.auditing.sheet import Comparison, Sheet
from flarefree.evidence.auditing.two_by_two import quick_p_values
from flarefree.stats.distributions import normal_p, normal_quantile

__all__ = [
    "check_limits_against_events",
    "check_limits_against_p_values",
    "check_order_of_limits",
    "check_symmetry_of_limits",
]

ORDER, SYMMETRY, EVENTS, P_VALUE = (
    "order of limits",
    "symmetry of limits",
    "limits against events",
    "limits against P value",
)
RATIOS = frozenset({"HR", "SHR", "RR", "OR", "IRR", "RATE RATIO", "RATIO", "AHR", "AOR", "ARR"})
DIFFERENCES = frozenset({"RD", "MD", "SMD", "DIFFERENCE", "ARD"})
PERCENTS = frozenset({"PERCENT", "RISK", "PROPORTION", "SURVIVAL", "KM", "CUMULATIVE INCIDENCE"})
MUCH_ASYMMETRY = 1.25  # beyond what profile likelihood or t limits do to a hazard ratio
NEVER_EVEN = ("bayes", "credible", "exact", "bootstrap", "profile", "quantile", "median")
GAP, LARGE_GAP = (
    0.5,
    1.0,
)  # between the z of limits and of P value: Wald, score and likelihood ratio differ by less

Scale = Callable[[float], float]


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def _logit(x: float) -> float:
    return _log(x / (1 - x)) if x < 1 else math.inf


def _log_log(x: float) -> float:
    return _log(-math.log1p(-x)) if x < 1 else math.inf


def _same(x: float) -> float:
    return x


SCALES: dict[str, Scale] = {"arithmetic": _same, "log": _log, "logit": _logit, "log(-log)": _log_log}


def _with_limits(sheet: Sheet) -> list[Comparison]:
    found = []
    for c in sheet.comparisons:
        trio = (c.anchor.estimate, c.anchor.lower, c.anchor.upper)
        if all(x is not None and x.is_exact for x in trio):
            found.append(c)
    return found


def _trio(c: Comparison) -> tuple[Printed, Printed, Printed]:
    estimate, lower, upper = c.anchor.estimate, c.anchor.lower, c.anchor.upper
    assert estimate is not None and lower is not None and upper is not None  # as in `_with_limits`
    return estimate, lower, upper


def _z(c: Comparison) -> float:
    return normal_quantile((1 + c.anchor.level) / 2)


def _is_ratio(c: Comparison) -> bool:
    return c.measure in RATIOS


def _is_difference(c: Comparison) -> bool:
    return c.measure in DIFFERENCES


def _in_order(c: Comparison) -> bool:
    e, lo, hi = _trio(c)
    return lo.low <= e.high and e.low <= hi.high and lo.low <= hi.high and not (_is_ratio(c) and lo.high < 0)


def check_order_of_limits(sheet: Sheet) -> Checked:
    """The estimate lies between its limits, and a ratio is not negative."""
    cells = _with_limits(sheet)
    findings = [_out_of_order(c) for c in cells if not _in_order(c)]
    return Checked(ORDER, len(cells), len(cells), tuple(findings))


def _text(c: Comparison) -> str:
    e, lo, hi = _trio(c)
    return f"{c.measure or 'estimate'} {e} ({lo} to {hi})"


def _out_of_order(c: Comparison) -> Finding:
    e, lo, hi = _trio(c)
    swapped = hi.value <= e.value <= lo.value
    return finding_at(
        c.anchor,
        "estimate",
        ORDER,
        f"{_text(c)}: the estimate is not between its limits" if lo.value >= 0 else f"{_text(c)} cannot be",
        why=f"lower {lo}, estimate {e}, upper {hi}",
        certainty="certain",
        because="limits enclose their estimate" if lo.value >= 0 else "a ratio is never negative",
        reconcile="the two limits exchanged" if swapped else "a digit or a sign lost in print",
        others=c.arms,
    )


# Symmetry ---------------------------------------------------------------------------------------------


def check_symmetry_of_limits(sheet: Sheet) -> Checked:
    """Limits lie evenly about the estimate: of ratios on the log scale, of differences as they are."""
    cells = [c for c in _with_limits(sheet) if _in_order(c) and (_scales(c))]
    findings = [_uneven(c) for c in cells if not any(_fits(c, scale) for scale in _scales(c))]
    return Checked(SYMMETRY, len(cells), len(cells), tuple(findings))


def _scales(c: Comparison) -> tuple[str, ...]:
    if any(word in c.anchor.kind.lower() for word in NEVER_EVEN):
        return ()
    if _is_ratio(c):
        return ("log",)
    if _is_difference(c):
        return ("arithmetic",)
    return tuple(SCALES) if c.measure in PERCENTS and not _counted(c) else ()


def _counted(c: Comparison) -> bool:
    """Limits of a counted share (Wilson, Clopper-Pearson) are even on no scale."""
    return c.anchor.events is not None and "kaplan" not in c.anchor.kind.lower()


def _unit(c: Comparison) -> float:
    return 100.0 if c.measure in PERCENTS and float(_trio(c)[2]) > 1 else 1.0


def _fits(c: Comparison, scale: str) -> bool:
    g, per = SCALES[scale], _unit(c)
    e, lo, hi = _trio(c)
    if scale in ("logit", "log(-log)") and float(hi.high) / per >= 1:
        return True
    least = (g(float(lo.low) / per) + g(float(hi.low) / per)) / 2
    most = (g(float(lo.high) / per) + g(float(hi.high) / per)) / 2
    return g(float(e.low) / per) <= most + 1e-9 and g(float(e.high) / per) >= least - 1e-9


def _uneven(c: Comparison) -> Finding:
    e, lo, hi = (float(x) for x in _trio(c))
    scale = _scales(c)[0]
    g = SCALES[scale]
    # Widths of the two halves, the rounding used so that they come nearest to each other.
    printed = _trio(c)
    above, below = g(hi) - g(e), g(e) - g(lo)
    skew = max(above / below, below / above) if min(above, below) > 0 else math.inf
    sure: Certainty = (
        "likely" if scale == "log" and skew > MUCH_ASYMMETRY and c.measure == "HR" else "possible"
    )
    if scale == "log":
        why = (
            f"sqrt({lo:g} x {hi:g}) = {math.sqrt(lo * hi):.3f}, printed {printed[0]}" if lo > 0 else "lower 0"
        )
        other = (
            f"a lower limit of {e * e / hi:.3g} or an upper limit of {e * e / lo:.3g} would be even"
            if lo
            else ""
        )
    else:
        why = f"({lo:g} + {hi:g}) / 2 = {(lo + hi) / 2:.4g}, printed {printed[0]}"
        other = f"a lower limit of {2 * e - hi:.3g} or an upper limit of {2 * e - lo:.3g} would be even"
    if scale == "log" and _fits(c, "arithmetic"):
        other = f"limits computed without logarithms; {other}"
    return finding_at(
        c.anchor,
        "estimate",
        SYMMETRY,
        f"{_text(c)}: limits are not even about the estimate",
        why=f"{why}; the halves are as 1 to {skew:.2f} on the {scale} scale",
        certainty=sure,
        because="profile-likelihood, exact, t and bootstrap limits are not even; Wald limits are",
        reconcile=other,
        others=c.arms,
    )


# Events -----------------------------------------------------------------------------------------------


def check_limits_against_events(sheet: Sheet) -> Checked:
    """Limits of a hazard ratio against the least standard error that the events allow.

    At the maximum of Cox's partial likelihood the treatment's score is zero, so the chances p_i that each
    event falls in arm 1 add up to d1; the information is the sum of p_i (1 - p_i), which by concavity is at
    most d1 d2 / d.  So se >= sqrt(1/d1 + 1/d2), with strata or covariates too, and never below 2 / sqrt(d).
    """
    cells = [c for c in _with_limits(sheet) if c.measure in ("HR", "SHR") and _in_order(c) and _events(c)]
    findings = [finding for c in cells if (finding := _too_narrow(c)) is not None]
    return Checked(EVENTS, len(cells), len(cells), tuple(findings))


def _events(c: Comparison) -> tuple[int, int] | None:
    if len(c.arms) != 2 or c.arms[0].events is None or c.arms[1].events is None:
        return None
    return c.arms[0].events, c.arms[1].events


def _standard_errors(c: Comparison) -> tuple[float, float]:
    """Least and largest standard error (of the log, for ratios) that the printed limits can come from."""
    g = _log if _is_ratio(c) or c.measure == "" else _same
    _, lo, hi = _trio(c)
    widths = (g(float(hi.low)) - g(float(lo.high)), g(float(hi.high)) - g(float(lo.low)))
    return max(widths[0], 0.0) / (2 * _z(c)), widths[1] / (2 * _z(c))


def _too_narrow(c: Comparison) -> Finding | None:
    d1, d2 = _events(c) or (0, 0)
    if min(d1, d2) == 0:
        return _finite_without_events(c, d1, d2)
    least, most = math.sqrt(1 / d1 + 1 / d2), _standard_errors(c)[1]
    if most >= least:
        return None
    e, lo, hi = _trio(c)
    middle = (_log(float(hi)) - _log(float(lo))) / (2 * _z(c))
    reach = math.exp(_z(c) * least)
    needed = math.ceil(4 / most**2)
    return finding_at(
        c.anchor,
        "lower",
        EVENTS,
        f"{_text(c)}: limits too narrow for {d1} + {d2} events",
        why=f"they imply a standard error of {middle:.3f} (at most {most:.3f} with rounding); Cox's model "
        f"with {d1} and {d2} events gives at least sqrt(1/{d1} + 1/{d2}) = {least:.3f} (and no {d1 + d2} "
        f"events give less than 2/sqrt({d1 + d2}) = {2 / math.sqrt(d1 + d2):.3f})",
        certainty="likely",
        because="a theorem for Wald limits of Cox's model, with strata and covariates too; "
        "a robust variance escapes it",
        reconcile="with these events the limits are no narrower than "
        f"{float(e) / reach:.2f} to {float(e) * reach:.2f}; "
        f"the printed limits ask for {needed} events at least{_word_of_p(c, least, middle)}",
        others=c.arms,
    )


def _word_of_p(c: Comparison, least: float, middle: float) -> str:
    """With which of the two standard errors the printed P value goes."""
    p = c.p
    if p is None or not p.is_exact:
        return ""
    size = abs(_log(float(_trio(c)[0])))
    by_limits, by_events = normal_p(size / middle), normal_p(size / least)
    if p.admits(by_limits) and not p.admits(by_events):
        return f"; P = {p} goes with the limits ({by_limits:.3f}), not with these events ({by_events:.3f})"
    return ""


def _finite_without_events(c: Comparison, d1: int, d2: int) -> Finding | None:
    if d1 == d2:
        what, why = "no events in either arm", "without events there is nothing to estimate"
    else:
        what, why = "no events in one arm", "the partial likelihood then has its maximum at 0 or infinity"
    return finding_at(
        c.anchor,
        "estimate",
        EVENTS,
        f"{_text(c)}: finite limits with {what}",
        why=f"{d1} and {d2} events; {why}",
        certainty="likely",
        because="only a penalized estimate (Firth's) is finite here, and the print would say so",
        reconcile="other counts of events, or a penalized model",
        others=c.arms,
    )


# P values ---------------------------------------------------------------------------------------------


def check_limits_against_p_values(sheet: Sheet) -> Checked:
    """The z that estimate and limits imply, against the z of the printed P value."""
    cells = [
        c
        for c in _with_limits(sheet)
        if c.p is not None and _in_order(c) and (_is_ratio(c) or _is_difference(c))
    ]
    cells = [c for c in cells if float(_trio(c)[1].low) > 0 or _is_difference(c)]
    findings = [finding for c in cells if (finding := _p_differs(c)) is not None]
    return Checked(P_VALUE, len(cells), len(cells), tuple(findings))


def _z_of_limits(c: Comparison) -> tuple[float, float]:
    g = _log if _is_ratio(c) else _same
    e = _trio(c)[0]
    low, high = g(float(e.low)), g(float(e.high))
    least, most = _standard_errors(c)
    sizes = sorted((abs(low), abs(high)))
    nearest = 0.0 if low <= 0 <= high else sizes[0]
    return nearest / most, (sizes[1] / least if least > 0 else math.inf)


def _z_of_p(p: Printed) -> tuple[float, float]:
    def z(value: float) -> float:
        return math.inf if value <= 0 else 0.0 if value >= 1 else -normal_quantile(value / 2)

    if p.relation == "<":
        return z(float(p.value)), math.inf
    if p.relation == ">":
        return 0.0, z(float(p.value))
    return z(float(p.high)), z(float(p.low))


def _is_of_counts(c: Comparison, p: Printed) -> bool:
    """Whether a test of the counts gives the P value: it need not agree with Wald limits then."""
    if c.counts is None or c.measure not in ("RR", "OR", "RD") or len(c.counts) != 2:
        return False
    return any(p.admits(value) for value in quick_p_values(c.counts).values())


def _p_differs(c: Comparison) -> Finding | None:
    p = c.p
    assert p is not None  # only comparisons with a P value come here
    if _is_of_counts(c, p):
        return None
    (low, high), (p_low, p_high) = _z_of_limits(c), _z_of_p(p)
    gap = max(p_low - high, low - p_high)
    if gap <= GAP:
        return None
    implied = f"{normal_p(high):.3g} to {normal_p(low):.3g}"
    null = 1.0 if _is_ratio(c) else 0.0
    excludes = float(_trio(c)[1].low) > null or float(_trio(c)[2].high) < null
    sides = excludes != (p_low >= normal_quantile((1 + c.anchor.level) / 2) - 1e-9)
    return finding_at(
        c.anchor,
        "p",
        P_VALUE,
        f"{_text(c)} and P {'' if p.relation != '=' else '= '}{p} do not go together",
        why=f"the limits imply z from {low:.2f} to {high:.2f}, so P from {implied}; printed {p}"
        + ("; limits and P value stand on two sides of significance" if sides else ""),
        certainty="likely" if gap > LARGE_GAP else "possible",
        because="Wald, score and likelihood-ratio tests of one effect differ by less",
        reconcile="a P value of another analysis (interaction, adjusted, log-rank with crossing curves), "
        "or limits of another level",
        others=c.arms,
    )
