"""An audit in words: what was found, surest first, and what was looked at."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flarefree.evidence.auditing.findings import Audit, Finding

__all__ = ["audit_text"]

HEADINGS = {
    "certain": "Certain: printed so, these numbers cannot hold",
    "likely": "Likely: they hold only if something unusual happened that the print does not tell",
    "possible": "Possible: an ordinary explanation exists; somebody should look",
}
WIDTH = 108


def audit_text(audit: Audit) -> str:
    """The audit as text."""
    return "\n".join([*_head(audit), *_findings(audit), *_p_values(audit), *_looked_at(audit)])


def _head(audit: Audit) -> Iterator[str]:
    counts = {name: sum(f.certainty == name for f in audit.findings) for name in HEADINGS}
    told = ", ".join(f"{n} {name}" for name, n in counts.items() if n) or "no findings"
    yield f"Audit of {audit.what}: {_n(audit.rows, 'row')}; {told}"
    yield from (f"  {note}" for note in audit.notes)


def _findings(audit: Audit) -> Iterator[str]:
    for name, heading in HEADINGS.items():
        here = [finding for finding in audit.findings if finding.certainty == name]
        if here:
            yield from ("", heading)
        for finding in here:
            yield from ("", *_finding(finding))


def _finding(finding: Finding) -> Iterator[str]:
    yield f"  {finding.what}"
    yield from _wrapped("where", finding.cell)
    yield from _wrapped("why", finding.why)
    yield from _wrapped("sure", f"{finding.certainty}: {finding.because}")
    if finding.reconcile:
        yield from _wrapped("fits if", finding.reconcile)
    if finding.recorded:
        yield from _wrapped("recorded", ", ".join(finding.recorded))


def _wrapped(name: str, text: str) -> list[str]:
    indent = " " * 14
    return textwrap.wrap(text, WIDTH, initial_indent=f"    {name:<10}", subsequent_indent=indent)


def _p_values(audit: Audit) -> Iterator[str]:
    from flarefree.evidence.auditing.findings import tests_by_table

    best = {key: next(iter(tests.items())) for key, tests in tests_by_table(audit.p_values).items() if tests}
    silent = [p for p in audit.p_values if p.verdict == "not recomputable"]
    if not best and not silent:
        return
    yield from ("", "P values")
    for (study, table), (test, (hits, of)) in best.items():
        name = ", ".join(x for x in (study, table) if x) or "this table"
        yield f"  {name}: {test} reproduces {hits} of {of}"
    for reason in dict.fromkeys(p.reason for p in silent):
        listed = [f"{p.outcome} {p.printed}" for p in silent if p.reason == reason]
        told = f"not recomputable, {reason}: {'; '.join(listed)}"
        yield from textwrap.wrap(told, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _looked_at(audit: Audit) -> Iterator[str]:
    done = [checked for checked in audit.checked if checked.examined]
    if not done:
        return
    yield from ("", "Looked at (cells; those that could have failed; findings)")
    for c in done:
        yield f"  {c.check:<40} {c.examined:>6} {c.could_fail:>6} {len(c.findings):>6}"


def _n(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
