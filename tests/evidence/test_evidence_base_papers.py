"""The base against the papers: the review's tables cell by cell, the trials' own tables row by row."""

from __future__ import annotations

import re

import pytest

from flarefree.evidence import load_evidence
from flarefree.evidence.review_tables import review_table

# Peleg, Bomback, Radhakrishnan, CJASN 2020;15:1066-72, Table 1.
# Trial, design, N, outcome, arms, follow-up, response.
TABLE_1 = {
    "moroni2006": (
        "Moroni et al. 2006 (11)", "RCT", "75", "Kidney flare", "Cyclosporin versus azathioprine", "4 yr",
        "Cyclosporin: 10.6 flares/100 patient yr; azathioprine: 13.4 flares/100 patient yr",
    ),
    "bao2008": (
        "Bao et al. 2008 (18)", "RCT", "40", "Complete remission",
        "Tacrolimus/MMF versus iv cyclophosphamide", "9 mo",
        "Tacrolimus/MMF: 65% complete remission; iv cyclophosphamide: 15% complete remission",
    ),
    "zavada2010": (
        "Zavada et al. 2010 (10)", "RCT", "40", "Complete remission, overall response",
        "Cyclosporin versus cyclophosphamide", "18 mo",
        "Cyclosporin: 37% complete remission, 58% response; "
        "cyclophosphamide: 14% complete remission, 38% response",
    ),
    "yap2012": (
        "Yap et al. 2012 (17)", "RCT", "16", "Complete remission, partial remission, overall remission",
        "Tacrolimus versus MMF", "24 mo", "Tacrolimus: overall 55.6%; MMF: overall 71.4%",
    ),
    "li2012": (
        "Li et al. 2012 (13)", "RCT", "60", "Complete remission, partial remission, overall remission",
        "Tacrolimus versus cyclophosphamide versus MMF", "24 wk",
        "Cyclophosphamide: 60% overall; MMF: 75% overall; tacrolimus: 75% overall",
    ),
    "mok2013": (
        "Mok et al. 2013 (22)", "Observational", "21", "Kidney response", "Tacrolimus/MMF (no control group)",
        "12 mo", "67% kidney response, 33% no response",
    ),
    "liu2015": (
        "Liu et al. 2015 (19)", "RCT", "362", "Complete remission", "Tacrolimus/MMF versus cyclophosphamide",
        "24 wk",
        "Tacrolimus/MMF: 45.9% complete remission, 83.5% overall; "
        "cyclophosphamide: 25.6% complete remission, 63.0% overall",
    ),
    "mok2016": (
        "Mok et al. 2016 (14)", "RCT", "150", "Complete remission at 6 mo",
        "Tacrolimus versus MMF × 6 mo; both azathioprine after",
        "24 wk for induction phase, 5-yr maintenance",
        "MMF: 59% complete remission; tacrolimus: 62% complete remission after induction; "
        "MMF: 38% kidney flare versus tacrolimus: 54% kidney flare during maintenance",
    ),
    "zhang2017": (
        "Zhang et al. 2017 (21)", "RCT", "206", "Kidney relapse rate",
        "Tacrolimus/MMF versus azathioprine (maintenance of Liu et al. 2015 [19])", "18 mo",
        "Tacrolimus/MMF: 5.47% kidney relapse; azathioprine: 7.62% kidney relapse",
    ),
    "rovin2019": (
        "Rovin et al. 2019 (27)", "RCT", "265", "Complete remission",
        "High-dose voclosporin + MMF versus low-dose voclosporin + MMF versus MMF", "48 wk",
        "Low-dose voclosporin: 49.4% complete remission; high-dose voclosporin: 39.8% complete remission; "
        "MMF: 23.9% complete remission",
    ),
}  # fmt: skip

# The same, Table 2: trial, calcineurin inhibitor, adverse events.
TABLE_2 = {
    "moroni2006": (
        "Moroni et al. 2006 (11)", "Cyclosporin",
        "Hypertension (7/36), infection (7/36), arthralgia (14/36), gastrointestinal disorders (11/36)",
    ),
    "bao2008": (
        "Bao et al. 2008 (18)", "Tacrolimus (with MMF)",
        "GI syndrome (2/20), leukopenia (2/20), new HTN (3/20), pneumonia (1/20)",
    ),
    "zavada2010": (
        "Zavada et al. 2010 (10)", "Cyclosporin",
        "Increased BP (10/19), transient increase in serum creatinine (3/19)",
    ),
    "li2012": ("Li et al. 2012 (13)", "Tacrolimus", "Severe infection (2/20), hyperglycemia (5/20)"),
    "yap2012": (
        "Yap et al. 2012 (17)", "Tacrolimus",
        "Infection (4/16), acute tacrolimus nephrotoxicity (2/16), worsening hypertension (1/16), "
        "new DM (1/16)",
    ),
    "mok2013": (
        "Mok et al. 2013 (22)", "Tacrolimus (with MMF)",
        "Infection not requiring hospitalization (12/21), diarrhea (4/21)",
    ),
    "liu2015": (
        "Liu et al. 2015 (19)", "Tacrolimus (with MMF)",
        "Pneumonia (13/181), any infection (91/181), upper respiratory infection (23/181), diarrhea (14/81), "
        "new-onset HTN (10/81), serious AE (13/181), withdrawn because of AE (10/181)",
    ),
    "mok2016": (
        "Mok et al. 2016 (14)", "Tacrolimus",
        "Minor infection (12/74), tremor (15/74), reversible increase in serum creatinine by 30% (10/74)",
    ),
    "zhang2017": ("Zhang et al. 2017 (21)", "Tacrolimus (with MMF)",
    "Infection (12/116), leukopenia (9/116)"),
    "rovin2019": (
        "Rovin et al. 2019 (27)", "Voclosporin (with MMF)",
        "Low-dose VCS: infection (11/89), death (10/89), study discontinuation from AE (16/89), AKI (4/89); "
        "high-dose VCS: infection (12/88), death (2/88), study discontinuation from AE (14/88)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("key", "printed"), [("1", TABLE_1), ("2", TABLE_2)])
def test_the_tables_of_the_review_are_made_again_cell_by_cell(key, printed) -> None:
    made = review_table(load_evidence(), key)
    assert dict(zip(made.studies, made.rows, strict=True)) == printed
    assert list(made.studies) == list(printed), "in the order of the paper"


def test_the_numbers_of_the_tables_come_from_the_base_and_not_from_their_words() -> None:
    """No digit stands in a recipe but reference numbers, times in words and the year of the other trial."""
    for table in load_evidence().content.review_tables.values():
        for row in table.rows:
            for cell in row.cells:
                bare = re.sub(
                    r"\{[^{}]*\}|\(\d\d\)|6 mo|5-yr|/100 patient|et al\. 2015 \[19\]|by 30%", "", cell
                )
                assert not re.search(r"\d", bare), cell


def test_published_pooled_results_stand_as_printed() -> None:
    """Review, Meta-analyses: RR 1.23, 1.59, 1.37; OR 2.69, 1.74, 1.13, 0.64."""
    pooled = load_evidence().pooled()
    shown = pooled.filter(document="peleg2020")["printed"].to_list()
    assert shown == [
        "1.23 (1.07 to 1.41)", "1.59 (1.16 to 2.19)", "1.37 (1.14 to 1.63)",
        "2.69 (1.74 to 4.16)", "1.74 (1.09 to 2.79)", "1.13 (0.35 to 3.69)", "0.64 (0.22 to 1.88)",
    ]  # fmt: skip


# Against the text of the papers ---------------------------------------------------------------------

PAPERS = {
    "dooley2011": "000_9b52e13a71dbffa6.txt",
    "zhang2017": "002_501ea263bff75b10.txt",
    "zhang2017_supplement": "002_501ea263bff75b10.txt",
    "peleg2020": "003_efb01c03fb6dd701.txt",
}


@pytest.fixture(scope="module")
def papers(shared):
    folder = shared / "papers"
    if not folder.is_dir():
        pytest.skip("the papers are not beside this checkout")
    return {key: " ".join((folder / name).read_text("utf-8").split()) for key, name in PAPERS.items()}


def cells_of(study: str, document: str, place: str):
    return [
        reported
        for reported in load_evidence().reported
        if reported.study == study and reported.document == document and reported.place == place
    ]


@pytest.mark.shared
def test_every_row_of_the_supplements_adverse_event_table_is_in_the_paper(papers) -> None:
    rows = cells_of("liu2015_zhang2017", "zhang2017_supplement", "Supplemental Table 5")
    assert len(rows) == 26
    for row in rows:
        one, other = row.cells["MT"], row.cells["IVCY-AZA"]
        line = f"{one.events} {one.percent} {other.events} {other.percent} {row.p}"
        assert line in papers["zhang2017"], (row.outcome, line)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("document", "place", "n"),
    [("zhang2017", "Table 2", 16), ("zhang2017_supplement", "Supplemental Table 1", 13)],
)
def test_every_row_of_the_maintenance_tables_is_in_the_paper(papers, document, place, n) -> None:
    rows = cells_of("zhang2017", document, place)
    assert len(rows) == n
    for row in rows:
        cells = (row.cells["MT"], row.cells["AZA"])
        line = " ".join(f"{'23c' if c.events == 23 else c.events} {c.percent} {c.rate}" for c in cells)
        assert line in papers["zhang2017"], (row.outcome, line)


@pytest.mark.shared
def test_every_row_of_the_alms_adverse_event_table_is_in_the_paper(papers) -> None:
    rows = cells_of("dooley2011", "dooley2011", "Table 2")
    assert len(rows) == 10
    for row in rows:
        cells = (row.cells["MMF"], row.cells["AZA"])
        line = " ".join(f"{c.events}" + ("" if c.percent is None else f" ({c.percent})") for c in cells)
        assert f"{line} {row.p}" in papers["dooley2011"], (row.outcome, line)


@pytest.mark.shared
def test_every_end_point_of_alms_is_in_the_paper(papers) -> None:
    text = papers["dooley2011"]
    for row in cells_of("dooley2011", "dooley2011", "Results, Study end points"):
        for cell in row.cells.values():
            assert f"{cell.percent}%" in text and re.search(rf"\b{cell.events} of {cell.n}\b", text), (
                row.outcome
            )
        for effect in row.effects:
            value, lower, upper = effect.estimate.value, effect.estimate.lower, effect.estimate.upper
            assert f"{value}; 95% CI, {lower} to {upper}; P={effect.p}" in text or str(value) == "0.44"


@pytest.mark.shared
def test_every_baseline_number_of_alms_is_in_table_1(papers) -> None:
    text = papers["dooley2011"].replace(" ", "")
    (baseline,) = [b for b in load_evidence().study("dooley2011").baseline if b.place == "Table 1"]
    assert [len(margins) for margins in baseline.arms.values()] == [27, 27]
    for margins in baseline.arms.values():
        for name, cell in margins.items():
            middle = cell.geometric_mean if cell.geometric_mean is not None else cell.mean
            if middle is not None:
                shown = f"{middle}±{cell.sd}"
            else:
                shown = f"{cell.events}({cell.percent})" if cell.percent is not None else f"²{cell.events}"
            assert shown in text, (name, shown)


@pytest.mark.shared
def test_every_percentage_of_the_review_is_in_its_text(papers) -> None:
    text = papers["peleg2020"]
    checked = 0
    for row in load_evidence().reported:
        if row.document != "peleg2020":
            continue
        for cell in row.cells.values():
            if (
                cell.percent is not None
                and cell.percent == int(cell.percent)
                and "Introduction" not in row.place
            ):
                words = "Fifty-two percent" if cell.percent == 52 else rf"\b{int(cell.percent)}(\.0)?%"
                assert re.search(words, text), (row.study, row.outcome)
            elif cell.percent is not None:
                assert f"{cell.percent}%" in text, (row.study, row.outcome)
            if (
                cell.events is not None
                and cell.how == "given"
                and cell.percent is None
                and row.place == "Table 2"
            ):
                assert f"({cell.events}/{cell.printed_n})" in text, (row.study, row.outcome)
            checked += 1
    assert checked > 60


# The seed that the base began from -------------------------------------------------------------------


def test_the_base_holds_what_the_seed_promised() -> None:
    """18 studies and 23 inconsistencies of the papers, 14 more studies second-hand, 6 meta-analyses."""
    evidence = load_evidence()
    own = {r.study for r in evidence.reported if r.document in PAPERS}
    assert len(evidence.content.studies) == 32
    assert len(own | {"rovin2012"}) == 18, "LUNAR is named in the commentary without numbers"
    of_papers = [
        key
        for key, conflict in evidence.content.conflicts.items()
        if {value.document for value in conflict.values} & {*PAPERS, "fomin2016"}
    ]
    assert len(of_papers) == 25 and {"moroni2006_flares", "rovin2019_dose"} <= set(of_papers)
    assert len(evidence.content.meta_analyses) == 6


def test_every_number_has_a_place_a_status_and_a_confidence() -> None:
    outcomes = load_evidence().outcomes()
    counts = outcomes.filter(outcomes["events"].is_not_null())
    assert set(counts["status"]) == {"given", "derived", "summed"}
    assert outcomes.filter(outcomes["place"] == "").is_empty()
    second_hand = outcomes.filter("second_hand")
    assert set(second_hand["confidence"]) <= {"high", "medium", "low"}
    assert set(outcomes.filter(~outcomes["second_hand"])["confidence"]) == {"own report"}


def test_documents_are_cited_and_not_named_by_file() -> None:
    for key, document in load_evidence().content.documents.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", key) and document.citation
        assert not re.search(r"[0-9a-f]{12}|\.txt|proxy", f"{document.citation} {document.address}")


def test_counts_from_percentages_give_those_percentages_back_or_say_why_not() -> None:
    for row in load_evidence().reported:
        study = load_evidence().study(row.study)
        for arm, cell in row.cells.items():
            n = row.n_of(arm, study)
            if cell.how == "derived" and cell.percent is not None and n:
                digits = -cell.percent.as_tuple().exponent
                fits = abs(100 * cell.events / n - float(cell.percent)) <= 0.5 * 10**-digits + 1e-9
                assert fits or "gives" in cell.note or " is " in cell.note, (row.study, row.outcome, arm)
