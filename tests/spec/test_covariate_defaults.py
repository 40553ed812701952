"""What a protocol's default of a covariate means: it stands in where the data tell it of no patient."""

from __future__ import annotations

import polars as pl
import pytest

from flarefree.endpoints.derivation import Derivation
from flarefree.endpoints.derive import derive
from flarefree.errors import ProtocolError
from flarefree.protocol.loading import parse_protocol
from patients_on_paper import Paper

TRIAL = """\
flarefree: 1
name: small
title: Small
design: {summary: Two arms, follow_up: 12 months}
arms: {MMF: {label: Mycophenolate}, AZA: {label: Azathioprine}}
reference_arm: AZA
schedule: {visits: [{name: Month 0, number: 0, day: 1}]}
covariates: {race: {label: Race, default: ASIAN}}
measures:
  creatinine: {label: Creatinine, unit: mg/dL, tests: [CREAT]}
  egfr: {label: eGFR, unit: mL/min/1.73 m2, equation: ckd-epi-2009}
populations: {itt: {label: All, when: randomized}}
"""


def derived(text: str, *races: str | None) -> Derivation:
    paper = Paper()
    for name, race in zip(("Ada", "Ben"), races, strict=False):
        paper.patient(name, race=race).value("creatinine", 1, 1.0)
    return derive(paper.study(), protocol=parse_protocol(text, "small.yaml"))


def egfr(derivation: Derivation) -> list[float | None]:
    return derivation.values.filter(pl.col("measure") == "egfr").sort("subject").get_column("value").to_list()


def test_where_no_patient_has_a_race_every_patient_takes_the_default() -> None:
    derivation = derived(TRIAL, None, None)
    assert derivation.subjects.get_column("race").to_list() == ["ASIAN", "ASIAN"]
    assert egfr(derivation) == egfr(derived(TRIAL, "ASIAN", "ASIAN"))
    (note,) = derivation.findings
    assert (note.code, str(note.severity), note.column, note.expected, note.count) == (
        "default-taken",
        "note",
        "race",
        "ASIAN",
        2,
    )


def test_without_a_default_egfr_stays_unknown() -> None:
    derivation = derived(TRIAL.replace(", default: ASIAN", ""), None, None)
    assert [v for v in egfr(derivation) if v is not None] == []
    assert derivation.findings == ()


def test_one_patient_with_a_race_leaves_the_others_unknown() -> None:
    derivation = derived(TRIAL, "BLACK OR AFRICAN AMERICAN", None)
    assert derivation.subjects.get_column("race").to_list() == ["BLACK OR AFRICAN AMERICAN", None]
    assert derivation.findings == ()


@pytest.mark.parametrize(
    ("covariate", "message"),
    [
        ("{label: Race, levels: {Asian: []}, default: Asiann}", "there is no level called Asiann"),
        ("{label: Race, type: number, default: Asian}", "the covariate is a number"),
        ("{label: Race, when: creatinine > 1 mg/dL, default: 'yes'}", "only a covariate that is read"),
    ],
)
def test_a_default_that_fits_nothing_is_an_error(covariate: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        parse_protocol(TRIAL.replace("{label: Race, default: ASIAN}", covariate), "small.yaml")
