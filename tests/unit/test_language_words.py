"""The language's own lists agree with what they are lists of."""

from __future__ import annotations

import re
from importlib import resources

from flarefree.protocol.consistency import STUDY_TABLES
from flarefree.protocol.language.nodes import RecordTable
from flarefree.protocol.language.words import KEYWORDS, RECORD_FIELDS, TABLES
from flarefree.records.tables import TABLES as STUDY

HOME = {
    RecordTable.ADVERSE_EVENT: "adverse_events",
    RecordTable.MEDICATION: "medications",
    RecordTable.PROCEDURE: "procedures",
    RecordTable.CLINICAL_EVENT: "clinical_events",
    RecordTable.DISPOSITION: "dispositions",
    RecordTable.MEDICAL_HISTORY: "medical_history",
}


def test_every_table_has_its_fields() -> None:
    assert set(RECORD_FIELDS) == set(RecordTable)
    assert set(TABLES.values()) == set(RecordTable)


def test_fields_are_columns_of_the_study_or_computed() -> None:
    for table, name in HOME.items():
        columns = {column.removeprefix("is_") for column in STUDY[name]}
        assert set(RECORD_FIELDS[table]) <= columns | {"emergent", "duration"}, name


def test_fields_have_the_type_of_their_columns() -> None:
    for table, name in HOME.items():
        for column, kind in STUDY[name].items():
            said = RECORD_FIELDS[table].get(column.removeprefix("is_"))
            if said is not None:
                assert {"String": "text", "Boolean": "yes_no"}.get(str(kind), "number") in (
                    said,
                    "number" if said == "days" else said,
                ), (name, column)


def test_study_tables_are_those_of_the_records() -> None:
    assert set(STUDY_TABLES) == set(STUDY)


def test_keywords_are_those_of_the_grammar() -> None:
    grammar = resources.files("flarefree.protocol.language").joinpath("grammar.lark").read_text("utf-8")
    rules = "\n".join(line.split("//")[0] for line in grammar.splitlines() if not re.match(r"[A-Z]", line))
    assert set(re.findall(r'"([a-z]+)"', rules)) == KEYWORDS
