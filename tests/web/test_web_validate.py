"""`flarefree validate`: every number of the list, its verdict, and a report that cannot be changed unseen."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from flarefree.conduct.checks.result import CheckResult, Evidence
from flarefree.errors import ConductError
from flarefree.web.checks.catalog import GROUPS, NEEDS_DATABASE, NUMBERS, parse_numbers


def test_the_list_is_whole():
    counts = {letter: sum(number[0] == letter for number in NUMBERS) for letter in GROUPS}
    assert counts == {"R": 13, "B": 10, "M": 4, "A": 8, "E": 7, "V": 5, "F": 8}
    assert set(NUMBERS) >= NEEDS_DATABASE


@pytest.mark.parametrize(
    ("words", "found"),
    [("r1,B10", ("R1", "B10")), ("F3", ("F-3",)), ("f-3,f-3", ("F-3",)), ("M", ("M1", "M2", "M3", "M4"))],
)
def test_numbers_are_named_as_people_name_them(words, found):
    assert parse_numbers(words) == found


@pytest.mark.parametrize("words", ["R99", "", "R1,", "X"])
def test_a_number_that_is_not_on_the_list_is_refused(words):
    with pytest.raises(ConductError, match="no check has this number"):
        parse_numbers(words)


def _checked(rules=(), application=()):
    from flarefree.web.checks.running import CheckedNumber

    return CheckedNumber("R1", "Race", tuple(rules), tuple(application))


def _result(*holds: bool, left: str = "") -> CheckResult:
    return CheckResult("R1", "x", tuple(Evidence("a row", 1, 1, h) for h in holds), 0.5, left=left)


def test_both_parts_count_and_nothing_looked_at_is_no_success(record):
    assert _checked().verdict == "not run"
    assert _checked([_result(True)], [_result(True)]).verdict == "passed"
    assert _checked([_result(True)], [_result(True, False)]).verdict == "FAILED"
    assert _checked([_result()]).verdict == "FAILED"


def test_what_rules_leave_to_the_application_is_shown_once_that_ran(record):
    assert _checked([_result(True, left="a database")]).left == ("a database",)
    assert _checked([_result(True, left="a database")], [_result(True)]).left == ()
    assert _checked([], [_result(True, left="power loss")]).left == ("power loss",)


def test_a_check_that_breaks_off_has_failed_and_the_others_go_on(record, monkeypatch):
    from flarefree.conduct.checks.result import Check
    from flarefree.web.checks import running

    def breaks(quick: bool):
        yield Evidence("before", 1, 1, True)
        raise RuntimeError("the disk went away")

    checks = {
        "R1": Check("R1", "x", breaks),
        "R2": Check("R2", "y", lambda quick: [Evidence("z", 1, 1, True)]),
    }
    monkeypatch.setattr(running, "checks_of", lambda number: ((checks[number],), ()))
    first, second = running.run_numbers(("R1", "R2"), quick=True)
    assert (first.verdict, second.verdict) == ("FAILED", "passed")
    assert "the disk went away" in str(first.rules[0].evidence[-1].found)


def test_the_pack_finds_its_own_report_changed(record):
    from flarefree.conduct.checks.result import run_check
    from flarefree.web.checks.pack import CHECKS

    pack = run_check(CHECKS[0], quick=True)
    rows = {row.what: row for row in pack.evidence}
    for what in ("a verdict that was changed", "a report cut short", "another's signature"):
        assert rows[what].holds, rows[what]
    # Whether every number has its check is what validation itself reports.
    assert all(row.holds for row in pack.evidence if not row.what.startswith("numbers of the list"))


@pytest.mark.slow
def test_the_command_runs_signs_and_verifies(tmp_path):
    key = tmp_path / "key"
    key.write_text("11" * 32)
    out = tmp_path / "out"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("FLAREFREE_", "DJANGO_"))}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flarefree", "validate", *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    done = run("--quick", "--only", "V5,A5", "--out", str(out), "--sign", str(key), "--signed-by", "Ada")
    assert done.returncode == 0, done.stderr
    assert "V5   passed" in done.stdout
    told = json.loads((out / "report.json").read_text())
    assert [one["number"] for one in told["checks"]] == ["A5", "V5"]
    public = done.stdout.split("--public-key ")[1].split()[0]
    again = run("--verify", str(out / "report.signed"), "--public-key", public)
    assert again.returncode == 0
    assert "Unchanged since Ada signed it" in again.stdout
    (out / "report.signed").write_bytes(
        (out / "report.signed").read_bytes().replace(b'"passed"', b'"failed"')
    )
    assert run("--verify", str(out / "report.signed"), "--public-key", public).returncode == 2
    assert run("--only", "R99").returncode == 2
    assert run("--quick", "--only", "V5", "--sign", str(key)).returncode == 2
