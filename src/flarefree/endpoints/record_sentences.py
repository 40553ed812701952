"""Sentences about records: which adverse events, medications, dispositions ... a `where` means.

A record's field that is not recorded makes its test unknown, and an unknown record is not taken.  Text is
compared without regard to case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from flarefree.endpoints.partial_dates import latest_day, ordinal
from flarefree.errors import ProtocolError
from flarefree.protocol.language.nodes import (
    And,
    FieldTest,
    FieldTestOperator,
    Node,
    Not,
    Or,
    Records,
    RecordTable,
    Text,
)
from flarefree.protocol.schema import AdverseEventRules

if TYPE_CHECKING:
    from flarefree.records.study import Study

__all__ = ["DAY_COLUMN", "TABLE_NAME", "RecordReader"]

TABLE_NAME = {
    RecordTable.ADVERSE_EVENT: "adverse_events",
    RecordTable.MEDICATION: "medications",
    RecordTable.PROCEDURE: "procedures",
    RecordTable.CLINICAL_EVENT: "clinical_events",
    RecordTable.DISPOSITION: "dispositions",
    RecordTable.MEDICAL_HISTORY: "medical_history",
    RecordTable.DEATH: "subjects",
}
"""The study's table behind each kind of record."""

DAY_COLUMN = {
    RecordTable.DISPOSITION: "day",
    RecordTable.MEDICAL_HISTORY: "day",
    RecordTable.DEATH: "death_day",
}
"""Where a record's date is not called `start_day`."""


class RecordReader:
    """Finds a study's records by sentence.

    Parameters
    ----------
    study : Study
    follow_up : DataFrame
        As `derive_follow_up` gives it: first and last doses, last visits, ends of follow-up.
    rules : AdverseEventRules
        What `emergent` means.
    """

    def __init__(self, study: Study, follow_up: pl.DataFrame, rules: AdverseEventRules) -> None:
        self._study = study
        self._rules = rules
        self._bounds = follow_up.select(
            "subject", "first_dose_day", "last_dose_day", "last_visit_day", "follow_up_end_day"
        )
        self._tables: dict[RecordTable, pl.DataFrame] = {}

    def table(self, table: RecordTable) -> pl.DataFrame:
        """A table's records, with `index` (the row of the table), `onset_day` and the computed fields.

        `onset_day` is the day that dates the record: its start, or, for an adverse event whose partial
        start the protocol takes conservatively, the first day on which it would count.
        """
        if table not in self._tables:
            self._tables[table] = self._with_computed(table)
        return self._tables[table]

    def find(self, node: Records) -> pl.DataFrame:
        """Records that a sentence means, in the order of patients' rows: `table(...)` filtered."""
        frame = self.table(node.table)
        return frame if node.where is None else frame.filter(self.test(node.where, frame))

    def select(self, table: RecordTable, where: Node | None) -> pl.DataFrame:
        """As `find`, of a table and what follows its `where`."""
        return self.find(Records(table, where))

    def test(self, node: Node, frame: pl.DataFrame) -> pl.Expr:
        """A record sentence as an expression: true, false, or null where a field is not recorded."""
        match node:
            case And(operands=operands):
                return pl.all_horizontal([self.test(part, frame) for part in operands])
            case Or(operands=operands):
                return pl.any_horizontal([self.test(part, frame) for part in operands])
            case Not(operand=operand):
                return ~self.test(operand, frame)
            case FieldTest():
                return _field_test(node, frame)
        raise ProtocolError("this is no test of a record", found=repr(node))

    def _with_computed(self, table: RecordTable) -> pl.DataFrame:
        frame = self._study[TABLE_NAME[table]].with_row_index("index")
        if table is RecordTable.DEATH:
            frame = frame.filter(pl.col("death_date").is_not_null() | pl.col("death_day").is_not_null())
        frame = frame.with_columns(onset_day=pl.col(DAY_COLUMN.get(table, "start_day")))
        if "end_day" in frame.columns and table not in DAY_COLUMN:
            frame = frame.join(self._bounds, on="subject", how="left", maintain_order="left")
            frame = frame.with_columns(duration=_duration())
            if table is RecordTable.ADVERSE_EVENT:
                frame = _with_emergence(frame, self._rules)
            frame = frame.drop("first_dose_day", "last_dose_day", "last_visit_day", "follow_up_end_day")
        return frame


def _duration() -> pl.Expr:
    """Days, both ends counted; what has not ended lasts to the end of follow-up."""
    end = pl.coalesce("end_day", "follow_up_end_day")
    return ordinal(end) - ordinal(pl.col("start_day")) + 1


def _with_emergence(frame: pl.DataFrame, rules: AdverseEventRules) -> pl.DataFrame:
    """Whether each adverse event is treatment-emergent, and the day that dates it."""
    origin_day = pl.col("first_dose_day") if rules.starts == "first_dose" else pl.lit(1, dtype=pl.Int32)
    origin = ordinal(origin_day)
    earliest = ordinal(pl.col("start_day"))
    latest = latest_day("start_text", "start_date", "start_day")
    until = (
        pl.when(pl.col("is_serious").fill_null(False))
        .then(_until(rules.serious_until, rules.serious_days_after))
        .otherwise(_until(rules.nonserious_until, rules.nonserious_days_after))
    )
    if rules.partial_dates == "conservative":
        # Without any start, the event is taken to start with treatment, unless it had ended by then.
        had_ended = (ordinal(pl.col("end_day")) < origin).fill_null(False)
        has_begun = pl.when(earliest.is_null()).then(~had_ended).otherwise(latest >= origin)
        imputed = pl.when(earliest.is_null() | ((earliest < origin) & (latest >= origin)))
        onset = imputed.then(origin_day).otherwise(pl.col("start_day"))
    else:
        has_begun = earliest >= origin
        onset = pl.col("start_day")
    is_in_time = (pl.max_horizontal(earliest, origin) <= until).fill_null(True) | until.is_null()
    emergent = (has_begun & is_in_time).fill_null(False) & origin.is_not_null()
    return frame.with_columns(emergent=emergent).with_columns(
        onset_day=pl.when(pl.col("emergent")).then(onset).otherwise(pl.col("start_day")).cast(pl.Int32)
    )


def _until(end: str, days_after: int) -> pl.Expr:
    """The last day, as an ordinal, of the emergent period; null for `end`, which is any time."""
    if end == "end":
        return pl.lit(None, dtype=pl.Int32)
    column = {"last_visit": "last_visit_day", "last_dose": "last_dose_day"}[end]
    return ordinal(pl.col(column)) + days_after


def _field_test(node: FieldTest, frame: pl.DataFrame) -> pl.Expr:
    column = node.field if node.field in frame.columns else f"is_{node.field}"
    if column not in frame.columns:
        raise ProtocolError(f"records have no field {node.field}", found=node.field)
    field = pl.col(column)
    if node.operator is FieldTestOperator.IS_TRUE:
        return field
    if any(isinstance(value, Text) for value in node.values):
        return _text_test(node, field.str.strip_chars().str.to_lowercase())
    return _number_test(node.operator, field, float(node.values[0].value))


def _text_test(node: FieldTest, field: pl.Expr) -> pl.Expr:
    texts = [str(value.value).strip().lower() for value in node.values]
    match node.operator:
        case FieldTestOperator.EQ | FieldTestOperator.IN:
            return field.is_in(texts)
        case FieldTestOperator.NE:
            return ~field.is_in(texts)
        case FieldTestOperator.CONTAINS:
            return pl.any_horizontal([field.str.contains(text, literal=True) for text in texts])
        case FieldTestOperator.STARTS_WITH:
            return pl.any_horizontal([field.str.starts_with(text) for text in texts])
    raise ProtocolError(
        "text is not compared like this", found=str(node.operator), expected="=, !=, in, contains"
    )


def _number_test(operator: FieldTestOperator, field: pl.Expr, number: float) -> pl.Expr:
    match operator:
        case FieldTestOperator.EQ:
            return field == number
        case FieldTestOperator.NE:
            return field != number
        case FieldTestOperator.GE:
            return field >= number
        case FieldTestOperator.GT:
            return field > number
        case FieldTestOperator.LE:
            return field <= number
        case FieldTestOperator.LT:
            return field < number
    raise ProtocolError("a number is not tested like this", found=str(operator))
