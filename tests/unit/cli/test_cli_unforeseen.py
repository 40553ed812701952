"""Errors that nobody foresaw: one message, exit code 2 (1 would mean findings), the trace on request."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from flarefree.cli import app


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def call(name: str, words: list[str]) -> Any:
        raise error

    monkeypatch.setattr(app, "_call", call)


def test_an_unforeseen_error_is_one_message_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FLAREFREE_TRACEBACK", raising=False)
    fail_with(monkeypatch, TypeError("argument of type 'int'\nis not iterable"))
    with pytest.raises(SystemExit) as caught:
        app.run(["check", "study"])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "TypeError: argument of type 'int'" in said
    assert "is an error of flarefree" in said
    assert "Traceback" not in said


def test_the_trace_is_there_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAREFREE_TRACEBACK", "1")
    fail_with(monkeypatch, TypeError("odd"))
    with pytest.raises(TypeError, match="odd"):
        app.run(["check", "study"])


def test_a_disk_that_fails_is_not_called_an_error_of_flarefree(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, OSError(28, "No space left on device", "report.csv"))
    with pytest.raises(SystemExit) as caught:
        app.run(["check", "study"])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "report.csv" in said
    assert "No space left on device" in said
    assert "error of flarefree" not in said


def test_a_name_too_long_for_the_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.yaml").write_text(f"files: [{'x' * 5000}.csv]\n")
    with pytest.raises(SystemExit) as caught:
        app.run(["check", str(tmp_path)])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert len(said) < 1000
    assert "Traceback" not in said


def test_a_terminal_without_the_character_shows_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ASCII terminal would else end the command at the first dash or ellipsis."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))

    def call(name: str, words: list[str]) -> None:
        sys.stdout.write("0.5\N{EN DASH}0.9\N{HORIZONTAL ELLIPSIS}\n")

    monkeypatch.setattr(app, "_call", call)
    with pytest.raises(SystemExit) as caught:
        app.run(["check", "study"])
    assert caught.value.code == 0
    assert written.getvalue() == b"0.5?0.9?\n"
