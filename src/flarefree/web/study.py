"""The study as the record has it now, without arms: what detector, committee and masked review read.

The record's things become rows of SDTM (`study_rows.py`), and these are read by the very readers that read
files, so that a study taken from here and one exported and read again are one.  A row's number is that of
the log's entry that wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from flarefree.lineage import Source
from flarefree.web.record.reading import Item, facts_of, read_things
from flarefree.web.study_map import DATASETS
from flarefree.web.study_rows import Row, Rows, rows_of
from flarefree.web.trial import running_trial

if TYPE_CHECKING:
    from flarefree.analysis.run import Analysis
    from flarefree.conduct.visibility import Actor
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.readers.assembling import Reading
    from flarefree.readers.expectations import Expectations
    from flarefree.records.study import Study

__all__ = [
    "DECISION_COLUMNS",
    "is_of_study",
    "masked_review",
    "rows_of_record",
    "study_of_record",
    "study_of_rows",
]

_KINDS = frozenset(
    {how.kind for how in DATASETS}
    | {"subject", "consent", "vital_status", "withdrawal", "screen_failure", "dose"}
)
_NOT_FOR_DETECTION = frozenset({"AE", "EX", "MH", "SV"})
"""The committee judges no adverse event; visits and doses are dated in what else is read."""
DECISION_COLUMNS = ("subject", "endpoint", "reader", "is_confirmed", "event_date", "decided_date", "comment")
"""Of the file of decisions, which has our names: CDISC has no such dataset."""


def study_of_record(
    subjects: Iterable[str] | None = None,
    *,
    decisions: pl.DataFrame | None = None,
    is_for_detection: bool = False,
) -> Study:
    """The study as it stands, without arms.

    Parameters
    ----------
    subjects : iterable of str, optional
        Only these; all if not given.
    decisions : DataFrame, optional
        The committee's, as `conduct.adjudication.decisions_frame` makes them.
    is_for_detection : bool
        Only what an adjudicated end point may rest on, and without findings: the detector runs at each new
        value, and somebody waits.

    Returns
    -------
    Study
        Its sources are kinds of things of the record, its row numbers the log's entries.
    """
    rows = rows_of_record(subjects)
    if is_for_detection:
        rows = tuple(one for one in rows if one.domain not in _NOT_FOR_DETECTION)
    protocol = running_trial().protocol
    return study_of_rows(rows, protocol, decisions=decisions, is_checked=not is_for_detection)


def rows_of_record(subjects: Iterable[str] | None = None) -> tuple[Rows, ...]:
    """Rows of SDTM of all subjects, or of some."""
    items = read_things() if subjects is None else _items_of(tuple(subjects))
    zones = {site: str(zone or "UTC") for site, zone in facts_of("site", "zone").items()}
    known = (item for item in items if is_of_study(item))
    countries = {site: str(told) for site, told in facts_of("site", "country").items() if told}
    return rows_of(known, running_trial().protocol.spec, zones, countries)


def is_of_study(item: Item) -> bool:
    """Whether a thing is of those that rows are made of."""
    return item.kind in _KINDS


def _items_of(subjects: Sequence[str]) -> Iterator[Item]:
    for subject in subjects:
        yield from read_things(subject=subject)


def study_of_rows(
    rows: Iterable[Rows],
    protocol: LoadedProtocol,
    *,
    decisions: pl.DataFrame | None = None,
    is_checked: bool = True,
) -> Study:
    """A study of rows of SDTM, as the readers read it."""
    from flarefree.readers.assembling import assemble

    expected = _expectations(protocol.digest)
    readings = [_reading(one) for one in rows]
    if decisions is not None and decisions.height:
        readings.append(_decisions(decisions))
    name = protocol.spec.name
    reference = _reference(protocol)
    return assemble(readings, expected, name=name, protocol=reference, is_checked=is_checked)


@lru_cache(maxsize=4)
def _expectations(digest: str) -> Expectations:
    """Of the protocol in force, laid out once."""
    from flarefree.readers.expectations import Expectations

    return Expectations.of(running_trial().protocol_of(digest).spec)


def _reference(protocol: LoadedProtocol) -> str:
    from flarefree.protocol.loading import builtin_protocols

    return protocol.spec.name if protocol.spec.name in builtin_protocols() else protocol.path


def frame_of(rows: Sequence[Row]) -> pl.DataFrame:
    """Rows as a frame of text, as a delimited file is read."""
    names = list(rows[0]) if rows else []
    return pl.DataFrame({n: [row[n] for row in rows] for n in names}, schema=dict.fromkeys(names, pl.String))


def _reading(rows: Rows) -> Reading:
    from flarefree.readers.assembling import Reading
    from flarefree.readers.raw import RawTable
    from flarefree.readers.recognizing import recognize

    frame = frame_of(rows.rows) if rows.rows else pl.DataFrame(schema={"USUBJID": pl.String})
    source = Source(f"record/{rows.kind}", "record", frame.height, "")
    raw = RawTable(rows.domain, frame, {}, source, rows=pl.Series("row", rows.entries, dtype=pl.UInt32))
    return Reading(raw, recognize(raw))


def _decisions(decisions: pl.DataFrame) -> Reading:
    from flarefree.readers.assembling import Reading
    from flarefree.readers.maps import ColumnMap
    from flarefree.readers.raw import RawTable
    from flarefree.readers.recognizing import Recognized

    frame = written_decisions(decisions)
    raw = RawTable("decisions", frame, {}, Source("record/decision", "memory", frame.height, ""))
    how = ColumnMap("decisions", {name: (name,) for name in DECISION_COLUMNS})
    return Reading(raw, Recognized(how))


def written_decisions(decisions: pl.DataFrame) -> pl.DataFrame:
    """Decisions as text, as the exported file has them."""
    yes_no = pl.when("is_confirmed").then(pl.lit("Y")).when(~pl.col("is_confirmed")).then(pl.lit("N"))
    columns = [
        yes_no.alias(name) if name == "is_confirmed" else pl.col(name).cast(pl.String)
        for name in DECISION_COLUMNS
    ]
    return decisions.select(columns)


# Blinded data review ------------------------------------------------------------------------------


def masked_review(actor: Actor) -> Analysis:
    """Run the whole analysis on the record with all patients in one column.

    Raises
    ------
    ConductError
        The asker may not see masked reports.
    """
    from flarefree.analysis.run import analyze
    from flarefree.conduct.visibility import require_allowed
    from flarefree.web.committee_store import decisions_of_record

    trial = running_trial()
    require_allowed(trial.matrix, actor, "see", "reports.masked", trial.phase)
    study = study_of_record(decisions=decisions_of_record())
    return analyze(study, protocol=trial.protocol, masked=True)
