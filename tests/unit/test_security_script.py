"""What bandit finds is accepted by name and reason, or fails; an acceptance that nothing needs fails too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import security


def test_a_new_finding_is_not_accepted_by_its_neighbors():
    left, unneeded = security.unaccepted([("B602", "src/flarefree/web/x.py", 3, "shell=True")])
    assert left == ["src/flarefree/web/x.py:3: B602 shell=True"]
    assert len(unneeded) == len(security.ACCEPTED)


def test_an_acceptance_names_its_test_and_its_files():
    left, unneeded = security.unaccepted([("B301", "src/flarefree/web/x.py", 1, "pickle")])
    assert left and len(unneeded) == len(security.ACCEPTED)
    left, unneeded = security.unaccepted([("B301", "src/flarefree/simulation/workers.py", 1, "pickle")])
    assert not left and len(unneeded) == len(security.ACCEPTED) - 1


def test_an_audit_that_could_ask_about_nothing_is_no_clean_audit():
    skipped = '{"dependencies": [{"name": "a", "skip_reason": "not found"}]}'
    assert security.audited(skipped) == (0, [])
    assert security.audited("no answer") == (0, [])
    clean = '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}'
    assert security.audited(clean) == (1, [])
    bad = '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1"}]}]}'
    assert security.audited(bad) == (1, ["a 1: X-1"])
