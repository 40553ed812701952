"""Words that could tell the arm: found however they are written, and not in words that look like them."""

from __future__ import annotations

import random

import pytest

from flarefree.conduct.adjudication.dossier import build_dossier
from flarefree.conduct.adjudication.queue import Queue, reconcile
from flarefree.conduct.adjudication.releasing import release
from flarefree.conduct.adjudication.telling_words import TellingWords
from flarefree.conduct.checks.cohort import COMMITTEE, START
from flarefree.conduct.checks.planted import Planted
from flarefree.conduct.detecting import Detector
from flarefree.protocol.loading import load_protocol

ALMS = load_protocol("alms-maintenance").spec
MULTITARGET = load_protocol("multitarget-maintenance").spec


@pytest.mark.parametrize(
    "text",
    [
        "MMF", "mmf 1g", "m.m.f.", "M M F", "(MMF)", "MMF/pred", "ＭＭＦ", "M\u200bMF", "on aza", "AZA100",
        "Mycophenolate", "mycofenolate", "mycophenolat", "micofenolato", "mycophenolate-mofetil",
        "azathioprine", "azathioprin", "azatioprina", "Azathiopr\u00ecne", "azathioprine100mg", "Imuran",
        "Immuran", "azathio\nprine",
        "CellCept", "Cell-Cept", "cell cept", "C\u0435llCept", "Myfortic", "tacrolimus", "tacrolimús",
        "Prograf",
        "progaf", "FK-506", "fk 506", "6-MP", "6 MP", "TPMT", "trough 5.4", "drug level low", "MCV 109",
        "kit 4711", "un-blinded? unblinded", "code break", "dose-reduced", "on placebo", "allopurinol",
    ],
)  # fmt: skip
def test_found(text: str) -> None:
    assert TellingWords.of(ALMS).find(text)


@pytest.mark.parametrize(
    "text",
    [
        "Plaza", "amaze", "kitchen", "contact", "tactile fremitus", "program", "neural", "azithromycin",
        "creatinine 1.4 mg/dL, red cells 20/hpf", "methylprednisolone", "prednisone 7.5 mg", "macular rash",
        "class IV, 30% crescents, activity 12, chronicity 3", "urinary infection excluded", "", "a b",
        "hydroxychloroquine", "enalapril", "no dysmorphic erythrocytes", "proteinuria since August",
    ],
)  # fmt: skip
def test_not_found(text: str) -> None:
    assert TellingWords.of(ALMS).find(text) == ()


def test_a_rescue_by_another_drug_is_shown_and_one_by_a_study_drug_is_not() -> None:
    words = TellingWords.of_study_drugs(ALMS)
    assert not words.find("CYCLOPHOSPHAMIDE") and not words.find("rituximab")
    assert words.find("Myfortic") and words.find("Azasan")


def test_a_drug_of_every_arm_tells_none() -> None:
    words = TellingWords.of_study_drugs(MULTITARGET)
    assert not words.find("PREDNISONE")
    assert words.find("Prograf")


def test_words_are_told_in_their_order_for_the_keeper() -> None:
    found = TellingWords.of(ALMS).find("stopped CellCept, began azathioprine")
    assert [one.word for one in found] == ["cellcept", "azathioprine"]


@pytest.mark.parametrize(
    ("drug", "shown"),
    [
        ("CYCLOPHOSPHAMIDE", ("CYCLOPHOSPHAMIDE", "750")),
        ("CELLCEPT MYCOPHENOLATE", ("[withheld]", "[withheld]")),
    ],
)
def test_in_the_dossier_of_a_rescue_a_study_drug_is_withheld_with_its_dose(
    drug: str, shown: tuple[str, str]
) -> None:
    """2 g of it would be one drug, 100 mg the other."""
    protocol = load_protocol("alms-maintenance")
    planted = Planted(protocol)
    planted.patient("Ana", site="04").takes(drug, 92, "lupus nephritis", 750, "mg", "ORAL")
    study = planted.study()
    queue = reconcile(Queue.of(protocol), Detector(protocol).detect(study, START), START)
    (case,) = release(queue, (), COMMITTEE, random.Random(1), START).suspected
    assert case.endpoint == "rescue"
    dossier = build_dossier(case, study, protocol)
    (record,) = dossier.records
    said = dict(record.said)
    assert (said["drug"], said["dose"]) == shown
    assert (said["route"], said["start_day"]) == ("ORAL", "92")
    assert bool(dossier.held) == (shown[0] == "[withheld]")
