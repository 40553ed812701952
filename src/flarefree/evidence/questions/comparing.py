"""One outcome pooled: every direct comparison, every connected part of the network, the same once more.

Decides what is pooled with what and by which method; the pooling is `flarefree.evidence.pooling`'s and
`flarefree.evidence.networks`'.  What cannot be pooled becomes a note, never a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from flarefree.errors import EvidenceError, StatsError
from flarefree.evidence.inputs import read_rows
from flarefree.evidence.questions.gathering import BaseRow, Gathered, rows_for_pooling
from flarefree.evidence.questions.schema import OutcomeAsked, Sensitivity

if TYPE_CHECKING:
    from flarefree.evidence.networks.result import Network
    from flarefree.evidence.pooling.results import Pairwise
    from flarefree.evidence.pooling.sequential import SequentialAnalysis

__all__ = [
    "Number", "Pair", "Pooled", "SensitivityResult", "is_better_when_small", "numbers_of", "pool",
    "sorted_pairs",
]  # fmt: skip

Kind = Literal["pairwise", "network"]


@dataclass(frozen=True, slots=True)
class Number:
    """One pooled number: treatment against another, as it is read (a ratio, not its logarithm).

    `key` names it the same from run to run: `renal_flare/network/MMF/AZA`.
    """

    key: str
    outcome: str
    kind: Kind
    treatment: str
    against: str
    measure: str
    model: str
    estimate: float
    conf_low: float
    conf_high: float
    p_value: float
    k: int
    tau2: float
    studies: tuple[str, ...]

    @property
    def is_settled(self) -> bool:
        """Whether the interval excludes no difference."""
        null = 0.0 if self.measure in ("RD", "MD", "SMD") else 1.0
        return not self.conf_low <= null <= self.conf_high


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two treatments that studies compare directly.

    Attributes
    ----------
    random, common : Pairwise
        The same where counts are pooled.
    sequential : SequentialAnalysis or None
    rows : tuple of BaseRow
    """

    treatment: str
    against: str
    random: Pairwise
    common: Pairwise
    rows: tuple[BaseRow, ...]
    sequential: SequentialAnalysis | None = None

    @property
    def studies(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.label for row in self.rows))

    @property
    def patients(self) -> int:
        return sum(row.n or 0 for row in self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """All that was pooled of one set of rows.

    Attributes
    ----------
    pairs : tuple of Pair
    networks : tuple of Network
        One a connected part, the part of the reference first.
    notes : tuple of str
    """

    pairs: tuple[Pair, ...]
    networks: tuple[Network, ...]
    notes: tuple[str, ...]

    @property
    def main(self) -> Network | None:
        """The part of the network with the reference, or the largest."""
        return self.networks[0] if self.networks else None


@dataclass(frozen=True, slots=True, eq=False)
class SensitivityResult:
    """The outcome once more, otherwise."""

    asked: Sensitivity
    gathered: Gathered
    pooled: Pooled


def is_better_when_small(good: str) -> bool:
    """Whether fewer events are better."""
    return good != "more"


def pool(
    rows: Sequence[BaseRow],
    asked: OutcomeAsked,
    reference: str,
    good: str,
    *,
    model: Literal["random", "common"] = "random",
    order: Sequence[str] = (),
    sequential: bool = False,
) -> Pooled:
    """Pool all direct comparisons and every connected part of the network.

    `order` ranks treatments, later ones being compared with: comparators go last.
    """
    notes: list[str] = []
    pairs = tuple(_pairs(rows, asked, order, notes, sequential))
    networks = tuple(_networks(rows, asked, (reference, order), good, model, notes))
    return Pooled(pairs, networks, tuple(dict.fromkeys(notes)))


# Direct comparisons --------------------------------------------------------------------------------------


def _pairs(
    rows: Sequence[BaseRow], asked: OutcomeAsked, order: Sequence[str], notes: list[str], sequential: bool
) -> Iterator[Pair]:
    for treatment, against in compared(rows, order):
        both = [row for row in rows if row.treatment in (treatment, against)]
        studies = {row.study for row in both if row.treatment == treatment}
        studies &= {row.study for row in both if row.treatment == against}
        of_both = tuple(row for row in both if row.study in studies)
        try:
            random, common = _pool_pair(of_both, asked, against)
        except (EvidenceError, StatsError) as error:
            notes.append(f"{treatment} against {against} is not pooled: {error.what}")
            continue
        looks = _sequential(random, asked) if sequential else None
        yield Pair(treatment, against, random, common, of_both, looks)


def compared(rows: Sequence[BaseRow], order: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of treatments that some study has both of; which is compared with which goes by `order`."""
    arms: dict[str, list[str]] = {}
    for row in rows:
        arms.setdefault(row.study, []).append(row.treatment)
    found = {frozenset(pair) for treatments in arms.values() for pair in combinations(set(treatments), 2)}
    return [pair for pair in sorted_pairs({row.treatment for row in rows}, order) if frozenset(pair) in found]


def sorted_pairs(treatments: Iterable[str], order: Sequence[str]) -> list[tuple[str, str]]:
    """All pairs, the earlier of `order` against the later; those against the last of it first."""
    place = {name: i for i, name in enumerate(order)}
    ranked = sorted(treatments, key=lambda name: (place.get(name, -1), name))
    return [(one, other) for i, other in reversed(list(enumerate(ranked))) for one in ranked[:i]]


def _pool_pair(rows: Sequence[BaseRow], asked: OutcomeAsked, against: str) -> tuple[Pairwise, Pairwise]:
    from flarefree.evidence.pooling.call import pairwise

    data = rows_for_pooling(rows)
    if asked.rare:
        counts = pairwise(data, measure="OR", method="PETO", reference=against)
        return counts, counts
    random = pairwise(
        data,
        measure=asked.measure,
        method=asked.method,
        hartung_knapp=asked.hartung_knapp,
        reference=against,
    )
    return random, pairwise(data, measure=asked.measure, method="common", reference=against)


def _sequential(result: Pairwise, asked: OutcomeAsked) -> SequentialAnalysis | None:
    if asked.smallest_effect is None or asked.rare or len(result.trials) == 0:
        return None
    return result.sequential(effect=asked.smallest_effect, order="year")


# The network ---------------------------------------------------------------------------------------------


def _networks(
    rows: Sequence[BaseRow],
    asked: OutcomeAsked,
    against: tuple[str, Sequence[str]],
    good: str,
    model: Literal["random", "common"],
    notes: list[str],
) -> Iterator[Network]:
    """Every connected part as a network of its own; the part with the reference first."""
    from flarefree.evidence.networks.connection import find_parts
    from flarefree.evidence.networks.model import network
    from flarefree.evidence.networks.studies import studies_of

    if not rows:
        return
    reference, order = against
    read = read_rows(rows_for_pooling(rows), where=rows[0].outcome)
    try:
        found = studies_of(read, asked.measure)
    except EvidenceError as error:
        notes.append(f"no network: {error.what}")
        return
    parts = [[found.treatments[i] for i in part] for part in find_parts(found.studies, len(found.treatments))]
    parts = [part for part in parts if len(part) > 1]
    parts.sort(key=lambda part: (reference not in part, -len(part), part))
    if len(parts) > 1:
        told = "; ".join(", ".join(part) for part in parts)
        notes.append(
            f"The network is not connected: {len(parts)} parts share no study ({told}). Each is analyzed by "
            "itself, and nothing is said between them."
        )
    for part in parts:
        at = reference if reference in part else sorted_pairs(part, order)[0][1]
        options: dict[str, Any] = {
            "measure": asked.measure,
            "reference": at,
            "part": part[0],
            "small_values": "good" if is_better_when_small(good) else "bad",
        }
        if asked.rare:
            options |= {"model": "common", "method": "MH"}
        else:
            options |= {"model": model, "method": asked.method, "hartung_knapp": asked.hartung_knapp}
        try:
            yield network(read, **options)
        except (EvidenceError, StatsError) as error:
            notes.append(f"no network of {', '.join(part)}: {error.what}")


# Numbers -------------------------------------------------------------------------------------------------


def numbers_of(outcome: str, pooled: Pooled, order: Sequence[str] = ()) -> tuple[Number, ...]:
    """Every pooled number under its key: direct comparisons, then all pairs of the networks."""
    direct = [
        Number(
            key=f"{outcome}/pairwise/{pair.treatment}/{pair.against}",
            outcome=outcome,
            kind="pairwise",
            treatment=pair.treatment,
            against=pair.against,
            measure=pair.random.measure.key,
            model=pair.random.question.label,
            estimate=pair.random.estimate,
            conf_low=pair.random.conf_low,
            conf_high=pair.random.conf_high,
            p_value=pair.random.p_value,
            k=pair.random.k,
            tau2=_zero(pair.random.tau2),
            studies=pair.studies,
        )
        for pair in pooled.pairs
    ]
    of_networks = (number for net in pooled.networks for number in _network_numbers(outcome, net, order))
    return (*direct, *of_networks)


def _network_numbers(outcome: str, net: Network, order: Sequence[str]) -> Iterator[Number]:
    effects = net.effects_under()
    change = math.exp if net.is_ratio else float
    names = tuple(study.name for study in net.studies)
    place = {name: i for i, name in enumerate(net.treatments)}
    for treatment, against in sorted_pairs(net.treatments, order):
        i, j = place[treatment], place[against]
        yield Number(
            key=f"{outcome}/network/{treatment}/{against}",
            outcome=outcome,
            kind="network",
            treatment=treatment,
            against=against,
            measure=net.measure,
            model=f"{net.model} effects ({net.method})",
            estimate=change(float(effects.estimate[i, j])),
            conf_low=change(float(effects.conf_low[i, j])),
            conf_high=change(float(effects.conf_high[i, j])),
            p_value=float(effects.p_value[i, j]),
            k=net.n_studies,
            tau2=effects.tau2,
            studies=names,
        )


def _zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
