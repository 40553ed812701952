"""Numbers of patients: too small for their events, larger than who was randomized, or a slip of the pen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from flarefree.evidence.auditing.attainable import splits
from flarefree.evidence.auditing.findings import Checked, Finding, finding_at
from flarefree.evidence.auditing.names import is_everybody
from flarefree.evidence.auditing.rows import PrintedRow
from flarefree.evidence.auditing.sheet import Sheet, arm_key, grouped, key_of

__all__ = ["check_denominators", "check_possible_counts", "study_totals"]

POSSIBLE, DENOMINATOR = "count possible", "denominator"
_TOTAL = re.compile(r"patient|participant|subject|randomi|enrol|analy[sz]ed|^\s*\(?n\)?\s*$|total", re.I)
FAR = 0.1  # a slip that moves n by less cannot be told from missing patients


def check_possible_counts(sheet: Sheet) -> Checked:
    """No more patients with an event than patients, and no more patients than were randomized."""
    cells = [row for row in sheet.cells if row.n is not None or row.randomized is not None]
    findings = [finding for row in cells for finding in _impossible(row)]
    return Checked(POSSIBLE, len(cells), len(cells), tuple(findings))


def _impossible(row: PrintedRow) -> Iterable[Finding]:
    if row.n is not None and row.events is not None and row.events > row.n and row.counts_patients:
        yield finding_at(
            row,
            "events",
            POSSIBLE,
            f"{row.events} patients with an event among {row.n}",
            why=f"{row.events} > {row.n}",
            certainty="certain",
            because="each patient is counted once; where events are counted, say so (unit: events)",
            reconcile=f"{row.n}/{row.events}, exchanged; or events counted, not patients",
        )
    if row.n is not None and row.randomized is not None and row.n > row.randomized:
        yield finding_at(
            row,
            "n",
            POSSIBLE,
            f"{row.n} patients analyzed of {row.randomized} randomized",
            why=f"{row.n} > {row.randomized}",
            certainty="certain",
            because="nobody can be analyzed who was not randomized",
            reconcile="the other arm's number, or the whole trial's",
        )
    if row.percent is not None and row.percent.low > 100 and row.counts_patients:
        yield finding_at(
            row,
            "percent",
            POSSIBLE,
            f"{row.percent}% of patients",
            why=f"{row.percent} > 100",
            certainty="certain",
            because="a share of the patients is 100% at most",
            reconcile="events counted, not patients (unit: events)",
        )


def check_denominators(sheet: Sheet) -> Checked:
    """The n of one arm from row to row: a lost digit, or the whole trial's n in place of the arm's."""
    cells = [row for row in sheet.cells if row.n is not None and row.arm and row.counts_patients]
    numbers = {arm: Counter(row.n for row in rows) for arm, rows in grouped(cells, arm_key).items()}
    findings: list[Finding] = []
    for arm, rows in grouped(cells, arm_key).items():
        usual, times = numbers[arm].most_common(1)[0]
        assert usual is not None  # only rows with an n come here
        slips = [r for r in rows if r.n != usual and times >= 2 and _is_slip(r.n or 0, usual)]
        findings += [_slip(row, usual, times, sheet) for row in slips]
    findings += _whole_trial(sheet, cells)
    return Checked(DENOMINATOR, len(cells), len(cells), tuple(findings))


def _is_slip(n: int, usual: int) -> bool:
    """Whether n is the usual number with a digit lost, added, or two digits exchanged."""
    if abs(n - usual) <= FAR * usual:
        return False
    short, long = sorted((str(n), str(usual)), key=len)
    if len(long) == len(short) + 1:
        return any(long[:i] + long[i + 1 :] == short for i in range(len(long)))
    return len(short) == len(long) > 1 and any(
        short[:i] + short[i + 1] + short[i] + short[i + 2 :] == long for i in range(len(short) - 1)
    )


def _slip(row: PrintedRow, usual: int, times: int, sheet: Sheet) -> Finding:
    twins = [
        other
        for other in sheet.cells
        if (other.events, other.n) == (row.events, usual)
        and (arm_key(other), key_of(other)) == (arm_key(row), key_of(row))
    ]
    said = "?" if row.events is None else row.events
    places = "; ".join(f"{t.outcome} {t.events}/{t.n} in {t.place}" for t in twins[:2])
    return finding_at(
        row,
        "n",
        DENOMINATOR,
        f"{said}/{row.n}: {row.n} for {usual}",
        why=f"{usual} stands in {times} other cells of this arm; "
        f"{row.n} is {usual} with a digit lost, added or moved",
        certainty="likely",
        because="a subset of the arm could by chance have that number",
        reconcile=f"{said}/{usual}" + (f"; so printed: {places}" if places else ""),
        others=twins[:2],
    )


def study_totals(sheet: Sheet) -> dict[str, list[PrintedRow]]:
    """Rows that give a study's number of patients as a whole: an n or `randomized`, and no arm."""
    totals: dict[str, list[PrintedRow]] = {}
    for row in sheet.cells:
        bare = not row.arm and row.events is None and row.percent is None and row.mean is None
        if bare and (row.randomized or (row.n and _TOTAL.search(row.outcome))):
            totals.setdefault(row.study, []).append(row)
    return totals


def _whole_trial(sheet: Sheet, cells: list[PrintedRow]) -> list[Finding]:
    """Rows of one arm with the n of all arms together, and a trial's n that differs from place to place."""
    findings: list[Finding] = []
    totals = study_totals(sheet)
    for study, rows in totals.items():
        sizes = {row.n or row.randomized: row for row in rows}
        here = [r for r in sheet.cells if r.study == study and r.arm and not is_everybody(r.arm)]
        if len({row.arm for row in here}) > 1:
            wrong = [row for row in here if row.n in sizes and row.events is not None]
            findings += [_not_the_arm(row, here, sheet) for row in wrong]
        if len(sizes) > 1:
            findings.append(_two_totals(list(sizes.values())))
    findings += [_sum_for_arm(row, n) for row, n in _sums(cells, set(totals))]
    return findings


def _not_the_arm(row: PrintedRow, study: list[PrintedRow], sheet: Sheet) -> Finding:
    ways = _ways_to_split(row.n or 0, study)
    arm = [f"{a}: {m}, {b}: {k}" for (a, b), found in ways.items() for m, k in found[:2]]
    reconcile = f"the arm's own number; the percentages of the trial leave {' or '.join(arm)}" if arm else ""
    return finding_at(
        row,
        "n",
        DENOMINATOR,
        f"{row.events}/{row.n}: {row.n} is the whole trial, not the arm",
        why=f"the study has {row.n} patients in {len({r.arm for r in study})} arms; {row.arm} is one of them",
        certainty="likely",
        because="an arm cannot have all patients of a trial that has another arm",
        reconcile=reconcile or "the arm's own number of patients",
    )


def _ways_to_split(total: int, study: list[PrintedRow]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """For outcomes with a percentage in two arms and no n: how the trial can be split so that both hold."""
    ways = {}
    for rows in grouped(study, lambda r: (r.source, r.table, r.outcome)).values():
        bare = [
            r
            for r in rows
            if r.percent is not None and r.percent.is_exact and r.events is None and r.n is None
        ]
        if len(bare) == 2 and len({r.arm for r in study}) == 2:
            first, second = bare
            if first.percent is not None and second.percent is not None:
                ways[(first.arm, second.arm)] = splits(total, (first.percent, second.percent))
    return {arms: found for arms, found in ways.items() if 0 < len(found) <= 3}


def _two_totals(rows: list[PrintedRow]) -> Finding:
    first, *rest = rows
    numbers = " and ".join(f"{row.n or row.randomized} ({row.outcome or row.place})" for row in rows)
    return finding_at(
        rest[0],
        "n" if rest[0].n else "randomized",
        DENOMINATOR,
        f"the study has {numbers} patients",
        why="two totals for one study",
        certainty="possible",
        because="one may be randomized, the other analyzed",
        reconcile="the role of each number",
        others=[first],
    )


def _sums(cells: list[PrintedRow], known: set[str]) -> list[tuple[PrintedRow, int]]:
    """Rows of one arm with an n that is the sum of both arms', in studies that print no total."""
    found = []
    for study, rows in grouped(cells, lambda r: r.study).items():
        arms = grouped(rows, lambda r: r.arm)
        if study in known or len(arms) != 2:
            continue
        usual = {arm: Counter(r.n for r in here).most_common(1)[0] for arm, here in arms.items()}
        total = sum(n or 0 for n, _ in usual.values())
        settled = all(times >= 2 for _, times in usual.values())
        found += [(row, usual[row.arm][0] or 0) for row in rows if settled and row.n == total]
    return found


def _sum_for_arm(row: PrintedRow, usual: int) -> Finding:
    return finding_at(
        row,
        "n",
        DENOMINATOR,
        f"{row.events if row.events is not None else '?'}/{row.n}: {row.n} is both arms together",
        why=f"{row.arm} has {usual} patients in the other rows, and the two arms {row.n}",
        certainty="likely",
        because="an arm cannot have the patients of both",
        reconcile=f"a denominator of {usual}",
    )
