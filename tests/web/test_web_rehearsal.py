"""A rehearsal: patients whose arm and course agree, a script in order of time, a comparison that is sharp."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from flarefree.protocol.loading import load_protocol
from flarefree.web.rehearsal.clocks import SharedClock
from flarefree.web.rehearsal.comparing import _compared, table_of
from flarefree.web.rehearsal.patients import Candidate, Pool, candidates_of, moved
from flarefree.web.rehearsal.script import Ref, enroll_all, lot, script_of
from flarefree.web.rehearsal.setting_up import draw_rehearsal_lists, keys_of, swapped

PATIENTS, SITES, SEED = 24, 3, 5


@pytest.fixture(scope="module")
def protocol():
    return load_protocol("alms-maintenance")


@pytest.fixture(scope="module")
def cast(protocol):
    candidates = candidates_of(protocol, SEED, PATIENTS, SITES)
    lists = draw_rehearsal_lists(protocol, keys_of(SEED))
    enrolled, failed = enroll_all(candidates, Pool(protocol, SEED), lists)
    return candidates, lists, enrolled, failed


def test_candidates_come_in_order_to_so_many_sites(cast):
    candidates, *_ = cast
    assert len(candidates) == PATIENTS
    assert len({one.site for one in candidates}) == SITES
    assert [one.day_one for one in candidates] == sorted(one.day_one for one in candidates)


def test_the_course_is_of_the_arm_and_stratum_that_the_list_gives(cast):
    _, lists, enrolled, _ = cast
    by_code = {
        code: (one.cell, lists.plan.arms[arm])
        for one in lists.lists
        for code, arm in zip(one.codes, one.entries, strict=True)
    }
    for one in enrolled:
        assert by_code[one.kit] == (one.candidate.stratum, one.arm)
        assert (one.course.stratum, one.course.arm) == (one.candidate.stratum, one.arm)
    assert set(Counter(one.arm for one in enrolled)) == {"MMF", "AZA"}
    assert len({one.kit for one in enrolled}) == PATIENTS


def test_a_moved_course_keeps_its_study_days(protocol):
    pool = Pool(protocol, SEED)
    candidate = Candidate("XYZ01", "DEU", date(2024, 2, 28), ("Mycophenolate mofetil", "White", "IV or IV+V"))
    course = pool.take(candidate.stratum, "MMF")
    there = moved(course, "XYZ01-001", candidate)
    for table, rows in there.tables.items():
        for before, after in zip(course.tables[table], rows, strict=True):
            assert after.get("USUBJID", "XYZ01-001") == "XYZ01-001"
            for name, text in before.items():
                if name.endswith("DTC") and len(text) == 10:
                    apart = date.fromisoformat(text) - course.day_one
                    assert date.fromisoformat(after[name]) - candidate.day_one == apart
    assert there.person["SITEID"] == "XYZ01"
    assert "USUBJID" in course.tables["lb"][0]
    assert course.tables["lb"][0]["USUBJID"] != "XYZ01-001"


def test_a_pool_gives_nobody_twice(protocol, cast):
    _, _, enrolled, _ = cast
    rows = [tuple(row["LBORRES"] for row in one.course.tables["lb"]) for one in enrolled]
    assert len(set(rows)) == len(rows)


def test_swapped_lists_differ_in_every_arm_and_in_no_code(cast):
    _, lists, *_ = cast
    other = swapped(lists)
    for one, two in zip(lists.lists, other.lists, strict=True):
        assert one.codes == two.codes
        assert all(a + b == 1 for a, b in zip(one.entries, two.entries, strict=True))


@pytest.fixture(scope="module")
def steps(protocol, cast):
    _, _, enrolled, failed = cast
    return script_of(protocol, enrolled, failed, consent="1.0")


def test_steps_come_in_order_of_time_and_have_ids_of_their_own(steps):
    assert [step.day for step in steps] == sorted(step.day for step in steps)
    assert len({step.id for step in steps}) == len(steps)
    assert all(8 <= len(step.id) <= 80 for step in steps)


def test_what_a_step_refers_to_was_done_before(steps):
    seen = set()
    for step in steps:
        for value in step.content.values():
            if isinstance(value, Ref):
                assert value.step in seen
        seen.add(step.id)


def test_everybody_is_screened_before_they_are_randomized_and_ends_once(steps, cast):
    _, _, enrolled, failed = cast
    for subject in [one.subject for one in enrolled]:
        own = [step.command for step in steps if step.subject == subject]
        assert own.index("screen_subject") < own.index("record_consent") < own.index("randomize_subject")
        ends = {"complete_study", "leave_study", "withdraw_consent"}
        ended = sum(command in ends for command in own)
        died = sum(s.content.get("status") == "dead" for s in steps if s.subject == subject)
        assert ended + died == 1
    for subject, _ in failed:
        own = [step.command for step in steps if step.subject == subject]
        assert own == ["screen_subject", "record_consent", "fail_screening"]


def test_slots_are_asked_for_in_the_order_in_which_the_lists_give_them(steps, cast):
    _, lists, enrolled, _ = cast
    by_subject = {one.subject: one for one in enrolled}
    used: Counter[tuple[str, ...]] = Counter()
    for step in steps:
        if step.command == "randomize_subject":
            one = by_subject[step.subject]
            own = lists.list_of(one.candidate.stratum)
            assert own.codes[used[own.cell]] == one.kit
            used[own.cell] += 1
    assert sum(used.values()) == PATIENTS


def test_numbers_of_a_site_are_given_in_the_script_s_order(steps):
    given: Counter[str] = Counter()
    for step in steps:
        if step.command == "screen_subject":
            given[step.site] += 1
            assert step.subject == f"{step.site}-{given[step.site]:03d}"


@pytest.fixture(scope="module")
def direct(protocol, cast, tmp_path_factory):
    from flarefree.endpoints.derive import derive
    from flarefree.readers.study_folder import read_study
    from flarefree.web.rehearsal.closing import write_direct

    folder = write_direct(tmp_path_factory.mktemp("direct") / "study", protocol, cast[2])
    return derive(read_study(folder), protocol)


def _without(frame: pl.DataFrame, n: int) -> pl.DataFrame:
    return pl.concat([frame.slice(0, n), frame.slice(n + 1)])


def _with(frame: pl.DataFrame, n: int, **values: object) -> pl.DataFrame:
    at = pl.int_range(pl.len()) == n
    told = (pl.when(at).then(pl.lit(v, frame.schema[k])).otherwise(k).alias(k) for k, v in values.items())
    return frame.with_columns(*told)


def _other_arm(frame: pl.DataFrame, n: int) -> pl.DataFrame:
    return _with(frame, n, arm={"MMF": "AZA", "AZA": "MMF"}[frame["arm"][n]])


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("adverse_events", _without),
        ("medications", _without),
        ("visits", _without),
        ("dispositions", _without),
        ("observations", _without),
        ("decisions", _without),
        ("subjects", _other_arm),
        ("decisions", lambda frame, n: _with(frame, n, is_confirmed=not frame["is_confirmed"][n])),
        ("adverse_events", lambda frame, n: _with(frame, n, start_text="2009-09-09")),
        ("adverse_events", lambda frame, n: _with(frame, n, severity="FATAL")),
        ("medications", lambda frame, n: _with(frame, n, end_text="2009-09-09")),
        ("visits", lambda frame, n: _with(frame, n, date_text="2009-09-09")),
        ("observations", lambda frame, n: _with(frame, n, text="0.123")),
    ],
)
def test_one_row_that_is_lost_or_changed_is_noticed(direct, table, change):
    """Wherever it stands, and whether or not any figure depends on it."""
    from dataclasses import replace

    from flarefree.web.rehearsal.comparing import compare_derivations

    assert all(one.is_equal for one in compare_derivations(direct, direct))
    frame = direct.study[table]
    for n in (0, frame.height // 2, frame.height - 1):
        tables = {**direct.study.tables, table: change(frame, n)}
        other = replace(direct, study=replace(direct.study, tables=tables))
        assert sum(not one.is_equal for one in compare_derivations(direct, other)) == 1, n


def test_a_shared_clock_is_read_elsewhere_and_never_goes_back(tmp_path):
    clock = SharedClock(tmp_path / "clock")
    noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    clock.set_to(noon)
    other = SharedClock(tmp_path / "clock")
    assert other.read() == noon
    clock.set_to(noon - timedelta(days=1))
    assert clock.tick() == other.read() == noon + timedelta(seconds=1)


def test_lots_depend_on_what_they_are_of_alone():
    assert lot(1, "a", "b") == lot(1, "a", "b")
    drawn = [lot(1, str(n)) for n in range(1000)]
    assert 0.45 < sum(drawn) / 1000 < 0.55
    assert len(set(drawn)) == 1000


def test_seeded_randomness_is_the_same_again_and_the_system_s_afterwards(record):
    import os as system
    import secrets

    from flarefree.web.rehearsal.seeding import begin_draw, seeded_randomness

    def drawn() -> tuple[str, bytes]:
        begin_draw("first")
        found = secrets.token_hex(8), system.urandom(5)
        begin_draw("second")
        assert (secrets.token_hex(8), system.urandom(5)) != found
        return found

    with seeded_randomness("x"):
        one = drawn()
        secrets.token_bytes(1000)
        assert drawn() == one
    with seeded_randomness("x"):
        assert drawn() == one
    assert secrets.token_hex(8) != one[0]


def test_the_comparison_finds_one_event_that_moved_a_day():
    one = pl.DataFrame({"subject": ["A", "B", "B"], "day": [3, 9, 9], "value": [0.1 + 0.2, None, None]})
    same = _compared(
        "events",
        one,
        pl.DataFrame({"subject": ["B", "A", "B"], "day": [9, 3, 9], "value": [None, 0.3, None]}),
    )
    assert (same.equal, same.is_equal) == (3, True)
    other = _compared("events", one, one.with_columns(day=pl.Series([4, 9, 9])))
    assert (other.direct, other.conducted, other.equal, other.is_equal) == (3, 3, 2, False)
    assert any("only direct: subject A, day 3" in line for line in other.differences)
    assert "DIFFER" in table_of([other])
    assert "DIFFER" not in table_of([same])
    assert not _compared("nothing", one.head(0), one.head(0)).is_equal


@pytest.mark.slow
def test_a_whole_trial_over_http_is_analyzed_like_the_same_patients_directly(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("FLAREFREE_", "DJANGO_"))}
    command = [
        sys.executable, "-m", "flarefree", "rehearse", "alms-maintenance", "--patients", "4", "--sites", "2",
        "--no-report", "--json", "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    told = json.loads(done.stdout)
    assert told["is_equal"]
    assert told["commands"]["randomize_subject"] == 4
    assert told["commands"]["present_share"] == 2
    assert {one["what"] for one in told["compared"]} >= {"states at assessments"}
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert again.returncode == 2
    assert "something here already" in again.stderr
