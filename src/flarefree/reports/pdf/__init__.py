"""The report as a PDF.

Takes a `Document`; gives the bytes of a tagged PDF on A4 pages, set by typst with the fonts it carries.
Computes nothing.  Read `rendering.py`, then the template `report.typ`; `layout.py` fits tables to pages.
"""

from flarefree.reports.pdf.rendering import render_pdf

__all__ = ["render_pdf"]
