"""Protocols for checks of doses: ALMS, a blinded multitarget trial, and either with its arms exchanged."""

from __future__ import annotations

from functools import cache

from flarefree.protocol.loading import load_protocol
from flarefree.protocol.schema import Protocol, Regimen
from flarefree.protocol.schema_dosing import Product

__all__ = ["alms_spec", "blinded_multitarget", "swapped_arms"]


@cache
def alms_spec() -> Protocol:
    """The built-in protocol."""
    return load_protocol("alms-maintenance").spec


@cache
def blinded_multitarget() -> Protocol:
    """The multitarget trial as if it were double-dummy: three products, tacrolimus by its trough."""
    spec = load_protocol("multitarget-maintenance").spec
    products = (
        Product(
            drug="mycophenolate mofetil",
            label="Tablets M",
            tablets=("250 mg",),
            times_per_day=2,
            highest="2 g/day",
        ),
        Product(
            drug="tacrolimus",
            label="Capsules T",
            tablets=("1 mg", "0.5 mg"),
            times_per_day=2,
            highest="6 mg/day",
        ),
        Product(drug="azathioprine", label="Tablets A", tablets=("50 mg", "25 mg"), highest="200 mg/day"),
    )
    dosing = spec.dosing.model_copy(
        update={
            "products": products,
            "steps": (1.0, 0.75, 0.5),
            "temporary_steps": (0.25, 0.0),
            "longest_interruption": 14,
            "low_weight_kg": 50.0,
        }
    )
    arms = {}
    for key, arm in spec.arms.items():
        own = {regimen.drug for regimen in arm.regimens}
        dummies = tuple(
            Regimen(drug=f"{product.drug} placebo", is_placebo=True)
            for product in products
            if product.drug not in own
        )
        arms[key] = arm.model_copy(update={"regimens": (*arm.regimens, *dummies)})
    return spec.model_copy(update={"dosing": dosing, "arms": arms})


def swapped_arms(spec: Protocol) -> Protocol:
    """The same trial with what its two arms take exchanged, and their order turned."""
    (first, one), (second, other) = spec.arms.items()
    arms = {
        second: other.model_copy(update={"regimens": one.regimens[::-1]}),
        first: one.model_copy(update={"regimens": other.regimens[::-1]}),
    }
    return spec.model_copy(update={"arms": arms})
