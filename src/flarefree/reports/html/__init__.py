"""The report as one self-contained HTML page.

Takes a `Document`; gives a page without script or network: semantic tables, drawings inline, light and
dark, black on white in print.  Computes nothing.  Read `rendering.py`, then `templates/report.html.j2`.
"""

from flarefree.reports.html.rendering import render_html

__all__ = ["render_html"]
