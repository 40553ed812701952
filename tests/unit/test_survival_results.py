"""What survival functions refuse, and how their results read."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import flarefree.stats.survival as survival
from flarefree.errors import NoEventsError, StatsError
from flarefree.stats.survival import (
    Measurement,
    TimeToEvent,
    batch_trials,
    cumulative_incidence,
    fine_gray,
    gray,
    incidence_rate,
    kaplan_meier,
    landmark,
    logrank,
    logrank_trend,
    mean_cumulative_function,
    piecewise_exponential,
    rate_ratio,
    rmst,
    win_ratio,
)

TIME = [5.0, 8.0, 8.0, 12.0, 20.0, 20.0, 31.0, 40.0]
EVENT = [1, 0, 1, 1, 0, 1, 1, 0]
ARM = ["AZA", "MMF", "AZA", "MMF", "AZA", "MMF", "AZA", "MMF"]


def test_all_names_are_there_and_no_module_hides_one():
    """`from flarefree.stats.survival import rmst` must give the function in whatever order things load."""
    modules = {
        name.rpartition(".")[2] for name in sys.modules if name.startswith("flarefree.stats.survival.")
    }
    for name in survival.__all__:
        value = getattr(survival, name)
        assert callable(value), name
        assert name not in modules, f"a module of the name {name} would hide it"


def test_importing_survival_does_not_load_numba():
    code = "import sys, flarefree.stats.survival; print('numba' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_scipy_stats_is_never_imported():
    """It takes a second; quantiles and tails come from elsewhere."""
    code = (
        "import sys; from flarefree.stats.survival import *; import flarefree.stats.survival as s;"
        "s.kaplan_meier([1,2,3],[1,0,1]); s.logrank([1,2,3],[1,1,1],[0,1,1]); s.incidence_rate(3, 10.0);"
        "s.fit_cox([1,2,3,4],[1,1,0,1],[0.,1.,1.,0.]); print('scipy.stats' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kaplan_meier([], []), "no rows"),
        (lambda: kaplan_meier([1, 2], [1]), "unequal length"),
        (lambda: kaplan_meier([1, -2], [1, 0]), "negative time"),
        (lambda: kaplan_meier([1, math.nan], [1, 0]), "missing or infinite"),
        (lambda: kaplan_meier([1, 2], [1, 2]), "0 or 1"),
        (lambda: kaplan_meier(["a", "b"], [1, 0]), "not an array of numbers"),
        (lambda: kaplan_meier([1, 2], [1, 0], conf_type="cloglog"), "confidence limits"),
        (lambda: kaplan_meier([1, 2], [1, 0], level=1), "confidence level"),
        (lambda: kaplan_meier([1, 2], [1, 0], ["a", None]), "missing label"),
        (lambda: kaplan_meier([1, 2], [1, 0], weights=[1, -1]), "negative weight"),
        (lambda: kaplan_meier([1, 2], [1, 0], entry=[0, 2]), "ends before it begins"),
        (lambda: kaplan_meier([1, 2], [1, 0], entry=[1 - 1e-12, 0]), "no longer than rounding"),
        (lambda: kaplan_meier([[1, 2]], [1, 0]), "not one-dimensional"),
        (lambda: kaplan_meier(TIME, EVENT)["MMF"], "no curve of that group"),
        (lambda: kaplan_meier(TIME, EVENT).quantile(1.0), "share"),
        (lambda: logrank(TIME, EVENT, ["x"] * 8), "one group only"),
        (lambda: logrank(TIME, [0] * 8, ARM), "nobody had the event"),
        (lambda: logrank_trend(TIME, EVENT, ARM, scores=[1, 1]), "no variance"),
        (lambda: cumulative_incidence(TIME, [0] * 8), "nobody had an event"),
        (lambda: cumulative_incidence(TIME, EVENT, weights=[1] * 8, variance="aalen"), "no such variance"),
        (lambda: gray(TIME, EVENT, [1] * 8), "one group only"),
        (lambda: fine_gray(TIME, EVENT, np.ones((8, 1)), interest=3), "cause of interest"),
        (lambda: rmst(TIME, EVENT, ARM, tau=41), "beyond the last observation"),
        (lambda: rmst(TIME, EVENT, tau=-1), "not a time"),
        (lambda: incidence_rate(-1, 3), "missing or negative"),
        (lambda: incidence_rate(1.5, 3), "not a count"),
        (lambda: incidence_rate(1, 3, method="wald"), "no such kind"),
        (lambda: rate_ratio((1, 2), (0, 3)), "nobody was at risk"),
        (lambda: landmark(TIME, EVENT, 50), "nobody was at risk"),
        (lambda: mean_cumulative_function([5, 6], [1, 1], ["Ada", "Ada"]), "overlap"),
        (lambda: piecewise_exponential(TIME, EVENT, cuts=(5, 5)), "ascend"),
        (lambda: win_ratio(["a", "b", "c"], [Measurement([1, 2, 3])]), "two arms"),
        (lambda: win_ratio(["a", "b"], []), "no outcomes"),
        (lambda: batch_trials([1, 2], [True, False], [0, 1]), "trials by patients"),
        (lambda: batch_trials([[1, 2]], [[True, False]], [0, 7]), "not codes"),
        (lambda: batch_trials([[1, 2, 3]], [[True] * 3], [0, 1, 2]).logrank(), "two groups"),
    ],
)
def test_what_cannot_be_computed_is_refused(call, message):
    with pytest.raises(StatsError, match=message) as caught:
        call()
    assert caught.value.exit_code == 2


def test_the_hint_names_the_code_that_may_mean_the_event():
    with pytest.raises(StatsError) as caught:
        kaplan_meier([1, 2, 3], [1, 2, 1])
    assert "event == 2" in str(caught.value)


def test_nobody_with_an_event_is_a_level_curve_but_no_test():
    found = kaplan_meier([3, 5, 9], [0, 0, 0])
    assert found.at([4])["estimate"].to_list() == [1.0]
    assert found.median()["median"].to_list() == [None]
    with pytest.raises(NoEventsError):
        logrank([3, 5, 9], [0, 0, 0], [0, 1, 1])


def test_death_on_the_first_day_and_everybody_dead():
    found = kaplan_meier([0, 0, 4, 4], [1, 0, 1, 1])
    assert found.tidy()["estimate"].to_list() == [0.75, 0.0]
    last = found.tidy().row(1, named=True)
    assert last["std_error"] is None
    assert last["conf_low"] is None


def test_at_before_at_and_after_the_curve():
    found = kaplan_meier(TIME, EVENT, ARM)
    frame = found.at([0, 8, 50])
    mmf = frame.filter(pl.col("group") == "MMF")
    assert mmf["estimate"].to_list() == [1.0, 1.0, None]
    assert mmf["n_risk"].to_list() == [4.0, 4.0, 0.0]
    assert found.at([50], extend=True)["estimate"].null_count() == 0
    counts = found.n_at_risk([0, 10, 31])
    aza = counts.filter(pl.col("group") == "AZA")
    assert aza["n_risk"].to_list() == [4.0, 2.0, 1.0]
    assert aza["n_event"].to_list() == [0.0, 2.0, 3.0]
    assert aza["n_censor"].to_list() == [0.0, 0.0, 1.0]


def test_categoricals_keep_their_order():
    order = pl.Enum(["MMF", "AZA", "never used"])
    found = kaplan_meier(TIME, EVENT, pl.Series(ARM, dtype=order))
    assert found.groups == ("MMF", "AZA")
    pandas = pytest.importorskip("pandas")
    categorical = pandas.Series(pandas.Categorical(ARM, ["MMF", "AZA"]))
    assert kaplan_meier(TIME, EVENT, categorical).groups == ("MMF", "AZA")
    assert logrank(TIME, EVENT, np.array(ARM, dtype=object)).groups == ("AZA", "MMF")


def test_strata_may_be_several_factors():
    sex, region = ["f", "f", "m", "m"] * 2, ["eu", "eu", "us", "us", "us", "us", "eu", "eu"]
    crossed = [f"{a}{b}" for a, b in zip(sex, region)]
    a, b = logrank(TIME, EVENT, ARM, strata=[sex, region]), logrank(TIME, EVENT, ARM, strata=crossed)
    assert a.statistic == pytest.approx(b.statistic)
    assert len(a.strata) == 4
    assert a.strata[0] == ("f", "eu")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda: kaplan_meier(TIME, EVENT, ARM), ["log-log limits", "Greenwood", "AZA"]),
        (lambda: logrank(TIME, EVENT, ARM, rho=1), ["Fleming-Harrington", "hypergeometric", "chi-square"]),
        (lambda: logrank_trend(TIME, EVENT, ARM), ["trend over scores 1, 2"]),
        (lambda: incidence_rate(3, 40.0), ["Rate per 100", "exact (Garwood)"]),
        (lambda: rate_ratio((5, 3), (10, 12)), ["exact method, second over first"]),
        (lambda: rmst(TIME, EVENT, ARM, tau=30), ["to 30", "difference, MMF vs AZA"]),
        (lambda: cumulative_incidence(TIME, EVENT, ARM), ["Aalen-Johansen", "infinitesimal jackknife"]),
        (lambda: gray(TIME, EVENT, ARM), ["Gray's test, rho 0, 2 groups"]),
        (lambda: fine_gray(TIME, EVENT, np.arange(8.0) % 3), ["Breslow ties", "sandwich variance"]),
        (lambda: landmark(TIME, EVENT, 8), ["5 at risk", "2 with an event and 1 censored by then"]),
        (lambda: mean_cumulative_function(TIME, EVENT, range(8)), ["Lawless-Nadeau"]),
        (lambda: piecewise_exponential(TIME, EVENT, cuts=(10,)), ["2 intervals", "(10, end]"]),
        (lambda: win_ratio(ARM, [TimeToEvent(TIME, EVENT)]), ["16 pairs", "net benefit"]),
    ],
)
def test_a_result_reads_well_and_has_frames(result, words):
    found = result()
    for word in words:
        assert word in repr(found)
    assert isinstance(found.tidy(), pl.DataFrame)
    assert found.glance().height == 1
    with pytest.raises((AttributeError, TypeError)):
        found.level = 0.5


def test_a_landmark_counts_time_from_itself():
    found = landmark(TIME, EVENT, 8)
    assert found.rows.tolist() == [3, 4, 5, 6, 7]
    assert found.time.tolist() == [4.0, 12.0, 12.0, 23.0, 32.0]
    assert found.logrank(ARM).n.tolist() == [2, 3]
    assert found.kaplan_meier(ARM).groups == ("AZA", "MMF")


def test_vectors_of_rates_keep_their_shape_and_numbers_theirs():
    one = incidence_rate(3, 40.0)
    assert isinstance(one.rate, float)
    many = incidence_rate([3, 0], [40.0, 0.0])
    assert many.rate.shape == (2,)
    assert np.isnan(many.rate[1])
    assert many.tidy()["estimate"].to_list() == [7.5, None]


def test_single_and_one_arm_strata_add_nothing():
    strata = [0] * 8 + [1, 2, 2]
    more = logrank([*TIME, 3, 4, 5], [*EVENT, 1, 1, 1], [*ARM, "AZA", "MMF", "MMF"], strata=strata)
    assert more.statistic == pytest.approx(logrank(TIME, EVENT, ARM).statistic)


def test_modules_are_importable_one_by_one():
    """No module needs another to have been imported before it."""
    code = "import importlib, sys; importlib.import_module(sys.argv[1])"
    for name in ("batch", "competing", "win", "frailty"):
        done = subprocess.run(
            [sys.executable, "-c", code, f"flarefree.stats.survival.{name}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert importlib.import_module("flarefree.stats.survival.rates")
