"""Dates on which a target is reached against R, which has the distribution itself and draws no course."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from flarefree.conduct.recruiting import SiteRecord, forecast_recruitment

REFERENCE = Path(__file__).parents[1] / "reference" / "recruiting" / "recruiting.csv"
ROWS = list(csv.DictReader(REFERENCE.read_text("utf-8").splitlines()))
TODAY = date(2026, 1, 1)


def sites_of(row: dict[str, str]) -> list[SiteRecord]:
    told = zip(*(map(int, row[name].split()) for name in ("patients", "days", "open")), strict=True)
    return [SiteRecord(f"{k}", n, days, bool(is_open)) for k, (n, days, is_open) in enumerate(told)]


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_dates_are_those_of_the_distribution(row):
    """See tests/reference/recruiting/recruiting.R: 3% and a day, the error of 16,000 courses."""
    found = forecast_recruitment(sites_of(row), int(row["target"]), TODAY)
    for name in ("earliest", "median", "latest"):
        assert (getattr(found, name) - TODAY).days == pytest.approx(float(row[name]), rel=0.03, abs=1), name
    assert found.per_month == pytest.approx(float(row["per_month"]), rel=1e-4)
    assert not found.is_reached


def test_the_80_percent_hold_80_percent_early_on_too():
    """Ten sites that opened at different times and brought some 15 patients: what they share is not known."""
    rng = np.random.default_rng(20261120)
    inside, count = 0, 300
    for _ in range(count):
        rates = rng.exponential(0.025, 10)
        days = (100 - rng.uniform(0, 80, 10)).astype(int)
        patients = rng.poisson(rates * days)
        missing = 227 - int(patients.sum())
        sites = [
            SiteRecord(f"{k}", int(n), int(d)) for k, (n, d) in enumerate(zip(patients, days, strict=True))
        ]
        found = forecast_recruitment(sites, 227, TODAY)
        truth = rng.gamma(missing) / rates.sum()
        inside += (found.earliest - TODAY).days <= truth <= (found.latest - TODAY).days
    # Three standard errors of 300: 7 points; with the pooled rate taken for known it was 67%.
    assert inside / count == pytest.approx(0.80, abs=0.07)


def test_a_target_that_is_reached_is_forecast_no_more():
    found = forecast_recruitment([SiteRecord("a", 30, 100)], 30, TODAY)
    assert found.is_reached and found.median == TODAY


def test_a_closed_site_brings_nobody_more():
    sites = [SiteRecord("a", 30, 100, is_open=False), SiteRecord("b", 30, 100)]
    alone = forecast_recruitment(sites, 120, TODAY)
    both = forecast_recruitment([SiteRecord("a", 30, 100), sites[1]], 120, TODAY)
    assert both.per_month == pytest.approx(2 * alone.per_month, rel=1e-6)
    assert (alone.median - TODAY).days == pytest.approx(2 * (both.median - TODAY).days, rel=0.03)
