"""What cannot be in a base is refused with file, line, study and cell."""

from __future__ import annotations

import pytest

from flarefree.errors import EvidenceError
from flarefree.evidence import load_evidence

GOOD = """\
documents:
  petri2030: {citation: Petri 2030, kind: trial report, year: 2030}
studies:
  petri2030:
    label: Petri 2030
    year: 2030
    phase: maintenance
    design: {kind: randomized trial, randomized: true}
    arms:
      MMF: {treatment: MMF, n: 50}
      AZA: {treatment: AZA, n: 52}
    reports:
      - document: petri2030
        place: Table 2
        time: 24 mo
        outcomes:
          - {outcome: renal_flare, arms: {MMF: 9/50 (18%), AZA: 14/52 (26.9%)}}
          - {outcome: death, effects: [{arms: [MMF, AZA], measure: HR, estimate: 0.80 (0.40 to 1.60)}]}
"""


def refused(folder, old: str, new: str, **files: str) -> EvidenceError:
    assert old in GOOD
    (folder / "mine.yaml").write_text(GOOD.replace(old, new), "utf-8")
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    with pytest.raises(EvidenceError) as error:
        load_evidence(folder if files else folder / "mine.yaml")
    return error.value


def test_the_good_one_is_good(tmp_path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD, "utf-8")
    assert len(load_evidence(tmp_path).reported) == 2


CASES = {
    # what: (old, new, line, words that the error must have)
    "one arm": (
        "      AZA: {treatment: AZA, n: 52}\n", "", 9, ["petri2030", "one arm compares nothing",
        "single arm"]),
    "events above n": ("9/50 (18%)", "51/50 (18%)", 17, ["petri2030", "renal_flare, arm MMF", "51/50"]),
    "events above the arm": ("9/50 (18%)", "{events: 51}", 17, ["renal_flare, arm MMF", "51/50"]),
    "more patients than the arm": ("9/50 (18%)", "9/60 (15%)", 17, ["arm MMF", "n = 60", "at most 50"]),
    "an arm twice": ("      AZA: {", "      MMF: {", 11, ["MMF is given twice", "line 10"]),
    "a treatment twice": ("treatment: AZA", "treatment: MMF",
        11, ["arms MMF and AZA have the same treatment"]),
    "an unknown treatment": ("treatment: AZA", "treatment: AZZA", 11, ["no treatment AZZA",
        "did you mean AZA?"]),
    "a treatment by another name": (
        "treatment: AZA", "treatment: Azathioprine", 11, ["no treatment Azathioprine", "did you mean AZA?"]),
    "an unknown outcome": ("renal_flare", "renal_flar", 17, ["no outcome renal_flar", "renal_flare"]),
    "an unknown arm": ("AZA: 14/52", "AZAT: 14/52", 17, ["there is no arm AZAT", "did you mean AZA?"]),
    "an unknown document": ("- document: petri2030", "- document: petri203", 13, ["no document petri203"]),
    "a fraction of a patient": ("9/50 (18%)", "9.5/50 (19%)", 17, ["petri2030, MMF", "whole number", "9.5"]),
    "less than nobody": ("9/50 (18%)", "-9/50", 17, ["petri2030, MMF", "whole number"]),
    "no cell at all": ("9/50 (18%)", "nine", 17, ["petri2030, MMF", '"nine" is not a cell', "19/116"]),
    "a percentage above 100": ("9/50 (18%)", "118%", 17, ["arm MMF", "above 100"]),
    "a negative spread": ("9/50 (18%)", "{mean: 3, sd: -1}", 17, ["petri2030, MMF"]),
    "limits the wrong way": ("0.80 (0.40 to 1.60)", "0.80 (1.60 to 0.40)", 18, ["do not hold the estimate"]),
    "one limit": ("0.80 (0.40 to 1.60)", "{value: 0.8, lower: 0.4}", 18, ["one limit", "expected  both"]),
    "a ratio below zero": ("0.80 (0.40 to 1.60)", "-0.80 (-1.2 to 0.1)", 18, ["is no ratio"]),
    "an arm against itself": ("[MMF, AZA], measure", "[MMF, MMF], measure", 18, ["compared with itself"]),
    "an unknown measure": ("measure: HR", "measure: HRR", 18, ["measure has other values",
        "did you mean RR or HR?"]),
    "an unknown key": ("place: Table 2", "places: Table 2", 14, ["places is not a key here",
        "did you mean place?"]),
    "a missing place": ("        place: Table 2\n", "", 13, ["place is missing"]),
    "the same twice": (
        "{outcome: death, effects: [{arms: [MMF, AZA], measure: HR, estimate: 0.80 (0.40 to 1.60)}]}",
        "{outcome: renal_flare, arms: {MMF: 9/50, AZA: 14/52}}", 18, ["renal_flare", "twice in one place"]),
    "no numbers": ("arms: {MMF: 9/50 (18%), AZA: 14/52 (26.9%)}", "note: later",
        17, ["renal_flare has no numbers"]),
    "an unknown overlap": (
        "    arms:\n", "    overlaps: [{study: petri2029, how: continues}]\n    arms:\n",
        9, ["no study petri2029"]),
    "an overlap with itself": (
        "    arms:\n", "    overlaps: [{study: petri2030, how: continues}]\n    arms:\n", 9,
        ["lead back to the study itself", "petri2030 -> petri2030"]),
    "an unexplained judgement": (
        "    arms:\n", "    risk_of_bias: {measurement: {judgement: low}}\n    arms:\n",
        9, ["by whom nor why"]),
    "a P value in words": ("measure: HR,", "measure: HR, p: significant,", 18, ["p is no P value", "<0.01"]),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "words"), CASES.values(), ids=CASES)
def test_what_cannot_be_is_refused_at_its_line(tmp_path, old, new, line, words) -> None:
    error = refused(tmp_path, old, new)
    assert error.where.startswith(f"mine.yaml:{line}"), error
    for word in words:
        assert word in str(error), error


def test_a_cycle_of_overlaps_over_three_studies_and_two_files_is_refused(tmp_path) -> None:
    def study(name: str, of: str) -> str:
        return (
            f"  {name}:\n    label: {name}\n    year: 2031\n    phase: maintenance\n"
            "    design: {kind: randomized trial, randomized: true}\n"
            "    arms: {MMF: {treatment: MMF}, AZA: {treatment: AZA}}\n"
            f"    overlaps: [{{study: {of}, how: continues}}]\n"
        )

    other = "studies:\n" + study("ginzler2031", "petri2030") + study("isenberg2031", "ginzler2031")
    error = refused(
        tmp_path,
        "    arms:\n",
        "    overlaps: [{study: isenberg2031, how: continues}]\n    arms:\n",
        other=other,
    )
    assert "petri2030 -> isenberg2031 -> ginzler2031 -> petri2030" in str(error)
    assert error.where.startswith("mine.yaml:9 studies.petri2030.overlaps")


def test_a_study_in_two_files_is_refused_with_both_places(tmp_path) -> None:
    study = GOOD[GOOD.index("studies:") :]
    error = refused(tmp_path, "Petri 2030, kind", "Petri, kind", second=study)
    assert "petri2030 is given twice" in error.what and "mine.yaml:4" in error.found


def test_two_studies_of_one_label_are_refused(tmp_path) -> None:
    study = GOOD[GOOD.index("studies:") :].replace("  petri2030:\n", "  petri2031:\n", 1)
    assert "has the same label" in refused(tmp_path, "n: 50", "n: 50", second=study).what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the file is empty"),
        ("- a list", "no evidence"),
        ("studies: [", "not YAML"),
        ("documents: {}\n", "there are no studies"),
        ("studies: !!python/object:os.system x", "tags are not used"),
    ],
)
def test_a_file_that_is_no_base_is_refused(tmp_path, text, what) -> None:
    (tmp_path / "mine.yaml").write_text(text, "utf-8")
    with pytest.raises(EvidenceError, match=what):
        load_evidence(tmp_path / "mine.yaml")


def test_a_file_that_is_not_there_and_an_empty_folder_are_refused(tmp_path) -> None:
    with pytest.raises(EvidenceError, match="no such file"):
        load_evidence(tmp_path / "nowhere.yaml")
    with pytest.raises(EvidenceError, match="no evidence in this folder"):
        load_evidence(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EvidenceError, match="not text"):
        load_evidence(tmp_path)
