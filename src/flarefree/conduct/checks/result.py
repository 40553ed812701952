"""What a check is and what it gives: evidence, row by row, from which passing follows.

A check's body gives rows of evidence; it passes when there are rows and all of them hold, so that a check
that looked at nothing cannot pass.  Bodies take `quick`: a reduced count for every change, the full one on
a schedule.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

__all__ = ["Check", "CheckResult", "Evidence", "all_checks", "run_check"]

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that a check looked at.

    Attributes
    ----------
    what : str
        What was looked at, with how many of it.
    expected, found : text or number
        As they are printed; numbers unrounded.
    holds : bool
    """

    what: str
    expected: Value
    found: Value
    holds: bool

    def to_dict(self) -> dict[str, Value]:
        """For JSON."""
        return {"what": self.what, "expected": self.expected, "found": self.found, "holds": self.holds}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check gave.

    Attributes
    ----------
    number : str
        As the acceptance list has it: `R10`, `A2`, `F-7`.
    title : str
    evidence : tuple of Evidence
    seconds : float
        How long it took.
    is_quick : bool
        Whether the reduced count was run.
    left : str
        What this check cannot show where it runs, in words; empty if nothing.
    """

    number: str
    title: str
    evidence: tuple[Evidence, ...]
    seconds: float
    is_quick: bool = False
    left: str = ""

    @property
    def passed(self) -> bool:
        """Whether something was looked at, and all of it holds."""
        return bool(self.evidence) and all(row.holds for row in self.evidence)

    @property
    def failures(self) -> tuple[Evidence, ...]:
        """The rows that do not hold."""
        return tuple(row for row in self.evidence if not row.holds)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "number": self.number,
            "title": self.title,
            "passed": self.passed,
            "quick": self.is_quick,
            "seconds": self.seconds,
            "left": self.left,
            "evidence": [row.to_dict() for row in self.evidence],
        }

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "FAILED"
        lines = [f"{self.number}  {self.title}: {verdict} ({len(self.evidence)} rows, {self.seconds:.1f} s)"]
        if not self.evidence:
            lines.append("  nothing was looked at")
        for row in self.evidence:
            mark = "ok " if row.holds else "NOT"
            lines.append(f"  {mark} {row.what}: {_plain(row.found)} (expected {_plain(row.expected)})")
        if self.left:
            lines.append(f"  left: {self.left}")
        return "\n".join(lines)


def _plain(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Check:
    """A check by its number; `body(quick)` gives the evidence."""

    number: str
    title: str
    body: Callable[[bool], Iterable[Evidence]]
    left: str = ""


def run_check(
    check: Check, *, quick: bool = False, clock: Callable[[], float] = time.perf_counter
) -> CheckResult:
    """Run one check; what its body raises is a defect, of the check or of what it checks, and is raised."""
    begin = clock()
    evidence = tuple(check.body(quick))
    return CheckResult(check.number, check.title, evidence, clock() - begin, quick, check.left)


def all_checks() -> tuple[Check, ...]:
    """Every check of the modules beside this one, by their names: each module's `CHECKS`, in its order."""
    package = import_module("flarefree.conduct.checks")
    names = sorted(module.name for module in iter_modules(package.__path__))
    modules = (import_module(f"flarefree.conduct.checks.{name}") for name in names)
    return tuple(check for module in modules for check in getattr(module, "CHECKS", ()))
