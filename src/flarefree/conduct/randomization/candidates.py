"""Which schemes are compared for a trial, and who its patients will be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flarefree.conduct.randomization.minimization import PocockSimon
from flarefree.conduct.randomization.plan import Factor, levels_of
from flarefree.conduct.randomization.schemes import (
    EQUAL,
    BigStick,
    BoundedBiasedCoin,
    BrickTunnel,
    Complete,
    Efron,
    MaximalProcedure,
    PermutedBlocks,
    Scheme,
)
from flarefree.errors import DesignError

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = ["Mix", "candidate_schemes", "mix_of", "mix_of_shares"]


@dataclass(frozen=True, slots=True)
class Mix:
    """How common each level of each factor is; factors are taken as independent.

    Attributes
    ----------
    factors : tuple of Factor
    shares : tuple of tuple of float
        By factor, summing to 1.
    sources : tuple of str
        Where each factor's shares come from, in words.
    """

    factors: tuple[Factor, ...]
    shares: tuple[tuple[float, ...], ...]
    sources: tuple[str, ...]


def mix_of_shares(shares: Mapping[str, Mapping[str, float]], source: str = "given") -> Mix:
    """A mix from factors' levels and their shares, as {"race": {"White": 0.4, ...}}; sums are made 1.

    Raises
    ------
    DesignError
        A share below 0, or none above.
    """
    factors, parts = [], []
    for name, levels in shares.items():
        factors.append(Factor(name, tuple(levels)))
        parts.append(_to_one(name, list(levels.values())))
    return Mix(tuple(factors), tuple(parts), (source,) * len(factors))


def _to_one(name: str, shares: Sequence[float]) -> tuple[float, ...]:
    total = sum(shares)
    if not total > 0 or not all(0 <= share < float("inf") for share in shares):
        raise DesignError(
            "not shares of a factor's levels",
            where=name,
            found=", ".join(f"{share:g}" for share in shares),
            expected="numbers from 0, not all 0",
        )
    return tuple(share / total for share in shares)


def mix_of(protocol: LoadedProtocol, given: Mapping[str, Mapping[str, float]] | None = None) -> Mix:
    """The mix of a protocol's strata: as given, else as its published baseline counts them, else equal.

    Raises
    ------
    DesignError
        A factor or level that the protocol does not have.
    """
    spec = protocol.spec.randomization
    if spec is None:
        raise DesignError("the protocol does not randomize", where=protocol.path)
    given = given or {}
    _require_known(list(given), spec.strata, "factor")
    factors, parts, sources = [], [], []
    for name in spec.strata:
        levels = levels_of(protocol, name)
        if name in given:
            _require_known(list(given[name]), levels, f"level of {name}")
            shares, source = [given[name].get(level, 0.0) for level in levels], "given"
        else:
            shares, source = _published_shares(protocol, name, levels)
        factors.append(Factor(name, levels))
        parts.append(_to_one(name, shares))
        sources.append(source)
    return Mix(tuple(factors), tuple(parts), tuple(sources))


def _require_known(names: Sequence[str], known: Sequence[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise DesignError(
                f"the protocol has no such {what}",
                where="shares",
                found=name,
                expected="one of " + ", ".join(known),
            )


def _published_shares(protocol: LoadedProtocol, name: str, levels: Sequence[str]) -> tuple[list[float], str]:
    from flarefree.protocol.published import load_published

    published = load_published(protocol)
    counts = dict.fromkeys(levels, 0.0)
    place = ""
    for key, cell in published.cells.items() if published else ():
        if key.term == name and key.level in counts and key.group in protocol.spec.arms:
            counts[key.level] += cell.number("n") or 0.0
            place = cell.place
    if published is None or not all(counts.values()):
        return [1.0] * len(levels), "not published: levels taken as equally common"
    return list(counts.values()), f"{published.source}, {place}, all arms together"


def candidate_schemes(
    ratio: tuple[int, ...], factors: Sequence[Factor], list_length: int
) -> tuple[Scheme | PocockSimon, ...]:
    """Schemes to be compared for an allocation ratio: those that exist for it, in their usual settings."""
    whole = sum(ratio)
    found: list[Scheme | PocockSimon] = [Complete(ratio=ratio)]
    sizes = [(whole,), (2 * whole,), (3 * whole,), (whole, 2 * whole, 3 * whole), (2 * whole, 3 * whole)]
    found += [PermutedBlocks(ratio=ratio, sizes=of) for of in sizes]
    if found[0].ratio == EQUAL:
        found += [Efron(), BigStick(limit=2), BigStick(limit=3), BoundedBiasedCoin(limit=3)]
        found += [MaximalProcedure(limit=b, length=list_length) for b in (2, 3)]
    elif len(ratio) == 2:
        found.append(BrickTunnel(ratio=ratio))
    levels = tuple(len(factor.levels) for factor in factors)
    if levels:
        least = max(ratio) / whole
        found += [PocockSimon(levels, p=p, ratio=ratio) for p in (1.0, 0.9, 0.8, 0.7) if p >= least]
    return tuple(found)
