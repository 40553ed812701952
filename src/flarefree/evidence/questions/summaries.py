"""What a report needs beyond pooled numbers: absolute risks, whose studies a number rests on, one forest.

All of it follows from an `OutcomeAnswer`; nothing is pooled here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flarefree.evidence.questions.comparing import Number, Pair, sorted_pairs
from flarefree.results import Figure

if TYPE_CHECKING:
    from flarefree.evidence.networks.result import Network
    from flarefree.evidence.networks.splitting import Split
    from flarefree.evidence.questions.answering import OutcomeAnswer

__all__ = [
    "Absolute", "SplitRow", "absolute_effects", "direct_forest", "shares_of", "split_rows", "summary_pairs",
]  # fmt: skip

SMALLEST_SHARE = 0.005  # of an estimate; what contributes less is not named
SIDES = {
    "fewer": ("treatment better", "comparator better"),
    "more": ("comparator better", "treatment better"),
}
"""Words below a forest, by whether fewer or more events are good."""


@dataclass(frozen=True, slots=True)
class Absolute:
    """Of 100 patients: how many have the event with the comparator, and how many with the treatment.

    `base` is the plain proportion over the arms of the comparator; limits are those of the relative effect
    only.
    """

    treatment: str
    against: str
    base_events: int
    base_n: int
    risk: float
    conf_low: float
    conf_high: float

    @property
    def base(self) -> float:
        """Percent with the comparator."""
        return 100.0 * self.base_events / self.base_n


def summary_pairs(outcome: OutcomeAnswer) -> tuple[Number, ...]:
    """The network's numbers against each part's reference; direct ones where there is no network."""
    found = [
        number
        for net in outcome.pooled.networks
        for number in outcome.numbers
        if number.kind == "network" and number.against == net.reference and number.treatment in net.treatments
    ]
    known = {(number.treatment, number.against) for number in found}
    in_network = {t for net in outcome.pooled.networks for t in net.treatments}
    alone = [
        number
        for number in outcome.numbers
        if number.kind == "pairwise"
        and (number.treatment, number.against) not in known
        and not {number.treatment, number.against} <= in_network
    ]
    return (*found, *alone)


def absolute_effects(outcome: OutcomeAnswer) -> dict[tuple[str, str], Absolute]:
    """For each number of `summary_pairs` the risk in percent, where rows are counts."""
    made = {}
    for number in summary_pairs(outcome):
        arms = [row for row in outcome.gathered.rows if row.treatment == number.against]
        events = sum(row.events or 0 for row in arms)
        n = sum(row.n or 0 for row in arms)
        if not n or any(row.events is None or row.n is None for row in arms):
            continue
        change = _changed(number.measure, events / n)
        if change is None:
            continue
        at = tuple(100.0 * change(v) for v in (number.estimate, number.conf_low, number.conf_high))
        key = (number.treatment, number.against)
        made[key] = Absolute(*key, events, n, *at)
    return made


def _changed(measure: str, base: float) -> Any:
    """From a relative effect to a risk, by the comparator's risk; None where there is no such way."""
    if not 0.0 < base < 1.0:
        return None
    odds = base / (1.0 - base)
    return {
        "OR": lambda v: 1.0 if math.isinf(v) else odds * v / (1.0 + odds * v),
        "RR": lambda v: min(base * v, 1.0),
        "RD": lambda v: min(max(base + v, 0.0), 1.0),
    }.get(measure)


# What a number rests on ------------------------------------------------------------------------------------


def shares_of(net: Network) -> Mapping[frozenset[str], tuple[tuple[str, float], ...]]:
    """For every pair of a network the studies that contribute, with their shares, largest first.

    Models of counts have no shares: every study stands there with NaN.
    """
    names = [study.name for study in net.studies]
    if net.rows is None:
        everyone = tuple((name, math.nan) for name in names)
        return {frozenset(pair): everyone for pair in sorted_pairs(net.treatments, ())}
    found: dict[frozenset[str], list[tuple[str, float]]] = {}
    for first, second, study, share in net.study_contributions().iter_rows():
        if abs(share) >= SMALLEST_SHARE:
            found.setdefault(frozenset((first, second)), []).append((study, share))
    return {pair: tuple(sorted(each, key=lambda s: (-s[1], s[0]))) for pair, each in found.items()}


@dataclass(frozen=True, slots=True)
class SplitRow:
    """Direct and indirect estimate of a pair, as they are read; None where there is none."""

    treatment: str
    against: str
    n_studies: int
    direct_share: float
    direct: tuple[float, float, float] | None
    indirect: tuple[float, float, float] | None
    network: tuple[float, float, float]
    p_value: float


def split_rows(outcome: OutcomeAnswer, net: Network) -> tuple[SplitRow, ...]:
    """Every pair, oriented as the other tables are."""
    splits = {frozenset((s.treatment_1, s.treatment_2)): s for s in net.splits()}
    made = []
    for treatment, against in sorted_pairs(net.treatments, outcome.order):
        split = splits[frozenset((treatment, against))]
        sign = 1.0 if split.treatment_1 == treatment else -1.0
        made.append(_split_row(split, treatment, against, sign, net))
    return tuple(made)


def _split_row(split: Split, treatment: str, against: str, sign: float, net: Network) -> SplitRow:
    from flarefree.stats.distributions import normal_quantile

    width = normal_quantile(0.5 + net.conf_level / 2)
    change = math.exp if net.is_ratio else float

    def read(center: float, error: float) -> tuple[float, float, float] | None:
        if math.isnan(center):
            return None
        middle = sign * center
        return change(middle), change(middle - width * error), change(middle + width * error)

    network = read(split.estimate, split.std_error)
    assert network is not None
    return SplitRow(
        treatment,
        against,
        split.n_studies,
        split.direct_share,
        read(split.direct, split.direct_std_error),
        read(split.indirect, split.indirect_std_error),
        network,
        split.p_value,
    )


# One forest --------------------------------------------------------------------------------------------


def direct_forest(outcome: OutcomeAnswer) -> Figure | None:
    """Every direct comparison in one forest: its trials, and where there are several, pooled."""
    import polars as pl

    if not outcome.pooled.pairs:
        return None
    rows: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = []
    for pair in outcome.pooled.pairs:
        rows += _forest_rows(pair)
        if pair.random.k > 1:
            drawn = pair.random.plot("forest").data["heterogeneity"].to_dicts()
            told += [row | {"group": f"{pair.treatment} v {pair.against}"} for row in drawn]
    first = outcome.pooled.pairs[0].random
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return Figure(
        id=f"{outcome.outcome}-direct",
        title=f"{outcome.label}: studies by direct comparison",
        kind="meta_forest",
        data={"main": pl.DataFrame(columns, strict=False), "heterogeneity": pl.DataFrame(told)},
        x_label=f"{first.measure.label[0].upper()}{first.measure.label[1:]} (95% CI)",
        footnotes=tuple(_remarks(outcome)),
        options={
            "null": first.measure.null,
            "stub": "Comparison and study",
            "arms": ("Treatment", "Comparator"),
            "digits": 2 if first.measure.is_ratio else None,
            "favors": SIDES.get(outcome.good),
            "pooled_line": False,
        },
    )


def _forest_rows(pair: Pair) -> Iterator[dict[str, Any]]:
    yield {"kind": "header", "label": f"{pair.treatment} v {pair.against}"}
    for row in pair.random.plot("forest").data["main"].to_dicts():
        if row["kind"] == "trial":
            yield row | {"indent": 1, "weight_percent": row["weight_percent"] if pair.random.k > 1 else None}
        elif pair.random.k > 1:
            yield row | {"indent": 1}


def _remarks(outcome: OutcomeAnswer) -> Iterator[str]:
    labels = {pair.random.question.label for pair in outcome.pooled.pairs if pair.random.k > 1}
    if labels:
        yield f"Pooled by {', '.join(sorted(labels))}."
    several = {row.study for pair in outcome.pooled.pairs for row in pair.rows}
    arms = {study: {r.arm for r in outcome.gathered.rows if r.study == study} for study in several}
    if any(len(found) > 2 for found in arms.values()):
        yield "A study of more than two arms stands under each comparison; the network counts it once."
