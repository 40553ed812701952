"""Treatments of virtual patients: what an arm's drugs change, and which treatment a protocol's arm is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flarefree.errors import DesignError

if TYPE_CHECKING:
    from flarefree.protocol.schema import Protocol
    from flarefree.simulation.parameters import Parameters

__all__ = ["TREATMENTS", "Treatment", "treatments_of"]


@dataclass(frozen=True, slots=True)
class Treatment:
    """What one arm's drugs do to a virtual patient.

    Attributes
    ----------
    name, label : str
    drugs : frozenset of str
        Active drugs that make it this treatment (prednisone apart).
    flares, withdrawals, leukopenia, liver : str
        Fields of `Parameters` with the yearly rates.
    ratio : str
        Field with a factor of the flare rate; empty for none.
    hazard_factor, withdrawal_factor : float
        Further factors, for designs.
    flares_per_year, withdrawals_per_year : float or None
        Rates given outright, which no parameter then changes.
    cni : bool
        A calcineurin inhibitor is part of it; `cni_before`: and was taken during induction already.
    lowers_complement : bool
        C3 and C4 are lower from month 3 on (azathioprine).
    stop_day : int
        Study day on which it is stopped by plan; 0 for never.
    adherence : float
        Part of the prescribed dose that is taken.
    """

    name: str
    label: str
    drugs: frozenset[str]
    flares: str
    withdrawals: str
    leukopenia: str
    liver: str
    ratio: str = ""
    hazard_factor: float = 1.0
    withdrawal_factor: float = 1.0
    flares_per_year: float | None = None
    withdrawals_per_year: float | None = None
    cni: bool = False
    cni_before: bool = False
    lowers_complement: bool = False
    stop_day: int = 0
    adherence: float = 1.0

    def flare_rate(self, parameters: Parameters) -> float:
        """Latent flares a year at frailty 1, full dose, before factors of the trial and the patient."""
        if self.flares_per_year is not None:
            return self.flares_per_year * self.hazard_factor
        ratio = float(getattr(parameters, self.ratio)) if self.ratio else 1.0
        return float(getattr(parameters, self.flares)) * ratio * self.hazard_factor

    def withdrawal_rate(self, parameters: Parameters, field: str = "") -> float:
        """Withdrawals a year that are no treatment failures; `field` is the population's own."""
        if self.withdrawals_per_year is not None:
            return self.withdrawals_per_year * self.withdrawal_factor
        return float(getattr(parameters, field or self.withdrawals)) * self.withdrawal_factor

    def changed(self, **changes: Any) -> Treatment:
        """The same with some attributes replaced."""
        return dataclasses.replace(self, **changes)

    def __post_init__(self) -> None:
        for name in ("hazard_factor", "withdrawal_factor", "flares_per_year", "withdrawals_per_year"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and 0 <= value <= 1e4):
                raise DesignError(
                    "not a rate", where=f"{self.name}.{name}", found=f"{value!r}", expected="0 or more"
                )
        if not 0.0 <= self.adherence <= 2.0:
            raise DesignError(
                "not an adherence",
                where=f"{self.name}.adherence",
                found=f"{self.adherence:g}",
                expected="0 to 2 (1 is all of the prescribed dose)",
            )


_MMF = "mycophenolate mofetil"
_AZA = "azathioprine"
_TAC = "tacrolimus"
_CSA = "ciclosporin"
_VOC = "voclosporin"

TREATMENTS: Mapping[str, Treatment] = {
    "MMF": Treatment(
        "MMF", "Mycophenolate mofetil", frozenset({_MMF}), "lam_mmf", "d_mmf", "leukopenia_mmf", "liver_mmf"
    ),
    "AZA": Treatment(
        "AZA", "Azathioprine", frozenset({_AZA}), "lam_aza", "d_aza", "leukopenia_aza", "liver_aza",
        lowers_complement=True,
    ),
    "MT": Treatment(
        "MT", "Multitarget therapy", frozenset({_TAC, _MMF}), "lam_aza", "d_mt", "leukopenia_mt", "liver_mt",
        ratio="hr_mt", cni=True, cni_before=True,
    ),
    "TAC": Treatment(
        "TAC", "Tacrolimus", frozenset({_TAC}), "lam_mmf", "d_mmf", "leukopenia_mt", "liver_mt", cni=True
    ),
    "CSA": Treatment(
        "CSA", "Ciclosporin", frozenset({_CSA}), "lam_mmf", "d_mmf", "leukopenia_mt", "liver_mt", cni=True
    ),
    "VOC": Treatment(
        "VOC", "Voclosporin with mycophenolate", frozenset({_VOC, _MMF}), "lam_mmf", "d_mmf",
        "leukopenia_mmf", "liver_mmf", cni=True, cni_before=True,
    ),
}  # fmt: skip
"""By name.  MMF, AZA and MT were in the trials that the numbers come from; TAC, CSA and VOC borrow theirs."""

_SPELLINGS = {
    "mycophenolate": _MMF,
    "mycophenolic": _MMF,
    "azathioprine": _AZA,
    "tacrolimus": _TAC,
    "ciclosporin": _CSA,
    "cyclosporin": _CSA,
    "voclosporin": _VOC,
}
_NOT_COUNTED = ("predniso", "dexamethasone", "deflazacort", "hydrocortisone", "hydroxychloroquine")


def treatments_of(
    protocol: Protocol, flares_per_year: Mapping[str, float] | None = None
) -> tuple[Treatment, ...]:
    """The treatment of each arm of a protocol, in its order, by the arm's active drugs.

    Parameters
    ----------
    protocol : Protocol
    flares_per_year : mapping of arm to float, optional
        Latent flare rates given outright; an arm of drugs that virtual patients do not know needs one.

    Raises
    ------
    DesignError
        An arm's drugs are none that virtual patients know, and no rate is given.
    """
    rates = dict(flares_per_year or {})
    unknown = sorted(set(rates) - set(protocol.arms))
    if unknown:
        raise DesignError(
            "no such arm", where=f"hazard.{unknown[0]}", found=unknown[0], expected=", ".join(protocol.arms)
        )
    return tuple(_treatment_of(name, arm, rates.get(name)) for name, arm in protocol.arms.items())


def _treatment_of(name: str, arm: Any, rate: float | None) -> Treatment:
    named = [r.drug.lower() for r in arm.regimens if not r.is_placebo]
    counted = [d for d in named if not d.startswith(_NOT_COUNTED)]
    drugs = frozenset(next((_SPELLINGS[s] for s in _SPELLINGS if s in d), d) for d in counted)
    for treatment in TREATMENTS.values():
        if treatment.drugs == drugs:
            return treatment if rate is None else treatment.changed(flares_per_year=rate)
    if rate is not None:
        return TREATMENTS["MMF"].changed(name=name, label=arm.label, drugs=drugs, flares_per_year=rate)
    raise DesignError(
        "virtual patients do not know this treatment",
        where=f"arms.{name}",
        found=", ".join(sorted(drugs)) or "no active drug",
        expected="; ".join(" + ".join(sorted(t.drugs)) for t in TREATMENTS.values()),
        try_=f"hazard.{name}: set its flares a year, as in --set hazard.{name}=0.3",
    )
