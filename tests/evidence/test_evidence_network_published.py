"""What netmeta prints for Senn's diabetes network (2013), reproduced to every printed digit.

Source: the printed output of netmeta's `netmeta` and `decomp.design` for its data set Senn2013, whose
contrasts have standard errors of four decimals [balduzzi2023; ruecker2012].  The same contrasts are made here
from the arms.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import polars as pl
import pytest

from flarefree.evidence.networks import Network, network

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def senn(shared: Path) -> Network:
    frame = pl.read_csv(shared / "data" / "meta_analysis" / "dat.senn2013.csv")
    rows = []
    for (study,), group in frame.group_by("study", maintain_order=True):
        for a, b in itertools.combinations(group.iter_rows(named=True), 2):
            error = math.sqrt(a["sdi"] ** 2 / a["ni"] + b["sdi"] ** 2 / b["ni"])
            rows.append((study, a["treatment"], b["treatment"], a["mi"] - b["mi"], round(error, 4)))
    columns = ["study", "treatment_1", "treatment_2", "estimate", "std_error"]
    return network(pl.DataFrame(rows, schema=columns, orient="row"), measure="MD", reference="placebo")


def test_effects_against_placebo(senn: Network) -> None:
    """Common and random effects, four decimals."""
    printed = {
        "acarbose": (-0.8274, -0.8418),
        "metformin": (-1.1141, -1.1268),
        "rosiglitazone": (-1.2018, -1.2335),
        "sitagliptin": (-0.5700, -0.5700),
        "vildagliptin": (-0.7000, -0.7000),
    }
    for name, (common, random) in printed.items():
        assert round(senn.common[name, "placebo"], 4) == pytest.approx(common, abs=1e-4)
        assert round(senn.random[name, "placebo"], 4) == pytest.approx(random, abs=1e-4)


def test_heterogeneity(senn: Network) -> None:
    """tau2 0.1087, tau 0.3297, I2 81.4% (72.0 to 87.7), Q 96.99 on 18."""
    found = senn.heterogeneity
    assert (round(found.tau2, 4), round(found.tau, 4)) == (0.1087, 0.3297)
    assert tuple(round(100 * v, 1) for v in (found.i2, found.i2_low, found.i2_high)) == (81.4, 72.0, 87.7)
    assert (round(found.q, 2), found.df) == (96.99, 18)


def test_q_within_and_between_designs(senn: Network) -> None:
    """74.46 on 11 within, 22.53 on 7 between (P 0.0021)."""
    parts = senn.consistency
    assert (round(parts.q_within, 2), parts.df_within) == (74.46, 11)
    assert (round(parts.q_between, 2), parts.df_between, round(parts.p_between, 4)) == (22.53, 7, 0.0021)


def test_each_design(senn: Network) -> None:
    """Q within five designs, and between designs after detaching three."""
    designs = {d.treatments: d for d in senn.consistency.designs}
    for pair, q, df in (
        (("metformin", "placebo"), 42.16, 2),
        (("placebo", "rosiglitazone"), 21.27, 5),
        (("benfluorex", "placebo"), 4.38, 1),
        (("miglitol", "placebo"), 6.45, 2),
        (("metformin", "rosiglitazone"), 0.19, 1),
    ):
        assert (round(designs[pair].q, 2), designs[pair].df) == (q, df)
    for pair, q, p in (
        (("rosiglitazone", "sulfonylurea"), 6.77, 0.3425),
        (("metformin", "sulfonylurea"), 7.51, 0.2760),
        (("placebo", "rosiglitazone"), 16.29, 0.0123),
    ):
        found = designs[pair]
        assert (round(found.q_detached, 2), found.df_detached, round(found.p_detached, 4)) == (q, 6, p)
