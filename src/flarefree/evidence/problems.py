"""What is wrong in a file of evidence, said with file, line, study and cell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError

from flarefree.errors import EvidenceError, FlarefreeError, ProtocolError
from flarefree.protocol.language.messages import suggest
from flarefree.protocol.yaml_source import YamlSource, read_yaml

__all__ = ["raise_first", "read_source", "refuse", "suggest"]


def read_source(text: str, name: str) -> YamlSource:
    """YAML of a base with the place of everything in it; numbers keep their printed digits.

    Raises
    ------
    EvidenceError
        The text is no YAML, or a key (an arm, a study) is given twice.
    """
    try:
        return read_yaml(text, name, as_text=True)
    except ProtocolError as error:
        is_whole = error.what in ("the file is empty", "the file is no protocol")
        raise EvidenceError(
            error.what.replace("no protocol", "no evidence"),
            where=error.where,
            found=error.found,
            expected="keys and values: studies, documents, outcomes ..." if is_whole else error.expected,
            try_=error.try_,
        ) from None


def refuse(
    source: YamlSource,
    path: Iterable[str | int],
    what: str,
    *,
    found: str = "",
    expected: str = "",
    try_: str = "",
) -> NoReturn:
    """Raise an error at a place of a file.

    Raises
    ------
    EvidenceError
        Always.
    """
    where = source.place(".".join(map(str, path)))
    raise EvidenceError(what, where=where, found=found, expected=expected, try_=try_)


def raise_first(error: ValidationError, source: YamlSource, model: type[BaseModel]) -> NoReturn:
    """Raise that one of pydantic's errors which stands first in the file.

    Raises
    ------
    EvidenceError
        Always.
    """
    items = error.errors(include_url=False)
    misspelled = {each["loc"][:-1] for each in items if each["type"] == "extra_forbidden"}
    # A key that is misspelled is missing too: its misspelling is told.
    told = [each for each in items if each["type"] != "missing" or each["loc"][:-1] not in misspelled]
    # A list of which nothing could be read is not empty.
    told = [
        each
        for each in told
        if each["type"] != "too_short" or not any(_is_within(other["loc"], each["loc"]) for other in told)
    ]
    item = min(told, key=lambda each: (source.line(_path(each["loc"])) or 10**9, len(each["loc"])))
    raise _as_error(item, source, model) from None


def _is_within(loc: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(loc) > len(outer) and loc[: len(outer)] == outer


def _path(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in loc if step != "[key]")


def _as_error(item: Any, source: YamlSource, model: type[BaseModel]) -> FlarefreeError:
    path = _path(item["loc"])
    key = str(next((step for step in reversed(item["loc"]) if isinstance(step, str)), "the file"))
    what, expected, try_ = _words(item, key, model)
    found = "" if item["type"] == "missing" else _shown(item["input"])
    return EvidenceError(
        _of_study(item["loc"], what), where=source.place(path), found=found, expected=expected, try_=try_
    )


def _of_study(loc: tuple[int | str, ...], what: str) -> str:
    """The study and the arm before what is wrong with them."""
    named = [str(loc[1])] if len(loc) > 1 and loc[0] in ("studies", "meta_analyses") else []
    if "arms" in loc[2:-1]:
        named.append(str(loc[loc.index("arms") + 1]))
    return f"{', '.join(named)}: {what}" if named else what


def _words(item: Any, key: str, model: type[BaseModel]) -> tuple[str, str, str]:
    context = item.get("ctx", {})
    match item["type"]:
        case "extra_forbidden":
            known = sorted(_fields_at(item["loc"][:-1], model))
            hint = suggest(key, known)
            return f"{key} is not a key here", "" if hint else "one of " + ", ".join(known), hint
        case "missing":
            return f"{key} is missing", f"the key {key}", ""
        case "literal_error":
            options = [o.strip().strip("'") for o in context["expected"].replace(" or ", ", ").split(",")]
            return f"{key} has other values", context["expected"], suggest(str(item["input"]), options)
        case "value_error":
            what, _, expected = str(context["error"]).partition("; expected ")
            return f"{key}: {what}", expected, ""
        case "string_pattern_mismatch" if context["pattern"] == r"\S":
            return f"{key} has no words", "text that a reader can read", ""
        case "string_pattern_mismatch" if "ns" in context["pattern"]:
            return f"{key} is no P value", "0.02, <0.01, or ns", ""
        case "string_pattern_mismatch":
            return f"{key} is not such a name", "small letters, digits and _, beginning with a letter", ""
        case "too_short":
            return f"{key} is empty", "at least one", ""
    return f"{key} is not what it should be", str(item["msg"]).lower(), ""


def _fields_at(loc: tuple[int | str, ...], model: type[BaseModel]) -> set[str]:
    """The keys that a part of the file may have, by the models on the way to it."""
    fields: Any = model
    for step in loc:
        if isinstance(fields, type) and issubclass(fields, BaseModel) and step in fields.model_fields:
            fields = _inner(fields.model_fields[str(step)].annotation)
    is_model = isinstance(fields, type) and issubclass(fields, BaseModel)
    return set(fields.model_fields) if is_model else set()


def _inner(annotation: Any) -> Any:
    """The model within `tuple[Report, ...]`, `dict[str, Cell]` or `Curve | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _inner(part)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return None


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "keys and values: " + ", ".join(map(str, value)) if value else "nothing"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else text[:77] + "..."
