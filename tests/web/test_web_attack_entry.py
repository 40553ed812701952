"""What an attacker, or a slip, would put into the record: hidden letters, formulas, impossible times."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")
sys.path.append(str(Path(__file__).resolve().parents[1] / "browser"))
pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b",
        "Ada\u202eadA",
        "\u2066Ada",
        "a\x85b",
        "=cmd|' /C calc'!A0",
        "@SUM(1)",
        "+cmd|'x'!A0",
        "-HYPERLINK(1)",
    ],
)
def test_hidden_letters_and_formulas_come_in_by_no_command(template, text):
    from pydantic import ValidationError

    from flarefree.web.commands.accounts import OpenAccount
    from flarefree.web.commands.events import RecordBiopsy
    from flarefree.web.commands.visits import RecordVisit, ResultIn

    with pytest.raises(ValidationError):
        OpenAccount(person="ada", full_name=text)
    with pytest.raises(ValidationError):  # within a row of a form, and as the name of a finding
        RecordVisit(
            subject="017-001", visit="Month 0", date=date(2026, 1, 5),
            values=(ResultIn(measure="creatinine", value="1.0", unit=text),),
        )  # fmt: skip
    with pytest.raises(ValidationError):
        RecordBiopsy(subject="017-001", date=date(2026, 1, 5), findings={text: "IV"})


@pytest.mark.parametrize(
    "text", ["Zoë O’Neill-Đặng", "שרה\u200f", "+++", "-", "- 3 kg since May", "<0.1", "a\nb\tc"]
)
def test_what_people_write_comes_in(template, text):
    from flarefree.web.commands.accounts import OpenAccount

    assert OpenAccount(person="ada", full_name=text).full_name == text


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1500-06-01T00:00:00Z"]
)
def test_a_time_beyond_the_calendar_is_refused_in_words(template, time):
    from pydantic import ValidationError

    from flarefree.web.commands.randomizing import EnterEmergencyAllocation

    with pytest.raises(ValidationError, match="no such time"):
        EnterEmergencyAllocation(
            subject="017-001", code="12345678", given_at=time, reason="the network was down"
        )


def test_sites_whose_codes_differ_by_capitals_only_are_one(record):
    from web_clinic import ADMINISTRATOR, ask, open_clinic

    from flarefree.errors import ConductError
    from flarefree.web.commands.sites import AddSite

    open_clinic()
    told = {"title": "Boston", "country": "United States", "zone": "America/New_York"}
    ask(ADMINISTRATOR, AddSite(site="USA01", **told))
    with pytest.raises(ConductError, match="there is a site of this code"):
        ask(ADMINISTRATOR, AddSite(site="usa01", **told))


def test_a_file_cannot_bring_limits_that_are_no_numbers_nor_name_a_study_drug(record):
    from web_clinic import LABORATORY, START, ask, open_clinic, randomized

    from flarefree.web.commands.laboratory import ImportLaboratory
    from flarefree.web.forms.imports import judge_import
    from flarefree.web.record.models import LogRow

    open_clinic()
    subject = randomized()
    head = "SUBJECT,TEST,VALUE,UNIT,DATE,REF_LOW,REF_HIGH\n"
    day = START.date().isoformat()
    for low in ("=cmd()", "NaN", "1e400", "0,5"):
        row = f'{subject},CREAT,0.9,mg/dL,{day},"{low}",1.2\n'
        report = judge_import(head + row, START)
        assert ([f.code for f in report.errors], report.taken) == (["unreadable-limits"], ()), low
    assert judge_import(head + f"{subject},CREAT,0.9,mg/dL,{day},0.5,1.2\n", START).taken
    assert (
        judge_import(head + f"{subject},CREAT,0.9,mg/dL,0001-01-01,,\n", START).errors[0].code
        == "unreadable-date"
    )
    for test in ("Azathioprine metabolites", "6 TGN", "mycophenolate (trough)"):
        report = judge_import(head + f"{subject},{test},0.9,mg/dL,{day},,\n", START)
        assert (len(report.to_vault), report.findings) == (1, ()), test
    row = f"{subject},CREAT,0.9,mg/dL,{day},0.5,1.2\n"
    ask(LABORATORY, ImportLaboratory(file_name="f.csv", text=head + row, only_good_rows=True), days=1)
    assert not LogRow.objects.filter(answer__icontains="azathioprine").exists()


# Pages ---------------------------------------------------------------------------------------------


@pytest.fixture
def browser(record: None):
    """A small trial, and a browser of anybody in it."""
    import web_scene
    from django.test import Client
    from web_browsing import Trial

    from flarefree.web.clock import clock_set_to

    web_scene.make_trial()
    patients = web_scene.make_patients()

    def as_person(person: str) -> Client:
        client = Client()
        client.cookies["sessionid"] = Trial("", {}).cookie(person)
        return client

    with clock_set_to(lambda: web_scene.NOW):
        yield as_person, patients


def test_two_lines_of_a_browser_are_two_lines_of_the_record(browser):
    """A text area's line ends are CR LF; they were refused as characters that cannot be printed."""
    from flarefree.web.record.reading import read_things

    as_person, patients = browser
    subject = patients["ready"]
    told = {
        "verbatim": "Headache", "start": "2025-12", "severity": "mild", "relation": "not assessed",
        "action": "none", "outcome": "unknown", "narrative": "first line\r\nsecond line",
        "request_id": "ae-two-lines",
    }  # fmt: skip
    answer = as_person("ines").post(f"/subjects/{subject}/adverse-event/", told)
    assert answer.status_code == 302, answer.content.decode()[:3000]
    kept = [item for item in read_things("adverse_event", subject=subject) if item["verbatim"] == "Headache"]
    assert [item["narrative"] for item in kept] == ["first line\nsecond line"]


def test_digits_alone_are_no_date_on_a_page(browser):
    """`86400` was read as the second of January 1970."""
    as_person, patients = browser
    told = {"withdrawn_on": "86400", "extent": "", "words": "", "request_id": "withdraw-1"}
    answer = as_person("ines").post(f"/subjects/{patients['ready']}/consent/withdraw/", told)
    assert answer.status_code == 422


@pytest.mark.parametrize("before", ["²", "9" * 30, "9" * 6000, "-1", "x"])
def test_the_log_is_asked_for_from_any_number(browser, before):
    as_person, _ = browser
    assert as_person("rita").get("/log/", {"before": before}).status_code == 200


def test_a_file_that_is_no_protocol_is_refused_on_the_page(browser):
    from flarefree.errors import ProtocolError
    from flarefree.web.commands.trial_protocol import AmendProtocol
    from flarefree.web.pages.forms import AskForm, ask_content, form_of

    class Broken(AmendProtocol):
        def plan(self, asked):
            raise ProtocolError("the file is no protocol", where="text")

    from flarefree.conduct.visibility import Actor

    fixed = {
        name: info.default for name, info in AmendProtocol.model_fields.items() if not info.is_required()
    }
    form = form_of(Broken, fixed=fixed)
    told = {
        "text": "x: [",
        "proposed_from": "2026-02-01T00:00:00Z",
        "reason": "why",
        "summary": "x",
        "changes": "x",
    }
    content = {
        name: told.get(name, "x") for name, info in AmendProtocol.model_fields.items() if info.is_required()
    }
    answer = ask_content(AskForm(Broken, (), fixed, form.request), content, Actor("root", "administrator"))
    assert isinstance(answer, AskForm)
    assert "no protocol" in answer.wrongs[0].text


# Values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["0x1F", "1_0", "1'000", "5 umol/L", "1,5", "1e400", "NaN", "inf", "٣", "١٢", "<", "1 000"]
)
def test_a_number_that_is_none_is_not_read_as_its_first_digits(record, value):
    """`0x1F` mg/dL was kept as 0, `1'000` as 1, and `5 umol/L` as 5 mg/dL."""
    from flarefree.errors import ConductError
    from flarefree.web.forms.checking import check_result
    from flarefree.web.trial import running_trial

    with pytest.raises(ConductError):
        check_result(running_trial().protocol, "creatinine", value, "mg/dL")


@pytest.mark.parametrize(
    ("value", "unit", "number"), [("0.9", "mg/dL", 0.9), ("0.9 mg/dL", "mg/dl", 0.9), ("1e2", "", 100)]
)
def test_a_number_with_its_unit_is_read(record, value, unit, number):
    from flarefree.web.forms.checking import check_result
    from flarefree.web.trial import running_trial

    assert check_result(running_trial().protocol, "creatinine", value, unit).number == pytest.approx(number)


@pytest.mark.parametrize("line", ["x\n", "OBX|\n"])
def test_a_file_of_millions_of_lines_is_refused_before_they_are_read(line):
    import time

    from flarefree.errors import ReadError
    from flarefree.web.forms.laboratory import read_laboratory_file

    head = "MSH|^~\\&\n" if line.startswith("OBX") else "SUBJECT,TEST,VALUE,DATE\n"
    begin = time.process_time()
    with pytest.raises(ReadError, match="too many rows"):
        read_laboratory_file(head + line * (3_900_000 // len(line)))
    assert time.process_time() - begin < 3  # it was nine seconds


def test_an_instruction_for_a_thousand_years_is_not_written(record):
    from web_clinic import INVESTIGATOR, START, ask, open_clinic, randomized

    from flarefree.errors import ConductError
    from flarefree.web.commands.doses import StartDoses

    open_clinic()
    subject = randomized()
    day = START.date()
    for until in (date(9999, 12, 31), date(2025, 12, 31)):
        with pytest.raises(ConductError, match="no instruction covers this"):
            ask(INVESTIGATOR, StartDoses(subject=subject, on=day, until=until, weight_kg="70"))
    assert ask(
        INVESTIGATOR, StartDoses(subject=subject, on=day, until=date(2026, 4, 1), weight_kg="70")
    ).result
