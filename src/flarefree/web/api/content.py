"""The content of a request: JSON, read strictly, so that what the OpenAPI document says is what is taken.

A number is not taken for a text, nor the other way; text has no control characters and no spaces around it,
so that its length is the same for who counts it before and after.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from django.http import HttpRequest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import from_json, to_json

from flarefree.web.api.problems import Refusal
from flarefree.web.commands.base import Command

__all__ = ["REQUEST_ID", "TEXT", "RequestId", "model_of", "read_body"]

REQUEST_ID = r"^[A-Za-z0-9][A-Za-z0-9._:-]{7,79}$(?!\n)"
RequestId = Annotated[
    str,
    Field(
        pattern=REQUEST_ID.removesuffix(r"(?!\n)"),  # the validator's own `$` is the very end
        description="Made by you, new for each request: the same id again gives the same answer, and does "
        "nothing twice.",
        examples=["7b0c6f0e-1d0a-4c55-9a51-6d3c1f3a2b10"],
    ),
]
_EDGE = r"[^\s\x00-\x1f\x7f]"
TEXT = rf"^(?:{_EDGE}(?:[^\x00-\x08\x0b-\x1f\x7f]*{_EDGE})?)?$(?!\n)"
_TEXT = re.compile(TEXT)
_EXACT = 2**53


def model_of(command: type[Command]) -> type[BaseModel]:
    """What is posted for a command."""
    return create_model(
        f"Ask_{command.name}",
        __config__=ConfigDict(frozen=True, extra="forbid"),
        __doc__=f"Asks for `{command.name}`.",
        request_id=(RequestId, ...),
        command=(command, ...),
    )


def read_body(request: HttpRequest, model: type[BaseModel]) -> Any:
    """The content of a request, checked.

    Raises
    ------
    Refusal
        Not JSON, or with text that cannot be kept.
    ValidationError
        Not as the model says.
    """
    if request.content_type != "application/json":
        raise Refusal(415, "this address takes JSON", expected="Content-Type: application/json")
    try:
        raw = _with_whole_numbers(from_json(request.body, allow_inf_nan=False))
    except ValueError as error:
        raise Refusal(422, "the request is not JSON", expected=str(error)) from error
    for place, text in _texts(raw, ()):
        if not _TEXT.search(text):
            raise Refusal(
                422,
                "text that cannot be kept",
                where=".".join(place),
                expected="no control characters, and no spaces before or after it",
            )
    try:
        told = model.model_validate_json(to_json(raw), strict=True)
    except ValidationError:
        raise
    except ValueError as error:
        raise Refusal(422, "the request is not as expected", expected=type(error).__name__) from error
    for place in _counted_seconds(raw, told.model_dump(mode="json"), ()):
        raise Refusal(422, "this is no date", where=".".join(place), expected="a date such as 2026-01-31")
    return told


_DIGITS = re.compile(r"-?[0-9.]+\Z")


def _counted_seconds(raw: Any, read: Any, place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Digits alone that were read as a time, as if they were seconds since 1970."""
    if isinstance(raw, dict) and isinstance(read, dict):
        for name, one in raw.items():
            yield from _counted_seconds(one, read.get(name), (*place, name))
    elif isinstance(raw, list) and isinstance(read, list):
        for n, (one, other) in enumerate(zip(raw, read, strict=False)):
            yield from _counted_seconds(one, other, (*place, str(n)))
    elif isinstance(raw, str) and isinstance(read, str) and raw != read and _DIGITS.match(raw):
        yield place


def _with_whole_numbers(value: Any) -> Any:
    """`129.0` is a whole number in JSON's own terms, and so it is here."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, list):
        return [_with_whole_numbers(one) for one in value]
    if isinstance(value, dict):
        return {name: _with_whole_numbers(one) for name, one in value.items()}
    return value


def _texts(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text in a value, keys too, with where it stands."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, list):
        for n, one in enumerate(value):
            yield from _texts(one, (*place, str(n)))
    elif isinstance(value, dict):
        for name, one in value.items():
            yield (*place, "a name"), name
            yield from _texts(one, (*place, name))
