"""`flarefree serve` as a process: it starts with nothing there, says what it did, and refuses in words."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from flarefree.cli import main; main()", "serve", *words]


@contextmanager
def serving(data, *words: str):
    """The server's process, once it listens, and what it printed until then."""
    told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command("--data", str(data), "--port", "0", *words), **told)
    lines = []
    try:
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("Data in"):
                break
        yield process, lines
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)
        process.stdout.close()


def refused(*words: str, **environment: str) -> str:
    """What it says where it does not start; exit code 2, no traceback."""
    done = subprocess.run(
        command(*words), capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def get(address: str, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(address + path, timeout=20) as answer:
        return answer.status, answer.read().decode()


def address_of(lines: list[str]) -> str:
    return next(found[1] for line in lines if (found := re.search(r"(http://127\.0\.0\.1:\d+)$", line)))


def link_of(lines: list[str]) -> str:
    found = [line.strip() for line in lines if "/accounts/begin/" in line]
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An installation that was started once and stopped; with what it printed."""
    data = tmp_path_factory.mktemp("served") / "trial"
    with serving(data) as (process, lines):
        health = get(address_of(lines), "/healthz")
        page = get("", link_of(lines))
        login = get(address_of(lines), "/accounts/login/")
    return data, lines, process.returncode, health, page, login


def test_the_first_start_prints_a_link_and_answers(installed):
    data, lines, code, health, page, login = installed
    assert health == (200, "ok\n")
    assert page[0] == 200 and "administrator" in page[1] and "The same again" in page[1]
    assert login[0] == 200
    assert code == 0, "stopped by SIGTERM"
    assert lines[-1].startswith(f"Data in {data}")


def test_what_it_makes_is_its_owners_alone(installed):
    data = installed[0]
    for path in [data, *data.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_link_is_printed_again_until_it_was_used_and_the_earlier_one_is_no_good(installed):
    data, lines, *_ = installed
    with serving(data) as (_, again):
        assert link_of(again) != link_of(lines)
        earlier = link_of(lines).split("/accounts/")[1]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(address_of(again), f"/accounts/{earlier}")


def test_a_port_that_is_taken_is_said_in_words(installed):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        said = refused("--data", str(installed[0]), "--port", port)
    assert "the port cannot be listened on" in said and f"--port {port}" in said


def test_data_of_another_protocol_are_refused(installed):
    said = refused("--data", str(installed[0]), "--port", "0", "--protocol", "cdisc-pilot")
    assert "these data are another trial's" in said and "alms-maintenance" in said


def test_a_database_that_cannot_be_reached_is_said_without_its_password(tmp_path):
    url = "postgresql://flarefree:open-sesame@127.0.0.1:1/trial"
    said = refused("--data", str(tmp_path / "x"), "--port", "0", FLAREFREE_DATABASE=url)
    assert "the database cannot be reached" in said and "open-sesame" not in said


def test_tables_of_a_newer_version_are_left_alone(installed, tmp_path):
    import shutil

    copy = tmp_path / "newer"
    shutil.copytree(installed[0], copy)
    with sqlite3.connect(copy / "record.sqlite3") as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('record', '0999_later', '2030-01-01')"
        )
    said = refused("--data", str(copy), "--port", "0")
    assert "made by a newer version" in said and "record 0999_later" in said


def test_it_does_not_listen_to_the_world_without_tls(tmp_path):
    said = refused("--data", str(tmp_path / "x"), "--host", "0.0.0.0")
    assert "in the clear" in said and "--tls-proxy" in said


def test_two_first_starts_at_once_make_one_installation(tmp_path):
    data = tmp_path / "both"
    with serving(data) as (_, one), serving(data) as (_, other):
        assert get(address_of(one), "/healthz") == get(address_of(other), "/healthz") == (200, "ok\n")
    with sqlite3.connect(data / "record.sqlite3") as database:
        told = database.execute("SELECT count(*) FROM record_thing WHERE kind = 'account'").fetchone()
    assert told == (1,)


def test_a_record_that_was_changed_by_hand_halts_randomization_in_words(installed, tmp_path):
    import shutil

    copy = tmp_path / "changed"
    shutil.copytree(installed[0], copy)
    with sqlite3.connect(copy / "record.sqlite3") as database:
        database.execute("UPDATE record_latest SET value = '\"Mallory\"' WHERE attribute = 'full_name'")
    with serving(copy) as (_, lines):
        said = "\n".join(lines)
    assert "THE RECORD IS NOT AS ITS LOG SAYS" in said
    assert "account/administrator/full_name" in said and "Mallory" not in said


def test_a_real_trial_does_not_become_a_demonstration_by_an_option(installed):
    """B10: without a second factor and with everybody's account on the first page it would be open to all."""
    said = refused("--data", str(installed[0]), "--port", "0", "--demo")
    assert "these data are another trial's" in said or "no demonstration" in said
