"""The vault: one allocation a request, a patient, a slot; nothing is taken back."""

from __future__ import annotations

import pytest

from flarefree.errors import ConductError


@pytest.fixture
def trial(databases: None, tmp_path):
    from flarefree.web.checks.live_trial import live_trial

    with live_trial(tmp_path / "trial", subjects=6, list_length=4) as told:
        yield told


def test_a_patient_is_randomized_once(trial):
    from flarefree.web.checks.live_trial import randomize
    from flarefree.web.record.reading import read_thing

    first = randomize(trial.subjects[0])
    again = randomize(trial.subjects[0])
    other_request = randomize(trial.subjects[0], "another click")
    assert again.is_repeated and not first.is_repeated
    assert dict(first.result) == dict(again.result) == dict(other_request.result)
    subject = read_thing("subject", trial.subjects[0])
    own = trial.lists.list_of(("Intravenous cyclophosphamide", "White", "III or III+V"))
    assert (subject["status"], subject["kit"]) == ("randomized", own.codes[0])
    assert read_thing("trial", "this")["last_allocation"] == f"1:{own.codes[0]}"


def test_a_list_at_its_end_refuses_alarms_and_halts_once(trial):
    from flarefree.web.checks.live_trial import randomize
    from flarefree.web.trial import running_trial
    from flarefree.web.vault import service

    for subject in trial.subjects[:4]:
        randomize(subject)
    with pytest.raises(ConductError, match="at its end"):
        randomize(trial.subjects[4])
    assert [alarm.kind for alarm in service.alarms()] == ["list_at_its_end"]
    assert running_trial().standing().randomization == "halted"
    with pytest.raises(ConductError):
        randomize(trial.subjects[5])
    assert len(service.receipts_since()) == 4


def test_only_the_vaults_door_is_imported_from_outside():
    """Every other module of the vault could name an arm."""
    import ast
    from pathlib import Path

    import flarefree

    root = Path(flarefree.__file__).parent
    inside = root / "web" / "vault"
    # Migrations are Django's to import; two checks of the tables themselves read their names and triggers.
    allowed = {"flarefree.web.vault.service", "flarefree.web.vault.append_only", "flarefree.web.vault"}
    found = []
    for path in root.rglob("*.py"):
        if inside in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
                if node.module == "flarefree.web.vault":
                    names = [f"flarefree.web.vault.{a.name}" for a in node.names]
            found += [
                (path.name, n) for n in names if n.startswith("flarefree.web.vault") and n not in allowed
            ]
    assert not found
