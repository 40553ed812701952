"""GRADE's and CINeMA's domains for every comparison: a worksheet with the computed parts filled in.

Six domains [nikolakopoulou2020]: within-study bias, reporting bias, indirectness, imprecision, heterogeneity,
incoherence.  What follows from numbers is filled in with the rule beside it; what needs judgment stays
empty.  Nothing here is a final rating: each cell is for its reader to confirm or to change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError, NotFoundError

if TYPE_CHECKING:
    import polars as pl

    from flarefree.evidence.networks.result import Network
    from flarefree.evidence.networks.splitting import Split

__all__ = ["DOMAINS", "worksheet"]

Floats = NDArray[np.float64]
Level = Literal["low", "some", "high"]

DOMAINS = (
    "within_study_bias",
    "reporting_bias",
    "indirectness",
    "imprecision",
    "heterogeneity",
    "incoherence",
)
CONCERNS = ("no concerns", "some concerns", "major concerns")
LEVELS = {"low": 1, "some": 2, "high": 3}
SPLIT_P = 0.10  # [nikolakopoulou2020]: tests of incoherence are weak, so 0.10 and not 0.05
GLOBAL_P = (0.05, 0.10)


def worksheet(
    network: Network,
    *,
    equivalence: float | tuple[float, float] | None = None,
    risk_of_bias: Mapping[str, Level] | None = None,
    indirectness: Mapping[str, Level] | None = None,
    only_reference: bool = False,
) -> pl.DataFrame:
    """A row a comparison; for each domain a verdict (empty if it is to be judged) and the rule used.

    Parameters
    ----------
    equivalence : float or (float, float), optional
        The range in which effects are taken as equivalent, as printed: 1.25 means 0.8 to 1.25 for ratios,
        0.5 means -0.5 to 0.5 for differences.  Without it imprecision, heterogeneity and the incoherence of
        mixed comparisons stay open.
    risk_of_bias, indirectness : mapping of study to "low", "some" or "high", optional
        Every study's judgment; the verdict is the mean over studies, weighted by contributions.
    only_reference : bool
        Comparisons with the reference only.
    """
    import polars as pl

    limits = _range(network, equivalence)
    shares = _shares_by_comparison(network) if risk_of_bias or indirectness else {}
    low_predicted, high_predicted = network.prediction() if network.random is not None else (None, None)
    rows = []
    for split in network.splits():
        if only_reference and network.reference not in (split.treatment_1, split.treatment_2):
            continue
        i, j = network.treatments.index(split.treatment_1), network.treatments.index(split.treatment_2)
        effects = network.effects_under()
        interval = float(effects.conf_low[i, j]), float(effects.conf_high[i, j])
        predicted = (
            (float(low_predicted[i, j]), float(high_predicted[i, j]))
            if low_predicted is not None and high_predicted is not None
            else (math.nan, math.nan)
        )
        share = shares.get(frozenset((split.treatment_1, split.treatment_2)), {})
        row: dict[str, Any] = {
            "treatment_1": split.treatment_1,
            "treatment_2": split.treatment_2,
            "n_studies": split.n_studies,
            "evidence": _evidence(split),
            "direct_share": split.direct_share,
        }
        _set(row, "within_study_bias", _weighted(share, risk_of_bias, "risk of bias", "risk_of_bias"))
        _set(row, "reporting_bias", _reporting(network))
        _set(row, "indirectness", _weighted(share, indirectness, "indirectness", "indirectness"))
        _set(row, "imprecision", _imprecision(split.estimate, interval, limits))
        _set(row, "heterogeneity", _heterogeneity(split.estimate, interval, predicted, limits))
        _set(row, "incoherence", _incoherence(network, split, limits))
        row["confidence"] = ""
        rows.append(row)
    return pl.DataFrame(rows)


Verdict = tuple[str, str]
"""The concern, empty where it is to be judged, and the rule with its numbers."""


def _set(row: dict[str, Any], domain: str, verdict: Verdict) -> None:
    row[domain], row[f"{domain}_rule"] = verdict


def _evidence(split: Split) -> str:
    if split.n_studies == 0:
        return "indirect"
    return "direct" if math.isnan(split.indirect) else "mixed"


def _range(network: Network, equivalence: float | tuple[float, float] | None) -> tuple[float, float] | None:
    """The range of equivalence on the model's scale."""
    if equivalence is None:
        return None
    limits = equivalence if isinstance(equivalence, tuple | list) else (equivalence,)
    if not all(isinstance(v, int | float) for v in limits) or len(limits) > 2:
        low = high = math.nan
    elif isinstance(equivalence, tuple | list):
        low, high = (float(v) for v in (*limits, math.nan)[:2])
    elif network.is_ratio:
        low, high = (1 / equivalence, float(equivalence)) if equivalence > 0 else (math.nan, math.nan)
        low, high = min(low, high), max(low, high)
    else:
        low, high = -abs(equivalence), abs(equivalence)
    null = 1.0 if network.is_ratio else 0.0
    if not low < null < high or (network.is_ratio and low <= 0):
        raise EvidenceError(
            "this is no range of equivalence",
            where="worksheet: equivalence",
            found=repr(equivalence),
            expected=f"limits on either side of {null:g}",
            try_="equivalence=1.25" if network.is_ratio else "equivalence=0.5",
        )
    return (math.log(low), math.log(high)) if network.is_ratio else (low, high)


# Domains --------------------------------------------------------------------------------------------


def _weighted(
    share: Mapping[str, float], judged: Mapping[str, Level] | None, words: str, argument: str
) -> Verdict:
    if judged is None:
        return "", f"to be judged: give {argument}= by study"
    levels = {}
    for study in share:
        if study not in judged:
            raise NotFoundError(
                f"no {words} is given for a study",
                where=f"worksheet: {argument}",
                found=study,
                expected="low, some or high",
            )
        if judged[study] not in LEVELS:
            raise EvidenceError(
                "no such level",
                where=f"worksheet: {argument}, study {study}",
                found=repr(judged[study]),
                expected="low, some or high",
            )
        levels[study] = LEVELS[judged[study]]
    mean = sum(share[study] * level for study, level in levels.items())
    high = sum(share[study] for study, level in levels.items() if level == 3)
    concern = CONCERNS[min(max(math.floor(mean + 0.5), 1), 3) - 1]
    return concern, (
        f"mean {words} by contribution {mean:.2f} (1 low, 2 some, 3 high; rounded);"
        f" {100 * high:.0f}% from studies of high {words}"
    )


def _reporting(network: Network) -> Verdict:
    p = network.funnel().p_value
    test = (
        f"Egger's P {p:.3f} of the comparison-adjusted funnel"
        if not math.isnan(p)
        else "too few studies for Egger's test"
    )
    return "", f"to be judged; {test}"


def _side(estimate: float, interval: tuple[float, float], limits: tuple[float, float]) -> int:
    """How far an interval reaches: 0 not over no effect, 1 over it, 2 over the far limit of equivalence."""
    low, high = interval
    reach, far = (low, limits[0]) if estimate >= 0 else (-high, -limits[1])
    return 0 if reach >= 0 else 1 if reach >= far else 2


def _imprecision(
    estimate: float, interval: tuple[float, float], limits: tuple[float, float] | None
) -> Verdict:
    if limits is None:
        return "", "to be judged: give equivalence="
    level = _side(estimate, interval, limits)
    rule = (
        "the interval does not cross no effect",
        "the interval crosses no effect, not the limit of equivalence beyond it",
        "the interval holds important effects in the opposite direction",
    )[level]
    return CONCERNS[level], rule


def _heterogeneity(
    estimate: float,
    interval: tuple[float, float],
    predicted: tuple[float, float],
    limits: tuple[float, float] | None,
) -> Verdict:
    if limits is None:
        return "", "to be judged: give equivalence="
    if math.isnan(predicted[0]):
        return "", "to be judged: there is no prediction interval"
    confidence, prediction = _side(estimate, interval, limits), _side(estimate, predicted, limits)
    level = max(prediction - confidence, 0)
    rule = (
        "confidence and prediction interval lead to the same conclusion",
        "the prediction interval reaches one step further to the other side than the confidence interval",
        "the prediction interval holds important effects in the opposite direction, the confidence"
        " interval does not cross no effect",
    )[level]
    return CONCERNS[level], rule


def _incoherence(network: Network, split: Split, limits: tuple[float, float] | None) -> Verdict:
    if math.isnan(split.p_value):
        return _global_incoherence(network)
    if split.p_value > SPLIT_P:
        return CONCERNS[0], f"direct v indirect P {split.p_value:.3f} (above {SPLIT_P:g})"
    if limits is None:
        return "", f"direct v indirect P {split.p_value:.3f}; to be judged: give equivalence="
    from scipy.special import ndtri

    width = float(ndtri(0.5 + network.conf_level / 2))
    areas = [
        _areas(center - width * error, center + width * error, limits)
        for center, error in (
            (split.direct, split.direct_std_error),
            (split.indirect, split.indirect_std_error),
        )
    ]
    shared = len(areas[0] & areas[1])
    level = {3: 0, 2: 1}.get(shared, 2)
    return CONCERNS[level], (
        f"direct v indirect P {split.p_value:.3f}; their intervals share {shared} of 3 areas"
        " (below, within, above the range of equivalence)"
    )


def _areas(low: float, high: float, limits: tuple[float, float]) -> set[str]:
    return {
        name
        for name, holds in (
            ("below", low < limits[0]),
            ("within", high >= limits[0] and low <= limits[1]),
            ("above", high > limits[1]),
        )
        if holds
    }


def _global_incoherence(network: Network) -> Verdict:
    """Comparisons of one kind of evidence borrow the whole network's test."""
    p = network.consistency.p_between_random
    if math.isnan(p):
        p = network.consistency.p_between
    if math.isnan(p):
        return "", "one kind of evidence, and no closed loop to test: to be judged"
    level = 2 if p < GLOBAL_P[0] else 1 if p < GLOBAL_P[1] else 0
    return CONCERNS[level], f"one kind of evidence; design-by-treatment P {p:.3f} of the whole network"


def _shares_by_comparison(network: Network) -> dict[frozenset[str], dict[str, float]]:
    frame = network.study_contributions()
    out: dict[frozenset[str], dict[str, float]] = {}
    for first, second, study, share in frame.iter_rows():
        if abs(share) > 1e-12:
            out.setdefault(frozenset((first, second)), {})[study] = share
    return out
