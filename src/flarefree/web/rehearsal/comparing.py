"""The trial that was conducted beside the same patients written as a study: decision by decision.

Both are read by the same readers and derived by the same sentences; what differs is how the rows got there:
through forms, detector, committee and export, or straight from the simulation.  The rows themselves are
compared first: a lost adverse event shows in no figure where the patient had it twice, a lost visit in none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from flarefree.analysis.run import Analysis
    from flarefree.endpoints.derivation import Derivation

__all__ = ["Compared", "compare_analyses", "compare_derivations", "table_of"]

_SHOWN = 5


@dataclass(frozen=True)
class Compared:
    """One kind of result on both sides.

    Attributes
    ----------
    what : str
    direct, conducted : int
        How many there are.
    equal : int
        How many are on both sides, in every value.
    differences : tuple of str
        The first that are not, in words.
    """

    what: str
    direct: int
    conducted: int
    equal: int
    differences: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether there is something, and nothing differs."""
        return self.direct == self.conducted == self.equal > 0


def compare_derivations(direct: Derivation, conducted: Derivation) -> tuple[Compared, ...]:
    """Rows as they were written, then endpoints per patient: every event, date, state, and the decisions."""
    found = [
        _compared(
            f"rows of {what}", *(_as_written(side.study[table], columns) for side in (direct, conducted))
        )
        for table, (what, columns) in _ROWS.items()
    ]
    for what, columns in _TABLES.items():
        one = _of_interest(getattr(direct, what), columns)
        other = _of_interest(getattr(conducted, what), columns)
        found.append(_compared(_NAMES[what], one, other))
    return (*found, _decisions(direct, conducted))


_TIMES = ("start_text", "end_text")
_ROWS = {
    "subjects": ("patients", ("subject", "site", "country", "sex", "race", "age", "arm", "randomization_date",
                              "first_dose_date", "end_date", "death_date", "induction_drug", "biopsy_class")),
    "observations": ("measurements", ("subject", "measure", "text", "unit", "original_value", "original_unit",
                                      "date_text")),
    "adverse_events": ("adverse events", ("subject", "verbatim", "term", "severity", "is_serious",
                                          "caused_withdrawal", *_TIMES)),
    "medications": ("medications", ("subject", "drug", "indication", "dose", "unit", "route", *_TIMES)),
    "visits": ("visits", ("subject", "visit", "date_text")),
    "dispositions": ("endings", ("subject", "category", "status", "date_text")),
}  # fmt: skip
"""Tables by what they are called, and what both sides know of a row.

Left out is what the record has no place for (history before the trial), what its lists have other words for
(relations, outcomes), and the study drug, which is coded in a blinded record.
"""


def _as_written(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """These columns; of texts, capitals do not count."""
    found = _of_interest(frame, columns)
    return found.with_columns(pl.col(pl.String).str.to_lowercase())


_TABLES = {
    "events": ("subject", "endpoint", "episode", "day", "date", "confirmed_day", "visit", "origin",
               "is_used", "reason"),
    "time_to_event": ("subject", "endpoint", "start_day", "stop_day", "time", "is_event", "component",
                      "censored_by", "origin"),
    "states": ("subject", "endpoint", "day", "visit", "holds"),
    "values": ("subject", "measure", "day", "visit", "value", "unit", "is_baseline", "baseline"),
}  # fmt: skip
_NAMES = {
    "events": "events, with their dates and what became of them",
    "time_to_event": "times to event, with what ended them",
    "states": "states at assessments",
    "values": "values of measures",
}


def _of_interest(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    return frame.select([name for name in columns if name in frame.columns])


def _decisions(direct: Derivation, conducted: Derivation) -> Compared:
    """What committee and investigators said, of each event."""
    columns = ["subject", "endpoint", "reader", "event_date", "is_confirmed"]
    one, other = (side.study["decisions"].select(columns) for side in (direct, conducted))
    return _compared("decisions of committee and investigators", one, other)


def _compared(what: str, one: pl.DataFrame, other: pl.DataFrame) -> Compared:
    left, right = (_counted(frame) for frame in (one, other))
    columns = one.columns
    joined = left.join(right, on=columns, how="inner", nulls_equal=True, suffix="_other")
    equal = int(joined.select(pl.min_horizontal("count", "count_other").sum()).item() or 0)
    lacking = left.join(right, on=columns, how="anti", nulls_equal=True)
    more = right.join(left, on=columns, how="anti", nulls_equal=True)
    told = [f"only direct: {_words(row)}" for row in lacking.head(_SHOWN).iter_rows(named=True)]
    told += [f"only conducted: {_words(row)}" for row in more.head(_SHOWN).iter_rows(named=True)]
    return Compared(what, one.height, other.height, equal, tuple(told))


def _counted(frame: pl.DataFrame) -> pl.DataFrame:
    floats = [name for name, kind in frame.schema.items() if kind.is_float()]
    # Digits that a decimal number does not hold are not compared: 88.4 times 1.2 has them on both sides.
    rounded = frame.with_columns(pl.col(name).round_sig_figs(12) for name in floats)
    return rounded.group_by(rounded.columns, maintain_order=True).len(name="count").sort(rounded.columns)


def _words(row: dict[str, object]) -> str:
    return ", ".join(
        f"{name} {value}" for name, value in row.items() if name != "count" and value is not None
    )


def compare_analyses(direct: Analysis, conducted: Analysis) -> tuple[Compared, ...]:
    """Estimates: those of primary analyses, then of all.

    Analyses of study drug doses are left out: the record of a blinded trial has coded kits, and no drug.
    """
    one, other = direct.tidy(), conducted.tidy()
    analyses = direct.protocol.spec.analyses
    primary = [name for name, told in analyses.items() if told.purpose == "primary"]
    of_doses = [name for name, told in analyses.items() if told.kind == "exposure"]
    of_primary = [frame.filter(pl.col("analysis").is_in(primary)) for frame in (one, other)]
    of_all = [frame.filter(~pl.col("analysis").is_in(of_doses)) for frame in (one, other)]
    return (
        _compared(f"figures of the primary analysis ({', '.join(primary)})", *of_primary),
        _compared("figures of all analyses but of study drug doses", *of_all),
    )


def table_of(rows: Sequence[Compared]) -> str:
    """As it is printed."""
    from flarefree.stats.estimates import text_table

    head = ("", "Direct", "Conducted", "Equal", "")
    body = [
        (
            one.what,
            f"{one.direct:,}",
            f"{one.conducted:,}",
            f"{one.equal:,}",
            "" if one.is_equal else "DIFFER",
        )
        for one in rows
    ]
    lines = list(text_table(head, body))
    for one in rows:
        if not one.is_equal:
            lines += [f"  {one.what}:", *(f"    {line}" for line in one.differences)]
    return "\n".join(lines)
