"""Sound tables are not accused: tables computed from counts, simulated trials, and the CDISC pilot study.

The rate of false findings is stated: none in the tables below, and the property holds for every table that
Hypothesis makes.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flarefree.evidence import audit
from flarefree.evidence.auditing.two_by_two import quick_p_values

ROUNDINGS = (ROUND_HALF_UP, ROUND_HALF_EVEN)
TESTS = ("Fisher", "Fisher doubled", "chi-square", "Yates", "N-1 chi-square", "mid-P", "G")


def printed(value, decimals, rounding=ROUND_HALF_UP):
    return str(Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-decimals), rounding))


@st.composite
def tables_of_counts(draw):
    """A table of counts in two arms: percentages, P values of one test, rates, each rounded properly."""
    n = draw(st.tuples(st.integers(2, 400), st.integers(2, 400)))
    rounding, decimals = draw(st.sampled_from(ROUNDINGS)), draw(st.integers(0, 3))
    test = draw(st.sampled_from(TESTS))
    years = draw(st.tuples(st.floats(0.3, 5), st.floats(0.3, 5)))
    rows = []
    for i in range(draw(st.integers(1, 12))):
        events = tuple(draw(st.integers(0, size)) for size in n)
        p = quick_p_values(tuple(zip(events, n, strict=True)))[test]
        for k, arm in enumerate("AB"):
            time = n[k] * years[k]
            row = {"study": "S", "outcome": f"o{i}", "arm": arm, "n": n[k], "events": events[k]}
            row["percent"] = printed(100 * Decimal(events[k]) / n[k], decimals, rounding)
            row["person_time"], row["rate"] = printed(time, 1), printed(100 * events[k] / time, 2)
            if k == 0:
                row["p"] = "<0.001" if p < 0.001 else printed(p, 3, rounding)
            rows.append(row)
    return rows


@settings(max_examples=200, deadline=None)
@given(tables_of_counts())
def test_a_table_computed_from_counts_is_not_accused(rows):
    """But for what is odd in a sound table too: two arms that happen to agree in every row."""
    done = audit(rows)
    assert [f.what for f in done.findings if f.check != "columns that are equal"] == []


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 21), min_size=2, max_size=60),
    st.integers(1, 3),
    st.sampled_from(ROUNDINGS),
)
def test_means_and_standard_deviations_of_whole_numbers_are_not_accused(values, decimals, rounding):
    x = np.array(values, dtype=float)
    row = {"study": "S", "outcome": "score", "arm": "A", "n": len(values), "whole": "yes"}
    row |= {"mean": printed(x.mean(), decimals, rounding), "sd": printed(x.std(ddof=1), decimals, rounding)}
    assert audit([row | {"minimum": 0, "maximum": 21}]).findings == ()


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 80),
    st.integers(1, 80),
    st.integers(1, 80),
    st.integers(1, 80),
    st.sampled_from(["RR", "OR"]),
)
def test_wald_limits_of_counts_are_not_accused(a, not_a, c, not_c, measure):
    n1, n2 = a + not_a, c + not_c
    if measure == "RR":
        log, variance = math.log(a / n1 / (c / n2)), 1 / a - 1 / n1 + 1 / c - 1 / n2
    else:
        log, variance = math.log(a * not_c / (c * not_a)), 1 / a + 1 / not_a + 1 / c + 1 / not_c
    if variance <= 0:
        return
    limits = [printed(math.exp(log + z * math.sqrt(variance)), 3) for z in (0, -1.959964, 1.959964)]
    row = {"study": "S", "outcome": "o", "measure": measure, "arm": "A", "n": n1, "events": a}
    row |= dict(zip(("estimate", "lower", "upper"), limits, strict=True))
    row["p"] = printed(quick_p_values(((a, n1), (c, n2)))["chi-square"], 4)
    other = {"study": "S", "outcome": "o", "measure": measure, "arm": "B", "n": n2, "events": c}
    assert audit([row, other]).findings == ()


def random_table(rng, study):
    """Counts of two arms, percentages, rates, P values of one test, effects with Wald limits, scores."""
    rounding, decimals = ROUNDINGS[rng.integers(2)], int(rng.integers(0, 3))
    test = ("Fisher", "chi-square", "Yates", "mid-P")[rng.integers(4)]
    n = [int(rng.integers(10, 300)) for _ in "AB"]
    years = [size * rng.uniform(0.5, 3) for size in n]
    rows = []
    for o in range(int(rng.integers(3, 25))):
        share = rng.beta(0.6, 3)
        events = [int(rng.binomial(size, share)) for size in n]
        p = quick_p_values(tuple(zip(events, n, strict=True)))[test]
        once = {"p": "<0.001" if p < 0.001 else printed(p, 3, rounding)}
        if o % 3 == 0 and all(0 < e < size for e, size in zip(events, n, strict=True)):
            once |= effect_of(events, n, ("RR", "OR", "RD")[rng.integers(3)], rounding)
        for k, arm in enumerate("AB"):
            row = {"study": study, "outcome": f"o{o}", "arm": arm, "n": n[k], "events": events[k]}
            row |= {"percent": printed(100 * events[k] / n[k], decimals, rounding)}
            row |= {
                "rate": printed(100 * events[k] / years[k], 2, rounding),
                "person_time": printed(years[k], 1),
            }
            rows.append(row | (once if k == 0 else {}))
    for o in range(6):
        for k, arm in enumerate("AB"):
            x = rng.integers(0, 11, n[k])
            row = {"study": study, "outcome": f"score {o}", "arm": arm, "n": n[k], "whole": "yes"}
            row |= {"mean": printed(x.mean(), 2, rounding), "sd": printed(x.std(ddof=1), 2, rounding)}
            rows.append(row | {"minimum": 0, "maximum": 10})
    return rows


def effect_of(events, n, measure, rounding):
    (a, c), (n1, n2) = events, n
    if measure == "RD":
        middle, variance = a / n1 - c / n2, a * (n1 - a) / n1**3 + c * (n2 - c) / n2**3
        values = [middle + z * math.sqrt(variance) for z in (0, -1.959964, 1.959964)]
    else:
        risk = measure == "RR"
        middle = math.log(a / n1 / (c / n2) if risk else a * (n2 - c) / (c * (n1 - a)))
        variance = 1 / a + 1 / c + (-1 / n1 - 1 / n2 if risk else 1 / (n1 - a) + 1 / (n2 - c))
        values = [math.exp(middle + z * math.sqrt(variance)) for z in (0, -1.959964, 1.959964)]
    texts = [printed(value, 3 if measure == "RD" else 2, rounding) for value in values]
    return {"measure": measure} | dict(zip(("estimate", "lower", "upper"), texts, strict=True))


def test_none_of_300_random_tables_is_accused():
    """The figure of docs/methods/audit.md, section 10: some 78,000 cells that could have failed."""
    rng = np.random.default_rng(1)
    audits = [audit(random_table(rng, f"study {i}")) for i in range(300)]
    assert [f.what for done in audits for f in done.findings] == []
    assert sum(c.could_fail for done in audits for c in done.checked) > 75_000


def simulated_trial(rng, size=80):
    """Exponential times to event, uniform censoring, seen at 36 months at the latest: arm, time, event."""
    arm = np.repeat([1, 0], size)
    time = rng.exponential(np.where(arm == 1, 90, 50))
    end = np.minimum(rng.uniform(6, 60, 2 * size), 36)
    return arm, np.minimum(time, end), time <= end


def test_hazard_ratios_risk_tables_and_curves_of_simulated_trials_are_not_accused():
    """100 trials: Cox's model with Wald limits and P, as printed to two decimals, and the risk table."""
    import flarefree as ff

    rng = np.random.default_rng(20111116)
    rows = []
    for i in range(100):
        arm, time, event = simulated_trial(rng)
        fit = ff.stats.fit_cox(time, event, arm.astype(float)[:, None])
        beta, se = float(fit.coef[0]), float(fit.std_error[0])
        p = math.erfc(abs(beta / se) / math.sqrt(2))
        limits = [printed(math.exp(beta + z * se), 2) for z in (0, -1.959964, 1.959964)]
        about = {"study": f"trial {i}", "outcome": "flare", "measure": "HR", "kind": "unadjusted Cox"}
        for code, name in ((1, "A"), (0, "B")):
            here = arm == code
            row = about | {"arm": name, "n": int(here.sum()), "events": int(event[here].sum())}
            if code == 1:
                row |= dict(zip(("estimate", "lower", "upper"), limits, strict=True)) | {"p": printed(p, 3)}
            rows.append(row)
            before = -1.0
            for month in range(0, 36, 6):
                since = int((event & here & (time > before) & (time <= month)).sum())
                column = {"time": month, "at_risk": int((here & (time >= month)).sum()), "events": since}
                rows.append(
                    {"study": f"trial {i}", "outcome": "flare curve", "arm": name, "n": int(here.sum())}
                    | column
                )
                before = month
    done = audit(rows)
    examined = {c.check: c.examined for c in done.checked}
    assert examined["limits against events"] == 100 and examined["risk table"] == 1200
    assert [f.what for f in done.findings] == []


@pytest.mark.shared
def test_the_adverse_events_of_the_cdisc_pilot_are_not_accused(shared):
    """Every system organ class and term of the pilot: 762 counts with percentages, 406 Fisher P values."""
    import pyreadstat

    folder = shared / "data" / "cdiscpilot" / "adam_xpt"
    events, _ = pyreadstat.read_xport(str(folder / "adae.xpt"))
    people, _ = pyreadstat.read_xport(str(folder / "adsl.xpt"))
    events = events[events.TRTEMFL == "Y"]
    people = people[people.SAFFL == "Y"]
    sizes = people.groupby("TRT01A").USUBJID.nunique()
    groups = [("any", events)]
    groups += [(name, group) for name, group in events.groupby("AEBODSYS")]
    groups += [("/".join(names), group) for names, group in events.groupby(["AEBODSYS", "AEDECOD"])]
    rows = []
    for label, group in groups:
        counts = {arm: int(group[arm == group.TRTA].USUBJID.nunique()) for arm in sizes.index}
        for arm, n in sizes.items():
            row = {"study": "pilot", "outcome": label, "arm": arm, "n": int(n), "events": counts[arm]}
            row["percent"] = printed(100 * counts[arm] / n, 1)
            if arm != "Placebo":
                two = ((counts[arm], int(n)), (counts["Placebo"], int(sizes["Placebo"])))
                row |= {"versus": "Placebo", "p": printed(quick_p_values(two)["Fisher"], 3)}
            rows.append(row)
    for name in ("AGE", "MMSETOT", "EDUCLVL"):
        for arm in sizes.index:
            x = people[arm == people.TRT01A][name].dropna().astype(float)
            row = {"study": "pilot", "outcome": name, "arm": arm, "n": len(x), "whole": "yes", "minimum": 0}
            rows.append(row | {"mean": printed(x.mean(), 2), "sd": printed(x.std(), 2)})
    done = audit(rows)
    assert [f.what for f in done.findings] == []
    assert len(done.p_values) > 400
    assert all("Fisher" in p.reproduced_by for p in done.p_values)


DATA_SETS = ("dogliotti2014", "dong2013", "franchini2012", "gurusamy2011", "hasselblad1998", "linde2016")


@pytest.mark.shared
@pytest.mark.parametrize("name", [*DATA_SETS, "senn2013", "woods2010"])
def test_published_data_sets_of_meta_analyses_are_not_accused(shared, name):
    done = audit(shared / "data" / "meta_analysis" / f"dat.{name}.csv")
    assert done.rows > 0
    assert [f.what for f in done.findings] == []
