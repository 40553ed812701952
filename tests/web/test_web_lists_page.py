"""The lists of serve-a-trial.md: its commands, run as they stand on an installation, open both gates."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "serve-a-trial.md"
SET_UP = """
from pathlib import Path
from flarefree.web.config import WebConfig
from flarefree.web.starting import prepare
prepare(WebConfig(data=Path("my-trial").absolute(), protocol=str(Path("my-trial.yaml").absolute())))

from flarefree.web.clock import now
from flarefree.web.rehearsal.doors import DirectDoor
from flarefree.web.rehearsal.setting_up import ADMINISTRATOR

door = DirectDoor(now)
ulla = {"person": "ulla", "full_name": "Ulla Unblinded"}
door.ask(ADMINISTRATOR, "record_protocol", {"text": Path("my-trial.yaml").read_text()}, "1")
door.ask(ADMINISTRATOR, "open_account", ulla, "2")
role = {"person": "ulla", "role": "unblinded_statistician", "reason": "joins"}
door.ask(ADMINISTRATOR, "grant_role", role, "3")
"""
LOOK = """
from pathlib import Path
from flarefree.web.config import WebConfig
from flarefree.web.starting import set_up
set_up(WebConfig(data=Path("my-trial").absolute(), protocol=str(Path("my-trial.yaml").absolute())))
from flarefree.web.vault import service
status = service.lists_status()
assert status.is_sealed and status.has_signed_report, status
print(status.sha256)
"""


def _run(folder: Path, *words: str) -> tuple[int, str]:
    told = {name: value for name, value in os.environ.items() if not name.startswith(("FLAREFREE", "DJANGO"))}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, env=told, check=False
    )
    return done.returncode, done.stdout + done.stderr


def _done(folder: Path, *words: str) -> str:
    code, said = _run(folder, *words)
    assert code == 0, said
    return said


def test_lists_and_their_report_are_installed_as_the_page_says(tmp_path):
    (command,) = re.findall(
        r"^flarefree (randomization install .*?)\n```", PAGE.read_text("utf-8"), re.S | re.M
    )
    install = shlex.split(command.replace("\\\n", " "))
    for name in ("statistician.key", "lists.seed", "other.key"):
        (tmp_path / name).write_text(secrets.token_hex(32) + "\n")
        (tmp_path / name).chmod(0o600)
    _done(tmp_path, "-m", "flarefree", "protocols", "copy", "alms-maintenance", "my-trial.yaml")
    _done(tmp_path, "-c", SET_UP)
    told = ["--sign", "statistician.key", "--signed-by", "A.", "--signed-at", "2026-11-20T12:00:00Z"]
    simulate = ["randomization", "simulate", "my-trial.yaml", "-r", "1000", "--out", "schemes", *told]
    _done(tmp_path, "-m", "flarefree", *simulate)
    for word, wrong, words in (
        ("ulla", "olga", "no open account"),
        ("statistician.key", "other.key", "signature"),
        ("schemes/report.signed", "schemes/none", "cannot be read"),
    ):
        code, said = _run(tmp_path, "-m", "flarefree", *(wrong if w == word else w for w in install))
        assert code == 2 and words in said and "Traceback" not in said, said
    said = _done(tmp_path, "-m", "flarefree", *install)
    assert _done(tmp_path, "-c", LOOK).strip() in said
    code, said = _run(
        tmp_path, "-m", "flarefree", *(["other.key" if w == "lists.seed" else w for w in install])
    )
    assert code == 2, said  # never exchanged
