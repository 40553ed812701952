"""A review's table, made again from the base: the words are the review's, every number is the base's.

`review-tables.yaml` says how each cell is put together; `ReviewRow` (schema.py) says with what braces.
Numbers that the review printed are taken from where the base says that the review printed them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence.cells import Cell
from flarefree.evidence.problems import suggest
from flarefree.evidence.reported import Reported
from flarefree.evidence.schema import ReviewTable

if TYPE_CHECKING:
    import polars as pl

    from flarefree.evidence.library import Evidence

__all__ = ["MadeTable", "review_table"]


@dataclass(frozen=True, slots=True)
class MadeTable:
    """A table of a review with its cells filled in.

    Attributes
    ----------
    key, title, source, note : str
    columns : tuple of str
    rows : tuple of tuple of str
    studies : tuple of str
        The study of every row.
    """

    key: str
    title: str
    source: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    studies: tuple[str, ...]
    note: str = ""

    def tidy(self) -> pl.DataFrame:
        """A row a row of the table, with the study's key first."""
        import polars as pl

        schema = dict.fromkeys(("study", *self.columns), pl.String)
        data = [(study, *row) for study, row in zip(self.studies, self.rows, strict=True)]
        return pl.DataFrame(data, schema=schema, orient="row")


def review_table(evidence: Evidence, key: str) -> MadeTable:
    """A table of a review by its key: `1` or `2` in the base that comes with flarefree.

    Raises
    ------
    NotFoundError
        The base has no such table.
    EvidenceError
        A cell asks for what the base does not have.
    """
    tables = evidence.content.review_tables
    if key not in tables:
        raise NotFoundError(
            f"there is no table {key} in this base",
            found=key,
            expected="one of " + ", ".join(tables) if tables else "a base with review_tables:",
            try_=suggest(key, tables),
        )
    table = tables[key]
    rows = tuple(
        tuple(_Cell(evidence, table, key, i, j).text(written) for j, written in enumerate(row.cells))
        for i, row in enumerate(table.rows)
    )
    citation = evidence.content.documents[table.document].citation
    studies = tuple(row.study for row in table.rows)
    return MadeTable(key, table.title, f"{citation}, {table.place}", table.columns, rows, studies, table.note)


_BRACES = re.compile(r"\{([^{}]*)\}")
_NUMBER = re.compile(
    r"(?P<outcome>[a-z][a-z0-9_]*)(?:@(?P<time>[^.#]+))?(?:#(?P<document>[a-z0-9_]+))?"
    r"\.(?P<arm>[^.]+)(?:\.(?P<part>percent|rest|rate|events|n))?"
)
_OF_STUDY = ("year", "n_randomized", "n_analyzed", "follow_up", "population")
_DESIGNS = {"randomized trial": "RCT"}


class _Cell:
    """One cell of one row."""

    def __init__(self, evidence: Evidence, table: ReviewTable, key: str, row: int, column: int) -> None:
        self.evidence, self.table = evidence, table
        self.path: tuple[str, str, int, str, int] = (key, "rows", row, "cells", column)
        self.name = table.rows[row].study
        self.study = evidence.content.studies[self.name]

    def text(self, written: str) -> str:
        """The words with their braces filled, beginning with a capital as cells do."""
        filled = _BRACES.sub(lambda found: self._value(found[1]), written)
        return filled[:1].upper() + filled[1:]

    def _value(self, asked: str) -> str:
        if asked == "design":
            return _DESIGNS.get(self.study.design.kind, "Observational")
        if asked in _OF_STUDY:
            value = getattr(self.study, asked)
            return str(value) if value not in (None, "") else self._refuse(asked, "the study does not say it")
        if asked in self.study.arms:
            arm = self.study.arms[asked]
            return arm.label or self.evidence.content.treatments[arm.treatment].label
        found = _NUMBER.fullmatch(asked)
        if found is None:
            self._refuse(asked, "this is neither an arm nor outcome.arm.part")
        return self._number(found)

    def _number(self, found: re.Match[str]) -> str:
        arm, part = found["arm"], found["part"] or ""
        reports = self._candidates(found["outcome"], found["time"], found["document"])
        cells = ((r.cells[arm], r.n_of(arm, self.study)) for r in reports if arm in r.cells)
        texts = (_printed(cell, part, n) for cell, n in cells)
        return next(filter(None, texts), "") or self._refuse(found[0], "no outcome has this number")

    def _candidates(self, outcome: str, time: str | None, document: str | None) -> list[Reported]:
        """Reports of an outcome, those of the review itself first."""
        reports = [
            reported
            for reported in self.evidence.reported
            if reported.study == self.name
            and reported.outcome == outcome
            and not reported.subgroup
            and time in (None, reported.time)
            and document in (None, reported.document)
        ]
        return sorted(reports, key=lambda reported: reported.document != self.table.document)

    def _refuse(self, asked: str, why: str) -> NoReturn:
        where = self.evidence.loaded.place("review_tables", *self.path)
        raise EvidenceError(f"{self.name}: {why}", where=where, found="{" + asked + "}")


def _printed(cell: Cell, part: str, n: int | None) -> str:
    """A part of a cell as printed; empty where it has none."""
    match part:
        case "percent":
            return "" if cell.percent is None else str(cell.percent)
        case "rest":
            return "" if cell.percent is None else str(100 - cell.percent)
        case "rate":
            return "" if cell.rate is None else str(cell.rate)
        case "events":
            return "" if cell.events is None else str(cell.events)
    shown = cell.n_printed if cell.n_printed is not None else n
    if part == "n":
        return "" if shown is None else str(shown)
    return "" if cell.events is None or shown is None else f"{cell.events}/{shown}"
