"""A handful of odd rows, put into the demo's laboratory data on purpose and listed in its methods page.

They show what findings look like; real studies have such rows, and a demo without any would hide half
of what flarefree does.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from flarefree.protocol.schema import Protocol
from flarefree.simulation.study_files import VirtualRecords

__all__ = ["add_oddities"]


def add_oddities(records: VirtualRecords, protocol: Protocol) -> VirtualRecords:
    """The same records with one value a hundredfold, one unknown unit, and one row written twice."""
    rows = records.measured.with_row_index("place")
    creatinine = rows.filter(
        (pl.col("measure") == "creatinine") & (pl.col("unit") == protocol.measures["creatinine"].unit)
    )
    early = creatinine.filter(pl.col("visit").is_between(5, 7))
    if early.height < 3:
        return records
    hundredfold, unit, twice = (
        early.get_column("place").to_list()[0],
        early.get_column("place").to_list()[1],
        early.row(2, named=True),
    )
    measured = rows.with_columns(
        pl.when(pl.col("place") == hundredfold)
        .then(pl.col("number") * 100)
        .otherwise("number")
        .alias("number"),
        pl.when(pl.col("place") == unit).then(pl.lit("mg/lb")).otherwise("unit").alias("unit"),
    )
    again = measured.filter(pl.col("place") == twice["place"])
    return replace(records, measured=pl.concat([measured, again]).drop("place"))
