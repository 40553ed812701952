"""Doses a day, from a dose and how often it is taken."""

from __future__ import annotations

import polars as pl

from flarefree.readers.expectations import folded
from flarefree.records.findings import Collector, Severity

__all__ = ["DOSES_PER_DAY", "with_daily_doses"]

DOSES_PER_DAY = {
    "qd": 1, "q24h": 1, "daily": 1, "once daily": 1, "od": 1, "qam": 1, "qhs": 1, "1 time per day": 1,
    "bid": 2, "bd": 2, "twice daily": 2, "q12h": 2, "2 times per day": 2,
    "tid": 3, "tds": 3, "three times daily": 3, "q8h": 3, "3 times per day": 3,
    "qid": 4, "qds": 4, "four times daily": 4, "q6h": 4, "4 times per day": 4,
    "q4h": 6, "q3h": 8, "q2h": 12,
    "qod": 1 / 2, "every other day": 1 / 2, "q2d": 1 / 2, "q3d": 1 / 3,
    "qw": 1 / 7, "weekly": 1 / 7, "q2w": 1 / 14, "q3w": 1 / 21, "q4w": 1 / 28, "qm": 1 / 30.4375,
    "monthly": 1 / 30.4375,
}  # fmt: skip
"""Doses a day by CDISC's terms for frequency (codelist FREQ), and by what plain tables write."""

_AS_NEEDED = ("once", "prn", "as needed", "unknown", "intermittent", "other")


def with_daily_doses(rows: pl.DataFrame, findings: Collector) -> pl.DataFrame:
    """Add `doses_per_day` and `daily_dose` where they follow from what is there."""
    kinds = {
        "frequency": pl.String,
        "doses_per_day": pl.Float64,
        "dose": pl.Float64,
        "daily_dose": pl.Float64,
    }
    rows = rows.with_columns(
        pl.lit(None, kind).alias(name) for name, kind in kinds.items() if name not in rows.columns
    )
    per_day = {word: float(number) for word, number in DOSES_PER_DAY.items()}
    known = folded("frequency").replace_strict(per_day, default=None, return_dtype=pl.Float64)
    rows = rows.with_columns(doses_per_day=pl.col("doses_per_day").fill_null(known))
    strange = pl.col("frequency").is_not_null() & pl.col("doses_per_day").is_null()
    odd = rows.filter(strange & ~folded("frequency").is_in(_AS_NEEDED))
    findings.count_rows(
        odd.select("source", "row", "subject", found="frequency"),
        "unknown-frequency",
        Severity.WARNING,
        "how often this is a day is not known; no daily dose",
        by=("found",),
        column="frequency",
        expected="QD, BID, TID, Q12H, QW ...",
    )
    return rows.with_columns(
        daily_dose=pl.col("daily_dose").fill_null(pl.col("dose") * pl.col("doses_per_day"))
    )
