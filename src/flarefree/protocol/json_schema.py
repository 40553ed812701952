"""The JSON Schema of a protocol file, for editors that complete and check YAML."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from flarefree.protocol.schema import Protocol

__all__ = ["make_json_schema", "published_json_schema", "schema_text"]

_WRITTEN = r"^\s*\d+(\.\d+)?\s*(day|week|month|year)s?\s*$"
_DURATION = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": _WRITTEN}]}


def make_json_schema() -> dict[str, Any]:
    """The schema as pydantic has it, with durations as a protocol writes them (`14 days`)."""
    schema = Protocol.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "flarefree protocol"
    _with_durations(schema)
    return schema


def schema_text() -> str:
    """The schema as the file holds it."""
    return json.dumps(make_json_schema(), indent=2, ensure_ascii=False) + "\n"


def published_json_schema() -> str:
    """The text of the published file, `protocol.schema.json`."""
    return resources.files("flarefree.protocol").joinpath("protocol.schema.json").read_text("utf-8")


_DURATION_KEYS = {
    "Design": ("follow_up",),
    "Regimen": ("until",),
    "DoseRules": ("longest_interruption",),
    "Contact": ("every", "until", "after_last_visit"),
}
"""Keys of type `Days`, which pydantic knows as integers; a test finds any that are missing here."""


def _with_durations(schema: dict[str, Any]) -> None:
    for part, keys in _DURATION_KEYS.items():
        properties = schema["$defs"][part]["properties"]
        for key in keys:
            whole = properties[key]
            kept = {k: v for k, v in whole.items() if k not in ("type", "anyOf")}
            options = list(_DURATION["anyOf"])
            if "anyOf" in whole:
                options.append({"type": "null"})
            properties[key] = {"anyOf": options, **kept}
