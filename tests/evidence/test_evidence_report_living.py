"""A living run: what came, went or changed since an earlier one, which number moved, and by what."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import pytest

import flarefree as ff
from flarefree.errors import EvidenceError
from flarefree.evidence.questions.recording import digest_of, read_record, render_record
from flarefree.evidence.reading import builtin_folder


def changed_base(folder: Path, file: str, old: str, new: str) -> Path:
    """A copy of our base with one thing changed."""
    base = folder / "base"
    if not base.exists():
        shutil.copytree(builtin_folder(), base)
    text = (base / file).read_text("utf-8")
    assert len(re.findall(old, text, re.DOTALL)) == 1, old
    (base / file).write_text(re.sub(old, new, text, flags=re.DOTALL), "utf-8")
    return base


def pooled_by_hand(tables: tuple[tuple[int, int, int, int], ...]) -> float:
    """The common odds ratio by inverse variance; between these trials tau2 is 0."""
    logs = [math.log(a * (m - c) / (c * (n - a))) for a, n, c, m in tables]
    weights = [1 / (1 / a + 1 / (n - a) + 1 / c + 1 / (m - c)) for a, n, c, m in tables]
    return math.exp(sum(w * y for w, y in zip(weights, logs)) / sum(weights))


@pytest.fixture(scope="module")
def now() -> ff.evidence.Answer:
    return ff.evidence.answer("maintenance")


@pytest.fixture(scope="module")
def without_china(tmp_path_factory) -> dict:
    """The record of a run before the continuation of 2022 was known."""
    base = changed_base(
        tmp_path_factory.mktemp("earlier"), "maintenance.yaml", r"  china2022:\n.*?(?=  argolini2021:)", ""
    )
    return ff.evidence.answer("maintenance", base).record()


def test_nothing_changed_since_the_same_run(now) -> None:
    changes = now.since(json.loads(render_record(now.record())))
    assert changes.is_same and changes.moved == () and changes.unmoved == len(now.record()["numbers"])
    assert not any(status.is_other for status in changes.statuses)


def test_the_record_is_the_same_from_run_to_run(now) -> None:
    again = ff.evidence.answer("maintenance")
    assert render_record(again.record()) == render_record(now.record())


def test_digests_follow_the_rows_and_the_numbers(now, without_china) -> None:
    record = now.record()
    assert record["digests"]["inputs"] == digest_of(record["inputs"])
    assert record["digests"] != without_china["digests"]
    assert record["base"]["sha256"] != without_china["base"]["sha256"]


def test_a_study_that_came_is_told_and_is_the_cause(now, without_china) -> None:
    changes = now.since(without_china)
    (came,) = changes.inputs
    assert (came.study, came.what) == ("china2022", "came")
    assert came.told == "MMF 10/47; TAC 10/37; AZA 8/39"
    moved = {each.key: each for each in changes.moved}
    mmf = moved["renal_flare/pairwise/MMF/AZA"]
    # Before: MAINTAIN and ALMS; now with the continuation.  It alone makes the whole difference.
    two = ((10, 53, 13, 52), (15, 116, 26, 111))
    assert mmf.before[0] == pytest.approx(pooled_by_hand(two), rel=1e-9)
    assert mmf.after[0] == pytest.approx(pooled_by_hand((*two, (10, 47, 8, 39))), rel=1e-9)
    (share,) = mmf.shares
    assert share.cause == "Maintenance continuation, China 2022 came"
    assert share.estimate == pytest.approx(mmf.after[0], rel=1e-12)
    assert moved["renal_flare/network/TAC/AZA"].before is None
    assert not any(key.startswith("death/") for key in moved)


def test_numbers_that_do_not_rest_on_it_stay(now, without_china) -> None:
    moved = {each.key for each in now.since(without_china).moved}
    assert "renal_flare/pairwise/CsA/AZA" not in moved
    assert "renal_flare/network/LEF/AZA" not in moved
    assert "serious_adverse_event/network/MMF/AZA" not in moved


def test_a_study_that_went_is_told_too(without_china, now, tmp_path: Path) -> None:
    base = changed_base(tmp_path, "maintenance.yaml", r"  china2022:\n.*?(?=  argolini2021:)", "")
    changes = ff.evidence.answer("maintenance", base).since(now.record())
    assert [(c.study, c.what) for c in changes.inputs] == [("china2022", "went")]
    tac = next(m for m in changes.moved if m.key == "renal_flare/network/TAC/AZA")
    assert tac.after is None and tac.shares[0].estimate is None


def test_a_corrected_count_is_told_cell_by_cell(now, tmp_path: Path) -> None:
    base = changed_base(
        tmp_path, "maintenance.yaml", r"MMF: 10/53 \(18\.9%\), AZA", "MMF: 14/53 (26.4%), AZA"
    )
    later = ff.evidence.answer("maintenance", base)
    (change,) = later.since(now.record()).inputs
    assert (change.study, change.what) == ("houssiau2010", "changed")
    assert change.told == "MMF: events 10 → 14"


def test_two_changes_each_stand_with_what_they_do_alone(now, tmp_path: Path) -> None:
    base = changed_base(
        tmp_path, "maintenance.yaml", r"MMF: 10/53 \(18\.9%\), AZA", "MMF: 14/53 (26.4%), AZA"
    )
    changed_base(tmp_path, "maintenance.yaml", r"MMF: 10/47, TAC", "MMF: 20/47, TAC")
    later = ff.evidence.answer("maintenance", base)
    mmf = next(m for m in later.since(now.record()).moved if m.key == "renal_flare/pairwise/MMF/AZA")
    assert [share.cause for share in mmf.shares] == [
        "Houssiau 2010 (MAINTAIN) changed",
        "Maintenance continuation, China 2022 changed",
    ]
    # Both raise the ratio, the larger change more; together they do more than either.
    first, second = (share.estimate for share in mmf.shares)
    assert mmf.before[0] < first < second < mmf.after[0]


def test_a_source_that_is_named_otherwise_moves_no_number(now, tmp_path: Path) -> None:
    base = changed_base(
        tmp_path, "alms.yaml", r"place: Results, Study end points\n", "place: Results, p. 1889\n"
    )
    changes = ff.evidence.answer("maintenance", base).since(now.record())
    assert all(not change.moves_numbers for change in changes.inputs) and changes.moved == ()
    assert any("source" in change.told for change in changes.inputs)


def test_another_method_is_a_cause_of_its_own(now, tmp_path: Path) -> None:
    own = tmp_path / "maintenance.yaml"
    text = Path(str(builtin_folder())).parent.joinpath("questions/maintenance.yaml").read_text("utf-8")
    folder = Path(str(builtin_folder())).parent / "questions"
    text = (folder / "maintenance.yaml").read_text("utf-8")
    old = "    measure: OR\n    equivalence: 1.25\n    smallest_effect: 0.67\n"
    assert text.count(old) == 1
    own.write_text(text.replace(old, "    measure: RR\n    equivalence: 1.25\n    smallest_effect: 0.5\n"))
    changes = ff.evidence.answer(own).since(now.record())
    told = {(outcome, name): (before, after) for outcome, name, before, after in changes.settings}
    assert told["renal_flare", "measure"] == ("OR", "RR")
    assert told["renal_flare", "smallest_effect"] == ("0.67", "0.5")
    mmf = next(m for m in changes.moved if m.key == "renal_flare/pairwise/MMF/AZA")
    assert [share.cause for share in mmf.shares] == ["the question's settings changed"]
    assert mmf.shares[0].estimate == pytest.approx(mmf.after[0], rel=1e-12)


def test_the_boundarys_status_is_told_then_and_now(now, without_china) -> None:
    statuses = {each.key: each for each in now.since(without_china).statuses}
    mmf = statuses["renal_flare/sequential/MMF/AZA"]
    assert mmf.is_other and "25%" in mmf.before and "32%" in mmf.after
    assert statuses["renal_flare/sequential/TAC/AZA"].before == "no analysis"


def test_the_run_of_another_question_is_refused(now) -> None:
    with pytest.raises(EvidenceError) as caught:
        now.since(ff.evidence.answer("induction").record())
    assert (caught.value.found, caught.value.expected) == ("induction", "maintenance")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run": 2}', '{"run": 1, "program": {"name": "other"}}'])
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(EvidenceError, match="not the record of a run"):
        read_record(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="no earlier run"):
        read_record(tmp_path / "nowhere")


def test_a_record_holds_no_number_that_json_does_not_have(now) -> None:
    record = json.loads(render_record(now.record()), parse_constant=lambda name: pytest.fail(name))
    assert all(math.isfinite(number["estimate"]) for number in record["numbers"])
