"""Results from what was kept of trials: one `DefinitionResult` for each definition."""

from __future__ import annotations

from typing import Any

import numpy as np

from flarefree.simulation.characteristics import DefinitionResult, Rejections, distribution_of
from flarefree.simulation.design import Design
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.recipes import Recipe, compiled
from flarefree.simulation.reduction import Bank, Reduced
from flarefree.simulation.summaries import Summaries
from flarefree.studytime import DAYS_PER_MONTH

__all__ = ["added", "definition", "pooled", "provenance", "reduced_definition", "rejections"]

_MONTHS = 1.0 / DAYS_PER_MONTH


def provenance(recipe: Recipe) -> str:
    """Whose parameters the patients have."""
    if len(recipe.draws) > 1:
        return f"{len(recipe.draws)} draws, each for eight trials in turn"
    is_default = recipe.draws[0] == Parameters()
    return "those that come with this version" if is_default else "given by the caller"


def pooled(bank: Bank) -> Bank:
    """The same patients for every arm."""
    together = bank.counts.sum(axis=0, keepdims=True)
    return Bank(np.repeat(together, bank.counts.shape[0], axis=0), bank.components)


def _others(design: Design) -> list[tuple[int, str]]:
    return [(k, arm) for k, arm in enumerate(design.arms) if k != design.reference]


def rejections(design: Design, z: Any, critical: float) -> dict[str, Rejections]:
    """By arm compared; `z` is (trials, comparisons)."""
    found = {}
    for c, (_, arm) in enumerate(_others(design)):
        own = z[:, c]
        rejected = int((np.abs(own) >= critical).sum())
        found[arm] = Rejections(rejected, int(own.size), int((own <= -critical).sum()))
    return found


def added(one: dict[str, Rejections], more: dict[str, Rejections]) -> dict[str, Rejections]:
    """Rejections of further trials."""
    return {
        arm: Rejections(
            a.rejected + more[arm].rejected, a.trials + more[arm].trials, a.in_favor + more[arm].in_favor,
            a.bank_error,
        )
        for arm, a in one.items()
    }  # fmt: skip


def definition(
    recipe: Recipe,
    k: int,
    found: Summaries,
    power: dict[str, Rejections],
    errors: dict[str, Rejections] | None,
) -> DefinitionResult:
    """The result of definition k."""
    design, questions = recipe.design, compiled(recipe.definitions)
    question = questions[k]
    first = sum(len(other.asked) for other in questions[:k])
    per_patient = _MONTHS / np.array(design.sizes)
    return DefinitionResult(
        name=recipe.definitions[k].name,
        endpoint=question.primary,
        power=power,
        type_one_error=errors,
        hazard_ratio={
            a: distribution_of(np.exp(found.log_hr[:, k, c])) for c, (_, a) in enumerate(_others(design))
        },
        no_hazard_ratio={
            a: int((~np.isfinite(found.log_hr[:, k, c])).sum()) for c, (_, a) in enumerate(_others(design))
        },
        events={
            name: {a: distribution_of(found.events[:, first + i, j]) for j, a in enumerate(design.arms)}
            for i, name in enumerate(question.asked)
        },
        survival={a: distribution_of(found.survival[:, k, j]) for j, a in enumerate(design.arms)},
        follow_up_months={
            a: distribution_of(found.days[:, k, j] * per_patient[j]) for j, a in enumerate(design.arms)
        },
        completed={a: distribution_of(found.completed[:, k, j]) for j, a in enumerate(design.arms)},
    )


def reduced_definition(
    recipe: Recipe,
    bank: Bank,
    found: Reduced,
    power: dict[str, Rejections],
    errors: dict[str, Rejections] | None,
) -> DefinitionResult:
    """The result of trials drawn as counts."""
    design, question = recipe.design, compiled(recipe.definitions)[0]
    names = (question.primary, *(c for c in bank.components if c != question.primary))
    ratios = {a: found.log_hr[:, c] for c, (_, a) in enumerate(_others(design))}
    return DefinitionResult(
        name="",
        endpoint=question.primary,
        power=power,
        type_one_error=errors,
        hazard_ratio={a: distribution_of(np.exp(x)) for a, x in ratios.items()},
        no_hazard_ratio={a: int((~np.isfinite(x)).sum()) for a, x in ratios.items()},
        events={
            name if i == 0 else f"{name} (first)": {
                a: distribution_of(found.events[:, i, j]) for j, a in enumerate(design.arms)
            }
            for i, name in enumerate(names)
        },
        survival={a: distribution_of(found.survival[:, j]) for j, a in enumerate(design.arms)},
        follow_up_months={},
        completed={},
    )
