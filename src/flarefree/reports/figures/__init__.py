"""Figures as a journal prints them, drawn directly in SVG.

Takes `flarefree.results.Figure` and the report's colors; gives an SVG file: text as text, one type size,
hairline rules, the same bytes on every machine.  Computes nothing.  Read `rendering.py`, then
`drawing.py`, then a kind (`kaplan_meier.py`, `forest.py`, `flow.py`, `course.py` ...).
"""

from flarefree.reports.figures.palette import Palette
from flarefree.reports.figures.rendering import describe_figure, figure_data, render_figure

__all__ = ["Palette", "describe_figure", "figure_data", "render_figure"]
