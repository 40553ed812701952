"""What a protocol expects of the data, laid out for joining: tests, units, arms, visits, covariates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from flarefree.errors import ProtocolError

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.protocol.schema import MeasureSpec, Protocol

__all__ = ["Expectations", "fold", "protocol_of"]


def protocol_of(
    given: LoadedProtocol | Protocol | str | Path | None, folder: Path | None = None
) -> tuple[Protocol | None, str]:
    """The protocol itself, from whatever names it, and the name or path that it can be loaded by again.

    Parameters
    ----------
    given : LoadedProtocol, Protocol, str, path or None
        A name is that of a built-in protocol, unless a file of this name is there (in `folder` first).
    folder : path, optional
        The study folder, which a path in `study.yaml` is relative to.
    """
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.protocol.loading import builtin_protocols, load_protocol
    from flarefree.protocol.schema import Protocol

    if given is None or given == "":
        return None, ""
    if isinstance(given, (str, Path)):
        beside = folder / given if folder is not None else Path(given)
        reference = str(beside) if beside.is_file() else str(given)
        return load_protocol(reference).spec, reference
    if isinstance(given, LoadedProtocol):
        return given.spec, given.spec.name if given.spec.name in builtin_protocols() else given.path
    if isinstance(given, Protocol):
        return given, given.name
    raise ProtocolError(
        "this is no protocol", found=type(given).__name__, expected="a name, a path, or a loaded one"
    )


def fold(text: str) -> str:
    """A word as it is compared: without case, and with single blanks."""
    return " ".join(text.split()).casefold()


def folded(column: pl.Expr | pl.Series | str) -> pl.Expr:
    """`fold` for a column."""
    expression = (
        pl.col(column)
        if isinstance(column, str)
        else pl.lit(column)
        if isinstance(column, pl.Series)
        else column
    )
    return expression.str.strip_chars().str.replace_all(r"\s+", " ").str.to_lowercase()


@dataclass(frozen=True, slots=True)
class Expectations:
    """A protocol's measures, arms and visits by the words that data use for them.

    Attributes
    ----------
    names : tuple of str
        Measures; a measure's number is its place here.
    specs : tuple of MeasureSpec
    tests : mapping of str to tuple of int
        Folded test code (or measure's name, or label) to the numbers of the measures read from it.
    arms : mapping of str to str
        Folded word to arm.
    """

    protocol: Protocol | None
    names: tuple[str, ...]
    specs: tuple[MeasureSpec, ...]
    tests: dict[str, tuple[int, ...]]
    arms: dict[str, str]

    @classmethod
    def of(cls, protocol: Protocol | None) -> Expectations:
        """What a protocol expects; nothing without one."""
        if protocol is None:
            return cls(None, (), (), {}, {})
        read = {name: spec for name, spec in protocol.measures.items() if not spec.equation}
        tests: dict[str, list[int]] = {}
        for number, (name, spec) in enumerate(read.items()):
            for word in dict.fromkeys(map(fold, (*spec.tests, name))):
                tests.setdefault(word, []).append(number)
        for number, spec in enumerate(read.values()):
            tests.setdefault(fold(spec.label), [number])
        return cls(
            protocol,
            tuple(read),
            tuple(read.values()),
            {word: tuple(numbers) for word, numbers in tests.items()},
            _arm_words(protocol),
        )

    def measure_numbers(self, test: str | None, *categories: str | None) -> tuple[int, ...]:
        """The measures that a test is read as.

        One that asks for one of the row's categories (category proper, time point, specimen) goes
        before one that asks for none.
        """
        if test is None:
            return ()
        numbers = self.tests.get(fold(test), ())
        words = {fold(category) for category in categories if category}
        of_category = [n for n in numbers if fold(self.specs[n].category) in words]
        return tuple(of_category) or tuple(n for n in numbers if not self.specs[n].category)

    def visit_windows(self) -> pl.DataFrame:
        """The protocol's visits by every word and number that data use: `word`, `number`, `first_day` ..."""
        rows: list[tuple[str, float | None, str, int | None, int | None]] = []
        for visit in self.protocol.schedule.visits if self.protocol else ():
            for word in dict.fromkeys(map(fold, (visit.name, *visit.codes))):
                rows.append((word, visit.number, visit.name, visit.first_day, visit.last_day))
        for at_event in self.protocol.schedule.at_events if self.protocol else ():
            for word in dict.fromkeys(map(fold, (at_event.name, *at_event.codes))):
                rows.append((word, None, at_event.name, None, None))
        schema = {"word": pl.String, "number": pl.Float64, "name": pl.String, "first_day": pl.Int32,
                  "last_day": pl.Int32}  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")

    def preference(self, table: str) -> str:
        """Whether tabulations, analysis datasets, or first the one and then the other are read."""
        for source in self.protocol.sources if self.protocol else ():
            if source.table == table:
                return source.use
        return "sdtm_then_adam"


def _arm_words(protocol: Protocol) -> dict[str, str]:
    words: dict[str, str] = {}
    for key, arm in protocol.arms.items():
        for word in (key, arm.label, *arm.codes):
            words.setdefault(fold(word), key)
    return words


def texts(words: Iterable[str]) -> str:
    """Words for a message: at most eight, then how many more."""
    listed = list(words)
    return ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")
