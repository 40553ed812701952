"""Adverse events, doses and other drugs as rows: at the published rates, within participation, by address."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from flarefree.errors import DesignError
from flarefree.protocol.loading import load_protocol
from flarefree.protocol.schema import Regimen
from flarefree.simulation.adverse_events import TERMS, adverse_events
from flarefree.simulation.cohort import Cohort, draw_cohort
from flarefree.simulation.dosing import concomitant_drugs, doses, prednisone
from flarefree.simulation.parameters import TREATMENTS, Parameters
from flarefree.simulation.streams import Streams

ALMS = load_protocol("alms-maintenance").spec
ZHANG = load_protocol("multitarget-maintenance").spec


def lived(name: str, trials: int = 30) -> tuple[Cohort, np.ndarray, np.ndarray, np.ndarray]:
    """Trials of the published size; participation ends at failures of the published rates."""
    arms, sizes, rates, last = {
        "ALMS": (("MMF", "AZA"), (115, 111), (0.0723, 0.1629), 1097),
        "multitarget": (("MT", "AZA"), (116, 90), (0.055, 0.089), 549),
    }[name]
    cohort = draw_cohort(
        Parameters(), tuple(TREATMENTS[a] for a in arms), Streams(3), trials=range(trials), sizes=sizes,
        population=name, horizon_day=last,
    )  # fmt: skip
    wait = np.random.default_rng(0).exponential(365.25 / np.array(rates)[cohort.arm])
    end = np.minimum(np.minimum(wait, cohort.dropout_day), np.minimum(last, cohort.death_day)).clip(2)
    failed = wait <= np.minimum(cohort.dropout_day, last)
    left = ~failed & (cohort.dropout_day < last)
    stops = np.where(failed, cohort.failure_is_adverse_event, left & (cohort.dropout_reason == 0))
    return cohort, end.astype(np.int32), stops, failed


def shares(cohort: Cohort, rows: pl.DataFrame) -> list[float]:
    """Patients of each arm with a row, in percent."""
    has = np.zeros(len(cohort), dtype=bool)
    has[rows["patient"].unique().to_numpy()] = True
    return [100 * float(has[cohort.arm == a].mean()) for a in range(len(cohort.treatments))]


@pytest.fixture(scope="module")
def alms() -> tuple[Cohort, np.ndarray, pl.DataFrame]:
    cohort, end, stops, failed = lived("ALMS")
    return cohort, end, adverse_events(cohort, end, stops=stops, failed=failed)


def test_adverse_events_of_alms(alms: tuple[Cohort, np.ndarray, pl.DataFrame]) -> None:
    """Dooley 2011, Table 2 and text, in percent, within about one standard error of 115 patients."""
    cohort, _, rows = alms
    infections = rows.filter(pl.col("system") == "Infections and infestations")
    for part, published, near in (
        (rows, [98.3, 97.3], 2.5),
        (rows.filter("serious"), [23.5, 33.3], 4.5),
        (infections, [79.1, 78.4], 5.0),
        (infections.filter("serious"), [9.6, 11.7], 3.0),
        (rows.filter(pl.col("action") == "DRUG WITHDRAWN"), [25.2, 39.6], 4.5),
        (rows.filter((pl.col("term") == "Leukopenia") & pl.col("serious")), [0.0, 3.6], 1.5),
        (rows.filter((pl.col("term") == "Pneumonia") & pl.col("serious")), [1.7, 0.9], 1.5),
        (rows.filter((pl.col("term") == "Lupus nephritis") & pl.col("serious")), [0.9, 4.5], 1.5),
    ):
        assert shares(cohort, part) == pytest.approx(published, abs=near)


def test_adverse_events_of_the_multitarget_trial() -> None:
    """Zhang 2017, Table 2, in percent, within about one and a half standard errors of the paper's."""
    cohort, end, stops, failed = lived("multitarget")
    rows = adverse_events(cohort, end, stops=stops, failed=failed)
    for term, published, near in (
        ("Leukopenia", [7.8, 25.6], 4.0),
        ("Liver dysfunction", [0.9, 6.7], 2.5),
        ("Upper respiratory tract infection", [6.0, 6.7], 2.5),
        ("Upper gastrointestinal symptoms", [0.9, 5.6], 3.0),
    ):
        assert shares(cohort, rows.filter(pl.col("term") == term)) == pytest.approx(published, abs=near)
    assert shares(cohort, rows) == pytest.approx([16.4, 44.4], abs=6.0)
    assert shares(cohort, rows.filter(pl.col("action") == "DRUG WITHDRAWN")) == pytest.approx(
        [1.7, 8.9], abs=2
    )


def test_events_keep_to_participation_and_to_order(alms: tuple[Cohort, np.ndarray, pl.DataFrame]) -> None:
    _, end, rows = alms
    start, last = rows["start"].to_numpy(), end[rows["patient"].to_numpy()]
    late = start > last + np.where(rows["serious"].to_numpy(), 30, 14)
    assert not late.any()
    assert (start >= 1).all()
    assert (rows["end"].to_numpy() >= start).all()
    assert rows.equals(rows.sort("patient", "start", "term", "action", maintain_order=True))
    assert rows.filter("fatal")["serious"].all()


def test_leukopenia_and_liver_are_the_cohorts_own(alms: tuple[Cohort, np.ndarray, pl.DataFrame]) -> None:
    """The day of the row is the day on which counts fall and the dose is cut."""
    cohort, end, rows = alms
    for term, day in (("Leukopenia", cohort.leukopenia_day), ("Hepatic enzyme increased", cohort.liver_day)):
        own = rows.filter((pl.col("term") == term) & (pl.col("action") != "DRUG WITHDRAWN"))
        assert (own["start"].to_numpy() == day[own["patient"].to_numpy()]).all()
        assert set(np.flatnonzero(day <= end)) <= set(own["patient"].to_list())


def test_rows_of_a_patient_do_not_depend_on_the_others(alms: tuple[Cohort, np.ndarray, pl.DataFrame]) -> None:
    cohort, end, rows = alms
    _, _, stops, failed = lived("ALMS")
    picked = np.array([500, 17])
    some = cohort.take(picked)
    alone = adverse_events(some, end[picked], stops=stops[picked], failed=failed[picked])
    for k, row in enumerate(picked.tolist()):
        own, again = rows.filter(pl.col("patient") == row), alone.filter(pl.col("patient") == k)
        assert own.drop("patient").equals(again.drop("patient"))
    regimens = [arm.regimens for arm in ALMS.arms.values()]
    for whole, part in (
        (doses(cohort, end, regimens), doses(some, end[picked], regimens)),
        (prednisone(cohort, end), prednisone(some, end[picked])),
        (concomitant_drugs(cohort, end), concomitant_drugs(some, end[picked])),
    ):
        expected = whole.filter(pl.col("patient") == 17).drop("patient")
        assert part.filter(pl.col("patient") == 1).drop("patient").equals(expected)


def test_a_shorter_participation_only_cuts_events_off(alms: tuple[Cohort, np.ndarray, pl.DataFrame]) -> None:
    cohort, _, _ = alms
    none = np.zeros(len(cohort), dtype=bool)
    long = np.full(len(cohort), 1097, dtype=np.int32)
    whole = adverse_events(cohort, long, stops=none, failed=none)
    short = adverse_events(cohort, long - 600, stops=none, failed=none)
    reach = pl.when("serious").then(497 + 30).otherwise(497 + 14)
    assert short.filter(~pl.col("fatal")).equals(whole.filter(~pl.col("fatal") & (pl.col("start") <= reach)))


def test_doses_of_alms(alms: tuple[Cohort, np.ndarray, pl.DataFrame]) -> None:
    """Dooley 2011: mean daily dose 1.87 +- 0.43 g and 119.7 +- 47.9 mg; 79.7 and 82.6 % at 80 % or more."""
    cohort, end, _ = alms
    rows = doses(cohort, end, [arm.regimens for arm in ALMS.arms.values()])
    days = pl.col("end") - pl.col("start") + 1
    mean = rows.filter(~pl.col("is_placebo")).group_by("patient", "drug").agg(
        (pl.col("dose") * days).sum() / days.sum()
    )  # fmt: skip
    by_drug = {drug: mean.filter(pl.col("drug") == drug)["dose"] for drug in mean["drug"].unique()}
    assert by_drug["mycophenolate mofetil"].mean() == pytest.approx(1.87, abs=0.06)
    assert by_drug["azathioprine"].mean() == pytest.approx(119.7, abs=6)
    assert by_drug["azathioprine"].std() == pytest.approx(47.9, abs=12)
    assert (by_drug["mycophenolate mofetil"] >= 1.6).mean() == pytest.approx(0.797, abs=0.03)
    assert by_drug["mycophenolate mofetil"].min() >= 1.0  # the least dose that the protocol allows
    overlapping = rows.with_columns(pl.col("start").shift(-1).over("patient", "drug").alias("next"))
    assert (overlapping.drop_nulls("next").filter(pl.col("next") <= pl.col("end"))).height == 0
    assert (rows["end"].to_numpy() <= end[rows["patient"].to_numpy()]).all()


def test_doses_follow_the_protocols_changes_and_the_leukopenia() -> None:
    cohort, _, _, _ = lived("multitarget", trials=3)
    end = np.full(len(cohort), 549, dtype=np.int32)
    rows = doses(cohort, end, [arm.regimens for arm in ZHANG.arms.values()])
    assert "prednisone" not in rows["drug"].unique().to_list()
    tacrolimus = rows.filter(pl.col("drug") == "tacrolimus")
    assert set(tacrolimus.filter(pl.col("start") >= 184)["dose"]) <= {0.5, 1.0, 1.5, 2.0}
    assert tacrolimus.filter(pl.col("start") < 184)["dose"].max() == 3.0
    assert tacrolimus["dose"].max() == 3.0
    ill = np.flatnonzero((cohort.arm == 1) & (cohort.leukopenia_day < 400) & (cohort.leukopenia_day > 30))
    assert len(ill) > 10
    for row in ill.tolist():
        day = int(cohort.leukopenia_day[row])
        own = rows.filter((pl.col("patient") == row) & (pl.col("drug") == "azathioprine"))
        before = own.filter((pl.col("start") < day) & (pl.col("end") >= day - 1))["dose"].to_list()
        during = own.filter((pl.col("start") <= day) & (pl.col("end") >= day))["dose"].to_list()
        assert not before or not during or during[0] < before[0]


def test_prednisone_is_tapered_and_rarely_above_the_ceiling(
    alms: tuple[Cohort, np.ndarray, pl.DataFrame],
) -> None:
    """Dooley 2011: 200 of 226 never took more than 10 mg a day."""
    cohort, end, _ = alms
    rows = prednisone(cohort, end)
    above = rows.filter(pl.col("dose") > 10)["patient"].n_unique() / len(cohort)
    assert above == pytest.approx(26 / 226, abs=0.015)
    assert set(rows["dose"]) <= {2.5, 5.0, 7.5, 10.0, 15.0}


def test_prohibited_drugs_are_not_taken() -> None:
    cohort, end, _, _ = lived("multitarget", trials=2)
    free = concomitant_drugs(cohort, end)
    bound = concomitant_drugs(cohort, end, ZHANG.dosing.prohibited)
    assert "Hydroxychloroquine" in free["drug"].to_list()
    assert "Hydroxychloroquine" not in bound["drug"].to_list()
    assert bound.equals(free.filter(pl.col("drug") != "Hydroxychloroquine"))


def test_a_dose_that_cannot_be_read_is_told() -> None:
    cohort, end, _, _ = lived("ALMS", trials=1)
    with pytest.raises(DesignError, match="daily dose"):
        doses(cohort, end, [[Regimen(drug="azathioprine", target="some")]] * 2)


def test_terms_are_told_apart() -> None:
    for terms in TERMS.values():
        assert len({t.name for t in terms}) == len(terms)
        assert all(0.0 <= s <= 1.0 for t in terms for s in t.serious.values())
