"""The report as a PDF: the document as JSON, set by the template `report.typ` after `parts.typ`.

Words go to the PDF engine as data, never as its markup, so nothing in them can be taken for a command.
Only fonts that the engine carries are used, there is no date, and the file's identifier follows from
its content: the same document gives the same bytes.  It is tagged for screen readers (PDF/UA-1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from flarefree.reports.document import Document
from flarefree.reports.pdf.coverage import BOX, printable_in_pdf
from flarefree.reports.pdf.layout import fit_table
from flarefree.reports.text import clean_text

__all__ = ["BOXES_NOTE", "compile_pdf", "printable", "render_pdf"]

TEMPLATE = Path(__file__).parent / "report.typ"
PARTS = Path(__file__).parent / "parts.typ"
ACCESSIBLE = "ua-1"

MOST_PLACES = 8
_LINE = re.compile(r" \(line \d+\)")

BOXES_NOTE = (
    f"The fonts of this PDF lack some characters of the data; each is shown as {BOX}. "
    "The page report.html has them all."
)


def render_pdf(document: Document) -> bytes:
    """The whole report on A4 pages."""
    content = _fitted(document)
    data = json.dumps(printable(content), ensure_ascii=False, separators=(",", ":"))
    if BOX in data:
        noted = replace(document, conventions=(*document.conventions, BOXES_NOTE))
        data = json.dumps(printable(_fitted(noted)), ensure_ascii=False, separators=(",", ":"))
    return compile_pdf(TEMPLATE, data)


def compile_pdf(template: Path, data: str) -> bytes:
    """The pages that a template makes of data, with the functions that reports share before it."""
    import typst

    text = PARTS.read_bytes() + b"\n" + template.read_bytes()

    def run(standards: list[str]) -> bytes:
        compiler = typst.Compiler(text, ignore_system_fonts=True, sys_inputs={"report": data})
        options: dict[str, Any] = {"pdf_standards": standards} if standards else {}
        made = compiler.compile(format="pdf", timestamp=0, **options)
        assert isinstance(made, bytes)  # one file, and it was not told to write it
        return made

    try:
        return run([ACCESSIBLE])
    except typst.TypstError as error:
        if "PDF/UA" not in str(error):
            raise
        return run([])  # a glyph is missing where marks combine: better untagged than none


def _fitted(document: Document) -> dict[str, Any]:
    """The document as plain data, with each table's widths on paper."""
    content = asdict(document)
    for section, plain_section in zip(document.sections, content["sections"], strict=True):
        for result, plain in zip(section.results, plain_section["results"], strict=True):
            for table, plain_table in zip(result.tables, plain["tables"], strict=True):
                plain_table["paper"] = asdict(fit_table(table))
    for listed in content["event_lists"]:
        for line in (line for group in listed["groups"] for line in group["lines"]):
            line["places"] = _run_in(line["places"])
            line["explanation"] = ""  # only on the page
        listed["unused_left_out"] += len(listed["unused"])
        listed["unused"] = []
    return content


def _run_in(places: Sequence[str]) -> list[str]:
    """Places short enough for a line of print: a file named once, lines of CSV left to the reader."""
    shown: list[str] = []
    before = ""
    for place in places[: MOST_PLACES - 1 if len(places) > MOST_PLACES else MOST_PLACES]:
        file, row, rest = place.partition(" row ")
        rest = _LINE.sub("", rest)
        shown.append(f"row {rest}" if row and file == before else f"{file}{row}{rest}")
        before = file
    return [*shown, *([f"and {len(places) - len(shown)} more"] if len(places) > len(shown) else [])]


def printable(value: Any) -> Any:
    """A value with every text in it without what the PDF cannot show."""
    if isinstance(value, str):
        return printable_in_pdf(clean_text(value))
    if isinstance(value, dict):
        return {key: printable(of) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return [printable(of) for of in value]
    return value
