"""Networks by hand and by a second, naive way: loops, studies of several arms, counts, rankings, streams."""

from __future__ import annotations

import itertools
import math

import numpy as np
import polars as pl
import pytest
from scipy import optimize, stats

from flarefree.evidence.networks import additive_network, network
from flarefree.evidence.networks.counts.conditional import conditional_moments

ROOT2 = math.sqrt(2)


def contrasts(*rows: tuple[str, str, str, float, float]) -> pl.DataFrame:
    """Contrast rows from tuples."""
    names = ["study", "treatment_1", "treatment_2", "estimate", "std_error"]
    return pl.DataFrame(rows, schema=names, orient="row")


def arms(*rows: tuple[str, str, int, int]) -> pl.DataFrame:
    """Arm rows of counts from tuples."""
    return pl.DataFrame(rows, schema=["study", "treatment", "events", "n"], orient="row")


LOOP = contrasts(("one", "B", "A", 1.0, 1.0), ("two", "C", "B", 1.0, 1.0), ("three", "C", "A", 4.0, 1.0))

SMALL = arms(
    ("Aker", "placebo", 10, 100),
    ("Aker", "low", 14, 98),
    ("Aker", "high", 25, 101),
    ("Berg", "placebo", 7, 60),
    ("Berg", "high", 15, 63),
    ("Cole", "low", 12, 80),
    ("Cole", "high", 13, 82),
    ("Dahl", "placebo", 4, 40),
    ("Dahl", "other", 9, 41),
    ("Eide", "other", 20, 90),
    ("Eide", "high", 18, 88),
    ("Foss", "placebo", 21, 200),
    ("Foss", "low", 19, 190),
    ("Gran", "placebo", 3, 75),
    ("Gran", "low", 11, 77),
    ("Gran", "other", 6, 72),
)


# By hand ---------------------------------------------------------------------------------------------


def test_a_loop_of_three_studies() -> None:
    """C against A: 4 directly (variance 1), 2 through B (variance 2), together 10/3 (variance 2/3)."""
    found = network(LOOP, measure="MD", model="common", reference="A")
    assert found.common["C", "A"] == pytest.approx(10 / 3)
    assert found.common.std_error[2, 0] == pytest.approx(math.sqrt(2 / 3))
    assert found.heterogeneity.q == pytest.approx((4 - 2) ** 2 / 3)
    assert found.heterogeneity.df == 1
    split = next(s for s in found.splits() if s.treatment_1 == "C" and s.treatment_2 == "A")
    assert split.direct_share == pytest.approx(2 / 3)
    assert (split.direct, split.indirect) == (pytest.approx(4.0), pytest.approx(2.0))
    assert split.p_value == pytest.approx(2 * stats.norm.sf(2 / math.sqrt(3)))


def test_moment_estimator_of_a_loop() -> None:
    """Three studies of variance 1: Q = 4/3 on 1 df, and E[Q] = 1 + tau2, so tau2 = 1/3."""
    found = network(LOOP, measure="MD", reference="A")
    assert found.tau2 == pytest.approx(1 / 3)
    assert network(LOOP, measure="MD", method="PM").tau2 == pytest.approx(1 / 3)
    # the estimate stays, as all studies weigh the same; its variance grows by 4/3
    assert found.random["C", "A"] == pytest.approx(10 / 3)
    assert found.random.std_error[2, 0] == pytest.approx(math.sqrt(2 / 3 * 4 / 3))


def test_one_study_of_three_arms_keeps_its_own_differences() -> None:
    """Alone, a study's differences are the network's, with their standard errors, for every tau2."""
    data = pl.DataFrame(
        {
            "study": ["s"] * 3,
            "treatment": ["A", "B", "C"],
            "mean": [0.0, 1.0, 3.0],
            "sd": [1.0, 2.0, 3.0],
            "n": [4] * 3,
        }
    )
    found = network(data, measure="MD", reference="A", tau2=0.5)
    assert found.common["C", "B"] == pytest.approx(2.0)
    assert found.common.std_error[2, 1] == pytest.approx(math.sqrt(4 / 4 + 9 / 4))
    assert found.random.std_error[2, 1] == pytest.approx(math.sqrt(4 / 4 + 9 / 4 + 0.5))
    assert found.heterogeneity.df == 0
    assert math.isnan(network(data, measure="MD").heterogeneity.tau2)


def test_a_third_arm_with_a_study_of_two() -> None:
    """Arms of variance 1, and B v A once more with variance 2: the contrast is shared, C moves by half.

    The three-arm study gives B - A = 1 (variance 2) and C - A = 3 (variance 2), covariance 1.  Another study
    says B - A = 2 (variance 2).  B - A becomes 3/2; C - A moves by cov/var = 1/2 of that half: 3.25.
    """
    data = contrasts(
        ("s", "B", "A", 1.0, ROOT2),
        ("s", "C", "A", 3.0, ROOT2),
        ("s", "C", "B", 2.0, ROOT2),
        ("t", "B", "A", 2.0, ROOT2),
    )
    found = network(data, measure="MD", model="common", reference="A")
    assert found.common["B", "A"] == pytest.approx(1.5)
    assert found.common["C", "A"] == pytest.approx(3.25)


def test_two_treatments_are_a_pairwise_meta_analysis() -> None:
    """With one comparison the moment estimator is DerSimonian and Laird's, written out."""
    y, v = np.array([0.1, 0.5, 0.9, 0.2]), np.array([0.04, 0.09, 0.05, 0.02])
    rows = [(f"s{i}", "T", "C", a, math.sqrt(b)) for i, (a, b) in enumerate(zip(y, v))]
    found = network(contrasts(*rows), measure="OR", reference="C")
    w = 1 / v
    q = (w * (y - (w @ y) / w.sum()) ** 2).sum()
    tau2 = (q - 3) / (w.sum() - (w**2).sum() / w.sum())
    w = 1 / (v + tau2)
    assert found.tau2 == pytest.approx(tau2)
    assert found.random["T", "C"] == pytest.approx((w @ y) / w.sum())
    assert found.random.std_error[1, 0] == pytest.approx(w.sum() ** -0.5)


def test_prediction_and_hartung_knapp_limits() -> None:
    """t on df - 1 for a new study [netmeta]; the scaled variance uses t on df."""
    found = network(SMALL, reference="placebo", tau2=0.1)
    i, j = found.treatments.index("high"), found.reference_index
    low, high = found.prediction()
    width = stats.t.ppf(0.975, found.heterogeneity.df - 1) * math.sqrt(
        found.random.std_error[i, j] ** 2 + 0.1
    )
    assert (low[i, j], high[i, j]) == (
        pytest.approx(found.effects[i, j] - width),
        pytest.approx(found.effects[i, j] + width),
    )
    scaled = network(SMALL, reference="placebo", tau2=0.0, hartung_knapp=True)
    ratio = scaled.heterogeneity.q / scaled.heterogeneity.df
    assert scaled.random.std_error[i, j] == pytest.approx(scaled.common.std_error[i, j] * math.sqrt(ratio))
    assert scaled.random.df == scaled.heterogeneity.df


def test_standardized_mean_difference_is_hedges_g() -> None:
    """Two arms: d times the gamma correction, variance 1/n1 + 1/n2 + g^2 / 2N."""
    data = pl.DataFrame(
        {"study": ["s", "s"], "treatment": ["A", "B"], "mean": [1.0, 2.0], "sd": [1.0, 2.0], "n": [12, 9]}
    )
    found = network(data, measure="SMD", model="common", reference="A")
    df = 19
    pooled = math.sqrt((11 * 1 + 8 * 4) / df)
    g = math.gamma(df / 2) / math.gamma((df - 1) / 2) / math.sqrt(df / 2) / pooled
    assert found.common["B", "A"] == pytest.approx(g)
    assert found.common.std_error[1, 0] == pytest.approx(math.sqrt(1 / 12 + 1 / 9 + g * g / 42))


# Studies of several arms: a second way ----------------------------------------------------------------


def dense(data: pl.DataFrame, tau2: float) -> tuple[list[str], np.ndarray, np.ndarray, float]:
    """Generalized least squares on contrasts with each study's first arm, covariance matrices and all."""
    names = sorted(data["treatment"].unique())
    y, x, blocks = [], [], []
    for _, study in data.sort("study", "treatment").group_by("study", maintain_order=True):
        a, n = study["events"].to_numpy().astype(float), study["n"].to_numpy().astype(float)
        effect, v = np.log(a / (n - a)), 1 / a + 1 / (n - a)
        t = [names.index(name) for name in study["treatment"]]
        for k in range(1, len(t)):
            row = np.zeros(len(names))
            row[t[k]], row[t[0]] = 1, -1
            x.append(row)
            y.append(effect[k] - effect[0])
        m = len(t) - 1
        blocks.append(v[0] + np.diag(v[1:]) + tau2 * (np.eye(m) + 1) / 2)
    size = sum(len(b) for b in blocks)
    V, at = np.zeros((size, size)), 0
    for block in blocks:
        V[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    X, Y, W = np.array(x)[:, 1:], np.array(y), np.linalg.inv(V)
    S = np.linalg.inv(X.T @ W @ X)
    b = S @ X.T @ W @ Y
    left = Y - X @ b
    return names, np.append(0, b), S, float(left @ W @ left)


@pytest.mark.parametrize("tau2", [0.0, 0.3])
def test_rotated_rows_are_generalized_least_squares(tau2: float) -> None:
    """The rotation into independent rows changes nothing."""
    names, b, S, q = dense(SMALL, tau2)
    found = network(SMALL, reference=names[0], tau2=tau2)
    assert list(found.treatments) == names
    np.testing.assert_allclose(found.random.estimate[:, 0], b, atol=1e-12)
    np.testing.assert_allclose(found.random.covariance[1:, 1:], S, atol=1e-12)
    if tau2 == 0:
        assert found.heterogeneity.q == pytest.approx(q)


def test_arm_rows_and_contrast_rows_agree() -> None:
    """Every pair of every study, its difference and error written out, gives the same network."""
    rows = []
    for (name,), study in SMALL.group_by("study", maintain_order=True):
        numbers = [(t, math.log(e / (n - e)), 1 / e + 1 / (n - e)) for _, t, e, n in study.iter_rows()]
        for (t1, y1, v1), (t2, y2, v2) in itertools.combinations(numbers, 2):
            rows.append((name, t1, t2, y1 - y2, math.sqrt(v1 + v2)))
    by_arms, by_pairs = network(SMALL, method="REML"), network(contrasts(*rows), method="REML")
    np.testing.assert_allclose(by_pairs.effects, by_arms.effects, atol=1e-9)
    np.testing.assert_allclose(by_pairs.std_errors, by_arms.std_errors, atol=1e-9)
    assert by_pairs.consistency.q_between == pytest.approx(by_arms.consistency.q_between)


def test_order_of_rows_and_names_do_not_matter() -> None:
    """Rows shuffled, treatments renamed: the same effects under the new names."""
    found = network(SMALL, reference="placebo", method="REML")
    renamed = {"placebo": "zz", "low": "mm", "high": "aa", "other": "kk"}
    other = network(
        SMALL.sample(fraction=1.0, shuffle=True, seed=4).with_columns(pl.col("treatment").replace(renamed)),
        reference="zz",
        method="REML",
    )
    for one, two in itertools.permutations(found.treatments, 2):
        assert other.random[renamed[one], renamed[two]] == pytest.approx(found.random[one, two], abs=1e-9)


def test_likelihood_peak_is_the_highest() -> None:
    """No tau2 on a fine grid has a higher restricted likelihood, by dense matrices."""
    data = SMALL.with_columns(events=pl.when(pl.col("study") == "Berg").then(30).otherwise("events"))
    found = network(data, method="REML")
    assert found.tau2 > 0

    def restricted(tau2: float) -> float:
        _, _, S, q = dense(data, tau2)
        log_det = 0.0
        for _, study in data.group_by("study"):
            a, n = study["events"].to_numpy().astype(float), study["n"].to_numpy().astype(float)
            v = 1 / a + 1 / (n - a)
            m = len(v) - 1
            log_det += np.linalg.slogdet(v[0] + np.diag(v[1:]) + tau2 * (np.eye(m) + 1) / 2)[1]
        return -0.5 * (log_det - np.linalg.slogdet(S)[1] + q)

    best = restricted(found.tau2)
    for tau2 in [0.0, *np.geomspace(1e-4, 20, 200), found.tau2 * 0.99, found.tau2 * 1.01]:
        assert restricted(float(tau2)) <= best + 1e-12


# Zero cells ------------------------------------------------------------------------------------------


def test_zero_cells_are_corrected_in_the_whole_study_and_told() -> None:
    """0.5 to each cell of all three arms of Hald, none elsewhere; Iver, without events, is left out."""
    data = pl.concat(
        [
            SMALL,
            arms(("Hald", "placebo", 0, 30), ("Hald", "low", 3, 31), ("Hald", "high", 5, 29)),
            arms(("Iver", "placebo", 0, 50), ("Iver", "low", 0, 52)),
        ]
    )
    found = network(data)
    study = next(s for s in found.studies if s.name == "Hald")
    cells = {"placebo": (0.5, 31), "low": (3.5, 32), "high": (5.5, 30)}
    for place, arm in enumerate(study.arms):
        e, n = cells[found.treatments[arm]]
        assert study.effect[place] == pytest.approx(math.log(e / (n - e)))
    assert all(s.name != "Iver" for s in found.studies)
    assert any("0.5 added" in note and "Hald" in note and "Aker" not in note for note in found.notes)
    assert any("Iver" in note for note in found.notes)
    without = network(data, zero_cells="none")
    assert {s.name for s in without.studies} == {s.name for s in network(SMALL).studies}
    everywhere = network(data, zero_cells="all").studies[0]
    assert everywhere.effect[0] - everywhere.effect[1] == pytest.approx(
        math.log(25.5 / 76.5) - math.log(14.5 / 84.5)
    )


def test_a_treatment_of_studies_without_events_leaves_by_name() -> None:
    """Only Jens has `rare`, and nobody there had the event: the rest of the network stands."""
    data = pl.concat([SMALL, arms(("Jens", "placebo", 0, 20), ("Jens", "rare", 0, 21))])
    found = network(data)
    assert "rare" not in found.treatments
    assert any("rare" in note for note in found.notes)
    np.testing.assert_allclose(found.effects, network(SMALL).effects)


# Consistency -----------------------------------------------------------------------------------------


def test_parts_of_q_add_up_and_a_detached_design_takes_its_loop_along() -> None:
    """Between designs of the loop is all of Q; with any design detached nothing is left to disagree."""
    parts = network(LOOP, measure="MD").consistency
    assert (parts.q_within, parts.df_within) == (0.0, 0)
    assert parts.q_between == pytest.approx(4 / 3)
    assert sum(d.q_between for d in parts.designs) == pytest.approx(parts.q_between)
    assert all(d.q_detached == 0.0 and d.df_detached == 0 and math.isnan(d.p_detached) for d in parts.designs)
    whole = network(SMALL)
    assert whole.consistency.q_total == pytest.approx(whole.heterogeneity.q)
    assert whole.consistency.df_total == whole.heterogeneity.df


def test_a_tree_has_no_inconsistency() -> None:
    """Two designs in a chain: no degrees of freedom between them, and the reports still stand."""
    found = network(SMALL.filter(pl.col("study").is_in(["Berg", "Cole"])))
    assert found.consistency.df_between == 0
    assert found.consistency.q_between == 0.0
    assert math.isnan(found.consistency.p_between)
    assert "cannot be estimated" in repr(found)


def test_net_heat_diagonal_and_detaching() -> None:
    """The diagonal holds the designs' contributions; detaching either wild design cools the other."""
    data = contrasts(
        ("1", "B", "A", 0.0, 0.2),
        ("2", "C", "A", 0.0, 0.2),
        ("3", "D", "A", 0.0, 0.2),
        ("4", "C", "B", 3.0, 0.2),
        ("5", "D", "B", 0.0, 0.2),
        ("6", "D", "C", 0.0, 0.2),
    )
    found = network(data, measure="MD")
    heat = found.net_heat()
    by_label = {label: k for k, label in enumerate(heat.labels)}
    wild = by_label["C v B"]
    assert np.trace(heat.heat) == pytest.approx(found.consistency.q_between)
    np.testing.assert_allclose(heat.heat[:, wild], np.diag(heat.heat), atol=1e-9)  # all of it dissolves
    assert heat.share[wild, wild] == pytest.approx(0.5)


# Contributions, ranks, components, funnel -------------------------------------------------------------


@pytest.mark.parametrize("streams", ["random_walk", "shortest_path"])
def test_streams_of_a_loop(streams: str) -> None:
    """C v A of the loop: 2/3 directly, 1/3 over two steps, half of that for each."""
    found = network(LOOP, measure="MD", model="common").contributions(streams=streams)
    row = found.share[found.rows.index(("A", "C"))]
    shares = dict(zip(found.columns, row))
    assert shares["A", "C"] == pytest.approx(2 / 3)
    assert shares["A", "B"] == pytest.approx(1 / 6)
    assert shares["B", "C"] == pytest.approx(1 / 6)


def test_random_walk_by_listing_all_paths() -> None:
    """Every path, its probability and length, listed one by one."""
    found = network(SMALL, model="common").contributions()
    names = sorted({t for pair in found.rows for t in pair})
    for r, (start, end) in enumerate(found.rows):
        flow = {}
        for (a, b), f in zip(found.columns, found.flow[r]):
            if abs(f) > 1e-10:
                flow[(a, b) if f > 0 else (b, a)] = abs(f)
        expected = dict.fromkeys(found.columns, 0.0)
        for size in range(len(names) - 1):
            for between in itertools.permutations([t for t in names if t not in (start, end)], size):
                path = list(itertools.pairwise([start, *between, end]))
                if all(edge in flow for edge in path):
                    p = math.prod(flow[e] / sum(f for g, f in flow.items() if g[0] == e[0]) for e in path)
                    for a, b in path:
                        expected[(a, b) if (a, b) in expected else (b, a)] += p / len(path)
        np.testing.assert_allclose(found.share[r], list(expected.values()), atol=1e-10)
    assert found.share.sum(axis=1) == pytest.approx(1.0)


def test_studies_share_what_their_comparisons_contribute() -> None:
    """A study's shares in all estimates sum to 1 over studies, and a lone study has everything."""
    frame = network(SMALL).study_contributions()
    sums = frame.group_by("treatment_1", "treatment_2").agg(pl.sum("share"))
    assert sums["share"].to_numpy() == pytest.approx(1.0)


def test_ranks_of_two_treatments() -> None:
    """P-score and SUCRA of two treatments are the one-sided certainty; the better one is named."""
    data = contrasts(("s", "T", "C", -0.5, 0.4))
    certainty = stats.norm.cdf(0.5 / 0.4)
    for small_values, sign in (("good", 1), ("bad", -1)):
        found = network(data, measure="OR", reference="C", small_values=small_values)
        ranks = found.ranks(n_draws=40_000, seed=7)
        expected = certainty if sign > 0 else 1 - certainty
        t = found.treatments.index("T")
        assert ranks.p_score[t] == pytest.approx(expected)
        assert ranks.sucra[t] == pytest.approx(expected, abs=4 * ranks.sucra_error[t])
        assert found.ranking()["treatment"][0] == ("T" if sign > 0 else "C")


def test_ranks_are_distributions_and_the_seed_decides() -> None:
    """Rows and columns of rank probabilities sum to 1; scores average one half; a seed decides."""
    found = network(SMALL)
    ranks = found.ranks(n_draws=5_000, seed=3)
    np.testing.assert_allclose(ranks.probability.sum(axis=0), 1.0)
    np.testing.assert_allclose(ranks.probability.sum(axis=1), 1.0)
    assert ranks.p_score.mean() == pytest.approx(0.5)
    assert ranks.sucra.mean() == pytest.approx(0.5)
    again = found.ranks(n_draws=5_000, seed=3)
    np.testing.assert_array_equal(ranks.probability, again.probability)
    assert (ranks.probability != found.ranks(n_draws=5_000, seed=4).probability).any()
    assert (ranks.rank_low <= ranks.median_rank).all()
    assert (ranks.median_rank <= ranks.rank_high).all()


def test_components_add_up() -> None:
    """Placebo does nothing: A is 1, B is 2, A + B is their sum; the whole is exact and fits perfectly."""
    data = contrasts(
        ("1", "A", "placebo", 1.0, 0.5), ("2", "B", "placebo", 2.0, 0.5), ("3", "A + B", "placebo", 3.0, 0.5)
    )
    found = network(data, measure="MD", model="common").components(inactive="placebo")
    assert dict(zip(found.components, found.estimate)) == {
        "A": pytest.approx(1.0),
        "B": pytest.approx(2.0),
    }
    assert found.effects["A + B", "placebo"] == pytest.approx(3.0)
    assert (found.q_difference, found.df_difference) == (pytest.approx(0.0), 1)
    # least squares of 3 equations in 2 unknowns: each component's variance is 2/3 of a study's
    assert found.std_error[0] == pytest.approx(0.5 * math.sqrt(2 / 3))


def test_components_join_parts_that_no_study_joins() -> None:
    """{A, placebo}, {A + B, B} and {B + C, C} share A and B: the effect of A is the mean of two studies."""
    data = contrasts(
        ("1", "A", "placebo", 1.0, 0.5), ("2", "A + B", "B", 2.0, 0.5), ("3", "B + C", "C", 1.0, 0.5)
    )
    found = additive_network(data, measure="MD", model="common", inactive="placebo")
    assert found.estimate[found.components.index("A")] == pytest.approx(1.5)
    assert (found.q, found.df) == (pytest.approx(2.0), 1)


def test_adjusted_funnel_and_egger() -> None:
    """Each study's difference less that of its comparison; Egger's intercept by an ordinary regression."""
    found = network(SMALL, reference="placebo").funnel(["high", "low", "other", "placebo"])
    assert set(zip(found.treatment_1, found.treatment_2)) >= {("high", "placebo"), ("high", "low")}
    for pair in set(zip(found.treatment_1, found.treatment_2)):
        at = [k for k, p in enumerate(zip(found.treatment_1, found.treatment_2)) if p == pair]
        weight = 1 / (found.std_error[at] ** 2 + network(SMALL).tau2)
        assert weight @ found.adjusted[at] == pytest.approx(0.0, abs=1e-9)
    line = stats.linregress(1 / found.std_error, found.adjusted / found.std_error)
    assert found.intercept == pytest.approx(line.intercept)
    assert found.intercept_error == pytest.approx(line.intercept_stderr)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.statistic), found.df))


def test_leaving_out_is_fitting_anew() -> None:
    """Every study in turn, against a whole new fit; Dahl, Eide and Gran alone hold `other` together."""
    found = network(SMALL, reference="placebo", method="REML")
    without = found.leave_one_out()
    for k, name in enumerate(without.studies):
        again = network(SMALL.filter(pl.col("study") != name), reference="placebo", method="REML")
        np.testing.assert_allclose(without.estimate[k], again.effects[:, again.reference_index], atol=1e-9)
        assert without.tau2[k] == pytest.approx(again.tau2, abs=1e-9)


def test_leaving_out_the_only_study_of_a_treatment() -> None:
    """Without study three C is not connected: no number for C, the others stand."""
    found = network(LOOP.head(2), measure="MD", reference="A", model="common")
    without = found.leave_one_out()
    k = without.studies.index("two")
    assert math.isnan(without.estimate[k, found.treatments.index("C")])
    assert without.estimate[k, found.treatments.index("B")] == pytest.approx(1.0)


# Counts ----------------------------------------------------------------------------------------------


def test_mantel_haenszel_of_one_design_is_the_classic() -> None:
    """Two treatments: sum of ad/N over sum of bc/N, with Robins, Breslow and Greenland's variance."""
    data = arms(
        ("1", "T", 4, 40),
        ("1", "C", 9, 42),
        ("2", "T", 0, 30),
        ("2", "C", 3, 28),
        ("3", "T", 7, 90),
        ("3", "C", 8, 88),
    )
    found = network(data, method="MH", model="common", reference="C")
    a, n1 = np.array([4, 0, 7.0]), np.array([40, 30, 90.0])
    c, n2 = np.array([9, 3, 8.0]), np.array([42, 28, 88.0])
    b, d, N = n1 - a, n2 - c, n1 + n2
    R, S, P, Q = a * d / N, b * c / N, (a + d) / N, (b + c) / N
    variance = (P * R).sum() / 2 / R.sum() ** 2 + (P * S + Q * R).sum() / 2 / R.sum() / S.sum()
    variance += (Q * S).sum() / 2 / S.sum() ** 2
    assert found.common["T", "C"] == pytest.approx(math.log(R.sum() / S.sum()))
    assert found.common.std_error[1, 0] == pytest.approx(math.sqrt(variance))


def test_mantel_haenszel_of_one_large_three_arm_study_is_woolf() -> None:
    """A single study's odds ratios are its own; the variance is near Woolf's and positive for every pair."""
    data = arms(("1", "A", 400, 1000), ("1", "B", 500, 1000), ("1", "C", 450, 1000))
    found = network(data, method="MH", model="common", reference="A")
    assert found.common["B", "A"] == pytest.approx(math.log((500 / 500) / (400 / 600)))
    assert found.common["C", "B"] == pytest.approx(math.log((450 / 550) / (500 / 500)))
    woolf = network(data, model="common", reference="A")
    np.testing.assert_allclose(found.std_errors, woolf.std_errors, rtol=0.02)


def test_conditional_moments_by_listing_tables() -> None:
    """Three arms, every table of the same total listed."""
    size, theta, events = np.array([6.0, 5.0, 4.0]), np.array([0.3, -0.4, 1.0]), np.array([2.0, 1.0, 3.0])
    total, tables = 6, []
    for r in itertools.product(range(7), range(6), range(5)):
        if sum(r) == total:
            weight = math.prod(math.comb(int(n), k) * math.exp(t * k) for n, k, t in zip(size, r, theta))
            tables.append((np.array(r, float), weight))
    whole = sum(w for _, w in tables)
    mean = sum(w * r for r, w in tables) / whole
    covariance = sum(w * np.outer(r - mean, r - mean) for r, w in tables) / whole
    log_p, ours, spread = conditional_moments(events, size, theta)
    np.testing.assert_allclose(ours, mean, atol=1e-12)
    np.testing.assert_allclose(spread, covariance, atol=1e-12)
    own = next(w for r, w in tables if (r == events).all())
    assert log_p == pytest.approx(math.log(own / whole))


def test_conditional_moments_of_large_studies_do_not_underflow() -> None:
    """Thousands of events: near the unconditional binomials' moments."""
    log_p, mean, spread = conditional_moments(
        np.array([2000.0, 2400.0]), np.array([5000.0, 5000.0]), np.array([0.0, 0.3])
    )
    assert math.isfinite(log_p)
    assert mean.sum() == pytest.approx(4400)
    assert spread[0, 0] > 0
    assert spread[0, 1] == pytest.approx(-spread[0, 0])


def test_random_logit_likelihood_by_a_fixed_grid() -> None:
    """The log likelihood at our estimates, each study's integral on a fixed grid of 80 nodes a dimension.

    Baselines are found anew for each study.  Moving an effect or tau2 from our estimates lowers the sum.
    """
    wild = (pl.col("study") == "Berg") & (pl.col("treatment") == "high")
    data = SMALL.with_columns(events=pl.when(wild).then(40).otherwise("events"))
    found = network(data, method="GLMM", reference="placebo", quadrature_points=15)
    assert found.tau2 > 0.05
    t, weight = np.polynomial.hermite_e.hermegauss(80)

    def total(effect: np.ndarray, tau2: float) -> float:
        value = 0.0
        for _, study in data.group_by("study", maintain_order=True):
            y, n = study["events"].to_numpy()[:, None], study["n"].to_numpy()[:, None]
            d = np.array([effect[found.treatments.index(name)] for name in study["treatment"]])[:, None]
            if len(y) == 2:  # +- half of the study's deviation
                u, w = np.array([[0.5], [-0.5]]) * math.sqrt(tau2) * t, weight
            else:  # any two orthonormal contrasts will do: (1, -1, 0) and (1, 1, -2)
                one, two = (g.ravel() for g in np.meshgrid(t, t))
                w = np.outer(weight, weight).ravel()
                basis = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])
                u = basis.T @ np.array([one, two]) * math.sqrt(tau2 / 2)

            def minus(a: float, y=y, n=n, d=d, u=u, w=w) -> float:
                eta = a + d + u
                log_f = (stats.binom.logpmf(y, n, 1 / (1 + np.exp(-eta)))).sum(axis=0)
                return -math.log(float(np.exp(log_f) @ w) / w.sum())

            rate = math.log(y.sum() / (n.sum() - y.sum()))
            best = optimize.minimize_scalar(
                minus, bounds=(rate - 3, rate + 3), method="bounded", options={"xatol": 1e-9}
            )
            value -= best.fun
        return value

    effect, tau2 = found.random.coefficient, found.tau2
    at_peak = total(effect, tau2)
    assert found.likelihood.log_likelihood == pytest.approx(at_peak, abs=1e-6)
    for k in range(1, len(effect)):
        moved = effect.copy()
        moved[(found.reference_index + k) % len(effect)] += 0.02
        assert total(moved, tau2) < at_peak
    assert total(effect, tau2 * 1.05) < at_peak
    assert total(effect, tau2 * 0.95) < at_peak


def test_poisson_model_of_two_arms_is_the_ratio_of_rates() -> None:
    """One study: the rate ratio and its usual error; person-time counts, patients do not."""
    data = pl.DataFrame(
        {"study": ["s", "s"], "treatment": ["T", "C"], "events": [12, 30], "person_time": [110.0, 95.5]}
    )
    found = network(data, measure="IRR", method="GLMM", model="common", reference="C")
    assert found.common["T", "C"] == pytest.approx(math.log(12 / 110 / (30 / 95.5)))
    assert found.common.std_error[1, 0] == pytest.approx(math.sqrt(1 / 12 + 1 / 30))
    by_contrast = network(data, measure="IRR", model="common", reference="C")
    assert by_contrast.common["T", "C"] == pytest.approx(found.common["T", "C"])
