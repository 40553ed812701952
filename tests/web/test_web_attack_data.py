"""Data that cannot be: before randomization, after consent was withdrawn, a birth in the future."""

from __future__ import annotations

from datetime import date

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")


def test_dates_that_cannot_be_are_refused(record):
    from web_clinic import INVESTIGATOR, NURSE, ask, eligible, open_clinic, randomized, visit

    from flarefree.errors import ConductError
    from flarefree.web.commands.consents import WithdrawConsent
    from flarefree.web.commands.events import RecordBiopsy, RecordProcedure, RecordVerdict
    from flarefree.web.commands.medications import RecordMedication
    from flarefree.web.commands.subjects import SetCharacteristics
    from flarefree.web.commands.values import CorrectValue
    from flarefree.web.record.reading import read_things

    open_clinic()
    subject, gone = randomized(), eligible()
    creatinine = ("creatinine", "1.0", "mg/dL")
    with pytest.raises(ConductError, match="after randomization"):  # a typed year
        ask(NURSE, visit(subject, "Month 2", "2025-03-04", creatinine), days=60)
    for year in ("2199", "2027", "1900"):
        with pytest.raises(ConductError, match="not a year of birth"):
            told = SetCharacteristics(subject=subject, characteristics={"birth_year": year}, reason="typo")
            ask(NURSE, told, days=60)
    ask(NURSE, WithdrawConsent(subject=gone, withdrawn_on="2026-01-20"), days=60)
    later, before = date(2026, 2, 20), date(2026, 1, 10)
    key = next(item.key for item in read_things("lab", subject=gone))
    for command in (
        RecordBiopsy(subject=gone, date=later, findings={"CLASS": "IV"}),
        RecordProcedure(subject=gone, procedure="Dialysis", start=later.isoformat()),
        RecordVerdict(subject=gone, endpoint="suspected_renal_flare", date=later),
        CorrectValue(key=key, value="0.9", date=later, reason="moved"),
        RecordMedication(subject=gone, drug="prednisone", start=later.isoformat()),
    ):
        with pytest.raises(ConductError, match="after consent was withdrawn"):
            ask(INVESTIGATOR, command, days=60)
    kept = ask(INVESTIGATOR, RecordBiopsy(subject=gone, date=before, findings={"CLASS": "IV"}), days=60)
    assert kept.result["biopsy"], "what took place before is kept"


def test_a_vault_without_its_record_begins_no_new_trial(databases, tmp_path):
    from django.db import connections

    from flarefree.errors import ConductError
    from flarefree.web.checks.live_trial import live_trial
    from flarefree.web.starting import _require_record_of_vault

    with live_trial(tmp_path, subjects=1):
        _require_record_of_vault()
        with connections["default"].cursor() as cursor:  # the record is gone: an empty file in its place
            for table in ("record_logrow", "record_value"):
                _drop_triggers(cursor, table)
            for table in ("record_value", "record_latest", "record_thing", "record_logrow"):
                cursor.execute(f"DELETE FROM {table}")
            _drop_triggers(cursor, "record_loghead")
            cursor.execute("DELETE FROM record_loghead")
        with pytest.raises(ConductError, match="whose record is not here"):
            _require_record_of_vault()


def _drop_triggers(cursor, table):
    from django.db import connection

    if connection.vendor == "postgresql":
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return
    cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", [table])
    for (name,) in cursor.fetchall():
        cursor.execute(f'DROP TRIGGER "{name}"')
