"""The lists of serve-a-trial.md: its Python, run as it stands on an installation, opens both gates."""

from __future__ import annotations

import os
import re
import secrets
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
from flarefree.web.vault.lists import installed_lists
from flarefree.web.vault.models import Kept
assert installed_lists().sha256 == lists.sha256
assert [row.key for row in Kept.objects.all()] == [lists.sha256]
"""


def _run(folder: Path, *words: str) -> None:
    told = {name: value for name, value in os.environ.items() if not name.startswith(("FLAREFREE", "DJANGO"))}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, env=told, check=False
    )
    assert done.returncode == 0, done.stderr


def test_lists_and_their_report_are_installed_as_the_page_says(tmp_path):
    (page,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for name in ("statistician.key", "lists.seed"):
        (tmp_path / name).write_text(secrets.token_hex(32) + "\n")
        (tmp_path / name).chmod(0o600)
    _run(tmp_path, "-m", "flarefree", "protocols", "copy", "alms-maintenance", "my-trial.yaml")
    _run(tmp_path, "-c", SET_UP)
    told = ["--sign", "statistician.key", "--signed-by", "A.", "--signed-at", "2026-11-20T12:00:00Z"]
    simulate = ["randomization", "simulate", "my-trial.yaml", "-r", "1000", "--out", "schemes", *told]
    _run(tmp_path, "-m", "flarefree", *simulate)
    _run(tmp_path, "-c", page + LOOK)
