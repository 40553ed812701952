"""Visits, contacts, ends of participation, drugs: checks V1 to V4 by their numbers; dates against R."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from flarefree.conduct import schedule
from flarefree.conduct.checks import run_check
from flarefree.conduct.checks import schedule as check
from flarefree.conduct.checks.blinded_trial import alms_spec
from flarefree.conduct.schedule import Happened, SiteZones, add_months, date_of_day, dues_of, overdue_of
from flarefree.conduct.withdrawals import Participation

OWN = {c.number: c for c in check.CHECKS}
REFERENCE = Path(__file__).parents[1] / "reference" / "visit_dates" / "visit_dates.csv"


@pytest.mark.parametrize("number, least", [("V2", 20), ("V3", 28), ("V4", 24)])
def test_V2_V3_V4(number, least):
    result = run_check(OWN[number])
    assert not result.failures, str(result)
    assert len(result.evidence) >= least


def test_V1_dates():
    result = run_check(OWN["V1"])
    assert not result.failures, str(result)


def test_V1_sees_months_of_thirty_days(monkeypatch):
    monkeypatch.setattr(schedule, "add_months", lambda begin, months: begin + timedelta(days=30 * months))
    assert any("monthly" in row.what for row in run_check(OWN["V1"]).failures)


def test_V1_sees_dates_in_utc(monkeypatch):
    monkeypatch.setattr(SiteZones, "date_at", lambda self, instant: instant.date())
    assert any("day 1" in row.what for row in run_check(OWN["V1"]).failures)


def test_V1_sees_a_site_that_never_moves(monkeypatch):
    monkeypatch.setattr(SiteZones, "zone_at", lambda self, instant: schedule._zone(self.first))
    assert any("day 1" in row.what for row in run_check(OWN["V1"]).failures)


def test_V1_thousand_dates_of_r():
    """See tests/reference/visit_dates/visit_dates.R; exact."""
    rows = list(csv.DictReader(REFERENCE.read_text("utf-8").splitlines()))
    assert len(rows) == 1000
    for row in rows:
        instant = datetime.fromisoformat(row["instant"].replace("Z", "+00:00"))
        day_one = SiteZones(row["zone"]).date_at(instant)
        found = (
            day_one,
            date_of_day(day_one, int(row["study_day"])),
            add_months(day_one, int(row["months"])),
        )
        assert [str(one) for one in found] == [row["day_one"], row["date"], row["months_later"]], row


def test_every_visit_and_call_that_took_place_is_overdue_no_more():
    """A patient who was seen late, outside the window, was seen."""
    dues = dues_of(alms_spec(), date(2026, 1, 31), Participation())
    late = date(2030, 1, 1)
    assert len(overdue_of("P", "01", dues, (), late)) == 15 + 36
    assert overdue_of("P", "01", dues, [Happened(due.name, late) for due in dues], late) == ()


def test_a_visit_stands_for_a_call_only_where_the_protocol_says_so():
    spec = alms_spec()
    telephone = spec.schedule.contacts[0]
    visit = Happened("Month 1", date(2026, 3, 2))
    for met, late in ((False, True), (True, False)):
        contact = telephone.model_copy(update={"met_by_visit": met})
        timed = spec.schedule.model_copy(update={"contacts": (contact,)})
        dues = dues_of(spec.model_copy(update={"schedule": timed}), date(2026, 1, 31), Participation())
        names = {o.due.name for o in overdue_of("P", "01", dues, [visit], date(2026, 3, 10))}
        assert ("Telephone 1" in names) is late


def test_an_overdue_row_is_plain_data():
    dues = dues_of(alms_spec(), date(2026, 1, 31), Participation())
    (row,) = [r for r in overdue_of("P", "01", dues, (), date(2026, 3, 8)) if r.due.kind == "contact"]
    assert schedule.to_row(row) == {
        "subject": "P",
        "site": "01",
        "kind": "contact",
        "name": "Telephone 1",
        "due": "2026-02-28",
        "last": "2026-03-07",
        "days_late": 1,
    }


def test_study_days_at_the_site():
    zones = SiteZones("Pacific/Kiritimati")
    instant = datetime(2026, 1, 31, 9, 59, tzinfo=UTC)
    assert schedule.study_day_at(instant, date(2026, 2, 1), zones) == -1
    assert schedule.study_day_at(instant + timedelta(minutes=1), date(2026, 2, 1), zones) == 1
