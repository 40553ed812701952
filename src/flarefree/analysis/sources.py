"""Where records stand, as text: `lb.csv row 1203`, for whole tables at a time."""

from __future__ import annotations

import polars as pl

from flarefree.records.study import Study

__all__ = ["DOMAINS", "domain_of", "lineage_texts", "place_of"]

DOMAINS = {
    "subjects": "DM",
    "observations": "LB",
    "exposures": "EX",
    "adverse_events": "AE",
    "medications": "CM",
    "procedures": "PR",
    "clinical_events": "CE",
    "dispositions": "DS",
    "visits": "SV",
    "medical_history": "MH",
    "decisions": "ADJ",
}
"""The domain of each table, where a record does not say its own."""


def place_of(study: Study) -> pl.Expr:
    """`lb.csv row 1203` from the columns `source` and `row`."""
    paths = {i: source.path for i, source in enumerate(study.sources)}
    path = pl.col("source").cast(pl.Int64).replace_strict(paths, default="", return_dtype=pl.String)
    return pl.when(pl.col("row").is_not_null()).then(
        pl.format("{} row {}", path, pl.col("row").cast(pl.String).fill_null(""))
    )


def domain_of(study: Study, table: str) -> pl.Series:
    """The domain of every record of a table."""
    frame = study[table]
    usual = DOMAINS.get(table, table.upper()[:8])
    if "domain" in frame.columns:
        return frame.get_column("domain").fill_null(usual)
    return pl.Series("domain", [usual] * frame.height, dtype=pl.String)


def lineage_texts(study: Study, rows: pl.DataFrame) -> pl.DataFrame:
    """The places of lists of rows: `rows` has `key` and `rows` (structs of table and index).

    Returns
    -------
    DataFrame
        key, text (places joined by `; `), domain and sequence of the first row.
    """
    exploded = (
        rows.select("key", "rows")
        .explode("rows")
        .filter(pl.col("rows").is_not_null())
        .unnest("rows")
        .with_columns(order=pl.int_range(pl.len()))
    )
    parts = [_placed(study, table, exploded.filter(pl.col("table") == table)) for table in _tables(exploded)]
    if not parts:
        return pl.DataFrame(
            schema={"key": pl.UInt32, "text": pl.String, "domain": pl.String, "sequence": pl.Int32}
        )
    return (
        pl.concat(parts)
        .sort("order")
        .group_by("key", maintain_order=True)
        .agg(pl.col("text").str.join("; "), pl.col("domain").first(), pl.col("sequence").first())
    )


def _tables(exploded: pl.DataFrame) -> list[str]:
    return exploded.get_column("table").drop_nulls().unique(maintain_order=True).to_list()


def _placed(study: Study, table: str, wanted: pl.DataFrame) -> pl.DataFrame:
    frame = study[table].with_row_index("index")
    sequence = pl.col("sequence") if "sequence" in frame.columns else pl.lit(None)
    places = frame.select(
        "index",
        text=place_of(study),
        domain=domain_of(study, table),
        sequence=sequence.cast(pl.Int32),
    )
    return wanted.join(places, on="index", how="left").select(
        "key", "order", pl.col("text").fill_null(f"{table} row not found"), "domain", "sequence"
    )
