"""Shifts of a state: read of the baseline values at the start, at any visit of the analysis later."""

from __future__ import annotations

from analysis_handmade import stat
from flarefree.analysis import analyze
from flarefree.endpoints.derive import derive
from flarefree.protocol.loading import parse_protocol
from patients_on_paper import Paper, Patient

TRIAL = """\
flarefree: 1
name: small
title: Small
design: {summary: Two arms, follow_up: 12 months}
arms: {MMF: {label: Mycophenolate}, AZA: {label: Azathioprine}}
reference_arm: AZA
schedule:
  visits:
    - {name: Month 0, number: 0, day: 1}
    - {name: Month 3, number: 3, day: 92, first_day: 60, last_day: 120}
    - {name: Month 6, number: 6, day: 184, first_day: 150, last_day: 220}
    - {name: Month 12, number: 12, day: 366, first_day: 300, last_day: 400}
measures:
  alt: {label: ALT, unit: U/L, tests: [ALT]}
  bilirubin: {label: Bilirubin, unit: umol/L, tests: [BILI]}
endpoints:
  hys_law:
    label: Both raised
    state: alt > 3 * upper_limit(alt) and bilirubin > 2 * upper_limit(bilirubin)
populations: {itt: {label: All, when: randomized}}
analyses:
  hy:
    kind: shifts
    title: Hy's law
    population: itt
    endpoints: [hys_law]
    visits: [Month 3, Month 6]
"""

HIGH, QUIET = (121.0, 41.0), (120.0, 41.0)
"""ALT and bilirubin; their upper limits are 40 and 20, so that 120 is at three times and not above it."""


def course(patient: Patient, *visits: tuple[int, tuple[float, float]], **more: bool) -> None:
    for day, (alt, bilirubin) in visits:
        patient.value("alt", day, alt, upper_limit=40.0, **more)
        patient.value("bilirubin", day, bilirubin, upper_limit=20.0, **more)


def test_who_was_in_the_state_at_the_start_and_who_ever_was_later() -> None:
    paper = Paper()
    course(paper.patient("Ada", arm="MMF"), (1, QUIET), (92, HIGH), (184, QUIET))
    course(paper.patient("Ben", arm="MMF"), (1, QUIET), (92, (200.0, 40.0)), (184, (40.0, 90.0)))
    course(paper.patient("Cleo", arm="MMF"), (-7, HIGH), (1, QUIET), (92, QUIET))  # the last one counts
    course(paper.patient("Dan", arm="AZA"), (1, HIGH), (92, QUIET))
    course(paper.patient("Eve", arm="AZA"), (1, QUIET), (92, QUIET), (366, HIGH))  # not one of the visits
    course(paper.patient("Finn", arm="AZA"), (92, HIGH))  # nothing at the start
    gus = paper.patient("Gus", arm="AZA")  # the two were taken on different days before day 1
    gus.value("alt", -7, 121.0, upper_limit=40.0)
    gus.value("bilirubin", -3, 41.0, upper_limit=20.0)
    course(gus, (92, HIGH))
    result = analyze(derive(paper.study(), protocol=parse_protocol(TRIAL, "small.yaml")))["hy"]
    assert result.status == "computed", result.reason
    assert stat(result, "MMF", "assessed") == 3
    assert stat(result, "MMF", "no_to_yes") == 1  # Ada
    assert stat(result, "MMF", "no_to_no") == 2  # Ben never had both at one visit; Cleo
    assert stat(result, "AZA", "assessed") == 3
    assert stat(result, "AZA", "yes_to_no") == 1  # Dan
    assert stat(result, "AZA", "no_to_no") == 1  # Eve
    assert stat(result, "AZA", "yes_to_yes") == 1  # Gus
    assert any("upper_limit(alt)" in sentence.text for sentence in result.sentences)
