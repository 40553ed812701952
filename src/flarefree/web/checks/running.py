"""Checks by number: what the rules show and what the application shows, run and put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flarefree.conduct.checks.result import Check, CheckResult, Evidence, all_checks, run_check
from flarefree.web.checks import all_web_checks
from flarefree.web.checks.catalog import NUMBERS

__all__ = ["CheckedNumber", "checks_of", "run_numbers"]

_LONGEST = 400


@dataclass(frozen=True)
class CheckedNumber:
    """What was found under one number of the list.

    Attributes
    ----------
    number, title : str
    rules, application : tuple of CheckResult
        By rules alone, and by the installed application with its databases.
    """

    number: str
    title: str
    rules: tuple[CheckResult, ...]
    application: tuple[CheckResult, ...]

    @property
    def parts(self) -> tuple[CheckResult, ...]:
        """Both, rules first."""
        return self.rules + self.application

    @property
    def verdict(self) -> str:
        """`passed`, `FAILED`, or `not run` where there is nothing that runs it."""
        if not self.parts:
            return "not run"
        return "passed" if all(part.passed for part in self.parts) else "FAILED"

    @property
    def passed(self) -> bool:
        """Whether something was looked at, and all of it holds."""
        return self.verdict == "passed"

    @property
    def seconds(self) -> float:
        """How long it took."""
        return sum(part.seconds for part in self.parts)

    @property
    def left(self) -> tuple[str, ...]:
        """What was not shown; what rules leave to the application is shown once that ran."""
        told = self.application or self.rules
        return tuple(dict.fromkeys(part.left for part in told if part.left))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "number": self.number,
            "title": self.title,
            "verdict": self.verdict,
            "seconds": self.seconds,
            "left": list(self.left),
            "rules": [part.to_dict() for part in self.rules],
            "application": [part.to_dict() for part in self.application],
        }


def checks_of(number: str) -> tuple[tuple[Check, ...], tuple[Check, ...]]:
    """Checks under a number: of the rules, and of the application."""
    return (
        tuple(check for check in all_checks() if check.number == number),
        tuple(check for check in all_web_checks() if check.number == number),
    )


def run_numbers(
    numbers: Sequence[str],
    *,
    quick: bool,
    progress: Callable[[str, int, int], None] = lambda title, done, total: None,
    told: Callable[[CheckedNumber], None] = lambda found: None,
) -> tuple[CheckedNumber, ...]:
    """Run what stands under these numbers, in their order.

    Parameters
    ----------
    numbers : sequence of str
    quick : bool
        The reduced counts.
    progress : function of title, done and total
    told : function of a CheckedNumber
        Called with each as it is done.

    Notes
    -----
    A check that breaks off has failed: what it raised is its evidence, and the others go on.
    """
    found = []
    for done, number in enumerate(numbers):
        progress(f"{number}  {NUMBERS[number]}", done, len(numbers))
        rules, application = checks_of(number)
        one = CheckedNumber(
            number,
            NUMBERS[number],
            tuple(_run(check, quick) for check in rules),
            tuple(_run(check, quick) for check in application),
        )
        found.append(one)
        told(one)
    progress("Done", len(numbers), len(numbers))
    return tuple(found)


def _run(check: Check, quick: bool) -> CheckResult:
    begin = time.perf_counter()
    try:
        return run_check(check, quick=quick)
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
        row = Evidence("the check itself", "runs to its end", said, False)
        return CheckResult(check.number, check.title, (row,), time.perf_counter() - begin, quick, check.left)
