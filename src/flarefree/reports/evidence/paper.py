"""The evidence report as a PDF: the document as JSON, set by `evidence.typ` with what reports share."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flarefree.reports.document import PrintedFigure
from flarefree.reports.evidence.document import Block, EvidenceDocument
from flarefree.reports.evidence.page import share_of
from flarefree.reports.pdf.coverage import BOX
from flarefree.reports.pdf.layout import fit_table
from flarefree.reports.pdf.rendering import BOXES_NOTE, compile_pdf, printable
from flarefree.reports.tables import PrintedTable

__all__ = ["render_evidence_pdf"]

TEMPLATE = Path(__file__).parent / "evidence.typ"


def render_evidence_pdf(document: EvidenceDocument) -> bytes:
    """The whole report on A4 pages; the same document gives the same bytes."""
    data = _json(document, "")
    if BOX in data:
        data = _json(document, BOXES_NOTE)
    return compile_pdf(TEMPLATE, data)


def _json(document: EvidenceDocument, boxes: str) -> str:
    content = asdict(document)
    for section, plain_section in zip(document.sections, content["sections"], strict=True):
        for part, plain_part in zip(section.parts, plain_section["parts"], strict=True):
            for item, plain in zip(part.blocks, plain_part["blocks"], strict=True):
                plain |= _fitted(item)
    # What the shared parts read of every report.
    content |= {"is_virtual": False, "virtual_label": "", "asked": "The question asked", "boxes": boxes}
    return json.dumps(printable(content), ensure_ascii=False, separators=(",", ":"))


def _fitted(item: Block) -> dict[str, Any]:
    """What paper needs beside the words: widths of columns, of drawings."""
    match item:
        case PrintedTable():
            return {"kind": "numbers", "paper": asdict(fit_table(item))}
        case PrintedFigure():
            return {"kind": "figure", "share": share_of(item.svg)}
    return {}
