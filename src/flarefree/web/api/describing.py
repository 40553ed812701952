"""The OpenAPI document: what ninja says of addresses, and what we say of content, problems and examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from flarefree.web.api.commanding import commands_of_people
from flarefree.web.api.content import REQUEST_ID, TEXT, model_of
from flarefree.web.api.problems import PROBLEM_TYPE
from flarefree.web.api.reading import Slips

__all__ = ["DESCRIPTION", "describe"]

DESCRIPTION = """\
The application that conducts a trial, for other programs.

**Who asks** is a person in one of their roles, by a bearer token that they made for one program. What the
role may do and see is the role matrix of the trial, asked at each request.

**A request id** belongs to each command, made by you. Sent again with the same id and the same content, the
answer is the same and nothing is done twice; with other content it is refused. Where an answer was lost,
`GET /requests/{request_id}` gives the truth.

**Refusals** are problem JSON: 404 for everything that is not there for you, whatever the reason; 409 where a
rule of the trial refuses; 422 where the request is not as this document says. Nothing was changed by any of
them.
"""
_REF = "#/components/schemas/{model}"
_PROBLEM = {
    "type": "object",
    "description": "Why something was not done, or is not shown.",
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, in a sentence."},
        "where": {"type": "string"},
        "found": {"type": "string"},
        "expected": {"type": "string"},
        "try": {"type": "string", "description": "How to mend it."},
    },
    "required": ["title", "status", "detail"],
    "additionalProperties": False,
}
_REFUSALS = {
    "400": "Not understood.",
    "401": "No valid token.",
    "404": "There is nothing here for you.",
    "405": "Not a method of this address.",
    "409": "A rule of the trial refuses it; nothing was changed.",
    "415": "The content is not JSON.",
    "422": "Not as this document says.",
}


def describe(document: Any) -> Any:
    """Complete what ninja wrote, in place."""
    schemas = document["components"].setdefault("schemas", {})
    commands = commands_of_people()
    models: dict[str, type[BaseModel]] = {name: model_of(command) for name, command in commands.items()}
    models["outage_differences"] = Slips
    refs, told = models_json_schema([(model, "validation") for model in models.values()], ref_template=_REF)
    asked = told.get("$defs", {})
    schemas.update(asked)
    schemas["Problem"] = _PROBLEM
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            name = operation["operationId"]
            if name in models and method == "post":
                schema = refs[models[name], "validation"]
                operation["requestBody"] = {
                    "required": True,
                    "content": {"application/json": {"schema": dict(schema)}},
                }
            _add_refusals(operation, is_command=method == "post", has_parts="{" in path)
    for schema in (*asked.values(), *_parameters(document)):
        _spell(schema)
    return document


def _add_refusals(operation: dict[str, Any], *, is_command: bool, has_parts: bool) -> None:
    left_out = set() if is_command else {"409", "415"}
    responses = operation["responses"]
    for status, words in _REFUSALS.items():
        if status not in left_out:
            content = {PROBLEM_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
            responses.setdefault(status, {"description": words, "content": content})
    for status in list(responses):
        if isinstance(status, int):
            responses[str(status)] = responses.pop(status)
            responses[str(status)]["description"] = "As asked."


def _parameters(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in document["paths"].values():
        for operation in operations.values():
            yield from (parameter["schema"] for parameter in operation.get("parameters", ()))


def _spell(schema: Any) -> None:
    """Patterns as ECMAScript has them, and every free text as the API takes it."""
    if isinstance(schema, list):
        for one in schema:
            _spell(one)
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("pattern"), str):
        schema["pattern"] = _spelled(schema["pattern"])
        if "[^" in schema["pattern"] and schema["pattern"] != TEXT:
            schema.setdefault("allOf", [{"pattern": TEXT}])
    elif schema.get("type") == "string" and not {"format", "enum", "const"} & set(schema):
        schema["pattern"] = TEXT
    if isinstance(schema.get("additionalProperties"), dict):
        schema["propertyNames"] = {"type": "string", **schema.get("propertyNames", {})}
    for one in schema.values():
        _spell(one)


def _spelled(pattern: str) -> str:
    r"""`\A` and `\Z` are Python's; `$` must not stand before a last line break."""
    told = pattern.replace(r"\A", "^").replace(r"\Z", "$").replace(r"\z", "$")
    return told + r"(?!\n)" if told.endswith("$") and told != REQUEST_ID else told
