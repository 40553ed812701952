"""What pydantic finds wrong in a protocol, said with file, line and path, and what was meant."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from flarefree.errors import ProtocolError
from flarefree.protocol.language.messages import suggest
from flarefree.protocol.schema import Protocol
from flarefree.protocol.schema_parts import BLANK
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
                missing = str(self.item["loc"][-1])
                return f"{missing} is missing", f"the key {missing}", _EXAMPLES.get(missing, "")
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
            case "string_pattern_mismatch" if context["pattern"] == BLANK:
                return f"{self._named()} has no words", "text that a reader can read", self._example()
            case "string_pattern_mismatch" if "#" in context["pattern"]:
                return "this is no color", "# and six digits or letters a to f", 'such as "#0b5394"'
            case "string_pattern_mismatch":
                return f"{key} is not such a name", "small letters, digits and _, beginning with a letter", ""
            case "value_error":
                what, _, expected = str(context["error"]).partition("; expected ")
                return what, expected, self._example()
            case kind if kind in _LIMITS:
                limit = next(value for name, value in context.items() if name in ("gt", "ge", "lt", "le"))
                return (
                    f"{self._named()} goes beyond its limits",
                    f"a number {_LIMITS[kind]} {limit:g}",
                    self._example(),
                )
        return (
            f"{self._named()} is not what it should be",
            _EXPECTED.get(self.item["type"], self.item["msg"]),
            self._example(),
        )

    def _keys(self) -> list[str]:
        """The keys of the path, the innermost first, without places in lists."""
        return [key for key in reversed(self.path.split(".")) if not key.isdigit()]

    def _named(self) -> str:
        return next(iter(self._keys()), "") or "the protocol"

    def _example(self) -> str:
        return next((_EXAMPLES[key] for key in self._keys()[:2] if key in _EXAMPLES), "")


_LIMITS = {
    "greater_than": "above",
    "greater_than_equal": "of at least",
    "less_than": "below",
    "less_than_equal": "of at most",
}

_EXAMPLES = {
    "flarefree": "flarefree: 1",
    "label": "label: Urinary protein",
    "title": "title: Maintenance treatment of lupus nephritis",
    "plausible": "plausible: [0, 60], or [0, null] for an open side",
    "normal": "normal: [35, 50], or [35, null] for an open side",
    "F": "F: [45, 84]",
    "M": "M: [59, 104]",
    "ratio": "ratio: {new: 2, old: 1}",
    "at_months": "at_months: [12, 24, 36]",
    "cumulative_at_months": "cumulative_at_months: 36",
    "tick_every": "tick_every: 6",
    "alpha": "alpha: 0.05",
    "significance": "significance: 0.05",
    "power": "power: 0.8",
    "hazard_ratio": "hazard_ratio: 0.5",
    "per_arm": "per_arm: 100",
    "planned_size": "planned_size: 200",
    "adherence_threshold": "adherence_threshold: 0.8",
    "low_weight_kg": "low_weight_kg: 50",
    "digits": "digits: 1",
    "percent_digits": "percent_digits: 1",
    "colors": 'colors: {new: "#0b5394"}',
    "cut": "cut: [50, 75]",
    "day": "day: 1",
    "number": "number: 1",
    "first_day": "first_day: 1",
    "last_day": "last_day: 1",
    "from_day": "from_day: 1",
    "follow_up": "follow_up: 36 months",
}
"""What could stand there instead, by the key."""

_EXPECTED = {
    "finite_number": "a number, neither infinite nor .nan",
    "too_short": "at least one entry",
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
        is_short = len(value) <= 4 and all(isinstance(item, int | float | None) for item in value)
        return (
            f"[{', '.join('null' if item is None else str(item) for item in value)}]"
            if is_short
            else "a list"
        )
    if value is None:
        return "nothing"
    text = f'"{" ".join(value.split())}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + '..."'
