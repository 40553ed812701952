"""The reference page of the API, made from its own OpenAPI document."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["api_page"]

_HEAD = """\
Addresses begin with `/api/v1`.
The whole document is `GET /api/v1/openapi.json` (OpenAPI {version}).

```console
$ curl https://trial.example.org/api/v1/commands/randomize_subject \\
    -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
    -d '{{"request_id": "7b0c6f0e-1d0a-4c55-9a51-6d3c1f3a2b10", "command": {{"subject": "017-004"}}}}'
```

```json
{{"request_id": "7b0c6f0e-1d0a-4c55-9a51-6d3c1f3a2b10", "receipt": "41:9f1c...", "is_repeated": false,
 "result": {{"subject": "017-004", "kit": "12345674", "randomized_at": "2026-01-05T13:00:00.000000Z"}}}}
```"""


def api_page(made: str) -> str:
    """Every operation: what it does, what it takes."""
    document = _document()
    schemas = document["components"]["schemas"]
    description = _one_sentence_a_line(document["info"]["description"])
    parts = ["# The API", made, description, _HEAD.format(version=document["openapi"])]
    parts += ["## Refusals", _refusals(document)]
    for title, tag in (("Reading", "reading"), ("Commands", "commands")):
        parts.append(f"## {title}")
        parts += [
            _operation(path, method, operation, schemas)
            for path, operations in sorted(document["paths"].items())
            for method, operation in operations.items()
            if tag in operation["tags"]
        ]
    return "\n\n".join(parts) + "\n"


def _one_sentence_a_line(text: str) -> str:
    """As all our pages are written."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
    return "\n\n".join(re.sub(r"(?<=\.) (?=[A-Z*`])", "\n", paragraph) for paragraph in paragraphs)


def _document() -> dict[str, Any]:
    """In a process of its own: the application is set up once in a process, and tests have their own."""
    command = [sys.executable, "-m", "flarefree.web.api.printing"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _refusals(document: Mapping[str, Any]) -> str:
    responses = next(iter(document["paths"].values()))
    (operation,) = responses.values()
    rows = [
        f"| {status} | {told['description']} |" for status, told in sorted(operation["responses"].items())
    ]
    return "\n".join(("| status | means |", "| --- | --- |", *rows))


def _operation(path: str, method: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    address = path.removeprefix("/api/v1")
    parts = [f"### {method.upper()} {address}", f"{operation['summary'].rstrip('.')}."]
    words = re.split(r"\n(?:Attributes|Raises|Notes)\n-+", operation.get("description", ""))[0].strip()
    if words:
        parts.append(_one_sentence_a_line(words))
    rows = [*_parameters(operation), *_fields(operation, schemas)]
    if rows:
        parts.append("\n".join(("| | takes | |", "| --- | --- | --- |", *rows)))
    return "\n\n".join(parts)


def _parameters(operation: Mapping[str, Any]) -> Iterator[str]:
    for one in operation.get("parameters", ()):
        needed = "needed" if one["required"] else ""
        yield f"| `{one['name']}` in the {one['in']} | {_kind(one['schema'], {})} | {needed} |"


def _fields(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    body = operation.get("requestBody")
    if body is None:
        return
    schema = _resolved(body["content"]["application/json"]["schema"], schemas)
    inner = _resolved(schema["properties"].get("command", schema), schemas)
    needed = set(inner.get("required", ()))
    for name, told in inner.get("properties", {}).items():
        yield f"| `{name}` | {_kind(told, schemas)} | {'needed' if name in needed else ''} |"


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return schemas[name] if name else schema


def _kind(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """A type in words."""
    schema = _resolved(schema, schemas)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one, schemas) for one in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"a list of {_kind(schema.get('items', {}), schemas)}"
    if schema.get("type") == "object":
        names = ", ".join(f"`{name}`" for name in schema.get("properties", {}))
        return f"an object: {names}" if names else "an object"
    kinds = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
    told = {"date": "a date", "date-time": "a date and time"}.get(schema.get("format", ""))
    return told or {**kinds, "null": "null"}.get(schema.get("type", ""), "any value")
