"""P-values of the two lupus nephritis trials that rest on counts, with the two-sided Fisher test.

[dooley2011] Table 2 (maintenance phase, 115 and 111 patients); [zhang2017] Table 2 and Supplemental Table 1
(116 and 90), Supplemental Table 5 (both phases, 181 each).  Each p is compared as printed.
"""

import pytest

from flarefree.stats import chi_square, fisher_exact, fisher_exact_many

# Event, mycophenolate (n = 115), azathioprine (n = 111), printed p.
DOOLEY_TABLE_2 = [
    ("All adverse events", 113, 108, "0.68"),
    ("All serious adverse events", 27, 37, "0.11"),
    ("Adverse events leading to withdrawal", 29, 44, "0.02"),
    ("Death", 0, 1, "0.49"),
    ("Malignant conditions", 0, 1, "0.49"),
    ("Pneumonia", 2, 1, "1.00"),
    ("Appendicitis", 0, 2, "0.24"),
    ("Leukopenia", 0, 4, "0.06"),
    ("Systemic lupus erythematosus", 3, 2, "1.00"),
    ("Lupus nephritis", 1, 5, "0.11"),
]

# Event, multitarget (n = 181), cyclophosphamide then azathioprine (n = 181), printed p.
ZHANG_SUPPLEMENTAL_TABLE_5 = [
    ("All", 101, 113, "0.240"),
    ("Infection", 60, 51, "0.362"),
    ("Varicella zoster", 14, 7, "0.176"),
    ("Herpes simplex", 4, 4, "1.000"),
    ("Pneumonia", 13, 5, "0.088"),
    ("Urinary tract infection", 3, 6, "0.502"),
    ("Skin and soft tissue infection", 1, 4, "0.372"),
    ("Upper respiratory tract infection", 29, 25, "0.658"),
    ("Other infections", 6, 3, "0.502"),
    ("Upper gastrointestinal symptoms", 8, 41, "<0.0001"),
    ("Diarrhea", 14, 6, "0.105"),
    ("Liver dysfunction", 2, 12, "0.011"),
    ("Hyperglycemia", 5, 4, "1.000"),
    ("New-onset hypertension", 10, 4, "0.171"),
    ("Myalgia", 2, 0, "0.499"),
    ("Headache", 3, 0, "0.248"),
    ("Alopecia", 6, 9, "0.599"),
    ("Leukopenia", 9, 33, "0.0001"),
    ("Tremor", 8, 1, "0.037"),
    ("Menstrual disorder", 2, 9, "0.061"),
    ("Gingival hyperplasia", 2, 0, "0.499"),
    ("Osteonecrosis", 2, 1, "1.000"),
    ("Arthralgia", 3, 1, "0.623"),
    ("Doubling of creatinine", 2, 0, "0.499"),
    ("Thrombocytopenia", 1, 0, "1.000"),
    ("Others", 20, 11, "0.132"),
]

# Event, multitarget (n = 116), azathioprine (n = 90), printed mark: the p is below it; None is unmarked.
ZHANG_TABLE_2 = [
    ("Adverse events", 19, 40, 0.01),
    ("Infection", 12, 9, None),
    ("Herpes zoster", 2, 2, None),
    ("Pneumonia", 2, 0, None),
    ("Upper respiratory tract infection", 7, 6, None),
    ("Herpes simplex", 1, 0, None),
    ("Urinary tract infection", 0, 1, None),
    ("Liver dysfunction", 1, 6, 0.05),
    ("Leukopenia", 9, 23, 0.01),
    ("Osteonecrosis", 1, 1, None),
    ("Upper gastrointestinal symptoms", 1, 5, None),
    ("Menstrual disorder", 0, 2, None),
    ("Serious adverse events", 2, 3, None),
]
ZHANG_SUPPLEMENTAL_TABLE_1 = [
    ("Did not complete 18 months", 15, 26, 0.01),
    ("Relapse", 6, 7, None),
    ("Renal relapse", 6, 6, None),
    ("Extrarenal relapse", 0, 1, None),
    ("Renal end-point events", 3, 3, None),
    ("End-stage renal disease", 1, 0, None),
    ("Sustained doubling of creatinine", 2, 1, None),
    ("eGFR decreased by 30%", 1, 2, None),
    ("Dropout", 9, 20, 0.01),
    ("Lost to follow-up", 7, 10, None),
    ("Withdrawal due to adverse events", 2, 8, 0.05),
    ("Protocol violation", 0, 2, None),
]


def p_value(a, n1, b, n2):
    return fisher_exact([[a, n1 - a], [b, n2 - b]]).p_value


def as_printed(p, printed):
    """p with the decimals of the printed one."""
    if printed.startswith("<"):
        return printed if p < float(printed[1:]) else f"{p:.6f}"
    return f"{p:.{len(printed.split('.')[1])}f}"


@pytest.mark.parametrize(("event", "mmf", "aza", "printed"), DOOLEY_TABLE_2)
def test_adverse_events_of_the_alms_maintenance_phase(event, mmf, aza, printed):
    assert as_printed(p_value(mmf, 115, aza, 111), printed) == printed


def test_the_alms_table_is_fisher_and_not_chi_square():
    """Pearson's test would print 0.62, 0.10, 0.31, ... : the paper names no test, the numbers do."""
    printed = [row[3] for row in DOOLEY_TABLE_2]
    pearson = [
        as_printed(chi_square([[a, 115 - a], [b, 111 - b]], correct=False).p_value, p)
        for _, a, b, p in DOOLEY_TABLE_2
    ]
    assert sum(x == y for x, y in zip(pearson, printed, strict=True)) <= 1


@pytest.mark.parametrize(("event", "multitarget", "control", "printed"), ZHANG_SUPPLEMENTAL_TABLE_5)
def test_adverse_events_of_both_phases_of_the_multitarget_trial(event, multitarget, control, printed):
    assert as_printed(p_value(multitarget, 181, control, 181), printed) == printed


@pytest.mark.parametrize(
    ("event", "multitarget", "aza", "below"), [*ZHANG_TABLE_2, *ZHANG_SUPPLEMENTAL_TABLE_1]
)
def test_marks_of_the_multitarget_maintenance_trial(event, multitarget, aza, below):
    """** is below 0.01, * below 0.05 but not 0.01, no mark is 0.05 or more."""
    p = p_value(multitarget, 116, aza, 90)
    mark = 0.01 if p < 0.01 else 0.05 if p < 0.05 else None
    assert mark == below


def test_withdrawal_for_adverse_events_as_the_text_prints_it():
    """[zhang2017] Results: P = 0.02."""
    assert as_printed(p_value(2, 116, 8, 90), "0.02") == "0.02"


def test_a_whole_table_in_one_call():
    events = [(a, b, p) for _, a, b, p in ZHANG_SUPPLEMENTAL_TABLE_5]
    a, b, printed = zip(*events, strict=True)
    found = fisher_exact_many(a, 181, b, 181)
    assert [as_printed(p, text) for p, text in zip(found, printed, strict=True)] == list(printed)
