"""What always holds of analyses: the order of rows says nothing, and arms can be exchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from analysis_handmade import make_derivation, stat, states, times, values
from flarefree.analysis import analyze, build_datasets
from flarefree.endpoints.derivation import Derivation
from flarefree.records.study import Study

EVERYTHING = """
flow: {kind: participant_flow, title: Flow, population: itt}
baseline:
  kind: baseline_table
  title: Baseline
  population: itt
  variables: [{variable: age, test: wilcoxon}, {variable: sex, test: fisher}]
primary:
  kind: time_to_event
  title: Failure
  population: itt
  endpoint: failure
  at_months: [6, 12]
  models:
    - {label: Unadjusted}
    - {label: Adjusted, covariates: [age, sex]}
    - {label: Frailty, type: frailty, cluster: site}
parts: {kind: components, title: Components, population: itt, endpoints: [flare, remission]}
forest: {kind: subgroups, title: Subgroups, population: itt, endpoint: failure, by: [sex, region]}
out: {kind: withdrawals, title: Withdrawals, population: itt, events: [flare]}
ae:
  kind: adverse_events
  title: Events
  population: safety
  where: emergent
  rates: true
  show_events: true
course: {kind: course, title: Course, population: itt, measures: [proteinuria], locf: true}
change:
  kind: change_from_baseline
  title: Change
  population: itt
  measure: proteinuria
  visit: Month 12
  baseline_visit: Month 0
  imputation: locf
  factors: [sex]
response: {kind: response_by_visit, title: Remission, population: itt, endpoint: remission}
model:
  kind: mixed_model
  title: Model
  population: itt
  measures: [proteinuria]
  formula: change ~ arm*visit + baseline + age
  covariance: [us, cs]
logistic:
  kind: logistic_mixed_model
  title: Remission
  population: itt
  endpoint: remission
  formula: response ~ arm*visit + sex
"""


def random_trial(seed: int, n: int = 80, swapped: bool = False) -> Derivation:
    """A trial of `n` patients with everything in it; `swapped` exchanges the arms."""
    rng = np.random.default_rng(seed)
    arms = ("AZA", "MMF") if swapped else ("MMF", "AZA")
    names = [f"p{i:03}" for i in range(n)]
    patients = {
        name: {
            "arm": arms[i % 2],
            "sex": str(rng.choice(["F", "M"])),
            "age_years": float(rng.integers(18, 70)),
            "region": str(rng.choice(["Asia", "Europe"])),
            "site": f"{rng.integers(1, 6):02}",
            "end": int(rng.integers(60, 367)),
            "status": str(rng.choice(["completed", "withdrawn"])),
            "reason": "Adverse event",
        }
        for i, name in enumerate(names)
    }
    flares = {
        name: (int(rng.integers(1, patients[name]["end"] + 1)), bool(rng.random() < 0.4)) for name in names
    }
    frailty = dict(zip(names, rng.normal(0, 1.5, n), strict=True))
    protein = {
        name: {1: float(rng.gamma(4, 0.5)), 184: float(rng.gamma(4, 0.5)), 366: float(rng.gamma(4, 0.4))}
        for name in names
    }
    held: Any = {
        name: {visit: bool(rng.normal() + frailty[name] > 0) for visit in ("Month 6", "Month 12")}
        for name in names
    }
    terms = [
        {
            "subject": str(rng.choice(names)),
            "term": str(rng.choice(["Zoster", "Cough", "Rash"])),
            "body_system": "Infections",
            "start_day": int(rng.integers(-5, 60)),
            "sequence": i,
            "source": 2,
            "row": i,
        }
        for i in range(60)
    ]
    return make_derivation(
        EVERYTHING,
        patients=patients,
        tables={"adverse_events": terms},
        time_to_event=times("failure", flares, "flare") + times("flare", flares),
        values=values("proteinuria", protein),
        states=states("remission", held),
    )


def shuffled(derivation: Derivation, seed: int) -> Derivation:
    """The same rows in another order, in every frame and table."""

    def mix(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sample(fraction=1.0, shuffle=True, seed=seed) if frame.height else frame

    study = derivation.study
    subjects = mix(derivation.subjects)
    tables = {name: mix(frame) for name, frame in study.tables.items() if name != "subjects"}
    tables["subjects"] = subjects.select(*study["subjects"].columns)
    return replace(
        derivation,
        study=Study(study.name, study.protocol, tables, study.sources),
        subjects=subjects,
        time_to_event=mix(derivation.time_to_event),
        values=mix(derivation.values),
        states=mix(derivation.states),
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_rows_says_nothing(seed: int) -> None:
    derivation = random_trial(seed)
    first, second = analyze(derivation), analyze(shuffled(derivation, seed))
    assert [r.status for r in first.results] == ["computed"] * len(first.results)
    ours, theirs = first.tidy(), second.tidy()
    assert ours.drop("value").equals(theirs.drop("value"))
    for (*_, a), (*keys, b) in zip(
        ours.select("analysis", "term", "value").rows(), theirs.select("analysis", "term", "value").rows()
    ):
        if a != b:  # sums in another order differ in their last bits; iterations stop a little elsewhere
            assert float(a) == pytest.approx(float(b), rel=1e-5, abs=1e-8), keys


def test_exchanging_the_arms_inverts_hazard_ratios_and_keeps_p_values() -> None:
    one, other = analyze(random_trial(3)), analyze(random_trial(3, swapped=True))
    for model in ("Unadjusted", "Adjusted", "Frailty"):
        ratio = stat(one["primary"], "MMF_vs_AZA", model, stat="estimate")
        assert stat(other["primary"], "MMF_vs_AZA", model, stat="estimate") == pytest.approx(
            1 / ratio, rel=1e-5
        )  # type: ignore[operator]
        assert stat(other["primary"], "MMF_vs_AZA", model, stat="p_value") == pytest.approx(
            stat(one["primary"], "MMF_vs_AZA", model, stat="p_value"), rel=1e-4
        )
    assert stat(one["forest"], "MMF_vs_AZA", "sex", "interaction", "p_value") == pytest.approx(
        stat(other["forest"], "MMF_vs_AZA", "sex", "interaction", "p_value"), rel=1e-6
    )
    difference = stat(one["change"], "MMF_vs_AZA", "ls_mean_difference", "Month 12", "estimate")
    assert stat(other["change"], "MMF_vs_AZA", "ls_mean_difference", "Month 12", "estimate") == pytest.approx(
        -difference
    )  # type: ignore[operator]
    assert stat(one["ae"], "MMF", "any") == stat(other["ae"], "AZA", "any")


def test_frailty_and_logistic_models_are_those_of_the_statistics() -> None:
    """The analysis hands over the right columns: the same fits made directly."""
    from flarefree.stats.mixed import logistic_mixed
    from flarefree.stats.survival import cox

    derivation = random_trial(5)
    analysis = analyze(derivation)
    both = derivation.time_to_event.filter(endpoint="failure").join(derivation.subjects, on="subject")
    data = both.select(
        pl.col("time").cast(pl.Float64),
        event="is_event",
        mmf=(pl.col("arm") == "MMF").cast(pl.Float64),
        site="site",
    )
    fit = cox("Surv(time, event) ~ mmf + frailty(site)", data)
    assert stat(analysis["primary"], "MMF_vs_AZA", "Frailty", stat="estimate") == pytest.approx(
        fit.hr[0], rel=1e-6
    )
    rows = derivation.states.join(derivation.subjects.drop("sex"), on="subject").join(
        derivation.subjects.select("subject", "sex"), on="subject"
    )
    frame = rows.select(
        "subject",
        "sex",
        response=pl.col("holds").cast(pl.Float64),
        arm=pl.col("arm").cast(pl.Enum(["AZA", "MMF"])),
        visit=pl.col("visit").cast(pl.Enum(["Month 6", "Month 12"])),
    )
    model = logistic_mixed("response ~ arm*visit + sex + (1 | subject)", frame)
    means = model.population_shares(("arm", "visit")).tidy()
    shown = means.filter((pl.col("arm") == "MMF") & (pl.col("visit") == "Month 12")).item(0, "estimate")
    ours = stat(analysis["logistic"], "MMF", "modeled_share", "Month 12", "percent")
    assert ours == pytest.approx(100 * shown, rel=1e-5)
    ratios = model.ls_means(("arm", "visit")).contrasts("arm").tidy()
    ratio = ratios.filter(pl.col("visit") == "Month 12").row(0, named=True)
    for name in ("estimate", "conf_low", "conf_high", "p_value"):
        ours = stat(analysis["logistic"], "MMF_vs_AZA", "odds_ratio", "Month 12", name)
        assert ours == pytest.approx(ratio[name], rel=1e-5), name


def test_masked_results_are_those_of_all_patients_together() -> None:
    derivation = random_trial(7)
    open_, masked = analyze(derivation), analyze(derivation, masked=True)
    assert [r.id for r in masked.results] == [r.id for r in open_.results]
    counts = [stat(open_["ae"], arm, "any") for arm in ("MMF", "AZA")]
    assert stat(masked["ae"], "all", "any") == sum(counts)  # type: ignore[arg-type]
    assert not masked.tidy().get_column("group").str.contains("MMF").any()


def test_a_shuffled_study_gives_the_same_datasets() -> None:
    derivation = random_trial(9)
    first, second = build_datasets(derivation), build_datasets(shuffled(derivation, 9))
    for name, dataset in first.items():
        assert dataset.frame.equals(second[name].frame), name
