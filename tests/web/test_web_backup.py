"""`flarefree backup` and `flarefree restore`: whole or refused, and without the vault's key."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")


@pytest.fixture
def trial(databases: None, tmp_path):
    from flarefree.web.checks.live_trial import live_trial

    with live_trial(tmp_path / "trial", subjects=3, list_length=4) as told:
        if told.config.database:
            pytest.skip("the command's files are SQLite's here; F-4 does the same on PostgreSQL")
        yield told


def run(*words: str) -> int:
    from flarefree.cli.app import run as run_command

    with pytest.raises(SystemExit) as ended:
        run_command(list(words))
    return int(ended.value.code or 0)


def test_a_backup_comes_back_as_it_was_and_has_no_key(trial, tmp_path, capsys):
    from flarefree.web.checks.live_trial import randomize

    randomize(trial.subjects[0])
    out, data, key = tmp_path / "backup", tmp_path / "again", trial.config.vault_folder / "key"
    assert run("backup", "--data", str(trial.config.data), "--out", str(out)) == 0
    secret = key.read_bytes().strip()
    kept = [path for path in out.rglob("*") if path.is_file()]
    assert kept and not any(secret in path.read_bytes() for path in kept)
    assert out.stat().st_mode & 0o077 == 0
    assert run("restore", str(out), "--data", str(data), "--vault-key", str(key)) == 0
    assert (data / "record.sqlite3").read_bytes() == (out / "record").read_bytes()
    assert (data / "vault" / "key").read_bytes() == key.read_bytes()
    assert not (data / "vault" / "noted").exists()
    assert "reconcile" in capsys.readouterr().out


def test_what_is_not_whole_or_not_its_key_is_refused(trial, tmp_path, capsys):
    out, key = tmp_path / "backup", trial.config.vault_folder / "key"
    assert run("backup", "--data", str(trial.config.data), "--out", str(out)) == 0
    assert run("backup", "--data", str(trial.config.data), "--out", str(out)) == 2
    assert "has something in it" in capsys.readouterr().err
    other = tmp_path / "other-key"
    other.write_bytes(b"0" * 64)
    assert run("restore", str(out), "--data", str(tmp_path / "a"), "--vault-key", str(other)) == 2
    assert "not the key" in capsys.readouterr().err
    for spoil in (lambda p: (p / "record").unlink(), lambda p: (p / "more").write_text("x"), _bend_manifest):
        copy = tmp_path / "copy"
        shutil.copytree(out, copy)
        spoil(copy)
        assert run("restore", str(copy), "--data", str(tmp_path / "b"), "--vault-key", str(key)) == 2
        assert "not whole" in capsys.readouterr().err
        shutil.rmtree(copy)
    assert not (tmp_path / "b").exists()
    assert run("restore", str(tmp_path), "--data", str(tmp_path / "c"), "--vault-key", str(key)) == 2
    assert "not a backup" in capsys.readouterr().err


def _bend_manifest(folder: Path) -> None:
    told = json.loads((folder / "manifest.json").read_text())
    told["files"]["record"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(told))
