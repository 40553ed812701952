"""The plan of a randomization: arms, factors, scheme and lengths of lists, with one hash for all of it.

Whatever is sealed, signed or checked later is bound to this hash: a list drawn under another plan, or a
simulation of another, is refused.  A plan comes from a protocol or is made by hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import product
from typing import TYPE_CHECKING, Any

from flarefree.conduct.randomization.minimization import PocockSimon
from flarefree.conduct.randomization.schemes import (
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

__all__ = [
    "KINDS",
    "Cell",
    "Factor",
    "RandomizationPlan",
    "canonical",
    "levels_of",
    "plan_of",
    "scheme_from",
    "scheme_to_dict",
]

Cell = tuple[str, ...]
"""A stratum: one level of each factor, in the factors' order."""

KINDS: dict[str, type[Any]] = {
    "complete": Complete,
    "permuted_blocks": PermutedBlocks,
    "efron": Efron,
    "big_stick": BigStick,
    "biased_coin": BoundedBiasedCoin,
    "maximal": MaximalProcedure,
    "brick_tunnel": BrickTunnel,
    "minimization": PocockSimon,
}
"""Schemes as protocols name them."""


def canonical(value: Any) -> bytes:
    """The one text of a value: JSON, keys sorted, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


@dataclass(frozen=True, slots=True)
class Factor:
    """A characteristic that patients are stratified by.

    Parameters
    ----------
    name : str
        The covariate's.
    levels : tuple of str
        All of them, in order; a patient of none of them cannot be randomized.
    """

    name: str
    levels: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.levels or len(set(self.levels)) < len(self.levels) or "" in self.levels:
            raise DesignError(
                "not the levels of a stratification factor",
                where=self.name,
                found=", ".join(self.levels) or "none",
                expected="at least one level, each with a name of its own",
            )


@dataclass(frozen=True, slots=True)
class RandomizationPlan:
    """All that decides how patients are allocated.

    Parameters
    ----------
    trial : str
    arms : tuple of str
        Keys, in the order of the scheme's ratio.
    factors : tuple of Factor
        None for a trial without strata.
    scheme : Scheme or PocockSimon
    list_length : int
        Slots of each stratum's list; of minimization, patients in all.
    emergency_length : int
        Slots of each stratum's list kept apart for an outage.
    """

    trial: str
    arms: tuple[str, ...]
    factors: tuple[Factor, ...]
    scheme: Scheme | PocockSimon
    list_length: int
    emergency_length: int = 0

    def __post_init__(self) -> None:
        if not self.trial.strip():
            raise DesignError("the trial has no name", where="trial")
        if len(self.arms) != self.scheme.n_arms or len(set(self.arms)) < len(self.arms):
            raise DesignError(
                "the arms do not fit the allocation ratio",
                where="arms",
                found=", ".join(self.arms),
                expected=f"{self.scheme.n_arms} different arms",
            )
        names = [factor.name for factor in self.factors]
        if len(set(names)) < len(names):
            raise DesignError("a factor stands twice", where="factors", found=", ".join(names))
        if self.list_length < 1 or self.emergency_length < 0:
            raise DesignError(
                "not a length of a list",
                where="list_length, emergency_length",
                found=f"{self.list_length}, {self.emergency_length}",
                expected="at least 1, at least 0",
            )
        self._require_scheme_fits()

    def _require_scheme_fits(self) -> None:
        scheme = self.scheme
        if isinstance(scheme, MaximalProcedure) and scheme.length != self.list_length:
            raise DesignError(
                "the maximal procedure is drawn for lists of one length",
                where="scheme.length",
                found=str(scheme.length),
                expected=str(self.list_length),
            )
        if isinstance(scheme, PocockSimon):
            levels = tuple(len(factor.levels) for factor in self.factors)
            if scheme.levels != levels:
                raise DesignError(
                    "minimization is over the trial's factors",
                    where="scheme.levels",
                    found=str(scheme.levels),
                    expected=str(levels),
                )

    @property
    def has_lists(self) -> bool:
        """Whether arms are drawn before the first patient; minimization decides at each one."""
        return not isinstance(self.scheme, PocockSimon)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every stratum, met or not, in the order of factors and levels."""
        return tuple(product(*(factor.levels for factor in self.factors)))

    def to_dict(self) -> dict[str, Any]:
        """What is hashed."""
        return {
            "arms": list(self.arms),
            "emergency_length": self.emergency_length,
            "factors": [{"levels": list(f.levels), "name": f.name} for f in self.factors],
            "list_length": self.list_length,
            "scheme": scheme_to_dict(self.scheme),
            "trial": self.trial,
        }

    @staticmethod
    def from_dict(told: Mapping[str, Any]) -> RandomizationPlan:
        """The plan that `to_dict` told."""
        return RandomizationPlan(
            trial=told["trial"],
            arms=tuple(told["arms"]),
            factors=tuple(Factor(f["name"], tuple(f["levels"])) for f in told["factors"]),
            scheme=scheme_from(told["scheme"]),
            list_length=told["list_length"],
            emergency_length=told["emergency_length"],
        )

    @property
    def scheme_hash(self) -> str:
        """SHA-256 of the whole plan: what simulation reports and lists are bound to."""
        return hashlib.sha256(b"flarefree randomization plan 1\n" + canonical(self.to_dict())).hexdigest()


def scheme_to_dict(scheme: Scheme | PocockSimon) -> dict[str, Any]:
    """A scheme with all its numbers, defaults included."""
    kind = next(name for name, of in KINDS.items() if type(scheme) is of)
    told = {f.name: getattr(scheme, f.name) for f in fields(scheme)}
    return {"kind": kind} | {k: list(v) if isinstance(v, tuple) else v for k, v in told.items()}


def scheme_from(told: Mapping[str, Any]) -> Scheme | PocockSimon:
    """A scheme from its kind and numbers.

    Raises
    ------
    DesignError
        The kind is not known, or has no such number.
    """
    kind = told.get("kind")
    if kind not in KINDS:
        raise DesignError(
            "no such scheme", where="scheme", found=str(kind), expected="one of " + ", ".join(KINDS)
        )
    numbers = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items() if k != "kind"}
    known = [f.name for f in fields(KINDS[kind])]
    unknown = sorted(set(numbers) - set(known))
    if unknown:
        raise DesignError(
            f"{kind} has no {unknown[0]}", where="scheme", found=unknown[0], expected=", ".join(known)
        )
    made: Scheme | PocockSimon = KINDS[kind](**numbers)
    return made


# From a protocol ---------------------------------------------------------------------------------


def levels_of(protocol: LoadedProtocol, name: str) -> tuple[str, ...]:
    """The levels of a covariate, as the protocol lists them.

    Raises
    ------
    DesignError
        The protocol leaves them open: a list for every stratum cannot be drawn then.
    """
    covariate = protocol.spec.covariates[name]
    levels = tuple(covariate.levels) or covariate.cut_labels or (("no", "yes") if covariate.when else ())
    if not levels:
        raise DesignError(
            "a stratification factor needs its levels before the trial begins",
            where=protocol.place(f"covariates.{name}"),
            found="no levels",
            expected="levels: {...}",
        )
    return levels


def plan_of(
    protocol: LoadedProtocol,
    scheme: Scheme | PocockSimon | None = None,
    *,
    list_length: int | None = None,
    emergency_length: int | None = None,
) -> RandomizationPlan:
    """The protocol's plan, or the same trial under another scheme.

    Parameters
    ----------
    protocol : LoadedProtocol
    scheme : Scheme or PocockSimon, optional
        Instead of the protocol's own.
    list_length, emergency_length : int, optional
        Instead of the protocol's own.

    Raises
    ------
    DesignError
        The protocol does not randomize, or names no scheme and none is given.
    """
    spec = protocol.spec.randomization
    if spec is None:
        raise DesignError("the protocol does not randomize", where=protocol.path)
    if scheme is None and spec.scheme is None:
        raise DesignError(
            "the protocol names no scheme of randomization",
            where=protocol.place("randomization"),
            expected="scheme: {kind: permuted_blocks, sizes: [4, 6]}, say",
            try_=f"flarefree randomization simulate {protocol.path} compares schemes",
        )
    size = protocol.spec.design.planned_size or 200
    length = list_length or (spec.scheme and spec.scheme.list_length) or size
    apart = emergency_length
    if apart is None:
        apart = spec.scheme.emergency_length if spec.scheme else 0
    factors = tuple(Factor(name, levels_of(protocol, name)) for name in spec.strata)
    if scheme is None and spec.scheme is not None:
        scheme = _scheme_of_spec(spec.scheme, tuple(spec.ratio.values()), factors, length)
    assert scheme is not None
    return RandomizationPlan(protocol.spec.name, tuple(spec.ratio), factors, scheme, length, apart)


def _scheme_of_spec(
    spec: Any, ratio: tuple[int, ...], factors: tuple[Factor, ...], length: int
) -> Scheme | PocockSimon:
    told: dict[str, Any] = {"kind": spec.kind, "ratio": list(ratio)}
    told |= {k: getattr(spec, k) for k in ("limit", "p", "ends_balanced") if getattr(spec, k) is not None}
    if spec.sizes:
        told["sizes"] = list(spec.sizes)
    if spec.kind == "maximal":
        told["length"] = length
    if spec.kind == "minimization":
        told["levels"] = [len(factor.levels) for factor in factors]
    return scheme_from(told)
