"""The words of the endpoint language: what is reserved, what functions take, what records hold."""

from __future__ import annotations

from flarefree.protocol.language.nodes import RecordTable, ReferenceKind

__all__ = [
    "FACTS",
    "FUNCTIONS",
    "KEYWORDS",
    "RECORD_FIELDS",
    "REFERENCES",
    "RESERVED",
    "TABLES",
]

# fmt: off
KEYWORDS = frozenset({
    "after", "and", "any", "before", "contains", "day", "during", "else", "far", "for", "from", "if", "in",
    "is", "known", "not", "of", "or", "so", "starts", "to", "where", "with", "within",
})
# fmt: on

REFERENCES = {kind.value: kind for kind in ReferenceKind}
"""References to another value of a measure, by the word that asks for each."""

FUNCTIONS = (
    *REFERENCES,
    "assessed",
    "attended",
    "confirmed",
    "count",
    "days_since",
    "previously",
    "sustained",
    "was",
)

FACTS = frozenset({"assessed", "attended", "completed", "dosed", "randomized"})
"""Facts about a patient as a whole, for populations."""

TABLES = {table.value: table for table in RecordTable}

RESERVED = KEYWORDS | set(FUNCTIONS) | FACTS | (set(TABLES) - {RecordTable.DEATH.value})
"""Names that no measure, covariate or endpoint may have.

`death` may name an endpoint, but only one that says just that (`death: {when: death}`).
"""

_DATES = {"start_day": "days", "end_day": "days", "duration": "days"}

RECORD_FIELDS: dict[RecordTable, dict[str, str]] = {
    RecordTable.ADVERSE_EVENT: {
        "term": "text",
        "verbatim": "text",
        "body_system": "text",
        "severity": "text",
        "serious": "yes_no",
        "relation": "text",
        "action": "text",
        "outcome": "text",
        "caused_withdrawal": "yes_no",
        "emergent": "yes_no",
        **_DATES,
    },
    RecordTable.MEDICATION: {
        "drug": "text",
        "drug_class": "text",
        "indication": "text",
        "dose": "number",
        "unit": "text",
        "route": "text",
        **_DATES,
    },
    RecordTable.PROCEDURE: {"name": "text", "category": "text", "indication": "text", **_DATES},
    RecordTable.CLINICAL_EVENT: {"name": "text", "category": "text", **_DATES},
    RecordTable.DISPOSITION: {
        "category": "text",
        "status": "text",
        "reason": "text",
        "epoch": "text",
        "visit": "text",
        "visit_number": "number",
        "day": "days",
    },
    RecordTable.MEDICAL_HISTORY: {"term": "text", "category": "text", "body_system": "text", "day": "days"},
    RecordTable.DEATH: {},
}
"""Fields that a record of each table may be tested on: text, yes or no, a number, or days.

They are the columns of `flarefree.records.tables` without `is_`, and two that are computed:
`emergent` and `duration`.  `tests/unit/test_language_words.py` holds the two lists together.
"""
