"""Comparisons as results that reports show: figures and frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flarefree.simulation.calibration.targets import Status
from flarefree.simulation.calibration.telling import interval_text, number_text

if TYPE_CHECKING:
    import polars as pl

    from flarefree.results import Figure
    from flarefree.simulation.calibration.comparing import Comparison, Row
    from flarefree.simulation.calibration.hold_outs import Prediction

__all__ = ["comparison_figures", "comparison_frame", "hold_out_figure"]

_AXIS = "Place within the predicted interval (its ends at -1 and 1)"


def comparison_figures(found: Comparison) -> tuple[Figure, ...]:
    """What was fitted or compared, and what was put in."""
    told = [r for r in found.rows if r.target.status is not Status.INPUT]
    put_in = [r for r in found.rows if r.target.status is Status.INPUT]
    title = "Published numbers over what virtual trials of their size would print"
    figures = [_figure(f"{found.trial}-predicted", title, told, "published, fitted", "published, not fitted")]
    if put_in:
        words = "Numbers that the model was given: they show only that they arrive"
        figures.append(_figure(f"{found.trial}-put-in", words, put_in, "published", "published, put in"))
    return tuple(figures)


def _figure(id: str, title: str, rows: Sequence[Row], filled: str, open_: str) -> Figure:
    import polars as pl

    from flarefree.results import Figure

    frame = pl.DataFrame(
        {
            "label": [r.target.label for r in rows],
            "group": [r.target.arm for r in rows],
            "value": [r.target.value for r in rows],
            "mean": [r.mean for r in rows],
            "low": [r.low - r.target.rounding for r in rows],
            "high": [r.high + r.target.rounding for r in rows],
            "value_text": [number_text(r.target.value, r.target.digits) for r in rows],
            "interval_text": [interval_text(r) for r in rows],
            "is_open": [r.target.status is not Status.FITTED for r in rows],
            "pit": [r.pit for r in rows],
        }
    )
    options = {"filled_label": filled, "open_label": open_}
    return Figure(id, title, "predictive", {"main": frame}, x_label=_AXIS, options=options)


def hold_out_figure(found: Sequence[Prediction]) -> Figure:
    """Numbers that nothing was fitted to, over their intervals for a trial elsewhere."""
    import polars as pl

    from flarefree.results import Figure
    from flarefree.simulation.calibration.hold_outs import load_hold_outs

    labels = {name: held.label for name, held in load_hold_outs().items()}
    frame = pl.DataFrame(
        {
            "label": [f"{labels[p.trial]}: {p.label[0].lower()}{p.label[1:]}" for p in found],
            "group": [p.arm for p in found],
            "value": [p.published for p in found],
            "mean": [p.mean for p in found],
            "low": [p.elsewhere_low for p in found],
            "high": [p.elsewhere_high for p in found],
            "value_text": [number_text(p.published, p.digits) for p in found],
            "interval_text": [
                f"{number_text(p.elsewhere_low, p.digits)} to {number_text(p.elsewhere_high, p.digits)}"
                for p in found
            ],
            "is_open": [True] * len(found),
            "pit": [p.pit for p in found],
        }
    )
    options = {"filled_label": "published, fitted", "open_label": "published, held out"}
    return Figure(
        "held-out", "Trials that nothing was fitted to, predicted", "predictive", {"main": frame},
        x_label=_AXIS, options=options,
    )  # fmt: skip


def comparison_frame(found: Comparison) -> pl.DataFrame:
    """One row a published number."""
    import polars as pl

    return pl.DataFrame(found.to_dict()["numbers"])
