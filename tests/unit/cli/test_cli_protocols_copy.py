"""`flarefree protocols copy`: a built-in protocol with its published results, never over another file."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flarefree.cli.protocols import app
from flarefree.errors import OutputError, ProtocolError
from flarefree.protocol.loading import builtin_path, load_protocol
from flarefree.protocol.published import load_published


def copy(name: str, file: Path) -> str:
    result = CliRunner().invoke(app, ["copy", name, str(file)])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_the_copy_is_the_protocol_and_its_published_results(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "my-alms.yaml"
    said = copy("alms-maintenance", file)
    assert file.read_bytes() == builtin_path("alms-maintenance").read_bytes()
    published = file.parent / "published" / "alms-maintenance.yaml"
    assert said.splitlines() == [
        f"Written: {file}",
        f"Written: {published}",
        f"Analyze with it: flarefree analyze STUDY --protocol {file}",
    ]
    ours = load_published(load_protocol("alms-maintenance"))
    assert ours is not None
    assert load_published(load_protocol(str(file))) == ours


def test_a_protocol_without_published_results_is_one_file(tmp_path: Path) -> None:
    copy("cdisc-pilot", tmp_path / "pilot.yaml")
    assert [file.name for file in tmp_path.iterdir()] == ["pilot.yaml"]


@pytest.mark.parametrize("there", ["my-alms.yaml", "published/alms-maintenance.yaml"])
def test_no_file_is_written_over(tmp_path: Path, there: str) -> None:
    mine = tmp_path / there
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(OutputError, match="there is a file already") as caught:
        copy("alms-maintenance", tmp_path / "my-alms.yaml")
    assert (caught.value.where, caught.value.exit_code) == (str(mine), 2)
    assert [file for file in tmp_path.rglob("*.yaml") if file.is_file()] == [mine]
    assert mine.read_text() == "mine"


def test_two_copies_in_a_folder_share_the_published_results(tmp_path: Path) -> None:
    copy("alms-maintenance", tmp_path / "one.yaml")
    said = copy("alms-maintenance", tmp_path / "two.yaml")
    assert said.splitlines()[0] == f"Written: {tmp_path / 'two.yaml'}"
    assert "published" not in said
    assert (tmp_path / "two.yaml").read_bytes() == (tmp_path / "one.yaml").read_bytes()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("no folder")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        copy("alms-maintenance", tmp_path / "a-file" / "my-alms.yaml")
    assert caught.value.where.startswith(str(tmp_path / "a-file"))
    assert caught.value.found


def test_a_folder_without_leave_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, content: bytes) -> int:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OutputError, match="cannot be written") as caught:
        copy("cdisc-pilot", tmp_path / "pilot.yaml")
    assert (caught.value.where, caught.value.found) == (str(tmp_path / "pilot.yaml"), "Permission denied")


def test_a_name_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="alms"):
        copy("alms", tmp_path / "my.yaml")
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_is_moved_says_what_to_do(tmp_path: Path) -> None:
    copy("alms-maintenance", tmp_path / "my-alms.yaml")
    (tmp_path / "published" / "alms-maintenance.yaml").unlink()
    with pytest.raises(ProtocolError) as caught:
        load_published(load_protocol(str(tmp_path / "my-alms.yaml")))
    assert caught.value.try_ == (
        "remove the line published: published/alms-maintenance.yaml, or put the file there "
        "(flarefree protocols copy NAME FILE copies both)"
    )
