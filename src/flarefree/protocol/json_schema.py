"""The JSON Schema of a protocol file, for editors that complete and check YAML; and its reference page."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from flarefree.protocol.descriptions import DESCRIPTIONS, KINDS
from flarefree.protocol.schema import Protocol

__all__ = ["make_json_schema", "published_json_schema", "reference_page", "schema_text"]

_WRITTEN = r"^\s*[0-9]+(\.[0-9]+)?\s*(day|week|month|year)s?\s*$"
_DURATION: dict[str, Any] = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": _WRITTEN}]}


def make_json_schema() -> dict[str, Any]:
    """The schema as pydantic has it, with durations as a protocol writes them, and words for every key."""
    schema = Protocol.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "flarefree protocol"
    _with_durations(schema)
    _with_descriptions(schema)
    return schema


def schema_text() -> str:
    """The schema as the file holds it."""
    return json.dumps(make_json_schema(), indent=2, ensure_ascii=False) + "\n"


def published_json_schema() -> str:
    """The text of the published file, `protocol.schema.json`."""
    return resources.files("flarefree.protocol").joinpath("protocol.schema.json").read_text("utf-8")


_DURATION_KEYS = {
    "Design": ("follow_up",),
    "Criterion": ("within",),
    "Regimen": ("until",),
    "DoseRules": ("longest_interruption", "escalate_after", "trough_steady_after", "trough_until"),
    "Contact": ("every", "until", "after_last_visit", "window"),
    "AdjudicationRules": ("dates_within", "duplicate_after"),
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


def _with_descriptions(schema: dict[str, Any]) -> None:
    for part, definition in (("Protocol", schema), *schema["$defs"].items()):
        of_kind = DESCRIPTIONS["AnalysisBase"] if part in KINDS else {}
        words = {**of_kind, **DESCRIPTIONS.get(part, {})}
        for key, known in definition.get("properties", {}).items():
            if key in words:
                known.setdefault("description", words[key])


# The reference page ---------------------------------------------------------------------------------


def reference_page() -> str:
    """`docs/reference/protocol-file.md`: every part of a protocol file with its keys."""
    schema = make_json_schema()
    parts = [name for name in DESCRIPTIONS if name not in ("Protocol", "AnalysisBase", *KINDS)]
    sections = [_HEAD, _section("Protocol", "The file", schema)]
    sections += [_section(name, name, schema["$defs"][name]) for name in sorted(set(parts) - _OF_ANALYSES)]
    sections.append(
        "## Analyses\n\nEvery analysis has `title`, `section`, `population`, `purpose` and `note`.\n"
    )
    for name in [*KINDS, *sorted(_OF_ANALYSES)]:
        definition = schema["$defs"][name]
        kind = definition["properties"].get("kind", {}).get("const")
        sections.append(_section(name, f"`kind: {kind}`" if kind else name, definition, level=3))
    return "\n".join(sections)


_HEAD = """\
# The protocol file

This page is made from the schema: `flarefree protocols schema --page > docs/reference/protocol-file.md`.
How to write one: [Write a protocol](../how-to/write-a-protocol.md).
The sentences: [The endpoint language](language.md).
Every part may carry a `note`, which says what the source leaves open and what was chosen.
A duration is written `14 days`, `2 weeks`, `18 months` or `3 years`.
For completion in an editor, put the output of `flarefree protocols schema` beside the file and begin it with
`# yaml-language-server: $schema=protocol.schema.json`.
"""
_OF_ANALYSES = {"Model", "BaselineVariable", "AdverseEventGroup"}
_ALWAYS = {"note", "title", "section", "population", "purpose", "kind"}


def _section(name: str, heading: str, definition: dict[str, Any], level: int = 2) -> str:
    about = " ".join(definition.get("description", "").split())
    hidden = _ALWAYS if name in KINDS else {"note"}
    rows = [
        f"| `{key}` | {_type(known)} | {_default(key, known, definition)} | {known.get('description', '')} |"
        for key, known in definition["properties"].items()
        if key not in hidden
    ]
    table = ["| key | type | if left out | meaning |", "| --- | --- | --- | --- |", *rows] if rows else []
    return "\n".join([f"{'#' * level} {heading}", "", about, "", *table, ""])


def _default(key: str, known: dict[str, Any], definition: dict[str, Any]) -> str:
    if key in definition.get("required", []):
        return "must be given"
    value = known.get("default")
    return "" if value in (None, "", [], {}) or isinstance(value, dict) else f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace('"', "")


def _type(known: dict[str, Any]) -> str:
    if "const" in known:
        return f"`{known['const']}`"
    if "enum" in known:
        return ", ".join(f"`{option}`" for option in known["enum"] if option)
    if "$ref" in known:
        return _link(known["$ref"])
    if any(option.get("pattern") == _WRITTEN for option in known.get("anyOf", [])):
        return "duration"
    if "anyOf" in known:
        options = [_type(option) for option in known["anyOf"] if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(option for option in options if option))
    if "oneOf" in known:
        return "an analysis"
    match known.get("type"):
        case "array" if "items" in known:
            return f"list of {_type(known['items'])}"
        case "array":
            return "pair"
        case "object":
            by_pattern = list(known.get("patternProperties", {}).values())
            inner = by_pattern[0] if by_pattern else known.get("additionalProperties")
            return f"names to {_type(inner)}" if isinstance(inner, dict) else "keys and values"
        case "string" if known.get("const") == "":
            return ""
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}.get(
        str(known.get("type")), "anything"
    )


def _link(reference: str) -> str:
    name = reference.rpartition("/")[2]
    return f"[{name}](#{name.lower()})"
