"""Whether the parts of a base fit each other: names, sizes, arms, and reports of one cohort.

Stops at the first thing that cannot be, with file, line, study and cell.  Numbers that are possible and
yet odd (a percentage that no count gives) are for the audit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from flarefree.evidence.cells import Cell
from flarefree.evidence.problems import suggest
from flarefree.evidence.reading import Loaded
from flarefree.evidence.schema import BaseFile, Outcome, Report, Study

__all__ = ["check_base", "cohorts"]

_PLURAL = {
    "documents": "document", "treatments": "treatment", "outcomes": "outcome", "studies": "study",
    "conflicts": "conflict",
}  # fmt: skip


def check_base(loaded: Loaded) -> None:
    """Raise the first thing that does not fit.

    Raises
    ------
    EvidenceError
        An unknown name (with the nearest known one), a study with one arm, two arms of one treatment,
        more events than patients, a cycle of overlaps, and the like.
    """
    for key, study in loaded.content.studies.items():
        _StudyCheck(loaded, key, study).check()
    _check_labels(loaded)
    _check_meta_analyses(loaded)
    _check_conflicts(loaded)
    _check_review_tables(loaded)
    _check_overlaps(loaded)


def cohorts(content: BaseFile) -> dict[str, str]:
    """For every study the name of its cohort: the first study that it shares patients with, however far."""
    cohort = {key: key for key in content.studies}
    for key, study in content.studies.items():
        for overlap in study.overlaps:
            one, other = sorted((cohort[key], cohort[overlap.study]), key=list(content.studies).index)
            cohort = {each: one if name == other else name for each, name in cohort.items()}
    return cohort


class _StudyCheck:
    """One study against itself and the names of the base."""

    def __init__(self, loaded: Loaded, key: str, study: Study) -> None:
        self.loaded, self.key, self.study = loaded, key, study

    def refuse(self, path: Iterable[str | int], what: str, **words: str) -> NoReturn:
        self.loaded.refuse("studies", self.key, path, f"{self.key}: {what}", **words)
        raise AssertionError("refuse raises")

    def check(self) -> None:
        self._check_arms()
        for i, baseline in enumerate(self.study.baseline):
            if baseline.document:
                self._name("documents", baseline.document, ("baseline", i, "document"))
            for arm, margins in baseline.arms.items():
                self._arm(arm, ("baseline", i, "arms", arm))
                for name, cell in margins.items():
                    self._cell(cell, arm, name, ("baseline", i, "arms", arm, name), None)
        for i, report in enumerate(self.study.reports):
            self._name("documents", report.document, ("reports", i, "document"))
            for j, outcome in enumerate(report.outcomes):
                self._check_outcome(report, outcome, ("reports", i, "outcomes", j))
        self._check_once()

    def _check_arms(self) -> None:
        arms = self.study.arms
        for name, arm in arms.items():
            self._name("treatments", arm.treatment, ("arms", name, "treatment"), also=True)
        seen: dict[str, str] = {}
        for name, arm in arms.items():
            if arm.treatment in seen:
                self.refuse(
                    ("arms", name, "treatment"),
                    f"arms {seen[arm.treatment]} and {name} have the same treatment",
                    found=arm.treatment,
                    expected="one arm a treatment; doses that are compared are treatments of their own",
                )
            seen[arm.treatment] = name
        is_single = self.study.design.kind == "single arm"
        if len(arms) == 1 and not is_single:
            self.refuse(
                ("arms",),
                "a study with one arm compares nothing",
                found=", ".join(arms),
                expected="two arms or more",
                try_="design: {kind: single arm, randomized: false}, if so (in a table: a column design)",
            )
        if len(arms) > 1 and is_single:
            self.refuse(("design", "kind"), "a single-arm study has several arms", found=", ".join(arms))

    def _check_outcome(self, report: Report, outcome: Outcome, path: tuple[str | int, ...]) -> None:
        self._name("outcomes", outcome.outcome, (*path, "outcome"))
        for i, conflict in enumerate(outcome.conflicts):
            self._name("conflicts", conflict, (*path, "conflicts", i))
        if not (outcome.arms or outcome.effects or outcome.curve):
            self.refuse(path, f"{outcome.outcome} has no numbers", expected="arms, effects or a curve")
        for arm, cell in outcome.arms.items():
            self._arm(arm, (*path, "arms", arm))
            self._cell(
                cell, arm, outcome.outcome, (*path, "arms", arm), report.population or outcome.population
            )
        for i, effect in enumerate(outcome.effects):
            for arm in effect.arms:
                self._arm(arm, (*path, "effects", i, "arms"))
            if effect.arms[0] == effect.arms[1]:
                self.refuse((*path, "effects", i), f"{outcome.outcome}: an arm is compared with itself")
        if outcome.curve is not None:
            self._check_curve(outcome, (*path, "curve"))

    def _check_curve(self, outcome: Outcome, path: tuple[str | int, ...]) -> None:
        curve = outcome.curve
        assert curve is not None
        lengths = {len(curve.months)} if curve.months else set()
        for name, rows in (("at_risk", curve.at_risk), ("events", curve.events)):
            for arm, row in rows.items():
                self._arm(arm, (*path, name, arm))
                lengths.add(len(row))
        if len(lengths) > 1:
            found = ", ".join(map(str, sorted(lengths)))
            self.refuse(
                path, f"{outcome.outcome}: rows of different length", found=found, expected="one length"
            )

    def _cell(
        self, cell: Cell, arm: str, of: str, path: tuple[str | int, ...], population: str | None
    ) -> None:
        named = f"{of}, arm {arm}"
        size = self.study.arms[arm].n
        n = cell.n if cell.n is not None else size
        if cell.events is not None and n is not None and cell.events > n:
            self.refuse(
                path,
                f"{named}: more events than patients",
                found=f"{cell.events}/{n}",
                expected=f"at most {n} events",
            )
        if cell.n is not None and size is not None and cell.n > size and population is not None:
            self.refuse(
                path,
                f"{named}: more patients than the arm has",
                found=f"n = {cell.n}",
                expected=f"at most {size}, as arms.{arm}.n says",
            )
        if cell.percent is not None and cell.percent > 100:
            self.refuse(path, f"{named}: a percentage above 100", found=f"{cell.percent}%")
        if not cell.model_fields_set - {"use", "place", "note", "n", "n_printed"}:
            self.refuse(path, f"{named}: the cell has no number", expected="19/116 (16.4%), say")

    def _check_once(self) -> None:
        """The same outcome twice in one place of one source, or twice the one to take."""
        seen: dict[tuple[Any, ...], tuple[str | int, ...]] = {}
        for i, j, report, outcome in self._outcomes():
            path = ("reports", i, "outcomes", j)
            place = (report.document, outcome.place or report.place, outcome.time or report.time)
            what = (outcome.outcome, outcome.subgroup, outcome.population or report.population)
            keys: list[tuple[Any, ...]] = [(*what, *place, outcome.label)]
            if outcome.main:
                keys.append((outcome.outcome, outcome.subgroup, outcome.phase or report.phase, "main"))
            for key in keys:
                if key in seen:
                    first = self.loaded.place("studies", self.key, *seen[key])
                    why = "twice the main one" if key[-1] == "main" else "twice in one place of one source"
                    self.refuse(path, f"{outcome.outcome} is given {why}", found=f"{first} and here")
                seen[key] = path

    def _outcomes(self) -> Iterator[tuple[int, int, Report, Outcome]]:
        for i, report in enumerate(self.study.reports):
            for j, outcome in enumerate(report.outcomes):
                yield i, j, report, outcome

    def _arm(self, name: str, path: Iterable[str | int]) -> None:
        if name not in self.study.arms:
            self.refuse(
                path,
                f"there is no arm {name}",
                found=name,
                expected="one of " + ", ".join(self.study.arms),
                try_=suggest(name, self.study.arms),
            )

    def _name(self, part: str, name: str, path: Iterable[str | int], *, also: bool = False) -> None:
        _require_name(self.loaded, "studies", self.key, part, name, path, also=also)


def _require_name(
    loaded: Loaded, of: str, key: str, part: str, name: str, path: Iterable[str | int], *, also: bool = False
) -> None:
    known = getattr(loaded.content, part)
    if name in known:
        return
    hint = suggest(name, known)
    if also and not hint:
        others = {other: main for main, each in known.items() for other in each.also}
        near = suggest(name, others)
        meant = next((main for other, main in others.items() if other.casefold() == name.casefold()), "")
        hint = f"did you mean {meant}?" if meant else near
    loaded.refuse(
        of,
        key,
        path,
        f"{key}: there is no {_PLURAL[part]} {name}",
        found=name,
        expected=f"one that stands under {part}:",
        try_=hint or f"add it under {part}:",
    )


def _check_labels(loaded: Loaded) -> None:
    seen: dict[str, str] = {}
    for key, study in loaded.content.studies.items():
        if study.label in seen:
            what = f"{key}: {seen[study.label]} has the same label"
            loaded.refuse("studies", key, ("label",), what, found=study.label, expected="a label of its own")
        seen[study.label] = key


def _check_meta_analyses(loaded: Loaded) -> None:
    for key, analysis in loaded.content.meta_analyses.items():
        _require_name(loaded, "meta_analyses", key, "documents", analysis.document, ("document",))
        for i, result in enumerate(analysis.results):
            path = ("results", i)
            for name in ("treatment", "against"):
                _require_name(
                    loaded,
                    "meta_analyses",
                    key,
                    "treatments",
                    getattr(result, name),
                    (*path, name),
                    also=True,
                )
            _require_name(loaded, "meta_analyses", key, "outcomes", result.outcome, (*path, "outcome"))
            for j, conflict in enumerate(result.conflicts):
                _require_name(loaded, "meta_analyses", key, "conflicts", conflict, (*path, "conflicts", j))
            if result.document:
                _require_name(loaded, "meta_analyses", key, "documents", result.document, (*path, "document"))


def _check_conflicts(loaded: Loaded) -> None:
    for key, conflict in loaded.content.conflicts.items():
        for i, study in enumerate(conflict.studies):
            _require_name(loaded, "conflicts", key, "studies", study, ("studies", i))
        for i, value in enumerate(conflict.values):
            _require_name(loaded, "conflicts", key, "documents", value.document, ("values", i, "document"))


def _check_review_tables(loaded: Loaded) -> None:
    for key, table in loaded.content.review_tables.items():
        _require_name(loaded, "review_tables", key, "documents", table.document, ("document",))
        for i, row in enumerate(table.rows):
            _require_name(loaded, "review_tables", key, "studies", row.study, ("rows", i, "study"))


def _check_overlaps(loaded: Loaded) -> None:
    """Every overlap leads to a known study, and no chain of them leads back to where it began."""
    studies = loaded.content.studies
    for key, study in studies.items():
        for i, overlap in enumerate(study.overlaps):
            _require_name(loaded, "studies", key, "studies", overlap.study, ("overlaps", i, "study"))
    for key in studies:
        if cycle := _cycle_from(key, studies):
            loaded.refuse(
                "studies",
                key,
                ("overlaps",),
                f"{key}: overlaps lead back to the study itself",
                found=" -> ".join(cycle),
                expected="a later report names the earlier one, never the other way round as well",
            )


def _cycle_from(start: str, studies: dict[str, Study]) -> list[str]:
    """The way from a study back to itself over its overlaps; empty if there is none."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop()
        for overlap in studies[way[-1]].overlaps:
            if overlap.study == start:
                return [*way, start]
            if overlap.study not in seen:
                seen.add(overlap.study)
                ways.append([*way, overlap.study])
    return []
