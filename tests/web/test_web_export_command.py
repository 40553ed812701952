"""`flarefree export` on an installation's folder, as its owner calls it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from flarefree.readers import read_study

GRANT = {
    "person": "mia", "role": "data_manager", "sites": "", "begin": "2026-01-01T00:00:00.000000Z",
    "granted_by": "root", "reason": "appointed",
}  # fmt: skip


@pytest.fixture
def installation(record: None, tmp_path):
    from django.db import connections
    from web_committee import go_live
    from web_planting import plant, plant_cohort_in_record

    from flarefree.conduct.checks.cohort import plant_cohort
    from flarefree.web.trial import running_trial

    if connections["default"].vendor != "sqlite":
        pytest.skip("the command is told of a folder with SQLite files here; the export itself runs on both")
    plant_cohort_in_record(plant_cohort(running_trial().protocol, 3, 3).planted)
    go_live()
    account = {"full_name": "Mia Manager", "is_active": True}
    plant(
        "mia",
        ("grant", "mia.1", "permissions.history", GRANT),
        ("account", "mia", "accounts.register", account),
        request="mia",
    )
    data = tmp_path / "installation"
    (data / "vault").mkdir(parents=True)
    connections.close_all()
    for alias, file in (("default", "record.sqlite3"), ("vault", "vault/vault.sqlite3")):
        shutil.copy(connections[alias].settings_dict["NAME"], data / file)
    return data


def _export(data, out, person: str) -> subprocess.CompletedProcess[str]:
    told = {name: value for name, value in os.environ.items() if not name.startswith(("FLAREFREE", "DJANGO"))}
    words = ["export", "--data", str(data), "--out", str(out), "--as", person, "--json"]
    return subprocess.run(
        [sys.executable, "-m", "flarefree", *words], capture_output=True, text=True, env=told, check=False
    )


def test_the_command_writes_a_study_that_can_be_read(installation, tmp_path):
    done = _export(installation, tmp_path / "study", "mia")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["patients"] == 3
    study = read_study(tmp_path / "study")
    assert study["subjects"].height == 3 and study["subjects"]["arm"].null_count() == 3
    manifest = json.loads((tmp_path / "study" / "manifest.json").read_text())
    assert manifest["arms"] == "masked" and set(manifest["files"]) >= {"dm.csv", "lb.csv", "audit.jsonl"}


def test_nobody_without_an_account_exports(installation, tmp_path):
    refused = _export(installation, tmp_path / "study", "eve")
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert not (tmp_path / "study").exists()
