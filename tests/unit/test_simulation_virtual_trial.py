"""The virtual trial: like ALMS in its margins, labelled virtual, the same bytes for the same seed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import flarefree as ff
from flarefree.records.study import Study
from flarefree.simulation.courses import MONTHS_BEFORE, Parameters, follow_courses
from flarefree.simulation.patients import draw_patients
from flarefree.simulation.virtual_trial import write_virtual_trial


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_virtual_trial(tmp_path_factory.mktemp("virtual") / "study")


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return ff.read_study(folder)


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_the_study_says_that_it_is_virtual(study: Study, folder: Path) -> None:
    assert study.is_virtual
    assert "nobody in these files exists" in (folder / "study.yaml").read_text("utf-8")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first = digests(write_virtual_trial(tmp_path / "a", size=30, seed=5))
    assert digests(write_virtual_trial(tmp_path / "b", size=30, seed=5)) == first
    assert digests(write_virtual_trial(tmp_path / "c", size=30, seed=6))["lb.csv"] != first["lb.csv"]


def test_characteristics_have_the_margins_of_table_1() -> None:
    """[dooley2011] Table 1, both arms: 195 of 227 female, 23 Black, 76 Asian, 35 class V; 20,000 draws."""
    p = draw_patients(20_000, frailty_sd=0.8, rng=np.random.default_rng(1))
    shares = {
        "female": (np.mean(p.sex == "F"), 195 / 227),
        "black": (np.mean(p.race == "BLACK OR AFRICAN AMERICAN"), 23 / 227),
        "asian": (np.mean(p.race == "ASIAN"), 76 / 227),
        "class V": (np.mean(p.biopsy_class == "V"), 35 / 227),
        "MMF": (np.mean(p.arm == "MMF"), 0.5),
    }
    # Four standard errors of a share of 20,000 are at most 0.015.
    assert {name: abs(found - printed) < 0.015 for name, (found, printed) in shares.items()} == dict.fromkeys(
        shares, True
    )
    # Printed mean 31.8 and 31.0 years; 906 and 820 mg of protein a day.
    assert np.mean(p.age_years) == pytest.approx(31.4, abs=1.0)
    assert np.mean(p.proteinuria) == pytest.approx(0.864, abs=0.05)
    assert np.mean(np.exp(p.frailty)) == pytest.approx(1.0, abs=0.04)


def test_arms_are_balanced_within_every_stratum_to_half_a_block() -> None:
    p = draw_patients(400, frailty_sd=0.8, rng=np.random.default_rng(3))
    strata = pl.DataFrame({"drug": p.induction_drug, "race": p.race, "biopsy": p.biopsy_class, "arm": p.arm})
    lead = strata.group_by("drug", "race", "biopsy").agg(
        ((pl.col("arm") == "MMF").sum() * 2 - pl.len().cast(pl.Int64)).abs().alias("lead")
    )
    assert lead.get_column("lead").max() <= 2


def test_flares_begin_at_the_hazard_of_the_arm() -> None:
    """Latent flares a year, against the hazard times the mean of the frailty (1): 0.192 and 0.479."""
    rng = np.random.default_rng(4)
    p = draw_patients(20_000, frailty_sd=0.3, rng=rng)
    begins = follow_courses(p, Parameters(omega=0.3), months=36, rng=rng).flare_begins
    assert not begins[:, : MONTHS_BEFORE + 1].any()
    for arm, rate in (("MMF", 0.192), ("AZA", 0.479)):
        found = begins[p.arm == arm].sum() / (np.sum(p.arm == arm) * 3)
        assert found == pytest.approx(rate, rel=0.05), arm


def test_nothing_of_a_patient_is_dated_after_they_left(study: Study) -> None:
    left = study["subjects"].select("subject", "end_day")
    late = study["observations"].join(left, on="subject").filter(pl.col("day") > pl.col("end_day"))
    assert late.height == 0


def test_its_findings_are_the_odd_rows_that_were_put_there(study: Study) -> None:
    codes = sorted(f.code for f in study.findings if f.severity != "note")
    assert codes == ["duplicate-row", "out-of-range", "unknown-unit"]


def test_its_endpoints_are_of_the_size_of_the_trial(study: Study) -> None:
    """Failure in 19 of 116 and 36 of 111 was printed; a trial of this size varies by some ten either way."""
    derived = ff.derive(study)
    failures = (
        derived.time_to_event.filter(pl.col("endpoint") == "treatment_failure")
        .join(study["subjects"].select("subject", "arm"), on="subject")
        .group_by("arm")
        .agg(pl.col("is_event").sum())
    )
    counts = dict(failures.rows())
    assert 9 <= counts["MMF"] <= 34
    assert 22 <= counts["AZA"] <= 52


def test_nobody_whom_the_committee_cleared_of_flares_has_one(study: Study) -> None:
    """Each candidate up to the first confirmed one is judged: one left out would count as an event."""
    flares = ff.derive(study).agreement.filter(pl.col("endpoint") == "renal_flare")
    assert flares.filter(pl.col("derived") & pl.col("committee").is_null()).height == 0
    cleared = flares.filter(~pl.col("committee"))
    assert cleared.height >= 10
    assert not cleared.get_column("final").any()


def test_two_patients_make_a_trial(tmp_path: Path) -> None:
    assert ff.read_study(write_virtual_trial(tmp_path / "two", size=2))["subjects"].height == 2
