"""What must agree within a protocol so that doses can be computed: products, regimens, troughs, contacts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

from flarefree.protocol.amounts import parse_daily_dose, parse_strength, parse_window
from flarefree.protocol.naming import Names
from flarefree.protocol.schema import Protocol
from flarefree.protocol.schema_dosing import Product

__all__ = ["check_dosing"]

_T = TypeVar("_T")


def check_dosing(spec: Protocol, names: Names) -> None:
    """Stop at the first dose, strength or window that could not be followed."""
    rules = spec.dosing
    drugs = {regimen.drug for arm in spec.arms.values() for regimen in arm.regimens if not regimen.is_placebo}
    for i, product in enumerate(rules.products):
        _check_product(product, f"dosing.products.{i}", names)
        if product.drug not in drugs:
            raise names.unknown("drug", product.drug, sorted(drugs), f"dosing.products.{i}.drug")
        if product.drug in {other.drug for other in rules.products[:i]}:
            raise names.error("two products have this drug", f"dosing.products.{i}.drug", found=product.drug)
    products = {product.drug for product in rules.products}
    for key, arm in spec.arms.items():
        for i, regimen in enumerate(arm.regimens):
            for name in ("target", "minimum"):
                if regimen.drug in products and getattr(regimen, name):
                    path = f"arms.{key}.regimens.{i}.{name}"
                    _read(parse_daily_dose, getattr(regimen, name), path, names)
    if rules.trough_window:
        _read(parse_window, rules.trough_window, "dosing.trough_window", names)
    if rules.trough_drug and rules.trough_drug not in drugs:
        raise names.unknown("drug", rules.trough_drug, sorted(drugs), "dosing.trough_drug")


def _check_product(product: Product, path: str, names: Names) -> None:
    sizes = []
    for i, written in enumerate(product.tablets):
        sizes.append(_read(parse_strength, written, f"{path}.tablets.{i}", names))
    sizes.sort()
    for small, large in pairwise(sizes):
        if large == small or large % small:
            raise names.error(
                "each strength must be a multiple of the next smaller one",
                f"{path}.tablets",
                found=", ".join(product.tablets),
                try_="two products, or strengths such as 25 mg and 50 mg",
            )
    if product.highest:
        highest = _read(parse_daily_dose, product.highest, f"{path}.highest", names)
        if highest.is_per_kg:
            raise names.error("the highest dose is not by weight", f"{path}.highest", found=product.highest)


def _read(read: Callable[[str], _T], written: str, path: str, names: Names) -> _T:
    try:
        return read(written)
    except ValueError as problem:
        raise names.error("this amount cannot be read", path, found=written, expected=str(problem)) from None
