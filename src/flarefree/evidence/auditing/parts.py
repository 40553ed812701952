"""Parts against their whole: categories, components of a composite, serious against any."""

from __future__ import annotations

from collections.abc import Sequence

from flarefree.evidence.auditing.findings import Checked, Finding, finding_at
from flarefree.evidence.auditing.names import general_form, outcome_key
from flarefree.evidence.auditing.rows import PrintedRow
from flarefree.evidence.auditing.sheet import Sheet, arm_key, grouped, key_of

__all__ = ["check_named_subsets", "check_parts"]

PARTS, SUBSET = "parts and whole", "subset by its name"


def check_parts(sheet: Sheet) -> Checked:
    """A part is no larger than its whole; exclusive parts add up to no more, complete ones to all of it.

    Components of a composite may share patients: the composite is at least its largest component and at
    most their sum.  Where the whole has no row of its own (sex, race) it is the arm's n.
    """
    parts = [row for row in sheet.cells if row.part_of and row.events is not None]
    groups = grouped(parts, lambda r: (*_place(r), r.part_of, r.parts or ""))
    findings: list[Finding] = []
    for here in groups.values():
        whole = _whole(here[0], sheet)
        findings += _too_large(here, whole)
        if whole is None or whole.events is not None:
            findings += _sums(here, whole)
    return Checked(PARTS, len(parts), len(parts), tuple(findings))


def _place(row: PrintedRow) -> tuple[str, ...]:
    return row.study, row.source, row.table, row.arm, row.period, row.population, row.unit


def _whole(part: PrintedRow, sheet: Sheet) -> PrintedRow | None:
    """The row that `part_of` names: in the same place and arm, by its label or `outcome_id`."""
    same = [r for r in sheet.cells if _place(r) == _place(part) and r is not part]
    wanted = part.part_of.strip().lower()
    exact = [r for r in same if wanted in (r.outcome.strip().lower(), r.outcome_id.strip().lower())]
    loose = [r for r in same if key_of(r) == outcome_key(part.part_of) and r.part_of != part.part_of]
    return next(iter([*exact, *loose]), None)


def _too_large(parts: Sequence[PrintedRow], whole: PrintedRow | None) -> list[Finding]:
    if whole is None or whole.events is None:
        return []
    return [
        finding_at(
            part,
            "events",
            PARTS,
            f"{part.outcome}: {part.events}, more than {whole.outcome}: {whole.events}",
            why=f"{part.events} > {whole.events} in {part.arm or 'the same arm'}",
            certainty="certain",
            because=f"the table counts it as a part of {whole.outcome}",
            reconcile="events counted in one row and patients in the other, or another whole",
            others=[whole],
        )
        for part in parts
        if part.events is not None and part.events > whole.events
    ]


def _sums(parts: Sequence[PrintedRow], whole: PrintedRow | None) -> list[Finding]:
    kind = parts[0].parts.lower()
    total = whole.events if whole is not None else parts[0].n if kind != "components" else None
    events = [part.events or 0 for part in parts]
    if total is None or kind not in ("exclusive", "complete", "components"):
        return []
    name = whole.outcome if whole is not None else "the number of patients"
    said = f"{' + '.join(map(str, events))} = {sum(events)}"
    parts_said = ", ".join(part.outcome for part in parts)
    if kind in ("exclusive", "complete") and sum(events) > total:
        because = "parts that exclude each other cannot be more than the whole"
        return [
            _sum_finding(
                parts, whole, f"the parts make {sum(events)}, {name} is {total}", said, because, total
            )
        ]
    if kind in ("complete", "components") and sum(events) < total and len(parts) > 1:
        because = f"all parts are listed ({parts_said}), so together they are at least the whole"
        return [
            _sum_finding(
                parts, whole, f"the parts make {sum(events)}, {name} is {total}", said, because, total
            )
        ]
    return []


def _sum_finding(
    parts: Sequence[PrintedRow], whole: PrintedRow | None, what: str, why: str, because: str, total: int
) -> Finding:
    row = whole or parts[0]
    difference = sum(part.events or 0 for part in parts) - total
    more = (
        f"{difference} counted twice, or a whole of {total + difference}"
        if difference > 0
        else f"{-difference} missing or in no category"
    )
    return finding_at(
        row,
        "events",
        PARTS,
        f"{row.outcome if whole else parts[0].part_of}: {what}",
        why=f"{', '.join(part.outcome for part in parts)}: {why}; {total} printed",
        certainty="certain" if difference > 0 else "likely",
        because=because,
        reconcile=more,
        others=parts,
    )


def check_named_subsets(sheet: Sheet) -> Checked:
    """`Serious infection` is an `infection`: by its name it cannot be the more frequent of the two."""
    cells = [row for row in sheet.cells if row.events is not None and row.outcome and row.counts_patients]
    by_name = grouped(
        cells, lambda r: (*arm_key(r), r.period, r.population, r.source, str(r.time), key_of(r))
    )
    findings, examined = [], 0
    for key, rows in by_name.items():
        wider = general_form(key[-1])
        general = by_name.get((*key[:-1], wider), ()) if wider else ()
        for row in rows:
            for whole in general:
                examined += 1
                if (row.events or 0) > (whole.events or 0):
                    findings.append(_subset_above(row, whole))
    return Checked(SUBSET, examined, examined, tuple(findings))


def _subset_above(row: PrintedRow, whole: PrintedRow) -> Finding:
    return finding_at(
        row,
        "events",
        SUBSET,
        f"{row.outcome}: {row.events}, more than {whole.outcome}: {whole.events}",
        why=f"{row.events} > {whole.events}; whoever has the one has the other",
        certainty="likely",
        because="the names say so; the two rows may count different patients or times",
        reconcile="two labels exchanged, or another population",
        others=[whole],
    )
