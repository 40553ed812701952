"""Endpoints of more rows than are held in memory: patients are independent, so they are taken in parts.

Takes a Parquet file of observations sorted by patient; gives the frames of events and of time to event that
`derive` would give, with rows counted over the whole file.  Parts are worked on by several threads: the
kernels let go of the interpreter's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import PathLike, cpu_count, fspath

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.endpoints.derivation import EVENTS_SCHEMA, TIME_TO_EVENT_SCHEMA
from flarefree.endpoints.derive import derive_arrays
from flarefree.endpoints.events import TABLE_CODES
from flarefree.endpoints.standing import Block
from flarefree.errors import ReadError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.records.study import Study
from flarefree.records.tables import OBSERVATIONS

__all__ = ["derive_registry"]

PART_ROWS = 2_500_000
"""Rows of a part: enough that the work on it outweighs taking it up."""

READ_ROWS = 12_000_000
"""Rows that are read at a time, some 600 MB with their identifiers; a part is a piece of them."""

Ints64 = npt.NDArray[np.int64]

_OBSERVATIONS = TABLE_CODES["observations"]
_NEEDED = ("subject", "measure", "day", "value")


@dataclass(frozen=True, slots=True)
class _Part:
    """Some patients, whole: their rows, and how many rows of the file stand before them."""

    subjects: pl.DataFrame
    observations: pl.DataFrame
    first_row: int


def derive_registry(
    observations: str | PathLike[str],
    study: Study,
    protocol: LoadedProtocol,
    *,
    part_rows: int = PART_ROWS,
    workers: int | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Derive the events and times to event of a registry, part after part.

    Parameters
    ----------
    observations : path
        A Parquet file with columns of `flarefree.records.tables.OBSERVATIONS`, at least `subject`,
        `measure`, `day` and `value`; rows of one patient follow each other.
    study : Study
        Every table but the observations.
    protocol : LoadedProtocol
    part_rows : int
        How many rows are held at a time, by each worker.
    workers : int, optional
        Threads; as many as there are processors if not given.

    Returns
    -------
    events, time_to_event : DataFrame
        As in a `Derivation`; `rows` of events count over the whole file.

    Raises
    ------
    ReadError
        A patient's rows do not follow each other, or a column is missing.
    """
    n_workers = workers or cpu_count() or 1
    waiting: deque[Future[_Derived]] = deque()
    done = []
    with ThreadPoolExecutor(n_workers) as pool:
        for part in _parts(fspath(observations), study["subjects"], part_rows):
            waiting.append(pool.submit(_derive, part, study, protocol))
            if len(waiting) > n_workers:  # no more is read than is being worked on
                done.append(waiting.popleft().result())
        done += [future.result() for future in waiting]
    return _together(done, protocol)


def _parts(path: str, subjects: pl.DataFrame, part_rows: int) -> Iterator[_Part]:
    """Patients in the file's order, and then those without a row."""
    rows = pl.scan_parquet(path)
    known = rows.collect_schema().names()
    missing = [name for name in _NEEDED if name not in known]
    if missing:
        raise ReadError(
            "columns are missing", where=path, found=", ".join(known), expected=", ".join(missing)
        )
    rows = rows.select([name for name in OBSERVATIONS if name in known])
    n_rows = int(rows.select(pl.len()).collect().item())
    place = pl.DataFrame({"subject": subjects.get_column("subject"), "place": np.arange(subjects.height)})
    seen: set[str] = set()
    start, size = 0, max(READ_ROWS, part_rows)
    while start < n_rows:
        frame = rows.slice(start, size).collect()
        runs = frame.get_column("subject").rle().struct.unnest()
        if start + frame.height < n_rows:
            if runs.height == 1:  # one patient longer than all that was read
                size *= 2
                continue
            runs = runs.head(runs.height - 1)  # the last patient may go on
        _require_together(runs.get_column("value").to_list(), seen, path)
        ends = np.cumsum(runs.get_column("len").to_numpy().astype(np.int64))
        for first, last in _cuts(ends, part_rows):
            before = int(ends[first - 1]) if first else 0
            names = runs.slice(first, last - first).select(subject="value")
            here = names.join(place, on="subject", how="inner", maintain_order="left")
            of_patients = frame.slice(before, int(ends[last - 1]) - before)
            yield _Part(subjects[here.get_column("place").to_list()], of_patients, start + before)
        start, size = start + int(ends[-1]), max(READ_ROWS, part_rows)
    unseen = subjects.filter(~pl.col("subject").is_in(list(seen)))
    if unseen.height:
        yield _Part(unseen, rows.head(0).collect(), n_rows)


def _cuts(ends: Ints64, part_rows: int) -> Iterator[tuple[int, int]]:
    """Runs of patients, as (first, last + 1), that together have about so many rows."""
    n_parts = max(1, round(int(ends[-1]) / part_rows))
    marks = np.searchsorted(ends, ends[-1] * np.arange(1, n_parts + 1) / n_parts) + 1
    first = 0
    for last in np.minimum(marks, ends.size).tolist():
        if last > first:
            yield first, last
            first = last


def _require_together(names: list[str], seen: set[str], path: str) -> None:
    before = len(seen)
    seen.update(names)
    if len(seen) != before + len(names):
        raise ReadError(
            "rows of one patient do not follow each other",
            where=path,
            found=f"{len(names)} runs of rows, of fewer patients",
            expected="a file sorted by subject",
            try_='pl.scan_parquet(path).sort("subject", "day").sink_parquet(...)',
        )


@dataclass(frozen=True, slots=True)
class _Derived:
    """Frames of one part, and how many assessments it has."""

    events: pl.DataFrame
    time_to_event: pl.DataFrame
    n_assessments: int


def _derive(part: _Part, study: Study, protocol: LoadedProtocol) -> _Derived:
    tables = {**study.tables, "subjects": part.subjects, "observations": part.observations}
    derived = derive_arrays(Study(study.name, tables=tables, sources=study.sources), protocol)
    derived.found.blocks = [_counted_from(block, part.first_row) for block in derived.found.blocks]
    return _Derived(*derived.events(), derived.evaluator.panel.n_assessments)


def _counted_from(block: Block, first_row: int) -> Block:
    """A block whose rows of observations are counted over the whole file."""
    candidates = block.candidates
    is_observed = candidates.row_tables == _OBSERVATIONS
    rows = candidates.row_indices + np.where(is_observed, first_row, 0)
    return replace(block, candidates=replace(candidates, row_indices=rows))


def _together(done: list[_Derived], protocol: LoadedProtocol) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Frames of all parts, by endpoint and then by patient, as `derive` lays them out."""
    if not done:
        return pl.DataFrame(schema=EVENTS_SCHEMA), pl.DataFrame(schema=TIME_TO_EVENT_SCHEMA)
    n_assessments = np.cumsum([0, *(part.n_assessments for part in done)]).tolist()
    events = [
        part.events.with_columns(assessment=(pl.col("assessment").cast(pl.Int64) + n).cast(pl.Int32))
        for part, n in zip(done, n_assessments, strict=False)
    ]
    spans = [_spans(frame, protocol) for frame in events]
    rows_of = _new_rows(spans)
    times = [
        part.time_to_event.with_columns(
            event_index=_moved(part.time_to_event.get_column("event_index"), rows)
        )
        for part, rows in zip(done, rows_of, strict=True)
    ]
    return _by_endpoint(events, spans), _by_endpoint(times, [_spans(frame, protocol) for frame in times])


def _spans(frame: pl.DataFrame, protocol: LoadedProtocol) -> list[tuple[int, int]]:
    """Where each endpoint's rows begin in a part's frame, and how many they are, in the protocol's order."""
    runs = frame.get_column("endpoint").rle().struct.unnest()
    lengths = dict(zip(runs.get_column("value").to_list(), runs.get_column("len").to_list(), strict=True))
    counts = [lengths.get(name, 0) for name in protocol.spec.endpoints]
    return list(zip(np.cumsum([0, *counts])[:-1].tolist(), counts, strict=True))


def _by_endpoint(frames: list[pl.DataFrame], spans: list[list[tuple[int, int]]]) -> pl.DataFrame:
    """Every part's rows of the first endpoint, then of the second ...; nothing is moved but the chunks."""
    chunks = [
        frame.slice(*of_endpoint)
        for each in zip(*spans, strict=True)
        for frame, of_endpoint in zip(frames, each, strict=True)
        if of_endpoint[1]
    ]
    return pl.concat(chunks) if chunks else frames[0]


def _new_rows(spans: list[list[tuple[int, int]]]) -> list[Ints64]:
    """For each part, the row of all events together that each of its rows becomes."""
    rows_of = [np.empty(sum(count for _, count in part), dtype=np.int64) for part in spans]
    row = 0
    for each in zip(*spans, strict=True):
        for rows, (start, count) in zip(rows_of, each, strict=True):
            rows[start : start + count] = np.arange(row, row + count)
            row += count
    return rows_of


def _moved(index: pl.Series, rows: Ints64) -> pl.Series:
    if not rows.size:
        return index
    moved = pl.Series(rows[index.fill_null(0).to_numpy()], dtype=pl.UInt32)
    return moved.set(index.is_null(), None)
