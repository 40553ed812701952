"""The characteristics of patients that a protocol names, from wherever the data hold them.

Looked for, in this order: columns of a plain subjects' table (under the covariate's own name where its
map gives it), DM, SUPPDM, SC, ADSL.  A category becomes the level that its text means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from flarefree.readers.expectations import Expectations, fold, folded, texts
from flarefree.readers.raw import RawTable
from flarefree.readers.shaping import as_text
from flarefree.readers.values import are_possible, read_numbers
from flarefree.records.findings import Collector, Finding, Severity
from flarefree.records.tables import SUBJECTS

if TYPE_CHECKING:
    from flarefree.protocol.schema import Covariate

__all__ = ["Provider", "covariate_names", "with_covariates"]


@dataclass(frozen=True, slots=True)
class Provider:
    """A file that may hold covariates.

    Attributes
    ----------
    raw : RawTable
    source : int
    subject : str
        Its column of subjects.
    name, value : str
        Where a row holds one covariate by name (SUPPDM's QNAM and QVAL): its columns; else empty.
    """

    raw: RawTable
    source: int
    subject: str
    name: str = ""
    value: str = ""

    def column(self, wanted: str) -> pl.DataFrame | None:
        """`subject`, `found` (text or as the file has it), `source`, `row`; None if it is not here."""
        frame = self.raw.frame
        if not self.name:
            theirs = self.raw.column(wanted)
            if theirs is None:
                return None
            rows = self._rows(frame[theirs])
        else:
            here = folded(self.name) == fold(wanted)
            rows = self._rows(frame[self.value]).filter(frame.select(here.fill_null(False)).to_series())
            if rows.is_empty():
                return None
        return rows.unique("subject", keep="last", maintain_order=True)

    def _rows(self, found: pl.Series) -> pl.DataFrame:
        subject = as_text(self.raw.frame[self.subject]).str.strip_chars()
        row = self.raw.row_numbers().cast(pl.UInt32)
        return pl.select(subject=subject, found=found, source=pl.lit(self.source, pl.UInt16), row=row)


def covariate_names(expected: Expectations) -> tuple[str, ...]:
    """The covariates that are read from files, not derived."""
    covariates = expected.protocol.covariates if expected.protocol else {}
    return tuple(name for name, spec in covariates.items() if not (spec.from_measure or spec.of or spec.when))


def with_covariates(
    subjects: pl.DataFrame, providers: Sequence[Provider], expected: Expectations, findings: Collector
) -> pl.DataFrame:
    """The subjects' table with one column more for each covariate that is read from files.

    Parameters
    ----------
    subjects : DataFrame
        The subjects' table.
    providers : sequence of Provider
        Files to look in, the most trusted first.
    expected : Expectations
        With the protocol's covariates.
    findings : Collector
        Takes covariates without a column, texts without a level, numbers that are none.
    """
    if expected.protocol is None:
        return subjects
    missing: list[str] = []
    for name in covariate_names(expected):
        spec = expected.protocol.covariates[name]
        found = next(_candidates(subjects, providers, name, spec), None)
        if found is None:
            if not spec.default:  # deriving says that the default is taken
                missing.append(spec.column or name)
            kind = pl.Float64 if spec.type == "number" else pl.String
            subjects = subjects.with_columns(pl.lit(None, kind).alias(name))
            continue
        values = _read(found, spec, name, findings)
        joined = subjects.select("subject").join(values, on="subject", how="left", maintain_order="left")
        subjects = subjects.with_columns(joined["value"].alias(name))
    if missing:
        message = "no file holds these covariates of the protocol"
        columns = "a column " if len(missing) == 1 else "columns "
        findings.add(
            Finding(
                "missing-covariate",
                Severity.WARNING,
                message,
                expected=columns + ", ".join(missing),
            )
        )
    return _with_strata(subjects, providers, expected, findings)


def _with_strata(
    subjects: pl.DataFrame, providers: Sequence[Provider], expected: Expectations, findings: Collector
) -> pl.DataFrame:
    """Strata as they were used and as they were corrected, where the data tell them apart."""
    protocol = expected.protocol
    assert protocol is not None  # asked before
    for factor in protocol.randomization.strata if protocol.randomization is not None else ():
        spec = protocol.covariates[factor]
        for name in (f"stratum.{factor}", f"stratum_actual.{factor}"):
            found = next((rows for one in providers if (rows := one.column(name)) is not None), None)
            if found is not None:
                # A stratum is a level even where the covariate behind it is a number.
                values = _read(found, spec.model_copy(update={"type": "category"}), name, findings)
                joined = subjects.select("subject").join(
                    values, on="subject", how="left", maintain_order="left"
                )
                subjects = subjects.with_columns(joined["value"].alias(name))
    return subjects


def _candidates(
    subjects: pl.DataFrame, providers: Sequence[Provider], name: str, spec: Covariate
) -> Iterator[pl.DataFrame]:
    wanted = spec.column or name
    if wanted in SUBJECTS and subjects[wanted].null_count() < subjects.height:
        yield subjects.select("subject", "source", "row", found=wanted)
    for provider in providers:
        rows = provider.column(wanted)
        if rows is not None:
            yield rows


def _read(rows: pl.DataFrame, spec: Covariate, name: str, findings: Collector) -> pl.DataFrame:
    if spec.type == "number":
        return _numbers(rows, name, findings)
    text = as_text(rows["found"]).str.strip_chars().replace("", None)
    if not spec.levels:
        return rows.select("subject").with_columns(text.alias("value"))
    meanings = {fold(word): level for level, words in spec.levels.items() for word in (level, *words)}
    value = pl.select(folded(text).replace_strict(meanings, default=None, return_dtype=pl.String)).to_series()
    odd = rows.with_columns(found=text).filter(text.is_not_null() & value.is_null())
    findings.count_rows(
        odd,
        "unknown-level",
        Severity.WARNING,
        f"{name} has no such level; not used",
        by=("found",),
        column=spec.column or name,
        expected=texts(spec.levels),
    )
    return rows.select("subject").with_columns(value.alias("value"))


def _numbers(rows: pl.DataFrame, name: str, findings: Collector) -> pl.DataFrame:
    found = rows["found"]
    if found.dtype.is_numeric():
        number = found.cast(pl.Float64).fill_nan(None)
        read = number.zip_with(are_possible(number), pl.Series([None], dtype=pl.Float64))
        found = number
    else:
        read = read_numbers(as_text(found))["number"]
    odd = rows.filter(found.is_not_null() & read.is_null())
    findings.list_rows(
        odd,
        "unreadable-number",
        Severity.ERROR,
        f"{name} is no number; not used",
        column=name,
        expected="a number",
    )
    return rows.select("subject").with_columns(read.alias("value"))
