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
    ):
        with pytest.raises(ConductError, match="after consent was withdrawn"):
            ask(INVESTIGATOR, command, days=60)
    kept = ask(INVESTIGATOR, RecordBiopsy(subject=gone, date=before, findings={"CLASS": "IV"}), days=60)
    assert kept.result["biopsy"], "what took place before is kept"
