"""Comparisons as RevMan's tables of data rows have them: experimental and control, cases or mean and SD.

RevMan's format holds two arms a row and nothing of where a number is from, so `Experimental`, `Control`,
`Effect measure` and `Source` are columns of ours beside its own; a program that does not know them passes
them over.  A study of three arms gives two rows with one control, and becomes one study again when read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flarefree.errors import EvidenceError
from flarefree.evidence.cells import Cell
from flarefree.evidence.reported import Reported
from flarefree.evidence.schema import Effect, Study

if TYPE_CHECKING:
    from flarefree.evidence.library import Evidence

__all__ = ["REVMAN_COLUMNS", "revman_rows", "rows_from_revman"]

REVMAN_COLUMNS = (
    "Analysis group", "Analysis number", "Analysis name", "Subgroup", "Study", "Study year", "GIV Mean",
    "GIV SE", "Experimental cases", "Experimental mean", "Experimental SD", "Experimental N",
    "Control cases", "Control mean", "Control SD", "Control N", "Mean", "CI start", "CI end", "Footnotes",
    "Experimental", "Control", "Effect measure", "Source",
)  # fmt: skip

_RATIOS = ("HR", "OR", "RR", "IRR")
_Z_95 = 1.959963984540054


def revman_rows(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """A row a comparison: every reported outcome of two arms or more, and every printed estimate."""
    numbers: dict[str, int] = {}
    for reported in evidence.reported:
        if not reported.use:
            continue
        study = evidence.content.studies[reported.study]
        name = _analysis_name(reported)
        head = {
            "Analysis group": 1,
            "Analysis name": name,
            "Subgroup": reported.subgroup,
            "Study": study.label,
            "Study year": study.year,
            "Footnotes": reported.note,
            "Source": f"{reported.document}, {reported.place}",
        }
        estimates = (_estimate(effect, study) for effect in reported.effects)
        for row in (*_pairs(reported, study), *estimates):
            yield {**head, "Analysis number": numbers.setdefault(name, len(numbers) + 1), **row}


def _analysis_name(reported: Reported) -> str:
    """`renal_flare (maintenance, 36 mo)`: the outcome's key, so that it is the same when read back."""
    return f"{reported.outcome} ({', '.join(filter(None, (reported.phase, reported.time)))})"


_NAME = re.compile(r"(?P<outcome>[^()]+?)\s*(?:\((?P<phase>[^(),]*)(?:,\s*(?P<time>[^()]*))?\))?")


def _pairs(reported: Reported, study: Study) -> Iterator[dict[str, Any]]:
    """Every arm against the last one of those that have numbers of one kind."""
    counted = [arm for arm, cell in reported.cells.items() if cell.events is not None]
    measured = [arm for arm, cell in reported.cells.items() if cell.mean is not None and cell.sd is not None]
    for arms in (counted, measured):
        for arm in arms[:-1]:
            yield {
                **_side("Experimental", arm, reported, study),
                **_side("Control", arms[-1], reported, study),
            }


def _side(side: str, arm: str, reported: Reported, study: Study) -> dict[str, Any]:
    cell: Cell = reported.cells[arm]
    return {
        side: study.arms[arm].treatment,
        f"{side} cases": cell.events,
        f"{side} mean": cell.mean,
        f"{side} SD": cell.sd,
        f"{side} N": reported.n_of(arm, study),
    }


def _estimate(effect: Effect, study: Study) -> dict[str, Any]:
    """A printed estimate, with its logarithm and standard error as RevMan wants."""
    value, lower, upper = effect.estimate.value, effect.estimate.lower, effect.estimate.upper
    scale = math.log if effect.measure in _RATIOS else float
    error = None if lower is None or upper is None else (scale(upper) - scale(lower)) / (2 * _Z_95)
    return {
        "Experimental": study.arms[effect.arms[0]].treatment,
        "Control": study.arms[effect.arms[1]].treatment,
        "Effect measure": f"adjusted {effect.measure}" if effect.adjusted else effect.measure,
        "GIV Mean": f"{scale(value):.10g}",
        "GIV SE": "" if error is None else f"{error:.10g}",
        "Mean": value,
        "CI start": lower,
        "CI end": upper,
    }


# Back in -------------------------------------------------------------------------------------------

_Rows = list[tuple[int, dict[str, str]]]


def rows_from_revman(rows: _Rows, name: str) -> dict[str, _Rows]:
    """RevMan's rows as rows of our outcomes and effects.

    Raises
    ------
    EvidenceError
        An arm has two different counts in two rows of one study and analysis.
    """
    outcomes: _Rows = []
    effects: _Rows = []
    seen: dict[tuple[str, ...], tuple[int, dict[str, str]]] = {}
    for line, row in rows:
        if row.get("Effect measure"):
            effects.append((line, {**_head(row), **_effect(row)}))
    for side in ("Experimental", "Control"):  # the control that comparisons share is a study's last arm again
        for line, row in rows:
            head, arm = _head(row), _arm(row, side)
            if arm is None:
                continue
            key = (*head.values(), arm["treatment"])
            if key in seen and seen[key][1] != arm:
                raise EvidenceError(
                    f"{head['study']}: {arm['treatment']} has other numbers than in line {seen[key][0]}",
                    where=f"{name}:{line}",
                    found=_numbers(arm),
                    expected=f"{_numbers(seen[key][1])}, of the same study and analysis",
                )
            if key not in seen:
                seen[key] = (line, arm)
                outcomes.append((line, {**head, **arm}))
    return {"outcomes": outcomes, "effects": effects}


def _head(row: dict[str, str]) -> dict[str, str]:
    found = _NAME.fullmatch(row.get("Analysis name", "").strip())
    parts = found.groupdict() if found else {"outcome": row.get("Analysis name", "")}
    document, _, place = row.get("Source", "").partition(", ")
    return {
        "study": row["Study"],
        "label_of_study": row["Study"],
        "year": row.get("Study year", ""),
        "outcome": parts.get("outcome") or "",
        "phase": parts.get("phase") or "",
        "time": parts.get("time") or "",
        "subgroup": row.get("Subgroup", ""),
        "document": document,
        "place": place,
        "note": row.get("Footnotes", ""),
    }


def _arm(row: dict[str, str], side: str) -> dict[str, str] | None:
    names = {"events": "cases", "mean": "mean", "sd": "SD", "n": "N"}
    numbers = {ours: row.get(f"{side} {theirs}", "") for ours, theirs in names.items()}
    return {"treatment": row[side], **numbers} if any(numbers.values()) else None


def _numbers(arm: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in arm.items() if value and name != "treatment")


def _effect(row: dict[str, str]) -> dict[str, str]:
    measure = row["Effect measure"].removeprefix("adjusted ")
    return {
        "arm_1": row["Experimental"],
        "arm_2": row["Control"],
        "measure": measure,
        "adjusted": "yes" if measure != row["Effect measure"] else "no",
        "estimate": row.get("Mean", ""),
        "lower": row.get("CI start", ""),
        "upper": row.get("CI end", ""),
    }
