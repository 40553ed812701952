"""What pages read: lists, one patient's page, dashboards; nobody sees beyond their sites and fields."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from flarefree.errors import ConductError


@pytest.fixture
def clinic(record: None):
    import web_clinic

    web_clinic.open_clinic()
    return web_clinic


AT = datetime(2026, 3, 20, 12, tzinfo=UTC)


def one_patient(clinic) -> str:
    from flarefree.web.commands.events import RecordAdverseEvent
    from flarefree.web.commands.medications import RecordMedication

    subject = clinic.randomized()
    values = (("creatinine", "118", "umol/L"), ("white_blood_cells", "4.2", "10^9/L"))
    clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 1", "2026-02-04", *values), days=31)
    odd = (("creatinine", "1240", "umol/L"),)
    clinic.ask(clinic.NURSE, clinic.visit(subject, "Month 2", "2026-03-07", *odd), days=62)
    drug = RecordMedication(subject=subject, drug="Ramipril", start="2026-02-10")
    clinic.ask(clinic.NURSE, drug, days=62)
    event = RecordAdverseEvent(subject=subject, verbatim="headache", start="2026-02", severity="mild")
    clinic.ask(clinic.NURSE, event, days=62)
    return subject


def test_a_patient_s_page_holds_what_is_needed(clinic):
    from flarefree.web.queries.subjects import subject_page

    subject = one_patient(clinic)
    page = subject_page(clinic.INVESTIGATOR, subject, AT)
    assert (page.status, page.day_one, page.study_day) == ("on_treatment", date(2026, 1, 5), 75)
    visits = {row.name: row for row in page.visits}
    assert [visits[name].status for name in ("Month 0", "Month 1", "Month 2", "Month 3", "Month 6")] == [
        "entered", "entered", "entered", "planned", "planned",
    ]  # fmt: skip
    assert (visits["Month 2"].results, visits["Month 2"].open_queries) == (1, 1)
    assert [one.due.name for one in page.overdue] == ["Telephone 1", "Telephone 2"]
    course = {series.measure: series for series in page.series}
    creatinine = course["creatinine"]
    assert [point.value for point in creatinine.points] == pytest.approx([0.9, 118 / 88.4, 1240 / 88.4])
    assert [point.day for point in creatinine.points] == [1, 31, 62]
    assert creatinine.upper == 1.40 and creatinine.points[-1].is_asked_about
    # 34 years, female, black: 186 x 0.9^-1.154 x 34^-0.203 x 1.212 x 0.742
    expected = 186 * 0.9**-1.154 * 34**-0.203 * 1.212 * 0.742
    assert course["egfr"].points[0].value == pytest.approx(expected)
    assert course["egfr"].is_computed
    said = [entry.words for entry in page.timeline]
    assert "Randomized" in said and "headache" in said and "Ramipril" in said and "Month 2" in said
    assert [entry.date for entry in page.timeline] == sorted((e.date for e in page.timeline), reverse=True)
    assert page.of("drug_flag")[0]["status"] == "open"


def test_who_sees_less_gets_less(clinic):
    """A pharmacist sees drugs and the kit, no values; a sponsor and another site see nobody."""
    from flarefree.conduct.visibility import Actor
    from flarefree.web.queries.subjects import subject_list, subject_page

    subject = one_patient(clinic)
    pharmacist = Actor("paul", "pharmacist", frozenset({"017"}))
    page = subject_page(pharmacist, subject, AT)
    assert page.series == () and page.visits == () and page.of("adverse_event") == ()
    assert [item["drug"] for item in page.of("medication")] == ["Ramipril"]
    for actor in (clinic.ELSEWHERE, clinic.SPONSOR):
        for name in (subject, "017-999"):
            with pytest.raises(ConductError) as error:
                subject_page(actor, name, AT)
            assert str(error.value) == "there is nothing here for you"
        assert subject_list(actor, AT) == ()


def test_the_list_is_found_and_filtered(clinic):
    from flarefree.web.queries.subjects import subject_list

    subject, other = one_patient(clinic), clinic.screened(AT)
    rows = {row.subject: row for row in subject_list(clinic.MONITOR, AT)}
    row = rows[subject]
    assert (row.overdue, row.open_queries, row.open_flags) == (2, 1, 1)
    assert (row.last_visit, row.next_name) == (date(2026, 3, 7), "Telephone 3")
    assert rows[other].status == "screening" and rows[other].day_one is None
    assert [row.subject for row in subject_list(clinic.MONITOR, AT, status="screening")] == [other]
    assert [row.subject for row in subject_list(clinic.MONITOR, AT, search="002")] == [other]


def test_lists_follow_the_record_at_once(clinic):
    from flarefree.web.commands.follow_up import RecordContact
    from flarefree.web.commands.queries_asked import AnswerQuery
    from flarefree.web.queries.dashboards import open_queries
    from flarefree.web.queries.overdue import coming_up, overdue

    subject = one_patient(clinic)
    (query,) = open_queries(clinic.MANAGER, AT)
    assert (query.status, query.days, query.raised_by) == ("open", 12, "system")
    clinic.ask(clinic.NURSE, AnswerQuery(query=query.key, answer="124.0"), AT)
    assert [q.answer for q in open_queries(clinic.MANAGER, AT)] == ["124.0"]
    told = RecordContact(subject=subject, contact="Telephone 1", date="2026-03-20", reached=True)
    assert [one.due.name for one in overdue(clinic.NURSE, AT)] == ["Telephone 1", "Telephone 2"]
    clinic.ask(clinic.NURSE, told, AT)
    assert [one.due.name for one in overdue(clinic.NURSE, AT)] == ["Telephone 2"]
    soon = coming_up(clinic.NURSE, AT, days=20)
    assert [one.due.name for one in soon] == ["Telephone 3", "Month 3"]


def test_completeness_counts_visits_and_results(clinic):
    from flarefree.web.commands.visits import SignVisit
    from flarefree.web.queries.dashboards import completeness, site_dashboard

    subject = one_patient(clinic)
    clinic.ask(clinic.INVESTIGATOR, SignVisit(subject=subject, visit="Month 1"), AT)
    (found,) = completeness(clinic.MANAGER, AT)
    assert (found.site, found.randomized, found.due, found.entered, found.signed) == ("017", 1, 3, 3, 1)
    assert found.measures["creatinine"] == 1.0
    assert found.measures["white_blood_cells"] == pytest.approx(1 / 3)
    later = completeness(clinic.MANAGER, AT + timedelta(days=120))[0]
    assert (later.due, later.overdue, later.share_entered) == (4, 1, 0.75)
    page = site_dashboard(clinic.NURSE, "017", AT)
    assert page.by_status == {"on_treatment": 1} and len(page.queries) == 1
    with pytest.raises(ConductError, match="nothing here"):
        site_dashboard(clinic.NURSE, "018", AT)


def test_recruitment_against_plan_with_a_forecast(clinic):
    from flarefree.web.commands.subjects import FailScreening
    from flarefree.web.queries.dashboards import recruitment

    clinic.randomized()
    failed = clinic.screened()
    clinic.ask(clinic.NURSE, FailScreening(subject=failed, reason="no response"))
    clinic.randomized(clinic.START + timedelta(days=40))
    found = recruitment(clinic.SPONSOR, AT)
    here = {site.site: site for site in found.sites}
    assert (here["017"].planned, here["017"].screened, here["017"].failed, here["017"].randomized) == (
        10,
        3,
        1,
        2,
    )
    assert here["018"].randomized == 0 and found.target == 228
    assert found.by_month == (("2026-01", 1), ("2026-02", 1), ("2026-03", 0))
    assert found.forecast.earliest < found.forecast.median < found.forecast.latest
    with pytest.raises(ConductError, match="nothing here"):
        recruitment(clinic.NURSE, AT)


def test_days_before_the_trial_and_after_a_site_is_closed_tell_nothing_of_its_rate(clinic):
    """Sites joined 30 days before the trial went live; 018 was closed for its second month."""
    from flarefree.web.commands.sites import ChangeSite
    from flarefree.web.queries.dashboards import recruitment

    for is_open, day in ((False, 31), (True, 62)):
        told = ChangeSite(site="018", is_open=is_open, reason="no staff")
        clinic.ask(clinic.ADMINISTRATOR, told, days=day)
    found = {site.site: site for site in recruitment(clinic.SPONSOR, AT).sites}
    assert (AT.date() - clinic.START.date()).days == 74
    assert (found["017"].days_open, found["018"].days_open) == (74, 74 - 31)


def test_a_patient_of_a_month_that_begins_tomorrow_is_in_the_figure():
    from flarefree.web.queries.dashboards import _by_month

    assert _by_month([date(2026, 2, 1)], date(2026, 1, 31)) == (("2026-02", 1),)
    days = [date(2025, 12, 31), date(2026, 2, 1)]
    assert _by_month(days, date(2026, 1, 31)) == (("2025-12", 1), ("2026-01", 0), ("2026-02", 1))


def test_the_forecast_agrees_with_arithmetic():
    """A site known to bring one patient in ten days: 50 more take 500 days, give or take."""
    from flarefree.conduct.recruiting import SiteRecord, forecast_recruitment

    today = date(2026, 1, 1)
    found = forecast_recruitment([SiteRecord("a", 100_000, 1_000_000)], 100_050, today)
    middle = (found.median - today).days
    assert middle == pytest.approx(500, abs=10)
    # The 10th and 90th percentiles of a gamma of shape 50, scale 10: 411.6 and 592.5 (chi-squared tables).
    assert (found.earliest - today).days == pytest.approx(411.6, abs=8)
    assert (found.latest - today).days == pytest.approx(592.5, abs=8)
    assert found.per_month == pytest.approx(3.04375, rel=0.01)
    assert forecast_recruitment([SiteRecord("a", 0, 100)], 10, today) is None
    assert forecast_recruitment([SiteRecord("a", 5, 100, is_open=False)], 10, today) is None
    assert forecast_recruitment([SiteRecord("a", 10, 100)], 10, today).median == today


def test_the_state_is_rebuilt_from_the_log_alone(clinic):
    """A1 over these commands: the log says all, each value with exactly one entry."""
    import json

    from flarefree.conduct.audit.rebuilding import compare_states, rebuild_state
    from flarefree.web.commands.values import CorrectValue
    from flarefree.web.record.models import Latest, LogRow
    from flarefree.web.record.reading import read_things

    subject = one_patient(clinic)
    row = next(item for item in read_things("lab", subject=subject) if item["value"] == "1240")
    clinic.ask(clinic.NURSE, CorrectValue(key=row.key, value="124.0", reason="decimal point"), AT)
    rebuilt = rebuild_state(row.to_entry() for row in LogRow.objects.order_by("number"))
    kept: dict[str, dict[str, object]] = {}
    for latest in Latest.objects.select_related("thing"):
        record = f"{latest.thing.kind}/{latest.thing.key}/{latest.attribute}"
        kept.setdefault(record, {})[latest.field] = json.loads(latest.value)
    assert compare_states(rebuilt, kept) == ()
