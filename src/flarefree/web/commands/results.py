"""Results on their way into the record, from forms and files alike: kept as written, checked, asked about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from flarefree.conduct.audit.entries import Value
from flarefree.web.commands.asking import raised_for
from flarefree.web.commands.base import Write
from flarefree.web.commands.gates import stands
from flarefree.web.commands.naming import new_key
from flarefree.web.commands.parts import writes_of
from flarefree.web.forms.checking import Checked, Earlier, oddities_of
from flarefree.web.forms.meanings import Written, field_of, kind_of, values_of
from flarefree.web.record.reading import Item
from flarefree.web.trial import running_trial

__all__ = ["Incoming", "earlier_values", "kept", "results_among"]


@dataclass(frozen=True)
class Incoming:
    """One result to be kept.

    Attributes
    ----------
    result : Checked
    date : date
    visit : str
        Empty for a result that belongs to none.
    low, high : str
        Of normal, as the laboratory wrote them, in the result's unit.
    test : str
        The laboratory's code; the measure's first if a form asked for it.
    more : mapping
        What else its source says: time, specimen, accession, file.
    """

    result: Checked
    date: date
    visit: str = ""
    low: str = ""
    high: str = ""
    test: str = ""
    more: Mapping[str, Value] | None = None


def results_among(items: Iterable[Item]) -> list[Item]:
    """The rows that are results and stand, of one patient's things."""
    return [item for item in items if item.kind in {"lab", "score"} and stands(item) and item["measure"]]


def earlier_values(items: Sequence[Item]) -> dict[str, list[Earlier]]:
    """What was measured so far, by measure, in order of date; for the comparison of new results."""
    protocol = running_trial().protocol
    rows = [item for item in results_among(items) if item["date"]]
    numbers = values_of(
        protocol, (Written(str(r["measure"]), str(r["value"]), str(r["unit"] or "")) for r in rows)
    )
    found: dict[str, list[Earlier]] = {}
    for row, number in zip(rows, numbers, strict=True):
        if number is not None:
            when = date.fromisoformat(str(row["date"]))
            told = Earlier(str(row["value"]), str(row["unit"] or ""), number, when)
            found.setdefault(str(row["measure"]), []).append(told)
    return {measure: sorted(told, key=lambda one: one.date) for measure, told in found.items()}


def last_before(earlier: Sequence[Earlier], when: date) -> Earlier | None:
    """The last value before a date."""
    return next((one for one in reversed(earlier) if one.date < when), None)


def kept(
    request: str,
    subject: Item,
    incoming: Sequence[Incoming],
    items: Sequence[Item],
    today: date,
    first: int = 0,
) -> tuple[tuple[Write, ...], tuple[str, ...]]:
    """Writes that keep results, with findings and queries about the odd ones; and the questions.

    Parameters
    ----------
    items : sequence of Item
        The patient's things so far.
    first : int
        From which ordinal on the request's new things are counted.
    """
    before = earlier_values(items)
    writes: list[Write] = []
    questions: list[str] = []
    for n, one in enumerate(incoming, first):
        kind, key = kind_of(running_trial().protocol, one.result.measure), new_key(request, n)
        writes += _row(kind, key, subject, one)
        last = last_before(before.get(one.result.measure, ()), one.date)
        odd = oddities_of(running_trial().protocol, one.result, last)
        questions += [oddity.question for oddity in odd]
        writes += raised_for(request, n, subject, f"{kind}/{key}", odd, today, visit=one.visit)
    return tuple(writes), tuple(questions)


def _row(kind: str, key: str, subject: Item, one: Incoming) -> tuple[Write, ...]:
    protocol = running_trial().protocol
    measure = one.result.measure
    tests = protocol.spec.measures[measure].tests
    told: dict[str, Value] = {
        "visit": one.visit or None,
        "date": one.date.isoformat(),
        "measure": measure,
        "test": one.test or (tests[0] if tests else measure),
        "value": one.result.value,
        "unit": one.result.unit or None,
        "low": one.low or None,
        "high": one.high or None,
        **(one.more or {}),
    }
    return writes_of(kind, key, field_of(protocol, measure), told, subject=subject)
