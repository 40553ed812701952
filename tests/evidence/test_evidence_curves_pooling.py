"""Many draws, one hazard ratio: Rubin's rules by hand, enough draws, and limits that cover the truth."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import numpy as np
import polars as pl
import pytest

import flarefree as ff
from flarefree.errors import EvidenceError
from flarefree.evidence.curves.pooling_draws import draws_that_suffice, pool_by_rubin
from flarefree.stats.survival import batch_trials, fit_cox

SD = 0.004  # of the digitizing error in the virtual figures


def virtual_trial(seed: int, n: int = 150, ratio: float = 0.6):
    """Two arms of known patients."""
    rng = np.random.default_rng([77, seed])
    arm = np.repeat([0, 1], n)
    failure = rng.exponential(30 * np.where(arm, 1 / ratio, 1.0))
    censoring = np.minimum(rng.exponential(60, 2 * n), rng.uniform(18, 36, 2 * n))
    return np.minimum(failure, censoring), failure <= censoring, arm


def figure_of(time, event, arm, seed: int, clicks: int = 80, every: float = 6.0):
    """What a reader would take from the trial's figure: clicks with errors, and the risk table."""
    rng = np.random.default_rng([78, seed])
    points, risk = [], []
    for a, label in enumerate(("placebo", "drug")):
        own = np.argsort(time[arm == a])
        t, e = time[arm == a][own], event[arm == a][own]
        curve = np.concatenate([[1.0], np.cumprod(1 - e / (t.size - np.arange(t.size)))])
        at = np.linspace(0, t[-1], clicks)
        seen = curve[np.searchsorted(t, at, side="right")] + SD * rng.standard_normal(clicks) * (at > 0)
        grid = np.arange(0, t[-1], every)
        points.append(pl.DataFrame({"arm": [label] * clicks, "time": at, "survival": np.clip(seen, 0, 1)}))
        risk.append(
            pl.DataFrame(
                {"arm": [label] * grid.size, "time": grid, "at_risk": [int((t >= g).sum()) for g in grid]}
            )
        )
    return pl.concat(points), pl.concat(risk)


def reconstructed(seed: int, **choices):
    time, event, arm = virtual_trial(seed)
    points, risk = figure_of(time, event, arm, seed)
    choices = {"draws": 20, "digitization_sd": SD, "seed": seed} | choices
    return ff.evidence.reconstruct(points, at_risk=risk, **choices)


def test_rubins_rules_by_hand():
    """Three draws: 1, 2, 3 with variances 2, 2, 5: W = 3, B = 1, T = 3 + 4/3; df = 2 (1 + 3 / (4/3))^2."""
    pooled = pool_by_rubin(np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 5.0]), level=0.95)
    assert pooled.estimate == 2 and pooled.within == 3 and pooled.between == 1
    assert pooled.std_error == pytest.approx(math.sqrt(3 + 4 / 3))
    assert pooled.df == pytest.approx(2 * (1 + 9 / 4) ** 2)
    ratio = 4 / 9
    assert pooled.missing_information == pytest.approx((ratio + 2 / (pooled.df + 3)) / (ratio + 1))
    # t of 21.125 degrees of freedom at 0.975: between 2.0796 (21) and 2.0739 (22)
    half = (pooled.conf_high - pooled.conf_low) / 2 / pooled.std_error
    assert 2.0739 < half < 2.0796


def test_draws_that_agree_leave_the_plain_limits():
    pooled = pool_by_rubin(np.full(5, 0.3), np.full(5, 0.04), level=0.95)
    assert pooled.df == math.inf and pooled.missing_information == 0
    assert pooled.conf_high == pytest.approx(0.3 + 1.959964 * 0.2, abs=1e-6)
    assert draws_that_suffice(pooled, 0.05) == 2


def test_more_missing_information_asks_for_more_draws():
    """The quadratic rule: 1 + (g / 0.05)^2 / 2 with g the upper limit of the fraction."""
    rng = np.random.default_rng(1)
    needed = []
    for spread in (0.01, 0.1, 0.3):
        pooled = pool_by_rubin(spread * rng.standard_normal(40), np.full(40, 0.04), level=0.95)
        needed.append(draws_that_suffice(pooled, 0.05))
        g = pooled.missing_information
        logit = math.log(g / (1 - g)) + 1.959964 * math.sqrt(2 / 40)
        assert needed[-1] == max(2, math.ceil(1 + 0.5 * (1 / (1 + math.exp(-logit)) / 0.05) ** 2))
    assert needed == sorted(needed) and needed[0] < 5 < 60 < needed[-1]


def test_auto_takes_as_many_draws_as_are_needed():
    """A large trial without a table, read roughly: much of what it knew is missing; 20 draws are too few."""
    time, event, arm = virtual_trial(1, n=2000)
    points, _ = figure_of(time, event, arm, 1)
    n = {"placebo": 2000, "drug": 2000}
    found = ff.evidence.reconstruct(points, n=n, draws="auto", digitization_sd=0.03)
    first = ff.evidence.reconstruct(points, n=n, draws=20, digitization_sd=0.03)
    assert found.draws == max(20, first.draws_needed()) and found.draws > 20
    assert reconstructed(1, draws="auto").draws == 20


def test_the_pooled_ratio_is_that_of_cox_models_draw_by_draw():
    found = reconstructed(2, draws=6)
    pooled = found.pooled_hazard_ratio("drug", "placebo")
    fits = []
    for draw in range(6):
        rows = found.patients(draw)
        fit = fit_cox(rows["time"].to_numpy(), rows["event"].to_numpy(), (rows["arm"] == "drug").to_numpy())
        fits.append((fit.coef[0], fit.std_error[0] ** 2))
    values = np.array(fits)
    assert pooled.log.estimate == pytest.approx(values[:, 0].mean(), abs=1e-8)
    assert pooled.log.within == pytest.approx(values[:, 1].mean(), rel=1e-6)
    assert pooled.log.between == pytest.approx(values[:, 0].var(ddof=1), rel=1e-5)
    assert (pooled.log.lowest, pooled.log.highest) == pytest.approx((values[:, 0].min(), values[:, 0].max()))
    back = found.pooled_hazard_ratio("placebo", "drug")
    assert back.estimate == pytest.approx(1 / pooled.estimate)
    assert "missing information" in repr(pooled)


def test_fits_of_one_data_set_are_those_of_the_survival_package():
    found = reconstructed(3)
    rows = found.patients()
    assert found.cox().coef[0] == pytest.approx(math.log(found.pooled_hazard_ratio().estimate), abs=0.1)
    assert found.logrank().n.sum() == rows.height == 300
    assert set(found.kaplan_meier().groups) == {"drug", "placebo"}
    assert found.logrank_statistics().shape == (20,)
    pooled = found.pool(lambda time, event, arm: (event.sum(), 1.0))
    assert pooled.estimate == pytest.approx(np.mean([p.event.sum(axis=1) for p in found.pseudo]) * 2)


def test_contrast_rows_go_into_a_pairwise_analysis():
    rows = pl.concat([reconstructed(s).contrast_rows(f"study {s}") for s in range(3)])
    assert rows.columns == ["study", "treatment_1", "treatment_2", "estimate", "std_error"]
    assert set(rows["treatment_1"]) == {"drug"} and set(rows["treatment_2"]) == {"placebo"}
    pooled = ff.evidence.pairwise(rows, measure="HR", method="FE")
    weights = 1 / rows["std_error"].to_numpy() ** 2
    expected = float((weights * rows["estimate"].to_numpy()).sum() / weights.sum())
    assert pooled.estimate == pytest.approx(expected) or pooled.estimate == pytest.approx(math.exp(expected))


def test_an_arm_without_events_has_no_ratio_and_says_so():
    points = {"arm": ["a", "a", "b", "b"], "time": [0, 6, 0, 6], "survival": [1, 1.0, 1, 0.7]}
    found = ff.evidence.reconstruct(points, n={"a": 50, "b": 40}, draws=3)
    with pytest.raises(EvidenceError, match="does not exist"):
        found.pooled_hazard_ratio()


def _coverage(trials: int, **choices) -> tuple[int, np.ndarray, np.ndarray]:
    covered, differences, statistics = 0, [], []
    for seed in range(trials):
        found = reconstructed(seed, **choices)
        log = found.pooled_hazard_ratio("drug", "placebo").log
        covered += log.conf_low <= math.log(0.6) <= log.conf_high
        time, event, arm = virtual_trial(seed)
        test, fit = batch_trials(time[None], event[None], arm).compare()
        differences.append((log.estimate - fit.coef[0]) / fit.std_error[0])
        statistics.append(np.sqrt(found.logrank_statistics()).mean() - abs(test.z[0]))
    return covered, np.array(differences), np.array(statistics)


@pytest.mark.parametrize("method", ["guyot", "closest"])
def test_the_true_ratio_lies_in_the_limits_and_the_trials_own_estimate_is_near(method):
    """100 virtual trials; 95 of them expected in the limits, with a standard error of 2.2."""
    covered, differences, statistics = _coverage(100, method=method)
    assert covered >= 95 - 3 * 2.2
    # Against the Cox model of the very patients: a tenth of its standard error, and no lean to a side.
    assert np.abs(differences).mean() < 0.1 and abs(differences.mean()) < 0.03
    assert np.abs(statistics).mean() < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["guyot", "closest"])
def test_coverage_over_two_thousand_virtual_trials(method):
    """Monte Carlo standard error of 95%: 0.49 percentage points."""
    covered, differences, _ = _coverage(2000, method=method)
    assert abs(covered / 2000 - 0.95) < 3 * 0.0049
    assert abs(differences.mean()) < 0.02


# Figures -----------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def test_the_figure_has_points_bands_curves_and_the_printed_table():
    found = reconstructed(4)
    root = ET.fromstring(found.plot()._repr_svg_())
    words = ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]
    assert {"placebo", "drug", "No. at risk", "150"} <= set(words)
    assert len(list(root.iter(f"{SVG}circle"))) == 160
    colors = {c.get("stroke") for c in root.iter(f"{SVG}circle")}
    assert len(colors) == 2
    assert "Reconstructed survival curves" in next(root.iter(f"{SVG}desc")).text
    with pytest.raises(EvidenceError, match="no such kind"):
        found.plot("pie")


def test_the_figures_data_are_what_is_drawn():
    main = reconstructed(4).plot().data["main"]
    assert (main["low"] <= main["estimate"]).all() and (main["estimate"] <= main["high"]).all()
    assert main["given"].null_count() == main.height - 160


def test_the_range_of_a_statistic_is_drawn_with_the_print():
    table = {
        "A": {"at_risk": [9, 5, 1], "events": [0, 2, 2]},
        "B": {"at_risk": [8, 4, 1], "events": [0, 3, 1]},
    }
    first = ff.evidence.log_rank_range(table, printed=0.4, draws=50)
    second = ff.evidence.log_rank_range(table, printed=0.4, ties="none", draws=0)
    root = ET.fromstring(first.plot(second)._repr_svg_())
    words = " ".join("".join(element.itertext()) for element in root.iter(f"{SVG}text"))
    assert "printed 0.4" in words and "any ties" in words and "no ties" in words
    assert sum(e.get("fill") == "#1d5a96" for e in root.iter(f"{SVG}rect")) == 1  # the second has no sample
