"""From a study's observations to arrays: patients, measures and visits as numbers, one element a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.endpoints import assigning
from flarefree.endpoints.kernels import repeated
from flarefree.protocol.schema import MeasureSpec, Protocol, Schedule

__all__ = ["LongRows", "read_rows"]

Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LongRows:
    """Observations as arrays, one element a row, in any order; all shape (n_rows,).

    Attributes
    ----------
    subjects : int32
        Index of the patient; -1 leaves the row out.
    measures : int16
        Index into `names`; -1 leaves the row out.
    days : int32
    values : float64
    names : tuple of str
        The measures.
    labels : int32 or None
        The visit as labeled: an index into the schedule, beyond it for unscheduled ones, -1 for none.
    priorities : uint16 or None
        Which of two values of one assessment counts: the higher one, then the later.
    upper_limits, lower_limits : float64 or None
    flagged : bool or None
    texts : mapping from measure to words, for measures that are words
    """

    subjects: Ints32
    measures: npt.NDArray[np.int16]
    days: Ints32
    values: Floats
    names: tuple[str, ...]
    labels: Ints32 | None = None
    priorities: npt.NDArray[np.uint16] | None = None
    upper_limits: Floats | None = None
    lower_limits: Floats | None = None
    flagged: npt.NDArray[np.bool_] | None = None
    texts: tuple[tuple[str, tuple[str, ...]], ...] = ()


def read_rows(observations: pl.DataFrame, spec: Protocol, subjects: pl.Series) -> LongRows:
    """The observations that a protocol's measures are read from, as arrays.

    Left out are rows of unknown patients and measures, without a day or a value, and those that the
    file says were derived from others (`derivation`: LOCF and the like), which nobody observed.
    """
    names = tuple(name for name, measure in spec.measures.items() if not measure.equation)
    measures = _codes(observations.get_column("measure"), names)
    values = observations.get_column("value").fill_null(np.nan).to_numpy()
    values, texts = _read_texts(observations, spec, names, measures, values)
    day = observations.get_column("day")
    is_missing = np.isnan(values)
    if is_missing.any():
        measures[is_missing] = -1
    if day.null_count():
        measures[day.is_null().to_numpy()] = -1
    whose = _subject_codes(observations.get_column("subject"), subjects)
    derivation = _known(observations, "derivation")
    if derivation is not None:
        whose[derivation.is_not_null().to_numpy()] = -1
    return LongRows(
        whose,
        measures,
        _frozen(day.fill_null(-(2**31)).to_numpy()),
        _frozen(values),
        names,
        _visit_labels(observations, spec.schedule),
        _priorities(observations, spec.measures, measures, names),
        _numbers(observations, "upper_limit"),
        _numbers(observations, "lower_limit"),
        _flags(observations),
        texts,
    )


def _frozen(values: Any) -> Any:
    """The same array, not to be written to: most come so from the table, and kernels are compiled for it."""
    values.flags.writeable = False
    return values


def _known(observations: pl.DataFrame, column: str) -> pl.Series | None:
    """A column, if it is there and holds anything."""
    if column not in observations.columns:
        return None
    values = observations.get_column(column)
    return None if values.null_count() == values.len() else values


def _codes(values: pl.Series, names: tuple[str, ...]) -> npt.NDArray[np.int16]:
    """Each text's index among `names`, -1 if it is none of them."""
    if not names:
        return np.full(values.len(), -1, dtype=np.int16)
    coded = values.cast(pl.Enum(names), strict=False).to_physical()
    return coded.cast(pl.Int16).fill_null(-1).to_numpy(writable=True)


def _subject_codes(written: pl.Series, subjects: pl.Series) -> Ints32:
    """Each row's patient, by index; rows of one patient mostly follow each other, so runs are looked up."""
    runs = written.rle().struct.unnest()
    if runs.get_column("value").equals(subjects):
        return repeated(np.arange(subjects.len(), dtype=np.int32), _lengths(runs))
    index = {subject: code for code, subject in enumerate(subjects.to_list())}
    codes = np.array([index.get(value, -1) for value in runs.get_column("value").to_list()], dtype=np.int32)
    return repeated(codes, _lengths(runs))


def _lengths(runs: pl.DataFrame) -> Ints64:
    return runs.get_column("len").to_numpy().astype(np.int64)


def _numbers(observations: pl.DataFrame, column: str) -> Floats | None:
    values = _known(observations, column)
    return None if values is None else values.fill_null(np.nan).to_numpy(writable=True)


def _flags(observations: pl.DataFrame) -> npt.NDArray[np.bool_] | None:
    values = _known(observations, "is_baseline")
    if values is None or not values.any():
        return None
    return values.fill_null(False).to_numpy(writable=True)


def _read_texts(
    observations: pl.DataFrame,
    spec: Protocol,
    names: tuple[str, ...],
    measures: npt.NDArray[np.int16],
    values: Floats,
) -> tuple[Floats, tuple[tuple[str, tuple[str, ...]], ...]]:
    """Measures that are words: the values, indices into their words now, and the words in order."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for code, name in enumerate(names):
        if spec.measures[name].type != "text":
            continue
        values = values if found else values.copy()
        of_measure = measures == code
        written = observations.get_column("text").filter(pl.Series(of_measure))
        words = tuple(sorted(set(written.drop_nulls().to_list())))
        index = {word: float(i) for i, word in enumerate(words)}
        values[of_measure] = [index.get(word, np.nan) for word in written.to_list()]
        found.append((name, words))
    return values, tuple(found)


def _priorities(
    observations: pl.DataFrame,
    specs: dict[str, MeasureSpec],
    measures: npt.NDArray[np.int16],
    names: tuple[str, ...],
) -> npt.NDArray[np.uint16] | None:
    """Flagged values first, then the protocol's most trusted test; None where all rank the same."""
    flagged = _flags(observations)
    ranks = _ranks(_known(observations, "test"), specs, measures, names)
    if flagged is None:
        return ranks
    first = np.where(flagged, np.uint16(1000), np.uint16(0))
    return first if ranks is None else first + ranks


def _ranks(
    tests: pl.Series | None,
    specs: dict[str, MeasureSpec],
    measures: npt.NDArray[np.int16],
    names: tuple[str, ...],
) -> npt.NDArray[np.uint16] | None:
    """How much each row's test is trusted for its measure, higher for more; None where all are the same."""
    coded = _text_codes(tests)
    if coded is None or all(len(specs[name].tests) < 2 for name in names):
        return None
    codes, words = coded
    ranks = np.zeros((len(names), len(words) + 1), dtype=np.uint16)
    for i, name in enumerate(names):
        trusted = [test.upper() for test in specs[name].tests]
        for j, word in enumerate(words):
            if word.upper() in trusted:
                ranks[i, j] = len(trusted) - trusted.index(word.upper())
    return ranks[measures, codes]


# Visits -------------------------------------------------------------------------------------------


def _visit_labels(observations: pl.DataFrame, schedule: Schedule) -> Ints32 | None:
    """The visit that each row names, by the analysis dataset's word where there is one, else as recorded."""
    names = _text_codes(_known(observations, "visit"))
    analysis = _text_codes(_known(observations, "analysis_visit"))
    numbers = _number_codes(_known(observations, "visit_number"))
    if names is None and analysis is None and numbers is None:
        return None
    n = observations.height
    parts = [
        part if part is not None else (np.full(n, -1, dtype=np.int32), [])
        for part in (analysis, names, numbers)
    ]
    combined = np.zeros(n, dtype=np.int64)
    for codes, words in parts:
        combined = combined * (len(words) + 1) + (codes + 1)
    distinct, inverse = _distinct(combined)
    visits = _VisitNames(schedule)
    labels = np.empty(distinct.size, dtype=np.int32)
    for i, code in enumerate(distinct.tolist()):
        triple = []
        for _, words in reversed(parts):
            code, place = divmod(code, len(words) + 1)
            triple.append(words[place - 1] if place else None)
        number, name, analysis_name = triple
        labels[i] = visits.label(number, name, analysis_name)
    return labels[inverse]


def _distinct(values: Ints64) -> tuple[Ints64, Ints64]:
    """Distinct values and the index of each among them, by a table where they are few."""
    size = int(values.max(initial=0)) + 1
    if size > 1_000_000:
        return np.unique(values, return_inverse=True)
    seen = np.zeros(size, dtype=np.bool_)
    seen[values] = True
    distinct = np.flatnonzero(seen)
    index = np.zeros(size, dtype=np.int64)
    index[distinct] = np.arange(distinct.size)
    return distinct, index[values]


def _text_codes(values: pl.Series | None) -> tuple[Ints32, list[Any]] | None:
    if values is None:
        return None
    words = values.drop_nulls().unique(maintain_order=True)
    coded = values.cast(pl.Enum(words)).to_physical().cast(pl.Int32).fill_null(-1)
    return coded.to_numpy(writable=True), words.to_list()


def _number_codes(values: pl.Series | None) -> tuple[Ints32, list[Any]] | None:
    if values is None:
        return None
    numbers = values.fill_null(np.nan).to_numpy(writable=True)
    known = np.empty(4096)
    codes, n = assigning.code_numbers(numbers, known)
    if n >= 0:
        return codes, known[:n].tolist()
    distinct, inverse = np.unique(numbers, return_inverse=True)
    missing = np.isnan(numbers)
    return np.where(missing, -1, inverse).astype(np.int32), distinct[~np.isnan(distinct)].tolist()


class _VisitNames:
    """The schedule's visits by number and by name, and further labels in order of appearance."""

    def __init__(self, schedule: Schedule) -> None:
        self._numbers = {visit.number: i for i, visit in enumerate(schedule.visits)}
        self._names: dict[str, int] = {}
        for i, visit in enumerate(schedule.visits):
            for name in (visit.name, *visit.codes):
                self._names.setdefault(name.strip().casefold(), i)
        self._others: dict[object, int] = {}
        self._n = len(schedule.visits)

    def label(self, number: float | None, name: str | None, analysis: str | None) -> int:
        """An index into the schedule, or beyond it for a visit that is not in it; -1 if nothing is named."""
        if analysis is not None and analysis.strip():
            found = self._names.get(analysis.strip().casefold())
            return self._other(analysis) if found is None else found
        by_name = None if name is None else self._names.get(name.strip().casefold())
        by_number = None if number is None else self._numbers.get(number)
        if by_number is not None:
            return by_number
        if by_name is not None:
            return by_name
        if number is not None:
            return self._other(number)
        return -1 if name is None or not name.strip() else self._other(name)

    def _other(self, label: object) -> int:
        return self._n + self._others.setdefault(label, len(self._others))
