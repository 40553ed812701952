"""The page: nothing from outside becomes markup, nothing is loaded, every link leads somewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import polars as pl
import pytest
from reports_sample_content import findings, sample_content

from flarefree.lineage import event_anchor, events_anchor
from flarefree.records.findings import Finding, Severity
from flarefree.reports.building import VIRTUAL_LABEL, build_document
from flarefree.reports.content import ReportContent
from flarefree.reports.figures import Palette
from flarefree.reports.html import render_html
from flarefree.results import AnalysisResult, Cell, Column, Row, Sentence, Table

ATTACK = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}'
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Elements, ids, links and text of a page; checks that elements close in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.said: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in {"dt", "dd", "p", "li", "td", "th", "h2", "h3", "summary", "pre", "strong"}:
            self.said.append(" ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ids(self) -> list[str]:
        return [str(a["id"]) for _, a in self.elements if "id" in a]

    @property
    def text(self) -> str:
        return " ".join("".join(self.said).split())


def render(content: ReportContent) -> str:
    return render_html(build_document(content), Palette.of(content.protocol.spec))


@pytest.fixture(scope="module")
def html() -> str:
    return render(sample_content())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def attacked() -> ReportContent:
    """Hostile text wherever text from outside may stand."""
    content = sample_content()
    row = Row(ATTACK, {"a": Cell("text", {"text": ATTACK}, note=ATTACK, link=ATTACK)})
    table = Table(
        ATTACK,
        ATTACK,
        (Column("a", ATTACK, 3), Column("b", ATTACK, published=True)),
        (row, Row(ATTACK, is_header=True)),
        stub=ATTACK,
        footnotes=(ATTACK,),
    )
    result = AnalysisResult(
        ATTACK,
        ATTACK,
        ATTACK,
        ATTACK,
        ATTACK,
        ATTACK,
        (Sentence(ATTACK, ATTACK),),
        (table,),
        (),
        (ATTACK,),
        (ATTACK,),
        "not_computable",
        ATTACK,
        (ATTACK,),
    )
    return replace(
        content,
        study=ATTACK,
        results=(*content.results, result),
        findings=(Finding(ATTACK, Severity.ERROR, ATTACK, ATTACK, 1, ATTACK, ATTACK, ATTACK, ATTACK),),
        events=content.events.with_columns(
            subject=content.events["subject"] + ATTACK, visit=content.events["visit"] + ATTACK
        ),
        explanations={("017-004" + ATTACK, "proteinuric_flare"): ATTACK, (ATTACK, "death"): ATTACK},
        notes=(ATTACK,),
    )


def test_no_text_from_outside_becomes_markup():
    html = render(attacked())
    page = Page(html)
    assert not page.of("script")
    assert not page.of("img")
    assert "onerror" not in {key for _, attributes in page.elements for key in attributes}
    assert "49" not in re.findall(r"onerror=alert\(2\)&gt;(\d+)", html)
    assert page.text.count("<script>alert(1)</script>") > 20
    assert "<script" not in html


def test_the_page_loads_nothing_and_runs_nothing(html, page):
    assert not page.of("script")
    assert not page.of("link")
    assert not page.of("img")
    assert not re.search(r"url\(|@import|javascript:", html)
    policy = next(m["content"] for m in page.of("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", html)


def test_every_link_within_the_page_leads_somewhere_and_no_id_stands_twice(page):
    assert len(page.ids) == len(set(page.ids))
    inside = [a["href"] for a in page.of("a") if (a.get("href") or "").startswith("#")]
    assert len(inside) > 30
    assert {href[1:] for href in inside} <= set(page.ids)


def test_elements_close_in_the_order_in_which_they_open(page):
    assert page.open == []


def test_a_number_walks_to_its_events_and_from_there_to_its_rows(html):
    listed = events_anchor("proteinuric_flare", "MMF")
    cell = re.search(rf'<a href="#{listed}"[^>]*>.*?</a>', html, re.S)
    assert cell
    assert "3" in re.sub(r"<[^>]+>", "", cell[0])
    event = html[html.index(f'id="{event_anchor("proteinuric_flare", "017-004")}"') :]
    row = event[: event.index("</tr>")]
    assert "lb.csv row 1274 (line 1275): UPCR 137.0 mg/mmol" in row
    assert "274" in row
    assert "confirmed 302" in row
    assert "upcr = 1.170 mg/mg" in event[: event.index("</details>")]


def test_an_event_of_a_composite_leads_to_its_component(html):
    failure = html[html.index(f'id="{event_anchor("treatment_failure", "017-004")}"') :]
    assert f'href="#{event_anchor("proteinuric_flare", "017-004")}"' in failure[: failure.index("</tr>")]


def test_a_list_of_events_leads_back_to_the_tables_that_count_them(html):
    listed = html[html.index(f'<section id="{events_anchor("proteinuric_flare")}"') :]
    head = listed[: listed.index("<table")]
    assert '<a href="#table-treatment_failure">Table 2</a>' in head
    assert "upcr &gt;= 2 * baseline(upcr)" in head
    assert "alms-sample.yaml:62 endpoints.proteinuric_flare.when" in head


def test_candidates_that_were_not_used_say_why(page):
    assert "1 candidate event not used, and why" in page.text
    assert "A later episode" in page.text


def test_a_non_event_that_was_explained_is_shown(page):
    assert "Why not, for 001-001" in page.text
    assert "upcr stayed below 2 * baseline" in page.text


def test_an_analysis_without_result_keeps_its_place_and_says_why(page):
    assert "Not yet computed Shared frailty comes with a later version." in page.text
    assert "Could not be computed The data hold no exposure records." in page.text
    contents = page.text[: page.text.index("Population: Intention to treat")]
    assert "Hazard Ratio with Center as Random Effect not yet computed" in contents


def test_the_protocols_sentences_stand_beside_each_result(page):
    assert page.text.count("The protocol asked") >= 8 + 3
    assert "alms-sample.yaml:40 populations.itt.when" in page.text


def test_virtual_patients_are_labeled_on_screen_in_print_and_in_the_title():
    html = render(sample_content(is_virtual=True))
    assert Page(html).text.count(VIRTUAL_LABEL) >= 2
    assert "@top-center" in html
    assert "<title>" in html
    assert "(virtual patients)</title>" in html
    real = render(sample_content(is_virtual=False))
    assert "irtual patients" not in real.replace(".virtual", "")
    assert "@top-center" not in real


def test_tables_are_tables_for_a_screen_reader(page):
    tables = page.of("table")
    assert len(tables) >= 8
    assert len(page.of("caption")) == len(tables)
    assert {a.get("scope") for a in page.of("th")} == {"col", "row", "rowgroup"}
    for region in (a for _, a in page.elements if a.get("role") == "region"):
        assert region["tabindex"] == "0"
        assert region["aria-label"]


def test_the_page_has_landmarks_a_skip_link_and_a_heading_order(page):
    assert page.of("a")[0]["href"] == "#report"
    assert [len(page.of(tag)) for tag in ("main", "nav", "header", "h1")] == [1, 1, 1, 1]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_findings_are_grouped_the_gravest_first_and_the_rest_is_in_the_file(page):
    text = page.text
    assert (
        text.index("Error: unknown-unit (35)")
        < text.index("Warning: duplicate-row (1)")
        < text.index("Note: text")
    )
    assert "The first 20 of 35" in text
    assert f"{len(findings())} in all" in text


def test_choices_and_notes_have_their_places(page):
    choice = "Withdrawal Patients who withdraw are censored on the day of withdrawal."
    assert f"{choice} alms-sample.yaml:140 choices.0" in page.text
    assert "alms-sample.yaml:61 endpoints.proteinuric_flare" in page.text


def test_methods_name_the_analyses_that_used_them(page):
    assert "Cox's model, Efron's ties (Time to Treatment Failure; Subgroups)" in page.text


def test_a_control_character_is_shown_as_what_it_is_not(page):
    assert "头痛 \ufffd" in page.text


def test_a_report_of_nothing_can_be_made():
    bare = ReportContent(protocol=sample_content().protocol, study="empty", results=())
    page = Page(render(bare))
    assert "given in memory" in page.text
    assert "Events and the Rows" not in page.text


def test_every_sentence_stands_once_in_the_appendix_with_the_analyses_that_rest_on_it(html):
    appendix = Page(html[html.index('<section id="sentences"') : html.index('<section id="methods"')]).text
    assert appendix.count("randomized and assessed(upcr)") == 1
    assert "alms-sample.yaml:40 populations.itt.when Participant Flow; Characteristics" in appendix
    assert "and 4 more" in appendix
    lines = [int(n) for n in re.findall(r"alms-sample\.yaml:(\d+)", appendix)]
    assert lines == sorted(lines)


def test_many_rows_behind_an_event_are_folded_but_all_there():
    content = sample_content()
    many = content.events.with_columns(places=pl.lit([f"lb.csv row {n}" for n in range(30)]))
    html = render(replace(content, events=many))
    row = html[html.index(f'id="{event_anchor("proteinuric_flare", "017-004")}"') :]
    row = row[: row.index("</tr>")]
    assert "and 26 more rows" in row
    assert "lb.csv row 29" in row
