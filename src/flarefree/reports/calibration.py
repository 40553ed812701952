"""A page that sets published numbers beside what virtual trials predict: one HTML file, nothing loaded.

Shows a `Comparison`, or predictions of trials that nothing was fitted to; computes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.reports.building import program_name
from flarefree.reports.figures import Palette, render_figure
from flarefree.reports.html.rendering import TEMPLATES, template_environment
from flarefree.results import Figure

if TYPE_CHECKING:
    from jinja2 import Environment

    from flarefree.simulation.calibration.comparing import Comparison
    from flarefree.simulation.calibration.hold_outs import Prediction

__all__ = ["render_comparison_page", "render_hold_out_page"]

OWN = Path(__file__).parent / "html" / "templates"


def render_comparison_page(found: Comparison, palette: Palette) -> str:
    """The page of one published trial."""
    from flarefree.simulation.calibration.showing import comparison_figures
    from flarefree.simulation.calibration.telling import interval_text, number_text

    groups = (
        ("fitted", "Numbers that were fitted"),
        ("compared", "Numbers that were only compared"),
        ("input", "Numbers that the model was given"),
    )
    tables = [(title, [r for r in found.rows if r.target.status == status]) for status, title in groups]
    return _render(
        title=f"{found.trial}: published numbers beside virtual trials",
        lead=(
            f"{found.trials:,} virtual trials of the published size, "
            f"over {found.draws} draws of the posterior. Seed {found.seed}."
        ),
        figures=[(f, render_figure(f, palette)) for f in comparison_figures(found)],
        palette=palette,
        found=found,
        tables=[(title, rows) for title, rows in tables if rows],
        interval=interval_text,
        number=number_text,
        predictions=(),
    )


def render_hold_out_page(found: Sequence[Prediction], palette: Palette) -> str:
    """The page of trials that nothing was fitted to."""
    from flarefree.simulation.calibration.showing import hold_out_figure
    from flarefree.simulation.calibration.telling import number_text

    figure = hold_out_figure(found)
    return _render(
        title="Trials that nothing was fitted to, predicted",
        lead="As if flares were as frequent as in ALMS, and for a trial elsewhere, with a factor of its own.",
        figures=[(figure, render_figure(figure, palette))],
        palette=palette,
        found=None,
        tables=(),
        interval=None,
        number=number_text,
        predictions=found,
    )


def _render(*, figures: Sequence[tuple[Figure, str]], palette: Palette, **content: Any) -> str:
    return (
        _environment()
        .get_template("calibration.html.j2")
        .render(
            css=(TEMPLATES / "report.css").read_text("utf-8"),
            dark_colors=sorted(palette.on_dark().items()),
            program=program_name(),
            figures=figures,
            **content,
        )
    )


@cache
def _environment() -> Environment:
    return template_environment(OWN)
