"""Each check of the audit by hand: a table that cannot be, and its sound twin."""

from __future__ import annotations

import math

import pytest
from scipy import stats as scipy_stats

from flarefree.evidence import audit
from flarefree.evidence.auditing.printed import read_printed
from flarefree.evidence.auditing.two_by_two import quick_p_values


def row(arm="A", **cells):
    return {"study": "Hand", "outcome": "flare", "arm": arm} | cells


def findings(*rows):
    return {(f.check, f.certainty): f for f in audit(list(rows)).findings}


def one(*rows):
    (finding,) = audit(list(rows)).findings
    return finding


def none(*rows):
    done = audit(list(rows))
    assert done.findings == ()
    return done


# Printed numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("25.6", 25.55, 25.65),
        ("25.60", 25.595, 25.605),
        ("26%", 25.5, 26.5),
        ("·5", 0.45, 0.55),
        ("1e2", 50, 150),
    ],
)
def test_a_printed_number_stands_for_all_that_rounds_to_it(text, low, high):
    printed = read_printed(text)
    assert (float(printed.low), float(printed.high)) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize(
    ("text", "value", "admitted"),
    [
        ("<0.01", 0.009, True),
        ("<0.01", 0.011, False),
        ("ns", 0.2, True),
        ("NS", 0.03, False),
        (">0.9", 0.95, True),
    ],
)
def test_bounds_admit_what_lies_beyond_them(text, value, admitted):
    assert read_printed(text).admits(value) is admitted


def test_both_rules_for_a_half_are_let_pass():
    """1/16 = 6.25%: 6.3 by rounding up, 6.2 to the even digit; 6.4 by neither."""
    none(row(events=1, n=16, percent="6.3"))
    none(row(events=1, n=16, percent="6.2"))
    assert one(row(events=1, n=16, percent="6.5")).check == "percentage of its count"


# Percentages ------------------------------------------------------------------------------------------


def test_a_percentage_that_no_count_gives():
    finding = one(row(n=19, percent="43"))
    assert finding.certainty == "certain"
    assert "8/19 = 42.1% and 9/19 = 47.4%" in finding.why
    none(row(n=21, percent="43"))


def test_a_percentage_over_many_patients_cannot_fail_and_is_counted_so():
    (checked,) = [c for c in none(row(n=150, percent="43")).checked if c.check == "percentage attainable"]
    assert (checked.examined, checked.could_fail) == (1, 0)


def test_a_percentage_said_to_be_of_kaplan_meier_is_not_asked_for_a_count():
    none(row(n=19, percent="43", kind="kaplan-meier"))


def test_a_cumulative_percentage_below_the_crude_one():
    """6 of 40 had the event, so 1 - S(t) is 15% at least."""
    assert one(row(n=40, events=6, percent="12.0", kind="Kaplan-Meier")).certainty == "likely"
    none(row(n=40, events=6, percent="17.1", kind="Kaplan-Meier"))


def test_percentages_whose_digits_are_cut_off_are_told_once():
    rows = [
        row(outcome=f"o{k}", events=k, n=181, percent=cut)
        for k, cut in ((14, "7.7"), (13, "7.1"), (46, "25.4"))
    ]
    assert one(*rows, row(outcome="o5", events=5, n=181, percent="2.7")).what.startswith(
        "percentages are cut off"
    )


def test_a_percentage_of_another_number_of_patients():
    finding = one(
        row(events=27, n=115, percent="24.3"), row("B", outcome="x", events=1, n=111, percent="0.9")
    )
    assert "27/111 would, with the 111 patients of another cell" in finding.reconcile


# Means ------------------------------------------------------------------------------------------------


def test_a_mean_of_whole_numbers():
    """5.19 of 28 whole numbers: 145/28 = 5.179, 146/28 = 5.214 (the example of Brown and Heathers)."""
    assert one(row(n=28, mean="5.19", whole="yes")).check == "mean of whole numbers"
    none(row(n=28, mean="5.18", whole="yes"))
    none(row(n=28, mean="5.19"))


@pytest.mark.parametrize(("mean", "sd", "n"), [("7.3", "2.51", 12), ("3.0", "1.07", 5)])
def test_published_examples_of_impossible_standard_deviations(mean, sd, n):
    """From the documentation of R's package scrutiny, and of the indicator T3 of ResAIKit."""
    assert one(row(n=n, mean=mean, sd=sd, whole="yes")).check == "SD of whole numbers"


def test_a_standard_deviation_of_whole_numbers():
    """Three whole numbers of mean 2: sums of squares 12, 14, 18, 20 ...: SD 0, 1, 1.73, 2 (never 1.5)."""
    assert one(row(n=3, mean="2.00", sd="1.50", whole="yes")).check == "SD of whole numbers"
    for sd in ("0.00", "1.00", "1.73", "2.00"):
        none(row(n=3, mean="2.00", sd=sd, whole="yes"))


def test_the_parity_of_the_sum_of_squares_counts():
    """Total 6 is even, so a sum of squares of 13 (SD 0.71) is out, though 12 and 14 are in."""
    assert one(row(n=3, mean="2.00", sd="0.71", whole="yes")).certainty == "certain"


def test_a_standard_deviation_too_large_for_the_scale():
    """Ten values from 0 to 10 with mean 5 have an SD of 5.27 at most: five zeros and five tens."""
    assert one(row(n=10, mean="5.0", sd="5.4", minimum=0, maximum=10)).check == "SD possible"
    none(row(n=10, mean="5.0", sd="5.3", minimum=0, maximum=10))


def test_a_p_value_of_means():
    first, second = row(n=20, mean="5.0", sd="2.0", p="0.127"), row("B", n=20, mean="6.0", sd="2.1")
    expected = scipy_stats.ttest_ind_from_stats(5, 2, 20, 6, 2.1, 20).pvalue
    (p,) = audit([first | {"p": f"{expected:.3f}"}, second]).p_values
    assert p.verdict == "reproduced"
    assert p.tests["t"] == pytest.approx(expected, rel=1e-9)
    assert p.tests["Welch"] == pytest.approx(
        scipy_stats.ttest_ind_from_stats(5, 2, 20, 6, 2.1, 20, equal_var=False).pvalue, rel=1e-9
    )
    assert one(first | {"p": "0.02"}, second).check == "P value of means"


# P values of counts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "counts", [((27, 115), (37, 111)), ((0, 20), (5, 22)), ((3, 9), (9, 9)), ((14, 181), (6, 181))]
)
def test_tests_of_two_proportions_agree_with_scipy(counts):
    (a, n1), (c, n2) = counts
    table = [[a, n1 - a], [c, n2 - c]]
    ours = quick_p_values(counts)
    assert ours["Fisher"] == pytest.approx(scipy_stats.fisher_exact(table).pvalue, rel=1e-9)
    chi2 = scipy_stats.chi2_contingency(table, correction=False)
    assert ours["chi-square"] == pytest.approx(chi2.pvalue, rel=1e-9)
    assert ours["Yates"] == pytest.approx(
        scipy_stats.chi2_contingency(table, correction=True).pvalue, rel=1e-9
    )
    g = scipy_stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert ours["G"] == pytest.approx(g.pvalue, rel=1e-9)
    n = n1 + n2
    assert ours["N-1 chi-square"] == pytest.approx(
        scipy_stats.chi2.sf(chi2.statistic * (n - 1) / n, 1), rel=1e-9
    )
    inside = scipy_stats.hypergeom(n, a + c, n1)
    as_probable = sum(p for p in inside.pmf(range(a + c + 1)) if math.isclose(p, inside.pmf(a), rel_tol=1e-7))
    assert ours["mid-P"] == pytest.approx(ours["Fisher"] - as_probable / 2, rel=1e-9)
    assert ours["Fisher doubled"] == pytest.approx(min(1, 2 * min(inside.cdf(a), inside.sf(a - 1))), rel=1e-9)


def pair(events_1, n_1, events_2, n_2, p, **more):
    return row(events=events_1, n=n_1, p=p, **more), row("B", events=events_2, n=n_2, **more)


def test_a_p_value_off_by_a_decimal_place():
    """29/115 v 44/111: Fisher 0.023, printed 0.23."""
    finding = one(*pair(29, 115, 44, 111, "0.23"))
    assert "but for a decimal place: 0.023" in finding.reconcile
    assert "two sides of 0.05" in finding.why


def test_a_p_value_of_another_test_than_the_rest_of_the_table():
    """Three of Fisher's, and for 20/100 v 10/105 chi-square's 0.034, where Fisher gives 0.047."""
    rows = [*pair(27, 115, 37, 111, "0.107", outcome="a"), *pair(29, 115, 44, 111, "0.023", outcome="b")]
    rows += [*pair(2, 181, 12, 181, "0.011", outcome="c"), *pair(20, 100, 10, 105, "0.034", outcome="d")]
    values = quick_p_values(((20, 100), (10, 105)))
    assert f"{values['chi-square']:.3f}" == "0.034" and f"{values['Fisher']:.3f}" == "0.047"
    finding = one(*rows)
    assert finding.certainty == "possible"
    assert "is by chi-square" in finding.what and "by Fisher" in finding.what


def test_a_p_value_that_no_test_gives_is_likelier_wrong_where_the_table_has_a_habit():
    rows = [*pair(27, 115, 37, 111, "0.107", outcome="a"), *pair(29, 115, 44, 111, "0.023", outcome="b")]
    rows += [*pair(2, 181, 12, 181, "0.011", outcome="c"), *pair(20, 100, 10, 105, "0.400", outcome="d")]
    assert one(*rows).certainty == "likely"
    assert one(*pair(20, 100, 10, 105, "0.400")).certainty == "possible"


def test_one_p_value_of_all_levels_of_a_characteristic():
    """Race in four levels, P = 0.82 printed on the first: chi-square of the whole table with 3 df."""
    first, second = (48, 12, 39, 17), (51, 11, 37, 12)
    p = scipy_stats.chi2_contingency([first, second], correction=False).pvalue
    rows = []
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        about = {"outcome": f"race {i}", "part_of": "race", "parts": "complete"}
        rows += [row(events=a, n=116, **about) | ({"p": f"{p:.3f}"} if i == 0 else {})]
        rows += [row("B", events=b, n=111, **about)]
    (value,) = none(*rows).p_values
    assert "chi-square of all levels" in value.reproduced_by


def test_a_p_value_of_three_arms_without_a_word_is_of_all_three():
    table = [[12, 8], [15, 5], [4, 16]]
    p = scipy_stats.chi2_contingency(table, correction=False).pvalue
    rows = [row(arm, events=e, n=20) for arm, (e, _) in zip("ABC", table, strict=True)]
    rows[0]["p"] = f"{p:.4f}"
    (value,) = none(*rows).p_values
    assert "chi-square" in value.reproduced_by


def test_versus_picks_the_two_arms():
    rows = [row("A", events=12, n=20), row("B", events=15, n=20), row("C", events=4, n=20)]
    rows[0] |= {"versus": "C", "p": f"{scipy_stats.fisher_exact([[12, 8], [4, 16]]).pvalue:.4f}"}
    (value,) = none(*rows).p_values
    assert value.arms == ("A", "C") and "Fisher" in value.reproduced_by


def test_nobody_had_it_and_p_is_one():
    none(*pair(0, 20, 0, 21, "1.00"))


def test_counts_beside_hazard_ratios_are_recomputed_where_one_test_prints_them():
    """Pneumonia 2/115 v 1/111, P = 1.00, in one table with a hazard ratio: Fisher's, and so of counts."""
    hazard = ratio("0.75", "0.47", "1.20")
    (value,) = [p for p in none(*hazard, *pair(2, 115, 1, 111, "1.00", outcome="b")).p_values if p.row == 3]
    assert value.verdict == "reproduced"


def test_counts_beside_hazard_ratios_that_no_one_test_prints_are_of_times():
    """0/116 v 3/111 and 1/116 v 5/111, P = 0.07 both: chi-square gives one, mid-P the other."""
    rows = [*pair(0, 116, 3, 111, "0.07", outcome="esrd"), *pair(1, 116, 5, 111, "0.07", outcome="doubling")]
    values = none(*ratio("0.75", "0.47", "1.20"), *rows).p_values
    assert [p.verdict for p in values] == ["not recomputable"] * 2


# Limits -----------------------------------------------------------------------------------------------


def ratio(estimate, lower, upper, events=(30, 40), p="", measure="HR", kind="unadjusted"):
    about = {"measure": measure, "kind": kind}
    first = row(events=events[0], n=200, estimate=estimate, lower=lower, upper=upper, p=p, **about)
    return first, row("B", events=events[1], n=200, **about)


def test_limits_too_narrow_for_their_events():
    """30 + 40 events: se at least sqrt(1/30 + 1/40) = 0.2415, so 0.75 has limits from 0.47 to 1.20."""
    none(*ratio("0.75", "0.47", "1.20"))
    assert one(*ratio("0.75", "0.49", "1.15")).check == "limits against events"


def test_finite_limits_without_events():
    assert "no events in one arm" in one(*ratio("0.30", "0.09", "1.00", events=(0, 8))).what


def test_uneven_limits():
    """sqrt(0.40 x 1.20) = 0.69, not 0.80; on the arithmetic scale 0.80 is the middle."""
    finding = one(*ratio("0.80", "0.40", "1.20"))
    assert finding.check == "symmetry of limits"
    assert "computed without logarithms" in finding.reconcile


def test_limits_that_do_not_hold_the_estimate():
    assert one(*ratio("1.50", "0.40", "1.20")).certainty == "certain"
    assert "exchanged" in one(*ratio("0.69", "1.20", "0.40")).reconcile


def test_limits_and_p_value_on_two_sides():
    """0.75 (0.47 to 1.20) has z = 1.2, P = 0.23; printed 0.03."""
    finding = one(*ratio("0.75", "0.47", "1.20", p="0.03"))
    assert finding.check == "limits against P value"
    assert "two sides of significance" in finding.why
    none(*ratio("0.75", "0.47", "1.20", p="0.23"))


def test_kaplan_meier_limits_are_even_on_the_log_log_scale():
    """4.55 (1.49 to 13.43) of the multitarget supplement; 4.55 (1.49 to 10.0) is even on no scale."""
    about = {"measure": "percent", "kind": "kaplan-meier", "n": 69, "estimate": "4.55", "lower": "1.49"}
    none(row(upper="13.43", **about))
    assert one(row(upper="9.00", **about)).check == "symmetry of limits"


def test_effects_of_counts():
    """20/100 v 10/100: RR 2.00, OR 2.25, RD 0.10, in either direction."""
    for measure, estimate in (
        ("RR", "2.00"),
        ("RR", "0.50"),
        ("OR", "2.25"),
        ("RD", "0.10"),
        ("RD", "-10.0"),
    ):
        none(*_effect(measure, estimate))
    assert one(*_effect("RR", "2.50")).check == "effect of counts"
    assert one(*_effect("OR", "2.00")).certainty == "possible"


def _effect(measure, estimate, **limits):
    first = row(events=20, n=100, measure=measure, estimate=estimate, kind="unadjusted", **limits)
    return first, row("B", events=10, n=100, measure=measure, kind="unadjusted")


def test_limits_of_a_risk_ratio_too_narrow_for_its_counts():
    """se of log RR = sqrt(1/20 - 1/100 + 1/10 - 1/100) = 0.361: 2.00 (0.99 to 4.05)."""
    assert math.isclose(2 * math.exp(-1.96 * 0.3606), 0.987, abs_tol=0.001)
    none(*_effect("RR", "2.00", lower="0.99", upper="4.05"))
    assert "too narrow" in one(*_effect("RR", "2.00", lower="1.25", upper="3.20")).what


# Rates ------------------------------------------------------------------------------------------------


def test_a_rate_of_events_and_person_time():
    none(row(events=19, person_time="163.9", rate="11.59", n=116))
    finding = one(row(events=19, person_time="163.9", rate="12.59", n=116))
    assert finding.check == "rate of events and person-time" and finding.certainty == "certain"


def test_rates_that_share_no_person_time():
    rates = (("a", 19, "11.59"), ("b", 12, "7.32"), ("c", 9, "5.49"), ("d", 2, "1.22"), ("e", 15, "9.15"))
    rows = [row(outcome=o, events=e, rate=r, n=116) for o, e, r in rates]
    none(*rows)
    finding = one(*rows, row(outcome="f", events=7, rate="3.27", n=116))
    assert finding.outcome == "f" and "a rate of 4.27" in finding.reconcile


def test_person_time_of_mean_follow_up():
    none(row(events=5, n=100, follow_up="1.50", person_time="150"))
    none(row(events=5, n=100, follow_up="18", person_time="150"))  # months and years
    assert one(row(events=5, n=100, follow_up="1.50", person_time="190")).check == "person-time of follow-up"


# Counts -----------------------------------------------------------------------------------------------


def test_more_patients_with_an_event_than_patients():
    assert one(row(events=21, n=20)).certainty == "certain"
    none(row(events=21, n=20, unit="events"))


def test_more_patients_analyzed_than_randomized():
    assert "121 patients analyzed of 116" in one(row(events=5, n=121, randomized=116)).what


@pytest.mark.parametrize(
    ("n", "slip"), [(81, True), (18, True), (811, True), (1181, True), (175, False), (150, False)]
)
def test_a_lost_or_moved_digit_of_the_denominator(n, slip):
    rows = [row(outcome=o, events=3, n=181) for o in "abc"]
    assert bool(audit([*rows, row(outcome="d", events=4, n=n)]).findings) is slip


def test_parts_and_their_whole():
    whole = row(outcome="any relapse", events=5, n=90)
    parts = [
        row(outcome=o, events=e, n=90, part_of="any relapse", parts="exclusive")
        for o, e in (("r", 4), ("x", 1))
    ]
    none(whole, *parts)
    assert "the parts make 5, any relapse is 4" in one(whole | {"events": 4}, *parts).what
    above = findings(whole | {"events": 3}, *parts)
    assert ("parts and whole", "certain") in above


def test_a_composite_is_no_more_than_the_sum_of_its_components():
    parts = [
        row(outcome=o, events=e, n=90, part_of="failure", parts="components") for o, e in (("a", 4), ("b", 2))
    ]
    none(row(outcome="failure", events=5, n=90), *parts)
    assert one(row(outcome="failure", events=7, n=90), *parts).certainty == "likely"


def test_categories_make_up_the_arm():
    sexes = [
        row(outcome=o, events=e, n=116, part_of="sex", parts="complete")
        for o, e in (("male", 17), ("female", 99))
    ]
    none(*sexes)
    assert "1 missing" in one(sexes[0], sexes[1] | {"events": 98}).reconcile


def test_serious_infections_are_infections():
    none(row(outcome="any infection", events=12, n=90), row(outcome="serious infections", events=3, n=90))
    finding = one(
        row(outcome="any infection", events=2, n=90), row(outcome="serious infections", events=3, n=90)
    )
    assert finding.check == "subset by its name"


def test_one_outcome_in_two_tables():
    first = row(table="Table 1", outcome="Doubling of SCr level", events=3, n=90)
    second = row(table="Table 2", outcome="sustained doubling of serum creatinine", events=4, n=90)
    assert one(first, second).check == "same outcome in two places"
    none(first, second | {"events": 3})


def test_a_phase_within_the_whole():
    part = row(period="maintenance", table="1", events=4, n=90)
    none(part, row(period="induction + maintenance", table="2", events=6, n=181))
    assert one(part, row(period="induction + maintenance", table="2", events=3, n=181)).certainty == "certain"


# Risk tables ------------------------------------------------------------------------------------------


def risk(at_risk, events, arm="A", n=None):
    return [
        row(arm, time=3 * j, at_risk=k, events=e, n=n or at_risk[0])
        for j, (k, e) in enumerate(zip(at_risk, events, strict=True))
    ]


def test_nobody_comes_back_under_observation():
    assert "12 at risk at 6, after 10 at 3" in one(*risk((20, 10, 12), (0, 1, 0))).what


def test_more_at_risk_than_patients():
    assert "of 19 patients" in one(*risk((20, 10, 8), (0, 1, 1), n=19)).what


def test_at_risk_falls_by_the_events_at_least():
    """Between 3 and 6 there are 5 events, and 2 fewer at risk; no rule of a column's time explains it."""
    none(*risk((20, 14, 8, 4), (0, 5, 4, 2)))
    assert one(*risk((20, 14, 12, 8), (0, 5, 5, 2))).certainty == "likely"
    assert one(*risk((20, 19, 14, 8), (0, 6, 2, 2))).certainty == "likely"
    assert one(*risk((20, 20, 20, 20), (0, 9, 0, 0))).certainty == "certain"


def test_events_at_visits_counted_as_at_risk_just_before_are_sound():
    """Ten patients, relapses at the visits of month 3 (two), 6 (three), 9 (one); at risk just before."""
    none(*risk((10, 10, 8, 5, 4), (0, 2, 3, 1, 0)))


# Twice ------------------------------------------------------------------------------------------------


def test_a_row_that_stands_twice():
    assert one(row(events=3, n=20), row(events=3, n=20)).check == "rows that stand twice"
    assert "different figures" in one(row(events=3, n=20), row(events=4, n=20)).what


def test_a_column_copied():
    counts = (31, 22, 17, 40, 9, 13, 28)
    rows = [row(arm, outcome=f"o{i}", events=k, n=100) for i, k in enumerate(counts) for arm in "AB"]
    assert one(*rows).check == "columns that are equal"
    rows[3]["events"] = 23
    none(*rows)


def test_last_digits_are_judged_only_where_there_are_many():
    fives = [row(outcome=f"o{i}", n=40, mean=f"{10 + i}.5", sd=f"{20 + i}.5") for i in range(60)]
    assert one(*fives).check == "last digits"
    none(*fives[:40])
