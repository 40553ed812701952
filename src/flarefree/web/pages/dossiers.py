"""A dossier's pictures and tables: courses side by side with the day in question, values by day.

Takes what `queries.dossiers` gave; gives plots, a flow sheet and the sentence in words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flarefree.web.pages.flowsheets import Column, Flowsheet, Row, Value
from flarefree.web.pages.measures import GROUPS, group_of, is_number
from flarefree.web.pages.plots import SMALL, Level, Line, Plot, Point, draw_plot
from flarefree.web.pages.sentences import in_labels, sentence_in_words, sentence_lines
from flarefree.web.pages.wording import calm
from flarefree.web.queries.dossiers import DossierPage, Series
from flarefree.web.trial import running_trial

__all__ = ["dossier_told"]


def dossier_told(page: DossierPage, endpoint: str) -> dict[str, Any]:
    """What the template `pages/parts/dossier.html` shows."""
    protocol = running_trial().protocol
    dossier = page.dossier
    return {
        "case": page.case,
        "dossier": dossier,
        "sentence": sentence_in_words(protocol, endpoint),
        "sentence_lines": sentence_lines(protocol, endpoint),
        "plots": _plots(page.series, dossier.day),
        "clauses": tuple(
            (in_labels(protocol, clause.text), _plain(clause.left), _plain(clause.right))
            for clause in page.clauses
        ),
        "sheet": _sheet(page.series, dossier.day),
        "questions": page.questions,
    }


def _plain(shown: str) -> str:
    return calm(shown.strip('"'))


def _plots(series: Iterable[Series], day: int) -> tuple[Plot, ...]:
    """Courses of numbers on the same days, those that the sentence reads first."""
    protocol = running_trial().protocol
    shown = [
        one
        for one in sorted(series, key=lambda one: not one.thresholds)
        if is_number(protocol, one.measure) and sum(p.value is not None for p in one.points) > 1
    ]
    days = [float(p.day) for one in shown for p in one.points if p.value is not None] + [float(day)]
    return tuple(_plot(one, day, (min(days), max(days))) for one in shown)


def _plot(series: Series, day: int, days: tuple[float, float]) -> Plot:
    points = tuple(
        Point(p.day, p.value, f"Day {p.day}: {p.shown} {series.unit}".rstrip())
        for p in series.points
        if p.value is not None
    )
    asked = next((p.shown for p in series.points if p.is_asked), "")
    protocol = running_trial().protocol
    levels = tuple(
        Level(value, f"{value:.4g}", "threshold", _note(in_labels(protocol, f"{series.measure} >= {words}")))
        for words, value in series.thresholds
    )
    return draw_plot(
        series.measure.replace("_", "-"), series.label, (Line(points),), unit=series.unit, levels=levels,
        marks=((day, f"day {day}"),), x_label="day", x_range=days, size=SMALL, latest=asked,
    )  # fmt: skip


def _note(words: str) -> str:
    """The right side of a comparison, which is what a level is."""
    return words.partition(" \u2265 ")[2]


def _sheet(series: Iterable[Series], day: int) -> Flowsheet:
    """Values by day, the latest first; the day in question says so."""
    protocol = running_trial().protocol
    kept = tuple(series)
    days = sorted({p.day for one in kept for p in one.points}, reverse=True)
    asked = {p.day for one in kept for p in one.points if p.is_asked}
    columns = tuple(Column(f"Day {n}", note="in question" if n in asked or n == day else "") for n in days)
    rows: dict[str, list[Row]] = {name: [] for name in GROUPS}
    for one in kept:
        found = {p.day: Value(calm(p.shown)) for p in one.points}
        row = Row(one.label, one.unit, tuple(found.get(n) for n in days))
        rows[group_of(protocol, one.measure)].append(row)
    return Flowsheet(columns, tuple((name, tuple(found)) for name, found in rows.items() if found))
