"""What pydantic finds wrong in a protocol, said with file, line and path, and what was meant."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from flarefree.errors import ProtocolError
from flarefree.protocol.language.messages import suggest
from flarefree.protocol.schema import Protocol
from flarefree.protocol.yaml_source import YamlSource

__all__ = ["raise_first_error"]

_Loc = Sequence[int | str]


def raise_first_error(error: ValidationError, source: YamlSource) -> NoReturn:
    """Raise the error that stands first in the file.

    Raises
    ------
    ProtocolError
        Always.
    """
    details = [_Detail(item, source) for item in error.errors(include_url=False)]
    raise min(details, key=lambda detail: detail.line).as_error() from None


class _Detail:
    """One of pydantic's errors, with its path in the file."""

    def __init__(self, item: Any, source: YamlSource) -> None:
        self.item = item
        self.source = source
        self.path = _yaml_path(item["loc"], source.values)
        self.input = item["input"]
        if item["type"] == "union_tag_invalid":
            self.path, self.input = f"{self.path}.kind", item["ctx"]["tag"]
        self.line = source.line(self.path) or 1

    def as_error(self) -> ProtocolError:
        what, expected, try_ = self._words()
        return ProtocolError(
            what,
            where=self.source.place(self.path, self.source.line(self.path)),
            found="" if self.item["type"] == "missing" else _shown(self.input, self.item["type"]),
            expected=expected,
            try_=try_,
        )

    def _words(self) -> tuple[str, str, str]:
        context = self.item.get("ctx", {})
        key = self.path.rpartition(".")[2]
        match self.item["type"]:
            case "extra_forbidden":
                known = _known_keys(self.item["loc"], self.source.values)
                hint = suggest(key, known)
                return f"{key} is not a key here", "" if hint else "one of " + ", ".join(known), hint
            case "missing":
                return f"{self.item['loc'][-1]} is missing", f"the key {self.item['loc'][-1]}", ""
            case "union_tag_invalid":
                tags = [tag.strip().strip("'") for tag in context["expected_tags"].split(",")]
                return (
                    "there is no such kind of analysis",
                    "one of " + ", ".join(tags),
                    suggest(context["tag"], tags),
                )
            case "union_tag_not_found":
                return "an analysis needs its kind", "kind: time_to_event, say", ""
            case "literal_error":
                options = _literal_options(context["expected"])
                return (
                    f"{key} has other values",
                    "one of " + ", ".join(options),
                    suggest(str(self.input), options),
                )
            case "string_pattern_mismatch":
                return f"{key} is not such a name", "small letters, digits and _, beginning with a letter", ""
            case "value_error":
                return str(context["error"]), "", ""
        return (
            f"{key or 'the protocol'} is not what it should be",
            _EXPECTED.get(self.item["type"], self.item["msg"]),
            "",
        )


_EXPECTED = {
    "string_type": "text (put it in quotes if it looks like a number)",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
}


def _yaml_path(loc: _Loc, values: Any) -> str:
    """A location without what is not in the file: the kinds of a union, the marks of keys."""
    parts: list[str] = []
    for part in loc:
        if _has(values, part):
            values = values[part]
            parts.append(str(part))
    return ".".join(parts)


def _has(values: Any, part: int | str) -> bool:
    if isinstance(values, list):
        return isinstance(part, int) and part < len(values)
    return isinstance(values, dict) and part in values


def _known_keys(loc: _Loc, values: Any) -> list[str]:
    """The keys that the part of the protocol around a location may have."""
    model: Any = Protocol
    for part in loc[:-1]:
        model = _inside(model, part)
        if _has(values, part):
            values = values[part]
    return list(model.model_fields) if _is_model(model) else []


def _inside(annotation: Any, part: int | str) -> Any:
    """The annotation of a part, one step down."""
    if _is_model(annotation):
        field = annotation.model_fields.get(str(part))
        return _model_in(field.annotation) if field else annotation
    for option in get_args(annotation):
        if _is_model(option) and part in _tags(option):
            return option
    return annotation


def _model_in(annotation: Any) -> Any:
    """The model within tuple[X, ...], dict[str, X], Annotated[X, ...], X | None; unions stay unions."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _model_in(get_args(annotation)[0])
    if origin is tuple:
        return _model_in(get_args(annotation)[0])
    if origin is dict:
        return _model_in(get_args(annotation)[1])
    if origin in (Union, types.UnionType):
        models = [option for option in get_args(annotation) if _is_model(option)]
        return models[0] if len(models) == 1 else annotation
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _tags(model: Any) -> tuple[Any, ...]:
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation) if kind is not None and get_origin(kind.annotation) is Literal else ()


def _literal_options(expected: str) -> list[str]:
    return [
        option.strip().strip("'")
        for option in expected.replace(" or ", ", ").split(",")
        if option.strip("' ")
    ]


def _shown(value: Any, kind: str) -> str:
    if kind == "extra_forbidden" and not isinstance(value, str | int | float):
        return ""
    if isinstance(value, dict):
        return "keys and values: " + ", ".join(map(str, value)) if value else "nothing"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    text = f'"{" ".join(value.split())}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + '..."'
