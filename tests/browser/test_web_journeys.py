"""People doing their work in a real browser: from a patient's number to a decided case and a broken code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from web_browsing import Desk, Trial

pytestmark = pytest.mark.browser


def said(page: Page) -> str:
    """What the page says of the last request."""
    return page.locator("#told").inner_text()


def fill_visit(page: Page, **values: str) -> None:
    for measure, value in values.items():
        page.locator(f'[name="v.{measure}"]').fill(value)


def value_link(page: Page, measure: str, value: str) -> Locator:
    """A value in the table of all values: it leads to its history and its correction."""
    return page.get_by_role("row", name=measure).get_by_role("link", name=value, exact=True)


def save(page: Page, name: str) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()


def test_a_patient_is_enrolled_and_randomized(desk: Desk, trial: Trial):
    """Screened, consent, values, rules, read-back, code: each step by whom it belongs to."""
    nurse = desk.sit("nora")
    nurse.goto("/")
    nurse.get_by_role("link", name="Screen a patient").click()
    nurse.get_by_label("Female").check()
    nurse.get_by_label("Year of birth").fill("1990")
    nurse.locator("main").get_by_label("Age").fill("36")
    nurse.get_by_label("Race").select_option("White")
    nurse.get_by_label("Induction therapy").select_option("Mycophenolate mofetil")
    nurse.get_by_label("Renal-biopsy active class").select_option("V only")
    save(nurse, "Give a number")
    number = nurse.locator("h1").inner_text().removeprefix("Subject ")
    assert re.fullmatch(r"017-\d{3}", number)
    nurse.get_by_role("link", name="Record consent").click()
    save(nurse, "Save")
    nurse.get_by_role("link", name="Enter Month 0").click()
    fill_visit(nurse, creatinine="0.8", upcr="0.6", proteinuria="0.5")
    save(nurse, "Save the visit")
    assert "The visit is saved." in said(nurse)
    nurse.goto(f"/subjects/{number}/randomize/")
    assert nurse.locator("h1").inner_text() == "There is nothing here for you"

    doctor = desk.sit("ines")
    doctor.goto(f"/subjects/{number}/eligibility/")
    assert "unknown" in doctor.locator("main").inner_text()
    doctor.get_by_label("Yes, this is so").check()
    save(doctor, "Evaluate and record")
    doctor.get_by_role("link", name="Go to randomization").click()
    read_back = doctor.locator("dl.panel").inner_text()
    assert number in read_back and "White" in read_back and "V only" in read_back
    save(doctor, "Yes, randomize")
    code = doctor.locator(".kit").inner_text().replace(" ", "")
    assert re.fullmatch(r"\d{8}", code)
    doctor.goto(f"/subjects/{number}/randomize/")
    assert "was randomized" in doctor.locator("main").inner_text()
    assert doctor.get_by_role("button", name="Yes, randomize").count() == 0

    pharmacist = desk.sit("phil")
    pharmacist.goto(f"/subjects/{number}/dose/hand-out/")
    pharmacist.get_by_label("Code on the box").fill("00000000")
    save(pharmacist, "Hand it out")
    assert "this kit is not this patient's" in pharmacist.locator(".summary").inner_text().lower()
    pharmacist.get_by_label("Code on the box").fill(code)
    save(pharmacist, "Hand it out")
    assert "handed out" in said(pharmacist)


def test_a_form_sent_twice_is_one_request(desk: Desk, trial: Trial):
    """A double click, or a page sent again: one number is given, and the second answer is the first."""
    nurse = desk.sit("nora")
    nurse.goto("/screen/")
    token = nurse.locator('main [name="csrfmiddlewaretoken"]').input_value()
    request_id = nurse.locator('[name="request_id"]').input_value()
    form = {"csrfmiddlewaretoken": token, "request_id": request_id, "site": "017"}
    first, second = (nurse.request.post("/screen/", form=form, max_redirects=0) for _ in range(2))
    assert first.status == second.status == 302
    assert first.headers["location"] == second.headers["location"]


def test_an_odd_creatinine_is_asked_about_and_saved_as_written(desk: Desk, trial: Trial):
    """Ten times the last value: asked first; saved on insistence; then a question stands until answered."""
    nurse, subject = desk.sit("nora"), trial.patients["quiet"]
    nurse.goto(f"/subjects/{subject}/visits/month-6/")
    fill_visit(nurse, creatinine="9.4", upcr="0.5", proteinuria="0.5")
    nurse.get_by_label("Remarks").focus()
    hint = nurse.locator("[id='in-v.creatinine-said']")
    hint.get_by_text("the last value").wait_for()  # while typing, by htmx
    save(nurse, "Save the visit")
    notice = nurse.locator(".notice.warn")
    assert "Nothing is saved yet" in notice.inner_text() and "Serum creatinine 9.4" in notice.inner_text()
    assert notice.evaluate("e => e === document.activeElement")
    save(nurse, "Save as written")
    assert "1 question" in said(nurse)
    queries = nurse.locator("#queries + .scroll")
    assert "Serum creatinine 9.4" in queries.inner_text()
    queries.get_by_role("link", name="Answer").click()
    nurse.get_by_label("Your answer").fill("Slip of the decimal point; corrected.")
    save(nurse, "Answer")
    assert "answered" in said(nurse)
    nurse.goto(f"/subjects/{subject}/")
    value_link(nurse, "Serum creatinine", "9.4").click()
    nurse.get_by_label("Serum creatinine").fill("0.94")
    save(nurse, "Replace it")
    assert "Enter: Why" in nurse.locator(".summary").inner_text()
    nurse.get_by_label("Why").fill("slip of the decimal point")
    save(nurse, "Replace it")
    value_link(nurse, "Serum creatinine", "0.94").click()
    stood = nurse.locator("ol.course").inner_text()
    assert "9.4" in stood and "0.94" in stood and "nora" in stood


def test_what_cannot_be_is_refused_at_its_field(desk: Desk, trial: Trial):
    nurse, subject = desk.sit("nora"), trial.patients["quiet"]
    nurse.goto(f"/subjects/{subject}/visits/month-3/")
    fill_visit(nurse, creatinine="lots")
    save(nurse, "Save the visit")
    summary = nurse.locator(".summary")
    assert "no number" in summary.inner_text() and "Nothing was saved" in summary.inner_text()
    assert summary.evaluate("e => e === document.activeElement")
    assert nurse.locator("[id='in-v.creatinine']").input_value() == "lots"
    assert nurse.locator("[id='in-v.creatinine']").get_attribute("aria-invalid") == "true"


def case_with(page: Page, value: str) -> str:
    """The case whose dossier has a value; beside it lie controls, which look the same."""
    page.goto("/board/")
    numbers = [text.removeprefix("Case ") for text in page.locator("tbody th").all_inner_texts()]
    for number in numbers:
        page.goto(f"/board/{number}/")
        if value in page.locator("main").inner_text():
            return number
    raise AssertionError(f"no dossier of {numbers} has {value}")


def test_a_flare_reaches_the_committee_members_differ_and_the_chair_decides(desk: Desk, trial: Trial):
    nurse, subject = desk.sit("nora"), trial.patients["flaring"]
    nurse.goto(f"/subjects/{subject}/visits/month-6/")
    fill_visit(nurse, creatinine="1.3", upcr="3.1", proteinuria="3.4")
    save(nurse, "Save")
    if "Nothing is saved yet" in nurse.locator("main").inner_text():
        save(nurse, "Save as written")

    coordinator = desk.sit("kim")
    coordinator.goto("/board/")
    coordinator.get_by_role("link", name="Release the batch").click()
    save(coordinator, "Release")
    number = case_with(coordinator, "3.4 g/day")
    coordinator.goto(f"/board/{number}/")
    facts = coordinator.locator("dl.facts").first.inner_text()
    readers = [name for name in ("ben", "cleo", "eva") if name in facts]
    assert len(readers) == 2

    for reader, answer in zip(readers, ("Yes: the event happened", "No: it did not"), strict=True):
        page = desk.sit(reader)
        page.goto("/")
        page.get_by_role("link", name=f"Case {number}").click()
        dossier = page.locator("main").inner_text()
        assert "Urinary protein:creatinine ratio ≥ 2 × its baseline" in dossier and "3.1" in dossier
        assert "upcr >= 2 * baseline(upcr)" in (page.locator("main").text_content() or "")
        for hidden in ("Herpes", "zoster", subject, "Mycophenolate", "Tablets", "6193"):
            assert hidden not in dossier  # neither harms nor doses, nor who it is
        page.get_by_label(answer).check()
        page.get_by_label("What your answer rests on").fill("As the rows show.")
        save(page, "Seal the vote")
        assert "sealed" in said(page)
        page.goto(f"/desk/{number}/")
        assert page.get_by_role("button", name="Seal the vote").count() == 0

    chair = desk.sit("ada")
    chair.goto("/")
    chair.get_by_role("link", name=f"Case {number}").click()
    votes = chair.locator("main").inner_text()
    assert "confirmed" in votes and "refuted" in votes
    chair.get_by_label("Yes: the event happened").check()
    present = chair.get_by_label("Who met")
    if present.count():
        present.fill("ada ben cleo eva")
    chair.get_by_label("What your answer rests on").fill("Proteinuria of 3.4 g a day.")
    save(chair, "Record the decision")
    assert "decision is recorded" in said(chair)
    coordinator.goto(f"/board/{number}/")
    assert "decided" in coordinator.locator(".head").inner_text()


def test_a_code_is_broken_by_two_factors_shown_once_and_told_of_without_its_answer(desk: Desk, trial: Trial):
    doctor, subject = desk.sit("ines"), trial.patients["quiet"]
    doctor.goto(f"/subjects/{subject}/")
    doctor.get_by_role("link", name="Break this patient's code").click()
    assert doctor.get_by_label("Subject").input_value() == subject
    doctor.get_by_label("Medical emergency").check()
    doctor.get_by_label("In a sentence").fill("Pancytopenia; the surgeon needs to know.")
    doctor.get_by_label("Your password").fill("not this one at all")
    doctor.get_by_label("Code from your authenticator").fill("000000")
    save(doctor, "Break the code now")
    assert "do not prove that it is you" in doctor.locator(".summary").inner_text()
    assert doctor.get_by_label("Your password").input_value() == ""
    doctor.get_by_label("Your password").fill("a long enough sentence")
    doctor.get_by_label("Code from your authenticator").fill(trial.code("ines"))
    with doctor.expect_response("**/break-a-code/*") as answered:
        doctor.get_by_role("button", name="Break the code now").click()
    doctor.wait_for_load_state()
    assert "no-store" in answered.value.headers["cache-control"]
    answer = doctor.locator(".answer").inner_text()
    assert "ycophenolate" in answer or "zathioprine" in answer
    doctor.get_by_role("link", name="Done").click()
    assert (
        subject in doctor.locator("main").inner_text() and answer not in doctor.locator("main").inner_text()
    )

    sponsor = desk.sit("sam")
    sponsor.goto("/")
    notice = sponsor.locator("main .due").inner_text()
    assert f"Code broken for subject {subject}" in notice and answer.lower() not in notice.lower()
    monitor = desk.sit("max")
    monitor.goto("/code-breaks/")
    monitor.get_by_role("link", name="Assess").click()
    monitor.get_by_label("Impact on blinding").fill("The surgeon knows; assessors do not.")
    save(monitor, "Record it")
    assert "The surgeon knows" in monitor.locator("main").inner_text()


def test_by_keyboard_only_from_log_in_to_a_saved_contact(desk: Desk, trial: Trial):
    """No pointer: skip link, log-in with both factors, menu, form, save."""
    from web_browsing import PASSWORD, apart

    if "nora" not in trial.secrets:
        apart(lambda person: (trial.give_device(person), True)[1], "nora")
    page = desk.sit()
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reach(page, "id_login")
    page.keyboard.type("nora")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    reach(page, "id_code")
    page.keyboard.type(trial.code("nora"))
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator("h1").inner_text() == "Today"
    page.goto(f"/subjects/{trial.patients['quiet']}/contact/")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "reached":
            break
    assert_focus_is_seen(page)
    page.keyboard.press("Space")
    reach_button(page, "Save")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "Saved." in said(page)


def reach(page: Page, element: str) -> None:
    for _ in range(60):
        if page.evaluate("document.activeElement.id") == element:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{element} cannot be reached by keyboard")


def reach_button(page: Page, text: str) -> None:
    for _ in range(60):
        if page.evaluate("document.activeElement.textContent") == text:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{text} cannot be reached by keyboard")


def assert_focus_is_seen(page: Page) -> None:
    told = page.evaluate(
        """(() => {
            const style = getComputedStyle(document.activeElement)
            return [style.outlineStyle, parseFloat(style.outlineWidth)]
        })()"""
    )
    assert told[0] != "none" and told[1] >= 2


def test_on_a_phone_a_nurse_adds_an_adverse_event(desk: Desk, trial: Trial):
    """390 pixels: the menu opens by a tap, nothing is wider than the screen, the act is at hand."""
    page, subject = desk.sit("nora", width=390, height=844), trial.patients["quiet"]
    page.goto("/")
    assert not page.get_by_role("link", name="Queries", exact=True).is_visible()
    page.get_by_text("Menu", exact=True).tap()
    page.get_by_role("link", name="Subjects", exact=True).tap()
    page.get_by_role("link", name=subject).tap()
    page.get_by_role("link", name="Add an adverse event").tap()
    button = page.get_by_role("button", name="Save")
    assert button.bounding_box()["y"] + button.bounding_box()["height"] <= 844  # type: ignore[index]
    page.get_by_label("What happened").fill("Vomiting")
    page.get_by_label("Began").fill("2026-06")
    page.get_by_label("Mild").check()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    with page.expect_navigation():
        button.tap()
    assert "Saved." in said(page) and "Vomiting" in page.locator("main").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_without_scripts_everything_is_still_done(desk: Desk, browser, trial: Trial):
    from web_browsing import apart

    context = browser.new_context(java_script_enabled=False, base_url=trial.url)
    told = {"name": "sessionid", "value": apart(trial.cookie, "nora"), "url": trial.url}
    context.add_cookies([told])
    page = context.new_page()
    page.goto("/subjects/")
    page.get_by_label("Number").fill(trial.patients["quiet"])
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name=trial.patients["quiet"]).click()
    page.get_by_role("link", name="Add a drug").click()
    page.get_by_label("Drug").fill("Paracetamol")
    page.get_by_role("button", name="Save").click()
    assert "Saved." in page.locator("#told").inner_text()
    context.close()
