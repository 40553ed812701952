"""Published numbers of tables, proportions, ranks and covariance models, each with its source."""

import polars as pl
import pytest

from flarefree import stats


def test_the_lady_tasting_tea():
    """[fisher1935] ch. 2: of 70 choices one has all four right and 16 have three: 17/70 one-sided."""
    assert stats.fisher_exact([[3, 1], [1, 3]], alternative="greater").p_value == pytest.approx(17 / 70)


def test_job_satisfaction():
    """R's help page of fisher.test, after [agresti2002] p. 57: p = 0.7827."""
    table = [[1, 2, 1, 0], [3, 3, 6, 1], [10, 10, 14, 9], [6, 7, 12, 11]]
    assert stats.fisher_exact(table).p_value == pytest.approx(0.7827, abs=5e-5)


# [newcombe1998b] Table II, printed to four decimals: (a, m, b, n) and limits by methods 10 (hybrid score) and
# 6 (Miettinen-Nurminen).
NEWCOMBE = [
    ((56, 70, 48, 80), (0.0524, 0.3339), (0.0528, 0.3382)),
    ((9, 10, 3, 10), (0.1705, 0.8090), (0.1700, 0.8406)),
    ((6, 7, 2, 7), (0.0582, 0.8062), (0.0342, 0.8534)),
    ((5, 56, 0, 29), (-0.0381, 0.1926), (-0.0326, 0.1933)),
    ((0, 10, 0, 20), (-0.1611, 0.2775), (-0.1658, 0.2844)),
    ((0, 10, 0, 10), (-0.2775, 0.2775), (-0.2879, 0.2879)),
    ((10, 10, 0, 20), (0.6791, 1.0), (0.7156, 1.0)),
    ((10, 10, 0, 10), (0.6075, 1.0), (0.6636, 1.0)),
]
# Method 11, the hybrid with continuity correction, for three of them.
NEWCOMBE_CORRECTED = [
    ((56, 70, 48, 80), (0.0428, 0.3422)),
    ((9, 10, 3, 10), (0.1013, 0.8387)),
    ((10, 10, 0, 20), (0.6014, 1.0)),
]


@pytest.mark.parametrize(("counts", "hybrid", "score"), NEWCOMBE)
def test_differences_of_proportions(counts, hybrid, score):
    for result, printed in (
        (stats.newcombe(*counts), hybrid),
        (stats.miettinen_nurminen(*counts), score),
    ):
        assert (result.conf_low, result.conf_high) == pytest.approx(printed, abs=5.1e-5)


@pytest.mark.parametrize(("counts", "printed"), NEWCOMBE_CORRECTED)
def test_differences_of_proportions_with_continuity_correction(counts, printed):
    result = stats.newcombe(*counts, continuity=True)
    assert (result.conf_low, result.conf_high) == pytest.approx(printed, abs=5.1e-5)


def test_penicillin_in_rabbits():
    """R's help page of mantelhaen.test, after [agresti1990] p. 231: exact p 0.03994 (given by R as printed).

    Strata by dose; cured and died, none or 1.5 hours' delay.
    """
    tables = [
        [[0, 6], [0, 5]],
        [[3, 3], [0, 6]],
        [[6, 0], [2, 4]],
        [[5, 1], [6, 0]],
        [[2, 0], [5, 0]],
    ]
    result = stats.cochran_mantel_haenszel(tables)
    assert result.statistic == pytest.approx(3.9286, abs=5e-5)
    assert result.p_value == pytest.approx(0.04747, abs=5e-6)
    assert result.estimate == pytest.approx(7.0)
    exact = stats.cochran_mantel_haenszel(tables, exact=True)
    assert exact.p_value == pytest.approx(0.03994, abs=5e-6)
    assert exact.estimate == pytest.approx(10.36102, abs=5e-4)  # R's own is found to 1e-4 only


def test_depression_and_hamilton_scale():
    """[hollander1973] p. 29 in R's help page of wilcox.test: V = 40, one-sided p = 0.01953."""
    first = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    second = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    result = stats.signed_rank(first, second, alternative="greater")
    assert result.statistic == 40
    assert result.p_value == pytest.approx(0.01953, abs=5e-6)


def test_placental_permeability():
    """[hollander1973] p. 69 in R's help page of wilcox.test: W = 35, one-sided p = 0.1272."""
    at_term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    result = stats.wilcoxon(at_term, early, alternative="greater")
    assert result.statistic == 35
    assert result.p_value == pytest.approx(0.1272, abs=5e-5)


def test_barnards_example():
    """[mehta2003], also on SciPy's page: 7 of 15 vaccinated and 12 of 15 others infected.

    One-sided, pooled z: Barnard 0.0341, Fisher 0.0641.
    """
    table = [[7, 8], [12, 3]]
    assert stats.barnard(table, alternative="less").p_value == pytest.approx(0.0341, abs=5e-5)
    assert stats.fisher_exact(table, alternative="less").p_value == pytest.approx(0.0641, abs=5e-5)


@pytest.mark.shared
def test_primary_end_point_of_the_cdisc_pilot_trial(shared):
    """CSR of CDISC Pilot 01, Table 14-3.01: ADAS-Cog (11), change to week 24, LOCF, efficacy population.

    Sizes 79, 81, 74; dose-response p 0.245; differences (SE) [limits] and p as printed below.
    """
    data = pl.read_csv(shared / "data/cdiscpilot/adam_csv/adadas.csv.gz", infer_schema_length=None)
    data = data.filter(
        pl.col("EFFFL") == "Y",
        pl.col("ITTFL") == "Y",
        pl.col("PARAMCD") == "ACTOT",
        pl.col("AVISITN") == 24,
        pl.col("ANL01FL") == "Y",
    )
    arms = pl.Enum(["Placebo", "Xanomeline Low Dose", "Xanomeline High Dose"])
    data = data.with_columns(pl.col("TRTP").cast(arms), pl.col("SITEGR1").cast(pl.String))
    assert data["TRTP"].value_counts().sort("TRTP")["count"].to_list() == [79, 81, 74]

    dose = stats.linear_model("CHG ~ TRTPN + SITEGR1 + BASE", data)
    assert dose.tests()["TRTPN"]["p_value"] == pytest.approx(0.245, abs=5e-4)

    printed = {
        "Xanomeline Low Dose - Placebo": (-0.5, 0.82, -2.1, 1.1, 0.569),
        "Xanomeline High Dose - Placebo": (-1.0, 0.84, -2.7, 0.7, 0.233),
        "Xanomeline High Dose - Xanomeline Low Dose": (-0.5, 0.84, -2.2, 1.1, 0.520),
    }
    differences = stats.linear_model("CHG ~ TRTP + SITEGR1 + BASE", data).differences("TRTP")
    assert {row["term"] for row in differences.rows()} == set(printed)
    for row in differences.rows():
        ours = (
            round(row["estimate"], 1),
            round(row["std_error"], 2),
            round(row["conf_low"], 1),
            round(row["conf_high"], 1),
            round(row["p_value"], 3),
        )
        assert ours == printed[row["term"]]
