"""The audit: read the rows, let every check look at them, and put what they found in order."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

from flarefree.evidence.auditing.findings import ORDER, Audit, Checked, Finding
from flarefree.evidence.auditing.rows import PrintedRow, read_table
from flarefree.evidence.auditing.sheet import Sheet

__all__ = ["CHECKS", "audit"]

# Module and function of each check, in the order in which a reader of a paper would do them.
CHECKS = (
    ("denominators", "check_possible_counts"),
    ("denominators", "check_denominators"),
    ("percentages", "check_attainable_percentages"),
    ("percentages", "check_percentages_of_counts"),
    ("means", "check_integer_means"),
    ("means", "check_integer_sds"),
    ("means", "check_possible_sds"),
    ("p_values", "check_p_values_of_counts"),
    ("means", "check_p_values_of_means"),
    ("limits", "check_order_of_limits"),
    ("limits", "check_symmetry_of_limits"),
    ("limits", "check_limits_against_events"),
    ("limits", "check_limits_against_p_values"),
    ("effects", "check_effects_of_counts"),
    ("rates", "check_rates"),
    ("rates", "check_shared_person_time"),
    ("rates", "check_person_time_of_follow_up"),
    ("parts", "check_parts"),
    ("parts", "check_named_subsets"),
    ("repeats", "check_repeated_outcomes"),
    ("repeats", "check_periods"),
    ("meanings", "check_figures_with_two_meanings"),
    ("risk_tables", "check_risk_tables"),
    ("duplicates", "check_duplicate_rows"),
    ("duplicates", "check_duplicate_columns"),
    ("duplicates", "check_terminal_digits"),
)


def audit(data: Any, *, where: str = "data") -> Audit:
    """Recompute what the numbers of a table imply, and say which of them cannot stand together.

    Parameters
    ----------
    data : frame, rows, mapping of columns, path, or Evidence
        A table of printed cells, one row an outcome of a study in one arm (`PrintedRow` has the columns;
        all but `study` are optional, and other names of columns and wide tables are understood); or the
        evidence base, as `load_evidence()` gives it.  Give numbers as text to keep their decimals.
    where : str
        What to call the data in the result and in errors.

    Returns
    -------
    Audit
        `.findings`, the surest first; `.coverage()` tells what was looked at, `.p_value_table()` which
        test each P value is from.

    Raises
    ------
    EvidenceError
        The table has no known columns, or a cell that cannot be read; names row and cell.

    Notes
    -----
    Formulas and sources: docs/methods/audit.md.
    """
    rows, what, unread = _rows_of(data, where)
    sheet = Sheet(rows)
    checked = tuple(_check(module, name)(sheet) for module, name in CHECKS)
    findings = [finding for done in checked for finding in done.findings]
    return Audit(
        findings=tuple(sorted(_once(findings), key=lambda f: (ORDER[f.certainty], f.row))),
        checked=checked,
        p_values=tuple(p for done in checked for p in done.p_values),
        rows=len(rows),
        what=what,
        notes=(*_on_record(rows, findings), *_not_read(unread)),
    )


def _check(module: str, name: str) -> Callable[[Sheet], Checked]:
    return getattr(import_module(f"flarefree.evidence.auditing.{module}"), name)


def _not_read(columns: tuple[str, ...]) -> tuple[str, ...]:
    """What a stranger must know: a column whose name we do not know was not checked."""
    return (f"columns that are none of ours, and were not read: {', '.join(columns)}",) if columns else ()


def _rows_of(data: Any, where: str) -> tuple[tuple[PrintedRow, ...], str, tuple[str, ...]]:
    """The rows of a table or of an evidence base, what to call them, and columns that were not read."""
    if isinstance(data, (str, PathLike)):
        path = Path(data)
        if path.is_dir() or path.suffix.lower() in (".yaml", ".yml"):
            from flarefree.evidence.library import load_evidence

            return _rows_of(load_evidence(path), where)
        rows, unread = read_table(path, where=str(path))
        return rows, str(path), unread
    if hasattr(data, "reported") and hasattr(data, "content"):
        from flarefree.evidence.auditing.from_base import rows_of_base

        return rows_of_base(data), f"the evidence base {data.name}", ()
    rows, unread = read_table(data, where=where)
    return rows, where, unread


def _on_record(rows: tuple[PrintedRow, ...], findings: list[Finding]) -> tuple[str, ...]:
    """Of which recorded conflicts a row carries a finding: mostly, not always, for what the record says."""
    known = list(dict.fromkeys(name for row in rows for name in row.recorded.split()))
    if not known:
        return ()
    seen = {name for finding in findings for name in finding.recorded}
    found, missed = [n for n in known if n in seen], [n for n in known if n not in seen]
    told = f"conflicts on record about these numbers: rows of {len(found)} of {len(known)} carry a finding"
    return (told, *([f"no finding from the numbers of: {', '.join(missed)}"] if missed else []))


def _once(findings: list[Finding]) -> list[Finding]:
    """One finding a cell and contradiction, where a table repeats a figure."""
    kept: dict[tuple[str, ...], Finding] = {}
    for f in findings:
        kept.setdefault((f.check, f.study, f.outcome, f.arm, f.column, f.value, f.what), f)
    return list(kept.values())
