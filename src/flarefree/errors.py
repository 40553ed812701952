"""Every error flarefree raises on purpose, in one tree.

```text
FlarefreeError                      exit code 2, printed without a traceback
├── ProtocolError                   a protocol file cannot be used
│   └── LanguageError               an endpoint's sentence cannot be read; shows a caret
├── ReadError                       a data file cannot be read
├── StudyError                      a study folder lacks what an analysis cannot go on without
├── EvidenceError (ValueError)      published numbers cannot be what they say; names study and cell
├── DesignError (ValueError)        a trial cannot be run or simulated as asked
├── ConductError                    the trial's rules refuse what was asked; nothing was changed
├── OutputError                     the output folder cannot be written
├── MissingExtraError               an optional part is not installed
├── NotFoundError (KeyError)        what was asked for by name does not exist
├── UnitError (ValueError)          one unit does not become the other
└── StatsError (ValueError)         a statistic does not exist for these numbers
    ├── FormulaError                a model formula cannot be read, or names no column; shows a caret
    ├── NoEventsError               nobody had the event
    ├── SingularDesignError         the covariates do not identify the coefficients
    └── ConvergenceError            an iteration did not settle; says what was tried
```

An error has four parts: where, what was found, what was expected, what to try.  Odd data are no
errors: they become findings (`flarefree.records.findings`).
"""

from __future__ import annotations

__all__ = [
    "ConductError",
    "ConvergenceError",
    "DesignError",
    "EvidenceError",
    "FlarefreeError",
    "FormulaError",
    "LanguageError",
    "MissingExtraError",
    "NoEventsError",
    "NotFoundError",
    "OutputError",
    "ProtocolError",
    "ReadError",
    "SingularDesignError",
    "StatsError",
    "StudyError",
    "UnitError",
]


class FlarefreeError(Exception):
    """An error that its reader can mend.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence.
    where : str
        File, line and path, or the argument's name.
    found, expected, try_ : str
        The value met, what would have been right, and how to mend it.
    """

    exit_code = 2

    def __init__(
        self, what: str, *, where: str = "", found: str = "", expected: str = "", try_: str = ""
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.found = found
        self.expected = expected
        self.try_ = try_

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        parts = (("found", self.found), ("expected", self.expected), ("try", self.try_))
        lines = [f"  {name:<9} {_indent(text)}" for name, text in parts if text]
        return "\n".join([head, *lines])


def _indent(text: str) -> str:
    return text.replace("\n", "\n" + " " * 12)


class ProtocolError(FlarefreeError):
    """A protocol file cannot be used."""


class LanguageError(ProtocolError):
    """An endpoint's sentence cannot be read; `found` holds the line with a caret under the place."""


class ReadError(FlarefreeError):
    """A data file cannot be read at all."""


class StudyError(FlarefreeError):
    """A study lacks something that its analysis cannot go on without."""


class EvidenceError(FlarefreeError, ValueError):
    """Published numbers cannot be what they say; `where` names the study and the cell."""


class OutputError(FlarefreeError):
    """The output folder cannot be written."""


class MissingExtraError(FlarefreeError):
    """An optional part is not installed; `try_` holds the command that installs it."""


class UnitError(FlarefreeError, ValueError):
    """A unit is not known, or one does not become the other."""


class NotFoundError(FlarefreeError, KeyError):
    """What was asked for by name does not exist; `try_` holds the nearest name."""


class DesignError(FlarefreeError, ValueError):
    """A trial cannot be run or simulated as asked: a ratio, a size, a rate that cannot be."""


class ConductError(FlarefreeError):
    """The rules by which a trial is run refuse what was asked; nothing was changed."""


class StatsError(FlarefreeError, ValueError):
    """A statistic does not exist for the numbers given."""


class FormulaError(StatsError):
    """A model formula cannot be read, or names a column that is not there; `found` shows a caret."""


class NoEventsError(StatsError):
    """Nobody had the event."""


class SingularDesignError(StatsError):
    """The covariates do not identify the coefficients."""


class ConvergenceError(StatsError):
    """An iteration did not settle; `found` says what was tried."""
