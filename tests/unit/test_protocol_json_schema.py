"""The published JSON Schema: up to date, and of one mind with the loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flarefree.protocol.descriptions import DESCRIPTIONS
from flarefree.protocol.durations import parse_days
from flarefree.protocol.json_schema import (
    make_json_schema,
    published_json_schema,
    reference_page,
    schema_text,
)
from flarefree.protocol.loading import builtin_path, builtin_protocols
from flarefree.protocol.schema import Protocol
from flarefree.protocol.yaml_source import read_yaml


@pytest.fixture(scope="module")
def validator() -> Any:
    return jsonschema.Draft202012Validator(make_json_schema())


def test_the_published_file_is_up_to_date() -> None:
    """Write it anew: flarefree protocols schema > src/flarefree/protocol/protocol.schema.json"""
    assert published_json_schema() == schema_text()


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(published_json_schema()))


@pytest.mark.parametrize("name", builtin_protocols())
def test_built_in_protocols_are_valid(name: str, validator: Any) -> None:
    values = read_yaml(builtin_path(name).read_text("utf-8"), name).values
    assert [error.message for error in validator.iter_errors(values)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("design", "follow_up"), "four weeks"),
        (("desing",), {}),
        (("reference_arm",), 3),
        (("flarefree",), 2),
    ],
)
def test_what_the_loader_refuses_is_not_valid(path: tuple[str, ...], value: object, validator: Any) -> None:
    values = read_yaml(builtin_path("alms-maintenance").read_text("utf-8"), "alms").values
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert list(validator.iter_errors(values))


def test_every_key_has_words() -> None:
    schema = make_json_schema()
    silent = [
        f"{name}.{key}"
        for name, part in (("Protocol", schema), *schema["$defs"].items())
        for key, known in part.get("properties", {}).items()
        if not known.get("description")
    ]
    assert silent == []


def test_words_are_of_keys_that_there_are() -> None:
    schema = make_json_schema()
    keys = {name: set(part.get("properties", {})) for name, part in schema["$defs"].items()}
    keys["Protocol"] = set(schema["properties"])
    keys["AnalysisBase"] = keys["TimeToEvent"]
    assert {name: set(words) - keys[name] for name, words in DESCRIPTIONS.items()} == {
        n: set() for n in DESCRIPTIONS
    }


def test_the_reference_page_is_up_to_date() -> None:
    """Write it anew: flarefree protocols schema --page > docs/reference/protocol-file.md"""
    page = Path(__file__).parents[2] / "docs" / "reference" / "protocol-file.md"
    assert page.read_text("utf-8") == reference_page()


def test_every_duration_may_be_written_in_words(validator: Any) -> None:
    """Keys that read durations (`Days`) accept `14 days` in the schema too."""
    definitions = make_json_schema()["$defs"]
    found = []
    for model in (Protocol, *_parts(Protocol)):
        for name, field in model.model_fields.items():
            if any(getattr(meta, "func", None) is parse_days for meta in _metadata(field)):
                found.append((model.__name__, name))
                options = definitions[model.__name__]["properties"][name]["anyOf"]
                assert any(option.get("type") == "string" for option in options), name
    assert len(found) == 13


def _parts(model: Any, seen: set[Any] | None = None) -> list[Any]:
    seen = set() if seen is None else seen
    for field in model.model_fields.values():
        for part in _models_in(field.annotation):
            if part not in seen:
                seen.add(part)
                _parts(part, seen)
    return sorted(seen, key=lambda part: part.__name__)


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models_in(argument)]


def _metadata(field: Any) -> list[Any]:
    nested = [
        meta
        for argument in getattr(field.annotation, "__args__", ())
        for meta in getattr(argument, "__metadata__", ())
    ]
    return [*field.metadata, *nested]
