"""What is kept of every trial, as a frame: one row a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flarefree.simulation.reduction import Reduced

if TYPE_CHECKING:
    import polars as pl

    from flarefree.simulation.characteristics import OperatingCharacteristics

__all__ = ["per_trial_frame"]


def per_trial_frame(found: OperatingCharacteristics) -> pl.DataFrame:
    """One row a trial: number; of each definition z, log hazard ratio and its error; events by arm.

    Columns of the protocol's own definition have no prefix, others their place (`d2_z`).
    """
    import polars as pl

    kept = found.per_trial
    columns: dict[str, Any] = {"trial": range(found.first_trial, found.first_trial + found.trials)}
    others = [arm for arm in found.arms if arm != found.reference]
    first = 0
    for k, definition in enumerate(found.definitions):
        prefix = f"d{k + 1}_" if k else ""
        for c, arm in enumerate(others):
            own = prefix + (f"{arm}_" if len(others) > 1 else "")
            for name in ("z", "log_hr", "log_hr_error"):
                of = getattr(kept, name)
                columns[f"{own}{name}"] = of[:, c] if isinstance(kept, Reduced) else of[:, k, c]
        for i, endpoint in enumerate(definition.events):
            for j, arm in enumerate(found.arms):
                columns[f"{prefix}{endpoint}_{arm}"] = kept.events[:, first + i, j]
        first += len(definition.events)
    return pl.DataFrame(columns)
