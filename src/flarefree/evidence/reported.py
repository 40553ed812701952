"""An outcome as reported once, with all that its study, its report and its document say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flarefree.evidence.cells import Cell
from flarefree.evidence.schema import Arm, BaseFile, Curve, Effect, Study, months_of

__all__ = ["Reported", "reported_outcomes"]

_OWN = ("trial report", "supplement")
_CONFIDENCE = {
    "review": "medium",
    "commentary": "medium",
    "page": "medium",
    "registry": "high",
    "abstract": "high",
}


@dataclass(frozen=True, slots=True, eq=False)
class Reported:
    """One outcome in one place of one source.

    Attributes
    ----------
    study : str
        The study's key.
    index : int
        Counts the study's outcomes from 0, in the order of the file.
    outcome, label, domain, phase, time, subgroup, population : str
    months : float or None
        `time` in months.
    document, place : str
        Where it is printed.
    is_second_hand : bool
        The document is not the trial's own report.
    confidence : str
        `own report` where it is, else high, medium or low.
    cells : mapping of arm to Cell
    effects : tuple of Effect
    use, main : bool
    p, p_test, definition, note : str
    conflicts : tuple of str
    """

    study: str
    index: int
    outcome: str
    label: str
    domain: str
    definition: str
    phase: str
    time: str
    months: float | None
    subgroup: str
    population: str
    document: str
    place: str
    is_second_hand: bool
    confidence: str
    cells: Mapping[str, Cell]
    effects: tuple[Effect, ...]
    curve: Curve | None
    p: str
    p_test: str
    use: bool
    main: bool
    conflicts: tuple[str, ...]
    note: str

    @property
    def source(self) -> str:
        """`peleg2020, Table 1 (second-hand)`."""
        return f"{self.document}, {self.place}{' (second-hand)' if self.is_second_hand else ''}"

    def n_of(self, arm: str, study: Study) -> int | None:
        """The denominator of an arm: printed with the count, or the size of the arm in this population."""
        cell, size = self.cells[arm], study.arms[arm]
        return cell.n if cell.n is not None else _size(size, self.population)

    def how_n(self, arm: str, study: Study) -> str:
        """How that denominator is known."""
        cell, size = self.cells[arm], study.arms[arm]
        if cell.n is not None and cell.n_printed is not None and cell.n != cell.n_printed:
            return "corrected"
        if cell.n is None:
            return f"arm's size, {size.n_how}" if self.n_of(arm, study) is not None else ""
        return size.n_how if cell.n == size.n else "given"


def _size(arm: Arm, population: str) -> int | None:
    return arm.n_safety if population == "safety" and arm.n_safety is not None else arm.n


def reported_outcomes(content: BaseFile) -> Iterator[Reported]:
    """Every outcome of every study, in the order of the files."""
    for key, study in content.studies.items():
        index = 0
        for report in study.reports:
            document = content.documents[report.document]
            for outcome in report.outcomes:
                word = content.outcomes[outcome.outcome]
                time = outcome.time or report.time
                is_second_hand = document.kind not in _OWN or _tells_of_another(report.document, key, content)
                said = outcome.confidence or report.confidence or _CONFIDENCE.get(document.kind, "medium")
                yield Reported(
                    study=key,
                    index=index,
                    outcome=outcome.outcome,
                    label=outcome.label or word.label,
                    domain=word.domain,
                    definition=outcome.definition or study.definitions.get(outcome.outcome, ""),
                    phase=outcome.phase or report.phase or study.phase,
                    time=time,
                    months=months_of(time),
                    subgroup=outcome.subgroup,
                    population=outcome.population or report.population,
                    document=report.document,
                    place=outcome.place or report.place,
                    is_second_hand=is_second_hand,
                    confidence=said if is_second_hand else "own report",
                    cells=outcome.arms,
                    effects=outcome.effects,
                    curve=outcome.curve,
                    p=outcome.p or "",
                    p_test=outcome.p_test or (report.p_test if outcome.p else ""),
                    use=outcome.use and report.use,
                    main=outcome.main,
                    conflicts=outcome.conflicts,
                    note="; ".join(filter(None, (report.note, outcome.note))),
                )
                index += 1


def _tells_of_another(document: str, study: str, content: BaseFile) -> bool:
    """Whether a trial's report tells here of a trial that is not its own.

    A report's own study bears the report's key, or follows it: `zhang2017` and `zhang2017_supplement`.
    """
    own = document.removesuffix("_supplement")
    return own != study and own in content.studies and own not in study.split("_")
