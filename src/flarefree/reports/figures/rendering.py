"""From a figure of results to the SVG file of that name: which kind is drawn by which module."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from flarefree.reports.figures.bars import describe_bars, draw_bars
from flarefree.reports.figures.bubble import describe_bubble, draw_bubble
from flarefree.reports.figures.course import describe_course, draw_course
from flarefree.reports.figures.drawing import Drawing
from flarefree.reports.figures.flow import describe_flow, draw_flow
from flarefree.reports.figures.forest import describe_forest, draw_forest
from flarefree.reports.figures.funnel import describe_funnel, draw_funnel
from flarefree.reports.figures.kaplan_meier import describe_kaplan_meier, draw_kaplan_meier
from flarefree.reports.figures.league import describe_league, draw_league
from flarefree.reports.figures.leverage import describe_leverage, draw_leverage
from flarefree.reports.figures.meta_forest import describe_meta_forest, draw_meta_forest
from flarefree.reports.figures.net_heat import describe_net_heat, draw_net_heat
from flarefree.reports.figures.network_plot import describe_network_plot, draw_network_plot
from flarefree.reports.figures.overlap import (
    describe_overlap,
    describe_weights,
    draw_overlap,
    draw_weights,
)
from flarefree.reports.figures.palette import Palette
from flarefree.reports.figures.predictive import describe_predictive, draw_predictive
from flarefree.reports.figures.profile import describe_profile, draw_profile
from flarefree.reports.figures.rankogram import describe_rankogram, draw_rankogram
from flarefree.reports.figures.reconstruction import (
    describe_reconstruction,
    describe_statistic_range,
    draw_reconstruction,
    draw_statistic_range,
)
from flarefree.reports.figures.sequential import describe_sequential, draw_sequential
from flarefree.reports.figures.subject_course import describe_subject_course, draw_subject_course
from flarefree.reports.figures.trace import describe_trace, draw_trace
from flarefree.results import Figure

__all__ = ["describe_figure", "figure_data", "render_figure"]

Draw = Callable[[Figure, Palette], Drawing]
Describe = Callable[[Figure], str]

_KINDS: dict[str, tuple[Draw, Describe]] = {
    "bars": (draw_bars, describe_bars),
    "bubble": (draw_bubble, describe_bubble),
    "course": (draw_course, describe_course),
    "flow": (draw_flow, describe_flow),
    "forest": (draw_forest, describe_forest),
    "funnel": (draw_funnel, describe_funnel),
    "kaplan_meier": (draw_kaplan_meier, describe_kaplan_meier),
    "reconstruction": (draw_reconstruction, describe_reconstruction),
    "statistic_range": (draw_statistic_range, describe_statistic_range),
    "overlap": (draw_overlap, describe_overlap),
    "meta_forest": (draw_meta_forest, describe_meta_forest),
    "sequential": (draw_sequential, describe_sequential),
    "league": (draw_league, describe_league),
    "leverage": (draw_leverage, describe_leverage),
    "net_heat": (draw_net_heat, describe_net_heat),
    "network_plot": (draw_network_plot, describe_network_plot),
    "predictive": (draw_predictive, describe_predictive),
    "profile": (draw_profile, describe_profile),
    "rankogram": (draw_rankogram, describe_rankogram),
    "subject_course": (draw_subject_course, describe_subject_course),
    "trace": (draw_trace, describe_trace),
    "weights": (draw_weights, describe_weights),
}


def render_figure(figure: Figure, palette: Palette, *, name: str = "") -> str:
    """The figure as an SVG file: text as text, the same bytes every time.

    `name` makes its ids unique among the figures of one page; the figure's own id unless given.
    """
    draw, _ = _KINDS[figure.kind]
    drawing = draw(figure, palette)
    return drawing.render(name=name or figure.id, title=figure.title, description=describe_figure(figure))


def describe_figure(figure: Figure) -> str:
    """What the figure shows, in words, for readers who do not see it."""
    return _KINDS[figure.kind][1](figure)


def figure_data(figure: Figure) -> pl.DataFrame:
    """What `figures/NAME.csv` holds: the frame `main`, lists joined by semicolons."""
    main = figure.data.get("main", pl.DataFrame())
    lists = [name for name, kind in main.schema.items() if isinstance(kind, pl.List)]
    return main.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join("; ") for name in lists)
