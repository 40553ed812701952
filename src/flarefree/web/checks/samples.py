"""Content for any command, made from its schema alone: what a stranger would send who read the API's page."""

from __future__ import annotations

import re
from typing import Any

from flarefree.errors import ConductError
from flarefree.web.commands.base import Command

__all__ = ["sample_of"]

_BY_NAME: dict[str, Any] = {
    "subject": "017-0001",
    "site": "017",
    "person": "ben",
    "zone": "UTC",
    "country": "Germany",
    "visit": "month_3",
    "measure": "creatinine",
    "value": "1.1",
    "unit": "mg/dL",
    "date": "2026-01-05",
    "text": "a text",
    "role": "sponsor",
}
_CANDIDATES = (
    "017-0001", "017", "ben", "creatinine", "2026-01-05", "12:00", "1", "1.0", "a", "A1", "abcdefghjkmn",
    "12345678", "1234567", "123456", "1234", "lab/abcdefghjkmn", "a" * 64, "a" * 128, "ab" * 16, "T",
    "subject/017-0001", "rows.csv", "en", "1:12345674", "AAAA",
)  # fmt: skip


def sample_of(command: type[Command]) -> Command:
    """A command with content of the right form, about things that are not there.

    Raises
    ------
    ConductError
        A field's form is not one of those known here: add an example of it to `_CANDIDATES`.
    """
    schema = command.model_json_schema()
    return command.model_validate(_object(schema, schema.get("$defs", {}), command.name))


def _object(schema: dict[str, Any], defs: dict[str, Any], where: str) -> dict[str, Any]:
    wanted = schema.get("required", ())
    return {name: _value(schema["properties"][name], defs, f"{where}.{name}", name) for name in wanted}


def _value(schema: dict[str, Any], defs: dict[str, Any], where: str, name: str = "") -> Any:
    if "$ref" in schema:
        return _value(defs[schema["$ref"].rpartition("/")[2]], defs, where, name)
    if "const" in schema:
        return schema["const"]
    for choice in ("enum", "anyOf", "oneOf"):
        if choice in schema:
            first = schema[choice][0]
            return first if choice == "enum" else _value(first, defs, where, name)
    match schema.get("type"):
        case "object":
            if isinstance(schema.get("additionalProperties"), dict):
                return {"race": _value(schema["additionalProperties"], defs, where)}
            return _object(schema, defs, where)
        case "array":
            items = schema.get("prefixItems")
            if items:
                return [_value(item, defs, where) for item in items]
            return [_value(schema["items"], defs, where)] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return True
    return _text(schema, where, name)


def _text(schema: dict[str, Any], where: str, name: str) -> str:
    form = {"date": "2026-01-05", "date-time": "2026-01-05T12:00:00Z", "time": "12:00:00"}
    if schema.get("format") in form:
        return form[schema["format"]]
    least, most = schema.get("minLength", 0), schema.get("maxLength", 10_000)
    for text in (str(_BY_NAME.get(name, "")), *_CANDIDATES, "a word or two", "x" * least):
        is_long_enough = max(least, 1) <= len(text) <= most
        if is_long_enough and re.search(schema.get("pattern", ""), text):
            return text
    raise ConductError("no example of this form is known", where=where, found=str(schema))
