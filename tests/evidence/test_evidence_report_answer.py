"""Questions answered: which rows, which numbers, beside which published ones, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import flarefree as ff
from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence.questions import builtin_questions, load_question
from flarefree.evidence.questions.checklist import prisma_items
from flarefree.evidence.questions.gathering import lump_rows
from flarefree.evidence.questions.summaries import absolute_effects, shares_of, split_rows

OWN = """\
question: 1
name: mine
title: A question of mine
ask: Which treatment is followed by fewer flares?
population: everybody
phase: maintenance
reference: AZA
comparators: [AZA]
interventions: [MMF, CsA]
designs: {kinds: [randomized trial], why: only these}
outcomes:
  renal_flare: {role: primary, time: {from: 12 mo, to: 72 mo}}
"""


@pytest.fixture(scope="module")
def maintenance() -> ff.evidence.Answer:
    return ff.evidence.answer("maintenance")


@pytest.fixture(scope="module")
def induction() -> ff.evidence.Answer:
    return ff.evidence.answer("induction")


def own_question(folder: Path, text: str = OWN) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def odds_ratio(a: int, n: int, c: int, m: int) -> tuple[float, float, float]:
    """Woolf's, by the formula of a textbook."""
    estimate = math.log(a * (m - c) / (c * (n - a)))
    error = math.sqrt(1 / a + 1 / (n - a) + 1 / c + 1 / (m - c))
    return tuple(math.exp(estimate + z * 1.959964 * error) for z in (0, -1, 1))  # type: ignore[return-value]


# What takes part --------------------------------------------------------------------------------------


def test_both_questions_come_with_flarefree_and_name_only_what_the_base_has() -> None:
    assert builtin_questions() == ("induction", "maintenance")
    assert load_question("maintenance").place("outcomes.renal_flare").startswith("maintenance.yaml:")


def test_flares_are_those_of_seven_studies_of_maintenance(maintenance) -> None:
    rows = {(row.study, row.treatment): row.number for row in maintenance.primary.gathered.rows}
    assert rows["dooley2011", "MMF"] == "15/116" and rows["dooley2011", "AZA"] == "26/111"
    assert rows["zhang2017", "TAC+MMF"] == "6/116" and rows["zhang2017", "AZA"] == "6/90"
    assert len(maintenance.primary.gathered.studies) == 7


def test_patients_of_one_cohort_never_count_twice(maintenance, induction) -> None:
    for answer in (maintenance, induction):
        for outcome in answer.outcomes.values():
            cohorts = [answer.evidence.cohort[study] for study in {r.study for r in outcome.gathered.rows}]
            assert len(cohorts) == len(set(cohorts)), outcome.outcome
    zhang = next(study for study in maintenance.studies if study.study == "zhang2017")
    assert zhang.same_patients == ("Liu 2015 (multitarget induction)", "Liu 2015 and Zhang 2017, both phases")


def test_what_is_left_out_says_why(induction) -> None:
    told = {(each.study, each.reason) for each in induction.primary.gathered.left_out}
    assert ("yap2012", "24 mo: not within 5 mo to 13 mo") in told
    assert ("nobility2022", "76 wk: not within 5 mo to 13 mo") in told
    complete = {(e.study, e.reason) for e in induction.outcome("complete_remission").gathered.left_out}
    assert ("china2017", "design not stated: not among the designs of the question") in complete


def test_every_row_leads_to_its_line_in_the_base_and_to_its_document(maintenance) -> None:
    lines = {source.name: source.text.splitlines() for source in maintenance.evidence.loaded.sources.values()}
    for row in maintenance.primary.gathered.rows:
        name, _, line = row.base_place.partition(":")
        assert "renal_flare" in " ".join(lines[name][int(line) - 1 : int(line) + 1]), row
        assert row.document in maintenance.evidence.content.documents


# Numbers ----------------------------------------------------------------------------------------------


def test_a_comparison_of_one_study_is_that_studys_odds_ratio(maintenance) -> None:
    number = maintenance.primary.number("pairwise", "CsA", "AZA")
    expected = odds_ratio(7, 36, 8, 33)
    assert (number.estimate, number.conf_low, number.conf_high) == pytest.approx(expected, rel=1e-6)


def test_the_common_effect_of_three_studies_by_hand(maintenance) -> None:
    """MMF against AZA: MAINTAIN, ALMS, China 2022, by inverse variance on a calculator."""
    tables = ((10, 53, 13, 52), (15, 116, 26, 111), (10, 47, 8, 39))
    logs = [math.log(odds_ratio(*table)[0]) for table in tables]
    weights = [1 / (1 / a + 1 / (n - a) + 1 / c + 1 / (m - c)) for a, n, c, m in tables]
    pooled = sum(w * y for w, y in zip(weights, logs)) / sum(weights)
    pair = next(p for p in maintenance.primary.pooled.pairs if (p.treatment, p.against) == ("MMF", "AZA"))
    assert pair.common.estimate == pytest.approx(math.exp(pooled), rel=1e-9)
    assert pair.random.k == 3


def test_an_indirect_estimate_is_the_difference_of_two_direct_ones(maintenance) -> None:
    """Nobody compared LEF with CsA: both were compared with azathioprine only."""
    outcome = maintenance.primary
    lef, csa = (outcome.number("pairwise", name, "AZA") for name in ("LEF", "CsA"))
    number = outcome.number("network", "CsA", "LEF")
    assert number.estimate == pytest.approx(csa.estimate / lef.estimate, rel=1e-9)


def test_absolute_risks_follow_from_the_comparators_arms(maintenance) -> None:
    """80 of 432 with azathioprine flared; the odds of that times 0.754 for cyclosporin."""
    at = absolute_effects(maintenance.primary)["CsA", "AZA"]
    assert (at.base_events, at.base_n) == (80, 432)
    odds = 80 / 352 * odds_ratio(7, 36, 8, 33)[0]
    assert at.risk == pytest.approx(100 * odds / (1 + odds), rel=1e-9)


def test_the_shares_of_the_studies_of_a_number_are_all_of_it(maintenance, induction) -> None:
    for answer in (maintenance, induction):
        for pair, shares in shares_of(answer.network).items():
            assert sum(share for _, share in shares) == pytest.approx(1.0, abs=0.02), pair


def test_direct_and_indirect_evidence_make_the_network_estimate(induction) -> None:
    row = next(r for r in split_rows(induction.primary, induction.network) if r.treatment == "TAC")
    assert row.direct is not None and row.indirect is not None
    both = row.direct_share * math.log(row.direct[0]) + (1 - row.direct_share) * math.log(row.indirect[0])
    assert math.log(row.network[0]) == pytest.approx(both, abs=1e-9)


def test_a_network_in_parts_is_analyzed_part_by_part_and_says_so(induction) -> None:
    outcome = induction.outcome("complete_remission")
    first, second = outcome.pooled.networks
    assert first.reference == "IV CYC" and set(second.treatments) == {"ABA+IV CYC low", "IV CYC low"}
    assert second.reference == "IV CYC low"
    assert any("not connected" in note and "2 parts" in note for note in outcome.pooled.notes)


def test_an_outcome_that_nobody_had_is_a_note_and_no_number(maintenance) -> None:
    death = maintenance.outcome("death")
    assert death.number("pairwise", "TAC+MMF", "AZA") is None
    assert any("TAC+MMF against AZA is not pooled" in note for note in death.pooled.notes)


def test_sensitivity_analyses_take_other_studies(maintenance) -> None:
    by_name = {each.asked.name: each for each in maintenance.primary.sensitivity}
    assert all(row.randomized for row in by_name["randomized_only"].gathered.rows)
    assert "TAC+MMF" not in by_name["randomized_only"].pooled.main.treatments
    assert all(row.year <= 2017 for row in by_name["until_2017"].gathered.rows)
    assert "dooley2011" not in {row.study for row in by_name["without_alms"].gathered.rows}


def test_randomized_trials_alone_give_the_two_that_compare_mmf_with_aza(maintenance) -> None:
    """MAINTAIN and ALMS: 0.55, by the same textbook formula."""
    tables = ((10, 53, 13, 52), (15, 116, 26, 111))
    weights = [1 / (1 / a + 1 / (n - a) + 1 / c + 1 / (m - c)) for a, n, c, m in tables]
    logs = [math.log(odds_ratio(*t)[0]) for t in tables]
    expected = math.exp(sum(w * y for w, y in zip(weights, logs)) / sum(weights))
    main = next(e for e in maintenance.primary.sensitivity if e.asked.name == "randomized_only").pooled.main
    i, j = main.treatments.index("MMF"), main.treatments.index("AZA")
    assert math.exp(main.effects[i, j]) == pytest.approx(expected, rel=1e-9)


# Published --------------------------------------------------------------------------------------------

PUBLISHED = {
    ("induction", "Hannah 2016", "TAC", "overall_remission"): ("RR", "1.23 (1.07 to 1.41)"),
    ("induction", "Hannah 2016", "TAC", "complete_remission"): ("RR", "1.59 (1.16 to 2.19)"),
    ("induction", "Hannah 2016", "TAC+MMF", "overall_remission"): ("RR", "1.37 (1.14 to 1.63)"),
    ("induction", "Palmer 2017", "TAC+MMF", "overall_remission"): ("OR", "2.69 (1.74 to 4.16)"),
    ("induction", "Palmer 2017", "CNI", "overall_remission"): ("OR", "1.74 (1.09 to 2.79)"),
    ("maintenance", "Palmer 2017", "CNI v MMF", "renal_flare"): ("OR", "1.13 (0.35 to 3.69)"),
    ("maintenance", "Palmer 2017", "CNI v AZA", "renal_flare"): ("OR", "0.64 (0.22 to 1.88)"),
}
"""Clin J Am Soc Nephrol 2020;15:1066-72, Meta-analyses."""


def test_all_seven_published_results_stand_beside_ours(maintenance, induction) -> None:
    found = {}
    for answer in (maintenance, induction):
        for beside in answer.published:
            treatment = beside.treatment
            if answer.spec.name == "maintenance":
                treatment = f"{beside.treatment} v {beside.against}"
            key = (answer.spec.name, beside.label, treatment, beside.outcome)
            found[key] = (beside.measure, beside.printed)
            assert beside.because and beside.computed and beside.nearest is not None
    assert found == PUBLISHED


def test_ours_of_tacrolimus_is_li_2012_alone(induction) -> None:
    """15 of 20 against 12 of 20 is a risk ratio of 1.25; published of nine studies: 1.23."""
    beside = induction.published[0]
    direct = next(cut for cut in beside.cuts if cut.name == "then_direct")
    assert direct.studies == ("Li 2012",)
    assert direct.estimate == pytest.approx((15 / 20) / (12 / 20), rel=1e-9)
    assert any(
        "one study compares the two directly (Li 2012; 40 patients)" in text for text in beside.computed
    )


def test_ours_of_multitarget_therapy_is_liu_2015_alone(induction) -> None:
    by_measure = {b.measure: b for b in induction.published if b.treatment == "TAC+MMF"}
    risk, odds = (by_measure[m].cuts[0] for m in ("RR", "OR"))
    assert risk.estimate == pytest.approx((151 / 181) / (114 / 181), rel=1e-9)
    assert odds.estimate == pytest.approx(odds_ratio(151, 181, 114, 181)[0], rel=1e-9)
    assert risk.studies == odds.studies == ("Liu 2015 (multitarget induction)",)


def test_lumped_inhibitors_of_one_study_are_one_arm(maintenance) -> None:
    rows = maintenance.primary.gathered.rows
    lumped = lump_rows(rows, {"old": ("AZA", "MMF")})
    alms = [row for row in lumped if row.study == "dooley2011"]
    china = {row.treatment: (row.events, row.n) for row in lumped if row.study == "china2022"}
    assert alms == []  # one arm is left, and nothing to compare
    assert china == {"old": (18, 86), "TAC": (10, 37)}


def test_what_was_published_later_is_named(maintenance) -> None:
    against_aza = maintenance.published[1]
    assert any("Published after it, and so only in ours: Fu 2022" in text for text in against_aza.computed)
    then = next(cut for cut in against_aza.cuts if cut.name == "then_direct")
    assert then.estimate == pytest.approx(odds_ratio(7, 36, 8, 33)[0], rel=1e-9)


# Other patients ---------------------------------------------------------------------------------------


def test_the_multitarget_result_is_carried_to_two_populations(maintenance) -> None:
    """The numbers of docs/how-to/carry-a-result.md, which builds the patients by hand."""
    alms, half = maintenance.carried
    assert alms.result.estimate == pytest.approx(0.802, abs=5e-4)
    assert (alms.result.conf_low, alms.result.conf_high) == pytest.approx((0.156, 4.12), abs=5e-3)
    assert not alms.result.is_extrapolated
    assert half.result.is_extrapolated and half.result.overlap.coefficient == 0.0


# The checklist ----------------------------------------------------------------------------------------


def test_the_checklist_has_all_items_and_does_not_tick_what_was_not_done(maintenance) -> None:
    items = {item.number: item for item in prisma_items(maintenance)}
    assert list(items) == [
        *map(str, range(1, 12)), "S1", "12", "13", "14", "S2", "15", "16", "17", "S3", "S4",
        *map(str, range(18, 22)), "S5", *map(str, range(22, 28)),
    ]  # fmt: skip
    assert items["8"].done == "no" and "search" in items["8"].how
    assert all(item.section for item in items.values() if item.done == "yes")


# A question of one's own ------------------------------------------------------------------------------


def test_a_question_from_a_file(tmp_path: Path) -> None:
    found = ff.evidence.answer(own_question(tmp_path))
    assert set(found.network.treatments) == {"AZA", "CsA", "MMF"}
    assert {study.study for study in found.studies} == {"moroni2006", "houssiau2010", "dooley2011"}
    assert found.published == () and found.carried == ()
    assert "fewer is better" in repr(found)


def test_a_base_of_ones_own(tmp_path: Path) -> None:
    table = tmp_path / "trials.csv"
    table.write_text(
        "study,year,phase,design,randomized,time,outcome,treatment,n,events\n"
        "First,2001,maintenance,randomized trial,yes,24 mo,renal_flare,MMF,50,5\n"
        "First,2001,maintenance,randomized trial,yes,24 mo,renal_flare,AZA,50,10\n"
    )
    found = ff.evidence.answer(own_question(tmp_path), table)
    number = found.primary.number("network", "MMF", "AZA")
    assert number.estimate == pytest.approx(odds_ratio(5, 50, 10, 50)[0], rel=1e-9)
    assert found.ranking().height == 2


def test_the_league_and_the_tidy_numbers_agree(maintenance) -> None:
    frame = maintenance.tidy()
    (row,) = frame.filter(frame["key"] == "renal_flare/network/MMF/AZA").to_dicts()
    league = maintenance.league()
    text = league.filter(league["treatment"] == "AZA")["MMF"].item()
    assert text == f"{row['estimate']:.2f} ({row['conf_low']:.2f} to {row['conf_high']:.2f})"


# Refused ----------------------------------------------------------------------------------------------


def refused(folder: Path, old: str, new: str) -> EvidenceError:
    assert old in OWN
    with pytest.raises(EvidenceError) as caught:
        ff.evidence.answer(own_question(folder, OWN.replace(old, new)))
    return caught.value


def test_an_unknown_question_names_those_that_there_are() -> None:
    with pytest.raises(NotFoundError) as caught:
        ff.evidence.answer("maintenence")
    assert "maintenance" in caught.value.try_ and "induction" in caught.value.expected


@pytest.mark.parametrize(
    ("old", "new", "line", "found"),
    [
        ("interventions: [MMF, CsA]", "interventions: [MMF, Csa]", "mine.yaml:9", "Csa"),
        ("  renal_flare: {", "  renal_flares: {", "mine.yaml:12", "renal_flares"),
        ("reference: AZA", "reference: placebo", "mine.yaml:7", "placebo"),
        ("role: primary", "role: main", "mine.yaml:12", "main"),
        ("{from: 12 mo, to: 72 mo}", "{from: 72 mo, to: 12 mo}", "mine.yaml:12", ""),
        ("population:", "populations:", "mine.yaml:5", ""),
        ("role: primary", "role: safety", "mine.yaml", ""),
    ],
)
def test_what_is_wrong_in_a_question_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: str, found: str
) -> None:
    error = refused(tmp_path, old, new)
    assert error.where.startswith(line)
    assert found in error.found


def test_a_near_name_is_proposed(tmp_path: Path) -> None:
    error = refused(tmp_path, "interventions: [MMF, CsA]", "interventions: [MMF, Csa]")
    assert "CsA" in error.try_


def test_an_empty_selection_says_what_was_left_out_and_why(tmp_path: Path) -> None:
    error = refused(tmp_path, "{from: 12 mo, to: 72 mo}", "{from: 1 wk, to: 2 wk}")
    assert "no study of the base answers" in error.what
    assert "Dooley 2011 (ALMS maintenance): 36 mo: not within 1 wk to 2 wk" in error.found.splitlines()


def test_a_published_result_that_the_base_does_not_have(tmp_path: Path) -> None:
    text = OWN + (
        "published:\n"
        "  - {of: palmer2017, treatment: MMF, against: AZA, outcome: renal_flare, because: [none]}\n"
    )
    with pytest.raises(EvidenceError) as caught:
        ff.evidence.answer(own_question(tmp_path, text))
    assert "palmer2017 has no such result" in caught.value.what and "CNI against AZA" in caught.value.expected


def test_a_stratum_that_the_study_does_not_print(tmp_path: Path) -> None:
    text = OWN + (
        "transport:\n"
        "  - study: zhang2017\n    outcome: renal_flare\n    title: carried\n"
        "    treatment: TAC+MMF\n    against: AZA\n"
        "    strata: [{subgroup: women, covariates: {black: 0}}]\n"
        "    targets: [{name: mine, margins: {black: 0.1}, because: so}]\n"
    )
    with pytest.raises(EvidenceError) as caught:
        ff.evidence.answer(own_question(tmp_path, text))
    assert caught.value.found == "women" and "complete remission at entry" in caught.value.expected


def test_the_page_that_explains_the_differences_prints_our_numbers(maintenance, induction) -> None:
    page = (Path(__file__).parents[2] / "docs/explanation/evidence-maintenance.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line[:2] == "| "
    ]
    printed = [row[2:] for row in rows[2:]]
    expected = []
    for answer in (induction, maintenance):
        for beside in answer.published:
            cuts = {cut.name: cut for cut in beside.cuts}
            shown = [cuts[name] for name in ("then_direct", "then_network", "all_network")]
            expected.append(
                [
                    beside.printed,
                    *(
                        f"{c.estimate:.2f} ({c.conf_low:.2f} to {c.conf_high:.2f})" if c.exists else "none"
                        for c in shown
                    ),
                ]
            )
    assert printed == expected


def test_means_are_pooled_as_differences(tmp_path: Path) -> None:
    """Moroni 2006: proteinuria 0.2 ± 0.24 g/day (36) and 0.3 ± 0.33 (33) after 4 years."""
    text = OWN.replace("renal_flare: {role: primary,", "proteinuria_g_per_day: {role: primary, measure: MD,")
    found = ff.evidence.answer(own_question(tmp_path, text.replace("from: 12 mo", "from: 36 mo")))
    number = found.primary.number("network", "CsA", "AZA")
    error = math.sqrt(0.24**2 / 36 + 0.33**2 / 33)
    assert number.estimate == pytest.approx(-0.1, abs=1e-12)
    assert number.conf_low == pytest.approx(-0.1 - 1.959964 * error, abs=1e-6)
    assert absolute_effects(found.primary) == {}


def test_a_table_without_phases_is_told_so_study_by_study(tmp_path: Path) -> None:
    table = tmp_path / "trials.csv"
    table.write_text(
        "study,treatment,outcome,n,events\nA 2011,MMF,renal flare,60,7\nA 2011,AZA,renal flare,62,14\n",
        encoding="utf-8",
    )
    with pytest.raises(EvidenceError) as raised:
        ff.evidence.answer(own_question(tmp_path), base=table)
    assert raised.value.found == "A 2011: of a phase that is not stated, not of maintenance"


def test_an_answer_prints_as_many_digits_of_each_number(maintenance: ff.evidence.Answer) -> None:
    assert "CsA v AZA          OR     0.754  0.240 to 2.37" in str(maintenance)
