"""The evidence base as rows that can be audited: what was printed, never what the base made of it.

A count that was worked out from a percentage is left out, and a denominator stands as printed even where
the base corrects it: the audit must be able to find again what the base's editors found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flarefree.evidence.auditing.outcome_parts import part_of, part_of_baseline
from flarefree.evidence.auditing.rows import PrintedRow, read_printed_rows

if TYPE_CHECKING:
    from flarefree.evidence.cells import Cell
    from flarefree.evidence.library import Evidence
    from flarefree.evidence.reported import Reported
    from flarefree.evidence.schema import Arm, Effect, Study

__all__ = ["rows_of_base"]

Row = dict[str, Any]
SAME_PATIENTS = ("continues", "covers", "long-term follow-up of")  # not `rerandomizes`: arms are new then
PRINTED_SIZES = ("given", "difference")
PER = {"100 patient-years": "100", "100 patient-months": repr(100 / 12)}


def rows_of_base(evidence: Evidence) -> tuple[PrintedRow, ...]:
    """Every printed number of the base, in the order of its files."""
    people = _patients(evidence)
    rows: list[Row] = []
    for key, study in evidence.content.studies.items():
        rows += _totals(study)
        rows += _baseline(key, study, people)
    for reported in evidence.reported:
        rows += _reported(reported, evidence.content.studies[reported.study], people)
    rows += _meta_analyses(evidence)
    return read_printed_rows(rows, where=f"the evidence base {evidence.name}")


# Who the patients are ---------------------------------------------------------------------------------


def _patients(evidence: Evidence) -> dict[tuple[str, str], tuple[str, str]]:
    """(study, arm) -> (cohort, patients): the same people under other names in reports of one cohort.

    Arms are matched by their key; of two arms the second follows where the first is matched.
    """
    studies = evidence.content.studies
    found = {(key, arm): (key, f"{key} {arm}") for key, study in studies.items() for arm in study.arms}
    for key, study in studies.items():
        for overlap in study.overlaps:
            if overlap.how not in SAME_PATIENTS or overlap.study not in studies:
                continue
            other = overlap.study
            for mine, theirs in _matched(list(study.arms), list(studies[other].arms)):
                _join(found, (key, mine), (other, theirs))
    return found


def _matched(mine: list[str], theirs: list[str]) -> list[tuple[str, str]]:
    same = [(arm, arm) for arm in mine if arm in theirs]
    left = [arm for arm in mine if arm not in theirs], [arm for arm in theirs if arm not in mine]
    if same and len(left[0]) == len(left[1]) == 1:
        same.append((left[0][0], left[1][0]))
    return same


def _join(found: dict[tuple[str, str], tuple[str, str]], one: tuple[str, str], two: tuple[str, str]) -> None:
    """Give all that were known under either name the name of the second."""
    old, new = found[one], found[two]
    for place, name in found.items():
        if name == old:
            found[place] = new


# What studies print -----------------------------------------------------------------------------------


def _totals(study: Study) -> list[Row]:
    sizes = (("patients randomized", study.n_randomized), ("patients analyzed", study.n_analyzed))
    told = [(label, n) for label, n in sizes if n is not None]
    return [{"study": study.label, "table": study.n_place, "outcome": label, "n": n} for label, n in told]


def _baseline(key: str, study: Study, people: Mapping[tuple[str, str], tuple[str, str]]) -> Iterator[Row]:
    for baseline in study.baseline:
        for arm, cells in baseline.arms.items():
            for name, cell in cells.items():
                place = {
                    "source": baseline.document or key,
                    "table": baseline.place,
                    "period": "at the start",
                }
                about = {"study": study.label, "outcome": name.replace("_", " "), "outcome_id": name}
                whole = part_of_baseline(name, cells)
                yield place | about | _who(key, arm, study, people) | _printed(cell, study.arms[arm]) | whole


def _who(
    key: str, arm: str, study: Study, people: Mapping[tuple[str, str], tuple[str, str]]
) -> dict[str, str]:
    cohort, patients = people[(key, arm)]
    return {"cohort": cohort, "arm": study.arms[arm].label or arm, "patients": patients}


def _printed(cell: Cell, arm: Arm) -> dict[str, Any]:
    """The cell's numbers as printed; the arm's size stands where the cell prints no denominator.

    A size that was inferred, as that of the cells that were worked out with it, is no print.
    """
    counted = cell.how == "given" and cell.events is not None
    size = arm.n if arm.n_how in PRINTED_SIZES else None
    inferred = arm.n_how not in PRINTED_SIZES and cell.n == arm.n and not counted
    n = None if inferred else cell.printed_n
    numbers = {
        "n": n if n is not None else size,
        "n_elsewhere": "yes" if n is None and size is not None else None,
        "events": cell.events if counted else None,
        "percent": cell.percent,
        "mean": cell.mean,
        "sd": cell.sd if cell.mean is not None else None,
        "rate": cell.rate,
        "rate_per": PER[cell.rate_per] if cell.rate is not None else None,
        "person_time": cell.person_years,
    }
    return {name: str(value) for name, value in numbers.items() if value is not None}


def _reported(
    reported: Reported, study: Study, people: Mapping[tuple[str, str], tuple[str, str]]
) -> Iterator[Row]:
    """The rows of one outcome in one place: counts with their P value, estimates, curve."""
    shared = {
        "study": study.label,
        "source": reported.document,
        "table": reported.place,
        "outcome": reported.label,
        "outcome_id": reported.outcome,
        "period": reported.phase,
        "population": "; ".join(filter(None, (reported.population, reported.subgroup))),
        "time": "" if reported.months is None else f"{reported.months:.3f}",
        "recorded": " ".join(reported.conflicts),
        "test": "" if reported.p_test == "not named" else reported.p_test,
    }
    timed = {"kind": "time to event"} if any(e.measure == "HR" for e in reported.effects) else {}
    first, own_p = True, all(effect.p != reported.p for effect in reported.effects)
    for arm, cell in reported.cells.items():
        row = shared | _who(reported.study, arm, study, people) | part_of(reported.outcome, reported.document)
        numbers = _printed(cell, study.arms[arm])
        own = {"kind": cell.percent_kind.replace("_", "-")} if cell.percent_kind != "crude" else timed
        p = {"p": reported.p} if first and own_p and len(reported.cells) > 1 and reported.p else {}
        yield row | own | numbers | p
        first = False
        yield from _limits_of_percent(row, cell)
    for effect in reported.effects:
        yield from _effect(effect, reported, study, shared, people)
    yield from _curve(reported, study, shared, people)


def _limits_of_percent(row: Row, cell: Cell) -> Iterator[Row]:
    if cell.percent is None or cell.lower is None or cell.upper is None:
        return
    limits = {"estimate": str(cell.percent), "lower": str(cell.lower), "upper": str(cell.upper)}
    kind = {"kind": cell.percent_kind.replace("_", "-"), "measure": "percent", "test": ""}
    yield row | {"outcome": f"{row['outcome']}, with limits", "outcome_id": ""} | limits | kind


def _effect(
    effect: Effect,
    reported: Reported,
    study: Study,
    shared: Row,
    people: Mapping[tuple[str, str], tuple[str, str]],
) -> Iterator[Row]:
    """One row for each of the two arms, the estimate on the first."""
    said = "adjusted" if effect.adjusted else ""
    label = f"{shared['outcome']}, {' '.join(filter(None, (said, effect.measure)))}"
    kind = ", ".join(filter(None, (said, effect.model, effect.note)))
    estimate = {
        "estimate": effect.estimate.value,
        "lower": effect.estimate.lower,
        "upper": effect.estimate.upper,
        "p": effect.p,
    }
    for i, arm in enumerate(effect.arms):
        cell = reported.cells.get(arm)
        counts = _printed(cell, study.arms[arm]) if cell is not None else {}
        kept = {name: counts[name] for name in ("n", "events") if name in counts}
        row = shared | {
            "outcome": label,
            "outcome_id": "",
            "test": "",
            "kind": kind,
            "measure": effect.measure,
        }
        own = {name: str(value) for name, value in estimate.items() if value is not None and i == 0}
        yield row | _who(reported.study, arm, study, people) | kept | own


def _curve(
    reported: Reported, study: Study, shared: Row, people: Mapping[tuple[str, str], tuple[str, str]]
) -> Iterator[Row]:
    curve = reported.curve
    if curve is None:
        return
    for i, arm in enumerate(curve.events or curve.at_risk):
        events = curve.events.get(arm, ())
        who = shared | _who(reported.study, arm, study, people) | {"kind": "time to event"}
        n = {"n": study.arms[arm].n} if study.arms[arm].n is not None else {}
        p = {"p": curve.p} if i == 0 and curve.p else {}
        if events:
            yield who | n | p | {"events": sum(events)}
        for j, at_risk in enumerate(curve.at_risk.get(arm, ())):
            time = str(curve.months[j]) if j < len(curve.months) else str(j)
            column = {"time": time, "at_risk": at_risk} | ({"events": events[j]} if j < len(events) else {})
            yield who | n | column


def _meta_analyses(evidence: Evidence) -> Iterator[Row]:
    for published in evidence.content.meta_analyses.values():
        for result in published.results:
            comparison = f"{result.treatment} v {result.against}"
            limits = {"estimate": result.estimate.value, "lower": result.estimate.lower}
            limits |= {"upper": result.estimate.upper}
            yield {
                "study": published.label,
                "source": result.document or published.document,
                "table": result.place or published.place,
                "outcome": f"{result.label or result.outcome}, {comparison}",
                "arm": comparison,
                "kind": f"{published.kind} model",
                "recorded": " ".join(result.conflicts),
                "measure": result.measure,
            } | {name: str(value) for name, value in limits.items() if value is not None}
