"""When follow-up ends, and how a patient's participation ended."""

from __future__ import annotations

import pytest

from flarefree.protocol.loading import load_protocol
from flarefree.protocol.schema import FollowUpRule, Protocol, Withdrawals
from patients_on_paper import Paper, date_of, follow_up


def spec(**changes: object) -> Protocol:
    return load_protocol("alms-maintenance").spec.model_copy(update=changes)


def followed(paper: Paper, **changes: object) -> dict[str, object]:
    return follow_up(paper, spec(**changes)).row(0, named=True)


def test_the_later_of_the_end_and_the_last_visit() -> None:
    paper = Paper()
    paper.patient("Ana", end=200).leaves(200).at(230, None, creatinine=1.0)
    row = followed(paper)
    assert row["follow_up_end_day"] == 230
    assert (row["status"], row["withdrawal_day"], row["reason"]) == (
        "withdrawn",
        200,
        "Withdrawal of consent",
    )


def test_nobody_is_followed_after_death() -> None:
    paper = Paper()
    paper.patient("Ana", end=200).dies(150)
    row = followed(paper)
    assert (row["follow_up_end_day"], row["status"], row["reason"], row["withdrawal_day"]) == (
        150, "withdrawn", "Death", 150,
    )  # fmt: skip


def test_a_protocol_may_end_follow_up_with_participation() -> None:
    paper = Paper()
    paper.patient("Ana", end=200).at(230, None, creatinine=1.0)
    assert followed(paper, follow_up=FollowUpRule(ends="end_of_participation"))["follow_up_end_day"] == 200


@pytest.mark.parametrize(
    ("status", "written", "reason"),
    [
        ("ADVERSE EVENT", None, "Adverse event"),
        ("LACK OF EFFICACY", None, "Lupus nephritis flare or treatment failure"),
        ("Other", "moved to another city", "Other"),
        ("ADVANCED AGE", None, "ADVANCED AGE"),  # none of the protocol's: as the record has it
    ],
)
def test_reasons_in_the_protocol_s_words(status: str, written: str | None, reason: str) -> None:
    paper = Paper()
    paper.patient("Ana", end=200).leaves(200, status, written)
    assert followed(paper)["reason"] == reason


def test_completed_and_ongoing() -> None:
    paper = Paper()
    paper.patient("Ana").leaves(1097, "COMPLETED")
    paper.patient("Bea")
    rows = follow_up(paper, spec()).select("status", "reason", "withdrawal_day").rows()
    assert rows == [("completed", None, None), ("ongoing", None, None)]


def test_who_failed_screening_has_no_status() -> None:
    paper = Paper()
    paper.patient("Ana", is_screen_failure=True, arm="").leaves(-3, "SCREEN FAILURE")
    assert followed(paper)["status"] is None


def test_only_dispositions_of_the_protocol_s_categories() -> None:
    paper = Paper()
    paper.patient("Ana", end=200).leaves(200, "COMPLETED")
    paper.add(
        "dispositions",
        subject="Ana",
        status="FINAL LAB VISIT",
        category="OTHER EVENT",
        day=210,
        date=date_of(210),
    )
    only = Withdrawals(categories=("DISPOSITION EVENT",))
    assert followed(paper, withdrawals=only)["status"] == "completed"


def test_doses_come_from_exposures_where_the_subjects_have_none() -> None:
    paper = Paper()
    paper.patient("Ana", first_dose_day=None)
    paper.add("exposures", subject="Ana", drug="MMF", dose=1.0, start_day=3, end_day=40)
    paper.add("exposures", subject="Ana", drug="MMF", dose=0.0, start_day=41, end_day=90)
    row = followed(paper)
    assert (row["first_dose_day"], row["last_dose_day"]) == (3, 40)
