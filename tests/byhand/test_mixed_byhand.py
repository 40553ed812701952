"""Repeated measures where the answer is known without a computer's search."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from flarefree.stats.mixed import mmrm, pool

# Six patients at two visits, in two arms; nothing is missing.
AZA = {"Ada": (3, 5), "Ben": (1, 2), "Cleo": (2, 5)}
MMF = {"Dan": (4, 7), "Eve": (2, 6), "Finn": (6, 8)}


def _rows():
    rows = {"subject": [], "arm": [], "visit": [], "y": []}
    for arm, patients in (("AZA", AZA), ("MMF", MMF)):
        for subject, values in patients.items():
            for visit, y in zip(("first", "second"), values):
                for name, value in zip(rows, (subject, arm, visit, y)):
                    rows[name].append(value)
    return rows


def _mean(values):
    return Fraction(sum(values), len(values))


def _pooled_variance(pairs):
    """Within arms, with n minus 2 degrees of freedom."""
    total = Fraction(0)
    for group in pairs:
        total += sum((Fraction(v) - _mean(group)) ** 2 for v in group)
    return total / (sum(map(len, pairs)) - len(pairs))


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger", "kenward-roger-linear"])
@pytest.mark.parametrize("structure", ["us", "cs"])
def test_the_interaction_is_a_two_sample_t_test_of_the_changes(structure, df):
    """With complete data and compound symmetry or no structure, in exact fractions: 4 degrees of freedom."""
    fit = mmrm(f"y ~ arm*visit + {structure}(visit | subject)", _rows(), df=df)
    change = [[b - a for a, b in arm.values()] for arm in (AZA, MMF)]
    estimate = _mean(change[1]) - _mean(change[0])
    variance = _pooled_variance(change) * (Fraction(1, 3) + Fraction(1, 3))
    row = fit.tidy().filter(term="armMMF:visitsecond").row(0, named=True)
    assert row["estimate"] == pytest.approx(float(estimate), rel=1e-9)
    assert row["df"] == pytest.approx(4, rel=1e-6)
    if df != "kenward-roger":  # the full adjustment is not exact in this parametrization
        assert row["std_error"] == pytest.approx(float(variance) ** 0.5, rel=1e-7)


def test_unstructured_covariance_of_complete_data_is_the_pooled_one():
    fit = mmrm("y ~ arm*visit + us(visit | subject)", _rows())
    columns = [[[pair[v] for pair in arm.values()] for arm in (AZA, MMF)] for v in (0, 1)]
    expected = np.empty((2, 2))
    for a in (0, 1):
        for b in (0, 1):
            cross = Fraction(0)
            for x, y in zip(columns[a], columns[b]):
                cross += sum((Fraction(p) - _mean(x)) * (Fraction(q) - _mean(y)) for p, q in zip(x, y))
            expected[a, b] = cross / 4
    np.testing.assert_allclose(fit.visit_covariances[""], expected, rtol=1e-8)


def test_at_one_visit_it_is_a_two_sample_t_test():
    rows = _rows()
    first = [i for i, visit in enumerate(rows["visit"]) if visit == "first"]
    rows = {name: [values[i] for i in first] for name, values in rows.items()}
    fit = mmrm("y ~ arm + us(visit | subject)", rows)
    groups = [[pair[0] for pair in arm.values()] for arm in (AZA, MMF)]
    variance = _pooled_variance(groups) * Fraction(2, 3)
    row = fit.tidy().filter(term="armMMF").row(0, named=True)
    assert row["estimate"] == pytest.approx(float(_mean(groups[1]) - _mean(groups[0])), rel=1e-9)
    assert row["df"] == pytest.approx(4, rel=1e-7)
    assert fit.visit_covariances[""][0, 0] == pytest.approx(float(_pooled_variance(groups)), rel=1e-9)
    # exp(theta) is the standard deviation, so Var is convex in theta and the full method takes off a part
    linear = (
        mmrm("y ~ arm + us(visit | subject)", rows, df="kenward-roger-linear").tidy().filter(term="armMMF")
    )
    assert linear["std_error"][0] == pytest.approx(float(variance) ** 0.5, rel=1e-8)


def test_rubins_rules_with_three_imputations():
    """Estimates 1, 2, 3, each with variance 1/2: between 1, total 1/2 + 4/3, share of the missing 8/11."""
    pooled = pool([[1.0], [2.0], [3.0]], [[0.5], [0.5], [0.5]])
    assert pooled.estimate[0] == 2
    total = Fraction(1, 2) + Fraction(4, 3)
    assert pooled.std_error[0] == pytest.approx(float(total) ** 0.5, rel=1e-14)
    share = Fraction(4, 3) / total
    assert share == Fraction(8, 11)
    assert pooled.missing_information[0] == pytest.approx(8 / 11, rel=1e-14)
    assert pooled.df[0] == pytest.approx(float(2 / share**2), rel=1e-14)
    # Barnard and Rubin with 10 complete degrees of freedom: 1 / (1 / nu_old + 1 / nu_observed)
    observed = Fraction(11, 13) * 10 * (1 - share)
    barnard = 1 / (share**2 / 2 + 1 / observed)
    small = pool([[1.0], [2.0], [3.0]], [[0.5], [0.5], [0.5]], complete_df=10)
    assert small.df[0] == pytest.approx(float(barnard), rel=1e-14)
