"""What every patient takes, whatever the arm: the products of a double dummy, compiled from a protocol.

Each product is in each arm, as drug or as its look-alike placebo, and its tablets follow the one regimen
that the protocol has for the drug.  So a plan knows no arm, and what is computed from it cannot depend on
one.  A protocol in which the dose itself would tell the arm gives no plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from flarefree.errors import DesignError
from flarefree.protocol.amounts import DailyDose, parse_daily_dose, parse_strength
from flarefree.protocol.schema import Protocol, Regimen
from flarefree.protocol.schema_dosing import Product

__all__ = ["DosePlan", "PlannedProduct", "Stage", "dose_plan"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A target that holds from one study day to another, both counted; open-ended if `last_day` is None."""

    first_day: int
    last_day: int | None
    target: DailyDose
    minimum_mg: Fraction

    def holds_on(self, day: int) -> bool:
        """Whether this study day is in it."""
        return self.first_day <= day and (self.last_day is None or day <= self.last_day)


@dataclass(frozen=True, slots=True)
class PlannedProduct:
    """A product: tablets that look alike, and the targets that they follow.

    Attributes
    ----------
    drug, label : str
        The drug by its name; the words of instructions, in which drug and placebo are one.
    strengths_mg : tuple of Fraction
        Largest first; each a multiple of the next.
    times_per_day : int
    highest_mg : Fraction or None
    stages : tuple of Stage
        In the order of their days.
    """

    drug: str
    label: str
    strengths_mg: tuple[Fraction, ...]
    times_per_day: int
    highest_mg: Fraction | None
    stages: tuple[Stage, ...]

    @property
    def smallest_mg(self) -> Fraction:
        """The unit in which its dose is counted."""
        return self.strengths_mg[-1]

    def stage_on(self, day: int) -> Stage | None:
        """The stage of a study day; None where the product is not taken."""
        return next((stage for stage in self.stages if stage.holds_on(day)), None)

    def units(self, stage: Stage, weight_kg: Fraction, share: Fraction, offset: int, lasts: bool) -> int:
        """Smallest tablets a day.

        The nearest number to the share of the target, the lower of two as near; with what titration added;
        then not above the highest dose, and not below the minimum where the dose is to last.
        """
        exact = stage.target.mg_for(weight_kg) * share / self.smallest_mg
        units = max(0, ceil(exact - Fraction(1, 2)))
        if share:
            units = max(0, units + offset)
        if self.highest_mg is not None:
            units = min(units, floor(self.highest_mg / self.smallest_mg))
        return max(units, ceil(stage.minimum_mg / self.smallest_mg)) if lasts else units


@dataclass(frozen=True, slots=True)
class DosePlan:
    """How doses are given and changed in a trial; it holds no arm.

    Attributes
    ----------
    products : tuple of PlannedProduct
        In the order of the protocol: each patient takes all of them.
    steps : tuple of Fraction
        Shares of the target, downwards from 1; doses of these steps are never below the minimum.
    temporary_steps : tuple of Fraction
        Shares that may be below it, or 0: for as long as an interruption may last.
    longest_interruption : int or None
        Days.
    low_weight_kg : Fraction or None
        Under this a lower step may be begun with.
    escalate_after : int
        Fewest days between two steps upwards.
    titrated : str
        The drug whose product follows its trough; empty if none does.
    """

    products: tuple[PlannedProduct, ...]
    steps: tuple[Fraction, ...]
    temporary_steps: tuple[Fraction, ...]
    longest_interruption: int | None
    low_weight_kg: Fraction | None
    escalate_after: int
    titrated: str = ""

    def boundaries(self) -> frozenset[int]:
        """Study days on which a stage begins, or the day after one ended."""
        stages = [stage for product in self.products for stage in product.stages]
        ends = {stage.last_day + 1 for stage in stages if stage.last_day is not None}
        return frozenset({stage.first_day for stage in stages} | ends)


def dose_plan(spec: Protocol) -> DosePlan:
    """The plan of a protocol's products.

    Raises
    ------
    DesignError
        There are no products; an arm has neither drug nor placebo of one; arms take a drug in different
        doses, or a drug without a product in some arms only: the dose would tell the arm.
    """
    rules = spec.dosing
    if not rules.products:
        raise DesignError(
            "this trial has no products to dose",
            where="dosing.products",
            found="none",
            expected="each study drug with its look-alike tablets",
            try_="nothing, if the trial is open label: its doses are the investigator's to write",
        )
    _require_blind(spec)
    return DosePlan(
        products=tuple(_planned(product, spec) for product in rules.products),
        steps=tuple(map(_exact, rules.steps)),
        temporary_steps=tuple(map(_exact, rules.temporary_steps)),
        longest_interruption=rules.longest_interruption,
        low_weight_kg=None if rules.low_weight_kg is None else _exact(rules.low_weight_kg),
        escalate_after=rules.escalate_after or 0,
        titrated=rules.trough_drug,
    )


def _exact(number: float) -> Fraction:
    return Fraction(str(number))


def _planned(product: Product, spec: Protocol) -> PlannedProduct:
    by_arm = {key: tuple(_stages(product, arm.regimens)) for key, arm in spec.arms.items()}
    different = {stages for stages in by_arm.values() if stages}
    if len(different) > 1:
        raise DesignError(
            "arms take this drug in different doses, which would tell the arm",
            where=f"dosing.products ({product.drug})",
            found=", ".join(key for key, stages in by_arm.items() if stages),
            expected="one regimen of the drug, the same wherever it is taken",
            try_="a product for each strength of the comparison",
        )
    (stages,) = different
    return PlannedProduct(
        drug=product.drug,
        label=product.label,
        strengths_mg=tuple(sorted(map(parse_strength, product.tablets), reverse=True)),
        times_per_day=product.times_per_day,
        highest_mg=parse_daily_dose(product.highest).mg if product.highest else None,
        stages=stages,
    )


def _stages(product: Product, regimens: tuple[Regimen, ...]) -> Iterator[Stage]:
    own = [r for r in regimens if r.drug == product.drug and not r.is_placebo]
    for regimen in sorted(own, key=lambda r: r.from_day):
        minimum = parse_daily_dose(regimen.minimum).mg if regimen.minimum else Fraction(0)
        yield Stage(regimen.from_day, regimen.until, parse_daily_dose(regimen.target), minimum)


def _require_blind(spec: Protocol) -> None:
    products = {product.drug for product in spec.dosing.products}
    for drug in products:
        for key, arm in spec.arms.items():
            if not any(_is_of(drug, regimen) for regimen in arm.regimens):
                raise DesignError(
                    "an arm takes neither this drug nor its placebo",
                    where=f"arms.{key}.regimens",
                    found=", ".join(regimen.drug for regimen in arm.regimens) or "none",
                    expected=f"{drug}, or {drug} placebo",
                    try_=f"{{drug: {drug} placebo, is_placebo: true}}",
                )
    others = [_others(arm.regimens, products) for arm in spec.arms.values()]
    if any(other != others[0] for other in others):
        raise DesignError(
            "a drug without a look-alike is taken in some arms only, which tells the arm",
            where="arms",
            found=", ".join(sorted({name for other in others for name, *_ in other})),
            expected="a product of each drug in which arms differ",
        )


def _is_of(drug: str, regimen: Regimen) -> bool:
    name = regimen.drug.casefold()
    return name.removesuffix(" placebo") == drug.casefold() if regimen.is_placebo else regimen.drug == drug


def _others(regimens: tuple[Regimen, ...], products: set[str]) -> set[tuple[str, str, int, int | None]]:
    return {
        (r.drug, r.target, r.from_day, r.until)
        for r in regimens
        if not any(_is_of(drug, r) for drug in products)
    }
