"""A form for a command: its inputs, what was typed, what was wrong, the request id made when it was shown.

Takes a command's class and how its fields are asked for; gives a form that the template shows and that asks
`execute`.  A second click sends the same request id, and so is the same request.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import Enum
from types import MappingProxyType, NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError

from flarefree.errors import FlarefreeError
from flarefree.web import clock

if TYPE_CHECKING:
    from flarefree.conduct.visibility import Actor
    from flarefree.web.commands.base import Command, Outcome

__all__ = ["AskForm", "Input", "Wrong", "ask_content", "ask_for", "form_of", "new_request_id", "wrong_of"]

REQUEST = "request_id"
"""The hidden input of every form that asks for a change."""

_WORDS = {
    "missing": "Enter this",
    "date_from_datetime_parsing": "Enter a date, as 2026-01-31",
    "date_parsing": "Enter a date, as 2026-01-31",
    "datetime_from_date_parsing": "Enter a date and a time",
    "datetime_parsing": "Enter a date and a time",
    "int_parsing": "Enter a whole number",
    "float_parsing": "Enter a number",
    "decimal_parsing": "Enter a number",
    "bool_parsing": "Choose yes or no",
    "literal_error": "Choose one of those offered",
    "enum": "Choose one of those offered",
    "string_too_short": "Enter this",
}


def new_request_id() -> str:
    """Identifier of one request: 128 bits from the operating system."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Wrong:
    """What was wrong: the input (empty for the form as a whole), the words, and what to do."""

    name: str
    text: str
    try_: str = ""

    @property
    def input_id(self) -> str:
        """Where the summary's link leads."""
        return f"in-{self.name}" if self.name else "content"


@dataclass(frozen=True, slots=True)
class Input:
    """One thing asked for.

    Attributes
    ----------
    name, label, hint, unit : str
    kind : str
        `text`, `long`, `file` (long, kept to the last character), `number`, `date`, `datetime`, `choice`,
        `radio`, `check`, `checks` (several of the choices, a line of the value each), `password` or `hidden`.
    choices : tuple of (value, label)
    is_required, is_short : bool
    autocomplete : str
        HTML's token; `off` where a browser must not offer what somebody else typed.
    """

    name: str
    label: str = ""
    kind: str = "text"
    value: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    unit: str = ""
    is_required: bool = True
    is_short: bool = False
    error: str = ""
    autocomplete: str = "off"

    @property
    def input_id(self) -> str:
        """For its label and the summary of errors."""
        return f"in-{self.name}"

    @property
    def described_by(self) -> str:
        """Ids of its hint and error."""
        told = [f"{self.input_id}-hint"] * bool(self.hint) + [f"{self.input_id}-error"] * bool(self.error)
        return " ".join(told)

    @property
    def chosen(self) -> tuple[str, ...]:
        """Of several choices, those that are."""
        return tuple(self.value.split("\n")) if self.value else ()

    @property
    def html_type(self) -> str:
        """Of `input`."""
        return {"date": "date", "datetime": "datetime-local", "password": "password"}.get(self.kind, "text")


@dataclass(frozen=True)
class AskForm:
    """A form, as shown.

    Attributes
    ----------
    command : type of Command
    inputs : tuple of Input
    fixed : mapping
        Fields that the page knows and nobody types.
    request : str
    wrongs : tuple of Wrong
    """

    command: type[Command]
    inputs: tuple[Input, ...]
    fixed: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    request: str = ""
    wrongs: tuple[Wrong, ...] = ()

    def input(self, name: str) -> Input:
        """An input by its name."""
        return next(given for given in self.inputs if given.name == name)

    def filled(self, told: Mapping[str, str]) -> AskForm:
        """With what was typed, and its request id."""
        inputs = tuple(replace(given, value=_typed(given, told)) for given in self.inputs)
        return replace(self, inputs=inputs, request=told.get(REQUEST) or self.request)

    def with_wrongs(self, wrongs: Sequence[Wrong]) -> AskForm:
        """With errors at their inputs; those of fields that the form does not show are about the whole."""
        told = tuple(replace(wrong, name=self._name_of(wrong.name)) for wrong in wrongs)
        first = {wrong.name: wrong.text for wrong in reversed(told)}
        return replace(
            self, wrongs=told, inputs=tuple(replace(i, error=first.get(i.name, "")) for i in self.inputs)
        )

    def _name_of(self, where: str) -> str:
        """The input that an error speaks of: by its whole name, or by the last part of it."""
        names = [given.name for given in self.inputs]
        if where in names or not where:
            return where
        ends: tuple[str, ...] = (f".{where}", f".{where.rpartition('.')[2]}")
        if where.endswith(".unit"):
            ends = (f"u.{where.removesuffix('.unit')}",)
        return next((name for end in ends for name in names if name.endswith(end)), "")

    def content(self) -> dict[str, Any]:
        """The command's fields: what is fixed, and what was typed; an empty optional field is not told."""
        fields = self.command.model_fields
        typed = {
            i.name: _value_of(i, fields[i.name].annotation if i.name in fields else None)
            for i in self.inputs
            if i.value or i.kind == "check"
        }
        return {**_nested(typed), **self.fixed}

    def missing(self) -> tuple[Wrong, ...]:
        """Inputs that must be filled and are not."""
        return tuple(
            Wrong(i.name, f"{_ask(i)}: {i.label}")
            for i in self.inputs
            if i.is_required and not i.value and i.kind not in {"check", "hidden"}
        )


def _typed(given: Input, told: Mapping[str, str]) -> str:
    """What stands in an input; of boxes that are ticked together, a line each."""
    if given.kind == "checks":
        several = getattr(told, "getlist", None)
        return "\n".join(several(given.name)) if several is not None else told.get(given.name, "")
    # A browser ends lines of a text area by two characters; the record has one.
    typed = told.get(given.name, "").replace("\r\n", "\n")
    # A file has a digest: its last line's end belongs to it.
    return typed if given.kind == "file" and typed.strip() else typed.strip()


def _ask(given: Input) -> str:
    return "Choose" if given.kind in {"choice", "radio"} else "Enter"


def _nested(typed: Mapping[str, Any]) -> dict[str, Any]:
    """`characteristics.race` belongs to the field `characteristics`, which is a mapping."""
    found: dict[str, Any] = {}
    for name, value in typed.items():
        outer, _, inner = name.partition(".")
        if inner:
            found.setdefault(outer, {})[inner] = value
        else:
            found[name] = value
    return {name: _in_order(value) for name, value in found.items()}


def _in_order(value: Any) -> Any:
    """`tablets.1` and `tablets.2` are the first and the second of several."""
    if isinstance(value, dict) and value and all(name.isdigit() for name in value):
        return [value[name] for name in sorted(value, key=int)]
    return value


def _value_of(given: Input, annotation: Any) -> Any:
    if given.kind == "check":
        return given.value in {"on", "true", "yes"}
    if given.kind == "checks":
        return given.value.split("\n")
    if given.kind == "datetime" and _MINUTE.fullmatch(given.value):
        return f"{given.value}Z"  # a browser's input has no zone; pages ask in UTC
    if _is_date(annotation) and not _DATE.match(given.value):
        return f"{given.value} is no date"  # digits alone would be read as seconds since 1970
    # Several words in one input, as codes of sites.
    return given.value.replace(",", " ").split() if get_origin(annotation) is tuple else given.value


_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _is_date(annotation: Any) -> bool:
    kinds = get_args(annotation) or (annotation,)
    return any(isinstance(kind, type) and issubclass(kind, date) for kind in kinds)


def form_of(
    command: type[Command],
    *inputs: Input,
    fixed: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
) -> AskForm:
    """The form of a command.

    Parameters
    ----------
    command : type of Command
    inputs : Input
        How fields are asked for, in order; fields of the command that neither these nor `fixed` name are
        added behind them by their type.
    fixed : mapping
        Not asked for.
    initial : mapping
        What the inputs say at first.
    """
    known = {given.name.partition(".")[0] for given in inputs} | set(fixed or {})
    more = [_input_of(name, info) for name, info in command.model_fields.items() if name not in known]
    said = {name: _spell(value) for name, value in (initial or {}).items()}
    shown = tuple(replace(given, value=said.get(given.name, given.value)) for given in (*inputs, *more))
    return AskForm(command, shown, MappingProxyType(dict(fixed or {})), new_request_id())


def _spell(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _input_of(name: str, info: Any) -> Input:
    """How a field is asked for, by its type."""
    label = info.title or name.replace("_", " ").capitalize()
    kind, choices = _kind_of(name, info.annotation)
    return Input(
        name,
        label,
        kind,
        choices=choices,
        hint=info.description or "",
        is_required=info.is_required() or name == "reason",
        is_short=kind in {"number", "date"},
        value="" if info.is_required() or info.default is None else _spell(info.default),
    )


def _kind_of(name: str, annotation: Any) -> tuple[str, tuple[tuple[str, str], ...]]:
    origin = get_origin(annotation)
    if origin in {Union, UnionType}:
        inner = [given for given in get_args(annotation) if given is not NoneType]
        return _kind_of(name, inner[0])
    if origin is Literal:
        return "choice", tuple((str(value), _label(value)) for value in get_args(annotation))
    if isinstance(annotation, type):
        if issubclass(annotation, Enum):
            return "choice", tuple((str(value.value), _label(value.value)) for value in annotation)
        if issubclass(annotation, bool):
            return "check", ()
        if issubclass(annotation, datetime):
            return "datetime", ()
        if issubclass(annotation, date):
            return "date", ()
        if issubclass(annotation, int | float):
            return "number", ()
    is_long = name in {"reason", "narrative", "text", "why", "impact", "note", "comment"}
    return ("long" if is_long else "date" if name.endswith(("_on", "date")) else "text"), ()


def _label(value: Any) -> str:
    return str(value).replace("_", " ").capitalize() or "None"


def ask_for(form: AskForm, told: Mapping[str, str], actor: Actor) -> Outcome | AskForm:
    """Ask for what a form says.

    Parameters
    ----------
    form : AskForm
        As it was shown, without what was typed.
    told : mapping
        The browser's POST.
    actor : Actor

    Returns
    -------
    Outcome or AskForm
        What became of it, or the form again with what was wrong; nothing was changed then.
    """
    form = form.filled(told)
    return ask_content(form, form.content(), actor)


def ask_content(form: AskForm, content: Mapping[str, Any], actor: Actor) -> Outcome | AskForm:
    """Ask for a command whose content the page made of what was typed."""
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute

    missing = form.missing()
    if missing:
        return form.with_wrongs(missing)
    try:
        command = form.command.model_validate(content)
        return execute(command, Asked(actor, form.request, clock.now(), "web"))
    except ValidationError as error:
        return form.with_wrongs(_wrongs_of(error))
    except FlarefreeError as error:  # a protocol's reader and the rules of a design have errors of their own
        return form.with_wrongs((wrong_of(error),))


def _wrongs_of(error: ValidationError) -> tuple[Wrong, ...]:
    return tuple(
        Wrong(".".join(map(str, told["loc"])), _WORDS.get(told["type"]) or _first_big(told["msg"]))
        for told in error.errors()
    )


def _first_big(words: str) -> str:
    words = words.removeprefix("Value error, ")
    return words[:1].upper() + words[1:]


def wrong_of(error: FlarefreeError) -> Wrong:
    """A rule's refusal in words: what is wrong, what was found, what to do."""
    where = error.where or ""
    text = error.what
    told = text[:1].upper() + text[1:]
    if error.found:
        told += f" (found: {error.found})"
    if error.expected:
        told += f"; expected: {error.expected}"
    return Wrong(where, told, error.try_ or "")
