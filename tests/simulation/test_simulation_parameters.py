"""The model's numbers: every one of them moves something, nonsense is refused, arms find their treatment."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from flarefree.errors import DesignError
from flarefree.protocol.loading import load_protocol
from flarefree.simulation.cohort import Cohort, draw_cohort
from flarefree.simulation.measuring import MEASURES, measure
from flarefree.simulation.parameters import TREATMENTS, Parameters, Treatment, treatments_of
from flarefree.simulation.streams import Streams

DAYS = np.array([-100, -20, 1, 62, 184, 366, 549])
# What people do about patients, not the patients: read by consequences.py, and moved in its own tests.
CONDUCT = {"q_c", "committee_at", "committee_slope", "q_lasting", "confirmed_days", "rho"}
NAMES = [f.name for f in fields(Parameters) if f.name not in CONDUCT]


def cohorts(parameters: Parameters) -> list[Cohort]:
    """A few hundred patients of each trial."""
    sizes = (150, 150)
    alms = (TREATMENTS["MMF"], TREATMENTS["AZA"])
    zhang = (TREATMENTS["MT"].changed(stop_day=200), TREATMENTS["AZA"])
    return [
        draw_cohort(
            parameters, arms, Streams(11), trials=range(1), sizes=sizes, population=name, horizon_day=1200
        )
        for arms, name in ((alms, "ALMS"), (zhang, "multitarget"))
    ]


def everything(parameters: Parameters) -> list[np.ndarray]:
    """All that can be seen of them."""
    seen = []
    for cohort in cohorts(parameters):
        seen += [cohort.state, cohort.flares, cohort.extrarenal_time, cohort.dropout_reason]
        seen += [cohort.failure_is_adverse_event, *measure(cohort, DAYS, MEASURES).values()]
    return seen


@pytest.fixture(scope="module")
def usual() -> list[np.ndarray]:
    return everything(Parameters())


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_moves_something(name: str, usual: list[np.ndarray]) -> None:
    """A number that moves nothing could be fitted to anything."""
    value = getattr(Parameters(), name)
    other = everything(Parameters().changed(**{name: value * 0.5 + (0.05 if value == 0 else 0.0)}))
    assert any(
        a.shape != b.shape or not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(usual, other, strict=True)
    )


def test_changed_leaves_the_first_as_it_was() -> None:
    first = Parameters()
    assert first.changed(lam_aza=0.3).lam_aza == 0.3
    assert first == Parameters()


def test_a_misspelled_parameter_is_told_with_the_nearest_one() -> None:
    with pytest.raises(DesignError, match="lam_aza"):
        Parameters().changed(lam_azza=0.3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lam_mmf", -0.1),
        ("q_nephritic", 1.2),
        ("omega", float("nan")),
        ("tau_months", 0.0),
        ("death", "often"),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(DesignError, match=name):
        Parameters().changed(**{name: value})  # type: ignore[arg-type]


def test_wandering_beyond_the_spread_at_entry_is_refused() -> None:
    with pytest.raises(DesignError, match="sigma_o"):
        cohorts(Parameters().changed(sigma_o=0.9))


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [("alms-maintenance", ("MMF", "AZA")), ("multitarget-maintenance", ("MT", "AZA"))],
)
def test_arms_find_their_treatment_by_their_drugs(protocol: str, expected: tuple[str, ...]) -> None:
    """Placebos and prednisone do not count; two rows of one drug are one drug."""
    assert tuple(t.name for t in treatments_of(load_protocol(protocol).spec)) == expected


def test_arms_of_other_drugs_need_a_rate() -> None:
    spec = load_protocol("cdisc-pilot").spec
    with pytest.raises(DesignError, match="hazard"):
        treatments_of(spec)
    given = treatments_of(spec, dict.fromkeys(spec.arms, 0.3))
    assert [t.flare_rate(Parameters()) for t in given] == [0.3] * len(spec.arms)
    with pytest.raises(DesignError, match="no such arm"):
        treatments_of(load_protocol("alms-maintenance").spec, {"MMX": 0.2})


def test_rates_of_a_treatment_follow_the_parameters_unless_given() -> None:
    p = Parameters().changed(lam_aza=0.4, hr_mt=0.5, d_aza=0.2)
    assert TREATMENTS["MT"].flare_rate(p) == pytest.approx(0.2)
    assert TREATMENTS["AZA"].changed(hazard_factor=0.5).flare_rate(p) == pytest.approx(0.2)
    assert TREATMENTS["AZA"].changed(flares_per_year=0.7).flare_rate(p) == 0.7
    assert TREATMENTS["AZA"].withdrawal_rate(p) == 0.2
    assert TREATMENTS["AZA"].withdrawal_rate(p, "d_aza_multitarget") == p.d_aza_multitarget
    assert TREATMENTS["AZA"].changed(withdrawals_per_year=0.0).withdrawal_rate(p) == 0.0


def test_rates_and_adherence_that_cannot_be_are_refused() -> None:
    with pytest.raises(DesignError, match="flares_per_year"):
        TREATMENTS["AZA"].changed(flares_per_year=-1.0)
    with pytest.raises(DesignError, match="adherence"):
        TREATMENTS["AZA"].changed(adherence=3.0)


def test_every_treatment_names_fields_of_the_parameters() -> None:
    names = {f.name for f in fields(Parameters)}
    for t in TREATMENTS.values():
        assert isinstance(t, Treatment)
        assert {t.flares, t.withdrawals, t.leukopenia, t.liver, *([t.ratio] if t.ratio else [])} <= names


def test_the_methods_page_lists_every_parameter_as_it_is() -> None:
    """Name, value and the docstring's words; a calibration that moves a number moves the page."""
    page = (Path(__file__).parents[2] / "docs" / "methods" / "virtual-patients.md").read_text(
        encoding="utf-8"
    )
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, flags=re.MULTILINE))
    p = Parameters()
    for f in fields(Parameters):
        numerator, _, denominator = rows[f.name].partition("/")
        assert float(numerator) / float(denominator or 1) == pytest.approx(getattr(p, f.name), rel=1e-12)
    assert len(rows) == len(fields(Parameters))
