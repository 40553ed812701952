"""A small trial and a small study that the readers' tests share: six named patients, two arms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.loading import parse_protocol

PROTOCOL = """\
flarefree: 1
name: reading-trial
title: A trial for the readers' tests
design: {summary: Two arms, follow_up: 12 months}
arms:
  MMF: {label: Mycophenolate mofetil, codes: [ARM A, mmf]}
  AZA: {label: Azathioprine, codes: [ARM B]}
reference_arm: AZA
schedule:
  visits:
    - {name: Month 0, number: 0, day: 1, first_day: -14, last_day: 1, codes: [BASELINE]}
    - {name: Month 3, number: 3, day: 92, first_day: 78, last_day: 106}
    - {name: Month 6, number: 6, day: 184, first_day: 170, last_day: 198}
  at_events:
    - {name: Early withdrawal, codes: [WD]}
covariates:
  race: {label: Race, levels: {white: [WHITE, Caucasian], black: [BLACK]}}
  weight_kg: {label: Weight, type: number, unit: kg, column: WEIGHTBL}
  induction: {label: Induction, levels: {MMF: [mmf], CYC: [cyc, IVC]}}
measures:
  creatinine: {label: Serum creatinine, unit: mg/dL, tests: [CREAT, SCR], plausible: [0.1, 25]}
  proteinuria: {label: Proteinuria, unit: g/day, tests: [PROT24H], category: URINE, plausible: [0, 40]}
  serum_protein: {label: Serum protein, unit: g/L, tests: [PROT24H], category: CHEMISTRY}
  red_cells: {label: Red cells, unit: /hpf, tests: [URBC], unit_if_missing: /hpf, grades: {none seen: 0}}
  dipstick_blood:
    {label: Dipstick, type: grade, tests: [OCCBLD], grades: {negative: 0, trace: 0.5, 1+: 1, ++: 2, 4+: 4}}
  cellular_casts: {label: Casts, type: yes_no, tests: [CASTS], yes: [granular], no: [hyaline]}
  biopsy: {label: Biopsy class, type: text, tests: [BIOPSY]}
  mmse: {label: A score, tests: [MMSE]}
endpoints:
  death: {label: Death, when: death}
populations:
  itt: {label: Intention to treat, when: randomized}
"""

PATIENTS = """\
patno,group,rand,site,sex,race,WEIGHTBL,ind
Ana,ARM A,2014-03-01,17,F,WHITE,61.5,mmf
Bea,ARM B,2014-03-02,17,female,Caucasian,70,cyc
Cleo,mmf,2014-03-03,18,F,BLACK,55,IVC
Dora,Azathioprine,2014-03-04,18,F,BLACK,80,mmf
Eva,MMF,2014-03-05,18,f,WHITE,,mmf
Fay,AZA,2014-03-06,19,F,WHITE,49,mmf
"""

STUDY_YAML = """\
protocol: reading-trial.yaml
name: readers
files:
  - file: patients.csv
    table: subjects
    columns: {subject: patno, arm: group, randomization_date: rand, site: site, sex: sex, race: race,
              induction: ind}
  - file: labs.csv
    table: observations
    columns: {subject: id, test: test, category: cat, value: result, unit: unit, date: taken, visit: visit}
"""


@pytest.fixture(scope="session")
def protocol() -> LoadedProtocol:
    return parse_protocol(PROTOCOL, "reading-trial.yaml")


@pytest.fixture
def study_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a study folder: `labs` are lines of labs.csv, `files` further files by name."""

    def make(labs: str = "", *, yaml: str = STUDY_YAML, **files: str) -> Path:
        contents = {"reading-trial.yaml": PROTOCOL, "patients.csv": PATIENTS, "study.yaml": yaml}
        contents["labs.csv"] = "id,test,cat,result,unit,taken,visit\n" + labs
        contents |= {name.replace("__", "."): text for name, text in files.items()}
        for name, text in contents.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return make
