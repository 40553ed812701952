"""YAML that is small and stands for something endless, or large and no protocol: refused at once."""

from __future__ import annotations

import pytest

from flarefree.errors import ProtocolError
from flarefree.protocol.yaml_source import read_yaml

NINE = ", ".join(["*{0}"] * 9)
BILLION_LAUGHS = "a: &a [x, x, x]\n" + "".join(
    f"{name}: &{name} [{NINE.format(before)}]\n" for before, name in zip("abcdefghi", "bcdefghij")
)


def test_aliases_of_aliases_are_counted_with_what_they_stand_for() -> None:
    with pytest.raises(ProtocolError, match="stands for too many values") as caught:
        read_yaml(BILLION_LAUGHS, "trial.yaml")
    assert caught.value.where.startswith("trial.yaml:")


def test_a_plain_alias_is_read() -> None:
    source = read_yaml("a: &a {x: 1}\nb: *a\n", "trial.yaml")
    assert source.values == {"a": {"x": 1}, "b": {"x": 1}}


@pytest.mark.parametrize(
    "text",
    ["a: " + "[" * 20_000 + "]" * 20_000, "a: " + "[" * 60 + "]" * 60, "a: &a [*a]\n"],
    ids=["deeper than the parser goes", "deeper than a protocol is", "a list that holds itself"],
)
def test_nesting_without_end(text: str) -> None:
    with pytest.raises(ProtocolError, match="nested too deeply"):
        read_yaml(text, "trial.yaml")


def test_a_file_too_long_for_settings() -> None:
    with pytest.raises(ProtocolError, match="too long") as caught:
        read_yaml("name: trial\n# " + "x" * 1_000_000, "trial.yaml")
    assert caught.value.found == "1,000,014 characters"


def test_a_number_of_thousands_of_digits_stays_text() -> None:
    assert read_yaml(f"n: {'9' * 5000}", "trial.yaml").values == {"n": "9" * 5000}
